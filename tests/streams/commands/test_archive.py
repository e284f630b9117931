"""`netdusk archive` on a real broker, killed again and again: every window once. And `netdusk history` of a file."""

from __future__ import annotations

import asyncio
import csv
import io
import random
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from producers.partitions import partition_of
from producers.records import encode as encode_result
from producers.simulated import scenario
from streams.archive.metrics import METRICS, ArchiveMetrics
from streams.archive.reader import Archive
from streams.archive.store import FolderStore, Store
from streams.archive.writer import Archiver
from streams.commands import backtest, exporting, history
from streams.commands.archive import ArchivedLog, Keeping
from streams.kafka.bulk import BulkSender
from streams.kafka.topics import ensure
from streams.page.pictures import series_chart
from streams.records import Window, encode
from streams.settings import Settings, SettingsError, load
from streams.words import PLATFORM_NAMES
from tests.effort import examples
from tests.streams.archive.memory import FailingStore
from tests.streams.archive.test_archive import window
from tests.streams.kafka.test_topics import settings_for
from tests.streams.publish.stories import incident


async def fill(settings: Settings, windows: list[Window]) -> None:
    async with BulkSender(settings.kafka, settings.topics.windows) as sender:
        await sender.send(
            (key, encode(one), partition_of(key, sender.partitions))
            for one in windows
            for key in (one.country.encode(),)
        )


def archiver(
    settings: Settings, tmp_path: Path, *more: str, url: str | None = None
) -> subprocess.Popen[bytes]:
    config = tmp_path / "netdusk.toml"
    names = "\n".join(f'{role} = "{name}"' for role, name in settings.topics if isinstance(name, str))
    config.write_text(
        f'[kafka]\nbootstrap = "{settings.kafka.bootstrap}"\nsession_timeout_seconds = 6.0\n'
        f'[topics]\n{names}\n[archive]\nurl = "{url or tmp_path / "kept"}"\ngroup = "{settings.topics.windows}"\n'
        "flush_seconds = 0.05\n"
    )
    with (tmp_path / "archive.log").open("ab") as out:
        command = [sys.executable, "-m", "streams", "archive", "--config", str(config), *more]
        return subprocess.Popen(command, stdout=out, stderr=out)


def kill_and_read(bootstrap: str, tmp_path: Path, store: Store, url: str | None = None) -> None:
    """Windows go to Kafka; an archiver is killed four times at some moment; a last one ends. Each is there once."""
    settings = settings_for(bootstrap)
    asyncio.run(ensure(settings))
    windows = [
        window(minute, country, cells=minute % 4)
        for minute in range(600)
        for country in ("IR", "PK", "UG", "MM")
    ]
    rng = random.Random(7)
    for part in range(4):
        asyncio.run(fill(settings, windows[part * 600 : (part + 1) * 600 + 3]))
        running = archiver(settings, tmp_path, url=url)
        # It takes two seconds to come up; then it writes for a while.
        time.sleep(3.0 + rng.random() * 1.5)
        running.send_signal(signal.SIGKILL)
        running.wait()
    last = archiver(settings, tmp_path, "--once", url=url)
    assert last.wait(60) == 0, (tmp_path / "archive.log").read_text()[-3000:]
    archive = Archive(store)
    for country in ("IR", "PK", "UG", "MM"):
        told = [one for one in windows if one.country == country]
        assert list(archive.windows(country)) == told


@pytest.mark.integration
def test_killed_at_any_moment_it_keeps_every_window_once(bootstrap: str, tmp_path: Path) -> None:
    kill_and_read(bootstrap, tmp_path, FolderStore(tmp_path / "kept"))


@pytest.mark.integration
def test_a_store_that_goes_away_for_a_while_is_waited_for(bootstrap: str, tmp_path: Path) -> None:
    settings = settings_for(bootstrap)
    asyncio.run(ensure(settings))
    kept, log = tmp_path / "kept", tmp_path / "archive.log"

    def until_it_says(word: str) -> None:
        deadline = time.monotonic() + 60
        while word not in (log.read_text() if log.exists() else ""):
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)

    windows = [window(minute, country) for minute in range(300) for country in ("IR", "PK")]
    asyncio.run(fill(settings, windows[:400]))
    kept.write_text("no folder can be made in its place")
    running = archiver(settings, tmp_path)
    try:
        until_it_says("the store failed")
        kept.unlink()
        until_it_says("the store takes files again")
        asyncio.run(fill(settings, windows[400:]))
        running.terminate()
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.wait()
    assert archiver(settings, tmp_path, "--once").wait(60) == 0
    for country in ("IR", "PK"):
        told = [one for one in windows if one.country == country]
        assert list(Archive(FolderStore(kept)).windows(country)) == told


