"""The survey: what stands in the tables, told in the words of `readings`, for the countries that matter now.

Reads and never changes anything. Costs what the chosen countries have of series.
"""

from __future__ import annotations

from math import isnan

import numpy as np
from numpy.typing import NDArray

from detectors.binomial_columns import Pool
from detectors.columns import Bools, Floats, Ints, Numbers
from detectors.cusum_columns import CusumColumns
from detectors.readings import CountryReading, Counts, Opinion, Slowness, Standing, Volume
from detectors.series import LIVE_GAPS, Series

STIR = 0.5  # more than this, and a country is looked at: a shortfall too small to matter scores no more
EASING_NATS = 2.0  # contrary evidence from which on an alarm is no longer sure, though not over
RESUMED_NATS = 2.0  # a silence worth less is no silence
STALE_WINDOWS = 10 * LIVE_GAPS  # times older than this say nothing of now

_OPINIONS = (Opinion.UNSURE, Opinion.BAD, Opinion.GOOD)


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
    """

    def __init__(
        self, series: Series, n: Floats, k: Floats, seen: Floats, mechanisms: tuple[str, ...]
    ) -> None:
        self.series = series
        self.n, self.k, self.seen = n, k, seen
        self.mechanisms = mechanisms

    def stirring(self) -> Bools:
        """The places in which something stirs."""
        series, layout = self.series, self.series.layout
        stir = np.zeros(len(layout.places), dtype=np.bool_)
        of_group = layout.group_place
        of_cell = of_group[layout.cell_group]
        for column in (series.cell_score, series.ttfb.score, series.throughput.score):
            stir[of_cell[column > STIR]] = True
        stir[of_group[series.group_score > STIR]] = True
        stir[of_group[layout.region_group[series.region_score > STIR]]] = True
        stir[layout.network_place[(series.silence.score > STIR) | series.silence.dark]] = True
        return stir

    def read(self, chosen: Bools, counts: Counts) -> list[CountryReading]:
        """The readings of the chosen places, in the order of their appearance."""
        layout = self.series.layout
        readings = {
            place: CountryReading(
                country,
                simulated,
                counts.start,
                counts.end,
                platforms={},
                networks={},
                past={},
                regions={},
                volumes={},
                slowness={},
                mechanisms={},
                control={},
                vantages={},
                homes={},
            )
            for place, (country, simulated) in enumerate(layout.places)
            if chosen[place]
        }
        if readings:
            self._standings(chosen, readings)
            self._volumes(chosen, readings)
            self._slow(chosen, readings)
            self._failures(chosen, readings, counts)
        return list(readings.values())

    def _standings(self, chosen: Bools, readings: dict[int, CountryReading]) -> None:
        series, layout = self.series, self.series.layout
        group_of, place_of = layout.cell_group, layout.group_place
        cell_of = layout.post_cell
        posts = np.flatnonzero(chosen[place_of[group_of[cell_of]]])
        posts = posts[series.posts.lately(series.start, series.window, posts)]
        cells = np.flatnonzero(chosen[place_of[group_of]])
        recent = series.cells.base.recent_probes[cells]
        usual = series.cells.usual[cells]
        told = self._told(
            series.cells.cusum,
            cells,
            posts,
            cell_of[posts],
            score=series.cell_score[cells],
            live=series.cell_live[cells],
            n=self.n[cells],
            k=self.k[cells],
            expected=usual,
            reached=np.divide(
                series.cells.base.recent_good[cells], recent, out=usual.copy(), where=recent > 0.0
            ),
        )
        where, names_of = place_of[group_of[cells]].tolist(), layout.cell_names(cells)
        waiting = series.cells.waiting(series.start, cells)
        for place, (platform, _, asn, _), standing, past in zip(where, names_of, told, waiting, strict=True):
            readings[place].networks[platform, asn] = standing  # type: ignore[index]  # ours
            readings[place].past[platform, asn] = past  # type: ignore[index]  # ours
        names = layout.group_names
        groups = np.flatnonzero(chosen[place_of])
        told = self._pooled(
            series.groups, groups, posts, group_of[cell_of[posts]], series.group_score, series.group_live > 0
        )
        for group, standing in zip(groups.tolist(), told, strict=True):
            _at(readings, place_of[group]).platforms[names[group][0]] = standing  # type: ignore[index]  # ours
        regions = np.flatnonzero(chosen[place_of[layout.region_group]])
        if not len(regions):
            return
        part = layout.post_part[posts]
        posts, part = posts[part >= 0], part[part >= 0]
        region_of = layout.part_region[part]
        live = np.bincount(region_of[series.cell_live[cell_of[posts]]], minlength=series.regions.size) > 0
        told = self._pooled(series.regions, regions, posts, region_of, series.region_score, live)
        groups_of = layout.region_group[regions].tolist()
        for group, name, standing in zip(groups_of, layout.region_names(regions), told, strict=True):
            _at(readings, place_of[group]).regions[names[group][0], name] = standing  # type: ignore[index]  # ours

    def _pooled(
        self, pool: Pool, rows: Ints, posts: Ints, pool_of_post: Numbers, score: Floats, live: Bools
    ) -> list[Standing]:
        probes, expected = pool.recent.probes[rows], pool.expected[rows]
        return self._told(
            pool.cusum,
            rows,
            posts,
            pool_of_post,
            score=score[rows],
            live=live[rows],
            n=pool.n[rows],
            k=pool.k[rows],
            expected=expected,
            reached=np.divide(pool.recent.good[rows], probes, out=expected.copy(), where=probes > 0.0),
        )

    def _told(
        self,
        cusum: CusumColumns,
        rows: Ints,
        posts: Ints,
        series_of_post: Numbers,
        *,
        score: Floats,
        live: Bools,
        n: Floats,
        k: Floats,
        expected: Floats,
        reached: Floats,
    ) -> list[Standing]:
        """Standings of `rows`; `posts` are the vantages that reported lately, `series_of_post` where they belong."""
        is_open = cusum.open[rows]
        best = np.argmax(cusum.statistic[:, rows], axis=0)
        vantages, sharing = self._vantages(cusum, rows, posts, series_of_post)
        well = cusum.well[rows]
        bad = (score >= 1.0) & (well < EASING_NATS)
        good = (score < 1.0) & (well >= self.series.detection.close_nats)
        opinion = np.where(live, np.where(bad, 1, np.where(good, 2, 0)), 0)
        onset = np.where(is_open, cusum.onset[best, rows], -1)
        probes = np.where(is_open, np.rint(cusum.counted[best, rows]), 0.0).astype(np.int64)
        columns = (
            opinion,
            score,
            _whole(n),
            _whole(k),
            expected,
            reached,
            onset,
            probes,
            vantages,
            sharing,
            live,
        )
        return [
            Standing(
                opinion=_OPINIONS[says],
                score=scored,
                n=all_,
                k=good,
                expected=usual,
                reachability=now,
                onset=began if began >= 0 else None,
                probes=rests,
                vantages=many,
                vantages_bad=failing,
                live=alive,
            )
            for says, scored, all_, good, usual, now, began, rests, many, failing, alive in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    def _vantages(
        self, cusum: CusumColumns, rows: Ints, posts: Ints, series_of_post: Numbers
    ) -> tuple[Ints, Ints]:
        """How many vantages each series has, and how many of these share its shortfall."""
        series = self.series
        names = series.layout.post_vantage[posts]
        place = np.searchsorted(rows, series_of_post)
        least = np.where(cusum.open[rows], series.share_lost(cusum, rows), np.inf)
        bad = series.posts.excess[posts] < -least[place]
        many = len(series.layout.vantages)
        return _distinct(place, names, many, len(rows)), _distinct(place[bad], names[bad], many, len(rows))

    def _volumes(self, chosen: Bools, readings: dict[int, CountryReading]) -> None:
        series, layout, silence = self.series, self.series.layout, self.series.silence
        place_of = layout.network_place
        rows = np.flatnonzero(chosen[place_of])
        dark, back = silence.dark[rows], silence.back[rows]
        alive = silence.alive(series.start)[rows]
        nats = silence.hazard()[rows] * silence.quiet[rows]
        says = np.where(dark, np.where(back > 0, 0, 1), np.where(nats < RESUMED_NATS, 2, 0))
        opinion = np.where(alive, says, 0)
        score = np.where(opinion == 1, np.maximum(1.0, silence.score[rows]), silence.score[rows])
        onset = np.where(dark, silence.onset[rows], -1)
        vantage_network = layout.vantage_network
        lately = series.vantages.lately(series.start, series.window)
        vantages = np.bincount(vantage_network[lately], minlength=len(layout.networks))[rows]
        usual = silence.usual(series.start)[rows]
        places, asns, homes = place_of[rows], layout.networks.right(rows), layout.homes(rows)
        first = silence.first[rows]
        columns = (rows, places, asns, opinion, score, self.seen[rows], usual, onset, alive, first, vantages)
        for network, place, asn, says_, scored, seen, expected, began, live, since, many in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            reading = readings[place]
            reading.volumes[asn] = Volume(  # type: ignore[index]  # ours
                _OPINIONS[says_],
                scored,
                seen,
                expected,
                began if began >= 0 else None,
                live,
                since if since >= 0 else None,
            )
            reading.vantages[asn] = many  # type: ignore[index]  # ours
            reading.homes[asn] = homes.get(network, ())  # type: ignore[index]  # ours

    def _slow(self, chosen: Bools, readings: dict[int, CountryReading]) -> None:
        """The slower of the two measures of each network on a platform; nothing where neither was measured."""
        series, layout = self.series, self.series.layout
        place_of = layout.group_place[layout.cell_group]
        rows = np.flatnonzero(chosen[place_of] & ((series.ttfb.first >= 0) | (series.throughput.first >= 0)))
        if not len(rows):
            return
        scored, told = [], []
        for table, sign in ((series.ttfb, 1.0), (series.throughput, -1.0)):
            fresh = series.start - table.last[rows] <= STALE_WINDOWS * series.window
            score, usual = table.score[rows], table.usual(series.start)[rows]
            scored.append(np.where(table.first[rows] >= 0, score, -1.0))
            well = table.well[rows] >= series.detection.close_nats
            opinion = np.where(fresh, np.where(score >= 1.0, 1, np.where(well, 2, 0)), 0)
            now, expected = np.exp(sign * (usual + table.slower[rows])), np.exp(sign * usual)
            onset = np.where(table.open[rows], table.onset[rows], -1)
            pace = np.exp(-table.latest[rows]) if len(table.latest) else np.full(len(rows), np.nan)
            told.append((opinion, score, now, expected, onset, pace))
        worse = scored[1] > scored[0]  # of equal ones, the time to first byte
        columns = (place_of[rows], worse, *(np.where(worse, b, a) for a, b in zip(*told, strict=True)))
        for (platform, _, asn, _), place, by_speed, says, score, now, expected, began, pace in zip(
            layout.cell_names(rows), *(column.tolist() for column in columns), strict=True
        ):
            readings[place].slowness[platform, asn] = Slowness(  # type: ignore[index]  # ours
                _OPINIONS[says],
                score,
                "throughput" if by_speed else "ttfb_ms",
                now,
                expected,
                began if began >= 0 else None,
                None if isnan(pace) else pace,
            )

    def _failures(self, chosen: Bools, readings: dict[int, CountryReading], counts: Counts) -> None:
        """How results failed in this window, and what the controls of the failing ones said."""
        layout, outcomes = self.series.layout, len(self.mechanisms)
        place_of = layout.group_place[layout.cell_group]
        failed = np.flatnonzero(~counts.ok)
        cell = layout.post_cell[counts.post[failed]].astype(np.int64)
        here = chosen[place_of[cell]]
        failed, cell = failed[here], cell[here]
        keys, many = np.unique(cell * outcomes + counts.mechanism[failed], return_counts=True)
        names, places = layout.cell_names(keys // outcomes), place_of[keys // outcomes].tolist()
        for key, (platform, _, asn, _), place, count in zip(
            keys.tolist(), names, places, many.tolist(), strict=True
        ):
            found = readings[place].mechanisms
            held = found.setdefault((platform, asn), {})  # type: ignore[attr-defined]  # ours
            held[self.mechanisms[key % outcomes]] = count
        control = counts.control[failed]
        known = control >= 0
        keys, many = np.unique(cell[known] * 2 + (control[known] == 1), return_counts=True)
        names, places = layout.cell_names(keys // 2), place_of[keys // 2].tolist()
        for key, (platform, *_), place, count in zip(
            keys.tolist(), names, places, many.tolist(), strict=True
        ):
            told = readings[place].control
            good, bad = told.get(platform, (0, 0))
            told[platform] = (good + count, bad) if key % 2 else (good, bad + count)  # type: ignore[index]  # ours


def _at(readings: dict[int, CountryReading], place: np.int64) -> CountryReading:
    return readings[int(place)]


def _whole(values: Floats) -> NDArray[np.int64]:
    return np.rint(values).astype(np.int64)


def _distinct(series: Ints, names: Numbers, many: int, size: int) -> Ints:
    """How many different names each series has."""
    return np.bincount(np.unique(series * many + names) // max(1, many), minlength=size)
