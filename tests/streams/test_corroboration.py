"""What other sources say of a cut, through the whole of netdusk: `netdusk pull` asks a service, signals stand on their
topic, a worker on real Kafka is killed and comes back, and the incident and `netdusk incidents` say it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer

from producers.partitions import partition_of
from producers.records import ProbeResult, encode
from streams.kafka.alerts import parse
from streams.kafka.client import TopicReader
from streams.records import Incident, Status
from tests.faults.fleet import Fleet
from tests.faults.oracle import contents

NETDUSK = str(Path(sys.executable).parent / "netdusk")
WINDOW = 2
#: Windows of two seconds in place of sixty, and as much less to learn from.
SECTIONS = {
    "time": {"window_seconds": WINDOW, "lateness_seconds": 2, "spool_seconds": 4},
    "detection": {"warm_seconds": 24.0, "learn_lag_seconds": 8.0},
    "incidents": {"merge_seconds": 60},
}
ROLES = ("probes", "checkpoints", "alerts", "rejected", "windows", "signals")
WORLD_ROLES = ("health", "calendar", "world_checkpoints", "annotations", "vantages")


class Elsewhere:
    """A service in the place of IODA's and Cloudflare's: what each has to say now, in the shapes of its documents.

    IODA's routes go on as usual, and its pings fall with the cut, but come late. Cloudflare tells of an outage in that
    country when it is asked for the second time, of one in another country from the start, and of one taken back.
    """

    def __init__(self) -> None:
        self.begin = int(time.time()) - 200
        self.cut: int | None = None
        self.asked = 0
        self.pings = False

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/ioda/signals/raw/country/{country}", self._series)
        app.router.add_get("/ioda/outages/alerts", self._alerts)
        app.router.add_get("/cloudflare/annotations/outages", self._annotations)
        app.router.add_get("/cloudflare/traffic_anomalies", self._anomalies)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _series(self, request: web.Request) -> web.Response:
        now = int(time.time())
        series = [self._values(request.match_info["country"], "bgp", [5100.0] * ((now - self.begin) // 2))]
        if self.pings:
            assert self.cut is not None
            whole = (self.cut - self.begin) // 2
            values = [7300.0] * whole + [900.0] * ((now - self.begin) // 2 - whole)
            series.append(self._values(request.match_info["country"], "ping-slash24", values))
        return web.json_response({"type": "signals", "error": None, "data": [series]})

    def _values(self, country: str, name: str, values: list[float]) -> dict[str, Any]:
        return {
            "entityType": "country",
            "entityCode": country,
            "datasource": name,
            "subtype": "",
            "from": self.begin,
            "until": self.begin + 2 * len(values),
            "step": 2,
            "nativeStep": 2,
            "values": values,
        }

    async def _alerts(self, request: web.Request) -> web.Response:
        """A region's, and one that is on since days: neither is of this cut."""
        alerts = [
            {
                "datasource": "merit-nt",
                "entity": {"code": code, "type": kind, "attrs": {"country_code": "PK"}},
                "time": moment,
                "level": "critical",
            }
            for code, kind, moment in (
                ("4416", "region", self.cut or self.begin),
                ("PK", "country", self.begin - 200_000),
            )
        ]
        return web.json_response({"type": "outages.alerts", "error": None, "data": alerts})

    async def _annotations(self, request: web.Request) -> web.Response:
        self.asked += 1
        rows = [self._outage("IR", self.begin)]
        if self.asked > 1 and self.cut is not None:
            rows += [self._outage("PK", self.cut)] * 2
        return web.json_response({"success": True, "errors": [], "result": {"annotations": rows}})

    def _outage(self, country: str, moment: int) -> dict[str, Any]:
        return {
            "id": str(moment),
            "asns": [],
            "asnsDetails": [],
            "dataSource": "ALL",
            "eventType": "OUTAGE",
            "locations": [country],
            "outage": {"outageCause": "GOVERNMENT_DIRECTED", "outageType": "NATIONWIDE"},
            "startDate": datetime.fromtimestamp(moment, UTC).isoformat(),
            "endDate": None,
            "linkedUrl": "https://radar.example/post",
        }

    async def _anomalies(self, request: web.Request) -> web.Response:
        row = {
            "type": "LOCATION",
            "status": "FALSE_POSITIVE",
            "startDate": datetime.fromtimestamp(self.cut or self.begin, UTC).isoformat(),
            "locationDetails": {"code": "PK"},
        }
        return web.json_response({"success": True, "errors": [], "result": {"trafficAnomalies": [row]}})


