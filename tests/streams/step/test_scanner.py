"""Results that compiled code reads are read as without it, and what it should not read it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from string import ascii_letters, digits

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import UNSET

from producers.failures import Failure, Stage
from producers.records import Malformed, ProbeResult, Reason, Tick, Timings, decode, encode
from streams.step.rows import OF_RESULTS, Block, RowReader, Scanned, compiled
from tests.streams.step.hostile import foreign

COUNTRIES = ["PK", "US", "TV"]
REGIONS = {"PK": ["PK-PB", "PK-SD"], "US": ["US-CA"], "TV": []}
NAME = st.text(ascii_letters + digits + " .:/_-{}[],", min_size=1, max_size=20)
MILLISECONDS = st.none() | st.floats(0.001, 1e6) | st.integers(0, 90_000).map(float) | st.just(0.5)
#: Seeded by what is drawn: to draw each letter's chance from Hypothesis takes a hundred times as long.
DRAWS = st.integers(0, 2**32).map(Random)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59), timezones=st.just(UTC))


@st.composite
def results(draw: st.DrawFn) -> ProbeResult:
    country = draw(st.sampled_from(COUNTRIES))
    ok = draw(st.booleans())
    count = draw(st.just(UNSET) | st.none() | st.integers(1, 10_000))
    some = draw(st.integers(0, (count or 1) - 1)) if count else UNSET
    return ProbeResult(
        id=draw(NAME),
        time=draw(TIMES),
        platform=draw(st.sampled_from(["x", "facebook", "p" * 64])),
        country=country,
        asn=draw(st.sampled_from([0, 17557, 4_294_967_295])),
        vantage=draw(st.sampled_from(["v", "pk-lhe-1", "v" * 128])),
        ok=ok,
        target=draw(st.none() | NAME),
        region=draw(st.sampled_from([None, *REGIONS[country]])),
        stage=draw(st.none() | st.sampled_from(Stage)),
        failure=None if ok else draw(st.none() | st.sampled_from(Failure)),
        control_ok=draw(st.sampled_from([None, True, False])),
        timings_ms=draw(
            st.none() | st.builds(Timings, dns=MILLISECONDS, ttfb=MILLISECONDS, total=MILLISECONDS)
        ),
        bytes=draw(st.none() | st.integers(0, 2**53)),
        simulated=draw(st.booleans()),
        every_seconds=draw(st.sampled_from([UNSET, None, 60.0, 0.25, 604_800.0])),
        count=count,
        good=draw(st.sampled_from([UNSET, None, count])) if ok else some,
        source=draw(st.sampled_from([UNSET, "probe", "ooni"])),
        method=draw(st.sampled_from([UNSET, None, "web_connectivity"])),
        status=draw(st.sampled_from([UNSET, None, 100, 302, 599])),
        certificate_expires=draw(st.just(UNSET) | st.none() | TIMES),
        ech_offered=draw(st.sampled_from([UNSET, None, True, False])),
        speed_ratio=draw(st.sampled_from([UNSET, None, 0.0, 0.031_25, 1.0, 1_000_000.0])),
    )


PLAIN = (
    b'{"schema":"netdusk.probe/1","id":"01HMK3","time":"2024-02-29T13:41:07.250Z","platform":"x","country":"PK",'
    b'"region":"PK-PB","asn":17557,"vantage":"pk-lhe-1","simulated":true,"control_ok":true,"ok":false,'
    b'"target":"https://x.com/","stage":"tls","failure":"connection_reset",'
    b'"timings_ms":{"dns":12.5,"tcp":30,"tls":null,"ttfb":40.25,"total":140.5},"bytes":51200,'
    b'"every_seconds":60.5,"count":20,"good":17,"source":"ooni","method":"web_connectivity","status":302,'
    b'"certificate_expires":"2030-02-28T00:00:00Z","ech_offered":true,"speed_ratio":0.042}'
)
#: What may stand in a record in place of something else, right or wrong.
SPLICES = [
    b"", b" ", b'"', b"\\", b"\\u0041", b"\x00", b"\n", b"\xc3\xa9", b"\xff", b",", b":", b"{", b"}", b"[", b"]", b"-",
    b"0", b"1", b"9", b".", b"e5", b"E-3", b"null", b"true", b"false", b"1999", b"2100", b"13", b"30", b"31", b"60",
    b"24", b"00", b"+00:00", b"z", b"Z", b"US-CA", b"ZZ", b"netdusk.tick/1", b"123456789012345678901234567890",
    b"0.1000000000000000055511151231257827", b"9007199254740992",
    b"9007199254740993", b"1e400", b"86400000.0", b"86400001", b"4294967296", b'"asn":17557,', b'"ok":true,',
    b'"timings_ms":{},', b'"timings_ms":null,', b'"region":"",', b'"region":null,', b'"more":[1],', b'"id":"",',
    b'"count":3,', b'"count":null,', b'"count":10001,', b'"good":20,', b'"good":21,', b'"good":null,', b'"source":"",',
    b'"source":null,', b'"every_seconds":0,', b'"every_seconds":604801,', b'"status":99,', b'"status":600,',
    b'"speed_ratio":-0.1,', b'"speed_ratio":1000001,',
    b'"method":"",',
    b"\t", b"\r", b"\x7f", b"tru", b'"ok":false,', b"quic", b"Facebook",
]  # fmt: skip


#: An unknown name may hold anything, so the compiled reader takes what msgspec refuses.
UNKNOWN = (
    "{0}.{1}: streams/step/scanner.pyx doesn't know it, and takes whatever stands there: read it as `{2}` is"
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    value = PLAIN
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        over = draw(st.sampled_from([0, 0, 1, 2, 4, 8]))
        value = value[:at] + draw(st.sampled_from(SPLICES)) + value[at + over :]
    return value


def known(values: Sequence[bytes], *, scan: bool) -> RowReader:
    """A reader that knows the monitors of whatever can be read."""
    reader = RowReader(scan=scan)
    reader.learn(reader.block([decode(PLAIN), *map(decode, values)]).new_monitors)
    reader.begin()
    return reader


def told(block: Block) -> tuple[object, ...]:
    columns = [(getattr(block, name).dtype, getattr(block, name).tobytes()) for name in OF_RESULTS]
    return block.size, block.others, block.new_monitors, list(block.ids), columns


def left(values: list[bytes]) -> list[int]:
    """The places of what compiled code does not read."""
    scanner = RowReader(scan=True)._scanner
    assert scanner is not None
    return scanner.scan(values, None, [], *Scanned.room(len(values)))


def test_there_is_compiled_code_here() -> None:
    assert compiled()


def test_without_it_results_are_read_too() -> None:
    code = """
