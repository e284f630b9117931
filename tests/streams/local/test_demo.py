"""What the demonstration prints, from snapshots made by hand: nothing in it may be made up."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from prometheus_client.samples import Sample
from rich.console import Console

from producers.simulated import scenario
from streams.kafka.alerts import latest
from streams.local.demo import DemoResult, compare, demo_settings, speed_near
from streams.local.live import Board, Show
from streams.records import Detector, Incident, Kind, Reachability, Scope, Severity, Status
from streams.settings import load

EVENING = scenario.EVENINGS[1]


def incident(seq: int, status: Status, after: timedelta, ident: str = "a") -> Incident:
    moment = EVENING.start + after
    return Incident(
        id=ident,
        seq=seq,
        status=status,
        kind=Kind.PLATFORM,
        scope=Scope.NATION_SCALE,
        severity=Severity.CRITICAL,
        country="PK",
        platforms=("x",),
        onset=EVENING.start,
        detected=EVENING.start + timedelta(minutes=4),
        updated=moment,
        resolved=moment if status is Status.RESOLVED else None,
        duration_seconds=0,
        reachability=Reachability(now=0.1, usual=0.99),
        confirmed=True,
        vantages=14,
        networks_live=6,
        simulated=True,
        detector=Detector(name="netdusk", version="1", settings="x"),
        summary="SIMULATED: x lost",
    )


def test_the_comparison_follows_from_the_snapshots() -> None:
    length = EVENING.end - EVENING.start
    seen = DemoResult(
        snapshots=[
            incident(1, Status.OPEN, timedelta(minutes=4)),
            incident(2, Status.RESOLVED, length + timedelta(minutes=6)),
        ]
    )
    rows, conclusions = compare(seen, EVENING)
    assert conclusions == [
        "onset given as 13:40, at the same minute as the scenario's",
        "detected 4 min after it began",
        "detected 28 min before NetBlocks' post",
        "resolution said 6 min after the last network was back",
    ]
    moments = [moment for moment, _, _ in rows]
    assert moments == sorted(moments)
    assert {who for _, who, _ in rows} == {"published", "scenario", "netdusk"}


def test_nothing_detected_is_said() -> None:
    assert compare(DemoResult(), EVENING)[1] == ["netdusk detected nothing"]
    assert (
        compare(DemoResult(snapshots=[incident(1, Status.OPEN, timedelta(minutes=4))]), EVENING)[1][-1]
        == "not resolved"
    )


def test_the_pace_holds_around_the_evenings_alone() -> None:
    assert speed_near([EVENING], 600.0, EVENING.start) == 600.0
    assert speed_near([EVENING], 600.0, EVENING.start - timedelta(hours=3)) is None
    assert speed_near([EVENING], 0.0, EVENING.start) is None


def test_on_a_shared_broker_its_topics_are_its_own() -> None:
    settings, overrides = demo_settings(load(), "demo-1.")
    names = {name for role, name in settings.topics if isinstance(name, str)}
    assert all(name.startswith("demo-1.") for name in names)
    assert overrides["NETDUSK_TOPICS__PROBES"] == settings.topics.probes
    assert overrides["NETDUSK_KAFKA__GROUP"].startswith("demo-1.")
    plain, overrides = demo_settings(load(), "")
    assert plain.topics.alerts == "netdusk.alerts.v1"
    assert "NETDUSK_KAFKA__GROUP" not in overrides


def sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(name, labels, value)


def test_the_picture_shows_what_the_page_says_and_that_it_is_simulated() -> None:
    board = Board(
        "Pakistan", {"17557": "PTCL"}, simulated=True, now=datetime(2024, 1, 20, 13, 45, tzinfo=UTC)
    )
    place = {"platform": "x", "country": "PK", "asn": "17557"}
    board.take(
        [
            sample("netdusk_reachability_smoothed_ratio", 0.04, **place),
            sample("netdusk_cells_warming", 1, country="PK", simulated="true"),
            sample("netdusk_anomaly_score", 2.0, **place),
            sample("netdusk_incident_active", 1, platform="x", country="PK"),
        ]
    )
    board.take([])  # a worker that restores has no figures: what was seen stays
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=140).print(board)
    text = out.getvalue()
    assert "SIMULATED" in text
    assert "PTCL" in text
    assert "4%" in text
    assert "1 of 1 still learning what is usual" in text
    assert "! x" in text


def test_without_a_terminal_there_are_lines() -> None:
    out = io.StringIO()
    board = Board("Pakistan", {}, simulated=True)
    with Show(board, Console(file=out, force_terminal=False, width=200)) as show:
        show.moment(EVENING.start)
        show.moment(EVENING.start + timedelta(minutes=1))
        show.incident(incident(1, Status.OPEN, timedelta(minutes=4)))
    assert out.getvalue().splitlines() == [
        "SIMULATED  Pakistan",
        "-- 20 January 2024, 13:40 UTC",
        "20 Jan 13:44  open     #1 SIMULATED: x lost",
    ]


def test_the_last_snapshot_says_how_things_stand() -> None:
    one = incident(1, Status.OPEN, timedelta(minutes=4))
    two = incident(2, Status.RESOLVED, timedelta(hours=5))
    other = incident(1, Status.OPEN, timedelta(minutes=4), ident="b")
    assert latest([two, one, other]) == [two, other]
