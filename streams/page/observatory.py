"""What the page knows: incidents, what people say of them, the calendar, and how each country stands. No clock, no I/O.

Records go in as they stand on their topics; whatever is asked is answered for the moment that is named.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from producers.countries import CANARY, COUNTRIES
from streams.page.recent import Coverage, Recent
from streams.records import (
    Annotation,
    AnnotationKind,
    CalendarEvent,
    Incident,
    Kind,
    Severity,
    Status,
    Window,
)

#: A country of which nothing was heard for so long is unknown.
FRESH: Final = timedelta(minutes=15)
#: Snapshots that are kept of one incident: the first ones and the last ones.
_SNAPSHOTS_MAX: Final = 200
_SEVERITIES: Final = {severity: number for number, severity in enumerate(Severity)}


class State(StrEnum):
    """How a country stands. Neither LEARNING, where no usual is known yet, nor UNKNOWN is good news."""

    DARK = "dark"
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    UNCONFIRMED = "unconfirmed"
    WELL = "well"
    LEARNING = "learning"
    UNKNOWN = "unknown"


#: From bad to good; what is unknown is last, for nothing can be said of it.
ORDER: Final = {state: number for number, state in enumerate(State)}
#: In these nothing is known to be wrong.
CALM: Final = frozenset({State.WELL, State.LEARNING, State.UNKNOWN})


@dataclass(slots=True)
class CountryStanding:
    """How one country stands at a moment."""

    country: str
    state: State
    coverage: Coverage | None
    open: list[Incident] = field(default_factory=list)
    simulated: bool = False

    @property
    def heard(self) -> datetime | None:
        """The end of the last window with results or silence that was told."""
        return None if self.coverage is None else datetime.fromtimestamp(self.coverage.end, UTC)


@dataclass(slots=True)
class ShownIncident:
    """One incident: its snapshots by `seq`, and what people say of it."""

    snapshots: list[Incident] = field(default_factory=list)
    annotations: dict[str, Annotation] = field(default_factory=dict)
    version: int = 0

    @property
    def last(self) -> Incident:
        """Its newest snapshot: how it stands now."""
        return self.snapshots[-1]

    @property
    def false_alarm(self) -> Annotation | None:
        """The word of a person that it was none, or None."""
        return next((one for one in self.notes if one.kind is AnnotationKind.FALSE_ALARM), None)

    @property
    def notes(self) -> list[Annotation]:
        """What people say of it, the oldest first."""
        return sorted(self.annotations.values(), key=lambda one: (one.time, one.id))


class Observatory:
    """Everything that is shown.

    Attributes
    ----------
    version
        Counts what has changed; `changed` says at which version a country or an incident last did.
    """

    def __init__(self, *, replay: bool = False) -> None:
        self.replay = replay
        self.version = 0
        self.changed: dict[str, int] = {}
        self.recent = Recent()
        self.cases: dict[str, ShownIncident] = {}
        self.calendar: dict[str, CalendarEvent] = {}
        self.newest: datetime | None = None
        self.windows = 0
        self._orphans: dict[str, dict[str, Annotation]] = {}
        #: All incidents by onset, and by when they last were; those that last; those of each country.
        self._order: list[tuple[int, str]] = []
        self._by_end: list[tuple[float, str]] = []
        self._lasting: set[str] = set()
        self._of_country: dict[str, set[str]] = {}

    # records come

    def take(self, record: object) -> list[str]:
        """Take a record in. Returns what has changed: `now`, countries, and ids of incidents."""
        if isinstance(record, Window):
            return self._window(record)
        if isinstance(record, Incident):
            return self._incident(record)
        if isinstance(record, Annotation):
            return self._annotation(record)
        if isinstance(record, CalendarEvent):
            self.calendar[record.id] = record
            return self._touch("now", record.country)
        return []

    def _touch(self, *names: str) -> list[str]:
        self.version += 1
        for name in names:
            self.changed[name] = self.version
        return list(names)

    def _window(self, window: Window) -> list[str]:
        if not self.recent.take(window):
            return []
        self.windows += 1
        if self.newest is None or window.end > self.newest:
            self.newest = window.end
        return self._touch("now", window.country)

    def _incident(self, incident: Incident) -> list[str]:
        case = self.cases.get(incident.id)
        if case is None:
            case = self.cases[incident.id] = ShownIncident(annotations=self._orphans.pop(incident.id, {}))
        before = case.snapshots[-1] if case.snapshots else None
        seqs = [one.seq for one in case.snapshots]
        place = bisect.bisect_left(seqs, incident.seq)
        if place < len(seqs) and seqs[place] == incident.seq:
            return []
        case.snapshots.insert(place, incident)
        if len(case.snapshots) > _SNAPSHOTS_MAX:
            del case.snapshots[_SNAPSHOTS_MAX // 2]
        if case.last is not before:
            self._index(before, case.last)
        if self.newest is None or incident.updated > self.newest:
            self.newest = incident.updated
        places = (incident.country,) if incident.country else incident.countries
        return self._touch("now", incident.id, *places)

    def _index(self, before: Incident | None, last: Incident) -> None:
        """Find an incident by how it stands now: a later snapshot may move its onset."""
        if before is not None:
            del self._order[bisect.bisect_left(self._order, place_of(before))]
            del self._by_end[bisect.bisect_left(self._by_end, (_end_of(before), before.id))]
        bisect.insort(self._order, place_of(last))
        bisect.insort(self._by_end, (_end_of(last), last.id))
        if last.status is Status.RESOLVED:
            self._lasting.discard(last.id)
        else:
            self._lasting.add(last.id)
        for country in (last.country,) if last.country else last.countries:
            self._of_country.setdefault(country, set()).add(last.id)

    def _candidates(self, country: str | None, status: str | None, since: datetime | None) -> Iterable[str]:
        """Ids among which those that fit are, the newest onset first."""
        few: list[Collection[str]] = []
        if status == "open":
            few.append(self._lasting)
        if country is not None:
            few.append(self._of_country.get(country, set()))
        if since is not None:
            first = bisect.bisect_left(self._by_end, (since.timestamp(), ""))
            few.append([name for _, name in self._by_end[first:]])
        if few:
            chosen = min(few, key=len)
            return [
                name for _, name in sorted((place_of(self.cases[one].last) for one in chosen), reverse=True)
            ]
        return (name for _, name in reversed(self._order))

    def _annotation(self, annotation: Annotation) -> list[str]:
        case = self.cases.get(annotation.incident)
        if case is None:
            # Whoever may write could name any number of incidents that there are not.
            if len(self._orphans) < 10_000:
                self._orphans.setdefault(annotation.incident, {})[annotation.id] = annotation
            return []
        case.annotations[annotation.id] = annotation
        return self._touch("now", annotation.incident, *((case.last.country,) if case.last.country else ()))

    # what is asked

    def now(self, clock: datetime) -> datetime:
        """The moment for which is answered: the clock's, or in a replay that of the newest record."""
        return (self.newest or clock) if self.replay else clock

    def incidents(
        self,
        *,
        country: str | None = None,
        platform: str | None = None,
        asn: int | None = None,
        status: str | None = None,
        severity: Severity | None = None,
        kind: Kind | None = None,
        simulated: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterable[ShownIncident]:
        """The incidents that fit, the newest onset first. `status` is `open` or `resolved`."""
        for name in self._candidates(country, status, since):
            case = self.cases[name]
            last = case.last
            if until is not None and last.onset >= until:
                continue
            if since is not None and (last.resolved or last.updated) < since:
                continue
            if country is not None and country != last.country and country not in last.countries:
                continue
            if platform is not None and platform not in last.platforms:
                continue
            if asn is not None and all(network.asn != asn for network in last.networks):
                continue
            if status is not None and (last.status is Status.RESOLVED) != (status == "resolved"):
                continue
            if severity is not None and last.severity is not severity:
                continue
            if kind is not None and last.kind is not kind:
                continue
            if simulated is not None and last.simulated is not simulated:
                continue
            yield case

    def open(self) -> list[ShownIncident]:
        """The incidents that last, the worst first; false alarms and the canary's are left out."""
        cases = [
            case
            for case in self.incidents(status="open")
            if case.false_alarm is None and case.last.country != CANARY
        ]
        return sorted(cases, key=lambda case: (_rank(case.last), -case.last.onset.timestamp()))

    def standing(self, country: str, clock: datetime) -> CountryStanding:
        """How one country stands."""
        return self._standing(country, self.now(clock), self._open_by_country())

    def standings(self, clock: datetime) -> dict[str, CountryStanding]:
        """How all countries stand, by their code."""
        now, by_country = self.now(clock), self._open_by_country()
        return {country: self._standing(country, now, by_country) for country in sorted(COUNTRIES)}

    def _open_by_country(self) -> dict[str, list[Incident]]:
        by_country: dict[str, list[Incident]] = {}
        for case in self.open():
            last = case.last
            for country in (last.country,) if last.country else last.countries:
                by_country.setdefault(country, []).append(last)
        return by_country

    def _standing(
        self, country: str, now: datetime, by_country: dict[str, list[Incident]]
    ) -> CountryStanding:
        coverages = self.recent.coverage
        coverage = coverages.get((country, False)) or coverages.get((country, True))
        mine = by_country.get(country, [])
        # A real incident is never hidden by a made-up one, nor the other way round.
        real = [one for one in mine if not one.simulated]
        shown = real or mine
        simulated = bool(shown and not real) or (not shown and coverage is not None and coverage.simulated)
        if shown:
            worst = min(shown, key=_rank)
            state = state_of(worst)
        elif coverage is not None and self._fresh(coverage, now) and coverage.networks_live:
            state = State.LEARNING if coverage.only_learns else State.WELL
        else:
            state = State.UNKNOWN
        return CountryStanding(country, state, coverage, mine, simulated)

    @staticmethod
    def _fresh(coverage: Coverage, now: datetime) -> bool:
        return now - datetime.fromtimestamp(coverage.end, UTC) <= FRESH


def place_of(incident: Incident) -> tuple[int, str]:
    """Where an incident stands in lists: by its onset, to the second, and its id. Cursors name it."""
    return int(incident.onset.timestamp()), incident.id


def _end_of(incident: Incident) -> float:
    return (incident.resolved or incident.updated).timestamp()


def state_of(incident: Incident) -> State:
    """Return how a place stands by its incident: its severity, unless it is unconfirmed or dark."""
    if not incident.confirmed:
        return State.UNCONFIRMED
    if incident.kind is Kind.CONNECTIVITY:
        return State.DARK
    return State(incident.severity.value)


def _rank(incident: Incident) -> int:
    """Return where an incident stands among others, by its state."""
    return ORDER[state_of(incident)]
