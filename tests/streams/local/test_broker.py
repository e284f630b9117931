"""The embedded broker: it keeps what it has acknowledged, and what can't be had is said with its remedy."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from streams.kafka.client import consumer
from streams.kafka.topics import ensure
from streams.local.broker import BrokerError, KafkaBroker
from streams.settings import Settings, load

pytestmark = pytest.mark.integration


def settings_of(broker: KafkaBroker) -> Settings:
    return load(kafka={"bootstrap": broker.bootstrap}, topics={"partitions": 1})


async def values(settings: Settings) -> list[bytes]:
    place = TopicPartition(settings.topics.alerts, 0)
    async with consumer(settings.kafka) as reader:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        records = await reader.getmany(place, timeout_ms=5000)
    return [record.value for record in records.get(place, [])]


async def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    broker = KafkaBroker(tmp_path)
    broker.start()
    port = int(broker.bootstrap.rpartition(":")[2])
    try:
        settings = settings_of(broker)
        await ensure(settings)
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
            for number in range(100):
                await producer.send_and_wait(settings.topics.alerts, b"%d" % number, key=b"id", partition=0)
        os.kill(java_below(tmp_path), signal.SIGKILL)
    finally:
        broker.stop()
    assert not broker.alive()
    with KafkaBroker(tmp_path, port=port) as again:
        assert again.bootstrap == broker.bootstrap
        assert await values(settings_of(again)) == [b"%d" % number for number in range(100)]


def java_below(folder: Path) -> int:
    """The process that runs Kafka on a folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"/java") and str(folder / "server.properties").encode() in words:
                return int(entry.name)
    raise AssertionError(f"no Kafka runs on {folder}")


def test_it_ends_in_order_and_leaves_no_process(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as broker:
        assert broker.alive()
        java = java_below(tmp_path)
    assert not broker.alive()
    assert not Path(f"/proc/{java}").exists()


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path / "one") as broker:
        port = int(broker.bootstrap.rpartition(":")[2])
        with pytest.raises(
            BrokerError,
            match=r"is taken; name another .*--broker-port.*, or use any other Kafka with --bootstrap",
        ):
            KafkaBroker(tmp_path / "two", port=port).start()
