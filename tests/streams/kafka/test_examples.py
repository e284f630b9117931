"""The examples of docs/alerts.md and docs/producing.md, run as they stand against a real broker."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.records import ProbeResult, decode
from streams.engine.sender import headers_of
from streams.kafka.client import TopicReader, connect
from streams.kafka.topics import ensure
from streams.local.broker import KafkaBroker
from streams.records import encode
from streams.settings import Settings, load, with_bootstrap
from tests.monitoring.servers import program
from tests.streams.publish.stories import incident, story

pytestmark = pytest.mark.integration
DOCS = Path(__file__).parents[3] / "docs"
PORT_OF_NOBODY = "http://127.0.0.1:9/"


def example(page: str, language: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, page
    return str(blocks[0])


def run(command: list[str], bootstrap: str, **more: str) -> str:
    environment = {**os.environ, "BROKER": bootstrap, **more}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The embedded broker; its alerts topic has an incident in three snapshots, one twice, and an unconfirmed one.

    The examples name the topics as they are called, so the broker is no other test's.
    """
    with KafkaBroker(tmp_path_factory.mktemp("broker")) as broker:
        yield filled(with_bootstrap(load(), broker.bootstrap))


def filled(settings: Settings) -> Settings:

    async def fill() -> None:
        await ensure(settings)
        producer = await connect(settings.kafka)
        snapshots = story()
        for one in (snapshots[0], *snapshots, incident(id="pk-doubtful", confirmed=False)):
            value = encode(one)
            await producer.send_and_wait(
                settings.topics.alerts,
                value,
                key=one.id.encode(),
                headers=headers_of("alerts", settings.topics.alerts, value),
            )
        await producer.stop()

    asyncio.run(fill())
    return settings


def lines() -> list[str]:
    return [f"{one.status} {one.seq} {one.summary}" for one in story() if one.confirmed]


def test_alerts_in_python(told: Settings) -> None:
    written = run([sys.executable, "-c", example("alerts.md", "python")], told.kafka.bootstrap)
    assert written.splitlines() == lines()


def test_alerts_with_kcat(told: Settings) -> None:
    program("kcat")
    written = run(["bash", "-c", example("alerts.md", "sh")], told.kafka.bootstrap)
    assert len(written.splitlines()) == len(story()) + 2
    headers = run(
        [
            "kcat",
            "-b",
            told.kafka.bootstrap,
            "-t",
            told.topics.alerts,
            "-C",
            "-e",
            "-q",
            "-c",
            "1",
            "-f",
            "%h",
        ],
        told.kafka.bootstrap,
    )
    assert f"ce_id={story()[0].id}/1" in headers
    assert "ce_type=netdusk.incident/1" in headers


def test_alerts_in_go(told: Settings, tmp_path: Path) -> None:
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).exists():
        pytest.fail("the Go example needs Go: Debian's golang-go, or go.dev")
    (tmp_path / "main.go").write_text(example("alerts.md", "go"))
    (command,) = re.findall(r"^\$ (go mod init .+)$", (DOCS / "alerts.md").read_text(), re.MULTILINE)
    path = f"{Path(go).parent}:{os.environ['PATH']}"
    written = run(["bash", "-c", f"cd {tmp_path} && {command}"], told.kafka.bootstrap, PATH=path)
    assert written.splitlines() == lines()


def test_the_page_enrols_the_vantage_of_its_examples() -> None:
    page = (DOCS / "producing.md").read_text()
    (given,) = re.findall(r"^\$ netdusk vantage enrol (\S+) --country (\w+) --asn (\d+)", page, re.MULTILINE)
    vantage, country, asn = given
    assert f'COUNTRY, ASN, URL = "{country}", {asn},' in example("producing.md", "python")
    assert f'"vantage": "{vantage}"' in example("producing.md", "python")
    for word in (f'"country": "{country}"', f'"asn": {asn}', f'"vantage": "{vantage}"'):
        assert word in example("producing.md", "sh")


def test_a_producer_in_thirty_lines_and_kcat(told: Settings) -> None:
    text = example("producing.md", "python")
    assert len(text.splitlines()) <= 34
    run([sys.executable, "-c", text], told.kafka.bootstrap, ROUNDS="2", URL=PORT_OF_NOBODY)
    run(["bash", "-c", example("producing.md", "sh")], told.kafka.bootstrap)

    async def everything() -> list[tuple[int, object]]:
        reader = TopicReader(told.kafka)
        topic = told.topics.probes
        bounds = await reader.bounds(topic, await reader.partitions_of(topic))
        return [
            (partition, decode(record.value))
            for partition, (start, end) in bounds.items()
            async for record in reader.records(topic, partition, start, end)
            if record.value is not None and record.key == b"DE"
        ]

    records = asyncio.run(everything())
    results = [record for _, record in records if isinstance(record, ProbeResult)]
    assert len(results) == len(records) == 3
    assert {partition for partition, _ in records} == {records[0][0]}
    assert [one.failure for one in results if not one.ok] == ["unknown_failure"] * 2
    assert "by-hand" in {one.id for one in results}
