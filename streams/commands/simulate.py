"""`netdusk simulate`: a seeded, labelled world, written as probe results and the truth about them."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer
from rich.table import Table

from producers.records import ProbeResult, encode
from producers.simulated.lifelike import BUILDERS, Lifelike, Size, text_of
from producers.simulated.worlds import KINDS, WORLDS, Simulation, world
from streams.commands.lines import console, show_table
from streams.commands.output import to_stdout
from streams.counting import amount
from streams.settings import SettingsError

app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Which world; --list shows them.", metavar="WORLD")] = "mixed",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same world.")] = 0,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How long.")] = 7,
    volume: Annotated[
        float | None, typer.Option(help="Probes a minute of one platform in one country.")
    ] = None,
    drift: Annotated[float | None, typer.Option(help="Times the usual slow drift; 2 is strong.")] = None,
    events: Annotated[
        str | None,
        typer.Option(help="Kinds of events instead of the world's own, by comma; `none` for none."),
    ] = None,
    countries: Annotated[int | None, typer.Option(min=1, help="How many countries.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where the results go; .gz packs them. - or none: stdout."),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Where the truth goes, one JSON a line.")] = None,
    list_worlds: Annotated[
        bool, typer.Option("--list", help="List the worlds and the kinds of events.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was made (or the list) as JSON.")] = False,
) -> None:
    """Make up a world: probe results whose truth is known, marked as simulated all the way.

    Try what detection makes of it: netdusk backtest FILE --labels LABELS
    """
    if list_worlds:
        _list(as_json)
        return
    if to_stdout(output) and as_json:
        raise SettingsError("--json and the results would share stdout; name a file with --output")
    if name in BUILDERS:
        if drift is not None or events is not None:
            raise SettingsError(f"world {name!r} has events of its own; leave out --drift and --events")
        given: dict[str, Any] = {"per_minute": volume, "countries": countries}
        size = replace(Size(days=days), **{key: value for key, value in given.items() if value is not None})
        lifelike = Lifelike(name, seed=seed, size=size)
        of_size = {"volume": size.per_minute, "countries": size.countries}
        _write(
            lifelike.results(), lifelike.labels, output, labels, name, seed, days, of_size, as_json=as_json
        )
        return
    changes: dict[str, object] = {"volume": volume, "drift": drift, "countries": countries}
    if events is not None:
        changes["events"] = () if events == "none" else tuple(events.split(","))
    try:
        chosen = world(name, **{key: value for key, value in changes.items() if value is not None})
    except ValueError as error:
        raise SettingsError(str(error)) from error
    simulation = Simulation(chosen, seed=seed, days=days)
    if chosen.events and not simulation.labels:
        console(stderr=True).print(
            f"no event fits: the first {chosen.warmup_days:g} days are calm, and the events take their time; "
            "give it more --days"
        )
    of_world = {
        "volume": chosen.volume,
        "drift": chosen.drift,
        "countries": chosen.countries,
        "platforms": len(chosen.platforms),
    }
    _write(
        simulation.results(), simulation.labels, output, labels, name, seed, days, of_world, as_json=as_json
    )


def _write(
    results: Iterable[ProbeResult],
    truth: Sequence[Mapping[str, Any]],
    output: Path | None,
    labels: Path | None,
    name: str,
    seed: int,
    days: int,
    size: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Write results and truth where they are wanted, and say what was made."""
    if labels is not None:
        with _writing(labels) as file:
            file.writelines(msgspec.json.encode(label) + b"\n" for label in truth)
    written = 0
    with ExitStack() as stack:
        out = stack.enter_context(_writing(output)) if output and not to_stdout(output) else sys.stdout.buffer
        for record in results:
            out.write(encode(record) + b"\n")
            written += 1
    made = {"world": name, "seed": seed, "days": days, **size, "results": written, "events": len(truth)}
    if as_json:
        sys.stdout.write(msgspec.json.encode({**made, "simulated": True}).decode() + "\n")
    else:
        where = "stdout" if to_stdout(output) else str(output)
        console(stderr=True).print(
            f"{amount(written, 'simulated result')}, {days * 24} h, events: {len(truth)}, in {where}"
        )


def _writing(path: Path) -> BinaryIO:
    if not path.parent.is_dir():
        raise SettingsError(f"{path}: no folder {path.parent}; make it first")
    if path.suffix == ".gz":
        return gzip.GzipFile(path, "wb", compresslevel=5, mtime=0)  # type: ignore[return-value]  # no subclass, but does what one does
    return path.open("wb")


def _list(as_json: bool) -> None:
    if as_json:
        listing = {
            "worlds": {
                name: {"text": one.text, "events": one.events, "volume": one.volume, "drift": one.drift}
                for name, one in WORLDS.items()
            }
            | {name: {"text": text_of(name)} for name in BUILDERS},
            "events": {name: {"text": kind.text, "kind": kind.label} for name, kind in KINDS.items()},
        }
        sys.stdout.write(msgspec.json.encode(listing).decode() + "\n")
        return
    table = Table("world", "what happens", "events", box=None, pad_edge=False)
    for name, one in WORLDS.items():
        table.add_row(name, one.text, ", ".join(one.events))
    for name in BUILDERS:
        table.add_row(name, text_of(name), "")
    show_table(table)
