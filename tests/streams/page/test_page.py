"""What the page says: how countries stand, what is unknown, made up, said by people; and how the page is guarded."""

from __future__ import annotations

import asyncio
import gzip
import html
import re
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.readings import Says
from streams.archive.reader import By
from streams.archive.writer import Archiver
from streams.page import answers, languages
from streams.page.connections import Connections
from streams.page.languages import LANGUAGES, language
from streams.page.observatory import Observatory, State
from streams.page.page_pictures import heading
from streams.page.recent import STEPS, Recent
from streams.page.server import NoteError
from streams.page.shelf import ArchiveShelf
from streams.publish.draw import Chart, Line, svg
from streams.publish.pages import to_html
from streams.publish.share import share_svg
from streams.records import (
    Annotation,
    AnnotationKind,
    CalendarEvent,
    Corroboration,
    Kind,
    Reachability,
    Scope,
    Status,
    Window,
    encode,
)
from streams.settings import load
from tests.streams.archive.memory import MemoryStore
from tests.streams.page.world import NOW, TOKEN, client, observatory, settings, window, windows
from tests.streams.publish.stories import ID, ONSET, incident

ROOT = Path(__file__).parents[3]
FALSE_ALARM = Annotation(
    id="n1", incident=ID, time=NOW, author="desk", kind=AnnotationKind.FALSE_ALARM, text="A test."
)
MINUTE = timedelta(minutes=1)
PAGES = (
    "/",
    "/country/PK",
    "/country/PK?by=network",
    f"/incident/{ID}",
    "/incidents",
    "/about",
    "/platform/x",
    "/network/AS64501",
    "/embed/country/PK",
)


async def states(*records: object) -> dict[str, State]:
    server = await observatory(more=records)
    return {code: one.state for code, one in server.observatory.standings(NOW).items()}


async def test_what_nobody_measures_is_unknown_and_never_well() -> None:
    said = await states()
    assert (said["PK"], said["UG"], said["IR"], said["FR"]) == (
        State.CRITICAL,
        State.WELL,
        State.UNKNOWN,
        State.UNKNOWN,
    )
    server = await observatory()
    later = server.observatory.standings(NOW + timedelta(hours=1))
    assert {one.state for code, one in later.items() if code != "PK"} == {State.UNKNOWN}
    async with client(server) as asking:
        page = await (await asking.get("/")).text()
    legend = page[page.index('class="legend"') :]
    assert re.search(r"Not known <span class=\"count\">248<", legend)
    drawn = page[page.index('class="map"') : page.index('class="legend"')]
    assert drawn.count('class="s-well"') == 1 and "/country/UG" in drawn and "/country/FR" not in page


async def test_all_quiet_says_on_how_much_it_rests() -> None:
    over = incident(seq=2, status=Status.RESOLVED, resolved=NOW - timedelta(minutes=10), updated=NOW)
    async with client(await observatory(incident(), over)) as asking:
        page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await (await asking.get("/")).text()))
    assert "All quiet." in page
    assert "This rests on 10 vantages, 6 networks, and 2 countries. Of the other 248 nothing is known" in page


async def test_where_no_usual_is_known_yet_nothing_is_called_well() -> None:
    from streams.page.server import PageServer

    young = {
        code: msgspec.structs.replace(window(NOW - timedelta(minutes=3), code), expected=[None] * 6)
        for code in ("PK", "UG")
    }
    silent = Window(country="UG", start=NOW - 2 * MINUTE, end=NOW - MINUTE, networks_live=3, vantages=5)
    half = window(NOW - MINUTE, "UG")
    half = msgspec.structs.replace(half, expected=[None, 0.9, None, None, None, None])

    async def page(*records: Window) -> tuple[State, str]:
        server = PageServer(settings(), clock=lambda: NOW)
        await server.take(list(records))
        async with client(server) as asking:
            shown = re.sub(r"<[^>]+>", " ", await (await asking.get("/")).text())
        return server.observatory.standing("UG", NOW).state, re.sub(r"\s+", " ", shown)

    state, words = await page(*young.values())
    assert state is State.LEARNING and "All quiet" not in words
    assert "Still learning what is usual." in words and "Results arrive." in words
    # A window in which nothing came teaches nothing.
    assert (await page(*young.values(), silent))[0] is State.LEARNING
    state, words = await page(*young.values(), silent, half)
    assert state is State.WELL and "All quiet." in words
    assert "Still learning what is usual, so that little could be seen there: 1 country." in words


async def test_a_page_that_hears_nothing_does_not_say_all_quiet() -> None:
    from streams.page.server import PageServer

    async with client(PageServer(settings(), clock=lambda: NOW)) as asking:
        page = await (await asking.get("/")).text()
        assert "Nothing is known yet." in page and "All quiet" not in page
        assert (await asking.get("/readyz")).status == 503


