"""Alerts on what people suffer: a country, a provider or the world loses a platform.

One incident is one alert a platform for as long as it lasts, whatever becomes of its scope meanwhile: an alert that
fires goes on while *any* incident of its place is open (`latched`), and while netdusk says nothing about the place at
all, for a day at most: a worker that is gone has resolved nothing. Only confirmed incidents start one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from monitoring.config import DAY, MINUTE, Config
from monitoring.model import Alert, Group

THROTTLED: Final = "http.throttled"
NATION: Final = "NationScaleDisruption"
DARK: Final = "ConnectivityDark"
GLOBAL: Final = "GlobalPlatformOutage"
PROVIDER: Final = "ProviderDisruption"
THROTTLING: Final = "ThrottlingSuspected"
CRITICAL: Final = "critical"
WARNING: Final = "warning"

_KEEP_SECONDS: Final = 5 * MINUTE
_COUNTRY_LINK: Final = (
    "/d/netdusk-country?var-country={{ $labels.country }}&var-platform={{ or $labels.platform `$__all` }}"
)
_MECHANISM: Final = (
    "{{ range query (printf `max by (mechanism) "
    "(netdusk_incident_mechanism{country='%s', platform='%s', simulated='%s'})` "
    "$labels.country $labels.platform $labels.simulated) }} Most failures are {{ .Labels.mechanism }}.{{ end }}"
)
_SIMULATED: Final = '{{ if eq $labels.simulated "true" }}SIMULATED: {{ end }}'
_PLATFORM: Final = "{{ or $labels.platform `everything` }}"


def groups(config: Config) -> list[Group]:
    """The groups of netdusk-incidents.yaml."""
    # In this order they are told, too: what mutes others goes first, and an alert sees those above it.
    alerts = (_global(config), _dark(config), _nation(config), _provider(config), _throttling(config))
    return [Group("netdusk.incidents", alerts)]


_PLACE: Final = ("country", "platform", "simulated")


def _nation(config: Config) -> Alert:
    start = started(config, _PLACE, 'kind="platform"', 'scope="nation-scale"')
    return Alert(
        name=NATION,
        expr=latched(config, NATION, _PLACE, _lines(start, f"unless {_on(_PLACE)}", _throttled(config))),
        severity=CRITICAL,
        wait_seconds=MINUTE,
        keep_seconds=_KEEP_SECONDS,
        summary=f"{_SIMULATED}{{{{ $labels.platform }}}}: nation-scale disruption in {{{{ $labels.country }}}}",
        description="Most of the live networks of {{ $labels.country }} have lost {{ $labels.platform }}."
        + _MECHANISM,
        link=_COUNTRY_LINK,
    )


def _dark(config: Config) -> Alert:
    place, kind = ("country", "simulated"), 'kind="connectivity"'
    return Alert(
        name=DARK,
        expr=latched(config, DARK, place, started(config, place, kind, 'scope="nation-scale"'), kind),
        severity=CRITICAL,
        wait_seconds=MINUTE,
        keep_seconds=_KEEP_SECONDS,
        summary=f"{_SIMULATED}{{{{ $labels.country }}}} has gone dark",
        description="Results have stopped coming from most of the live networks of {{ $labels.country }}: a shutdown, "
        "a power cut, or the loss of our own vantages.",
        link="/d/netdusk-country?var-country={{ $labels.country }}",
    )


def _global(config: Config) -> Alert:
    place, kind = ("platform", "simulated"), 'kind="global"'
    # The view over the world comes two windows after the countries' own. Prometheus sees them all at once, and can
    # mute two hundred pages before they are sent.
    nations = started(config, _PLACE, 'kind="platform"', 'scope="nation-scale"')
    many = f"count by ({', '.join(place)}) (\n  {nations}\n) >= {config.global_countries}"
    return Alert(
        name=GLOBAL,
        expr=latched(config, GLOBAL, place, _lines(started(config, place, kind), "or", many), kind),
        severity=CRITICAL,
        wait_seconds=MINUTE,
        keep_seconds=_KEEP_SECONDS,
        summary=f"{_SIMULATED}{{{{ $labels.platform }}}} is down in many countries",
        description="{{ $labels.platform }} fails in many of the countries that are watched at once: it is the "
        "platform's own outage, and no country's.",
        link="/d/netdusk-overview?var-platform={{ $labels.platform }}",
    )


def _provider(config: Config) -> Alert:
    start = _lines(
        started(config, _PLACE, 'kind!="global"', 'scope=~"provider|region|multi-provider"'),
        f"unless {_on(_PLACE)}",
        _throttled(config),
        f"unless {_on(_PLACE)}",
        _firing(NATION),
        "unless on (country, simulated)",
        _firing(DARK),
    )
    return Alert(
        name=PROVIDER,
        expr=latched(config, PROVIDER, _PLACE, start, 'kind!="global"'),
        severity=WARNING,
        wait_seconds=5 * MINUTE,
        keep_seconds=_KEEP_SECONDS,
        summary=f"{_SIMULATED}{_PLATFORM}: disruption on some networks in {{{{ $labels.country }}}}",
        description=f"Some networks or a region of {{{{ $labels.country }}}} have lost {_PLATFORM}; most have not."
        + _MECHANISM,
        link=_COUNTRY_LINK,
    )


def _throttling(config: Config) -> Alert:
    start = _lines(
        started(config, _PLACE, 'kind="platform"'),
        f"and {_on(_PLACE)}",
        _throttled(config),
        f"unless {_on(_PLACE)}",
        _firing(f"{NATION}|{PROVIDER}"),
    )
    return Alert(
        name=THROTTLING,
        expr=latched(config, THROTTLING, _PLACE, start),
        severity=WARNING,
        wait_seconds=10 * MINUTE,
        keep_seconds=_KEEP_SECONDS,
        summary=f"{_SIMULATED}{{{{ $labels.platform }}}} is slow in {{{{ $labels.country }}}}",
        description="{{ $labels.platform }} answers in {{ $labels.country }}, and far slower than it usually does.",
        link=_COUNTRY_LINK,
    )


def started(config: Config, place: Sequence[str], *matchers: str) -> str:
    """A confirmed incident is open; no word of the instance that says so."""
    selector = config.metric("netdusk_incident_confirmed", *matchers, config.real)
    return f"max by ({', '.join(place)}) ({selector} == 1)"


def _throttled(config: Config) -> str:
    return config.metric("netdusk_incident_mechanism", f'mechanism="{THROTTLED}"')


def _firing(names: str) -> str:
    match = "=~" if "|" in names else "="
    return f'ALERTS{{alertname{match}"{names}", alertstate="firing"}}'


def latched(config: Config, name: str, place: Sequence[str], start: str, *active: str) -> str:
    """Return an expression that begins as `start` does, and lasts while an incident of its place is open or unknown."""
    names = ", ".join(place)
    firing = f"max by ({names}) ({_firing(name)})"
    still = f"max by ({names}) ({config.metric('netdusk_incident_active', *active, config.real)})"
    where = tuple(label for label in place if label != "platform")
    live = config.metric("netdusk_networks_live", config.real)
    speaks = f"max by ({', '.join(where)}) ({live})"
    spoke = f"max by ({', '.join(where)}) (last_over_time({live}[{config.range(DAY)}]))"
    return "\nor\n".join(
        (
            _bracketed(start),
            _bracketed(_lines(still, f"and {_on(place)}", firing)),
            _bracketed(_lines(firing, f"unless {_on(where)}", speaks, f"and {_on(where)}", spoke)),
        )
    )


def _on(labels: Sequence[str]) -> str:
    return f"on ({', '.join(labels)})"


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _bracketed(text: str) -> str:
    return _lines("(", *(f"  {line}" for line in text.splitlines()), ")")
