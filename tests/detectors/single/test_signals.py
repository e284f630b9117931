"""What other sources say of a loss, told in lines: each sign is a reading of 100 (`.`), 20 (`v`), 85 (`-`) or none."""

from __future__ import annotations

import random

import msgspec
import pytest

from detectors.readings import LostParts, Says, Witness
from detectors.single.signals import READINGS_MAX, SERIES_MAX, Key, SignalBook, SignalSeries

STEP = 300
KEY: Key = ("PK", False, "ioda", "ping-slash24", "", -1)
VALUES = {".": 100.0, "v": 20.0, "-": 85.0}
CALM = "." * 20


def ask(
    made: SignalBook, onset: int, now: int, place: str = "PK", *, simulated: bool = False
) -> tuple[Witness, ...]:
    """What is said of a country's loss."""
    return made.ask(place, simulated, LostParts((onset,)), now)


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
    witnesses = ask(book(CALM + since), onset, onset + minutes * 60)
    said = {witness.says.value for witness in witnesses} or {"None"}
    if expected == "None":
        assert said <= {"late", "silent"}
    else:
        assert said == {expected}


def test_what_is_seldom_needs_one_reading() -> None:
    onset = len(CALM) * 86_400
    [witness] = ask(book(CALM + "v", step=86_400), onset, onset + 86_400)
    assert witness.says is Says.AGREES
    assert witness.time == onset
    assert witness.usual == pytest.approx(100, abs=1)


def test_too_short_a_history_says_nothing() -> None:
    assert ask(book("." * 8 + "vvvv"), 8 * STEP, 12 * STEP) == ()


def test_a_sources_own_alert_agrees_and_its_absence_says_nothing() -> None:
    made = SignalBook()
    made.learn(("PK", False, "cloudflare_radar", "outage", "", -1), 9_000, 1.0)
    [witness] = ask(made, 10_000, 12_000)
    assert (witness.source, witness.says, witness.time) == ("cloudflare_radar", Says.AGREES, 9_000)
    assert ask(made, 50_000, 60_000) == ()
    assert ask(made, 10_000, 12_000, "IR") == ask(made, 10_000, 12_000, simulated=True) == ()


def test_of_a_source_the_surest_series_speaks() -> None:
    made = book(CALM + "....", ("PK", False, "ioda", "bgp", "", -1))
    for place, sign in enumerate(CALM + "vvvv"):
        made.learn(KEY, place * STEP, VALUES[sign])
    [witness] = ask(made, len(CALM) * STEP, 24 * STEP)
    assert (witness.name, witness.says, witness.value) == ("ping-slash24", Says.AGREES, 20)


def test_networks_speak_for_themselves() -> None:
    made = book(CALM + "....")
    for place, sign in enumerate(CALM + "vvvv"):
        made.learn(("PK", False, "ioda", "bgp", "", 17557), place * STEP, VALUES[sign])
    onset, now = len(CALM) * STEP, 24 * STEP
    assert [one.says for one in ask(made, onset, now)] == [Says.DISAGREES]
    of_network = made.ask("PK", False, LostParts(networks={17557: onset}), now)
    assert [one.says for one in of_network] == [Says.AGREES]
    assert made.ask("PK", False, LostParts(networks={9541: onset}), now) == ()


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
        words = {one.name: one.says for one in ask(made, onset, onset + 6 * STEP)}
        told += words.get("cut") is Says.AGREES
        del made._series["PK", False, "ioda", "cut", "", -1]
        false += any(one.says is Says.AGREES for one in ask(made, onset, onset + 6 * STEP))
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
    witnesses = ask(made, 9_000, 10_000)
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
    "two hours after": ([(2, 1)], True),
    "days after": ([(72, 1)], False),
    "at the onset, over, and another days after": ([(0.1, 1), (0.5, 0), (72, 1)], True),
    "of the loss before, and another days after": ([(-0.8, 1), (-0.2, 0), (72, 1)], False),
}


@pytest.mark.parametrize("changes, agrees", ALARMS.values(), ids=ALARMS)
def test_an_alarm_that_began_at_another_time_is_of_something_else(
    changes: list[tuple[float, float]], agrees: bool
) -> None:
    made = SignalBook()
    for hours, value in changes:
        made.learn(("PK", False, "ioda", "alert.bgp", "", -1), ONSET + int(hours * HOUR), value)
    assert bool(ask(made, ONSET, ONSET + 120 * HOUR)) is agrees


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
    assert [one.says.value for one in ask(made, ONSET, ONSET + HOUR)] == (
        [] if expected == "None" else [expected]
    )


def test_a_series_of_nothing_says_nothing() -> None:
    made = SignalBook()
    for place in range(30):
        made.learn(KEY, place * STEP, 0.0)
    assert ask(made, 20 * STEP, 29 * STEP) == ()


@pytest.mark.parametrize("part", ["4416", "PK-PB"])
def test_what_a_region_has_lost_its_country_has_not_nor_the_other_way_round(part: str) -> None:
    made = book(CALM + "vvvv", ("PK", False, "ioda", "bgp", part, -1))
    for place, sign in enumerate(CALM + "...."):
        made.learn(("PK", False, "tor_metrics", "users", "", -1), place * STEP, VALUES[sign])
    onset = len(CALM) * STEP

    def said(lost: LostParts) -> list[tuple[str, str]]:
        return [(one.source, one.says.value) for one in made.ask("PK", False, lost, 24 * STEP)]

    assert said(LostParts((onset,))) == [("tor_metrics", "disagrees")]
    assert said(LostParts(regions={part: onset})) == [("ioda", "agrees")]
    assert said(LostParts(regions={"PK-SD": onset})) == []


