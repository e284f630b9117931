"""Real Prometheus, Alertmanager and blackbox_exporter, a webhook that stands for the phone, and an exporter that a test
drives.

Every one is a process or thread of its own on a free loopback port, with its files in a folder that is handed in, and
ends by its own handle. Nothing here knows what is scraped or what the rules say.

    with Exporter(figures) as exporter, Webhook() as phone:
        with Alertmanager(tmp_path, config_for(phone.url)) as alertmanager:
            with Prometheus(tmp_path, [exporter.target], alertmanagers=[alertmanager.target]) as prometheus:
                prometheus.wait_for("up == 1")
                phone.wait_for(pages, "a page")
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import yaml

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
_REMEDY: Final = "`make servers` installs Debian's packages of them"


def program(*names: str) -> str:
    """The path of the first of these programs that is there; an error that says what to do where none is."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError(f"none of {', '.join(names)} is on the PATH; {_REMEDY}")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get_json(url: str) -> Any:
    """GET, parsed."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def wait_until(ask: Callable[[], Any], seconds: float, what: str) -> Any:
    """What `ask` gives, once it is true. Raises TimeoutError, which says what was waited for."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:.0f} s still not: {what}")
        time.sleep(_POLL_SECONDS)
    return found


class Process:
    """A program with a port, started and ended as a context. It can be stopped and started again, on the same port."""

    name: ClassVar[str]
    #: What answers 200 as soon as it serves.
    ready: ClassVar[str] = "/-/ready"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.target}"

    def command(self) -> Sequence[str]:
        """What is run."""
        raise NotImplementedError

    def start(self) -> None:
        """Run it, and wait until it says that it is ready."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_until(self._ready, _START_SECONDS, f"{self.name} ready")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """SIGTERM, then SIGKILL, to this one process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _ready(self) -> bool:
        assert self._process is not None
        if (code := self._process.poll()) is not None:
            text = (self.folder / "log").read_text(errors="replace")
            raise RuntimeError(f"{self.name} ended with {code}:\n{text[-3000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}{self.ready}", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Alertmanager(Process):
    """Alertmanager with a configuration (text or parsed), alone: no cluster."""

    name = "alertmanager"

    def __init__(self, folder: Path, config: str | Mapping[str, Any]) -> None:
        super().__init__(folder)
        text = config if isinstance(config, str) else yaml.safe_dump(dict(config))
        self.config = self.folder / "alertmanager.yml"
        self.config.write_text(text)

    def command(self) -> Sequence[str]:
        return [
            program("prometheus-alertmanager", "alertmanager"),
            f"--config.file={self.config}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.target}",
            "--cluster.listen-address=",
        ]

    def alerts(self, *, inhibited: bool = True) -> list[dict[str, Any]]:
        """The alerts that it holds."""
        query = "" if inhibited else "?inhibited=false&silenced=false"
        found: list[dict[str, Any]] = get_json(f"{self.url}/api/v2/alerts{query}")
        return found


class Prometheus(Process):
    """Prometheus that scrapes some targets, evaluates some rule files and tells some Alertmanagers.

    Parameters
    ----------
    targets
        host:port of what is scraped, each under job `netdusk`.
    rules
        Rule files.
    seconds
        Between two scrapes, and between two evaluations of the groups that do not say so themselves.
    jobs
        Further `scrape_configs`, as they stand in its file.
    flags
        Further flags.
    """

    name = "prometheus"

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        *,
        rules: Sequence[Path] = (),
        alertmanagers: Sequence[str] = (),
        seconds: float = 1.0,
        jobs: Sequence[Mapping[str, Any]] = (),
        flags: Sequence[str] = (),
    ) -> None:
        super().__init__(folder)
        self._flags = list(flags)
        every = f"{round(seconds * 1000)}ms"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(path.resolve()) for path in rules],
            "scrape_configs": [
                {"job_name": "netdusk", "static_configs": [{"targets": list(targets)}]},
                *map(dict, jobs),
            ],
            "alerting": {
                "alertmanagers": [{"api_version": "v2", "static_configs": [{"targets": list(alertmanagers)}]}]
            },
        }
        self.config = self.folder / "prometheus.yml"
        self.config.write_text(yaml.safe_dump(config))

    def command(self) -> Sequence[str]:
        return [
            program("prometheus"),
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.target}",
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
            *self._flags,
        ]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """An instant query's result: a vector's samples, or one for a scalar. Raises where Prometheus refuses it."""
        data = self._api("query", query=expr)
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        found: list[dict[str, Any]] = data["result"]
        return found

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """A range query's series."""
        found: list[dict[str, Any]] = self._api("query_range", query=expr, start=start, end=end, step=step)[
            "result"
        ]
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing alerts."""
        found: list[dict[str, Any]] = get_json(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return found

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self.alerts() if alert["state"] == "firing"}

    def wait_for(self, expr: str, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The result of `expr`, once it has one."""
        found: list[dict[str, Any]] = wait_until(lambda: self.query(expr), seconds, f"{expr} has a result")
        return found

    def _api(self, what: str, **parameters: Any) -> Any:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            return get_json(url)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters.get('query')}: {error.read().decode()}") from error


