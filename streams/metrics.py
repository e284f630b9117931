"""What the worker shows to Prometheus: names and units as `docs/` lists them, on a registry that is passed in.

Counters and histograms are the process's own. What is about the world (reachability, incidents) is pulled from the
machines of the partitions that this worker owns, at the moment of a scrape: a partition that is handed over takes its
series along at once. Label values come from configured lists; everything else is `other`.

It refuses to know Kafka, and decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final, NamedTuple, Protocol, runtime_checkable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from detectors.readings import SeriesGauge
from streams.records import Incident, Severity
from streams.settings import LabelSettings

RESULTS: Final = ("applied", "late", "duplicate", "rejected")
OTHER: Final = "other"
_SEVERITY: Final = {Severity.MINOR: 1, Severity.MAJOR: 2, Severity.CRITICAL: 3}


class ProbeCount(NamedTuple):
    """A way for results to end, as it is counted: `outcome` is `ok` or `stage.failure`."""

    platform: str
    country: str
    outcome: str


@runtime_checkable
class Observed(Protocol):
    """What the metrics ask of a machine, between two of its steps."""

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which everything is decided, ms since 1970; None before the first clock reading."""
        ...

    def gauges(self) -> Sequence[SeriesGauge]:
        """Every live series."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """The incidents that are open."""
        ...

    def networks_live(self) -> Mapping[str, int]:
        """Networks that report, by country."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A machine that also counts results by platform, country and outcome."""

    def take_probes(self) -> Mapping[ProbeCount, int]:
        """Results applied since the last call."""
        ...


