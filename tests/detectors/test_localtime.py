"""The hour of the week where people live."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.columns.binomial import BinomialColumns
from detectors.localtime import local_seconds, slot
from detectors.settings import DetectionSettings, TimeSettings
from detectors.single.binomial import Rules


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("country", "moment", "expected"),
    [
        ("NP", "2024-01-20T12:15", "2024-01-20T18:00"),
        ("PK", "2024-01-20T13:41", "2024-01-20T18:41"),
        ("DE", "2024-03-31T00:59", "2024-03-31T01:59"),
        ("DE", "2024-03-31T01:00", "2024-03-31T03:00"),
        ("US", "2024-07-01T12:00", "2024-07-01T08:00"),
        ("IR", "2023-07-01T12:00", "2023-07-01T15:30"),
        ("ZZ", "2024-07-01T12:00", "2024-07-01T12:00"),
    ],
)
def test_local_time(country: str, moment: str, expected: str) -> None:
    assert local_seconds(country, at(moment)) == at(expected)


@pytest.mark.parametrize(
    ("country", "moment", "weekend"),
    [
        ("SA", "2025-09-05T10:00", True),  # a Friday
        ("SA", "2025-09-07T10:00", False),  # a Sunday
        ("SA", "2025-09-04T22:00", True),  # it is Friday there
        ("CH", "2025-09-05T10:00", False),
        ("CH", "2025-09-07T10:00", True),
    ],
)
def test_each_country_has_its_own_weekend(country: str, moment: str, weekend: bool) -> None:
    assert (slot(country, at(moment)) >= 24) is weekend


@pytest.mark.parametrize(
    ("country", "into", "within", "out_of"),
    [
        ("SA", "2025-09-04T21:30", "2025-09-05T21:30", "2025-09-06T21:30"),  # Friday and Saturday, at 00:30
        ("DE", "2025-09-05T22:30", "2025-09-06T22:30", "2025-09-07T22:30"),
    ],
)
def test_nights_into_and_out_of_a_weekend_are_like_no_others(
    country: str, into: str, within: str, out_of: str
) -> None:
    nights = [slot(country, at(moment)) for moment in (into, within, out_of, "2025-09-09T21:30")]
    assert len({*nights}) == 4
    four = [slot(country, at(moment) + 4 * 3600) % 24 for moment in (into, within, out_of)]
    assert four == [4, 4, 4]


def test_a_weekend_of_one_day_has_both_its_nights() -> None:
    midnight = at("2025-09-05T18:15")  # the Saturday of Nepal begins
    assert [slot("NP", midnight + 86_400 * day) for day in range(-1, 3)] == [0, 48, 52, 0]


def test_what_is_usual_goes_by_the_clock_on_the_wall() -> None:
    """Two countries are worse on their weekends: one has its Friday off, the other works."""
    columns = BinomialColumns(Rules.of(DetectionSettings(), TimeSettings(window_seconds=3600)))
    columns.grow(2)
    columns.settle_in(["SA", "CH"], np.array([0, 1]))
    n, never = np.full(2, 100.0), np.zeros(2, dtype=np.bool_)
    start = at("2025-09-01T00:00")
    for hour in range(14 * 24):
        moment = start + hour * 3600
        k = np.array([80.0 if slot(country, moment) >= 24 else 98.0 for country in ("SA", "CH")])
        columns.weigh(moment, k, n)
        columns.learn(moment, k, n, never)
    friday, monday = columns.expect(at("2025-09-19T12:00")), columns.expect(at("2025-09-22T12:00"))
    assert friday[0] < friday[1] - 0.1
    assert abs(monday[0] - monday[1]) < 0.05
