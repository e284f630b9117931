"""Scheduled events out of iCalendar and CSV files, checked as the calendar topic wants them.

What is wrong is said with its file, its line and a remedy, and nothing of that file is used. What an event is for, and
whether anything happens on it, is not known here.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar

from producers.countries import CANARY, COUNTRIES
from producers.records import TIME_MAX, TIME_MIN
from streams.records import CalendarEvent
from streams.settings import SettingsError

_ID_MAX: Final = 128
_TEXT_MAX: Final = 500
_OCCURRENCES_MAX: Final = 1000  # of one repeating event: nightly for almost three years
_COLUMNS: Final = ("id", "country", "title", "start", "end", "source")
#: Where an event of an iCalendar file says its country, which the standard has no property for.
_COUNTRY_PROPERTY: Final = "X-NETDUSK-COUNTRY"

Problem = Callable[[str], SettingsError]
Component = Any  # an icalendar component: its properties are of thirty types


def event_of(
    *,
    country: str,
    title: str,
    start: datetime,
    end: datetime,
    source: str | None,
    identity: str | None,
    problem: Problem,
) -> CalendarEvent:
    """An event whose parts are good. Raises what `problem` makes of a sentence where one is not."""
    country = country.strip().upper()
    title = " ".join(title.split())
    if country not in COUNTRIES and country != CANARY:
        raise problem(f"country {country!r} is not in ISO 3166-1 alpha-2; write PK, or give --country PK")
    if not 0 < len(title) <= _TEXT_MAX:
        raise problem(f"title {title[:60]!r}: write 1 to {_TEXT_MAX} characters")
    if not (start >= TIME_MIN and end < TIME_MAX):
        raise problem(f"{start.isoformat()} to {end.isoformat()} is no time of this century")
    if end < start:
        raise problem(f"end {end.isoformat()} lies before start {start.isoformat()}; exchange them")
    if source is not None and len(source) > _TEXT_MAX:
        raise problem(f"source of {len(source)} characters; the most is {_TEXT_MAX}")
    if identity is None:
        identity = hashlib.blake2b(
            f"{country}|{title}|{start.isoformat()}".encode(), digest_size=8
        ).hexdigest()
    if not 0 < len(identity) <= _ID_MAX:
        raise problem(f"id of {len(identity)} characters; write 1 to {_ID_MAX}")
    return CalendarEvent(
        id=identity, country=country, title=title, start=start, end=end, source=source or None
    )


def read_file(path: Path, *, country: str | None, zone: tzinfo) -> list[CalendarEvent]:
    """The events of a file, by their ids; its name says which kind it is.

    `country` is for events that name none, `zone` for times that name none. Raises SettingsError.
    """
    kinds = {".ics": read_icalendar, ".ical": read_icalendar, ".csv": read_csv}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise SettingsError(f"{path}: neither .ics nor .csv; name it by what it is")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a file that can be read") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: no UTF-8; save the file as UTF-8") from error
    events = {event.id: event for event in kind(text, path, country, zone)}
    if not events:
        raise SettingsError(
            f"{path}: there is no event in it; a .ics has VEVENTs, a .csv {', '.join(_COLUMNS)}"
        )
    return list(events.values())


# ---- CSV


def read_csv(text: str, path: Path, country: str | None, zone: tzinfo) -> Iterator[CalendarEvent]:
    """One event a row, columns by their names; `id`, `source`, and `country` with --country, may be missing.

    Arguments and errors as `read_file` has them.
    """
    table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip().lower() for name in table.fieldnames or ()]
    except csv.Error as error:
        raise SettingsError(f"{path}, line 1: {error}") from error
    needed = {"title", "start"} | ({"country"} if country is None else set())
    if missing := sorted(needed - set(names)):
        raise SettingsError(
            f"{path}, line 1: no column {', '.join(missing)}; the columns are {', '.join(_COLUMNS)}"
        )
    if unknown := sorted(set(names) - set(_COLUMNS)):
        raise SettingsError(
            f"{path}, line 1: unknown column {unknown[0]!r}; the columns are {', '.join(_COLUMNS)}"
        )
    table.fieldnames = names
    while True:
        try:
            row = next(table, None)
        except csv.Error as error:
            raise SettingsError(f"{path}, line {table.line_num}: {error}; quote it as CSV does") from error
        if row is None:
            return
        yield _row(row, _problem(path, table.line_num), country, zone)


def _row(row: Mapping[str | None, Any], problem: Problem, country: str | None, zone: tzinfo) -> CalendarEvent:
    if None in row or any(value is None for value in row.values()):
        raise problem("not as many values as columns; quote a value that has a comma in it")
    start = moment(row["start"], zone, problem)
    until = row.get("end") or ""
    end = moment(until, zone, problem, is_end=True) if until.strip() else _end_of(row["start"], start)
    return event_of(
        country=row.get("country") or country or "",
        title=row["title"],
        start=start,
        end=end,
        source=(row.get("source") or "").strip() or None,
        identity=(row.get("id") or "").strip() or None,
        problem=problem,
    )


def moment(text: str, zone: tzinfo, problem: Problem, *, is_end: bool = False) -> datetime:
    """A date or a time of ISO 8601 as UTC. A date that ends something means the end of that day."""
    text = text.strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise problem(f"time {text!r}; write 2024-02-08T09:00:00+05:00, or a date") from None
    if len(text) == len("2024-02-08") and is_end:
        found += timedelta(days=1)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _end_of(text: str, start: datetime) -> datetime:
    """Without an end, a date lasts its day, and a time is a moment."""
    return start + timedelta(days=1) if len(text.strip()) == len("2024-02-08") else start


# ---- iCalendar (RFC 5545)


def read_icalendar(text: str, path: Path, country: str | None, zone: tzinfo) -> Iterator[CalendarEvent]:
    """Every VEVENT that is not cancelled, a repeating one as many times as its rule says.

    Arguments and errors as `read_file` has them.
    """
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines, 1) if line.strip().upper() == "BEGIN:VEVENT"]
    try:
        calendars = Calendar.from_ical(text, multiple=True)
    except (ValueError, IndexError, KeyError) as error:
        raise SettingsError(
            f"{path}, line {_line_of(error, lines)}: {error}; it has to be RFC 5545"
        ) from error
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    for number, event in enumerate(events):
        problem = _problem(path, starts[number] if number < len(starts) else 1)
        for name, why in event.errors:
            raise problem(f"{name}: {why}")
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        yield from _occurrences(event, problem, country, zone)


def _occurrences(
    event: Component, problem: Problem, country: str | None, zone: tzinfo
) -> Iterator[CalendarEvent]:
    begin = _when(event, "DTSTART", zone)
    if begin is None:
        raise problem("no DTSTART; say when it begins")
    uid = str(event.get("UID", "")).strip() or None
    length = _length(event, begin, zone, problem)
    own_country = str(event.get(_COUNTRY_PROPERTY, "")).strip() or country or ""
    source = str(event.get("URL", "")).strip() or None
    rule = event.get("RRULE")
    override = _when(event, "RECURRENCE-ID", zone)
    moments = _repeated(event, begin, rule, zone, problem) if rule is not None else [begin]
    for start in moments:
        at = override or (start if rule is not None else None)
        identity = uid if at is None or uid is None else f"{uid}/{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        yield event_of(
            country=own_country,
            title=str(event.get("SUMMARY", "")),
            start=start.astimezone(UTC),
            end=(start + length).astimezone(UTC),
            source=source,
            identity=identity,
            problem=problem,
        )


def _repeated(event: Component, begin: datetime, rule: Any, zone: tzinfo, problem: Problem) -> list[datetime]:
    if isinstance(rule, list):
        raise problem("more than one RRULE; write one")
    if not {"COUNT", "UNTIL"} & {key.upper() for key in rule}:
        raise problem("a rule without an end; give RRULE a COUNT or an UNTIL")
    text = rule.to_ical().decode()
    try:
        # The rule runs on local time, as RFC 5545 has it; UNTIL is put there too.
        local = begin.replace(tzinfo=None)
        parts = [
            part if not part.startswith("UNTIL=") else f"UNTIL={_local_until(part[6:], begin):%Y%m%dT%H%M%S}"
            for part in text.split(";")
        ]
        found: list[datetime] = []
        for moment_ in rrulestr(";".join(parts), dtstart=local):
            found.append(moment_.replace(tzinfo=begin.tzinfo))
            if len(found) > _OCCURRENCES_MAX:
                raise problem(f"RRULE:{text} gives more than {_OCCURRENCES_MAX} events; end it sooner")
    except (ValueError, TypeError) as error:
        raise problem(f"RRULE:{text}: {error}") from error
    left_out = event.get("EXDATE", [])
    gone = {
        _aware(date_.dt, zone).astimezone(UTC)
        for dates in (left_out if isinstance(left_out, list) else [left_out])
        for date_ in dates.dts
    }
    return [start for start in found if start.astimezone(UTC) not in gone]


def _local_until(text: str, begin: datetime) -> datetime:
    if len(text) == len("20240208"):
        return datetime.strptime(text, "%Y%m%d").replace(hour=23, minute=59, second=59)
    until = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")
    return (
        until.replace(tzinfo=UTC).astimezone(begin.tzinfo).replace(tzinfo=None)
        if text.endswith("Z")
        else until
    )


def _length(event: Component, begin: datetime, zone: tzinfo, problem: Problem) -> timedelta:
    end = _when(event, "DTEND", zone)
    if end is not None:
        if end < begin:
            raise problem(f"DTEND {end.isoformat()} lies before DTSTART {begin.isoformat()}; exchange them")
        return end - begin
    if "DURATION" in event:
        length: timedelta = event["DURATION"].dt
        return length
    is_day = not isinstance(event["DTSTART"].dt, datetime)
    return timedelta(days=1) if is_day else timedelta()


def _when(event: Component, name: str, zone: tzinfo) -> datetime | None:
    value = event.get(name)
    return None if value is None else _aware(value.dt, zone)


def _aware(value: date | datetime, zone: tzinfo) -> datetime:
    """A date, or a time that names no zone, is in the zone that was asked for."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), zone)
    return value if value.tzinfo else value.replace(tzinfo=zone)


def _problem(path: Path, line: int) -> Problem:
    return lambda text: SettingsError(f"{path}, line {line}: {text}")


def _line_of(error: Exception, lines: list[str]) -> int:
    """The line that a parser's message quotes; the first where it quotes none."""
    said = str(error)
    for number, line in enumerate(lines, 1):
        if len(line.strip()) > 3 and line.strip() in said:
            return number
    return 1


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises SettingsError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"--timezone {name}: no such zone; write a name such as Asia/Karachi") from error
