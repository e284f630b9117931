"""The work on a chunk, from the log's place that it has to join to what it brings about: step, write down, send.

In this order: what is refused is sent, the chunk's checkpoint is written, and only then is sent what it brought about.
Every failure is raised, and ends the life of a partition with its worker. Knows no Faust, and no way to begin anew.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Final

import structlog

from producers.records import Reason
from streams.engine.batches import UnreadChunk
from streams.engine.checkpoint import pack
from streams.engine.families import RESULTS
from streams.engine.inbox import Inbox
from streams.engine.ownership import Ownership
from streams.engine.surroundings import ACKNOWLEDGE_SECONDS, Pipeline, Surroundings
from streams.engine.trouble import Kept, Remedy, Troubles, stepping, to_blame
from streams.machine import PIECE, Batch, Chunk, JudgesPlaces, Machine, Outbox, Pieces, rejection
from streams.records import Status

log = structlog.get_logger()

#: A step that may keep the event loop waiting: for the web page, and for acknowledgements.
_BRIEF_SECONDS: Final = 0.1


class BegunAnewError(Exception):
    """State was begun anew, in the log: memory is to follow."""


class ChunkWork:
    """Takes the chunks of one partition, one after the other, for as long as this life of it lasts.

    Parameters
    ----------
    pipeline
        What is done with the partition's topic.
    owned
        The life: its machine, its log, its way out. Its position moves over every chunk that is done.
    inbox
        Where the chunks come from; it is asked to read again where records are missing.
    troubles
        Says what to do about a chunk at which the step has raised before.
    """

    def __init__(
        self, pipeline: Pipeline, around: Surroundings, owned: Ownership, inbox: Inbox, troubles: Troubles
    ) -> None:
        self._pipeline = pipeline
        self._around = around
        self._owned = owned
        self._inbox = inbox
        self._troubles = troubles
        self._tp = inbox.tp
        self._name = f"{inbox.tp.topic}-{inbox.tp.partition}"
        self._step_seconds = 0.0  # what the last one took

    async def take(self, chunk: UnreadChunk, *, urgent: bool) -> bool:
        """Take one chunk its whole way. Return False if it does not fit. `urgent`: it may decide something.

        Raises `StepError` where the step raises, `BegunAnewError` where state was begun anew, and whatever the broker
        answers: all of memory is to be dropped then.
        """
        if not await self._joins(chunk):
            return False
        match self._troubles.remedy_at(self._owned.position):
            case Remedy.SET_ASIDE:
                await self._set_aside(chunk)
            case (Remedy.BEGIN_COUNTRY_ANEW | Remedy.BEGIN_ALL_ANEW) as remedy:
                await self._begin_anew(chunk, remedy)
            case _:
                await self._apply(chunk, urgent=urgent)
        return True

    async def _joins(self, chunk: UnreadChunk) -> bool:
        """Whether the chunk goes on where the state stands; where not, find out what lies between."""
        position, first = self._owned.position, chunk.first
        if first == position:
            self._inbox.caught_up()
            return True
        if self._inbox.stale():
            return False  # still those from before it was asked to read again
        reader = self._around.reader
        source_start = await reader.start_of(self._tp.topic, self._tp.partition)
        self._owned.gaps.meet(position, source_start)
        reached = max(position, source_start)
        if first <= reached:
            return True  # what lies between was deleted
        # Offsets that hold no record (a transaction's marker, compaction): the broker is asked, and nobody believed.
        if await reader.first_from(self._tp.topic, self._tp.partition, reached) == first:
            return True
        log.warning(
            "records are missing in between; reading again", partition=self._name, next=position, got=first
        )
        await self._inbox.read_again(reached)
        return False

    async def _apply(self, chunk: UnreadChunk, *, urgent: bool) -> None:
        owned, compute = self._owned, self._around.machines.compute
        brief = self._step_seconds <= _BRIEF_SECONDS
        start, end = owned.position, chunk.next_offset
        writing: asyncio.Task[None] | None = None
        # Of many records, what was read is applied while it is in the caches; nobody waits for these few milliseconds.
        # Where nothing is decided, nobody waits either.
        whole = len(chunk) >= PIECE or not urgent
        with stepping(start, end):
            done = await compute(partial(_read_sure, owned.machine, chunk, apply=whole), brief=brief)
        if done is None:
            # Whoever wrote them may know of more partitions than we do. What the broker says is in the next batch.
            if self._around.recount is not None:
                await self._around.recount(self._tp.topic)
            chunk.causes.clear()  # it is gone through once more
            with stepping(start, end):
                done = await compute(partial(_read, owned.machine, chunk, apply=whole), brief=brief)
        batch, packed, seconds, applied = done
        write = partial(self._write_down, chunk, packed)
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
            self._around.machines.decided = bool(outbox.after)
            await owned.sender.send(outbox.before)
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                await (write() if writing is None else writing)
        finally:
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        await self._settle(chunk, outbox)

    async def _set_aside(self, chunk: UnreadChunk) -> None:
        """Refuse what raises, a record that was found to be alone; in the log it stands as a chunk without records."""
        owned = self._owned
        pieces = list(chunk.pieces())
        refused = [
            rejection(piece, place, Reason.STEP_FAILED, "the step raised at it, twice")
            for piece in pieces
            for place in range(len(piece.values))
        ]
        log.critical(
            "a record is set aside: the step raises at it", partition=self._name, offset=owned.position
        )
        nothing = Chunk(self._tp.topic, self._tp.partition, [], [])
        work = partial(_read, owned.machine, nothing, apply=True)
        _, packed, _, applied = await self._around.machines.compute(work)
        outbox = applied or Outbox()
        outbox.rejected += len(refused)
        await owned.sender.send([*outbox.before, *refused])
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await self._write_down(chunk, packed)
        self._troubles.done(Remedy.SET_ASIDE)
        self._around.metrics.step_failures.labels(Remedy.SET_ASIDE).inc()
        await self._settle(chunk, outbox)

    async def _begin_anew(self, chunk: UnreadChunk, remedy: Remedy) -> None:
        """Drop the state at which closing a window raises: of the countries to blame, or all of it."""
        owned, compute = self._owned, self._around.machines.compute
        names: list[str] | None = None
        if remedy is Remedy.BEGIN_COUNTRY_ANEW:
            kept = Kept(chunk)
            state = await compute(owned.machine.snapshot)
            names = await compute(partial(to_blame, self._pipeline.make, state, kept))
        log.critical(
            "state is begun anew: closing a window raises with what was kept",
            partition=self._name,
            offset=owned.position,
            countries=names or "all",
        )
        reason = "closing a window raised"
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await owned.book.append_void(owned.position, reason, forget=names or (), anew=names is None)
        self._troubles.done(remedy)
        done = Remedy.BEGIN_ALL_ANEW if names is None else remedy
        self._around.metrics.step_failures.labels(done).inc()
        raise BegunAnewError

    async def _write_down(self, chunk: UnreadChunk, packed: bytes) -> None:
        """Write the chunk's checkpoint, and wait until it is there."""
        owned, metrics = self._owned, self._around.metrics
        began = time.perf_counter()
        written = await owned.book.append_delta(
            owned.position, chunk.next_offset, packed, skipped=owned.gaps.skipped
        )
        owned.snapshots.note_delta(written)
        metrics.checkpoint.observe(time.perf_counter() - began)
        metrics.checkpoint_bytes.labels("delta").observe(written)

    async def _settle(self, chunk: UnreadChunk, outbox: Outbox) -> None:
        """The chunk is in the log: send what it brought about, and go on after it."""
        owned = self._owned
        await owned.sender.send(outbox.after)
        owned.position = chunk.next_offset
        owned.gaps.close()
        for cause in chunk.causes:
            self._around.metrics.unreadable.labels(cause).inc()
        self._count(outbox)

    def _count(self, outbox: Outbox) -> None:
        metrics = self._around.metrics
        for result in RESULTS:
            # What we write ourselves for the view over the world is no result; refused, it is a fault all the same.
            if (count := getattr(outbox, result)) and (self._pipeline.ticks or result == "rejected"):
                metrics.records.labels(result).inc(count)
        now = time.time()
        for incident in outbox.incidents:
            metrics.detection_delay.observe(max(0.0, now - incident.updated.timestamp()))
            if incident.status is Status.OPEN:
                metrics.incidents.labels(incident.kind, incident.scope, incident.severity).inc()


