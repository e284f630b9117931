"""From what the assembler says to the record that others read, and to the one plain sentence in it.

Sentences say what was measured, in the manner of network observatories, and never who did it. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from babel import Locale

from detectors.incidents.snapshots import Snapshot
from detectors.settings import IncidentSettings
from streams.records import (
    Detector,
    Evidence,
    Incident,
    Kind,
    Mechanism,
    Network,
    Reachability,
    Scope,
    Status,
)

DETECTOR_NAME: Final = "netdusk"
#: Raised whenever the same log could give other incidents; part of every incident's id.
DETECTOR_VERSION: Final = "1"

PLATFORM_NAMES: Final = {
    "x": "X (Twitter)",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "youtube": "YouTube",
    "whatsapp": "WhatsApp",
    "telegram": "Telegram",
    "tiktok": "TikTok",
    "signal": "Signal",
    "wikipedia": "Wikipedia",
    "google": "Google",
}
_WAYS: Final = {"http.throttled": "throttled"}


def to_record(snapshot: Snapshot, settings: IncidentSettings | None = None) -> Incident:
    """Write a snapshot as the topic has it; `settings` brings the operator's own names."""
    own = settings or IncidentSettings()
    until = snapshot.resolved if snapshot.resolved is not None else snapshot.updated
    mechanism = None
    if snapshot.mechanism is not None:
        mechanism = Mechanism(
            name=snapshot.mechanism,
            share=snapshot.mechanism_share,
            by_network={f"AS{asn}": name for asn, name in snapshot.mechanism_by_network},
        )
    return Incident(
        id=snapshot.id,
        seq=snapshot.seq,
        status=Status(snapshot.status.value),
        kind=snapshot.kind,
        scope=snapshot.scope,
        severity=snapshot.severity,
        country=snapshot.country,
        countries=snapshot.countries,
        regions=snapshot.regions,
        platforms=snapshot.platforms,
        networks=tuple(
            Network(
                asn=network.asn,
                name=network.name,
                lost=network.lost,
                onset=_time(network.onset),
                recovered=_time(network.recovered) if network.recovered is not None else None,
            )
            for network in snapshot.networks
        ),
        onset=_time(snapshot.onset),
        detected=_time(snapshot.detected),
        updated=_time(snapshot.updated),
        resolved=_time(snapshot.resolved) if snapshot.resolved is not None else None,
        duration_seconds=max(0, until - snapshot.onset),
        reachability=Reachability(now=snapshot.reachability, usual=snapshot.usual),
        mechanism=mechanism,
        evidence=tuple(
            Evidence(
                name=fact.name,
                value=fact.value,
                unit=fact.unit,
                n=fact.n,
                text=fact.text,
                source=fact.source,
                fits=fact.fits,
            )
            for fact in snapshot.facts
        ),
        previous=snapshot.previous,
        coincides=snapshot.coincides,
        confirmed=snapshot.confirmed,
        vantages=snapshot.vantages,
        networks_live=snapshot.networks_live,
        measurements=snapshot.measurements,
        reason=snapshot.reason,
        simulated=snapshot.simulated,
        detector=Detector(name=DETECTOR_NAME, version=snapshot.version, settings=snapshot.fingerprint),
        summary=summary(snapshot, own),
    )


def summary(snapshot: Snapshot, settings: IncidentSettings) -> str:
    """One plain sentence on what was measured."""
    text = _restored(snapshot, settings) if snapshot.resolved is not None else _lost(snapshot, settings)
    return f"SIMULATED: {text}" if snapshot.simulated else text


