"""How many results arrive where connectivity is lost: figures of the whole country, and of what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as with_fields

import msgspec
import pytest

from detectors.incidents.flow import Flow
from detectors.incidents.moves import Announcement
from detectors.incidents.snapshots import Kind, Scope, Snapshot
from detectors.readings import CountryReading, Opinion, Reading, Volume
from tests.detectors.incidents.hand import T0, country, reading, run, story, volumes_of
from tests.streams.test_sentences import sentences


def quiet(lines: dict[int, str]) -> list[Reading]:
    """One country of which nothing but the flow of results is told."""
    calm = {("x", network): line.replace("x", "?") for network, line in lines.items()}
    return story(calm, volumes=lines)


def coming(readings: Sequence[Reading], seen: dict[int, Sequence[float]]) -> list[Reading]:
    """The same with so many results of some networks in each window."""
    for at, one in enumerate(readings):
        volumes = dict(one.countries[0].volumes)
        for network, many in seen.items():
            volumes[network] = msgspec.structs.replace(volumes[network], seen=many[at])
        one.countries[0].volumes = volumes
    return list(readings)


def test_of_a_nation_the_share_is_that_of_the_whole_country() -> None:
    lines = dict.fromkeys((1, 2, 3), "...." + "x" * 12) | {4: "." * 16}
    (told,) = run(quiet(lines))
    assert told.scope is Scope.NATION_SCALE
    assert told.reachability == pytest.approx(0.25)


def test_of_some_networks_the_share_is_that_of_these() -> None:
    lines = dict.fromkeys((1, 2, 3), "...." + "x" * 12) | dict.fromkeys((4, 5, 6, 7), "." * 16)
    (told,) = run(quiet(lines))
    assert told.scope is Scope.MULTI_PROVIDER
    assert told.reachability == 0.0


def test_an_end_counts_whole_windows_and_what_is_more_than_usual_in_some() -> None:
    """Results come by chance: cut off at the usual, each window would have too few."""
    lines = dict.fromkeys((1, 2, 3), "...." + "x" * 8 + "." * 12)
    flow = [40.0] * 4 + [0.0] * 8 + [4.0] + [24.0, 56.0] * 6
    last = run(coming(quiet(lines), dict.fromkeys((1, 2, 3), flow[:24])))[-1]
    assert last.status is Announcement.RESOLVED
    assert last.reachability >= 0.95


def test_nothing_opens_by_whose_own_figure_it_is_over() -> None:
    """A darkness that lags behind: networks are called dark still, and their results come as usual."""
    lines = dict.fromkeys((1, 2, 3), "...." + "x" * 6 + "." * 6)
    late = coming(quiet(lines), dict.fromkeys((1, 2, 3), [40.0] * 16))
    assert run(late) == []
    assert [one.kind for one in run(quiet(lines))][:1] == [Kind.CONNECTIVITY]


def regional(at: int, dark: dict[str, int], volumes: dict[int, str]) -> Reading:
    """A country of regions with three vantages each, of which some fall silent at a window."""
    land = country(at, {("x", network): "." * 60 for network in (1, 2)}, volumes=volumes)
    land = with_fields(land, homes={1: list(dark), 2: list(dark)})
    land.region_volumes = {
        region: Volume(
            Opinion.BAD if at >= fell else Opinion.GOOD,
            1.5 if at >= fell else 0.0,
            0.0 if at >= fell else 6.0,
            6.0,
            T0 + 60 * fell if at >= fell else None,
            live=True,
        )
        for region, fell in dark.items()
    }
    return reading([land])


def told_of_regions(dark: dict[str, int], volumes: dict[int, str]) -> list[Snapshot]:
    return run([regional(at, dark, volumes) for at in range(60)])


def test_of_regions_both_shares_are_said() -> None:
    told = told_of_regions(
        {"PK-PB": 4, "PK-SD": 20, "PK-KP": 99, "PK-BA": 99, "PK-IS": 99}, {1: "." * 60, 2: "." * 60}
    )
    assert [(one.scope, one.in_regions, one.reachability) for one in told] == [
        (Scope.REGION, 0.0, pytest.approx(0.8)),
        (Scope.REGION, 0.0, pytest.approx(0.6)),
    ]
    assert "; 0% of the usual results arrive there, 60% in the whole country" in sentences(told)[-1]


def test_networks_that_go_dark_in_all_their_regions_are_news() -> None:
    """Some regions were lost before: so the networks were in the list, and were heard in the others."""
    dark = {"PK-PB": 4, "PK-SD": 5, "PK-KP": 6, "PK-BA": 99}
    told = told_of_regions(dark, dict.fromkeys((1, 2), "." * 30 + "x" * 30))
    grown = [one for one in told if "reached 2 more networks" in one.reason]
    assert len(grown) == 1
    assert grown[0].updated <= T0 + 60 * 36


def test_what_others_lost_before_is_no_part_of_it() -> None:
    lines = {1: "x", 2: ".", 3: "x"}
    flow = Flow()
    land = CountryReading("PK", False, T0, T0 + 60, volumes=volumes_of(0, lines))
    flow.take(land, [1], [])
    whole, own = flow.present(whole=True), flow.present(whole=False)
    assert whole is not None and own is not None
    assert (whole.now, whole.results) == (0.5, 80) and (own.now, own.results) == (0.0, 40)
