"""Quieting: what is lost everywhere, or from outside too, is no country's incident (docs/adr/0003)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.case import Case
from detectors.readings import Health
from detectors.settings import IncidentSettings
from detectors.snapshots import Kind

#: Fewer countries than this are no world.
COUNTRIES_MIN: Final = 3
#: Failing results that say something about their controls, at least.
_CONTROLS_MIN: Final = 3.0


class Worldwide:
    """Which platforms are lost, or are visibly on their way, in most of the countries that are watched.

    Worked out only when somebody asks: a calm world costs nothing.
    """

    def __init__(self, health: Health, settings: IncidentSettings) -> None:
        self._health = health
        self._settings = settings
        self._down: NDArray[np.bool_] | None = None

    def quiets(self, case: Case) -> bool:
        """Whether what a case has lost is lost in most countries, or fails outside of its country too."""
        if case.kind is not Kind.PLATFORM or not case.platforms:
            return False
        return all(self._fails_outside(case, p) or self.is_down(p, case.simulated) for p in case.platforms)

    @staticmethod
    def _fails_outside(case: Case, platform: str) -> bool:
        good, bad = case.controls.get(platform, (0.0, 0.0))
        return bad >= _CONTROLS_MIN and bad > good

    def is_down(self, platform: str, simulated: bool) -> bool:
        """Whether most of the watched countries have lost it."""
        health = self._health
        if self._down is None:
            self._down = lost(health, self._settings)
        mine = [
            i
            for i, (name, made_up) in enumerate(zip(health.platform, health.simulated, strict=True))
            if name == platform and made_up == simulated and health.networks_live[i] > 0
        ]
        return len(mine) >= COUNTRIES_MIN and 2 * int(self._down[mine].sum()) > len(mine)


def lost(health: Health, settings: IncidentSettings) -> NDArray[np.bool_]:
    """Per row: whether the platform is lost there, or visibly on its way."""
    short = (health.expected - health.reachability) >= 0.05
    most = 2 * health.networks_bad > health.networks_live
    return np.asarray(((health.score >= settings.lean_score) & short) | most)
