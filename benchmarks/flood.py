"""What a flood of readers costs detection: `python -m benchmarks.flood [--seconds 60] [--rounds 2]`.

A whole `netdusk worker` on a Kafka of its own judges 1,000 results a second; beside it run two `netdusk page` over the
same topics. In turns nobody reads, and sixteen connections ask each page as fast as it answers, without a limit. Shown
are the worker's CPU (its own process alone) and the time from the tick that decides to the incident on its topic. At
the end of each turn both pages are asked the same: whether they answer alike.

CPU is the figure to compare. The delay also rises where fewer cores are free than processes that work; `netdusk page`
is nice to others for that reason, and the readers, who would be on other machines, are nicer still.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.engine import latency
from benchmarks.page import hammer
from tests.faults.brokers import OwnBroker

NETDUSK = Path(sys.executable).parent / "netdusk"
#: Both pages are asked for these.
ALIKE = (
    "/",
    "/incidents",
    "/about",
    "/feed.atom",
    "/feed.json",
    "/api/v1/incidents?limit=200",
    "/api/v1/countries",
    "/api/v1/networks",
)
_READY_SECONDS = 90.0
_FOR_EVER = 86_400.0
_LIMITLESS = {
    "NETDUSK_PAGE__REQUESTS_PER_SECOND": "1000000",
    "NETDUSK_PAGE__PUBLIC_URL": "https://netdusk.example",
}


@contextmanager
def page(config: Path, log: Path) -> Iterator[str]:
    """A page's process over a worker's topics; gives its address."""
    command = [str(NETDUSK), "page", "--config", str(config), "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **_LIMITLESS}
        )
    try:
        until = time.monotonic() + _READY_SECONDS
        while time.monotonic() < until and process.poll() is None:
            found = re.search(r"http://[\d.]+:\d+", log.read_text(errors="replace"))
            if found:
                yield found[0]
                return
            time.sleep(0.2)
        raise RuntimeError(f"the page did not start: {log.read_text(errors='replace')[-2000:]}")
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def readers(url: str) -> Iterator[None]:
    """Readers in a process of their own, until the end; prints how many pages a second they were given."""
    command = [
        "nice",
        "-n",
        "19",
        sys.executable,
        "-m",
        "benchmarks.flood",
        "--read",
        url,
    ]  # they live elsewhere
    process = subprocess.Popen(command)
    began, before = time.monotonic(), _answered(url)
    try:
        yield
        rate = (_answered(url) - before) / (time.monotonic() - began)
        print(f"readers: {rate:.0f} pages a second", flush=True)
    finally:
        process.terminate()
        process.wait(20)


def _answered(url: str) -> float:
    with urllib.request.urlopen(url + "/metrics", timeout=30) as answer:  # an address of ours
        text = answer.read().decode()
    found = re.findall(r'netdusk_page_answers_total\{kind="now",status="200"\} (\S+)', text)
    return float(found[0]) if found else 0.0


def ask(url: str) -> dict[str, tuple[str, bytes]]:
    """What a page answers: tag and body by path."""
    answers = {}
    for path in ALIKE:
        with urllib.request.urlopen(url + path, timeout=30) as answer:  # an address of ours
            answers[path] = (answer.headers["ETag"], answer.read())
    return answers


def turn(bootstrap: str, folder: Path, seconds: int, *, flood: bool) -> tuple[float, latency.Latency]:
    """One measurement: the worker's CPU in seconds, and the delay."""
    unlike: list[str] = []
    spent = [0.0]

    @contextmanager
    def beside(config: Path) -> Iterator[None]:
        with ExitStack() as stack:
            pages = [
                stack.enter_context(page(config, folder / f"{config.stem}-page{number}.log"))
                for number in (1, 2)
            ]
            worker = _worker_of(config)
            with ExitStack() as crowd:
                if flood:
                    for url in pages:
                        crowd.enter_context(readers(url))
                yield
                spent[0] = _cpu_seconds(worker)
            time.sleep(3)  # what was made may be a second old
            first, second = (ask(url) for url in pages)
            unlike.extend(path for path in ALIKE if first[path] != second[path])

    delays = latency.run(bootstrap, folder, seconds=seconds, beside=beside)
    print(f"pages answer alike: {'yes' if not unlike else f'no, {unlike}'}", flush=True)
    if unlike:
        raise RuntimeError(f"the pages answer otherwise: {unlike}")
    return spent[0], delays


def _worker_of(config: Path) -> int:
    """The process id of the worker with these settings."""
    for found in Path("/proc").iterdir():
        if found.name.isdigit():
            try:
                words = (found / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"worker" in words and str(config).encode() in words:
                return int(found.name)
    raise RuntimeError("the worker has gone")


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads, as /proc has it."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure in turns, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        asyncio.run(hammer(given.read, "/", _FOR_EVER))
        return
    with tempfile.TemporaryDirectory(prefix="netdusk-flood-") as name:
        folder = Path(name)
        broker = OwnBroker(folder)
        broker.format()
        broker.start()
        try:
            asyncio.run(broker.wait())
            for number in range(given.rounds):
                for flood in (False, True) if number % 2 == 0 else (True, False):
                    spent, delays = turn(broker.bootstrap, folder, given.seconds, flood=flood)
                    print(
                        f"{'flood' if flood else 'quiet'}: worker {spent:.2f} s of CPU; delay of {delays.samples} "
                        f"incidents {delays.p50:.0f} ms median, {delays.p99:.0f} ms 99th percentile",
                        flush=True,
                    )
        finally:
            broker.close()


if __name__ == "__main__":
    main()
