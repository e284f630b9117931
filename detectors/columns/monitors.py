"""What is usual of each monitor: how one vantage's look at one target differs from its network's results.

A network's expected ratio in a window is made of the usual ratios of the monitors that reported in it: a monitor
that comes, goes or reports at other hours shifts nothing. A monitor that is hardly known counts for nothing yet,
unless its network is usually heard through such monitors, or through no other now. What is usual is learned late, as
the network's own is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import compiled
from detectors.columns.layout import Layout
from detectors.columns.table import (
    Bools,
    Field,
    Floats,
    Ints,
    Numbers,
    Singles,
    StoredColumn,
    Table,
    any_of,
    clipped,
    grained,
    load_column,
    store_column,
    sums,
    whole,
)
from detectors.single.binomial import DAY, RATIO_MAX

#: What is learned waits for one block more, so that an onset does not hide itself.
BLOCK_SECONDS: Final = 900
HALF_SECONDS: Final = DAY
#: A monitor that never answered is expected to fail: one result of the network's kind is all that is lent to it.
LENT_RESULTS: Final = 1.0
OWN_MIN: Final = 0.002
#: A monitor is of its own kind where its ratio is so far from its network's, and stays so at half of that.
APART: Final = 0.05
#: And where chance alone leaves it as far off in one of 16,000 blocks.
APART_DEVIATIONS: Final = 4.0
#: Half-life of what happens to a monitor now, in its results.
RESULTS_PER_EXCESS: Final = 6.0
#: A network of which so much comes from monitors hardly known is heard through those that come and go.
NEWCOMERS_MANY: Final = 0.25
#: So many results, none of a newcomer, are taken as given: ten monitors that come at once are no coming and going.
NEWCOMERS_PRIOR: Final = np.float32(1200.0)
NEWCOMERS_HALF_SECONDS: Final = 4 * DAY
#: A target is dead whose results fail like this, with a control that fails too, in so many of the last.
DEAD_SHARE: Final = 0.5
DEAD_RESULTS: Final = 2.5
LATELY_WINDOWS: Final = 10.0
LATELY_GAPS: Final = 6.0


@dataclass(slots=True)
class Reports:
    """One window's results, one row a monitor that had any.

    `votes` is the weight, 0 to 1, with which each counts; `ratio` what is usual of each. `alike` says that none of them
    is known to be of its own kind.
    """

    rows: Ints
    seat: Numbers
    cell: Numbers
    good: Floats
    probes: Floats
    votes: Floats
    ratio: Floats
    alike: bool = False

    @classmethod
    def of(cls, layout: Layout, monitor: Numbers, ok: Bools, weight: Ints | None = None) -> Reports:
        """Sum the results of a window by monitor. Every monitor counts at first."""
        if compiled.stages is not None:
            reports: tuple[Ints, Numbers, Numbers, Floats, Floats] = compiled.stages.reports_of(
                layout.monitor_seat, layout.seat_cell, monitor, ok, weight
            )
            one = np.ones(len(reports[0]))
            return cls(*reports, one, one)
        probes = np.bincount(monitor, weight, minlength=len(layout))
        rows = probes.nonzero()[0]
        of_good = None if weight is None else weight[ok]
        good = np.bincount(monitor[ok], of_good, minlength=len(layout))[rows].astype(np.float64)
        seat = layout.monitor_seat[rows]
        one = np.ones(len(rows))
        return cls(rows, seat, layout.seat_cell[seat], good, probes[rows].astype(np.float64), one, one)

    def by_seat(self, seats: int) -> tuple[Ints, Floats, Floats, Floats]:
        """Those seats that have results that count: successes, results, and the successes that were due."""
        if compiled.stages is not None:
            by_seat: tuple[Ints, Floats, Floats, Floats] = compiled.stages.by_seat(self, seats)
            return by_seat
        columns = (self.good, self.probes, self.probes * self.ratio)
        if len(self.rows) and any_of(self.votes < 1.0):
            columns = (columns[0] * self.votes, columns[1] * self.votes, columns[2] * self.votes)
        good, probes, due = (sums(self.seat, column, seats) for column in columns)
        rows = probes.nonzero()[0]
        return rows, good[rows], probes[rows], due[rows]

    def by_cell(self, cells: int) -> tuple[Floats, Floats]:
        """Successes and results that count, by network on a platform."""
        if compiled.stages is not None:
            votes: tuple[Floats, Floats] = compiled.stages.sum_votes(self, cells)
            return votes
        # Of no rows NumPy counts in whole numbers.
        k, n = (
            sums(self.cell, column * self.votes, cells).astype(np.float64, copy=False)
            for column in (self.good, self.probes)
        )
        return k, n

    def expect(self, monitors: MonitorColumns, base: Floats) -> None:
        """Have the usual ratio of each be its own, where `base` is expected of its network."""
        expected = base[self.cell]
        self.ratio = monitors.usual(self.rows, expected)
        self.alike = self.ratio is expected

    def mix(self, base: Floats) -> Mix:
        """What is expected of each network, given who of it reported; `base` is by its own usual."""
        cells = len(base)
        if self.alike:
            return _unmixed(base)
        if compiled.stages is not None:
            mixed_ = compiled.stages.mix(self, base)
            return _unmixed(base) if mixed_ is None else Mix(base, *mixed_)
        own = (self.ratio != base[self.cell]) & (self.votes > 0.0)
        if not any_of(own):
            return _unmixed(base)
        of_own = np.zeros(cells, dtype=np.bool_)
        of_own[self.cell[own]] = True
        rows = (of_own[self.cell] & (self.votes > 0.0)).nonzero()[0]
        mixed = of_own.nonzero()[0]
        place = np.searchsorted(mixed, self.cell[rows])
        probes, votes, ratio = self.probes[rows], self.votes[rows], self.ratio[rows]
        weight = probes * votes
        usual = base.copy()
        usual[mixed] = sums(place, grained(weight * ratio), len(mixed)) / sums(place, weight, len(mixed))
        return Mix(base, usual, mixed, place, self.good[rows], probes, votes, ratio)


class Mix(NamedTuple):
    """What is expected of each network in one window, and the reports of those that have monitors of their own kind.

    `base` is each network's own usual; `usual` that of the monitors that reported. `place` is where each report's
    network stands among `cells`.
    """

    base: Floats
    usual: Floats
    cells: Ints
    place: Ints
    good: Floats
    probes: Floats
    votes: Floats
    ratio: Floats

    def evidence(self, drop: Floats) -> Floats:
        """Log-likelihood ratios of `cells`, summed over their monitors; `drop` one a row, or one a report."""
        each = -drop * self.good - self.probes * np.log1p(self.ratio * (np.exp(-drop) - 1.0))
        return sums(self.place, grained(self.votes * each), len(self.cells))


def _unmixed(base: Floats) -> Mix:
    """The mix of a window in which no monitor is of its own kind."""
    return Mix(base, base, _NONE, _NONE, _NO_FLOATS, _NO_FLOATS, _NO_FLOATS, _NO_FLOATS)


_NONE: Final[Ints] = np.empty(0, dtype=np.int64)
_NO_FLOATS: Final[Floats] = np.empty(0)


class _ByBlocks(Table):
    """A table that learns when a quarter of an hour is over; it remembers which one it is in."""

    def __init__(self) -> None:
        self.block = -1
        super().__init__()

    def passed(self, start: int) -> int:
        """How many blocks are over since the last call."""
        block = start // BLOCK_SECONDS
        over = block - self.block if self.block >= 0 else 0
        self.block = max(self.block, block)
        return max(0, over)

    def store(self) -> dict[str, StoredColumn]:
        """The columns, and the block, as plain bytes."""
        return {**super().store(), "block": store_column(np.array([self.block]))}

    def load(self, stored: Mapping[str, StoredColumn]) -> None:
        """Become what `store` gave. Raises ValueError where the columns are not this table's."""
        columns = dict(stored)
        where = type(self).__name__
        if "block" not in columns:
            raise ValueError(f"{where}: the snapshot does not say which block it is in")
        self.block = int(load_column(columns.pop("block"), np.int64, [1], f"{where}.block")[0])
        super().load(columns)


