"""Ingested results on a real topic: all of them, each in its country's partition."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from producers.partitions import partition_of
from producers.records import ProbeResult, decode
from streams.commands.ingest import app
from streams.kafka.client import TopicReader
from streams.kafka.topics import ensure
from streams.local.broker import KafkaBroker
from streams.settings import Settings, load, with_bootstrap
from tests.producers.sources.ooni.measurements import reached

pytestmark = pytest.mark.integration


async def everything(settings: Settings) -> list[tuple[int, ProbeResult]]:
    reader, topic = TopicReader(settings.kafka), settings.topics.probes
    found = []
    bounds = await reader.bounds(topic, await reader.partitions_of(topic))
    for partition, (start, end) in bounds.items():
        async for record in reader.records(topic, partition, start, end):
            result = decode(record.value)
            assert isinstance(result, ProbeResult)
            found.append((partition, result))
    return found


def test_every_measurement_is_on_the_topic_once(tmp_path: Path) -> None:
    places = ["PK", "IN", "TR", "IR", "MM"]
    lines = [reached(f"https://x.com/{i}").json(probe_cc=places[i % 5]) for i in range(2500)]
    source = tmp_path / "m.jsonl"
    source.write_bytes(b"\n".join(lines))
    with KafkaBroker(tmp_path / "broker") as broker:
        settings = with_bootstrap(load(), broker.bootstrap)
        asyncio.run(ensure(settings))
        outcome = CliRunner().invoke(app, ["ooni", str(source), "--bootstrap", broker.bootstrap, "--json"])
        assert outcome.exit_code == 0, outcome.output
        assert json.loads(outcome.stdout)["written"] == 2500
        found = asyncio.run(everything(settings))
    assert sorted(result.target or "" for _, result in found) == sorted(
        f"https://x.com/{i}" for i in range(2500)
    )
    assert all(
        partition == partition_of(result.country.encode(), settings.topics.partitions)
        for partition, result in found
    )
