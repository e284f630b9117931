"""What a vantage says about itself on its own /metrics. Labels come from the targets file and from enums alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from producers.probe.attempt import Outcome
from producers.probe.schedule import ScheduleTotals
from producers.probe.sink import Dropped, Sink
from producers.steps import STEPS

_STEP_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OK: Final = "ok"


class ProbeMetrics:
    """Counts outcomes, and reads the schedule's and the sink's figures when asked.

    Parameters
    ----------
    registry
        Where the metrics are registered.
    platforms
        Every platform of the targets file: each series is there from the start.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        platforms: Iterable[str],
        tally: ScheduleTotals,
        sink: Callable[[], Sink | None],
    ) -> None:
        self._results = Counter(
            "netdusk_probe_results",
            "Attempts that were measured, by the step at which they ended, or ok.",
            ["platform", "outcome"],
            registry=registry,
        )
        for platform in platforms:
            for outcome in (_OK, *(step.stage for step in STEPS)):
                self._results.labels(platform, outcome)
        self._seconds = Histogram(
            "netdusk_probe_step_seconds",
            "How long a completed step took; http: until the first byte of the answer.",
            ["step"],
            buckets=_STEP_BUCKETS,
            registry=registry,
        )
        for step in STEPS:
            self._seconds.labels(step.stage)
        self._certificates = Gauge(
            "netdusk_probe_certificate_expiry_timestamp_seconds",
            "When the certificate ends that a platform's targets showed last, the earliest of them, since 1970.",
            ["platform"],
            registry=registry,
        )
        self._expires: dict[str, dict[str, float]] = {}
        registry.register(_Read(tally, sink))

    def note(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self._results.labels(outcome.target.platform, outcome.stage or _OK).inc()
        if outcome.certificate_expires is not None:
            by_target = self._expires.setdefault(outcome.target.platform, {})
            by_target[outcome.target.name] = outcome.certificate_expires
            self._certificates.labels(outcome.target.platform).set(min(by_target.values()))
        for step in STEPS:
            taken_ms: float | None = getattr(outcome.timings_ms, step.timing)
            if taken_ms is not None:
                self._seconds.labels(step.stage).observe(taken_ms / 1000)


class _Read(Collector):
    """Figures that others keep, read when the page is asked for."""

    def __init__(self, tally: ScheduleTotals, sink: Callable[[], Sink | None]) -> None:
        self._tally = tally
        self._sink = sink

    def collect(self) -> Iterator[Metric]:
        tally = self._tally
        yield _gauge("netdusk_probe_in_flight", "Attempts under way.", tally.in_flight)
        skipped = CounterMetricFamily(
            "netdusk_probe_skipped",
            "Attempts left out of their round: another of the target was under way, or as many as may be were.",
            labels=["reason"],
        )
        skipped.add_metric(["busy"], tally.skipped_busy)
        skipped.add_metric(["full"], tally.skipped_full)
        yield skipped
        yield CounterMetricFamily(
            "netdusk_probe_broken",
            "Attempts that gave no result: a bug, or this machine's own trouble.",
            value=tally.broken,
        )
        sink = self._sink()
        if sink is None:
            return
        figures = sink.figures
        yield _gauge(
            "netdusk_probe_broker_up", "Whether the broker took the last batch.", figures.broker_answers
        )
        yield _gauge("netdusk_probe_queue_records", "Results in memory, not sent yet.", sink.waiting)
        yield _gauge(
            "netdusk_probe_spool_records", "Results on disk, for when the broker is back.", sink.spool_records
        )
        yield _gauge("netdusk_probe_spool_bytes", "What they take on disk.", sink.spool_bytes)
        yield CounterMetricFamily(
            "netdusk_probe_sent", "Results that the broker acknowledged.", value=figures.sent
        )
        yield CounterMetricFamily(
            "netdusk_probe_spooled", "Results that went to the disk.", value=figures.spooled
        )
        dropped = CounterMetricFamily(
            "netdusk_probe_dropped", "Results that were measured and are lost.", labels=["reason"]
        )
        for reason in Dropped:
            dropped.add_metric([reason], figures.dropped[reason])
        yield dropped


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=float(value))
