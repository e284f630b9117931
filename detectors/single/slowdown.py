"""Slowness: times (or speeds) of one series against their usual, to see throttling. One series, plainly.

Only results that succeeded have a time. Knows nothing of ratios: a path may be slow and never fail.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from copy import deepcopy
from math import inf, isfinite, log
from typing import Any, Final

import numpy as np
from river.base import AnomalyDetector

from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import DAY, HOUR, Rules, block_ends, windows_missed

HOURS: Final = 24
# Values of the day against an hour's own.
HOUR_PRIOR: Final = 20.0
# Values that an hour counts for, at the least, in which the path was slow and that was told.
HOUR_TOLD: Final = 2.0 * HOUR_PRIOR
# Log of 1.6: the slowing that is looked for, under the least that alarms.
LOOKED_FOR: Final = 0.47
# A series never seen: a factor of 1.5 either way.
SPREAD_FIRST: Final = 0.4
SPREAD_MIN: Final = 0.1
SPREAD_WEIGHT: Final = 10.0
# Standard deviations to which a value is pulled in before it is learned.
OUTLIER: Final = 3.0
VALUES_PER_RECENT: Final = 5.0  # half-life of "now", in windows with values
# Standard deviation over mean absolute deviation, of a Gaussian.
MEAN_OF_ABS: Final = 1.2533
AUTOCORRELATION_BLOCK_SECONDS: Final = 1800.0
HALF_SECONDS: Final = 172_800.0
# Below so many nats nothing has begun: a busy evening leaves a sum that fades for a day, and is no onset.
BEGUN_NATS: Final = 1.0
# The largest number in half precision.
WEIGHT_MAX: Final = 65_504.0
_KEPT: Final = (
    *("total", "weight", "deviation", "deviation_weight", "likeness", "block_sum"),
    *("statistic", "well", "recent", "recent_weight", "since"),
)


class Slowdown(AnomalyDetector):
    """How sure it is that a series of times has become slower than its own usual.

    Logarithms of the times are compared with their mean at that hour of the day; a cumulative sum adds up the
    Gaussian log-likelihood ratio of "1.6 times slower", and alarms only where the series is now at least
    `slowness_ratio` times slower. Spread is a mean absolute deviation, values are pulled in to three of them
    before they are learned, and neighbouring values' likeness divides the evidence (the variance of half-hour
    means over what independent values would have). For a speed, give its reciprocal. What is kept from
    window to window is rounded to single precision, and an hour that is over to half, as in the columns.

    A window is `{"start": seconds since 1970, "value": median of its times}`; windows without are left out. Where a
    window also has `"most"`, there is no more evidence (nats) than that: more than half of who measures it have some.

    Examples
    --------
    >>> series = Slowdown()
    >>> for minute in range(120):
    ...     series.learn_one({"start": minute * 60, "value": 80.0 + minute % 7})
    >>> for minute in range(120, 126):
    ...     series.learn_one({"start": minute * 60, "value": 300.0})
    ...     print(round(series.score, 2))
    0.29
    0.57
    0.86
    1.14
    1.42
    1.71

    References
    ----------
    Page (1954), Biometrika 41; Huber (1964), Annals of Mathematical Statistics 35, for pulling values in.
    """

    def __init__(self, settings: DetectionSettings | None = None, time: TimeSettings | None = None) -> None:
        settings = self.settings = settings or DetectionSettings()
        time = self.time = time or TimeSettings()
        rules = self._rules = Rules.of(settings, time)
        self._keep = 0.5 ** (rules.window / HALF_SECONDS)
        self._hour_keep = 0.5 ** (rules.window / settings.slot_half_seconds)
        self.total = self.weight = 0.0
        self.total_hour = array("f", [0.0] * HOURS)
        self.weight_hour = array("f", [0.0] * HOURS)
        self.hour = -1
        self.deviation, self.deviation_weight = SPREAD_FIRST * SPREAD_WEIGHT, SPREAD_WEIGHT
        self.likeness, self.blocks = 1.0, 0.0
        self.block_sum = self.block_count = 0.0
        self.statistic = self.well = 0.0
        self.recent = self.recent_weight = 0.0
        self.since = self.since_count = 0.0
        self.first = self.at = self.onset = -1
        self.open = self.held = False

    @property
    def spread(self) -> float:
        """Usual standard deviation of a value's logarithm."""
        return max(SPREAD_MIN, self.deviation / self.deviation_weight)

    @property
    def slower(self) -> float:
        """Logarithm of how many times slower than usual the series is: of late, or since the onset."""
        now = self.recent / self.recent_weight if self.recent_weight > 0.0 else 0.0
        since = self.since / self.since_count if self.since_count > 0.0 else 0.0
        return max(now, since)

    @property
    def score(self) -> float:
        """How the series stands: 1.0 alarms."""
        alarm = self.settings.alarm_slowness
        enough = self.slower >= log(self.settings.slowness_ratio)
        return self.statistic / alarm if enough else min(self.statistic / alarm, 0.5)

    def usual(self, start: int) -> float:
        """The logarithm expected at this hour."""
        hour = start % DAY // HOUR
        overall = self.total / self.weight if self.weight > 0.0 else 0.0
        return (self.total_hour[hour] + HOUR_PRIOR * overall) / (self.weight_hour[hour] + HOUR_PRIOR)

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """The score that the series would have after this window. Changes nothing."""
        trial = deepcopy(self)
        trial.learn_one(x)
        return trial.score

    def update(self, x: Mapping[Any, Any]) -> Slowdown:
        """Take a window in, as drift detectors are spoken to."""
        self.learn_one(x)
        return self

    def learn_one(self, x: Mapping[Any, Any], *, held: bool = False) -> None:
        """Take a window in, and let the empty ones since the last pass.

        `held`: from this window on it belongs to an open incident, and nothing of it becomes usual.
        """
        start, value = int(x["start"]), float(x["value"])
        if not isfinite(value) or value <= 0.0:
            raise ValueError(
                f"value {value} at {start}: give a time above 0; leave out what was not measured"
            )
        window = self.time.window_seconds
        for missed in windows_missed(self.at, start, window):
            self._age(missed)
        self.held = held
        self._take(start, log(value), float(x.get("most", inf)))
        self._round()
        self._age(start)
        self.at = start + window

    def _take(self, start: int, value: float, most: float) -> None:
        settings = self.settings
        self._turn(start % DAY // HOUR)
        if self.weight == 0.0:
            self.first = start
            self.total_hour[start % DAY // HOUR] = self.total = value
            self.weight_hour[start % DAY // HOUR] = self.weight = 1.0
            return
        excess, spread = value - self.usual(start), self.spread
        warm = start - self.first >= settings.warm_seconds and self.weight >= settings.warm_results
        if warm:
            keep = 0.5 ** (1.0 / VALUES_PER_RECENT)
            self.recent = self.recent * keep + excess
            self.recent_weight = self.recent_weight * keep + 1.0
            self._weigh(start, excess, spread, most)
        gain = 0.0 if self.held else settings.learn_slow if self.open else 1.0
        pulled = value - excess + min(OUTLIER * spread, max(-OUTLIER * spread, excess))
        hour = start % DAY // HOUR
        self.total += gain * pulled
        self.weight += gain
        self.total_hour[hour] += gain * pulled
        self.weight_hour[hour] += gain
        self.deviation += gain * MEAN_OF_ABS * min(abs(excess), OUTLIER * spread)
        self.deviation_weight += gain
        if warm and not self.open and not self.held:
            self.block_sum += min(OUTLIER * spread, max(-OUTLIER * spread, excess)) / spread
            self.block_count += 1.0

    def _weigh(self, start: int, excess: float, spread: float, most: float) -> None:
        settings = self.settings
        evidence = LOOKED_FOR * (excess - LOOKED_FOR / 2.0) / spread**2 / self.likeness
        evidence = min(settings.cap_nats, max(-settings.cap_nats, evidence))
        before = self.statistic
        self.statistic = min(settings.statistic_max, most, max(0.0, before + evidence))
        if before < BEGUN_NATS:
            self._forget_onset()
            self.onset = start
        self.since, self.since_count = self.since + excess, self.since_count + 1.0
        if self.statistic == 0.0:
            self._forget_onset()
        self.well = min(settings.close_nats + 2.0, max(0.0, self.well - evidence))
        is_open = self.statistic > settings.alarm_slowness / 2.0
        if is_open and not self.open:
            self.well = 0.0
        if is_open and self.well >= settings.close_nats:
            self.statistic, is_open = 0.0, False
            self._forget_onset()
        self.open = is_open

    def _forget_onset(self) -> None:
        self.onset = -1
        self.since = self.since_count = 0.0

    def _age(self, start: int) -> None:
        """Let a window pass."""
        hour = start % DAY // HOUR
        self._turn(hour)
        self.statistic *= self._rules.fade
        self.well *= self._rules.fade
        if not self.held:
            self.total *= self._keep
            self.weight *= self._keep
            self.total_hour[hour] *= self._hour_keep
            self.weight_hour[hour] *= self._hour_keep
            self.deviation *= self._keep
            self.deviation_weight *= self._keep
        end = start + self.time.window_seconds
        if self.block_count >= 2.0 and block_ends(
            end, AUTOCORRELATION_BLOCK_SECONDS, self.time.window_seconds
        ):
            ratio = min(self.block_sum**2 / self.block_count, 25.0)
            self.blocks += 1.0
            self.likeness = max(
                1.0, self.likeness + max(0.01, 1.0 / (self.blocks + 10.0)) * (ratio - self.likeness)
            )
            self.block_sum = self.block_count = 0.0
        self._round()

    def _turn(self, hour: int) -> None:
        """Put the hour that was away: its mean and its weight in half precision."""
        was, self.hour = self.hour, hour
        if was not in (-1, hour) and self.weight_hour[was] > 0.0:
            weight = float(np.float16(min(WEIGHT_MAX, self.weight_hour[was])))
            self.total_hour[was] = float(np.float16(self.total_hour[was] / self.weight_hour[was])) * weight
            self.weight_hour[was] = weight

    def _round(self) -> None:
        kept = array("f", [getattr(self, name) for name in _KEPT])
        for name, value in zip(_KEPT, kept, strict=True):
            setattr(self, name, value)
