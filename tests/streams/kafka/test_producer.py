"""A producer looks again where its picture of a topic lacks a partition."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from streams.kafka.client import connect, disconnect, producer
from streams.settings import KafkaSettings


class Pictures:
    """What a client knows of a topic: one partition, and after an update what the broker has."""

    def __init__(self, on_the_broker: int) -> None:
        self.on_the_broker = on_the_broker
        self.known = 1
        self.updates = 0

    async def _wait_on_metadata(self, _: str) -> set[int]:
        return set(range(self.known))

    async def force_metadata_update(self) -> bool:
        self.updates += 1
        self.known = self.on_the_broker
        return True

    async def close(self) -> None:
        pass


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The partitions that records and batches were queued for."""
    partitions: list[int | None] = []

    async def queue(*_: Any, partition: int | None, **__: Any) -> None:
        partitions.append(partition)

    monkeypatch.setattr(AIOKafkaProducer, "send", queue)
    monkeypatch.setattr(AIOKafkaProducer, "send_batch", queue)
    return partitions


@pytest.mark.parametrize(("partition", "updates"), [(None, 0), (0, 0), (3, 1)])
async def test_a_partition_that_is_not_known_yet_is_asked_for(
    partition: int | None, updates: int, sent: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, pictures = producer(KafkaSettings()), Pictures(on_the_broker=4)
    monkeypatch.setattr(own, "client", pictures)
    await own.send("t", b"v", partition=partition)
    if partition is not None:
        await own.send_batch(object(), "t", partition=partition)
        assert sent == [partition, partition]
    assert sent[0] == partition
    assert pictures.updates == updates
    await own.stop()


async def test_one_that_the_broker_does_not_know_is_an_error_of_kafkas(
    sent: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = producer(KafkaSettings())
    monkeypatch.setattr(own, "client", Pictures(on_the_broker=2))
    with pytest.raises(UnknownTopicOrPartitionError, match="t: no partition 3, there are 2"):
        await own.send("t", b"v", partition=3)
    with pytest.raises(KafkaError):
        await own.send_batch(object(), "t", partition=2)
    assert sent == []
    await own.stop()


@pytest.mark.integration
async def test_the_partitions_of_a_widened_topic_are_written_to_at_once(bootstrap: str) -> None:
    topic = f"widened-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    kafka = KafkaSettings(bootstrap=bootstrap)
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        own = await connect(kafka)
        try:
            await (await own.send(topic, b"before", partition=0))
            await admin.create_partitions({topic: NewPartitions(total_count=3)})
            acknowledged = await (await own.send(topic, b"after", partition=2))
            assert (acknowledged.partition, acknowledged.offset) == (2, 0)
        finally:
            await disconnect(own)
        await admin.delete_topics([topic])
    finally:
        await admin.close()
