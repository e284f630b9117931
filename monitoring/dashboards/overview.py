"""The world at a glance: where something is lost now, and how every platform stands in every country."""

from __future__ import annotations

from monitoring.config import Config
from monitoring.dashboards.parts import (
    BLUE,
    GREEN,
    RATIO_STEPS,
    RED,
    SCORE_STEPS,
    Board,
    Column,
    Query,
    curve,
    figure,
    label_variable,
    listing,
    simulated_variable,
    strip,
    world_map,
)

_SEVERITY = {"1": "minor", "2": "major", "3": "critical"}
_COUNTRY = (
    "/d/netdusk-country?${__url_time_range}&var-simulated=${simulated}&var-country=${__data.fields.country}"
)


def overview(config: Config) -> Board:
    """The dashboard netdusk-overview."""
    chosen = ('simulated=~"$simulated"', 'platform=~"$platform"')
    active = config.metric("netdusk_incident_active", 'simulated=~"$simulated"')
    place = "kind, scope, country, platform"
    join = "on (kind, country, platform, simulated) group_left ()"
    severity = config.metric("netdusk_incident_severity", 'simulated=~"$simulated"')
    onset = config.metric("netdusk_incident_onset_timestamp_seconds", 'simulated=~"$simulated"')
    confirmed = config.metric("netdusk_incident_confirmed", 'simulated=~"$simulated"')
    score = f"max by (country, platform) ({config.metric('netdusk_country_anomaly_score', *chosen)})"
    ratio = config.metric("netdusk_country_reachability_smoothed_ratio", *chosen)
    live = config.metric("netdusk_networks_live", 'simulated=~"$simulated"')
    vantages = config.metric("netdusk_vantages_live", 'simulated=~"$simulated"')
    records = config.metric("netdusk_records_total", 'result="applied"')
    lag = config.metric("netdusk_watermark_lag_seconds")
    alarmed = ((None, GREEN), (1.0, RED))
    board = Board(
        "netdusk-overview",
        "netdusk / Overview",
        "Where something is lost now, and how every platform stands in every country.",
        config,
        [
            simulated_variable(),
            label_variable(
                "platform",
                "Platform",
                "netdusk_country_expected_reachability_ratio",
                multi=True,
                all_value=".*",
            ),
        ],
    )
    board.row(
        "Now",
        figure(
            "Incidents",
            "Places (a country and a platform) in an open incident, confirmed or not.",
            "short",
            Query(f"count(max by (kind, country, platform) ({active})) or vector(0)"),
            steps=alarmed,
        ),
        figure(
            "Countries affected",
            "Countries with an open incident.",
            "short",
            Query(f"count(max by (country) ({active})) or vector(0)"),
            steps=alarmed,
        ),
        figure(
            "Countries watched",
            "Countries from which results have come.",
            "short",
            Query(f"count(max by (country) ({live}))"),
        ),
        figure("Networks", "Networks that report now.", "short", Query(f"sum(max by (country) ({live}))")),
        figure(
            "Vantages", "Vantages that report now.", "short", Query(f"sum(max by (country) ({vantages}))")
        ),
        figure(
            "Behind by",
            "The partition that is furthest behind: what is shown is as old as this.",
            "s",
            Query(f"max({lag})"),
            steps=((None, GREEN), (float(config.watermark_lag_seconds), RED)),
        ),
    )
    board.row(
        "Where",
        world_map(
            "Countries by their worst platform",
            "The highest anomaly score of any chosen platform; 1 is the threshold of an alarm.",
            "short",
            Query(f"max by (country) ({score})"),
            steps=SCORE_STEPS,
        ),
        listing(
            "Countries",
            "The worst platform of each country, and who reports from there.",
            [Column("country", link=_COUNTRY)],
            Column("worst score", f"max by (country) ({score})", "short", SCORE_STEPS),
            Column("lowest reachability", f"min by (country) ({ratio})", "percentunit", RATIO_STEPS),
            Column(
                "networks",
                f"max by (country) ({live})",
                "short",
                ((None, RED), (float(config.networks_confirm), BLUE)),
            ),
            Column("vantages", f"max by (country) ({vantages})", "short"),
            width=10,
            height=12,
        ),
    )
    board.row(
        "What is lost",
        listing(
            "Open incidents",
            "One row a platform of each open incident. Unconfirmed ones rest on too few networks to page anybody. An "
            "incident's id is in `netdusk incidents`.",
            [
                Column("country", link=_COUNTRY),
                Column(
                    "platform",
                    link="/d/netdusk-incident?${__url_time_range}&var-simulated=${simulated}"
                    "&var-country=${__data.fields.country}&var-platform=${__data.fields.platform}",
                ),
                Column("kind"),
                Column("scope"),
            ],
            Column(
                "severity",
                f"max by ({place}) ({active} * {join} {severity})",
                mapped=_SEVERITY,
                steps=((None, BLUE), (2.0, "orange"), (3.0, RED)),
            ),
            Column("since", f"min by ({place}) ({active} * {join} {onset}) * 1000", "dateTimeAsIso"),
            Column(
                "confirmed",
                f"max by ({place}) ({confirmed})",
                mapped={"0": "no", "1": "yes"},
            ),
        ),
        strip(
            "Platforms by country",
            "How far each country is from usual on each platform: from half an alarm's threshold on it is yellow, from "
            "the threshold on red. No data is no colour, and no news.",
            "short",
            Query(score, "{{country}} {{platform}}"),
            height=12,
        ),
        curve(
            "Open incidents over time",
            "Places in an open incident, by kind and scope.",
            "short",
            Query(f"count by (kind, scope) (max by ({place}) ({active}))", "{{kind}}, {{scope}}"),
            stacked=True,
        ),
        curve(
            "Results",
            "Results applied a second, over all workers: when it falls, so does what can be seen.",
            "cps",
            Query(f"sum(rate({records}[$__rate_interval]))", "applied"),
        ),
    )
    return board
