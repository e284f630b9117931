"""How a story becomes probe results, and what the backtest says of them.

A story is lines: country, platforms, where, and one mark for every five minutes.

    PK  x,youtube  *        ......xxxxxx......
    PK  x          n1,n2    ......ssssss......

`*` is everything; `n1` a network, `r1` a region, `n3/v1` one vantage. Marks: `.` works, `x` reset in TLS, `d` no such
name, `s` slow, `v` seven of ten fail, `?` no results. A later line wins over an earlier one where it is no `.`.

A country has five networks with two vantages each, in three regions, and watches the platforms that are named beside
two others. Results are seeded and simulated: true.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings, encode
from streams.records import CalendarEvent, Incident
from streams.settings import Settings, load
from streams.step.backtest import Backtest

FIGURE = pytest.StashKey[str]()  # what conftest.py says at the end of a run
START = datetime(2024, 1, 20, 12, 0, tzinfo=UTC)
MARK_MINUTES = 5
OTHERS = ("wikipedia", "google")
NETWORKS = 5
VANTAGES = 2
REGIONS = 3
_LOSS = {".": 0.02, "x": 0.97, "d": 0.97, "s": 0.05, "v": 0.70}
_WAY = {
    "d": (Stage.DNS, Failure.DNS_NXDOMAIN_ERROR),
    "x": (Stage.TLS, Failure.CONNECTION_RESET),
    "v": (Stage.TLS, Failure.CONNECTION_RESET),
}
_NOISE = (Stage.HTTP, Failure.GENERIC_TIMEOUT_ERROR)


class Line(NamedTuple):
    countries: tuple[str, ...]
    platforms: tuple[str, ...]
    where: tuple[str, ...]
    marks: str

    def holds(self, monitor: Monitor) -> bool:
        return (
            monitor.country in self.countries
            and (self.platforms == ("*",) or monitor.platform in self.platforms)
            and any(
                place
                in (
                    "*",
                    f"n{monitor.network}",
                    f"r{monitor.region}",
                    f"n{monitor.network}/v{monitor.vantage}",
                )
                for place in self.where
            )
        )


class Monitor(NamedTuple):
    country: str
    platform: str
    network: int
    vantage: int
    region: int


@dataclass(frozen=True)
class World:
    """The posts of a story. Every one probes once in `every_seconds`."""

    networks: int = NETWORKS
    vantages: int = VANTAGES
    regions: int = REGIONS
    others: tuple[str, ...] = OTHERS
    every_seconds: int = 60
    mark_minutes: int = MARK_MINUTES
    window_seconds: int = 60
    control_fails: bool = False  # where a platform fails, it fails outside the country too


def lines_of(text: str) -> list[Line]:
    """Read a story."""
    lines = []
    for line in text.strip().splitlines():
        countries, platforms, where, marks = line.split()
        assert re.fullmatch(r"[.xdsv?]+", marks), marks
        split = [tuple(part.split(",")) for part in (countries, platforms, where)]
        lines.append(Line(split[0], split[1], split[2], marks))
    length = len(lines[0].marks)
    assert all(len(line.marks) == length for line in lines), text
    return lines


def results(text: str, world: World = World(), seed: int = 1) -> Iterator[ProbeResult]:
    """The probe results of a story, in the order of time."""
    lines = lines_of(text)
    rng = random.Random(seed)
    countries = sorted({country for line in lines for country in line.countries})
    named = {platform for line in lines for platform in line.platforms if platform != "*"}
    monitors = [
        (Monitor(country, platform, n, v, 1 + (n + v) % world.regions), rng.uniform(0, world.every_seconds))
        for country, platform in itertools.product(countries, sorted(named | set(world.others)))
        for n in range(1, world.networks + 1)
        for v in range(1, world.vantages + 1)
    ]
    laws = [
        (monitor, phase, [line.marks for line in lines if line.holds(monitor)]) for monitor, phase in monitors
    ]
    laws.sort(key=lambda law: law[1])
    seconds = len(lines[0].marks) * world.mark_minutes * 60
    numbers = itertools.count()
    for beat in range(0, seconds, world.every_seconds):
        for monitor, phase, marks in laws:
            at = beat + phase
            place = int(at // (world.mark_minutes * 60))
            if place >= len(lines[0].marks):
                continue
            mark = next((m[place] for m in reversed(marks) if m[place] != "."), ".")
            if mark != "?":
                yield _result(monitor, at, mark, next(numbers), world, rng)


def _result(
    monitor: Monitor, at: float, mark: str, number: int, world: World, rng: random.Random
) -> ProbeResult:
    ok = rng.random() >= _LOSS[mark]
    stage, failure = (None, None) if ok else _WAY.get(mark, _NOISE)
    slow = 40.0 if mark == "s" else 1.0
    ttfb = rng.lognormvariate(4.6, 0.25) * slow
    return ProbeResult(
        id=f"s{number}",
        time=START + timedelta(milliseconds=int(at * 1000)),
        platform=monitor.platform,
        country=monitor.country,
        region=f"{monitor.country}-{monitor.region}",
        asn=64500 + monitor.network,
        vantage=f"{monitor.country.lower()}-n{monitor.network}-v{monitor.vantage}",
        ok=ok,
        stage=stage,
        failure=failure,
        control_ok=not (world.control_fails and mark in _WAY),
        timings_ms=Timings(dns=10.0, tcp=20.0, tls=40.0, ttfb=ttfb, total=ttfb + 100.0 * slow)
        if ok
        else None,
        bytes=60_000 if ok else 0,
        simulated=True,
    )


def tell(
    text: str,
    world: World = World(),
    *,
    seed: int = 1,
    calendar: Sequence[CalendarEvent] = (),
    settings: Settings | None = None,
) -> list[Incident]:
    """Every snapshot that the backtest gives of a story."""
    chosen = settings or load(time={"window_seconds": world.window_seconds})
    run = Backtest(chosen, calendar=calendar)
    return list(run.run(encode(result) for result in results(text, world, seed)))


def minutes(moment: datetime) -> float:
    """Minutes since the story began."""
    return (moment - START).total_seconds() / 60
