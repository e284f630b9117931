"""What the page bears: `python -m benchmarks.page [--incidents 10000] [--streams 2000] [--seconds 5]`.

A page in a process of its own over made-up records: a hundred countries with a day of windows each, and incidents.
Prints a line for each bar: how long it takes to start, how heavy and fast the first page is, how many requests a second
of a country's page it answers from memory, and how soon a change reaches every browser that waits.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import aiohttp

from producers.countries import COUNTRIES
from streams.page.server import PageServer
from streams.records import (
    Detector,
    Incident,
    Kind,
    Network,
    Reachability,
    Scope,
    Severity,
    Status,
    Window,
    encode,
)
from streams.settings import load

NOW = datetime(2024, 1, 20, 18, 0, tzinfo=UTC)
PLATFORMS = ("facebook", "instagram", "whatsapp", "x", "youtube")
ASNS = (64501, 64502, 64503, 64504)
PLACES = sorted(COUNTRIES)[:100]


def window(country: str, start: datetime) -> Window:
    """Twenty cells, all well."""
    many = len(PLATFORMS) * len(ASNS)
    return Window(
        country=country,
        start=start,
        end=start + timedelta(minutes=1),
        simulated=True,
        networks_live=len(ASNS),
        vantages=12,
        awaited=60.0,
        came=60.0,
        platform=[name for name in PLATFORMS for _ in ASNS],
        region=[""] * many,
        asn=[asn for _ in PLATFORMS for asn in ASNS],
        n=[3] * many,
        k=[3] * many,
        expected=[0.99] * many,
        ttfb_ms=[120] * many,
        failure=[""] * many,
    )


def incident(number: int, seq: int) -> Incident:
    """One of many; the newest three are open."""
    onset = NOW - timedelta(hours=number)
    over = number > 3 and seq == 3
    return Incident(
        id=f"pk-{number:016d}",
        seq=seq,
        status=Status.RESOLVED if over else Status.OPEN if seq == 1 else Status.UPDATED,
        kind=Kind.PLATFORM,
        scope=Scope.NATION_SCALE,
        severity=Severity.CRITICAL,
        country=PLACES[number % len(PLACES)],
        platforms=("x", "youtube"),
        networks=tuple(Network(asn=asn, lost=0.9, onset=onset) for asn in ASNS),
        onset=onset,
        detected=onset + timedelta(minutes=4),
        updated=onset + timedelta(minutes=4 + seq),
        resolved=onset + timedelta(hours=1) if over else None,
        duration_seconds=3600,
        reachability=Reachability(now=0.1, usual=0.98),
        confirmed=True,
        vantages=12,
        networks_live=4,
        simulated=True,
        detector=Detector(name="netdusk", version="1", settings="0"),
        summary="SIMULATED: made for a benchmark.",
    )


def values(incidents: int) -> Iterator[list[bytes]]:
    """Everything that stands on the topics, in batches; the incidents first."""
    batch = [encode(incident(number, seq)) for number in range(1, incidents + 1) for seq in (1, 2, 3)]
    for first in range(0, len(batch), 2000):
        yield batch[first : first + 2000]
    for minute in range(0, 1440, 5):
        start = NOW - timedelta(minutes=1440 - minute)
        yield [encode(window(country, start)) for country in PLACES]


async def serve(incidents: int) -> None:
    """The page's process: prints its address, then how long it took to read everything."""
    batches = list(values(incidents))
    settings = load(
        page={"port": 0, "requests_per_second": 1_000_000, "streams_max": 100_000}, worker={"clock": "replay"}
    )
    began = time.perf_counter()
    server = PageServer(settings)
    await server.start()

    async def feed() -> object:
        for number, batch in enumerate(batches):
            yield batch
            if number == len(batches) - len(range(0, 1440, 5)) - 1:
                print(f"incidents {time.perf_counter() - began:.3f}", flush=True)
        yield None
        print(f"ready {time.perf_counter() - began:.3f} {server.url}", flush=True)
        minute = 0
        while True:  # a change whenever a line comes in
            if not await asyncio.to_thread(sys.stdin.readline):
                return
            yield [encode(window(PLACES[0], NOW + timedelta(minutes=minute)))]
            minute += 1

    await server.feed(feed())  # type: ignore[arg-type]  # an async generator
    await server.stop()


async def first_page(url: str) -> tuple[int, float, float]:
    """Bytes with all that the page asks for; milliseconds made anew and from memory."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=True) as session:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            async with session.get(url) as answer:
                body = await answer.read()
            took.append(1000 * (time.perf_counter() - began))
        total = len(gzip.compress(body, 6))
        names = set(re.findall(rb'(?:href|src)="(/static/[^"?]+)', body)) | {b"/static/libre-franklin.woff2"}
        for name in names:
            async with session.get(url + name.decode()) as answer:
                data = await answer.read()
            total += len(data) if name.endswith(b"woff2") else len(gzip.compress(data, 6))
    return total, took[0], min(took[1:])


async def hammer(url: str, path: str, seconds: float, connections: int = 16) -> tuple[float, float]:
    """Requests a second over connections that stay open, and the 99th percentile in milliseconds."""
    host, port = url.removeprefix("http://").split(":")
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]  # it is there
            await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200")
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    took.sort()
    return len(took) / seconds, 1000 * took[int(0.99 * len(took))]


async def wait_all(url: str, page: subprocess.Popen[bytes], many: int) -> tuple[float, float]:
    """Seconds until so many streams are open, and from a change until all of them have it."""
    host, port = url.removeprefix("http://").split(":")
    began = time.perf_counter()
    streams = []
    gate = asyncio.Semaphore(100)

    async def opened() -> None:
        async with gate:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /events?watch={PLACES[0]} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await reader.readuntil(b"retry: 5000\n\n")
            streams.append((reader, writer))

    await asyncio.gather(*(opened() for _ in range(many)))
    ready = time.perf_counter() - began
    assert page.stdin is not None
    began = time.perf_counter()
    page.stdin.write(b"\n")
    page.stdin.flush()
    await asyncio.gather(*(reader.readuntil(b"event: change") for reader, _ in streams))
    told = time.perf_counter() - began
    for _, writer in streams:
        writer.close()
    return ready, told


async def measure(incidents: int, streams: int, seconds: float) -> dict[str, float]:
    """All figures."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * streams + 500)), hard))
    command = [sys.executable, "-m", "benchmarks.page", "--serve", "--incidents", str(incidents)]
    page = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert page.stdout is not None
    try:
        known = float(page.stdout.readline().split()[1])
        _, ready, address = page.stdout.readline().split()
        url = address.decode()
        weight, anew, again = await first_page(url)
        rate, slowest = await hammer(url, f"/country/{PLACES[5]}", seconds)
        opened, told = await wait_all(url, page, streams)
    finally:
        assert page.stdin is not None
        page.stdin.close()
        page.wait(30)
    return {
        "incidents": incidents,
        "seconds until they are shown": known,
        "seconds until a day of 100 countries is read too": float(ready),
        "first page, bytes with all it asks for": weight,
        "first page made anew, ms": round(anew, 1),
        "first page from memory, ms": round(again, 1),
        "country page from memory, requests a second": round(rate),
        "99th percentile, ms": round(slowest, 1),
        "streams": streams,
        "seconds until all are open": round(opened, 2),
        "seconds from a change until all have it": round(told, 2),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--incidents", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.incidents))
        return
    figures = asyncio.run(measure(given.incidents, given.streams, given.seconds))
    for name, figure in figures.items():
        print(f"{name}: {figure}")


if __name__ == "__main__":
    main()
