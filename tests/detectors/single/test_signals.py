"""What other sources say of a loss, told in lines: each sign is a reading of 100 (`.`), 20 (`v`), 85 (`-`) or none."""

from __future__ import annotations

import random

import msgspec
import pytest

from detectors.readings import Says
from detectors.single.signals import READINGS_MAX, SERIES_MAX, Key, SignalBook, SignalSeries

STEP = 300
KEY: Key = ("PK", False, "ioda", "ping-slash24", "", -1)
VALUES = {".": 100.0, "v": 20.0, "-": 85.0}
CALM = "." * 20


def book(line: str, key: Key = KEY, step: int = STEP) -> SignalBook:
    made = SignalBook()
    dice = random.Random(1)
    for place, sign in enumerate(line):
        if sign in VALUES:
            made.learn(key, place * step, VALUES[sign] + dice.uniform(-1, 1), url="https://example.org/")
    return made


@pytest.mark.parametrize(
    ("since", "minutes", "expected"),
    [
        ("vvvv", 20, "agrees"),
        (".vvv", 20, "agrees"),
        ("vv..", 20, "agrees"),  # what came back does not take it back
        ("v...", 20, "None"),  # one reading is noise, and yet not as usual
        ("....", 20, "disagrees"),
        ("----", 20, "agrees"),
        ("", 5, "late"),
        ("", 60, "silent"),
        (".   ", 60, "silent"),
    ],
)
def test_a_series(since: str, minutes: int, expected: str) -> None:
    onset = len(CALM) * STEP
    witnesses = book(CALM + since).ask("PK", False, onset, onset + minutes * 60, ())
    said = {witness.says.value for witness in witnesses} or {"None"}
    if expected == "None":
        assert said <= {"late", "silent"}
    else:
        assert said == {expected}


def test_what_is_seldom_needs_one_reading() -> None:
    onset = len(CALM) * 86_400
    [witness] = book(CALM + "v", step=86_400).ask("PK", False, onset, onset + 86_400, ())
    assert witness.says is Says.AGREES
    assert witness.time == onset
    assert witness.usual == pytest.approx(100, abs=1)


def test_too_short_a_history_says_nothing() -> None:
    assert book("." * 8 + "vvvv").ask("PK", False, 8 * STEP, 12 * STEP, ()) == ()


def test_a_sources_own_alert_agrees_and_its_absence_says_nothing() -> None:
    made = SignalBook()
    made.learn(("PK", False, "cloudflare_radar", "outage", "", -1), 9_000, 1.0)
    [witness] = made.ask("PK", False, 10_000, 12_000, ())
    assert (witness.source, witness.says, witness.time) == ("cloudflare_radar", Says.AGREES, 9_000)
    assert made.ask("PK", False, 50_000, 60_000, ()) == ()
    assert made.ask("IR", False, 10_000, 12_000, ()) == made.ask("PK", True, 10_000, 12_000, ()) == ()


def test_of_a_source_the_surest_series_speaks() -> None:
    made = book(CALM + "....", ("PK", False, "ioda", "bgp", "", -1))
    for place, sign in enumerate(CALM + "vvvv"):
        made.learn(KEY, place * STEP, VALUES[sign])
    [witness] = made.ask("PK", False, len(CALM) * STEP, 24 * STEP, ())
    assert (witness.name, witness.says, witness.value) == ("ping-slash24", Says.AGREES, 20)


def test_networks_speak_for_themselves() -> None:
    made = book(CALM + "....")
    for place, sign in enumerate(CALM + "vvvv"):
        made.learn(("PK", False, "ioda", "bgp", "", 17557), place * STEP, VALUES[sign])
    onset, now = len(CALM) * STEP, 24 * STEP
    assert [one.says for one in made.ask("PK", False, onset, now, ())] == [Says.DISAGREES]
    assert [one.says for one in made.ask("PK", False, onset, now, (17557,))] == [Says.AGREES]
    assert made.ask("PK", False, onset, now, (9541,)) == ()


def test_memory_levels_off_and_what_is_stored_says_the_same() -> None:
    made = SignalBook()
    for number in range(SERIES_MAX + 50):
        made.learn(("PK", False, "ioda", f"s{number}", "", -1), 0, 1.0)
    for time in range(READINGS_MAX + 50):
        made.learn(KEY, time, 1.0)
    assert len(made.kept) == SERIES_MAX
    assert len(made.kept[-1][1].times) == READINGS_MAX
    again = SignalBook(
        msgspec.msgpack.decode(msgspec.msgpack.encode(made.kept), type=list[tuple[Key, SignalSeries]])
    )
    assert again.kept == made.kept


def test_the_order_of_readings_changes_nothing_and_a_second_copy_neither() -> None:
    readings = [(place * STEP, VALUES[sign]) for place, sign in enumerate(CALM + "vvvv")]
    shuffled = [*readings, *readings[:9]]
    random.Random(3).shuffle(shuffled)
    books = []
    for order in (readings, shuffled):
        made = SignalBook()
        for time, value in order:
            made.learn(KEY, time, value)
        books.append(made)
        assert made.knows(KEY, 0, 100.0)
        assert not made.knows(KEY, 0, 99.0)
    assert books[0].kept == books[1].kept


