"""The soak's live part: the clock is the broker's append time, and the vantages measure in real time.

Eight countries, whose truth is known, are measured every window by vantages that keep what they can't send. One act
after the other: shutdowns, blocks, paths that are away; a broker that is frozen or killed, deploys, forged ticks,
hostile records, a topic that is widened. What is told is held against what there was, and state and records against the
machine's own run over the same log.
"""

from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaError

from producers.failures import Failure, Stage
from producers.partitions import partition_of
from producers.records import ProbeResult, Tick, VantagePresence, VantageStatus, encode
from streams.kafka.alerts import latest, parse
from streams.kafka.client import TopicReader
from streams.records import Incident, Kind, Status
from streams.settings import TrustSettings
from streams.step.country import CountryMachine
from tests.faults.brokers import OwnBroker, free_port
from tests.faults.evening import JUNK
from tests.faults.fleet import Fleet, Running
from tests.faults.oracle import Verdict, contents
from tests.faults.proxy import Proxy
from tests.streams.step import hostile
from tests.streams.step.hostile import KINDS

COUNTRIES: Final = ("PK", "NP", "KE", "LK", "FR", "IN", "IR", "BR")
NETWORKS: Final = (64500, 64501, 64502, 64503)
PLATFORMS: Final = ("x", "youtube")
VANTAGES: Final = 2  # of each network
PARTITIONS, WIDENED = 3, 6
#: Windows: before the first act, of a loss, after each act, and by how many an onset may be off.
WARM, LOSS, CALM, OFF = 40, 16, 16, 4
NEVER: Final = float("inf")
NETDUSK: Final = str(Path(sys.executable).parent / "netdusk")
#: The notes that a worker was told stand in its redo log alone: what snapshots cover is kept too.
WORKER: Final = (sys.executable, "-m", "tests.faults.keeping_worker", "worker", "--config", "{config}")


