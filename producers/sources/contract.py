"""What every source has in common: a reader that goes through a stream, and gives results, signals, and what it
refused.

One bad row never stops a file: it is returned with its reason. Nothing here opens a file or knows a topic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO, Any, Final

import msgspec

from producers.records import Malformed, ProbeResult, decode, encode
from producers.signals import Signal, encode_signal, fault

DOCUMENT_BYTES_MAX: Final = 64 * 1024 * 1024
_DETAIL_MAX: Final = 200
#: A number from here on is of smaller units, and so many of these are a second: 1e11 seconds are the year 5138.
_UNITS: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
#: A number as short as 20240120 is a date.
_DATE_DIGITS: Final = 8
#: What some programs put before UTF-8.
BOM: Final = b"\xef\xbb\xbf"
#: What a JSON text raises that is none; brackets may be deeper than any stack.
NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RefusalReason(StrEnum):
    """Why a measurement was not written."""

    NOT_JSON = "not_json"
    NOT_SQL = "not_sql"
    DAMAGED_FILE = "damaged_file"
    TOO_LARGE = "too_large"
    NOT_A_MEASUREMENT = "not_a_measurement"
    OTHER_TEST = "other_test"
    MEASUREMENT_FAILED = "measurement_failed"
    NO_PLACE_OR_TIME = "no_place_or_time"
    NO_HOST = "no_host"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Refused:
    """A measurement that was not written: why, and where it stands."""

    reason: RefusalReason
    detail: str
    place: str


Item = ProbeResult | Signal | Refused
#: A source's reader: the stream's name, for messages, and the stream, unpacked.
Read = Callable[[str, IO[bytes]], Iterator[Item]]


class RowError(ValueError):
    """One row can't be used; the message says why."""

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that hold anything, with their numbers from 1."""
    number = 0
    while line := stream.readline(DOCUMENT_BYTES_MAX):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM)
        if line.strip():
            yield number, line


def whole(stream: IO[bytes]) -> bytes:
    """The whole stream. Raises RowError if it is too large to be one document."""
    data = stream.read(DOCUMENT_BYTES_MAX + 1)
    if len(data) > DOCUMENT_BYTES_MAX:
        raise RowError(RefusalReason.TOO_LARGE, f"more than {DOCUMENT_BYTES_MAX} bytes")
    return data.removeprefix(BOM)


def document(name: str, stream: IO[bytes], rows: Callable[[Any], Iterator[tuple[str, Any]]]) -> Iterator[Any]:
    """Rows of one JSON document: each with its place, or Refused for the whole. `rows` may raise what JSON of another
    shape leads to (KeyError, TypeError, ValueError, AttributeError).
    """
    try:
        parsed = msgspec.json.decode(whole(stream))
        yield from rows(parsed)
    except RowError as error:
        yield Refused(error.reason, str(error), name)
    except NO_JSON as error:
        yield Refused(RefusalReason.NOT_JSON, detail(error), name)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        yield Refused(RefusalReason.NOT_A_MEASUREMENT, f"another shape: {detail(error)}", name)


def each(rows: Iterator[Any], make: Callable[[Any], Iterator[ProbeResult | Signal]]) -> Iterator[Item]:
    """What each row gives, checked; a row that gives nothing good is refused, and the next one goes on."""
    for row in rows:
        if isinstance(row, Refused):
            yield row
            continue
        place, content = row
        try:
            for item in make(content):
                yield checked(item, place)
        except RowError as error:
            yield Refused(error.reason, str(error)[:_DETAIL_MAX], place)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
            yield Refused(RefusalReason.NOT_A_MEASUREMENT, detail(error), place)


def checked(item: ProbeResult | Signal, place: str) -> Item:
    """The item, or why it is none: what the topic's readers would refuse is refused here, with its place."""
    if isinstance(item, Signal):
        try:
            again = msgspec.convert(msgspec.to_builtins(item), Signal)
        except msgspec.ValidationError as error:
            return Refused(RefusalReason.INVALID, detail(error), place)
        wrong = fault(again)
        return (
            item
            if wrong is None
            else Refused(RefusalReason.INVALID, f"{wrong.reason}: {wrong.detail}", place)
        )
    read = decode(encode(item))
    if isinstance(read, Malformed):
        return Refused(RefusalReason.INVALID, f"{read.reason}: {read.detail}", place)
    return item


def encoded(item: ProbeResult | Signal) -> bytes:
    """A record as it goes onto a topic, or a line of a file."""
    return encode_signal(item) if isinstance(item, Signal) else encode(item)


def identity(source: str, *facts: object) -> str:
    """An id that the same facts give again: the same file twice is no double.

    >>> identity("ioda", 1) == identity("ioda", 1), len(identity("ioda", 1))
    (True, 29)
    """
    text = "\0".join(map(str, facts)).encode("utf-8", "replace")
    return f"{source}-{hashlib.blake2b(text, digest_size=12).hexdigest()}"


def epoch(seconds: float | str) -> datetime:
    """A moment, from seconds since 1970. Raises RowError for what is none."""
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"time {seconds!r}") from error


def check_stretch(begin: datetime, end: datetime) -> None:
    """Raise RowError for an outage that ends before it began: as two signals it would never be over."""
    if end < begin:
        raise RowError(
            RefusalReason.INVALID,
            f"it ends at {end:%Y-%m-%dT%H:%M:%SZ}, before it began ({begin:%Y-%m-%dT%H:%M:%SZ})",
        )


def moment(text: str | float) -> datetime:
    """A moment, from ISO 8601 (UTC where no zone is named) or seconds since 1970. Raises RowError for what is none.

    BigQuery writes ` UTC` after the time. A long number is milli-, micro- or nanoseconds, as many programs count; it is
    no date without hyphens either.

    >>> moment("2024-01-20 13:41:07 UTC") == moment("1705758067") == moment(1705758067000) == moment("1705758067000.0")
    True
    >>> moment(1705758067000000) == moment("1705758067000000000") == moment("1705758067")
    True
    """
    try:
        if isinstance(text, int | float):
            return epoch(_seconds(text))
        if not isinstance(text, str):
            raise RowError(RefusalReason.NO_PLACE_OR_TIME, "no time")
        text = text.strip()
        if text.isascii() and text.isdigit() and len(text) > _DATE_DIGITS:
            return epoch(_seconds(int(text)))
        return _moment_of_text(text)
    except (RowError, OverflowError) as error:
        raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"time {text!r}: {TIME_REMEDY}") from error


def _moment_of_text(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text.removesuffix(" UTC"))
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except ValueError:
        try:
            return epoch(_seconds(float(text)))
        except ValueError as error:
            raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"time {text!r}: {TIME_REMEDY}") from error


#: What to do about a time that is none.
TIME_REMEDY: Final = "write it like 2024-01-20T13:41:07Z, or as seconds since 1970"


def _seconds(number: float) -> float:
    return next((number / per_second for least, per_second in _UNITS if abs(number) >= least), number)


def detail(error: Exception) -> str:
    """An error's words, short."""
    return (str(error) or type(error).__name__)[:_DETAIL_MAX]
