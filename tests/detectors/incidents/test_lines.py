"""Whose line failed, told in lines: a vantage's bad line is no loss of its network, and no choice among platforms."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from detectors.incidents.lines import LASTS_SECONDS
from detectors.incidents.snapshots import Snapshot
from detectors.readings import Opinion, Reading, SeatStanding
from detectors.settings import IncidentSettings
from streams.words import summary
from tests.detectors.incidents.hand import T0, WINDOW, run, story

# How a vantage does on each platform of late, over its usual: on the first network.
FAILS, DOES_WELL = -0.4, 0.01
FIVE = "f i w x y"
LASTS = LASTS_SECONDS // WINDOW


def one_network(
    marks: Mapping[str, str],
    vantages: Mapping[int, Mapping[str, float]],
    others: str = FIVE,
    *,
    onset: int | None = None,
    leans: float = 0.6,
) -> list[Snapshot]:
    """What is told where `marks` is what the first of three networks has of its platforms.

    `vantages` says how each vantage of it does on each platform; "" stands for all others. `onset` is when its
    detectors say that all began, `leans` the score of what is not sure.
    """
    length = len(next(iter(marks.values())))
    lines = {(platform, asn): "." * length for platform in others.split() for asn in (1, 2, 3)}
    lines |= {(platform, 1): line for platform, line in marks.items()}
    readings = story(lines)
    for one in readings:
        country = one.countries[0]
        country.seats = {
            1: [
                SeatStanding(platform, vantage, of_it.get(platform, of_it.get("", DOES_WELL)), country.start)
                for vantage, of_it in vantages.items()
                for platform in others.split()
            ]
        }
        _say(one, onset, leans)
    return run(readings)


def _say(one: Reading, onset: int | None, leans: float) -> None:
    """Have the detectors of the first network say so much, and so long."""
    standings = one.countries[0].networks
    one.countries[0].networks = {
        (platform, asn): msgspec.structs.replace(
            standing,
            onset=onset if onset is not None and standing.onset is not None and asn == 1 else standing.onset,
            score=leans if standing.opinion is Opinion.UNSURE else standing.score,
        )
        for (platform, asn), standing in standings.items()
    }


def all_platforms(line: str, sure: str) -> dict[str, str]:
    """The first platforms are sure to have lost something, the others fail alike and are not."""
    return {p: line if p in sure else line.replace("f", "~").replace("x", "u") for p in FIVE.split()}


BRIEF = "." * 15 + "f" * 12 + "." * 8
LONG = "." * 15 + "f" * 30
WHOLE = "." * 15 + "x" * 12

BAD = {1: {"": FAILS}}
BAD_AND_WELL = {1: {"": FAILS}, 2: {}}
BOTH_BAD = {1: {"": FAILS}, 2: {"": FAILS}}


@pytest.mark.parametrize("vantages", [BAD, BAD_AND_WELL], ids=["the only one", "one of two"])
@pytest.mark.parametrize("sure", ["f", "f i", "f i w x y"])
def test_one_vantages_bad_line_of_twelve_minutes_is_not_told(
    sure: str, vantages: Mapping[int, Mapping[str, float]]
) -> None:
    assert one_network(all_platforms(BRIEF, sure), vantages) == []


def test_however_long_a_line_is_bad_its_network_is_well_where_another_vantage_is() -> None:
    assert one_network(all_platforms(LONG, "f i"), BAD_AND_WELL) == []


def test_what_lasts_on_the_only_vantage_is_told_with_all_platforms_and_as_no_choice() -> None:
    snapshots = one_network(all_platforms(LONG, "f i"), BAD)
    assert snapshots[0].platforms == tuple(FIVE.split())
    assert snapshots[0].detected >= T0 + (15 + LASTS) * WINDOW
    assert snapshots[0].detected <= T0 + (15 + LASTS + 1) * WINDOW
    assert "disrupted" in summary(snapshots[0], IncidentSettings())


def test_two_bad_lines_of_the_only_vantage_are_no_loss_that_lasts() -> None:
    twice = "." * 15 + "f" * 5 + "." * 9 + "f" * 9 + "." * 6
    assert one_network(all_platforms(twice, "f i"), BAD, onset=T0 + 15 * WINDOW) == []


def test_platforms_that_fail_alike_and_say_little_make_no_faint_alarm_surer() -> None:
    faint = all_platforms("." * 15 + "f" * 12, "f")
    assert one_network(faint, BOTH_BAD, leans=0.2) == []
    assert one_network(faint, BOTH_BAD, leans=0.4)[0].platforms == tuple(FIVE.split())


def test_a_bad_line_beside_a_block_takes_no_other_platform_into_it() -> None:
    blocked = all_platforms("." * 15 + "x" * 12, "x") | dict.fromkeys("fiwy", "." * 15 + "~" * 12)
    snapshots = one_network(blocked, {1: {"": FAILS, "x": -0.9}, 2: {"x": -0.9}, 3: {"x": -0.9}})
    assert snapshots and snapshots[0].platforms == ("x",)


def test_where_nothing_gets_through_the_only_vantage_is_believed_at_once() -> None:
    snapshots = one_network(all_platforms(WHOLE, "f"), BAD)
    assert snapshots and snapshots[0].detected <= T0 + (15 + 3) * WINDOW
    assert snapshots[0].platforms == tuple(FIVE.split())


def test_a_network_whose_vantages_all_fail_is_told_at_once_with_all_its_platforms() -> None:
    snapshots = one_network(all_platforms(BRIEF, "f i"), BOTH_BAD)
    assert snapshots[0].detected <= T0 + (15 + 3) * WINDOW
    assert snapshots[0].platforms == tuple(FIVE.split())


@pytest.mark.parametrize("lost", ["f", "f i", "f i w"])
def test_some_platforms_that_are_lost_are_told_as_soon_whoever_sees_it(lost: str) -> None:
    marks = {p: BRIEF.replace("f", "x") if p in lost else "." * len(BRIEF) for p in FIVE.split()}
    of_platforms = dict.fromkeys(lost.split(), FAILS)
    for vantages in ({1: of_platforms}, {1: of_platforms, 2: {}}, {}):
        snapshots = one_network(marks, vantages)
        assert snapshots, vantages
        # One platform on one network is believed once it is surer than that.
        assert snapshots[0].detected <= T0 + (15 + 3) * WINDOW
        assert snapshots[0].platforms == tuple(lost.split())


def bad_lines_on(
    networks: tuple[int, ...], line: str, sure: str, others: Mapping[int, Mapping[str, str]]
) -> list[Snapshot]:
    """What is told where one of two vantages of some networks has a bad line, and others lose what is said."""
    lines = {(platform, asn): "." * len(BRIEF) for platform in FIVE.split() for asn in range(1, 7)}
    lines |= {(p, asn): mark for asn in networks for p, mark in all_platforms(line, sure).items()}
    lines |= {(platform, asn): mark for asn, marks in others.items() for platform, mark in marks.items()}
    readings = story(lines)
    for one in readings:
        country = one.countries[0]
        country.seats = {
            asn: [
                SeatStanding(platform, vantage, excess, country.start)
                for vantage, excess in ((10 * asn, FAILS), (10 * asn + 1, DOES_WELL))
                for platform in FIVE.split()
            ]
            for asn in networks
        }
    return run(readings)


def test_two_networks_with_a_bad_line_each_have_lost_nothing() -> None:
    assert bad_lines_on((1, 2), BRIEF, "f i", {}) == []


def test_a_bad_line_joins_no_incident_that_was_told() -> None:
    lost = {"f": "." * 8 + "x" * (len(BRIEF) - 8)}
    snapshots = bad_lines_on((1,), BRIEF.replace("f", "x"), "f", dict.fromkeys((4, 5, 6), lost))
    assert snapshots and all(network.asn != 1 for one in snapshots for network in one.networks)


def region_of(
    kano: Mapping[int, list[float]],
    lagos: float = DOES_WELL,
    besides: Mapping[int, Mapping[str, float]] | None = None,
) -> list[Snapshot]:
    """What is told where a region seems lost: how each network's vantages do there, and in the country's other one.

    `besides` says how the first vantage there of some networks does on its other platforms.
    """
    line = "." * 15 + "x" * 12
    well = {(platform, asn): "." * len(line) for platform in FIVE.split() for asn in (1, 2, 3)}
    readings = story(well, regions={("x", "KN"): line, ("x", "LA"): "." * len(line)})
    for one in readings:
        country = one.countries[0]
        country.seats = {
            asn: [SeatStanding("x", 10 * asn + i, does, country.start, "KN") for i, does in enumerate(each)]
            + [SeatStanding("x", 10 * asn + 9, lagos, country.start, "LA")]
            + [
                SeatStanding(p, 10 * asn, does, country.start, "KN")
                for p, does in (besides or {}).get(asn, {}).items()
            ]
            for asn, each in kano.items()
        }
    return run(readings)


@pytest.mark.parametrize(
    ("kano", "lagos"),
    [
        ({1: [FAILS], 2: [DOES_WELL]}, DOES_WELL),
        ({1: [FAILS, DOES_WELL], 2: [-0.03], 3: [DOES_WELL]}, DOES_WELL),
        ({1: [FAILS, FAILS], 2: [DOES_WELL]}, FAILS),
    ],
    ids=["a vantage", "one of two vantages", "a network everywhere"],
)
def test_a_region_in_which_one_network_alone_falls_short_has_lost_nothing(
    kano: Mapping[int, list[float]], lagos: float
) -> None:
    assert region_of(kano, lagos) == []


@pytest.mark.parametrize(
    "kano",
    [
        {1: [FAILS], 2: [FAILS]},
        {1: [FAILS], 2: [FAILS], 3: [DOES_WELL]},
        {1: [FAILS, FAILS], 2: [DOES_WELL]},
        {1: [FAILS]},
        {},
    ],
    ids=["both", "two of three", "several of one network, there alone", "its only one", "unknown"],
)
def test_a_region_that_several_vantages_or_its_only_one_lost_is_told(kano: Mapping[int, list[float]]) -> None:
    snapshots = region_of(kano)
    assert snapshots and snapshots[0].regions == ("KN",)


@pytest.mark.parametrize(
    ("kano", "besides"),
    [
        ([FAILS], {"f": -0.4, "i": -0.2, "w": DOES_WELL}),
        ([FAILS], {"w": -0.3}),
        # Another network had one failure there.
        ([FAILS, -0.12], {"f": -0.2, "i": -0.1, "w": -0.2}),
    ],
)
def test_a_vantage_of_which_all_platforms_fail_is_no_region(
    kano: list[float], besides: Mapping[str, float]
) -> None:
    assert region_of({asn: [does] for asn, does in enumerate(kano, 1)}, besides={1: besides}) == []


@pytest.mark.parametrize(
    ("kano", "besides"),
    [
        ([FAILS], {"f": DOES_WELL, "i": -0.1, "w": DOES_WELL}),
        ([FAILS], {"f": FAILS, "i": DOES_WELL, "w": DOES_WELL}),
        # Another network lost it there too.
        ([FAILS, FAILS], {"f": FAILS, "i": FAILS, "w": FAILS}),
    ],
)
def test_a_region_is_told_where_other_platforms_or_other_networks_say_that_it_is_one(
    kano: list[float], besides: Mapping[str, float]
) -> None:
    snapshots = region_of({asn: [does] for asn, does in enumerate(kano, 1)}, besides={1: besides})
    assert snapshots and snapshots[0].regions == ("KN",)
