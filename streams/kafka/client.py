"""How to reach the broker: the settings, as aiokafka and Faust want them.

Knows no topic and no record.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, MetadataEmptyBrokerList
from aiokafka.protocol.fetch import FetchRequest

from streams.kafka.bulk import partition_of
from streams.settings import KafkaSettings

#: The largest record a producer of ours hands over; the broker's own limit may well be lower.
REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024
_FETCH_BYTES_MAX: Final = 4 * 1024 * 1024
_HELD_SECONDS: Final = 0.01  # an empty answer that comes sooner was not held
_HOLD_SECONDS: Final = 0.02
_BACKOFF_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)

log = structlog.get_logger()


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """The TLS context that the settings ask for, None for plain text."""
    if not kafka.security_protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=str(kafka.ssl_ca) if kafka.ssl_ca else None)
    if kafka.ssl_certificate is not None:
        context.load_cert_chain(kafka.ssl_certificate, kafka.ssl_key)
    return context


def options(kafka: KafkaSettings) -> dict[str, Any]:
    """Arguments that every aiokafka client takes."""
    found: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap,
        "client_id": kafka.client_id,
        "security_protocol": kafka.security_protocol,
        "ssl_context": ssl_context(kafka),
    }
    if kafka.security_protocol.startswith("SASL"):
        found |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        }
    return found


def producer(
    kafka: KafkaSettings, *, compressed: bool = True, request_timeout_ms: int = 10_000
) -> AIOKafkaProducer:
    """A producer that loses nothing that it acknowledged: acks=all, idempotent. Not started yet.

    `compressed` is off for one whose records are compressed already.
    """
    return AIOKafkaProducer(
        **options(kafka),
        acks="all",
        enable_idempotence=True,
        compression_type=kafka.compression if compressed and kafka.compression != "none" else None,
        max_request_size=REQUEST_BYTES_MAX,
        request_timeout_ms=request_timeout_ms,
        metadata_max_age_ms=30_000,
    )


def consumer(kafka: KafkaSettings) -> AIOKafkaConsumer:
    """A consumer that belongs to no group and commits nothing. Not started yet."""
    made = AIOKafkaConsumer(
        **options(kafka),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=_FETCH_BYTES_MAX,
        fetch_max_wait_ms=100,
    )
    hold_empty_fetches(made)
    return made


def hold_empty_fetches(consumer: AIOKafkaConsumer) -> None:
    """Wait in the broker's place where it does not.

    Kafka holds a fetch that finds nothing for `fetch_max_wait_ms`; the embedded broker answers at once, and aiokafka
    asks again at once, a thousand times a second. For a broker that holds fetches this changes nothing.
    """
    client: Any = consumer._client
    send = client.send

    async def unhurried(node_id: int, request: Any, **more: Any) -> Any:
        if not isinstance(request, FetchRequest):
            return await send(node_id, request, **more)
        began = time.monotonic()
        response = await send(node_id, request, **more)
        if time.monotonic() - began < _HELD_SECONDS and not _has_records(response):
            await asyncio.sleep(_HOLD_SECONDS)
        return response

    client.send = unhurried


def _has_records(response: Any) -> bool:
    """Whether any partition's part of a fetch response has records; its last field is they, in every version."""
    return any(part[-1] for _, partitions in response.topics for part in partitions)


async def connect(kafka: KafkaSettings, *, compressed: bool = True) -> AIOKafkaProducer:
    """A started producer. Raises KafkaError where no broker answers."""
    fresh = producer(kafka, compressed=compressed)
    try:
        await fresh.start()
    except BaseException:
        await disconnect(fresh)
        raise
    return fresh


async def send_together(
    producer: AIOKafkaProducer, topic: str, records: Sequence[tuple[bytes, bytes]]
) -> list[Awaitable[Any]]:
    """Send keys and values as whole batches, each in the partition that `send` would choose.

    A future for each record, and what comes with it, costs ten times as much. Gives one future a batch.
    """
    partitions = len(await producer.partitions_for(topic))
    by_partition: dict[int, list[tuple[bytes, bytes]]] = {}
    for key, value in records:
        partition = partition_of(key, partitions) if partitions > 1 else 0
        by_partition.setdefault(partition, []).append((key, value))
    sent: list[Awaitable[Any]] = []
    for partition, some in by_partition.items():
        batch = producer.create_batch()
        for key, value in some:
            if batch.append(key=key, value=value, timestamp=None) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent


