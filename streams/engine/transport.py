"""The chunk transport: Faust's Kafka consumer, handing an agent one message a (partition, chunk).

Faust's own loop makes several asyncio tasks a record, which costs sixty times what reading does. Here a message's
value is an `UnreadChunk`: consecutive record batches as the broker sent them. Its offset is the last one, and Faust
commits up to the last chunk before the first one that is not done.

It leans on the insides of one version of Faust and one of aiokafka (`WRITTEN_FOR`). With any other, `usable` says
why not, and `ChunkTransport` is not used: the worker then wraps Faust's single records, which is slower and as right.

It refuses to know what a record is.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from importlib.metadata import version
from typing import Any, Final, cast

import faust
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError
from aiokafka.record.memory_records import MemoryRecords
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.engine.batches import LOG_APPEND_TIME, RecordBatch, UnreadChunk
from streams.engine.pace import Pace
from streams.engine.unpacking import bound
from streams.kafka.client import Together, ended

#: Distribution name to the version prefix that this file was written against and is tested with.
WRITTEN_FOR: Final = {"faust-streaming": "0.15.3", "aiokafka": "0.14."}

# How long is waited for records while a gate is shut: it may open meanwhile, and its partition is to be read soon.
_GATE_SECONDS: Final = 0.2
# A batch begins with its offset and with how many bytes follow.
_BATCH_HEAD: Final = 12


def usable() -> str | None:
    """Return why the chunk transport can't be used with what is installed, or None if it can."""
    for name, wanted in WRITTEN_FOR.items():
        have = version(name)
        if not (have == wanted or (wanted.endswith(".") and have.startswith(wanted))):
            return f"{name} {have} is installed, and it was written for {wanted}"
    return None


class _Handful:
    """Batches of one partition. Its length is in records, and never more than aiokafka asked for: it checks that."""

    def __init__(self, records_max: int | None) -> None:
        self.batches: list[RecordBatch] = []
        self._records_max = records_max
        self._records = 0

    def __len__(self) -> int:
        return self._records if self._records_max is None else min(self._records, self._records_max)

    @property
    def full(self) -> bool:
        """Whether it has as many as were asked for. The last batch is taken whole, however many it has."""
        return self._records_max is not None and self._records >= self._records_max

    def add(self, batch: RecordBatch) -> None:
        """Take a batch in."""
        self.batches.append(batch)
        self._records += len(batch)


class _KeptRecords(MemoryRecords):  # type: ignore[misc,valid-type]  # one of two, chosen as it is imported
    """aiokafka's parting of a fetch into batches, that gives each as it was sent, too."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = memoryview(data)
        self._at = 0

    def packed(self) -> memoryview:
        """The batch that was given last; asked once for each."""
        begin = self._at
        self._at += _BATCH_HEAD + int.from_bytes(self._data[begin + 8 : begin + _BATCH_HEAD], "big")
        return self._data[begin : self._at]


class _WholeBatches:
    """`FetchResult.getall`, a record batch at a time, unread."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self._partition_records = result._partition_records

    def __call__(self, max_records: int | None = None) -> _Handful:
        """Take batches until there are enough records. The position moves as aiokafka would move it.

        Control batches (a transaction's markers) hold no records; those of aborted transactions count for none.
        """
        result, partition_records = self._result, self._partition_records
        taken = _Handful(max_records)
        if not result.check_assignment(result._topic_partition) or not result.has_more():
            return taken
        fetched = partition_records._records
        while not taken.full and fetched.has_next():
            batch = fetched.next_batch()
            packed = fetched.packed() if isinstance(fetched, _KeptRecords) else None
            if partition_records._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {partition_records._tp}")
            position = partition_records.next_fetch_offset
            left_out = self._aborted(batch) or batch.is_control_batch
            if not left_out and (unread := _unread(batch, position, packed)) is not None:
                taken.add(unread)
            partition_records.next_fetch_offset = max(position, batch.next_offset)
        result._update_position()
        if not fetched.has_next():
            result._partition_records = None
        return taken

    def _aborted(self, batch: Any) -> bool:
        """Whether a batch is of a transaction that was aborted, as aiokafka tells it."""
        records = self._partition_records
        if records._isolation_level != READ_COMMITTED or batch.producer_id is None:
            return False
        records._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and records._contains_abort_marker(batch):
            records._aborted_producers.discard(batch.producer_id)
        return bool(batch.is_transactional and batch.producer_id in records._aborted_producers)


