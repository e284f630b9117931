"""Records that are sent together stand where each alone would, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.bulk import send_together

PARTITIONS = [0, 1, 2]
ROOM = 400


class Producer:
    """A producer that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: dict[int, list[tuple[bytes | None, bytes | None]]] = {}

    async def partitions_for(self, topic: str) -> set[int]:
        return set(PARTITIONS)

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(ROOM, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> Awaitable[Any]:
        kept = self.sent.setdefault(partition, [])
        for records in iter(MemoryRecords(bytes(batch._build())).next_batch, None):
            kept += [(record.key, record.value) for record in records]
        return asyncio.get_running_loop().create_future()


@given(st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=2 * ROOM)), max_size=30))
def test_each_record_is_sent_once_to_its_partition(records: list[tuple[bytes, bytes]]) -> None:
    producer = Producer()
    asyncio.run(send_together(producer, "health", records))  # type: ignore[arg-type]  # all that it needs
    choose = DefaultPartitioner()
    wanted: dict[int, list[tuple[bytes, bytes]]] = {}
    for key, value in records:
        wanted.setdefault(choose(key, PARTITIONS, PARTITIONS), []).append((key, value))
    assert producer.sent == wanted
