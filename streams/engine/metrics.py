"""What the worker shows to Prometheus, on a registry that is passed in. The table of it is in `families`.

Counters and histograms are the process's own. What is about the world (reachability, incidents) is pulled from the
machines of the partitions that this worker owns, at the moment of a scrape: a partition that is handed over takes its
series along at once. Label values are closed vocabularies or come from configured lists (everything else is `other`),
and no family outgrows `labels.series_max`.

It refuses to know Kafka, and decides nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from platform import python_version
from typing import Final, NamedTuple, TypeVar

import structlog
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
from streams.engine.families import CHECKPOINT_RECORDS, FAMILIES, OTHER, RESTORE_CAUSES, RESULTS
from streams.engine.trouble import Remedy
from streams.engine.unpacking import Unreadable
from streams.machine import MESSAGE_ROLES, Observable, ProbeCount, Pulsing
from streams.records import Incident, Kind, Scope, Severity
from streams.release import release
from streams.settings import LabelSettings

log = structlog.get_logger()

_SEVERITY: Final = {Severity.MINOR: 1, Severity.MAJOR: 2, Severity.CRITICAL: 3}


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
        self.step_failures = _counter("netdusk_step_failures_total", registry)
        self.unsent = _counter("netdusk_unsent_records_total", registry)
        self.scrape_failures = _counter("netdusk_scrape_failures_total", registry)
        self.unreadable = _counter("netdusk_unreadable_batches_total", registry)
        self.sources_anew = _counter("netdusk_sources_anew_total", registry)
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
        for remedy in Remedy:
            self.step_failures.labels(remedy)
        for unreadable in Unreadable:
            self.unreadable.labels(unreadable)
        for role in MESSAGE_ROLES:
            self.unsent.labels(role)
        for kind, scope, severity in itertools.product(Kind, Scope, Severity):
            if (kind is Kind.GLOBAL) == (scope is Scope.GLOBAL):
                self.incidents.labels(kind, scope, severity)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def say_build(self, transport: str) -> None:
        """Tell what runs: `transport` is `chunks` or `records`."""
        self._build.clear()
        self._build.labels(release(), python_version(), transport).set(1)

    def allowed(self, name: str, names: Collection[str]) -> str:
        """Return the name itself if it may be a label, else `other`."""
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


#: An open incident has a series for each of its platforms in each of these families.
INCIDENT_SERIES_MAX: Final = 1_000

V = TypeVar("V")


class _Figures(NamedTuple):
    """What one partition's machine shows."""

    partition: str
    watermark_ms: int | None
    gauges: Sequence[SeriesGauge]
    pulses: Sequence[Pulse]
    incidents: Sequence[Incident]


