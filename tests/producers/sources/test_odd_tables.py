"""Tables as programs write them, and mappings as people do: what is read, and what a message says."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from producers.records import ProbeResult
from producers.signals import Signal
from producers.sources.contract import Item, Refused
from producers.sources.files import read_all
from producers.sources.tables import MappingError, TableReader, read_mapping

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

WHEN = dt.datetime(2024, 1, 20, 13, 41, 7, 123456)
COLUMNS = '[columns]\ntime = "t"\ncountry = "c"\ntarget = "u"\nok = "ok"\n'
NUMBERS = '[columns]\ntime = "t"\ncountry = "c"\nvalue = "v"\n[constants]\nname = "traffic"\n'
Read = Callable[..., list[Item]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What a table's bytes give by a mapping."""

    def of(content: bytes, mapping: str = COLUMNS, name: str = "a") -> list[Item]:
        path = tmp_path / "map.toml"
        path.write_text(mapping)
        return list(read_all(name, io.BytesIO(content), TableReader(read_mapping(path)).read))

    return of


def table(**columns: Any) -> Any:
    """Two good rows, with other columns put over them."""
    good = {"t": pa.array([WHEN] * 2), "c": ["PK"] * 2, "u": ["https://x.com/"] * 2, "ok": [True] * 2}
    return pa.table({**good, **columns})


