"""`netdusk incidents close` on a real broker: an annotation of the right incident, and nothing for a wrong one."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from streams.commands.incidents import app
from streams.kafka.client import TopicReader, connect
from streams.kafka.notes import annotation_topic
from streams.kafka.topics import ensure
from streams.records import Annotation, AnnotationKind, Incident, Status, encode
from streams.settings import Settings, SettingsError, load
from tests.streams.kafka.test_topics import settings_for
from tests.streams.publish.stories import ID, ONSET, incident

pytestmark = pytest.mark.integration


async def fill(settings: Settings, *incidents: Incident) -> None:
    await ensure(settings)
    producer = await connect(settings.kafka)
    for one in incidents:
        await producer.send_and_wait(settings.topics.alerts, key=one.id.encode(), value=encode(one))
    await producer.stop()


def test_a_closing_from_a_clock_days_ahead_has_the_brokers_time(bootstrap: str) -> None:
    settings = settings_for(bootstrap)

    async def written() -> tuple[Annotation, Annotation]:
        await ensure(settings)
        ahead = Annotation(
            id="n1",
            incident=ID,
            time=datetime.now(UTC) + timedelta(days=3),
            author="desk",
            kind=AnnotationKind.CLOSED,
            text="The site moved.",
        )
        producer = await connect(settings.kafka)
        await producer.send_and_wait(settings.topics.annotations, key=ID.encode(), value=encode(ahead))
        await producer.stop()
        (read,) = await annotation_topic(TopicReader(settings.kafka), settings.topics).catch_up()
        return ahead, read

    ahead, read = asyncio.run(written())
    assert abs(ahead.time - timedelta(days=3) - read.time) < timedelta(minutes=10)
    assert (read.id, read.text) == (ahead.id, ahead.text)


def test_an_open_incident_is_closed_and_no_other(bootstrap: str, tmp_path: Path) -> None:
    settings = settings_for(bootstrap)
    over = incident(id="pk-over", status=Status.RESOLVED, resolved=ONSET + timedelta(hours=1))
    asyncio.run(fill(settings, incident(), over))
    config = tmp_path / "netdusk.toml"
    names = "\n".join(f'{role} = "{name}"' for role, name in settings.topics if isinstance(name, str))
    config.write_text(f'[kafka]\nbootstrap = "{bootstrap}"\n[topics]\n{names}\n')

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--config", str(config)])

    shown = run(ID)
    assert shown.exit_code == 1, shown.output
    closed = run("close", ID, "--reason", "The site moved.", "--author", "desk", "--json")
    assert closed.exit_code == 0, closed.output
    written = json.loads(closed.stdout)
    assert (written["incident"], written["kind"], written["author"]) == (ID, "closed", "desk")

    topic = annotation_topic(TopicReader(settings.kafka), load(config).topics)
    (annotation,) = asyncio.run(topic.catch_up())
    assert (annotation.kind, annotation.text) == (AnnotationKind.CLOSED, "The site moved.")

    for kind in ("cause", "false-alarm"):
        noted = run("annotate", "pk-over", "--kind", kind, "--text", "A cable.", "--author", "desk")
        assert noted.exit_code == 0, noted.output
    notes = asyncio.run(topic.catch_up())
    assert {(note.incident, note.kind.value) for note in notes} == {
        ("pk-over", "cause"),
        ("pk-over", "false_alarm"),
    }
    # What people say stands under it; what is marked so is no reason to look.
    told = run("pk-over").output
    assert "resolved, false alarm" in told and told.count("desk, cause: A cable.") == 1
    assert run().exit_code == 1
    assert run("annotate", ID, "--kind", "false-alarm").exit_code == 0
    false = run()
    assert false.exit_code == 0 and "open, false alarm" in false.output
    asyncio.run(topic.catch_up())
    assert "say something" in str(run("annotate", "pk-over", "--kind", "cause").exception)
    link = run("annotate", "pk-over", "--kind", "link", "--url", "javascript:alert(1)")
    assert "has to begin with https://" in str(link.exception)

    for wrong, words in (("pk-none", "no such incident"), ("pk-over", "is resolved already, since 2024")):
        outcome = run("close", wrong, "--reason", "x")
        assert isinstance(outcome.exception, SettingsError)
        assert words in str(outcome.exception)
    turned = run("close", ID, "--reason", "\u202edlrow")
    assert "control or direction characters" in str(turned.exception)
    assert asyncio.run(topic.catch_up()) == []
