"""The loss of reachability of one series: successes among probes against their usual ratio. One series, plainly.

Knows neither what a platform is nor where numbers come from. `binomial_columns` is the same for many series at
once, and is tested against this.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp, inf, isnan, log, log1p, sqrt
from typing import Any, Final

import numpy as np
from river.base import AnomalyDetector

from detectors.localtime import SLOTS, slot_of
from detectors.settings import DetectionSettings, TimeSettings

DAY: Final = 86_400
HOUR: Final = 3600
MINUTE: Final = 60.0
# Of the alarm, and share of results lost: from there on an onset may be under way.
SUSPECT: Final = 0.25

# Beta prior of a series never seen: most platforms answer most of the time. Three results outweigh it.
PRIOR_GOOD: Final = 2.91
PRIOR_BAD: Final = 0.09
# A ratio of 0 or 1 would make one result infinitely surprising.
RATIO_MIN: Final = 0.05
RATIO_MAX: Final = 0.995
RESULTS_PER_RECENT: Final = 10.0  # half-life of "now", in results
# Windows with results in a minute: under this (three an hour) a series is sparse,
PRESENCE_SPARSE: Final = 0.05
# over this it is dense. In between the alarm rises with its logarithm.
PRESENCE_DENSE: Final = 0.5
DISPERSION_STEP_MIN: Final = 0.01
DISPERSION_MAX: Final = 25.0
# A block with less expected scatter than this says nothing of over-dispersion.
VARIANCE_MIN: Final = 0.3
# An hour of the day that rests on fewer hardly learns in an excursion.
HOUR_RESULTS: Final = 300.0
# A series never seen may wander: in its first hours only a large loss alarms.
WANDER_FIRST: Final = 0.06
# (30 results)^2: under this, blocks too thin to tell scatter from chance.
WANDER_RESULTS: Final = 900.0


def put_away(value: float) -> float:
    """A sum as it comes back from being put away: as its root, in half precision, so to a thousandth.

    >>> put_away(100.0), round(put_away(12345.6), 1)
    (100.0, 12348.8)
    """
    return float(np.float16(sqrt(value))) ** 2


@dataclass(frozen=True)
class Rules:
    """What the settings come to for one length of window."""

    settings: DetectionSettings
    window: int
    # Windows.
    lag: int
    # A window.
    slot_decay: float
    global_decay: float
    level_keep: float
    level_keep_slow: float
    # Of sparse series, and of times.
    fade: float
    ebb: float
    day_keep: float

    @classmethod
    def of(cls, settings: DetectionSettings, time: TimeSettings) -> Rules:
        """Work the settings out."""
        window = time.window_seconds
        level_keep = 0.5 ** (window / settings.level_half_seconds)
        return cls(
            settings=settings,
            window=window,
            lag=max(1, ceil(settings.learn_lag_seconds / window)),
            slot_decay=min(0.5, log(2) * window / settings.slot_half_seconds),
            global_decay=min(0.5, log(2) * window / settings.global_half_seconds),
            level_keep=level_keep,
            level_keep_slow=level_keep**settings.learn_slow,
            fade=0.5 ** (window / settings.fade_sparse_seconds),
            ebb=0.5 ** (window / settings.shortfall_half_seconds),
            day_keep=0.5 ** (window / DAY),
        )

    def alarm(self, dense: float, sparse: float, presence: float) -> float:
        """Evidence that alarms, for a series that has results in this share of its windows.

        A month of a sparse series has fewer chances to be wrong than one of a dense series.
        """
        return sparse + (dense - sparse) * self.density(presence)

    def density(self, presence: float) -> float:
        """0 for a series that is sparse, 1 for one that is dense, by the share of its windows with results."""
        minutes = presence * MINUTE / self.window
        return min(1.0, max(0.0, log(minutes / PRESENCE_SPARSE) / log(PRESENCE_DENSE / PRESENCE_SPARSE)))

    def fade_of(self, half_seconds: float, density: float) -> float:
        """What is left of evidence after a window: by this half-life where results are dense, a longer one else."""
        sparse = self.settings.fade_sparse_seconds
        return float(0.5 ** (self.window / (sparse * (half_seconds / sparse) ** density)))


class Cusum:
    """Evidence that a ratio fell, added up; and evidence that it is well again.

    Page's cumulative sum for each size of drop j: ``S_j = clip(S_j * fade + min(x_j, cap), 0, 24)``, with x_j the
    log-likelihood ratio of the window. While none is above the gate (half the alarm) the contrary evidence is
    measured against the middle drop; above, against half the loss seen. It ends the excursion at `close_nats`.

    Source: Page, E. S. (1954), Continuous inspection schemes, Biometrika 41, 100-115.
    """

    def __init__(self, rules: Rules) -> None:
        count = len(rules.settings.drops)
        self.rules = rules
        self.statistic = [0.0] * count
        self.probes = [0.0] * count
        self.short = [0.0] * count
        self.counted = [0.0] * count
        self.onset = [-1] * count
        self.well = 0.0
        self.open = False

    def contrary_drop(self, usual: float, doubt: float = inf) -> float:
        """Log odds under the usual that count as "not well"; at most the `doubt` that others have."""
        drops = self.rules.settings.drops
        if not self.open:
            return min(doubt, drops[len(drops) // 2])
        best = self.statistic.index(max(self.statistic))
        lost = self.short[best] / self.probes[best] if self.probes[best] > 0.0 else 0.0
        half = min(RATIO_MAX, max(0.02, usual - max(0.0, lost) / 2.0))
        return min(doubt, max(drops[0], log(usual / (1.0 - usual)) - log(half / (1.0 - half))))

    def step(
        self,
        evidence: list[float],
        healthy: float,
        *,
        n: float,
        short: float,
        cap: float,
        gate: float,
        fade: float,
        start: int,
    ) -> None:
        """Take one window in: evidence of each drop and of health (nats), probes, successes too few."""
        settings, ebb = self.rules.settings, self.rules.ebb
        for j, x in enumerate(evidence):
            before = self.statistic[j]
            value = before * fade + min(x, cap)
            value = 0.0 if value < 1e-9 else min(value, settings.statistic_max)
            if value > 0.0:
                self.probes[j] = self.probes[j] * ebb + n
                self.short[j] = self.short[j] * ebb + short
                self.counted[j] += n
                if before == 0.0:
                    self.onset[j] = start
            else:
                self.probes[j] = self.short[j] = self.counted[j] = 0.0
                self.onset[j] = -1
            self.statistic[j] = value
        bound = settings.cap_nats
        well = self.well * fade + min(bound, max(-bound, healthy))
        self.well = min(settings.close_nats + 2.0, max(0.0, well))
        is_open = max(self.statistic) > gate
        if is_open and not self.open:
            self.well = 0.0
        if is_open and self.well >= settings.close_nats:
            count = len(self.statistic)
            self.statistic = [0.0] * count
            self.probes = [0.0] * count
            self.short = [0.0] * count
            self.counted = [0.0] * count
            self.onset = [-1] * count
            is_open = False
        self.open = is_open

    def deep(self, alarm: float) -> bool:
        """Whether so much is lost, or seems to be, that it must not become usual soon."""
        best = self.statistic.index(max(self.statistic))
        suspect = self.statistic[best] > SUSPECT * alarm
        least = (
            self.rules.settings.shortfall_deep
            if self.open
            else max(SUSPECT, self.rules.settings.shortfall_deep)
        )
        return (self.open or suspect) and self.short[best] >= least * self.probes[best]

    def top(self, gate: float, shortfall_min: float) -> float:
        """The most evidence of any drop; no more than the gate where the shortfall is too small to matter."""
        return max(
            value if short >= shortfall_min * probes else min(value, gate)
            for value, probes, short in zip(self.statistic, self.probes, self.short, strict=True)
        )


def evidence_of(drop: float, usual: float, k: float, n: float) -> float:
    """Log-likelihood ratio (nats) of k successes among n, for log odds `drop` lower against the usual ratio.

    With q = p e^-d / (1 - p + p e^-d):  k log(q/p) + (n-k) log((1-q)/(1-p)) = -d k - n log(1 - p + p e^-d).

    >>> round(evidence_of(4.5, 0.9, 0, 4), 2)
    8.83
    """
    return -drop * k - n * log1p(usual * (exp(-drop) - 1.0))


class BinomialCusum(AnomalyDetector):
    """How sure it is that a success ratio fell below its own usual.

    The usual ratio of an hour of the week is a Beta estimate, shrunk to that of the last four days, plus a level
    that follows slow change; it is learned late, so that an onset does not hide itself. Evidence against it (the
    log-likelihood ratio of k of n) is divided by the series' own over-dispersion, added up, and compared with
    what alarms. Doing better than usual scores 0.

    A window is `{"start": seconds since 1970, "ok": successes, "probes": probes}`. Windows without probes may be
    left out: everything ages by event time.

    Parameters
    ----------
    settings
        Sizes of drops, thresholds and half-lives.
    time
        Length of a window.

    Examples
    --------
    >>> series = BinomialCusum()
    >>> for minute in range(120):
    ...     series.learn_one({"start": minute * 60, "ok": 5, "probes": 5})
    >>> series.score_one({"start": 7200, "ok": 5, "probes": 5})
    0.0
    >>> blocked = {"ok": 0, "probes": 5}
    >>> for minute in range(120, 125):
    ...     series.learn_one({"start": minute * 60, **blocked})
    ...     print(round(series.score, 2))
    0.26
    0.51
    0.77
    1.01
    1.26

    References
    ----------
    Page (1954), Biometrika 41, for the cumulative sum; Neyman and Pearson (1933), Phil. Trans. R. Soc. A 231, for
    the ratio; Gelman et al., Bayesian Data Analysis, ch. 5, for shrinking Beta-binomial ratios; McCullagh and
    Nelder, Generalized Linear Models, 4.5, for dividing by Pearson's dispersion.
    """

    def __init__(self, settings: DetectionSettings | None = None, time: TimeSettings | None = None) -> None:
        settings = self.settings = settings or DetectionSettings()
        time = self.time = time or TimeSettings()
        rules = self._rules = Rules.of(self.settings, self.time)
        # Single precision where there is much of it, and half where it is put away: a hundred thousand are kept.
        self.good = array("f", [put_away(PRIOR_GOOD)] * SLOTS)
        self.bad = array("f", [put_away(PRIOR_BAD)] * SLOTS)
        self.slot = -1  # in which it learned last
        self.good_global, self.bad_global = PRIOR_GOOD, PRIOR_BAD
        self.level = self.level_probes = 0.0
        self.dispersion, self.blocks = 1.0, 0.0
        self.block_short = self.block_variance = 0.0
        self.wander_short = self.wander_variance = self.wander_probes = 0.0
        self.wander_sum = WANDER_RESULTS * WANDER_FIRST**2
        self.wander_weight = WANDER_RESULTS
        self.present, self.exposed = 1.0, 2.0
        self.recent_good = self.recent_probes = 0.0
        self.first = self.last = -1
        self.held = -1  # the last window in which an open incident held it
        self.at = -1  # the next window
        self.cusum = Cusum(rules)
        self._waiting: deque[array[float]] = deque(array("f", [0.0, 0.0, 0.0]) for _ in range(rules.lag))

    # what it says

    @property
    def alarm(self) -> float:
        """Evidence (nats) that scores 1.0."""
        settings = self.settings
        return self._rules.alarm(settings.alarm_network, settings.alarm_sparse, self.present / self.exposed)

    @property
    def score(self) -> float:
        """How the series stands: 1.0 alarms."""
        alarm = self.alarm
        return self.cusum.top(alarm / 2.0, self.shortfall_min) / alarm

    @property
    def shortfall_min(self) -> float:
        """The least loss (share of results) that is more than this series' wandering."""
        wander = sqrt(max(0.0, self.wander_sum) / self.wander_weight)
        return max(self.settings.shortfall_min, self.settings.wander_factor * wander)

    def usual(self, start: int) -> float:
        """The ratio expected in a window."""
        slot = slot_of(start)
        overall = self.good_global / (self.good_global + self.bad_global)
        prior = self.settings.prior_probes
        hourly = (self.good[slot] + prior * overall) / (self.good[slot] + self.bad[slot] + prior)
        level = self.level / (self.level_probes + prior)
        return min(RATIO_MAX, max(RATIO_MIN, hourly + level))

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """The score that the series would have after this window. Changes nothing."""
        start, k, n = _window(x)
        if self.at < 0:
            return 0.0
        trial = Cusum(self._rules)
        cusum = self.cusum
        trial.statistic, trial.probes = list(cusum.statistic), list(cusum.probes)
        trial.short, trial.counted, trial.onset = list(cusum.short), list(cusum.counted), list(cusum.onset)
        trial.well, trial.open = cusum.well, cusum.open
        # Windows between are empty: they only fade, whatever is usual in them.
        for missed in range(self.at, start, self.time.window_seconds):
            self._weigh(trial, missed, 0.0, 0.0)
        self._weigh(trial, start, k, n)
        alarm = self.alarm
        return trial.top(alarm / 2.0, self.shortfall_min) / alarm

    # what it learns

    def learn_one(self, x: Mapping[Any, Any], *, slow: bool = False, held: bool = False) -> None:
        """Take a window in, and the empty ones since the last.

        `slow`: others say that this is no usual time. `held`: it belongs to an open incident, and nothing of it
        becomes usual.
        """
        start, k, n = _window(x)
        missed = windows_missed(self.at, start, self.time.window_seconds)
        if self.at < 0:
            self.at = start
        for _ in missed:
            self._take(0.0, 0.0, slow=False)
        self._take(k, n, slow=slow, held=held)

    def settle(self, ratio: float) -> None:
        """Have the usual be `ratio` from here on, and as much less at every other hour.

        The loss is over, at another level.
        """
        factor = min(1.0, ratio / self.usual(self.at))
        lost = self.good_global * (1.0 - factor)
        self.good_global, self.bad_global = self.good_global - lost, self.bad_global + lost
        for slot in range(SLOTS):
            lost = self.good[slot] * (1.0 - factor)
            good, bad = self.good[slot] - lost, self.bad[slot] + lost
            away = slot != self.slot
            self.good[slot], self.bad[slot] = (put_away(good), put_away(bad)) if away else (good, bad)
        self.level = 0.0
        self.cusum = Cusum(self._rules)

    def pass_hours(self, since: int, until: int, ratio: float, an_hour: float) -> None:
        """Make it usual of the hours from `since` to `until`, of their weekday, that results succeed so often.

        Their loss was small and is over. Every other hour's usual stays as it is.
        """
        for moment in range(since, until, HOUR):
            slot = slot_of(moment)
            good, bad = self.good[slot] + ratio * an_hour, self.bad[slot] + (1.0 - ratio) * an_hour
            away = slot != self.slot
            self.good[slot], self.bad[slot] = (put_away(good), put_away(bad)) if away else (good, bad)

    def update(self, x: Mapping[Any, Any]) -> BinomialCusum:
        """Take a window in, as drift detectors are spoken to."""
        self.learn_one(x)
        return self

    def _warm(self, start: int) -> bool:
        learned = self.good_global + self.bad_global - PRIOR_GOOD - PRIOR_BAD
        old = self.first >= 0 and start - self.first >= self.settings.warm_seconds
        return old and learned >= self.settings.warm_results

    def _weigh(self, cusum: Cusum, start: int, k: float, n: float) -> None:
        settings = self.settings
        usual = self.usual(start)
        evidence = [0.0] * len(settings.drops)
        healthy = 0.0
        if n > 0.0 and self._warm(start):
            learned = max(1.0, self.good_global + self.bad_global - PRIOR_GOOD - PRIOR_BAD)
            scale = self.dispersion * (1.0 + (cusum.probes[0] + n) / learned)
            evidence = [evidence_of(drop, usual, k, n) / scale for drop in settings.drops]
            healthy = -evidence_of(cusum.contrary_drop(usual), usual, k, n) / scale
        waited = (start - self.last) / self.time.window_seconds if self.last >= 0 else 1.0
        cusum.step(
            evidence,
            healthy,
            n=n,
            short=n * usual - k,
            cap=settings.cap_nats * min(2.0, waited),
            gate=self.alarm / 2.0,
            fade=self._rules.fade_of(
                settings.fade_network_seconds, self._rules.density(self.present / self.exposed)
            ),
            start=start,
        )

    def _take(self, k: float, n: float, *, slow: bool, held: bool = False) -> None:
        start = self.at
        if held:
            self.held = start
        usual = self.usual(start)
        self._weigh(self.cusum, start, k, n)
        if n > 0.0:
            if self.first < 0:
                self.first = start
            self.last = start
            keep = 0.5 ** (n / RESULTS_PER_RECENT)
            self.recent_good = self.recent_good * keep + k
            self.recent_probes = self.recent_probes * keep + n
        self._waiting.append(array("f", [k, n, usual]))
        k_then, n_then, usual_then = self._waiting.popleft()
        then = start - self._rules.lag * self.time.window_seconds
        self._learn(then, k_then, n_then, usual_then, slow=slow or self.cusum.deep(self.alarm))
        day = self._rules.day_keep
        if self.first >= 0:
            self.present = self.present * day + (1.0 if n > 0.0 else 0.0)
            self.exposed = self.exposed * day + 1.0
        self.at = start + self.time.window_seconds

    def _learn(self, start: int, k: float, n: float, usual: float, *, slow: bool) -> None:
        rules, settings = self._rules, self.settings
        if self.first < 0:
            return
        frozen = self.held >= start
        gain = 0.0 if frozen else settings.learn_slow if slow else 1.0
        slot = slot_of(start)
        if self.slot not in (-1, slot):
            self.good[self.slot] = put_away(self.good[self.slot])
            self.bad[self.slot] = put_away(self.bad[self.slot])
        self.slot = slot
        hourly = gain
        if slow:  # an hour hardly seen yet would be made of the excursion
            mass = self.good[slot] + self.bad[slot]
            hourly = gain * (mass / (mass + HOUR_RESULTS))
        keep = 1.0 - hourly * rules.slot_decay
        self.good[slot] = (self.good[slot] + hourly * k) * keep
        self.bad[slot] = (self.bad[slot] + hourly * (n - k)) * keep
        keep = 1.0 - gain * rules.global_decay
        self.good_global = self.good_global * keep + gain * k
        self.bad_global = self.bad_global * keep + gain * (n - k)
        offset = self.level / (self.level_probes + settings.prior_probes)
        keep = 1.0 if frozen else rules.level_keep_slow if slow else rules.level_keep
        self.level = self.level * keep + gain * (k - n * (usual - offset))
        self.level_probes = self.level_probes * keep + gain * n
        self._scatter(
            start, k - n * usual, n * usual * (1.0 - usual), n, gain=gain, calm=gain > 0.0 and not slow
        )

    def _scatter(
        self, start: int, residual: float, variance: float, n: float, *, gain: float, calm: bool
    ) -> None:
        """Learn how much more than binomial the series scatters: within half an hour, and over hours."""
        settings, end = self.settings, start + self.time.window_seconds
        if calm:
            self.block_short += residual
            self.block_variance += variance
        self.wander_short += gain * residual
        self.wander_variance += gain * variance
        self.wander_probes += gain * n
        if (
            block_ends(end, settings.dispersion_block_seconds, self.time.window_seconds)
            and self.block_variance > VARIANCE_MIN
        ):
            ratio = min(self.block_short**2 / self.block_variance, DISPERSION_MAX)
            self.blocks += 1.0
            step = max(DISPERSION_STEP_MIN, 1.0 / (self.blocks + 10.0))
            self.dispersion = max(1.0, self.dispersion + step * (ratio - self.dispersion))
            self.block_short = self.block_variance = 0.0
        if block_ends(end, settings.wander_block_seconds, self.time.window_seconds):
            if gain > 0.0:
                keep = 0.5 ** (settings.wander_block_seconds / settings.global_half_seconds)
                extra = self.wander_short**2 - self.dispersion * self.wander_variance
                self.wander_sum = self.wander_sum * keep + extra
                weight = self.wander_weight * keep + WANDER_RESULTS * (1.0 - keep)
                self.wander_weight = weight + self.wander_probes**2
            self.wander_short = self.wander_variance = self.wander_probes = 0.0


def block_ends(end: int, block_seconds: float, window_seconds: int) -> bool:
    """Whether the window that ends here is the last of its block."""
    length = max(window_seconds, int(block_seconds) // window_seconds * window_seconds)
    return end % length < window_seconds


def windows_missed(following: int, start: int, window_seconds: int) -> range:
    """Return the starts of the windows from the one that was to follow (below 0: any) up to this one.

    Raises ValueError where this one is earlier than that, or begins within another.

    >>> list(windows_missed(60, 180, 60)), list(windows_missed(-1, 180, 60))
    ([60, 120], [])
    """
    if following < 0:
        following = start
    if start < following or (start - following) % window_seconds:
        raise ValueError(
            f"start {start}: the next window is {following} or a later one; feed windows in order"
        )
    return range(following, start, window_seconds)


def _window(x: Mapping[Any, Any]) -> tuple[int, float, float]:
    start, k, n = x["start"], float(x["ok"]), float(x["probes"])
    if isnan(k) or isnan(n) or not 0.0 <= k <= n:
        raise ValueError(
            f"ok {k} of probes {n} at {start}: give 0 <= ok <= probes; leave out what is not known"
        )
    return int(start), k, n