def packed(content: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(content, sink, **options)
    return sink.getvalue()


ODD = pa.array([1705758067123456789, 1705758067000000000], pa.timestamp("ns", "Asia/Karachi"))
NO_TEXT = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff\xfe", b"PK"], pa.binary()).buffers())

#: Columns put over good ones, and how each row comes out.
CELLS = {
    "nanoseconds": ({"t": ODD}, ["2024-01-20T13:41:07.123456 True", "2024-01-20T13:41:07 True"]),
    "whole nanoseconds since 1970": (
        {"t": [1705758067000000000, 1705758067000000]},
        ["2024-01-20T13:41:07 True"] * 2,
    ),
    "a moment that Python has no form for": (
        {"t": pa.array([2**62, 1705758067000000], pa.timestamp("us"))},
        ["invalid column 't': date value out of range", "2024-01-20T13:41:07 True"],
    ),
    "text that is none": (
        {"c": NO_TEXT},
        ["invalid column 'c': 'utf-8' codec can't decode byte", "2024-01-20T13:41:07.123456 True"],
    ),
    "bytes": (
        {"u": [b"https://x.com/", b"\xff"]},
        ["2024-01-20T13:41:07.123456 True", "invalid column 'u': bytes that are no UTF-8"],
    ),
    "a list": ({"ok": [[1], [0]]}, ["invalid column 'ok' holds several values"] * 2),
    "a structure": (
        {"u": [{"host": "x.com"}] * 2},
        ["invalid column 'u' holds several values; name one within it, like u.host"] * 2,
    ),
    "decimals": (
        {"ok": pa.array([1, 0]).cast(pa.decimal128(21, 2))},
        ["2024-01-20T13:41:07.123456 True", "2024-01-20T13:41:07.123456 False"],
    ),
    "nothing at all": ({"c": pa.nulls(2)}, ["no_place_or_time no country (column 'c')"] * 2),
}


@pytest.mark.parametrize("columns, expected", CELLS.values(), ids=CELLS)
def test_one_cell_of_parquet_stops_nothing(read: Read, columns: dict[str, Any], expected: list[str]) -> None:
    items = read(packed(table(**columns)))
    assert len(items) == len(expected)
    for item, words in zip(items, expected, strict=True):
        assert in_words(item).startswith(words)


def in_words(item: Item) -> str:
    if isinstance(item, Refused):
        return f"{item.reason} {item.detail}"
    assert isinstance(item, ProbeResult)
    return (
        f"{item.time:%Y-%m-%dT%H:%M:%S}{f'.{item.time.microsecond}' * bool(item.time.microsecond)} {item.ok}"
    )


def test_a_damaged_row_group_takes_no_other_with_it(read: Read) -> None:
    rows = pa.concat_tables([table()] * 50)
    content = bytearray(packed(rows, row_group_size=10, compression="zstd", use_dictionary=False))
    group = parquet.ParquetFile(io.BytesIO(bytes(content))).metadata.row_group(4).column(0)
    start = group.data_page_offset
    content[start : start + group.total_compressed_size] = b"\0" * group.total_compressed_size
    items = read(bytes(content))
    (refused,) = (item for item in items if isinstance(item, Refused))
    assert (len(items), refused.reason, refused.place) == (91, "damaged_file", "a, rows 41 to 50")


def test_a_field_within_a_structure_has_a_name(read: Read) -> None:
    mapping = COLUMNS.replace('"u"', '"u.host"')
    of_parquet = read(packed(table(u=[{"host": "x.com", "port": 1}] * 2)), mapping)
    of_json = read(b'{"t": "2024-01-20", "c": "PK", "u": {"host": "x.com"}, "ok": 1}\n', mapping)
    assert {item.platform for item in of_parquet + of_json} == {"x"}  # type: ignore[union-attr]  # no signals


def test_a_large_file_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed one is held whole, and may be no larger than a document."""
    monkeypatch.setattr("producers.sources.contract.DOCUMENT_BYTES_MAX", 1000)
    (tmp_path / "map.toml").write_text(COLUMNS)
    (tmp_path / "a.parquet").write_bytes(content := packed(table()))
    reader = TableReader(read_mapping(tmp_path / "map.toml"))
    with (tmp_path / "a.parquet").open("rb") as file:
        assert len(list(read_all("a", file, reader.read))) == 2
    (refused,) = read_all("a", io.BytesIO(gzip.compress(content)), reader.read)
    assert isinstance(refused, Refused)
    assert refused.detail.endswith("name the file itself, unpacked, which is read piece by piece")


#: A CSV's bytes, and how its first item comes out.
TEXTS = {
    "UTF-16 without a mark": (
        "t,c,u,ok\n2024-01-20,PK,x.com,1\n".encode("utf-16-le"),
        "2024-01-20T00:00:00 True",
    ),
    "UTF-32": ("t,c,u,ok\n2024-01-20,PK,x.com,1\n".encode("utf-32"), "2024-01-20T00:00:00 True"),
    "a column twice": (
        b"t,c,u,ok,ok\n2024-01-20,PK,x.com,1,0\n",
        "not_a_measurement column 'ok' is there twice: give each a name of its own",
    ),
    "another that nobody asks for twice": (
        b"t,c,u,ok,z,z\n2024-01-20,PK,x.com,1,,\n",
        "2024-01-20T00:00:00 True",
    ),
    "another delimiter": (
        b"t;c;u;ok\n2024-01-20;PK;x.com;1\n",
        "not_a_measurement no column 't'; there are t;c;u;ok: name one of them in the mapping; "
        "is ';' the delimiter? say so in the mapping",
    ),
    "no such column": (
        b"t,c,u\n2024-01-20,PK,x.com\n",
        "not_a_measurement no column 'ok'; there are t, c, u: name one of them in the mapping",
    ),
    "a zip": (
        b"PK\3\4\0\0rows\n1\n",
        "not_a_measurement no column 't'; the first row is no text; is it CSV, JSON lines or Parquet? "
        "nothing else is read",
    ),
    "another word for yes": (
        b"t,c,u,ok\n2024-01-20,PK,x.com,ja\n",
        "invalid ok: 'ja' is neither yes nor no; write 1 or 0",
    ),
}


@pytest.mark.parametrize("content, expected", TEXTS.values(), ids=TEXTS)
def test_a_csv_of_another_kind(read: Read, content: bytes, expected: str) -> None:
    assert [in_words(item) for item in read(content)] == [expected]


def test_a_number_names_its_column_and_may_have_a_comma(read: Read) -> None:
    content = b"t;c;v\n2024-01-20;PK;3,5\n2024-01-20;PK;much\n"
    first, second = read(content, f'delimiter = ";"\n{NUMBERS}')
    assert in_words(first) == (
        "invalid value (column 'v'): '3,5' is no number; write it like 3.5; decimal = \",\" in the mapping reads 3,5"
    )
    assert in_words(second) == "invalid value (column 'v'): 'much' is no number; write it like 3.5"
    number, _ = read(content, f'delimiter = ";"\ndecimal = ","\n{NUMBERS}')
    assert isinstance(number, Signal)
    assert number.value == 3.5


ROW = '{"t": "2024-01-20", "c": "PK", "u": "x.com", "ok": true}'
DOCUMENTS = {
    "a list over lines": f"[\n  {ROW},\n  {ROW}\n]\n",
    "a row over lines": "[{\n" + ROW.strip("{}").replace(", ", ",\n") + "\n},\n" + ROW + "]",
    "a field that a row lacks": f"{ROW}\n{ROW}",
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_json_over_lines(read: Read, text: str) -> None:
    items = read(text.encode(), f'{COLUMNS}region = "r"\n')
    assert [in_words(item) for item in items] == ["2024-01-20T00:00:00 True"] * 2


def test_a_row_that_is_no_object_is_said_to_be_none(read: Read) -> None:
    (refused,) = read(b"[5]\n")
    assert in_words(refused) == "not_a_measurement no object: write {column: value, ...} a row"


#: A mapping, and what is said of it.
WRONG = {
    "two forms": (
        f'{COLUMNS}value = "v"\nname = "n"\n',
        "ok beside name and value: a row is a result (ok), a sum",
    ),
    "a sum of nothing": (COLUMNS.replace('ok = "ok"', 'good = "k"'), "good needs count: say which column"),
    "a field twice": (f"{COLUMNS}[constants]\nok = true\n", "ok: a column and a constant; keep one of them"),
    "no country": (
        f'{COLUMNS.replace(chr(99) + "ountry", "region")}[constants]\ncountry = "Pakistan"\n',
        "constants.country: 'Pakistan' is no code of ISO 3166-1, like PK",
    ),
    "no time": (
        f'{COLUMNS.replace("time", "region")}[constants]\ntime = "then"\n',
        "constants.time: time 'then': write it like 2024-01-20T13:41:07Z, or as seconds since 1970",
    ),
    "no stage": (
        f'{COLUMNS}[constants]\nstage = "wire"\n',
        "constants.stage: stage: 'wire' is no stage; there are dns",
    ),
    "no network": (f'{COLUMNS}[constants]\nasn = "PTCL"\n', "constants.asn: asn: 'PTCL' is no network"),
    "a longer delimiter": (f'delimiter = ";;"\n{COLUMNS}', "delimiter = ';;': write the one character"),
    "no rhythm": (f"every_seconds = -5\n{COLUMNS}", "every_seconds = -5: has to be greater than 0"),
    "no name": (f'source = ""\n{COLUMNS}', "source = '': write a name of 1 to 64 letters"),
    "usual of a result": (
        f'{COLUMNS}usual = "w"\n',
        "usual: of a number alone, which has value and name; take it out",
    ),
    "no column": (COLUMNS.replace('"ok"', '""'), "columns.ok: name a column of the table"),
}


@pytest.mark.parametrize("mapping, expected", WRONG.values(), ids=WRONG)
def test_a_wrong_mapping_is_told_at_once(read: Read, mapping: str, expected: str) -> None:
    with pytest.raises(MappingError, match=r"map\.toml") as refused:
        read(b"", mapping)
    assert expected in str(refused.value)
