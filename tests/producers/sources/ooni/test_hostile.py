"""Files that mean harm: each measurement is read or refused by itself, in time that grows with the file."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from producers.records import ProbeResult
from producers.sources.ooni.fastpath import PENDING_MAX, rows
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader, RefusalReason, Refused, without_comments
from tests.producers.sources.ooni.measurements import BLOCK, SITE, Measurement, reached

READER = OoniReader(Platforms())


def read(path: Path, content: bytes) -> list[ProbeResult | Refused]:
    path.write_bytes(content)
    with path.open("rb") as source:
        return list(READER.read(path, source))


def document(**changes: Any) -> bytes:
    return json.dumps(reached().document() | changes).encode()


def with_keys(**changes: Any) -> bytes:
    measurement = reached()
    return json.dumps(measurement.document() | {"test_keys": measurement.keys | changes}).encode()


DIGITS = b"9" * 5000
HOSTILE: dict[str, bytes] = {
    "an ASN of 5,000 digits, as text": document(probe_asn="AS" + "9" * 5000),
    "an ASN of 5,000 digits": document(probe_asn=0).replace(b'"probe_asn": 0', b'"probe_asn": ' + DIGITS),
    "a status of 5,000 digits": with_keys(requests=[{"response": {"code": 0}}]).replace(
        b'"code": 0', b'"code": ' + DIGITS
    ),
    "a time with a huge exponent": with_keys(queries=[{"t0": 0, "t": 5}]).replace(
        b'"t": 5', b'"t": 1e999999'
    ),
    "a depth of 5,000 digits": with_keys(queries=[{"tags": ["classic", "depth=" + "9" * 5000]}]),
    "a depth of a million": with_keys(queries=[{"tags": ["classic", "depth=999999"]}]),
    "a depth in other digits": with_keys(queries=[{"tags": ["classic", "depth=²"]}]),
    "deep brackets": b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep brackets that don't end": b'{"x":' + b"[" * 200_000,
    "deep test keys": document(test_keys={}).replace(b"{}", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "year 1 with an offset": document(measurement_start_time="0001-01-01T00:00:00+14:00"),
    "a host of a megabyte": document(input="http://" + "a." * 500_000 + "com/"),
    "half a surrogate": document(input="http://a.com/").replace(b"a.com", b"\\ud800.com"),
    "a measurement in itself": json.dumps({"raw_measurement": json.dumps({"raw_measurement": "{"})}).encode(),
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_line_stops_no_other(tmp_path: Path, line: bytes) -> None:
    began = time.process_time()
    first, *middle, last = read(tmp_path / "m.jsonl", b"\n".join([document(), line, document()]) + b"\n")
    assert isinstance(first, ProbeResult)
    assert isinstance(last, ProbeResult)
    assert len(middle) == 1
    assert time.process_time() - began < 60.0


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("around", [(b"", b""), (b"[\n", b"\n]"), (b"// a comment\n", b"\n")])
def test_a_hostile_document_is_said(tmp_path: Path, line: bytes, around: tuple[bytes, bytes]) -> None:
    assert len(read(tmp_path / "m.json", around[0] + line + around[1])) == 1


def test_a_packed_file_that_is_damaged_inside_is_said(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"\n".join(document(id=str(i)) for i in range(500))))
    packed[len(packed) // 2] ^= 0xFF
    outcomes = read(tmp_path / "m.jsonl.gz", bytes(packed))
    last = outcomes[-1]
    assert isinstance(last, Refused)
    assert last.reason in (RefusalReason.DAMAGED_FILE, RefusalReason.NOT_JSON)


def titles(count: int) -> object:
    page = "<title>" * (count // 10)
    measurement = Measurement("http://www.example.com/")
    measurement.lookup(SITE).connect(SITE, 80)
    measurement.keys["requests"].append(
        {"request": {"url": measurement.url}, "response": {"code": 200, "body": page}, "failure": None}
    )
    control = {"http_request": {"status_code": 200, "title": "x", "body_length": 10}}
    measurement.keys["control"] = control
    return READER.measurement(json.dumps(measurement.document()).encode(), "m")


#: What took a time that grew with the square of its length.
GROWING: dict[str, Callable[[int], object]] = {
    "comments that don't end": lambda n: without_comments(b"/* " * n),
    "strings that don't end": lambda n: without_comments(b'"\\' * n),
    "escapes up to the end": lambda n: without_comments(b'"' + b'\\"' * n + b"\\"),
    "titles that don't end": titles,
    "a string over many lines": lambda n: list(rows(["INSERT INTO t (a) VALUES ('", *["''"] * n])),
    "a comment over many lines": lambda n: list(rows(["/*", *["*"] * n])),
}


@pytest.mark.parametrize("work", GROWING.values(), ids=GROWING)
def test_time_grows_with_the_length_and_no_faster(work: Callable[[int], object]) -> None:
    def seconds(length: int) -> float:
        began = time.process_time()
        work(length)
        return time.process_time() - began

    work(1000)
    assert seconds(160_000) < 16 * 4 * max(seconds(10_000), 0.002)


def test_a_string_without_end_is_given_up_and_later_rows_are_read() -> None:
    lines = [
        "INSERT INTO t (a) VALUES ('",
        *["x" * 100] * (PENDING_MAX // 50),
        "'; INSERT INTO t (a) VALUES (1);",
    ]
    outcomes = list(rows(lines))
    assert not isinstance(outcomes[0], dict)
    assert len(outcomes) < 10


def redirected(to: str, url: str = "http://www.example.com/", body: str = BLOCK) -> ProbeResult | Refused:
    measurement = Measurement(url, tagged=False)
    measurement.lookup(SITE).connect(SITE, 80)
    measurement.keys["requests"] = [
        {"request": {"url": to}, "response": {"code": 200, "body": body}, "failure": None},
        {"request": {"url": url}, "response": {"code": 302, "body": ""}, "failure": None},
    ]
    measurement.keys["headers_match"] = True
    measurement.keys["status_code_match"] = True
    measurement.keys["control"] = {
        "http_request": {"status_code": 200, "title": "The page", "body_length": 2000}
    }
    return READER.measurement(json.dumps(measurement.document()).encode(), "m")


@pytest.mark.parametrize(
    ("to", "url", "body", "failure"),
    [
        ("http://block.uzone.id/", "http://www.example.com/", BLOCK, "blockpage"),
        ("http://www.example.com/", "http://www.example.com/", "... peyvandha.ir/1-2 ...", "blockpage"),
        ("http://www.example.com/home", "http://www.example.com/", BLOCK, None),
        ("http://block.uzone.id/home", "http://block.uzone.id/", BLOCK, None),
    ],
)
def test_a_block_page_that_our_probes_know_is_one(to: str, url: str, body: str, failure: str | None) -> None:
    result = redirected(to, url, body)
    assert isinstance(result, ProbeResult)
    assert result.failure == failure


def test_the_clients_own_trouble_is_no_loss() -> None:
    measurement = Measurement("https://www.example.com/", tagged=False)
    measurement.lookup(SITE).connect(SITE)
    measurement.keys["http_experiment_failure"] = "unknown_failure: TypeError: no such thing"
    refused = READER.measurement(json.dumps(measurement.document()).encode(), "m")
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.MEASUREMENT_FAILED
    measurement.keys["http_experiment_failure"] = "connection_reset"
    result = READER.measurement(json.dumps(measurement.document()).encode(), "m")
    assert isinstance(result, ProbeResult)
    assert result.failure == "connection_reset"


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("unknown_failure 'ascii' codec can't decode byte 0xd9 in position 101", None),
        ('unknown_failure: Get "x://y": unsupported protocol scheme "x"', None),
        ("unknown_failure: socket: too many open files", None),
        ("interrupted", None),
        ("unknown_failure: tls: first record does not look like a TLS handshake", "unknown_failure"),
        ("unknown_failure: stopped after 10 redirects", "unknown_failure"),
        ("connection_reset", "connection_reset"),
    ],
)
def test_a_request_that_the_client_broke_is_no_loss(text: str, failure: str | None) -> None:
    measurement = Measurement("https://www.example.com/", tagged=False).lookup(SITE).connect(SITE).handshake()
    measurement.keys["requests"] = [{"request": {"url": measurement.url}, "response": None, "failure": text}]
    result = READER.measurement(json.dumps(measurement.document()).encode(), "m")
    if failure is None:
        assert isinstance(result, Refused)
        assert result.reason is RefusalReason.MEASUREMENT_FAILED
    else:
        assert isinstance(result, ProbeResult)
        assert result.failure == failure


def test_the_apis_document_holds_the_measurement(tmp_path: Path) -> None:
    inner = reached("https://x.com/").document()
    meta = {"test_name": "web_connectivity", "input": "https://x.com/", "probe_cc": inner["probe_cc"]}
    text = json.dumps(meta | {"scores": "{}", "raw_measurement": json.dumps(inner)}).encode()
    (wrapped,) = read(tmp_path / "m.json", text)
    (plain,) = read(tmp_path / "p.json", json.dumps(inner).encode())
    assert isinstance(wrapped, ProbeResult)
    assert isinstance(plain, ProbeResult)
    assert (wrapped.platform, wrapped.time, wrapped.ok) == (plain.platform, plain.time, plain.ok)
