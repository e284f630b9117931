"""Who promised to be heard, and whether the path to them works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.columns.thinning import THIN_NETWORK, THIN_VANTAGES, Thinning
from detectors.readings import CountryReading, Counts, MonitorKey, Opinion
from detectors.settings import DetectionSettings, TimeSettings

START = 1_704_067_200
MECHANISMS = ("ok", "tls.connection_reset")
DAY_MINUTES = 1440


def key(country: str, network: int, vantage: int = 0) -> MonitorKey:
    return MonitorKey("x", country, "", 64500 + network, f"{country}-{network}-{vantage}", True)


class World:
    """Vantages that send when `sends(minute, place)` says so; `promises` seconds with each result, or so many then."""

    def __init__(
        self, keys: Sequence[MonitorKey], *, promises: float | Callable[[int, int], float] = 0.0
    ) -> None:
        self.bank = Bank(DetectionSettings(), TimeSettings(), MECHANISMS)
        self.bank.add_monitors(keys)
        self.size, self.promises = len(keys), promises
        self.watch = {(one.country, True) for one in keys}

    def run(self, minutes: range, sends: Any) -> list[Mapping[str, CountryReading]]:
        told = []
        for minute in minutes:
            monitor = np.array([i for i in range(self.size) if sends(minute, i)], dtype=np.int32)
            n, start = len(monitor), START + 60 * minute
            promises = self.promises
            every_seconds = [
                promises(minute, i) if callable(promises) else promises for i in monitor.tolist()
            ]
            counts = Counts(
                start,
                start + 60,
                monitor,
                np.ones(n, np.bool_),
                np.zeros(n, np.int16),
                np.full(n, -1, np.int8),
                np.full(n, np.nan, np.float32),
                np.full(n, np.nan, np.float32),
                every_seconds=np.array(every_seconds, dtype=np.float32),
            )
            reading = self.bank.close(counts, self.watch)
            told.append({country.country: country for country in reading.countries})
        return told


def dark(reading: CountryReading) -> int:
    return sum(volume.opinion is Opinion.BAD for volume in reading.volumes.values())


def always(minute: int, place: int) -> bool:
    del minute, place
    return True


def warmed(keys: Sequence[MonitorKey], minutes: int) -> World:
    """A world in which each vantage has promised a result a minute, and has kept it for so many minutes."""
    world = World(keys, promises=60)
    world.bank.restore(_warm(tuple(keys), minutes))
    return world


@cache
def _warm(keys: tuple[MonitorKey, ...], minutes: int) -> bytes:
    # What is restored goes on as if it had not been away (`test_a_snapshot_anywhere_changes_nothing`).
    world = World(keys, promises=60)
    world.run(range(minutes), always)
    return world.bank.snapshot()


def test_all_countries_silent_at_once_are_us() -> None:
    world = warmed([key(country, n) for country in ("PK", "IR", "BR") for n in range(4)], 60)
    silent = world.run(range(60, 90), lambda minute, place: False)
    assert sum(dark(country) for reading in silent for country in reading.values()) == 0
    back = world.run(range(90, 105), lambda minute, place: place >= 4)  # and PK does not come back
    assert [dark(back[9][country]) for country in ("PK", "IR", "BR")] == [4, 0, 0]


def test_one_country_silent_while_others_are_heard_is_dark() -> None:
    world = warmed([key(country, n) for country in ("PK", "IR", "BR") for n in range(4)], 60)
    silent = world.run(range(60, 70), lambda minute, place: place >= 4)
    assert [dark(silent[6][country]) for country in ("PK", "IR", "BR")] == [4, 0, 0]
    assert silent[6]["PK"].silence_doubt is None


def test_where_nothing_else_is_heard_that_is_said() -> None:
    world = warmed([key("PK", n) for n in range(4)], 60)
    silent = world.run(range(60, 70), lambda minute, place: False)
    assert dark(silent[6]["PK"]) == 4
    assert silent[6]["PK"].silence_doubt == "own_path"


@pytest.mark.parametrize("apart", [pytest.param(0, marks=pytest.mark.world), 1])
def test_a_deploy_that_goes_from_vantage_to_vantage_is_no_darkness(apart: int) -> None:
    keys = [key(country, n, v) for country in ("PK", "IR", "BR") for n in range(4) for v in range(2)]
    world = warmed(keys, 60)
    readings = world.run(range(60, 120), lambda minute, place: not 0 <= minute - 60 - apart * place < 30)
    assert sum(dark(country) == 4 for reading in readings for country in reading.values()) == 0


@pytest.mark.world
@pytest.mark.parametrize("promises", [0.0, 60.0], ids=["shown", "promised"])
def test_deploys_of_half_an_hour_through_three_countries_leave_the_rhythm_as_it_was(promises: float) -> None:
    """The first country is back long before the last; and after two of them a true cut is as sure as ever."""
    keys = [key(country, n, v) for country in ("PK", "IR", "BR") for n in range(4) for v in range(2)]
    world = World(keys, promises=promises)

    def sends(minute: int, place: int) -> bool:
        return not any(0 <= minute - begins - place < 27 for begins in (120, 260)) and (
            minute < 400 or place < 16
        )

    readings = world.run(range(412), sends)
    assert sum(dark(country) == 4 for reading in readings[:400] for country in reading.values()) == 0
    assert dark(readings[-1]["BR"]) == 4
    assert readings[-1]["BR"].silence_doubt is None


@pytest.mark.world
def test_arrivals_at_any_moment_are_a_crowd() -> None:
    random = np.random.default_rng(4)
    world = World([key(country, n, v) for country in ("PK", "IR") for n in range(4) for v in range(9)])
    (*_, last) = world.run(range(DAY_MINUTES // 2), lambda minute, place: random.random() < 0.05)
    assert last["PK"].silence_doubt == "crowd"


def test_whether_a_crowd_has_thinned_out_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("_scarce", "_thicken"):
        monkeypatch.setattr(Thinning, name, lambda *rest, name=name: asked.append(name))
    random = np.random.default_rng(4)
    world = World([key("PK", n, v) for n in range(4) for v in range(9)])
    world.run(range(100), lambda minute, place: random.random() < 0.05)
    assert np.count_nonzero(world.bank.series.paths.rhythm.filled < THIN_NETWORK) >= THIN_VANTAGES
    assert not asked


@pytest.mark.world
def test_a_crowd_stays_one_though_windows_without_results_look_as_if_the_path_were_away() -> None:
    """Few come, so that by chance nothing comes from elsewhere now and then: its long gaps are its own all the same."""
    random = np.random.default_rng(7)
    world = World([key(country, n, v) for country in ("UG", "DE", "BR") for n in range(4) for v in range(2)])
    readings = world.run(range(2 * DAY_MINUTES), lambda minute, place: random.random() < 0.1)
    paths = world.bank.series.paths
    assert not paths.steady.any()
    assert paths.rhythm.gap.mean() == pytest.approx(10.0, abs=2.0)
    assert {readings[-1][country].silence_doubt for country in ("UG", "DE", "BR")} == {"crowd"}


@pytest.mark.world
def test_of_many_networks_half_are_silent_by_chance_now_and_then_and_all_are_not() -> None:
    """Thirteen networks send once at any moment of each six minutes: of these, seven often lag together."""
    random = np.random.default_rng(1)
    keys = [*(key("VE", n) for n in range(13)), *(key("DE", n) for n in range(4))]
    moments = random.integers(0, 6, (DAY_MINUTES // 6 + 10, len(keys)))

    def sends(minute: int, place: int) -> bool:
        return minute % 6 == moments[minute // 6, place]

    day = World(keys)
    day.run(range(DAY_MINUTES), sends)
    kept = day.bank.snapshot()

    def after_a_day() -> World:
        world = World(keys)
        world.bank.restore(kept)
        return world

    cut = DAY_MINUTES
    some = after_a_day().run(range(cut, cut + 7), lambda minute, i: i >= 7 and sends(minute, i))
    assert not any(dark(reading["VE"]) for reading in some)
    whole = after_a_day().run(range(cut, cut + 7), lambda minute, i: i >= 13 and sends(minute, i))
    assert dark(whole[-1]["VE"]) == 13


@pytest.mark.world
def test_windows_between_the_results_of_a_slow_rhythm_are_part_of_what_is_usual() -> None:
    """Both vantages of a network send in the same windows, three of eight; each night the country is dark."""
    world = World(
        [key(country, n, v) for country in ("MM", "DE") for n in range(4) for v in range(2)], promises=160.0
    )

    def sends(minute: int, place: int) -> bool:
        dark = place < 8 and minute % DAY_MINUTES < 420 and minute >= DAY_MINUTES
        return not dark and (minute + place // 2) % 8 in (0, 3, 6)

    readings = world.run(range(2 * DAY_MINUTES), sends)
    usual = world.bank.series.silence.usual(START + 12 * 3600)
    assert usual == pytest.approx(np.full(8, 0.75), abs=0.05)
    darks = [dark(reading["MM"]) for reading in readings[DAY_MINUTES:]]
    assert darks[10] == 4 and darks[419] == 4 and not any(darks[440:])


def test_a_network_of_which_a_tenth_of_the_vantages_is_left_is_gone() -> None:
    keys = [key(country, n, v) for country in ("PS", "IR") for n in range(3) for v in range(10)]
    world = warmed(keys, 60)
    left = world.run(range(60, 80), lambda minute, place: place >= 30 or place % 10 == 0)
    assert [dark(left[-1][country]) for country in ("PS", "IR")] == [3, 0]


@pytest.mark.world
def test_a_shutdown_that_returns_is_seen_as_soon_as_the_first() -> None:
    world = World([key(country, n) for country in ("PK", "IR") for n in range(4)], promises=60)
    hours = (1, 3, 4, 6)  # off, on, off, on

    def off(minute: int) -> bool:
        return hours[0] * 60 <= minute < hours[1] * 60 or hours[2] * 60 <= minute < hours[3] * 60

    readings = world.run(range(6 * 60), lambda minute, place: place >= 4 or not off(minute))
    begins = [
        next(minute for minute in range(hour * 60, 6 * 60) if dark(readings[minute]["PK"]) == 4)
        for hour in (hours[0], hours[2])
    ]
    assert begins[0] - hours[0] * 60 <= 6
    assert begins[1] - hours[2] * 60 <= 6


def two_a_network() -> World:
    """Four networks with two vantages each, vantage by vantage, and another country."""
    keys = [key("PK", n, v) for v in range(2) for n in range(4)]
    world = warmed([*keys, *(key("IR", n) for n in range(4))], 90)
    return world


@pytest.mark.parametrize(
    ("fell", "doubt"),
    [
        (lambda place: 2 * place, "one_by_one"),
        (lambda place: place, "one_by_one"),
        (lambda place: 0, None),
        (lambda place: place % 2, None),
        # One network after another, each with its two vantages at once: no deploy goes like that.
        (lambda place: 6 * (place % 4), None),
        # Most at once, while two were away already.
        (lambda place: 20 if place > 1 else 2 * place, None),
    ],
    ids=["two minutes apart", "a minute apart", "at once", "within a minute", "by network", "in a deploy"],
)
def test_vantages_that_fall_silent_one_after_another_are_doubted(fell: Any, doubt: str | None) -> None:
    world = two_a_network()
    readings = world.run(range(90, 118), lambda minute, place: place >= 8 or minute - 90 < fell(place))
    assert dark(readings[-1]["PK"]) == 4
    assert readings[-1]["PK"].silence_doubt == doubt


@pytest.mark.world
def test_who_has_been_silent_for_hours_is_in_no_deploy() -> None:
    world = two_a_network()
    readings = world.run(range(90, 230), lambda minute, place: place >= 8 or minute - 90 < 2 * place)
    assert readings[-1]["PK"].silence_doubt is None


def test_what_trickles_through_a_shutdown_makes_no_deploy_of_it() -> None:
    """All fall in one minute; then a result of each gets through, a few minutes apart, and nothing more."""
    world = two_a_network()

    def trickles(minute: int, place: int) -> bool:
        return minute == 100 + 4 * place

    readings = world.run(range(90, 135), lambda minute, place: place >= 8 or trickles(minute, place))
    told = [reading["PK"] for reading in readings[8:]]
    assert {one.silence_doubt for one in told} == {None}
    assert min(dark(one) for one in told) >= 3


def test_fewer_results_of_the_same_vantages_are_no_silence() -> None:
    """A flood that ends, or a platform that is asked no more: all vantages are still there."""
    keys = [
        key(country, n)._replace(target=f"t{t}")
        for country in ("PK", "IR")
        for n in range(3)
        for t in range(40)
    ]
    world = warmed(keys, 60)
    readings = world.run(range(60, 80), lambda minute, place: place >= 120 or place % 40 == 0)
    assert [dark(reading["PK"]) for reading in readings] == [0] * 20


REGIONS = ("IN-DL", "IN-MH", "IN-UP")


def in_regions(networks: int = 3) -> list[MonitorKey]:
    """A vantage in each region on each network."""
    return [
        MonitorKey("x", "IN", region, 64500 + network, f"IN-{network}-{region}", True)
        for region in REGIONS
        for network in range(networks)
    ]


def without(*regions: str, since: int, until: int = 10**6, networks: int = 3) -> Any:
    keys = in_regions(networks)
    return lambda minute, i: not (keys[i].region in regions and since <= minute < until)


def silent_regions(told: Sequence[Mapping[str, CountryReading]]) -> list[list[str]]:
    return [
        sorted(region for region, volume in one["IN"].region_volumes.items() if volume.opinion is Opinion.BAD)
        for one in told
    ]


@pytest.mark.world
def test_what_a_crowd_does_each_night_is_its_rhythm() -> None:
    """Many are silent for some minutes together at night: no deploy and no shutdown, so that nobody is steady."""
    world = World([key("CL", network, vantage) for network in range(3) for vantage in range(2)])
    sends = np.random.default_rng(5).random((600, 6)) < np.where(np.arange(600) < 300, 0.9, 0.2)[:, None]
    world.run(range(600), lambda minute, i: bool(sends[minute, i]))
    assert not world.bank.series.paths.steady.any()


def test_a_region_that_falls_silent_while_the_rest_is_heard() -> None:
    world = warmed(in_regions(), 60)
    told = world.run(range(60, 80), without("IN-DL", since=60))
    says = silent_regions(told)
    assert says[2] == [] and says[4] == ["IN-DL"] and says[-1] == ["IN-DL"]
    volume = told[-1]["IN"].region_volumes["IN-DL"]
    assert volume.onset == START + 60 * 60 and volume.seen == 0.0 and volume.usual == 3.0
    assert not dark(told[-1]["IN"])
    back = world.run(range(80, 90), always)
    assert back[-1]["IN"].region_volumes["IN-DL"].opinion is Opinion.GOOD
    # Its silence was no rhythm of its vantages: tomorrow's is told as soon.
    again = silent_regions(world.run(range(90, 100), without("IN-DL", since=90)))
    assert again[4] == ["IN-DL"]


@pytest.mark.world
@pytest.mark.parametrize(("every", "later"), [(8, 1), (8, 3), (5, 2), (10, 10), (20, 6)])
def test_regions_of_vantages_that_are_slower_than_windows_are_heard_and_missed(
    every: int, later: int
) -> None:
    """Each vantage asks two things, the second so many windows after the first; in each round anew."""
    keys = [one for one in in_regions(4) if one.region in REGIONS[:3]]
    world = World(keys, promises=60.0 * every)
    phases = np.random.default_rng(every + later).integers(0, every, len(keys))

    def sends(minute: int, place: int) -> bool:
        since = (minute + int(phases[place])) % every
        return since in (0, later % every)

    torn = silent_regions(world.run(range(20 * every), sends))
    assert not any(torn)
    lost = keys[0].region
    cut, healed = 20 * every, 32 * every
    silent = silent_regions(
        world.run(range(cut, healed), lambda minute, i: sends(minute, i) and keys[i].region != lost)
    )
    assert silent[7 * every] == [lost] and {one for by in silent for one in by} == {lost}
    back = silent_regions(world.run(range(healed, healed + 4 * every), sends))
    assert not any(back[3 * every :])


@pytest.mark.world
def test_a_few_results_that_trickle_through_end_no_regions_silence() -> None:
    world = warmed(in_regions(), 60)
    gone = without("IN-DL", since=60)
    comes = np.random.default_rng(4).random((180, len(in_regions()))) < 0.02
    says = silent_regions(
        world.run(
            range(60, 180), lambda minute, i: gone(minute, i) or (minute > 64 and bool(comes[minute, i]))
        )
    )
    assert all(one == ["IN-DL"] for one in says[5:])


def test_a_region_is_not_silent_by_itself_where_its_networks_are_silent_everywhere() -> None:
    keys = in_regions()
    world = warmed(keys, 60)
    # Two of three networks fall silent in all regions: each region has lost two vantages of three.
    says = silent_regions(world.run(range(60, 90), lambda minute, i: keys[i].asn == 64500))
    assert says[-1] == []


@pytest.mark.world
def test_vantages_of_a_region_that_stop_on_different_days_are_no_silence_of_it() -> None:
    keys = in_regions()
    world = warmed(keys, 60)
    died = {0: 60, 1: 90, 2: 120}
    says = silent_regions(world.run(range(60, 180), lambda minute, i: minute < died.get(i, 10**6)))
    assert all(one == [] for one in says)


def test_two_vantages_are_no_region() -> None:
    world = warmed(in_regions(2), 60)
    says = silent_regions(world.run(range(60, 90), without("IN-DL", since=60, networks=2)))
    assert all(one == [] for one in says)


def test_a_deploy_that_goes_from_region_to_region_is_told_of_its_first_at_most() -> None:
    world = warmed(in_regions(), 60)
    keys = in_regions()
    begins = {"IN-DL": 60, "IN-MH": 75, "IN-UP": 90}
    told = world.run(range(60, 130), lambda minute, i: not 0 <= minute - begins[keys[i].region] < 12)
    says = {region for one in silent_regions(told) for region in one}
    assert says == {"IN-DL"}


def test_a_whole_country_that_is_silent_has_no_silent_region() -> None:
    world = warmed([*in_regions(), *(key("DE", network) for network in range(4))], 60)
    told = world.run(range(60, 90), lambda minute, i: i >= 9)
    assert silent_regions(told)[-1] == [] and dark(told[-1]["IN"]) == 3


def test_the_last_of_regions_that_fall_silent_one_by_one_is_told_too() -> None:
    """Nobody in the country is heard beside it then; the others were silent before."""
    world = warmed([*in_regions(), *(key("DE", network) for network in range(4))], 60)
    keys = [*in_regions(), *(key("DE", network) for network in range(4))]
    fell = {region: 60 + 20 * place for place, region in enumerate(REGIONS)}
    told = world.run(range(60, 130), lambda minute, i: minute < fell.get(keys[i].region, 10**6))
    says = silent_regions(told)
    assert says[fell[REGIONS[-1]] - 60 - 1] == sorted(REGIONS[:-1])
    assert says[fell[REGIONS[-1]] - 60 + 5] == says[-1] == sorted(REGIONS)
    back = silent_regions(world.run(range(130, 145), always))
    assert back[-1] == []


def test_a_region_of_two_vantages_joins_one_that_is_silent_already() -> None:
    keys = [one for one in in_regions() if one.region != "IN-MH" or one.asn != 64502]
    world = warmed(keys, 60)
    fell = {"IN-DL": 60, "IN-MH": 80}
    says = silent_regions(
        world.run(range(60, 100), lambda minute, i: minute < fell.get(keys[i].region, 10**6))
    )
    assert says[19] == ["IN-DL"] and says[25] == says[-1] == ["IN-DL", "IN-MH"]
    back = silent_regions(world.run(range(100, 115), always))
    assert back[-1] == []


def test_a_region_of_vantages_that_report_at_any_moment_falls_silent_too() -> None:
    """After their longest gaps, all together; the chance gaps of a day are no silence, nor is one vantage's pause."""
    keys = in_regions(4)
    world = World(keys)
    sends = np.random.default_rng(8).random((1500, len(keys))) < 0.6

    def comes(minute: int, i: int) -> bool:
        pauses = i == 0 and 300 <= minute < 320
        return bool(sends[minute, i]) and not pauses and not (keys[i].region == "IN-DL" and minute >= 1440)

    before = silent_regions(world.run(range(1440), comes))
    assert not any(before)
    assert not world.bank.series.paths.rhythm.steady(60).any()
    says = silent_regions(world.run(range(1440, 1500), comes))
    assert says[3] == [] and says[40] == says[-1] == ["IN-DL"]


