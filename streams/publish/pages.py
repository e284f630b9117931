"""A report as a page (HTML), a picture (PNG), a text (Markdown): how it looks, and no fact of its own.

The page is one file that asks nobody for anything. Whatever comes from outside (names, titles, sources) is escaped.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from detectors.localtime import local_seconds
from producers.names import visible
from streams.counting import amount
from streams.errors import install
from streams.publish.cost import SOURCE
from streams.publish.report import Report, ReportLine
from streams.records import Corroboration, Evidence
from streams.settings import SettingsError
from streams.words import NOTED, duration

_REMEDY: Final = f"install the extra ({install('charts')}), or take --format md or json"
#: What stands under the headline of what a person has marked so.
FALSE_ALARM: Final = "A person has marked this as a false alarm."
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_SPARK_WIDTH: Final = 60


def link_words(text: str) -> str | None:
    """What a link is shown as; None for a text that is no address of the web, which is shown as it is.

    >>> link_words("https://news.example/rally?x=1"), link_words("javascript:alert(1)"), link_words("http://[")
    ('news.example/rally', None, None)
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.netloc or " " in text:
        return None
    return parts.netloc + (parts.path if len(parts.path) > 1 else "")


def to_html(report: Report) -> str:
    """The page. Raises SettingsError where the extra `charts` is not installed."""
    try:
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  an extra
        from markupsafe import Markup, escape  # noqa: PLC0415

        from streams.publish import charts  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(f"--format html needs {error.name}; {_REMEDY}") from error

    def source(text: str) -> Markup:
        """Return a source as HTML, as a link if it is one."""
        if (shown := link_words(text)) is not None:
            return Markup('<a href="{0}" rel="noopener noreferrer nofollow">{1}</a>').format(text, shown)
        return escape(text)

    def drawn(draw: Any, width: int) -> Markup:
        chart = draw(report, width)
        name = f"{draw.__name__}-{width}"
        return Markup(charts.to_svg(chart, name, words)) if chart is not None else Markup()  # noqa: S704  drawn here

    words = charts.describe(report)
    environment = Environment(
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": clock,
        "hour": lambda time: f"{time:%H:%M}",
        "day": day,
        "local": local_clock,
        "iso": lambda time: time.isoformat(),
        "duration": duration,
        "percent": lambda ratio: percent(ratio).replace(" ", "\u00a0"),
        "css_percent": lambda ratio: f"{100 * min(1.0, max(0.0, ratio)):.1f}%",
        "thousands": lambda number: f"{number:,}",
        "figure": figure,
        "source": source,
        "noted": lambda kind: NOTED[kind],
        "usd": usd,
    }
    templates = files("streams.publish") / "templates"
    template = environment.from_string((templates / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        r=report,
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),  # noqa: S704  a file of ours
        chart_wide=drawn(charts.strips, charts.WIDE),
        chart_narrow=drawn(charts.strips, charts.NARROW),
        grid_wide=drawn(charts.grid, charts.WIDE),
        grid_narrow=drawn(charts.grid, charts.NARROW),
        cost_source=SOURCE,
        false_alarm=FALSE_ALARM if report.false_alarm else "",
    )


def to_markdown(report: Report) -> str:
    """Return the report as text: for a terminal, an issue, a message."""
    sections = (_head, _reachability, _where, _course, _evidence, _others, _cost, _basis)
    return "\n".join(line for section in sections for line in section(report))


# Each returns the lines of one section of the text, none where there is nothing to say.


def _head(report: Report) -> list[str]:
    out = [f"# {_plain(('SIMULATED: ' if report.simulated else '') + report.headline)}", ""]
    if report.simulated:
        out += [
            "**SIMULATED: every figure here was made for a test or an exercise. Nothing of it happened.**",
            "",
        ]
    if report.false_alarm:
        out += [f"**{FALSE_ALARM}**", ""]
    local = local_clock(report.onset, report.country)
    ended = (
        f"restored {_moment(report.resolved)}" if report.resolved else f"last news {_moment(report.updated)}"
    )
    return [
        *out,
        _plain(report.summary),
        "",
        f"- began {_moment(report.onset)}{local and f', {local}'}, detected {clock(report.detected)}, {ended}",
        f"- {duration(report.duration_seconds)}; {report.scope}; {report.severity}; "
        f"{'confirmed' if report.confirmed else 'unconfirmed'}",
        f"- {percent(report.worst.now)} at the worst, usually {percent(report.worst.usual)}",
        "",
    ]


