"""The hour of the week where people live: by their country's zone, and its own weekend.

Reads a table that is part of the code (`detectors/zones.py`): the same version decides the same everywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import Final

from detectors.zones import COUNTRIES, OFFSETS

DAY: Final = 86_400
HOUR: Final = 3600
HOURS: Final = 24
#: A zone that is not known is UTC, with Saturday and Sunday.
_UNKNOWN: Final = (((0, 0),), (5, 6))


@lru_cache(maxsize=1024)
def _of(country: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """When the offset changes, the offsets from then on, and the weekend."""
    number, weekend = COUNTRIES.get(country, (-1, _UNKNOWN[1]))
    steps = OFFSETS[number] if number >= 0 else _UNKNOWN[0]
    return tuple(since for since, _ in steps), tuple(ahead for _, ahead in steps), weekend


def local_seconds(country: str, at: int) -> int:
    """Local time as seconds since 1970: what a clock on the wall shows, read as if it were UTC.

    >>> local_seconds("NP", 0) // 900  # Nepal is 5:45 ahead
    23
    >>> local_seconds("??", 60)
    60
    """
    since, ahead, _ = _of(country)
    return at + ahead[max(0, bisect_right(since, at) - 1)]


def slot(country: str, at: int) -> int:
    """Which of 48 slots a time lies in: the hour of the day, and 24 more on the country's weekend.

    >>> slot("PK", 0), slot("SA", 86_400)  # Thursday 05:00, Friday 03:00
    (5, 27)
    """
    local = local_seconds(country, at)
    weekend = (local // DAY + 3) % 7 in _of(country)[2]
    return local % DAY // HOUR + (HOURS if weekend else 0)
