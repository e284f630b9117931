"""How often a real daily series agrees where nothing was cut, and where it was: ours, and two of River's detectors.

    python -m benchmarks.real_signals FILE... --column total_count [--cut 0.6]

Each file is a CSV with a date and numbers, a row a day. Every day after the first 60 is asked about as if an incident
had begun on it: as it is, with the share `--cut` of that day's number taken away, and with all of it. Where not even
that agrees, the series strays too much to say anything, and no false agreement there is no merit. Real series have no
labels, and real falls among their days: so agreement on days as they are is the most that can be false, not the rate
of it. A detector learns the days before and scores the one; River's are bad from four deviations, and below usual.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from river import anomaly

from detectors.readings import LostParts, Says
from detectors.single.signals import READINGS_MAX, SignalBook

#: It is not typed.
RIVER: Any = anomaly
DAY = 86_400
LEARNED_DAYS = 60
DEVIATIONS = 4.0
#: Whether the last of these values lies low beside those before.
Judge = Callable[[Sequence[float]], bool]


def ours(values: Sequence[float]) -> bool:
    """What an incident's corroboration would say."""
    book = SignalBook()
    for day, value in enumerate(values[-READINGS_MAX:]):
        book.learn(("PK", False, "real", "count", "", -1), day * DAY, value)
    last = (min(len(values), READINGS_MAX) - 1) * DAY
    return any(one.says is Says.AGREES for one in book.ask("PK", False, LostParts((last,)), last + DAY // 2))


def gaussian(values: Sequence[float]) -> bool:
    """River's GaussianScorer: the tail that four deviations leave."""
    scorer = RIVER.GaussianScorer(window_size=READINGS_MAX, grace_period=12)
    for value in values[:-1]:
        scorer.learn_one(None, value)
    return values[-1] < mean(values[-READINGS_MAX:-1]) and scorer.score_one(None, values[-1]) > 0.9999366


def deviation(values: Sequence[float]) -> bool:
    """River's StandardAbsoluteDeviation around the mean, from four on."""
    scorer = RIVER.StandardAbsoluteDeviation()
    for value in values[:-1]:
        scorer.learn_one(None, value)
    return values[-1] < mean(values[-READINGS_MAX:-1]) and scorer.score_one(None, values[-1]) > DEVIATIONS


JUDGES: dict[str, Judge] = {
    "ours": ours,
    "river.anomaly.GaussianScorer": gaussian,
    "river.anomaly.StandardAbsoluteDeviation": deviation,
}


def series(path: Path, column: str) -> list[float]:
    """The numbers of a file's column, a day each. Raises KeyError where it has no such column."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [float(row[column] or 0) for row in csv.DictReader(file)]


def main() -> None:
    """Print a row for each detector."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--column", required=True)
    parser.add_argument("--cut", type=float, default=0.6)
    options = parser.parse_args()
    print(f"days that agree: as they are, with {options.cut:.0%} cut, and cut to nothing")
    for path in options.files:
        values = series(path, options.column)
        days = range(LEARNED_DAYS, len(values))
        for name, judge in JUDGES.items():
            shares = []
            for rest in (1.0, 1 - options.cut, 0.0):
                told = sum(
                    judge([*values[max(0, day - READINGS_MAX) : day], values[day] * rest]) for day in days
                )
                shares.append(f"{told / len(days):7.1%}")
            print(f"{path.stem:20} {name:42} {' '.join(shares)}")


if __name__ == "__main__":
    main()