import sys
sys.modules["streams.step.scanner"] = None
from streams.step.rows import RowReader, compiled
print(compiled(), len(RowReader().read([sys.argv[1].encode()]).ids))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, PLAIN.decode()], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "1"]


@given(st.lists(results(), min_size=1, max_size=8))
def test_what_we_write_is_read_by_it_and_as_without_it(some: list[ProbeResult]) -> None:
    values = [encode(result) for result in some]
    assert left(values) == []
    assert told(known(values, scan=True).read(values)) == told(known(values, scan=False).read(values))


@given(st.lists(mutants(), min_size=1, max_size=8))
def test_whatever_it_reads_is_read_as_one_by_one(values: list[bytes]) -> None:
    wanted = told(known(values, scan=False).block([decode(value) for value in values]))
    assert told(known(values, scan=True).read(values)) == wanted
    assert told(known(values, scan=False).read(values)) == wanted


@given(st.lists(mutants(), min_size=1, max_size=8), st.integers(0, 8))
def test_where_a_block_ends_changes_nothing(values: list[bytes], cut: int) -> None:
    whole = known([], scan=True).read(values)
    reader = known([], scan=True)
    parts = [reader.read(values[:cut]), reader.read(values[cut:])]
    for name in OF_RESULTS:
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == getattr(whole, name).tobytes()
    assert [key for part in parts for key in part.new_monitors] == whole.new_monitors


