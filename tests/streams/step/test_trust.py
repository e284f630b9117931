"""Who has a vote, and what a minority and strangers can reach. Each promise of docs/threat-model.md is shown here."""

from __future__ import annotations

import random
from datetime import timedelta

import msgspec
import pytest

from detectors.incidents.snapshots import Doubt
from producers.records import Decoded
from streams.records import Incident, Vantage, VantageState
from streams.settings import fingerprint
from streams.step.country import CountryMachine
from tests.effort import times
from tests.streams.step.liars import (
    REGISTERED,
    START,
    STRANGERS,
    WARM,
    Strategy,
    World,
    constant_down,
    constant_well,
    feed,
    honest_minute,
    put,
    register,
    result,
    settings,
    sybil_down,
    told,
    warm,
    worlds,
    wrongs,
)

WORLD = World(5, 2)


def machine_of(entries: list[Vantage], **trust: object) -> CountryMachine:
    machine = CountryMachine(settings(**trust), publish_health=True, publish_windows=False)  # type: ignore[arg-type]
    for entry in entries:
        machine.note(entry)
    return machine


def play(
    machine: CountryMachine, minutes: range, records: dict[int, list[Decoded]] | None = None
) -> list[Incident]:
    draw = random.Random(1)
    said: list[Incident] = []
    for minute in minutes:
        truth: list[Decoded] = list(honest_minute(WORLD, minute, draw, (*WORLD.honest, *WORLD.lying)))
        said += feed(machine, minute, truth if records is None else [*truth, *records.get(minute, [])])
    return said


@pytest.mark.world
@pytest.mark.parametrize("seed", range(times(2)))
def test_forty_percent_of_the_networks_reach_nothing_beyond_their_own(seed: int) -> None:
    draw = random.Random(f"unit {seed}")
    strategy = (REGISTERED + STRANGERS)[seed % len(REGISTERED + STRANGERS)]
    assert wrongs(worlds(draw), strategy, seed, minutes=30) == []


@pytest.mark.integration
@pytest.mark.parametrize("strategy", REGISTERED + STRANGERS, ids=lambda one: one.__name__)
def test_no_strategy_reaches_more(strategy: Strategy) -> None:
    # Fifty seeds in all; `python -m tests.streams.step.liars 1000` tries a thousand.
    for seed in range(times(3)):
        draw = random.Random(f"{strategy.__name__} {seed}")
        assert wrongs(worlds(draw), strategy, seed) == []


def test_strangers_alone_are_shown_and_page_nobody() -> None:
    said = [one for _, one in told(WORLD, sybil_down, 0, 20)]
    assert said
    assert all(one.unconfirmed_reason == Doubt.STRANGERS and not one.confirmed for one in said)
    assert all(one.summary.endswith("It rests on unregistered vantages.") for one in said)
    assert all(one.id.startswith("unregistered-pk-") for one in said)


def test_strangers_are_in_nothing_that_the_world_sees() -> None:
    machine = machine_of([])
    for minute in range(3):
        outbox = machine.apply(machine.read_decoded([result(minute, 1, 7, "x", True), *_tick(minute)]))
        assert [message.topic for message in outbox.after if message.topic != "alerts"] == []
    assert machine.networks_live() == {}
    # The first one came before the clock had been read.
    assert machine.totals.unregistered == machine.totals.applied == 2


def _tick(minute: int) -> list[Decoded]:
    from producers.records import Tick

    return [Tick(time=START + timedelta(minutes=minute, seconds=59))]


@pytest.mark.parametrize(
    ("entry", "votes"),
    [
        (Vantage(vantage="v7", country="PK", asn=7, since=START), True),
        (Vantage(vantage="v7", country="PK", asn=8, since=START), False),
        (Vantage(vantage="v7", country="IN", asn=7, since=START), False),
        (Vantage(vantage="v8", country="PK", asn=7, since=START), False),
        (Vantage(vantage="v7", country="PK", asn=7, region="PK-SD", since=START), True),
        (Vantage(vantage="v7", country="PK", asn=7, state=VantageState.REVOKED, since=START), False),
        (Vantage(vantage="v7", country="PK", asn=7, state=VantageState.PROBATION, since=START), False),
        (
            Vantage(
                vantage="v7",
                country="PK",
                asn=7,
                state=VantageState.PROBATION,
                since=START - timedelta(hours=24),
            ),
            True,
        ),
        (Vantage(vantage="v", country="PK", sources=("v7",), since=START), True),
    ],
)
def test_a_vantage_speaks_for_what_the_register_says(entry: Vantage, votes: bool) -> None:
    machine = machine_of([entry])
    machine.apply(machine.read_decoded([*_tick(0), result(1, 1, 7, "x", True)]))
    assert (machine.totals.applied, machine.totals.unregistered) == (1, 0 if votes else 1)


def test_who_is_revoked_has_no_vote_and_its_silence_is_none() -> None:
    machine = machine_of([])
    machine.restore(warm(WORLD, 0))
    for entry in register(WORLD)[2:]:
        machine.note(msgspec.structs.replace(entry, state=VantageState.REVOKED))
    draw = random.Random(2)
    said = []
    for minute in range(WARM, WARM + 20):
        said += feed(machine, minute, list(honest_minute(WORLD, minute, draw, (100, 101))))
        # From the second minute on: the first one closes a window of before.
        assert minute == WARM or machine.networks_live() == {"PK": 2}
    assert said == []


