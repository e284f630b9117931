"""The checks that every detector runs, ours and River's: what a detector owes to whoever feeds and keeps it.

Each takes a detector that was never fed and a stream of windows; it raises AssertionError, with what went wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from detectors.single.bank import from_plain, to_plain

WindowValues = Mapping[Any, Any]


class Estimator(Protocol):
    """What is fed a window at a time."""

    def score_one(self, x: Any) -> float:
        """Score a window; changes nothing."""
        ...

    def learn_one(self, x: Any) -> None:
        """Take a window in."""
        ...


def scoring_changes_nothing(detector: Estimator, windows: Sequence[WindowValues]) -> None:
    """Check that scoring twice has one answer, and leaves what is learned as it was."""
    for window in windows:
        before = to_plain(detector)
        first, second = detector.score_one(window), detector.score_one(window)
        assert first == second, f"scored {first}, then {second}, at {window}"
        assert to_plain(detector) == before, f"scoring changed the detector at {window}"
        detector.learn_one(window)


def snapshots_go_on(detector: Estimator, windows: Sequence[WindowValues]) -> None:
    """Kept as plain data in the middle of the stream, and brought back, it goes on identically."""
    half = len(windows) // 2
    for window in windows[:half]:
        detector.learn_one(window)
    restored: Estimator = from_plain(to_plain(detector))
    for window in windows[half:]:
        one, other = detector.score_one(window), restored.score_one(window)
        assert one == other, f"scored {one}, restored {other}, at {window}"
        detector.learn_one(window)
        restored.learn_one(window)
    assert to_plain(detector) == to_plain(restored), "the states differ at the end"


def memory_levels_off(detector: Estimator, windows: Sequence[WindowValues]) -> None:
    """What is kept does not grow with what was seen."""
    half = len(windows) // 2
    for window in windows[:half]:
        detector.learn_one(window)
    before = _values(to_plain(detector))
    for window in windows[half:]:
        detector.learn_one(window)
    after = _values(to_plain(detector))
    assert after <= before, f"{before} values were kept after half of the stream, {after} at its end"


def nan_raises(detector: Estimator, windows: Sequence[WindowValues]) -> None:
    """What is no number is refused, and spoils nothing."""
    for window in windows[:-1]:
        detector.learn_one(window)
    last = windows[-1]
    before = to_plain(detector)
    for name, value in last.items():
        if not isinstance(value, float):
            continue
        try:
            detector.learn_one({**last, name: math.nan})
        except ValueError:
            assert to_plain(detector) == before, f"{name}=nan was refused, and yet changed the detector"
        else:
            raise AssertionError(f"{name}=nan was taken in")


def scores_are_finite(detector: Estimator, windows: Sequence[WindowValues]) -> None:
    """A score is a number from 0 on."""
    for window in windows:
        score = detector.score_one(window)
        assert math.isfinite(score) and score >= 0.0, f"scored {score} at {window}"
        detector.learn_one(window)


def all_checks() -> Iterator[Callable[[Estimator, Sequence[WindowValues]], None]]:
    """Every check there is."""
    yield from (
        scoring_changes_nothing,
        snapshots_go_on,
        memory_levels_off,
        nan_raises,
        scores_are_finite,
    )


def _values(plain: Any) -> int:
    if isinstance(plain, dict):
        return sum(map(_values, plain.values()))
    if isinstance(plain, list):
        return sum(map(_values, plain))
    return 1
