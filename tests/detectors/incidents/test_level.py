"""The present level of an incident: changes are told, chance is none; and how much is back at its end."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from detectors.incidents.case import Case
from detectors.incidents.level import Level, Tally
from detectors.incidents.loss import Loss, bounds, present
from detectors.incidents.snapshots import Kind, Restoration
from detectors.incidents.votes import Vote
from detectors.readings import Congestion, CountryReading, Opinion, Slowness, Spell
from detectors.settings import IncidentSettings

USUAL = 0.97
WINDOW = 60


def said(k: int, n: int, opinion: Opinion = Opinion.BAD) -> Vote:
    return Vote(opinion, n, k, USUAL, k / n if n else 0.0, None, n, slow=False)


@pytest.mark.parametrize(
    ("restoration", "k", "passes"),
    [(Restoration.SOME, 870, True), (Restoration.PART, 870, True), (Restoration.PART, 600, False)],
    ids=["over", "over in part", "a deep loss"],
)
def test_the_hours_of_a_small_loss_become_usual_though_it_is_over_in_part(
    restoration: Restoration, k: int, passes: bool
) -> None:
    loss = Loss(0, USUAL, 0.87, 0.87, bad_k=k, bad_n=1000)
    case = Case("x", Kind.PLATFORM, "SA", False, 0, 0, {("x", 64496, ""): loss}, {}, {})
    case.resolved, case.restoration = 10 * 3600, restoration
    assert case.spells() == ({("x", 64496, ""): Spell(0, 10 * 3600, 0.87, 100.0)} if passes else {})


RISES, AT_ONCE, MILD = [1.0] * 40 + [1.8] * 80, [1.8] * 120, [0.8] * 120


@pytest.mark.parametrize(
    ("course", "beside", "hours", "passes"),
    [
        (RISES, 0.9, 4, True),
        (MILD, 0.7, 4, True),
        (RISES, 0.1, 4, False),
        (AT_ONCE, 1.7, 4, False),
        (RISES, 0.9, 30, False),
    ],
    ids=["a busy evening", "a mild one", "another platform is quick", "at once, and far slower", "for days"],
)
def test_the_hours_in_which_a_network_was_slow_whatever_was_asked_of_it_become_usual(
    course: list[float], beside: float, hours: int, passes: bool
) -> None:
    loss = Loss(19 * 3600, USUAL, USUAL, USUAL, slow=True)
    case = Case("x", Kind.PLATFORM, "PK", False, 0, 19 * 3600, {("x", 64496, ""): loss}, {}, {})
    for minute, slower in enumerate(course):
        pace = float(np.exp(-slower))
        slowness = Slowness(Opinion.BAD, 1.2, "throughput", 8e6 * pace, 8e6, 19 * 3600, pace)
        loss.slow_down(19 * 3600 + 60 * minute, slowness, beside)
    assert case.congestions() == {}  # it is not over
    case.resolved = (19 + hours) * 3600
    of_hours = {hour: (sum(part), 60.0) for hour, part in ((19, course[:60]), (20, course[60:]))}
    if not passes:
        assert case.congestions() == {}
        return
    ((part, congestion),) = case.congestions().items()
    assert part == ("x", 64496, "")
    assert isinstance(congestion, Congestion)
    for hour, (total, windows) in of_hours.items():
        assert congestion.hours["throughput"][hour] == pytest.approx((total, windows))


def test_what_is_left_to_another_incident_takes_its_failures_along() -> None:
    """Else a block would be told with the mechanism of the world's outage that ran beside it."""
    lost = {(platform, 64496, ""): Loss(0, USUAL, 0.0, 0.0) for platform in ("x", "facebook")}
    case = Case("x", Kind.PLATFORM, "PK", False, 0, 0, lost, {}, {})
    case.failures = {64496: {"http.http_unexpected_status_code": 40.0, "tls.connection_reset": 6.0}}
    case.ways = {"facebook": {"http.http_unexpected_status_code": 40.0}, "x": {"tls.connection_reset": 6.0}}
    case.mechanism, case.mechanism_share = "http.http_unexpected_status_code", 0.87
    case.drop(["facebook"])
    assert case.mechanism is None
    assert case.mechanism_totals() == {"tls.connection_reset": 6.0}


