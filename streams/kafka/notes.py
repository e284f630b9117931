"""What is written for the worker: scheduled events, annotations, the register, read whole, then followed; arrivals.

A machine gets them with the chunk that it reads next, so that its redo log has them in their place. Knows nothing of
what a note is for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import structlog
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from producers.records import PLACES, TIME_MAX, TIME_MIN, UNREADABLE, repeated
from producers.signals import Signal, decode_signal
from streams.kafka.client import TopicReader, connect, disconnect
from streams.machine import KnowsRegister, Note, TakesNotes
from streams.records import (
    ARRIVALS_SCHEMA,
    Annotation,
    AnnotationKind,
    Arrivals,
    CalendarEvent,
    Vantage,
    VantageState,
    check_note,
    decode,
)
from streams.settings import KafkaSettings, SettingsError, TopicSettings

log = structlog.get_logger()

_FOLLOW_SECONDS: Final = 5.0
#: That they can't be read is said once in so many tries: once a minute.
_TRIES_A_LINE: Final = 12
_WRITE_SECONDS: Final = 30.0
#: Of a health topic that has grown while nobody looked, only so many records are read.
_ARRIVALS_RECORDS: Final = 20_000
#: Of a partition of the signals topic, so many at once: more than half a day of a country's.
_SIGNALS_RECORDS: Final = 5_000
_ARRIVALS_TAG: Final = ARRIVALS_SCHEMA.encode()
#: Anything longer was written by no person, and would go into every partition's checkpoint.
_RECORD_BYTES_MAX: Final = 64 * 1024

N = TypeVar("N", bound=CalendarEvent | Annotation | Vantage)


class NoteTopic(Generic[N]):
    """What one topic says so far.

    Parameters
    ----------
    kind
        The record that stands on it; any other is passed over.
    key_of
        A record's key on the topic: a tombstone removes all records of its key, for machines that start later.
    farewell
        What a machine is told of a record that a tombstone removes; None: nothing.

    Attributes
    ----------
    records
        By the record's own id.
    removed
        What was told of those that are gone.
    """

    def __init__(
        self,
        reader: TopicReader,
        topic: str,
        kind: type[N],
        key_of: Callable[[N], str],
        farewell: Callable[[N], N] | None = None,
    ) -> None:
        self.records: dict[str, N] = {}
        self.removed: dict[str, N] = {}
        self.topic = topic
        self._reader = reader
        self._kind = kind
        self._key_of = key_of
        self._farewell = farewell
        self._next: dict[int, int] = {}
        self._new: list[N] = []

    async def catch_up(self) -> list[N]:
        """Read what is new. A topic that does not exist has nothing. A malformed record is passed over."""
        await self.read()
        return self.taken()

    def taken(self) -> list[N]:
        """What was read since this was asked last."""
        new, self._new = self._new, []
        return new

    async def read(self) -> None:
        """Read what is new, and keep it until it is taken: whoever fails at another topic meanwhile loses nothing."""
        bounds = await self._reader.bounds(self.topic, await self._reader.partitions_of(self.topic))
        for partition, (start, end) in bounds.items():
            begin = max(start, self._next.get(partition, 0))
            if begin > end:
                # The topic was made anew.
                begin = start
            async for record in self._reader.records(self.topic, partition, begin, end):
                self._take(record.key, record.value, record.timestamp)
            self._next[partition] = end

    def _take(self, key: bytes | None, value: bytes | None, stamp_ms: int) -> None:
        if value is None:
            self._remove((key or b"").decode(errors="replace"))
            return
        try:
            note = _written_by(self._read(value), stamp_ms)
        except UNREADABLE as error:
            log.warning("a record was passed over", topic=self.topic, key=(key or b"")[:100], why=str(error))
            return
        self.removed.pop(note.id, None)
        self.records[note.id] = note
        self._new.append(note)

    def _remove(self, key: str) -> None:
        for name, note in list(self.records.items()):
            if self._key_of(note) == key:
                del self.records[name]
                if self._farewell is not None:
                    self.removed[name] = self._farewell(note)
                    self._new.append(self.removed[name])

    def _read(self, value: bytes) -> N:
        if len(value) > _RECORD_BYTES_MAX:
            raise ValueError(f"{len(value)} bytes, and {_RECORD_BYTES_MAX} at most are read")
        note = decode(value)
        if not isinstance(note, self._kind):
            raise ValueError(f"it is no {self._kind.__name__}")
        if (twice := repeated(value)) is not None:
            raise ValueError(f"member {twice[:64]!a} stands there twice")
        check_note(note)
        return note


def _written_by(note: N, stamp_ms: int) -> N:
    """A note; an annotation that was written by a clock ahead of the broker's has the broker's time.

    A closing waits until the log has come to its moment: days, where its author's clock is days ahead.
    """
    if isinstance(note, Annotation) and 0 <= stamp_ms < note.time.timestamp() * 1000:
        return replace(note, time=datetime.fromtimestamp(stamp_ms // 1000, UTC))
    return note


class ArrivalsTopic:
    """What the view over all countries says of arrivals: only what is new counts, so that nothing old is read.

    Health records stand on the same topic, and are passed over.
    """

    def __init__(self, reader: TopicReader, topic: str) -> None:
        self.topic = topic
        self._reader = reader
        self._next: dict[int, int] = {}

    async def catch_up(self) -> list[Note]:
        """The newest of what is new, real and simulated."""
        newest: dict[bool, Arrivals] = {}
        bounds = await self._reader.bounds(self.topic, await self._reader.partitions_of(self.topic))
        for partition, (start, end) in bounds.items():
            begin = max(start, self._next.get(partition, end), end - _ARRIVALS_RECORDS)
            # Past the end: the topic was made anew.
            begin = start if begin > end else begin
            async for record in self._reader.records(self.topic, partition, begin, end):
                arrivals = _arrivals(record.value, record.timestamp)
                if arrivals is not None and (
                    arrivals.simulated not in newest or newest[arrivals.simulated].start <= arrivals.start
                ):
                    newest[arrivals.simulated] = arrivals
            self._next[partition] = end
        return [newest[simulated] for simulated in sorted(newest)]


def _arrivals(value: bytes | None, stamp_ms: int) -> Arrivals | None:
    """A record of arrivals; None where it is another one."""
    if value is None or _ARRIVALS_TAG not in value[:100] or len(value) > _RECORD_BYTES_MAX:
        return None
    try:
        record = decode(value)
        twice = repeated(value)
    except UNREADABLE:
        return None
    if not isinstance(record, Arrivals) or twice is not None or record.start.tzinfo is None:
        return None
    if not TIME_MIN <= record.start < TIME_MAX or not PLACES.issuperset(record.countries):
        return None
    # A window is over before anybody can say what came in it: one that lies ahead would hide all that follow.
    ahead = record.start.timestamp() * 1000 > stamp_ms
    return None if ahead else record


class SignalsTopic:
    """What other observatories count. At the start the newest ones are read, so that what came meanwhile is known.

    A machine that has them already lets them go.
    """

    def __init__(self, reader: TopicReader, topic: str) -> None:
        self.topic = topic
        #: For machines that start later.
        self.recent: deque[Signal] = deque(maxlen=_SIGNALS_RECORDS)
        self._reader = reader
        self._next: dict[int, int] = {}

    async def catch_up(self) -> list[Note]:
        """What is new, in the topic's order; what is malformed is passed over."""
        new: list[Note] = []
        bounds = await self._reader.bounds(self.topic, await self._reader.partitions_of(self.topic))
        for partition, (start, end) in bounds.items():
            begin = max(start, self._next.get(partition, end - _SIGNALS_RECORDS), end - _SIGNALS_RECORDS)
            # Past the end: the topic was made anew.
            begin = start if begin > end else begin
            async for record in self._reader.records(self.topic, partition, begin, end):
                signal = decode_signal(record.value)
                if isinstance(signal, Signal):
                    new.append(signal)
                    self.recent.append(signal)
                else:
                    log.warning("a signal was passed over", topic=self.topic, why=signal.detail)
            self._next[partition] = end
        return new


