"""The chunk transport: Faust's Kafka consumer, handing an agent one message a (partition, chunk).

Faust's own loop makes several asyncio tasks a record, which costs sixty times what reading does. Here a message's
value is a `Fetched`: consecutive records as the broker gave them. Its offset is that of the last record; the
offsets before it are a gap in Faust's own books, so that Faust commits what it should.

It leans on the insides of one version of Faust and one of aiokafka (`WRITTEN_FOR`). With any other, `usable` says
why not, and `ChunkTransport` is not used: the worker then wraps Faust's single records, which is slower and as right.

It refuses to know what a record is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, cast

import faust
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

#: Distribution name to the version prefix that this file was written against and is tested with.
WRITTEN_FOR: Final = {"faust-streaming": "0.15.3", "aiokafka": "0.14."}

#: A chunk ends before its values outgrow this many bytes: its checkpoint has to fit into one record.
CHUNK_BYTES_MAX: Final = 512 * 1024

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

    def __len__(self) -> int:
        return len(self.offsets)

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


def join(parts: Sequence[Fetched]) -> Fetched:
    """Put neighbours together; all have broker timestamps, or none has."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    stamps: list[int] | None = None
    if first.timestamps_ms is not None:
        stamps = [stamp for part in parts for stamp in part.timestamps_ms or ()]
    return Fetched(
        first.tp,
        first.follows,
        [offset for part in parts for offset in part.offsets],
        [value for part in parts for value in part.values],
        stamps,
    )


def cut(tp: TP, records: Sequence[Any], follows: int | None, records_max: int) -> Iterator[Fetched]:
    """Make chunks of what aiokafka fetched: at most `records_max` records and CHUNK_BYTES_MAX bytes each.

    One kind of timestamp a chunk, so that where a chunk ends never decides whether the broker's clock counts.
    """
    start = 0
    while start < len(records):
        kind = records[start].timestamp_type
        end = start
        size = 0
        for record in records[start : start + records_max]:
            size += len(record.value or b"")
            if end > start and (size > CHUNK_BYTES_MAX or record.timestamp_type != kind):
                break
            end += 1
        part = records[start:end]
        yield Fetched(
            tp,
            follows,
            [record.offset for record in part],
            [record.value for record in part],
            [record.timestamp for record in part] if kind == LOG_APPEND_TIME else None,
        )
        follows = part[-1].offset + 1
        start = end


def usable() -> str | None:
    """Why the chunk transport can't be used with what is installed; None where it can."""
    for name, wanted in WRITTEN_FOR.items():
        have = version(name)
        if not (have == wanted or (wanted.endswith(".") and have.startswith(wanted))):
            return f"{name} {have} is installed, and it was written for {wanted}"
    return None


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: set[TP] = set()
        self._unread: dict[TP, int] = {}
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
        self._gap.pop(partition, None)
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
        """Enter the offsets that a chunk's message stands for as a gap before it.

        Faust's `_add_gap` counts the message itself into the gap, so that a commit then stops at it until the next
        gap comes: the interval has to end before it.
        """
        last = chunk.offsets[-1]
        start = chunk.offsets[0] if chunk.follows is None else chunk.follows
        committed = self._committed_offset[chunk.tp]
        if committed is not None:
            start = max(start, committed)
        if start < last and self.app.topics.acks_enabled_for(chunk.tp.topic):
            self._gap[chunk.tp].addi(start, last)
        self._unread[chunk.tp] = last + 1
        self._read_offset[chunk.tp] = last

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
