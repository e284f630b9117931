"""Pictures of the dashboards for the docs: `python -m tests.monitoring.pictures` writes docs/img/netdusk-*.png.

Grafana is not used: each panel's own expressions are asked of a real Prometheus, and the answers drawn with Altair, so
a picture shows what a panel has to say, and not how Grafana would look. World, country and incident show the evening of
20 January 2024 as the scenario has it, minute by minute of event time, written into Prometheus' storage as if it had
been scraped then; netdusk itself shows a demonstration while it runs.
"""

from __future__ import annotations

import asyncio
import io
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import altair as alt
from prometheus_client import CollectorRegistry
from rich.console import Console

from monitoring.config import DRILL, ON_CALL
from monitoring.dashboards.parts import Board
from monitoring.queries import asked, parsed
from monitoring.shipped import ROOT, boards, rule_files
from producers.simulated import scenario
from streams.engine.metrics import WorkerMetrics, WorldCollector
from streams.local.demo import board as scene
from streams.local.demo import demo_settings, run
from streams.local.live import Show
from streams.local.stack import Stack
from streams.settings import LabelSettings, load
from streams.step.country import CountryMachine
from streams.step.ticks import take, with_ticks
from tests.monitoring.oncall import write
from tests.monitoring.servers import Prometheus, program

IMAGES: Final = ROOT / "docs" / "img"
EVENING: Final = next(evening for evening in scenario.EVENINGS if evening.name == "2024-01-20")
FROM, UNTIL = EVENING.start - timedelta(hours=2), EVENING.end + timedelta(hours=1)
WHILE: Final = EVENING.start + timedelta(hours=1)
CHOSEN: Final = {"simulated": "true", "country": "PK", "platform": "|".join(scenario.BLOCKED)}
_WIDTH: Final = 1100
_HEIGHTS: Final = {"stat": 40, "table": 150, "state-timeline": 130, "timeseries": 130}


def scraped() -> Iterator[str]:
    """The worker's page, once a minute of event time, as OpenMetrics lines with their time."""
    settings = load(worker={"clock": "replay"})
    machine = CountryMachine(settings, publish_health=False)
    registry, now = CollectorRegistry(), [0.0]
    metrics = WorkerMetrics(registry, LabelSettings())
    registry.register(WorldCollector(lambda: [("netdusk.probes.v1-0", machine)], metrics, lambda: now[0]))
    ticked = with_ticks(scenario.pakistan(0, evenings=[EVENING.name]), settings.time)
    due: float | None = None
    while chunk := take(ticked, 50):
        outbox = machine.apply(machine.read_decoded(chunk))
        metrics.records.labels("applied").inc(outbox.applied)
        if machine.clock_ms is None:
            continue
        now[0] = machine.clock_ms / 1000
        if due is None or now[0] >= due:
            due = now[0] - now[0] % 60 + 60
            metrics.count_probes(machine.take_probes())
            yield from _lines(registry, now[0])


def _lines(registry: CollectorRegistry, at: float) -> Iterator[str]:
    for family in registry.collect():
        for sample in family.samples:
            if sample.name.startswith("netdusk_"):
                labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                yield f"{sample.name}{{{labels}}} {sample.value} {at:.0f}\n"


def backfilled(folder: Path) -> Prometheus:
    """A Prometheus that has scraped the evening (not started)."""
    text = folder / "evening.om"
    with text.open("w") as out:
        out.writelines(scraped())
        out.write("# EOF\n")
    prometheus = Prometheus(folder, [])
    data = str(prometheus.folder / "data")
    tsdb = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(text), data]
    subprocess.run(tsdb, check=True, capture_output=True)
    return prometheus


