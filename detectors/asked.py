"""Mappings whose values are made when they are asked for: of hundreds of networks a decision looks at a few.

What is asked of all of them, which are live and how they stand, is answered from the columns. A plain mapping is
answered for too, so that a reading can be made by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import isnan
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.readings import Opinion, Slowness, Standing

V = TypeVar("V")
Cell = tuple[str, int]  # platform and asn

#: By their codes in columns.
OPINIONS: Final = (Opinion.UNSURE, Opinion.BAD, Opinion.GOOD)
_BAD: Final = OPINIONS.index(Opinion.BAD)


class Cells(tuple[Cell, ...]):
    """Cells in an order; `rows` is the place of each in it, made once for all that is told of them."""

    @cached_property
    def rows(self) -> Mapping[Cell, int]:
        """The place of each cell."""
        return dict(zip(self, range(len(self)), strict=True))


class _Asked(Mapping[Cell, V], Generic[V]):
    """One row of the columns for each of `cells`, made into its value when that is asked for."""

    def __init__(self, cells: Sequence[Cell], columns: Sequence[NDArray[Any]]) -> None:
        self._cells, self._columns = cells if isinstance(cells, Cells) else Cells(cells), columns
        self._made: dict[Cell, V] = {}

    def _make(self, row: int) -> V:
        raise NotImplementedError

    def _rows(self) -> Mapping[Cell, int]:
        return self._cells.rows

    def __getitem__(self, cell: Cell) -> V:
        value = self._made.get(cell)
        if value is None:
            value = self._made[cell] = self._make(self._rows()[cell])
        return value

    def get(self, cell: Any, default: Any = None) -> Any:
        """The value of a cell that is there, else `default`."""
        return self[cell] if cell in self._rows() else default

    def __contains__(self, cell: object) -> bool:
        return cell in self._rows()

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def __repr__(self) -> str:
        return repr(dict(self))


class Standings(_Asked[Standing]):
    """How the networks of a country stand; the columns are `Standing`'s fields, an onset -1 where there is none."""

    def _make(self, row: int) -> Standing:
        says, score, n, k, expected, reachability, onset, *rest = [
            column.item(row) for column in self._columns
        ]
        since = onset if onset >= 0 else None
        return Standing(OPINIONS[says], score, n, k, expected, reachability, since, *rest)

    def live(self) -> list[Cell]:
        """`live_of`."""
        return [self._cells[row] for row in np.flatnonzero(self._columns[10]).tolist()]

    def leaning(self, least: float) -> list[tuple[Cell, bool]]:
        """`leaning_of`."""
        says, score, live = self._columns[0], self._columns[1], self._columns[10]
        rows = np.flatnonzero((score >= least) | (says == _BAD)).tolist()
        return [(self._cells[row], bool(live[row])) for row in rows]

    def signs(self) -> Iterable[tuple[Cell, Opinion, float, bool]]:
        """`signs_of`."""
        says, score, live = self._columns[0].tolist(), self._columns[1].tolist(), self._columns[10].tolist()
        return zip(self._cells, map(OPINIONS.__getitem__, says), score, live, strict=True)

    def counts(self) -> dict[Cell, tuple[int, int]]:
        """`counts_of`."""
        n, k = self._columns[2], self._columns[3]
        rows = np.flatnonzero(n)
        counts = zip(k[rows].tolist(), n[rows].tolist(), strict=True)
        return dict(zip([self._cells[row] for row in rows.tolist()], counts, strict=True))


class Slownesses(_Asked[Slowness]):
    """How slow the networks of a country are; the columns are `Slowness`'s fields, NaN and -1 where there is nothing.

    Instead of the measure's name stands whether it is throughput.
    """

    def _make(self, row: int) -> Slowness:
        says, score, by_speed, now, usual, onset, pace = [column.item(row) for column in self._columns]
        return Slowness(
            OPINIONS[says],
            score,
            "throughput" if by_speed else "ttfb_ms",
            now,
            usual,
            onset if onset >= 0 else None,
            None if isnan(pace) else pace,
        )

    def too_slow(self) -> set[Cell]:
        """`too_slow`."""
        return {self._cells[row] for row in np.flatnonzero(self._columns[0] == _BAD).tolist()}


def signs_of(networks: Mapping[Cell, Standing]) -> Iterable[tuple[Cell, Opinion, float, bool]]:
    """What each network says, its score, and whether it is live."""
    if isinstance(networks, Standings):
        return networks.signs()
    return [(cell, one.opinion, one.score, one.live) for cell, one in networks.items()]


def live_of(networks: Mapping[Cell, Standing]) -> Iterable[Cell]:
    """The networks that are live."""
    if isinstance(networks, Standings):
        return networks.live()
    return [cell for cell, one in networks.items() if one.live]


def leaning_of(networks: Mapping[Cell, Standing], least: float) -> Iterable[tuple[Cell, bool]]:
    """Those that say that something is lost, or score at least so much, and whether each is live."""
    if isinstance(networks, Standings):
        return networks.leaning(least)
    return [
        (cell, one.live) for cell, one in networks.items() if one.score >= least or one.opinion is Opinion.BAD
    ]


def counts_of(networks: Mapping[Cell, Standing]) -> dict[Cell, tuple[int, int]]:
    """Successes and results of those that have results in this window."""
    if isinstance(networks, Standings):
        return networks.counts()
    return {cell: (one.k, one.n) for cell, one in networks.items() if one.n}


def too_slow(slowness: Mapping[Cell, Slowness]) -> set[Cell]:
    """Those that are too slow by now."""
    if isinstance(slowness, Slownesses):
        return slowness.too_slow()
    return {cell for cell, one in slowness.items() if one.opinion is Opinion.BAD}
