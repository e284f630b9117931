"""Calendar files: what is read, and what is said of a file that can't be."""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.commands.calendar import app
from streams.publish import icalendar_files
from streams.publish.calendar_files import read_csv, read_file, read_icalendar
from streams.records import CalendarEvent, decode, encode
from streams.settings import SettingsError

PK = ZoneInfo("Asia/Karachi")


def ics(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//t//t//EN", *lines, "END:VCALENDAR", ""])


def vevent(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT"])


def read(tmp_path: Path, text: str, name: str = "c.ics", country: str | None = "PK") -> list[CalendarEvent]:
    path = tmp_path / name
    path.write_bytes(text.encode())
    file = read_file(path, country=country, zone=PK)
    assert file.refused == []
    return file.events


def spans(events: list[CalendarEvent]) -> list[str]:
    return [f"{e.start:%m-%d %H:%M}/{e.end:%m-%d %H:%M}" for e in events]


ICALENDAR: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "UTC": (("DTSTART:20240208T040000Z", "DTEND:20240208T120000Z"), ["02-08 04:00/02-08 12:00"]),
    "no zone": (("DTSTART:20240208T090000", "DURATION:PT8H"), ["02-08 04:00/02-08 12:00"]),
    "its own zone": (
        ("DTSTART;TZID=Asia/Tehran:20240208T090000", "DTEND;TZID=Asia/Tehran:20240208T100000"),
        ["02-08 05:30/02-08 06:30"],
    ),
    "a day": (("DTSTART;VALUE=DATE:20240208",), ["02-07 19:00/02-08 19:00"]),
    "two days": (
        ("DTSTART;VALUE=DATE:20240208", "DTEND;VALUE=DATE:20240210"),
        ["02-07 19:00/02-09 19:00"],
    ),
    "a moment": (("DTSTART:20240208T040000Z",), ["02-08 04:00/02-08 04:00"]),
    "three nights": (
        ("DTSTART:20240208T010000", "DURATION:PT3H", "RRULE:FREQ=DAILY;COUNT=3"),
        ["02-07 20:00/02-07 23:00", "02-08 20:00/02-08 23:00", "02-09 20:00/02-09 23:00"],
    ),
    "until, less one": (
        (
            "DTSTART:20240208T010000",
            "DURATION:PT3H",
            "RRULE:FREQ=DAILY;UNTIL=20240209T200000Z",
            "EXDATE:20240209T010000",
        ),
        ["02-07 20:00/02-07 23:00", "02-09 20:00/02-09 23:00"],
    ),
    "cancelled": (("DTSTART:20240208T040000Z", "STATUS:CANCELLED"), []),
    "a zone behind its maker's name": (
        ("DTSTART;TZID=/example.com/2024/Asia/Tehran:20240208T090000",),
        ["02-08 05:30/02-08 05:30"],
    ),
    "a zone as Outlook labels it": (
        ('DTSTART;TZID="(UTC+05:45) Kathmandu":20240208T090000',),
        ["02-08 03:15/02-08 03:15"],
    ),
    "a zone west of Greenwich": (
        ('DTSTART;TZID="(GMT-03:30) Newfoundland":20240208T090000',),
        ["02-08 12:30/02-08 12:30"],
    ),
    "eight hours through the end of summer time": (
        ("DTSTART;TZID=Europe/Kyiv:20241026T220000", "DURATION:PT8H"),
        ["10-26 19:00/10-27 03:00"],
    ),
    "a day through the beginning of summer time": (
        ("DTSTART;TZID=Europe/Kyiv:20240330T220000", "DURATION:P1D"),
        ["03-30 20:00/03-31 19:00"],
    ),
    "more dates": (
        ("DTSTART:20240208T010000", "DURATION:PT3H", "RDATE:20240210T010000,20240212T020000"),
        ["02-07 20:00/02-07 23:00", "02-09 20:00/02-09 23:00", "02-11 21:00/02-12 00:00"],
    ),
    "less a day": (
        ("DTSTART:20240208T010000", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20240209"),
        ["02-07 20:00/02-07 20:00", "02-09 20:00/02-09 20:00"],
    ),
    "a yearly day since the last century": (
        ("DTSTART;VALUE=DATE:19560323", "RRULE:FREQ=YEARLY;UNTIL=20020401"),
        ["03-22 19:00/03-23 19:00"] * 3,
    ),
}


@pytest.mark.parametrize("lines, expected", ICALENDAR.values(), ids=ICALENDAR)
def test_icalendar_times(lines: tuple[str, ...], expected: list[str], tmp_path: Path) -> None:
    other = vevent("UID:other", "SUMMARY:Other", "DTSTART:20240301T000000Z")
    events = read(tmp_path, ics(vevent("UID:u", "SUMMARY:Exam", *lines), other))
    assert spans(events[:-1]) == expected
    assert all(event.start.tzinfo is UTC for event in events)


def test_icalendar_says_country_title_and_source(tmp_path: Path) -> None:
    event = vevent(
        "UID:rally@example",
        "SUMMARY:A rally\\, held",
        "  online",  # a folded line
        "DTSTART:20240120T140000Z",
        "URL:https://news.example/rally",
        "X-NETDUSK-COUNTRY:pk",
    )
    [found] = read(tmp_path, ics(event), country=None)
    assert (found.id, found.country) == ("rally@example", "PK")
    assert (found.title, found.source) == ("A rally, held online", "https://news.example/rally")


def test_a_moved_night_replaces_its_own(tmp_path: Path) -> None:
    nights = vevent("UID:n", "SUMMARY:Exam", "DTSTART:20240208T010000Z", "RRULE:FREQ=DAILY;COUNT=2")
    moved = vevent("UID:n", "SUMMARY:Exam", "DTSTART:20240209T030000Z", "RECURRENCE-ID:20240209T010000Z")
    assert spans(read(tmp_path, ics(nights, moved))) == ["02-08 01:00/02-08 01:00", "02-09 03:00/02-09 03:00"]


NIGHTS = vevent(
    "UID:n", "SUMMARY:Exam", "DTSTART:20240208T010000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=4"
)


def exception(at: str, start: str, *lines: str, summary: str = "Moved") -> str:
    return vevent("UID:n", f"SUMMARY:{summary}", f"RECURRENCE-ID{at}", f"DTSTART:{start}", *lines)


def test_exceptions_come_in_any_order_and_may_cancel(tmp_path: Path) -> None:
    moved = exception(":20240209T010000Z", "20240209T100000Z", "DURATION:PT2H")
    gone = exception(":20240210T010000Z", "20240210T010000Z", "STATUS:CANCELLED")
    events = read(tmp_path, ics(moved, gone, NIGHTS))
    assert [(event.title, f"{event.start:%d %H}-{event.end:%H}") for event in events] == [
        ("Exam", "08 01-02"),
        ("Moved", "09 10-12"),
        ("Exam", "11 01-02"),
    ]
    assert [event.id for event in events][1] == "n/20240209T010000Z"
    assert read(tmp_path, ics(NIGHTS, gone, moved)) == events


def test_an_exception_may_go_for_all_that_follow(tmp_path: Path) -> None:
    later = exception(";RANGE=THISANDFUTURE:20240210T010000Z", "20240210T090000Z", "DURATION:PT3H")
    events = read(tmp_path, ics(later, NIGHTS))
    assert [f"{event.start:%d %H}-{event.end:%H}" for event in events] == [
        "08 01-02",
        "09 01-02",
        "10 09-12",
        "11 09-12",
    ]


def test_a_file_may_name_the_zone_of_all(tmp_path: Path) -> None:
    event = vevent("UID:a", "SUMMARY:a", "DTSTART:20240208T090000")
    day = vevent("UID:b", "SUMMARY:b", "DTSTART;VALUE=DATE:20240208")
    events = read(tmp_path, ics("X-WR-TIMEZONE:Asia/Tehran", event, day))
    assert spans(events) == ["02-08 05:30/02-08 05:30", "02-07 20:30/02-08 20:30"]


def test_events_that_share_a_uid_are_events_and_versions_of_one_are_one(tmp_path: Path) -> None:
    first = vevent("UID:s", "SUMMARY:First", "DTSTART:20240208T180000Z", "SEQUENCE:2")
    old = vevent("UID:s", "SUMMARY:Old", "DTSTART:20240208T180000Z", "SEQUENCE:1")
    second = vevent("UID:s", "SUMMARY:Second", "DTSTART:20240209T180000Z")
    events = read(tmp_path, ics(first, old, second))
    assert [(event.id, event.title) for event in events] == [
        ("s/20240208T180000Z", "First"),
        ("s/20240209T180000Z", "Second"),
    ]


def test_a_long_uid_stands_for_itself_by_its_hash(tmp_path: Path) -> None:
    long = vevent(f"UID:{'0' * 120}", "SUMMARY:a", "DTSTART:20240208T180000Z", "RRULE:FREQ=DAILY;COUNT=2")
    ids = [event.id for event in read(tmp_path, ics(long))]
    assert len(set(ids)) == 2
    assert all(len(name) < 128 and name.endswith("T180000Z") for name in ids)


TIMES_OF_DAY = {"BYHOUR": 24, "BYMINUTE": 60, "BYSECOND": 60}
ODD: dict[str, tuple[str, str]] = {
    "two starts": (
        vevent("SUMMARY:o", "DTSTART:20240208T180000Z", "DTSTART:20240209T180000Z"),
        "stands there 2 times",
    ),
    "no title": (vevent("UID:o", "DTSTART:20240208T180000Z"), "title ''"),
    "a zone of nobody's": (
        vevent("SUMMARY:o", "DTSTART;TZID=Customized:20240208T180000"),
        "TZID 'Customized'",
    ),
    "hour 24": (vevent("SUMMARY:o", "DTSTART:20240208T240000Z"), "DTSTART"),
    "a length below nothing": (vevent("SUMMARY:o", "DTSTART:20240208T180000Z", "DURATION:-PT1H"), "DURATION"),
    "by seconds": (
        vevent("SUMMARY:o", "DTSTART:20240208T180000Z", "RRULE:FREQ=SECONDLY;COUNT=9"),
        "FREQ has to be",
    ),
    "30 February": (
        vevent("SUMMARY:o", "DTSTART:20240208T180000Z", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5"),
        "gives no date",
    ),
    "no step at all": (
        vevent(
            "SUMMARY:o", "DTSTART:20240208T180000Z", "RRULE:FREQ=WEEKLY;INTERVAL=0;UNTIL=20250208T180000Z"
        ),
        "INTERVAL has to be 1 or more",
    ),
    "every second of a day": (
        vevent(
            "SUMMARY:o",
            "DTSTART:20240208T180000Z",
            "RRULE:FREQ=DAILY;UNTIL=20740208T180000Z"
            + "".join(f";{by}={','.join(map(str, range(n)))}" for by, n in TIMES_OF_DAY.items()),
        ),
        "more than 24 times in a day",
    ),
    "an hour of every day for two centuries": (
        vevent(
            "SUMMARY:o",
            "DTSTART:19000101T000000Z",
            "RRULE:FREQ=DAILY;UNTIL=20991231T000000Z;BYHOUR=" + ",".join(map(str, range(24))),
        ),
        "more than 1000 events of one",
    ),
    "a place that no month has": (
        vevent("SUMMARY:o", "DTSTART:20240208T180000Z", "RRULE:FREQ=MONTHLY;COUNT=2;BYDAY=MO;BYSETPOS=366"),
        "gives no date",
    ),
    "a huge step": (
        vevent(
            "SUMMARY:o",
            "DTSTART:20240208T180000Z",
            "RRULE:FREQ=DAILY;INTERVAL=100000000000;COUNT=2;BYSETPOS=400",
        ),
        "RRULE",
    ),
    "no line of the standard": ("BEGIN:VEVENT\r\nthis is none\r\nEND:VEVENT", ""),
    "no end": ("BEGIN:VEVENT\r\nSUMMARY:o", ""),
    "a title that turns the line": (vevent("SUMMARY:\u202eo", "DTSTART:20240208T180000Z"), "direction"),
    "a rule of no kind": (vevent("SUMMARY:o", "DTSTART:20240208T180000Z", "RRULE:COUNT=;X"), ""),
}


@pytest.mark.parametrize(("odd", "says"), ODD.values(), ids=ODD)
def test_an_odd_event_refuses_itself_and_no_other(odd: str, says: str, tmp_path: Path) -> None:
    before, after = (vevent(f"UID:{name}", f"SUMMARY:{name}", "DTSTART:20240208T180000Z") for name in "ab")
    path = tmp_path / "c.ics"
    path.write_bytes(ics(before, odd, after).encode())
    file = read_file(path, country="PK", zone=PK)
    assert [event.title for event in file.events] == ["a", "b"]
    assert len(file.refused) == 1
    assert file.refused[0].startswith(f"{path}, line 9: ")
    assert says in file.refused[0]


def test_a_rule_that_never_comes_true_ends_soon(tmp_path: Path) -> None:
    rules = (
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
        "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=31;UNTIL=20991231T000000Z",
        "FREQ=MONTHLY;BYMONTH=4,6;BYMONTHDAY=31,-31;COUNT=5",
        "FREQ=YEARLY;BYMONTH=2;BYYEARDAY=366;COUNT=5",
    )
    text = ics(*(vevent("SUMMARY:s", "DTSTART:20240208T180000Z", f"RRULE:{rule}") for rule in rules))
    began = time.process_time()
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert str(refused.value).count("gives no date") == len(rules)
    assert time.process_time() - began < 60.0


def test_a_day_that_one_of_its_months_has_is_given(tmp_path: Path) -> None:
    rules = ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1", "FREQ=YEARLY;BYMONTH=2,3;BYMONTHDAY=31;COUNT=1")
    text = ics(*(vevent("SUMMARY:s", "DTSTART:20250208T180000Z", f"RRULE:{rule}") for rule in rules))
    assert sorted(event.start.day for event in read(tmp_path, text) if event.start.day != 8) == [29, 31]


def test_brackets_without_end_are_said(tmp_path: Path) -> None:
    deep = "\r\n".join(["BEGIN:VEVENT"] * 1500)
    with pytest.raises(SettingsError, match=r"c.ics"):
        read(tmp_path, ics(deep))


CSV: dict[str, tuple[str, list[str]]] = {
    "days in every form": (
        "title,start\na,2024-02-08\nb,20240208\nc,2024-W06-4\n",
        ["02-07 19:00/02-08 19:00"] * 3,
    ),
    "an end that is a day": ("title,start,end\na,2024-02-08,20240209\n", ["02-07 19:00/02-09 19:00"]),
    "times in several forms": (
        "title,start\na,2024-02-08 18:00\nb,2024-02-08T18:00Z\nc,20240208T180000+0500\n",
        ["02-08 13:00/02-08 13:00", "02-08 18:00/02-08 18:00", "02-08 13:00/02-08 13:00"],
    ),
    "the end of a day": (
        "title,start,end\na,2024-02-08T18:00,2024-02-08T24:00\n",
        ["02-08 13:00/02-08 19:00"],
    ),
    "semicolons": ("title;start\na, b;2024-02-08T18:00Z\n", ["02-08 18:00/02-08 18:00"]),
    "tabs": ("title\tstart\na\t2024-02-08T18:00Z\n", ["02-08 18:00/02-08 18:00"]),
    "Excel's first line": ("sep=;\r\ntitle;start\r\na;2024-02-08T18:00Z\r\n", ["02-08 18:00/02-08 18:00"]),
    "empty rows": ("title,start\na,2024-02-08T18:00Z\n,\n\n", ["02-08 18:00/02-08 18:00"]),
    "a column of somebody's own": (
        "title,start,colour\na,2024-02-08T18:00Z,red\n",
        ["02-08 18:00/02-08 18:00"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CSV.values(), ids=CSV)
def test_csv_forms(text: str, expected: list[str], tmp_path: Path) -> None:
    assert spans(read(tmp_path, text, "c.csv")) == expected


def test_a_bad_row_refuses_itself_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    rows = [
        "a,2024-02-08,PK",
        "b,08/02/2024,PK",
        "c,2024-02-09,UK",
        "d,2024-02-10",
        "e,9999-12-31,PK",
        "f,2024-02-11,PK",
    ]
    path.write_text("title,start,country\n" + "\n".join(rows) + "\n")
    file = read_file(path, country=None, zone=PK)
    assert [event.title for event in file.events] == ["a", "f"]
    assert [line.removeprefix(f"{path}, ")[:7] for line in file.refused] == [
        "line 3:",
        "line 4:",
        "line 5:",
        "line 6:",
    ]
    assert "write GB" in file.refused[1]


def test_utf_16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes("title,start\nRäller,2024-02-08T18:00Z\n".encode("utf-16"))
    assert [event.title for event in read_file(path, country="PK", zone=PK).events] == ["Räller"]


@pytest.mark.parametrize("name", ["c.csv", "c.ics"])
def test_work_grows_with_the_file_and_no_faster(tmp_path: Path, name: str) -> None:
    def calls(count: int) -> int:
        if name == "c.csv":
            text = "title,start\n" + "".join(f"t{i},2024-02-08\n" for i in range(count))
        else:
            text = ics(*(vevent(f"UID:{i}", "SUMMARY:s", "DTSTART:20240208T180000Z") for i in range(count)))
        made = 0

        def count_one(*_: object) -> None:
            nonlocal made
            made += 1

        before = sys.getprofile()
        sys.setprofile(count_one)
        try:
            events = read(tmp_path, text, name)
        finally:
            sys.setprofile(before)
        assert len(events) == count
        return made

    calls(10)  # what is made once is not counted
    assert calls(800) < 4 * 1.1 * calls(200)


BAD: dict[str, tuple[str, str, str]] = {
    "no calendar": ("c.ics", "hello", "c.ics, line 1"),
    "no event": ("c.ics", ics(), "there is no event in it"),
    "no start": ("c.ics", ics(vevent("UID:u", "SUMMARY:s")), "c.ics, line 4: no DTSTART"),
    "a time that is none": (
        "c.ics",
        ics(vevent("UID:u", "DTSTART:tomorrow")),
        "c.ics, line 4: DTSTART",
    ),
    "an end before the start": (
        "c.ics",
        ics(vevent("SUMMARY:s", "DTSTART:20240208T040000Z", "DTEND:20240207T040000Z")),
        "lies before DTSTART",
    ),
    "for ever": (
        "c.ics",
        ics(vevent("SUMMARY:s", "DTSTART:20240208T040000Z", "RRULE:FREQ=DAILY")),
        "give RRULE a COUNT or an UNTIL",
    ),
    "too often": (
        "c.ics",
        ics(vevent("SUMMARY:s", "DTSTART:20240208T040000Z", "RRULE:FREQ=DAILY;COUNT=1001")),
        "more than 1000 events of one",
    ),
    "no title": ("c.ics", ics(vevent("UID:u", "DTSTART:20240208T040000Z")), "line 4: title ''"),
    "another century": (
        "c.ics",
        ics(vevent("SUMMARY:s", "DTSTART:18900208T040000Z")),
        "no time of this century",
    ),
    "another kind of file": ("c.txt", "x", "neither .ics nor .csv nor .jsonl"),
    "no column": ("c.csv", "title,when\na,b\n", "c.csv, line 1: no column start"),
    "too few values": ("c.csv", "title,start,end\na,2024-02-08\n", "c.csv, line 2: not as many values"),
    "too many values": ("c.csv", "title,start\na,2024-02-08,b\n", "c.csv, line 2: not as many values"),
    "no time": ("c.csv", "title,start\nb,soon\n", "c.csv, line 2: time 'soon'; write 2024"),
    "no country": ("c.csv", "title,start,country\na,2024-02-08,Pakistan\n", "line 2: country 'PAKISTAN'"),
    "backwards": ("c.csv", "title,start,end\na,2024-02-08,2024-02-01\n", "lies before start"),
    "an open quote": ("c.csv", 'title,start\n"a,2024-02-08\n', "quote it as CSV does"),
    "nothing": ("c.csv", "", "no column start, title"),
}


@pytest.mark.parametrize("name, text, says", BAD.values(), ids=BAD)
def test_a_bad_file_is_said_with_its_place(name: str, text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read(tmp_path, text, name)
    assert says in str(error.value)
    assert str(tmp_path / name) in str(error.value)


def test_not_utf8_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"title,start\na,2024-02-08\n\xff,2024-02-09\n")
    with pytest.raises(SettingsError, match="line 3: no UTF-8"):
        read_file(path, country="PK", zone=PK)


def test_csv(tmp_path: Path) -> None:
    text = (
        "\ufeffTitle,Start,End,Country,Source,Id\n"
        '"Election, general",2024-02-08,,PK,https://ecp.example/,e1\n'
        "Exam,2024-02-08T01:00,2024-02-08T04:00:00Z,IQ,,\n"
        "Sit-in,2024-02-08,2024-02-09,PK,,\n"
    )
    events = read(tmp_path, text, "c.csv", country=None)
    assert [event.title for event in events] == ["Election, general", "Exam", "Sit-in"]
    assert spans(events) == ["02-07 19:00/02-08 19:00", "02-07 20:00/02-08 04:00", "02-07 19:00/02-09 19:00"]
    assert (events[0].id, events[0].source, events[1].source) == ("e1", "https://ecp.example/", None)
    assert read(tmp_path, text, "c.csv", country=None) == events  # ids of their own stay the same


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_said(text: str) -> None:
    for kind in (read_csv, read_icalendar):
        for given_text in (text, ics(vevent("SUMMARY:s", text)), f"title,start\n{text}\n"):
            try:
                items = list(kind(given_text, Path("c"), "PK", PK))
            except SettingsError as error:
                items = [error]
            for item in items:
                if isinstance(item, SettingsError):
                    assert str(item).startswith("c, line ")
                else:
                    assert item.country == "PK"


def test_the_command_writes_a_file_for_backtest(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    arguments = [
        "add",
        "An election",
        "--country",
        "PK",
        "--start",
        "2024-02-08",
        "--timezone",
        "Asia/Karachi",
    ]
    outcome = CliRunner().invoke(app, [*arguments, "--output", str(out)])
    assert outcome.exit_code == 0
    event = decode(out.read_bytes())
    assert isinstance(event, CalendarEvent)
    assert spans([event]) == ["02-07 19:00/02-08 19:00"]
    source = tmp_path / "c.csv"
    source.write_text("title,start\na,2024-02-08\nb,2024-02-09\n")
    outcome = CliRunner().invoke(app, ["import", str(source), "--country", "PK", "--output", "-"])
    assert [decode(line.encode()).title for line in outcome.stdout.splitlines()] == ["a", "b"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["add", "a", "--country", "PAK", "--start", "2024-02-08"], "country 'PAK'"),
        (["add", "a", "--country", "PK", "--start", "today"], "time 'today'"),
        (["add", "a", "--country", "PK", "--start", "2024-02-08", "--timezone", "Karachi"], "no such zone"),
        (["import", "none.csv"], "none.csv"),
    ],
)
def test_a_bad_command_is_said(arguments: list[str], says: str) -> None:
    outcome = CliRunner().invoke(app, [*arguments, "--output", "-"])
    assert isinstance(outcome.exception, SettingsError)
    assert says in str(outcome.exception)


def test_a_topic_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTopic:
        def __init__(self, kafka: object) -> None: ...

        async def partitions_of(self, topic: str) -> list[int]:
            return []

    monkeypatch.setattr("streams.kafka.notes.TopicReader", NoTopic)
    outcome = CliRunner().invoke(app, ["add", "a", "--country", "PK", "--start", "2024-02-08"])
    assert isinstance(outcome.exception, SettingsError)
    assert "netdusk.calendar.v1: no such topic; make it with `netdusk topics`" in str(outcome.exception)


def _with_zone(observance: str, name: str = "Nowhere") -> str:
    """Two events, the first in a zone that the file describes."""
    return "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "BEGIN:VTIMEZONE",
            f"TZID:{name}",
            "BEGIN:STANDARD",
            "TZOFFSETFROM:+0000",
            "TZOFFSETTO:+0500",
            observance,
            "END:STANDARD",
            "END:VTIMEZONE",
            "BEGIN:VEVENT",
            "UID:a",
            f"DTSTART;TZID={name}:20250101T100000",
            "SUMMARY:Exam",
            "END:VEVENT",
            "BEGIN:VEVENT",
            "UID:good",
            "DTSTART:20250101T100000Z",
            "SUMMARY:Exam",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )


@pytest.mark.parametrize(
    ("begins", "rule", "days"),
    [
        ("20240229", "FREQ=YEARLY;COUNT=3", ["20240229", "20280229", "20320229"]),
        ("20960229", "FREQ=YEARLY;UNTIL=21050101T000000Z", ["20960229"]),
        ("20240205", "FREQ=WEEKLY;BYDAY=MO,FR;COUNT=3", ["20240205", "20240209", "20240212"]),
        ("20240101", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;COUNT=2", ["20240101", "20261228", "20321227"]),
        ("20240131", "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", ["20240131", "20240229", "20240331"]),
    ],
)
def test_a_rule_gives_its_days_wherever_in_the_centuries_it_is_gone_through(
    begins: str, rule: str, days: list[str]
) -> None:
    text = ics(vevent("UID:a", "SUMMARY:Exam", f"DTSTART:{begins}T180000Z", f"RRULE:{rule}"))
    read = read_icalendar(text, Path("a.ics"), "PK", UTC)
    assert [f"{e.start:%Y%m%d}" for e in read if not isinstance(e, SettingsError)] == days


@pytest.mark.parametrize(
    ("number", "observance"),
    list(
        enumerate(
            [
                "DTSTART:19700101T000000\r\nRRULE:FREQ=SECONDLY",
                "DTSTART:19700101T000000\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
                "DTSTART:19700101T000000\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;INTERVAL=0",
                "DTSTART:19700101T000000\r\nRRULE:FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU",
                "DTSTART:19700101T000000\r\nRRULE:FREQ=YEARLY;BYHOUR=1,2,3;BYMINUTE=1,2,3",
            ]
        )
    ),
)
def test_a_zone_that_changes_for_ever_refuses_its_event_alone(number: int, observance: str) -> None:
    read = list(read_icalendar(_with_zone(observance, f"Hard{number}"), Path("a.ics"), "PK", UTC))

    assert "not written as zones are" in str(read[0])
    assert [event.id for event in read if not isinstance(event, SettingsError)] == ["good"]


def test_a_zone_of_exchange_that_begins_in_1601_is_read() -> None:
    text = _with_zone("DTSTART:16010101T000000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "Old")

    starts = [
        e.start.hour
        for e in read_icalendar(text, Path("a.ics"), "PK", UTC)
        if not isinstance(e, SettingsError)
    ]

    assert sorted(starts) == [5, 10]


@pytest.mark.parametrize(
    "start", [f";TZID={'A' * 5000}:20250101T100000", ";VALUE=PERIOD:20250101T100000Z/P1D"]
)
def test_a_start_that_is_none_refuses_its_event_alone(start: str) -> None:
    text = _with_zone("DTSTART:19700101T000000", "Plain").replace(";TZID=Plain:20250101T100000", start)

    read = list(read_icalendar(text, Path("a.ics"), "PK", UTC))

    assert isinstance(read[0], SettingsError)
    assert [event.id for event in read if not isinstance(event, SettingsError)] == ["good"]


def _own_zone(name: str, offset: str, *, end: bool = True) -> list[str]:
    return [
        "BEGIN:VTIMEZONE",
        f"TZID:{name}",
        "BEGIN:STANDARD",
        "DTSTART:19700101T000000",
        f"TZOFFSETFROM:{offset}",
        f"TZOFFSETTO:{offset}",
        "END:STANDARD",
        *(["END:VTIMEZONE"] if end else []),
    ]


def _calendar(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", *lines, "END:VCALENDAR", ""])


def _in_zone(uid: str, zone: str) -> list[str]:
    return ["BEGIN:VEVENT", f"UID:{uid}", "SUMMARY:s", f"DTSTART;TZID={zone}:20250101T100000", "END:VEVENT"]


def _hours(text: str) -> dict[str, int]:
    """When each event begins, in UTC."""
    read = list(read_icalendar(text, Path("a.ics"), "PK", UTC))
    return {event.id: event.start.hour for event in read if not isinstance(event, SettingsError)}


def test_a_zone_of_one_file_is_not_that_of_the_next() -> None:
    east, west = (
        _calendar(*_own_zone("Here", offset), *_in_zone(offset, "Here")) for offset in ("+0500", "+0300")
    )

    assert [_hours(east), _hours(west)] == [{"+0500": 5}, {"+0300": 7}]
    assert _hours(east + west) == {"+0500": 5, "+0300": 7}


def test_a_zone_without_its_end_is_read() -> None:
    text = _calendar(*_own_zone("Torn", "+0500", end=False), *_in_zone("a", "Torn"), *_in_zone("b", "Torn"))

    assert _hours(text) == {"a": 5, "b": 5}


def test_zones_are_read_once_for_a_torn_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    parsed = icalendar_files._parsed

    def counted(text: str) -> list[Any]:
        lengths.append(len(text))
        return parsed(text)

    monkeypatch.setattr(icalendar_files, "_parsed", counted)
    events = [line for n in range(20) for line in _in_zone(str(n), "Own")]
    torn = ["BEGIN:VEVENT", "UID:torn", "SUMMARY:s", "DTSTART:20250101T100000Z"]
    text = _calendar(*_own_zone("Own", "+0500"), *["COMMENT:x" * 20] * 200, *torn, *events)

    assert _hours(text) == {"torn": 10} | {str(n): 5 for n in range(20)}
    # Once whole, once its zone, and each event by itself.
    assert len(lengths) == 23
    assert sum(lengths) < 2.5 * len(text)


def test_a_character_that_ends_lines_elsewhere_ends_none() -> None:
    text = _calendar(*_in_zone("a", "Asia/Karachi")).replace("SUMMARY:s", "SUMMARY:s\u2028BEGIN:VEVENT")

    assert _hours(text) == {"a": 5}


def test_what_list_writes_is_read_again(tmp_path: Path) -> None:
    events = [
        CalendarEvent(
            id="rally",
            country="PK",
            title="Online rally; جلسہ",
            start=datetime(2024, 1, 20, 15, 30, tzinfo=UTC),
            end=datetime(2024, 1, 20, 18, tzinfo=UTC),
            source="https://example.org/rally",
        ),
        CalendarEvent(
            id="day",
            country="SN",
            title="A day",
            start=datetime(2024, 2, 8, tzinfo=UTC),
            end=datetime(2024, 2, 9, tzinfo=UTC),
            source=None,
        ),
    ]
    file = tmp_path / "calendar.jsonl"
    file.write_bytes(b"\n\n".join(map(encode, events)))
    read = read_file(file, country=None, zone=UTC)
    assert read.events == events
    assert read.refused == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2: Input data was truncated"),
        ("[" * 3_000, "line 2: "),
        ('{"schema":"netdusk.annotation/1"}', "line 2: "),
        (
            '{"schema":"netdusk.calendar/1","id":"a","country":"PK","title":"t",'
            '"start":"2024-01-20T13:00:00","end":"2024-01-20T13:00:00"}',
            "line 2: .*time zone",
        ),
        (
            '{"schema":"netdusk.calendar/1","id":"a","country":"XX","title":"t",'
            '"start":"2024-01-20T13:00:00Z","end":"2024-01-20T13:00:00Z"}',
            "line 2: country 'XX'",
        ),
        (
            '{"schema":"netdusk.calendar/1","id":"a","country":"PK","title":"t",'
            '"start":"2024-01-20T13:00:00Z","end":"2024-01-19T13:00:00Z"}',
            "line 2: end .* lies before start",
        ),
        ('{"schema":"netdusk.calendar/1","id":"\\ud800"}', "line 2: "),
    ],
    ids=("cut", "deep", "another kind", "no zone", "no country", "ends before", "half a character"),
)
def test_a_bad_line_refuses_itself_alone(line: str, why: str, tmp_path: Path) -> None:
    good = CalendarEvent(
        id="good",
        country="PK",
        title="t",
        start=datetime(2024, 1, 20, tzinfo=UTC),
        end=datetime(2024, 1, 20, tzinfo=UTC),
        source=None,
    )
    file = tmp_path / "calendar.jsonl"
    file.write_bytes(encode(good) + b"\n" + line.encode() + b"\n")
    read = read_file(file, country=None, zone=UTC)
    assert read.events == [good]
    [refused] = read.refused
    assert re.search(why, refused)
