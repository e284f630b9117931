"""Several topics read whole and then followed, as values: for a process that shows what stands on them.

Belongs to no group and commits nothing. A topic that is missing, or made anew, is waited for. Knows no record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.kafka.client import TopicReader, consumer
from streams.settings import KafkaSettings

log = structlog.get_logger()

_POLL_MS: Final = 250
_RETRY_SECONDS: Final = 3.0
#: So often it is looked whether a topic has come, or has more partitions.
_LOOK_SECONDS: Final = 60.0
_MISSING_SECONDS: Final = 2.0


async def follow_topics(
    kafka: KafkaSettings, topics: Mapping[str, int | None]
) -> AsyncIterator[Sequence[bytes] | None]:
    """Yield values as they come, from each topic's beginning or from a time (milliseconds) on; None once all are read.

    Does not end. What is broken is begun again from the beginning: the same values come again.
    """
    while True:
        try:
            async for batch in _follow(kafka, topics):
                yield batch
        except (KafkaError, OSError) as error:
            log.warning("topics can't be read; trying again", why=repr(error), in_seconds=_RETRY_SECONDS)
            await asyncio.sleep(_RETRY_SECONDS)


async def _follow(
    kafka: KafkaSettings, topics: Mapping[str, int | None]
) -> AsyncIterator[Sequence[bytes] | None]:
    reader = TopicReader(kafka)
    loop = asyncio.get_running_loop()
    async with consumer(kafka) as source:
        known: set[TopicPartition] = set()
        looked = -_LOOK_SECONDS
        missing = True
        at_end = False
        while True:
            if loop.time() - looked >= (_MISSING_SECONDS if missing else _LOOK_SECONDS):
                places = {
                    TopicPartition(topic, partition)
                    for topic in topics
                    for partition in await reader.partitions_of(topic)
                }
                missing = len({place.topic for place in places}) < len(topics)
                if places != known:
                    await _assign(source, known, places, topics)
                    known = places
                looked = loop.time()
            if not known:
                if not at_end:
                    at_end = True
                    yield None
                await asyncio.sleep(_MISSING_SECONDS)
                continue
            try:
                some = await source.getmany(timeout_ms=_POLL_MS, max_records=2000)
            except OffsetOutOfRangeError:
                await source.seek_to_beginning()
                continue
            values = [
                record.value for records in some.values() for record in records if record.value is not None
            ]
            if values:
                yield values
            if not at_end and await _at_end(source, known):
                at_end = True
                yield None


async def _assign(
    source: AIOKafkaConsumer,
    known: set[TopicPartition],
    places: set[TopicPartition],
    topics: Mapping[str, int | None],
) -> None:
    """Take on what is found, each where it stands or, what is new, where it begins."""
    positions = {place: await source.position(place) for place in known & places}
    source.assign(list(places))
    fresh = places - known
    timed = {place: topics[place.topic] for place in fresh if topics[place.topic] is not None}
    starts = await source.beginning_offsets(list(fresh)) if fresh else {}
    if timed:
        ends = await source.end_offsets(list(timed))
        for place, offset in (await source.offsets_for_times(timed)).items():
            starts[place] = ends[place] if offset is None else offset.offset
    for place, start in {**starts, **positions}.items():
        source.seek(place, start)


async def _at_end(source: AIOKafkaConsumer, places: set[TopicPartition]) -> bool:
    ends = await source.end_offsets(list(places))
    return all([await source.position(place) >= ends[place] for place in places])
