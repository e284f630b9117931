"""What a minority that reports from a region can reach there: nothing opened, nothing masked, nothing kept open."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from producers.records import Decoded
from streams.records import Incident, Status
from streams.step.country import CountryMachine
from tests.effort import times
from tests.streams.step.liars import PLATFORMS, WARM, World, put, register, result, settings

REGIONS = ("PK-PB", "PK-SD", "PK-KP")
CUT, BACK = WARM + 10, WARM + 40

#: Whether a liar says that x is down: in this region, in this minute, where it truly is or is not.
Lie = Callable[[str, bool], bool]


def fails(region: str, down: bool) -> bool:
    return region == REGIONS[0]


def well(region: str, down: bool) -> bool:
    return False


def told(
    world: World,
    lie: Lie,
    seed: int,
    minutes: int,
    *,
    policy: str = "registered",
    by_honest: bool = True,
    cut: bool = False,
) -> list[tuple[int, Incident]]:
    """Everybody reports from three regions, honest ones only if `by_honest`; liars lie from the cut on."""
    machine = CountryMachine(settings(policy), publish_health=False, publish_windows=False)
    for entry in register(world, policy):
        machine.note(entry)
    draw = random.Random(seed)
    said: list[tuple[int, Incident]] = []
    everybody = (*world.honest, *world.lying)
    for minute in range(WARM + minutes):
        records: list[Decoded] = []
        for asn in everybody:
            for platform in PLATFORMS:
                for number, second in enumerate((3, 13, 23, 33, 43)):
                    region = REGIONS[number % 3]
                    down = cut and region == REGIONS[0] and CUT <= minute < BACK
                    if asn in world.lying and minute >= CUT:
                        down = lie(region, down)
                    fine = not (down and platform == "x") and draw.random() < 0.98
                    where = {"region": region} if by_honest or asn in world.lying else {}
                    records.append(result(minute, second, asn, platform, fine, **where))
        said += [(minute, one) for one in put(machine, minute, [(records, everybody)], policy)]
    return said


WORLDS = [World(5, 2), World(10, 4)]


@pytest.mark.world
@pytest.mark.parametrize("world", WORLDS, ids=str)
@pytest.mark.parametrize("seed", range(times(1)))
def test_two_fifths_open_nothing_in_a_region_of_which_others_say_that_it_is_well(
    world: World, seed: int
) -> None:
    for _, one in told(world, fails, seed, 60):
        assert one.scope.value != "region"
        assert not {network.asn for network in one.networks} & set(world.honest)


@pytest.mark.parametrize("policy", ["registered", pytest.param("signed", marks=pytest.mark.world)])
def test_two_networks_that_alone_report_from_a_region_confirm_nothing_there(policy: str) -> None:
    said = [one for _, one in told(World(5, 2), fails, 1, 26, by_honest=False, policy=policy)]
    assert {one.scope.value for one in said} == {"region"}
    assert {(one.confirmed, one.unconfirmed_reason) for one in said} == {(False, "few_networks")}


@pytest.mark.world
@pytest.mark.parametrize("world", WORLDS, ids=str)
@pytest.mark.parametrize("lie", [well, fails])
@pytest.mark.parametrize("seed", range(times(1)))
def test_two_fifths_hide_no_cut_of_a_region_nor_its_end(world: World, lie: Lie, seed: int) -> None:
    said = [(minute, one) for minute, one in told(world, lie, seed, 80, cut=True) if one.confirmed]
    opened, first = said[0]
    assert (first.scope.value, first.regions) == ("region", (REGIONS[0],))
    assert opened <= CUT + 8
    ended = [minute for minute, one in said if one.id == first.id and one.status is Status.RESOLVED]
    assert ended and BACK <= ended[0] <= BACK + 30
