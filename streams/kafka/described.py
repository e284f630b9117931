"""A topic's own id and its partitions, as the broker has them.

A topic that is deleted and made anew has another id, though its name and even its offsets may be the same (KIP-516,
Kafka 2.8). aiokafka's own question for metadata is of the fifth version, which has no ids; this is the tenth, of the
protocol guide: https://kafka.apache.org/protocol#The_Messages_Metadata.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any, Final, NamedTuple
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, MetadataEmptyBrokerList
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_METADATA: Final = 3
_VERSION: Final = 10
_NO_ID: Final = bytes(16)


class DescribedTopic(NamedTuple):
    """What the broker says of a topic. `id` is empty where the broker has none (before Kafka 2.8)."""

    id: str
    partitions: list[int]


class _Uuid(AbstractType[bytes]):
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _MetadataResponse(Response):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestV10(RequestStruct):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV10]):
    API_KEY = _METADATA

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV10]) -> _MetadataRequestV10:
        asked: list[Any] = [(_NO_ID, topic, {}) for topic in self._topics]
        return request_struct_class(asked, False, False, False, {})


async def describe(client: AIOKafkaClient, topics: Collection[str]) -> Mapping[str, DescribedTopic]:
    """Ask a broker that `client` has met. Topics that do not exist have no partitions.

    Raises KafkaError where the broker can't tell. One that has just come back may know of no broker at all, not even
    of itself: that is no answer (MetadataEmptyBrokerList).
    """
    if not await client.set_topics(topics):
        hosts = ", ".join(f"{host}:{port}" for host, port, *_ in client.hosts)
        raise MetadataEmptyBrokerList(f"no broker is registered yet at {hosts}")
    ids = await _ids(client, topics)
    return {
        topic: DescribedTopic(ids.get(topic, ""), sorted(client.cluster.partitions_for_topic(topic) or ()))
        for topic in topics
    }


async def _ids(client: AIOKafkaClient, topics: Collection[str]) -> Mapping[str, str]:
    """Return the ids that a broker tells; none where each is older than ids, or does not answer now."""
    for broker in client.cluster.brokers():
        try:
            response = await client.send(broker.nodeId, _MetadataRequest(topics))
        except (NotImplementedError, KafkaError):
            continue
        return {topic[1]: str(UUID(bytes=topic[2])) for topic in response.topics if topic[2] != _NO_ID}
    return {}
