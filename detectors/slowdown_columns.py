"""`latency.Slowdown` for many series at once. Equal to the plain one to 1e-9."""

from __future__ import annotations

from math import log

import numpy as np

from detectors.binomial import DAY, HOUR, Rules, block_ends
from detectors.columns import Bools, Field, Floats, Ints, Singles, Table
from detectors.latency import (
    AUTOCORRELATION_BLOCK_SECONDS,
    HALF_SECONDS,
    HOUR_PRIOR,
    HOURS,
    LOOKED_FOR,
    MEAN_OF_ABS,
    OUTLIER,
    SPREAD_FIRST,
    SPREAD_MIN,
    SPREAD_WEIGHT,
    VALUES_PER_RECENT,
)


class SlowdownColumns(Table):
    """Every series' times against their usual. Formulas: `latency.Slowdown`."""

    total: Floats
    weight: Floats
    total_hour: Singles
    weight_hour: Singles
    deviation: Floats
    deviation_weight: Floats
    likeness: Floats
    blocks: Floats
    block_sum: Floats
    block_count: Floats
    statistic: Floats
    well: Floats
    recent: Floats
    recent_weight: Floats
    since: Floats
    since_count: Floats
    first: Ints
    last: Ints
    onset: Ints
    open: Bools
    fields = {  # noqa: RUF012  a table's columns are declared once
        "total": Field(np.float64),
        "weight": Field(np.float64),
        "total_hour": Field(np.float32, 0.0, HOURS),
        "weight_hour": Field(np.float32, 0.0, HOURS),
        "deviation": Field(np.float64, SPREAD_FIRST * SPREAD_WEIGHT),
        "deviation_weight": Field(np.float64, SPREAD_WEIGHT),
        "likeness": Field(np.float64, 1.0),
        "blocks": Field(np.float64),
        "block_sum": Field(np.float64),
        "block_count": Field(np.float64),
        "statistic": Field(np.float64),
        "well": Field(np.float64),
        "recent": Field(np.float64),
        "recent_weight": Field(np.float64),
        "since": Field(np.float64),
        "since_count": Field(np.float64),
        "first": Field(np.int64, -1),
        "last": Field(np.int64, -1),
        "onset": Field(np.int64, -1),
        "open": Field(np.bool_),
    }

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._keep = 0.5 ** (rules.window / HALF_SECONDS)
        # A plain float would be rounded to the column's single precision first.
        self._hour_keep = np.float64(0.5 ** (rules.window / rules.settings.slot_half_seconds))
        super().__init__()

    @property
    def spread(self) -> Floats:
        """Usual standard deviation of a value's logarithm."""
        return np.maximum(SPREAD_MIN, self.deviation / self.deviation_weight)

    @property
    def slower(self) -> Floats:
        """Logarithm of how many times slower than usual each series is: of late, or since the onset."""
        zero = np.zeros(self.size)
        now = np.divide(self.recent, self.recent_weight, out=zero.copy(), where=self.recent_weight > 0.0)
        since = np.divide(self.since, self.since_count, out=zero, where=self.since_count > 0.0)
        return np.maximum(now, since)

    @property
    def score(self) -> Floats:
        """How each series stands: 1.0 alarms."""
        settings = self.rules.settings
        score = self.statistic / settings.alarm_slowness
        return np.asarray(
            np.where(self.slower >= log(settings.slowness_ratio), score, np.minimum(score, 0.5))
        )

    def usual(self, start: int) -> Floats:
        """The logarithm expected of each series at this hour."""
        hour = start % DAY // HOUR
        overall = np.divide(self.total, self.weight, out=np.zeros(self.size), where=self.weight > 0.0)
        return np.asarray(
            (self.total_hour[hour] + HOUR_PRIOR * overall)
            / (self.weight_hour[hour].astype(np.float64) + HOUR_PRIOR)
        )

    def step(self, start: int, rows: Ints, values: Floats) -> None:
        """Take one window in: the series that were measured, and the logarithms of their times."""
        fresh = self.weight[rows] == 0.0
        new, at = rows[fresh], values[fresh]
        hour = start % DAY // HOUR
        rows, values = rows[~fresh], values[~fresh]
        if len(rows):
            self._take(start, rows, values)
        self.first[new] = start
        self.last[new] = start
        self.total[new] = at
        self.total_hour[hour, new] = at
        self.weight[new] = 1.0
        self.weight_hour[hour, new] = 1.0
        self._age(start)

    def _take(self, start: int, rows: Ints, values: Floats) -> None:
        settings, hour = self.rules.settings, start % DAY // HOUR
        excess, spread = values - self.usual(start)[rows], self.spread[rows]
        warm = (start - self.first[rows] >= settings.warm_seconds) & (
            self.weight[rows] >= settings.warm_results
        )
        judged = rows[warm]
        if len(judged):
            keep = 0.5 ** (1.0 / VALUES_PER_RECENT)
            self.recent[judged] = self.recent[judged] * keep + excess[warm]
            self.recent_weight[judged] = self.recent_weight[judged] * keep + 1.0
            self._weigh(start, judged, excess[warm], spread[warm])
        gain = np.where(self.open[rows], settings.learn_slow, 1.0)
        near = np.clip(excess, -OUTLIER * spread, OUTLIER * spread)
        pulled = values - excess + near
        self.last[rows] = start
        self.total[rows] += gain * pulled
        self.weight[rows] += gain
        self.total_hour[hour, rows] += gain * pulled
        self.weight_hour[hour, rows] += gain
        self.deviation[rows] += gain * MEAN_OF_ABS * np.abs(near)
        self.deviation_weight[rows] += gain
        calm = warm & ~self.open[rows]
        self.block_sum[rows[calm]] += (near / spread)[calm]
        self.block_count[rows[calm]] += 1.0

    def _weigh(self, start: int, rows: Ints, excess: Floats, spread: Floats) -> None:
        settings = self.rules.settings
        evidence = LOOKED_FOR * (excess - LOOKED_FOR / 2.0) / spread**2 / self.likeness[rows]
        evidence = np.clip(evidence, -settings.cap_nats, settings.cap_nats)
        before = self.statistic[rows]
        statistic = np.clip(before + evidence, 0.0, settings.statistic_max)
        onset = np.where((statistic > 0.0) & (before == 0.0), start, self.onset[rows])
        since, count = self.since[rows] + excess, self.since_count[rows] + 1.0
        well = np.clip(self.well[rows] - evidence, 0.0, settings.close_nats + 2.0)
        is_open = statistic > settings.alarm_slowness / 2.0
        well[is_open & ~self.open[rows]] = 0.0
        over = is_open & (well >= settings.close_nats)
        statistic[over] = 0.0
        nothing = statistic == 0.0
        onset[nothing], since[nothing], count[nothing] = -1, 0.0, 0.0
        self.statistic[rows], self.onset[rows], self.well[rows] = statistic, onset, well
        self.since[rows], self.since_count[rows], self.open[rows] = since, count, is_open & ~over

    def _age(self, start: int) -> None:
        hour = start % DAY // HOUR
        self.statistic *= self.rules.fade
        self.well *= self.rules.fade
        keep = np.where(self.first >= 0, self._keep, 1.0)  # what was never measured does not age
        for column in (self.total, self.weight, self.deviation, self.deviation_weight):
            column *= keep
        self.total_hour[hour] *= self._hour_keep
        self.weight_hour[hour] *= self._hour_keep
        if block_ends(start + self.rules.window, AUTOCORRELATION_BLOCK_SECONDS, self.rules.window):
            rows = np.flatnonzero(self.block_count >= 2.0)
            ratio = np.minimum(self.block_sum[rows] ** 2 / self.block_count[rows], 25.0)
            self.blocks[rows] += 1.0
            step = np.maximum(0.01, 1.0 / (self.blocks[rows] + 10.0))
            likeness = self.likeness[rows]
            self.likeness[rows] = np.maximum(1.0, likeness + step * (ratio - likeness))
            self.block_sum[rows] = 0.0
            self.block_count[rows] = 0.0
