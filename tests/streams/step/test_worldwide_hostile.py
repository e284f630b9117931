"""What anybody may write on the health topic: it is refused with its reason, and what is right is weighed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from producers.names import is_printable
from producers.records import Reason
from streams.machine import Chunk
from streams.records import HealthRecord, Rejected, encode
from streams.settings import Settings
from streams.step.worldwide import WorldMachine

START = datetime(2024, 1, 20, 12, tzinfo=UTC)
GOOD = encode(
    HealthRecord(
        platform="x", country="PK", start=START, n=100, k=98, expected=0.98, reachability=0.98, score=0.0,
        networks_live=5, networks_bad=0,
    )
)  # fmt: skip
BAD = {
    "2**63 results": (GOOD.replace(b'"n":100', b'"n":9223372036854775808'), Reason.INVALID),
    "2**65 results": (GOOD.replace(b'"n":100', b'"n":36893488147419103232'), Reason.INVALID),
    "2**65 controls": (
        GOOD.replace(b'"controls_bad":0', b'"controls_bad":36893488147419103232'),
        Reason.INVALID,
    ),
    "5,000 digits": (GOOD.replace(b'"n":100', b'"n":' + b"9" * 5000), Reason.INVALID),
    "minus one": (GOOD.replace(b'"k":98', b'"k":-1'), Reason.INVALID),
    "a share of two": (GOOD.replace(b'"reachability":0.98', b'"reachability":2'), Reason.INVALID),
    "year 1": (GOOD.replace(b"2024-01-20T12:00:00Z", b"0001-01-01T00:00:00+14:00"), Reason.TIME_OUT_OF_RANGE),
    "year 2099": (GOOD.replace(b"2024-", b"2099-"), Reason.FUTURE),
    "no zone": (GOOD.replace(b"00Z", b"00"), Reason.TIME_OUT_OF_RANGE),
    "deep": (b"[" * 50_000, Reason.INVALID),
    "large": (GOOD[:-1] + b',"more":"' + b"x" * 70_000 + b'"}', Reason.TOO_LARGE),
    "no country": (GOOD.replace(b"PK", b"\\u202e"), Reason.UNKNOWN_COUNTRY),
    "a forged platform": (GOOD.replace(b'"x"', b'"x\\u202e"'), Reason.FORBIDDEN_PLATFORM),
    "a forged failure": (
        GOOD.replace(b'"failures":{}', b'"failures":{"tls.\\u202e":3}'),
        Reason.FORBIDDEN_NAME,
    ),
    "twice": (GOOD[:-1] + b',"k":0}', Reason.REPEATED_MEMBER),
    "a forged schema": (GOOD.replace(b"netdusk.health/1", b"\\u202e"), Reason.INVALID),
    "another record": (b'{"schema":"netdusk.tick/1","time":"2024-01-20T12:00:00Z"}', Reason.INVALID),
    "nothing": (None, Reason.INVALID),
}


@pytest.mark.parametrize(("value", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_health_record_is_refused_and_stops_nothing(value: bytes | None, reason: Reason) -> None:
    machine = WorldMachine(Settings())
    stamp = int((START + timedelta(seconds=95)).timestamp() * 1000)
    rows = machine.read(Chunk("h", 0, [0, 1], [value, GOOD], [stamp, stamp]))
    outbox = machine.apply(machine.decode_batch(rows.encode()))
    assert (outbox.applied, outbox.rejected) == (1, 1)
    told = [msgspec.json.decode(message.value, type=Rejected) for message in rows.rejects]
    assert [record.reason for record in told] == [reason]
    assert all(is_printable(record.detail) for record in told)
