"""A closed window's rows, as the detectors take them: a row that sums several results up is taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.readings import Counts, LateResults, VantageWord
from streams.step.rows import StatusRow


def counts_of(start: int, end: int, rows: Mapping[str, NDArray[Any]]) -> Counts:
    """The counts of a window, of its rows by columns (`streams.step.rows.OF_RESULTS`, without the times).

    A row that stands for several results becomes two: one for those that succeeded, one for the others.
    """
    columns: dict[str, Any] = dict(rows)
    count, good = columns.pop("count"), columns.pop("good")
    if not columns["every_seconds"].any():
        columns["every_seconds"] = None
    if (columns["contrast"] < 0).all():
        columns["contrast"] = None
    if (count == 1).all():
        return Counts(start, end, **columns)
    count, good = count.astype(np.int64), good.astype(np.int64)
    fine, lost = np.flatnonzero(good > 0), np.flatnonzero(count > good)
    parts = np.concatenate((fine, lost))
    columns = {name: None if column is None else column[parts] for name, column in columns.items()}
    columns["ok"] = np.arange(len(parts)) < len(fine)
    columns["mechanism"][columns["ok"]] = 0
    # What was timed is timed once, with those that succeeded where some did.
    again = len(fine) + np.flatnonzero(good[lost] > 0)
    for measure in ("ttfb_ms", "throughput"):
        columns[measure][again] = np.nan
    if columns["contrast"] is not None:
        columns["contrast"][again] = -1.0
    return Counts(start, end, weight=np.concatenate((good[fine], (count - good)[lost])), **columns)


def in_order(statuses: Iterable[StatusRow]) -> list[StatusRow]:
    """What vantages said of themselves in a window, by its time; the order of the log does not matter."""
    return sorted(
        (msgspec.structs.replace(status, place=0) for status in statuses),
        key=lambda status: (
            status.time_ms,
            status.country,
            status.asn,
            status.vantage,
            status.up,
            status.every_seconds,
        ),
    )


def words_of(statuses: Iterable[StatusRow]) -> list[VantageWord]:
    """Return what vantages said of themselves as the detectors take it."""
    return [
        VantageWord(
            status.country,
            status.asn,
            status.vantage,
            status.up,
            status.every_seconds,
            status.time_ms // 1000,
        )
        for status in in_order(statuses)
    ]


def late_results(
    late: Mapping[tuple[str, bool, int, str, int], tuple[int, int]], seconds: int
) -> list[LateResults]:
    """What came too late, by vantage and window, in an order that does not depend on that of the log."""
    return [LateResults(*key[:4], key[4] * seconds, *counts) for key, counts in sorted(late.items())]
