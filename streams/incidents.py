"""From what the assembler says to the record that others read. Decides nothing; its sentence is from `words`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from detectors.incidents.snapshots import Snapshot
from detectors.settings import IncidentSettings
from streams.records import (
    Detector,
    Evidence,
    Incident,
    Mechanism,
    Network,
    Reachability,
    Status,
)
from streams.words import summary

DETECTOR_NAME: Final = "netdusk"
#: Raised whenever the same log could give other incidents; part of every incident's id.
DETECTOR_VERSION: Final = "1"


def to_record(snapshot: Snapshot, settings: IncidentSettings | None = None) -> Incident:
    """Write a snapshot as the topic has it; `settings` brings the operator's own names."""
    own = settings or IncidentSettings()
    until = snapshot.resolved if snapshot.resolved is not None else snapshot.updated
    mechanism = None
    if snapshot.mechanism is not None:
        mechanism = Mechanism(
            name=snapshot.mechanism,
            share=snapshot.mechanism_share,
            by_network={f"AS{asn}": name for asn, name in snapshot.mechanism_by_network},
        )
    return Incident(
        id=snapshot.id,
        seq=snapshot.seq,
        status=Status(snapshot.status.value),
        kind=snapshot.kind,
        scope=snapshot.scope,
        severity=snapshot.severity,
        country=snapshot.country,
        countries=snapshot.countries,
        regions=snapshot.regions,
        platforms=snapshot.platforms,
        networks=tuple(
            Network(
                asn=network.asn,
                name=network.name,
                lost=network.lost,
                onset=_time(network.onset),
                recovered=_time(network.recovered) if network.recovered is not None else None,
            )
            for network in snapshot.networks
        ),
        onset=_time(snapshot.onset),
        detected=_time(snapshot.detected),
        updated=_time(snapshot.updated),
        resolved=_time(snapshot.resolved) if snapshot.resolved is not None else None,
        duration_seconds=max(0, until - snapshot.onset),
        reachability=Reachability(now=snapshot.reachability, usual=snapshot.usual),
        mechanism=mechanism,
        evidence=tuple(
            Evidence(
                name=fact.name,
                value=fact.value,
                unit=fact.unit,
                n=fact.n,
                text=fact.text,
                source=fact.source,
                fits=fact.fits,
            )
            for fact in snapshot.facts
        ),
        previous=snapshot.previous,
        coincides=snapshot.coincides,
        confirmed=snapshot.confirmed,
        vantages=snapshot.vantages,
        networks_live=snapshot.networks_live,
        measurements=snapshot.measurements,
        reason=snapshot.reason,
        simulated=snapshot.simulated,
        detector=Detector(name=DETECTOR_NAME, version=snapshot.version, settings=snapshot.fingerprint),
        summary=summary(snapshot, own),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
