"""Each monitor is the control of its own times: who reports in a window says nothing of its network's speed."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

import numpy as np
import pytest

from detectors.columns.paces import KNOWN_WINDOWS, Paces
from detectors.columns.slowdown import SlowdownColumns
from detectors.columns.table import Floats
from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import Rules

FIBRE, PHONE, THIRD = 0, 1, 2


class Network:
    """One network on a platform, and the vantages that measure it: their times in ms, window by window."""

    def __init__(self, *, crowd: bool = False, leaning: bool = False, vantages: int = 3) -> None:
        self.times = SlowdownColumns(Rules.of(DetectionSettings(), TimeSettings()))
        self.times.grow(1)
        self.paces = Paces()
        self.paces.grow(vantages)
        self.crowd = np.array([crowd])
        self.held = np.array([False])
        self._dice = np.random.default_rng(7)
        self._leaning = leaning
        self._start = 0

    def go(self, windows: int, times: Mapping[int, float]) -> list[float]:
        """How many times slower than usual each window's middle is."""
        slower = []
        for _ in range(windows):
            monitor = np.array(list(times), dtype=np.int64)
            logs = np.log(np.array(list(times.values()))) + self._noise(len(times))
            rows, middle, most = self.paces.even_out(
                self._start,
                monitor,
                logs,
                np.zeros(self.paces.size, dtype=np.int32),
                self.times,
                self.crowd,
                self.held,
            )
            if self.times.weight[0] and len(rows):
                slower.append(exp(middle[0] - self.times.usual(self._start)[0]))
            self.times.step(self._start, rows, middle, self.held, most)
            self._start += 60
        return slower

    def _noise(self, many: int) -> Floats:
        """Around 0, or leaning to the quick side as the speeds of downloads do."""
        if self._leaning:
            return np.log(self._dice.uniform(0.25, 1.5, many))
        return self._dice.normal(0.0, 0.05, many)


BOTH = {FIBRE: 80.0, PHONE: 330.0}


@pytest.mark.parametrize("who", [FIBRE, PHONE])
def test_the_one_that_stays_is_as_quick_as_ever(who: int) -> None:
    network = Network()
    network.go(120, BOTH)
    assert network.go(60, {who: BOTH[who]}) == pytest.approx([1.0] * 60, abs=0.25)
    assert network.times.score[0] < 0.5


def test_they_need_not_have_met() -> None:
    network = Network()
    for _ in range(60):
        network.go(1, {FIBRE: 80.0})
        network.go(1, {PHONE: 330.0})
    assert network.go(20, {PHONE: 330.0}) == pytest.approx([1.0] * 20, abs=0.25)


@pytest.mark.parametrize("times", [{FIBRE: 240.0, PHONE: 990.0}, {PHONE: 990.0}])
def test_what_all_lose_is_the_networks(times: Mapping[int, float]) -> None:
    network = Network()
    network.go(120, BOTH)
    offsets = network.paces.offset.copy()
    assert network.go(60, times) == pytest.approx([3.0] * 60, abs=0.75)
    assert network.times.score[0] >= 1.0
    assert network.paces.offset == pytest.approx(offsets, abs=0.1)


@pytest.mark.parametrize(
    ("vantages", "windows"),
    [(3, 400), *(pytest.param(vantages, 1500, marks=pytest.mark.world) for vantages in (2, 3))],
)
def test_times_that_lean_to_one_side_make_no_network_slower_with_time(vantages: int, windows: int) -> None:
    network = Network(leaning=True)
    times = dict.fromkeys(range(vantages), 80.0)
    network.go(windows, times)
    offsets = network.paces.offset[:vantages].copy()
    late = network.go(windows, times)
    # Where each learned against the median, all three moved by a fifth in 25 hours.
    assert abs(float(np.median(network.paces.offset[:vantages] - offsets))) < 0.01
    assert float(np.median(late)) == pytest.approx(1.0, abs=0.1)


def test_one_of_three_on_a_slower_line_slows_no_network() -> None:
    network = Network()
    network.go(300, {FIBRE: 80.0, PHONE: 330.0, THIRD: 100.0})
    assert network.go(900, {FIBRE: 80.0, PHONE: 2300.0, THIRD: 100.0}) == pytest.approx([1.0] * 900, abs=0.3)
    assert network.paces.offset[PHONE] - network.paces.offset[FIBRE] == pytest.approx(
        log(2300.0 / 80.0), abs=0.3
    )


