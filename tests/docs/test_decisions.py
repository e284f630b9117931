"""Decisions stand under a number of their own, in one form, and each says which later one took it back."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

DECISIONS = sorted((Path(__file__).parents[2] / "docs" / "adr").glob("*.md"))
EACH = pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem[:4])
#: How one names another: "ADR 0002", "0001", or "[55](0055-signatures-are-over-a-hash.md)".
_NAMED = re.compile(r"\b(\d{4})(?=[-\s.,;:)])(?!-\d\d-\d\d)")


def status(path: Path) -> str:
    """What stands between the title and the first section."""
    return " ".join(path.read_text().partition("\n## ")[0].split("\n")[1:])


@EACH
def test_a_decision_has_the_form_of_the_others(path: Path) -> None:
    text = path.read_text()
    assert re.match(r"\d{4}-[a-z0-9-]+\.md$", path.name), "name it by its number of four digits and its title"
    assert text.startswith(f"# {int(path.name[:4])}. "), f"begin {path.name} with its number and title"
    assert re.match(r" ?Date: \d{4}-\d\d-\d\d\. Status: (accepted|superseded)\b", status(path)), (
        f'write "Date: 2026-11-24. Status: accepted." under the title of {path.name}'
    )
    for section in ("## Context", "## Decision"):
        assert f"\n{section}\n" in text, f"{path.name} has no section {section!r}"


def test_a_number_stands_for_one_decision() -> None:
    numbers = Counter(path.name[:4] for path in DECISIONS)
    assert [number for number, count in numbers.items() if count > 1] == [], (
        "give the newer one the next number"
    )


@EACH
def test_what_was_taken_back_says_so(path: Path) -> None:
    for sentence in re.split(r"(?<=[a-z)\d])[.;] ", status(path)):
        if re.match(r"(Status: accepted; )?[Ss]upersedes", sentence):
            for number in _NAMED.findall(sentence):
                older = next(one for one in DECISIONS if one.name.startswith(number))
                assert re.search(rf"\b0*{int(path.name[:4])}\b", status(older)), (
                    f"say in the status of {older.name} that {path.name[:4]} supersedes it, and in what"
                )
