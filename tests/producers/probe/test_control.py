from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from producers.failures import Failure, Stage
from producers.probe import control as controls
from producers.probe.asked import AskedTarget
from producers.probe.attempt import Outcome
from producers.probe.control import ControlResults, ControlWriter
from producers.probe.control_service import Allowance, ControlService
from producers.probe.targets import Target
from producers.records import Timings
from streams.local.controlling import application
from tests.producers.probe import servers

NOW = datetime(2024, 1, 20, 13, 41, tzinfo=UTC)
URL = "https://x.com/"


def outcome(ok: bool, at: datetime = NOW, url: str = URL) -> Outcome:
    stage, failure = (None, None) if ok else (Stage.TLS, Failure.CONNECTION_RESET)
    return Outcome(Target(platform="x", url=url), at, stage, failure, "", Timings(), 0, None)


async def told(source: str, *, age_seconds_max: float = 180.0) -> ControlResults:
    control = ControlResults([source], age_seconds_max=age_seconds_max)
    await control.refresh()
    return control


@pytest.mark.parametrize("ok", [True, False])
async def test_what_one_probe_writes_another_reads(tmp_path: Path, ok: bool) -> None:
    writer = ControlWriter(tmp_path / "control.json")
    writer.note(outcome(ok))
    writer.note(outcome(not ok, url="https://youtube.com/"))
    writer.write()
    control = await told(str(tmp_path / "control.json"))
    assert control.ok(URL, NOW) is ok
    assert control.ok("https://youtube.com/", NOW) is (not ok)
    assert control.ok("https://example.org/", NOW) is None, "not asked outside"


async def test_an_old_answer_says_nothing(tmp_path: Path) -> None:
    ControlWriter(tmp_path / "control.json").note(outcome(True))
    control = await told(str(tmp_path / "control.json"))
    assert control.ok(URL, NOW + timedelta(seconds=180)) is True
    assert control.ok(URL, NOW + timedelta(seconds=181)) is None
    assert control.ok(URL, NOW - timedelta(seconds=181)) is None


async def test_over_http(tmp_path: Path) -> None:
    ControlWriter(tmp_path / "control.json").note(outcome(True))
    body = (tmp_path / "control.json").read_bytes()
    async with servers.serving(servers.says(servers.answer(body=body))) as port:
        control = await told(f"http://127.0.0.1:{port}/control.json")
    assert control.ok(URL, NOW) is True
    await control.refresh()  # the server has gone: what is known stays, and grows old
    assert control.ok(URL, NOW) is True


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"schema":"netdusk.control/9","targets":{}}',
        b'{"schema":"netdusk.control/1","targets":{},"more":' + b"[" * 100_000,
        b'{"schema":"netdusk.control/1","targets":{"https://x.com/":{"ok":"yes","time":"2024-01-20T13:41:00Z"}}}',
        b'{"schema":"netdusk.control/1","targets":{"https://x.com/":{"ok":true,"time":"2024-01-20T13:41:00"}}}',
    ],
)
async def test_what_cannot_be_read_is_not_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "control.json").write_bytes(content)
    assert (await told(str(tmp_path / "control.json"))).ok(URL, NOW) is None


async def test_no_file_an_error_and_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await told(str(tmp_path / "none.json"))).ok(URL, NOW) is None
    ControlWriter(tmp_path / "control.json").note(outcome(True))
    body = (tmp_path / "control.json").read_bytes()
    async with servers.serving(servers.says(servers.answer(503, body=body))) as port:
        assert (await told(f"http://127.0.0.1:{port}/")).ok(URL, NOW) is None
    monkeypatch.setattr(controls, "BYTES_MAX", 20)
    async with servers.serving(servers.says(servers.answer(body=body))) as port:
        assert (await told(f"http://127.0.0.1:{port}/")).ok(URL, NOW) is None


async def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "control.json"
    writer = ControlWriter(path)
    for number in range(200):
        writer.note(outcome(True, url=f"https://site{number}.test/"))
        writer.write()
        assert len(json.loads(await asyncio.to_thread(path.read_bytes))["targets"]) == number + 1
    assert [file.name for file in tmp_path.iterdir()] == ["control.json"]


async def test_several_controls_have_to_agree(tmp_path: Path) -> None:
    sources = []
    for number, ok in enumerate((True, True, False)):
        path = tmp_path / f"{number}.json"
        ControlWriter(path).note(outcome(ok))
        sources.append(str(path))
    for quorum, expected in ((1, None), (2, True), (3, None)):
        control = ControlResults(sources, quorum=quorum)
        await control.refresh()
        assert control.ok(URL, NOW) is expected, quorum
    alone = ControlResults([sources[2], str(tmp_path / "none.json")])
    await alone.refresh()
    assert alone.ok(URL, NOW) is False, "one that says nothing is no vote"


