"""A consumer ends in order where the broker has gone while it was reading."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from streams.kafka.client import consumer, group_consumer
from streams.settings import KafkaSettings


class Client:
    """A client whose connections are open or not."""

    def __init__(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False


async def _cancelled(_: Any) -> None:
    """What aiokafka's own `stop` does where a fetch that failed rests before the next one."""
    resting = asyncio.create_task(asyncio.Event().wait())
    resting.cancel()
    await resting


@pytest.fixture(params=["alone", "of a group"])
async def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AIOKafkaConsumer:
    monkeypatch.setattr(AIOKafkaConsumer, "stop", _cancelled)
    made = (
        consumer(KafkaSettings()) if request.param == "alone" else group_consumer(KafkaSettings(), "readers")
    )
    made._client = Client()
    made._closed = True  # it was never started: nothing is left to warn of
    return made


async def test_what_went_wrong_comes_out_and_no_cancellation(reading: AIOKafkaConsumer) -> None:
    async def none() -> None: ...

    reading.start = none
    with pytest.raises(KafkaConnectionError, match="away"):
        async with reading:
            raise KafkaConnectionError("away")
    assert not reading._client.is_open


async def test_whoever_is_cancelled_while_it_ends_is_cancelled(
    reading: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waits(_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaConsumer, "stop", waits)
    ending = asyncio.create_task(reading.stop())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
