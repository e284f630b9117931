"""`netdusk up`: the whole of netdusk on one machine."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from aiokafka.errors import KafkaError
from rich.console import Console

from streams.commands.broker import bring
from streams.kafka.alerts import follow
from streams.local.broker import BrokerError
from streams.local.kafka_files import cache_folder
from streams.local.live import Board, Show
from streams.local.stack import ChildError, Stack
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)

_LOOK_SECONDS: Final = 2.0


@app.command()
def up(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="A Kafka to use instead of the embedded broker.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Data of the embedded broker, and logs.")] = Path(".netdusk"),
    broker_port: Annotated[
        int, typer.Option(help="Port of the embedded broker; 0 takes any free one.")
    ] = 9092,
    probe: Annotated[bool, typer.Option(help="Probe the targets from here (settings: probe.*).")] = True,
    canary: Annotated[
        bool, typer.Option(help="Run the canary, which proves the whole path every hour.")
    ] = True,
    page: Annotated[
        bool, typer.Option(help="Show the live page, with an archive that remembers (settings: page.*).")
    ] = True,
) -> None:
    """Broker, topics, worker, probe, canary and the live page, until Ctrl-C, on this one machine.

    The embedded broker is Apache Kafka: what it has acknowledged it keeps, whatever is killed. It is one node on one
    disk; an installation that must not stop has a Kafka of its own (--bootstrap).
    """
    settings = with_bootstrap(load(config), bootstrap)
    console = Console()
    stack = Stack(settings, folder, config=config, embedded=bootstrap is None, broker_port=broker_port)
    try:
        if bootstrap is None:
            bring(cache_folder(), None)
        asyncio.run(_up(stack, console, probe=probe, canary=canary, page=page))
    except (BrokerError, ChildError, KafkaError, OSError) as error:
        raise SettingsError(str(error)) from error


async def _up(stack: Stack, console: Console, *, probe: bool, canary: bool, page: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with stack:
        if page:
            show_page(console, await stack.start_page(stack.settings.page.port))
        await stack.ready(stack.start_worker())
        if probe:
            stack.run("probe", "probe")
        if canary:
            stack.run("canary", "canary")
        console.print(f"broker   {stack.settings.kafka.bootstrap}", highlight=False)
        console.print(f"metrics  {stack.worker_url}/metrics", highlight=False)
        console.print(f"logs     {stack.folder}", highlight=False)
        board = Board("what this machine's netdusk sees", _names(stack.settings), simulated=False)
        with Show(board, console) as show:
            tasks = [
                asyncio.create_task(stopped.wait()),
                asyncio.create_task(_listen(stack, show)),
                asyncio.create_task(_look(stack, show)),
            ]
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            for task in done:
                task.result()


def show_page(console: Console, url: str | None) -> None:
    """Say where the page is, or what it lacks."""
    console.print(f"page     {url or 'needs what netdusk[page] brings: pip install jinja2'}", highlight=False)


def _names(settings: Settings) -> dict[str, str]:
    return {str(asn): name for asn, name in settings.incidents.network_names.items()}


async def _listen(stack: Stack, show: Show) -> None:
    async for incident in follow(stack.settings):
        show.incident(incident)


async def _look(stack: Stack, show: Show) -> None:
    while True:
        stack.check()
        show.board.take(await stack.metrics())
        show.moment(datetime.now(UTC))
        await asyncio.sleep(_LOOK_SECONDS)
