"""Contrasts: the speed of a target as a share of its control's, which the same vantage measured at the same moment.

Such a result brings its own measure. A slow line, a busy evening and a distant network slow both alike, so it needs no
past: a platform that is far slower than its control again and again is throttled, from the first sure moment on,
however long it has been. What it needs is somebody on whose network the two are about equally quick; else the platform
may be slow everywhere, as one that has no servers near by.

So a network of such results has a *fair* ratio: it is expected to be quick enough at least that often, whatever it has
had. Where no network shows that this can be, nothing is expected of any, and each is judged by its own past as ever.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.columns.layout import Layout
from detectors.columns.table import (
    Bools,
    Field,
    Floats,
    Ints,
    Singles,
    Table,
    any_of,
    clipped,
    grained,
    sums,
    tally,
)
from detectors.readings import Contrasted

#: Half-life of what is remembered, in results of the network.
HALF_RESULTS: Final = 60.0
#: On a network that is not throttled one of ten results at most is slow by chance (one of forty, in the data that
#: docs/detection.md speaks of).
FAIR: Final = 0.9
#: This many results are as sure of it as a network's own past of as many would be.
FAIR_RESULTS: Final = 100.0
#: Evidence fades by half in so long: there is no drift, for both are measured at once.
FADE_SECONDS: Final = 4 * 86_400.0
#: So many networks, anywhere, show that a platform can be as quick as its control.
WITNESSES: Final = 3
#: A network shows it by so many results, of which this share is quick enough.
WITNESS_RESULTS: Final = 5.0
WITNESS_SHARE: Final = 0.8
#: A network is judged so of whose results this share has a control.
CONTROLLED_SHARE: Final = 0.5
#: Powers of two beyond which a contrast is no larger.
POWER_MAX: Final = 10.0


class ContrastColumns(Table):
    """What each network's contrasts came to of late, on each platform.

    Attributes
    ----------
    results, controlled, good
        All results of late, those that had a control, and of these the ones that were quick enough.
    total, square
        Of the logarithms (base 2) of the contrasts: their sum, and that of their squares.
    fair
        The ratio to which it came back, where that was less than the fair one.
    """

    results: Singles
    controlled: Singles
    good: Singles
    total: Singles
    square: Singles
    fair: Floats
    fields = {  # noqa: RUF012  a table's columns are declared once
        "results": Field(np.float32),
        "controlled": Field(np.float32),
        "good": Field(np.float32),
        "total": Field(np.float32),
        "square": Field(np.float32),
        "fair": Field(np.float64, FAIR),
    }

    def __init__(self) -> None:
        self._platform: Ints = np.empty(0, dtype=np.int64)
        super().__init__()

    def take(
        self, cell: NDArray[np.int32], contrast: NDArray[np.float32] | None, ok: Bools, weight: Ints | None
    ) -> None:
        """Take one window's rows in: where each belongs, its contrast (below 0: none), and how many it stands for."""
        if contrast is None:
            if not self.controlled.any():
                return  # nobody has ever had one
            contrast = np.full(len(cell), -1.0, dtype=np.float32)
        there = (contrast >= 0).nonzero()[0]
        of_cell, many = cell[there], None if weight is None else weight[there]
        logs = clipped(
            np.log2(np.maximum(contrast[there].astype(np.float64), 2.0**-POWER_MAX)), -POWER_MAX, POWER_MAX
        )
        each = np.ones(len(there)) if many is None else many.astype(np.float64)
        results = tally(cell, weight, self.size)
        rows = results.nonzero()[0]
        keep = np.exp2(results[rows] / -HALF_RESULTS)
        for column, values in (
            (self.results, results),
            (self.controlled, sums(of_cell, each, self.size)),
            (self.good, sums(of_cell, each * ok[there], self.size)),
            (self.total, sums(of_cell, grained(each * logs), self.size)),
            (self.square, sums(of_cell, grained(each * logs * logs), self.size)),
        ):
            column[rows] = column[rows] * keep + values[rows]

    def settle(self, rows: Ints, ratio: Floats) -> None:
        """Expect no more of these than the level at which their loss was over."""
        self.fair[rows] = np.minimum(FAIR, ratio)

    def judged(self, layout: Layout) -> Floats | None:
        """The ratio that is expected of each network at the least, 0 where nothing is; None: of no network."""
        had = self.controlled > 0.0
        if not any_of(had):
            return None
        had &= self.controlled >= CONTROLLED_SHARE * self.results
        quick = (self.controlled >= WITNESS_RESULTS) & (self.good >= WITNESS_SHARE * self.controlled)
        platform = self._platforms(layout)[layout.cell_group]
        shown = np.bincount(platform[quick], minlength=int(platform.max()) + 1) >= WITNESSES
        return np.where(had & shown[platform], self.fair, 0.0)

    def _platforms(self, layout: Layout) -> Ints:
        """Number the platforms, real and simulated apart, of the groups of a layout, which only grows."""
        if len(self._platform) != len(layout.group_names):
            numbers: dict[tuple[str, bool], int] = {}
            names = ((name, simulated) for name, _, simulated in layout.group_names)
            self._platform = np.array([numbers.setdefault(name, len(numbers)) for name in names])
        return self._platform

    def of(self, rows: Ints) -> list[Contrasted]:
        """What the contrasts of some networks came to of late."""
        columns = (self.controlled[rows], self.total[rows], self.square[rows])
        return list(map(Contrasted, *(column.astype(np.float64).tolist() for column in columns)))
