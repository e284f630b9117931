"""A report out of the topics: incident, results and calendar, each where a worker and its producers put them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from streams.commands.report import app
from streams.kafka.bulk import BulkSender
from streams.kafka.client import connect
from streams.kafka.notes import annotation_key
from streams.kafka.probes import outgoing
from streams.kafka.topics import ensure
from streams.local.broker import KafkaBroker
from streams.publish.report import Report
from streams.records import Annotation, AnnotationKind, encode
from streams.settings import Settings, SettingsError, load, with_bootstrap
from tests.streams.publish.stories import EVENT, ID, ONSET, incident, results, story

pytestmark = pytest.mark.integration


def note_of(kind: AnnotationKind, author: str, text: str, of: str = ID) -> Annotation:
    return Annotation(id=f"{author}-{of}", incident=of, time=ONSET, author=author, kind=kind, text=text)


async def fill(settings: Settings) -> None:
    await ensure(settings)
    async with BulkSender(settings.kafka, settings.topics.probes) as sender:
        await sender.send(outgoing(results(), sender.partitions))
        await sender.send(outgoing(results(lambda *_: True, country="IN"), sender.partitions))
    producer = await connect(settings.kafka)
    for snapshot in [*story(), incident(id="in-other", country="IN")]:
        await producer.send_and_wait(settings.topics.alerts, key=snapshot.id.encode(), value=encode(snapshot))
    await producer.send_and_wait(settings.topics.calendar, key=b"rally", value=encode(EVENT))
    for note in (
        note_of(AnnotationKind.CAUSE, "Amna", "A cable."),
        note_of(AnnotationKind.FALSE_ALARM, "Desk", ""),
        note_of(AnnotationKind.CAUSE, "Desk", "Of another one.", "in-other"),
    ):
        await producer.send_and_wait(
            settings.topics.annotations, key=annotation_key(note), value=encode(note)
        )
    await producer.stop()


def test_a_report_from_the_topics(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path / "broker") as broker:
        settings = with_bootstrap(load(), broker.bootstrap)
        asyncio.run(fill(settings))
        out = tmp_path / "report.json"
        arguments = [ID, "--format", "json", "--output", str(out), "--bootstrap", broker.bootstrap]
        outcome = CliRunner().invoke(app, arguments)
        assert outcome.exit_code == 0, outcome.output
        report = msgspec.json.decode(out.read_bytes(), type=Report)
        assert [moment.seq for moment in report.timeline] == [1, 2, 3]
        assert [line.name for line in report.lines] == ["x", "youtube", "google"]
        assert sum(row.n for row in report.networks) == 2 * 3 * 4 * 60  # platforms, networks, hours, minutes
        assert [event.title for event in report.events] == ["A rally"]
        assert [(note.author, note.text) for note in report.notes] == [("Amna", "A cable."), ("Desk", "")]
        assert report.check[-1] == "netdusk backtest results.jsonl --json"
        missing = CliRunner().invoke(app, ["pk-none", "--bootstrap", broker.bootstrap])
        assert isinstance(missing.exception, SettingsError)
        assert "netdusk.alerts.v1: pk-none: no such incident" in str(missing.exception)
