"""Records as rows of Parquet, and back. A window has a row for each of its cells, and one for itself.

The window's own row has no platform; it says how long the window was, and on how much it rests. So a window in which
nothing came is there too. Rows are sorted by series, so that each series lies together and packs well.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streams.records import Annotation, Incident, Window, encode

WINDOW_COLUMNS: Final = pa.schema(
    [
        ("simulated", pa.bool_()),
        ("platform", pa.dictionary(pa.int32(), pa.string())),
        ("region", pa.dictionary(pa.int32(), pa.string())),
        ("asn", pa.uint32()),
        ("start", pa.timestamp("ms", "UTC")),
        ("n", pa.int64()),
        ("k", pa.int64()),
        ("expected", pa.float32()),
        ("ttfb_ms", pa.int32()),
        ("failure", pa.dictionary(pa.int32(), pa.string())),
        # Of a window's own row alone.
        ("seconds", pa.int32()),
        ("networks_live", pa.int32()),
        ("vantages", pa.int32()),
        ("awaited", pa.float64()),
        ("came", pa.float64()),
    ]
)
_SERIES: Final = ("simulated", "platform", "region", "asn", "start")
INCIDENT_COLUMNS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("seq", pa.int64()),
        ("country", pa.string()),
        ("kind", pa.string()),
        ("scope", pa.string()),
        ("severity", pa.string()),
        ("status", pa.string()),
        ("confirmed", pa.bool_()),
        ("simulated", pa.bool_()),
        ("platforms", pa.list_(pa.string())),
        ("onset", pa.timestamp("ms", "UTC")),
        ("detected", pa.timestamp("ms", "UTC")),
        ("updated", pa.timestamp("ms", "UTC")),
        ("resolved", pa.timestamp("ms", "UTC")),
        ("summary", pa.string()),
        # The record as it stood on its topic.
        ("record", pa.binary()),
    ]
)
ANNOTATION_COLUMNS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("incident", pa.string()),
        ("time", pa.timestamp("ms", "UTC")),
        ("author", pa.string()),
        ("kind", pa.string()),
        ("record", pa.binary()),
    ]
)
#: What is summed by the hour.
HOUR_SUMS: Final = ("n", "k", "due", "known", "waited", "timed")
_BY_HOUR: Final = ("simulated", "platform", "region", "asn", "failure", "hour")
_ZSTD_LEVEL: Final = 9


def window_table(windows: Iterable[Window]) -> pa.Table:
    """The rows of some windows of one country, sorted by series; of a window that is there twice, the first."""
    columns: dict[str, list[Any]] = {name: [] for name in WINDOW_COLUMNS.names}
    seen: set[tuple[datetime, bool]] = set()
    for window in windows:
        if (window.start, window.simulated) in seen:
            continue
        seen.add((window.start, window.simulated))
        cells = len(window.platform)
        columns["simulated"] += [window.simulated] * (cells + 1)
        columns["start"] += [window.start] * (cells + 1)
        columns["platform"] += [None, *window.platform]
        columns["region"] += [None, *window.region]
        columns["asn"] += [None, *window.asn]
        columns["n"] += [None, *window.n]
        columns["k"] += [None, *window.k]
        columns["expected"] += [None, *window.expected]
        columns["ttfb_ms"] += [None, *window.ttfb_ms]
        columns["failure"] += [None, *(name or None for name in window.failure)]
        empty = [None] * cells
        columns["seconds"] += [round((window.end - window.start).total_seconds()), *empty]
        columns["networks_live"] += [window.networks_live, *empty]
        columns["vantages"] += [window.vantages, *empty]
        columns["awaited"] += [window.awaited, *empty]
        columns["came"] += [window.came, *empty]
    table = pa.table(
        {field.name: packed(columns[field.name], field.type) for field in WINDOW_COLUMNS},
        schema=WINDOW_COLUMNS,
    )
    return by_series(table)


def packed(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values as a column of that type; words that come again and again as numbers of a dictionary."""
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def by_series(table: pa.Table) -> pa.Table:
    """Return the rows sorted by series and time; windows' own rows first."""
    plain = [
        table[name].cast(pa.string()) if name in ("platform", "region") else table[name] for name in _SERIES
    ]
    keys = pa.table(dict(zip(_SERIES, plain, strict=True)))
    order = pc.sort_indices(keys, [(name, "ascending", "at_start") for name in _SERIES])
    return table.take(order)


