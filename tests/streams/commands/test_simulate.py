"""`netdusk simulate` from the outside."""

import gzip
import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from producers.records import ProbeResult, decode
from producers.simulated.lifelike import BUILDERS
from producers.simulated.worlds import KINDS, WORLDS
from streams.commands.simulate import app
from streams.publish.scorecard import Label
from streams.settings import SettingsError

run = CliRunner()


@pytest.mark.system
def test_it_writes_results_and_their_truth(tmp_path: Path) -> None:
    results, labels = tmp_path / "world.jsonl.gz", tmp_path / "labels.jsonl"
    arguments = ["nightly", "--seed", "3", "--days", "10", "--volume", "0.5", "--json"]
    done = run.invoke(app, [*arguments, "--output", str(results), "--labels", str(labels)])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    lines = gzip.decompress(results.read_bytes()).splitlines()
    records = [decode(line) for line in lines]
    assert len(records) == told["results"] > 1000
    assert all(isinstance(record, ProbeResult) and record.simulated for record in records)
    truth = [msgspec.json.decode(line, type=Label) for line in labels.read_bytes().splitlines()]
    assert len(truth) == told["events"] > 0
    assert {label.event for label in truth} == {"nightly"}


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        run.invoke(app, ["quiet", "--days", "1", "--volume", "0.2", "--output", str(tmp_path / name)])
        made.append(gzip.decompress((tmp_path / name).read_bytes()))
    assert made[0] == made[1] != b""


def test_events_can_be_chosen(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    arguments = [
        "quiet",
        "--days",
        "9",
        "--volume",
        "0.1",
        "--events",
        "blip,rollout",
        "--labels",
        str(labels),
    ]
    assert run.invoke(app, [*arguments, "--output", str(tmp_path / "w.jsonl")]).exit_code == 0
    events = {json.loads(line)["event"] for line in labels.read_bytes().splitlines()}
    assert events == {"blip", "rollout"}


def test_the_list_names_every_world_and_every_kind() -> None:
    listing = json.loads(run.invoke(app, ["--list", "--json"]).output)
    assert set(listing["worlds"]) == {*WORLDS, *BUILDERS}
    assert set(listing["events"]) == set(KINDS)
    assert "rollout" in run.invoke(app, ["--list"]).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "choose from quiet"),
        (["quiet", "--events", "flood"], "choose from blackout"),
        (["quiet", "--volume", "0"], "above 0"),
        (["quiet", "--json"], "--output"),
        (["quiet", "--output", "no/such/folder/world.jsonl"], "make it first"),
    ],
)
def test_a_mistake_is_one_message_with_a_remedy(arguments: list[str], message: str) -> None:
    done = run.invoke(app, arguments)
    assert isinstance(done.exception, SettingsError)
    assert message in str(done.exception)


def test_a_world_too_short_for_its_events_says_so(tmp_path: Path) -> None:
    done = run.invoke(
        app, ["nightly", "--days", "4", "--volume", "0.1", "--output", str(tmp_path / "w.jsonl")]
    )
    assert done.exit_code == 0
    assert "more --days" in done.stderr


def test_a_lifelike_world_is_written_with_its_truth(tmp_path: Path) -> None:
    results, labels = tmp_path / "r.jsonl", tmp_path / "l.jsonl"
    options = [
        "curfew",
        "--days",
        "2",
        "--volume",
        "0.2",
        "-o",
        str(results),
        "--labels",
        str(labels),
        "--json",
    ]
    made = json.loads(run.invoke(app, options).output)
    assert made["results"] == len(results.read_text().splitlines()) > 0
    assert {json.loads(line)["event"] for line in labels.read_text().splitlines()} == {"curfew"}
