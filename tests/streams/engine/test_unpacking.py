"""A batch that unpacks to more than a batch may be is left out, and those around it are read."""

from __future__ import annotations

import gzip

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from streams.engine import transport, unpacking
from streams.engine.batches import UnreadChunk
from streams.engine.unpacking import UnpackError, gunzip

BOUND = 100_000


def test_gzip_is_unpacked_as_before_up_to_the_bound() -> None:
    assert gunzip(gzip.compress(b"a" * 99) + gzip.compress(b"b"), 100) == b"a" * 99 + b"b"
    for data in (
        gzip.compress(b"a" * 101),
        gzip.compress(b"a" * 99) + gzip.compress(b"bb"),
        b"none",
        b"\x1f\x8b",
    ):
        with pytest.raises(UnpackError):
            gunzip(data, 100)


@pytest.mark.parametrize("codec", [cramjam.zstd, cramjam.lz4])
def test_what_is_no_such_data_is_told(codec: object) -> None:
    with pytest.raises(UnpackError):
        unpacking._into(codec, b"none of it" * 9)


def batches(codec: int, *sizes: int) -> bytes:
    data = b""
    for offset, size in enumerate(sizes):
        builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
        builder.append(0, timestamp=1, key=None, value=bytes(size), headers=[])
        batch = bytearray(builder.build())
        batch[0:8] = offset.to_bytes(8, "big")
        data += bytes(batch)
    return data


@pytest.mark.parametrize("codec", [1, 3, 4])
@pytest.mark.parametrize("parted", [True, False])
def test_a_batch_that_is_too_large_is_left_out(codec: int, parted: bool) -> None:
    unpacking.bound(BOUND)
    try:
        records = MemoryRecords(batches(codec, 10, BOUND + 1, 20))
        unread = []
        while records.has_next():
            batch = transport._unread(records.next_batch(), 0)
            assert batch is not None
            unread.append(batch.parted(5)[0] if parted else batch)
        chunk = UnreadChunk(TP("t", 0), 0, unread)
        assert chunk.next_offset == 3
        assert [
            (piece.offsets[0], len(value or b"")) for piece in chunk.pieces(1) for value in piece.values
        ] == [
            (0, 10),
            (2, 20),
        ]
    finally:
        unpacking.bound()
