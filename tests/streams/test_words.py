"""A summary and a headline of one incident never disagree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detectors.incidents.snapshots import Kind, Scope
from detectors.settings import IncidentSettings
from streams.words import Extent, _where, duration, ordinal

SETTINGS = IncidentSettings()


def extent(n_networks: int, *, scope: Scope = Scope.MULTI_PROVIDER, live: int = 9) -> Extent:
    networks = tuple(f"AS{64500 + i}" for i in range(n_networks))
    return Extent(Kind.PLATFORM, scope, "PK", 1, ("PK-BA",), networks, live)


@pytest.mark.parametrize(
    "n_networks, expected",
    [
        (0, "in Pakistan"),
        (1, "in Pakistan on AS64500"),
        (3, "in Pakistan on AS64500, AS64501 and AS64502"),
        (4, "in Pakistan on 4 of 9 networks"),
    ],
)
@pytest.mark.parametrize("brief", [False, True])
def test_networks_are_named_or_counted_by_one_rule(n_networks: int, expected: str, brief: bool) -> None:
    assert _where(extent(n_networks), SETTINGS, brief=brief) == expected


def test_more_networks_than_live_ones_are_not_told_as_a_share_above_one() -> None:
    assert _where(extent(5, live=3), SETTINGS) == "in Pakistan on 5 of 5 networks"


def test_a_nation_is_counted_in_the_summary_and_not_in_the_headline() -> None:
    whole = replace(extent(5, scope=Scope.NATION_SCALE), regions=())
    assert _where(whole, SETTINGS) == "across Pakistan on 5 of 9 networks"
    assert _where(whole, SETTINGS, brief=True) == "across Pakistan"


def test_the_regions_of_most_of_a_nation_are_named_in_both() -> None:
    most = extent(5, scope=Scope.NATION_SCALE)
    assert _where(most, SETTINGS) == "across Pakistan, in Balochistan on 5 of 9 networks"
    assert _where(most, SETTINGS, brief=True) == "across Pakistan, in Balochistan"


@pytest.mark.parametrize(
    "number, expected",
    [(1, "first"), (5, "fifth"), (10, "tenth"), (12, "12th"), (21, "21st"), (111, "111th"), (122, "122nd")],
)
def test_ordinals(number: int, expected: str) -> None:
    assert ordinal(number) == expected


@pytest.mark.parametrize(
    "seconds, expected",
    [
        (0, "0 min"),
        (29, "0 min"),
        (30, "1 min"),
        (150, "3 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (60 * 3600, "2 d 12 h"),
    ],
)
def test_durations(seconds: int, expected: str) -> None:
    assert duration(seconds) == expected
