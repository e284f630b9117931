"""The bank: whole worlds of a few vantages, told in lines, and what must hold of any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from math import inf
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.columns.bank import Bank
from detectors.columns.silence import SilenceColumns
from detectors.columns.table import NEVER
from detectors.readings import CountryReading, Counts, MonitorKey, Opinion
from detectors.settings import DetectionSettings, IncidentSettings, TimeSettings
from detectors.single.binomial import Rules
from tests.effort import examples

START = 1_704_067_200  # a Monday, midnight
MECHANISMS = ("ok", "tls.connection_reset", "http.generic_timeout_error")
PAKISTAN = ("PK", True)


def monitors(networks: int = 4, vantages: int = 1, platforms: Sequence[str] = ("x",)) -> list[MonitorKey]:
    return [
        MonitorKey(platform, "PK", f"PK-{'PB' if asn % 2 else 'SD'}", asn, f"v{asn}-{vantage}", True)
        for platform in platforms
        for asn in range(1, networks + 1)
        for vantage in range(vantages)
    ]


def bank(known: Sequence[MonitorKey], **changes: Any) -> Bank:
    made = Bank(DetectionSettings(**changes), TimeSettings(), MECHANISMS)
    made.add_monitors(known)
    return made


def counts(
    minute: int, monitor: Sequence[int], ok: Sequence[bool], ttfb: Sequence[float] | None = None
) -> Counts:
    good = np.array(ok, dtype=np.bool_)
    return Counts(
        START + 60 * minute,
        START + 60 * minute + 60,
        np.array(monitor, dtype=np.int32),
        good,
        np.where(good, 0, 1).astype(np.int16),
        np.ones(len(good), dtype=np.int8),
        np.array(ttfb if ttfb is not None else [np.nan] * len(good), dtype=np.float32),
        np.full(len(good), np.nan, dtype=np.float32),
    )


Ratio = Callable[[int, MonitorKey], float]


def run(
    made: Bank,
    known: Sequence[MonitorKey],
    minutes: range,
    ratio: Ratio,
    *,
    rate: float = 1.0,
    every: int = 1,
    seed: int = 1,
    ttfb: Callable[[int], float] | None = None,
) -> list[CountryReading]:
    """One reading a minute; each vantage sends `rate` results every `every` minutes."""
    readings = []
    for minute in minutes:
        rng = np.random.default_rng((seed, minute))
        sent = rng.poisson(rate if minute % every == 0 else 0.0, len(known))
        monitor = np.repeat(np.arange(len(known)), sent)
        chance = np.array([ratio(minute, key) for key in known])[monitor]
        times = (
            None
            if ttfb is None
            else (ttfb(minute) * np.exp(0.3 * rng.standard_normal(len(monitor)))).tolist()
        )
        reading = made.close(
            counts(minute, monitor.tolist(), (rng.random(len(monitor)) < chance).tolist(), times), [PAKISTAN]
        )
        readings.append(reading.countries[0])
    return readings


def first_bad(readings: Sequence[CountryReading], at: int) -> int | None:
    """Windows from the `at`-th reading until the country is bad on x, or None."""
    for i, reading in enumerate(readings[at:]):
        if reading.platforms["x"].opinion is Opinion.BAD:
            return i + 1
    return None


def test_a_blackout_after_an_hour_of_history_is_seen_in_minutes() -> None:
    known = monitors()
    readings = run(bank(known), known, range(75), lambda minute, _: 0.96 if minute < 60 else 0.01)
    assert all(reading.platforms["x"].opinion is not Opinion.BAD for reading in readings[:60])
    delay = first_bad(readings, 60)
    assert delay is not None and delay <= 6
    last = readings[-1].platforms["x"]
    assert last.onset is not None and abs(last.onset - (START + 3600)) <= 180
    assert last.reachability < 0.2
    assert last.expected > 0.8
    assert readings[-1].mechanisms["x", 1] == {"tls.connection_reset": readings[-1].networks["x", 1].n}


@pytest.mark.world
def test_bad_minutes_of_one_network_are_not_the_countrys() -> None:
    known = monitors()

    def ratio(minute: int, key: MonitorKey) -> float:
        return 0.0 if 240 <= minute < 243 and key.asn == 1 else 0.97

    def bad(made: Bank) -> int:
        readings = run(made, known, range(260), ratio, rate=15.0)
        return sum(reading.platforms["x"].opinion is Opinion.BAD for reading in readings)

    assert bad(bank(known)) == 0
    assert bad(bank(known, cap_part_nats=99.0)) > 0


@pytest.mark.world
@pytest.mark.parametrize(
    ("ratio", "least", "alarms"), [(0.83, 0.2, False), (0.83, 0.12, True), (0.5, 0.2, True)]
)
def test_a_small_dip_of_one_network_alone_is_no_alarm(ratio: float, least: float, alarms: bool) -> None:
    known = monitors(networks=8)

    def chance(minute: int, key: MonitorKey) -> float:
        return ratio if minute >= 300 and key.asn == 1 else 0.97

    readings = run(bank(known, shortfall_network=least), known, range(360), chance, rate=15.0)
    assert any(reading.networks["x", 1].score >= 1.0 for reading in readings) is alarms


@pytest.mark.world
def test_a_small_loss_on_all_networks_is_the_countrys_before_any_networks() -> None:
    known = monitors()
    readings = run(bank(known), known, range(540), lambda minute, _: 0.98 if minute < 480 else 0.85, rate=3.0)
    delay = first_bad(readings, 480)
    assert delay is not None and delay <= 15
    assert all(score.score < 1.0 for score in readings[479 + delay].networks.values())


@pytest.mark.parametrize(("presence", "hours"), [(1.0, 1.0), (0.5, 1.0), (0.05, 12.0), (0.001, 12.0)])
def test_evidence_is_half_worth_after_an_hour_where_results_are_dense(presence: float, hours: float) -> None:
    rules = Rules.of(DetectionSettings(), TimeSettings())
    fade = rules.fade_of(rules.settings.fade_network_seconds, rules.density(presence))
    assert fade ** (60 * hours) == pytest.approx(0.5)


def test_what_was_always_blocked_is_usual() -> None:
    known = monitors()
    readings = run(bank(known), known, range(110), lambda *_: 0.02)
    by_a_guess = [reading.platforms["x"].opinion is Opinion.BAD for reading in readings]
    assert all("x" in reading.warming for reading, bad in zip(readings, by_a_guess, strict=True) if bad)
    assert not any(by_a_guess[90:])


@pytest.mark.world
def test_what_one_vantage_says_in_a_losing_country_is_as_sure_as_its_evidence() -> None:
    """Held against 12 nats and told as against 8, it could never be sure: a lost network was left out for hours."""
    known = monitors(4)
    made = bank(known)
    run(made, known, range(240), lambda _minute, _key: 0.97)
    readings = run(
        made, known, range(240, 300), lambda minute, key: 0.0 if key.asn < 4 or minute > 270 else 0.97
    )
    last = readings[-1].networks["x", 4]
    first = readings[-1].networks["x", 1]
    assert last.score * last.bar >= IncidentSettings().alone_score
    assert last.score * last.bar == pytest.approx(first.score * first.bar, rel=0.05)


@pytest.mark.world
def test_good_needs_evidence_and_comes_back() -> None:
    known = monitors()
    readings = run(bank(known), known, range(240), lambda minute, _: 0.02 if 120 <= minute < 180 else 0.96)
    said = [reading.platforms["x"].opinion for reading in readings]
    assert said[0] is Opinion.UNSURE
    assert said[110] is Opinion.GOOD
    assert set(said[130:180]) == {Opinion.BAD}
    back = next(i for i in range(180, 240) if said[i] is Opinion.GOOD)
    assert 182 <= back <= 200
    assert Opinion.BAD not in said[back:]


@cache
def four_hours() -> bytes:
    """A bank's snapshot after four good hours."""
    known = monitors()
    made = bank(known)
    run(made, known, range(240), lambda *_: 0.96, rate=3.0)
    return made.snapshot()


