"""`netdusk archive`: what was counted and what was told, as Parquet files for ever."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, generate_latest

from streams.archive.metrics import ArchiveMetrics
from streams.archive.store import store_at, without_keys
from streams.engine import library_logs
from streams.engine.web import Answers, WebServer
from streams.errors import install
from streams.kafka.client import group_consumer, wait_for_broker
from streams.kafka.unanswered import answered, until
from streams.settings import HttpSettings, Settings, SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)
log = structlog.get_logger()

_POLL_MS: Final = 500
#: More rows than these wait for no clock.
_ROWS_MAX: Final = 1_000_000
#: So long the broker may take to answer where only the order of the end hangs on it: SIGTERM ends within 10 seconds.
_LEAVE_SECONDS: Final = 3.0
#: After a failure of the store the archiver waits so long, then twice as long, up to the most.
_REST_SECONDS: Final = 1.0
_REST_SECONDS_MAX: Final = 60.0


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

    Where the store fails, it waits, and goes on from what is in the archive; with `--once` it says so and ends.

    Any number of archivers share the partitions. Read the files with `netdusk history`, the page, or anything that
    reads Parquet.
    """
    settings = with_bootstrap(load(config), bootstrap)
    place = url or settings.archive.url
    store = store_at(place)
    log.info("archiving", to=without_keys(place))
    try:
        from streams.archive.writer import Archiver  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(f"netdusk archive needs {error.name}; {install('archive')}") from error
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
            except OSError as error:
                log.warning(
                    "the store failed; who has these partitions now reads again", why=str(error)[:300]
                )
            finally:
                self._let_go(revoked)

    def _let_go(self, places: Any) -> None:
        for place in places:
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

    async def begin_anew(self) -> None:
        """Let go of all that was read and is not put, as a kill would: what the archive says is where to go on.

        A failure may have come before or after a file was put, and nobody knows.
        """
        async with self.lock:
            assigned = self._consumer.assignment()
            self._let_go(assigned)
            self._new.update(assigned)

    @property
    def ready(self) -> bool:
        """Whether every partition that was assigned is taken on."""
        return not self._new


