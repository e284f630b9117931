"""Which tests run where: each marker is described, and `make unit` leaves out what has one, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def markers() -> set[str]:
    """Names of the markers that pyproject.toml registers."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    return {line.split(":")[0] for line in options["markers"]}


def runs(target: str) -> str:
    """The command of a target of the Makefile."""
    (command,) = re.findall(
        rf"^{target}:.*\n\t(.*pytest.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    return str(command)


def test_the_unit_tests_are_those_without_a_marker() -> None:
    (left_out,) = re.findall(r'-m "(.*)"', runs("unit"))
    assert set(left_out.removeprefix("not ").split(" and not ")) == markers()


def test_what_ci_runs_leaves_no_test_out() -> None:
    assert " -m " not in runs("test")


def test_made_worlds_are_described_to_contributors() -> None:
    assert "tests marked `world`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert runs("worlds").endswith("-m world")
