"""What was counted in a window, held against counting by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.settings import DetectionSettings, TimeSettings
from tests.detectors.columns.test_compiled import MECHANISMS, MadeWorld, by_numpy_alone
from tests.effort import times

_Cell = tuple[str, str, str, int]


@pytest.mark.parametrize("by", [nullcontext, by_numpy_alone])
@pytest.mark.parametrize("seed", range(times(10)))
def test_each_window_is_told_as_it_was_whatever_was_told_before(
    seed: int, by: Callable[[], AbstractContextManager[None]]
) -> None:
    with by():
        _tell_each_window(MadeWorld(seed))


def _tell_each_window(world: MadeWorld) -> None:
    bank = Bank(DetectionSettings(), TimeSettings(), MECHANISMS)
    bank.add_monitors(world.monitors)
    for number in range(40):
        counts = world.window(number)
        weight = np.ones(len(counts.monitor), dtype=np.int64) if counts.weight is None else counts.weight
        ways: dict[_Cell, Counter[int]] = {}
        for monitor, mechanism, many in zip(
            counts.monitor.tolist(), counts.mechanism.tolist(), weight.tolist(), strict=True
        ):
            key = world.monitors[monitor]
            ways.setdefault((key.country, key.platform, key.region, key.asn), Counter())[mechanism] += many
        reading = bank.close(counts, ())
        told = {
            (one.country, platform, region, asn): (n, k, failure)
            for one in bank.tallies(counts, reading.arrivals)
            for platform, region, asn, n, k, failure in zip(
                one.platform, one.region, one.asn, one.n, one.k, one.failure, strict=True
            )
        }
        assert told == {
            cell: (sum(of_cell.values()), of_cell[0], _most_frequent(of_cell))
            for cell, of_cell in ways.items()
        }


def _most_frequent(ways: Counter[int]) -> str:
    """How most failed; of several ways the first; "" where none failed."""
    failures = [(-many, code) for code, many in ways.items() if code and many]
    return MECHANISMS[min(failures)[1]] if failures else ""
