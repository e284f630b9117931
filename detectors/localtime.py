"""The hour of the week where people live: by their country's zone, and its own weekend.

Reads a table that is part of the code (`detectors/zones.py`): the same version decides the same everywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from detectors.zones import COUNTRIES, OFFSETS

DAY: Final = 86_400
HOUR: Final = 3600
HOURS: Final = 24
DAYS: Final = 7
#: People's evenings go on past midnight: until then, a night into or out of a weekend is like no other.
LATE: Final = 4
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
    """Which of 56 slots a time lies in, on a country's own clock and by its own weekend: see `slot_of`.

    >>> slot("PK", 0), slot("SA", 4 * 86_400)  # Thursday 05:00, a Monday at 03:00
    (5, 3)
    """
    return slot_of(local_seconds(country, at), _of(country)[2])


def slot_of(local: int, weekend: Collection[int] = (5, 6)) -> int:
    """Which of 56 slots a local time lies in, where the days of the weekend are these (Monday 0).

    The hour of the day on working days, 24 more at the weekend; then the four hours after midnight into a weekend, and
    those out of it.

    >>> slot_of(0), slot_of(86_400 * 2 + 3600 * 5)  # Thursday 00:00, Saturday 05:00
    (0, 29)
    >>> slot_of(86_400 * 2), slot_of(86_400 * 3), slot_of(86_400 * 4)  # midnights: to Saturday, Sunday, Monday
    (48, 24, 52)
    """
    day, hour = (local // DAY + 3) % DAYS, local % DAY // HOUR
    here = day in weekend
    if hour < LATE and here != ((day - 1) % DAYS in weekend):
        return 2 * HOURS + hour + (0 if here else LATE)
    return hour + (HOURS if here else 0)


#: Number of slots.
SLOTS: Final = 2 * (HOURS + LATE)
