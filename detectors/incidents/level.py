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
TELLING: Final = 0.15
#: Two levels differ that are so many standard errors apart.
_ERRORS: Final = 4.0
#: It is asked in every window whether a part is missing: so many standard errors, for chance has as many tries.
Z_PART: Final = 2.8
#: Restoration is sure only of so long a time, and where no more than so much may be missing still.
SURE_SECONDS: Final = 1800
_MISSING: Final = 0.03


class Level(msgspec.Struct):
    """The present level of an incident, and the last change of it that is worth telling, in words."""

    now: float = 0.0
    told: str = ""
    # Whether it was higher once than it is now.
    eased: bool = False
    # Standard error of `now`.
    error: float = 0.0
    # Of how many parts `now` is the mean.
    parts: int = 0
    # Nats for a change.
    up: float = 0.0
    down: float = 0.0
    up_since: int = 0
    down_since: int = 0

    def weigh(self, parts: Iterable[tuple[Loss, Vote]], start: int, *, over: bool = False) -> bool:
        """Take one window of its parts in; where their level has changed, have them be at the new one.

        What is `over` has no level to tell of: some of its parts may be lost again, before it is. Nor has what is lost
        on some addresses only. Returns whether they are at another level from here on.
        """
        lost = [(loss, part_vote) for loss, part_vote in parts if loss.recovered is None and not loss.slow]
        if self.up == 0.0:
            self.up_since = start
        if self.down == 0.0:
            self.down_since = start
        ups = downs = 0.0
        for loss, part_vote in lost:
            if self.up == 0.0:
                loss.up_n = loss.up_k = 0.0
            if self.down == 0.0:
                loss.down_n = loss.down_k = 0.0
            up, down = loss.shift(part_vote)
            ups, downs = ups + up, downs + down
        self.up = min(2 * _SURE, max(0.0, self.up + ups))
        self.down = min(2 * _SURE, max(0.0, self.down + downs))
        # What mends is on its way back: how far, shows when it is back, or when it stays.
        staying = [loss for loss, _ in lost if loss.good == 0]
        moved = False
        if self.up >= _SURE and staying and _stays_below([loss for loss, _ in lost]):
            _move([(loss, loss.up_k, loss.up_n) for loss, _ in lost], self.up_since)
            self.up, self.down, moved = 0.0, 0.0, True
        elif self.down >= _SURE and staying:
            _move([(loss, loss.down_k, loss.down_n) for loss, _ in lost], self.down_since)
            self.up, self.down, moved = 0.0, 0.0, True
        if not over:
            self._look([loss for loss, _ in lost], start)
        return moved

    def _look(self, lost: Sequence[Loss], start: int) -> None:
        """See whether the present level is another than the one that was told."""
        figures = [loss.standing() for loss in lost]
        known = [(k, n) for k, n, _ in figures if n >= LEVEL_RESULTS_MIN]
        if not known or len(known) < len(lost):
            return
        # The half hours of a block differ: what lasts as long is a change.
        if any(changed is not None and start - changed < SURE_SECONDS for _, _, changed in figures):
            return
        now = sum(k / n for k, n in known) / len(known)
        error = sqrt(sum((k + 1.0) * (n - k + 1.0) / (n + 2.0) ** 3 for k, n in known)) / len(known)
        if len(known) != self.parts:  # others make another mean: nothing has changed by that
            self.now, self.error, self.parts = now, error, len(known)
        elif abs(now - self.now) >= max(TELLING, _ERRORS * sqrt(error**2 + self.error**2)):
            word = "eased" if now > self.now else "worse again" if self.eased else "worse"
            self.told = f"{word}: {now:.0%} of attempts succeed, {self.now:.0%} before"
            self.eased = self.eased or now > self.now
            self.now, self.error = now, error
        elif error < self.error / 2.0:  # the same, known better
            self.now, self.error = now, error


def _stays_below(lost: Sequence[Loss]) -> bool:
    """Whether what came since it eased is another level, and not the usual one: that is no level of a loss."""
    n = sum(loss.up_n for loss in lost)
    if not n:
        return True
    usual = sum(loss.up_n * loss.usual for loss in lost) / n
    return bounds(sum(loss.up_k for loss in lost), n)[1] < usual - _MISSING