@pytest.mark.world
@pytest.mark.parametrize("vantages", [2, 3])
def test_a_network_of_which_one_vantage_is_heard_is_not_dark_with_its_country(vantages: int) -> None:
    """Half of the networks are cut; of another one all vantages but one are switched off, and that one goes on."""
    keys = [
        key(country, n, v)._replace(platform=f"p{target}")
        for country in ("PK", "IR")
        for n in range(6)
        for v in range(vantages)
        for target in range(5)
    ]
    draw = np.random.default_rng(11)
    phase, late = draw.integers(5, size=len(keys)), draw.integers(-1, 2, size=(len(keys), 900))
    due = {
        (5 * turn + int(phase[place]) + int(late[place, turn]), place)
        for place in range(len(keys))
        for turn in range(-1, 60)
    }

    def sends(minute: int, place: int) -> bool:
        one = keys[place]
        lost = one.asn < keys[0].asn + 3 or (
            one.asn == keys[0].asn + 3 and one.vantage != keys[15 * vantages].vantage
        )
        return (minute, place) in due and not (one.country == "PK" and lost and minute >= 180)

    world = World(keys, promises=300.0)
    told = world.run(range(240), sends)
    volumes = [one["PK"].volumes for one in told[180:]]
    assert all(volume[keys[0].asn + 3].opinion is not Opinion.BAD for volume in volumes)
    assert all(volumes[-1][keys[0].asn + network].opinion is Opinion.BAD for network in range(3))


