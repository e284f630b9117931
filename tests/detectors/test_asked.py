"""What is made when it is asked for is what would be there at once; what is asked of all is as if of each."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.asked import (
    OPINIONS,
    Slownesses,
    Standings,
    counts_of,
    leaning_of,
    live_of,
    signs_of,
    too_slow,
)
from detectors.readings import Opinion, Slowness, Standing
from tests.effort import times

CELLS = [("x", 1), ("x", 2), ("youtube", 1), ("youtube", 7), ("youtube", 9)]


def some_standings(dice: np.random.Generator) -> tuple[Standings, dict[tuple[str, int], Standing]]:
    """Some at random, as columns and one by one."""
    many = len(CELLS)
    says, n = dice.integers(0, 3, many), dice.integers(0, 3, many)
    score, ratio, usual, bar, short = (dice.random(many) for _ in range(5))
    onset = np.where(dice.random(many) < 0.5, -1, dice.integers(0, 9, many))
    probes, vantages, bad, apart = (dice.integers(0, 9, many) for _ in range(4))
    live = dice.random(many) < 0.7
    columns = [says, score, n, n // 2, usual, ratio, onset, probes, vantages, bad, live, bar, short, apart]
    by_hand = {
        cell: Standing(
            opinion=OPINIONS[says[i]],
            score=float(score[i]),
            n=int(n[i]),
            k=int(n[i]) // 2,
            expected=float(usual[i]),
            reachability=float(ratio[i]),
            onset=int(onset[i]) if onset[i] >= 0 else None,
            probes=int(probes[i]),
            vantages=int(vantages[i]),
            vantages_bad=int(bad[i]),
            live=bool(live[i]),
            bar=float(bar[i]),
            short=float(short[i]),
            vantages_apart=int(apart[i]),
        )
        for i, cell in enumerate(CELLS)
    }
    return Standings(CELLS, columns), by_hand


@pytest.mark.parametrize("seed", range(times(20)))
def test_standings_are_the_same_asked_for_or_made_by_hand(seed: int) -> None:
    asked, by_hand = some_standings(np.random.default_rng(seed))
    assert list(signs_of(asked)) == list(signs_of(by_hand))
    assert counts_of(asked) == counts_of(by_hand)
    assert list(live_of(asked)) == list(live_of(by_hand))
    for least in (0.2, 0.9):
        assert list(leaning_of(asked, least)) == list(leaning_of(by_hand, least))
    assert list(asked.items()) == list(by_hand.items())
    assert repr(asked) == repr(by_hand)
    assert asked["x", 1] is asked["x", 1]
    assert ("x", 3) not in asked and asked.get(("x", 3)) is None and asked.get(("x", 2)) == by_hand["x", 2]
    with pytest.raises(KeyError):
        asked["x", 3]


def test_slowness_without_an_onset_or_a_pace_says_so() -> None:
    columns = (
        np.array([1, 2, 0]),
        np.array([1.5, 0.2, 0.0]),
        np.array([False, True, False]),
        np.array([900.0, 40.0, 100.0]),
        np.array([100.0, 50.0, 90.0]),
        np.array([600, -1, -1]),
        np.array([0.1, np.nan, 1.0]),
    )
    asked = Slownesses(CELLS[:3], columns)
    by_hand = {
        ("x", 1): Slowness(Opinion.BAD, 1.5, "ttfb_ms", 900.0, 100.0, 600, 0.1),
        ("x", 2): Slowness(Opinion.GOOD, 0.2, "throughput", 40.0, 50.0, None, None),
        ("youtube", 1): Slowness(Opinion.UNSURE, 0.0, "ttfb_ms", 100.0, 90.0, None, 1.0),
    }
    assert dict(asked) == by_hand
    assert too_slow(asked) == too_slow(by_hand) == {("x", 1)}
