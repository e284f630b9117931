"""A vantage that leaves in good order is not missed until it is back, or for two hours."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from producers.records import Tick, VantagePresence, VantageStatus
from streams.settings import load
from streams.step.country import CountryMachine
from tests.streams.step.test_hearing import START, Log, chunks, run, world

LEAVE = 120  # minutes


def status(minute: float, asn: int, presence: VantagePresence) -> tuple[float, VantageStatus]:
    at = minute * 60 + 55
    return at, VantageStatus(
        vantage=f"v{asn}", country="IR", asn=asn, time=START + timedelta(seconds=at - 1), status=presence
    )


def with_statuses(log: Log, *more: tuple[float, VantageStatus]) -> Log:
    return sorted([*log, *more], key=lambda entry: entry[0])


def leaving(minute: float = LEAVE - 1, networks: Sequence[int] = range(64500, 64504)) -> Log:
    return [status(minute, asn, VantagePresence.LEAVING) for asn in networks]


@pytest.mark.world
def test_a_deploy_that_says_so_is_no_silence() -> None:
    log = world(300, dark=(LEAVE, LEAVE + 100))
    assert run(log)[1]
    assert run(with_statuses(log, *leaving()))[1] == []


@pytest.mark.world
def test_who_does_not_come_back_is_missed_after_two_hours() -> None:
    _, told = run(with_statuses(world(300, dark=(LEAVE, 300)), *leaving()))
    assert told
    assert (
        timedelta(0) <= told[0].detected - (START + timedelta(minutes=LEAVE + 119)) <= timedelta(minutes=12)
    )


@pytest.mark.world
def test_who_is_up_again_is_missed_at_once() -> None:
    up = [status(LEAVE + 20, asn, VantagePresence.UP) for asn in range(64500, 64504)]
    _, told = run(with_statuses(world(240, dark=(LEAVE, 240)), *leaving(), *up))
    assert told
    assert timedelta(0) < told[0].detected - (START + timedelta(minutes=LEAVE + 20)) <= timedelta(minutes=12)


@pytest.mark.world
def test_who_is_heard_again_is_missed_at_once() -> None:
    log = [
        entry
        for entry in world(300, dark=(LEAVE, LEAVE + 10))
        if not (entry[0] >= 200 * 60 and entry[1].__struct_config__.tag == "netdusk.probe/1")
    ]
    _, told = run(with_statuses(log, *leaving()))
    assert told
    assert timedelta(0) < told[0].detected - (START + timedelta(minutes=200)) <= timedelta(minutes=12)


@pytest.mark.world
def test_those_that_stay_are_missed_as_ever() -> None:
    _, told = run(with_statuses(world(200, dark=(LEAVE, 200)), *leaving(networks=[64500])))
    assert told
    assert 64500 not in {network.asn for network in told[0].networks}


@pytest.mark.world
def test_a_word_from_the_future_or_of_long_ago_excuses_nobody() -> None:
    log = world(200, dark=(LEAVE, 200))
    early = [(at - 30 * 60, one) for at, one in leaving(LEAVE)]
    assert run(with_statuses(log, *early))[1]


@pytest.mark.world
def test_a_word_that_somebody_kept_excuses_no_later_silence() -> None:
    log = world(200, dark=(LEAVE, 200))
    kept = [(at, replace(one, time=one.time - timedelta(hours=2, minutes=5))) for at, one in leaving()]
    assert run(with_statuses(log, *kept))[1]
    # One that was on its way for a few minutes does.
    late = [(at, replace(one, time=one.time - timedelta(minutes=5))) for at, one in leaving()]
    assert run(with_statuses(log, *late))[1] == []


@pytest.mark.world
@pytest.mark.parametrize("seed", range(2))
def test_cuts_and_restarts_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    log = with_statuses(world(200, dark=(LEAVE, 160)), *leaving(LEAVE - 1, [64500, 64501, 64502]))
    whole, told = run(log)
    machine, said = CountryMachine(load(), publish_health=False), []
    for chunk in chunks(log, sorted(rng.sample(range(1, len(log)), 20))):
        fresh = CountryMachine(load(), publish_health=False)
        fresh.restore(machine.snapshot())
        machine = fresh
        batch = machine.read(chunk)
        said += machine.apply(machine.decode_batch(batch.encode())).incidents
    assert said == told
    assert machine.snapshot() == whole.snapshot()


@pytest.mark.parametrize("every", [60.0, 300.0])
@pytest.mark.parametrize("clock", ["live", "replay"])
def test_a_promise_made_before_the_first_result_is_kept(every: float, clock: str) -> None:
    settings = load(worker={"clock": clock})
    up = replace(status(0, 64500, VantagePresence.UP)[1], every_seconds=every)
    stranger = replace(up, vantage="nobody")
    log = [(at, one) for at, one in world(15) if isinstance(one, Tick) or at > 600]
    if clock == "replay":  # there a tick's own time counts
        log = [
            (at, Tick(time=START + timedelta(seconds=at)) if isinstance(one, Tick) else one)
            for at, one in log
        ]
    machine = CountryMachine(settings, publish_health=False)
    log = with_statuses(log, (50.0, up), (51.0, stranger))
    for place, chunk in enumerate(chunks(log, [20, 100, 150])):
        if place:
            fresh = CountryMachine(settings, publish_health=False)
            fresh.restore(machine.snapshot())
            machine = fresh
        machine.apply(machine.read(chunk))
    bank = machine._bank
    (vantage,) = bank.series.layout.vantages_named("IR", 64500, "v64500")
    assert bank.series.paths.rhythm.promised[vantage] == every
