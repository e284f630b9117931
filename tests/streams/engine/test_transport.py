"""Chunks and what is committed for them, without a broker."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import transport
from streams.engine.batches import KafkaRecord, RecordBatch, UnreadChunk
from streams.engine.transport import ChunkConsumer, usable

PLACE = TP("probes", 0)


class Fetch:
    """aiokafka's `FetchResult`, as far as it is leaned upon."""

    def __init__(self, data: bytes, begin: int) -> None:
        self._topic_partition = PLACE
        self.position = begin
        self._partition_records: Any = SimpleNamespace(
            _records=MemoryRecords(data),
            _check_crcs=True,
            _tp=PLACE,
            next_fetch_offset=begin,
            _isolation_level=0,
        )

    def check_assignment(self, tp: TP) -> bool:
        return self._partition_records is None or self._partition_records.next_fetch_offset == self.position

    def has_more(self) -> bool:
        return self._partition_records is not None

    def _update_position(self) -> None:
        self.position = self._partition_records.next_fetch_offset


def batches(*sizes: int) -> bytes:
    data = b""
    offset = 0
    for size in sizes:
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=1 << 20,
        )
        for i in range(size):
            builder.append(i, timestamp=1, key=None, value=b"%d" % (offset + i), headers=[])
        batch = bytearray(builder.build())
        batch[0:8] = offset.to_bytes(8, "big")  # where the broker put it; not under the CRC
        data += bytes(batch)
        offset += size
    return data


@pytest.mark.parametrize("records_max", [1, 2, 3, 5, 8, 100, None])
@pytest.mark.parametrize("begin", [0, 1, 4])
def test_whole_batches_give_every_record_from_the_place_of_the_fetch(
    begin: int, records_max: int | None
) -> None:
    result = Fetch(batches(3, 1, 4), begin)
    take = transport._WholeBatches(result)
    offsets: list[int] = []
    while result.has_more():
        handful = take(records_max)
        assert records_max is None or len(handful) <= records_max
        for piece in UnreadChunk(PLACE, begin, handful.batches).pieces(2):
            assert piece.values == [b"%d" % offset for offset in piece.offsets]
            assert piece.timestamps_ms is None
            offsets += piece.offsets
        assert result.position == offsets[-1] + 1
    assert offsets == list(range(begin, 8))
    assert result.position == 8


@pytest.mark.parametrize("records_max", [1, 2, 3, 5])
def test_an_unread_batch_can_be_parted(records_max: int) -> None:
    batch = transport._WholeBatches(Fetch(batches(5), 1))(None).batches[0]
    head, rest = batch.parted(records_max)
    offsets = [record.offset for record in head]
    assert offsets == [1, 2, 3, 4][:records_max]
    assert [record.offset for record in rest or ()] == [1, 2, 3, 4][records_max:]
    assert len(head) + len(rest or ()) == len(batch)


def test_records_that_were_looked_at_can_still_be_gone_through() -> None:
    batch = transport._WholeBatches(Fetch(batches(3, 1, 4), 1))(None).batches[0].lasting()
    for _ in range(2):
        assert [record.offset for record in batch] == [1, 2]


def test_a_batch_that_was_damaged_on_its_way_is_told() -> None:
    data = bytearray(batches(3))
    data[-1] ^= 1
    with pytest.raises(transport.CorruptRecordException):
        transport._WholeBatches(Fetch(bytes(data), 0))(10)


def test_after_a_seek_nothing_of_before_is_given() -> None:
    result = Fetch(batches(3, 3), 0)
    take = transport._WholeBatches(result)
    assert len(take(2)) == 2
    result.position = 5
    assert len(take(2)) == 0


def committing() -> Any:
    """A consumer with its books alone."""
    consumer: Any = ChunkConsumer.__new__(ChunkConsumer)
    consumer._handed, consumer._unread = {}, {}
    consumer._read_offset = {}
    consumer._acked, consumer._acked_index = defaultdict(list), defaultdict(set)
    return consumer


@given(st.permutations(list(range(8))), st.data())
def test_what_is_committed_is_the_end_of_the_last_chunk_before_one_that_is_not_done(
    order: list[int], data: st.DataObject
) -> None:
    consumer = committing()
    lasts = [9, 19, 20, 35, 36, 37, 80, 99]
    for last in lasts:
        consumer.note_chunk(UnreadChunk(PLACE, None, [RecordBatch.of([KafkaRecord(last, b"", 0, 0)])]))
    done: set[int] = set()
    committed = 0
    for i in order:
        consumer._acked[PLACE].append(lasts[i])
        consumer._acked_index[PLACE].add(lasts[i])
        done.add(i)
        if data.draw(st.booleans()):
            continue
        first_open = next((j for j in range(len(lasts)) if j not in done), len(lasts))
        due = lasts[first_open - 1] + 1 if first_open else 0
        found = consumer._new_offset(PLACE)
        assert found == (due if due > committed else None)
        committed = max(committed, due)


def test_it_can_be_used_with_what_is_installed() -> None:
    assert usable() is None


class Drained(ChunkConsumer):
    """A consumer whose fetch the test answers; it remembers where it was moved to."""

    flow_active = True
    should_stop = False

    def __init__(self, meanwhile: Any) -> None:
        self.app: Any = SimpleNamespace(
            consumer_generation_id=1, monitor=SimpleNamespace(track_tp_end_offset=lambda tp, end: None)
        )
        self._unread, self._seeks, self._handed, self._read_offset = {PLACE: 0}, {PLACE: 1}, {}, {}
        self._meanwhile = meanwhile
        self.moved_to: list[int] = []
        self._thread: Any = SimpleNamespace(call_thread=self._call)

    async def _call(self, work: Any, tp: TP, offset: int) -> None:
        self.moved_to.append(offset)

    def highwater(self, tp: TP) -> int:
        return 8

    async def _fetch(self, wait_seconds: float) -> Any:
        handful = transport._Handful(None)
        handful.add(RecordBatch.of([KafkaRecord(i, b"", 0, 1) for i in range(8)]))
        await self._meanwhile(self)
        return {PLACE: handful}, 1


async def seek_to_where_it_is(consumer: Drained) -> None:
    await consumer.seek(PLACE, 0)


async def rebalance(consumer: Drained) -> None:
    consumer.app.consumer_generation_id = 2


async def nothing(consumer: Drained) -> None: ...


@pytest.mark.parametrize("meanwhile", [seek_to_where_it_is, rebalance])
async def test_what_was_read_across_a_seek_or_a_rebalance_is_let_go_and_read_again(meanwhile: Any) -> None:
    """aiokafka's position has passed it: without a seek back, the next chunk would seem to follow, and not do so."""
    consumer = Drained(meanwhile)
    assert [message async for message in consumer.getmany(1.0)] == []
    assert consumer.moved_to[-1:] == [0]


async def test_what_was_read_in_peace_is_handed_over() -> None:
    consumer = Drained(nothing)
    assert [message.value.follows async for _, message in consumer.getmany(1.0)] == [0]
    assert consumer.moved_to == []
