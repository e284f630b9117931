"""One scheduled event, checked as the calendar topic wants it, whatever it was written in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from producers.countries import CANARY, COUNTRIES
from producers.records import TIME_MAX, TIME_MIN
from streams.errors import SettingsError
from streams.records import CalendarEvent, check_note

ID_MAX: Final = 128
_TEXT_MAX: Final = 500
#: Codes that people write, and the one that ISO 3166-1 has.
_HABITS: Final = {"UK": "GB", "EL": "GR"}

#: Makes an error of a sentence, with the place that it is about.
Problem = Callable[[str], SettingsError]


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
    """Return an event if its parts are good. Raises what `problem` makes of a sentence if one is not."""
    country = country.strip().upper()
    title = " ".join(title.split())
    if country not in COUNTRIES and country != CANARY:
        remedy = _HABITS.get(country[:2] if len(country) == 2 else "", "PK, or give --country PK")
        raise problem(f"country {country[:60]!r} is not in ISO 3166-1 alpha-2; write {remedy}")
    if not 0 < len(title) <= _TEXT_MAX:
        raise problem(f"title {title[:60]!r}: write 1 to {_TEXT_MAX} characters")
    if not (start >= TIME_MIN and end < TIME_MAX):
        raise problem(f"{start.isoformat()} to {end.isoformat()} is no time of this century")
    if end < start:
        raise problem(f"end {end.isoformat()} lies before start {start.isoformat()}; exchange them")
    if source is not None and len(source) > _TEXT_MAX:
        raise problem(f"source of {len(source)} characters; the most is {_TEXT_MAX}")
    if identity is None:
        text = f"{country}|{title}|{start.isoformat()}"
        identity = hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
    if not 0 < len(identity) <= ID_MAX:
        raise problem(f"id of {len(identity)} characters; write 1 to {ID_MAX}")
    event = CalendarEvent(
        id=identity, country=country, title=title, start=start, end=end, source=source or None
    )
    try:
        check_note(event)
    except ValueError as error:
        raise problem(str(error)) from error
    return event


def problem_at(path: Path, line: int) -> Problem:
    """What is wrong in a line of a file."""
    return lambda text: SettingsError(f"{path}, line {line}: {text}")
