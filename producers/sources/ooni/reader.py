"""OONI's measurements as ProbeResults: files of Web Connectivity JSON, JSONL (packed or not), and fast path inserts.

What a measurement found is judged in `ooni_web` and `ooni_fastpath`; here a file is opened, taken apart one
measurement at a time, and given a place, a time and a platform. Whatever is not written is returned with its reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import IO, Final, cast

import msgspec
from msgspec import UNSET, Raw, Struct

from producers.records import Malformed, ProbeResult, decode, encode
from producers.sources.contract import BOM, RefusalReason, Refused, RowError
from producers.sources.files import read_all
from producers.sources.ooni import aggregation, single_steps
from producers.sources.ooni.apps import APPS, AppKeys, check_version, find_app
from producers.sources.ooni.fastpath import PLATFORM_TESTS, SqlError, SqlRow, find_row, is_true, rows
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.web import NothingToTellError, Observation, TestKeys, find

MEASUREMENT_BYTES_MAX: Final = 64 * 1024 * 1024
_TARGET_MAX: Final = 2048


@dataclass(frozen=True, slots=True)
class OoniReader:
    """How files are read.

    Parameters
    ----------
    platforms
        Hosts to platform names.
    country, asn, time
        For measurements that do not say it themselves (a bare set of test keys); what they say goes first.
    simulated
        Mark every result as made (an emulated network).
    """

    platforms: Platforms
    country: str | None = None
    asn: int | None = None
    time: datetime | None = None
    simulated: bool = False

    def read(self, path: Path, source: IO[bytes]) -> Iterator[ProbeResult | Refused]:
        """Every measurement in `source`; `path` names it in messages. It may be packed, and a tar."""
        yield from cast(Iterator[ProbeResult | Refused], read_all(str(path), source, self.read_stream))

    def read_stream(self, name: str, stream: IO[bytes]) -> Iterator[ProbeResult | Refused]:
        """Every measurement of one file that is unpacked."""
        yield from self._read(Path(name), stream)

    def _read(self, path: Path, stream: IO[bytes]) -> Iterator[ProbeResult | Refused]:
        first = stream.readline(MEASUREMENT_BYTES_MAX).removeprefix(BOM)
        while first and not first.strip():
            first = stream.readline(MEASUREMENT_BYTES_MAX)
        if _is_sql(first):
            yield from self._read_sql(path, _lines(first, stream))
        elif {".jsonl", ".ndjson"} & set(path.suffixes) or _is_whole(first):
            yield from self._read_lines(path, _lines(first, stream))
        else:
            # A list or a comment begins a document; else the first line may be an odd one of many.
            known = [] if first.lstrip().startswith((b"[", b"/")) else _next_lines(stream)
            if known and all(map(_is_whole, known)):
                yield from self._read_lines(path, chain((first, *known[:-1]), _lines(known[-1], stream)))
            else:
                yield from self._read_document(path, first + b"".join(known), stream)

    def _read_lines(self, path: Path, lines: Iterator[bytes]) -> Iterator[ProbeResult | Refused]:
        for number, line in enumerate(lines, 1):
            place = f"{path}:{number}"
            if len(line) >= MEASUREMENT_BYTES_MAX:
                yield Refused(RefusalReason.TOO_LARGE, f"more than {MEASUREMENT_BYTES_MAX} bytes", place)
            elif line.strip():
                yield from self._measurements(line, place)

    def _read_document(self, path: Path, first: bytes, stream: IO[bytes]) -> Iterator[ProbeResult | Refused]:
        text = first + stream.read(MEASUREMENT_BYTES_MAX)
        if len(text) >= MEASUREMENT_BYTES_MAX:
            yield Refused(RefusalReason.TOO_LARGE, f"more than {MEASUREMENT_BYTES_MAX} bytes", str(path))
            return
        bare, comments = without_comments(text)
        if bare.lstrip().startswith(b"["):
            try:
                documents = msgspec.json.decode(bare, type=list[Raw])
            except _NO_JSON as error:
                yield Refused(RefusalReason.NOT_JSON, _detail(error), str(path))
                return
            for number, document in enumerate(documents, 1):
                yield self.measurement(bytes(document), f"{path}[{number}]")
            return
        yield from self._measurements(bare, str(path), hint=f"{comments[:_HINT_MAX]} {path.name}")

    def _read_sql(self, path: Path, lines: Iterator[bytes]) -> Iterator[ProbeResult | Refused]:
        outcomes = rows(line.decode("utf-8", "replace") for line in lines)
        for number, row in enumerate(outcomes, 1):
            place = f"{path}, row {number}"
            if isinstance(row, SqlError):
                yield Refused(RefusalReason.NOT_SQL, str(row), place)
            else:
                yield self.row(row, place)

    # ---- one measurement

    def measurement(self, value: bytes, place: str, *, hint: str = "") -> ProbeResult | Refused:
        """One measurement, whole, or the test keys of Web Connectivity alone; `hint` may hold its OONI id."""
        try:
            head = msgspec.json.decode(value, type=Head)
            if head.raw_measurement and bytes(head.test_keys) == b"null":
                # OONI's API wraps the measurement in a document about it.
                return self.measurement(
                    head.raw_measurement.encode(errors="replace"), place, hint=head.measurement_uid or hint
                )
            whole = bytes(head.test_keys) != b"null"
            if head.test_name in APPS:
                return self._app(head, place, hint=hint, value=value)
            if head.test_name in single_steps.TESTS:
                return self._step(head, place, hint=hint, value=value)
            if head.test_name not in {"web_connectivity", None}:
                return Refused(RefusalReason.OTHER_TEST, head.test_name or "", place)
            if not whole and head.test_name is not None:
                return Refused(RefusalReason.MEASUREMENT_FAILED, "no test keys", place)
            if not whole and not _has_events(value):
                return Refused(RefusalReason.NOT_A_MEASUREMENT, "neither test_name nor test keys", place)
            keys = msgspec.json.decode(head.test_keys if whole else value, type=TestKeys)
        except msgspec.ValidationError as error:
            return Refused(RefusalReason.NOT_A_MEASUREMENT, _detail(error), place)
        except _NO_JSON as error:
            return Refused(RefusalReason.NOT_JSON, _detail(error), place)
        url = head.input or (keys.x_control_request.http_request if keys.x_control_request else "")
        platform = self.platforms.of_url(url)
        if platform is None:
            return Refused(RefusalReason.NO_HOST, f"input {url[:200]!r} names no host", place)
        return self._told(
            head, lambda: find(keys, url), place, hint=hint, value=value, platform=platform, target=url
        )

    def _measurements(self, value: bytes, place: str, *, hint: str = "") -> Iterator[ProbeResult | Refused]:
        """One measurement; or, of an answer with sums, each row."""
        item = self.measurement(value, place, hint=hint)
        if (
            isinstance(item, Refused)
            and item.reason is RefusalReason.NOT_A_MEASUREMENT
            and (b'"ok_count"' in value or b'"dimension_count"' in value)
        ):
            try:
                rows = msgspec.json.decode(value, type=aggregation.AggregationAnswer).rows
            except _NO_JSON as error:
                yield Refused(RefusalReason.NOT_A_MEASUREMENT, f"no aggregation: {_detail(error)}", place)
                return
            for number, row in enumerate(rows, 1):
                yield self._sum(row, f"{place}, row {number}")
            return
        yield item

    def _sum(self, value: Raw, place: str) -> ProbeResult | Refused:
        """One row of an answer with sums."""
        try:
            row = msgspec.json.decode(value, type=aggregation.AggregationRow)
        except _NO_JSON as error:
            return Refused(RefusalReason.NOT_A_MEASUREMENT, _detail(error), place)
        test = row.test_name or ""
        url = row.input or row.domain or ""
        platform = PLATFORM_TESTS.get(test) or self.platforms.of_url(url)
        country, time = _known(row.probe_cc) or self.country, _time(row.measurement_start_day) or self.time
        if platform is None:
            return Refused(RefusalReason.NO_HOST, "neither domain nor input: ask for that axis", place)
        if country is None or time is None:
            missing = "probe_cc (--country)" if country is None else "measurement_start_day (--time)"
            return Refused(RefusalReason.NO_PLACE_OR_TIME, f"no {missing}", place)
        try:
            count, good = aggregation.counts(row)
        except RowError as error:
            return Refused(error.reason, str(error), place)
        asn = _asn(row.probe_asn)
        return self._result(
            Observation(good == count),
            place,
            identity=msgspec.json.encode(
                (aggregation.TEST, country, asn, platform, url, test, time.isoformat())
            ),
            time=time,
            platform=platform,
            country=country,
            asn=asn if asn is not None else (self.asn or 0),
            target=url or None,
            test=aggregation.TEST,
            counts=(count, good),
        )

    def _app(self, head: Head, place: str, *, hint: str, value: bytes) -> ProbeResult | Refused:
        """One measurement of a messaging app."""
        test = head.test_name or ""
        if bytes(head.test_keys) == b"null":
            return Refused(RefusalReason.MEASUREMENT_FAILED, "no test keys", place)
        keys = msgspec.json.decode(head.test_keys, type=AppKeys)
        platform, _ = APPS[test]

        def find_out() -> Observation:
            if (time := _time(head.measurement_start_time)) is not None:
                check_version(test, head.test_version or "", head.engine, time)
            return find_app(test, keys)

        return self._told(head, find_out, place, hint=hint, value=value, platform=platform, target=None)

    def _step(self, head: Head, place: str, *, hint: str, value: bytes) -> ProbeResult | Refused:
        """One measurement of a single step."""
        test = head.test_name or ""
        if bytes(head.test_keys) == b"null":
            return Refused(RefusalReason.MEASUREMENT_FAILED, "no test keys", place)
        keys = msgspec.json.decode(head.test_keys, type=single_steps.StepKeys)
        try:
            url = single_steps.url_of(test, keys, head.input or "")
        except NothingToTellError as error:
            return Refused(RefusalReason.OTHER_TEST, f"{test}: {error}", place)
        platform = self.platforms.of_url(url)
        if platform is None:
            return Refused(RefusalReason.NO_HOST, f"input {url[:200]!r} names no host", place)
        return self._told(
            head,
            lambda: single_steps.find_step(test, keys),
            place,
            hint=hint,
            value=value,
            platform=platform,
            target=url,
        )

    def _told(
        self,
        head: Head,
        find_out: Callable[[], Observation],
        place: str,
        *,
        hint: str,
        value: bytes,
        platform: str,
        target: str | None,
    ) -> ProbeResult | Refused:
        """A measurement whose test keys are read, with its place and time."""
        uid = _UID.search(head.measurement_uid or head.id or hint)
        country = _known(head.probe_cc) or (uid["cc"] if uid else None) or self.country
        time = _time(head.measurement_start_time) or _time_of_uid(uid) or self.time
        if country is None or time is None:
            missing = "probe_cc (--country)" if country is None else "measurement_start_time (--time)"
            return Refused(RefusalReason.NO_PLACE_OR_TIME, f"no {missing}", place)
        asn = _asn(head.probe_asn)
        try:
            finding = find_out()
        except NothingToTellError as error:
            return Refused(RefusalReason.MEASUREMENT_FAILED, str(error), place)
        return self._result(
            finding,
            place,
            identity=head.measurement_uid or (uid[0] if uid else None) or value,
            time=time,
            platform=platform,
            country=country,
            asn=asn if asn is not None else (self.asn or 0),
            target=target,
            test=head.test_name or "web_connectivity",
        )

    def row(self, row: SqlRow, place: str) -> ProbeResult | Refused:
        """One row of the fast path."""
        missing = {"probe_cc", "probe_asn", "test_name", "measurement_start_time", "anomaly"} - row.keys()
        if missing:
            return Refused(RefusalReason.NOT_A_MEASUREMENT, f"no column {', '.join(sorted(missing))}", place)
        test, url = row["test_name"] or "", row.get("input") or ""
        platform = PLATFORM_TESTS.get(test)
        if platform is None and test != "web_connectivity":
            return Refused(RefusalReason.OTHER_TEST, test, place)
        if is_true(row.get("msm_failure")):
            return Refused(RefusalReason.MEASUREMENT_FAILED, "the measurement itself failed", place)
        if platform is None:
            platform = self.platforms.of_url(url or row.get("domain") or "")
        if platform is None:
            return Refused(RefusalReason.NO_HOST, f"input {url[:200]!r} names no host", place)
        time = _time(row["measurement_start_time"]) or self.time
        if time is None:
            return Refused(RefusalReason.NO_PLACE_OR_TIME, f"time {row['measurement_start_time']!r}", place)
        try:
            finding = find_row(row)
        except ValueError as error:
            return Refused(RefusalReason.NOT_A_MEASUREMENT, str(error), place)
        return self._result(
            finding,
            place,
            identity=row.get("measurement_uid") or msgspec.json.encode(row),
            time=time,
            platform=platform,
            country=row["probe_cc"] or self.country or "",
            asn=_asn(row["probe_asn"]) or self.asn or 0,
            target=url or None,
            test=test,
        )

    def _result(
        self,
        finding: Observation,
        place: str,
        *,
        identity: str | bytes,
        time: datetime,
        platform: str,
        country: str,
        asn: int,
        target: str | None,
        test: str,
        counts: tuple[int, int] | None = None,
    ) -> ProbeResult | Refused:
        raw = identity.encode("utf-8", "replace") if isinstance(identity, str) else identity
        result = ProbeResult(
            id="ooni-" + hashlib.blake2b(raw, digest_size=12).hexdigest(),
            time=time,
            platform=platform,
            country=country,
            asn=asn,
            # OONI names no vantage, on purpose: all its probes of a network are one.
            vantage=f"ooni-{country}-AS{asn}",
            ok=finding.ok,
            target=target[:_TARGET_MAX] if target else None,
            stage=finding.stage,
            failure=finding.failure,
            control_ok=finding.control_ok,
            timings_ms=finding.timings_ms,
            bytes=finding.bytes,
            simulated=self.simulated,
            source="ooni",
            method=test,
            count=counts[0] if counts else UNSET,
            good=counts[1] if counts else UNSET,
        )
        checked = decode(encode(result))
        if isinstance(checked, Malformed):
            return Refused(RefusalReason.INVALID, f"{checked.reason}: {checked.detail}", place)
        return result


_ABSENT: Final = Raw(b"null")
#: Brackets may be deeper than any stack.
_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: So much of the comments is looked through for an OONI id.
_HINT_MAX: Final = 4096
_DETAIL_MAX: Final = 200


class Head(Struct, frozen=True):
    """The envelope of a measurement (base data format of https://github.com/ooni/spec)."""

    test_name: str | None = None
    test_version: str | None = None
    annotations: Raw = _ABSENT
    input: str | None = None
    probe_cc: str | None = None
    probe_asn: str | int | None = None
    measurement_start_time: str | None = None
    measurement_uid: str | None = None
    id: str | None = None
    test_keys: Raw = _ABSENT
    raw_measurement: str | None = None

    @property
    def engine(self) -> str:
        """The version of the client's engine; empty where it is not told."""
        try:
            return msgspec.json.decode(self.annotations, type=_Annotations).engine_version or ""
        except _NO_JSON:
            return ""


class _Annotations(Struct, frozen=True):
    engine_version: str | None = None


class _Events(Struct, frozen=True):
    queries: Raw = _ABSENT
    tcp_connect: Raw = _ABSENT
    requests: Raw = _ABSENT


def _has_events(value: bytes) -> bool:
    events = msgspec.json.decode(value, type=_Events)
    return any(bytes(part) != b"null" for part in (events.queries, events.tcp_connect, events.requests))


#: An OONI measurement id: when the collector had it (UTC), where it was made, which test.
_UID: Final = re.compile(r"(?P<time>20\d{6}(?:\d{6}\.\d+)?)?_?(?P<cc>[A-Z]{2})_[a-z]+_(?P<tail>[0-9a-f]{8,})")


def _time_of_uid(uid: re.Match[str] | None) -> datetime | None:
    if uid is None:
        return None
    text = uid["time"] or uid["tail"][:8]
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S" if len(text) > 8 else "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _time(text: str | None) -> datetime | None:
    """A time as OONI writes it: UTC, without saying so."""
    try:
        time = datetime.fromisoformat(text or "")
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _known(country: str | None) -> str | None:
    return country if country and country != "ZZ" else None


def _asn(value: str | int | None) -> int | None:
    text = str(value or "").upper().removeprefix("AS")
    # 32 bits are ten digits; Python takes no number of thousands of them.
    return int(text) if len(text) <= 10 and text.isdecimal() else None


def _detail(error: Exception) -> str:
    return str(error)[:_DETAIL_MAX]


#: One that does not end reaches to the end of the text: else each further beginning would be looked through to there.
_COMMENT_OR_STRING: Final = re.compile(
    rb'"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL
)


def without_comments(text: bytes) -> tuple[bytes, str]:
    """JSON with comments (`//`, `/* */`) as JSON, and what the comments said.

    >>> without_comments(b'// who\\n{"url": "https://x.com/"}')
    (b'\\n{"url": "https://x.com/"}', '// who')
    """
    comments: list[str] = []

    def keep(match: re.Match[bytes]) -> bytes:
        piece = match[0]
        if piece.startswith(b'"'):
            return piece
        comments.append(piece.decode("utf-8", "replace"))
        return b""

    return _COMMENT_OR_STRING.sub(keep, text), " ".join(comments)


def _is_sql(line: bytes) -> bool:
    return line.lstrip().lower().startswith((b"insert", b"--", b"create", b"set ", b"use "))


def _is_whole(line: bytes) -> bool:
    """Whether a line is a JSON object by itself: then every line is."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        msgspec.json.decode(line, type=Raw)
    except _NO_JSON:
        return False
    return True


def _next_lines(stream: IO[bytes]) -> list[bytes]:
    """The next two lines, or those that there are: `{"a":`, `{}`, `}` is a document, though its second line is one."""
    return [line for _ in range(2) if (line := stream.readline(MEASUREMENT_BYTES_MAX))]


def _lines(first: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Lines, each cut at the largest measurement that is read; the rest of a longer one is passed over."""
    line = first
    while line:
        yield line
        while line and len(line) >= MEASUREMENT_BYTES_MAX and not line.endswith(b"\n"):
            line = stream.readline(MEASUREMENT_BYTES_MAX)
        line = stream.readline(MEASUREMENT_BYTES_MAX)