def test_made_series_rarely_agree_with_nothing_and_nearly_always_with_a_cut() -> None:
    """Noise of 3 %, a day's wave of 10 %, a reading lost now and then; docs/incidents.md has the figures."""
    from math import pi, sin

    false = told = 0
    for seed in range(400):
        dice = random.Random(seed)
        made, onset = SignalBook(), 144 * STEP
        for place in range(150):
            if dice.random() < 0.02:
                continue
            level = 1000 * (1 + 0.1 * sin(2 * pi * (place / 288 + seed / 400)))
            value = level * dice.gauss(1, 0.03)
            made.learn(KEY, place * STEP, value)
            lost = ("PK", False, "ioda", "cut", "", -1)
            made.learn(lost, place * STEP, value * (0.4 if place >= 144 else 1.0))
        words = {one.name: one.says for one in made.ask("PK", False, onset, onset + 6 * STEP, ())}
        told += words.get("cut") is Says.AGREES
        del made._series["PK", False, "ioda", "cut", "", -1]
        false += any(one.says is Says.AGREES for one in made.ask("PK", False, onset, onset + 6 * STEP, ()))
    assert (told, false) == (400, 0)


@pytest.mark.parametrize(
    ("told", "began"),
    [
        ({9_000: 1.0}, 9_000),
        ({7_500: 1.0, 8_400: 0.0}, None),  # over before this one began
        ({7_500: 1.0, 9_000: 0.0}, None),
        ({7_500: 1.0, 8_400: 0.0, 9_300: 1.0}, 9_300),
        ({7_500: 1.0, 9_600: 0.0}, 7_500),  # over since
        ({7_500: 1.0, 20_000: 0.0}, 7_500),
        ({5_000: 1.0}, None),
        ({20_000: 1.0}, None),
    ],
)
def test_a_sources_outage_that_was_over_is_another_one(told: dict[int, float], began: int | None) -> None:
    made = SignalBook()
    for time, value in told.items():
        made.learn(("PK", False, "ioda", "outage.bgp", "", -1), time, value)
    witnesses = made.ask("PK", False, 9_000, 10_000, ())
    assert [(one.says, one.time) for one in witnesses] == ([] if began is None else [(Says.AGREES, began)])


HOUR = 3_600
ONSET = 240 * HOUR
#: When a source's alarm began (1) and was over (0), in hours from the onset; and whether it is of this loss.
ALARMS = {
    "at the onset": ([(0.1, 1)], True),
    "fifty minutes before": ([(-0.8, 1)], True),
    "days before": ([(-72, 1)], False),
    "days before, and raised again at the onset": ([(-72, 1), (0.1, 1)], False),
    "days before, and over since": ([(-72, 1), (0.2, 0)], False),
    "days before, over, and another at the onset": ([(-72, 1), (-48, 0), (0.1, 1)], True),
    "of the loss before": ([(-0.8, 1), (-0.2, 0)], False),
    "over again": ([(0.1, 1), (0.5, 0)], True),
}


@pytest.mark.parametrize("changes, agrees", ALARMS.values(), ids=ALARMS)
def test_an_alarm_that_began_long_before_is_of_something_else(
    changes: list[tuple[float, float]], agrees: bool
) -> None:
    made = SignalBook()
    for hours, value in changes:
        made.learn(("PK", False, "ioda", "alert.bgp", "", -1), ONSET + int(hours * HOUR), value)
    assert bool(made.ask("PK", False, ONSET, ONSET + HOUR, ())) is agrees


#: When a series fell, in hours from the onset; what its source calls usual; and what it says.
FALLS = {
    "at the onset": (0.0, None, "agrees"),
    "an hour before": (-1.0, None, "agrees"),
    "four hours before": (-4.0, None, "None"),
    "days before, by its source's own measure": (-99.0, 100.0, "None"),
}


@pytest.mark.parametrize("hours, usual, expected", FALLS.values(), ids=FALLS)
def test_a_series_that_fell_long_before_fell_by_something_else(
    hours: float, usual: float | None, expected: str
) -> None:
    made = SignalBook()
    for time in range(ONSET - 12 * HOUR, ONSET + HOUR, STEP):
        made.learn(KEY, time, 10.0 if time >= ONSET + hours * HOUR else 100.0, usual)
    assert [one.says.value for one in made.ask("PK", False, ONSET, ONSET + HOUR, ())] == (
        [] if expected == "None" else [expected]
    )


def test_a_series_of_nothing_says_nothing() -> None:
    made = SignalBook()
    for place in range(30):
        made.learn(KEY, place * STEP, 0.0)
    assert made.ask("PK", False, 20 * STEP, 29 * STEP, ()) == ()


@pytest.mark.parametrize("key", [("bgp.region-4416", ""), ("traffic", "PK-PB")])
def test_what_a_region_has_lost_its_country_has_not(key: tuple[str, str]) -> None:
    name, region = key
    made = book(CALM + "vvvv", ("PK", False, "ioda", name, region, -1))
    assert made.ask("PK", False, len(CALM) * STEP, 24 * STEP, ()) == ()
