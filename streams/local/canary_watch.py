"""Whether the canary's outage came out: it says nothing to people unless it did not.

Time and incidents are handed in; a missing outage is said once an hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from producers.countries import CANARY
from producers.simulated.canary import DARK_FROM_MINUTE, DARK_MINUTES
from streams.records import Incident

#: The outage has ended by then, and what was to be said of it has been said.
_PATIENCE: Final = timedelta(minutes=DARK_MINUTES + 2)
#: A canary that began to sing only just before has not been learned yet.
_LEARNED: Final = timedelta(minutes=35)


class CanaryWatch:
    """Looks at one hour after the other, from `began` on."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._seen: datetime | None = None
        self._looked: datetime | None = None

    def take(self, incident: Incident) -> bool:
        """Take an incident if it is the canary's; say whether it was."""
        if incident.country != CANARY:
            return False
        self._seen = max(incident.onset, self._seen or incident.onset)
        return True

    def complaint(self, now: datetime) -> str | None:
        """What is wrong by now, or None; the same outage is complained of once."""
        dark = now.replace(minute=DARK_FROM_MINUTE, second=0, microsecond=0)
        if dark + _PATIENCE > now:
            dark -= timedelta(hours=1)
        if self._looked == dark or dark - self._began < _LEARNED:
            return None
        self._looked = dark
        if self._seen is not None and self._seen >= dark - timedelta(minutes=2):
            return None
        return (
            f"The canary's outage of {dark:%H:%M} UTC did not come out: something between producer and incident does "
            "not work, and real outages may not come out either."
        )
