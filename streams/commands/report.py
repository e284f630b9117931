"""`netdusk report`: one incident as a page, a picture, a text or a record."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from producers.partitions import partition_of
from producers.records import decode as decode_probe
from streams.commands.exporting import export
from streams.commands.output import put, to_stdout
from streams.errors import need_file
from streams.kafka.alerts import snapshots as all_snapshots
from streams.kafka.client import TopicReader
from streams.kafka.notes import annotation_topic, calendar_topic
from streams.kafka.unanswered import answered
from streams.pseudonyms import is_unnamed
from streams.publish.pages import to_html, to_markdown
from streams.publish.report import MinuteCounts, Report, Span, build, matching, of_one
from streams.publish.share import to_png
from streams.records import (
    Annotation,
    CalendarEvent,
    HealthRecord,
    Incident,
    Kind,
    OutputRecord,
    Window,
    decode,
)
from streams.settings import Settings, SettingsError, load, with_bootstrap
from streams.step.backtest import read_lines

app = typer.Typer(add_completion=False)


class ReportFormat(StrEnum):
    """How a report is written."""

    HTML = "html"
    PNG = "png"
    MD = "md"
    JSON = "json"


_WRITERS: Final[dict[ReportFormat, Callable[[Report], str | bytes]]] = {
    ReportFormat.HTML: to_html,
    ReportFormat.PNG: to_png,
    ReportFormat.MD: to_markdown,
    ReportFormat.JSON: lambda report: msgspec.json.format(msgspec.json.encode(report)).decode() + "\n",
}


@app.command()
def report(
    incident_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="The incident, or how its id begins; none where there is one."),
    ] = None,
    form: Annotated[ReportFormat, typer.Option("--format", help="How it is written.")] = ReportFormat.HTML,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where it goes; - or none: stdout.")
    ] = None,
    incidents: Annotated[
        Path | None,
        typer.Option(help="Incident snapshots instead of the alerts topic: what `backtest --json` printed."),
    ] = None,
    probes: Annotated[
        Path | None, typer.Option(help="With --incidents: the results; .gz is unpacked.")
    ] = None,
    calendar: Annotated[
        Path | None, typer.Option(help="With --incidents: scheduled events, one JSON a line.")
    ] = None,
    weigh_late: Annotated[
        bool,
        typer.Option("--weigh-late", help="With --incidents: the backtest had it, so how to check says so."),
    ] = False,
    bundle: Annotated[
        bool,
        typer.Option(
            "--bundle", help="Instead: the resolved incident with its windows, for `netdusk verify`."
        ),
    ] = False,
    archive: Annotated[
        str | None, typer.Option(help="With --bundle: the archive, a folder or URL; over the settings.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="With --bundle: the private key to sign with, a file of `netdusk vantage keygen`."),
    ] = None,
    after: Annotated[
        Path | None, typer.Option(help="With --bundle: the export that was published before this one.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
) -> None:
    """Write one incident as a page: headline, chart, where, how it went, evidence, how to check it.

    From the topics, or, without a broker, from the files of a backtest; with --bundle, from the archive.
    """
    settings = with_bootstrap(load(config), bootstrap)
    if bundle:
        put(export(settings, incident_id, archive, key, after), output)
        return
    if archive is not None or key is not None or after is not None:
        raise SettingsError("--archive, --key and --after go with --bundle")
    if incidents is None and (probes is not None or calendar is not None or weigh_late):
        raise SettingsError(
            "--probes, --calendar and --weigh-late go with --incidents; without it the topics are read"
        )
    if form is ReportFormat.PNG and to_stdout(output) and sys.stdout.isatty():
        raise SettingsError("--format png is no text; name a file with --output")
    if incidents is not None:
        made = _from_files(settings, incident_id, incidents, probes, calendar, config, weigh_late=weigh_late)
    else:
        with answered(settings.kafka):
            made = asyncio.run(_from_topics(settings, incident_id))
    written = _WRITERS[form](made)
    data = written.encode() if isinstance(written, str) else written
    put(data, output)


def _from_files(
    settings: Settings,
    wanted: str | None,
    incidents: Path,
    probes: Path | None,
    calendar: Path | None,
    config: Path | None,
    *,
    weigh_late: bool,
) -> Report:
    for path in (incidents, probes, calendar):
        if path is not None:
            need_file(path)
    listed = _records(incidents, Incident)
    try:
        snapshots = of_one(listed, wanted)
    except ValueError as error:
        raise SettingsError(f"{incidents}: {error}") from error
    tally = MinuteCounts(
        snapshots[-1], Span.around(snapshots[-1]), unnamed=_hides_networks(settings, snapshots)
    )
    if probes is not None:
        tally.add_all(matching(decode_probe(line) for line in read_lines(probes) if line.strip()))
    events = _records(calendar, CalendarEvent) if calendar is not None else []
    command = ["netdusk", "backtest", str(probes or "PROBES.jsonl"), "--json"]
    if weigh_late:
        command.append("--weigh-late")
    if calendar is not None:
        command += ["--calendar", str(calendar)]
    if config is not None:
        command += ["--config", str(config)]
    return build(
        snapshots,
        tally,
        settings=settings,
        events=events,
        others=listed,
        check=[shlex.join(command)],
        notes=_records(incidents, Annotation),
    )


def _records(path: Path, kind: type[Any]) -> list[Any]:
    """Return the records of one kind in a JSONL file. Other records, and a scorecard, are passed over."""
    records = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.lstrip().startswith(b'{"scorecard"'):
            continue
        try:
            record = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}, line {number}: {_why_none(line, error)}") from error
        if isinstance(record, kind):
            records.append(record)
    return records


def _why_none(line: bytes, error: Exception) -> str:
    """Why a line can't stand here; a file of results is what is most often named in the place of incidents."""
    with suppress(ValueError, AttributeError):
        if str(msgspec.json.decode(line).get("schema")).startswith("netdusk.probe/"):
            return (
                "is a result, and no incident; name it with --probes, and what `netdusk backtest --json` prints "
                "with --incidents"
            )
    return f"{error}; it has to be a record of netdusk's"


