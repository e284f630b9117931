"""`netdusk topics`: make the topics, or say how they stand."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from streams.kafka.topics import ensure
from streams.settings import SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)


@app.command()
def topics(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Make nothing; only say how they stand.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One finding a line.")] = False,
) -> None:
    """Make the topics that are missing, and compare the others with the settings.

    A topic that differs is not changed: it is said, with the command that changes it. Only a checkpoints topic is
    widened, to as many partitions as the topic whose checkpoints it keeps. Exit code 1 says that something is missing
    or differs, 2 that no broker answers.
    """
    settings = with_bootstrap(load(config), bootstrap)
    try:
        states = asyncio.run(ensure(settings, create=not check))
    except (KafkaError, OSError) as error:
        raise SettingsError(f"kafka.bootstrap = {settings.kafka.bootstrap!r}: {error}") from error
    if as_json:
        for state in states:
            typer.echo(orjson.dumps(asdict(state)).decode())
    else:
        table = Table("topic", "partitions", "state", box=None, pad_edge=False)
        for state in states:
            words = f"{state.state}: {state.detail}" if state.detail else state.state
            table.add_row(state.topic.name, str(state.partitions or state.topic.partitions), words)
        Console(markup=False).print(table)
    raise typer.Exit(1 if any(state.state in ("missing", "differs") for state in states) else 0)
