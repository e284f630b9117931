"""`netdusk backtest`: what the worker would have said of a file, and how well it would have done."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from streams.commands.lines import console, show_table
from streams.counting import amount
from streams.errors import install, need_file
from streams.publish.pictures import SUFFIXES, PictureError, Recorder, choose, draw
from streams.publish.scorecard import Label, Scorecard, render, scorecard
from streams.records import CalendarEvent, Incident, Vantage, check_note, encode
from streams.settings import Settings, SettingsError, load
from streams.step.backtest import Backtest, read_lines
from streams.words import duration

app = typer.Typer(add_completion=False)


class Policy(StrEnum):
    """Who has a vote."""

    OPEN = "open"
    REGISTERED = "registered"
    SIGNED = "signed"


_MONTH_SECONDS = 30 * 86_400
#: Lines between two words of progress.
_SAY_EVERY = 200
#: Rows that wait for their file.
_ROWS_MAX = 500_000


@app.command()
def backtest(
    probes: Annotated[
        Path, typer.Argument(help="ProbeResults, one JSON a line; .gz is unpacked.", metavar="PROBES")
    ],
    labels: Annotated[
        Path | None, typer.Option(help="What truly happened, one JSON a line: adds a scorecard.")
    ] = None,
    calendar: Annotated[Path | None, typer.Option(help="Scheduled events, one JSON a line.")] = None,
    trust: Annotated[
        Policy | None, typer.Option(help="Who has a vote: over the settings' trust.policy.")
    ] = None,
    vantages: Annotated[
        Path | None, typer.Option(help="The register, one Vantage a line (`netdusk vantage list --json`).")
    ] = None,
    weigh_late: Annotated[
        bool, typer.Option("--weigh-late", help="Sort by time first, so that nothing is too late to count.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw one event: reachability, expected band, score, alarm (.html, .svg, .png)."),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="Which one: an incident's id, or label:N. Without: the first incident.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(help="Keep windows and incidents in this folder, as `netdusk archive` would."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one incident snapshot a line.")] = False,
) -> None:
    """Run the worker's own step over a file, without a broker.

    Prints every snapshot of every incident; exit code 1 says that there was one, 0 that there was none, 2 that a
    file or a setting can't be read.
    """
    settings = _with_policy(load(config), trust)
    for path in (probes, labels, calendar, vantages):
        if path is not None:
            need_file(path)
    events = _read(calendar, CalendarEvent) if calendar else []
    register = _read(vantages, Vantage) if vantages else []
    truth = _read(labels, Label) if labels else None
    if picture is not None and picture.suffix not in SUFFIXES:
        raise SettingsError(f"{picture}: a picture's name must end in {', '.join(SUFFIXES)}")
    recorder = Recorder() if picture is not None else None
    shelf = _shelf(archive) if archive is not None else None
    run = Backtest(
        settings,
        calendar=events,
        register=register,
        observe=recorder,
        keep=None if shelf is None else shelf.window,
        salt=secrets.token_bytes(16),
    )
    incidents = _incidents(run, probes, shelf, weigh_late=weigh_late, as_json=as_json)
    card = None if truth is None else _card(run, incidents, truth)
    _print(run, incidents, card, as_json=as_json)
    if picture is not None and recorder is not None:
        _draw(run, incidents, truth or [], recorder, event, picture)
    raise typer.Exit(1 if incidents else 0)


def _with_policy(settings: Settings, trust: Policy | None) -> Settings:
    if trust is None:
        return settings
    policy = settings.trust.model_copy(update={"policy": trust.value})
    return settings.model_copy(update={"trust": policy})


def _incidents(
    run: Backtest, probes: Path, shelf: _Shelf | None, *, weigh_late: bool, as_json: bool
) -> list[Incident]:
    """Run over the file; return every snapshot, kept on the shelf and printed on the way."""
    lines: Iterator[bytes] = read_lines(probes)
    if weigh_late:
        lines = iter(sorted(lines, key=_time_of))
    incidents: list[Incident] = []
    quiet = not sys.stderr.isatty() or (as_json and sys.stdout.isatty())
    with _progress(quiet=quiet) as progress:
        for incident in run.run(_watched(lines, run, progress)):
            incidents.append(incident)
            if shelf is not None:
                shelf.incident(encode(incident))
            if as_json:
                sys.stdout.write(encode(incident).decode() + "\n")
    if not run.records:
        raise SettingsError(
            f"{probes}: holds no record of this project; `netdusk ingest` reads other forms, and docs/producing.md"
            " has an example of a ProbeResult"
        )
    if shelf is not None:
        shelf.close()
    return incidents


def _card(run: Backtest, incidents: list[Incident], truth: list[Label]) -> Scorecard:
    """Return how well it did. Labels have networks' own numbers, so incidents get theirs back."""
    months = run.series * run.span_seconds / _MONTH_SECONDS
    return scorecard([run.machine.recalled(one) for one in incidents], truth, months)


def _print(run: Backtest, incidents: list[Incident], card: Scorecard | None, *, as_json: bool) -> None:
    if as_json:
        if card is not None:
            sys.stdout.write(msgspec.json.encode({"scorecard": card}).decode() + "\n")
    else:
        _show(incidents, run)
        if card is not None:
            render(card, console())
    for word in filter(None, (_strangers(run), _want(run))):
        typer.echo(word, err=as_json)


