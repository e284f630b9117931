"""The table of moves: complete, without dead ends, and drawn in the document as it stands."""

from __future__ import annotations

import pytest

from detectors.incidents.moves import MOVES, Announcement, Phase, Trigger, move
from tools.diagrams import DOCUMENT, diagram, redrawn


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_can_be_reached_and_left(phase: Phase) -> None:
    reached = {Phase.SUSPECTED} | {step.phase for step in MOVES.values()}
    assert phase in reached
    assert (phase is Phase.GONE) != any(known is phase for known, _ in MOVES)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", Trigger)
def test_what_the_table_does_not_name_changes_nothing(phase: Phase, event: Trigger) -> None:
    step = move(phase, event)
    if (phase, event) not in MOVES:
        assert step == (phase, None)


def test_each_thing_told_has_its_own_way() -> None:
    told = {(step.told, phase, step.phase) for (phase, _), step in MOVES.items() if step.told}
    assert {way for way in told if way[0] is Announcement.OPEN} == {
        (Announcement.OPEN, Phase.SUSPECTED, Phase.OPEN)
    }
    assert {way[1:] for way in told if way[0] is Announcement.RESOLVED} == {
        (Phase.EASING, Phase.RESOLVED),
        (Phase.OPEN, Phase.RESOLVED),
        (Phase.EASING, Phase.CLOSED),
        (Phase.OPEN, Phase.CLOSED),
        (Phase.RESOLVED, Phase.CLOSED),
        (Phase.RESOLVED, Phase.RESOLVED),
        (Phase.OVER, Phase.OVER),
    }


def test_nothing_is_resolved_without_positive_evidence() -> None:
    ways = {event for (_, event), step in MOVES.items() if step.phase is Phase.RESOLVED}
    assert ways == {Trigger.RECOVERED, Trigger.PARTLY, Trigger.CONFIRMED}


def test_the_document_shows_the_table() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert redrawn(text) == text, "run `make docs`"
    assert diagram().count("-->") == len(MOVES) + 1


def test_a_document_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no diagram's place"):
        redrawn("# Incidents\n")
