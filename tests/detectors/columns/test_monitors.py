"""Who reports changes nothing: each monitor is its own control."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.readings import CountryReading, Counts, MonitorKey
from detectors.settings import DetectionSettings, TimeSettings

START = 1_704_067_200  # a Monday, midnight
MECHANISMS = ("ok", "tls.connection_reset")
HOUR = 60
#: Of a monitor in a minute: the chance that it answers, or None where it does not report.
Chance = Callable[[int, MonitorKey], float | None]


def watching(vantages: int = 2, targets: Sequence[str] = ("a",), networks: int = 4) -> list[MonitorKey]:
    return [
        MonitorKey("x", "PK", "", asn, f"v{asn}-{vantage}", False, target)
        for asn in range(1, networks + 1)
        for vantage in range(vantages)
        for target in targets
    ]


def told(
    monitors: Sequence[MonitorKey],
    hours: float,
    chance: Chance,
    control: Callable[[MonitorKey], bool | None] = lambda _: None,
    through: Callable[[Bank], Bank] = lambda bank: bank,
) -> list[CountryReading]:
    bank = Bank(DetectionSettings(), TimeSettings(), MECHANISMS)
    bank.add_monitors(monitors)
    random, readings = np.random.default_rng(1), []
    for minute in range(int(hours * HOUR)):
        chances = {i: said for i, m in enumerate(monitors) if (said := chance(minute, m)) is not None}
        monitor = np.array(list(chances), dtype=np.int32)
        ok = random.random(len(monitor)) < np.array(list(chances.values()))
        start, nan = START + 60 * minute, np.full(len(monitor), np.nan, dtype=np.float32)
        controls = [{None: -1, False: 0, True: 1}[control(monitors[i])] for i in chances]
        counts = Counts(
            start, start + 60, monitor, ok, (~ok).astype(np.int16), np.array(controls, np.int8), nan, nan
        )
        if minute % 97 == 0:
            bank = through(bank)
        readings.append(bank.close(counts, [("PK", False)]).countries[0])
    return readings


def worst(readings: Sequence[CountryReading]) -> float:
    """The highest score that anything had."""
    return max(
        max(standing.score for standing in (*reading.platforms.values(), *reading.networks.values()))
        for reading in readings
    )


def late(minute: int, hours: float = 4) -> bool:
    return minute >= hours * HOUR


WORLDS: dict[str, tuple[list[MonitorKey], Chance]] = {
    "a new target that never answers": (
        watching(targets=("a", "b")),
        lambda minute, m: 0.98 if m.target == "a" else (0.0 if late(minute) else None),
    ),
    "new vantages that never answer": (
        watching(vantages=4),
        lambda minute, m: 0.98 if m.vantage[-1] in "01" else (0.0 if late(minute) else None),
    ),
    "vantages are doubled": (
        watching(vantages=4),
        lambda minute, m: 0.97 if m.vantage[-1] in "01" or late(minute) else None,
    ),
    "a target that never answered is taken from the list": (
        watching(targets=("a", "b", "c")),
        lambda minute, m: 0.98 if m.target != "c" else (None if late(minute) else 0.0),
    ),
    "a target that always answered is taken from beside one that never did": (
        watching(targets=("a", "b")),
        lambda minute, m: (
            0.0 if m.target == "b" else (None if late(minute) and m.vantage[-1] == "0" else 0.98)
        ),
    ),
    "a vantage that always was throttled reports every other hour": (
        watching(),
        lambda minute, m: 0.98 if not m.vantage.endswith("-0") else (0.35 if minute // HOUR % 2 else None),
    ),
}


@pytest.mark.world
@pytest.mark.parametrize(("monitors", "chance"), WORLDS.values(), ids=WORLDS)
def test_who_reports_changes_nothing(monitors: list[MonitorKey], chance: Chance) -> None:
    readings = told(monitors, 6.5, chance)
    assert worst(readings[2 * HOUR :]) < 1.0


def test_a_block_is_seen_though_a_target_never_answered() -> None:
    blocked = lambda minute, m: 0.0 if m.target == "b" or late(minute, 1.5) else 0.98  # noqa: E731
    readings = told(watching(targets=("a", "b")), 1.6, blocked)
    platform = readings[90 + 4].platforms["x"]
    assert platform.score >= 1.0
    assert platform.expected == pytest.approx(0.49, abs=0.05)


@pytest.mark.world
def test_what_fails_on_one_target_is_told_of_that_target() -> None:
    monitors = watching(targets=("a", "b"))
    readings = told(monitors, 4.5, lambda minute, m: 0.02 if m.target == "b" and late(minute) else 0.98)
    last = readings[-1]
    assert last.platforms["x"].score >= 1.0
    a, b = last.targets["x", "a"], last.targets["x", "b"]
    assert (b.networks, b.networks_bad, a.networks_bad) == (4, 4, 0)
    assert b.reachability < 0.2
    assert a.reachability > 0.8
    assert not b.dead
    for asn in {asn for _, asn in last.networks}:
        of = last.addresses["x", asn]
        assert (of["a"].k, of["b"].k) == (of["a"].n, 0)
        assert of["b"].due == pytest.approx(0.98 * of["b"].n, abs=0.1)


@pytest.mark.world
def test_a_dead_target_is_no_evidence() -> None:
    dies = lambda minute, m: 0.0 if m.target == "b" and late(minute) else 0.98  # noqa: E731
    readings = told(watching(targets=("a", "b")), 4.5, dies, control=lambda m: m.target != "b")
    assert worst(readings[2 * HOUR :]) < 1.0
    assert readings[-1].targets["x", "b"].dead


@pytest.mark.world
def test_a_dead_target_says_nothing_of_why_the_others_fail() -> None:
    """It fails with its control for hours; then one network loses the other target, whose control is well."""

    def chance(minute: int, m: MonitorKey) -> float:
        return 0.0 if late(minute, 2 if m.target == "b" else 4) and (m.target == "b" or m.asn == 1) else 0.98

    last = told(watching(targets=("a", "b")), 4.2, chance, lambda m: m.target != "b")[-1]
    good, bad = last.network_control["x", 1]
    assert good > 0
    assert bad == 0
    assert last.control["x"][1] == 0


@pytest.mark.world
def test_a_platform_whose_targets_all_fail_with_their_controls_is_none() -> None:
    readings = told(
        watching(targets=("a", "b")), 4.2, lambda minute, _: 0.0 if late(minute) else 0.98, lambda _: False
    )
    assert readings[-1].platforms["x"].score >= 1.0
    assert not any(target.dead for target in readings[-1].targets.values())


@pytest.mark.world
def test_vantages_that_come_and_go_count() -> None:
    """Who is heard through a vantage for ten minutes and then another is judged all the same."""
    monitors = watching(vantages=48, networks=3)
    turn = lambda minute, m: minute // 10 % 48 == int(m.vantage.split("-")[1])  # noqa: E731
    readings = told(
        monitors, 4.5, lambda minute, m: (0.02 if late(minute) else 0.98) if turn(minute, m) else None
    )
    assert worst(readings[2 * HOUR : 4 * HOUR]) < 1.0
    assert worst(readings[4 * HOUR : 4 * HOUR + 8]) >= 1.0


@pytest.mark.world
def test_vantages_that_are_renamed_all_at_once_count() -> None:
    old_or_new = lambda minute, m: late(minute, 5) == (m.vantage[-1] == "1")  # noqa: E731
    chance = lambda minute, m: (0.02 if late(minute, 5.3) else 0.98) if old_or_new(minute, m) else None  # noqa: E731
    readings = told(watching(), 5.5, chance)
    assert worst(readings[2 * HOUR : 5 * HOUR + 18]) < 1.0
    assert worst(readings[5 * HOUR + 18 :]) >= 1.0


@pytest.mark.world
def test_a_snapshot_goes_on_the_same() -> None:
    def restored(bank: Bank) -> Bank:
        again = Bank(bank.detection, bank.time, bank.mechanisms)
        again.restore(bank.snapshot())
        return again

    monitors, chance = WORLDS["a vantage that always was throttled reports every other hour"]
    assert told(monitors, 3, chance, through=restored) == told(monitors, 3, chance)
