"""The canary: a made-up platform in a made-up country, dark every hour. It shows that an outage would be noticed.

An alert on its absence proves the whole path, from a producer through Kafka and the detectors to the metric. Its
country is QN, a user-assigned code of ISO 3166-1 that no real country can have; its AS numbers are private (RFC 6996);
all its results are simulated.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from producers.countries import CANARY
from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings

PLATFORM: Final = "canary"
ASNS: Final = (64512, 64513, 64514, 64515)
#: Minutes of each hour (UTC) in which it is dark.
DARK_FROM_MINUTE: Final = 20
DARK_MINUTES: Final = 10
_USUAL: Final = 0.99


def dark(moment: datetime) -> bool:
    """Whether the canary is dark then.

    >>> from datetime import UTC
    >>> [dark(datetime(2024, 1, 20, 13, minute, tzinfo=UTC)) for minute in (19, 20, 29, 30)]
    [False, True, True, False]
    """
    return DARK_FROM_MINUTE <= moment.minute < DARK_FROM_MINUTE + DARK_MINUTES


def canary(start: datetime, seconds: float, *, every_seconds: float = 10.0) -> Iterator[ProbeResult]:
    """The canary's results of [start, start + seconds), in order of time: one a network every `every_seconds`.

    The same moments give the same results: several canaries at once are duplicates, not more evidence.
    """
    step = int(every_seconds * 1000)
    first = -(-int(start.timestamp() * 1000) // step)
    last = -(-int((start + timedelta(seconds=seconds)).timestamp() * 1000) // step)
    for number in range(first, last):
        moment = datetime.fromtimestamp(number * step / 1000, tz=start.tzinfo)
        for asn in ASNS:
            yield _result(moment, number, asn)


def _result(moment: datetime, number: int, asn: int) -> ProbeResult:
    dice = random.Random(f"{number}-{asn}")  # noqa: S311  no secret
    ok = not dark(moment) and dice.random() < _USUAL
    return ProbeResult(
        id=f"canary-{number:x}-{asn}",
        time=moment,
        platform=PLATFORM,
        target="canary:",
        country=CANARY,
        asn=asn,
        vantage=f"canary-{asn}",
        ok=ok,
        stage=None if ok else Stage.TLS,
        failure=None if ok else Failure.CONNECTION_RESET,
        control_ok=True,
        timings_ms=Timings(dns=5.0, tcp=20.0, tls=40.0, ttfb=80.0, total=160.0)
        if ok
        else Timings(dns=5.0, tcp=20.0),
        bytes=20_000 if ok else 0,
        simulated=True,
    )
