"""River's detectors, as one would use them on a success ratio.

A window without probes is passed over: River's detectors have no word for "unknown". Drift detectors say *when*
something changed; an alarm then lasts until they say that it changed back, six hours at most. Anomaly scorers must
score over their threshold in some windows running, and learn from what they did not alarm at (so that an outage does
not become usual), or after six hours of alarm all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from river import anomaly, drift, proba, stats, time_series, utils

from benchmarks.detectors.contender import Bools, Contender, Ints

_LONGEST = 6 * 60


def _drifting(detector: drift.ADWIN | drift.PageHinkley, k: Ints, n: Ints) -> Bools:
    alarm = np.zeros(len(k), dtype=bool)
    slow, fast = stats.EWMean(1 / 720), stats.EWMean(1 / 15)
    since: int | None = None
    lost = np.divide(n - k, n, out=np.zeros(len(n)), where=n > 0).tolist()
    for at, seen in enumerate(n.tolist()):
        if seen:
            detector.update(lost[at])
            fast.update(lost[at])
            slow.update(lost[at])
            if detector.drift_detected:
                since = at if fast.get() > slow.get() else None
        if since is not None and at - since >= _LONGEST:
            since = None
        alarm[at] = since is not None
    return alarm


def adwin(k: Ints, n: Ints, *, delta: float = 0.002) -> Bools:
    """Adaptive windowing (Bifet & Gavalda, 2007)."""
    return _drifting(drift.ADWIN(delta=delta), k, n)


def page_hinkley(k: Ints, n: Ints, *, delta: float = 0.005, threshold: float = 50.0) -> Bools:
    """Page-Hinkley, both ways (Page, 1954)."""
    return _drifting(drift.PageHinkley(delta=delta, threshold=threshold, mode="both"), k, n)


def ddm(k: Ints, n: Ints, *, drift_threshold: float = 3.0) -> Bools:
    """Drift detection method (Gama et al., 2004): every probe is an error or none.

    It tells of a rise only; the alarm ends where a second one, fed with successes for errors, tells of the way back.
    """
    down = drift.binary.DDM(drift_threshold=drift_threshold)
    up = drift.binary.DDM(drift_threshold=drift_threshold)
    alarm = np.zeros(len(k), dtype=bool)
    since: int | None = None
    for at, (good, seen) in enumerate(zip(k.tolist(), n.tolist(), strict=True)):
        for probe in range(seen):
            failed = (probe + 1) * (seen - good) // seen > probe * (
                seen - good
            ) // seen  # evenly through the minute
            if since is None:
                down.update(failed)
                if down.drift_detected:
                    since = at
                    up = drift.binary.DDM(drift_threshold=drift_threshold)
            else:
                up.update(not failed)
                if up.drift_detected or at - since >= _LONGEST:
                    since = None
                    down = drift.binary.DDM(drift_threshold=drift_threshold)
        if since is not None and at - since >= _LONGEST:
            since = None
        alarm[at] = since is not None
    return alarm


def _scoring(
    hit: Callable[[float], bool], learn: Callable[[float], None], k: Ints, n: Ints, persist: int
) -> Bools:
    alarm = np.zeros(len(k), dtype=bool)
    ratio = np.divide(k, n, out=np.ones(len(n)), where=n > 0).tolist()
    running = lasting = 0
    for at, seen in enumerate(n.tolist()):
        if seen:
            running = running + 1 if hit(ratio[at]) else 0
            if running == 0 or lasting > _LONGEST:
                learn(ratio[at])
        alarmed = running >= persist
        lasting = lasting + 1 if alarmed else 0
        alarm[at] = alarmed
    return alarm


def gaussian_z(k: Ints, n: Ints, *, z: float = 3.0, persist: int = 3, window: int = 1440) -> Bools:
    """GaussianScorer's Gaussian over a day; its score saturates at 1, so the z below the mean is taken."""
    gaussian = utils.Rolling(proba.Gaussian, window_size=window)

    def hit(ratio: float) -> bool:
        sigma = gaussian.sigma
        if isinstance(sigma, complex):  # a rolling variance can fall a hair below 0
            sigma = 0.0
        return gaussian.n_samples >= 100 and gaussian.mu - ratio > z * max(sigma, 1e-3)

    return _scoring(hit, gaussian.update, k, n, persist)


def half_space_trees(k: Ints, n: Ints, *, threshold: float = 0.95, persist: int = 3) -> Bools:
    """HalfSpaceTrees (Tan et al., 2011) on the ratio, out of the box."""
    trees = anomaly.HalfSpaceTrees(limits={"ratio": (0.0, 1.0)}, seed=1)
    seen = 0

    def hit(ratio: float) -> bool:
        return seen > 500 and trees.score_one({"ratio": ratio}) > threshold

    def learn(ratio: float) -> None:
        nonlocal seen
        seen += 1
        trees.learn_one({"ratio": ratio})

    return _scoring(hit, learn, k, n, persist)


def predictive(k: Ints, n: Ints, *, n_std: float = 3.0, persist: int = 3) -> Bools:
    """PredictiveAnomalyDetection over Holt-Winters without a season; its score is 1 from n_std on."""
    detector = anomaly.PredictiveAnomalyDetection(
        time_series.HoltWinters(alpha=0.05, beta=0.01), horizon=1, n_std=n_std, warmup_period=100
    )
    count = 0
    last = 1.0

    def hit(ratio: float) -> bool:
        nonlocal last
        last = ratio
        if count < 10:
            return False
        expected = detector.predictive_model.forecast(1)[0]
        score = detector.score_one({}, ratio)
        return bool(score >= 1.0 and ratio < expected and math.isfinite(expected))

    def learn(ratio: float) -> None:
        nonlocal count
        count += 1
        detector.learn_one({}, ratio)

    return _scoring(hit, learn, k, n, persist)


RIVER = "https://riverml.xyz"
RIVERS = (
    Contender("River: ADWIN", RIVER, adwin, {"delta": (0.002, 1e-4, 1e-8, 1e-16)}),
    Contender(
        "River: PageHinkley",
        RIVER,
        page_hinkley,
        {"delta": (0.005, 0.02, 0.05), "threshold": (2.0, 5.0, 10.0, 20.0, 50.0)},
    ),
    Contender("River: DDM", RIVER, ddm, {"drift_threshold": (3.0, 5.0, 8.0, 12.0)}),
    Contender(
        "River: GaussianScorer, its z",
        RIVER,
        gaussian_z,
        {"z": (2.0, 3.0, 4.0, 6.0), "persist": (1, 3, 5, 8)},
    ),
    Contender(
        "River: HalfSpaceTrees",
        RIVER,
        half_space_trees,
        {"threshold": (0.8, 0.9, 0.95), "persist": (3, 5)},
        pooled_only=True,
    ),
    Contender(
        "River: PredictiveAnomalyDetection",
        RIVER,
        predictive,
        {"n_std": (3.0, 6.0, 12.0), "persist": (1, 3, 5)},
    ),
)
