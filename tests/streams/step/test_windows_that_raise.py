"""Where closing a window raises, no record is to blame: the machine says so, and a chunk without records is none."""

from __future__ import annotations

from typing import Any

import pytest

from streams.machine import Chunk, Machine, WindowError
from streams.settings import Settings
from streams.step.country import CountryMachine
from streams.step.worldwide import WorldMachine

NOTHING = Chunk("netdusk.probes.v1", 0, [], [])


@pytest.mark.parametrize("make", [CountryMachine, WorldMachine])
def test_what_a_window_raises_is_told_apart(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = make(Settings())

    def close(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(machine, "_close_windows", close)
    with pytest.raises(WindowError, match="ZeroDivisionError"):
        machine.apply(machine.read(NOTHING))


@pytest.mark.parametrize("make", [CountryMachine, WorldMachine])
def test_a_chunk_without_records_changes_nothing(make: Any) -> None:
    machine: Machine[Any] = make(Settings())
    before = machine.snapshot()
    batch = machine.read(NOTHING)
    outbox = machine.apply(machine.decode_batch(batch.encode()))
    assert (outbox.before, outbox.after) == ([], [])
    assert machine.snapshot() == before
