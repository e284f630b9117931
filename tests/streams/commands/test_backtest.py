"""`netdusk backtest` on a small simulated world, from the outside."""

import json
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from producers.records import encode
from producers.simulated.worlds import BEGIN, Simulation, world
from streams.commands.backtest import _progress, _want, _watched, app
from streams.settings import SettingsError, load

run = CliRunner()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Six hours with one blackout, and their truth."""
    folder = tmp_path_factory.mktemp("world")
    made = world("blackout", warmup_days=0.15, gap_hours=(0.2, 0.5), platforms=("x", "wikipedia"))
    simulation = Simulation(made, seed=7, days=1)
    first = simulation.labels[0]
    results, labels = folder / "world.jsonl", folder / "labels.jsonl"
    with results.open("wb") as file:
        stop = datetime.fromtimestamp(BEGIN, UTC) + timedelta(hours=6)
        for record in takewhile(lambda record: record.time < stop, simulation.results()):
            file.write(encode(record) + b"\n")
    labels.write_bytes(msgspec.json.encode(first) + b"\n")
    return results, labels


@pytest.mark.system
def test_its_last_line_is_the_scorecard(files: tuple[Path, Path], tmp_path: Path) -> None:
    results, labels = files
    picture = tmp_path / "event.svg"
    done = run.invoke(app, [str(results), "--labels", str(labels), "--json", "--picture", str(picture)])
    assert done.exit_code == 1, done.output
    *snapshots, card = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(snapshot["simulated"] for snapshot in snapshots)
    assert card["scorecard"]["all"]["recall"] == 1.0
    assert card["scorecard"]["all"]["minutes_to_detect"]["median"] < 15
    assert "SIMULATED" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--picture", "event.pdf"], "must end in .html"),
        (["--labels", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
    ],
)
def test_a_mistake_is_one_message(arguments: list[str], message: str, files: tuple[Path, Path]) -> None:
    done = run.invoke(app, [str(files[0]), *arguments])
    assert isinstance(done.exception, SettingsError)
    assert message in str(done.exception)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"schema":"netdusk.calendar/1","id":"e","country":"PK","title":"t","start":"2024-01-20T00:00:00",'
         b'"end":"2024-01-21T00:00:00Z"}', "name a time zone"),
        (b'{"schema":"netdusk.calendar/1","id":"e","country":"PK","title":"t","start":"0001-01-01T00:00:00Z",'
         b'"end":"2024-01-21T00:00:00Z"}', "the year has to be"),
        (b'{"schema":"netdusk.calendar/1","x":' + b"[" * 20_000, ""),
        (b"\xff", ""),
    ],
)  # fmt: skip
def test_a_calendar_line_that_no_person_would_write_is_said(tmp_path: Path, line: bytes, says: str) -> None:
    probes, calendar = tmp_path / "p.jsonl", tmp_path / "c.jsonl"
    probes.write_bytes(b"")
    calendar.write_bytes(line + b"\n")
    outcome = CliRunner().invoke(app, [str(probes), "--calendar", str(calendar)])
    assert isinstance(outcome.exception, SettingsError)
    assert str(outcome.exception).startswith(f"{calendar}, line 1: ")
    assert says in str(outcome.exception)


def test_a_file_with_too_little_to_learn_from_says_that_its_silence_says_nothing(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_bytes(b"".join(files[0].read_bytes().splitlines(keepends=True)[:30]))
    done = run.invoke(app, [str(few)])
    assert (
        "had enough results to learn what is usual (20 results on one network in at least 30 min)"
        in done.stdout
    )
    assert "that says nothing" in done.stdout
    as_json = run.invoke(app, [str(few), "--json"])
    assert (as_json.stdout, "that says nothing" in as_json.stderr) == ("", True)


@pytest.mark.system
def test_where_nobody_may_speak_that_is_said(files: tuple[Path, Path]) -> None:
    done = run.invoke(app, [str(files[0]), "--trust", "registered"])
    assert "It rests on unregistered vantages." in done.stdout
    assert "no result is of a registered vantage" in done.stdout
    assert "no result is of a registered vantage" not in run.invoke(app, [str(files[0])]).stdout


@pytest.mark.parametrize(
    ("known", "says"), [("abcd", ""), ("a", "1 of 4 series (a platform in a country) had enough")]
)
def test_where_some_had_enough_it_says_how_many(known: str, says: str) -> None:
    ended: Any = SimpleNamespace(settings=load(), known=set(known), pairs=set("abcd"), series=4)
    assert _want(ended)[: len(says) or None] == says


def test_progress_says_how_far_in_the_files_own_time_it_is() -> None:
    going: Any = SimpleNamespace(last=1704067200)
    with _progress(quiet=True) as progress:
        assert list(_watched([b"{}"] * 1201, going, progress)) == [b"{}"] * 1201
        assert progress.tasks[0].description == "2024-01-01 00:00 UTC, 1,200 lines"
