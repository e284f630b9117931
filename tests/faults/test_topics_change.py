"""The topics under a running worker change: each is noticed, said with its remedy, and survived."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from producers.records import ProbeResult, encode
from streams.kafka.client import TopicReader
from tests.faults.fleet import Fleet, applied, status

pytestmark = pytest.mark.integration

FAST = {"session_timeout_seconds": 1.5, "heartbeat_seconds": 0.4}


@pytest.fixture
async def fleet(bootstrap: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(bootstrap, tmp_path, worker={"snapshot_bytes": 100_000}, kafka=dict(FAST))
    await fleet.make_topics()
    yield fleet
    fleet.close()


@pytest.fixture
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    yield client
    await client.close()


async def make_anew(fleet: Fleet, admin: AIOKafkaAdminClient) -> None:
    probes = fleet.settings.topics.probes
    await admin.delete_topics([probes])
    reader = TopicReader(fleet.settings.kafka)
    while await reader.partitions_of(probes):
        await asyncio.sleep(0.1)
    await fleet.make_topics(("probes",))


@pytest.mark.parametrize("while_running", [False, True])
async def test_the_source_is_deleted_and_made_anew(
    fleet: Fleet, admin: AIOKafkaAdminClient, while_running: bool
) -> None:
    await fleet.write(1_000, junk=0)
    running = fleet.start()
    await fleet.wait_until_done()
    if not while_running:
        await asyncio.to_thread(running.terminate)
    await make_anew(fleet, admin)
    if not while_running:
        running = fleet.start()
    await fleet.wait_for_log(running, "going on from its first record with what was learned")
    await fleet.write(300, seed=1, junk=0)
    await fleet.wait_until_done(60)
    running.kill()
    again = fleet.start()
    await fleet.wait_for_log(again, "partition restored")
    await fleet.write(100, seed=2, junk=0)
    await fleet.wait_until_done(60)
    assert "stopped" not in again.log.read_text()


@pytest.mark.parametrize("while_running", [False, True])
async def test_a_source_that_was_made_anew_and_has_grown_past_its_place_is_read_from_its_first_record(
    fleet: Fleet, admin: AIOKafkaAdminClient, while_running: bool
) -> None:
    await fleet.write(200, junk=0)
    running = fleet.start()
    await fleet.wait_until_done()
    if not while_running:
        await asyncio.to_thread(running.terminate)
    await make_anew(fleet, admin)
    await fleet.write(1_000, seed=1, junk=0)  # more than the old one held
    if not while_running:
        running = fleet.start()
    await fleet.wait_for_log(running, "it is another topic than the one of which the checkpoints stand")
    await fleet.wait_until_done(60)
    wanted = 1_150 if while_running else 950  # but for those that came twice
    assert await applied(running, wanted) >= wanted
    running.kill()
    again = fleet.start()
    await fleet.wait_for_log(again, "partition restored")
    await fleet.write(100, seed=2, junk=0)
    await fleet.wait_until_done(60)
    assert "another topic" not in again.log.read_text()


async def test_where_it_was_set_so_a_partition_stops_and_says_what_to_do(
    fleet: Fleet, admin: AIOKafkaAdminClient
) -> None:
    text = fleet.config.read_text()
    fleet.config.write_text(text.replace("[worker]\n", '[worker]\non_gap = "stop"\n'))
    await fleet.write(500, junk=0)
    running = fleet.start()
    await fleet.wait_until_done()
    await asyncio.to_thread(running.terminate)
    await make_anew(fleet, admin)
    running = fleet.start()
    await fleet.wait_for_log(running, "worker.on_gap = continue goes on from its first record")
    assert status(running.port, "/readyz")[0] == 503


async def test_a_topic_that_gains_partitions_is_read_whole_within_a_minute(
    fleet: Fleet, admin: AIOKafkaAdminClient
) -> None:
    await fleet.write(500, junk=0)
    running = fleet.start()
    await fleet.wait_until_done()
    topics = fleet.settings.topics
    await admin.create_partitions({topics.probes: NewPartitions(total_count=4)})
    fleet.partitions = 4
    await asyncio.sleep(1)
    await fleet.write(500, seed=1, junk=0)
    await fleet.wait_for_log(running, "`netdusk topics` widens it", timeout=60)
    await admin.create_partitions({topics.checkpoints: NewPartitions(total_count=4)})
    assert await fleet.wait_until_done(60) < 60
    assert await applied(running, 950) >= 950


async def test_a_checkpoints_topic_that_is_compacted_by_mistake_is_told_with_the_remedy(
    fleet: Fleet, admin: AIOKafkaAdminClient
) -> None:
    await fleet.write(500, junk=0)
    running = fleet.start()
    await fleet.wait_until_done()
    checkpoints = fleet.settings.topics.checkpoints

    async def clean(policy: str) -> None:
        configs = {"cleanup.policy": policy, "retention.ms": "-1"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, checkpoints, configs=configs)])

    await clean("compact")
    await fleet.write(100, seed=1, junk=0)
    await fleet.wait_for_log(running, "cleanup.policy", timeout=60)
    await clean("delete")
    await fleet.wait_until_done(60)


async def test_a_source_that_is_deleted_is_told_by_readiness(
    fleet: Fleet, admin: AIOKafkaAdminClient
) -> None:
    await fleet.write(100, junk=0)
    running = fleet.start()
    await fleet.wait_until_done()
    await admin.delete_topics([fleet.settings.topics.probes])
    await fleet.wait_for_log(running, "does not exist any more", timeout=60)
    code, text = status(running.port, "/readyz")
    assert code == 503
    assert "`netdusk topics` makes it" in text


async def test_a_source_that_loses_the_brokers_times_is_held_and_loses_no_result(
    bootstrap: str, admin: AIOKafkaAdminClient, tmp_path: Path
) -> None:
    """The results of the stretch are more than half a minute ahead of the last reading of the clock before it."""
    command = (str(Path(sys.executable).parent / "netdusk"), "worker", "--config", "{config}")
    fleet = Fleet(
        bootstrap, tmp_path, partitions=1, command=command, worker={"tick_seconds": 1.0}, kafka=dict(FAST)
    )
    roles = ("probes", "alerts", "checkpoints", "rejected", "health", "world_checkpoints")
    await fleet.make_topics((*roles, "calendar", "windows"))
    probes = fleet.settings.topics.probes

    async def keep(stamp: str) -> None:
        configs = {"message.timestamp.type": stamp}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, probes, configs=configs)])
        await asyncio.sleep(2)

    async def write(count: int, ahead_seconds: float) -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
            for number in range(count):
                time = datetime.now(UTC) + timedelta(seconds=ahead_seconds)
                record = ProbeResult(
                    id=f"{ahead_seconds}-{number}",
                    time=time,
                    platform="x",
                    country="PK",
                    asn=17557,
                    vantage="pk-lhe-03",
                    ok=True,
                )
                value = encode(record)
                await producer.send(probes, value, key=b"PK", partition=0)

    running = fleet.start()
    try:
        await fleet.wait_for_log(running, "partition restored", timeout=60)
        await asyncio.sleep(3)
        await write(20, 0.0)
        assert await applied(running, 20) == 20
        await keep("CreateTime")
        await asyncio.sleep(8)
        await write(20, 26.0)
        await fleet.wait_for_log(running, "a partition is held", timeout=30)
        code, text = status(running.port, "/readyz")
        assert code == 503
        assert "message.timestamp.type=LogAppendTime" in text
        await keep("LogAppendTime")
        await fleet.wait_for_log(running, "its topic is set back", timeout=60)
        assert await applied(running, 40) == 40
        assert 'netdusk_records_total{result="rejected"} 0.0' in status(running.port, "/metrics")[1]
    finally:
        fleet.close()
