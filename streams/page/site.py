"""What each page shows, put together from what is known: names, figures, charts. How it looks is in the templates.

No network and no clock: the moment is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from detectors.localtime import local_seconds
from producers.countries import CANARY, COUNTRIES
from streams.names import region_label
from streams.page import world_map
from streams.page.history import History, chart_of, step_for
from streams.page.labels import DOUBTS, EVIDENCE, LABELS, NOTES, PATTERNS, SAID, SEVERITIES, STATUSES
from streams.page.languages import LANGUAGES, Language, language
from streams.page.observatory import ORDER, CountryStanding, Observatory, ShownIncident, State, state_of
from streams.page.recent import STEP, RecentRow
from streams.pseudonyms import is_unnamed, unnamed_network
from streams.publish import draw
from streams.publish.citing import bibtex, citation
from streams.publish.report import MinuteCounts, Report, Span, build
from streams.publish.share import Card, CardWords, card_of
from streams.records import CalendarEvent, Incident, Kind, Severity, Status
from streams.settings import Settings
from streams.words import platform_name

#: Incidents that a list shows.
LISTED_MAX: Final = 50
_DAY: Final = timedelta(days=1)
#: What the first page tells of the past.
_LATELY: Final = timedelta(days=7)
_LINES_MAX: Final = 14
#: Countries in a platform's chart; the table below it has all.
_PLACES_MAX: Final = 6
_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "status": STATUSES,
    "severity": SEVERITIES,
    "note": NOTES,
    "said": SAID,
    "doubt": DOUBTS,
    "pattern": PATTERNS,
    "evidence": EVIDENCE,
}


@dataclass(slots=True)
class Item:
    """An incident as a list shows it."""

    id: str
    headline: str
    state: str
    label: str
    status: str
    place: str
    country: str | None
    onset: datetime
    until: datetime | None
    seconds: int
    now: float
    #: None: it is not known yet.
    usual: float | None
    networks: int
    networks_live: int
    simulated: bool
    confirmed: bool
    false_alarm: bool
    #: It turned out to be nothing.
    retracted: bool
    mechanism: str | None
    kind: str


class NotFoundError(Exception):
    """There is no such page; the message says what there is."""


class Site:
    """All pages of one observatory."""

    def __init__(self, observatory: Observatory, history: History, settings: Settings) -> None:
        self.observatory = observatory
        self.history = history
        self.settings = settings
        # How readers reach it: set once the port is open, where no setting says it.
        self.public_url = settings.page.public_url or ""
        self._own = settings.incidents
        self._days: dict[tuple[str, bool], tuple[tuple[int, int], tuple[str, float | None]]] = {}

    # shared

    def frame(self, lang: Language, now: datetime, path: str) -> dict[str, Any]:
        """What every page has: lang, time, where it stands, and whether anything on it is made up."""
        observatory = self.observatory
        newest = observatory.newest
        return {
            "lang": lang,
            "_": lang.gettext,
            "counted": lang.counted,
            "say": lambda table, key: lang.gettext(_TABLES[table].get(key, key)),
            "languages": [(code, language(code)) for code in LANGUAGES],
            "now": now,
            "newest": newest,
            "stale": newest is None or now - newest > timedelta(minutes=15),
            "path": path,
            "replay": observatory.replay,
            "simulated": self._anything_simulated(),
            "labels": LABELS,
            "title": self.settings.page.title,
            "version": observatory.version,
        }

    def _anything_simulated(self) -> bool:
        coverage = self.observatory.recent.coverage
        return any(simulated and country != CANARY for country, simulated in coverage) or any(
            case.last.simulated for case in self.observatory.cases.values() if case.last.country != CANARY
        )

    def item(self, case: ShownIncident, lang: Language) -> Item:
        """One incident for a list."""
        last = case.last
        state = state_of(last)
        return Item(
            id=last.id,
            headline=lang.headline(last, self._own),
            state=state.value,
            label=lang.gettext(LABELS[state]),
            status=last.status.value,
            place=self.place(last, lang),
            country=last.country,
            onset=last.onset,
            until=last.resolved,
            seconds=self.lasting(last),
            now=last.reachability.now,
            usual=last.reachability.usual if last.reachability.usual_learned else None,
            networks=sum(network.recovered is None for network in last.networks),
            networks_live=last.networks_live,
            simulated=last.simulated,
            confirmed=last.confirmed,
            false_alarm=case.false_alarm is not None,
            retracted=last.retracted,
            mechanism=None if last.mechanism is None else last.mechanism.name,
            kind=last.kind.value,
        )

    def in_short(self, incident: Incident, lang: Language) -> list[str]:
        """What was measured: the record's own sentence, or in other languages its figures with their labels."""
        if lang.code == "en":
            return [incident.summary]
        gettext, form = lang.gettext, "d MMMM y, HH:mm"
        onset = lang.moment(incident.onset, form)
        if incident.resolved is not None:
            parts = [f"{onset} – {lang.moment(incident.resolved, form)} UTC"]
        else:
            parts = [f"{gettext('since')} {onset} UTC"]
        now, usual = (lang.percent(one) for one in (incident.reachability.now, incident.reachability.usual))
        if incident.kind is Kind.CONNECTIVITY:
            parts.append(f"{gettext('Results that arrive')}: {now}")
        else:
            figure = f"{now} {gettext('of attempts succeed')}"
            learned = incident.reachability.usual_learned
            parts.append(f"{figure}, {gettext('usual')} {usual}" if learned else figure)
        if incident.kind is not Kind.GLOBAL and incident.networks:
            live = max(incident.networks_live, len(incident.networks))
            figures = {"n": lang.number(len(incident.networks)), "all": lang.number(live)}
            parts.append(gettext("%(n)s of %(all)s networks") % figures)
        if incident.mechanism is not None:
            share = gettext("Of all failures %(share)s are") % {
                "share": lang.percent(incident.mechanism.share)
            }
            parts.append(f"{share} {lang.failing(incident.mechanism.name)}")
        return [gettext("Simulated").upper(), *parts] if incident.simulated else parts

    def lasting(self, incident: Incident) -> int:
        """Seconds from an incident's onset to its end; while it lasts, to the newest that is known."""
        newest = self.observatory.newest
        if incident.status is Status.RESOLVED or newest is None:
            return incident.duration_seconds
        return max(incident.duration_seconds, int((newest - incident.onset).total_seconds()))

    def place(self, incident: Incident, lang: Language) -> str:
        """Where an incident is."""
        if incident.country is None:
            return lang.counted("%(n)s country", "%(n)s countries", len(incident.countries))
        return lang.country(incident.country, self._own)

    def network(self, asn: int) -> str:
        """A network's name with its number, as far as it is known."""
        if is_unnamed(asn):
            return unnamed_network(asn)
        name = self._own.network_names.get(asn)
        if name is None:
            for case in self.observatory.cases.values():
                name = next((one.name for one in case.last.networks if one.asn == asn and one.name), None)
                if name is not None:
                    break
        return f"{name} (AS{asn})" if name else f"AS{asn}"

    def region(self, code: str) -> str:
        """A region's name with its code."""
        return region_label(code, self._own.country_names)

    def platform(self, name: str) -> str:
        """A platform's name."""
        return platform_name(name, self._own)

    # pages

    def now(self, lang: Language, clock: datetime) -> dict[str, Any]:
        """The first page: the map, what is open, what was of late, on how much all of it rests."""
        observatory = self.observatory
        now = observatory.now(clock)
        standings = observatory.standings(clock)
        known = [one for one in standings.values() if one.coverage is not None or one.open]
        opened = observatory.open()
        lately = [
            case
            for case in observatory.incidents(since=now - _LATELY)
            if case.last.country != CANARY and (case.last.status is Status.RESOLVED or case.false_alarm)
        ][:LISTED_MAX]
        counts = {state: sum(one.state is state for one in standings.values()) for state in State}
        watched = [one for one in known if one.state is not State.UNKNOWN]
        return self.frame(lang, now, "/") | {
            "map": world_map.svg(
                known,
                lang.gettext("The world by country"),
                lambda one: self._standing_words(one, lang),
                lambda code: address(f"/country/{code}", lang),
                lambda code: lang.country(code, self.settings.incidents),
            ),
            "lead": self._lead(opened[0], lang) if opened else None,
            "open": [self.item(case, lang) for case in opened],
            "lately": [self.item(case, lang) for case in lately],
            "counts": counts,
            "known": sorted(
                (self._country_row(one, lang, now) for one in known),
                key=lambda row: (ORDER[row["state"]], row["name"]),
            ),
            "watched": len(watched),
            "learning": counts[State.LEARNING],
            "unwatched": len(COUNTRIES) - len(watched),
            "networks": sum(one.coverage.networks_live for one in watched if one.coverage),
            "vantages": sum(one.coverage.vantages for one in watched if one.coverage),
        }

    def _standing_words(self, one: CountryStanding, lang: Language) -> str:
        name = lang.country(one.country, self._own)
        words = lang.gettext(LABELS[one.state])
        simulated = lang.gettext("simulated")
        return f"{name}: {words} ({simulated})" if one.simulated else f"{name}: {words}"

    def _country_row(self, one: CountryStanding, lang: Language, now: datetime) -> dict[str, Any]:
        coverage = one.coverage
        simulated = bool(coverage and coverage.simulated)
        line, reachability = self._day(one.country, simulated, now, dark=one.state is State.DARK)
        return {
            "code": one.country,
            "name": lang.country(one.country, self._own),
            "state": one.state,
            "label": lang.gettext(LABELS[one.state]),
            "heard": one.heard,
            "networks": coverage.networks_live if coverage else 0,
            "vantages": coverage.vantages if coverage else 0,
            "arrived": coverage.came / coverage.awaited if coverage and coverage.awaited > 0 else None,
            "simulated": one.simulated,
            "open": len(one.open),
            "spark": line,
            "reachability": reachability,
        }

    def _day(self, country: str, simulated: bool, now: datetime, *, dark: bool) -> tuple[str, float | None]:
        """A country's last day as a small line, and its last ratio; drawn anew where something has changed.

        Where connectivity is lost, what does not arrive is missing too: the few results that do may be well.
        """
        key = (self.observatory.changed.get(country, 0), int(now.timestamp()) // 1800)
        kept = self._days.get((country, simulated))
        if kept is None or kept[0] != key:
            rows = self.history.recent.series(
                country, simulated, now - _DAY, now + timedelta(minutes=5), by="all", step=1800
            )
            last = rows[-1].reachability if rows else None
            if dark:
                rows = _arriving(rows)
            kept = (key, (spark(rows, now), last))
            self._days[country, simulated] = kept
        return kept[1]

    def _lead(self, case: ShownIncident, lang: Language) -> dict[str, Any]:
        last = case.last
        span = self._span(last)
        return {
            "start": span.start,
            "end": span.end,
            "item": self.item(case, lang),
            "summary": last.summary,
            "short": self.in_short(last, lang),
            "chart": self.incident_chart(case, lang, head=4),
        }

    def country(
        self,
        code: str,
        lang: Language,
        clock: datetime,
        start: datetime | None = None,
        end: datetime | None = None,
        by: str = "platform",
    ) -> dict[str, Any]:
        """One country: its platforms over time, networks, regions, incidents, what is planned."""
        if code not in COUNTRIES:
            raise NotFoundError(f"{code}: no country has this code")
        observatory = self.observatory
        self.history.begin()
        now = observatory.now(clock)
        standing = observatory.standing(code, clock)
        name = lang.country(code, self._own)
        bounds = self.history.bounds(code)
        start, end = _span_shown(start, end, bounds, now)
        cases = list(observatory.incidents(country=code))[:LISTED_MAX]
        events = [one for one in observatory.calendar.values() if one.country == code]
        offset = timedelta(seconds=local_seconds(code, int(end.timestamp())) - int(end.timestamp()))
        chart = self._country_chart(code, lang, (start, end), by, cases, _shades(cases, events, now))
        networks = self._table(code, start, end, "network")
        regions = self._table(code, start, end, "region")
        return self.frame(lang, now, f"/country/{code}") | {
            "code": code,
            "name": name,
            "standing": standing,
            "locator": world_map.locator(code, standing.state, name),
            "label": lang.gettext(LABELS[standing.state]),
            "coverage": standing.coverage,
            "fresh": standing.state is not State.UNKNOWN,
            "chart": charts(chart, f"c-{by}"),
            "chart_lines": len(chart.lines),
            "start": start,
            "end": end,
            "offset": offset,
            "step": step_for(start, end),
            "by": by,
            "bounds": bounds,
            "networks": networks,
            "regions": [row for row in regions if row["name"] != "not told"],
            "open": [self.item(case, lang) for case in cases if case.last.status is not Status.RESOLVED],
            "past": [self.item(case, lang) for case in cases if case.last.status is Status.RESOLVED],
            "events": sorted(
                (one for one in events if one.end > now - _LATELY), key=lambda one: (one.start, one.id)
            )[:20],
            "spans": self._spans(end, bounds, lang),
            "unread": self.history.failed or self.history.holes,
        }

    def _country_chart(
        self,
        code: str,
        lang: Language,
        span: tuple[datetime, datetime],
        by: str,
        cases: Sequence[ShownIncident],
        shades: Sequence[draw.Shade],
    ) -> draw.Chart:
        """Reachability of a country over a span, a line a platform, network or region; what is lost now stands out."""
        start, end = span
        lost = {
            name for case in cases if case.last.status is not Status.RESOLVED for name in case.last.platforms
        }
        return chart_of(
            self.history.rows(code, start, end, by=by),
            start,
            end,
            step_for(start, end),
            title=f"{lang.country(code, self._own)}: " + lang.gettext("Reachability"),
            names=self.line_names(by),
            note=lambda own: self.line_note(own, lang),
            speech=_speech(lang),
            shades=[one for one in shades if one.end > start and one.start < end],
            bad=frozenset(lost) if by == "platform" else frozenset(),
            links=self._linking(by, lang),
        )

    def line_names(self, by: str) -> Callable[[str], str]:
        """What says how a chart's line is called, where each line is a platform, a network or a region."""
        return {
            "platform": self.platform,
            "network": lambda name: self.network(int(name[2:])),
            "region": self.region,
        }.get(by, lambda name: name)

    def _linking(self, by: str, lang: Language) -> Any:
        if by == "platform":
            return lambda name: address(f"/platform/{name}", lang)
        if by == "network":
            return lambda name: address(f"/network/{name}", lang)
        return None

    def _spans(
        self, end: datetime, bounds: tuple[datetime, datetime] | None, lang: Language
    ) -> list[tuple[str, str]]:
        spans = []
        for length in (_DAY, 7 * _DAY, 31 * _DAY, 365 * _DAY):
            if bounds is None or (length > _DAY and bounds[1] - bounds[0] <= length / 7):
                continue
            name = lang.span(length // timedelta(hours=1))
            spans.append((name, urlencode({"from": iso(end - length), "to": iso(end)})))
        return spans

    def line_note(self, rows: Sequence[RecentRow], lang: Language) -> str:
        """The last figure of a line, and what is usual."""
        if not rows:
            return lang.gettext("nothing was measured")
        last = rows[-1]
        text = lang.percent(last.reachability)
        if last.expected is not None:
            usual = lang.gettext("usual")
            text += f" · {usual} {lang.percent(last.expected)}"
        if last.failure and last.reachability < 0.8:
            text += f" · {lang.failing(last.failure)}"
        return text

    def _table(self, code: str, start: datetime, end: datetime, by: str) -> list[dict[str, Any]]:
        """A row a network or region: results, worst step, present."""
        rows = self.history.rows(code, start, end, by=by)
        table: dict[str, list[RecentRow]] = {}
        for row in rows:
            table.setdefault(row.name, []).append(row)
        return [
            {
                "name": name,
                "label": self.line_names(by)(name),
                "n": sum(row.n for row in own),
                "now": own[-1].reachability,
                "usual": own[-1].expected,
                "lowest": min(own, key=lambda row: row.reachability).reachability,
                "failure": own[-1].failure,
                "ttfb_ms": own[-1].ttfb_ms,
            }
            for name, own in sorted(table.items(), key=lambda pair: -sum(row.n for row in pair[1]))
        ]

    # an incident

    def case(self, name: str) -> ShownIncident:
        """The incident of an id. Raises NotFoundError."""
        case = self.observatory.cases.get(name)
        if case is None:
            raise NotFoundError(f"{name}: no such incident")
        return case

    def report(self, case: ShownIncident) -> Report:
        """An incident's report, its results counted from the windows."""
        last = case.last
        tally = MinuteCounts(last, self._span(last))
        self._count(tally, last)
        observatory = self.observatory
        others = [observatory.cases[name].last for name in last.previous if name in observatory.cases]
        return build(
            case.snapshots,
            tally,
            settings=self.settings,
            events=[one for one in observatory.calendar.values() if one.id in last.coincides],
            others=others,
            check=(),
            now=self.observatory.newest,
        )

    def _span(self, incident: Incident) -> Span:
        """What is shown of an incident, in time."""
        span = Span.around(incident)
        if incident.status is not Status.RESOLVED and self.observatory.newest is not None:
            span.end = max(span.end, self.observatory.newest)
        return span

    def _count(self, tally: MinuteCounts, incident: Incident) -> None:
        if incident.country is None:
            return
        span = tally.span
        for platform in self.platforms_of(incident):
            rows = self.history.rows(
                incident.country,
                floor(span.start),
                span.end,
                by="network",
                platform=platform,
                simulated=incident.simulated,
                step=STEP,
            )
            for row in rows:
                cell = tally.parts.setdefault((platform, row.name), {})
                cell[int(row.time.timestamp()) // 60] = [row.n, row.k]

    def platforms_of(self, incident: Incident) -> list[str]:
        """The platforms that an incident is drawn by: its own, or for a loss of connectivity all of the country."""
        if incident.platforms or incident.country is None:
            return list(incident.platforms)
        return list(self.history.recent.names(incident.country, incident.simulated, 0))[:_LINES_MAX]

    def incident_chart(
        self, case: ShownIncident, lang: Language, head: int | None = None
    ) -> dict[str, Any] | None:
        """Return the lines of `incident_lines` as drawings, for wide and for narrow pages."""
        chart = self.incident_lines(case, lang, head)
        return None if chart is None else charts(chart, f"i-{case.last.id}")

    def incident_lines(
        self, case: ShownIncident, lang: Language, head: int | None = None
    ) -> draw.Chart | None:
        """The platforms of an incident over its time, and the two others of its country with most results."""
        last = case.last
        if last.country is None:
            return None
        span = Span.around(last)
        newest = self.observatory.newest or last.updated
        until = newest if last.status is not Status.RESOLVED else min(span.end, newest)
        start = floor(span.start)
        end = floor(max(until, last.updated) + timedelta(seconds=STEP - 1))
        rows = self.history.rows(last.country, start, end, simulated=last.simulated)
        own = list(last.platforms)
        if last.kind is Kind.CONNECTIVITY:
            rows = self._arrivals(case, rows, start, end)
            own = ["results"]
        many: dict[str, int] = {}
        for row in rows:
            many[row.name] = many.get(row.name, 0) + row.n
        others = sorted((name for name in many if name not in own), key=lambda name: (-many[name], name))[:2]
        chosen = [*own[: head or _LINES_MAX], *(others if head is None or len(own) < head else [])]
        rows = [row for row in rows if row.name in chosen]
        if not rows:
            return None
        naming = {"results": lang.gettext("Results that arrive")}
        chart = chart_of(
            rows,
            start,
            end,
            step_for(start, end),
            title=lang.headline(last, self._own),
            names=lambda name: naming.get(name) or self.platform(name),
            note=lambda points: self.line_note(points, lang),
            speech=_speech(lang),
            order=chosen,
            shades=[draw.Shade(last.onset, last.resolved or end)],
            bad=frozenset(own) if last.status is not Status.RESOLVED else frozenset(),
        )
        return chart

    def _arrivals(
        self, case: ShownIncident, rows: Sequence[RecentRow], start: datetime, end: datetime
    ) -> list[RecentRow]:
        """How many results came in each step, of those usual before the onset: how a loss of connectivity is seen."""
        step = step_for(start, end)
        counts: dict[int, int] = {}
        for row in rows:
            number = int(row.time.timestamp()) // step
            counts[number] = counts.get(number, 0) + row.n
        numbers = range(int(start.timestamp()) // step, -(-int(end.timestamp()) // step))
        before = [counts.get(one, 0) for one in numbers if (one + 1) * step <= case.last.onset.timestamp()]
        usual = sum(before) / len(before) if before else 0.0
        if usual <= 0:
            return list(rows)
        return [
            RecentRow(
                time=datetime.fromtimestamp(number * step, UTC),
                name="results",
                n=counts.get(number, 0),
                k=counts.get(number, 0),
                reachability=min(1.0, counts.get(number, 0) / usual),
                expected=1.0,
                ttfb_ms=None,
                failure=None,
                simulated=case.last.simulated,
            )
            for number in numbers
        ]

    def incident(self, name: str, lang: Language, clock: datetime) -> dict[str, Any]:
        """One incident: its report."""
        case = self.case(name)
        last = case.last
        now = self.observatory.now(clock)
        self.history.begin()
        report, chart = self.report(case), self.incident_chart(case, lang)
        url = f"{self.public_url}/incident/{last.id}"
        return self.frame(lang, now, f"/incident/{name}") | {
            "case": case,
            "item": self.item(case, lang),
            "r": report,
            "last": last,
            "short": self.in_short(last, lang),
            "chart": chart,
            "unread": self.history.failed or self.history.holes,
            "url": url,
            "local": None
            if last.country is None
            else (lambda moment: lang.local(last.country or "", moment)),
            "regions": [self.region(code) for code in last.regions],
            "locator": ""
            if last.country is None
            else world_map.locator(
                last.country,
                "over" if last.status is Status.RESOLVED or case.false_alarm else state_of(last),
                lang.country(last.country, self._own),
            ),
            "share": address(f"{self.public_url}/incident/{last.id}.png", lang),
            "cite": citation(self.settings.page.title, last, self._own, url),
            "bibtex": bibtex(self.settings.page.title, last, self._own, url),
            "linked": [
                self.item(self.observatory.cases[one], lang)
                for one in last.linked
                if one in self.observatory.cases
            ],
            "may_annotate": self.settings.page.token is not None,
        }

    def share(self, name: str, lang: Language | None = None) -> tuple[Card, draw.Chart | None]:
        """An incident as a picture to share: what stands on it, and its worst lines."""
        case = self.case(name)
        lang = lang or language("en")
        chart = self.incident_lines(case, lang, head=4)
        url = f"{self.public_url}/incident/{name}".partition("://")[2]
        source = lang.gettext("Source") + f": {self.settings.page.title}, {url}"
        if lang.code != "en":
            return self._card(case, lang, source), chart
        marks = ("false alarm",) if case.false_alarm is not None else ()
        return card_of(self.report(case), source, marks), chart

    def _card(self, case: ShownIncident, lang: Language, source: str) -> Card:
        """What stands on the picture, in another language than the report's."""
        last, report, gettext = case.last, self.report(case), lang.gettext
        over = last.status is Status.RESOLVED
        shown = report.worst if over else report.now
        usual = f", {gettext('usual')} {lang.percent(shown.usual)}" if shown.usual_learned else ""
        arrive = gettext("Results that arrive")
        connectivity = last.kind is Kind.CONNECTIVITY
        succeed = arrive if connectivity else gettext("of attempts succeed")
        label = gettext(LABELS[state_of(last)])
        onset = lang.moment(last.onset, "d MMMM y")
        if last.country is not None:
            onset += f", {lang.local(last.country, last.onset)} {gettext('there')}"
        marks = [
            gettext(text)
            for text, holds in (
                ("Unconfirmed", not last.confirmed),
                ("false alarm", case.false_alarm is not None),
            )
            if holds and gettext(text) != label
        ]
        measure = gettext(
            "Share of attempts that succeed. Dashed: what is usual. Red: what is missing of it. Times are UTC."
        )
        return Card(
            kicker=f"{self.place(last, lang)} · {label}" + (f", {gettext('over')}" if over else ""),
            headline=lang.headline(last, self._own),
            figures=(
                (lang.percent(shown.now), f"{gettext('at the worst') if over else succeed}{usual}"),
                (f"{last.onset:%H:%M} UTC", onset),
                (
                    lang.duration(report.duration_seconds),
                    gettext("in all") if over else gettext("so far"),
                ),
                (
                    str(len(report.networks)),
                    gettext("Countries")
                    if last.kind is Kind.GLOBAL
                    else gettext("Networks")
                    + ", "
                    + gettext("of %(n)s that report") % {"n": lang.number(last.networks_live)},
                ),
            ),
            measure=arrive if connectivity else measure,
            source=source,
            simulated=last.simulated,
            marks=marks,
            words=CardWords(
                gettext("Simulated").upper(),
                gettext("Figures marked so were made for a test or an exercise. Nothing of them happened."),
                gettext("nothing was measured"),
                gettext("Brown: planned events."),
                lang.direction == "rtl",
            ),
        )

    # networks, platforms, all incidents, method

    def network_page(self, asn: int, lang: Language, clock: datetime) -> dict[str, Any]:
        """One network: in which countries it is, and what it has lost."""
        now = self.observatory.now(clock)
        places = []
        for (country, simulated), coverage in sorted(self.history.recent.coverage.items()):
            if asn not in self.history.recent.names(country, simulated, 2):
                continue
            end = floor(datetime.fromtimestamp(coverage.end, UTC) + timedelta(seconds=STEP - 1))
            places.append((country, simulated, end))
        cases = list(self.observatory.incidents(asn=asn))[:LISTED_MAX]
        if not places and not cases:
            raise NotFoundError(f"AS{asn}: nothing was heard from this network lately")
        drawn = []
        for country, simulated, end in places[:6]:
            start = end - _DAY
            rows = self.history.rows(country, start, end, by="platform", asn=asn, simulated=simulated)
            title = f"{self.network(asn)}, {lang.country(country, self._own)}"
            chart = chart_of(
                rows,
                start,
                end,
                step_for(start, end),
                title=title,
                names=self.platform,
                note=lambda own: self.line_note(own, lang),
                speech=_speech(lang),
                links=self._linking("platform", lang),
                shades=[
                    draw.Shade(case.last.onset, case.last.resolved or now)
                    for case in cases
                    if case.last.country == country and (case.last.resolved or now) > start
                ],
            )
            drawn.append(
                {
                    "country": country,
                    "name": lang.country(country, self._own),
                    "chart": charts(chart, f"n-{country}"),
                    "simulated": simulated,
                }
            )
        return self.frame(lang, now, f"/network/AS{asn}") | {
            "asn": asn,
            "name": self.network(asn),
            "places": drawn,
            "incidents": [self.item(case, lang) for case in cases],
        }

    def platform_page(self, name: str, lang: Language, clock: datetime) -> dict[str, Any]:
        """One platform: how it stands in every country."""
        now = self.observatory.now(clock)
        rows = []
        for country, simulated, end, own in self.by_country(name):
            last = own[-1]
            rows.append(
                {
                    "country": country,
                    "name": lang.country(country, self._own),
                    "now": last.reachability,
                    "usual": last.expected,
                    "failure": last.failure if last.reachability < 0.8 else None,
                    "n": sum(row.n for row in own),
                    "spark": spark(own, end),
                    "simulated": simulated,
                    "heard": end,
                }
            )
        cases = list(self.observatory.incidents(platform=name))[:LISTED_MAX]
        if not rows and not cases:
            raise NotFoundError(f"{name}: nobody measures this platform here")
        return self.frame(lang, now, f"/platform/{name}") | {
            "code": name,
            "name": self.platform(name),
            "rows": sorted(rows, key=lambda row: (row["now"], row["name"])),
            "chart": charts(self.platform_chart(name, lang), "p") if rows else None,
            "incidents": [self.item(case, lang) for case in cases],
        }

    def by_country(
        self, name: str, *, step: int = 1800, simulated: bool | None = None
    ) -> Iterator[tuple[str, bool, datetime, list[RecentRow]]]:
        """Yield each country in which a platform was measured lately, whether simulated, to when, and its last day."""
        recent = self.history.recent
        for (country, made_up), coverage in sorted(recent.coverage.items()):
            if country == CANARY or simulated not in (None, made_up):
                continue
            if name not in recent.names(country, made_up, 0):
                continue
            end = datetime.fromtimestamp(coverage.end, UTC)
            rows = recent.series(
                country, made_up, end - _DAY, end, by="platform", platforms=[name], step=step
            )
            if rows:
                yield country, made_up, end, rows

    def platform_chart(self, name: str, lang: Language) -> draw.Chart:
        """The last day of a platform in the countries in which least attempts succeed, the worst first."""
        places = sorted(self.by_country(name), key=lambda place: (place[3][-1].reachability, place[0]))
        places = places[:_PLACES_MAX]
        end = floor(max(place[2] for place in places) + timedelta(seconds=STEP - 1))
        marked = lang.gettext("simulated")
        names, rows = {}, []
        for country, simulated, _, _ in places:
            key = f"{country}-{simulated}"
            own = lang.country(country, self._own)
            names[key] = f"{own} ({marked})" if simulated else own
            rows += [
                msgspec.structs.replace(row, name=key)
                for row in self.history.recent.series(
                    country, simulated, end - _DAY, end, by="platform", platforms=[name]
                )
            ]
        lost = {
            f"{case.last.country}-{case.last.simulated}"
            for case in self.observatory.open()
            if name in case.last.platforms
        }
        return chart_of(
            rows,
            end - _DAY,
            end,
            STEP,
            title=self.platform(name),
            names=names.__getitem__,
            note=lambda own: self.line_note(own, lang),
            speech=_speech(lang),
            order=list(names),
            bad=frozenset(lost),
            links=lambda key: address(f"/country/{key[:2]}", lang),
        )

    def incidents(
        self, lang: Language, clock: datetime, filters: Mapping[str, Any], page: int
    ) -> dict[str, Any]:
        """All incidents that fit, newest first, a page of them."""
        now = self.observatory.now(clock)
        cases = [case for case in self.observatory.incidents(**filters) if case.last.country != CANARY]
        counted = [case for case in cases if case.false_alarm is None]
        first = page * LISTED_MAX
        return self.frame(lang, now, "/incidents") | {
            "incidents": [self.item(case, lang) for case in cases[first : first + LISTED_MAX]],
            "total": len(counted),
            "false_alarms": len(cases) - len(counted),
            "page": page,
            "more": first + LISTED_MAX < len(cases),
            "filters": dict.fromkeys(("country", "platform", "status", "severity"), "")
            | {name: getattr(value, "value", value) for name, value in filters.items()},
            "countries": sorted(
                {one.last.country for one in self.observatory.cases.values() if one.last.country}
            ),
            "platforms": sorted(
                {name for one in self.observatory.cases.values() for name in one.last.platforms}
            ),
            "names": {
                name: self.platform(name)
                for one in self.observatory.cases.values()
                for name in one.last.platforms
            },
            "severities": [one.value for one in Severity],
        }

    def about(self, lang: Language, clock: datetime) -> dict[str, Any]:
        """How we know: method, who reports from where, what can't be seen."""
        now = self.observatory.now(clock)
        known = [one for one in self.observatory.standings(clock).values() if one.coverage is not None]
        canary = self.observatory.recent.coverage.get((CANARY, True))
        return self.frame(lang, now, "/about") | {
            "rows": [self._country_row(one, lang, now) for one in known],
            "unwatched": len(COUNTRIES) - len(known),
            "canary": None if canary is None else datetime.fromtimestamp(canary.end, UTC),
            "windows": self.observatory.windows,
            "left_out": self.observatory.recent.left_out,
            "settings": self.settings,
        }


def _span_shown(
    start: datetime | None, end: datetime | None, bounds: tuple[datetime, datetime] | None, now: datetime
) -> tuple[datetime, datetime]:
    """Return the span that is meant, in whole steps: a day where one end or both are left open."""
    if end is None:
        end = (start + _DAY) if start else min(now, bounds[1]) if bounds else now
    if start is None:
        start = end - _DAY
    return floor(start), floor(end + timedelta(seconds=STEP - 1))


def _shades(
    cases: Sequence[ShownIncident], events: Sequence[CalendarEvent], now: datetime
) -> list[draw.Shade]:
    """Return what a chart marks in time: incidents that were no false alarm, then what is planned."""
    incidents = [
        draw.Shade(case.last.onset, case.last.resolved or now) for case in cases if case.false_alarm is None
    ]
    return incidents + [draw.Shade(one.start, one.end, one.title, "planned") for one in events]


def _speech(lang: Language) -> draw.Speech:
    """A chart's words in a language."""
    if lang.code == "en":
        return draw.ENGLISH
    return draw.Speech(
        lang.gettext("from %(least)s to %(most)s, last %(last)s"),
        lang.gettext("nothing was measured"),
        lang.percent,
        lang.moment,
    )


def charts(chart: draw.Chart, ident: str) -> dict[str, Any]:
    """A chart for wide and for narrow pages, and its figures for whoever draws it anew."""
    return {
        "wide": draw.svg(chart, draw.WIDE, ident=f"{ident}-w"),
        "narrow": draw.svg(chart, draw.NARROW, ident=f"{ident}-n"),
        "words": draw.describe(chart),
    }


def spark(rows: Sequence[RecentRow], now: datetime) -> str:
    """A day's line as a small SVG: what is missing of the usual hangs from the top, in red."""
    width, height, steps = 120, 22, 48
    begin = int((now - _DAY).timestamp()) // 1800 + 1
    each = width / steps
    here: list[float | None] = [None] * steps
    missing: list[float | None] = [None] * steps
    for row in rows:
        place = int(row.time.timestamp()) // 1800 - begin
        if 0 <= place < steps:
            here[place] = round(height * (1 - min(1.0, row.reachability)), 1)
            if (row.expected or 1.0) - row.reachability > draw.LOSS_LEAST:
                missing[place] = here[place]
    shapes = "".join(
        f'<path class="{name}" d="{"".join(_steps(heights, each, base))}"/>'
        for name, heights, base in (("c-area", here, height), ("c-loss", missing, 0))
    )
    return f'<svg class="spark" viewBox="0 0 {width} {height}" aria-hidden="true">{shapes}</svg>'


def _arriving(rows: Sequence[RecentRow]) -> list[RecentRow]:
    """Rows of which what came counts, against what usually comes, beside what succeeds."""
    usual = median(row.n for row in rows) if rows else 0
    if not usual:
        return list(rows)
    return [
        msgspec.structs.replace(row, reachability=row.reachability * min(1.0, row.n / usual)) for row in rows
    ]


def _steps(heights: Sequence[float | None], each: float, base: int) -> Iterator[str]:
    """Steps as a path from a base, a shape a stretch without a gap, so that no hairlines part them."""
    for begin, end in draw.runs(heights):
        yield f"M{begin * each:g} {base}"
        for place in range(begin, end):
            if place == begin or heights[place] != heights[place - 1]:
                yield f"H{place * each:g}V{heights[place]:g}"
        yield f"H{end * each:g}V{base}z"


def address(path: str, lang: Language) -> str:
    """A path in a language."""
    return path if lang.code == "en" else f"{path}?lang={lang.code}"


def floor(moment: datetime) -> datetime:
    """The step that a moment is in."""
    return datetime.fromtimestamp(int(moment.timestamp()) // STEP * STEP, UTC)


def iso(moment: datetime) -> str:
    """A moment as addresses have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
