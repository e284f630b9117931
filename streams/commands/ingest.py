"""`netdusk ingest`: other people's measurements, onto the topic or into a file."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import orjson
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from producers.records import ProbeResult, encode
from producers.sources.ooni.platforms import PlatformMapError, Platforms, read_platforms
from producers.sources.ooni.reader import OoniReader, Refused
from streams.kafka.bulk import BulkSender
from streams.kafka.client import wait_for_broker
from streams.kafka.probes import outgoing
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(no_args_is_help=True, add_completion=False)

#: How many details are counted by themselves, of each reason.
_DETAILS_MAX: Final = 100
_DETAILS_SHOWN: Final = 5
#: A broker that is being started is there by then; whoever has none is told so.
_PATIENCE_SECONDS: Final = 15.0


@app.callback()
def ingest() -> None:
    """Put other people's measurements on the topic."""


@app.command()
def ooni(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Web Connectivity JSON or JSONL, fast path SQL inserts; .gz is unpacked.", metavar="FILE..."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            help="Write ProbeResults (JSONL) there instead of to Kafka; - is stdout.", metavar="FILE"
        ),
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
    """Turn OONI's measurements into ProbeResults.

    Says what was written, and what was not and why. Exit code 1: nothing could be written.
    """
    settings = with_bootstrap(load(config), bootstrap)
    for path in files:
        if not path.is_file():
            raise SettingsError(f"{path}: no such file; name files of OONI measurements")
    try:
        platforms = read_platforms(platform_map) if platform_map else Platforms()
    except (PlatformMapError, OSError) as error:
        raise SettingsError(str(error)) from error
    reader = OoniReader(
        platforms, country, asn, time.replace(tzinfo=time.tzinfo or UTC) if time else None, simulated
    )
    counts = IngestTotals(files=len(files))
    with _Progress(files) as progress:
        results = counts.written(read_all(reader, files, progress.watch))
        if output is None:
            _send(settings, results)
        else:
            _write(output, results)
    _show(counts, as_json, to_stderr=output == "-")
    raise typer.Exit(0 if counts.results else 1)


@dataclass
class IngestTotals:
    """What came of the measurements."""

    files: int = 0
    results: int = 0
    ok: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    details: dict[str, Counter[str]] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def written(self, read: Iterable[ProbeResult | Refused]) -> Iterator[ProbeResult]:
        """Pass results on, and count everything."""
        for item in read:
            if isinstance(item, Refused):
                self._refuse(item)
                continue
            self.results += 1
            self.ok += item.ok
            if not item.ok:
                self.outcomes[f"{item.stage or 'unknown'}.{item.failure or 'unknown'}"] += 1
            yield item

    def _refuse(self, item: Refused) -> None:
        reason = item.reason.value
        self.refused[reason] += 1
        details = self.details.setdefault(reason, Counter())
        if item.detail in details or len(details) < _DETAILS_MAX:
            details[item.detail] += 1
        self.first.setdefault(reason, item.place)

    def facts(self) -> dict[str, object]:
        """For a program."""
        return {
            "files": self.files,
            "read": self.results + self.refused.total(),
            "written": self.results,
            "ok": self.ok,
            "failed": dict(self.outcomes.most_common()),
            "refused": dict(self.refused.most_common()),
            "refused_because": {
                reason: dict(details.most_common()) for reason, details in self.details.items()
            },
        }


def read_all(
    reader: OoniReader,
    files: Iterable[Path],
    watch: Callable[[Path, BinaryIO], AbstractContextManager[BinaryIO]],
) -> Iterator[ProbeResult | Refused]:
    """Every measurement of every file, in order; `watch` sees the bytes go by."""
    for path in files:
        try:
            raw = path.open("rb")
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror}; make it readable") from error
        with raw, watch(path, raw) as watched:
            yield from reader.read(path, watched)


class _Progress:
    """A progress bar on stderr. Shows nothing if stderr is not a terminal."""

    def __init__(self, files: list[Path]) -> None:
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
        self._files = files

    def __enter__(self) -> _Progress:
        if self._progress is not None:
            self._progress.start()
            self._all = self._progress.add_task(
                "measurements", total=sum(p.stat().st_size for p in self._files)
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def watch(self, path: Path, raw: BinaryIO) -> AbstractContextManager[BinaryIO]:
        """Return the file with a progress bar that counts the bytes read, or as it is if no bar is shown."""
        if self._progress is None:
            return nullcontext(raw)
        self._progress.update(self._all, description=path.name)
        return self._progress.wrap_file(raw, task_id=self._all)


def _write(output: str, results: Iterator[ProbeResult]) -> None:
    if output == "-":
        for result in results:
            sys.stdout.buffer.write(encode(result) + b"\n")
        sys.stdout.buffer.flush()
        return
    try:
        with Path(output).open("wb") as sink:
            sink.writelines(encode(result) + b"\n" for result in results)
    except OSError as error:
        raise SettingsError(f"{output}: {error.strerror}; name a file that can be written") from error


def _send(settings: Settings, results: Iterator[ProbeResult]) -> None:
    try:
        asyncio.run(_send_all(settings, results))
    except (KafkaError, OSError) as error:
        raise SettingsError(
            f"{settings.kafka.bootstrap}, topic {settings.topics.probes}: {error}; name a broker with --bootstrap and "
            "make the topics with `netdusk topics`, or write a file with --output"
        ) from error


async def _send_all(settings: Settings, results: Iterator[ProbeResult]) -> None:
    kafka = settings.kafka
    await wait_for_broker(kafka, patience_seconds=_PATIENCE_SECONDS)
    async with BulkSender(kafka, settings.topics.probes) as sender:
        await sender.send(outgoing(results, sender.partitions))


def _show(counts: IngestTotals, as_json: bool, *, to_stderr: bool) -> None:
    """The counts; on stderr where the results themselves are on stdout."""
    if as_json:
        typer.echo(orjson.dumps(counts.facts(), option=orjson.OPT_INDENT_2).decode(), err=to_stderr)
        return
    lines = [f"{counts.results} results written of {counts.files} files: {counts.ok} ok"]
    lines += [f"  {n} {outcome}" for outcome, n in counts.outcomes.most_common()]
    if counts.refused:
        lines.append(f"{counts.refused.total()} measurements not written:")
    for reason, n in counts.refused.most_common():
        lines.append(f"  {n} {reason}")
        details = counts.details[reason].most_common(_DETAILS_SHOWN)
        lines.append(f"      {'; '.join(f'{n} {detail}' for detail, n in details)}")
        lines.append(f"      the first: {counts.first[reason]}")
    typer.echo("\n".join(lines), err=to_stderr)
