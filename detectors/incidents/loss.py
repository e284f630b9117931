"""What became of one lost part: the level to which it fell, and the evidence that it is back.

Two levels matter. The *usual* is that from before the incident, which does not move while the incident is open. The
*present* one is learned from the results since the loss, those of long ago counted less.

A detector stays alarmed for a while after the last failure. So that the windows of that while count towards recovery,
each window's own results are weighed against the present level: a sequential test, in nats, that forgets what is
contrary and caps what is remembered.
"""

from __future__ import annotations

from collections.abc import Collection
from math import exp, log, log1p, sqrt
from typing import Final, NamedTuple

import msgspec

from detectors.incidents.votes import Vote
from detectors.readings import Opinion, Slowness

#: So many results say by themselves to which level a part has fallen.
_TELLING_RESULTS: Final = 8
#: So many results the detector's word is worth until then.
_WORD_RESULTS: Final = 2.0
#: Evidence in nats that is enough; that is enough against a detector which still alarms; and the most that is
#: remembered, so that a relapse is believed soon.
_ENOUGH: Final = 4.5
_ENOUGH_AGAINST: Final = 9.0
WELL: Final = 10.0
#: Evidence that it has eased to a throttle: a block that leaks slowly has as many chances to look so.
_EASED: Final = 6.0
#: Of what is slow, hardly anything comes through: of its usual successes this share, rather than the second one.
_CUT: Final = 0.2
_LEFT: Final = 0.6
#: Evidence that a little is lost still, from which on a part has not mended but in part.
_DENIED: Final = 3.0
#: Evidence that nothing is lost any more, without which what was lost in part is not back; a block shows by itself.
_SURE: Final = 1.0
_BLOCK: Final = 0.2
#: What lets this share through and more is lost in part, and its windows look well again and again. It is back when its
#: results are twice as many times likelier of the usual as there have been results since it was lost: each of them had
#: its chance to begin a lucky run. They are held against what the present level may be at most, and a little more.
_A_LITTLE_MORE: Final = 0.15
_RATIO_MAX_PART: Final = 0.98
#: So much may be missing after a step of its easing, and so many nats deny that.
_STEP_PART: Final = 0.2
_PAST_STEP_PART: Final = 4.0
#: A part that is well with the others: its results since they seem back speak for that.
_TRAIL_ENOUGH: Final = 0.0
#: So many results, over so long, say at which level it stands.
_STANDING_RESULTS: Final = 100.0
_STANDING_SECONDS: Final = 1800
#: From this share of results lost on a loss is deep: it may last for weeks, with many chances to look well by luck.
_DEEP: Final = 0.3
#: Half-life of the present level, in results: it follows nights, and leaves sudden changes to be noticed.
_LEVEL_RESULTS: Final = 500.0
#: Fewer results than this do not say at which level a part is.
LEVEL_RESULTS_MIN: Final = 20
#: A part is back in part when, beyond doubt, more than this share of what it had lost is back.
_PARTLY_SHARE: Final = 0.5
#: What is back in part lasts, for its reader, while more than this share of its usual results is missing.
_MISSED_SHARE: Final = 0.25
#: Below this shortfall nothing can be told from the usual.
_NEAR: Final = 0.03
#: What is tested against "back" is a part that is still mostly lost: this far up from its level to the usual one. So
#: the few results that get through a block are no recovery.
_HALFWAY: Final = 0.35
#: What was a block may be let through in steps. By a third of the way a step to two thirds looks well within a dozen
#: results, by luck: they must also be likelier of what is back than of what lacks this much, by so many nats. This is
#: asked of several networks as one: of each alone, and where few results come, it would take too long.
_STEP: Final = 0.3
PAST_STEP: Final = 5.0
_NATS_SLOW: Final = 1.5
# As a share of the usual.
_BACK_SPEED: Final = 0.5
#: Weight of the newest speed in the mean of what comes through again; less than this share of the usual is none.
_PACE_GAIN: Final = 0.2
_PACE_LEAST: Final = 0.01
#: What is slow begins in its first windows with times: half an hour of them, where each minute has some.
_FIRST_WINDOWS: Final = 30.0
_HOUR: Final = 3600
_DAY: Final = 86_400
_RATIO_MIN: Final = 0.02
# What is back may still fail now and then: one failure of many is no relapse.
_RATIO_MAX: Final = 0.95
_FALL_MIN: Final = 0.05
#: A figure of the present rests on the last window or two; on more of them until it has so many results.
_PRESENT_RESULTS: Final = 20
_PRESENT_FADE: Final = 0.4
_PRESENT_FADE_SLOW: Final = 0.95


