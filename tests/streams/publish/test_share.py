"""The picture to share: all that a reader has to know stands on it, and it fits."""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from detectors.settings import IncidentSettings
from producers.countries import COUNTRIES
from streams.page.languages import LANGUAGES, language
from streams.publish import share
from streams.publish.draw import Chart, Line, loss_path
from streams.publish.share import HEIGHT, WIDTH, card_of, chart_of, share_svg
from streams.records import Kind
from streams.settings import load
from tests.streams.page.world import observatory
from tests.streams.publish.stories import ID, ONSET, incident, results, story
from tests.streams.publish.test_report import hostile, report_of


def picture(**how: Any) -> str:
    report = report_of(story(**how), results(simulated=how.get("simulated", False)))
    return share_svg(card_of(report, f"Source: {report.source}"), chart_of(report))


def texts(svg: str) -> list[str]:
    return [
        (one.text or "").replace("\u00a0", " ")
        for one in ElementTree.fromstring(svg).iter()
        if one.tag.endswith("text")
    ]


def test_headline_figures_and_source_stand_on_it() -> None:
    words = texts(picture())
    assert "Pakistan · Critical disruption, over" in words
    assert "X (Twitter) and YouTube were restricted across Pakistan for 4 h 00 min" in " ".join(words)
    assert {"4 %", "at the worst, usually 98 %", "13:40 UTC", "4 h 00 min", "3 of 3"} <= set(words)
    assert f"{ONSET.day} {ONSET:%B %Y}, {ONSET + timedelta(hours=5):%H:%M} local time" in words
    assert f"Source: netdusk, {ID}" in words
    assert {"X (Twitter)", "YouTube", "Google"} <= set(words)
    assert re.search(r"Brown: planned events\.", words[-1])


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_is_across_it(simulated: bool) -> None:
    marks = [text for text in texts(picture(simulated=simulated)) if text == "SIMULATED"]
    assert len(marks) == (2 if simulated else 0)


def test_an_address_is_its_source_where_there_is_one() -> None:
    report = report_of(story(), settings=load(page={"title": "Obs", "public_url": "https://o.example/n"}))
    assert report.source == f"Obs, o.example/n/incident/{ID}"


def test_unconfirmed_and_more_platforms_than_fit_are_said() -> None:
    many = tuple(f"platform-{number}" for number in range(9))
    report = report_of([incident(platforms=many, confirmed=False)], results(platforms=(*many, "google")))
    words = texts(share_svg(card_of(report, "s", ["false alarm"]), chart_of(report)))
    assert "UNCONFIRMED · FALSE ALARM" in words
    assert "+6" in words


def letters(font: bytes) -> set[int]:
    """What a font can draw: the characters of its `cmap`, format 4 (OpenType 1.9)."""
    (tables,) = struct.unpack_from(">H", font, 4)
    found = (struct.unpack_from(">4sIII", font, 12 + 16 * number) for number in range(tables))
    start = next(offset for tag, _, offset, _ in found if tag == b"cmap")
    (many,) = struct.unpack_from(">H", font, start + 2)
    places = (struct.unpack_from(">HHI", font, start + 4 + 8 * number)[2] for number in range(many))
    place = next(start + one for one in places if struct.unpack_from(">H", font, start + one) == (4,))
    (twice,) = struct.unpack_from(">H", font, place + 6)
    ends = struct.unpack_from(f">{twice // 2}H", font, place + 14)
    begins = struct.unpack_from(f">{twice // 2}H", font, place + 16 + twice)
    return {code for begin, end in zip(begins, ends, strict=True) for code in range(begin, end + 1)}


@pytest.mark.parametrize("weight", ["regular", "bold"])
def test_its_font_has_every_letter_of_every_language(weight: str) -> None:
    publish = Path(share.__file__).parent
    drawn = letters((publish / "fonts" / f"netdusk-sans-{weight}.ttf").read_bytes())
    said = {
        letter for path in (publish.parent / "page" / "locale").glob("*.po") for letter in path.read_text()
    }
    for code in LANGUAGES:
        said |= {
            letter for country in COUNTRIES for letter in language(code).country(country, IncidentSettings())
        }
        said |= {
            letter
            for month in range(1, 13)
            for letter in language(code).moment(datetime(2024, month, 1, tzinfo=UTC))
        }
    assert len(said) > 200
    assert sorted(letter for letter in said - {"\n"} if ord(letter) not in drawn) == []


@pytest.mark.parametrize("code", LANGUAGES)
async def test_an_incident_is_shared_in_the_readers_language(code: str) -> None:
    server = await observatory(incident(confirmed=False, simulated=True))
    card, chart = server.site.share(ID, language(code))
    words = texts(share_svg(card, chart))
    headline = language(code).headline(server.observatory.cases[ID].last, server.settings.incidents)
    plain = "".join(words).translate(dict.fromkeys(map(ord, " \u00a0\u202b\u202c")))
    assert headline.replace(" ", "").replace("\u00a0", "") in plain
    right = [text for text in words if text.startswith("\u202b")]
    assert (len(right) > 8) is (language(code).direction == "rtl")
    assert any("netdusk.example/incident/" in text for text in words)
    assert any(card.words.simulated in text for text in words) and len(card.marks) <= 1


@pytest.mark.parametrize("length", [1, 3, 8, 30, 200])
def test_no_headline_is_too_long_for_it(length: int) -> None:
    report = report_of(story(platforms=tuple(f"a-platform-{'w' * number}" for number in range(length))))
    root = ElementTree.fromstring(share_svg(card_of(report, "s"), chart_of(report)))
    for one in root.iter():
        if one.tag.endswith("text"):
            assert 0 < float(one.get("y", 0)) < HEIGHT
            # Half an em a letter is what these fonts take in the mean.
            wide = float(one.get("font-size", 0)) * 0.5 * len(one.text or "")
            left = float(one.get("x", 0)) - {"end": wide, "middle": wide / 2}.get(
                one.get("text-anchor", ""), 0
            )
            assert left >= 0 and left + wide <= WIDTH, one.text


def test_names_from_outside_are_text_and_nothing_else() -> None:
    svg = share_svg(card_of(hostile(), "<s>"), chart_of(hostile()))
    assert {one.tag.rpartition("}")[2] for one in ElementTree.fromstring(svg).iter()} <= {
        "svg",
        "rect",
        "path",
        "text",
    }


def test_without_results_it_says_so() -> None:
    report = report_of(story(kind=Kind.PLATFORM), [])
    assert chart_of(report) is None
    assert "No results of that time were at hand to draw." in texts(share_svg(card_of(report, "s"), None))


async def test_the_page_has_the_same_picture_of_what_goes_on() -> None:
    server = await observatory()
    card, chart = server.site.share(ID)
    server._thread.shutdown(wait=False)
    words = texts(share_svg(card, chart))
    assert f"Source: netdusk, netdusk.example/incident/{ID}" in words
    assert "56 min" in words and "so far" in words
    assert "X (Twitter) and YouTube restricted across Pakistan" in " ".join(words)


def test_what_is_missing_is_one_shape_a_stretch() -> None:
    line = Line("x", [1.0, 0.1, 0.2, None, 0.1, 0.97], [1.0] * 6)
    path = loss_path(line, 0, 10, lambda ratio: 100 * (1 - ratio))
    assert path.count("M") == 2
    assert path.startswith("M10.0 0.0L20.0 0.0L20.0 0.0L30.0 0.0L30.0 80.0L20.0 80.0L20.0 90.0L10.0 90.0Z")
    assert Chart(ONSET, 60, [line], "t").steps == 6
