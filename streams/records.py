"""What the worker writes: Incident, Health, Rejected; and CalendarEvent, which operators write for it.

Every Incident is a whole snapshot, `seq` 1, 2, 3 ...; the last one says how things stand.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from detectors.incidents import snapshots

INCIDENT_SCHEMA: Final = "netdusk.incident/1"
REJECTED_SCHEMA: Final = "netdusk.rejected/1"
HEALTH_SCHEMA: Final = "netdusk.health/1"
CALENDAR_SCHEMA: Final = "netdusk.calendar/1"


class Status(StrEnum):
    """Where an incident is in its life."""

    OPEN = "open"
    UPDATED = "updated"
    RESOLVED = "resolved"


#: What was lost, how far it reaches, and how much it hurts: the detectors' own words.
Kind = snapshots.Kind
Scope = snapshots.Scope
Severity = snapshots.Severity


class Network(Struct, frozen=True, kw_only=True):
    """One affected network: the share of its results that were lost, and since when."""

    asn: int
    name: str | None = None
    lost: float
    onset: datetime
    recovered: datetime | None = None


class Reachability(Struct, frozen=True, kw_only=True):
    """Ratio of probes that succeed, over the incident's platforms and networks."""

    now: float
    usual: float


class Mechanism(Struct, frozen=True, kw_only=True):
    """The dominant way of failing, `stage.failure`, and its share of the failures."""

    name: str
    share: float
    by_network: dict[str, str] = {}  # where it differs: "AS17557": "dns.dns_nxdomain_error"


class Evidence(Struct, frozen=True, kw_only=True):
    """One measured fact: never a verdict on who did it."""

    name: str
    value: float | None
    unit: str
    n: int
    text: str
    source: str | None = None
    fits: tuple[str, ...] = ()


class Detector(Struct, frozen=True, kw_only=True):
    """What decided: so that anybody can run the same again."""

    name: str
    version: str
    settings: str


class Incident(Struct, frozen=True, kw_only=True, tag_field="schema", tag=INCIDENT_SCHEMA):
    """One disruption in the world, as it stands."""

    id: str
    seq: int
    status: Status
    kind: Kind
    scope: Scope
    severity: Severity
    country: str | None
    countries: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    onset: datetime
    detected: datetime
    updated: datetime
    resolved: datetime | None = None
    duration_seconds: int
    reachability: Reachability
    mechanism: Mechanism | None = None
    evidence: tuple[Evidence, ...] = ()
    previous: tuple[str, ...] = ()
    coincides: tuple[str, ...] = ()
    confirmed: bool
    vantages: int
    networks_live: int
    measurements: int = 0
    reason: str = ""
    simulated: bool = False
    detector: Detector
    summary: str


class Rejected(Struct, frozen=True, kw_only=True, tag_field="schema", tag=REJECTED_SCHEMA):
    """A record that was not applied: why, where it stood, and its bytes (base64, cut at 4 KiB)."""

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    size: int
    value: bytes


class HealthRecord(Struct, frozen=True, kw_only=True, tag_field="schema", tag=HEALTH_SCHEMA):
    """How one platform stood in one country after a closed window.

    Where something stirs there: how its failures' controls did, and the failures by `stage.failure`.
    """

    platform: str
    country: str
    start: datetime
    n: int
    k: int
    expected: float
    reachability: float
    score: float
    networks_live: int
    networks_bad: int
    controls_good: int = 0
    controls_bad: int = 0
    failures: dict[str, int] = {}
    simulated: bool = False


class CalendarEvent(Struct, frozen=True, kw_only=True, tag_field="schema", tag=CALENDAR_SCHEMA):
    """A scheduled event (rally, election, exam) that an incident may coincide with."""

    id: str
    country: str
    title: str
    start: datetime
    end: datetime
    source: str | None = None


OutputRecord = Incident | Rejected | HealthRecord | CalendarEvent

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], OutputRecord] = msgspec.json.Decoder(OutputRecord).decode


def encode(record: OutputRecord) -> bytes:
    """Write a record as its topic has it: JSON, UTF-8."""
    return _encode(record)


def decode(value: bytes) -> OutputRecord:
    """Read a record that netdusk wrote. Raises `msgspec.ValidationError` where it is none."""
    return _decode(value)