def test_white_space_is_plain() -> None:
    spaced = json.dumps(json.loads(PLAIN), indent=2).encode() + b"\n"
    assert left([PLAIN, spaced, b"\t" + PLAIN + b" "]) == []
    assert told(known([], scan=True).read([spaced])) == told(known([], scan=True).read([PLAIN]))


def test_a_record_stands_under_its_country() -> None:
    reader = known([], scan=True)
    keys: list[bytes | None] = [b"PK", b"US", None, b"", b"PK"]
    block = reader.read([PLAIN] * 5, keys)
    assert len(block.ids) == 2
    reasons = [record.reason for _, record in block.others if isinstance(record, Malformed)]
    assert reasons == [Reason.WRONG_KEY, Reason.NO_KEY, Reason.NO_KEY]
    assert told(known([], scan=False).read([PLAIN] * 5, keys)) == told(block)


@given(mutants())
def test_what_is_no_result_is_left(value: bytes) -> None:
    if isinstance(decode(value), Malformed | Tick):
        assert left([PLAIN, value]) == [1]


@pytest.mark.parametrize(
    ("limit", "beyond"),
    [
        (b"i" * 128, b"i" * 129),
        (b"v" * 128, b"v" * 129),
        (b"p" * 64, b"p" * 65),
        (b"4294967295", b"4294967296"),
        (b"9007199254740992", b"9007199254740993"),
        (b"86400000", b"86400000.1"),
        (b"2000-01-01T00:00:00Z", b"1999-12-31T23:59:59.999Z"),
        (b"2099-12-31T23:59:59.999Z", b"2100-01-01T00:00:00Z"),
    ],
)
def test_the_limits_are_those_of_the_record(limit: bytes, beyond: bytes) -> None:
    stood = {
        b"i": b"01HMK3",
        b"v": b"pk-lhe-1",
        b"p": b'"x"',
        b"4": b"17557",
        b"9": b"51200",
        b"8": b"140.5",
        b"2": b"2024-02-29T13:41:07.250Z",
    }[limit[:1]]
    quoted = b'"%s"' if stood == b'"x"' else b"%s"
    most, more = (PLAIN.replace(stood, quoted % written) for written in (limit, beyond))
    assert isinstance(decode(most), ProbeResult) and isinstance(decode(more), Malformed)
    assert left([most, more]) == [1]


@given(st.lists(results(), min_size=1, max_size=4), DRAWS)
def test_what_others_write_is_read_by_it_and_as_without_it(some: list[ProbeResult], draw: Random) -> None:
    # Of the first and the last day of the century it leaves those that an offset takes out of it.
    assume(all(2000 < result.time.year < 2099 for result in some))
    values = [foreign(draw, json.loads(encode(result))) for result in some]
    assert left(values) == []
    assert told(known(values, scan=True).read(values)) == told(known(values, scan=False).read(values))


@pytest.mark.parametrize(
    "value",
    [
        PLAIN.replace(b"https:/", b"https:\\/"),
        PLAIN.replace(b"x.com", b"\\u043F\\ud83d\\uDE00.com"),
        PLAIN.replace(b"x.com", "пример.com".encode()),
        PLAIN.replace(b'"id"', b'"i\\u0064"'),
        PLAIN.replace(b"140.5", b"1405e-1"),
        PLAIN.replace(b"140.5", b"1.4050000000000000000001E+2"),
        PLAIN.replace(b"07.250Z", b"07.250+05:45"),
        PLAIN.replace(b"07.250Z", b"07.250912345-0330"),
        PLAIN[:-1] + b',"new":1}',
        PLAIN[:-1] + b',"new":' + b"9" * 107 + b".5e200}",
        PLAIN[:-1] + b',"new":' + b"[" * 31 + b"-1e-200" + b"]" * 31 + b"}",
        PLAIN.replace(b'"dns"', b'"later":{"a":[{"a":{}},[]]},"dns"'),
        PLAIN.replace(b'"dns"', b'"quic":40.5,"dns"'),
        PLAIN.replace(b'"dns"', b'"quic":null,"dns"'),
    ],
)
def test_every_form_is_read(value: bytes) -> None:
    assert isinstance(decode(value), ProbeResult)
    assert left([PLAIN, value, PLAIN]) == []
    assert told(known([value], scan=True).read([value])) == told(known([value], scan=False).read([value]))


