"""A silence that was told is withdrawn when its results come after all: it was the path to us that was away."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from streams.records import Incident, Kind, Status
from streams.settings import load
from streams.step.country import CountryMachine
from streams.step.rows import Rows
from tests.streams.step.test_hearing import START, Log, chunks, result, run, world

DARK, BACK, END = 66, 86, 108  # minutes


def with_spool(*, ok: bool = True, networks: Sequence[int] = range(64500, 64504), since: int = DARK) -> Log:
    """All networks are silent for twenty minutes; what some of them measured meanwhile comes when they are back."""
    log = world(END, dark=(DARK, BACK))
    spool = [result(minute * 60 + 5.5, asn, ok=ok) for minute in range(since, BACK) for asn in networks]
    log += [(BACK * 60 + 5 + 0.05 * place, one) for place, one in enumerate(spool)]
    return sorted(log, key=lambda entry: entry[0])


def ends(told: Sequence[Incident]) -> list[tuple[Status, bool]]:
    return [(one.status, one.retracted) for one in told]


def test_what_comes_from_the_spool_withdraws_it() -> None:
    machine, told = run(with_spool())
    assert ends(told) == [(Status.OPEN, False), (Status.RESOLVED, True)]
    assert told[0].kind is Kind.CONNECTIVITY
    assert told[0].detected < START + timedelta(minutes=DARK + 7)
    assert told[1].updated < START + timedelta(minutes=BACK + 4)
    assert "Withdrawn: the loss of connectivity" in told[1].summary
    assert machine.incidents() == []


def test_it_is_withdrawn_when_the_spool_comes_after_it_was_over() -> None:
    log = world(END, dark=(DARK, BACK))
    late = [result(minute * 60 + 5.5, asn) for minute in range(DARK, BACK) for asn in range(64500, 64504)]
    log += [((BACK + 12) * 60 + 0.05 * place, one) for place, one in enumerate(late)]
    _, told = run(sorted(log, key=lambda entry: entry[0]))
    assert ends(told)[0] == (Status.OPEN, False)
    assert ends(told)[-2:] == [(Status.RESOLVED, False), (Status.RESOLVED, True)]
    assert [one.seq for one in told] == list(range(1, len(told) + 1))


@pytest.mark.parametrize(
    "spool",
    [
        with_spool(ok=False),
        *(
            pytest.param(spool, marks=pytest.mark.world)
            for spool in (
                with_spool(networks=[64500, 64501]),
                with_spool(since=BACK - 8),
                with_spool(networks=[]),
            )
        ),
    ],
    ids=["failures", "half of the networks", "the last minutes alone", "nothing"],
)
def test_a_shutdown_is_not_withdrawn(spool: Log) -> None:
    _, told = run(spool)
    assert ends(told)[0] == (Status.OPEN, False)
    assert not any(one.retracted for one in told)
    assert told[-1].status is Status.RESOLVED


def test_whoever_is_new_can_not_withdraw_it() -> None:
    log = world(END, dark=(DARK, BACK))
    for minute in range(DARK + 10, BACK):
        for asn in range(64500, 64504):
            log.append((minute * 60.0, replace(result((minute - 10) * 60 + 5.5, asn), vantage="new")))
    _, told = run(sorted(log, key=lambda entry: entry[0]))
    assert not any(one.retracted for one in told)


@pytest.mark.world
def test_it_is_withdrawn_alike_however_the_log_is_cut() -> None:
    log = with_spool()
    whole, told = run(log, [len(log) // 2])
    chance = random.Random(1)
    near = [place for place, (at, _) in enumerate(log) if (BACK - 1) * 60 < at < (BACK + 4) * 60]
    cuts = sorted(chance.sample(near, 10))
    machine, again = CountryMachine(load(), publish_health=False), []
    for chunk in chunks(log, cuts):
        again += machine.apply(Rows.decode(machine.read(chunk).encode())).incidents
        restored = CountryMachine(load(), publish_health=False)
        restored.restore(machine.snapshot())
        machine = restored
    assert again == told
    assert machine.snapshot() == whole.snapshot()
