"""The steps of a window that are compiled, or None where there was no C compiler when netdusk was installed.

What is compiled decides the same, to the last bit, as the NumPy code beside which it is called: see `_stages.pyx`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

stages: Any


def __getattr__(name: str) -> Any:
    # It knows the modules that call it, so it is imported when these are there.
    if name != "stages":
        raise AttributeError(name)
    try:
        module: Any = import_module("detectors.columns._stages")
    except ImportError:
        module = None
    globals()["stages"] = module
    return module
