"""Assembly told in lines: one event is one incident, whatever the networks do one by one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from detectors.incidents.assembler import CALENDAR_MAX, Assembler
from detectors.incidents.case import Case
from detectors.incidents.loss import Loss
from detectors.incidents.moves import Announcement
from detectors.incidents.snapshots import Kind, Scope, Severity, Snapshot
from detectors.readings import Opinion, Reading, Scheduled
from detectors.settings import IncidentSettings, TimeSettings
from streams.incidents import from_record, of_strangers, to_record
from streams.words import evidence_text, summary
from tests.detectors.incidents.hand import T0, WELL, WINDOW, country, reading, run, story, volumes_of
from tests.effort import examples

ALL = range(1, 6)


def on(platforms: str, networks: Iterable[int], line: str) -> dict[tuple[str, int], str]:
    return {(platform, asn): line for platform in platforms.split() for asn in networks}


def told(snapshots: Iterable[Snapshot]) -> dict[str, list[str]]:
    """Statuses by incident, in order."""
    found: dict[str, list[str]] = {}
    for snapshot in snapshots:
        found.setdefault(snapshot.id, []).append(snapshot.status.value)
    return found


def statuses(snapshots: Iterable[Snapshot]) -> list[list[str]]:
    return list(told(snapshots).values())


# one network of five, then all: `.` well, `x` lost, `?` nothing heard, `~` leaning, `s` slow
ONE_CAUSE = {
    "one bad minute of many results opens, and is restored": (
        on("x", ALL, "....x.........."),
        "nation-scale",
        ["open", "resolved"],
    ),
    "a lasting block opens once": (on("x", ALL, "....xxxxxxxxxxx"), "nation-scale", ["open"]),
    "silence resolves nothing": (
        on("x", ALL, "....xxx????????????????????????????????"),
        "nation-scale",
        ["open"],
    ),
    "four platforms are one": (on("x f i y", ALL, "....xxxxx......"), "nation-scale", ["open", "resolved"]),
    "one carrier": (
        on("x", [1], "....xxxxx......") | on("x", [2, 3, 4], "...............") | on("w", ALL, "." * 15),
        "provider",
        ["open", "resolved"],
    ),
    "two of five are several, no nation": (
        on("x", [1, 2], "....xxxxx......") | on("x", [3, 4, 5], "..............."),
        "multi-provider",
        ["open", "resolved"],
    ),
    "those that lean are waited for": (
        on("x", [1], "....xxxxxx.......") | on("x", [2, 3, 4, 5], "....~~xxxx......."),
        "nation-scale",
        ["open", "resolved"],
    ),
    "many that only lean say it together": (
        on("x", ALL, "....~~~~~~......."),
        "nation-scale",
        ["open", "resolved"],
    ),
    "one that strays a little makes no nation of two": (
        on("x", [1, 2], "....xxxxxx.......") | on("x", [3], "......~~~~.......") | on("x", [4, 5], "." * 17),
        "multi-provider",
        ["open", "resolved"],
    ),
    "one that leans is waited for": (
        on("x", [1], "....xxxxxx.......") | on("x", [2], "....~~xxxx.......") | on("x", [3, 4, 5], "." * 17),
        "multi-provider",
        ["open", "resolved"],
    ),
    "flapping is one": (
        on("x", ALL, "....xxxx......xxxx......xxxx......"),
        "nation-scale",
        ["open", "resolved", "updated", "resolved", "updated", "resolved"],
    ),
    "quick flapping never eases": (
        on("x", ALL, "....xx..xx..xx..xx..xx......"),
        "nation-scale",
        ["open", "resolved"],
    ),
    "one platform a little slow on one network is nothing": (
        on("x", [1], "....sssss......") | on("x", [2, 3, 4], "." * 15),
        "",
        [],
    ),
    "one platform hardly lost on one network is nothing": (
        on("x", [1], "....fffff......") | on("x", [2, 3, 4], "." * 15),
        "",
        [],
    ),
    "two platforms hardly lost on it are in company": (
        on("x y", [1], "....fffff......") | on("x y", [2, 3, 4], "." * 15),
        "provider",
        ["open", "resolved"],
    ),
    "slowness alone is throttling": (on("x", ALL, "....sssss......"), "nation-scale", ["open", "resolved"]),
}


@pytest.mark.parametrize(("lines", "scope", "expected"), ONE_CAUSE.values(), ids=ONE_CAUSE)
def test_one_cause_is_one_incident(
    lines: Mapping[tuple[str, int], str], scope: str, expected: list[str]
) -> None:
    snapshots = run(story(lines))
    assert statuses(snapshots) == ([expected] if expected else [])
    if not expected:
        return
    assert snapshots[-1].scope == scope
    assert snapshots[0].onset == T0 + 4 * WINDOW
    assert [snapshot.seq for snapshot in snapshots] == list(range(1, len(snapshots) + 1))


def test_two_causes_at_once_are_two_incidents() -> None:
    lines = (
        on("x f i w", [1], "....xxxxxxxxxx......")
        | on("x f i w", [2, 3, 4, 5], "." * 20)
        | on("y", ALL, "....xxxxxxxxxxxxxx..")
    )
    snapshots = run(story(lines))
    opened = [s for s in snapshots if s.status is Announcement.OPEN]
    assert [(s.scope, s.platforms) for s in opened] == [
        (Scope.NATION_SCALE, ("y",)),
        (Scope.PROVIDER, ("f", "i", "w", "x")),
    ]


def test_a_platform_that_falls_later_on_the_same_networks_joins() -> None:
    snapshots = run(
        story(on("x", ALL, "....xxxxxxxxxxxxxxxx......") | on("y", ALL, "...........xxxxxxxxx......"))
    )
    assert statuses(snapshots) == [["open", "updated", "resolved"]]
    assert snapshots[1].platforms == ("x", "y")
    assert snapshots[1].reason == "y joined"


def test_no_network_is_dated_between_two_platforms_that_fell_an_hour_apart() -> None:
    lines = on("x", ALL, "...." + "x" * 70) | on("y", ALL, "." * 44 + "x" * 30)
    last = run(story(lines))[-1]
    assert last.platforms == ("x", "y")
    assert {network.onset for network in last.networks} == {T0 + 4 * WINDOW}


def test_a_block_that_rolls_out_network_by_network_grows() -> None:
    lines = {("x", n): "." * (4 + 6 * n) + "x" * (40 - 6 * n) + "......" for n in range(1, 6)}
    snapshots = run(story(lines))
    assert len(told(snapshots)) == 1
    assert snapshots[0].scope is Scope.PROVIDER
    assert snapshots[-1].scope is Scope.NATION_SCALE
    assert snapshots[-1].onset == T0 + 10 * WINDOW
    scopes = [snapshot.scope for snapshot in snapshots]
    assert scopes == sorted(scopes, key=lambda scope: scope.width)
    spread = next(fact for fact in snapshots[-1].facts if fact.name == "onset_spread")
    assert (spread.value, spread.n) == (24 * 60, 5)
    assert spread.fits == ("filtering by order",)


def test_restored_in_parts_is_said_and_fully_restored_only_at_the_end() -> None:
    lines = on("x", [1, 2], "....xxxxxxxxx" + "." * 20) | on(
        "x", [3, 4, 5], "....xxxxxxxxx" + "x" * 10 + "." * 10
    )
    snapshots = run(story(lines))
    assert statuses(snapshots) == [["open", "updated", "resolved"]]
    part, end = snapshots[1:]
    assert part.reason == "restored on 2 networks, 3 to go"
    assert [n.recovered for n in part.networks] == [T0 + 13 * WINDOW] * 2 + [None] * 3
    assert part.resolved is None
    assert end.resolved == T0 + 23 * WINDOW
    assert all(n.recovered is not None for n in end.networks)


def test_a_majority_that_is_back_ends_the_nation_scale_but_not_the_incident() -> None:
    lines = on("x", [1, 2, 3], "....xxxxxxxxx" + "." * 20) | on("x", [4, 5], "....xxxxxxxxx" + "x" * 20)
    snapshots = run(story(lines))
    assert statuses(snapshots) == [["open", "updated"]]
    assert snapshots[-1].scope is Scope.MULTI_PROVIDER
    assert snapshots[-1].reachability == 0.0  # of the two that are lost still, which its sentence names


def test_a_network_that_falls_silent_does_not_hold_the_others_up() -> None:
    lines = on("x", [1, 2, 3, 4], "....xxxxxxxxx" + "." * 30) | on("x", [5], "....xxxxx" + "?" * 34)
    snapshots = run(story(lines))
    end = snapshots[-1]
    assert end.status is Announcement.RESOLVED
    assert end.unheard == 1
    assert [n.recovered is None for n in end.networks] == [False] * 4 + [True]


def test_a_block_that_outlasts_a_shutdown_holds_it_open_no_longer_than_the_silence() -> None:
    blocked = "...." + "x" * 50 + "." * 20
    dark = dict.fromkeys(ALL, "....." + "." * 3 + "x" * 16 + "." * 50)
    snapshots = run(story(on("x", ALL, blocked) | on("y", ALL, "." * 74), volumes=dark))
    first, second = (
        [one for one in snapshots if one.id == name] for name in dict.fromkeys(s.id for s in snapshots)
    )
    assert first[0].kind is Kind.PLATFORM
    assert first[-1].kind is Kind.CONNECTIVITY
    assert first[-1].status is Announcement.RESOLVED
    assert first[-1].resolved == T0 + 24 * WINDOW
    assert first[1].reason == "results stopped: a loss of connectivity"
    assert second[0].platforms == ("x",)
    assert second[-1].kind is Kind.PLATFORM
    assert second[-1].resolved == T0 + 54 * WINDOW


def test_who_is_lost_still_and_is_heard_is_not_called_unheard() -> None:
    (now,) = next(iter(story(on("x", [1, 2, 3], "....")))).countries
    case = Case("pk-1", Kind.PLATFORM, "PK", False, T0, T0, {}, {}, {})
    for asn, ago in ((1, 0), (2, 14), (3, 15)):
        case.losses["x", asn, ""] = Loss(T0, 0.98, 0.2, 0.2, heard=now.end - ago * WINDOW)
    assert case.silent_units(now) == {(3, "")}


def test_dark_networks_are_a_loss_of_connectivity_and_end_when_results_flow() -> None:
    lines = on("x y", [1, 2, 3], "....??????????" + "." * 8)
    snapshots = run(story(lines, volumes=dict.fromkeys((1, 2, 3), "....xxxxxxxxxx" + "." * 8)))
    assert statuses(snapshots) == [["open", "resolved"]]
    assert {(s.kind, s.scope, s.platforms) for s in snapshots} == {
        (Kind.CONNECTIVITY, Scope.NATION_SCALE, ())
    }
    assert (snapshots[0].onset, snapshots[-1].resolved) == (T0 + 4 * WINDOW, T0 + 14 * WINDOW)


@pytest.mark.parametrize("dark", [[1], [1, 2]])
def test_a_few_silent_networks_are_lost_vantages(dark: list[int]) -> None:
    lines = on("x", dark, "....??????????") | on("x", [n for n in ALL if n not in dark], "." * 14)
    volumes = {n: "....xxxxxxxxxx" if n in dark else "." * 14 for n in ALL}
    assert run(story(lines, volumes=volumes)) == []


def test_failures_that_end_in_silence_were_a_loss_of_connectivity_from_the_beginning() -> None:
    lines = on("x y", [1, 2, 3], "....xx????????" + "." * 8)
    snapshots = run(story(lines, volumes=dict.fromkeys((1, 2, 3), "......xxxxxxxx" + "." * 8)))
    assert len(told(snapshots)) == 1
    assert snapshots[-1].kind is Kind.CONNECTIVITY
    assert snapshots[-1].status is Announcement.RESOLVED


def test_a_shutdown_in_the_middle_of_a_block_is_told_as_that_and_the_block_goes_on() -> None:
    lines = on("x", [1, 2, 3], "...." + "x" * 12 + "?" * 12 + "x" * 12 + "." * 20)
    snapshots = run(story(lines, volumes=dict.fromkeys((1, 2, 3), "." * 16 + "x" * 12 + "." * 32)))
    block, shutdown = ([one for one in snapshots if one.id == name] for name in told(snapshots))
    assert {one.kind for one in block} == {Kind.PLATFORM}
    assert [one.reason for one in block][1:3] == ["results have stopped", "results flow again"]
    assert [one.status for one in block].count(Announcement.RESOLVED) == 1
    assert {one.kind for one in shutdown} == {Kind.CONNECTIVITY}
    assert [one.status for one in shutdown] == [Announcement.OPEN, Announcement.RESOLVED]
    assert shutdown[0].linked == (block[0].id,)
    assert shutdown[0].onset == T0 + 16 * WINDOW


def test_a_region_is_told_by_its_name() -> None:
    snapshots = run(
        story(
            on("x", [1, 2, 3], "." * 22),
            regions={
                ("x", "PK-PB"): "....xxxxxxxxxx" + "." * 8,
                ("x", "PK-SD"): "." * 22,
                ("x", "PK-KP"): "." * 22,
            },
            homes={1: ["PK-PB", "PK-SD"], 2: ["PK-PB", "PK-KP"], 3: ["PK-SD"]},
        )
    )
    assert statuses(snapshots) == [["open", "resolved"]]
    assert (snapshots[0].scope, snapshots[0].regions) == (Scope.REGION, ("PK-PB",))
    assert [n.asn for n in snapshots[0].networks] == [1, 2]


def test_a_region_that_is_back_is_told_as_that_while_another_is_lost() -> None:
    snapshots = run(
        story(
            on("x", [1, 2, 3], "." * 50),
            regions={
                ("x", "PK-PB"): "...." + "x" * 10 + "." * 36,
                ("x", "PK-KP"): "...." + "x" * 26 + "." * 20,
                ("x", "PK-SD"): "." * 50,
            },
            homes={1: ["PK-PB", "PK-SD"], 2: ["PK-PB", "PK-KP"], 3: ["PK-SD", "PK-KP"]},
        )
    )
    first, half, *_, last = snapshots
    assert (first.regions_back, half.regions_back, last.regions_back) == ((), ("PK-PB",), ())
    assert {one.regions for one in snapshots} == {("PK-KP", "PK-PB")}
    assert half.in_regions is not None
    assert half.in_regions < 0.1  # in the one that is lost


def test_what_networks_lost_in_regions_that_are_hit_waits_for_these_regions() -> None:
    """Of one platform the regions are sure at once; of the other the networks are, two windows before its regions."""
    both = ("PK-PB", "PK-SD")
    regions = {
        ("x", "PK-PB"): "....xxxxxxxx",
        ("x", "PK-SD"): "............",
        ("z", "PK-PB"): "....~~xxxxxx",
        ("z", "PK-SD"): "............",
    }
    lines = on("x", ALL, "....ffffffff") | on("z", ALL, "....ffffffff")
    snapshots = run(story(lines, regions=regions, homes=dict.fromkeys(ALL, both)))
    assert {one.scope for one in snapshots} == {Scope.REGION}
    assert {one.regions for one in snapshots} == {("PK-PB",)}
    assert snapshots[-1].platforms == ("x", "z")


def test_a_carrier_that_shows_in_every_region_is_a_carrier() -> None:
    snapshots = run(
        story(
            on("x", [1], "....xxxxxxxxxx") | on("x", [2, 3], "." * 14),
            regions={("x", "PK-PB"): "....xxxxxxxxxx", ("x", "PK-SD"): "." * 14},
            homes={1: ["PK-PB", "PK-SD"], 2: ["PK-PB"], 3: ["PK-SD"]},
        )
    )
    assert [(s.scope, [n.asn for n in s.networks]) for s in snapshots] == [(Scope.PROVIDER, [1])]


def test_mechanisms_differ_by_network_where_they_do() -> None:
    ways = {5: "dns.dns_nxdomain_error"}
    (snapshot,) = run(story(on("x", ALL, "....xxxx"), mechanism=ways))
    assert snapshot.mechanism == "tls.connection_reset"
    assert snapshot.mechanism_share == pytest.approx(0.8)
    assert snapshot.mechanism_by_network == ((5, "dns.dns_nxdomain_error"),)


def test_a_throttled_network_that_falls_silent_for_long_keeps_its_mechanism() -> None:
    lines = on("x", [1, 2], "...." + "s" * 20 + "?" * 200) | on("x", [3, 4, 5], "." * 224)
    assert [s.mechanism for s in run(story(lines))] == ["http.throttled"]


def test_a_throttle_that_becomes_a_block_and_eases_again_is_one_incident() -> None:
    lines = on("x", ALL, "...." + "S" * 20 + "x" * 60 + "S" * 40 + "." * 20) | on("y", ALL, "." * 144)
    readings = story(lines)
    for one in readings[84:100]:  # by their detectors they fail still, and then are not known to be slow
        (here,) = one.countries
        for key, slowness in list(here.slowness.items()):
            here.networks[key] = structs.replace(here.networks[key], opinion=Opinion.BAD)
            here.slowness[key] = structs.replace(slowness, opinion=Opinion.UNSURE)
    snapshots = run(readings)
    assert statuses(snapshots) == [["open", "updated", "updated", "resolved"]]
    throttled, blocked, eased, over = snapshots
    assert (throttled.mechanism, blocked.mechanism) == ("http.throttled", "tls.connection_reset")
    assert blocked.updated - (T0 + 24 * WINDOW) <= 6 * WINDOW
    assert eased.mechanism == "http.throttled"
    assert "eased to a throttle: answers come at 2% of their usual speed" in eased.reason
    assert eased.updated - (T0 + 84 * WINDOW) <= 12 * WINDOW
    assert over.resolved == T0 + 124 * WINDOW and over.mechanism == "http.throttled"


def test_a_throttle_that_becomes_a_block_is_told_as_soon_as_a_block_though_no_detector_says_so() -> None:
    lines = on("x", ALL, "...." + "S" * 60 + "x" * 30 + "." * 10) | on("y", ALL, "." * 104)
    readings = story(lines)
    for one in readings[64:94]:  # what its detectors say of it is what they said before
        (here,) = one.countries
        for key, slowness in list(here.slowness.items()):
            if key[0] == "x":
                here.networks[key] = structs.replace(here.networks[key], opinion=Opinion.UNSURE)
                here.slowness[key] = structs.replace(slowness, opinion=Opinion.BAD)
    throttled, blocked, over = run(readings)
    assert (throttled.severity, throttled.mechanism) == (Severity.MAJOR, "http.throttled")
    assert (blocked.severity, blocked.mechanism) == (Severity.CRITICAL, "tls.connection_reset")
    assert blocked.updated - (T0 + 64 * WINDOW) <= 4 * WINDOW
    assert blocked.id == throttled.id and blocked.reachability == 0.0 and blocked.speed is None
    assert "worse: from a throttle to a block, 0% of attempts succeed" in blocked.reason
    assert over.resolved == T0 + 94 * WINDOW


def test_a_throttle_of_which_two_networks_of_five_are_blocked_is_no_block_of_all() -> None:
    few = on("x", [1, 2], "...." + "S" * 6 + "x" * 55 + "." * 10)
    rest = on("x", [3, 4, 5], "...." + "S" * 61 + "." * 10)
    snapshots = run(story(few | rest | on("y", ALL, "." * 75)))
    assert {s.mechanism for s in snapshots} == {"http.throttled"}
    assert not any("to a block" in s.reason for s in snapshots)


def test_what_each_result_shows_to_be_throttled_is_called_so_though_none_of_it_counts() -> None:
    lines = on("x", ALL, "...." + "x" * 10) | on("y", ALL, "." * 14)
    assert {s.mechanism for s in run(story(lines, mechanism="http.throttled"))} == {"http.throttled"}


def test_a_region_that_opened_early_lets_the_nation_date_the_onset() -> None:
    lines = on("x", ALL, "." * 20 + "...xxxxxxx")
    regions = {("x", "PK-SD"): "." * 5 + "x" * 25, ("x", "PK-PB"): "." * 20 + "...xxxxxxx"}
    late = story(lines, regions=regions, homes={n: ["PK-SD", "PK-PB"] for n in ALL})[22:]
    opened, *_, grown = run(late)
    assert (opened.scope, opened.onset) == (Scope.REGION, T0 + 5 * WINDOW)
    assert (grown.scope, grown.onset) == (Scope.NATION_SCALE, T0 + 23 * WINDOW)
    assert grown.id == opened.id


def test_a_region_that_seems_lost_with_the_nation_is_part_of_it() -> None:
    nation = on("x y", ALL, "....xxxxxxxxxx......")
    regions = {("z", "PK-SD"): "....xx" + "." * 14, ("z", "PK-PB"): "." * 20}
    snapshots = run(
        story(nation | on("z", ALL, "." * 20), regions=regions, homes={n: ["PK-SD"] for n in ALL})
    )
    assert [s.scope for s in snapshots if s.status is Announcement.OPEN] == [Scope.NATION_SCALE]


def test_what_was_over_and_is_part_of_something_new_is_no_relapse() -> None:
    lines = (
        on("x", [1], "....xxxx............xxxxxx......")
        | on("x", [2, 3, 4, 5], "." * 20 + "xxxxxx......")
        | on("y z", ALL, "." * 20 + "xxxxxx......")
    )
    snapshots = run(story(lines))
    assert statuses(snapshots) == [["open", "resolved"]] * 2
    opened, _, again, _ = snapshots
    assert opened.scope is Scope.PROVIDER
    assert (again.scope, again.onset) == (Scope.NATION_SCALE, T0 + 20 * WINDOW)
    assert again.previous == (opened.id,)


def test_a_failure_by_chance_dates_nothing_back() -> None:
    lines = on("x", [1, 2], "....~.~...xxxxxx") | on("x", [3, 4, 5], "..........xxxxxx")
    readings = story(lines)
    for one in readings:
        for place in one.countries:
            for key, standing in place.networks.items():
                if standing.onset is not None:  # as a sum that one failure has raised
                    place.networks[key] = structs.replace(standing, onset=T0 + 4 * WINDOW)  # type: ignore[index]
    assert run(readings)[0].onset == T0 + 10 * WINDOW


def test_throttling_that_becomes_a_block_is_one_incident_with_a_new_mechanism() -> None:
    snapshots = run(story(on("x", ALL, "....ssssssssxxxxxxxx......")))
    assert statuses(snapshots)[0][0] == "open"
    assert len(told(snapshots)) == 1
    assert snapshots[0].mechanism == "http.throttled"
    assert snapshots[-1].mechanism == "tls.connection_reset"
    assert any("mechanism now tls.connection_reset" in s.reason for s in snapshots)


@pytest.mark.parametrize(
    ("networks", "shares", "severity"),
    [
        ([1], {}, Severity.MINOR),
        ([1, 2], {}, Severity.MAJOR),
        (ALL, {}, Severity.CRITICAL),
        ([1], {1: 0.7, 2: 0.1, 3: 0.1, 4: 0.05, 5: 0.05}, Severity.CRITICAL),
    ],
)
def test_severity_is_the_share_of_use_that_is_lost(
    networks: Iterable[int], shares: dict[int, float], severity: Severity
) -> None:
    lines = on("x", ALL, "." * 8) | on("x", networks, "....xxxx")
    snapshots = run(story(lines), settings=IncidentSettings(network_shares=shares))
    assert snapshots[-1].severity is severity


@pytest.mark.parametrize(("networks", "confirmed"), [([1], False), ([1, 2], False), ([1, 2, 3], True)])
def test_under_three_live_networks_nothing_is_confirmed(networks: list[int], confirmed: bool) -> None:
    assert [s.confirmed for s in run(story(on("x", networks, "....xxx")))] == [confirmed]


def test_a_platform_whose_controls_fail_too_opens_nothing_in_its_country() -> None:
    assert run(story(on("x", ALL, "....xxxxxxxx"), control=(0, 10))) == []


def test_a_platform_lost_in_most_countries_opens_nothing_in_them() -> None:
    lines = on("x", ALL, "....xxxxxxxx")
    windows = [
        reading([country(at, lines, name=name, control=(0, 0)) for name in ("PK", "IN", "BD", "LK")])
        for at in range(12)
    ]
    assert run(windows) == []


def test_two_countries_at_once_are_two_incidents() -> None:
    lost, well = on("x", ALL, "....xxxxxxxx"), on("x", ALL, "............")
    windows = [
        reading(
            [
                country(at, lost if name in ("PK", "IN") else well, name=name)
                for name in ("PK", "IN", "BD", "LK", "NP")
            ]
        )
        for at in range(12)
    ]
    assert [(s.country, s.status.value) for s in run(windows)] == [("IN", "open"), ("PK", "open")]


def test_every_country_silent_at_once_is_our_own_fault() -> None:
    lines, volumes = on("x", [1, 2, 3], "....????????"), dict.fromkeys((1, 2, 3), "....xxxxxxxx")
    windows = [
        reading([country(at, lines, name=name, volumes=volumes) for name in ("PK", "IN", "BD")])
        for at in range(12)
    ]
    assert run(windows) == []


def test_an_empty_window_is_nothing_where_a_few_results_an_hour_come() -> None:
    line = "....????????????????????????"
    windows = []
    for at in range(len(line)):
        lands = [country(at, on("x", [1, 2, 3], line), name=name) for name in ("PK", "IN", "BD")]
        lands[0] = replace(lands[0], volumes=volumes_of(at, dict.fromkeys((1, 2, 3), line.replace("?", "x"))))
        one = reading(lands)
        windows.append(replace(one, health=replace(one.health, presence=np.full(3, 0.05))))
    assert [(s.country, s.status.value) for s in run(windows)] == [("PK", "open")]


def faint(scores: Sequence[float], lost: float = 0.1) -> list[Reading]:
    """Windows of a country that is sure of a small loss, while its networks say no more than these scores."""
    windows = []
    for at in range(4, 8):
        one = country(at, on("x", range(1, len(scores) + 1), "....xxxx"))
        networks = {
            ("x", asn): structs.replace(
                one.networks["x", asn],
                score=score,
                opinion=Opinion.BAD if score >= 1.0 else Opinion.UNSURE,
                reachability=one.networks["x", asn].expected - lost,
                k=9,
            )
            for asn, score in enumerate(scores, 1)
        }
        windows.append(reading([replace(one, networks=networks)]))
    return windows


@pytest.mark.parametrize(
    ("scores", "nation"),
    [
        ([0.3, 0.3, 0.3, 0.1], True),  # together the others lean, though none does by itself
        ([0.9, 0.15, 0.15, 0.15], True),
        ([0.9, 0.1, 0.1, 0.1], False),  # one says it all: it may lie
        ([0.9, 0.9, 0.1, 0.1, 0.1], False),  # as may two of five
        ([0.9, 0.35], False),
    ],
)
def test_a_small_loss_is_the_country_s_where_it_would_be_without_those_that_may_lie(
    scores: list[float], nation: bool
) -> None:
    assert [s.scope for s in run(faint(scores))][:1] == ([Scope.NATION_SCALE] if nation else [])


@pytest.mark.parametrize(
    ("score", "left", "told"),
    [(1.29, 0.88, []), (1.31, 0.88, ["open"]), (1.1, 0.5, []), (1.16, 0.5, ["open"])],
)
def test_thin_series_together_need_more_where_none_is_sure_by_itself(
    score: float, left: float, told: list[str]
) -> None:
    windows = []
    for one in faint([0.9, 0.4, 0.4, 0.4]):
        (land,) = one.countries
        pool = structs.replace(land.platforms["x"], score=score, reachability=left * WELL)
        windows.append(replace(one, countries=[replace(land, platforms={"x": pool})]))
    assert [s.status.value for s in run(windows)][:1] == told


def test_figures_rest_on_the_whole_excursion_and_not_on_one_window_s_few() -> None:
    few = [(1, 1)] * 12 + [(0, 1), (1, 1), (0, 1), (0, 1), (0, 1)]
    past = np.array([[k, n, WELL] for k, n in few[-15:]], dtype=np.float64)
    land = country(16, on("x", [1, 2, 3], "................x"))
    networks = {
        cell: structs.replace(one, n=1, k=0, reachability=0.6, onset=T0 + 12 * WINDOW)
        for cell, one in land.networks.items()
    }
    land = replace(
        land, networks=networks, past=dict.fromkeys(networks, past), mechanisms={("x", 1): {"a": 2}}
    )
    (opened,) = run([reading([land])])
    assert (opened.results, opened.reachability) == (14, pytest.approx(0.2, abs=0.01))
    assert [network.lost for network in opened.networks] == pytest.approx([0.796] * 3, abs=0.001)
    assert opened.mechanism is None  # two failures are not "most"


def test_networks_that_fell_together_are_dated_together_where_a_failure_by_chance_hides_when() -> None:
    """Alone most show no change: a result a window, and a failure by chance, from which their detectors sum up."""
    lines = ["o?oo?oxooooo?xx", "oo??oooxoooooxx", "x?ooooooo?oooxx", "o?o?oooo?ooooxx", "xoxooo??o?ooox?"]
    land = country(14, on("x", ALL, "." * 13 + "xx"))
    pasts, networks = {}, {}
    for ((platform, asn), one), line in zip(land.networks.items(), lines, strict=True):
        windows = [(mark == "o", mark != "?", WELL) for mark in line]
        pasts[platform, asn] = np.array(windows, dtype=np.float64)
        networks[platform, asn] = structs.replace(one, onset=T0 + max(0, line.find("x")) % 13 * WINDOW)
    (opened,) = run([reading([replace(land, networks=networks, past=pasts)])])
    assert opened.onset == T0 + 13 * WINDOW


@pytest.mark.parametrize(
    ("left", "minutes", "passes"),
    [(9, 60, True), pytest.param(9, 4400, False, marks=pytest.mark.world), (5, 60, False)],
    ids=["small and short", "for days", "half is lost"],
)
def test_the_hours_of_a_small_loss_that_is_over_are_told_as_usual(
    left: int, minutes: int, passes: bool
) -> None:
    assembler = Assembler(IncidentSettings(), TimeSettings(), "test", "settings")
    spells = []
    for at in range(0, minutes + 60):
        lost = 4 <= at < minutes + 4
        one = country(at, on("x", range(1, 4), "." * at + ("x" if lost else ".")))
        if lost:
            networks = {
                key: structs.replace(standing, k=left, reachability=left / 10, onset=T0 + 4 * WINDOW)
                for key, standing in one.networks.items()
            }
            one = replace(one, networks=networks, past={})
        assembler.step(reading([one]))
        spells += [(at, spell) for part in assembler.passing.values() for spell in part.values()]
    assert len(spells) == (3 if passes else 0)
    for _, spell in spells:
        assert (spell.since, spell.until) == (T0 + 4 * WINDOW, T0 + (minutes + 4) * WINDOW)
        assert spell.ratio == pytest.approx(0.9)


@pytest.mark.parametrize(("first", "later", "told"), [(None, "crowd", None), ("crowd", "crowd", "crowd")])
def test_who_had_a_rhythm_is_no_crowd_for_being_silent(
    first: str | None, later: str | None, told: str | None
) -> None:
    windows = []
    for at in range(40):
        calm = on("x", ALL, "." * at + "?") if at >= 4 else on("x", ALL, "." * (at + 1))
        volumes = dict.fromkeys(ALL, "...." + "x" * 36)
        land = country(at, calm, volumes=volumes)
        windows.append(reading([replace(land, silence_doubt=first if at < 20 else later)]))
    snapshots = run(windows)
    assert snapshots[0].kind is Kind.CONNECTIVITY
    assert {one.doubt for one in snapshots} == {told}


@pytest.mark.parametrize(("doubt", "updates"), [("crowd", 0), (None, 4)])
def test_who_is_heard_in_a_crowds_silence_for_a_while_is_no_news(doubt: str | None, updates: int) -> None:
    """Of four dark networks the first one is heard for half an hour, twice in three hours."""
    dark = "...." + "x" * 176
    heard = "...." + ("x" * 40 + "." * 30) * 2 + "x" * 36
    windows = []
    for at in range(len(dark)):
        calm = on("x", ALL, "." * at + "?") if at >= 4 else on("x", ALL, "." * (at + 1))
        land = country(at, calm, volumes={asn: heard if asn == ALL[0] else dark for asn in ALL})
        windows.append(reading([replace(land, silence_doubt=doubt)]))
    told = [one.status for one in run(windows)]
    assert told == [Announcement.OPEN] + [Announcement.UPDATED] * updates


def test_what_is_simulated_says_so_and_meets_nothing_real() -> None:
    lines = on("x", ALL, "....xxxxxxxx")
    calm = on("x", ALL, "............")
    windows = [reading([country(at, calm), country(at, lines, simulated=True)]) for at in range(12)]
    assert [(s.simulated, s.country) for s in run(windows)] == [(True, "PK")]
    real = run(story(lines))
    assert real[0].id != run(windows)[0].id


def test_what_comes_back_does_not_confirm_what_was_lost() -> None:
    """A loss from the first result on: its end teaches what is usual."""
    windows = []
    for at in range(24):
        land = country(at, on("x", ALL, "x" * 12 + "." * 12))
        windows.append(reading([replace(land, warming=frozenset({"x"} if at < 13 else ()))]))
    told_of = [(one.status, one.doubt) for one in run(windows)]
    assert told_of[0] == (Announcement.OPEN, "first_minutes")
    assert told_of[-1] == (Announcement.RESOLVED, "first_minutes")
    assert {doubt for _, doubt in told_of} == {"first_minutes"}


@pytest.mark.parametrize("networks", [[1, 2], ALL], ids=["few networks", "enough"])
def test_a_usual_that_is_a_guess_is_called_none(networks: Sequence[int]) -> None:
    """Whatever else leaves it unconfirmed: the record and its sentence name no guess as the usual."""
    windows = []
    for at in range(12):
        land = country(at, on("x", networks, "x" * 12))
        windows.append(reading([replace(land, warming=frozenset({"x"}))]))
    first = run(windows)[0]
    for snapshot in (first, of_strangers(first)):
        record = to_record(snapshot)
        assert not record.reachability.usual_learned
        assert not record.platforms_detail[0].reachability.usual_learned
        assert "what is usual has not been learned yet" in record.summary
    assert from_record(to_record(first)).learned is False
    assert to_record(run(story(on("x", networks, "....xxxxxxxx")))[0]).reachability.usual_learned


# links

DAY = 86_400


def shifted(days: float, lines: Mapping[tuple[str, int], str]) -> list[object]:
    windows = story(lines)
    for window in windows:
        for one in (window, *window.countries):
            one.start += int(days * DAY)
            one.end += int(days * DAY)
        for one in window.countries:
            one.networks = {
                key: s if s.onset is None else _moved(s, int(days * DAY)) for key, s in one.networks.items()
            }
    return windows  # type: ignore[return-value]


def _moved(standing: object, by: int) -> object:
    return structs.replace(standing, onset=standing.onset + by)  # type: ignore[attr-defined, type-var]


def test_a_repeat_is_linked_and_its_time_of_day_counted() -> None:
    lines = on("x", ALL, "....xxxx......")
    windows = [*shifted(0, lines), *shifted(3, lines), *shifted(20.5, lines), *shifted(60, lines)]
    snapshots = run(windows)  # type: ignore[arg-type]
    first, second, third, last = (s for s in snapshots if s.status is Announcement.OPEN)
    assert second.previous == (first.id,)
    assert third.previous == (first.id, second.id)
    assert last.previous == ()
    by_name = [{fact.name: fact for fact in s.facts} for s in (first, second, third)]
    assert [facts["recurrence"].value for facts in by_name] == [0, 1, 0]
    assert by_name[1]["recurrence"].fits == ("filtering by order",)
    assert [facts["like_incidents"].value for facts in by_name] == [0, 1, 2]


@pytest.mark.parametrize(
    ("before", "now", "like"),
    [(ALL, ALL, 1), (ALL[:1], ALL, 0), (ALL, ALL[:1], 0), (ALL[:1], ALL[:1], 1), (ALL[:1], ALL[1:2], 0)],
    ids=["nation, nation", "network, nation", "nation, network", "the same network", "another network"],
)
def test_like_is_what_reached_about_as_far(before: Sequence[int], now: Sequence[int], like: int) -> None:
    lines = [
        {("x", asn): "....xxxxxx......" if asn in lost else "." * 16 for asn in ALL} for lost in (before, now)
    ]
    first, second = (
        one
        for one in run([*shifted(0, lines[0]), *shifted(3, lines[1])])  # type: ignore[arg-type]
        if one.status is Announcement.OPEN
    )
    assert second.previous == (first.id,)
    assert next(fact.value for fact in second.facts if fact.name == "like_incidents") == like
    assert ("second like incident" in summary(second, IncidentSettings())) == bool(like)


def test_what_grows_to_the_nation_is_like_what_was_the_nations() -> None:
    """It opens on one network, and takes the others later."""
    grows = {("x", asn): "....xxxxxxxxxxxx" if asn == ALL[0] else "...........xxxxx" for asn in ALL}
    windows = [*shifted(0, on("x", ALL, "....xxxxxx......")), *shifted(3, grows)]
    *_, opened, wider = run(windows)  # type: ignore[arg-type]
    assert (opened.scope, wider.scope) == (Scope.PROVIDER, Scope.NATION_SCALE)
    values = [
        next(fact.value for fact in one.facts if fact.name == "like_incidents") for one in (opened, wider)
    ]
    assert values == [0, 1]


def scheduled(name: str, start: int, end: int, land: str = "PK") -> Scheduled:
    return Scheduled(name, land, f"the {name}", T0 + start * WINDOW, T0 + end * WINDOW, "a paper")


def test_events_are_linked_before_and_during_and_not_after_or_elsewhere() -> None:
    calendar = [
        scheduled("rally", 2, 90),
        scheduled("vote", 600, 900),
        scheduled("exam", -90, -10),
        scheduled("far off", 2000, 2100),
        scheduled("elsewhere", 2, 90, "IN"),
    ]
    (snapshot,) = run(story(on("x", ALL, "....xxxx")), calendar=calendar)
    assert snapshot.coincides == ("rally", "vote")
    texts = [(evidence_text(fact), fact.source) for fact in snapshot.facts if fact.name == "calendar"]
    assert texts == [("began during the rally", "a paper"), ("began 596 min before the vote", "a paper")]


def test_the_calendar_takes_the_same_event_once_and_a_changed_one_instead() -> None:
    once, again = (Assembler(IncidentSettings(), TimeSettings(), "t", "s") for _ in range(2))
    once.schedule(scheduled("rally", 0, 9))
    for event in (scheduled("rally", 5, 6), scheduled("rally", 0, 9), scheduled("rally", 0, 9)):
        again.schedule(event)
    assert once.snapshot() == again.snapshot()


def test_old_events_are_dropped() -> None:
    assembler = Assembler(IncidentSettings(), TimeSettings(), "t", "s")
    assembler.schedule(scheduled("old", -100, -50))
    for window in shifted(31, on("x", ALL, "..")):
        assembler.step(window)  # type: ignore[arg-type]
    before = assembler.snapshot()
    assembler.schedule(scheduled("old", -100, -50))
    assert assembler.snapshot() == before
    assert b"the old" not in before


# invariants


def networks_lines(rng: random.Random, length: int) -> dict[tuple[str, int], str]:
    """Lines with runs, as the world has them."""
    lines = {}
    for platform in "xy":
        for asn in range(1, 4):
            line = ""
            while len(line) < length:
                line += rng.choice("...xx?~s") * rng.randint(1, 9)
            lines[platform, asn] = line[:length]
    return lines


@examples(10)
@given(st.integers(0, 10_000), st.integers(0, 60))
def test_a_crash_anywhere_changes_nothing(seed: int, at: int) -> None:
    lines = networks_lines(random.Random(seed), 60)
    volumes = {n: lines["x", n].replace("s", ".").replace("~", ".").replace("?", "x") for n in (1, 2, 3)}
    windows = story(lines, volumes=volumes)
    assert run(windows, restart_at=at) == run(windows)


@examples(15)
@given(st.integers(0, 10_000))
def test_every_incident_is_told_in_order(seed: int) -> None:
    snapshots = run(story(networks_lines(random.Random(seed), 80)))
    for name, states in told(snapshots).items():
        mine = [s for s in snapshots if s.id == name]
        assert states[0] == "open"
        assert "open" not in states[1:]
        assert [s.seq for s in mine] == list(range(1, len(mine) + 1))
        assert all((s.resolved is not None) == (s.status is Announcement.RESOLVED) for s in mine)
        assert all(s.onset <= s.detected <= s.updated for s in mine)
        assert all(s.resolved is None or s.onset <= s.resolved <= s.updated for s in mine)


LIES = st.text(".x?~", min_size=40, max_size=40)


@examples(25)
@given(st.integers(3, 7).flatmap(lambda n: st.tuples(st.just(n), st.lists(LIES, max_size=(n - 1) // 2))))
def test_a_minority_that_lies_can_neither_open_mask_nor_resolve(case: tuple[int, list[str]]) -> None:
    n, lies = case
    liars = {("x", i + 1): lie for i, lie in enumerate(lies)}

    def nation(honest: str) -> list[Snapshot]:
        lines = {("x", i): honest for i in range(len(lies) + 1, n + 1)} | liars
        return [s for s in run(story(lines)) if s.scope is Scope.NATION_SCALE]

    assert nation("." * 40) == []
    blocked = nation("........" + "x" * 32)
    assert blocked, "masked"
    assert all(s.status is not Announcement.RESOLVED for s in blocked)


@pytest.mark.world
def test_memory_is_bounded() -> None:
    settings_ = IncidentSettings(merge_seconds=60)
    assembler = Assembler(settings_, TimeSettings(), "t", "s")
    sizes = []
    for i in range(CALENDAR_MAX * 2):
        assembler.schedule(scheduled(f"event {i}", i, i + 1))
    for half_day in range(120):
        for window in shifted(half_day / 2, on("x", ALL, "..xxxx......")):
            assembler.step(window)  # type: ignore[arg-type]
        sizes.append(len(assembler.snapshot()))
    remembered = 2 * settings_.previous_days
    assert max(sizes[-20:]) <= 1.01 * max(sizes[remembered + 2 : remembered + 22])
    assert len(assembler._calendar) <= CALENDAR_MAX


@pytest.mark.parametrize("data", [b"", b"\x90", b"nonsense", b"\x95\x63\x00\x90\x90\x90"])
def test_a_damaged_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="assembler snapshot"):
        Assembler(IncidentSettings(), TimeSettings(), "t", "s").restore(data)


def test_a_closed_incident_is_resolved_once_and_what_goes_on_of_it_is_not_told_again() -> None:
    readings = story(on("x", ALL, "....xxxxx" + "x" * 60))
    assembler = Assembler(IncidentSettings(), TimeSettings(), "test", "settings")
    told = [snapshot for one in readings[:10] for snapshot in assembler.step(one)]
    assembler.close(told[-1].id, "a false alarm", readings[9].end, retracted=True)
    assembler.close("pk-unknown", "nothing", readings[9].end)
    kept = assembler.snapshot()
    assembler = Assembler(IncidentSettings(), TimeSettings(), "test", "settings")
    assembler.restore(kept)
    told += [snapshot for one in readings[10:] for snapshot in assembler.step(one)]
    assert [(s.seq, s.status.value) for s in told] == [(1, "open"), (2, "resolved")]
    assert (told[-1].reason, told[-1].retracted, told[-1].resolved) == (
        "a false alarm",
        True,
        readings[9].end,
    )
    assert assembler.open == []


def test_what_comes_after_a_closed_incident_is_a_new_one() -> None:
    readings = story(on("x", ALL, "....xxxxx" + "." * 40 + "xxxxx"))
    assembler = Assembler(IncidentSettings(), TimeSettings(), "test", "settings")
    told = [snapshot for one in readings[:8] for snapshot in assembler.step(one)]
    assembler.close(told[-1].id, "enough of it", readings[7].end)
    told += [snapshot for one in readings[8:] for snapshot in assembler.step(one)]
    assert [s.status.value for s in told] == ["open", "resolved", "open"]
    assert told[2].previous == (told[0].id,)


def test_each_platform_has_its_own_figures() -> None:
    lines = on("x", ALL, "....xxxxxxxxxxxxxxx") | on("y", ALL, "........ffffffffffff"[:19])
    last = run(story(lines))[-1]
    x, y = last.by_platform
    assert (x.platform, x.onset, x.now, x.mechanism) == (
        "x",
        T0 + 4 * WINDOW,
        0.0,
        "tls.connection_reset",
    )
    assert (y.platform, y.onset, y.now) == ("y", T0 + 8 * WINDOW, 0.5)
    assert x.results >= 50


def test_at_its_end_a_platform_s_figures_are_those_since_it_is_back() -> None:
    """The windows of the block are left out by platform too, of regions as of networks."""
    lost, well = ("PK-BA", "PK-GB"), ("PK-KP", "PK-PB", "PK-SD")
    regions = {("x", r): "...." + "x" * 16 + "." * 10 for r in lost} | {("x", r): "." * 30 for r in well}
    lines = on("x", ALL, "....." + "~" * 15 + "." * 10)
    last = run(story(lines, regions=regions, homes=dict.fromkeys(ALL, lost + well)))[-1]
    assert (last.status, last.regions) == (Announcement.RESOLVED, lost)
    assert (last.by_platform[0].now, last.by_platform[0].results) == (last.reachability, last.results)
    assert last.reachability == last.in_regions == 1.0
    several = on("x", ALL, "....xxxxxxxx" + "." * 20) | on("y", ALL, "....ffffffff" + "." * 20)
    last = run(story(several))[-1]
    assert last.status is Announcement.RESOLVED
    assert [one.now for one in last.by_platform] == [1.0, 1.0] and last.reachability == 1.0
    assert sum(one.results for one in last.by_platform) == last.results


def test_at_the_end_of_some_regions_the_whole_countrys_figure_has_the_others_in_it() -> None:
    lost, well = ("PK-BA", "PK-GB"), ("PK-KP", "PK-PB", "PK-SD")
    regions = {("x", r): "...." + "x" * 16 + "." * 10 for r in lost} | {("x", r): "." * 30 for r in well}
    readings = story(on("x", ALL, "." * 30), regions=regions, homes=dict.fromkeys(ALL, lost + well))
    for one in readings:
        standings = one.countries[0].regions
        for key, standing in list(standings.items()):
            if key[1] in well:
                standings[key] = structs.replace(standing, k=9, expected=0.9)  # type: ignore[index]  # ours
    last = run(readings)[-1]
    assert (last.status, last.in_regions) == (Announcement.RESOLVED, 1.0)
    assert 0.9 < last.reachability < 0.97
    assert last.results == last.by_platform[0].results


def test_vantages_that_are_well_in_other_regions_are_not_there() -> None:
    lost, well = ("PK-BA", "PK-GB"), ("PK-KP", "PK-PB", "PK-SD")
    regions = {("x", r): "...." + "?" * 6 + "x" * 20 for r in lost} | {("x", r): "." * 30 for r in well}
    lines = on("x", ALL, "...." + "x" * 26)
    readings = story(lines, regions=regions, homes=dict.fromkeys(ALL, lost + well))
    for one in readings[4:]:
        networks = one.countries[0].networks
        for key, standing in list(networks.items()):
            networks[key] = structs.replace(standing, vantages=5, vantages_apart=2)  # type: ignore[index]  # ours
    snapshots = run(readings)
    assert snapshots[-1].regions == lost
    apart = [[fact for fact in one.facts if fact.name == "vantages_apart"] for one in snapshots]
    assert apart[0] and not apart[-1]


SOON = IncidentSettings(unheard_told_seconds=1200, unheard_close_seconds=3600)


def test_a_target_that_leaves_the_list_holds_up_no_end() -> None:
    lines = on("x", ALL, "....xxxxxx" + "." * 40) | on("y", ALL, "....xxxx" + "?" * 42)
    snapshots = run(story(lines), settings=SOON)
    assert [s.status.value for s in snapshots][-1] == "resolved"
    assert snapshots[-1].resolved == T0 + 10 * WINDOW
    assert snapshots[-1].unheard > 0


def test_a_network_that_falls_silent_for_long_is_told_while_the_others_go_on() -> None:
    lines = on("x", [1, 2, 3, 4], "...." + "x" * 60) | on("x", [5], "....xxxx" + "?" * 36 + "x" * 20)
    snapshots = run(story(lines), settings=SOON)
    assert [s.reason for s in snapshots] == [
        "",
        "nothing is heard of 1 network any more",
        "1 network heard again",
    ]
    assert [s.unheard for s in snapshots] == [0, 1, 0]
    assert snapshots[1].updated == T0 + (8 + 20 + 1) * WINDOW


def test_a_platform_that_leaves_the_list_is_told() -> None:
    lines = on("x", ALL, "...." + "x" * 40) | on("y", ALL, "....xxxx" + "?" * 36)
    snapshots = run(story(lines), settings=SOON)
    assert [s.reason for s in snapshots] == ["", "nothing is heard of y any more"]
    assert [(s.unheard, s.unheard_platforms) for s in snapshots] == [(0, ()), (0, ("y",))]


def test_what_is_silent_for_good_is_told_and_then_closed() -> None:
    snapshots = run(story(on("x", ALL, "....xxxxxx" + "?" * 70)), settings=SOON)
    assert [s.status.value for s in snapshots] == ["open", "updated", "resolved"]
    assert snapshots[1].reason == "nothing has been heard of it for 0 h"
    assert snapshots[-1].closed
    assert snapshots[-1].resolved == T0 + 10 * WINDOW


def test_a_country_that_stays_dark_is_told_of_after_its_networks_are_forgotten() -> None:
    lines = on("x", ALL, "...." + "?" * 96)
    readings = story(lines, volumes=dict.fromkeys(ALL, "...." + "x" * 96))
    for one in readings[40:]:
        one.countries[0].volumes = {}
    settings = IncidentSettings(unheard_told_seconds=600, still_seconds=1800, still_early_seconds=86_400)
    snapshots = run(readings, settings=settings)
    assert [s.reason for s in snapshots] == ["", "goes on", "goes on", "goes on"]
    assert {s.kind for s in snapshots} == {Kind.CONNECTIVITY}


def test_a_silence_that_was_confirmed_for_hours_is_no_deploy_any_more() -> None:
    line = "...." + "x" * 200
    readings = story(on("x", ALL, "...." + "?" * 200), volumes=dict.fromkeys(ALL, line))
    for one in readings[150:160]:
        one.countries[0].silence_doubt = "one_by_one"
    assert [(s.confirmed, s.reason) for s in run(readings)] == [(True, "")]


def test_who_was_silent_before_is_no_part_of_a_shutdown_and_does_not_hold_its_end() -> None:
    lines = {1: "...." + "x" * 96, **dict.fromkeys([2, 3, 4, 5], "." * 40 + "x" * 30 + "." * 30)}
    marks = {
        (platform, network): line.replace("x", "?")
        for network, line in lines.items()
        for platform in ("x", "y")
    }
    snapshots = run(story(marks, volumes=lines))
    assert statuses(snapshots) == [["open", "resolved"]]
    assert {network.asn for s in snapshots for network in s.networks} == {2, 3, 4, 5}
    assert snapshots[-1].resolved == T0 + 70 * WINDOW


def test_networks_that_fall_silent_far_apart_are_all_part_of_a_shutdown() -> None:
    volumes = {network: "." * (20 * network) + "x" * (140 - 20 * network) for network in ALL}
    lines = {("x", network): line.replace("x", "?") for network, line in volumes.items()}
    snapshots = run(story(lines, volumes=volumes))
    assert {network.asn for network in snapshots[-1].networks} == set(ALL)


def test_a_slow_end_is_confirmed_though_one_network_came_back() -> None:
    volumes = dict.fromkeys([2, 3, 4, 5], "...." + "x" * 180) | {1: "...." + "x" * 20 + "." * 160}
    readings = story(on("x", ALL, "...." + "?" * 180), volumes=volumes)
    for one in readings[:30]:
        one.countries[0].silence_doubt = "one_by_one"
    snapshots = run(readings)
    assert [s.confirmed for s in snapshots] == [False, False, True]
    assert snapshots[-1].reason == "confirmed"
    assert snapshots[-1].updated - snapshots[0].updated > 7200


@pytest.mark.parametrize("grows", [True, False])
def test_what_is_slow_from_the_same_minute_on_is_one_incident_though_it_shows_later(grows: bool) -> None:
    lines = on("y", ALL, "....SSSSSSSSSSSSSSSSSSSSSSSS") | on("x", ALL, "............................")
    lines |= on("x", [5], "....zzzzSSSSSSSSSSSSSSSSSSSS")
    if grows:
        lines |= on("x", [1, 2, 3], "....zzzzzzzzzzzSSSSSSSSSSSSS")
    snapshots = run(story(lines))
    if grows:
        assert statuses(snapshots) == [["open", "updated"]]
        assert snapshots[-1].platforms == ("x", "y")
    else:  # one network that stays alone is told as what it is, ten minutes later
        assert statuses(snapshots) == [["open"], ["open"]]
        assert snapshots[-1].scope is Scope.PROVIDER and snapshots[-1].platforms == ("x",)


@pytest.mark.parametrize(
    ("line", "incidents"),
    [
        ("." * 12 + "S" * 28, 1),  # eight minutes after the others: slowness is dated by few values
        ("." * 30 + "S" * 10, 2),
    ],
)
def test_one_slow_evening_is_one_incident(line: str, incidents: int) -> None:
    lines = on("y", ALL, "...." + "S" * 36) | on("x", ALL, "." * 40) | on("x", [3, 4], line)
    assert len(told(run(story(lines)))) == incidents


def test_several_slow_networks_make_one_incident_of_the_one_before_them() -> None:
    lines = on("y", ALL, "." * 40) | on("y", [1], "...." + "S" * 36)
    lines |= on("x", ALL, "." * 40) | on("x", [2, 3], "......." + "S" * 33)
    assert len(told(run(story(lines)))) == 1


def test_nothing_is_called_confirmed_that_rests_on_two_networks() -> None:
    readings = story(on("x", [1, 2], "...." + "x" * 20))
    for one in readings[:12]:
        one.countries[0].warming = {"x"}
    assert [(s.doubt, s.reason) for s in run(readings)] == [("few_networks", "")]


def test_one_certificate_error_everywhere_is_said() -> None:
    lines = on("x", ALL, "....xxxxx") | on("y", ALL, ".........")
    (snapshot,) = run(story(lines, mechanism="tls.ssl_invalid_certificate"))
    (fact,) = [fact for fact in snapshot.facts if fact.name == "certificate"]
    assert fact.value == 1.0
    assert fact.figures == {
        "share": 1.0,
        "error": "ssl_invalid_certificate",
        "same": 5,
        "networks": 5,
        "well": 5,
        "others": 5,
        "answered": 1.0,
    }
    (reset,) = run(story(lines))
    assert "certificate" not in {fact.name for fact in reset.facts}


def test_half_hour_marks_are_those_of_local_time() -> None:
    nepal = [reading([country(at, on("x", ALL, "." * 15 + "xxxxx"), name="NP")]) for at in range(20)]
    (mark,) = [fact for fact in run(nepal)[0].facts if fact.name == "half_hour_mark"]
    assert mark.value == 0.0


def test_two_ways_of_failing_that_take_turns_are_no_news() -> None:
    ways = ("tls.connection_reset", "dns.dns_nxdomain_error")
    line = "...." + "x" * 90
    readings = [
        reading([country(at, on("x", ALL, line), mechanism=ways[(at // 3) % 2])]) for at in range(len(line))
    ]
    assert [s.status.value for s in run(readings)] == ["open"]


def test_one_faint_series_joins_no_incident_that_was_told() -> None:
    length = 60
    lines = on("x", [1, 2, 3], "...." + "x" * (length - 4)) | on("x", [4], "." * 30 + "f" * 3 + "." * 27)
    lines |= on("x", [5, 6, 7], "." * length)
    snapshots = run(story(lines))
    assert {network.asn for s in snapshots for network in s.networks} == {1, 2, 3}
    assert len(snapshots) == 1


def test_a_full_calendar_keeps_what_ends_last_and_a_replaced_event_counts_once() -> None:
    assembler = Assembler(IncidentSettings(), TimeSettings(), "1", "f")
    for i in range(CALENDAR_MAX + 1):
        assembler.schedule(Scheduled(f"e{i:04}", "PK", "t", T0 + i, T0 + i))
        assembler.schedule(Scheduled(f"e{i:04}", "PK", "again", T0 + i, T0 + i))
    names = sorted(assembler._calendar)
    assert names[0] > "e0100"
    assert names[-1] == f"e{CALENDAR_MAX:04}"
    assert {event.title for event in assembler._calendar.values()} == {"again"}


@pytest.mark.parametrize(("bar", "after", "joins"), [(0.5, 40, False), (1.0, 40, True), (0.5, 5, True)])
def test_a_network_that_joins_late_needs_what_opening_needs(bar: float, after: int, joins: bool) -> None:
    """Where a network has long been lost, a lower bar serves for the others of its country: they drift at times."""
    lines = {("x", 1): "..." + "x" * 60}
    lines |= {("x", asn): "." * 63 for asn in (2, 3, 4, 5)}
    lines["x", 2] = "." * (3 + after) + "x" * (60 - after)
    readings = story(lines)
    for one in readings:
        (held,) = one.countries
        networks = dict(held.networks)
        networks["x", 2] = structs.replace(networks["x", 2], bar=bar)
        held.networks = networks
    told = run(readings)
    assert (told[-1].scope is not Scope.PROVIDER) == joins


@pytest.mark.parametrize(("bar", "score", "wide"), [(1.0, 1.1, True), (0.58, 1.1, False), (0.58, 1.4, True)])
def test_one_network_that_is_sure_for_its_countrys_sake_draws_no_others_in(
    bar: float, score: float, wide: bool
) -> None:
    """Five chance failures of seven made a nation of three thin networks."""
    lines = (
        {("x", 1): "..." + "f" * 4} | {("x", asn): "..." + "~" * 4 for asn in (2, 3)} | {("x", 4): "." * 7}
    )
    readings = story(lines)
    for one in readings:
        (seen,) = one.countries
        networks, platforms = dict(seen.networks), dict(seen.platforms)
        networks["x", 1] = structs.replace(networks["x", 1], bar=bar)
        if platforms["x"].opinion is Opinion.BAD:
            platforms["x"] = structs.replace(platforms["x"], score=score, reachability=0.75)
        seen.networks, seen.platforms = networks, platforms
    assert any(len(one.networks) == 3 for one in run(readings)) == wide


def test_what_is_back_is_counted_alike_on_all_networks() -> None:
    """Counted from each network's first success on, more would have succeeded than have."""
    lost, well = "..." + "x" * 20, "." * 12
    lines = {("x", 1): lost + well, ("x", 2): lost + well, ("x", 3): lost + "xx" + well[2:]}
    over = next(one for one in run(story(lines)) if one.status is Announcement.RESOLVED)
    results = over.results
    assert results % 10 == 0 and round(over.reachability * results) < round(WELL * results)


