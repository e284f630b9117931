"""Compressed batches are unpacked within bounds: a megabyte of zstd can be 32 GiB.

Kafka's limits and quotas count a batch as it is compressed, and aiokafka unpacks it whole, whatever it becomes. So
whoever may write results could run a worker out of memory. Leans on the insides of aiokafka, as `transport` does.
"""

from __future__ import annotations

import sys
import threading
import zlib
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, Final

import cramjam
from aiokafka.record.default_records import DefaultRecordBatch

#: A batch is at most a megabyte as it is compressed; results shrink to a tenth.
UNPACKED_BYTES_MAX: Final = 64 * 1024 * 1024
_GZIP: Final = 31
#: What stands before the records of a batch of version 2, and where it says how they are packed.
HEADER_BYTES: Final = 61
_VERSION: Final = 16
_ATTRIBUTES: Final = 22
_CODECS: Final = 7
_GZIP_CODEC, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_GZIP_BYTES: Final = 4096
#: What Java's snappy begins with; two versions follow, of four bytes each.
_SNAPPY_JAVA: Final = b"\x82SNAPPY\0"
_SNAPPY_VERSIONS: Final = 8
_room = threading.local()


class Unreadable(StrEnum):
    """Why a batch can't be read, or can't be read on."""

    #: It is packed in a way that nobody knows, is no such data, or larger than the bound.
    PACKING = "packing"
    #: What it says of its lengths does not hold.
    DAMAGED = "damaged"
    HEADER_NAME = "header_name"
    MANY_HEADERS = "many_headers"
    MANY_RECORDS = "many_records"


#: What is made of a record or of a header takes more room than its bytes. `packed` has the same.
RECORDS_MAX: Final = 1 << 18
HEADERS_MAX: Final = 64


class UnpackError(ValueError):
    """A batch is larger than the bound, or no such data."""


def bound(most: int = UNPACKED_BYTES_MAX) -> None:
    """Make aiokafka unpack no batch to more than `most` bytes from now on, in this process."""
    inside: Any = sys.modules[DefaultRecordBatch.__module__]  # compiled, or Python's own
    inside.gzip_decode = partial(gunzip, most=most)
    inside.snappy_decode = partial(unsnap, most=most)
    inside.zstd_decode = partial(_into, cramjam.zstd, most=most)
    inside.lz4_decode = partial(_into, cramjam.lz4, most=most)
    _decoders.update(
        {
            _GZIP_CODEC: inside.gzip_decode,
            _SNAPPY: inside.snappy_decode,
            _LZ4: inside.lz4_decode,
            _ZSTD: inside.zstd_decode,
        }
    )


def body_of(batch: Any) -> bytes | None:
    """The records of a batch of version 2, unpacked; None of another version. Raises UnpackError.

    `batch` is all of it, as the broker sent it: header and records.
    """
    if len(batch) < HEADER_BYTES or batch[_VERSION] != 2:
        return None  # a topic may hold messages of Kafka's first years
    codec = batch[_ATTRIBUTES] & _CODECS
    packed = batch[HEADER_BYTES:]
    if not codec:
        return bytes(packed)
    if codec not in _decoders:
        raise UnpackError(f"nothing is packed as {codec}")
    return _decoders[codec](packed)


def readable(body: bytes, count: int) -> tuple[int, Unreadable | None]:
    """How many of the `count` records of an unpacked batch can be read, and why no more; None where all can be.

    What `PackedRecords` does, for a machine without it: before aiokafka makes their headers, whatever their number.
    """
    end = len(body)
    place = 0
    for i in range(min(count, RECORDS_MAX)):
        try:
            length, place = _varint(body, place, end)
            stop = place + length
            if not place < stop <= end or body[place] & 0x80:
                return i, Unreadable.DAMAGED
            _, place = _varint(body, place + 1, stop)
            _, place = _varint(body, place, stop)
            place = _sized(body, _sized(body, place, stop), stop)
            many, place = _varint(body, place, stop)
            if many > HEADERS_MAX:
                return i, Unreadable.MANY_HEADERS
            if many < 0:
                return i, Unreadable.DAMAGED
            for _ in range(many):
                name, begin = _varint(body, place, stop)
                place = _sized(body, place, stop)
                if name < 0:
                    return i, Unreadable.DAMAGED
                body[begin:place].decode()
                place = _sized(body, place, stop)
        except UnicodeDecodeError:
            return i, Unreadable.HEADER_NAME
        except IndexError:
            return i, Unreadable.DAMAGED
        if place != stop:
            return i, Unreadable.DAMAGED
    if count > RECORDS_MAX:
        return RECORDS_MAX, Unreadable.MANY_RECORDS
    return max(0, count), None if count >= 0 and place == end else Unreadable.DAMAGED


