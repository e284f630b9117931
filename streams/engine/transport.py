"""The chunk transport: Faust's Kafka consumer, handing an agent one message a (partition, chunk).

Faust's own loop makes several asyncio tasks a record, which costs sixty times what reading does. Here a message's
value is a `Fetched`: consecutive record batches as the broker sent them, unread. Its offset is the last one, and Faust
commits up to the last chunk before the first one that is not done.

It leans on the insides of one version of Faust and one of aiokafka (`WRITTEN_FOR`). With any other, `usable` says
why not, and `ChunkTransport` is not used: the worker then wraps Faust's single records, which is slower and as right.

It refuses to know what a record is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

import faust
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.kafka.client import hold_empty_fetches
from streams.machine import PIECE, Chunk

#: Distribution name to the version prefix that this file was written against and is tested with.
WRITTEN_FOR: Final = {"faust-streaming": "0.15.3", "aiokafka": "0.14."}

#: How long the broker holds a fetch that finds nothing. One is under way at a time, and not for partitions of which
#: something is still in hand: these then wait for it. Faust's second and a half was seen at every lull.
FETCH_WAIT_MS: Final = 50

#: Broker append time, as Kafka's record batches have it.
LOG_APPEND_TIME: Final = 1


class KafkaRecord(NamedTuple):
    """What is asked of a record: aiokafka's have more."""

    offset: int
    value: bytes | None
    timestamp: int  # milliseconds since 1970
    timestamp_type: int


@dataclass(slots=True, frozen=True)
class RecordBatch:
    """Records that were written together; they may be made only while they are gone through, so: once.

    They have offsets from `first` to before `next_offset`; what `records` has of smaller ones does not count. `stamped`
    says that their timestamps are the broker's. `time_ms` is that of the youngest.
    """

    records: Iterable[Any]
    first: int
    next_offset: int
    stamped: bool
    time_ms: int

    def __len__(self) -> int:
        """How many records it has at most: some may have been compacted away."""
        return self.next_offset - self.first

    def __iter__(self) -> Iterator[Any]:
        """The records that count."""
        records: Any = self.records
        begins = records[0].offset if isinstance(records, list) else records.base_offset
        if begins >= self.first:
            return iter(records)
        return (record for record in records if record.offset >= self.first)

    @classmethod
    def of(cls, records: Sequence[Any], next_offset: int | None = None) -> RecordBatch:
        """Records that are made already, one at least and all with one kind of timestamp."""
        last = records[-1]
        follows = last.offset + 1 if next_offset is None else next_offset
        stamped = last.timestamp_type == LOG_APPEND_TIME
        return cls(records, records[0].offset, follows, stamped, last.timestamp)

    def since(self, offset: int) -> RecordBatch:
        """The same without what is before `offset`."""
        return replace(self, first=max(offset, self.first))

    def made(self) -> RecordBatch | None:
        """The same with its records at hand; None where it has none."""
        records = list(self)
        return RecordBatch.of(records, self.next_offset) if records else None

    def split(self, records: int) -> Iterator[RecordBatch]:
        """Batches of at most so many records; itself where it is no larger."""
        if len(self) <= records:
            yield self
            return
        made = self.made()
        held: list[Any] = [] if made is None else cast(list[Any], made.records)
        for at in range(0, len(held), records):
            last = at + records >= len(held)
            yield RecordBatch.of(
                held[at : at + records], self.next_offset if last else held[at + records].offset
            )


