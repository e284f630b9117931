"""Topics on real Kafka: made as they should be, compared, never changed."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.kafka.topics import Topic, _compare, ensure, split_world, wanted
from streams.local.broker import NoidaBroker
from streams.settings import Settings, TopicSettings, load

ROLES = (
    "probes",
    "alerts",
    "health",
    "calendar",
    "annotations",
    "checkpoints",
    "world_checkpoints",
    "rejected",
)


def settings_for(bootstrap: str, **topics: object) -> Settings:
    prefix = uuid4().hex[:8]
    names = {role: f"{prefix}.{role}" for role in ROLES}
    settings = load(kafka={"bootstrap": bootstrap}, topics={**names, "partitions": 3, **topics})
    assert isinstance(settings, Settings)
    return settings


def test_every_topic_of_the_settings_is_wanted() -> None:
    names = {name for role, name in TopicSettings() if role in ROLES}
    assert {topic.name for topic in wanted(TopicSettings())} == names
    assert len(names) == len(ROLES)


def test_what_may_not_be_forgotten_is_kept() -> None:
    config = {topic.role: topic.config for topic in wanted(TopicSettings(replication=3))}
    assert config["checkpoints"]["retention.ms"] == config["world_checkpoints"]["retention.ms"] == "-1"
    assert config["alerts"]["cleanup.policy"] == "compact,delete"
    assert int(config["alerts"]["retention.ms"]) > 365 * 86_400_000
    assert config["probes"]["message.timestamp.type"] == "LogAppendTime"
    assert all(topic["min.insync.replicas"] == "2" for topic in config.values())


def test_the_view_over_the_world_has_one_partition() -> None:
    partitions = {topic.role: topic.partitions for topic in wanted(TopicSettings(partitions=8))}
    single = {"health", "calendar", "annotations", "world_checkpoints"}
    assert partitions == {role: 1 if role in single else 8 for role in ROLES}


def test_a_health_topic_of_many_partitions_is_told_with_its_remedy() -> None:
    finding = _compare(Topic("health", "old.health", 1, 1), 8, None)
    assert finding.state == "differs"
    assert finding.detail == (
        "8 partitions, not 1: a worldwide outage of several platforms is told as up to 8 incidents; name new topics "
        "in topics.health and topics.world_checkpoints, and let `netdusk topics` make them"
    )
    assert split_world(1) is None


async def check(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    assert {finding.state for finding in await ensure(settings, create=False)} == {"missing"}
    assert {finding.state for finding in await ensure(settings)} == {"made"}
    for _ in range(50):  # metadata takes a moment to spread
        states = [finding.state for finding in await ensure(settings, create=False)]
        if states == ["good"] * len(ROLES):
            break
        await asyncio.sleep(0.1)
    assert states == ["good"] * len(ROLES)


@pytest.mark.integration
async def test_made_and_found_good_on_kafka(bootstrap: str) -> None:
    await check(bootstrap)


@pytest.mark.integration
async def test_made_and_found_good_on_the_embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> None:
    with NoidaBroker(tmp_path_factory.mktemp("broker")) as broker:
        await check(broker.bootstrap)


@pytest.mark.integration
async def test_what_differs_is_said_and_left_alone(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        config = {"retention.ms": "1000"}
        await admin.create_topics([NewTopic(settings.topics.checkpoints, 2, 1, topic_configs=config)])
    finally:
        await admin.close()
    await asyncio.sleep(0.2)
    found = {finding.topic.role: finding for finding in await ensure(settings)}
    assert found["checkpoints"].state == "differs"
    assert "2 partitions, not 3" in found["checkpoints"].detail
    assert "retention.ms is 1000, not -1" in found["checkpoints"].detail
    again = {finding.topic.role: finding for finding in await ensure(settings)}
    assert again["checkpoints"] == found["checkpoints"]
