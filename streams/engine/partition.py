"""One partition of a source, from its fence to its hand-over: read, step, write down, send, acknowledge.

All that goes wrong ends the same way: memory is dropped, the partition is fenced again and restored from the log.
Nothing is retried blindly. Knows no Faust: chunks come in by `offer`, and a `Gate` says where to read on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.types import TP

from producers.records import Reason
from streams.engine.batches import UnreadChunk
from streams.engine.checkpoint import CheckpointError, SupersededError, pack
from streams.engine.families import RESULTS
from streams.engine.inbox import Inbox, Taken
from streams.engine.ownership import MissingPartitionError, Ownership, Restoration
from streams.engine.surroundings import ACKNOWLEDGE_SECONDS, Pipeline, Surroundings
from streams.engine.trouble import Kept, Remedy, StepError, Troubles, stepping, to_blame
from streams.machine import PIECE, Batch, Chunk, Machine, Outbox, Pieces, rejection
from streams.records import Status

log = structlog.get_logger()

_BACKOFF_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
# Records from before a seek have passed after this.
_STALE_SECONDS: Final = 1.0
#: A step that may keep the event loop waiting: for the web page, and for acknowledgements.
_BRIEF_SECONDS: Final = 0.1


class PartitionState(StrEnum):
    """Where a partition is in its life with this worker."""

    RESTORING = "restoring"
    RUNNING = "running"
    STOPPED = "stopped"


class _BegunAnewError(Exception):
    """State was begun anew, in the log: memory is to follow."""


class _RenewalError(Exception):
    """Memory and source do not fit any more."""


class Partition:
    """One partition that this worker owns.

    Attributes
    ----------
    why_stopped
        What a person has to look at; None while it is not stopped.
    """

    def __init__(self, pipeline: Pipeline, tp: TP, around: Surroundings) -> None:
        self.pipeline = pipeline
        self.tp = tp
        self.phase = PartitionState.RESTORING
        self.why_stopped: str | None = None
        self._around = around
        self._chunk_records = around.settings.worker.chunk_records
        self._inbox = Inbox(tp, around.gate, self._chunk_records)
        self._owned: Ownership | None = None
        self._moved_at = time.monotonic()
        self._closed = asyncio.Event()
        self._failures = 0
        self._troubles = Troubles()
        self._renewal: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._asked_until: float | None = None
        self._step_seconds = 0.0  # what the last one took

    @property
    def name(self) -> str:
        """Topic and partition, as logs and labels have it."""
        return f"{self.tp.topic}-{self.tp.partition}"

    @property
    def next(self) -> int | None:
        """The source offset that is to be applied next; None until restored."""
        return None if self._owned is None else self._owned.position

    @property
    def running_at(self) -> int | None:
        """The offset of the next record, or None while it is not running."""
        return self.next if self.phase is PartitionState.RUNNING else None

    @property
    def machine(self) -> Machine[Any] | None:
        """Present only while running."""
        return None if self._owned is None else self._owned.machine

    # what the worker calls

    def start(self) -> None:
        """Begin: fence, restore, read."""
        self._task = asyncio.create_task(self._live(), name=f"partition {self.name}")

    async def close(self, grace_seconds: float) -> None:
        """Finish the chunk in hand if that takes no longer than `grace_seconds`; then be gone."""
        self._closed.set()
        self._inbox.wake()
        task = self._task
        if task is not None:
            await asyncio.wait([task], timeout=grace_seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._drop()

    def offer(self, chunk: UnreadChunk, done: Callable[[], None] | None = None) -> None:
        """Take a chunk in; `done` is called once all of it is in the log. Chunks that come too early are let go."""
        if self.phase is PartitionState.RUNNING:
            self._inbox.put(chunk, done)

    async def room(self) -> None:
        """Wait until it has not too much to do (for consumers without a gate)."""
        await self._inbox.room()

    def idle(self, seconds: float) -> bool:
        """Whether it has had nothing to do for so long."""
        return not self._inbox and time.monotonic() - self._moved_at >= seconds

    def stuck(self, seconds: float) -> str | None:
        """Why it counts as stuck: work at hand, and none done for so long."""
        idle = time.monotonic() - self._moved_at
        if (
            self.phase is PartitionState.STOPPED
            or idle < seconds
            or (self.phase is PartitionState.RUNNING and not self._inbox)
        ):
            return None
        return f"{self.name} is {self.phase} without progress for {idle:.0f} s"

    async def read_again(self, offset: int) -> None:
        """Have what is there from `offset` on brought again."""
        self._asked_until = time.monotonic() + _STALE_SECONDS
        self._inbox.clear()
        await self._around.gate.go_on_from(self.tp, offset)
        self._around.gate.open(self.tp)

    def renew(self, why: str) -> None:
        """Have it restored from its log, because of what was found out about its source."""
        self._renewal = why
        self._inbox.wake()

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
            except _BegunAnewError:
                cause = "error"
                await self._recover(0.0)
            except StepError as error:
                cause = "error"
                await self._recover(self._note_step_failure(error))
            except Exception as error:  # whatever it is: the log is right, memory may not be
                cause = "error"
                await self._recover(self._note_failure(error))

    def _note_failure(self, error: Exception) -> float:
        """Log the failure. Return the seconds to wait before the next try."""
        pause = _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
        self._failures += 1
        log.warning(
            "memory dropped; restoring from the log",
            partition=self.name,
            why=repr(error),
            in_seconds=pause,
            exc_info=not isinstance(error, KafkaError | OSError | MissingPartitionError | _RenewalError),
        )
        if isinstance(error, MessageSizeTooLargeError):
            self._chunk_records = max(1, self._chunk_records // 2)
        return pause

    def _note_step_failure(self, error: StepError) -> float:
        """Log the failure and its remedy. Return the seconds to wait before the next try."""
        remedy = self._troubles.note(error)
        if remedy in (Remedy.RETRY, Remedy.TAKE_APART):  # the others count when they are done
            self._around.metrics.step_failures.labels(remedy).inc()
        log.error(
            "the step raised; memory dropped, restoring from the log",
            partition=self.name,
            why=str(error),
            remedy=remedy.value,
            exc_info=error,
        )
        return _BACKOFF_SECONDS[0]

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
        self._around.gate.shut(self.tp)
        if self.phase is PartitionState.RUNNING:
            self.phase = PartitionState.RESTORING
        self._inbox.clear()
        owned, self._owned = self._owned, None
        if owned is not None:
            await owned.drop()

    async def _restore(self) -> None:
        self._renewal = None
        self._move()
        restoration = Restoration(self.pipeline, self.tp, self._around, self._troubles, self._move)
        owned = self._owned = await restoration.take_over()
        await self._around.gate.go_on_from(self.tp, max(owned.position, owned.source_start))
        self.phase = PartitionState.RUNNING
        self._around.gate.open(self.tp)
        self._move()

    def _move(self) -> None:
        self._moved_at = time.monotonic()

    # running

    async def _work(self) -> None:
        owned = self._owned
        assert owned is not None
        while not self._closed.is_set():
            if self._renewal is not None:
                raise _RenewalError(self._renewal)
            taken = await self._gather(owned)
            if taken is None or (taken.chunk is not None and not await self._take(owned, taken.chunk)):
                continue
            for call in taken.done:
                call()
            self._move()
            self._failures = 0
            self._troubles.passed(owned.position)
            await owned.snapshots.take_if_due(owned.position)
        await owned.snapshots.take_last(owned.position)

    async def _gather(self, owned: Ownership) -> Taken | None:
        """Wait for records; a chunk of them, up to the limits. None after news of another kind."""
        if not self._inbox:
            await self._inbox.wait(owned.snapshots.writing)
            owned.snapshots.check()
            if not self._inbox:
                return None
            await self._linger()
        if not self._inbox:
            return None
        records_max = self._troubles.records_max(owned.position) or self._chunk_records
        return self._inbox.take(owned.position, min(records_max, self._chunk_records))

    async def _linger(self) -> None:
        """Give the records that come with the first one a moment to come: a checkpoint costs the same for all.

        A thousand are company enough: where more are to come, they will be there for the next chunk.
        """
        seconds = max(self._around.settings.worker.chunk_seconds, self.pipeline.linger_seconds)
        enough = min(PIECE, self._chunk_records)
        await self._inbox.linger(seconds, enough, self.pipeline.urgent, self._closed.is_set)

    async def _take(self, owned: Ownership, chunk: UnreadChunk) -> bool:
        """Take one chunk its whole way. Return False if it does not fit. A step that fails costs all of memory."""
        if not await self._joins(owned, chunk):
            return False
        match self._troubles.remedy_at(owned.position):
            case Remedy.SET_ASIDE:
                await self._set_aside(owned, chunk)
            case (Remedy.BEGIN_COUNTRY_ANEW | Remedy.BEGIN_ALL_ANEW) as remedy:
                await self._begin_anew(owned, chunk, remedy)
            case _:
                await self._apply(owned, chunk)
        return True

    async def _apply(self, owned: Ownership, chunk: UnreadChunk) -> None:
        compute = self._around.machines.compute
        brief = self._step_seconds <= _BRIEF_SECONDS
        start, end = owned.position, chunk.next_offset
        writing: asyncio.Task[None] | None = None
        # Of many records, what was read is applied while it is in the caches; nobody waits for these few milliseconds.
        whole = len(chunk) >= PIECE
        with stepping(start, end):
            batch, packed, seconds, applied = await compute(
                partial(_read, owned.machine, chunk, apply=whole), brief=brief
            )
        write = partial(self._write_down, owned, chunk, packed)
        try:
            if applied is not None:
                outbox = applied
            else:
                # Where nothing has to be sent before it, the checkpoint is on its way while the chunk is applied: it
                # holds what goes in, not what comes out.
                writing = asyncio.create_task(write()) if batch.clean else None
                with stepping(start, end):
                    outbox, more = await compute(partial(_apply, owned.machine, batch), brief=brief)
                seconds += more
            self._step_seconds = seconds
            self._around.metrics.step.observe(seconds)
            await owned.sender.send(outbox.before)
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                await (write() if writing is None else writing)
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        await self._settle(owned, chunk, outbox)

    async def _settle(self, owned: Ownership, chunk: UnreadChunk, outbox: Outbox) -> None:
        """The chunk is in the log: send what it brought about, and go on after it."""
        await owned.sender.send(outbox.after)
        owned.position = chunk.next_offset
        owned.gaps.close()
        self._count(outbox)

    async def _set_aside(self, owned: Ownership, chunk: UnreadChunk) -> None:
        """Refuse what raises, a record that was found to be alone; in the log it stands as a chunk without records."""
        pieces = list(chunk.pieces())
        refused = [
            rejection(piece, place, Reason.STEP_FAILED, "the step raised at it, twice")
            for piece in pieces
            for place in range(len(piece.values))
        ]
        log.critical(
            "a record is set aside: the step raises at it", partition=self.name, offset=owned.position
        )
        nothing = Chunk(self.tp.topic, self.tp.partition, [], [])
        work = partial(_read, owned.machine, nothing, apply=True)
        _, packed, _, applied = await self._around.machines.compute(work)
        outbox = applied or Outbox()
        outbox.rejected += len(refused)
        await owned.sender.send([*outbox.before, *refused])
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await self._write_down(owned, chunk, packed)
        self._troubles.done(Remedy.SET_ASIDE)
        self._around.metrics.step_failures.labels(Remedy.SET_ASIDE).inc()
        await self._settle(owned, chunk, outbox)

    async def _begin_anew(self, owned: Ownership, chunk: UnreadChunk, remedy: Remedy) -> None:
        """Drop the state at which closing a window raises: of the countries to blame, or all of it."""
        compute = self._around.machines.compute
        names: list[str] | None = None
        if remedy is Remedy.BEGIN_COUNTRY_ANEW:
            kept = Kept(chunk)
            state = await compute(owned.machine.snapshot)
            names = await compute(partial(to_blame, self.pipeline.make, state, kept))
        log.critical(
            "state is begun anew: closing a window raises with what was kept",
            partition=self.name,
            offset=owned.position,
            countries=names or "all",
        )
        reason = "closing a window raised"
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await owned.book.append_void(owned.position, reason, forget=names or (), anew=names is None)
        self._troubles.done(remedy)
        done = Remedy.BEGIN_ALL_ANEW if names is None else remedy
        self._around.metrics.step_failures.labels(done).inc()
        raise _BegunAnewError

    async def _write_down(self, owned: Ownership, chunk: UnreadChunk, packed: bytes) -> None:
        """Write the chunk's checkpoint, and wait until it is there."""
        began = time.perf_counter()
        written = await owned.book.append_delta(
            owned.position, chunk.next_offset, packed, skipped=owned.gaps.skipped
        )
        owned.snapshots.note_delta(written)
        metrics = self._around.metrics
        metrics.checkpoint.observe(time.perf_counter() - began)
        metrics.checkpoint_bytes.labels("delta").observe(written)

    async def _joins(self, owned: Ownership, chunk: UnreadChunk) -> bool:
        """Whether the chunk goes on where the state stands; where not, find out what lies between."""
        position, first = owned.position, chunk.first
        if first == position:
            self._asked_until = None
            return True
        if self._asked_until is not None and time.monotonic() < self._asked_until:
            return False  # still those from before it was asked to read again
        reader = self._around.reader
        source_start = await reader.start_of(self.tp.topic, self.tp.partition)
        owned.gaps.meet(position, source_start)
        reached = max(position, source_start)
        if first <= reached or chunk.follows in range(position, reached + 1):
            return True  # deleted, or offsets that hold no record (a transaction's marker, compaction)
        if await reader.first_from(self.tp.topic, self.tp.partition, reached) == first:
            return True
        log.warning(
            "records are missing in between; reading again", partition=self.name, next=position, got=first
        )
        await self.read_again(reached)
        return False

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


def _read(machine: Machine[Any], chunk: Pieces, *, apply: bool) -> tuple[Batch, bytes, float, Outbox | None]:
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
