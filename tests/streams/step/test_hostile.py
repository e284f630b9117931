"""What anybody may write: all good records are applied, each hostile one is refused once, and no series changes."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from producers.names import is_printable
from producers.records import Malformed, Reason, VantagePresence, VantageStatus, decode, encode
from streams.machine import Chunk
from streams.records import Rejected
from streams.settings import LimitSettings, Settings
from streams.step.country import CountryMachine
from streams.step.rows import RowReader
from tests.streams.step.hostile import KINDS, START, good, hostile, written

MANY = 1_500
CHUNK = 500
#: Names that are invented in a minute: about as many as monitors are kept.
PER_MINUTE = 200


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_refused_whatever_reads_it(kind: str) -> None:
    draw = random.Random(kind)
    value = KINDS[kind](draw, good(draw, 0, START))
    machine = CountryMachine(Settings())
    stamp = int(START.timestamp() * 1000)
    values = [written(good(draw, 1, START)), value]
    outbox = machine.apply(machine.read(Chunk("t", 0, [0, 1], values, [stamp, stamp], [b"PK", b"PK"])))
    assert (outbox.applied, outbox.rejected + outbox.late, len(outbox.before)) == (1, 1, 1)


def log(seed: int, *, bad: bool) -> list[tuple[bytes | None, bytes | None, int]]:
    """Key, value and time of good records, and hostile ones in between."""
    draw, noise = random.Random(seed), random.Random(seed + 1)
    records: list[tuple[bytes | None, bytes | None, int]] = []
    for number in range(MANY):
        moment = START + timedelta(seconds=number)
        stamp = int(moment.timestamp() * 1000)
        records.append((b"PK", written(good(draw, number, moment)), stamp))
        if bad:
            value: bytes | None = hostile(noise, number, moment)
            key: bytes | None = b"PK"
            if number % 29 == 0:
                key = noise.choice([None, b"", b"US", b"pk", b"\xff" * 1000])
                value = written(good(noise, number, moment) | {"id": f"bad-{number}"})
            elif number % 31 == 0:
                value = None
            records.append((key, value, stamp))
    return records


def run(records: list[tuple[bytes | None, bytes | None, int]]) -> tuple[CountryMachine, list[Rejected]]:
    machine = CountryMachine(Settings())
    rejected: list[Rejected] = []
    for first in range(0, len(records), CHUNK):
        keys, values, stamps = zip(*records[first : first + CHUNK], strict=True)
        rows = machine.read(Chunk("t", 0, range(first, first + len(values)), values, stamps, keys))
        outbox = machine.apply(rows)
        rejected += [msgspec.json.decode(message.value, type=Rejected) for message in outbox.before]
    return machine, rejected


def test_thousands_of_hostile_records_among_as_many_good_ones() -> None:
    machine, rejected = run(log(5, bad=True))
    calm, none = run(log(5, bad=False))
    assert none == []
    assert machine.totals.applied == calm.totals.applied == MANY
    assert len({record.offset for record in rejected}) == len(rejected) == MANY
    assert all(record.detail for record in rejected)
    assert machine._bank.snapshot() == calm._bank.snapshot()
    assert machine._assembler.snapshot() == calm._assembler.snapshot()
    reasons = Counter(record.reason for record in rejected)
    away = {Reason.WRONG_PARTITION, Reason.TOO_MANY_NAMES, Reason.TICK_REFUSED, Reason.STEP_FAILED}
    # Of bundles and of who speaks: see test_bundles.py and test_trust.py.
    away |= {Reason.BUNDLE, Reason.BUNDLE_DAMAGED, Reason.UNKNOWN_KEY, Reason.REVOKED_KEY}
    away |= {Reason.BAD_SIGNATURE, Reason.REPLAYED, Reason.WRONG_SPEAKER, Reason.TOO_MANY_RESULTS}
    assert set(reasons) >= {reason.value for reason in Reason} - away, reasons


def test_whatever_is_refused_says_why_in_few_words() -> None:
    draw = random.Random(1)
    for number in range(len(KINDS)):
        record = decode(hostile(draw, number, START))
        if isinstance(record, Malformed):
            assert 0 < len(record.detail) <= 250
            assert record.detail.isprintable()


@pytest.mark.parametrize("kind", ["vantage", "platform", "asn", "region", "target"])
def test_invented_names_end_somewhere(kind: str) -> None:
    limits = LimitSettings(
        platforms=20, networks=30, regions=10, vantages=40, series=100, targets=15, monitors=200
    )
    machine = CountryMachine(Settings(limits=limits))
    draw = random.Random(2)
    refused, sizes = 0, []
    for minute in range(6):
        moment = START + timedelta(minutes=minute)
        stamp = int(moment.timestamp() * 1000)
        values = [written(good(draw, minute, moment))]
        for number in range(PER_MINUTE):
            name = f"n{minute}-{number}"
            invented: dict[str, object] = {
                "vantage": name,
                "platform": name,
                "asn": minute * PER_MINUTE + number,
                "region": f"PK-{number:03d}",
                "target": f"https://{name}.example/",
            }
            record = good(draw, number, moment) | {"id": name, kind: invented[kind]}
            values.append(written(record))
        rows = machine.read(Chunk("t", 0, range(len(values)), values, [stamp] * len(values), None))
        outbox = machine.apply(rows)
        refused += outbox.rejected
        sizes.append(len(machine._bank.monitors))
        assert outbox.applied + outbox.rejected == len(values)
    assert sizes[-1] == sizes[-2] <= 200
    # Of all others the result counts without the name, or as the country's `other` one.
    assert refused > 4.5 * PER_MINUTE if kind == "asn" else refused == 0
    assert len(machine.snapshot()) < 2_000_000


SIGNS = ["\x00", "\x1b", "\x7f", "\x85", "\xad", "\u061c", "\u180e", "\u200b", "\u202e", "\u2028", "\u2066"]
SIGNS += ["\u3164", "\ufeff", "\ufff9", "\U000e0041"]


@pytest.mark.parametrize(
    "member", ["id", "platform", "vantage", "target", "source", "method", "region", "schema"]
)
def test_no_name_holds_a_sign_that_cannot_be_seen_whoever_reads_it(member: str) -> None:
    draw = random.Random(member)
    values = [written(good(draw, 1, START) | {member: f"a{sign}b"}) for sign in SIGNS]
    for value in values:
        record = decode(value)
        assert isinstance(record, Malformed)
        assert is_printable(record.detail), record.detail
    block = RowReader().read(values)
    assert [place for place, _ in block.others] == list(range(len(values)))


@pytest.mark.parametrize("seconds", [31, 3600, 400 * 86_400])
@pytest.mark.parametrize("presence", list(VantagePresence))
def test_a_word_ahead_of_time_is_refused_and_does_nothing(presence: VantagePresence, seconds: int) -> None:
    word = VantageStatus(
        vantage="lahore", country="PK", asn=17557, time=START + timedelta(seconds=seconds), status=presence
    )
    draw, stamp = random.Random(1), int(START.timestamp() * 1000)
    values = [written(good(draw, 1, START)), encode(word)]
    machine = CountryMachine(Settings())
    outbox = machine.apply(machine.read(Chunk("t", 0, [0, 1], values, [stamp, stamp], [b"PK", b"PK"])))
    kept = [msgspec.json.decode(message.value, type=Rejected) for message in outbox.before]
    assert [(record.offset, record.reason) for record in kept] == [(1, Reason.FUTURE)]
    totals = machine.totals
    assert (totals.applied, totals.rejected, totals.ticks) == (1, 1, 0)
