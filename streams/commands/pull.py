"""`netdusk pull`: what other observatories see, asked for again and again."""

from __future__ import annotations

import asyncio
import re
import signal
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import orjson
import structlog
import typer

from producers.records import ProbeResult
from producers.signals import Signal
from producers.sources.contract import encoded
from streams.counting import amount
from streams.kafka.client import wait_for_broker
from streams.kafka.sources import SourceSender
from streams.kafka.unanswered import answered
from streams.local.ingesting import IngestTotals
from streams.local.pulling import Polite, PullPlan, PullState, Send, pull_once, session
from streams.local.sources import PULLS, SourceQuery, pull_of
from streams.settings import Settings, SettingsError, load, with_bootstrap

log = structlog.get_logger()

app = typer.Typer(add_completion=False, no_args_is_help=True)

_HOUR: Final = 3600.0


@app.command()
def pull(
    source: Annotated[str, typer.Argument(help=f"One of {', '.join(PULLS)}.", metavar="SOURCE")],
    country: Annotated[list[str] | None, typer.Option(help="ISO 3166-1 code; may be repeated.")] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Where Prometheus is, like http://localhost:9090; or a mirror of another source's API."
        ),
    ] = None,
    measurement: Annotated[
        list[int] | None, typer.Option(help="RIPE Atlas' measurement; 7000 is its probes' connections.")
    ] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", help="Prometheus' labels, or RIPE's list of probes.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with a token (Cloudflare, or a Prometheus behind a proxy).")
    ] = None,
    login_file: Annotated[
        Path | None, typer.Option(help="A file with name:password, for who asks for these (basic auth).")
    ] = None,
    authorities: Annotated[
        Path | None,
        typer.Option(help="PEM file of the authorities that are believed, in place of the system's."),
    ] = None,
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
    pulling = _Pulling(
        source=source,
        plan=plan,
        headers=_headers(token_file, login_file),
        tls=_tls(authorities),
        known=PullState.read(state),
        totals=IngestTotals(),
        since_seconds=since_hours * _HOUR,
        gap_seconds=gap,
        pause_seconds=pause_seconds,
        once=once,
    )
    with answered(settings.kafka, "name one with --bootstrap, or write a file with --output"):
        troubles = asyncio.run(
            _to_kafka(pulling, settings) if output is None else pulling.run(_writer(output))
        )
    show(pulling.totals, troubles, plan.empty, as_json=as_json, to_stderr=output == "-")
    raise typer.Exit(1 if troubles else 0)


def _headers(token_file: Path | None, login_file: Path | None) -> dict[str, str]:
    """Return what each request carries: a token or a login, where there is one."""
    if token_file is not None and login_file is not None:
        raise SettingsError("--token-file and --login-file: who asks is known by one of them; leave one out")
    if token_file is not None:
        token = _secret(token_file, r"[!-~]+", "token; write it as one line of ASCII without spaces")
        return {"Authorization": f"Bearer {token}"}
    if login_file is not None:
        login = _secret(
            login_file, r"[^:\x00-\x1f]+:[^\x00-\x1f]*", "login; write it as one line, name:password"
        )
        name, _, password = login.partition(":")
        return {"Authorization": aiohttp.encode_basic_auth(name, password, encoding="utf-8")}
    return {}


def _secret(path: Path, shape: str, what: str) -> str:
    try:
        secret = path.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a readable file") from error
    except UnicodeDecodeError:
        secret = ""
    if not re.fullmatch(shape, secret):
        raise SettingsError(f"{path}: holds no {what}")
    return secret


def _tls(authorities: Path | None) -> ssl.SSLContext | None:
    if authorities is None:
        return None
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:  # ssl's own among them
        why = error.strerror or str(error)
        raise SettingsError(f"{authorities}: {why}; name a readable PEM file of certificates") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pulling:
    """One source that is asked, round after round."""

    source: str
    plan: PullPlan
    known: PullState
    totals: IngestTotals
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    since_seconds: float
    gap_seconds: float
    pause_seconds: float
    once: bool

    async def run(self, send: Send) -> list[str]:
        """Ask until a signal comes, or once; return the troubles of that one round."""
        stop = _stop_at_signals()
        begin = time.time() - self.since_seconds
        async with session(self.tls) as http:
            polite = Polite(http, self.known, gap_seconds=self.gap_seconds, headers=self.headers)
            while True:
                troubles = await self._round(polite, send, begin, stop)
                if troubles is None:
                    return []
                if self.once:
                    return troubles
                log.info("asked", source=self.source, **self.totals.facts(), troubles=len(troubles))
                try:
                    await asyncio.wait_for(stop.wait(), self.pause_seconds)
                except TimeoutError:
                    continue
                return []

    async def _round(self, polite: Polite, send: Send, begin: float, stop: asyncio.Event) -> list[str] | None:
        """Ask once; return the troubles, or None where a signal came before the end."""
        asking = asyncio.create_task(
            pull_once(self.plan, polite, self.known, send, self.totals, since=begin, until=time.time())
        )
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((asking, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if asking.done():
            return asking.result()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return None


def _stop_at_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _to_kafka(pulling: _Pulling, settings: Settings) -> list[str]:
    await wait_for_broker(settings.kafka, patience_seconds=15.0)
    async with SourceSender(settings) as sender:
        return await pulling.run(sender.send)


def show(totals: IngestTotals, troubles: list[str], empty: str, *, as_json: bool, to_stderr: bool) -> None:
    """The counts, and why anything was left out; on stderr where the results themselves are on stdout."""
    if as_json:
        facts = {**totals.facts(), "troubles": troubles}
        typer.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode(), err=to_stderr)
    else:
        lines = [
            f"{amount(totals.results, 'result')} and {amount(totals.signals, 'signal')}; "
            f"{totals.refused.total()} refused",
            *totals.refusals(),
        ]
        if empty and not (totals.written or totals.refused or troubles):
            lines.append(f"nothing came: {empty}")
        typer.echo("\n".join(lines), err=to_stderr)


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
