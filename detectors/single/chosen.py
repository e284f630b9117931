"""A detector of River's, chosen by name in the settings, in place of our own for times or for volumes.

One Python object a series: slow, and meant to be: for comparing, and for who knows better. Its score is put on the
scale that all scores have (1.0 alarms), and its state is kept as plain data.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Mapping
from math import isfinite, sqrt
from typing import Any, Final

from river.base import AnomalyDetector, DriftDetector, SupervisedAnomalyDetector

from detectors.single.bank import NotPlainError, from_plain, to_plain

#: Those whose score is in standard deviations; what is usual of a Gaussian reaches 4 once in 30,000 values.
_DEVIATIONS: Final = {"river.anomaly.GaussianScorer": 4.0, "river.anomaly.StandardAbsoluteDeviation": 4.0}

#: Ours that may be named as well; 1.0 alarms already.
_OURS: Final = {"detectors.single.novelty.Novelty": 1.0}

SEED: Final = 1

#: Those that are tested to work.
KNOWN: Final = (
    "river.anomaly.GaussianScorer",
    "river.anomaly.StandardAbsoluteDeviation",
    "river.anomaly.HalfSpaceTrees",
    "river.drift.ADWIN",
    "river.drift.KSWIN",
    "river.drift.PageHinkley",
    "detectors.single.novelty.Novelty",
)


class ChosenDetector:
    """One detector of River's over one series of numbers, scored so that 1.0 alarms.

    Parameters
    ----------
    path
        Class path, e.g. "river.drift.ADWIN".
    parameters
        Of the class; and `threshold`, the score of its own that alarms (needed where the class has no scale: all
        anomaly detectors but those that score in standard deviations, where it is 4).

    Raises
    ------
    ValueError
        The class is not there, is no detector over numbers, refuses its parameters, or has a state that can't be
        kept as plain data. The message names the classes that work.

    Examples
    --------
    >>> detector = ChosenDetector("river.anomaly.GaussianScorer", {"window_size": 50})
    >>> for minute in range(60):
    ...     detector.learn_one({"value": 100.0 + minute % 5})
    >>> detector.score_one({"value": 102.0}) < 0.5 < 1.0 < detector.score_one({"value": 120.0})
    True
    """

    def __init__(self, path: str, parameters: Mapping[str, Any]) -> None:
        self.path = path
        arguments = dict(parameters)
        self.detector = _make(path, arguments)
        if "seed" not in arguments:
            _seed(self.detector)
        self.threshold = float(arguments.get("threshold", (_DEVIATIONS | _OURS).get(path, 1.0)))
        self.drifted = False

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """Return how unusual a value is. For a drift detector: whether the last learned value was a drift."""
        value = _value(x)
        detector = self.detector
        if isinstance(detector, DriftDetector):
            return 1.0 if self.drifted else 0.0
        if self.path == "river.anomaly.GaussianScorer":
            # Its own score is a distribution function, 1.0 from 8 deviations on: the deviations have no end.
            gaussian = detector.gaussian
            deviation = sqrt(gaussian._var.get() or 0.0) if gaussian.n_samples > 1 else 0.0
            own = abs(value - gaussian.mu) / deviation if deviation > 0.0 else 0.0
        elif isinstance(detector, SupervisedAnomalyDetector):
            own = float(detector.score_one({}, value))
        else:
            own = float(detector.score_one({"value": value}))
        return max(0.0, own / self.threshold) if isfinite(own) else 0.0

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Take a value in."""
        value = _value(x)
        detector = self.detector
        if isinstance(detector, DriftDetector):
            detector.update(value)
            self.drifted = bool(detector.drift_detected)
        elif isinstance(detector, SupervisedAnomalyDetector):
            detector.learn_one({}, value)
        else:
            detector.learn_one({"value": value})


def check(path: str, parameters: Mapping[str, Any]) -> None:
    """Refuse at once what would fail later: feed a detector, keep it, bring it back, and compare."""
    detector = ChosenDetector(path, parameters)
    values = [{"value": 1.0 + (i * 7 % 11) / 10.0} for i in range(64)]
    try:
        for x in values:
            detector.learn_one(x)
        other = from_plain(to_plain(detector))
        for x in values:
            same = other.score_one(x) == detector.score_one(x)
            other.learn_one(x)
            detector.learn_one(x)
            if not same:
                raise ValueError(f"{path}: it goes on otherwise after it is brought back; {_advice()}")
    except NotPlainError as error:
        raise ValueError(f"{path}: its state can't be kept as plain data ({error}); {_advice()}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{path}: it can't be fed one number at a time ({error}); {_advice()}") from error


def _make(path: str, arguments: Mapping[str, Any]) -> Any:
    module, _, name = path.rpartition(".")
    if not module.startswith("river") and path not in _OURS:
        raise ValueError(f"{path}: no class of River's; {_advice()}")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path}: there is no such class; {_advice()}") from error
    if not isinstance(kind, type) or not issubclass(
        kind, AnomalyDetector | SupervisedAnomalyDetector | DriftDetector
    ):
        raise ValueError(f"{path}: neither an anomaly nor a drift detector; {_advice()}")
    scaled = issubclass(kind, DriftDetector) or path in _DEVIATIONS or path in _OURS
    if not scaled and "threshold" not in arguments:
        raise ValueError(f"{path}: give `threshold` in its parameters, the score of its own that alarms")
    try:
        return kind(**{key: value for key, value in arguments.items() if key != "threshold"})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: it refuses its parameters {dict(arguments)}: {error}") from error


def _seed(thing: Any) -> None:
    """Give all chance a fixed beginning: a replay has to come to the same."""
    for value in vars(thing).values() if hasattr(thing, "__dict__") else ():
        if isinstance(value, random.Random):
            value.seed(SEED)
        elif type(value).__module__.startswith("river."):
            _seed(value)


def _value(x: Mapping[Any, Any]) -> float:
    value = float(x["value"])
    if not isfinite(value):
        raise ValueError(f"value {value}: give a number; leave out what was not measured")
    return value


def _advice() -> str:
    return f"choose from {', '.join(KNOWN)}"
