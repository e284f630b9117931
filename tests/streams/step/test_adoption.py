"""A worker killed and restored with other settings: what was told goes on, under its id, and ends once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.alerts import latest
from streams.machine import Adopting
from streams.records import Incident, Status
from streams.settings import Settings, load
from streams.step.country import CountryMachine
from streams.step.worldwide import WorldMachine
from tests.contracts import scenario
from tests.contracts.scenario import BEGIN, BLOCK, fed, log
from tests.effort import examples
from tests.streams.step.one_worker import END, USUAL, usual_until

pytestmark = pytest.mark.world

HASTY = load(detection={"alarm_country": 5.0}, incidents={"hold_windows": 0, "settle_windows": 0})
SLOW = load(detection={"alarm_country": 24.0, "alarm_network": 60.0}, incidents={"hold_windows": 9})
DEAF = load(detection={"alarm_country": 1e9, "alarm_network": 1e9, "alarm_joined": 1e9, "alarm_sparse": 1e9})
OTHERS = {"hasty": HASTY, "slow": SLOW, "deaf": DEAF, "the same": USUAL}


def killed(snapshot: int, kill: int, after: Settings, before: Settings = USUAL) -> list[Incident]:
    """All that is told where the worker is killed, and the next one has other settings."""
    chunks = log(END)
    if before is USUAL:
        kept = usual_until(snapshot)[0]
        told = list(usual_until(kill)[1])
    else:
        first = CountryMachine(before)
        told = fed(first, chunks[: snapshot - BEGIN])
        kept = first.snapshot()
        told += fed(first, chunks[snapshot - BEGIN : kill - BEGIN])
    second = CountryMachine(after)
    second.restore(kept)
    fed(second, chunks[snapshot - BEGIN : kill - BEGIN])  # judged anew, and told to nobody
    assert isinstance(second, Adopting)
    second.adopt(latest(told))
    again = CountryMachine(after)
    again.restore(second.snapshot())
    again.adopt(latest(told))
    assert again.snapshot() == second.snapshot()
    return told + fed(second, chunks[kill - BEGIN :])


def assert_whole(told: Sequence[Incident]) -> dict[str, list[Incident]]:
    """Each incident is numbered from 1 without a gap, opened once, and ends with its last word."""
    by_id: dict[str, list[Incident]] = defaultdict(list)
    for incident in told:
        by_id[incident.id].append(incident)
    for records in by_id.values():
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert [record.status for record in records].count(Status.OPEN) == 1
        assert records[0].status is Status.OPEN
    return by_id


def of_x(told: Sequence[Incident]) -> dict[str, list[Incident]]:
    return {name: records for name, records in assert_whole(told).items() if "x" in records[0].platforms}


@pytest.mark.parametrize(
    ("after", "kill"),
    [
        ("hasty", BLOCK + 75),
        ("slow", BLOCK + 12),
        ("slow", BLOCK + 75),
        ("deaf", BLOCK + 75),
    ],
)
def test_an_incident_that_was_told_goes_on_under_other_settings(after: str, kill: int) -> None:
    told = killed(BLOCK - 5, kill, OTHERS[after])
    ((name, records),) = of_x(told).items()
    assert name
    assert [record.status for record in records].count(Status.RESOLVED) == 1
    assert records[-1].status is Status.RESOLVED
    assert len(records[-1].networks) == 4


def test_where_nothing_differs_nothing_more_is_told() -> None:
    assert killed(BLOCK - 5, BLOCK + 75, USUAL) == list(usual_until(END)[1])


def test_an_end_that_was_judged_but_not_told_is_told() -> None:
    """The slow one had told the block, the next one finds it over already when the worker was killed."""
    kill = scenario.KILLED + 27
    patient = load(incidents={"recovery_windows": 30})
    ((_, records),) = of_x(killed(BLOCK - 5, kill, USUAL, before=patient)).items()
    assert [record.status for record in records].count(Status.RESOLVED) == 1
    assert records[-1].status is Status.RESOLVED


@examples(2)
@given(
    st.integers(BEGIN + 50, END - 10),
    st.integers(0, 120),
    st.sampled_from(sorted(OTHERS)),
    st.sampled_from(["hasty", "slow", "the same"]),
)
def test_wherever_it_is_killed_each_incident_is_whole(
    snapshot: int, later: int, after: str, before: str
) -> None:
    told = killed(snapshot, min(END - 5, snapshot + later), OTHERS[after], OTHERS[before])
    for records in assert_whole(told).values():
        statuses = [record.status for record in records]
        # What was told as over under one's settings may go on under the other's: then it is told anew, and ends again.
        assert statuses.count(Status.RESOLVED) <= 2


def test_what_is_over_is_remembered_as_it_was_told() -> None:
    """A block opened and ended after the snapshot, and the next one finds nothing of it: a later one knows it still."""
    kill = scenario.KILLED + 45
    chunks = log(END)
    kept, before = usual_until(BLOCK - 5)
    told = usual_until(kill)[1][len(before) :]
    ended = {
        incident.id for incident in told if incident.status is Status.RESOLVED and "x" in incident.platforms
    }
    assert ended
    second = CountryMachine(DEAF)
    second.restore(kept)
    assert fed(second, chunks[BLOCK - 5 - BEGIN : kill - BEGIN]) == []
    second.adopt(latest(told))
    (country,) = [held for place, held in second._assembler._countries.items() if place[0] == "PK"]
    assert ended <= {past.id for past in country.past}


def test_an_outage_of_the_world_goes_on_too() -> None:
    chunks = list(scenario.health_chunks(0, scenario.WORLD_END))
    first = WorldMachine(USUAL)
    told = fed(first, chunks[:20])
    kept = first.snapshot()
    told += fed(first, chunks[20:60])
    assert [incident.seq for incident in told] == [1, 2] or [incident.seq for incident in told] == [1]
    for settings in (USUAL, load(incidents={"news_windows": 9}), load(detection={"alarm_country": 20.0})):
        second = WorldMachine(settings)
        second.restore(kept)
        if settings is not USUAL:
            fed(second, chunks[22:60])  # what it heard first is gone: it opens later, or nowhere
        else:
            fed(second, chunks[20:60])
        second.adopt(latest(told))
        by_id = assert_whole(told + fed(second, chunks[60:]))
        ((_, records),) = by_id.items()
        assert records[-1].status is Status.RESOLVED


def test_what_others_told_is_passed_over() -> None:
    told = usual_until(BEGIN + 100)[1]
    elsewhere = [incident for incident in told if incident.country == "PK"]
    alone = CountryMachine(USUAL)
    alone.adopt(elsewhere)
    assert alone.incidents() == []
