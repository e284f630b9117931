"""What is told of a calm world that the observatory itself hears badly: all of it is false.

`python -m benchmarks.calm --countries 30 --days 30 --seed 1` ends 1 where more than 0.1 incidents a series-month are
told, of whatever kind. The step is the live worker's own, with the append times of a broker, and one partition.

Countries take turns in how they report:

- `promised`: three networks of two vantages that promise a result every five minutes;
- `minute`: four networks of one vantage that promise one a minute;
- `poisson`: four networks of two vantages, at any moment, every five minutes on average, nothing promised;
- `nights`: the same, with a tenth of it at the quietest hour;
- `crowd`: sixty vantages that report now and then, six in ten of them on one network.

What goes wrong is the observatory's own: the broker is away (2 to 60 minutes; half of the vantages have a spool),
all probes pause (a deploy, half of them with `leaving`), those of one country are replaced (all at once with `leaving`,
or one after another without). Failures of a few in a hundred are usual everywhere, and drift.

A series-month is 30 days of one platform, or of the connectivity, of one country.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from operator import itemgetter
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from producers.countries import COUNTRIES
from producers.records import Tick, VantagePresence, VantageStatus, encode
from streams.machine import Chunk
from streams.publish.scorecard import poisson_interval
from streams.records import Incident
from streams.settings import load
from streams.step.country import CountryMachine
from streams.step.worldwide import WorldStep

BEGIN: Final = datetime(2026, 3, 2, tzinfo=UTC)
BAR: Final = 0.1
PLATFORMS: Final = ("x", "youtube")
TICK_SECONDS: Final = 5
DAY: Final = 86_400
#: Seconds between a result and the broker.
WAY: Final = 0.5
KINDS: Final = ("promised", "minute", "poisson", "nights", "crowd")
_SHARES: Final = (0.6, 0.2, 0.1, 0.06, 0.04)
_TICK: Final = encode(Tick(time=BEGIN))

Floats = NDArray[np.float64]
Stretch = tuple[float, float]
#: Seconds of the broker since the beginning, the order of what came at once, a key, a value.
Entry = tuple[float, int, bytes | None, bytes]


@dataclass(slots=True)
class Post:
    """One vantage: how it reports, and when it does not."""

    country: str
    asn: int
    vantage: str
    seconds: float  # between two results of one platform
    promised: bool
    nights: bool
    spools: bool
    good: float  # the usual share of its successes, as a logit
    away: list[Stretch] = field(default_factory=list)


@dataclass
class CalmWorld:
    """What came to the broker of a world in which nothing happens.

    Parameters
    ----------
    seed
        The same seed makes the same world.
    away_a_day, pauses_a_day, replaced_a_day
        How often the broker is away, all probes pause, and those of one country are replaced.
    """

    countries: int
    days: float
    seed: int
    away_a_day: float = 0.5
    pauses_a_day: float = 0.2
    replaced_a_day: float = 0.2

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)
        self.end = self.days * DAY
        self.names = self._draw.sample(sorted(COUNTRIES), self.countries)
        self.deaf = [self._long(at, 2, 60) for at in self._moments(self.away_a_day)]
        self.words: list[tuple[float, VantageStatus]] = []
        self.posts = [post for number, name in enumerate(self.names) for post in self._posts(name, number)]
        for at in self._moments(self.pauses_a_day):
            self._replace(self.posts, self._long(at, 5, 30), says=self._draw.random() < 0.5)
        for number, name in enumerate(self.names):
            mine = [post for post in self.posts if post.country == name]
            for at in self._moments(self.replaced_a_day):
                if KINDS[number % len(KINDS)] in ("promised", "minute") and self._draw.random() < 0.5:
                    self._replace(mine, self._long(at, 3, 20), says=True)
                else:
                    self._replace_in_turn(mine, at)

    def log(self) -> Iterator[Entry]:
        """What came to the broker, in its order."""
        order = count()
        streams = [self._results(post, seed, order) for seed, post in enumerate(self.posts)]
        words = (
            (at, next(order), said.country.encode(), encode(said))
            for at, said in sorted(self.words, key=itemgetter(0))
        )
        ticks = ((at, next(order), None, _TICK) for at in np.arange(0.0, self.end, TICK_SECONDS).tolist())
        heard = heapq.merge(*streams, words, ticks)
        yield from self._through_broker(heard)

    def _moments(self, a_day: float) -> list[float]:
        """When something begins; never in the first three hours, in which nothing is known."""
        at, moments = 3 * 3600.0, []
        while a_day > 0 and (at := at + self._draw.expovariate(a_day / DAY)) < self.end - 7200:
            moments.append(at)
        return moments

    def _long(self, at: float, least: float, most: float) -> Stretch:
        """A stretch from then on of so many minutes, short ones as often as long ones twice as long."""
        return at, at + 60 * least * (most / least) ** self._draw.random()

    def _posts(self, country: str, number: int) -> list[Post]:
        kind, draw = KINDS[number % len(KINDS)], self._draw
        networks = {"promised": 3, "crowd": len(_SHARES)}.get(kind, 4)
        of_network = {"minute": [1] * 4, "crowd": [round(60 * share) for share in _SHARES]}.get(
            kind, [2] * networks
        )
        seconds = {"minute": 60.0, "crowd": 2400.0}.get(kind, 300.0)
        return [
            Post(
                country,
                64_512 + 8 * number + network,
                f"{country.lower()}-{network}-{place}",
                seconds,
                kind in ("promised", "minute"),
                kind in ("nights", "crowd"),
                draw.random() < 0.5,
                draw.uniform(2.5, 5.0),
            )
            for network in range(networks)
            for place in range(of_network[network])
        ]

    def _replace(self, posts: list[Post], stretch: Stretch, *, says: bool) -> None:
        """Have vantages away at once; where they say so, in good order."""
        for post in posts:
            jitter = self._draw.random() * 5
            post.away.append((stretch[0] + jitter, stretch[1] + jitter))
            if says:
                for at, presence in zip(
                    post.away[-1], (VantagePresence.LEAVING, VantagePresence.UP), strict=True
                ):
                    self.words.append((at, _word(post, at, presence)))

    def _replace_in_turn(self, posts: list[Post], at: float) -> None:
        """Have vantages away one after another, for one to three minutes each."""
        for post in self._draw.sample(posts, len(posts)):
            until = at + self._draw.uniform(60, 180)
            post.away.append((at, until))
            at = until + self._draw.uniform(0, 30) if len(posts) < 20 else at + 20

    def _results(self, post: Post, number: int, order: Iterator[int]) -> Iterator[Entry]:
        """A vantage's results, in the order in which it measures."""
        draw = np.random.default_rng((self.seed, number))
        drift, key = 0.0, post.country.encode()
        for day in range(int(np.ceil(self.days))):
            drift = 0.9 * drift + 0.15 * float(draw.standard_normal())
            made: list[tuple[float, bytes]] = []
            for platform in PLATFORMS:
                times = self._times(post, day, draw)
                block = (0.25 * draw.standard_normal(48))[((times % DAY) // 1800).astype(np.int64)]
                evening = 0.3 * np.sin(2 * np.pi * times / DAY)
                ok = draw.random(len(times)) < 1 / (1 + np.exp(-(post.good + drift + block + evening)))
                made += [
                    (at, _value(post, platform, at, ok=good))
                    for at, good in zip(times.tolist(), ok.tolist(), strict=True)
                    if at < self.end and not any(begin <= at < end for begin, end in post.away)
                ]
            for at, value in sorted(made):
                yield at + WAY, next(order), key, value

    def _times(self, post: Post, day: int, draw: np.random.Generator) -> Floats:
        """When a vantage asks one platform on one day, in seconds since the beginning."""
        begin, many = day * DAY, DAY / post.seconds
        if post.promised:
            at = begin + (np.arange(int(many)) + 0.5) * post.seconds
            return np.asarray(at + draw.uniform(-0.05, 0.05, len(at)) * post.seconds)
        if not post.nights:
            return np.asarray(begin + draw.random(draw.poisson(many)) * DAY)
        at = draw.random(draw.poisson(1.8 * many)) * DAY
        kept = draw.random(len(at)) < (1.1 + 0.9 * np.sin(2 * np.pi * at / DAY)) / 2
        return np.asarray(begin + at[kept])

    def _through_broker(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """What reaches the broker: while it is away nothing does; half of the vantages send that later."""
        spools = {(post.country.encode(), post.vantage): post.spools for post in self.posts}
        waiting: list[Entry] = []
        stretches = iter(sorted(self.deaf))
        begin, end = next(stretches, (np.inf, np.inf))
        for entry in entries:
            while entry[0] >= end:
                yield from _sent_later(waiting, end)
                waiting = []
                begin, end = next(stretches, (np.inf, np.inf))
                begin = max(begin, entry[0])
            if entry[0] < begin:
                yield entry
            elif entry[2] is not None and spools[entry[2], _vantage_of(entry[3])]:
                waiting.append(entry)


def _sent_later(waiting: list[Entry], end: float) -> Iterator[Entry]:
    """What was spooled, within a quarter of a minute after the broker is back."""
    for place, (_, order, key, value) in enumerate(waiting):
        yield end + 15 * place / len(waiting), order, key, value


def _vantage_of(value: bytes) -> str:
    return value.split(b'"vantage":"', 1)[1].split(b'"', 1)[0].decode()


def _word(post: Post, at: float, presence: VantagePresence) -> VantageStatus:
    return VantageStatus(
        vantage=post.vantage,
        country=post.country,
        asn=post.asn,
        time=BEGIN + timedelta(seconds=at),
        status=presence,
        every_seconds=post.seconds if post.promised else None,
    )


def _value(post: Post, platform: str, at: float, *, ok: bool) -> bytes:
    moment = (BEGIN + timedelta(seconds=at)).isoformat()
    how = "" if ok else ',"stage":"tcp","failure":"generic_timeout_error"'
    promise = f',"every_seconds":{post.seconds:g}' if post.promised else ""
    return (
        f'{{"schema":"netdusk.probe/1","id":"{platform}{at:.3f}","time":"{moment}","platform":"{platform}",'
        f'"country":"{post.country}","asn":{post.asn},"vantage":"{post.vantage}","ok":{"true" if ok else "false"}'
        f',"simulated":true{how}{promise}}}'
    ).encode()


def told(world: CalmWorld, seen: Callable[[Incident], None] | None = None) -> list[Incident]:
    """The last snapshot of every incident that a live worker tells of a world."""
    settings = load(worker={"clock": "live"})
    machine, outside = CountryMachine(settings, publish_health=False), WorldStep(settings)
    last: dict[str, Incident] = {}
    begin_ms, offset = int(BEGIN.timestamp() * 1000), 0
    for _, minute in groupby(world.log(), lambda entry: entry[0] // 60):
        entries = list(minute)
        chunk = Chunk(
            "calm",
            0,
            range(offset, offset + len(entries)),
            [value for *_, value in entries],
            [begin_ms + int(at * 1000) for at, *_ in entries],
            [key for _, _, key, _ in entries],
        )
        offset += len(entries)
        incidents = machine.apply(machine.read(chunk)).incidents
        for reading in machine.closed:
            incidents += outside.step(reading)
        for incident in incidents:
            last[incident.id] = incident
            if seen is not None:
                seen(incident)
    return list(last.values())


def main(
    countries: Annotated[int, typer.Option(min=1)] = 30,
    days: Annotated[float, typer.Option(min=0.25)] = 30.0,
    seed: int = 1,
) -> None:
    """Run one world, and say what was told of it."""
    began = time.process_time()
    world = CalmWorld(countries, days, seed)

    def show(incident: Incident) -> None:
        if incident.seq == 1:
            typer.echo(f"{incident.onset:%d %H:%M} {incident.country} {incident.summary}")

    incidents = told(world, show)
    months = countries * (1 + len(PLATFORMS)) * days / 30
    low, high = (bound / months for bound in poisson_interval(len(incidents)))
    withdrawn = sum(incident.retracted for incident in incidents)
    typer.echo(
        f"{countries} countries, {days:g} days, seed {seed}: the broker away {len(world.deaf)} times, "
        f"{len(incidents)} told ({sum(one.confirmed for one in incidents)} confirmed, {withdrawn} withdrawn), "
        f"{len(incidents) / months:.3f} ({low:.3f} to {high:.3f}) a series-month, the bar {BAR}; "
        f"{time.process_time() - began:.0f} s of CPU"
    )
    raise typer.Exit(len(incidents) > BAR * months)


if __name__ == "__main__":
    typer.run(main)
