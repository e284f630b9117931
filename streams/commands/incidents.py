"""`netdusk incidents`: what is open, and what was; `netdusk incidents close`: end one by hand."""

from __future__ import annotations

import asyncio
import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Column, Table
from typer.core import TyperGroup

from streams.kafka.alerts import latest, snapshots
from streams.kafka.notes import write_all
from streams.records import Annotation, AnnotationKind, Incident, Status, check_note, encode
from streams.settings import Settings, SettingsError, load, with_bootstrap


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
        str | None, typer.Argument(metavar="[ID]", help="Every snapshot of this one; else the last of each.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One incident record a line.")] = False,
) -> None:
    """Read the alerts topic. Exit code 1 says that an incident is open (or that the one asked for exists)."""
    settings = with_bootstrap(load(config), bootstrap)
    shown = _read(settings, incident_id)
    if incident_id is None:
        shown = [i for i in latest(shown) if everything or i.status is not Status.RESOLVED]
    elif not shown:
        raise SettingsError(f"{incident_id}: no such incident on {settings.topics.alerts}")
    if as_json:
        for incident in shown:
            sys.stdout.write(encode(incident).decode() + "\n")
    elif shown:
        Console(markup=False).print(table_of(shown))
    else:
        Console().print("nothing is open" if not everything else "there was nothing")
    is_open = any(incident.status is not Status.RESOLVED for incident in shown)
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
    versions = _read(settings, incident_id)
    if not versions:
        raise SettingsError(f"{incident_id}: no such incident on {settings.topics.alerts}")
    last = versions[-1]
    if last.status is Status.RESOLVED:
        raise SettingsError(f"{incident_id} is resolved already, since {last.resolved:%Y-%m-%d %H:%M} UTC")
    annotation = Annotation(
        id=uuid4().hex,
        incident=incident_id,
        # A log that is replayed has a time of its own.
        time=datetime.now(UTC) if settings.worker.clock == "live" else last.updated,
        author=author or getpass.getuser(),
        kind=AnnotationKind.CLOSED,
        text=reason,
        url=url,
    )
    try:
        check_note(annotation)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    _write(settings, annotation)
    if as_json:
        typer.echo(encode(annotation).decode())
    else:
        typer.echo(f"{incident_id} is told as resolved when the next window closes")


def _read(settings: Settings, incident_id: str | None) -> list[Incident]:
    try:
        return asyncio.run(snapshots(settings, incident_id))
    except (KafkaError, OSError) as error:
        raise SettingsError(f"kafka.bootstrap = {settings.kafka.bootstrap!r}: {error}") from error


def _write(settings: Settings, annotation: Annotation) -> None:
    key = annotation.incident.encode()
    try:
        asyncio.run(write_all(settings.kafka, settings.topics.annotations, [(key, encode(annotation))]))
    except (KafkaError, OSError) as error:
        raise SettingsError(f"kafka.bootstrap = {settings.kafka.bootstrap!r}: {error}") from error


def table_of(versions: list[Incident]) -> Table:
    """A line a snapshot."""
    table = Table(
        Column("incident", no_wrap=True),
        "seq",
        "status",
        "severity",
        "onset (UTC)",
        "detected",
        "summary",
        box=None,
        pad_edge=False,
    )
    for incident in versions:
        status = incident.status.value if incident.confirmed else f"{incident.status}, unconfirmed"
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
