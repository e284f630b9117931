"""A reconstruction to replay: Pakistan, the evenings of 7 and 20 January 2024, minute by minute, seeded.

What is published is in `FACTS`, with its source; what had to be assumed is in `ASSUMED`. Every result is made up and
says so (`simulated`): this shows what netdusk would have made of such evenings, not what anybody measured on them.

Times are UTC (Pakistan is five hours ahead). The days between the two evenings are there too, only with fewer
probes: the schedule thins out over eight hours and comes back over four, as an operator's might, so that neither
the clock jumps nor a network seems to fall silent.

Refuses to know how detection works.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings
from producers.steps import SCHEMES


class PublishedFact(NamedTuple):
    """Something published: when it was so (None if only the day is known), what, and where it was published."""

    time: datetime | None
    text: str
    source: str


class Evening(NamedTuple):
    """One disruption as it is replayed."""

    name: str
    #: The first network loses its platforms.
    start: datetime
    #: The last network has them back.
    end: datetime


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_RECORDER_20: Final = (
    "https://www.brecorder.com/news/40284799/"
    "social-media-platforms-in-pakistan-face-disruption-amid-pti-virtual-jalsa-netblocks"
)
_RECORDER_7: Final = (
    "https://www.brecorder.com/news/40282467/"
    "social-media-platforms-in-pakistan-face-disruption-amid-ptis-election-fundraising-telethon-netblocks"
)
_NATION: Final = "https://www.nation.com.pk/20-Jan-2024/nationwide-social-media-platforms-disruption-amid-pti-virtual-event"
_TIMES: Final = (
    "https://dailytimes.com.pk/1162875/disruption-hits-social-media-apps-during-pti-virtual-rally-yet-again/"
)
_DAILY_PAKISTAN: Final = (
    "https://en.dailypakistan.com.pk/21-Jan-2024/"
    "technical-fault-rectified-as-internet-services-fully-restored-in-pakistan"
)
_WION: Final = (
    "https://www.wionews.com/south-asia/"
    "internet-services-in-pakistan-restored-after-hours-long-nationwide-disruption-681982"
)
_SIASAT: Final = (
    "https://www.siasat.com/internet-disrupted-in-pakistan-as-imran-khan-launches-virtual-campaign-2951331/"
)

FACTS: Final[tuple[PublishedFact, ...]] = (
    PublishedFact(
        _utc("2024-01-07T12:00"),
        "Downdetector's Pakistani page shows trouble with Google's services and with PTCL around 17:00 local time",
        _DAILY_PAKISTAN,
    ),
    PublishedFact(
        _utc("2024-01-07T12:30"),
        "first complaints shortly after 17:30 local time, from Lahore, Karachi and Islamabad",
        _RECORDER_7,
    ),
    PublishedFact(
        None,
        "NetBlocks, in the evening of 7 January: a nation-scale disruption of X/Twitter, Facebook, Instagram and "
        "YouTube across Pakistan (the report of it was last changed at 14:38 UTC)",
        _RECORDER_7,
    ),
    PublishedFact(
        _utc("2024-01-07T16:00"),
        "announced start of the PTI party's online fundraising telethon, 21:00 local time",
        _SIASAT,
    ),
    PublishedFact(
        _utc("2024-01-20T13:40"),
        "first complaints at 18:40 local time, of X, Facebook, Instagram and YouTube",
        _RECORDER_20,
    ),
    PublishedFact(
        _utc("2024-01-20T14:12"),
        "NetBlocks: a nation-scale disruption of X/Twitter, Facebook, Instagram and YouTube across Pakistan, as "
        "PTI launches its second virtual gathering",
        _NATION,
    ),
    PublishedFact(
        None,
        "the regulator PTA, on 20 January, first: the internet is fully operational, no cable is affected",
        _TIMES,
    ),
    PublishedFact(
        _utc("2024-01-20T15:00"),
        "announced start of PTI's online rally, 20:00 local time (Business Recorder has 19:00)",
        _NATION,
    ),
    PublishedFact(
        None,
        "PTA, late on 20 January: a technical fault, rectified; services fully restored nationwide",
        _WION,
    ),
)

ASSUMED: Final[tuple[str, ...]] = (
    "the first network is cut on 20 January at the time of the first complaints, and on 7 January one minute after "
    "17:30 local time; the others follow within four minutes",
    "no exact end is published for either evening: 23:30 local time on 20 January (late that evening, says the "
    "press) and 23:00 on 7 January are assumed; the networks come back within two and a half minutes",
    "how the platforms were cut is not published for these evenings: resets of the TLS handshake on most networks, "
    "with timeouts and false DNS answers on some, are assumed",
    "one successful probe in twenty-five or so gets through meanwhile",
    "WhatsApp, Wikipedia and Google go on as ever (users named TikTok too; NetBlocks did not, and it is left out)",
    "vantages, their number, their places and their error rates are invented; the networks are real",
    "the ends of the two online events are not published: three and two hours after their start are assumed",
)

EVENINGS: Final[tuple[Evening, ...]] = (
    Evening("2024-01-07", _utc("2024-01-07T12:31"), _utc("2024-01-07T18:00")),
    Evening("2024-01-20", _utc("2024-01-20T13:40"), _utc("2024-01-20T18:30")),
)

#: What NetBlocks named; and what is probed beside it and stays well.
BLOCKED: Final = ("x", "facebook", "instagram", "youtube")
UNAFFECTED: Final = ("whatsapp", "wikipedia", "google")
TARGETS: Final[dict[str, str]] = {
    "x": "https://x.com/",
    "facebook": "https://www.facebook.com/",
    "instagram": "https://www.instagram.com/",
    "youtube": "https://www.youtube.com/",
    "whatsapp": "https://web.whatsapp.com/",
    "wikipedia": "https://en.wikipedia.org/",
    "google": "https://www.google.com/",
}


class _ScenarioNetwork(NamedTuple):
    asn: int
    name: str
    #: Name and ISO 3166-2 region of each.
    vantages: tuple[tuple[str, str], ...]
    #: Shares of the ways in which a blocked probe ends. The rest are false DNS answers.
    reset: float
    timeout: float


#: AS numbers and names as registered with APNIC.
NETWORKS: Final[tuple[_ScenarioNetwork, ...]] = (
    _ScenarioNetwork(
        17557, "PTCL", (("lhe-01", "PK-PB"), ("khi-01", "PK-SD"), ("isb-01", "PK-IS")), 0.93, 0.05
    ),
    _ScenarioNetwork(
        45669, "Jazz", (("lhe-02", "PK-PB"), ("khi-02", "PK-SD"), ("pew-01", "PK-KP")), 0.90, 0.08
    ),
    _ScenarioNetwork(59257, "Zong", (("isb-02", "PK-IS"), ("pew-02", "PK-KP")), 0.88, 0.10),
    _ScenarioNetwork(24499, "Telenor", (("isb-03", "PK-IS"), ("lhe-03", "PK-PB")), 0.86, 0.11),
    _ScenarioNetwork(9541, "Cybernet", (("khi-03", "PK-SD"), ("lhe-04", "PK-PB")), 0.72, 0.20),
    _ScenarioNetwork(23674, "Nayatel", (("isb-04", "PK-IS"), ("isb-05", "PK-IS")), 0.16, 0.06),
)

#: Truth, as `netdusk backtest --labels` reads it.
LABELS: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "start": evening.start.isoformat(),
        "end": evening.end.isoformat(),
        "country": "PK",
        "platforms": list(BLOCKED),
        "asns": [network.asn for network in NETWORKS],
        "kind": "platform",
    }
    for evening in EVENINGS
)

#: The two events, as the topic `netdusk.calendar.v1` has them.
CALENDAR: Final[tuple[dict[str, Any], ...]] = (
    {
        "schema": "netdusk.calendar/1",
        "id": "pk-2024-01-07-telethon",
        "country": "PK",
        "title": "PTI's online fundraising telethon",
        "start": "2024-01-07T16:00:00+00:00",
        "end": "2024-01-07T18:00:00+00:00",
        "source": _SIASAT,
    },
    {
        "schema": "netdusk.calendar/1",
        "id": "pk-2024-01-20-rally",
        "country": "PK",
        "title": "PTI's online rally",
        "start": "2024-01-20T15:00:00+00:00",
        "end": "2024-01-20T18:00:00+00:00",
        "source": _NATION,
    },
)

ONSET_SPREAD_SECONDS: Final = 240.0
RESTORE_SPREAD_SECONDS: Final = 150.0
LEAK: Final = 0.04
THIN_HOURS: Final = 8.0
THICKEN_HOURS: Final = 4.0


def pakistan(
    seed: int = 0,
    *,
    evenings: Sequence[str] = ("2024-01-07", "2024-01-20"),
    history_hours: float = 6.0,
    after_hours: float = 2.0,
    probes_per_minute: float = 0.8,
    quiet_probes_per_minute: float = 0.12,
) -> Iterator[ProbeResult]:
    """Replay the evenings, in order of time, every result marked as simulated.

    Parameters
    ----------
    seed
        The same seed gives the same results, byte for byte.
    evenings
        Which of `EVENINGS`, by name. The days between them are probed at the quiet pace.
    history_hours, after_hours
        How long the full schedule runs before the onset and after the restoration.
    probes_per_minute, quiet_probes_per_minute
        Pace of each vantage at each platform, near the evenings and between them. With both evenings the defaults
        give 350,000 results: 78 a minute near the evenings, 12 between, so that every network is heard every minute.

    Raises
    ------
    ValueError
        An evening that is none of `EVENINGS`, none at all, or a pace that is not above 0.

    Examples
    --------
    >>> first = next(pakistan(7, evenings=["2024-01-20"]))
    >>> first.country, first.simulated, first.time.isoformat(timespec="minutes")
    ('PK', True, '2024-01-20T07:40+00:00')
    """
    chosen = [evening for evening in EVENINGS if evening.name in evenings]
    if not chosen or len(chosen) != len(set(evenings)):
        names = ", ".join(evening.name for evening in EVENINGS)
        raise ValueError(f"evenings {list(evenings)!r}: choose from {names}")
    if min(probes_per_minute, quiet_probes_per_minute) <= 0:
        raise ValueError(f"paces {probes_per_minute}, {quiet_probes_per_minute}: they must be above 0")
    random = np.random.default_rng([2024, seed])
    schedule = _schedule(chosen, history_hours, after_hours, probes_per_minute, quiet_probes_per_minute)
    columns = _probes(random, schedule)
    cut = np.zeros(len(columns.time), dtype=bool)
    for evening in chosen:
        cut |= _cut(random, evening, columns)
    yield from _write(random, seed, columns, cut)


class _ProbeColumns(NamedTuple):
    """One row a probe, in order of time."""

    #: Seconds since 1970.
    time: NDArray[np.float64]
    #: Index into _VANTAGES.
    vantage: NDArray[np.int64]
    #: Index into _PLATFORMS.
    platform: NDArray[np.int64]


_PLATFORMS: Final = BLOCKED + UNAFFECTED
_VANTAGES: Final = [
    (index, name, region) for index, network in enumerate(NETWORKS) for name, region in network.vantages
]
_NETWORK_OF: Final = np.array([index for index, _, _ in _VANTAGES])


def _schedule(
    evenings: Sequence[Evening], history_hours: float, after_hours: float, full: float, quiet: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times (seconds) every five minutes, and how many rounds of probes have begun until then."""
    before, after = timedelta(hours=history_hours), timedelta(hours=after_hours)
    grid = np.arange(
        (evenings[0].start - before).timestamp(), (evenings[-1].end + after).timestamp() + 1, 300.0
    )
    paces = np.full(len(grid), quiet)
    for evening in evenings:
        begin, end = (evening.start - before).timestamp(), (evening.end + after).timestamp()
        away = np.maximum((begin - grid) / (THICKEN_HOURS * 3600), (grid - end) / (THIN_HOURS * 3600))
        near = full * (quiet / full) ** np.clip(away, 0.0, 1.0)  # halves and doubles at an even pace
        paces = np.maximum(paces, near)
    rounds = np.concatenate(([0.0], np.cumsum((paces[1:] + paces[:-1]) / 2 * 5.0)))
    return grid, rounds


