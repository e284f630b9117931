"""What is installed is what stands here: every folder of the three rooms, and every file in it."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("streams", "producers", "detectors")
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
#: What is made while building, and left out.
MADE = ("*.c", "*.cpp", "*.so", "*.pyc", "*.html")


def test_every_folder_and_every_file_is_in_the_package() -> None:
    patterns = ["*.py", *SETUPTOOLS["package-data"]["*"]]
    files = [
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(fnmatch(path.name, one) for one in MADE)
    ]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in files}
    assert len(files) > 200
    # Both ways: a package that is no folder makes every new installation fail.
    assert sorted(folders) == sorted(SETUPTOOLS["packages"])
    assert [path for path in files if not any(fnmatch(path.name, one) for one in patterns)] == []
