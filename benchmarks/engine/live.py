"""What a worker costs where it lives: at a steady pace, at several numbers of partitions, and with nothing to do.

Each row is a whole `netdusk worker` of its own on topics of its own, with the clock live: the broker's append time, and
the worker's own ticks. CPU is the process's, all threads, as /proc has it. A row counts only if the worker kept up: all
that was written is applied, nothing late, refused or twice.

Each row is kept as soon as it is measured (`live.json`), and the tables of docs/benchmarks.md and docs/scale.md are
written of what is kept: a row that fails, or that is measured again by itself, leaves the others as they are.

Usage: python -m benchmarks.engine.live [--seconds 60] [--only 240] [--rate 5000] [--latency]
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer

from benchmarks.engine.feed import VANTAGES
from benchmarks.engine.latency import Latency
from benchmarks.engine.throughput import ROOT
from producers.partitions import partition_of
from producers.records import TICK_SCHEMA
from streams.kafka.topics import wanted
from streams.settings import TopicSettings
from tests.faults.brokers import OwnBroker

NETDUSK = Path(sys.executable).parent / "netdusk"
_READY_SECONDS = 120.0
_TOPICS_TRIES = 3
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Pace:
    """So many results a second on so many partitions; 0: nothing but the clock. `bar`: per cent of a core asked for."""

    rate: int
    partitions: int
    bar: float

    @property
    def cells(self) -> int:
        """Each monitor tells once a minute, and ten look at a cell."""
        return self.rate * 60 // VANTAGES


BUSY = (
    Pace(1_000, 8, 5),
    Pace(10_000, 8, 8),
    Pace(5_200, 30, 12),
    Pace(5_000, 240, 25),
    Pace(41_700, 240, 45),
)
IDLE = (Pace(0, 4, 0.8), Pace(0, 30, 1.2), Pace(0, 240, 3))
#: At so many partitions, so many seconds to be ready, and to end after SIGTERM.
START_PARTITIONS, START_BAR, END_BAR = 240, 6.0, 5.0


@dataclass
class Cost:
    """What was measured. `cpu` in per cent of a core; `microseconds` of CPU a result; `start` and `end` in seconds."""

    rate: int
    partitions: int
    cells: int
    bar: float
    cpu: float
    microseconds: float
    chunks_a_second: float
    applied_a_second: float
    resident_bytes: int
    start: float
    start_cpu: float
    end: float
    exit_code: int
    measured: str = ""  # when, UTC
    load: float = (
        0.0  # of the machine, with this in it: the load average of the last minute, at the end of the span
    )


class LiveWorker:
    """A `netdusk worker` on topics of its own."""

    def __init__(self, bootstrap: str, folder: Path, partitions: int, more: str = "") -> None:
        name = uuid4().hex[:8]
        self.topic = f"{name}.probes"
        self.config = folder / f"{name}.toml"
        self.log = folder / f"{name}.log"
        # Each of them: one topic that rows share has the first row's partitions, and differs for the next.
        names = "\n".join(f'{topic.role} = "{name}.{topic.role}"' for topic in wanted(TopicSettings()))
        self.config.write_text(
            f'[kafka]\nbootstrap = "{bootstrap}"\ngroup = "{name}"\n'
            f"[topics]\n{names}\npartitions = {partitions}\n[http]\nport = 0\n{more}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def make_topics(self) -> None:
        """`netdusk topics`; again where a busy machine's broker was too slow to answer."""
        command = [NETDUSK, "topics", "--config", self.config]
        for _ in range(_TOPICS_TRIES):
            made = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
            if made.returncode == 0:
                return
        raise RuntimeError(f"the topics can't be made:\n{made.stdout}{made.stderr}")

    def start(self) -> float:
        """Start it; returns the seconds until it is ready."""
        began = time.monotonic()
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                [NETDUSK, "worker", "--config", self.config], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
            )
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() - began > _READY_SECONDS:
                raise RuntimeError(f"the worker does not come up:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return time.monotonic() - began

    def _ready(self) -> bool:
        try:
            return self._get("/readyz") == "ok\n"
        except OSError:
            return False

    def _get(self, path: str) -> str:
        port = re.search(r"http://[^:]+:(\d+)", self.log.read_text())
        if port is None:
            raise OSError("no port yet")
        with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def figures(self) -> Mapping[str, float]:
        """Its metrics, by name and labels."""
        lines = [line for line in self._get("/metrics").splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    @property
    def cpu_seconds(self) -> float:
        """CPU that the process has used, all threads."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND

    @property
    def resident_bytes(self) -> int:
        """Resident memory."""
        assert self._process is not None
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )

    def stop(self) -> tuple[float, int]:
        """SIGTERM; returns the seconds that it took, and the exit code."""
        process, self._process = self._process, None
        assert process is not None
        began = time.monotonic()
        process.terminate()
        try:
            code = process.wait(60)
        finally:
            if process.poll() is None:
                process.kill()
        return time.monotonic() - began, code

    def close(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def live_worker(bootstrap: str, folder: Path, partitions: int, more: str = "") -> Iterator[LiveWorker]:
    """Topics and a worker that has not started yet."""
    worker = LiveWorker(bootstrap, folder, partitions, more)
    worker.make_topics()
    try:
        yield worker
    finally:
        worker.close()


@contextmanager
def feeding(bootstrap: str, topic: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that writes results (`benchmarks.engine.feed`)."""
    command = [sys.executable, "-m", "benchmarks.engine.feed", bootstrap, topic, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def said(process: subprocess.Popen[str], key: str) -> int:
    """Wait for what the feeding process prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the feeding process ended with {process.wait()}")
    return int(json.loads(line)[key])


def measure(bootstrap: str, folder: Path, pace: Pace, *, seconds: float) -> Cost:
    """One row."""
    with live_worker(bootstrap, folder, pace.partitions) as worker:
        start = worker.start()
        start_cpu = worker.cpu_seconds
        if pace.rate:
            row = _busy(bootstrap, worker, pace, seconds)
        else:
            time.sleep(10.0)
            row = _span(worker, seconds)
        load = os.getloadavg()[0]
        end, code = worker.stop()
    cpu, chunks, applied, span, resident = row
    return Cost(
        pace.rate,
        pace.partitions,
        pace.cells,
        pace.bar,
        100 * cpu / span,
        1e6 * cpu / applied if applied else 0.0,
        chunks / span,
        applied / span,
        resident,
        start,
        start_cpu,
        end,
        code,
        _now(),
        round(load, 1),
    )


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M}"


def _busy(
    bootstrap: str, worker: LiveWorker, pace: Pace, seconds: float
) -> tuple[float, float, float, float, int]:
    with feeding(bootstrap, worker.topic, pace.partitions, pace.cells, pace.rate) as process:
        warm = said(process, "warm")
        _applied(worker, warm)
        time.sleep(5.0)
        row = _span(worker, seconds)
        assert process.stdin is not None
        process.stdin.close()
        sent = said(process, "sent")
    figures = _applied(worker, sent)
    for result in ("late", "rejected", "duplicate"):
        if count := figures[f'netdusk_records_total{{result="{result}"}}']:
            raise RuntimeError(f"{count:.0f} results are {result}")
    return row


def _applied(worker: LiveWorker, count: int) -> Mapping[str, float]:
    """Wait until so many results are applied. Raises where none more is within a minute."""
    end, before = time.monotonic() + 60, 0.0
    while True:
        figures = worker.figures()
        applied = figures['netdusk_records_total{result="applied"}']
        if applied >= count:
            return figures
        if applied > before:
            end, before = time.monotonic() + 60, applied
        if time.monotonic() > end:
            others = {name: value for name, value in figures.items() if "records_total" in name and value}
            raise RuntimeError(f"{applied:.0f} of {count} results are applied: {others}")
        time.sleep(0.5)


def _span(worker: LiveWorker, seconds: float) -> tuple[float, float, float, float, int]:
    """CPU seconds, chunks, results and seconds of a span, and the memory at its end."""
    before, cpu, began = worker.figures(), worker.cpu_seconds, time.monotonic()
    time.sleep(seconds)
    spent, span = worker.cpu_seconds - cpu, time.monotonic() - began
    after = worker.figures()
    chunks, applied = (
        after[name] - before[name]
        for name in ("netdusk_step_seconds_count", 'netdusk_records_total{result="applied"}')
    )
    return spent, chunks, applied, span, worker.resident_bytes


def run(
    bootstrap: str, folder: Path, *, seconds: float = 60.0, paces: tuple[Pace, ...] = (*BUSY, *IDLE)
) -> None:
    """All rows, one after the other."""
    for pace in paces:
        try:
            cost = measure(bootstrap, folder, pace, seconds=seconds)
        except (RuntimeError, OSError) as error:
            print(f"live {pace.rate:,}/s {pace.partitions} partitions: {error}", file=sys.stderr, flush=True)
            continue
        keep(cost)
        print(
            f"live {cost.rate:>6,}/s {cost.partitions:>4} partitions {cost.cpu:6.2f} % (bar {cost.bar:g})"
            f" {cost.microseconds:7.1f} µs {cost.chunks_a_second:7.1f} chunks/s {cost.applied_a_second:9,.0f}/s"
            f" {cost.resident_bytes / 2**20:6.0f} MB  start {cost.start:.1f} s (CPU {cost.start_cpu:.1f})"
            f" end {cost.end:.1f} s exit {cost.exit_code}",
            file=sys.stderr,
            flush=True,
        )


# From a tick to its incident. Windows of two seconds, so that two minutes have sixty of them; every monitor tells in
# each.
_WINDOW_SECONDS, _LATENESS_SECONDS, _CALM_WINDOWS = 2, 1, 20
_LATENCY = Pace(1_000, 8, 0)
_LATENCY_CELLS = _LATENCY.rate * _WINDOW_SECONDS // VANTAGES


def latency(bootstrap: str, folder: Path, *, seconds: float = 240.0) -> Latency:
    """Milliseconds from the broker's time of the tick that closes a window to the incident at a reader of its topic."""
    more = (
        f"[time]\nwindow_seconds = {_WINDOW_SECONDS}\nlateness_seconds = {_LATENESS_SECONDS}\n"
        "[worker]\ntick_seconds = 1.0\n"
    )
    with live_worker(bootstrap, folder, _LATENCY.partitions, more) as worker:
        worker.start()
        arguments = (_LATENCY.partitions, _LATENCY_CELLS, _LATENCY.rate, _WINDOW_SECONDS, _CALM_WINDOWS)
        with feeding(bootstrap, worker.topic, *arguments) as process:
            said(process, "warm")
            delays = asyncio.run(_delays(bootstrap, worker, seconds))
        worker.stop()
    if len(delays) < 20:
        raise RuntimeError(f"only {len(delays)} incidents to measure")
    return Latency(
        len(delays), float(np.percentile(delays, 50)), float(np.percentile(delays, 99)), max(delays)
    )


async def _delays(bootstrap: str, worker: LiveWorker, seconds: float) -> list[float]:
    alerts, tick = worker.topic.replace(".probes", ".alerts"), TICK_SCHEMA.encode()
    consumer = AIOKafkaConsumer(
        alerts, worker.topic, bootstrap_servers=bootstrap, auto_offset_reset="latest", fetch_max_wait_ms=20
    )
    ticks: dict[int, list[int]] = defaultdict(list)
    arrived: list[tuple[dict[str, str], float]] = []
    await consumer.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                now = time.time() * 1000
                if place.topic == alerts:
                    arrived += [(orjson.loads(record.value), now) for record in records]
                else:
                    ticks[place.partition] += [r.timestamp for r in records if tick in r.value]
    finally:
        await consumer.stop()
    delays = []
    for incident, at in arrived:
        if not incident["country"]:
            continue  # the view over countries reads another topic first
        due = datetime.fromisoformat(incident["updated"]).timestamp() * 1000 + _LATENESS_SECONDS * 1000
        written = ticks[partition_of(incident["country"], _LATENCY.partitions)]
        first = bisect.bisect_left(written, due)
        if first < len(written):
            delays.append(at - written[first])
    return delays


# What is written.
BEGIN, END = (
    "<!-- live figures: written by `python -m benchmarks.engine.live` -->",
    "<!-- end of live figures -->",
)
PAGES = (ROOT / "docs/benchmarks.md", ROOT / "docs/scale.md")
KEPT = ROOT / "benchmarks/engine/live.json"


def kept() -> tuple[dict[tuple[int, int], Cost], Latency | None]:
    """What was measured, by rate and partitions; and from a tick to its incident."""
    if not KEPT.exists():
        return {}, None
    figures = json.loads(KEPT.read_text())
    costs = [Cost(**row) for row in figures["live"]]
    delay = figures["latency"]
    return {(cost.rate, cost.partitions): cost for cost in costs}, Latency(**delay) if delay else None


def keep(new: Cost | Latency) -> None:
    """Keep what was measured in place of what was, and write the pages."""
    costs, delay = kept()
    if isinstance(new, Latency):
        delay = new
    else:
        costs[new.rate, new.partitions] = new
    rows = [cost for pace in (*BUSY, *IDLE) if (cost := costs.get((pace.rate, pace.partitions))) is not None]
    figures = {"live": [asdict(cost) for cost in rows], "latency": asdict(delay) if delay else None}
    KEPT.write_text(json.dumps(figures, indent=1) + "\n")
    for page, block in zip(PAGES, (table(rows, delay), planet(rows)), strict=True):
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(before + block + rest.partition(END)[2])


def table(costs: Sequence[Cost], delay: Latency | None) -> str:
    """The block of docs/benchmarks.md."""
    wide = [cost for cost in costs if cost.partitions == START_PARTITIONS]
    missing = [
        f"{pace.rate:,}/s on {pace.partitions}"
        for pace in (*BUSY, *IDLE)
        if (pace.rate, pace.partitions) not in {(cost.rate, cost.partitions) for cost in costs}
    ]
    lines = [
        BEGIN,
        "Measured with `make bench-live`, 2 virtual cores, the broker and the writer on the same machine. `load` is "
        "the machine's load average meanwhile: over 2, other work took its turns, and what is in seconds is longer.",
        "",
        "| results/s (applied) | partitions | cells | CPU, % | asked | µs a result | chunks/s | MB | load | UTC |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *(
            f"| {c.rate:,} ({c.applied_a_second:,.0f}) | {c.partitions} | {c.cells:,} | {c.cpu:.1f} | "
            f"{c.bar:g}{'' if c.cpu <= c.bar else ' **no**'} | {c.microseconds:.1f} | {c.chunks_a_second:.0f} | "
            f"{c.resident_bytes / 2**20:.0f} | {c.load:.1f} | {c.measured} |"
            for c in costs
        ),
    ]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)} partitions."]
    if wide:
        lines += [
            "",
            f"At {START_PARTITIONS} partitions a worker was ready after {_span_of([c.start for c in wide])} s (asked: "
            f"{START_BAR:g}), of which it computed {_span_of([c.start_cpu for c in wide])} s, and ended "
            f"{_span_of([c.end for c in wide])} s after SIGTERM (asked: {END_BAR:g}), with exit code "
            f"{', '.join(sorted({str(c.exit_code) for c in wide}))}.",
        ]
    if delay is not None:
        lines += [
            "",
            "From the broker's time of the tick that closes a window to the incident at a reader, at "
            f"{_LATENCY.rate:,} results a second on {_LATENCY.partitions} partitions: "
            f"p50 {delay.p50:.0f} ms, p99 {delay.p99:.0f} ms (asked: 20 and 50), longest "
            f"{delay.most:.0f} ms, of {delay.samples} incident snapshots.",
        ]
    return "\n".join([*lines, END])


