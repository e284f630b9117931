"""The words between the rooms: what the detectors are given of one closed window, and what they say of it.

`Counts` goes in, by columns; a `Reading` comes out, by country, and only for the countries in which something
stirs or is being watched: a calm world costs the assembler nothing.

Times are seconds since 1970, UTC. Ratios are 0 to 1. A score of 1.0 is the alarm's threshold, for every detector
and series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

PartKey = tuple[str, int, str]  # platform ("": the whole network), asn (0: a region), region ("": a network)


class Spell(NamedTuple):
    """Some hours in which a part was a little worse than usual: their share of successes, and results an hour."""

    since: int
    until: int
    ratio: float
    an_hour: float


class Congestion(NamedTuple):
    """Hours in which a network was slow, whatever was asked of it: how much, in logarithms, and in how many windows.

    By the name of what was measured (as in `Slowness`), and by hour of the day (UTC).
    """

    hours: Mapping[str, Mapping[int, tuple[float, float]]]


class MonitorKey(NamedTuple):
    """One vantage that watches one target of one platform: the smallest thing that is counted.

    `region` and `target` are "" where none was given. Simulated and real results never share a series.
    """

    platform: str
    country: str
    region: str
    asn: int
    vantage: str
    simulated: bool
    target: str = ""


class Arrived(NamedTuple):
    """How many results were due of late from a country's vantages, and how many windows with results came."""

    awaited: float
    came: float


class LateResults(NamedTuple):
    """Results of one vantage in one past window (its start) that came too late to be counted in it."""

    country: str
    simulated: bool
    asn: int
    vantage: str
    start: int
    good: int
    n: int


class VantageWord(NamedTuple):
    """What a vantage says of itself: that it is up, with the rhythm that it promises (0: none), or that it leaves.

    `at` is when it said so, seconds since 1970; None: in the window.
    """

    country: str
    asn: int
    vantage: str
    up: bool
    every_seconds: float = 0.0
    at: int | None = None


@dataclass(slots=True)
class Counts:
    """What one window of event time held, rows summed by (monitor, mechanism): parallel columns, no order.

    `monitor` and `mechanism` are codes: the order in which the bank was told of the monitor (`Bank.add_monitors`), and
    an index into the bank's list of mechanisms (0 is success). A window without rows has empty columns.
    """

    start: int
    end: int
    # Per row.
    monitor: NDArray[np.int32]
    ok: NDArray[np.bool_]
    mechanism: NDArray[np.int16]
    # -1 not known, 0 the control failed too, 1 the control was fine.
    control: NDArray[np.int8]
    # NaN where not measured.
    ttfb_ms: NDArray[np.float32]
    # Body bytes a second, NaN where not measured.
    throughput: NDArray[np.float32]
    # How many results each row stands for; None: one each.
    weight: NDArray[np.int64] | None = None
    # The promised rhythm, 0 where none is; None: none at all.
    every_seconds: NDArray[np.float32] | None = None
    #: The speed as a share of that of its own control, below 0 where there was none; None: nowhere.
    contrast: NDArray[np.float32] | None = None
    #: What was due and what came lately from countries that another process watches, by country and whether simulated.
    elsewhere: Mapping[tuple[str, bool], Arrived] = field(default_factory=dict)
    #: How many windows ago the last window was of which that is known, by whether simulated.
    elsewhere_ago: Mapping[bool, int] = field(default_factory=dict)
    # In the order of time.
    words: Sequence[VantageWord] = ()
    # What came since the window before, and is of windows that are closed.
    late: Sequence[LateResults] = ()
    # Whether part of it could not be heard: then only what did come says anything.
    deaf: bool = False

    def weighing(self, rows: NDArray[Any]) -> NDArray[np.int64] | None:
        """Return how many results each row stands for, or None for one each."""
        return None if self.weight is None else self.weight[rows]


class Opinion(StrEnum):
    """What a series says in one window. UNSURE is no evidence: it opens nothing and resolves nothing."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How one series (a network, a region or the whole country, on one platform) stands after a window."""

    opinion: Opinion
    # 1.0 alarms.
    score: float
    # Probes in this window.
    n: int
    # Successes in this window.
    k: int
    # Its usual ratio at this hour.
    expected: float
    # Its ratio now, over as many recent windows as it takes to say.
    reachability: float
    # Start of the window in which the present excursion began; None when there is none.
    onset: int | None
    # Results since the onset on which this rests (0 without one)
    probes: int
    # Vantages that have reported lately.
    vantages: int
    # Of these, how many share the shortfall.
    vantages_bad: int
    # It has reported lately, measured against its own usual rate.
    live: bool
    # The evidence that scores 1.0, as a share of what it takes where its country says nothing.
    bar: float = 1.0
    # By how much its results since the onset fall short of the usual ratio, 0 to 1 (0 without one). `reachability`
    # looks back further, and falls late where few results come.
    short: float = 0.0
    # Of its vantages, those that are well while most are not: they have no vote, and are in none of its figures.
    vantages_apart: int = 0