def test_what_a_vantage_reports_beyond_its_limit_is_refused() -> None:
    machine = machine_of(register(WORLD), results_max=3)
    results = [result(1, second, 100, "x", True) for second in range(5)]
    other = [result(1, 5, 101, "x", True, count=4, good=4), result(1, 6, 102, "x", True)]
    rows = machine.read_decoded([*_tick(0), *results, *other])
    outbox = machine.apply(rows)
    assert (outbox.applied, outbox.rejected) == (4, 3)


def test_a_machine_that_is_restored_goes_on_the_same_with_strangers() -> None:
    whole, parted = machine_of(register(WORLD)), machine_of(register(WORLD)[:3])
    for entry in register(WORLD)[3:]:
        parted.note(entry)
    draw = random.Random(3)
    told_of: list[list[bytes]] = [[], []]
    for minute in range(6):
        records = [
            *honest_minute(WORLD, minute, draw, (*WORLD.honest, *WORLD.lying)),
            *sybil_down(WORLD, minute, 0, draw),
            *_tick(minute),
        ]
        told_of[0] += [message.value for message in whole.apply(whole.read_decoded(records)).after]
        for part in (records[:20], records[20:40], records[40:]):
            batch = parted.decode_batch(parted.read_decoded(part).encode())
            told_of[1] += [message.value for message in parted.apply(batch).after]
        fresh = machine_of([])
        fresh.restore(parted.snapshot())
        assert fresh.snapshot() == parted.snapshot()
        parted = fresh
    assert told_of[0] == told_of[1]
    assert whole.totals == parted.totals
    assert whole.totals.unregistered > 0


def test_the_policy_decides_and_so_belongs_to_the_settings_hash() -> None:
    assert fingerprint(settings("registered")) != fingerprint(settings("signed"))
    assert fingerprint(settings("open")) == fingerprint(settings("open", results_max=3))


def test_open_says_that_it_rests_on_unregistered_vantages() -> None:
    machine = CountryMachine(settings("open"), publish_health=False, publish_windows=False)
    play(machine, range(20))
    down = World(5, 2, cut=20)
    draw = random.Random(4)
    said: list[Incident] = []
    for minute in range(20, 34):
        said += feed(machine, minute, list(honest_minute(down, minute, draw, range(100, 105))))
    assert said
    assert all(one.summary.endswith("It rests on unregistered vantages.") for one in said)


def told_after(world: World, seed: int, policy: str, *, times: int = 1, count: int = 1) -> int:
    """In which minute of a cut it is told as one of the nation, where the others report so much that is well."""
    machine = CountryMachine(settings(policy), publish_health=False, publish_windows=False)
    machine.restore(warm(World(world.networks, world.liars), seed, policy))
    for entry in register(world, policy) if policy == "signed" else ():
        machine.note(entry)
    draw = random.Random(seed)
    sums = {"count": count, "good": count} if count > 1 else {}
    assert world.cut is not None
    for minute in range(WARM, WARM + 20):
        truth = list(honest_minute(world, minute, draw, world.honest))
        flood = [
            result(minute, second, asn, platform, True, id=f"{minute}-{second}-{i}-{platform}", **sums)
            for i in range(times)
            for asn in world.lying
            for platform in ("x", "facebook")
            for second in (4, 24, 44)
        ]
        told = put(machine, minute, [(flood, world.lying), (truth, world.honest)], policy)
        if any(one.scope.value == "nation-scale" for one in told):
            return minute - world.cut
    raise AssertionError("it was not told")


@pytest.mark.parametrize("policy", ["registered", pytest.param("signed", marks=pytest.mark.world)])
@pytest.mark.parametrize("networks", [5, pytest.param(8, marks=pytest.mark.world)])
@pytest.mark.parametrize("seed", range(times(1)))
def test_a_flood_delays_nobody(policy: str, networks: int, seed: int) -> None:
    """Of a vantage ten and a thousand times the results, and a cut of the others: told in the same window."""
    world = World(networks, 1, cut=WARM + 5)
    usual = told_after(world, seed, policy)
    assert told_after(world, seed, policy, times=10) == usual
    assert told_after(world, seed, policy, count=1000) == usual


@pytest.mark.parametrize(
    ("networks", "liars"),
    [(5, 2), *(pytest.param(*more, marks=pytest.mark.world) for more in ((8, 3), (10, 4)))],
)
@pytest.mark.parametrize("seed", range(times(1)))
def test_a_flood_of_two_fifths_delays_by_a_window_at_most(networks: int, liars: int, seed: int) -> None:
    world = World(networks, liars, cut=WARM + 5)
    usual = told_after(world, seed, "registered")
    assert told_after(world, seed, "registered", times=10) <= usual + 1
    assert told_after(world, seed, "registered", count=3000) <= usual + 1


@pytest.mark.world
def test_liars_who_wait_until_the_others_are_silent_do_not_speak_for_all() -> None:
    world = World(5, 2)
    machine = CountryMachine(settings(), publish_health=False, publish_windows=False)
    machine.restore(warm(world, 0))
    draw = random.Random(6)
    said: list[Incident] = []
    for minute in range(WARM, WARM + 170):
        lie = constant_down if minute >= WARM + 150 else constant_well
        said += feed(machine, minute, list(lie(world, minute, WARM, draw)))
    assert {one.scope.value for one in said if one.confirmed} == {"multi-provider"}
    (theirs,) = {tuple(network.asn for network in one.networks) for one in said if one.confirmed}
    assert theirs == tuple(world.lying)
