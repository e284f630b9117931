"""Novelty: how far a value lies from every value seen before. For any one series, of any unit and sign.

Knows no time, no season and no ratio: what was seen once, at whatever hour, is known. It tells of the first strange
value, and is then quiet for a while unless a stranger one comes: one alarm for one event.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from math import isfinite, sqrt
from typing import Any

from river.base import AnomalyDetector


class Novelty(AnomalyDetector):
    """Distance to the nearest value seen before, against how large such distances usually are.

    With d the distance from a value to its nearest among the last `memory` values, the strangeness is
    (d - mean(d)) / sd(d), over all distances so far: how far a series usually steps outside of what it knows is
    learned from itself. The score is strangeness over `alarm`, so that 1.0 alarms; for `rest` values after a score
    only a higher one counts.

    Parameters
    ----------
    memory
        Values that are remembered. A value older than that is new again.
    alarm
        Strangeness, in standard deviations, that scores 1.0.
    rest
        Values for which a score silences those that are not above it.
    grace
        Values to learn from before anything scores above 0.

    Examples
    --------
    >>> detector = Novelty(grace=50)
    >>> for i in range(400):
    ...     detector.learn_one({"value": i * 7 % 100 / 10})
    >>> detector.score_one({"value": 5.0}), round(detector.score_one({"value": 14.0}), 1)
    (0.0, 11.8)
    >>> detector.learn_one({"value": 14.0})
    >>> detector.score_one({"value": 13.0}), detector.score_one({"value": 25.0}) > 1.0
    (0.0, True)

    References
    ----------
    The nearest neighbour as a measure of strangeness: Burnaev & Ishimtsev, Conformalized density- and distance-based
    anomaly detection in time-series data, arXiv 1608.04585 (2016), which takes several values together, and ranks.
    """

    def __init__(self, *, memory: int = 4096, alarm: float = 2.5, rest: int = 150, grace: int = 80) -> None:
        if memory < 2 or rest < 0 or grace < 2 or not alarm > 0.0:
            raise ValueError(
                f"memory {memory}, alarm {alarm}, rest {rest}, grace {grace}: "
                "at least 2 values of memory and of grace, an alarm above 0, no negative rest"
            )
        self.memory = memory
        self.alarm = alarm
        self.rest = rest
        self.grace = grace
        self.known: list[float] = []  # in order of size
        self.came: deque[float] = deque()  # the same, in order of time
        self.n = 0
        self.mean = self.square = 0.0  # of distances (Welford)
        self.peak = 0.0  # the score that stands,
        self.peak_until = 0  # and the value with which it stands no more

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """How strange this value would be: 1.0 alarms. Changes nothing."""
        value = _value(x)
        score = self._strangeness(self._distance(value)) / self.alarm if self.known else 0.0
        return score if score > (self.peak if self.n < self.peak_until else 0.0) else 0.0

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Take a value in."""
        value = _value(x)
        if self.known:
            distance = self._distance(value)
            score = self._strangeness(distance) / self.alarm
            if score > self.peak or self.n >= self.peak_until:
                self.peak, self.peak_until = score, self.n + self.rest
            count = self.n
            step = distance - self.mean
            self.mean += step / count
            self.square += step * (distance - self.mean)
        self.n += 1
        insort(self.known, value)
        self.came.append(value)
        if len(self.came) > self.memory:
            self.known.pop(bisect_left(self.known, self.came.popleft()))

    def update(self, x: Mapping[Any, Any]) -> Novelty:
        """Take a value in, as drift detectors are spoken to."""
        self.learn_one(x)
        return self

    def _distance(self, value: float) -> float:
        place = bisect_left(self.known, value)
        return min(abs(known - value) for known in self.known[max(0, place - 1) : place + 1])

    def _strangeness(self, distance: float) -> float:
        if self.n < self.grace:
            return 0.0
        variance = self.square / (self.n - 2)
        if (
            variance <= 0.0
        ):  # every value was one seen before: a new one is strange, by how much can't be said
            return 0.0 if distance <= self.mean else 2.0 * self.alarm
        return max(0.0, (distance - self.mean) / sqrt(variance))


def _value(x: Mapping[Any, Any]) -> float:
    value = float(x["value"])
    if not isfinite(value):
        raise ValueError(f"value {value}: give a finite number; leave out what was not measured")
    return value
