"""What became of one lost part, and the evidence that it is back.

A detector stays alarmed for a while after the last failure. So that the windows of that while count towards recovery,
each window's own results are weighed against the level to which the part had fallen: a sequential test, in nats,
that forgets what is contrary and caps what is remembered.
"""

from __future__ import annotations

from collections.abc import Collection
from math import log
from typing import Final, NamedTuple

import msgspec

from detectors.incidents.votes import Vote
from detectors.readings import Opinion

#: So many results say by themselves to which level a part has fallen.
_TELLING_RESULTS: Final = 8
#: So many results the detector's word is worth until then.
_WORD_RESULTS: Final = 2.0
#: Evidence in nats that is enough; that is enough against a detector which still alarms; and the most that is
#: remembered, so that a relapse is believed soon.
_ENOUGH: Final = 4.5
_ENOUGH_AGAINST: Final = 9.0
_MOST: Final = 10.0
#: Evidence that a little is lost still, from which on a part has not mended but in part.
_DENIED: Final = 3.0
#: Evidence that nothing is lost any more, without which what was lost in part is not back; a block shows by itself.
_SURE: Final = 1.0
_BLOCK: Final = 0.2
#: What is tested against "back" is a part that is still mostly lost: this far up from its level to the usual one. So
#: the few results that get through a block are no recovery.
_HALFWAY: Final = 0.35
_NATS_SLOW: Final = 1.5
_BACK_SPEED: Final = 0.5  # as a share of the usual
_RATIO_MIN: Final = 0.02
_RATIO_MAX: Final = 0.95  # what is back may still fail now and then: one failure of many is no relapse
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


class Loss(msgspec.Struct):
    """One part, from its loss on.

    `low` is its worst reachability; `wellness` the evidence that it is back rather than still lost; `good` the
    windows since that evidence began, from `good_since`; `recovered` is that start, once there is enough of it.
    """

    onset: int
    usual: float
    now: float
    low: float
    lost: float = 0.0  # share of its results
    slow: bool = False
    speed: float = 1.0  # its worst, as a share of the usual
    probes: int = 0
    heard: int = 0  # end of the last window with evidence
    alarmed: bool = True  # whether its detector alarmed then
    bad_n: int = 0  # results, and successes, since it was lost, up to where it began to mend
    bad_k: int = 0
    wellness: float = 0.0
    good: int = 0
    good_since: int | None = None
    recovered: int | None = None
    mend_n: int = 0  # the same since it began to mend: they are of the loss too, should it not last
    mend_k: int = 0
    lostness: float = 0.0  # the evidence, since it began to mend, that a little is lost still
    dated: bool = False  # whether its onset was looked for in the windows themselves
    recent_n: float = 0.0  # results of its present windows, and successes among them
    recent_k: float = 0.0

    def weigh(self, said: Vote, start: int, end: int, recovery_windows: int) -> None:
        """Take one window's evidence in. Without results there is none."""
        if said.n == 0:
            return
        self.heard = end
        self._keep_present(said)
        self.now = said.reachability
        self.alarmed = said.opinion is Opinion.BAD
        if said.opinion is Opinion.BAD:
            self.slow = said.slow
            self.speed = min(self.speed, said.speed)
            self.low = min(self.low, said.reachability)
            self.probes = max(self.probes + said.n, said.probes)
        else:
            self.probes += said.n
        self.wellness = min(_MOST, max(0.0, self.wellness + self._nats(said)))
        if not self.slow:
            self.lostness = min(
                _MOST, max(0.0, self.lostness - self._nats_little(said.expected, said.k, said.n))
            )
        if self.lostness >= _DENIED and said.opinion is not Opinion.GOOD:
            self.wellness = 0.0
            if self.mend_n >= _TELLING_RESULTS:  # it has mended in part: that is its level from here on
                self.bad_n = self.bad_k = 0
        if self.wellness == 0.0:
            self.good, self.good_since, self.recovered = 0, None, None
            # Mending that came to nothing was chance: without it the level would be that of the worst windows.
            self.bad_n += self.mend_n + said.n
            self.bad_k += self.mend_k + said.k
            self.mend_n = self.mend_k = 0
            self.lostness = 0.0
            self.lost = self._share_lost(said)
            return
        self.mend_n += said.n
        self.mend_k += said.k
        if self.good_since is None:
            self.good_since = start
        self.good += 1
        enough = said.opinion is Opinion.GOOD or self.wellness >= (
            _ENOUGH_AGAINST if self.alarmed else _ENOUGH
        )
        if said.opinion is not Opinion.GOOD and self._level() >= _BLOCK:
            enough = enough and self._nats_little(said.expected, self.mend_k, self.mend_n) >= _SURE
        if self.recovered is None and self.good >= recovery_windows and enough:
            self.recovered = self.good_since

    def _keep_present(self, said: Vote) -> None:
        wanted = (_PRESENT_RESULTS - said.n) / self.recent_n if self.recent_n else 0.0
        keep = min(_PRESENT_FADE_SLOW, max(_PRESENT_FADE, wanted))
        self.recent_n = self.recent_n * keep + said.n
        self.recent_k = self.recent_k * keep + said.k

    def follow(self, whole: Loss) -> None:
        """Be back with all of which it is a part, unless its own results deny it."""
        if self.good and whole.recovered is not None:
            self.good, self.good_since = max(self.good, whole.good), whole.good_since
            self.recovered = self.recovered if self.recovered is not None else whole.recovered

    def _nats(self, said: Vote) -> float:
        """How much more likely this window is if the part is back than if it is still mostly lost."""
        if self.slow or said.slow:
            quick = said.pace >= (1.0 + self.speed) / 2 and 2 * said.k >= said.n  # what fails has no speed
            return _NATS_SLOW if quick else -_NATS_SLOW
        usual = min(_RATIO_MAX, max(_RATIO_MIN, said.expected))
        fallen = max(_RATIO_MIN, self._level())
        fallen = min(usual - _FALL_MIN, fallen + _HALFWAY * (usual - fallen))
        nats = said.k * log(usual / fallen) + (said.n - said.k) * log((1 - usual) / (1 - fallen))
        # What comes through again, and far too slowly, is not back: a block may ease to a throttle.
        return nats if said.pace >= _BACK_SPEED else min(0.0, nats)

    @staticmethod
    def _nats_little(expected: float, k: int, n: int) -> float:
        """How much more likely these results are if the part is back than if it still loses a little."""
        usual = min(_RATIO_MAX, max(_RATIO_MIN + _FALL_MIN, expected))
        little = usual - _FALL_MIN
        return k * log(usual / little) + (n - k) * log((1 - usual) / (1 - little))

    def _level(self) -> float:
        """The ratio to which it has fallen: by its own results, and by the detector's word where they are few.

        The detector's ratio has results from before the loss in it, most of all where few come in an hour.
        """
        if self.bad_n >= _TELLING_RESULTS:
            return self.bad_k / self.bad_n
        return (self.bad_k + _WORD_RESULTS * self.low) / (self.bad_n + _WORD_RESULTS)

    @property
    def ratio(self) -> float:
        """Its reachability now: of the results since it fell, or the detector's once it mends."""
        return self.bad_k / self.bad_n if self.good == 0 and self.bad_n else self.now

    def _share_lost(self, said: Vote) -> float:
        """The share of results lost: since it fell, which shows it first, or by the detector's ratio."""
        if said.expected <= 0:
            return 0.0
        reach = min(self.low, self.bad_k / self.bad_n)
        return round(min(1.0, max(0.0, 1.0 - reach / said.expected)), 6)


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
    return Present(sum(k for k, _ in figures) / n, usual, round(n))
