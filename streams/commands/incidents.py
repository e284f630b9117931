"""`netdusk incidents`: what is open, and what was; `close`: end one by hand; `annotate`: say something of one."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.table import Column, Table
from typer.core import TyperGroup

from producers.countries import CANARY
from producers.names import visible
from streams.commands.lines import show_table
from streams.kafka.alerts import latest, snapshots
from streams.kafka.client import TopicReader
from streams.kafka.notes import annotation_key, annotation_topic, write_all
from streams.kafka.unanswered import answered
from streams.publish.pages import link_words, others_word
from streams.publish.report import of_one
from streams.records import Annotation, AnnotationKind, Incident, Status, check_note, encode
from streams.settings import Settings, SettingsError, load, with_bootstrap
from streams.words import NOTED


class _ShowByDefault(TyperGroup):
    """A group that runs its first command if none is named: `netdusk incidents ID` shows one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(add_completion=False, cls=_ShowByDefault)


@app.callback()
def incidents() -> None:
    """What is open, and what was.

    `netdusk incidents [ID]` is `netdusk incidents show [ID]`; `netdusk incidents show --help` has its options.
    """


@app.command()
def show(
    incident_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="Every snapshot of this one, or of what begins so; else the last of each."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too, and the canary's.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One incident record a line.")] = False,
) -> None:
    """Read the alerts topic. Exit code 1 says that an incident is open (or that the one asked for exists).

    What other observatories and people say of an incident stands under it. What a person has marked as a false alarm
    is shown, and is no reason for exit code 1.

    The canary's incidents are its work, and no news: they are shown by --all, or by their ID.
    """
    settings = with_bootstrap(load(config), bootstrap)
    shown, notes = _read(settings), _notes(settings)
    false = {note.incident for note in notes if note.kind is AnnotationKind.FALSE_ALARM}
    if incident_id is None:
        shown = [
            i
            for i in latest(shown)
            if everything or (i.status is not Status.RESOLVED and i.country != CANARY)
        ]
    else:
        shown = _one(settings, shown, incident_id)
    if as_json:
        for incident in shown:
            sys.stdout.write(encode(incident).decode() + "\n")
    elif shown:
        show_table(table_of(shown, false))
        for other in shown[-1].corroboration if incident_id is not None else ():
            typer.echo(_one_line(others_word(other)))
        for note in notes if incident_id is not None else ():
            if note.incident == shown[-1].id:
                typer.echo(_said(note))
    else:
        typer.echo("nothing is open" if not everything else "there was nothing")
    is_open = any(
        i.status is not Status.RESOLVED and i.country != CANARY and i.id not in false for i in latest(shown)
    )
    raise typer.Exit(1 if is_open or incident_id is not None else 0)


@app.command()
def close(
    incident_id: Annotated[str, typer.Argument(metavar="ID", help="As `netdusk incidents` shows it.")],
    reason: Annotated[str, typer.Option(help="Why it is over, for whoever reads of it.")],
    author: Annotated[str | None, typer.Option(help="Who says so; the user's name if not given.")] = None,
    url: Annotated[str | None, typer.Option(help="Where that is explained.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the annotation as it was written.")] = False,
) -> None:
    """End an open incident by hand, for one that the measurements will never end.

    Writes an annotation; the worker that has the incident tells it as resolved when its next window closes.
    """
    settings = with_bootstrap(load(config), bootstrap)
    last = _one(settings, _read(settings), incident_id)[-1]
    incident_id = last.id
    if last.status is Status.RESOLVED:
        raise SettingsError(f"{incident_id} is resolved already, since {last.resolved:%Y-%m-%d %H:%M} UTC")
    annotation = _annotation(settings, last, AnnotationKind.CLOSED, author, reason, url)
    _write(settings, annotation)
    if as_json:
        typer.echo(encode(annotation).decode())
    else:
        typer.echo(f"{incident_id} is told as resolved when the next window closes")


