"""What the worker writes: Incident, Window, Health, Arrivals, Rejected; what people write: CalendarEvent, Annotation,
Vantage.

Every Incident is a whole snapshot, `seq` 1, 2, 3 ...; the last one says how things stand.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from detectors.incidents import snapshots
from detectors.readings import Says

INCIDENT_SCHEMA: Final = "netdusk.incident/1"
REJECTED_SCHEMA: Final = "netdusk.rejected/1"
HEALTH_SCHEMA: Final = "netdusk.health/1"
CALENDAR_SCHEMA: Final = "netdusk.calendar/1"
ANNOTATION_SCHEMA: Final = "netdusk.annotation/1"
ARRIVALS_SCHEMA: Final = "netdusk.arrivals/1"
WINDOW_SCHEMA: Final = "netdusk.window/1"
VANTAGE_SCHEMA: Final = "netdusk.vantage/1"

#: Of a name or an id in a note, and of its text, so many characters.
_NAME_MAX: Final = 200
_TEXT_MAX: Final = 4000
_KEY_BYTES: Final = 32
_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


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
    """One affected network: the share of its results that were lost, and since when.

    An `asn` from 4250000000 on stands for a network that is not named: see `trust.name_small_networks`.
    """

    asn: int
    name: str | None = None
    lost: float
    onset: datetime
    recovered: datetime | None = None


class Reachability(Struct, frozen=True, kw_only=True):
    """Ratio of probes that succeed, over the incident's platforms, on the networks that are lost still.

    Of a nation-scale incident, and once it is resolved, it is over all of its networks.

    `results` is the number of results on which `now` rests; 0 where it was not written down. `in_regions` is the
    ratio in the incident's regions alone, where it has any. Where `usual_learned` is false, `usual` is a guess.
    """

    now: float
    usual: float
    results: int = 0
    in_regions: float | None = None
    usual_learned: bool = True


class Mechanism(Struct, frozen=True, kw_only=True):
    """The dominant way of failing, `stage.failure`, and its share of the failures."""

    name: str
    share: float
    by_network: dict[str, str] = {}  # where it differs: "AS17557": "dns.dns_nxdomain_error"


class PlatformDetail(Struct, frozen=True, kw_only=True):
    """How one platform of an incident stands; `recovered` is when it came back on every network.

    `targets` are the addresses that are lost while others are well, of `targets_watched`; `reachability` is theirs.
    """

    platform: str
    onset: datetime
    reachability: Reachability
    mechanism: Mechanism | None = None
    recovered: datetime | None = None
    targets: tuple[str, ...] = ()
    targets_watched: Annotated[int, Meta(ge=0)] = 0


class Evidence(Struct, frozen=True, kw_only=True):
    """One measured fact: never a verdict on who did it."""

    name: str
    value: float | None
    unit: str
    n: int
    text: str
    source: str | None = None
    fits: tuple[str, ...] = ()


class Corroboration(Struct, frozen=True, kw_only=True):
    """What another source says of a loss of connectivity; it never moves an onset.

    `says` is agrees, disagrees, silent (nothing came, though it was due) or late (nothing was due yet). `signal` is the
    series that it rests on, `value` its figure beside what is `usual`, `time` when that was. Where it agrees, `value`
    is the lowest figure, `time` since when, and `until` when by its own word it was over.
    """

    source: str
    says: Says
    signal: str
    value: float | None = None
    usual: float | None = None
    time: datetime | None = None
    url: str | None = None
    text: str = ""
    until: datetime | None = None


class Detector(Struct, frozen=True, kw_only=True):
    """What decided: so that anybody can run the same again."""

    name: str
    version: str
    settings: str


class Incident(Struct, frozen=True, kw_only=True, tag_field="schema", tag=INCIDENT_SCHEMA):
    """One disruption in the world, as it stands.

    Lists are bounded: `left_out` says by a list's name how many more there are than it holds.
    """

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
    platforms_detail: tuple[PlatformDetail, ...] = ()
    targets: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    unconfirmed_reason: str | None = None
    retracted: bool = False
    left_out: dict[str, int] = {}
    corroboration: tuple[Corroboration, ...] = ()
    regions_restored: tuple[str, ...] = ()


class Rejected(Struct, frozen=True, kw_only=True, tag_field="schema", tag=REJECTED_SCHEMA):
    """A record that was not applied: why, where it stood, and its bytes (base64, cut at 4 KiB)."""

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    size: int
    value: bytes


#: What is counted: as many as a double counts exactly, which no window has.
Count = Annotated[int, Meta(ge=0, le=2**53)]
Ratio = Annotated[float, Meta(ge=0, le=1)]


#: How much was due or came of late: results, the older ones counting less.
Arriving = Annotated[float, Meta(ge=0, le=2**53)]


class HealthRecord(Struct, frozen=True, kw_only=True, tag_field="schema", tag=HEALTH_SCHEMA):
    """How one platform stood in one country after a closed window.

    Where something stirs there: how its failures' controls did, and the failures by `stage.failure`.
    """

    platform: str
    country: str
    start: datetime
    n: Count
    k: Count
    expected: Ratio
    reachability: Ratio
    score: float
    networks_live: Count
    networks_bad: Count
    controls_good: Count = 0
    controls_bad: Count = 0
    failures: Annotated[dict[str, Count], Meta(max_length=1000)] = {}
    simulated: bool = False
    # Of the country: what was due of late from all of its vantages.
    awaited: Arriving = 0.0
    came: Arriving = 0.0


class Arrivals(Struct, frozen=True, kw_only=True, tag_field="schema", tag=ARRIVALS_SCHEMA):
    """What was due of late from the whole world and what came of it, after the window that begins at `start`.

    By country, so that whoever judges one country's silence can leave its own out.
    """

    start: datetime
    countries: Annotated[dict[str, tuple[Arriving, Arriving]], Meta(max_length=300)]
    simulated: bool = False


#: A country has no more cells: `limits.series` by its regions.
_Cells: Final = Meta(max_length=1_000_000)


class Window(Struct, frozen=True, kw_only=True, tag_field="schema", tag=WINDOW_SCHEMA):
    """A country's closed window: parallel columns over its cells that had results, split by region.

    `region` is "" where none was given; `n` results, of which `k` succeeded; `expected` is the usual ratio, null where
    none is known yet; `ttfb_ms` the median time to first byte, null where nothing was timed; `failure` the most
    frequent `stage.failure`, "" where nothing failed. A country that is watched and from which nothing came has empty
    columns. Country, start and `simulated` are its name: the same one twice is the same bytes.
    """

    country: str
    start: datetime
    end: datetime
    simulated: bool = False
    networks_live: Count = 0
    vantages: Count = 0
    # What was due of late from all of its vantages, and what came.
    awaited: Arriving = 0.0
    came: Arriving = 0.0
    platform: Annotated[list[str], _Cells] = []
    region: Annotated[list[str], _Cells] = []
    asn: Annotated[list[Annotated[int, Meta(ge=0, le=4_294_967_295)]], _Cells] = []
    n: Annotated[list[Count], _Cells] = []
    k: Annotated[list[Count], _Cells] = []
    expected: Annotated[list[Ratio | None], _Cells] = []
    ttfb_ms: Annotated[list[Count | None], _Cells] = []
    failure: Annotated[list[str], _Cells] = []

    def __post_init__(self) -> None:
        """Raise ValueError where the columns are not of one length."""
        columns = (self.region, self.asn, self.n, self.k, self.expected, self.ttfb_ms, self.failure)
        if any(len(column) != len(self.platform) for column in columns):
            raise ValueError("a window's columns have to be of one length")


class CalendarEvent(Struct, frozen=True, kw_only=True, tag_field="schema", tag=CALENDAR_SCHEMA):
    """A scheduled event (rally, election, exam) that an incident may coincide with."""

    id: str
    country: str
    title: str
    start: datetime
    end: datetime
    source: str | None = None


class AnnotationKind(StrEnum):
    """What a person says of an incident; `closed` ends it."""

    CAUSE = "cause"
    LINK = "link"
    FALSE_ALARM = "false_alarm"
    CLOSED = "closed"


class Annotation(Struct, frozen=True, kw_only=True, tag_field="schema", tag=ANNOTATION_SCHEMA):
    """What a person says of an incident."""

    id: str
    incident: str
    time: datetime
    author: str
    kind: AnnotationKind
    text: str = ""
    url: str | None = None


class VantageState(StrEnum):
    """Whether a vantage may speak: on probation it is shown, and has no vote until its probation is over."""

    PROBATION = "probation"
    ACTIVE = "active"
    REVOKED = "revoked"


class Vantage(Struct, frozen=True, kw_only=True, tag_field="schema", tag=VANTAGE_SCHEMA):
    """An entry of the register: who may speak for which country and network.

    `asn` 0 stands for a network that is not known, and nothing else; of an entry with `sources` it stands for all
    networks of the country. `public_key` is an Ed25519 key, 32 bytes in base64. `sources` are sources of measurements
    (`ooni`) for whose results in this country the entry speaks.
    """

    vantage: Annotated[str, Meta(min_length=1, max_length=128)]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    asn: Annotated[int, Meta(ge=0, le=4_294_967_295)] = 0
    region: str | None = None
    public_key: Annotated[str, Meta(max_length=44)] | None = None
    every_seconds: Annotated[float, Meta(gt=0, le=604_800)] | None = None
    state: VantageState = VantageState.ACTIVE
    since: datetime
    operator: str = ""
    sources: tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...] = ()

    @property
    def id(self) -> str:
        """Its name on the topic: an entry replaces the one before it."""
        return self.vantage


OutputRecord = Incident | Rejected | HealthRecord | Arrivals | Window | CalendarEvent | Annotation | Vantage

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], OutputRecord] = msgspec.json.Decoder(OutputRecord).decode


def encode(record: OutputRecord) -> bytes:
    """Write a record as its topic has it: JSON, UTF-8."""
    return _encode(record)


def decode(value: bytes) -> OutputRecord:
    """Read a record that netdusk wrote. Raises `msgspec.ValidationError` if it is not one."""
    return _decode(value)


def check_zones(record: object) -> None:
    """Raise ValueError where a moment has no time zone: it can't be compared with the others."""
    for field in getattr(record, "__struct_fields__", ()):
        moment = getattr(record, field)
        if isinstance(moment, datetime) and moment.tzinfo is None:
            raise ValueError(f"{field} = {moment.isoformat()} has no time zone")


