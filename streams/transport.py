"""The chunk transport: Faust's Kafka consumer, handing an agent one message a (partition, chunk).

Faust's own loop makes several asyncio tasks a record, which costs sixty times what reading does. Here a message's
value is a `Fetched`: consecutive records as the broker gave them. Its offset is that of the last record, and Faust
commits up to the last chunk before the first one that is not done.

It leans on the insides of one version of Faust and one of aiokafka (`WRITTEN_FOR`). With any other, `usable` says
why not, and `ChunkTransport` is not used: the worker then wraps Faust's single records, which is slower and as right.

It refuses to know what a record is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, cast

import faust
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.connection import hold_empty_fetches

#: Distribution name to the version prefix that this file was written against and is tested with.
WRITTEN_FOR: Final = {"faust-streaming": "0.15.3", "aiokafka": "0.14."}

#: A chunk ends before its values outgrow this many bytes. Its checkpoint is ten times smaller as results are, and has
#: to fit into one record; where it does not, smaller chunks are made.
CHUNK_BYTES_MAX: Final = 3 * 1024 * 1024

#: How long the broker holds a fetch that finds nothing. One is under way at a time, and not for partitions of which
#: something is still in hand: these then wait for it. Faust's second and a half was seen at every lull.
FETCH_WAIT_MS: Final = 50

#: Broker append time, as Kafka's record batches have it.
LOG_APPEND_TIME: Final = 1


@dataclass(slots=True)
class Fetched:
    """Consecutive records of one partition.

    `follows` is the offset after the record handed over before, or where the consumer was told to go on; offsets
    from there to the first one here do not exist in the log. None where that is not known.
    """

    tp: TP
    follows: int | None
    offsets: Sequence[int]
    values: Sequence[bytes | None]
    timestamps_ms: Sequence[int] | None
    _size: int | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def size(self) -> int:
        """Bytes of all values."""
        if self._size is None:
            self._size = sum(lengths(self.values))
        return self._size

    @property
    def next_offset(self) -> int:
        """Where the partition goes on after this."""
        return self.offsets[-1] + 1

    def since(self, offset: int) -> Fetched | None:
        """What remains from `offset` on; None where nothing does."""
        if self.offsets[0] >= offset:
            return self
        at = next((i for i, have in enumerate(self.offsets) if have >= offset), None)
        return None if at is None else self._part(at, len(self), offset)

    def split(self, records: int) -> list[Fetched]:
        """Cut it into parts of at most so many records."""
        if len(self) <= records:
            return [self]
        parts = []
        follows = self.follows
        for at in range(0, len(self), records):
            part = self._part(at, min(at + records, len(self)), follows)
            follows = part.next_offset
            parts.append(part)
        return parts

    def _part(self, start: int, end: int, follows: int | None) -> Fetched:
        stamps = None if self.timestamps_ms is None else self.timestamps_ms[start:end]
        return Fetched(self.tp, follows, self.offsets[start:end], self.values[start:end], stamps)


def lengths(values: Sequence[bytes | None]) -> list[int]:
    """Bytes of each value."""
    try:
        return list(map(len, values))  # type: ignore[arg-type]  # hardly ever is there none
    except TypeError:
        return [len(value or b"") for value in values]


def join(parts: Sequence[Fetched]) -> Fetched:
    """Put neighbours together; all have broker timestamps, or none has."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    stamps: list[int] | None = None
    if first.timestamps_ms is not None:
        stamps = [stamp for part in parts for stamp in part.timestamps_ms or ()]
    last = parts[-1]
    records = sum(map(len, parts))
    offsets: Sequence[int] = range(first.offsets[0], last.next_offset)
    if len(offsets) != records:
        offsets = [offset for part in parts for offset in part.offsets]
    values = [value for part in parts for value in part.values]
    return Fetched(first.tp, first.follows, offsets, values, stamps, sum(part.size for part in parts))


