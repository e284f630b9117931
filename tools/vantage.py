"""Put what `netdusk probe` needs of netdusk beside its packages: `python -m tools.vantage FOLDER` (make vantage).

The source as it is, less what is compiled: a vantage decides nothing. And the version, which results carry.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[1]
_ROOMS: Final = ("detectors", "producers", "streams")
_LEFT_OUT: Final = shutil.ignore_patterns(
    "__pycache__", "*.so", "*.pyx", "*.c", "static", "templates", "locale"
)


def main(folder: Path) -> None:
    """Copy the rooms, and write the version's file."""
    for room in _ROOMS:
        shutil.copytree(_ROOT / room, folder / room, ignore=_LEFT_OUT, dirs_exist_ok=True)
    version = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    facts = folder / f"netdusk-{version}.dist-info"
    facts.mkdir(exist_ok=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: netdusk\nVersion: {version}\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
