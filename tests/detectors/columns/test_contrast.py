"""Speeds beside a control of the same moment: throttling that was there before the first result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.columns.contrast import FAIR
from detectors.readings import CountryReading, Counts, MonitorKey, Opinion
from detectors.settings import DetectionSettings, TimeSettings

START = 1_704_067_200
MECHANISMS = ("ok", "http.throttled")
LINES = 4
MINUTES = 40
#: By network, the share of its lines' results that are slow.
SLOW = {1: 0.95, 2: 0.03, 3: 0.03, 4: 0.03, 5: 0.3}


def bank() -> Bank:
    made = Bank(DetectionSettings(), TimeSettings(), MECHANISMS)
    made.add_monitors(
        [MonitorKey("x", "RU", "", asn, f"v{line}", False) for asn in SLOW for line in range(LINES)]
    )
    return made


def told(
    made: Bank,
    minutes: range = range(MINUTES),
    slow: Mapping[int, float] = SLOW,
    *,
    control: bool = True,
    seed: int = 5,
) -> CountryReading:
    """One result of each line a minute, of whose target nobody outside the country says how it is."""
    lines = np.arange(LINES * len(slow), dtype=np.int32)
    chance = np.repeat(list(slow.values()), LINES)
    nan = np.full(len(lines), np.nan, dtype=np.float32)
    for minute in minutes:
        random = np.random.default_rng([seed, minute])
        ok = random.random(len(lines)) >= chance
        counts = Counts(
            START + 60 * minute,
            START + 60 * minute + 60,
            lines,
            ok,
            (~ok).astype(np.int16),
            np.full(len(lines), -1, dtype=np.int8),
            nan,
            nan,
            contrast=np.where(ok, 1.0, 0.03).astype(np.float32) if control else None,
        )
        reading = made.close(counts, [("RU", False)]).countries[0]
    return reading


def lost(reading: CountryReading) -> set[int]:
    return {asn for (_, asn), standing in reading.networks.items() if standing.opinion is Opinion.BAD}


def test_who_was_throttled_before_the_first_result_is_told_at_once() -> None:
    assert lost(told(bank(), range(8))) == {1}


@pytest.mark.world
def test_it_never_becomes_usual() -> None:
    made = bank()
    reading = told(made, range(300))
    assert lost(reading) == {1}
    assert reading.networks["x", 1].expected == FAIR


def test_without_a_control_it_is_how_that_network_is() -> None:
    assert lost(told(bank(), control=False)) == set()


def test_a_platform_that_is_slow_on_all_networks_has_no_servers_near_by() -> None:
    assert lost(told(bank(), slow=dict.fromkeys(SLOW, 0.95))) == set()


@pytest.mark.world
def test_some_slow_lines_are_not_their_network() -> None:
    assert all(5 not in lost(told(bank(), seed=seed)) for seed in range(6))


def test_its_end_is_seen() -> None:
    made = bank()
    told(made)
    reading = told(made, range(MINUTES, MINUTES + 15), dict.fromkeys(SLOW, 0.03))
    assert reading.networks["x", 1].opinion is Opinion.GOOD


def test_the_contrasts_are_told_by_their_logarithms() -> None:
    reading = told(bank())
    of_slow, of_quick = reading.contrasts["x", 1], reading.contrasts["x", 2]
    assert -5.1 < of_slow.total / of_slow.n < -4.5
    assert -0.5 < of_quick.total / of_quick.n <= 0.0


def test_what_is_over_at_another_level_is_not_begun_anew() -> None:
    made = bank()
    told(made)
    level = {("RU", False): {("x", 1, ""): 0.5}}
    half = {**SLOW, 1: 0.5}
    start = START + 60 * MINUTES
    nobody = np.empty(0, dtype=np.int32)
    empty = np.empty(0, dtype=np.float32)
    made.close(
        Counts(
            start,
            start + 60,
            nobody,
            nobody.astype(bool),
            nobody.astype(np.int16),
            nobody.astype(np.int8),
            empty,
            empty,
        ),
        [],
        {},
        level,
    )
    assert lost(told(made, range(MINUTES + 1, 2 * MINUTES), half)) == set()


def test_what_was_kept_goes_on_alike() -> None:
    made, again = bank(), bank()
    told(made, range(10))
    again.restore(made.snapshot())
    one, other = told(made, range(10, 20)), told(again, range(10, 20))
    assert (one, dict(one.contrasts)) == (other, dict(other.contrasts))
    assert made.snapshot() == again.snapshot()
