"""`netdusk ingest`: other people's measurements, onto the topics or into a file."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from producers.sources.contract import Read, encoded
from producers.sources.ooni.platforms import PlatformMapError, Platforms, read_platforms
from streams.counting import amount
from streams.kafka.client import wait_for_broker
from streams.kafka.sources import SourceSender
from streams.kafka.unanswered import answered
from streams.local import ingesting
from streams.local.ingesting import IngestTotals, Input, inputs, pieces
from streams.local.sources import SOURCES, Options, reader_of
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(no_args_is_help=True, add_completion=False)

#: How long to wait for a broker that does not answer.
_PATIENCE_SECONDS: Final = 15.0


@app.command()
def ingest(
    format_: Annotated[str, typer.Argument(help=f"One of {', '.join(SOURCES)}.", metavar="FORMAT")],
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, URLs, or - for standard input; gzip, bzip2, xz, zstd, LZ4 and tar are unpacked.",
            metavar="FILE|FOLDER|URL|-...",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(help="Write records (JSONL) there instead of to Kafka; - is stdout.", metavar="FILE"),
    ] = None,
    map_: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="What the format needs besides: a table's columns, Prometheus' labels, RIPE's probes.",
        ),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Note there how far it has come, and go on from there.")
    ] = None,
    platform_map: Annotated[
        Path | None, typer.Option(help='TOML: platform = ["domain", ...]; put over the built-in names.')
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="ISO 3166-1 code, for measurements that do not say it.")
    ] = None,
    asn: Annotated[int | None, typer.Option(help="Network, for measurements that do not say it.")] = None,
    time: Annotated[
        datetime | None, typer.Option(help="When (UTC), for measurements that do not say it.")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Mark every result as made: measured in an emulated network.")
    ] = False,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Turn other people's measurements into results and signals.

    Says what was written, and what was not and why. Exit code 1: nothing could be written.
    """
    settings = with_bootstrap(load(config), bootstrap)
    try:
        platforms = read_platforms(platform_map) if platform_map else Platforms()
    except (PlatformMapError, OSError) as error:
        raise SettingsError(str(error)) from error
    when = time.replace(tzinfo=time.tzinfo or UTC) if time else None
    read = reader_of(format_, Options(platforms, map_, country, asn, when, simulated))
    chosen = inputs(sources, lambda: sys.stdin.buffer)
    progress = ingesting.Progress.read(state)
    totals = IngestTotals()
    with _Bar(chosen) as bar:
        if output is None:
            _send(settings, read, chosen, progress, totals, bar)
        else:
            _write(output, read, chosen, progress, totals, bar)
    _show(totals, as_json, to_stderr=output == "-")
    raise typer.Exit(0 if totals.written or totals.skipped_files else 1)


class _Bar:
    """A progress bar on stderr. Shows nothing if stderr is not a terminal."""

    def __init__(self, sources: list[Input]) -> None:
        console = Console(stderr=True)
        self._progress = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            if console.is_terminal
            else None
        )
        self._sources = sources

    def __enter__(self) -> _Bar:
        if self._progress is not None:
            self._progress.start()
            sizes = [source.size for source in self._sources]
            total = sum(filter(None, sizes)) if None not in sizes else None
            self._all = self._progress.add_task("measurements", total=total)
        return self

    def __exit__(self, *error: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def watch(self, source: Input, raw: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Return the file with a progress bar that counts the bytes read, or as it is if no bar is shown."""
        if self._progress is None:
            return nullcontext(raw)
        self._progress.update(self._all, description=Path(source.name).name)
        return self._progress.wrap_file(raw, task_id=self._all)


def _write(
    output: str,
    read: Read,
    chosen: list[Input],
    progress: ingesting.Progress,
    totals: IngestTotals,
    bar: _Bar,
) -> None:
    def put(sink: BinaryIO, path: Path | None) -> None:
        for piece, acknowledged in pieces(read, chosen, progress, totals, bar.watch):
            sink.writelines(encoded(item) + b"\n" for item in piece)
            sink.flush()
            if path is not None:
                progress.wrote(path, sink.tell())
            acknowledged()

    if output == "-":
        put(sys.stdout.buffer, None)
        return
    try:
        # What an earlier run has written stays, where this one goes on from it.
        with progress.open_output(Path(output)) as sink:
            put(sink, Path(output) if Path(output).is_file() else None)
    except OSError as error:
        raise SettingsError(f"{output}: {error.strerror}; name a file that can be written") from error


def _send(
    settings: Settings,
    read: Read,
    chosen: list[Input],
    progress: ingesting.Progress,
    totals: IngestTotals,
    bar: _Bar,
) -> None:
    async def send() -> None:
        await wait_for_broker(settings.kafka, patience_seconds=_PATIENCE_SECONDS)
        async with SourceSender(settings) as sender:
            for piece, acknowledged in pieces(read, chosen, progress, totals, bar.watch):
                await sender.send(piece)
                acknowledged()

    with answered(
        settings.kafka,
        "name one with --bootstrap and make its topics with `netdusk topics`, or write a file with --output",
    ):
        asyncio.run(send())


def _show(totals: IngestTotals, as_json: bool, *, to_stderr: bool) -> None:
    """The counts; on stderr where the results themselves are on stdout."""
    if as_json:
        typer.echo(orjson.dumps(totals.facts(), option=orjson.OPT_INDENT_2).decode(), err=to_stderr)
        return
    lines = []
    if totals.skipped_files:
        lines.append(f"{amount(totals.skipped_files, 'file')} written before")
    if totals.results or not totals.signals:
        lines.append(
            f"{amount(totals.results, 'result')} written of {amount(totals.files, 'file')}: {totals.ok:,} ok"
        )
    if totals.signals:
        lines.append(f"{amount(totals.signals, 'signal')} written of {amount(totals.files, 'file')}:")
    lines += [f"  {n} {outcome}" for outcome, n in totals.outcomes.most_common()]
    if totals.refused:
        lines.append(f"{amount(totals.refused.total(), 'measurement')} not written:")
    lines += totals.refusals()
    typer.echo("\n".join(lines), err=to_stderr)
