"""A region that falls silent while the rest of its country is heard: told, grown, ended, withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from producers.records import ProbeResult, Tick
from streams.records import Incident, Kind, Scope, Status
from streams.settings import load
from streams.step.country import CountryMachine
from tests.streams.step.test_hearing import START, Log, chunks, result, run

REGIONS = ("IR-01", "IR-07", "IR-16")
NETWORKS = range(64500, 64503)
DARK, BACK, END = 66, 90, 112  # minutes


def log_of(dark: Mapping[str, tuple[int, int]], networks: Sequence[int] = NETWORKS) -> Log:
    """A vantage in each region on each network, a result a minute each; `dark` regions send nothing meanwhile."""
    log: Log = [(at, Tick(time=START)) for at in range(0, END * 60, 5)]
    for minute in range(END):
        for place, (region, asn) in enumerate((region, asn) for region in REGIONS for asn in networks):
            begin, end = dark.get(region, (END, END))
            if not begin <= minute < end:
                at = minute * 60 + place * 5 + 0.5
                one = replace(result(at, asn), id=f"{region}{asn}{minute}", vantage=f"v{asn}-{region}")
                log.append((at + 1, replace(one, region=region, every_seconds=60.0)))
    return sorted(log, key=lambda entry: entry[0])


def brief(told: Sequence[Incident]) -> list[tuple[Status, Scope, tuple[str, ...]]]:
    return [(one.status, one.scope, tuple(one.regions)) for one in told]


def test_a_silent_region_is_told_and_its_end() -> None:
    _, told = run(log_of({"IR-07": (DARK, BACK)}))
    assert brief(told) == [
        (Status.OPEN, Scope.REGION, ("IR-07",)),
        (Status.RESOLVED, Scope.REGION, ("IR-07",)),
    ]
    first, last = told
    assert (
        first.kind is Kind.CONNECTIVITY and first.confirmed and first.onset == START + timedelta(minutes=DARK)
    )
    assert first.detected <= START + timedelta(minutes=DARK + 7)
    assert "a loss of connectivity in Tehran, Iran since" in first.summary
    assert "connectivity is restored" in last.summary
    assert last.updated <= START + timedelta(minutes=BACK + 9)


@pytest.mark.world
def test_more_regions_make_it_larger_and_all_of_them_make_it_the_nations() -> None:
    _, told = run(log_of({"IR-01": (66, 104), "IR-07": (78, 104), "IR-16": (90, 104)}))
    assert {one.id for one in told} == {told[0].id}
    assert brief(told)[0] == (Status.OPEN, Scope.REGION, ("IR-01",))
    assert told[-1].status is Status.RESOLVED and told[-1].scope is Scope.NATION_SCALE
    assert set(told[-1].regions) >= {"IR-01", "IR-07"}


@pytest.mark.world
def test_two_networks_are_heard_of_but_not_confirmed() -> None:
    _, told = run(log_of({"IR-07": (DARK, BACK)}, networks=range(64500, 64502)))
    assert told == []  # two vantages are too few
    doubled = log_of({"IR-07": (DARK, BACK)}, networks=range(64500, 64502))
    second = [
        (at + 1, replace(record, id=f"{record.id}b", vantage=f"{record.vantage}b"))
        for at, record in doubled
        if isinstance(record, ProbeResult)
    ]
    _, told = run(sorted([*doubled, *second], key=lambda entry: entry[0]))
    assert [one.confirmed for one in told] == [False, False]


@pytest.mark.world
@pytest.mark.parametrize(("ok", "withdrawn"), [(True, True), (False, False)])
def test_what_comes_from_its_spool_withdraws_it(ok: bool, withdrawn: bool) -> None:
    log = log_of({"IR-07": (DARK, BACK)})
    spool = [record for _, record in log_of({}) if isinstance(record, ProbeResult)]
    late = [
        replace(one, ok=ok, failure=None if ok else "generic_timeout_error", stage=None if ok else "tcp")
        for one in spool
        if one.region == "IR-07" and DARK * 60 <= (one.time - START).total_seconds() < BACK * 60
    ]
    log += [(BACK * 60 + 5 + 0.05 * place, one) for place, one in enumerate(late)]
    _, told = run(sorted(log, key=lambda entry: entry[0]))
    assert told[0].status is Status.OPEN
    assert (told[-1].status, told[-1].retracted) == (Status.RESOLVED, withdrawn)


@pytest.mark.world
def test_a_worker_that_begins_again_in_the_midst_goes_on() -> None:
    log = log_of({"IR-07": (DARK, BACK)})
    _, whole = run(log)
    cut = next(place for place, (at, _) in enumerate(log) if at >= (DARK + 12) * 60)
    first, second = list(chunks(log, [cut]))
    machine = CountryMachine(load(), publish_health=False)
    told = list(machine.apply(machine.read(first)).incidents)
    restored = CountryMachine(load(), publish_health=False)
    restored.restore(machine.snapshot())
    told += restored.apply(restored.read(second)).incidents
    assert told == whole
