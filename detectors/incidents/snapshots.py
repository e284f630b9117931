"""What the assembler says of an incident: the whole of it, as it stands, in plain frozen values.

Times are seconds since 1970, UTC. Whoever writes the record adds the words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from detectors.incidents.moves import Announcement
from detectors.readings import Witness

#: The longest reason that is told, in characters: people write some of them.
REASON_MAX: Final = 300
#: A loss of connectivity is over where this share of the usual results arrives.
FLOWS_SHARE: Final = 0.75


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
        """The scope's place in the order from narrow to wide."""
        return list(Scope).index(self)


class Severity(StrEnum):
    """How much it hurts."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class Doubt(StrEnum):
    """Why an incident is not confirmed. Such an incident is shown, and sends no page."""

    # Fewer live networks than a majority needs to mean something.
    FEW_NETWORKS = "few_networks"
    # A silence, and nothing shows that the observatory's own path works.
    OWN_PATH = "own_path"
    # A silence of vantages that fell silent one after another, as a deploy has them.
    ONE_BY_ONE = "one_by_one"
    # A silence of those who promised no rhythm.
    CROWD = "crowd"
    # No usual level has been learned yet.
    FIRST_MINUTES = "first_minutes"
    # Fewer failed attempts than chance may bring together somewhere, of all the series there are.
    FEW_RESULTS = "few_results"
    # Only vantages speak of it that nobody has registered.
    STRANGERS = "strangers"


@dataclass(frozen=True, slots=True)
class PlatformLoss:
    """One platform of an incident: since when, its ratio now and usually, and how it fails.

    `results` is the number of results on which `now` rests. `recovered` is when it came back everywhere. `targets` are
    the addresses that are lost while others are well, of `watched`; none where it is lost as such.
    """

    platform: str
    onset: int
    now: float
    usual: float
    results: int
    mechanism: str | None
    mechanism_share: float
    recovered: int | None
    targets: tuple[str, ...] = ()
    watched: int = 0


class Restoration(StrEnum):
    """How much of what was lost is back when an incident is over."""

    # It is not over.
    NONE = ""
    # It is over at another level than the usual one.
    PART = "part"
    # It is over; whether nothing is missing is not known yet.
    SOME = "some"
    # The lower 95 % bound of half an hour or more is within three points of the usual.
    FULL = "full"


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
    """One measured fact; `fits` names the patterns that it is usual for, never who did it.

    `figures` are the other values that its sentence needs, by name: whoever tells of it writes the sentence. `text` is
    the sentence that an earlier worker has kept with an open incident; else it is empty.
    """

    name: str
    value: float | None
    unit: str
    n: int
    text: str = ""
    source: str | None = None
    fits: tuple[str, ...] = ()
    figures: Mapping[str, int | float | str] = field(default_factory=dict)


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
    # Of the platforms, those that are restored while others are not.
    back: tuple[str, ...]
    # Affected networks (countries, when global) of which nothing was heard when it was resolved; before, for long.
    unheard: int
    simulated: bool
    version: str
    fingerprint: str
    # The number of results on which `reachability` rests.
    results: int = 0
    # The ratio in its regions alone, where it has any.
    in_regions: float | None = None
    by_platform: tuple[PlatformLoss, ...] = ()
    # Where single targets of a platform are lost, and others of it are well.
    targets: tuple[str, ...] = ()
    # Incidents that explain this one, or that it explains.
    linked: tuple[str, ...] = ()
    # Why it is not confirmed, a `Doubt`.
    doubt: str | None = None
    # It turned out to be nothing.
    retracted: bool = False
    # It ended by somebody's word, or by silence, not by what was measured.
    closed: bool = False
    restoration: Restoration = Restoration.NONE
    # What other sources say of it.
    witnesses: tuple[Witness, ...] = ()
    # It rests on vantages that nobody has registered.
    unregistered: bool = False
    # How fast what is throttled still answers, as a share of its usual speed: the middle one of its parts.
    speed: float | None = None
    # Platforms of which nothing has been heard for long: their targets may have left the list.
    unheard_platforms: tuple[str, ...] = ()
    # Whether `usual` was learned; in a country's first minutes it is a guess.
    learned: bool = True
    # Of the regions, those that are restored while others are not.
    regions_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Closing:
    """A person's word that an incident is over since `at`, and why. `retracted` says that it was none."""

    id: str
    reason: str
    at: int
    retracted: bool = False


def closed(last: Snapshot, closing: Closing, now: int) -> Snapshot:
    """Return the last snapshot of an incident that a person closes, made from the one before."""
    return replace(
        last,
        seq=last.seq + 1,
        status=Announcement.RESOLVED,
        updated=now,
        resolved=min(now, max(last.onset, closing.at)),
        reason=closing.reason[:REASON_MAX],
        retracted=closing.retracted,
        closed=True,
    )


def incident_id(kind: Kind, country: str | None, window: int, *parts: str) -> str:
    """Return an incident's id: a hash of what opened it. A replay makes the same id, also in a later release.

    >>> incident_id(Kind.PLATFORM, "PK", 1705758000, "x")
    'pk-e54d25f6617ea5eb'
    """
    text = "\x1f".join((kind, country or "", str(window), *parts))
    return f"{(country or 'world').lower()}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