def _reachability(report: Report) -> list[str]:
    if not report.lines:
        return []
    width = max(len(line.label) for line in report.lines)
    return [
        "## Reachability",
        "",
        "```text",
        *(f"{line.label:{width}}  {spark(line)}" for line in report.lines),
        f"{'':{width}}  {_moment(report.start)} to {_moment(report.end)}",
        "```",
        "",
    ]


def _where(report: Report) -> list[str]:
    out = []
    if report.networks:
        out += ["## Where", "", "| network | lost at worst | from | back | mostly with | results |"]
        out.append("|---|---:|---|---|---|---:|")
        out += [
            f"| {_cell(row.label)} | {percent(row.lost)} | {clock(row.onset)} | {clock(row.recovered)} "
            f"| {_cell(row.mechanism or '')} | {row.n:,} |"
            for row in report.networks
        ]
        out.append("")
    if report.regions:
        out += ["| region | before | during | results |", "|---|---:|---:|---:|"]
        out += [
            f"| {_cell(row.label)} | {percent(row.before)} | {percent(row.during)} | {row.n:,} |"
            for row in report.regions
        ]
        out.append("")
    return out


def _course(report: Report) -> list[str]:
    out = ["## How it went", ""]
    out += [
        f"{moment.seq}. {_moment(moment.time)}, {moment.status}"
        f"{f' ({_plain(moment.reason)})' if moment.reason else ''}: {_plain(moment.summary)}"
        for moment in report.timeline
    ]
    if report.notes:
        out += ["", "## What people say of it", ""]
        out += [
            f"- {_plain(note.author)}, {_moment(note.time)}, {NOTED[note.kind]}: "
            f"{_plain(' '.join(part for part in (note.text, note.url) if part))}"
            for note in report.notes
        ]
    return out


def _evidence(report: Report) -> list[str]:
    out = []
    if report.evidence:
        patterns = " | ".join(report.patterns)
        out += ["", "## Evidence", "", f"| reading | figure | sample | {patterns} | source |"]
        out.append("|---|---:|---:|" + "---|" * len(report.patterns) + "---|")
        out += [
            f"| {_cell(fact.text)} | {_cell(figure(fact))} | {fact.n:,} | "
            + " | ".join("fits" if pattern in fact.fits else "" for pattern in report.patterns)
            + f" | {_cell(fact.source or '')} |"
            for fact in report.evidence
        ]
    for event in report.events:
        source = f" ({_plain(event.source)})" if event.source else ""
        out += [
            "",
            f"Calendar: {_plain(event.title)}, {_moment(event.start)} to {_moment(event.end)}{source}",
        ]
    return out


def _others(report: Report) -> list[str]:
    if not report.corroboration:
        return []
    lines = [f"- {_plain(others_word(one))}" for one in report.corroboration]
    return ["", "## What other observatories say", "", *lines]


def others_word(one: Corroboration) -> str:
    """What another observatory says, with its link."""
    return " ".join(part for part in (one.text or one.signal, one.url) if part)


def _cost(report: Report) -> list[str]:
    if report.cost is None:
        return []
    cost = report.cost
    return [
        "",
        "## Cost: an estimate",
        "",
        f"{usd(cost.day_usd)} a day, {usd(cost.total_usd)} for {duration(cost.duration_days * 86_400)}: daily GDP "
        f"{usd(cost.daily_gdp_usd)} x digital share {percent(cost.digital_share)} x platform share "
        f"{percent(cost.platform_share)} x reach {percent(cost.reach)} x {cost.duration_days:.2f} days. Figures: "
        f"{_plain(cost.source)}. Reach: {cost.reach_text}, at its worst. Form: {SOURCE}.",
    ]


