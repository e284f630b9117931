"""`single.slowdown.Slowdown` for many series at once. Equal to the plain one to 1e-9."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import ClassVar, Final

import numpy as np

from detectors.columns import compiled
from detectors.columns.table import (
    NEVER,
    Bools,
    Field,
    Floats,
    Halves,
    Ints,
    Seasonal,
    Singles,
    any_of,
    clipped,
)
from detectors.single.binomial import DAY, HOUR, Rules, block_ends
from detectors.single.slowdown import (
    AUTOCORRELATION_BLOCK_SECONDS,
    BEGUN_NATS,
    HALF_SECONDS,
    HOUR_PRIOR,
    HOUR_TOLD,
    HOURS,
    LOOKED_FOR,
    MEAN_OF_ABS,
    OUTLIER,
    SPREAD_FIRST,
    SPREAD_MIN,
    SPREAD_WEIGHT,
    VALUES_PER_RECENT,
    WEIGHT_MAX,
)

_RECENT_KEEP: Final = np.float64(0.5 ** (1.0 / VALUES_PER_RECENT))


def _mean(total: Singles, weight: Singles) -> Floats:
    """Return the quotients, 0 where the weight is 0."""
    zero = np.zeros(len(total))
    return np.asarray(np.divide(total, weight, out=zero, where=weight > 0.0, dtype=np.float64))


class SlowdownColumns(Seasonal):
    """Every series' times against their usual. Formulas: `latency.Slowdown`.

    Columns are kept in single precision and reckoned with in double, so that constants are NumPy's doubles here: a
    plain float would be rounded to single first. The hours of the day that are not now are put away in half
    precision, as means and weights.
    """

    total: Singles
    weight: Singles
    mean_hour: Halves
    weight_hour: Halves
    total_now: Singles
    weight_now: Singles
    deviation: Singles
    deviation_weight: Singles
    likeness: Singles
    blocks: Singles
    block_sum: Singles
    block_count: Singles
    statistic: Singles
    well: Singles
    recent: Singles
    recent_weight: Singles
    since: Singles
    since_count: Singles
    first: Ints
    last: Ints
    onset: Ints
    open: Bools
    fields = {  # noqa: RUF012  a table's columns are declared once
        "total": Field(np.float32),
        "weight": Field(np.float32),
        "mean_hour": Field(np.float16, 0.0, HOURS),
        "weight_hour": Field(np.float16, 0.0, HOURS),
        "total_now": Field(np.float32),
        "weight_now": Field(np.float32),
        "deviation": Field(np.float32, SPREAD_FIRST * SPREAD_WEIGHT),
        "deviation_weight": Field(np.float32, SPREAD_WEIGHT),
        "likeness": Field(np.float32, 1.0),
        "blocks": Field(np.float32),
        "block_sum": Field(np.float32),
        "block_count": Field(np.float32),
        "statistic": Field(np.float32),
        "well": Field(np.float32),
        "recent": Field(np.float32),
        "recent_weight": Field(np.float32),
        "since": Field(np.float32),
        "since_count": Field(np.float32),
        "first": Field(np.int64, -1),
        "last": Field(np.int64, -1),
        "onset": Field(np.int64, -1, folded=True),
        "open": Field(np.bool_),
    }

    # Whether evidence is weighed as here.
    plain: ClassVar[bool] = True

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._keep = 0.5 ** (rules.window / HALF_SECONDS)
        self._fade = np.float64(rules.fade)
        self._hour_keep = np.float64(0.5 ** (rules.window / rules.settings.slot_half_seconds))
        self.latest: Floats = np.empty(
            0
        )  # of this window, in the logarithm over the usual; NaN: not measured
        super().__init__()

    @property
    def spread(self) -> Floats:
        """Usual standard deviation of a value's logarithm."""
        return np.maximum(SPREAD_MIN, np.divide(self.deviation, self.deviation_weight, dtype=np.float64))

    @property
    def slower(self) -> Floats:
        """Logarithm of how many times slower than usual each series is: of late, or since the onset."""
        return np.maximum(_mean(self.recent, self.recent_weight), _mean(self.since, self.since_count))

    @property
    def score(self) -> Floats:
        """How each series stands: 1.0 alarms."""
        settings = self.rules.settings
        score = np.asarray(np.divide(self.statistic, settings.alarm_slowness, dtype=np.float64))
        high = (score > 0.5).nonzero()[0]
        if len(high):
            slower = self.slower[high] >= log(settings.slowness_ratio)
            score[high] = np.where(slower, score[high], 0.5)
        return score

    def usual(self, start: int, rows: Ints | slice = slice(None)) -> Floats:
        """The logarithm expected of some series at this hour."""
        overall = _mean(self.total[rows], self.weight[rows])
        total, weight = self._hourly(start % DAY // HOUR, rows)
        return np.asarray((total + HOUR_PRIOR * overall) / (weight + HOUR_PRIOR))

    def _hourly(self, hour: int, rows: Ints | slice = slice(None)) -> tuple[Floats, Floats]:
        if hour == self.now:
            return self.total_now[rows].astype(np.float64), self.weight_now[rows].astype(np.float64)
        weight = self.weight_hour[hour, rows].astype(np.float64)
        return self.mean_hour[hour, rows] * weight, weight

    def _turn(self, hour: int) -> None:
        """Put the hour that was away, and take another up."""
        total, weight = self._hourly(hour)
        if self.now >= 0:
            self.mean_hour[self.now] = _mean(self.total_now, self.weight_now)
            self.weight_hour[self.now] = np.minimum(self.weight_now, WEIGHT_MAX)
        self.total_now[:], self.weight_now[:] = total, weight
        self.now = hour

    def step(
        self, start: int, rows: Ints, values: Floats, held: Bools | None = None, most: Floats | None = None
    ) -> None:
        """Take one window in: the series that were measured, and the logarithms of their times.

        `held` marks series that belong to an open incident: what is usual of them stays as it was. `most` is the most
        that each may have of evidence: more than half of who measured it lately must have some.
        """
        self.latest = np.full(self.size, np.nan)
        if not len(rows) and not any_of(self.first >= 0):
            return
        if (hour := start % DAY // HOUR) != self.now:
            self._turn(hour)
        if compiled.stages is not None and self.plain:
            compiled.stages.take_times(self, start, rows, values, held, most)
            self._end_blocks(start)
            return
        fresh = self.weight[rows] == 0.0
        if any_of(fresh):
            new, measured = rows[fresh], values[fresh]
            rows, values = rows[~fresh], values[~fresh]
            most = None if most is None else most[~fresh]
            self.first[new] = start
            self.last[new] = start
            self.total[new] = measured
            self.total_now[new] = measured
            self.weight[new] = 1.0
            self.weight_now[new] = 1.0
        if len(rows):
            self._take(start, rows, values, held, most)
        self._age(start, held)

    def _take(self, start: int, rows: Ints, values: Floats, held: Bools | None, most: Floats | None) -> None:
        settings = self.rules.settings
        excess, spread = values - self.usual(start, rows), self.spread[rows]
        self.latest[rows] = excess
        warm = (start - self.first[rows] >= settings.warm_seconds) & (
            self.weight[rows] >= settings.warm_results
        )
        judged = rows[warm]
        if len(judged):
            self.recent[judged] = self.recent[judged] * _RECENT_KEEP + excess[warm]
            self.recent_weight[judged] = self.recent_weight[judged] * _RECENT_KEEP + 1.0
            self._weigh(start, judged, excess[warm], spread[warm], None if most is None else most[warm])
        gain = np.where(self.open[rows], settings.learn_slow, 1.0)
        if held is not None:
            gain[held[rows]] = 0.0
        far = OUTLIER * spread
        near = clipped(excess, -far, far)
        pulled = values - excess + near
        self.last[rows] = start
        self.total[rows] += gain * pulled
        self.weight[rows] += gain
        self.total_now[rows] += gain * pulled
        self.weight_now[rows] += gain
        self.deviation[rows] += gain * MEAN_OF_ABS * np.abs(near)
        self.deviation_weight[rows] += gain
        calm = warm & ~self.open[rows] & (gain > 0.0)
        self.block_sum[rows[calm]] += (near / spread)[calm]
        self.block_count[rows[calm]] += 1.0

    def evidence(self, rows: Ints, excess: Floats, spread: Floats) -> Floats:
        """Nats for each of these series being slower, by how much slower than usual a value is, in logarithms."""
        most = self.rules.settings.cap_nats
        return clipped(
            LOOKED_FOR * (excess - LOOKED_FOR / 2.0) / spread**2 / self.likeness[rows], -most, most
        )

    def _weigh(self, start: int, rows: Ints, excess: Floats, spread: Floats, most: Floats | None) -> None:
        settings = self.rules.settings
        evidence = self.evidence(rows, excess, spread)
        before = self.statistic[rows]
        limit = settings.statistic_max if most is None else np.minimum(settings.statistic_max, most)
        statistic = clipped(before + evidence, 0.0, limit)
        begins = before < BEGUN_NATS
        onset = np.where(begins, ~start, self.onset[rows])
        since = np.where(begins, 0.0, self.since[rows]) + excess
        count = np.where(begins, 0.0, self.since_count[rows]) + 1.0
        well = clipped(self.well[rows] - evidence, 0.0, settings.close_nats + 2.0)
        is_open = statistic > settings.alarm_slowness / 2.0
        well[is_open & ~self.open[rows]] = 0.0
        over = is_open & (well >= settings.close_nats)
        statistic[over] = 0.0
        nothing = statistic == 0.0
        onset[nothing], since[nothing], count[nothing] = NEVER, 0.0, 0.0
        self.statistic[rows], self.onset[rows], self.well[rows] = statistic, onset, well
        self.since[rows], self.since_count[rows], self.open[rows] = since, count, is_open & ~over

    def clear(self, rows: Ints) -> None:
        """Begin these series anew, with no evidence either way. What is usual of them stays."""
        for column in (self.statistic, self.well, self.since, self.since_count):
            column[rows] = 0.0
        self.onset[rows] = NEVER
        self.open[rows] = False

    def pass_hours(self, rows: Ints, hours: Mapping[int, tuple[float, float]]) -> None:
        """Make it usual of these hours of the day to be so much slower.

        `hours` has the sum of how much in logarithms, and of how many windows. Of an evening that was told, few values
        are telling: they count as some hours would that have been measured well.
        """
        for hour, (slower, windows) in sorted(hours.items()):
            total, weight = self._hourly(hour, rows)
            added = max(windows, HOUR_TOLD)
            total = total + added * (self.usual(hour * HOUR, rows) + slower / windows)
            weight = weight + added
            if hour == self.now:
                self.total_now[rows], self.weight_now[rows] = total, weight
            else:
                self.mean_hour[hour, rows] = total / weight
                self.weight_hour[hour, rows] = np.minimum(weight, WEIGHT_MAX)

    def rest(self, start: int, windows: int, held: Bools | None = None) -> None:
        """Let `windows` windows without results pass. The first begins at `start`."""
        self.latest = np.full(self.size, np.nan)
        if not any_of(self.first >= 0):
            return
        window, end = self.rules.window, start + windows * self.rules.window
        while start < end:
            if (hour := start % DAY // HOUR) != self.now:
                self._turn(hour)
            block = int(AUTOCORRELATION_BLOCK_SECONDS)
            run = max(1, -(-(min(end, start - start % block + block) - start) // window))
            self._age(start + (run - 1) * window, held, run)
            start += run * window

    def rest_for_days(self, windows: int, held: Bools | None = None) -> None:
        """Let whole days without results pass: all hours of the day age alike."""
        self._age(0, held, windows - windows * (HOURS - 1) // HOURS)
        many = windows * (HOURS - 1) // HOURS
        keep = np.where(self.first >= 0, np.float64(self._keep) ** many, 1.0)
        if held is not None:
            keep[held] = 1.0
        for column in (self.total, self.weight, self.deviation, self.deviation_weight):
            column *= keep
        self.statistic *= self._fade**many
        self.well *= self._fade**many
        hour_keep = self._hour_keep ** (windows / HOURS)
        for hour in range(HOURS):
            self.weight_hour[hour] = self.weight_hour[hour] * (
                hour_keep if held is None else np.where(held, 1.0, hour_keep)
            )

    def _age(self, start: int, held: Bools | None, windows: int = 1) -> None:
        """Let windows of one hour pass, the last of which begins at `start`."""
        self.statistic *= self._fade**windows
        self.well *= self._fade**windows
        # What was never measured does not age.
        keep = np.where(self.first >= 0, np.float64(self._keep) ** windows, 1.0)
        hour_keep: Floats | np.float64 = self._hour_keep**windows
        if held is not None:
            keep[held] = 1.0
            hour_keep = np.where(held, 1.0, hour_keep)
        for column in (self.total, self.weight, self.deviation, self.deviation_weight):
            column *= keep
        self.total_now *= hour_keep
        self.weight_now *= hour_keep
        self._end_blocks(start)

    def _end_blocks(self, start: int) -> None:
        """Learn how alike times are that follow each other, when a block of time is over with this window."""
        if block_ends(start + self.rules.window, AUTOCORRELATION_BLOCK_SECONDS, self.rules.window):
            rows = (self.block_count >= 2.0).nonzero()[0]
            ratio = self.block_sum[rows].astype(np.float64) ** 2 / self.block_count[rows]
            ratio = np.minimum(ratio, 25.0)
            self.blocks[rows] += 1.0
            step = np.maximum(0.01, 1.0 / (self.blocks[rows].astype(np.float64) + 10.0))
            likeness = self.likeness[rows].astype(np.float64)
            self.likeness[rows] = np.maximum(1.0, likeness + step * (ratio - likeness))
            self.block_sum[rows] = 0.0
            self.block_count[rows] = 0.0