class MonitorColumns(_ByBlocks):
    """Each monitor's own usual, as odds against its network's.

    Attributes
    ----------
    odds
        How many times the network's odds of success are its own; 1 unless it is of its own kind.
    excess
        Its ratio of late less its usual one.
    last
        Start of the last window with results; 0 where there was none.
    """

    good: Singles
    probes: Singles
    due: Singles
    waiting_good: Singles
    waiting_probes: Singles
    waiting_due: Singles
    fresh_good: Singles
    fresh_probes: Singles
    fresh_due: Singles
    odds: Singles
    excess: Singles
    last: NDArray[np.uint32]
    fields = {  # noqa: RUF012  a table's columns are declared once
        **{
            f"{stage}{name}": Field(np.float32)
            for stage in ("", "waiting_", "fresh_")
            for name in ("good", "probes", "due")
        },
        "odds": Field(np.float32, 1.0),
        "excess": Field(np.float32),
        "last": Field(np.uint32),
    }

    def __init__(self, known_results: float) -> None:
        self.known_results = np.float32(known_results)
        self._keep = np.float64(0.5 ** (BLOCK_SECONDS / HALF_SECONDS))
        super().__init__()

    def known(self, rows: Ints | slice = slice(None)) -> Bools:
        """Which of some monitors are known well enough to be judged by their own usual."""
        return np.asarray(self.probes[rows] >= self.known_results)

    def usual(self, rows: Ints, base: Floats) -> Floats:
        """The ratios expected of some monitors, where `base` is expected of their networks.

        That is `base` itself where none is of its own kind.
        """
        if compiled.stages is not None:
            return np.asarray(compiled.stages.usual_of(self, rows, base))
        odds = self.odds[whole(rows, self.size)]
        if not any_of(odds != 1.0):
            return base
        odds = odds.astype(np.float64)
        odds *= base / (1.0 - base)
        return np.asarray(np.minimum(odds / (1.0 + odds), RATIO_MAX))

    def take(self, start: int, rows: Ints, good: Floats, probes: Floats, usual: Floats, base: Floats) -> None:
        """Note one window: what each of `rows`, ascending, had, what was usual of it and of its network."""
        if compiled.stages is not None:
            compiled.stages.take(self, start, rows, good, probes, usual, base)
            return
        here = whole(rows, self.size)
        share = 1.0 - np.exp2(probes / -RESULTS_PER_EXCESS)
        self.excess[here] = self.excess[here] + share * (good / probes - usual - self.excess[here])
        self.last[here] = start
        self.fresh_good[here] = self.fresh_good[here] + good
        self.fresh_probes[here] = self.fresh_probes[here] + probes
        self.fresh_due[here] = self.fresh_due[here] + probes * base

    def turn(self, blocks: int, gain: Floats) -> None:
        """Learn what has waited for a block; `gain` is how much of each monitor's: 0 where its network is in doubt."""
        for _ in range(min(blocks, 2)):
            keep = 1.0 - gain * (1.0 - self._keep)
            for name in ("good", "probes", "due"):
                learned, waiting, fresh = (
                    getattr(self, f"{stage}{name}") for stage in ("", "waiting_", "fresh_")
                )
                learned[:] = learned * keep + gain * waiting
                waiting[:] = fresh
                fresh[:] = 0.0
        if blocks > 2:
            keep = (1.0 - gain * (1.0 - self._keep)) ** (blocks - 2)
            for name in ("good", "probes", "due"):
                getattr(self, name)[:] *= keep
        self._tell_apart()

    def pass_over(self, rows: Bools) -> None:
        """Learn nothing of what waits of some monitors: an incident held them."""
        for stage in ("waiting_", "fresh_"):
            for name in ("good", "probes", "due"):
                getattr(self, f"{stage}{name}")[rows] = 0.0

    def _tell_apart(self) -> None:
        probes = self.probes.astype(np.float64)
        base = clipped(self.due / np.maximum(probes, 1e-9), OWN_MIN, RATIO_MAX)
        own = clipped((self.good + LENT_RESULTS * base) / (probes + LENT_RESULTS), OWN_MIN, RATIO_MAX)
        far = np.abs(own - base)
        apart = self.known() & (far > np.where(self.odds != 1.0, APART / 2.0, APART))
        apart &= far * far * probes > APART_DEVIATIONS**2 * base * (1.0 - base)
        self.odds[:] = np.where(apart, own / (1.0 - own) * (1.0 - base) / base, 1.0)


