"""aiokafka's clients, as this project uses them: producers, consumers outside of groups, and reading by offset.

Knows no topic and no record.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from streams.kafka.described import DescribedTopic, describe
from streams.kafka.options import client_options, producer_options
from streams.kafka.unanswered import overheard
from streams.settings import KafkaSettings

#: The largest record a producer of ours hands over; the broker's own limit may well be lower.
REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024
_FETCH_BYTES_MAX: Final = 4 * 1024 * 1024
# How long an answer of the broker is waited for: one that was lost costs so much, and not aiokafka's 40 s.
REQUEST_TIMEOUT_MS: Final = 10_000
# A connection and its greetings cost more than an answer.
_PAUSE_SECONDS: Final = 0.1
#: A partition that is not known is looked for after these: a broker may not have heard yet what its controller made.
_LOOK_AGAIN_SECONDS: Final = (0.0, 0.1, 0.2, 0.4, 0.8)
# aiokafka's own default.
_BATCH_BYTES: Final = 16_384
# An empty answer that comes sooner was not held by the broker.
_BACKOFF_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)

log = structlog.get_logger()


class Producer(AIOKafkaProducer):
    """aiokafka's producer, which looks again where its picture of a topic lacks a partition.

    A topic that was widened a moment ago has partitions that this process learned of elsewhere; aiokafka's own answer
    is an AssertionError. Here it is UnknownTopicOrPartitionError, and only where the broker does not know it either.
    """

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a record. Returns the future of the broker's answer."""
        if partition is not None:
            await self._look_for(topic, partition)
        future: asyncio.Future[Any] = await super().send(  # type: ignore[no-untyped-call]
            topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms, headers=headers
        )
        return future

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Queue a batch that `create_batch` made. Returns the future of the broker's answer."""
        await self._look_for(topic, partition)
        future: asyncio.Future[Any] = await super().send_batch(  # type: ignore[no-untyped-call]
            batch, topic, partition=partition
        )
        return future

    async def _look_for(self, topic: str, partition: int) -> None:
        known = await self._known(topic)
        for seconds in _LOOK_AGAIN_SECONDS:
            if partition in known:
                return
            await asyncio.sleep(seconds)
            await self.client.force_metadata_update()
            known = await self._known(topic)
        if partition not in known:
            raise UnknownTopicOrPartitionError(f"{topic}: no partition {partition}, there are {len(known)}")

    async def _known(self, topic: str) -> set[int]:
        known: set[int] = await self.partitions_for(topic)  # type: ignore[no-untyped-call]
        return known


def producer(
    kafka: KafkaSettings,
    *,
    compressed: bool = True,
    request_timeout_ms: int = REQUEST_TIMEOUT_MS,
    max_batch_size: int = _BATCH_BYTES,
) -> AIOKafkaProducer:
    """A producer that loses nothing that it acknowledged. Not started yet.

    `compressed` is off for one whose records are compressed already.
    """
    options = producer_options(kafka)
    if not compressed:
        options["compression_type"] = None
    return Producer(  # type: ignore[no-untyped-call]
        **options,
        max_request_size=REQUEST_BYTES_MAX,
        max_batch_size=max_batch_size,
        request_timeout_ms=request_timeout_ms,
        # A leader that moved is found out by its refusal, a partition that is new by `Producer`.
        metadata_max_age_ms=300_000,
    )


async def ended(stopping: Awaitable[object]) -> bool:
    """Wait for something of aiokafka's to stop. Returns whether it came to its end.

    A fetch that failed rests a moment before the next one. aiokafka cancels it there, waits for it, and so raises
    CancelledError in whoever stops its consumer. Only the caller's own is raised here.
    """
    try:
        await stopping
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return False
    return True


class Consumer(AIOKafkaConsumer):
    """aiokafka's consumer, which ends also where a broker has just gone: see `ended`."""

    async def stop(self) -> None:
        """Leave the group, if it has one, and close the connections. Raises CancelledError for its caller's alone."""
        if not await ended(super().stop()):  # type: ignore[no-untyped-call]
            await self._client.close()


