"""A country whose state makes a window raise is begun anew by itself: the others go on as if it had never been."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.columns.bank import Bank
from detectors.readings import Reading
from producers.records import Decoded, ProbeResult
from streams.engine.checkpoint import Void
from streams.engine.ownership import redo
from streams.engine.trouble import Kept, to_blame
from streams.machine import Chunk, Forgetting, WindowError
from streams.records import Status
from streams.settings import load
from streams.step.country import BEGUN_ANEW, CountryMachine
from tests.effort import examples
from tests.streams.step.test_country import BLOCK, REPLAY, chunk, log_of, result, tick
from tests.streams.step.test_purity import SETTINGS, story


def made() -> CountryMachine:
    return CountryMachine(REPLAY)


def with_neighbour(records: list[Any]) -> list[Decoded | bytes]:
    """Each result twice: of its own country, and of the Maldives."""
    doubled: list[Decoded | bytes] = []
    for record in records:
        doubled.append(record)
        if isinstance(record, ProbeResult):
            doubled.append(replace(record, id=f"mv{record.id}", country="MV", vantage=f"mv{record.vantage}"))
    return doubled


def further(machine: CountryMachine, minutes: int) -> Chunk:
    records: list[Decoded | bytes] = []
    for minute in range(minutes):
        second = (42 + minute) * 60
        records.append(tick(second))
        records += with_neighbour([result(second, f"on-{minute}-{asn}", asn=asn) for asn in (17557, 45669)])
    return chunk(records, machine.next_offset)


def blocked() -> CountryMachine:
    """A machine with an open incident in two countries."""
    machine = made()
    machine.restore(_blocked())
    return machine


@cache
def _blocked() -> bytes:
    machine = made()
    told = machine.apply(machine.read(chunk(with_neighbour(list(log_of(BLOCK, 0)))))).incidents
    assert {(one.country, one.status) for one in told} == {("PK", Status.OPEN), ("MV", Status.OPEN)}
    return machine.snapshot()


def test_it_is_dropped_and_its_incident_ends_with_the_reason() -> None:
    machine = blocked()
    assert isinstance(machine, Forgetting)
    assert machine.countries() == ["MV", "PK"]
    (before,) = (one for one in machine.incidents() if one.country == "PK")
    outbox = machine.forget(["PK"])
    (ended,) = outbox.incidents
    assert (ended.id, ended.seq, ended.status, ended.reason) == (
        before.id,
        before.seq + 1,
        Status.RESOLVED,
        BEGUN_ANEW,
    )
    assert [message.topic for message in outbox.after] == ["alerts"]
    assert machine.countries() == ["MV"]
    assert [one.country for one in machine.incidents()] == ["MV"]
    machine.apply(machine.read(further(machine, 5)))
    assert machine.countries() == ["MV", "PK"]
    assert machine.networks_live() == {"MV": 2, "PK": 2}


def test_the_others_go_on_as_if_it_had_never_been() -> None:
    both, alone = blocked(), made()
    records = with_neighbour(list(log_of(BLOCK, 0)))
    alone.apply(alone.read(chunk([one for one in records if getattr(one, "country", "MV") == "MV"])))
    both.forget(["PK"])
    assert both._bank.snapshot() == alone._bank.snapshot()
    assert both._assembler.snapshot() == alone._assembler.snapshot()


def test_a_void_of_the_log_does_the_same_to_a_restored_machine() -> None:
    machine, restored = blocked(), made()
    restored.restore(machine.snapshot())
    void = Void("owner", 1, 1, machine.next_offset, "settings", "closing a window raised", ["PK"])
    again, outbox = redo(restored, void, made)
    assert outbox.after == machine.forget(["PK"]).after
    assert again.snapshot() == machine.snapshot()
    chunk_then = further(machine, 20)
    assert machine.apply(machine.read(chunk_then)).after == again.apply(again.read(chunk_then)).after
    assert again.snapshot() == machine.snapshot()


def test_the_country_to_blame_is_found_and_the_chunk_applies_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = blocked()
    state, chunk_then = machine.snapshot(), further(machine, 3)
    close = Bank.close

    def closing(self: Bank, *window: Any) -> Reading:
        if any(
            known.country == "PK" and known.asn == 9541 for known in self.monitors
        ):  # and none of the chunk
            raise ZeroDivisionError
        return close(self, *window)

    monkeypatch.setattr(Bank, "close", closing)
    with pytest.raises(WindowError):
        machine.apply(machine.read(chunk_then))
    assert to_blame(made, state, Kept(chunk_then)) == ["PK"]


@examples(8)
@given(st.integers(0, 10**9), st.data())
def test_whatever_is_kept_is_read_back_after_it(seed: int, data: st.DataObject) -> None:
    log = story(seed)
    cut = data.draw(st.integers(0, len(log)))
    machine, other = CountryMachine(SETTINGS), CountryMachine(SETTINGS)
    if cut:
        machine.apply(machine.read(Chunk("t", 0, range(cut), log[:cut])))
    other.restore(machine.snapshot())
    assert machine.forget(["PK"]).after == other.forget(["PK"]).after
    assert "PK" not in machine.countries()
    assert machine.snapshot() == other.snapshot()
    for part in (slice(cut, (cut + len(log)) // 2), slice((cut + len(log)) // 2, len(log))):
        if len(log[part]):
            rest = Chunk("t", 0, range(part.start, part.stop), log[part])
            assert machine.apply(machine.read(rest)).after == other.apply(other.read(rest)).after
            other.restore(other.snapshot())
    assert machine.snapshot() == other.snapshot()
    machine.forget(machine.countries())
    assert machine.countries() == []


def test_a_detector_of_ones_own_keeps_every_country() -> None:
    machine = CountryMachine(load(detection={"volume_detector": "river.anomaly.GaussianScorer"}))
    with pytest.raises(NotImplementedError):
        machine.forget(["PK"])
