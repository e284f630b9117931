"""Deaf is not dark: what was not heard says nothing, and what was spooled meanwhile still counts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from producers.partitions import partition_of
from producers.records import Decoded, ProbeResult, Tick, encode
from streams.machine import Chunk, PartitionCount
from streams.records import Incident, Kind, Status
from streams.settings import load
from streams.step.country import CountryMachine
from streams.step.rows import Rows

START = datetime(2025, 3, 3, tzinfo=UTC)
BEGIN_MS = int(START.timestamp() * 1000)
Log = list[tuple[float, Decoded]]  # broker's seconds after START, record


def result(at: float, asn: int, country: str = "IR", *, ok: bool = True) -> ProbeResult:
    return ProbeResult(
        id=f"{country}{asn}{at}",
        time=START + timedelta(seconds=at),
        platform="x",
        country=country,
        asn=asn,
        vantage=f"v{asn}",
        ok=ok,
        simulated=True,
    )


def world(
    minutes: int,
    *,
    deaf: Sequence[tuple[float, float]] = (),
    spooled: bool = True,
    dark: tuple[float, float] | None = None,
) -> Log:
    """Four vantages of one country, a result a minute each, and a tick every five seconds; in minutes.

    In a `deaf` stretch the broker takes nothing; what was measured then comes after it, where it is `spooled`.
    """

    def away(at: float) -> float | None:
        return next((end * 60 for begin, end in deaf if begin * 60 <= at < end * 60), None)

    log: Log = [(at, Tick(time=START)) for at in range(0, minutes * 60, 5) if away(at) is None]
    for minute in range(minutes):
        for asn in range(64500, 64504):
            at = minute * 60 + (asn - 64500) * 13 + 0.5
            if dark is not None and dark[0] * 60 <= at < dark[1] * 60:
                continue
            back = away(at)
            if back is None or spooled:
                log.append((at + 1 if back is None else back + 5 + (asn - 64500), result(at, asn)))
    return sorted(log, key=lambda entry: entry[0])


def chunks(log: Log, cuts: Sequence[int]) -> Iterator[Chunk]:
    for begin, end in pairwise([0, *cuts, len(log)]):
        part = log[begin:end]
        yield Chunk(
            "t",
            0,
            range(begin, end),
            [encode(record) for _, record in part],
            [BEGIN_MS + int(at * 1000) for at, _ in part],
        )


def run(log: Log, cuts: Sequence[int] = ()) -> tuple[CountryMachine, list[Incident]]:
    machine = CountryMachine(load(), publish_health=False)
    told: list[Incident] = []
    for chunk in chunks(log, cuts or range(1000, len(log), 1000)):
        told += machine.apply(machine.read(chunk)).incidents
    return machine, told


@pytest.mark.parametrize(
    "minutes", [2, *(pytest.param(minutes, marks=pytest.mark.world) for minutes in (20, 60))]
)
@pytest.mark.parametrize("spooled", [True, False])
def test_what_was_not_heard_is_not_told(minutes: int, spooled: bool) -> None:
    log = world(100 + minutes, deaf=[(80, 80 + minutes)], spooled=spooled)
    machine, told = run(log)
    assert not told
    results = sum(isinstance(record, ProbeResult) for _, record in log)
    assert (machine.totals.applied, machine.totals.late) == (results, 0)


def test_a_silence_while_others_write_is_told() -> None:
    _, told = run(world(110, dark=(90, 110)))
    assert [incident.kind for incident in told][:1] == [Kind.CONNECTIVITY]
    assert told[0].detected <= START + timedelta(minutes=97)


@pytest.mark.world
@pytest.mark.parametrize("begin", [105, 118, 121, 139])
def test_a_shutdown_beside_a_deaf_stretch_is_told_soon_after_it(begin: int) -> None:
    _, told = run(world(190, deaf=[(110, 130)], dark=(begin, 175)))
    assert {incident.kind for incident in told} == {Kind.CONNECTIVITY}
    assert told[0].detected <= START + timedelta(minutes=max(begin, 130) + 10)


def test_deaf_days_are_stepped_over() -> None:
    machine, told = run(world(4320 + 60, deaf=[(60, 4320)], spooled=False))
    assert not told
    assert len(machine.closed) < 100


@pytest.mark.world
@pytest.mark.parametrize("seed", range(3))
def test_the_same_log_is_heard_alike_however_it_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    log = world(100, deaf=[(30, 34), (35, 50), (80, 81)])
    whole, _ = run(log, [len(log) // 2])
    cuts = sorted(chance.sample(range(1, len(log)), 12))
    machine = CountryMachine(load(), publish_health=False)
    twin = CountryMachine(load(), publish_health=False)
    for chunk in chunks(log, cuts):
        rows = machine.read(chunk)
        twin.apply(Rows.decode(rows.encode()))
        machine.apply(rows)
        again = CountryMachine(load(), publish_health=False)
        again.restore(machine.snapshot())
        machine = again
    assert machine.snapshot() == whole.snapshot() == twin.snapshot()


#: Of 4 partitions, and of 8, the country's is the second; of 12 another one.
OURS = partition_of("IR", 4)
STAYS, MOVES = 8, 12


@pytest.mark.parametrize("partitions", [STAYS, MOVES])
def test_a_country_that_moves_to_another_partition_is_not_told_as_dark(partitions: int) -> None:
    """The topic is widened, and nothing of it comes from some minute on."""
    assert (partition_of("IR", STAYS) == OURS, partition_of("IR", MOVES) == OURS) == (True, False)
    log = world(105, dark=(80, 105))
    machine = CountryMachine(load(), publish_health=False)
    told: list[Incident] = []
    machine.note(PartitionCount(4, 0, OURS))
    for chunk in chunks(log, range(1000, len(log), 1000)):
        told += machine.apply(machine.read(chunk)).incidents
        machine.note(PartitionCount(partitions, len(log), OURS))
    assert [incident.kind for incident in told] == ([Kind.CONNECTIVITY] if partitions == STAYS else [])


def test_an_incident_of_a_country_that_moves_ends_with_the_reason() -> None:
    log = world(105, dark=(80, 105))
    machine = CountryMachine(load(), publish_health=False)
    told: list[Incident] = []
    for chunk in chunks(log, range(100, len(log), 100)):
        told += machine.apply(machine.read(chunk)).incidents
        if told and told[-1].status is Status.OPEN:
            machine.note(PartitionCount(MOVES, len(log), OURS))
    assert [incident.status for incident in told] == [Status.OPEN, Status.RESOLVED]
    assert "another partition" in (told[-1].reason or "")


@pytest.mark.parametrize(
    ("begin", "length"),
    [(80.2, 8), *(pytest.param(200.2, length, marks=pytest.mark.world) for length in (34, 60))],
)
def test_who_has_no_spool_is_not_silent_while_the_others_send_theirs(begin: float, length: int) -> None:
    end = begin + length
    log = [
        entry
        for entry in world(int(end) + 40, deaf=[(begin, end)])
        if not (
            isinstance(entry[1], ProbeResult)
            and entry[1].asn != 64503
            and begin * 60 <= (entry[1].time - START).total_seconds() < end * 60
        )
    ]
    machine, told = run(log)
    assert told == []
    assert machine.totals.late == 0


@pytest.mark.world
def test_one_that_is_heard_every_five_minutes_hides_no_shutdown_elsewhere() -> None:
    log = world(300, dark=(200, 300))
    log += [
        (at + 1, result(at, asn, "TR"))
        for asn in range(64510, 64516)
        for at in range(asn % 10, 300 * 60, 300)
    ]
    _, told = run(sorted(log, key=lambda entry: entry[0]))
    assert told
    assert told[0].country == "IR"
    assert told[0].detected - (START + timedelta(minutes=200)) <= timedelta(minutes=10)
