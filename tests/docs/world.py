"""What the commands of the pages meet: the demonstration's broker, worker and page, the monitoring beside them, and a
small Internet on loopback. All of it is real; none of it is outside of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

import yaml

from monitoring.shipped import ROOT
from streams.engine.sender import headers_of
from streams.kafka.client import connect
from streams.local.child import ChildProcess
from streams.records import encode
from streams.settings import load, with_bootstrap
from tests.monitoring.servers import Alertmanager, Exporter, Prometheus, Webhook, wait_until
from tests.producers.probe.servers import (
    NameServer,
    answer,
    certified,
    naming,
    resets,
    says,
    serving,
    write_authority,
)
from tests.streams.publish.stories import incident

BIN: Final = Path(sys.executable).parent
_ENDED: Final = re.compile(r"(http://\S+)/metrics and the broker (\S+) stay until Ctrl-C")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A newcomer's: nothing of netdusk is set, its commands are on the PATH, and what it keeps stays in the folder."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("NETDUSK_", "XDG_"))}
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return {
        **own,
        "PATH": f"{BIN}:{ROOT / '.cache' / 'chart' / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": cache,
        "COLUMNS": "120",
        "TERM": "dumb",
        **more,
    }


class Demo:
    """`netdusk demo --hold` of one evening as fast as it goes, as a process of its own.

    An open incident is put beside the two snapshots of that evening: pages speak of incidents that go on.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._log = folder / "demo.log"
        self.bootstrap = self.worker = self.page = self.incident = ""
        self.open_incident = self.archive = ""
        self._folder = folder
        command = ["demo", "--evening", "2024-01-20", "--speed", "0", "--hold"]
        settings = environment(folder, COLUMNS="400", TMPDIR=str(folder))
        # It ends with the tests, whoever ends them.
        self._process = ChildProcess([str(BIN / "netdusk"), *command], "SIGTERM", self._log, settings)

    def ready(self) -> Self:
        """Wait until it has come to its end and holds."""

        def ended() -> re.Match[str] | None:
            assert self._process.poll() is None, self._said()
            return _ENDED.search(" ".join(self._said().split()))

        if not self.bootstrap:
            found = wait_until(ended, 240, "the demonstration holds")
            self.worker, self.bootstrap = found.groups()
            self.page = re.findall(r"^page +(http\S+)", self._said(), re.MULTILINE)[0]
            found_folders = wait_until(
                lambda: list(self._folder.glob("netdusk-demo-*/archive")), 60, "the demonstration's archive"
            )
            self.archive = str(found_folders[0])
            self.incident = re.findall(r"\bpk-[0-9a-f]{16}\b", self._incidents())[0]
            self.open_incident = asyncio.run(_tell_an_open_one(self.bootstrap))
        return self

    def _incidents(self) -> str:
        asked = [str(BIN / "netdusk"), "incidents", "--all", "--json", "--bootstrap", self.bootstrap]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout

    def stop(self) -> None:
        """As a service manager ends it."""
        self._process.end()
        self._process.wait(60)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")


async def _tell_an_open_one(bootstrap: str) -> str:
    settings = with_bootstrap(load(), bootstrap)
    onset = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    told = onset + timedelta(minutes=4)
    one = incident(onset=onset, detected=told, updated=told)
    value = encode(one)
    producer = await connect(settings.kafka)
    try:
        headers = headers_of("alerts", settings.topics.alerts, value)
        await producer.send_and_wait(settings.topics.alerts, value, key=one.id.encode(), headers=headers)
    finally:
        await producer.stop()
    return one.id


def figures() -> bytes:
    """A blackbox_exporter's of two services, one of which answers 503."""
    lines = []
    for host, good, status in (("shop.example", 1, 200), ("api.example", 0, 503)):
        labels = f'instance="https://{host}/",job="blackbox"'
        lines += [f"probe_success{{{labels}}} {good}", f"probe_http_status_code{{{labels}}} {status}"]
        lines += [f"probe_duration_seconds{{{labels}}} 0.05"]
    return "\n".join(lines).encode() + b"\n"


@contextlib.contextmanager
def monitored(folder: Path, worker: str) -> Iterator[tuple[Prometheus, Alertmanager]]:
    """Prometheus with our rules over a worker and a blackbox_exporter, and the Alertmanager that pages start from."""
    shipped = (ROOT / "monitoring" / "alertmanager" / "alertmanager.yml").read_text()
    config = re.sub(r"url: \S+", "url: http://127.0.0.1:9/", shipped)  # nobody is called
    assert yaml.safe_load(config)["receivers"]
    rules = sorted((ROOT / "helm" / "netdusk" / "files" / "rules").glob("*.yaml"))
    with Exporter(figures) as exporter, Alertmanager(folder, config) as alertmanager:
        targets = [worker.removeprefix("http://"), exporter.target]
        with Prometheus(folder, targets, rules=rules, alertmanagers=[alertmanager.target]) as prometheus:
            prometheus.wait_for("netdusk_build_info")
            prometheus.wait_for("probe_success")
            yield prometheus, alertmanager


class Internet:
    """Platforms on loopback, by their own names: X and Facebook answer, and YouTube's handshake is reset."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.settings: dict[str, str] = {}
        self.ports: list[int] = []
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        hosts = {"x": "x.com", "youtube": "www.youtube.com", "facebook": "www.facebook.com"}
        names = NameServer({host: ["127.0.0.1"] for host in hosts.values()})
        async with contextlib.AsyncExitStack() as up:
            await up.enter_async_context(naming(names))
            targets = []
            for platform, host in hosts.items():
                cut = platform == "youtube"
                served = serving(resets) if cut else serving(says(answer()), certified(host))
                port = await up.enter_async_context(served)
                self.ports.append(port)
                url = f"https://{host}:{port}/{'generate_204' if cut else 'robots.txt'}"
                targets.append(
                    f'[[target]]\nplatform = "{platform}"\nurl = "{url}"\nstatuses = ["2xx"]\nprivate = true\n'
                )
            path = self._folder / "targets.toml"
            path.write_text("\n".join(targets))
            self.settings = {
                "NETDUSK_PROBE__TARGETS": str(path),
                "NETDUSK_PROBE__ALLOW_PRIVATE": "true",
                "NETDUSK_PROBE__AUTHORITIES": str(write_authority(self._folder)),
                "NETDUSK_PROBE__RESOLVER": f"127.0.0.1:{names.port}",
            }
            self._is_up.set()
            await self._end.wait()


@dataclass(frozen=True)
class World:
    """Where everything is."""

    demo: Demo
    prometheus: Prometheus
    alertmanager: Alertmanager
    internet: Internet
    phone: Webhook
    page_port: int

    def settings(self) -> dict[str, str]:
        """What a newcomer would have set to reach it."""
        return {
            **self.internet.settings,
            "NETDUSK_KAFKA__BOOTSTRAP": self.demo.bootstrap,
            "NETDUSK_TOPICS__PARTITIONS": "2",  # as the demonstration has them
            "BROKER": self.demo.bootstrap,
            "PROMETHEUS": self.prometheus.url,
            "ALERTMANAGER": self.alertmanager.url,
        }
