"""Apache Kafka on one machine, as a process of its own, without Java, Docker or root (ADR 0010).

What it has acknowledged it keeps, whoever is killed: a log on a disk is what Kafka is. It is one node, for one machine;
an installation that must not stop has three of them elsewhere, and says so with `--bootstrap`.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self
from uuid import uuid4

from streams.local.child import ChildProcess
from streams.local.folder import FolderError, OwnFolder
from streams.local.kafka_files import (
    REMEDY,
    BrokerError,
    cache_folder,
    class_path,
    fetch,
    java,
    missing,
    tidy,
)

__all__ = ["JAVA_OPTIONS", "Broker", "BrokerError", "KafkaBroker", "prepare"]

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
#: Measured: 310 MB resident with it, for eight partitions and a demo's load.
_HEAP: Final = "-Xmx256m"
JAVA_OPTIONS: Final = (
    "-Xms64m",
    # One thread collects: on two cores more of them only take turns.
    "-XX:+UseSerialGC",
    # The first compiler alone: a broker of one machine is never hot enough to earn the second's memory.
    "-XX:TieredStopAtLevel=1",
    "--sun-misc-unsafe-memory-access=allow",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)
_ARCHIVE: Final = "kafka.aot"


class Broker(Protocol):
    """What `up` and `demo` need of an embedded broker."""

    bootstrap: str

    def start(self) -> None:
        """Listen; `bootstrap` says where. Raises BrokerError."""
        ...

    def alive(self) -> bool:
        """Whether it still runs."""
        ...

    def stop(self) -> None:
        """End it in order."""
        ...


class KafkaBroker:
    """One node of Apache Kafka, broker and controller in one.

    Parameters
    ----------
    folder
        Where its data and its log live. A node that was there before goes on with them.
    port
        0 takes any free one.
    host
        Where it listens. Everywhere but on loopback, whoever can reach it can write to it.
    advertised
        What clients are told, HOST:PORT; by default where it listens.
    jars
        Where Kafka's jars are; by default the user's cache, into which they are fetched.

    Attributes
    ----------
    bootstrap
        HOST:PORT for clients, once started.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        advertised: str | None = None,
        jars: Path | None = None,
    ) -> None:
        self.folder = folder
        self.bootstrap = ""
        self._host = host
        self._port = port
        self._advertised = advertised
        self._jars = jars or cache_folder()
        self._process: ChildProcess | None = None
        self._own = OwnFolder(folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """What it says: warnings and worse."""
        return self.folder / "broker.log"

    def start(self) -> None:
        """Start the broker with what an earlier start has kept. Raises BrokerError, with its words, if it can't."""
        try:
            self._own.take()
        except FolderError as error:
            raise BrokerError(str(error)) from error
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        if missing(self._jars):
            fetch(self._jars)
            tidy(self._jars)
        binary = java()
        if self._port and not _is_free(self._host, self._port):
            raise BrokerError(
                f"port {self._port} of {self._host} is taken; name another (--port, for `netdusk up` "
                f"--broker-port; 0 takes any free one), or {REMEDY}"
            )
        port = self._port or _free_port(self._host)
        properties = self.folder / "server.properties"
        properties.write_text(_written(self._facts(port)), encoding="utf-8")
        # The process outlives this block: Java has read its logging settings by the time it answers.
        with as_file(files(__package__) / "kafka.log4j2.properties") as logging:
            kafka = [f"-Dlog4j2.configurationFile={logging}", "-cp", class_path(self._jars)]
            if not (self.folder / "data" / "meta.properties").exists():
                self._format([str(binary), *JAVA_OPTIONS, *kafka], properties)
            archive = self._jars / _ARCHIVE
            fast = [f"-XX:AOTCache={archive}"] if archive.exists() else []
            command = [str(binary), _HEAP, *JAVA_OPTIONS, *fast, *kafka, "kafka.Kafka", str(properties)]
            self._process = ChildProcess(command, "SIGTERM", self.log)
            self._wait(port)
        self.bootstrap = self._advertised or f"{self._host}:{port}"

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask the broker to end, and kill it if it does not: its log is on the disk either way."""
        process, self._process = self._process, None
        if process is not None:
            process.end()
            process.wait(_STOP_SECONDS)
        self._own.leave()

    def _format(self, command: list[str], properties: Path) -> None:
        # A leading "-" would be an option to Kafka's own tool.
        cluster = "k" + base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")[1:]
        done = subprocess.run(  # noqa: S603  Kafka's own tool
            [*command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise BrokerError(
                f"the embedded broker's folder can't be prepared: {done.stderr.strip()}; {REMEDY}"
            )

    def _wait(self, port: int) -> None:
        end = time.monotonic() + _START_SECONDS
        while not _answers(self._host, port):
            ended = not self.alive()
            if ended or time.monotonic() > end:
                self.stop()
                last = self.log.read_text(errors="replace").strip()[-2000:]
                why = "does not start" if ended else f"does not answer after {_START_SECONDS:.0f} s"
                raise BrokerError(f"the embedded broker {why}: {last or 'it said nothing'}; {REMEDY}")
            time.sleep(0.05)

    def _facts(self, port: int) -> Mapping[str, object]:
        controller = _free_port("127.0.0.1")
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"CLIENTS://{self._host}:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"CLIENTS://{self._advertised or f'{self._host}:{port}'}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENTS",
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # A worker that joins need not wait for others: there are few here.
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 500,
            # Threads and buffers for one machine's load: the defaults are for a server of its own.
            "num.io.threads": 2,
            "num.network.threads": 2,
            "background.threads": 2,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            # Retention drops whole segments: with Kafka's own gigabyte, a small topic would never lose one.
            "log.segment.bytes": 32 * 1024 * 1024,
            "log.roll.hours": 24,
        }


def prepare(jars: Path, folder: Path) -> None:
    """Write an archive of Kafka's loaded classes beside the jars: starts then cost half of the processor time.

    It is bound to this Java and these jars, and optional: without it Kafka starts as well, slower. `folder` is used for
    a broker that runs for a moment. Raises BrokerError.
    """
    archive, partial = jars / _ARCHIVE, jars / f".{_ARCHIVE}.{os.getpid()}"
    broker = KafkaBroker(folder, jars=jars)
    archive.unlink(missing_ok=True)
    broker.start()
    broker.stop()  # formatted now
    with as_file(files(__package__) / "kafka.log4j2.properties") as logging:
        command = [
            *(str(java()), _HEAP, *JAVA_OPTIONS, f"-XX:AOTCacheOutput={partial}"),
            *(f"-Dlog4j2.configurationFile={logging}", "-cp", class_path(jars)),
            *("kafka.Kafka", str(folder / "server.properties")),
        ]
        with broker.log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603  Kafka
            end = time.monotonic() + _START_SECONDS
            host, _, port = broker.bootstrap.rpartition(":")
            while not _answers(host, int(port)) and process.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            process.terminate()  # Java writes the archive as it ends
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_START_SECONDS)
            process.kill()
            process.wait()
    if partial.exists():
        partial.replace(archive)


def _written(facts: Mapping[str, object]) -> str:
    return "".join(f"{key}={value}\n" for key, value in facts.items())


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
