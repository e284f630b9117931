"""The survey: what stands in the tables, told in the words of `readings`, for the countries that matter now.

Reads and never changes anything. Costs what the chosen countries have of series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import isinf
from typing import Any, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from detectors.asked import OPINIONS, Slownesses, Standings
from detectors.columns import compiled, vantage_weights
from detectors.columns.binomial import Pool
from detectors.columns.cusum import CusumColumns
from detectors.columns.layout import NamedCells
from detectors.columns.series import LIVE_GAPS, Series
from detectors.columns.table import (
    Bools,
    Floats,
    Ints,
    Numbers,
    any_of,
    grained,
    medians,
    sums,
    tallied,
    tally,
)
from detectors.columns.warmup import unknown
from detectors.readings import (
    Contrasted,
    CountryReading,
    Counts,
    Opinion,
    SeatStanding,
    Standing,
    TargetResults,
    TargetStanding,
    Volume,
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

# More than this, and a country is looked at: a shortfall too small to matter scores no more.
STIR = 0.5
# Contrary evidence from which on an alarm is no longer sure, though not over.
EASING_NATS = 2.0
# A silence worth less is no silence.
RESUMED_NATS = 2.0
# A vantage that falls short of its usual by no more is well.
WELL_APART = 0.1
# Of a network's mean shortfall, from half of that on, its middle vantage has less than this share: it is that of a few.
FEW_SHARE = 0.6
# Times older than this say nothing of now.
STALE_WINDOWS = 10 * LIVE_GAPS

#: Where some may lie, a vantage shares a region's loss, which is never small, that falls short by this.
SHARING = 0.25


class Survey:
    """The readings of some countries after one window.

    Parameters
    ----------
    series
        The tables, settled.
    n, k
        Probes and successes of each network on a platform in the window.
    seen
        Results of each network in the window.
    mechanisms
        Names of the outcomes.
    some_lie
        A region has lost something only where most of the networks that report from it have.
    """

    def __init__(
        self,
        series: Series,
        n: Floats,
        k: Floats,
        seen: Floats,
        mechanisms: tuple[str, ...],
        *,
        some_lie: bool = False,
    ) -> None:
        self.some_lie = some_lie
        self.series = series
        self.n, self.k, self.seen = n, k, seen
        self.mechanisms = mechanisms

    @cached_property
    def _place_of_cell(self) -> Ints:
        return self.series.layout.group_place[self.series.layout.cell_group]

    @cached_property
    def _slow_scores(self) -> tuple[Floats, Floats]:
        """How slow each series is, by both measures."""
        return self.series.ttfb.score, self.series.throughput.score

    def _is_calm(self) -> bool:
        """Whether nothing stirs anywhere, as far as compiled code can tell."""
        series, stages = self.series, compiled.stages
        slow = (series.ttfb, series.throughput)
        if stages is None or not all(table.plain for table in slow):
            return False
        scores = (series.cell_score, series.group_score, series.region_score, series.silence.score)
        alarm = series.detection.alarm_slowness
        return not (
            stages.any_above(STIR, *scores)
            or stages.any_slow(STIR, alarm, *(table.statistic for table in slow))
            or any_of(series.silence.dark)
            or any_of(series.paths.torn)
        )

    def stirring(self) -> Bools:
        """The places in which something stirs."""
        series, layout = self.series, self.series.layout
        stir = np.zeros(len(layout.places), dtype=np.bool_)
        if self._is_calm():
            return stir
        for column in (series.cell_score, *self._slow_scores):
            stir[self._place_of_cell[column > STIR]] = True
        stir[layout.group_place[series.group_score > STIR]] = True
        stir[layout.group_place[layout.region_group[series.region_score > STIR]]] = True
        stir[layout.network_place[(series.silence.score > STIR) | series.silence.dark]] = True
        stir |= series.paths.torn
        return stir

    def read(self, chosen: Bools, counts: Counts) -> list[CountryReading]:
        """The readings of the chosen places, in the order of their appearance."""
        layout = self.series.layout
        if not any_of(chosen):
            return []
        readings = {
            place: CountryReading(
                country,
                simulated,
                counts.start,
                counts.end,
                platforms={},
                networks={},
                past=_AskedLate("the past of a window is", _history, self.series, place),
                regions={},
                volumes={},
                slowness={},
                contrasts=_AskedLate("the contrasts of a window are", _contrasts, self.series, place),
                seats=_AskedLate("the vantages of a window are", _seats, self.series, place),
                mechanisms={},
                control={},
                network_control={},
                vantages={},
                targets={},
                addresses={},
                homes={},
            )
            for place, (country, simulated) in enumerate(layout.places)
            if chosen[place]
        }
        dark = set(layout.network_place[self.series.silence.dark].tolist()) & readings.keys()
        doubts = (
            self.series.paths.doubts(
                layout, self.series.silence.first >= 0, dark, self.series.start, self.series.window
            )
            if readings
            else []
        )
        for place, reading in readings.items():
            reading.silence_doubt = doubts[place]
            if len(layout.regions):
                reading.region_volumes = self.series.paths.region_volumes(
                    layout, place, self.series.start, self.series.window
                )
        if readings:
            here = chosen[self._place_of_cell]
            spoken = here & self._spoken()
            cells = spoken.nonzero()[0]
            named = layout.named(cells)
            self._standings(chosen, spoken, readings, named)
            self._volumes(chosen, readings)
            self._slow(readings, named)
            self._failures(here, readings, counts)
            self._targets(chosen, readings, counts)
            self._warming(readings)
            self._late(readings, counts)
        else:
            layout.forget_names()
        return list(readings.values())

    def _spoken(self) -> Bools:
        """Which networks on platforms have anything to say: of those long gone a country may have many hundreds."""
        series = self.series
        spoken = series.cell_live | (self.n > 0.0) | series.cells.cusum.open
        lately = series.seats.lately(series.start, series.window)
        spoken[series.layout.seat_cell[lately]] = True
        for table, score in zip((series.ttfb, series.throughput), self._slow_scores, strict=True):
            spoken |= score > STIR
            spoken |= (table.last >= 0) & (series.start - table.last <= STALE_WINDOWS * series.window)
        return np.asarray(spoken)

    def _standings(
        self,
        chosen: Bools,
        here: Bools,
        readings: dict[int, CountryReading],
        named: NamedCells,
    ) -> None:
        series, layout, cells = self.series, self.series.layout, named.cells
        group_of, place_of = layout.cell_group, layout.group_place
        seats = here[layout.seat_cell].nonzero()[0]
        seats = seats[series.seats.lately(series.start, series.window, seats)]
        cell_of = layout.seat_cell[seats]
        recent = series.cells.base.recent_probes[cells]
        usual = series.cells.usual[cells]
        columns = self._columns(
            series.cells.cusum,
            cells,
            seats,
            cell_of,
            score=series.cell_score[cells],
            live=series.cell_live[cells],
            bar=series.cell_bar[cells],
            n=self.n[cells],
            k=self.k[cells],
            expected=usual,
            reached=np.divide(
                series.cells.base.recent_good[cells], recent, out=usual.copy(), where=recent > 0.0
            ),
        )
        few, apart = self._differing(cells, seats, cell_of)
        if few is not None:
            columns[0][few], columns[1][few] = OPINIONS.index(Opinion.UNSURE), 0.0
        columns.append(apart)
        for place, reading in readings.items():
            reading.networks = Standings(*named.of(place, columns))
        names = layout.group_names
        groups = chosen[place_of].nonzero()[0]
        standings = self._pooled(
            series.groups, groups, seats, group_of[cell_of], series.group_score, series.group_live > 0
        )
        for group, standing in zip(groups.tolist(), standings, strict=True):
            _at(readings, place_of[group]).platforms[names[group][0]] = standing  # type: ignore[index]  # ours
        regions = chosen[place_of[layout.region_group]].nonzero()[0]
        if not len(regions):
            return
        part = layout.seat_part[seats]
        given = part >= 0
        seats, part, cell_of = seats[given], part[given], cell_of[given]
        region_of = layout.part_region[part]
        live = np.bincount(region_of[series.cell_live[cell_of]], minlength=series.regions.size) > 0
        standings = self._pooled(series.regions, regions, seats, region_of, series.region_score, live)
        groups_of = layout.region_group[regions].tolist()
        if self.some_lie:
            most = self._on_most(regions, seats, region_of, cell_of)
            standings = [
                one if by_most or one.opinion is not Opinion.BAD else replace(one, opinion=Opinion.UNSURE)
                for one, by_most in zip(standings, most, strict=True)
            ]
        for group, name, standing in zip(groups_of, layout.region_names(regions), standings, strict=True):
            _at(readings, place_of[group]).regions[names[group][0], name] = standing  # type: ignore[index]  # ours

    def _on_most(self, regions: Ints, seats: Ints, region_of: Numbers, cell_of: Numbers) -> list[bool]:
        """Whether most networks that report from each region share its shortfall, with most of their vantages there."""
        series, size = self.series, len(regions)
        place = np.searchsorted(regions, region_of)
        there = (place < size) & (regions[np.minimum(place, size - 1)] == region_of)
        place, seats, cell_of = place[there], seats[there], cell_of[there]
        least = np.maximum(SHARING, series.share_lost(series.regions.cusum, regions))
        bad = series.seats.excess[seats] < -least[place]
        cells = len(series.layout.cells)
        pairs, which = np.unique(place * cells + cell_of, return_inverse=True)
        share = 2 * np.bincount(which.ravel()[bad], minlength=len(pairs)) > np.bincount(which.ravel())
        of_region = pairs // cells
        most = 2 * np.bincount(of_region[share], minlength=size) > np.bincount(of_region, minlength=size)
        mostly_bad: list[bool] = most.tolist()
        return mostly_bad

    def _differing(self, cells: Ints, seats: Ints, cell_of: Numbers) -> tuple[Bools | None, Ints]:
        """How the vantages of each network differ, held against the middle one of three or more.

        Returns whether its loss is that of a few, while the middle one is well (None: of none), and how many are well
        where most of them are not. Until one of a few is known for a stranger its failures are in its network's
        figures: of one broken resolver a network, a loss of the nation would be told for some minutes.
        """
        excess, size = self.series.seats.excess[seats], len(self.series.layout.cells)
        nobody = np.zeros(len(cells), dtype=np.int64)
        if not any_of(excess < -WELL_APART):
            return None, nobody
        many, low, high = medians(cell_of, excess, size)
        middle, enough = (low + high) / 2.0, many >= vantage_weights.VANTAGES
        mean = sums(cell_of, grained(excess.astype(np.float64)), size) / np.maximum(many, 1)
        of_few = enough & (mean < -WELL_APART / 2.0) & (middle > FEW_SHARE * mean)
        if not any_of(excess < -vantage_weights.APART):
            return of_few[cells], nobody
        # As `vantage_weights.weigh` leaves them out.
        out = (np.abs(excess - middle[cell_of]) > vantage_weights.APART) & enough[cell_of]
        minority = 2 * np.bincount(cell_of[out], minlength=size) < many
        well = np.bincount(cell_of[out & (excess > -WELL_APART)], minlength=size)
        return of_few[cells], np.where(minority, well, 0)[cells]

    def _pooled(
        self, pool: Pool, rows: Ints, seats: Ints, pool_of_seat: Numbers, score: Floats, live: Bools
    ) -> list[Standing]:
        probes, expected = pool.recent.probes[rows], pool.expected[rows]
        columns = self._columns(
            pool.cusum,
            rows,
            seats,
            pool_of_seat,
            score=score[rows],
            live=live[rows],
            n=pool.n[rows],
            k=pool.k[rows],
            expected=expected,
            reached=np.divide(pool.recent.good[rows], probes, out=expected.copy(), where=probes > 0.0),
        )
        says, scores, all_, some, usual, now, began, *rest = (column.tolist() for column in columns)
        opinions = map(OPINIONS.__getitem__, says)
        onsets = [since if since >= 0 else None for since in began]
        # In the order of the fields, which is their price by name halved.
        return list(map(Standing, opinions, scores, all_, some, usual, now, onsets, *rest))

    def _columns(
        self,
        cusum: CusumColumns,
        rows: Ints,
        seats: Ints,
        series_of_seat: Numbers,
        *,
        score: Floats,
        live: Bools,
        n: Floats,
        k: Floats,
        expected: Floats,
        reached: Floats,
        bar: Floats | None = None,
    ) -> list[NDArray[Any]]:
        """The fields of `rows`' standings; `seats` reported lately; `series_of_seat` is where they belong."""
        opinion, results, successes, onset, probes, short, excursions = self._counted(
            cusum, rows, score, live, n, k
        )
        return [
            opinion,
            score,
            results,
            successes,
            expected,
            reached,
            onset,
            probes,
            *self._vantages(cusum, rows, excursions, seats, series_of_seat),
            live,
            np.ones(len(rows)) if bar is None else bar,
            short,
        ]

    def _counted(
        self, cusum: CusumColumns, rows: Ints, score: Floats, live: Bools, n: Floats, k: Floats
    ) -> tuple[Ints, Ints, Ints, Ints, Ints, Floats, Ints]:
        """What counts for and against each of `rows`.

        Returns opinions, results, successes; the onset of each one's excursion, its results and its shortfall; and
        which of them are in one.
        """
        close_nats = self.series.detection.close_nats
        if compiled.stages is not None:
            columns: tuple[Ints, Ints, Ints, Ints, Ints, Floats, Ints] = compiled.stages.told(
                cusum, rows, score, live, n, k, close_nats, EASING_NATS
            )
            return columns
        well = cusum.well[rows]
        bad = (score >= 1.0) & (well < EASING_NATS)
        good = (score < 1.0) & (well >= close_nats)
        opinion = np.where(live, np.where(bad, 1, np.where(good, 2, 0)), 0)
        onset, probes = np.full(len(rows), -1), np.zeros(len(rows), dtype=np.int64)
        short = np.zeros(len(rows))
        excursions = cusum.open[rows].nonzero()[0]
        if len(excursions):
            best = np.argmax(cusum.statistic[:, rows[excursions]], axis=0)
            onset[excursions] = ~cusum.onset[best, rows[excursions]]
            probes[excursions] = _whole(cusum.counted[best, rows[excursions]])
            lacking, weighed = (column[best, rows[excursions]] for column in (cusum.short, cusum.probes))
            short[excursions] = np.divide(lacking, weighed, out=np.zeros(len(best)), where=weighed > 0.0)
        return opinion, _whole(n), _whole(k), onset, probes, short, excursions

    def _vantages(
        self, cusum: CusumColumns, rows: Ints, at: Ints, seats: Ints, series_of_seat: Numbers
    ) -> tuple[Ints, Ints]:
        """How many vantages each series has, and how many of these share its shortfall; it is open at `at`."""
        series, size = self.series, len(rows)
        place = np.searchsorted(rows, series_of_seat)
        many = series.layout.vantages_of(seats, place, size)
        if not len(at):
            return many, np.zeros(size, dtype=np.int64)
        least = np.full(size, np.inf)
        least[at] = series.share_lost(cusum, rows[at])
        bad = series.seats.excess[seats] < -least[place]
        return many, series.layout.vantages_of(seats[bad], place[bad], size)

    def _volumes(self, chosen: Bools, readings: dict[int, CountryReading]) -> None:
        series, layout, silence = self.series, self.series.layout, self.series.silence
        place_of = layout.network_place
        vantage_network = layout.vantage_network
        lately = series.vantages.lately(series.start, series.window)
        vantages = np.bincount(vantage_network[lately], minlength=len(layout.networks))
        alive, usual = silence.alive(series.start), silence.usual(series.start)
        asked = chosen[place_of]
        if not len(layout.regions):  # where a network reports from is asked of all
            asked &= alive | silence.dark | (self.seen > 0.0) | (vantages > 0)
        rows = np.flatnonzero(asked)
        totals = sums(place_of, grained(np.maximum(0.0, usual)), len(layout.places))
        for place, reading in readings.items():
            reading.usual_results = float(totals[place])
        dark, back, alive = silence.dark[rows], silence.back[rows], alive[rows]
        usual, vantages = usual[rows], vantages[rows]
        nats = silence.hazard()[rows] * silence.quiet[rows]
        says = np.where(dark, np.where(back > 0, 0, 1), np.where(nats < RESUMED_NATS, 2, 0))
        opinion = np.where(alive, says, 0)
        score = np.where(opinion == 1, np.maximum(1.0, silence.score[rows]), silence.score[rows])
        onset = np.where(dark, silence.onset[rows], -1)
        first, steady = silence.first[rows], series.paths.steady[rows]
        columns = (opinion, score, self.seen[rows], usual, onset, alive, first, steady)
        codes, scores, seen, expected, began, live, since, regular = (column.tolist() for column in columns)
        volumes = map(
            Volume,
            map(OPINIONS.__getitem__, codes),
            scores,
            seen,
            expected,
            [one if one >= 0 else None for one in began],
            live,
            [one if one >= 0 else None for one in since],
            regular,
        )
        places, asns = place_of[rows].tolist(), layout.networks.right(rows).tolist()
        homes = layout.homes(rows)
        regions = [homes.get(network, ()) for network in rows.tolist()] if homes else [()] * len(rows)
        _spread({place: reading.volumes for place, reading in readings.items()}, places, asns, volumes)
        _spread(
            {place: reading.vantages for place, reading in readings.items()}, places, asns, vantages.tolist()
        )
        _spread({place: reading.homes for place, reading in readings.items()}, places, asns, regions)

    def _slow(self, readings: dict[int, CountryReading], named: NamedCells) -> None:
        """The slower of the two measures of each network on a platform; nothing where neither was measured."""
        series = self.series
        if isinf(series.detection.alarm_slowness):
            return  # nor does it hold up an end then
        measured = ((series.ttfb.first >= 0) | (series.throughput.first >= 0))[named.cells]
        rows = named.cells[measured]
        if not len(rows):
            return
        if len(rows) < len(named.cells):
            named = NamedCells(series.layout, rows)
        scored, shown = [], []
        for table, of_table, sign in zip(
            (series.ttfb, series.throughput), self._slow_scores, (1.0, -1.0), strict=True
        ):
            if table is series.throughput and not any_of(table.first[rows] >= 0):
                break  # nobody ever told a speed
            fresh = series.start - table.last[rows] <= STALE_WINDOWS * series.window
            score, usual = of_table[rows], table.usual(series.start, rows)
            scored.append(np.where(table.first[rows] >= 0, score, -1.0))
            well = table.well[rows] >= series.detection.close_nats
            opinion = np.where(fresh, np.where(score >= 1.0, 1, np.where(well, 2, 0)), 0)
            now, expected = np.exp(sign * (usual + table.slower[rows])), np.exp(sign * usual)
            onset = np.where(table.open[rows], ~table.onset[rows], -1)
            pace = np.exp(-table.latest[rows]) if len(table.latest) else np.full(len(rows), np.nan)
            shown.append((opinion, score, now, expected, onset, pace))
        # Of equal ones, the time to first byte.
        worse = scored[1] > scored[0] if len(scored) > 1 else np.zeros(len(rows), dtype=np.bool_)
        if any_of(worse):
            opinion, score, *others = (np.where(worse, b, a) for a, b in zip(*shown, strict=True))
        else:
            opinion, score, *others = shown[0]
        columns = [opinion, score, worse, *others]
        for place, reading in readings.items():
            reading.slowness = Slownesses(*named.of(place, columns))

    def _failures(self, here: Bools, readings: dict[int, CountryReading], counts: Counts) -> None:
        """How results failed in this window, and what the controls of the failing ones said.

        What fails on a dead target is left out: it says nothing of the path, nor of the platform's other targets.
        """
        layout, outcomes, place_of = self.series.layout, len(self.mechanisms), self._place_of_cell
        dead = self._dead()
        failed = (~counts.ok).nonzero()[0]
        if any_of(dead):
            failed = failed[~dead[layout.monitor_address[counts.monitor[failed]]]]
        cell = layout.cells_of(counts.monitor[failed]).astype(np.int64)
        asked = here[cell]
        failed, cell = failed[asked], cell[asked]
        keys, many = tallied(cell * outcomes + counts.mechanism[failed], counts.weighing(failed))
        names, places = layout.cell_keys(keys // outcomes), place_of[keys // outcomes].tolist()
        for key, name, place, count in zip(keys.tolist(), names, places, many.tolist(), strict=True):
            mechanisms = readings[place].mechanisms
            by_network = mechanisms.setdefault(name, {})  # type: ignore[attr-defined]  # ours
            by_network[self.mechanisms[key % outcomes]] = count
        control = counts.control[failed]
        known = control >= 0
        keys, many = tallied(cell[known] * 2 + (control[known] == 1), counts.weighing(failed[known]))
        names, places = layout.cell_keys(keys // 2), place_of[keys // 2].tolist()
        for key, name, place, count in zip(keys.tolist(), names, places, many.tolist(), strict=True):
            reading, platform = readings[place], name[0]
            good, bad = reading.control.get(platform, (0, 0))
            own_good, own_bad = reading.network_control.get(name, (0, 0))
            if key % 2:
                good, own_good = good + count, own_good + count
            else:
                bad, own_bad = bad + count, own_bad + count
            reading.control[platform] = (good, bad)  # type: ignore[index]  # ours
            reading.network_control[name] = (own_good, own_bad)  # type: ignore[index]  # ours

    def _dead(self) -> Bools:
        """Which targets fail by themselves, while others of their platform do not."""
        series, layout = self.series, self.series.layout
        if len(layout.addresses) == len(layout.groups):
            return np.zeros(len(layout.addresses), dtype=np.bool_)  # no platform has two
        return series.addresses.is_dead(series.start, series.window, layout.address_group, len(layout.groups))

    def _warming(self, readings: dict[int, CountryReading]) -> None:
        """Which platforms are judged by a guess, if at all."""
        series, layout = self.series, self.series.layout
        for row in np.flatnonzero(unknown(series, series.start)).tolist():
            reading = readings.get(int(layout.group_place[row]))
            if reading is not None:
                reading.warming |= {layout.group_names[row][0]}

    def _late(self, readings: dict[int, CountryReading], counts: Counts) -> None:
        """What came too late, of vantages that are known for long: whoever is new can't say how it was."""
        if not counts.late:
            return
        series, layout = self.series, self.series.layout
        known = series.paths.rhythm.known()
        late: dict[int, dict[int, dict[int, tuple[int, int]]]] = {}
        by_region: dict[int, dict[str, dict[int, tuple[int, int]]]] = {}
        for one in counts.late:
            place = layout.places.get((one.country, one.simulated))
            if place not in readings:
                continue
            for vantage in layout.vantages_named(one.country, one.asn, one.vantage, (one.simulated,)):
                if not known[vantage]:
                    continue
                counts_of = [late.setdefault(place, {}).setdefault(one.asn, {})]
                if (region := int(layout.vantage_region[vantage])) > 0:
                    name = layout.name_of_region(region)
                    counts_of.append(by_region.setdefault(place, {}).setdefault(name, {}))
                for starts in counts_of:
                    good, n = starts.get(one.start, (0, 0))
                    starts[one.start] = (good + one.good, n + one.n)
        for place, of_place in late.items():
            readings[place].late = of_place
            readings[place].late_regions = by_region.get(place, {})

    def _targets(self, chosen: Bools, readings: dict[int, CountryReading], counts: Counts) -> None:
        """How each target stands, on platforms that have several."""
        series, layout = self.series, self.series.layout
        several = np.bincount(layout.address_group, minlength=len(layout.groups)) > 1
        several &= chosen[layout.group_place]
        if not any_of(several):
            return
        cell, address = layout.monitor_cell, layout.monitor_address
        rows = (several[layout.cell_group[cell]]).nonzero()[0]
        rows = rows[series.lately_watched(rows)]
        cell, address = cell[rows], address[rows]
        usual = series.monitors.usual(rows, series.cells.own[cell])
        excess = series.monitors.excess[rows].astype(np.float64)
        size = len(layout.addresses)
        many = np.bincount(address, minlength=size)
        expected, away = (sums(address, grained(column), size) for column in (usual, excess))
        # What a network has of a target: the mean of its monitors.
        pair, which = np.unique(address * len(layout.cells) + cell, return_inverse=True)
        lost = np.bincount(which, weights=grained(-excess)) / np.bincount(which)
        of_pair = pair // len(layout.cells)
        networks = np.bincount(of_pair, minlength=size)
        bad = np.bincount(of_pair[lost > series.detection.shortfall_network], minlength=size)
        here = layout.monitor_address[counts.monitor]
        n, k = tally(here, counts.weight, size), tally(here[counts.ok], counts.weighing(counts.ok), size)
        dead = self._dead()
        asked = many.nonzero()[0]
        names, groups = layout.target_names(asked), layout.address_group[asked].tolist()
        for row, name, group in zip(asked.tolist(), names, groups, strict=True):
            reading = _at(readings, layout.group_place[group])
            reading.targets[layout.group_names[group][0], name] = TargetStanding(  # type: ignore[index]  # ours
                int(n[row]),
                int(k[row]),
                float(expected[row] / many[row]),
                float(min(1.0, max(0.0, (expected[row] + away[row]) / many[row]))),
                int(networks[row]),
                int(bad[row]),
                bool(dead[row]),
            )
        stirs = np.bincount(layout.address_group[bad > 0], minlength=len(layout.groups)) > 0
        stirs |= series.group_score > STIR
        stirs[layout.cell_group[series.cell_score > STIR]] = True
        self._addresses(several & stirs, readings, counts)

    def _addresses(self, groups: Bools, readings: dict[int, CountryReading], counts: Counts) -> None:
        """What each network of some countries' platforms had of each target."""
        series, layout = self.series, self.series.layout
        monitors = counts.monitor.astype(np.int64)
        cells_of = layout.cells_of(monitors).astype(np.int64)
        asked = (groups[layout.cell_group[cells_of]] & series.monitors.known(monitors)).nonzero()[0]
        if not len(asked):
            return
        monitor, weight = monitors[asked], counts.weighing(asked)
        cell, many = cells_of[asked], len(layout.addresses)
        pairs, which = np.unique(cell * many + layout.monitor_address[monitor], return_inverse=True)
        due = series.monitors.usual(monitor, series.cells.own[cell])
        if weight is not None:
            due = due * weight
        good = counts.ok[asked]
        n = tally(which, weight, len(pairs))
        k = tally(which[good], None if weight is None else weight[good], len(pairs))
        usual = np.bincount(which, weights=grained(due), minlength=len(pairs))
        cells, addresses = pairs // many, pairs % many
        keys, places = layout.cell_keys(cells), self._place_of_cell[cells].tolist()
        names = layout.target_names(addresses)
        columns = zip(keys, places, names, n.tolist(), k.tolist(), usual.tolist(), strict=True)
        for key, place, name, results, successes, expected in columns:
            by_target = readings[place].addresses.setdefault(key, {})  # type: ignore[attr-defined]  # ours
            by_target[name] = TargetResults(int(results), int(successes), expected)


class _AskedLate(Mapping[_Key, _Value]):
    """Something of a country that few are asked for: worked out when it is, and that before the next window.

    `what` is its name with a verb, for whoever asks too late.
    """

    def __init__(
        self,
        what: str,
        work_out: Callable[[Series, int], Mapping[_Key, _Value]],
        series: Series,
        place: int,
    ) -> None:
        self._what, self._work_out = what, work_out
        self._series, self._place, self._start = series, place, series.start
        self._held: Mapping[_Key, _Value] | None = None

    def _read(self) -> Mapping[_Key, _Value]:
        if self._held is None:
            if self._series.start != self._start:
                raise RuntimeError(f"{self._what} asked for when the next one has been taken in")
            self._held = self._work_out(self._series, self._place)
        return self._held

    def __getitem__(self, key: _Key) -> _Value:
        return self._read()[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _history(series: Series, place: int) -> Mapping[tuple[str, int], NDArray[np.float64]]:
    """The last windows of a country's networks."""
    layout = series.layout
    cells = (layout.group_place[layout.cell_group] == place).nonzero()[0]
    return dict(zip(layout.cell_keys(cells), series.cells.waiting(series.start, cells), strict=True))


def _contrasts(series: Series, place: int) -> Mapping[tuple[str, int], Contrasted]:
    """What the contrasts of a country's networks came to."""
    layout = series.layout
    here = layout.group_place[layout.cell_group] == place
    cells = (here & (series.contrast.controlled > 0.0)).nonzero()[0]
    return dict(zip(layout.cell_keys(cells), series.contrast.of(cells), strict=True))


def _seats(series: Series, place: int) -> Mapping[int, Sequence[SeatStanding]]:
    """How the vantages of a country's networks do: asked for when a network or a region has lost something."""
    layout = series.layout
    here = layout.group_place[layout.cell_group[layout.seat_cell]] == place
    seats = here.nonzero()[0]
    seats = seats[series.seats.lately(series.start, series.window, seats)]
    vantages = layout.seat_vantage[seats]
    columns = (vantages, series.seats.excess[seats], series.seats.last[seats])
    numbers = np.maximum(layout.vantage_region[vantages], 0).tolist()
    names = {number: layout.name_of_region(number) for number in set(numbers)}
    by_network: dict[int, list[SeatStanding]] = {}
    for (platform, asn), vantage, excess, last, region in zip(
        layout.cell_keys(layout.seat_cell[seats]),
        *(column.tolist() for column in columns),
        map(names.__getitem__, numbers),
        strict=True,
    ):
        by_network.setdefault(asn, []).append(SeatStanding(platform, vantage, excess, last, region))
    return by_network


def _spread(
    by_place: Mapping[int, Mapping[_Key, _Value]],
    places: Iterable[int],
    keys: Iterable[_Key],
    values: Iterable[_Value],
) -> None:
    """Put each value under its key, in the mapping of its place. Mostly all are of one, and many hundreds."""
    if len(by_place) == 1:
        (mapping,) = by_place.values()
        mapping.update(zip(keys, values, strict=True))  # type: ignore[attr-defined]  # ours
        return
    for place, key, value in zip(places, keys, values, strict=True):
        by_place[place][key] = value  # type: ignore[index]  # ours


def _at(readings: dict[int, CountryReading], place: np.int64) -> CountryReading:
    return readings[int(place)]


def _whole(values: Floats) -> NDArray[np.int64]:
    return np.rint(values).astype(np.int64)
