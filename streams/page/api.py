"""The API: what each address answers, with which parameters, as one table; the OpenAPI document is made from it.

Answers are records or plain figures, never sentences made for people. No network here: a query goes in, an answer comes
out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from producers.countries import CANARY, COUNTRIES
from streams.page.history import SPAN_MAX, ShelfError
from streams.page.observatory import ShownIncident, State, place_of
from streams.page.recent import STEP, RecentRow
from streams.page.site import Site
from streams.records import Annotation, Incident, Kind, Severity

LIMIT_MAX: Final = 200
_LIMIT: Final = 50
#: Seconds a step of a platform's day in every country, where nothing else is asked for.
_PLATFORM_STEP: Final = 1800
#: Finer steps of all countries at once would be 12 MB.
_PLATFORM_STEP_LEAST: Final = 900
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z?)?")
_NAME: Final = r"^[A-Za-z0-9._-]{1,128}$"


class QueryError(Exception):
    """A query that can't be answered; the message names the parameter, the value and the remedy."""


class AbsentError(Exception):
    """There is nothing under this name."""


# answers


class IncidentPage(Struct, kw_only=True):
    """Incidents as they stand, the newest onset first; `next` is the cursor of those that follow."""

    data: list[Incident]
    false_alarms: list[str]
    next: str | None


class IncidentAnswer(Struct, kw_only=True):
    """One incident: how it stands, every snapshot, and what people say of it."""

    data: Incident
    snapshots: list[Incident]
    annotations: list[Annotation]
    false_alarm: bool
    url: str


class CountryAnswer(Struct, kw_only=True):
    """How a country stands and on how much that rests. Neither `learning` nor `unknown` is good news."""

    country: str
    name: str
    state: State
    heard: datetime | None
    networks_live: Annotated[int, Meta(ge=0)]
    vantages: Annotated[int, Meta(ge=0)]
    arrived: float | None
    simulated: bool
    open: list[str]


class CountryPage(Struct, kw_only=True):
    """All countries, at a minute."""

    at: datetime
    data: list[CountryAnswer]


class Named(Struct, kw_only=True):
    """A platform or network, and the countries in which it was measured lately."""

    name: str
    label: str
    countries: list[str]


class NamedPage(Struct, kw_only=True):
    """All platforms or networks."""

    data: list[Named]


class SeriesAnswer(Struct, kw_only=True):
    """Lines over a span of 400 days at most, the last ones; a step in which nothing was measured has no row."""

    country: str
    start: datetime
    end: datetime
    by: str
    data: list[RecentRow]


class PlatformSeries(Struct, kw_only=True):
    """A platform's last day, a line a country: `name` of a row is its code. Steps without a result have no row."""

    platform: str
    data: list[RecentRow]


class AnnotationPage(Struct, kw_only=True):
    """What people say of incidents."""

    data: list[Annotation]


class Problem(Struct, kw_only=True):
    """Why a query was not answered."""

    error: str


# parameters


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query: its JSON Schema, and how its text is read."""

    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    about: str


def _one_of(values: Sequence[str], about: str, make: Callable[[str], Any] = str) -> Parameter:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(f"choose from {', '.join(values)}")
        return make(text)

    return Parameter({"type": "string", "enum": list(values)}, read, about)


def _whole(least: int, most: int, about: str) -> Parameter:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return Parameter({"type": "integer", "minimum": least, "maximum": most}, read, about)


def _text(pattern: str, about: str, hint: str) -> Parameter:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(hint)
        return text

    return Parameter({"type": "string", "pattern": pattern}, read, about)


def moment(text: str) -> datetime:
    """A moment in UTC, as addresses have it. Raises ValueError.

    >>> moment("2024-01-20T13:40Z").isoformat()
    '2024-01-20T13:40:00+00:00'
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError("write it like 2024-01-20 or 2024-01-20T13:40Z; it is UTC")
    made = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
    if not 1971 <= made.year <= 2199:
        raise ValueError("a year from 1971 to 2199")
    return made


_MOMENT_SCHEMA: Final = {
    "type": "string",
    "pattern": (
        r"^(19[89][0-9]|20[0-9][0-9])-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
        r"(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?Z?)?$"
    ),
    "example": "2024-01-20T13:40Z",
}


def _country(text: str) -> str:
    if text not in COUNTRIES:
        raise ValueError("a country code of ISO 3166-1 alpha-2 in capitals, like PK")
    return text


