"""What is done to all records of a chunk at once gives what would be given one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.readings import MonitorKey
from producers.records import ProbeResult, Reason, Timings, decode, encode
from streams.machine import Chunk
from streams.settings import Settings
from streams.step import rows as rows_module
from streams.step.country import CountryMachine
from streams.step.rows import (
    MECHANISMS,
    Column,
    RowReader,
    fields,
    measures,
    names_of,
    renumbered,
    times,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
ODD_TIMES = [
    "",
    "2024-01-20T13:41:07z",
    "2024-01-20 13:41:07Z",
    "2024-01-20T13:41:07.Z",
    "2024-01-20T13:41:07.9999999Z",
    "2024-01-20T13:41:07+00:00",
    "2024-01-20T13:41:07,250Z",
    "2024-02-30T13:41:07Z",
    "2024-00-20T13:41:07Z",
    "0000-01-20T13:41:07Z",
    "2024-01-20T24:00:00Z",
    "2024-01-20T13:60:07Z",
    "2024-01-20T13:41:60Z",
    "2024-01-20T13:41:0:Z",
    "2024-W03-6T13:41:07Z",
    "２024-01-20T13:41:07Z",
]

GOOD = ProbeResult(
    id="a",
    time=datetime(2024, 1, 20, 13, 41, 7, 250_000, tzinfo=UTC),
    platform="x",
    country="PK",
    region="PK-PB",
    asn=17557,
    vantage="v",
    ok=True,
    timings_ms=Timings(ttfb=30.0, total=80.0),
    bytes=5000,
)
TEXT = encode(GOOD)
DEEP = TEXT[:-1] + b',"more":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}"
VALUES: list[bytes | None] = [
    TEXT,
    TEXT.replace(b'"timings_ms":{"dns":null', b'"unknown":[[[1]]],"timings_ms":{"dns":null'),
    b'{"schema":"netdusk.tick/1","time":"2024-01-20T13:41:00Z"}',
    b'{"schema":"netdusk.tick/1","time":"1970-01-01T00:00:00Z"}',
    TEXT.replace(b"2024", b"1999"),
    TEXT.replace(b"2024", b"2100"),
    *(TEXT.replace(b"2024-01-20T13:41:07.250000Z", text.encode()) for text in ODD_TIMES),
    TEXT.replace(b'"PK"', b'"ZZ"'),
    TEXT.replace(b"5000", b"9" * 400),
    TEXT.replace(b"PK-PB", b"US-CA"),
    TEXT.replace(b"{", b"{{{"),
    DEEP,
    TEXT[:-1] + b',"pad":"' + b"[" * 70_000 + b'"}',
    None,
    b"",
    b"\xff\xfe",
    b"null",
]


def test_one_that_is_too_deep_is_found_among_many_good_ones() -> None:
    values = [TEXT] * 1500 + [DEEP] + [TEXT] * 700
    found = CountryMachine(Settings()).read(Chunk("t", 0, range(len(values)), values))
    assert [(refused.place, refused.reason) for refused in found.refusals] == [(1500, Reason.TOO_DEEP)]
    assert len(found.ids) == 2200


@given(st.lists(st.lists(st.sampled_from(VALUES), max_size=40), max_size=3))
def test_the_machine_reads_a_chunk_as_its_records_are(chunks: list[list[bytes | None]]) -> None:
    together, one_by_one = CountryMachine(Settings()), CountryMachine(Settings())
    for values in chunks:
        found = together.read(Chunk("t", 0, range(len(values)), values))
        wanted = one_by_one.read_decoded([decode(value) for value in values])
        assert replace(found, next_offset=0).encode() == replace(wanted, next_offset=0).encode()
        assert found.refusals == wanted.refusals
        together.apply(found)
        one_by_one.apply(wanted)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)))
def test_a_time_is_its_whole_milliseconds(at: datetime) -> None:
    assert times([at]) == [(at - EPOCH) // MILLISECOND]


def test_what_was_not_measured_is_no_number() -> None:
    def result(timings: Timings | None, size: int | None) -> ProbeResult:
        return ProbeResult(
            id="a",
            time=GOOD.time,
            platform="x",
            country="PK",
            asn=1,
            vantage="v",
            ok=True,
            timings_ms=timings,
            bytes=size,
        )

    ttfb, throughput = measures(
        fields(
            [
                result(None, 5000),
                result(Timings(ttfb=30.0), 5000),
                result(Timings(ttfb=30.0, total=80.0), None),
                result(Timings(ttfb=30.0, total=80.0), 0),
                result(Timings(ttfb=30.0, total=30.5), 5000),
                result(Timings(ttfb=30.0, total=80.0), 5000),
                # Two milliseconds or nine: such a body came at once.
                result(Timings(ttfb=30.0, total=32.0), 5000),
                result(Timings(ttfb=30.0, total=39.0), 5000),
            ]
        )
    )
    assert math.isnan(ttfb[0])
    assert ttfb[1:].tolist() == [30.0] * 7
    assert np.isnan(throughput[:5]).all()
    assert throughput[5:].tolist() == [100_000.0, 500_000.0, 500_000.0]


def with_other_failures(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
    """As a release that has these mechanisms, in this order, would have it."""
    monkeypatch.setattr(rows_module, "MECHANISMS", tuple(names))
    monkeypatch.setattr(rows_module, "_NUMBER", {name: code for code, name in enumerate(names)})


def test_codes_are_written_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    some = ["ok", MECHANISMS[-1], MECHANISMS[5], "ok"]
    codes = np.array([MECHANISMS.index(name) for name in some], dtype=np.int16)
    names = names_of(codes)
    assert sorted(names.values()) == sorted(set(some) - {"ok"})
    later = ["ok", "dns.new_failure", *reversed(MECHANISMS[1:])]
    with_other_failures(monkeypatch, later)
    now = renumbered(codes, names)
    assert [later[code] for code in now.tolist()] == some
    assert now.dtype == np.int16
    assert len(renumbered(codes[:0], {})) == 0


def test_a_failure_that_is_no_more_is_unknown() -> None:
    codes = np.array([0, 700, 3], dtype=np.int16)
    now = renumbered(codes, {700: "tls.gone_since", 3: MECHANISMS[3]})
    assert [MECHANISMS[code] for code in now.tolist()] == ["ok", "unknown.unknown_failure", MECHANISMS[3]]


def test_a_column_of_a_later_release_is_filled_in_an_older_log() -> None:
    column = Column(np.int32, fill=1)
    assert column.read(None, 3).tolist() == [1, 1, 1]
    assert column.write(np.ones(3, dtype=np.int32)) == b""
    assert column.read(column.write(np.ones(3, dtype=np.int32)), 3).tolist() == [1, 1, 1]
    some = np.array([1, 5], dtype=np.int32)
    assert column.read(column.write(some), 2).tolist() == [1, 5]
    with pytest.raises(ValueError, match="missing"):
        Column(np.int32).read(None, 3)


NAMES = st.sampled_from(["", "a", "B", "b", "aa", "\u00e9", "\U0001f600", "\uffee"])
MONITORS = st.builds(
    MonitorKey,
    NAMES,
    st.sampled_from(["PK", "KE"]),
    NAMES,
    st.sampled_from([2, 10, 9, 1]),
    NAMES,
    st.booleans(),
    NAMES,
)


@given(st.lists(MONITORS, unique=True, min_size=1), st.data())
def test_monitors_are_named_and_ordered_by_their_numbers_alone(
    monitors: list[MonitorKey], data: st.DataObject
) -> None:
    reader = RowReader()
    numbers = reader.learn(monitors)
    assert list(reader.named(numbers)) == monitors
    chosen = np.array(data.draw(st.lists(st.sampled_from(numbers.tolist()), unique=True, min_size=1)))
    assert list(reader.named(reader.ordered(chosen))) == sorted(monitors[number] for number in chosen)