class OnePartition:
    """A consumer's side that a rebalance touches: where a partition begins and ends, and where it is read next."""

    def __init__(self) -> None:
        self.answers = True
        self.sought: list[int] = []

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        if not self.answers:
            raise KafkaTimeoutError
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 3)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.sought.append(offset)


async def test_what_was_fetched_across_a_rebalance_is_read_again(tmp_path: Path) -> None:
    windows = [window(minute, "IR") for minute in range(3)]
    fetched = [
        SimpleNamespace(offset=offset, value=encode(one), timestamp=0) for offset, one in enumerate(windows)
    ]
    store, place, consumer = FolderStore(tmp_path), TopicPartition("windows", 0), OnePartition()
    held = ArchivedLog(consumer, Archiver(store), {"windows": "windows"})
    held.on_partitions_assigned([place])
    # Fetched before it was known from where to read; then the broker does not say; then it does.
    consumer.answers = False
    await held.take({place: fetched[1:2]})
    assert not held.ready and consumer.sought == []
    consumer.answers = True
    await held.take({place: fetched[2:]})
    assert held.ready and consumer.sought == [0]
    await held.take({place: fetched[:2]})
    await held.on_partitions_revoked([place])
    # Fetched before the partition went, taken after it.
    await held.take({place: fetched[2:]})
    held.on_partitions_assigned([place])
    await held.take({place: fetched[2:]})
    assert consumer.sought == [0, 2]
    await held.take({place: fetched[2:]})
    await held.on_partitions_revoked([place])
    assert list(Archive(store).windows("IR")) == windows


class OneLog(OnePartition):
    """A consumer of one partition, which gives a few records a time, from where it was told to."""

    def __init__(self, values: list[bytes], place: TopicPartition) -> None:
        super().__init__()
        self.values, self.place, self.at, self.paused = values, place, 0, False

    def assignment(self) -> set[TopicPartition]:
        return {self.place}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {self.place.partition}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, len(self.values))

    async def position(self, place: TopicPartition) -> int:
        return self.at

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.at = offset

    def pause(self, *places: TopicPartition) -> None:
        self.paused = True

    def resume(self, *places: TopicPartition) -> None:
        self.paused = False

    async def commit(self, offsets: object) -> None:
        pass

    async def getmany(self, **how: object) -> dict[TopicPartition, list[SimpleNamespace]]:
        if self.paused:
            return {}
        begin, self.at = self.at, min(self.at + 7, len(self.values))
        records = [
            SimpleNamespace(offset=offset, value=self.values[offset], timestamp=0)
            for offset in range(begin, self.at)
        ]
        return {self.place: records} if records else {}


async def keep(store: Store, values: list[bytes]) -> tuple[Archiver, CollectorRegistry]:
    """As the command does it, without rests: until all that there is was put."""
    place, registry = TopicPartition("windows", 0), CollectorRegistry()
    consumer, writer = OneLog(values, place), Archiver(store)
    held = ArchivedLog(consumer, writer, {"windows": "windows"})
    held.on_partitions_assigned([place])
    settings = load(archive={"flush_seconds": 1e-9})
    metrics = ArchiveMetrics(registry)
    keeping = Keeping(consumer, writer, held, {"windows": "windows"}, settings, metrics, rest_seconds=0.0)
    for _ in range(1000):
        try:
            if await keeping.turn(once=True):
                break
        except OSError as error:
            await keeping.rest(asyncio.Event(), error)
    else:
        raise AssertionError("it never came to the end")
    return writer, registry


class SharedLog(OneLog):
    """A consumer that has one partition of two; a member that was killed, or another archiver, has the other."""

    committed_to: int | None = None

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0, 1}

    async def committed(self, place: TopicPartition) -> int | None:
        assert place not in self.assignment()
        return self.committed_to


