"""The backtest: the worker's own step over a file, in whatever order its lines stand within the lateness."""

from __future__ import annotations

import gzip
import random
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from producers.records import Tick, encode
from streams.machine import Chunk, Outbox
from streams.records import CalendarEvent, Incident
from streams.settings import load
from streams.step.backtest import LINE_BYTES_MAX, WINDOWS, Backtest, read_lines
from streams.step.country import CountryMachine
from streams.step.rows import Rows
from streams.step.ticks import with_ticks
from tests.stories.telling import World, results

SETTINGS = load()
ROWS = list(results("PK x * ....xxx...", World(networks=3, others=("google",)), seed=3))
LINES = [encode(row) for row in ROWS]


def told(lines: list[bytes], **more: object) -> list[Incident]:
    return list(Backtest(SETTINGS, **more).run(lines))  # type: ignore[arg-type]


EXPECTED = told(LINES)


def test_a_block_is_told_from_its_beginning_to_its_end() -> None:
    assert [incident.status.value for incident in EXPECTED] == ["open", "resolved"]


@pytest.mark.parametrize("seed", range(3))
def test_lines_may_stand_in_any_order_within_the_lateness(seed: int) -> None:
    rng = random.Random(seed)
    order = sorted(ROWS, key=lambda row: row.time.timestamp() + rng.uniform(0, 20))
    assert order != ROWS
    assert told([encode(row) for row in order]) == EXPECTED


def test_lines_told_twice_count_once() -> None:
    assert told([line for line in LINES for _ in range(2)]) == EXPECTED


def test_ticks_of_the_file_are_the_clock_where_it_has_any() -> None:
    records = list(with_ticks(iter(ROWS), SETTINGS.time))
    assert any(isinstance(record, Tick) for record in records)
    assert told([encode(record) for record in records]) == EXPECTED  # type: ignore[arg-type]


def test_a_worker_says_the_same_of_the_same_log() -> None:
    values = [encode(record) for record in with_ticks(iter(ROWS), SETTINGS.time)]  # type: ignore[arg-type]
    machine = CountryMachine(load(worker={"clock": "replay"}))
    said = []
    for start in range(0, len(values), 97):
        part = values[start : start + 97]
        said += machine.apply(machine.read(Chunk("t", 0, range(start, start + len(part)), part))).incidents
    assert said == EXPECTED


def test_what_is_no_record_stops_nothing() -> None:
    run = Backtest(SETTINGS)
    assert list(run.run([b"nonsense", b"", *LINES[:500], b"{}", *LINES[500:]])) == EXPECTED
    assert run.machine.totals.rejected == 2


def test_it_counts_what_it_covered() -> None:
    run = Backtest(SETTINGS)
    list(run.run(LINES))
    assert run.series == 2
    assert 40 * 60 <= run.span_seconds <= 55 * 60


def test_the_calendar_is_known_from_the_beginning() -> None:
    start = ROWS[0].time
    event = CalendarEvent(id="vote", country="PK", title="a vote", start=start, end=ROWS[-1].time)
    assert {incident.coincides for incident in told(LINES, calendar=[event])} == {("vote",)}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_packed_file_reads_like_a_plain_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = b"\n".join(LINES)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert [line.strip() for line in read_lines(path)] == LINES


@pytest.mark.world
def test_where_little_comes_few_windows_are_closed_in_one_go_and_no_reading_is_kept() -> None:
    base = ROWS[0]
    rows = [replace(base, id=f"sparse-{i}", time=base.time + timedelta(minutes=3 * i)) for i in range(400)]
    windows: list[int] = []
    run = Backtest(SETTINGS, observe=lambda reading: windows.append(reading.start))
    closed: list[int] = []
    kept: list[int] = []
    apply = run.machine.apply

    def noting(batch: Rows) -> Outbox:
        before = len(windows)
        outbox = apply(batch)
        closed.append(len(windows) - before)
        kept.append(len(run.machine.closed))
        return outbox

    run.machine.apply = noting  # type: ignore[method-assign]  # to see what each chunk closes
    list(run.run(encode(row) for row in rows))
    assert len(closed) > 5
    # The first chunk is cut before anything is known.
    assert max(closed[1:]) <= 3 * WINDOWS
    # A long silence in which an incident goes on is one chunk of many windows, and a crowd's readings are large.
    assert not any(kept)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_of_a_line_without_end_only_the_beginning_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with gzip.open(path, "wb") if name.endswith(".gz") else path.open("wb") as file:
        file.write(
            b"one\n" + b"[" * (3 * LINE_BYTES_MAX + 7) + b"\ntwo\n" + b"x" * LINE_BYTES_MAX + b"\nthree"
        )
    assert [(line[:5], len(line)) for line in read_lines(path)] == [
        (b"one\n", 4),
        (b"[[[[[", LINE_BYTES_MAX),
        (b"two\n", 4),
        (b"xxxxx", LINE_BYTES_MAX),
        (b"three", 5),
    ]
