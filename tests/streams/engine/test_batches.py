"""A chunk's records, made while it is gone through."""

from __future__ import annotations

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.batches import LOG_APPEND_TIME, KafkaRecord, RecordBatch, UnreadChunk

PLACE = TP("probes", 0)

RUNS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from([None, b"", b"a"])), min_size=1, max_size=6),
        st.integers(0, 2),  # offsets after the last record that hold none any more
        st.sampled_from([0, 0, 0, LOG_APPEND_TIME]),
    ),
    min_size=1,
    max_size=8,
)
Run = tuple[list[tuple[int, bytes | None]], int, int]


def build(runs: list[Run]) -> list[RecordBatch]:
    """Batches with their records, each record some offsets after the one before it."""
    offset = 100
    built = []
    for steps, gap, kind in runs:
        records = []
        for step, value in steps:
            offset += step
            records.append(KafkaRecord(offset, value, offset * 10, kind, b"%d" % offset))
        offset += gap
        built.append(RecordBatch.of(records, offset + 1))
    return built


@given(RUNS, st.integers(1, 7))
def test_a_chunk_gives_every_record_once_in_order_with_the_broker_s_time_where_it_has_one(
    runs: list[Run], piece_records: int
) -> None:
    chunk = UnreadChunk(PLACE, 50, build(runs))
    expected = [
        (record.offset, record.value, record.timestamp if batch.stamped else None)
        for batch in build(runs)
        for record in batch
    ]
    given_out = []
    for piece in chunk.pieces(piece_records):
        assert 1 <= len(piece.values) <= piece_records
        assert piece.keys == [b"%d" % offset for offset in piece.offsets]
        stamps = piece.timestamps_ms or [None] * len(piece.values)
        given_out += list(zip(piece.offsets, piece.values, stamps, strict=True))
    assert given_out == expected
    assert (chunk.first, chunk.next_offset) == (expected[0][0], build(runs)[-1].next_offset)


@given(RUNS, st.integers(1, 7), st.integers(95, 160))
def test_a_batch_can_be_parted_and_what_is_done_left_out(
    runs: list[Run], records_max: int, offset: int
) -> None:
    for batch in build(runs):
        head, rest = batch.parted(records_max)
        parts = [head] if rest is None else [head, rest]
        assert [record for part in parts for record in part] == list(batch.records)
        assert sum(map(len, parts)) == len(batch)
        assert (parts[0].first, parts[-1].next_offset) == (batch.first, batch.next_offset)
        if offset < batch.next_offset:
            left = [record for part in parts for record in part.since(offset)]
            assert left == [record for record in batch.records if record.offset >= offset]


def test_a_batch_of_which_nothing_is_left_has_no_records() -> None:
    batch = RecordBatch.of([KafkaRecord(7, b"a", 0, 0)], 9).since(8)
    assert list(batch.lasting()) == list(batch) == []