@pytest.mark.world
def test_what_trickles_through_a_silence_leaves_nobody_deaf() -> None:
    """Of two countries the path to each is judged by the other alone.

    While PK is dark but for a trickle, NO seems away; it learned that it sends every minute, and then its gaps made
    PK seem away for ever.
    """
    world = World([key("PK", n) for n in range(4)] + [key("NO", n) for n in range(3)], promises=600)

    def clumps(minute: int, place: int) -> bool:
        return minute % 2 == place % 2 if place < 4 else minute % 10 in (place, place + 1)

    random = np.random.default_rng(3)  # even intervals would be a slower rhythm

    def trickles(minute: int, place: int) -> bool:
        return bool(random.random() < 1 / 36) if place < 4 else clumps(minute, place)

    def heard(minutes: range, sends: Any) -> list[int]:
        return [dark(reading["PK"]) for reading in world.run(minutes, sends)]

    heard(range(240), clumps)
    silent = heard(range(240, 600), trickles)
    assert sorted(silent[30:])[len(silent) // 20] >= 3
    assert heard(range(600, 640), clumps)[-1] == 0
    assert heard(range(640, 700), trickles)[-1] >= 3


def trickle(
    share: float, every: int, seed: int, *, silent: tuple[int, int] = (0, 8), past: int = 240
) -> tuple[World, Any]:
    """Eight vantages a country on four networks; of those of places `silent` only a share arrives from `past` on."""
    keys = [key(country, n, v) for country in ("PK", "IR", "BR") for n in range(4) for v in range(2)]
    random = np.random.default_rng(seed)

    def sends(minute: int, place: int) -> bool:
        if (minute + place) % every:
            return False
        thin = silent[0] <= place < silent[1] and past <= minute < past + 90
        return not thin or random.random() < share

    return World(keys, promises=60.0 * every), sends


@pytest.mark.world
@pytest.mark.parametrize(
    ("share", "every", "within"), [(0.05, 1, 16), (0.1, 1, 12), (0.2, 1, 12), (0.15, 3, 30)]
)
def test_a_shutdown_through_which_something_trickles_is_told_and_stays_one(
    share: float, every: int, within: int
) -> None:
    world, sends = trickle(share, every, 11)
    world.run(range(240), sends)
    world.run(range(240, 240 + within), sends)
    paths, silence = world.bank.series.paths, world.bank.series.silence
    assert silence.dark.tolist() == [True] * 4 + [False] * 8
    onsets = (silence.onset[:4] - START) // 60 - 240
    assert onsets.min() >= -every
    assert onsets.max() <= max(2, 2 * every)
    for minute in range(240 + within, 330):
        (reading,) = world.run(range(minute, minute + 1), sends)
        assert silence.dark[:4].all()
        assert reading["PK"].silence_doubt is None
    world.run(range(330, 333 + 5 * every), sends)
    assert not silence.dark.any()
    assert not paths.rhythm.thin.any()


def test_a_tenth_that_trickles_through_ends_no_silence() -> None:
    """The short form of the shutdowns above: told within minutes from its beginning, and it stays."""
    world, random = three_countries(), np.random.default_rng(11)
    world.run(range(90, 105), lambda _, place: place >= 8 or random.random() < 0.1)
    silence = world.bank.series.silence
    assert silence.dark.tolist() == [True] * 4 + [False] * 8
    assert (silence.onset[:4] - START).max() // 60 - 90 <= 2
    world.run(range(105, 112), always)
    assert not silence.dark.any()


def test_a_rhythm_ten_times_slower_is_learned_within_the_hour() -> None:
    """The short form of the slower fleets below."""
    world = three_countries()
    readings = world.run(range(90, 145), lambda minute, place: place >= 8 or (minute + place) % 10 == 0)
    rhythm = world.bank.series.paths.rhythm
    assert rhythm.gap[:8].min() > 5
    assert rhythm.gap[8:].max() < 2
    assert not any(dark(country) for country in readings[-1].values())


@pytest.mark.world
@pytest.mark.parametrize(
    ("every", "seed", "within"),
    [
        (1, 21, 40),
        (2, 23, 40),
        (3, 24, 55),
    ],
)
def test_two_in_five_of_what_is_promised_are_a_loss_that_is_told(every: int, seed: int, within: int) -> None:
    world, sends = trickle(0.4, every, seed)
    world.run(range(240), sends)
    told = [dark(reading["PK"]) for reading in world.run(range(240, 330), sends)]
    assert min(told[within:]) >= 3
    silence = world.bank.series.silence
    onsets = (silence.onset[:4][silence.dark[:4]] - START) // 60 - 240
    assert onsets.min() >= -5 * every
    assert np.median(onsets) <= 12  # one that had fallen silent by chance before keeps its own
    world.run(range(330, 340 + 5 * every), sends)
    assert not silence.dark.any()


def test_who_is_asked_less_misses_no_window() -> None:
    """Of four platforms three are asked no more in one country: each vantage is heard as often as before."""
    keys = [
        key(country, n, v)._replace(platform=platform)
        for country in ("PK", "IR")
        for n in range(4)
        for v in range(2)
        for platform in ("x", "a", "b", "c")
    ]
    world = World(keys, promises=60)
    world.run(range(60), always)
    readings = world.run(range(60, 80), lambda _, place: place >= 32 or place % 4 == 0)
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0


@pytest.mark.world
def test_what_trickles_through_shutdowns_shows_when_the_path_to_us_is_away() -> None:
    """Two countries are nearly silent; then nothing comes from anywhere for a while: the third is not silent for it."""
    world, sends = trickle(0.3, 1, 5, silent=(0, 16))
    world.run(range(280), sends)
    assert world.bank.series.silence.dark.tolist() == [True] * 8 + [False] * 4
    world.run(range(280, 288), lambda minute, place: False)
    assert not world.bank.series.silence.dark[8:].any()


def three_countries() -> World:
    """Eight vantages a country on four networks, warm for an hour and a half; those of PK come first."""
    return warmed(
        [key(country, n, v) for country in ("PK", "IR", "BR") for n in range(4) for v in range(2)], 90
    )


@pytest.mark.parametrize("windows", [2, 3])
def test_a_stumble_of_a_few_minutes_is_no_shutdown(windows: int) -> None:
    readings = three_countries().run(
        range(90, 110), lambda minute, place: place >= 8 or minute >= 90 + windows
    )
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0


@pytest.mark.parametrize(("heard", "windows"), [(2, 4), (1, 3)])
def test_the_minute_in_which_a_country_fell_silent_counts_by_what_was_missing_of_it(
    heard: int, windows: int
) -> None:
    """Of each network's two vantages so many are heard in minute 90, and none after it."""
    readings = three_countries().run(
        range(90, 100), lambda minute, place: place >= 8 or (minute == 90 and place % 2 < heard)
    )
    assert [dark(reading["PK"]) for reading in readings[: windows + 2]] == [0] * windows + [4, 4]


@pytest.mark.parametrize("whole", [1, 2])
def test_a_stumble_that_begins_and_ends_within_a_minute_is_no_shutdown(whole: int) -> None:
    """Half of the vantages are heard in the minutes around it."""
    around = {90, 91 + whole}
    readings = three_countries().run(
        range(90, 110),
        lambda minute, place: place >= 8 or minute > 91 + whole or (minute in around and place % 2 == 0),
    )
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0


def rounds(
    every: float, minutes: range, random: np.random.Generator, *, together: bool = False, jitter: float = 0.1
) -> set[int]:
    """The minutes of a monitor's rounds, each some way off its moment as a prober's are."""
    first = 0.0 if together else random.uniform(0.0, every)
    moments = np.arange(minutes.start + first, minutes.stop, every)
    moments = moments + every * random.uniform(-jitter, jitter, len(moments))
    return set(np.clip(moments, minutes.start, minutes.stop - 1).astype(int).tolist())


def slower(
    every: float,
    *,
    targets: int = 1,
    together: bool = False,
    usual: float = 1.0,
    networks: int = 4,
    seed: int = 5,
) -> tuple[World, Any]:
    """Vantages of three countries; those of the first `networks` of PK report more slowly from minute 240 on."""
    keys = [
        key(country, n, v)._replace(platform=f"p{target}")
        for country in ("PK", "IR", "BR")
        for n in range(4)
        for v in range(2)
        for target in range(targets)
    ]
    random, changed = np.random.default_rng(seed), networks * 2 * targets
    sends = [
        rounds(usual, range(240), random)
        | rounds(
            every if place < changed else usual,
            range(240, 900),
            random,
            together=together and place < changed,
        )
        for place in range(len(keys))
    ]
    return World(keys, promises=60.0 * usual), lambda minute, place: minute in sends[place]


@pytest.mark.world
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("every", "targets"), [(3, 1), (4, 1), (5, 1), (4, 3), (10, 3)])
def test_a_fleet_that_reports_more_slowly_is_not_silent(every: int, targets: int, seed: int) -> None:
    world, sends = slower(every, targets=targets, seed=seed)
    readings = world.run(range(420), sends)
    # One network of four by chance, for a moment, is no loss of a country's.
    assert all(dark(country) <= 2 for reading in readings for country in reading.values())
    assert sum(dark(country) for reading in readings[260:] for country in reading.values()) == 0


