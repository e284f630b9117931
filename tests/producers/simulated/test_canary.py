"""The canary: simulated, the same from everywhere, dark when it should be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from producers.records import ProbeResult, decode, encode
from producers.simulated.canary import ASNS, DARK_MINUTES, canary, dark

START = datetime(2024, 1, 20, 13, 0, tzinfo=UTC)


def test_an_hour_of_it() -> None:
    results = list(canary(START, 3600))
    assert len(results) == 360 * len(ASNS)
    assert all(result.simulated and result.country == "QN" for result in results)
    down = [result for result in results if dark(result.time)]
    assert len(down) == DARK_MINUTES * 6 * len(ASNS)
    assert not any(result.ok for result in down)
    up = [result.ok for result in results if not dark(result.time)]
    assert sum(up) / len(up) > 0.97
    assert all(decode(encode(result)) == result for result in results)


@cache
def an_hour_and_more() -> dict[str, ProbeResult]:
    return {result.id: result for result in canary(START, 4200)}


@given(st.integers(0, 3599), st.integers(1, 600))
def test_two_canaries_sing_the_same(offset: int, seconds: int) -> None:
    """Whatever stretch each of them writes: the same ids, and the same results under them."""
    whole = an_hour_and_more()
    for result in canary(START + timedelta(seconds=offset), seconds):
        assert whole[result.id] == result


def test_stretches_that_meet_leave_nothing_out_and_nothing_twice() -> None:
    whole = [result.id for result in canary(START, 600)]
    parts = [
        r.id for at in range(0, 600, 37) for r in canary(START + timedelta(seconds=at), min(37, 600 - at))
    ]
    assert parts == whole