class WorkerMetrics:
    """The process's own figures.

    Parameters
    ----------
    registry
        Where they are registered; one a process, or one a test.
    labels
        Which names may become label values.
    """

    def __init__(self, registry: CollectorRegistry, labels: LabelSettings) -> None:
        self.registry = registry
        self.labels = labels
        self.records = Counter(
            "netdusk_records_total",
            "Records of the probes topic that were acknowledged, by what became of them (ticks are not counted).",
            ["result"],
            registry=registry,
        )
        for result in RESULTS:
            self.records.labels(result)
        self.probes = Counter(
            "netdusk_probes_total",
            "Probe results applied.",
            ["platform", "country", "outcome"],
            registry=registry,
        )
        self.incidents = Counter(
            "netdusk_incidents_total", "Incidents opened.", ["kind", "scope", "severity"], registry=registry
        )
        self.detection_delay = Histogram(
            "netdusk_detection_delay_seconds",
            "From the end of the window that an incident snapshot rests on to its acknowledgement by the broker.",
            registry=registry,
            buckets=(1, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1800, 3600),
        )
        self.step = Histogram(
            "netdusk_step_seconds",
            "Reading, judging and encoding one chunk.",
            registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        self.checkpoint_bytes = Histogram(
            "netdusk_checkpoint_bytes",
            "Size of a checkpoint (a chunk's delta, or a whole snapshot), before the producer compresses it.",
            ["record"],
            registry=registry,
            buckets=[4.0**n * 1024 for n in range(10)],
        )
        self.checkpoint = Histogram(
            "netdusk_checkpoint_seconds",
            "From a checkpoint sent to its acknowledgement.",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.restores = Counter(
            "netdusk_restores_total", "Restores of a partition, by cause.", ["cause"], registry=registry
        )
        self.restore_seconds = Histogram(
            "netdusk_restore_seconds",
            "From a partition's fence to its first read.",
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
        )
        self.skipped = Counter(
            "netdusk_retention_gap_records_total",
            "Records that the broker deleted before they were read.",
            registry=registry,
        )
        self.partitions = Gauge(
            "netdusk_partitions", "Partitions of this worker, by state.", ["state"], registry=registry
        )
        self.tick_failures = Counter(
            "netdusk_tick_failures_total", "Clock ticks that could not be written.", registry=registry
        )
        self.series_dropped = Counter(
            "netdusk_series_dropped_total",
            "Series left out of a scrape for want of room (labels.series_max).",
            registry=registry,
        )
        for record in ("delta", "snapshot"):
            self.checkpoint_bytes.labels(record)
        for cause in ("assigned", "error", "superseded"):
            self.restores.labels(cause)
        build = Gauge(
            "netdusk_build_info", "Always 1.", ["version", "python", "transport"], registry=registry
        )
        self._build = build

    def say_build(self, transport: str) -> None:
        """Tell what runs: `transport` is `chunks` or `records`."""
        try:
            own = version("netdusk")
        except PackageNotFoundError:  # run from a source tree that was never installed
            own = "unknown"
        self._build.clear()
        self._build.labels(own, python_version(), transport).set(1)

    def allowed(self, name: str, names: Collection[str]) -> str:
        """The name itself where it may be a label, else `other`."""
        return name if not names or name in names else OTHER

    def count_probes(self, counts: Mapping[ProbeCount, int]) -> None:
        """Add what a machine has applied."""
        for key, count in counts.items():
            platform = self.allowed(key.platform, self.labels.platforms)
            country = self.allowed(key.country, self.labels.countries)
            self.probes.labels(platform, country, key.outcome).inc(count)


class WorldCollector(Collector):
    """The gauges about the world, pulled from the machines at each scrape.

    Parameters
    ----------
    machines
        Gives (partition's name, machine) of the partitions that are owned and restored. Called in the thread in
        which the machines are stepped, so that none moves meanwhile.
    now
        Seconds since 1970.
    """

    def __init__(
        self,
        machines: Callable[[], Iterable[tuple[str, Observed]]],
        metrics: WorkerMetrics,
        now: Callable[[], float],
    ) -> None:
        self._machines = machines
        self._metrics = metrics
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Pull, once."""
        machines = list(self._machines())
        yield from self._series(machines)
        yield from self._incidents(machines)
        live = GaugeMetricFamily("netdusk_networks_live", "Networks that report.", labels=["country"])
        for country, count in self._live(machines).items():
            live.add_metric([country], count)
        yield live
        lag = GaugeMetricFamily(
            "netdusk_watermark_lag_seconds",
            "How far behind now everything is decided.",
            labels=["partition"],
        )
        now = self._now()
        for name, machine in machines:
            if machine.watermark_ms is not None:
                lag.add_metric([name], now - machine.watermark_ms / 1000)
        yield lag

    def describe(self) -> list[Metric]:
        """Nothing to check at registration: what is there depends on the partitions."""
        return []

    def _live(self, machines: Iterable[tuple[str, Observed]]) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        countries = self._metrics.labels.countries
        for _, machine in machines:
            for country, count in machine.networks_live().items():
                found[self._metrics.allowed(country, countries)] += count
        return found

    def _series(self, machines: Iterable[tuple[str, Observed]]) -> Iterator[Metric]:
        names = ["platform", "country", "asn", "simulated"]
        ratio = GaugeMetricFamily("netdusk_reachability_ratio", "Share of probes that succeed.", labels=names)
        usual = GaugeMetricFamily(
            "netdusk_expected_reachability_ratio", "What that share usually is at this hour.", labels=names
        )
        score = GaugeMetricFamily(
            "netdusk_anomaly_score",
            "How far from usual; 1.0 is the alarm's threshold for every series.",
            labels=names,
        )
        for key, gauge in self._chosen(machines).items():
            label = list(key)
            ratio.add_metric(label, gauge.reachability)
            usual.add_metric(label, gauge.expected)
            score.add_metric(label, gauge.score)
        yield ratio
        yield usual
        yield score

    def _chosen(
        self, machines: Iterable[tuple[str, Observed]]
    ) -> dict[tuple[str, str, str, str], SeriesGauge]:
        """By label values; where several series share them (`other`), the worst one stands for all."""
        labels = self._metrics.labels
        asns = {str(asn) for asn in labels.asns}
        found: dict[tuple[str, str, str, str], SeriesGauge] = {}
        dropped = 0
        for _, machine in machines:
            for gauge in machine.gauges():
                key = (
                    self._metrics.allowed(gauge.platform, labels.platforms),
                    self._metrics.allowed(gauge.country, labels.countries),
                    self._metrics.allowed(str(gauge.asn), asns),
                    "true" if gauge.simulated else "false",
                )
                held = found.get(key)
                if held is None and len(found) >= labels.series_max:
                    dropped += 1
                elif held is None or gauge.score > held.score:
                    found[key] = gauge
        if dropped:
            self._metrics.series_dropped.inc(dropped)
        return found

    def _incidents(self, machines: Iterable[tuple[str, Observed]]) -> Iterator[Metric]:
        labels = self._metrics.labels
        active: dict[tuple[str, ...], float] = {}
        severity: dict[tuple[str, ...], float] = {}
        mechanism: dict[tuple[str, ...], float] = {}
        onset: dict[tuple[str, ...], float] = {}
        for _, machine in machines:
            for incident in machine.incidents():
                kind = str(incident.kind)
                country = self._metrics.allowed(incident.country or "", labels.countries)
                simulated = "true" if incident.simulated else "false"
                for name in incident.platforms or ("",):
                    platform = self._metrics.allowed(name, labels.platforms)
                    active[kind, str(incident.scope), country, platform, simulated] = 1
                    place = (kind, country, platform)
                    severity[place] = max(severity.get(place, 0), _SEVERITY[incident.severity])
                    onset[place] = min(onset.get(place, float("inf")), incident.onset.timestamp())
                    if incident.mechanism is not None:
                        mechanism[country, platform, incident.mechanism.name] = 1
        yield _family(
            "netdusk_incident_active",
            "1 while an incident is open; gone when it is over.",
            ["kind", "scope", "country", "platform", "simulated"],
            active,
        )
        place_names = ["kind", "country", "platform"]
        yield _family("netdusk_incident_severity", "1 minor, 2 major, 3 critical.", place_names, severity)
        yield _family(
            "netdusk_incident_mechanism",
            "1 for the dominant way of failing.",
            ["country", "platform", "mechanism"],
            mechanism,
        )
        yield _family(
            "netdusk_incident_onset_timestamp_seconds",
            "When it began, seconds since 1970.",
            place_names,
            onset,
        )


def _family(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
