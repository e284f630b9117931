"""Signal: a number from elsewhere about a country, a region or a network of it, on the topic `netdusk.signals.v1`.

A fact of its source: how many answered pings, how many use Tor, whether the source itself tells of an outage. What it
means beside an incident is for others to say.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from producers.countries import CANARY, COUNTRIES
from producers.names import escaped, is_printable, is_region
from producers.records import (
    TIME_MAX,
    TIME_MIN,
    UNREADABLE,
    Asn,
    AwareTime,
    Malformed,
    Name,
    Reason,
    repeated,
)

SIGNAL_SCHEMA: Final = "netdusk.signal/1"
_BYTES_MAX: Final = 16 * 1024
_PLACES: Final = COUNTRIES | {CANARY}


class Signal(Struct, frozen=True, kw_only=True, tag_field="schema", tag=SIGNAL_SCHEMA):
    """One reading. `usual` is what its source calls usual for then, where it says so; `url` leads to the original.

    `name` says what is counted, in the source's own word; less than usual is what is looked for, unless the name is
    one of `EVENTS`: there 1 says that the source tells of an outage, and 0 that it is over.

    `part` is a part of the country that has no code in ISO 3166-2, in the source's own word: no word on the whole.
    `vantages` is how the names of the vantages begin that it counts, up to a dash, where these are not named as their
    source: who is judged by results of their own is no other source.
    """

    source: Name
    country: str
    time: AwareTime
    name: Name
    value: float
    region: str | None = None
    asn: Asn | None = None
    usual: float | None = None
    url: Annotated[str, Meta(max_length=2048)] | None = None
    simulated: bool = False
    part: Name | None = None
    vantages: Name | None = None


#: Signals that are a source's own judgement.
EVENTS: Final = frozenset(("outage", "alert", "traffic_anomaly"))

_decoder = msgspec.json.Decoder(Signal)


def encode_signal(signal: Signal) -> bytes:
    """Write a signal as its topic has it."""
    return msgspec.json.encode(signal)


def decode_signal(value: bytes | None) -> Signal | Malformed:
    """Read a signal, or say why not. Any bytes at all are answered.

    >>> decode_signal(b'{"schema":"netdusk.tick/1"}').reason.value
    'unknown_schema'
    """
    if value is None:
        return Malformed(Reason.NOT_JSON, "no value")
    if len(value) > _BYTES_MAX:
        return Malformed(Reason.TOO_LARGE, f"{len(value)} bytes; the most is {_BYTES_MAX}")
    try:
        signal = _decoder.decode(value)
        twice = repeated(value)
    except UNREADABLE as error:
        reason = Reason.UNKNOWN_SCHEMA if "schema" in str(error) else Reason.INVALID
        return Malformed(reason, escaped(str(error)[:200])[:200])
    if twice is not None:
        return Malformed(Reason.REPEATED_MEMBER, f"member {twice[:64]!a} stands there twice")
    return fault(signal) or signal


def fault(signal: Signal) -> Malformed | None:
    """Return why a signal is refused, or None if it is good."""
    if not TIME_MIN <= signal.time < TIME_MAX:
        return Malformed(Reason.TIME_OUT_OF_RANGE, f"time {signal.time} is no time of this century")
    if signal.country not in _PLACES:
        return Malformed(
            Reason.UNKNOWN_COUNTRY, f"country {signal.country[:64]!a} is not in ISO 3166-1 alpha-2"
        )
    if signal.region is not None and not is_region(signal.region, signal.country):
        return Malformed(Reason.UNKNOWN_REGION, f"region {signal.region[:64]!a} is none of {signal.country}")
    texts = (signal.source, signal.name, signal.url or "", signal.part or "", signal.vantages or "")
    if not all(map(is_printable, texts)):
        return Malformed(
            Reason.FORBIDDEN_NAME,
            "source, name, url, part or vantages holds a character that can't be printed",
        )
    if not math.isfinite(signal.value) or not math.isfinite(signal.usual or 0.0):
        return Malformed(Reason.INVALID, "value and usual have to be numbers")
    return None