_COUNTRY: Final = Parameter({"type": "string", "enum": sorted(COUNTRIES)}, _country, "ISO 3166-1 alpha-2.")
PARAMETERS: Final[Mapping[str, Parameter]] = {
    "country": _COUNTRY,
    "platform": _text(_NAME, "As records name it, like youtube.", "letters, digits, '.', '_' and '-'"),
    "asn": _whole(0, 4_294_967_295, "A network's number."),
    "status": _one_of(("open", "resolved"), "Whether it lasts."),
    "severity": _one_of([one.value for one in Severity], "How much it hurts.", Severity),
    "kind": _one_of([one.value for one in Kind], "What was lost.", Kind),
    "simulated": _one_of(("true", "false"), "Whether it is made up.", lambda text: text == "true"),
    "since": Parameter(_MOMENT_SCHEMA, moment, "Those that lasted at this moment or began after it; UTC."),
    "until": Parameter(_MOMENT_SCHEMA, moment, "Those that began before it; UTC."),
    "from": Parameter(_MOMENT_SCHEMA, moment, "The first moment; UTC."),
    "to": Parameter(_MOMENT_SCHEMA, moment, "The first moment that is not in it; UTC."),
    "by": _one_of(("platform", "network", "region", "all"), "What the lines are."),
    "step": _whole(300, 86_400, "Seconds a step; rounded down to five minutes."),
    "limit": _whole(1, LIMIT_MAX, "How many at most."),
    "cursor": _text(
        r"^[0-9]{1,11}-[A-Za-z0-9._-]{1,128}$", "`next` of the page before.", "take `next` as it was given"
    ),
    "incident": _text(_NAME, "An incident's id.", "letters, digits, '.', '_' and '-'"),
    "format": _one_of(("json", "csv", "parquet"), "How it is written."),
}
_FILTERS: Final = ("country", "platform", "asn", "status", "severity", "kind", "simulated", "since", "until")


@dataclass(frozen=True, slots=True)
class Address:
    """One address of the API."""

    path: str
    summary: str
    parameters: tuple[str, ...]
    answer: type[Struct]
    ask: Callable[[Api, Mapping[str, Any], str], Any]
    needs: tuple[str, ...] = ()
    formats: bool = False
    of_path: str | None = None


