"""The worker: Faust's app around the partitions that it is given, the clock's ticks, the page, the producer.

Faust says which partitions are ours and brings their records; what is true stands in the checkpoint log. This file
decides nothing about results or incidents.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast

import faust
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.app.base import BootStrategy
from faust.transport.consumer import Consumer
from faust.types import TP
from prometheus_client import CollectorRegistry, generate_latest

from producers.records import TICK_SCHEMA, Tick, encode
from streams.engine.metrics import Counting, Observable, WorkerMetrics, WorldCollector
from streams.engine.partition import Partition, PartitionState, Pipeline, Surroundings
from streams.engine.transport import (
    ChunkConsumer,
    ChunkSchema,
    ChunkTransport,
    Fetched,
    KafkaRecord,
    RecordBatch,
    usable,
)
from streams.engine.web import Answers, WebServer
from streams.kafka.client import TopicReader, connect, disconnect, wait_for_broker
from streams.kafka.notes import Notes
from streams.kafka.options import faust_options
from streams.kafka.topics import refusals, split_world
from streams.machine import Note, TakesNotes
from streams.settings import Settings
from streams.step.rows import compiled

log = structlog.get_logger()

#: A partition that has work at hand and has done none for so long makes /healthz fail.
STUCK_SECONDS: Final = 120.0
_TICK: Final = TICK_SCHEMA.encode()
_CLOSE_SECONDS: Final = 3.0
_RESTORES_AT_ONCE: Final = 4
_NOTES_SECONDS: Final = 2.0
_CLOCK_SECONDS: Final = 15.0
_TOPICS_SECONDS: Final = 2.0
_WATCH_SECONDS: Final = 5.0
_LEAVE_SECONDS: Final = 9.0
_COLLECT: Final = (100_000, 20, 20)  # Python's own: 700, 10, 10
_SWITCH_SECONDS: Final = 0.02  # Python's own: 0.005


def own_pipelines(settings: Settings, notes: Notes) -> list[Pipeline]:
    """Probe results, sharded by country; and how platforms stand in countries, for the view over the world."""
    from streams.step.country import CountryMachine  # noqa: PLC0415  NumPy and the detectors: only a worker pays for them
    from streams.step.worldwide import WorldMachine  # noqa: PLC0415
    from streams.words import country_name  # noqa: PLC0415

    country_name("PK", {})  # reading all names takes a tenth of a second, which the first incident would wait

    def country() -> CountryMachine:
        machine = CountryMachine(settings)
        notes.teach(machine)
        return machine

    topics = settings.topics
    return [
        # A tick may close a window, and somebody waits for what comes of it.
        Pipeline(topics.probes, topics.checkpoints, country, urgent=lambda value: _TICK in value),
        Pipeline(
            topics.health,
            topics.world_checkpoints,
            partial(WorldMachine, settings),
            ticks=False,
            linger_seconds=0.1,  # every partition of the probes topic has its say when a window closes
        ),
    ]


class FaustGate:
    """Steers Faust's consumer for the partitions."""

    def __init__(self, app: faust.App) -> None:
        self._app = app

    def open(self, tp: TP) -> None:
        """Let records through."""
        cast(ChunkConsumer, self._app.consumer).open_gate(tp)

    def shut(self, tp: TP) -> None:
        """Hold records back."""
        cast(ChunkConsumer, self._app.consumer).shut_gate(tp)

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Read on from there."""
        await cast(ChunkConsumer, self._app.consumer).go_on_from(tp, offset)


class PlainGate:
    """The same for Faust's own consumer, which has no gate: what comes too early is let go and read again."""

    def __init__(self, app: faust.App) -> None:
        self._app = app

    def open(self, tp: TP) -> None:
        """Faust delivers whatever it has."""

    def shut(self, tp: TP) -> None:
        """The agent waits instead (`Partition.room`)."""

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Read on from there."""
        consumer = cast(Consumer, self._app.consumer)
        await consumer.seek(tp, offset)
        await consumer._commit({tp: offset})


class _NoWeb(BootStrategy):
    """Faust's own port (0.0.0.0:6066) serves state to anyone: it stays shut, whatever the command line says."""

    enable_web = False


