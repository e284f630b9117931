"""One country: its platforms, its networks, what is usual there, and how attempts fail."""

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
    matrix,
    simulated_variable,
    strip,
    words,
)

_EVIDENCE = """\
Figures say where and how much; the evidence (spread of the onsets, selectivity, sameness of the mechanism, half-hour
mark, recurrence, coincidence with the calendar) is in the incident's own record, with its id:

```
netdusk incidents                 # what is open, with ids
netdusk incidents ID --json       # every snapshot of one, with its evidence
netdusk report ID                 # the same as a page with charts
```
"""


def country(config: Config) -> Board:
    """The dashboard netdusk-country."""
    here = ('country=~"$country"', 'simulated=~"$simulated"')
    chosen = (*here, 'platform=~"$platform"')
    ratio = config.metric("netdusk_reachability_ratio", *chosen)
    whole = config.metric("netdusk_country_reachability_ratio", *chosen)
    lately = config.metric("netdusk_country_reachability_smoothed_ratio", *chosen)
    usual = config.metric("netdusk_expected_reachability_ratio", *chosen)
    score = config.metric("netdusk_anomaly_score", *chosen)
    active = config.metric("netdusk_incident_active", *here)
    live = config.metric("netdusk_networks_live", *here)
    vantages = config.metric("netdusk_vantages_live", *here)
    last = config.metric("netdusk_last_result_timestamp_seconds", *here)
    failed = config.metric("netdusk_probes_total", *chosen, 'outcome!="ok"')
    probes = config.metric("netdusk_probes_total", *chosen)
    mechanism = config.metric("netdusk_incident_mechanism", *here)
    board = Board(
        "netdusk-country",
        "netdusk / Country",
        "One country: its platforms and networks against what is usual there, and how attempts fail.",
        config,
        [
            simulated_variable(),
            label_variable("country", "Country", 'netdusk_networks_live{simulated=~"$simulated"}'),
            label_variable(
                "platform",
                "Platform",
                'netdusk_country_expected_reachability_ratio{country=~"$country"}',
                multi=True,
                all_value=".*",
            ),
        ],
        annotation=f"max by (country, platform, kind, scope) ({active})",
    )
    board.row(
        "Now",
        figure(
            "Platforms lost",
            "Platforms of this country in an open incident.",
            "short",
            Query(f"count(max by (kind, platform) ({active})) or vector(0)"),
            steps=((None, GREEN), (1.0, RED)),
        ),
        figure(
            "Lowest reachability",
            "The platform that is reached least, over all networks.",
            "percentunit",
            Query(f"min({lately})"),
            steps=RATIO_STEPS,
        ),
        figure(
            "Networks",
            "Networks that report. Each has one vote; under three an incident stays unconfirmed.",
            "short",
            Query(f"max({live})"),
            steps=((None, RED), (float(config.networks_confirm), BLUE)),
        ),
        figure("Vantages", "Vantages that report.", "short", Query(f"max({vantages})")),
        figure(
            "Not judged yet",
            "Networks on platforms that report and have no usual of their own yet.",
            "short",
            Query(f"sum({config.metric('netdusk_cells_warming', *here)})"),
        ),
        figure(
            "Newest result",
            "Age of the newest window with results.",
            "s",
            Query(f"time() - max({last})"),
            steps=((None, GREEN), (float(config.silent_seconds), RED)),
        ),
        figure(
            "Results",
            "Results of the chosen platforms applied a second.",
            "cps",
            Query(f"sum(rate({probes}[$__rate_interval]))"),
        ),
    )
    board.row(
        "Reachability",
        curve(
            "By platform",
            "Share of attempts that succeed, over all networks of the country.",
            "percentunit",
            Query(f"max by (platform) ({whole})", "{{platform}}"),
            maximum=1,
        ),
        curve(
            "By network, and what is usual",
            "Share of attempts that succeed on each network, on the worst of the chosen platforms; the grey band is "
            "what is usual at this hour, from the lowest network to the highest.",
            "percentunit",
            Query(f"min by (asn) ({ratio})", "AS{{asn}}"),
            Query(f"min({usual})", "usual, lowest"),
            Query(f"max({usual})", "usual, highest"),
            maximum=1,
            band=("usual, lowest", "usual, highest"),
        ),
        strip(
            "Networks by platform",
            "How far each network is from usual; 1 is the threshold of an alarm. Onsets that line up are one event.",
            "short",
            Query(f"max by (platform, asn) ({score})", "{{platform}} AS{{asn}}"),
            height=10,
        ),
    )
    board.row(
        "How attempts fail",
        curve(
            "Failures by mechanism",
            "Failures a second of the chosen platforms, by stage and failure.",
            "cps",
            Query(f"sum by (outcome) (rate({failed}[$__rate_interval]))", "{{outcome}}"),
            stacked=True,
        ),
        curve(
            "Share that fails",
            "Failures among all results of each chosen platform.",
            "percentunit",
            Query(
                f"sum by (platform) (rate({failed}[$__rate_interval]))\n"
                f"/ sum by (platform) (rate({probes}[$__rate_interval]))",
                "{{platform}}",
            ),
            maximum=1,
        ),
        strip(
            "Mechanism of open incidents",
            "The dominant way of failing of each open incident, and its changes.",
            "short",
            Query(f"max by (platform, mechanism) ({mechanism})", "{{platform}}: {{mechanism}}"),
            steps=((None, "purple"),),
            height=6,
        ),
    )
    board.row(
        "Evidence",
        matrix(
            "Which networks reach what, now",
            "Selectivity: platforms lost while others on the same network are fine speak for filtering; everything "
            "lost on one network speaks for that network.",
            "percentunit",
            Query(f"max by (platform, asn) ({config.metric('netdusk_reachability_smoothed_ratio', *here)})"),
            rows="asn",
            columns="platform",
            steps=RATIO_STEPS,
        ),
        curve(
            "Networks alarmed",
            "Networks over the threshold of an alarm, and those that report, by platform. More than half is "
            "nation-scale.",
            "short",
            Query(
                f"count by (platform) (max by (platform, asn) ({score}) >= 1) or 0 * max by (platform) ({lately})",
                "{{platform}}",
            ),
            Query(f"max({live})", "networks that report"),
            dashed=("networks that report",),
        ),
        words("Where the evidence is", "Commands that show an incident's own evidence.", _EVIDENCE, height=6),
        listing(
            "Open incidents here",
            "One row a platform; severity 1 is minor, 3 critical.",
            [
                Column(
                    "platform",
                    link="/d/netdusk-incident?${__url_time_range}&var-simulated=${simulated}&var-country=${country}"
                    "&var-platform=${__data.fields.platform}",
                ),
                Column("kind"),
            ],
            Column(
                "severity",
                f"max by (kind, platform) ({config.metric('netdusk_incident_severity', *here)})",
                steps=((None, BLUE), (2.0, "orange"), (3.0, RED)),
            ),
            Column(
                "since",
                f"min by (kind, platform) ({config.metric('netdusk_incident_onset_timestamp_seconds', *here)}) * 1000",
                "dateTimeAsIso",
            ),
            height=6,
        ),
        strip(
            "Platforms",
            "How far the country as a whole is from usual on each platform.",
            "short",
            Query(
                f"max by (platform) ({config.metric('netdusk_country_anomaly_score', *chosen)})",
                "{{platform}}",
            ),
            steps=SCORE_STEPS,
        ),
    )
    return board
