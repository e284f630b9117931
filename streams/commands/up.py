"""`netdusk up`: the whole of netdusk on one machine."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from aiokafka.errors import KafkaError
from rich.console import Console

from producers.countries import CANARY
from streams.commands.broker import bring
from streams.kafka.alerts import follow
from streams.kafka.notes import write_all
from streams.local.broker import BrokerError
from streams.local.canary_watch import CanaryWatch
from streams.local.kafka_files import cache_folder
from streams.local.live import Board, Show
from streams.local.probing import vantage_of
from streams.local.stack import ChildError, Stack
from streams.records import Vantage, encode
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)

_LOOK_SECONDS: Final = 2.0


@app.command()
def up(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    targets: Annotated[
        Path | None, typer.Option(help="Targets file (TOML): services of your own; a good list is built in.")
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="Where this machine stands: ISO 3166-1, like PK.")
    ] = None,
    asn: Annotated[int | None, typer.Option(help="Its network's number, like 17557.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="own: your services; observatory: other people's platforms.")
    ] = None,
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
    given = {"targets": targets.absolute() if targets else None, "country": country, "asn": asn}
    asked = {key: value for key, value in given.items() if value is not None}
    chosen = {"profile": profile} if profile is not None else {}
    settings = with_bootstrap(load(config, probe=asked, **chosen), bootstrap)
    if probe:
        # Before anything is started: whatever the probe would end with is said now.
        from streams.local.probing import Probing  # noqa: PLC0415  not for --help

        Probing(settings)
    # The children read the same file; what was given here goes over it.
    environment = {f"NETDUSK_PROBE__{key.upper()}": str(value) for key, value in asked.items()}
    if profile is not None:
        environment["NETDUSK_PROFILE"] = profile
    console = Console(markup=False)
    if settings.trust.policy is None:
        environment["NETDUSK_TRUST__POLICY"] = "registered"
        if settings.trust.name_small_networks is None:
            # The vantage is this machine's own, and so is the page.
            environment["NETDUSK_TRUST__NAME_SMALL_NETWORKS"] = "true"
    stack = Stack(
        settings,
        folder,
        config=config,
        embedded=bootstrap is None,
        broker_port=broker_port,
        overrides=environment,
    )
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
    running = asyncio.create_task(_run(stack, console, probe=probe, canary=canary, page=page))
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        console.print("stopping: the worker hands over before the broker goes", highlight=False)
    waiting.cancel()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _run(stack: Stack, console: Console, *, probe: bool, canary: bool, page: bool) -> None:
    """Run until something that should run does not. Whoever cancels it has everything ended in order."""
    console.print("starting the broker and the worker ...", highlight=False)
    async with stack:
        # The worker first: what decides is not to wait for what shows. It reads the register as it joins.
        worker = stack.start_worker()
        if probe and settings_name_a_vantage(stack.settings):
            await enrol_own(stack.settings)
        await stack.ready(worker)
        if probe:
            stack.run("probe", "probe")
        if canary:
            stack.run("canary", "canary")
        console.print(f"broker   {stack.settings.kafka.bootstrap}", highlight=False)
        console.print(f"metrics  {stack.worker_url}/metrics", highlight=False)
        if page:
            show_page(console, await stack.start_page(stack.settings.page.port))
        console.print(f"logs     {stack.folder}", highlight=False)
        board = Board("what this machine's netdusk sees", _names(stack.settings), simulated=False)
        watch = CanaryWatch(datetime.now(UTC)) if canary else None
        with Show(board, console) as show:
            tasks = [
                asyncio.create_task(_listen(stack, show, watch)),
                asyncio.create_task(_look(stack, show, watch)),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def show_page(console: Console, url: str | None) -> None:
    """Say where the page is, or what it lacks."""
    console.print(f"page     {url or 'needs Jinja: pip install jinja2'}", highlight=False)


def settings_name_a_vantage(settings: Settings) -> bool:
    """Whether it is known who measures here."""
    return settings.probe.country is not None


async def enrol_own(settings: Settings) -> None:
    """Put this machine's vantage into the register, so that it has a vote."""
    own = vantage_of(settings.probe)
    assert settings.probe.country is not None
    entry = Vantage(
        vantage=own.name,
        country=settings.probe.country,
        asn=own.asn,
        region=own.region,
        since=datetime.now(UTC),
        operator="netdusk up",
    )
    await write_all(settings.kafka, settings.topics.vantages, [(entry.vantage.encode(), encode(entry))])


def _names(settings: Settings) -> dict[str, str]:
    return {str(asn): name for asn, name in settings.incidents.network_names.items()}


async def _listen(stack: Stack, show: Show, watch: CanaryWatch | None) -> None:
    async with aclosing(follow(stack.settings)) as incidents:
        async for incident in incidents:
            if incident.country == CANARY:
                if watch is not None:
                    watch.take(incident)
                continue
            show.incident(incident)


async def _look(stack: Stack, show: Show, watch: CanaryWatch | None) -> None:
    while True:
        stack.check()
        show.board.take(await stack.metrics())
        show.state()
        now = datetime.now(UTC)
        show.moment(now)
        if watch is not None and (complaint := watch.complaint(now)):
            show.warn(complaint)
        await asyncio.sleep(_LOOK_SECONDS)
