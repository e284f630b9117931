"""Scheduled events out of iCalendar, CSV and JSON lines, checked as the calendar topic wants them.

What is wrong with a row or an event is said with its file, its line and a remedy; the others are used. What an event is
for, and whether anything happens on it, is not known here.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from streams.errors import SettingsError
from streams.publish.calendar_events import Problem, event_of, problem_at
from streams.publish.icalendar_files import Reader, read_icalendar
from streams.records import CalendarEvent, check_note, decode

__all__ = [
    "CalendarFile",
    "event_of",
    "moment",
    "read_csv",
    "read_file",
    "read_icalendar",
    "read_lines",
    "zone_of",
]

_COLUMNS: Final = ("id", "country", "title", "start", "end", "source")
#: A country's holidays of a century are a megabyte.
_BYTES_MAX: Final = 64 * 1024 * 1024
#: What spreadsheets put between values, by what their users' languages do with the comma.
_DELIMITERS: Final = (",", ";", "\t")
_MIDNIGHT: Final = re.compile(r"T?24(:?00){0,2}(?=$|[Zz+-])")


@dataclass(slots=True)
class CalendarFile:
    """What came of a file: its events by their ids, and a line for each that is refused."""

    events: list[CalendarEvent]
    refused: list[str] = field(default_factory=list)


def read_file(path: Path, *, country: str | None, zone: tzinfo) -> CalendarFile:
    """The events of a file; its name says which kind it is.

    `country` is for events that name none, `zone` for times that name none. Raises SettingsError where there is no
    good event in it.
    """
    kinds: dict[str, Reader] = {
        ".ics": read_icalendar,
        ".ical": read_icalendar,
        ".csv": read_csv,
        ".jsonl": read_lines,
    }
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise SettingsError(f"{path}: neither .ics nor .csv nor .jsonl; name it by what it is")
    events: dict[str, CalendarEvent] = {}
    refused: list[str] = []
    for item in kind(_text(path), path, country, zone):
        if isinstance(item, SettingsError):
            refused.append(str(item))
        else:
            events[item.id] = item
    if not events and refused:
        raise SettingsError("\n".join(refused))
    if not events:
        raise SettingsError(
            f"{path}: there is no event in it; a .ics has VEVENTs, a .csv {', '.join(_COLUMNS)}"
        )
    return CalendarFile(list(events.values()), refused)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise SettingsError(f"{path}: more than {_BYTES_MAX} bytes; divide it")
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a file that can be read") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: no UTF-8; save the file as UTF-8") from error


# ---- JSON lines


def read_lines(
    text: str, path: Path, country: str | None, zone: tzinfo
) -> Iterator[CalendarEvent | SettingsError]:
    """One event a line, as `netdusk calendar list --json` writes them, or why it is refused.

    Each names its country, and its times their zones.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        problem = problem_at(path, number)
        try:
            event = decode(line.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            yield problem(f"{error}; write it as `netdusk calendar list --json` does")
            continue
        if not isinstance(event, CalendarEvent):
            yield problem("a record of another kind; an event has the schema of docs/schemas/calendar-1.json")
            continue
        try:
            check_note(event)  # first: a time without a zone can't be compared
            yield event_of(
                country=event.country,
                title=event.title,
                start=event.start,
                end=event.end,
                source=event.source,
                identity=event.id,
                problem=problem,
            )
        except SettingsError as error:
            yield error
        except ValueError as error:
            yield problem(str(error))


# ---- CSV


def read_csv(
    text: str, path: Path, country: str | None, zone: tzinfo
) -> Iterator[CalendarEvent | SettingsError]:
    """One event a row, or why it is refused; columns by their names, in any order, others are passed over.

    `id`, `source`, `end`, and `country` with --country, may be missing. Arguments as `read_file` has them. Raises
    SettingsError where the first line names no columns.
    """
    delimiter, skipped = _delimiter(text)
    # An id or a note longer than this is refused later, with its line.
    csv.field_size_limit(1024 * 1024)
    lines = io.StringIO(text, newline="")
    for _ in range(skipped):
        lines.readline()
    table = csv.DictReader(lines, strict=True, delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in table.fieldnames or ()]
    except csv.Error as error:
        raise problem_at(path, 1 + skipped)(str(error)) from error
    needed = {"title", "start"} | ({"country"} if country is None else set())
    if missing := sorted(needed - set(names)):
        raise problem_at(path, 1 + skipped)(
            f"no column {', '.join(missing)}; the columns are {', '.join(_COLUMNS)}"
        )
    table.fieldnames = names
    while True:
        try:
            row = next(table, None)
            if row is None:
                return
            if any(value for value in row.values()):
                problem = problem_at(path, table.line_num + skipped)
                yield _row(row, problem, country, zone)
        except csv.Error as error:
            yield problem_at(path, table.line_num + skipped)(f"{error}; quote it as CSV does")
        except SettingsError as error:
            yield error


def _delimiter(text: str) -> tuple[str, int]:
    """What stands between values, and how many lines come before the names (Excel's `sep=;`)."""
    first = text[:1000].split("\n", 1)[0].strip("\r")
    if first.lower().startswith("sep=") and len(first) == len("sep=") + 1:
        return first[-1], 1
    return max(_DELIMITERS, key=first.count), 0


def _row(row: Mapping[str | None, Any], problem: Problem, country: str | None, zone: tzinfo) -> CalendarEvent:
    if None in row or any(value is None for value in row.values()):
        raise problem("not as many values as columns; quote a value that has a comma in it")
    start = moment(row["start"], zone, problem)
    until = row.get("end") or ""
    end = (
        moment(until, zone, problem, is_end=True)
        if until.strip()
        else _end_of(row["start"], start, zone, problem)
    )
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
    day = _day(text)
    try:
        local = _time(text) if day is None else datetime.combine(day, time()) + timedelta(days=is_end)
        return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise problem(f"time {text[:60]!r}; write 2024-02-08T09:00:00+05:00, or a date") from None


def _day(text: str) -> date | None:
    """The day that a text names in any form of ISO 8601 (2024-02-08, 20240208, 2024-W06-4); None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _time(text: str) -> datetime:
    """A time of ISO 8601, 24:00 being the end of its day. Raises ValueError."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        midnight = _MIDNIGHT.search(text[8:])
        if midnight is None:
            raise
        begin, end = midnight.start() + 8, midnight.end() + 8
        return datetime.fromisoformat(f"{text[:begin]}T00:00{text[end:]}") + timedelta(days=1)


def _end_of(text: str, start: datetime, zone: tzinfo, problem: Problem) -> datetime:
    """Without an end, a date lasts its day, and a time is a moment."""
    day = _day(text.strip())
    if day is None:
        return start
    try:
        return (start.astimezone(zone) + timedelta(days=1)).astimezone(UTC)
    except OverflowError:
        raise problem(f"{text} is no time of this century") from None


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises SettingsError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"--timezone {name}: no such zone; write a name such as Asia/Karachi") from error