def cut(tp: TP, records: Sequence[Any], follows: int | None, records_max: int) -> Iterator[Fetched]:
    """Make chunks of what aiokafka fetched: at most `records_max` records and CHUNK_BYTES_MAX bytes each.

    One kind of timestamp a chunk, so that where a chunk ends never decides whether the broker's clock counts.
    """
    if not records:
        return
    first, last = records[0].offset, records[-1].offset
    offsets: Sequence[int] = range(first, last + 1)
    if len(offsets) != len(records):
        offsets = [record.offset for record in records]
    values = [record.value for record in records]
    sizes = lengths(values)
    kinds = [record.timestamp_type for record in records]
    start = 0
    while start < len(records):
        kind = kinds[start]
        end = min(start + records_max, len(records))
        size = sum(sizes[start:end])
        if size > CHUNK_BYTES_MAX or kinds[start:end].count(kind) < end - start:
            end = _end(sizes, kinds, start, end)
            size = sum(sizes[start:end])
        stamps = [record.timestamp for record in records[start:end]] if kind == LOG_APPEND_TIME else None
        yield Fetched(tp, follows, offsets[start:end], values[start:end], stamps, size)
        follows = offsets[end - 1] + 1
        start = end


def _end(sizes: Sequence[int], kinds: Sequence[int], start: int, end: int) -> int:
    """Where a chunk that may not go to `end` has to end; it has one record at least."""
    size = 0
    for i in range(start, end):
        size += sizes[i]
        if i > start and (size > CHUNK_BYTES_MAX or kinds[i] != kinds[start]):
            return i
    return end


def usable() -> str | None:
    """Why the chunk transport can't be used with what is installed; None where it can."""
    for name, wanted in WRITTEN_FOR.items():
        have = version(name)
        if not (have == wanted or (wanted.endswith(".") and have.startswith(wanted))):
            return f"{name} {have} is installed, and it was written for {wanted}"
    return None


class _WholeBatches:
    """`FetchResult.getall`, a record batch at a time, with the records as aiokafka's C code has them."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self._found = result._partition_records
        self._begin = self._end = self._found.next_fetch_offset
        self._runs = self._read()
        self._rest: list[Any] = []

    def __call__(self, max_records: int | None = None) -> list[Any]:
        """Take at most so many records. The position moves as aiokafka would move it."""
        result = self._result
        if not result.check_assignment(result._topic_partition) or not result.has_more():
            return []
        taken, self._rest = self._rest, []
        while max_records is None or len(taken) < max_records:
            run = next(self._runs, None)
            if run is None:
                self._found.next_fetch_offset = self._end
                result._update_position()
                result._partition_records = None
                return taken
            taken += run
        self._rest = taken[max_records:]
        del taken[max_records:]
        self._found.next_fetch_offset = taken[-1].offset + 1
        result._update_position()
        return taken

    def _read(self) -> Iterator[list[Any]]:
        """Records of each batch. Control batches (a transaction's markers) hold none; aborted records stay in."""
        fetched = self._found._records
        while fetched.has_next():
            batch = fetched.next_batch()
            if self._found._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._found._tp}")
            run = [] if batch.is_control_batch else list(batch)
            if run and run[0].offset < self._begin:  # the fetch began in the middle of the batch
                run = [record for record in run if record.offset >= self._begin]
            self._end = batch.next_offset
            yield run


class _Buffer(OrderedDict[Any, Any]):
    """What aiokafka has fetched, by partition; handed out in whole batches.

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

    async def _fetch(self, wait_seconds: float) -> tuple[Mapping[TP, list[Any]], int]:
        """Records of the partitions that are active and whose gate is open."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        generation = self.app.consumer_generation_id
        active = self._get_active_partitions() & self._open
        if not active:
            self._gate_moved.clear()
            await self.wait_first(self._gate_moved.wait(), timeout=wait_seconds)
            return {}, generation
        return await self._getmany(active_partitions=active, timeout=wait_seconds), generation

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
            for chunk in cut(tp, found, unread, self.chunk_records):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                if self._unread.get(tp) != chunk.follows:
                    break  # there was a seek while the last one was handed over
                yield tp, self._message(chunk, found[0], generation)

    def _message(self, chunk: Fetched, record: Any, generation: int) -> ConsumerMessage:
        tp = chunk.tp
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            chunk.offsets[-1],
            record.timestamp / 1000.0,
            record.timestamp_type,
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
        last = chunk.offsets[-1]
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