class Newcomers(Table):
    """How much of each network's results come from monitors that are hardly known; when it had others last."""

    strange: Singles
    probes: Singles
    last_known: Ints
    fields = {  # noqa: RUF012  a table's columns are declared once
        "strange": Field(np.float32),
        "probes": Field(np.float32),
        "last_known": Field(np.int64, -1, folded=True),
    }

    _keep = np.float64(0.5 ** (BLOCK_SECONDS / NEWCOMERS_HALF_SECONDS))

    def usually(self, rows: Numbers) -> Bools:
        """Which of some networks are usually heard through newcomers."""
        return np.asarray(self.strange[rows] >= NEWCOMERS_MANY * (self.probes[rows] + NEWCOMERS_PRIOR))

    def counted(self, start: int, window: int, cell: Numbers, known: Bools, share: Floats) -> Bools:
        """Which results count. `cell` is where each monitor belongs, `share` of its windows has results of a cell."""
        allowed = np.maximum(LATELY_WINDOWS, LATELY_GAPS / share[cell]) * window
        last = ~self.last_known[cell]
        alone = (last < 0) | (start - last > allowed)
        self.last_known[cell[known]] = ~start
        return known | self.usually(cell) | alone

    def turn(self, blocks: int, cell: Numbers, known: Bools, waiting: Singles) -> None:
        """Learn how many of the results that `waiting` counts by monitor were of monitors hardly known.

        A network that never had one that is known is left out: there is none beside whom others are strangers.
        """
        keep = self._keep**blocks
        waiting = np.where(~self.last_known[cell] >= 0, waiting, np.float32(0.0))
        for column, values in (
            (self.probes, waiting),
            (self.strange, np.where(known, np.float32(0.0), waiting)),
        ):
            column[:] = column * keep + sums(cell, values.astype(np.float64), self.size)


