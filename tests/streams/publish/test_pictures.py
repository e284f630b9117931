"""The picture of an event: what is drawn, and what is said where nothing can be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from detectors.readings import CountryReading, Health, Opinion, Reading, Standing
from streams.publish.pictures import PictureError, Recorder, choose, draw
from streams.publish.scorecard import Label
from streams.records import Detector, Incident, Kind, Network, Reachability, Scope, Severity, Status

NOON = datetime(2024, 1, 20, 12, tzinfo=UTC)
MINUTES = 180


def reading(minute: int) -> Reading:
    start = int((NOON + timedelta(minutes=minute)).timestamp())
    down = 60 <= minute < 120
    standing = Standing(
        opinion=Opinion.BAD if down else Opinion.GOOD,
        score=2.0 if down else 0.0,
        n=5,
        k=0 if down else 5,
        expected=0.97,
        reachability=0.0,
        onset=None,
        probes=0,
        vantages=2,
        vantages_bad=0,
        live=True,
    )
    place = CountryReading("PK", True, start, start + 60, networks={("x", 17557): standing})
    health = Health(
        country=["PK", "PK"],
        platform=["x", "youtube"],
        simulated=[True, True],
        n=np.array([20, 0 if minute == 30 else 20]),
        k=np.array([15 if down else 20, 0 if minute == 30 else 20]),
        expected=np.array([0.97, 0.98]),
        reachability=np.array([1.0, 1.0]),
        score=np.array([1.5 if down else 0.1, 0.0]),
        networks_live=np.array([4, 4]),
        networks_bad=np.array([1, 0]),
    )
    return Reading(start, start + 60, [place], health)


@pytest.fixture
def recorder() -> Recorder:
    recorder = Recorder()
    for minute in range(MINUTES):
        recorder(reading(minute))
    return recorder


def incident(scope: Scope = Scope.PROVIDER) -> Incident:
    return Incident(
        id="pk-1",
        seq=1,
        status=Status.RESOLVED,
        kind=Kind.PLATFORM,
        scope=scope,
        severity=Severity.MAJOR,
        country="PK",
        platforms=("x",),
        networks=(Network(asn=17557, lost=1.0, onset=NOON),),
        onset=NOON + timedelta(minutes=60),
        detected=NOON + timedelta(minutes=64),
        updated=NOON,
        resolved=NOON + timedelta(minutes=125),
        duration_seconds=0,
        reachability=Reachability(now=0.0, usual=1.0),
        confirmed=True,
        vantages=4,
        networks_live=4,
        simulated=True,
        detector=Detector(name="t", version="1", settings=""),
        summary="",
    )


TRUTH = Label(
    start=NOON + timedelta(minutes=60), end=NOON + timedelta(minutes=120), country="PK", platforms=("x",)
)
END = NOON + timedelta(minutes=MINUTES)


def test_an_incident_of_one_network_and_a_missed_label_are_chosen(recorder: Recorder) -> None:
    event = choose(None, [incident()], [TRUTH], recorder, END)
    assert event.asns == (17557,)
    assert event.alarm == (NOON + timedelta(minutes=64), NOON + timedelta(minutes=125))
    assert event.truth == (TRUTH.start, TRUTH.end)
    missed = choose("label:1", [], [TRUTH], recorder, END)
    assert missed.alarm is None and missed.platforms == ("x",)


@pytest.mark.system
def test_an_incident_of_one_network_is_drawn_with_it(recorder: Recorder, tmp_path: Path) -> None:
    event = choose(None, [incident()], [TRUTH], recorder, END)
    draw(event, recorder, tmp_path / "event.svg")
    text = (tmp_path / "event.svg").read_text()
    assert "SIMULATED" in text and "AS17557" in text and "reachability" in text and "score (1 alarms)" in text


@pytest.mark.system
def test_a_missed_label_is_drawn_without_an_alarm(recorder: Recorder, tmp_path: Path) -> None:
    event = choose("label:1", [], [TRUTH], recorder, END)
    draw(event, recorder, tmp_path / "event.png")
    assert (tmp_path / "event.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.system
def test_the_page_fetches_nothing_and_runs_no_name(recorder: Recorder, tmp_path: Path) -> None:
    event = choose("pk-1", [incident(Scope.NATION_SCALE)], [], recorder, END)
    draw(replace(event, title="</title></script><script>alert(1)"), recorder, tmp_path / "event.html")
    text = (tmp_path / "event.html").read_text()
    assert "<script src=" not in text and "@import" not in text
    assert text.count("<script>") == text.count("</script>") == 2


def test_windows_without_results_break_the_line(recorder: Recorder) -> None:
    track = recorder.tracks["PK", "youtube"]
    assert track.n[30] == 0 and len(track.start) == MINUTES


@pytest.mark.parametrize(
    ("which", "message"),
    [("pk-2", "they are pk-1"), ("label:2", "there are 1 labels"), ("label:x", "label:1 is the first")],
)
def test_an_unknown_event_is_refused(which: str, message: str, recorder: Recorder) -> None:
    with pytest.raises(PictureError, match=message):
        choose(which, [incident()], [TRUTH], recorder, END)


def test_nothing_to_draw_is_said(recorder: Recorder, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="nothing to draw"):
        choose(None, [], [], recorder, END)
    event = choose("pk-1", [incident()], [], Recorder(), END)
    with pytest.raises(PictureError, match="no results of x"):
        draw(event, Recorder(), tmp_path / "event.svg")
    with pytest.raises(PictureError, match=r"must end in \.html, \.svg, \.png"):
        draw(event, recorder, tmp_path / "event.pdf")