async def measure(bootstrap: str, topic: str, dark: asyncio.Event) -> None:
    """Four networks of one country, two vantages each; each measures once a window, until it is dark."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=2)
    await producer.start()
    number = 0
    try:
        while not dark.is_set():
            now = datetime.now(UTC)
            for asn in (64500, 64501, 64502, 64503):
                for vantage in (f"pk-{asn}-1", f"pk-{asn}-2"):
                    number += 1
                    result = ProbeResult(
                        id=str(number),
                        time=now,
                        platform="youtube",
                        country="PK",
                        asn=asn,
                        vantage=vantage,
                        ok=True,
                        every_seconds=WINDOW,
                    )
                    await producer.send(topic, encode(result), key=b"PK", partition=partition_of(b"PK", 1))
            await producer.flush()
            await asyncio.sleep(WINDOW)
    finally:
        await producer.stop()


async def run(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        NETDUSK, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode() + (error.decode() if process.returncode > 1 else "")


class Story:
    """One run: what a user starts, and what there is to read."""

    def __init__(self, fleet: Fleet, service: Elsewhere, url: str, folder: Path) -> None:
        self.fleet, self.service, self.url, self.folder = fleet, service, url, folder

    async def pull(self, *sources: str) -> None:
        for source in sources:
            code, text = await run(
                *("pull", source, "--country", "PK", "--country", "IR", "--url", f"{self.url}/{source}"),
                *("--config", str(self.fleet.config), "--gap", "0", "--once", "--since-hours", "1"),
            )
            assert code == 0, text

    async def told(self) -> list[Incident]:
        topic = self.fleet.settings.topics.alerts
        records = await contents(TopicReader(self.fleet.settings.kafka), topic)
        return [one for _, value in records if (one := parse(value, topic)) is not None]

    async def until(self, good: Callable[[Incident], bool]) -> Incident:
        """The first of the last snapshots that is so."""
        for _ in range(600):
            told = await self.told()
            if told and good(told[-1]):
                return told[-1]
            await asyncio.sleep(0.2)
        logs = "\n".join(one.log.read_text()[-3000:] for one in self.fleet.workers)
        raise AssertionError(
            f"{[(one.seq, one.confirmed, one.corroboration) for one in await self.told()]}\n{logs}"
        )


def said(incident: Incident) -> dict[str, tuple[str, str]]:
    return {one.source: (one.says.value, one.signal) for one in incident.corroboration}


@pytest.mark.integration
async def test_a_cut_is_confirmed_by_another_source_whatever_is_killed(
    bootstrap: str, tmp_path: Path
) -> None:
    name = f"c{random.getrandbits(32):08x}"
    fleet = Fleet(
        bootstrap,
        tmp_path,
        name=name,
        partitions=1,
        command=(NETDUSK, "worker", "--config", "{config}"),
        worker={"clock": "live", "tick_seconds": 1.0},
        kafka={"session_timeout_seconds": 1.5, "heartbeat_seconds": 0.4},
        sections={
            **SECTIONS,
            "topics": {role: f"{name}.{role}" for role in ("signals", "annotations", "vantages")},
        },
    )
    await fleet.make_topics((*ROLES, *WORLD_ROLES))
    service, dark = Elsewhere(), asyncio.Event()
    async with service.serving() as url:
        story = Story(fleet, service, url, tmp_path)
        worker = fleet.start()
        measuring = asyncio.create_task(measure(bootstrap, fleet.settings.topics.probes, dark))
        try:
            await fleet.wait_for_log(worker, "partition restored")
            await story.pull("cloudflare")
            await asyncio.sleep(25 * WINDOW)  # 24 s to warm, 8 s until the first is learned, and some
            dark.set()
            await measuring
            service.cut = int(time.time())
            opened = await story.until(lambda one: one.status is Status.OPEN)
            assert (opened.kind.value, opened.unconfirmed_reason) == ("connectivity", "own_path")
            onset = opened.onset

            # Killed while what others say is on its way.
            worker.kill()
            service.asked = 1
            await story.pull("ioda", "cloudflare")
            fleet.start()
            agreed = await story.until(lambda one: one.confirmed)
            assert said(agreed) == {
                "cloudflare_radar": ("agrees", "outage"),
                "ioda": ("disagrees", "bgp"),
            }
            [cloudflare, ioda] = agreed.corroboration
            assert cloudflare.url == "https://radar.example/post"
            assert int(cloudflare.time.timestamp()) == service.cut  # type: ignore[union-attr]
            assert (ioda.value, ioda.usual) == (5100.0, 5100.0)

            # IODA's pings come late.
            service.pings = True
            await story.pull("ioda")
            late = await story.until(lambda one: said(one)["ioda"][0] == "agrees")
            assert said(late)["ioda"] == ("agrees", "ping-slash24")
            assert {one.onset for one in await story.told()} == {onset}
            assert len({one.id for one in await story.told()}) == 1
            code, text = await run("incidents", "show", late.id, "--config", str(fleet.config))
            assert code == 1
            assert "Cloudflare Radar agrees: it tells of an outage itself" in text
            assert "https://radar.example/post" in text
        finally:
            measuring.cancel()
            fleet.close()
