"""One incident: since when, how far, how it fails, and what beside it is fine."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from monitoring.config import Config
from monitoring.dashboards.parts import (
    BLUE,
    GREEN,
    RED,
    Board,
    Query,
    curve,
    figure,
    label_variable,
    simulated_variable,
    strip,
    words,
)

_WORDS = """\
An id is no label of a metric: this board finds the incident by its country and platform. With the id (from the alert's
country and platform in `netdusk incidents`), what it rests on is here:

```
netdusk incidents ${id} --json
netdusk report ${id}
```
"""


def incident(config: Config) -> Board:
    """The dashboard netdusk-incident."""
    here = ('country=~"$country"', 'simulated=~"$simulated"')
    chosen = (*here, 'platform=~"$platform"')
    others = (*here, 'platform!~"$platform"')
    score = config.metric("netdusk_anomaly_score", *chosen)
    ratio = config.metric("netdusk_reachability_ratio", *chosen)
    whole = config.metric("netdusk_country_reachability_ratio", *chosen)
    usual = config.metric("netdusk_country_expected_reachability_ratio", *chosen)
    beside = config.metric("netdusk_reachability_ratio", *others)
    failed = config.metric("netdusk_probes_total", *chosen, 'outcome!="ok"')
    onset = config.metric("netdusk_incident_onset_timestamp_seconds", *chosen)
    active = config.metric("netdusk_incident_active", *chosen)
    alarmed = f"max by (asn) ({score})"
    board = Board(
        "netdusk-incident",
        "netdusk / Incident",
        "One incident, found by its country and platform: since when, how far, how it fails, what is fine beside it.",
        config,
        [
            simulated_variable(),
            label_variable("country", "Country", 'netdusk_incident_active{simulated=~"$simulated"}'),
            label_variable(
                "platform",
                "Platform",
                'netdusk_incident_active{country=~"$country", simulated=~"$simulated"}',
                multi=True,
            ),
            dashboard.TextBoxVariable("id")
            .label("Incident id")
            .description("For the commands below.")
            .default_value("ID"),
        ],
        annotation=f"max by (country, platform, kind, scope) ({active})",
    )
    board.row(
        "What",
        figure("Since", "When it began.", "dateTimeAsIso", Query(f"min({onset}) * 1000"), width=6),
        figure("For", "How long it has lasted.", "s", Query(f"time() - min({onset})"), width=4),
        figure(
            "Severity",
            "1 minor, 2 major, 3 critical.",
            "short",
            Query(f"max({config.metric('netdusk_incident_severity', *chosen)})"),
            width=4,
            steps=((None, BLUE), (2.0, "orange"), (3.0, RED)),
        ),
        figure(
            "Confirmed",
            "1 where it rests on enough live networks to page somebody.",
            "short",
            Query(f"max({config.metric('netdusk_incident_confirmed', *chosen)})"),
            width=4,
            steps=((None, "orange"), (1.0, GREEN)),
        ),
        figure(
            "Networks alarmed",
            "Networks over the threshold of an alarm on any of its platforms.",
            "short",
            Query(f"count({alarmed} >= 1) or vector(0)"),
            width=3,
            steps=((None, GREEN), (1.0, RED)),
        ),
        figure(
            "Control answers",
            "Of the recent failures, the share whose target answered elsewhere at about that time.",
            "percentunit",
            Query(f"min({config.metric('netdusk_incident_control_ratio', *chosen)})"),
            width=3,
        ),
    )
    board.row(
        "How far",
        curve(
            "Lost, and usual",
            "Share of attempts that succeed, over all networks of the country, against what is usual then (dashed).",
            "percentunit",
            Query(f"min by (platform) ({whole})", "{{platform}}"),
            Query(f"min({usual})", "usual"),
            maximum=1,
            dashed=("usual",),
        ),
        curve(
            "By network",
            "The same on each network: when each was lost, and when each came back.",
            "percentunit",
            Query(f"min by (asn) ({ratio})", "AS{{asn}}"),
            maximum=1,
        ),
        strip(
            "Onset by network",
            "The score of each network; the spread of the onsets, in minutes or in hours, is itself evidence.",
            "short",
            Query(alarmed, "AS{{asn}}"),
            height=7,
        ),
        strip(
            "Scope over time",
            "How far it reaches, as it grows and shrinks.",
            "short",
            Query(f"max by (kind, scope, platform) ({active})", "{{platform}}: {{kind}}, {{scope}}"),
            steps=((None, "purple"),),
            height=6,
        ),
    )
    board.row(
        "How, and what not",
        curve(
            "How attempts fail",
            "Failures a second by stage and failure. The same way on all networks is a sign of one hand or one fault.",
            "cps",
            Query(f"sum by (outcome) (rate({failed}[$__rate_interval]))", "{{outcome}}"),
            stacked=True,
        ),
        curve(
            "Other platforms on the same networks",
            "What the incident does not name: fine beside it means that the networks work.",
            "percentunit",
            Query(f"avg by (platform) ({beside})", "{{platform}}"),
            maximum=1,
        ),
        words("Its evidence", "Commands that show the incident's own record.", _WORDS, height=6),
    )
    return board
