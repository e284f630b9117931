"""Draws lines over time as SVG: what is usual, what was measured, and the gap between them. Knows no record.

Colours and fonts come from the page's style sheet, by class, so that a chart follows light, dark and print. Where a
chart stands alone (a picture), `STANDALONE` goes into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from producers.names import visible

WIDE: Final = 920
NARROW: Final = 400
#: Less than this below the usual is not drawn as missing.
LOSS_LEAST: Final = 0.05
_ROW: Final = 80
_PLOT: Final = 44
_TOP: Final = 8
#: Where the lines begin: left of it stand the figures of the axis.
_LEFT: Final = 42
#: So many standard errors around the usual are drawn: chance alone leaves 19 of 20 readings in them.
_BAND: Final = 2.0
#: What is marked on the axis of every line.
_MARKS: Final = (1.0, 0.5, 0.0)
_FROM_RIGHT: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_AXIS: Final = 26
#: Distances of ticks, in seconds; the first is taken of which there are few enough.
_TICKS: Final = (
    300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400,
    91 * 86_400, 365 * 86_400,
)  # fmt: skip

STANDALONE: Final = """
svg{background:#fbfaf7;font-family:'Netdusk Sans','Helvetica Neue',Arial,'Liberation Sans',sans-serif}
.c-name{font-weight:600;fill:#14171c}.c-note,.c-tick,.c-y{fill:#5a626d}.c-tick,.c-note{font-size:11px}.c-y{font-size:9.5px}
.c-name{font-size:13px}.c-grid{stroke:#dcd8cf;stroke-width:1}.c-now{stroke:#1d3f66;stroke-width:1.6;fill:none}
.c-area{fill:#9db7d3;fill-opacity:.42}.c-loss{fill:#c33b1b;fill-opacity:.82}
.c-band{fill:#5a626d;fill-opacity:.22}.c-usual{stroke:#5a626d;stroke-dasharray:3 3;fill:none}
.c-shade{fill:#c33b1b;fill-opacity:.07}.c-edge{stroke:#c33b1b;stroke-width:1}.c-mark{fill:#8a5a00}
.c-title{font-size:22px;font-weight:700;fill:#14171c}.c-bad{fill:#a82c0f;font-weight:600}.c-sim{fill:#7a5200;font-weight:700}
"""


def shown(text: str) -> str:
    """Text from outside, as SVG and XML may have it and a reader can see it."""
    return escape(visible(text))


def begins_from_right(text: str) -> bool:
    """Whether the first letter of a text is read from the right.

    >>> begins_from_right("5 % · معمول"), begins_from_right("X, باكستان")
    (True, False)
    """
    first = next((letter for letter in text if letter.isalpha()), "")
    return bool(_FROM_RIGHT.match(first))


@dataclass(slots=True)
class Line:
    """One row of a chart. Ratios are from 0 to 1; None: nothing was measured, or no usual was known."""

    name: str
    ratios: Sequence[float | None]
    usual: Sequence[float | None] = ()
    note: str = ""
    bad: bool = False
    href: str | None = None
    #: The standard error around `usual` that chance alone leaves.
    errors: Sequence[float | None] = ()


@dataclass(slots=True)
class Shade:
    """A stretch of time that is marked: an incident, or something planned."""

    start: datetime
    end: datetime
    label: str = ""
    kind: str = "incident"


@dataclass(frozen=True, slots=True)
class Speech:
    """The words of a chart: those of its description, and its dates by a pattern of the CLDR (`d MMM`, `MMM y`)."""

    extent: str = "from %(least)s to %(most)s, last %(last)s"
    nothing: str = "nothing was measured"
    percent: Callable[[float], str] = lambda ratio: f"{100 * ratio:.0f} %"
    date: Callable[[datetime, str], str] = lambda moment, form: (
        f"{moment:%b %Y}" if form == "MMM y" else f"{moment.day} {moment:%b}"
    )


ENGLISH: Final = Speech()


@dataclass(slots=True)
class Chart:
    """Lines over one span, in steps of `step` seconds from `start` on."""

    start: datetime
    step: int
    lines: Sequence[Line]
    title: str
    shades: Sequence[Shade] = field(default_factory=list)
    # Where a day begins on the axis; the hours are of this zone.
    offset: timedelta = timedelta(0)
    zone: str = "UTC"
    speech: Speech = ENGLISH

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return max((len(line.ratios) for line in self.lines), default=0)


def svg(
    chart: Chart, width: int, *, ident: str = "chart", standalone: bool = False, head: Sequence[str] = ()
) -> str:
    """The chart as an SVG element; `head` are lines of text over it."""
    left, right = _LEFT, width
    top = _TOP + (30 * len(head) + 10 if head else 0)
    height = top + _ROW * len(chart.lines) + _AXIS
    steps = max(1, chart.steps)
    # A picture holds nothing that can be followed.
    role = "group" if any(line.href for line in chart.lines) else "img"
    scale = (right - left) / steps

    def x(moment: datetime) -> float:
        position = (moment - chart.start).total_seconds() / chart.step * scale
        return min(right, max(left, left + position))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="{role}" aria-labelledby="{ident}-t {ident}-d">',
        f'<title id="{ident}-t">{shown(chart.title)}</title><desc id="{ident}-d">{shown(describe(chart))}</desc>',
    ]
    if standalone:
        parts[0] = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-24 -12 {width + 48} {height + 24}" '
            f'width="{width + 48}" height="{height + 24}">'
        )
        parts.append(
            f'<style>{STANDALONE}</style><rect x="-24" y="-12" width="{width + 48}" height="{height + 24}" '
            'fill="#fbfaf7"/>'
        )
    for number, text in enumerate(head):
        kind = "c-title" if number == 0 else "c-note"
        parts.append(f'<text class="{kind}" x="0" y="{30 + 26 * number}">{shown(text)}</text>')
    bottom = top + _ROW * len(chart.lines)
    for shade in chart.shades:
        begin, end = x(shade.start), x(shade.end)
        if shade.kind == "incident":
            parts.append(
                f'<rect class="c-shade" x="{begin:.1f}" y="{top}" width="{max(1.0, end - begin):.1f}" '
                f'height="{bottom - top}"/><line class="c-edge" x1="{begin:.1f}" x2="{begin:.1f}" y1="{top}" '
                f'y2="{bottom}"/>'
            )
        else:
            parts.append(
                f'<rect class="c-mark" x="{begin:.1f}" y="{bottom - 3}" width="{max(3.0, end - begin):.1f}" height="3">'
                f"<title>{shown(shade.label)}</title></rect>"
            )
    for number, line in enumerate(chart.lines):
        parts.append(_row(line, top + number * _ROW, width, scale, chart.speech))
    parts.append(_axis(chart, bottom, width))
    parts.append("</svg>")
    return "".join(parts)


def _parts(note: str) -> str:
    """A note; its parts stand apart where some are read from the right, so that figures keep their places."""
    if not _FROM_RIGHT.search(note):
        return shown(note)
    return " · ".join(f'<tspan class="c-part">{shown(part)}</tspan>' for part in note.split(" · "))


def _row(line: Line, y: int, width: int, scale: float, speech: Speech) -> str:
    base = y + _ROW - 8
    name = f'<text class="c-name" x="0" y="{y + 14}">{shown(line.name)}</text>'
    if line.href:
        name = f'<a href="{shown(line.href)}">{name}</a>'
    note = (
        f'<text class="c-note{" c-bad" if line.bad else ""}" x="{width}" y="{y + 14}" text-anchor="end">'
        f"{_parts(line.note)}</text>"
    )

    def at(ratio: float) -> float:
        return base - _PLOT * min(1.0, max(0.0, ratio))

    heights = "".join(f"M{_LEFT} {at(mark):g}H{width}" for mark in _MARKS)
    grid = f'<path class="c-grid" d="{heights}"/>' + "".join(
        f'<text class="c-y" x="{_LEFT - 6}" y="{at(mark) + 3.5:g}" text-anchor="end">'
        f"{shown(speech.percent(mark))}</text>"
        for mark in _MARKS
    )

    def x(place: float) -> str:
        return f"{_LEFT + place * scale:.1f}"

    area, now, usual = [], [], []
    for begin, end in runs(line.ratios):
        points = []
        for place in range(begin, end):
            height = f"{at(line.ratios[place] or 0.0):.1f}"
            points.append(f"{x(place)} {height}L{x(place + 1)} {height}")
        path = "L".join(points)
        now.append(f"M{path}")
        area.append(f"M{x(begin)} {base}L{path}L{x(end)} {base}Z")
    for begin, end in runs(line.usual):
        path = "L".join(f"{x(place + 0.5)} {at(line.usual[place] or 0.0):.1f}" for place in range(begin, end))
        if end - begin > 1:
            usual.append(f"M{path}")
    return (
        f'{name}{note}{grid}<path class="c-area" d="{"".join(area)}"/>'
        f'<path class="c-loss" d="{loss_path(line, _LEFT, scale, at)}"/>'
        f'<path class="c-band" d="{_band_path(line, scale, at)}"/>'
        f'<path class="c-now" d="{"".join(now)}"/><path class="c-usual" d="{"".join(usual)}"/>'
    )


def _band_path(line: Line, scale: float, at: Callable[[float], float]) -> str:
    """What chance alone leaves around the usual, as one path, with a corner where its height changes."""
    spans = [
        None
        if usual is None or error is None
        else tuple(round(2 * at(usual + side * _BAND * error)) / 2 for side in (1, -1))
        for usual, error in zip(line.usual, line.errors, strict=False)
    ]
    shapes = []
    for begin, end in runs(spans):
        own = [span or (0.0, 0.0) for span in spans[begin:end]]
        path = f"M{_LEFT + begin * scale:.1f} {own[0][0]:g}"
        for place in range(1, end - begin):
            if own[place][0] != own[place - 1][0]:
                path += f"H{_LEFT + (begin + place) * scale:.1f}V{own[place][0]:g}"
        path += f"H{_LEFT + end * scale:.1f}V{own[-1][1]:g}"
        for place in range(end - begin - 1, 0, -1):
            if own[place][1] != own[place - 1][1]:
                path += f"H{_LEFT + (begin + place) * scale:.1f}V{own[place - 1][1]:g}"
        shapes.append(f"{path}H{_LEFT + begin * scale:.1f}Z")
    return "".join(shapes)


def loss_path(line: Line, left: float, scale: float, at: Callable[[float], float]) -> str:
    """Return what is missing of the usual as one path: a shape a stretch, so that no hairlines part it.

    `left` is where the first step begins, `scale` how wide a step is, `at` how high a ratio stands.
    """
    missing = [
        (expected, ratio)
        if ratio is not None and expected is not None and expected - ratio > LOSS_LEAST
        else None
        for ratio, expected in zip(line.ratios, line.usual, strict=False)
    ]
    shapes = []
    for begin, end in runs(missing):
        over, under = [], []
        for place in range(begin, end):
            expected, ratio = missing[place] or (0.0, 0.0)
            here, there = left + place * scale, left + (place + 1) * scale
            over.append(f"{here:.1f} {at(expected):.1f}L{there:.1f} {at(expected):.1f}")
            under.append(f"{there:.1f} {at(ratio):.1f}L{here:.1f} {at(ratio):.1f}")
        shapes.append(f"M{'L'.join([*over, *reversed(under)])}Z")
    return "".join(shapes)


def runs(values: Sequence[object]) -> list[tuple[int, int]]:
    """The stretches of values without a gap."""
    runs: list[tuple[int, int]] = []
    begin: int | None = None
    for place, value in enumerate(values):
        if value is not None and begin is None:
            begin = place
        elif value is None and begin is not None:
            runs.append((begin, place))
            begin = None
    if begin is not None:
        runs.append((begin, len(values)))
    return runs


def ticks(chart: Chart, most: int) -> list[tuple[datetime, str]]:
    """Return round moments of a chart's span with their labels, in its own zone; no more than `most` or so."""
    span = chart.steps * chart.step
    distance = next((tick for tick in _TICKS if span / tick <= most), _TICKS[-1])
    local = chart.start + chart.offset
    first = -(-int(local.timestamp()) // distance) * distance
    moments = [
        datetime.fromtimestamp(first + number * distance, UTC) for number in range(int(span // distance) + 1)
    ]
    until = local + timedelta(seconds=span)
    return [
        (moment - chart.offset, _tick(moment, distance, chart.speech))
        for moment in moments
        if moment <= until
    ]


def _axis(chart: Chart, y: int, width: int) -> str:
    parts = []
    for moment, label in ticks(chart, max(2, width // 90)):
        share = (moment - chart.start).total_seconds() / chart.step / max(1, chart.steps)
        place = _LEFT + share * (width - _LEFT)
        anchor = "end" if place > width - 24 else "middle"
        parts.append(
            f'<path class="c-grid" d="M{place:.1f} {y - 4}v5"/>'
            f'<text class="c-tick" x="{place:.1f}" y="{y + 14}" text-anchor="{anchor}">{shown(label)}</text>'
        )
    return "".join(parts)


def _tick(moment: datetime, distance: int, speech: Speech) -> str:
    if distance >= 28 * 86_400:
        return speech.date(moment, "MMM y")
    if distance >= 86_400 or (moment.hour == 0 and moment.minute == 0):
        return speech.date(moment, "d MMM")
    return f"{moment:%H:%M}"


def describe(chart: Chart) -> str:
    """The chart in words, for whoever can't see it.

    >>> describe(Chart(datetime(2024, 1, 20, tzinfo=UTC), 60, [Line("X", [1.0, None, 0.05])], "t"))
    'X: from 5 % to 100 %, last 5 %.'
    """
    speech = chart.speech
    phrases = []
    for line in chart.lines:
        ratios = [ratio for ratio in line.ratios if ratio is not None]
        if ratios:
            least, most, last = (speech.percent(ratio) for ratio in (min(ratios), max(ratios), ratios[-1]))
            phrases.append(f"{line.name}: {speech.extent % {'least': least, 'most': most, 'last': last}}")
        else:
            phrases.append(f"{line.name}: {speech.nothing}")
    return f"{'; '.join(phrases) or speech.nothing}."
