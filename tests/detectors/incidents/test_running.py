"""A worldwide outage while it runs: its ramp, its tail, and a country that loses more within it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.incidents.falls import Falls
from detectors.incidents.quiet import Worldwide
from detectors.incidents.running import Outages
from detectors.readings import Health
from streams.settings import load
from streams.step.worldwide import WorldStep
from tests.detectors.incidents.hand import T0, WELL, WINDOW, reading
from tests.detectors.incidents.test_worldwide import NETWORKS, country, told_of_countries

NAMES = ("BR", "DE", "IN", "KE", "US")
SETTINGS = load()


def health(successes: Sequence[int]) -> Health:
    """Ten results a country; who loses two or more leans, and who loses most is sure."""
    k = np.array(successes)
    return Health(
        country=list(NAMES),
        platform=["x"] * len(NAMES),
        simulated=[False] * len(NAMES),
        n=np.full(len(NAMES), 10),
        k=k,
        expected=np.full(len(NAMES), WELL),
        reachability=k / 10.0,
        score=np.where(k <= 5, 1.5, np.where(k <= 8, 0.7, 0.0)),
        networks_live=np.full(len(NAMES), 3),
        networks_bad=np.where(k <= 5, 3, 0),
    )


def explained(windows: Sequence[Sequence[int]]) -> list[str]:
    """By window, the countries whose loss is the world's, by their first letters."""
    falls, running, found = Falls(), Outages(), []
    for i, successes in enumerate(windows):
        now = health(successes)
        start, end = T0 + i * WINDOW, T0 + (i + 1) * WINDOW
        falls.step(now, now.score > 0.5, {}, start, end, now.score > 1.0)
        running = Outages(running.snapshot())
        running.step(now, falls, {}, end, patience=300, by_majority=False)
        worldwide = Worldwide(now, falls, running)
        found.append("".join(name[0] for name in NAMES if worldwide.explains("x", name, False)))
    return found


WELL_ALL, GONE_ALL = (10,) * 5, (0,) * 5


def test_who_falls_anew_in_the_tail_is_part_of_it() -> None:
    """Each country's alarm comes and goes in a tail; none of them is a new event."""
    tail = [tuple(10 if (i + j) % 3 else 7 for j in range(5)) for i in range(24)]
    windows = [WELL_ALL] * 3 + [GONE_ALL] * 10 + tail
    assert explained(windows)[4:] == ["BDIKU"] * (len(windows) - 4)


def test_a_country_that_loses_clearly_more_and_longer_is_told_by_itself() -> None:
    tail = [(8, 8, 8, 0, 8)] * 20
    windows = [WELL_ALL] * 3 + [GONE_ALL] * 10 + tail
    found = explained(windows)
    assert found[12] == "BDIKU"
    since = next(i for i, names in enumerate(found) if i > 12 and "K" not in names)
    assert since - 12 <= 15
    assert found[since:] == ["BDIU"] * (len(windows) - since)


def test_an_outage_is_over_when_its_middle_country_lacks_nothing() -> None:
    windows = [WELL_ALL] * 3 + [GONE_ALL] * 10 + [WELL_ALL] * 40 + [(0, 10, 10, 10, 10)] * 3
    assert explained(windows)[-1] == ""


def test_a_country_that_fell_long_before_is_no_part_of_it() -> None:
    windows = [WELL_ALL] * 3 + [(10, 10, 10, 0, 10)] * 12 + [GONE_ALL] * 10
    assert explained(windows)[-1] == "BDIU"


def test_no_country_is_told_of_a_fall_in_the_tail() -> None:
    """Before, a country that fell again ten minutes after the others was told by itself."""
    lost = "....xxxxxxxxxx" + "x" * 26
    again = "....xxxxxxxxxx" + "." * 10 + "x" * 16
    readings = [
        reading(
            [
                country(
                    at,
                    {("x", n): again if name == "KE" else lost for n in NETWORKS},
                    name=name,
                    control=(0, 0),
                )
                for name in NAMES
            ]
        )
        for at in range(len(lost))
    ]
    assert told_of_countries(readings) == []


def test_the_world_is_told_that_it_got_worse_and_eased_and_is_no_end() -> None:
    """30 % fail, then all, then a fifth: one incident, which says so within ten minutes of each."""
    ramp, all_gone, tail = [(7,) * 5] * 20, [GONE_ALL] * 20, [(8,) * 5] * 30
    step, incidents = WorldStep(SETTINGS), []
    for i, successes in enumerate([WELL_ALL] * 3 + ramp + all_gone + tail + [WELL_ALL] * 15):
        now = reading([country(i, {("x", 1): "." * 90}, control=(0, 0))])
        world = health(successes)
        world.score[:] = np.where(np.array(successes) < 10, 1.2, 0.0)
        incidents += step.step(type(now)(now.start, now.end, now.countries, world))
    said = [
        (int((one.updated.timestamp() - T0) // WINDOW), one.status.value, one.reason) for one in incidents
    ]
    (_, opened, _), (worse, _, first), (eased, _, second), (over, resolved, _) = said
    assert (opened, resolved) == ("open", "resolved")
    assert first.startswith("worse: ")
    assert incidents[1].reachability.now <= 0.02
    assert second.startswith("eased: 8")
    assert worse - 23 <= 7
    assert eased - 43 <= 12
    assert over > 73
    assert incidents[-1].summary.startswith(
        "Live metrics show that access to X (Twitter) is restored in 5 countries"
    )
    assert "nothing has been heard" not in incidents[-1].summary
