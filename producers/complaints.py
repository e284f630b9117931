"""What is wrong with a table that a person wrote: the place, the key, the value, and what to do about it.

Knows pydantic's findings and nothing of what the keys mean. A check of our own raises ValueError with the remedy.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

_SHOWN_MAX: Final = 80
#: Kinds of error whose value may be anything, a secret too.
_HIDING: Final = frozenset(("extra_forbidden", "model_type", "model_attributes_type", "dict_type"))
#: Name and password in a URL.
_LOGIN: Final = re.compile(r"(://|(?<=['\",]))[^/@\s'\",]*:[^/@\s'\",]*@")

#: pydantic's kinds of error (docs.pydantic.dev/latest/errors/validation_errors) that need a plainer word.
_REMEDIES: Final[Mapping[str, str]] = {
    "missing": "is missing; add it",
    "string_type": "write text in quotes",
    "int_type": "write a whole number, without quotes",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "float_parsing": "write a number",
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false",
    "list_type": "write a list, in [brackets]",
    "tuple_type": "write a list, in [brackets]",
    "model_type": "write a table of keys",
    "model_attributes_type": "write a table of keys",
    "dict_type": "write a table of keys",
    "path_type": "write a path in quotes",
    "finite_number": "write a finite number",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("gt", "has to be greater than"),
    "greater_than_equal": ("ge", "has to be at least"),
    "less_than": ("lt", "has to be less than"),
    "less_than_equal": ("le", "can be at most"),
    "string_too_short": ("min_length", "the least number of characters is"),
    "string_too_long": ("max_length", "the greatest number of characters is"),
    "too_short": ("min_length", "the least number of entries is"),
    "too_long": ("max_length", "the greatest number of entries is"),
    "literal_error": ("expected", "write one of"),
    "enum": ("expected", "write one of"),
}


def complaints(
    error: ValidationError, model: type[BaseModel], place: Callable[[tuple[int | str, ...]], str]
) -> Iterator[str]:
    """One line a finding: `place: key = value: remedy`. `place` is given the key's path."""
    for item in error.errors():
        path = item["loc"]
        kind = item["type"]
        key = spell(path)
        if kind == "missing":
            yield f"{place(path)}: {key} {_REMEDIES[kind]}"
            continue
        value = item.get("input")
        assignment = f"{key} = {_shown(value)}" if _may_be_shown(kind, path, value, model) else key
        yield ": ".join(part for part in (place(path), assignment, _remedy(kind, path, item, model)) if part)


def _may_be_shown(kind: str, path: tuple[int | str, ...], value: Any, model: type[BaseModel]) -> bool:
    """Whether a value is sure to be no secret.

    Under a mistyped key, in a table, or where a table has to be, a password may stand.
    """
    if kind in _HIDING or isinstance(value, dict):
        return False
    field = _field_at(path, model)
    return field is None or not _is_secret(field.annotation)


def _shown(value: Any) -> str:
    text = _LOGIN.sub(r"\1…@", repr(value))
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


def spell(path: tuple[int | str, ...]) -> str:
    """A path as a person reads it; entries of a list are counted from 1.

    >>> spell(("target", 0, "url"))
    'target 1 url'
    >>> spell(("kafka", "bootstrap"))
    'kafka.bootstrap'
    """
    spelt = ""
    after_number = False
    for part in path:
        if isinstance(part, int):
            spelt += f" {part + 1}"
        else:
            spelt += (" " if after_number else "." if spelt else "") + part
        after_number = isinstance(part, int)
    return spelt


def _remedy(kind: str, path: tuple[int | str, ...], item: Any, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        return _unknown_key(path, model)
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        limit = item["ctx"][bound]
        return f"{words} {int(limit) if isinstance(limit, float) and limit.is_integer() else limit}"
    return _REMEDIES.get(kind) or str(item["msg"])


def _unknown_key(path: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = _keys_at(path[:-1], model)
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    if near:
        return f"there is no such key; do you mean {near[0]!r}?"
    if known:
        return f"there is no such key; the keys are {', '.join(known)}"
    return "there is no such key; take it out"


def _keys_at(path: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The keys that a table at this path may have; none where that is not known."""
    if any(isinstance(part, str) for part in path):
        field = _field_at(path, model)
        below = _model_in(field.annotation) if field is not None else None
        if below is None:
            return []
        model = below
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _field_at(path: tuple[int | str, ...], model: type[BaseModel]) -> FieldInfo | None:
    """Return the field at a path, or None if the path leaves the known tables."""
    below: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for part in path:
        if isinstance(part, int):
            continue
        if below is None:
            return None
        field = next((f for name, f in below.model_fields.items() if part in (name, f.alias)), None)
        if field is None:
            return None
        below = _model_in(field.annotation)
    return field


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((model for part in typing.get_args(annotation) if (model := _model_in(part))), None)


def _is_secret(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, SecretStr)
    return any(_is_secret(part) for part in typing.get_args(annotation))
