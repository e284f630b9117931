"""`netdusk history`: how a country's platforms could be reached, on any day since the archive began."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from producers.countries import COUNTRIES
from producers.records import encode
from streams.archive.store import ToldStore, store_at, without_keys
from streams.commands.lines import console, show_table
from streams.commands.output import put, put_all, to_stdout
from streams.errors import install
from streams.settings import Settings, SettingsError, load
from streams.words import country_name, platform_name

if TYPE_CHECKING:
    from detectors.settings import IncidentSettings
    from streams.archive.reader import Archive, HistoryRow

app = typer.Typer(add_completion=False)

_MOMENT: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?Z?)?)?)?")
#: Of a line, so many steps at least; the other columns but for the name take so many characters.
_STEPS_LEAST: Final = 10
_COLUMNS_WIDE: Final = 58


class Split(StrEnum):
    """What the lines are."""

    PLATFORM = "platform"
    NETWORK = "network"
    REGION = "region"


class HistoryFormat(StrEnum):
    """How a history is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    PNG = "png"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAsked:
    """Which series is asked for: of whom, from when to when, split by what, and of which part alone."""

    country: str
    start: datetime
    end: datetime
    by: Split
    step: int | None
    platform: str | None
    asn: int | None
    simulated: bool | None


@app.command()
def history(
    country: Annotated[str, typer.Argument(metavar="COUNTRY", help="ISO 3166-1 alpha-2, like PK.")],
    begin: Annotated[
        str | None,
        typer.Argument(metavar="[FROM]", help="2024, 2024-01, 2024-01-20 or 2024-01-20T13:00; UTC."),
    ] = None,
    until: Annotated[
        str | None, typer.Argument(metavar="[TO]", help="Likewise, and in it; without: the end of FROM.")
    ] = None,
    by: Annotated[Split, typer.Option(help="What the lines are.")] = Split.PLATFORM,
    platform: Annotated[str | None, typer.Option(help="Of this platform alone.")] = None,
    asn: Annotated[int | None, typer.Option(help="Of this network alone.")] = None,
    step: Annotated[
        int | None, typer.Option(min=60, help="Seconds a step; without: as fine as makes sense.")
    ] = None,
    simulated: Annotated[
        bool | None,
        typer.Option("--simulated/--real", help="Without: the real results, where there are any."),
    ] = None,
    form: Annotated[HistoryFormat, typer.Option("--format", help="How it is written.")] = HistoryFormat.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where it goes; - or none: stdout.")
    ] = None,
    url: Annotated[str | None, typer.Option("--archive", help="A folder or URL; over the settings.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    results: Annotated[
        bool,
        typer.Option("--results", help="The results themselves, as `backtest` reads them (archive.results)."),
    ] = False,
) -> None:
    """Print a country's reachability over any days of the archive.

    Every network counts alike. A step without results has no line: nothing was measured then. `parquet` writes the
    windows' own cells instead of sums.
    """
    settings = load(config)
    if country not in COUNTRIES:
        raise SettingsError(f"{country}: write a country code of ISO 3166-1 alpha-2 in capitals, like PK")
    form = _form(HistoryFormat.JSON if as_json else form, output)
    place = url or settings.archive.url
    archive = _archive(place)
    days = _days_there(archive, place, country, results=results)
    start, end = _span(begin, until, datetime(*days[-1].timetuple()[:3], tzinfo=UTC))
    if results:
        put_all((encode(one) + b"\n" for one in archive.results(country, start, end)), output)
        return
    if form is HistoryFormat.PARQUET:
        put(_cells(archive, country, start, end), output)
    else:
        asked = SeriesAsked(
            country=country,
            start=start,
            end=end,
            by=by,
            step=step,
            platform=platform,
            asn=asn,
            simulated=simulated,
        )
        _write(_series(archive, asked, days), asked, form, output, settings)
    _tell(archive.broken)