#: Readings from the onset on, 25 minutes apart; and what they say then.
COURSES = {
    "as usual, and a dip five hours later": ("." * 12 + "vv......", "disagrees"),
    "low at the onset, back, and a dip hours later": ("vv" + "." * 10 + "vv......", "agrees"),
    "one low reading, which was noise": ("v" + "." * 19, "disagrees"),
    "nothing for hours, and low when it comes again": (" " * 12 + "vvvvvvvv", "agrees"),
    "nothing for hours, and as usual when it comes again": (" " * 12 + "........", "disagrees"),
}


@pytest.mark.parametrize("line, expected", COURSES.values(), ids=COURSES)
def test_a_series_speaks_of_a_fall_at_the_onset(line: str, expected: str) -> None:
    step = 1_500
    made = book(CALM + line, step=step)
    onset = len(CALM) * step
    assert [one.says.value for one in ask(made, onset, onset + len(line) * step)] == [expected]


def test_what_falls_with_a_later_part_agrees_with_that() -> None:
    """One network at the onset, the others three days later: the country's series falls then."""
    made, later = SignalBook(), ONSET + 72 * HOUR
    for time in range(later - 10 * HOUR, later + HOUR, STEP):
        made.learn(KEY, time, 10.0 if time >= later else 100.0)
    made.learn(("PK", False, "cloudflare_radar", "outage", "", -1), later + 600, 1.0)
    assert ask(made, ONSET, later + HOUR) == ()
    agreed = made.ask("PK", False, LostParts((ONSET, later)), later + HOUR)
    assert [(one.source, one.says.value, one.time) for one in agreed] == [
        ("cloudflare_radar", "agrees", later + 600),
        ("ioda", "agrees", later),
    ]


def test_since_when_and_until_when_a_source_agrees() -> None:
    made = book(CALM + "-v-...")
    onset = len(CALM) * STEP
    made.learn(("PK", False, "cloudflare_radar", "outage", "", -1), onset + 60, 1.0)
    made.learn(("PK", False, "cloudflare_radar", "outage", "", -1), onset + 660, 0.0)
    ends = [(one.time, one.until) for one in ask(made, onset, onset + 5 * STEP)]
    assert ends == [(onset + 60, onset + 660), (onset, onset + 3 * STEP)]
    [_, ioda] = ask(made, onset, onset + 5 * STEP)
    assert ioda.value == pytest.approx(20, abs=1)
    # Which is not known as long as it lasts.
    assert [one.until for one in ask(made, onset, onset + 500)] == [None, None]


@pytest.mark.parametrize("begin", [ONSET, ONSET + 1, ONSET + STEP - 1])
def test_what_was_said_stands_when_its_readings_are_no_longer_kept(begin: int) -> None:
    """150 readings of five minutes are half a day; an incident may last longer, and begin between two of them."""
    made, alarm = SignalBook(), ("PK", False, "cloudflare_radar", "alert", "", -1)
    told: tuple[Witness, ...] = ()
    for number in range(-20, READINGS_MAX + 60):
        time = ONSET + number * STEP
        made.learn(KEY, time, 10.0 if number >= 0 else 100.0)
        if number >= 0:
            # It is raised again and again.
            made.learn(alarm, time, 1.0)
        if number >= 12:
            told = made.ask("PK", False, LostParts((begin,)), time, told=told)
            assert [(one.says.value, one.time) for one in told] == [("agrees", ONSET)] * 2
    assert ask(made, begin, ONSET + (READINGS_MAX + 60) * STEP) == ()
    # An alarm that was on long before does not begin when its first word is no longer kept.
    made = SignalBook()
    for number in range(-400, 100):
        made.learn(alarm, ONSET + number * STEP, 1.0)
        assert ask(made, ONSET, ONSET + number * STEP) == ()
    # A source that takes its word back has taken it back.
    made = SignalBook()
    made.learn(alarm, ONSET, 1.0)
    told = ask(made, ONSET, ONSET + 60)
    made.learn(alarm, ONSET, 0.0)
    assert made.ask("PK", False, LostParts((ONSET,)), ONSET + 120, told=told) == ()


@pytest.mark.parametrize(
    ("vantage", "named", "speaks"),
    [
        ("pk-lhe-1", "atlas", True),
        ("atlas-7", "atlas", False),
        ("atlas-7", None, True),
        ("ioda-1", None, False),
        ("atlas2-7", "atlas", True),
        ("our-probes-3", "our-probes", False),
    ],
)
def test_a_source_that_counts_vantages_which_are_judged_is_no_other(
    vantage: str, named: str | None, speaks: bool
) -> None:
    made = SignalBook()
    for place, sign in enumerate(CALM + "vvvv"):
        made.learn(KEY, place * STEP, VALUES[sign], vantages=named)
    onset = len(CALM) * STEP
    said = made.ask("PK", False, LostParts((onset,)), 24 * STEP, heard={vantage, "pk-isb-1"})
    assert bool(said) is speaks
