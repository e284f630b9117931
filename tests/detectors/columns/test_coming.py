"""How much comes of each vantage: what is compiled of it against NumPy, from any columns, equal to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns.paths import Paths
from detectors.columns.rhythm import Looks, RhythmColumns
from detectors.columns.table import Bools, Floats, Ints
from tests.detectors.columns.test_compiled import by_numpy_alone

START = 1_704_067_200
WINDOW = 60
PLACES = 3


def columns(dice: np.random.Generator, size: int) -> RhythmColumns:
    """Vantages of all kinds: with promises and without, thinned out, torn, hardly known, near every bound."""
    rhythm = RhythmColumns()
    rhythm.grow(size)
    rhythm.gap[:] = np.where(dice.random(size) < 0.3, 1.0, 1.0 + dice.exponential(8.0, size))
    rhythm.gaps[:] = np.floor(dice.exponential(60.0, size)).clip(0, 2000)
    rhythm.many[:] = np.where(dice.random(size) < 0.2, 0.0, dice.integers(1, 40, size) / 4.0)
    for name in ("coming", "filled", "kept"):
        getattr(rhythm, name)[:] = dice.choice([0.0, 1e-7, 3e-5, 0.3, 0.5, 0.75, 0.8, 0.85, 1.0], size) * (
            1.0 + dice.random(size) / 100.0
        )
    rhythm.promised[:] = np.where(dice.random(size) < 0.5, 0.0, dice.integers(1, 20, size) * 30.0)
    rhythm.rarer_since[:] = np.where(dice.random(size) < 0.8, 0, START - 600)
    for name in ("well", "full", "ample"):
        getattr(rhythm, name)[:] = dice.choice([0, START, START - 60, START - 3600, START - 9000], size)
    rhythm.after[:] = dice.choice([0.0, 3.0], size)
    rhythm.thin[:], rhythm.torn[:] = dice.random(size) < 0.2, dice.random(size) < 0.2
    return rhythm


def world(seed: int) -> tuple[RhythmColumns, Ints, Ints, Floats, Bools, Ints]:
    """Vantages, their places, those seen, their results, which places are away, and when each was heard."""
    dice = np.random.default_rng(seed)
    size = int(dice.integers(1, 60))
    seen = np.flatnonzero(dice.random(size) < 0.7)
    results = np.zeros(size)
    results[seen] = dice.integers(1, 9, len(seen))
    return (
        columns(dice, size),
        dice.integers(0, PLACES, size),
        seen,
        results,
        dice.random(PLACES) < 0.3,
        START - WINDOW * dice.integers(1, 200, size),
    )


@pytest.mark.parametrize("seed", range(60))
def test_what_comes_is_followed_alike(seed: int) -> None:
    def followed() -> tuple[bytes, ...]:
        rhythm, place, seen, results, away, _ = world(seed)
        came = [rhythm.follow(away, place, seen, results, START + WINDOW * turn) for turn in range(3)]
        few = [rhythm.few_come(0.5, least) for least in (0.3, 0.7)]
        return (*(each.tobytes() for each in came), repr(few).encode(), *_written(rhythm))

    with by_numpy_alone():
        plain = followed()
    assert followed() == plain


@pytest.mark.parametrize("seed", range(60))
def test_the_same_gaps_teach(seed: int) -> None:
    def told() -> tuple[bytes, bytes]:
        rhythm, place, seen, _, away, heard = world(seed)
        once = rhythm.taught(away, place, seen, heard, START, WINDOW)
        rhythm.kept[:] = rhythm.kept / np.float16(4.0)  # hardly a promise is kept
        return once.tobytes(), rhythm.taught(away, place, seen, heard, START, WINDOW).tobytes()

    with by_numpy_alone():
        plain = told()
    assert told() == plain


@pytest.mark.parametrize("seed", range(40))
def test_paces_are_noted_alike(seed: int) -> None:
    def noted() -> list[bytes]:
        rhythm, _, seen, _, _, heard = world(seed)
        if seed % 2:  # as in most windows there is nothing to note
            rhythm.full[:], rhythm.after[:] = START, 0.0
        last = np.maximum(heard, 0).astype(np.uint32)
        looks = Looks(seen, last[seen], lambda: (np.arange(len(last)), last))
        rhythm.note_pace(looks, seen, heard, START, WINDOW)
        return _written(rhythm)

    with by_numpy_alone():
        plain = noted()
    assert noted() == plain


@pytest.mark.parametrize("seed", range(20))
def test_other_countries_show_the_same_paths(seed: int) -> None:
    def shown() -> list[bytes]:
        dice = np.random.default_rng(seed)
        size = int(dice.integers(2, 12))
        simulated = dice.random(size) < (0.0, 0.5, 1.0)[seed % 3]
        paths = Paths()
        paths.path.grow(size)
        paths.path.awaited[:] = dice.choice([0.0, 0.4, 1.5, 20.0], size)
        paths.path.came[:] = paths.path.awaited * dice.choice([0.0, 0.5, 1.0], size)
        share, alone = paths._look_elsewhere(None, simulated, {}, deaf=bool(seed % 5 == 0))  # type: ignore[arg-type]
        return [each.tobytes() for each in (share, alone, paths.unshown, paths.away)]

    with by_numpy_alone():
        plain = shown()
    assert shown() == plain


def _written(rhythm: RhythmColumns) -> list[bytes]:
    return [getattr(rhythm, name).tobytes() for name in rhythm.fields]
