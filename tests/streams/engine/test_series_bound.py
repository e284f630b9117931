"""Whatever names are invented, the page of metrics stays short, and what was there first stays on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest

from detectors.readings import Pulse, SeriesGauge
from producers.countries import COUNTRIES
from streams.engine.metrics import WorkerMetrics, WorldCollector
from streams.machine import ProbeCount
from streams.records import Incident
from streams.settings import LabelSettings
from streams.step.rows import MECHANISMS

SERIES_MAX = 20_000


class Flooded:
    """A machine of which anybody could invent the names."""

    watermark_ms = 0

    def gauges(self) -> Sequence[SeriesGauge]:
        known = [SeriesGauge("x", "PK", 17557, 0.9, 0.9, 0.0, False, 0.9)]
        networks = [SeriesGauge(f"p{n % 500}", "PK", n + 1, 0.9, 0.9, 0.0, False, 0.9) for n in range(20_000)]
        countries = [
            SeriesGauge(f"p{n}", c, 0, 0.9, 0.9, 0.0, False, 0.9) for c in COUNTRIES for n in range(20)
        ]
        return [*known, *networks, *countries]

    def pulses(self) -> Sequence[Pulse]:
        return [Pulse(country, simulated, 1, 1, 0) for country in COUNTRIES for simulated in (True, False)]

    def incidents(self) -> Sequence[Incident]:
        return []

    def take_probes(self) -> Mapping[ProbeCount, int]:
        counts = {}
        for n in range(15_000):
            counts[ProbeCount(f"p{n}", "PK", MECHANISMS[n % len(MECHANISMS)], False)] = 1
        return counts


def test_a_million_names_make_no_long_page() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, LabelSettings())
    machine = Flooded()
    registry.register(WorldCollector(lambda: [("netdusk.probes.v1-0", machine)], metrics, lambda: 0.0))
    metrics.count_probes(machine.take_probes())
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert len(lines) < SERIES_MAX, len(lines)
    known = 'netdusk_reachability_ratio{asn="17557",country="PK",platform="x",simulated="false"} 0.9'
    assert known in lines
    dropped = next(line for line in lines if line.startswith("netdusk_series_dropped_total"))
    assert float(dropped.split()[1]) > 10_000
