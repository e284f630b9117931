"""What makes a loss worldwide: how many countries share it, and whether it fails from outside too (docs/adr/0003).

Two ask: the assembler, before it tells of a country, and the world, before it tells of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.incidents.case import Case
from detectors.incidents.snapshots import Kind
from detectors.readings import Health
from detectors.settings import IncidentSettings

#: Fewer countries than this are no world.
COUNTRIES_MIN: Final = 3
#: Failing results that say something about their controls, at least.
_CONTROLS_MIN: Final = 3.0
#: Where the same target answers from outside, nearly all countries must have lost it to call it the world.
_NEARLY_ALL: Final = 0.9
_SHORTFALL_MIN: Final = 0.05
#: Where windows without results are more usual than this, one says nothing.
_EMPTY_MAX: Final = 0.5


def is_worldwide(down: int, voters: int, controls_good: float, controls_bad: float) -> bool:
    """Whether a platform that `down` of `voters` countries have lost is down worldwide.

    `controls_*` count the failing results whose target did (not) answer outside of the country at that time. A
    control that fails while every other country is well says something about the control.

    >>> is_worldwide(4, 6, 0, 0), is_worldwide(4, 6, 40, 0), is_worldwide(6, 6, 40, 0)
    (True, False, True)
    >>> is_worldwide(1, 1, 0, 40), is_worldwide(1, 1, 40, 0), is_worldwide(1, 5, 0, 40)
    (True, False, False)
    """
    outside = controls_bad >= _CONTROLS_MIN and controls_bad > controls_good
    if voters < COUNTRIES_MIN:
        return outside and 2 * down > voters
    if outside:
        return down >= 2
    return (
        down >= _NEARLY_ALL * voters if _answers_outside(controls_good, controls_bad) else 2 * down > voters
    )


def _answers_outside(controls_good: float, controls_bad: float) -> bool:
    return controls_good >= _CONTROLS_MIN and controls_good >= 4 * controls_bad


def lost(health: Health, settings: IncidentSettings) -> NDArray[np.bool_]:
    """Per row: whether the platform is lost there, or visibly on its way."""
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
    """How many of the watched countries have lost which platform, in one window.

    Worked out only when somebody asks: a calm world costs nothing.
    """

    def __init__(self, health: Health, settings: IncidentSettings) -> None:
        self._health = health
        self._settings = settings
        self._lost: NDArray[np.bool_] | None = None
        self._rows: dict[tuple[str, bool], list[int]] | None = None
        self._votes: dict[tuple[str, bool], tuple[int, int]] = {}

    def quiets(self, case: Case) -> bool:
        """Whether all that a case has lost is down worldwide; or, where results stopped, they stopped everywhere.

        When nearly every country falls silent in the same minute, it is our own way to them that broke.
        """
        if case.kind is Kind.CONNECTIVITY:
            silent, voters = self._silence(case.simulated)
            return voters >= COUNTRIES_MIN and silent >= _NEARLY_ALL * voters
        if not case.platforms:
            return False
        return all(
            is_worldwide(*self.votes(platform, case.simulated), *case.controls.get(platform, (0.0, 0.0)))
            for platform in case.platforms
        )

    def stirs(self, case: Case) -> bool:
        """Whether so many other countries lean the same way that it may yet turn out to be worldwide."""
        if case.kind is not Kind.PLATFORM:
            return False
        for platform in case.platforms:
            down, voters = self.votes(platform, case.simulated)
            good, bad = case.controls.get(platform, (0.0, 0.0))
            enough = _NEARLY_ALL if _answers_outside(good, bad) else 1 / 3
            if voters >= COUNTRIES_MIN and down >= max(2, enough * voters):
                return True
        return False

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

    def votes(self, platform: str, simulated: bool) -> tuple[int, int]:
        """Countries that have lost the platform, and those that watch it."""
        key = (platform, simulated)
        if key not in self._votes:
            health = self._health
            if self._lost is None:
                self._lost = lost(health, self._settings)
            mine = self._watched().get(key, [])
            self._votes[key] = (int(self._lost[mine].sum()) if mine else 0, len(mine))
        return self._votes[key]

    def _watched(self) -> Mapping[tuple[str, bool], list[int]]:
        """The rows of the countries that watch each platform, real and simulated ones apart."""
        if self._rows is None:
            health, self._rows = self._health, {}
            for i, live in enumerate(health.networks_live.tolist()):
                if live > 0:
                    self._rows.setdefault((health.platform[i], health.simulated[i]), []).append(i)
        return self._rows
