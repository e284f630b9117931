"""A block of days is one incident, whatever is left of the platform, and its end is told as what it is."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from benchmarks.blocks import Change, Told, World, tell
from streams.records import Incident, Status
from streams.settings import load

pytestmark = pytest.mark.world

COARSE = {"window_seconds": 600}
RATE = 0.6  # results a minute, of three networks: two a window each


def ends(told: Told) -> list[Incident]:
    return [snapshot for snapshot in told.snapshots if snapshot.status is Status.RESOLVED]


@pytest.mark.parametrize(("days", "left"), [(2, 0.0), (1.25, 0.3)])
def test_a_block_of_days_is_one_incident_until_it_ends(days: float, left: float) -> None:
    told = tell(World(days, left, RATE, seed=7), load(time=COARSE))
    assert (told.incidents, told.false_restorations, told.flaps) == (1, 0, 0)
    assert told.end_minutes <= 90  # nine windows of some results each
    last = told.snapshots[-1]
    assert last.reachability.usual == pytest.approx(0.97, abs=0.03)  # that from before the block
    assert " is restored across Pakistan " in last.summary
    quiet = [snapshot.reason for snapshot in told.snapshots if snapshot.reason.startswith("since ")]
    assert (
        quiet == [f"since {day} day{'s' if day > 1 else ''}" for day in range(1, int(days) + 1)][: len(quiet)]
    )
    assert len(quiet) >= days - 1


def test_what_changes_within_a_block_is_told() -> None:
    changes = [Change(timedelta(hours=12), 0.0), Change(timedelta(hours=30), 0.3)]
    told = tell(World(1.75, 0.3, RATE, seed=3, changes=changes), load(time=COARSE))
    assert (told.incidents, told.false_restorations) == (1, 0)
    levels = [reason for reason in told.changes if "of attempts succeed" in reason]
    assert [re.sub(r"\d+", "n", reason) for reason in levels] == [
        "worse: n% of attempts succeed, n% before",
        "eased: n% of attempts succeed, n% before",
    ]


def test_an_end_at_another_level_is_told_as_that_and_is_usual_from_there_on() -> None:
    told = tell(
        World(1, 0.0, 1.2, seed=4, end=0.8, after=timedelta(days=1)), load(time={"window_seconds": 300})
    )
    assert (told.incidents, told.false_restorations) == (1, 0)
    *_, last = ends(told)
    assert last is told.snapshots[-1]
    assert re.fullmatch(r"restored in part: (5|6|7|8)\d%, usually 9\d%", last.reason)
    assert " is restored in part across Pakistan " in last.summary
    assert "fully" not in last.summary


def test_no_lucky_run_says_at_which_level_a_block_is_over() -> None:
    """It eases to 60 %. A run of good results is sure to come: it is not what is told, nor what is usual from there."""
    levels = []
    for seed in range(1, 7):
        told = tell(World(0.25, 0.0, 3.0, seed=seed, end=0.6, after=timedelta(hours=8)), load())
        words = [re.fullmatch(r"restored in part: (\d+)%, usually 9\d%", end.reason) for end in ends(told)]
        levels += [int(match[1]) for match in words if match is not None]
        assert min(one.reachability.usual for one in told.snapshots) > 0.9  # that from before the block
    assert len(levels) >= 3
    assert sum(levels) / len(levels) == pytest.approx(60, abs=6)  # each rests on forty results or more


def test_fully_is_said_of_enough_results_only_and_only_if_asked_for() -> None:
    world = World(0.25, 0.0, 4.0, seed=5)
    (plain,) = ends(tell(world, load(time=COARSE)))
    assert "fully" not in plain.summary
    settings = load(time=COARSE, incidents={"confirm_restoration": True})
    first, second = ends(tell(world, settings))
    assert "fully" not in first.summary
    slow = load(time={"window_seconds": 900})  # five windows are more than half an hour
    (at_once,) = ends(tell(World(0.25, 0.0, 6.0, seed=5), slow))
    assert at_once.reason == "fully restored"
    assert second.seq == first.seq + 1
    assert second.updated - world.over >= timedelta(minutes=30)
    assert second.reason == "fully restored"
    assert " is fully restored across Pakistan " in second.summary
