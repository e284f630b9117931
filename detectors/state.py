"""State as it is kept, and its way forward: what a release has written restores in every later one.

Four rules keep it so, and tests/contracts/ holds them:

- What is kept has its *names* with it: structs by field, tables by column, codes by what they stand for, enums by
  value. A reader passes over names that it does not know.
- What is added has a default: the one that an older snapshot, which lacks it, is to have.
- Where volume counts a struct may be an array (`array_like`), which is appended to only.
- Whatever else changes (a name, a type, a meaning) raises the version of its kind in `VERSIONS`, and `UPGRADES` gets
  the step from the version before. Steps work on plain dicts, so that they outlive the structs; none is ever removed.

All kinds of state, versions and upgrades are here, those of other rooms too: by name, nothing of them is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

Plain = dict[str, Any]

#: The version of each kind of state, as it is written now.
VERSIONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "bank": 4,  # all series of a partition
        "assembler": 2,  # incidents in hand and past, of its countries
        "outages": 2,  # incidents of the whole world
        "country": 3,  # a partition of results: its open windows, with a bank and an assembler in it
        "worldwide": 2,  # the partition of the health topic, with outages in it
        "checkpoint": 1,  # a record of the redo log, and the chunk in it: arrays, appended to only
    }
)


class Upgrade(NamedTuple):
    """A step from one version of a kind to the next."""

    kind: str
    # That it reads.
    version: int
    step: Callable[[Plain], Plain]


#: In the order in which they were needed. The first versions of which a step is kept are those of release 0.2.0.
UPGRADES: Final[Sequence[Upgrade]] = ()


class Versioned(Protocol):
    """What is stored says in which version."""

    version: int


S = TypeVar("S", bound=Versioned)


def read_stored(data: bytes, shape: type[S], kind: str) -> S:
    """Read what any release has stored, and bring it up to this version.

    Raises ValueError where it is damaged, comes from a later release, or from one before 0.2.0.

    >>> class Stored(msgspec.Struct):
    ...     version: int
    ...     now: int
    ...     added_later: int = 7
    >>> read_stored(msgspec.msgpack.encode({"version": 2, "now": 5}), Stored, "assembler").added_later
    7
    >>> read_stored(msgspec.msgpack.encode({"version": 9, "now": 5}), Stored, "assembler")
    Traceback (most recent call last):
    ValueError: assembler snapshot version 9 was written by a later release; this one reads up to version 2
    """
    current = VERSIONS[kind]
    try:
        stored = msgspec.msgpack.decode(data, type=shape)
    except msgspec.DecodeError as error:
        damage = str(error)
    else:
        if stored.version == current:
            return stored
        damage = ""
    plain = _plain(data, kind)
    if plain["version"] == current:
        raise ValueError(f"damaged {kind} snapshot: {damage}")
    upgraded = upgrade(plain, kind)
    try:
        return msgspec.convert(upgraded, shape)
    except msgspec.ValidationError as error:
        raise ValueError(f"damaged {kind} snapshot: {error}") from error


def upgrade(
    plain: Plain,
    kind: str,
    *,
    versions: Mapping[str, int] = VERSIONS,
    upgrades: Sequence[Upgrade] = UPGRADES,
) -> Plain:
    """State of a kind as this release writes it, from its plain form in an earlier version.

    Raises ValueError where no steps lead here from there.

    >>> steps = [Upgrade("bank", 4, lambda plain: {"window": plain["seconds"]})]
    >>> upgrade({"version": 4, "seconds": 60}, "bank", versions={"bank": 5}, upgrades=steps)
    {'window': 60, 'version': 5}
    """
    version, current = plain["version"], versions[kind]
    if version > current:
        raise ValueError(
            f"{kind} snapshot version {version} was written by a later release; "
            f"this one reads up to version {current}"
        )
    for step in upgrades:
        if step.kind == kind and step.version == version:
            version += 1
            plain = {**step.step(plain), "version": version}
    if version != current:
        raise _too_old(kind)
    return plain


def _plain(data: bytes, kind: str) -> Plain:
    """What was stored, as a dict. Raises ValueError."""
    try:
        plain = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"damaged {kind} snapshot: {error}") from error
    if isinstance(plain, dict) and isinstance(plain.get("version"), int):
        return plain
    if isinstance(plain, list) and plain and isinstance(plain[0], int):
        raise _too_old(kind)
    raise ValueError(f"damaged {kind} snapshot: it does not say its version")


def _too_old(kind: str) -> ValueError:
    return ValueError(
        f"{kind} snapshot was written by a release before 0.2.0, the first whose snapshots every later one reads; "
        "docs/runbooks/WorkerStalled.md says how to begin anew"
    )
