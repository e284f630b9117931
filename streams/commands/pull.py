"""`netdusk pull`: what other observatories see, asked for again and again."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import orjson
import structlog
import typer

from producers.records import ProbeResult
from producers.signals import Signal
from producers.sources.contract import encoded
from streams.kafka.client import wait_for_broker
from streams.kafka.sources import SourceSender
from streams.kafka.unanswered import answered
from streams.local.ingesting import IngestTotals
from streams.local.pulling import Polite, PullState, Send, pull_once, session
from streams.local.sources import PULLS, SourceQuery, pull_of
from streams.settings import SettingsError, load, with_bootstrap
from streams.words import amount

log = structlog.get_logger()

app = typer.Typer(add_completion=False, no_args_is_help=True)

_HOUR: Final = 3600.0


@app.command()
def pull(
    source: Annotated[str, typer.Argument(help=f"One of {', '.join(PULLS)}.", metavar="SOURCE")],
    country: Annotated[list[str] | None, typer.Option(help="ISO 3166-1 code; may be repeated.")] = None,
    url: Annotated[str | None, typer.Option(help="Where Prometheus is, like http://localhost:9090.")] = None,
    measurement: Annotated[
        list[int] | None, typer.Option(help="RIPE Atlas' measurement; 7000 is its probes' connections.")
    ] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", help="Prometheus' labels, or RIPE's list of probes.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file with a token (Cloudflare).")] = None,
    state: Annotated[
        Path | None, typer.Option(help="Note there how far it has come, and go on there.")
    ] = None,
    since_hours: Annotated[float, typer.Option(min=0, help="How far back the first round goes.")] = 1.0,
    every: Annotated[float | None, typer.Option(min=1, help="Seconds between rounds.")] = None,
    gap: Annotated[float, typer.Option(min=0, help="Seconds between two requests to one host.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One round.")] = False,
    output: Annotated[str | None, typer.Option(help="Write records (JSONL) to stdout (-) or a file.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Broker, host:port[,host:port].")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts of --once as JSON.")] = False,
) -> None:
    """Ask another observatory for what is new, politely, until SIGTERM.

    Exit code 1: with --once, a part of it could not be read.
    """
    settings = with_bootstrap(load(config), bootstrap)
    asked = pull_of(source)
    pause_seconds = every or asked.every_seconds
    plan = asked.plan(
        source,
        SourceQuery(
            countries=tuple(country or ()),
            url=url,
            measurements=tuple(measurement or ()),
            mapping=map_,
            every_seconds=pause_seconds,
        ),
    )
    headers = {}
    if token_file is not None:
        try:
            headers["Authorization"] = f"Bearer {token_file.read_text('utf-8').strip()}"
        except OSError as error:
            raise SettingsError(f"{token_file}: {error.strerror}; name a readable file") from error
    known, totals = PullState.read(state), IngestTotals()

    async def run(send: Send) -> list[str]:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        begin = time.time() - since_hours * _HOUR
        async with session() as http:
            polite = Polite(http, known, gap_seconds=gap, headers=headers)
            while True:
                rounds = asyncio.create_task(
                    pull_once(plan, polite, known, send, totals, since=begin, until=time.time())
                )
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait((rounds, stopping), return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if not rounds.done():
                    rounds.cancel()
                    await asyncio.gather(rounds, return_exceptions=True)
                    return []
                if once:
                    return rounds.result()
                log.info("asked", source=source, **totals.facts(), troubles=len(rounds.result()))
                try:
                    await asyncio.wait_for(stop.wait(), pause_seconds)
                except TimeoutError:
                    continue
                return []

    async def to_kafka() -> list[str]:
        await wait_for_broker(settings.kafka, patience_seconds=15.0)
        async with SourceSender(settings) as sender:
            return await run(sender.send)

    with answered(settings.kafka, "name one with --bootstrap, or write a file with --output"):
        troubles = asyncio.run(to_kafka() if output is None else run(_writer(output)))
    if as_json:
        facts = {**totals.facts(), "troubles": troubles}
        typer.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode(), err=output == "-")
    else:
        typer.echo(
            f"{amount(totals.results, 'result')} and {amount(totals.signals, 'signal')}; "
            f"{totals.refused.total()} refused",
            err=output == "-",
        )
    raise typer.Exit(1 if troubles else 0)


def _writer(output: str) -> Send:
    async def send(piece: list[ProbeResult | Signal]) -> None:
        text = b"".join(encoded(one) + b"\n" for one in piece)
        if output == "-":
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
        else:
            await asyncio.to_thread(_append, Path(output), text)

    return send


def _append(path: Path, text: bytes) -> None:
    with path.open("ab") as sink:
        sink.write(text)
