"""Record batches of Kafka's second version, byte by byte: as any writer may make them, and as a fuzzer changes them."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from unittest.mock import patch

import cramjam
from aiokafka.codec import snappy_encode
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from faust.types import TP

from streams.engine import batches, transport
from streams.engine.batches import RecordBatch, UnreadChunk

PLACE: Final = TP("probes", 0)
CODECS: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    0: bytes,
    1: gzip.compress,
    2: snappy_encode,
    3: lambda data: bytes(cramjam.lz4.compress(data)),
    4: lambda data: bytes(cramjam.zstd.compress(data)),
}


def varint(number: int) -> bytes:
    """As Kafka writes numbers: zigzag, seven bits a byte."""
    rest = (number << 1 ^ number >> 63) & (1 << 64) - 1
    written = bytearray()
    while rest > 0x7F:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*written, rest])


def sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(
    delta: int,
    value: bytes | None,
    *,
    key: bytes | None = b"IR",
    headers: bytes = b"\0",
    attributes: int = 0,
    length: int | None = None,
) -> bytes:
    """One record; `headers` as they are written, `length` where it is not its own."""
    body = bytes([attributes]) + varint(0) + varint(delta) + sized(key) + sized(value) + headers
    return varint(len(body) if length is None else length) + body


def batch(
    base: int,
    records: bytes,
    count: int,
    *,
    last_delta: int | None = None,
    codec: int = 0,
    attributes: int = 0,
    packed: bytes | None = None,
) -> bytes:
    """A batch with a right check sum, whatever is in it; `packed` in place of the records, packed."""
    last = count - 1 if last_delta is None else last_delta
    rest = b"".join(
        number.to_bytes(size, "big", signed=True)
        for number, size in (
            (attributes | codec, 2),
            (last, 4),
            (1000, 8),
            (2000, 8),
            (-1, 8),
            (-1, 2),
            (-1, 4),
            (count, 4),
        )
    )
    rest += CODECS[codec](records) if packed is None else packed
    head = base.to_bytes(8, "big", signed=True) + (9 + len(rest)).to_bytes(4, "big") + b"\xff\xff\xff\xff\x02"
    return head + calc_crc32c(rest).to_bytes(4, "big") + rest


def unread(data: bytes, position: int = 0, *, kept: bool = True) -> list[RecordBatch]:
    """The batches of a fetch: as the broker sent them, or such of which only aiokafka can make records."""
    fetched: Any = (transport._KeptRecords if kept else MemoryRecords)(data)
    entries = []
    while fetched.has_next():
        one = fetched.next_batch()
        assert one.validate_crc()
        entry = transport._unread(one, position, fetched.packed() if kept else None)
        if entry is not None:
            entries.append(entry)
            position = entry.next_offset
    return entries


def rows(entries: list[RecordBatch], most: int = 100) -> list[tuple[Any, ...]]:
    """What the step is given of each record."""
    found: list[tuple[Any, ...]] = []
    for piece in UnreadChunk(PLACE, 0, entries).pieces(most):
        many = len(piece.values)
        assert 1 <= many <= most
        stamps = piece.timestamps_ms or [None] * many
        headers = [list(one) for one in piece.headers or [[]] * many]
        found += zip(piece.offsets, piece.values, piece.keys or [], stamps, headers, strict=True)
    return found


def rows_by_aiokafka(data: bytes, position: int = 0, most: int = 100) -> list[tuple[Any, ...]]:
    """What the step is given where there was no C compiler."""
    with patch.object(batches, "PackedRecords", None):
        return rows(unread(data, position), most)


NUMBERS: Final[Sequence[bytes]] = (
    *(varint(one) for one in (-(2**63), -(2**31), -2, -1, 0, 1, 63, 64, 2**31 - 1, 2**63 - 1)),
    b"\x80" * 9 + b"\x01",
    b"\xff" * 9 + b"\x7f",
    b"\x80" * 10 + b"\x00",
    b"\x80\x00",
    b"\xff",
)


def hostile(draw: random.Random) -> Iterator[bytes]:
    """One batch after another: right ones, and such in which some part lies."""
    base = 5
    for _ in range(draw.randint(1, 3)):
        count = draw.randint(0, 6)
        parts = [hostile_record(draw, place) for place in range(count)]
        records = b"".join(parts)
        if draw.random() < 0.2 and records:
            records = changed(draw, records)
        codec = draw.choice([0, 0, 0, 1, 2, 3, 4])
        packed = changed(draw, CODECS[codec](records)) if draw.random() < 0.1 else None
        lie = draw.random()
        said = count if lie < 0.9 else draw.choice([0, count + 1, max(0, count - 1), 2**31 - 1, -1])
        last = max(0, count - 1) + draw.choice([0, 0, 0, 0, 3])
        attributes = draw.choice([0, 8, 0x10, 0x40, 0x4008])
        yield batch(base, records, said, last_delta=last, codec=codec, attributes=attributes, packed=packed)
        base += last + 1 + draw.choice([0, 0, 7])


def hostile_record(draw: random.Random, place: int) -> bytes:
    delta = place if draw.random() < 0.9 else draw.choice([-1, 0, place + 1, 99, 2**62, -(2**63), 2**63 - 1])
    value = draw.choice([None, b"", b"{}", b"0" * 300, draw.randbytes(9)])
    headers = b"\0"
    if draw.random() < 0.3:
        pairs = [
            (draw.choice([b"", b"netdusk-key", b"k\xff"]), draw.choice([None, b"", b"v"]))
        ] * draw.randint(0, 3)
        said = len(pairs) if draw.random() < 0.9 else draw.choice([-1, 1, 99, 2**62])
        headers = varint(said) + b"".join(sized(name) + sized(text) for name, text in pairs)
    made = record(
        delta,
        value,
        key=draw.choice([None, b"", b"IR", b"AX"]),
        headers=headers,
        attributes=draw.choice([0, 0, 0, 0, 1, 0x80]),
    )
    if draw.random() < 0.1:
        begin = draw.randrange(len(made))
        made = made[:begin] + draw.choice(NUMBERS) + made[begin + 1 :]
        if draw.random() < 0.7:  # what it says of its length is right again
            made = varint(len(made) - 1) + made[1:]
    return made


def changed(draw: random.Random, data: bytes) -> bytes:
    """Cut, or with one byte changed."""
    place = draw.randrange(len(data)) if data else 0
    if draw.random() < 0.5:
        return data[:place]
    return data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :]
