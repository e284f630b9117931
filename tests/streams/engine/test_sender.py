"""What a chunk brought about goes out once, also when it has to be sent again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

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