@pytest.mark.world
@pytest.mark.parametrize(
    ("every", "targets", "together", "usual"),
    [
        (8, 1, False, 1),
        (10, 1, True, 1),
        (15, 4, True, 1),
        (30, 1, False, 1),
        (30, 1, True, 3),
        (60, 1, False, 1),
    ],
)
def test_a_much_slower_rhythm_is_learned_and_its_silence_ends(
    every: int, targets: int, together: bool, usual: int
) -> None:
    world, sends = slower(every, targets=targets, together=together, usual=usual)
    world.run(range(240 + 4 * every), sends)
    readings = world.run(range(240 + 4 * every, 740), sends)
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.world), 3])
def test_the_one_gap_of_a_shutdown_is_no_slower_rhythm(seed: int) -> None:
    """Half of the networks are cut for an hour. What each of their monitors waited for is the same gap, seen by all."""
    keys = [
        key(country, n, v)._replace(platform=f"p{target}")
        for country in ("PK", "IR")
        for n in range(6)
        for v in range(2)
        for target in range(5)
    ]
    draw = np.random.default_rng(seed)
    phase, late = draw.integers(3, size=len(keys)), draw.integers(-1, 2, size=(len(keys), 900)) > 0

    def sends(minute: int, place: int) -> bool:
        turn, rest = divmod(minute - int(phase[place]), 3)
        return not (place < 30 and 240 <= minute < 300) and rest == int(late[place, turn])

    world = World(keys)
    slowed = 0
    for minute in range(315):
        world.run(range(minute, minute + 1), sends)
        slowed += len(world.bank.series.paths.thinning.slowed[0])
    assert slowed == 0


