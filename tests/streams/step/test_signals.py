"""Signals in the worker: kept in the redo log in their place, restored, and said of an incident that is open."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from detectors.incidents.assembler import Assembler
from detectors.incidents.snapshots import Doubt, Snapshot
from detectors.readings import LostParts, Says, Witness
from detectors.settings import IncidentSettings, TimeSettings
from producers.partitions import partition_of
from producers.records import ProbeResult, encode
from producers.signals import Signal
from streams.incidents import from_record, to_record
from streams.machine import Chunk, PartitionCount
from streams.settings import load
from streams.step.country import CountryMachine
from tests.detectors.incidents.hand import country, reading

Witnessing = Callable[..., tuple[Witness, ...]]
BEGIN = datetime(2024, 1, 20, 12, 0, tzinfo=UTC)
NOTHING = Chunk("probes", 0, [], [], [], [])


def signal(number: int, value: float, place: str = "PK") -> Signal:
    time = BEGIN + timedelta(minutes=5 * number)
    return Signal(source="ioda", country=place, time=time, name="ping-slash24", value=value)


def dark_story(*, doubt: str, witness: Witnessing | None = None) -> list[Snapshot]:
    """Three networks of a country fall dark; what is told of it."""
    assembler = Assembler(IncidentSettings(), TimeSettings(), "1", "f")
    assembler.witness = witness
    told: list[Snapshot] = []
    line = "." * 5 + "x" * 12
    for at in range(len(line)):
        marks = line.replace("x", "?")
        lines = {(platform, asn): marks for platform in ("x", "y") for asn in (1, 2, 3)}
        window = country(at, lines, volumes=dict.fromkeys((1, 2, 3), line))
        window.silence_doubt = doubt
        told += assembler.step(reading([window]))
    return told


def machine() -> CountryMachine:
    return CountryMachine(load())


def test_signals_are_in_the_redo_log_and_in_the_snapshot() -> None:
    first, second = machine(), machine()
    for number in range(20):
        first.note(signal(number, 100.0 if number < 17 else 10.0))
        batch = first.read(NOTHING)
        written = batch.encode()
        first.apply(batch)
        second.apply(second.decode_batch(written))
    assert first.snapshot() == second.snapshot()
    third = machine()
    third.restore(first.snapshot())
    onset = int((BEGIN + timedelta(minutes=85)).timestamp())
    for each in (first, second, third):
        [witness] = each._assembler.witness("PK", False, LostParts((onset,)), onset + 1200, ())  # type: ignore[misc]
        assert (witness.source, witness.says) == ("ioda", Says.AGREES)


@pytest.mark.parametrize(("vantage", "speaks"), [("pk-lhe-1", True), ("atlas-7", False)])
def test_a_source_whose_own_results_are_judged_is_no_other(vantage: str, speaks: bool) -> None:
    """RIPE's probes fall silent in its results and in its count of them: these are one witness."""
    one = machine()
    result = ProbeResult(
        id="a", time=BEGIN, platform="x", country="PK", asn=1, vantage=vantage, ok=True, source="ripe_atlas"
    )
    one.apply(one.read(Chunk("probes", 0, [0], [encode(result)], [int(BEGIN.timestamp() * 1000)])))
    for number in range(20):
        value = 100.0 if number < 17 else 10.0
        time = BEGIN + timedelta(minutes=5 * number)
        one.note(
            Signal(
                source="ripe_atlas",
                country="PK",
                time=time,
                name="connected_probes",
                value=value,
                vantages="atlas",
            )
        )
    one.apply(one.read(NOTHING))
    onset = int((BEGIN + timedelta(minutes=85)).timestamp())
    assert bool(one._assembler.witness("PK", False, LostParts((onset,)), onset + 1200, ())) is speaks  # type: ignore[misc]


def test_what_is_known_and_what_is_others_does_not_grow_the_log() -> None:
    one = machine()
    one.note(PartitionCount(partitions=8, from_offset=0, partition=partition_of(b"PK", 8)))
    one.apply(one.read(NOTHING))
    elsewhere = next(
        place
        for place in ("IR", "RU", "TR", "IN")
        if partition_of(place.encode(), 8) != partition_of(b"PK", 8)
    )
    one.note(signal(1, 100.0))
    one.note(signal(1, 100.0, elsewhere))
    assert len(one.read(NOTHING).notes) == 1
    one.note(signal(1, 100.0))
    batch = one.read(NOTHING)
    one.apply(batch)
    one.note(signal(1, 100.0))
    assert one.read(NOTHING).notes == []


def test_a_crowds_silence_is_confirmed_when_another_source_agrees() -> None:
    """And its onset stays where it was."""
    alone = dark_story(doubt=Doubt.CROWD)
    assert {one.confirmed for one in alone} == {False}
    assert {one.doubt for one in alone} == {Doubt.CROWD}
    agreed = dark_story(
        doubt=Doubt.CROWD,
        witness=lambda *_: (Witness("ioda", Says.AGREES, "ping-slash24", 2100.0, 7310.0, 1705758000),),
    )
    assert agreed[-1].confirmed
    assert agreed[-1].doubt is None
    assert [one.onset for one in agreed][:1] == [one.onset for one in alone][:1]
    contrary = dark_story(
        doubt=Doubt.CROWD,
        witness=lambda *_: (Witness("ioda", Says.DISAGREES, "bgp", 7300.0, 7310.0, 1705758000),),
    )
    assert not contrary[-1].confirmed
    record = to_record(agreed[-1])
    [said] = record.corroboration
    assert said.text == "IODA agrees: ping-slash24 at 2,100 since 13:40 UTC, usually 7,310."
    assert from_record(record).witnesses == agreed[-1].witnesses
