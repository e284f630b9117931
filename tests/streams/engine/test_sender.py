"""What a chunk brought about goes out once, also when it has to be sent again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streams.engine import sender as module
from streams.engine.sender import Sender
from streams.machine import Message
from tests.streams.engine.fakes import FakeBroker, surroundings


async def test_only_what_is_not_on_the_topic_is_sent_again() -> None:
    broker = FakeBroker()
    with ThreadPoolExecutor(1) as executor:
        around = surroundings(broker, executor)
        sender = Sender(cast(Any, broker), around, "probes-0")
        alerts = around.topic_of("alerts")
        messages = [Message("alerts", b"a", b"1"), Message("alerts", b"b", b"1")]
        await sender.send(messages[:1])
        await sender.send_again(messages, 0)
        assert broker.topics[alerts] == [(b"a", b"1"), (b"b", b"1")]
        await sender.send_again(messages, 0)
        assert len(broker.topics[alerts]) == 2


@pytest.mark.parametrize("count", [2, 7])
async def test_what_is_too_large_is_counted_and_the_rest_is_sent(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = FakeBroker(refuse=lambda topic, value: MessageSizeTooLargeError() if len(value) > 9 else None)

    async def together(producer: Any, topic: str, records: Any) -> list[Any]:
        """One batch, which the broker takes or refuses as a whole."""
        future = asyncio.get_running_loop().create_future()
        future.set_exception(MessageSizeTooLargeError())
        return [future]

    monkeypatch.setattr(module, "send_together", together)
    with ThreadPoolExecutor(1) as executor:
        around = surroundings(broker, executor)
        messages = [Message("alerts", b"%d" % i, b"x" * (10 if i == 1 else 1)) for i in range(count)]
        await Sender(cast(Any, broker), around, "probes-0").send(messages)
        keys = [key for key, _ in broker.topics[around.topic_of("alerts")]]
        assert keys == [b"%d" % i for i in range(count) if i != 1]
        unsent = around.metrics.registry.get_sample_value("netdusk_unsent_records_total", {"role": "alerts"})
        assert unsent == 1


async def test_any_other_failure_costs_the_chunk() -> None:
    broker = FakeBroker(refuse=lambda topic, value: KafkaTimeoutError())
    with ThreadPoolExecutor(1) as executor:
        sender = Sender(cast(Any, broker), surroundings(broker, executor), "probes-0")
        with pytest.raises(KafkaTimeoutError):
            await sender.send([Message("alerts", b"a", b"1")])
