"""Writes what was measured: the block between the marks in docs/benchmarks.md, and the picture."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import altair as alt

from benchmarks.engine.latency import Latency
from benchmarks.engine.throughput import Figure

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/benchmarks.md"
PICTURE = ROOT / "docs/img/benchmarks-throughput.svg"
KEPT = ROOT / "benchmarks/engine/figures.json"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"

FOR_EACH, PARSED, BYTEWAX = "Faust, for each", "aiokafka + orjson", "Bytewax"
DECODE, SMALL, LARGE = "netdusk, decode only", "netdusk, whole, 1,000 cells", "netdusk, whole, 100,000 cells"


@dataclass
class Measured:
    """One run of everything."""

    when: str
    load: str
    rounds: int
    throughput: list[Figure]
    sinks: list[Figure]
    memory: list[dict[str, float]]
    latency: Latency


@dataclass(frozen=True)
class Bar:
    """What is asked for, and what was reached."""

    what: str
    asked: str
    reached: str
    met: bool


def bars(measured: Measured) -> list[Bar]:
    """The table of what is asked for."""
    cpu = {figure.name: figure.cpu for figure in measured.throughput}
    small, large = cpu[SMALL], cpu[LARGE]

    def ratio(what: str, mine: float, other: str, least: float) -> Bar:
        found = mine / cpu[other]
        return Bar(what, f"at least {least:g}", f"{found:.2f}", found >= least)

    most = max(row["bytes"] / row["cells"] for row in measured.memory)
    slower = small / large
    latency = measured.latency
    return [
        ratio("whole worker (1,000 cells), against Faust for-each that does nothing", small, FOR_EACH, 20),
        ratio("whole worker (1,000 cells), against Bytewax counting", small, BYTEWAX, 1.0),
        ratio("decode only, against aiokafka + orjson", cpu[DECODE], PARSED, 0.75),
        ratio("whole worker (1,000 cells), against aiokafka + orjson", small, PARSED, 0.4),
        Bar("cost a result, from 1,000 to 100,000 cells", "at most 1.5", f"{slower:.2f}", slower <= 1.5),
        Bar("resident memory a cell", "at most 2,048 bytes", f"{most:,.0f}", most <= 2048),
        Bar("deciding tick to incident, median", "below 30 ms", f"{latency.p50:.0f} ms", latency.p50 < 30),
        Bar("the same, 99 of 100", "below 200 ms", f"{latency.p99:.0f} ms", latency.p99 < 200),
    ]


def markdown(measured: Measured) -> str:
    """The block of the page."""
    cpu = {figure.name: figure.cpu for figure in measured.throughput}
    lines = [
        BEGIN,
        f"Measured {measured.when} on {platform.machine()}, 2 virtual cores, Python {platform.python_version()}, "
        f"Apache Kafka 4.4.0 on the same machine; median of {measured.rounds}. {measured.load}",
        "",
        "| who reads | what it does | results a CPU second | results a second | against aiokafka + orjson |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {f.name} | {f.does} | {f.cpu:,.0f} | {f.wall:,.0f} | {f.cpu / cpu[PARSED]:.2f} |"
            for f in measured.throughput
        ),
        "",
        "![Results a CPU second, by who reads](img/benchmarks-throughput.svg)",
        "",
        "| what is asked | | reached | |",
        "|---|---|---:|---|",
        *(f"| {b.what} | {b.asked} | {b.reached} | {'yes' if b.met else '**no**'} |" for b in bars(measured)),
        "",
        "| cells in one machine | resident bytes a cell | once every hour was written | snapshot, bytes a cell |",
        "|---:|---:|---:|---:|",
        *(
            f"| {row['cells']:,.0f} | {row['bytes'] / row['cells']:,.0f} | {row['full'] / row['cells']:,.0f} | "
            f"{row['snapshot'] / row['cells']:,.0f} |"
            for row in measured.memory
        ),
        "",
        f"From the tick that closes a window to the incident at a reader of the topic, at 1,000 results a second: "
        f"p50 {measured.latency.p50:.1f} ms, p99 {measured.latency.p99:.1f} ms, longest "
        f"{measured.latency.most:.0f} ms, of {measured.latency.samples} incident snapshots.",
        "",
        "| who writes | results a CPU second | results a second |",
        "|---|---:|---:|",
        *(f"| {f.name} | {f.cpu:,.0f} | {f.wall:,.0f} |" for f in measured.sinks),
        END,
    ]
    return "\n".join(lines)


def write(measured: Measured) -> None:
    """Keep the figures, the picture and the block of the page."""
    KEPT.write_text(json.dumps(asdict(measured), indent=1) + "\n")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    draw(measured.throughput).save(str(PICTURE))
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + markdown(measured) + after)


def draw(figures: Sequence[Figure]) -> alt.Chart:
    """Results a CPU second, one bar each; logarithmic, since they are orders of magnitude apart."""
    rows = [{"name": f.name, "results": f.cpu, "ours": f.name.startswith("netdusk")} for f in figures]
    base = alt.Chart(alt.Data(values=rows), title="Results a CPU second (logarithmic)").encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
        x=alt.X("results:Q", scale=alt.Scale(type="log"), title=None, axis=alt.Axis(format="~s")),
    )
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(
        color=alt.Color(
            "ours:N", scale=alt.Scale(domain=[False, True], range=["#8a8f98", "#d1495b"]), legend=None
        )
    )
    text = base.mark_text(align="left", dx=9).encode(text=alt.Text("results:Q", format=",.0f"))
    chart: alt.Chart = (dots + text).properties(width=520, height=28 * len(rows))
    return chart
