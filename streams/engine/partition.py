"""One partition of a source, from its fence to its hand-over: read, step, write down, send, acknowledge.

All that goes wrong ends the same way: memory is dropped, the partition is fenced again and restored from the log.
Nothing is retried blindly. Knows no Faust: chunks come in by `offer`, and a `Gate` says where to read on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.types import TP

from streams.engine.checkpoint import (
    CheckpointError,
    CheckpointLog,
    DamagedError,
    Delta,
    SupersededError,
    pack,
    split,
    unpack,
)
from streams.engine.metrics import RESULTS, Counting, WorkerMetrics
from streams.engine.transport import Fetched, join
from streams.kafka.bulk import send_together
from streams.kafka.client import TopicReader, connect, disconnect
from streams.machine import PIECE, Batch, Machine, Message, Outbox, Stretch
from streams.records import Status
from streams.settings import Settings, fingerprint

log = structlog.get_logger()

T = TypeVar("T")

_BACKOFF_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_STALE_SECONDS: Final = 1.0  # records from before a seek have passed after this
_READ_BACK_MS: Final = 60_000  # clocks of two workers differ by less
_READ_BACK_RECORDS_MAX: Final = 200_000
#: aiokafka gives a record up after its request timeout; a producer that says nothing even then has failed too.
_ACKNOWLEDGE_SECONDS: Final = 15.0
_BRIEF_SECONDS: Final = (
    0.1  # a step that may keep the event loop waiting: for the web page, and for acknowledgements
)
_TURNS: Final = 6  # of the event loop, from a checkpoint's being written to its being sent
_FEW: Final = 4  # records to a topic that are not worth a batch of their own
_LAST_SNAPSHOT_BYTES_MAX: Final = 16 * 1024 * 1024


class PartitionState(StrEnum):
    """Where a partition is in its life with this worker."""

    RESTORING = "restoring"
    RUNNING = "running"
    STOPPED = "stopped"


class GapError(CheckpointError):
    """The source has deleted records that were never read, and `worker.on_gap` is `stop`."""


class Gate(Protocol):
    """How a partition steers what reaches it."""

    def open(self, tp: TP) -> None:
        """Let records through."""

    def shut(self, tp: TP) -> None:
        """Hold records back."""

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Read on from there, and commit that all before it is done."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A source topic and what is done with it: its partition i has its checkpoints in partition i of another."""

    topic: str
    checkpoints: str
    make: Callable[[], Machine[Any]]
    ticks: bool = True
    linger_seconds: float = (
        0.0  # over worker.chunk_seconds, where the records of many writers belong together
    )
    urgent: Callable[[bytes], bool] | None = (
        None  # whether a record is not to wait for company: it may decide
    )


