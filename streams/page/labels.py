"""Words of the page for closed lists: states, statuses, doubts, kinds of notes. Each is a message of gettext.

A list that gets a new member fails a test until it has words here, and in every language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from detectors.incidents.evidence import CARRIER, ORDER, PLATFORM
from detectors.incidents.snapshots import Doubt
from detectors.readings import Says
from streams.page.observatory import State
from streams.records import Severity, Status
from streams.words import NOTED

LABELS: Final[Mapping[State, str]] = {
    State.DARK: "Connectivity lost",
    State.CRITICAL: "Critical disruption",
    State.MAJOR: "Major disruption",
    State.MINOR: "Minor disruption",
    State.UNCONFIRMED: "Unconfirmed",
    State.WELL: "As usual",
    State.LEARNING: "Still learning",
    State.UNKNOWN: "Not known",
}
STATUSES: Final[Mapping[str, str]] = {
    Status.OPEN: "opened",
    Status.UPDATED: "updated",
    Status.RESOLVED: "over",
}
SEVERITIES: Final[Mapping[str, str]] = {
    Severity.MINOR: "minor",
    Severity.MAJOR: "major",
    Severity.CRITICAL: "critical",
}
NOTES: Final[Mapping[str, str]] = {kind.value: word for kind, word in NOTED.items()}
SAID: Final[Mapping[str, str]] = {
    Says.AGREES: "agrees",
    Says.DISAGREES: "disagrees",
    Says.LATE: "late",
    Says.SILENT: "silent",
}
DOUBTS: Final[Mapping[str, str]] = {
    Doubt.FEW_NETWORKS: "too few networks report for a majority of them to mean something",
    Doubt.OWN_PATH: "nothing shows that the path to this observatory works",
    Doubt.ONE_BY_ONE: "the vantages fell silent one after another, as at an update of their software",
    Doubt.CROWD: "those who fell silent had promised no rhythm",
    Doubt.FIRST_MINUTES: "what is usual here is not known yet",
    Doubt.FEW_RESULTS: "so few attempts have failed that it may be chance",
    Doubt.STRANGERS: "only vantages that nobody has registered speak of it",
}
PATTERNS: Final[Mapping[str, str]] = {
    CARRIER: "A fault of one carrier",
    PLATFORM: "A fault of the platform",
    ORDER: "Filtering by order",
}
#: What a reading of the evidence is about, by its name.
EVIDENCE: Final[Mapping[str, str]] = {
    "onset_spread": "Spread of the onsets",
    "selectivity": "Other platforms on the same networks",
    "vantages_apart": "Vantages that were well",
    "server_errors": "Errors of servers",
    "alike_countries": "Countries that fail alike",
    "control": "Control from outside the country",
    "contrast": "Speed beside a control",
    "mechanism_sameness": "Networks that fail in the same way",
    "certificate": "Certificates",
    "half_hour_mark": "Distance from a half-hour mark",
    "recurrence": "Like incidents at this time of day",
    "like_incidents": "Like incidents",
    "calendar": "Planned event",
    "countries": "Countries",
}
#: What an address that can't be shown is headed with, by its HTTP status.
PROBLEMS: Final[Mapping[int, str]] = {
    400: "That can't be answered",
    403: "Not allowed",
    404: "Not here",
    414: "Too long",
    429: "Too many requests",
    500: "That went wrong",
    503: "Not now",
}
#: Every message that stands in a table and not where it is shown.
ALL: Final[frozenset[str]] = frozenset(
    text
    for table in (LABELS, STATUSES, SEVERITIES, NOTES, SAID, DOUBTS, PATTERNS, EVIDENCE, PROBLEMS)
    for text in table.values()
)
