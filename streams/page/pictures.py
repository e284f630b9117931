"""Charts as pictures (PNG): for a share, a paper, a report. Draws nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from streams.publish.draw import WIDE, Chart, Line, svg
from streams.publish.share import png


def series_chart(title: str, rows: Sequence[Any]) -> Chart:
    """Rows of a series (`streams.archive.reader.Row`), by name, as a chart."""
    times = sorted({row.time for row in rows})
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    step = int(min(gaps, default=60.0))
    start = times[0]
    steps = round((times[-1] - start).total_seconds() / step) + 1
    by_place = {(row.name, row.time): row for row in rows}
    moments = [start + timedelta(seconds=step * number) for number in range(steps)]
    lines = []
    for name in sorted({row.name for row in rows}):
        own = [by_place.get((name, moment)) for moment in moments]
        seen = [row for row in own if row is not None]
        lowest = min(seen, key=lambda row: row.reachability)
        lines.append(
            Line(
                name,
                [None if row is None else row.reachability for row in own],
                [None if row is None else row.expected for row in own],
                f"lowest {lowest.reachability:.0%} at {lowest.time:%H:%M}, {sum(row.n for row in seen):,} results",
            )
        )
    return Chart(start, step, lines, f"SIMULATED: {title}" if rows[0].simulated else title)


def series_png(title: str, rows: Sequence[Any]) -> bytes:
    """The same as a picture, with its title on it."""
    chart = series_chart(title, rows)
    head = (
        chart.title,
        "Share of attempts that succeed, every network alike. Dashed: usual. Red: what is missing. UTC.",
    )
    return png(svg(chart, WIDE, standalone=True, head=head))