@dataclass(slots=True)
class Surroundings:
    """What all partitions of a worker share.

    `executor` has a single thread, in which machines are restored, pulled for metrics and snapshot, one at a time.
    """

    settings: Settings
    metrics: WorkerMetrics
    reader: TopicReader
    gate: Gate
    executor: Executor
    restoring: asyncio.Semaphore
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _running: int = 0  # how much is in the executor
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)  # set when the last of it is done

    async def compute(self, work: Callable[[], T], *, brief: bool = False) -> T:
        """Do what touches a machine, at no time two of them: beside the event loop, or in it where it is `brief`.

        Beside it, both threads want the interpreter at every turn of the loop: a third of a step's time goes into
        taking it from each other. What is brief waits for what is not, rather than going there too.
        """
        if brief:
            async with self.turn:
                # What the partition before has decided is on its way to the broker before the next one decides.
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                while self._running:
                    self._quiet.clear()
                    await self._quiet.wait()
                return work()
        loop = asyncio.get_running_loop()
        doing = self.executor.submit(work)
        self._running += 1

        def done() -> None:
            self._running -= 1
            if not self._running:
                self._quiet.set()

        def tell(_: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                loop.call_soon_threadsafe(done)

        doing.add_done_callback(tell)
        return await asyncio.wrap_future(doing)

    def topic_of(self, role: str) -> str:
        """The name of the topic that a machine means."""
        return str(getattr(self.settings.topics, role))


class Partition:
    """One partition that this worker owns.

    Attributes
    ----------
    next
        The source offset that is to be applied next; None until restored.
    machine
        Present only while running.
    """

    def __init__(self, pipeline: Pipeline, tp: TP, around: Surroundings) -> None:
        self.pipeline = pipeline
        self.tp = tp
        self.phase = PartitionState.RESTORING
        self.why_stopped: str | None = None
        self.machine: Machine[Any] | None = None
        self.next: int | None = None
        self.moved_at = time.monotonic()
        self._around = around
        self._log: CheckpointLog | None = None
        self._producer: AIOKafkaProducer | None = None
        self._inbox: deque[tuple[Fetched, Callable[[], None] | None]] = deque()
        self._waiting = 0  # records in the inbox
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = asyncio.Event()
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._snapshot: asyncio.Task[None] | None = None
        self._redo_bytes = 0
        self._snapshot_bytes = 0
        self._snapshot_at = 0.0
        self._asked: float | None = None
        self._skipped = 0
        self._chunk_records = around.settings.worker.chunk_records
        self._stamp_ms = 0
        self._step_seconds = 0.0  # what the last one took
        self._fingerprint = fingerprint(around.settings)

    @property
    def name(self) -> str:
        """Topic and partition, as logs and labels have it."""
        return f"{self.tp.topic}-{self.tp.partition}"

    # what the worker calls

    def start(self) -> None:
        """Begin: fence, restore, read."""
        self._task = asyncio.create_task(self._live(), name=f"partition {self.tp.topic}-{self.tp.partition}")

    async def close(self, grace_seconds: float) -> None:
        """Finish the chunk in hand if that takes no longer than `grace_seconds`; then be gone."""
        self._closed.set()
        self._news.set()
        task = self._task
        if task is not None:
            await asyncio.wait([task], timeout=grace_seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._drop()

    def offer(self, fetched: Fetched, done: Callable[[], None] | None = None) -> None:
        """Take a chunk in; `done` is called once all of it is in the log. Chunks that come too early are let go."""
        if self.phase is not PartitionState.RUNNING:
            return
        parts = fetched.split(self._chunk_records)
        for part in parts:
            self._inbox.append((part, done if part is parts[-1] else None))
        self._waiting += len(fetched)
        if self._waiting >= 2 * self._around.settings.worker.chunk_records:
            self._around.gate.shut(self.tp)
            self._room.clear()
        self._news.set()

    async def room(self) -> None:
        """Wait until it has not too much to do (for consumers without a gate)."""
        await self._room.wait()

    def idle(self, seconds: float) -> bool:
        """Whether it has had nothing to do for so long."""
        return not self._inbox and time.monotonic() - self.moved_at >= seconds

    def stuck(self, seconds: float) -> str | None:
        """Why it counts as stuck: work at hand, and none done for so long."""
        idle = time.monotonic() - self.moved_at
        if (
            self.phase is PartitionState.STOPPED
            or idle < seconds
            or (self.phase is PartitionState.RUNNING and not self._inbox)
        ):
            return None
        return f"{self.name} is {self.phase} without progress for {idle:.0f} s"

    # life

    async def _live(self) -> None:
        cause = "assigned"
        while not self._closed.is_set():
            try:
                async with self._around.restoring:
                    self._around.metrics.restores.labels(cause).inc()
                    await self._restore()
                await self._work()
            except CheckpointError as error:
                await self._stop(error)
                return
            except SupersededError as error:
                cause = "superseded"
                # Either the group takes this partition away within a session, or the other one is frozen.
                pause = self._around.settings.kafka.session_timeout_seconds
                log.warning("another worker owns this partition now", partition=self.name, why=str(error))
                await self._recover(pause)
            except Exception as error:  # whatever it is: the log is right, memory may not be
                cause = "error"
                pause = _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
                self._failures += 1
                log.warning(
                    "memory dropped; restoring from the log",
                    partition=self.name,
                    why=repr(error),
                    in_seconds=pause,
                    exc_info=not isinstance(error, KafkaError | OSError | TimeoutError),
                )
                if isinstance(error, MessageSizeTooLargeError):
                    self._chunk_records = max(1, self._chunk_records // 2)
                await self._recover(pause)

    async def _recover(self, pause_seconds: float) -> None:
        await self._drop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), pause_seconds)

    async def _stop(self, error: CheckpointError) -> None:
        """Stand still, loudly, until a person has looked: going on would make up state."""
        self.phase = PartitionState.STOPPED
        self.why_stopped = str(error)
        log.critical(
            "partition stopped", partition=self.name, checkpoints=self.pipeline.checkpoints, why=str(error)
        )
        await self._drop()

    async def _drop(self) -> None:
        """Let go of everything, and of the producer: nothing of this life may be sent after the next fence."""
        self._around.gate.shut(self.tp)
        if self.phase is PartitionState.RUNNING:
            self.phase = PartitionState.RESTORING
        self.machine = None
        self.next = None
        self._log = None
        self._empty_inbox()
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            snapshot.cancel()
            await asyncio.gather(snapshot, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            await disconnect(producer)

    def _empty_inbox(self) -> None:
        self._inbox.clear()
        self._waiting = 0
        self._room.set()

    # restoring

    async def _restore(self) -> None:
        around = self._around
        began = time.monotonic()
        self.moved_at = began
        producer = self._producer = await connect(around.settings.kafka, compressed=False)
        book = CheckpointLog(
            producer,
            self._read_checkpoints,
            self.pipeline.checkpoints,
            self.tp.partition,
            owner=uuid4().hex,
            settings=self._fingerprint,
        )
        async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
            await book.fence()
        log_start = await around.reader.start_of(self.pipeline.checkpoints, self.tp.partition)
        restored = await book.restore(log_start)
        machine = self.pipeline.make()
        if restored.snapshot is not None:
            snapshot = restored.snapshot
            try:
                await around.compute(lambda: machine.restore(snapshot))
            except ValueError as error:
                raise DamagedError(f"snapshot at source offset {restored.next}: {error}") from error
        outbox = await self._replay(machine, restored.deltas)
        if restored.settings not in (None, self._fingerprint) and restored.deltas:
            log.warning(
                "settings changed since the last checkpoint: what came after the last snapshot is judged anew",
                partition=self.name,
                chunks=len(restored.deltas),
            )
        source_start = await around.reader.start_of(self.tp.topic, self.tp.partition)
        self._skipped = 0
        self.next = restored.next if restored.next is not None else source_start
        self._meet_gap(source_start)
        await self._send_again(outbox.after)
        self._log = book
        self._redo_bytes = sum(len(delta.batch) for delta in restored.deltas)
        self._snapshot_bytes = len(restored.snapshot or b"")
        self._snapshot_at = time.monotonic()
        self.machine = machine
        if restored.snapshot is None:
            await self._take_snapshot()  # a log without one is a log that was cut
        await around.gate.go_on_from(self.tp, max(self.next, source_start))
        self.phase = PartitionState.RUNNING
        around.gate.open(self.tp)
        self.moved_at = time.monotonic()
        seconds = self.moved_at - began
        around.metrics.restore_seconds.observe(seconds)
        log.info(
            "partition restored",
            partition=self.name,
            next=self.next,
            replayed=len(restored.deltas),
            ignored=restored.ignored,
            seconds=round(seconds, 3),
        )

    async def _read_checkpoints(self, start: int, end: int) -> AsyncIterator[tuple[int, bytes | None]]:
        records = self._around.reader.records(self.pipeline.checkpoints, self.tp.partition, start, end)
        async for record in records:
            self._stamp_ms = record.timestamp
            self.moved_at = time.monotonic()
            yield record.offset, record.value

    async def _replay(self, machine: Machine[Any], deltas: Sequence[Delta]) -> Outbox:
        """Apply what was written down; gives the outbox of the last chunk, which may not have been sent."""
        outbox = Outbox()
        for delta in deltas:
            outbox = await self._around.compute(partial(_redo, machine, delta.batch))
            self.moved_at = time.monotonic()
        if isinstance(machine, Counting):
            await self._around.compute(machine.take_probes)  # counted when they were first applied
        return outbox

    def _meet_gap(self, source_start: int) -> None:
        """The source begins after the place where this partition stood: say so, and stop or go on as it was set."""
        assert self.next is not None
        lost = source_start - self.next
        if lost <= 0:
            return
        text = f"{self.name}: offsets {self.next} to {source_start - 1} were deleted before they were read"
        if self._around.settings.worker.on_gap == "stop":
            raise GapError(f"{text}; worker.on_gap = continue goes on without them")
        log.error(
            "retention gap: records were deleted before they were read",
            partition=self.name,
            lost=lost,
            from_offset=self.next,
            to_offset=source_start - 1,
        )
        self._around.metrics.skipped.inc(lost - self._skipped)
        self._skipped = lost

    async def _send_again(self, messages: Sequence[Message]) -> None:
        """Send what the last chunk brought about, less what stands on the topics already."""
        missing = list(messages)
        for role in {message.topic for message in messages}:
            topic = self._around.topic_of(role)
            there: set[tuple[bytes | None, bytes | None]] = set()
            stretches = await self._around.reader.since(topic, self._stamp_ms - _READ_BACK_MS)
            if sum(end - start for start, end in stretches.values()) > _READ_BACK_RECORDS_MAX:
                continue  # the same bytes twice harm nobody; reading for minutes would
            for partition, (start, end) in stretches.items():
                async for record in self._around.reader.records(topic, partition, start, end):
                    there.add((record.key, record.value))
            missing = [m for m in missing if m.topic != role or (m.key, m.value) not in there]
        await self._send(missing)
        if messages:
            log.info(
                "outbox of the last chunk", partition=self.name, held=len(messages), sent_again=len(missing)
            )

    # running

    async def _work(self) -> None:
        while not self._closed.is_set():
            held = await self._gather()
            if held is None:
                continue
            fetched, done = held
            if not await self._take(fetched):
                continue
            for call in done:
                call()
            self.moved_at = time.monotonic()
            self._failures = 0
            await self._maybe_snapshot()
        await self._last_snapshot()

    async def _gather(self) -> tuple[Fetched, list[Callable[[], None]]] | None:
        """Wait for records; join neighbours to one chunk, up to the limits. None after news of another kind."""
        if not self._inbox:
            self._news.clear()
            waiter = asyncio.ensure_future(self._news.wait())
            watched = [waiter] if self._snapshot is None else [waiter, self._snapshot]
            try:
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiter.cancel()
            self._look_after_snapshot()
            if not self._inbox:
                return None
            await self._linger()
        if not self._inbox:
            return None
        parts: list[Fetched] = []
        done: list[Callable[[], None]] = []
        records = 0
        while self._inbox:
            part, call = self._inbox[0]
            if parts and (
                records + len(part) > self._chunk_records
                or parts[-1].next_offset != (part.first if part.follows is None else part.follows)
                or part.stamped != parts[-1].stamped
            ):
                break
            self._inbox.popleft()
            parts.append(part)
            records += len(part)
            if call is not None:
                done.append(call)
        self._waiting -= records
        if self._waiting <= self._around.settings.worker.chunk_records // 2:
            self._around.gate.open(self.tp)
            self._room.set()
        return join(parts), done

    async def _linger(self) -> None:
        """Give the records that come with the first one a moment to come: a checkpoint costs the same for all.

        A thousand are company enough: where more are to come, they will be there for the next chunk.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + max(self._around.settings.worker.chunk_seconds, self.pipeline.linger_seconds)
        urgent, looked_at = self.pipeline.urgent, 0
        enough = min(PIECE, self._chunk_records)
        while self._waiting < enough and not self._closed.is_set():
            new = [part for part, _ in islice(self._inbox, looked_at, None)]
            looked_at += len(new)
            if urgent is not None and any(urgent(value) for part in new for value in part.values if value):
                return
            left = end - loop.time()
            if left <= 0:
                return
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)

    async def _take(self, fetched: Fetched) -> bool:
        """One chunk's whole way. Every step either succeeds or costs all of memory. False where it does not fit."""
        machine, book = self.machine, self._log
        assert machine is not None
        assert book is not None
        assert self.next is not None
        rest = fetched.since(self.next)
        if rest is None:
            return True
        if not await self._joins(rest):
            return False
        metrics, compute = self._around.metrics, self._around.compute
        brief = self._step_seconds <= _BRIEF_SECONDS
        writing: asyncio.Task[int] | None = None
        # Of many records, what was read is applied while it is in the caches; nobody waits for these few milliseconds.
        whole = len(rest) >= PIECE
        batch, packed, seconds, done = await compute(partial(_read, machine, rest, apply=whole), brief=brief)
        write = partial(self._write_down, book, rest, packed)
        try:
            if done is not None:
                outbox = done
            else:
                # Where nothing has to be sent before it, the checkpoint is on its way while the chunk is applied: it
                # holds what goes in, not what comes out.
                writing = asyncio.create_task(write()) if batch.clean else None
                outbox, more = await compute(partial(_apply, machine, batch), brief=brief)
                seconds += more
            self._step_seconds = seconds
            metrics.step.observe(self._step_seconds)
            await self._send(outbox.before)
            async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
                written = await (write() if writing is None else writing)
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        await self._send(outbox.after)
        self.next = rest.next_offset
        self._skipped = 0
        self._redo_bytes += written
        self._count(outbox)
        return True

    async def _write_down(self, book: CheckpointLog, rest: Fetched, packed: bytes) -> int:
        """Write the chunk's checkpoint, and wait until it is there; gives its size."""
        assert self.next is not None
        asked = time.perf_counter()
        written = await book.append_delta(self.next, rest.next_offset, packed, skipped=self._skipped)
        metrics = self._around.metrics
        metrics.checkpoint.observe(time.perf_counter() - asked)
        metrics.checkpoint_bytes.labels("delta").observe(written)
        return written

    async def _joins(self, rest: Fetched) -> bool:
        """Whether the chunk goes on where the state stands; where not, find out what lies between."""
        assert self.next is not None
        first = rest.first
        if first == self.next:
            self._asked = None
            return True
        if self._asked is not None and time.monotonic() < self._asked:
            return False  # still those from before it was asked to read again
        source_start = await self._around.reader.start_of(self.tp.topic, self.tp.partition)
        self._meet_gap(source_start)
        reached = max(self.next, source_start)
        if first <= reached or rest.follows in range(self.next, reached + 1):
            return True  # deleted, or offsets that hold no record (a transaction's marker, compaction)
        if await self._around.reader.first_from(self.tp.topic, self.tp.partition, reached) == first:
            return True
        log.warning(
            "records are missing in between; reading again", partition=self.name, next=self.next, got=first
        )
        await self.read_again(reached)
        return False

    async def read_again(self, offset: int) -> None:
        """Have what is there from `offset` on brought again."""
        self._asked = time.monotonic() + _STALE_SECONDS
        self._empty_inbox()
        await self._around.gate.go_on_from(self.tp, offset)
        self._around.gate.open(self.tp)

    async def _send(self, messages: Sequence[Message]) -> None:
        """Send, and wait until all replicas have it.

        What is few goes at once: incidents, mostly. What is many waits for its turn, so that other partitions decide
        first about the window that ends for all of them at the same time.
        """
        if not messages:
            return
        by_role: dict[str, list[Message]] = {}
        for message in messages:
            by_role.setdefault(message.topic, []).append(message)
        sent: list[Awaitable[Any]] = []
        for role, some in by_role.items():
            if len(some) <= _FEW:
                sent += await self._hand_over(role, some)
        for role, some in by_role.items():
            if len(some) > _FEW:
                async with self._around.turn:
                    sent += await self._hand_over(role, some)
        async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
            await asyncio.gather(*sent)

    async def _hand_over(self, role: str, messages: Sequence[Message]) -> list[Awaitable[Any]]:
        """Give messages to the producer; what is given is done once they are acknowledged."""
        producer, topic = self._producer, self._around.topic_of(role)
        assert producer is not None
        async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
            if len(messages) > _FEW:
                return await send_together(producer, topic, [(m.key, m.value) for m in messages])
            return [await producer.send(topic, m.value, key=m.key) for m in messages]

    def _count(self, outbox: Outbox) -> None:
        metrics = self._around.metrics
        for result in RESULTS:
            # What we write ourselves for the view over the world is no result; refused, it is a fault all the same.
            if (count := getattr(outbox, result)) and (self.pipeline.ticks or result == "rejected"):
                metrics.records.labels(result).inc(count)
        now = time.time()
        for incident in outbox.incidents:
            metrics.detection_delay.observe(max(0.0, now - incident.updated.timestamp()))
            if incident.status is Status.OPEN:
                metrics.incidents.labels(incident.kind, incident.scope, incident.severity).inc()

    # snapshots

    async def _maybe_snapshot(self) -> None:
        worker = self._around.settings.worker
        self._look_after_snapshot()
        if self._snapshot is not None or not self._redo_bytes:
            return
        grown = self._redo_bytes >= max(worker.snapshot_bytes, self._snapshot_bytes)
        if grown or time.monotonic() - self._snapshot_at >= worker.snapshot_seconds:
            await self._take_snapshot()

    async def _take_snapshot(self) -> asyncio.Task[None]:
        """Write the first piece before anything else is written; the others in between the next chunks."""
        machine, book = self.machine, self._log
        assert machine is not None
        assert book is not None
        assert self.next is not None
        size, crc, pieces = await self._around.compute(partial(_snapshot, machine))
        self._redo_bytes = 0
        self._snapshot_bytes = size
        self._snapshot_at = time.monotonic()
        async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
            first = await book.append_part(0, pieces, crc, self.next)
        self._around.metrics.checkpoint_bytes.labels("snapshot").observe(sum(map(len, pieces)))
        self._snapshot = asyncio.create_task(self._write_rest(book, pieces, crc, self.next, first))
        return self._snapshot

    async def _write_rest(
        self, book: CheckpointLog, pieces: Sequence[bytes], crc: int, next_offset: int, first: int
    ) -> None:
        for index in range(1, len(pieces)):
            async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
                await book.append_part(index, pieces, crc, next_offset)
        try:
            await self._around.reader.delete_before(self.pipeline.checkpoints, self.tp.partition, first)
        except (KafkaError, OSError) as error:  # the log is longer than it need be, and as right
            log.warning("old checkpoints could not be deleted", partition=self.name, why=repr(error))

    def _look_after_snapshot(self) -> None:
        """Forget one that is written; fail with one that failed."""
        snapshot = self._snapshot
        if snapshot is not None and snapshot.done():
            self._snapshot = None
            snapshot.result()

    async def _last_snapshot(self) -> None:
        """On the way out: with a snapshot at the end of the log, the next owner (perhaps of a newer version, or
        with other settings) judges nothing anew. Only where it is cheap.
        """
        if self._snapshot is not None:
            await self._snapshot
            self._snapshot = None
        if self._redo_bytes and self._snapshot_bytes <= _LAST_SNAPSHOT_BYTES_MAX:
            await (await self._take_snapshot())
            self._snapshot = None


def _redo(machine: Machine[Any], batch: bytes) -> Outbox:
    return machine.apply(machine.decode_batch(unpack(batch)))


def _read(machine: Machine[Any], chunk: Stretch, *, apply: bool) -> tuple[Batch, bytes, float, Outbox | None]:
    """The batch, itself and as it is written down, and how many seconds of CPU that took; what it brings about.

    Not of the clock: beside the event loop a step waits for the interpreter, would seem long, and stay there.
    """
    began = time.thread_time()
    batch = machine.read(chunk)
    packed = pack(batch.encode())
    outbox = machine.apply(batch) if apply else None
    return batch, packed, time.thread_time() - began, outbox


def _apply(machine: Machine[Any], batch: Batch) -> tuple[Outbox, float]:
    """What it brings about, and how many seconds of CPU that took."""
    began = time.thread_time()
    return machine.apply(batch), time.thread_time() - began


def _snapshot(machine: Machine[Any]) -> tuple[int, int, list[bytes]]:
    snapshot = machine.snapshot()
    crc, pieces = split(snapshot)
    return len(snapshot), crc, pieces
