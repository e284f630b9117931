"""Who is told of what, for those without Alertmanager: which rule wants a snapshot, and the words of its message.

Sends nothing and has no clock: the moment is handed in.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.page.languages import language
from streams.records import Incident, Severity, Status
from streams.settings import NotifyRule, Settings

_HOUR: Final = 3600.0
_TOLD_MAX: Final = 10_000
_SEVERITIES: Final = {severity: number for number, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one rule's receivers."""

    rule: str
    title: str
    body: str
    good: bool = False


def wants(rule: NotifyRule, incident: Incident) -> bool:
    """Whether a rule wants to know of a snapshot."""
    if incident.status.value not in rule.on:
        return False
    if (incident.simulated and not rule.simulated) or (not incident.confirmed and not rule.unconfirmed):
        return False
    if _SEVERITIES[incident.severity] < _SEVERITIES[Severity(rule.severity)]:
        return False
    places = {incident.country, *incident.countries}
    if rule.countries and not places & set(rule.countries):
        return False
    return not rule.platforms or bool(set(incident.platforms) & set(rule.platforms))


def notice(name: str, incident: Incident, settings: Settings) -> Notice:
    """The message of a snapshot: the headline, what was measured, where to read on."""
    over = incident.status is Status.RESOLVED
    mark = "SIMULATED: " if incident.simulated else ""
    word = "Withdrawn" if incident.retracted else "Over" if over else incident.severity.value.capitalize()
    body = incident.summary
    if settings.page.public_url:
        body += f"\n{settings.page.public_url}/incident/{incident.id}"
    return Notice(name, f"{mark}{word}: {language('en').headline(incident, settings.incidents)}", body, over)


@dataclass
class Notices:
    """Every rule's messages; each snapshot once, and no more an hour than a rule allows."""

    settings: Settings
    _told: OrderedDict[tuple[str, str, int], None] = field(default_factory=OrderedDict)
    _sent: dict[str, deque[float]] = field(default_factory=dict)

    def of(self, incident: Incident, now: float) -> Iterator[Notice]:
        """Yield what is to be sent of a snapshot at a moment (seconds)."""
        for name, rule in self.settings.notify.rules.items():
            key = (name, incident.id, incident.seq)
            if key in self._told or not wants(rule, incident):
                continue
            self._told[key] = None
            if len(self._told) > _TOLD_MAX:
                self._told.popitem(last=False)
            sent = self._sent.setdefault(name, deque())
            while sent and now - sent[0] >= _HOUR:
                sent.popleft()
            if len(sent) > rule.per_hour:
                continue
            sent.append(now)
            if len(sent) > rule.per_hour:
                yield Notice(
                    name,
                    f"More than {rule.per_hour} messages within an hour",
                    "What else comes is not sent for a while; `netdusk incidents` and the page have all of it.",
                )
            else:
                yield notice(name, incident, self.settings)


def receivers(rule: NotifyRule) -> Sequence[str]:
    """The addresses of a rule, as Apprise takes them."""
    return [url.get_secret_value() for url in rule.to]
