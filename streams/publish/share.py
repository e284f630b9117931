"""An incident as a picture to share, 1200 by 675: headline, figures, chart, source, and whether it is simulated.

A picture goes where its page does not, so all that a reader has to know stands on it. Decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Final

from streams.errors import SettingsError, install
from streams.publish.draw import Chart, Line, Shade, begins_from_right, loss_path, runs, shown, ticks
from streams.publish.pages import local_clock
from streams.publish.report import Report, ReportLine
from streams.records import Kind
from streams.words import as_title, duration

WIDTH: Final = 1200
HEIGHT: Final = 675
_LEFT: Final = 56
_RIGHT: Final = WIDTH - 56
_BAND: Final = 46
_FOOT: Final = HEIGHT - 68
_ROWS_MAX: Final = 4
_ROW_MAX: Final = 330
#: Sizes of the headline, largest first, with how many letters of a line fit, and how many lines.
_SIZES: Final = ((50, 43, 2), (42, 51, 2), (36, 60, 3), (30, 72, 3))
_PAPER, _INK, _MUTED, _RULE = "#fbfaf7", "#14171c", "#565d68", "#ddd9d0"
_LOST, _NOW, _AREA, _ACCENT = "#c33b1b", "#1d3f66", "#9db7d3", "#a82c0f"
_FONT: Final = "'Netdusk Sans','Helvetica Neue',Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif"
#: What is between them is read from the right, whatever stands around it.
_FROM_RIGHT: Final = ("\u202b", "\u202c")


@dataclass(frozen=True, slots=True)
class CardWords:
    """What stands on every picture, in its language."""

    simulated: str = "SIMULATED"
    warning: str = "Made for a test or an exercise. Nothing of it happened."
    nothing: str = "No results of that time were at hand to draw."
    planned: str = "Brown: planned events."
    from_right: bool = False


_ENGLISH: Final = CardWords()


@dataclass(frozen=True, slots=True)
class Card:
    """All that stands on the picture. `figures` are values with what they are; `marks` warn of what it is not."""

    kicker: str
    headline: str
    figures: Sequence[tuple[str, str]]
    measure: str
    source: str
    simulated: bool
    marks: Sequence[str] = ()
    words: CardWords = _ENGLISH


def share_svg(card: Card, chart: Chart | None) -> str:
    """Return the picture as SVG. Without a chart it says that nothing was at hand to draw."""
    words = card.words
    begin, end, start_anchor, end_anchor = (
        (_RIGHT, _LEFT, "end", "start") if words.from_right else (_LEFT, _RIGHT, "start", "end")
    )
    forward = -1 if words.from_right else 1

    def text(
        x: float, y: float, what: str, size: int, fill: str, *, weight: int = 400, far: bool = False
    ) -> str:
        anchor = end_anchor if far else start_anchor
        return _text(x, y, what, size, fill, weight=weight, anchor=anchor, from_right=words.from_right)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="{_FONT}"><rect width="{WIDTH}" height="{HEIGHT}" fill="{_PAPER}"/>'
    ]
    top = 30
    if card.simulated:
        wide = round(21 * 0.74 * len(words.simulated)) + 24
        parts.append(
            f'<rect width="{WIDTH}" height="{_BAND}" fill="#ffd24a"/>'
            + text(begin, 31, words.simulated, 21, "#221900", weight=700)
            + text(begin + forward * wide, 31, words.warning, 20, "#221900")
        )
        top += _BAND - 10
    y = top + 30
    kicker = text(begin, y, card.kicker, 20, _ACCENT, weight=700)
    if card.marks:
        kicker += text(end, y, " · ".join(card.marks).upper(), 20, "#7a5200", weight=700, far=True)
    parts.append(kicker)
    size, lines = _headline(card.headline.replace(" (", "\u00a0("))
    for line in lines:
        y += round(size * 1.16)
        parts.append(text(begin, y, line, size, _INK, weight=700))
    y += 50 if len(lines) > 1 else 66
    across = begin
    for value, what in card.figures:
        parts.append(text(across, y, value, 30, _INK, weight=700) + text(across, y + 26, what, 18, _MUTED))
        across += forward * (max(150, round(18 * 0.5 * len(what)), round(30 * 0.56 * len(value))) + 36)
    y += 44
    planned = f" {words.planned}" if chart and any(one.kind != "incident" for one in chart.shades) else ""
    parts.append(
        _chart(chart, y, _FOOT - 8, card)
        if chart is not None and chart.lines
        else text(begin, y + 40, words.nothing, 22, _MUTED)
    )
    parts.append(
        f'<path d="M{_LEFT} {_FOOT}H{_RIGHT}" stroke="{_INK}" stroke-width="2"/>'
        + text(begin, _FOOT + 27, card.source, 18, _INK, weight=700)
        + text(begin, _FOOT + 51, f"{card.measure}{planned}", 16, _MUTED)
        + "</svg>"
    )
    return "".join(parts)


def share_png(card: Card, chart: Chart | None) -> bytes:
    """Return the picture as PNG, 1200 by 675. Raises SettingsError where the extra `charts` is not installed."""
    return png(share_svg(card, chart), scale=1.0)


def png(picture: str, *, scale: float = 2.0) -> bytes:
    """Return an SVG as a PNG. Raises SettingsError where the extra `charts` is not installed."""
    try:
        import vl_convert  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(f"a picture needs {error.name}; {install('charts')}") from error
    _with_fonts(vl_convert.register_font_directory)
    return bytes(vl_convert.svg_to_png(picture, scale=scale))


@lru_cache(maxsize=1)
def _with_fonts(register: Callable[[str], object]) -> None:
    """Let pictures be drawn with fonts of our own: the machine may have none, or others."""
    with as_file(files("streams.publish") / "fonts") as folder:
        register(str(folder))


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of so many letters; a longer word is cut.

    >>> wrapped("Access to a very-long-name was lost", 12)
    ['Access to a', 'very-long-n…', 'was lost']
    """
    lines = [""]
    for word in re.split(r"[ \t\r\n]+", text.strip()):  # what must not break is kept whole
        word = word if len(word) <= width else f"{word[: width - 1]}…"
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _headline(text: str) -> tuple[int, list[str]]:
    """The largest size at which a headline fits; one that fits at none is cut."""
    for size, letters, most in _SIZES:
        lines = wrapped(text, letters)
        if len(lines) <= most:
            return size, lines
    size, letters, most = _SIZES[-1]
    lines = wrapped(text, letters)[:most]
    return size, [*lines[:-1], f"{lines[-1][: letters - 2]} …"]