async def _from_topics(settings: Settings, wanted: str | None) -> Report:
    """Return the report of an incident, from the topics, as far back as these reach."""
    listed = await all_snapshots(settings)
    try:
        snapshots = of_one(listed, wanted)
    except ValueError as error:
        raise SettingsError(f"{settings.topics.alerts}: {error}") from error
    last = snapshots[-1]
    reader = TopicReader(settings.kafka)
    # A log that is replayed has a time of its own.
    now = datetime.now(UTC) if settings.worker.clock == "live" else None
    tally = MinuteCounts(last, Span.around(last, now=now), unnamed=_hides_networks(settings, snapshots))
    if tally.unnamed:
        # Windows have the numbers that the incident has, results those of the networks themselves.
        async for value in _values(reader, settings.topics.windows, last, tally.span):
            for window in _windows(value):
                tally.add_window(window)
    if not tally.parts:
        await _count_results(reader, settings.topics.probes, tally)
    health: list[HealthRecord] = []
    if not tally.parts:
        async for value in _values(reader, settings.topics.health, None, tally.span):
            health += _health(value)
    calendar = calendar_topic(reader, settings.topics)
    await calendar.catch_up()
    annotations = annotation_topic(reader, settings.topics)
    await annotations.catch_up()
    # The broker's own address is nobody's business outside.
    check = [
        f"kcat -C -e -b HOST:PORT -t {settings.topics.probes} -o s@{_millis(tally.span)} > results.jsonl",
        "netdusk backtest results.jsonl --json",
    ]
    return build(
        snapshots,
        tally,
        settings=settings,
        events=calendar.records.values(),
        others=listed,
        health=health,
        check=check,
        notes=annotations.records.values(),
        now=now,
    )


def _hides_networks(settings: Settings, snapshots: Sequence[Incident]) -> bool:
    """Whether networks are not named, here or where the incident was told."""
    asns = (network.asn for snapshot in snapshots for network in snapshot.networks)
    return not settings.trust.names_all or any(map(is_unnamed, asns))


async def _count_results(reader: TopicReader, topic: str, tally: MinuteCounts) -> None:
    async for value in _values(reader, topic, tally.incident, tally.span):
        tally.add_all(matching([decode_probe(value)]))


def _millis(span: Span) -> int:
    return int(span.start.timestamp() * 1000)


async def _values(reader: TopicReader, topic: str, incident: Incident | None, span: Span) -> Any:
    """Values written since a time; of one country's partition where the incident has one country."""
    bounds = await reader.since(topic, _millis(span))
    if incident is not None and incident.kind is not Kind.GLOBAL and incident.country and bounds:
        own = partition_of(incident.country.encode(), len(bounds))
        bounds = {own: bounds[own]} if own in bounds else bounds
    for partition, (start, end) in bounds.items():
        async for record in reader.records(topic, partition, start, end):
            if record.value is not None:
                yield record.value


def _health(value: bytes) -> Iterable[HealthRecord]:
    record = _decoded(value)
    return (record,) if isinstance(record, HealthRecord) else ()


def _windows(value: bytes) -> Iterable[Window]:
    record = _decoded(value)
    return (record,) if isinstance(record, Window) else ()


def _decoded(value: bytes) -> OutputRecord | None:
    """A record of netdusk's; None for what is none."""
    try:
        return decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
