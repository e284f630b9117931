"""Vantages that measure every quarter of an hour."""

from __future__ import annotations

import pytest

from streams.records import Scope, Status
from tests.stories.telling import World, minutes, tell

pytestmark = pytest.mark.world

SELDOM = World(networks=4, every_seconds=900, others=("wikipedia",))
BLOCK = "." * 200 + "x" * 18


@pytest.mark.parametrize("seed", [5, 8])
def test_all_are_told_as_back_at_once_though_one_failed_once_more(seed: int) -> None:
    """The block is over after 90 minutes; one vantage fails once more in the half hour after it."""
    text = f"""
    PK  x  *      {BLOCK}{"." * 30}
    PK  x  n4/v1  {BLOCK}..xxx{"." * 25}
    """
    told = [one for one in tell(text, SELDOM, seed=seed) if minutes(one.onset) >= 995]
    assert [one.status for one in told].count(Status.RESOLVED) == 1
    assert {one.scope for one in told} == {Scope.NATION_SCALE}
    assert minutes(told[-1].updated) <= 1000 + 90 + 40
