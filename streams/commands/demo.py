"""`netdusk demo`: Pakistan, 7 and 20 January 2024, through the whole of netdusk in a minute."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.markup import escape

from producers.simulated import scenario
from streams.commands.broker import bring
from streams.commands.up import show_page
from streams.counting import amount
from streams.local.broker import BrokerError
from streams.local.demo import DemoResult, board, compare, demo_settings, run
from streams.local.kafka_files import cache_folder
from streams.local.live import Show, timeline
from streams.local.stack import ChildError, Stack
from streams.records import encode
from streams.settings import SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    speed: Annotated[
        float, typer.Option(min=0, help="Event seconds a second around the evenings; 0 as fast as it goes.")
    ] = 1800.0,
    seed: Annotated[int, typer.Option(help="Of the scenario: the same seed, the same results.")] = 0,
    evening: Annotated[
        list[str] | None, typer.Option(help="2024-01-07 or 2024-01-20; both by default.")
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="A Kafka to use instead of the embedded broker (topics of its own).")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the worker's /metrics; 0 takes any free one.")] = 0,
    hold: Annotated[
        bool,
        typer.Option(
            "--hold", help="Show the live page from the first second on, and keep all until Ctrl-C."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came out as JSON lines.")] = False,
) -> None:
    """Replay a reconstruction through broker and worker, and hold what was detected against what was published.

    Every result is simulated, and so is marked to the last metric. The evenings are 7 and 20 January 2024 in Pakistan,
    when X/Twitter, Facebook, Instagram and YouTube went dark before online rallies.
    """
    names = [one.name for one in scenario.EVENINGS]
    evenings = evening or names
    for name in evenings:
        if name not in names:
            raise SettingsError(f"--evening {name}: choose from {', '.join(names)}")
    prefix = f"demo-{time.time_ns() // 1_000_000:x}." if bootstrap else ""
    settings, overrides = demo_settings(with_bootstrap(load(), bootstrap), prefix)
    overrides["NETDUSK_HTTP__PORT"] = str(port)
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="netdusk-demo-") as folder:
        stack = Stack(settings, Path(folder), embedded=bootstrap is None, overrides=overrides)
        try:
            if bootstrap is None:
                bring(cache_folder(), None)
            seen = asyncio.run(_demo(stack, console, speed=speed, seed=seed, evenings=evenings, hold=hold))
        except (BrokerError, ChildError, KafkaError, OSError) as error:
            console.print(
                f"[bold red]the demonstration could not go on:[/] {escape(str(error))}", highlight=False
            )
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    if as_json:
        for snapshot in seen.snapshots:
            sys.stdout.write(encode(snapshot).decode() + "\n")
        sys.stdout.write(orjson.dumps({"demo": _facts(seen)}).decode() + "\n")


async def _demo(stack: Stack, console: Console, *, hold: bool, **how: Any) -> DemoResult:
    async with stack:
        if hold:
            show_page(console, await stack.start_page(stack.settings.page.port))
        with Show(board(), console) as show:
            seen = await run(stack, show, **how)
        _conclude(seen, how["evenings"], console)
        if hold:
            console.print(
                f"\n{stack.worker_url}/metrics and the broker {stack.settings.kafka.bootstrap} stay until Ctrl-C; "
                f"netdusk incidents --all --bootstrap {stack.settings.kafka.bootstrap}"
            )
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return seen


def _conclude(seen: DemoResult, evenings: list[str], console: Console) -> None:
    for one in scenario.EVENINGS:
        if one.name not in evenings:
            continue
        rows, conclusions = compare(seen, one)
        console.print(
            f"\n[bold]{one.start:%d %B %Y}[/], Pakistan (simulated results; times are UTC)", highlight=False
        )
        console.print(timeline(rows))
        for text in conclusions:
            console.print(f"  -> {text}", highlight=False)
    incidents = len({snapshot.id for snapshot in seen.snapshots})
    console.print(
        f"\n{amount(seen.results, 'simulated result')}, {amount(incidents, 'incident')} in "
        f"{amount(len(seen.snapshots), 'snapshot')}, "
        f"{seen.seconds:.0f} s (worker ready after {seen.ready_seconds:.1f} s)",
        highlight=False,
    )
    console.print("Assumed, for want of published facts:", style="dim")
    for text in scenario.ASSUMED:
        console.print(f"  - {text}", style="dim", highlight=False)
    sources = {fact.source for fact in scenario.FACTS}
    console.print("Sources: " + " ".join(sorted(sources)), style="dim", highlight=False, soft_wrap=True)


def _facts(seen: DemoResult) -> dict[str, Any]:
    return {
        "simulated": True,
        "results": seen.results,
        "incidents": len({snapshot.id for snapshot in seen.snapshots}),
        "seconds": round(seen.seconds, 2),
        "ready_seconds": round(seen.ready_seconds, 2),
    }