class Block:
    """Parts that lose as much as one says, window by window."""

    def __init__(self, parts: int, seed: int = 1) -> None:
        self.losses = [Loss(0, USUAL, 0.0, 0.0) for _ in range(parts)]
        self.level = Level()
        self.told: list[str] = []
        self._dice = Random(seed)
        self._at = 0

    def go(self, windows: int, *ratios: float, n: int = 2) -> None:
        """Pass windows in which the parts succeed at these ratios; below 0: nothing is heard of a part."""
        for _ in range(windows):
            votes = [
                said(sum(self._dice.random() < ratio for _ in range(n)), n if ratio >= 0.0 else 0)
                for ratio in ratios
            ]
            for loss, vote in zip(self.losses, votes, strict=True):
                loss.weigh(vote, self._at, self._at + WINDOW, 5)
            self.level.weigh(zip(self.losses, votes, strict=True), self._at)
            self._at += WINDOW
            if self.level.told and self.level.told not in self.told:
                self.told.append(self.level.told)


@pytest.mark.parametrize(
    ("seed", "windows"),
    [(0, 1000), *(pytest.param(seed, 4000, marks=pytest.mark.world) for seed in range(3))],
)
def test_a_block_that_stays_as_it_is_has_no_news_and_does_not_end(seed: int, windows: int) -> None:
    block = Block(3, seed)
    block.go(windows, 0.4, 0.35, 0.45)
    assert not block.told
    assert all(loss.back is None for loss in block.losses)


def test_to_nothing_and_back_is_told() -> None:
    block = Block(3)
    block.go(600, 0.3, 0.3, 0.3)
    block.go(600, 0.0, 0.0, 0.0)
    block.go(600, 0.3, 0.3, 0.3)
    block.go(600, 0.0, 0.0, 0.0)
    assert [reason.split(":")[0] for reason in block.told] == ["worse", "eased", "worse again"]


def test_a_part_that_falls_silent_changes_no_level() -> None:
    block = Block(2)
    block.go(400, 0.0, 0.5)
    block.go(400, -1.0, 0.5)
    block.go(400, 0.0, -1.0)
    assert not block.told


def test_a_part_that_stays_between_is_back_in_part_and_lost_again_when_it_falls() -> None:
    block = Block(1)
    block.go(300, 0.0)
    block.go(100, 0.75)
    (loss,) = block.losses
    assert loss.recovered is None
    assert loss.partly is not None
    block.go(100, 0.0)
    assert loss.back is None


def test_what_is_less_than_half_back_is_lost_still() -> None:
    block = Block(1)
    block.go(300, 0.0)
    block.go(400, 0.35)
    assert block.losses[0].back is None


def test_a_usual_ratio_of_next_to_nothing_can_be_weighed() -> None:
    loss = Loss(0, 0.05, 0.0, 0.0)
    for at in range(200):
        loss.weigh(Vote(Opinion.BAD, 3, at % 2, 0.05, 0.0, None, 3, slow=False), at, at + 1, 5)


def test_fully_needs_half_an_hour_and_results_enough() -> None:
    tally = Tally(0)
    for minute in range(60):
        tally.add(said(29 if minute % 2 else 30, 30), USUAL)
        full = tally.says(60 * (minute + 1)) is Restoration.FULL
        assert full == (minute + 1 >= 30)
    few = Tally(0)
    few.add(said(30, 30), 1.0)
    assert few.says(3600) is Restoration.SOME  # of 30 results, the lower bound is 89 %


def test_in_part_is_what_stays_below() -> None:
    tally = Tally(0)
    for _ in range(10):
        tally.add(said(8, 10), USUAL)
    assert tally.says(600) is Restoration.PART
    falling = Tally(0)
    for k in (10, 10, 10, 10, 10, 0, 0):
        falling.add(said(k, 10), USUAL)
    assert falling.says(600) is Restoration.SOME  # it is lost again: that is no level


def test_a_few_failures_by_chance_are_no_part_that_is_missing() -> None:
    """35 of 40 is one try of two hundred where 98 % succeed, and it is asked in every window."""
    tally = Tally(0)
    for k in (20, 15):
        tally.add(said(k, 20), USUAL)
    assert tally.says(600) is Restoration.SOME


