"""What makes a loss worldwide: how many countries share it, and whether it fails from outside too (docs/adr/0003).

Two ask: the assembler, before it tells of a country, and the world, before it tells of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.incidents.case import Case
from detectors.incidents.falls import Fall, Falls, Shared, shared_with
from detectors.incidents.running import (
    COUNTRIES_MIN,
    DOUBT_SECONDS,
    NEARLY_ALL,
    Outage,
    Outages,
    Share,
    is_beyond_doubt,
)
from detectors.incidents.snapshots import Kind
from detectors.readings import Health
from detectors.settings import IncidentSettings

_SHORTFALL_MIN: Final = 0.05
#: With less left than this share of the usual in a window, no two fifths of the networks have made it alone, nor with
#: one more that fails by chance.
MOSTLY_LOST: Final = 0.25
#: Where windows without results are more usual than this, one says nothing.
_EMPTY_MAX: Final = 0.5


def lost(health: Health, settings: IncidentSettings, *, by_majority: bool = False) -> NDArray[np.bool_]:
    """Per row: whether the platform is lost there, or visibly on its way.

    `by_majority`: a country has lost it where most of its networks have, or most of what is usual: the sum over its
    networks alone may be what a few of them say.
    """
    if not (health.score.max(initial=0.0) >= min(1.0, settings.lean_score) or health.networks_bad.any()):
        return np.zeros(len(health.n), dtype=np.bool_)  # as nearly always
    if by_majority:
        most = (2 * health.networks_bad > health.networks_live) & (health.networks_live > 0)
        deep = (health.n > 0) & (health.k < MOSTLY_LOST * health.expected * health.n)
        return np.asarray(lost(health, settings) & (most | deep))
    short = (health.expected - health.reachability) >= _SHORTFALL_MIN
    stirs = (health.score >= settings.lean_score) & short & _not_denied(health)
    return np.asarray(stirs | surely_lost(health))


def surely_lost(health: Health) -> NDArray[np.bool_]:
    """Per row: whether the platform is lost there beyond doubt."""
    most = (2 * health.networks_bad > health.networks_live) & (health.networks_live > 0)
    return np.asarray(((health.score >= 1.0) | most) & _not_denied(health))


def _not_denied(health: Health) -> NDArray[np.bool_]:
    """Per row: whether this very window leaves room for a loss. An alarm outlasts what it tells of."""
    return np.asarray((health.n == 0) | (health.k < health.n * (health.expected - _SHORTFALL_MIN)))


class Worldwide:
    """Which losses the watched countries share, in one window.

    Worked out only when somebody asks: a calm world costs nothing.
    """

    def __init__(self, health: Health, falls: Falls, running: Outages, *, by_majority: bool = False) -> None:
        self._by_majority = by_majority
        self._health = health
        self._falls = falls
        self._running = running
        self._watching: dict[tuple[str, bool], list[str]] | None = None

    def explains(self, platform: str, country: str, simulated: bool) -> bool:
        """Whether what a country has lost of a platform is lost worldwide beyond doubt.

        Never where the country's own controls say that its loss is its own, where it had fallen long before, or where
        it lacks clearly more than the others, and for longer.
        """
        mine = self._falls.of(platform, country, simulated)
        if mine is not None and mine.answers_outside:
            return False
        if (part := self._part_in(platform, country, simulated)) is not None:
            outage, share = part
            if share.own:
                return False
            if outage.is_sure(by_majority=self._by_majority):
                return True
        return mine is not None and self._is_sure(self._shared(mine, platform, simulated))

    def may_explain(self, case: Case, now: int) -> bool:
        """Whether an outage that began of late, and is in doubt still, may turn out to explain what a case has lost."""
        if case.kind is not Kind.PLATFORM or not case.platforms:
            return False
        parts = self._parts_of(case)
        return len(parts) == len(case.platforms) and all(
            not share.own and now - outage.since <= DOUBT_SECONDS for outage, share in parts
        )

    def is_own(self, case: Case) -> bool:
        """Whether a country has lost one of these platforms by itself, beside the world."""
        return any(share.own for _, share in self._parts_of(case))

    def _part_in(self, platform: str, country: str, simulated: bool) -> tuple[Outage, Share] | None:
        """The outage of a platform that runs, and a country's part in it; None where it has none."""
        outage = self._running.of(platform, simulated)
        share = outage.countries.get(country) if outage is not None else None
        return None if outage is None or share is None else (outage, share)

    def _parts_of(self, case: Case) -> list[tuple[Outage, Share]]:
        parts = (self._part_in(platform, case.country, case.simulated) for platform in case.platforms)
        return [part for part in parts if part is not None]

    def _is_sure(self, shared: Shared) -> bool:
        down, voters = len(shared.falls), shared.voters
        return is_beyond_doubt(down, voters, shared.good, shared.bad, by_majority=self._by_majority)

    def quiets(self, case: Case) -> bool:
        """Return whether all that a case has lost is down worldwide, or, if results stopped, stopped everywhere.

        When nearly every country falls silent in the same minute, it is our own way to them that broke.
        """
        if case.kind is Kind.CONNECTIVITY:
            silent, voters = self._silence(case.simulated)
            return voters >= COUNTRIES_MIN and silent >= NEARLY_ALL * voters
        if not case.platforms:
            return False
        return all(self.explains(platform, case.country, case.simulated) for platform in case.platforms)

    def stirs(self, case: Case) -> bool:
        """Return whether enough countries fell with this one that the loss may yet turn out to be worldwide."""
        if case.kind is not Kind.PLATFORM:
            return False
        for platform in case.platforms:
            mine = self._falls.of(platform, case.country, case.simulated)
            if mine is None or mine.answers_outside:
                continue
            shared = self._shared(mine, platform, case.simulated)
            if shared.voters >= COUNTRIES_MIN and len(shared.falls) >= max(2, shared.voters / 3):
                return True
        return False

    def _shared(self, mine: Fall, platform: str, simulated: bool) -> Shared:
        countries = self._watched().get((platform, simulated), [])
        return shared_with(mine, self._falls.among(platform, simulated, countries), len(countries))

    def _silence(self, simulated: bool) -> tuple[int, int]:
        """Countries without a single result in this window, and those that usually have one and live networks."""
        health = self._health
        heard: dict[str, int] = {}
        empty: dict[str, float] = {}  # the chance of a window without results
        often = np.ones(len(health.n)) if health.presence is None else health.presence
        for i, country in enumerate(health.country):
            if health.simulated[i] == simulated and health.networks_live[i] > 0:
                heard[country] = heard.get(country, 0) + int(health.n[i])
                empty[country] = empty.get(country, 1.0) * (1.0 - float(often[i]))
        # Where a few results an hour come, a window without any is nothing.
        heard = {country: n for country, n in heard.items() if empty[country] <= _EMPTY_MAX}
        return sum(n == 0 for n in heard.values()), len(heard)

    def _watched(self) -> Mapping[tuple[str, bool], list[str]]:
        """The countries that watch each platform, real and simulated ones apart."""
        if self._watching is None:
            health, self._watching = self._health, {}
            for i, live in enumerate(health.networks_live.tolist()):
                if live > 0:
                    key = (health.platform[i], health.simulated[i])
                    self._watching.setdefault(key, []).append(health.country[i])
        return self._watching
