"""netdusk itself: does it read, decide and tell in time, and would it see anything."""

from __future__ import annotations

from monitoring.config import Config
from monitoring.dashboards.parts import BLUE, GREEN, RED, Board, Query, curve, figure, strip

_QUANTILES = ((0.5, "half"), (0.99, "99 %"))


def itself(config: Config) -> Board:
    """The dashboard netdusk-self."""
    m = config.metric
    rate = "$__rate_interval"
    records, lag = m("netdusk_records_total"), m("netdusk_watermark_lag_seconds")
    stopped = m("netdusk_partitions", 'state="stopped"')
    refused = m("netdusk_records_total", 'result!="applied"')
    board = Board(
        "netdusk-self",
        "netdusk / netdusk itself",
        "Whether netdusk reads, decides and tells in time, and whether it would see anything.",
        config,
        [],
    )
    board.row(
        "Now",
        figure(
            "Workers", "Workers that show their figures.", "short", Query(f"count({m('netdusk_build_info')})")
        ),
        figure(
            "Partitions stopped",
            "Partitions that decide nothing, because their checkpoints can't be trusted.",
            "short",
            Query(f"sum({stopped})"),
            steps=((None, GREEN), (1.0, RED)),
        ),
        figure("Results", "Results read a second.", "cps", Query(f"sum(rate({records}[{rate}]))")),
        figure(
            "Behind by",
            "The partition that is furthest behind.",
            "s",
            Query(f"max({lag})"),
            steps=((None, GREEN), (float(config.watermark_lag_seconds), RED)),
        ),
        figure(
            "Vantages",
            "Vantages that report, simulated ones too.",
            "short",
            Query(f"sum({m('netdusk_vantages_live')})"),
        ),
        figure(
            "Series dropped",
            "Series left out for want of room since the workers started (labels.series_max).",
            "short",
            Query(f"sum({m('netdusk_series_dropped_total')})"),
            steps=((None, BLUE), (1.0, RED)),
        ),
    )
    board.row(
        "What comes in",
        curve(
            "Records by result",
            "Results read a second, by what became of them.",
            "cps",
            Query(f"sum by (result) (rate({records}[{rate}]))", "{{result}}"),
            stacked=True,
        ),
        curve(
            "Refused or late",
            "Share of the results that were not applied; from the dashed line on, RejectedRecords fires.",
            "percentunit",
            Query(
                f"sum by (result) (rate({refused}[{rate}]))\n/ on () group_left () sum(rate({records}[{rate}]))",
                "{{result}}",
            ),
            steps=((None, GREEN), (config.rejected_ratio, RED)),
        ),
        curve(
            "Who reports",
            "Vantages that report, by country.",
            "short",
            Query(
                f"max by (country, simulated) ({m('netdusk_vantages_live')})",
                "{{country}} (simulated: {{simulated}})",
            ),
            stacked=True,
        ),
        curve(
            "Age of the newest result",
            "By country; from the dashed line on, ProducerSilent fires.",
            "s",
            Query(
                f"time() - max by (country, simulated) ({m('netdusk_last_result_timestamp_seconds')})",
                "{{country}} (simulated: {{simulated}})",
            ),
            steps=((None, GREEN), (float(config.silent_seconds), RED)),
        ),
    )
    board.row(
        "Deciding",
        curve(
            "Lag of the watermark",
            "How far behind now everything is decided, by partition. A window and the lateness, a minute and a half, "
            "are by design, three and a half in the view over the world (the health topic).",
            "s",
            Query(f"max by (partition) ({lag})", "{{partition}}"),
            steps=((None, GREEN), (float(config.watermark_lag_seconds), RED)),
        ),
        curve(
            "Time of a step",
            "Reading, judging and encoding one chunk of up to a thousand records.",
            "s",
            *_quantiles(config, "netdusk_step_seconds"),
        ),
        curve(
            "Detection delay",
            "From the end of the window that an incident snapshot rests on to its acknowledgement by the broker. Where "
            "nothing was told lately there is nothing to show.",
            "s",
            *(
                Query(
                    f"histogram_quantile({share}, sum by (le) ({m('netdusk_detection_delay_seconds_bucket')}))",
                    name,
                )
                for share, name in _QUANTILES
            ),
        ),
        strip(
            "Partitions by state",
            "How many partitions each worker has in each state.",
            "short",
            Query(f"sum by (instance, state) ({m('netdusk_partitions')})", "{{instance}} {{state}}"),
            steps=((None, "gray"), (1.0, BLUE)),
            width=12,
        ),
    )
    board.row(
        "Keeping",
        curve(
            "Checkpoint acknowledged after",
            "From a checkpoint sent to its acknowledgement; incidents wait for it.",
            "s",
            *_quantiles(config, "netdusk_checkpoint_seconds"),
        ),
        curve(
            "Checkpoint bytes",
            "Bytes of checkpoints a second: what each chunk adds, and whole snapshots now and then.",
            "Bps",
            Query(f"sum by (record) (rate({m('netdusk_checkpoint_bytes_sum')}[{rate}]))", "{{record}}"),
            stacked=True,
        ),
        curve(
            "Restores",
            "Restores of partitions since the workers started, by cause. `assigned` is a start or a handover.",
            "short",
            Query(f"sum by (cause) ({m('netdusk_restores_total')})", "{{cause}}"),
        ),
        curve(
            "What should stay at zero",
            "Ticks that could not be written, and results that the broker deleted before they were read.",
            "short",
            Query(f"sum({m('netdusk_tick_failures_total')})", "ticks not written"),
            Query(f"sum({m('netdusk_retention_gap_records_total')})", "results lost to retention"),
            Query(f"sum({m('netdusk_series_dropped_total')})", "series dropped"),
            Query(f"sum({m('netdusk_sources_anew_total')})", "sources made anew"),
            Query(f"sum by (cause) ({m('netdusk_unreadable_batches_total')})", "batches left out: {{cause}}"),
            Query(f"sum({m('netdusk_scrape_failures_total')})", "partitions left out of a scrape"),
            Query(f"sum by (role) ({m('netdusk_unsent_records_total')})", "{{role}}: too large"),
            Query(f"sum by (remedy) ({m('netdusk_step_failures_total')})", "step raised: {{remedy}}"),
        ),
    )
    board.row(
        "The process",
        curve(
            "CPU",
            "Cores used by each worker.",
            "short",
            Query(f"rate({m('process_cpu_seconds_total')}[{rate}])", "{{instance}}"),
        ),
        curve(
            "Memory",
            "Resident memory of each worker.",
            "bytes",
            Query(m("process_resident_memory_bytes"), "{{instance}}"),
        ),
        curve(
            "Alerts",
            "Alerts that fire or are about to; NetduskWatchdog always does, or nobody would be told of anything.",
            "short",
            Query("count by (alertname, alertstate) (ALERTS)", "{{alertname}} ({{alertstate}})"),
            stacked=True,
            width=24,
        ),
    )
    return board


def _quantiles(config: Config, name: str) -> list[Query]:
    bucket = config.metric(f"{name}_bucket")
    return [
        Query(f"histogram_quantile({share}, sum by (le) (rate({bucket}[$__rate_interval])))", legend)
        for share, legend in _QUANTILES
    ]
