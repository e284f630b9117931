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
_KNOWN_MAX: Final = 100_000
_SEVERITIES: Final = {severity: number for number, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one rule's receivers."""

    rule: str
    title: str
    body: str
    good: bool = False


def fits(rule: NotifyRule, incident: Incident) -> bool:
    """Whether a snapshot is of what a rule is about, at whatever moment."""
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
    """Every rule's messages; each snapshot once, and no more an hour than a rule allows.

    A rule hears of an incident when it first fits: at its opening, or once it has grown, or is confirmed. Of what it
    has heard of it hears the end too, however that looks.
    """

    settings: Settings
    #: The first snapshot of each incident that fits each rule.
    _first: OrderedDict[tuple[str, str], int] = field(default_factory=OrderedDict)
    _told: OrderedDict[tuple[str, str, int], None] = field(default_factory=OrderedDict)
    _sent: dict[str, deque[float]] = field(default_factory=dict)

    def saw(self, incident: Incident) -> None:
        """Remember a snapshot that stands on the topic, and tell nobody."""
        for name, rule in self.settings.notify.rules.items():
            if fits(rule, incident):
                key = (name, incident.id)
                self._first[key] = min(incident.seq, self._first.pop(key, incident.seq))
                if len(self._first) > _KNOWN_MAX:
                    self._first.popitem(last=False)

    def _wanted(self, name: str, rule: NotifyRule, incident: Incident) -> bool:
        first = self._first.get((name, incident.id))
        known = first is not None and first < incident.seq
        if incident.status is Status.RESOLVED:
            return "resolved" in rule.on and (known or fits(rule, incident))
        if not fits(rule, incident):
            return False
        return incident.status.value in rule.on or ("open" in rule.on and not known)

    def of(self, incident: Incident, now: float) -> Iterator[Notice]:
        """Yield what is to be sent of a snapshot at a moment (seconds)."""
        self.saw(incident)
        for name, rule in self.settings.notify.rules.items():
            key = (name, incident.id, incident.seq)
            if key in self._told or not self._wanted(name, rule, incident):
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
