"""How the archive's files are named, and which of them count. Reads and writes nothing.

    windows/country=PK/day=2024-01-20/g0-p3-000000000000000120-000000000000000180.parquet
    hours/country=PK/day=2024-01-20/g0-p3-...parquet: the same cells summed by the hour, once the day is over
    results/country=PK/day=2024-01-20/g0-p3-...parquet: results as they came, where a setting asks for them
    incidents/g0-p1-...parquet          annotations/g0-p0-...parquet

A part holds what stood on one partition of a topic from one offset on, up to another, which is not in it. `g` counts
how often the topic was made anew. A part whose offsets lie within those of another of its folder is left over from
before they were put together: it does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple, Self

WINDOWS: Final = "windows"
HOURS: Final = "hours"
RESULTS: Final = "results"
INCIDENTS: Final = "incidents"
ANNOTATIONS: Final = "annotations"
_NAME: Final = re.compile(r"g(\d+)-p(\d+)-(\d+)-(\d+)\.parquet")


class ArchivePart(NamedTuple):
    """One file's name."""

    generation: int
    partition: int
    begin: int
    end: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read a name; None for that of another file.

        >>> part = ArchivePart(0, 3, 120, 180)
        >>> ArchivePart.parse(part.name) == part, ArchivePart.parse("note.txt"), ArchivePart.parse("g0-p3-1-2.parquet")
        (True, None, None)
        """
        parts = _NAME.fullmatch(name)
        made = None if parts is None else cls(*(int(number) for number in parts.groups()))
        return made if made is not None and made.name == name else None

    @property
    def name(self) -> str:
        """The file's name."""
        return f"g{self.generation}-p{self.partition}-{self.begin:018d}-{self.end:018d}.parquet"

    def within(self, other: ArchivePart) -> bool:
        """Whether all of its offsets are the other's too."""
        same = (self.generation, self.partition) == (other.generation, other.partition)
        return same and other.begin <= self.begin and self.end <= other.end


def folder_of(country: str, day: date, kind: str = WINDOWS) -> str:
    """The folder of a country's day.

    >>> folder_of("PK", date(2024, 1, 20)), folder_of("PK", date(2024, 1, 20), RESULTS)
    ('windows/country=PK/day=2024-01-20', 'results/country=PK/day=2024-01-20')
    """
    return f"{kind}/country={country}/day={day.isoformat()}"


def hours_of_folder(folder: str) -> str:
    """Where the sums by the hour of a folder of windows stand.

    >>> hours_of_folder("windows/country=PK/day=2024-01-20")
    'hours/country=PK/day=2024-01-20'
    """
    return HOURS + folder.removeprefix(WINDOWS)


def counting(names: Iterable[str]) -> list[ArchivePart]:
    """The parts of a folder that count, in the order of their offsets.

    >>> early, late, both = ArchivePart(0, 0, 0, 5), ArchivePart(0, 0, 5, 9), ArchivePart(0, 0, 0, 9)
    >>> counting([early.name, late.name, both.name]) == [both]
    True
    """
    parts = sorted(part for name in names if (part := ArchivePart.parse(name)) is not None)
    return [part for part in parts if not any(part != other and part.within(other) for other in parts)]


def left_over(names: Iterable[str]) -> list[ArchivePart]:
    """The parts of a folder that do not count."""
    names = list(names)
    counted = set(counting(names))
    return [part for name in names if (part := ArchivePart.parse(name)) is not None and part not in counted]
