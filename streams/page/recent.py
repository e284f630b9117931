"""The last day of every country, in steps of five minutes and bounded memory: what the page draws without the archive.

Windows are added up as they come; one that comes twice counts once. Knows no incident and no file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.records import Window

STEP: Final = 300
STEPS: Final = 288
#: Cells of one country, and of all of them: 7 KB each.
_CELLS_MAX: Final = 4_000
_ALL_CELLS_MAX: Final = 40_000
_N, _K, _DUE, _KNOWN, _WAITED, _TIMED = range(6)


class RecentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one line of a series: as `streams.archive.reader.HistoryRow` has it."""

    time: datetime
    name: str
    n: int
    k: int
    reachability: float
    expected: float | None
    ttfb_ms: float | None
    failure: str | None
    simulated: bool
    expected_error: float | None = None


@dataclass(slots=True)
class Coverage:
    """On how much a country's state rests, by its last window.

    `cells` and `learning` are of its last window with results: how many had any, and how many of these lack a usual.
    """

    country: str
    simulated: bool
    start: int
    end: int
    networks_live: int
    vantages: int
    awaited: float
    came: float
    results: int
    cells: int = 0
    learning: int = 0

    @property
    def only_learns(self) -> bool:
        """Whether no cell has a usual yet, so that a loss could hardly be seen."""
        return 0 < self.cells == self.learning


class _Ring:
    """Six sums a cell and step; a step's place is taken by the one a day later."""

    def __init__(self) -> None:
        self.newest = -1
        self.cells: dict[tuple[str, str, int], int] = {}  # and their places in `sums`
        self.sums: NDArray[np.float32] = np.zeros((0, 6, STEPS), dtype=np.float32)
        self.failures: dict[int, dict[tuple[str, int], dict[str, int]]] = {}
        self.told: dict[int, set[int]] = {}

    def begin(self, step: int) -> bool:
        """Make room for a step; False where it is older than what is kept."""
        if step <= self.newest - STEPS:
            return False
        if step > self.newest:
            gone = range(max(self.newest + 1, step - STEPS + 1), step + 1)
            self.sums[:, :, [one % STEPS for one in gone]] = 0.0
            self.newest = step
            oldest = step - STEPS
            for table in (self.failures, self.told):
                for old in [one for one in table if one <= oldest]:
                    del table[old]
        return True

    def place(self, key: tuple[str, str, int]) -> int:
        """The place of a cell, which may be new."""
        place = self.cells.setdefault(key, len(self.cells))
        if place >= len(self.sums):
            wide = np.zeros((max(8, 2 * len(self.sums)), 6, STEPS), dtype=np.float32)
            wide[: len(self.sums)] = self.sums
            self.sums = wide
        return place


