"""The bank: every series of every country, window by window. Counts go in, opinions come out.

Cost is a handful of whole-column operations a window, whatever the number of series; only countries in which
something stirs, or that are watched, are looked at one by one. What becomes of an opinion is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isnan
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns import compiled, vantage_weights, warmup
from detectors.columns.binomial import Lent, Pool, evidence_columns
from detectors.columns.forgetting import without
from detectors.columns.holding import Held, Holding, Passing, Settling, settled_cells, spells_of
from detectors.columns.layout import Layout, StoredLayout
from detectors.columns.monitors import Reports
from detectors.columns.rhythm import Looks
from detectors.columns.series import Series
from detectors.columns.silence import Listening
from detectors.columns.survey import Survey
from detectors.columns.table import (
    Bools,
    Floats,
    Ints,
    Numbers,
    Singles,
    StoredColumn,
    any_of,
    clipped,
    grained,
    marked,
    medians,
    sums,
    tallied,
    tally,
)
from detectors.columns.tallies import Tallies
from detectors.readings import (
    Arrived,
    CountryTally,
    Counts,
    Health,
    MonitorKey,
    Pulse,
    Reading,
    SeriesGauge,
    Spell,
)
from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import DAY, HOUR, RATIO_MAX, RATIO_MIN
from detectors.single.silence import OFTEN
from detectors.state import VERSIONS, read_stored

# Within so many, what is learned of an hour in which nothing comes changes little.
SLEEP_WINDOWS: Final = 12
# Of its own, that a network must have had before its country's usual counts for it.
LENT_RESULTS: Final = 3.0
_NOTHING: Final[Mapping[tuple[str, bool], Any]] = MappingProxyType({})
# A series is as seldom heard after twenty days of silence as it gets.
AGED_DAYS_MAX: Final = 20
# Who had no more results than these in all may have been invented.
FAINT_RESULTS: Final = 2.0
# How many windows' outcomes, and rows, are kept before they are summed.
MERGE_WINDOWS: Final = 64
MERGE_ROWS: Final = 20_000


class BankState(msgspec.Struct):
    """A bank as it is written; `tables` by their names, with their columns by theirs."""

    version: int
    window: int
    start: int
    monitors: StoredLayout
    tables: dict[str, dict[str, StoredColumn]]


class Bank:
    """All detectors over all series of one partition.

    Parameters
    ----------
    detection
        Thresholds and half-lives.
    time
        Length of a window.
    mechanisms
        Names of the outcomes that `Counts.mechanism` numbers; the first is success.
    """

    def __init__(self, detection: DetectionSettings, time: TimeSettings, mechanisms: Sequence[str]) -> None:
        self.detection = detection
        self.time = time
        self.mechanisms = tuple(mechanisms)
        #: Some may lie: of what a country's networks say together, none says more by reporting more than others do.
        self.some_lie = False
        self.series = Series(detection, time)
        self._held = Held()
        self._outcomes: list[tuple[Ints, Ints]] = []
        # Of windows closed since: monitor, outcome and weight of each row, and the number of rows.
        self._ended: list[tuple[Numbers, NDArray[np.int16], Ints | None]] = []
        self._ended_rows = 0
        self._tallies = Tallies()
        # The two times to first byte in the middle of each network's, in the window closed last.
        self._middle: tuple[Singles, Singles] = (np.empty(0, np.float32), np.empty(0, np.float32))
        self._names: tuple[list[str], list[str], list[bool]] = ([], [], [])  # of countries' platforms

    def add_monitors(self, monitors: Iterable[MonitorKey]) -> None:
        """Take vantages in, in the order in which `Counts.monitor` numbers them."""
        self.series.add(monitors)
        self._name()

    @property
    def monitors(self) -> list[MonitorKey]:
        """All vantages, in the order in which they were taken in; made anew each time."""
        return self.series.layout.monitors

    def _name(self) -> None:
        names = self.series.layout.group_names
        if len(self._names[0]) < len(names):
            self._names = (
                [name[1] for name in names],
                [name[0] for name in names],
                [name[2] for name in names],
            )

    # a window

    def close(
        self,
        counts: Counts,
        watch: Collection[tuple[str, bool]],
        holding: Holding = _NOTHING,
        settling: Settling = _NOTHING,
        passing: Passing = _NOTHING,
    ) -> Reading:
        """Take a closed window in, and say how things stand.

        Parameters
        ----------
        counts
            The window's rows.
        watch
            Countries (and whether simulated) whose readings are wanted though nothing stirs.
        holding
            By country, the parts that open incidents hold: nothing of them becomes usual.
        settling
            By country, the parts that are over at another level since the last window, and that level.
        passing
            By country, the parts of which a small loss is over since the last window: its hours, which are usual now.
        """
        series = self.series
        start = series.start = counts.start
        held_cells = self._held.cells(series.layout, holding)
        self._release(start, held_cells, settling)
        for rows, spell in spells_of(series.layout, passing):
            if isinstance(spell, Spell):
                series.cells.pass_hours(rows, *spell)
                continue
            for measure, hours in spell.hours.items():
                times = series.throughput if measure == "throughput" else series.ttfb
                times.pass_hours(rows, hours)
        cell = series.layout.cells_of(counts.monitor)
        series.contrast.take(cell, counts.contrast, counts.ok, counts.weight)
        series.cells.fair = series.contrast.judged(series.layout)
        k, n, seen = self._count(counts, held_cells)
        self._time(start, counts, cell, held_cells)
        series.settle()
        self._tally(counts)
        survey = Survey(series, n, k, seen, self.mechanisms, some_lie=self.some_lie)
        chosen = survey.stirring()
        for key in watch:
            if key in series.layout.places:
                chosen[series.layout.places[key]] = True
        return Reading(
            counts.start,
            counts.end,
            survey.read(chosen, counts),
            self._health(),
            self.series.paths.arrivals(self.series.layout),
        )

    def quiet_windows(self, start: int) -> int:
        """How many windows without any result, the first at `start`, can pass in which no silence says anything."""
        series, layout = self.series, self.series.layout
        each = np.arange(len(layout.places))
        return min(
            series.silence.quiet_windows(start, layout.network_place, len(layout.places)),
            series.country_silence.quiet_windows(start, each, len(layout.places)),
        )

    def sparse(self, start: int) -> bool:
        """Whether no country has results of a platform in half of its windows, nor anybody a rhythm of minutes."""
        share = self.series.groups.presence.share
        return (
            bool(len(share))
            and float(share.max()) < OFTEN
            and not self.series.paths.has_minutes(start, self.series.window)
        )

    @property
    def last_heard(self) -> int:
        """Start of the last window with results; -1 before the first."""
        last = self.series.silence.last
        return int(last.max()) if len(last) else -1

    def knows_vantage(self, country: str, asn: int, vantage: str) -> bool:
        """Whether a vantage has had results in a window that was closed."""
        return bool(self.series.layout.vantages_named(country, asn, vantage))

    def forget(
        self,
        silent_since: int,
        spared: Collection[tuple[str, bool]],
        full: Collection[tuple[str, bool]] = (),
        faint_since: int = 0,
    ) -> Ints | None:
        """Let go of monitors without a result since that time (seconds since 1970), but for those of some countries.

        In `full` countries also of those that had one or two results in all, and none since `faint_since`.

        Returns the new number of each monitor (-1 for one that is gone), or None if none is gone.
        """
        if self.detection.volume_detector or self.detection.latency_detector:
            return None  # what these know is not by columns
        series, layout = self.series, self.series.layout
        keep = series.monitors.last.astype(np.int64) >= silent_since
        place = layout.group_place[layout.cell_group[layout.monitor_cell]]
        if full:
            monitors = series.monitors
            results = monitors.probes + monitors.waiting_probes + monitors.fresh_probes
            is_full = np.array([name in full for name in layout.places], dtype=np.bool_)
            keep &= ~(is_full[place] & (results <= FAINT_RESULTS) & (monitors.last < faint_since))
        sparing = np.array([name in spared for name in layout.places], dtype=np.bool_)
        keep |= sparing[place] if len(place) else False
        return self._keep(keep)

    def forget_countries(self, countries: Collection[str]) -> Ints | None:
        """Let go of all monitors of these countries, real and simulated. Returns what `forget` returns.

        Raises `NotImplementedError` where a detector of one's own was chosen: what it knows can't be taken apart.
        """
        if self.detection.volume_detector or self.detection.latency_detector:
            raise NotImplementedError("a chosen detector's state can't be dropped by country")
        layout = self.series.layout
        stays = np.array([country not in countries for country, _ in layout.places], dtype=np.bool_)
        return self._keep(stays[layout.group_place[layout.cell_group[layout.monitor_cell]]])

    def let_go(self, gone: Bools) -> Ints | None:
        """Let go of these monitors; `gone` is by monitor. Returns what `forget` returns."""
        if self.detection.volume_detector or self.detection.latency_detector:
            return None  # what these know is not by columns
        return self._keep(~gone)

    def _keep(self, keep: Bools) -> Ints | None:
        """Go on with these monitors alone; `keep` is by monitor."""
        if keep.all():
            return None
        series = self.series
        left, numbers = without(series.layout, keep)
        fresh = Bank(self.detection, self.time, self.mechanisms)
        fresh.series.take(left)
        fresh._name()
        fresh.series.carry(series, numbers)
        self._outcomes = self._kept_outcomes(numbers["group"])
        self.series, self._names, self._held = fresh.series, fresh._names, fresh._held
        moved = np.full(len(keep), -1, dtype=np.int64)
        moved[keep] = np.arange(int(keep.sum()))
        return moved

    def _kept_outcomes(self, groups: Ints) -> list[tuple[Ints, Ints]]:
        """The outcomes not told yet, by the new numbers of the countries' platforms that stay; `groups` are the old."""
        self._count_ended()
        if not self._outcomes:
            return []
        keys, many = self._merged()
        group, outcome = np.divmod(keys, len(self.mechanisms))
        new = np.full(len(self.series.layout.groups), -1, dtype=np.int64)
        new[groups] = np.arange(len(groups))
        there = new[group] >= 0
        return [(new[group[there]] * len(self.mechanisms) + outcome[there], many[there])]

    def _release(self, start: int, held: Bools | None, settling: Settling) -> None:
        """Let go of what was over in the last window: its evidence has been told, and says nothing of what follows."""
        series, layout = self.series, self.series.layout
        over = series.cells.base.held == start - series.window
        if held is not None:
            over &= ~held
        if any_of(over):
            rows = np.flatnonzero(over)
            for table in (series.cells.cusum, series.ttfb, series.throughput):
                table.clear(rows)
            series.monitors.pass_over(over[layout.seat_cell[layout.monitor_seat]])
            groups = np.zeros(series.groups.size, dtype=np.bool_)
            groups[layout.cell_group[over]] = True
            if held is not None:
                groups[layout.cell_group[held]] = False
            series.groups.cusum.clear(np.flatnonzero(groups))
            series.regions.cusum.clear(np.flatnonzero(groups[layout.region_group]))
        if settling:
            cells, levels = settled_cells(layout, settling)
            if len(cells):
                series.cells.settle(start, cells, levels)
                series.contrast.settle(cells, levels)

    def awaits(self, start: int) -> bool:
        """Whether results are due soon from anybody: then each window without any says something of the path to us."""
        return self.series.paths.awaits(start, self.series.window)

    def rest(self, start: int, windows: int, holding: Holding = _NOTHING) -> None:
        """Let `windows` windows without any result pass. The first begins at `start`.

        Costs what a few windows cost, however many there are. All is as if each had been closed, but for the speed of
        learning, which stays as it is at the start, and for alarms, which are not reported.
        """
        series = self.series
        held_cells, day = self._held.cells(series.layout, holding), DAY // series.window
        series.paths.rest(series.layout, start, windows, series.window)
        slow = series.groups.cusum.deep(series.groups.alarm) | (series.group_score >= 1.0)
        between = max(0, windows - 3 * day)
        # Of a gap of many days only the ends are gone through by the hour: between them all hours age alike.
        first = 2 * day if between else windows
        self._rest_through(start, first, slow[series.layout.cell_group], held_cells)
        if between:
            self._rest_for_days(between, held_cells)
            start += (first + between) * series.window
            self._rest_through(start, windows - first - between, slow[series.layout.cell_group], held_cells)
        series.turn(series.start + series.window)
        series.settle()

    def _rest_through(self, start: int, windows: int, slow: Bools, held: Bools | None) -> None:
        series = self.series
        series.cells.rest(start, windows, slow, held)
        series.groups.rest(windows)
        series.regions.rest(windows)
        for table in (series.ttfb, series.throughput):
            table.rest(start, windows, held)
        self._rest_silences(start, windows)
        series.start = start + (windows - 1) * series.window

    def _rest_for_days(self, windows: int, held: Bools | None) -> None:
        series = self.series
        series.cells.rest_for_days(windows, held)
        most = AGED_DAYS_MAX * DAY // series.window
        series.groups.rest(min(windows, most))
        series.regions.rest(min(windows, most))
        for table in (series.ttfb, series.throughput):
            table.rest_for_days(windows, held)
        series.silence.rest_all(windows)
        series.country_silence.rest_all(windows)

    def _rest_silences(self, start: int, windows: int) -> None:
        """Whether a network sleeps changes with what is learned of the hour: a long silence goes by in longer steps."""
        series, layout, window = self.series, self.series.layout, self.series.window
        nothing, passed = np.zeros(len(layout.networks)), 0
        nowhere = np.zeros(len(layout.places), dtype=np.bool_)
        series.paths.settle(layout, series.start, window)
        while passed < windows:
            hour_ends = -(-(HOUR - start % HOUR) // window)
            run = max(1, min(windows - passed, hour_ends, max(4, passed // 2), SLEEP_WINDOWS))
            series.silence.step(
                start,
                nothing,
                layout.network_place,
                len(layout.places),
                series.country_silence,
                run,
                Listening(nowhere, nowhere, series.paths.steady, series.paths.gone, series.paths.excused),
            )
            start += run * window
            passed += run

    def _listen(self, counts: Counts, seen: Ints, reports: Reports) -> None:
        """Note who was heard (`seen` vantages), and whether the path to them works."""
        series, layout = self.series, self.series.layout
        promised = np.zeros(len(seen))
        if counts.every_seconds is not None and len(counts.every_seconds):
            given = counts.every_seconds > 0
            says = np.zeros(len(layout.vantages))
            vantage = layout.seat_vantage[layout.monitor_seat[counts.monitor[given]]]
            says[vantage] = np.inf
            np.minimum.at(says, vantage, counts.every_seconds[given])
            promised = says[seen]
        series.paths.step(
            layout,
            counts.start,
            series.window,
            seen=seen,
            heard=series.vantages.last,
            promised=promised,
            dark=series.silence.dark,
            results=sums(layout.seat_vantage[reports.seat], reports.probes, len(layout.vantages)),
            looks=Looks(
                layout.seat_vantage[reports.seat],
                series.monitors.last[reports.rows],
                lambda: (layout.seat_vantage[layout.monitor_seat], series.monitors.last),
            ),
            elsewhere=counts.elsewhere,
            elsewhere_ago=counts.elsewhere_ago,
            words=counts.words,
            deaf=counts.deaf,
        )

    def _count(self, counts: Counts, held: Bools | None) -> tuple[Floats, Floats, Floats]:
        """Take the results in. Return successes and probes by network on a platform, and results by network.

        What counts of a network on a platform are the votes of its vantages; of a network's volume, every result.
        """
        series, layout, start, window = self.series, self.series.layout, counts.start, self.series.window
        cells = len(layout.cells)
        reports = Reports.of(layout, counts.monitor, counts.ok, counts.weight)
        seen = sums(layout.cell_network[reports.cell], reports.probes, len(layout.networks))
        place, places = layout.network_place, len(layout.places)
        vantages = marked(layout.seat_vantage[reports.seat], len(layout.vantages))
        self._listen(counts, vantages, reports)
        paths = series.paths
        series.silence.backdate(*paths.thinning.thinned, start)
        series.silence.revive(paths.thinning.thickened)
        series.silence.slow_down(*paths.thinning.slowed)
        series.silence.step(
            start,
            seen,
            place,
            places,
            series.country_silence,
            listening=Listening(paths.away, paths.falling, paths.steady, paths.gone, paths.excused),
        )
        if len(reports.rows):
            apart = len(layout.seats) < len(layout)
            seats = marked(reports.seat, len(layout.seats)) if apart else reports.seat
            series.seats.see(seats, start, window)
            series.vantages.see(vantages, start, window)
            self._admit(start, reports, counts)
        warm = series.cells.warm(start)
        lent = self._lent(counts, reports, warm) if _any_cold(reports, warm) else None
        base = series.cells.anticipate(start, lent)
        # What is guessed serves as a measure, and teaches nothing.
        learned = series.cells.unguessed(base)
        reports.expect(series.monitors, learned)
        if len(reports.rows):
            series.monitors.take(
                start,
                reports.rows,
                reports.good,
                reports.probes,
                reports.ratio,
                learned[reports.cell],
            )
        series.cells.expect_fairly(reports, base)
        # A region counts all of its vantages: where it alone is lost, each is the stranger of its network.
        counted = reports.votes.copy() if series.regions.size else reports.votes
        self._vote(start, reports)
        if lent is not None:
            reports.expect(series.monitors, base)
            series.cells.expect_fairly(reports, base)
        k, n = reports.by_cell(cells)
        self._judge(start, k, n, reports, counted, base, warm, lent, held)
        series.turn(start + window)
        return k, n, seen

    def _admit(self, start: int, reports: Reports, counts: Counts) -> None:
        """Have results count for nothing that say nothing of the path: of strangers, and of dead targets."""
        series, layout, cell = self.series, self.series.layout, reports.cell
        fair = series.cells.fair
        if compiled.stages is not None and fair is None:
            reports.votes = compiled.stages.counted(
                series.newcomers,
                series.monitors,
                series.cells.presence,
                reports.rows,
                cell,
                start,
                series.window,
            )
        else:
            known, share = series.monitors.known(reports.rows), series.cells.presence.share
            if fair is not None:
                known |= fair[cell] > 0.0
            votes = series.newcomers.counted(start, series.window, cell, known, share)
            reports.votes = votes.astype(np.float64)
        if len(layout.addresses) == len(layout.groups):
            return  # no platform has two
        address, size = layout.monitor_address, len(layout.addresses)
        lost = ~counts.ok & (counts.control == 0)
        series.addresses.take(
            start,
            sums(address[reports.rows], reports.probes, size),
            tally(address[counts.monitor[lost]], counts.weighing(lost), size).astype(np.float64),
        )
        dead = series.addresses.is_dead(start, series.window, layout.address_group, len(layout.groups))
        reports.votes[dead[address[reports.rows]]] = 0.0

    def _vote(self, start: int, reports: Reports) -> None:
        """Weigh the vantages of each network against each other."""
        series, layout = self.series, self.series.layout
        rows, good, probes, due = reports.by_seat(len(layout.seats))
        if not len(rows):
            return
        of_rows = vantage_weights.weigh(
            series.seats,
            layout.seat_cell,
            series.well_watched,
            rows,
            good,
            probes,
            due,
            start,
            series.window,
        )
        if any_of(of_rows != 1.0):
            weight = np.ones(len(layout.seats))
            weight[rows] = of_rows
            reports.votes = reports.votes * weight[reports.seat]

    def _judge(
        self,
        start: int,
        k: Floats,
        n: Floats,
        reports: Reports,
        counted: Floats,
        base: Floats,
        warm: Bools,
        lent: Lent | None,
        held: Bools | None,
    ) -> None:
        """Weigh networks, and what they come to in regions and countries; then learn.

        `k` and `n` are by network; `counted` is the weight of each report in its region; `warm` networks are known.
        """
        series, layout, cells = self.series, self.series.layout, self.series.cells
        group = layout.cell_group
        known = warm
        if lent is not None:
            warm = warm | (lent.results > 0.0)
        groups = series.groups.cusum
        was_open = groups.open.copy()
        doubt = None
        if any_of(was_open):
            contrary = groups.contrary_drop(clipped(series.groups.expected, RATIO_MIN, RATIO_MAX))
            doubt = np.where(was_open, contrary, np.inf)[group]
        evidence, scale = cells.weigh(start, k, n, doubt, lent, reports.mix(base), known)
        self._pool(series.groups, start, group, k, n, cells.usual, evidence, scale, warm)
        # What a network showed before its country was in doubt does not answer it.
        if any_of(opened := groups.open & ~was_open):
            cells.cusum.well[opened[group]] = 0.0
        if series.regions.size:
            part, size = layout.seat_part[reports.seat], len(layout.parts)
            there = ((part >= 0) & (counted > 0.0)).nonzero()[0]
            part, probes = part[there], reports.probes[there]
            k_there, n_there = (
                sums(part, column, size).astype(np.float64, copy=False)
                for column in (reports.good[there], probes)
            )
            due = sums(part, grained(probes * reports.ratio[there]), size)
            cell = layout.part_cell
            scale = scale[cell]
            usual = np.divide(due, n_there, out=cells.own[cell], where=n_there > 0.0)
            evidence = evidence_columns(cells.drops, usual, k_there, n_there) / scale
            evidence *= warm[cell]
            cells.bound(evidence, None if lent is None else lent.guessed, cell)
            region = layout.part_region
            if self.some_lie:
                k_there = towards_middle(region, k_there, n_there, usual)
            self._pool(series.regions, start, region, k_there, n_there, usual, evidence, scale, warm[cell])
        # A loss of which the country is sure must not become usual, small as it may be.
        slow = groups.deep(series.groups.alarm) | (series.group_score >= 1.0)
        cells.learn(start, k, n, slow[group], held)

    def _lent(self, counts: Counts, reports: Reports, warm: Bools) -> Lent | None:
        """What others know of networks that report and are hardly known themselves."""
        cold = ~warm
        cold &= np.bincount(reports.cell[reports.votes > 0.0], minlength=len(warm)) > 0
        guessed = self._guessed(counts, cold)
        by_country = self._lent_by_country(counts.start, cold & ~guessed)
        if by_country is None and not any_of(guessed):
            return None
        ratio, results = by_country or (np.zeros(len(cold)), np.zeros(len(cold)))
        return Lent(
            np.where(guessed, warmup.USUAL, ratio), np.where(guessed, warmup.RESULTS, results), guessed
        )

    def _guessed(self, counts: Counts, cold: Bools) -> Bools:
        """Which networks are of a country in its first hour, of which something shows that the path works."""
        _, young = warmup.newborn(self.series, counts.start)
        if any_of(young):
            young &= warmup.answering(self.series, counts)
        return cold & young[self.series.layout.cell_group]

    def _lent_by_country(self, start: int, cold: Bools) -> tuple[Floats, Floats] | None:
        """What countries with few results know: the usual ratio, and the results on which it rests."""
        cells, groups, group = self.series.cells, self.series.groups, self.series.layout.cell_group
        few = groups.presence.present < OFTEN * groups.presence.exposed
        first, learned = cells.presence.first, cells.learned()
        cold = cold & few[group] & (first >= 0) & (start - first >= DAY) & (learned >= LENT_RESULTS)
        if not any_of(cold):
            return None
        good, bad = (
            sums(group, grained(column), groups.size)
            for column in (cells.base.good_global, cells.base.bad_global)
        )
        rest = sums(group, grained(learned), groups.size)
        rest[rest < self.detection.warm_results] = 0.0
        return (good / (good + bad))[group], np.where(cold, rest[group], 0.0)

    def _pool(
        self,
        pool: Pool,
        start: int,
        member: Ints,
        k: Floats,
        n: Floats,
        usual: Floats,
        evidence: Floats,
        scale: Floats,
        warm: Bools,
    ) -> None:
        """Sum one window over the members of each pool.

        Where some may lie, a member says no more nats against a loss, and of its end, than it may say for one.
        """
        size, cap = pool.size, self.detection.cap_part_nats
        all_k, all_n, contrary_cap = k, n, np.inf
        if self.some_lie:
            k, n = evenly(member, k, n, size)
            contrary_cap = cap
        if compiled.stages is not None:
            compiled.stages.pool(pool, start, member, k, n, usual, evidence, scale, warm, cap, contrary_cap)
        else:
            probes, good = sums(member, n, size), sums(member, k, size)
            due = sums(member, grained(n * usual), size)
            expected = np.divide(due, probes, out=pool.expected, where=probes > 0.0)
            contrary = pool.cusum.contrary_drop(clipped(expected, RATIO_MIN, RATIO_MAX))[member]
            healthy = np.where(warm, -evidence_columns(contrary, usual, k, n) / scale, 0.0)
            patience = pool.patience(start)[member]
            most, least = cap * patience, contrary_cap * patience
            pool.weigh(
                start,
                sums(member, grained(clipped(evidence, -least, most)), size),
                sums(member, grained(clipped(healthy, -least, least)), size),
                good,
                probes,
                due,
            )
        if n is not all_n:  # what is shown is of all results
            pool.k, pool.n = (
                sums(member, column, size).astype(np.float64, copy=False) for column in (all_k, all_n)
            )

    def _time(self, start: int, counts: Counts, cell: Numbers, held: Bools | None) -> None:
        """Weigh times to first byte, and the reciprocals of speeds; `cell` is where each row belongs."""
        series = self.series
        timed, moved = counts.ttfb_ms > 0.0, counts.throughput > 0.0  # NaN is not
        if any_of(timed):
            _, low, high = medians(cell[timed], counts.ttfb_ms[timed], series.ttfb.size)
            self._middle = (low.astype(np.float32), high.astype(np.float32))
        else:
            self._middle = (np.zeros(series.ttfb.size, np.float32),) * 2
        # Nobody feels a millisecond turn into three.
        quickest = self.detection.slowness_least_ms
        ttfb = np.log(np.maximum(counts.ttfb_ms[timed].astype(np.float64), quickest))
        throughput = -np.log(counts.throughput[moved].astype(np.float64))
        for times, paces, monitor, logs in (
            (series.ttfb, series.paces, counts.monitor[timed], ttfb),
            (series.throughput, series.speeds, counts.monitor[moved], throughput),
        ):
            evened = paces.even_out(
                start, monitor, logs, series.layout.monitor_cell, times, series.crowds, held
            )
            times.step(start, evened.rows, evened.middle, held, evened.most)

    # what it says of all

    def _health(self) -> Health:
        series, groups = self.series, self.series.groups
        if compiled.stages is not None and len(groups.n) == groups.size:
            k, n, expected, reached, share = compiled.stages.health_of(groups)
            return Health(
                *self._names,
                n,
                k,
                expected,
                reached,
                series.group_score,
                series.group_live,
                series.group_bad,
                share,
            )
        probes, expected = groups.recent.probes, groups.expected
        return Health(
            country=self._names[0],
            platform=self._names[1],
            simulated=self._names[2],
            n=np.rint(groups.n).astype(np.int64),
            k=np.rint(groups.k).astype(np.int64),
            expected=expected,
            reachability=np.divide(groups.recent.good, probes, out=expected.copy(), where=probes > 0.0),
            score=series.group_score,
            networks_live=series.group_live,
            networks_bad=series.group_bad,
            presence=groups.presence.share,
        )

    def gauges(self) -> Sequence[SeriesGauge]:
        """Every live series: each network on each platform, and (asn 0) each country on it."""
        series, layout = self.series, self.series.layout
        cells, health = series.cells, self._health()
        k, n = cells.last_window(series.start)
        rows = np.flatnonzero(series.cell_live)
        recent = cells.base.recent_probes[rows]
        usual = cells.usual_lately(series.start)[rows]
        smoothed = np.divide(cells.base.recent_good[rows], recent, out=usual.copy(), where=recent > 0.0)
        of_cells = (_ratios(k[rows], n[rows]), usual, series.cell_score[rows], smoothed)
        groups, size = np.flatnonzero(series.group_live), len(layout.groups)
        k, n = (sums(layout.cell_group, column, size)[groups] for column in (k, n))
        of_groups = (
            _ratios(k, n),
            health.expected[groups],
            health.score[groups],
            health.reachability[groups],
        )
        named = [
            *layout.cell_names(rows),
            *((*self.series.layout.group_names[group][:2], 0, health.simulated[group]) for group in groups),
        ]
        return [
            SeriesGauge(
                platform, country, asn, None if isnan(now) else now, expected, score, simulated, lately
            )
            for (platform, country, asn, simulated), now, expected, score, lately in zip(
                named,
                *(np.concatenate(both).tolist() for both in zip(of_cells, of_groups, strict=True)),
                strict=True,
            )
        ]

    def networks_live(self) -> Mapping[str, int]:
        """Networks that report, by country; simulated ones count too."""
        live: dict[str, int] = {}
        for pulse in self.pulses():
            live[pulse.country] = live.get(pulse.country, 0) + pulse.networks
        return live

    def _warming(self) -> Ints:
        """How many series of each place report and have no usual of their own yet."""
        series, layout = self.series, self.series.layout
        cold = series.cell_live & ~series.cells.warm(series.start)
        return np.bincount(layout.group_place[layout.cell_group[cold]], minlength=len(layout.places))

    def usuals(self) -> set[tuple[str, str]]:
        """Platform and country of which a network, at least, has enough results now for a usual of its own."""
        warm, layout = self.series.cells.warm(self.series.start), self.series.layout
        names = (layout.group_names[group] for group in np.unique(layout.cell_group[warm]).tolist())
        return {(platform, country) for platform, country, _ in names}

    def pulses(self) -> Sequence[Pulse]:
        """Who reports, country by country, real and simulated apart; a country once seen stays in the list."""
        series, layout = self.series, self.series.layout
        size, place = len(layout.places), layout.network_place
        networks = np.bincount(place[series.networks_live()], minlength=size)
        lately = series.vantages.lately(series.start, series.window)
        vantages = np.bincount(place[layout.vantage_network[lately]], minlength=size)
        last = np.full(size, -1, dtype=np.int64)
        np.maximum.at(last, place, series.silence.last)
        warming = self._warming()
        return [
            Pulse(
                country,
                simulated,
                int(networks[i]),
                int(vantages[i]),
                int(last[i]) if last[i] >= 0 else None,
                int(warming[i]),
            )
            for i, (country, simulated) in enumerate(layout.places)
        ]

    def tallies(self, counts: Counts, arrivals: Mapping[tuple[str, bool], Arrived]) -> list[CountryTally]:
        """What was counted in the window closed last, country by country; `arrivals` as its reading has them."""
        return self._tallies.count(self.series, counts, self.mechanisms, arrivals, self._middle)

    # outcomes for the counters

    def _tally(self, counts: Counts) -> None:
        """Keep how results ended until that is asked; some windows are counted in one go."""
        if len(counts.monitor):
            self._ended.append((counts.monitor, counts.mechanism, counts.weight))
            self._ended_rows += len(counts.monitor)
        if len(self._ended) >= MERGE_WINDOWS or self._ended_rows >= MERGE_ROWS:
            self._count_ended()

    def _count_ended(self) -> None:
        """Sum up how the results kept so far ended."""
        if not self._ended:
            return
        layout, outcomes = self.series.layout, len(self.mechanisms)
        monitor, mechanism = (np.concatenate([rows[i] for rows in self._ended]) for i in (0, 1))
        weights = [rows[2] for rows in self._ended]
        weight = None
        if any(one is not None for one in weights):
            weight = np.concatenate(
                [
                    np.ones(len(rows[0]), dtype=np.int64) if one is None else one
                    for rows, one in zip(self._ended, weights, strict=True)
                ]
            )
        self._ended, self._ended_rows = [], 0
        # Few fail: what succeeded is counted without being sorted.
        failed = np.flatnonzero(mechanism)
        keys, many = tallied(
            layout.cell_group[layout.cells_of(monitor[failed])] * outcomes + mechanism[failed],
            None if weight is None else weight[failed],
        )
        fine = mechanism == 0
        good = tally(monitor[fine], None if weight is None else weight[fine], len(layout))
        good = np.bincount(layout.cell_group[layout.monitor_cell], weights=good).astype(np.int64)
        some = np.flatnonzero(good)
        self._outcomes.append((np.concatenate((some * outcomes, keys)), np.concatenate((good[some], many))))
        self._outcomes = [self._merged()]

    def _merged(self) -> tuple[Ints, Ints]:
        keys = np.concatenate([keys for keys, _ in self._outcomes])
        many = np.concatenate([many for _, many in self._outcomes])
        unique, place = np.unique(keys, return_inverse=True)
        return unique, np.bincount(place, weights=many).astype(np.int64)

    def take_probes(self) -> Mapping[tuple[str, str, str, bool], int]:
        """Results of the windows closed since the last call, by platform, country, outcome and whether simulated."""
        counts: dict[tuple[str, str, str, bool], int] = {}
        self._count_ended()
        if not self._outcomes:
            return counts
        keys, many = self._merged()
        self._outcomes = []
        for key, count in zip(keys.tolist(), many.tolist(), strict=True):
            group, mechanism = divmod(key, len(self.mechanisms))
            countries, platforms, simulated = self._names
            name = (platforms[group], countries[group], self.mechanisms[mechanism], simulated[group])
            counts[name] = counts.get(name, 0) + count
        return counts

    # keeping

    def snapshot(self) -> bytes:
        """The whole state but for the outcomes not yet taken: versioned plain arrays (MessagePack)."""
        series = self.series
        stored = BankState(
            VERSIONS["bank"],
            series.window,
            series.start,
            series.layout.store(),
            {name: table.store() for name, table in series.tables().items()},
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` of this or an earlier release wrote. Raises ValueError, see `read_stored`."""
        stored = read_stored(data, BankState, "bank")
        if stored.window != self.time.window_seconds:
            raise ValueError(
                f"bank snapshot: its windows are {stored.window} s long, here {self.time.window_seconds} s; "
                "give topics.checkpoints and topics.world_checkpoints new names and let `netdusk topics` make them"
            )
        fresh = Bank(self.detection, self.time, self.mechanisms)
        fresh.series.take(Layout.load(stored.monitors))
        fresh._name()
        for name, table in fresh.series.tables().items():
            if name in stored.tables:  # else it was added since: it begins knowing nothing
                size = table.size
                table.load(stored.tables[name])
                if table.size != size:
                    raise ValueError(
                        f"bank snapshot: {name} has {table.size} series, its monitors make {size}"
                    )
        fresh.series.start = stored.start
        fresh.series.settle()
        self.series, self._names, self._outcomes = fresh.series, fresh._names, []
        self._ended, self._ended_rows = [], 0


def _any_cold(reports: Reports, warm: Bools) -> bool:
    """Whether a network that is hardly known has results that count."""
    if compiled.stages is not None:
        return bool(compiled.stages.any_cold(reports, warm))
    return not warm[reports.cell[reports.votes > 0.0]].all()


def _ratios(k: Floats, n: Floats) -> Floats:
    """Return `k` / `n`, and NaN where `n` is 0."""
    return np.asarray(np.divide(k, n, out=np.full(len(n), np.nan), where=n > 0.0))


def evenly(member: Ints, k: Floats, n: Floats, size: int) -> tuple[Floats, Floats]:
    """Successes and results of networks, where none counts for more than twice the middle one of its pool.

    The same arrays, where none would.
    """
    there = (n > 0.0).nonzero()[0]
    if not len(there):
        return k, n
    _, _, middle = medians(member[there], n[there].astype(np.float32), size)
    most = 2.0 * middle[member]
    over = n > most
    if not any_of(over):
        return k, n
    return np.where(over, grained(k * np.divide(most, n, out=np.ones(len(n)), where=over)), k), np.where(
        over, most, n
    )


def towards_middle(member: Ints, k: Floats, n: Floats, usual: Floats) -> Floats:
    """Successes of networks, where those at either end of a pool fall as far short as the next one between them.

    Those at an end are as many as may lie, fewer than half: of five the middle one speaks for all.
    """
    there = (n > 0.0).nonzero()[0]
    short = usual[there] - k[there] / n[there]
    by_pool = np.lexsort((short, member[there]))
    row, short = there[by_pool], short[by_pool]
    _, count = np.unique(member[row], return_counts=True)
    first, many = np.repeat(count.cumsum() - count, count), np.repeat(count, count)
    place, few = np.arange(len(row)) - first, (many - 1) // 2
    middle = first + np.clip(place, few, many - 1 - few)
    moved = (middle != first + place).nonzero()[0]
    pulled = k.copy()
    of_it = row[moved]
    pulled[of_it] = grained(clipped(n[of_it] * (usual[of_it] - short[middle[moved]]), 0.0, n[of_it]))
    return pulled
