"""The lifelike worlds hold what they say: troubles fall where they should, and nowhere else."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import islice, pairwise
from typing import Any

import pytest

from producers.records import ProbeResult, decode, encode
from producers.simulated.lifelike import BUILDERS, Lifelike, Size

SMALL = Size(days=2, per_minute=0.1, countries=2)


def drawn(name: str, size: Size = SMALL, seed: int = 3) -> tuple[list[ProbeResult], list[dict[str, Any]]]:
    world = Lifelike(name, seed=seed, size=size)
    return list(world.results()), world.labels


@pytest.mark.parametrize("name", BUILDERS)
def test_every_world_gives_records_in_order_of_time(name: str) -> None:
    results, labels = drawn(name)
    assert results
    assert all(one.simulated for one in results)
    assert [one.time for one in results] == sorted(one.time for one in results)
    assert len({one.id for one in results}) == len(results)
    assert decode(encode(results[0])) == results[0]
    for label in labels:
        assert datetime.fromisoformat(label["start"]) < datetime.fromisoformat(label["end"])


def test_equal_seeds_give_equal_results_and_others_do_not() -> None:
    def first(seed: int) -> list[ProbeResult]:
        return list(islice(Lifelike("irregular", seed=seed, size=SMALL).results(), 200))

    assert first(3) == first(3)
    assert first(3) != first(4)


def during(results: list[ProbeResult], label: dict[str, Any]) -> list[ProbeResult]:
    start, end = (datetime.fromisoformat(label[edge]) for edge in ("start", "end"))
    return [one for one in results if start <= one.time < end]


def test_a_shutdown_silences_its_country_alone() -> None:
    results, labels = drawn("irregular", Size(days=2, per_minute=0.5, countries=2))
    (label,) = labels
    assert {one.country for one in during(results, label)} == {"BV"}


@pytest.mark.world
def test_a_deaf_stretch_silences_all() -> None:
    size = Size(days=2, per_minute=4, countries=2)
    results, _ = drawn("deaf", size)
    times = [one.time for one in results]
    gaps = sorted((later - earlier).total_seconds() for earlier, later in pairwise(times))
    assert gaps[-3] > 100 > gaps[-4]


@pytest.mark.world
def test_a_long_block_lets_through_what_it_says() -> None:
    results, labels = drawn("long-block", Size(days=3, per_minute=1, countries=3))
    shares = {}
    for label in labels:
        mine = [
            one for one in during(results, label) if one.country == label["country"] and one.platform == "x"
        ]
        shares[label["country"]] = sum(one.ok for one in mine) / len(mine)
    assert shares == pytest.approx({"AQ": 0.0, "BV": 0.08 * 0.97, "GS": 0.3 * 0.97}, abs=0.02)


@pytest.mark.world
def test_a_worldwide_failure_fails_for_the_control_too() -> None:
    results, labels = drawn("cdn", Size(days=1, per_minute=3, countries=2))
    (label,) = labels
    struck = [one for one in during(results, label) if one.platform in label["platforms"] and not one.ok]
    assert label["country"] is None
    assert Counter(one.control_ok for one in struck).most_common(1)[0][0] is False


@pytest.mark.world
def test_weekends_are_the_countrys_own() -> None:
    results, _ = drawn("local-weekend", Size(days=5, per_minute=0.75, countries=2))
    rates = Counter[tuple[str, bool]]()
    for one in results:
        if one.country == "SA":
            rates[one.time.strftime("%a"), one.ok] += 1
    share = {day: rates[day, True] / (rates[day, True] + rates[day, False]) for day in ("Tue", "Fri")}
    assert share["Tue"] - share["Fri"] == pytest.approx(0.10, abs=0.03)


def test_a_name_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="choose from irregular"):
        Lifelike("nowhere", seed=1, size=SMALL)
