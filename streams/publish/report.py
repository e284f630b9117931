"""One incident as a report: what a page, a picture, a text or another program is given, all from the same facts.

Facts are the incident's snapshots, the results around it and the calendar; nothing is looked up and nothing concluded
here: how a report looks is in `charts` and in the templates. There is no clock: the same facts give the same report.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict

from msgspec import Struct

from detectors.incidents.evidence import CARRIER, ORDER, PLATFORM
from producers.records import ProbeResult
from streams.names import region_label
from streams.pseudonyms import UNNAMED_FIRST, is_unnamed, unnamed_network
from streams.publish.citing import bibtex, citation
from streams.publish.cost import Estimate, estimate
from streams.records import (
    Annotation,
    AnnotationKind,
    CalendarEvent,
    Corroboration,
    Evidence,
    HealthRecord,
    Incident,
    Kind,
    Mechanism,
    Reachability,
    Scope,
    Severity,
    Status,
    Window,
)
from streams.settings import Settings
from streams.words import country_name, headline, place_name, platform_name

REPORT_SCHEMA: Final = "netdusk.report/1"
PATTERNS: Final = (CARRIER, PLATFORM, ORDER)

#: What is shown before an incident and after it: enough to see what was usual, and that it came back.
_BEFORE: Final = (timedelta(hours=2), timedelta(hours=6))
_AFTER: Final = timedelta(hours=1)
#: Points of a line; more can't be told apart on a page.
_POINTS_MAX: Final = 240
_STEPS_SECONDS: Final = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
#: The other platforms that are shown for comparison, at most.
_OTHERS_MAX: Final = 2
#: Incidents that are shown to whoever has to name one.
_CHOICE_MAX: Final = 10


class Point(Struct, frozen=True):
    """A stretch of time: the ratio of attempts that succeeded (None: nothing was measured), and of how many."""

    time: datetime
    ratio: float | None
    n: int


class ReportLine(Struct, frozen=True, kw_only=True):
    """One platform, one network or one country over time."""

    name: str
    label: str
    affected: bool
    points: tuple[Point, ...]


class NetworkRow(Struct, frozen=True, kw_only=True):
    """One affected network (or, where the incident is global, country), as the incident and the results have it."""

    name: str
    label: str
    lost: float | None
    onset: datetime | None
    recovered: datetime | None
    mechanism: str | None
    n: int


class RegionRow(Struct, frozen=True, kw_only=True):
    """One region: the ratio of attempts that succeeded before the incident and during it."""

    code: str
    #: Its name with its code.
    label: str
    #: Whether the incident names it.
    named: bool
    before: float | None
    during: float | None
    n: int


class Moment(Struct, frozen=True, kw_only=True):
    """One snapshot: what was said when."""

    seq: int
    time: datetime
    status: Status
    scope: Scope
    severity: Severity
    reason: str
    summary: str
    now: float
    networks: int


class Previous(Struct, frozen=True, kw_only=True):
    """A like incident before."""

    id: str
    onset: datetime | None
    summary: str | None


class Report(Struct, frozen=True, kw_only=True, tag_field="schema", tag=REPORT_SCHEMA):
    """Everything that a report says."""

    id: str
    headline: str
    summary: str
    place: str
    country: str | None
    status: Status
    kind: Kind
    scope: Scope
    severity: Severity
    confirmed: bool
    simulated: bool
    onset: datetime
    detected: datetime
    updated: datetime
    resolved: datetime | None
    duration_seconds: int
    worst: Reachability
    now: Reachability
    mechanism: Mechanism | None
    measurements: int
    vantages: int
    networks_live: int
    platforms: tuple[str, ...]
    platform_labels: tuple[str, ...]
    start: datetime
    end: datetime
    step_seconds: int
    measure: str
    lines: tuple[ReportLine, ...]
    grid: tuple[ReportLine, ...]
    networks: tuple[NetworkRow, ...]
    regions: tuple[RegionRow, ...]
    timeline: tuple[Moment, ...]
    evidence: tuple[Evidence, ...]
    patterns: tuple[str, ...]
    events: tuple[CalendarEvent, ...]
    previous: tuple[Previous, ...]
    cost: Estimate | None
    detector: str
    check: tuple[str, ...]
    #: How it is cited, in a text and for LaTeX.
    cite: str
    bibtex: str
    #: Who publishes it, and where it stands if it has an address.
    source: str
    #: What people say of it, the oldest first: never mixed into what was measured.
    notes: tuple[Annotation, ...] = ()
    #: What other observatories say of it.
    corroboration: tuple[Corroboration, ...] = ()

    @property
    def false_alarm(self) -> bool:
        """Whether a person has marked it as one."""
        return any(note.kind is AnnotationKind.FALSE_ALARM for note in self.notes)


@dataclass(slots=True)
class Span:
    """What is shown, in time."""

    start: datetime
    end: datetime

    @classmethod
    def around(cls, incident: Incident, *, now: datetime | None = None) -> Span:
        """The incident, some of what was before it and after it; what goes on ends at `now`, where that is known."""
        goes_on = incident.resolved is None and now is not None
        until = incident.resolved or (max(now, incident.updated) if now is not None else incident.updated)
        before = min(max(_BEFORE[0], (until - incident.onset) / 2), _BEFORE[1])
        return cls(incident.onset - before, until if goes_on else until + _AFTER)


MinuteCells = dict[tuple[str, str], dict[int, list[int]]]


@dataclass(slots=True)
class MinuteCounts:
    """Results around an incident, counted by minute: all that a report needs of them, in bounded memory.

    `parts` has [attempts, successes] by (platform, part) and minute; a part is a network, or a country where the
    incident is global. `regions` has the same by region, before the onset and since it. Where `unnamed`, networks that
    the incident does not name stand without their numbers, in the order in which they came.
    """

    incident: Incident
    span: Span
    unnamed: bool = False
    parts: MinuteCells = field(default_factory=dict)
    regions: dict[str, list[list[int]]] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=dict)
    _windows: set[tuple[str, datetime]] = field(default_factory=set)

    def add_all(self, results: Iterable[ProbeResult]) -> None:
        """Count what belongs to the incident's place and time."""
        for result in results:
            self.add(result)

    def add(self, result: ProbeResult) -> None:
        """Count one result, if it belongs to the incident's place and time."""
        if self._is_of_it(result.country, result.time, simulated=result.simulated):
            asn = self._told_as(result.asn) if self.unnamed else result.asn
            cell = (result.platform, result.region or "", asn)
            self._count(result.country, result.time, cell, 1, int(result.ok))

    def add_window(self, window: Window) -> None:
        """Count a closed window, if it belongs to the incident's place and time; the same one once."""
        name = (window.country, window.start)
        if name in self._windows or not self._is_of_it(*name, simulated=window.simulated):
            return
        self._windows.add(name)
        cells = zip(window.platform, window.region, window.asn, strict=True)
        for cell, n, k in zip(cells, window.n, window.k, strict=True):
            self._count(window.country, window.start, cell, n, k)

    def _is_of_it(self, country: str, time: datetime, *, simulated: bool) -> bool:
        incident = self.incident
        here = incident.kind is Kind.GLOBAL or country == incident.country
        return here and self.span.start <= time < self.span.end and simulated == incident.simulated

    def _count(self, country: str, time: datetime, cell: tuple[str, str, int], n: int, k: int) -> None:
        """Count attempts and successes of a platform, region and network."""
        incident, (platform, region, asn) = self.incident, cell
        part = country if incident.kind is Kind.GLOBAL else f"AS{asn}"
        concerned = incident.kind is Kind.CONNECTIVITY or platform in incident.platforms
        if region and concerned:
            pair = self.regions.setdefault(region, [[0, 0], [0, 0]])[self._since(time)]
            pair[0] += n
            pair[1] += k
        if incident.scope is Scope.REGION and incident.regions and region not in incident.regions:
            return
        minute = int(time.timestamp()) // 60
        counts = self.parts.setdefault((platform, part), {}).setdefault(minute, [0, 0])
        counts[0] += n
        counts[1] += k

    def _told_as(self, asn: int) -> int:
        """A number for a network: its own where the incident names it."""
        if any(network.asn == asn for network in self.incident.networks):
            return asn
        return UNNAMED_FIRST + self._numbers.setdefault(asn, len(self._numbers) + 1)

    def _since(self, time: datetime) -> int:
        until = self.incident.resolved
        return int(self.incident.onset <= time and (until is None or time < until))