def _unread(batch: Any, position: int, packed: memoryview | None = None) -> RecordBatch | None:
    """Return the records of aiokafka's batch from the position on, or None if it has none.

    A fetch may begin within a batch. `packed` is the same batch as the broker sent it.
    """
    first = getattr(batch, "base_offset", None)
    if first is None:  # the formats of before Kafka 0.11 do not say where a batch begins
        records = [record for record in batch if record.offset >= position]
        return RecordBatch.of(records, batch.next_offset) if records else None
    if batch.next_offset <= position:
        return None
    stamped = batch.timestamp_type == LOG_APPEND_TIME
    return RecordBatch(batch, max(first, position), batch.next_offset, stamped, batch.max_timestamp, packed)


class _Buffer(OrderedDict[Any, Any]):
    """What aiokafka has fetched, by partition. It is handed out in whole batches, unread.

    aiokafka takes each record through two generators and copies it into a `ConsumerRecord` of eleven fields, which is
    more than half of what reading costs. A chunk needs four: offset, value, timestamp and its kind.
    """

    def __setitem__(self, tp: Any, result: Any) -> None:
        if type(result) is FetchResult:
            result.getall = _WholeBatches(result)  # type: ignore[method-assign]
        super().__setitem__(tp, result)


class _PacedFetcher(Fetcher):
    """aiokafka's fetcher, whose fetches are held as a `Pace` says.

    One is under way at a time for a broker, and not for partitions of which something is still in hand: these then
    wait for it. Faust's own wait of a second and a half was seen at every lull.
    """

    consumer: ChunkConsumer

    def _get_actions_per_node(self, assignment: Any) -> Any:
        pace = self.consumer.pace
        hold = pace.hold()
        self._fetch_max_wait_ms = max(1, round(hold.seconds * 1000))
        self._fetch_min_bytes = hold.least_bytes
        actions = super()._get_actions_per_node(assignment)  # type: ignore[no-untyped-call]  # aiokafka's own
        if actions[0]:
            pace.sent()
        return actions

    async def close(self) -> None:
        """End all fetches. aiokafka passes on that it cancelled one that rests after an error."""
        await ended(super().close())  # type: ignore[no-untyped-call]


class ChunkConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with `_Buffer` and the worker's pace."""

    async def on_start(self) -> None:
        """Start aiokafka's consumer, and change its buffer before anything is fetched."""
        bound()
        fetching: Any = sys.modules[Fetcher.__module__]
        fetching.MemoryRecords = _KeptRecords
        await super().on_start()
        consumer = self._ensure_consumer()
        fetcher: Any = consumer._fetcher
        fetcher.consumer = self.consumer
        fetcher.__class__ = _PacedFetcher
        # What a producer took back was never said; Faust reads it unless the whole app is transactional.
        fetcher._isolation_level = READ_COMMITTED
        buffer = _Buffer()
        for tp, result in fetcher._records.items():
            buffer[tp] = result
        fetcher._records = buffer


