"""One life of a partition with this worker: fenced and restored from its log, and dropped as a whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import uuid4

import structlog
from faust.types import TP

from streams.engine.checkpoint import CheckpointLog, DamagedError, Delta, Restored, Void, unpack
from streams.engine.gaps import Gaps
from streams.engine.sender import Sender
from streams.engine.shared_producers import Lease
from streams.engine.snapshots import Snapshots
from streams.engine.surroundings import ACKNOWLEDGE_SECONDS, Pipeline, Surroundings
from streams.engine.trouble import Troubles, stepping
from streams.machine import (
    Adopting,
    Counting,
    Expecting,
    Forgetting,
    Machine,
    Outbox,
    PartitionCount,
    TakesNotes,
)

log = structlog.get_logger()


class MissingPartitionError(Exception):
    """The source was widened, and its checkpoints were not yet; or they are gone."""


@dataclass(slots=True)
class Ownership:
    """What a partition has from a fence to the next one. Nothing of it may outlive that: the log is right.

    Attributes
    ----------
    position
        The source offset that is to be applied next.
    source_start
        The first offset that the source had when it was restored.
    """

    leases: Sequence[Lease]
    book: CheckpointLog
    sender: Sender
    snapshots: Snapshots
    machine: Machine[Any]
    gaps: Gaps
    position: int
    source_start: int

    async def drop(self) -> None:
        """Let go of everything, and of the producers: nothing of this life may be sent after the next fence."""
        await self.snapshots.drop()
        await _end(self.leases)


async def _end(leases: Sequence[Lease]) -> None:
    await asyncio.gather(*(lease.close() for lease in leases))


class _Kept(NamedTuple):
    """How much a log holds; `snapshot_bytes` is None where it has no snapshot."""

    chunks: int
    redo_bytes: int
    snapshot_bytes: int | None

    @classmethod
    def of(cls, restored: Restored) -> Self:
        """Of what was read."""
        deltas, snapshot = restored.deltas, restored.snapshot
        redo_bytes = sum(len(delta.batch) for delta in deltas)
        return cls(len(deltas), redo_bytes, None if snapshot is None else len(snapshot))


class RestoredPartition:
    """Becomes the owner of a partition.

    Parameters
    ----------
    troubles
        Says which chunks of the log can't be applied.
    progress
        Called whenever something was read or applied.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        tp: TP,
        around: Surroundings,
        troubles: Troubles,
        progress: Callable[[], None],
    ) -> None:
        self._pipeline = pipeline
        self._tp = tp
        self._name = f"{tp.topic}-{tp.partition}"
        self._around = around
        self._troubles = troubles
        self._progress = progress
        self._mark = pipeline.mark(around.settings)
        self._written_ms = 0  # the broker's time of the last checkpoint

    async def take_over(self) -> Ownership:
        """Fence, read the log, rebuild the machine, send again what may not have been sent.

        Raises `CheckpointError` where the log can't be relied upon.
        """
        leases: list[Lease] = []
        try:
            leases.append(await self._around.checkpoint_producers.lease())
            leases.append(await self._around.output_producers.lease())
            return await self._restore(leases)
        except BaseException:
            await _end(leases)
            raise

    async def _restore(self, leases: Sequence[Lease]) -> Ownership:
        around = self._around
        began = time.monotonic()
        to_log, to_topics = leases
        book = await self._fence(to_log)
        log_start = await around.reader.start_of(book.topic, book.partition)
        # What asks the broker is asked by all at once. What holds a log in memory is not.
        async with around.restoring:
            restored = await book.restore(log_start)
            await self._annul(book, restored)
            if self._pipeline.refresh is not None:
                await self._pipeline.refresh()
            machine, outbox = await self._replay(await self._machine_of(restored), restored.steps)
            adopted = await self._adopt(machine, restored)
            kept = _Kept.of(restored)
            restored.snapshot, restored.steps = None, []
        gaps = Gaps(around, self._name)
        source_start, source_end = await self._bounds_of_source()
        expecting = restored.next is None and await self._expect(machine, source_start)
        position = restored.next if restored.next is not None else source_start
        # An id that can't be had now says nothing.
        book.source = book.source or restored.source
        another = bool(restored.source) and restored.source != book.source
        moved = position > source_end or another
        if moved:
            gaps.meet_anew(position, None if another else source_end)
            position = await self._move(book, position, source_start)
        gaps.meet(position, source_start)
        await self._note_count(machine, source_end)
        sender = Sender(to_topics, around, self._name)
        # What was judged anew tells its incidents with the next window, so as to go on with those that were told.
        again = [message for message in outbox.after if not (adopted and message.topic == "alerts")]
        await sender.send_again(again, self._written_ms)
        snapshots = Snapshots(
            around,
            machine,
            book,
            redo_bytes=kept.redo_bytes,
            snapshot_bytes=kept.snapshot_bytes or 0,
        )
        if adopted or moved or expecting:
            await (await snapshots.take(position))  # what was adopted is in no chunk; and offsets begin anew
        elif kept.snapshot_bytes is None:
            await snapshots.take(position)  # a log without one is a log that was cut
        seconds = time.monotonic() - began
        around.metrics.restore_seconds.observe(seconds)
        log.info(
            "partition restored",
            partition=self._name,
            next=position,
            replayed=kept.chunks,
            ignored=restored.ignored,
            seconds=round(seconds, 3),
        )
        return Ownership(leases, book, sender, snapshots, machine, gaps, position, source_start)

    async def _bounds_of_source(self) -> tuple[int, int]:
        topic, partition = self._tp
        return (await self._around.reader.bounds(topic, [partition]))[partition]

    async def _move(self, book: CheckpointLog, position: int, start: int) -> int:
        """The source was made anew: go on from its first record, with the state as it is. Returns its offset."""
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await book.append_void(position, "the source was made anew", moved_to=start)
        return start

    async def _note_count(self, machine: Machine[Any], source_end: int) -> None:
        """Tell the machine of how many partitions the source is, from its end on."""
        some: object = machine
        if isinstance(some, TakesNotes):
            count = len(await self._around.reader.partitions_of(self._tp.topic))
            await self._around.machines.compute(
                partial(some.note, PartitionCount(count, source_end, self._tp.partition))
            )

    async def _fence(self, producer: Lease) -> CheckpointLog:
        topic, partition = self._pipeline.checkpoints, self._tp.partition
        described = await self._around.reader.describe_each([topic, self._tp.topic])
        checkpoints, source = described[topic].partitions, described[self._tp.topic]
        if partition not in checkpoints:
            raise MissingPartitionError(
                f"topic {topic} has {len(checkpoints)} partitions, and none for {self._name}: "
                "`netdusk topics` widens it"
                if checkpoints
                else f"topic {topic} does not exist any more: `netdusk topics` makes it"
            )
        book = CheckpointLog(
            producer,
            self._read_checkpoints,
            topic,
            partition,
            owner=uuid4().hex,
            settings=self._mark,
            source=source.id,
        )
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await book.fence()
        return book

    async def _read_checkpoints(self, start: int, end: int) -> AsyncIterator[tuple[int, bytes | None]]:
        records = self._around.reader.records(self._pipeline.checkpoints, self._tp.partition, start, end)
        async for record in records:
            self._written_ms = record.timestamp
            self._progress()
            yield record.offset, record.value

    async def _machine_of(self, restored: Restored) -> Machine[Any]:
        machine = self._pipeline.make()
        snapshot = restored.snapshot
        if snapshot is not None:
            try:
                await self._around.machines.compute(lambda: machine.restore(snapshot))
            except Exception as error:  # whatever it is: there is no state to go on with
                raise DamagedError(f"snapshot before source offset {restored.next}: {error}") from error
        return machine

    async def _annul(self, book: CheckpointLog, restored: Restored) -> None:
        """Leave out the chunks that can't be applied, and say so in the log: they are read again from the source."""
        start, self._troubles.annulled_from = self._troubles.annulled_from, None
        if start is not None and restored.annul(start):
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                await book.append_void(start, "the step raises there")
            log.error(
                "chunks of the log are annulled; they are read again from the source",
                partition=self._name,
                from_offset=start,
            )

    async def _replay(
        self, machine: Machine[Any], steps: Sequence[Delta | Void]
    ) -> tuple[Machine[Any], Outbox]:
        """Do again what was written down. Returns the outbox of the last step, which may not have been sent."""
        outbox = Outbox()
        for step in steps:
            work = partial(redo, machine, step, self._pipeline.make)
            machine, outbox = await self._around.machines.compute(work)
            self._progress()
        if isinstance(machine, Counting):
            await self._around.machines.compute(machine.take_probes)  # counted when they were first applied
        return machine, outbox

    async def _adopt(self, machine: Machine[Any], restored: Restored) -> bool:
        """Make incidents that were judged anew agree with what was told of them. Returns whether there was a need."""
        if not restored.marks - {self._mark}:
            return False
        log.warning(
            "decided under other settings, or by another version: judged anew since the last snapshot",
            partition=self._name,
            chunks=len(restored.deltas),
        )
        some: object = machine
        if isinstance(some, Adopting):
            incidents = await self._around.incidents()
            await self._around.machines.compute(partial(some.adopt, incidents))
        return True

    async def _expect(self, machine: Machine[Any], source_start: int) -> bool:
        """Have a machine that begins from nothing go on with what was told of records that the source has lost."""
        some: object = machine
        if not isinstance(some, Expecting):
            return False
        incidents = await self._around.incidents()
        if not incidents:
            return False
        await self._around.machines.compute(partial(some.expect, incidents, whole=source_start == 0))
        if source_start > 0:
            log.warning(
                "no checkpoint is left, and the source has lost its first records: what is usual is learned anew, and "
                "incidents that were told as open go on",
                partition=self._name,
                from_offset=source_start,
            )
        return True


def redo(
    machine: Machine[Any], step: Delta | Void, make: Callable[[], Machine[Any]]
) -> tuple[Machine[Any], Outbox]:
    """Do one step of the log. Returns the machine to go on with, and what it brings about."""
    if isinstance(step, Void):
        return _begin_anew(machine, step, make)
    try:
        batch = machine.decode_batch(unpack(step.batch))
    except Exception as error:
        raise DamagedError(f"the chunk at source offset {step.start} can't be read: {error!r}") from error
    with stepping(step.start, step.next):
        return machine, machine.apply(batch)


def _begin_anew(
    machine: Machine[Any], step: Void, make: Callable[[], Machine[Any]]
) -> tuple[Machine[Any], Outbox]:
    some: object = machine
    if step.anew or not isinstance(some, Forgetting):
        return make(), Outbox()
    try:
        return machine, some.forget(step.forget)
    except Exception:  # what is left of it can't be trusted
        log.critical("a country's state can't be dropped: all is begun anew", source=step.next, exc_info=True)
        return make(), Outbox()
