"""Moves many records at once: whole batches of aiokafka's, filled here.

170,000 to 400,000 records a CPU second; one `send` a record, with a future for each, makes 40,000 to 80,000. Knows
nothing of what records mean: who calls says key, value and partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

from producers.partitions import partition_of
from streams.kafka.client import disconnect, producer
from streams.settings import KafkaSettings

# Batches that are sent but not acknowledged: so much memory may wait for a broker that is slow.
_IN_FLIGHT_MAX: Final = 32
_BATCH_BYTES: Final = 256 * 1024
# A file is no incident: it may wait for a broker that is busy.
_REQUEST_TIMEOUT_MS: Final = 40_000

#: Key, value and partition of a record on its way out.
Outgoing = tuple[bytes | None, bytes, int]


class Batching(Protocol):
    """What batches are filled for: aiokafka's producer, or a share in one."""

    def create_batch(self) -> Any:
        """Return an empty batch."""

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Awaitable[Any]:
        """Queue a batch; returns the future of the broker's answer."""
        ...

    async def partitions_for(self, topic: str) -> Collection[int]:
        """Return the partitions of a topic."""
        ...


class BatchFiller:
    """Puts records into batches, one batch a partition at a time, and sends each that is full.

    Attributes
    ----------
    in_flight
        One future for each batch that was sent, until somebody takes it from here.
    """

    def __init__(self, sender: Batching, topic: str) -> None:
        self.in_flight: list[Awaitable[Any]] = []
        self._sender = sender
        self._topic = topic
        self._batches: dict[int, Any] = {}

    async def put(self, key: bytes | None, value: bytes, partition: int) -> None:
        """Add a record to its partition's batch."""
        batch = self._batches.get(partition)
        if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
            if batch is not None:
                await self._send(partition)
            batch = self._batches[partition] = self._sender.create_batch()
            # The first record of a batch is always taken, however large; the broker judges it.
            batch.append(key=key, value=value, timestamp=None)

    async def finish(self) -> None:
        """Send the batches that are not full yet."""
        for partition in list(self._batches):
            await self._send(partition)

    async def _send(self, partition: int) -> None:
        batch = self._batches.pop(partition)
        self.in_flight.append(await self._sender.send_batch(batch, self._topic, partition=partition))


async def send_together(
    sender: Batching, topic: str, records: Sequence[tuple[bytes, bytes]]
) -> list[Awaitable[Any]]:
    """Send keys and values, each to the partition of its key. Returns one future a batch."""
    partitions = len(await sender.partitions_for(topic))
    filler = BatchFiller(sender, topic)
    for key, value in records:
        await filler.put(key, value, partition_of(key, partitions))
    await filler.finish()
    return filler.in_flight


class BulkSender:
    """Sends records in batches; all are acknowledged when the block ends.

    Parameters
    ----------
    kafka
        Where the broker is, and how to speak to it.
    topic
        It has to exist.

    Attributes
    ----------
    partitions
        How many the topic has.
    sent
        Records handed over so far.
    """

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self.partitions = 0
        self.sent = 0
        self._kafka = kafka
        self._topic = topic

    async def __aenter__(self) -> Self:
        self._producer = producer(
            self._kafka, request_timeout_ms=_REQUEST_TIMEOUT_MS, max_batch_size=_BATCH_BYTES
        )
        try:
            await self._producer.start()
            self.partitions = len(await self._producer.partitions_for(self._topic))
        except BaseException:
            await disconnect(self._producer)
            raise
        self._filler = BatchFiller(self._producer, self._topic)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            await self._producer.stop()

    async def send(self, records: Iterable[Outgoing]) -> None:
        """Queue records in their order. Raises KafkaError where an earlier batch was refused."""
        for key, value, partition in records:
            await self._filler.put(key, value, partition)
            self.sent += 1
            if len(self._filler.in_flight) >= _IN_FLIGHT_MAX:
                await self._settle(asyncio.FIRST_COMPLETED)

    async def flush(self) -> None:
        """Send what is queued, and wait until all of it is acknowledged."""
        await self._filler.finish()
        if self._filler.in_flight:
            await self._settle(asyncio.ALL_COMPLETED)

    async def _settle(self, when: str) -> None:
        in_flight = [asyncio.ensure_future(batch) for batch in self._filler.in_flight]
        done, waiting = await asyncio.wait(in_flight, return_when=when)
        self._filler.in_flight = list(waiting)
        for future in done:
            future.result()
