"""Records that are read where they lie, held against those that aiokafka makes of the same batches."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.engine.load import Shape, log
from streams.engine import transport, unpacking
from streams.engine.batches import RecordBatch, UnreadChunk
from streams.packed import PackedRecords, PackedValues
from streams.step.rows import RowReader

PLACE = TP("probes", 0)
Record = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

RECORDS = st.lists(
    st.tuples(
        st.integers(1, 3),  # from the offset before it
        st.sampled_from([None, b"", b"IR", b"AX"]),
        st.one_of(st.none(), st.binary(max_size=200)),
        st.sampled_from([[], [], [], [], [], [], [("k", None)], [("k", b"v"), ("", b"")]]),
    ),
    min_size=1,
    max_size=8,
)
BATCHES = st.lists(
    st.tuples(RECORDS, st.sampled_from([0, 1, 2, 3, 4]), st.booleans()), min_size=1, max_size=5
)


@pytest.fixture(autouse=True, scope="module")
def bounded() -> None:
    unpacking.bound()


def built(batches: list[tuple[list[Record], int, bool]], begin: int = 5) -> bytes:
    """What a broker sends."""
    data, base = b"", begin
    for records, codec, stamped in batches:
        builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
        offset = -1
        for step, key, value, headers in records:
            offset += step
            builder.append(offset, timestamp=1000 + offset, key=key, value=value, headers=headers)
        batch = bytearray(builder.build())
        batch[0:8] = base.to_bytes(8, "big")
        if stamped:
            batch[22] |= 8
        data += bytes(batch)
        base += offset + 1
    return data


def unread(data: bytes, position: int, *, kept: bool) -> list[RecordBatch]:
    records: Any = (transport._KeptRecords if kept else MemoryRecords)(data)
    batches = []
    while records.has_next():
        batch = records.next_batch()
        one = transport._unread(batch, position, records.packed() if kept else None)
        if one is not None:
            batches.append(one)
    return batches


def listed(batches: list[RecordBatch], most: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for piece in UnreadChunk(PLACE, 0, batches).pieces(most):
        many = len(piece.values)
        assert 1 <= many <= most
        stamps = piece.timestamps_ms or [None] * many
        headers = [list(one) for one in piece.headers or [[]] * many]
        rows += zip(piece.offsets, piece.values, piece.keys or [], stamps, headers, strict=True)
    return rows


@given(BATCHES, st.integers(1, 9), st.integers(0, 30))
def test_what_is_found_in_a_batch_is_what_aiokafka_makes_of_it(
    batches: list[tuple[list[Record], int, bool]], most: int, position: int
) -> None:
    data = built(batches)
    as_made = listed(unread(data, position, kept=False), most)
    assert listed(unread(data, position, kept=True), most) == as_made
    for one in unread(data, position, kept=True):
        assert [record.offset for record in one.lasting()] == [
            row[0] for row in as_made if one.first <= row[0] < one.next_offset
        ]


def test_nothing_is_left_to_aiokafka() -> None:
    batches: list[tuple[list[Record], int, bool]] = [
        ([(1, b"IR", b"%d" % i, []) for i in range(3)], codec, False) for codec in range(5)
    ]
    pieces = list(UnreadChunk(PLACE, 0, unread(built(batches), 0, kept=True)).pieces(5))
    assert [len(piece.values) for piece in pieces] == [5, 5, 5]
    assert {type(piece.values) for piece in pieces} == {PackedValues}
    assert pieces[0].values[-1] == pieces[0].values[4] == b"1"
    assert pieces[0].values[1:3] == [b"1", b"2"]
    with pytest.raises(IndexError):
        pieces[2].values[5]


def growing(body: bytes, count: int) -> int:
    """How many of a body's records, all of which can be read, have an offset greater than those before."""
    place, newest, many = 0, -(1 << 62), 0

    def varint() -> int:
        nonlocal place
        value, shift = 0, 0
        while True:
            byte, place = body[place], place + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    for _ in range(count):
        size = varint()
        end = place + size
        place += 1  # attributes
        varint()  # time
        offset = varint()
        place = end
        if offset > newest:
            newest, many = offset, many + 1
    return many


@given(RECORDS, st.integers(0, 400), st.integers(0, 255))
@example([(1, None, None, [])] * 2, 3, 2)
def test_a_body_that_is_cut_or_changed_never_gives_more_than_it_holds(
    records: list[Record], place: int, byte: int
) -> None:
    whole = built([([(step, key, value, []) for step, key, value, _ in records], 0, False)])[61:]
    for body in (whole[:place], whole[:place] + bytes([byte]) + whole[place + 1 :]):
        found = PackedRecords()
        cause = found.add(body, len(records), 0, -(1 << 62), 1 << 62, 0, True)
        if len(found):
            values, keys, _ = found.take(100)
            assert sum(len(value or b"") for value in values) <= len(body)
            assert len(values) == len(keys) <= len(records)
            # A changed offset may be one that was there: such a record does not count, and nothing is damaged.
            assert cause is not None or len(values) == growing(body, len(records))
    for count, cause in ((1 << 60, "damaged"), (len(records) + 1, "damaged"), (-1, "damaged")):
        assert PackedRecords().add(whole, count, 0, 0, 1, 0, True) == cause


def test_the_scanner_reads_values_where_they_lie() -> None:
    values = [one for one in (value for _, _, value in log(Shape(20, 10))) if b"probe/1" in one]
    assert len(values) == 20
    values += [b"{}", b"", b"\0", b" " * 70_000, values[0] + b"\0"]
    records: list[Record] = [(1, b"IR", value, []) for value in values] + [(1, b"IR", None, [])]
    (piece,) = UnreadChunk(PLACE, 0, unread(built([(records, 3, False)]), 0, kept=True)).pieces()
    assert isinstance(piece.values, PackedValues)
    packed, listed_ = RowReader().read(piece.values), RowReader().read([*values, None])
    assert packed.ids == listed_.ids
    assert len(packed.ids) == 20
    assert packed.others == listed_.others
    assert packed.new_monitors == listed_.new_monitors
    assert packed.time_ms.tolist() == listed_.time_ms.tolist()


def test_messages_of_another_version_are_left_to_aiokafka() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    for offset in range(8):
        builder.append(offset, timestamp=1000, key=b"IR", value=b"{}" * 20)
    old = bytes(builder.build())
    assert unpacking.body_of(memoryview(old)) is None
    assert unpacking.body_of(memoryview(old[:40])) is None
    assert unpacking.body_of(memoryview(built([([(1, b"IR", b"{}", [])], 0, False)]))) is not None
