"""The worker: Faust's app around the partitions that it is given, the clock's ticks, the page.

Faust says which partitions are ours and brings their records; what is true stands in the checkpoint log. This file
decides nothing about results or incidents, and knows no country: what is done with a topic is handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, cast

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams.engine.batches import KafkaRecord, RecordBatch, UnreadChunk
from streams.engine.faust_app import make_app
from streams.engine.gates import ChunkGate, PlainGate
from streams.engine.machine_thread import MachineThread
from streams.engine.metrics import WorkerMetrics
from streams.engine.pace import Pace
from streams.engine.partition import Partition, PartitionState
from streams.engine.presence import BrokerPresence
from streams.engine.shared_producers import SharedProducers
from streams.engine.standing import Readiness
from streams.engine.surroundings import Pipeline, Surroundings
from streams.engine.ticker import Ticker
from streams.engine.transport import ChunkConsumer, usable
from streams.engine.watcher import Ends, Watcher
from streams.engine.web import Answers, WebServer
from streams.errors import why_not_reached
from streams.kafka.client import TopicReader, wait_for_broker
from streams.kafka.notes import Notes
from streams.kafka.topics import refusals
from streams.settings import Settings

log = structlog.get_logger()

_CLOSE_SECONDS: Final = 3.0
_CLOSE_ALONE_SECONDS: Final = 0.5
# So many logs are read at a time. More would hold more snapshots in memory at once.
_RESTORES_AT_ONCE: Final = 16
_NOTES_SECONDS: Final = 2.0
_TOPICS_SECONDS: Final = 2.0


class Worker:
    """Owns partitions, as Faust assigns them.

    Parameters
    ----------
    pipelines
        What is read, and by which machine.
    notes
        What running machines are told of; None: there is nothing.
    registry
        Where the metrics are registered; one of its own by default.
    chunks
        Whether to use the chunk transport; None: wherever it can run.

    Attributes
    ----------
    closed
        Whether all partitions have been let go of in order.
    """

    def __init__(
        self,
        settings: Settings,
        pipelines: Sequence[Pipeline],
        *,
        notes: Notes | None = None,
        registry: CollectorRegistry | None = None,
        chunks: bool | None = None,
    ) -> None:
        self.settings = settings
        self.pipelines = {pipeline.topic: pipeline for pipeline in pipelines}
        self.partitions: dict[TP, Partition] = {}
        self.closed = False
        self.registry = registry or CollectorRegistry()
        self.metrics = WorkerMetrics(self.registry, settings.labels)
        self.reader = TopicReader(settings.kafka)
        self._notes = notes
        self._widths: dict[str, int] = {}  # partitions of each source topic
        self.chunks = self._can_use_chunks(chunks)
        self.app = make_app(self, settings, self.pipelines)
        # A replay's ticks come from its file, at any time.
        self._pace = Pace(settings.worker.chunk_seconds if settings.worker.clock == "live" else 0.0)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="machines")
        self._machines = MachineThread(self._executor)
        self._around = Surroundings(
            settings,
            self.metrics,
            self.reader,
            ChunkGate(self.app) if self.chunks else PlainGate(self.app),
            self._machines,
            asyncio.Semaphore(_RESTORES_AT_ONCE),
            self._pace,
            SharedProducers(settings.kafka),
            SharedProducers(settings.kafka),
            BrokerPresence(settings.kafka.bootstrap),
        )
        self._watcher = Watcher(self._around, self.partitions, self._ends, self.pipelines)
        self._around.recount = self._watcher.recount
        self.standing = Readiness(self.partitions, self.metrics, self._machines, self._watcher.unready)
        self._ticker = Ticker(settings, self._ticking, self.metrics.tick_failures, self._around)
        self._web = WebServer(
            settings.http,
            Answers(
                self.standing.figures,
                self.standing.unhealthy,
                self.standing.unready,
                self.standing.restoring,
            ),
        )

    def _can_use_chunks(self, chunks: bool | None) -> bool:
        why_not = usable() if chunks is None else (None if chunks else "switched off")
        if why_not is not None:
            log.warning(
                "reading record by record, which is slower: the chunk transport can't run", why=why_not
            )
        self.metrics.say_build("records" if why_not else "chunks")
        return why_not is None

    # coming up and going

    async def prepare(self) -> None:
        """Come up: the page first, so that it can say what is being waited for; then broker and topics.

        Faust ends the process at an OSError, and says nothing: so we do.
        """
        try:
            await self._come_up()
        except OSError as error:
            log.error("the worker can't start", why=str(error))
            raise

    async def _come_up(self) -> None:
        try:
            await self._web.start()
        except OSError as error:
            http = self.settings.http
            raise OSError(
                f"http.port = {http.port}: port {http.port} of {http.host} can't be had "
                f"({why_not_reached(error)}); name a free one there, or 0 for any"
            ) from error
        await wait_for_broker(self.settings.kafka)
        await self._wait_for_topics()
        self._warn_of_widths()
        await self._read_notes()
        if self.chunks:
            consumer = cast(ChunkConsumer, self.app.consumer)
            consumer.position_of, consumer.pace = self._position_of, self._pace

    def jobs(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What runs beside the agents."""
        return [self._ticker.run(), self._watcher.run(), self._follow_notes()]

    async def close(self) -> None:
        """Finish the chunks in hand; nothing new is taken."""
        partitions = list(self.partitions.values())
        self.partitions.clear()
        # What a broker that is away has not acknowledged by now, it will not in a moment; the log is right either way.
        grace = _CLOSE_ALONE_SECONDS if self._around.presence.failing else _CLOSE_SECONDS
        await asyncio.gather(*(partition.close(grace) for partition in partitions))
        await asyncio.gather(self._around.checkpoint_producers.close(), self._around.output_producers.close())
        self.closed = True

    def may_leave(self) -> bool:
        """Whether nobody waits for this process any more: its partitions are let go of, and no broker answers."""
        return self.closed and self._around.presence.failing

    async def stop(self) -> None:
        """Let go of everything else."""
        await self._web.stop()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _wait_for_topics(self) -> None:
        logged: str | None = None
        while (why := await self._missing_topics() or await self._refused_topics()) is not None:
            if why != logged:
                log.error("topics are not as they should be; waiting until they are", why=why)
            logged = why
            await asyncio.sleep(_TOPICS_SECONDS)

    async def _refused_topics(self) -> str | None:
        """Return why the topics' settings stop a worker, or None if they do not."""
        try:
            return "; ".join(await refusals(self.settings)) or None
        except (KafkaError, OSError) as error:
            return repr(error)

    async def _missing_topics(self) -> str | None:
        """Return which topic is missing or too narrow, or None if none is."""
        try:
            for pipeline in self.pipelines.values():
                sources = await self.reader.partitions_of(pipeline.topic)
                checkpoints = await self.reader.partitions_of(pipeline.checkpoints)
                self._widths[pipeline.topic] = len(sources)
                if not sources:
                    return f"topic {pipeline.topic} does not exist: `netdusk topics` makes it"
                if len(checkpoints) < len(sources):
                    return (
                        f"topic {pipeline.checkpoints} has {len(checkpoints)} partitions, and needs {len(sources)}, "
                        f"as many as {pipeline.topic}: `netdusk topics` widens it"
                    )
                for topic in map(self._around.topic_of, pipeline.sends):
                    if not await self.reader.partitions_of(topic):
                        return f"topic {topic} does not exist: `netdusk topics` makes it"
        except (KafkaError, OSError) as error:
            return repr(error)
        return None

    def _warn_of_widths(self) -> None:
        for topic, pipeline in self.pipelines.items():
            why = pipeline.warn(self._widths.get(topic, 1)) if pipeline.warn is not None else None
            if why is not None:
                log.warning("a topic has another number of partitions than it should", topic=topic, why=why)

    # notes

    async def _read_notes(self) -> None:
        """Know all notes before the first window is judged: the broker may have gone since it answered."""
        while self._notes is not None:
            try:
                await self._notes.catch_up()
            except (KafkaError, OSError) as error:
                log.warning("calendar and annotations can't be read yet; trying again", why=repr(error))
                await asyncio.sleep(_NOTES_SECONDS)
            else:
                return

    async def _follow_notes(self) -> None:
        """Tell machines of notes as they come in."""
        if self._notes is None:
            return
        async for notes in self._notes.follow():
            for partition in list(self.partitions.values()):
                await partition.tell(notes)

    # partitions come and go

    async def on_revoked(self, revoked: Sequence[TP]) -> None:
        """Hand over what is taken away."""
        gone = [self.partitions.pop(tp) for tp in revoked if tp in self.partitions]
        await asyncio.gather(*(partition.close(_CLOSE_SECONDS) for partition in gone))
        if gone:
            log.info("partitions handed over", partitions=[partition.name for partition in gone])

    async def on_assigned(self) -> None:
        """Begin with what is new, and let go of what is not ours any more."""
        self.standing.assigned = True
        mine = {tp for tp in self.app.consumer.assignment() if tp.topic in self.pipelines}
        self._pace.share(len(mine))
        for tp in [tp for tp in self.partitions if tp not in mine]:
            await self.partitions.pop(tp).close(_CLOSE_SECONDS)
        for tp in sorted(mine - set(self.partitions)):
            partition = self.partitions[tp] = Partition(self.pipelines[tp.topic], tp, self._around)
            partition.start()

    def _position_of(self, tp: TP) -> int | None:
        partition = self.partitions.get(tp)
        return None if partition is None else partition.running_at

    def _ends(self, tp: TP) -> Ends:
        """Return where a partition's records end, as far as the consumer knows."""
        consumer = self.app.consumer
        end = consumer.highwater(tp)
        return Ends(cast(ChunkConsumer, consumer).stable_end(tp) if self.chunks else end, end)

    def _ticking(self) -> list[TP]:
        return [
            tp
            for tp, partition in self.partitions.items()
            if partition.phase is PartitionState.RUNNING and partition.pipeline.ticks
        ]

    # records come

    async def take(self, stream: Any) -> None:
        """Hand each message to its partition."""
        async for event in stream.noack().events():
            message = event.message
            partition = self.partitions.get(message.tp)
            if partition is None:
                continue
            if self.chunks:
                partition.offer(event.value, event.ack)
            else:
                await partition.room()
                partition.offer(_single(message), event.ack)


def _single(message: Any) -> UnreadChunk:
    """A message of Faust's own transport: one record."""
    record = KafkaRecord(
        message.offset,
        message.value,
        round(message.timestamp * 1000),
        message.timestamp_type,
        message.key,
        tuple(message.headers or ())
        if not isinstance(message.headers, dict)
        else tuple(message.headers.items()),
    )
    return UnreadChunk(message.tp, None, [RecordBatch.of([record])])
