"""Sends what a chunk brought about, and waits until it is acknowledged. Knows no machine and no checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer

from streams.engine.surroundings import ACKNOWLEDGE_SECONDS, Surroundings
from streams.kafka.bulk import send_together
from streams.machine import Message

log = structlog.get_logger()

_FEW: Final = 4  # records to a topic that are not worth a batch of their own
_READ_BACK_MS: Final = 60_000  # clocks of two workers differ by less
_READ_BACK_RECORDS_MAX: Final = 200_000


class Sender:
    """The way out of one partition."""

    def __init__(self, producer: AIOKafkaProducer, around: Surroundings, partition: str) -> None:
        self._producer = producer
        self._around = around
        self._partition = partition

    async def send(self, messages: Sequence[Message]) -> None:
        """Send, and wait until all replicas have it.

        What is few goes at once: incidents, mostly. What is many waits for its turn, so that other partitions decide
        first about the window that ends for all of them at the same time.
        """
        if not messages:
            return
        by_role: dict[str, list[Message]] = {}
        for message in messages:
            by_role.setdefault(message.topic, []).append(message)
        acknowledged: list[Awaitable[Any]] = []
        for role, some in by_role.items():
            if len(some) <= _FEW:
                acknowledged += await self._hand_over(role, some)
        for role, some in by_role.items():
            if len(some) > _FEW:
                async with self._around.machines.turn:
                    acknowledged += await self._hand_over(role, some)
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await asyncio.gather(*acknowledged)

    async def send_again(self, messages: Sequence[Message], written_ms: int) -> None:
        """Send what the last chunk brought about, less what stands on the topics already.

        `written_ms` is the broker's time of the chunk's checkpoint.
        """
        if not messages:
            return
        missing = list(messages)
        for role in {message.topic for message in messages}:
            there = await self._written_since(self._around.topic_of(role), written_ms - _READ_BACK_MS)
            missing = [m for m in missing if m.topic != role or (m.key, m.value) not in there]
        await self.send(missing)
        log.info(
            "outbox of the last chunk", partition=self._partition, held=len(messages), sent_again=len(missing)
        )

    async def _written_since(self, topic: str, timestamp_ms: int) -> set[tuple[bytes | None, bytes | None]]:
        """Keys and values; nothing where there are too many: the same bytes twice harm nobody, minutes would."""
        ranges = await self._around.reader.since(topic, timestamp_ms)
        if sum(end - start for start, end in ranges.values()) > _READ_BACK_RECORDS_MAX:
            return set()
        return {
            (record.key, record.value)
            for partition, (start, end) in ranges.items()
            async for record in self._around.reader.records(topic, partition, start, end)
        }

    async def _hand_over(self, role: str, messages: Sequence[Message]) -> list[Awaitable[Any]]:
        """Give messages to the producer. Returns what is done once they are acknowledged."""
        producer, topic = self._producer, self._around.topic_of(role)
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            if len(messages) > _FEW:
                return await send_together(producer, topic, [(m.key, m.value) for m in messages])
            return [await producer.send(topic, m.value, key=m.key) for m in messages]
