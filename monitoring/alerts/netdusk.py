"""Alerts on netdusk itself: "no incidents" and "no data" must never look alike."""

from __future__ import annotations

from functools import partial
from typing import Final

from monitoring.alerts.world import CRITICAL, DARK, WARNING
from monitoring.config import DAY, HOUR, MINUTE, Config
from monitoring.model import Alert, Group
from monitoring.rules.netdusk import CANARY, NETWORKS, PARTITIONS, VANTAGES_ALL

_SELF: Final = "/d/netdusk-self"
_COUNTRY: Final = "/d/netdusk-country?var-country={{ $labels.country }}"
_KEEP_SECONDS: Final = 5 * MINUTE
_REAL: Final = 'simulated="false"'
_alert = partial(Alert, keep_seconds=_KEEP_SECONDS, link=_SELF)


def groups(config: Config) -> list[Group]:
    """The groups of netdusk-self.yaml."""
    return [
        Group("netdusk.blind", tuple(_blind(config))),
        Group("netdusk.worker", tuple(_worker(config))),
        Group("netdusk.watchdog", (_watchdog(),)),
    ]


def _blind(config: Config) -> list[Alert]:
    came = f"sum by (country) (max_over_time({config.metric('netdusk_probes_total', _REAL)}[{config.range(7 * DAY)}]))"
    silent = config.metric("netdusk_last_result_timestamp_seconds", 'simulated="false"')
    dark = f'ALERTS{{alertname="{DARK}", alertstate="firing"}}'
    day, week = config.range(DAY), 7 * DAY
    confirm = config.networks_confirm
    real = f'{NETWORKS}{{simulated="false"}}'
    return [
        _alert(
            name="ObservatoryBlind",
            expr=f"{VANTAGES_ALL} < {config.blind_ratio:g} * max_over_time({VANTAGES_ALL}[{day}])",
            severity=CRITICAL,
            labels={"extent": "world"},
            wait_seconds=10 * MINUTE,
            summary="netdusk has lost half of its vantages",
            description="{{ $value | humanize }} vantages report, less than half of those that did within the last "
            "day. What happens now may not be seen.",
        ),
        _alert(
            name="ObservatoryBlind",
            expr=f"(\n  {real} < {confirm}\n  and on (country, simulated) "
            f"max_over_time({real}[{day}]) >= {confirm}\n)\nunless on (country)\n{dark}",
            severity=WARNING,
            labels={"extent": "country"},
            wait_seconds=10 * MINUTE,
            summary="netdusk is nearly blind in {{ $labels.country }}",
            description="{{ $value | humanize }} networks report from {{ $labels.country }}; under "
            f"{confirm} an incident stays unconfirmed and pages nobody.",
            link=_COUNTRY,
        ),
        _alert(
            name="ProducerSilent",
            expr=f"(\n  time() - max by (country) ({silent}) > {config.silent_seconds * config.pace:g} < {week}\n)\n"
            # A few stray records promise nothing: a country is missed once it has sent results of its own accord.
            f"and on (country)\n{came} >= {config.silent_results_min}\nunless on (country)\n{dark}",
            severity=WARNING,
            wait_seconds=5 * MINUTE,
            summary="No results from {{ $labels.country }}",
            description="The newest result from {{ $labels.country }} is {{ $value | humanizeDuration }} old. After a "
            "week it is taken for switched off.",
            link=_COUNTRY,
        ),
    ]


