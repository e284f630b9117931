"""A duplicate is vantage and id: ids may be counted from nought in every vantage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from producers.records import ProbeResult, Tick
from streams.settings import load
from streams.step.country import CountryMachine

T0 = datetime(2024, 1, 20, 12, tzinfo=UTC)


def machine() -> CountryMachine:
    made = CountryMachine(load(worker={"clock": "replay"}))
    made.apply(made.read_decoded([Tick(time=T0)]))
    return made


def result(number: int, *, vantage: str, country: str = "PK") -> ProbeResult:
    return ProbeResult(
        id=str(number),
        time=T0 + timedelta(seconds=number),
        platform="x",
        country=country,
        asn=64496,
        vantage=vantage,
        ok=True,
    )


PLACES = [("PK", "a"), ("PK", "b"), ("NP", "a")]
RESULTS = [result(i, vantage=vantage, country=country) for i in range(20) for country, vantage in PLACES]


def fed(made: CountryMachine, results: list[ProbeResult], size: int) -> CountryMachine:
    for at in range(0, len(results), size):
        made.apply(made.read_decoded(results[at : at + size]))
    return made


@pytest.mark.parametrize("size", [1, 7, 60])
def test_the_same_id_of_another_vantage_is_another_result(size: int) -> None:
    made = fed(machine(), RESULTS, size)
    assert (made.totals.applied, made.totals.duplicate) == (60, 0)
    fed(made, RESULTS, size)
    assert (made.totals.applied, made.totals.duplicate) == (60, 60)


def test_it_is_known_after_a_restore_too() -> None:
    made = fed(machine(), RESULTS, 7)
    again = machine()
    again.restore(made.snapshot())
    assert again.snapshot() == made.snapshot()
    fed(again, RESULTS, 60)
    assert (again.totals.applied, again.totals.duplicate) == (60, 60)


def test_how_the_log_is_cut_changes_nothing() -> None:
    log = [*RESULTS, *RESULTS[::-1]]
    assert fed(machine(), log, 3).snapshot() == fed(machine(), log, 120).snapshot()


def test_what_comes_twice_after_its_country_was_forgotten_counts_once() -> None:
    made = fed(machine(), RESULTS, 60)
    made.forget(["PK"])
    fed(made, RESULTS, 60)
    assert (made.totals.applied, made.totals.duplicate) == (60, 60)