def _draw(
    run: Backtest,
    incidents: list[Incident],
    truth: list[Label],
    recorder: Recorder,
    event: str | None,
    picture: Path,
) -> None:
    end = datetime.fromtimestamp(run.last, UTC)
    try:
        draw(choose(event, incidents, truth, recorder, end), recorder, picture)
    except PictureError as error:
        raise SettingsError(str(error)) from error


def _progress(*, quiet: bool) -> Progress:
    """What is shown on a terminal while a long file is read; nothing is left of it."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        disable=quiet,
    )


def _watched(lines: Iterable[bytes], run: Backtest, progress: Progress) -> Iterator[bytes]:
    """Return the lines as they are; every so many of them the progress says how far in the file the run is."""
    task = progress.add_task("reading")
    for number, line in enumerate(lines):
        if number % _SAY_EVERY == 0 and run.last:
            reached = datetime.fromtimestamp(run.last, UTC)
            progress.update(task, description=f"{reached:%Y-%m-%d %H:%M} UTC, {amount(number, 'line')}")
        yield line


class _Shelf:
    """An archive that is filled from a file: its records are numbered in the order in which they come."""

    def __init__(self, archiver: Any) -> None:
        self._archiver = archiver
        self._next = {"windows": 0, "alerts": 0}
        for role in self._next:
            archiver.begin(role, 0, 0, 0)

    def window(self, value: bytes) -> None:
        """Keep a closed window."""
        self._take("windows", value)
        if self._archiver.buffered > _ROWS_MAX:
            self._archiver.flush()
            self._archiver.tidy()

    def incident(self, value: bytes) -> None:
        """Keep a snapshot of an incident."""
        self._take("alerts", value)

    def _take(self, role: str, value: bytes) -> None:
        self._archiver.take(role, 0, self._next[role], value)
        self._next[role] += 1

    def close(self) -> None:
        """Write what is still in memory to the archive, and put its parts together."""
        self._archiver.flush()
        self._archiver.tidy()


def _shelf(folder: Path) -> _Shelf:
    from streams.archive.store import FolderStore  # noqa: PLC0415

    try:
        from streams.archive.writer import Archiver  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(f"--archive needs {error.name}; {install('archive')}") from error
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"--archive {folder}: is not empty; name a new folder")
    return _Shelf(Archiver(FolderStore(folder)))


def _show(incidents: list[Incident], run: Backtest) -> None:
    table = Table(
        *(Column(name, no_wrap=True) for name in ("incident", "seq", "status", "severity")),
        Column("summary", min_width=40, overflow="fold"),
        box=None,
        pad_edge=False,
    )
    for incident in incidents:
        table.add_row(incident.id, str(incident.seq), incident.status, incident.severity, incident.summary)
    if incidents:
        show_table(table)
    totals = run.machine.totals
    unregistered = f"{totals.unregistered} of unregistered vantages; " if totals.unregistered else ""
    console().print(
        f"{amount(len({incident.id for incident in incidents}), 'incident')} in "
        f"{amount(len(incidents), 'snapshot')}; {amount(totals.applied, 'result')} applied, "
        f"{totals.late} late, {totals.duplicate} duplicate, "
        f"{totals.rejected} rejected; {unregistered}"
        f"{run.series} series over {run.span_seconds / 3600:.1f} h of event time"
    )


def _time_of(line: bytes) -> str:
    try:
        return str(msgspec.json.decode(line, type=dict[str, Any]).get("time", ""))
    except msgspec.DecodeError:
        return ""


def _read(path: Path, kind: Any) -> list[Any]:
    """Return the records of a JSONL file. A line that is not one becomes one message with its number."""
    records = []
    decode = msgspec.json.Decoder(kind).decode
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = decode(line)
            if isinstance(record, CalendarEvent | Vantage):
                check_note(record)
        except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
            raise SettingsError(f"{path}, line {number}: {error}") from error
        records.append(record)
    return records


def _strangers(run: Backtest) -> str:
    """What follows where nobody in the file is registered, and the policy asks for it; else empty."""
    totals, policy = run.machine.totals, run.settings.trust.policy
    if not totals.applied or totals.unregistered < totals.applied:
        return ""
    return (
        f"no result is of a registered vantage (trust.policy = {policy!r}): they are judged apart, and nothing that "
        "they show is confirmed; name the register with --vantages, or take --trust open"
    )


def _want(run: Backtest) -> str:
    """What can't be told for want of results; empty where each series had enough."""
    known, series = len(run.known & run.pairs), run.series
    if known == series:
        return ""
    detection = run.settings.detection
    enough = (
        f"{detection.warm_results:g} results on one network in at least {duration(detection.warm_seconds)}"
    )
    if not known:
        return (
            f"no series (a platform in a country) of {series:,} had enough results to learn what is usual ({enough}): "
            "where no incident is told, that says nothing"
        )
    return (
        f"{known:,} of {series:,} series (a platform in a country) had enough results to learn what is usual "
        f"({enough}): of the others, that no incident is told says nothing"
    )