@dataclass(slots=True)
class Fetched:
    """Batches of one partition that follow each other, as the broker sent them; one kind of timestamp.

    `follows` is the offset after what was handed over before, or where the consumer was told to go on; offsets from
    there to the first one here do not exist in the log. None where that is not known.

    Records are made when they are gone through (`pieces`), by whoever does that, and let go of before the next ones
    are made: objects that were made by another core, or long ago, have to be got back into the caches.
    """

    tp: TP
    follows: int | None
    batches: list[RecordBatch]

    def __len__(self) -> int:
        """How many records it has at most."""
        return sum(map(len, self.batches))

    @property
    def first(self) -> int:
        """The offset from which on all records up to the end are here."""
        return self.batches[0].first

    @property
    def next_offset(self) -> int:
        """Where the partition goes on after this."""
        return self.batches[-1].next_offset

    @property
    def stamped(self) -> bool:
        """Whether the records' timestamps are the broker's."""
        return self.batches[0].stamped

    @property
    def values(self) -> list[bytes | None]:
        """The values of all records, which are kept at hand from now on."""
        made = [held for batch in self.batches if (held := batch.made()) is not None]
        self.batches = made or self.batches[-1:]
        return [record.value for batch in self.batches for record in batch]

    def since(self, offset: int) -> Fetched | None:
        """What remains from `offset` on; None where nothing does."""
        if self.first >= offset:
            return self
        rest = [batch.since(offset) for batch in self.batches if batch.next_offset > offset]
        return Fetched(self.tp, offset, rest) if rest else None

    def split(self, records: int) -> list[Fetched]:
        """Cut it into parts of at most so many records."""
        if len(self) <= records:
            return [self]
        return list(_grouped(self.tp, self.batches, self.follows, records)) or [self]

    def pieces(self, records: int = PIECE) -> Iterator[Chunk]:
        """Go through the records, so many at a time. Once only."""
        every = chain.from_iterable(self.batches)
        while some := list(islice(every, records)):
            first, last = some[0].offset, some[-1].offset
            offsets: Sequence[int] = range(first, last + 1)
            if len(offsets) != len(some):
                offsets = [record.offset for record in some]
            stamps = [record.timestamp for record in some] if self.stamped else None
            values = [record.value for record in some]
            del some  # their memory is what the next ones are made in
            yield Chunk(self.tp.topic, self.tp.partition, offsets, values, stamps)
            del values


def join(parts: Sequence[Fetched]) -> Fetched:
    """Put neighbours together; all have broker timestamps, or none has."""
    if len(parts) == 1:
        return parts[0]
    return Fetched(parts[0].tp, parts[0].follows, [batch for part in parts for batch in part.batches])


def cut(tp: TP, batches: Iterable[RecordBatch], follows: int | None, records_max: int) -> Iterator[Fetched]:
    """Make chunks of what was fetched: at most `records_max` records each.

    One kind of timestamp a chunk, so that where a chunk ends never decides whether the broker's clock counts.
    """
    for _, alike in groupby(batches, key=attrgetter("stamped")):
        for chunk in _grouped(tp, alike, follows, records_max):
            yield chunk
            follows = chunk.next_offset


def _grouped(
    tp: TP, batches: Iterable[RecordBatch], follows: int | None, records_max: int
) -> Iterator[Fetched]:
    held: list[RecordBatch] = []
    many = 0
    for batch in chain.from_iterable(batch.split(records_max) for batch in batches):
        if held and many + len(batch) > records_max:
            yield Fetched(tp, follows, held)
            follows = held[-1].next_offset
            held, many = [], 0
        held.append(batch)
        many += len(batch)
    if held:
        yield Fetched(tp, follows, held)


def usable() -> str | None:
    """Why the chunk transport can't be used with what is installed; None where it can."""
    for name, wanted in WRITTEN_FOR.items():
        have = version(name)
        if not (have == wanted or (wanted.endswith(".") and have.startswith(wanted))):
            return f"{name} {have} is installed, and it was written for {wanted}"
    return None


class Unread:
    """Batches of one partition; aiokafka asks of how many records, which are no more than it asked for."""

    def __init__(self, most: int | None) -> None:
        self.batches: list[RecordBatch] = []
        self._most = most
        self._many = 0

    def __len__(self) -> int:
        return self._many if self._most is None else min(self._many, self._most)

    @property
    def full(self) -> bool:
        """Whether it has as many as were asked for. The last batch is taken whole, however many it has."""
        return self._most is not None and self._many >= self._most

    def add(self, batch: RecordBatch) -> None:
        """Take a batch in."""
        self.batches.append(batch)
        self._many += len(batch)


