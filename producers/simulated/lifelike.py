"""Made worlds with the troubles of a real observatory: to see what is told where nothing happened, and where much did.

`worlds` asks how well events are seen in steady measurements. Here the measurements themselves are in trouble: arrivals
are irregular, nights and weekends are quiet, networks are of uneven size, targets and vantages come and go, probes are
deployed, the observatory is deaf for a while, a crowd falls asleep, a certificate expires for half of the platforms.

A world is a *plan*: streams of results (one vantage, one target), what befalls them, and the truth. `Lifelike` draws
the results of a plan, a day at a time; equal seeds give equal results. All of them are marked as simulated. Countries
are real codes where a zone or a weekend matters, and uninhabited territories elsewhere; AS numbers are kept for
documentation (RFC 5398).

Refuses to know how anything is detected. What each world is modelled on stands beside it, and in docs/detection.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings

DAY_SECONDS: Final = 86_400
#: A Monday.
BEGIN: Final = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
PLATFORMS: Final = ("x", "facebook", "youtube", "wikipedia")
_ASN: Final = 64496
_NOISE: Final = ("http", "generic_timeout_error")

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One vantage that asks one target.

    Parameters
    ----------
    per_minute
        Results a minute on average over a week.
    arrivals
        `steady`: a rhythm with a little jitter. `poisson`: at any moment. `bursts`: clumps of ten with long gaps.
    night, weekend
        What is left of its volume at the deepest hour of the night, and on its country's weekend days (0 to 1).
    ratio
        The usual share of successes; `ratio_night` and `ratio_weekend` are what is lost of it then (0 to 1).
    zone
        Of its clock, for nights and weekends.
    weekend_days
        0 is Monday.
    """

    platform: str
    country: str
    asn: int
    vantage: str
    target: str
    region: str | None = None
    per_minute: float = 1.0
    arrivals: str = "steady"
    night: float = 1.0
    weekend: float = 1.0
    ratio: float = 0.97
    ratio_night: float = 0.0
    ratio_weekend: float = 0.0
    zone: str = "UTC"
    weekend_days: tuple[int, ...] = (5, 6)
    control: bool | None = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTrouble:
    """What befalls some streams for a while. An empty selection means all.

    Parameters
    ----------
    start, end
        Seconds since the world began.
    left
        Share of the usual successes that is left; None: the streams send nothing at all.
    control
        What `control_ok` says of a failure meanwhile; `...` leaves it as it is.
    """

    start: float
    end: float
    left: float | None
    countries: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    asns: frozenset[int] = frozenset()
    platforms: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    vantages: frozenset[str] = frozenset()
    mechanism: tuple[str, str] = ("tls", "connection_reset")
    control: Any = ...

    def concerns(self, stream: Stream) -> bool:
        """Whether a stream is among those selected."""
        return (
            (not self.countries or stream.country in self.countries)
            and (not self.regions or stream.region in self.regions)
            and (not self.asns or stream.asn in self.asns)
            and (not self.platforms or stream.platform in self.platforms)
            and (not self.targets or stream.target in self.targets)
            and (not self.vantages or stream.vantage in self.vantages)
        )


@dataclass(frozen=True, slots=True)
class Truth:
    """One event that should be told. Seconds since the world began; no platforms: connectivity."""

    start: float
    end: float
    country: str | None
    platforms: tuple[str, ...]
    asns: tuple[int, ...]
    event: str