def planet(costs: Sequence[Cost]) -> str:
    """The block of docs/scale.md: one worker with the whole load, or with the most that was measured."""
    if not costs:
        return f"{BEGIN}\nNot measured yet: `make bench-live` writes it here.\n{END}"
    most = max(costs, key=lambda cost: cost.rate)
    return "\n".join(
        [
            BEGIN,
            f"One live worker with {most.partitions} partitions, {most.cells:,} cells and {most.applied_a_second:,.0f} "
            f"results a second took **{most.cpu / 100:.2f} of a core** and **{most.resident_bytes / 2**30:.1f} GB**, "
            f"{most.microseconds:.1f} µs a result (`make bench-live`, {most.measured} UTC).",
            END,
        ]
    )


def _span_of(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def main() -> None:
    """Measure on a Kafka of its own; print."""
    parser = argparse.ArgumentParser(description="What a live worker costs; see the module's text.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", type=int, help="rows with so many partitions")
    parser.add_argument("--rate", type=int, help="rows with this rate")
    parser.add_argument("--latency", action="store_true", help="only the time from a tick to its incident")
    chosen = parser.parse_args()
    paces = tuple(
        pace
        for pace in (*BUSY, *IDLE)
        if chosen.only in (None, pace.partitions) and chosen.rate in (None, pace.rate)
    )
    with tempfile.TemporaryDirectory(prefix="netdusk-live-") as name:
        broker = OwnBroker(Path(name), heap="1g")
        broker.format()
        broker.start()
        try:
            asyncio.run(broker.wait())
            if not chosen.latency:
                run(broker.bootstrap, Path(name), seconds=chosen.seconds, paces=paces)
            if chosen.latency or len(paces) == len(BUSY) + len(IDLE):
                delay = latency(broker.bootstrap, Path(name))
                print(delay)
                keep(delay)
        finally:
            broker.close()


if __name__ == "__main__":
    main()
