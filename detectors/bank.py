"""The bank: every series of every country, window by window. Counts go in, opinions come out.

Cost is a handful of whole-column operations a window, whatever the number of series; only countries in which
something stirs, or that are watched, are looked at one by one. What becomes of an opinion is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import exp
from typing import Final

import msgspec
import numpy as np

from detectors import jury
from detectors.binomial import RATIO_MAX, Rules
from detectors.binomial_columns import BinomialColumns, Pool, evidence_columns
from detectors.columns import Bools, Floats, Ints, StoredColumn, Table, grained, medians, sums
from detectors.cusum_columns import CusumColumns
from detectors.layout import Layout
from detectors.readings import (
    CountryReading,
    Counts,
    Health,
    Opinion,
    PostKey,
    Pulse,
    Reading,
    SeriesGauge,
    Slowness,
    Standing,
    Volume,
)
from detectors.settings import DetectionSettings, TimeSettings
from detectors.silence_columns import SilenceColumns
from detectors.slowdown_columns import SlowdownColumns

SNAPSHOT_VERSION: Final = 1
STIR: Final = 0.5  # a score from which on a country is looked at
LIVE_WINDOWS: Final = 5.0  # a series is live that reported within so many windows,
LIVE_GAPS: Final = 6.0  # or within so many of its usual gaps
RESUMED_NATS: Final = 2.0
MERGE_WINDOWS: Final = 16  # how many windows' outcomes are kept apart before they are summed


class _Stored(msgspec.Struct, array_like=True):
    version: int
    window: int
    start: int
    mechanisms: list[str]
    posts: list[PostKey]
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
        self.window = time.window_seconds
        self.mechanisms = tuple(mechanisms)
        self.rules = Rules.of(detection, time)
        self.layout = Layout()
        self._posts = jury.Posts()
        self._vantages = jury.Posts()
        self._cells = BinomialColumns(self.rules)
        self._groups = Pool(self.rules)
        self._regions = Pool(self.rules)
        self._silence = SilenceColumns(self.rules)
        self._ttfb = SlowdownColumns(self.rules)
        self._throughput = SlowdownColumns(self.rules)
        self._crowded: Ints = np.empty(0, dtype=np.int64)
        self._outcomes: list[tuple[Ints, Ints]] = []
        self._k: Floats = np.empty(0)
        self._n: Floats = np.empty(0)
        self._seen: Floats = np.empty(0)
        self._part_rows: Ints = np.empty(0, dtype=np.int64)
        self._part_k: Floats = np.empty(0)
        self._part_n: Floats = np.empty(0)
        self._start = 0
        self._names: tuple[list[str], list[str], list[bool]] = ([], [], [])
        self._scores()

    def add_posts(self, posts: Sequence[PostKey]) -> None:
        """Take vantages in, in the order in which `Counts.post` numbers them."""
        layout = self.layout
        layout.add(posts)
        self._posts.grow(len(layout.posts))
        self._vantages.grow(len(layout.vantages))
        self._cells.grow(len(layout.cells))
        self._groups.grow(len(layout.groups))
        self._regions.grow(len(layout.regions))
        self._silence.grow(len(layout.networks))
        self._ttfb.grow(len(layout.cells))
        self._throughput.grow(len(layout.cells))
        vantages = np.bincount(layout.post_cell.column, minlength=len(layout.cells))
        self._crowded = np.flatnonzero(vantages[layout.post_cell.column] >= jury.JURY)
        if len(self._names[0]) < len(layout.groups):
            keys = list(layout.groups)
            self._names = ([key[1] for key in keys], [key[0] for key in keys], [key[2] for key in keys])
        self._scores()

    # a window

    def close(self, counts: Counts, watch: Collection[tuple[str, bool]]) -> Reading:
        """Take a closed window in, and say how things stand.

        Parameters
        ----------
        counts
            The window's rows.
        watch
            Countries (and whether simulated) whose readings are wanted though nothing stirs.
        """
        start = self._start = counts.start
        k, n = self._k, self._n = self._count(counts)
        self._judge(start, k, n)
        self._time(start, counts)
        self._scores()
        self._tally(counts)
        countries = [self._country(place, counts) for place in self._stirring(watch)]
        return Reading(counts.start, counts.end, countries, self._health())

    def _count(self, counts: Counts) -> tuple[Floats, Floats]:
        """Successes and probes of each network on each platform, by the votes of its vantages."""
        layout, start = self.layout, counts.start
        cells = len(layout.cells)
        everyone = len(layout.posts)
        probes = np.bincount(counts.post, minlength=everyone)
        good = np.bincount(counts.post[counts.ok], minlength=everyone)
        rows = np.flatnonzero(probes)
        country = layout.network_place.column
        cell = layout.post_cell.column
        self._seen = sums(
            layout.cell_network.column[cell[rows]], probes[rows].astype(np.float64), len(layout.networks)
        )
        self._silence.step(start, self._seen, country, len(layout.places))
        usual = self._cells.expect(start)
        k, n = good[rows].astype(np.float64), probes[rows].astype(np.float64)
        if len(rows):
            weight = jury.weigh(self._posts, cell, self._crowded, rows, k, n, usual, start, self.window)
            k, n = k * weight, n * weight
            seen = np.unique(layout.post_vantage.column[rows])
            self._vantages.see(seen, start, self.window)
        self._part_rows, self._part_k, self._part_n = layout.post_part.column[rows], k, n
        return sums(cell[rows], k, cells), sums(cell[rows], n, cells)

    def _judge(self, start: int, k: Floats, n: Floats) -> None:
        """Weigh networks, and what they come to in regions and countries; then learn."""
        layout, cells = self.layout, self._cells
        group = layout.cell_group.column
        cells.weigh(start, k, n)
        self._pool(self._groups, start, group, k, n, cells.usual, cells.evidence, cells.scale)
        parts = self._part_rows >= 0
        if parts.any() or self._regions.size:
            size = len(layout.parts)
            part_k = sums(self._part_rows[parts], self._part_k[parts], size)
            part_n = sums(self._part_rows[parts], self._part_n[parts], size)
            cell = layout.part_cell.column
            usual, scale = cells.usual[cell], cells.scale[cell]
            judged = cells.warm(start)[cell]
            evidence = np.stack(
                [
                    np.where(judged, evidence_columns(drop, usual, part_k, part_n) / scale, 0.0)
                    for drop in self.detection.drops
                ]
            )
            self._pool(
                self._regions, start, layout.part_region.column, part_k, part_n, usual, evidence, scale
            )
        cells.learn(start, k, n, self._groups.cusum.open[group])

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
    ) -> None:
        """Sum one window over the members of each pool."""
        size = pool.size
        probes, good = sums(member, n, size), sums(member, k, size)
        due = sums(member, grained(n * usual), size)
        expected = np.divide(due, probes, out=pool.expected, where=probes > 0.0)
        contrary = pool.cusum.contrary_drop(np.clip(expected, 0.05, RATIO_MAX))[member]
        judged = evidence[0] != 0.0
        healthy = np.where(judged, -evidence_columns(contrary, usual, k, n) / scale, 0.0)
        pool.weigh(
            start,
            sums(member, grained(evidence), size),
            sums(member, grained(healthy), size),
            good,
            probes,
            due,
        )

    def _time(self, start: int, counts: Counts) -> None:
        """Weigh times to first byte, and the reciprocals of speeds."""
        cell = self.layout.post_cell.column
        for columns, values, sign in (
            (self._ttfb, counts.ttfb_ms, 1.0),
            (self._throughput, counts.throughput, -1.0),
        ):
            measured = np.flatnonzero(values > 0.0)  # NaN is not
            logs = sign * np.log(values[measured].astype(np.float64))
            rows, _, middle = medians(cell[counts.post[measured]], logs)
            columns.step(start, rows, middle)

    def _scores(self) -> None:
        """Work out how everything stands, once a window."""
        layout, cells, groups = self.layout, self._cells, self._groups
        self._cell_score = cells.score
        self._need_company(cells.cusum, self._cell_score, cells.alarm, self._posts_of_cell)
        self._cell_live = self._live_cells()
        members = layout.cell_group.column
        self._group_shortfall = self._pooled_shortfall(cells.shortfall_min)
        alarm = groups.alarm
        self._group_score = np.asarray(groups.cusum.top(alarm / 2.0, self._group_shortfall) / alarm)
        self._need_company(groups.cusum, self._group_score, alarm, self._posts_of_group)
        alarm = self._regions.alarm
        shortfall = self.detection.shortfall_min
        self._region_score = np.asarray(self._regions.cusum.top(alarm / 2.0, shortfall) / alarm)
        self._need_company(self._regions.cusum, self._region_score, alarm, self._posts_of_region)
        self._group_live = np.bincount(members[self._cell_live], minlength=groups.size)
        bad = (self._cell_score >= 1.0) & self._cell_live
        self._group_bad = np.bincount(members[bad], minlength=groups.size)

    def _need_company(
        self, cusum: CusumColumns, score: Floats, alarm: Floats, posts_of: Callable[[int], Ints]
    ) -> None:
        """Sparse series alarm on little evidence: where one vantage alone has it, they need more."""
        least = self.detection.alarm_alone
        for series in np.flatnonzero((score >= 1.0) & (alarm < least)).tolist():
            _, bad = self._vantages_of(cusum, series, posts_of(series))
            if bad < 2:
                score[series] *= alarm[series] / least

    def _pooled_shortfall(self, of_cells: Floats) -> Floats:
        """The least loss that is more than a country's wandering: its networks' mean."""
        members, size = self.layout.cell_group.column, self._groups.size
        if not self._cells.size:
            return np.empty(0)
        weight = self._cells.base.good_global + self._cells.base.bad_global
        total = sums(members, grained(weight * of_cells), size)
        return total / sums(members, grained(weight), size)

    def _live_cells(self) -> Bools:
        presence = self._cells.presence
        share = presence.present / presence.exposed
        allowed = np.maximum(LIVE_WINDOWS, LIVE_GAPS / share)
        late = self._start - presence.last <= allowed * self.window
        return (presence.last >= 0) & late & ~self._silence.dark[self.layout.cell_network.column]

    # what it says

    def _stirring(self, watch: Collection[tuple[str, bool]]) -> list[int]:
        """The places to look at."""
        layout = self.layout
        if not layout.places:
            return []
        stir = np.zeros(len(layout.places), dtype=np.bool_)
        places = layout.group_place.column
        cell_place = places[layout.cell_group.column] if len(layout.cells) else np.empty(0, np.int64)
        stir[cell_place[(self._cell_score >= STIR) | (self._ttfb.score >= STIR)]] = True
        stir[cell_place[self._throughput.score >= STIR]] = True
        stir[places[self._group_score >= STIR]] = True
        stir[places[layout.region_group.column[self._region_score >= STIR]]] = True
        stir[layout.network_place.column[(self._silence.score >= STIR) | self._silence.dark]] = True
        for key in watch:
            if key in layout.places:
                stir[layout.places[key]] = True
        return np.flatnonzero(stir).tolist()

    def _country(self, place: int, counts: Counts) -> CountryReading:
        layout = self.layout
        country, simulated = list(layout.places)[place]
        reading = CountryReading(country, simulated, counts.start, counts.end)
        groups = layout.groups_of_place[place]
        names = list(layout.groups)
        reading.platforms = {names[group][0]: self._group_standing(group) for group in groups}
        reading.networks = {
            (layout.cell_names[cell][0], layout.cell_names[cell][2]): self._cell_standing(cell)
            for cell in layout.cells_of_place[place]
        }
        regions = list(layout.regions)
        reading.regions = {
            (names[regions[region][0]][0], regions[region][1]): self._region_standing(region)
            for region in layout.regions_of_place[place]
        }
        networks = list(layout.networks)
        volumes, vantages, homes = {}, {}, {}
        for network in layout.networks_of_place[place]:
            asn = networks[network][1]
            volumes[asn] = self._volume(network)
            rows = np.array(layout.vantages_of_network[network])
            vantages[asn] = int(self._vantages.lately(self._start, self.window, rows).sum())
            homes[asn] = tuple(layout.homes.get(network, ()))
        reading.volumes, reading.vantages, reading.homes = volumes, vantages, homes
        reading.slowness = {
            (layout.cell_names[cell][0], layout.cell_names[cell][2]): slow
            for cell in layout.cells_of_place[place]
            if (slow := self._slowness(cell)) is not None
        }
        reading.mechanisms, reading.control = self._failures(place, counts)
        return reading

    def _cell_standing(self, cell: int) -> Standing:
        cells, base = self._cells, self._cells.base
        live = bool(self._cell_live[cell])
        probes = float(base.recent_probes[cell])
        usual = float(cells.usual[cell])
        posts = self._posts_of_cell(cell)
        return self._standing(
            cells.cusum,
            cell,
            score=float(self._cell_score[cell]),
            n=self._n[cell],
            k=self._k[cell],
            expected=usual,
            reachability=float(base.recent_good[cell]) / probes if probes > 0.0 else usual,
            live=live,
            posts=posts,
        )

    def _posts_of_cell(self, cell: int) -> Ints:
        return np.array(self.layout.posts_of_cell[cell], dtype=np.int64)

    def _posts_of_group(self, group: int) -> Ints:
        layout = self.layout
        return np.flatnonzero(layout.cell_group.column[layout.post_cell.column] == group)

    def _posts_of_region(self, region: int) -> Ints:
        part = self.layout.post_part.column
        given = np.flatnonzero(part >= 0)
        return np.asarray(given[self.layout.part_region.column[part[given]] == region])

    def _group_standing(self, group: int) -> Standing:
        posts = self._posts_of_group(group)
        return self._pool_standing(
            self._groups, group, float(self._group_score[group]), posts, bool(self._group_live[group])
        )

    def _region_standing(self, region: int) -> Standing:
        posts = self._posts_of_region(region)
        live = bool(self._cell_live[self.layout.post_cell.column[posts]].any())
        return self._pool_standing(self._regions, region, float(self._region_score[region]), posts, live)

    def _pool_standing(self, pool: Pool, series: int, score: float, posts: Ints, live: bool) -> Standing:
        expected = float(pool.expected[series])
        probes = float(pool.recent.probes[series])
        return self._standing(
            pool.cusum,
            series,
            score=score,
            n=pool.n[series],
            k=pool.k[series],
            expected=expected,
            reachability=float(pool.recent.good[series]) / probes if probes > 0.0 else expected,
            live=live,
            posts=posts,
        )

    def _standing(
        self,
        cusum: CusumColumns,
        series: int,
        *,
        score: float,
        n: float,
        k: float,
        expected: float,
        reachability: float,
        live: bool,
        posts: Ints,
    ) -> Standing:
        best, is_open = cusum.best(series), bool(cusum.open[series])
        reported, vantages_bad = self._vantages_of(cusum, series, posts)
        if not live:
            opinion = Opinion.UNSURE
        elif score >= 1.0:
            opinion = Opinion.BAD
        elif cusum.well[series] >= self.detection.close_nats:
            opinion = Opinion.GOOD
        else:
            opinion = Opinion.UNSURE
        return Standing(
            opinion=opinion,
            score=score,
            n=round(float(n)),
            k=round(float(k)),
            expected=expected,
            reachability=reachability,
            onset=int(cusum.onset[best, series]) if is_open else None,
            probes=round(float(cusum.probes[best, series])) if is_open else 0,
            vantages=reported,
            vantages_bad=vantages_bad,
            live=live,
        )

    def _vantages_of(self, cusum: CusumColumns, series: int, posts: Ints) -> tuple[int, int]:
        """How many vantages reported lately, and how many of these share the shortfall."""
        reported = posts[self._posts.lately(self._start, self.window, posts)]
        names = self.layout.post_vantage.column
        if not cusum.open[series]:
            return len(np.unique(names[reported])), 0
        best = cusum.best(series)
        lost = cusum.short[best, series] / max(1.0, cusum.probes[best, series])
        bad = self._posts.excess[reported] < -max(self.detection.shortfall_min, lost / 2.0)
        return len(np.unique(names[reported])), len(np.unique(names[reported[bad]]))

    def _volume(self, network: int) -> Volume:
        silence = self._silence
        alive = bool(silence.alive(self._start)[network])
        nats = float(silence.hazard()[network] * silence.quiet[network])
        dark = bool(silence.dark[network])
        if not alive:
            opinion = Opinion.UNSURE
        elif dark:
            opinion = Opinion.UNSURE if silence.back[network] else Opinion.BAD
        else:
            opinion = Opinion.GOOD if nats < RESUMED_NATS else Opinion.UNSURE
        return Volume(
            opinion=opinion,
            score=max(float(silence.score[network]), 1.0)
            if opinion is Opinion.BAD
            else float(silence.score[network]),
            seen=float(self._seen[network]),
            usual=float(silence.usual(self._start)[network]),
            onset=int(silence.onset[network]) if dark else None,
            live=alive,
        )

    def _slowness(self, cell: int) -> Slowness | None:
        """The slower of the two measures; None where neither was ever measured."""
        found: list[Slowness] = []
        for columns, measure, sign in (
            (self._ttfb, "ttfb_ms", 1.0),
            (self._throughput, "throughput", -1.0),
        ):
            if columns.first[cell] < 0:
                continue
            usual, score = float(columns.usual(self._start)[cell]), float(columns.score[cell])
            stale = self._start - columns.last[cell] > LIVE_GAPS * 10 * self.window
            opinion = Opinion.UNSURE
            if not stale and score >= 1.0:
                opinion = Opinion.BAD
            elif not stale and columns.well[cell] >= self.detection.close_nats:
                opinion = Opinion.GOOD
            onset = int(columns.onset[cell]) if columns.open[cell] else None
            now = usual + float(columns.slower[cell])
            found.append(Slowness(opinion, score, measure, exp(sign * now), exp(sign * usual), onset))
        return max(found, key=lambda slow: slow.score, default=None)

    def _failures(
        self, place: int, counts: Counts
    ) -> tuple[dict[tuple[str, int], dict[str, int]], dict[str, tuple[int, int]]]:
        """How results failed in this window, and what the controls of the failing ones said."""
        layout = self.layout
        failed = np.flatnonzero(~counts.ok)
        cell = layout.post_cell.column[counts.post[failed]]
        here = layout.group_place.column[layout.cell_group.column[cell]] == place
        failed, cell = failed[here], cell[here]
        mechanisms: dict[tuple[str, int], dict[str, int]] = {}
        keys, many = np.unique(cell * len(self.mechanisms) + counts.mechanism[failed], return_counts=True)
        for key, count in zip(keys.tolist(), many.tolist(), strict=True):
            platform, _, asn, _ = layout.cell_names[key // len(self.mechanisms)]
            mechanisms.setdefault((platform, asn), {})[self.mechanisms[key % len(self.mechanisms)]] = count
        control: dict[str, tuple[int, int]] = {}
        known = counts.control[failed] >= 0
        keys, many = np.unique((cell * 2 + (counts.control[failed] == 1))[known], return_counts=True)
        for key, count in zip(keys.tolist(), many.tolist(), strict=True):
            platform = layout.cell_names[key // 2][0]
            good, bad = control.get(platform, (0, 0))
            control[platform] = (good + count, bad) if key % 2 else (good, bad + count)
        return mechanisms, control

    def _health(self) -> Health:
        groups = self._groups
        probes = groups.recent.probes
        expected = groups.expected
        return Health(
            country=self._names[0],
            platform=self._names[1],
            simulated=self._names[2],
            n=np.rint(groups.n).astype(np.int64),
            k=np.rint(groups.k).astype(np.int64),
            expected=expected,
            reachability=np.divide(groups.recent.good, probes, out=expected.copy(), where=probes > 0.0),
            score=self._group_score,
            networks_live=self._group_live,
            networks_bad=self._group_bad,
        )

    def gauges(self) -> Sequence[SeriesGauge]:
        """Every live series: each network on each platform, and (asn 0) each country on it."""
        cells, layout = self._cells, self.layout
        base = cells.base
        reached = np.divide(
            base.recent_good, base.recent_probes, out=np.ones(cells.size), where=base.recent_probes > 0.0
        )
        usual = cells.usual if len(cells.usual) == cells.size else cells.expect(self._start)
        gauges = []
        for cell in np.flatnonzero(self._cell_live).tolist():
            platform, country, asn, simulated = layout.cell_names[cell]
            gauges.append(
                SeriesGauge(
                    platform,
                    country,
                    asn,
                    float(reached[cell]),
                    float(usual[cell]),
                    float(self._cell_score[cell]),
                    simulated,
                )
            )
        health = self._health()
        gauges.extend(
            SeriesGauge(
                health.platform[group],
                health.country[group],
                0,
                float(health.reachability[group]),
                float(health.expected[group]),
                float(self._group_score[group]),
                health.simulated[group],
            )
            for group in np.flatnonzero(self._group_live).tolist()
        )
        return gauges

    def networks_live(self) -> Mapping[str, int]:
        """Networks that report, by country; simulated ones count too."""
        layout = self.layout
        if not layout.networks:
            return {}
        silence = self._silence
        nats = silence.hazard() * silence.quiet
        live = (silence.last >= 0) & ~silence.dark & (nats < self.detection.alarm_silence)
        count = np.bincount(layout.network_place.column[live], minlength=len(layout.places))
        found: dict[str, int] = {}
        for (country, _), many in zip(layout.places, count.tolist(), strict=True):
            found[country] = found.get(country, 0) + many
        return found

    def pulses(self) -> Sequence[Pulse]:
        """Who reports, country by country, real and simulated apart; a country once seen stays in the list."""
        layout, silence = self.layout, self._silence
        if not layout.networks:
            return []
        size = len(layout.places)
        place = layout.network_place.column
        nats = silence.hazard() * silence.quiet
        live = (silence.last >= 0) & ~silence.dark & (nats < self.detection.alarm_silence)
        networks = np.bincount(place[live], minlength=size)
        network_of = np.array([network for network, _ in layout.vantages], dtype=np.int64)
        lately = self._vantages.lately(self._start, self.window)
        vantages = np.bincount(place[network_of[lately]], minlength=size)
        last = np.full(size, -1, dtype=np.int64)
        np.maximum.at(last, place, silence.last)
        return [
            Pulse(
                country, simulated, int(networks[i]), int(vantages[i]), int(last[i]) if last[i] >= 0 else None
            )
            for i, (country, simulated) in enumerate(layout.places)
        ]

    # outcomes for the counters

    def _tally(self, counts: Counts) -> None:
        if len(counts.post):
            group = self.layout.cell_group.column[self.layout.post_cell.column[counts.post]]
            self._outcomes.append(
                np.unique(group * len(self.mechanisms) + counts.mechanism, return_counts=True)
            )
        if len(self._outcomes) >= MERGE_WINDOWS:
            self._outcomes = [self._merged()]

    def _merged(self) -> tuple[Ints, Ints]:
        keys = np.concatenate([keys for keys, _ in self._outcomes])
        many = np.concatenate([many for _, many in self._outcomes])
        unique, place = np.unique(keys, return_inverse=True)
        return unique, np.bincount(place, weights=many).astype(np.int64)

    def take_probes(self) -> Mapping[tuple[str, str, str, bool], int]:
        """Results of the windows closed since the last call, by platform, country, outcome and whether simulated."""
        found: dict[tuple[str, str, str, bool], int] = {}
        if not self._outcomes:
            return found
        keys, many = self._merged()
        self._outcomes = []
        for key, count in zip(keys.tolist(), many.tolist(), strict=True):
            group, mechanism = divmod(key, len(self.mechanisms))
            countries, platforms, simulated = self._names
            name = (platforms[group], countries[group], self.mechanisms[mechanism], simulated[group])
            found[name] = found.get(name, 0) + count
        return found

    # keeping

    def _tables(self) -> dict[str, Table]:
        cells = self._cells
        tables: dict[str, Table] = {
            "posts": self._posts,
            "vantages": self._vantages,
            "baselines": cells.base,
            "presence": cells.presence,
            "cusum": cells.cusum,
            "silence": self._silence,
            "ttfb": self._ttfb,
            "throughput": self._throughput,
        }
        for name, pool in (("groups", self._groups), ("regions", self._regions)):
            tables |= {
                f"{name}.presence": pool.presence,
                f"{name}.cusum": pool.cusum,
                f"{name}.recent": pool.recent,
            }
        return tables

    def snapshot(self) -> bytes:
        """The whole state but for the outcomes not yet taken: versioned plain arrays (MessagePack)."""
        stored = _Stored(
            SNAPSHOT_VERSION,
            self.window,
            self._start,
            list(self.mechanisms),
            self.layout.posts,
            {name: table.store() for name, table in self._tables().items()},
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` wrote. Raises ValueError on an unknown version or a damaged text."""
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except msgspec.DecodeError as error:
            raise ValueError(f"damaged snapshot of the detectors: {error}") from error
        for name, found, mine in (
            ("version", stored.version, SNAPSHOT_VERSION),
            ("window length", stored.window, self.window),
            ("mechanisms", tuple(stored.mechanisms), self.mechanisms),
        ):
            if found != mine:
                raise ValueError(
                    f"snapshot of the detectors: its {name} is {found}, here it is {mine}; replay the log instead"
                )
        fresh = Bank(self.detection, TimeSettings(window_seconds=self.window), self.mechanisms)
        fresh.add_posts(stored.posts)
        tables = fresh._tables()
        if set(tables) != set(stored.tables):
            raise ValueError(
                f"snapshot of the detectors: tables {sorted(stored.tables)}, not {sorted(tables)}"
            )
        for name, table in tables.items():
            size = table.size
            table.load(stored.tables[name])
            if table.size != size:
                raise ValueError(
                    f"snapshot of the detectors: {name} has {table.size} series, its posts {size}"
                )
        fresh._start = stored.start
        fresh._scores()
        self.__dict__.update(fresh.__dict__)
