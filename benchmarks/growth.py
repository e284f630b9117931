"""What work costs as it grows: cells, vantages a cell, open incidents, partitions; one picture, `docs/img/growth.svg`.

    python -m benchmarks.growth [--most-cells 100000]

The first three are the step alone (`CountryMachine.read`, `apply`), CPU microseconds a result; partitions are a whole
live worker's, from the rows that `benchmarks.engine.live` has kept. Prints every point.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import altair as alt

from benchmarks.engine.load import PLATFORMS, Shape, log
from benchmarks.step import CHUNK, CpuClock, machine
from streams.machine import Chunk
from streams.step.country import CountryMachine
from streams.words import country_name

ROOT = Path(__file__).parents[1]
LIVE = ROOT / "benchmarks/engine/live.json"
PICTURE = ROOT / "docs/img/growth.svg"
CELLS = (1_000, 10_000, 100_000, 1_000_000)
VANTAGES = (1, 3, 10, 30, 100)
FALLEN = (0, 1, 10, 50, 200)
#: The first windows, in which everybody is new, are not counted.
_WARM_WINDOWS, _WINDOWS = 2, 4
_CALM_WINDOWS, _FALL_WINDOWS = 13, 7
_LOST = b'"ok":false,"stage":"tls","failure":"connection_reset"}'


@dataclass(frozen=True)
class Point:
    """A cost, `y` in the unit of its curve, of so much work."""

    curve: str
    x: float
    y: float


def cost(values: Iterator[bytes], warm: int) -> tuple[float, CountryMachine]:
    """CPU microseconds a result after the first `warm` of them, and the machine that took them."""
    under, clock = machine(), CpuClock()
    counted = taken = 0
    part: list[bytes] = []

    def take() -> None:
        nonlocal counted, taken
        chunk = Chunk("probes", 0, range(taken, taken + len(part)), list(part))
        if taken < warm:
            under.apply(under.read(chunk))
        else:
            clock(lambda: under.apply(under.read(chunk)))()
            counted += len(part)
        taken += len(part)
        part.clear()

    for value in values:
        part.append(value)
        if len(part) == CHUNK:
            take()
    if part:
        take()
    return clock.seconds * 1e6 / counted, under


def _values(shape: Shape) -> Iterator[bytes]:
    return (value for _, _, value in log(shape))


def _steady(cells: int, vantages: int) -> float:
    shape = Shape(cells * vantages * (_WARM_WINDOWS + _WINDOWS), cells, vantages, partitions=1)
    least = Shape(max(shape.records, 60_000), cells, vantages, partitions=1)
    return cost(_values(least), _WARM_WINDOWS * least.a_window)[0]


def _with_incidents(fallen: int) -> Point:
    """So many countries lose one of five platforms, before the log has falls of its own."""
    shape = Shape(1_000 * 5 * (_CALM_WINDOWS + _FALL_WINDOWS), 1_000, 5, partitions=1, networks_least=1)
    lost = {
        b'"platform":"%s","country":"%s"' % (PLATFORMS[at % 5].encode(), country.encode())
        for at, country in enumerate(shape.countries[:fallen])
    }

    def fall() -> Iterator[bytes]:
        sent = 0
        for value in _values(shape):
            if b"probe/1" in value:
                sent += 1
                begin = value.index(b'"platform"')
                if sent > _CALM_WINDOWS * shape.a_window and value[begin : value.index(b',"asn"')] in lost:
                    value = value[: value.index(b'"ok":')] + _LOST
            yield value

    # The incidents open in the first windows of the fall; what follows has them open.
    microseconds, under = cost(fall(), (_CALM_WINDOWS + 4) * shape.a_window)
    return Point("open incidents", len(under.incidents()), microseconds)


def measure(most_cells: int) -> list[Point]:
    """All points."""
    country_name("PK", {})  # a worker reads all names when it starts
    points = [Point("cells", cells, _steady(cells, 2)) for cells in CELLS if cells <= most_cells]
    points += [Point("vantages a cell", vantages, _steady(250, vantages)) for vantages in VANTAGES]
    points += [_with_incidents(fallen) for fallen in FALLEN]
    if LIVE.exists():
        rows = json.loads(LIVE.read_text())["live"]
        points += [
            Point(
                "partitions, idle" if row["rate"] == 0 else "partitions, about 5,000/s",
                row["partitions"],
                row["cpu"],
            )
            for row in rows
            if row["rate"] in (0, 5_000, 5_200)
        ]
    return points


def draw(points: Sequence[Point]) -> alt.HConcatChart:
    """One panel a kind of work."""
    panels = []
    for title, of in (
        ("cells", ("cells",)),
        ("vantages a cell", ("vantages a cell",)),
        ("open incidents", ("open incidents",)),
        ("partitions", ("partitions, idle", "partitions, about 5,000/s")),
    ):
        rows = [
            {"x": point.x, "y": point.y, "of": point.curve.removeprefix("partitions, ")}
            for point in points
            if point.curve in of
        ]
        unit = "per cent of a core, live" if title == "partitions" else "CPU µs a result, the step alone"
        scale = alt.Scale(type="symlog" if title == "open incidents" else "log")
        base = alt.Chart(alt.Data(values=rows), title=title)
        panels.append(
            base.mark_line(point=True)
            .encode(
                x=alt.X("x:Q", scale=scale, title=None, axis=alt.Axis(format="~s", tickCount=4)),
                y=alt.Y("y:Q", scale=alt.Scale(zero=True), title=unit),
                color=alt.Color("of:N", title=None) if title == "partitions" else alt.value("#d1495b"),
            )
            .properties(width=170, height=160)
        )
    return alt.hconcat(*panels)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--most-cells", type=int, default=CELLS[-1])
    chosen = parser.parse_args(arguments)
    points = measure(chosen.most_cells)
    for point in points:
        print(f"{point.curve:28} {point.x:>10,.0f} {point.y:8.2f}")
    draw(points).save(str(PICTURE))


if __name__ == "__main__":
    main()
