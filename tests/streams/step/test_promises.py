"""What vantages promise before they have results waits for these, for a day at most."""

from __future__ import annotations

from streams.step.promises import Promises
from streams.step.rows import StatusRow

_DAY = 86_400


def word(vantage: str, seconds: int, *, up: bool = True, every: float = 60.0) -> StatusRow:
    return StatusRow(0, seconds * 1000, vantage, "PK", "", 64500, up, every, 0, "")


def test_a_promise_is_taken_in_with_the_first_window_in_which_its_vantage_is_known() -> None:
    promises = Promises()
    early = word("v", 10)
    assert promises.with_those_due([early], 0, lambda *_: False) == [early]
    assert promises.with_those_due([], 60, lambda *_: False) == []
    assert Promises(promises.kept).with_those_due([], 120, lambda *_: True) == [early]
    assert promises.with_those_due([], 120, lambda *_: True) == [early]
    assert promises.kept == []


def test_who_goes_again_or_is_known_promises_nothing_that_waits() -> None:
    promises = Promises()
    promises.with_those_due([word("v", 10), word("w", 10, every=0.0)], 0, lambda *_: False)
    promises.with_those_due([word("v", 70, up=False)], 60, lambda *_: False)
    promises.with_those_due([word("u", 130)], 120, lambda *_: True)
    assert promises.kept == []


def test_it_is_forgotten_after_a_day() -> None:
    promises = Promises()
    promises.with_those_due([word("v", 10)], 0, lambda *_: False)
    promises.with_those_due([], _DAY, lambda *_: False)
    assert promises.kept == [word("v", 10)]
    promises.with_those_due([], _DAY + 60, lambda *_: False)
    assert promises.kept == []