@pytest.mark.world
def test_silence_is_no_evidence_of_ratios_but_of_darkness() -> None:
    known = monitors()
    made = bank([])
    made.restore(four_hours())
    readings = run(made, known, range(240, 260), lambda *_: 0.96, rate=0.0)
    dark = [sum(volume.opinion is Opinion.BAD for volume in reading.volumes.values()) for reading in readings]
    assert dark[0] == 0
    assert dark[5] == 4
    assert readings[6].volumes[1].onset == START + 60 * 240
    assert all(reading.platforms["x"].opinion is Opinion.UNSURE for reading in readings[6:])
    assert made.networks_live() == {"PK": 0}
    assert made.gauges() == []


def test_a_lost_vantage_is_one_dark_network() -> None:
    known = monitors()
    made = bank(known)
    run(made, known, range(70), lambda *_: 0.96, rate=3.0)
    others = [key for key in known if key.asn != 2]
    reading = run_subset(made, known, others, range(70, 90))[-1]
    assert [asn for asn, volume in reading.volumes.items() if volume.opinion is Opinion.BAD] == [2]
    assert reading.platforms["x"].opinion is Opinion.GOOD


def run_subset(
    made: Bank, known: Sequence[MonitorKey], some: Sequence[MonitorKey], minutes: range
) -> list[CountryReading]:
    """Only `some` of the vantages send, three results a minute, all good."""
    monitor = [known.index(key) for key in some for _ in range(3)]
    return [
        made.close(counts(minute, monitor, [True] * len(monitor)), [PAKISTAN]).countries[0]
        for minute in minutes
    ]


