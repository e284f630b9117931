"""Who is let in: how many names of each kind a country may have. Unknown ones beyond that are refused.

Anybody may invent names, and each costs memory for as long as it is known. Bounds are by country, real and simulated
apart, so that what is invented in one country takes nothing from another. What is decided follows from the log alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from detectors.readings import MonitorKey
from streams.settings import LimitSettings

#: What further vantages and platforms are counted as.
OTHER: Final = "other"


class _Vantages:
    """Vantages, by name and network: a third of the memory of a set of pairs, for hardly any name has two networks."""

    __slots__ = ("_networks", "_size")

    def __init__(self) -> None:
        self._networks: dict[str, int | set[int]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, seat: tuple[str, int]) -> bool:
        networks = self._networks.get(seat[0])
        return seat[1] in networks if isinstance(networks, set) else seat[1] == networks

    def add(self, seat: tuple[str, int]) -> None:
        """Take a vantage in, if it is not there."""
        if seat in self:
            return
        name, asn = seat
        networks = self._networks.setdefault(name, asn)
        if isinstance(networks, set):
            networks.add(asn)
        elif networks != asn:
            self._networks[name] = {networks, asn}
        self._size += 1


class _Known:
    """The names of one country."""

    __slots__ = ("monitors", "networks", "platforms", "regions", "series", "targets", "vantages")

    def __init__(self) -> None:
        self.monitors = 0
        self.series = 0
        self.platforms: dict[str, int] = {}  # which bit each has in `networks`
        self.networks: dict[int, int] = {}  # by number, the bits of the platforms that are seen from each
        self.regions: set[str] = set()
        self.vantages = _Vantages()
        self.targets: dict[str, set[str]] = {}  # by platform

    def has_series(self, platform: str, asn: int) -> bool:
        """Whether a platform is seen from a network."""
        return bool(self.networks.get(asn, 0) & self.platforms.get(platform, 0))

    def add(self, monitor: MonitorKey) -> int:
        """Count a monitor and its names in; returns how many series are new."""
        platform, _, region, asn, vantage, _, target = monitor
        before = self.networks.get(asn, 0)
        bits = before | self.platforms.setdefault(platform, 1 << len(self.platforms))
        if bits != before:
            self.networks[asn] = bits
        if region:
            self.regions.add(region)
        self.vantages.add((vantage, asn))
        if target:
            self.targets.setdefault(platform, set()).add(target)
        self.monitors += 1
        self.series += bits != before
        return bits != before

    def counted(self, monitor: MonitorKey) -> Iterable[tuple[str, int, bool]]:
        """Of each kind of name: how many there are, and whether a monitor's is among them."""
        platform, _, region, asn, vantage, _, _ = monitor
        yield "platforms", len(self.platforms), platform in self.platforms
        yield "networks", len(self.networks), asn in self.networks
        if region:
            yield "regions", len(self.regions), region in self.regions
        yield "vantages", len(self.vantages), (vantage, asn) in self.vantages
        yield "series", self.series, self.has_series(platform, asn)

    def knows_others(self, monitor: MonitorKey) -> bool:
        """Whether none of a monitor's names is new, but for its vantage's."""
        platform, _, region, asn, _, _, target = monitor
        return (
            self.has_series(platform, asn)
            and (not region or region in self.regions)
            and (not target or target in self.targets.get(platform, ()))
        )


class Admission:
    """Counts the names of each country, and says which monitor would be one too many."""

    def __init__(self, limits: LimitSettings, monitors: Iterable[MonitorKey] = ()) -> None:
        self._limits = limits
        self._known: dict[tuple[str, bool], _Known] = {}
        self._monitors = 0
        self._series = 0
        for monitor in monitors:
            self.admit(monitor)

    def admit(self, monitor: MonitorKey) -> None:
        """Count a monitor in."""
        known = self._known.setdefault((monitor.country, monitor.simulated), _Known())
        self._series += known.add(monitor)
        self._monitors += 1

    @property
    def full(self) -> bool:
        """Whether there is no room for anybody, in whatever country."""
        return self._monitors >= self._limits.monitors_in_all or self._series >= self._limits.series_in_all

    @property
    def countries(self) -> set[tuple[str, bool]]:
        """The countries that have names, real and simulated."""
        return set(self._known)

    def fitted(self, monitor: MonitorKey) -> MonitorKey:
        """The monitor itself; or, where its country has no room for another name, one that goes without it.

        A target and a region are left out; a vantage and a platform are counted as the country's `OTHER` one.
        """
        known = self._known.get((monitor.country, monitor.simulated))
        if known is None:
            return monitor
        limits = self._limits
        if len(known.platforms) >= limits.platforms and monitor.platform not in known.platforms:
            monitor = monitor._replace(platform=OTHER, target="")
        seat = (monitor.vantage, monitor.asn)
        if len(known.vantages) >= limits.vantages and seat not in known.vantages:
            monitor = monitor._replace(vantage=OTHER)
        if len(known.regions) >= limits.regions and monitor.region not in known.regions:
            monitor = monitor._replace(region="")
        if not monitor.target:
            return monitor
        targets = known.targets.get(monitor.platform, ())
        if len(targets) < self._limits.targets or monitor.target in targets:
            return monitor
        return monitor._replace(target="")

    def let_in(self, monitor: MonitorKey) -> str | None:
        """Count a monitor in where there is room; else return why it can't be let in, in words."""
        limits = self._limits
        known = self._known.get((monitor.country, monitor.simulated))
        room = self._monitors < limits.monitors_in_all and self._series < limits.series_in_all
        # Nearly every monitor is one more of names that are there already, or of a new vantage.
        if room and known is not None and known.monitors < limits.monitors and known.knows_others(monitor):
            vantages, seat = known.vantages, (monitor.vantage, monitor.asn)
            if seat in vantages or len(vantages) < limits.vantages:
                vantages.add(seat)
                self._monitors += 1
                known.monitors += 1
                return None
        obstacle = self.obstacle(monitor)
        if obstacle is None:
            self.admit(monitor)
        return obstacle

    def obstacle(self, monitor: MonitorKey) -> str | None:
        """Return why a monitor can't be let in, in words, or None if there is room."""
        limits = self._limits
        if self.full:
            return f"{self._monitors} monitors and {self._series} series in all: see [limits]"
        known = self._known.get((monitor.country, monitor.simulated))
        if known is None:
            return None
        if known.monitors >= limits.monitors:
            return _full(monitor, limits.monitors, "monitors")
        for kind, many, there in known.counted(monitor):
            most: int = getattr(limits, kind)
            other = kind in ("platforms", "vantages") and OTHER in (monitor.platform, monitor.vantage)
            if many >= most and not there and not other:
                return _full(monitor, most, kind)
        return None


def _full(monitor: MonitorKey, most: int, kind: str) -> str:
    return f"{monitor.country} has {most} {kind} already: see limits.{kind}"
