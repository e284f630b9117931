"""Who may do what on the broker: one table of rights, as commands for Apache Kafka and as Strimzi's KafkaUsers.

A right that is not in the table is refused, where the broker has an authorizer and no
`allow.everyone.if.no.acl.found`. What a vantage may say within the probes topic is for the register and the signature
to hold: Kafka knows topics, and no countries. Knows no client.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from streams.settings import Settings

#: So many bytes a second a vantage may write, on each broker: ten times what 40 targets every ten seconds need.
VANTAGE_BYTES_PER_SECOND: Final = 131_072


class Role(StrEnum):
    """What a user of the broker is for."""

    VANTAGE = "vantage"
    SOURCE = "source"
    WORKER = "worker"
    READER = "reader"
    ARCHIVE = "archive"
    NOTIFY = "notify"
    OPERATOR = "operator"


_READ: Final = ("Describe", "Read")
_WRITE: Final = ("Describe", "Write")
_BOTH: Final = ("Describe", "Read", "Write")
#: What each role may do with each topic, by the topic's role. Kafka lets whoever may write to a topic write
#: idempotently; transactions need a right on a transactional id, which nobody has.
TOPIC_RIGHTS: Final[Mapping[Role, Mapping[str, Sequence[str]]]] = {
    Role.VANTAGE: {"probes": _WRITE},
    # `netdusk ingest` and `netdusk pull`.
    Role.SOURCE: {"probes": _WRITE, "signals": _WRITE},
    Role.WORKER: {
        # It writes ticks, and looks whether the broker's clock stamps them.
        "probes": ("Describe", "DescribeConfigs", "Read", "Write"),
        "health": ("Describe", "DescribeConfigs", "Read", "Write"),
        # It drops what a snapshot has made needless.
        "checkpoints": ("Delete", "Describe", "DescribeConfigs", "Read", "Write"),
        "world_checkpoints": ("Delete", "Describe", "DescribeConfigs", "Read", "Write"),
        "alerts": _BOTH,
        "windows": _WRITE,
        "rejected": _WRITE,
        "calendar": _READ,
        "annotations": _READ,
        "vantages": _READ,
        "signals": _READ,
    },
    # The page, `report`, `incidents`, `top`. They are in no group: whoever may join that of `notify` can take its
    # partitions and keep it silent.
    Role.READER: {
        "alerts": _READ,
        "annotations": _READ,
        "calendar": _READ,
        "health": _READ,
        "windows": _READ,
    },
    Role.ARCHIVE: {"alerts": _READ, "annotations": _READ, "windows": _READ},
    Role.NOTIFY: {"alerts": _READ},
    # `netdusk topics`, `calendar`, `vantage`, `incidents close`, and `report` with raw results.
    Role.OPERATOR: {
        role: ("Alter", "Create", "Describe", "DescribeConfigs", *more)
        for role, more in {
            "alerts": ("Read",),
            "annotations": ("Read", "Write"),
            "calendar": ("Read", "Write"),
            "checkpoints": (),
            "health": ("Read",),
            "probes": ("Read",),
            "rejected": ("Read",),
            "signals": ("Read",),
            "vantages": ("Read", "Write"),
            "windows": ("Read",),
            "world_checkpoints": (),
        }.items()
    },
}


@dataclass(frozen=True, slots=True)
class Right:
    """Operations on one topic or group, `resource` says which kind."""

    resource: str
    name: str
    operations: Sequence[str]


@dataclass(frozen=True, slots=True)
class User:
    """A user of the broker: as Kafka names it (with TLS certificates `CN=NAME`), and what it is for."""

    role: Role
    name: str


def default_users() -> list[User]:
    """One user for each role."""
    return [User(role, f"netdusk-{role}") for role in Role]


def rights(role: Role, settings: Settings) -> list[Right]:
    """What a role may do, with the names that the settings give."""
    topics = dict(TOPIC_RIGHTS[role])
    if role is Role.ARCHIVE and settings.archive.results:
        topics["probes"] = _READ
    of_topics = [
        Right("topic", getattr(settings.topics, topic), operations) for topic, operations in topics.items()
    ]
    return of_topics + [Right("group", name, _READ) for name in _groups(role, settings)]


def _groups(role: Role, settings: Settings) -> Sequence[str]:
    if role is Role.WORKER:
        return (settings.kafka.group,)
    if role is Role.ARCHIVE:
        return (settings.archive.group,)
    if role is Role.NOTIFY:
        return (settings.notify.group,)
    return ()


def kafka_commands(settings: Settings, users: Sequence[User]) -> Iterator[str]:
    """Kafka's own commands, one a line: ACLs, then quotas."""
    server = f"--bootstrap-server {shlex.quote(settings.kafka.bootstrap)} --command-config admin.properties"
    for user in users:
        principal = shlex.quote(f"User:{user.name}")
        for right in rights(user.role, settings):
            operations = " ".join(f"--operation {one}" for one in right.operations)
            yield (
                f"kafka-acls.sh {server} --add --allow-principal {principal} {operations} "
                f"--{right.resource} {shlex.quote(right.name)}"
            )
    for user in users:
        if user.role is Role.VANTAGE:
            yield (
                f"kafka-configs.sh {server} --alter --entity-type users --entity-name {shlex.quote(user.name)} "
                f"--add-config producer_byte_rate={VANTAGE_BYTES_PER_SECOND}"
            )


def strimzi_users(
    settings: Settings, users: Sequence[User], *, cluster: str, tls: bool = False
) -> Iterator[str]:
    """Strimzi's KafkaUsers, one JSON document a user: `kubectl apply -f -` takes them. Passwords are Strimzi's to make.

    Strimzi names the user of a certificate `CN=NAME` by itself.
    """
    for user in users:
        spec: dict[str, Any] = {
            "authentication": {"type": "tls" if tls else "scram-sha-512"},
            "authorization": {
                "type": "simple",
                "acls": [
                    {
                        "resource": {"type": right.resource, "name": right.name, "patternType": "literal"},
                        "operations": list(right.operations),
                    }
                    for right in rights(user.role, settings)
                ],
            },
        }
        if user.role is Role.VANTAGE:
            spec["quotas"] = {"producerByteRate": VANTAGE_BYTES_PER_SECOND}
        document = {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaUser",
            "metadata": {
                "name": user.name.removeprefix("CN="),
                "labels": {"strimzi.io/cluster": cluster},
            },
            "spec": spec,
        }
        yield orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
