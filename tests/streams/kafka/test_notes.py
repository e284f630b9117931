"""Notes are read whole and followed; what no person would write is passed over, and stops nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import structlog
from aiokafka.errors import KafkaConnectionError

from streams.kafka.notes import Notes
from streams.machine import Note
from streams.records import Annotation, AnnotationKind, Arrivals, CalendarEvent, Vantage, VantageState, encode
from streams.settings import TopicSettings

AT = datetime(2024, 1, 20, 13, 0, tzinfo=UTC)
RALLY = CalendarEvent(id="rally", country="PK", title="a rally", start=AT, end=AT)
CLOSED = Annotation(
    id="n1", incident="5f0c", time=AT, author="desk", kind=AnnotationKind.CLOSED, text="it is over"
)


@dataclass
class Record:
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = int(AT.timestamp() * 1000) + 150_000


class Topics:
    """Topics of one partition each, in memory."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Record]] = {}

    def write(self, topic: str, key: str | None, value: bytes | None) -> None:
        log = self.logs.setdefault(topic, [])
        log.append(Record(len(log), key.encode() if key else None, value))

    async def partitions_of(self, topic: str) -> list[int]:
        return [0] if topic in self.logs else []

    async def bounds(self, topic: str, partitions: list[int]) -> dict[int, tuple[int, int]]:
        return {partition: (0, len(self.logs[topic])) for partition in partitions}

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Record]:
        for record in self.logs[topic][start:end]:
            yield record


class Machine:
    def __init__(self) -> None:
        self.notes: list[Note] = []

    def note(self, note: Note) -> None:
        self.notes.append(note)


@pytest.fixture
def topics() -> Topics:
    return Topics()


@pytest.fixture
def notes(topics: Topics) -> Notes:
    return Notes(topics, TopicSettings())  # type: ignore[arg-type]  # a stand-in


async def test_both_topics_are_followed(topics: Topics, notes: Notes) -> None:
    assert await notes.catch_up() == []
    topics.write("netdusk.calendar.v1", "rally", encode(RALLY))
    topics.write("netdusk.annotations.v1", "5f0c", encode(CLOSED))
    assert await notes.catch_up() == [RALLY, CLOSED]
    assert await notes.catch_up() == []
    machine = Machine()
    notes.teach(machine)
    assert machine.notes == [RALLY, CLOSED]


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(hours=2), timedelta(days=900)])
async def test_an_annotation_from_a_clock_ahead_has_the_brokers_time(
    topics: Topics, notes: Notes, ahead: timedelta
) -> None:
    ours = msgspec.structs.replace(CLOSED, time=AT + ahead)
    topics.write("netdusk.annotations.v1", "5f0c", encode(ours))
    appended = AT + timedelta(seconds=150)
    assert await notes.catch_up() == [msgspec.structs.replace(CLOSED, time=appended)]


async def test_an_event_of_the_calendar_may_lie_ahead(topics: Topics, notes: Notes) -> None:
    later = msgspec.structs.replace(RALLY, start=AT + timedelta(days=9), end=AT + timedelta(days=9))
    topics.write("netdusk.calendar.v1", "rally", encode(later))
    assert await notes.catch_up() == [later]


async def test_a_tombstone_removes_what_has_its_key(topics: Topics, notes: Notes) -> None:
    topics.write("netdusk.annotations.v1", "5f0c", encode(CLOSED))
    cause = msgspec.structs.replace(CLOSED, id="n2", kind=AnnotationKind.CAUSE)
    topics.write("netdusk.annotations.v1", "5f0c", encode(cause))
    assert len(await notes.catch_up()) == 2
    topics.write("netdusk.annotations.v1", "5f0c", None)
    assert await notes.catch_up() == []
    assert notes.annotations.records == {}