class Volume(msgspec.Struct, frozen=True, gc=False):
    """How many results one network sends against its usual number, over all platforms."""

    # BAD: dark.
    opinion: Opinion
    score: float
    # Results in this window.
    seen: float
    # Expected results a window.
    usual: float
    # Start of the first silent window.
    onset: int | None
    # Was it alive before the silence, or is it now.
    live: bool
    # Start of the first window with results.
    first: int | None = None
    # One of its vantages has a rhythm, promised or shown.
    steady: bool = False


class Slowness(msgspec.Struct, frozen=True, gc=False):
    """Time to first byte or throughput of one network on one platform against its usual (throttling)."""

    opinion: Opinion
    score: float
    measure: str  # "ttfb_ms" or "throughput"
    now: float
    usual: float
    onset: int | None
    # This window's speed as a share of the usual; None where nothing was measured.
    pace: float | None = None


class Contrasted(NamedTuple):
    """What one network's contrasts (speeds as shares of their controls') came to of late, by their logarithms, base 2.

    How many there were, those of long ago counted less; the sum of the logarithms, and that of their squares.
    """

    n: float
    total: float
    square: float


class SeatStanding(NamedTuple):
    """How one vantage of a network does on one platform of late.

    `vantage` is its number, `excess` its ratio of late less the usual one, `last` the start of the last window in which
    it had results, `region` where it is, empty if it says none or several.
    """

    platform: str
    vantage: int
    excess: float
    last: int
    region: str = ""


class TargetStanding(msgspec.Struct, frozen=True, gc=False):
    """How one target of a platform stands in one country, over all networks."""

    # Results in this window.
    n: int
    # Successes in this window.
    k: int
    # The usual ratio of the monitors that have watched it lately.
    expected: float
    # Their ratio of late.
    reachability: float
    # From which it has been watched lately.
    networks: int
    # Of these, how many have lost it.
    networks_bad: int
    dead: (
        bool  # its results fail with their controls, and other targets' do not: no evidence of anything else
    )


class TargetResults(NamedTuple):
    """What one network had of one target in a window, and the successes that were due."""

    n: int
    k: int
    due: float


