"""A source that has lost the broker's times is held, and loses nothing and pushes no clock when it has them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.engine import append_times as module
from streams.engine.append_times import AppendTimes
from streams.engine.batches import LOG_APPEND_TIME, KafkaRecord, RecordBatch, UnreadChunk

PLACE = TP("probes", 0)


def batch(first: int, times_ms: list[int], *, stamped: bool) -> RecordBatch:
    return RecordBatch.of(
        [KafkaRecord(first + i, b"", time, int(stamped)) for i, time in enumerate(times_ms)]
    )


def times_of(chunk: UnreadChunk) -> list[int]:
    return [record.timestamp for part in chunk.batches for record in part]


class Source:
    """A partition whose records the test gives."""

    def __init__(self, *batches: RecordBatch) -> None:
        self.written = [record for some in batches for record in some]

    async def bounds(self, topic: str, partitions: list[int]) -> dict[int, tuple[int, int]]:
        return {0: (0, len(self.written))}

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Any]:
        for record in self.written[start:end]:
            yield record


def append_times(source: Source, clock_ms: int | None = 1_000, clock: str = "live") -> AppendTimes:
    around: Any = SimpleNamespace(
        reader=source, settings=SimpleNamespace(worker=SimpleNamespace(clock=clock))
    )
    return AppendTimes(around, lambda: clock_ms, lambda: None)


async def test_it_is_held_until_the_last_record_has_the_brokers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    lost = batch(0, [1_500, 900, 9_999_999, 1_700], stamped=False)
    source = Source(lost)
    times = append_times(source)
    task = asyncio.create_task(times.of(UnreadChunk(PLACE, 0, [lost])))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    assert "LogAppendTime" in str(times.held)
    source.written += list(batch(4, [2_000], stamped=True))
    # Never back, and never beyond what the broker itself has said since, whatever a producer claims.
    assert times_of(await task) == [1_500, 1_500, 2_000, 2_000]
    assert times.held is None


async def test_what_has_the_brokers_times_passes_as_it_is() -> None:
    chunk = UnreadChunk(PLACE, 0, [batch(0, [1, 2], stamped=True)])
    assert await append_times(Source()).of(chunk) == chunk


@pytest.mark.parametrize(("clock_ms", "clock"), [(None, "live"), (1_000, "replay")])
async def test_before_the_first_reading_and_in_a_replay_nothing_is_held(
    clock_ms: int | None, clock: str
) -> None:
    chunk = UnreadChunk(PLACE, 0, [batch(0, [1, 2], stamped=False)])
    assert await append_times(Source(), clock_ms, clock).of(chunk) == chunk


def test_a_record_with_another_time_is_the_same_in_all_else() -> None:
    record = KafkaRecord(7, b"a", 5, 0, b"IR", [("netdusk-key", b"k")])
    (changed,) = append_times(Source())._stamped([RecordBatch.of([record])], 2_000)
    (made,) = changed
    assert made == record._replace(timestamp=made.timestamp, timestamp_type=LOG_APPEND_TIME)