def answers(
    prometheus: Prometheus, board: Board, chosen: dict[str, str], start: float, end: float, at: float
) -> dict[str, list[dict[str, Any]]]:
    """By panel: rows of series, time and value."""
    found: dict[str, list[dict[str, Any]]] = {}
    for question in asked(board, chosen):
        if question.type == "annotation":
            continue
        rows = found.setdefault(question.panel, [])
        query = chr(ord("A") + len({row["query"] for row in rows}))
        if question.instant:
            series = prometheus._api("query", query=question.expr, time=at)["result"]
            pairs = [(one["metric"], [one["value"]]) for one in series]
        else:
            series = prometheus.query_range(question.expr, start, end, max((end - start) / 300, 0.5))
            pairs = [(one["metric"], one["values"]) for one in series]
        for labels, values in pairs:
            name = _name(question.legend, labels)
            for moment, text in values:
                value = float(text)
                if not math.isnan(value):
                    rows.append(
                        {
                            "series": name,
                            "labels": labels,
                            "query": query,
                            "time": int(float(moment) * 1000),
                            "value": value,
                            "unit": question.unit,
                        }
                    )
    return found


def _name(legend: str, labels: dict[str, str]) -> str:
    if not legend:
        return ", ".join(labels.values()) or "value"
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend


def drawn(board: Board, found: dict[str, list[dict[str, Any]]], note: str) -> alt.VConcatChart:
    """The board, row by row."""
    rows: dict[int, list[alt.Chart]] = {}
    for panel in parsed(board)["panels"]:
        place, kind = panel["gridPos"], panel["type"]
        if kind in _HEIGHTS and found.get(panel["title"]):
            width = _WIDTH * place["w"] // 24 - 70
            rows.setdefault(place["y"], []).append(_panel(panel, kind, found[panel["title"]], width))
    lines = [alt.hconcat(*charts).resolve_scale(color="independent") for _, charts in sorted(rows.items())]
    title = alt.TitleParams(board.title, subtitle=note, anchor="start", fontSize=18)
    return (
        alt.vconcat(*lines, title=title).resolve_scale(color="independent").configure_view(strokeOpacity=0.2)
    )


def _panel(panel: dict[str, Any], kind: str, rows: list[dict[str, Any]], width: int) -> alt.Chart:
    title = alt.TitleParams(panel["title"], anchor="start", fontSize=12)
    data = alt.Data(values=rows[:20_000])
    if kind == "stat":
        value = rows[-1]["value"]
        return (
            alt.Chart(alt.Data(values=[{"text": _said(value, rows[-1]["unit"])}]))
            .mark_text(fontSize=20, align="left")
            .encode(text="text:N", x=alt.value(0))
            .properties(width=width, height=_HEIGHTS[kind], title=title)
        )
    if kind == "table":
        return _table(panel, rows, width).properties(title=title)
    if kind == "state-timeline":
        chart = (
            alt.Chart(data)
            .mark_square(size=30)
            .encode(
                x=alt.X("utchoursminutesseconds(time):T", title=None),
                y=alt.Y("series:N", title=None),
                color=alt.Color(
                    "value:Q",
                    scale=alt.Scale(domain=[0, 0.5, 1], range=["#73bf69", "#fade2a", "#f2495c"], clamp=True),
                    legend=None,
                ),
            )
        )
    else:
        chart = (
            alt.Chart(data)
            .mark_line(strokeWidth=1.2)
            .encode(
                x=alt.X("utchoursminutesseconds(time):T", title=None),
                y=alt.Y("value:Q", title=None, axis=alt.Axis(format=_AXES.get(rows[0]["unit"], "~s"))),
                color=alt.Color("series:N", title=None, legend=alt.Legend(labelLimit=150, symbolLimit=12)),
            )
        )
    return chart.properties(width=width, height=_HEIGHTS[kind], title=title)