def _basis(report: Report) -> list[str]:
    return [
        "",
        "## On what this rests, and how to check it",
        "",
        f"{amount(report.measurements, 'measurement')} from {amount(report.vantages, 'vantage')} "
        f"on {amount(report.networks_live, 'network')}. "
        f"Incident `{report.id}`; detector {report.detector}.",
        "",
        *(f"    {line}" for line in report.check),
        "",
        "## How to cite it",
        "",
        _plain(report.cite),
        "",
        "```bibtex",
        *report.bibtex.splitlines(),  # each begins with a space, a name or a brace: none ends the block
        "```",
        "",
    ]


# ---- words


def local_clock(time: datetime, country: str | None) -> str:
    """The time where most people of a country live, with its distance from UTC; "" where that is UTC or not known.

    >>> local_clock(datetime(2024, 1, 20, 13, 40, tzinfo=UTC), "PK")
    '18:40 local time (UTC+5)'
    >>> local_clock(datetime(2024, 1, 20, 13, 40, tzinfo=UTC), "NP")
    '19:25 local time (UTC+5:45)'
    >>> local_clock(datetime(2024, 1, 20, 13, 40, tzinfo=UTC), None)
    ''
    """
    seconds = int(time.timestamp())
    ahead = local_seconds(country or "", seconds) - seconds
    if not ahead:
        return ""
    hours, minutes = divmod(abs(ahead) // 60, 60)
    far = f"{'-' if ahead < 0 else '+'}{hours}" + (f":{minutes:02}" if minutes else "")
    return f"{time.astimezone(UTC) + timedelta(seconds=ahead):%H:%M} local time (UTC{far})"


def clock(time: datetime | None) -> str:
    """Hour and minute, UTC."""
    return f"{time.astimezone(UTC):%H:%M} UTC" if time is not None else "not yet"


def day(time: datetime) -> str:
    """The day, in words.

    >>> day(datetime(2024, 1, 7, tzinfo=UTC))
    '7 January 2024'
    """
    return f"{time.day} {time:%B %Y}"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def percent(ratio: float | None) -> str:
    """A ratio as whole per cents; a dash for none.

    >>> percent(0.034), percent(None)
    ('3 %', '–')
    """
    if ratio is None:
        return "–"
    return f"{100 * ratio:.1f} %" if 0 < ratio < 0.01 else f"{100 * ratio:.0f} %"


def usd(amount: float) -> str:
    """Dollars to two figures: no estimate is better than that.

    >>> usd(1_234_567), usd(987)
    ('US$1,200,000', 'US$990')
    """
    if amount < 1:
        return f"US${amount:.2f}"
    digits = len(str(int(amount)))
    return f"US${round(amount, 2 - digits):,.0f}"


def figure(fact: Evidence) -> str:
    """A fact's number with its unit."""
    if fact.value is None:
        return "–"
    if fact.unit == "ratio":
        return percent(fact.value)
    if fact.unit == "s":
        return (
            f"{fact.value:,.0f} s"
            if abs(fact.value) < 600
            else f"{'-' if fact.value < 0 else ''}{duration(abs(fact.value))}"
        )
    return f"{fact.value:g} {fact.unit}"


def spark(line: ReportLine) -> str:
    """Return a line as a row of blocks, with a dot where nothing was measured."""
    per = -(-len(line.points) // _SPARK_WIDTH)
    shown = []
    for first in range(0, len(line.points), per):
        ratios = [point.ratio for point in line.points[first : first + per] if point.ratio is not None]
        mean = sum(ratios) / len(ratios) if ratios else None
        shown.append("·" if mean is None else _BLOCKS[max(1, round(mean * 8))])
    return "".join(shown)


def _plain(text: str) -> str:
    """Text from outside on one line, without Markdown's or HTML's signs at work."""
    text = " ".join(text.split())
    for sign in "\\`*_[]<>#|":
        text = text.replace(sign, f"\\{sign}")
    return text


def _cell(text: str) -> str:
    return _plain(text)
