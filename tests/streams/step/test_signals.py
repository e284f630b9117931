"""Signals in the worker: kept in the redo log in their place, restored, and said of an incident that is open."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from detectors.incidents.assembler import Assembler
from detectors.incidents.snapshots import Doubt, Snapshot
from detectors.readings import LostParts, Says, Witness
from detectors.settings import IncidentSettings, TimeSettings
from producers.partitions import partition_of
from producers.records import ProbeResult, Tick, encode
from producers.signals import Signal
from streams.incidents import from_record, to_record
from streams.machine import Chunk, PartitionCount
from streams.records import Incident
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


def a_crowd_and_its_cut(hours: int, dark_hours: int) -> Iterator[tuple[datetime, Chunk]]:
    """Forty volunteers on four networks, each heard every ten minutes or so, at any moment; and then none."""
    dice = random.Random(5)
    due = [
        (BEGIN + timedelta(seconds=dice.uniform(0, 600)), asn, f"volunteer-{asn}-{number}")
        for asn in (17557, 9541, 45595, 23674)
        for number in range(10)
    ]
    waiting, offset, cut = sorted(due), 0, BEGIN + timedelta(hours=hours)
    for minute in range(60 * (hours + dark_hours)):
        end = BEGIN + timedelta(minutes=minute + 1)
        came = []
        while waiting[0][0] < min(end, cut):
            time, asn, vantage = heapq.heappop(waiting)
            result = ProbeResult(
                id=f"{offset}-{len(came)}",
                time=time,
                platform=dice.choice(("x", "youtube")),
                country="PK",
                asn=asn,
                vantage=vantage,
                ok=dice.random() < 0.98,
            )
            came.append((time, encode(result)))
            later = time + timedelta(seconds=dice.expovariate(1 / 600))
            heapq.heappush(waiting, (later, asn, vantage))
        came.append((end, encode(Tick(time=end))))
        stamps = [int(time.timestamp() * 1000) for time, _ in came]
        places = list(range(offset, offset + len(came)))
        yield end, Chunk("probes", 0, places, [value for _, value in came], stamps)
        offset += len(came)


@pytest.mark.world
def test_a_crowds_cut_is_confirmed_late_and_stays_so_for_as_long_as_it_lasts() -> None:
    """IODA's pings come ten minutes late; after half a day their readings of then are gone. The worker is restarted.

    An alarm that begins when all is over for fourteen hours is of something else.
    """
    settings = load(worker={"tick_seconds": 60.0})
    one, cut = CountryMachine(settings), BEGIN + timedelta(hours=10)
    alarm = cut + timedelta(hours=14)
    told: list[Incident] = []
    for number, (end, chunk) in enumerate(a_crowd_and_its_cut(10, 16)):
        late = end - timedelta(minutes=10)
        if number % 5 == 0:
            value = 900.0 if late >= cut else 7300.0 + number % 7
            one.note(Signal(source="ioda", country="PK", time=late, name="ping-slash24", value=value))
        if end == alarm:
            one.note(Signal(source="cloudflare_radar", country="PK", time=end, name="outage", value=1.0))
        told += one.apply(one.read(chunk)).incidents
        if number % 240 == 0:
            again = CountryMachine(settings)
            again.restore(one.snapshot())
            one = again
    words = [(one.confirmed, one.unconfirmed_reason, *said_by(one)) for one in told]
    assert words[0] == (False, "crowd", "ioda late")
    assert set(words[1:]) == {(True, None, "ioda agrees")}
    assert {one.onset for one in told} == {told[0].onset}
    assert [incident.confirmed for incident in one._assembler.open] == [True]


def said_by(incident: Incident) -> list[str]:
    return [f"{one.source} {one.says}" for one in incident.corroboration]