def build(
    snapshots: Sequence[Incident],
    tally: MinuteCounts,
    *,
    settings: Settings,
    events: Iterable[CalendarEvent] = (),
    others: Iterable[Incident] = (),
    health: Iterable[HealthRecord] = (),
    check: Sequence[str] = (),
    notes: Iterable[Annotation] = (),
    now: datetime | None = None,
) -> Report:
    """Put a report together.

    Parameters
    ----------
    snapshots
        Every snapshot of one incident, in the order of their `seq`; at least one.
    tally
        The results around it, counted; where there are none, `health` is drawn instead.
    events
        The calendar; those that the incident coincides with are taken.
    others
        Other incidents, for what is said of the previous ones.
    check
        Commands with which anybody can run the same again.
    notes
        What people say; what is said of other incidents is passed over.
    now
        Until when something that goes on has lasted; without it, until its last snapshot.
    """
    last = snapshots[-1]
    until = last.resolved or max(now or last.updated, last.updated)
    by_id = {other.id: other for other in others}
    return Report(
        id=last.id,
        headline=headline(last, settings.incidents),
        summary=last.summary,
        place=place_name(last.country, settings.incidents),
        country=last.country,
        status=last.status,
        kind=last.kind,
        scope=last.scope,
        confirmed=last.confirmed,
        simulated=last.simulated,
        onset=last.onset,
        detected=last.detected,
        updated=last.updated,
        resolved=last.resolved,
        duration_seconds=int((until - last.onset).total_seconds()),
        now=last.reachability,
        mechanism=last.mechanism,
        platforms=last.platforms,
        platform_labels=tuple(platform_name(name, settings.incidents) for name in last.platforms),
        networks=_networks(last, tally, settings),
        regions=_regions(last, tally, settings),
        timeline=tuple(_moment(snapshot) for snapshot in snapshots),
        evidence=last.evidence,
        patterns=PATTERNS,
        events=tuple(event for event in events if _concerns(event, last, until)),
        previous=tuple(_previous(name, by_id.get(name)) for name in last.previous),
        cost=estimate(snapshots, settings.cost, settings.incidents.network_shares),
        detector=f"{last.detector.name} {last.detector.version}, settings {last.detector.settings}",
        check=tuple(check),
        notes=_notes(last, notes),
        corroboration=last.corroboration,
        **_at_its_worst(snapshots),
        **_drawn(last, tally, health, settings),
        **_cited(last, settings),
    )