def test_a_vantage_that_is_well_where_most_are_not_is_counted_apart() -> None:
    known = monitors(vantages=3)
    made = bank(known)
    run(made, known, range(60), lambda *_: 0.97, rate=2.0)
    last = run(
        made,
        known,
        range(60, 85),
        lambda _, key: 0.97 if key.vantage.endswith("-0") else 0.0,
        rate=2.0,
        seed=2,
    )[-1]
    apart = {standing.vantages_apart for (platform, _), standing in last.networks.items() if platform == "x"}
    assert apart == {1}
    quiet = run(made, known, range(85, 120), lambda *_: 0.97, rate=2.0, seed=3)[-1]
    assert {standing.vantages_apart for standing in quiet.networks.values()} == {0}


@pytest.mark.world
def test_a_series_that_reports_each_hour_is_not_dark_after_minutes() -> None:
    known = monitors()
    readings = run(bank(known), known, range(60 * 7), lambda *_: 0.96, rate=4.0, every=60)
    assert all(
        volume.opinion is not Opinion.BAD for reading in readings for volume in reading.volumes.values()
    )


@pytest.mark.world
@pytest.mark.parametrize(("broken", "most"), [(1, False), (3, True)])
def test_what_a_few_vantages_of_each_network_lose_is_no_loss_of_the_nation(broken: int, most: bool) -> None:
    """One resolver of three was told as nation-scale, and as restored once those with it were known for strangers."""
    known = monitors(8, vantages=3)
    made = bank(known)
    run(made, known, range(240), lambda _minute, _key: 0.97, rate=0.25)
    readings = run(
        made,
        known,
        range(240, 290),
        lambda _minute, key: 0.0 if int(key.vantage[-1]) < broken else 0.97,
        rate=0.25,
    )
    stirring = max(sum(one.score > 0.3 for one in reading.networks.values()) for reading in readings)
    assert (2 * stirring > 8) == most


@pytest.mark.world
def test_one_lying_vantage_of_three_carries_nothing() -> None:
    known = monitors(vantages=3)

    def lies(minute: int, key: MonitorKey) -> float:
        return 0.0 if key.vantage.endswith("-0") and minute >= 120 else 0.97

    readings = run(bank(known), known, range(300), lies)
    for reading in readings:
        assert reading.platforms["x"].opinion is not Opinion.BAD
        assert all(standing.opinion is not Opinion.BAD for standing in reading.networks.values())


@pytest.mark.world
def test_one_lying_vantage_of_three_hides_nothing_and_holds_nothing_open() -> None:
    known = monitors(vantages=3)

    def blocked(minute: int, key: MonitorKey) -> float:
        if key.vantage.endswith("-0") and minute >= 110:
            return 1.0 if 120 <= minute < 200 else 0.0  # the other way round
        return 0.02 if 120 <= minute < 200 else 0.97

    readings = run(bank(known), known, range(260), blocked)
    delay = first_bad(readings, 120)
    assert delay is not None and delay <= 10
    assert readings[-1].platforms["x"].opinion is Opinion.GOOD
    assert readings[150].networks["x", 1].vantages == 3
    assert readings[150].networks["x", 1].vantages_bad == 2