_Step = tuple[Batch, bytes, float, Outbox | None]


def _read_sure(machine: Machine[Any], chunk: Pieces, *, apply: bool) -> _Step | None:
    """`_read`; but None, and nothing done, where records stand in another partition than theirs, as far as is known."""
    began = time.thread_time()
    batch = machine.read(chunk)
    if isinstance(machine, JudgesPlaces) and machine.misplaces(batch):
        machine.give_back(batch)
        return None
    return _written(machine, batch, began, apply=apply)


def _read(machine: Machine[Any], chunk: Pieces, *, apply: bool) -> _Step:
    """The batch, itself and as it is written down, and how many seconds of CPU that took; what it brings about.

    Not of the clock: beside the event loop a step waits for the interpreter, would seem long, and stay there.
    """
    began = time.thread_time()
    return _written(machine, machine.read(chunk), began, apply=apply)


def _written(machine: Machine[Any], batch: Batch, began: float, *, apply: bool) -> _Step:
    packed = pack(batch.encode())
    outbox = machine.apply(batch) if apply else None
    return batch, packed, time.thread_time() - began, outbox


def _apply(machine: Machine[Any], batch: Batch) -> tuple[Outbox, float]:
    """What it brings about, and how many seconds of CPU that took."""
    began = time.thread_time()
    return machine.apply(batch), time.thread_time() - began
