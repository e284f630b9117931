"""ProbeResult and Tick: what stands on the topic `netdusk.probes.v1`, and how bytes become them or are refused.

Facts only. Nothing here knows the time: whether a record is late or from the future is for its reader to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from producers.countries import CANARY, COUNTRIES
from producers.failures import Failure, Stage

PROBE_SCHEMA: Final = "netdusk.probe/1"
TICK_SCHEMA: Final = "netdusk.tick/1"
BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32

_PLACES: Final = COUNTRIES | {CANARY}

#: A time outside of these is a broken clock, whoever reads it.
TIME_MIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
TIME_MAX: Final = datetime(2100, 1, 1, tzinfo=UTC)

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Asn = Annotated[int, Meta(ge=0, le=4_294_967_295)]
#: No attempt takes longer than a day, and no body has more bytes than a double counts.
Milliseconds = Annotated[float, Meta(ge=0, le=86_400_000)]
Bytes = Annotated[int, Meta(ge=0, le=2**53)]
AwareTime = Annotated[datetime, Meta(tz=True)]


class Timings(Struct, frozen=True, kw_only=True, gc=False):
    """How long each step took, in milliseconds; None for one that was not reached."""

    dns: Milliseconds | None = None
    tcp: Milliseconds | None = None
    tls: Milliseconds | None = None
    ttfb: Milliseconds | None = None
    total: Milliseconds | None = None


class ProbeResult(Struct, frozen=True, kw_only=True, gc=False, tag_field="schema", tag=PROBE_SCHEMA):
    """One attempt to reach one target of a platform, from one vantage.

    `time` is when the attempt began. `region` is ISO 3166-2. `control_ok` says whether the same target
    answered, at about that time, from a vantage outside the country (None: not known). `bytes` counts the
    body received.
    """

    id: Identifier
    time: AwareTime
    platform: Name
    country: str
    asn: Asn
    vantage: Identifier
    ok: bool
    target: str | None = None
    region: str | None = None
    stage: Stage | None = None
    failure: Failure | None = None
    control_ok: bool | None = None
    timings_ms: Timings | None = None
    bytes: Bytes | None = None
    simulated: bool = False


if TYPE_CHECKING:
    Place = str
else:
    Place = Literal[tuple(sorted(_PLACES))]


class Draft(ProbeResult, frozen=True, kw_only=True, gc=False, tag_field="schema", tag=PROBE_SCHEMA):
    """A ProbeResult whose time has not been read yet: for whoever reads the times of many at once."""

    time: str  # type: ignore[assignment]  # as it is written
    country: Place  # not made anew for each result


class _Known(
    Draft,
    frozen=True,
    kw_only=True,
    gc=False,
    forbid_unknown_fields=True,
    tag_field="schema",
    tag=PROBE_SCHEMA,
):
    """A Draft that has no fields but these."""


class Tick(Struct, frozen=True, kw_only=True, tag_field="schema", tag=TICK_SCHEMA):
    """The clock, written into every partition: time arrives with the log."""

    time: AwareTime


class _KnownTick(
    Tick, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="schema", tag=TICK_SCHEMA
):
    """A Tick that has no fields but these."""


class Reason(StrEnum):
    """Why a record was not applied. The first ones are told from the bytes alone, `late` and `future` by the clock."""

    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_JSON = "not_json"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNKNOWN_COUNTRY = "unknown_country"
    UNKNOWN_FAILURE = "unknown_failure"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    INVALID = "invalid"
    TICK_REFUSED = "tick_refused"
    FUTURE = "future"
    LATE = "late"


class Malformed(Struct, frozen=True):
    """Bytes that are no record, and why: the reason from the closed list, the detail for a person."""

    reason: Reason
    detail: str


Decoded = ProbeResult | Tick | Malformed

_decode: Callable[[bytes], ProbeResult | Tick] = msgspec.json.Decoder(ProbeResult | Tick).decode
_draft: Callable[[bytes], Draft | Tick] = msgspec.json.Decoder(Draft | Tick).decode
_known: Callable[[bytes], Draft | Tick] = msgspec.json.Decoder(_Known | _KnownTick).decode
_encode = msgspec.json.Encoder().encode
_REGION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")


def encode(record: ProbeResult | Tick) -> bytes:
    """Write a record as the topic has it: JSON, UTF-8."""
    return _encode(record)


def decode(value: bytes | None) -> Decoded:
    """Read one record, or say why not. Any bytes at all are answered; nothing is raised.

    >>> decode(b'{"schema":"netdusk.tick/1","time":"2024-01-20T13:41:00Z"}')
    Tick(time=datetime.datetime(2024, 1, 20, 13, 41, tzinfo=datetime.timezone.utc))
    >>> decode(b"{").reason.value
    'not_json'
    """
    if value is None:
        return Malformed(Reason.NOT_JSON, "no value")
    if len(value) > BYTES_MAX:
        return Malformed(Reason.TOO_LARGE, f"{len(value)} bytes; the most is {BYTES_MAX}")
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX and _depth(value) > DEPTH_MAX:
        return Malformed(Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")
    try:
        record = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _why(error)
    if not TIME_MIN <= record.time < TIME_MAX:
        return Malformed(
            Reason.TIME_OUT_OF_RANGE, f"time {record.time.isoformat()} is no time of this century"
        )
    if isinstance(record, ProbeResult):
        if record.country not in _PLACES:
            return Malformed(
                Reason.UNKNOWN_COUNTRY, f"country {record.country!r} is not in ISO 3166-1 alpha-2"
            )
        if record.region is not None and not _lies_in(record.region, record.country):
            return Malformed(
                Reason.INVALID, f"region {record.region!r} is no ISO 3166-2 code of {record.country}"
            )
    return record


def draft_chunk(values: Sequence[bytes | None]) -> tuple[list[Draft | Decoded], bool]:
    """Read the records of a chunk, but for the times of its results and for what `plainly_good` asks.

    What can't be read at all is `Malformed` here as it is from `decode`. Says too whether all are known to be shallow:
    where there is no field but those we know, nothing nests.
    """
    try:
        if max(map(len, values), default=0) <= BYTES_MAX:  # type: ignore[arg-type]  # hardly ever is there none
            return list(map(_known, values)), True  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):  # TypeError: no value
        pass
    return [_drafted(value) for value in values], False


def _drafted(value: bytes | None) -> Draft | Decoded:
    if value is None or len(value) > BYTES_MAX:
        return decode(value)
    try:
        return _draft(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode(value)


def plainly_good(
    *,
    brackets: int | None,
    due: int,
    first: datetime | None,
    last: datetime | None,
    places: Iterable[tuple[str, str | None]],
) -> bool:
    """Whether none of a chunk's parsed records can be too deep, out of time or out of place.

    Parameters
    ----------
    brackets
        How often `{` and `[` are in the chunk; None where all are known to be shallow. Where all records together have
        hardly more than are `due`, none can have the brackets that it takes to be too deep.
    due
        A bracket for each record, and one for the timings of each result that has them.
    first, last
        The earliest and the latest time of its records; None where none was parsed.
    places
        Country and region of its results; those known to be good need not be among them.
    """
    if brackets is not None and brackets > due + DEPTH_MAX - 2:
        return False
    if first is not None and last is not None and not TIME_MIN <= first <= last < TIME_MAX:
        return False
    return all(
        country in _PLACES and (region is None or _lies_in(region, country)) for country, region in places
    )


@lru_cache(maxsize=8192)
def _lies_in(region: str, country: str) -> bool:
    return _REGION.fullmatch(region) is not None and region[:2] == country


def _depth(value: bytes) -> int:
    """How deep brackets nest outside of strings. Wrong JSON gets some number, and is refused by the parser."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in value:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _why(error: Exception) -> Malformed:
    detail = str(error)[:200]
    if not isinstance(error, msgspec.ValidationError):
        return Malformed(Reason.NOT_JSON, detail)
    if "$.schema" in detail or "`schema`" in detail or detail.startswith("Expected `object`"):
        return Malformed(Reason.UNKNOWN_SCHEMA, detail)
    if "$.failure" in detail and "enum" in detail:
        return Malformed(Reason.UNKNOWN_FAILURE, detail)
    return Malformed(Reason.INVALID, detail)
