"""netdusk probe and blackbox_exporter, side by side: results a second of CPU time, on loopback TLS.

Both ask the same server (its own process, its CPU not counted) at the same pace: connect, TLS handshake with the
certificate verified, GET, answer read to the end. Neither looks up a name. netdusk probe prints its results as JSON
lines; blackbox_exporter is asked over kept connections, as Prometheus asks it, and every answer has to say
`probe_success 1`. They take turns; the median counts.

`python -m benchmarks.probe --hold MINUTES` asks 2,000 of these targets a minute, and says each minute how many results
came, how many of them were good, what the process had in memory, and what it took of CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import ssl
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import trustme

ROOT = Path(__file__).parents[1]
BLACKBOX = ROOT / ".cache/blackbox/usr/bin/prometheus-blackbox-exporter"
RESULT = ROOT / ".cache/bench/probe.json"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300\r\nConnection: close\r\n\r\n"
    + b"r" * 300
)
PORTS = 8
TICKS = os.sysconf("SC_CLK_TCK")
#: Targets a minute that one process holds.
HELD = 2000


@dataclass(frozen=True)
class Plan:
    """How much, how fast."""

    results: int
    per_second: int
    folder: Path
    ports: list[int]

    @property
    def urls(self) -> list[str]:
        """As many targets as are asked a second; each then comes round once a second."""
        return [f"https://127.0.0.1:{self.ports[i % PORTS]}/t{i}" for i in range(self.per_second)]


@dataclass(frozen=True)
class Took:
    """What a run took, from its first result to its last."""

    results: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def per_cpu_second(self) -> float:
        return self.results / self.cpu_seconds


def cpu_of(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def serve(certificate: Path, authority: Path) -> None:
    """The server of both: prints its ports, then answers until its stdin ends."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.num_tickets = 0
    servers = [
        await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, backlog=1024) for _ in range(PORTS)
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


def _asking(plan: Plan) -> tuple[str, ...]:
    targets = plan.folder / "targets.toml"
    targets.write_text(
        "".join(f'[[target]]\nplatform = "test"\nurl = "{url}"\nprivate = true\n' for url in plan.urls)
    )
    return (
        *(sys.executable, "-m", "streams", "probe", "--print", "--country", "QN", "--asn", "64512"),
        *("--targets", str(targets), "--authorities", str(plan.folder / "authority.pem")),
        *("--allow-private", "--count", str(plan.results)),
    )


