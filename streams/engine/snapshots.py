"""When a partition's whole state is written into its checkpoint log, and how. Knows nothing of what the state is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from streams.engine.checkpoint import CheckpointLog, split
from streams.engine.surroundings import ACKNOWLEDGE_SECONDS, Surroundings
from streams.machine import Machine

log = structlog.get_logger()

#: On the way out, a snapshot is worth its time up to this size.
_LAST_BYTES_MAX: Final = 16 * 1024 * 1024


class Snapshots:
    """The snapshots of one partition, as its owner writes them.

    A snapshot is due when the log since the last one has outgrown it, so that what a restore reads is bounded by a
    small multiple of the state; or after `worker.snapshot_seconds`.

    Parameters
    ----------
    redo_bytes
        What the log holds since the last one.
    snapshot_bytes
        The size of the last one.
    """

    def __init__(
        self,
        around: Surroundings,
        machine: Machine[Any],
        book: CheckpointLog,
        *,
        redo_bytes: int = 0,
        snapshot_bytes: int = 0,
    ) -> None:
        self._around = around
        self._machine = machine
        self._book = book
        self._redo_bytes = redo_bytes
        self._snapshot_bytes = snapshot_bytes
        self._taken_at = time.monotonic()
        self._writing: asyncio.Task[None] | None = None

    def note_delta(self, written: int) -> None:
        """Note that the log has grown by some bytes."""
        self._redo_bytes += written

    @property
    def writing(self) -> list[asyncio.Task[None]]:
        """Return the tasks that write a snapshot now: one or none."""
        return [] if self._writing is None else [self._writing]

    def check(self) -> None:
        """Forget one that is written. Raises what went wrong with it."""
        writing = self._writing
        if writing is not None and writing.done():
            self._writing = None
            writing.result()

    async def take_if_due(self, position: int) -> None:
        """Take a snapshot if it is time. `position` is the source offset that is to be applied next."""
        self.check()
        if self._writing is not None or not self._redo_bytes:
            return
        worker = self._around.settings.worker
        grown = self._redo_bytes >= max(worker.snapshot_bytes, self._snapshot_bytes)
        if grown or time.monotonic() - self._taken_at >= worker.snapshot_seconds:
            await self.take(position)

    async def take(self, position: int) -> asyncio.Task[None]:
        """Write the first piece before anything else, and the others in between the next chunks."""
        size, crc, pieces = await self._around.machines.compute(partial(_cut, self._machine))
        self._redo_bytes = 0
        self._snapshot_bytes = size
        self._taken_at = time.monotonic()
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            first = await self._book.append_part(0, pieces, crc, position)
        self._around.metrics.checkpoint_bytes.labels("snapshot").observe(sum(map(len, pieces)))
        self._writing = asyncio.create_task(self._write_rest(pieces, crc, position, first))
        return self._writing

    async def take_last(self, position: int) -> None:
        """Take a last snapshot if it is cheap. The next owner, perhaps of a newer version, judges nothing anew."""
        if self._writing is not None:
            await self._writing
            self._writing = None
        if self._redo_bytes and self._snapshot_bytes <= _LAST_BYTES_MAX:
            await (await self.take(position))
            self._writing = None

    async def drop(self) -> None:
        """Cancel the snapshot that is being written, and wait until it has stopped."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write_rest(self, pieces: Sequence[bytes], crc: int, position: int, first: int) -> None:
        for index in range(1, len(pieces)):
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                await self._book.append_part(index, pieces, crc, position)
        topic, partition = self._book.topic, self._book.partition
        try:
            await self._around.reader.delete_before(topic, partition, first)
        except (KafkaError, OSError) as error:  # the log is longer than it need be, and as right
            log.warning(
                "old checkpoints could not be deleted", partition=f"{topic}-{partition}", why=repr(error)
            )


def _cut(machine: Machine[Any]) -> tuple[int, int, list[bytes]]:
    """The size of a machine's snapshot, the CRC of it compressed, and its pieces."""
    snapshot = machine.snapshot()
    crc, pieces = split(snapshot)
    return len(snapshot), crc, pieces