def consumer(kafka: KafkaSettings, *, committed: bool = False) -> AIOKafkaConsumer:
    """A consumer that belongs to no group and commits nothing. Not started yet.

    `committed`: it leaves out the records of transactions that were aborted, as a worker does.
    """
    client = Consumer(  # type: ignore[no-untyped-call]
        **client_options(kafka),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_partition_fetch_bytes=_FETCH_BYTES_MAX,
        fetch_max_wait_ms=100,
        isolation_level="read_committed" if committed else "read_uncommitted",
    )
    return client


def group_consumer(kafka: KafkaSettings, group: str, *, reset: str = "earliest") -> AIOKafkaConsumer:
    """A consumer that shares partitions with its group. Not started yet.

    `reset` says where a group begins that has committed nothing: `earliest` or `latest`.
    """
    return Consumer(  # type: ignore[no-untyped-call]
        **client_options(kafka),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset=reset,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_partition_fetch_bytes=_FETCH_BYTES_MAX,
        fetch_max_wait_ms=200,
    )


async def connect(kafka: KafkaSettings, *, compressed: bool = True) -> AIOKafkaProducer:
    """Return a started producer. Raises KafkaError if no broker answers."""
    fresh = producer(kafka, compressed=compressed)
    try:
        await fresh.start()
    except BaseException:
        await disconnect(fresh)
        raise
    return fresh


async def disconnect(old: AIOKafkaProducer) -> None:
    """Stop a producer, within a bounded time even where its broker has gone."""
    try:
        await asyncio.wait_for(old.stop(), 2.0)
    except (TimeoutError, KafkaError, OSError):
        with suppress(KafkaError, OSError):
            await old.client.close()


