"""Results that compiled code reads are read as without it, and what it should not read it leaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from string import ascii_letters, digits

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.failures import Failure, Stage
from producers.records import Malformed, ProbeResult, Tick, Timings, decode, encode
from streams.step.rows import OF_RESULTS, Block, RowReader, compiled

COUNTRIES = ["PK", "US", "TV"]
REGIONS = {"PK": ["PK-PB", "PK-SD"], "US": ["US-CA"], "TV": []}
NAME = st.text(ascii_letters + digits + " .:/_-{}[],\x7f", min_size=1, max_size=20)
MILLISECONDS = st.none() | st.floats(0.001, 1e6) | st.integers(0, 90_000).map(float) | st.just(0.5)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59), timezones=st.just(UTC))


@st.composite
def results(draw: st.DrawFn) -> ProbeResult:
    country = draw(st.sampled_from(COUNTRIES))
    return ProbeResult(
        id=draw(NAME),
        time=draw(TIMES),
        platform=draw(st.sampled_from(["x", "facebook", "p" * 64])),
        country=country,
        asn=draw(st.sampled_from([0, 17557, 4_294_967_295])),
        vantage=draw(st.sampled_from(["v", "pk-lhe-1", "v" * 128])),
        ok=draw(st.booleans()),
        target=draw(st.none() | NAME),
        region=draw(st.sampled_from([None, *REGIONS[country]])),
        stage=draw(st.none() | st.sampled_from(Stage)),
        failure=draw(st.none() | st.sampled_from(Failure)),
        control_ok=draw(st.sampled_from([None, True, False])),
        timings_ms=draw(
            st.none() | st.builds(Timings, dns=MILLISECONDS, ttfb=MILLISECONDS, total=MILLISECONDS)
        ),
        bytes=draw(st.none() | st.integers(0, 2**53)),
        simulated=draw(st.booleans()),
    )


PLAIN = (
    b'{"schema":"netdusk.probe/1","id":"01HMK3","time":"2024-02-29T13:41:07.250Z","platform":"x","country":"PK",'
    b'"region":"PK-PB","asn":17557,"vantage":"pk-lhe-1","simulated":true,"control_ok":true,"ok":false,'
    b'"target":"https://x.com/","stage":"tls","failure":"connection_reset",'
    b'"timings_ms":{"dns":12.5,"tcp":30,"tls":null,"ttfb":40.25,"total":140.5},"bytes":51200}'
)
#: What may stand in a record in place of something else, right or wrong.
SPLICES = [
    b"", b" ", b'"', b"\\", b"\\u0041", b"\x00", b"\n", b"\xc3\xa9", b"\xff", b",", b":", b"{", b"}", b"[", b"]", b"-",
    b"0", b"1", b"9", b".", b"e5", b"E-3", b"null", b"true", b"false", b"1999", b"2100", b"13", b"30", b"31", b"60",
    b"24", b"00", b"+00:00", b"z", b"Z", b"US-CA", b"ZZ", b"netdusk.tick/1", b"123456789012345678901234567890",
    b"0.1000000000000000055511151231257827", b"9007199254740992",
    b"9007199254740993", b"1e400", b"86400000.0", b"86400001", b"4294967296", b'"asn":17557,', b'"ok":true,',
    b'"timings_ms":{},', b'"timings_ms":null,', b'"region":"",', b'"region":null,', b'"more":[1],', b'"id":"",',
]  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    value = PLAIN
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        over = draw(st.sampled_from([0, 0, 1, 2, 4, 8]))
        value = value[:at] + draw(st.sampled_from(SPLICES)) + value[at + over :]
    return value


def known(values: Sequence[bytes], *, scan: bool) -> RowReader:
    """Columns that know the posts of whatever can be read."""
    columns = RowReader(scan=scan)
    columns.block([decode(PLAIN), *map(decode, values)])
    return columns


def told(block: Block) -> tuple[object, ...]:
    columns = [(getattr(block, name).dtype, getattr(block, name).tobytes()) for name in OF_RESULTS]
    return block.size, block.others, block.new_monitors, list(block.ids), columns


def left(values: list[bytes]) -> list[int]:
    """The places of what compiled code does not read."""
    scanner = known(values, scan=True)._scanner
    assert scanner is not None
    room = len(values)
    return scanner.scan(values, [], np.empty((6, room), np.int64), np.empty((3, room)))


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


@pytest.mark.parametrize(
    "value",
    [
        PLAIN.replace(b":", b": ", 1),
        PLAIN.replace(b"https:/", b"https:\\/"),
        PLAIN.replace(b"pk-lhe-1", "pk-lhé-1".encode()),
        PLAIN.replace(b"140.5", b"1405e-1"),
        PLAIN.replace(b"07.250Z", b"07.250+00:00"),
        PLAIN[:-1] + b',"new":1}',
        PLAIN[:-1] + b',"ok":false}',
        PLAIN.replace(b"https://x.com/", b"h" * 70_000),
    ],
)
def test_what_is_no_plain_form_is_left(value: bytes) -> None:
    assert left([PLAIN, value, PLAIN]) == [1]


def test_a_monitor_that_is_not_known_is_left_to_be_numbered() -> None:
    columns = RowReader()
    assert len(columns.read([PLAIN, PLAIN]).new_monitors) == 1
    assert columns.read([PLAIN]).new_monitors == []
    there = PLAIN.replace(b"pk-lhe-1", b"pk-lhe-2")
    found = columns.read([PLAIN, there])
    assert (found.monitor.tolist(), [monitor.vantage for monitor in found.new_monitors]) == (
        [0, 1],
        ["pk-lhe-2"],
    )


def test_what_is_no_result_stands_between_those_that_are() -> None:
    tick = b'{"schema":"netdusk.tick/1","time":"2024-01-20T13:41:00Z"}'
    values = [tick, PLAIN, None, PLAIN, b"{"]
    columns = known([], scan=True)
    found = columns.read(values)
    assert (found.size, list(found.ids)) == (5, ["01HMK3"] * 2)
    assert [(at, type(record)) for at, record in found.others] == [(0, Tick), (2, Malformed), (4, Malformed)]
