"""One record of every kind, with every field: made from the records' own types."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from tests.contracts.shapes import published

#: Where any text would not do.
_WORDS = {"country": "PK", "region": "PK-PB", "stage": "tls", "failure": "connection_reset"}
_NUMBERS = {"count": 9, "status": 302}


def examples() -> dict[str, bytes]:
    """The records as JSON, by name and version of their schema."""
    made = {}
    for record in published():
        tag = str(record.__struct_config__.tag)
        value = {"schema": tag, **_filled(inspect.type_info(record), record.__name__)}
        made[tag.removeprefix("netdusk.").replace("/", "-")] = msgspec.json.encode(value)
    return made


def _filled(kind: inspect.Type, name: str) -> Any:
    match kind:
        case inspect.Metadata(type=inner):
            return _filled(inner, name)
        case inspect.StructType(fields=fields) | inspect.DataclassType(fields=fields):
            return {field.encode_name: _filled(field.type, field.name) for field in fields}
        case inspect.UnionType(types=types):
            return _filled(next(one for one in types if not isinstance(one, inspect.NoneType)), name)
        case inspect.EnumType(cls=values):
            return _WORDS.get(name, next(iter(values)).value)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [_filled(item, name)]
        case inspect.TupleType(item_types=items):
            return [_filled(item, name) for item in items]
        case inspect.DictType(key_type=key, value_type=value):
            return {_filled(key, name): _filled(value, name)}
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.BoolType():
            return name != "ok"
        case inspect.IntType():
            return _NUMBERS.get(name, 7)
        case inspect.FloatType():
            return 0.5
        case inspect.DateTimeType():
            return "2024-01-20T13:41:07.250Z"
        case inspect.BytesType():
            return "e30="
        case inspect.StrType():
            return _WORDS.get(name, name)
    raise TypeError(f"{name}: no example of {kind}")