class Notes:
    """All topics of notes together, as a worker follows them."""

    def __init__(self, reader: TopicReader, topics: TopicSettings) -> None:
        self.calendar = calendar_topic(reader, topics)
        self.annotations = annotation_topic(reader, topics)
        self.arrivals = ArrivalsTopic(reader, topics.health)
        self.signals = SignalsTopic(reader, topics.signals)
        self.vantages = vantage_topic(reader, topics)
        self._all: Sequence[NoteTopic[CalendarEvent] | NoteTopic[Annotation] | NoteTopic[Vantage]] = (
            self.vantages,
            self.calendar,
            self.annotations,
        )
        self._others: list[Note] = []
        self._reading = asyncio.Lock()

    def teach(self, machine: TakesNotes) -> None:
        """Tell a machine everything that is known."""
        for topic in self._all:
            for note in (*topic.removed.values(), *topic.records.values()):
                machine.note(note)
        for signal in self.signals.recent:
            machine.note(signal)
        # A register that is empty was lost, or not made yet: that takes nobody's vote.
        if isinstance(machine, KnowsRegister) and self.vantages.records:
            machine.registered(frozenset(self.vantages.records))

    async def catch_up(self) -> list[Note]:
        """Read what is new on any of them. Raises KafkaError where the broker is away: nothing is lost by that."""
        async with self._reading:
            for topic in self._all:
                await topic.read()
            self._others += await self.arrivals.catch_up()
            self._others += await self.signals.catch_up()
        new: list[Note] = [note for topic in self._all for note in topic.taken()]
        others, self._others = self._others, []
        return new + others

    async def refresh(self) -> None:
        """Read the register to its end; whoever follows is told of what is new. Raises KafkaError as `catch_up` does.

        A worker that takes a partition over must not know less of it than the one before, or it would take a
        revocation back.
        """
        async with self._reading:
            await self.vantages.read()

    async def follow(self) -> AsyncIterator[list[Note]]:
        """Yield what comes in. Does not end.

        That it can't be read is said at once, and then once a minute: a broker may be away for an hour.
        """
        tries = 0
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            try:
                new = await self.catch_up()
            except (KafkaError, OSError) as error:
                if tries % _TRIES_A_LINE == 0:
                    log.warning("calendar, annotations and register can't be read", why=repr(error))
                tries += 1
                continue
            tries = 0
            if new:
                yield new


