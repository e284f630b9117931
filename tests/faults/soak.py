"""A soak: two real workers on a real broker, and everything that can happen to them, for as long as is asked for.

Evenings follow each other (tests/faults/evening.py), with stretches in which nothing comes of any country, records
that nobody should write, and a block of a day and a half. Meanwhile workers are killed, frozen and replaced, the
broker is killed and frozen, and the network between them is slow, cut, reset, or loses answers. Seeded. In the end all
of it is compared with the machine's own run over the same log, and what was told with what there was. A report says
what was done, and what came of it.

Then the same for the live clock, with vantages that measure in real time (tests/faults/live.py).

Usage: python -m tests.faults.soak [--seconds 1800] [--live-seconds 1800] [--seed 1] [--report soak.md]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from streams.kafka.alerts import latest, parse
from streams.kafka.client import TopicReader
from streams.records import Kind
from streams.settings import Settings, TrustSettings
from streams.step.country import CountryMachine
from tests.faults.brokers import OwnBroker, free_port
from tests.faults.evening import STRUCK, Item, evening, may_be_told, write
from tests.faults.fleet import Fleet, Running
from tests.faults.live import LiveReport, LiveSoak
from tests.faults.oracle import Verdict, contents
from tests.faults.proxy import Proxy

PARTITIONS = 3
RATE = 1000  # records a second, as far as the machine lets it
PIECE = 500
CALM_SECONDS = (0.5, 4.0)
DEAF_MINUTES = (3, 9, 20)  # of event time, one of them each evening
WORKER = (str(Path(sys.executable).parent / "netdusk"), "worker", "--config", "{config}")


@dataclass
class Report:
    """What was done, and what came of it."""

    seed: int
    seconds: float = 0.0
    acts: Counter[str] = field(default_factory=Counter)
    written: int = 0
    evenings: int = 0
    starts: int = 0
    ended: list[str] = field(default_factory=list)  # workers that ended by themselves
    catch_up_seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    deaf_minutes: int = 0
    told_falsely: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)  # evenings of a country of which nothing was told

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it should be."""
        found = [*self.verdict.wrong, *self.ended]
        found += [f"told, and was not: {text}" for text in self.told_falsely]
        found += [f"was, and not told: {text}" for text in self.untold]
        if self.verdict.records != self.written:
            found.append(f"{self.written} records were written, {self.verdict.records} are on the topic")
        return found

    def markdown(self) -> str:
        """For people."""
        totals = self.verdict.totals
        lines = [
            f"# Soak of {self.seconds:.0f} s, seed {self.seed}: {'WRONG' if self.wrong else 'exact'}",
            "",
            f"{self.written:,} records written ({self.evenings} evenings), two workers, {PARTITIONS} partitions, "
            f"{self.starts} workers started. For {self.deaf_minutes} minutes of event time, nothing came of anybody.",
            "",
            "| what was done | times |",
            "|---|---:|",
            *(f"| {act} | {times} |" for act, times in sorted(self.acts.items())),
            "",
            "| what came of it | |",
            "|---|---:|",
            *(f"| records {name} | {count:,} |" for name, count in totals.items()),
            f"| records on the topic | {self.verdict.records:,} |",
            f"| incident snapshots | {self.verdict.alerts} |",
            f"| snapshots sent again, the same bytes | {self.verdict.duplicates} |",
            f"| seconds to catch up in the end | {self.catch_up_seconds:.1f} |",
            "",
            *(f"- WRONG: {text}" for text in self.wrong),
        ]
        if not self.wrong:
            lines.append(
                "State equal to the oracle's bit for bit; every snapshot and every reject on its topic, nothing else. "
                "Nothing told that was not, every whole evening told."
            )
        return "\n".join(lines) + "\n"


