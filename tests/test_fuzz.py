"""Some seconds of what `make fuzz` does for as long as one likes."""

from __future__ import annotations

import pytest

from tests.effort import times
from tests.fuzz import fuzz_reader, fuzz_step


@pytest.mark.parametrize("part", range(4))
def test_both_readers_read_random_records_alike(part: int) -> None:
    for seed in range(part * 50, part * 50 + times(50)):
        fuzz_reader(seed)


@pytest.mark.parametrize("part", range(4))
def test_random_logs_stop_nothing(part: int) -> None:
    for seed in range(part * 5, part * 5 + times(5)):
        fuzz_step(seed)