class Api:
    """Answers queries."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def ask(self, address: Address, query: Mapping[str, str], of_path: str, clock: datetime) -> Any:
        """Answer a query. Raises QueryError and AbsentError."""
        values: dict[str, Any] = {"clock": clock}
        for name, text in query.items():
            if name not in address.parameters:
                raise QueryError(
                    f"{name}: no such parameter; there are {', '.join(address.parameters) or 'none'}"
                )
            try:
                values[name] = PARAMETERS[name].read(text)
            except ValueError as error:
                raise QueryError(f"{name} = {text[:100]!r}: {error}") from error
        for name in address.needs:
            if name not in values:
                raise QueryError(f"{name} is missing: {PARAMETERS[name].about}")
        for first, second in (("since", "until"), ("from", "to")):
            if first in values and second in values and values[first] >= values[second]:
                raise QueryError(f"{first}, {second}: the first has to be before the second")
        return address.ask(self, values, of_path)

    # each address

    def incidents(self, values: Mapping[str, Any], _: str) -> IncidentPage:
        """A page of incidents."""
        filters = {name: values[name] for name in _FILTERS if name in values}
        after = _read_cursor(values["cursor"]) if "cursor" in values else None
        limit = values.get("limit", _LIMIT)
        chosen: list[ShownIncident] = []
        more = False
        for case in self._site.observatory.incidents(**filters):
            if after is not None and place_of(case.last) >= after:
                continue
            if case.last.country == CANARY:
                continue
            if len(chosen) == limit:
                more = True
                break
            chosen.append(case)
        return IncidentPage(
            data=[case.last for case in chosen],
            false_alarms=[case.last.id for case in chosen if case.false_alarm is not None],
            next=_cursor(chosen[-1]) if more else None,
        )

    def incident(self, values: Mapping[str, Any], name: str) -> IncidentAnswer:
        """One incident."""
        case = self._site.observatory.cases.get(name)
        if case is None:
            raise AbsentError(f"{name}: no such incident")
        return IncidentAnswer(
            data=case.last,
            snapshots=case.snapshots,
            annotations=case.notes,
            false_alarm=case.false_alarm is not None,
            url=f"{self._site.public_url}/incident/{name}",
        )

    def countries(self, values: Mapping[str, Any], _: str) -> CountryPage:
        """Every country."""
        standings = self._site.observatory.standings(values["clock"])
        now = self._site.observatory.now(values["clock"])
        return CountryPage(
            at=now.replace(second=0, microsecond=0),  # so that pages behind a balancer answer alike
            data=[self._country(one) for one in standings.values()],
        )

    def country(self, values: Mapping[str, Any], code: str) -> CountryAnswer:
        """One country."""
        if code not in COUNTRIES:
            raise AbsentError(
                f"{code}: no country has this code; codes are of ISO 3166-1 alpha-2, in capitals"
            )
        return self._country(self._site.observatory.standing(code, values["clock"]))

    def _country(self, one: Any) -> CountryAnswer:
        from streams.page.languages import language  # noqa: PLC0415

        coverage = one.coverage
        return CountryAnswer(
            country=one.country,
            name=language("en").country(one.country, self._site.settings.incidents),
            state=one.state,
            heard=one.heard,
            networks_live=coverage.networks_live if coverage else 0,
            vantages=coverage.vantages if coverage else 0,
            arrived=round(coverage.came / coverage.awaited, 4) if coverage and coverage.awaited > 0 else None,
            simulated=one.simulated,
            open=[incident.id for incident in one.open],
        )

    def coverage(self, values: Mapping[str, Any], _: str) -> CountryPage:
        """The countries of which anything was heard."""
        page = self.countries(values, _)
        return CountryPage(at=page.at, data=[one for one in page.data if one.heard is not None])

    def platforms(self, values: Mapping[str, Any], _: str) -> NamedPage:
        """Every platform that was measured lately."""
        return self._named(0, str, self._site.platform)

    def networks(self, values: Mapping[str, Any], _: str) -> NamedPage:
        """Every network that was heard lately."""
        return self._named(2, lambda asn: f"AS{asn}", self._site.network)

    def _named(self, what: int, name: Callable[[Any], str], label: Callable[[Any], str]) -> NamedPage:
        recent = self._site.history.recent
        countries: dict[Any, set[str]] = {}
        for country, simulated in recent.coverage:
            if country != CANARY:
                for one in recent.names(country, simulated, what):
                    countries.setdefault(one, set()).add(country)
        return NamedPage(
            data=[
                Named(name=name(one), label=label(one), countries=sorted(countries[one]))
                for one in sorted(countries)
            ]
        )

    def series(self, values: Mapping[str, Any], _: str) -> SeriesAnswer:
        """Lines of a country."""
        country, by = values["country"], values.get("by", "platform")
        now = self._site.observatory.now(values["clock"])
        self._site.history.begin()
        bounds = self._site.history.bounds(country)
        end = values.get("to") or (min(now, bounds[1]) if bounds else now)
        start = values.get("from") or end - timedelta(days=1)
        start = max(start, end - SPAN_MAX)
        if start >= end:
            return SeriesAnswer(country=country, start=start, end=end, by=by, data=[])
        rows = self._site.history.rows(
            country,
            start,
            end,
            by=by,
            platform=values.get("platform"),
            asn=values.get("asn"),
            simulated=values.get("simulated"),
            step=values.get("step"),
        )
        if self._site.history.failed:
            raise ShelfError  # half a series would look like a gap
        return SeriesAnswer(country=country, start=start, end=end, by=by, data=rows)

    def platform(self, values: Mapping[str, Any], name: str) -> PlatformSeries:
        """A platform's last day in every country."""
        step = max(values.get("step", _PLATFORM_STEP), _PLATFORM_STEP_LEAST)
        places = self._site.by_country(name, step=step - step % STEP, simulated=values.get("simulated"))
        rows = [msgspec.structs.replace(row, name=country) for country, _, _, rows in places for row in rows]
        if not rows:
            raise AbsentError(f"{name}: nobody measures this platform here")
        return PlatformSeries(platform=name, data=rows)

    def annotations(self, values: Mapping[str, Any], _: str) -> AnnotationPage:
        """What people say, of one incident or of the last ones."""
        observatory = self._site.observatory
        if "incident" in values:
            case = observatory.cases.get(values["incident"])
            return AnnotationPage(data=[] if case is None else case.notes)
        notes = [note for case in observatory.incidents() for note in case.notes]
        notes.sort(key=lambda note: (note.time, note.id), reverse=True)
        return AnnotationPage(data=notes[: values.get("limit", _LIMIT)])


