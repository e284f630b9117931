"""A bank that lets go of monitors goes on with the others as if nothing had been."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.readings import Counts, MonitorKey
from detectors.settings import DetectionSettings, TimeSettings

NAMES = ("ok", "tls.connection_reset")
STAY = [MonitorKey("x", "PK", "PK-PB", asn, f"v{asn}", False, "https://x.example/") for asn in (1, 2, 3)]
GO = [
    MonitorKey("x", "PK", "PK-SD", 9, "gone", False),
    MonitorKey("wiki", "TV", "", 7, "gone", False),
    MonitorKey("x", "PK", "PK-PB", 1, "gone", False, "https://old.example/"),
]


def counts(start: int, monitors: list[int], draw: np.random.Generator) -> Counts:
    monitor = np.repeat(np.array(monitors, dtype=np.int32), 4)
    ok = draw.random(len(monitor)) < 0.95
    return Counts(
        start,
        start + 60,
        monitor,
        ok,
        np.where(ok, 0, 1).astype(np.int16),
        np.ones(len(monitor), dtype=np.int8),
        draw.uniform(50, 90, len(monitor)).astype(np.float32),
        np.full(len(monitor), np.nan, dtype=np.float32),
    )


def bank(monitors: list[MonitorKey]) -> Bank:
    made = Bank(DetectionSettings(), TimeSettings(), NAMES)
    made.add_monitors(monitors)
    return made


@pytest.mark.world
def test_those_that_stay_are_renumbered_and_go_on() -> None:
    made = bank([GO[0], STAY[0], GO[1], STAY[1], GO[2], STAY[2]])
    draw = np.random.default_rng(1)
    for minute in range(5):
        made.close(counts(minute * 60, [0, 1, 2, 3, 4, 5], draw), ())
    for minute in range(5, 300):
        made.close(counts(minute * 60, [1, 3, 5], draw), ())
    before = {gauge[:3]: gauge for gauge in made.gauges()}
    moved = made.forget(3600, set())
    assert moved is not None
    assert moved.tolist() == [-1, 0, -1, 1, -1, 2]
    assert made.monitors == STAY
    after = {gauge[:3]: gauge for gauge in made.gauges()}
    assert after == {key: gauge for key, gauge in before.items() if key in after}
    assert {key[2] for key in after} == {0, 1, 2, 3}
    assert made.forget(3600, set()) is None
    again = Bank(DetectionSettings(), TimeSettings(), NAMES)
    again.restore(made.snapshot())
    for minute in range(300, 320):
        seed = minute
        one = made.close(counts(minute * 60, [0, 1, 2], np.random.default_rng(seed)), ())
        two = again.close(counts(minute * 60, [0, 1, 2], np.random.default_rng(seed)), ())
        assert one.health.reachability.tolist() == two.health.reachability.tolist()
    assert made.snapshot() == again.snapshot()


def test_results_that_nobody_has_counted_yet_are_not_lost() -> None:
    made = bank([GO[1], STAY[0]])
    made.close(counts(0, [0, 1], np.random.default_rng(2)), ())
    for minute in range(1, 100):
        made.close(counts(minute * 60, [1], np.random.default_rng(minute)), ())
    made.forget(3600, set())
    probes = made.take_probes()
    assert sum(n for key, n in probes.items() if key[1] == "PK") == 400


def test_a_country_with_an_open_incident_is_spared() -> None:
    made = bank([GO[1], STAY[0]])
    made.close(counts(0, [0, 1], np.random.default_rng(2)), ())
    assert made.forget(3600, {("TV", False), ("PK", False)}) is None


def test_a_detector_of_ones_own_keeps_everything() -> None:
    chosen = DetectionSettings(volume_detector="river.anomaly.GaussianScorer")
    made = Bank(chosen, TimeSettings(), NAMES)
    made.add_monitors(STAY)
    assert made.forget(3600, set()) is None


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_all_may_go(gone: int) -> None:
    made = bank(STAY[:gone])
    made.close(counts(0, list(range(gone)), np.random.default_rng(3)), ())
    moved = made.forget(10**9, set())
    assert (moved is None) == (gone == 0)
    assert made.monitors == []
    made.close(counts(60, [], np.random.default_rng(3)), ())
    made.add_monitors(STAY)
    made.close(counts(120, [0, 1, 2], np.random.default_rng(3)), ())
