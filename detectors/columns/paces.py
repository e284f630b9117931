"""How much slower than its network each monitor usually is: each is the control of its own times.

A network may have a vantage on fibre and one on a phone. Which of them reports in a window says nothing of the
network, so each time is taken as a share of what is usual of its monitor. What all monitors of a network lose is the
network's; what one of them loses beside the others becomes its own. One that is alone teaches its network all.
"""

from __future__ import annotations

from typing import Final

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
    grained,
    medians,
    sums,
)

#: From so many windows on a monitor is known. Until then it is taken for as quick as its network is beside it.
KNOWN_WINDOWS: Final = 10
#: Half of what is remembered is of the last two hundred windows with times.
MEMORY_WINDOWS: Final = 300

_NOWHERE: Final[Ints] = np.empty(0, dtype=np.int64)
_NO_TIMES: Final[Floats] = np.empty(0)


class Paces(Table):
    """Each monitor's usual time against its network's.

    Attributes
    ----------
    offset
        Logarithm of how many times slower it is.
    windows
        In how many windows that was learned.
    """

    offset: Singles
    windows: NDArray[np.uint16]
    fields = {"offset": Field(np.float32), "windows": Field(np.uint16)}  # noqa: RUF012  declared once

    def even_out(
        self,
        start: int,
        monitor: Numbers,
        logs: Floats,
        monitor_cell: Numbers,
        times: SlowdownColumns,
        crowd: Bools,
        held: Bools | None,
    ) -> tuple[Ints, Floats]:
        """Learn one window's times. Return the cells that have any, and the logarithm of the middle one of each.

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
            return _NOWHERE, _NO_TIMES
        if compiled.stages is not None and times.plain:
            evened: tuple[Ints, Floats] = compiled.stages.even_out(
                self, start, monitor, logs, monitor_cell, times, crowd, held
            )
            return evened
        rows, cell, mean = self._means(monitor, logs, monitor_cell)
        single = crowd[cell]
        known = single | (self.windows[rows] >= KNOWN_WINDOWS)
        fixed = times.open[cell] if held is None else times.open[cell] | held[cell]
        own = np.where(single, 0.0, self.offset[rows])
        middle, beside = _middles(cell[known], (mean - own)[known], times.size)
        reference, alone = middle[cell], beside[cell] == 0
        if any_of(alone):
            there = cell[alone]
            among, _ = _middles(there, (mean - own)[alone], times.size)
            fresh = times.weight[there] == 0.0
            reference[alone] = np.where(fresh, among[there], times.usual(start, there))
        learns = ~(single | fixed) & (~known | (beside[cell] > 1))
        who = rows[learns]
        windows = self.windows[who] + 1
        learned = own[learns] + (mean - own - reference)[learns] / windows
        learned -= _common(cell[learns], known[learns], own[learns], learned, times.size)
        self.offset[who] = learned
        self.windows[who] = np.minimum(windows, MEMORY_WINDOWS)
        # Of a newcomer in an incident it is not known how quick it was before.
        counted = known | ~fixed | alone
        own = np.where(single, 0.0, self.offset[rows])
        middle, count = _middles(cell[counted], (mean - own)[counted], times.size)
        measured = count.nonzero()[0]
        return measured, middle[measured]

    def _means(self, monitor: Numbers, logs: Floats, monitor_cell: Numbers) -> tuple[Ints, Numbers, Floats]:
        """The monitors that have times, their cells, and the mean logarithm of each."""
        count = np.bincount(monitor, minlength=self.size)
        rows = count.nonzero()[0]
        return rows, monitor_cell[rows], sums(monitor, grained(logs), self.size)[rows] / count[rows]


def _common(cell: Numbers, known: Bools, before: Floats, after: Floats, cells: int) -> Floats:
    """By how much the middle offset of each one's network has moved: only what monitors differ by is theirs.

    Against a median, monitors whose times lean to one side would all learn the same, anew in every window: the network
    would seem to grow slower, or quicker, for ever.
    """
    was, _ = _middles(cell[known], before[known], cells)
    now, _ = _middles(cell[known], after[known], cells)
    return (now - was)[cell]


def _middles(cell: Numbers, values: Floats, cells: int) -> tuple[Floats, Ints]:
    """The median of each cell's values, and how many it has."""
    count, low, high = medians(cell, values.astype(np.float32), cells)
    return (low + high) / 2.0, count