async def test_a_service_is_asked_for_what_is_asked_here() -> None:
    measured: list[str] = []

    async def measure(target: Target) -> Outcome:
        measured.append(target.url)
        await asyncio.sleep(0)
        return outcome("good" in target.url, url=target.url)

    listed = [f"https://{name}.test/" for name in ("good", "bad", "unasked")]
    service = ControlService([Target(platform="x", url=url) for url in listed], measure)
    app = application(service, Allowance(1000))
    async with TestClient(TestServer(app)) as client:
        urls = [*listed[:2], "https://not-listed.test/"]
        source = str(client.make_url("/v1/check"))
        controls = [ControlResults([source], urls) for _ in range(3)]
        await asyncio.gather(*(control.refresh() for control in controls))
        for control in controls:
            assert [control.ok(url, NOW) for url in urls] == [True, False, None]
        assert sorted(measured) == sorted(listed[:2]), "one attempt each, whoever asks; none beyond the list"
        everything = await (await client.get("/control.json")).json()
        assert set(everything["targets"]) == set(listed)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"targets":[]}', 400),
        (b'{"targets":"https://good.test/"}', 400),
        (json.dumps({"targets": ["https://good.test/"] * 501}).encode(), 400),
        (json.dumps({"targets": ["https://good.test/"] * 11}).encode(), 413),
        (b"x" * 600_000, 413),
    ],
)
async def test_a_service_refuses(body: bytes, status: int) -> None:
    async def measure(target: Target) -> Outcome:
        raise AssertionError("nothing is asked")

    service = ControlService([Target(platform="x", url="https://good.test/")], measure)
    async with TestClient(TestServer(application(service, Allowance(10)))) as client:
        answer = await client.post("/v1/check", data=body)
        assert answer.status == status


async def test_a_question_that_does_not_come_is_not_waited_for() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b'{"targets": ['
        await asyncio.Event().wait()

    async def measure(target: AskedTarget) -> Outcome:
        raise AssertionError(target)

    app = application(ControlService((), measure), Allowance(10), body_seconds=0.05)
    async with TestClient(TestServer(app)) as client, asyncio.timeout(20):
        answer = await client.post("/v1/check", data=never())
        assert answer.status == 408


async def test_an_answer_is_given_again_for_a_while_and_a_bug_is_no_answer() -> None:
    clock = [0.0]
    broken = [False]

    async def measure(target: Target) -> Outcome:
        if broken[0]:
            raise ZeroDivisionError
        return outcome(True, url=target.url)

    service = ControlService([Target(platform="x", url=URL)], measure, keep_seconds=30, now=lambda: clock[0])
    for clock[0], attempts in ((0.0, 1), (29.0, 1), (30.0, 2)):
        assert (await service.check([URL, URL]))[URL].ok
        assert service.attempts == attempts
    clock[0], broken[0] = 61.0, True
    assert await service.check([URL]) == {}


@pytest.mark.parametrize(
    ("behind", "told", "statuses"),
    [
        ((), ["192.0.2.1", "192.0.2.2"], [200, 429]),
        (("127.0.0.1",), ["192.0.2.1", "192.0.2.2", "192.0.2.1"], [200, 200, 429]),
        (("127.0.0.1",), ["9.9.9.1, 192.0.2.1", "9.9.9.2, 192.0.2.1"], [200, 429]),
        (("127.0.0.1", "192.0.2.9"), ["192.0.2.1, 192.0.2.9", "192.0.2.2, 192.0.2.9"], [200, 200]),
        (("127.0.0.1",), ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"], [200, 429, 200]),
        (("127.0.0.1",), ["", " , "], [200, 429]),
    ],
)
async def test_who_asks_is_whom_the_web_server_in_front_names(
    behind: tuple[str, ...], told: list[str], statuses: list[int]
) -> None:
    async def measure(target: AskedTarget) -> Outcome:
        raise AssertionError(target)

    app = application(ControlService((), measure, now=lambda: 0.0), Allowance(1, now=lambda: 0.0), behind)
    async with TestClient(TestServer(app)) as client:
        found = [
            (await client.get("/control.json", headers={"X-Forwarded-For": header})).status for header in told
        ]
    assert found == statuses


def listed(count: int) -> tuple[str, ...]:
    return tuple(f"https://site{number}.test/" for number in range(count))


async def good(target: AskedTarget) -> Outcome:
    return outcome(True, url=target.url)


async def test_a_vantage_asks_in_parts_of_the_size_that_a_service_takes() -> None:
    """More targets than the service gives away a minute: what it has left is given, and the rest comes first later."""
    urls, clock = listed(25), [0.0]
    service = ControlService([Target(platform="x", url=url) for url in urls], good)
    allowance = Allowance(10, now=lambda: clock[0])
    async with TestServer(application(service, allowance)) as server:
        control = ControlResults([str(server.make_url("/v1/check"))], urls)
        for known in (10, 20, 25):
            await control.refresh()
            assert sum(control.ok(url, NOW) is True for url in urls) == known
            clock[0] += 60


async def test_a_service_says_how_many_it_takes_and_how_long_to_wait() -> None:
    service = ControlService([Target(platform="x", url=url) for url in listed(8)], good)
    async with TestClient(TestServer(application(service, Allowance(10, now=lambda: 0.0)))) as client:
        answer = await client.post("/v1/check", json={"targets": ["https://site0.test/"] * 11})
        assert (answer.status, (await answer.json())["targets_max"]) == (413, 10)
        assert (await client.post("/v1/check", json={"targets": listed(8)})).status == 200
        answer = await client.post("/v1/check", json={"targets": listed(4)})
        assert (answer.status, answer.headers["Retry-After"]) == (429, "12")


@pytest.mark.parametrize("path", ["/control.json", "/v1/check"])
async def test_a_vantage_goes_nowhere_that_a_control_names(path: str) -> None:
    async with (
        servers.serving(servers.says(b"HTTP/1.1 500 it was asked\r\n\r\n")) as elsewhere,
        servers.serving(
            servers.says(f"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:{elsewhere}/\r\n\r\n".encode())
        ) as port,
    ):
        with pytest.raises(ValueError, match=r"leads on to .* name that URL itself"):
            await controls._fetch(f"http://127.0.0.1:{port}{path}", b"{}")  # the log alone says it else
