"""A small observatory: Pakistan is cut, Uganda is well, Iran is not heard any more; a server over it, in-process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from streams.page.server import PageServer
from streams.records import Incident, Window
from streams.settings import Settings, load
from tests.streams.publish.stories import ASNS, EVENT, ONSET, incident

NOW = ONSET + timedelta(hours=1)
TOKEN = "a-token-of-some-length"


def window(time: datetime, country: str = "PK", *, lost: bool = False, simulated: bool = False) -> Window:
    """A minute: ten results of each of two platforms on three networks; where it is lost, x fails."""
    platforms = ["x"] * 3 + ["google"] * 3
    many = len(platforms)
    return Window(
        country=country,
        start=time,
        end=time + timedelta(minutes=1),
        simulated=simulated,
        networks_live=3,
        vantages=5,
        awaited=60.0,
        came=60.0,
        platform=platforms,
        region=["PK-PB"] * many if country == "PK" else [""] * many,
        asn=[*ASNS, *ASNS],
        n=[10] * many,
        k=[1 if lost and name == "x" else 10 for name in platforms],
        expected=[0.98] * many,
        ttfb_ms=[80] * many,
        failure=["tls.connection_reset" if lost and name == "x" else "" for name in platforms],
    )


def windows() -> Iterator[Window]:
    """Four hours, a window every five minutes."""
    time = NOW - timedelta(hours=4)
    while time < NOW:
        yield window(time, lost=time >= ONSET)
        yield window(time, "UG")
        if time < NOW - timedelta(hours=1):
            yield window(time, "IR")
        time += timedelta(minutes=5)


#: Made once: nobody changes them.
_WINDOWS = tuple(windows())


def settings(**page: Any) -> Settings:
    loaded = load(page={"token": TOKEN, "public_url": "https://netdusk.example", "port": 0, **page})
    assert isinstance(loaded, Settings)
    return loaded


async def observatory(*incidents: Incident, more: tuple[object, ...] = (), **how: Any) -> PageServer:
    """A server that knows the windows, the calendar and some incidents."""
    loaded = how.pop("settings", None) or settings()
    server = PageServer(loaded, clock=lambda: NOW, **how)
    await server.take([*_WINDOWS, EVENT, *(incidents or (incident(),)), *more])
    server.ready = True
    return server


@asynccontextmanager
async def client(server: PageServer) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(server.app())) as asking:
        yield asking
    server._thread.shutdown(wait=False)
