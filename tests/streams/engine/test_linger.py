"""How long records wait for company: not at all where one of them may decide something."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from faust.types import TP

from streams.engine.partition import Partition, PartitionState, Pipeline, Surroundings
from streams.engine.transport import Fetched, KafkaRecord, RecordBatch
from streams.settings import Settings, WorkerSettings

PLACE = TP("probes", 0)
A_DAY = 86_400.0


def partition(**pipeline: Any) -> Partition:
    around = SimpleNamespace(
        settings=Settings(worker=WorkerSettings(chunk_seconds=A_DAY, chunk_records=3)),
        gate=SimpleNamespace(open=lambda tp: None, shut=lambda tp: None),
    )
    made = Partition(
        Pipeline("probes", "checkpoints", cast(Any, None), **pipeline), PLACE, cast(Surroundings, around)
    )
    made.phase = PartitionState.RUNNING
    return made


def fetched(first: int, *values: bytes, follows: bool = True) -> Fetched:
    records = [KafkaRecord(first + i, value, 0, 0) for i, value in enumerate(values)]
    return Fetched(PLACE, first if follows else None, [RecordBatch.of(records)])


async def test_a_record_that_may_decide_is_taken_at_once_with_those_before_it() -> None:
    held = partition(urgent=lambda value: value == b"tick")
    gathering = asyncio.create_task(held._gather())
    await asyncio.sleep(0)
    held.offer(fetched(0, b"result"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not gathering.done()
    held.offer(fetched(1, b"tick"))
    found = await gathering
    assert found is not None
    assert found[0].values == [b"result", b"tick"]


async def test_a_full_chunk_waits_for_nobody() -> None:
    held = partition()
    held.offer(fetched(0, b"a", b"b", b"c"))
    found = await held._gather()
    assert found is not None
    assert found[0].values == [b"a", b"b", b"c"]


async def test_a_thousand_wait_for_nobody() -> None:
    held = partition()
    held._chunk_records = 8000
    held.offer(fetched(0, *[b"a"] * 1000))
    found = await held._gather()
    assert found is not None
    assert len(found[0]) == 1000


async def test_records_that_come_one_by_one_are_put_together() -> None:
    held = partition()
    for i, value in enumerate((b"a", b"b", b"c")):
        held.offer(fetched(i, value, follows=False))
    found = await held._gather()
    assert found is not None
    assert found[0].values == [b"a", b"b", b"c"]
