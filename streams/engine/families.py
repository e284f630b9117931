"""Every metric that a worker shows: name, type, text, labels. docs/metrics.md is written from this table.

Knows nothing of who counts, and no client library: `streams.engine.metrics` makes the metrics of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

RESULTS: Final = ("applied", "late", "duplicate", "rejected")
RESTORE_CAUSES: Final = ("assigned", "error", "superseded")
CHECKPOINT_RECORDS: Final = ("delta", "snapshot")
OTHER: Final = "other"


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
            "Share of a network's probes that succeeded in the last window; not there where it had none.",
            _SERIES,
        ),
        MetricFamily(
            "netdusk_reachability_smoothed_ratio",
            Type.GAUGE,
            "Share of a network's last probes that succeeded, over however many windows; half-life 10 probes.",
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
            "Share of probes that succeeded in the last window, over all networks of a country.",
            _COUNTRY,
        ),
        MetricFamily(
            "netdusk_country_reachability_smoothed_ratio",
            Type.GAUGE,
            "Share of a country's last probes that succeeded, over however many windows; half-life 20 probes.",
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
            "netdusk_cells_warming",
            Type.GAUGE,
            "Series (a network on a platform) that report and have no usual of their own yet.",
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
            "netdusk_incident_control_ratio",
            Type.GAUGE,
            "Of the recent failures, the share whose target answered elsewhere at about that time, 0 to 1.",
            ("country", "platform", "simulated"),
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
            "netdusk_unreadable_batches_total",
            Type.COUNTER,
            "Record batches of which all or the last records were left out, by why they can't be read.",
            ("cause",),
        ),
        MetricFamily(
            "netdusk_sources_anew_total",
            Type.COUNTER,
            "Partitions whose source was made anew under them: it has another id, or ends before their place.",
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
            "netdusk_step_failures_total",
            Type.COUNTER,
            "Chunks at which the step raised, by what is done about it.",
            ("remedy",),
        ),
        MetricFamily(
            "netdusk_unsent_records_total",
            Type.COUNTER,
            "Records that were left out, because the broker refuses them as too large.",
            ("role",),
        ),
        MetricFamily(
            "netdusk_scrape_failures_total",
            Type.COUNTER,
            "Partitions that were left out of a scrape, because their machine raised.",
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