async def test_a_machine_is_taught_whom_the_register_has(topics: Topics, notes: Notes) -> None:
    class Knowing(Machine):
        names: object = None

        def registered(self, names: object) -> None:
            self.names = names

    machine = Knowing()
    notes.teach(machine)
    assert machine.names is None  # a register that is empty removes nobody
    for name in ("v1", "v2"):
        topics.write(
            "netdusk.vantages.v1", name, encode(Vantage(vantage=name, country="PK", asn=7, since=AT))
        )
    topics.write("netdusk.vantages.v1", "v1", None)
    await notes.catch_up()
    notes.teach(machine)
    assert machine.names == {"v2"}


async def test_a_topic_made_anew_is_read_from_its_beginning(topics: Topics, notes: Notes) -> None:
    for _ in range(3):
        topics.write("netdusk.calendar.v1", "rally", encode(RALLY))
    await notes.catch_up()
    topics.logs.clear()
    topics.write("netdusk.calendar.v1", "rally", encode(RALLY))
    assert await notes.catch_up() == [RALLY]


async def test_of_arrivals_only_the_newest_of_what_is_new_is_told(topics: Topics, notes: Notes) -> None:
    def write(minute: int, *, simulated: bool = False) -> Arrivals:
        said = Arrivals(start=AT.replace(minute=minute), countries={"BR": (9.0, 8.5)}, simulated=simulated)
        topics.write("netdusk.health.v1", "arrivals/real", encode(said))
        return said

    write(0)
    assert await notes.catch_up() == []  # it was there before anybody asked
    write(1)
    topics.write("netdusk.health.v1", "x", b'{"schema":"netdusk.health/1"}')
    topics.write("netdusk.health.v1", "arrivals/real", b'{"schema":"netdusk.arrivals/1","countries":7}')
    topics.write("netdusk.health.v1", "arrivals/real", None)
    newest, made = write(2), write(1, simulated=True)
    assert await notes.catch_up() == [newest, made]
    assert await notes.catch_up() == []
    topics.logs.clear()
    topics.write("netdusk.health.v1", "x", b"{}")
    assert await notes.catch_up() == []


def changed(note: CalendarEvent | Annotation, **fields: object) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(note) | fields)


