"""What partitions that begin at the same time ask for is asked once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faust.types import TP

from streams.app import worker_of
from streams.engine import surroundings
from streams.engine.transport import ChunkConsumer
from streams.kafka.client import Together
from streams.settings import Settings


async def test_incidents_that_were_told_are_read_once_for_all_who_ask_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings: list[Settings] = []

    async def snapshots(settings: Settings) -> list[Any]:
        readings.append(settings)
        await asyncio.sleep(0)
        return []

    monkeypatch.setattr(surroundings, "snapshots", snapshots)
    around = worker_of(Settings())._around
    told = await asyncio.gather(*(around.incidents() for _ in range(240)))
    assert (told, len(readings)) == ([[]] * 240, 1)
    # A list of one's own: what one does to it is not seen by the others.
    assert told[0] is not told[1]


async def test_partitions_that_begin_together_are_committed_together() -> None:
    consumer: Any = ChunkConsumer.__new__(ChunkConsumer)
    consumer._acked, consumer._acked_index, consumer._committed_offset = {}, {}, {}
    consumer._commits = Together(consumer._commit_each)
    committed: list[dict[TP, int]] = []
    sought: dict[TP, int] = {}

    async def commit(offsets: dict[TP, int]) -> bool:
        committed.append(offsets)
        return True

    async def seek(tp: TP, offset: int) -> None:
        sought[tp] = offset

    consumer._commit, consumer.seek = commit, seek
    places = {TP("probes", number): 10 + number for number in range(240)}
    await asyncio.gather(*(consumer.go_on_from(tp, offset) for tp, offset in places.items()))
    assert committed == [places]
    assert sought == places == consumer._committed_offset