def test_the_last_windows_are_told_until_the_next() -> None:
    made = bank(monitors(networks=2))
    for minute in range(20):
        reading = made.close(counts(minute, [0, 0, 1], [True, minute < 18, True]), [PAKISTAN]).countries[0]
        if minute < 19:
            late = reading
    assert list(reading.past) == [("x", 1), ("x", 2)]
    assert reading.past["x", 1][-4:, :2].tolist() == [[2, 2], [2, 2], [1, 2], [1, 2]]
    with pytest.raises(RuntimeError, match="when the next one has been taken in"):
        late.past.get(("x", 1))


@cache
def sparse(results: str) -> list[list[CountryReading]]:
    """One result every half hour after two days of nine good ones to each bad; two vantages in turn. `.` or `x`.

    The readings that follow each of `results`.
    """
    known = monitors(networks=1, vantages=2)
    made = Bank(DetectionSettings(), TimeSettings(window_seconds=300), MECHANISMS)
    made.add_monitors(known)
    story = ("." * 9 + "x") * 8 + results
    readings = []
    for i, result in enumerate(story):
        for part in range(6):
            monitor, ok = ([i % 2], [result == "."]) if part == 0 else ([], [])
            window = counts(5 * (6 * i + part), monitor, ok)
            window.end = window.start + 300
            readings.append(made.close(window, [PAKISTAN]).countries[0])
    last = readings[-6 * len(results) :]
    return [last[at : at + 6] for at in range(0, len(last), 6)]


@pytest.mark.world
def test_four_blocked_results_in_a_row_of_two_vantages_alarm() -> None:
    assert first_bad(list(chain.from_iterable(sparse("....xxxx"))), 0) is not None


@pytest.mark.world
def test_an_hour_with_one_result_is_no_opinion() -> None:
    for reading in chain.from_iterable(sparse("....xxxx")[:5]):
        assert reading.platforms["x"].opinion is not Opinion.BAD


@pytest.mark.world
def test_a_path_four_times_slower_is_slow() -> None:
    known = monitors()
    readings = run(
        bank(known), known, range(180), lambda *_: 0.97, ttfb=lambda minute: 400.0 if minute >= 150 else 100.0
    )
    assert all(
        slow.opinion is not Opinion.BAD for reading in readings[:150] for slow in reading.slowness.values()
    )
    slow = readings[-1].slowness["x", 1]
    assert slow.opinion is Opinion.BAD
    assert slow.measure == "ttfb_ms" and slow.usual == pytest.approx(100, rel=0.3) and slow.now > 200


@pytest.mark.parametrize(("alarm", "cells"), [(14.0, 4), (inf, 0)])
def test_where_speeds_are_not_judged_nothing_is_said_of_them(alarm: float, cells: int) -> None:
    known = monitors()
    made = bank(known, alarm_slowness=alarm)
    readings = run(made, known, range(6), lambda *_: 0.97, ttfb=lambda minute: 100.0 if minute < 4 else 400.0)
    assert len(readings[-1].slowness) == cells


def test_what_is_left_of_slowness_is_gone_with_its_incident() -> None:
    known = monitors(networks=1)
    made = bank(known)
    run(
        made,
        known,
        range(110),
        lambda *_: 1.0,
        rate=3.0,
        ttfb=lambda minute: 400.0 if minute >= 80 else 100.0,
    )
    holding = {PAKISTAN: frozenset({("x", 1, "")})}

    def close(minute: int, *, held: bool) -> Opinion:
        window = counts(minute, [0, 0], [True, True], [100.0, 100.0])
        country = made.close(window, [PAKISTAN], holding if held else {}).countries[0]
        return country.slowness["x", 1].opinion

    assert close(110, held=True) is Opinion.BAD
    assert made.series.ttfb.open[0] and made.series.ttfb.statistic[0] > 14.0
    assert close(111, held=False) is not Opinion.BAD
    assert not made.series.ttfb.open[0] and made.series.ttfb.statistic[0] < 1.0
    made.series.ttfb.clear(np.array([0]))
    assert made.series.ttfb.onset[0] == NEVER