ADDRESSES: Final = (
    Address(
        "/api/v1/incidents",
        "Incidents, the newest first.",
        (*_FILTERS, "limit", "cursor", "format"),
        IncidentPage,
        Api.incidents,
        formats=True,
    ),
    Address(
        "/api/v1/incidents/{id}",
        "One incident, with all its snapshots.",
        (),
        IncidentAnswer,
        Api.incident,
        of_path="id",
    ),
    Address("/api/v1/countries", "How every country stands.", (), CountryPage, Api.countries),
    Address(
        "/api/v1/countries/{country}",
        "How one country stands.",
        (),
        CountryAnswer,
        Api.country,
        of_path="country",
    ),
    Address("/api/v1/coverage", "The countries of which anything was heard.", (), CountryPage, Api.coverage),
    Address("/api/v1/platforms", "Platforms that were measured lately.", (), NamedPage, Api.platforms),
    Address(
        "/api/v1/platforms/{platform}",
        "A platform's last day, a line a country, in steps of a quarter of an hour at least.",
        ("simulated", "step", "format"),
        PlatformSeries,
        Api.platform,
        formats=True,
        of_path="platform",
    ),
    Address("/api/v1/networks", "Networks that were heard lately.", (), NamedPage, Api.networks),
    Address(
        "/api/v1/series",
        "Reachability over time.",
        ("country", "from", "to", "by", "platform", "asn", "simulated", "step", "format"),
        SeriesAnswer,
        Api.series,
        needs=("country",),
        formats=True,
    ),
    Address(
        "/api/v1/annotations",
        "What people say of incidents.",
        ("incident", "limit"),
        AnnotationPage,
        Api.annotations,
    ),
)


def _cursor(case: ShownIncident) -> str:
    return "{}-{}".format(*place_of(case.last))


def _read_cursor(text: str) -> tuple[int, str]:
    onset, _, name = text.partition("-")
    return int(onset), name


# forms


def to_csv(answer: Any) -> bytes:
    """A page of incidents or a series as CSV (RFC 4180). A cell that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names, rows = _flat(answer)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def to_parquet(answer: Any) -> bytes:
    """Return the rows as a Parquet file. Raises ModuleNotFoundError where the extra `archive` is not installed."""
    import pyarrow as pa  # noqa: PLC0415  an extra

    from streams.archive.tables import write  # noqa: PLC0415

    names, rows = _flat(answer)
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return write(pa.table({name: list(column) for name, column in zip(names, columns, strict=True)}))


def _flat(answer: Any) -> tuple[list[str], list[list[Any]]]:
    if isinstance(answer, SeriesAnswer | PlatformSeries):
        names = list(RecentRow.__struct_fields__)
        return names, [[getattr(row, name) for name in names] for row in answer.data]
    names = (
        "id seq status kind scope severity country platforms regions networks onset detected resolved "
        "duration_seconds now usual mechanism confirmed simulated false_alarm summary"
    ).split()
    rows = [
        [
            one.id,
            one.seq,
            one.status.value,
            one.kind.value,
            one.scope.value,
            one.severity.value,
            one.country,
            " ".join(one.platforms),
            " ".join(one.regions),
            " ".join(f"AS{network.asn}" for network in one.networks),
            one.onset,
            one.detected,
            one.resolved,
            one.duration_seconds,
            one.reachability.now,
            one.reachability.usual,
            one.mechanism.name if one.mechanism else None,
            one.confirmed,
            one.simulated,
            one.id in answer.false_alarms,
            one.summary,
        ]
        for one in answer.data
    ]
    return names, rows


# its description


def openapi(title: str, url: str, version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of the API."""
    answers = [*{address.answer: None for address in ADDRESSES}, Problem]
    schemas, components = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    by_answer = dict(zip(answers, schemas, strict=True))
    problem = {"application/json": {"schema": by_answer[Problem]}}
    paths: dict[str, Any] = {}
    for address in ADDRESSES:
        content: dict[str, Any] = {"application/json": {"schema": by_answer[address.answer]}}
        if address.formats:
            content["text/csv"] = {"schema": {"type": "string"}}
            content["application/vnd.apache.parquet"] = {"schema": {"type": "string", "format": "binary"}}
        parameters = [
            {
                "name": name,
                "in": "query",
                "required": name in address.needs,
                "description": PARAMETERS[name].about,
                "schema": dict(PARAMETERS[name].schema),
            }
            for name in address.parameters
        ]
        responses: dict[str, Any] = {
            "200": {"description": address.summary, "content": content},
            "304": {"description": "It is as the reader has it (If-None-Match)."},
            "400": {"description": "A parameter is wrong.", "content": problem},
            "429": {"description": "Too many requests; see Retry-After.", "content": problem},
            "503": {"description": "Not now; see Retry-After.", "content": problem},
        }
        if address.of_path:
            schema = (
                dict(_COUNTRY.schema)
                if address.of_path == "country"
                else {"type": "string", "pattern": _NAME}
            )
            parameters.insert(0, {"name": address.of_path, "in": "path", "required": True, "schema": schema})
            responses["404"] = {"description": "There is none.", "content": problem}
        paths[address.path] = {
            "get": {
                "operationId": address.path.removeprefix("/api/v1/").replace("/{", "-").replace("}", ""),
                "summary": address.summary,
                "parameters": parameters,
                "responses": responses,
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": "Read only. Times are UTC. Simulated data is marked, and never added to real data.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": components},
    }
