"""`netdusk top`: what a running worker sees, as it goes."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import typer
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from producers.countries import CANARY
from streams.errors import SettingsError, why_not_reached
from streams.kafka.alerts import follow, latest, snapshots
from streams.kafka.unanswered import overheard
from streams.local.live import Board, Show
from streams.records import Status
from streams.settings import Settings, load, with_bootstrap

app = typer.Typer(add_completion=False)

_LOOK_SECONDS: Final = 2.0


@app.command()
def top(
    url: Annotated[
        list[str] | None,
        typer.Option(help="A worker's page; may be repeated. Else the settings' own host and port."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Show it one time, and end.")] = False,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Show what a worker's /metrics say, and the incidents as they come, until Ctrl-C.

    Without a broker, the picture is of the figures alone.
    """
    settings = with_bootstrap(load(config), bootstrap)
    pages = url or [f"http://{settings.http.host}:{settings.http.port}"]
    try:
        asyncio.run(_top(settings, pages, once=once))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SettingsError(
            f"{', '.join(pages)}: no worker answers: {why_not_reached(error)}; name one's address with --url, "
            "or start one with `netdusk up`"
        ) from error


async def _top(settings: Settings, pages: list[str], *, once: bool) -> None:
    names = {str(asn): name for asn, name in settings.incidents.network_names.items()}
    board = Board(", ".join(pages), names, simulated=False)
    console = Console(markup=False)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        await _look(session, pages, board)
        if once:
            with suppress(KafkaError, OSError), overheard():
                stands = latest(await snapshots(settings))
                board.incidents += [
                    i for i in stands if i.status is not Status.RESOLVED and i.country != CANARY
                ]
            board.now = datetime.now(UTC)
            console.print(board)
            return
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        with Show(board, console) as show:
            listening = asyncio.create_task(_listen(settings, show))
            while not ending.is_set():
                show.state()
                show.moment(datetime.now(UTC))
                with suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), _LOOK_SECONDS)
                with suppress(aiohttp.ClientError, TimeoutError):
                    await _look(session, pages, board)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _look(session: aiohttp.ClientSession, pages: list[str], board: Board) -> None:
    """Read every page into one picture."""
    samples = []
    for page in pages:
        async with session.get(f"{page.rstrip('/')}/metrics") as answer:
            answer.raise_for_status()
            text = await answer.text()
        samples += [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    board.take(samples)


async def _listen(settings: Settings, show: Show) -> None:
    with suppress(KafkaError, OSError), overheard():
        async with aclosing(follow(settings)) as incidents:
            async for incident in incidents:
                if incident.country != CANARY:
                    show.incident(incident)
