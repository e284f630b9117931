"""A picture of one event of a backtest: reachability with its expected band, the detector's score, the alarm.

For whoever asks why an alarm came, or why none did; the page for the public is `streams.publish.report`.
Drawn offline by Altair and vl-convert (extra `charts`), which are asked for only when something is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from detectors.readings import Reading
from streams.errors import install
from streams.publish.scorecard import Label
from streams.records import Incident, Kind, Scope

SUFFIXES: Final = (".html", ".svg", ".png")
MARGIN_MIN: Final = timedelta(hours=1)
#: How much is drawn before and after the event, as a share of its length.
MARGIN_SHARE: Final = 0.5
#: Points across. More windows than that are put together.
POINTS_MAX: Final = 600
PLATFORMS_MAX: Final = 8
NETWORKS_MAX: Final = 4
BAND_SIGMAS: Final = 2.0
_LOST: Final = "#a3182c"
_SEEN: Final = "#2f5d8a"
_TRUTH: Final = "#7a5200"


class PictureError(Exception):
    """A picture that can't be drawn; the message says why and what to do."""


@dataclass(slots=True)
class _Track:
    """What one platform did in one country, a value a window."""

    start: list[int] = field(default_factory=list)
    n: list[int] = field(default_factory=list)
    k: list[int] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)

    def add(self, start: int, n: int, k: int, expected: float, score: float) -> None:
        """Put a window behind the others."""
        self.start.append(start)
        self.n.append(n)
        self.k.append(k)
        self.expected.append(expected)
        self.score.append(score)


class Recorder:
    """Remembers every window's reading of every (country, platform), to draw from. Give it to `Backtest`.

    Networks are remembered while something stirs in their country: readings have no more.
    """

    def __init__(self) -> None:
        self.tracks: dict[tuple[str, str], _Track] = {}
        self.networks: dict[tuple[str, str, int], _Track] = {}

    def __call__(self, reading: Reading) -> None:
        """Take one reading in."""
        health = reading.health
        columns = (health.n, health.k, health.expected, health.score)
        for country, platform, n, k, expected, score in zip(
            health.country, health.platform, *(column.tolist() for column in columns), strict=True
        ):
            track = self.tracks.setdefault((country, platform), _Track())
            track.add(reading.start, int(n), int(k), expected, score)
        for place in reading.countries:
            for (platform, asn), standing in place.networks.items():
                track = self.networks.setdefault((place.country, platform, asn), _Track())
                track.add(reading.start, standing.n, standing.k, standing.expected, standing.score)


@dataclass(frozen=True)
class Excerpt:
    """What is drawn: a span, a place and its platforms, the alarm's span if there was one, and the truth's."""

    title: str
    country: str
    platforms: tuple[str, ...]
    #: Networks to draw beside the country's line: those of an incident of few networks.
    asns: tuple[int, ...]
    begin: datetime
    end: datetime
    alarm: tuple[datetime, datetime] | None
    truth: tuple[datetime, datetime] | None
    simulated: bool


def choose(
    which: str | None,
    incidents: Sequence[Incident],
    labels: Sequence[Label],
    recorder: Recorder,
    end: datetime,
) -> Excerpt:
    """The event that is meant: an incident's id, `label:3` (the third, 1 is the first), or None for the first.

    Raises
    ------
    PictureError
        Nothing of that name, or nothing at all.
    """
    last = {incident.id: incident for incident in incidents}
    if which is None:
        if not last and not labels:
            raise PictureError("no incident and no label: there is nothing to draw")
        which = next(iter(last)) if last else "label:1"
    if which.startswith("label:"):
        number = which.removeprefix("label:")
        if not number.isdigit() or not 1 <= int(number) <= len(labels):
            raise PictureError(f"event {which!r}: there are {len(labels)} labels; label:1 is the first")
        return _of_label(labels[int(number) - 1], list(last.values()), recorder, end)
    if which not in last:
        raise PictureError(
            f"event {which!r}: no such incident; they are {', '.join(last) or 'none'}, or label:N"
        )
    return _of_incident(last[which], labels, recorder, end)


