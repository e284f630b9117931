"""State as it is kept: versioned plain numbers (MessagePack), read back or refused."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec


class Versioned(Protocol):
    """What is stored says first in which version."""

    version: int


S = TypeVar("S", bound=Versioned)


def read_stored(data: bytes, kind: type[S], version: int, what: str = "snapshot") -> S:
    """Read what was stored. Raises ValueError on another version or a damaged text.

    >>> class Stored(msgspec.Struct, array_like=True):
    ...     version: int
    ...     total: int
    >>> read_stored(msgspec.msgpack.encode(Stored(1, 7)), Stored, 1).total
    7
    >>> read_stored(msgspec.msgpack.encode(Stored(1, 7)), Stored, 2)
    Traceback (most recent call last):
    ValueError: snapshot version 1 is unknown; this is version 2
    >>> read_stored(msgspec.msgpack.encode([3, {"total": 7}]), Stored, 2)
    Traceback (most recent call last):
    ValueError: snapshot version 3 is unknown; this is version 2
    """
    try:
        stored = msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as error:
        found = _version(data)
        if found is None or found == version:
            raise ValueError(f"damaged {what}: {error}") from error
    else:
        found = stored.version
        if found == version:
            return stored
    raise ValueError(f"{what} version {found} is unknown; this is version {version}")


def _version(data: bytes) -> int | None:
    """The version of what has another shape, or is damaged."""
    try:
        found = msgspec.msgpack.decode(data, type=list[Any])
    except msgspec.DecodeError:
        return None
    return found[0] if found and isinstance(found[0], int) else None
