"""What a partition heard: its clock, the stretches in which it was deaf, and up to when everything is decided.

Live, the clock is the broker's append time and nothing else. A stretch of it in which no record came at all, not even
the worker's own ticks, was not heard: the broker, the worker or the network between was away. Nothing can be said of
silence there, and what waited in spools meanwhile is in time for a while after hearing is back.

In a replay the clock is its ticks: no gap in them says that anybody was deaf.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

Milliseconds = NDArray[np.int64]
_NEVER = int(np.iinfo(np.int64).min // 2)


class Heard(msgspec.Struct):
    """A `Hearing` as it is kept: milliseconds since 1970, None before the first reading of the clock."""

    clock_ms: int | None = None
    deaf: list[tuple[int, int]] = []
    # The watermark stands at the first until the clock reads the second.
    hold: tuple[int, int] | None = None


class Hearing:
    """The clock of one partition.

    Parameters
    ----------
    lateness_ms
        How far the watermark lies behind the clock.
    deaf_ms
        A longer stretch without a record was not heard; None: there is none such, as in a replay.
    spool_ms
        How long the watermark stands still once hearing is back.
    """

    def __init__(self, *, lateness_ms: int, deaf_ms: int | None, spool_ms: int) -> None:
        self.kept = Heard()
        self._lateness_ms, self._deaf_ms, self._spool_ms = lateness_ms, deaf_ms, spool_ms

    @property
    def clock_ms(self) -> int | None:
        """What the clock reads."""
        return self.kept.clock_ms

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which everything is decided."""
        kept = self.kept
        if kept.clock_ms is None:
            return None
        due = kept.clock_ms - self._lateness_ms
        return due if kept.hold is None or kept.clock_ms >= kept.hold[1] else min(due, kept.hold[0])

    def advance(
        self, size: int, place: NDArray[np.int32], readings: Milliseconds
    ) -> tuple[Milliseconds, Milliseconds]:
        """Move the clock over a chunk of `size` records; `readings` were made with those at `place`.

        Returns
        -------
        Clock and watermark, each before the first record and then after each; far below zero before any reading.
        """
        kept = self.kept
        clock = np.full(size + 1, _NEVER, dtype=np.int64)
        clock[0] = kept.clock_ms if kept.clock_ms is not None else _NEVER
        clock[place + 1] = readings
        np.maximum.accumulate(clock, out=clock)
        watermark = clock - self._lateness_ms
        if kept.hold is not None:
            self._hold_back(clock, watermark, 0)
        if self._deaf_ms is not None:
            gaps = np.flatnonzero((np.diff(clock) > self._deaf_ms) & (clock[:-1] > _NEVER))
            for gap in gaps.tolist():
                self._fall_deaf(int(clock[gap]), int(clock[gap + 1]), int(watermark[gap]))
                self._hold_back(clock, watermark, gap + 1)
        if clock[-1] > _NEVER:
            kept.clock_ms = int(clock[-1])
            if kept.hold is not None and kept.clock_ms >= kept.hold[1]:
                kept.hold = None
        return clock, watermark

    def _fall_deaf(self, begin: int, end: int, watermark: int) -> None:
        """Note a stretch, from the last record before it to the first one after."""
        self.kept.deaf = [*self.kept.deaf, (begin, end)]
        self.kept.hold = (watermark, end + self._spool_ms)

    def _hold_back(self, clock: Milliseconds, watermark: Milliseconds, since: int) -> None:
        """Let the watermark stand from a place on until the hold is over, and run on from there."""
        assert self.kept.hold is not None
        stands, until = self.kept.hold
        over = since + int(np.searchsorted(clock[since:], until))
        np.minimum(watermark[since:over], stands, out=watermark[since:over])
        watermark[over:] = clock[over:] - self._lateness_ms

    def was_deaf(self, start_ms: int, end_ms: int) -> bool:
        """Whether any of a window could not be heard."""
        return any(begin < end_ms and start_ms < end for begin, end in self.kept.deaf)

    def deaf_until(self, start_ms: int) -> int:
        """Return the end of the deaf stretch that a moment lies in, or the moment itself if it lies in none."""
        return max((end for begin, end in self.kept.deaf if begin <= start_ms < end), default=start_ms)

    def next_deaf(self, start_ms: int, end_ms: int) -> int:
        """Return where the next deaf stretch between two moments begins, or the second moment if there is none."""
        return min((begin for begin, _ in self.kept.deaf if start_ms < begin < end_ms), default=end_ms)

    def forget(self, before_ms: int) -> None:
        """Let go of stretches that are over before a moment."""
        if self.kept.deaf:
            self.kept.deaf = [(begin, end) for begin, end in self.kept.deaf if end > before_ms]