class Blackbox(Process):
    """blackbox_exporter with some modules, as `blackbox.yml` has them."""

    name = "blackbox"
    ready = "/-/healthy"
    PROGRAM: ClassVar[Path] = (
        Path(__file__).parents[2] / ".cache/blackbox/usr/bin/prometheus-blackbox-exporter"
    )

    def __init__(self, folder: Path, modules: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self.config = self.folder / "blackbox.yml"
        self.config.write_text(yaml.safe_dump({"modules": dict(modules)}))

    def command(self) -> Sequence[str]:
        if not self.PROGRAM.is_file():
            raise FileNotFoundError(f"{self.PROGRAM}: not there; `make servers` fetches it")
        return [
            str(self.PROGRAM),
            f"--config.file={self.config}",
            f"--web.listen-address={self.target}",
            # So much less than the scrape may take is an attempt given: half a second, where nothing is said.
            "--timeout-offset=0.1",
        ]

    def job(
        self, name: str, module: str, services: Sequence[tuple[str, Mapping[str, str]]], seconds: float
    ) -> dict[str, Any]:
        """One of Prometheus' `scrape_configs`: the targets with their labels, asked through this exporter."""
        every = f"{round(seconds * 1000)}ms"
        return {
            "job_name": name,
            "metrics_path": "/probe",
            "scrape_interval": every,
            "scrape_timeout": every,
            "params": {"module": [module]},
            "static_configs": [{"targets": [target], "labels": dict(labels)} for target, labels in services],
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": self.target},
            ],
        }


class _Server:
    """An HTTP server in a thread."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def target(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.target}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", kind: str = "text/plain; charset=utf-8") -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


class Exporter(_Server):
    """A page of metrics that the test drives: `figures` is called at each scrape; None answers 503, as a worker does
    that is restoring."""

    def __init__(self, figures: Callable[[], bytes | None]) -> None:
        class Handler(_Quiet):
            def do_GET(self) -> None:
                body = figures()
                self.answer(503 if body is None else 200, body or b"restoring\n", "text/plain; version=0.0.4")

        super().__init__(Handler)


@dataclass(frozen=True)
class Call:
    """One notification as Alertmanager posted it (webhook version 4)."""

    path: str
    body: Mapping[str, Any]
    at: float = field(default_factory=time.time)

    @property
    def status(self) -> str:
        """`firing` while anything of its group does, else `resolved`."""
        return str(self.body["status"])

    @property
    def group(self) -> str:
        """What a pager goes by: one key, one page, until it is resolved."""
        return str(self.body["groupKey"])

    @property
    def alerts(self) -> list[Mapping[str, Any]]:
        """What it is about."""
        return list(self.body["alerts"])

    def names(self) -> set[str]:
        """Names of its alerts."""
        return {alert["labels"]["alertname"] for alert in self.alerts}


def pages(calls: Sequence[Call]) -> list[Call]:
    """The calls that make a telephone ring: a group fires that did not a moment ago.

    What follows under the same group key, until it is resolved, is an update of the same page: PagerDuty, Opsgenie and
    Alertmanager's other pagers are given that key to go by.
    """
    ringing: set[str] = set()
    found = []
    for call in calls:
        if call.status == "resolved":
            ringing.discard(call.group)
        elif call.group not in ringing:
            ringing.add(call.group)
            found.append(call)
    return found


def resolves(calls: Sequence[Call]) -> list[Call]:
    """The calls that say that all of a group is over."""
    return [call for call in calls if call.status == "resolved"]


class Webhook(_Server):
    """The phone: keeps what it is posted. `url` and any path under it take calls (`to("pager")`)."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        calls = self.calls

        class Handler(_Quiet):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                calls.append(Call(self.path, body))
                self.answer(200)

        super().__init__(Handler)

    def to(self, receiver: str) -> list[Call]:
        """Calls to one path."""
        return [call for call in list(self.calls) if call.path == f"/{receiver}"]

    def wait_for(self, enough: Callable[[list[Call]], Any], what: str, seconds: float = 60.0) -> list[Call]:
        """The calls, once `enough` is true of them. Raises TimeoutError with what has come instead."""
        try:
            wait_until(lambda: enough(list(self.calls)), seconds, what)
        except TimeoutError as error:
            seen = [(call.path, call.status, sorted(call.names())) for call in self.calls]
            raise TimeoutError(f"{error}; what came: {seen}") from None
        return list(self.calls)
