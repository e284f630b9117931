"""Rows of Parquet, a row group after the other: only the columns that are asked for, and no cell stops the file.

A file by itself is read where it lies, however large it is. Within a pipe, a tar or a packed file there is no way
back to the end, where Parquet keeps its contents: there it is held whole, and may be no larger than a document.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from producers.names import is_printable
from producers.sources.contract import RefusalReason, Refused, RowError, detail, whole
from producers.sources.files import may_go_back

MARK: Final = b"PAR1"
#: So many letters of a table's columns are named in a message.
_SHOWN_MAX: Final = 100
_BATCH_ROWS: Final = 4096
#: Read at once from a file on a disk.
_BUFFER_BYTES: Final = 1024 * 1024
#: What Python raises for a value that it has no form for: a moment of the year 200,000, text that is no UTF-8.
_NO_VALUE: Final = (ValueError, OverflowError)


class NoParquetError(Exception):
    """pyarrow, which reads Parquet, is not installed."""


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A cell without a form in Python: why."""

    why: str


def parquet_rows(name: str, stream: IO[bytes], wanted: Collection[str]) -> Iterator[Any]:
    """Each row with its place, counted from 1, or Refused. `wanted` are names of columns; `a.b` is b within a.

    A file that lacks one, or has one twice, is refused by what `table_fault` says. Raises NoParquetError.
    """
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  70 MB, for those who have Parquet
    except ImportError as error:
        raise NoParquetError from error
    broken = (ArrowException, OSError, *_NO_VALUE)
    try:
        source = stream if may_go_back(stream) else io.BytesIO(whole(stream))
        file = parquet.ParquetFile(source, buffer_size=_BUFFER_BYTES)
        names, sizes = (
            file.schema_arrow.names,
            [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)],
        )
    except RowError as error:
        yield Refused(
            error.reason, f"{error}: name the file itself, unpacked, which is read piece by piece", name
        )
        return
    except broken as error:
        yield Refused(RefusalReason.DAMAGED_FILE, detail(error), name)
        return
    if (why := table_fault(names, wanted)) is not None:
        yield Refused(RefusalReason.NOT_A_MEASUREMENT, why, name)
        return
    read = [one for one in names if any(one == column or column.startswith(f"{one}.") for column in wanted)]
    before = 0
    for group, size in enumerate(sizes):
        number = before
        try:
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=read):
                for row in _rows(batch):
                    number += 1
                    yield _placed(f"{name}, row {number}", row)
        except broken as error:
            place = f"{name}, rows {number + 1} to {before + size}"
            yield Refused(RefusalReason.DAMAGED_FILE, detail(error), place)
        before += size


def table_fault(names: Collection[str], wanted: Collection[str]) -> str | None:
    """Why a table with these columns can't be read by a mapping that names others; None: it can.

    >>> table_fault(["when", "cc"], ["when", "cc"])
    >>> table_fault(["when", "cc"], ["time"])
    "no column 'time'; there are when, cc: name one of them in the mapping"
    >>> table_fault(["ok", "ok"], ["ok"])
    "column 'ok' is there twice: give each a name of its own"
    """
    columns = list(names)
    for column in wanted:
        if column not in columns and column.partition(".")[0] not in columns:
            if not all(map(is_printable, columns)):
                return f"no column {column!r}; the first row is no text"
            there = ", ".join(columns)
            shown = there if len(there) <= _SHOWN_MAX else f"{there[:_SHOWN_MAX]}…"
            return f"no column {column!r}; there are {shown}: name one of them in the mapping"
        if columns.count(column) > 1:
            return f"column {column!r} is there twice: give each a name of its own"
    return None


def _placed(place: str, row: dict[str, Any]) -> Refused | tuple[str, dict[str, Any]]:
    for column, value in row.items():
        if isinstance(value, _Unreadable):
            return Refused(RefusalReason.INVALID, f"column {column!r}: {value.why}", place)
    return place, row


def _rows(batch: Any) -> Iterator[dict[str, Any]]:
    columns = [_values(column) for column in batch.columns]
    for cells in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, cells, strict=True))


def _values(column: Any) -> list[Any]:
    """The column's cells. Nanoseconds, which Python's times have none of, are left out."""
    from pyarrow import timestamp, types  # noqa: PLC0415

    if types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(timestamp("us", column.type.tz), safe=False)
    try:
        return list(column.to_pylist())
    except _NO_VALUE:
        return list(map(_value, column))


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except _NO_VALUE as error:
        return _Unreadable(detail(error))