def draw(event: Excerpt, recorder: Recorder, path: Path) -> None:
    """Draw an event into a file: .html (whole, nothing is fetched), .svg or .png.

    Raises
    ------
    PictureError
        An unknown ending, no reading in the span, or the extra `charts` not installed.
    """
    if path.suffix not in SUFFIXES:
        raise PictureError(f"{path}: its name must end in {', '.join(SUFFIXES)}")
    try:
        import altair as alt  # noqa: PLC0415  an extra, and slow to load
        import vl_convert as vlc  # noqa: PLC0415
    except ImportError as error:
        raise PictureError(f"a picture needs the extra charts; {install('charts')}") from error
    tracks = [
        (f"{platform} on AS{asn}" if asn else platform, track)
        for platform in event.platforms[:PLATFORMS_MAX]
        for asn in (0, *event.asns)
        if (track := _track(recorder, event.country, platform, asn)) is not None
    ]
    store: dict[
        str, list[dict[str, Any]]
    ] = {}  # rows by name: Altair copies what is in a chart many times over
    parts = [part for name, track in tracks if (part := _part(alt, store, event, name, track)) is not None]
    if not parts:
        raise PictureError(f"{event.title}: no results of {', '.join(event.platforms)} in its time")
    mark = "SIMULATED: " if event.simulated else ""
    chart = (
        alt.vconcat(*parts, spacing=14)
        .properties(title=alt.TitleParams(mark + event.title, anchor="start", fontSize=14))
        .configure(
            view={"stroke": "#d5dae1"},
            axis={"labelColor": "#5a6472", "titleColor": "#5a6472", "gridColor": "#eef1f4"},
        )
    )
    spec = chart.to_dict(format="vega-lite") | {"datasets": store}
    match path.suffix:
        case ".html":
            path.write_text(
                _page(vlc.javascript_bundle("window.vegaEmbed = vegaEmbed;"), event.title, spec),
                encoding="utf-8",
            )
        case ".svg":
            path.write_text(vlc.vegalite_to_svg(spec), encoding="utf-8")
        case _:
            path.write_bytes(vlc.vegalite_to_png(spec, scale=2))


def _page(library: str, title: str, spec: dict[str, Any]) -> str:
    """A whole page. Names come from records, so none of them may end the script that it stands in."""
    data = json.dumps(spec).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n<div id="picture"></div>\n'
        f'<script>{library}</script>\n<script>vegaEmbed("#picture", {data});</script>\n'
    )


def _of_incident(incident: Incident, labels: Sequence[Label], recorder: Recorder, end: datetime) -> Excerpt:
    until = incident.resolved or end
    country = incident.country or (incident.countries[0] if incident.countries else "")
    truth = None
    for label in labels:
        span = _span(label)
        meets = span[0] <= until and span[1] >= incident.onset
        if meets and label.country in {None, "", "*", country}:
            truth = span
            break
    return Excerpt(
        title=f"{incident.id}: {incident.kind}, {incident.scope}, {country}",
        country=country,
        platforms=incident.platforms or _known(recorder, country),
        asns=()
        if incident.scope is Scope.NATION_SCALE
        else tuple(network.asn for network in incident.networks)[:NETWORKS_MAX],
        begin=incident.onset,
        end=until,
        alarm=(incident.detected, until),
        truth=truth,
        simulated=incident.simulated,
    )


def _of_label(label: Label, incidents: Sequence[Incident], recorder: Recorder, end: datetime) -> Excerpt:
    begin, until = _span(label)
    country = (
        label.country if label.country and label.country != "*" else next(iter(recorder.tracks), ("", ""))[0]
    )
    alarm = None
    for incident in incidents:
        closed = incident.resolved or end
        here = incident.kind is Kind.GLOBAL or incident.country == country
        if here and incident.detected <= until and closed >= begin:
            alarm = (incident.detected, closed)
            break
    return Excerpt(
        title=f"{label.event or label.kind}, {country}",
        country=country,
        platforms=tuple(label.platforms) or _known(recorder, country),
        asns=tuple(label.asns) if len(label.asns) <= 1 else (),
        begin=begin,
        end=until,
        alarm=alarm,
        truth=(begin, until),
        simulated=any(incident.simulated for incident in incidents),
    )


def _known(recorder: Recorder, country: str) -> tuple[str, ...]:
    return tuple(sorted({platform for place, platform in recorder.tracks if place == country}))