def _table(panel: dict[str, Any], rows: list[dict[str, Any]], width: int) -> alt.Chart:
    """A row a set of labels, a column a query; or, for a matrix, a row and a column a label."""
    steps = {transformation["id"]: transformation["options"] for transformation in panel["transformations"]}
    if (matrix := steps.get("groupingToMatrix")) is not None:
        cells = [
            {
                "row": row["labels"][matrix["rowField"]],
                "column": row["labels"][matrix["columnField"]],
                "text": _said(row["value"], row["unit"]),
            }
            for row in rows
        ]
    else:
        names, units = steps["organize"]["renameByName"], _units(panel)
        cells = []
        for row in rows:
            column = names[f"Value #{row['query']}"]
            text = _said(row["value"], units.get(column, ""))
            cells.append({"row": row["series"], "column": column, "text": text})
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    return (
        alt.Chart(alt.Data(values=cells))
        .mark_text(align="center")
        .encode(
            x=alt.X("column:N", sort=columns, title=None, axis=alt.Axis(orient="top", labelAngle=0)),
            y=alt.Y("row:N", title=None, axis=alt.Axis(labelLimit=300)),
            text="text:N",
        )
        .properties(width=width, height=20 * len({cell["row"] for cell in cells}))
    )


def _units(panel: dict[str, Any]) -> dict[str, str]:
    return {
        override["matcher"]["options"]: prop["value"]
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "unit"
    }


_AXES: Final = {"percentunit": "%"}


def _said(value: float, unit: str) -> str:
    match unit:
        case "percentunit":
            return f"{value:.1%}"
        case "dateTimeAsIso":
            return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M}"
        case "s":
            return f"{value:,.0f} s"
        case _:
            return f"{value:,.4g}"


def world_pictures(folder: Path) -> None:
    """The three boards about the world."""
    note = (
        "SIMULATED: the scenario of Pakistan, 20 January 2024. Single figures and tables: "
        f"{WHILE:%H:%M} UTC. Drawn from the panels' own queries, not by Grafana."
    )
    with backfilled(folder) as prometheus:
        for board in boards(ON_CALL)[:3]:
            chosen = CHOSEN | {"__rate_interval": "5m"}
            found = answers(prometheus, board, chosen, FROM.timestamp(), UNTIL.timestamp(), WHILE.timestamp())
            save(board, drawn(board, found, note))


async def own_picture(folder: Path) -> None:
    """The board about netdusk itself."""
    settings, overrides = demo_settings(load(), "")
    texts = {**rule_files(ON_CALL), "netdusk-incidents.yaml": rule_files(DRILL)["netdusk-incidents.yaml"]}
    paths = write(folder, {name: text for name, text in texts.items() if "canary" not in name})
    started: list[Prometheus] = []

    async def scrape(house: Stack) -> None:
        target = house.worker_url.removeprefix("http://")
        prometheus = Prometheus(folder, [target], rules=paths, seconds=1.0)
        await asyncio.to_thread(prometheus.start)
        started.append(prometheus)

    async with Stack(settings, folder / "house", overrides=overrides) as house:
        show = Show(scene(), Console(file=io.StringIO()))
        began = time.time()
        await run(house, show, speed=1200.0, seed=0, evenings=[EVENING.name], ready=scrape)
        ended = time.time()
    (prometheus,) = started
    try:
        board = boards(ON_CALL)[3]
        seen = prometheus.query_range("up == 1", began, ended, 0.5)[0]["values"]
        chosen = CHOSEN | {"__rate_interval": "5s"}
        found = answers(prometheus, board, chosen, began, ended, float(seen[-1][0]))
    finally:
        prometheus.stop()
    note = (
        "A demonstration (20 January 2024, simulated, 1,200 times as fast). The log's clock is years behind."
    )
    save(board, drawn(board, found, note))


def save(board: Board, picture: alt.VConcatChart) -> None:
    """Write it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{board.uid}.png"
    picture.save(str(path), scale_factor=1.0)
    sys.stdout.write(f"docs/img/{path.name}\n")


def main() -> None:
    """Draw all four."""
    with tempfile.TemporaryDirectory(prefix="netdusk-pictures-") as folder:
        for name in ("world", "own"):
            (Path(folder) / name).mkdir()
        world_pictures(Path(folder) / "world")
        asyncio.run(own_picture(Path(folder) / "own"))


if __name__ == "__main__":
    main()
