"""Recording rules. Names are level:metric:operation, as Prometheus' own guide has them."""

from __future__ import annotations

from monitoring.config import MINUTE, Config
from monitoring.model import Group, Record

NETWORKS: str = "country:netdusk_networks_live:max"
VANTAGES: str = "country:netdusk_vantages_live:max"
VANTAGES_ALL: str = "netdusk:netdusk_vantages_live:sum"
PARTITIONS: str = "netdusk:netdusk_partitions_owned:count"
CANARY: str = "netdusk:canary_in_time:timestamp_seconds"


def groups(config: Config) -> list[Group]:
    """The recording rules of netdusk-self.yaml. A country stands on one worker, on two for a moment: hence max."""
    rate = config.range(5 * MINUTE)
    return [
        Group(
            "netdusk.records",
            (
                Record(
                    name=NETWORKS,
                    expr=f"max by (country, simulated) ({config.metric('netdusk_networks_live')})",
                ),
                Record(
                    name=VANTAGES,
                    expr=f"max by (country, simulated) ({config.metric('netdusk_vantages_live')})",
                ),
                Record(name=VANTAGES_ALL, expr=f'sum({VANTAGES}{{simulated="false"}})'),
                Record(
                    name=PARTITIONS,
                    expr=f"count(count by (partition) ({config.metric('netdusk_watermark_lag_seconds')}))",
                ),
                Record(
                    name="result:netdusk_records:rate5m",
                    expr=f"sum by (result) (rate({config.metric('netdusk_records_total')}[{rate}]))",
                ),
            ),
        )
    ]


def canary(config: Config) -> list[Group]:
    """When the canary's outage was last shown in time: within so many minutes after it began."""
    first = config.canary_from_minute
    last = first + config.canary_in_time_minutes
    shown = config.metric("netdusk_incident_active", f'country="{config.canary_country}"', 'simulated="true"')
    return [
        Group(
            "netdusk.canary.records",
            (
                Record(
                    name=CANARY,
                    expr=f"max(timestamp({shown} == 1))\nand on () (minute() >= {first} < {last})",
                ),
            ),
        )
    ]