async def netdusk(plan: Plan) -> Took:
    """`netdusk probe --print`, its output read by us."""
    process = await asyncio.create_subprocess_exec(
        *_asking(plan), "--interval", "1", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    seen = 0
    cpu = wall = 0.0
    last_cpu = last_wall = 0.0
    async for line in process.stdout:
        if json.loads(line)["ok"] is not True:
            raise SystemExit(f"a probe failed: {line!r}")
        seen += 1
        if seen == 1:
            cpu, wall = cpu_of(process.pid), time.monotonic()
        if seen == plan.results - plan.per_second // 4:  # the process must still be there to be asked
            last_cpu, last_wall = cpu_of(process.pid), time.monotonic()
            counted = seen - 1
    assert await process.wait() == 0
    assert seen == plan.results
    return Took(counted, last_cpu - cpu, last_wall - wall)


async def blackbox(plan: Plan) -> Took:
    """blackbox_exporter, asked at the same pace over kept connections."""
    config = plan.folder / "blackbox.yml"
    config.write_text(
        json.dumps(
            {
                "modules": {
                    "https": {
                        "prober": "http",
                        "timeout": "10s",
                        "http": {
                            "preferred_ip_protocol": "ip4",
                            "tls_config": {"ca_file": str(plan.folder / "authority.pem")},
                        },
                    }
                }
            }
        )
    )
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        str(BLACKBOX),
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    base = f"http://127.0.0.1:{port}"
    try:
        connector = aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask(url: str) -> None:
                async with session.get(f"{base}/probe", params={"module": "https", "target": url}) as answer:
                    if "\nprobe_success 1\n" not in await answer.text():
                        raise SystemExit(f"blackbox_exporter failed on {url}")

            await _until_answers(session, base)
            await ask(plan.urls[0])
            cpu, wall = cpu_of(process.pid), time.monotonic()
            tasks = []
            for number in range(plan.results):
                due = wall + number / plan.per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.append(asyncio.create_task(ask(plan.urls[number % plan.per_second])))
            await asyncio.gather(*tasks)
            return Took(plan.results, cpu_of(process.pid) - cpu, time.monotonic() - wall)
    finally:
        process.terminate()
        await process.wait()


async def _until_answers(session: aiohttp.ClientSession, base: str) -> None:
    for _ in range(200):
        with suppress(aiohttp.ClientError):
            async with session.get(f"{base}/-/healthy"):
                return
        await asyncio.sleep(0.05)
    raise SystemExit("blackbox_exporter does not answer")


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[list[int]]:
    """The server of both, in its own process; yields its ports."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.probe", "--serve", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert server.stdout is not None
    try:
        yield json.loads(await server.stdout.readline())
    finally:
        server.terminate()
        await server.wait()


async def hold(minutes: int) -> None:
    """Ask HELD targets a minute, and say how the probe stands."""
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name)) as ports:
            plan = Plan(HELD * (minutes + 1), HELD, Path(name), ports)
            process = await asyncio.create_subprocess_exec(
                *_asking(plan), "--interval", "60", stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            counts: Counter[bool] = Counter()

            async def read(lines: asyncio.StreamReader) -> None:
                async for line in lines:
                    counts[json.loads(line)["ok"]] += 1

            reading = asyncio.create_task(read(process.stdout))
            print("minute  results    good  resident MB  CPU s")
            before, taken = 0.0, 0
            for minute in range(1, minutes + 1):
                await asyncio.sleep(60)
                cpu, came = cpu_of(process.pid), counts.total()
                good = counts[True] / max(1, came)
                print(
                    f"{minute:6} {came - taken:8,} {good:7.1%} {resident_mb(process.pid):12.1f} {cpu - before:6.1f}",
                    flush=True,
                )
                before, taken = cpu, came
            process.terminate()
            await process.wait()
            await reading


async def compare(results: int, per_second: int, rounds: int) -> None:
    if not BLACKBOX.is_file():
        raise SystemExit(f"{BLACKBOX}: not there; `make bench-probe` fetches it")
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name)) as ports:
            plan = Plan(results, per_second, Path(name), ports)
            took: dict[str, list[Took]] = {"netdusk probe": [], "blackbox_exporter": []}
            for _ in range(rounds):
                took["netdusk probe"].append(await netdusk(plan))
                took["blackbox_exporter"].append(await blackbox(plan))
    medians = {name: statistics.median(one.per_cpu_second for one in runs) for name, runs in took.items()}
    print(f"{'':20} results/CPU second   ms of CPU a result   results/s")
    for name, runs in took.items():
        pace = statistics.median(one.results / one.wall_seconds for one in runs)
        print(f"{name:20} {medians[name]:18,.0f} {1000 / medians[name]:20.3f} {pace:11,.0f}")
    ratio = medians["netdusk probe"] / medians["blackbox_exporter"]
    print(f"netdusk probe / blackbox_exporter: {ratio:.2f}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps({"per_cpu_second": medians, "ratio": ratio, "rounds": rounds, "results": results})
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=int, default=4000, help="results a round")
    parser.add_argument("--per-second", type=int, default=200, help="pace of both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hold", type=int, metavar="MINUTES", help="ask 2,000 targets a minute for so long")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.serve / "server.pem", given.serve / "authority.pem"))
    elif given.hold:
        asyncio.run(hold(given.hold))
    else:
        asyncio.run(compare(given.results, given.per_second, given.rounds))


if __name__ == "__main__":
    main()
