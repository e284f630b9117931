"""Records that nobody should write: each of these kinds is refused, and records that may be anything."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

START: Final = datetime(2025, 6, 2, tzinfo=UTC)
Record = dict[str, Any]


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def good(draw: random.Random, number: int, moment: datetime) -> Record:
    """A record that is applied."""
    ok = draw.random() < 0.95
    return {
        "schema": "netdusk.probe/1",
        "id": f"good-{number}",
        "time": text(moment),
        "platform": draw.choice(["x", "wiki"]),
        "country": "PK",
        "asn": draw.choice([17557, 9541, 45595]),
        "vantage": draw.choice(["lahore", "karachi"]),
        "ok": ok,
        "stage": None if ok else "tls",
        "failure": None if ok else "connection_reset",
        "control_ok": True,
        "timings_ms": {"dns": 12.1, "tcp": 31.0, "tls": 60.5, "ttfb": 100.25, "total": 480.5},
        "bytes": 51200,
    }


def written(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _put(**changes: object) -> Callable[[random.Random, Record], bytes]:
    return lambda draw, record: written(record | changes)


def _raw(member: str, literal: bytes) -> Callable[[random.Random, Record], bytes]:
    return lambda draw, record: written(record | {member: "@@"}).replace(b'"@@"', literal)


def _without(draw: random.Random, record: Record) -> bytes:
    name = draw.choice(["schema", "id", "time", "platform", "country", "asn", "vantage", "ok"])
    return written({key: value for key, value in record.items() if key != name})


def _twice(draw: random.Random, record: Record) -> bytes:
    name = draw.choice(list(record))
    member = written({name: draw.choice([record[name], "PK", 7, None])})[1:-1]
    if draw.random() < 0.3:
        member = member.replace(name[:1].encode(), b"\\u%04x" % ord(name[0]), 1)
    if draw.random() < 0.3:
        member = member.replace(b":", draw.choice([b" :", b"\n:", b"\t : "]), 1)
    value = written(record)
    return value[:-1] + b"," + member + b"}" if draw.random() < 0.5 else b"{" + member + b"," + value[1:]


#: How a record becomes one that is refused.
KINDS: Final[dict[str, Callable[[random.Random, Record], bytes]]] = {
    "nothing": lambda draw, record: b"",
    "cut off": lambda draw, record: written(record)[: draw.randrange(1, 100)],
    "noise": lambda draw, record: draw.randbytes(draw.randrange(1, 300)),
    "UTF-16": lambda draw, record: written(record).decode().encode("utf-16"),
    "a byte order mark": lambda draw, record: b"\xef\xbb\xbf" + written(record),
    "a NUL in it": lambda draw, record: written(record).replace(b"PK", b"P\x00K"),
    "two of them": lambda draw, record: written(record) * 2,
    "a list": lambda draw, record: b"[" + written(record) + b"]",
    "brackets": lambda draw, record: b"[" * draw.randrange(1, 60_000),
    "deep": lambda draw, record: written(record)[:-1] + b',"a":' + b'{"a":' * 200 + b"1" + b"}" * 201,
    "large": _put(target="x" * 70_000),
    "a long target": _put(target="x" * 3000),
    "a member less": _without,
    "a member twice": _twice,
    "a timing twice": lambda draw, record: written(record).replace(b'"dns":12.1', b'"dns":1,"dns":2'),
    "another schema": _put(schema="netdusk.probe/9"),
    "the schema of a tick, without a time": lambda draw, record: b'{"schema":"netdusk.tick/1"}',
    "no country": _put(country="??"),
    "Klingon": _put(country="pk"),
    "region of another country": _put(region="IN-DL"),
    "an empty region": _put(region=""),
    "year 1": _put(time="0001-01-01T00:00:00+14:00"),
    "year 9999": _put(time="9999-12-31T23:59:59-14:00"),
    "no zone": _put(time="2025-06-02T00:00:00"),
    "the 30th of February": _put(time="2025-02-30T00:00:00Z"),
    "a second 61": _put(time="2025-06-02T00:00:61Z"),
    "yesterday": _put(time=text(START - timedelta(days=1))),
    "tomorrow": _put(time=text(START + timedelta(days=1, hours=9))),
    "2**63": _raw("asn", b"9223372036854775808"),
    "2**64 bytes": _raw("bytes", b"18446744073709551616"),
    "5,000 digits": _raw("asn", b"9" * 5000),
    "minus one": _raw("asn", b"-1"),
    "not a number": _raw("asn", b"NaN"),
    "infinity": lambda draw, record: written(record).replace(b"480.5", b"1e999"),
    "a negative time": lambda draw, record: written(record).replace(b"480.5", b"-480.5"),
    "ok is a word": _put(ok="true"),
    "ok, and failed": _put(ok=True, failure="connection_reset"),
    "an unknown failure": _put(ok=False, failure="blocked"),
    "a platform in capitals": _put(platform="X"),
    "a platform of two lines": _put(platform="x\ny"),
    "a platform of Cyrillic": _put(platform="х"),
    "a vantage that turns the line": _put(vantage="lahore\u202e"),
    "a vantage of no width": _put(vantage="\u200b"),
    "a vantage that rings": _put(vantage="\x07lahore"),
    "a vantage of half a character": _raw("vantage", b'"\\ud800"'),
    "a target with an escape": _put(target="\x1b[31mred"),
    "more good than all": _put(ok=True, failure=None, count=2, good=3),
    "a count of a billion": _put(count=10**9),
    "a rhythm of nothing": _put(every_seconds=0),
    "a status beyond HTTP": _put(status=1000),
    "a vantage that sleeps": _put(schema="netdusk.vantage-status/1", status="asleep"),
}


def hostile(draw: random.Random, number: int, moment: datetime) -> bytes:
    """A record that is refused, of a kind that follows from its number."""
    kinds = list(KINDS.values())
    return kinds[number % len(kinds)](draw, good(draw, number, moment) | {"id": f"bad-{number}"})


#: What may stand in a record in place of something else, right or wrong.
SPLICES: Final = [
    b"", b" ", b"\t", b"\n", b'"', b"\\", b"\\u0041", b"\x00", b"\x7f", b"\xc3\xa9", b"\xff", b",", b":", b"{", b"}",
    b"[", b"]", b"-", b"0", b"1", b"9", b".", b"e5", b"E-3", b"null", b"true", b"false", b"1999", b"2100", b"24", b"60",
    b"+00:00", b"Z", b"ZZ", b"123456789012345678901234567890", b"9007199254740993", b"1e400", b"86400001",
    b"4294967296", b'"asn":17557,', b'"ok":true,', b'"timings_ms":{},', b'"region":"",', b'"region":null,',
    b'"more":[1],', b'"id":"",', b'"count":3,', b'"good":2,', b'"good":null,', b'"every_seconds":0.5,',
    b'"status":200,', b'"source":"ooni",',
    b'"netdusk.tick/1"', b'"target":"https://x.example/",', b"-0", b"00", b"0.1000000000000000055511151231257827",
]  # fmt: skip


def mutant(draw: random.Random, record: Record) -> bytes:
    """A record with some bytes changed: right or wrong, nobody knows."""
    value = json.dumps(record, separators=draw.choice([(",", ":"), (", ", ": ")])).encode()
    return mangled(draw, value) if draw.random() < 0.75 else value


_STRANGE: Final = [
    "note",
    "naïve",
    "проба",
    "\U0001f600",
    "a b",
    "",
    "id ",
    "OK",
    "Zeit",
    'quo"ted',
    "line\nbreak",
    "\x7f",
]


def foreign(draw: random.Random, record: Record) -> bytes:
    """The same record as somebody else may write it: all that JSON leaves free, and members that nobody knows."""
    record = dict(record)
    if isinstance(record.get("time"), str) and draw.random() < 0.5:
        offset = timezone(timedelta(minutes=draw.choice([-720, -210, -1, 0, 60, 300, 345, 840])))
        record["time"] = (
            datetime.fromisoformat(record["time"])
            .astimezone(offset)
            .isoformat(draw.choice("T "), draw.choice(["auto", "milliseconds", "microseconds"]))
        )
    if isinstance(record.get("timings_ms"), dict) and draw.random() < 0.5:
        record["timings_ms"] = record["timings_ms"] | {draw.choice(_STRANGE): _unknown(draw, 0)}
    for _ in range(draw.choice([0, 0, 1, 3])):
        record[draw.choice(_STRANGE)] = _unknown(draw, 0)
    return _json(draw, dict(draw.sample(list(record.items()), len(record)))).encode()


def _unknown(draw: random.Random, depth: int) -> object:
    kind = draw.randrange(9)
    if kind == 0 and depth < 12:
        return {name: _unknown(draw, depth + 1) for name in draw.sample(_STRANGE, draw.randrange(3))}
    if kind == 1 and depth < 12:
        return [_unknown(draw, depth + 1) for _ in range(draw.randrange(3))]
    if kind == 2:
        return draw.choice([0, -1, 12345678901234567890123, 0.5, -2.5e-9, 1e100])
    return draw.choice([None, True, False, *_STRANGE])


def _json(draw: random.Random, value: object) -> str:
    """A value as JSON, with white space and escapes wherever they may stand."""
    space = draw.choice(["", "", "", " ", "\n\t", "\r\n"])
    if isinstance(value, dict):
        inside = ",".join(f"{space}{_json(draw, k)}{space}:{_json(draw, v)}" for k, v in value.items())
        return f"{space}{{{inside}{space}}}{space}"
    if isinstance(value, list):
        inside = ",".join(_json(draw, one) for one in value)
        return f"{space}[{inside}]{space}"
    if isinstance(value, str):
        rate = draw.choice([0.0, 0.0, 0.1, 1.0])
        return f'{space}"{"".join(_letter(draw, letter, rate) for letter in value)}"{space}'
    if isinstance(value, float) and draw.random() < 0.3:
        return space + draw.choice([f"{value:.16e}", f"{value!r}".replace("e", "E"), f"{value:.1f}"]) + space
    return space + json.dumps(value) + space


def _letter(draw: random.Random, letter: str, rate: float) -> str:
    if letter in '"\\' or letter < " ":
        return json.dumps(letter)[1:-1]
    if draw.random() >= rate:
        return letter
    if letter == "/" and draw.random() < 0.5:
        return "\\/"
    units = letter.encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def mangled(draw: random.Random, value: bytes) -> bytes:
    """Some bytes changed."""
    for _ in range(draw.randrange(1, 4)):
        place, over = draw.randrange(len(value) + 1), draw.choice([0, 0, 1, 2, 4, 8])
        value = value[:place] + draw.choice(SPLICES) + value[place + over :]
    return value
