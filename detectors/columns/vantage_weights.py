"""One network has one vote: how the vantages of a network come to the successes and probes that count.

With three vantages or more, none carries the network: one that differs from the median of all is left out while
it is in the minority, and none counts for more than twice the median vantage's probes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.columns import compiled
from detectors.columns.table import Bools, Field, Floats, Ints, Numbers, Singles, Table, medians, whole

VANTAGES: Final = 3
# Half-life of a vantage's own ratio, in its results.
RESULTS_PER_EXCESS: Final = 6.0
# From the median: three results in a row where the others' were other.
APART: Final = 0.28
# Times the median vantage's.
PROBES_MANY: Final = 2.0
# Weights are sixteenths, so that sums are exact in any order.
WEIGHT_GRAIN: Final = 16.0
GAP_GAIN: Final = 1.0 - 0.5 ** (
    1.0 / 20.0
)  # the half-life of a vantage's usual gap is 20 windows with results
LATELY_GAPS: Final = 6.0
LATELY_WINDOWS: Final = 10.0


class Seats(Table):
    """What is remembered of each vantage, on each platform or over all.

    `excess` is its ratio of late less what is usual of its network; `gap` the usual number of windows between
    windows with results.
    """

    excess: Singles
    gap: Singles
    last: Ints
    fields = {  # noqa: RUF012  a table's columns are declared once
        "excess": Field(np.float32),
        "gap": Field(np.float32, 1.0),
        "last": Field(np.int64, -1),
    }

    def lately(self, start: int, window: int, rows: Ints | None = None) -> Bools:
        """Which of some, or of all, have reported lately, by their own usual gap."""
        if compiled.stages is not None:
            return np.asarray(compiled.stages.lately(self, start, window, rows))
        here = slice(None) if rows is None else rows
        allowed = np.maximum(LATELY_WINDOWS, LATELY_GAPS * self.gap[here])
        last = self.last[here]
        return np.asarray((last >= 0) & (start - last <= allowed * window))

    def see(self, rows: Ints, start: int, window: int) -> None:
        """Note that these, ascending, have results in this window."""
        if compiled.stages is not None:
            compiled.stages.see_seats(self, rows, start, window)
            return
        here = whole(rows, self.size)
        last, gap = self.last[here], self.gap[here]
        longer = (start - last) / window - gap
        self.gap[here] = np.where(last >= 0, gap + GAP_GAIN * longer, gap)
        self.last[here] = start


def weigh(
    seats: Seats,
    cell: Numbers,
    well_watched: Bools,
    rows: Ints,
    k: Floats,
    n: Floats,
    due: Floats,
    start: int,
    window: int,
) -> Floats:
    """Take in one window of the vantages that were seen. Return the weight of each of `rows`, 0 to 1.

    Parameters
    ----------
    seats
        All vantages on their platforms.
    cell
        The network (on its platform) of each.
    well_watched
        Which networks have `VANTAGES` vantages or more, whether these have results now or not.
    rows
        Those that have results in this window.
    k, n
        Successes and probes of `rows`.
    due
        The successes that were expected of `rows`.
    """
    if compiled.stages is not None:
        return np.asarray(compiled.stages.vote(seats, cell, well_watched, rows, k, n, due, start, window))
    share = 1.0 - np.exp2(n / -RESULTS_PER_EXCESS)
    mine = cell[rows]
    seats.excess[rows] += share * ((k - due) / n - seats.excess[rows])
    weight = np.ones(len(rows))
    sits = well_watched[mine].nonzero()[0]
    if not len(sits):
        return weight
    jurors, mine = rows[sits], mine[sits]
    size = len(well_watched)
    busy = np.zeros(size, dtype=np.bool_)
    busy[mine] = True
    members = busy[cell].nonzero()[0]
    members = members[seats.lately(start, window, members)]
    excess, theirs = seats.excess[members], cell[members]
    many = n[sits]
    members_of, low, high = medians(theirs, excess, size)
    middle = (low + high) / 2.0
    strangers = np.bincount(theirs[np.abs(excess - middle[theirs]) > APART], minlength=size)
    minority = (members_of >= VANTAGES) & (2 * strangers < members_of)
    out = minority[mine] & (np.abs(seats.excess[jurors] - middle[mine]) > APART)
    if many.max() <= PROBES_MANY * many.min():  # nobody has many more than anybody
        weight[sits[out]] = 0.0
        return weight
    present, low, high = medians(mine, many.astype(np.float32), size)
    bound = np.minimum(1.0, PROBES_MANY * ((low + high) / 2.0)[mine] / many)
    bound = np.where(present[mine] >= VANTAGES, np.ceil(bound * WEIGHT_GRAIN) / WEIGHT_GRAIN, 1.0)
    weight[sits] = np.where(out, 0.0, bound)
    return weight
