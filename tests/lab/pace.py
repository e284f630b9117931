"""How much faster than life the lab's time goes: as fast as this machine keeps up with, beside what else it does."""

from __future__ import annotations

import os
from typing import Final

#: By processes that wait for each processor: the most, and the pace up to there.
_PACES: Final = ((1.0, 15), (2.0, 12), (4.0, 6))
_SLOWEST: Final = 3
#: Those that leave windows of whole seconds.
_WHOLE: Final = (15, 12, 10, 6, 5, 4, 3, 2, 1)
#: Of a processor, what one country takes at a pace of one, as measured; and how much of them all may be taken.
_COST: Final = 0.011
_BUSY: Final = 0.75
VARIABLE: Final = "LAB_PACE"


def fitting(waiting: float, processors: int) -> int:
    """The pace for a machine with so many processes that run or wait, before the lab begins.

    >>> fitting(0.2, 2), fitting(3.0, 2), fitting(40.0, 2)
    (15, 12, 3)
    """
    share = waiting / processors
    return next((pace for most, pace in _PACES if share <= most), _SLOWEST)


def fits(together: int, processors: int) -> int:
    """The pace at which so many countries side by side take no more of the processors than they should.

    >>> fits(1, 2), fits(16, 2), fits(24, 2)
    (15, 6, 5)
    """
    return next((pace for pace in _WHOLE if together * pace * _COST <= _BUSY * processors), 1)


def choose(together: int = 1) -> None:
    """Settle the pace of this run, for all of its processes; one that is given stands."""
    processors = os.cpu_count() or 1
    pace = fitting(os.getloadavg()[0], processors)
    os.environ.setdefault(VARIABLE, str(min(pace, fits(together, processors))))


def chosen() -> int:
    """The pace of this run."""
    return int(os.environ.get(VARIABLE, "15"))