async def test_a_false_alarm_leaves_the_counts_and_stays_to_be_seen() -> None:
    server = await observatory(more=(FALSE_ALARM,))
    assert server.observatory.standing("PK", NOW).state is State.WELL
    async with client(server) as asking:
        now = await (await asking.get("/")).text()
        assert "All quiet." in now and "False alarm" in now
        page = await (await asking.get(f"/incident/{ID}")).text()
        assert "A person has marked this as a false alarm." in page and "A test." in page
        answer = await (await asking.get("/api/v1/incidents")).json()
    assert answer["false_alarms"] == [ID] and len(answer["data"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": "2024-01-20T00:00:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"author": "x" * 201},
        {"text": "x" * 4001},
        {"author": "\u202edesk"},
        {"url": "javascript:alert(1)"},
    ],
)
async def test_a_note_that_no_person_would_write_breaks_no_page(wrong: dict[str, str]) -> None:
    event = CalendarEvent(id="e", country="PK", title="A rally", start=NOW, end=NOW + timedelta(hours=1))
    note = msgspec.json.encode(msgspec.to_builtins(FALSE_ALARM) | {"id": "n2"} | wrong)
    other = msgspec.json.encode(msgspec.to_builtins(event) | {"end": "2024-01-20T00:00:00"})
    snapshot = msgspec.json.encode(
        msgspec.to_builtins(incident(id="pk-2")) | {"onset": "2024-01-20T00:00:00"}
    )
    server = await observatory(more=(FALSE_ALARM,))

    async def batches() -> AsyncIterator[list[bytes]]:
        yield [note, other, snapshot]

    await server.feed(batches())
    assert list(server.observatory.cases[ID].annotations) == ["n1"] and set(server.observatory.cases) == {ID}
    async with client(server) as asking:
        for path in ("/", "/country/PK", f"/incident/{ID}", "/api/v1/annotations"):
            assert (await asking.get(path)).status == 200, path


async def test_a_note_may_come_before_its_incident() -> None:
    known = Observatory()
    known.take(FALSE_ALARM)
    known.take(incident())
    assert known.open() == [] and known.cases[ID].false_alarm == FALSE_ALARM


async def test_simulated_is_marked_and_hides_nothing_real() -> None:
    made_up = incident(id="pk-sim", simulated=True)
    server = await observatory(incident(), made_up, more=(window(NOW, "FR", simulated=True),))
    async with client(server) as asking:
        for path in ("/", "/country/FR", "/incident/pk-sim"):
            assert ">Simulated<" in await (await asking.get(path)).text(), path
        assert "SIMULATED: " in await (await asking.get("/incident/pk-sim")).text()
        assert "SIMULATED" in await (await asking.get("/badge/country/FR.svg")).text()
        assert "SIMULATED" in await (await asking.get("/feed.atom")).text()
    assert server.observatory.standing("PK", NOW).simulated is False


async def test_what_others_measure_is_shown_with_its_source() -> None:
    said = Corroboration(
        source="ioda",
        says=Says.AGREES,
        signal="bgp",
        value=12.0,
        usual=98.0,
        time=NOW,
        until=NOW + timedelta(minutes=90),
        url="https://ioda.example/PK",
        text="<b>visible prefixes</b>",
    )
    async with client(await observatory(incident(corroboration=(said,)))) as asking:
        page = await (await asking.get(f"/incident/{ID}")).text()
    assert "What others measure" in page and ">agrees<" in page and "https://ioda.example/PK" in page
    assert "<b>visible" not in page
    assert f"{NOW:%H:%M} – " in page and f"{NOW + timedelta(minutes=90):%H:%M}</td>" in page


def test_memory_and_archive_say_the_same() -> None:
    kept = list(windows())
    writer = Archiver(MemoryStore())
    writer.begin("windows", 0, 0, len(kept))
    recent = Recent()
    for offset, one in enumerate(kept):
        writer.take("windows", 0, offset, encode(one))
        recent.take(one)
    writer.flush()
    start = NOW - timedelta(hours=4)
    for by in By:
        filed = writer.archive.series("PK", start, NOW, by=by, step=900, simulated=False)
        held = recent.series("PK", False, start, NOW, by=by.value, step=900)
        assert len(filed) > 10
        assert sorted(map(str, map(msgspec.to_builtins, filed))) == sorted(
            map(str, map(msgspec.to_builtins, held))
        )


@pytest.mark.parametrize("simulated", [True, False])
async def test_a_country_that_the_archive_alone_knows_is_shown(simulated: bool) -> None:
    writer = Archiver(MemoryStore())
    kept = [window(one.start, "MM", simulated=simulated) for one in windows() if one.country == "UG"]
    writer.begin("windows", 0, 0, len(kept))
    for offset, one in enumerate(kept):
        writer.take("windows", 0, offset, encode(one))
    writer.flush()
    server = await observatory(shelf=ArchiveShelf(writer.store))
    rows = server.site.history.rows("MM", NOW - timedelta(hours=4), NOW)
    assert rows and {row.simulated for row in rows} == {simulated}


async def test_an_incident_is_told_once_however_often_its_snapshots_come() -> None:
    known = Observatory()
    first, second = incident(), incident(seq=2, updated=ONSET + timedelta(minutes=9))
    assert known.take(second) and known.take(first)
    assert known.take(first) == [] and known.take(second) == []
    assert [one.seq for one in known.cases[ID].snapshots] == [1, 2]


