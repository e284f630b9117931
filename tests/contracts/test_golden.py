"""What a release has kept restores in this one, and decides as it did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts import golden, scenario

RELEASES = golden.releases()
DECIDED = "".join((directory / "decided.jsonl").read_text() for directory in RELEASES)


def test_there_is_one_of_this_release() -> None:
    assert (golden.RELEASES / golden.VERSION / "shapes.json").exists(), (
        f"{golden.VERSION} has no golden snapshots yet: run `python -m tests.contracts.golden`, and commit them"
    )


@pytest.mark.world
@pytest.mark.parametrize("directory", RELEASES, ids=lambda path: path.name)
def test_a_golden_snapshot_restores_and_decides_as_the_run_it_was_taken_of(directory: Path) -> None:
    decided = []
    for story in golden.STORIES:
        log = (directory / f"{story.name}.log").read_bytes()
        decided += golden.gist(golden.told(golden.restored(story, log), story))
    assert golden.written_down(decided) == (directory / "decided.jsonl").read_text(), (
        f"what {directory.name} kept is decided otherwise now. Where that is meant, run "
        f"`python -m tests.contracts.golden{'' if not golden.is_released(directory.name) else ' --decided'}` "
        "and read the diff; where only its reading has changed, detectors/state.py is the place"
    )


def test_a_golden_snapshot_holds_what_it_should() -> None:
    """Incidents open, one partly over, a night learned; and what comes after the kill ends them."""
    directory = RELEASES[-1]
    of_countries = golden.STORIES[0]
    machine = golden.restored(of_countries, (directory / "country.log").read_bytes())
    open_now = {incident.country: incident for incident in machine.incidents()}
    assert set(open_now) == {"PK", "NP"}
    back = [network.asn for network in open_now["PK"].networks if network.recovered is not None]
    assert sorted(back) == [9541, 17557]
    assert scenario.KILLED % scenario.DAY < 300  # one network sleeps, and nobody calls it dark
    decided = [json.loads(line) for line in (directory / "decided.jsonl").read_text().splitlines()]
    ended = [one["id"] for one in decided if one["status"] == "resolved"]
    assert {incident.id for incident in open_now.values()} <= set(ended)
    assert all(one["kind"] != "connectivity" for one in decided)


@pytest.mark.system
def test_a_later_release_goes_on_where_this_one_stopped() -> None:
    """One failure more, one field more in a case and in an alert: nothing of what is kept notices."""
    later = subprocess.run(
        [sys.executable, "-m", "tests.contracts.later"],
        capture_output=True,
        text=True,
        cwd=golden.ROOT,
        check=False,
    )
    assert later.returncode == 0, later.stderr
    assert later.stdout == DECIDED
