"""Before records are refused for their partition, the broker is asked how many partitions there are by now."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from producers.partitions import partition_of
from streams.engine.batches import UnreadChunk
from streams.engine.chunk_work import ChunkWork
from streams.machine import Chunk, PartitionCount
from streams.settings import Settings
from streams.step.country import CountryMachine
from tests.streams.engine.fakes import FakeBroker, surroundings
from tests.streams.step.hostile import START, good, written

#: Of 8 partitions PK's is another than of 16.
NEW = partition_of("PK", 16)
PLACE = TP("probes", NEW)


class Records:
    """A chunk of one result that was written by whoever knows of sixteen partitions."""

    first, next_offset = 5, 6

    def __init__(self) -> None:
        self.causes: list[Any] = []
        value = written(good(random.Random(5), 5, START))
        stamp = int(START.timestamp() * 1000)
        self._piece = Chunk("probes", NEW, range(5, 6), [value], [stamp], [b"PK"])

    def __len__(self) -> int:
        return 1

    def pieces(self) -> list[Chunk]:
        self.causes.append("damaged")
        return [self._piece]


@pytest.mark.parametrize(("now", "refused"), [(16, 0), (8, 1)])
async def test_who_knows_of_more_partitions_than_we_do_is_not_refused(now: int, refused: int) -> None:
    machine, asked, sent = CountryMachine(Settings()), [], []
    machine.note(PartitionCount(8, 0, NEW))

    async def recount(topic: str) -> None:
        asked.append(topic)
        machine.note(PartitionCount(now, 6, NEW))

    async def send(messages: list[Any]) -> None:
        sent.extend(messages)

    async def append_delta(*_: Any, **__: Any) -> int:
        return 1

    with ThreadPoolExecutor(1) as executor:
        around = surroundings(FakeBroker(), executor)
        around.recount = recount
        owned: Any = SimpleNamespace(
            machine=machine,
            position=5,
            sender=SimpleNamespace(send=send),
            book=SimpleNamespace(append_delta=append_delta),
            snapshots=SimpleNamespace(note_delta=lambda size: None),
            gaps=SimpleNamespace(skipped=None, close=lambda: None),
        )
        pipeline: Any = SimpleNamespace(ticks=True)
        work = ChunkWork(pipeline, around, owned, cast(Any, SimpleNamespace(tp=PLACE)), cast(Any, None))
        chunk = Records()
        await work._apply(cast(UnreadChunk, chunk), urgent=False)
    assert asked == ["probes"]
    assert (machine.totals.applied, machine.totals.rejected) == (1 - refused, refused)
    assert len([one for one in sent if b"wrong_partition" in one.value]) == refused
    assert machine.width == PartitionCount(now, 6 if now == 16 else 0, NEW)
    assert chunk.causes == ["damaged"]