def hours_of(table: pa.Table) -> pa.Table:
    """Return the cells summed by the hour, split by failure: what a series of days or months is drawn from.

    `due` is the sum of the results that were due to succeed, of `known` results; `waited` that of times, of `timed`.
    """
    cells = table.filter(pc.is_valid(table["platform"]))
    hours = pc.divide(cells["start"].cast(pa.int64()), 3_600_000)
    n = cells["n"]
    return (
        pa.table(
            {
                **{name: cells[name] for name in ("simulated", "platform", "region", "asn", "failure")},
                "hour": pc.multiply(hours, 3600),
                "n": n,
                "k": cells["k"],
                "due": pc.multiply(n, cells["expected"].cast(pa.float64())),
                "known": pc.if_else(pc.is_valid(cells["expected"]), n, 0),
                "waited": pc.multiply(n, cells["ttfb_ms"].cast(pa.int64())),
                "timed": pc.if_else(pc.is_valid(cells["ttfb_ms"]), n, 0),
            }
        )
        .group_by(list(_BY_HOUR), use_threads=False)
        .aggregate([(name, "sum") for name in HOUR_SUMS])
        .rename_columns([*_BY_HOUR, *HOUR_SUMS])
        .sort_by([(name, "ascending") for name in ("simulated", "asn", "hour")])
    )


def windows_of(country: str, table: pa.Table) -> list[Window]:
    """The windows that rows tell of, in the order of time, real before simulated."""
    order = pc.sort_indices(table, [("start", "ascending"), ("simulated", "ascending")])
    rows = table.take(order).to_pydict()
    windows: list[Window] = []
    size = len(rows["start"])
    begin = 0
    while begin < size:
        end = begin + 1
        name = (rows["start"][begin], rows["simulated"][begin])
        while end < size and (rows["start"][end], rows["simulated"][end]) == name:
            end += 1
        windows.append(_window(country, rows, begin, end))
        begin = end
    return windows


def _window(country: str, rows: dict[str, list[Any]], begin: int, end: int) -> Window:
    own = next(i for i in range(begin, end) if rows["platform"][i] is None)
    cells = sorted(
        (i for i in range(begin, end) if i != own),
        key=lambda i: (rows["platform"][i], rows["region"][i], rows["asn"][i]),
    )
    start = rows["start"][own]

    def column(name: str) -> list[Any]:
        return [rows[name][i] for i in cells]

    return Window(
        country=country,
        start=start,
        end=start + timedelta(seconds=rows["seconds"][own]),
        simulated=rows["simulated"][own],
        networks_live=rows["networks_live"][own],
        vantages=rows["vantages"][own],
        awaited=rows["awaited"][own],
        came=rows["came"][own],
        platform=column("platform"),
        region=column("region"),
        asn=column("asn"),
        n=column("n"),
        k=column("k"),
        # Of 32 bits: three places are what was written.
        expected=[None if ratio is None else round(ratio, 3) for ratio in column("expected")],
        ttfb_ms=column("ttfb_ms"),
        failure=[name or "" for name in column("failure")],
    )


def incident_table(incidents: Iterable[Incident]) -> pa.Table:
    """Snapshots of incidents as rows, each once."""
    by_name = {(one.id, one.seq): one for one in incidents}
    rows = [
        {name: getattr(one, name) for name in INCIDENT_COLUMNS.names if name not in ("record", "platforms")}
        | {
            "kind": one.kind.value,
            "scope": one.scope.value,
            "severity": one.severity.value,
            "status": one.status.value,
            "platforms": list(one.platforms),
            "record": encode(one),
        }
        for _, one in sorted(by_name.items())
    ]
    for row in rows:
        for name in ("onset", "detected", "updated", "resolved"):
            moment = row[name]
            row[name] = None if moment is None else moment.astimezone(UTC).replace(microsecond=0)
    return pa.Table.from_pylist(rows, schema=INCIDENT_COLUMNS)


def annotation_table(annotations: Iterable[Annotation]) -> pa.Table:
    """Annotations as rows, each once."""
    by_name = {one.id: one for one in annotations}
    rows = [
        {
            "id": one.id,
            "incident": one.incident,
            "time": one.time.astimezone(UTC).replace(microsecond=0),
            "author": one.author,
            "kind": one.kind.value,
            "record": encode(one),
        }
        for _, one in sorted(by_name.items())
    ]
    return pa.Table.from_pylist(rows, schema=ANNOTATION_COLUMNS)


def write(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    out = io.BytesIO()
    names = table.schema.names
    deltas = {name: "DELTA_BINARY_PACKED" for name in ("start",) if name in names}
    pq.write_table(
        table,
        out,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=[name for name in names if name not in ("start", "record")],
        column_encoding=deltas,
        write_statistics=True,
        store_schema=True,
    )
    return out.getvalue()


def read(
    source: Any, columns: Sequence[str] | None = None, *, within: Sequence[tuple[str, str, datetime]] = ()
) -> pa.Table:
    """A Parquet file as a table: these columns, and the rows that fulfil all of `within` (column, operator, value)."""
    return pq.read_table(
        source,
        columns=list(columns) if columns else None,
        filters=list(within) if within else None,
        partitioning=None,
    )
