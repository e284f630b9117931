"""Which tests run where: each marker is described, and `make unit` leaves out what has one, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

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


def test_each_marker_is_described_to_contributors() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == markers()


@pytest.mark.parametrize("marker", ["system", "world"])
def test_tests_with_a_marker_have_a_target_that_runs_them(marker: str) -> None:
    assert runs(f"{marker}s").endswith(f"-m {marker}")
    assert f"`make {marker}s`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_unit_tests_try_less_where_nobody_asks_for_more() -> None:
    """And CI tries all: a property is never tried less there than its test says."""
    assert "NETDUSK_EFFORT=$${NETDUSK_EFFORT:-0.25}" in runs("unit")
    assert "NETDUSK_EFFORT" not in runs("test") + (ROOT / ".ci" / "run").read_text("utf-8")
