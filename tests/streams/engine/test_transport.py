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
from streams.engine.transport import (
    LOG_APPEND_TIME,
    ChunkConsumer,
    Fetched,
    KafkaRecord,
    RecordBatch,
    cut,
    join,
    usable,
)

PLACE = TP("probes", 0)


RUNS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from([None, b"", b"a"])), min_size=1, max_size=6),
        st.integers(0, 2),  # offsets after the last record that hold none any more
        st.sampled_from([0, 0, 0, LOG_APPEND_TIME]),
    ),
    max_size=8,
)
Run = tuple[list[tuple[int, bytes | None]], int, int]


def build(runs: list[Run]) -> list[RecordBatch]:
    """Batches with their records, each record some offsets after the one before it."""
    offset = 100
    found = []
    for steps, gap, kind in runs:
        records = []
        for step, value in steps:
            offset += step
            records.append(KafkaRecord(offset, value, offset * 10, kind))
        offset += gap
        found.append(RecordBatch.of(records, offset + 1))
    return found


def records(chunks: list[Fetched], piece: int = 3) -> list[tuple[int, bytes | None]]:
    return [
        pair
        for chunk in chunks
        for part in chunk.pieces(piece)
        for pair in zip(part.offsets, part.values, strict=True)
    ]


@given(RUNS, st.integers(1, 7))
def test_chunks_hold_every_record_once_in_order_within_their_bounds(
    runs: list[Run], records_max: int
) -> None:
    chunks = list(cut(PLACE, build(runs), 50, records_max))
    assert records(chunks) == [(r.offset, r.value) for batch in build(runs) for r in batch.records]
    follows = 50
    for chunk in chunks:
        assert chunk.follows == follows
        assert follows <= chunk.first < chunk.next_offset
        follows = chunk.next_offset
        pieces = list(chunk.pieces())
        assert 1 <= sum(len(piece.values) for piece in pieces) <= records_max
        for piece in pieces:
            stamps = [offset * 10 for offset in piece.offsets]
            assert piece.timestamps_ms == (stamps if chunk.stamped else None)
            kinds = {b.stamped for b in build(runs) if b.first <= piece.offsets[0] < b.next_offset}
            assert kinds == {chunk.stamped}


@given(RUNS, st.integers(1, 7), st.integers(95, 160))
def test_what_was_split_can_be_joined_and_what_is_done_left_out(
    runs: list[Run], records_max: int, offset: int
) -> None:
    for chunk in cut(PLACE, build(runs), 50, 1000):
        whole = join(chunk.split(records_max))
        assert (whole.first, whole.next_offset, whole.follows) == (
            chunk.first,
            chunk.next_offset,
            chunk.follows,
        )
        assert records([whole]) == records([chunk])
        rest = chunk.since(offset)
        left = [pair for pair in records([chunk]) if pair[0] >= offset]
        assert (records([rest]) if rest is not None else []) == left
        assert whole.values == chunk.values == [value for _, value in records([chunk])]


class Fetch:
    """aiokafka's `FetchResult`, as far as it is leaned upon."""

    def __init__(self, data: bytes, begin: int) -> None:
        self._topic_partition = PLACE
        self.position = begin
        self._partition_records: Any = SimpleNamespace(
            _records=MemoryRecords(data), _check_crcs=True, _tp=PLACE, next_fetch_offset=begin
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
        found = take(records_max)
        assert records_max is None or len(found) <= records_max
        for piece in next(cut(PLACE, found.batches, begin, 1000)).pieces(2):
            assert piece.values == [b"%d" % offset for offset in piece.offsets]
            assert piece.timestamps_ms is None
            offsets += piece.offsets
        assert result.position == offsets[-1] + 1
    assert offsets == list(range(begin, 8))
    assert result.position == 8


@pytest.mark.parametrize("at", [0, 2, 3, 5, 8])
def test_an_unread_batch_can_be_cut_at_any_offset(at: int) -> None:
    found = transport._WholeBatches(Fetch(batches(3, 1, 4), 0))(None)
    whole = next(cut(PLACE, found.batches, 0, 1000))
    rest = whole.since(at)
    assert (records([rest]) if rest is not None else []) == [(i, b"%d" % i) for i in range(at, 8)]


def test_records_that_were_looked_at_can_still_be_gone_through() -> None:
    found = transport._WholeBatches(Fetch(batches(3, 1, 4), 1))(None)
    whole = next(cut(PLACE, found.batches, 1, 1000))
    assert whole.values == [b"%d" % i for i in range(1, 8)]
    assert records([whole]) == [(i, b"%d" % i) for i in range(1, 8)]


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
        consumer.note_chunk(Fetched(PLACE, None, [RecordBatch.of([KafkaRecord(last, b"", 0, 0)])]))
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
