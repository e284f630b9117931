"""Moves many records at once: what files and scenarios go through, so that nobody waits for their producer.

aiokafka's own batches, filled here (170,000 to 400,000 records a CPU second; one `send` a record makes 40,000 to
80,000). A country's results go to the partition of its key, with Kafka's own hash, so that they meet those which a
vantage wrote; a tick goes to every partition, in its place among the results. Knows nothing of what records mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from producers.records import ProbeResult, Tick, encode

_IN_FLIGHT_MAX: Final = 32  # batches: what is sent but not acknowledged stays bounded
_BATCH_BYTES: Final = 256 * 1024


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as Kafka's default partitioner has it (murmur2, positive, modulo).

    >>> partition_of(b"PK", 8) == partition_of(b"PK", 8) < 8
    True
    """
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class BulkSender:
    """Sends records in batches; all are acknowledged when the block ends.

    Parameters
    ----------
    options
        Arguments of an aiokafka client: where the broker is, and how to speak to it.
    topic
        The probes topic. It has to exist.
    compression
        As aiokafka names it; None for none.

    Attributes
    ----------
    sent
        Records handed over so far; a tick counts once for each partition.
    """

    def __init__(self, options: Mapping[str, Any], topic: str, *, compression: str | None = "lz4") -> None:
        self.sent = 0
        self._topic = topic
        self._options = dict(options)
        self._compression = compression
        self._partitions = 0
        self._batches: dict[int, Any] = {}
        self._in_flight: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            compression_type=self._compression,
            max_batch_size=_BATCH_BYTES,
        )
        await self._producer.start()
        try:
            self._partitions = len(await self._producer.partitions_for(self._topic))
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            await self._producer.stop()

    async def send(self, records: Iterable[ProbeResult | Tick]) -> None:
        """Queue records in their order. Raises KafkaError where an earlier batch was refused."""
        for record in records:
            value = encode(record)
            if isinstance(record, Tick):
                for partition in range(self._partitions):
                    await self._put(partition, None, value)
            else:
                key = record.country.encode()
                await self._put(partition_of(key, self._partitions), key, value)

    async def flush(self) -> None:
        """Send what is queued, and wait until all of it is acknowledged."""
        for partition in list(self._batches):
            await self._close(partition)
        if self._in_flight:
            await self._settle(asyncio.ALL_COMPLETED)

    async def _put(self, partition: int, key: bytes | None, value: bytes) -> None:
        batch = self._batches.get(partition)
        if batch is None:
            batch = self._batches[partition] = self._producer.create_batch()
        if batch.append(key=key, value=value, timestamp=None) is None:
            await self._close(partition)
            batch = self._batches[partition] = self._producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
        self.sent += 1

    async def _close(self, partition: int) -> None:
        batch = self._batches.pop(partition)
        batch.close()
        self._in_flight.add(await self._producer.send_batch(batch, self._topic, partition=partition))
        if len(self._in_flight) >= _IN_FLIGHT_MAX:
            await self._settle(asyncio.FIRST_COMPLETED)

    async def _settle(self, when: str) -> None:
        done, self._in_flight = await asyncio.wait(self._in_flight, return_when=when)
        for future in done:
            future.result()
