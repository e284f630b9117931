"""What the peers do, written down from their public descriptions and sources; no code of theirs.

All of them look at successes and probes alone. None is given the volume of probes as a second signal, except IODA's
rule, whose signal is a count.
"""

from __future__ import annotations

import numpy as np

from benchmarks.detectors.contender import Bools, Contender, Ints, persistent, trailing_sum

_HOUR = 60
_WEEK = 7 * 24 * 60


def ooni_cusum(k: Ints, n: Ints, *, mu_0: float = 0.0, mu_1: float = 0.7, h: float = 3.5) -> Bools:
    """OONI's event detector: a CUSUM with two fixed means over hourly medians of the blocking score.

    A failure with a good control weighs 0.8 or so (0.9 at DNS, 0.75 at TCP, 0.8 at TLS), a success 0; the median of
    an hour is one or the other. In the state "ok" deviations above the middle of the two means add up, in "blocked"
    those below; over h the state changes. An hour without measurements is passed over. The first state is settled
    silently.
    """
    hours = -(-len(k) // _HOUR)
    padded_k = np.zeros(hours * _HOUR, dtype=np.int64)
    padded_n = np.zeros_like(padded_k)
    padded_k[: len(k)], padded_n[: len(n)] = k, n
    good = padded_k.reshape(hours, _HOUR).sum(axis=1)
    seen = padded_n.reshape(hours, _HOUR).sum(axis=1)
    middle = (mu_0 + mu_1) / 2
    state, up, down = None, 0.0, 0.0
    alarm = np.zeros(len(k), dtype=bool)
    for hour in range(hours):
        if seen[hour]:
            score = 0.8 if 2 * good[hour] < seen[hour] else 0.0
            up = max(0.0, up + score - middle) if state != "blocked" else 0.0
            down = max(0.0, down + middle - score) if state != "ok" else 0.0
            if up > h:
                state, up, down = "blocked", 0.0, 0.0
            elif down > h:
                state, up, down = "ok", 0.0, 0.0
        # an hour is known when it is over
        alarm[(hour + 1) * _HOUR : (hour + 2) * _HOUR] = state == "blocked"
    return alarm


def ioda_ratio(k: Ints, n: Ints, *, ratio: float = 0.8) -> Bools:
    """IODA's rule: the signal, here successes in ten minutes, against its median over seven days.

    https://ioda.live, "help": alerts when a ratio to the history falls under a threshold; 0.8 warns, 0.5 is
    critical. It needs a day of history to begin with.
    """
    bins = len(k) // 10
    signal = k[: bins * 10].reshape(bins, 10).sum(axis=1)
    alarm = np.zeros(len(k), dtype=bool)
    for at in range(24 * 6, bins):
        usual = np.median(signal[max(0, at - _WEEK // 10) : at])
        if usual > 0 and signal[at] < ratio * usual:
            alarm[(at + 1) * 10 - 1 : (at + 2) * 10 - 1] = True
    return alarm


def static_threshold(k: Ints, n: Ints, *, below: float = 0.75, minutes: int = 10) -> Bools:
    """The rule that every monitoring system starts with: `avg_over_time(probe_success[10m]) < 0.75`."""
    good, seen = trailing_sum(k, minutes), trailing_sum(n, minutes)
    return (seen > 0) & (good < below * seen)


def wilson_bound(k: Ints, n: Ints, *, minutes: int = 10, z: float = 3.0, persist: int = 3) -> Bools:
    """The upper Wilson bound of ten minutes against the lower one of the seven days before."""
    good, seen = trailing_sum(k, minutes), trailing_sum(n, minutes)
    week_good, week_seen = trailing_sum(k, _WEEK) - good, trailing_sum(n, _WEEK) - seen
    with np.errstate(invalid="ignore", divide="ignore"):
        now, usual = _wilson(good, seen, z)[1], _wilson(week_good, week_seen, z)[0]
        hits = (seen > 0) & (week_seen > 60) & (now < usual)
    return persistent(hits, persist)


def _wilson(good: Ints, seen: Ints, z: float) -> tuple[np.ndarray, np.ndarray]:
    share, spread = good / seen, z * z / seen
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(share * (1 - share) / seen + spread / (4 * seen))
    return middle - half, middle + half


PEERS = (
    Contender(
        "OONI: CUSUM on hourly medians",
        "https://github.com/ooni/data (oonipipeline, analysis/detector.py; Basseville & Nikiforov 1993, 2.2.5)",
        ooni_cusum,
    ),
    Contender("IODA: under 0.8 of the 7-day median", "https://ioda.live", ioda_ratio, {"ratio": (0.8,)}),
    Contender("IODA: under 0.5 of the 7-day median", "https://ioda.live", ioda_ratio, {"ratio": (0.5,)}),
    Contender(
        "static: success < 0.75 over 10 minutes", "blackbox_exporter's `probe_success`", static_threshold
    ),
    Contender(
        "Wilson bound of 10 minutes against 7 days",
        "Wilson, JASA 22, 1927",
        wilson_bound,
        {"z": (2.0, 3.0, 4.0, 5.0), "persist": (1, 3, 5)},
    ),
)