@pytest.mark.world
@pytest.mark.parametrize("every", [5, 10, 20])
def test_a_fleet_that_says_that_it_reports_more_slowly_is_never_silent(every: int) -> None:
    """All of a country go to the new rhythm in one minute, and say so in each result: nothing that is due is absent."""
    keys = [key(country, n, v) for country in ("PK", "IR", "BR") for n in range(4) for v in range(2)]

    def sends(minute: int, place: int) -> bool:
        return place >= 8 or minute < 240 or (minute - 240) % every == 0

    def promises(minute: int, place: int) -> float:
        return 60.0 * every if place < 8 and minute >= 240 else 60.0

    world = World(keys, promises=promises)
    readings = world.run(range(240 + 6 * every + 1), sends)
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0
    end = 240 + 6 * every + 1
    readings = world.run(
        range(end, end + 10 * every), lambda minute, place: place >= 8 and sends(minute, place)
    )
    assert dark(readings[-1]["PK"]) == 4


def test_a_word_on_a_rarer_rhythm_holds_at_once() -> None:
    world = warmed([key(country, n) for country in ("PK", "IR") for n in range(4)], 60)
    rhythm = world.bank.series.paths.rhythm
    rhythm.promised[:] = 60.0
    rhythm.take_word(0, 600.0)
    rows, interval = rhythm.take_promises(START + 60 * 60, 60)
    assert (rows.tolist(), interval.tolist()) == ([0], [10.0])
    assert (rhythm.promised[0], rhythm.gap[0], rhythm.gap[1]) == (600.0, 10.0, 1.0)


