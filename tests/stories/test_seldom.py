"""Vantages that measure every quarter of an hour."""

from __future__ import annotations

import pytest

from streams.records import Scope, Status
from tests.stories.telling import World, minutes, tell

pytestmark = pytest.mark.world

#: Five regions of which each has two results in five minutes.
THIN = World(networks=6, vantages=5, regions=5, every_seconds=900, others=("wikipedia",))
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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_regions_of_few_results_are_told_as_regions_from_the_first_word(seed: int) -> None:
    """The cut lasts for an hour; a vantage has four results in it."""
    told = tell(f"PK  x  r1,r2  {'.' * 60}{'x' * 12}{'.' * 8}", THIN, seed=seed)
    assert {one.scope for one in told} == {Scope.REGION}
    assert minutes(told[0].updated) <= 300 + 15
    assert {one.regions for one in told if minutes(one.updated) >= 300 + 20} == {("PK-1", "PK-2")}
    assert told[-1].status is Status.RESOLVED


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_country_of_few_results_is_not_told_as_the_region_that_shows_first(seed: int) -> None:
    told = tell(f"PK  x  *  {'.' * 60}{'x' * 12}{'.' * 8}", THIN, seed=seed)
    assert {one.scope for one in told if minutes(one.updated) <= 360} == {Scope.NATION_SCALE}
    assert minutes(told[0].updated) <= 300 + 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_network_between_two_rounds_is_not_named_with_those_that_are_silent(seed: int) -> None:
    world = World(networks=7, every_seconds=600, others=("wikipedia", "google"))
    told = tell(f"PK  *  n1,n2,n3  {'.' * 288}{'?' * 60}{'.' * 12}", world, seed=seed)
    assert {one.scope for one in told} == {Scope.MULTI_PROVIDER}
    assert {network.asn for one in told for network in one.networks} == {64501, 64502, 64503}
