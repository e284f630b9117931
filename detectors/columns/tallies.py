"""What was counted in a closed window, cell by cell: for whoever shows it or keeps it. Decides nothing.

A cell is split by region where its monitors name one. Counts are of results as they came: every result counts, where
the detectors weigh a network's vantages against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import compiled
from detectors.columns.layout import Layout
from detectors.columns.series import Series
from detectors.columns.table import Ints, Numbers, Singles, medians, ranks, tallied, tally
from detectors.readings import Arrived, CountryTally, Counts


class _Names(NamedTuple):
    """The names of some rows, and the cell of each; where those of each place begin and end."""

    cell: Numbers
    platforms: list[str]
    regions: list[str]
    asns: list[int]
    spans: dict[int, tuple[int, int]]


class Tallies:
    """Counts windows by country. It keeps names in their order, made anew when there are new ones."""

    def __init__(self) -> None:
        self._known = (-1, -1)
        self._layout: Layout | None = None
        self._places: list[tuple[tuple[str, bool], int]] = []
        # Parts, and then cells themselves, in the order in which they are told.
        self._order: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._platforms: NDArray[np.object_] = np.empty(0, dtype=object)  # of countries' platforms
        # What was told of last, and its names: mostly the same is told of again.
        self._told: Numbers = np.empty(0, dtype=np.int32)
        self._names: _Names | None = None
        self._ways_of: Sequence[str] = ()
        self._ways: NDArray[np.object_] = np.empty(0, dtype=object)  # their names, and "" for none

    def count(
        self,
        series: Series,
        counts: Counts,
        mechanisms: Sequence[str],
        arrivals: Mapping[tuple[str, bool], Arrived],
        middle: tuple[Singles, Singles],
    ) -> list[CountryTally]:
        """Return what each country had that has results in the window or networks that report.

        In the order of countries (real before simulated), platforms, regions, networks. `middle` are the two times to
        first byte in the middle of each cell's.
        """
        layout = series.layout
        self._learn(layout)
        monitor, size = counts.monitor, len(self._order)
        row = self._row_of(layout, monitor)
        there, n, good, leading = self._counted(row, counts, len(mechanisms), size)
        low, high = middle
        if len(layout.parts):
            timed = counts.ttfb_ms > 0.0  # NaN is not
            _, *both = medians(row[timed], counts.ttfb_ms[timed], size)
            low, high = (column.astype(np.float32) for column in both)  # as they came
        ttfb = np.rint((low[there].astype(np.float64) + high[there]) / 2.0).astype(np.int64).tolist()
        if self._ways_of is not mechanisms:
            self._ways_of, self._ways = mechanisms, _objects([*mechanisms, ""])
        names = self._names_of(layout, there)
        cell = names.cell
        usual = np.round(series.cells.usual[cell], 3)
        usual[~series.cells.warm(series.start)[cell]] = -1.0
        expected = [None if ratio < 0.0 else ratio for ratio in usual.tolist()]
        columns: tuple[list[Any], ...] = (
            names.platforms,
            names.regions,
            names.asns,
            n.tolist(),
            good.tolist(),
            expected,
            [value or None for value in ttfb],
            self._ways[leading].tolist(),
        )
        span = names.spans
        networks, vantages = self._reporting(series)
        made = []
        for key, number in self._places:
            if number not in span and not networks[number]:
                continue
            begin, end = span.get(number, (0, 0))
            awaited, came = arrivals.get(key, (0.0, 0.0))
            made.append(
                CountryTally(
                    *key,
                    networks[number],
                    vantages[number],
                    awaited,
                    came,
                    *(column[begin:end] for column in columns),
                )
            )
        return made

    def _names_of(self, layout: Layout, rows: Numbers) -> _Names:
        """The names of some rows, and where each place's stand among them."""
        names = self._names
        if names is None or not np.array_equal(rows, self._told):
            cell = self._cells_of(layout, rows)
            group = layout.cell_group[cell]
            place = layout.group_place[group]
            begins = np.flatnonzero(np.diff(place, prepend=-1)).tolist()
            ends = [*begins[1:], len(place)][: len(begins)]
            names = self._names = _Names(
                cell,
                self._platforms[group].tolist(),
                self._regions_of(layout, rows),
                layout.cells.right(cell).tolist(),
                dict(zip(place[begins].tolist(), zip(begins, ends, strict=True), strict=True)),
            )
            self._told = rows
        return names

    @staticmethod
    def _reporting(series: Series) -> tuple[list[int], list[int]]:
        """Networks and vantages of each place that have reported lately."""
        layout = series.layout
        place, size = layout.network_place, len(layout.places)
        networks = np.bincount(place[series.networks_live()], minlength=size)
        lately = series.vantages.lately(series.start, series.window)
        vantages = np.bincount(place[layout.vantage_network[lately]], minlength=size)
        return networks.tolist(), vantages.tolist()

    @staticmethod
    def _row_of(layout: Layout, monitor: Numbers) -> Numbers:
        """The part of each monitor, or its cell where it has no region, in one numbering."""
        cell = layout.cells_of(monitor)
        if not len(layout.parts):
            return cell
        part = layout.seat_part[layout.monitor_seat[monitor]]
        return np.where(part >= 0, part, len(layout.parts) + cell)

    def _counted(
        self, row: Numbers, counts: Counts, ways: int, size: int
    ) -> tuple[Numbers, Ints, Ints, Ints]:
        """The rows that have results, in the order in which they are told: results, successes, and the way to fail.

        That is the most frequent one, of several the first in the list, and `ways` where none failed.
        """
        if compiled.stages is not None:
            counted: tuple[Numbers, Ints, Ints, Ints] = compiled.stages.tally_rows(
                row, counts.ok, counts.mechanism, counts.weight, self._order, size, ways
            )
            return counted
        n = tally(row, counts.weight, size)
        there = self._order[n[self._order] > 0]
        good = tally(row[counts.ok], counts.weighing(counts.ok), size)
        leading = np.full(size, ways)
        failed = np.flatnonzero(counts.mechanism)
        if len(failed):
            keys, count = tallied(
                row[failed].astype(np.int64) * ways + counts.mechanism[failed], counts.weighing(failed)
            )
            where, code = np.divmod(keys, ways)
            begins = np.flatnonzero(np.diff(where, prepend=-1))
            # Of equal counts the first in the list is the greatest number here.
            most = np.maximum.reduceat(count * ways + (ways - 1 - code), begins)
            leading[where[begins]] = ways - 1 - most % ways
        return there, n[there], good[there], leading[there]

    def _learn(self, layout: Layout) -> None:
        known = (len(layout.parts), len(layout.cells))
        if layout is self._layout and known == self._known:
            return
        self._layout, self._known, self._names = layout, known, None
        self._places = sorted(layout.places.items())
        self._platforms = _objects([platform for platform, _, _ in layout.group_names])
        every = np.arange(sum(known), dtype=np.int64)
        cell = self._cells_of(layout, every)
        group = layout.cell_group[cell]
        order = (
            layout.cells.of(cell)[1],
            ranks(self._regions_of(layout, every)),
            ranks(self._platforms.tolist())[group],
            _ranks_of_places(self._places)[layout.group_place[group]],
        )
        self._order = np.lexsort(order).astype(np.int32)  # what weighs most comes last

    @staticmethod
    def _cells_of(layout: Layout, rows: Numbers) -> Numbers:
        """The cells of some rows: parts have the first numbers, and then cells."""
        parts = len(layout.parts)
        if not parts:
            return rows
        of_part = layout.part_cell[np.minimum(rows, parts - 1)]
        return np.where(rows < parts, of_part, rows - parts)

    @staticmethod
    def _regions_of(layout: Layout, rows: Numbers) -> list[str]:
        """The regions of some rows, "" for a cell itself."""
        regions = [""] * len(rows)
        if len(layout.parts):
            given = np.flatnonzero(rows < len(layout.parts))
            names = layout.region_names(layout.part_region[rows[given]])
            for place, name in zip(given.tolist(), names, strict=True):
                regions[place] = name
        return regions


def _ranks_of_places(places: Sequence[tuple[tuple[str, bool], int]]) -> Ints:
    """The place of each number in their order."""
    rank = np.empty(len(places), dtype=np.int64)
    rank[[number for _, number in places]] = np.arange(len(places))
    return rank


def _objects(names: Sequence[str]) -> NDArray[np.object_]:
    made = np.empty(len(names), dtype=object)
    made[:] = names
    return made