class _Worst(TypedDict):
    severity: Severity
    worst: Reachability
    measurements: int
    vantages: int
    networks_live: int


def _at_its_worst(snapshots: Sequence[Incident]) -> _Worst:
    """How bad it ever was, and the most that it ever rested on."""
    return {
        "severity": max((snapshot.severity for snapshot in snapshots), key=list(Severity).index),
        "worst": min((snapshot.reachability for snapshot in snapshots), key=lambda ratios: ratios.now),
        "measurements": max(snapshot.measurements for snapshot in snapshots),
        "vantages": max(snapshot.vantages for snapshot in snapshots),
        "networks_live": max(snapshot.networks_live for snapshot in snapshots),
    }


class _Drawing(TypedDict):
    start: datetime
    end: datetime
    step_seconds: int
    measure: str
    lines: tuple[ReportLine, ...]
    grid: tuple[ReportLine, ...]


def _drawn(
    last: Incident, tally: MinuteCounts, health: Iterable[HealthRecord], settings: Settings
) -> _Drawing:
    """What the pictures show, and over which time."""
    span = tally.span
    step = _step_seconds(span)
    return {
        "start": span.start,
        "end": span.end,
        "step_seconds": step,
        "measure": _MEASURES[last.kind],
        "lines": _lines(tally, step, settings) or _health_lines(last, span, step, health, settings),
        "grid": _grid(tally, step, settings),
    }