class ChunkConsumer(driver.Consumer):
    """Faust's consumer with chunks for messages, and a gate a partition.

    A partition's gate is shut until its owner, who knows where to go on, opens it; it shuts it again while it has
    enough to do. Faust's own pausing and buffers stay as they are.
    """

    #: Where an owner stands in a partition, None where nobody knows yet: Faust seeks to its commits after every
    #: rebalance, and these are never the truth.
    position_of: Callable[[TP], int | None] = staticmethod(lambda tp: None)
    #: How long the broker may hold a fetch.
    pace = Pace(0.0)

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return ChunkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: set[TP] = set()
        self._unread: dict[TP, int] = {}
        self._seeks: dict[TP, int] = {}  # how many there were
        self._handed: dict[TP, deque[int]] = {}  # last offsets of the chunks that are not committed yet
        self._gate_moved = asyncio.Event()
        self._commits = Together(self._commit_each)  # partitions begin by the hundred

    def stable_end(self, tp: TP) -> int | None:
        """Where what may be read of the partition ends: before the first record of a transaction that is open."""
        end: int | None = self._thread._ensure_consumer().last_stable_offset(TopicPartition(*tp))
        return end

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
        await self._commits.ask([(tp, offset)])

    async def _commit_each(self, places: Collection[tuple[TP, int]]) -> Mapping[tuple[TP, int], None]:
        # Ascending: of a partition that is there twice the later offset stays.
        await self._commit(dict(sorted(places)))
        return dict.fromkeys(places)

    # Faust's own, changed

    async def seek(self, partition: TP, offset: int) -> None:
        """Move to `offset`: as Faust does, and remember that the next record follows it."""
        # In the consumer's own thread: from here it could fall between aiokafka's taking records out of its buffer
        # and its moving the position over them.
        await self._thread.call_thread(self._seek_in_thread, partition, offset)
        self._handed.pop(partition, None)
        self._seeks[partition] = self._seeks.get(partition, 0) + 1
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

    async def _fetch(self, wait_seconds: float) -> tuple[Mapping[TP, _Handful], int]:
        """Records of the partitions that are active and whose gate is open."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        generation = self.app.consumer_generation_id
        assigned = self._get_active_partitions()
        active = assigned & self._open
        if len(active) < len(assigned):
            wait_seconds = min(wait_seconds, _GATE_SECONDS)
        if not active:
            self._gate_moved.clear()
            await self.wait_first(self._gate_moved.wait(), timeout=wait_seconds)
            return {}, generation
        records: Any = await self._getmany(active_partitions=active, timeout=wait_seconds)
        return cast(Mapping[TP, _Handful], records), generation

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Fetch; one message a chunk."""
        before = dict(self._seeks)
        records, generation = await self._fetch(timeout)
        if self.should_stop or not records:
            return
        if not self.flow_active:
            try:
                await self.perform_seek()
            except (KafkaError, ConsumerStoppedError) as error:
                self.log.warning("could not seek while the flow is stopped: %r", error)
            return
        for tp, handful in records.items():
            if not handful.batches:
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            moved = self._seeks.get(tp) != before.get(tp)
            if moved or self.app.consumer_generation_id != generation:
                # There was a seek meanwhile, or a rebalance: these may have been read before it or after it. They are
                # let go, and aiokafka's position, which has passed them, is set back.
                if tp in self._unread:
                    await self.seek(tp, self._unread[tp])
                continue
            if self._suspended():
                return
            yield tp, self._message(UnreadChunk(tp, self._unread.get(tp), handful.batches), generation)

    def _suspended(self) -> bool:
        """Whether a rebalance has begun: all positions are set anew after it."""
        return not self.flow_active

    def _message(self, chunk: UnreadChunk, generation: int) -> ConsumerMessage:
        tp = chunk.tp
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            chunk.next_offset - 1,
            chunk.batches[-1].time_ms / 1000.0,
            LOG_APPEND_TIME if chunk.batches[-1].stamped else 0,
            None,
            None,
            chunk,  # type: ignore[arg-type]  # the whole point: a chunk in place of one record's bytes
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )

    def note_chunk(self, chunk: UnreadChunk) -> None:
        """Enter into the books what a chunk's message stands for."""
        last = chunk.next_offset - 1
        self._handed.setdefault(chunk.tp, deque()).append(last)
        self._unread[chunk.tp] = last + 1
        self._read_offset[chunk.tp] = last

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset up to which everything is done, or None if that is no further than before.

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
                    self.note_chunk(cast(UnreadChunk, message.value))
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
