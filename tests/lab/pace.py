"""How much faster than life the lab's time goes: as fast as this machine keeps up with, beside what else it does."""

from __future__ import annotations

import os
from typing import Final

#: By processes that wait for each processor: the most, and the pace up to there.
_PACES: Final = ((1.0, 15), (2.0, 12), (4.0, 6))
_SLOWEST: Final = 4
VARIABLE: Final = "LAB_PACE"


def fitting(waiting: float, processors: int) -> int:
    """The pace for a machine with so many processes that run or wait, before the lab begins.

    >>> fitting(0.2, 2), fitting(3.0, 2), fitting(40.0, 2)
    (15, 12, 4)
    """
    share = waiting / processors
    return next((pace for most, pace in _PACES if share <= most), _SLOWEST)


def choose() -> None:
    """Settle the pace of this run, for all of its processes; one that is given stands."""
    os.environ.setdefault(VARIABLE, str(fitting(os.getloadavg()[0], os.cpu_count() or 1)))


def chosen() -> int:
    """The pace of this run."""
    return int(os.environ.get(VARIABLE, "15"))