class WorldCollector(Collector):
    """The gauges about the world, pulled from the machines at each scrape.

    Parameters
    ----------
    machines
        Returns (partition's name, machine) of the partitions that are owned and restored. Called in the thread in
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
        figures = [
            made for name, machine in self._machines() if (made := self._ask(name, machine)) is not None
        ]
        yield from self._series(figures)
        yield from self._pulses(figures)
        yield from self._incidents(figures)
        now = self._now()
        lags: dict[tuple[str, ...], float] = {
            (made.partition,): now - made.watermark_ms / 1000
            for made in figures
            if made.watermark_ms is not None
        }
        yield _family("netdusk_watermark_lag_seconds", lags)

    def _ask(self, name: str, machine: Observable) -> _Figures | None:
        """Return a machine's figures, or None if it raises: other partitions are shown all the same."""
        try:
            pulses = machine.pulses() if isinstance(machine, Pulsing) else ()
            return _Figures(name, machine.watermark_ms, machine.gauges(), pulses, machine.incidents())
        except Exception:
            self._metrics.scrape_failures.inc()
            log.exception("a partition is left out of a scrape", partition=name)
            return None

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

    def _series(self, figures: Iterable[_Figures]) -> Iterator[Metric]:
        """Where several series share label values (`other`), the worst one stands for all."""
        asns = {str(asn) for asn in self._metrics.labels.asns}
        countries: dict[tuple[str, ...], SeriesGauge] = {}
        networks: dict[tuple[str, ...], SeriesGauge] = {}
        for made in figures:
            for gauge in made.gauges:
                place = self._place(gauge.platform, gauge.country)
                simulated = _bool(gauge.simulated)
                if gauge.asn:
                    key = (*place, self._metrics.allowed(str(gauge.asn), asns), simulated)
                    _keep_worst(networks, key, gauge)
                else:
                    _keep_worst(countries, (*place, simulated), gauge)
        for prefix, gauges in (("netdusk_", networks), ("netdusk_country_", countries)):
            fitting = self._fit(gauges)
            for name, field in (
                ("reachability_ratio", "reachability"),
                ("reachability_smoothed_ratio", "smoothed"),
                ("expected_reachability_ratio", "expected"),
                ("anomaly_score", "score"),
            ):
                values = {key: getattr(gauge, field) for key, gauge in fitting.items()}
                yield _family(
                    f"{prefix}{name}", {key: value for key, value in values.items() if value is not None}
                )

    def _fit(self, series: dict[tuple[str, ...], V], room: int | None = None) -> dict[tuple[str, ...], V]:
        """As many as there is room for, those known longest first: newcomers can't push anything out."""
        room = room or self._metrics.labels.series_max
        if len(series) <= room:
            return series
        self._metrics.series_dropped.inc(len(series) - room)
        return dict(itertools.islice(series.items(), room))

    def _pulses(self, figures: Iterable[_Figures]) -> Iterator[Metric]:
        networks: dict[tuple[str, ...], float] = {}
        vantages: dict[tuple[str, ...], float] = {}
        last: dict[tuple[str, ...], float] = {}
        warming: dict[tuple[str, ...], float] = {}
        for made in figures:
            for pulse in made.pulses:
                country = self._metrics.allowed(pulse.country, self._metrics.labels.countries)
                key = (country, _bool(pulse.simulated))
                networks[key] = networks.get(key, 0) + pulse.networks
                vantages[key] = vantages.get(key, 0) + pulse.vantages
                warming[key] = warming.get(key, 0) + pulse.warming
                if pulse.last is not None:
                    last[key] = max(last.get(key, 0), pulse.last)
        yield _family("netdusk_networks_live", networks)
        yield _family("netdusk_vantages_live", vantages)
        yield _family("netdusk_cells_warming", warming)
        yield _family("netdusk_last_result_timestamp_seconds", last)

    def _incidents(self, figures: Iterable[_Figures]) -> Iterator[Metric]:
        active: dict[tuple[str, ...], float] = {}
        confirmed: dict[tuple[str, ...], float] = {}
        severity: dict[tuple[str, ...], float] = {}
        mechanism: dict[tuple[str, ...], float] = {}
        onset: dict[tuple[str, ...], float] = {}
        control: dict[tuple[str, ...], float] = {}
        for incident in (incident for made in figures for incident in made.incidents):
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
                for fact in incident.evidence:
                    if fact.name == "control" and fact.value is not None:
                        control[country, platform, simulated] = fact.value
        yield _family("netdusk_incident_active", self._fit(active, INCIDENT_SERIES_MAX))
        yield _family("netdusk_incident_confirmed", self._fit(confirmed, INCIDENT_SERIES_MAX))
        yield _family("netdusk_incident_severity", self._fit(severity, INCIDENT_SERIES_MAX))
        yield _family("netdusk_incident_mechanism", self._fit(mechanism, INCIDENT_SERIES_MAX))
        yield _family("netdusk_incident_control_ratio", self._fit(control, INCIDENT_SERIES_MAX))
        yield _family("netdusk_incident_onset_timestamp_seconds", self._fit(onset, INCIDENT_SERIES_MAX))


def _keep_worst(gauges: dict[tuple[str, ...], SeriesGauge], key: tuple[str, ...], gauge: SeriesGauge) -> None:
    worst = gauges.get(key)
    if worst is None or gauge.score > worst.score:
        gauges[key] = gauge


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
