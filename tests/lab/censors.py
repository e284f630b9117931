"""Every censor of the lab, and what has to be told of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from producers.records import ProbeResult, encode
from streams.records import Incident, Status
from tests.lab.country import WINDOW_SECONDS, Lab, Nation
from tests.lab.isp import Rule
from tests.lab.places import ABROAD, COUNTRIES, NETWORKS, Country
from tests.lab.platforms import BLOCKPAGE, SITES, STOP


@dataclass(frozen=True, slots=True)
class Expected:
    """The right verdict."""

    mechanism: str | None
    kind: str = "platform"
    scope: str = "nation-scale"
    platforms: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    #: Where some addresses of a platform are lost and others are well.
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Censor:
    """What a provider does, on which networks, and what is to be told of it."""

    name: str
    rule: Rule
    expected: Expected
    networks: tuple[int, ...] = (1, 2, 3)
    #: In so many windows it is to be told: the median that is asked for its kind, at 12 results a minute.
    bar_windows: int = 4

    def within(self, country: Country) -> Censor:
        """The same censor, where another country's homes and regions are."""
        first = COUNTRIES[0]
        rule = replace(self.rule, homes=tuple(map(country.moved, self.rule.homes)))
        parts = {
            f"{first.code}-{a}": f"{country.code}-{b}"
            for a, b in zip(first.parts, country.parts, strict=True)
        }
        regions = tuple(parts[region] for region in self.expected.regions)
        return replace(self, rule=rule, expected=replace(self.expected, regions=regions))


def _addresses(platform: str, family: str = "") -> tuple[str, ...]:
    return tuple(site.address for site in SITES if site.platform == platform and site.family == family)


_PB = tuple(home.address for home in COUNTRIES[0].homes if home.region == "PK-PB")

CENSORS: Final = (
    Censor(
        "reset on the name in the ClientHello",
        Rule("sni_reset", ("x.test",)),
        Expected("tls.connection_reset", platforms=("x",)),
    ),
    Censor(
        "names answered with a private address",
        Rule("dns_forge", ("facebook.test",), answer="10.10.34.34"),
        Expected("dns.dns_bogon_error", platforms=("facebook",)),
    ),
    Censor(
        "names answered with the address of a block page",
        Rule("dns_forge", ("x.test",), answer=BLOCKPAGE),
        Expected("tls.ssl_unknown_authority", platforms=("x",)),
    ),
    Censor(
        "names that are said not to be",
        Rule("dns_nxdomain", ("youtube.test",)),
        Expected("dns.dns_nxdomain_error", platforms=("youtube",)),
    ),
    Censor(
        "names refused",
        Rule("dns_refused", ("facebook.test",)),
        Expected("dns.dns_refused_error", platforms=("facebook",)),
    ),
    Censor(
        "questions for names dropped",
        Rule("dns_drop", ("x.test",)),
        Expected("dns.generic_timeout_error", platforms=("x",)),
    ),
    Censor(
        "connections to addresses dropped",
        Rule("ip_drop", addresses=_addresses("youtube")),
        Expected("tcp.generic_timeout_error", platforms=("youtube",)),
    ),
    Censor(
        "connections to addresses reset",
        Rule("ip_reset", addresses=_addresses("facebook")),
        Expected("tcp.connection_refused", platforms=("facebook",)),
    ),
    Censor(
        "QUIC dropped, and TCP goes on",
        Rule("quic_drop", addresses=_addresses("instagram")),
        Expected("quic.generic_timeout_error", platforms=("instagram",)),
    ),
    Censor(
        "IPv6 dropped, and IPv4 goes on",
        Rule("ip_drop", addresses=_addresses("telegram", "ipv6")),
        Expected(
            "tcp.generic_timeout_error", platforms=("telegram",), targets=("https://telegram.test/#ipv6",)
        ),
    ),
    Censor(
        "ClientHellos dropped",
        Rule("sni_drop", ("x.test",)),
        Expected("tls.generic_timeout_error", platforms=("x",)),
    ),
    Censor(
        "a block page in place of plain HTTP",
        Rule("http_page", ("wikipedia.test",), answer=STOP),
        Expected("http.blockpage", platforms=("wikipedia",)),
    ),
    Censor(
        "throttled to 12 KB/s",
        Rule("throttle", ("youtube.test",), rate=12_000.0),
        Expected("http.throttled", platforms=("youtube",)),
        bar_windows=40,
    ),
    Censor(
        "one region",
        Rule("sni_reset", ("facebook.test",), homes=_PB),
        Expected("tls.connection_reset", scope="region", platforms=("facebook",), regions=("PK-PB",)),
        bar_windows=12,
    ),
    Censor(
        "one network",
        Rule("sni_reset", ("x.test",)),
        Expected("tls.connection_reset", scope="provider", platforms=("x",)),
        networks=(2,),
        bar_windows=6,
    ),
    Censor("everything gone", Rule("drop_all"), Expected(None, kind="connectivity"), bar_windows=5),
)

#: The most windows until a loss is told, and until its end is.
TOLD_WINDOWS: Final = 12
OVER_WINDOWS: Final = 14
#: So long a censor goes on once it is told: a scope may grow in the first windows.
SETTLED_WINDOWS: Final = 5
#: Where more of the attempts from abroad fail, where nobody interferes, the machine did not keep up.
ABROAD_FAILED_MAX: Final = 0.01
#: So long nobody interferes after a worker has restored its state.
CALM_WINDOWS: Final = 2
#: By so many windows an onset may be off.
ONSET_WINDOWS: Final = 2


