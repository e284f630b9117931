"""What a contender is: alarms from successes and probes, window by window, knowing nothing of what comes later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Contender:
    """One rule.

    Parameters
    ----------
    run
        From successes k and probes n by window of a minute to whether each window is in alarm. What it says of a
        window rests on that window and those before.
    grid
        Parameters and the values tried for them in tuning; those used are in `choices.py`.
    pooled_only
        Judge the country alone, not each network as well: too slow for more.
    """

    name: str
    source: str
    run: Callable[..., Bools]
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    pooled_only: bool = False


def persistent(hits: Bools, windows: int) -> Bools:
    """Whether the last so many windows all hit: what keeps a rule from alarming at one bad minute."""
    if windows <= 1:
        return hits
    run = np.convolve(hits.astype(np.int64), np.ones(windows, dtype=np.int64))[: len(hits)]
    return run == windows


def trailing_sum(values: Ints, windows: int) -> Ints:
    """Sum over the last so many windows, this one too."""
    total = np.concatenate(([0], np.cumsum(values)))
    start = np.maximum(0, np.arange(1, len(values) + 1) - windows)
    return total[1:] - total[start]
