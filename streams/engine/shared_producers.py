"""Producers that the partitions of a worker share, so that what several have to send goes with one request.

Each life of a partition has a `Lease`. What a life has sent is settled, or can't be sent any more, before its lease
ends: nothing of it may reach the broker after the next fence. aiokafka tries an idempotent batch for ever, and after a
refused one its sequence numbers no longer fit: a producer that failed anybody is not leased again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from streams.kafka.client import connect, disconnect
from streams.settings import KafkaSettings

log = structlog.get_logger()

#: What is on its way when a lease ends may take so long.
_SETTLE_SECONDS: Final = 2.0


class _Shared:
    """A producer, and who has it."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.leases: set[Lease] = set()
        self.retired = False
        self.closed = False

    async def close(self) -> None:
        """Close it, whoever has it: what they have on its way fails."""
        self.retired = True
        if self.closed:
            return
        self.closed = True
        try:
            await disconnect(self.producer)
        finally:
            for lease in self.leases:
                lease.fail()


class Lease:
    """A share in a producer: it sends as the producer does."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._failed = False
        self._messages: set[asyncio.Future[Any]] = set()
        self._batches: set[asyncio.Future[Any]] = set()

    async def send(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a record. Returns the future of the broker's answer."""
        future: asyncio.Future[Any] = await self._tried(
            self._shared.producer.send(topic, value, key=key, partition=partition, headers=headers)
        )
        return self._followed(future, self._messages)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Queue a batch that `create_batch` made. Returns the future of the broker's answer."""
        future = await self._tried(self._shared.producer.send_batch(batch, topic, partition=partition))
        return self._followed(asyncio.ensure_future(future), self._batches)

    def create_batch(self) -> Any:
        """Return an empty batch."""
        return self._shared.producer.create_batch()

    async def partitions_for(self, topic: str) -> set[int]:
        """Return the partitions of a topic."""
        partitions: set[int] = await self._shared.producer.partitions_for(topic)
        return partitions

    def fail(self) -> None:
        """The producer is closed: nobody waits for an answer any more."""
        for future in list(self._messages):
            if not future.done():
                future.set_exception(ProducerClosed())

    async def close(self) -> None:
        """End the lease. What is on its way after two seconds is stopped, with the producer."""
        shared = self._shared
        if on_their_way := [*self._messages, *self._batches]:
            _, pending = await asyncio.wait(on_their_way, timeout=_SETTLE_SECONDS)
            if pending:
                await shared.close()
        shared.retired |= self._failed
        shared.leases.discard(self)
        if shared.retired and not shared.leases:
            await shared.close()

    async def _tried(self, sending: Awaitable[Any]) -> Any:
        try:
            return await sending
        except MessageSizeTooLargeError:  # the producer's own limit: nothing was queued
            raise
        except (KafkaError, OSError):
            self._failed = True
            raise

    def _followed(self, future: asyncio.Future[Any], others: set[asyncio.Future[Any]]) -> asyncio.Future[Any]:
        def done(_: asyncio.Future[Any]) -> None:
            others.discard(future)
            if future.cancelled() or future.exception() is not None:
                self._failed = True

        others.add(future)
        future.add_done_callback(done)
        return future


class SharedProducers:
    """Leases a producer to many; a fresh one where the last one is not to be relied upon any more."""

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        connecting: Callable[[KafkaSettings], Awaitable[AIOKafkaProducer]] | None = None,
    ) -> None:
        self._kafka = kafka
        # Checkpoints are compressed already.
        self._connect = connecting or (lambda kafka: connect(kafka, compressed=False))
        self._current: _Shared | None = None
        self._connecting = asyncio.Lock()

    async def lease(self) -> Lease:
        """Return a share in a producer that has failed nobody. Raises KafkaError if no broker answers."""
        async with self._connecting:
            if self._current is None or self._current.retired:
                self._current = _Shared(await self._connect(self._kafka))
            lease = Lease(self._current)
            self._current.leases.add(lease)
            return lease

    async def close(self) -> None:
        """Close the producer that would be leased next."""
        current, self._current = self._current, None
        if current is not None:
            await current.close()
