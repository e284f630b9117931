"""The topics as they should be: made where they are missing, compared where they exist, never changed behind a back.

Automatic creation is never relied upon: it would give one partition, and forget after a week what may not be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.kafka.client import TopicReader
from streams.kafka.options import client_options
from streams.settings import Settings, TopicSettings

log = structlog.get_logger()

_DAY_MS: Final = 86_400_000
#: Incidents are kept for more than a year: recurrence, and the observatory's own memory.
_INCIDENTS_DAYS: Final = 400
#: The view over the world has to see every country and platform, so what it reads and remembers is one partition.
SINGLE: Final = ("health", "calendar", "annotations", "world_checkpoints")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it should be."""

    role: str
    name: str
    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicState:
    """What was found or done about one topic: `made`, `good`, `missing` or `differs`, with the difference."""

    topic: Topic
    state: str
    detail: str = ""


def wanted(topics: TopicSettings) -> list[Topic]:
    """All topics of an installation, from its settings."""
    days = str(int(topics.retention_days * _DAY_MS))
    durable = {"min.insync.replicas": "2"} if topics.replication >= 3 else {}
    kept = {"cleanup.policy": "delete", "retention.ms": days}
    # The broker's own append time is a clock that no vantage can push (docs/architecture.md, "Time").
    stamped = {"message.timestamp.type": "LogAppendTime"}
    forever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    incidents = {"cleanup.policy": "compact,delete", "retention.ms": str(_INCIDENTS_DAYS * _DAY_MS)}
    configs: dict[str, dict[str, str]] = {
        "probes": kept | stamped,
        "alerts": incidents,
        "health": {"cleanup.policy": "compact"} | stamped,
        "calendar": {"cleanup.policy": "compact"},
        "annotations": incidents,
        "checkpoints": forever,
        "world_checkpoints": forever,
        "rejected": kept,
    }
    return [
        Topic(
            role,
            getattr(topics, role),
            1 if role in SINGLE else topics.partitions,
            topics.replication,
            config | durable,
        )
        for role, config in configs.items()
    ]


def split_world(partitions: int) -> str | None:
    """What a health topic of more than one partition means, and the remedy; None where it has one."""
    if partitions <= 1:
        return None
    return (
        f"a worldwide outage of several platforms is told as up to {partitions} incidents; name new topics in "
        "topics.health and topics.world_checkpoints, and let `netdusk topics` make them"
    )


async def ensure(settings: Settings, *, create: bool = True) -> list[TopicState]:
    """Make what is missing, and say how each topic stands. Raises KafkaError where no broker answers."""
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        reader = TopicReader(settings.kafka)
        findings = []
        for topic in wanted(settings.topics):
            partitions = (
                len(await reader.partitions_of(topic.name)) if await _exists(admin, topic.name) else 0
            )
            if partitions:
                findings.append(_compare(topic, partitions, await _config(admin, topic.name)))
            elif create:
                findings.append(await _make(admin, topic))
            else:
                findings.append(TopicState(topic, "missing"))
        return findings
    finally:
        await admin.close()


async def _exists(admin: AIOKafkaAdminClient, name: str) -> bool:
    return name in await admin.list_topics()


async def _make(admin: AIOKafkaAdminClient, topic: Topic) -> TopicState:
    new = NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=dict(topic.config))
    answer: Any = await admin.create_topics([new])
    for _, code, *text in answer.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            return TopicState(topic, "good", "made by somebody else meanwhile")
        if code:
            kind = for_code(code)
            raise kind(f"topic {topic.name}: {next(iter(text), None) or kind.__name__}")
    return TopicState(topic, "made")


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str] | None:
    """The topic's settings as the broker has them; None where it does not tell."""
    try:
        answers: list[Any] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    except KafkaError as error:
        log.info("the broker does not tell a topic's settings", topic=name, why=repr(error))
        return None
    config: dict[str, str] = {}
    for answer in answers:
        for _, _, _, _, entries in answer.resources:
            config |= {entry[0]: entry[1] for entry in entries}
    return config or None


def _compare(topic: Topic, partitions: int, config: Mapping[str, str] | None) -> TopicState:
    differences: list[str] = []
    if partitions != topic.partitions:
        means = split_world(partitions) if topic.role == "health" else None
        differences.append(
            f"{partitions} partitions, not {topic.partitions}" + (f": {means}" if means else "")
        )
    for key, value in topic.config.items():
        have = None if config is None else config.get(key)
        if have is not None and _policies(have) != _policies(value):
            differences.append(f"{key} is {have}, not {value}")
    return TopicState(topic, "differs" if differences else "good", "; ".join(differences))


def _policies(value: str) -> Sequence[str]:
    return sorted(part.strip() for part in value.split(","))