def test_simulated_and_real_never_share_a_series() -> None:
    known = monitors()
    real = [key._replace(simulated=False) for key in known]
    both = bank([*known, *real])
    for minute in range(85):
        blocked = minute >= 70
        monitor = list(range(8)) * 2
        reading = both.close(
            counts(minute, monitor, [p >= 4 or not blocked for p in monitor]), [PAKISTAN, ("PK", False)]
        )
    said = {country.simulated: country.platforms["x"].opinion for country in reading.countries}
    assert said == {True: Opinion.BAD, False: Opinion.GOOD}
    assert both.take_probes()["x", "PK", "tls.connection_reset", True] == 15 * 8
    assert both.take_probes() == {}


@examples(4)
@given(st.data())
def test_rows_in_any_order_and_vantages_told_of_in_any_order(data: st.DataObject) -> None:
    known = monitors(networks=3, vantages=3, platforms=("x", "youtube"))
    shuffled = data.draw(st.permutations(known))
    one, other = bank(known), bank(shuffled)
    place = [shuffled.index(key) for key in known]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    for minute in range(60):
        monitor = rng.integers(0, len(known), rng.poisson(20))
        ok = rng.random(len(monitor)) < (0.9 if minute < 50 else 0.2)
        order = rng.permutation(len(monitor))
        first = one.close(counts(minute, monitor.tolist(), ok.tolist()), [PAKISTAN]).countries
        second = other.close(
            counts(minute, [place[monitor[i]] for i in order], ok[order].tolist()), [PAKISTAN]
        ).countries
        assert first == second


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param(
            {
                "latency_detector": "river.drift.ADWIN",
                "volume_detector": "river.anomaly.GaussianScorer",
                "volume_parameters": {"window_size": 100, "threshold": 5.0},
            },
            marks=pytest.mark.world,
        ),
    ],
    ids=["ours", "rivers"],
)
def test_a_snapshot_anywhere_changes_nothing(changes: dict[str, Any]) -> None:
    known = monitors(vantages=3)
    straight, broken = bank(known[:9], **changes), bank(known[:9], **changes)
    for minute in range(90):
        if minute == 40:
            straight.add_monitors(known[9:])
            broken.add_monitors(known[9:])
        if minute % 17 == 0:
            restored = Bank(broken.detection, broken.time, MECHANISMS)
            restored.restore(broken.snapshot())
            assert restored.snapshot() == broken.snapshot()
            broken = restored
        rng = np.random.default_rng(minute)
        monitor = rng.integers(
            0, 9 if minute < 40 else 12, rng.poisson(12 if not 66 <= minute < 78 else 0)
        ).tolist()
        ok = (rng.random(len(monitor)) < (0.95 if minute < 50 else 0.1)).tolist()
        window = counts(
            minute, monitor, ok, (80 + 40 * rng.random(len(monitor)) + 400 * (minute > 56)).tolist()
        )
        first, second = straight.close(window, []), broken.close(window, [])
        assert first.countries == second.countries
        assert straight.gauges() == broken.gauges()
    assert straight.snapshot() == broken.snapshot()


def damaged(data: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "another version": msgspec.msgpack.encode({**msgspec.msgpack.decode(data), "version": 99}),
        "noise": bytes(range(256)),
    }


@pytest.mark.parametrize("how", ["empty", "cut", "another version", "noise"])
def test_a_damaged_snapshot_is_refused(how: str) -> None:
    known = monitors()
    made = bank(known)
    run(made, known, range(5), lambda *_: 0.9)
    with pytest.raises(ValueError, match="snapshot"):
        bank([]).restore(damaged(made.snapshot())[how])


def test_a_network_on_a_platform_costs_little() -> None:
    made = bank(monitors(networks=200, vantages=2, platforms=("a", "b", "c", "d", "e")))
    held = sum(
        column.nbytes for table in made.series.tables().values() for column in vars(table)["_room"].values()
    )
    # The frozen level of an open incident, the usual of each monitor, what each had of late and the contrast with its
    # control are in it; 1,250 in 0.1.0, which had none of them.
    assert held / 1000 <= 1529  # bytes


def test_a_detector_that_does_not_work_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"river\.drift\.ADWIN"):
        bank([], latency_detector="river.linear_model.LinearRegression")


def test_a_bank_without_series_has_nothing_to_say() -> None:
    made = bank([])
    reading = made.close(counts(0, [], []), [PAKISTAN])
    assert reading.countries == []
    assert len(reading.health.n) == 0
    assert made.networks_live() == {}
    assert list(made.pulses()) == []


