"""How much slower than its network each monitor usually is: each is the control of its own times.

A network may have a vantage on fibre and one on a phone. Which of them reports in a window says nothing of the
network, so each time is taken as a share of what is usual of its monitor. What all monitors of a network lose is the
network's; what one of them loses beside the others becomes its own. One that is alone teaches its network all.

Few report in the same window. So the others are those that have spoken lately, by what each of them had of late, and a
network is as slow as more than half of them say: one vantage of three on a worse line is never its network.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import compiled
from detectors.columns.slowdown import SlowdownColumns
from detectors.columns.table import (
    Bools,
    Field,
    Floats,
    Ints,
    Numbers,
    Singles,
    Table,
    any_of,
    clipped,
    grained,
    medians,
    sums,
)

#: From so many windows on a monitor is known. Until then it is taken for as quick as its network is beside it.
KNOWN_WINDOWS: Final = 10
#: Half of what is remembered is of the last two hundred windows with times.
MEMORY_WINDOWS: Final = 300
#: A network has so many times the evidence, at the most, that more than half of its monitors have each by itself.
SHARES: Final = 3.0
#: More evidence of one monitor is not remembered.
SLOW_MAX: Final = 8.0
#: It is kept as a whole number of such parts of a nat.
SLOW_PARTS: Final = 4096.0
#: A monitor's last time counts beside the others' for so many of its rhythms.
LATELY_RHYTHMS: Final = 3.0
#: A pause longer than so many rhythms is none: who sleeps at night has the same rhythm in the morning.
PAUSE_RHYTHMS: Final = 4.0
#: Weight of the newest time in what a monitor had of late: of single times the middle one leans to a side.
LATEST_GAIN: Final = 0.25
#: Weight of the newest gap in a monitor's rhythm.
RHYTHM_GAIN: Final = 0.25

_NOWHERE: Final[Ints] = np.empty(0, dtype=np.int64)
_NO_TIMES: Final[Floats] = np.empty(0)


class Evened(NamedTuple):
    """One window's times, network by network: rows of those that have any, the logarithm of each, and a bound.

    `middle` is that of who reported. `most` is the evidence, in nats, that there is at the most for its being slow.
    """

    rows: Ints
    middle: Floats
    most: Floats


class Paces(Table):
    """Each monitor's usual time against its network's.

    Attributes
    ----------
    offset
        Logarithm of how many times slower it is.
    windows
        In how many windows that was learned.
    latest, last
        Mean logarithm of its last few times, and when it had the last one (seconds since 1970; 0: never).
    rhythm
        Seconds between its times, of late.
    slow
        Evidence that this one is slower than usual, in parts of a nat (`SLOW_PARTS`).
    """

    offset: Singles
    windows: NDArray[np.uint16]
    latest: Singles
    last: NDArray[np.uint32]
    rhythm: Singles
    slow: NDArray[np.uint16]
    fields = {  # noqa: RUF012  a table's columns are declared once
        "offset": Field(np.float32),
        "windows": Field(np.uint16),
        "latest": Field(np.float32),
        "last": Field(np.uint32),
        "rhythm": Field(np.float32),
        "slow": Field(np.uint16),
    }

    def even_out(
        self,
        start: int,
        monitor: Numbers,
        logs: Floats,
        monitor_cell: Numbers,
        times: SlowdownColumns,
        crowd: Bools,
        held: Bools | None,
    ) -> Evened:
        """Learn one window's times. Return what each network had that has any.

        Parameters
        ----------
        start
            Start of the window.
        monitor, logs
            By result: who it is of, and the logarithm of its time.
        monitor_cell
            By monitor, its network on a platform.
        times
            What is usual of each network.
        crowd
            By network: whether it is usually heard through monitors that come once. These have no usual of their own.
        held
            Networks that belong to an open incident, of which nothing is learned.
        """
        if not len(monitor):  # nobody was timed
            return _NOTHING
        if compiled.stages is not None and times.plain:
            return Evened(
                *compiled.stages.even_out(self, start, monitor, logs, monitor_cell, times, crowd, held)
            )
        rows, cell, mean = self._means(monitor, logs, monitor_cell)
        self._note(start, rows, mean)
        spoke, of_cell, each = self._spoke(start, rows, cell, mean, monitor_cell, crowd)
        size = times.size
        single, single_then = crowd[cell], crowd[of_cell]
        known = single | (self.windows[rows] >= KNOWN_WINDOWS)
        known_then = single_then | (self.windows[spoke] >= KNOWN_WINDOWS)
        shut = times.open if held is None else times.open | held
        fixed = shut[cell]
        own = np.where(single, 0.0, self.offset[rows])
        own_then = np.where(single_then, 0.0, self.offset[spoke])
        middle, _, beside = _middles(of_cell[known_then], (each - own_then)[known_then], size)
        reference, alone = middle[cell], beside[cell] == 0
        if any_of(alone):
            there = cell[alone]
            among, _, _ = _middles(there, (mean - own)[alone], size)
            fresh = times.weight[there] == 0.0
            reference[alone] = np.where(fresh, among[there], times.usual(start, there))
        learns = ~(single | fixed) & (~known | (beside[cell] > 1))
        if any_of(learns):
            who = rows[learns]
            windows = self.windows[who] + 1
            self.offset[who] = own[learns] + (mean - own - reference)[learns] / windows
            self.windows[who] = np.minimum(windows, MEMORY_WINDOWS)
            together = np.bincount(cell, minlength=size) == np.bincount(of_cell, minlength=size)
            self._stay(who, cell[learns], known[learns], own[learns], together, size)
            own = np.where(single, 0.0, self.offset[rows])
        # Of a newcomer in an incident it is not known how quick it was before.
        counted = known | ~fixed | alone
        middle, _, count = _middles(cell[counted], (mean - own)[counted], size)
        self._suspect(start, rows, cell, mean - own, times)
        counted = known_then | ~shut[of_cell] | (beside[of_cell] == 0)
        _, most, _ = _middles(of_cell[counted], self.slow[spoke][counted] / SLOW_PARTS, size)
        measured = count.nonzero()[0]
        return Evened(measured, middle[measured], np.where(crowd[measured], np.inf, SHARES * most[measured]))

    def _suspect(self, start: int, rows: Ints, cell: Numbers, logs: Floats, times: SlowdownColumns) -> None:
        """Weigh whether each of these is slower than usual by itself."""
        excess = np.where(times.weight[cell] > 0.0, logs - times.usual(start, cell), 0.0)
        spread = times.spread[cell]
        slow = self.slow[rows] / SLOW_PARTS + times.evidence(cell, excess, spread)
        self.slow[rows] = np.rint(clipped(slow, 0.0, SLOW_MAX) * SLOW_PARTS)

    def _note(self, start: int, rows: Ints, mean: Floats) -> None:
        """Note what these had of late, and in which rhythm they report."""
        last = self.last[rows].astype(np.int64)
        rhythm = self.rhythm[rows].astype(np.float64)
        gap = (start - last).astype(np.float64)
        usual = np.where(rhythm > 0.0, rhythm, gap)
        rhythm = usual + RHYTHM_GAIN * (np.minimum(gap, PAUSE_RHYTHMS * usual) - usual)
        self.rhythm[rows] = np.where(last > 0, rhythm, 0.0)
        latest = self.latest[rows].astype(np.float64)
        lately = (last > 0) & (gap <= LATELY_RHYTHMS * usual)
        self.latest[rows] = latest + np.where(lately, LATEST_GAIN, 1.0) * (mean - latest)
        self.last[rows] = start

    def _spoke(
        self, start: int, rows: Ints, cell: Numbers, mean: Floats, monitor_cell: Numbers, crowd: Bools
    ) -> tuple[Ints, Numbers, Floats]:
        """Who spoke lately on the networks that are measured now: their rows, their cells, what each had."""
        asked = np.zeros(len(crowd), dtype=np.bool_)
        asked[cell] = True
        asked &= ~crowd
        lately = self.last + LATELY_RHYTHMS * self.rhythm >= start
        lately &= asked[monitor_cell]
        lately[rows] = True
        spoke = lately.nonzero()[0]
        if len(spoke) == len(rows):
            return rows, cell, mean
        each = self.latest[spoke].astype(np.float64)
        each[np.searchsorted(spoke, rows)] = mean
        return spoke, monitor_cell[spoke], each

    def _stay(
        self, who: Ints, cell: Numbers, known: Bools, before: Floats, together: Bools, cells: int
    ) -> None:
        """Take back by how much the middle offset moved of each network that reports `together`.

        Against their own median, monitors whose times lean to one side would all learn the same, anew in every window:
        the network would seem to grow slower, or quicker, for ever. Against what others had of late they do not.
        """
        here = together[cell]
        if not any_of(here):
            return
        who, cell, known, before = who[here], cell[here], known[here], before[here]
        was, _, _ = _middles(cell[known], before[known], cells)
        now, _, _ = _middles(cell[known], self.offset[who][known].astype(np.float64), cells)
        self.offset[who] -= (now - was)[cell]

    def _means(self, monitor: Numbers, logs: Floats, monitor_cell: Numbers) -> tuple[Ints, Numbers, Floats]:
        """The monitors that have times, their cells, and the mean logarithm of each."""
        count = np.bincount(monitor, minlength=self.size)
        rows = count.nonzero()[0]
        return rows, monitor_cell[rows], sums(monitor, grained(logs), self.size)[rows] / count[rows]


def _middles(cell: Numbers, values: Floats, cells: int) -> tuple[Floats, Floats, Ints]:
    """The median of each cell's values, the lower of the two in the middle, and how many it has."""
    count, low, high = medians(cell, values.astype(np.float32), cells)
    return (low + high) / 2.0, low, count


_NOTHING: Final = Evened(_NOWHERE, _NO_TIMES, _NO_TIMES)
