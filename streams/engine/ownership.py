"""One life of a partition with this worker: fenced and restored from its log, and dropped as a whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaProducer
from faust.types import TP

from streams.engine.checkpoint import CheckpointLog, DamagedError, Delta, Restored, unpack
from streams.engine.gaps import Gaps
from streams.engine.sender import Sender
from streams.engine.snapshots import Snapshots
from streams.engine.surroundings import ACKNOWLEDGE_SECONDS, Pipeline, Surroundings
from streams.kafka.client import connect, disconnect
from streams.machine import Counting, Machine, Outbox
from streams.settings import fingerprint

log = structlog.get_logger()


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

    producer: AIOKafkaProducer
    book: CheckpointLog
    sender: Sender
    snapshots: Snapshots
    machine: Machine[Any]
    gaps: Gaps
    position: int
    source_start: int

    async def drop(self) -> None:
        """Let go of everything, and of the producer: nothing of this life may be sent after the next fence."""
        await self.snapshots.drop()
        await disconnect(self.producer)


class Restoration:
    """Becomes the owner of a partition.

    Parameters
    ----------
    progress
        Called whenever something was read or applied.
    """

    def __init__(
        self, pipeline: Pipeline, tp: TP, around: Surroundings, progress: Callable[[], None]
    ) -> None:
        self._pipeline = pipeline
        self._tp = tp
        self._name = f"{tp.topic}-{tp.partition}"
        self._around = around
        self._progress = progress
        self._fingerprint = fingerprint(around.settings)
        self._written_ms = 0  # the broker's time of the last checkpoint

    async def take_over(self) -> Ownership:
        """Fence, read the log, rebuild the machine, send again what may not have been sent.

        Raises `CheckpointError` where the log can't be relied upon.
        """
        # Checkpoints are compressed already.
        producer = await connect(self._around.settings.kafka, compressed=False)
        try:
            return await self._restore(producer)
        except BaseException:
            await disconnect(producer)
            raise

    async def _restore(self, producer: AIOKafkaProducer) -> Ownership:
        around = self._around
        began = time.monotonic()
        book, restored = await self._read_log(producer)
        machine = await self._machine_of(restored)
        outbox = await self._replay(machine, restored.deltas)
        self._warn_of_other_settings(restored)
        source_start = await around.reader.start_of(self._tp.topic, self._tp.partition)
        position = restored.next if restored.next is not None else source_start
        gaps = Gaps(around, self._name)
        gaps.meet(position, source_start)
        sender = Sender(producer, around, self._name)
        await sender.send_again(outbox.after, self._written_ms)
        snapshots = Snapshots(
            around,
            machine,
            book,
            redo_bytes=sum(len(delta.batch) for delta in restored.deltas),
            snapshot_bytes=len(restored.snapshot or b""),
        )
        if restored.snapshot is None:
            await snapshots.take(position)  # a log without one is a log that was cut
        seconds = time.monotonic() - began
        around.metrics.restore_seconds.observe(seconds)
        log.info(
            "partition restored",
            partition=self._name,
            next=position,
            replayed=len(restored.deltas),
            ignored=restored.ignored,
            seconds=round(seconds, 3),
        )
        return Ownership(producer, book, sender, snapshots, machine, gaps, position, source_start)

    async def _read_log(self, producer: AIOKafkaProducer) -> tuple[CheckpointLog, Restored]:
        topic, partition = self._pipeline.checkpoints, self._tp.partition
        book = CheckpointLog(
            producer,
            self._read_checkpoints,
            topic,
            partition,
            owner=uuid4().hex,
            settings=self._fingerprint,
        )
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            await book.fence()
        return book, await book.restore(await self._around.reader.start_of(topic, partition))

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
            except ValueError as error:
                raise DamagedError(f"snapshot at source offset {restored.next}: {error}") from error
        return machine

    async def _replay(self, machine: Machine[Any], deltas: Sequence[Delta]) -> Outbox:
        """Apply what was written down. Returns the outbox of the last chunk, which may not have been sent."""
        outbox = Outbox()
        for delta in deltas:
            outbox = await self._around.machines.compute(partial(_redo, machine, delta.batch))
            self._progress()
        if isinstance(machine, Counting):
            await self._around.machines.compute(machine.take_probes)  # counted when they were first applied
        return outbox

    def _warn_of_other_settings(self, restored: Restored) -> None:
        if restored.settings not in (None, self._fingerprint) and restored.deltas:
            log.warning(
                "settings changed since the last checkpoint: what came after the last snapshot is judged anew",
                partition=self._name,
                chunks=len(restored.deltas),
            )


def _redo(machine: Machine[Any], batch: bytes) -> Outbox:
    return machine.apply(machine.decode_batch(unpack(batch)))
