"""Charts as pictures (PNG): for a share, a paper, a report. Draws nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from streams.publish.draw import WIDE, Chart, Line, svg
from streams.publish.share import png

_A_DAY: Final = timedelta(hours=26)


def series_chart(title: str, rows: Sequence[Any], names: Callable[[str], str] = str) -> Chart:
    """Rows of a series (`streams.archive.reader.HistoryRow`) as a chart; `names` says what each line is called."""
    times = sorted({row.time for row in rows})
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    step = int(min(gaps, default=60.0))
    start = times[0]
    steps = round((times[-1] - start).total_seconds() / step) + 1
    by_place = {(row.name, row.time): row for row in rows}
    moments = [start + timedelta(seconds=step * number) for number in range(steps)]
    lines = []
    day = "%H:%M" if times[-1] - start < _A_DAY else "%d %b %H:%M"
    for name in sorted({row.name for row in rows}, key=lambda name: (names(name).casefold(), name)):
        own = [by_place.get((name, moment)) for moment in moments]
        seen = [row for row in own if row is not None]
        lowest = min(seen, key=lambda row: row.reachability)
        when, results = f"{lowest.time:{day}}", sum(row.n for row in seen)
        lines.append(
            Line(
                names(name),
                [None if row is None else row.reachability for row in own],
                [None if row is None else row.expected for row in own],
                f"lowest {100 * lowest.reachability:.0f} % at {when}, {results:,} results",
            )
        )
    return Chart(start, step, lines, f"SIMULATED: {title}" if rows[0].simulated else title)


def series_png(title: str, rows: Sequence[Any], names: Callable[[str], str] = str) -> bytes:
    """Return the chart of a series as a PNG, with its title on it."""
    chart = series_chart(title, rows, names)
    head = (
        chart.title,
        "Attempts that succeed, every network counted alike. Dashed: usual. Red: missing of it. Times are UTC.",
    )
    return png(svg(chart, WIDE, standalone=True, head=head))
