"""The topics as they should be: made where they are missing, compared where they exist, with the remedy.

What exists is the operator's to change, with one exception: a checkpoints topic follows the topic whose checkpoints it
keeps, partition by partition, so it is widened with it. Automatic creation is never relied upon: it would give one
partition, and forget after a week what may not be forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.kafka.client import TopicReader
from streams.kafka.options import client_options
from streams.settings import KafkaSettings, Settings, TopicSettings

log = structlog.get_logger()

_DAY_MS: Final = 86_400_000
#: How often a broker is asked for a topic that it has just made.
_TRIES: Final = 100
#: Incidents are kept for more than a year: recurrence, and the observatory's own memory.
_INCIDENTS_DAYS: Final = 400
#: A figure from elsewhere is judged by the weeks before it.
_SIGNALS_DAYS: Final = 30
#: The topic whose checkpoints each keeps, partition by partition.
SOURCES: Final = {"checkpoints": "probes", "world_checkpoints": "health"}
#: The view over the world has to see every country and platform, so what it reads and remembers is one partition.
SINGLE: Final = ("health", "calendar", "annotations", "vantages", "world_checkpoints")


_STAMP: Final = "message.timestamp.type"
_POLICY: Final = "cleanup.policy"
_PUSHED: Final = ", so whoever writes to it can push the clock"
_COMPACTED: Final = ", so checkpoints, which have no key, are refused or forgotten"
#: What a difference leads to, by the topic's role and the setting.
_WHY: Final = {
    ("probes", _STAMP): _PUSHED,
    ("health", _STAMP): _PUSHED,
    ("annotations", _STAMP): ", so a closing waits for as long as its author's clock is ahead",
    ("checkpoints", _POLICY): _COMPACTED,
    ("world_checkpoints", _POLICY): _COMPACTED,
}
#: What no worker can go by, by the topic's role.
_FATAL: Final[Mapping[str, Mapping[str, str]]] = {
    "probes": {_STAMP: "LogAppendTime"},
    "health": {_STAMP: "LogAppendTime"},
    "checkpoints": {_POLICY: "delete"},
    "world_checkpoints": {_POLICY: "delete"},
}


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
    """How one topic stands.

    `state` is `made`, `widened`, `good`, `missing` or `differs`; `detail` says what differs, with the remedy.
    `partitions` is how many it has now.
    """

    topic: Topic
    state: str
    detail: str = ""
    partitions: int = 0


def wanted(topics: TopicSettings) -> list[Topic]:
    """All topics of an installation, from its settings."""
    days = str(int(topics.retention_days * _DAY_MS))
    durable = {"min.insync.replicas": "2"} if topics.replication >= 3 else {}
    kept = {_POLICY: "delete", "retention.ms": days}
    # The broker's own append time is a clock that no vantage can push (docs/architecture.md, "Time").
    stamped = {_STAMP: "LogAppendTime"}
    forever = {_POLICY: "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    incidents = {_POLICY: "compact,delete", "retention.ms": str(_INCIDENTS_DAYS * _DAY_MS)}
    configs: dict[str, dict[str, str]] = {
        "probes": kept | stamped,
        "alerts": incidents,
        "health": {_POLICY: "compact"} | stamped,
        "calendar": {_POLICY: "compact"},
        "vantages": {_POLICY: "compact"},
        # A person's clock may be days ahead: a closing counts from the broker's time at the latest.
        "annotations": incidents | stamped,
        "checkpoints": forever,
        "world_checkpoints": forever,
        "rejected": kept,
        "windows": kept,
        "signals": {_POLICY: "delete", "retention.ms": str(_SIGNALS_DAYS * _DAY_MS)},
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
    """Return what a health topic of several partitions means, and the remedy, or None if it has one."""
    if partitions <= 1:
        return None
    return (
        f"a worldwide outage of several platforms is told as up to {partitions} incidents; name new topics in "
        "topics.health and topics.world_checkpoints, and let `netdusk topics` make them"
    )


async def ensure(settings: Settings, *, create: bool = True) -> list[TopicState]:
    """Make missing topics, and return how each one stands. Raises KafkaError if no broker answers."""
    async with _admin(settings.kafka) as admin:
        existing = await _widths(settings, admin)
        states = []
        for topic in wanted(settings.topics):
            needed = _needed(topic, settings.topics, existing)
            partitions = existing.get(topic.name, 0)
            if not partitions:
                made = replace(topic, partitions=needed)
                states.append(await _make(admin, made) if create else TopicState(made, "missing"))
            elif topic.role in SOURCES and partitions < needed and create:
                states.append(await _widen(admin, topic, partitions, needed))
            else:
                config = await _config(admin, topic.name)
                states.append(_compare(replace(topic, partitions=needed), partitions, config))
        await wait_for(admin, {state.topic.name for state in states if state.state == "made"})
        return states


async def wait_for(admin: AIOKafkaAdminClient, names: Collection[str], *, pause: float = 0.1) -> bool:
    """Wait until the broker tells of these topics: it says that one is made before it can be written to.

    Asks every `pause` seconds. Returns False, and says so in the log, where one is not told of after all the tries.
    """
    missing, tries = set(names), _TRIES
    while missing and tries:
        await asyncio.sleep(pause)
        topics: list[Any] = await admin.describe_topics()
        missing -= {one["topic"] for one in topics if not one["error_code"] and one["partitions"]}
        tries -= 1
    if missing:
        log.warning("the broker does not tell of topics that it has made", topics=sorted(missing))
    return not missing


async def refusals(settings: Settings) -> list[str]:
    """Why a worker can't go by the topics as they are, each with its remedy. Raises KafkaError.

    What the broker does not tell (a right to describe topics may be missing) is taken as good.
    """
    whys: list[str] = []
    async with _admin(settings.kafka) as admin:
        existing = await admin.list_topics()
        for topic in wanted(settings.topics):
            fatal = _FATAL.get(topic.role, {})
            if settings.worker.clock != "live":
                fatal = {key: value for key, value in fatal.items() if key != _STAMP}
            if not fatal or topic.name not in existing:
                continue
            config = await _config(admin, topic.name)
            whys += [f"topic {topic.name}: {why}" for why in _config_differences(topic, fatal, config)]
    return whys


@asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _widths(settings: Settings, admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Return how many partitions each of netdusk's topics has, by name. Missing topics are left out."""
    reader = TopicReader(settings.kafka)
    existing = set(await admin.list_topics())
    return {
        topic.name: len(await reader.partitions_of(topic.name))
        for topic in wanted(settings.topics)
        if topic.name in existing
    }