def _in_turn(network: Network, rounds: int, times: Mapping[int, float]) -> list[float]:
    """Each vantage in a window of its own, again and again; how the network stood after each window."""
    scores = []
    for _ in range(rounds):
        for who, time in times.items():
            network.go(1, {who: time})
            scores.append(float(network.times.score[0]))
    return scores


@pytest.mark.parametrize("times", [2.0, 4.0, 20.0])
@pytest.mark.parametrize("vantages", [2, 3, 4])
def test_one_on_a_slower_line_slows_no_network_though_no_two_report_in_the_same_minute(
    times: float, vantages: int
) -> None:
    network = Network(vantages=vantages)
    usual = {who: 80.0 + 50.0 * who for who in range(vantages)}
    _in_turn(network, 150, usual)
    offsets = network.paces.offset.copy()
    scores = _in_turn(network, 600, {**usual, 1: times * usual[1]})
    assert max(scores) < 1.0
    moved = network.paces.offset - offsets
    assert moved[1] - moved[0] == pytest.approx(log(times), abs=0.45)


def test_what_most_of_those_lose_who_never_meet_is_the_networks() -> None:
    network = Network()
    usual = {FIBRE: 80.0, PHONE: 330.0, THIRD: 100.0}
    _in_turn(network, 100, usual)
    slow = {who: 4.0 * time for who, time in usual.items()}
    scores = _in_turn(network, 5, {FIBRE: slow[FIBRE], PHONE: slow[PHONE], THIRD: usual[THIRD]})
    assert scores[0] == 0.0  # one of three
    assert max(_in_turn(network, 5, slow)) >= 1.0


def test_who_left_says_nothing_of_now() -> None:
    network = Network()
    _in_turn(network, 100, {FIBRE: 80.0, PHONE: 330.0, THIRD: 100.0})
    network.go(20, {})
    assert network.go(1, {FIBRE: 320.0}) == pytest.approx([4.0], abs=1.0)
    network.go(5, {FIBRE: 320.0})
    assert network.times.score[0] >= 1.0


def test_a_newcomer_is_taken_for_as_quick_as_its_network() -> None:
    network = Network()
    network.go(120, {FIBRE: 80.0})
    assert network.go(60, {PHONE: 330.0}) == pytest.approx([1.0] * 60, abs=0.25)
    assert network.go(30, {PHONE: 660.0})[-1] == pytest.approx(2.0, abs=0.4)


def test_a_newcomer_beside_others_who_are_slow_is_slow_like_them() -> None:
    network = Network()
    network.go(120, {FIBRE: 80.0})
    network.go(3, {FIBRE: 240.0, PHONE: 330.0})
    assert network.paces.offset[PHONE] == pytest.approx(log(330.0 / 240.0), abs=0.2)


def test_nothing_is_learned_in_an_incident_and_its_newcomers_do_not_count() -> None:
    network = Network()
    network.go(120, BOTH)
    offsets = network.paces.offset.copy()
    network.held[0] = True
    slow = network.go(3 * KNOWN_WINDOWS, {FIBRE: 240.0, THIRD: 20.0})
    assert slow == pytest.approx([3.0] * len(slow), abs=0.7)
    assert network.paces.offset.tolist() == offsets.tolist()


def test_a_crowd_has_no_usual_of_its_own() -> None:
    network = Network(crowd=True)
    network.go(120, BOTH)
    assert not network.paces.offset.any()


def test_windows_without_times_are_nothing() -> None:
    network = Network()
    evened = network.paces.even_out(
        0,
        np.empty(0, dtype=np.int64),
        np.empty(0),
        np.zeros(3, dtype=np.int32),
        network.times,
        network.crowd,
        None,
    )
    assert [len(column) for column in evened] == [0, 0, 0]


def test_hours_that_were_slow_on_the_whole_path_are_usual_from_the_next_day_on() -> None:
    """Also where an hour is measured by few values; and no other hour changes."""
    network = Network()
    network.go(1440, BOTH)
    before = [float(network.times.usual(hour * 3600)[0]) for hour in range(24)]
    network.times.pass_hours(np.array([0]), {0: (5 * 1.2, 5.0), 20: (60 * 1.2, 60.0)})
    moved = [float(network.times.usual(hour * 3600)[0]) - before[hour] for hour in range(24)]
    assert moved[0] == pytest.approx(1.2 * 40.0 / 120.0, abs=0.15)  # its own values, the day's and the told
    assert moved[20] == pytest.approx(1.2 * 60.0 / 140.0, abs=0.15)
    assert [moved[hour] for hour in range(24) if hour not in (0, 20)] == pytest.approx([0.0] * 22, abs=0.01)
