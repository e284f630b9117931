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
    figures = np.array((health.expected, health.reachability, health.score))
    columns = (
        health.n[watched],
        health.k[watched],
        *np.round(figures[:, watched], 6),
        health.networks_live[watched],
        health.networks_bad[watched],
    )
    messages = []
    # What is the same for all platforms of a country; None where it is judged elsewhere.
    arrivals: dict[tuple[str, bool], tuple[float, float] | None] = {}
    for i, *of_row in zip(watched.tolist(), *(column.tolist() for column in columns), strict=True):
        n, k, expected, reachability, score, live, bad = of_row
        platform, country, simulated = health.platform[i], health.country[i], health.simulated[i]
        key = (country, simulated)
        if key not in arrivals:
            arrived = reading.arrivals.get(key, _NOTHING_DUE)
            arrivals[key] = (
                None if elsewhere(country) else (round(arrived.awaited, 3), round(arrived.came, 3))
            )
        due = arrivals[key]
        if due is None:
            continue
        sign = signs.get((platform, country, simulated), NO_SIGNS)
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
            awaited=due[0],
            came=due[1],
        )
        messages.append(Message("health", platform.encode(), encode(record)))
    return messages
