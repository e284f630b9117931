"""A partition of one country hears of the others from the view over all countries, and believes a silence by that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import pairwise

import msgspec
import pytest

from producers.records import encode as encode_result
from streams.machine import Chunk
from streams.records import Arrivals, HealthRecord, Incident, Kind, decode, encode
from streams.settings import load
from streams.step.country import CountryMachine
from streams.step.elsewhere import Elsewhere
from streams.step.rows import Rows
from streams.step.worldwide import WorldMachine
from tests.streams.step.test_hearing import BEGIN_MS, START, Log, world

# In minutes.
SILENT_FROM = 80
WELL_UNTIL = 72
MINUTES = 108

encode_notes = msgspec.msgpack.encode
decode_notes = msgspec.msgpack.Decoder(list[Arrivals]).decode


def arrivals(minute: int, came: float, country: str = "BR", *, simulated: bool = True) -> Arrivals:
    start = START + timedelta(minutes=minute)
    return Arrivals(start=start, countries={country: (10.0, came)}, simulated=simulated)


def run(
    log: Log, notes: Sequence[Arrivals], late: int = 2, machine: CountryMachine | None = None, first: int = 0
) -> tuple[CountryMachine, list[Incident], list[Rows]]:
    """Feed a log minute by minute; each note comes two minutes after its window, as it does live, or later.

    A `machine` that has had a log before goes on with what stands from place `first` on.
    """
    machine = machine or CountryMachine(load(), publish_health=False)
    told: list[Incident] = []
    batches = []
    places = [i for i, ((a, _), (b, _)) in enumerate(pairwise(log), 1) if int(a // 60) != int(b // 60)]
    for begin, end in pairwise([0, *places, len(log)]):
        part = log[begin:end]
        now = START + timedelta(seconds=part[0][0])
        for note in notes:
            if timedelta(minutes=late) <= now - note.start < timedelta(minutes=late + 1):
                machine.note(note)
        stamps = [BEGIN_MS + int(at * 1000) for at, _ in part]
        chunk = Chunk(
            "t",
            0,
            range(first + begin, first + end),
            [encode_result(record) for _, record in part],
            stamps,
        )
        batch = machine.read(chunk)
        batches.append(Rows.decode(batch.encode()))
        told += machine.apply(batch).incidents
    return machine, told, batches


@cache
def silent() -> Log:
    return world(MINUTES, dark=(SILENT_FROM, MINUTES))


@cache
def well(notes: bytes, late: int) -> bytes:
    """What a machine keeps that has heard of `silent` what comes before the silence begins to show."""
    return run(_part(before=True), decode_notes(notes), late)[0].snapshot()


def _part(*, before: bool) -> Log:
    return [entry for entry in silent() if (entry[0] < WELL_UNTIL * 60) is before]


def told_of(notes: Sequence[Arrivals], late: int = 2) -> list[Incident]:
    """What is told of `silent`; tests to which the same was noted while all was well share that part of it."""
    early = [note for note in notes if note.start < START + timedelta(minutes=WELL_UNTIL - late)]
    machine = CountryMachine(load(), publish_health=False)
    machine.restore(well(encode_notes(early), late))
    rest = _part(before=False)
    return run(rest, notes, late, machine, len(silent()) - len(rest))[1]


#: Minutes after a window at which word of it comes.
LATE = [2, *(pytest.param(late, marks=pytest.mark.world) for late in (4, 6, 8))]


def test_a_silence_is_confirmed_while_others_are_heard() -> None:
    told = told_of([arrivals(minute, 10.0) for minute in range(MINUTES)])
    assert told[0].kind is Kind.CONNECTIVITY
    assert told[0].confirmed
    assert told[0].detected <= START + timedelta(minutes=SILENT_FROM + 7)


@pytest.mark.parametrize("late", LATE)
def test_a_silence_of_all_the_world_is_ours_however_late_that_is_known(late: int) -> None:
    notes = [arrivals(minute, 10.0 if minute < SILENT_FROM else 0.0) for minute in range(MINUTES)]
    assert told_of(notes, late) == []


@pytest.mark.parametrize("late", LATE)
def test_a_silence_waits_for_word_of_its_own_time(late: int) -> None:
    told = told_of([arrivals(minute, 10.0) for minute in range(MINUTES)], late)
    assert told[0].confirmed
    assert told[0].detected == START + timedelta(minutes=SILENT_FROM + max(4, late + 1))


def test_where_no_more_word_comes_a_silence_waits_for_some_minutes_only() -> None:
    told = told_of([arrivals(minute, 10.0) for minute in range(SILENT_FROM)])
    assert {incident.unconfirmed_reason for incident in told} == {"own_path"}
    assert told[0].detected <= START + timedelta(minutes=SILENT_FROM + 11)


@pytest.mark.parametrize(
    "notes",
    [
        [],
        # of the country itself
        pytest.param([arrivals(minute, 10.0, "IR") for minute in range(MINUTES)], marks=pytest.mark.world),
        pytest.param(
            [arrivals(minute, 10.0, simulated=False) for minute in range(MINUTES)], marks=pytest.mark.world
        ),
        # of too long ago
        pytest.param([arrivals(minute, 10.0) for minute in range(SILENT_FROM - 8)], marks=pytest.mark.world),
    ],
    ids=["none", "its own", "of the real world", "old"],
)
def test_without_a_word_of_others_at_that_time_it_is_not_confirmed(notes: list[Arrivals]) -> None:
    told = told_of(notes)
    assert told
    assert {incident.unconfirmed_reason for incident in told} == {"own_path"}


@pytest.mark.world
def test_notes_are_part_of_the_log_and_of_the_state() -> None:
    machine, told, batches = run(silent(), [arrivals(minute, 10.0) for minute in range(MINUTES)])
    again = CountryMachine(load(), publish_health=False)
    said = []
    for place, batch in enumerate(batches):
        if place % 50 == 49:
            fresh = CountryMachine(load(), publish_health=False)
            fresh.restore(again.snapshot())
            again = fresh
        said += again.apply(batch).incidents
    assert said == told
    assert again.snapshot() == machine.snapshot()


def test_few_notes_are_kept_and_a_forged_one_only_until_the_next() -> None:
    kept = Elsewhere(60)
    for minute in range(100):
        kept.heed(arrivals(minute, 10.0))
        kept.heed(arrivals(minute, 10.0, simulated=False))
    assert len(kept.kept) <= 22
    kept.heed(arrivals(40_000_000, 0.0))
    kept.heed(arrivals(100, 9.0))
    start = int(START.timestamp())
    assert kept.about(start + 102 * 60)["BR", True].came == 9.0
    assert not kept.about(start + 99 * 60)
    assert not kept.about(start + 111 * 60)
    assert kept.ago(start + 106 * 60) == {True: 6}


def health(minute: int, country: str, platform: str, awaited: float, came: float) -> bytes:
    return encode(
        HealthRecord(
            platform=platform, country=country, start=START + timedelta(minutes=minute), n=9, k=9, expected=0.98,
            reachability=1.0, score=0.0, networks_live=3, networks_bad=0, awaited=awaited, came=came,
        )
    )  # fmt: skip


def test_the_view_over_all_countries_says_once_a_window_what_came() -> None:
    machine = WorldMachine(load())
    values = [
        health(minute, country, platform, 8.0, came)
        for minute in range(3)
        for country, came in (("PK", 7.5), ("IR", 0.5))
        for platform in ("x", "youtube")
    ]
    sent = machine.apply(machine.read(Chunk("h", 0, range(len(values)), values))).after
    assert [(message.topic, message.key) for message in sent] == [("health", b"arrivals/real")]
    said = decode(sent[0].value)
    assert said == Arrivals(start=START, countries={"IR": (8.0, 0.5), "PK": (8.0, 7.5)})
    # It reads its own word on the same topic, which is no health record and no refusal.
    before = machine.snapshot()
    outbox = machine.apply(machine.read(Chunk("h", 0, [12], [sent[0].value])))
    assert (outbox.rejected, outbox.applied, outbox.after) == (0, 0, [])
    kept = msgspec.msgpack.decode(machine.snapshot())
    assert kept["next_offset"] == 13
    assert kept | {"next_offset": 12} == msgspec.msgpack.decode(before)


def test_a_partition_says_of_its_countries_what_was_due_and_what_came() -> None:
    machine = CountryMachine(load())
    log = world(60)
    stamps = [BEGIN_MS + int(at * 1000) for at, _ in log]
    values = [encode_result(record) for _, record in log]
    sent = machine.apply(machine.read(Chunk("t", 0, range(len(log)), values, stamps))).after
    last = decode([message for message in sent if message.topic == "health"][-1].value)
    assert isinstance(last, HealthRecord)
    assert last.awaited == pytest.approx(
        10.0, rel=0.05
    )  # four a minute, and what is remembered of those before
    assert last.came == pytest.approx(last.awaited, rel=0.05)
