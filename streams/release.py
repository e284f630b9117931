"""Which release of netdusk runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """Return the installed version, or `unknown` for a source tree that was never installed."""
    try:
        return version("netdusk")
    except PackageNotFoundError:
        return "unknown"