@pytest.mark.parametrize(
    ("doubt", "usual", "told"), [("crowd", 1.0, False), ("crowd", 200.0, True), (None, 1.0, True)]
)
def test_a_few_networks_of_a_crowd_that_stop_are_people_who_left(
    doubt: str | None, usual: float, told: bool
) -> None:
    """Three of four networks that are known well are dark; in a crowd they count by what they usually send."""
    volumes = dict.fromkeys((1, 2, 3), "..." + "x" * 8) | {4: "." * 11}
    readings = story({("x", asn): "." * 11 for asn in (1, 2, 3, 4)}, volumes=volumes)
    for one in readings:
        (seen,) = one.countries
        seen.silence_doubt = doubt
        seen.volumes = {
            asn: structs.replace(volume, usual=usual if asn < 4 else 40.0)
            for asn, volume in seen.volumes.items()
        }
    assert bool(run(readings)) == told


def test_a_block_that_is_renewed_is_told_by_what_fails_since() -> None:
    """The pause counts neither as a part that is back nor as results of the block."""
    line = "..." + "x" * 20 + "." * 9 + "x" * 15
    told_all = run(story({("x", asn): line for asn in ALL}))
    assert [one.reason for one in told_all if one.status is Announcement.RESOLVED] == [""]
    again = next(one for one in told_all if one.reason == "lost again")
    assert again.updated <= T0 + (3 + 20 + 9 + 5) * WINDOW
    assert again.reachability <= 0.05 and again.scope is Scope.NATION_SCALE
    assert not any("restored" in one.reason for one in told_all)


