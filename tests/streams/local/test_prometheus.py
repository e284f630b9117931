"""`netdusk pull prometheus` beside the real programs: Prometheus has blackbox_exporter ask servers on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from producers.records import ProbeResult, decode
from tests.monitoring.servers import Blackbox, Prometheus
from tests.producers.probe.servers import answer, certified, refusing, resets, says, serving, write_authority

pytestmark = pytest.mark.integration

NETDUSK: Final = str(Path(sys.executable).parent / "netdusk")
#: Between two scrapes.
EVERY: Final = 1.0
LABELS: Final = f"""
country = "cc"
asn = "isp"
platform = "platform"
every_seconds = {EVERY}
only = {{ job = "blackbox" }}
"""
#: Windows of three seconds, and as much less to learn from.
SETTINGS: Final = """
profile = "own"
[time]
window_seconds = 3
lateness_seconds = 3
spool_seconds = 6
[detection]
warm_seconds = 16.0
learn_lag_seconds = 8.0
"""


async def netdusk(*arguments: str | Path) -> tuple[int, str]:
    """One command, in a process of its own: its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        NETDUSK, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()


class Shop:
    """A server of TLS that can go away, and come back on its port."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await says(answer())(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass  # the exporter has left
            finally:
                writer.close()

        self._server = await asyncio.start_server(handle, "127.0.0.1", self.port, ssl=certified("localhost"))
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        assert self._server is not None
        self._server.close()


def labelled(platform: str, country: str = "PK", isp: str = "AS17557") -> dict[str, str]:
    return {"platform": platform, "cc": country, "isp": isp}


@asynccontextmanager
async def watched(folder: Path, shop: Shop) -> AsyncIterator[tuple[Prometheus, dict[str, str]]]:
    """A Prometheus that has an SRE's services scraped, and the URL of each."""
    tls = certified("localhost")
    async with (
        serving(says(answer(503)), tls) as broken,
        serving(resets) as cut,
        refusing() as closed,
        serving(says(answer(302, location=f"https://localhost:{cut}/")), tls) as leading,
    ):
        await shop.open()
        urls = {
            "shop": f"https://localhost:{shop.port}/health",
            "broken": f"https://localhost:{broken}/",
            "cut": f"https://localhost:{cut}/",
            "closed": f"https://localhost:{closed}/",
            "plain": f"http://localhost:{closed}/",
            "gone": "https://nothing.invalid/",
            "leading": f"https://localhost:{leading}/",
        }
        http = {"preferred_ip_protocol": "ip4", "tls_config": {"ca_file": str(write_authority(folder))}}
        exporter = Blackbox(folder, {"https": {"prober": "http", "timeout": "2s", "http": http}})
        # What never works stands in another country, with labels as others write them.
        services = [
            (urls[platform], labelled(platform, "de", "64500")) for platform in urls if platform != "shop"
        ]
        services.append((urls["shop"], labelled("shop")))
        job = exporter.job("blackbox", "https", services, EVERY)
        other = exporter.job("other", "https", [(urls["broken"], labelled("left out"))], EVERY)
        prometheus = Prometheus(folder, [], jobs=[job, other])
        try:
            await asyncio.to_thread(exporter.start)
            await asyncio.to_thread(prometheus.start)
            yield prometheus, urls
        finally:
            await asyncio.to_thread(prometheus.stop)
            await asyncio.to_thread(exporter.stop)
            shop.close()


def pulled(path: Path) -> list[ProbeResult]:
    results = []
    for line in path.read_bytes().splitlines():
        result = decode(line)
        assert isinstance(result, ProbeResult), result
        results.append(result)
    return results


def end(result: ProbeResult) -> str:
    return "ok" if result.ok else f"{result.stage}.{result.failure}"


