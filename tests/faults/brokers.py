"""Kafka brokers of a test's own: to be killed, frozen, doubled, and reached through a proxy."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from streams.local import kafka_files
from streams.local.broker import JAVA_OPTIONS

ROOT = Path(__file__).parents[2]
_LOGGING = ROOT / "streams/local/kafka.log4j2.properties"


def kafka_command(*options: str) -> list[str]:
    """Java with Kafka's class path; fails, and says what to do, where there is none."""
    jars = kafka_files.cache_folder()
    if kafka_files.missing(jars):
        raise RuntimeError(f"no Kafka in {jars}: run `make servers` first")
    archive = jars / "kafka.aot"
    fast = [f"-XX:AOTCache={archive}"] if archive.exists() and options else []
    return [
        *(str(kafka_files.java()), *JAVA_OPTIONS, *options, *fast),
        *(f"-Dlog4j2.configurationFile={_LOGGING}", "-cp", kafka_files.class_path(jars)),
    ]


def free_port() -> int:
    """A port that stays free: below those that the system hands out for connections, a killed broker finds it again."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class OwnBroker:
    """One or more KRaft nodes, every one a broker and a controller.

    `proxied` is the port that the second listener announces: a proxy's; with 0 its own. `protocols` are those of the
    listeners, `facts` more settings of the node, `users` those with a password (SCRAM).
    """

    folder: Path
    nodes: int = 1
    heap: str = "300m"
    proxied: int | None = None
    ports: list[int] = field(default_factory=list)
    proxy_target: int = 0
    protocols: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def format(self) -> None:
        self.ports = [free_port() for _ in range(self.nodes)]
        controllers = [free_port() for _ in range(self.nodes)]
        voters = ",".join(f"{i + 1}@127.0.0.1:{port}" for i, port in enumerate(controllers))
        # A leading "-" would be an option to Kafka's own tool.
        cluster = "k" + base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")[1:]
        copies = min(3, self.nodes)
        self.proxy_target = free_port()
        for i in range(self.nodes):
            listeners = [f"PLAIN://127.0.0.1:{self.ports[i]}", f"CONTROLLER://127.0.0.1:{controllers[i]}"]
            advertised = [f"PLAIN://127.0.0.1:{self.ports[i]}"]
            if self.proxied is not None:
                listeners.append(f"PROXIED://127.0.0.1:{self.proxy_target}")
                advertised.append(f"PROXIED://127.0.0.1:{self.proxied or self.proxy_target}")
            facts = {
                "process.roles": "broker,controller",
                "node.id": i + 1,
                "controller.quorum.voters": voters,
                "listeners": ",".join(listeners),
                "advertised.listeners": ",".join(advertised),
                "controller.listener.names": "CONTROLLER",
                "inter.broker.listener.name": "PLAIN",
                "listener.security.protocol.map": ",".join(
                    f"{name}:{self.protocols.get(name, 'PLAINTEXT')}"
                    for name in ("PLAIN", "CONTROLLER", "PROXIED")
                ),
                "log.dirs": self.folder / f"node{i}",
                "offsets.topic.replication.factor": copies,
                "offsets.topic.num.partitions": 4,
                "transaction.state.log.replication.factor": copies,
                "transaction.state.log.min.isr": 1,
                "min.insync.replicas": min(2, self.nodes),
                "group.initial.rebalance.delay.ms": 0,
                "group.min.session.timeout.ms": 500,
                "auto.create.topics.enable": "false",
                "broker.session.timeout.ms": 3000,
                "broker.heartbeat.interval.ms": 500,
                **self.facts,
            }
            path = self.folder / f"node{i}.properties"
            path.write_text("".join(f"{key}={value}\n" for key, value in facts.items()))
            scram = [
                f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]"
                for name, password in self.users.items()
            ]
            found = subprocess.run(
                [*kafka_command(), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", path, *scram],
                check=False,
                capture_output=True,
                text=True,
            )
            assert found.returncode == 0, found.stdout + found.stderr

    def start(self, node: int = 0) -> None:
        """Start a node; `answering` says when it can be spoken to. What it unpacks goes with `folder`."""
        with self._log(node).open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [
                    *kafka_command(f"-Xmx{self.heap}", f"-Djava.io.tmpdir={self.folder}"),
                    "kafka.Kafka",
                    self.folder / f"node{node}.properties",
                ],
                stdout=log,
                stderr=log,
            )

    def answering(self) -> bool:
        """Whether every started node takes connections. Fails where one has ended."""
        for node, process in self._processes.items():
            assert process.poll() is None, f"Kafka ended by itself:\n{self._log(node).read_text()[-3000:]}"
            try:
                socket.create_connection(("127.0.0.1", self.ports[node]), 1).close()
            except OSError:
                return False
        return True

    async def wait(self, timeout: float = 240.0) -> None:
        """Until every started node takes connections."""
        end = time.monotonic() + timeout
        while not self.answering():
            assert time.monotonic() < end, self._log(0).read_text()[-3000:]
            await asyncio.sleep(0.1)

    def _log(self, node: int) -> Path:
        return self.folder / f"node{node}.log"

    def kill(self, node: int = 0) -> None:
        self._processes[node].kill()
        self._processes.pop(node).wait()

    def freeze(self, node: int = 0) -> None:
        self._processes[node].send_signal(signal.SIGSTOP)

    def thaw(self, node: int = 0) -> None:
        self._processes[node].send_signal(signal.SIGCONT)

    def close(self) -> None:
        for node in list(self._processes):
            self.kill(node)