def test_a_few_failed_attempts_confirm_nothing() -> None:
    """One result a window comes: from five that failed on it is confirmed, and stays so."""
    readings = story({("x", asn): "..." + "x" * 12 for asn in ALL})
    for one in readings:
        (seen,) = one.countries
        seen.past = {}
        seen.networks = {
            key: structs.replace(standing, n=int(key[1] == 1), k=int(key[1] == 1 and standing.k > 5))
            for key, standing in seen.networks.items()
        }
    told_all = run(readings)
    assert [one.doubt for one in told_all[:2]] == ["few_results", None]
    assert all(one.confirmed for one in told_all[1:])


def test_nothing_is_said_of_orders_where_services_are_ones_own() -> None:
    lines = {("x", asn): "..." + "x" * 4 for asn in (1, 2)}
    names = [
        {fact.name for fact in run(story(lines), settings=IncidentSettings(own_services=own))[0].facts}
        for own in (False, True)
    ]
    assert names[0] - names[1] == {"half_hour_mark", "recurrence"}


@pytest.mark.world
def test_a_mechanism_that_flips_all_day_is_told_ever_less_often() -> None:
    """Each way for an hour: six snapshots a day, 24 where its patience ends at half an hour."""
    half = 60
    ways = ("tls.connection_reset", "dns.dns_nxdomain_error")
    line = "..." + "x" * (24 * 60)
    readings = []
    for at in range(len(line)):
        lines = {("x", asn): line for asn in (1, 2, 3)}
        readings.append(reading([country(at, lines, mechanism=ways[at // half % 2])]))
    told = run(readings)
    assert 2 <= len(told) <= 6


def test_a_cut_of_most_regions_that_is_first_told_of_the_nation_names_them() -> None:
    """Networks are sure before the regions, which have fewer results; two of five regions stay well throughout."""
    lost, well = ("PK-BA", "PK-GB", "PK-IS"), ("PK-KP", "PK-PB")
    regions = {("x", r): "...." + "?" * 6 + "x" * 40 for r in lost} | {("x", r): "." * 50 for r in well}
    lines = on("x", ALL, "....~~ff" + "f" * 42)
    first, *_, last = run(story(lines, regions=regions, homes=dict.fromkeys(ALL, lost + well)))
    assert (first.scope, first.regions) == (Scope.NATION_SCALE, ())
    assert (last.scope, last.regions, last.id) == (Scope.NATION_SCALE, lost, first.id)


def test_what_was_told_of_networks_and_is_of_regions_ends_as_of_regions() -> None:
    """Half of the regions are lost. Two networks alarm first, and are told; then the regions do."""
    lost, well = ("PK-BA", "PK-GB"), ("PK-KP", "PK-PB")
    regions = {("x", r): "...." + "?" * 6 + "x" * 20 + "." * 10 for r in lost} | {
        ("x", r): "." * 40 for r in well
    }
    lines = on("x", [1, 2], "...." + "f" * 26 + "." * 10) | on("x", [3, 4, 5], "." * 40)
    snapshots = run(story(lines, regions=regions, homes=dict.fromkeys(ALL, lost + well)))
    first, *later = snapshots
    assert first.scope is Scope.MULTI_PROVIDER
    assert {(one.scope, one.regions) for one in later} == {(Scope.REGION, lost)}
    assert later[-1].status is Announcement.RESOLVED


def test_a_minority_of_vantages_that_is_well_keeps_no_regions_untold() -> None:
    """Each network's ratio is that of most of its vantages: it says nothing of the two regions that are well."""
    lost, well = ("PK-BA", "PK-GB", "PK-IS"), ("PK-KP", "PK-PB")
    regions = {("x", r): "...." + "x" * 26 for r in lost} | {("x", r): "." * 30 for r in well}
    readings = story(on("x", ALL, "...." + "x" * 26), regions=regions, homes=dict.fromkeys(ALL, lost + well))
    for one in readings[6:]:
        networks = one.countries[0].networks
        for key, standing in list(networks.items()):
            networks[key] = structs.replace(standing, vantages=5, vantages_apart=2)  # type: ignore[index]  # ours
    last = run(readings)[-1]
    assert (last.scope, last.regions) == (Scope.NATION_SCALE, lost)
    assert {network.lost for network in last.networks} == {0.6}


@pytest.mark.parametrize("seed", range(3))
def test_a_large_network_that_is_back_ends_nothing_of_those_that_are_not(seed: int) -> None:
    """Two networks are back with most of the results; the three others have one a window, and 30 % succeed."""
    chance = random.Random(seed)
    lines = on("x", [1, 2], "." * 5 + "x" * 40 + "." * 200) | on("x", [3, 4, 5], "." * 5 + "x" * 240)
    readings = story(lines)
    for one in readings[45:]:
        networks = one.countries[0].networks
        for asn in (3, 4, 5):
            k = int(chance.random() < 0.3)
            networks["x", asn] = structs.replace(networks["x", asn], n=1, k=k, reachability=0.3)  # type: ignore[index]  # ours
    snapshots = run(readings)
    assert {one.status for one in snapshots} == {Announcement.OPEN, Announcement.UPDATED}
    assert [network.asn for network in snapshots[-1].networks if network.recovered] == [1, 2]


def test_a_network_that_strays_on_one_platform_joins_no_carrier_that_lost_four() -> None:
    """It is believed for its country's sake alone. Once it has lost half of them too, it joins."""
    stray = "." * 10 + "x" * 3 + "." * 17
    carrier = (
        on("v w x y", [1], "." * 4 + "x" * 26) | on("w x y", [2], "." * 30) | on("v w x y", [3, 4], "." * 30)
    )
    assert _joined(carrier | on("v", [2], stray), [("v", 2)]) == [1]
    both = on("v", [2], "." * 10 + "x" * 20) | on("w", [2], "." * 10 + "x" * 20)
    assert _joined(carrier | both, [("v", 2), ("w", 2)]) == [1, 2]


def _joined(lines: dict[tuple[str, int], str], unsure: Sequence[tuple[str, int]]) -> list[int]:
    readings = story(lines)
    for one in readings:
        networks = one.countries[0].networks
        for key in unsure:
            networks[key] = structs.replace(networks[key], bar=0.5)  # type: ignore[index]  # ours
    return sorted({network.asn for snapshot in run(readings) for network in snapshot.networks})


def test_what_goes_to_and_fro_is_told_as_over_ever_later() -> None:
    """A quarter of an hour lost, one well, eight times: the first three ends are told, and at last the end."""
    line = "." * 5 + ("x" * 15 + "." * 15) * 8 + "." * 60
    snapshots = run(story(on("x", ALL, line)))
    ends = [(one.updated - T0) // WINDOW for one in snapshots if one.status is Announcement.RESOLVED]
    assert len({one.id for one in snapshots}) == 1
    assert [end - 5 - 30 * i - 15 for i, end in enumerate(ends[:4])] == [5, 5, 5, 10]
    assert len(ends) == 5
    assert snapshots[-1].status is Announcement.RESOLVED
    assert snapshots[-1].resolved == T0 + (5 + 30 * 8 - 15) * WINDOW


@pytest.mark.parametrize(("overlap", "widest"), [(0, Scope.PROVIDER), (6, Scope.NATION_SCALE)])
def test_a_block_that_moves_on_was_never_everywhere(overlap: int, widest: Scope) -> None:
    """With two of three networks in one list, one after the other, it was told as nation-scale."""
    lines = {
        ("x", 1): "..." + "x" * (30 + overlap) + "." * (30 - overlap),
        ("x", 2): "." * 33 + "x" * 30,
        ("x", 3): "." * 63,
    }
    scopes = {snapshot.scope for snapshot in run(story(lines)) if snapshot.status.value != "resolved"}
    assert (Scope.NATION_SCALE in scopes) == (widest is Scope.NATION_SCALE)
