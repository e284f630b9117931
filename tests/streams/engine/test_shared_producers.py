"""Lives share a producer, and none of them leaves anything behind in it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, ProducerClosed

from streams.engine import shared_producers as module
from streams.engine.shared_producers import SharedProducers
from streams.settings import KafkaSettings


class Producer:
    """A producer whose answers the test gives."""

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[Any]] = []
        self.closed = False
        self.refuse: Exception | None = None

    async def send(
        self, topic: str, value: bytes, *, key: Any = None, partition: Any = None, headers: Any = None
    ) -> Any:
        if self.refuse is not None:
            raise self.refuse
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


class Producers:
    """Makes them, and remembers all that were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Producer] = []
        monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.0)
        monkeypatch.setattr(module, "disconnect", self._disconnect)
        self.shared = SharedProducers(KafkaSettings(), connecting=cast(Any, self._connect))

    async def _connect(self, _: KafkaSettings) -> Producer:
        self.made.append(Producer())
        return self.made[-1]

    async def _disconnect(self, producer: Producer) -> None:
        producer.closed = True


async def test_all_have_the_same_one_as_long_as_it_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    producers = Producers(monkeypatch)
    one, other = [await producers.shared.lease() for _ in range(2)]
    future = await one.send("t", b"1")
    producers.made[0].futures[0].set_result("there")
    assert await future == "there"
    await one.close()
    await other.close()
    await producers.shared.lease()
    assert len(producers.made) == 1
    assert not producers.made[0].closed
    await producers.shared.close()
    assert producers.made[0].closed


async def test_one_that_failed_is_leased_to_nobody_else_and_closed_when_all_have_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producers = Producers(monkeypatch)
    one, other = [await producers.shared.lease() for _ in range(2)]
    future = await one.send("t", b"1")
    producers.made[0].futures[0].set_exception(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await future
    await one.close()
    assert not producers.made[0].closed
    await producers.shared.lease()
    assert len(producers.made) == 2
    await other.close()
    assert producers.made[0].closed


async def test_what_is_still_on_its_way_when_a_lease_ends_is_stopped_with_the_producer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producers = Producers(monkeypatch)
    one, other = [await producers.shared.lease() for _ in range(2)]
    await one.send("t", b"1")
    theirs = await other.send("t", b"2")
    await one.close()
    assert producers.made[0].closed
    with pytest.raises(ProducerClosed):
        await theirs  # and its life ends, rather than wait for an answer that nobody gives


async def test_a_record_over_the_producers_own_limit_costs_no_producer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producers = Producers(monkeypatch)
    lease = await producers.shared.lease()
    producers.made[0].refuse = MessageSizeTooLargeError()
    with pytest.raises(MessageSizeTooLargeError):
        await lease.send("t", b"1")
    await lease.close()
    await producers.shared.lease()
    assert len(producers.made) == 1