@pytest.mark.world
def test_what_is_asked_seldom_beside_what_is_asked_often_is_no_new_rhythm() -> None:
    keys = [
        key(country, n)._replace(platform=platform)
        for country in ("PK", "IR")
        for n in range(4)
        for platform in ("often", "seldom")
    ]
    every = (5, 60)
    # What is asked seldom has minutes of its own.
    world = World(keys, promises=lambda _, place: 60.0 * every[place % 2])
    world.run(range(600), lambda minute, place: (minute - 2 * (place % 2)) % every[place % 2] == 0)
    rhythm = world.bank.series.paths.rhythm
    assert set(rhythm.promised.tolist()) == {300.0}
    assert rhythm.gap.max() <= 5.0


def often_and_seldom(every: tuple[int, int]) -> tuple[World, Callable[[int, int], bool]]:
    """Vantages of two countries that ask one thing often and another seldom, and promise both."""
    keys = [
        key(country, n)._replace(platform=platform)
        for country in ("PK", "IR")
        for n in range(4)
        for platform in ("often", "seldom")
    ]
    world = World(keys, promises=lambda _, place: 60.0 * every[place % 2])
    return world, lambda minute, place: (minute + place % 2) % every[place % 2] == 0


@pytest.mark.parametrize("last", ["often", "seldom"])
def test_a_silence_is_told_as_soon_whatever_was_asked_last(last: str) -> None:
    """What is due next of what is asked seldom is late; of the rest everything is."""
    world, sends = often_and_seldom((2, 5))
    world.run(range(124), sends)
    # In minute 124 both report, in 128 what is asked often, and in 129 what is asked seldom, alone.
    cut = 129 if last == "often" else 130
    readings = world.run(
        range(124, cut + 10), lambda minute, place: place >= 8 or (minute < cut and sends(minute, place))
    )
    assert dark(readings[cut + 7 - 124]["PK"]) == 4
    assert set(world.bank.series.paths.rhythm.promised.tolist()) == {120.0}