@dataclass
class Verdict:
    """What came of one censor in one country."""

    censor: Censor
    country: str = ""
    incident: Incident | None = None
    told_seconds: float | None = None
    onset_off_seconds: float | None = None
    over_seconds: float | None = None
    others: list[Incident] = field(default_factory=list)
    #: How many attempts were made from abroad meanwhile, where nobody interferes, and how many of them failed.
    abroad: int = 0
    abroad_failed: int = 0

    @property
    def counts(self) -> bool:
        """Whether it says anything of netdusk: right it may be at any load, and wrong where the machine kept up."""
        return not self.faults() or self.abroad_failed <= ABROAD_FAILED_MAX * self.abroad

    @property
    def in_time(self) -> bool:
        """Whether it was told within the median that is asked for its kind."""
        return self.told_seconds is not None and self.told_seconds <= self.censor.bar_windows * WINDOW_SECONDS

    def faults(self) -> list[str]:
        """What is wrong with it; nothing, if it is right."""
        incident, expected = self.incident, self.censor.expected
        if incident is None:
            return ["nothing was told"]
        mechanism = incident.mechanism.name if incident.mechanism else None
        wrong = [
            f"{what}: {got!r}, not {right!r}"
            for what, got, right in (
                ("kind", str(incident.kind), expected.kind),
                ("scope", str(incident.scope), expected.scope),
                ("mechanism", mechanism, expected.mechanism),
                ("platforms", incident.platforms, expected.platforms),
                ("regions", incident.regions if expected.scope == "region" else (), expected.regions),
                ("targets", incident.targets if expected.targets else (), expected.targets),
                ("simulated", incident.simulated, False),
                ("confirmed", incident.confirmed, True),
            )
            if got != right
            and not (what == "platforms" and expected.kind == "connectivity")
            and not (what == "confirmed" and expected.scope == "provider")
        ]
        if not incident.evidence:
            wrong.append("no evidence")
        if (
            self.onset_off_seconds is not None
            and abs(self.onset_off_seconds) > ONSET_WINDOWS * WINDOW_SECONDS
        ):
            wrong.append(f"the onset is off by {self.onset_off_seconds:.0f} s")
        if self.over_seconds is None:
            wrong.append("its end was not told")
        wrong += [f"told besides: {other.summary}" for other in self.others]
        return wrong


async def try_out(nation: Nation, censor: Censor) -> Verdict:
    """Switch a censor on until it is told and settled, then off until its end is told."""
    verdict = Verdict(censor, nation.country.code)
    # What is open now is of nobody who interfered: what is told next would join it.
    verdict.others = nation.open()
    began, began_at = time.monotonic(), datetime.now(UTC)
    for network in censor.networks:
        nation.rule(network, censor.rule)
    opened = await _until(nation, began, TOLD_WINDOWS, lambda incident: incident.status is Status.OPEN)
    if opened is not None:
        verdict.told_seconds = time.monotonic() - began
        await asyncio.sleep(SETTLED_WINDOWS * WINDOW_SECONDS)
        verdict.incident = [one for one in nation.snapshots(began) if one.id == opened.id][-1]
        verdict.onset_off_seconds = (verdict.incident.onset - began_at).total_seconds()
    ended = time.monotonic()
    for network in NETWORKS:
        nation.rule(network)
    if opened is not None:
        over = await _until(
            nation,
            ended,
            OVER_WINDOWS,
            lambda one: one.status is Status.RESOLVED and one.id == opened.id,
        )
        if over is not None:
            verdict.over_seconds = time.monotonic() - ended
    await asyncio.sleep(WINDOW_SECONDS)
    verdict.others += [
        one
        for one in nation.snapshots(began)
        if one.status is Status.OPEN and (opened is None or one.id != opened.id)
    ]
    return verdict


async def try_all(lab: Lab, censors: Mapping[str, Censor], dice: random.Random) -> list[Verdict]:
    """Have each of these countries, by its code, meet its censor, all at one time but for a part of a window."""

    async def one(code: str, censor: Censor, wait_seconds: float) -> Verdict:
        await asyncio.sleep(wait_seconds)
        return await try_out(lab.nations[code], censor.within(lab.nations[code].country))

    first = await lab.next_offset()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one(code, censor, dice.uniform(0.0, WINDOW_SECONDS)))
            for code, censor in censors.items()
        ]
    verdicts = [task.result() for task in tasks]
    abroad = [result for result in await lab.results(first) if result.country == ABROAD.country]
    for verdict in verdicts:
        verdict.abroad, verdict.abroad_failed = len(abroad), sum(not result.ok for result in abroad)
        verdict.others += [
            other
            for other in lab.elsewhere
            if other.status is Status.OPEN and {*other.platforms} & {*verdict.censor.expected.platforms}
        ]
        if verdict.faults() or not verdict.in_time:
            _keep(lab, verdict, first, await lab.results(first))
    return verdicts


def _keep(lab: Lab, verdict: Verdict, first: int, results: Sequence[ProbeResult]) -> None:
    """Leave what the country's vantages measured beside the lab's logs, where its verdict is wrong or late."""
    path = lab.folder / f"{'wrong' if verdict.faults() else 'late'}-{verdict.country}-{first}.jsonl"
    own = [encode(result) for result in results if result.country == verdict.country]
    path.write_bytes(b"".join(line + b"\n" for line in own))


async def _until(
    nation: Nation, since: float, windows: int, fits: Callable[[Incident], bool]
) -> Incident | None:
    end = time.monotonic() + windows * WINDOW_SECONDS
    while time.monotonic() < end:
        for incident in nation.snapshots(since):
            if fits(incident):
                return incident
        await asyncio.sleep(0.1)
    return None
