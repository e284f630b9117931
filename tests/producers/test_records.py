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
from producers.records import BYTES_MAX, Malformed, ProbeResult, Reason, Tick, decode, encode

CONTRACTS = sorted((Path(__file__).parents[1] / "contracts").glob("*.json"))
GOOD: dict[str, Any] = json.loads((Path(__file__).parents[1] / "contracts" / "probe-1-full.json").read_text())


def probe(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


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
    "region of another country": (probe(region="IN-DL"), Reason.INVALID),
    "no region code": (probe(region="Punjab"), Reason.INVALID),
    "1970": (probe(time="1970-01-01T00:00:00Z"), Reason.TIME_OUT_OF_RANGE),
    "2100": (probe(time="2100-01-01T00:00:00Z"), Reason.TIME_OUT_OF_RANGE),
    "no time zone": (probe(time="2024-01-20T13:41:07"), Reason.INVALID),
    "no such day": (probe(time="2024-02-30T13:41:07Z"), Reason.INVALID),
    "unknown failure": (probe(failure="blocked"), Reason.UNKNOWN_FAILURE),
    "failure of another type": (probe(failure=3), Reason.INVALID),
    "unknown stage": (probe(stage="quic"), Reason.INVALID),
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


def test_brackets_inside_a_string_are_not_depth() -> None:
    assert isinstance(decode(probe(target="[{" * 40 + '"\\')), ProbeResult)


@given(st.binary(max_size=400))
def test_any_bytes_are_answered(value: bytes) -> None:
    assert isinstance(decode(value), ProbeResult | Tick | Malformed)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*GOOD, "invented"]), _json)
def test_any_field_may_hold_anything(field: str, value: object) -> None:
    assert isinstance(decode(probe(**{field: value})), ProbeResult | Tick | Malformed)
