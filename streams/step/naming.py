"""Which networks are named in what is published, and by which number the others stand there.

A network with few registered vantages may point to a person. What is decided knows all networks by their AS numbers;
what leaves the step has gone through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace as replace_struct

from detectors.incidents.snapshots import Scope, Snapshot
from detectors.readings import CountryTally, MonitorKey, SeriesGauge
from producers.countries import CANARY
from streams.pseudonyms import VANTAGES_MIN, is_unnamed, network_pseudonym, unnamed_network
from streams.records import Incident
from streams.settings import TrustSettings
from streams.step.speakers import Speakers

#: So many numbers are kept at hand; they are made again when they are asked for.
_KEPT_MAX: Final = 100_000


class Naming:
    """What stands for each network in what is published.

    Parameters
    ----------
    trust
        Whether networks with few vantages are named, and the operator's secret.
    speakers
        Returns the register as it is now.
    heard
        Returns all monitors that were let in, in an order that only grows until `forget_heard` is called.

    Attributes
    ----------
    salt
        What numbers are made with where the operator has set no secret; nothing until the worker has brought some.
    """

    def __init__(
        self,
        trust: TrustSettings,
        speakers: Callable[[], Speakers],
        heard: Callable[[], list[MonitorKey]],
    ) -> None:
        self._secret = trust.pseudonym_secret and trust.pseudonym_secret.get_secret_value().encode()
        self._speakers = speakers
        self._heard = heard
        self._seen = 0
        self._by_source: set[tuple[str, int]] = set()
        self._numbers: dict[tuple[str, int, str], int] = {}
        self.all_named = trust.names_all
        self.salt = b""

    @property
    def wants_salt(self) -> bool:
        """Whether it needs some, and has none."""
        return not (self.all_named or self._secret or self.salt)

    def sow(self, salt: bytes) -> None:
        """Take the salt in, if it is wanted: the first one stays."""
        if self.wants_salt:
            self.salt = salt
            self._numbers.clear()

    def forget_heard(self) -> None:
        """Monitors or entries have gone or changed."""
        self._seen = 0
        self._by_source.clear()

    def told_as(self, country: str, asn: int, at: int, *, simulated: bool = False) -> int:
        """By which number a network stands in what is published of a time: its own where it is named.

        Numbers of networks that are not named are others each month, and in each country.
        """
        if self.all_named or simulated or not asn or is_unnamed(asn) or self._is_named(country, asn):
            return asn
        key = (country, asn, month_of(at))
        number = self._numbers.get(key)
        if number is None:
            if len(self._numbers) >= _KEPT_MAX:
                self._numbers.clear()
            number = self._numbers[key] = network_pseudonym(self._secret or self.salt, *key)
        return number

    def _is_named(self, country: str, asn: int) -> bool:
        """Whether it has enough vantages, or is known anyway: what a source has measured there is public."""
        if country == CANARY or self._speakers().vantages_of(country, asn) >= VANTAGES_MIN:
            return True
        return (country, asn) in self._networks_of_sources()

    def _networks_of_sources(self) -> set[tuple[str, int]]:
        speakers = self._speakers()
        if speakers.has_sources:
            heard = self._heard()
            for monitor in heard[self._seen :]:
                if speakers.is_of_source(monitor):
                    self._by_source.add((monitor.country, monitor.asn))
            self._seen = len(heard)
        return self._by_source

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """An incident as it may be told."""
        country = snapshot.country
        if self.all_named or country is None:
            return snapshot

        def told(asn: int) -> int:
            return self.told_as(country, asn, snapshot.onset, simulated=snapshot.simulated)

        networks = [
            loss
            if (number := told(loss.asn)) == loss.asn and not is_unnamed(number)
            else replace(loss, asn=number, name=unnamed_network(number))
            for loss in snapshot.networks
        ]
        hidden = any(is_unnamed(loss.asn) for loss in networks)
        by_networks = snapshot.scope in (Scope.PROVIDER, Scope.MULTI_PROVIDER)
        ways = [(told(asn), way) for asn, way in snapshot.mechanism_by_network]
        # In the order of what is told: that of the real numbers would tell between which others one lies.
        return replace(
            snapshot,
            networks=tuple(sorted(networks, key=lambda loss: loss.asn)),
            mechanism_by_network=tuple(sorted(ways)),
            # What others measure of one network stands on their page under its number: its figures would name it.
            witnesses=tuple(
                replace_struct(one, value=None, usual=None, time=None, url=None, until=None)
                for one in snapshot.witnesses
            )
            if hidden and by_networks
            else snapshot.witnesses,
        )

    def tally(self, tally: CountryTally, start: int) -> CountryTally:
        """A country's window as it may be told."""
        if self.all_named or tally.simulated:
            return tally
        asn = [self.told_as(tally.country, one, start) for one in tally.asn]
        if asn == tally.asn:
            return tally
        order = sorted(range(len(asn)), key=lambda i: (tally.platform[i], tally.region[i], asn[i]))
        columns = ("platform", "region", "n", "k", "expected", "ttfb_ms", "failure")
        ordered: dict[str, Any] = {name: [getattr(tally, name)[i] for i in order] for name in columns}
        return replace(tally, asn=[asn[i] for i in order], **ordered)

    def gauges(self, gauges: Iterable[SeriesGauge], now: int) -> list[SeriesGauge]:
        """Series as they may be shown."""
        if self.all_named:
            return list(gauges)
        return [
            one._replace(asn=self.told_as(one.country, one.asn, now, simulated=one.simulated))
            for one in gauges
        ]

    def recalled(self, incident: Incident, networks: Iterable[int]) -> Incident:
        """An incident that was told, with the own numbers of those of its networks that are among `networks`."""
        country = incident.country
        if self.all_named or country is None or not any(is_unnamed(one.asn) for one in incident.networks):
            return incident
        onset = int(incident.onset.timestamp())
        own = {self.told_as(country, asn, onset, simulated=incident.simulated): asn for asn in networks}
        return replace_struct(
            incident,
            networks=tuple(replace_struct(one, asn=own.get(one.asn, one.asn)) for one in incident.networks),
        )


def month_of(seconds: int) -> str:
    """The month of a moment, in UTC.

    >>> month_of(1705758000)
    '2024-01'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