@dataclass
class Recent:
    """Every country's last day.

    Attributes
    ----------
    coverage
        By country and whether simulated: the last window.
    left_out
        Cells for which there was no room.
    """

    coverage: dict[tuple[str, bool], Coverage] = field(default_factory=dict)
    left_out: int = 0
    _rings: dict[tuple[str, bool], _Ring] = field(default_factory=dict)
    _all_cells: int = 0

    def take(self, window: Window) -> bool:
        """Add a window up. Says whether it is new."""
        start = int(window.start.timestamp())
        step = start // STEP
        name = (window.country, window.simulated)
        ring = self._rings.setdefault(name, _Ring())
        if not ring.begin(step):
            return False
        starts = ring.told.setdefault(step, set())
        if start in starts:
            return False
        starts.add(start)
        self._add(ring, window, step)
        last = self.coverage.get(name)
        if last is None or start >= last.start:
            if window.n:
                cells, learning = len(window.n), window.expected.count(None)
            else:
                cells, learning = (last.cells, last.learning) if last is not None else (0, 0)
            self.coverage[name] = Coverage(
                window.country,
                window.simulated,
                start,
                int(window.end.timestamp()),
                window.networks_live,
                window.vantages,
                window.awaited,
                window.came,
                sum(window.n),
                cells,
                learning,
            )
        return True

    def _add(self, ring: _Ring, window: Window, step: int) -> None:
        keys = list(zip(window.platform, window.region, window.asn, strict=True))
        new = sum(key not in ring.cells for key in keys)
        if len(ring.cells) + new > _CELLS_MAX or self._all_cells + new > _ALL_CELLS_MAX:
            room = [place for place, key in enumerate(keys) if key in ring.cells]
            self.left_out += len(keys) - len(room)
            keys, chosen = [keys[place] for place in room], np.array(room, dtype=np.int64)
        else:
            self._all_cells += new
            chosen = np.arange(len(keys))
        if keys:
            n = np.array(window.n, dtype=np.float64)[chosen]
            expected = np.array(window.expected, dtype=np.float64)[chosen]
            ttfb = np.array(window.ttfb_ms, dtype=np.float64)[chosen]
            known, timed = ~np.isnan(expected), ~np.isnan(ttfb)
            columns = np.empty((len(keys), 6))
            columns[:, _N] = n
            columns[:, _K] = np.array(window.k, dtype=np.float64)[chosen]
            columns[:, _DUE] = np.where(known, n * expected, 0.0)
            columns[:, _KNOWN] = n * known
            columns[:, _WAITED] = np.where(timed, n * ttfb, 0.0)
            columns[:, _TIMED] = n * timed
            # Each cell of a window is there once.
            places = [ring.place(key) for key in keys]
            ring.sums[places, :, step % STEPS] += columns
        for place, failure in enumerate(window.failure):
            if failure:
                name = (window.platform[place], window.asn[place])
                counts = ring.failures.setdefault(step, {}).setdefault(name, {})
                counts[failure] = counts.get(failure, 0) + window.n[place] - window.k[place]

    # what is asked

    def span(self, country: str, simulated: bool) -> tuple[datetime, datetime] | None:
        """From when to when there is something of a country; None where there is nothing."""
        ring = self._rings.get((country, simulated))
        if ring is None:
            return None
        first = min(ring.told, default=ring.newest)
        return datetime.fromtimestamp(first * STEP, UTC), datetime.fromtimestamp(
            (ring.newest + 1) * STEP, UTC
        )

    def simulated(self, country: str) -> bool:
        """Whether a country has simulated results alone."""
        return (country, False) not in self._rings and (country, True) in self._rings

    def names(self, country: str, simulated: bool, what: int) -> list[Any]:
        """The platforms (0), regions (1) or networks (2) of a country, sorted."""
        ring = self._rings.get((country, simulated))
        return sorted({key[what] for key in ring.cells}) if ring is not None else []

    def series(
        self,
        country: str,
        simulated: bool,
        start: datetime,
        end: datetime,
        *,
        by: str,
        platforms: Iterable[str] | None = None,
        asn: int | None = None,
        region: str | None = None,
        step: int = STEP,
    ) -> list[RecentRow]:
        """The lines of a country by `platform`, `network`, `region` or `all`; every network counts alike.

        `step` is a multiple of five minutes.
        """
        ring = self._rings.get((country, simulated))
        if ring is None:
            return []
        chosen = None if platforms is None else set(platforms)
        first = max(int(start.timestamp()) // STEP, ring.newest - STEPS + 1)
        last = min(-(-int(end.timestamp()) // STEP), ring.newest + 1)
        if last <= first:
            return []
        many = max(1, step // STEP)
        places = np.arange(first, last) % STEPS
        groups = np.arange(first, last) // many
        bounds = np.flatnonzero(np.diff(groups, prepend=-1))
        pairs: dict[tuple[str, int], int] = {}  # a network on a line
        cells: list[int] = []
        members: list[int] = []
        for (platform, place, number), cell in ring.cells.items():
            if (chosen is not None and platform not in chosen) or (asn is not None and number != asn):
                continue
            if region is not None and place != region:
                continue
            name = {"platform": platform, "network": f"AS{number}", "region": place or "not told"}.get(
                by, "all"
            )
            cells.append(cell)
            members.append(pairs.setdefault((name, number), len(pairs)))
        if not cells:
            return []
        own = np.add.reduceat(ring.sums[cells][:, :, places].astype(np.float64), bounds, axis=2)
        totals = np.zeros((len(pairs), 6, len(bounds)))
        np.add.at(totals, members, own)
        lines: dict[str, list[int]] = {}
        for (name, _), pair in pairs.items():
            lines.setdefault(name, []).append(pair)
        rows: list[RecentRow] = []
        for name, networks in sorted(lines.items()):
            rows += self._rows(ring, by, name, totals[networks], groups[bounds], many, chosen, asn, simulated)
        return rows

    def _rows(
        self,
        ring: _Ring,
        by: str,
        name: str,
        sums: NDArray[np.float64],
        groups: NDArray[np.int64],
        many: int,
        platforms: set[str] | None,
        asn: int | None,
        simulated: bool,
    ) -> list[RecentRow]:
        n, k, due, known, waited, timed = (sums[:, i, :] for i in range(6))
        ratio, usual, errors = _alike(k, n), _alike(due, known), _error(due, known)
        total = timed.sum(axis=0)
        ttfb = np.divide(waited.sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0)
        rows = []
        # Counts are whole numbers: in whatever order they are added up, the sum is the same.
        results, good = n.sum(axis=0).astype(np.int64).tolist(), k.sum(axis=0).astype(np.int64).tolist()
        columns = zip(usual.tolist(), ttfb.tolist(), errors.tolist(), ratio.tolist(), strict=True)
        for place, (group, (expected, wait, error, reached)) in enumerate(
            zip(groups.tolist(), columns, strict=True)
        ):
            if not results[place]:
                continue
            rows.append(
                RecentRow(
                    time=datetime.fromtimestamp(group * many * STEP, UTC),
                    name=name,
                    n=results[place],
                    k=good[place],
                    reachability=round(reached, 4),
                    expected=None if isnan(expected) else round(expected, 4),
                    ttfb_ms=None if isnan(wait) else round(wait, 1),
                    failure=self._failure(ring, by, name, group, many, platforms, asn),
                    simulated=simulated,
                    expected_error=None if isnan(error) else round(error, 4),
                )
            )
        return rows

    @staticmethod
    def _failure(
        ring: _Ring, by: str, name: str, group: int, many: int, platforms: set[str] | None, asn: int | None
    ) -> str | None:
        total: dict[str, int] = {}
        for step in range(group * many, (group + 1) * many):
            for (platform, number), counts in ring.failures.get(step, {}).items():
                mine = {"platform": platform == name, "network": f"AS{number}" == name}.get(by, True)
                if (
                    not mine
                    or (platforms is not None and platform not in platforms)
                    or (asn is not None and number != asn)
                ):
                    continue
                for failure, count in counts.items():
                    total[failure] = total.get(failure, 0) + count
        return max(total, key=lambda failure: (total[failure], failure)) if total else None


def _alike(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the networks' ratios in each step, NaN where none has one."""
    there = whole > 0
    ratios = np.divide(part, whole, out=np.zeros_like(part), where=there)
    many = there.sum(axis=0)
    return np.asarray(np.divide(ratios.sum(axis=0), many, out=np.full(len(many), np.nan), where=many > 0))


def _error(due: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard error that chance leaves around the mean of the networks' usual ratios; NaN where none has one."""
    there = known > 0
    usual = np.divide(due, known, out=np.zeros_like(due), where=there)
    chance = np.divide(
        np.maximum(0.0, usual * (1.0 - usual)), known, out=np.zeros_like(due), where=there
    ).sum(axis=0)
    many = there.sum(axis=0)
    return np.asarray(np.divide(np.sqrt(chance), many, out=np.full(len(many), np.nan), where=many > 0))
