"""Who has no vote any more is as if they had never been heard: by a revocation, a move, or another policy."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from streams.machine import KnowsRegister
from streams.records import Incident, Status, Vantage, VantageState
from streams.step.country import ENROLLED, NO_VOTE, CountryMachine
from tests.streams.step.liars import (
    START,
    WARM,
    Strategy,
    World,
    constant_down,
    honest_minute,
    put,
    register,
    settings,
    sybil_down,
    sybil_well,
)

CUT = WARM + 10
#: Minutes until all are heard; what is usual need not be known yet.
SOON = 12


class Story:
    """A machine that is fed minute by minute; what it tells is kept."""

    def __init__(self, world: World, policy: str, entries: Sequence[Vantage] = ()) -> None:
        self.world, self.policy = world, policy
        self.machine = self._made()
        self.told: list[tuple[int, Incident]] = []
        self._draw = random.Random(7)
        self._minute = 0
        self.note(entries)

    def _made(self) -> CountryMachine:
        return CountryMachine(settings(self.policy), publish_health=False, publish_windows=False)

    def note(self, entries: Sequence[Vantage]) -> None:
        for entry in entries:
            self.machine.note(entry)

    def under(self, policy: str, entries: Sequence[Vantage]) -> None:
        """Go on as a worker with another policy does that takes over."""
        kept = self.machine.snapshot()
        going = [one for one in self.open() if one.status is not Status.RESOLVED]
        self.policy = policy
        self.machine = self._made()
        self.machine.restore(kept)
        self.machine.adopt(going)
        self.note(entries)

    def until(self, minute: int, strategy: Strategy | None = None) -> None:
        """Let time pass. With a strategy the lying networks and strangers follow it; else they tell the truth."""
        world = self.world
        for now in range(self._minute, minute):
            asns = world.honest if strategy is not None else (*world.honest, *world.lying)
            truth = list(honest_minute(world, now, self._draw, asns))
            lies = list(strategy(world, now, 0, self._draw)) if strategy is not None else []
            told = put(self.machine, now, [(truth, asns), (lies, world.lying)], self.policy)
            self.told += [(now, one) for one in told]
        self._minute = minute

    def open(self) -> list[Incident]:
        return self.machine.incidents()

    def of_register(self) -> list[Incident]:
        return [one for one in self.open() if not one.id.startswith("unregistered-")]


@pytest.mark.world
@pytest.mark.parametrize("policy", ["registered", "signed"])
def test_what_strangers_opened_under_open_ends_once_it_is_not_open_any_more(policy: str) -> None:
    world = World(4, 0)
    story = Story(world, "open")
    story.until(WARM + 8, sybil_down)
    (before,) = story.open()
    assert len(before.networks) == 12
    story.under(policy, register(world, policy))
    story.until(WARM + 40, sybil_down)
    (ended,) = (one for _, one in story.told if one.id == before.id and one.status is Status.RESOLVED)
    assert ended.reason == NO_VOTE
    assert not ended.confirmed
    assert story.of_register() == []
    assert story.machine.networks_live() == {"PK": 4}


@pytest.mark.parametrize("policy", ["registered", pytest.param("signed", marks=pytest.mark.world)])
def test_networks_that_strangers_invented_under_open_hide_nothing_afterwards(policy: str) -> None:
    world = World(4, 0, cut=CUT)
    story = Story(world, "open")
    story.until(WARM, sybil_well)
    story.under(policy, register(world, policy))
    story.until(CUT + 6, sybil_well)
    (cut,) = story.of_register()
    assert (cut.scope.value, cut.networks_live, cut.confirmed) == ("nation-scale", 4, True)


@pytest.mark.world
def test_an_incident_that_goes_on_under_another_policy_counts_those_who_have_a_vote() -> None:
    world = World(4, 0, cut=CUT)
    story = Story(world, "open")
    story.until(CUT + 8, sybil_well)
    (before,) = story.open()
    assert (before.scope.value, before.networks_live) == ("multi-provider", 44)
    story.under("registered", register(world))
    story.until(CUT + 40, sybil_well)
    (cut,) = story.of_register()
    assert (cut.id, cut.scope.value, cut.networks_live, cut.confirmed) == (
        before.id,
        "nation-scale",
        4,
        True,
    )


def _revoked(entry: Vantage) -> Vantage:
    return replace(entry, state=VantageState.REVOKED)


def _moved(entry: Vantage) -> Vantage:
    return replace(entry, asn=entry.asn + 1000)


def _on_probation(entry: Vantage) -> Vantage:
    return replace(entry, state=VantageState.PROBATION, since=START.replace(day=21))


@pytest.mark.world
@pytest.mark.parametrize("change", [_revoked, _moved, _on_probation])
def test_what_liars_opened_ends_with_their_votes(change: object) -> None:
    assert callable(change)
    world = World(5, 3)
    story = Story(world, "registered", register(world))
    story.until(WARM)
    story.until(WARM + 15, constant_down)
    (false,) = story.open()
    assert (false.scope.value, false.confirmed) == ("nation-scale", True)
    story.note([change(one) for one in register(world) if one.asn in world.lying])
    story.until(WARM + 40, constant_down)
    (ended,) = (one for _, one in story.told if one.id == false.id and one.status is Status.RESOLVED)
    assert ended.reason == NO_VOTE
    assert story.of_register() == []
    assert story.machine.networks_live() == {"PK": 2}


@pytest.mark.world
def test_a_true_incident_goes_on_without_those_whose_votes_are_gone_and_ends_with_the_others() -> None:
    world = World(5, 2, cut=CUT, back=CUT + 30)
    story = Story(world, "registered", register(world))
    story.until(CUT)
    story.until(CUT + 15, constant_down)
    (before,) = story.open()
    assert len(before.networks) == 5
    story.note([_revoked(one) for one in register(world) if one.asn in world.lying])
    story.until(CUT + 17, constant_down)
    (now,) = story.of_register()
    assert (now.id, [one.asn for one in now.networks]) == (before.id, list(world.honest))
    assert (now.scope.value, now.networks_live) == ("nation-scale", 3)
    story.until(CUT + 45, constant_down)
    assert story.of_register() == []
    (last,) = [one for _, one in story.told if one.id == before.id][-1:]
    assert (last.status, [one.asn for one in last.networks]) == (Status.RESOLVED, list(world.honest))


@pytest.mark.world
def test_an_incident_of_strangers_ends_when_they_have_a_vote() -> None:
    world = World(4, 0)
    story = Story(world, "registered", register(world))
    story.until(WARM + 10, sybil_down)
    (before,) = story.open()
    assert before.id.startswith("unregistered-")
    story.note(
        [Vantage(vantage=f"v{asn}", country="PK", asn=asn, since=START) for asn in range(900_000, 900_012)]
    )
    story.until(WARM + 12)
    ended = [one for _, one in story.told if one.id == before.id][-1]
    assert (ended.status, ended.reason) == (Status.RESOLVED, ENROLLED)
    assert not [one for one in story.open() if one.id == before.id]


@pytest.mark.parametrize("policy", ["registered", "signed"])
def test_who_was_removed_from_the_register_while_no_worker_ran_has_no_vote(policy: str) -> None:
    world = World(5, 2)
    entries = register(world, policy)
    story = Story(world, policy, entries)
    story.until(SOON)
    story.under(policy, left := [one for one in entries if one.asn in world.honest])
    assert isinstance(story.machine, KnowsRegister)
    story.machine.registered([one.vantage for one in left])
    story.until(SOON + 5)
    assert story.machine.networks_live() == {"PK": 3}
    # Under `signed` their key is refused; under `registered` they are strangers.
    assert (story.machine.totals.unregistered > 0) is (policy == "registered")


def test_votes_that_are_lost_in_the_midst_of_a_chunk_are_lost_the_same_from_the_redo_log() -> None:
    world = World(5, 2)
    one, other = (Story(world, "registered", register(world)) for _ in range(2))
    for story in (one, other):
        story.until(SOON)
        story.note([_revoked(entry) for entry in register(world) if entry.asn in world.lying])
    draw = random.Random(3)
    truth = list(honest_minute(world, SOON, draw, (*world.honest, *world.lying)))
    one.machine.apply(one.machine.read_decoded(truth))
    other.machine.apply(other.machine.decode_batch(other.machine.read_decoded(truth).encode()))
    assert one.machine.snapshot() == other.machine.snapshot()
    assert one.machine.totals.unregistered == 8  # the others are from ahead of the clock
    again = other._made()
    again.restore(one.machine.snapshot())
    assert again.snapshot() == one.machine.snapshot()