def sections(window: int) -> dict[str, dict[str, object]]:
    """The settings of a world whose windows are so many seconds long: its hours are as many windows as ours."""
    scale = window / 60
    return {
        "time": {
            "window_seconds": window,
            "lateness_seconds": max(2, window // 2),
            "spool_seconds": 2 * window,
        },
        "detection": {"warm_seconds": 1800.0 * scale, "learn_lag_seconds": 900.0 * scale},
        "incidents": {"merge_seconds": int(1800 * scale)},
    }


@dataclass
class Truth:
    """What there was in a country: what it lost, from when to when, and whether it is taken back."""

    country: str
    kind: Kind
    begin: float
    end: float = NEVER
    withdrawn: bool = False
    # Nobody could tell: only that nothing else is told is asked for.
    told: bool = True


@dataclass
class LiveReport:
    """What was done in the live part, and what came of it."""

    seed: int
    window: int
    seconds: float = 0.0
    acts: Counter[str] = field(default_factory=Counter)
    results: int = 0
    starts: int = 0
    told: int = 0
    withdrawn: int = 0
    windows_to_detect: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    truths: list[Truth] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it should be."""
        return [*self.verdict.wrong, *self.problems]

    def markdown(self) -> str:
        """For people."""
        delays = sorted(self.windows_to_detect)
        totals = self.verdict.totals
        lines = [
            f"# Live soak of {self.seconds:.0f} s, seed {self.seed}: {'WRONG' if self.wrong else 'exact'}",
            "",
            f"{self.results:,} results of {len(COUNTRIES)} countries, windows of {self.window} s, two workers "
            f"({self.starts} were started), {PARTITIONS} partitions, widened to {WIDENED}.",
            "",
            "| what was done | times |",
            "|---|---:|",
            *(f"| {act} | {times} |" for act, times in sorted(self.acts.items())),
            "",
            "| what came of it | |",
            "|---|---:|",
            *(f"| records {name} | {count:,} |" for name, count in totals.items()),
            f"| losses that there were | {sum(truth.told for truth in self.truths)} |",
            f"| incidents told | {self.told} |",
            f"| of these withdrawn, when their spool came | {self.withdrawn} |",
            f"| windows to detection, middle and most | {delays[len(delays) // 2]:.1f}, {delays[-1]:.1f} |"
            if delays
            else "| windows to detection | none |",
            f"| incident snapshots | {self.verdict.alerts} |",
            f"| snapshots sent again, the same bytes | {self.verdict.duplicates} |",
            "",
            *(f"- WRONG: {text}" for text in self.wrong),
        ]
        if not self.wrong:
            lines.append(
                "State equal to the oracle's bit for bit; every snapshot and every reject on its topic, nothing else. "
                "Nothing told that was not, every loss told."
            )
        return "\n".join(lines) + "\n"


class Vantages:
    """All vantages: each measures once a window on each platform, and keeps what it can't send."""

    def __init__(self, bootstrap: str, topic: str, window: int, dice: random.Random) -> None:
        self.bootstrap, self.topic, self.window, self.dice = bootstrap, topic, window, dice
        self.written = 0
        self.dark: set[str] = set()  # countries that measure nothing
        self.away: set[str] = set()  # countries whose results wait
        self.blocked: set[tuple[str, str]] = set()
        self.paused: set[str] = set()  # vantages that are being replaced
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._spools: dict[str, deque[tuple[str, bytes]]] = {country: deque() for country in COUNTRIES}
        self._partitions = PARTITIONS

    def names(self) -> list[tuple[str, int, str]]:
        """Country, network and name of each."""
        return [
            (country, asn, f"{country.lower()}-{asn}-{i}")
            for country in COUNTRIES
            for asn in NETWORKS
            for i in range(VANTAGES)
        ]

    def put(self, country: str, value: bytes) -> None:
        """Have a record sent, once its country's path works."""
        self._waiting.append((country, value))

    def send_spool(self, country: str) -> None:
        """Send what a country's vantages kept."""
        self._waiting.extend(self._spools[country])
        self._spools[country].clear()

    async def measure(self) -> None:
        """Measure for ever, each vantage at its own second of the window."""
        number = 0
        due = {name: time.time() + self.dice.random() * self.window for name in self.names()}
        while True:
            await asyncio.sleep(0.2)
            now = time.time()
            for name, at in due.items():
                country, asn, vantage = name
                if at > now:
                    continue
                due[name] = at + self.window * (1 + int((now - at) // self.window))
                if country in self.dark or vantage in self.paused:
                    continue
                for platform in PLATFORMS:
                    number += 1
                    self._keep(country, self._result(country, asn, vantage, platform, number, now))

    def _result(self, country: str, asn: int, vantage: str, platform: str, number: int, now: float) -> bytes:
        ok = (country, platform) not in self.blocked and self.dice.random() < 0.985
        return encode(
            ProbeResult(
                id=f"{number}",
                time=datetime.fromtimestamp(now, UTC),
                platform=platform,
                country=country,
                asn=asn,
                vantage=vantage,
                ok=ok,
                stage=None if ok else Stage.TLS,
                failure=None if ok else Failure.CONNECTION_RESET,
                control_ok=True,
                every_seconds=self.window,
                simulated=True,
            )
        )

    def _keep(self, country: str, value: bytes) -> None:
        (self._spools[country] if country in self.away else self._waiting).append((country, value))

    def widen(self, partitions: int) -> None:
        """Know of more partitions from now on."""
        self._partitions = partitions

    async def send(self) -> None:
        """Send for ever, in order; what was not acknowledged is sent again."""
        producer: AIOKafkaProducer | None = None
        try:
            while True:
                if not self._waiting:
                    await asyncio.sleep(0.05)
                    continue
                batch = [self._waiting[i] for i in range(min(500, len(self._waiting)))]
                try:
                    if producer is None:
                        producer = AIOKafkaProducer(
                            bootstrap_servers=self.bootstrap,
                            acks="all",
                            linger_ms=2,
                            request_timeout_ms=5_000,
                            metadata_max_age_ms=2_000,
                        )
                        await producer.start()
                    async with asyncio.timeout(20):
                        sent = [
                            await producer.send(
                                self.topic,
                                value,
                                key=country.encode(),
                                partition=partition_of(country, self._partitions),
                            )
                            for country, value in batch
                        ]
                        await asyncio.gather(*sent)
                except (KafkaError, TimeoutError, OSError):
                    if producer is not None:
                        with suppress(KafkaError, TimeoutError, OSError):
                            async with asyncio.timeout(5):
                                await producer.stop()
                    producer = None
                    await asyncio.sleep(0.3)
                    continue
                self.written += len(batch)
                for _ in batch:
                    self._waiting.popleft()
        finally:
            if producer is not None:
                with suppress(KafkaError, TimeoutError, OSError):
                    await producer.stop()


class LiveSoak:
    """One run."""

    def __init__(self, folder: Path, *, seconds: float, seed: int, window: int = 10) -> None:
        self.folder, self.seconds, self.window = folder, seconds, window
        self.dice = random.Random(seed)
        self.report = LiveReport(seed, window)
        self.broker = OwnBroker(folder, proxied=free_port())
        self.workers: list[Running] = []
        # Countries that began anew in another partition, and until when nothing can be asked of them.
        self.unknown_until: dict[str, float] = {}

    async def run(self) -> LiveReport:
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
            worker={"clock": "live", "tick_seconds": 1.0},
            kafka={"session_timeout_seconds": 3.0, "heartbeat_seconds": 0.5},
            sections=sections(self.window),
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
        logging.getLogger("aiokafka").setLevel(
            logging.CRITICAL
        )  # it says each second that no broker is there
        await fleet.make_topics(("probes", "checkpoints", "alerts", "rejected", "windows"))
        await fleet.make_topics(("health", "calendar", "world_checkpoints"), partitions=1)
        self.workers = [self._start(), self._start()]
        await fleet.wait_for_log(self.workers[0], "partition restored")
        self.vantages = Vantages(
            self.broker.bootstrap, fleet.settings.topics.probes, self.window, random.Random(report.seed)
        )
        measuring = [asyncio.create_task(self.vantages.measure()), asyncio.create_task(self.vantages.send())]
        began = time.monotonic()
        end = began + self.seconds
        try:
            await self._windows(WARM)
            acts, turn = self._acts(), list[str]()
            while time.monotonic() < end:
                turn = turn or self.dice.sample(sorted(acts), len(acts))
                act = turn.pop()
                print(f"live {time.monotonic() - began:.0f} s: {act}", file=sys.stderr, flush=True)
                await acts[act]()
                report.acts[act] += 1
                if report.acts["topic: widened"] and "topic: widened" in acts:
                    del acts["topic: widened"]
                await self._windows(CALM)
                self._look_after_workers()
        finally:
            for task in measuring:
                task.cancel()
            await asyncio.gather(*measuring, return_exceptions=True)
        report.seconds = time.monotonic() - began
        report.results = self.vantages.written
        await self._windows(2)
        for running in self.workers:
            await asyncio.to_thread(running.terminate, 30.0)
        # A worker that is given no policy says in its sentences that it is `open`.
        settings = fleet.settings.model_copy(update={"trust": TrustSettings(policy="open")})
        report.verdict = await fleet.judge(partial(CountryMachine, settings), ticking=True)
        await self._compare_with_truth()

    async def _windows(self, count: float) -> None:
        await asyncio.sleep(count * self.window)

    async def _compare_with_truth(self) -> None:
        report, topic = self.report, self.fleet.settings.topics.alerts
        values = [value for _, value in await contents(TopicReader(self.fleet.settings.kafka), topic)]
        snapshots = [one for value in values if (one := parse(value, topic)) is not None]
        told = latest(snapshots)
        report.told, report.withdrawn = len(told), sum(one.retracted for one in told)
        matched: dict[int, list[Incident]] = {}
        for one in told:
            place = next((i for i, truth in enumerate(report.truths) if self._is_of(one, truth)), None)
            if place is None:
                sure = "confirmed" if one.confirmed else one.unconfirmed_reason
                report.problems.append(f"told, and was not: {one.id} {one.onset} ({sure}): {one.summary}")
            else:
                matched.setdefault(place, []).append(one)
        for i, truth in enumerate(report.truths):
            if i not in matched and (renewed := self._renewed(truth, snapshots)) is not None:
                matched[i] = [renewed]
        for i, truth in enumerate(report.truths):
            mine = matched.get(i, [])
            begin = datetime.fromtimestamp(truth.begin, UTC)
            if truth.told and not mine:
                report.problems.append(f"was, and not told: {truth.kind} in {truth.country} from {begin}")
            if truth.withdrawn and not all(one.retracted for one in mine):
                report.problems.append(f"not withdrawn: {truth.country} from {begin}: {mine[-1].summary}")
            if not truth.withdrawn and any(one.retracted for one in mine):
                report.problems.append(f"withdrawn, and was: {truth.country} from {begin}")
            if mine and truth.told:
                first = min(one.detected for one in mine).timestamp()
                report.windows_to_detect.append((first - truth.begin) / self.window)

    def _renewed(self, truth: Truth, snapshots: Sequence[Incident]) -> Incident | None:
        """What said that this loss is one of shortly before, back again; None where nothing did.

        Its `detected` is when that was told.
        """
        begin, end = truth.begin, truth.end + OFF * self.window
        over: set[str] = set()
        for one in sorted(snapshots, key=lambda one: (one.updated, one.seq)):
            if (one.country, one.kind) != (truth.country, truth.kind):
                continue
            if one.status is Status.RESOLVED:
                over.add(one.id)
            elif one.id in over and begin <= one.updated.timestamp() <= end:
                return msgspec.structs.replace(one, detected=one.updated)
        return None

    def _is_of(self, one: Incident, truth: Truth) -> bool:
        slack = OFF * self.window
        onset = one.onset.timestamp()
        return (one.country, one.kind) == (truth.country, truth.kind) and (
            truth.begin - slack <= onset <= truth.end + slack
        )

    # what happens

    def _acts(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "country: shutdown": self._shutdown,
            "country: shutdown, the broker frozen in it": self._shutdown_and_deaf,
            "country: path away, its spool comes": self._path_away,
            "country: platform blocked": self._block,
            "deploy: all vantages pause": partial(self._pause, leaving=False),
            "deploy: all vantages pause and say so": partial(self._pause, leaving=True),
            "broker: SIGKILL, away for some windows": self._kill_broker,
            "broker: SIGSTOP for some windows": self._freeze_broker,
            "network: cut for some windows": self._cut,
            "worker: SIGKILL": self._kill_worker,
            "worker: SIGSTOP for longer than the session": self._freeze_worker,
            "ticks: forged": self._forge_ticks,
            "records: hostile": self._poison,
            "topic: widened": self._widen,
        }

    def _someone(self) -> str:
        known = [one for one in COUNTRIES if self.unknown_until.get(one, 0.0) < time.time()]
        return self.dice.choice(known)

    async def _shutdown(self, deaf: bool = False) -> None:
        country = self._someone()
        truth = Truth(country, Kind.CONNECTIVITY, time.time())
        self.report.truths.append(truth)
        self.vantages.dark.add(country)
        if deaf:
            await self._windows(1)
            await self._freeze_broker()
        await self._windows(LOSS)
        self.vantages.dark.discard(country)
        truth.end = time.time()

    async def _shutdown_and_deaf(self) -> None:
        await self._shutdown(deaf=True)

    async def _path_away(self) -> None:
        country = self._someone()
        truth = Truth(country, Kind.CONNECTIVITY, time.time(), withdrawn=True)
        self.report.truths.append(truth)
        self.vantages.away.add(country)
        await self._windows(LOSS)
        self.vantages.away.discard(country)
        self.vantages.send_spool(country)
        truth.end = time.time()

    async def _block(self) -> None:
        country = self._someone()
        truth = Truth(country, Kind.PLATFORM, time.time())
        self.report.truths.append(truth)
        self.vantages.blocked.add((country, PLATFORMS[0]))
        await self._windows(LOSS)
        self.vantages.blocked.discard((country, PLATFORMS[0]))
        truth.end = time.time()

    async def _pause(self, *, leaving: bool) -> None:
        """Replace all vantages at about the same time; they measure nothing meanwhile."""
        windows = self.dice.choice((4, 8, 14))
        names = self.vantages.names()
        for country, asn, vantage in names:
            if leaving:
                self.vantages.put(country, self._word(country, asn, vantage, VantagePresence.LEAVING))
            self.vantages.paused.add(vantage)
        await self._windows(windows)
        for country, asn, vantage in names:
            if leaving:
                self.vantages.put(country, self._word(country, asn, vantage, VantagePresence.UP))
            self.vantages.paused.discard(vantage)

    def _word(self, country: str, asn: int, vantage: str, presence: VantagePresence) -> bytes:
        return encode(
            VantageStatus(
                vantage=vantage,
                country=country,
                asn=asn,
                time=datetime.now(UTC),
                status=presence,
                every_seconds=self.window,
            )
        )

    async def _kill_broker(self) -> None:
        self.broker.kill()
        await self._windows(self.dice.choice((1, 3, 6)))
        self.broker.start()
        await self.broker.wait()

    async def _freeze_broker(self) -> None:
        self.broker.freeze()
        await self._windows(self.dice.choice((1, 3, 6)))
        self.broker.thaw()

    async def _cut(self) -> None:
        self.proxy.cut = True
        self.proxy.reset()
        await self._windows(self.dice.choice((1, 3)))
        self.proxy.cut = False
        self.proxy.reset()

    async def _kill_worker(self) -> None:
        i = self.dice.randrange(2)
        self.workers[i].kill()
        await self._windows(self.dice.choice((0.2, 1)))
        self.workers[i] = self._start()

    async def _freeze_worker(self) -> None:
        running = self.workers[self.dice.randrange(2)]
        running.freeze()
        await self._windows(self.dice.choice((1, 2)))
        running.thaw()

    async def _forge_ticks(self) -> None:
        """Whoever may write says that it is some other time, again and again."""
        for step in range(200):
            ahead = self.dice.choice((59, 3600, -3600, 86_400, 10 * 365 * 86_400))
            tick = Tick(time=datetime.fromtimestamp(time.time() + ahead, UTC))
            self.vantages.put(self.dice.choice(COUNTRIES), encode(tick))
            if step % 10 == 0:
                await asyncio.sleep(self.window / 10)

    async def _poison(self) -> None:
        for number in range(300):
            kind = KINDS[self.dice.choice(sorted(KINDS))]
            record = hostile.good(self.dice, number, datetime.now(UTC)) | {"id": f"h{time.time()}"}
            value = kind(self.dice, record) if number % 3 else self.dice.choice(JUNK)
            self.vantages.put("PK", value)
        await self._windows(2)

    async def _widen(self) -> None:
        """More partitions, while all run; some countries move, and begin anew there."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker.bootstrap)
        await admin.start()
        try:
            await admin.create_partitions(
                {self.fleet.settings.topics.probes: NewPartitions(total_count=WIDENED)}
            )
        finally:
            await admin.close()
        command = [
            NETDUSK,
            "topics",
            "--config",
            str(self.fleet.config),
            "--bootstrap",
            self.broker.bootstrap,
        ]
        await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True)
        await self._windows(0.5)
        self.vantages.widen(WIDENED)
        for country in COUNTRIES:
            if partition_of(country, WIDENED) != partition_of(country, PARTITIONS):
                self.unknown_until[country] = time.time() + (WARM + 4) * self.window
        await self._windows(4)

    def _start(self) -> Running:
        self.report.starts += 1
        return self.fleet.start()

    def _look_after_workers(self) -> None:
        for i, running in enumerate(self.workers):
            if (code := running.process.poll()) is not None:
                said = running.log.read_text(errors="replace")[-1500:]
                self.report.problems.append(f"a worker ended by itself with {code}:\n{said}")
                self.workers[i] = self._start()