HOSTILE = {
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "deep": b'{"schema":"netdusk.calendar/1","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "another record": encode(CLOSED),
    "no time zone": changed(RALLY, start="2024-01-20T00:00:00"),
    "year 1": changed(RALLY, start="0001-01-01T00:00:00+14:00"),
    "year 9999": changed(RALLY, end="9999-12-31T23:59:59-14:00"),
    "a long id": changed(RALLY, id="x" * 201),
    "a long title": changed(RALLY, title="x" * 4001),
    "a huge record": changed(RALLY, title="x" * 900_000),
    "a title that turns the line": changed(RALLY, title="\u202edlrow"),
    "a control character": changed(RALLY, source="\x1b[2J"),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_what_no_person_would_write_is_passed_over(topics: Topics, notes: Notes, value: bytes) -> None:
    topics.write("netdusk.calendar.v1", "bad", value)
    topics.write("netdusk.calendar.v1", "rally", encode(RALLY))
    assert await notes.catch_up() == [RALLY]
    assert notes.calendar.records == {"rally": RALLY}


ARRIVED = encode(Arrivals(start=AT, countries={"PK": (4.0, 4.0)}))


@pytest.mark.parametrize(
    "value",
    [
        ARRIVED.replace(b"2024-01-20T13:00:00Z", b"0001-01-01T00:00:00+14:00"),
        ARRIVED.replace(b"2024-01-20T13:00:00Z", b"9999-12-31T23:59:59-14:00"),
        ARRIVED.replace(b"2024-", b"2099-"),
        ARRIVED.replace(b"2024-01-20T13:00:00Z", b"2024-01-20T13:03:00Z"),
        ARRIVED.replace(b"PK", b"P\\u0000"),
        ARRIVED.replace(b'"PK"', b'"PK":[9,0],"PK"'),
        ARRIVED.replace(b"4.0", b"9" * 5000),
    ],
    ids=["year 1", "year 9999", "year 2099", "a window ahead", "no country", "twice", "digits"],
)
async def test_arrivals_that_no_worker_writes_are_passed_over(
    value: bytes, topics: Topics, notes: Notes
) -> None:
    topics.write("netdusk.health.v1", "x", b"{}")
    await notes.catch_up()
    topics.write("netdusk.health.v1", "x", value)
    assert await notes.catch_up() == []
    topics.write("netdusk.health.v1", "x", ARRIVED)
    assert len(await notes.catch_up()) == 1


async def test_a_note_that_says_a_thing_twice_is_passed_over(topics: Topics, notes: Notes) -> None:
    topics.write("netdusk.calendar.v1", "rally", encode(RALLY)[:-1] + b',"title":"another"}')
    topics.write("netdusk.annotations.v1", "5f0c", encode(CLOSED)[:-1] + b',"kin\\u0064":"cause"}')
    assert await notes.catch_up() == []


ENTRY = Vantage(vantage="pk-1", country="PK", asn=7, since=AT)
REVOKED = msgspec.structs.replace(ENTRY, state=VantageState.REVOKED)


async def test_what_was_read_before_another_topic_failed_is_told_the_next_time(
    topics: Topics, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone() -> list[Note]:
        raise KafkaConnectionError

    topics.write("netdusk.vantages.v1", "pk-1", encode(REVOKED))
    for failing in (notes.signals, notes.arrivals):
        with monkeypatch.context() as broken:
            broken.setattr(failing, "catch_up", gone)
            with pytest.raises(KafkaConnectionError):
                await notes.catch_up()
    assert await notes.catch_up() == [REVOKED]
    assert await notes.catch_up() == []


async def test_a_broker_that_is_away_is_said_once_in_twelve_tries(
    topics: Topics, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, tries = notes.catch_up, 0

    async def away_for_a_while() -> list[Note]:
        nonlocal tries
        tries += 1
        if tries <= 25:
            raise KafkaConnectionError
        return await read()

    topics.write("netdusk.vantages.v1", "pk-1", encode(REVOKED))
    monkeypatch.setattr(notes, "catch_up", away_for_a_while)
    monkeypatch.setattr("streams.kafka.notes._FOLLOW_SECONDS", 0.0)
    with structlog.testing.capture_logs() as lines:
        assert await anext(aiter(notes.follow())) == [REVOKED]
    assert (tries, len(lines)) == (26, 3)


async def test_who_refreshes_the_register_takes_nothing_from_who_follows(
    topics: Topics, notes: Notes
) -> None:
    topics.write("netdusk.vantages.v1", "pk-1", encode(ENTRY))
    assert await notes.catch_up() == [ENTRY]
    topics.write("netdusk.vantages.v1", "pk-1", encode(REVOKED))
    topics.write("netdusk.calendar.v1", "rally", encode(RALLY))
    await notes.refresh()
    machine = Machine()
    notes.teach(machine)
    assert machine.notes == [REVOKED]
    assert await notes.catch_up() == [REVOKED, RALLY]


async def test_whoever_is_taken_off_the_register_may_not_speak_any_more(topics: Topics, notes: Notes) -> None:
    topics.write("netdusk.vantages.v1", "pk-1", encode(ENTRY))
    topics.write("netdusk.vantages.v1", "pk-1", None)
    assert await notes.catch_up() == [ENTRY, REVOKED]
    machine = Machine()
    notes.teach(machine)
    assert machine.notes == [REVOKED] and notes.vantages.records == {}
    topics.write("netdusk.vantages.v1", "pk-1", encode(ENTRY))
    assert await notes.catch_up() == [ENTRY]
    again = Machine()
    notes.teach(again)
    assert again.notes == [ENTRY]
