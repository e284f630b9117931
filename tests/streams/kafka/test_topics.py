"""Topics on real Kafka: made as they should be, compared, never changed."""

from __future__ import annotations

import asyncio
from typing import cast
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from streams.kafka.topics import Topic, TopicState, _compare, ensure, refusals, split_world, wait_for, wanted
from streams.local.broker import KafkaBroker
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
    "windows",
    "signals",
    "vantages",
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
    single = {"health", "calendar", "annotations", "world_checkpoints", "vantages"}
    assert partitions == {role: 1 if role in single else 8 for role in ROLES}


def test_a_health_topic_of_many_partitions_is_told_with_its_remedy() -> None:
    state = _compare(Topic("health", "old.health", 1, 1), 8, None)
    assert state.state == "differs"
    assert state.detail == (
        "8 partitions, not 1: a worldwide outage of several platforms is told as up to 8 incidents; name new topics "
        "in topics.health and topics.world_checkpoints, and let `netdusk topics` make them"
    )
    assert split_world(1) is None


@pytest.mark.parametrize(
    ("role", "partitions", "state"),
    [
        ("probes", 8, "differs"),
        ("checkpoints", 8, "differs"),
        ("checkpoints", 16, "good"),
        ("alerts", 8, "good"),
        ("windows", 8, "good"),
        ("rejected", 8, "good"),
        ("signals", 16, "good"),
    ],
)
def test_after_widening_the_probes_the_others_may_stay_as_they_are(
    role: str, partitions: int, state: str
) -> None:
    assert _compare(Topic(role, role, 12, 1), partitions, None).state == state


class Broker:
    """Tells of its topics one by one: one more each time that it is asked."""

    def __init__(self, *answers: list[dict[str, object]]) -> None:
        self.answers = list(answers)

    async def describe_topics(self) -> list[dict[str, object]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def told(name: str, error: int = 0) -> dict[str, object]:
    return {"topic": name, "error_code": error, "partitions": [] if error else [{"leader": 1}]}


async def test_a_topic_that_is_made_is_waited_for() -> None:
    broker = Broker([told("a")], [told("a"), told("b", error=5)], [told("a"), told("b")])
    assert await wait_for(cast("AIOKafkaAdminClient", broker), {"a", "b"}, pause=0.0)
    assert broker.answers == [[told("a"), told("b")]]
    assert not await wait_for(cast("AIOKafkaAdminClient", broker), {"c"}, pause=0.0)
    assert await wait_for(cast("AIOKafkaAdminClient", Broker([])), set(), pause=0.0)


async def check(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    assert {state.state for state in await ensure(settings, create=False)} == {"missing"}
    assert {state.state for state in await ensure(settings)} == {"made"}
    for _ in range(50):  # metadata takes a moment to spread
        states = [state.state for state in await ensure(settings, create=False)]
        if states == ["good"] * len(ROLES):
            break
        await asyncio.sleep(0.1)
    assert states == ["good"] * len(ROLES)


@pytest.mark.integration
async def test_made_and_found_good_on_kafka(bootstrap: str) -> None:
    await check(bootstrap)


@pytest.mark.integration
async def test_made_and_found_good_on_the_embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> None:
    with KafkaBroker(tmp_path_factory.mktemp("broker")) as broker:
        await check(broker.bootstrap)


async def make(bootstrap: str, name: str, partitions: int, **config: str) -> None:
    """A topic as somebody else made it; a setting's dots are written as underscores."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        named = {key.replace("_", "."): value for key, value in config.items()}
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=named)])
    finally:
        await admin.close()
    await asyncio.sleep(0.2)


async def states_of(settings: Settings, *, create: bool = True) -> dict[str, TopicState]:
    return {state.topic.role: state for state in await ensure(settings, create=create)}


@pytest.mark.integration
async def test_what_differs_is_said_with_the_remedy_and_left_alone(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    name = settings.topics.alerts
    await make(bootstrap, name, 2, retention_ms="1000", cleanup_policy="delete")
    differs = (await states_of(settings))["alerts"]
    assert (differs.state, differs.partitions) == ("differs", 2)
    assert "partitions" not in differs.detail, "nobody judges by how many it has"
    assert "retention.ms is 1000, not 34560000000: `kafka-configs.sh --alter" in differs.detail
    assert f"--entity-name {name} --add-config cleanup.policy=[compact,delete]`" in differs.detail
    assert (await states_of(settings))["alerts"] == differs


@pytest.mark.integration
async def test_checkpoints_follow_their_topic(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    await ensure(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({settings.topics.probes: NewPartitions(5)})
    finally:
        await admin.close()
    await asyncio.sleep(0.5)
    looked = (await states_of(settings, create=False))["checkpoints"]
    assert looked.detail == "3 partitions, not 5: `netdusk topics` widens it"
    states = await states_of(settings)
    assert (
        states["probes"].detail
        == "5 partitions, not 3: set topics.partitions to 5: partitions can't be taken from a topic"
    )
    assert states["checkpoints"].state == "widened"
    assert states["checkpoints"].detail.startswith("from 3 to 5 partitions")
    await asyncio.sleep(0.5)
    assert (await states_of(settings))["checkpoints"].state == "good"
    wider = settings.model_copy(update={"topics": settings.topics.model_copy(update={"partitions": 5})})
    assert {state.state for state in await ensure(wider, create=False)} == {"good"}


@pytest.mark.integration
async def test_a_live_worker_refuses_what_anybody_can_push_and_what_forgets(bootstrap: str) -> None:
    settings = settings_for(bootstrap)
    assert await refusals(settings) == []
    await make(bootstrap, settings.topics.probes, 3, message_timestamp_type="CreateTime")
    await make(bootstrap, settings.topics.checkpoints, 3, cleanup_policy="compact")
    probes, checkpoints = await refusals(settings)
    assert probes == (
        f"topic {settings.topics.probes}: message.timestamp.type is CreateTime, not LogAppendTime, so whoever writes "
        "to it can push the clock: `kafka-configs.sh --alter --entity-type topics --entity-name "
        f"{settings.topics.probes} --add-config message.timestamp.type=LogAppendTime`"
    )
    assert (
        "cleanup.policy is compact, not delete, so checkpoints, which have no key, are refused" in checkpoints
    )
    replaying = settings.model_copy(update={"worker": settings.worker.model_copy(update={"clock": "replay"})})
    assert await refusals(replaying) == [checkpoints]
    assert (await states_of(settings))["probes"].detail in probes