class WorkerApp(faust.App):
    """Faust's app, with the worker's start and end."""

    BootStrategy = _NoWeb
    worker: Worker

    async def on_first_start(self) -> None:
        """Wait for the broker and the topics. (Faust would make folders here, for tables that we have not.)"""
        await self.worker.prepare()

    async def on_started(self) -> None:
        """Everything runs."""
        await super().on_started()
        self.add_future(self.worker.tick())
        self.add_future(self.worker.watch())
        self.add_future(self.worker.follow_notes())

    async def on_stop(self) -> None:
        """Hand over in order: chunks in hand first, then Faust's consumer."""
        self.worker.stopping()
        await self.worker.close()
        await super().on_stop()
        await self.worker.stop()

    def _new_transport(self) -> Any:
        if self.worker.chunks:
            return ChunkTransport(self.conf.broker_consumer, self)
        return super()._new_transport()


class Worker:
    """Owns partitions, as Faust assigns them.

    Parameters
    ----------
    lanes
        What is read and by which machine; those of `own_lanes` by default.
    registry
        Where the metrics are registered; one of its own by default.
    chunks
        Whether to use the chunk transport; None: wherever it can run.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pipelines: Sequence[Pipeline] | None = None,
        registry: CollectorRegistry | None = None,
        chunks: bool | None = None,
    ) -> None:
        self.settings = settings
        self.reader = TopicReader(settings.kafka)
        self.notes = Notes(self.reader, settings.topics)
        self.pipelines = {
            pipeline.topic: pipeline for pipeline in (pipelines or own_pipelines(settings, self.notes))
        }
        self.registry = registry or CollectorRegistry()
        self.metrics = WorkerMetrics(self.registry, settings.labels)
        why_not = usable() if chunks is None else (None if chunks else "switched off")
        self.chunks = why_not is None
        if why_not is not None:
            log.warning(
                "reading record by record, which is slower: the chunk transport can't run", why=why_not
            )
        if not compiled():
            log.warning("reading results in Python, which is slower: streams.step.scanner was not compiled")
        self.metrics.say_build("chunks" if self.chunks else "records")
        self.partitions: dict[TP, Partition] = {}
        self.stopping: Callable[[], None] = lambda: None
        self.app = self._make_app()
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="machines")
        self.web = WebServer(
            settings.http,
            Answers(self._figures, self.unhealthy, self.unready, self.restoring),
        )
        self._assigned = False
        self._widths: dict[str, int] = {}  # partitions of each lane's topic
        self.registry.register(WorldCollector(self._observed, self.metrics, time.time))
        self._around = Surroundings(
            settings,
            self.metrics,
            self.reader,
            FaustGate(self.app) if self.chunks else PlainGate(self.app),
            self.executor,
            asyncio.Semaphore(_RESTORES_AT_ONCE),
        )

    # the app

    def _make_app(self) -> WorkerApp:
        kafka = self.settings.kafka
        app = WorkerApp(
            kafka.group,
            **faust_options(kafka),
            broker_commit_interval=1.0,
            # What is fetched at once stays in the processor's caches until it is decoded.
            broker_max_poll_records=self.settings.worker.chunk_records,
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,
            stream_buffer_maxsize=64 if self.chunks else 4096,
            table_standby_replicas=0,
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
            worker_redirect_stdouts=False,
        )
        app.worker = self
        for pipeline in self.pipelines.values():
            topic = app.topic(
                pipeline.topic,
                schema=ChunkSchema() if self.chunks else None,
                key_type=bytes,
                value_type=bytes,
                key_serializer="raw",
                value_serializer="raw",
            )
            take = self._take_chunks if self.chunks else self._take_records
            app.agent(topic, name=f"netdusk.{pipeline.topic}")(take)
        app.on_partitions_revoked.connect(self._on_revoked)  # type: ignore[arg-type]  # it passes more by name
        app.on_rebalance_complete.connect(self._on_rebalanced)  # type: ignore[arg-type]
        return app

    async def prepare(self) -> None:
        """Come up: the page first, so that it can say what is being waited for; then broker and topics."""
        await self.web.start()
        await wait_for_broker(self.settings.kafka)
        await self._wait_for_topics()
        self._warn_of_a_split_world()
        await self._read_notes()
        if self.chunks:
            consumer = cast(ChunkConsumer, self.app.consumer)
            consumer.chunk_records = self.settings.worker.chunk_records
            consumer.position_of = self._position_of

    async def close(self) -> None:
        """Finish the chunks in hand; nothing new is taken."""
        partitions, self.partitions = self.partitions, {}
        await asyncio.gather(*(partition.close(_CLOSE_SECONDS) for partition in partitions.values()))

    async def stop(self) -> None:
        """Let go of everything else."""
        await self.web.stop()
        self.executor.shutdown(wait=False, cancel_futures=True)

    async def _wait_for_topics(self) -> None:
        said: str | None = None
        while (why := await self._missing_topics() or await self._refused_topics()) is not None:
            if why != said:
                log.error("topics are not as they should be; waiting until they are", why=why)
            said = why
            await asyncio.sleep(_TOPICS_SECONDS)

    async def _refused_topics(self) -> str | None:
        try:
            return "; ".join(await refusals(self.settings)) or None
        except (KafkaError, OSError) as error:
            return repr(error)

    async def _read_notes(self) -> None:
        """Know all notes before the first window is judged: the broker may have gone since it answered."""
        while True:
            try:
                await self.notes.catch_up()
            except (KafkaError, OSError) as error:
                log.warning("calendar and annotations can't be read yet; trying again", why=repr(error))
                await asyncio.sleep(_NOTES_SECONDS)
            else:
                return

    def _warn_of_a_split_world(self) -> None:
        topic = self.settings.topics.health
        why = split_world(self._widths.get(topic, 1))
        if why is not None:
            log.warning("the health topic should have one partition", topic=topic, why=why)

    async def _missing_topics(self) -> str | None:
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
        except (KafkaError, OSError) as error:
            return repr(error)
        return None

    # partitions come and go

    async def _on_revoked(self, app: Any, revoked: Iterable[TP], **_: Any) -> None:
        gone = [self.partitions.pop(tp) for tp in revoked if tp in self.partitions]
        await asyncio.gather(*(partition.close(_CLOSE_SECONDS) for partition in gone))
        if gone:
            log.info("partitions handed over", partitions=[partition.name for partition in gone])

    async def _on_rebalanced(self, app: Any, **_: Any) -> None:
        self._assigned = True
        mine = {tp for tp in app.consumer.assignment() if tp.topic in self.pipelines}
        for tp in [tp for tp in self.partitions if tp not in mine]:
            await self.partitions.pop(tp).close(_CLOSE_SECONDS)
        for tp in sorted(mine - set(self.partitions)):
            held = self.partitions[tp] = Partition(self.pipelines[tp.topic], tp, self._around)
            held.start()

    def _position_of(self, tp: TP) -> int | None:
        held = self.partitions.get(tp)
        return held.next if held is not None and held.phase is PartitionState.RUNNING else None

    # records come

    async def _take_chunks(self, stream: Any) -> None:
        async for event in stream.noack().events():
            held = self.partitions.get(event.message.tp)
            if held is not None:
                held.offer(event.value, event.ack)

    async def _take_records(self, stream: Any) -> None:
        """Without the chunk transport: one record at a time, gathered again by the partition."""
        async for event in stream.noack().events():
            message = event.message
            held = self.partitions.get(message.tp)
            if held is None:
                continue
            await held.room()
            record = KafkaRecord(
                message.offset, message.value, round(message.timestamp * 1000), message.timestamp_type
            )
            held.offer(Fetched(message.tp, None, [RecordBatch.of([record])]), event.ack)

    # the clock

    async def tick(self) -> None:
        """Write the time into every running partition, every `worker.tick_seconds`. In a replay the file does."""
        if self.settings.worker.clock != "live":
            return
        sender: AIOKafkaProducer | None = None
        try:
            while True:
                await asyncio.sleep(self.settings.worker.tick_seconds)
                places = [
                    tp
                    for tp, held in self.partitions.items()
                    if held.phase is PartitionState.RUNNING and held.pipeline.ticks
                ]
                if not places:
                    continue
                try:
                    if sender is None:
                        sender = await connect(self.settings.kafka)
                    async with asyncio.timeout(_CLOCK_SECONDS):
                        await _tick(sender, places)
                except (KafkaError, OSError) as error:  # TimeoutError is an OSError
                    self.metrics.tick_failures.inc()
                    log.warning("no ticks written", why=repr(error))
                    if sender is not None:
                        await disconnect(sender)
                        sender = None
        finally:
            if sender is not None:
                await disconnect(sender)

    async def follow_notes(self) -> None:
        """Tell running machines of notes as they come in."""
        async for notes in self.notes.follow():
            for held in list(self.partitions.values()):
                machine: object = held.machine
                if isinstance(machine, TakesNotes):
                    await self._around.compute(partial(_tell, machine, notes))

    async def watch(self) -> None:
        """Ask again for records that a partition should have had by now: nothing may wait for the next one to come."""
        asked: dict[TP, int] = {}
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for tp, held in list(self.partitions.items()):
                position = self._position_of(tp)
                end = self.app.consumer.highwater(tp) if position is not None else None
                if position is None or end is None or not held.idle(_WATCH_SECONDS):
                    continue
                if end > position and asked.get(tp) != end:
                    asked[tp] = end
                    log.warning("nothing came; reading again", partition=held.name, next=position, end=end)
                    await held.read_again(position)

    # what the page shows

    def _observed(self) -> list[tuple[str, Observable]]:
        found: list[tuple[str, Observable]] = []
        for held in list(self.partitions.values()):
            machine: object = held.machine
            if held.phase is PartitionState.RUNNING and isinstance(machine, Observable):
                found.append((held.name, machine))
        return found

    async def _figures(self) -> bytes:
        phases = [held.phase for held in self.partitions.values()]
        for phase in PartitionState:
            self.metrics.partitions.labels(phase.value).set(phases.count(phase))
        return await self._around.compute(self._render)

    def _render(self) -> bytes:
        for held in list(self.partitions.values()):
            machine: object = held.machine
            if isinstance(machine, Counting):
                self.metrics.count_probes(machine.take_probes())
        return generate_latest(self.registry)

    def restoring(self) -> str | None:
        """Which partitions are not restored yet; None when all are, or have been stopped."""
        if not self._assigned:
            return "no partitions assigned yet"
        names = [held.name for held in self.partitions.values() if held.phase is PartitionState.RESTORING]
        return f"restoring {', '.join(sorted(names))}" if names else None

    def unready(self) -> str | None:
        """Why this worker is not whole."""
        stopped = [
            f"{held.name} is stopped: {held.why_stopped}"
            for held in self.partitions.values()
            if held.phase is PartitionState.STOPPED
        ]
        return self.restoring() or ("\n".join(stopped) or None)

    def unhealthy(self) -> str | None:
        """Which partitions have work at hand and do none."""
        stuck = [why for held in self.partitions.values() if (why := held.stuck(STUCK_SECONDS))]
        return "\n".join(stuck) or None


def _tell(machine: TakesNotes, notes: Iterable[Note]) -> None:
    for note in notes:
        machine.note(note)


async def _tick(sender: AIOKafkaProducer, places: Sequence[TP]) -> None:
    value = encode(Tick(time=datetime.now(UTC)))
    sent = [await sender.send(tp.topic, value, partition=tp.partition) for tp in places]
    await asyncio.gather(*sent)


def run(worker: Worker, *, loglevel: str = "WARNING") -> None:
    """Run until SIGTERM or SIGINT; ends the process, within ten seconds of it."""
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # Or aiokafka makes a log record for every request, which no handler prints.
    logging.getLogger("aiokafka").setLevel(loglevel)
    # Records live for milliseconds, in thousands: at Python's own pace every few hundred of them are looked through
    # for cycles, and now and then all that was ever imported. That was a fifth of a worker's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    # A step is a few milliseconds, after which its thread waits: to take turns in the middle of it only costs.
    sys.setswitchinterval(_SWITCH_SECONDS)
    worker.stopping = _leave_in_time
    faust.Worker(worker.app, loglevel=loglevel, redirect_stdouts=False, quiet=True).execute_from_commandline()


def _leave_in_time() -> None:
    """End the process even where Faust's consumer thread does not: it waits for ever for a broker that has gone.

    What matters is done by then: the log has all that was acknowledged, and the next owner goes on from it.
    """
    timer = threading.Timer(_LEAVE_SECONDS, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    log.warning("Faust does not end; leaving without it", after_seconds=_LEAVE_SECONDS)
    os._exit(1)