async def wait_for_broker(kafka: KafkaSettings, *, patience_seconds: float = math.inf) -> None:
    """Return once a broker answers; say at once, and at every try, that none does.

    Raises what the last try raised (KafkaError, OSError) where patience is at an end: a person waits for an answer.
    """
    tries = 0
    end = time.monotonic() + patience_seconds
    while True:
        client = AIOKafkaClient(**client_options(kafka), request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            with overheard() as ears:
                await client.bootstrap()
        except (KafkaError, OSError) as error:
            seconds = _BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)]
            if time.monotonic() + seconds > end:
                raise
            log.warning(
                "no broker answers; trying again",
                bootstrap=kafka.bootstrap,
                in_seconds=seconds,
                why=ears.cause(error),
            )
            tries += 1
            await asyncio.sleep(seconds)
        else:
            if tries:
                log.info("the broker answers", bootstrap=kafka.bootstrap)
            return
        finally:
            await client.close()


Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Asks for many at once: what is asked while an answer is waited for goes together with the next request.

    So every answer is younger than its question. After an answer to several, `pause_seconds` pass before the next
    request, so that it too is for several; one who asks alone does not wait.
    """

    def __init__(
        self, ask: Callable[[Collection[Q]], Awaitable[Mapping[Q, A]]], *, pause_seconds: float = 0.0
    ) -> None:
        self._ask = ask
        self._pause_seconds = pause_seconds
        self._waiting: list[tuple[Sequence[Q], asyncio.Future[Mapping[Q, A]]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, questions: Sequence[Q]) -> Mapping[Q, A]:
        """Return the answers, of others too. Raises what asking raises."""
        if not questions:
            return {}  # aiokafka would wait for ever
        answers: asyncio.Future[Mapping[Q, A]] = asyncio.get_running_loop().create_future()
        self._waiting.append((questions, answers))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all(), name="asking the broker")
        return await answers

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._answer(asked)
                if self._pause_seconds and len(asked) > 1:
                    await asyncio.sleep(self._pause_seconds)
        finally:
            self._asking = None

    async def _answer(self, asked: Sequence[tuple[Sequence[Q], asyncio.Future[Mapping[Q, A]]]]) -> None:
        try:
            answers = await self._ask({question for questions, _ in asked for question in questions})
        except Exception as error:  # it is theirs who have asked
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
        else:
            for _, future in asked:
                if not future.done():
                    future.set_result(answers)


class TopicReader:
    """Reads stretches of partitions, by offset, outside of any group."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._bounds = Together(self._ask_bounds, pause_seconds=_PAUSE_SECONDS)
        self._topics = Together(self._ask_topics, pause_seconds=_PAUSE_SECONDS)
        self._deletions = Together(self._delete_before)

    async def start_of(self, topic: str, partition: int) -> int:
        """The first offset that the broker still has (Kafka's log start)."""
        return (await self.bounds(topic, [partition]))[partition][0]

    async def bounds(self, topic: str, partitions: list[int]) -> dict[int, tuple[int, int]]:
        """First and next offset of each partition."""
        places = [TopicPartition(topic, partition) for partition in partitions]
        bounds = await self._bounds.ask(places)
        return {place.partition: bounds[place] for place in places}

    async def _ask_bounds(
        self, places: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, tuple[int, int]]:
        async with consumer(self._kafka) as reader:
            starts = await reader.beginning_offsets(places)
            ends = await reader.end_offsets(places)
        return {place: (starts[place], ends[place]) for place in places}

    async def describe(self, topic: str) -> DescribedTopic:
        """Return the topic's id and partitions, none if it does not exist. Raises KafkaError if no broker can tell."""
        return (await self._topics.ask([topic]))[topic]

    async def describe_each(self, topics: Sequence[str]) -> Mapping[str, DescribedTopic]:
        """Describe several topics with one request. Raises KafkaError if no broker can tell."""
        return await self._topics.ask(topics)

    async def partitions_of(self, topic: str) -> list[int]:
        """Return the topic's partitions, none if it does not exist. Raises KafkaError if no broker can tell."""
        return (await self.describe(topic)).partitions

    async def _ask_topics(self, topics: Collection[str]) -> Mapping[str, DescribedTopic]:
        client = AIOKafkaClient(**client_options(self._kafka), request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            await client.bootstrap()
            return await describe(client, topics)
        finally:
            await client.close()

    async def read(
        self, topic: str, partition: int, start: int, end: int
    ) -> AsyncIterator[tuple[int, bytes | None]]:
        """Offsets and values of the records in [start, end)."""
        async for record in self.records(topic, partition, start, end):
            yield record.offset, record.value

    async def records(
        self, topic: str, partition: int, start: int, end: int, *, committed: bool = False
    ) -> AsyncIterator[Any]:
        """Yield the records in [start, end), as aiokafka has them; with `committed`, none that was taken back."""
        if start >= end:
            return
        place = TopicPartition(topic, partition)
        async with consumer(self._kafka, committed=committed) as reader:
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
        """Return the first offset from `offset` on that holds a record, or None if none does.

        Records of transactions that were aborted are none.
        """
        end = (await self.bounds(topic, [partition]))[partition][1]
        async for record in self.records(topic, partition, offset, end, committed=True):
            first: int = record.offset
            return first
        return None

    async def since(self, topic: str, timestamp_ms: int) -> dict[int, tuple[int, int]]:
        """For each partition: the first offset written at `timestamp_ms` or later, and the end."""
        places = [TopicPartition(topic, partition) for partition in await self.partitions_of(topic)]
        if not places:
            return {}
        async with consumer(self._kafka) as reader:
            starts = await reader.offsets_for_times(dict.fromkeys(places, timestamp_ms))
            ends = await reader.end_offsets(places)
        return {
            place.partition: (start.offset if (start := starts.get(place)) else ends[place], ends[place])
            for place in places
        }

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Let the broker drop the records before `offset`."""
        await self._deletions.ask([(TopicPartition(topic, partition), offset)])

    async def _delete_before(
        self, places: Collection[tuple[TopicPartition, int]]
    ) -> Mapping[tuple[TopicPartition, int], None]:
        admin = AIOKafkaAdminClient(**client_options(self._kafka), request_timeout_ms=REQUEST_TIMEOUT_MS)
        await admin.start()
        try:
            # Ascending: of a partition that is there twice the later offset stays.
            await admin.delete_records({place: RecordsToDelete(offset) for place, offset in sorted(places)})
        finally:
            await admin.close()
        return dict.fromkeys(places)