def test_what_is_asked_seldom_is_the_rhythm_once_nothing_else_is_asked() -> None:
    world, sends = often_and_seldom((2, 5))
    world.run(range(124), sends)

    def seldom(minute: int, place: int) -> bool:
        return (place >= 8 or place % 2 == 1) and sends(minute, place)

    world.run(range(124, 180), seldom)
    rhythm = world.bank.series.paths.rhythm
    assert rhythm.promised.tolist() == [300.0] * 4 + [120.0] * 4
    # By then it is no silence, though the first five minutes looked like one.
    readings = world.run(range(180, 220), seldom)
    assert sum(dark(reading["PK"]) for reading in readings) == 0


def test_a_network_that_pauses_long_after_others_were_cut_is_not_cut_with_them() -> None:
    """Two of four are silent for good. A third is heard in half of the minutes, and once not for nine."""
    world = World([key(country, n) for country in ("PK", "IR") for n in range(4)])
    often = np.random.default_rng(3).random((500, 2)) < 0.5

    def sends(minute: int, place: int) -> bool:
        if place in (2, 3):
            pauses = place == 3 and 440 <= minute < 449
            return not pauses and (bool(often[minute, place - 2]) or minute in (439, 449))
        return place >= 4 or minute < 380

    readings = world.run(range(460), sends)
    assert [volume.opinion is Opinion.BAD for _, volume in sorted(readings[-1]["PK"].volumes.items())] == [
        True,
        True,
        False,
        False,
    ]
    assert max(dark(reading["PK"]) for reading in readings[430:]) == 2