class _Citing(TypedDict):
    cite: str
    bibtex: str
    source: str


def _cited(last: Incident, settings: Settings) -> _Citing:
    """How it is cited, and who publishes it."""
    publisher = settings.page.title
    url = f"{settings.page.public_url}/incident/{last.id}" if settings.page.public_url else None
    return {
        "cite": citation(publisher, last, settings.incidents, url),
        "bibtex": bibtex(publisher, last, settings.incidents, url),
        "source": f"{publisher}, {url.partition('://')[2] if url else last.id}",
    }


def _notes(last: Incident, notes: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """What people say of this incident, the oldest first."""
    own = [note for note in notes if note.incident == last.id]
    return tuple(sorted(own, key=lambda note: (note.time, note.id)))


def _concerns(event: CalendarEvent, incident: Incident, until: datetime) -> bool:
    """Whether the incident coincides with it; also where it was put on the calendar after the last snapshot."""
    if event.id in incident.coincides:
        return True
    return event.country == incident.country and event.start <= until and event.end >= incident.onset


_MEASURES: Final[Mapping[Kind, str]] = {
    Kind.PLATFORM: "attempts that reach the platform, every network counted alike",
    Kind.CONNECTIVITY: "results that arrive, of those usual before, every network counted alike",
    Kind.GLOBAL: "attempts that reach the platform, every country counted alike",
}


# ---- lines


def _step_seconds(span: Span) -> int:
    length = (span.end - span.start).total_seconds()
    return next((step for step in _STEPS_SECONDS if length / step <= _POINTS_MAX), _STEPS_SECONDS[-1])


def _steps(span: Span, step: int) -> range:
    return range(int(span.start.timestamp()) // step, math.ceil(span.end.timestamp() / step))


def _lines(tally: MinuteCounts, step: int, settings: Settings) -> tuple[ReportLine, ...]:
    incident = tally.incident
    if incident.kind is Kind.CONNECTIVITY:
        parts = _volume(tally, step)
        points = _mean(parts.values(), tally.span, step)
        return (
            (ReportLine(name="", label="Results that arrive", affected=True, points=points),) if parts else ()
        )
    lines = []
    names = {platform for platform, _ in tally.parts}
    compared = sorted(names - set(incident.platforms), key=lambda name: (-_total(tally, name), name))
    for name in (*incident.platforms, *compared[:_OTHERS_MAX]):
        if name not in names:
            continue
        ratios = [_ratios(cells, step) for (platform, _), cells in tally.parts.items() if platform == name]
        lines.append(
            ReportLine(
                name=name,
                label=platform_name(name, settings.incidents),
                affected=name in incident.platforms,
                points=_mean(ratios, tally.span, step),
            )
        )
    return tuple(lines)


def _total(tally: MinuteCounts, platform: str) -> int:
    return sum(
        cell[0] for (name, _), cells in tally.parts.items() if name == platform for cell in cells.values()
    )


Ratios = dict[int, tuple[float, int]]


def _ratios(cells: Mapping[int, Sequence[int]], step: int) -> Ratios:
    """By step: the ratio that succeeded, and of how many."""
    sums: dict[int, list[int]] = {}
    for minute, (n, k) in cells.items():
        pair = sums.setdefault(minute * 60 // step, [0, 0])
        pair[0] += n
        pair[1] += k
    return {number: (k / n, n) for number, (n, k) in sums.items()}


def _volume(tally: MinuteCounts, step: int) -> dict[str, Ratios]:
    """By part and step: how many results came, of those usual in a step before the onset. Nothing is 0."""
    counts: dict[str, dict[int, int]] = {}
    for (_, part), cells in tally.parts.items():
        own = counts.setdefault(part, {})
        for minute, (n, _) in cells.items():
            own[minute * 60 // step] = own.get(minute * 60 // step, 0) + n
    steps = _steps(tally.span, step)
    before = [number for number in steps if (number + 1) * step <= tally.incident.onset.timestamp()]
    volumes: dict[str, Ratios] = {}
    for part, own in counts.items():
        usual = sum(own.get(number, 0) for number in before) / len(before) if before else 0.0
        if usual > 0:
            volumes[part] = {
                number: (min(1.0, own.get(number, 0) / usual), own.get(number, 0)) for number in steps
            }
    return volumes


def _mean(parts: Iterable[Ratios], span: Span, step: int) -> tuple[Point, ...]:
    """Every part's ratio counted alike; None in a step in which nothing was measured."""
    parts = list(parts)
    points = []
    for number in _steps(span, step):
        here = [ratios[number] for ratios in parts if number in ratios]
        ratio = round(sum(ratio for ratio, _ in here) / len(here), 4) if here else None
        points.append(Point(_time(number * step), ratio, sum(n for _, n in here)))
    return tuple(points)


def _health_lines(
    incident: Incident, span: Span, step: int, health: Iterable[HealthRecord], settings: Settings
) -> tuple[ReportLine, ...]:
    """Return a line a platform from the health records of every window, where the results are gone."""
    cells: dict[str, dict[int, list[float]]] = {}
    for record in health:
        if record.country != incident.country or record.simulated != incident.simulated:
            continue
        if record.platform in incident.platforms and span.start <= record.start < span.end:
            number = int(record.start.timestamp()) // step
            pair = cells.setdefault(record.platform, {}).setdefault(number, [0.0, 0.0])
            pair[0] += record.n
            pair[1] += record.reachability * record.n
    return tuple(
        ReportLine(
            name=name,
            label=platform_name(name, settings.incidents),
            affected=True,
            points=tuple(
                Point(_time(number * step), round(k / n, 4) if n else None, round(n))
                for number in _steps(span, step)
                for n, k in [cells[name].get(number, (0.0, 0.0))]
            ),
        )
        for name in incident.platforms
        if name in cells
    )


def _grid(tally: MinuteCounts, step: int, settings: Settings) -> tuple[ReportLine, ...]:
    """Each network (country, when global) over time, over the incident's platforms together; earliest loss first."""
    incident = tally.incident
    step = max(step, 300)
    if incident.kind is Kind.CONNECTIVITY:
        ratios = _volume(tally, step)
    else:
        together: dict[str, dict[int, list[int]]] = {}
        for (platform, part), cells in tally.parts.items():
            if platform in incident.platforms:
                own = together.setdefault(part, {})
                for minute, (n, k) in cells.items():
                    pair = own.setdefault(minute, [0, 0])
                    pair[0] += n
                    pair[1] += k
        ratios = {part: _ratios(cells, step) for part, cells in together.items()}
    names = _part_names(incident, settings)
    onsets = {f"AS{network.asn}": network.onset for network in incident.networks}
    order = sorted(ratios, key=lambda part: (onsets.get(part, datetime.max.replace(tzinfo=UTC)), part))
    affected = onsets.keys() | set(incident.countries)
    return tuple(
        ReportLine(
            name=part,
            label=names(part),
            affected=part in affected,
            points=_mean([ratios[part]], tally.span, step),
        )
        for part in order
    )


def _part_names(incident: Incident, settings: Settings) -> _Names:
    return _Names(
        {f"AS{network.asn}": network.name for network in incident.networks if network.name},
        {f"AS{asn}": name for asn, name in settings.incidents.network_names.items()},
        settings.incidents.country_names if incident.kind is Kind.GLOBAL else None,
    )


@dataclass(frozen=True, slots=True)
class _Names:
    """Names of networks or countries: the incident's, the operator's, else what they are called by number."""

    told: Mapping[str, str]
    own: Mapping[str, str]
    countries: Mapping[str, str] | None

    def __call__(self, part: str) -> str:
        if self.countries is not None:
            return country_name(part, self.countries)
        if is_unnamed(int(part.removeprefix("AS"))):
            return unnamed_network(int(part.removeprefix("AS")))
        name = self.told.get(part) or self.own.get(part)
        return f"{name} ({part})" if name else part


# ---- tables


def _networks(incident: Incident, tally: MinuteCounts, settings: Settings) -> tuple[NetworkRow, ...]:
    names = _part_names(incident, settings)
    counted: dict[str, int] = {}
    onset = int(incident.onset.timestamp()) // 60
    until = int((incident.resolved or incident.updated).timestamp()) // 60
    for (platform, part), cells in tally.parts.items():
        if incident.kind is Kind.CONNECTIVITY or platform in incident.platforms:
            during = sum(n for minute, (n, _) in cells.items() if onset <= minute < until)
            counted[part] = counted.get(part, 0) + during
    if incident.kind is Kind.GLOBAL:
        return tuple(
            NetworkRow(
                name=country,
                label=names(country),
                lost=None,
                onset=None,
                recovered=None,
                mechanism=None,
                n=counted.get(country, 0),
            )
            for country in incident.countries
        )
    mechanism = incident.mechanism
    return tuple(
        NetworkRow(
            name=f"AS{network.asn}",
            label=names(f"AS{network.asn}"),
            lost=network.lost,
            onset=network.onset,
            recovered=network.recovered,
            mechanism=mechanism.by_network.get(f"AS{network.asn}", mechanism.name) if mechanism else None,
            n=counted.get(f"AS{network.asn}", 0),
        )
        for network in sorted(incident.networks, key=lambda network: (network.onset, network.asn))
    )


def _regions(incident: Incident, tally: MinuteCounts, settings: Settings) -> tuple[RegionRow, ...]:
    if incident.kind is not Kind.PLATFORM:
        return ()
    return tuple(
        RegionRow(
            code=code,
            label=region_label(code, settings.incidents.country_names),
            named=code in incident.regions,
            before=round(before[1] / before[0], 4) if before[0] else None,
            during=round(during[1] / during[0], 4) if during[0] else None,
            n=during[0],
        )
        for code, (before, during) in sorted(tally.regions.items())
    )


def _moment(snapshot: Incident) -> Moment:
    return Moment(
        seq=snapshot.seq,
        time=snapshot.detected if snapshot.seq == 1 else snapshot.updated,
        status=snapshot.status,
        scope=snapshot.scope,
        severity=snapshot.severity,
        reason=snapshot.reason,
        summary=snapshot.summary,
        now=snapshot.reachability.now,
        networks=sum(network.recovered is None for network in snapshot.networks),
    )


def _previous(name: str, incident: Incident | None) -> Previous:
    if incident is None:
        return Previous(id=name, onset=None, summary=None)
    return Previous(id=name, onset=incident.onset, summary=incident.summary)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def of_one(snapshots: Iterable[Incident], wanted: str | None) -> list[Incident]:
    """The snapshots of one incident, by `seq`: the one that `wanted` names or begins, or the only one there is.

    Raises ValueError where it is none or several; the message names them.
    """
    by_id: dict[str, dict[int, Incident]] = {}
    for snapshot in snapshots:
        by_id.setdefault(snapshot.id, {})[snapshot.seq] = snapshot
    if not by_id:
        raise ValueError(
            f"{wanted}: no such incident; nothing was told" if wanted else "no incident: nothing was told"
        )
    fitting = [wanted] if wanted in by_id else [name for name in by_id if name.startswith(wanted or "")]
    if len(fitting) != 1:
        kind = "several incidents" if fitting else "no such incident"
        listed = sorted(
            (max(by_id[name].values(), key=lambda one: one.seq) for name in fitting or by_id),
            key=lambda one: (one.onset, one.id),
        )
        raise ValueError(f"{wanted or 'no ID given'}: {kind}; {_choice(listed)}")
    return [by_id[fitting[0]][seq] for seq in sorted(by_id[fitting[0]])]


def _choice(incidents: Sequence[Incident]) -> str:
    """The last of them, one a line with its day and its words, for whoever has to name one."""
    lines = [f"{one.id}  {one.onset:%Y-%m-%d %H:%M} UTC  {one.summary}" for one in incidents[-_CHOICE_MAX:]]
    more = len(incidents) - len(lines)
    head = f"name one (the last {len(lines)} of {len(incidents)}):" if more else "name one:"
    return "\n  ".join((head, *lines))


def matching(results: Iterable[object]) -> Iterator[ProbeResult]:
    """The results among decoded records; ticks and what is malformed are passed over."""
    return (record for record in results if isinstance(record, ProbeResult))