def _needed(topic: Topic, topics: TopicSettings, existing: Mapping[str, int]) -> int:
    """How many partitions a topic has to have: those of the settings, and a checkpoints topic those of its source."""
    source = SOURCES.get(topic.role)
    if source is None:
        return topic.partitions
    return existing.get(getattr(topics, source)) or topic.partitions


async def _make(admin: AIOKafkaAdminClient, topic: Topic) -> TopicState:
    new = NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=dict(topic.config))
    answer: Any = await admin.create_topics([new])
    for _, code, *text in answer.topic_errors:
        if code == TopicAlreadyExistsError.errno:
            return TopicState(topic, "good", "made by somebody else meanwhile", topic.partitions)
        if code:
            kind = for_code(code)
            raise kind(f"topic {topic.name}: {next(iter(text), None) or kind.__name__}")
    return TopicState(topic, "made", partitions=topic.partitions)


async def _widen(admin: AIOKafkaAdminClient, topic: Topic, partitions: int, needed: int) -> TopicState:
    await admin.create_partitions({topic.name: NewPartitions(needed)})
    detail = f"from {partitions} to {needed} partitions, as many as the topic whose checkpoints it keeps"
    return TopicState(replace(topic, partitions=needed), "widened", detail, needed)


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str] | None:
    """Return the topic's settings as the broker has them, or None if it does not tell."""
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
    if topic.role in SOURCES:  # more partitions than needed hold nothing, and hurt nobody
        wrong = partitions < topic.partitions
    else:
        # Nobody judges by how many the others have. To widen them would part an incident's snapshots.
        wrong = (topic.role == "probes" or topic.role in SINGLE) and partitions != topic.partitions
    if wrong:
        differences.append(
            f"{partitions} partitions, not {topic.partitions}: {_width_remedy(topic, partitions)}"
        )
    differences += _config_differences(topic, topic.config, config)
    return TopicState(topic, "differs" if differences else "good", "; ".join(differences), partitions)


def _width_remedy(topic: Topic, partitions: int) -> str:
    if topic.role == "health":
        return split_world(partitions) or ""
    if topic.role in SOURCES:
        return "`netdusk topics` widens it"
    if topic.role in SINGLE:
        return "one is enough for it; it does no harm"
    if partitions < topic.partitions:
        return (
            f"set topics.partitions to {partitions}, or widen it with `kafka-topics.sh --alter --topic {topic.name} "
            f"--partitions {topic.partitions}` and run `netdusk topics` again"
        )
    return f"set topics.partitions to {partitions}: partitions can't be taken from a topic"


def _config_differences(
    topic: Topic, should: Mapping[str, str], config: Mapping[str, str] | None
) -> list[str]:
    differences = []
    for key, value in should.items():
        have = None if config is None else config.get(key)
        if have is None or _policies(have) == _policies(value):
            continue
        why = _WHY.get((topic.role, key), "")
        differences.append(f"{key} is {have}, not {value}{why}: `{_alter(topic.name, key, value)}`")
    return differences


def _alter(name: str, key: str, value: str) -> str:
    """The command that sets a topic's setting. A list is written in brackets."""
    written = f"[{value}]" if "," in value else value
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {key}={written}"


def _policies(value: str) -> Sequence[str]:
    return sorted(part.strip() for part in value.split(","))