def _varint(body: bytes, place: int, end: int) -> tuple[int, int]:
    """A number as Kafka writes it, and what follows. Raises IndexError where it is cut short or has too many bytes."""
    value = 0
    for shift in range(0, 64, 7):
        if place >= end:
            break
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            value &= (1 << 64) - 1
            return value >> 1 ^ -(value & 1), place
    raise IndexError


def _sized(body: bytes, place: int, end: int) -> int:
    """What follows a number of bytes and these. Raises IndexError."""
    size, place = _varint(body, place, end)
    if size > end - place:
        raise IndexError
    return place + max(0, size)


def gunzip(data: Any, most: int = UNPACKED_BYTES_MAX) -> bytes:
    """Unpack gzip. Raises UnpackError where it is more than `most` bytes, or is none."""
    parts: list[bytes] = []
    packed = memoryview(data)
    begin = 0
    while begin < len(packed):
        member = zlib.decompressobj(_GZIP)
        # What follows a member is copied for each: of many small ones that would be the batch, again and again.
        while not member.eof:
            given = packed[begin : begin + _GZIP_BYTES]
            try:
                parts.append(member.decompress(given, most + 1))
            except zlib.error as error:
                raise UnpackError(str(error)) from error
            most -= len(parts[-1])
            begin += len(given) - len(member.unused_data) - len(member.unconsumed_tail)
            if most < 0 or not given:
                raise UnpackError("larger than a batch may be, or cut short")
    return b"".join(parts)


def unsnap(data: Any, most: int = UNPACKED_BYTES_MAX) -> bytes:
    """Unpack snappy, in Java's blocks or bare. Raises UnpackError where it is more than `most` bytes, or is none."""
    packed = memoryview(data)
    if bytes(packed[: len(_SNAPPY_JAVA)]) != _SNAPPY_JAVA:
        return _snappy_block(packed, most)
    parts: list[bytes] = []
    begin = len(_SNAPPY_JAVA) + _SNAPPY_VERSIONS
    while begin < len(packed):
        end = begin + 4 + int.from_bytes(packed[begin : begin + 4], "big")
        if end > len(packed):
            raise UnpackError("cut short")
        parts.append(_snappy_block(packed[begin + 4 : end], most))
        most -= len(parts[-1])
        begin = end
    return b"".join(parts)


def _snappy_block(block: memoryview, most: int) -> bytes:
    try:
        # It says how long it will be, up to 4 GiB: so much room would be asked for.
        if cramjam.snappy.decompress_raw_len(block) > most:
            raise UnpackError("larger than a batch may be")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise UnpackError(str(error)) from error


def _into(codec: Any, data: Any, most: int = UNPACKED_BYTES_MAX) -> bytes:
    room = getattr(_room, "bytes", None)
    if room is None:
        # Memory that is not written to is not taken.
        room = _room.bytes = bytearray(UNPACKED_BYTES_MAX)
    try:
        size = codec.decompress_into(data, memoryview(room)[:most])
    except cramjam.DecompressionError as error:
        raise UnpackError(str(error)) from error
    return bytes(memoryview(room)[:size])


_decoders: dict[int, Callable[[Any], bytes]] = {
    _GZIP_CODEC: gunzip,
    _SNAPPY: unsnap,
    _LZ4: partial(_into, cramjam.lz4),
    _ZSTD: partial(_into, cramjam.zstd),
}
