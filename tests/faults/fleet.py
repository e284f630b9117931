"""Topics, workers and records for one test: made, watched, killed, and cleared away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from streams.kafka.client import TopicReader
from streams.settings import Settings, load
from tests.faults.oracle import Verdict, caught_up, judge
from tests.faults.toy import ToyMachine

ROOT = Path(__file__).parents[2]

#: A group that notices a death within 1.5 s (the default is 6 s): the tests wait for it many times.
FAST = {"session_timeout_seconds": 1.5, "heartbeat_seconds": 0.4}


@dataclass
class Running:
    """A worker process."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        found = re.search(rb"url=http://[^:]+:(\d+)", self.log.read_bytes())
        assert found is not None, self.log.read_text()
        return int(found[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, timeout: float = 10.0) -> float:
        """SIGTERM; gives the seconds it took, fails where it takes longer than `timeout`."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout)
        return time.monotonic() - began

    def rss(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) * 1024 if found else 0


@dataclass
class Fleet:
    """Everything of one test.

    `bootstrap` is where the test talks to the broker; `worker_bootstrap`, where the workers do (a proxy, perhaps).
    """

    bootstrap: str
    folder: Path
    worker_bootstrap: str | None = None
    partitions: int = 2
    replication: int = 1
    worker: dict[str, Any] = field(default_factory=dict)
    kafka: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)  # others, of the settings file
    topic_configs: dict[str, dict[str, str]] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, "-m", "tests.faults.worker_process")
    probes: str | None = None  # a topic that others read too
    name: str = field(default_factory=lambda: uuid4().hex[:8])
    workers: list[Running] = field(default_factory=list)
    written: int = 0

    @property
    def config(self) -> Path:
        path = self.folder / f"{self.name}.toml"
        if not path.exists():
            topics = {
                role: f"{self.name}.{role}"
                for role in (
                    "probes",
                    "alerts",
                    "health",
                    "calendar",
                    "checkpoints",
                    "world_checkpoints",
                    "rejected",
                    "windows",
                )
            }
            topics["probes"] = self.probes or topics["probes"]
            topics |= self.sections.get("topics", {})
            sections: dict[str, dict[str, Any]] = {
                **self.sections,
                "kafka": {
                    "bootstrap": self.worker_bootstrap or self.bootstrap,
                    "group": f"{self.name}.workers",
                    "session_timeout_seconds": 6.0,
                    "heartbeat_seconds": 1.0,
                    **self.kafka,
                },
                "topics": topics,
                "http": {"port": 0},
                "worker": {"tick_seconds": 3600.0, **self.worker},
            }
            lines: list[str] = []
            for name, values in sections.items():
                lines.append(f"[{name}]")
                lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
            path.write_text("\n".join(lines) + "\n")
        return path

    @property
    def settings(self) -> Settings:
        """As the test sees the broker."""
        settings = load(self.config)
        return settings.model_copy(
            update={"kafka": settings.kafka.model_copy(update={"bootstrap": self.bootstrap})}
        )

    async def make_topics(
        self,
        roles: tuple[str, ...] = ("probes", "alerts", "checkpoints", "rejected"),
        *,
        partitions: int | None = None,
    ) -> None:
        count = partitions or self.partitions
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics(
                [
                    NewTopic(
                        f"{self.name}.{role}",
                        count,
                        self.replication,
                        # A live worker refuses any other stamp on what it reads.
                        topic_configs={"message.timestamp.type": "LogAppendTime"}
                        | self.topic_configs.get(role, {}),
                    )
                    for role in roles
                ]
            )
        finally:
            await admin.close()
        reader = TopicReader(self.settings.kafka)
        for role in roles:
            while len(await reader.partitions_of(f"{self.name}.{role}")) < count:
                await asyncio.sleep(0.05)

    def start(self, **environment: str) -> Running:
        """Start a worker."""
        log = self.folder / f"{self.name}-worker{len(self.workers)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [part.format(config=self.config) for part in self.command],
                cwd=ROOT,
                env={**os.environ, "NETDUSK_CONFIG": str(self.config), **environment},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        running = Running(process, log)
        self.workers.append(running)
        return running

    async def write(
        self, records: int, *, cells: int = 200, seed: int = 0, rate: float | None = None, junk: float = 0.01
    ) -> None:
        """Write results: duplicates, late ones and rubbish among them. `rate` is in records a second."""
        dice = random.Random(seed)
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            linger_ms=2,
            acks="all",
            enable_idempotence=True,  # what is counted as written stands on the topic once
            request_timeout_ms=120_000,
        )
        await producer.start()
        topic = self.settings.topics.probes
        last: dict[int, bytes] = {}
        sent = []
        began = time.monotonic()
        try:
            for i in range(records):
                cell = dice.randrange(cells)
                roll = dice.random()
                value: bytes | None = b"c%d,%d.%d,%.3f" % (cell, seed, i, dice.random())
                if roll < junk:
                    value = dice.choice([b"\xff\xfe", b"", None, b"{", b"x" * 70_000, b"a,b,nan-no"])
                elif roll < 0.03:
                    value = last.get(cell, value)
                elif roll < 0.04:
                    value = b"c%d,%d.%d,-1" % (cell, seed, i)
                else:
                    assert value is not None
                    last[cell] = value
                sent.append(await producer.send(topic, value, key=b"k", partition=cell % self.partitions))
                if rate is not None and i % 20 == 0:
                    ahead = i / rate - (time.monotonic() - began)
                    if ahead > 0:
                        await asyncio.sleep(ahead)
                if len(sent) > 5000:
                    await asyncio.gather(*sent)
                    sent.clear()
            await asyncio.gather(*sent)
        finally:
            await producer.stop()
        self.written += records

    async def write_many(self, records: int, *, cells: int = 1000) -> None:
        """Write many, in batches: nothing but good results."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True, max_batch_size=512_000
        )
        await producer.start()
        topic = self.settings.topics.probes
        pending = []
        try:
            batches = {p: producer.create_batch() for p in range(self.partitions)}
            for i in range(records):
                cell = i * 7919 % cells
                partition = cell % self.partitions
                value = b"c%d,%d,%d.5" % (cell, i, i % 7)
                if batches[partition].append(key=None, value=value, timestamp=None) is None:
                    pending.append(await producer.send_batch(batches[partition], topic, partition=partition))
                    batches[partition] = producer.create_batch()
                    batches[partition].append(key=None, value=value, timestamp=None)
            for partition, batch in batches.items():
                pending.append(await producer.send_batch(batch, topic, partition=partition))
            await asyncio.gather(*pending)
        finally:
            await producer.stop()
        self.written += records

    async def wait_until_done(self, timeout: float = 120.0) -> float:
        """Wait until the checkpoints cover all that was written; gives the seconds it took."""
        reader = TopicReader(self.settings.kafka)
        began = time.monotonic()
        while not await self._done(reader):
            if time.monotonic() - began > timeout:
                logs = "\n".join(f"== {w.log.name}\n{w.log.read_text()[-4000:]}" for w in self.workers[-3:])
                raise AssertionError(f"not done after {timeout} s\n{logs}")
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def _done(self, reader: TopicReader) -> bool:
        try:
            return await caught_up(reader, self.settings)
        except KafkaError:
            return False  # a broker that is on its way back

    async def wait_for_log(self, running: Running, text: str, timeout: float = 90.0) -> None:
        """Wait until a worker has said it."""
        end = time.monotonic() + timeout
        while text not in running.log.read_text(errors="replace"):
            assert time.monotonic() < end, f"never said {text!r}:\n{running.log.read_text()[-4000:]}"
            await asyncio.sleep(0.05)

    async def judge(self, make: Any = ToyMachine, *, ticking: bool = False) -> Verdict:
        return await judge(self.settings, make, ticking=ticking)

    def close(self) -> None:
        for running in self.workers:
            if running.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    running.thaw()
                running.kill()


def _toml(value: Any) -> str:
    return (
        f'"{value}"'
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )


async def exact(fleet: Fleet, timeout: float = 120.0) -> None:
    """Wait for the end, then compare everything."""
    await fleet.wait_until_done(timeout)
    verdict = await fleet.judge()
    assert verdict.wrong == []
    assert verdict.records == fleet.written
    assert verdict.alerts > 0


async def applied(running: Running, due: int) -> int:
    """How many results were applied, once it is as many as are due, or nobody wants to wait any longer."""
    count = 0
    for _ in range(200):
        text = status(running.port, "/metrics")[1] if b"serving" in running.log.read_bytes() else ""
        lines = [line for line in text.splitlines() if 'netdusk_records_total{result="applied"}' in line]
        count = round(float(lines[0].split()[-1])) if lines else 0
        if count >= due:
            await asyncio.sleep(0.5)
            break
        await asyncio.sleep(0.1)
    return count


def status(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
