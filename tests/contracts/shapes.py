"""The shape of everything that is kept or published: each field by its path, its type, and whether it may be absent.

`changes` says which differences between two shapes a reader would stumble over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import msgspec
import numpy as np
from msgspec import inspect

from detectors.columns.bank import Bank, BankState
from detectors.incidents.assembler import AssemblerState
from detectors.incidents.worldwide import OutagesState
from detectors.settings import DetectionSettings, TimeSettings
from detectors.state import VERSIONS
from producers import records as read
from streams import records as written
from streams.engine import checkpoint
from streams.step.country_state import CountryState
from streams.step.rows import LOGGED, OF_RESULTS, StoredRows
from streams.step.worldwide import StoredRecords, WorldwideState

Shape = dict[str, str]

#: Said behind the type of what may be absent.
OPTIONAL: Final = " (may be absent)"

_KEPT: Final[Mapping[str, Any]] = {
    "bank": BankState,
    "assembler": AssemblerState,
    "outages": OutagesState,
    "country": CountryState,
    "worldwide": WorldwideState,
    "checkpoint": checkpoint.CheckpointRecord,
    "results in the redo log": StoredRows,
    "health in the redo log": StoredRecords,
}


def shapes() -> dict[str, dict[str, Any]]:
    """By kind: its version, and its shape."""
    kept = {
        kind: {"version": VERSIONS.get(kind, 1), "shape": dict(_fields(kind, inspect.type_info(root)))}
        for kind, root in _KEPT.items()
    }
    kept["bank"]["shape"] |= dict(_tables())
    kept["country"]["shape"] |= {
        f"country.windows[].columns.{name}": _column(column.dtype, column.fill is not None)
        for name, column in OF_RESULTS.items()
        if name != "time_ms"
    }
    kept["results in the redo log"]["shape"] |= {
        f"columns[{place}] {name}": _column(column.dtype, column.fill is not None)
        for place, (name, column) in enumerate(LOGGED.items())
    }
    for record in published():
        name = str(record.__struct_config__.tag)
        kept[name] = {
            "version": int(name.rpartition("/")[2]),
            "shape": dict(_fields(record.__name__, inspect.type_info(record))),
        }
    return kept


def published() -> list[type[msgspec.Struct]]:
    """The records of the topics, the checkpoints' apart."""
    unions = (read.Decoded, written.OutputRecord)
    records = [record for union in unions for record in get_args(union)]
    return [record for record in records if record.__struct_config__.tag]


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What a reader with the shape `now` could not read of what was written with the shape `before`."""
    faults = []
    for path, text in before.items():
        if path not in now:
            faults.append(f"{path} is gone (or was renamed, or stands elsewhere)")
        elif now[path].removesuffix(OPTIONAL) != text.removesuffix(OPTIONAL):
            faults.append(f"{path} was {text}, and is {now[path]}")
        elif text.endswith(OPTIONAL) and not now[path].endswith(OPTIONAL):
            faults.append(f"{path} might be absent, and must not be any more")
    new = [path for path in now if path not in before]
    inside = tuple(path + mark for path in new for mark in ".[{(")
    for path in new:
        loose = now[path].endswith(OPTIONAL) or path.endswith("=None")
        if not (loose or path.startswith(inside)):
            faults.append(f"{path} was added without a default")
    return faults


def _tables() -> Iterator[tuple[str, str]]:
    for table, columns in Bank(DetectionSettings(), TimeSettings(), ("ok",)).series.tables().items():
        for name, field in columns.fields.items():
            rows = f" x {field.rows}" if field.rows else ""
            yield f"bank.tables.{table}.{name}", _column(field.dtype, True).replace("[]", f"[]{rows}")


def _column(dtype: type[np.generic], optional: bool) -> str:
    return f"{np.dtype(dtype).name}[]{OPTIONAL if optional else ''}"


def _fields(path: str, kind: inspect.Type, optional: str = "") -> Iterator[tuple[str, str]]:
    """The paths below one, and itself."""
    match kind:
        case inspect.Metadata(type=inner):
            yield from _fields(path, inner, optional)
        case inspect.StructType() | inspect.DataclassType() | inspect.NamedTupleType():
            array = isinstance(kind, inspect.NamedTupleType) or bool(getattr(kind, "array_like", False))
            yield path, f"{'array' if array else 'map'}{_tag(kind)}{optional}"
            for place, field in enumerate(kind.fields):
                where = f"{path}[{place}] {field.name}" if array else f"{path}.{field.encode_name}"
                yield from _fields(where, field.type, "" if field.required else OPTIONAL)
        case inspect.UnionType(types=types):
            yield from _union(path, types, optional)
        case inspect.EnumType(cls=values):
            yield path, f"word{optional}"
            for value in values:
                yield f"{path}={value.value}", f"word{OPTIONAL}"
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            yield path, f"list{optional}"
            yield from _fields(f"{path}[]", item)
        case inspect.TupleType(item_types=items):
            yield path, f"array of {len(items)}{optional}"
            for place, item in enumerate(items):
                yield from _fields(f"{path}[{place}]", item)
        case inspect.DictType(key_type=key, value_type=value):
            yield path, f"map{optional}"
            yield from _fields(f"{path}{{key}}", key)
            yield from _fields(f"{path}{{}}", value)
        case _:
            yield path, f"{type(kind).__name__.removesuffix('Type').lower()}{optional}"


def _union(path: str, types: tuple[inspect.Type, ...], optional: str) -> Iterator[tuple[str, str]]:
    some = [one for one in types if not isinstance(one, inspect.NoneType)]
    if len(some) < len(types):
        yield f"{path}=None", "null"
    if len(some) == 1:
        yield from _fields(path, some[0], optional)
        return
    yield path, f"one of several{optional}"
    for one in some:
        yield from _fields(f"{path}({_tag(one).strip() or type(one).__name__})", one)


def _tag(kind: inspect.Type) -> str:
    tag = getattr(kind, "tag", None)
    return "" if tag is None else f" {tag}"