class Present(NamedTuple):
    """How several parts stand as one: the ratio of their present results, the usual one of the same, and how many."""

    now: float
    usual: float
    results: int


#: A change of the log odds of a lost part's ratio that is looked for: 30 % to 9 %, or to 66 %.
_SHIFT: Final = 1.5
#: Two-sided 95 %.
_Z: Final = 1.96


def bounds(k: float, n: float, z: float = _Z) -> tuple[float, float]:
    """Return between which ratios k of n results leave the truth: at 95 %, or by `z` standard errors.

    Source: Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference, Journal of the
    American Statistical Association 22.

    >>> [round(bound, 3) for bound in bounds(97, 100)], bounds(0, 0)
    ([0.915, 0.99], (0.0, 1.0))
    """
    if n <= 0:
        return 0.0, 1.0
    ratio, square = k / n, z**2 / n
    middle = (ratio + square / 2) / (1 + square)
    half = z / (1 + square) * sqrt(ratio * (1 - ratio) / n + square / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _shift_nats(drop: float, level: float, k: float, n: float) -> float:
    """Return how much more likely k of n results are with log odds `drop` lower than the level's."""
    return -drop * k - n * log1p(level * (exp(-drop) - 1.0))


def likelier(k: float, n: float, ratio: float, other: float) -> float:
    """Return how much more likely k of n results are at one ratio than at another, in nats.

    >>> round(likelier(9, 10, 0.9, 0.5), 2), round(likelier(5, 10, 0.9, 0.5), 2)
    (3.68, -5.11)
    """
    return k * log(ratio / other) + (n - k) * log((1.0 - ratio) / (1.0 - other))


class Loss(msgspec.Struct):
    """One part, from its loss on.

    `low` is its worst reachability; `wellness` the evidence that it is back rather than still lost; `good` the
    windows since that evidence began, from `good_since`; `recovered` is that start, once there is enough of it.
    """

    onset: int
    usual: float
    now: float
    low: float
    # Share of its results.
    lost: float = 0.0
    slow: bool = False
    # Its worst while it was lost by slowness, as a share of the usual.
    speed: float = 1.0
    probes: int = 0
    # End of the last window with evidence.
    heard: int = 0
    # Whether its detector alarmed then.
    alarmed: bool = True
    #: Results, and successes, at the present level: since it was lost or changed, up to where it began to mend.
    bad_n: float = 0.0
    bad_k: float = 0.0
    wellness: float = 0.0
    good: int = 0
    good_since: int | None = None
    recovered: int | None = None
    # The same since it began to mend: they are of the loss too, should it not last.
    mend_n: int = 0
    mend_k: int = 0
    # The evidence, since it began to mend, that a little is lost still.
    lostness: float = 0.0
    # Whether its onset was looked for in the windows themselves.
    dated: bool = False
    # Results of its present windows, and successes among them.
    recent_n: float = 0.0
    recent_k: float = 0.0
    # The lowest level that it stayed at.
    fallen: float = 1.0
    # Start of the window since which it is at its present level, where that changed.
    changed: int | None = None
    # Since when it is back in part, and stays there.
    partly: int | None = None
    # Results, and successes, since its incident seemed to ease.
    up_n: float = 0.0
    up_k: float = 0.0
    # The same since it seemed to get worse.
    down_n: float = 0.0
    down_k: float = 0.0
    # Results, and successes, from its onset to the window in which it was taken in.
    lead_n: float = 0.0
    lead_k: float = 0.0
    # Its speed of late, as a share of the usual, where it is lost by slowness.
    slowed: float = 1.0
    #: Results, and successes, of the level to which it falls should its mending not last; since when that holds.
    fall_n: float = 0.0
    fall_k: float = 0.0
    fall_since: int | None = None
    # While it is slow, by what was measured and by hour of the day (UTC): the sum of how much slower than usual, in
    # logarithms, and in how many windows.
    slow_hours: dict[str, dict[int, tuple[float, float]]] = msgspec.field(default_factory=dict)
    # The same of its first half hour, and of all of it: what the quickest other platform of its network had.
    slow_first: tuple[float, float] = (0.0, 0.0)
    slow_path: float = 0.0
    # Evidence that results come through again, too slowly; since that began, results, successes and mean speed.
    eased: float = 0.0
    eased_n: float = 0.0
    eased_k: float = 0.0
    eased_speed: float = 1.0
    # The level that it had before.
    eased_from: float = 0.0
    # Since when it is slow where it had failed.
    eased_at: int | None = None
    # The highest level at which it stood for long: back at that, nothing is restored.
    stood: float = 0.0
    # The evidence of all its results since its platform seems back as a whole; None: it does not.
    trail: float | None = None
    # Evidence that hardly anything comes through where it was slow; since when, results and successes since that began.
    cut: float = 0.0
    cut_since: int = 0
    cut_n: float = 0.0
    cut_k: float = 0.0
    # Since when it is a block where it was slow.
    cut_at: int | None = None

    @property
    def back(self) -> int | None:
        """Since when it is back, wholly or in part; None while it is lost."""
        return self.recovered if self.recovered is not None else self.partly

    @property
    def lasts(self) -> bool:
        """Whether a reader would call it lost: it is not back, or it may be that a good share is missing still."""
        if self.recovered is not None:
            return False
        low, _ = bounds(self.bad_k, self.bad_n)
        return self.partly is None or low < (1.0 - _MISSED_SHARE) * self.usual

    @property
    def failed(self) -> float:
        """Attempts that have failed since its onset, those of long ago counted less."""
        return self.lead_n - self.lead_k + self.bad_n - self.bad_k + self.mend_n - self.mend_k

    def weigh(
        self,
        word: Vote,
        start: int,
        end: int,
        recovery_windows: int,
        past_step: float = 0.0,
        keep: float | None = None,
    ) -> None:
        """Take one window's evidence in. Without results there is none.

        `past_step`: the nats that a deep loss needs beyond a step of an easing. `keep`: see `keep_present`.
        """
        if word.n == 0:
            stays = 1.0 if keep is None else keep
            self.recent_n, self.recent_k = self.recent_n * stays, self.recent_k * stays
            return
        self.heard = end
        word = self._weigh_cut(word, start)
        self.keep_present(word, keep)
        self.now = word.reachability
        if self.partly is None:
            self.usual = word.expected  # at this hour: while it is lost, only the hour changes it
        self.alarmed = word.opinion is Opinion.BAD
        easing = not self.slow and self.eased > 0.0
        if word.opinion is Opinion.BAD:
            # What has eased to a throttle fails as before by its detector, for a while.
            self.slow = word.slow or (self.slow and self.eased > 0.0)
            if self.slow:  # one slow answer of what fails makes it no throttle
                self.speed = min(self.speed, word.speed)
            if word.slow:
                self.slowed = word.speed
            elif not self.slow:
                self.slowed, self.eased_at = 1.0, None
            self.low = min(self.low, word.reachability)
            self.probes = max(self.probes + word.n, word.probes)
        else:
            self.probes += word.n
        self._weigh_easing(word)
        if easing and word.slow:  # its detector says so by now
            self.slow, self.eased = False, WELL
        self.wellness = min(max(WELL, self._looked()), max(0.0, self.wellness + self._nats(word)))
        if not self.slow:
            self.lostness = min(
                WELL, max(0.0, self.lostness - self._nats_beyond(_FALL_MIN, word.expected, word.k, word.n))
            )
        if self.lostness >= _DENIED and (word.opinion is not Opinion.GOOD or self.in_part(word)):
            self.wellness = 0.0
            # It has mended in part: that is its level from here on.
            if self.mend_n >= _TELLING_RESULTS and self._has_risen(word):
                self.move(0.0, 0.0, self.good_since if self.good_since is not None else start)
                self.show(self.mend_k + word.k, self.mend_n + word.n)
        if self.wellness == 0.0:
            self._stay(word)
            self._look_at_part(word.pace, end - start, end, recovery_windows)
            self._stand(end)
            return
        self._mend(word, start, recovery_windows, past_step)

    def _weigh_cut(self, word: Vote, start: int) -> Vote:
        """Weigh whether hardly anything comes through where it was slow; return what its detectors say beside that.

        That it is slow is an old word where nothing comes through that has a speed.
        """
        if not self.slow and self.cut == 0.0:
            return word
        if self.cut == 0.0:
            self.cut_since, self.cut_n, self.cut_k = start, 0.0, 0.0
        nats = likelier(word.k, word.n, _CUT * word.expected, _LEFT * word.expected)
        self.cut = min(WELL, max(0.0, self.cut + nats))
        self.cut_n, self.cut_k = self.cut_n + word.n, self.cut_k + word.k
        if self.cut == 0.0:
            self.cut_at = None
        return word if self.slow or self.cut == 0.0 else word._replace(slow=False)

    def become_block(self, ratio: float) -> None:
        """Be a block from here on that was slow: at the level of what has come since, few beside as many of `ratio`."""
        self.slow, self.slowed, self.eased, self.eased_at = False, 1.0, 0.0, None
        self.cut, self.cut_at, self.stood = WELL, self.cut_since, 0.0
        self.move(self.cut_k + LEVEL_RESULTS_MIN * ratio, self.cut_n + LEVEL_RESULTS_MIN, self.cut_since)
        self._begin_here(self.cut_k, self.cut_n)

    def _begin_here(self, k: float, n: float) -> None:
        """Weigh anew from the level to which it has moved; k of n results show how it stands."""
        self.show(k, n)
        self.lost = share_lost(self.level(), self.usual)
        self.wellness, self.lostness, self.good, self.good_since, self.fall_since = 0.0, 0.0, 0, None, None
        self.mend_n = self.mend_k = 0

    def _weigh_easing(self, word: Vote) -> None:
        """Weigh whether results come through again where it was lost, and come too slowly: that is no return."""
        if word.due > 0.0 or word.slow or self.back is not None or (self.slow and self.eased == 0.0):
            self.eased = 0.0  # of what its detector calls slow, that is known
            return
        if self.eased == 0.0:
            self.eased_n = self.eased_k = 0.0
            self.eased_speed, self.eased_from = 1.0, self.level()
        nats = self._nats_through(self.eased_from, word)
        if word.k and word.pace >= _BACK_SPEED:
            nats = min(nats, -_NATS_SLOW)
        self.eased = min(WELL, max(0.0, self.eased + nats))
        self.eased_n, self.eased_k = self.eased_n + word.n, self.eased_k + word.k
        if word.k:
            gain = max(_PACE_GAIN, word.k / self.eased_k)
            self.eased_speed *= (max(_PACE_LEAST, word.pace) / self.eased_speed) ** gain
        if self.slow and self.eased > 0.0:
            self.slowed = self.eased_speed
        elif self.slow:
            self.slow, self.slowed, self.eased_at = False, 1.0, None

    @property
    def was_slow(self) -> bool:
        """Whether it was slow, and is not taken for that now."""
        return not self.slow and self.speed < _BACK_SPEED

    @property
    def eases(self) -> bool:
        """Whether it has eased to a throttle, and is not taken for slow yet."""
        return not self.slow and self.eased >= _EASED

    def ease_to_throttle(self, start: int) -> None:
        """Be slow from here on, and lost by that alone: at the level of what has come through since it eased."""
        self.slow, self.eased, self.eased_at = True, WELL, start
        self.cut, self.cut_at = 0.0, None
        self.slowed = self.eased_speed
        self.speed = min(self.speed, self.eased_speed)
        self.move(self.eased_k, self.eased_n, start)
        self._begin_here(self.eased_k, self.eased_n)

    def slow_down(self, start: int, slowness: Slowness, path: float) -> None:
        """Take in how slow it was in a window, and how slow the quickest other platform of its network is (logarithms).

        Were all of them slow alike, it was the path.
        """
        if not self.slow or self.recovered is not None or not slowness.pace:
            return
        slower = -log(slowness.pace)
        of_hours = self.slow_hours.setdefault(slowness.measure, {})
        total, windows = of_hours.get(start % _DAY // _HOUR, (0.0, 0.0))
        of_hours[start % _DAY // _HOUR] = total + slower, windows + 1.0
        self.slow_path += path
        total, windows = self.slow_first
        if windows < _FIRST_WINDOWS:
            self.slow_first = total + slower, windows + 1.0

    def lead(self, k: float, n: float) -> None:
        """Take in what it had since its onset before it was noticed, so that no figure rests on one window's few."""
        self.lead_k, self.lead_n = k, n
        self.recent_k, self.recent_n = k, n

    def lose(self, k: float, n: float) -> None:
        """Be lost again, after it was back: k of n results have succeeded since."""
        self.wellness, self.lostness, self.good, self.good_since, self.recovered = 0.0, 0.0, 0, None, None
        self.mend_k = self.mend_n = 0
        self.bad_k, self.bad_n = self.recent_k, self.recent_n = k, n
        self.changed, self.stood, self.trail = None, 0.0, None

    def move(self, k: float, n: float, since: int) -> None:
        """Be at another level from here on, of which k of n results are known."""
        self.bad_k, self.bad_n = k, n
        self.changed = max(since, self.onset)  # others of its incident may have changed before it was lost
        self.partly = None

    def fall_to(self, k: float, n: float, since: int) -> None:
        """Be at this level should its mending not last: the others that are lost are at it by now."""
        self.fall_k, self.fall_n, self.fall_since = k, n, since

    def standing(self) -> tuple[float, float, int | None]:
        """Successes and results of the level at which it is lost, should its mending not last, and since when."""
        if self.fall_since is None:
            return self.bad_k, self.bad_n, self.changed
        return self.fall_k + self.mend_k, self.fall_n + self.mend_n, self.fall_since

    def show(self, k: float, n: float) -> None:
        """Have its present figure rest on these results alone: those of another level before say nothing of now."""
        few = min(1.0, _PRESENT_RESULTS / n) if n else 0.0
        self.recent_k, self.recent_n = few * k, few * n

    def settle(self, k: float, n: float) -> None:
        """Be over at the level of k of n results."""
        self.good, self.mend_k, self.mend_n = max(1, self.good), round(k), round(n)

    def _stay(self, word: Vote) -> None:
        """Take in a window in which it is lost still."""
        self.good, self.good_since, self.recovered = 0, None, None
        if self.fall_since is not None:
            self.move(self.fall_k, self.fall_n, self.fall_since)
            self.fall_since = None
        # Mending that came to nothing was chance: without it the level would be that of the worst windows.
        keep = 0.5 ** (word.n / _LEVEL_RESULTS)
        self.bad_n = self.bad_n * keep + self.mend_n + word.n
        self.bad_k = self.bad_k * keep + self.mend_k + word.k
        self.mend_n = self.mend_k = 0
        self.lostness = 0.0
        self.lost = self._share_lost(word)
        if self.bad_n >= LEVEL_RESULTS_MIN:
            self.fallen = min(self.fallen, self.bad_k / self.bad_n)

    def _look_at_part(self, pace: float, window: int, end: int, recovery_windows: int) -> None:
        """Be back in part, or no longer: where most of what was lost is back beyond doubt, and a part of it is not.

        What is slow is not.
        """
        if self.slow:
            self.partly = None
        if (
            self.slow
            or pace < _BACK_SPEED
            or self.changed is None
            or self.bad_n < LEVEL_RESULTS_MIN
            or end - self.changed < recovery_windows * window
        ):
            return
        most = self._most()
        low, high = bounds(self.bad_k, self.bad_n)
        if self.partly is None and low >= most and high < self.usual - _NEAR:
            self.partly = self.changed
        elif self.partly is not None and high < most:
            self.partly = None

    def _most(self) -> float:
        """Return the level at which half of what it has lost is back: half of what it had lost wherever it stood."""
        return max(lower + _PARTLY_SHARE * (self.usual - lower) for lower in (self.fallen, self.stood))

    def _stand(self, end: int) -> None:
        """Note at which level it stands, where it has stood there for long, and is not back in part by that."""
        since = self.onset if self.changed is None else self.changed
        if self.partly is None and self.bad_n >= _STANDING_RESULTS and end - since >= _STANDING_SECONDS:
            low, high = bounds(self.bad_k, self.bad_n)
            if self.changed is None or high < self._most():
                self.stood = max(self.stood, low)

    def in_part(self, word: Vote) -> bool:
        """Whether it is a share of its attempts that is lost, and some come through: no block, and no throttle."""
        slow = self.slow or word.slow or self.speed < _BACK_SPEED
        return not (slow or word.due) and self.level() >= _BLOCK

    def _looked(self) -> float:
        """Return the nats that chance has made by now, in as many looks as there are results since it was lost."""
        return log(2 * max(1, self.probes))

    def _at_most(self, usual: float) -> float:
        """Return the level that it may have at most, by the results of its loss."""
        level = self.level()
        likely = min(bounds(self.bad_k, self.bad_n)[1], level + _HALFWAY * (usual - level))
        return max(likely, level + _A_LITTLE_MORE * (usual - level))

    def _has_risen(self, word: Vote) -> bool:
        """Whether what came since it began to mend shows another level than its present one, and not only luck."""
        if not self.in_part(word):
            return True
        k, n = self.mend_k + word.k, self.mend_n + word.n
        at_most, ratio = self._at_most(word.expected), min(_RATIO_MAX_PART, k / n)
        if ratio <= at_most:
            return False
        return likelier(k, n, ratio, at_most) >= max(_ENOUGH, self._looked())

    def _mend(self, word: Vote, start: int, recovery_windows: int, past_step: float) -> None:
        """Take in a window in which it seems to be back."""
        self.mend_n += word.n
        self.mend_k += word.k
        if self.good_since is None:
            self.good_since = start
        self.good += 1
        deep = word.expected - self.level() >= _DEEP
        least = _ENOUGH_AGAINST if self.alarmed or deep else _ENOUGH
        in_part = self.in_part(word)
        enough = (word.opinion is Opinion.GOOD and not in_part) or self.wellness >= least
        if in_part:
            enough = enough and self.wellness >= self._looked()
            short, sure = (_STEP_PART, _PAST_STEP_PART) if deep else (_FALL_MIN, _SURE)
            enough = enough and self._nats_beyond(short, word.expected, self.mend_k, self.mend_n) >= sure
        elif deep and past_step and not (self.slow or word.due):
            enough = enough and self._nats_beyond(_STEP, word.expected, self.mend_k, self.mend_n) >= past_step
        if self.recovered is None and self.good >= recovery_windows and enough:
            self.recovered = self.good_since

    def keep_present(self, word: Vote, keep: float | None = None) -> None:
        """Take a window into its present figure, in which the share `keep` of the results before it stays.

        None: as many as this part needs by itself.
        """
        # Results that come by chance are more than usual in one window, and fewer in the next.
        n, k = (word.due, word.came) if word.due > 0.0 else (float(word.n), float(word.k))
        keep = present_share(n, self.recent_n) if keep is None else keep
        self.recent_n = self.recent_n * keep + n
        self.recent_k = self.recent_k * keep + k

    def count(self, word: Vote, *, lasting: bool, apart: float = 0.0, keep: float | None = None) -> None:
        """Count results of what is lost in part elsewhere: its share lost is that of all while the loss lasts.

        `apart` is the share of its vantages that is well, and not in its results. `keep`: see `keep_present`.
        """
        if word.n == 0:
            return
        self.keep_present(word, keep)
        if lasting:
            self.bad_n += word.n
            self.bad_k += word.k
            self.mend_n = self.mend_k = 0
            usual = max(_RATIO_MIN, word.expected)
            lost = min(1.0, max(0.0, 1.0 - self.bad_k / self.bad_n / usual))
            self.lost = round((1.0 - apart) * lost, 6)
        else:
            self.mend_n += word.n
            self.mend_k += word.k

    def follow(self, whole: Loss, k: float, n: float) -> None:
        """Be back with all of which it is a part, unless its own results deny it: k of n since the whole eased."""
        if self.good and whole.recovered is not None and self.trails_well:
            self.good, self.good_since = max(self.good, whole.good), whole.good_since
            self.recovered = (
                self.recovered if self.recovered is not None else max(self.onset, whole.recovered)
            )
            return
        if whole.partly is None or self.back is not None or self.eased > 0.0:
            return
        if n and bounds(k, n)[1] >= whole._most():
            few = LEVEL_RESULTS_MIN * whole.bad_k / whole.bad_n
            self.move(k + few, n + LEVEL_RESULTS_MIN, whole.partly)
            self.partly = max(self.onset, whole.partly)

    def follow_trail(self, word: Vote, *, ease: bool | None = None) -> None:
        """Take in what a window says of a part that is lost in part, since its platform seems back as a whole.

        `ease`: whether it does in this window; None: that is not asked any more. All results count, so that no lucky
        run of its own makes it follow the others.
        """
        if ease is False:
            self.trail = None
        elif ease or self.trail is not None:
            nats = self._nats(word) if word.n else 0.0
            self.trail = min(WELL, max(-WELL, (self.trail or 0.0) + nats))

    @property
    def trails_well(self) -> bool:
        """Whether it may be back with most others: a block by what it shows of late, else by all since they seem so."""
        if self.slow or self.speed < _BACK_SPEED or self.level() < _BLOCK:
            return True
        return self.wellness >= _ENOUGH if self.trail is None else self.trail >= _TRAIL_ENOUGH

    # the present level

    def shift(self, word: Vote) -> tuple[float, float]:
        """Nats for this window at a higher level than the present one, and at a lower one. Results are remembered."""
        if word.n == 0 or self.slow or self.bad_n < LEVEL_RESULTS_MIN:
            return 0.0, 0.0
        self.up_n, self.up_k = self.up_n + word.n, self.up_k + word.k
        self.down_n, self.down_k = self.down_n + word.n, self.down_k + word.k
        level = min(1.0 - _RATIO_MIN, max(_RATIO_MIN, self.level()))
        # A level that rests on few results may be wrong by itself.
        up, down = self.bad_n / (self.bad_n + self.up_n), self.bad_n / (self.bad_n + self.down_n)
        return (
            up * _shift_nats(-_SHIFT, level, word.k, word.n),
            down * _shift_nats(_SHIFT, level, word.k, word.n),
        )

    def _nats(self, word: Vote) -> float:
        """How much more likely this window is if the part is back than if it is still mostly lost."""
        if self.slow or word.slow:
            quick = word.pace >= (1.0 + self.speed) / 2 and 2 * word.k >= word.n  # what fails has no speed
            return _NATS_SLOW if quick else -_NATS_SLOW
        if word.due > 0.0:
            _, fallen = self._usual_and_fallen(self.level(), word)
            # Results come by chance: a few that trickle through are no return, and one empty window ends none.
            return word.came * log(1.0 / fallen) - word.due * (1.0 - fallen)
        nats = self._nats_in_part(word) if self.in_part(word) else self._nats_through(self.level(), word)
        # What comes through again, and far too slowly, is not back: a block may ease to a throttle.
        if word.pace < _BACK_SPEED:
            return min(0.0, nats)
        quick = self.speed < _BACK_SPEED and 2 * word.k >= word.n and word.pace >= (1.0 + self.speed) / 2
        return nats + _NATS_SLOW if quick else nats

    def _nats_in_part(self, word: Vote) -> float:
        """As `_nats`, of what is lost in part: it may have eased to where it stood before, and is not back by that."""
        usual = min(_RATIO_MAX_PART, max(_RATIO_MIN + _FALL_MIN, word.expected))
        fallen = max(self._at_most(usual), self.stood + _NEAR)
        fallen = max(_RATIO_MIN, min(usual - _FALL_MIN, fallen))
        return likelier(word.k, word.n, usual, fallen)

    @staticmethod
    def _usual_and_fallen(level: float, word: Vote) -> tuple[float, float]:
        """Return the usual ratio, and the one that speaks against a return: a third of the way there from the level."""
        usual = min(_RATIO_MAX, max(_RATIO_MIN + _FALL_MIN, word.expected))
        fallen = max(_RATIO_MIN, level)
        return usual, max(_RATIO_MIN, min(usual - _FALL_MIN, fallen + _HALFWAY * (usual - fallen)))

    def _nats_through(self, level: float, word: Vote) -> float:
        """How much more likely these successes are if all come through than if most of it is still at this level."""
        return likelier(word.k, word.n, *self._usual_and_fallen(level, word))

    @staticmethod
    def _nats_beyond(short: float, expected: float, k: float, n: float) -> float:
        """How much more likely these results are if the part is back than if it still falls `short` by so much."""
        usual = min(_RATIO_MAX, max(_RATIO_MIN + short, expected))
        return likelier(k, n, usual, usual - short)

    def level(self) -> float:
        """Return the ratio to which it has fallen: by its own results, or the detector's ratio if they are few.

        The detector's ratio has results from before the loss in it, most of all where few come in an hour.
        """
        if self.bad_n >= _TELLING_RESULTS:
            return self.bad_k / self.bad_n
        return (self.bad_k + _WORD_RESULTS * self.low) / (self.bad_n + _WORD_RESULTS)

    @property
    def ratio(self) -> float:
        """Return its present reachability: of the results since it fell, or the detector's once it mends."""
        return self.bad_k / self.bad_n if self.good == 0 and self.bad_n else self.now

    @property
    def lost_now(self) -> float:
        """The share of its usual results that is lost at its present level; at its worst, where results are few."""
        if self.bad_n < LEVEL_RESULTS_MIN:
            return self.lost
        return min(self.lost, share_lost(self.bad_k / self.bad_n, self.usual))

    def _share_lost(self, word: Vote) -> float:
        """The share of results lost: since it fell, which shows it first, or by the detector's ratio."""
        k, n = self.bad_k, self.bad_n
        if n < _TELLING_RESULTS:
            k, n = k + self.lead_k, n + self.lead_n
        return share_lost(min(self.low, k / n), word.expected)


def present_share(n: float, before: float) -> float:
    """Return which share of the `before` results stays in a figure of the present, when `n` more have come.

    >>> present_share(40, 60), round(present_share(5, 20), 2), present_share(1, 4)
    (0.4, 0.75, 0.95)
    """
    wanted = (_PRESENT_RESULTS - n) / before if before else 0.0
    return min(_PRESENT_FADE_SLOW, max(_PRESENT_FADE, wanted))


def share_lost(reachability: float, expected: float) -> float:
    """Return the share of the usual results that is lost, 0 to 1."""
    return round(min(1.0, max(0.0, 1.0 - reachability / expected)), 6) if expected > 0 else 0.0


def present(losses: Collection[Loss]) -> Present:
    """How these parts stand as one, each counted by its results.

    That is by the results of the last windows; once all of them are back, by those since each came back. Where none
    have come, by their detectors' word.
    """
    if all(loss.recovered is not None and loss.mend_n for loss in losses):
        figures = [(float(loss.mend_k), float(loss.mend_n)) for loss in losses]
    else:
        figures = [(loss.recent_k, loss.recent_n) for loss in losses]
    n = sum(results for _, results in figures)
    if n < 1.0:
        now = sum(loss.ratio for loss in losses) / len(losses)
        return Present(now, sum(loss.usual for loss in losses) / len(losses), 0)
    usual = sum(loss.usual * results for loss, (_, results) in zip(losses, figures, strict=True)) / n
    return Present(min(1.0, sum(k for k, _ in figures) / n), usual, round(n))
