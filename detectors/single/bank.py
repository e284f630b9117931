"""A detector's state as plain data, and back: numbers, texts, lists and mappings, never a pickle.

Walks attributes. Only classes of River and of these detectors are made again, by their path; whatever is neither
plain nor one of those is refused. What two attributes share is written once, and shared again.
"""

from __future__ import annotations

import importlib
import random
from array import array
from collections import defaultdict, deque
from collections.abc import Callable
from inspect import ismethod
from typing import Any, Final

import numpy as np

_ROOTS: Final = ("river.", "detectors.")
# Its objects give and take their state as bytes.
_COMPILED: Final = "river._river_rust."
_SCALARS: Final = (type(None), bool, int, float, str, bytes)


class NotPlainError(TypeError):
    """A state that can't be written down; the message says which attribute and why."""


def to_plain(value: Any) -> Any:
    """Write a value down: only None, booleans, numbers, texts, bytes, and lists and dicts of these.

    >>> to_plain((1, 2.5))
    {'tuple': [1, 2.5]}
    """
    return _Writer().write(value, "it")


def from_plain(plain: Any) -> Any:
    """Read what `to_plain` wrote. Raises ValueError on anything else.

    >>> from_plain(to_plain({"a": (1, 2)}))
    {'a': (1, 2)}
    """
    return _CountryReader().read(plain)


class _Writer:
    """Numbers what may be shared in the order in which it is met; the reader meets it in the same order."""

    def __init__(self) -> None:
        self.met: dict[int, tuple[int, Any]] = {}  # the value is held, so that no other gets its id meanwhile

    def write(self, value: Any, where: str) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is tuple:
            return {"tuple": self._items(value, where)}
        if kind is set:
            return {"set": sorted(self._items(value, where))}
        if id(value) in self.met:
            return {"again": self.met[id(value)][0]}
        self.met[id(value)] = (len(self.met), value)
        if kind is list:
            return self._items(value, where)
        if kind is deque:
            return {"deque": self._items(value, where), "most": value.maxlen}
        if kind is dict or kind is defaultdict:
            pairs = [
                [self.write(key, where), self.write(item, f"{where}[{key!r}]")] for key, item in value.items()
            ]
            if kind is dict:
                return {"dict": pairs}
            return {"dict": pairs, "missing": to_plain(_constant(value.default_factory, where))}
        if kind is array:
            return {"row": value.tolist(), "typecode": value.typecode}
        if kind is np.ndarray and not value.dtype.hasobject:
            return {"array": value.tobytes(), "dtype": value.dtype.str, "shape": list(value.shape)}
        if kind is random.Random:
            version, state, gauss = value.getstate()
            return {"random": [version, list(state), gauss]}
        return self._object(value, where)

    def _items(self, values: Any, where: str) -> list[Any]:
        return [self.write(item, f"{where}[{i}]") for i, item in enumerate(values)]

    def _object(self, value: Any, where: str) -> dict[str, Any]:
        kind = type(value)
        path = f"{kind.__module__}.{kind.__qualname__}"
        if path.startswith(_COMPILED):
            state = value.__getstate__()
            if not isinstance(state, bytes):
                raise NotPlainError(f"{where} is a {path}, which does not give its state as bytes")
            return {"compiled": path, "arguments": to_plain(value.__getnewargs__()), "state": state}
        if not path.startswith(_ROOTS):
            raise NotPlainError(f"{where} is a {path}: neither plain nor River's")
        if not hasattr(value, "__dict__"):
            raise NotPlainError(f"{where} is a {path}, whose attributes can't be walked")
        state = {}
        for name, item in vars(value).items():
            own = ismethod(item) and item.__self__ is value
            state[name] = {"method": item.__name__} if own else self.write(item, f"{where}.{name}")
        return {"object": path, "state": state}


class _CountryReader:
    def __init__(self) -> None:
        self.made: list[Any] = []

    def read(self, plain: Any) -> Any:
        if type(plain) in _SCALARS:
            return plain
        if isinstance(plain, list):
            items = self._keep([])
            items.extend(self.read(item) for item in plain)
            return items
        if not isinstance(plain, dict):
            raise ValueError(f"{type(plain).__name__} is no plain state")
        for name, read in self._READ.items():
            if name in plain:
                return read(self, plain)
        raise ValueError(f"no plain state: {sorted(plain)}")

    def _keep(self, thing: Any) -> Any:
        self.made.append(thing)
        return thing

    def _tuple(self, plain: dict[str, Any]) -> Any:
        return tuple(self.read(item) for item in plain["tuple"])

    def _set(self, plain: dict[str, Any]) -> Any:
        return {self.read(item) for item in plain["set"]}

    def _again(self, plain: dict[str, Any]) -> Any:
        return self.made[plain["again"]]

    def _deque(self, plain: dict[str, Any]) -> Any:
        items = self._keep(deque(maxlen=plain["most"]))
        items.extend(self.read(item) for item in plain["deque"])
        return items

    def _dict(self, plain: dict[str, Any]) -> Any:
        mapping = self._keep(defaultdict(_Always(plain["missing"])) if "missing" in plain else {})
        mapping.update((self.read(key), self.read(item)) for key, item in plain["dict"])
        return mapping

    def _array(self, plain: dict[str, Any]) -> Any:
        flat = np.frombuffer(plain["array"], dtype=np.dtype(plain["dtype"]))
        return self._keep(flat.reshape(plain["shape"]).copy())

    def _row(self, plain: dict[str, Any]) -> Any:
        return self._keep(array(plain["typecode"], plain["row"]))

    def _random(self, plain: dict[str, Any]) -> Any:
        version, state, gauss = plain["random"]
        made = self._keep(random.Random())  # noqa: S311  a detector's own sampling, not a secret
        made.setstate((version, tuple(state), gauss))
        return made

    def _compiled(self, plain: dict[str, Any]) -> Any:
        made = self._keep(_class(plain["compiled"])(*from_plain(plain["arguments"])))
        made.__setstate__(plain["state"])
        return made

    def _object(self, plain: dict[str, Any]) -> Any:
        kind = _class(plain["object"])
        thing = self._keep(kind.__new__(kind))
        for name, item in plain["state"].items():
            own = isinstance(item, dict) and "method" in item
            vars(thing)[name] = getattr(thing, item["method"]) if own else self.read(item)
        return thing

    _READ: Final[dict[str, Callable[[_CountryReader, dict[str, Any]], Any]]] = {
        "tuple": _tuple,
        "set": _set,
        "again": _again,
        "deque": _deque,
        "dict": _dict,
        "array": _array,
        "row": _row,
        "random": _random,
        "compiled": _compiled,
        "object": _object,
    }


class _Always:
    """Makes the same value each time."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def __call__(self) -> Any:
        return from_plain(self.plain)


def _constant(factory: Any, where: str) -> Any:
    """What a mapping makes for a key that it has not, where that is always the same."""
    if factory is None or factory() != factory():
        raise NotPlainError(f"{where} is a mapping that makes values of its own")
    return factory()


def _class(path: str) -> Any:
    if not path.startswith(_ROOTS):
        raise ValueError(f"{path} is no class of River's or of these detectors'")
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path} is not there: {error}") from error
