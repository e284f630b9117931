"""`netdusk broker`: Apache Kafka for one machine: fetch it, run it."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from streams.commands.lines import console
from streams.local import kafka_files
from streams.local.broker import BrokerError, KafkaBroker, prepare
from streams.settings import SettingsError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Apache Kafka on one machine.")


@app.command()
def fetch(
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A folder with the jars, carried from elsewhere; else Maven Central."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where they go; by default below NETDUSK_CACHE or the user's cache.")
    ] = None,
    archive: Annotated[
        bool, typer.Option(help="Prepare an archive of loaded classes too: starts take half the time.")
    ] = True,
) -> None:
    """Bring Apache Kafka's jars here, each held to its locked hash. Does nothing where they are here already."""
    place = folder or kafka_files.cache_folder()
    try:
        come = bring(place, source)
        if archive and not (place / "kafka.aot").exists():
            with tempfile.TemporaryDirectory(prefix="netdusk-broker-") as scratch:
                prepare(place, Path(scratch))
    except BrokerError as error:
        raise SettingsError(str(error)) from error
    console(stderr=True).print(
        f"Apache Kafka {kafka_files.VERSION} is in {place}"
        + (f", {come / 1e6:.0f} MB fetched" if come else ""),
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def run(
    folder: Annotated[Path, typer.Option(help="Data and log.")] = Path(".netdusk/broker"),
    port: Annotated[int, typer.Option(help="Where clients connect.")] = 9092,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    advertised: Annotated[str | None, typer.Option(help="What clients are told, HOST:PORT.")] = None,
) -> None:
    """Run the broker until SIGTERM or Ctrl-C. It keeps what it has acknowledged, however it ends."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _: stopping.append(signum))
    broker = KafkaBroker(folder, port=port, host=host, advertised=advertised)
    try:
        bring(kafka_files.cache_folder(), None)
        broker.start()
    except BrokerError as error:
        raise SettingsError(str(error)) from error
    console(stderr=True).print(f"broker {broker.bootstrap}", highlight=False)
    try:
        while broker.alive() and not stopping:
            time.sleep(0.2)
    finally:
        alive = broker.alive()
        broker.stop()
    if not alive:
        raise SettingsError(f"the broker has ended by itself; see {broker.log}")


def bring(place: Path, source: Path | None) -> int:
    """Fetch what is missing with a bar that says how much; returns the bytes that came."""
    wanted = kafka_files.missing(place)
    if not wanted:
        return 0
    screen = console(stderr=True)
    screen.print(
        f"fetching Apache Kafka {kafka_files.VERSION}, {kafka_files.megabytes(wanted)}, once, into {place}",
        highlight=False,
        soft_wrap=True,
    )
    columns = (TextColumn("  "), BarColumn(), DownloadColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("", total=sum(jar.size for jar in wanted))
        come = kafka_files.fetch(
            place, source=source, progress=lambda done, _: bar.update(task, completed=done)
        )
    kafka_files.tidy(place)
    return come
