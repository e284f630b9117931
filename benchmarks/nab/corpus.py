"""Reads a checkout of Numenta's benchmark: series, their labelled windows, other detectors' scores."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Series:
    """One file: seconds since 1970 (its own clock), values, and windows as first and last row."""

    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    windows: list[tuple[int, int]]


def read(folder: Path) -> list[Series]:
    """Every series of a checkout that holds `data/` and `labels/`.

    Raises
    ------
    FileNotFoundError
        With what is missing and how to get it.
    """
    labels = folder / "labels" / "combined_windows.json"
    if not labels.is_file():
        raise FileNotFoundError(
            f"{labels}: not there; get https://github.com/numenta/NAB (git clone) and name its folder"
        )
    found = []
    for name, windows in json.loads(labels.read_text()).items():
        with (folder / "data" / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        times = np.array([_seconds(row["timestamp"]) for row in rows], dtype=np.int64)
        values = np.array([float(row["value"]) for row in rows])
        spans = [(_row(times, begin), _row(times, end)) for begin, end in windows]
        found.append(Series(name, times, values, sorted(spans)))
    return found


def scores(folder: Path, detector: str, name: str) -> NDArray[np.float64]:
    """Another detector's scores of one series, as the checkout's `results/` have them."""
    kind, file_name = name.split("/")
    with (folder / "results" / detector / kind / f"{detector}_{file_name}").open(newline="") as file:
        return np.array([float(row["anomaly_score"]) for row in csv.DictReader(file)])


def _row(times: NDArray[np.int64], text: str) -> int:
    """The first row of that time: a few series have an hour twice, when clocks are set back."""
    return int(np.flatnonzero(times == _seconds(text))[0])


def _seconds(text: str) -> int:
    return int((datetime.fromisoformat(text[:19]) - datetime(1970, 1, 1)).total_seconds())
