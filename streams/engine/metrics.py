"""What the worker shows to Prometheus, on a registry that is passed in. `FAMILIES` is the whole of it.

Counters and histograms are the process's own. What is about the world (reachability, incidents) is pulled from the
machines of the partitions that this worker owns, at the moment of a scrape: a partition that is handed over takes its
series along at once. Label values are closed vocabularies or come from configured lists (everything else is `other`),
and no family outgrows `labels.series_max`.

It refuses to know Kafka, and decides nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final, NamedTuple, Protocol, runtime_checkable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from detectors.readings import Pulse, SeriesGauge
from streams.records import Incident, Kind, Scope, Severity
from streams.settings import LabelSettings

RESULTS: Final = ("applied", "late", "duplicate", "rejected")
RESTORE_CAUSES: Final = ("assigned", "error", "superseded")
CHECKPOINT_RECORDS: Final = ("delta", "snapshot")
OTHER: Final = "other"
_SEVERITY: Final = {Severity.MINOR: 1, Severity.MAJOR: 2, Severity.CRITICAL: 3}


class Type(StrEnum):
    """Prometheus' types of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricFamily(NamedTuple):
    """A metric: its name, what it says, and the bounds of its histogram where it is one."""

    name: str
    type: Type
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SERIES: Final = ("platform", "country", "asn", "simulated")
_COUNTRY: Final = ("platform", "country", "simulated")
_INCIDENT: Final = ("kind", "scope", "country", "platform", "simulated")
_PLACE: Final = ("kind", "country", "platform", "simulated")

