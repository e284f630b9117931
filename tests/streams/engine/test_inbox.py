"""Batches go in as they came; chunks come out, whole, in order, and within their bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.batches import KafkaRecord, RecordBatch, UnreadChunk
from streams.engine.inbox import Hurry, Inbox

PLACE = TP("probes", 0)
A_DAY = 86_400.0


class Recorder:
    """A gate that remembers how it stands."""

    def __init__(self) -> None:
        self.is_open = True

    def open(self, tp: TP) -> None:
        self.is_open = True

    def shut(self, tp: TP) -> None:
        self.is_open = False

    async def go_on_from(self, tp: TP, offset: int) -> None:
        raise AssertionError("no inbox seeks")


def batch(first: int, *values: bytes | None) -> RecordBatch:
    return RecordBatch.of([KafkaRecord(first + i, value, 0, 0) for i, value in enumerate(values)])


def chunk(first: int, *values: bytes | None, follows: bool = True) -> UnreadChunk:
    return UnreadChunk(PLACE, first if follows else None, [batch(first, *values)])


def values_of(made: UnreadChunk | None) -> list[bytes | None]:
    return [] if made is None else [value for piece in made.pieces() for value in piece.values]


def never() -> bool:
    return False


def hurry(value: bytes) -> Hurry:
    return {b"tick": Hurry.URGENT, b"still": Hurry.NONE}.get(value, Hurry.SOME)


def inbox(records_max: int = 3) -> Inbox:
    return Inbox(PLACE, Recorder(), records_max)


def lingering(
    waiting: Inbox, hurry: Callable[[bytes], Hurry] | None = None, *, company: float = A_DAY
) -> asyncio.Task[None]:
    """Others are expected for so many seconds; alone it may be for a day."""
    clock = asyncio.get_running_loop().time
    return asyncio.create_task(
        waiting.linger(lambda: clock() + company, 3, never, hurry, clock() + A_DAY),
    )


async def test_a_record_that_may_decide_is_taken_at_once_with_those_before_it() -> None:
    waiting = inbox()
    waiting.put(chunk(0, b"result"))
    task = lingering(waiting, hurry)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    waiting.put(chunk(1, b"tick"))
    await task
    assert values_of(waiting.take(0, 3).chunk) == [b"result", b"tick"]


async def test_what_has_no_hurry_waits_until_a_record_comes_that_has() -> None:
    waiting = inbox()
    waiting.put(chunk(0, b"still"))
    task = lingering(waiting, hurry, company=0.0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    waiting.put(chunk(1, b"result"))
    await task
    assert values_of(waiting.take(0, 3).chunk) == [b"still", b"result"]


async def test_a_full_chunk_waits_for_nobody() -> None:
    waiting = inbox()
    waiting.put(chunk(0, b"a", b"b", b"c"))
    await lingering(waiting)
    assert values_of(waiting.take(0, 3).chunk) == [b"a", b"b", b"c"]


async def test_waiting_ends_with_what_comes_in_with_another_task_or_when_it_is_woken() -> None:
    waiting = inbox()
    task = asyncio.create_task(waiting.wait())
    await asyncio.sleep(0)
    waiting.put(chunk(0, b"a"))
    await task
    waiting.clear()
    other = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(waiting.wait([other]))
    await asyncio.sleep(0)
    other.set_result(None)
    await task
    task = asyncio.create_task(waiting.wait())
    await asyncio.sleep(0)
    waiting.wake()
    await task


async def test_records_that_come_one_by_one_are_put_together() -> None:
    waiting = inbox()
    for i, value in enumerate((b"a", b"b", b"c")):
        waiting.put(chunk(i, value, follows=False))
    assert values_of(waiting.take(0, 3).chunk) == [b"a", b"b", b"c"]


async def test_what_does_not_follow_is_a_chunk_of_its_own() -> None:
    waiting = inbox()
    waiting.put(chunk(0, b"a"))
    waiting.put(chunk(5, b"b"))
    waiting.put(UnreadChunk(PLACE, 6, [batch(8, b"c")]))  # 6 and 7 hold no record
    assert values_of(waiting.take(0, 3).chunk) == [b"a"]
    assert values_of(waiting.take(1, 3).chunk) == [b"b", b"c"]


async def test_the_gate_shuts_while_twice_a_chunk_waits_and_opens_when_half_of_one_is_left() -> None:
    gate = Recorder()
    waiting = Inbox(PLACE, gate, 4)
    waiting.put(chunk(0, *[b"a"] * 8))
    assert not gate.is_open
    task = asyncio.create_task(waiting.room())
    waiting.take(0, 4)
    assert not gate.is_open
    assert not task.done()
    waiting.take(4, 4)
    assert gate.is_open
    await task
    assert waiting.waiting == 0


async def test_what_was_applied_before_is_let_go_and_acknowledged_all_the_same() -> None:
    waiting = inbox()
    calls: list[str] = []
    waiting.put(chunk(0, b"a", b"b"), lambda: calls.append("first"))
    waiting.put(chunk(2, b"c", b"d"), lambda: calls.append("second"))
    taken = waiting.take(3, 10)
    assert taken.chunk is not None
    assert (taken.chunk.first, taken.chunk.follows) == (3, 3)
    assert values_of(taken.chunk) == [b"d"]
    assert len(taken.done) == 2
    waiting.put(chunk(4, b"e"), lambda: calls.append("third"))
    taken = waiting.take(9, 10)
    assert taken.chunk is None
    assert len(taken.done) == 1
    assert waiting.waiting == 0


BATCHES = st.lists(
    st.tuples(st.lists(st.integers(1, 3), min_size=1, max_size=9), st.integers(0, 2)), min_size=1, max_size=6
)


@given(BATCHES, st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 30), st.data())
async def test_every_record_comes_out_once_in_order_and_acknowledged_with_the_last_of_its_chunk(
    built: list[tuple[list[int], int]], together: list[int], position: int, data: st.DataObject
) -> None:
    """However they were put together, wherever it begins, and some offsets hold none."""
    offset = 0
    batches = []
    for steps, gap in built:
        records = []
        for step in steps:
            offset += step
            records.append(KafkaRecord(offset, b"%d" % offset, offset, 0))
        offset += 1 + gap
        batches.append(RecordBatch.of(records, offset))
    expected = [r.offset for b in batches for r in b.records if r.offset >= position]
    waiting = Inbox(PLACE, Recorder(), 1000)
    acknowledged: list[int] = []
    ends: list[int] = []
    follows = 0
    for i, size in enumerate(together * 6):
        some, batches = batches[:size], batches[size:]
        if not some:
            break
        ends.append(some[-1].next_offset)
        waiting.put(UnreadChunk(PLACE, follows, some), lambda i=i: acknowledged.append(i))  # type: ignore[misc]
        follows = some[-1].next_offset
    offsets: list[int] = []
    while waiting:
        taken = waiting.take(position, data.draw(st.integers(1, 7)))
        if taken.chunk is not None:
            assert taken.chunk.follows == position or not offsets
            offsets += [o for piece in taken.chunk.pieces(2) for o in piece.offsets]
            position = taken.chunk.next_offset
        for call in taken.done:
            call()
        assert acknowledged == [i for i, end in enumerate(ends) if end <= position]
    assert offsets == expected
    assert waiting.waiting == 0