class Addresses(Table):
    """How the results of each target of a country's platform ended of late: its own fault, or its path's."""

    results: Singles
    dead: Singles
    last: Ints
    fields = {  # noqa: RUF012  a table's columns are declared once
        "results": Field(np.float32),
        "dead": Field(np.float32),
        "last": Field(np.int64, -1),
    }

    def take(self, start: int, results: Floats, dead: Floats) -> None:
        """Note one window, by address: results, and those that failed with their control failing too."""
        rows = results.nonzero()[0]
        keep = np.exp2(results[rows] / -RESULTS_PER_EXCESS)
        self.results[rows] = self.results[rows] * keep + results[rows]
        self.dead[rows] = self.dead[rows] * keep + dead[rows]
        self.last[rows] = start

    def is_dead(self, start: int, window: int, group: Ints, groups: int) -> Bools:
        """Which fail by themselves, while most of their platform's other targets do not."""
        lately = (self.last >= 0) & (start - self.last <= LATELY_WINDOWS * window)
        bad = lately & (self.dead >= DEAD_RESULTS) & (self.dead >= DEAD_SHARE * self.results)
        if not any_of(bad):
            return bad
        all_ = np.bincount(group[lately], minlength=groups)
        many = np.bincount(group[bad], minlength=groups)
        return np.asarray(bad & (2 * many <= all_)[group])