def _form(form: HistoryFormat, output: Path | None) -> HistoryFormat:
    """Return the form; raise where it would fill a terminal with bytes."""
    if form in (HistoryFormat.PNG, HistoryFormat.PARQUET) and to_stdout(output) and sys.stdout.isatty():
        raise SettingsError(f"--format {form} is no text; name a file with --output")
    return form


def _archive(place: str) -> Archive:
    if Path(place).is_file():
        raise SettingsError(f"--archive {place}: is a file; an archive is a folder, or a URL")
    store = ToldStore(store_at(place), place)
    try:
        from streams.archive.reader import Archive  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(f"netdusk history needs {error.name}; {install('archive')}") from error
    return Archive(store)


def _days_there(archive: Archive, place: str, country: str, *, results: bool) -> list[date]:
    """Return the days that the archive has of a country; raise with the remedy where it has none."""
    from streams.archive.parts import RESULTS, WINDOWS  # noqa: PLC0415  an extra

    kind = RESULTS if results else WINDOWS
    if days := archive.days(country, kind):
        return days
    there = ", ".join(archive.countries(kind))
    what = "no results" if results else "nothing"
    remedy = (
        f"it has {there}"
        if there
        else f"it has {what}: `netdusk archive` and `netdusk backtest --archive` fill one, --archive names another"
    )
    raise SettingsError(f"{without_keys(place)}: has {what} of {country}; {remedy}")


def _cells(archive: Archive, country: str, start: datetime, end: datetime) -> bytes:
    """Return the windows' own cells as a Parquet file."""
    from streams.archive.tables import write  # noqa: PLC0415  an extra

    return write(archive.table(country, start, end))


def _series(archive: Archive, asked: SeriesAsked, days: Sequence[date]) -> list[HistoryRow]:
    """Return the steps of every line; raise where nothing was measured."""
    from streams.archive.reader import By  # noqa: PLC0415  an extra

    rows = archive.series(
        asked.country,
        asked.start,
        asked.end,
        by=By(asked.by.value),
        step=asked.step,
        platform=asked.platform,
        asn=asked.asn,
        simulated=asked.simulated,
    )
    if not rows:
        _tell(archive.broken)
        raise SettingsError(
            f"{asked.country}: nothing was measured from {asked.start:%Y-%m-%d %H:%M} to "
            f"{asked.end:%Y-%m-%d %H:%M} UTC; the archive has {days[0]} to {days[-1]}"
        )
    return rows


def _write(
    rows: list[HistoryRow], asked: SeriesAsked, form: HistoryFormat, output: Path | None, settings: Settings
) -> None:
    if form is HistoryFormat.TABLE and to_stdout(output):
        _show(rows, asked.by)
    elif form is HistoryFormat.PNG:
        put(_picture(rows, asked, settings.incidents), output)
    elif form is HistoryFormat.JSON:
        put(b"".join(msgspec.json.encode(row) + b"\n" for row in rows), output)
    else:
        put(_csv(rows).encode(), output)


def _picture(rows: list[HistoryRow], asked: SeriesAsked, own: IncidentSettings) -> bytes:
    from streams.page.pictures import series_png  # noqa: PLC0415  an extra

    return series_png(
        f"{country_name(asked.country, own.country_names)}, {_days(asked.start, asked.end)}",
        rows,
        (lambda name: platform_name(name, own)) if asked.by is Split.PLATFORM else str,
    )


def _tell(broken: Mapping[str, str]) -> None:
    """Say which files could not be read; then what was printed is not all there is, and the exit code is 1."""
    for path, why in broken.items():
        typer.echo(f"{path}: can't be read, and what it held is missing above: {why}", err=True)
    if broken:
        raise typer.Exit(1)


