"""The pictures of a report, drawn offline: strips of reachability by platform, and a grid of networks over time.

Altair says what is drawn, vl-convert draws it (extra `charts`). Pictures hold no decision: everything in them is in
the report.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import altair as alt
import vl_convert as vlc

from producers.names import visible
from streams.publish.report import Report, ReportLine
from streams.records import Kind
from streams.words import duration

#: A chart of Altair's, whose own types are unions of everything.
Chart = Any
Store = dict[str, list[dict[str, Any]]]

INK: Final = "#1c2430"
MUTED: Final = "#5a6472"
RULE: Final = "#d5dae1"
#: The colour of the incident.
LOST: Final = "#a3182c"
#: The colour of what stayed well.
WELL: Final = "#2f5d8a"
#: The colour of the calendar.
EVENT: Final = "#7a5200"
FONT: Final = "Helvetica Neue, Helvetica, Arial, Liberation Sans, Nimbus Sans, sans-serif"
WIDE: Final = 800
NARROW: Final = 340

_STRIP_HEIGHT: Final = 62
_ROW_HEIGHT: Final = 17
_GRID_ROWS_MAX: Final = 40
_SIMULATED: Final = "SIMULATED"
_LEGENDS: Final = {
    Kind.PLATFORM: "attempts that succeed",
    Kind.CONNECTIVITY: "results that arrive",
    Kind.GLOBAL: "attempts that succeed",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn, and the values that it names."""

    chart: Chart
    store: Store

    def spec(self) -> dict[str, Any]:
        """Vega-Lite, whole."""
        chart: dict[str, Any] = self.chart.to_dict(format="vega-lite", validate=False)
        return chart | {"datasets": self.store}


def strips(report: Report, width: int = WIDE) -> Picture | None:
    """Draw one strip a platform: the ratio over time, what is usual, the incident shaded, the calendar above.

    Returns None if nothing was measured.
    """
    if not report.lines:
        return None
    store: Store = {}
    rows: list[Chart] = [_head(store, report, width)]
    rows += [
        _strip(store, report, line, width, last=line is report.lines[-1], usual=report.worst.usual)
        for line in report.lines
    ]
    chart = alt.vconcat(*rows, spacing=7).resolve_scale(x="shared")
    return Picture(_dressed(chart), store)


def grid(report: Report, width: int = WIDE) -> Picture | None:
    """Draw one row a network, dark where it lost. Return None if there are fewer than two."""
    lines = report.grid[:_GRID_ROWS_MAX]
    if len(lines) < 2:
        return None
    names = int(width * (0.25 if width > NARROW else 0.3))
    labels = _labels(lines, short=width <= NARROW)
    inner = width - names
    height = _ROW_HEIGHT * len(lines)
    step = max(report.step_seconds, 300) * 1000
    values = [
        {
            "part": label,
            "from": _millis(point.time),
            "to": _millis(point.time) + step,
            "ratio": point.ratio,
        }
        for line, label in zip(lines, labels, strict=True)
        for point in line.points
    ]
    store: Store = {}
    base = alt.Chart(_data(store, values))
    cells = base.mark_rect(clip=True).encode(
        x=alt.X("from:T", scale=_x(report), axis=_time_axis(report, width)),
        x2="to:T",
        y=alt.Y("part:N", sort=labels, title=None, axis=alt.Axis(labelLimit=names - 24, labelPadding=6)),
        color=alt.condition(
            "isValid(datum.ratio)",
            alt.Color(
                "ratio:Q",
                scale=alt.Scale(domain=[0, 0.5, 1], range=[LOST, "#e3a99d", "#edf1f5"], interpolate="rgb"),
                legend=alt.Legend(
                    title=_LEGENDS[report.kind],
                    format=".0%",
                    orient="top",
                    direction="horizontal",
                    gradientLength=120,
                ),
            ),
            alt.value("#ffffff"),
        ),
    )
    marks = _onset_rule(store, report)
    layers: list[Any] = [cells, marks]
    if report.simulated:
        layers.append(_watermark(store, report, size=34, height=height))
    chart = alt.layer(*layers).properties(width=inner, height=height)
    return Picture(_dressed(alt.vconcat(chart)), store)


def _labels(lines: Sequence[ReportLine], *, short: bool) -> list[str]:
    """What the rows are called: on a narrow picture by their names alone, where these tell them apart."""
    if not short:
        return [line.label for line in lines]
    names = [line.label.removesuffix(f" ({line.name})") for line in lines]
    fitting = len(set(names)) == len(names) and all(len(name) <= 12 for name in names)
    return names if fitting else [line.name for line in lines]


