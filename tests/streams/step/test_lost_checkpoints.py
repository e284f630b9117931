"""All that was kept is lost, and the source was cut: what was told as open goes on, under its id, and ends once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from producers.partitions import partition_of
from streams.kafka.alerts import latest
from streams.machine import Chunk, Expecting, PartitionCount
from streams.records import Annotation, AnnotationKind, Incident, Kind, Scope, Status
from streams.settings import Settings, load
from streams.step.country import CountryMachine
from streams.step.worldwide import WorldMachine
from tests.contracts import scenario
from tests.contracts.scenario import BEGIN, BLOCK, fed, log
from tests.streams.step.one_worker import USUAL, usual_until

pytestmark = pytest.mark.world

END = scenario.KILLED + 120
LOST = BLOCK + 70  # what was told until then stands on the topic
ALONE = PartitionCount(1, 0, 0)


def before() -> tuple[Incident, ...]:
    return usual_until(LOST)[1]


def begun_anew(settings: Settings = USUAL, count: PartitionCount | None = ALONE) -> CountryMachine:
    first = CountryMachine(settings)
    assert isinstance(first, Expecting)
    first.expect(latest(before()), whole=False)
    machine = CountryMachine(settings)
    machine.restore(first.snapshot())  # it may be killed before its first chunk
    if count is not None:
        machine.note(count)
    return machine


def of_block(told: Iterable[Incident]) -> list[Incident]:
    by_id: dict[str, list[Incident]] = defaultdict(list)
    for one in told:
        if one.country == "PK" and "x" in one.platforms:
            by_id[one.id].append(one)
    (mine,) = by_id.values()
    return mine


@pytest.mark.parametrize("start", [BEGIN, BLOCK - 20, BLOCK - 1, BLOCK + 4, BLOCK + 30, LOST])
def test_it_goes_on_under_its_id_and_ends_when_results_are_good_again(start: int) -> None:
    told = before()
    assert of_block(told)[-1].status is not Status.RESOLVED
    mine = of_block([*told, *fed(begun_anew(), log(END)[start - BEGIN :])])
    assert [one.seq for one in mine] == list(range(1, len(mine) + 1))
    assert [one.status for one in mine].count(Status.OPEN) == 1
    assert [one.status for one in mine].count(Status.RESOLVED) == 1
    assert mine[-1].status is Status.RESOLVED
    assert mine[-1].onset == mine[0].onset
    over = scenario.at(scenario.KILLED + 20)
    assert mine[-1].resolved is not None
    assert abs(mine[-1].resolved - over) <= timedelta(minutes=10)


def quiet(begin: int, end: int, first_offset: int = 10**6) -> list[Chunk]:
    """Nothing but the clock."""
    value = b'{"schema":"netdusk.tick/1","time":"2024-01-15T00:00:00Z"}'
    chunks = []
    for minute in range(begin, end):
        stamps = [int(scenario.at(minute + i / 12).timestamp() * 1000) for i in range(12)]
        offsets = range(first_offset, first_offset + 12)
        chunks.append(Chunk("netdusk.probes.v1", 0, offsets, [value] * 12, stamps))
        first_offset += 12
    return chunks


def test_where_nothing_comes_any_more_it_is_closed_after_the_setting() -> None:
    settings = load(incidents={"unheard_told_seconds": 3600, "unheard_close_seconds": 7200})
    machine = begun_anew(settings)
    told = fed(machine, quiet(LOST, LOST + 240))
    (over,) = of_block_only(told)
    first = of_block(before())
    assert (over.id, over.seq, over.status) == (first[0].id, first[-1].seq + 1, Status.RESOLVED)
    assert over.reason.startswith("nothing has been heard of it")
    assert machine.incidents() == []


def of_block_only(told: Iterable[Incident]) -> list[Incident]:
    return [one for one in told if one.country == "PK"]


def test_it_is_closed_by_a_persons_word() -> None:
    machine = begun_anew()
    fed(machine, quiet(LOST, LOST + 61))  # where nothing has come for a day, one window an hour is looked at
    (going,) = (one for one in machine.incidents() if one.country == "PK")
    machine.note(
        Annotation(
            id="a",
            incident=going.id,
            time=scenario.at(LOST),
            author="me",
            kind=AnnotationKind.CLOSED,
            text="Moved.",
        )
    )
    told = of_block_only(fed(machine, quiet(LOST + 61, LOST + 125, 10**7)))
    assert [(one.id, one.seq, one.status, one.reason) for one in told] == [
        (going.id, going.seq + 1, Status.RESOLVED, "Moved")
    ]


def test_those_of_other_partitions_are_passed_over() -> None:
    elsewhere = PartitionCount(2, 0, 1 - partition_of(b"PK", 2))
    machine = begun_anew(count=elsewhere)
    assert of_block_only(fed(machine, quiet(LOST, LOST + 120))) == []
    assert [one for one in machine.incidents() if one.country == "PK"] == []


def test_before_it_is_known_whose_they_are_nobody_takes_them() -> None:
    machine = begun_anew(count=None)
    fed(machine, quiet(LOST, LOST + 120))
    assert machine.incidents() == []
    machine.note(ALONE)
    fed(machine, quiet(LOST + 120, LOST + 240, 10**7))
    assert [one.country for one in machine.incidents()] == ["PK"]


@pytest.mark.parametrize("kind", [Kind.PLATFORM, Kind.CONNECTIVITY])
def test_a_loss_that_began_before_all_that_is_left_ends_with_good_results(kind: Kind) -> None:
    """Of the whole country, be it dark: the first results that come are good."""
    told = of_block(before())[-1]
    told = replace(told, kind=kind, platforms=("whatsapp", "x", "youtube"), scope=Scope.NATION_SCALE)
    machine = CountryMachine(USUAL)
    machine.expect([told], whole=False)
    machine.note(ALONE)
    after = list(scenario.chunks(scenario.KILLED + 20, scenario.KILLED + 59))
    mine = [one for one in fed(machine, after) if one.id == told.id]
    assert mine
    assert mine[-1].status is Status.RESOLVED
    assert machine.incidents() == [one for one in machine.incidents() if one.id != told.id]


def test_what_was_told_of_strangers_stays_theirs() -> None:
    settings = load(trust={"policy": "registered"})
    machine = CountryMachine(settings)
    told = of_block(before())[-1]
    machine.expect([told, replace(told, id="unregistered-" + told.id)], whole=False)
    machine.note(ALONE)
    fed(machine, quiet(LOST, LOST + 61))
    assert sorted(one.id for one in machine.incidents()) == sorted([told.id, "unregistered-" + told.id])


def test_what_is_lost_of_nothing_is_left_out() -> None:
    told = of_block(before())[-1]
    machine = CountryMachine(USUAL)
    machine.expect(
        [
            replace(told, id="a", platforms=()),
            replace(told, id="b", networks=(), regions=()),
            replace(told, id="c", kind=Kind.CONNECTIVITY, scope=Scope.REGION, regions=()),
        ],
        whole=False,
    )
    machine.note(ALONE)
    fed(machine, quiet(LOST, LOST + 61))
    assert machine.incidents() == []


def test_from_a_whole_log_nothing_is_awaited() -> None:
    """A partition that a topic has just gained is whole, and its countries' incidents are closed by another."""
    machine = CountryMachine(USUAL)
    machine.expect(latest(before()), whole=True)
    machine.note(ALONE)
    fed(machine, quiet(LOST, LOST + 61))
    assert machine.incidents() == []


@pytest.mark.parametrize("start", [0, 22, 40])
def test_an_outage_of_the_world_goes_on_too(start: int) -> None:
    chunks = list(scenario.health_chunks(0, scenario.WORLD_END))
    told = fed(WorldMachine(USUAL), chunks[:60])
    assert told
    assert told[-1].status is not Status.RESOLVED
    first = WorldMachine(USUAL)
    first.expect([told[-1]], whole=True)
    machine = WorldMachine(USUAL)
    machine.restore(first.snapshot())
    told += fed(machine, chunks[start:])
    assert {one.id for one in told} == {told[0].id}
    assert [one.seq for one in told] == list(range(1, len(told) + 1))
    assert [one.status for one in told].count(Status.OPEN) == 1
    assert [one.status for one in told].count(Status.RESOLVED) == 1
    assert told[-1].status is Status.RESOLVED
