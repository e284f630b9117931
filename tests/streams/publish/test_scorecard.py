"""The scorecard, by hand-made incidents whose score can be counted on fingers.

A timeline is one line: `BEGIN-END` in minutes after noon, then what it concerns. `BEGIN-` never ends.
"""

import io
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from rich.console import Console

from streams.publish.scorecard import Label, poisson_interval, render, scorecard, wilson_interval
from streams.records import Detector, Incident, Kind, Network, Reachability, Scope, Severity, Status

NOON = datetime(2024, 1, 20, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def shot(
    name: str,
    seq: int,
    minutes: float,
    status: Status = Status.OPEN,
    *,
    country: str | None = "PK",
    countries: tuple[str, ...] = (),
    platforms: tuple[str, ...] = ("x",),
    asns: tuple[int, ...] = (1, 2),
    kind: Kind = Kind.PLATFORM,
    confirmed: bool = True,
) -> Incident:
    return Incident(
        id=name,
        seq=seq,
        status=status,
        kind=kind,
        scope=Scope.NATION_SCALE,
        severity=Severity.MAJOR,
        country=country,
        countries=countries,
        platforms=platforms,
        networks=tuple(Network(asn=asn, lost=1.0, onset=at(minutes)) for asn in asns),
        onset=at(minutes),
        detected=at(minutes),
        updated=at(minutes),
        resolved=at(minutes) if status is Status.RESOLVED else None,
        duration_seconds=0,
        reachability=Reachability(now=0.0, usual=1.0),
        confirmed=confirmed,
        vantages=4,
        networks_live=3,
        detector=Detector(name="test", version="1", settings=""),
        summary="",
    )


def life(name: str, begin: float, end: float | None, **details: object) -> list[Incident]:
    """An incident from its opening to its resolution."""
    shots = [shot(name, 1, begin, **details)]  # type: ignore[arg-type]
    if end is not None:
        shots.append(shot(name, 2, end, Status.RESOLVED, **details))  # type: ignore[arg-type]
    return shots


def label(begin: float, end: float, **details: object) -> Label:
    return Label(start=at(begin), end=at(end), **{"country": "PK", "platforms": ("x",), **details})  # type: ignore[arg-type]


def test_a_plain_hit() -> None:
    card = scorecard(life("a", 4, 67), [label(0, 60)], 0.5)
    assert (card.all.events, card.all.detected, card.all.recall) == (1, 1, 1.0)
    assert card.all.minutes_to_detect.median == 4.0
    assert card.all.minutes_to_resolve.median == 7.0
    assert card.all.alarms_per_event == 1.0
    assert (card.false_alarms, card.false_alarms_per_series_month) == (0, 0.0)
    assert card.missed == ()


@pytest.mark.parametrize(
    "details",
    [
        {"country": "IR"},
        {"platforms": ("youtube",)},
        {"asns": (9,)},
    ],
    ids=["another country", "another platform", "another network"],
)
def test_what_shares_nothing_is_a_miss_and_a_false_alarm(details: dict[str, object]) -> None:
    card = scorecard(life("a", 4, 67, **details), [label(0, 60, asns=(1,))], 1.0)
    assert card.all.recall == 0.0
    assert card.false_alarm_ids == ("a",)
    assert len(card.missed) == 1


@pytest.mark.parametrize(
    ("begin", "hit"),
    [(-2, False), (-1, True), (0, True), (60, True), (75, True), (76, False)],
)
def test_when_a_detection_counts(begin: float, hit: bool) -> None:
    card = scorecard(life("a", begin, 90), [label(0, 60)], 1.0)
    assert (card.all.detected == 1) is hit
    assert (card.false_alarms == 0) is hit


def test_an_alarm_that_never_ends_detects_only_once() -> None:
    truth = [label(0, 60), label(300, 360), label(600, 660)]
    card = scorecard(life("a", 3, None), truth, 1.0)
    assert card.all.detected == 1
    assert card.all.unresolved == 1
    assert card.all.minutes_to_resolve.median is None


def test_what_counts_is_when_a_resolution_was_told() -> None:
    opened, closed = life("a", 4, 67)
    backdated = msgspec.structs.replace(closed, resolved=at(59))
    card = scorecard([opened, backdated], [label(0, 60)], 1.0)
    assert card.all.minutes_to_resolve.median == 7.0
    assert card.all.resolved_early == 0


def test_two_labels_close_together_are_one_event_to_an_incident() -> None:
    card = scorecard(life("a", 3, 95), [label(0, 60), label(80, 90)], 1.0)
    assert card.all.detected == 2
    assert card.all.minutes_to_detect.median == 3.0  # of the first; the second has none
    assert card.all.alarms_per_event == 1.0


def test_growing_into_a_label_detects_it() -> None:
    shots = [
        shot("a", 1, 3),
        shot("a", 2, 125, Status.UPDATED, platforms=("x", "youtube")),
        shot("a", 3, 200, Status.RESOLVED, platforms=("x", "youtube")),
    ]
    card = scorecard(shots, [label(0, 190), label(120, 190, platforms=("youtube",), event="second")], 1.0)
    assert card.by_kind["second"].minutes_to_detect.median == 5.0
    assert card.by_kind["platform"].minutes_to_detect.median == 3.0


def test_flapping_opens_again_under_its_id() -> None:
    shots = [*life("a", 3, 20), shot("a", 3, 40), shot("a", 4, 66, Status.RESOLVED)]
    card = scorecard(shots, [label(0, 60)], 1.0)
    assert card.all.alarms_per_event == 1.0
    assert card.all.minutes_to_resolve.median == 6.0
    assert card.incidents == 1


def test_several_alarms_for_one_event_are_counted() -> None:
    shots = [*life("a", 3, 20), *life("b", 30, 65), *life("c", 31, 64)]
    card = scorecard(shots, [label(0, 60)], 1.0)
    assert card.all.alarms_per_event == 3.0
    assert card.all.minutes_to_resolve.median == 5.0


def test_resolved_before_its_end_is_early_and_has_no_delay() -> None:
    card = scorecard(life("a", 3, 30), [label(0, 60)], 1.0)
    assert card.all.resolved_early == 1
    assert card.all.minutes_to_resolve.median is None


def test_a_label_without_country_is_met_by_a_global_incident_and_so_is_one_of_a_country() -> None:
    found = life("g", 4, 70, country=None, countries=("PK", "IR"), asns=(), kind=Kind.GLOBAL)
    truth = [label(0, 60, country=None, kind="global"), label(0, 60), label(0, 60, country="DE")]
    card = scorecard(found, truth, 1.0)
    assert card.all.detected == 2
    assert card.by_kind["global"].kind_agrees == 1
    assert card.by_kind["platform"].kind_agrees == 0
    assert [missed.country for missed in card.missed] == ["DE"]


def test_silence_is_met_by_an_incident_without_platforms() -> None:
    found = life("s", 6, 70, platforms=(), kind=Kind.CONNECTIVITY)
    card = scorecard(found, [label(0, 60, platforms=(), kind="connectivity")], 1.0)
    assert card.by_kind["connectivity"].kind_agrees == 1


def test_false_alarms_have_their_rate_and_its_interval() -> None:
    shots = [*life("a", 300, 320), *life("b", 600, 620, confirmed=False)]
    card = scorecard(shots, [label(0, 60)], 4.0)
    assert (card.false_alarms, card.false_alarms_confirmed) == (2, 1)
    assert card.false_alarms_per_series_month == 0.5
    assert card.false_alarms_interval is not None
    low, high = card.false_alarms_interval
    assert low == pytest.approx(0.2422 / 4, abs=1e-3)  # Garwood's 0.242 and 7.225 for two events
    assert high == pytest.approx(7.2247 / 4, abs=1e-3)


def test_nothing_at_all() -> None:
    card = scorecard([], [], 0.0)
    assert card.all.recall is None and card.false_alarms_per_series_month is None
    assert card.all.alarms_per_event is None


@pytest.mark.parametrize("count", [0, 1, 3, 40, 2500])
def test_the_poisson_interval_is_the_chi_squared_one(count: int) -> None:
    from scipy.stats import chi2

    low, high = poisson_interval(count)
    assert high == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 2, rel=1e-6)
    assert low == pytest.approx(chi2.ppf(0.025, 2 * count) / 2 if count else 0.0, rel=1e-6)