_LINKS: Final = ("https://", "http://")


def check_note(note: CalendarEvent | Annotation | Vantage) -> None:
    """Raise ValueError where a note has a moment, a link, a length or a character that no person would write."""
    moments = _moments(note)
    if isinstance(note, Vantage) and note.public_key is not None:
        try:
            key = base64.b64decode(note.public_key, validate=True)
        except binascii.Error as error:
            raise ValueError(f"public_key of {note.vantage}: {error}") from error
        if len(key) != _KEY_BYTES:
            raise ValueError(
                f"public_key of {note.vantage}: {len(key)} bytes, and an Ed25519 key has {_KEY_BYTES}"
            )
    for moment in moments:
        if moment.tzinfo is None:
            raise ValueError(f"{moment.isoformat()}: name a time zone, like 2024-01-20T13:00:00Z")
        if not 1970 < moment.year < 2200:
            raise ValueError(f"{moment.isoformat()}: the year has to be from 1971 to 2199")
    if isinstance(note, Annotation) and note.url is not None and not note.url.startswith(_LINKS):
        raise ValueError(f"url {note.url[:40]!r} has to begin with https:// or http://")
    for field in note.__struct_fields__:
        text = getattr(note, field)
        if not isinstance(text, str):
            continue
        longest = _TEXT_MAX if field in ("text", "title", "url", "source") else _NAME_MAX
        if len(text) > longest:
            raise ValueError(f"{field} has {len(text)} characters, and {longest} at most are taken")
        if any(_is_unseen(character) for character in text if not (field == "text" and character == "\n")):
            raise ValueError(f"{field} has control or direction characters")


def _moments(note: CalendarEvent | Annotation | Vantage) -> tuple[datetime, ...]:
    if isinstance(note, CalendarEvent):
        return (note.start, note.end)
    return (note.since,) if isinstance(note, Vantage) else (note.time,)


def _is_unseen(character: str) -> bool:
    """Whether a character controls, formats or turns text; joiners, which Persian and Urdu need, do not."""
    return unicodedata.category(character) in _UNSEEN and character not in "\u200c\u200d"
