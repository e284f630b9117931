"""NAB's score, from its published description.

Lavin & Ahmad, Evaluating Real-time Anomaly Detection Algorithms, the Numenta Anomaly Benchmark, ICMLA 2015
(https://arxiv.org/abs/1510.03336), with the details of Ahmad, Lavin, Purdy & Agha, Neurocomputing 262, 2017:

- A row whose score reaches the threshold is a detection. Of the detections within a labelled window the earliest
  counts, by a sigmoid of where it lies: about 1 at the window's first row, 0 at its last. A window without one
  costs 1.
- Every detection outside of windows costs 0.11 (the standard profile), less right behind a window, by the same
  sigmoid.
- The first 15 % of a file's rows, at most 750, are for learning and don't count.
- One threshold serves the whole corpus: the best one. The sum is scaled so that no detection at all is 0, and the
  perfect detector 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PROBATION_SHARE: Final = 0.15
PROBATION_ROWS_MAX: Final = 5000
FALSE_WEIGHT: Final = 0.11
FAR: Final = 3.0  # window lengths behind a window from which on a false alarm is wholly false


@dataclass(frozen=True)
class Scored:
    """One file: a detector's scores, and the labelled windows as first and last row."""

    scores: Floats
    windows: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Result:
    """The normalised score and the threshold that gave it."""

    score: float
    threshold: float
    windows_found: int
    windows: int
    false_detections: int


def worth(position: Floats) -> Floats:
    """What a detection is worth at a relative position: -1 a window's first row, 0 its end, above 0 behind it."""
    value: Floats = np.where(
        position > FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, FAR))) - 1.0
    )
    return value


def benchmark(files: Sequence[Scored]) -> Result:
    """Score a corpus at its best threshold.

    >>> files = [Scored(np.array([0.0] * 60 + [1.0] + [0.0] * 39), [(60, 70)])]
    >>> round(benchmark(files).score, 1), benchmark(files).threshold
    (100.0, 1.0)
    >>> round(benchmark([Scored(np.zeros(100), [(60, 70)])]).score, 1)
    0.0
    """
    scores, gains, false, first = [], [], [], []
    windows = 0
    for file in files:
        kept, worths, inside = _rows(file)
        order = np.argsort(-file.scores[kept], kind="stable")
        rows = kept[order]
        gain = np.where(inside[rows] < 0, FALSE_WEIGHT * worths[rows], 0.0)
        found = np.zeros(len(rows), dtype=bool)
        for window in range(len(file.windows)):
            at = np.flatnonzero(inside[rows] == window)
            if len(at) == 0:
                continue
            windows += 1
            best = np.maximum.accumulate(worths[rows[at]] / worth(np.array(-1.0)))
            gain[at] = np.diff(best, prepend=-1.0)  # undetected is -1
            found[at[0]] = True
        scores.append(file.scores[rows])
        gains.append(gain)
        false.append(inside[rows] < 0)
        first.append(found)
    perfect = sum(len(file.windows) for file in files)
    score, gain = np.concatenate(scores), np.concatenate(gains)
    order = np.argsort(-score, kind="stable")
    score = score[order]
    total = np.cumsum(gain[order]) - windows
    last = np.append(score[1:] != score[:-1], True)  # rows of one score are detected together
    best_at = int(np.argmax(np.where(last, total, -np.inf)))
    if total[best_at] <= -windows:
        return Result(0.0, float("inf"), 0, windows, 0)
    return Result(
        score=float(100.0 * (total[best_at] + windows) / (perfect + windows)),
        threshold=float(score[best_at]),
        windows_found=int(np.concatenate(first)[order][: best_at + 1].sum()),
        windows=windows,
        false_detections=int(np.concatenate(false)[order][: best_at + 1].sum()),
    )


def probation(rows: int) -> int:
    """How many of a file's first rows don't count."""
    return int(PROBATION_SHARE * min(rows, PROBATION_ROWS_MAX))


def _rows(file: Scored) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Rows that count; every row's worth; and the window that it lies in, or -1."""
    rows = len(file.scores)
    worths, inside = np.full(rows, -1.0), np.full(rows, -1)
    at = np.arange(rows)
    for number, (begin, end) in enumerate(file.windows):
        length = end - begin + 1
        within = (at >= begin) & (at <= end)
        inside[within] = number
        worths[within] = worth(-(end - at[within] + 1) / length)
        following = file.windows[number + 1][0] if number + 1 < len(file.windows) else rows
        behind = (at > end) & (at < following)
        worths[behind] = worth((at[behind] - end) / max(1, length - 1))
    return at[probation(rows) :], worths, inside