def _probes(
    random: np.random.Generator, schedule: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> _ProbeColumns:
    """When each vantage probes each platform: a network's probes are spread evenly over a round, with a jitter."""
    grid, rounds = schedule
    count = int(rounds[-1])
    times, vantages, platforms = [], [], []
    turns = {
        index: random.permutation(len(network.vantages) * len(_PLATFORMS))
        for index, network in enumerate(NETWORKS)
    }
    for vantage, (network, _, _) in enumerate(_VANTAGES):
        rank = sum(index == network for index, _, _ in _VANTAGES[:vantage])
        for platform in range(len(_PLATFORMS)):
            turn = turns[network][rank * len(_PLATFORMS) + platform]
            due = np.arange(count) + (turn + 0.5 * random.random(count)) / len(turns[network])
            times.append(np.interp(due, rounds, grid))
            vantages.append(np.full(count, vantage))
            platforms.append(np.full(count, platform))
    time = np.concatenate(times).round(3)
    order = np.argsort(time, kind="stable")
    return _ProbeColumns(time[order], np.concatenate(vantages)[order], np.concatenate(platforms)[order])


def _cut(random: np.random.Generator, evening: Evening, columns: _ProbeColumns) -> NDArray[np.bool_]:
    """Which probes meet the block: a network's platforms fall within a minute of each other, networks apart."""
    starts = _spread(random, len(NETWORKS), ONSET_SPREAD_SECONDS - 60)
    restores = _spread(random, len(NETWORKS), RESTORE_SPREAD_SECONDS - 30)
    lags = random.uniform(0, 60, (len(NETWORKS), len(BLOCKED)))
    lags -= lags.min(axis=1, keepdims=True)
    leads = random.uniform(0, 30, (len(NETWORKS), len(BLOCKED)))
    leads -= leads.min(axis=1, keepdims=True)
    begin = np.full((len(NETWORKS), len(_PLATFORMS)), np.inf)
    end = np.full_like(begin, -np.inf)
    begin[:, : len(BLOCKED)] = evening.start.timestamp() + starts[:, None] + lags
    end[:, : len(BLOCKED)] = evening.end.timestamp() - restores[:, None] - leads
    where = (_NETWORK_OF[columns.vantage], columns.platform)
    blocked: NDArray[np.bool_] = (columns.time >= begin[where]) & (columns.time < end[where])
    return blocked & (random.random(len(columns.time)) >= LEAK)


def _spread(random: np.random.Generator, n: int, longest: float) -> NDArray[np.float64]:
    """Delays of seconds to minutes, most of them short, the shortest 0."""
    delays = np.minimum(random.exponential(longest / 3, n), longest)
    shifted: NDArray[np.float64] = delays - delays.min()
    return shifted


_NOISE: Final[tuple[tuple[float, Stage, Failure], ...]] = (
    (0.55, Stage.HTTP, Failure.GENERIC_TIMEOUT_ERROR),
    (0.20, Stage.TCP, Failure.GENERIC_TIMEOUT_ERROR),
    (0.15, Stage.DNS, Failure.DNS_TEMPORARY_FAILURE),
    (0.10, Stage.TLS, Failure.CONNECTION_RESET),
)


def _write(
    random: np.random.Generator, seed: int, columns: _ProbeColumns, cut: NDArray[np.bool_]
) -> Iterator[ProbeResult]:
    n = len(columns.time)
    network = _NETWORK_OF[columns.vantage]
    usual = random.uniform(0.982, 0.998, (len(_VANTAGES), len(_PLATFORMS)))
    # a network's bad ten minutes hit all its vantages alike: failures come in clumps
    minutes10 = ((columns.time - columns.time[0]) // 600).astype(np.int64)
    clumps = random.gamma(2.0, 0.5, (len(NETWORKS), int(minutes10[-1]) + 1))
    losing = (1 - usual[columns.vantage, columns.platform]) * clumps[network, minutes10]
    local_hour = ((columns.time + 5 * 3600) % 86_400) / 3600
    losing = losing * (1 + 0.4 * np.cos((local_hour - 21) * np.pi / 12))  # evenings are busier
    noise = random.random(n) < np.minimum(losing, 0.1)
    way = random.random(n)
    dns = random.lognormal(2.3, 0.5, n)
    tcp = random.lognormal(3.6, 0.35, n)
    tls = random.lognormal(4.3, 0.35, n)
    ttfb = random.lognormal(5.2, 0.4, n)
    size = random.integers(18_000, 240_000, n)
    for row in range(n):
        vantage = int(columns.vantage[row])
        index, name, region = _VANTAGES[vantage]
        platform = _PLATFORMS[columns.platform[row]]
        ended = _ended(NETWORKS[index], float(way[row]), bool(cut[row]), bool(noise[row]))
        steps = (float(dns[row]), float(tcp[row]), float(tls[row]), float(ttfb[row]))
        yield ProbeResult(
            id=f"pk{seed}-{row:06x}",
            time=datetime.fromtimestamp(float(columns.time[row]), UTC),
            platform=platform,
            target=TARGETS[platform],
            country="PK",
            region=region,
            asn=NETWORKS[index].asn,
            vantage=f"pk-{name}",
            ok=ended is None,
            stage=None if ended is None else ended[0],
            failure=None if ended is None else ended[1],
            control_ok=True,
            timings_ms=_timings(steps, ended),
            bytes=int(size[row]) if ended is None else 0,
            simulated=True,
        )


def _ended(network: _ScenarioNetwork, way: float, cut: bool, noise: bool) -> tuple[Stage, Failure] | None:
    """Return how an attempt failed, or None if it succeeded."""
    if cut:
        if way < network.reset:
            return Stage.TLS, Failure.CONNECTION_RESET
        if way < network.reset + network.timeout:
            return Stage.TLS, Failure.GENERIC_TIMEOUT_ERROR
        return Stage.DNS, Failure.DNS_NXDOMAIN_ERROR
    if noise:
        for share, stage, failure in _NOISE:
            if way < share:
                return stage, failure
            way -= share
        return _NOISE[0][1:]
    return None


_STAGES: Final = SCHEMES["https"]
_DEADLINE_MS: Final = 10_000.0


def _timings(steps: tuple[float, float, float, float], ended: tuple[Stage, Failure] | None) -> Timings:
    """The steps that were passed, each with its time; the total is the deadline where the attempt hung."""
    passed = len(_STAGES) if ended is None else _STAGES.index(ended[0])
    done = [round(step, 1) if index < passed else None for index, step in enumerate(steps)]
    hung = ended is not None and ended[1] is Failure.GENERIC_TIMEOUT_ERROR
    total = _DEADLINE_MS if hung else sum(steps[: passed + 1])
    return Timings(dns=done[0], tcp=done[1], tls=done[2], ttfb=done[3], total=round(total, 1))
