"""From what the assembler says to the record that others read. Decides nothing; its sentence is from `words`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar, overload

import msgspec

from detectors.incidents.moves import Announcement
from detectors.incidents.snapshots import Doubt, Fact, NetworkLoss, PlatformLoss, Snapshot
from detectors.readings import Witness
from detectors.settings import IncidentSettings
from streams.records import (
    Corroboration,
    Detector,
    Evidence,
    Incident,
    Mechanism,
    Network,
    PlatformDetail,
    Reachability,
    Status,
)
from streams.words import corroboration, evidence_text, summary

T = TypeVar("T")

DETECTOR_NAME: Final = "netdusk"
#: Raised whenever the same log could give other incidents.
DETECTOR_VERSION: Final = "1"


#: No list of a record has more items, or more bytes, than this, so that no incident passes the broker's limit of a
#: megabyte, whatever its names. The whole of it is in the checkpoint.
LIST_MAX: Final = 256
LIST_BYTES_MAX: Final = 48 * 1024


def to_record(snapshot: Snapshot, settings: IncidentSettings | None = None) -> Incident:
    """Return a snapshot as the topic has it; `settings` brings the operator's own names."""
    own = settings or IncidentSettings()
    until = snapshot.resolved if snapshot.resolved is not None else snapshot.updated
    cut = _Cut()
    return Incident(
        id=snapshot.id,
        seq=snapshot.seq,
        status=Status(snapshot.status.value),
        kind=snapshot.kind,
        scope=snapshot.scope,
        severity=snapshot.severity,
        country=snapshot.country,
        countries=cut("countries", snapshot.countries),
        regions=cut("regions", snapshot.regions),
        regions_restored=cut("regions_restored", snapshot.regions_back),
        platforms=cut("platforms", snapshot.platforms),
        networks=tuple(_network(network) for network in cut("networks", snapshot.networks)),
        onset=_time(snapshot.onset),
        detected=_time(snapshot.detected),
        updated=_time(snapshot.updated),
        resolved=_time_or_none(snapshot.resolved),
        duration_seconds=max(0, until - snapshot.onset),
        reachability=Reachability(
            now=snapshot.reachability,
            usual=snapshot.usual,
            results=snapshot.results,
            in_regions=snapshot.in_regions,
            usual_learned=snapshot.learned,
        ),
        mechanism=_mechanism(
            snapshot.mechanism,
            snapshot.mechanism_share,
            cut("mechanism.by_network", snapshot.mechanism_by_network),
        ),
        evidence=tuple(_evidence(fact) for fact in cut("evidence", snapshot.facts)),
        previous=cut("previous", snapshot.previous),
        coincides=cut("coincides", snapshot.coincides),
        confirmed=snapshot.confirmed,
        vantages=snapshot.vantages,
        networks_live=snapshot.networks_live,
        measurements=snapshot.measurements,
        reason=snapshot.reason,
        simulated=snapshot.simulated,
        detector=Detector(name=DETECTOR_NAME, version=snapshot.version, settings=snapshot.fingerprint),
        summary=summary(snapshot, own),
        platforms_detail=tuple(
            _platform(loss, snapshot.learned) for loss in cut("platforms_detail", snapshot.by_platform)
        ),
        targets=cut("targets", snapshot.targets),
        linked=cut("linked", snapshot.linked),
        unconfirmed_reason=snapshot.doubt,
        retracted=snapshot.retracted,
        corroboration=tuple(_corroboration(one) for one in cut("corroboration", snapshot.witnesses)),
        left_out=cut.left_out,
    )


#: How ids begin of incidents that vantages without a vote alone report.
_STRANGERS: Final = "unregistered-"


def of_strangers(snapshot: Snapshot) -> Snapshot:
    """A snapshot that rests on vantages without a vote: never confirmed, under an id of its own."""
    return replace(
        snapshot,
        id=_STRANGERS + snapshot.id,
        previous=tuple(_STRANGERS + name for name in snapshot.previous),
        linked=tuple(_STRANGERS + name for name in snapshot.linked),
        confirmed=False,
        doubt=Doubt.STRANGERS,
        unregistered=True,
    )


def is_of_strangers(name: str) -> bool:
    """Whether an incident's id says that vantages without a vote alone report it."""
    return name.startswith(_STRANGERS)


def own_id(name: str) -> str:
    """The id without what `of_strangers` added."""
    return name.removeprefix(_STRANGERS)


