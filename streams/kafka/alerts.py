"""Incidents as the alerts topic has them: read back, or followed.

Each record is a whole snapshot; the one with the highest `seq` says how things stand.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

import msgspec
import structlog
from aiokafka import TopicPartition

from streams.kafka.client import TopicReader, consumer
from streams.records import Incident, decode
from streams.settings import Settings

log = structlog.get_logger()


def parse(value: bytes | None, place: str) -> Incident | None:
    """An incident, or None for a tombstone or what is none (said in the log with its place)."""
    if value is None:
        return None
    try:
        record = decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("a record of the alerts topic was passed over", place=place, why=str(error))
        return None
    return record if isinstance(record, Incident) else None


async def snapshots(settings: Settings, incident_id: str | None = None) -> list[Incident]:
    """Every snapshot that the topic still has (of one incident, or of all), oldest first, none twice."""
    reader = TopicReader(settings.kafka)
    topic = settings.topics.alerts
    by_version: dict[tuple[str, int], Incident] = {}
    for partition, (start, end) in (await reader.bounds(topic, await reader.partitions_of(topic))).items():
        async for record in reader.records(topic, partition, start, end):
            if incident_id is not None and record.key != incident_id.encode():
                continue
            incident = parse(record.value, f"{topic}-{partition}-{record.offset}")
            if incident is not None:
                by_version[incident.id, incident.seq] = incident
    return sorted(by_version.values(), key=lambda incident: (incident.onset, incident.id, incident.seq))


def latest(snapshots: Iterable[Incident]) -> list[Incident]:
    """How each incident stands, in the order of their onsets."""
    last: dict[str, Incident] = {}
    for incident in snapshots:
        if incident.id not in last or incident.seq >= last[incident.id].seq:
            last[incident.id] = incident
    return sorted(last.values(), key=lambda incident: (incident.onset, incident.id))


async def follow(settings: Settings) -> AsyncGenerator[Incident, None]:
    """Yield every snapshot from the beginning of the topic, each once, then those that come. Does not end."""
    topic = settings.topics.alerts
    partitions = await TopicReader(settings.kafka).partitions_of(topic)
    seen: set[tuple[str, int]] = set()
    async with consumer(settings.kafka) as source:
        source.assign([TopicPartition(topic, partition) for partition in partitions])
        await source.seek_to_beginning()
        while True:
            for place, records in (await source.getmany(timeout_ms=200)).items():
                for record in records:
                    incident = parse(record.value, f"{topic}-{place.partition}-{record.offset}")
                    if incident is not None and (incident.id, incident.seq) not in seen:
                        seen.add((incident.id, incident.seq))
                        yield incident
