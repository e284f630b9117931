"""How far an open incident goes: the present level of all that it has lost, whether that changed, and its restoration.

The parts of an incident lose different shares of different numbers of results. So a change is looked for in each part
against its own present level, and the evidence is added up: a part that falls silent changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Final

import msgspec

from detectors.incidents.loss import LEVEL_RESULTS_MIN, Loss, Present, bounds
from detectors.incidents.snapshots import Restoration
from detectors.incidents.votes import Vote

#: Nats that are a change: a block of 90 days has very many windows in which to change by chance.
_SURE: Final = 14.0
#: A change of less than this is not worth telling.
_TELLING: Final = 0.10
#: A level is known to so many of its standard errors.
_ERRORS: Final = 2.0
#: Restoration is sure only of so long a time, and where no more than so much may be missing still.
SURE_SECONDS: Final = 1800
_MISSING: Final = 0.03


class Level(msgspec.Struct):
    """The present level of an incident: `now`, and `before` it changed last (-1: not known)."""

    now: float = -1.0
    before: float = -1.0
    eased: bool = False  # whether it was higher once than it is now
    parts: int = 0  # of how many parts `now` is the mean
    up: float = 0.0  # nats for a change
    down: float = 0.0
    up_since: int = 0
    down_since: int = 0

    @property
    def news(self) -> str:
        """The last change that is worth telling, in words that stay the same until the next one."""
        if self.before < 0.0:
            return ""
        word = "eased" if self.now > self.before else "worse again" if self.eased else "worse"
        return f"{word}: {self.now:.0%} of attempts succeed, {self.before:.0%} before"

    def weigh(self, parts: Iterable[tuple[Loss, Vote]], start: int) -> None:
        """Take one window of its parts in; where their level has changed, have them be at the new one."""
        lost = [(loss, said) for loss, said in parts if loss.recovered is None and not loss.slow]
        if self.up == 0.0:
            self.up_since = start
        if self.down == 0.0:
            self.down_since = start
        ups = downs = 0.0
        for loss, said in lost:
            if self.up == 0.0:
                loss.up_n = loss.up_k = 0.0
            if self.down == 0.0:
                loss.down_n = loss.down_k = 0.0
            up, down = loss.shift(said)
            ups, downs = ups + up, downs + down
        self.up = min(2 * _SURE, max(0.0, self.up + ups))
        self.down = min(2 * _SURE, max(0.0, self.down + downs))
        # What mends is on its way back: how far, shows when it is back, or when it stays.
        staying = [loss for loss, _ in lost if loss.good == 0]
        if self.up >= _SURE and staying:
            _move([(loss, loss.up_k, loss.up_n) for loss in staying], self.up_since)
            self.up = self.down = 0.0
        elif self.down >= _SURE and staying:
            _move([(loss, loss.down_k, loss.down_n) for loss in staying], self.down_since)
            self.up = self.down = 0.0
        self._look([loss for loss, _ in lost])

    def _look(self, lost: Sequence[Loss]) -> None:
        """See whether the present level is another than the one that was told."""
        known = [(loss.bad_k / loss.bad_n, loss.bad_n) for loss in lost if loss.bad_n >= LEVEL_RESULTS_MIN]
        if not known or len(known) < len(lost):
            return
        now = sum(ratio for ratio, _ in known) / len(known)
        if len(known) != self.parts:  # others make another mean: nothing has changed by that
            self.now, self.parts = now, len(known)
            return
        error = sqrt(sum(ratio * (1.0 - ratio) / n for ratio, n in known)) / len(known)
        if abs(now - self.now) >= _TELLING + _ERRORS * error:
            self.eased = self.eased or now > self.now
            self.before, self.now = self.now, now


def _move(parts: Sequence[tuple[Loss, float, float]], since: int) -> None:
    """Have these parts be at the level of k of n results each."""
    for loss, k, n in parts:
        if n:
            loss.move(k, n, since)


class Tally(msgspec.Struct):
    """Results since a restoration: how many, how many succeeded, how many would usually."""

    since: int
    n: float = 0.0
    k: float = 0.0
    due: float = 0.0

    def add(self, said: Vote, usual: float) -> None:
        """Take the results of one part in one window in; its usual ratio is that from before the incident."""
        self.n, self.k, self.due = self.n + said.n, self.k + said.k, self.due + said.n * usual

    def present(self) -> Present:
        """How it stands by these results."""
        n = max(1.0, self.n)
        return Present(self.k / n, self.due / n, round(self.n))

    def says(self, end: int) -> Restoration:
        """What these results say of the restoration by now."""
        if not self.n:
            return Restoration.SOME
        low, high = bounds(self.k, self.n)
        usual = self.due / self.n
        if high < usual - _MISSING:
            return Restoration.PART
        if end - self.since >= SURE_SECONDS and low >= usual - _MISSING:
            return Restoration.FULL
        return Restoration.SOME
