"""One partition of a source, from its fence to its hand-over: restored, at work, and restored again.

All that goes wrong ends the same way: memory is dropped, the partition is fenced again and restored from the log.
Nothing is retried blindly. Knows no Faust, and not what is done with a chunk: chunks come in by `offer`, wait in an
`Inbox`, and are taken by `ChunkWork`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.types import TP

from streams.engine.append_times import AppendTimes
from streams.engine.batches import UnreadChunk
from streams.engine.checkpoint import CheckpointError, SupersededError
from streams.engine.chunk_work import BegunAnewError, ChunkWork
from streams.engine.inbox import Inbox, Taken
from streams.engine.ownership import MissingPartitionError, Ownership, RestoredPartition
from streams.engine.surroundings import Pipeline, Surroundings
from streams.engine.trouble import Remedy, StepError, Troubles
from streams.machine import PIECE, Machine, Note, Observable, TakesNotes

log = structlog.get_logger()

_BACKOFF_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
#: Ticks that decide nothing wait so long for company.
ALONE_SECONDS: Final = 15.0


class PartitionState(StrEnum):
    """Where a partition is in its life with this worker."""

    RESTORING = "restoring"
    RUNNING = "running"
    STOPPED = "stopped"


class _RenewalError(Exception):
    """Memory and source do not fit any more."""


class Partition:
    """One partition that this worker owns.

    Attributes
    ----------
    why_stopped
        What a person has to look at; None while it is not stopped.
    why_restoring
        Why it has to be restored again; None at first, and once it is restored.
    """

    def __init__(self, pipeline: Pipeline, tp: TP, around: Surroundings) -> None:
        self.pipeline = pipeline
        self.tp = tp
        self.phase = PartitionState.RESTORING
        self.why_stopped: str | None = None
        self.why_restoring: str | None = None
        self._around = around
        self._chunk_records = around.settings.worker.chunk_records
        self._inbox = Inbox(tp, around.gate, self._chunk_records)
        self._owned: Ownership | None = None
        self._moved_at = time.monotonic()
        self._closed = asyncio.Event()
        self._failures = 0
        self._troubles = Troubles()
        self._renewal: str | None = None
        self._times = AppendTimes(around, self._watermark_ms, self._move)
        self._task: asyncio.Task[None] | None = None
        self._untold: list[Note] = []

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

    @property
    def source(self) -> str:
        """The id of the topic that it reads, as it was when it was restored; empty if it is not known."""
        return "" if self._owned is None else self._owned.book.source

    @property
    def held(self) -> str | None:
        """Why it is held, with the remedy, or None if it is not."""
        return self._times.held

    def _watermark_ms(self) -> int | None:
        machine: object = self.machine
        return machine.watermark_ms if isinstance(machine, Observable) else None

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
            if not self._inbox:
                # It had nothing to do: it is late from here on, and not since it last did something.
                self._move()
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

    async def tell(self, notes: Sequence[Note]) -> None:
        """Give its machine notes; while there is none, they wait: one that is being restored would miss them."""
        self._untold += notes
        await self._tell_untold()

    async def _tell_untold(self) -> None:
        machine: object = self.machine
        if machine is None:
            return
        notes, self._untold = self._untold, []
        if notes and isinstance(machine, TakesNotes):
            await self._around.machines.compute(partial(_tell, machine, notes))

    async def read_again(self, offset: int) -> None:
        """Have what is there from `offset` on brought again."""
        await self._inbox.read_again(offset)

    def renew(self, why: str) -> None:
        """Have it restored from its log, because of what was found out about its source."""
        self._renewal = why
        self._inbox.wake()

    # life

    async def _live(self) -> None:
        cause = "assigned"
        while not self._closed.is_set():
            try:
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
            except BegunAnewError:
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
        self.why_restoring = str(error) or type(error).__name__
        away = isinstance(error, KafkaError | OSError)
        if away:
            self._around.presence.failed(error)
        # While the broker is away, all partitions fail at every try, and one line says so for all of them.
        if not (away and self._around.presence.away()):
            log.warning(
                "memory dropped; restoring from the log",
                partition=self.name,
                why=repr(error),
                in_seconds=pause,
                exc_info=not (away or isinstance(error, MissingPartitionError | _RenewalError)),
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
        self._times = AppendTimes(self._around, self._watermark_ms, self._move)
        owned, self._owned = self._owned, None
        if owned is not None:
            await owned.drop()

    async def _restore(self) -> None:
        self._renewal = None
        self._move()
        self._untold.clear()  # the machine that is made now is taught all that is known
        restoration = RestoredPartition(self.pipeline, self.tp, self._around, self._troubles, self._move)
        owned = self._owned = await restoration.take_over()
        await self._tell_untold()
        await self._around.gate.go_on_from(self.tp, max(owned.position, owned.source_start))
        self.phase = PartitionState.RUNNING
        self.why_restoring = None
        self._around.gate.open(self.tp)
        self._move()

    def _move(self) -> None:
        self._moved_at = time.monotonic()

    # running

    async def _work(self) -> None:
        owned = self._owned
        assert owned is not None
        work = ChunkWork(self.pipeline, self._around, owned, self._inbox, self._troubles)
        while not self._closed.is_set():
            if self._renewal is not None:
                raise _RenewalError(self._renewal)
            taken = await self._gather(owned)
            if taken is None or not await self._take(work, taken):
                continue
            for call in taken.done:
                call()
            self._move()
            self._failures = 0
            self._troubles.passed(owned.position)
            await owned.snapshots.take_if_due(owned.position)
        await owned.snapshots.take_last(owned.position)

    async def _take(self, work: ChunkWork, taken: Taken) -> bool:
        """Take what was gathered. Return False if it does not fit."""
        if taken.chunk is None:
            return True
        return await work.take(await self._times.of(taken.chunk), urgent=taken.urgent)

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
        linger = self.pipeline.linger_seconds
        alone = asyncio.get_running_loop().time() + ALONE_SECONDS
        await self._inbox.linger(
            self._around.pace.next_taking if linger is None else lambda: time.monotonic() + linger,
            min(PIECE, self._chunk_records),
            lambda: self._closed.is_set() or self._renewal is not None,
            self.pipeline.hurry,
            alone,
        )


def _tell(machine: TakesNotes, notes: Sequence[Note]) -> None:
    for note in notes:
        machine.note(note)
