"""Made-up worlds whose truth is known: to tune on, to measure with, and to try netdusk without a vantage.

One `Simulation` (a world, a seed, a number of days) has two faces that show the same results:

- `windows()`: NumPy columns, one entry a closed window, with the fields of `detectors.readings.Counts`, for millions
  of results a second. Monitor codes index `monitors`; mechanism codes index `mechanisms` (0 is success)::

      simulation = Simulation(WORLDS["blackout"], seed=1, days=30, mechanisms=MECHANISMS)
      bank.add_monitors([MonitorKey(*monitor) for monitor in simulation.monitors])
      for window in simulation.windows():
          reading = bank.close(Counts(*window), watch)
      simulation.labels  # the truth, in the format that `netdusk backtest --labels` reads

- `results()`: the same as `ProbeResult` records, in order of time.

`days_of_counts()` is a third, for detectors that want no more than k of n by cell and window.

What disturbs every world, so that noise is not mistaken for an event: daily and weekly patterns, over-dispersion
(beta-binomial within a minute, and half-hours that are worse for a whole network), slow drift (an
Ornstein-Uhlenbeck walk of the logit), lost vantages, glitches of a minute or two. `bursty` sends its probes in
bursts. All results are marked as simulated; the countries are ISO codes of uninhabited territories first, the
networks have AS numbers kept for documentation (RFC 5398).

Refuses to know how anything is detected: the sizes below were chosen before any detector was run on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from producers.countries import COUNTRIES
from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings
from producers.steps import SCHEMES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WINDOW_SECONDS: Final = 60
DAY_SECONDS: Final = 86_400
#: A Monday.
BEGIN: Final = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())

#: Ways to fail that occur here, `stage.failure`, after success.
MECHANISMS: Final = (
    "ok",
    "http.generic_timeout_error",
    "tcp.generic_timeout_error",
    "dns.dns_temporary_failure",
    "tls.connection_reset",
    "tls.generic_timeout_error",
    "dns.dns_nxdomain_error",
    "http.blockpage",
    "tcp.connection_refused",
)
_NOISE: Final = np.array([1, 2, 3, 4], dtype=np.int64)
_NOISE_SHARES: Final = np.array([0.55, 0.2, 0.15, 0.1])


@dataclass(frozen=True, kw_only=True)
class EventKind:
    """One kind of event: how long it lasts, whom it strikes and how."""

    text: str
    hours: tuple[float, float]
    #: "platform", "connectivity" or "global".
    label: str = "platform"
    #: Which networks it strikes: "all", "one" or "mobile".
    networks: str = "all"
    #: Within how many seconds the networks begin.
    onset_spread_seconds: float = 90.0
    #: Seconds from one network to the next, least and most.
    staggered_seconds: tuple[float, float] = (0.0, 0.0)
    #: Share of the successes that is lost, least and most.
    drop: tuple[float, float] = (0.96, 0.99)
    ramp_seconds: tuple[float, float] = (0.0, 0.0)
    #: How many times slower at the top of the ramp, least and most.
    slower: tuple[float, float] = (1.0, 1.0)
    #: How many nights in a row at the same hour, least and most.
    nights: tuple[int, int] = (0, 0)


KINDS: Final[Mapping[str, EventKind]] = {
    "blackout": EventKind(text="one to three platforms, on all networks at once", hours=(1, 8)),
    "network": EventKind(text="one to three platforms, on one network of four", hours=(1, 8), networks="one"),
    "throttle": EventKind(
        text="slower and slower over half an hour or an hour, with timeouts",
        hours=(4, 10),
        drop=(0.25, 0.45),
        ramp_seconds=(1800, 3600),
        slower=(4, 8),
    ),
    "partial": EventKind(text="8 to 20 points of reachability lost", hours=(3, 8), drop=(0.08, 0.20)),
    "global": EventKind(
        text="the platform itself is down: every country, and the controls",
        hours=(0.5, 2),
        label="global",
        drop=(0.85, 0.95),
    ),
    "blip": EventKind(text="ten minutes of a full block", hours=(1 / 6, 1 / 6), onset_spread_seconds=20.0),
    "shutdown": EventKind(text="silence: no results from any network", hours=(1, 8), label="connectivity"),
    "nightly": EventKind(
        text="silence at the same hours of three to five nights",
        hours=(5, 5),
        label="connectivity",
        nights=(3, 5),
    ),
    "mobile": EventKind(
        text="one to three platforms, on the mobile networks (half of them)", hours=(2, 8), networks="mobile"
    ),
    "rollout": EventKind(
        text="one network after another, 5 to 20 minutes apart",
        hours=(3, 8),
        onset_spread_seconds=0.0,
        staggered_seconds=(300, 1200),
    ),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """What a simulated world is like.

    Parameters
    ----------
    volume
        Probes a minute of one platform in one country, over all its networks.
    drift
        Times the usual slow drift; 2 is twice as strong.
    events
        Names of `KINDS`, drawn from in turn. Empty: a world in which nothing happens.
    burst_minutes
        Above 0, a vantage sends what it has for so many minutes within one.
    gap_hours
        Calm between two events of a country.
    warmup_days
        Calm before the first one, for baselines to be learned.
    """

    text: str = ""
    countries: int = 1
    platforms: tuple[str, ...] = ("x", "facebook", "youtube", "wikipedia")
    networks: int = 4
    vantages: int = 2
    volume: float = 12.0
    drift: float = 1.0
    dispersion: float = 1.0
    events: tuple[str, ...] = ()
    gap_hours: tuple[float, float] = (10.0, 30.0)
    warmup_days: float = 3.0
    vantage_losses_a_week: float = 0.5
    glitches_a_day: float = 1.0
    burst_minutes: float = 0.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.events if name not in KINDS]
        if unknown:
            raise ValueError(f"events {unknown}: choose from {', '.join(KINDS)}")
        if not 0 < self.volume <= 10_000:
            raise ValueError(f"volume {self.volume}: probes a minute of one platform, above 0, at most 10000")
        if not 1 <= self.countries <= len(_PLACES):
            raise ValueError(f"countries {self.countries}: 1 to {len(_PLACES)}")
        if min(self.networks, self.vantages, len(self.platforms)) < 1:
            raise ValueError("networks, vantages and platforms: at least 1 of each")


_EMPTY: Final = (
    "AQ",
    "BV",
    "GS",
    "HM",
    "IO",
    "TF",
    "UM",
)  # nobody lives there whom a made-up event might concern
_PLACES: Final = (*_EMPTY, *sorted(COUNTRIES - set(_EMPTY)))
#: The first AS number that is reserved for documentation (RFC 5398).
_ASN: Final = 64496

WORLDS: Final[Mapping[str, World]] = {
    "quiet": World(text="nothing happens"),
    "drifting": World(text="nothing happens; drift is twice as strong", drift=2.0),
    "bursty": World(
        text="blackouts and silences; probes come in bursts",
        events=("blackout", "shutdown"),
        burst_minutes=10.0,
    ),
    "lossy": World(
        text="nothing happens; vantages are lost and glitch often",
        vantage_losses_a_week=5.0,
        glitches_a_day=6.0,
    ),
    **{name: World(text=kind.text, events=(name,)) for name, kind in KINDS.items()},
    "mixed": World(text="every kind of event in turn", events=tuple(KINDS)),
}


class Monitor(NamedTuple):
    """One vantage that watches one platform; the fields of `detectors.readings.PostKey`."""

    platform: str
    country: str
    region: str
    asn: int
    vantage: str
    simulated: bool


class WindowRows(NamedTuple):
    """What one window held, a row a result; the fields of `detectors.readings.Counts`, in that order."""

    start: int
    end: int
    monitor: NDArray[np.int32]
    ok: Bools
    mechanism: NDArray[np.int16]
    control: NDArray[np.int8]
    ttfb_ms: NDArray[np.float32]
    throughput: NDArray[np.float32]


class Cell(NamedTuple):
    """A series: one platform in one country on one network."""

    platform: str
    country: str
    asn: int


class DayOfCounts(NamedTuple):
    """k successes of n probes, cells by windows of one day, and the mean time to first byte (NaN where none)."""

    start: int
    k: Ints
    n: Ints
    ttfb_ms: Floats


@dataclass(frozen=True)
class _Disruption:
    """One event in one country. Times are seconds since 1970; networks are indices."""

    name: str
    country: int
    platforms: tuple[int, ...]
    #: By network; inf if untouched.
    begin: Floats
    end: Floats
    drop: float
    ramp: float
    slower: float
    #: By network.
    mechanism: Ints


@dataclass(frozen=True)
class _DayResults:
    """The results of one day, in order of time."""

    time: Floats
    monitor: Ints
    ok: Bools
    mechanism: Ints
    control: NDArray[np.int8]
    ttfb_ms: Floats
    throughput: Floats
    size: Ints


@dataclass
class Simulation:
    """One world, run.

    Attributes
    ----------
    monitors
        Every vantage at every platform; `windows()` and the codes in it follow this order.
    cells
        Every series; the rows of `days_of_counts()`.
    labels
        What truly happens, in order of time: `start`, `end`, `country` (None: all), `platforms` (empty: all),
        `asns`, `kind`, and `event`, the name of the kind of event.

    Examples
    --------
    >>> simulation = Simulation(world("blackout", warmup_days=0.1), seed=4, days=2)
    >>> len(list(simulation.windows()))
    2880
    >>> simulation.labels[0]["event"], simulation.labels[0]["country"]
    ('blackout', 'AQ')
    """

    world: World
    seed: int
    days: int
    mechanisms: Sequence[str] = MECHANISMS
    monitors: list[Monitor] = field(init=False)
    cells: list[Cell] = field(init=False)
    labels: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError(f"days {self.days}: at least 1")
        missing = [name for name in MECHANISMS if name not in self.mechanisms]
        if missing:
            raise ValueError(f"mechanisms lack {missing}")
        world = self.world
        self._code = np.array([list(self.mechanisms).index(name) for name in MECHANISMS], dtype=np.int16)
        places = _PLACES[: world.countries]
        self.cells = [
            Cell(platform, country, _ASN + network)
            for country in places
            for network in range(world.networks)
            for platform in world.platforms
        ]
        self.monitors = [
            Monitor(
                cell.platform,
                cell.country,
                f"{cell.country}-{1 + vantage % 2:02d}",
                cell.asn,
                f"{cell.country.lower()}-{cell.asn}-{vantage}",
                True,
            )
            for cell in self.cells
            for vantage in range(world.vantages)
        ]
        platforms, n = len(world.platforms), world.vantages
        monitor = np.arange(len(self.monitors))
        self._cell_of = monitor // n
        self._platform_of = self._cell_of % platforms
        self._line_of = self._cell_of // platforms  # country and network
        self._network_of = self._line_of % world.networks
        self._country_of = self._line_of // world.networks
        self._vantage_of = self._line_of * n + monitor % n
        random = self._random(0)
        self._usual(random)
        self._troubles(random)
        self._events = self._plan(random)
        self.labels = self._truth()

    # the faces

    def windows(self) -> Iterator[WindowRows]:
        """Every window of the run, the empty ones too."""
        for day, rows in self._run():
            start = BEGIN + day * DAY_SECONDS
            of = ((rows.time - start) // WINDOW_SECONDS).astype(np.int64)
            bounds = np.searchsorted(of, np.arange(DAY_SECONDS // WINDOW_SECONDS + 1))
            monitor, mechanism = rows.monitor.astype(np.int32), self._code[rows.mechanism]
            ttfb, throughput = rows.ttfb_ms.astype(np.float32), rows.throughput.astype(np.float32)
            for i in range(DAY_SECONDS // WINDOW_SECONDS):
                cut = slice(bounds[i], bounds[i + 1])
                begin = start + i * WINDOW_SECONDS
                yield WindowRows(
                    begin,
                    begin + WINDOW_SECONDS,
                    monitor[cut],
                    rows.ok[cut],
                    mechanism[cut],
                    rows.control[cut],
                    ttfb[cut],
                    throughput[cut],
                )

    def days_of_counts(self) -> Iterator[DayOfCounts]:
        """k of n by cell and window, a day at a time."""
        windows = DAY_SECONDS // WINDOW_SECONDS
        shape = (len(self.cells), windows)
        for day, rows in self._run():
            start = BEGIN + day * DAY_SECONDS
            of = ((rows.time - start) // WINDOW_SECONDS).astype(np.int64)
            place = self._cell_of[rows.monitor] * windows + of
            size = shape[0] * shape[1]
            measured = ~np.isnan(rows.ttfb_ms)
            times = np.bincount(place[measured], rows.ttfb_ms[measured], size)
            answered = np.bincount(place[measured], minlength=size)
            with np.errstate(invalid="ignore"):
                ttfb = times / answered
            yield DayOfCounts(
                start,
                np.bincount(place[rows.ok], minlength=size).reshape(shape),
                np.bincount(place, minlength=size).reshape(shape),
                ttfb.reshape(shape),
            )

    def results(self) -> Iterator[ProbeResult]:
        """Every result as a record, in order of time."""
        ways: list[tuple[Stage, Failure] | tuple[None, None]] = [(None, None)]
        for name in MECHANISMS[1:]:
            stage_name, failure_name = name.split(".")
            ways.append((Stage(stage_name), Failure(failure_name)))
        stages = SCHEMES["https"]
        control = {-1: None, 0: False, 1: True}
        serial = 0
        for day, rows in self._run():
            steps = _early_steps(self._random(4, day), len(rows.time)).round(1).T.tolist()
            columns = (
                rows.time,
                rows.monitor,
                rows.mechanism,
                rows.control,
                rows.ttfb_ms,
                rows.throughput,
                rows.size,
            )
            lists = zip(*(column.tolist() for column in columns), steps, strict=True)
            for time, code, way, checked, ttfb, speed, size, early in lists:
                monitor = self.monitors[code]
                stage, failure = ways[way]
                if stage is None:
                    ttfb = round(ttfb, 3)
                    passed = [*early, ttfb]
                    total = ttfb + size / speed * 1000
                else:
                    done = stages.index(stage)
                    passed = [early[step] if step < done else None for step in range(3)] + [None]
                    total = 10_000.0 if failure is Failure.GENERIC_TIMEOUT_ERROR else sum(early[: done + 1])
                yield ProbeResult(
                    id=f"sim-{self.seed}-{serial:08x}",
                    time=datetime.fromtimestamp(time, UTC),
                    platform=monitor.platform,
                    target=f"https://{monitor.platform}.example/",
                    country=monitor.country,
                    region=monitor.region,
                    asn=monitor.asn,
                    vantage=monitor.vantage,
                    ok=stage is None,
                    stage=stage,
                    failure=failure,
                    control_ok=control[checked],
                    timings_ms=Timings(
                        dns=passed[0], tcp=passed[1], tls=passed[2], ttfb=passed[3], total=round(total, 3)
                    ),
                    bytes=size if stage is None else 0,
                    simulated=True,
                )
                serial += 1

    # what is drawn once

    def _random(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([0x6475736B, self.seed, *stream])

    def _usual(self, random: np.random.Generator) -> None:
        """How often each cell succeeds when nothing is the matter, and how that moves."""
        world = self.world
        lines, cells = world.countries * world.networks, len(self.cells)
        losing = np.clip(random.lognormal(math.log(0.02), 0.7, cells), 0.003, 0.10)
        self._logit = np.log((1 - losing) / losing)
        self._swing = random.uniform(0.1, 0.5, lines)
        self._peak_hour = random.uniform(18, 23, lines)
        self._weekend = random.normal(0.0, 0.15, lines)
        self._wander = 0.30 * world.drift * _walk(random, lines, self.days)
        self._wander_cell = 0.20 * world.drift * _walk(random, cells, self.days)
        self._ttfb_log = random.normal(math.log(220.0), 0.3, cells)
        self._speed_log = random.normal(math.log(400_000.0), 0.4, cells)
        self._phase = random.random(len(self.monitors))
        self._burst_phase = random.random(lines * world.vantages)
        grid = np.arange(self.days * 24 + 1) * 3600.0
        hour = (grid / 3600) % 24
        pace = (
            world.volume
            / (world.networks * world.vantages)
            / 60
            * (1 + 0.15 * np.cos((hour - 20) * np.pi / 12))
        )
        rounds = np.concatenate(([0.0], np.cumsum((pace[1:] + pace[:-1]) / 2 * 3600)))
        self._grid, self._rounds = BEGIN + grid, rounds

    def _troubles(self, random: np.random.Generator) -> None:
        """Add vantages that are away for a while, and bad minutes of a network. No label counts them as events."""
        world = self.world
        vantages = world.countries * world.networks * world.vantages
        span = self.days * DAY_SECONDS
        losses = random.poisson(world.vantage_losses_a_week * world.countries * self.days / 7)
        away = np.exp(random.uniform(math.log(3600), math.log(2 * DAY_SECONDS), losses))
        begin = BEGIN + random.uniform(0, span, losses)
        who = random.integers(0, vantages, losses)
        self._losses = list(zip(who.tolist(), begin.tolist(), (begin + away).tolist(), strict=True))
        glitches = random.poisson(world.glitches_a_day * world.countries * self.days)
        start = BEGIN + random.uniform(0, span, glitches)
        lines = random.integers(0, world.countries * world.networks, glitches)
        lasting = random.uniform(30, 120, glitches)
        share = random.uniform(0.3, 1.0, glitches)
        self._glitches = list(
            zip(lines.tolist(), start.tolist(), (start + lasting).tolist(), share.tolist(), strict=True)
        )

    def _plan(self, random: np.random.Generator) -> list[_Disruption]:
        """The events of every country, never two at once in one."""
        world = self.world
        last = BEGIN + self.days * DAY_SECONDS - 3 * 3600
        events: list[_Disruption] = []
        local = [name for name in world.events if name != "global"]
        free = np.full(world.countries, BEGIN + world.warmup_days * DAY_SECONDS)
        turn = int(random.integers(0, max(1, len(world.events))))
        while world.events:
            name = world.events[turn % len(world.events)]
            turn += 1
            together = name == "global" or not local
            places = range(world.countries) if together else [int(np.argmin(free))]
            start = float(max(free[place] for place in places)) + 3600 * random.uniform(*world.gap_hours)
            kind = KINDS[name]
            lasting = 3600 * random.uniform(*kind.hours)
            times = [start]
            if kind.nights[1]:
                first = start - start % DAY_SECONDS + DAY_SECONDS + 3600 * random.integers(0, 3)
                nights = int(random.integers(kind.nights[0], kind.nights[1] + 1))
                times = [first + night * DAY_SECONDS for night in range(nights)]
            if times[-1] + lasting > last:
                break
            made = self._one(random, name, places, times, lasting)
            events.extend(made)
            for place in places:
                free[place] = max(
                    float(e.end[np.isfinite(e.begin)].max()) for e in made if e.country == place
                )
        return sorted(events, key=lambda event: (float(event.begin.min()), event.country))

    def _one(
        self,
        random: np.random.Generator,
        name: str,
        places: Sequence[int],
        times: Sequence[float],
        lasting: float,
    ) -> list[_Disruption]:
        world, kind = self.world, KINDS[name]
        count = len(world.platforms)
        struck = 1 if name == "global" or count == 1 else int(random.integers(1, min(3, count - 1) + 1))
        platforms = tuple(sorted(random.choice(max(1, count - 1), struck, replace=False).tolist()))
        if kind.label == "connectivity":
            platforms = tuple(range(count))
        touched = np.ones(world.networks, dtype=bool)
        if kind.networks == "one":
            touched[:] = np.arange(world.networks) == random.integers(0, world.networks)
        elif kind.networks == "mobile":
            touched[:] = np.arange(world.networks) < max(1, world.networks // 2)
        way = random.choice([4, 4, 5, 6, 7])
        mechanism = np.full(world.networks, way)
        if name == "throttle":
            mechanism[:] = 1
        elif name == "global":
            mechanism[:] = random.choice([1, 2, 8])
        elif world.networks > 1 and random.random() < 0.3:
            mechanism[random.integers(0, world.networks)] = random.choice([4, 5, 6, 7])
        drop, ramp, slower = (random.uniform(*of) for of in (kind.drop, kind.ramp_seconds, kind.slower))
        made = []
        for start in times:
            for place in places:
                spread = np.minimum(
                    random.exponential(max(kind.onset_spread_seconds / 4, 1e-9), world.networks),
                    kind.onset_spread_seconds,
                )
                steps = random.uniform(*kind.staggered_seconds, world.networks)
                steps[0] = 0.0
                begin = start + spread + random.permutation(np.cumsum(steps))
                begin -= begin[touched].min() - start
                end = start + lasting + np.minimum(spread[::-1], 60.0)
                made.append(
                    _Disruption(
                        name,
                        place,
                        platforms,
                        np.where(touched, begin, np.inf),
                        np.where(touched, end, -np.inf),
                        drop,
                        ramp,
                        slower,
                        mechanism,
                    )
                )
        return made

    def _truth(self) -> list[dict[str, Any]]:
        world = self.world
        labels = []
        seen: set[float] = set()
        for event in self._events:
            kind = KINDS[event.name]
            touched = np.isfinite(event.begin)
            start = float(event.begin[touched].min())
            if kind.label == "global":
                if start in seen:
                    continue
                seen.add(start)
            labels.append(
                {
                    "start": _text(start),
                    "end": _text(float(event.end[touched].max())),
                    "country": None if kind.label == "global" else _PLACES[event.country],
                    "platforms": []
                    if kind.label == "connectivity"
                    else [world.platforms[platform] for platform in event.platforms],
                    "asns": [_ASN + int(network) for network in np.flatnonzero(touched)],
                    "kind": kind.label,
                    "event": event.name,
                }
            )
        return labels

    # what is drawn a day at a time

    def _run(self) -> Iterator[tuple[int, _DayResults]]:
        times, monitors = np.empty(0), np.empty(0, dtype=np.int64)
        for day in range(self.days):
            new_times, new_monitors = self._schedule(day)
            times, monitors = np.concatenate((times, new_times)), np.concatenate((monitors, new_monitors))
            here = times < BEGIN + (day + 1) * DAY_SECONDS
            order = np.argsort(times[here], kind="stable")
            yield day, self._outcomes(day, times[here][order], monitors[here][order])
            times, monitors = times[~here], monitors[~here]

    def _schedule(self, day: int) -> tuple[Floats, Ints]:
        """Return when each monitor's probes of this day begin: its own phase, a jitter, and a burst if it has one."""
        random = self._random(1, day)
        edge = BEGIN + np.array([day, day + 1]) * float(DAY_SECONDS)
        first, last = np.ceil(np.interp(edge, self._grid, self._rounds)[:, None] - self._phase).astype(
            np.int64
        )
        counts = last - first
        monitor = np.repeat(np.arange(len(self.monitors)), counts)
        turn = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[monitor]
        due = turn + self._phase[monitor] + 0.5 * random.random(len(monitor))
        time = np.interp(due, self._rounds, self._grid)
        if self.world.burst_minutes > 0:
            period = self.world.burst_minutes * 60
            shifted = time + self._burst_phase[self._vantage_of[monitor]] * period
            share = (shifted % period) / period
            time = time - shifted % period + period - 60 * (1 - share)
        time = np.floor(time * 1000) / 1000  # as records have it
        kept = time < self._grid[-1]
        return time[kept], monitor[kept]

    def _outcomes(self, day: int, time: Floats, monitor: Ints) -> _DayResults:
        random = self._random(2, day)
        for vantage, begin, end in self._losses:
            if begin < BEGIN + (day + 1) * DAY_SECONDS and end > BEGIN + day * DAY_SECONDS:
                kept = (self._vantage_of[monitor] != vantage) | (time < begin) | (time >= end)
                time, monitor = time[kept], monitor[kept]
        n = len(time)
        minute = ((time - BEGIN - day * DAY_SECONDS) // 60).astype(np.int64)
        cell, line = self._cell_of[monitor], self._line_of[monitor]
        ok = random.random(n) < self._chances(random, day)[cell, minute]
        mechanism = random.choice(_NOISE, n, p=_NOISE_SHARES)
        hour = (time / 3600) % 24
        busy = 1 + 0.25 * np.cos((hour - self._peak_hour[line]) * np.pi / 12)
        ttfb = np.exp(self._ttfb_log[cell] + 0.45 * random.standard_normal(n)) * busy
        speed = np.exp(self._speed_log[cell] + 0.5 * random.standard_normal(n)) / busy
        size = random.integers(20_000, 200_000, n)
        control = np.where(random.random(n) < 0.9, 1, -1).astype(np.int8)
        draw = random.random(n)
        for where, begin, end, share in self._glitches:
            if begin < BEGIN + (day + 1) * DAY_SECONDS and end > BEGIN + day * DAY_SECONDS:
                ok &= ~((line == where) & (time >= begin) & (time < end) & (draw < share))
        silent = np.zeros(n, dtype=bool)
        for number, event in enumerate(self._events):
            if self._today(event, day):
                rows = self._struck(event, time, monitor)
                own = self._random(3, day, number)
                if KINDS[event.name].label == "connectivity":
                    silent[rows] |= own.random(len(rows)) < 0.995
                    continue
                since = time[rows] - event.begin[self._network_of[monitor[rows]]]
                ramp = np.minimum(1.0, since / event.ramp) if event.ramp > 0 else np.ones(len(rows))
                lost = rows[own.random(len(rows)) < event.drop * ramp]
                lost = lost[ok[lost]]
                ok[lost] = False
                mechanism[lost] = event.mechanism[self._network_of[monitor[lost]]]
                ttfb[rows] *= 1 + (event.slower - 1) * ramp
                speed[rows] /= 1 + (event.slower - 1) * ramp
                if event.name == "global":
                    control[lost] = np.where(own.random(len(lost)) < 0.9, 0, control[lost])
        kept = ~silent
        mechanism = np.where(ok, 0, mechanism)
        ttfb, speed = np.where(ok, ttfb, np.nan), np.where(ok, speed, np.nan)
        return _DayResults(
            time[kept],
            monitor[kept],
            ok[kept],
            mechanism[kept],
            control[kept],
            ttfb[kept],
            speed[kept],
            size[kept],
        )

    def _chances(self, random: np.random.Generator, day: int) -> Floats:
        """The chance of success by cell and minute of this day."""
        world = self.world
        platforms = len(world.platforms)
        minutes = np.arange(DAY_SECONDS // 60)
        hour = minutes / 60
        daily = -self._swing[:, None] * np.cos((hour[None, :] - self._peak_hour[:, None]) * np.pi / 12)
        weekend = (self._weekend if day % 7 >= 5 else 0 * self._weekend)[:, None]
        clumps = world.dispersion * 0.25 * random.standard_normal((len(self._swing), len(minutes) // 30))
        hours = day * 24 + hour
        spans = np.arange(self._wander.shape[1])
        line = daily + weekend + np.repeat(clumps, 30, axis=1)
        line += np.stack([np.interp(hours, spans, walk) for walk in self._wander])
        logit = np.repeat(line, platforms, axis=0) + self._logit[:, None]
        logit += np.stack([np.interp(hours, spans, walk) for walk in self._wander_cell])
        chance = np.clip(1 / (1 + np.exp(-logit)), 0.001, 0.999)
        if world.dispersion > 0:
            trust = 80.0 / world.dispersion
            chance = random.beta(chance * trust, (1 - chance) * trust)
        return chance

    def _today(self, event: _Disruption, day: int) -> bool:
        begins = BEGIN + day * DAY_SECONDS
        touched = np.isfinite(event.begin)
        return bool(event.begin[touched].min() < begins + DAY_SECONDS and event.end[touched].max() > begins)

    def _struck(self, event: _Disruption, time: Floats, monitor: Ints) -> Ints:
        network = self._network_of[monitor]
        struck = (self._country_of[monitor] == event.country) & np.isin(
            self._platform_of[monitor], event.platforms
        )
        struck &= (time >= event.begin[network]) & (time < event.end[network])
        return np.flatnonzero(struck)


def _walk(random: np.random.Generator, n: int, days: int, *, hours: float = 48.0) -> Floats:
    """n Ornstein-Uhlenbeck walks by the hour, of unit variance, that forget in `hours`."""
    keep = math.exp(-1 / hours)
    steps = random.standard_normal((n, days * 24 + 1)) * math.sqrt(1 - keep * keep)
    steps[:, 0] = random.standard_normal(n)
    for hour in range(1, steps.shape[1]):
        steps[:, hour] += keep * steps[:, hour - 1]
    return steps


def _early_steps(random: np.random.Generator, n: int) -> Floats:
    """Milliseconds of DNS, TCP and TLS."""
    middle = np.log([[12.0], [40.0], [80.0]])
    steps: Floats = np.exp(middle + 0.4 * random.standard_normal((3, n)))
    return steps


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds), UTC).isoformat()


def world(name: str, **changes: Any) -> World:
    """A world by its name, with changes.

    Raises
    ------
    ValueError
        A name that is none of `WORLDS`, or a change out of bounds.

    >>> world("quiet", volume=3).volume
    3
    """
    if name not in WORLDS:
        raise ValueError(f"world {name!r}: choose from {', '.join(WORLDS)}")
    return replace(WORLDS[name], **changes)