def from_record(record: Incident) -> Snapshot:
    """Return what a record says as the detectors have it; its facts and words are left out."""
    mechanism = record.mechanism
    return Snapshot(
        id=record.id,
        seq=record.seq,
        status=Announcement(record.status.value),
        kind=record.kind,
        scope=record.scope,
        severity=record.severity,
        country=record.country,
        countries=record.countries,
        regions=record.regions,
        regions_back=record.regions_restored,
        platforms=record.platforms,
        networks=tuple(
            NetworkLoss(
                network.asn, network.name, network.lost, _seconds(network.onset), _seconds(network.recovered)
            )
            for network in record.networks
        ),
        onset=_seconds(record.onset),
        detected=_seconds(record.detected),
        updated=_seconds(record.updated),
        resolved=_seconds(record.resolved),
        reachability=record.reachability.now,
        usual=record.reachability.usual,
        mechanism=mechanism.name if mechanism is not None else None,
        mechanism_share=mechanism.share if mechanism is not None else 0.0,
        mechanism_by_network=(),
        facts=(),
        previous=record.previous,
        coincides=record.coincides,
        confirmed=record.confirmed,
        vantages=record.vantages,
        networks_live=record.networks_live,
        measurements=record.measurements,
        reason=record.reason,
        back=(),
        unheard=0,
        simulated=record.simulated,
        version=record.detector.version,
        fingerprint=record.detector.settings,
        targets=record.targets,
        linked=record.linked,
        learned=record.reachability.usual_learned,
        doubt=record.unconfirmed_reason,
        retracted=record.retracted,
        witnesses=tuple(map(_witness, record.corroboration)),
    )


class _Cut:
    """Cuts lists to their bounds, and counts what it left out, by the list's name."""

    def __init__(self) -> None:
        self.left_out: dict[str, int] = {}

    def __call__(self, name: str, items: tuple[T, ...]) -> tuple[T, ...]:
        kept = size = 0
        for item in items[:LIST_MAX]:
            size += len(msgspec.json.encode(item))
            if size > LIST_BYTES_MAX:
                break
            kept += 1
        if kept < len(items):
            self.left_out[name] = len(items) - kept
        return items[:kept]


def _network(loss: NetworkLoss) -> Network:
    return Network(
        asn=loss.asn,
        name=loss.name,
        lost=loss.lost,
        onset=_time(loss.onset),
        recovered=_time_or_none(loss.recovered),
    )


def _platform(loss: PlatformLoss, learned: bool) -> PlatformDetail:
    return PlatformDetail(
        platform=loss.platform,
        onset=_time(loss.onset),
        reachability=Reachability(
            now=loss.now, usual=loss.usual, results=loss.results, usual_learned=learned
        ),
        mechanism=_mechanism(loss.mechanism, loss.mechanism_share, ()),
        recovered=_time_or_none(loss.recovered),
        targets=loss.targets[:LIST_MAX],
        targets_watched=loss.watched,
    )


def _mechanism(name: str | None, share: float, by_network: tuple[tuple[int, str], ...]) -> Mechanism | None:
    if name is None:
        return None
    return Mechanism(name=name, share=share, by_network={f"AS{asn}": own for asn, own in by_network})


def _evidence(fact: Fact) -> Evidence:
    return Evidence(
        name=fact.name,
        value=fact.value,
        unit=fact.unit,
        n=fact.n,
        text=evidence_text(fact),
        source=fact.source,
        fits=fact.fits,
    )


def _witness(one: Corroboration) -> Witness:
    since, until = _seconds(one.time), _seconds(one.until)
    return Witness(one.source, one.says, one.signal, one.value, one.usual, since, one.url, until)


def _corroboration(witness: Witness) -> Corroboration:
    return Corroboration(
        source=witness.source,
        says=witness.says,
        signal=witness.name,
        value=witness.value,
        usual=witness.usual,
        time=_time_or_none(witness.time),
        url=witness.url,
        text=corroboration(witness),
        until=_time_or_none(witness.until),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time_or_none(seconds: int | None) -> datetime | None:
    return None if seconds is None else _time(seconds)


@overload
def _seconds(time: datetime) -> int: ...
@overload
def _seconds(time: None) -> None: ...
def _seconds(time: datetime | None) -> int | None:
    """Return a time as seconds since 1970."""
    return None if time is None else int(time.timestamp())
