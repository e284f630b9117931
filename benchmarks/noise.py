"""What is told of worlds in which nothing happens: incidents of usual noise, by results a minute.

`python -m benchmarks.noise run --seeds 9301-9304 --volume 3` adds one piece to the figures kept in `noise.json`;
`python -m benchmarks.noise page` writes the table of all pieces into docs/detection.md. A piece made again replaces
itself. The worlds are `quiet` ones of `netdusk simulate`: four countries each, with four networks of two vantages that
watch four platforms, and all that disturbs every world (docs/detection.md). Everything that is told is false.

A series-month is 30 days of one platform, or of the connectivity, of one country.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.detectors import ours
from benchmarks.detectors.judge import series_months
from producers.simulated.worlds import Simulation, world
from streams.publish.scorecard import poisson_interval
from streams.settings import fingerprint, load

FIGURES: Final = Path(__file__).parent / "noise.json"
PAGE: Final = Path(__file__).parents[1] / "docs" / "detection.md"
BEGIN: Final = "<!-- noise: made by python -m benchmarks.noise -->\n"
END: Final = "<!-- noise: end -->"
COUNTRIES: Final = 4

app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def run(
    seeds: Annotated[str, typer.Option(help="FIRST-LAST")],
    volume: Annotated[float, typer.Option(help="Results a minute of one platform in one country.")],
    days: int = 20,
) -> None:
    """Run the worlds of some seeds, each by itself, and keep what came of them."""
    first, last = (int(part) for part in seeds.split("-"))
    settings = load(None)
    simulations = [
        Simulation(world("quiet", volume=volume, countries=COUNTRIES), seed, days)
        for seed in range(first, last + 1)
    ]
    outcomes = ours.run([ours.recoded(simulation) for simulation in simulations], settings)
    sentences: list[str] = []
    confirmed = connectivity = 0
    for outcome, simulation in zip(outcomes, simulations, strict=True):
        for incident in {incident.id: incident for incident in outcome.incidents}.values():
            confirmed += incident.confirmed
            connectivity += incident.kind.value == "connectivity"
            sentences.append(f"seed {simulation.seed} {incident.onset:%d %H:%M} {incident.summary}")
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    kept[f"{volume:g} a minute, seeds {seeds}"] = {
        "volume": volume,
        "seeds": seeds,
        "days": days,
        "series_months": sum(series_months(simulation) for simulation in simulations),
        "false": len(sentences),
        "confirmed": confirmed,
        "connectivity": connectivity,
        "settings": fingerprint(settings),
        "told": sentences,
    }
    FIGURES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    typer.echo(f"{volume:g} a minute, seeds {seeds}: {len(sentences)} false")


@app.command()
def page() -> None:
    """Write the table into the page from the figures kept."""
    kept = json.loads(FIGURES.read_text())
    head, rest = PAGE.read_text().split(BEGIN)
    _, tail = rest.split(END)
    PAGE.write_text(head + BEGIN + "\n".join(_table(list(kept.values()))) + "\n" + END + tail)


def _table(pieces: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| results a minute | seeds | series-months | false incidents | of these confirmed, of connectivity "
        "| a series-month (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    by_volume: dict[float, list[dict[str, Any]]] = {}
    for piece in pieces:
        by_volume.setdefault(piece["volume"], []).append(piece)
    for volume, of_it in sorted(by_volume.items()):
        seeds = ", ".join(sorted(piece["seeds"] for piece in of_it))
        lines.append(_row(f"{volume:g}", seeds, of_it))
    lines.append(_row("all", "", pieces))
    return lines


def _row(name: str, seeds: str, pieces: list[dict[str, Any]]) -> str:
    false = sum(piece["false"] for piece in pieces)
    months = sum(piece["series_months"] for piece in pieces)
    low, high = (bound / months for bound in poisson_interval(false))
    confirmed = sum(piece["confirmed"] for piece in pieces)
    connectivity = sum(piece["connectivity"] for piece in pieces)
    rate = f"{false / months:.3f} ({low:.3f} to {high:.3f})"
    return f"| {name} | {seeds} | {months:.0f} | {false} | {confirmed}, {connectivity} | {rate} |"


if __name__ == "__main__":
    app()
