"""What a reader would stumble over between two shapes of what is kept."""

from __future__ import annotations

import pytest

from tests.contracts.shapes import OPTIONAL, changes


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
