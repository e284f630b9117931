"""A pull against servers that answer, hold back, break off and say that it is too much."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from producers.records import ProbeResult
from producers.signals import Signal
from producers.sources import ioda, tor
from producers.sources.contract import RefusalReason, Refused
from producers.sources.ooni import api
from producers.sources.prometheus import Labels, PrometheusReader
from streams.commands.pull import app, show
from streams.local import pulling
from streams.local.ingesting import IngestTotals
from streams.local.pulling import Polite, PullError, PullPlan, PullState, pull_once, session
from streams.local.sources import Options, SourceQuery, pull_of, reader_of
from streams.settings import SettingsError
from tests.producers.probe.servers import certified, write_authority

TABLE = b"date,country,users\n2024-01-20,pk,9321\n"


class Service:
    """Answers as it is told, one after the other; the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path_qs, dict(request.headers)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(request)
        if answer == "half":
            half = web.StreamResponse(headers={"Content-Length": str(len(TABLE))})
            await half.prepare(request)
            await half.write(TABLE[:25])
            assert request.transport is not None
            request.transport.close()
            return half
        status, body, headers = answer
        return web.Response(status=status, body=body, headers=headers)


class Clock:
    """A clock that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@asynccontextmanager
async def asking(service: Service, state: PullState, **more: Any) -> AsyncIterator[tuple[Polite, str, Clock]]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", service.handle)
    clock = Clock()
    async with TestServer(app) as server, session() as http:
        polite = Polite(http, state, now=lambda: clock.now, sleep=clock.sleep, **more)
        yield polite, str(server.make_url("/")).rstrip("/"), clock


GOOD = (200, TABLE, {})


@pytest.mark.parametrize(
    ("answers", "waits"),
    [
        ([GOOD], []),
        ([(503, b"", {}), (500, b"", {}), GOOD], [2.0, 4.0]),
        ([(429, b"", {"Retry-After": "90"}), GOOD], [90.0]),
        ([(429, b"", {"Retry-After": "600"}), GOOD], [600.0]),
        ([(429, b"", {"Retry-After": "\u00b2"}), GOOD], [2.0]),
        (["half", GOOD], [2.0]),
    ],
)
async def test_what_passes_is_waited_for(answers: list[Any], waits: list[float]) -> None:
    async with asking(Service(*answers), PullState(None), gap_seconds=0) as (polite, url, clock):
        assert await polite.fetch(f"{url}/users.csv") == TABLE
    assert clock.waits == pytest.approx(waits, rel=0.21)


async def test_who_wishes_to_be_left_alone_for_long_is() -> None:
    """Longer than a round waits: it is not asked before, whatever else there is to ask it for."""
    service = Service((429, b"", {"Retry-After": "7200"}), GOOD)
    async with asking(service, PullState(None), gap_seconds=0) as (polite, url, clock):
        with pytest.raises(PullError, match="asks to wait for 7,200 s"):
            await polite.fetch(f"{url}/users.csv")
        with pytest.raises(PullError, match="not asked for another 7,200 s, as it wishes"):
            await polite.fetch(f"{url}/others.csv")
        assert len(service.asked) == 1
        await clock.sleep(7200.0)
        assert await polite.fetch(f"{url}/users.csv") == TABLE


async def test_no_answer_silences_a_source_for_ever() -> None:
    service = Service((429, b"", {"Retry-After": "9" * 400}), GOOD)
    async with asking(service, PullState(None), gap_seconds=0) as (polite, url, clock):
        with pytest.raises(PullError, match="asks to wait for 86,400 s"):
            await polite.fetch(f"{url}/users.csv")
        await clock.sleep(86_400.0)
        assert await polite.fetch(f"{url}/users.csv") == TABLE


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ((404, b"", {}), 1),
        ((403, b"", {}), 1),
        # Nobody said what of it is known: this answers nothing.
        ((304, b"", {}), 1),
        ((503, b"", {}), 6),
        ("half", 6),
    ],
)
async def test_what_does_not_pass_is_said(answer: Any, asked: int) -> None:
    service = Service(answer)
    async with asking(service, PullState(None), gap_seconds=0) as (polite, url, _):
        with pytest.raises(PullError, match=r"users\.csv"):
            await polite.fetch(f"{url}/users.csv")
    assert len(service.asked) == asked


async def test_one_host_is_asked_slowly() -> None:
    async with asking(Service(GOOD), PullState(None), gap_seconds=3) as (polite, url, clock):
        for number in range(4):
            await polite.fetch(f"{url}/{number}")
    assert clock.waits == [3, 3, 3]


async def test_too_large_an_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "BODY_BYTES_MAX", 10)
    async with asking(Service(GOOD), PullState(None)) as (polite, url, _):
        with pytest.raises(PullError, match="more than 10 bytes"):
            await polite.fetch(f"{url}/")


def unchanged(request: web.Request) -> Any:
    if request.headers.get("If-None-Match") == '"v1"':
        return 304, b"", {}
    table = TABLE.replace(b"pk", b"ir") if request.path == "/b.csv" else TABLE
    return 200, table, {"ETag": '"v1"', "Last-Modified": "Sat, 20 Jan 2024 13:41:00 GMT"}


async def test_what_has_not_changed_is_not_sent_again_also_after_a_new_start(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    service = Service(unchanged)
    sent: list[ProbeResult | Signal] = []

    async def send(piece: list[ProbeResult | Signal]) -> None:
        sent.extend(piece)

    async with asking(service, PullState(None)) as (_, url, _):
        plan = PullPlan(
            "tor", ("PK",), lambda part, since, until: [f"{url}/users.csv?country={part}"], tor.read
        )
        for number in range(3):
            state = PullState.read(path)
            async with session() as http:
                polite = Polite(http, state, gap_seconds=0)
                assert not await pull_once(plan, polite, state, send, IngestTotals(), since=0, until=number)
    assert len(service.asked) == 3
    assert len(sent) == 1
    assert json.loads(path.read_bytes())["until"] == {"tor/PK": 2.0}


async def test_what_was_not_acknowledged_is_asked_for_again() -> None:
    spans: list[tuple[float, float]] = []
    state = PullState(None)
    service = Service(unchanged)

    def requests(part: str, since: float, until: float) -> list[str]:
        spans.append((since, until))
        return [f"{url}/a.csv", f"{url}/b.csv"]

    async def send(piece: list[ProbeResult | Signal]) -> None:
        if len(service.asked) == 2:
            raise PullError("the broker went away")

    async with asking(service, state, gap_seconds=0) as (polite, url, _):
        plan = PullPlan("tor", ("PK",), requests, tor.read)
        for until, troubles in ((1000.0, 1), (2000.0, 0), (3000.0, 0)):
            found = await pull_once(plan, polite, state, send, IngestTotals(), since=0, until=until)
            assert len(found) == troubles
    assert spans == [(0, 1000), (0, 2000), (1100, 3000)], "from the same time again; then with some overlap"


@pytest.mark.parametrize(
    "page",
    [
        b"<html>We are back soon</html>",
        b'{"type": "signals", "data": [[{"ent',
        b"",
        b'{"error": "the database is away", "data": null}',
        b'{"type": "signals", "data": null}',
    ],
)
async def test_an_answer_that_is_half_a_document_is_asked_for_again(page: bytes) -> None:
    """A body that ends with its connection has no length by which a cut is seen."""
    state, service = PullState(None), Service((200, page, {"ETag": "1"}), (200, b'{"data": []}', {}))
    async with asking(service, state, gap_seconds=0) as (polite, url, _):
        plan = PullPlan("ioda", ("PK",), lambda *_: [f"{url}/a"], ioda.read)
        for until, troubles in ((1000.0, 1), (2000.0, 0)):
            found = await pull_once(plan, polite, state, nothing_sent, IngestTotals(), since=0, until=until)
            assert len(found) == troubles
            assert state.until == ({} if troubles else {"ioda/PK": until})
            assert not state.validators


async def nothing_sent(piece: list[ProbeResult | Signal]) -> None:
    raise AssertionError(piece)


async def test_the_overlap_of_two_rounds_is_sent_once_also_after_a_new_start(tmp_path: Path) -> None:
    """What has come in the meantime is sent, and what has other figures now; what was sent is not."""
    path = tmp_path / "state.json"
    sent: list[float] = []

    async def send(piece: list[ProbeResult | Signal]) -> None:
        sent.extend(one.value for one in piece if isinstance(one, Signal))

    def table(*rows: str) -> Any:
        return 200, "\n".join(["date,country,users", *rows, ""]).encode(), {}

    service = Service(
        table("2024-01-20,pk,1", "2024-01-21,pk,2"),
        table("2024-01-20,pk,1", "2024-01-21,pk,2", "2024-01-22,pk,3"),
        table("2024-01-20,pk,4", "2024-01-21,pk,2", "2024-01-22,pk,3"),
    )
    async with asking(service, PullState(None)) as (_, url, _):
        plan = PullPlan("tor", ("PK",), lambda *_: [f"{url}/users.csv"], tor.read)
        for number in range(3):
            state = PullState.read(path)
            async with session() as http:
                polite = Polite(http, state, gap_seconds=0)
                assert not await pull_once(plan, polite, state, send, IngestTotals(), since=0, until=number)
    assert sent == [1, 2, 3, 4]


async def test_oonis_lists_lead_to_measurements() -> None:
    measurement = {
        "test_name": "signal",
        "probe_cc": "PK",
        "probe_asn": "AS17557",
        "measurement_start_time": "2024-01-20 13:41:07",
        "test_keys": {"requests": [{"failure": None}], "signal_backend_failure": None},
    }

    def answer(request: web.Request) -> Any:
        here = f"http://{request.host}"
        if request.path.endswith("/measurements"):
            page = int(request.query.get("page", 1))
            found: dict[str, Any] = {
                "metadata": {"next_url": f"{here}/api/v1/measurements?page=2" if page == 1 else None},
                "results": [
                    {"measurement_uid": f"u{page}", "measurement_url": f"{here}/raw_measurement?uid={page}"}
                ],
            }
            return 200, json.dumps(found).encode(), {}
        return 200, json.dumps({**measurement, "measurement_uid": request.query["uid"]}).encode(), {}

    sent: list[Any] = []

    async def send(piece: list[ProbeResult | Signal]) -> None:
        sent.extend(piece)

    async with asking(Service(answer), PullState(None), gap_seconds=0) as (polite, url, _):
        plan = PullPlan(
            "ooni",
            ("PK",),
            lambda part, since, until: [f"{url}/api/v1/measurements?probe_cc={part}"],
            reader_of("ooni", Options()),
            api.is_list,
            api.follow,
        )
        totals = IngestTotals()
        assert not await pull_once(plan, polite, PullState(None), send, totals, since=0, until=1)
    assert [(one.platform, one.ok) for one in sent] == [("signal", True)] * 2
    assert len({one.id for one in sent}) == 2


def moved(place: str) -> tuple[int, bytes, dict[str, str]]:
    return 302, b"", {"Location": place}


async def test_an_answer_that_has_moved_on_the_same_host_is_read() -> None:
    service = Service(moved("/there"), GOOD)
    async with asking(service, PullState(None)) as (polite, url, _):
        assert await polite.fetch(f"{url}/here") == TABLE
    assert [path for path, _ in service.asked] == ["/here", "/there"]


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:1/", "http://[::1]/", "http://169.254.169.254/latest", "file:///etc", "//["]
)
async def test_no_redirect_leads_to_another_host(place: str) -> None:
    service = Service(moved(place))
    async with asking(service, PullState(None), headers={"Authorization": "made"}) as (polite, url, _):
        with pytest.raises(PullError, match="not asked"):
            await polite.fetch(url)
    assert len(service.asked) == 1


async def test_redirects_end() -> None:
    service = Service(moved("/"))
    async with asking(service, PullState(None)) as (polite, url, _):
        with pytest.raises(PullError, match="not asked"):
            await polite.fetch(url)
    assert len(service.asked) == 4


async def test_a_list_leads_to_no_other_host() -> None:
    rows = [{"measurement_url": "http://169.254.169.254/latest"}, {"measurement_url": "file:///etc/passwd"}]
    service = Service((200, json.dumps({"results": rows}).encode(), {}))
    totals = IngestTotals()

    async def send(piece: list[ProbeResult | Signal]) -> None:
        raise AssertionError(piece)

    async with asking(service, PullState(None), gap_seconds=0) as (polite, url, _):
        start = f"{url}/api/v1/measurements"
        read = reader_of("ooni", Options())
        plan = PullPlan("ooni", ("PK",), lambda part, since, until: [start], read, api.is_list, api.follow)
        assert not await pull_once(plan, polite, PullState(None), send, totals, since=0, until=1)
    assert (len(service.asked), totals.refused.total()) == (1, 2)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"until":1,"validators":{}}', '{"until":{"a":"x"},"validators":{}}']
)
def test_a_state_file_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(SettingsError, match="no state file of pull"):
        PullState.read(tmp_path / "state.json")


def test_what_each_source_is_asked_for() -> None:
    from producers.sources import cloudflare, ioda, prometheus, ripe_atlas

    begin, end = 1705758000.0, 1705761600.0
    asked: dict[str, Callable[[], list[str]]] = {
        "/signals/raw/country/PK?from=1705758000&until=1705761600": lambda: list(
            ioda.requests("PK", begin, end)
        ),
        "dateStart=2024-01-20T13%3A40%3A00": lambda: list(cloudflare.requests("PK", begin, end)),
        "start=2024-01-20&end=2024-01-20&country=pk": lambda: list(tor.requests("PK", begin, end)),
        "/measurements/7000/results/?start=1705758000": lambda: list(ripe_atlas.requests(7000, begin, end)),
        "/api/v1/query?query=%7B__name__%3D~%22probe_success": lambda: list(
            prometheus.PrometheusReader().requests("http://localhost:9090/", begin, end)
        ),
        "probe_cc=PK&test_name=web_connectivity&since=2024-01-20T13": lambda: list(
            api.requests("PK", begin, end)
        ),
    }
    for part, urls in asked.items():
        assert any(part in url for url in urls()), (part, urls())


def test_what_becomes_a_part_of_a_url_is_checked() -> None:
    for source, query in (
        ("ioda", SourceQuery(countries=("PK/../..",), every_seconds=1)),
        ("cloudflare", SourceQuery(countries=("PK", "XQ&a=b"), every_seconds=1)),
        ("prometheus", SourceQuery(url="localhost:9090", every_seconds=1)),
        ("prometheus", SourceQuery(url="http://[::1", every_seconds=1)),
    ):
        with pytest.raises(SettingsError, match="write it like"):
            pull_of(source).plan(source, query)
    assert pull_of("tor").plan("tor", SourceQuery(countries=("pk",), every_seconds=1)).parts == ("PK",)


@pytest.mark.parametrize("token", [b"", b"two words", b"two\nlines", b"\xff"])
def test_a_token_that_is_none_is_told(tmp_path: Path, token: bytes) -> None:
    (tmp_path / "token").write_bytes(token)
    outcome = CliRunner().invoke(
        app, ["cloudflare", "--country", "PK", "--once", "--token-file", str(tmp_path / "token")]
    )
    assert "holds no token" in str(outcome.exception)


async def test_a_prometheus_is_asked_for_less_where_an_hour_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its own word, by a proxy's, or by the length of its answer: halves of halves are had, each sample once."""
    reader = PrometheusReader(Labels(constants={"country": "PK"}))

    def service(request: web.Request) -> Any:
        length = float(request.query["query"].rpartition("[")[2].removesuffix("ms]")) / 1000
        if length > 1800:
            error = "query processing would load too many samples into memory in query execution"
            return 422, json.dumps({"status": "error", "errorType": "execution", "error": error}).encode(), {}
        if length > 900:
            return 413, b"<html>", {}
        end = float(request.query["time"])
        samples = [[end - length + 1, "1"], [end - 1, "0"]]
        if length > 450:
            samples *= 4000
        series = {"metric": {"__name__": "probe_success", "instance": "https://x.com/"}, "values": samples}
        return 200, json.dumps({"status": "success", "data": {"result": [series]}}).encode(), {}

    sent: list[ProbeResult | Signal] = []

    async def send(piece: list[ProbeResult | Signal]) -> None:
        sent.extend(piece)

    monkeypatch.setattr(pulling, "BODY_BYTES_MAX", 50_000)
    state, totals = PullState(None), IngestTotals()
    async with asking(Service(service), state, gap_seconds=0) as (polite, url, _):
        plan = PullPlan("prometheus", (url,), reader.requests, reader.read, halves=reader.halves)
        begin = 1705758000.0
        assert not await pull_once(plan, polite, state, send, totals, since=begin, until=begin + 3600)
    assert [one.time.timestamp() - begin for one in sent] == [
        at for number in range(8) for at in (450 * number + 1, 450 * number + 449)
    ]
    assert not totals.refused