def _one(settings: Settings, listed: list[Incident], wanted: str) -> list[Incident]:
    """The snapshots of the incident that `wanted` names, or begins."""
    try:
        return of_one(listed, wanted)
    except ValueError as error:
        raise SettingsError(f"{settings.topics.alerts}: {error}") from error


class NoteKind(StrEnum):
    """What a person says."""

    CAUSE = "cause"
    LINK = "link"
    FALSE_ALARM = "false-alarm"


@app.command()
def annotate(
    incident_id: Annotated[str, typer.Argument(metavar="ID", help="As `netdusk incidents` shows it.")],
    kind: Annotated[NoteKind, typer.Option(help="What is said of it.")],
    text: Annotated[str, typer.Option(help="In your words, for whoever reads of it.")] = "",
    url: Annotated[str | None, typer.Option(help="Where that is explained.")] = None,
    author: Annotated[str | None, typer.Option(help="Who says so; the user's name if not given.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the annotation as it was written.")] = False,
) -> None:
    """Say something of an incident: its cause, a link, or that it was a false alarm.

    It is shown beside the measured facts and changes none of them. A false alarm leaves the counts of the page.
    """
    settings = with_bootstrap(load(config), bootstrap)
    if not text and not url and kind is not NoteKind.FALSE_ALARM:
        raise SettingsError("say something with --text, or name a link with --url")
    last = _one(settings, _read(settings), incident_id)[-1]
    verdict = AnnotationKind(kind.value.replace("-", "_"))
    annotation = _annotation(settings, last, verdict, author, text, url)
    _write(settings, annotation)
    typer.echo(encode(annotation).decode() if as_json else f"{last.id}: noted")


def _annotation(
    settings: Settings, last: Incident, kind: AnnotationKind, author: str | None, text: str, url: str | None
) -> Annotation:
    """What a person says, checked. Raises SettingsError."""
    annotation = Annotation(
        id=uuid4().hex,
        incident=last.id,
        # A log that is replayed has a time of its own.
        time=datetime.now(UTC) if settings.worker.clock == "live" else last.updated,
        author=author or getpass.getuser(),
        kind=kind,
        text=text,
        url=url,
    )
    try:
        check_note(annotation)
        if url is not None and link_words(url) is None:
            raise ValueError(f"url {url[:40]!r} is no address; write one like https://news.example/story")
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return annotation


def _read(settings: Settings) -> list[Incident]:
    with answered(settings.kafka):
        return asyncio.run(snapshots(settings))


def _notes(settings: Settings) -> list[Annotation]:
    """What people say, the oldest first."""
    topic = annotation_topic(TopicReader(settings.kafka), settings.topics)
    with answered(settings.kafka):
        asyncio.run(topic.catch_up())
    return sorted(topic.records.values(), key=lambda note: (note.time, note.id))


def _said(note: Annotation) -> str:
    """A note on a line."""
    words = " ".join(part for part in (note.text, note.url) if part)
    return _one_line(
        f"{note.time:%Y-%m-%d %H:%M} {note.author}, {NOTED[note.kind]}{f': {words}' if words else ''}"
    )


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())


def _write(settings: Settings, annotation: Annotation) -> None:
    record = (annotation_key(annotation), encode(annotation))
    with answered(settings.kafka):
        asyncio.run(write_all(settings.kafka, settings.topics.annotations, [record]))


def table_of(versions: list[Incident], false_alarms: Collection[str] = ()) -> Table:
    """A line a snapshot; `false_alarms` are the ids of those that a person has marked so."""
    fixed = ("incident", "seq", "status", "severity", "onset (UTC)", "detected")
    columns = [Column(name, no_wrap=True) for name in fixed]
    table = Table(*columns, Column("summary", min_width=40, overflow="fold"), box=None, pad_edge=False)
    for incident in versions:
        status = incident.status.value if incident.confirmed else f"{incident.status}, unconfirmed"
        if incident.id in false_alarms:
            status += ", false alarm"
        table.add_row(
            incident.id,
            str(incident.seq),
            status,
            incident.severity,
            f"{incident.onset:%Y-%m-%d %H:%M}",
            f"{incident.detected:%H:%M}",
            incident.summary,
        )
    return table