def describe(report: Report) -> str:
    """The chart in words, for those who can't see it."""
    parts = [
        f"Reachability in {report.place}, {report.start:%d %B %Y %H:%M} to {report.end:%d %B %H:%M} UTC."
    ]
    for line in report.lines:
        before = [p.ratio for p in line.points if p.ratio is not None and p.time < report.onset]
        until = report.resolved or report.updated
        during = [p.ratio for p in line.points if p.ratio is not None and report.onset <= p.time < until]
        after = [p.ratio for p in line.points if p.ratio is not None and p.time >= until]
        ratios = [
            f"{sum(values) / len(values):.0%} {when}"
            for values, when in ((before, "before"), (during, "during the incident"), (after, "after it"))
            if values
        ]
        parts.append(f"{line.label}: {', '.join(ratios)}.")
    end = f" to {report.resolved:%H:%M}" if report.resolved else ", not over"
    parts.append(f"The incident is shaded from {report.onset:%H:%M}{end} UTC.")
    parts += [
        f"Marked: {event.title}, {event.start:%H:%M} to {event.end:%H:%M} UTC." for event in report.events
    ]
    if report.simulated:
        parts.insert(0, "Simulated data.")
    return " ".join(parts)


def to_svg(picture: Picture, name: str, label: str) -> str:
    """An inline SVG that scales to its place, with its text alternative.

    `name` tells its inner ids from those of other pictures on the page; the renderer counts them through a whole
    process, which no two pages would have alike.
    """
    svg: str = vlc.vegalite_to_svg(picture.spec(), allowed_base_urls=[])
    for number, inner_id in enumerate(dict.fromkeys(_IDS.findall(svg))):
        svg = re.sub(rf"\b{re.escape(inner_id)}\b(?=[\")])", f"{name}-{number}", svg)
    return _OPENING.sub(
        lambda opening: (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {opening["w"]} {opening["h"]}" role="img" '
            f"aria-label={quoteattr(visible(label))}><title>{escape(visible(label))}</title>"
        ),
        svg,
        count=1,
    )


_IDS: Final = re.compile(r'\bid="([^"]+)"')
_OPENING: Final = re.compile(r'<svg\b[^>]*?\bwidth="(?P<w>[\d.]+)"[^>]*?\bheight="(?P<h>[\d.]+)"[^>]*>')


# ---- parts


def _head(store: Store, report: Report, width: int) -> Chart:
    """The strip above: the incident as a bar, and every calendar event that it coincides with."""
    until = report.resolved or report.end
    bars: list[dict[str, Any]] = [
        {
            "what": f"Incident, {duration(report.duration_seconds)}"
            + ("" if report.resolved else ", not over"),
            "from": _millis(max(report.onset, report.start)),
            "to": _millis(min(until, report.end)),
            "kind": LOST,
            "row": "0",
        }
    ]
    for number, event in enumerate(report.events, 1):
        start, end = max(event.start, report.start), min(max(event.end, event.start), report.end)
        if start <= end:
            text = event.title if len(event.title) <= width // 9 else event.title[: width // 9 - 1] + "…"
            bars.append(
                {
                    "what": text,
                    "from": _millis(start),
                    "to": max(_millis(end), _millis(start) + report.step_seconds * 1000),
                    "kind": EVENT,
                    "row": str(number),
                }
            )
    # Past the middle a text would run out on the right: it stands to the left of its bar's end.
    middle = (_millis(report.start) + _millis(report.end)) / 2
    for bar in bars:
        bar["late"] = bar["from"] > middle
    base = alt.Chart(_data(store, bars)).encode(
        y=alt.Y("row:N", axis=None, sort=None), color=alt.Color("kind:N", scale=None, legend=None)
    )
    x = alt.X("from:T", scale=_x(report), axis=None)
    bar_marks = base.mark_bar(height=4, yOffset=6, cornerRadius=2).encode(x=x, x2="to:T")
    early = (
        base.transform_filter("!datum.late")
        .mark_text(align="left", baseline="bottom", dy=2, fontSize=11, fontWeight=600)
        .encode(x=x, text="what:N")
    )
    late = (
        base.transform_filter("datum.late")
        .mark_text(align="right", baseline="bottom", dy=2, fontSize=11, fontWeight=600)
        .encode(x=alt.X("to:T", scale=_x(report), axis=None), text="what:N")
    )
    return alt.layer(bar_marks, early, late).properties(width=width, height=22 * len(bars), view=_NO_FRAME)


_NO_FRAME: Final = alt.ViewConfig(stroke=None)