async def disconnect(old: AIOKafkaProducer) -> None:
    """Stop a producer, within a bounded time even where its broker has gone."""
    try:
        await asyncio.wait_for(old.stop(), 2.0)
    except (TimeoutError, KafkaError, OSError):
        with suppress(KafkaError, OSError):
            await old.client.close()


async def wait_for_broker(kafka: KafkaSettings) -> None:
    """Return once a broker answers; say at once, and at every try, that none does."""
    tries = 0
    while True:
        client = AIOKafkaClient(**options(kafka))
        try:
            await client.bootstrap()
        except (KafkaError, OSError) as error:
            seconds = _BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)]
            log.warning(
                "no broker answers; trying again",
                bootstrap=kafka.bootstrap,
                in_seconds=seconds,
                why=str(error) or type(error).__name__,
            )
            tries += 1
            await asyncio.sleep(seconds)
        else:
            if tries:
                log.info("the broker answers", bootstrap=kafka.bootstrap)
            return
        finally:
            await client.close()


class TopicReader:
    """Reads stretches of partitions, by offset, outside of any group."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    async def start_of(self, topic: str, partition: int) -> int:
        """The first offset that the broker still has (Kafka's log start)."""
        return (await self.bounds(topic, [partition]))[partition][0]

    async def bounds(self, topic: str, partitions: list[int]) -> dict[int, tuple[int, int]]:
        """First and next offset of each partition."""
        if not partitions:
            return {}  # aiokafka would wait for ever
        places = [TopicPartition(topic, partition) for partition in partitions]
        async with consumer(self._kafka) as reader:
            starts = await reader.beginning_offsets(places)
            ends = await reader.end_offsets(places)
        return {place.partition: (starts[place], ends[place]) for place in places}

    async def partitions_of(self, topic: str) -> list[int]:
        """Its partitions; none where the topic does not exist. Raises KafkaError where the broker can't tell.

        A broker that has just come back may know of no broker at all, not even of itself: that is no answer.
        """
        client = AIOKafkaClient(**options(self._kafka))
        try:
            await client.bootstrap()
            if not await client.add_topic(topic):
                raise MetadataEmptyBrokerList(f"no broker is registered yet at {self._kafka.bootstrap}")
            return sorted(client.cluster.partitions_for_topic(topic) or ())
        finally:
            await client.close()

    async def read(
        self, topic: str, partition: int, start: int, end: int
    ) -> AsyncIterator[tuple[int, bytes | None]]:
        """Offsets and values of the records in [start, end)."""
        async for record in self.records(topic, partition, start, end):
            yield record.offset, record.value

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Any]:
        """The records in [start, end), as aiokafka gives them."""
        if start >= end:
            return
        place = TopicPartition(topic, partition)
        async with consumer(self._kafka) as reader:
            reader.assign([place])
            reader.seek(place, start)
            # `position` moves over what is no record to us (a transaction's marker) too.
            while await reader.position(place) < end:
                for records in (await reader.getmany(place, timeout_ms=200)).values():
                    for record in records:
                        if record.offset >= end:
                            return
                        yield record

    async def first_from(self, topic: str, partition: int, offset: int) -> int | None:
        """The first offset from there on that holds a record; None where none does."""
        end = (await self.bounds(topic, [partition]))[partition][1]
        async for found, _ in self.read(topic, partition, offset, end):
            return found
        return None

    async def since(self, topic: str, timestamp_ms: int) -> dict[int, tuple[int, int]]:
        """For each partition: the first offset written at `timestamp_ms` or later, and the end."""
        places = [TopicPartition(topic, partition) for partition in await self.partitions_of(topic)]
        if not places:
            return {}
        async with consumer(self._kafka) as reader:
            found = await reader.offsets_for_times(dict.fromkeys(places, timestamp_ms))
            ends = await reader.end_offsets(places)
        return {
            place.partition: (at.offset if (at := found.get(place)) else ends[place], ends[place])
            for place in places
        }

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Let the broker drop the records before `offset`."""
        admin = AIOKafkaAdminClient(**options(self._kafka))
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(offset)})
        finally:
            await admin.close()
