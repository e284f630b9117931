"""A chunk at which the step raises: tried again, taken apart, and then one record or one country pays, not all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.trouble import Kept, Remedy, StepError, Troubles, to_blame
from streams.machine import Chunk, Outbox, WindowError


def raised(start: int, end: int, *, of_window: bool = False) -> StepError:
    return StepError(WindowError() if of_window else KeyError("x"), start, end)


def play(bad: set[int], *, chunk: int, end: int) -> tuple[list[int], int]:
    """What is set aside where these records raise, and how many tries it takes."""
    troubles, position, aside, tries = Troubles(), 0, [], 0
    while position < end:
        size = min(chunk, troubles.records_max(position) or chunk, end - position)
        if troubles.remedy_at(position) is Remedy.SET_ASIDE:
            aside.append(position)
            troubles.done(Remedy.SET_ASIDE)
            position += 1
        elif bad & set(range(position, position + size)):
            tries += 1
            assert tries < 1000
            troubles.note(raised(position, position + size))
            continue
        else:
            position += size
        troubles.passed(position)
    return aside, tries


@given(st.sets(st.integers(0, 99), max_size=4), st.integers(1, 40))
def test_each_bad_record_is_set_aside_and_no_other(bad: set[int], chunk: int) -> None:
    assert play(bad, chunk=chunk, end=100)[0] == sorted(bad)


def test_one_bad_record_of_eight_thousand_costs_a_handful_of_restores() -> None:
    aside, tries = play({5000}, chunk=8000, end=9000)
    assert aside == [5000]
    assert tries <= 6


def test_what_raises_once_is_tried_again_and_forgotten_when_it_passes() -> None:
    troubles = Troubles()
    assert troubles.note(raised(10, 20)) is Remedy.RETRY
    assert troubles.annulled_from is None
    troubles.passed(20)
    assert troubles.note(raised(10, 20)) is Remedy.RETRY


def test_a_chunk_is_annulled_the_second_time() -> None:
    troubles = Troubles()
    troubles.note(raised(10, 26))
    assert troubles.note(raised(10, 26)) is Remedy.TAKE_APART
    assert troubles.annulled_from == 10
    assert troubles.records_max(10) == 1


def test_where_a_window_raises_a_country_is_begun_anew_then_all_of_them_and_only_then_a_record_pays() -> None:
    troubles = Troubles()
    remedies = [troubles.note(raised(5, 6, of_window=True)) for _ in range(4)]
    assert remedies == [
        Remedy.RETRY,
        Remedy.BEGIN_COUNTRY_ANEW,
        Remedy.BEGIN_ALL_ANEW,
        Remedy.SET_ASIDE,
    ]


class Countries:
    """A machine whose windows raise while it keeps the state of certain countries."""

    bad: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.names: list[str] = []

    def countries(self) -> Sequence[str]:
        return self.names

    def forget(self, countries: Collection[str]) -> Outbox:
        self.names = [name for name in self.names if name not in countries]
        return Outbox()

    def restore(self, data: bytes) -> None:
        self.names = data.decode().split()

    def read(self, chunk: Any) -> Any:
        return [value for piece in chunk.pieces() for value in piece.values]

    def apply(self, batch: Any) -> Outbox:
        assert batch == [b"tick"]
        if self.bad & set(self.names):
            raise WindowError("a window")
        return Outbox()


NAMES = [f"C{i:02}" for i in range(30)]


@pytest.mark.parametrize(
    "bad", [{"C00"}, {"C29"}, {"C13"}, {"C03", "C17"}, {"C01", "C02", "C28"}, set(NAMES)]
)
def test_the_countries_to_blame_are_told_apart(bad: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Countries, "bad", frozenset(bad))
    chunk = Kept(Chunk("probes", 0, [0], [b"tick"]))
    make: Any = Countries
    assert to_blame(make, " ".join(NAMES).encode(), chunk) == sorted(bad)


def test_where_no_country_is_to_blame_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(self: Countries, batch: Any) -> Outbox:
        raise WindowError("whatever is kept")

    monkeypatch.setattr(Countries, "apply", always)
    make: Any = Countries
    assert to_blame(make, b"PK IN", Kept(Chunk("probes", 0, [0], [b"tick"]))) is None
