"""Closed windows as the health topic has them: a record a platform and country. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import numpy as np

from detectors.incidents.worldwide import NO_SIGNS, signs_of
from detectors.readings import Arrived, Reading
from streams.machine import Message
from streams.records import HealthRecord, encode

_NOTHING_DUE: Final = Arrived(0.0, 0.0)


def health_messages(
    reading: Reading, elsewhere: Callable[[str], bool] = lambda country: False
) -> list[Message]:
    """What is sent of a closed window: a record a platform and country, but for those that are judged `elsewhere`."""
    health = reading.health
    start = datetime.fromtimestamp(reading.start, UTC)
    signs = signs_of(reading)
    # Where nobody watches, there is nothing to tell; a monitor that comes later in the same chunk is known too early.
    watched = np.flatnonzero((health.n > 0) | (health.networks_live > 0))
    columns = (
        health.n[watched],
        health.k[watched],
        np.round(health.expected[watched], 6),
        np.round(health.reachability[watched], 6),
        np.round(health.score[watched], 6),
        health.networks_live[watched],
        health.networks_bad[watched],
    )
    messages = []
    for i, *figures in zip(watched.tolist(), *(column.tolist() for column in columns), strict=True):
        n, k, expected, reachability, score, live, bad = figures
        platform, country, simulated = health.platform[i], health.country[i], health.simulated[i]
        if elsewhere(country):
            continue
        sign = signs.get((platform, country, simulated), NO_SIGNS)
        arrived = reading.arrivals.get((country, simulated), _NOTHING_DUE)
        record = HealthRecord(
            platform=platform,
            country=country,
            start=start,
            n=n,
            k=k,
            expected=expected,
            reachability=reachability,
            score=score,
            networks_live=live,
            networks_bad=bad,
            controls_good=sign.controls_good,
            controls_bad=sign.controls_bad,
            failures=dict(sign.failures),
            simulated=simulated,
            awaited=round(arrived.awaited, 3),
            came=round(arrived.came, 3),
        )
        messages.append(Message("health", platform.encode(), encode(record)))
    return messages
