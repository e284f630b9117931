"""netdusk probe and blackbox_exporter, side by side: results a second of CPU time, on loopback TLS.

Both ask the same server (its own process, its CPU not counted) at the same pace: connect, TLS handshake with the
certificate verified, GET, answer read to the end. Neither looks up a name. netdusk probe prints its results as JSON
lines; blackbox_exporter is asked over kept connections, as Prometheus asks it, and every answer has to say
`probe_success 1`. They take turns; the median counts.
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
from contextlib import suppress
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


async def netdusk(plan: Plan) -> Took:
    """`netdusk probe --print`, its output read by us."""
    targets = plan.folder / "targets.toml"
    targets.write_text(
        "".join(f'[[target]]\nplatform = "test"\nurl = "{url}"\nprivate = true\n' for url in plan.urls)
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams", "probe", "--print", "--country", "QN", "--asn", "64512"),
        *("--targets", str(targets), "--authorities", str(plan.folder / "authority.pem")),
        *("--allow-private", "--interval", "1", "--count", str(plan.results)),
        stdout=asyncio.subprocess.PIPE,
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


async def compare(results: int, per_second: int, rounds: int) -> None:
    if not BLACKBOX.is_file():
        raise SystemExit(f"{BLACKBOX}: not there; `make bench-probe` fetches it")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(folder / "server.pem")
        )
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.probe", "--serve", str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert server.stdout is not None
        try:
            plan = Plan(results, per_second, folder, json.loads(await server.stdout.readline()))
            took: dict[str, list[Took]] = {"netdusk probe": [], "blackbox_exporter": []}
            for _ in range(rounds):
                took["netdusk probe"].append(await netdusk(plan))
                took["blackbox_exporter"].append(await blackbox(plan))
        finally:
            server.terminate()
            await server.wait()
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
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.serve / "server.pem", given.serve / "authority.pem"))
    else:
        asyncio.run(compare(given.results, given.per_second, given.rounds))


if __name__ == "__main__":
    main()
