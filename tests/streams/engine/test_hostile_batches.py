"""Batches that any writer may make: brokers look at hardly anything of a record."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import cramjam
import pytest
from aiokafka.codec import snappy_encode
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import batches, unpacking
from streams.engine.batches import RecordBatch, UnreadChunk
from streams.engine.chunk_work import ChunkWork
from streams.engine.inbox import Hurry, Inbox
from streams.engine.sender import Sender
from streams.engine.unpacking import UnpackError, Unreadable, gunzip, unsnap
from streams.machine import Outbox
from streams.packed import PackedRecords, PackedValues
from tests.streams.engine.fakes import FakeBroker, surroundings
from tests.streams.engine.raw_batches import (
    PLACE,
    batch,
    hostile,
    record,
    rows,
    rows_by_aiokafka,
    sized,
    unread,
    varint,
)
from tests.streams.engine.test_inbox import Recorder

GOOD = batch(9, record(0, b"good"), 1)
ONE = varint(1)


@pytest.fixture(autouse=True, scope="module")
def bounded() -> None:
    unpacking.bound()


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(1, 9))
def test_where_records_are_found_changes_nothing(seed: int, position: int, most: int) -> None:
    data = b"".join(hostile(random.Random(seed)))
    found = rows(unread(data, position), most)
    assert found == rows_by_aiokafka(data, position, most)
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


def headers(many: int) -> bytes:
    return varint(many) + b"\0\0" * many


BOMBS = {
    "many_headers": batch(5, record(0, b"a") + record(1, b"b", headers=headers(1_000_000)), 2, codec=4),
    "many_records": batch(5, record(0, b"a") + b"\x0c\0\0\0\1\1\0" * 500_000, 500_001, codec=4),
    "damaged": batch(5, record(0, b"a") + b"\x0c\0\0\0\1\1\0" * 200_000, 2**31 - 1, codec=4),
}


@pytest.mark.parametrize("cause, bomb", BOMBS.items(), ids=BOMBS)
async def test_what_is_small_on_its_way_takes_no_room_live_nor_behind(cause: str, bomb: bytes) -> None:
    """Live, the inbox looks at the records before a chunk of them is taken."""
    rows(unread(batch(0, record(0, b"a"), 1, codec=4)))  # makes the room that is unpacked in
    data = bomb + batch(1 << 40, record(0, b"good"), 1)
    waiting = Inbox(PLACE, Recorder(), 1000)
    waiting.put(UnreadChunk(PLACE, None, unread(data)))
    tracemalloc.start()
    try:
        await waiting.linger(lambda: 0.0, 1 << 62, lambda: False, lambda value: Hurry.SOME)
        causes = []
        values = []
        while waiting:
            chunk = waiting.take(0, 8000).chunk
            assert chunk is not None
            for piece in chunk.pieces():
                values += [value for value in piece.values if value]
            causes += chunk.causes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert values == [b"a", b"good"]
    assert causes == [cause]
    assert peak < 32 * 1024 * 1024


def test_without_a_compiler_no_headers_are_made_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PackedRecords", None)
    rows(unread(batch(0, record(0, b"a"), 1, codec=4)))  # makes the room that is unpacked in
    chunk = UnreadChunk(PLACE, 0, unread(BOMBS["many_headers"]))
    tracemalloc.start()
    try:
        values = [value for piece in chunk.pieces() for value in piece.values]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (values, chunk.causes) == ([b"a"], ["many_headers"])
    assert peak < 32 * 1024 * 1024


@given(st.integers(0, 2**32))
def test_what_can_be_read_is_the_same_without_a_compiler(seed: int) -> None:
    for data in hostile(random.Random(seed)):
        try:
            body = unpacking.body_of(memoryview(data))
        except UnpackError:
            continue
        assert body is not None
        count = int.from_bytes(data[57:61], "big", signed=True)
        many, cause = unpacking.readable(body, count)
        found = PackedRecords()
        assert found.add(body, count, 0, -(2**63), 2**63 - 1, 0, True) == cause
        assert len(found) <= many


def test_sixty_four_headers_are_enough_for_anybody() -> None:
    for many, offsets in ((64, [5, 9]), (65, [9])):
        data = batch(5, record(0, b"a", headers=headers(many)), 1) + GOOD
        assert [row[0] for row in rows(unread(data))] == offsets


def test_batches_of_one_large_record_are_unpacked_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_PIECE_BYTES", 300_000)
    large = [batch(place, record(0, bytes(120_000)), 1, codec=4) for place in range(9)]
    chunk = UnreadChunk(PLACE, 0, unread(b"".join(large)))
    assert [len(piece.values) for piece in chunk.pieces()] == [3, 3, 3]


@pytest.mark.parametrize("compiled", [True, False])
def test_what_is_left_out_is_told_once_however_it_is_parted(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(batches, "PackedRecords", None)
    parts = [record(place, b"%d" % place) for place in range(6)]
    data = batch(0, b"".join(parts) + record(6, b"x", attributes=0x80), 8)
    for records_max in (1, 2, 5, 6, 7, 8):
        rest: RecordBatch | None = unread(data)[0]
        values: list[bytes | None] = []
        causes = []
        while rest is not None:
            one, rest = rest.parted(records_max)
            chunk = UnreadChunk(PLACE, None, [one])
            values += [value for piece in chunk.pieces() for value in piece.values]
            causes += chunk.causes
        assert values == [b"%d" % place for place in range(6)]
        assert causes == ["damaged"]


async def test_what_is_left_out_is_counted_by_cause() -> None:
    broker = FakeBroker()
    with ThreadPoolExecutor(1) as executor:
        around = surroundings(broker, executor)
        owned: Any = SimpleNamespace(
            sender=Sender(cast(Any, broker), around, "probes-0"), gaps=SimpleNamespace(close=lambda: None)
        )
        nothing = cast(Any, SimpleNamespace(tp=PLACE))
        work = ChunkWork(nothing, around, owned, nothing, nothing)
        poison = [BOMBS["many_headers"], POISON["a header's name is no UTF-8"], BOMBS["many_headers"], GOOD]
        chunk = UnreadChunk(PLACE, 0, [one for data in poison for one in unread(data)])
        list(chunk.pieces())
        await work._settle(chunk, Outbox())
    counted = {
        cause: around.metrics.registry.get_sample_value("netdusk_unreadable_batches_total", {"cause": cause})
        for cause in Unreadable
    }
    assert counted == dict.fromkeys(Unreadable, 0) | {"many_headers": 2, "header_name": 1}


def test_a_record_is_the_one_that_aiokafka_makes() -> None:
    signed = record(1, None, key=None, headers=ONE + sized(b"k") + sized(None))
    for attributes in (0, 8):
        data = batch(5, record(0, b"a") + signed, 2, attributes=attributes)
        lying, made = (
            [
                (one.offset, one.value, one.timestamp, one.timestamp_type, one.key, list(one.headers))
                for one in unread(data, kept=kept)[0]
            ]
            for kept in (True, False)
        )
        assert lying == made


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
