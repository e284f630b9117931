"""The embedded broker: what it is asked for, and what of it we have to make good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from streams.kafka.client import consumer
from streams.kafka.topics import ensure
from streams.local.broker import BrokerError, NoidaBroker
from streams.settings import load

pytestmark = pytest.mark.integration


async def test_nothing_to_read_costs_next_to_nothing(tmp_path: Path) -> None:
    """It answers an empty fetch at once, a thousand times a second; we wait in its place, and read what comes."""
    with NoidaBroker(tmp_path) as broker:
        settings = load(kafka={"bootstrap": broker.bootstrap}, topics={"partitions": 1})
        await ensure(settings)
        place = TopicPartition(settings.topics.alerts, 0)
        async with consumer(settings.kafka) as reader:
            asked = 0
            send: Any = reader._client.send

            async def counted(*arguments: Any, **more: Any) -> Any:
                nonlocal asked
                asked += 1
                return await send(*arguments, **more)

            reader._client.send = counted
            reader.assign([place])
            await reader.seek_to_beginning(place)
            assert await reader.getmany(place, timeout_ms=1000) == {}
            assert asked < 100
            async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
                await producer.send_and_wait(place.topic, b"news", key=b"id", partition=0)
            found = await reader.getmany(place, timeout_ms=5000)
            assert [record.value for record in found[place]] == [b"news"]


def test_it_ends_in_order_and_starts_again_with_what_it_had(tmp_path: Path) -> None:
    with NoidaBroker(tmp_path) as broker:
        assert broker.alive()
        first = broker.bootstrap
    assert not broker.alive()
    with NoidaBroker(tmp_path, port=int(first.rpartition(":")[2])) as again:
        assert again.bootstrap == first


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with NoidaBroker(tmp_path / "one") as broker:
        port = int(broker.bootstrap.rpartition(":")[2])
        with pytest.raises(BrokerError, match="use any other Kafka with --bootstrap"):
            NoidaBroker(tmp_path / "two", port=port).start()
