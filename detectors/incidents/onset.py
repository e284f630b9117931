"""When a loss began: the change point of greatest likelihood, over the last windows of several series together.

A detector dates its alarm from where its sum began to rise, and by chance one failure raised it some minutes before.
Series that fell together say more exactly when, each window of each by how many of its results succeeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from statistics import median_low
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Falls of the log odds that are tried: some, most, all.
_DROPS: Final = np.array([1.2, 2.5, 4.5])
#: Nats against a loss that the windows before must hold: what was lost before them can't be dated by them.
_WELL_NATS: Final = 3.0
#: Nats that one failure by chance may add: what an earlier window must bring to be the beginning.
_CHANCE_NATS: Final = 4.0
#: Share of the networks that make an onset.
_AGREEING: Final = 0.25


def windows_since(past: Sequence[NDArray[np.float64]]) -> int | None:
    """How many windows ago all of these series fell, this window counted.

    Each series is (windows, 3): successes, results and the usual ratio of each window, the present one last. None
    where the windows do not show when: nothing speaks for a loss, or not enough for health before it.

    Of k successes among n where p is usual, a fall of the log odds by d is ``-d k - n log(1 - p + p e^-d)`` nats more
    likely than none; summed over series, and from each window to the last, its greatest value is the change point. The
    latest window counts that is as good but for what one failure may add.
    Source: Hinkley, D. V. (1970), Inference about the change-point in a sequence of random variables, Biometrika 57.

    >>> well, lost = [[5, 5, 0.98]], [[0, 5, 0.98]]
    >>> windows_since([np.array(8 * well + 2 * lost, dtype=float), np.array(7 * well + 3 * lost, dtype=float)])
    3
    >>> windows_since([np.array(10 * lost, dtype=float)]) is None
    True
    """
    if not past:
        return None
    k, n, usual = np.moveaxis(np.stack(past), 2, 0)
    drops = _DROPS[:, None, None]
    nats = (-drops * k - n * np.log1p(usual * np.expm1(-drops))).sum(axis=1)
    since = nats[:, ::-1].cumsum(axis=1)[:, ::-1]
    drop = int(np.argmax(since.max(axis=1)))
    most = since[drop].max()
    window = int(np.flatnonzero(since[drop] >= most - _CHANCE_NATS)[-1])
    if most <= _CHANCE_NATS or nats[drop, :window].sum() > -_WELL_NATS:
        return None
    return int(nats.shape[1]) - window


def agreed_onset(onsets: Mapping[object, Iterable[int]], window_seconds: int) -> int:
    """The earliest onset that the evidence supports, of the onsets of each network's (or region's) parts.

    What could not be dated by its own windows is dated by where its detector's sum began to rise, and by chance some
    began earlier. So an onset counts when a quarter of the networks, and two of them where there are as many, agree
    within one window; each has the middle onset of its parts. Where none agree, the middle one counts.

    >>> agreed_onset({1: [0], 2: [600], 3: [600, 660], 4: [720]}, 60)
    600
    """
    middles = sorted(median_low(list(times)) for times in onsets.values())
    enough = max(2, ceil(_AGREEING * len(middles))) if len(middles) > 1 else 1
    for onset in middles:
        if sum(onset <= other <= onset + window_seconds for other in middles) >= enough:
            return onset
    return median_low(middles)