def _worker(config: Config) -> list[Alert]:
    ranged = config.range(15 * MINUTE)
    lag = f"max by (partition) ({config.metric('netdusk_watermark_lag_seconds')})"
    refused = config.metric("netdusk_records_total", 'result=~"rejected|late"')
    records = config.metric("netdusk_records_total")
    errors = config.metric("netdusk_restores_total", 'cause="error"')
    stopped = config.metric("netdusk_partitions", 'state="stopped"')
    acknowledged = config.metric("netdusk_checkpoint_seconds_bucket")
    failures = config.metric("netdusk_step_failures_total", 'remedy!~"retry|take_apart"')
    unsent = config.metric("netdusk_unsent_records_total")
    return [
        Alert(
            name="WorkerStalled",
            expr=f"absent({config.metric('netdusk_build_info')})",
            severity=CRITICAL,
            labels={"reason": "absent"},
            wait_seconds=5 * MINUTE,
            summary="No netdusk worker shows its figures",
            description="Nothing is decided, or nobody is told: no worker's /metrics was scraped for five minutes.",
            link=_SELF,
        ),
        _alert(
            name="WorkerStalled",
            expr=f"sum({stopped}) > 0",
            severity=CRITICAL,
            labels={"reason": "stopped"},
            wait_seconds=MINUTE,
            summary="netdusk has stopped {{ $value | humanize }} partitions",
            description="A partition whose checkpoints can't be trusted is stopped loudly and decides nothing. /readyz "
            "of the worker says why.",
        ),
        _alert(
            name="WorkerStalled",
            expr=f"{PARTITIONS} < max_over_time({PARTITIONS}[{config.range(6 * HOUR)}])",
            severity=CRITICAL,
            labels={"reason": "unowned"},
            wait_seconds=10 * MINUTE,
            summary="Partitions that netdusk had are with no worker",
            description="Only {{ $value | humanize }} partitions are decided, fewer than within the last six hours.",
        ),
        *(
            _alert(
                name="WatermarkLag",
                expr=f"{lag} > {seconds * config.pace:g}",
                severity=severity,
                wait_seconds=5 * MINUTE,
                summary="netdusk is behind on {{ $labels.partition }}",
                description="Everything of {{ $labels.partition }} is decided {{ $value | humanizeDuration }} late.",
            )
            for seconds, severity in (
                (config.watermark_lag_seconds, WARNING),
                (config.watermark_lag_critical_seconds, CRITICAL),
            )
        ),
        _alert(
            name="RejectedRecords",
            expr=f"sum by (result) (rate({refused}[{ranged}]))\n/ on () group_left ()\n"
            f"sum(rate({records}[{ranged}]))\n> {config.rejected_ratio:g}",
            severity=WARNING,
            wait_seconds=15 * MINUTE,
            summary="{{ $value | humanizePercentage }} of the results are {{ $labels.result }}",
            description="They are counted and kept in the rejected topic with their reason, and never applied.",
        ),
        _alert(
            name="CheckpointFailing",
            expr=f"sum(increase({errors}[{ranged}])) >= 3",
            severity=CRITICAL,
            labels={"reason": "error"},
            keep_seconds=2 * _KEEP_SECONDS,
            summary="netdusk restores over and over",
            description="{{ printf `%.0f` $value }} restores after errors within a quarter of an hour: checkpoints "
            "can't be written, or what follows them can't be sent.",
        ),
        _alert(
            name="CheckpointFailing",
            expr=f"histogram_quantile(0.99, sum by (le) (rate({acknowledged}[{ranged}]))) > 5",
            severity=WARNING,
            labels={"reason": "slow"},
            wait_seconds=10 * MINUTE,
            summary="Checkpoints are acknowledged slowly",
            description="One in a hundred takes {{ $value | humanizeDuration }} or longer; incidents wait for them.",
        ),
        _alert(
            name="StepFailed",
            expr=f"sum by (remedy) (increase({failures}[{config.range(HOUR)}])) > 0",
            severity=CRITICAL,
            summary="netdusk could not decide on something, and went on without it",
            description="The step raised {{ printf `%.0f` $value }} times within the hour; what was done about it: "
            "{{ $labels.remedy }}. A record that was set aside is in the rejected topic (`step_failed`); a country "
            "that was begun anew is not watched until its baselines are learned again.",
        ),
        _alert(
            name="StepFailed",
            expr=f"sum by (role) (increase({unsent}[{config.range(HOUR)}])) > 0",
            severity=CRITICAL,
            labels={"remedy": "left_out"},
            summary="netdusk left out records that the broker refuses as too large",
            description="{{ printf `%.0f` $value }} records for the {{ $labels.role }} topic within the hour: who "
            "reads it does not know what they would have said.",
        ),
    ]


def _watchdog() -> Alert:
    return Alert(
        name="NetduskWatchdog",
        expr="vector(1)",
        severity="none",
        summary="Rules are evaluated and alerts arrive",
        description="Always fires. Whoever receives it must raise the alarm when it stops coming.",
        link=_SELF,
    )


def canary(config: Config) -> list[Group]:
    """The groups of netdusk-canary.yaml, for installations that run the canary."""
    last = f"max_over_time({CANARY}[{config.range(6 * HOUR)}])"
    link = f"/d/netdusk-country?var-country={config.canary_country}&var-simulated=true"
    alert = partial(
        Alert,
        name="CanarySilent",
        severity=CRITICAL,
        summary="The canary's outage did not come out in time",
        link=link,
    )
    late = (
        f"It is dark for {config.canary_minutes} minutes from minute {config.canary_from_minute} of every hour, and "
        f"must be an incident within {config.canary_in_time_minutes}. "
    )
    return [
        Group(
            "netdusk.canary",
            (
                alert(
                    expr=f"time() - {last} > {HOUR * config.pace:g}",
                    wait_seconds=MINUTE,
                    labels={"reason": "late"},
                    description=late
                    + "It was last {{ $value | humanizeDuration }} ago: something between the producer "
                    "and this rule does not work, and real outages may not come out either.",
                ),
                alert(
                    expr=f"absent_over_time({CANARY}[{config.range(6 * HOUR)}])",
                    wait_seconds=70 * MINUTE,
                    labels={"reason": "never"},
                    description=late + "It never was within six hours.",
                ),
            ),
        )
    ]