class Soak:
    """One run."""

    def __init__(self, folder: Path, *, seconds: float, seed: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.dice = random.Random(seed)
        self.report = Report(seed)
        self.broker = OwnBroker(folder, proxied=free_port())
        self.workers: list[Running] = []

    async def run(self) -> Report:
        """Do all of it."""
        self.broker.format()
        self.broker.start()
        await self.broker.wait()
        self.proxy = Proxy(self.broker.proxy_target, port=self.broker.proxied or 0)
        await self.proxy.start()
        self.fleet = Fleet(
            self.broker.bootstrap,
            self.folder,
            worker_bootstrap=f"127.0.0.1:{self.proxy.port}",
            partitions=PARTITIONS,
            command=WORKER,
            worker={"clock": "replay", "snapshot_bytes": 200_000},
            kafka={"session_timeout_seconds": 1.5, "heartbeat_seconds": 0.4},
        )
        try:
            await self._run()
        finally:
            self.fleet.close()
            await self.proxy.close()
            self.broker.close()
        return self.report

    async def _run(self) -> None:
        fleet, report = self.fleet, self.report
        roles = (
            "probes",
            "alerts",
            "health",
            "calendar",
            "checkpoints",
            "world_checkpoints",
            "rejected",
            "windows",
        )
        await fleet.make_topics(roles)
        self.workers = [self._start(), self._start()]
        await fleet.wait_for_log(self.workers[0], "partition restored")
        began = time.monotonic()
        end = began + self.seconds
        feed = asyncio.create_task(self._feed(end))
        acts = self._acts()
        turn: list[str] = []
        while time.monotonic() < end:
            await asyncio.sleep(self.dice.uniform(*CALM_SECONDS))
            turn = turn or self.dice.sample(sorted(acts), len(acts))  # each in its turn, in some order
            act = turn.pop()
            await acts[act]()
            report.acts[act] += 1
            self._look_after_workers()
        await feed
        report.seconds = time.monotonic() - began
        fleet.written = report.written
        report.catch_up_seconds = await fleet.wait_until_done(300)
        self._look_after_workers()
        report.verdict = await fleet.judge(
            partial(
                CountryMachine, Settings(worker=fleet.settings.worker, trust=TrustSettings(policy="open"))
            )
        )
        await self._compare_with_truth()

    async def _compare_with_truth(self) -> None:
        """Hold what was told against what there was; of the last evening only a part may have come."""
        report, topic = self.report, self.fleet.settings.topics.alerts
        values = [value for _, value in await contents(TopicReader(self.fleet.settings.kafka), topic)]
        told = latest([one for value in values if (one := parse(value, topic)) is not None])
        report.told_falsely = [f"{one.id}: {one.summary}" for one in told if not may_be_told(one)]
        struck = Counter(one.country for one in told if one.kind is Kind.PLATFORM)
        whole = report.evenings - 1
        report.untold = [
            f"{name}, of {whole} evenings {struck[name]}" for name in STRUCK if struck[name] < whole
        ]

    async def _feed(self, end: float) -> None:
        report = self.report
        while time.monotonic() < end:
            number = report.evenings
            deaf = self.dice.choice(DEAF_MINUTES)
            items = await asyncio.to_thread(
                partial(
                    evening,
                    PARTITIONS,
                    seed=report.seed * 1000 + number * 10,
                    number=number,
                    deaf_minutes=deaf,
                    blocks=True,
                )
            )
            report.evenings += 1
            report.deaf_minutes += deaf
            began = time.monotonic()
            for at in range(0, len(items), PIECE):
                if time.monotonic() > end:
                    return
                await self._write(items[at : at + PIECE])
                await asyncio.sleep(max(0.0, began + at / RATE - time.monotonic()))

    async def _write(self, piece: list[Item]) -> None:
        """The soak's own producer is idempotent and patient: what it writes is written once."""
        self.report.written += await write(
            self.broker.bootstrap, self.fleet.settings.topics.probes, piece, PARTITIONS
        )

    def _start(self) -> Running:
        self.report.starts += 1
        return self.fleet.start()

    def _look_after_workers(self) -> None:
        for i, running in enumerate(self.workers):
            if (code := running.process.poll()) is not None:
                said = running.log.read_text(errors="replace")[-1500:]
                self.report.ended.append(f"a worker ended by itself with {code}:\n{said}")
                self.workers[i] = self._start()

    def _acts(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "worker: SIGKILL": self._kill_worker,
            "worker: SIGTERM and replaced": self._replace_worker,
            "worker: SIGSTOP for longer than the session": self._freeze_worker,
            "broker: SIGKILL": self._kill_broker,
            "broker: SIGSTOP": self._freeze_broker,
            "network: 0.3 s late": partial(self._fault, "late"),
            "network: cut": partial(self._fault, "cut"),
            "network: reset": partial(self._fault, "reset"),
            "network: answers lost": partial(self._fault, "lost"),
        }

    async def _kill_worker(self) -> None:
        i = self.dice.randrange(2)
        self.workers[i].kill()
        await asyncio.sleep(self.dice.uniform(0.0, 3.0))
        self.workers[i] = self._start()

    async def _replace_worker(self) -> None:
        i = self.dice.randrange(2)
        await asyncio.to_thread(self.workers[i].terminate, 30.0)
        self.workers[i] = self._start()

    async def _freeze_worker(self) -> None:
        running = self.workers[self.dice.randrange(2)]
        running.freeze()
        await asyncio.sleep(self.dice.uniform(2.0, 5.0))
        running.thaw()

    async def _kill_broker(self) -> None:
        self.broker.kill()
        await asyncio.sleep(self.dice.uniform(0.0, 2.0))
        self.broker.start()
        await self.broker.wait()

    async def _freeze_broker(self) -> None:
        self.broker.freeze()
        await asyncio.sleep(self.dice.uniform(1.0, 4.0))
        self.broker.thaw()

    async def _fault(self, kind: str) -> None:
        proxy = self.proxy
        if kind == "late":
            proxy.latency_seconds = 0.3
        elif kind == "cut":
            proxy.cut = True
        elif kind == "lost":
            proxy.lose_answers = True
        await asyncio.sleep(self.dice.uniform(0.5, 3.0))
        proxy.latency_seconds, proxy.cut, proxy.lose_answers = 0.0, False, False
        if kind != "late":
            proxy.reset()


def main() -> None:
    """Soak, print the report, and exit with 1 where something was wrong."""
    parser = argparse.ArgumentParser(description="Soak the engine; see the module's text.")
    parser.add_argument("--seconds", type=float, default=1800.0, help="of the replay; 0 leaves it out")
    parser.add_argument(
        "--live-seconds", type=float, default=1800.0, help="of the live part; 0 leaves it out"
    )
    parser.add_argument("--window", type=int, default=10, help="seconds of a window in the live part")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args()
    reports: list[Report | LiveReport] = []
    if chosen.seconds:
        with tempfile.TemporaryDirectory(prefix="netdusk-soak-") as folder:
            reports.append(asyncio.run(Soak(Path(folder), seconds=chosen.seconds, seed=chosen.seed).run()))
    if chosen.live_seconds:
        with tempfile.TemporaryDirectory(prefix="netdusk-soak-") as folder:
            live = LiveSoak(Path(folder), seconds=chosen.live_seconds, seed=chosen.seed, window=chosen.window)
            reports.append(asyncio.run(live.run()))
    text = "\n".join(report.markdown() for report in reports)
    sys.stdout.write(text)
    if chosen.report is not None:
        with contextlib.suppress(FileExistsError):
            chosen.report.parent.mkdir(parents=True)
        chosen.report.write_text(text)
    sys.exit(1 if any(report.wrong for report in reports) else 0)


if __name__ == "__main__":
    main()