def test_half_of_a_countrys_busy_networks_fall_silent_though_nobody_has_a_rhythm() -> None:
    """As in the mornings of exams. What is silent for a quarter of an hour, and misses much, is dark by itself."""
    keys = [key(country, n, v) for country in ("SY", "IR") for n in range(6) for v in range(3)]
    world = World(keys)
    random = np.random.default_rng(12).random((1740, len(keys))) < 0.45

    def sends(minute: int, place: int) -> bool:
        off = place < 9 and (1600 <= minute < 1610 or minute >= 1700)
        return bool(random[minute, place]) and not off

    readings = world.run(range(1740), sends)
    assert not world.bank.series.paths.steady.any()
    assert max(dark(reading["SY"]) for reading in readings[1440:1700]) == 0
    assert dark(readings[1712]["SY"]) == 0
    assert [volume.opinion is Opinion.BAD for _, volume in sorted(readings[1730]["SY"].volumes.items())] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert readings[1730]["SY"].silence_doubt == "crowd"


@pytest.mark.world
def test_a_silence_after_a_slower_rhythm_is_told() -> None:
    world, sends = slower(10)
    world.run(range(600), sends)
    readings = world.run(range(600, 680), lambda minute, place: place >= 8 and sends(minute, place))
    assert [dark(readings[-1][country]) for country in ("PK", "IR", "BR")] == [4, 0, 0]


@pytest.mark.world
def test_one_provider_that_reports_more_slowly_ends_too() -> None:
    world, sends = slower(12, together=True, networks=1)
    world.run(range(340), sends)
    readings = world.run(range(340, 700), sends)
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0


@pytest.mark.world
@pytest.mark.parametrize("away", [3, 4])
def test_vantages_switched_off_are_no_trickle(away: int) -> None:
    """Most are switched off for good, on every network; the others go on as ever."""
    keys = [key(country, n, v) for country in ("PK", "IR") for n in range(4) for v in range(6)]
    world = World(keys, promises=60.0)
    world.run(range(240), always)
    readings = world.run(range(240, 400), lambda _, place: place >= 24 or place % 6 >= away)
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0


@pytest.mark.world
def test_a_staggered_deploy_of_a_slower_rhythm_is_not_silent() -> None:
    """Each vantage is away for two minutes, one after another, and then reports every fourth."""
    keys = [key(country, n, v) for country in ("PK", "IR") for n in range(4) for v in range(2)]
    world = World(keys, promises=60.0)

    def sends(minute: int, place: int) -> bool:
        begins = 240 + place
        return place >= 8 or minute < begins or (minute >= begins + 2 and (minute - begins - 2) % 4 == 0)

    readings = world.run(range(500), sends)
    assert sum(dark(country) for reading in readings for country in reading.values()) == 0
