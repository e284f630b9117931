"""The compiled steps of a window against NumPy, which does the same without them: equal to the last bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from detectors.columns import compiled
from detectors.columns.bank import Bank
from detectors.columns.binomial import BinomialColumns
from detectors.columns.monitors import Reports
from detectors.columns.paces import Paces
from detectors.columns.series import Series
from detectors.columns.silence import Listening, SilenceColumns
from detectors.columns.slowdown import SlowdownColumns
from detectors.columns.survey import Survey
from detectors.columns.table import Floats, Numbers, tallied
from detectors.readings import Arrived, Counts, MonitorKey, Spell, VantageWord
from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import Rules
from tests.effort import times

# Twenty minutes before an hour, at which slots of the week turn.
START = 1_704_067_200 - 1200
MECHANISMS = ("ok", "tls.connection_reset", "http.generic_timeout_error")
SOON = DetectionSettings(warm_seconds=240.0, warm_results=6.0)
PARTS = {("PK", True): [("x", 1, ""), ("", 2, "")]}


def test_there_is_compiled_code_here() -> None:
    assert compiled.stages is not None


@pytest.mark.system
def test_without_it_there_are_numbers_too() -> None:
    code = """
import sys
sys.modules["detectors.columns._stages"] = None
from detectors.columns import compiled
from tests.detectors.columns.test_compiled import told
print(compiled.stages, len(told(1, 4)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "4"]


@contextmanager
def by_numpy_alone() -> Iterator[None]:
    """Have nothing done by compiled code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "stages", None)
        yield


def monitors(dice: np.random.Generator) -> list[MonitorKey]:
    """Some vantages of two countries: with regions and several targets, or without."""
    regions, targets = dice.random() < 0.5, 1 + int(dice.random() < 0.4)
    return [
        MonitorKey(
            platform,
            country,
            f"{country}-{'AB'[vantage % 2]}" if regions else "",
            asn,
            f"v{vantage}",
            True,
            f"https://{platform}{target}.org/" if targets > 1 else "",
        )
        for country in ("PK", "IR")
        for asn in range(1, 4)
        for vantage in range(int(dice.integers(1, 6)))
        for platform in ("x", "youtube")
        for target in range(targets)
    ]


class MadeWorld:
    """Windows of some vantages: rhythms of their own, losses of a platform or of a network, and silence."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = np.random.default_rng(seed)
        self.monitors = monitors(dice)
        size = len(self.monitors)
        self.often = dice.choice([1.0, 1.0, 0.9, 0.5, 0.1])
        self.asn = np.array([one.asn for one in self.monitors])
        self.on_x = np.array([one.platform == "x" for one in self.monitors])
        self.ratio = np.where(dice.random(size) < 0.1, 0.3, dice.choice([0.8, 0.95, 1.0]))
        self.sums = dice.random() < 0.3
        self.promises = dice.random() < 0.4
        self.times = dice.random() < 0.7

    def window(self, number: int) -> Counts:
        """One window: in a third of its time a loss goes on, of one kind or another."""
        dice, stage = self.dice, number // 12 % 6
        there = dice.random(len(self.monitors)) < self.often
        if stage == 3:
            there &= self.asn == 3
        rows = np.flatnonzero(there).astype(np.int32)
        rows = np.repeat(rows, dice.integers(1, 3, len(rows)))
        ratio = self.ratio[rows]
        if stage == 2:
            ratio = np.where(self.on_x[rows], 0.1, ratio)
        if stage == 4:
            ratio = np.where(self.asn[rows] == 1, 0.4, ratio)
        ok = dice.random(len(rows)) < ratio
        ttfb = np.exp(5.0 + 0.4 * dice.standard_normal(len(rows)) + (stage == 4)).astype(np.float32)
        start = START + 60 * number
        return Counts(
            start,
            start + 60,
            rows,
            ok,
            np.where(ok, 0, dice.integers(1, 3, len(rows))).astype(np.int16),
            dice.integers(-1, 2, len(rows)).astype(np.int8),
            np.where(ok & self.times, ttfb, np.nan).astype(np.float32),
            np.where(ok & self.times & (dice.random(len(rows)) < 0.5), 1e5 / ttfb, np.nan).astype(np.float32),
            weight=dice.integers(1, 4, len(rows)) if self.sums else None,
            every_seconds=np.full(len(rows), 60, dtype=np.float32) if self.promises else None,
            elsewhere={("DE", True): Arrived(30.0, 29.0)} if self.promises else {},
            words=[VantageWord("PK", 2, "v0", up=number % 40 > 20)] if number % 20 == 7 else (),
            deaf=number % 60 == 35,
        )


def told(seed: int, windows: int) -> list[str]:
    """All that a bank says of a world and keeps of it, window by window."""
    world = MadeWorld(seed)
    bank = Bank(SOON, TimeSettings(), MECHANISMS)
    said: list[str] = []
    early = len(world.monitors) // 2
    bank.some_lie = seed % 2 == 1
    bank.add_monitors(world.monitors[:early])
    for number in range(windows):
        counts = world.window(number)
        if number < 2:
            counts.monitor %= early
        elif number == 2:
            bank.add_monitors(world.monitors[early:])
        if number == 50:
            bank.rest(counts.start, 7)
        if number >= 50:
            counts.start, counts.end = counts.start + 420, counts.end + 420
        reading = bank.close(
            counts,
            [("IR", True)],
            PARTS if 24 <= number < 40 else {},
            {("PK", True): {("x", 1, ""): 0.7}} if number == 40 else {},
            {("PK", True): {("x", 2, ""): Spell(START, START + 3600, 0.9, 30.0)}} if number == 41 else {},
        )
        health = reading.health
        numbers = (health.n, health.k, health.expected, health.reachability, health.score, health.presence)
        past = [{cell: column.tobytes() for cell, column in one.past.items()} for one in reading.countries]
        countries = [replace(one, past={}) for one in reading.countries]
        said.append(repr((countries, past, reading.arrivals, [np.asarray(one).tobytes() for one in numbers])))
        if number % 10 == 9:
            said[-1] += bank.snapshot().hex()
    return said


@pytest.mark.parametrize("seed", range(times(5)))
def test_what_is_compiled_decides_the_same(seed: int) -> None:
    here = told(seed, 45)
    with by_numpy_alone():
        alone = told(seed, 45)
    apart = [number for number, (one, other) in enumerate(zip(here, alone, strict=True)) if one != other]
    assert not apart, (
        f"from window {apart[0]} on: what was changed in NumPy belongs into _stages.pyx too, or not at all"
    )


def random_reports(dice: np.random.Generator, cells: int) -> tuple[Reports, Floats]:
    """What some monitors said, and what is expected of their networks: some monitors are of their own kind."""
    base = dice.uniform(0.05, 0.99, cells)
    cell = np.sort(dice.integers(0, cells, 3 * cells)).astype(np.int32)
    rows = np.arange(len(cell))
    probes = dice.integers(1, 40, len(cell)).astype(np.float64)
    good = np.floor(probes * dice.random(len(cell)))
    votes = dice.choice([0.0, 0.25, 1.0], len(cell))
    ratio = np.where(dice.random(len(cell)) < 0.3, dice.uniform(0.05, 0.99, len(cell)), base[cell])
    return Reports(rows, rows.astype(np.int32), cell, good, probes, votes, ratio), base


def some_networks(dice: np.random.Generator, cells: int) -> BinomialColumns:
    """Networks in the middle of things: evidence of all sizes, excursions open or not, some without any result yet."""
    columns = BinomialColumns(Rules.of(DetectionSettings(), TimeSettings()))
    columns.grow(cells)
    cusum, base = columns.cusum, columns.base
    cusum.statistic[:] = np.where(
        dice.random(cusum.statistic.shape) < 0.5, 0.0, dice.exponential(4.0, cusum.statistic.shape)
    )
    cusum.probes[:] = np.where(cusum.statistic > 0.0, dice.integers(0, 90, cusum.probes.shape), 0.0)
    cusum.short[:] = cusum.probes * dice.uniform(-0.2, 0.8, cusum.short.shape)
    cusum.open[:] = dice.random(cells) < 0.5
    cusum.well[:] = dice.exponential(2.0, cells)
    columns.presence.first[:] = np.where(dice.random(cells) < 0.8, START - 90_000, -1)
    base.good_global[:] = dice.exponential(300.0, cells)
    return columns


@pytest.mark.parametrize("seed", range(times(20)))
def test_what_a_network_of_odd_monitors_says_is_worked_out_alike(seed: int) -> None:
    def weighed() -> list[bytes]:
        dice = np.random.default_rng(seed)
        cells = int(dice.integers(1, 12))
        columns = some_networks(dice, cells)
        reports, base = random_reports(dice, cells)
        doubt = (
            np.where(dice.random(cells) < 0.5, np.inf, dice.exponential(1.0, cells))
            if dice.random() < 0.5
            else None
        )
        k, n = reports.by_cell(cells)
        mix = reports.mix(base)
        evidence, scales = columns.weigh(START, k, n, doubt, None, mix)
        stored = columns.cusum.store()
        return [np.asarray(one).tobytes() for one in (*mix, evidence, scales)] + [
            one.data for one in stored.values()
        ]

    here = weighed()
    with by_numpy_alone():
        assert weighed() == here


@pytest.mark.parametrize("seed", range(times(20)))
def test_keys_are_counted_alike(seed: int) -> None:
    dice = np.random.default_rng(seed)
    least, most = ((0, 5), (0, 5000), (-3, 5), (0, 10**9))[seed % 4]
    keys = dice.integers(least, most, int(dice.integers(0, 200)))
    for weight in (None, dice.integers(0, 4, len(keys))):
        here = tallied(keys, weight)
        with by_numpy_alone():
            alone = tallied(keys, weight)
        assert [(one.dtype, one.tolist()) for one in here] == [(one.dtype, one.tolist()) for one in alone]


@pytest.mark.parametrize("seed", range(times(20)))
def test_what_is_told_of_some_networks_is_worked_out_alike(seed: int) -> None:
    def told_of() -> list[bytes]:
        dice = np.random.default_rng(seed)
        series, cells = Series(DetectionSettings(), TimeSettings()), int(dice.integers(1, 12))
        cusum = series.cells.cusum = some_networks(dice, cells).cusum
        rows = np.flatnonzero(dice.random(cells) < 0.7)
        score, live = dice.choice([0.0, 0.4, 1.0, 1.6, np.nan], len(rows)), dice.random(len(rows)) < 0.8
        n = dice.integers(0, 9, len(rows)) / 2.0
        survey = Survey(series, n, n, n, MECHANISMS)
        seats = series.seats
        seats.grow(cells)
        seats.gap[:] = dice.exponential(3.0, cells)
        seats.last[:] = np.where(dice.random(cells) < 0.2, -1, START - 60 * dice.integers(0, 40, cells))
        columns = (
            *survey._counted(cusum, rows, score, live, n, n * dice.random(len(rows))),
            series.share_lost(cusum, rows),
            seats.lately(START, 60),
            seats.lately(START, 60, rows),
        )
        return [column.dtype.str.encode() + column.tobytes() for column in columns]

    here = told_of()
    with by_numpy_alone():
        assert told_of() == here


def some_silences(dice: np.random.Generator, size: int) -> SilenceColumns:
    """Networks that were heard more or less often, some of them silent now, or dark."""
    silence = SilenceColumns(Rules.of(DetectionSettings(), TimeSettings()))
    silence.grow(size)
    silence.first[:] = np.where(dice.random(size) < 0.8, START - dice.integers(0, 900_000, size), -1)
    silence.last[:] = np.maximum(silence.first, START - 60 * dice.integers(1, 40, size))
    silence.exposed[:] = dice.integers(1, 1440, size)
    silence.present[:] = np.floor(silence.exposed * dice.choice([0.001, 0.1, 0.6, 1.0], size))
    silence.seen[:] = silence.present
    silence.gaps[:] = dice.integers(0, 60, size)
    silence.gap_sum[:] = silence.gaps * dice.uniform(1.0, 30.0, size)
    silence.gap_square[:] = silence.gap_sum * dice.uniform(0.0, 30.0, size)
    silence.quiet[:] = np.where(dice.random(size) < 0.5, 0.0, dice.exponential(5.0, size))
    silence.longest[:] = dice.exponential(6.0, silence.longest.shape)
    silence.dark[:] = dice.random(size) < 0.1
    return silence


@pytest.mark.parametrize("seed", range(times(20)))
def test_how_long_nobody_is_missed_is_worked_out_alike(seed: int) -> None:
    def windows() -> int:
        dice = np.random.default_rng(seed)
        size, countries = int(dice.integers(1, 9)), int(dice.integers(1, 4))
        silence = some_silences(dice, size)
        return silence.quiet_windows(START, dice.integers(0, countries, size), countries)

    here = windows()
    with by_numpy_alone():
        assert windows() == here


@pytest.mark.parametrize("seed", range(times(20)))
def test_windows_without_results_pass_alike(seed: int) -> None:
    def rested() -> list[bytes]:
        dice = np.random.default_rng(seed)
        cells = int(dice.integers(1, 12))
        columns = some_networks(dice, cells)
        base, presence = columns.base, columns.presence
        presence.exposed[:] = dice.uniform(2.0, 1440.0, cells)
        presence.present[:] = presence.exposed * dice.choice([0.001, 0.1, 0.9, 1.0], cells)
        base.held[:] = START - dice.integers(-600, 6000, cells)
        base.level[:] = dice.normal(0.0, 3.0, cells)
        base.level_probes[:] = dice.exponential(50.0, cells)
        base.waiting_probes[:] = np.where(
            dice.random(base.waiting_probes.shape) < 0.1, dice.integers(1, 9, base.waiting_probes.shape), 0
        )
        base.waiting_good[:] = np.floor(base.waiting_probes * dice.random(base.waiting_good.shape))
        base.waiting_usual[:] = dice.uniform(0.1, 0.99, base.waiting_usual.shape)
        if seed % 2:
            base.waiting_shift[:] = dice.normal(0.0, 0.1, base.waiting_shift.shape)
        if seed % 4 == 0:
            columns.cusum.clear(np.arange(cells))
        if seed % 3 == 0:
            columns.fair = np.where(dice.random(cells) < 0.5, 0.9, 0.0)
        slow, held = dice.random(cells) < 0.3, dice.random(cells) < 0.2
        for windows in (1, 2, int(dice.integers(3, 200))):
            columns.rest(START, windows, slow, held if seed % 2 else None)
        stored = [*base.store().values(), *presence.store().values(), *columns.cusum.store().values()]
        return [columns.gain.tobytes(), *(one.data for one in stored)]

    here = rested()
    with by_numpy_alone():
        assert rested() == here


@pytest.mark.parametrize("seed", range(times(20)))
def test_several_silent_windows_at_once_are_worked_out_alike(seed: int) -> None:
    def silent() -> list[bytes]:
        dice = np.random.default_rng(seed)
        size, countries = int(dice.integers(1, 9)), int(dice.integers(1, 4))
        silence = some_silences(dice, size)
        silence.missed[:] = silence.quiet
        for column in (silence.present_hour, silence.exposed_hour, silence.results_hour, silence.pending):
            column[:] = dice.uniform(0.0, 60.0, column.shape)
        country = dice.integers(0, countries, size)
        listening = Listening(*(dice.random(many) < 0.2 for many in (countries, countries, size, size, size)))
        start = START
        for windows in (1, 5, 2, 1, 12):
            n = dice.integers(0, 3 if windows == 1 else 1, size).astype(np.float64)
            silence.step(start, n, country, countries, None, windows, listening)
            start += 60 * windows
        return [silence.score.tobytes(), *(one.data for one in silence.store().values())]

    here = silent()
    with by_numpy_alone():
        assert silent() == here


@pytest.mark.parametrize("seed", range(times(20)))
def test_times_of_monitors_are_evened_out_alike(seed: int) -> None:
    def evened() -> list[bytes]:
        dice = np.random.default_rng(seed)
        cells, many = int(dice.integers(1, 6)), int(dice.integers(1, 20))
        slow, paces = SlowdownColumns(Rules.of(DetectionSettings(), TimeSettings())), Paces()
        slow.grow(cells)
        paces.grow(many)
        paces.offset[:] = dice.normal(0.0, 1.0, many)
        paces.windows[:] = dice.choice([0, 1, 9, 10, 299, 300], many)
        cell, crowd = dice.integers(0, cells, many).astype(np.int32), dice.random(cells) < 0.2
        found: list[bytes] = []
        for window in range(24):
            monitor: Numbers = dice.integers(0, many, int(dice.integers(0, dice.choice([4, 40]))))
            monitor = monitor.astype(np.int32) if seed % 2 else monitor
            logs = dice.normal(5.0, 1.0, len(monitor))
            held = dice.random(cells) < 0.2 if window % 2 else None
            slow.open[:] = dice.random(cells) < 0.2
            start = START + 600 * window
            now = paces.even_out(start, monitor, logs, cell, slow, crowd, held)
            slow.step(start, now.rows, now.middle, held, now.most)
            columns = (*now, *(getattr(paces, name) for name in paces.fields))
            found += [column.dtype.str.encode() + column.tobytes() for column in columns]
        return found

    here = evened()
    with by_numpy_alone():
        assert evened() == here
