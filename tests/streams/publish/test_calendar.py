"""Calendar files: what is read, and what is said of a file that can't be."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.commands.calendar import app
from streams.publish.calendar_files import read_csv, read_file, read_icalendar
from streams.records import CalendarEvent, decode
from streams.settings import SettingsError

PK = ZoneInfo("Asia/Karachi")


def ics(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//t//t//EN", *lines, "END:VCALENDAR", ""])


def vevent(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT"])


def read(tmp_path: Path, text: str, name: str = "c.ics", country: str | None = "PK") -> list[CalendarEvent]:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return read_file(path, country=country, zone=PK)


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


BAD: dict[str, tuple[str, str, str]] = {
    "no calendar": ("c.ics", "hello", "c.ics, line 1"),
    "no event": ("c.ics", ics(), "there is no event in it"),
    "no start": ("c.ics", ics(vevent("UID:u", "SUMMARY:s")), "c.ics, line 4: no DTSTART"),
    "a time that is none": (
        "c.ics",
        ics(vevent("UID:a", "SUMMARY:a", "DTSTART:20240208T040000Z"), vevent("UID:u", "DTSTART:tomorrow")),
        "c.ics, line 9: DTSTART",
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
        ics(vevent("SUMMARY:s", "DTSTART:20240208T040000Z", "RRULE:FREQ=SECONDLY;COUNT=100000")),
        "more than 1000 events",
    ),
    "no title": ("c.ics", ics(vevent("UID:u", "DTSTART:20240208T040000Z")), "line 4: title ''"),
    "another century": (
        "c.ics",
        ics(vevent("SUMMARY:s", "DTSTART:18900208T040000Z")),
        "no time of this century",
    ),
    "another kind of file": ("c.txt", "x", "neither .ics nor .csv"),
    "no column": ("c.csv", "title,when\na,b\n", "c.csv, line 1: no column start"),
    "an unknown column": ("c.csv", "title,start,colour\n", "unknown column 'colour'"),
    "too few values": ("c.csv", "title,start,end\na,2024-02-08\n", "c.csv, line 2: not as many values"),
    "too many values": ("c.csv", "title,start\na,2024-02-08,b\n", "c.csv, line 2: not as many values"),
    "no time": ("c.csv", "title,start\na,2024-02-08\nb,soon\n", "c.csv, line 3: time 'soon'; write 2024"),
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
                events = list(kind(given_text, Path("c"), "PK", PK))
            except SettingsError as error:
                assert str(error).startswith("c, line ")
            else:
                assert all(event.country == "PK" for event in events)


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
