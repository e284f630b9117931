"""Any bytes are read or refused with a reason; what was ever published still reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.failures import Failure, Stage
from producers.records import (
    BYTES_MAX,
    Decoded,
    Malformed,
    ProbeResult,
    Reason,
    VantageStatus,
    decode,
    encode,
    good_of,
)

CONTRACTS = sorted((Path(__file__).parents[1] / "contracts").glob("*.json"))
GOOD: dict[str, Any] = json.loads((Path(__file__).parents[1] / "contracts" / "probe-1-full.json").read_text())


def probe(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def status(**changes: object) -> bytes:
    record = {
        "schema": "netdusk.vantage-status/1",
        "vantage": "pk-lhe-03",
        "country": "PK",
        "asn": 17557,
        "time": "2024-01-20T13:41:07Z",
        "status": "up",
    }
    return json.dumps({**record, **changes}).encode()


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_every_record_ever_published_still_reads(path: Path) -> None:
    record = decode(path.read_bytes())
    assert not isinstance(record, Malformed)
    assert decode(encode(record)) == record


def test_a_full_record_is_read_whole() -> None:
    record = decode(probe())
    assert isinstance(record, ProbeResult)
    assert record.time == datetime(2024, 1, 20, 13, 41, 7, 250_000, UTC)
    assert (record.stage, record.failure) == (Stage.TLS, Failure.CONNECTION_RESET)
    assert record.timings_ms is not None
    assert (record.timings_ms.tcp, record.timings_ms.tls) == (31.0, None)


BAD: dict[str, tuple[bytes | None, Reason]] = {
    "no value": (None, Reason.NOT_JSON),
    "empty": (b"", Reason.NOT_JSON),
    "no JSON": (b"hello", Reason.NOT_JSON),
    "no UTF-8": (probe().replace(b"pk-lhe-03", b"\xff\xfe"), Reason.NOT_JSON),
    "two records": (probe() + probe(), Reason.NOT_JSON),
    "cut off": (probe()[:-1], Reason.NOT_JSON),
    "a NaN": (probe().replace(b"12.1", b"NaN"), Reason.NOT_JSON),
    "an Infinity": (probe().replace(b"12.1", b"Infinity"), Reason.NOT_JSON),
    "a number beyond floats": (probe().replace(b"12.1", b"1e999"), Reason.INVALID),
    "an array": (b"[]", Reason.UNKNOWN_SCHEMA),
    "no schema": (b"{}", Reason.UNKNOWN_SCHEMA),
    "another schema": (probe(schema="netdusk.probe/2"), Reason.UNKNOWN_SCHEMA),
    "too large": (probe(target="x" * BYTES_MAX), Reason.TOO_LARGE),
    "too deep": (probe(extra="@").replace(b'"@"', b"[" * 33 + b"]" * 33), Reason.TOO_DEEP),
    "far too deep": (b'{"a":' * 10_000, Reason.TOO_DEEP),
    "unknown country": (probe(country="XX", region=None), Reason.UNKNOWN_COUNTRY),
    "country in small letters": (probe(country="pk"), Reason.UNKNOWN_COUNTRY),
    "region of another country": (probe(region="IN-DL"), Reason.UNKNOWN_REGION),
    "no region code": (probe(region="Punjab"), Reason.UNKNOWN_REGION),
    "an empty region": (probe(region=""), Reason.UNKNOWN_REGION),
    "a member twice": (probe()[:-1] + b',"ok":false}', Reason.REPEATED_MEMBER),
    "a member twice, once escaped": (probe()[:-1] + b',"\\u006fk":false}', Reason.REPEATED_MEMBER),
    "a member twice, apart from its colon": (probe()[:-1] + b',"ok"\n:false}', Reason.REPEATED_MEMBER),
    "a timing twice": (probe().replace(b'"dns": 12.1', b'"dns":1,"dns":2'), Reason.REPEATED_MEMBER),
    "an unknown member twice": (probe()[:-1] + b',"a":1,"a":1}', Reason.REPEATED_MEMBER),
    "a member twice further in": (probe(more=[{}]).replace(b"{}", b'{"a":1,"a":2}'), Reason.REPEATED_MEMBER),
    "a platform in capitals": (probe(platform="YouTube"), Reason.FORBIDDEN_PLATFORM),
    "a platform with a space": (probe(platform="you tube"), Reason.FORBIDDEN_PLATFORM),
    "a vantage that rings": (probe(vantage="pk\x07"), Reason.FORBIDDEN_NAME),
    "a vantage that turns the line": (probe(vantage="pk\u202e1"), Reason.FORBIDDEN_NAME),
    "a vantage with a hidden letter": (probe(vantage="pk\u200b1"), Reason.FORBIDDEN_NAME),
    "a target of two lines": (probe(target="https://x.com/\u2028"), Reason.FORBIDDEN_NAME),
    "a method that can't be printed": (probe(method="\ufeff"), Reason.FORBIDDEN_NAME),
    "ok, and yet a failure": (probe(ok=True), Reason.OK_WITH_FAILURE),
    "more good ones than all": (probe(count=3, good=4), Reason.COUNT_DISAGREES),
    "all good, and not ok": (probe(count=3, good=3), Reason.COUNT_DISAGREES),
    "good ones of no count": (probe(good=1), Reason.COUNT_DISAGREES),
    "ok, and some are not": (probe(ok=True, failure=None, count=3, good=2), Reason.COUNT_DISAGREES),
    "a count of none": (probe(count=0), Reason.INVALID),
    "a rhythm of no time": (probe(every_seconds=0), Reason.INVALID),
    "no HTTP status": (probe(status=99), Reason.INVALID),
    "year 1, east of Greenwich": (probe(time="0001-01-01T00:00:00+14:00"), Reason.TIME_OUT_OF_RANGE),
    "year 9999, west of it": (probe(time="9999-12-31T23:59:59-14:00"), Reason.TIME_OUT_OF_RANGE),
    "more digits than a number has": (probe(asn="@").replace(b'"@"', b"9" * 5000), Reason.INVALID),
    "a vantage that neither comes nor goes": (status(status="asleep"), Reason.INVALID),
    "a status of no country": (status(country="XX"), Reason.UNKNOWN_COUNTRY),
    "a status of a hidden vantage": (status(vantage="\u2066"), Reason.FORBIDDEN_NAME),
    "1970": (probe(time="1970-01-01T00:00:00Z"), Reason.TIME_OUT_OF_RANGE),
    "2100": (probe(time="2100-01-01T00:00:00Z"), Reason.TIME_OUT_OF_RANGE),
    "no time zone": (probe(time="2024-01-20T13:41:07"), Reason.INVALID),
    "no such day": (probe(time="2024-02-30T13:41:07Z"), Reason.INVALID),
    "unknown failure": (probe(failure="blocked"), Reason.UNKNOWN_FAILURE),
    "failure of another type": (probe(failure=3), Reason.INVALID),
    "unknown stage": (probe(stage="smtp"), Reason.INVALID),
    "ok is a number": (probe(ok=1), Reason.INVALID),
    "asn is a text": (probe(asn="AS17557"), Reason.INVALID),
    "asn is too large": (probe(asn=2**32), Reason.INVALID),
    "negative time taken": (probe(timings_ms={"dns": -1}), Reason.INVALID),
    "longer than a day": (probe(timings_ms={"total": 86_400_001}), Reason.INVALID),
    "more bytes than a double counts": (probe(bytes=2**53 + 1), Reason.INVALID),
    "more bytes than a double holds": (probe(bytes=10**400), Reason.INVALID),
    "no platform": (probe(platform=""), Reason.INVALID),
    "tick without time": (b'{"schema":"netdusk.tick/1"}', Reason.INVALID),
}


@pytest.mark.parametrize(("value", "reason"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_its_reason(value: bytes | None, reason: Reason) -> None:
    record = decode(value)
    assert isinstance(record, Malformed), record
    assert record.reason is reason
    assert record.detail


@pytest.mark.parametrize("field", ["id", "time", "platform", "country", "asn", "vantage", "ok"])
def test_a_required_field_is_required(field: str) -> None:
    value = json.dumps({key: item for key, item in GOOD.items() if key != field}).encode()
    record = decode(value)
    assert isinstance(record, Malformed)
    assert record.reason is Reason.INVALID
    assert field in record.detail


LATER = ("every_seconds", "count", "good", "source", "method", "status")


@pytest.mark.parametrize("field", LATER)
def test_a_record_without_a_later_field_still_reads(field: str) -> None:
    newest = json.loads((CONTRACTS[0].parent / "probe-1-sums.json").read_text())
    del newest[field]
    if field == "count":
        del newest["good"]
    record = decode(json.dumps(newest).encode())
    assert isinstance(record, ProbeResult)
    assert decode(encode(record)) == record
    assert b'"%s":' % field.encode() not in encode(record)


def test_a_record_says_who_measured_and_how_many_succeeded() -> None:
    record = decode(probe())
    assert isinstance(record, ProbeResult)
    assert (record.measured_by, good_of(record)) == ("probe", 0)
    record = decode((CONTRACTS[0].parent / "probe-1-sums.json").read_bytes())
    assert isinstance(record, ProbeResult)
    assert (record.measured_by, record.method, record.count, good_of(record)) == (
        "ooni",
        "web_connectivity",
        40,
        31,
    )
    record = decode(probe(ok=True, failure=None, count=7))
    assert isinstance(record, ProbeResult)
    assert good_of(record) == 7


def test_a_vantage_says_that_it_is_there() -> None:
    record = decode(status(every_seconds=60, targets=40, version="0.2.0", region="PK-PB"))
    assert isinstance(record, VantageStatus)
    assert (record.every_seconds, record.targets, record.region) == (60.0, 40, "PK-PB")


def test_brackets_inside_a_string_are_not_depth() -> None:
    assert isinstance(decode(probe(target="[{" * 40 + '"\\')), ProbeResult)


@given(st.binary(max_size=400))
def test_any_bytes_are_answered(value: bytes) -> None:
    assert isinstance(decode(value), Decoded)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*GOOD, "invented"]), _json)
def test_any_field_may_hold_anything(field: str, value: object) -> None:
    assert isinstance(decode(probe(**{field: value})), Decoded)
