"""Files that mean harm: each measurement is read or refused by itself, with work that grows with the file."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from producers.records import ProbeResult
from producers.sources.ooni import web
from producers.sources.ooni.fastpath import PENDING_MAX, _Tokens, rows
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import (
    _COMMENT_OR_STRING,
    OoniReader,
    RefusalReason,
    Refused,
    without_comments,
)
from tests.producers.sources.ooni.measurements import BLOCK, SITE, Measurement, reached

READER = OoniReader(Platforms())


def read(path: Path, content: bytes) -> list[ProbeResult | Refused]:
    path.write_bytes(content)
    with path.open("rb") as source:
        return list(READER.read(path, source))


@contextmanager
def counted_calls() -> Iterator[list[None]]:
    """One entry for each call that is made within, of functions in Python and in C."""
    calls: list[None] = []

    def count(_frame: object, event: str, _argument: object) -> None:
        if event.endswith("call"):
            calls.append(None)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


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
    content = b"\n".join([document(), line, document()]) + b"\n"
    # What is made once is not counted.
    read(tmp_path / "first.jsonl", document())
    with counted_calls() as calls:
        first, *middle, last = read(tmp_path / "m.jsonl", content)
    assert isinstance(first, ProbeResult)
    assert isinstance(last, ProbeResult)
    assert len(middle) == 1
    # Not one for each digit, bracket or level.
    assert len(calls) < 3000


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


@pytest.mark.parametrize(
    "text",
    [b"/* " * 10_000, b'"\\' * 10_000, b'"' + b'\\"' * 10_000 + b"\\"],
    ids=["comments that don't end", "strings that don't end", "escapes up to the end"],
)
def test_what_does_not_end_is_looked_through_once(text: bytes) -> None:
    """A beginning that is tried in vain is looked through to the end of the text, and stands in no match."""
    assert [match.span() for match in _COMMENT_OR_STRING.finditer(text)] == [(0, len(text))]
    assert without_comments(text)[0] in (b"", text)


class Looked:
    """A pattern that counts the characters that it is given to look through."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern, self.characters = pattern, 0

    def search(self, text: str, begin: int = 0) -> re.Match[str] | None:
        self.characters += len(text) - begin
        return self.pattern.search(text, begin)


def test_a_page_of_titles_that_do_not_end_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, end = Looked(web._TITLE), Looked(web._TITLE_END)
    monkeypatch.setattr(web, "_TITLE", begin)
    monkeypatch.setattr(web, "_TITLE_END", end)
    page = "<title>" * 2000
    assert web._title(page) is None
    assert (begin.characters, end.characters) == (len(page), len(page) - len("<title>"))


@pytest.mark.parametrize(
    "lines",
    [["INSERT INTO t (a) VALUES ('", *["''"] * 5000], ["/*", *["*"] * 5000]],
    ids=["a string", "a comment"],
)
def test_what_goes_over_many_lines_is_looked_through_a_few_times(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    of_text = _Tokens._tokens

    def tokens(self: _Tokens, text: str) -> Generator[tuple[str, str], None, str]:
        nonlocal looked
        looked += len(text)
        return of_text(self, text)

    monkeypatch.setattr(_Tokens, "_tokens", tokens)
    assert len(list(rows(lines))) >= 1
    size = sum(len(line) + 1 for line in lines)
    assert size <= looked < 4 * size


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