async def test_what_can_not_be_halved_says_why() -> None:
    body = b'{"status":"error","errorType":"execution","error":"too many \\u202esamples"}'
    async with asking(Service((422, body, {})), PullState(None)) as (polite, url, _):
        plan = PullPlan("prometheus", ("",), lambda *_: [f"{url}/a"], PrometheusReader().read)
        [trouble] = await pull_once(
            plan, polite, PullState(None), nothing_sent, IngestTotals(), since=0, until=1
        )
    assert trouble.endswith(r"status 422, too many \u202esamples")


async def test_who_asks_is_told_how_to_say_it() -> None:
    async with asking(Service((401, b"", {})), PullState(None)) as (polite, url, _):
        with pytest.raises(PullError, match=r"status 401, it wants to know who asks: .*--login-file"):
            await polite.fetch(f"{url}/a")


def test_a_prometheus_behind_a_login_an_authority_of_its_own_and_a_prefix(tmp_path: Path) -> None:
    known: list[tuple[str, str | None]] = []
    labels = tmp_path / "labels.toml"
    labels.write_text('only = { job = "blackbox" }\n')
    (tmp_path / "login").write_text("sre:p:äss\n")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.append((self.path.partition("?")[0], self.headers["Authorization"]))
            body = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = certified("localhost").wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        url = f"https://localhost:{server.server_address[1]}/monitoring/"
        asked = [
            "prometheus",
            "--url",
            url,
            "--map",
            str(labels),
            "--once",
            "--output",
            str(tmp_path / "out"),
        ]
        asked += ["--login-file", str(tmp_path / "login"), "--since-hours", "0.1"]
        outcome = CliRunner().invoke(app, [*asked, "--authorities", str(write_authority(tmp_path))])
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    assert outcome.exit_code == 0, outcome.output
    login = f"Basic {base64.b64encode('sre:p:äss'.encode()).decode()}"
    assert known == [("/monitoring/api/v1/query", login)]
    assert outcome.output.splitlines()[-1].startswith("nothing came: does this Prometheus scrape")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--url", "http://sre:hush@p:9090"), "leave name and password out"),
        (
            ("--url", "http://p", "--login-file", "empty"),
            "holds no login; write it as one line, name:password",
        ),
        (("--url", "http://p", "--login-file", "empty", "--token-file", "empty"), "leave one out"),
        (("--url", "http://p", "--authorities", "empty"), "name a readable PEM file of certificates"),
        (("--url", "http://p", "--authorities", "none"), "name a readable PEM file of certificates"),
    ],
)
def test_a_wrong_way_to_say_who_asks_is_told(
    more: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text("")
    outcome = CliRunner().invoke(app, ["prometheus", "--once", "--output", "out", *more])
    assert isinstance(outcome.exception, SettingsError)
    assert message in str(outcome.exception)
    assert "hush" not in str(outcome.exception)


def test_a_pull_says_why_it_left_out_what_it_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    totals = IngestTotals()
    for _ in range(3):
        totals.note(Refused(RefusalReason.NO_PLACE_OR_TIME, "no label says the country", "p@1"))
    show(totals, [], "", as_json=False, to_stderr=False)
    assert capsys.readouterr().out.splitlines() == [
        "0 results and 0 signals; 3 refused",
        "  3 no_place_or_time",
        "      3 no label says the country (first at p@1)",
    ]


async def test_a_prometheus_is_asked_for_two_minutes_again_and_sends_none_of_them_twice() -> None:
    """Nor a counter's growth from before, which it is asked for to know where the counter stood."""
    begin = 1705758000.0
    reader = PrometheusReader(Labels(cloudprober="", constants={"country": "PK"}))
    asked: list[tuple[float, float]] = []

    def service(request: web.Request) -> Any:
        end = float(request.query["time"])
        length = float(request.query["query"].rpartition("[")[2].removesuffix("ms]")) / 1000
        asked.append((round(end - length - begin, 3), end - begin))
        moments = [begin + 10 * step for step in range(-100, 100) if end - length <= begin + 10 * step <= end]
        result = [
            {
                "metric": {"__name__": name, "instance": "x.com"},
                "values": [[moment, str(moment)] for moment in moments],
            }
            for name in ("total", "success")
        ]
        return 200, json.dumps({"status": "success", "data": {"result": result}}).encode(), {}

    sent: list[ProbeResult | Signal] = []

    async def send(piece: list[ProbeResult | Signal]) -> None:
        sent.extend(piece)

    state = PullState(None)
    async with asking(Service(service), state, gap_seconds=0) as (polite, url, _):
        plan = pull_of("prometheus").plan("prometheus", SourceQuery(url=url, every_seconds=5.0))
        plan = replace(plan, requests=reader.requests, read=reader.read, reach_seconds=reader.reach_seconds)
        for until in (300.4, 305.7, 320.1):
            assert not await pull_once(
                plan, polite, state, send, IngestTotals(), since=begin, until=begin + until
            )
    begins, ends = zip(*asked, strict=True)
    assert begins == pytest.approx((-300, -119.6, -114.3), abs=0.01)
    assert ends == pytest.approx((300.4, 305.7, 320.1), abs=0.01)
    assert [one.time.timestamp() - begin for one in sent] == [10.0 * step for step in range(-29, 33)]