async def test_a_running_prometheus_is_read_and_what_went_down_is_told(tmp_path: Path) -> None:
    labels, settings, sink = tmp_path / "labels.toml", tmp_path / "netdusk.toml", tmp_path / "results.jsonl"
    labels.write_text(LABELS)
    settings.write_text(SETTINGS)
    shop, began = Shop(), time.time()
    async with watched(tmp_path, shop) as (prometheus, urls):
        pull = ("pull", "prometheus", "--url", prometheus.url, "--map", labels, "--once", "--json")
        into = ("--state", tmp_path / "state.json", "--output", sink)
        await asyncio.sleep(28)
        shop.close()
        down = time.time()
        await asyncio.sleep(14)
        await shop.open()
        back = time.time()
        first, told = await netdusk(*pull, *into)
        assert first == 0, told
        await asyncio.sleep(26)
        second, told = await netdusk(*pull, *into)
        assert second == 0, told
        assert json.loads(told)["refused"] == {}
        until = json.loads((tmp_path / "state.json").read_bytes())["until"][f"prometheus/{prometheus.url}"]
        scraped = await asyncio.to_thread(
            prometheus.query, f'sum(count_over_time(probe_success{{job="blackbox"}}[10m] @ {until:.3f}))'
        )
    results = pulled(sink)
    told_by_service(results, urls, (began, down, back))
    # Each sample once, though the second round asks for minutes of the first again.
    assert len({one.id for one in results}) == len(results)
    behind = float(scraped[0]["value"][1]) - len(results)
    assert 0 <= behind <= len(urls), "all but what was being scraped as it was asked"

    code, told = await netdusk("backtest", sink, "--weigh-late", "--json", "--config", settings)
    assert code == 1, told
    incidents = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    of_shop = [one for one in incidents if one["platforms"] == ["shop"]]
    assert [one["status"] for one in of_shop][0 :: max(1, len(of_shop) - 1)] == ["open", "resolved"]
    assert len({one["id"] for one in of_shop}) == 1
    assert {one["country"] for one in incidents if "shop" in one["platforms"]} == {"PK"}
    assert abs(onset(of_shop[0]) - down) <= 6, (of_shop[0]["onset"], down)


def onset(incident: dict[str, Any]) -> float:
    return datetime.fromisoformat(incident["onset"]).timestamp()


def told_by_service(
    results: list[ProbeResult], urls: dict[str, str], moments: tuple[float, float, float]
) -> None:
    """Platform, place, end, status, phases and time of each service's results."""
    began, down, back = moments
    by_platform: dict[str, list[ProbeResult]] = {}
    for one in results:
        by_platform.setdefault(one.platform, []).append(one)
        assert one.target == urls[one.platform]
        assert began <= one.time.timestamp() <= time.time()
        assert (one.source, one.method, one.every_seconds) == ("prometheus", "blackbox", EVERY)
    commonest = {
        platform: Counter(map(end, of_it)).most_common(1)[0][0]
        for platform, of_it in by_platform.items()
        if platform != "shop"
    }
    assert commonest == {
        "broken": "http.http_unexpected_status_code",
        # blackbox_exporter shows these two alike.
        "cut": "None.None",
        "closed": "None.None",
        "plain": "tcp.None",
        "gone": "dns.None",
        "leading": "None.None",
    }
    of_shop = by_platform["shop"]
    assert {end(one) for one in of_shop if down < one.time.timestamp() < back - EVERY} == {"None.None"}
    good = [one for one in of_shop if one.ok]
    assert not [one for one in good if down < one.time.timestamp() < back - EVERY]
    # A busy machine may let one handshake take longer than a scrape may.
    assert len(good) >= 0.8 * len([one for one in of_shop if not down - EVERY < one.time.timestamp() < back])
    for one in good:
        assert (one.status, one.country, one.asn) == (200, "PK", 17557)
        assert one.timings_ms is not None
        assert all((one.timings_ms.dns, one.timings_ms.tcp, one.timings_ms.tls, one.timings_ms.ttfb))
    broken = next(one for one in by_platform["broken"] if end(one) == commonest["broken"])
    assert (broken.status, broken.country, broken.asn, broken.vantage) == (
        503,
        "DE",
        64500,
        "prometheus-DE-AS64500",
    )
