"""Who may speak: the register as the step has it, and from when on whose results have a vote.

An entry speaks for one country and one network; one with `sources` for what these sources measured in its country.
What is decided follows from the entries and the results' own times alone, so that a replay decides the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from detectors.readings import MonitorKey
from producers.bundles import key_id
from producers.countries import CANARY
from streams.records import Vantage, VantageState
from streams.settings import TrustSettings
from streams.step.asn_countries import countries_by_asn, is_elsewhere

#: Of results that never have a vote: later than any time that a record may have.
NEVER: Final = 2**62
ALWAYS: Final = 0
_HOUR_MS: Final = 3_600_000


class Speakers:
    """The register.

    Parameters
    ----------
    trust
        The policy, and how long probation lasts.
    entries
        What the register says so far; of one vantage the last one counts.

    Raises SettingsError where `trust.country_table` can't be read.
    """

    def __init__(self, trust: TrustSettings, entries: Iterable[Vantage] = ()) -> None:
        self._trust = trust
        self._networks = countries_by_asn(trust.country_table)
        self._entries: dict[str, Vantage] = {}
        self._by_source: dict[tuple[str, str], dict[str, Vantage]] = {}
        #: Vantages that may speak, by country and network; None: to be counted.
        self._vantages: Counter[tuple[str, int]] | None = None
        #: Of each key the entries that have it, by name; and of a key that none has any more, the last one that had it.
        self._holders: dict[str, dict[str, Vantage]] = {}
        self._retired: dict[str, Vantage] = {}
        for entry in entries:
            self.heed(entry)

    @property
    def entries(self) -> Sequence[Vantage]:
        """All entries, by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    def heed(self, entry: Vantage) -> Vantage | None:
        """Take an entry in. Returns the one that it replaces by another; None if there was none, or the same."""
        before = self._entries.get(entry.vantage)
        if before == entry:
            return None
        if before is not None:
            self._let_go(before)
        self._entries[entry.vantage] = entry
        self._vantages = None
        for source in entry.sources:
            self._by_source.setdefault((source, entry.country), {})[entry.vantage] = entry
        if entry.public_key is not None:
            name = key_id(entry.public_key)
            self._holders.setdefault(name, {})[entry.vantage] = entry
            self._retired.pop(name, None)
        return before

    def _let_go(self, entry: Vantage) -> None:
        for source in entry.sources:
            self._by_source[source, entry.country].pop(entry.vantage, None)
        # The key of an entry that has another one now is known still, as one that is revoked.
        if entry.public_key is not None:
            name = key_id(entry.public_key)
            holders = self._holders[name]
            del holders[entry.vantage]
            if not holders:
                del self._holders[name]
                self._retired[name] = _revoked(entry)

    def vantages_of(self, country: str, asn: int) -> int:
        """How many vantages of a network are in the register as active ones."""
        if self._vantages is None:
            self._vantages = Counter(
                (one.country, one.asn)
                for one in self._entries.values()
                if one.state is VantageState.ACTIVE and not one.sources
            )
        return self._vantages[country, asn]

    @property
    def has_sources(self) -> bool:
        """Whether any entry is one for sources."""
        return any(self._by_source.values())

    def is_of_source(self, monitor: MonitorKey) -> bool:
        """Whether a monitor is one of a source that has a vote where it measures."""
        named = self._by_source.get((monitor.vantage.partition("-")[0], monitor.country), {})
        return any(entry.state is VantageState.ACTIVE and covers(entry, monitor) for entry in named.values())

    def networks_of(self, country: str) -> set[int]:
        """The networks of a country that stand in the register."""
        return {one.asn for one in self._entries.values() if one.country == country}

    @property
    def kept(self) -> list[Vantage]:
        """All that has to be heeded, in this order, to know the same: entries, after those that keys had before."""
        return [*(self._retired[name] for name in sorted(self._retired)), *self.entries]

    def removed(self, names: Collection[str]) -> list[Vantage]:
        """The entries that are not among these names, and are not revoked yet: as revoked ones."""
        return [
            replace(entry, state=VantageState.REVOKED)
            for entry in self.entries
            if entry.vantage not in names and entry.state is not VantageState.REVOKED
        ]

    def with_also(self, entries: Iterable[Vantage]) -> Speakers:
        """Return a register with these entries added."""
        return Speakers(self._trust, [*self.kept, *entries])

    def of_key(self, name: str) -> Vantage | None:
        """The entry whose key has this id; None for no entry. A key that two entries have is nobody's: revoked."""
        holders = self._holders.get(name)
        if holders is None:
            return self._retired.get(name)
        first = holders[min(holders)]
        return first if len(holders) == 1 else _revoked(first)

    def votes_from_ms(self, monitor: MonitorKey) -> int:
        """From which time on results of this monitor have a vote: ALWAYS, NEVER, or milliseconds since 1970."""
        if self._trust.everybody or monitor.country == CANARY:
            # The canary's country is nobody's: what is said of it concerns the observatory alone.
            return ALWAYS
        if is_elsewhere(self._networks, monitor.asn, monitor.country):
            return NEVER
        own = self._entries.get(monitor.vantage)
        speaking = [own] if own is not None else []
        source = monitor.vantage.partition("-")[0]
        speaking += self._by_source.get((source, monitor.country), {}).values()
        return min((self._since(entry) for entry in speaking if covers(entry, monitor)), default=NEVER)

    def _since(self, entry: Vantage) -> int:
        if entry.state is VantageState.REVOKED:
            return NEVER
        if entry.state is VantageState.ACTIVE:
            return ALWAYS
        return int(entry.since.timestamp() * 1000 + self._trust.probation_hours * _HOUR_MS)


def covers(entry: Vantage, monitor: MonitorKey) -> bool:
    """Whether an entry speaks for a monitor: its country, network and region, and its name or its source."""
    if entry.country != monitor.country:
        return False
    if entry.sources and monitor.vantage.partition("-")[0] in entry.sources:
        return entry.asn in (0, monitor.asn)
    own = entry.vantage == monitor.vantage and entry.asn == monitor.asn
    return own and (entry.region is None or monitor.region in ("", entry.region))


def speaks_for(entry: Vantage | None, named: str | None, monitor: MonitorKey) -> bool:
    """Whether a line may stand where it does: in a bundle that names a vantage, under an entry's signature."""
    if entry is not None:
        return covers(entry, monitor)
    return monitor.vantage == named


def _revoked(entry: Vantage) -> Vantage:
    return Vantage(
        vantage=entry.vantage,
        country=entry.country,
        asn=entry.asn,
        public_key=entry.public_key,
        state=VantageState.REVOKED,
        since=entry.since,
    )
