"""Everything that is remembered of all series: the tables, how they grow together, how they stand after a window.

What a window does to them is the bank's business; what is told of them, the survey's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from detectors.columns import compiled, vantage_weights
from detectors.columns.binomial import BinomialColumns, Pool
from detectors.columns.chosen import ChosenSilence, ChosenSlowdown
from detectors.columns.contrast import ContrastColumns
from detectors.columns.cusum import CusumColumns
from detectors.columns.forgetting import carry
from detectors.columns.layout import Layout
from detectors.columns.monitors import BLOCK_SECONDS, Addresses, MonitorColumns, Newcomers
from detectors.columns.paces import Paces
from detectors.columns.paths import Paths
from detectors.columns.silence import SilenceColumns
from detectors.columns.slowdown import SlowdownColumns
from detectors.columns.table import Bools, Floats, Ints, Numbers, Table, any_of, grained, sums
from detectors.readings import MonitorKey
from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import Rules

# A series is live that reported within so many windows, or within so many of its usual gaps (LIVE_GAPS).
LIVE_WINDOWS = 5.0
# What two failures in a row leave of a vantage's excess (`vantage_weights.RESULTS_PER_EXCESS`).
TWO_RESULTS = 0.15
# What one failure leaves of it, where nine in ten succeed.
ONE_RESULT = 0.08
# From so large a shortfall of quick results on a network is throttled, and not some of its lines.
MOSTLY_SLOW = 0.4
# A network of four leans from there on.
SHARED_NATS = 3.0
LIVE_GAPS = 6.0


class Series:
    """The tables of one partition.

    Attributes
    ----------
    cell_score, group_score, region_score
        How each network, country and region on a platform stands: 1.0 alarms.
    cell_live
        Which networks have reported lately on a platform.
    group_live, group_bad
        How many networks of a country report on a platform, and how many of these alarm.
    """

    def __init__(self, detection: DetectionSettings, time: TimeSettings) -> None:
        self.detection = detection
        self.window = time.window_seconds
        rules = self.rules = Rules.of(detection, time)
        self.layout = Layout()
        self.seats = vantage_weights.Seats()
        self.vantages = vantage_weights.Seats()
        self.paths = Paths()
        self.monitors = MonitorColumns(detection.warm_results)
        self.newcomers = Newcomers()
        self.addresses = Addresses()
        self.cells = BinomialColumns(rules)
        self.groups = Pool(rules)
        self.regions = Pool(rules)
        self.silence = (
            SilenceColumns(rules)
            if detection.volume_detector is None
            else ChosenSilence(rules, detection.volume_detector, detection.volume_parameters)
        )
        self.country_silence = SilenceColumns(rules)  # of all the results of a country
        self.ttfb = (
            SlowdownColumns(rules)
            if detection.latency_detector is None
            else ChosenSlowdown(rules, detection.latency_detector, detection.latency_parameters)
        )
        self.throughput = SlowdownColumns(rules)
        self.paces, self.speeds = Paces(), Paces()  # of monitors: times, and reciprocals of speeds
        self.contrast = ContrastColumns()
        self.well_watched: Bools = np.empty(0, dtype=np.bool_)  # networks that have so many vantages
        self.start = 0  # of the window taken in last
        self.settle()

    def add(self, monitors: Iterable[MonitorKey]) -> None:
        """Take vantages in; their series begin knowing nothing."""
        self.layout.add(monitors)
        self._grow()

    def take(self, layout: Layout) -> None:
        """Have these vantages, and no others."""
        self.layout = layout
        self._grow()

    def _grow(self) -> None:
        layout, cells = self.layout, len(self.layout.cells)
        self.seats.grow(len(layout.seats))
        self.vantages.grow(len(layout.vantages))
        self.paths.grow(layout)
        self.monitors.grow(len(layout))
        self.newcomers.grow(cells)
        self.addresses.grow(len(layout.addresses))
        self.cells.grow(cells)
        self.cells.settle_in([country for country, _ in layout.places], layout.group_place[layout.cell_group])
        self.groups.grow(len(layout.groups))
        self.regions.grow(len(layout.regions))
        self.silence.grow(len(layout.networks))
        self.country_silence.grow(len(layout.places))
        self.ttfb.grow(cells)
        self.throughput.grow(cells)
        self.paces.grow(len(layout))
        self.speeds.grow(len(layout))
        self.contrast.grow(cells)
        self.well_watched = np.bincount(layout.seat_cell, minlength=cells) >= vantage_weights.VANTAGES
        self.settle()

    def tables(self) -> dict[str, Table]:
        """All tables, by the names under which they are stored."""
        cells = self.cells
        tables: dict[str, Table] = {
            "monitors": self.seats,
            "vantages": self.vantages,
            "vantages.rhythm": self.paths.rhythm,
            "countries.path": self.paths.path,
            "monitors.usual": self.monitors,
            "newcomers": self.newcomers,
            "addresses": self.addresses,
            "baselines": cells.base,
            "presence": cells.presence,
            "cusum": cells.cusum,
            "silence": self.silence,
            "countries.silence": self.country_silence,
            "ttfb": self.ttfb,
            "throughput": self.throughput,
            "ttfb.usual": self.paces,
            "throughput.usual": self.speeds,
            "contrast": self.contrast,
        }
        for name, pool in (("groups", self.groups), ("regions", self.regions)):
            tables |= {
                f"{name}.presence": pool.presence,
                f"{name}.cusum": pool.cusum,
                f"{name}.recent": pool.recent,
            }
        return tables

    def carry(self, old: Series, numbers: Mapping[str, Ints]) -> None:
        """Know what another one knows of the series that stay; `numbers` are their old ones, by kind."""
        kinds = {
            "monitors": "seat",
            "vantages": "vantage",
            "monitors.usual": "monitor",
            "ttfb.usual": "monitor",
            "throughput.usual": "monitor",
            "addresses": "address",
            "silence": "network",
            "countries.silence": "place",
            "countries.path": "place",
        }
        before = old.tables()
        for name, table in self.tables().items():
            kind = kinds.get(name, name.partition(".")[0].removesuffix("s"))
            kind = kind if kind in numbers else "cell"
            carry(table, before[name], numbers[kind])
        self.start = old.start
        self.settle()

    @property
    def crowds(self) -> Bools:
        """Which networks are usually heard through monitors that come and go."""
        return self.newcomers.usually(np.arange(self.newcomers.size))

    def turn(self, end: int) -> None:
        """Have what each monitor had some time ago become usual of it, where its network is not in doubt."""
        blocks = self.monitors.passed(end)
        if not blocks:
            return
        cell, monitors = self.layout.monitor_cell, self.monitors
        known = monitors.known()
        waited = monitors.waiting_probes if blocks == 1 else monitors.waiting_probes + monitors.fresh_probes
        self.newcomers.turn(blocks, cell, known, waited)
        # Who is not known yet has no part in its network's excursion.
        gain = np.where(known, self.cells.gain[cell], 1.0)
        gain[self.cells.base.held[cell] >= end - 2 * BLOCK_SECONDS] = 0.0
        monitors.turn(blocks, gain)

    def settle(self) -> None:
        """Work out how everything stands."""
        layout, cells, groups, regions = self.layout, self.cells, self.groups, self.regions
        cells.fair = self.contrast.judged(layout)
        group = layout.cell_group
        if compiled.stages is not None:
            shortfall, pooled = compiled.stages.shortfalls(cells, group, groups.size)
        else:
            shortfall = cells.shortfall_min
            pooled = self._pooled_shortfall(shortfall)
        alarm = groups.alarm
        self.group_score, loud = groups.cusum.score(alarm, pooled, alarm)
        if loud:
            self._need_company(groups.cusum, self.group_score, alarm, self._group_of_seat)
        # One network alone has to lose more to be believed than one of a country that is losing.
        bar_alone = self.detection.shortfall_network
        if compiled.stages is not None:
            least = compiled.stages.bars(self.group_score, group, shortfall, bar_alone)
        else:
            alone = self.group_score[group] <= 0.5
            least = np.where(alone, np.maximum(shortfall, bar_alone), shortfall)
        if cells.fair is not None:
            # Where some lines are throttled, and most are not, their network is not, whatever its country says.
            least = np.where(cells.fair > 0.0, np.maximum(least, MOSTLY_SLOW), least)
        alarm = cells.alarm
        # And where the country is sure, less evidence says that this network is part of it.
        if loud and any_of(sure := self.group_score[group] >= 1.0):
            # What one network says by itself has made its country sure of no more than that.
            joined = np.where(self._shared()[group], self.detection.alarm_joined, self.detection.alarm_alone)
            alarm = np.where(sure, np.minimum(alarm, joined), alarm)
            self.cell_bar = alarm / cells.alarm
        else:
            self.cell_bar = np.ones(cells.size)
        self.cell_score, loud = cells.cusum.score(cells.alarm, least, alarm)
        if loud:
            alone_seen = self._need_company(cells.cusum, self.cell_score, alarm, self._cell_of_seat)
            # What one vantage alone says is held against more, and so is how sure it is.
            bar = np.minimum(1.0, self.detection.alarm_alone / cells.alarm[alone_seen])
            self.cell_bar[alone_seen] = np.maximum(bar, self.cell_bar[alone_seen])
        self.region_score = np.zeros(regions.size)
        if regions.size:
            alarm, shortfall = regions.alarm, np.full(regions.size, self.detection.shortfall_min)
            self.region_score, loud = regions.cusum.score(alarm, shortfall, alarm)
            if loud:
                self._need_company(regions.cusum, self.region_score, alarm, self._region_of_seat)
        if compiled.stages is not None:
            self.cell_live, self.group_live, self.group_bad = compiled.stages.live(
                cells.presence,
                self.silence.dark,
                layout.cell_network,
                group,
                groups.size,
                self.cell_score,
                self.start,
                self.window,
            )
            return
        self.cell_live = self._live()
        self.group_live = np.bincount(group[self.cell_live], minlength=groups.size)
        bad = (self.cell_score >= 1.0) & self.cell_live
        self.group_bad = np.bincount(group[bad], minlength=groups.size)

    def _shared(self) -> Bools:
        """Which countries' networks say something even without the one of each that says most."""
        group, size = self.layout.cell_group, self.groups.size
        says = self.cells.cusum.statistic.max(axis=0)
        most = np.zeros(size)
        np.maximum.at(most, group, says)
        return np.asarray(sums(group, grained(says), size) - most >= SHARED_NATS)

    def _pooled_shortfall(self, of_cells: Floats) -> Floats:
        """The least loss that is more than a country's wandering: the mean of its networks'."""
        group, size = self.layout.cell_group, self.groups.size
        weight = self.cells.base.good_global + self.cells.base.bad_global
        total = sums(group, grained(weight * of_cells), size)
        return total / np.maximum(1e-9, sums(group, grained(weight), size))

    def _live(self) -> Bools:
        presence = self.cells.presence
        allowed = np.maximum(LIVE_WINDOWS, LIVE_GAPS / presence.share)
        late = self.start - presence.last <= allowed * self.window
        dark = self.silence.dark[self.layout.cell_network]
        return np.asarray((presence.last >= 0) & late & ~dark)

    def lately_watched(self, monitors: Ints) -> Bools:
        """Which monitors have results lately, by the usual gap of their vantages."""
        last = self.monitors.last[monitors].astype(np.int64)
        gap = self.seats.gap[self.layout.monitor_seat[monitors]]
        allowed = np.maximum(vantage_weights.LATELY_WINDOWS, vantage_weights.LATELY_GAPS * gap)
        return np.asarray((last > 0) & (self.start - last <= allowed * self.window))

    def networks_live(self) -> Bools:
        """Which networks report, on whatever platform."""
        silence = self.silence
        nats = silence.hazard() * silence.quiet
        return np.asarray((silence.last >= 0) & ~silence.dark & (nats < self.detection.alarm_silence))

    # sparse series

    def _need_company(
        self, cusum: CusumColumns, score: Floats, alarm: Floats, series_of_seat: Callable[[], Numbers]
    ) -> Ints:
        """Sparse series alarm on little evidence: where one vantage alone has it, they need more. Returns these."""
        least = self.detection.alarm_alone
        sparse = ((score >= 1.0) & (alarm < least)).nonzero()[0]
        if not len(sparse):
            return sparse
        place = np.full(len(score) + 1, -1)  # the last one is for seats that are of no series
        place[sparse] = np.arange(len(sparse))
        rows = place[series_of_seat()]
        seats = (rows >= 0).nonzero()[0]
        seats = seats[self.seats.lately(self.start, self.window, seats)]
        lost = np.minimum(self.share_lost(cusum, sparse), ONE_RESULT)
        seats = seats[self.seats.excess[seats] < -lost[rows[seats]]]
        alone = sparse[self.layout.vantages_of(seats, rows[seats], len(sparse)) < 2]
        score[alone] *= alarm[alone] / least
        return alone

    def share_lost(self, cusum: CusumColumns, series: Ints) -> Floats:
        """By how much a vantage has to fall short to share a series' shortfall: half of it, or two results in a row."""
        if compiled.stages is not None:
            least = self.detection.shortfall_min
            return np.asarray(compiled.stages.share_lost(cusum, series, least, TWO_RESULTS))
        best = np.argmax(cusum.statistic[:, series], axis=0)
        lost = cusum.short[best, series] / np.maximum(1.0, cusum.probes[best, series])
        return np.asarray(np.maximum(self.detection.shortfall_min, np.minimum(lost / 2.0, TWO_RESULTS)))

    def _cell_of_seat(self) -> Numbers:
        return self.layout.seat_cell

    def _group_of_seat(self) -> Numbers:
        return self.layout.cell_group[self.layout.seat_cell]

    def _region_of_seat(self) -> Numbers:
        part = self.layout.seat_part
        return np.where(part >= 0, self.layout.part_region[part], -1)
