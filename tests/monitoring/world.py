"""Machines, incidents and figures made by hand, for tests of what the worker shows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest

from detectors.readings import Pulse, SeriesGauge
from streams.engine.metrics import WorkerMetrics, WorldCollector
from streams.machine import ProbeCount
from streams.records import (
    Detector,
    Evidence,
    Incident,
    Kind,
    Mechanism,
    Reachability,
    Scope,
    Severity,
    Status,
)
from streams.settings import LabelSettings

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def incident(
    country: str | None = "PK",
    platforms: Sequence[str] = ("x",),
    *,
    scope: Scope = Scope.NATION_SCALE,
    kind: Kind = Kind.PLATFORM,
    severity: Severity = Severity.CRITICAL,
    confirmed: bool = True,
    simulated: bool = False,
    mechanism: str | None = "tls.connection_reset",
    onset: datetime = NOW,
) -> Incident:
    """An open incident."""
    return Incident(
        id=f"{country}-{'-'.join(platforms)}",
        seq=1,
        status=Status.OPEN,
        kind=kind,
        scope=scope,
        severity=severity,
        country=country,
        platforms=tuple(platforms),
        onset=onset,
        detected=onset,
        updated=onset,
        duration_seconds=0,
        reachability=Reachability(now=0.04, usual=0.98),
        mechanism=Mechanism(name=mechanism, share=0.9) if mechanism else None,
        confirmed=confirmed,
        evidence=(Evidence(name="control", value=1.0, unit="ratio", n=9, text="", source=None, fits=()),),
        vantages=12,
        networks_live=5,
        simulated=simulated,
        detector=Detector(name="netdusk", version="1", settings="abc"),
        summary="",
    )


@dataclass
class Machine:
    """What a partition's machine shows, as plain lists."""

    watermark_ms: int | None = None
    series: list[SeriesGauge] = field(default_factory=list)
    open: list[Incident] = field(default_factory=list)
    heard: list[Pulse] = field(default_factory=list)
    counted: dict[ProbeCount, int] = field(default_factory=dict)

    def gauges(self) -> Sequence[SeriesGauge]:
        return self.series

    def incidents(self) -> Sequence[Incident]:
        return self.open

    def pulses(self) -> Sequence[Pulse]:
        return self.heard

    def take_probes(self) -> Mapping[ProbeCount, int]:
        taken, self.counted = self.counted, {}
        return taken


class Page:
    """The worker's own collector and metrics over hand-made machines: `figures` is its /metrics."""

    def __init__(
        self,
        machines: Mapping[str, Machine] | None = None,
        *,
        labels: LabelSettings | None = None,
        now: Callable[[], float] = NOW.timestamp,
    ) -> None:
        self.machines = dict(machines or {})
        self.registry = CollectorRegistry()
        self.metrics = WorkerMetrics(self.registry, labels or LabelSettings())
        self.metrics.say_build("chunks")
        self.registry.register(WorldCollector(lambda: list(self.machines.items()), self.metrics, now))

    def figures(self) -> bytes:
        """What a scrape gets."""
        for machine in self.machines.values():
            self.metrics.count_probes(machine.take_probes())
        return generate_latest(self.registry)
