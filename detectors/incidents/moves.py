"""Every move that an incident can make. The diagram in docs/incidents.md is drawn from this table.

Time arrives with the event: nothing here counts windows or knows what a network is. Silence is not among the
events, on purpose: it is no evidence, so it can move nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class Phase(StrEnum):
    """Where an incident is in its life."""

    # Not told to anybody yet.
    SUSPECTED = "suspected"
    OPEN = "open"
    # Nothing that reports is lost any more, but not for long enough.
    EASING = "easing"
    # Kept for a while: a relapse is the same incident.
    RESOLVED = "resolved"
    # Ended by somebody's word: what goes on of its loss is not told again.
    CLOSED = "closed"
    # A relapse is another incident; how much is back may not be known yet.
    OVER = "over"
    GONE = "gone"


class Trigger(StrEnum):
    """What one window brings."""

    # The loss has lasted, or reaches far, enough to say so.
    SURE = "sure"
    # Positive evidence of loss.
    BAD = "bad"
    # Positive evidence of health, and none of loss.
    WELL = "well"
    # Something that a reader would note has changed, and stays so.
    NEWS = "news"
    # Well for as long as the settings ask.
    RECOVERED = "recovered"
    # Somebody closes it, or it was silent for too long.
    CLOSE = "close"
    # What was taken for lost has come since.
    WITHDRAWN = "withdrawn"
    # Most of what was lost is back for as long, and a part of it stays away.
    PARTLY = "partly"
    # Nothing has been told of it for long, and it goes on.
    LASTS = "lasts"
    # Enough results to say how much is back.
    CONFIRMED = "confirmed"
    # Too long ago for a relapse; or for a word on how much is back.
    EXPIRED = "expired"


class Announcement(StrEnum):
    """What the world is told of a move."""

    OPEN = "open"
    UPDATED = "updated"
    RESOLVED = "resolved"


class Move(NamedTuple):
    """Where an event leads, and what is told."""

    phase: Phase
    told: Announcement | None


MOVES: Final[Mapping[tuple[Phase, Trigger], Move]] = MappingProxyType(
    {
        (Phase.SUSPECTED, Trigger.SURE): Move(Phase.OPEN, Announcement.OPEN),
        (Phase.SUSPECTED, Trigger.WELL): Move(Phase.GONE, None),
        (Phase.OPEN, Trigger.NEWS): Move(Phase.OPEN, Announcement.UPDATED),
        (Phase.OPEN, Trigger.LASTS): Move(Phase.OPEN, Announcement.UPDATED),
        (Phase.OPEN, Trigger.WELL): Move(Phase.EASING, None),
        # What has not come back by then has been silent for long: it is said so, and holds up no more.
        (Phase.OPEN, Trigger.RECOVERED): Move(Phase.RESOLVED, Announcement.RESOLVED),
        # It is over at another level, and what is usual from here on is that one.
        (Phase.OPEN, Trigger.PARTLY): Move(Phase.RESOLVED, Announcement.RESOLVED),
        (Phase.EASING, Trigger.PARTLY): Move(Phase.RESOLVED, Announcement.RESOLVED),
        (Phase.EASING, Trigger.BAD): Move(Phase.OPEN, None),
        (Phase.EASING, Trigger.NEWS): Move(Phase.EASING, Announcement.UPDATED),
        (Phase.EASING, Trigger.RECOVERED): Move(Phase.RESOLVED, Announcement.RESOLVED),
        (Phase.OPEN, Trigger.CLOSE): Move(Phase.CLOSED, Announcement.RESOLVED),
        (Phase.EASING, Trigger.CLOSE): Move(Phase.CLOSED, Announcement.RESOLVED),
        (Phase.OPEN, Trigger.WITHDRAWN): Move(Phase.CLOSED, Announcement.RESOLVED),
        (Phase.EASING, Trigger.WITHDRAWN): Move(Phase.CLOSED, Announcement.RESOLVED),
        # It was told as over, and was none at all.
        (Phase.RESOLVED, Trigger.WITHDRAWN): Move(Phase.CLOSED, Announcement.RESOLVED),
        (Phase.CLOSED, Trigger.EXPIRED): Move(Phase.GONE, None),
        (Phase.RESOLVED, Trigger.BAD): Move(Phase.OPEN, Announcement.UPDATED),
        # The same end once more, with what is known of it by now.
        (Phase.RESOLVED, Trigger.CONFIRMED): Move(Phase.RESOLVED, Announcement.RESOLVED),
        (Phase.RESOLVED, Trigger.EXPIRED): Move(Phase.OVER, None),
        (Phase.OVER, Trigger.CONFIRMED): Move(Phase.OVER, Announcement.RESOLVED),
        (Phase.OVER, Trigger.EXPIRED): Move(Phase.GONE, None),
    }
)


def move(phase: Phase, event: Trigger) -> Move:
    """Return where `event` leads from `phase`. An event that the table does not name there changes nothing.

    >>> move(Phase.EASING, Trigger.BAD)
    Move(phase=<Phase.OPEN: 'open'>, told=None)
    >>> move(Phase.SUSPECTED, Trigger.RECOVERED).phase is Phase.SUSPECTED
    True
    """
    return MOVES.get((phase, event), Move(phase, None))