def test_wilson_stays_within_its_bounds() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "line",
    [
        b'{"start":"2024-01-20T12:00:00Z","end":"2024-01-20T13:00:00Z","country":"PK","platforms":["x"],"asns":[],"kind":"platform"}',
        b'{"start":"2024-01-20T12:00:00","end":"2024-01-20T13:00:00","country":"PK"}',
        b'{"start":1705752000,"end":1705755600,"country":null,"note":"ours"}',
    ],
)
def test_labels_are_read_as_people_write_them(line: bytes) -> None:
    card = scorecard(life("a", 4, 67), [msgspec.json.decode(line, type=Label)], 1.0)
    assert card.all.minutes_to_detect.median == 4.0


def test_it_is_json_and_a_table() -> None:
    card = scorecard([*life("a", 4, 67), *life("b", 300, 310)], [label(0, 60), label(500, 560)], 2.0)
    read = msgspec.json.decode(msgspec.json.encode({"scorecard": card}))["scorecard"]
    assert read["all"]["recall"] == 0.5
    text = io.StringIO()
    render(card, Console(file=text, width=120))
    assert "50.0 %" in text.getvalue()
    assert (
        "1 false alarms (1 of them confirmed) in 2.00 series-months: 0.50 a series-month" in text.getvalue()
    )
