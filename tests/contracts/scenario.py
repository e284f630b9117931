"""What the golden snapshots are taken of: a partition of two countries, and the one of the world.

Four quiet days, in which one network sleeps each night; then a block of X in Pakistan, over on two networks of four
when the worker stops, and one of YouTube in Nepal, not over anywhere. In the world's, YouTube is down in most
countries.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Tick, Timings, VantageStatus, encode
from streams import records as written
from streams.machine import Chunk

START: Final = datetime(2024, 1, 15, tzinfo=UTC)
DAY: Final = 1440  # all times below are minutes since START
SNAPSHOT: Final = 4 * DAY + 20  # in the night
KILLED: Final = SNAPSHOT + 10
END: Final = KILLED + 120
BLOCK: Final = SNAPSHOT - 90  # when X is lost in Pakistan
BEGIN: Final = BLOCK - 60  # of a log that holds the block and no quiet days
PLATFORMS: Final = ("whatsapp", "x", "youtube")
EVERY: Final = 2  # minutes between two results of a vantage on a platform


@dataclass(frozen=True)
class Vantage:
    """Who measures."""

    country: str
    region: str | None
    asn: int
    name: str


VANTAGES: Final = (
    *(
        Vantage("PK", "PK-PB" if asn % 2 else "PK-SD", asn, f"pk-{asn}-{i}")
        for asn in (9541, 17557, 24499, 45669)
        for i in range(2)
    ),
    *(Vantage("NP", None, asn, f"np-{asn}") for asn in (17501, 23752, 45650)),
)
SLEEPER: Final = 45650  # from midnight to five o'clock


@dataclass(frozen=True)
class Loss:
    """Who loses what, and how."""

    country: str
    platform: str
    networks: tuple[int, ...]
    begin: int
    end: int
    stage: Stage
    failure: Failure

    def takes(self, vantage: Vantage, platform: str, second: float) -> bool:
        """Whether a result of then is lost."""
        mine = (self.country, self.platform) == (vantage.country, platform) and vantage.asn in self.networks
        return mine and 60 * self.begin <= second < 60 * self.end


LOSSES: Final = (
    Loss("PK", "x", (9541, 17557), BLOCK, SNAPSHOT - 30, Stage.TLS, Failure.CONNECTION_RESET),
    Loss("PK", "x", (24499, 45669), BLOCK, KILLED + 20, Stage.TLS, Failure.CONNECTION_RESET),
    Loss(
        "NP",
        "youtube",
        (17501, 23752, 45650),
        SNAPSHOT - 25,
        KILLED + 45,
        Stage.DNS,
        Failure.DNS_NXDOMAIN_ERROR,
    ),
    Loss(
        "PK",
        "whatsapp",
        (9541, 17557, 24499, 45669),
        KILLED + 60,
        END,
        Stage.TCP,
        Failure.GENERIC_TIMEOUT_ERROR,
    ),
)


def at(minute: float) -> datetime:
    """The time of a minute."""
    return START + timedelta(minutes=minute)


def chunks(begin: int, end: int, first_offset: int = 0) -> Iterator[Chunk]:
    """The log of the results' partition, a chunk a minute; the broker's time is that of each record."""
    offset = first_offset
    for minute in range(begin, end):
        records = sorted(_minute(minute), key=lambda pair: pair[0])
        stamps = [int((START + timedelta(seconds=second)).timestamp() * 1000) for second, _ in records]
        values = [value for _, value in records]
        yield Chunk("netdusk.probes.v1", 0, range(offset, offset + len(values)), values, stamps)
        offset += len(values)


@cache
def log(end: int) -> tuple[Chunk, ...]:
    """The log from `BEGIN` on."""
    return tuple(chunks(BEGIN, end))


def fed(machine: Any, log: Iterable[Chunk]) -> list[written.Incident]:
    """What a machine tells of a log."""
    return [incident for chunk in log for incident in machine.apply(machine.read(chunk)).incidents]


def _minute(minute: int) -> Iterator[tuple[float, bytes]]:
    dice = random.Random(minute)
    for second in range(0, 60, 5):
        now = 60 * minute + second + 4.5
        yield now, encode(Tick(time=START + timedelta(seconds=now)))
    for number, vantage in enumerate(VANTAGES):
        if vantage.country == "PK" and minute % 10 == number % 10:
            yield 60 * minute + 7.5, encode(_status(vantage, 60 * minute + 7))
        for place, platform in enumerate(PLATFORMS):
            second = 60 * minute + dice.uniform(0, 55)
            awake = vantage.asn != SLEEPER or minute % DAY >= 300
            result = _result(vantage, platform, second, dice)
            if awake and (minute + number + place) % EVERY == 0:
                yield second + 2, encode(result)


def _status(vantage: Vantage, second: float) -> VantageStatus:
    return VantageStatus(
        vantage=vantage.name,
        country=vantage.country,
        region=vantage.region,
        asn=vantage.asn,
        time=START + timedelta(seconds=second),
        status="up",
        every_seconds=60.0 * EVERY,
        targets=len(PLATFORMS),
        version="0.2.0",
    )


def _result(vantage: Vantage, platform: str, second: float, dice: random.Random) -> ProbeResult:
    chance, fate, ttfb = dice.random(), dice.random(), dice.uniform(60, 120)
    stage, failure = Stage.HTTP, Failure.GENERIC_TIMEOUT_ERROR
    good = 0.985
    for loss in LOSSES:
        if loss.takes(vantage, platform, second):
            good, stage, failure = 0.03, loss.stage, loss.failure
    ok = chance < good
    return ProbeResult(
        id=f"{vantage.name}-{platform}-{second:.3f}",
        time=START + timedelta(seconds=round(second, 3)),
        platform=platform,
        target=f"https://www.{platform}.com/",
        country=vantage.country,
        region=vantage.region,
        asn=vantage.asn,
        vantage=vantage.name,
        ok=ok,
        stage=None if ok else stage,
        failure=None if ok else failure,
        control_ok=fate < 0.99,
        timings_ms=Timings(ttfb=round(ttfb, 1), total=round(2 * ttfb, 1)) if ok else Timings(total=9000.0),
        bytes=48_000 if ok else 0,
    )


#: What is told beside the records, right after the snapshot.
RALLY: Final = written.CalendarEvent(
    id="rally",
    country="PK",
    title="Online rally",
    start=START + timedelta(minutes=SNAPSHOT - 60),
    end=START + timedelta(minutes=SNAPSHOT + 60),
)


# the world

WORLD_SNAPSHOT: Final = 50
WORLD_KILLED: Final = 60
WORLD_END: Final = 120
_COUNTRIES: Final = ("AE", "BR", "DE", "IN", "JP", "KE", "PK", "US")


def health_chunks(begin: int, end: int) -> Iterator[Chunk]:
    """The log of the health topic, a chunk a window: YouTube is lost in seven of eight countries for half an hour."""
    for minute in range(begin, end):
        values = [written.encode(record) for record in _health(minute)]
        first = minute * len(_COUNTRIES) * 2
        yield Chunk("netdusk.health.v1", 0, range(first, first + len(values)), values)


def _health(minute: int) -> Iterator[written.HealthRecord]:
    for number, country in enumerate(_COUNTRIES):
        for platform in ("x", "youtube"):
            down = platform == "youtube" and country != "JP" and 30 + number % 3 <= minute < 75 + number
            yield written.HealthRecord(
                platform=platform,
                country=country,
                start=at(minute),
                n=40,
                k=2 if down else 39,
                expected=0.97,
                reachability=0.05 if down else 0.97,
                score=2.5 if down else 0.0,
                networks_live=4,
                networks_bad=4 if down else 0,
                controls_good=0,
                controls_bad=38 if down else 0,
                failures={"tcp.generic_timeout_error": 38} if down else {},
            )
