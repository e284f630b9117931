"""The shape of all that is kept and published is that of its version, and a reader of the releases before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detectors.state import UPGRADES, VERSIONS
from tests.contracts import golden
from tests.contracts.shapes import OPTIONAL, changes, shapes

NOW = shapes()
RELEASES = golden.releases()


def of_release(directory: Path) -> dict[str, Any]:
    shapes_then: dict[str, Any] = json.loads((directory / "shapes.json").read_text())
    return shapes_then


@pytest.mark.parametrize("directory", RELEASES, ids=lambda path: path.name)
def test_what_a_release_has_written_can_be_read(directory: Path) -> None:
    for kind, then in of_release(directory).items():
        assert kind in NOW, f"{kind} is gone: what {directory.name} has written of it can't be read any more"
        version, now = then["version"], NOW[kind]
        if version == now["version"]:
            found = changes(then["shape"], now["shape"])
            assert not found, (
                f"{kind}, version {version}, as {directory.name} has written it, would be misread: {'; '.join(found)}. "
                "What is added needs a default (and comes last in an array). For any other change raise "
                f"VERSIONS[{kind!r}] in detectors/state.py to {version + 1}, and append to UPGRADES the step that "
                "makes the new form of the old. "
                + (
                    ""
                    if golden.is_released(directory.name)
                    else f"Or, while {directory.name} is not released, {BLESS}."
                )
            )
            continue
        steps = {step.version for step in UPGRADES if step.kind == kind}
        missing = sorted(set(range(version, VERSIONS[kind])) - steps)
        assert not missing, (
            f"{directory.name} has written version {version} of {kind}, this is {VERSIONS[kind]}: UPGRADES in "
            f"detectors/state.py has no step from {missing}"
        )


BLESS = "run `python -m tests.contracts.golden` and commit what it writes"


def test_the_shape_is_that_of_this_version() -> None:
    then = of_release(golden.RELEASES / golden.VERSION)
    for kind, now in NOW.items():
        assert now == then.get(kind), (
            f"{kind} has changed: {_difference(then.get(kind, {'shape': {}})['shape'], now['shape'])}. "
            + (
                f"{golden.VERSION} is released: raise the version in pyproject.toml, then {BLESS}"
                if golden.is_released(golden.VERSION)
                else f"Where that is meant, {BLESS}"
            )
        )


def _difference(then: dict[str, str], now: dict[str, str]) -> str:
    lines = [f"+ {path}: {text}" for path, text in now.items() if then.get(path) != text]
    lines += [f"- {path}: {text}" for path, text in then.items() if now.get(path) != text]
    return "; ".join(lines[:8]) or "the order of its fields"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({"a": "map", "a.b": "int", "a.c": f"str{OPTIONAL}"}, None),
        ({"a": "map", "a.b": f"int{OPTIONAL}"}, None),
        ({"a": "map", "a.b": "int", "a.b=None": "null"}, None),
        ({"a": "map", "a.b": "int", "a.c": f"map{OPTIONAL}", "a.c.d": "int"}, None),
        ({"a": "map", "a.c": "int"}, "a.b is gone"),
        ({"a": "map", "a.b": "str"}, "a.b was int, and is str"),
        ({"a": "map", "a.b": "int", "a.c": "str"}, "a.c was added without a default"),
        ({"a": "array", "a.b": "int"}, "a was map, and is array"),
    ],
)
def test_what_a_reader_would_stumble_over(now: dict[str, str], why: str | None) -> None:
    found = changes({"a": "map", "a.b": "int"}, now)
    assert found == [] if why is None else any(line.startswith(why) for line in found)