FEW = TimeSettings(window_seconds=600)


def few(made: Bank, results: Sequence[tuple[int, int, bool]], until: int) -> list[CountryReading]:
    """Readings by windows of ten minutes; a result is (minute, post, whether it succeeded)."""
    readings = []
    for minute in range(0, until, 10):
        here = [result for result in results if minute <= result[0] < minute + 10]
        one = counts(minute, [monitor for _, monitor, _ in here], [ok for _, _, ok in here])
        one = replace(one, end=one.start + 600)
        readings.append(made.close(one, [PAKISTAN]).countries[0])
    return readings


@pytest.mark.world
@pytest.mark.parametrize("reporters", [(0, 2, 2, 0), (1, 0, 1, 3)])
def test_four_failures_in_a_row_from_two_reporters_are_told_where_nearly_all_succeed(
    reporters: Sequence[int],
) -> None:
    """On whatever network: what one of them can't know by itself, its country lends it."""
    known = [MonitorKey("x", "PK", "", asn, f"v{i}", True) for i, asn in enumerate((1, 1, 2, 3))]
    made = Bank(DetectionSettings(), FEW, MECHANISMS)
    made.add_monitors(known)
    days = 4 * 1440
    past = [(minute, minute // 80 % 2, True) for minute in range(0, days, 80)]
    past += [(minute + 20, 2, True) for minute in range(0, days, 600)]
    past += [(minute + 40, 3, True) for minute in range(0, days, 900)]
    blocked = [(days + 40 * i, monitor, False) for i, monitor in enumerate(reporters)]
    readings = few(made, [*past, *blocked], days + 130)
    assert all(reading.platforms["x"].opinion is not Opinion.BAD for reading in readings[: days // 10])
    assert readings[-1].platforms["x"].opinion is Opinion.BAD


@pytest.mark.world
def test_one_reporter_of_few_results_is_not_believed_alone() -> None:
    known = [MonitorKey("x", "PK", "", asn, f"v{i}", True) for i, asn in enumerate((1, 1, 2))]
    made = Bank(DetectionSettings(), FEW, MECHANISMS)
    made.add_monitors(known)
    days = 2 * 1440
    past = [(minute, minute // 40 % 3, True) for minute in range(0, days, 40)]
    readings = few(made, [*past, *((days + 40 * i, 0, False) for i in range(3))], days + 90)
    assert readings[-1].platforms["x"].opinion is not Opinion.BAD


@pytest.mark.world
def test_what_is_back_after_a_silence_of_few_results_can_be_lost_at_once() -> None:
    """A shutdown and a block after it: one result says that a network is back where a few an hour are usual."""
    known = [MonitorKey("x", "PK", "", asn, f"v{asn}", True) for asn in (1, 2, 3)]
    made = Bank(DetectionSettings(), FEW, MECHANISMS)
    made.add_monitors(known)
    days = 4 * 1440
    past = [(minute, minute // 30 % 3, True) for minute in range(0, days, 30)]
    again = days + 14 * 60
    readings = few(made, [*past, *((again + 30 * i, i % 3, False) for i in range(4))], again + 100)
    dark = [reading for reading in readings[days // 10 : again // 10] if any(_dark(reading))]
    assert len(dark) > 20
    assert all(all(_dark(reading)) for reading in dark)
    assert readings[-1].platforms["x"].opinion is Opinion.BAD


def _dark(reading: CountryReading) -> list[bool]:
    return [volume.opinion is Opinion.BAD for volume in reading.volumes.values()]


@pytest.mark.world
@pytest.mark.parametrize("an_hour", [1.5, 3.0])
def test_quiet_nights_of_few_results_are_no_silence_and_a_silence_by_day_is(an_hour: float) -> None:
    """Twenty countries of three networks, that send hardly anything by night; all fall silent on the twelfth day."""
    random = np.random.default_rng(7)
    rules, countries, end = Rules.of(DetectionSettings(), FEW), 20, 12 * 144 + 48
    country = np.repeat(np.arange(countries), 3)
    share = np.tile([0.5, 0.3, 0.2], countries)
    networks, whole = SilenceColumns(rules), SilenceColumns(rules)
    networks.grow(len(country))
    whole.grow(countries)
    told, false = np.full(countries, -1), 0
    for i in range(end + 144):
        night = i % 144 < 36
        rate = an_hour / 6 * share * (0.05 if night else 1.3)
        n = random.poisson(rate if i < end else 0.0 * rate).astype(float)
        networks.step(START + 600 * i, n, country, countries, whole)
        dark = np.bincount(country[networks.dark], minlength=countries) >= 2
        if i >= end:
            told[dark & (told < 0)] = i - end
        elif i > 5 * 144:
            false += int(dark.any())
    assert false == 0
    assert (told >= 0).all()
    assert np.median(told) / 6 <= 13.0 / an_hour


@pytest.mark.parametrize(
    ("a_day", "windows", "loud"),
    [
        (87.0, 137, False),
        (87.0, 173, False),
        (87.0, 176, True),
        (30.0, 460, False),
        (30.0, 480, True),
        (1400.0, 8, False),
        (1400.0, 9, True),
    ],
)
def test_a_crowd_is_silent_that_is_so_for_longer_than_a_months_gaps(
    a_day: float, windows: int, loud: bool
) -> None:
    """Of 87 windows with results a day there are 2,610 gaps a month; of these 0.05 are longer than 174 windows."""
    whole = SilenceColumns(Rules.of(DetectionSettings(), TimeSettings()))
    whole.grow(1)
    whole.first[:], whole.lately[:], whole.quiet[:] = START - 40 * 86_400, a_day, windows
    whole.score = np.array([1.2])
    assert bool(whole._missed(START, whole)[0] >= 1.0) == loud


@pytest.mark.world
def test_a_row_a_day_that_fails_to_come_is_no_silence() -> None:
    """Others send one an hour, and are missed as ever."""
    networks = SilenceColumns(Rules.of(DetectionSettings(), FEW))
    networks.grow(2)
    missed = np.zeros(2, dtype=np.bool_)
    for i in range(24 * 144):
        comes = np.array([i % 144 == 72, i % 6 == 0]) & (i < 21 * 144)
        networks.step(START + 600 * i, comes.astype(float), np.array([0, 1]), 2)
        missed |= networks.score >= 1.0
    assert missed.tolist() == [False, True]


@cache
def _chosen() -> bytes:
    """What a bank keeps whose latency detector was chosen."""
    known = monitors()
    made = bank(known, latency_detector="river.drift.ADWIN")
    run(made, known, range(40), lambda *_: 0.9, ttfb=lambda _: 80.0)
    return made.snapshot()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"latency_detector": "river.drift.PageHinkley"},
        {"latency_detector": "river.drift.ADWIN", "latency_parameters": {"delta": 0.01}},
    ],
    ids=["none", "another", "other parameters"],
)
def test_another_chosen_detector_begins_anew(changes: dict[str, Any]) -> None:
    known = monitors()
    made = bank([], latency_detector="river.drift.ADWIN")
    made.restore(_chosen())
    same = bank([], latency_detector="river.drift.ADWIN")
    same.restore(made.snapshot())
    assert same.snapshot() == made.snapshot()
    other = bank([], **changes)
    other.restore(made.snapshot())
    run(other, known, range(40, 45), lambda *_: 0.9, ttfb=lambda _: 80.0)
    assert not any("chosen" in column for column in [*other.series.ttfb.store()]) or changes


def test_a_reading_says_how_each_vantage_of_a_network_does_on_each_platform() -> None:
    known = monitors(networks=2, vantages=2, platforms=("x", "y"))
    made = bank(known)
    readings = run(
        made, known, range(75), lambda minute, key: 0.05 if minute >= 60 and key.vantage == "v1-0" else 0.97
    )
    seats = readings[-1].seats
    assert sorted(seats) == [1, 2]
    assert sorted(seat.platform for seat in seats[1]) == ["x", "x", "y", "y"]
    by_vantage = {
        seat.vantage: [s.excess for s in seats[1] if s.vantage == seat.vantage] for seat in seats[1]
    }
    bad, well = sorted(by_vantage.values())
    assert len(by_vantage) == 2 and max(bad) < -0.4 and min(well) > -0.2
    assert all(seat.last > START for seat in seats[1])
    late = run(made, known, range(75, 77), lambda *_: 0.97)[0]
    with pytest.raises(RuntimeError, match="vantages of a window"):
        late.seats[1]
