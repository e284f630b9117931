"""No record contradicts itself, whatever happened; and the reader of contradictions finds each kind of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.incidents.snapshots import Kind, Scope, Severity
from streams.incidents import to_record
from streams.records import Detector, Incident, Mechanism, Network, Reachability, Status
from tests.detectors.incidents.hand import Lines, run, story
from tests.effort import examples
from tests.stories.contradictions import contradictions
from tests.stories.telling import tell
from tests.stories.test_stories import STORIES

ONSET = datetime(2024, 1, 20, 12, 0, tzinfo=UTC)
SENTENCE = "Live metrics show X (Twitter) restricted in Pakistan on AS1 and AS2 since 12:00 UTC; 0% of attempts succeed"
TWO = tuple(Network(asn=asn, lost=0.9, onset=ONSET) for asn in (1, 2))
GOOD = Incident(
    id="pk-1",
    seq=1,
    status=Status.UPDATED,
    kind=Kind.PLATFORM,
    scope=Scope.MULTI_PROVIDER,
    severity=Severity.MINOR,
    country="PK",
    platforms=("x",),
    networks=TWO,
    onset=ONSET,
    detected=ONSET,
    updated=ONSET + timedelta(hours=1),
    duration_seconds=3600,
    reachability=Reachability(now=0.0, usual=0.98, results=100),
    mechanism=Mechanism(name="tls.connection_reset", share=1.0),
    confirmed=True,
    vantages=4,
    networks_live=5,
    detector=Detector(name="netdusk", version="1", settings="s"),
    summary=SENTENCE,
)
OVER: dict[str, Any] = {
    "status": Status.RESOLVED,
    "resolved": ONSET + timedelta(minutes=50),
    "networks": tuple(replace(one, recovered=ONSET + timedelta(minutes=50)) for one in TWO),
    "reachability": Reachability(now=0.98, usual=0.98, results=100),
    "summary": "Live metrics show that access to X (Twitter) is restored in Pakistan on AS1 and AS2 after 50 min",
}
WELL = Reachability(now=0.97, usual=0.98, results=40)
FELL = Reachability(now=0.7, usual=0.98, results=100)

PLANTED: dict[str, list[dict[str, Any]]] = {
    "says_lost_where_nothing_is": [
        {"reachability": WELL},
        {"kind": Kind.CONNECTIVITY, "reachability": Reachability(now=0.9, usual=1.0)},
    ],
    "says_restored_where_it_is_not": [
        OVER | {"reachability": FELL},
        OVER | {"reachability": FELL, "summary": "access to X is fully restored in Pakistan"},
        OVER
        | {
            "summary": "access to X is restored in part in Pakistan",
            "reachability": replace(WELL, results=4000),
        },
    ],
    "networks_that_lost_nothing": [{"networks": (TWO[0], replace(TWO[1], lost=0.02))}],
    "scope_against_networks": [{"scope": Scope.PROVIDER}, {"scope": Scope.NATION_SCALE}],
    "counts_of_the_sentence": [
        {"summary": "restricted in Pakistan on 6 of 5 networks"},
        {"summary": "restricted; partially restored, on 1 of 2 networks"},
        {"summary": "restricted; 0 of the last 3 attempts succeeded"},
        {"summary": "two of three addresses of X (Twitter) restricted"},
    ],
    "times_in_order": [
        OVER | {"resolved": ONSET + timedelta(minutes=40)},
        OVER | {"networks": (replace(TWO[0], recovered=ONSET - timedelta(minutes=1)), TWO[1])},
    ],
    "reason_against_record": [{"reason": "eased: 60% of attempts succeed, 30% before"}],
}
PLANTED_AFTER: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "said_twice": [({}, {})],
    "over_before_it_was_lost_again": [
        ({"reason": "lost again"}, OVER | {"resolved": ONSET, "networks": ()}),
    ],
    "addresses_that_came_and_went": [({}, {"reason": "lost on all addresses", "summary": "another"})],
}


def test_what_agrees_with_itself_is_none() -> None:
    assert contradictions([GOOD, replace(GOOD, seq=2, **OVER)]) == []


@pytest.mark.parametrize(
    ("check", "changes"), [(check, one) for check, several in PLANTED.items() for one in several]
)
def test_each_contradiction_is_found(check: str, changes: dict[str, Any]) -> None:
    lines = contradictions([replace(GOOD, **changes)])
    assert lines
    assert all(f" {check}: " in line for line in lines)


@pytest.mark.parametrize(
    ("check", "changes"), [(check, one) for check, several in PLANTED_AFTER.items() for one in several]
)
def test_each_contradiction_of_two_records_is_found(
    check: str, changes: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    before, after = changes
    (line,) = contradictions([replace(GOOD, **before), replace(GOOD, seq=2, **after)])
    assert f" {check}: " in line


@st.composite
def courses(draw: st.DrawFn) -> Lines:
    """An hour of one or two platforms on up to five networks, most of which go through the same."""
    runs = st.lists(st.tuples(st.sampled_from("..xxxf~?"), st.integers(1, 14)), min_size=2, max_size=10)
    course = runs.map(lambda marks: ("...." + "".join(m * n for m, n in marks))[:50].ljust(62, "."))
    whole, networks = draw(course), range(1, draw(st.integers(1, 5)) + 1)
    lines = {("google", asn): "." * len(whole) for asn in networks}
    for platform in ("x", "facebook")[: draw(st.integers(1, 2))]:
        lines |= {(platform, asn): draw(st.one_of(st.just(whole), course)) for asn in networks}
    return lines


@given(lines=courses())
@settings(examples(40), derandomize=True)  # one course in some thousands has a count that stays the same
def test_no_record_contradicts_itself_whatever_happens(lines: Lines) -> None:
    assert contradictions(map(to_record, run(story(lines)))) == []


@pytest.mark.world
@pytest.mark.parametrize("name", STORIES)
def test_no_record_of_a_story_contradicts_itself(name: str) -> None:
    told = tell(STORIES[name].text, STORIES[name].world, calendar=STORIES[name].calendar)
    assert contradictions(told) == []
