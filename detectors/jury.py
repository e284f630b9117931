"""One network has one vote: how the vantages of a network come to the successes and probes that count.

With three vantages or more, none carries the network: one that differs from the median of all is left out while
it is in the minority, and none counts for more than twice the median vantage's probes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.columns import Bools, Field, Floats, Ints, Singles, Table, medians

JURY: Final = 3
RESULTS_PER_EXCESS: Final = 6.0  # half-life of a vantage's own ratio, in its results
APART: Final = 0.3  # from the median: three results in a row where the others' were other
PROBES_MANY: Final = 2.0  # times the median vantage's
WEIGHT_GRAIN: Final = 16.0  # weights are sixteenths, so that sums are exact in any order
GAP_HALF: Final = 20.0  # half-life of a vantage's usual gap, in its windows with results
LATELY_GAPS: Final = 6.0
LATELY_WINDOWS: Final = 10.0


class Posts(Table):
    """What is remembered of each vantage on each platform.

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

    def lately(self, start: int, window: int, rows: Ints | slice = slice(None)) -> Bools:
        """Which have reported lately, by their own usual gap."""
        allowed = np.maximum(LATELY_WINDOWS, LATELY_GAPS * self.gap[rows])
        last = self.last[rows]
        return np.asarray((last >= 0) & (start - last <= allowed * window))

    def see(self, rows: Ints, start: int, window: int) -> None:
        """Note that these have results in this window."""
        known = rows[self.last[rows] >= 0]
        waited = (start - self.last[known]) / window
        self.gap[known] += (1.0 - 0.5 ** (1.0 / GAP_HALF)) * (waited - self.gap[known])
        self.last[rows] = start


def weigh(
    posts: Posts,
    cell: Ints,
    crowded: Ints,
    rows: Ints,
    k: Floats,
    n: Floats,
    usual: Floats,
    start: int,
    window: int,
) -> Floats:
    """Take one window of vantages in; gives the weight, 0 to 1, with which each of `rows` counts.

    Parameters
    ----------
    posts
        All vantages.
    cell
        The network (on its platform) of each.
    crowded
        Those whose network has `JURY` vantages or more, whether they have results now or not.
    rows
        Those that have results in this window.
    k, n
        Successes and probes of `rows`.
    usual
        The ratio expected of each network.
    """
    share = 1.0 - 0.5 ** (n / RESULTS_PER_EXCESS)
    posts.excess[rows] += share * (k / n - usual[cell[rows]] - posts.excess[rows])
    posts.see(rows, start, window)
    weight = np.ones(len(rows))
    if not len(crowded):
        return weight
    mine = np.isin(rows, crowded, assume_unique=True)
    if not mine.any():
        return weight
    jurors = rows[mine]
    members = crowded[np.isin(cell[crowded], np.unique(cell[jurors]))]
    members = members[posts.lately(start, window, members)]
    where, count, middle = medians(cell[members], posts.excess[members])
    apart = np.abs(posts.excess[members] - middle[np.searchsorted(where, cell[members])]) > APART
    strangers = np.bincount(np.searchsorted(where, cell[members[apart]]), minlength=len(where))
    minority = (count >= JURY) & (2 * strangers < count)
    place = np.searchsorted(where, cell[jurors])
    out = minority[place] & (np.abs(posts.excess[jurors] - middle[place]) > APART)
    busy, present, usual_probes = medians(cell[jurors], n[mine])
    place = np.searchsorted(busy, cell[jurors])
    bound = np.minimum(1.0, PROBES_MANY * usual_probes[place] / n[mine])
    bound = np.where(present[place] >= JURY, np.ceil(bound * WEIGHT_GRAIN) / WEIGHT_GRAIN, 1.0)
    weight[mine] = np.where(out, 0.0, bound)
    return weight
