"""Sums as OONI's API answers them, made here; not checked against its document or a recorded answer."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from producers.records import COUNT_MAX, ProbeResult
from producers.sources.contract import RefusalReason, Refused
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader

READER = OoniReader(Platforms())
ROW: dict[str, Any] = {
    "anomaly_count": 5,
    "confirmed_count": 2,
    "failure_count": 1,
    "measurement_count": 20,
    "measurement_start_day": "2024-01-20",
    "ok_count": 12,
    "probe_cc": "PK",
    "probe_asn": 17557,
    "domain": "x.com",
}


def read(*rows: Any, name: str = "answer.json", indent: int | None = None) -> list[ProbeResult | Refused]:
    answer = {"dimension_count": 2, "elapsed_query_time": {"bytes": 1}, "result": list(rows), "v": 0}
    return list(READER.read_stream(name, io.BytesIO(json.dumps(answer, indent=indent).encode())))


@pytest.mark.parametrize("indent", [None, 2])
def test_a_row_is_a_result_that_stands_for_many(indent: int | None) -> None:
    first, second = read(ROW, {**ROW, "probe_cc": "IR", "ok_count": 19}, indent=indent)
    assert isinstance(first, ProbeResult)
    assert isinstance(second, ProbeResult)
    assert (first.platform, first.country, first.asn, first.count, first.good) == ("x", "PK", 17557, 19, 12)
    assert (first.ok, second.ok, first.method) == (False, True, "aggregation")
    assert first.time.isoformat() == "2024-01-20T00:00:00+00:00"
    assert first.id != second.id


def test_the_same_row_has_the_same_id_whatever_it_has_grown_to() -> None:
    (before,), (after,) = read(ROW), read({**ROW, "measurement_count": 25})
    assert isinstance(before, ProbeResult)
    assert isinstance(after, ProbeResult)
    assert before.id == after.id


WRONG: dict[str, tuple[dict[str, Any], RefusalReason]] = {
    "no axis of targets": ({"domain": None}, RefusalReason.NO_HOST),
    "no country": ({"probe_cc": None}, RefusalReason.NO_PLACE_OR_TIME),
    "no day": ({"measurement_start_day": "soon"}, RefusalReason.NO_PLACE_OR_TIME),
    "nothing measured": ({"measurement_count": 1, "ok_count": 0}, RefusalReason.INVALID),
    "more good ones than there are": ({"ok_count": 30}, RefusalReason.INVALID),
    "less than none": ({"failure_count": -1}, RefusalReason.INVALID),
    "another type": ({"ok_count": "many"}, RefusalReason.NOT_A_MEASUREMENT),
    "a number without end": ({"ok_count": 10**400}, RefusalReason.INVALID),
    "too many": ({"measurement_count": COUNT_MAX + 2}, RefusalReason.INVALID),
}


@pytest.mark.parametrize("change, reason", WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_refused_by_itself(change: dict[str, Any], reason: RefusalReason) -> None:
    refused, good = read({**ROW, **change}, ROW)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert isinstance(good, ProbeResult)


def test_an_answer_of_another_shape_is_refused() -> None:
    (refused,) = READER.read_stream("a.json", io.BytesIO(b'{"data": {"ok_count": 1}}'))
    assert isinstance(refused, Refused)
    assert refused.reason == RefusalReason.NOT_A_MEASUREMENT


def test_an_answer_without_rows_holds_nothing_and_an_error_is_one() -> None:
    """Of a day without measurements the API answers no row: that is no measurement of another shape."""
    empty = json.dumps({"dimension_count": 1, "result": [], "v": 0}).encode()
    assert list(READER.read_stream("answer.json", io.BytesIO(empty))) == []
    (refused,) = READER.read(
        "answer.json", io.BytesIO(b'{"dimension_count": 0, "error": "bad axis", "v": 0}')
    )
    assert isinstance(refused, Refused)
    assert refused.detail.startswith("no aggregation: ")
