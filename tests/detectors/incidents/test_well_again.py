"""What is over is not told, though its detector's alarm goes on and one failure by chance raises it again."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from detectors.incidents.snapshots import Snapshot
from detectors.readings import Opinion, Reading
from tests.detectors.incidents.hand import T0, WINDOW, run, story

FIRST = 15


def loss(line: str, *, sure_from: int) -> list[Snapshot]:
    """What is told of one platform on one of three networks: its detector is sure from some window on.

    A digit is the number of ten attempts that succeed in a window, while the ratio of late is nearer to the usual.
    """
    marks = line.translate(str.maketrans("456789", "uuuu~."))
    lines = {("x", asn): "." * len(line) for asn in (2, 3)}
    readings = story(lines | {("x", 1): marks, ("y", 1): "." * len(line)})
    for at, one in enumerate(readings):
        _count(one, line, at)
        if at >= sure_from:
            _alarm(one)
    return run(readings)


def _count(one: Reading, line: str, at: int) -> None:
    """Have each of the remembered windows hold as many successes as its digit says."""
    country = one.countries[0]
    past = country.past["x", 1]
    for back, mark in enumerate(reversed(line[: at + 1][-len(past) :])):
        if mark.isdigit():
            past[-1 - back, 0] = float(mark)
    if line[at].isdigit():
        standing = msgspec.structs.replace(country.networks["x", 1], k=int(line[at]))
        country.networks = {**country.networks, ("x", 1): standing}


def _alarm(one: Reading) -> None:
    standing = msgspec.structs.replace(
        one.countries[0].networks["x", 1],
        opinion=Opinion.BAD,
        score=1.4,
        onset=T0 + FIRST * WINDOW,
        reachability=0.93,
        short=0.2,
    )
    one.countries[0].networks = {**one.countries[0].networks, ("x", 1): standing}


@pytest.mark.parametrize("bad", [4, 7])
def test_what_was_well_for_minutes_before_its_detector_is_sure_is_not_told(bad: int) -> None:
    assert loss("." * FIRST + "5" * bad + "." * 9 + "99", sure_from=FIRST + bad + 9) == []


def test_what_goes_on_is_told_as_soon_as_its_detector_is_sure() -> None:
    snapshots = loss("." * FIRST + "7" * 8, sure_from=FIRST + 5)
    assert snapshots and snapshots[0].detected <= T0 + (FIRST + 7) * WINDOW


def test_a_good_minute_or_two_within_a_loss_hold_nothing_up_for_long() -> None:
    snapshots = loss("." * FIRST + "77798777", sure_from=FIRST + 4)
    assert snapshots and snapshots[0].detected <= T0 + (FIRST + 7) * WINDOW


@pytest.mark.parametrize(("failures", "believed"), [(3, False), (4, True)])
def test_where_few_results_come_three_failures_on_one_network_are_not_told(
    failures: int, believed: bool
) -> None:
    lines = {("x", asn): "." * 30 for asn in (1, 2, 3)} | {("y", 1): "." * 30}
    readings = story(lines)
    for one in readings[10:]:
        country = one.countries[0]
        past = np.zeros_like(country.past["x", 1])
        past[-1] = (0.0, 1.0, 0.99)
        country.past = {**country.past, ("x", 1): past}
        sure = msgspec.structs.replace(
            country.networks["x", 1],
            opinion=Opinion.BAD,
            score=1.1,
            n=1,
            k=0,
            onset=T0 + 10 * WINDOW,
            probes=failures,
            reachability=0.5,
        )
        country.networks = {**country.networks, ("x", 1): sure}
    assert bool(run(readings)) is believed
