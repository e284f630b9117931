"""`netdusk archive`: what was counted and what was told, as Parquet files for ever."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from streams.archive.store import store_at
from streams.engine import library_logs
from streams.kafka.client import group_consumer, wait_for_broker
from streams.kafka.unanswered import answered, until
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)
log = structlog.get_logger()

_POLL_MS: Final = 500
#: More rows than these wait for no clock.
_ROWS_MAX: Final = 1_000_000
#: So long the broker may take to answer where only the order of the end hangs on it: SIGTERM ends within 10 seconds.
_LEAVE_SECONDS: Final = 3.0


@app.command()
def archive(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="A folder, or an object store like s3://bucket/path; over the settings."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Put what is on the topics now, and end.")] = False,
) -> None:
    """Keep closed windows, incidents and annotations as Parquet files, each exactly once, through any kill.

    Results are kept too where `archive.results` says so.

    Any number of archivers share the partitions. Read the files with `netdusk history`, the page, or anything that
    reads Parquet.
    """
    settings = with_bootstrap(load(config), bootstrap)
    place = url or settings.archive.url
    store = store_at(place)
    log.info("archiving", to=place)
    try:
        from streams.archive.writer import Archiver  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"netdusk archive needs {error.name}; `pip install '.[archive]'` where netdusk's source is"
        ) from error
    with answered(settings.kafka):
        asyncio.run(_run(settings, Archiver(store, keep_days=settings.archive.keep_days), once=once))


@asynccontextmanager
async def _within(consumer: AIOKafkaConsumer) -> AsyncIterator[None]:
    """Start a consumer, and let it leave its group at the end; not for ever where the broker is away."""
    await consumer.start()
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await consumer.stop()
        except TimeoutError:
            log.warning("the broker did not answer, the group was left without a word")


class ArchivedLog(ConsumerRebalanceListener):
    """The partitions that this archiver has. A rebalance may come while records are on their way to the archive.

    `lock` is held by whoever touches the archiver.
    """

    def __init__(self, consumer: Any, archiver: Any, roles: dict[str, str]) -> None:
        self.lock = asyncio.Lock()
        self._consumer = consumer
        self._archiver = archiver
        self._roles = roles
        # Assigned, and not taken on yet: what was fetched of them so far came from anywhere.
        self._new: set[TopicPartition] = set()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Put what was read, and let go."""
        async with self.lock:
            self._new.difference_update(revoked)
            try:
                if revoked:
                    await asyncio.to_thread(self._archiver.flush)
            finally:
                for place in revoked:
                    self._archiver.end(self._roles[place.topic], place.partition)

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Remember what is to be taken on: an error in here would only be logged."""
        self._new.update(assigned)

    async def take(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        """Give the archiver what was fetched of the partitions that it has, and begin the new ones."""
        async with self.lock:
            new = set(self._new)
            for place, records in fetched.items():
                if place not in new:
                    await asyncio.to_thread(self._take, place, records)
            if new:
                await self._begin(new)

    def _take(self, place: TopicPartition, records: list[Any]) -> None:
        for record in records:
            came = datetime.fromtimestamp(record.timestamp / 1000, tz=UTC)
            self._archiver.take(self._roles[place.topic], place.partition, record.offset, record.value, came)

    async def _begin(self, places: set[TopicPartition]) -> None:
        """Go on from where the archive's own positions say, whatever was committed."""
        try:
            starts = await self._consumer.beginning_offsets(list(places))
            ends = await self._consumer.end_offsets(list(places))
        except KafkaError as error:
            log.warning("the broker did not say where its partitions begin", why=repr(error))
            return
        for place in places:
            role = self._roles[place.topic]
            offset = await asyncio.to_thread(
                self._archiver.begin, role, place.partition, starts[place], ends[place]
            )
            self._consumer.seek(place, offset)
        self._new.difference_update(places)

    @property
    def ready(self) -> bool:
        """Whether every partition that was assigned is taken on."""
        return not self._new


async def _run(settings: Settings, archiver: Any, *, once: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    if not await until(stopped, wait_for_broker(settings.kafka)):
        return
    library_logs.bound()
    topics = settings.topics
    roles = {topics.windows: "windows", topics.alerts: "alerts", topics.annotations: "annotations"}
    if settings.archive.results:
        roles[topics.probes] = "probes"
    consumer = group_consumer(settings.kafka, settings.archive.group)
    async with _within(consumer):
        partitions = ArchivedLog(consumer, archiver, roles)
        consumer.subscribe(list(roles), listener=partitions)
        flushed, told = time.monotonic(), 0
        while not stopped.is_set():
            some = await consumer.getmany(timeout_ms=_POLL_MS, max_records=5000)
            await partitions.take(some)
            due = time.monotonic() - flushed >= settings.archive.flush_seconds
            caught_up = once and not some and partitions.ready and await _at_end(consumer)
            if due or caught_up or archiver.buffered > _ROWS_MAX:
                async with partitions.lock:
                    await _flush(consumer, archiver, roles)
                flushed = time.monotonic()
                if archiver.parts > told:
                    told = archiver.parts
                    log.info("kept", parts=told, rows=archiver.rows)
            if caught_up:
                break
        async with partitions.lock:
            await _flush(consumer, archiver, roles)
    log.info("archived", parts=archiver.parts, rows=archiver.rows, forgotten_offsets=archiver.gaps)


async def _at_end(consumer: AIOKafkaConsumer) -> bool:
    places = list(consumer.assignment())
    if not places:
        return False
    ends = await consumer.end_offsets(places)
    return all([await consumer.position(place) >= ends[place] for place in places])


async def _flush(consumer: AIOKafkaConsumer, archiver: Any, roles: dict[str, str]) -> None:
    """Put what was read; then commit, for whoever looks at the group's lag."""
    names = {role: topic for topic, role in roles.items()}
    for place in consumer.assignment():
        # A partition that was never read from has no position yet, and waits for the broker to get one.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                archiver.reached(roles[place.topic], place.partition, await consumer.position(place))
    done = await asyncio.to_thread(archiver.flush)
    await asyncio.to_thread(archiver.tidy)
    offsets = {TopicPartition(names[role], partition): offset for (role, partition), offset in done.items()}
    if offsets:
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # The archive's own positions are what counts.
            log.warning("offsets were not committed", why=repr(error))
