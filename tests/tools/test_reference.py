"""`docs/settings.md` and `docs/commands.md` are what the code says, and the code says something of each setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest

from streams.cli import COMMANDS
from streams.settings import CostSettings, NotifyRule, Settings
from tools import reference

_ROOT = Path(__file__).parents[2]
#: Every class that a settings file has a table of.
_KINDS = [
    *(
        kind
        for kind in get_type_hints(Settings).values()
        if isinstance(kind, type) and kind.__name__.endswith("Settings")
    ),
    NotifyRule,
    CostSettings,
]


@cache
def _readers() -> set[str]:
    """Every attribute that the rooms ask for, with its point."""
    return {
        attribute
        for room in ("detectors", "producers", "streams")
        for path in (_ROOT / room).rglob("*.py")
        for attribute in re.findall(r"\.[a-z_]\w*", path.read_text())
    }


@pytest.mark.parametrize(
    ("document", "written"), reference.DOCUMENTS.items(), ids=lambda one: getattr(one, "name", "")
)
def test_the_document_is_what_the_code_says(document: Path, written: Callable[[], str]) -> None:
    assert document.read_text() == written(), "run `make docs`"


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_each_setting_says_what_it_does(kind: type) -> None:
    said = reference.comments(kind)
    assert said
    assert [name for name, comment in said.items() if not comment] == [], (
        "write a `#:` line above it, in streams/settings.py or detectors/settings.py: what it does, in which unit"
    )


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_each_setting_is_read(kind: type) -> None:
    assert [name for name in reference.comments(kind) if f".{name}" not in _readers()] == [], (
        "no code reads it: then setting it changes nothing"
    )


def test_each_table_of_the_settings_has_a_heading() -> None:
    page = (_ROOT / "docs" / "settings.md").read_text()
    tables = [name for name in Settings.model_fields if name not in ("profile", "cost")]
    assert [name for name in tables if f"## `[{name}]`" not in page] == []


def test_each_command_has_a_section() -> None:
    page = (_ROOT / "docs" / "commands.md").read_text()
    assert [name for name in COMMANDS if f"## `netdusk {name}`\n" not in page] == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number, over 0, 1 or less"),
        ({"type": "string", "minLength": 16}, "text, 16 characters or more"),
        ({"anyOf": [{"type": "string", "format": "path"}, {"type": "null"}]}, "path"),
        ({"anyOf": [{"type": "string", "format": "password"}, {"type": "null"}]}, "text, secret"),
        ({"enum": ["ipv4", "ipv6"], "type": "string"}, "`ipv4`, `ipv6`"),
        ({"type": "object"}, "table"),
        ({}, "anything"),
    ],
)
def test_a_values_schema_in_words(schema: dict[str, object], words: str) -> None:
    assert reference.words(schema) == words
