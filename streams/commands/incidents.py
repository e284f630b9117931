"""`netdusk incidents`: what is open, and what was."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Column, Table

from streams.kafka.alerts import latest, snapshots
from streams.records import Incident, Status, encode
from streams.settings import SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)


@app.command()
def incidents(
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
    try:
        found = asyncio.run(snapshots(settings, incident_id))
    except (KafkaError, OSError) as error:
        raise SettingsError(f"kafka.bootstrap = {settings.kafka.bootstrap!r}: {error}") from error
    if incident_id is None:
        found = [i for i in latest(found) if everything or i.status is not Status.RESOLVED]
    elif not found:
        raise SettingsError(f"{incident_id}: no such incident on {settings.topics.alerts}")
    if as_json:
        for incident in found:
            sys.stdout.write(encode(incident).decode() + "\n")
    elif found:
        Console(markup=False).print(table_of(found))
    else:
        Console().print("nothing is open" if not everything else "there was nothing")
    is_open = any(incident.status is not Status.RESOLVED for incident in found)
    raise typer.Exit(1 if is_open or incident_id is not None else 0)


def table_of(found: list[Incident]) -> Table:
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
    for incident in found:
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
