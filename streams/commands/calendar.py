"""`netdusk calendar`: scheduled events that an incident may coincide with, onto the topic or into a file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from streams.commands.lines import console
from streams.commands.output import put, to_stdout
from streams.counting import amount
from streams.kafka.client import TopicReader
from streams.kafka.notes import calendar_topic, write_all
from streams.kafka.unanswered import answered
from streams.publish.calendar_files import event_of, moment, read_file, zone_of
from streams.records import CalendarEvent, encode
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(no_args_is_help=True, add_completion=False)

Output = Annotated[
    str | None,
    typer.Option(help="Write JSONL there (for backtest's --calendar); - is stdout.", metavar="FILE"),
]
Config = Annotated[Path | None, typer.Option(help="Settings file (TOML).")]
Bootstrap = Annotated[str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")]
Zone = Annotated[str, typer.Option("--timezone", help="IANA zone of times that name none.")]


@app.callback()
def calendar() -> None:
    """Scheduled events (rallies, elections, exams) that an incident may coincide with."""


@app.command()
def add(
    title: Annotated[str, typer.Argument(help="What it is.")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2 code.")],
    start: Annotated[str, typer.Option(help="ISO 8601 time or date.")],
    end: Annotated[str | None, typer.Option(help="Likewise; else a moment, or the whole day.")] = None,
    source: Annotated[str | None, typer.Option(help="Where it is announced (URL).")] = None,
    event_id: Annotated[str | None, typer.Option("--id", help="Else a hash; the same id replaces.")] = None,
    timezone: Zone = "UTC",
    output: Output = None,
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Put one event on the topic."""
    zone = zone_of(timezone)
    begin = moment(start, zone, SettingsError)
    until = moment(end or start, zone, SettingsError, is_end=True)
    event = event_of(
        country=country,
        title=title,
        start=begin,
        end=until,
        source=source,
        identity=event_id,
        problem=SettingsError,
    )
    _put([event], output, config, bootstrap)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="iCalendar (.ics), CSV (.csv), or what `list --json` wrote (.jsonl).", metavar="FILE"
        ),
    ],
    country: Annotated[str | None, typer.Option(help="For events that name none.")] = None,
    timezone: Zone = "UTC",
    output: Output = None,
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Put the events of a file on the topic. Exit code 1 says that some are refused; the others are used."""
    read = read_file(file, country=country, zone=zone_of(timezone))
    for line in read.refused:
        typer.echo(line, err=True)
    _put(read.events, output, config, bootstrap)
    raise typer.Exit(1 if read.refused else 0)


@app.command("list")
def list_(
    country: Annotated[str | None, typer.Option(help="Of this country alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One event a line: `import` reads it.")] = False,
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Show what is on the topic."""
    settings = with_bootstrap(load(config), bootstrap)
    calendar = calendar_topic(TopicReader(settings.kafka), settings.topics)
    _run(settings, calendar.catch_up())
    events = sorted(calendar.records.values(), key=lambda event: (event.start, event.id))
    events = [event for event in events if country in (None, event.country)]
    if as_json:
        for event in events:
            sys.stdout.write(encode(event).decode() + "\n")
        return
    whole = Column("id", no_wrap=True)  # as `remove` takes it
    table = Table(whole, "country", "start (UTC)", "end (UTC)", "title", "source", box=None, pad_edge=False)
    for event in events:
        table.add_row(
            event.id,
            event.country,
            f"{event.start:%Y-%m-%d %H:%M}",
            f"{event.end:%Y-%m-%d %H:%M}",
            event.title,
            event.source or "",
        )
    console().print(table if events else "the calendar is empty")


@app.command()
def remove(
    event_id: Annotated[str, typer.Argument(help="As `list` shows it.", metavar="ID")],
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Take an event off the topic; workers that run keep it until they start again."""
    settings = with_bootstrap(load(config), bootstrap)
    calendar = calendar_topic(TopicReader(settings.kafka), settings.topics)
    _run(settings, calendar.catch_up())
    if event_id not in calendar.records:
        raise SettingsError(
            f"{event_id}: no such event on {settings.topics.calendar}; see `netdusk calendar list`"
        )
    _run(settings, write_all(settings.kafka, settings.topics.calendar, [(event_id.encode(), None)]))
    typer.echo(f"removed {event_id}")


def _put(
    events: Sequence[CalendarEvent], output: str | None, config: Path | None, bootstrap: str | None
) -> None:
    if output is None:
        settings = with_bootstrap(load(config), bootstrap)
        records = [(event.id.encode(), encode(event)) for event in events]
        _run(settings, write_all(settings.kafka, settings.topics.calendar, records))
        typer.echo(f"{amount(len(events), 'event')} on {settings.topics.calendar}")
        return
    lines = b"".join(encode(event) + b"\n" for event in events)
    put(lines, output)
    if to_stdout(output):
        return
    typer.echo(f"{amount(len(events), 'event')} in {output}")


def _run(settings: Settings, work: object) -> None:
    with answered(settings.kafka):
        asyncio.run(work)  # type: ignore[arg-type]  # any coroutine: what it returns is not used