def _lost(snapshot: Snapshot, settings: IncidentSettings) -> str:
    what = _what(snapshot, settings)
    since = f"since {_clock(snapshot.onset)}"
    if snapshot.kind is Kind.CONNECTIVITY:
        head = f"Live metrics show a loss of connectivity {_where(snapshot, settings)} {since}"
    else:
        way = _WAYS.get(snapshot.mechanism or "", "restricted")
        if snapshot.kind is Kind.GLOBAL:
            way = "unreachable"
        head = f"Live metrics show {what} {way} {_where(snapshot, settings)} {since}"
    tail = [_figures(snapshot)]
    if snapshot.mechanism is not None and snapshot.mechanism not in _WAYS:
        tail.append(f"most attempts fail with {snapshot.mechanism}")
    back = sum(network.recovered is not None for network in snapshot.networks)
    if back:
        tail.append(f"partially restored, on {back} of {len(snapshot.networks)} networks")
    elif snapshot.back:
        tail.append(f"{_listed([_platform(p, settings) for p in snapshot.back])} restored")
    if snapshot.previous:
        tail.append(
            f"the {_ordinal(len(snapshot.previous) + 1)} like incident within {settings.previous_days} days"
        )
    return f"{head}; {'; '.join(tail)}."


def _restored(snapshot: Snapshot, settings: IncidentSettings) -> str:
    fully = all(network.recovered is not None for network in snapshot.networks) and not snapshot.unheard
    lasted = _duration(max(0, (snapshot.resolved or snapshot.updated) - snapshot.onset))
    if snapshot.kind is Kind.CONNECTIVITY:
        what, was = "connectivity", "is"
    else:
        what = f"access to {_what(snapshot, settings)}"
        was = "is"
    word = "fully restored" if fully else "restored"
    head = f"Live metrics show that {what} {was} {word} {_where(snapshot, settings, restored=True)} after {lasted}"
    tail = [_figures(snapshot)]
    if snapshot.unheard:
        tail.append(f"nothing has been heard from {snapshot.unheard} of those affected")
    return f"{head}; {'; '.join(tail)}."


def _figures(snapshot: Snapshot) -> str:
    now = f"{snapshot.reachability:.0%} of attempts succeed"
    return (
        f"{now}, usually {snapshot.usual:.0%}"
        if snapshot.kind is not Kind.CONNECTIVITY
        else (f"{snapshot.reachability:.0%} of the usual results arrive")
    )


def _what(snapshot: Snapshot, settings: IncidentSettings) -> str:
    return _listed([_platform(name, settings) for name in snapshot.platforms])


def _where(snapshot: Snapshot, settings: IncidentSettings, *, restored: bool = False) -> str:
    if snapshot.kind is Kind.GLOBAL:
        return f"in {len(snapshot.countries)} countries"
    country = country_name(snapshot.country or "", settings.country_names)
    lost = [n for n in snapshot.networks if n.recovered is None or restored]
    if snapshot.scope is Scope.NATION_SCALE:
        count = len(lost) if restored else len(snapshot.networks)
        return f"across {country} on {count} of {max(snapshot.networks_live, count)} networks"
    if snapshot.scope is Scope.REGION and snapshot.regions:
        return f"in {_listed(list(snapshot.regions))}, {country}"
    named = lost or list(snapshot.networks)
    if len(named) <= 3:
        return f"in {country} on {_listed([n.name or f'AS{n.asn}' for n in named])}"
    return f"in {country} on {len(named)} of {max(snapshot.networks_live, len(named))} networks"


def _platform(name: str, settings: IncidentSettings) -> str:
    return settings.platform_names.get(name) or PLATFORM_NAMES.get(name) or name


@lru_cache(maxsize=1)
def _territories() -> Mapping[str, str]:
    return dict(Locale("en").territories)


def country_name(code: str, own: Mapping[str, str]) -> str:
    """The country's English name: the operator's, else the CLDR's, else the code.

    >>> country_name("PK", {})
    'Pakistan'
    """
    return own.get(code) or _territories().get(code) or code


def _listed(words: Sequence[str]) -> str:
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _ordinal(number: int) -> str:
    words = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
    return words.get(number, f"{number}th")


def _duration(seconds: int) -> str:
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _clock(seconds: int) -> str:
    return _time(seconds).strftime("%H:%M UTC")
