"""Batches that any writer may make: brokers look at hardly anything of a record."""

from __future__ import annotations

import gzip
import random
import zlib
from typing import Any

import cramjam
import pytest
from aiokafka.codec import snappy_encode
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import unpacking
from streams.engine.batches import UnreadChunk
from streams.engine.unpacking import UnpackError, gunzip, unsnap
from streams.packed import PackedValues
from tests.streams.engine.raw_batches import PLACE, batch, hostile, record, rows, sized, unread, varint

GOOD = batch(9, record(0, b"good"), 1)
ONE = varint(1)


@pytest.fixture(autouse=True, scope="module")
def bounded() -> None:
    unpacking.bound()


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(1, 9))
def test_where_records_are_found_changes_nothing(seed: int, position: int, most: int) -> None:
    data = b"".join(hostile(random.Random(seed)))
    found = rows(unread(data, position), most)
    assert found == rows(unread(data, position, kept=False), most)
    offsets = [row[0] for row in found]
    assert offsets == sorted(set(offsets))
    assert not offsets or offsets[0] >= position


DELTAS = {
    "before the batch": ([-3, 0, 1], [5, 6]),
    "all the same": ([0, 0, 0], [5]),
    "backwards": ([2, 1, 0], [7]),
    "behind the batch": ([0, 99, 2], [5, 7]),
    "as far as it goes": ([0, 2**63 - 1 - 5, 2], [5, 7]),
}


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("deltas, offsets", DELTAS.values(), ids=DELTAS)
def test_offsets_ascend_within_their_batch(deltas: list[int], offsets: list[int], kept: bool) -> None:
    data = batch(5, b"".join(record(delta, b"{}") for delta in deltas), 3) + GOOD
    assert [row[0] for row in rows(unread(data, kept=kept))] == [*offsets, 9]


POISON = {
    "a header's name is no UTF-8": batch(
        5, record(0, b"a") + record(1, b"b", headers=ONE + sized(b"\xff") + sized(b"")), 2
    ),
    "a first bit of attributes": batch(5, record(0, b"a") + record(1, b"b" * 40, attributes=0x80), 2),
    "one record too few": batch(5, record(0, b"a"), 2),
    "a length below zero": batch(5, record(0, b"a") + record(1, b"b", length=-2), 2),
    "no such number": batch(5, record(0, b"a") + b"\xff" * 12, 2),
    "headers without end": batch(5, record(0, b"a") + record(1, b"b", headers=varint(2**62)), 2),
}


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_what_cannot_be_read_stops_no_partition(poison: bytes, kept: bool) -> None:
    found = rows(unread(poison + GOOD, kept=kept))
    assert [row[:2] for row in found] == [(5, b"a"), (9, b"good")]


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("packed", [b"none of it", b"", b"\x82SNAPPY\0\0\0\0\1\0\0\0\1\0"])
def test_a_batch_that_is_no_such_data_is_left_out(codec: int, packed: bytes) -> None:
    for kept in (True, False):
        data = batch(5, b"", 1, codec=codec if codec < 5 else 0, attributes=codec & 5, packed=packed) + GOOD
        assert [row[0] for row in rows(unread(data, kept=kept))] == [9]


def test_records_with_headers_are_found_where_they_lie() -> None:
    signed = varint(2) + sized(b"netdusk-key") + sized(b"k") + sized(b"empty") + sized(None)
    parts = [
        record(0, b"1"),
        record(1, b"12", headers=signed),
        record(2, None, headers=ONE + b"\0\0"),
        record(3, b""),
    ]
    for codec in range(5):
        (piece,) = UnreadChunk(PLACE, 0, unread(batch(5, b"".join(parts), 4, codec=codec))).pieces()
        assert isinstance(piece.values, PackedValues)
        assert list(piece.values) == [b"1", b"12", None, b""]
        assert piece.headers == [(), (("netdusk-key", b"k"), ("empty", None)), (("", b""),), ()]
    without = list(UnreadChunk(PLACE, 0, unread(batch(5, b"".join(parts), 4))).pieces(1))
    assert [piece.headers is None for piece in without] == [True, False, False, True]


def test_a_batch_of_very_many_records_is_left_to_aiokafka() -> None:
    many = (1 << 18) + 1
    data = batch(0, b"\x0c\0\0\0\1\1\0" * many, many, codec=4)
    (piece,) = UnreadChunk(PLACE, 0, unread(data)).pieces()
    assert not isinstance(piece.values, PackedValues)
    assert list(piece.offsets) == [0]


def test_many_members_of_gzip_are_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    begin_member = zlib.decompressobj

    class Member:
        def __init__(self, kind: int) -> None:
            self._member: Any = begin_member(kind)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._member, name)

        def decompress(self, data: Any, most: int) -> Any:
            given.append(len(data))
            return self._member.decompress(data, most)

    monkeypatch.setattr(zlib, "decompressobj", Member)
    data = gzip.compress(b"") * 5000
    assert gunzip(data) == b""
    assert max(given) <= 4096 < len(data)


def test_snappy_is_unpacked_as_before_up_to_the_bound() -> None:
    bare = bytes(cramjam.snappy.compress_raw(b"a" * 100))
    assert unsnap(snappy_encode(b"a" * 100), 100) == unsnap(bare, 100) == b"a" * 100
    assert unsnap(snappy_encode(b"ab" * 70_000)) == b"ab" * 70_000
    java = snappy_encode(b"")[:16]
    for data in (
        snappy_encode(b"a" * 101),
        snappy_encode(b"ab" * 70_000),
        bytes(cramjam.snappy.compress_raw(b"a" * 101)),
        b"\xff\xff\xff\xff\x0f\x00a",
        java + b"\xff\xff\xff\xfcaaaa",
        java + b"\0",
        b"",
    ):
        with pytest.raises(UnpackError):
            unsnap(data, 100)
