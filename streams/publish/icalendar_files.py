"""Scheduled events out of iCalendar files (RFC 5545): each VEVENT as often as it repeats, with its exceptions.

An event that can't be read refuses itself, with its line and a remedy, and no other.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import partial
from itertools import islice, pairwise
from math import prod
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar
from icalendar.timezone import tzp

from producers.records import TIME_MAX, TIME_MIN
from streams.errors import SettingsError
from streams.publish.calendar_events import ID_MAX, Problem, event_of, problem_at
from streams.records import CalendarEvent

#: An icalendar component: its properties are of thirty types.
Component = Any

#: Of one repeating event: nightly for almost three years.
_OCCURRENCES_MAX: Final = 1000
#: Where an event of an iCalendar file says its country, which the standard has no property for.
_COUNTRY_PROPERTY: Final = "X-NETDUSK-COUNTRY"
#: What a broken property makes the libraries raise; of these, OSError is a zone with a name too long for a file.
_UNREADABLE: Final = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    OSError,
)
#: Properties that say when; a broken one of any other kind does not matter here.
_TIMES: Final = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
#: Nothing that a calendar is about repeats within a day; and a rule by seconds may be gone through for ever.
_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
#: A rule that gives no date for so long never will: leap days on a weekday come back after 28 years, but for 1900.
_BARREN: Final = timedelta(days=365 * 12)
_LONGEST: Final = timedelta(days=365 * 50)
#: dateutil looks through a rule without a date to the end of its years, whatever UNTIL says. The calendar repeats after
#: 400 years, weekdays and all: so a rule is gone through as near to that end as may be.
_CALENDAR_YEARS: Final = 400
#: Times of one day in a rule, and dates that one is gone through: a day a time for a century.
_TIMES_OF_DAY_MAX: Final = 24
_DATES_MAX: Final = 40_000
_FIRST: Final = datetime(1900, 1, 1)
#: Of a zone that a file describes itself: so many changes until 2100 (Exchange's two a year from 1601 are a thousand).
_CHANGES_MAX: Final = 3000
#: Its STANDARD and DAYLIGHT blocks, and the lines of its description where that is read by itself.
_OBSERVANCES_MAX: Final = 300
_ZONE_LINES_MAX: Final = 2000
#: What the rules of real zones are made of; all else may be gone through for ever.
_ZONE_RULE: Final = frozenset({"FREQ", "INTERVAL", "UNTIL", "BYMONTH", "BYDAY", "BYMONTHDAY", "WKST"})
_ZONE_END: Final = datetime(2100, 1, 1)
#: "(UTC+05:00) Islamabad, Karachi", as Outlook labels a zone.
_OFFSET: Final = re.compile(r"(?:UTC|GMT)\s*(?:([+\-−])\s*(\d{1,2})(?::?(\d{2}))?)?(?=\W|$)")
#: As RFC 5545 and old files end their lines.
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
#: The zone that a property's time is in, with a name in quotes or without.
_TZID: Final = re.compile(r';TZID="?((?<=")[^"]+|[^;:"]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Length:
    """How long an event lasts: days by the calendar, then seconds by the clock (RFC 5545, 3.3.6)."""

    days: int = 0
    rest: timedelta = timedelta()

    def after(self, start: datetime) -> datetime:
        return (start + timedelta(days=self.days)).astimezone(UTC) + self.rest


@dataclass(slots=True)
class _Entry:
    """One VEVENT, its times read."""

    line: int
    event: Component
    uid: str | None
    begin: datetime
    length: _Length
    recurrence: datetime | None
    problem: Problem

    @property
    def cancelled(self) -> bool:
        return str(self.event.get("STATUS", "")).upper() == "CANCELLED"

    @property
    def repeats(self) -> bool:
        return self.event.get("RRULE") is not None or self.event.get("RDATE") is not None

    @property
    def and_future(self) -> bool:
        """Whether an exception goes for all that follow it too."""
        parameters = getattr(self.event.get("RECURRENCE-ID"), "params", {})
        return str(parameters.get("RANGE", "")).upper() == "THISANDFUTURE"

    @property
    def sequence(self) -> int:
        try:
            return int(self.event.get("SEQUENCE", 0))
        except (TypeError, ValueError):
            return 0


def read_icalendar(
    text: str, path: Path, country: str | None, zone: tzinfo
) -> Iterator[CalendarEvent | SettingsError]:
    """Every VEVENT that is not cancelled, a repeating one as many times as its rule says; or why one is refused.

    `country` is for events that name none, `zone` for times that name none. Raises SettingsError where no event can
    be told from another.
    """
    entries: list[_Entry] = []
    for line, event, file_zone in _components(text, path):
        problem = problem_at(path, line)
        try:
            if isinstance(event, str):
                raise problem(event)
            entries.append(_entry(event, line, file_zone or zone, problem))
        except SettingsError as error:
            yield error
    by_uid: dict[str | None, list[_Entry]] = defaultdict(list)
    for entry in entries:
        by_uid[entry.uid].append(entry)
    for uid, of_one in by_uid.items():
        groups = [of_one] if uid is not None else [[entry] for entry in of_one]
        for group in groups:
            yield from _of_one_uid(group, country, zone)


# ---- from text to entries


def _components(text: str, path: Path) -> Iterator[tuple[int, Component | str, tzinfo | None]]:
    """Line, component (or why it can't be read) and the file's own zone of every VEVENT."""
    # Not str.splitlines: it also parts a title at characters that end no line here.
    lines = _LINE_END.split(text)
    begins = [number for number, line in enumerate(lines) if line.rstrip().upper() == "BEGIN:VCALENDAR"]
    has_events = any(_begins_event(line) for line in lines)
    # Each calendar by itself: two of one file may mean different things by one zone's name.
    for first, following in pairwise([0, *begins[1:], len(lines)]):
        try:
            for number, event, zone in _of_calendar(lines[first:following]):
                yield first + number, event, zone
        except _UNREADABLE as error:
            if not has_events:
                why = str(error) or type(error).__name__
                raise problem_at(path, 1)(f"{why}; it has to be RFC 5545") from error


def _of_calendar(lines: Sequence[str]) -> Iterator[tuple[int, Component | str, tzinfo | None]]:
    """Do the same for the lines of one calendar. Raises what the library does where it has no event."""
    starts = [number for number, line in enumerate(lines, 1) if _begins_event(line)]
    # The library keeps every zone that it was told of by its name, and would use it for the next calendar's.
    tzp.use_default()
    try:
        calendars = _parsed("\r\n".join(lines))
        events = [(event, calendar) for calendar in calendars for event in calendar.walk("VEVENT")]
    except _UNREADABLE:
        if not starts:
            raise
        events = []
    if len(events) != len(starts):
        # It can't be read as a whole, or an event without its END swallows all that follow.
        tzp.use_default()
        yield from _one_by_one(lines, starts)
        return
    hard = {id(calendar): _hard_zones(calendar) for calendar in calendars}
    for line, (event, calendar) in zip(starts, events, strict=True):
        yield line, _in_hard_zone(event, hard[id(calendar)]) or event, _file_zone(calendar)


def _begins_event(line: str) -> bool:
    return line.strip().upper() == "BEGIN:VEVENT"


def _parsed(text: str) -> list[Component]:
    with warnings.catch_warnings():
        # It tells of each maker's prefix that it takes off a zone's name.
        warnings.simplefilter("ignore")
        return list(Calendar.from_ical(text, multiple=True))


def _one_by_one(
    lines: Sequence[str], starts: Sequence[int]
) -> Iterator[tuple[int, Component | str, tzinfo | None]]:
    """Yield each VEVENT of a calendar that can't be read as a whole, each parsed by itself.

    Its zones are read once, before: reading them again for each event took 40 s for a thousand.
    """
    hard, unreadable = _zones_read(lines)
    names = [line for line in lines if line.upper().startswith("X-WR-TIMEZONE")][:1]
    for start in starts:
        block = _block(lines, start - 1, "VEVENT")
        named = [match[1] for line in block if (match := _TZID.search(line))]
        if (why := next((unreadable[name] for name in named if name in unreadable), None)) is not None:
            yield start, why, None
            continue
        text = "\r\n".join(["BEGIN:VCALENDAR", *names, *block, "END:VCALENDAR", ""])
        try:
            (calendar,) = _parsed(text)
            event = calendar.walk("VEVENT")[0]
            yield start, _in_hard_zone(event, hard) or event, _file_zone(calendar)
        except _UNREADABLE as error:
            yield start, _not_icalendar(error), None


def _zones_read(lines: Sequence[str]) -> tuple[frozenset[str], dict[str, str]]:
    """Let the library know the zones that a calendar describes: which are hard, and why some can't be read."""
    hard: set[str] = set()
    unreadable: dict[str, str] = {}
    for name, block in _blocks(lines, "VTIMEZONE").items():
        try:
            (calendar,) = _parsed("\r\n".join(["BEGIN:VCALENDAR", *block, "END:VCALENDAR", ""]))
        except _UNREADABLE as error:
            unreadable[name] = _not_icalendar(error)
        else:
            hard |= _hard_zones(calendar)
    return frozenset(hard), unreadable


def _not_icalendar(error: Exception) -> str:
    return f"{str(error) or type(error).__name__}; it has to be RFC 5545"


def _blocks(lines: Sequence[str], kind: str) -> dict[str, list[str]]:
    blocks = {}
    for number, line in enumerate(lines):
        if line.strip().upper() == f"BEGIN:{kind}":
            block = _block(lines, number, kind)
            name = next((part.partition(":")[2] for part in block if part.upper().startswith("TZID")), "")
            if name and len(block) <= _ZONE_LINES_MAX:
                blocks[name.strip()] = block
    return blocks


def _block(lines: Sequence[str], start: int, kind: str) -> list[str]:
    """From BEGIN to END, or to the next of its kind or the next event where that is missing."""
    block = [lines[start]]
    for line in lines[start + 1 :]:
        word = line.strip().upper()
        if word in (f"BEGIN:{kind}", "BEGIN:VEVENT", "END:VCALENDAR"):
            break
        block.append(line)
        if word == f"END:{kind}":
            return block
    return [*block, f"END:{kind}"]


def _hard_zones(calendar: Component) -> frozenset[str]:
    """Zones that a file describes, and that would take too long to go through: they would be for every time in them."""
    return frozenset(
        str(zone.get("TZID", "")) for zone in calendar.walk("VTIMEZONE") if _changes(zone) > _CHANGES_MAX
    )


def _changes(zone: Component) -> int:
    """How often a zone's clocks change until 2100; more than is allowed where it is not written as zones are."""
    if len(zone.subcomponents) > _OBSERVANCES_MAX:
        return _CHANGES_MAX + 1
    changes = 0
    try:
        for observance in zone.subcomponents:
            changes += 1 + sum(len(dates.dts) for dates in _listed(observance.get("RDATE")))
            changes += sum(_changes_by_rule(rule, observance) for rule in _listed(observance.get("RRULE")))
            if changes > _CHANGES_MAX:
                break
    except _UNREADABLE:
        return _CHANGES_MAX + 1
    return changes


def _changes_by_rule(rule: Any, observance: Component) -> int:
    parts = {key.upper(): value for key, value in rule.items()}
    if not parts.keys() <= _ZONE_RULE or str(parts["FREQ"][0]).upper() != "YEARLY" or _stands_still(parts):
        return _CHANGES_MAX + 1
    start = observance["DTSTART"].dt
    local = start.replace(tzinfo=None) if isinstance(start, datetime) else datetime.combine(start, time())
    text = ";".join(part for part in rule.to_ical().decode().split(";") if not part.startswith("UNTIL="))
    years = (MAXYEAR - _ZONE_END.year) // _CALENDAR_YEARS * _CALENDAR_YEARS
    changes = rrulestr(text, dtstart=_years_on(local, years))
    if next(iter(changes.replace(until=_years_on(min(_ZONE_END, local + _BARREN), years))), None) is None:
        return _CHANGES_MAX + 1
    until = parts.get("UNTIL", [_ZONE_END])[0]
    last = min(_ZONE_END, datetime.combine(until, time()))
    return sum(1 for _ in islice(changes.replace(until=_years_on(last, years)), _CHANGES_MAX + 1))


def _in_hard_zone(event: Component, zones: frozenset[str]) -> str | None:
    """Why an event can't be read, whose time is in one of these zones."""
    if zones:
        for name in _TIMES:
            for value in _listed(event.get(name)):
                label = str(getattr(value, "params", {}).get("TZID", "")).strip()
                if label in zones and _zone_named(label) is None:
                    return (
                        f"TZID {label[:80]!r}: its VTIMEZONE is not written as zones are, or changes too often; "
                        "write a name such as Asia/Karachi"
                    )
    return None


def _file_zone(calendar: Component) -> tzinfo | None:
    """The zone that a whole file names, as Google and Apple write it."""
    return _zone_named(str(calendar.get("X-WR-TIMEZONE", "")).strip())


def _entry(event: Component, line: int, zone: tzinfo, problem: Problem) -> _Entry:
    for name, why in event.errors:
        if name in _TIMES:
            raise problem(f"{name}: {why}")
    begin = _when(event, "DTSTART", zone, problem)
    if begin is None:
        raise problem("no DTSTART; say when it begins")
    return _Entry(
        line=line,
        event=event,
        uid=str(event.get("UID", "")).strip() or None,
        begin=begin,
        length=_length(event, begin, zone, problem),
        recurrence=_when(event, "RECURRENCE-ID", zone, problem),
        problem=problem,
    )


# ---- from entries to events


def _of_one_uid(
    entries: list[_Entry], country: str | None, zone: tzinfo
) -> Iterator[CalendarEvent | SettingsError]:
    """All events of one UID: its series, less and with their exceptions."""
    exceptions = [entry for entry in entries if entry.recurrence is not None]
    # The same event written twice is its newest version; events at other times that share a UID are events.
    versions: dict[datetime, _Entry] = {}
    for entry in entries:
        if entry.recurrence is None:
            known = versions.get(entry.begin)
            if known is None or entry.sequence >= known.sequence:
                versions[entry.begin] = entry
    masters = list(versions.values())
    used: set[int] = set()
    for master in masters:
        if master.cancelled:
            used |= set(range(len(exceptions)))
            continue
        try:
            starts = _starts(master, zone) if master.repeats else [master.begin]
        except SettingsError as error:
            yield error
            continue
        named = master.repeats or len(masters) > 1
        yield from _with_exceptions(master, starts, exceptions, used, country, named=named)
    for number, entry in enumerate(exceptions):
        if number not in used and not entry.cancelled:
            yield _event(entry, entry.begin, entry.recurrence, country)


def _with_exceptions(
    master: _Entry,
    starts: list[datetime],
    exceptions: Sequence[_Entry],
    used: set[int],
    country: str | None,
    *,
    named: bool,
) -> Iterator[CalendarEvent | SettingsError]:
    moments = {start.astimezone(UTC) for start in starts}
    single: dict[datetime, _Entry] = {}
    future: list[_Entry] = []
    for number, entry in enumerate(exceptions):
        assert entry.recurrence is not None
        instant = entry.recurrence.astimezone(UTC)
        if instant not in moments:
            continue
        used.add(number)
        if entry.and_future:
            future.append(entry)
        else:
            single[instant] = entry
    future.sort(key=lambda entry: entry.recurrence or entry.begin)
    for start in starts:
        instant = start.astimezone(UTC)
        mark = start if named else None
        if (moved := single.get(instant)) is not None:
            if not moved.cancelled:
                yield _event(moved, moved.begin, mark, country)
            continue
        changed = next((e for e in reversed(future) if e.recurrence and e.recurrence <= start), None)
        if changed is None:
            yield _event(master, start, mark, country)
        elif not changed.cancelled:
            assert changed.recurrence is not None
            yield _event(changed, start + (changed.begin - changed.recurrence), mark, country)


def _event(
    entry: _Entry, start: datetime, mark: datetime | None, country: str | None
) -> CalendarEvent | SettingsError:
    """One event. `mark` tells it from the others of its UID: when it was planned."""
    event = entry.event
    try:
        return event_of(
            country=str(event.get(_COUNTRY_PROPERTY, "")).strip() or country or "",
            title=str(event.get("SUMMARY", "")),
            start=start.astimezone(UTC),
            end=entry.length.after(start),
            source=str(event.get("URL", "")).strip() or None,
            identity=_identity(entry.uid, mark),
            problem=entry.problem,
        )
    except OverflowError:
        return entry.problem(f"{start.isoformat()} is no time of this century")
    except SettingsError as error:
        return error


def _identity(uid: str | None, mark: datetime | None) -> str | None:
    """Outlook's UIDs alone are 112 characters: one too long for an id stands for itself by its hash."""
    if uid is None:
        return None
    ending = "" if mark is None else f"/{mark.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    if len(uid) + len(ending) > ID_MAX:
        uid = hashlib.blake2b(uid.encode(), digest_size=16).hexdigest()
    return uid + ending


# ---- when


def _starts(entry: _Entry, zone: tzinfo) -> list[datetime]:
    """Return the times at which a repeating event begins, in order. Those before this century are left out."""
    event, begin = entry.event, entry.begin
    rule = event.get("RRULE")
    starts = [begin]
    if rule is not None:
        # The rule may leave out the day that it begins on; calendars show that day all the same.
        starts += _by_rule(rule, begin, entry.problem)
    starts += [
        _aware(_beginning(moment.dt), moment, zone, entry.problem)
        for dates in _listed(event.get("RDATE"))
        for moment in dates.dts
    ]
    days: set[date] = set()
    moments: set[datetime] = set()
    for dates in _listed(event.get("EXDATE")):
        for moment in dates.dts:
            if isinstance(moment.dt, datetime):
                moments.add(_aware(moment.dt, dates, zone, entry.problem).astimezone(UTC))
            else:
                days.add(moment.dt)
    kept = {
        start.astimezone(UTC): start
        for start in starts
        if start.date() not in days and start.astimezone(UTC) not in moments and start >= TIME_MIN
    }
    if len(kept) > _OCCURRENCES_MAX:
        raise entry.problem(f"more than {_OCCURRENCES_MAX} events of one; end it sooner")
    return [kept[moment] for moment in sorted(kept)]


def _by_rule(rule: Any, begin: datetime, problem: Problem) -> list[datetime]:
    """Return the times of a rule. It runs on local time, as RFC 5545 has it."""
    if isinstance(rule, list):
        raise problem("more than one RRULE; write one")
    parts = {key.upper(): value for key, value in rule.items()}
    if not {"COUNT", "UNTIL"} & parts.keys():
        raise problem("a rule without an end; give RRULE a COUNT or an UNTIL")
    text = rule.to_ical().decode()
    frequency = str(parts.get("FREQ", [""])[0]).upper()
    if frequency not in _FREQUENCIES:
        raise problem(f"RRULE:{text}: FREQ has to be one of {', '.join(_FREQUENCIES)}")
    if _stands_still(parts):
        raise problem(f"RRULE:{text}: INTERVAL has to be 1 or more")
    if prod(len(parts.get(name, [0])) for name in ("BYHOUR", "BYMINUTE", "BYSECOND")) > _TIMES_OF_DAY_MAX:
        raise problem(f"RRULE:{text[:80]}: more than {_TIMES_OF_DAY_MAX} times in a day; write fewer")
    local = begin.replace(tzinfo=None)
    if local < _FIRST:
        raise problem(f"{begin.isoformat()} is before {_FIRST.year}; begin the rule later")
    last = min(max(local, TIME_MIN.replace(tzinfo=None)) + _LONGEST, TIME_MAX.replace(tzinfo=None))
    try:
        written = [part for part in text.split(";") if not part.startswith("UNTIL=")]
        until = next((part[6:] for part in text.split(";") if part.startswith("UNTIL=")), None)
        if until is not None:
            last = min(last, _local_until(until, begin))
        count = parts.get("COUNT", [None])[0]
        years = (MAXYEAR - last.year) // _CALENDAR_YEARS * _CALENDAR_YEARS
        rule_until = partial(rrulestr(";".join(written), dtstart=_years_on(local, years)).replace, count=None)
        # A rule that gives nothing is looked through for a while, not for centuries. Day by day, even that takes
        # time: so the usual slip, a day that no such month has, is seen at once.
        barren = _years_on(min(last, local + _BARREN), years)
        if _in_no_month(parts) or next(iter(rule_until(until=barren)), None) is None:
            raise problem(f"RRULE:{text} gives no date")
        # dateutil takes a COUNT or an UNTIL, not both.
        dates = list(
            islice(rule_until(until=_years_on(last, years)), min(count or _DATES_MAX + 1, _DATES_MAX + 1))
        )
        starts = [
            start for date in dates if (start := _years_on(date, -years)) >= TIME_MIN.replace(tzinfo=None)
        ]
    except (ValueError, TypeError, OverflowError) as error:
        raise problem(f"RRULE:{text}: {error}") from error
    if len(dates) > _DATES_MAX:
        raise problem(f"more than {_OCCURRENCES_MAX} events of one; end it sooner")
    return [start.replace(tzinfo=begin.tzinfo) for start in starts]


def _stands_still(parts: Mapping[str, Any]) -> bool:
    """Return whether a rule never leaves the day on which it begins, and so would be gone through for ever."""
    return any(int(interval) < 1 for interval in parts.get("INTERVAL", []))


def _years_on(moment: datetime, years: int) -> datetime:
    return moment.replace(year=moment.year + years)


def _in_no_month(parts: Mapping[str, Any]) -> bool:
    """Return whether a rule asks for days that none of its months has, such as 30 February."""
    months, days = parts.get("BYMONTH", []), parts.get("BYMONTHDAY", [])
    # 2024 is a leap year.
    return bool(months and days) and all(
        1 <= month <= 12 and abs(day) > monthrange(2024, month)[1]
        for month in map(int, months)
        for day in map(int, days)
    )


def _local_until(text: str, begin: datetime) -> datetime:
    if len(text) == len("20240208"):
        return datetime.strptime(text, "%Y%m%d").replace(hour=23, minute=59, second=59)
    until = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")
    if not text.endswith("Z"):
        return until
    return until.replace(tzinfo=UTC).astimezone(begin.tzinfo).replace(tzinfo=None)


def _length(event: Component, begin: datetime, zone: tzinfo, problem: Problem) -> _Length:
    end = _when(event, "DTEND", zone, problem)
    is_day = not isinstance(event["DTSTART"].dt, datetime)
    if end is not None:
        if end < begin:
            raise problem(f"DTEND {end.isoformat()} lies before DTSTART {begin.isoformat()}; exchange them")
        if is_day and not isinstance(event["DTEND"].dt, datetime):
            return _Length(days=(end.date() - begin.date()).days)
        return _Length(rest=end.astimezone(UTC) - begin.astimezone(UTC))
    if "DURATION" in event:
        lasts = getattr(event["DURATION"], "dt", None)
        if not isinstance(lasts, timedelta) or lasts < timedelta():
            raise problem("DURATION is none; write one, like PT2H")
        return _Length(lasts.days, timedelta(seconds=lasts.seconds))
    return _Length(days=1 if is_day else 0)


def _when(event: Component, name: str, zone: tzinfo, problem: Problem) -> datetime | None:
    value = event.get(name)
    if value is None:
        return None
    if isinstance(value, list):
        raise problem(f"{name} stands there {len(value)} times; keep one")
    if not isinstance(value.dt, date):
        raise problem(f"{name} is no moment; write a date or a time")
    return _aware(value.dt, value, zone, problem)


def _beginning(value: Any) -> date | datetime:
    """The beginning of a period, or the moment itself."""
    moment: date | datetime = value[0] if isinstance(value, tuple) else value
    return moment


def _listed(value: Any) -> Iterable[Any]:
    return () if value is None else value if isinstance(value, list) else (value,)


def _aware(value: date | datetime, source: Any, zone: tzinfo, problem: Problem) -> datetime:
    """A date, or a time that names no zone, is in the zone that was asked for. `source` has the property's TZID."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), zone)
    if value.tzinfo is not None:
        return value
    label = str(getattr(source, "params", {}).get("TZID", "")).strip()
    if not label:
        return value.replace(tzinfo=zone)
    named = _zone_named(label)
    if named is None:
        raise problem(f"TZID {label[:80]!r} is no zone that is known; write a name such as Asia/Karachi")
    return value.replace(tzinfo=named)


def _zone_named(label: str) -> tzinfo | None:
    """A zone by its IANA name, that name behind a maker's own prefix, or an offset that the label names."""
    parts = label.strip('"').split("/")
    for name in (label, "/".join(parts[-2:]), "/".join(parts[-3:])):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            continue
    match = _OFFSET.search(label)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset > timedelta(hours=14):
        return None
    return timezone(-offset if sign in ("-", "−") else offset)


Reader = Callable[[str, Path, str | None, tzinfo], Iterator[CalendarEvent | SettingsError]]
