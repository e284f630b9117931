"""Probe results as rows of Parquet, and back. A column is a field of ProbeResult; each step's time has one of its own.

What stood on the probes topic is kept as it stood there: whether it counted, was late, or was anybody's at all, is for
whoever reads it. What is no result is passed over; the rejected topic has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa
from msgspec import UNSET
from msgspec.inspect import (
    BoolType,
    DateTimeType,
    EnumType,
    FloatType,
    IntType,
    StrType,
    StructType,
    UnionType,
)

from producers.bundles import BundleError, opened
from producers.records import BUNDLE_BEGINS, ProbeResult, Timings, decode
from streams.archive.tables import packed

_TIMINGS: Final = "timings_ms"
_KINDS: Final[dict[type[Any], pa.DataType]] = {
    BoolType: pa.bool_(),
    IntType: pa.int64(),
    FloatType: pa.float64(),
    DateTimeType: pa.timestamp("us", "UTC"),
    StrType: pa.dictionary(pa.int32(), pa.string()),
    EnumType: pa.dictionary(pa.int32(), pa.string()),
}


def _kind(field: msgspec.inspect.Type) -> pa.DataType | None:
    """The column of a field's type; None for the times, which have several."""
    options = field.types if isinstance(field, UnionType) else (field,)
    for one in options:
        if isinstance(one, StructType):
            return None
        if type(one) in _KINDS:
            return _KINDS[type(one)]
    raise TypeError(f"no column is known for {field}: name one in _KINDS")


def _columns() -> Iterator[tuple[str, pa.DataType]]:
    info = msgspec.inspect.type_info(ProbeResult)
    assert isinstance(info, StructType)
    for field in info.fields:
        kind = _kind(field.type)
        if kind is not None:
            yield field.name, pa.string() if field.name == "id" else kind
        else:
            yield from ((f"{name}_ms", pa.float64()) for name in Timings.__struct_fields__)


RESULT_COLUMNS: Final = pa.schema(list(_columns()))
_FIELDS: Final = [name for name in ProbeResult.__struct_fields__ if name != _TIMINGS]
#: What is left out of a record's text where it was not given.
_LEFT_OUT: Final = frozenset(
    field.name for field in msgspec.structs.fields(ProbeResult) if field.default is UNSET
)


def results_in(value: bytes | None) -> Iterator[ProbeResult]:
    """The results of one record of the probes topic: one, those of a bundle, or none."""
    if value is None:
        return
    lines: Sequence[bytes] = (value,)
    if value.startswith(BUNDLE_BEGINS):
        try:
            lines = opened(value).lines
        except BundleError:
            return
    for line in lines:
        record = decode(line)
        if isinstance(record, ProbeResult):
            yield record


def result_table(results: Sequence[ProbeResult]) -> pa.Table:
    """Results as rows, in the order in which they came."""
    columns: dict[str, list[Any]] = {
        name: [_plain(getattr(result, name)) for result in results] for name in _FIELDS
    }
    for name in Timings.__struct_fields__:
        columns[f"{name}_ms"] = [result.timings_ms and getattr(result.timings_ms, name) for result in results]
    arrays = [packed(columns[field.name], field.type) for field in RESULT_COLUMNS]
    return pa.table(arrays, schema=RESULT_COLUMNS)


def _plain(value: Any) -> Any:
    return None if value is UNSET else value


def results_of(table: pa.Table) -> Iterator[ProbeResult]:
    """The results that rows hold, in their order. A column that a file does not have yet was not given then."""
    rows = table.to_pydict()
    names = [name for name in _FIELDS if name in rows]
    times = [(name, rows[f"{name}_ms"]) for name in Timings.__struct_fields__ if f"{name}_ms" in rows]
    for i in range(table.num_rows):
        fields = {name: rows[name][i] for name in names}
        given = {name: value for name, value in fields.items() if value is not None or name not in _LEFT_OUT}
        steps = {name: column[i] for name, column in times if column[i] is not None}
        timings = Timings(**steps) if steps else None
        yield msgspec.convert({**given, _TIMINGS: timings}, ProbeResult)
