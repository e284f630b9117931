"""What the assembler says of an incident: the whole of it, as it stands, in plain frozen values.

Times are seconds since 1970, UTC. Whoever writes the record adds the words.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from detectors.incidents.moves import Announcement


class Kind(StrEnum):
    """What was lost."""

    PLATFORM = "platform"
    CONNECTIVITY = "connectivity"
    GLOBAL = "global"


class Scope(StrEnum):
    """How far it reaches, from narrow to wide."""

    PROVIDER = "provider"
    REGION = "region"
    MULTI_PROVIDER = "multi-provider"
    NATION_SCALE = "nation-scale"
    GLOBAL = "global"

    @property
    def width(self) -> int:
        """Its place in the order from narrow to wide."""
        return list(Scope).index(self)


class Severity(StrEnum):
    """How much it hurts."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class NetworkLoss:
    """One affected network: share of its results lost at worst, since when, and since when it is back."""

    asn: int
    name: str | None
    lost: float
    onset: int
    recovered: int | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One measured fact; `fits` names the patterns that it is usual for, never who did it."""

    name: str
    value: float | None
    unit: str
    n: int
    text: str
    source: str | None = None
    fits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An incident as it stands. `seq` counts what was told of it: 1, 2, 3 ..."""

    id: str
    seq: int
    status: Announcement
    kind: Kind
    scope: Scope
    severity: Severity
    country: str | None
    countries: tuple[str, ...]
    regions: tuple[str, ...]
    platforms: tuple[str, ...]
    networks: tuple[NetworkLoss, ...]
    onset: int
    detected: int
    updated: int
    resolved: int | None
    reachability: float
    usual: float
    mechanism: str | None
    mechanism_share: float
    mechanism_by_network: tuple[tuple[int, str], ...]
    facts: tuple[Fact, ...]
    previous: tuple[str, ...]
    coincides: tuple[str, ...]
    confirmed: bool
    vantages: int
    networks_live: int
    measurements: int
    reason: str
    back: tuple[str, ...]  # of the platforms, those that are restored while others are not
    unheard: int  # affected networks (countries, when global) of which nothing was heard when it was resolved
    simulated: bool
    version: str
    fingerprint: str


def incident_id(kind: Kind, country: str | None, window: int, version: str, *parts: str) -> str:
    """Name an incident after what opened it, so that a replay gives the same name.

    >>> incident_id(Kind.PLATFORM, "PK", 1705758000, "1", "x") == incident_id(
    ...     Kind.PLATFORM, "PK", 1705758000, "1", "x"
    ... )
    True
    """
    text = "\x1f".join((kind, country or "", str(window), version, *parts))
    return f"{(country or 'world').lower()}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
