"""The whole of netdusk on one machine, as processes: a broker, its topics, a worker, a probe.

What `up` and `demo` stand on. It starts and ends them in order, and knows where each is to be found; what they do, it
does not know. For one machine and for trying out: an installation that must last has a Kafka of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
import structlog
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streams.kafka.client import wait_for_broker
from streams.kafka.topics import SINGLE, ensure
from streams.local.broker import Broker, KafkaBroker
from streams.local.child import ChildProcess
from streams.local.folder import FolderError, OwnFolder
from streams.settings import Settings, SettingsError, with_bootstrap

log = structlog.get_logger()

_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 12.0
_SERVING: Final = re.compile(rb"url=(http://[^\s\x1b]+)")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class ChildError(Exception):
    """A process that should run does not; the message has the end of its log."""


class Child:
    """One `netdusk` command as a process of its own, its output in a file."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._process = ChildProcess(
            [sys.executable, "-m", "streams", *arguments], "SIGTERM", log, environment
        )

    def check(self) -> None:
        """Raise ChildError if the process has ended."""
        if (code := self._process.poll()) is not None:
            raise ChildError(f"{self.name} ended with {code}:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def url(self) -> str | None:
        """Where it serves its page, once it has said so."""
        serving = _SERVING.search(self.log.read_bytes())
        return serving[1].decode() if serving else None

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL where that takes too long."""
        self._process.end()
        await asyncio.to_thread(self._process.wait, _STOP_SECONDS)


class Stack:
    """A broker (embedded, or one that is there), the topics and a worker.

    Parameters
    ----------
    settings
        As read; `kafka.bootstrap` is replaced by the embedded broker's address.
    config
        The file they were read from: the worker reads it too.
    folder
        Data and logs.
    embedded
        Whether to start a broker; else the settings' one is used.
    overrides
        Settings of the worker over the file's, as environment variables.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        config: Path | None = None,
        embedded: bool = True,
        broker_port: int = 0,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.broker: Broker | None = KafkaBroker(folder / "broker", port=broker_port) if embedded else None
        self.children: list[Child] = []
        self.worker_url = ""
        self._config = config
        self._overrides = dict(overrides or {})
        self._http: aiohttp.ClientSession | None = None
        self._own = OwnFolder(folder)

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def run(self, name: str, *arguments: str, **environment: str) -> Child:
        """Start another `netdusk` command beside the worker, with the same broker."""
        if self._config is not None:
            arguments = (*arguments, "--config", str(self._config))
        environment = {
            **self._overrides,
            "NETDUSK_KAFKA__BOOTSTRAP": self.settings.kafka.bootstrap,
            **environment,
        }
        child = Child(name, arguments, environment, self.folder / f"{name}.log")
        self.children.append(child)
        return child

    def start_worker(self) -> Child:
        """Start the worker; `ready` waits for it."""
        return self.run("worker", "worker")

    async def start_page(self, port: int) -> str | None:
        """Start the page, and the archiver that gives it a past. Returns its address; None where it can't run.

        Where the port is taken another one is. Raises ChildError.
        """
        if importlib.util.find_spec("jinja2") is None:
            return None
        kept = {"NETDUSK_ARCHIVE__URL": str(self.folder.absolute() / "archive")}
        if importlib.util.find_spec("pyarrow") is not None and importlib.util.find_spec("duckdb") is not None:
            self.run("archive", "archive", NETDUSK_ARCHIVE__FLUSH_SECONDS="20", **kept)
        free = port if _is_free(port) else 0
        child = self.run("page", "page", NETDUSK_PAGE__PORT=str(free), **kept)
        end = time.monotonic() + _READY_SECONDS
        while (url := child.url()) is None:
            child.check()
            if time.monotonic() > end:
                raise ChildError(f"the page does not serve after {_READY_SECONDS:.0f} s:\n{child.tail()}")
            await asyncio.sleep(0.05)
        return url

    async def ready(self, worker: Child) -> None:
        """Wait until the worker has joined, restored and serves its page. Raises ChildError."""
        end = time.monotonic() + _READY_SECONDS
        while True:
            worker.check()
            url = worker.url()
            if url is not None and await self._answers(f"{url}/readyz"):
                self.worker_url = url
                return
            if time.monotonic() > end:
                raise ChildError(f"{worker.name} is not ready after {_READY_SECONDS:.0f} s:\n{worker.tail()}")
            await asyncio.sleep(0.05)

    async def metrics(self) -> list[Sample]:
        """Return what the worker's /metrics has now, or nothing while it does not answer."""
        assert self._http is not None
        try:
            async with self._http.get(f"{self.worker_url}/metrics") as answer:
                if answer.status != 200:
                    return []
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return []
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def check(self) -> None:
        """Raise ChildError where anything that should run does not."""
        for child in self.children:
            child.check()
        if self.broker is not None and not self.broker.alive():
            raise ChildError(f"the embedded broker has ended; its log is {self.folder / 'broker'}")

    async def stop(self) -> None:
        """End everything: the worker hands over before its broker goes."""
        for child in reversed(self.children):
            with contextlib.suppress(ProcessLookupError):
                await child.stop()
        self.children.clear()
        if self._http is not None:
            await self._http.close()
        if self.broker is not None:
            await asyncio.to_thread(self.broker.stop)
        self._own.leave()

    async def _start(self) -> None:
        # Before anything is written: the logs are another's too, where another runs here.
        try:
            self._own.take()
        except FolderError as error:
            raise ChildError(str(error)) from error
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        if self.broker is not None:
            await asyncio.to_thread(self.broker.start)
            self.settings = with_bootstrap(self.settings, self.broker.bootstrap)
            await wait_for_broker(self.settings.kafka)
        for state in await ensure(self.settings):
            if state.state == "widened":
                log.info("topic widened", topic=state.topic.name, why=state.detail)
            if state.state != "differs":
                continue
            if state.topic.role in SINGLE or state.partitions == state.topic.partitions:
                log.warning("topic differs", topic=state.topic.name, why=state.detail)
            else:
                raise SettingsError(f"topic {state.topic.name}: {state.detail}")

    async def _answers(self, url: str) -> bool:
        assert self._http is not None
        try:
            async with self._http.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
