"""Rows of CSV as people have it: what is wrong with one row never costs another."""

from __future__ import annotations

import io
import tarfile

import pytest

from producers.records import ProbeResult
from producers.signals import Signal
from producers.sources import tor
from producers.sources.contract import RefusalReason, Refused, RowError
from producers.sources.csv_rows import LINE_CHARACTERS_MAX, QUOTED_LINES_MAX, csv_rows
from producers.sources.files import read_all
from producers.sources.tables import Mapping_, TableReader

LONG = b"x" * (LINE_CHARACTERS_MAX + 10)
FILES = {
    "a byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n", "1:a|b 2:1|2"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "1:a|b 2:1|2"),
    "lines that end with CR alone": (b"a,b\r1,2\r", "1:a|b 2:1|2"),
    "a cell of two lines": (b'a,b\n1,"2\n3"\n4,5\n', "1:a|b 2:1|2\n3 4:4|5"),
    "a quote that never closes": (b'a,b\n1,"2\n3,4\n5,6\n', "1:a|b 2:! 3:3|4 4:5|6"),
    "one that closes too late": (
        b'a\n"1\n' + b"2\n" * (QUOTED_LINES_MAX + 1) + b'3"\n4\n',
        f"1:a 2:! {' '.join(f'{n + 3}:2' for n in range(QUOTED_LINES_MAX + 1))} 68:! 69:4",
    ),
    "a line that is no row": (b"a,b\n" + LONG + b"\n1,2\n", "1:a|b 2:! 3:1|2"),
    "NUL": (b"a,b\n1,\x00\n1,2\n", "1:a|b 2:1|\x00 3:1|2"),
    "nothing": (b"", ""),
    "empty lines": (b"a\n\n  \n1\n", "1:a 4:1"),
}


@pytest.mark.parametrize("content, expected", FILES.values(), ids=FILES)
def test_rows(content: bytes, expected: str) -> None:
    rows = csv_rows(io.BytesIO(content))
    lines = (f"{number}:{'!' if isinstance(cells, RowError) else '|'.join(cells)}" for number, cells in rows)
    assert " ".join(lines) == expected


BROKEN = {"too long": (LONG, RefusalReason.TOO_LARGE), "unclosed": (b'x,"', RefusalReason.NOT_A_MEASUREMENT)}


@pytest.mark.parametrize("broken, reason", BROKEN.values(), ids=BROKEN)
def test_a_broken_row_of_a_table_is_refused_and_the_next_is_read(
    broken: bytes, reason: RefusalReason
) -> None:
    mapping = Mapping_(columns={"time": "t", "country": "c", "value": "v"}, constants={"name": "users"})
    content = b"t,c,v\n" + broken + b"\n2024-01-20,PK,5\n"
    refused, signal = TableReader(mapping).read("a.csv", io.BytesIO(content))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.place) == (reason, "a.csv:2")
    assert isinstance(signal, Signal)
    assert signal.value == 5


@pytest.mark.parametrize("broken, reason", BROKEN.values(), ids=BROKEN)
def test_a_broken_row_of_tors_table_is_refused_and_the_next_is_read(
    broken: bytes, reason: RefusalReason
) -> None:
    content = b"\xef\xbb\xbf# made\ndate,country,users\n" + broken + b"\n2024-01-20,pk,5\n"
    refused, signal = tor.read("a.csv", io.BytesIO(content))
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert isinstance(signal, Signal)
    assert signal.country == "PK"


def test_a_table_within_a_tar_is_read() -> None:
    content = b"t,c,v\n2024-01-20,PK,5\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    packed.seek(0)
    mapping = Mapping_(columns={"time": "t", "country": "c", "value": "v"}, constants={"name": "users"})
    (signal,) = read_all("a.tgz", packed, TableReader(mapping).read)
    assert isinstance(signal, Signal)


def test_json_lines_with_a_byte_order_mark_are_json_lines() -> None:
    mapping = Mapping_(columns={"time": "t", "country": "c", "value": "v"}, constants={"name": "users"})
    content = io.BufferedReader(io.BytesIO(b'\xef\xbb\xbf{"t":"2024-01-20","c":"PK","v":5}\n'))
    (signal,) = TableReader(mapping).read("a.jsonl", content)
    assert isinstance(signal, Signal)


def test_rows_of_one_day_are_results_of_their_own() -> None:
    """A table that says the day alone; read again, or with more behind, it gives the same ids."""
    mapping = Mapping_(columns={"time": "t", "country": "c", "ok": "up"}, constants={"platform": "x"})
    rows = ["2024-01-20,PK,1", "2024-01-20,PK,0", "2024-01-20,PK,0", "2024-01-20,IR,0"]

    def ids(*lines: str) -> list[str]:
        content = "\n".join(("t,c,up", *lines)).encode()
        return [item.id for item in TableReader(mapping).read("a.csv", io.BytesIO(content))]  # type: ignore[union-attr]  # all good

    found = ids(*rows)
    assert len(set(found)) == len(rows)
    assert ids(*rows, "2024-01-20,PK,1")[: len(rows)] == found


SUMS = {
    "all good": ("4,4,", "True 4"),
    "half": ("2,4,", "False 2"),
    "nobody says how many were good": (",4,", RefusalReason.NOT_A_MEASUREMENT),
    "nobody says of how many": ("4,,", RefusalReason.NOT_A_MEASUREMENT),
    "but whether they were": (",4,yes", "True -"),
    "more than there were": ("5,4,", RefusalReason.INVALID),
    "less than none": ("-1,4,", RefusalReason.INVALID),
    "a part of an attempt": ("3.5,4,", RefusalReason.INVALID),
    "written as a float": ("3.0,4.0,", "False 3"),
    "endless": ("inf,4,", RefusalReason.INVALID),
}


@pytest.mark.parametrize("cells, expected", SUMS.values(), ids=SUMS)
def test_a_sum_that_lacks_a_number_is_no_loss(cells: str, expected: str) -> None:
    mapping = Mapping_(
        columns={"time": "t", "country": "c", "good": "g", "count": "n", "ok": "up"},
        constants={"platform": "x"},
    )
    content = f"t,c,g,n,up\n2024-01-20,PK,{cells}\n".encode()
    (item,) = TableReader(mapping).read("a.csv", io.BytesIO(content))
    if isinstance(item, Refused):
        assert item.reason == expected
        return
    assert isinstance(item, ProbeResult)
    assert f"{item.ok} {item.good or '-'}" == expected