@pytest.mark.parametrize(
    "value",
    [
        PLAIN[:-1] + b',"ok":false}',
        PLAIN.replace(b'"dns"', b'"quic":{},"dns"'),
        PLAIN.replace(b'"dns"', b'"quic":1e9,"dns"'),
        PLAIN[:-1] + b',"o\\u006b":false}',
        PLAIN[:-1] + b',"new":1,"n\\u0065w":1}',
        PLAIN[:-1] + b',"new":[{"a":1,"a":1}]}',
        PLAIN[:-1] + b',"new":' + b"[" * 32 + b"]" * 32 + b"}",
        PLAIN[:-1] + b',"new":01}',
        PLAIN[:-1] + b',"new":"\\ud800"}',
        PLAIN[:-1] + b',"new":"\xed\xa0\x80"}',
        PLAIN[:-1] + b',"new":1e999}',
        PLAIN.replace(b"pk-lhe-1", "pk-lhe-\u202e1".encode()),
        PLAIN.replace(b"ooni", b"\\u200b"),
        PLAIN.replace(b"07.250Z", b"07.250+24:00"),
        PLAIN.replace(b'"ok":false', b'"ok":true'),
        PLAIN.replace(b'"good":17', b'"good":20'),
        PLAIN.replace(b'"count":20,', b""),
        PLAIN.replace(b"https://x.com/", b"h" * 70_000),
        PLAIN.replace(b"https://x.com/", ("h" * 200 + "\u202e").encode()),
    ],
)
def test_what_is_refused_is_left(value: bytes) -> None:
    assert isinstance(decode(value), Malformed)
    assert left([PLAIN, value, PLAIN]) == [1]


@pytest.mark.parametrize("name", ProbeResult.__struct_fields__)
def test_each_field_of_a_result_is_known_to_it(name: str) -> None:
    value = json.dumps({**json.loads(PLAIN), name: [1]}).encode()
    assert isinstance(decode(value), Malformed)
    assert left([value]) == [0], UNKNOWN.format("ProbeResult", name, "speed_ratio")


@pytest.mark.parametrize("name", Timings.__struct_fields__)
def test_each_time_of_a_step_is_known_to_it(name: str) -> None:
    value = json.dumps({**json.loads(PLAIN), "timings_ms": {name: [1]}}).encode()
    assert isinstance(decode(value), Malformed)
    assert left([value]) == [0], UNKNOWN.format("Timings", name, "quic")


def test_a_record_with_very_many_names_is_left_and_read() -> None:
    names = ",".join(f'"n{i}":{i}' for i in range(300))
    value = PLAIN[:-1] + f",{names}}}".encode()
    assert left([value]) == [0]
    assert len(known([], scan=True).read([value]).ids) == 1


def test_a_monitor_that_is_not_known_is_numbered_within_its_piece() -> None:
    reader = RowReader()
    first = reader.read([PLAIN, PLAIN])
    assert (first.monitor.tolist(), len(first.new_monitors)) == ([-1, -1], 1)
    assert reader.read([PLAIN]).new_monitors == []
    reader.learn(first.new_monitors)
    reader.begin()
    there = PLAIN.replace(b"pk-lhe-1", b"pk-lhe-2")
    block = reader.read([PLAIN, there, PLAIN, there])
    assert left([PLAIN, there, PLAIN, there]) == []
    assert (block.monitor.tolist(), [monitor.vantage for monitor in block.new_monitors]) == (
        [0, -1, 0, -1],
        ["pk-lhe-2"],
    )


def test_what_is_no_result_stands_between_those_that_are() -> None:
    tick = b'{"schema":"netdusk.tick/1","time":"2024-01-20T13:41:00Z"}'
    values = [tick, PLAIN, None, PLAIN, b"{"]
    block = known([], scan=True).read(values)
    assert (block.size, list(block.ids)) == (5, ["01HMK3"] * 2)
    assert [(place, type(record)) for place, record in block.others] == [
        (0, Tick),
        (2, Malformed),
        (4, Malformed),
    ]
