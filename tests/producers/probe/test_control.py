from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers.failures import Failure, Stage
from producers.probe import control as controls
from producers.probe.attempt import Outcome
from producers.probe.control import ControlResults, ControlWriter
from producers.probe.targets import Target
from producers.records import Timings
from tests.producers.probe import servers

NOW = datetime(2024, 1, 20, 13, 41, tzinfo=UTC)
URL = "https://x.com/"


def outcome(ok: bool, at: datetime = NOW, url: str = URL) -> Outcome:
    stage, failure = (None, None) if ok else (Stage.TLS, Failure.CONNECTION_RESET)
    return Outcome(Target(platform="x", url=url), at, stage, failure, "", Timings(), 0, None)


async def told(source: str, *, age_seconds_max: float = 180.0) -> ControlResults:
    control = ControlResults(source, age_seconds_max=age_seconds_max)
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
