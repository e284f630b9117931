"""ProbeResult, VantageStatus and Tick: what stands on the topic `netdusk.probes.v1`, and how bytes become them.

Facts only. Nothing here knows the time: whether a record is late or from the future is for its reader to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from producers.countries import CANARY, COUNTRIES
from producers.failures import Failure, Stage
from producers.names import PLATFORM_REMEDY, escaped, is_platform, is_printable, is_region

PROBE_SCHEMA: Final = "netdusk.probe/1"
VANTAGE_STATUS_SCHEMA: Final = "netdusk.vantage-status/1"
BUNDLE_SCHEMA: Final = "netdusk.bundle/1"
#: How every bundle begins: its first line is written without spaces, the schema first.
BUNDLE_BEGINS: Final = b'{"schema":"netdusk.bundle/1"'
TICK_SCHEMA: Final = "netdusk.tick/1"
#: A file without a clock gets a tick every few seconds: they are told by their form.
_TICK_BEGINS: Final = b'{"schema":"netdusk.tick/1","time":"'
BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32

#: What a record may have for its country.
PLACES: Final = COUNTRIES | {CANARY}

#: A time outside of these is a broken clock, whoever reads it.
TIME_MIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
TIME_MAX: Final = datetime(2100, 1, 1, tzinfo=UTC)

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
#: A name is so long at most.
NAME_MAX: Final = 64
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Target = Annotated[str, Meta(max_length=2048)]
Asn = Annotated[int, Meta(ge=0, le=4_294_967_295)]
#: No attempt takes longer than a day, and no body has more bytes than a double counts.
Milliseconds = Annotated[float, Meta(ge=0, le=86_400_000)]
Bytes = Annotated[int, Meta(ge=0, le=2**53)]
#: A rhythm slower than a week promises nothing that anybody would miss.
EVERY_SECONDS_MAX: Final = 604_800
Seconds = Annotated[float, Meta(gt=0, le=EVERY_SECONDS_MAX)]
#: A speed as a share of another; above this neither was measured.
SpeedRatio = Annotated[float, Meta(ge=0, le=1_000_000)]
#: So many attempts a record can stand for; more of them need more records.
COUNT_MAX: Final = 10_000
AwareTime = Annotated[datetime, Meta(tz=True)]

#: Who measured, where nothing is said.
PROBE_SOURCE: Final = "probe"


class Timings(Struct, frozen=True, kw_only=True, gc=False):
    """How long each step took, in milliseconds; None for one that was not reached."""

    dns: Milliseconds | None = None
    tcp: Milliseconds | None = None
    tls: Milliseconds | None = None
    ttfb: Milliseconds | None = None
    total: Milliseconds | None = None
    quic: Milliseconds | None = None


class ProbeResult(Struct, frozen=True, kw_only=True, gc=False, tag_field="schema", tag=PROBE_SCHEMA):
    """One attempt to reach one target of a platform, from one vantage; or several, summed up.

    `time` is when the attempt began. `region` is ISO 3166-2. `control_ok` says whether the same target
    answered, at about that time, from a vantage outside the country (None: not known). `bytes` counts the
    body received, `status` is the HTTP status code. `every_seconds` is the rhythm that the vantage promises for this
    target. A record with `count` stands for so many attempts, of which `good` succeeded: `ok` then says whether all
    did, and stage and failure are of the others. `source` says who measured, `method` by which of its tests.
    """

    id: Identifier
    time: AwareTime
    platform: Name
    country: str
    asn: Asn
    vantage: Identifier
    ok: bool
    target: Target | None = None
    region: str | None = None
    stage: Stage | None = None
    failure: Failure | None = None
    control_ok: bool | None = None
    timings_ms: Timings | None = None
    bytes: Bytes | None = None
    simulated: bool = False
    # The later ones are left out of the text where they are not given.
    every_seconds: Seconds | UnsetType | None = UNSET
    count: Annotated[int, Meta(ge=1, le=COUNT_MAX)] | UnsetType | None = UNSET
    good: Annotated[int, Meta(ge=0, le=COUNT_MAX)] | UnsetType | None = UNSET
    source: Name | UnsetType = UNSET
    method: Name | UnsetType | None = UNSET
    status: Annotated[int, Meta(ge=100, le=599)] | UnsetType | None = UNSET
    # When the earliest of the certificates ends that were shown and verified.
    certificate_expires: AwareTime | UnsetType | None = UNSET
    # Whether the name's HTTPS record says how a ClientHello can be encrypted (ECH), where it was asked for.
    ech_offered: bool | UnsetType | None = UNSET
    # The target's speed as a share of that of a control, which the same vantage measured at the same time.
    speed_ratio: SpeedRatio | UnsetType | None = UNSET

    @property
    def measured_by(self) -> str:
        """Who measured: `probe` where nothing else is said."""
        return self.source or PROBE_SOURCE


class VantagePresence(StrEnum):
    """What a vantage says of itself."""

    UP = "up"
    LEAVING = "leaving"


class VantageStatus(Struct, frozen=True, kw_only=True, tag_field="schema", tag=VANTAGE_STATUS_SCHEMA):
    """A vantage says that it measures, in which rhythm and how many targets, or that it stops in good order."""

    vantage: Identifier
    country: str
    asn: Asn
    time: AwareTime
    status: VantagePresence
    region: str | None = None
    every_seconds: Seconds | None = None
    targets: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    version: Name | None = None


class Tick(Struct, frozen=True, kw_only=True, tag_field="schema", tag=TICK_SCHEMA):
    """The clock, written into every partition: time arrives with the log."""

    time: AwareTime


class Reason(StrEnum):
    """Why a record was not applied.

    Most are told from the bytes alone; `no_key`, `wrong_key` and `wrong_partition` by where the record stands,
    `too_many_names` and `too_many_results` by what came before it, `late` and `future` by the clock. Those from
    `bundle_damaged` to `wrong_speaker` are told by who speaks: see `streams/step/bundles.py`.
    """

    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_JSON = "not_json"
    UNKNOWN_SCHEMA = "unknown_schema"
    REPEATED_MEMBER = "repeated_member"
    UNKNOWN_COUNTRY = "unknown_country"
    UNKNOWN_REGION = "unknown_region"
    FORBIDDEN_PLATFORM = "forbidden_platform"
    FORBIDDEN_NAME = "forbidden_name"
    UNKNOWN_FAILURE = "unknown_failure"
    OK_WITH_FAILURE = "ok_with_failure"
    COUNT_DISAGREES = "count_disagrees"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    INVALID = "invalid"
    NO_KEY = "no_key"
    WRONG_KEY = "wrong_key"
    WRONG_PARTITION = "wrong_partition"
    TOO_MANY_NAMES = "too_many_names"
    TICK_REFUSED = "tick_refused"
    FUTURE = "future"
    LATE = "late"
    BUNDLE = "bundle"
    BUNDLE_DAMAGED = "bundle_damaged"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    BAD_SIGNATURE = "bad_signature"
    REPLAYED = "replayed"
    WRONG_SPEAKER = "wrong_speaker"
    TOO_MANY_RESULTS = "too_many_results"
    STEP_FAILED = "step_failed"


class Malformed(Struct, frozen=True):
    """Bytes that are no record, and why: the reason from the closed list, the detail for a person."""

    reason: Reason
    detail: str


Decoded = ProbeResult | VantageStatus | Tick | Malformed
ProbeRecord = ProbeResult | VantageStatus | Tick

_decode: Callable[[bytes], ProbeRecord] = msgspec.json.Decoder(ProbeRecord).decode
_encode = msgspec.json.Encoder().encode
#: Everything that msgspec and the types it makes raise at a text: its own errors, numbers with too many digits, years
#: that no offset fits into, and what nests too deep.
UNREADABLE: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)


def encode(record: ProbeRecord) -> bytes:
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
    if value.startswith(BUNDLE_BEGINS):
        return Malformed(Reason.BUNDLE, "a bundle stands for many records, and is none itself")
    if len(value) > BYTES_MAX:
        return Malformed(Reason.TOO_LARGE, f"{len(value)} bytes; the most is {BYTES_MAX}")
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX and _depth(value) > DEPTH_MAX:
        return Malformed(Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")
    try:
        record = _decode(value)
        if not _is_plain_tick(value) and (name := repeated(value)) is not None:
            return Malformed(Reason.REPEATED_MEMBER, f"member {name[:64]!a} stands there twice")
        return _fault(record) or record
    except UNREADABLE as error:
        return _why(error)


def _fault(record: ProbeRecord) -> Malformed | None:
    """Return why a record of the right types is refused, or None if it is good."""
    if not TIME_MIN <= record.time < TIME_MAX:
        return Malformed(Reason.TIME_OUT_OF_RANGE, f"time {record.time} is no time of this century")
    if isinstance(record, Tick):
        return None
    if record.country not in PLACES:
        return Malformed(
            Reason.UNKNOWN_COUNTRY, f"country {record.country[:64]!a} is not in ISO 3166-1 alpha-2"
        )
    if record.region is not None and not is_region(record.region, record.country):
        return Malformed(
            Reason.UNKNOWN_REGION, f"region {record.region[:64]!a} is no ISO 3166-2 code of {record.country}"
        )
    if not is_printable(record.vantage):
        return _forbidden("vantage", record.vantage)
    return _result_fault(record) if isinstance(record, ProbeResult) else _status_fault(record)


def _result_fault(record: ProbeResult) -> Malformed | None:
    if not is_platform(record.platform):
        return Malformed(Reason.FORBIDDEN_PLATFORM, f"platform {record.platform!a}: {PLATFORM_REMEDY}")
    if record.target is not None and not is_printable(record.target):
        return _forbidden("target", record.target)
    if not is_printable(record.id):
        return _forbidden("id", record.id)
    for name in (record.source, record.method):
        if name and not is_printable(name):
            return _forbidden("source or method", name)
    if record.ok and record.failure is not None:
        return Malformed(Reason.OK_WITH_FAILURE, f"ok, and yet failure {record.failure.value!r}")
    return _count_fault(record)


def _count_fault(record: ProbeResult) -> Malformed | None:
    if not record.count:
        if isinstance(record.good, int):
            return Malformed(Reason.COUNT_DISAGREES, f"good {record.good} of an unknown count")
        return None
    good = good_of(record)
    if good > record.count or record.ok != (good == record.count):
        return Malformed(Reason.COUNT_DISAGREES, f"ok is {record.ok}, good {good} of count {record.count}")
    return None


def _status_fault(record: VantageStatus) -> Malformed | None:
    if record.version is not None and not is_printable(record.version):
        return _forbidden("version", record.version)
    return None


def _forbidden(what: str, name: str) -> Malformed:
    return Malformed(Reason.FORBIDDEN_NAME, f"{what} {name[:64]!a} holds a character that can't be printed")


def key_fault(record: Decoded, key: bytes | None) -> Malformed | None:
    """Return why a record may not stand under its key, or None if it may.

    Records of a country have the country for their key, so that its partition follows from it. A tick is in all
    partitions, and may have any.
    """
    if isinstance(record, Malformed | Tick) or key == record.country.encode():
        return None
    if not key:
        return Malformed(Reason.NO_KEY, f"no key; write {record.country}, the record's country")
    return Malformed(Reason.WRONG_KEY, f"key {key[:64]!r}; write {record.country}, the record's country")


def may_measure(country: str, region: str | None, vantage: str) -> bool:
    """Whether results may come from there: whether `decode` takes these three.

    >>> may_measure("PK", "PK-PB", "lahore-3"), may_measure("PK", "IN-DL", "lahore-3"), may_measure("XX", None, "v")
    (True, False, False)
    """
    return country in PLACES and (region is None or is_region(region, country)) and is_printable(vantage)


def may_be_asked(platform: str, target: str) -> bool:
    """Whether results may be of that target of that platform: whether `decode` takes both.

    >>> may_be_asked("x", "https://x.com/"), may_be_asked("X", "")
    (True, False)
    """
    return is_platform(platform) and is_printable(target)


def good_of(record: ProbeResult) -> int:
    """How many of the attempts that a record stands for succeeded."""
    if isinstance(record.good, int):
        return record.good
    return (record.count or 1) if record.ok else 0


def _is_plain_tick(value: bytes) -> bool:
    """Whether a record has the two members of a tick, and no quotation marks for another."""
    return value.startswith(_TICK_BEGINS) and value.count(b'"') == 8


def repeated(value: bytes) -> str | None:
    """Return the name of a member that stands twice in one object, or None if there is none.

    A parser takes either of the two, and another parser the other one.
    """
    # Where no name is escaped and none stands apart from its colon, `":` ends each name and nothing else. As many of
    # them as there are members: none stands there twice.
    apart = b" :" in value or b"\t:" in value or b"\n:" in value or b"\r:" in value
    if not apart and b"\\" not in value:
        members = msgspec.json.decode(value)
        timings = members.get("timings_ms")
        if value.count(b'":') == len(members) + (len(timings) if isinstance(timings, dict) else 0):
            return None
    twice: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice.extend(name for name in names if names.count(name) > 1)

    text = value.decode("utf-8", "replace")
    json.loads(text, object_pairs_hook=look, parse_int=len, parse_float=len, strict=False)
    return twice[0] if twice else None


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
    detail = escaped(str(error)[:200])[:200]
    if not isinstance(error, msgspec.ValidationError):
        return Malformed(Reason.NOT_JSON, detail)
    if "$.schema" in detail or "`schema`" in detail or detail.startswith("Expected `object`"):
        return Malformed(Reason.UNKNOWN_SCHEMA, detail)
    if "$.failure" in detail and "enum" in detail:
        return Malformed(Reason.UNKNOWN_FAILURE, detail)
    return Malformed(Reason.INVALID, detail)