@dataclass
class Plan:
    """A world before it is drawn."""

    streams: list[Stream] = field(default_factory=list)
    troubles: list[SimulatedTrouble] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)

    def happens(self, trouble: SimulatedTrouble, event: str) -> None:
        """Let a trouble befall the streams, and count it as an event that should be told, country by country."""
        self.troubles.append(trouble)
        struck = [stream for stream in self.streams if trouble.concerns(stream)]
        for country in sorted({stream.country for stream in struck}):
            mine = [stream for stream in struck if stream.country == country]
            silent = trouble.left is None
            self.truths.append(
                Truth(
                    trouble.start,
                    trouble.end,
                    country,
                    () if silent else tuple(sorted({stream.platform for stream in mine})),
                    tuple(sorted({stream.asn for stream in mine})),
                    event,
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured.

    Parameters
    ----------
    per_minute
        Results a minute of one platform in one country, over all its networks.
    """

    days: int
    per_minute: float = 12.0
    countries: int = 3
    networks: int = 4
    vantages: int = 2


Draw = np.random.Generator
Builder = Callable[[Draw, Size], Plan]

#: Where nobody lives whom a made-up event might concern; then real codes, where a zone matters.
_EMPTY: Final = ("AQ", "BV", "GS", "HM", "IO", "TF", "UM")


def _country(index: int) -> str:
    return _EMPTY[index % len(_EMPTY)]


def _shares(size: Size, uneven: bool) -> list[float]:
    """Share of the results by network; uneven ones as operators share a market (45, 30, 15, 10 %)."""
    if not uneven:
        return [1 / size.networks] * size.networks
    weights = [0.45, 0.30, 0.15, 0.10, *[0.05] * size.networks][: size.networks]
    return [weight / sum(weights) for weight in weights]


def streams_of(
    size: Size,
    *,
    countries: Sequence[str] | None = None,
    platforms: Sequence[str] = PLATFORMS,
    uneven: bool = False,
    regions: int = 0,
    targets: int = 1,
    **of_each: Any,
) -> list[Stream]:
    """Every vantage of every network at every target.

    `regions` of a country take turns over its vantages; `of_each` are fields of `Stream`.
    """
    made = []
    for country in countries or [_country(i) for i in range(size.countries)]:
        for network, share in enumerate(_shares(size, uneven)):
            for vantage in range(size.vantages):
                for platform in platforms:
                    for number in range(targets):
                        place = network * size.vantages + vantage
                        made.append(
                            Stream(
                                platform=platform,
                                country=country,
                                asn=_ASN + network,
                                vantage=f"{country.lower()}-{network}-{vantage}",
                                target=f"https://{platform}{number or ''}.example/",
                                region=f"{country}-{place % regions + 1:02d}" if regions else None,
                                per_minute=size.per_minute * share / size.vantages / targets,
                                **of_each,
                            )
                        )
    return made


def _hours(random: Draw, low: float, high: float) -> float:
    return 3600 * float(random.uniform(low, high))


# Worlds. Each says what it is modelled on.


def irregular(random: Draw, size: Size) -> Plan:
    """Arrivals at any moment, fewer at night, networks of uneven size, and one shutdown in the last third.

    Modelled on measurements by volunteers: OONI's arrivals of a country are a Poisson stream with a daily swing of
    about three, and one operator sends nearly half of them.
    """
    plan = Plan(streams_of(size, uneven=True, arrivals="poisson", night=0.33, weekend=0.7))
    start = DAY_SECONDS * size.days * 0.7 + _hours(random, 0, 12)
    cut = frozenset({_country(0)})
    plan.happens(
        SimulatedTrouble(start=start, end=start + _hours(random, 2, 6), left=None, countries=cut), "shutdown"
    )
    return plan


def bursty_arrivals(random: Draw, size: Size) -> Plan:
    """Results in clumps of ten with long gaps, and nothing that happens.

    Modelled on vantages that upload what they have gathered when they meet a network.
    """
    del random
    return Plan(streams_of(size, uneven=True, arrivals="bursts", night=0.5))


def crowd(random: Draw, size: Size) -> Plan:
    """Many vantages of a few results each, whose number falls forty-fold; nothing that happens.

    Modelled on OONI's counts for Russia, January 2021 to March 2023: volume by campaign, with decay over months.
    """
    plan = Plan()
    for country in [_country(i) for i in range(size.countries)]:
        for number in range(60):
            rate = size.per_minute / 60 / len(PLATFORMS) * 4
            for platform in PLATFORMS:
                plan.streams.append(
                    Stream(
                        platform=platform,
                        country=country,
                        asn=_ASN + int(random.integers(0, 12)),
                        vantage=f"{country.lower()}-p{number}",
                        target=f"https://{platform}.example/",
                        per_minute=rate,
                        arrivals="poisson",
                        night=0.2,
                        ratio=0.93,
                    )
                )
            leaves = DAY_SECONDS * size.days * float(random.random()) ** 2
            if number:
                gone = frozenset({f"{country.lower()}-p{number}"})
                plan.troubles.append(SimulatedTrouble(start=leaves, end=math.inf, left=None, vantages=gone))
    return plan


def deploys(random: Draw, size: Size) -> Plan:
    """All probes of one operator stop for 2 to 60 minutes, every other day, at once or one after another.

    Modelled on a rolling update of a fleet.
    """
    plan = Plan(streams_of(size))
    names = sorted({stream.vantage for stream in plan.streams})
    for day in range(1, size.days, 2):
        start = DAY_SECONDS * day + _hours(random, 0, 22)
        lasting, apart = _hours(random, 2 / 60, 1), float(random.choice([0.0, 60.0]))
        for number, name in enumerate(names):
            stop = start + number * apart
            plan.troubles.append(
                SimulatedTrouble(start=stop, end=stop + lasting, left=None, vantages=frozenset({name}))
            )
    return plan


def deaf(random: Draw, size: Size) -> Plan:
    """The observatory hears nothing for 2 to 60 minutes, three times; a true cut begins during the last of them.

    Modelled on a broker that is away: whatever is sent meanwhile is lost.
    """
    plan = Plan(streams_of(size))
    for third in (0.4, 0.6, 0.8):
        start = DAY_SECONDS * size.days * third + _hours(random, 0, 3)
        end = start + _hours(random, 2 / 60, 1)
        plan.troubles.append(SimulatedTrouble(start=start, end=end, left=None))
    cut = frozenset({_country(0)})
    plan.happens(
        SimulatedTrouble(start=(start + end) / 2, end=end + _hours(random, 2, 5), left=None, countries=cut),
        "shutdown",
    )
    return plan


def churn(random: Draw, size: Size) -> Plan:
    """Vantages and targets come and go, some of them failing from their first result on; nothing that happens.

    Modelled on an operator's own changes: a dead address on a list, a vantage behind a filter of its own.
    """
    plan = Plan(streams_of(size))
    for country in [_country(i) for i in range(size.countries)]:
        joins = DAY_SECONDS * size.days * float(random.uniform(0.3, 0.6))
        rate = size.per_minute / size.networks / size.vantages
        for network in range(size.networks):
            for vantage in range(size.vantages):
                name = f"{country.lower()}-{network}-{vantage}"
                plan.streams.append(
                    Stream(
                        platform="facebook",
                        country=country,
                        asn=_ASN + network,
                        vantage=name,
                        target="https://dead.facebook.example/",
                        per_minute=rate,
                        ratio=0.0,
                        control=False,
                    )
                )
        plan.troubles.append(
            SimulatedTrouble(
                start=0, end=joins, left=None, targets=frozenset({"https://dead.facebook.example/"})
            )
        )
        filtered = f"{country.lower()}-filtered"
        plan.streams += [
            Stream(
                platform=platform,
                country=country,
                asn=_ASN,
                vantage=filtered,
                target=f"https://{platform}.example/",
                per_minute=rate,
                ratio=0.02 if platform == "x" else 0.97,
            )
            for platform in PLATFORMS
        ]
        later = joins + _hours(random, 1, 24)
        plan.troubles.append(SimulatedTrouble(start=0, end=later, left=None, vantages=frozenset({filtered})))
        leaves = joins + _hours(random, 1, 48)
        gone = frozenset({f"{country.lower()}-{size.networks - 1}-{size.vantages - 1}"})
        plan.troubles.append(SimulatedTrouble(start=leaves, end=math.inf, left=None, vantages=gone))
    return plan


def long_block(random: Draw, size: Size) -> Plan:
    """One platform blocked for the last four fifths of the time, with nights and weekends; 0, 8 or 30 % get through.

    Modelled on X in Pakistan from 17 February 2024, 15 months.
    """
    plan = Plan(
        streams_of(size, night=0.6, weekend=0.8, ratio_night=-0.01, ratio_weekend=0.03),
        troubles=[],
        truths=[],
    )
    for index in range(size.countries):
        start = DAY_SECONDS * size.days * 0.2 + _hours(random, 0, 12)
        end = DAY_SECONDS * size.days - _hours(random, 3, 8)
        left = (0.0, 0.08, 0.3)[index % 3]
        plan.happens(
            SimulatedTrouble(
                start=start,
                end=end,
                left=left,
                countries=frozenset({_country(index)}),
                platforms=frozenset({"x"}),
            ),
            "long block",
        )
    return plan


def local_weekend(random: Draw, size: Size) -> Plan:
    """Ten points fewer on Fridays and Saturdays, by the country's own clock; nothing that happens.

    Modelled on evening congestion in countries whose weekend is Friday and Saturday.
    """
    del random
    zones = {"IR": "Asia/Tehran", "SA": "Asia/Riyadh", "NP": "Asia/Kathmandu", "EG": "Africa/Cairo"}
    plan = Plan()
    for country, zone in list(zones.items())[: max(1, size.countries)]:
        days = (5,) if country == "NP" else (4,) if country == "IR" else (4, 5)
        plan.streams += streams_of(
            size, countries=[country], zone=zone, weekend_days=days, ratio_weekend=0.10, ratio_night=0.02
        )
    return plan


def staggered(random: Draw, size: Size) -> Plan:
    """Countries cut one after another, 20 minutes to three hours apart, each for some hours.

    Modelled on shutdowns that spread over a region in one day, each by its own government.
    """
    plan = Plan(streams_of(size))
    start = DAY_SECONDS * size.days * 0.6
    for index in range(size.countries):
        plan.happens(
            SimulatedTrouble(
                start=start,
                end=start + _hours(random, 4, 8),
                left=0.02,
                countries=frozenset({_country(index)}),
                platforms=frozenset({"x", "facebook"}),
            ),
            "staggered",
        )
        start += _hours(random, 1 / 3, 3)
    return plan


def regions_cut(random: Draw, size: Size) -> Plan:
    """Two of six regions lose two platforms on all networks.

    Modelled on cuts of single provinces, such as Balochistan's or Dagestan's.
    """
    size = replace(size, vantages=max(size.vantages, 6), networks=max(size.networks, 3))
    plan = Plan(streams_of(size, regions=6))
    start = DAY_SECONDS * size.days * 0.6 + _hours(random, 0, 6)
    country = _country(0)
    plan.happens(
        SimulatedTrouble(
            start=start,
            end=start + _hours(random, 4, 10),
            left=0.02,
            countries=frozenset({country}),
            regions=frozenset({f"{country}-01", f"{country}-04"}),
            platforms=frozenset({"x", "youtube"}),
        ),
        "regions",
    )
    return plan


def one_target(random: Draw, size: Size) -> Plan:
    """One of two addresses of a platform is blocked on all networks of one country; the control reaches it.

    Modelled on blocks of a mobile API beside a website that still answers.
    """
    plan = Plan(streams_of(size, targets=2))
    start = DAY_SECONDS * size.days * 0.6 + _hours(random, 0, 6)
    plan.happens(
        SimulatedTrouble(
            start=start,
            end=start + _hours(random, 4, 10),
            left=0.01,
            countries=frozenset({_country(0)}),
            targets=frozenset({"https://youtube1.example/"}),
        ),
        "one target",
    )
    return plan


def cdn(random: Draw, size: Size) -> Plan:
    """A content network that two platforms share fails in every country, with the controls, for an hour.

    Modelled on Fastly's outage of 8 June 2021: 49 minutes, worldwide.
    """
    plan = Plan(streams_of(size))
    start = DAY_SECONDS * size.days * 0.6 + _hours(random, 0, 6)
    end = start + _hours(random, 0.7, 1.2)
    struck = frozenset({"facebook", "youtube"})
    plan.troubles.append(
        SimulatedTrouble(
            start=start,
            end=end,
            left=0.05,
            platforms=struck,
            mechanism=("http", "generic_timeout_error"),
            control=False,
        )
    )
    plan.truths.append(Truth(start, end, None, tuple(sorted(struck)), (), "worldwide"))
    return plan


def resolver(random: Draw, size: Size) -> Plan:
    """One operator's resolvers fail for two hours: every platform on one network of one country.

    Modelled on failures of a provider's DNS service.
    """
    plan = Plan(streams_of(size))
    start = DAY_SECONDS * size.days * 0.6 + _hours(random, 0, 6)
    plan.happens(
        SimulatedTrouble(
            start=start,
            end=start + _hours(random, 1.5, 3),
            left=0.05,
            countries=frozenset({_country(0)}),
            asns=frozenset({_ASN + 1}),
            mechanism=("dns", "dns_temporary_failure"),
        ),
        "resolver",
    )
    return plan


def authority(random: Draw, size: Size) -> Plan:
    """An expired root makes two platforms fail for the old devices among the vantages, worldwide.

    Modelled on the end of DST Root CA X3 on 30 September 2021: no outage of any platform. Nothing should be told.
    """
    plan = Plan(streams_of(size))
    start = DAY_SECONDS * size.days * 0.6 + _hours(random, 0, 6)
    old = frozenset(f"{_country(i).lower()}-0-0" for i in range(size.countries))
    plan.troubles.append(
        SimulatedTrouble(
            start=start,
            end=math.inf,
            left=0.0,
            platforms=frozenset({"wikipedia", "x"}),
            vantages=old,
            mechanism=("tls", "ssl_invalid_certificate"),
        )
    )
    return plan


def curfew(random: Draw, size: Size) -> Plan:
    """No results from one country from one to six in the morning, every night of the second half.

    Modelled on Myanmar's nightly shutdowns from 15 February 2021.
    """
    plan = Plan(streams_of(size))
    for night in range(size.days // 2, size.days):
        start = DAY_SECONDS * night + 3600 + _hours(random, 0, 1 / 30)
        plan.happens(
            SimulatedTrouble(
                start=start, end=start + 5 * 3600, left=None, countries=frozenset({_country(0)})
            ),
            "curfew",
        )
    return plan


def decline(random: Draw, size: Size) -> Plan:
    """Nine vantages of ten of one country fall silent over three days, and stay so.

    Modelled on a country that goes slowly: power, backbone, fuel.
    """
    size = replace(size, vantages=max(size.vantages, 5))
    plan = Plan(streams_of(size))
    country = _country(0)
    names = sorted({stream.vantage for stream in plan.streams if stream.country == country})
    start = DAY_SECONDS * size.days * 0.5
    lost = list(random.permutation(names))[: round(len(names) * 0.9)]
    for number, name in enumerate(lost):
        since = start + 3 * DAY_SECONDS * (number + 1) / len(lost)
        plan.troubles.append(
            SimulatedTrouble(start=since, end=math.inf, left=None, vantages=frozenset({str(name)}))
        )
    asns = tuple(sorted({stream.asn for stream in plan.streams if stream.country == country}))
    plan.truths.append(Truth(start, DAY_SECONDS * size.days, country, (), asns, "decline"))
    return plan


def renewed(random: Draw, size: Size) -> Plan:
    """A shutdown, a return of half an hour, and a second shutdown; again two days later.

    Modelled on Kazakhstan's shutdown of January 2022, with its brief returns.
    """
    plan = Plan(streams_of(size))
    cut = frozenset({_country(0)})
    for third in (0.5, 0.8):
        start = DAY_SECONDS * size.days * third
        for _ in range(2):
            end = start + _hours(random, 3, 6)
            plan.happens(SimulatedTrouble(start=start, end=end, left=None, countries=cut), "renewed")
            start = end + _hours(random, 0.5, 1)
    return plan


def two_families(random: Draw, size: Size) -> Plan:
    """Half of the vantages measure over IPv6 only, where one platform is blocked on all networks.

    Modelled on blocks that know one version of IP alone.
    """
    plan = Plan(streams_of(size))
    start = DAY_SECONDS * size.days * 0.6 + _hours(random, 0, 6)
    over_6 = frozenset(
        stream.vantage
        for stream in plan.streams
        if stream.country == _country(0) and stream.vantage.endswith("1")
    )
    plan.happens(
        SimulatedTrouble(
            start=start,
            end=start + _hours(random, 4, 10),
            left=0.02,
            platforms=frozenset({"x"}),
            vantages=over_6,
            mechanism=("tcp", "generic_timeout_error"),
        ),
        "one family",
    )
    return plan


BUILDERS: Final[Mapping[str, Builder]] = {
    "irregular": irregular,
    "bursty-arrivals": bursty_arrivals,
    "crowd": crowd,
    "deploys": deploys,
    "deaf": deaf,
    "churn": churn,
    "long-block": long_block,
    "local-weekend": local_weekend,
    "staggered": staggered,
    "regions": regions_cut,
    "one-target": one_target,
    "cdn": cdn,
    "resolver": resolver,
    "authority": authority,
    "curfew": curfew,
    "decline": decline,
    "renewed": renewed,
    "two-families": two_families,
}


def text_of(name: str) -> str:
    """Return what happens in a world: the first line of its builder's docstring.

    >>> text_of("cdn")
    'A content network that two platforms share fails in every country, with the controls, for an hour.'
    """
    return (BUILDERS[name].__doc__ or "").splitlines()[0]


class Lifelike:
    """A plan, drawn.

    Raises ValueError for a name that is none of `BUILDERS`.

    Examples
    --------
    >>> world = Lifelike("cdn", seed=1, size=Size(days=1, countries=2, per_minute=0.5))
    >>> world.labels[0]["kind"], all(result.simulated for result in world.results())
    ('global', True)
    """

    def __init__(self, name: str, *, seed: int, size: Size) -> None:
        if name not in BUILDERS:
            raise ValueError(f"world {name!r}: choose from {', '.join(BUILDERS)}")
        self.size = size
        self._seed = seed
        self.plan = BUILDERS[name](np.random.default_rng([seed, 0]), size)
        self._by_stream = [
            [trouble for trouble in self.plan.troubles if trouble.concerns(stream)]
            for stream in self.plan.streams
        ]

    @property
    def labels(self) -> list[dict[str, Any]]:
        """The truth, as `netdusk backtest --labels` reads it."""
        last = self.size.days * DAY_SECONDS
        return [
            {
                "start": _time_text(truth.start),
                "end": _time_text(min(truth.end, last)),
                "country": truth.country,
                "platforms": list(truth.platforms),
                "asns": list(truth.asns),
                "kind": "global"
                if truth.country is None
                else "platform"
                if truth.platforms
                else "connectivity",
                "event": truth.event,
            }
            for truth in sorted(self.plan.truths, key=lambda truth: (truth.start, truth.country or ""))
        ]

    def results(self) -> Iterator[ProbeResult]:
        """Every result, in order of time."""
        serial = 0
        for day in range(self.size.days):
            random = np.random.default_rng([self._seed, 1, day])
            drawn = [self._day(random, number, day) for number in range(len(self.plan.streams))]
            times = np.concatenate([time for time, _, _, _ in drawn])
            owners = np.concatenate(
                [np.full(len(time), number) for number, (time, _, _, _) in enumerate(drawn)]
            )
            oks = np.concatenate([ok for _, ok, _, _ in drawn])
            troubles = np.concatenate([trouble for _, _, trouble, _ in drawn])
            ttfbs = np.concatenate([ttfb for _, _, _, ttfb in drawn])
            for i in np.argsort(times, kind="stable").tolist():
                serial += 1
                yield self._result(
                    serial, float(times[i]), int(owners[i]), bool(oks[i]), int(troubles[i]), float(ttfbs[i])
                )

    def _day(self, random: Draw, number: int, day: int) -> tuple[Floats, NDArray[np.bool_], Indices, Floats]:
        """Times, outcomes, which trouble made them fail (-1: none), and milliseconds to the first byte."""
        stream, troubles = self.plan.streams[number], self._by_stream[number]
        time = _arrivals(random, stream, day)
        hours, weekend = _local(stream, day, time)
        night = np.maximum(0.0, np.cos((hours - 4) * np.pi / 12))
        volume = (1 - (1 - stream.night) * night) * np.where(weekend, stream.weekend, 1.0)
        time_kept = random.random(len(time)) < volume
        time, night, weekend = time[time_kept], night[time_kept], weekend[time_kept]
        usual = stream.ratio - stream.ratio_night * night - stream.ratio_weekend * weekend
        ok = random.random(len(time)) < usual
        blame = np.full(len(time), -1)
        sent = np.ones(len(time), dtype=bool)
        luck = random.random(len(time))
        for index, trouble in enumerate(troubles):
            during = (time >= trouble.start) & (time < trouble.end)
            if trouble.left is None:
                sent &= ~during
                continue
            lost = during & ok & (luck >= trouble.left)
            ok &= ~lost
            blame[lost] = index
        ttfb = np.exp(math.log(220.0) + 0.45 * random.standard_normal(len(time)))
        return time[sent], ok[sent], blame[sent], ttfb[sent]

    def _result(self, serial: int, time: float, owner: int, ok: bool, blame: int, ttfb: float) -> ProbeResult:
        stream = self.plan.streams[owner]
        stage, failure = _NOISE
        control = stream.control
        if blame >= 0:
            trouble = self._by_stream[owner][blame]
            stage, failure = trouble.mechanism
            control = control if trouble.control is ... else trouble.control
        return ProbeResult(
            id=f"sim-{self._seed}-{serial}",
            time=datetime.fromtimestamp(BEGIN, UTC) + timedelta(milliseconds=round(time * 1000)),
            platform=stream.platform,
            target=stream.target,
            country=stream.country,
            region=stream.region,
            asn=stream.asn,
            vantage=stream.vantage,
            ok=ok,
            stage=None if ok else Stage(stage),
            failure=None if ok else Failure(failure),
            control_ok=control,
            timings_ms=Timings(ttfb=round(ttfb, 1), total=round(ttfb + 80, 1)) if ok else None,
            simulated=True,
        )


def _arrivals(random: Draw, stream: Stream, day: int) -> Floats:
    """When the results of a day begin, before nights and weekends thin them out; seconds since the world began."""
    first = float(day * DAY_SECONDS)
    expected = stream.per_minute * 1440
    if stream.arrivals == "steady":
        period = DAY_SECONDS / max(expected, 1e-9)
        phase = (hash_of(stream) % 1000) / 1000 * period
        # Counted from the world's beginning, so that a slow rhythm goes on over midnight.
        turns = np.arange(
            math.ceil((first - phase) / period), math.ceil((first + DAY_SECONDS - phase) / period)
        )
        due = turns * period + phase + random.uniform(0, 0.2 * min(period, 60.0), len(turns))
        return due[due < first + DAY_SECONDS]
    if stream.arrivals == "poisson":
        return first + np.sort(random.uniform(0, DAY_SECONDS, random.poisson(expected)))
    begins = random.uniform(0, DAY_SECONDS, random.poisson(expected / 10))
    clumps = np.repeat(begins, 10) + random.exponential(20.0, 10 * len(begins)).cumsum() % 300
    return first + np.sort(clumps[clumps < DAY_SECONDS])


def hash_of(stream: Stream) -> int:
    """Return a number that is the same in every process: the sum of a stream's letters."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(f"{stream.vantage}{stream.target}"))


def _local(stream: Stream, day: int, time: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Hour of day by the stream's own clock, and whether it is weekend there. The offset is that of noon."""
    noon = datetime.fromtimestamp(BEGIN + day * DAY_SECONDS + DAY_SECONDS // 2, UTC)
    offset = noon.astimezone(ZoneInfo(stream.zone)).utcoffset() or timedelta()
    local = time + offset.total_seconds()
    weekday = (np.floor(local / DAY_SECONDS) % 7).astype(np.int64)  # the world began on a Monday
    return (local / 3600) % 24, np.isin(weekday, stream.weekend_days)


def _time_text(seconds: float) -> str:
    return (datetime.fromtimestamp(BEGIN, UTC) + timedelta(seconds=round(seconds))).isoformat()
