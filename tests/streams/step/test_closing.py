"""An incident that somebody closes by hand ends in the log, and in every redo of it, and does not come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from msgspec.structs import replace

from streams.machine import Chunk
from streams.records import Annotation, AnnotationKind, Incident, Status
from streams.step.country import CountryMachine
from streams.step.pending import PendingClosings
from streams.step.worldwide import WorldMachine
from tests.detectors.incidents.test_worldwide import SETTINGS, VALUES, feed
from tests.streams.step.test_country import BLOCK, REPLAY, START, chunk, log_of, result, tick


def closing(incident: str, at: datetime, **fields: object) -> Annotation:
    annotation = Annotation(
        id="n1", incident=incident, time=at, author="desk", kind=AnnotationKind.CLOSED, text="The site moved."
    )
    return replace(annotation, **fields)


def with_a_block() -> tuple[CountryMachine, Incident]:
    """A machine in which one incident is open, and that incident."""
    kept, incident = _block()
    machine = CountryMachine(REPLAY)
    machine.restore(kept)
    return machine, incident


@cache
def _block() -> tuple[bytes, Incident]:
    machine = CountryMachine(REPLAY)
    (incident,) = machine.apply(machine.read(chunk(log_of(BLOCK, 0)))).incidents
    assert incident.status is Status.OPEN
    return machine.snapshot(), incident


def still_lost(minutes: int, first: int) -> Chunk:
    """More of the block: the same failures, for so many minutes."""
    begin = 42 * 60
    records = []
    for minute in range(minutes):
        second = begin + minute * 60
        records.append(tick(second))
        records += [
            result(second, f"on-{minute}-{asn}-{platform}", ok=platform != "x", asn=asn, platform=platform)
            for asn in (17557, 45669, 24499, 9541)
            for platform in ("x", "youtube")
        ]
    return chunk(records, first)


def test_it_is_resolved_with_the_reason_and_the_loss_that_goes_on_opens_none() -> None:
    machine, incident = with_a_block()
    at = START + timedelta(minutes=41)
    machine.note(closing(incident.id, at))
    rows = machine.read(still_lost(20, machine.next_offset))
    redone, _ = with_a_block()
    again = redone.decode_batch(rows.encode())
    told = machine.apply(rows).incidents
    assert [(i.id, i.seq, i.status) for i in told] == [(incident.id, incident.seq + 1, Status.RESOLVED)]
    assert told[0].reason == "The site moved"
    assert told[0].resolved == at
    assert "The site moved" in told[0].summary
    assert redone.apply(again).incidents == told
    assert redone.snapshot() == machine.snapshot()


def test_what_is_not_open_is_left_alone_and_waits_until_it_is() -> None:
    machine = CountryMachine(REPLAY)
    _, incident = with_a_block()
    machine.note(closing(incident.id, START + timedelta(minutes=41)))
    machine.note(closing("pk-never", START))
    rows = machine.read(chunk(log_of(BLOCK, 0)))
    assert rows.notes == []
    assert [i.status for i in machine.apply(rows).incidents] == [Status.OPEN]
    assert [i.status for i in machine.apply(machine.read(still_lost(3, machine.next_offset))).incidents] == [
        Status.RESOLVED
    ]


def test_a_worldwide_outage_can_be_closed_too() -> None:
    machine = WorldMachine(SETTINGS)
    half = next(n for n in range(len(VALUES)) if feed(WorldMachine(SETTINGS), VALUES[:n]))
    (opened,) = feed(machine, VALUES[:half])
    machine.note(closing(opened.id, opened.updated))
    batch = machine.read(Chunk("netdusk.health.v1", 0, range(half, len(VALUES)), VALUES[half:]))
    assert [note.incident for note in machine.decode_batch(batch.encode()).notes] == [opened.id]
    first, *_ = machine.apply(machine.decode_batch(batch.encode())).incidents
    assert (first.id, first.status, first.reason) == (opened.id, Status.RESOLVED, "The site moved")


class TestPending:
    NOW = datetime(2024, 1, 20, tzinfo=UTC)

    def test_only_closings_are_kept_and_each_is_taken_once(self) -> None:
        pending = PendingClosings()
        pending.add(closing("a", self.NOW, kind=AnnotationKind.CAUSE))
        pending.add(closing("b", self.NOW))
        assert pending.take(["a"], self.NOW.timestamp()) == []
        assert [note.incident for note in pending.take(["a", "b"], self.NOW.timestamp())] == ["b"]
        assert pending.take(["a", "b"], self.NOW.timestamp()) == []

    def test_the_log_has_to_come_near_its_moment(self) -> None:
        pending = PendingClosings()
        pending.add(closing("a", self.NOW))
        assert pending.take(["a"], None) == []
        assert pending.take(["a"], self.NOW.timestamp() - 3601) == []
        assert len(pending.take(["a"], self.NOW.timestamp() - 3599)) == 1

    def test_memory_is_bounded(self) -> None:
        pending = PendingClosings()
        for number in range(10_001):
            pending.add(closing(str(number), self.NOW))
        assert pending.take(["0"], self.NOW.timestamp()) == []
        assert len(pending.take(["10000"], self.NOW.timestamp())) == 1