def _move(parts: Sequence[tuple[Loss, float, float]], since: int) -> None:
    """Have these parts be at the level of k of n results each; few of one part count beside as many of all.

    What mends is at its own until that comes to nothing.
    """
    staying = [part for part in parts if part[0].good == 0]
    total = sum(n for _, _, n in staying)
    ratio = sum(k for _, k, _ in staying) / total if total else 0.0
    for loss, k, n in parts:
        if loss.good:
            k, n = max(0.0, k - loss.mend_k), max(0.0, n - loss.mend_n)
            loss.fall_to(k + LEVEL_RESULTS_MIN * ratio, n + LEVEL_RESULTS_MIN, since)
        elif total:
            loss.move(k + LEVEL_RESULTS_MIN * ratio, n + LEVEL_RESULTS_MIN, since)
            loss.show(k, n)


def _plus(
    before: tuple[float, float, float] | None, k: float, n: float, due: float
) -> tuple[float, float, float]:
    k_before, n_before, due_before = before if before is not None else (0.0, 0.0, 0.0)
    return k_before + k, n_before + n, due_before + due


class Tally(msgspec.Struct):
    """Results since a restoration: how many, how many succeeded, how many would usually."""

    since: int
    n: float = 0.0
    k: float = 0.0
    due: float = 0.0
    # Of late, by results.
    recent_n: float = 0.0
    recent_k: float = 0.0
    # Windows in a row in which they said that a part of it is missing.
    partly: int = 0
    # Platform: successes, results and usual successes of what was lost; and of its country's other regions.
    inside: dict[str, tuple[float, float, float]] = {}
    beyond: dict[str, tuple[float, float, float]] = {}

    def add(self, of_part: Vote, usual: float) -> None:
        """Take the results of one part in one window in; its usual ratio is that from before the incident."""
        self.n, self.k, self.due = self.n + of_part.n, self.k + of_part.k, self.due + of_part.n * usual
        keep = 0.5 ** (of_part.n / LEVEL_RESULTS_MIN)
        self.recent_n, self.recent_k = self.recent_n * keep + of_part.n, self.recent_k * keep + of_part.k

    def of_part(self, platform: str, k: float, n: float, usual: float) -> None:
        """Count what a part of a platform that was lost had, for the figures of this platform."""
        self.inside[platform] = _plus(self.inside.get(platform), k, n, n * usual)

    def of_others(self, platform: str, k: float, n: float, usual: float) -> None:
        """Count what a platform had in a region where it was not lost, for the figures of the whole country."""
        self.beyond[platform] = _plus(self.beyond.get(platform), k, n, n * usual)

    def present(self, platform: str | None = None, *, in_regions: bool = False) -> Present | None:
        """How it stands by these results: one platform, or all. None without results of it.

        Where it was of regions that is in the whole country, or with `in_regions` there alone.
        """
        if not self.inside and platform is None:  # an earlier release counted all as one
            return Present(self.k / max(1.0, self.n), self.due / max(1.0, self.n), round(self.n))
        counts = [self.inside] if in_regions else [self.inside, self.beyond]
        figures = [one[name] for one in counts for name in one if platform in (None, name)]
        k, n, due = (sum(figure[column] for figure in figures) for column in range(3))
        return Present(k / n, due / n, round(n)) if n else None

    @property
    def rises(self) -> bool:
        """Whether those of late are beyond doubt at a higher level than all of them."""
        return bool(self.n) and bounds(self.recent_k, self.recent_n)[0] > self.k / self.n

    def says(self, end: int) -> Restoration:
        """What these results say of the restoration by now."""
        if not self.n:
            return Restoration.SOME
        low, _ = bounds(self.k, self.n)
        _, high = bounds(self.k, self.n, Z_PART)
        usual = self.due / self.n
        late_low, late_high = bounds(self.recent_k, self.recent_n)
        steady = late_low <= self.k / self.n <= late_high  # else it falls again, or rises
        if steady and self.n >= LEVEL_RESULTS_MIN and high < usual - _MISSING:
            return Restoration.PART
        if end - self.since >= SURE_SECONDS and low >= usual - _MISSING:
            return Restoration.FULL
        return Restoration.SOME
