"""The map: whose name stands on it, and where a country is."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from producers.countries import COUNTRIES
from streams.page.observatory import CountryStanding, State
from streams.page.world_map import NAMES_MAX, drawn, locator, svg


def standing(country: str, state: State) -> CountryStanding:
    return CountryStanding(country, state, None)


def names(*standings: CountryStanding) -> list[str]:
    drawing = svg(standings, "The world", str, str, lambda code: f"name {code}")
    return [one.text or "" for one in ElementTree.fromstring(drawing).iter("text")]


def test_the_worst_are_named_and_those_that_are_well_are_not() -> None:
    shown = names(standing("PK", State.CRITICAL), standing("UG", State.DARK), standing("KE", State.WELL))
    assert sorted(shown) == ["name PK", "name UG"]


def test_names_are_few_and_hide_no_other() -> None:
    many = [standing(code, State.MAJOR) for code in sorted(drawn())]
    assert 0 < len(names(*many)) <= NAMES_MAX
    crowd = svg([standing(code, State.MAJOR) for code in ("BE", "NL", "LU", "DE", "CH")], "t", str, str)
    places = [
        (float(one.get("x", 0)), float(one.get("y", 0))) for one in ElementTree.fromstring(crowd).iter("text")
    ]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("code", "wide"),
    [("FR", 150), ("PK", 200), ("NL", 120), ("ID", 450), ("NO", 200), ("PT", 120), ("US", 900)],
)
def test_a_far_part_does_not_widen_the_view(code: str, wide: float) -> None:
    width = float(re.findall(r'viewBox="\S+ \S+ (\S+)', locator(code, State.DARK, ""))[0])
    assert width <= wide


def test_every_country_that_has_a_shape_can_be_found() -> None:
    for code in sorted(COUNTRIES):
        drawing = locator(code, State.CRITICAL, "<Name>")
        assert bool(drawing) == (code in drawn()), code
        if drawing:
            assert can_be_found(drawing), code


def can_be_found(drawing: str) -> bool:
    """Whether the view is wide enough, and one of the country's parts begins within it."""
    root = ElementTree.fromstring(drawing)
    left, top, width, height = (float(number) for number in root.get("viewBox", "").split())
    here = [one for one in root if "here" in one.get("class", "")]
    named = bool(here) and root.get("aria-label") == "<Name>"
    wide = width == pytest.approx(4 / 3 * height, rel=0.03) and width >= 109
    starts = [
        (float(x), float(y)) for one in here for x, y in re.findall(r"M(-?\d+) (-?\d+)", one.get("d", ""))
    ] + [(float(one.get("cx", 0)), float(one.get("cy", 0))) for one in here if one.get("cx")]
    begins = any(left <= x <= left + width and top <= y <= top + height for x, y in starts)
    return named and wide and begins