def _days(start: datetime, end: datetime) -> str:
    """A span in words, its last day included.

    >>> _days(datetime(2021, 1, 1), datetime(2021, 2, 1)), _days(datetime(2021, 1, 1, 13), datetime(2021, 1, 1, 19))
    ('1 January 2021 to 31 January 2021', '1 January 2021, 13:00 to 19:00')
    """
    last = end - timedelta(seconds=1)
    if start.date() == last.date():
        whole = end - start == timedelta(days=1)
        return f"{start.day} {start:%B %Y}" + ("" if whole else f", {start:%H:%M} to {end:%H:%M}")
    return f"{start.day} {start:%B %Y} to {last.day} {last:%B %Y}"


def _span(begin: str | None, until: str | None, last: datetime) -> tuple[datetime, datetime]:
    """The span that is meant; without any, the last day that the archive has."""
    if begin is None:
        return last, last + timedelta(days=1)
    start, end = _moment(begin)
    if until is not None:
        end = _moment(until)[1]
    if end <= start:
        raise SettingsError(f"{begin} {until}: the second has to be later than the first")
    return start, end


def _moment(text: str) -> tuple[datetime, datetime]:
    """The first moment that a text means, and the first one after it.

    >>> [f"{moment:%Y-%m-%d %H:%M}" for moment in _moment("2024-01")]
    ['2024-01-01 00:00', '2024-02-01 00:00']
    """
    parts = _MOMENT.fullmatch(text)
    try:
        if parts is None:
            raise ValueError("it is no date")
        year, month, day, hour, minute, second = (None if one is None else int(one) for one in parts.groups())
        start = datetime(year or 1, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=UTC)
        if hour is not None:
            return start, start + timedelta(minutes=1)
        if day is not None:
            return start, start + timedelta(days=1)
        if month is not None:
            return start, datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
        return start, datetime(start.year + 1, 1, 1, tzinfo=UTC)
    except ValueError as error:
        raise SettingsError(
            f"{text}: {error}; write it like 2024, 2024-01, 2024-01-20 or 2024-01-20T13:00"
        ) from error


def _csv(rows: list[Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = rows[0].__struct_fields__
    writer.writerow(names)
    for row in rows:
        values = [getattr(row, name) for name in names]
        writer.writerow(
            [
                value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
                for value in values
            ]
        )
    return out.getvalue()


def _show(rows: list[Any], by: Split) -> None:
    """A line a name: its mean, its worst step, and a spark line."""
    times = sorted({row.time for row in rows})
    names = sorted({row.name for row in rows})
    by_place = {(row.name, row.time): row for row in rows}
    width = Console().width
    group = -(-len(times) // max(_STEPS_LEAST, width - _COLUMNS_WIDE - max(map(len, names))))
    table = Table(
        Column(by.value, no_wrap=True),
        Column("results", justify="right"),
        Column("reachable", justify="right"),
        Column("usual", justify="right"),
        Column("lowest", justify="right"),
        Column("at (UTC)", no_wrap=True),
        Column(f"from {times[0]:%Y-%m-%d %H:%M} on", no_wrap=True),
        box=None,
        pad_edge=False,
    )
    for name in names:
        own = [row for row in rows if row.name == name]
        worst = min(own, key=lambda row: (row.reachability, row.time))
        usual = [row.expected for row in own if row.expected is not None]
        table.add_row(
            name,
            f"{sum(row.n for row in own):,}",
            f"{sum(row.reachability for row in own) / len(own):.1%}",
            f"{sum(usual) / len(usual):.1%}" if usual else "not known",
            f"{worst.reachability:.1%}",
            f"{worst.time:%m-%d %H:%M}",
            "".join(
                _block(
                    [
                        by_place[name, one].reachability
                        for one in times[first : first + group]
                        if (name, one) in by_place
                    ]
                )
                for first in range(0, len(times), group)
            ),
        )
    if rows[0].simulated:
        console().print("SIMULATED: every figure was made for a test or an exercise. Nothing of it happened.")
    show_table(table)


def _block(ratios: list[float]) -> str:
    if not ratios:
        return "·"
    return "▁▂▃▄▅▆▇█"[round(7 * min(ratios))]
