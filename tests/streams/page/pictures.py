"""Draws the pictures of docs/page.md: `python -m tests.streams.page.pictures`. All on them is made up, and says so."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.page.server import PageServer
from streams.records import Incident, Kind, Mechanism, Network, Reachability, Scope, Severity, Status, Window
from streams.settings import load
from tests.streams.page.test_in_chromium import LOOKS, chromium
from tests.streams.publish.stories import incident

IMAGES: Final = Path(__file__).parents[3] / "docs" / "img"
NOW: Final = datetime(2024, 1, 20, 17, 5, tzinfo=UTC)
ONSET: Final = datetime(2024, 1, 20, 13, 40, tzinfo=UTC)
WATCHED: Final = (
    "AM AZ BD BR BY CD CM CO CU EG ET GA GE GN HN HT ID IN IQ IR JO KE KH KZ LB LK LY MA MM MX MY NG NI NP OM PE PH PK "
    "PS RU RW SD SN SO SV SY TD TG TH TJ TM TN TR TZ UA UG UZ VE VN YE ZA ZM ZW"
).split()
ASNS: Final = {
    17557: "PTCL",
    9541: "Cyber Internet",
    23674: "Nayatel",
    45669: "Jazz",
    24499: "Telenor",
    59257: "Zong",
}
PLATFORMS: Final = ("facebook", "instagram", "x", "youtube", "whatsapp", "wikipedia")


def windows(rng: random.Random) -> Iterator[Window]:
    """A day of every country, a window every five minutes."""
    for country in WATCHED:
        asns = list(ASNS) if country == "PK" else [64500 + number for number in range(rng.randint(3, 6))]
        start = NOW - timedelta(hours=24)
        while start < NOW:
            yield _window(rng, country, start, asns)
            start += timedelta(minutes=5)


def _window(rng: random.Random, country: str, start: datetime, asns: list[int]) -> Window:
    names, numbers, n, k, failure = [], [], [], [], []
    day = 0.985 + 0.01 * math.sin(start.hour / 24 * 6.28)
    dark = country == "UG" and start >= NOW - timedelta(hours=2, minutes=10)
    for platform in PLATFORMS:
        for place, asn in enumerate(asns):
            lost = country == "PK" and platform in PLATFORMS[:4] and start >= ONSET
            lost = lost or (
                country == "VE" and platform == "x" and place == 0 and start >= NOW - timedelta(hours=7)
            )
            if dark and rng.random() < 0.97:
                continue
            probes = rng.randint(8, 14)
            good = sum(rng.random() < (0.04 if lost else day) for _ in range(probes))
            names.append(platform)
            numbers.append(asn)
            n.append(probes)
            k.append(good)
            failure.append(
                "" if good == probes else "tls.connection_reset" if lost else "http.generic_timeout_error"
            )
    due = 10.0 * len(PLATFORMS) * len(asns)
    return Window(
        country=country,
        start=start,
        end=start + timedelta(minutes=5),
        simulated=True,
        networks_live=len(asns),
        vantages=3 * len(asns),
        awaited=due,
        came=due * (0.03 if dark else 1.0),
        platform=names,
        region=[""] * len(names),
        asn=numbers,
        n=n,
        k=k,
        expected=[0.988] * len(names),
        ttfb_ms=[rng.randint(90, 240) for _ in names],
        failure=failure,
    )


def _networks(count: int, onset: datetime, lost: float) -> tuple[Network, ...]:
    return tuple(
        Network(asn=asn, name=name, lost=lost, onset=onset + timedelta(minutes=number))
        for number, (asn, name) in enumerate(list(ASNS.items())[:count])
    )


def incidents() -> Iterator[Incident]:
    """Four that last, three that are over."""
    given: dict[str, Any] = {"simulated": True, "coincides": (), "networks_live": 6, "vantages": 18}
    pakistan = incident(
        **given,
        id="pk-63f1f36f858fa117",
        platforms=PLATFORMS[:4],
        networks=_networks(6, ONSET, 0.95),
        onset=ONSET,
        detected=ONSET + timedelta(minutes=5),
        updated=ONSET + timedelta(minutes=5),
        reachability=Reachability(now=0.05, usual=0.99),
        measurements=2140,
        summary="SIMULATED: Live metrics show Facebook, Instagram, X (Twitter) and YouTube restricted across Pakistan "
        "on 6 of 6 networks since 13:40 UTC; 5% of attempts succeed, usually 99%; most attempts fail with "
        "tls.connection_reset.",
    )
    yield pakistan
    yield msgspec.structs.replace(
        pakistan,
        seq=2,
        status=Status.UPDATED,
        updated=NOW - timedelta(minutes=40),
        reason="a planned event has begun",
    )
    dark: dict[str, Any] = {"platforms": (), "mechanism": None}
    nation, critical, major = Scope.NATION_SCALE, Severity.CRITICAL, Severity.MAJOR
    others = (
        ("UG", Kind.CONNECTIVITY, critical, nation, 2.1, dark),
        ("VE", Kind.PLATFORM, Severity.MINOR, Scope.PROVIDER, 7, {"networks": _networks(1, NOW, 0.9)}),
        ("MM", Kind.PLATFORM, major, nation, 3, {"confirmed": False, "platforms": ("signal",)}),
        ("TR", Kind.PLATFORM, major, nation, 50, {"platforms": ("x",)}),
        ("SN", Kind.CONNECTIVITY, critical, nation, 90, dark),
        ("ET", Kind.PLATFORM, Severity.MINOR, Scope.MULTI_PROVIDER, 120, {"platforms": ("telegram",)}),
    )
    for number, (country, kind, severity, scope, hours, more) in enumerate(others):
        onset = NOW - timedelta(hours=hours)
        over = number > 2
        yield incident(
            **{
                **given,
                "id": f"{country.lower()}-{number:016x}",
                "country": country,
                "kind": kind,
                "severity": severity,
                "scope": scope,
                "platforms": ("x",),
                "onset": onset,
                "detected": onset + timedelta(minutes=4),
                "updated": onset + timedelta(hours=3) if over else NOW - timedelta(minutes=9),
                "status": Status.RESOLVED if over else Status.OPEN,
                "resolved": onset + timedelta(hours=3) if over else None,
                "duration_seconds": 10_800 if over else 60,
                "reachability": Reachability(now=0.06, usual=0.98),
                "mechanism": Mechanism(name="tls.connection_reset", share=0.8),
                "summary": "SIMULATED: made up for a picture.",
                **more,
            }
        )


async def draw() -> None:
    """Write all pictures."""
    settings = load(
        page={"port": 0, "public_url": "https://netdusk.example", "requests_per_second": 1000},
        worker={"clock": "replay"},
        incidents={"network_names": ASNS},
    )
    server = PageServer(settings)
    await server.take([*windows(random.Random(1)), *incidents()])
    await server.start()
    try:
        async with chromium() as browser:
            for name, look, path, height in (
                ("page-now", "desktop", "/", 1500),
                ("page-now-dark", "dark", "/", 1500),
                ("page-now-phone", "phone", "/", 1500),
                ("page-incident", "desktop", "/incident/pk-63f1f36f858fa117", 1700),
                ("page-country", "desktop", "/country/PK", 1440),
                ("page-platform", "desktop", "/platform/x", 1100),
                ("page-incident-ar", "desktop", "/incident/pk-63f1f36f858fa117?lang=ar", 1700),
            ):
                context = await browser.new_context(**LOOKS[look])
                page = await context.new_page()
                await page.goto(f"{server.url}{path}")
                await page.wait_for_timeout(300)
                width = LOOKS[look]["viewport"]["width"]
                clip = {"x": 0, "y": 0, "width": width, "height": height}
                await page.screenshot(
                    path=IMAGES / f"{name}.png", full_page=True, clip=clip, animations="disabled"
                )
                await context.close()
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(draw())
