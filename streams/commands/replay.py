"""`netdusk replay`: a file of results, put on the topic as if it happened now."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from producers.records import Malformed, Tick, decode
from streams.counting import amount
from streams.errors import need_file
from streams.kafka.bulk import BulkSender
from streams.kafka.unanswered import answered
from streams.local.replay import ReplayPace
from streams.local.replay import replay as put
from streams.settings import Settings, load, with_bootstrap
from streams.step.backtest import read_lines
from streams.step.ticks import with_ticks

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    probes: Annotated[
        Path, typer.Argument(help="ProbeResults, one JSON a line; .gz is unpacked.", metavar="PROBES")
    ],
    speed: Annotated[
        float, typer.Option(min=0, help="Event seconds a second; 1 is life, 0 as fast as it goes.")
    ] = 0.0,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was sent as JSON.")] = False,
) -> None:
    """Send a file's results, and ticks in their own time, to the probes topic.

    A worker whose `worker.clock` is `replay` judges them as it would have then. Ticks that the file has are sent as
    they are; where it has none, they are derived from the results' times. Exit code 1 says that some lines were no
    record.
    """
    settings = with_bootstrap(load(config), bootstrap)
    need_file(probes)
    began = time.monotonic()
    with answered(settings.kafka):
        sent, refused = asyncio.run(_send(settings, probes, speed))
    reasons = Counter(record.reason.value for record in refused)
    facts = {"sent": sent, "refused": dict(reasons), "seconds": round(time.monotonic() - began, 2)}
    if as_json:
        typer.echo(orjson.dumps(facts).decode())
    else:
        typer.echo(f"{amount(sent, 'record')} sent in {facts['seconds']} s (ticks count once a partition)")
        for reason, count in reasons.items():
            typer.echo(f"{amount(count, 'line')} refused: {reason}")
    raise typer.Exit(1 if refused else 0)


async def _send(settings: Settings, probes: Path, speed: float) -> tuple[int, list[Malformed]]:
    decoded = (decode(line.strip()) for line in read_lines(probes) if line.strip())
    head = [record for _, record in zip(range(1000), decoded, strict=False)]
    has_ticks = any(isinstance(record, Tick) for record in head)
    stream = (record for part in (head, decoded) for record in part)
    records = stream if has_ticks else with_ticks(stream, settings.time)
    pace = ReplayPace(lambda moment: speed or None)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        task = progress.add_task("connecting")

        async def show(moment: datetime) -> None:
            progress.update(task, description=f"{moment:%Y-%m-%d %H:%M:%S} UTC, {sender.sent} records")

        async with BulkSender(settings.kafka, settings.topics.probes) as sender:
            refused = await put(records, sender, pace, passed=show)
    return sender.sent, refused