@pytest.mark.parametrize("empty", [False, True])
async def test_the_end_of_its_own_partitions_is_not_the_end(tmp_path: Path, empty: bool) -> None:
    place = TopicPartition("windows", 0)
    values = [] if empty else [encode(window(minute, "IR")) for minute in range(10)]
    consumer, writer = SharedLog(values, place), Archiver(FolderStore(tmp_path))
    held = ArchivedLog(consumer, writer, {"windows": "windows"})
    held.on_partitions_assigned([place])
    metrics = ArchiveMetrics(CollectorRegistry())
    keeping = Keeping(consumer, writer, held, {"windows": "windows"}, load(), metrics)
    ended = [await keeping.turn(once=True) for _ in range(6)]
    assert any(ended) is empty
    if not empty:
        consumer.committed_to = 9
        assert not await keeping.turn(once=True)
        consumer.committed_to = 10
        consumer.values.append(values[0])  # what comes later is for the next time
        consumer.at = len(consumer.values)
        assert await keeping.turn(once=True)
    assert len(list(Archive(FolderStore(tmp_path)).windows("IR"))) == (0 if empty else 10)


@pytest.mark.system
@examples(25)
@given(st.frozensets(st.integers(0, 120), max_size=60), st.integers(0, 100), st.integers(0, 40))
def test_a_store_that_fails_is_waited_for_and_every_window_is_there_once(
    now_and_then: frozenset[int], from_here: int, so_often: int
) -> None:
    windows = [window(minute, "IR") for minute in range(0, 400, 8)]
    store = FailingStore(now_and_then | frozenset(range(from_here, from_here + so_often)))
    writer, registry = asyncio.run(keep(store, [encode(one) for one in windows]))
    failures = registry.get_sample_value("netdusk_archive_store_failures_total")
    assert failures == sum(number < store.asked for number in store._away)
    assert registry.get_sample_value("netdusk_archive_store_up") == 1.0
    assert registry.get_sample_value("netdusk_archive_files_total") == writer.parts > 0
    store._away = frozenset()
    assert list(Archive(store).windows("IR")) == windows


async def test_while_the_store_rests_nothing_is_read_and_it_is_said(tmp_path: Path) -> None:
    place, registry = TopicPartition("windows", 0), CollectorRegistry()
    consumer, writer = OneLog([encode(window(0))], place), Archiver(FailingStore(frozenset(range(9))))
    held = ArchivedLog(consumer, writer, {"windows": "windows"})
    held.on_partitions_assigned([place])
    metrics, stopped = ArchiveMetrics(registry), asyncio.Event()
    keeping = Keeping(consumer, writer, held, {"windows": "windows"}, load(), metrics)
    with pytest.raises(OSError, match="the store is away") as failed:
        await keeping.turn(once=False)
    stopped.set()  # nobody waits at the end
    await keeping.rest(stopped, failed.value)
    assert not held.ready and not consumer.paused and writer.buffered == 0
    assert registry.get_sample_value("netdusk_archive_store_up") == 0.0


async def test_a_rebalance_while_the_store_fails_lets_go(tmp_path: Path) -> None:
    place = TopicPartition("windows", 0)
    store = FailingStore(frozenset())
    consumer, writer = OneLog([encode(window(0))], place), Archiver(store)
    held = ArchivedLog(consumer, writer, {"windows": "windows"})
    held.on_partitions_assigned([place])
    await held.take({})
    await held.take(await consumer.getmany())
    store._away = frozenset(range(100))
    await held.on_partitions_revoked([place])
    assert writer.buffered == 0 and "windows/" not in "".join(store.files)