class Keeping:
    """Reads and puts, a turn after another. Where the store fails it rests, and goes on from what is in the archive."""

    def __init__(
        self,
        consumer: Any,
        archiver: Any,
        partitions: ArchivedLog,
        roles: dict[str, str],
        settings: Settings,
        metrics: ArchiveMetrics,
        *,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self._consumer = consumer
        self._archiver = archiver
        self._partitions = partitions
        self._roles = roles
        self._flush_seconds = settings.archive.flush_seconds
        self._metrics = metrics
        self._flushed = time.monotonic()
        self._told = 0
        # It has failed so often since it last put something.
        self._failures = 0
        self._rest_seconds = rest_seconds
        # Where each partition ended when `_at_end` was first asked; those without records are left out.
        self._end_of: dict[TopicPartition, int] | None = None

    async def turn(self, *, once: bool) -> bool:
        """Read what came, and put what is due. Returns whether all is put and, with `once`, nothing is left to do.

        Raises OSError where the store fails.
        """
        some = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=5000)
        await self._partitions.take(some)
        # After a failure nobody waits long to know whether files can be put again.
        wait = self._resting() if self._failures else self._flush_seconds
        due = time.monotonic() - self._flushed >= min(wait, self._flush_seconds)
        caught_up = once and not some and self._partitions.ready and await self._at_end()
        if due or caught_up or self._archiver.buffered > _ROWS_MAX:
            await self.put()
        return caught_up

    async def _at_end(self) -> bool:
        """Whether all that stood on the topics when this was first asked is read, here or by who shares the group.

        Who was killed has its partitions until the group misses it: the end of those that are left is not the end.
        """
        consumer, end_of = self._consumer, self._end_of
        if not consumer.assignment():
            return False
        if end_of is None:
            places = [
                TopicPartition(topic, number)
                for topic in self._roles
                for number in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            starts = await consumer.beginning_offsets(places)
            ends = await consumer.end_offsets(places)
            end_of = self._end_of = {place: end for place, end in ends.items() if end > starts[place]}
        for place, end in end_of.items():
            mine = place in consumer.assignment()
            reached = await (consumer.position(place) if mine else consumer.committed(place))
            if reached is None or reached < end:
                return False
        return True

    def _resting(self) -> float:
        """How long to rest after so many failures."""
        return min(self._rest_seconds * 2.0 ** min(self._failures, 10), _REST_SECONDS_MAX)

    async def put(self) -> None:
        """Put what was read. Raises OSError where the store fails."""
        archiver = self._archiver
        async with self._partitions.lock:
            await _flush(self._consumer, archiver, self._roles)
        self._flushed = time.monotonic()
        self._metrics.put(archiver.parts, archiver.rows, time.time())
        if archiver.parts > self._told:
            self._told = archiver.parts
            log.info("kept", parts=archiver.parts, rows=archiver.rows)
            if self._failures:
                log.info("the store takes files again")
            self._failures = 0

    async def rest(self, stopped: asyncio.Event, why: OSError) -> None:
        """Stay in the group while the store rests; what is read and not put will be read again."""
        seconds = self._resting()
        self._failures += 1
        self._metrics.store_failed()
        log.error("the store failed; it is tried again", seconds=seconds, why=str(why)[:300])
        await self._partitions.begin_anew()
        until = time.monotonic() + seconds
        while not stopped.is_set() and time.monotonic() < until:
            # Also what was assigned meanwhile. Who asks for nothing for long is taken out of the group.
            self._consumer.pause(*self._consumer.assignment())
            await self._consumer.getmany(timeout_ms=_POLL_MS)
        self._consumer.resume(*self._consumer.assignment())
        self._flushed = time.monotonic()


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
    async with AsyncExitStack() as stack:
        metrics = await _metrics_page(settings, stack)
        await stack.enter_async_context(_within(consumer))
        partitions = ArchivedLog(consumer, archiver, roles)
        consumer.subscribe(list(roles), listener=partitions)
        keeping = Keeping(consumer, archiver, partitions, roles, settings, metrics)
        finished = False
        while not (stopped.is_set() or finished):
            try:
                finished = await keeping.turn(once=once)
            except OSError as error:
                if once:
                    raise SettingsError(
                        f"archive.url: the store failed ({error}); what was not put is read again at the next start"
                    ) from error
                await keeping.rest(stopped, error)
        try:
            await keeping.put()
        except OSError as error:
            log.error(
                "the store failed; what was not put is read again at the next start", why=str(error)[:300]
            )
    log.info("archived", parts=archiver.parts, rows=archiver.rows, forgotten_offsets=archiver.gaps)


async def _metrics_page(settings: Settings, stack: AsyncExitStack) -> ArchiveMetrics:
    """Open /metrics where a port is set, until the stack is left."""
    registry = CollectorRegistry()
    metrics = ArchiveMetrics(registry)
    port = settings.archive.metrics_port
    if port is None:
        return metrics

    async def figures() -> bytes:
        return generate_latest(registry)

    http = HttpSettings(host=settings.http.host, port=port)
    server = WebServer(http, Answers(figures, lambda: None, lambda: None, lambda: None))
    try:
        await server.start()
    except OSError as error:
        raise SettingsError(
            f"settings: archive.metrics_port = {port}: {error.strerror}; name a free port, or 0 for any"
        ) from error
    stack.push_async_callback(server.stop)
    return metrics


async def _flush(consumer: AIOKafkaConsumer, archiver: Any, roles: dict[str, str]) -> None:
    """Put what was read; then commit, for whoever looks at the group's lag."""
    names = {role: topic for topic, role in roles.items()}
    for place in consumer.assignment():
        position = None
        # A partition that was never read from has no position yet, and waits for the broker to get one.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                position = await consumer.position(place)
        if position is not None:
            await asyncio.to_thread(archiver.reached, roles[place.topic], place.partition, position)
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
