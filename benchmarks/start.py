"""What `netdusk up` takes to come up: `python -m benchmarks.start [--rounds 3] [--records 20000]`.

Starts it in a folder of its own, waits until its worker has joined, writes results that the broker acknowledges, kills
every process of it with SIGKILL, starts it again, and counts what is there. Exits with 1 where one result is missing,
or where start or memory is over its bar.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from producers.records import ProbeResult, decode
from streams.kafka.bulk import BulkSender
from streams.kafka.client import TopicReader
from streams.kafka.probes import outgoing
from streams.settings import Settings, load

_START_SECONDS_MAX: Final = 8.0
_BROKER_MB_MAX: Final = 400.0
_PATIENCE_SECONDS: Final = 120.0


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def below(root: int) -> list[int]:
    """A process and all that it has started, and these have."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += parents.get(process, [])
    return found


def resident_mb(process: int) -> float:
    """Memory of a process that is resident now."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_seconds(process: int) -> float:
    """Processor time of a process and of those of its children that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


class Up:
    """One `netdusk up` without probe, canary and page: broker and worker."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        http = free_port()
        command = [
            str(Path(sys.executable).parent / "netdusk"),
            "up",
            "--no-probe",
            "--no-canary",
            "--no-page",
        ]
        command += ["--folder", str(folder), "--broker-port", str(broker_port)]
        began = time.monotonic()
        self._process = subprocess.Popen(
            command, env={**os.environ, "NETDUSK_HTTP__PORT": str(http)}, stdout=subprocess.DEVNULL
        )
        self._wait(f"http://127.0.0.1:{http}/readyz")
        self.seconds = time.monotonic() - began
        self.cpu_seconds = sum(map(cpu_seconds, below(self._process.pid)))

    def _wait(self, url: str) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise SystemExit(f"netdusk up did not come up: {error}") from error
            time.sleep(0.02)

    def broker_mb(self) -> float:
        """What the broker's Java has resident."""
        (java,) = [one for one in below(self._process.pid) if b"java" in self._words(one)[:1][0]]
        return resident_mb(java)

    @staticmethod
    def _words(process: int) -> list[bytes]:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """SIGKILL all of it at once: nobody hands over, nobody closes a file."""
        for process in below(self._process.pid):
            os.kill(process, signal.SIGKILL)
        self._process.wait()


async def write(settings: Settings, records: int) -> set[str]:
    """Write so many results; returns the ids of those that the broker has acknowledged."""
    now = datetime.now(UTC)
    results = [
        ProbeResult(
            id=f"r{i}", time=now, platform="x", country="PK", asn=64500 + i % 10, vantage="v", ok=True
        )
        for i in range(records)
    ]
    async with BulkSender(settings.kafka, settings.topics.probes) as sender:
        await sender.send(outgoing(results, sender.partitions))
        await sender.flush()
    return {result.id for result in results}


async def read(settings: Settings) -> set[str]:
    """The ids of the results that are on the topic."""
    reader, topic = TopicReader(settings.kafka), settings.topics.probes
    bounds = await reader.bounds(topic, await reader.partitions_of(topic))
    found = set()
    for partition, (start, end) in bounds.items():
        async for _, value in reader.read(topic, partition, start, end):
            record = decode(value) if value is not None else None
            if isinstance(record, ProbeResult):
                found.add(record.id)
    return found


def main() -> int:
    """Print what was measured; 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=20_000)
    asked = parser.parse_args()
    starts, cpu, again, memory, lost = [], [], [], [], 0
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            settings = load(kafka={"bootstrap": f"127.0.0.1:{port}"})
            with Up(Path(folder), port) as first:
                starts.append(first.seconds)
                cpu.append(first.cpu_seconds)
                kept = asyncio.run(write(settings, asked.records))
                memory.append(first.broker_mb())
            with Up(Path(folder), port) as second:
                again.append(second.seconds)
                lost += len(kept - asyncio.run(read(settings)))
                memory.append(second.broker_mb())
    print(f"start to joined worker  {statistics.median(starts):.1f} s, at most {max(starts):.1f}")
    print(f"processor time of it    {statistics.median(cpu):.1f} s, at most {max(cpu):.1f}")
    load_average, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"load of the machine     {load_average:.1f} on {cores} cores")
    print(f"again after SIGKILL     {statistics.median(again):.1f} s, at most {max(again):.1f}")
    print(f"broker resident         {max(memory):.0f} MB at most")
    print(f"acknowledged and lost   {lost} of {asked.rounds * asked.records}")
    seconds = (
        starts if load_average <= cores else cpu
    )  # the clock of a machine that is busy with others says nothing
    return int(lost > 0 or max(seconds) > _START_SECONDS_MAX or max(memory) > _BROKER_MB_MAX)


if __name__ == "__main__":
    raise SystemExit(main())