def _strip(store: Store, report: Report, line: ReportLine, width: int, *, last: bool, usual: float) -> Chart:
    """The line, and, red between it and what is usual, what was lost."""
    color = INK if line.affected else WELL
    values = [
        {"time": _millis(point.time), "ratio": point.ratio, "usual": usual, "low": _below(point.ratio, usual)}
        for point in line.points
    ]
    scale = alt.Scale(domain=[0, 1.02], nice=False)
    axis = alt.Axis(format=".0%", values=[0, 0.5, 1], title=None, grid=True, gridColor=RULE, gridOpacity=0.8)
    x = alt.X("time:T", scale=_x(report), axis=_time_axis(report, width) if last else _no_axis(report, width))
    base = alt.Chart(_data(store, values)).encode(x=x)
    y = alt.Y("ratio:Q", scale=scale, axis=axis)
    layers: list[Any] = [_shade(store, report)]
    if line.affected:
        layers += [
            base.mark_area(color=LOST, opacity=0.3, interpolate="step-after", clip=True).encode(
                y=alt.Y("low:Q", scale=scale, axis=axis), y2="usual:Q"
            ),
            base.mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1, clip=True).encode(
                y=alt.Y("usual:Q", scale=scale, axis=axis)
            ),
        ]
    layers.append(
        base.mark_line(color=color, strokeWidth=1.6, interpolate="step-after", clip=True).encode(y=y)
    )
    layers += [_onset_rule(store, report), _event_rules(store, report)]
    if report.simulated:
        layers.append(_watermark(store, report, size=26, height=_STRIP_HEIGHT))
    label = line.label if line.affected else f"{line.label} (for comparison)"
    title = alt.TitleParams(label, anchor="start", fontSize=12, fontWeight=600, color=color, offset=3)
    return alt.layer(*layers).properties(width=width, height=_STRIP_HEIGHT, title=title)


def _below(ratio: float | None, usual: float) -> float | None:
    return None if ratio is None else min(ratio, usual)


def _shade(store: Store, report: Report) -> Chart:
    span = [
        {
            "from": _millis(max(report.onset, report.start)),
            "to": _millis(min(report.resolved or report.end, report.end)),
        }
    ]
    return (
        alt.Chart(_data(store, span))
        .mark_rect(color=LOST, opacity=0.06)
        .encode(x=alt.X("from:T", scale=_x(report)), x2="to:T")
    )


def _onset_rule(store: Store, report: Report) -> Chart:
    times = [report.onset, *((report.resolved,) if report.resolved else ())]
    return (
        alt.Chart(_data(store, [{"at": _millis(time)} for time in times]))
        .mark_rule(color=LOST, strokeWidth=1, opacity=0.8)
        .encode(x=alt.X("at:T", scale=_x(report)))
    )


def _event_rules(store: Store, report: Report) -> Chart:
    times = [event.start for event in report.events if report.start <= event.start <= report.end]
    return (
        alt.Chart(_data(store, [{"at": _millis(time)} for time in times]))
        .mark_rule(color=EVENT, strokeWidth=1.2, strokeDash=[5, 3])
        .encode(x=alt.X("at:T", scale=_x(report)))
    )


def _watermark(store: Store, report: Report, *, size: int, height: float) -> Chart:
    middle = (_millis(report.start) + _millis(report.end)) // 2
    return (
        alt.Chart(_data(store, [{"at": middle, "text": _SIMULATED}]))
        .mark_text(fontSize=size, fontWeight=700, opacity=0.22, color=INK, baseline="middle")
        .encode(x=alt.X("at:T", scale=_x(report)), y=alt.value(height / 2), text="text:N")
    )


def _x(report: Report) -> alt.Scale:
    return alt.Scale(type="utc", domain=[_millis(report.start), _millis(report.end)], nice=False)


def _ticks(report: Report, width: int) -> list[int]:
    """Whole hours (or days) that leave room for their labels."""
    length = report.end.timestamp() - report.start.timestamp()
    most = max(2, width // 70)
    steps = (900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
    step = next((step for step in steps if length / step <= most), steps[-1])
    first = -(-int(report.start.timestamp()) // step) * step
    return [seconds * 1000 for seconds in range(first, int(report.end.timestamp()) + 1, step)]


def _time_axis(report: Report, width: int) -> alt.Axis:
    days = (report.end - report.start).days >= 2
    return alt.Axis(
        values=_ticks(report, width),
        format="%d %b" if days else "%H:%M",
        title=None,
        grid=False,
    )


def _no_axis(report: Report, width: int) -> alt.Axis:
    return alt.Axis(
        values=_ticks(report, width), labels=False, title=None, ticks=False, domain=True, grid=False
    )


def _data(store: Store, values: Sequence[dict[str, Any]]) -> Any:
    """Values by a name, kept beside the chart: Altair copies what is in a chart a hundred times over."""
    name = f"d{len(store)}"
    store[name] = list(values)
    return alt.NamedData(name=name)


def _millis(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _dressed(chart: Chart) -> Chart:
    muted = {"labelColor": MUTED, "titleColor": MUTED}
    return chart.configure(  # at once: each call copies the whole chart
        font=FONT,
        background="#ffffff",
        padding={"left": 14, "right": 14, "top": 6, "bottom": 4},
        axis=muted | {"domainColor": RULE, "tickColor": RULE, "labelFontSize": 11},
        view={"stroke": None},
        legend=muted | {"labelFontSize": 10, "titleFontSize": 10},
    )
