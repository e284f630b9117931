"""Kafka brokers of a test's own: to be killed, frozen, doubled, and reached through a proxy."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class OwnBroker:
    """One or more KRaft nodes, every one a broker and a controller.

    `proxied` is the port that the second listener announces: a proxy's.
    """

    folder: Path
    jars: str
    nodes: int = 1
    proxied: int | None = None
    ports: list[int] = field(default_factory=list)
    proxy_target: int = 0
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def format(self) -> None:
        self.ports = [free_port() for _ in range(self.nodes)]
        controllers = [free_port() for _ in range(self.nodes)]
        voters = ",".join(f"{i + 1}@127.0.0.1:{port}" for i, port in enumerate(controllers))
        cluster = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        copies = min(3, self.nodes)
        self.proxy_target = free_port()
        for i in range(self.nodes):
            listeners = [f"PLAIN://127.0.0.1:{self.ports[i]}", f"CONTROLLER://127.0.0.1:{controllers[i]}"]
            advertised = [f"PLAIN://127.0.0.1:{self.ports[i]}"]
            if self.proxied is not None:
                listeners.append(f"PROXIED://127.0.0.1:{self.proxy_target}")
                advertised.append(f"PROXIED://127.0.0.1:{self.proxied}")
            facts = {
                "process.roles": "broker,controller",
                "node.id": i + 1,
                "controller.quorum.voters": voters,
                "listeners": ",".join(listeners),
                "advertised.listeners": ",".join(advertised),
                "controller.listener.names": "CONTROLLER",
                "inter.broker.listener.name": "PLAIN",
                "listener.security.protocol.map": "PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
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
            }
            path = self.folder / f"node{i}.properties"
            path.write_text("".join(f"{key}={value}\n" for key, value in facts.items()))
            subprocess.run(
                ["java", "-cp", self.jars, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", path],
                check=True,
                capture_output=True,
            )

    def start(self, node: int = 0) -> None:
        with (self.folder / f"node{node}.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [
                    "java",
                    "-Xmx300m",
                    "-cp",
                    self.jars,
                    "kafka.Kafka",
                    str(self.folder / f"node{node}.properties"),
                ],
                stdout=log,
                stderr=log,
            )

    async def wait(self, timeout: float = 40.0) -> None:
        """Until every started node takes connections."""
        end = time.monotonic() + timeout
        for node in self._processes:
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.ports[node])
                    writer.close()
                    break
                except OSError:
                    assert time.monotonic() < end, (self.folder / f"node{node}.log").read_text()[-2000:]
                    await asyncio.sleep(0.1)

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


def jars() -> str:
    return os.environ["NETDUSK_TEST_JARS"]