class _WholeBatches:
    """`FetchResult.getall`, a record batch at a time, unread."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self._found = result._partition_records

    def __call__(self, max_records: int | None = None) -> Unread:
        """Take batches until there are so many records. The position moves as aiokafka would move it.

        Control batches (a transaction's markers) hold no records; those of aborted transactions stay in.
        """
        result, found = self._result, self._found
        taken = Unread(max_records)
        if not result.check_assignment(result._topic_partition) or not result.has_more():
            return taken
        fetched = found._records
        while not taken.full and fetched.has_next():
            batch = fetched.next_batch()
            if found._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {found._tp}")
            if not batch.is_control_batch and (unread := _unread(batch, found.next_fetch_offset)) is not None:
                taken.add(unread)
            found.next_fetch_offset = max(found.next_fetch_offset, batch.next_offset)
        result._update_position()
        if not fetched.has_next():
            result._partition_records = None
        return taken


def _unread(batch: Any, position: int) -> RecordBatch | None:
    """A batch of aiokafka's; None where it has nothing from the position on, where the fetch may have begun in it."""
    first = getattr(batch, "base_offset", None)
    if first is None:  # the formats of before Kafka 0.11 do not say where a batch begins
        held = [record for record in batch if record.offset >= position]
        return RecordBatch.of(held, batch.next_offset) if held else None
    if batch.next_offset <= position:
        return None
    stamped = batch.timestamp_type == LOG_APPEND_TIME
    return RecordBatch(batch, max(first, position), batch.next_offset, stamped, batch.max_timestamp)


class _Buffer(OrderedDict[Any, Any]):
    """What aiokafka has fetched, by partition; handed out in whole batches, unread.

    aiokafka takes each record through two generators and copies it into a `ConsumerRecord` of eleven fields, which is
    more than half of what reading costs. `cut` needs four: offset, value, timestamp and its kind.
    """

    def __setitem__(self, tp: Any, found: Any) -> None:
        if type(found) is FetchResult:
            found.getall = _WholeBatches(found)  # type: ignore[method-assign]
        super().__setitem__(tp, found)


class ChunkConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with `_Buffer` and a short wait for records."""

    async def on_start(self) -> None:
        """Start aiokafka's consumer, and change its buffer before anything is fetched."""
        await super().on_start()
        consumer = self._ensure_consumer()
        hold_empty_fetches(consumer)
        fetcher: Any = consumer._fetcher
        fetcher._fetch_max_wait_ms = FETCH_WAIT_MS
        buffer = _Buffer()
        for tp, found in fetcher._records.items():
            buffer[tp] = found
        fetcher._records = buffer


class ChunkConsumer(driver.Consumer):
    """Faust's consumer with chunks for messages, and a gate a partition.

    A partition's gate is shut until its owner, who knows where to go on, opens it; it shuts it again while it has
    enough to do. Faust's own pausing and buffers stay as they are.
    """

    #: Set by the worker before the app starts.
    chunk_records: int = 1000
    #: Where an owner stands in a partition, None where nobody knows yet: Faust seeks to its commits after every
    #: rebalance, and these are never the truth.
    position_of: Callable[[TP], int | None] = staticmethod(lambda tp: None)

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return ChunkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: set[TP] = set()
        self._unread: dict[TP, int] = {}
        self._handed: dict[TP, deque[int]] = {}  # last offsets of the chunks that are not committed yet
        self._gate_moved = asyncio.Event()

    # the gate

    def open_gate(self, tp: TP) -> None:
        """Let records of the partition through."""
        if tp not in self._open:
            self._open.add(tp)
            self._gate_moved.set()

    def shut_gate(self, tp: TP) -> None:
        """Hold back the partition's records: what was fetched stays with aiokafka, bounded."""
        self._open.discard(tp)

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Read on from `offset`, and commit that all before it is done."""
        await self.seek(tp, offset)
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        self._committed_offset[tp] = offset
        await self._commit({tp: offset})

    # Faust's own, changed

    async def seek(self, partition: TP, offset: int) -> None:
        """Move to `offset`: as Faust does, and remember that the next record follows it."""
        # In the consumer's own thread: from here it could fall between aiokafka's taking records out of its buffer
        # and its moving the position over them.
        await self._thread.call_thread(self._seek_in_thread, partition, offset)
        self._handed.pop(partition, None)
        self._unread[partition] = offset
        self._read_offset[partition] = offset if offset else None

    async def _seek_in_thread(self, partition: TP, offset: int) -> None:
        self._thread.seek(partition, offset)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, as Faust does after a rebalance; then where owners stand."""
        await super().perform_seek()
        for tp in self.assignment():
            position = self.position_of(tp)
            if position is None:
                self._unread.pop(tp, None)
            else:
                await self.seek(tp, position)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the partitions that were taken away."""
        for tp in revoked:
            self._open.discard(tp)
            self._unread.pop(tp, None)
            self._handed.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def _fetch(self, wait_seconds: float) -> tuple[Mapping[TP, Unread], int]:
        """Records of the partitions that are active and whose gate is open."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        generation = self.app.consumer_generation_id
        active = self._get_active_partitions() & self._open
        if not active:
            self._gate_moved.clear()
            await self.wait_first(self._gate_moved.wait(), timeout=wait_seconds)
            return {}, generation
        found: Any = await self._getmany(active_partitions=active, timeout=wait_seconds)
        return cast(Mapping[TP, Unread], found), generation

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Fetch; one message a chunk."""
        # Shorter than Faust's second, so that a partition whose gate opens meanwhile is read soon.
        before = dict(self._unread)
        records, generation = await self._fetch(min(timeout, 0.2))
        if self.should_stop or not records:
            return
        if not self.flow_active:
            try:
                await self.perform_seek()
            except (KafkaError, ConsumerStoppedError) as error:
                self.log.warning("could not seek while the flow is stopped: %r", error)
            return
        for tp, found in records.items():
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            unread = before.get(tp)
            if self._unread.get(tp) != unread:
                # There was a seek meanwhile, and these may have been read before it or after it.
                if tp in self._unread:
                    await self.seek(tp, self._unread[tp])
                continue
            for chunk in cut(tp, found.batches, unread, self.chunk_records):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                if self._unread.get(tp) != chunk.follows:
                    break  # there was a seek while the last one was handed over
                yield tp, self._message(chunk, generation)

    def _message(self, chunk: Fetched, generation: int) -> ConsumerMessage:
        tp = chunk.tp
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            chunk.next_offset - 1,
            chunk.batches[-1].time_ms / 1000.0,
            LOG_APPEND_TIME if chunk.stamped else 0,
            None,
            None,
            chunk,  # type: ignore[arg-type]  # the whole point: a chunk in place of one record's bytes
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )

    def note_chunk(self, chunk: Fetched) -> None:
        """Enter into the books what a chunk's message stands for."""
        last = chunk.next_offset - 1
        self._handed.setdefault(chunk.tp, deque()).append(last)
        self._unread[chunk.tp] = last + 1
        self._read_offset[chunk.tp] = last

    def _new_offset(self, tp: TP) -> int | None:
        """How far everything is done; None where that is no further than before.

        Faust's own keeps offsets between messages as gaps and writes each of them into a list, to find out where the
        first run of consecutive numbers ends. Here chunk follows chunk: they are done up to the first that is not.
        """
        handed = self._handed.get(tp)
        acked = self._acked_index[tp]
        done: int | None = None
        while handed and handed[0] in acked:
            done = handed.popleft()
            acked.discard(done)
        if done is None:
            return None
        self._acked[tp] = [offset for offset in self._acked[tp] if offset > done]
        return done + 1

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's reading loop, without its task or two a message."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                await self.sleep(0)
                if self.should_stop:
                    continue
                async for _, message in self.getmany(timeout=1.0):
                    self.note_chunk(cast(Fetched, message.value))
                    await self.wait_first(self.callback(message), self.suspend_flow.wait())
        except (ConsumerStoppedError, asyncio.CancelledError):
            if self.transport.app.should_stop:
                return
            raise


class ChunkTransport(driver.Transport):
    """Faust's aiokafka driver with `ChunkConsumer`."""

    Consumer = ChunkConsumer


class ChunkSchema(faust.Schema[Any, Any]):
    """Hands a chunk to the agent as it is: nothing is decoded, so nothing can fail."""

    def compile(
        self,
        app: Any,
        *,
        on_key_decode_error: Any = None,
        on_value_decode_error: Any = None,
        default_propagate: bool = False,
    ) -> Any:
        """Give the function that makes an event of a message."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)

        return decode
