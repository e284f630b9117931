"""Attacks that worked once, rebuilt: each fails under `registered` and under `signed`.

Honest vantages stand in the register, and sign under `signed`; whoever attacks may write to the topic, and has no key
but where a test says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest

from producers.records import Decoded
from streams.records import Incident, Scope, Status
from streams.step.country import CountryMachine
from tests.streams.step.liars import (
    START,
    WARM,
    Said,
    World,
    honest_minute,
    put,
    register,
    result,
    settings,
    stolen_names,
    warm,
    wrongs,
)

pytestmark = pytest.mark.integration

POLICIES = ("registered", "signed")
CUT = WARM + 20
#: What is written in a minute by whoever attacks.
Attack = Callable[[int], Iterator[Decoded]]


def nothing(minute: int) -> Iterator[Decoded]:
    yield from ()


def play(
    world: World, attack: Attack, policy: str, *, minutes: int = 40, keys: tuple[int, ...] = ()
) -> tuple[list[tuple[int, Incident]], CountryMachine]:
    """What is told; `keys` are networks of the register that the attacker speaks for."""
    machine = CountryMachine(settings(policy), publish_health=True, publish_windows=False)
    machine.restore(warm(World(world.networks, world.liars), 0, policy))
    for entry in register(world, policy):
        machine.note(entry)
    draw = random.Random(7)
    asns = tuple(asn for asn in (*world.honest, *world.lying) if asn not in keys)
    said: list[tuple[int, Incident]] = []
    for minute in range(WARM, WARM + minutes):
        parts: list[Said] = [
            (list(attack(minute)), keys),
            (list(honest_minute(world, minute, draw, asns)), asns),
        ]
        said += [(minute, one) for one in put(machine, minute, parts, policy)]
    return said, machine


def opened(said: list[tuple[int, Incident]]) -> int | None:
    """The minute in which a confirmed national loss of x is told."""
    for minute, one in said:
        if one.confirmed and one.scope is Scope.NATION_SCALE and "x" in one.platforms:
            return minute
    return None


def confirmed(said: list[tuple[int, Incident]]) -> list[str]:
    return [one.summary for _, one in said if one.confirmed]


def told_as_without(world: World, attack: Attack, policy: str) -> None:
    """A true cut is told in the same minute as without the attack, and not resolved."""
    without, _ = play(world, nothing, policy)
    said, _ = play(world, attack, policy)
    assert opened(without) is not None
    assert opened(said) == opened(without)
    assert not [one for _, one in said if one.confirmed and one.status is Status.RESOLVED]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("honest", [4, 8])
def test_forty_invented_healthy_networks_hide_no_cut(policy: str, honest: int) -> None:
    def attack(minute: int) -> Iterator[Decoded]:
        for asn in range(900_000, 900_040):
            for second in (5, 35):
                yield result(minute, second, asn, "x", True)

    told_as_without(World(honest, 0, CUT), attack, policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("invented", [5, 12])
def test_invented_networks_that_fail_confirm_nothing(policy: str, invented: int) -> None:
    def attack(minute: int) -> Iterator[Decoded]:
        for asn in range(900_000, 900_000 + invented):
            for platform in ("x", "facebook"):
                for second in (5, 35):
                    yield result(minute, second, asn, platform, platform != "x" or minute < CUT)

    said, _ = play(World(4, 0), attack, policy)
    assert confirmed(said) == []


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("fakes", "since"), [(2, WARM), (3, WARM), (2, CUT)])
def test_a_jury_of_invented_vantages_hides_no_cut(policy: str, fakes: int, since: int) -> None:
    def attack(minute: int) -> Iterator[Decoded]:
        if minute >= since:
            for asn in range(100, 108):
                for number in range(fakes):
                    for second in (5, 25):
                        yield result(minute, second, asn, "x", True, vantage=f"fake{asn}-{number}")

    told_as_without(World(8, 0, CUT), attack, policy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("control", [False, True])
def test_invented_countries_hide_no_cut_and_are_in_no_world(policy: str, control: bool) -> None:
    invented = ("US", "DE", "FR", "GB", "BR", "JP", "KE", "NG", "IT", "ES", "SE", "NO", "FI", "DK")

    def attack(minute: int) -> Iterator[Decoded]:
        for country in invented:
            for second in (5, 25, 45):
                yield result(
                    minute,
                    second,
                    900_000,
                    "x",
                    minute < CUT,
                    country=country,
                    vantage=f"v{country}",
                    control_ok=control,
                )

    told_as_without(World(10, 0, CUT), attack, policy)
    said, machine = play(World(10, 0, CUT), attack, policy)
    assert not [one for _, one in said if one.confirmed and one.country in invented]
    assert set(machine.networks_live()) <= {("PK", False), "PK"}


@pytest.mark.parametrize("policy", POLICIES)
def test_one_name_speaks_for_one_network(policy: str) -> None:
    # A registered liar, with its key, for ten networks.
    def attack(minute: int) -> Iterator[Decoded]:
        for asn in (104, *range(900_000, 900_010)):
            for second in (5, 25, 45):
                yield result(
                    minute, second, asn, "x", minute < CUT, vantage="v104", id=f"{asn}-{second}-{minute}"
                )

    said, _ = play(World(5, 1), attack, policy, keys=(104,))
    for _, one in said:
        if one.confirmed:
            assert {network.asn for network in one.networks} == {104}
            assert one.scope is Scope.PROVIDER


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(4))
def test_two_networks_of_five_that_decline_slowly_draw_nobody_in(policy: str, seed: int) -> None:
    draw = random.Random(seed)

    def attack(minute: int) -> Iterator[Decoded]:
        share = max(0.0, 1.0 - (minute - WARM) / 180)
        for asn in (103, 104):
            for platform in ("x", "facebook"):
                for second in (3, 23, 43):
                    fine = platform != "x" or draw.random() < share
                    yield result(minute, second, asn, platform, fine)

    said, _ = play(World(5, 2), attack, policy, minutes=200, keys=(103, 104))
    for minute, one in said:
        if one.confirmed:
            assert {network.asn for network in one.networks} <= {103, 104}, (minute, one.summary)
            assert one.scope is not Scope.NATION_SCALE


@pytest.mark.parametrize("policy", POLICIES)
def test_copied_ids_a_second_earlier_hide_no_result(policy: str) -> None:
    def attack(minute: int) -> Iterator[Decoded]:
        for asn in range(100, 108):
            for second in (3, 23, 43):
                real = result(minute, second, asn, "x", True)
                yield msgspec.structs.replace(real, vantage="thief", time=real.time - timedelta(seconds=1))

    told_as_without(World(8, 0, CUT), attack, policy)


@pytest.mark.parametrize("world", [World(5, 0), World(8, 0, CUT), World(8, 0, WARM + 5, WARM + 22)])
def test_names_taken_from_honest_vantages_reach_nothing_without_their_keys(world: World) -> None:
    assert wrongs(world, stolen_names, 1, policy="signed") == []
    # It is the signature that stops it: `registered` does not promise it.
    if world.cut is None:
        assert wrongs(world, stolen_names, 1) != []


def test_the_clock_of_these_worlds_is_the_ticks() -> None:
    said, machine = play(World(5, 0), nothing, "signed", minutes=3)
    assert said == []
    assert machine.clock_ms == int((START + timedelta(minutes=WARM + 2, seconds=59)).timestamp() * 1000)
