"""Alerts for the profile `own`: services of one's own, asked from a few vantages of one's own.

The usual evidence, and nobody waits for a third network. They speak of vantages, and of no nation.
"""

from __future__ import annotations

from typing import Final

from monitoring.alerts.world import CRITICAL, WARNING, latched, started
from monitoring.config import DAY, Config
from monitoring.model import Alert, Group

UNREACHABLE: Final = "ServiceUnreachable"
CERTIFICATE: Final = "CertificateExpiresSoon"
_PLACE: Final = ("country", "platform", "simulated")
_LINK: Final = "/d/netdusk-country?var-country={{ $labels.country }}&var-platform={{ $labels.platform }}"
#: A network on a platform that loses more than half of its attempts counts as one that sees the outage.
_SEEN_BY: Final = (
    "{{ range query (printf `count(max by (asn) (netdusk_reachability_ratio"
    "{country='%s', platform='%s', simulated='%s'}) < 0.5)` "
    "$labels.country $labels.platform $labels.simulated) }}{{ .Value }}{{ else }}some{{ end }}"
)
_OF: Final = (
    "{{ range query (printf `max(netdusk_networks_live{country='%s', simulated='%s'})` "
    "$labels.country $labels.simulated) }} of {{ .Value }}{{ end }}"
)
_MECHANISM: Final = (
    "{{ range query (printf `max by (mechanism) "
    "(netdusk_incident_mechanism{country='%s', platform='%s', simulated='%s'})` "
    "$labels.country $labels.platform $labels.simulated) }} Most failures are {{ .Labels.mechanism }}.{{ end }}"
)
_CONTROL: Final = (
    "{{ range query (printf `max(netdusk_incident_control_ratio{country='%s', platform='%s', simulated='%s'})` "
    "$labels.country $labels.platform $labels.simulated) }}"
    "{{ if ge .Value 0.5 }} Control from elsewhere answers: look at the way from here."
    "{{ else }} Control from elsewhere fails too: look at the service.{{ end }}{{ end }}"
)


def groups(config: Config) -> list[Group]:
    """The groups of netdusk-own.yaml."""
    return [Group("netdusk.own", (_unreachable(config), _certificate(config)))]


def _unreachable(config: Config) -> Alert:
    kind = 'kind="platform"'
    return Alert(
        name=UNREACHABLE,
        expr=latched(config, UNREACHABLE, _PLACE, started(config, _PLACE, kind), kind),
        severity=CRITICAL,
        summary="{{ $labels.platform }} is unreachable from your vantages in {{ $labels.country }}",
        description=f"Seen from {_SEEN_BY}{_OF} networks of your vantages.{_MECHANISM}{_CONTROL}",
        link=_LINK,
    )


def _certificate(config: Config) -> Alert:
    expires = config.metric("netdusk_probe_certificate_expiry_timestamp_seconds")
    days = config.certificate_days
    return Alert(
        name=CERTIFICATE,
        expr=f"min by (platform) ({expires}) - time() < {days * DAY}",
        severity=WARNING,
        wait_seconds=3600,
        summary="A certificate of {{ $labels.platform }} expires in {{ $value | humanizeDuration }}",
        description=f"It is the earliest of its targets; under {days} days somebody should renew it by hand.",
        link="/d/netdusk-overview?var-platform={{ $labels.platform }}",
    )
