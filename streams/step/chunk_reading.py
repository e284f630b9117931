"""A chunk while it is read: its blocks put together into the rows of one step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.readings import MonitorKey
from producers.records import Malformed, Tick, VantageStatus
from streams.machine import Chunk, Note
from streams.step.rows import OF_RESULTS, Block, Refusal, Rows, StatusRow, joined, refusal, status_row

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class ChunkReading:
    """A chunk while it is read, block by block: judges its clock readings, and puts the blocks together."""

    def __init__(self, clock_ms: int | None, live: bool) -> None:
        self.size = 0
        self.clock = clock_ms  # after the blocks so far
        self.kept: list[tuple[int, Chunk]] = []
        self._live = live
        self._blocks: list[Block] = []
        self._elsewhere: list[int] = []  # places of what is no result
        self._readings: list[tuple[NDArray[np.int32], Sequence[int]]] = []
        self._signed: list[NDArray[np.bool_]] = []
        self._refusals: list[Refusal] = []
        self._statuses: list[StatusRow] = []
        # Those of the blocks so far.
        self.new_monitors: list[MonitorKey] = []

    def add(
        self, block: Block, stamps: Sequence[int] | None, signed: NDArray[np.bool_] | None = None
    ) -> bool:
        """Take the next block in; `stamps` are the broker's append times, `signed` says which of its records are.

        Says whether any of it is refused.
        """
        if signed is None:
            self._signed.append(np.zeros(len(block.ids), dtype=np.bool_))
        else:
            results = np.delete(np.arange(block.size), [row for row, _ in block.others])
            self._signed.append(signed[results])
        refused = len(self._refusals)
        ticks: list[tuple[int, int]] = []
        for row, record in block.others:
            self._elsewhere.append(self.size + row)
            if isinstance(record, Malformed):
                self._refusals.append(refusal(self.size + row, record))
            elif isinstance(record, VantageStatus):
                spoken = signed is not None and bool(signed[row])
                self._statuses.append(status_row(self.size + row, record, signed=spoken))
            else:
                ticks.append((row, moment_ms(record)))
        if self._live:
            # Whoever may write could push a tick's own time; nobody can push the broker's.
            readings = list(stamps or ())
            place = np.arange(len(readings), dtype=np.int32)
        else:
            place = np.array([row for row, _ in ticks], dtype=np.int32)
            readings = [read for _, read in ticks]
        if readings:
            newest = max(readings)
            self.clock = newest if self.clock is None else max(self.clock, newest)
        self._readings.append((place + np.int32(self.size), readings))
        self._blocks.append(block)
        self.new_monitors += block.new_monitors
        self.size += block.size
        return len(self._refusals) > refused

    def rows(self, next_offset: int, notes: list[Note], sequences: dict[str, int] | None = None) -> Rows:
        """All of it."""
        blocks = self._blocks
        return Rows(
            size=self.size,
            next_offset=next_offset,
            place=np.delete(np.arange(self.size, dtype=np.int32), self._elsewhere),
            ids=list(chain.from_iterable([block.ids for block in blocks])),
            new_monitors=self.new_monitors,
            reading_place=joined([place for place, _ in self._readings], np.int32),
            reading_ms=np.array([read for _, some in self._readings for read in some], dtype=np.int64),
            refusals=self._refusals,
            statuses=self._statuses,
            notes=notes,
            kept=self.kept,
            signed=joined(self._signed, np.bool_),
            sequences=sequences or {},
            **{
                name: joined([getattr(block, name) for block in blocks], column.dtype)
                for name, column in OF_RESULTS.items()
            },
        )


def moment_ms(record: VantageStatus | Tick) -> int:
    """When a record is from, milliseconds since 1970."""
    return (record.time - _EPOCH) // _MILLISECOND


def all_known(block: Block) -> bool:
    """Whether all results are of monitors that are let in already."""
    return not len(block.monitor) or int(block.monitor.min()) >= 0


def is_timely(
    block: Block, before: int | None, after: int | None, *, lateness_ms: int, ahead_ms: int
) -> bool:
    """Whether no row of a block can be late or from the future, nor a word, wherever in it the clock moved.

    `before` and `after` are the clock's readings around the block, None for none.
    """
    words = [moment_ms(one) for _, one in block.others if isinstance(one, VantageStatus)]
    if not len(block.time_ms) and not words:
        return True
    if before is None or after is None or max(words, default=0) > before + ahead_ms:
        return False
    if not len(block.time_ms):
        return True
    first, last = int(block.time_ms.min()), int(block.time_ms.max())
    return first >= after - lateness_ms and last <= before + ahead_ms