def _span(label: Label) -> tuple[datetime, datetime]:
    begin, end = (
        datetime.fromtimestamp(time, UTC) if not isinstance(time, datetime) else time
        for time in (label.start, label.end)
    )
    return (
        begin if begin.tzinfo else begin.replace(tzinfo=UTC),
        end if end.tzinfo else end.replace(tzinfo=UTC),
    )


def _track(recorder: Recorder, country: str, platform: str, asn: int) -> _Track | None:
    if asn:
        return recorder.networks.get((country, platform, asn))
    return recorder.tracks.get((country, platform))


def _part(alt: Any, store: dict[str, list[dict[str, Any]]], event: Excerpt, name: str, track: _Track) -> Any:
    """Two strips of one series: reachability, and below it the score; None without results."""
    margin = max(MARGIN_MIN, (event.end - event.begin) * MARGIN_SHARE)
    rows = _rows(track, event.begin - margin, event.end + margin)
    if not rows:
        return None
    x = alt.X("time:T", title=None, axis=alt.Axis(format="%d %b %H:%M", labelOverlap=True))
    store[f"rows{len(store)}"] = rows
    data = alt.Chart(alt.NamedData(name=f"rows{len(store) - 1}")).properties(width=760)
    ratio_scale = alt.Scale(domain=[0, 1])
    ratio = alt.layer(
        *_shades(alt, event),
        data.mark_area(color=_SEEN, opacity=0.15).encode(
            x=x,
            y=alt.Y("low:Q", scale=ratio_scale, title="reachability", axis=alt.Axis(format=".0%")),
            y2="high:Q",
        ),
        data.mark_line(color=_SEEN, strokeDash=[4, 3], strokeWidth=1).encode(x=x, y="expected:Q"),
        data.mark_line(color="#1c2430", strokeWidth=1.3).encode(x=x, y="ratio:Q"),
    ).properties(height=110, title=alt.TitleParams(name, anchor="start", fontSize=12))
    threshold = alt.Chart(alt.Data(values=[{"alarm": 1.0}])).mark_rule(color=_LOST, strokeDash=[2, 2])
    score = alt.layer(
        *_shades(alt, event),
        data.mark_area(color=_LOST, opacity=0.25, line={"color": _LOST, "strokeWidth": 1}).encode(
            x=x, y=alt.Y("score:Q", title="score (1 alarms)")
        ),
        threshold.encode(y="alarm:Q"),
    ).properties(height=60)
    return alt.vconcat(ratio, score, spacing=2).resolve_scale(x="shared")


def _shades(alt: Any, event: Excerpt) -> list[Any]:
    """The truth as a frame in one colour, the alarm as a shade in another."""
    shades = []
    for span, colour, opacity, name in (
        (event.truth, _TRUTH, 0.10, "what happened"),
        (event.alarm, _LOST, 0.10, "alarm"),
    ):
        if span is not None:
            values = [{"from": _text(span[0]), "to": _text(span[1]), "name": name}]
            shades.append(
                alt.Chart(alt.Data(values=values))
                .mark_rect(color=colour, opacity=opacity, stroke=colour, strokeWidth=1, clip=True)
                .encode(x="from:T", x2="to:T", tooltip="name:N")
            )
    return shades


def _rows(track: _Track, begin: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return the windows of the span, put together if they are too many. One without results breaks the line."""
    chosen = [i for i, start in enumerate(track.start) if begin.timestamp() <= start <= end.timestamp()]
    step = max(1, math.ceil(len(chosen) / POINTS_MAX))
    rows = []
    for first in range(0, len(chosen), step):
        part = chosen[first : first + step]
        n, k = sum(track.n[i] for i in part), sum(track.k[i] for i in part)
        expected = sum(track.expected[i] for i in part) / len(part)
        wide = BAND_SIGMAS * math.sqrt(max(expected * (1 - expected), 0.0) / n) if n else 0.0
        rows.append(
            {
                "time": _text(datetime.fromtimestamp(track.start[part[0]], UTC)),
                "ratio": k / n if n else None,
                "expected": expected,
                "low": max(0.0, expected - wide) if n else None,
                "high": min(1.0, expected + wide) if n else None,
                "score": max(track.score[i] for i in part),
            }
        )
    return rows


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
