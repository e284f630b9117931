"""The first hour: what is lost before anything is usual."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.readings import CountryReading, Counts, MonitorKey, Opinion
from detectors.settings import DetectionSettings, TimeSettings

START = 1_704_067_200
MECHANISMS = ("ok", "tls.connection_reset")
MONITORS = [
    MonitorKey(platform, "PK", "", asn, f"v{asn}", False)
    for platform in ("x", "youtube")
    for asn in (1, 2, 3, 4)
]


def told(
    minutes: int, lost_from: int, *, others: float = 0.98, usual: float = 0.98, control: int = -1
) -> list[CountryReading]:
    """`x` fails from a minute on; `others` is how youtube does, and `control` what the controls of failures say."""
    bank = Bank(DetectionSettings(), TimeSettings(), MECHANISMS)
    bank.add_monitors(MONITORS)
    random, readings = np.random.default_rng(3), []
    for minute in range(minutes):
        x = 0.0 if minute >= lost_from else usual
        chance = np.array([x if monitor.platform == "x" else others for monitor in MONITORS])
        ok = random.random(len(MONITORS)) < chance
        nan = np.full(len(MONITORS), np.nan, dtype=np.float32)
        counts = Counts(
            START + 60 * minute,
            START + 60 * minute + 60,
            np.arange(len(MONITORS), dtype=np.int32),
            ok,
            (~ok).astype(np.int16),
            np.full(len(MONITORS), control, dtype=np.int8),
            nan,
            nan,
        )
        readings.append(bank.close(counts, [("PK", False)]).countries[0])
    if minutes < 25:
        assert [pulse.warming for pulse in bank.pulses()] == [8]
    return readings


@pytest.mark.parametrize("lost_from", [0, 5, 20])
def test_what_is_lost_in_the_first_minutes_is_seen(lost_from: int) -> None:
    readings = told(lost_from + 10, lost_from)
    last = readings[-1]
    assert last.platforms["x"].opinion is Opinion.BAD
    assert last.platforms["youtube"].opinion is not Opinion.BAD
    assert last.warming == {"x", "youtube"}
    assert last.platforms["x"].onset == pytest.approx(START + 60 * lost_from, abs=120)


@pytest.mark.parametrize(("others", "control", "seen"), [(0.0, -1, False), (0.0, 1, True), (0.98, 0, False)])
def test_something_has_to_show_that_the_path_works(others: float, control: int, seen: bool) -> None:
    assert (told(10, 0, others=others, control=control)[-1].platforms["x"].score >= 1.0) is seen


def test_a_platform_that_half_works_from_the_start_is_not_lost() -> None:
    readings = told(60, 60, usual=0.6)
    assert max(reading.platforms["x"].score for reading in readings) < 1.0


def test_once_its_usual_is_known_nothing_is_guessed() -> None:
    assert told(60, 60)[-1].warming == frozenset()