def _text(
    x: float,
    y: float,
    text: str,
    size: int,
    fill: str,
    *,
    weight: int = 400,
    anchor: str = "start",
    halo: bool = False,
    from_right: bool = False,
) -> str:
    more = (f' stroke="{_PAPER}" stroke-width="5" paint-order="stroke"' if halo else "") + (
        f' text-anchor="{anchor}"' if anchor != "start" else ""
    )
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" fill="{fill}"{more}>'
        f"{shown(text).join(_FROM_RIGHT) if from_right or begins_from_right(text) else shown(text)}</text>"
    )


def _chart(chart: Chart, top: int, bottom: int, card: Card) -> str:
    """Lines as strips that fill what there is; more than four are counted."""
    rows = list(chart.lines)[:_ROWS_MAX]
    left_out = len(chart.lines) - len(rows)
    end = bottom - 26
    row = min(_ROW_MAX, (end - top) // len(rows))
    end = top + row * len(rows)
    scale = (_RIGHT - _LEFT) / max(1, chart.steps)

    def x(moment: datetime) -> float:
        position = (moment - chart.start).total_seconds() / chart.step * scale
        return min(float(_RIGHT), max(float(_LEFT), _LEFT + position))

    parts = []
    for shade in chart.shades:
        if shade.kind == "incident":
            begin, until = x(shade.start), x(shade.end)
            parts.append(
                f'<rect x="{begin:.1f}" y="{top}" width="{max(1.0, until - begin):.1f}" height="{end - top}" '
                f'fill="{_LOST}" fill-opacity=".07"/><path d="M{begin:.1f} {top}V{end}" stroke="{_LOST}"/>'
            )
    parts += [_strip(line, top + number * row, row, scale) for number, line in enumerate(rows)]
    for shade in chart.shades:
        if shade.kind != "incident":
            begin, until = x(shade.start), x(shade.end)
            parts.append(
                f'<rect x="{begin:.1f}" y="{end - 5}" width="{max(4.0, until - begin):.1f}" height="5" fill="#8a5a00"/>'
            )
    for moment, label in ticks(chart, 11):
        place = x(moment)
        if _LEFT + 20 < place < _RIGHT - 20:
            parts.append(
                f'<path d="M{place:.1f} {end}v6" stroke="{_MUTED}"/>'
                + _text(place, end + 23, label, 16, _MUTED, anchor="middle")
            )
    if left_out:
        parts.append(_text(_RIGHT, end + 23, f"+{left_out}", 16, _MUTED, anchor="end"))
    if card.simulated:
        spacing = "" if card.words.from_right else ' letter-spacing="14"'
        parts.append(
            f'<text x="{WIDTH / 2:.0f}" y="{(top + end) / 2 + 30:.0f}" font-size="92" font-weight="700" fill="{_INK}" '
            f'fill-opacity=".13" text-anchor="middle"{spacing}>{shown(card.words.simulated)}</text>'
        )
    return "".join(parts)


def _strip(line: Line, y: int, row: int, scale: float) -> str:
    base, high = y + row - 8, y + 30

    def at(ratio: float) -> float:
        return base - (base - high) * min(1.0, max(0.0, ratio))

    color = _ACCENT if line.bad else _MUTED
    area, now, usual = [], [], []
    for begin, end in runs(line.ratios):
        path = "L".join(
            f"{_LEFT + place * scale:.1f} {at(line.ratios[place] or 0.0):.1f}"
            f"L{_LEFT + (place + 1) * scale:.1f} {at(line.ratios[place] or 0.0):.1f}"
            for place in range(begin, end)
        )
        now.append(f"M{path}")
        area.append(f"M{_LEFT + begin * scale:.1f} {base}L{path}L{_LEFT + end * scale:.1f} {base}Z")
    for begin, end in runs(line.usual):
        path = "".join(
            f"V{at(line.usual[place] or 0.0):.1f}H{_LEFT + (place + 1) * scale:.1f}"
            for place in range(begin, end)
        )
        usual.append(f"M{_LEFT + begin * scale:.1f} {at(line.usual[begin] or 0.0):.1f}{path}")
    return (
        f'<path d="M{_LEFT} {base}H{_RIGHT}M{_LEFT} {high}H{_RIGHT}" stroke="{_RULE}"/>'
        f'<path d="{"".join(area)}" fill="{_AREA}" fill-opacity=".42"/>'
        f'<path d="{loss_path(line, _LEFT, scale, at)}" fill="{_LOST}" fill-opacity=".85"/>'
        f'<path d="{"".join(now)}" stroke="{_NOW}" stroke-width="2" fill="none"/>'
        f'<path d="{"".join(usual)}" stroke="{_MUTED}" stroke-dasharray="4 4" fill="none"/>'
        + _text(_LEFT, y + 22, line.name, 19, _INK, weight=700, halo=True)
        + _text(
            _RIGHT,
            y + 22,
            line.note,
            18,
            color,
            weight=600 if line.bad else 400,
            anchor="end",
            halo=True,
        )
    )


# ---- of a report


def to_png(report: Report) -> bytes:
    """Return a report as a picture. Raises SettingsError where there is nothing to draw, or no extra `charts`."""
    chart = chart_of(report)
    if chart is None:
        raise SettingsError(f"{report.id}: no results of that time to draw; take --format html, md or json")
    marks = ("false alarm",) if report.false_alarm else ()
    return share_png(card_of(report, f"Source: {report.source}", marks), chart)


def card_of(report: Report, source: str, marks: Sequence[str] = ()) -> Card:
    """Return what stands on the picture of a report; `source` says where its page is."""
    over = report.resolved is not None
    connectivity = report.kind is Kind.CONNECTIVITY
    shown = report.worst if over else report.now
    what = (
        "of the usual results arrive"
        if connectivity
        else f"of attempts succeed, usually {_percent(shown.usual)}"
    )
    if over:
        what = f"at the worst, usually {_percent(shown.usual)}"
    local = local_clock(report.onset, report.country).split(" (")[0]
    onset = report.onset.astimezone(UTC)
    counted = (
        (str(len(report.networks)), "countries affected")
        if report.kind is Kind.GLOBAL
        else (
            f"{len(report.networks)} of {max(report.networks_live, len(report.networks))}",
            "networks affected",
        )
    )
    word = "Connectivity lost" if connectivity else f"{report.severity.value.capitalize()} disruption"
    return Card(
        kicker=f"{report.place} · {word}{', over' if over else ''}",
        headline=as_title(report.headline),
        figures=(
            (_percent(shown.now), what),
            (f"{onset:%H:%M} UTC", f"{onset.day} {onset:%B %Y}{local and f', {local}'}"),
            (duration(report.duration_seconds), "in all" if over else "so far"),
            counted,
        ),
        measure=_MEASURES[report.kind],
        source=source,
        simulated=report.simulated,
        marks=(*(() if report.confirmed else ("unconfirmed",)), *marks),
    )


def chart_of(report: Report) -> Chart | None:
    """Return a report's lines as a chart: what was lost first, then what stayed well."""
    if not report.lines:
        return None
    lines = [
        Line(
            line.label,
            [point.ratio for point in line.points],
            [report.worst.usual] * len(line.points),
            _note(report, line),
            line.affected and report.resolved is None,
        )
        for line in report.lines
    ]
    until = report.resolved or report.end
    shades = [Shade(report.onset, until)]
    shades += [Shade(event.start, event.end, event.title, "planned") for event in report.events]
    return Chart(report.lines[0].points[0].time, report.step_seconds, lines, report.headline, shades)


_MEASURES: Final = {
    Kind.PLATFORM: "Attempts that succeed, every network counted alike. Red: missing of the usual. Times are UTC.",
    Kind.CONNECTIVITY: "Results that arrive, of those usual before. Red: what is missing. Times are UTC.",
    Kind.GLOBAL: "Attempts that succeed, every country counted alike. Red: missing of the usual. Times are UTC.",
}


def _note(report: Report, line: ReportLine) -> str:
    until = report.resolved or report.end
    during = [p.ratio for p in line.points if p.ratio is not None and report.onset <= p.time < until]
    if not during:
        return "nothing was measured"
    if not line.affected:
        return f"{_percent(sum(during) / len(during))}, for comparison"
    if report.resolved is not None:
        return f"{_percent(sum(during) / len(during))} meanwhile"
    return f"{_percent(during[-1])} now"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %"
