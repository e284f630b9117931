"""Repeating events, as another program expands them: recurring-ical-events, which is kept out of the package (LGPL)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from hypothesis import given
from hypothesis import strategies as st

from streams.publish.calendar_files import read_icalendar
from streams.records import CalendarEvent

ZONE = ZoneInfo("Asia/Karachi")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
BEGIN = datetime(2024, 3, 20, 2, 30)


@st.composite
def calendars(draw: Any) -> str:
    """One series: a rule, dates more and less, nights that are moved or cancelled, all of them in any order."""
    zone = draw(
        st.sampled_from([";TZID=Europe/Chisinau", ";TZID=Asia/Baghdad", ";TZID=America/Sao_Paulo", ""])
    )
    start = BEGIN + timedelta(hours=draw(st.integers(0, 40)))
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    rule = f"FREQ={freq};COUNT={draw(st.integers(1, 8))};INTERVAL={draw(st.integers(1, 3))}"
    if freq in ("WEEKLY", "DAILY"):
        chosen = draw(st.lists(st.sampled_from(DAYS), unique=True, max_size=4))
        rule += f";BYDAY={','.join(chosen)}" if chosen else ""
    nights = [start + timedelta(days=draw(st.integers(0, 9))) for _ in range(4)]
    master = [f"DTSTART{zone}:{start:%Y%m%dT%H%M%S}", "DURATION:PT3H", f"RRULE:{rule}"]
    if draw(st.booleans()):
        master.append(f"EXDATE{zone}:{nights[0]:%Y%m%dT%H%M%S}")
    if draw(st.booleans()):
        master.append(f"EXDATE;VALUE=DATE:{nights[1]:%Y%m%d}")
    if draw(st.booleans()):
        master.append(f"RDATE{zone}:{nights[2] + timedelta(hours=1):%Y%m%dT%H%M%S}")
    events = [master]
    # Whether a night that is left out can be moved, RFC 5545 does not say.
    left_out = {night.date() for night in nights[:2]}
    if draw(st.booleans()) and nights[3].date() not in left_out:
        moved = nights[3] + timedelta(hours=5)
        words = [f"RECURRENCE-ID{zone}:{nights[3]:%Y%m%dT%H%M%S}", f"DTSTART{zone}:{moved:%Y%m%dT%H%M%S}"]
        events.append([*words, "DURATION:PT1H", *draw(st.sampled_from([[], ["STATUS:CANCELLED"]]))])
    blocks = [
        ["BEGIN:VEVENT", "UID:u", "SUMMARY:s", *lines, "END:VEVENT"]
        for lines in draw(st.permutations(events))
    ]
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//t//t//EN", "X-WR-TIMEZONE:Asia/Karachi"]
    return "\r\n".join([*head, *(line for block in blocks for line in block), "END:VCALENDAR", ""])


@given(calendars())
def test_a_series_has_the_nights_that_the_reference_gives(text: str) -> None:
    calendar = icalendar.Calendar.from_ical(text)
    reference = {
        event["DTSTART"].dt.astimezone(UTC)
        for event in recurring_ical_events.of(calendar).between((2024, 1, 1), (2054, 1, 1))
        if event.get("STATUS") != "CANCELLED"
    }
    ours = list(read_icalendar(text, Path("c.ics"), "PK", ZONE))
    assert {item.start for item in ours if isinstance(item, CalendarEvent)} == reference
