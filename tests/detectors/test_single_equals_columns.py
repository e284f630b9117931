"""The bank's columns and the plain estimators that the docstrings show are the same detectors, to 1e-9."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns.binomial import BinomialColumns
from detectors.columns.silence import SilenceColumns
from detectors.columns.slowdown import SlowdownColumns
from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import BinomialCusum, Rules
from detectors.single.silence import Silence
from detectors.single.slowdown import Slowdown

START = 1_704_067_200  # a Monday, midnight
CELLS = 8


def rules(window: int = 60) -> Rules:
    return Rules.of(DetectionSettings(), TimeSettings(window_seconds=window))


@pytest.mark.parametrize(("window", "seed"), [(60, 1), (600, 2), (3600, 3)])
def test_ratios(window: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = BinomialColumns(rules(window))
    columns.grow(CELLS)
    plain = [BinomialCusum(time=TimeSettings(window_seconds=window)) for _ in range(CELLS)]
    rate = np.exp(random.uniform(np.log(0.03), np.log(40), CELLS))
    usual = random.uniform(0.5, 0.999, CELLS)
    alarms = 0
    for i in range(300):
        start = START + i * window
        hit = (i // 90 % 3 == 2) & (np.arange(CELLS) % 2 == 0)
        n = random.poisson(rate).astype(float)
        k = random.binomial(n.astype(int), np.where(hit, usual * 0.3, usual)).astype(float)
        slow = random.random(CELLS) < 0.1
        held = (i // 40 % 2 == 1) & (np.arange(CELLS) % 4 < 2)
        columns.weigh(start, k, n)
        columns.learn(start, k, n, slow, held)
        for c, one in enumerate(plain):
            if n[c] or one.at >= 0:
                one.learn_one(
                    {"start": start, "ok": k[c], "probes": n[c]}, slow=bool(slow[c]), held=bool(held[c])
                )
        np.testing.assert_allclose(columns.score, [one.score for one in plain], atol=1e-9)
        np.testing.assert_allclose(columns.cusum.well, [one.cusum.well for one in plain], atol=1e-9)
        alarms += int((columns.score >= 1.0).sum())
        if i == 200:  # some are over at another level
            columns.settle(start + window, np.arange(3), np.full(3, 0.4))
            columns.cusum.clear(np.arange(3))
            for one in plain[:3]:
                one.settle(0.4)
        if i == 220:  # and a small loss of others is over
            spell = (start - 5 * 3600, start + 1800, 0.75, 16.0)
            columns.pass_hours(np.arange(2, 6), *spell)
            for one in plain[2:6]:
                one.pass_hours(*spell)
    np.testing.assert_allclose(columns.expect(start), [one.usual(start) for one in plain], atol=1e-9)
    np.testing.assert_allclose(columns.base.dispersion, [one.dispersion for one in plain], atol=1e-9)
    np.testing.assert_array_equal(columns.cusum.values("onset").T, [one.cusum.onset for one in plain])
    assert alarms > 6 * CELLS  # the comparison went through excursions, not only through calm


@pytest.mark.parametrize(
    ("seed", "least"), [(4, 0.05), pytest.param(5, 0.05, marks=pytest.mark.world), (5, 20.0)]
)
def test_silences(seed: int, least: float) -> None:
    random = np.random.default_rng(seed)
    columns = SilenceColumns(rules())
    columns.grow(CELLS)
    plain = [Silence() for _ in range(CELLS)]
    rate = np.exp(random.uniform(np.log(least), np.log(30), CELLS))
    own_country = np.arange(CELLS)  # nobody to be silent together with
    darkness = 0
    for i in range(340):
        start = START + i * 60
        n = random.poisson(np.where((i // 110) % 3 == 2, 0.0, rate)).astype(float)
        columns.step(start, n, own_country, CELLS)
        for c, one in enumerate(plain):
            if n[c] or one.at >= 0:
                one.learn_one({"start": start, "results": n[c]})
        np.testing.assert_allclose(columns.score, [one.score for one in plain], atol=1e-9)
        np.testing.assert_array_equal(columns.dark, [one.dark for one in plain])
        darkness += int(columns.dark.sum())
    for mine, theirs in (
        (columns.longest, [one.longest for one in plain]),
        (columns.present_hour, [one.present_hour for one in plain]),
        (columns.results_hour, [one.results_hour for one in plain]),
    ):
        np.testing.assert_allclose(mine.T, theirs, atol=1e-9)
    assert darkness > 6 * CELLS


def test_an_hour_of_very_many_values_comes_back() -> None:
    columns = SlowdownColumns(rules(1))
    columns.grow(1)
    row = np.array([0])
    columns.step(START, row, np.array([4.5]))
    columns.total_now[:], columns.weight_now[:] = 4.5e5, 1e5
    usual = columns.usual(START)
    columns.step(START + 3600, row, np.array([4.5]))
    np.testing.assert_allclose(columns.usual(START), usual, rtol=1e-3)


@pytest.mark.parametrize("seed", [6, 7])
def test_times(seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = SlowdownColumns(rules())
    columns.grow(CELLS)
    plain = [Slowdown() for _ in range(CELLS)]
    usual, spread = random.uniform(20, 800, CELLS), random.uniform(0.05, 0.8, CELLS)
    alarms = 0
    for i in range(300):
        start = START + i * 60
        slower = 4.0 if i // 120 % 3 == 2 else 1.0
        value = usual * slower * np.exp(spread * random.standard_normal(CELLS))
        held = np.full(CELLS, i // 50 % 2 == 1) & (np.arange(CELLS) % 2 == 0)
        # A series by itself hears of an incident with its next value only, so all have one where that changes.
        rows = np.flatnonzero(random.random(CELLS) < (1.0 if i % 50 == 0 else 0.7))
        most = 40.0 * random.random(CELLS)
        columns.step(start, rows, np.log(value[rows]), held, most[rows] if i % 3 else None)
        for c in rows:
            window = {"start": start, "value": value[c], **({"most": most[c]} if i % 3 else {})}
            plain[c].learn_one(window, held=bool(held[c]))
        np.testing.assert_allclose(columns.score[rows], [plain[c].score for c in rows], atol=1e-9)
        alarms += int((columns.score >= 1.0).sum())
        if i in (0, 100, 299):
            for hour in range(0, 86_400, 3600):
                expected = [plain[c].usual(hour) for c in rows]
                np.testing.assert_allclose(columns.usual(hour)[rows], expected, atol=1e-9)
    assert alarms > 6 * CELLS


@pytest.mark.world
def test_what_trickles_through_a_shutdown_is_no_return() -> None:
    """Twelve results a minute, none for a while, 3 % of them for ten hours, then all again: both implementations."""
    random = np.random.default_rng(3)
    columns = SilenceColumns(rules())
    columns.grow(1)
    plain = Silence()
    rate = [12.0] * 1740 + [0.0] * 12 + [0.36] * 588 + [12.0] * 12
    dark = []
    for i, mean in enumerate(rate):
        n = float(random.poisson(mean))
        columns.step(START + 60 * i, np.array([n]), np.array([0]), 1)
        plain.learn_one({"start": START + 60 * i, "results": n})
        assert plain.dark == columns.dark[0]
        dark.append(plain.dark)
    assert not any(dark[:1740])
    assert all(dark[1746:2340])
    assert not any(dark[2346:])


@pytest.mark.world
def test_a_curfew_is_dark_as_soon_on_the_third_night_as_on_the_first() -> None:
    """A day of results each minute, then four hours of silence each night: nothing of these becomes usual."""
    random = np.random.default_rng(4)
    columns = SilenceColumns(rules())
    columns.grow(1)
    plain = Silence()
    waited = []
    for i in range(3 * 1440 + 300):
        minute = i % 1440
        night = i >= 1440 and 60 <= minute < 300
        n = 0.0 if night else float(1 + random.poisson(9.0))
        columns.step(START + 60 * i, np.array([n]), np.array([0]), 1)
        plain.learn_one({"start": START + 60 * i, "results": n})
        if night and minute == 60:
            waited.append(0)
        if night and not plain.dark:
            waited[-1] += 1
        assert plain.dark == columns.dark[0]
    assert waited == [3, 3, 3]