def test_the_docs_name_every_metric() -> None:
    page = (Path(__file__).parents[3] / "docs" / "history.md").read_text()
    registry = CollectorRegistry()
    ArchiveMetrics(registry)
    names = {sample.name for family in registry.collect() for sample in family.samples}
    names = {name for name in names if not name.endswith("_created")}
    assert len(names) == len(METRICS) and [name for name in names if f"`{name}`" not in page] == []


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half an hour of an evening, by `backtest --archive`."""
    folder = tmp_path_factory.mktemp("history")
    results = scenario.pakistan(0, evenings=["2024-01-20"])
    first = next(results)
    with (folder / "results.jsonl").open("wb") as file:
        file.write(encode_result(first) + b"\n")
        for one in results:
            if one.time > first.time + timedelta(minutes=30):
                break
            file.write(encode_result(one) + b"\n")
    run = CliRunner().invoke(backtest.app, [str(folder / "results.jsonl"), "--archive", str(folder / "kept")])
    assert run.exit_code == 0, run.output
    return folder / "kept"


def test_history_needs_no_kafka(kept: Path) -> None:
    run = CliRunner().invoke(history.app, ["PK", "2024-01-20", "--archive", str(kept), "--format", "csv"])
    assert run.exit_code == 0, run.output
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    assert {row["name"] for row in rows} >= {"x", "youtube", "facebook"}
    results = len((kept.parent / "results.jsonl").read_bytes().splitlines())
    # The last windows of a file do not close.
    assert 0.8 * results < sum(int(row["n"]) for row in rows) <= results
    shown = CliRunner().invoke(history.app, ["PK", "--by", "network", "--archive", str(kept)])
    assert "AS17557" in shown.stdout and "█" in shown.stdout
    # The evening is a reconstruction, and every form says so.
    assert shown.stdout.startswith("SIMULATED") and {row["simulated"] for row in rows} == {"True"}
    start = datetime(2024, 1, 20, tzinfo=UTC)
    series = Archive(FolderStore(kept)).series("PK", start, start + timedelta(days=1))
    assert series_chart("PK", series).title == "SIMULATED: PK"
    named = series_chart("Pakistan", series, lambda name: PLATFORM_NAMES.get(name, name))
    assert "X (Twitter)" in [line.name for line in named.lines]
    long = [
        msgspec.structs.replace(row, time=row.time + timedelta(days=day)) for row in series for day in (0, 3)
    ]
    assert re.search(r"lowest \d+ % at 2[03] Jan \d\d:\d\d,", series_chart("PK", long).lines[0].note)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["pk"], "in capitals"),
        (["UG"], "has nothing of UG; it has PK"),
        (["PK", "2024-13"], "2024-13: month must be in"),
        (["PK", "yesterday"], "it is no date; write it like 2024"),
        (["PK", "2024-01-20", "2024-01-18"], "has to be later"),
        (["PK", "2023"], "the archive has 2024-01-20 to 2024-01-20"),
    ],
)
def test_what_history_can_not_show_it_says(kept: Path, arguments: list[str], why: str) -> None:
    run = CliRunner().invoke(history.app, [*arguments, "--archive", str(kept)])
    assert isinstance(run.exception, SettingsError)
    assert why in str(run.exception)


def test_a_store_that_does_not_answer_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    away = FailingStore(frozenset(range(1000)))
    for module in (history, exporting):
        monkeypatch.setattr(module, "store_at", lambda _: away)
    run = CliRunner().invoke(history.app, ["PK", "--archive", "s3://bucket/kept"])
    assert isinstance(run.exception, SettingsError)
    assert "s3://bucket/kept: the archive does not answer ([Errno 5] the store is away)" in str(run.exception)
    with pytest.raises(SettingsError, match="s3://bucket/kept: the archive does not answer"):
        exporting.export(load(), None, "s3://bucket/kept", None, None)


def test_an_empty_archive_says_what_fills_one(tmp_path: Path) -> None:
    run = CliRunner().invoke(history.app, ["UG", "--archive", str(tmp_path)])
    assert isinstance(run.exception, SettingsError)
    assert "has nothing of UG; it has nothing: `netdusk archive` and" in str(run.exception)


def test_backtest_writes_into_an_empty_folder_alone(kept: Path) -> None:
    run = CliRunner().invoke(backtest.app, [str(kept.parent / "results.jsonl"), "--archive", str(kept)])
    assert "is not empty" in str(run.exception)


def test_incidents_are_kept_as_they_were_told(tmp_path: Path) -> None:
    from streams.archive.writer import Archiver

    store = FolderStore(tmp_path)
    writer = Archiver(store)
    writer.begin("alerts", 0, 0, 2)
    told = [incident(), incident(seq=2)]
    for offset, one in enumerate(told):
        writer.take("alerts", 0, offset, encode(one))
    writer.flush()
    assert Archive(store).incidents() == told