def test_memory_holds_a_day_and_counts_each_window_once() -> None:
    recent = Recent()
    start = NOW - timedelta(days=3)
    for minute in range(0, 3 * 1440, 5):
        assert recent.take(window(start + timedelta(minutes=minute)))
    assert not recent.take(window(NOW - timedelta(minutes=5))), "told twice"
    assert not recent.take(window(start)), "too old"
    rows = recent.series("PK", False, start, NOW, by="platform")
    assert len([row for row in rows if row.name == "x"]) == STEPS
    assert {row.n for row in rows} == {30}


class Reader(HTMLParser):
    """Collects what a strict policy refuses, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.links: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "style" in given or tag == "style" or any(name.startswith("on") for name in given):
            self.refused.append(tag)
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.refused.append("script")
        for name in ("src", "href"):
            value = given.get(name) or ""
            if (
                tag in ("img", "script", "link", "iframe")
                and re.match(r"https?:|//", value)
                and given.get("rel") != "canonical"
            ):
                self.refused.append(value)
            if tag == "a" and value.startswith("/"):
                self.links.add(value)
        if given.get("id"):
            self.ids.append(given["id"] or "")


@pytest.mark.parametrize(
    "followed", [False, pytest.param(True, marks=pytest.mark.system)], ids=["pages", "what they lead to"]
)
async def test_pages_need_nothing_from_elsewhere_and_every_link_leads_somewhere(followed: bool) -> None:
    async with client(await observatory(settings=settings(requests_per_second=1000))) as asking:
        links: set[str] = set()
        for path in PAGES:
            answer = await asking.get(path)
            assert answer.status == 200, path
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert ("frame-ancestors *" in policy) is path.startswith("/embed/")
            reader = Reader()
            reader.feed(await answer.text())
            assert reader.refused == [], path
            assert len(reader.ids) == len(set(reader.ids)), path
            links |= reader.links
        assert "/about" in links
        for link in sorted(links) if followed else ():
            if not link.endswith(".png") and "format=parquet" not in link:
                assert (await asking.get(link)).status == 200, link


@pytest.mark.parametrize(
    "paths", [PAGES[1:2], pytest.param(PAGES, marks=pytest.mark.system)], ids=["one page", "all pages"]
)
async def test_beside_each_chart_it_can_be_taken_along_in_every_form(paths: Sequence[str]) -> None:
    async with client(await observatory(settings=settings(requests_per_second=1000))) as asking:
        drawn = set()
        for path in paths:
            page = await (await asking.get(path)).text()
            for figure in re.split(r'<figure class="chart-box', page)[1:]:
                assert 'class="chart"' in figure, path
                drawn.add(path)
                # Beside it: in its caption, or in the line that follows.
                links = re.findall(
                    r'href="([^"]+)"', figure.partition("</section>")[0].rpartition("</svg>")[2]
                )
                for form, kind in (
                    ("format=csv", "text/csv"),
                    ("format=json", "application/json"),
                    ("format=parquet", "application/vnd.apache.parquet"),
                    (".png", "image/png"),
                ):
                    link = next(html.unescape(one) for one in links if form in one)
                    answer = await asking.get(link)
                    assert (answer.status, answer.content_type) == (200, kind), (path, link)
        assert drawn == set(paths) - {"/incidents", "/about"}
        assert (await asking.get("/country/PK.png?asn=x")).status == 400


async def test_an_exercise_is_taken_along_as_an_exercise_where_a_country_is_measured_too() -> None:
    made_up = [window(NOW - timedelta(minutes=5), lost=True, simulated=True)]
    server = await observatory(incident(simulated=True), more=tuple(made_up))
    async with client(server) as asking:
        for path in (f"/incident/{ID}", "/network/AS64501", "/"):
            page = html.unescape(await (await asking.get(path)).text())
            links = re.findall(r'href="(/api/v1/series[^"]*format=json)"', page)
            said = [(await (await asking.get(link)).json())["data"] for link in links]
            assert True in {row["simulated"] for rows in said for row in rows}, path
            assert all(len({row["simulated"] for row in rows}) == 1 for rows in said)
        for made in ("true", "false"):
            assert (await asking.get(f"/country/PK.png?asn=64501&simulated={made}")).status == 200
        assert (await asking.get("/country/PK.png?simulated=perhaps")).status == 400


async def test_a_platform_is_told_for_every_country() -> None:
    made_up = window(NOW - timedelta(minutes=5), "UG", lost=True, simulated=True)
    async with client(await observatory(more=(made_up,))) as asking:
        rows = (await (await asking.get("/api/v1/platforms/x?step=300")).json())["data"]
        fewer = (await (await asking.get("/api/v1/platforms/x?simulated=true")).json())["data"]
        assert (await asking.get("/api/v1/platforms/nobody")).status == 404
        assert (await asking.get("/platform/nobody.png")).status == 404
        page = await (await asking.get("/platform/x")).text()
        series = (await (await asking.get("/api/v1/series?country=PK&platform=x&step=900")).json())["data"]
    assert {(row["name"], row["simulated"]) for row in rows} == {
        ("PK", False),
        ("UG", False),
        ("IR", False),
        ("UG", True),
    }
    assert [(row["name"], row["k"]) for row in fewer] == [("UG", 3)]
    own = [{**row, "name": "x"} for row in rows if row["name"] == "PK"]
    assert own == series[-len(own) :]
    # The worst first.
    names = re.findall(r'class="c-name"[^>]*>([^<]+)<', page[: page.index('class="narrow"')])
    assert names[0] in ("Pakistan", "Uganda (simulated)") and len(names) == 4


@given(st.text(max_size=300), st.text(max_size=300))
def test_what_stands_over_a_picture_fits_it(title: str, source: str) -> None:
    lines = heading(f"Pakistan, {title}", "20 January 2024, 17:05 UTC", source)
    assert len(lines[0]) <= 72 and lines[0].startswith("Pakistan")
    assert max(map(len, lines)) <= 140


async def test_what_comes_from_outside_is_shown_as_it_is() -> None:
    evil = "<script>alert(1)</script>\"'&"
    event = CalendarEvent(id="e", country="PK", title=evil, start=NOW, end=NOW, source="javascript:alert(1)")
    note = Annotation(
        id="n", incident=ID, time=NOW, author=evil, kind=AnnotationKind.CAUSE, text=evil, url="javascript:x"
    )
    server = await observatory(incident(summary=evil, platforms=(evil,), reason=evil), more=(event, note))
    async with client(server) as asking:
        for path in (f"/incident/{ID}", "/country/PK", "/", "/incidents", "/feed.atom"):
            page = await (await asking.get(path)).text()
            assert "<script>alert" not in page and 'href="javascript' not in page, path
        table = await (await asking.get("/api/v1/incidents?format=csv")).text()
        assert "alert" in table


async def test_what_nobody_can_see_turns_nothing_and_breaks_no_feed() -> None:
    unseen = "left\u202etfel \x00\x1b[2J\ufffe"
    case = incident(summary=unseen, platforms=(unseen,), reason=unseen)
    server = await observatory(case)
    async with client(server) as asking:
        for path in (
            f"/incident/{ID}",
            "/country/PK",
            "/",
            "/incidents",
            "/feed.atom",
            f"/badge/incident/{ID}.svg",
        ):
            page = await (await asking.get(path)).text()
            assert not set("\u202e\x00\x1b\ufffe") & set(page), path
            if path.endswith(("atom", "svg")):
                ElementTree.fromstring(page)
        assert "left\\u202etfel" in await (await asking.get("/feed.atom")).text()
    ElementTree.fromstring(share_svg(*server.site.share(ID)))


async def test_an_exercise_in_a_country_that_is_measured_is_marked_on_its_page() -> None:
    async with client(await observatory(incident(simulated=True))) as asking:
        page = await (await asking.get("/country/PK")).text()
    head = page[page.index('<div class="head">') : page.index('class="locator"')]
    assert "sim" in re.findall(r'<span class="tag (\w+)">', head)


async def test_how_it_went_says_each_sentence_once() -> None:
    first = incident()
    later = msgspec.structs.replace(first, seq=2, status=Status.UPDATED, reason="a planned event has begun")
    async with client(await observatory(first, more=(later,))) as asking:
        page = await (await asking.get(f"/incident/{ID}")).text()
    part = page[page.index("h-time") : page.index("</ol>", page.index("h-time"))]
    assert part.count(first.summary) == 1 and "a planned event has begun" in part


def test_the_band_is_what_chance_leaves_of_networks_that_count_alike() -> None:
    recent = Recent()
    one = window(NOW - timedelta(minutes=5))
    ns = [10, 40, 90]
    recent.take(msgspec.structs.replace(one, n=[*ns, *ns], k=[*ns, *ns], expected=[0.9, 0.5, 0.8] * 2))
    (row,) = recent.series("PK", False, one.start, NOW, by="platform", platforms=["x"])
    chance = (0.9 * 0.1 / 10 + 0.5 * 0.5 / 40 + 0.8 * 0.2 / 90) ** 0.5 / 3
    assert row.expected_error == pytest.approx(chance, abs=1e-4)
    line = Line("x", [1.0, 1.0, None, 1.0], [0.9, 0.8, None, 0.9], errors=[0.05, 0.1, None, None])
    drawn = svg(Chart(NOW, 300, [line], "t"), 442)
    # Between 80 and 100 %, then between 60 and 100 %, of a plot from 36 to 80.
    assert re.findall(r'class="c-band" d="([^"]*)"', drawn) == ["M42.0 36H242.0V53.5H142.0V45H42.0Z"]


@pytest.mark.parametrize("code", ["en", "fr", "fa"])
async def test_a_chart_has_the_figures_of_its_axis_at_their_heights(code: str) -> None:
    server = await observatory()
    async with client(server) as asking:
        page = await (await asking.get(f"/country/PK?lang={code}")).text()
    for drawn in re.findall(r'<svg [^>]*class="chart".*?</svg>', page):
        figures = re.findall(r'<text class="c-y" x="36" y="([\d.]+)"[^>]*>([^<]+)<', drawn)
        lines = re.findall(r'<path class="c-now" d="([^"]*)"', drawn)
        said = [language(code).percent(ratio).replace("\u00a0", " ") for ratio in (1.0, 0.5, 0.0)]
        assert [text.replace("\u00a0", " ") for _, text in figures] == said * len(lines) and len(lines) == 2
        for number, line in enumerate(lines):
            top, middle, base = (float(y) - 3.5 for y, _ in figures[3 * number : 3 * number + 3])
            assert top + base == 2 * middle
            heights = {float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", line)}
            # All is well, or nine of ten attempts fail.
            assert heights <= {top, round(base - 0.1 * (base - top), 1)} and top in heights
            assert min(float(x) for x in re.findall(r"[ML]([\d.]+) ", line)) >= 42


async def test_figures_keep_their_places_where_words_are_read_from_the_right() -> None:
    async with client(await observatory()) as asking:
        arabic = await (await asking.get(f"/incident/{ID}?lang=ar")).text()
        english = await (await asking.get(f"/incident/{ID}")).text()
    assert 'class="c-part"' in arabic and 'class="c-part"' not in english
    assert re.search(r'<bdi lang="en">[^<]*min</bdi>', arabic)
    # Each figure with its label is read by itself: a share after a time of day would be turned into it.
    start = arabic.index('class="standfirst"')
    assert arabic[start : arabic.index("</p>", start)].count("<bdi>") >= 4
    # The record's own sentence stands there too, as English.
    assert f'lang="en" dir="auto">{incident().summary}' in html.unescape(arabic)
    assert f'class="standfirst" dir="auto">{incident().summary}' in html.unescape(english)


@pytest.mark.parametrize("code", ["fr", "ru", "ar", "ur"])
@pytest.mark.parametrize(
    "more",
    [{}, {"kind": Kind.CONNECTIVITY, "platforms": ()}, {"status": Status.RESOLVED, "resolved": NOW}],
)
async def test_what_was_measured_is_told_with_all_its_figures_in_every_language(
    code: str, more: dict[str, Any]
) -> None:
    one = incident(**more)
    lang = language(code)
    said = " · ".join((await observatory(one)).site.in_short(one, lang))
    figures = [one.reachability.now, *([] if "kind" in more else [one.reachability.usual])]
    figures += [one.mechanism.share] if one.mechanism else []
    assert all(lang.percent(figure) in said for figure in figures)
    assert str(len(one.networks)) in said and str(one.networks_live) in said
    assert lang.moment(one.onset) in said and (one.resolved is None or lang.moment(one.resolved) in said)


async def test_one_client_can_hold_half_of_the_streams_and_gives_them_back() -> None:
    server = await observatory(settings=settings(streams_max=4))
    async with client(server) as asking:
        held = [await asking.get("/events?watch=PK") for _ in range(2)]
        assert [one.status for one in held] == [200, 200]
        assert (await asking.get("/events?watch=UG")).status == 429
        for one in held:
            one.close()
        for _ in range(10_000):
            if not server.streams.count:
                break
            server.streams.changed(["PK"])
            server.streams.tell()
            await asyncio.sleep(0)
        assert (await asking.head("/events")).status == 200
        again = await asking.get("/events")
        assert again.status == 200 and server.streams.count == 1
        again.close()


async def test_a_feed_is_named_as_it_was_asked_for() -> None:
    async with client(await observatory()) as asking:
        feed = ElementTree.fromstring(await (await asking.get("/feed.atom?platform=a%26b")).read())
        moved = await asking.get("/country/pk?by=a%26b", allow_redirects=False)
    assert feed[0].text == "https://netdusk.example/feed.atom?platform=a%26b"
    assert moved.headers["Location"] == "/country/PK?by=a%26b"
    assert "Content-Security-Policy" in moved.headers


async def test_an_answer_is_packed_for_whoever_takes_it_so() -> None:
    async with client(await observatory()) as asking:
        for takes, packed in (
            ("gzip", True),
            ("br, gzip;q=0.5", True),
            ("gzip;q=0", False),
            ("identity", False),
        ):
            answer = await asking.get("/", headers={"Accept-Encoding": takes})
            assert (answer.headers.get("Content-Encoding") == "gzip") is packed, takes
            assert answer.headers["ETag"].startswith("W/")
        assert (await asking.get("/", headers={"If-None-Match": "*"})).status == 304


async def test_a_place_written_otherwise_leads_to_its_address() -> None:
    async with client(await observatory()) as asking:
        for asked, address in (
            ("/country/pk?by=network", "/country/PK?by=network"),
            ("/network/as64501", "/network/AS64501"),
            ("/network/64501", "/network/AS64501"),
        ):
            answer = await asking.get(asked, allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (301, address)
            assert (await asking.get(asked)).status == 200


async def test_languages_turn_the_page_and_say_that_nobody_has_reviewed_them() -> None:
    async with client(await observatory()) as asking:
        arabic = await (await asking.get("/?lang=ar")).text()
        assert 'dir="rtl"' in arabic and "باكستان" in arabic
        assert "This translation has not been reviewed." in arabic
        french = await (await asking.get(f"/incident/{ID}?lang=fr")).text()
        assert "Pakistan : " in french and "/?lang=fr" in french
        assert (await asking.get("/?lang=xx")).status == 400


@pytest.mark.parametrize(
    ("verb", "more", "french"),
    [
        ("restricted", {}, "Pakistan : accès restreint à X (Twitter) et YouTube dans tout le pays"),
        ("disrupted", {}, "Pakistan : perturbations de X (Twitter) et YouTube dans tout le pays"),
        ("throttled", {}, "Pakistan : X (Twitter) et YouTube ralenti"),
        ("unreachable", {}, "Pakistan : X (Twitter) et YouTube, inaccessible"),
        (
            "disrupted",
            {"kind": Kind.GLOBAL, "countries": ("PK",)},
            "Pakistan et depuis l'extérieur : perturbations de X (Twitter) et YouTube",
        ),
        (
            "disrupted",
            {"kind": Kind.GLOBAL, "countries": ("PK", "UG", "IR", "MM")},
            "4 pays : perturbations de X (Twitter) et YouTube",
        ),
    ],
)
def test_a_translated_headline_claims_no_more_than_the_english_one(
    verb: str, more: dict[str, Any], french: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(languages, "verb_of", lambda *_: verb)
    shown = language("fr").headline(incident(platforms=("x", "youtube"), **more), load().incidents)
    assert shown.replace("\u00a0", " ") == french


@pytest.mark.parametrize("code", LANGUAGES)
async def test_the_first_page_is_light_and_answers_from_memory(code: str) -> None:
    async with client(await observatory()) as asking:
        answer = await asking.get(f"/?lang={code}", headers={"Accept-Encoding": "gzip"}, compress=False)
        tag = answer.headers["ETag"]
        page = await answer.read()
        total = len(gzip.compress(page))
        named = set(re.findall(rb'(?:href|src)="(/static/[^"?]+)', page))
        assert f"/static/{language(code).font}".encode() in named
        for name in named | {b"/static/libre-franklin.woff2"}:
            body = await (await asking.get(name.decode())).read()
            total += len(body if name.endswith(b"woff2") else gzip.compress(body))
        assert total < 150_000, total
        again = await asking.get(f"/?lang={code}", headers={"If-None-Match": tag})
        assert again.status == 304 and not await again.read()


async def test_where_connectivity_is_lost_the_small_line_falls_though_what_comes_is_well() -> None:
    dark = incident(kind=Kind.CONNECTIVITY, platforms=(), mechanism=None)
    quiet = await observatory(incident(status=Status.RESOLVED, resolved=NOW))
    lost = await observatory(dark)
    few = [msgspec.structs.replace(window(NOW + timedelta(hours=1)), n=[1] * 6, k=[1] * 6)]
    lines = []
    for server in (quiet, lost):
        await server.take(few)
        rows = server.site.now(language("en"), NOW)["known"]
        lines.append(next(row["spark"] for row in rows if row["code"] == "PK"))
    assert lines[1].count("M") > lines[0].count("M")


async def test_who_asks_too_often_waits() -> None:
    server = await observatory(settings=settings(requests_per_second=5))
    async with client(server) as asking:
        answers = [await asking.get("/api/v1/platforms") for _ in range(40)]
    assert answers[0].status == 200 and answers[-1].status == 429
    assert answers[-1].headers["Retry-After"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/country/XX", 404),
        ("/incident/pk-none", 404),
        ("/network/AS1", 404),
        ("/platform/none", 404),
        ("/country/PK?from=yesterday", 400),
        ("/country/PK?from=2024-03-02&to=2024-03-01", 400),
        ("/country/PK?by=<script>", 400),
        ("/incidents?severity=huge", 400),
        ("/incidents?country=UK", 400),
        ("/feed.atom?country=pk", 400),
        ("/incidents?page=-1", 400),
        (f"/{'x' * 3000}", 414),
        (f"/api/v1/series?country=PK&platform={'x' * 3000}", 400),
        ("/static/..%2fserver.py", 404),
    ],
)
async def test_a_page_that_there_is_not_says_so(path: str, status: int) -> None:
    async with client(await observatory()) as asking:
        answer = await asking.get(path)
        assert answer.status == status
        assert "<script>" not in (await answer.text()).replace("<script src", "")


ODD: list[dict[str, Any]] = [
    {"kind": Kind.GLOBAL, "scope": Scope.GLOBAL, "country": None, "countries": ()},
    {"country": "ZZ"},
    {"country": None},
    {"networks": (), "platforms": (), "evidence": ()},
    {"status": Status.RESOLVED, "resolved": None},
    {"status": Status.RESOLVED, "resolved": ONSET - timedelta(hours=1)},
    {"onset": NOW + timedelta(days=300)},
    {"onset": ONSET - timedelta(days=9000)},
    {"linked": (ID,), "previous": (ID, "nope"), "regions": ("XX-1", "")},
    {"unconfirmed_reason": "a reason of tomorrow", "confirmed": False},
]


@pytest.mark.parametrize(
    "forms",
    [
        ["/incident/{}", "/api/v1/incidents/{}"],
        pytest.param(
            ["/incident/{}?lang=ar", "/badge/incident/{}.svg", "/incident/{}.png"], marks=pytest.mark.system
        ),
    ],
    ids=["pages", "pictures"],
)
async def test_records_that_no_worker_writes_break_no_page(forms: Sequence[str]) -> None:
    """All stand on the pages that list incidents, and each has pages of its own."""
    records = {f"{ID}-{number}": incident(id=f"{ID}-{number}", **odd) for number, odd in enumerate(ODD)}
    server = await observatory(incident(), *records.values(), settings=settings(requests_per_second=10_000))
    paths = [
        *PAGES,
        "/api/v1/incidents?format=csv",
        "/api/v1/incidents?format=parquet",
        *(form.format(name) for name in records for form in forms),
    ]
    async with client(server) as asking:
        broken = {path: status for path in paths if (status := (await asking.get(path)).status) != 200}
    assert broken == {}, ODD


async def test_an_address_that_is_none_breaks_no_page() -> None:
    wrong = "http://["
    note = Annotation(id="n", incident=ID, time=NOW, author="A", kind=AnnotationKind.LINK, url=wrong)
    event = CalendarEvent(
        id="e", country="PK", title="A rally", start=NOW, end=NOW + timedelta(hours=1), source=wrong
    )
    said = Corroboration(source="ioda", says=Says.AGREES, signal="bgp", value=1.0, usual=9.0, url=wrong)
    facts = tuple(msgspec.structs.replace(one, source=wrong) for one in incident().evidence)
    server = await observatory(incident(corroboration=(said,), evidence=facts), more=(note, event))
    async with client(server) as asking:
        for path in PAGES:
            answer = await asking.get(path)
            assert answer.status == 200, path
            assert 'href="http://[' not in await answer.text()
        assert wrong in await (await asking.get(f"/incident/{ID}")).text()
    report = server.site.report(server.site.case(ID))
    # What is drawn has no addresses, and drawing takes a second.
    report = msgspec.structs.replace(report, notes=(note,), events=(event,), lines=(), grid=())
    assert wrong in to_html(report)


async def test_a_note_that_can_not_be_written_now_is_told_so() -> None:
    async def write(annotation: Annotation) -> None:
        raise NoteError("the broker is away")

    form = {"kind": "cause", "text": "A cable.", "author": "Amna", "token": TOKEN}
    async with client(await observatory(write_note=write)) as asking:
        answer = await asking.post(f"/incident/{ID}/annotations", data=form)
        assert answer.status == 503 and "The note was not published" in await answer.text()
        assert "A cable." not in await (await asking.get(f"/incident/{ID}")).text()


WRONG_NOTES = (
    {"token": "wrong-token-of-length"},
    {"kind": "closed"},
    {"author": " "},
    {"url": "javascript:1"},
    {"url": "http://["},
    {"url": "https://"},
    {"text": "\u202ex"},
)


async def test_whoever_has_the_token_may_write_and_nobody_else() -> None:
    written: list[Annotation] = []

    async def write(annotation: Annotation) -> None:
        written.append(annotation)

    server = await observatory(write_note=write)
    form = {
        "kind": "cause",
        "text": "A cable.\r\nTwo.",
        "author": "Amna",
        "url": "https://news.example/a",
        "token": TOKEN,
    }
    async with client(server) as asking:
        for wrong in WRONG_NOTES:
            answer = await asking.post(f"/incident/{ID}/annotations", data=form | wrong)
            assert answer.status == (403 if "token" in wrong else 400), wrong
        assert (await asking.post("/incident/none/annotations", data=form)).status == 404
        assert written == []
        answer = await asking.post(f"/incident/{ID}/annotations", data=form, allow_redirects=False)
        assert answer.status == 303
        page = await (await asking.get(f"/incident/{ID}")).text()
    assert [(one.author, one.text, one.url) for one in written] == [
        ("Amna", "A cable.\nTwo.", "https://news.example/a")
    ]
    assert "A cable." in page
    async with client(await observatory(settings=settings(token=None), write_note=write)) as asking:
        assert (await asking.post(f"/incident/{ID}/annotations", data=form)).status == 403
        assert "Add a note" not in await (await asking.get(f"/incident/{ID}")).text()


async def test_a_browser_that_waits_is_told_of_what_it_looks_at_alone() -> None:
    server = await observatory()
    mine, other = server.streams.join("PK"), server.streams.join("UG")

    async def batches() -> object:
        yield [encode(window(NOW, lost=True)), b"no record"]

    await server.feed(batches())  # type: ignore[arg-type]  # an async generator
    server.streams.tell()
    assert mine.is_set() and not other.is_set()
    server.streams.leave("PK", mine)
    server.streams.leave("UG", other)
    assert server.streams.count == 0 and server.streams.waiting == {}


@pytest.mark.parametrize("learned", [True, False])
async def test_a_usual_level_that_is_a_guess_is_not_shown(learned: bool) -> None:
    case = incident(reachability=Reachability(now=0.9, usual=0.61, usual_learned=learned))
    async with client(await observatory(case)) as asking:
        for path in ("/", f"/incident/{case.id}"):
            page = await (await asking.get(path)).text()
            assert "90\u00a0%" in page
            assert ("usual 61\u00a0%" in page) == learned, path


async def test_the_same_page_is_made_once_however_many_ask() -> None:
    server = await observatory()
    made = 0
    render = server._render.page

    def counted(*args: object) -> bytes:
        nonlocal made
        made += 1
        return render(*args)  # type: ignore[arg-type]  # as given

    server._render.page = counted  # type: ignore[method-assign]
    async with client(server) as asking:
        answers = await asyncio.gather(*(asking.get("/country/PK") for _ in range(20)))
    assert {answer.status for answer in answers} == {200} and made == 1


async def test_who_asks_while_a_page_is_made_gets_the_one_before_and_is_told_of_the_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long making takes: a machine under load keeps no reader waiting for a page that is in memory."""
    monkeypatch.setattr(answers, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(answers, "_ANEW_SECONDS", 0.0)
    server, gate = await observatory(), threading.Event()
    render = server._render.page

    def slow(*args: Any) -> bytes:
        assert gate.wait(30)
        return render(*args)

    async with client(server) as asking:
        first = await (await asking.get("/country/PK")).text()
        told = server.streams.join("PK")
        await server.take([window(NOW, lost=True)])
        server._render.page = slow  # type: ignore[method-assign]
        again = await (await asking.get("/country/PK")).text()
        assert again == first and len(server.answers.making) == 1
        gate.set()
        await asyncio.gather(*server.answers.making.values())
        await asyncio.sleep(0)
        server.streams.tell()
        assert told.is_set()
        assert await (await asking.get("/country/PK")).text() != first


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether a connection is closed or broken off, without an answer."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_what_nothing_depends_on_makes_no_page_anew_and_who_asks_for_many_waits() -> None:
    server = await observatory(settings=settings(requests_per_second=5, behind_proxy=True))
    async with client(server) as asking:
        made = set()
        for path in ("/country/PK", "/country/PK?utm=1", "/country/PK?by=", "/country/PK?x=&lang=&y=2"):
            answer = await asking.get(path)
            made.add(answer.headers["ETag"])
        assert len(made) == 1 and [key for key in server.answers.kept if "country" in key] == [
            "page /country/PK"
        ]
        one, other = ({"X-Forwarded-For": f"192.0.2.{number}"} for number in (1, 2))
        days = [f"/country/PK?from=2024-01-{day:02}T00:00Z" for day in range(1, 20)]
        statuses = [(await asking.get(path, headers=one)).status for path in days]
        assert statuses[0] == 200 and statuses[-1] == 429
        assert (await asking.get(days[-1], headers=other)).status == 200


async def test_who_sends_half_a_request_is_let_go_and_who_waits_for_changes_is_not() -> None:
    server = await observatory()
    now = [0.0]
    server._connections = Connections(most=3, clock=lambda: now[0])
    await server.start()
    host, port = server.url.removeprefix("http://").split(":")
    try:
        halves = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        for _, writer in halves:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        reader, waiting = await asyncio.open_connection(host, int(port))
        waiting.write(b"GET /events?watch=PK HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"retry: 5000\n\n")
        assert server._runner is not None and server._runner.server is not None
        open_now = server._runner.server.connections
        assert len(open_now) == 3 and server._connections.overdue(open_now) == []
        more = await asyncio.open_connection(host, int(port))
        while len(server._runner.server.connections) < 4:
            await asyncio.sleep(0)
        server._let_go()
        assert await ended(halves[0][0]), "of too many, the oldest that has not asked goes"
        now[0] = 1000.0
        server._let_go()
        assert await ended(halves[1][0]) and await ended(more[0])
        server.streams.changed(["PK"])
        server.streams.tell()
        assert b"event: change" in await reader.readuntil(b"data: ")
        waiting.close()
    finally:
        await server.stop()


async def test_the_first_page_is_made_though_nobody_asks() -> None:
    server = await observatory()
    await server.start()
    try:
        while "page /" not in server.answers.kept:
            await asyncio.sleep(0)
        assert b"restricted across Pakistan" in server.answers.kept["page /"].body
    finally:
        await server.stop()


async def test_pages_behind_a_balancer_answer_alike() -> None:
    """One heard everything at once; the other came later, and got it in another order, some of it twice."""
    records = [*windows(), incident(), FALSE_ALARM]
    servers = [await observatory(), await observatory()]
    servers[1]._clock = lambda: NOW + timedelta(seconds=2.5)
    await servers[0].take(records)
    await servers[1].take(records[:40])
    await servers[1].take([*reversed(records[-2:]), *records])
    paths = (
        "/",
        "/country/PK?by=network",
        f"/incident/{ID}",
        "/api/v1/incidents",
        "/api/v1/series?country=PK",
        "/feed.json",
        "/api/v1/countries",
        "/api/v1/coverage",
    )

    async def said(server: object) -> list[tuple[int, str | None, bytes]]:
        async with client(server) as asking:  # type: ignore[arg-type]  # a PageServer
            answers = [await asking.get(path) for path in paths]
            return [(one.status, one.headers.get("ETag"), await one.read()) for one in answers]

    first, second = [await said(server) for server in servers]
    assert [status for status, _, _ in first] == [200] * len(paths)
    for path, one, other in zip(paths, first, second, strict=True):
        assert one == other, path