@pytest.mark.parametrize("before", [0.3, 0.6])
def test_a_change_of_level_and_the_present_figure_say_the_same(before: float) -> None:
    """Where a result comes every third minute, twenty of them would hold the former level for an hour."""
    block = Block(3)
    for _ in range(300):
        block.go(1, *[before] * 3, n=1)
        block.go(2, -1.0, -1.0, -1.0)
    for _ in range(30):
        block.go(1, 0.0, 0.0, 0.0, n=1)
        block.go(2, -1.0, -1.0, -1.0)
        if block.told:
            break
    assert block.told[0].startswith("worse: 0% of attempts succeed")
    assert present(block.losses).now <= 0.02


def test_what_is_lost_again_is_compared_with_nothing_that_came_while_it_was_over() -> None:
    level = Level(now=0.0, parts=3)
    losses = [Loss(0, USUAL, 0.0, 0.0, bad_k=14.0, bad_n=24.0) for _ in range(3)]
    level.weigh([(loss, said(0, 0)) for loss in losses], 0, over=True)
    assert (level.now, level.told) == (0.0, "")
    case = Case("x", Kind.PLATFORM, "SA", False, 0, 0, {}, {}, {})
    case.losses = {("x", 64496 + i, ""): loss for i, loss in enumerate(losses)}
    case.level, case.resolved = Level(now=0.58, parts=3, error=0.01, eased=True), 60
    case.again(CountryReading("SA", False, 120, 180), IncidentSettings())
    for loss in losses:
        loss.lose(0.0, 30.0)
    case.level.weigh([(loss, said(0, 0)) for loss in losses], 180)
    assert (case.level.now, case.level.told) == (0.0, "")


def test_bounds_hold_the_truth() -> None:
    low, high = bounds(78, 100)
    assert (round(low, 3), round(high, 3)) == (0.689, 0.85)


def test_what_is_over_in_part_is_usual_by_its_own_results_and_not_by_lucky_ones() -> None:
    """Each network seems back from its first successes on; by these its usual stayed at 97 %: a second incident."""
    lucky = Loss(0, USUAL, 1.0, 0.0, good=9, mend_k=16, mend_n=16, recovered=60)
    assert lucky.recovered is not None
    case = Case("x", Kind.PLATFORM, "DE", False, 0, 0, {("x", 64496, ""): lucky}, {}, {})
    case.tally = Tally(60, n=60, k=36, due=58)
    past = np.array([[3, 5, USUAL]] * 15)
    reading = CountryReading(
        country="DE",
        simulated=False,
        start=900,
        end=960,
        networks={},
        platforms={},
        past={("x", 64496): past},
    )
    case._end_in_part(reading)
    assert case.levels() == {("x", 64496, ""): pytest.approx(0.6)}


def quiet(end: int) -> CountryReading:
    return CountryReading(
        country="DE", simulated=False, start=end - WINDOW, end=end, networks={}, platforms={}
    )


def test_that_a_part_is_missing_does_not_stay_the_last_word() -> None:
    loss = Loss(0, USUAL, 1.0, 0.0, recovered=60, partly=60, good=9)
    case = Case("x", Kind.PLATFORM, "DE", False, 0, 0, {("x", 64496, ""): loss}, {}, {})
    case.resolved, case.restoration = 60, Restoration.PART
    case.tally = Tally(60, n=60, k=36, due=58, recent_n=20, recent_k=20)
    assert not case.confirms(quiet(900), full=False)
    assert (case.tally.since, case.tally.n) == (900, 0)
    case.tally = Tally(900, n=300, k=294, due=291, recent_n=20, recent_k=20)
    assert case.awaits_more(full=False)
    assert not case.confirms(quiet(2640), full=False)  # half an hour is asked for
    assert case.confirms(quiet(2760), full=False)
    assert (case.resolved, case.restoration) == (900, Restoration.FULL)
    assert not case.confirms(quiet(2820), full=False)
    assert not case.awaits_more(full=False)


def test_that_nothing_is_missing_is_a_second_word_only_where_it_is_asked_for() -> None:
    for full in (False, True):
        loss = Loss(0, USUAL, 1.0, 0.0, recovered=60, good=9)
        case = Case("x", Kind.PLATFORM, "DE", False, 0, 0, {("x", 64496, ""): loss}, {}, {})
        case.resolved, case.restoration = 60, Restoration.SOME
        case.tally = Tally(60, n=300, k=294, due=291, recent_n=20, recent_k=20)
        assert case.awaits_more(full=full) == full
        assert case.confirms(quiet(2760), full=full) == full
        assert case.resolved == 60