#: Every metric that netdusk makes itself; docs/metrics.md is written from this table.
FAMILIES: Final[Mapping[str, MetricFamily]] = {
    family.name: family
    for family in (
        # the world
        MetricFamily(
            "netdusk_reachability_ratio",
            Type.GAUGE,
            "Share of a network's probes that succeed.",
            _SERIES,
        ),
        MetricFamily(
            "netdusk_expected_reachability_ratio",
            Type.GAUGE,
            "What a network's share usually is at this hour.",
            _SERIES,
        ),
        MetricFamily(
            "netdusk_anomaly_score",
            Type.GAUGE,
            "How far a network is from usual; 1.0 is the alarm's threshold for every series.",
            _SERIES,
        ),
        MetricFamily(
            "netdusk_country_reachability_ratio",
            Type.GAUGE,
            "Share of probes that succeed, over all networks of a country.",
            _COUNTRY,
        ),
        MetricFamily(
            "netdusk_country_expected_reachability_ratio",
            Type.GAUGE,
            "What a country's share usually is at this hour.",
            _COUNTRY,
        ),
        MetricFamily(
            "netdusk_country_anomaly_score",
            Type.GAUGE,
            "How far a country is from usual; 1.0 is the alarm's threshold for every series.",
            _COUNTRY,
        ),
        MetricFamily(
            "netdusk_networks_live",
            Type.GAUGE,
            "Networks that report. Each has one vote; under three nobody is paged.",
            ("country", "simulated"),
        ),
        MetricFamily(
            "netdusk_vantages_live",
            Type.GAUGE,
            "Vantages that report.",
            ("country", "simulated"),
        ),
        MetricFamily(
            "netdusk_last_result_timestamp_seconds",
            Type.GAUGE,
            "Start of the newest window with results from a country, seconds since 1970.",
            ("country", "simulated"),
        ),
        # incidents
        MetricFamily(
            "netdusk_incident_active",
            Type.GAUGE,
            "1 while an incident is open; gone when it is over.",
            _INCIDENT,
        ),
        MetricFamily(
            "netdusk_incident_confirmed",
            Type.GAUGE,
            "1 where an open incident rests on enough live networks to page somebody, else 0.",
            _INCIDENT,
        ),
        MetricFamily(
            "netdusk_incident_severity",
            Type.GAUGE,
            "1 minor, 2 major, 3 critical.",
            _PLACE,
        ),
        MetricFamily(
            "netdusk_incident_mechanism",
            Type.GAUGE,
            "1 for the dominant way of failing, `stage.failure`.",
            ("country", "platform", "mechanism", "simulated"),
        ),
        MetricFamily(
            "netdusk_incident_onset_timestamp_seconds",
            Type.GAUGE,
            "When an open incident began, seconds since 1970.",
            _PLACE,
        ),
        MetricFamily(
            "netdusk_incidents_total",
            Type.COUNTER,
            "Incidents opened.",
            ("kind", "scope", "severity"),
        ),
        MetricFamily(
            "netdusk_detection_delay_seconds",
            Type.HISTOGRAM,
            "From the end of the window that an incident snapshot rests on to its acknowledgement by the broker.",
            (),
            (1, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1800, 3600),
        ),
        # records
        MetricFamily(
            "netdusk_records_total",
            Type.COUNTER,
            "Results read and acknowledged, by what became of them; ticks are not counted.",
            ("result",),
        ),
        MetricFamily(
            "netdusk_probes_total",
            Type.COUNTER,
            "Probe results applied; the outcome is `ok` or `stage.failure`.",
            ("platform", "country", "outcome", "simulated"),
        ),
        MetricFamily(
            "netdusk_watermark_lag_seconds",
            Type.GAUGE,
            "How far behind now everything is decided.",
            ("partition",),
        ),
        MetricFamily(
            "netdusk_retention_gap_records_total",
            Type.COUNTER,
            "Records that the broker deleted before they were read.",
        ),
        MetricFamily(
            "netdusk_tick_failures_total",
            Type.COUNTER,
            "Clock ticks that could not be written.",
        ),
        # the engine
        MetricFamily(
            "netdusk_step_seconds",
            Type.HISTOGRAM,
            "Reading, judging and encoding one chunk.",
            (),
            (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        ),
        MetricFamily(
            "netdusk_checkpoint_bytes",
            Type.HISTOGRAM,
            "Size of a checkpoint (a chunk's delta, or a whole snapshot), before the producer compresses it.",
            ("record",),
            tuple(4.0**n * 1024 for n in range(10)),
        ),
        MetricFamily(
            "netdusk_checkpoint_seconds",
            Type.HISTOGRAM,
            "From a checkpoint sent to its acknowledgement.",
            (),
            (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        ),
        MetricFamily(
            "netdusk_restores_total",
            Type.COUNTER,
            "Restores of a partition, by cause.",
            ("cause",),
        ),
        MetricFamily(
            "netdusk_restore_seconds",
            Type.HISTOGRAM,
            "From a partition's fence to its first read.",
            (),
            (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
        ),
        MetricFamily(
            "netdusk_partitions",
            Type.GAUGE,
            "Partitions of this worker, by state.",
            ("state",),
        ),
        MetricFamily(
            "netdusk_series_dropped_total",
            Type.COUNTER,
            "Series left out of a scrape, or results counted under `other`, for want of room (labels.series_max).",
        ),
        MetricFamily(
            "netdusk_build_info",
            Type.GAUGE,
            "Always 1.",
            ("version", "python", "transport"),
        ),
    )
}


class ProbeCount(NamedTuple):
    """A way for results to end, as it is counted: `outcome` is `ok` or `stage.failure`."""

    platform: str
    country: str
    outcome: str
    simulated: bool = False


@runtime_checkable
class Observable(Protocol):
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


@runtime_checkable
class Pulsing(Protocol):
    """A machine that also says who reports, real and simulated apart."""

    def pulses(self) -> Sequence[Pulse]:
        """Every country from which results have come."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A machine that also counts how results ended."""

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
        # A `_created` series beside every counter and histogram would double them, and rules have no use for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it bare
        self.registry = registry
        self.labels = labels
        self.records = _counter("netdusk_records_total", registry)
        self.probes = _counter("netdusk_probes_total", registry)
        self.incidents = _counter("netdusk_incidents_total", registry)
        self.detection_delay = _histogram("netdusk_detection_delay_seconds", registry)
        self.step = _histogram("netdusk_step_seconds", registry)
        self.checkpoint_bytes = _histogram("netdusk_checkpoint_bytes", registry)
        self.checkpoint = _histogram("netdusk_checkpoint_seconds", registry)
        self.restores = _counter("netdusk_restores_total", registry)
        self.restore_seconds = _histogram("netdusk_restore_seconds", registry)
        self.skipped = _counter("netdusk_retention_gap_records_total", registry)
        self.partitions = _gauge("netdusk_partitions", registry)
        self.tick_failures = _counter("netdusk_tick_failures_total", registry)
        self.series_dropped = _counter("netdusk_series_dropped_total", registry)
        self._build = _gauge("netdusk_build_info", registry)
        self._counted: set[tuple[str, ...]] = set()
        # A counter that was never seen can't be seen to rise: what can be foreseen is there from the start.
        for result in RESULTS:
            self.records.labels(result)
        for record in CHECKPOINT_RECORDS:
            self.checkpoint_bytes.labels(record)
        for cause in RESTORE_CAUSES:
            self.restores.labels(cause)
        for kind, scope, severity in itertools.product(Kind, Scope, Severity):
            if (kind is Kind.GLOBAL) == (scope is Scope.GLOBAL):
                self.incidents.labels(kind, scope, severity)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

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
        """Add what a machine has applied. Once there are `series_max` of them, new ones count as `other`."""
        for given, count in counts.items():
            platform = self.allowed(given.platform, self.labels.platforms)
            country = self.allowed(given.country, self.labels.countries)
            key = (platform, country, given.outcome, _bool(given.simulated))
            if key not in self._counted:
                if len(self._counted) < self.labels.series_max:
                    self._counted.add(key)
                else:  # the outcomes are a closed vocabulary: these are some hundreds at most
                    self.series_dropped.inc(count)
                    key = (OTHER, OTHER, given.outcome, _bool(given.simulated))
            self.probes.labels(*key).inc(count)


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
        machines: Callable[[], Iterable[tuple[str, Observable]]],
        metrics: WorkerMetrics,
        now: Callable[[], float],
    ) -> None:
        self._machines = machines
        self._metrics = metrics
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Pull, once."""
        machines = list(self._machines())
        observed = [machine for _, machine in machines]
        yield from self._series(observed)
        yield from self._pulses(observed)
        yield from self._incidents(observed)
        now = self._now()
        lags: dict[tuple[str, ...], float] = {
            (name,): now - machine.watermark_ms / 1000
            for name, machine in machines
            if machine.watermark_ms is not None
        }
        yield _family("netdusk_watermark_lag_seconds", lags)

    def describe(self) -> list[Metric]:
        """Nothing to check at registration: what is there depends on the partitions."""
        return []

    def _place(self, platform: str, country: str) -> tuple[str, str]:
        """Both as labels. Where there is none (a dark network, a worldwide outage), an empty label is none, too."""
        labels, allowed = self._metrics.labels, self._metrics.allowed
        return (
            allowed(platform, labels.platforms) if platform else "",
            allowed(country, labels.countries) if country else "",
        )

    def _series(self, machines: Iterable[Observable]) -> Iterator[Metric]:
        """Where several series share label values (`other`), the worst one stands for all."""
        asns = {str(asn) for asn in self._metrics.labels.asns}
        countries: dict[tuple[str, ...], SeriesGauge] = {}
        networks: dict[tuple[str, ...], SeriesGauge] = {}
        for machine in machines:
            for gauge in machine.gauges():
                place = self._place(gauge.platform, gauge.country)
                simulated = _bool(gauge.simulated)
                if gauge.asn:
                    key = (*place, self._metrics.allowed(str(gauge.asn), asns), simulated)
                    _keep_worst(networks, key, gauge)
                else:
                    _keep_worst(countries, (*place, simulated), gauge)
        for prefix, found in (("netdusk_", networks), ("netdusk_country_", countries)):
            fitting = self._fit(found)
            for name, field in (
                ("reachability_ratio", "reachability"),
                ("expected_reachability_ratio", "expected"),
                ("anomaly_score", "score"),
            ):
                yield _family(
                    f"{prefix}{name}", {key: getattr(gauge, field) for key, gauge in fitting.items()}
                )

    def _fit(self, found: dict[tuple[str, ...], SeriesGauge]) -> dict[tuple[str, ...], SeriesGauge]:
        """As many as there is room for, those known longest first: newcomers can't push anything out."""
        room = self._metrics.labels.series_max
        if len(found) <= room:
            return found
        self._metrics.series_dropped.inc(len(found) - room)
        return dict(itertools.islice(found.items(), room))

    def _pulses(self, machines: Iterable[Observable]) -> Iterator[Metric]:
        networks: dict[tuple[str, ...], float] = {}
        vantages: dict[tuple[str, ...], float] = {}
        last: dict[tuple[str, ...], float] = {}
        for machine in machines:
            for pulse in _pulses_of(machine):
                country = self._metrics.allowed(pulse.country, self._metrics.labels.countries)
                key = (country, _bool(pulse.simulated))
                networks[key] = networks.get(key, 0) + pulse.networks
                vantages[key] = vantages.get(key, 0) + pulse.vantages
                if pulse.last is not None:
                    last[key] = max(last.get(key, 0), pulse.last)
        yield _family("netdusk_networks_live", networks)
        yield _family("netdusk_vantages_live", vantages)
        yield _family("netdusk_last_result_timestamp_seconds", last)

    def _incidents(self, machines: Iterable[Observable]) -> Iterator[Metric]:
        active: dict[tuple[str, ...], float] = {}
        confirmed: dict[tuple[str, ...], float] = {}
        severity: dict[tuple[str, ...], float] = {}
        mechanism: dict[tuple[str, ...], float] = {}
        onset: dict[tuple[str, ...], float] = {}
        for incident in (incident for machine in machines for incident in machine.incidents()):
            kind, scope, simulated = str(incident.kind), str(incident.scope), _bool(incident.simulated)
            for name in incident.platforms or ("",):
                platform, country = self._place(name, incident.country or "")
                key = (kind, scope, country, platform, simulated)
                active[key] = 1
                confirmed[key] = max(confirmed.get(key, 0), float(incident.confirmed))
                place = (kind, country, platform, simulated)
                severity[place] = max(severity.get(place, 0), _SEVERITY[incident.severity])
                onset[place] = min(onset.get(place, float("inf")), incident.onset.timestamp())
                if incident.mechanism is not None:
                    mechanism[country, platform, incident.mechanism.name, simulated] = 1
        yield _family("netdusk_incident_active", active)
        yield _family("netdusk_incident_confirmed", confirmed)
        yield _family("netdusk_incident_severity", severity)
        yield _family("netdusk_incident_mechanism", mechanism)
        yield _family("netdusk_incident_onset_timestamp_seconds", onset)


def _pulses_of(machine: Observable) -> Sequence[Pulse]:
    return machine.pulses() if isinstance(machine, Pulsing) else ()


def _keep_worst(found: dict[tuple[str, ...], SeriesGauge], key: tuple[str, ...], gauge: SeriesGauge) -> None:
    held = found.get(key)
    if held is None or gauge.score > held.score:
        found[key] = gauge


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _counter(name: str, registry: CollectorRegistry) -> Counter:
    family = FAMILIES[name]
    return Counter(family.name, family.text, family.labels, registry=registry)


def _gauge(name: str, registry: CollectorRegistry) -> Gauge:
    family = FAMILIES[name]
    return Gauge(family.name, family.text, family.labels, registry=registry)


def _histogram(name: str, registry: CollectorRegistry) -> Histogram:
    family = FAMILIES[name]
    return Histogram(family.name, family.text, family.labels, registry=registry, buckets=family.buckets)


def _family(name: str, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    family = FAMILIES[name]
    made = GaugeMetricFamily(family.name, family.text, labels=family.labels)
    for key, value in values.items():
        made.add_metric(list(key), value)
    return made
