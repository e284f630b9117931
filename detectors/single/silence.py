"""Silence: a network that sends nothing, measured against its own usual gaps. One network, plainly.

Each vantage that reports is a heartbeat, whatever it reports. Whether a silence is a lost vantage or a shutdown is
for whoever sees all networks to say.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from copy import deepcopy
from math import isnan, log1p
from typing import Any, Final

from river.base import AnomalyDetector

from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import DAY, HOUR, Rules, windows_missed

# Silences of the night recur on working days and weekends alike.
HOURS: Final = 24
# The overall share counts as so many windows against an hour's own.
HOURS_PRIOR: Final = 10.0
#: Windows of the overall share against an hour's own, before that hour is taken for one with fewer results; the
#: silence at hand is no part of what is known of it.
HOURS_KNOWN: Final = 60.0
# So many windows with results are needed too.
HOURS_RESULTS: Final = 3.0
# At an hour with less than this share of the usual windows a network sleeps.
ASLEEP: Final = 0.1
# At an hour with more than this share it is awake. Where results are few, an hour counts for what usually comes in it.
AWAKE: Final = 0.5
# Share of the windows: who has results in more of them has not few.
OFTEN: Final = 0.5
GAP_HALF_SECONDS: Final = 172_800.0
GAPS_MIN: Final = 20.0
# A network just seen: gaps of about one window.
GAPS_PRIOR: Final = 5.0
# Nats: the most that one silent window may say.
HAZARD_MAX: Final = 4.0
# Who usually sends so many results a window is silent with a few, too:
RESULTS_FAINT: Final = 20.0
# with less than this share of them.
FAINT: Final = 0.1
#: Who is dark is so until this share of what is usual comes again: something trickles through most shutdowns.
TRICKLE: Final = 0.2
# An hour seen for this long (two days) is not unlearned by one silence.
KNOWN_WINDOWS: Final = 100.0
#: And where results are many, one that was awake for so long (half of it, once) is not unlearned by a darkness.
SEEN_WINDOWS: Final = 30.0
# A silence as long as the longest usual one of this hour is usual.
LONGEST_FACTOR: Final = 1.3
LONGEST_NATS: Final = 12.0
LONGEST_MIN: Final = 2.0
# Four times the longest gap ever is dark, however irregular.
LONGEST_MARGIN: Final = 4.0
SILENT_NATS: Final = 2.0
TOGETHER_NATS: Final = 16.0
# A collector that stumbles for three minutes is no shutdown.
TOGETHER_WINDOWS: Final = 4.0
# Nor where vantages have a rhythm: there the window in which they fell silent counts by what was missing of it.
TOGETHER_STEADY: Final = 3.5
# So few windows without any results can be enough.
TOGETHER_SOONEST: Final = TOGETHER_STEADY - 1.0
NETWORKS_TOGETHER: Final = 3
# Where nobody has a rhythm the country speaks. A network with results in most windows of the last day does by itself
# once it was silent for so many windows, and misses so many times what alarms: people who come and go miss less.
ALONE_WINDOWS: Final = 15.0
ALONE_TIMES: Final = 2.0
#: Where half of the silent ones have been silent for so many windows, and are sure of it by themselves, one that has
#: been for less than so many did not fall with them: it has to be as sure. Its gaps of all that time are so many looks.
EARLIER_WINDOWS: Final = 30.0
LATER_WINDOWS: Final = 15.0
SURE_NATS: Final = 10.5
# Of a country whose results, all in all, are few: it is weighed as a whole.
NETWORKS_SPARSE: Final = 2
RESUMED_NATS: Final = 4.0
# So many windows with results end a darkness: one straggler does not.
BACK_WINDOWS: Final = 3
# Where a few results an hour are usual, one is enough: stragglers are rarer than those.
BACK_SPARSE: Final = 1
FORGOTTEN_SECONDS: Final = 3 * 86_400
#: Who is heard seldomer than this is not missed: a row a day that fails to come is no loss of connectivity.
RARE_SECONDS: Final = 6 * 3600
# Of the windows: it probes day and night.
STEADY_SHARE: Final = 0.9
SHARE_MAX: Final = 0.9999
#: So long a silence is held back while steady vantages fall silent one after another, here or elsewhere,
HELD_WINDOWS: Final = 60.0
#: and no more than this is said of it meanwhile.
STAYED: Final = 0.9
# Of the alarm, for series with few results.
SPARSE_SHARE: Final = 0.75


def surprise(hourly: float, share: float) -> float:
    """How much an empty window says at an hour at which fewer have results than usual, against the usual one: 0 to 1.

    `share` of all windows have results, and at this hour `hourly` times as many. Where results come by chance, an empty
    window is worth the nats of its chance.

    >>> round(surprise(1.0, 0.9), 2), round(surprise(0.5, 0.9), 2)
    (1.0, 0.26)
    """
    now = min(HAZARD_MAX, -log1p(-min(SHARE_MAX, hourly * share)))
    usual = min(HAZARD_MAX, -log1p(-min(SHARE_MAX, share)))
    return min(1.0, now / usual)


class Silence(AnomalyDetector):
    """How sure it is that a network has gone dark, rather than being between two results.

    A silence is worth as many nats as its windows times the hazard: the log odds that a network with such gaps
    would have ended it in one more window. With gaps G (windows between windows with results) the mean wait of
    one who comes at any moment is r = E[G (G - 1)] / (2 E[G]), and the hazard log(1 + 1/r): exactly the geometric
    distribution's where results come by chance, less where they come in clusters. Windows of hours in which the
    network usually sleeps count less or nothing, and a silence as long as the longest usual one of that hour is
    usual. What belongs to an hour of the day is kept in single precision, all else in double, as in the columns.

    A window is `{"start": seconds since 1970, "results": how many}`. Windows without results may be left out.

    Examples
    --------
    >>> network = Silence()
    >>> for minute in range(120):
    ...     network.learn_one({"start": minute * 60, "results": 3})
    >>> for minute in range(120, 125):
    ...     network.learn_one({"start": minute * 60, "results": 0})
    ...     print(round(network.score, 2), network.dark)
    0.28 False
    0.56 False
    0.84 False
    1.12 True
    1.4 True

    References
    ----------
    The wait of one who comes at any moment: Feller, An Introduction to Probability Theory and Its Applications,
    vol. 2, I.4 (the waiting time paradox).
    """

    def __init__(self, settings: DetectionSettings | None = None, time: TimeSettings | None = None) -> None:
        settings = self.settings = settings or DetectionSettings()
        time = self.time = time or TimeSettings()
        rules = self._rules = Rules.of(settings, time)
        self._gap_keep = 0.5 ** (rules.window / GAP_HALF_SECONDS)
        self._hour_keep = 0.5 ** (rules.window / settings.slot_half_seconds)
        self._long_keep = 0.5 ** (rules.window / settings.global_half_seconds)
        self.first = self.last = self.at = self.onset = -1
        self.seen = self.quiet = self.gaps = self.gap_sum = self.gap_square = 0.0
        self.present = self.exposed = self.results = 0.0
        self.present_hour = array("f", [0.0] * HOURS)
        self.exposed_hour = array("f", [0.0] * HOURS)
        self.results_hour = array("f", [0.0] * HOURS)
        self.longest = array("f", [0.0] * HOURS)
        self.pending = array("f", [0.0] * HOURS)
        self.dark = False
        self.back = 0
        self.score = 0.0

    @property
    def share(self) -> float:
        """Share of windows with results."""
        return (self.present + 1.0) / (self.exposed + 2.0)

    @property
    def hazard(self) -> float:
        """Nats of surprise in one more silent window."""
        residual = (self.gap_square + GAPS_PRIOR) / (2.0 * (self.gap_sum + GAPS_PRIOR))
        return min(HAZARD_MAX, log1p(1.0 / residual))

    def usual(self, start: int) -> float:
        """Results expected in a window."""
        hour = start % DAY // HOUR
        overall = self.results / max(1.0, self.exposed)
        return (self.results_hour[hour] + HOURS_PRIOR * overall) / (self.exposed_hour[hour] + HOURS_PRIOR)

    def awake(self, start: int) -> float:
        """How much of a silent window counts: 0 at hours at which the network usually sleeps, else up to 1."""
        hour, share = start % DAY // HOUR, self.share
        seen, due = self.present_hour[hour], self.exposed_hour[hour] * share
        like = (seen + HOURS_RESULTS) / (due + HOURS_RESULTS) if share < OFTEN else 1.0
        prior = max(HOURS_PRIOR * share, HOURS_RESULTS)
        hourly = (seen + prior * like) / (due + prior)
        woken = min(1.0, max(0.0, (hourly - ASLEEP) / (max(AWAKE, 1.0 - share) - ASLEEP)))
        before = (seen + HOURS_KNOWN * share + self.quiet * share) / (due + HOURS_KNOWN * share)
        return woken * surprise(min(1.0, before), share)

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """The score that the network would have after this window. Changes nothing."""
        trial = deepcopy(self)
        trial.learn_one(x)
        return trial.score

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Take a window in, and the empty ones since the last."""
        start, n = int(x["start"]), float(x["results"])
        if isnan(n) or n < 0.0:
            raise ValueError(f"results {n} at {start}: give a number from 0 on")
        window = self.time.window_seconds
        for missed in windows_missed(self.at, start, window):
            self._take(missed, 0.0)
        self._take(start, n)
        self.at = start + window

    def update(self, x: Mapping[Any, Any]) -> Silence:
        """Take a window in, as drift detectors are spoken to."""
        self.learn_one(x)
        return self

    def _take(self, start: int, n: float) -> None:
        settings, hour = self.settings, start % DAY // HOUR
        usual, awake, hazard, share = self.usual(start), self.awake(start), self.hazard, self.share
        faint = (usual >= RESULTS_FAINT and n < FAINT * usual) or (self.dark and n < TRICKLE * usual)
        there = n > 0.0 and not faint
        alarm = self._rules.alarm(settings.alarm_silence, settings.alarm_silence * SPARSE_SHARE, share)
        excess = max(0.0, LONGEST_FACTOR * self.longest[hour] * hazard - LONGEST_NATS)
        known = self.first >= 0
        gap = self.quiet + 1.0
        self.quiet = 0.0 if there or not known else self.quiet + awake
        warm = known and start - self.first >= settings.warm_seconds and self.seen >= settings.warm_results
        warm = warm and self.share * RARE_SECONDS >= self._rules.window
        self.score = 0.0
        if warm:
            self.score = hazard * self.quiet / (alarm + excess)
            if self.gaps >= GAPS_MIN:
                longest = max(LONGEST_MIN, *self.longest)
                self.score = max(self.score, self.quiet / (LONGEST_MARGIN * longest))
        steady = (
            self.exposed_hour[hour] >= KNOWN_WINDOWS
            and self.present_hour[hour] > 0.5 * share * self.exposed_hour[hour]
        )
        lights_on = self.dark and share >= OFTEN
        self._turn(there, self.quiet * hazard)
        gain = settings.learn_slow if self.dark and steady else 1.0
        waits = known and not there and share >= STEADY_SHARE
        if (waits or (self.dark and share >= OFTEN)) and self._awake_by_day(hour, share):
            gain = 0.0
        if known or there:
            self._learn(hour, n, there, gain)
        bound = max(1.0, 1.5 * ((alarm + excess) / hazard))
        self._learn_gap(hour, gap if there and known else 0.0, bound, gain, lights_on=lights_on)
        if there:
            self.first = start if self.first < 0 else self.first
            self.last = start
            self.seen += 1.0

    def _turn(self, there: bool, nats: float) -> None:
        """Go dark, or come back."""
        if not self.dark and self.score >= 1.0:
            self.dark, self.back = True, 0
            self.onset = self.last + self.time.window_seconds
        if self.dark:
            self.back += there
            if nats > RESUMED_NATS:
                self.back = 0
            few = BACK_SPARSE + (BACK_WINDOWS - BACK_SPARSE) * self._rules.density(self.share)
            if self.back >= few:
                self.dark, self.back, self.onset = False, 0, -1

    def _learn(self, hour: int, n: float, there: bool, gain: float) -> None:
        keep = 1.0 - gain * (1.0 - self._long_keep)
        hourly = 1.0 - gain * (1.0 - self._hour_keep)
        self.present = self.present * keep + gain * there
        self.exposed = self.exposed * keep + gain
        self.results = self.results * keep + gain * n
        self.present_hour[hour] = self.present_hour[hour] * hourly + gain * there
        self.exposed_hour[hour] = self.exposed_hour[hour] * hourly + gain
        self.results_hour[hour] = self.results_hour[hour] * hourly + gain * n

    def _awake_by_day(self, hour: int, share: float) -> bool:
        """Whether it has had results at this hour of the day in most of the windows in which they are due."""
        exposed = self.exposed_hour[hour]
        return bool(exposed >= SEEN_WINDOWS and self.present_hour[hour] > 0.5 * share * exposed)

    def _learn_gap(self, hour: int, gap: float, bound: float, gain: float, *, lights_on: bool) -> None:
        """Let a window pass over the gaps; `gap` ended in it, or is 0. `lights_on`: a darkness ended too."""
        self.gap_sum *= self._gap_keep
        self.gap_square *= self._gap_keep
        self.longest = array("f", [value * self._long_keep for value in self.longest])
        self.pending[hour] = max(self.pending[hour], self.quiet)
        if gap == 0.0:
            return
        # A gap is learned as no longer than what would have alarmed: one shutdown does not make all silence usual.
        length = min(gap, bound)
        self.gap_sum += gain * length
        self.gap_square += gain * length * (length - 1.0)
        self.gaps += 1.0
        if gap > 1.0:
            # A darkness that is over makes no silence usual of the hours at which it was awake.
            share = self.share
            pending = [
                0.0 if lights_on and self._awake_by_day(each, share) else value
                for each, value in enumerate(self.pending)
            ]
            both = zip(self.longest, pending, strict=True)
            self.longest = array("f", [max(value, gain * gap_then) for value, gap_then in both])
            self.pending = array("f", [0.0] * HOURS)