@dataclass(slots=True)
class CountryReading:
    """Everything that a decision about one country needs, after one window."""

    country: str
    simulated: bool
    start: int
    end: int
    # Pooled over the country's networks.
    platforms: Mapping[str, Standing] = field(default_factory=dict)
    # (platform, asn)
    networks: Mapping[tuple[str, int], Standing] = field(default_factory=dict)
    #: (platform, asn): successes, probes and usual ratio of the last windows, (windows, 3), this one last.
    past: Mapping[tuple[str, int], NDArray[np.float64]] = field(default_factory=dict, compare=False)
    # (platform, region)
    regions: Mapping[tuple[str, str], Standing] = field(default_factory=dict)
    # Asn; networks long gone are left out.
    volumes: Mapping[int, Volume] = field(default_factory=dict)
    #: Results that are usual of all its networks in a window, those long gone too.
    usual_results: float = 0.0
    #: By region: results of its vantages that have a rhythm, where these are enough to say something.
    region_volumes: Mapping[str, Volume] = field(default_factory=dict)
    # (platform, asn)
    slowness: Mapping[tuple[str, int], Slowness] = field(default_factory=dict)
    #: (platform, asn), where speeds have come beside those of their controls.
    contrasts: Mapping[tuple[str, int], Contrasted] = field(default_factory=dict, compare=False, repr=False)
    #: Asn: how its vantages do on each platform.
    seats: Mapping[int, Sequence[SeatStanding]] = field(default_factory=dict, compare=False, repr=False)
    mechanisms: Mapping[tuple[str, int], Mapping[str, int]] = field(
        default_factory=dict
    )  # failures of this window
    control: Mapping[str, tuple[int, int]] = field(
        default_factory=dict
    )  # platform: failing rows whose control was (good, bad)
    # (platform, asn): the same, of one network.
    network_control: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    # Asn: vantages that have reported lately.
    vantages: Mapping[int, int] = field(default_factory=dict)
    #: (platform, target), for platforms of which several targets are watched.
    targets: Mapping[tuple[str, str], TargetStanding] = field(default_factory=dict)
    #: (platform, asn): by target, for such platforms where something stirs; only of monitors whose usual is known.
    addresses: Mapping[tuple[str, int], Mapping[str, TargetResults]] = field(default_factory=dict)
    #: Platforms that began with their country, and of which most networks have no usual of their own yet.
    warming: frozenset[str] = frozenset()
    # Asn: the regions it reports from.
    homes: Mapping[int, Sequence[str]] = field(default_factory=dict)
    #: Why a silence here may be the observatory's own (`snapshots.Doubt`); None: it is shown to be none.
    silence_doubt: str | None = None
    #: Asn, start of a past window: results (good, all) of it that came too late, from vantages that are known for long.
    late: Mapping[int, Mapping[int, tuple[int, int]]] = field(default_factory=dict)
    #: By region, start of a past window: the same, of its vantages.
    late_regions: Mapping[str, Mapping[int, tuple[int, int]]] = field(default_factory=dict)
    votes: dict[Any, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # kept by `votes.vote`
    #: By platform, the networks that report: kept by `causes.live_on`.
    live: Mapping[str, frozenset[int]] | None = field(default=None, init=False, repr=False, compare=False)


class Pulse(NamedTuple):
    """Who reports from a country lately: networks, vantages, and the start of the newest window with results.

    `warming` is the number of its series, of networks on platforms, that have no usual of their own yet.
    """

    country: str
    simulated: bool
    networks: int
    vantages: int
    last: int | None
    warming: int = 0


class SeriesGauge(NamedTuple):
    """How one series stands, to be shown. Ratios are from 0 to 1; a score of 1.0 alarms.

    `asn` is 0 for the country's networks taken together. `reachability` is the last window's own ratio, None if that
    had no results; `smoothed` that of the last results, in however many windows they came.
    """

    platform: str
    country: str
    asn: int
    reachability: float | None
    expected: float
    score: float
    simulated: bool = False
    smoothed: float | None = None


@dataclass(slots=True)
class Health:
    """Columns over (country, platform): how each stands after a window. Feeds the metrics and the health topic."""

    country: list[str]
    platform: list[str]
    simulated: list[bool]
    n: NDArray[np.int64]
    k: NDArray[np.int64]
    expected: NDArray[np.float64]
    reachability: NDArray[np.float64]
    score: NDArray[np.float64]
    networks_live: NDArray[np.int64]
    networks_bad: NDArray[np.int64]
    # Share of windows with results; None: nearly all.
    presence: NDArray[np.float64] | None = None


@dataclass(slots=True)
class Reading:
    """What the bank says after one window: the countries to decide about, and how all of them stand."""

    start: int
    end: int
    countries: Sequence[CountryReading]
    health: Health
    #: By country and whether simulated: what was due lately, and what came.
    arrivals: Mapping[tuple[str, bool], Arrived] = field(default_factory=dict)


@dataclass(slots=True)
class CountryTally:
    """What one country had in a window: parallel columns over its cells with results, split by region.

    `region` is "" where none was given; `expected` is None where no usual is known yet; `ttfb_ms` is the median, None
    where nothing was timed; `failure` is the most frequent mechanism, "" where nothing failed. `awaited` and `came` are
    results due and arrived of late.
    """

    country: str
    simulated: bool
    networks_live: int
    vantages: int
    awaited: float
    came: float
    platform: list[str]
    region: list[str]
    asn: list[int]
    n: list[int]
    k: list[int]
    expected: list[float | None]
    ttfb_ms: list[int | None]
    failure: list[str]


@dataclass(slots=True, frozen=True)
class Scheduled:
    """Something planned in a country (a rally, an election, an exam) that an incident may coincide with."""

    id: str
    country: str
    title: str
    start: int
    end: int
    source: str | None = None


class Says(StrEnum):
    """What another source says of a loss."""

    # It fell when the loss began, or a later part of it, or its source tells of an outage that began then.
    AGREES = "agrees"
    # It went on as usual.
    DISAGREES = "disagrees"
    # It has not come since, and was not due for long.
    LATE = "late"
    # It has not come since, though it was due.
    SILENT = "silent"


class Witness(msgspec.Struct, frozen=True, array_like=True):
    """What one source says, by which signal: its figure beside what is usual, when (s), and where the original is.

    Where it agrees, `time` is since when, and `until` when by its own word it was over.
    """

    source: str
    says: Says
    name: str
    value: float | None = None
    usual: float | None = None
    time: int | None = None
    url: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class LostParts:
    """What an incident has lost, and since when (s): single networks, single regions, or else the country.

    The country has several beginnings where more of it was lost later.
    """

    country: Sequence[int] = ()
    networks: Mapping[int, int] = field(default_factory=dict)
    regions: Mapping[str, int] = field(default_factory=dict)