def calendar_topic(reader: TopicReader, topics: TopicSettings) -> NoteTopic[CalendarEvent]:
    """The calendar: scheduled events, keyed by their id."""
    return NoteTopic(reader, topics.calendar, CalendarEvent, lambda event: event.id)


def annotation_topic(reader: TopicReader, topics: TopicSettings) -> NoteTopic[Annotation]:
    """The annotations, keyed by their incident."""
    return NoteTopic(reader, topics.annotations, Annotation, lambda annotation: annotation.incident)


def annotation_key(annotation: Annotation) -> bytes:
    """The key of an annotation: its incident's id, and for all but closings its own behind it.

    Compaction keeps the newest record of each key: of closings one is enough, of what people say each stays.
    """
    if annotation.kind is AnnotationKind.CLOSED:
        return annotation.incident.encode()
    return f"{annotation.incident}/{annotation.id}".encode()


def vantage_topic(reader: TopicReader, topics: TopicSettings) -> NoteTopic[Vantage]:
    """The register: who may speak, keyed by the vantage. Whoever is taken off it may not speak any more."""
    return NoteTopic(
        reader,
        topics.vantages,
        Vantage,
        lambda entry: entry.vantage,
        lambda entry: replace(entry, state=VantageState.REVOKED),
    )


async def write_all(kafka: KafkaSettings, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> None:
    """Write notes or tombstones, all acknowledged when this returns. Raises SettingsError for a missing topic."""
    if not await TopicReader(kafka).partitions_of(topic):
        raise SettingsError(f"{topic}: no such topic; make it with `netdusk topics`")
    producer = await connect(kafka)
    try:
        for future in [await producer.send(topic, key=key, value=value) for key, value in records]:
            await asyncio.wait_for(future, _WRITE_SECONDS)
    finally:
        await disconnect(producer)
