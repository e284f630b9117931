"""What belongs to an open incident becomes usual neither while it is open nor for what waited when it ended."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.columns.holding import Held, Holding, Passing, cells_of
from detectors.columns.layout import Layout
from detectors.readings import Counts, MonitorKey, PartKey, Spell
from detectors.settings import DetectionSettings, TimeSettings

PAKISTAN = ("PK", False)
WAYS = ("ok", "tls.connection_reset")
MONITORS = [
    MonitorKey(platform, "PK", region, asn, f"v{asn}{region}", simulated=False)
    for platform in ("x", "youtube")
    for asn in (1, 2)
    for region in ("PK-PB", "PK-SD")
]


def window(minute: int, failing: set[int]) -> Counts:
    monitor = np.arange(len(MONITORS), dtype=np.int32)
    ok = np.array([at not in failing for at in range(len(MONITORS))])
    nothing = np.full(len(monitor), np.nan, dtype=np.float32)
    return Counts(
        start=60 * minute,
        end=60 * minute + 60,
        monitor=monitor,
        ok=ok,
        mechanism=(~ok).astype(np.int16),
        control=np.ones(len(monitor), dtype=np.int8),
        ttfb_ms=nothing,
        throughput=nothing,
    )


@pytest.mark.parametrize(
    ("part", "cells"),
    [
        (("x", 1, ""), [("x", 1)]),
        (("", 2, ""), [("x", 2), ("youtube", 2)]),
        (("x", 0, "PK-PB"), [("x", 1), ("x", 2)]),
        (("signal", 1, ""), []),
        (("x", 9, ""), []),
        (("x", 0, "PK-KP"), []),
    ],
)
def test_parts_name_cells(part: PartKey, cells: list[tuple[str, int]]) -> None:
    layout = Layout()
    layout.add(MONITORS)
    assert layout.cell_keys(cells_of(layout, *PAKISTAN, part)) == cells
    assert not len(cells_of(layout, "PK", True, part))


def test_cells_are_looked_up_again_when_there_are_more() -> None:
    layout, held = Layout(), Held()
    layout.add(MONITORS[:2])
    holding: Holding = {PAKISTAN: frozenset({("youtube", 2, "")})}
    first = held.cells(layout, holding)
    assert first is not None and not first.any()
    layout.add(MONITORS[2:])
    second = held.cells(layout, holding)
    assert second is not None and second.sum() == 1
    assert held.cells(layout, {}) is None


@pytest.mark.world
def test_nothing_of_an_open_incident_becomes_usual() -> None:
    bank = Bank(DetectionSettings(), TimeSettings(), WAYS)
    bank.add_monitors(MONITORS)
    held: Holding = {PAKISTAN: frozenset({("x", 1, ""), ("x", 2, "")})}
    x = {at for at, monitor in enumerate(MONITORS) if monitor.platform == "x"}
    for minute in range(300):
        bank.close(window(minute, set()), [])
    before = bank.series.cells.expect(60 * 300).copy()
    for minute in range(300, 750):
        bank.close(window(minute, x), [], held if minute >= 304 else {})
    for minute in range(750, 780):  # what waited when it ended is not learned afterwards
        bank.close(window(minute, set()), [])
    np.testing.assert_allclose(bank.series.cells.expect(60 * 300), before, atol=0.005)


@pytest.mark.world
def test_what_is_over_at_another_level_is_usual_at_that_level_at_every_hour() -> None:
    bank = Bank(DetectionSettings(), TimeSettings(), WAYS)
    bank.add_monitors(MONITORS)
    for minute in range(300):
        bank.close(window(minute, set()), [])
    bank.close(window(300, set()), [], {}, {PAKISTAN: {("x", 1, ""): 0.6, ("x", 0, "PK-PB"): 0.1}})
    cells = bank.series.layout.cell_keys(np.arange(4))
    for hour in (0, 7, 20):
        usual = dict(zip(cells, bank.series.cells.expect(3600 * hour).tolist(), strict=True))
        assert usual["x", 1] == pytest.approx(0.6, abs=0.02)
        assert usual["x", 2] > 0.9


def test_hours_that_were_a_little_worse_are_usual_of_their_weekday() -> None:
    """From noon to four; neither another hour nor another network, and a region says nothing of its networks."""
    bank = Bank(DetectionSettings(), TimeSettings(), WAYS)
    bank.add_monitors(MONITORS)
    noon = 60 * 60 * 12
    for minute in range(60):
        bank.close(window(minute, set()), [])
    before = {hour: bank.series.cells.expect(hour * 3600).copy() for hour in (11, 12, 15, 16)}
    spell = Spell(noon, noon + 4 * 3600, 0.85, 100.0)
    passing: Passing = {PAKISTAN: {("x", 1, ""): spell, ("x", 0, "PK-PB"): spell}}
    bank.close(window(60, set()), [], {}, {}, passing)
    after = {hour: bank.series.cells.expect(hour * 3600) for hour in before}
    (cell,) = cells_of(bank.series.layout, *PAKISTAN, ("x", 1, "")).tolist()
    for hour in (12, 15):
        assert 0.85 < after[hour][cell] < 0.92 < before[hour][cell]
    for hour in (11, 16):
        assert after[hour][cell] == pytest.approx(before[hour][cell], abs=0.001)
    others = [at for at in range(len(before[12])) if at != cell]
    assert after[12][others] == pytest.approx(before[12][others], abs=0.001)
