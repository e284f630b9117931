"""What makes a loss worldwide: how many countries share it, and whether it fails from outside too (docs/adr/0003).

Two ask: the assembler, before it tells of a country, and the world, before it tells of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.incidents.case import Case
from detectors.incidents.falls import CONTROLS_MIN, Fall, Falls, Shared, shared_with
from detectors.incidents.snapshots import Kind
from detectors.readings import Health
from detectors.settings import IncidentSettings

#: Fewer countries than this are no world.
COUNTRIES_MIN: Final = 3
#: A country is quieted without controls only when nearly all countries fell with it: in doubt both are told.
_NEARLY_ALL: Final = 0.9
_SHORTFALL_MIN: Final = 0.05
#: With less left than this share of the usual in a window, no two fifths of the networks have made it alone, nor with
#: one more that fails by chance.
MOSTLY_LOST: Final = 0.25
#: Where windows without results are more usual than this, one says nothing.
_EMPTY_MAX: Final = 0.5


def is_worldwide(
    down: int, voters: int, controls_good: float, controls_bad: float, *, by_majority: bool = False
) -> bool:
    """Whether a platform that `down` of `voters` countries have lost together is down worldwide.

    `controls_*` count the failing results whose target did (not) answer outside of the country at that time. A
    control that fails while every other country is well says something about the control. `by_majority`: whatever
    controls say, most countries have to have lost it, so that a few that lie can tell of no world.

    >>> is_worldwide(4, 6, 0, 0), is_worldwide(3, 6, 0, 0)
    (True, False)
    >>> is_worldwide(1, 1, 0, 40), is_worldwide(1, 1, 40, 0), is_worldwide(1, 5, 0, 40), is_worldwide(2, 5, 0, 40)
    (True, False, False, True)
    >>> is_worldwide(2, 5, 0, 40, by_majority=True), is_worldwide(3, 5, 0, 40, by_majority=True)
    (False, True)
    """
    outside = controls_bad >= CONTROLS_MIN and controls_bad > controls_good
    if by_majority and 2 * down <= voters:
        return False
    if voters < COUNTRIES_MIN:
        return outside and 2 * down > voters
    return down >= 2 if outside else 2 * down > voters


def _is_sure(shared: Shared, *, by_majority: bool) -> bool:
    """Whether a loss is worldwide beyond doubt, so that a country that shares it need not be told."""
    down, voters = len(shared.falls), shared.voters
    if not is_worldwide(down, voters, shared.good, shared.bad, by_majority=by_majority):
        return False
    outside = shared.bad >= CONTROLS_MIN and shared.bad > shared.good
    return outside or down >= _NEARLY_ALL * voters


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

    def __init__(self, health: Health, falls: Falls, *, by_majority: bool = False) -> None:
        self._by_majority = by_majority
        self._health = health
        self._falls = falls
        self._watching: dict[tuple[str, bool], list[str]] | None = None

    def explains(self, platform: str, country: str, simulated: bool) -> bool:
        """Whether what a country has lost of a platform is lost worldwide beyond doubt.

        Never where the country's own controls say that its loss is its own, or where it had fallen long before.
        """
        mine = self._falls.of(platform, country, simulated)
        return (
            mine is not None
            and not mine.answers_outside
            and _is_sure(self._shared(mine, platform, simulated), by_majority=self._by_majority)
        )

    def quiets(self, case: Case) -> bool:
        """Return whether all that a case has lost is down worldwide, or, if results stopped, stopped everywhere.

        When nearly every country falls silent in the same minute, it is our own way to them that broke.
        """
        if case.kind is Kind.CONNECTIVITY:
            silent, voters = self._silence(case.simulated)
            return voters >= COUNTRIES_MIN and silent >= _NEARLY_ALL * voters
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
