"""Since when each country has lost each platform, and what the controls of its failures said.

What falls in many countries within minutes is one event; countries that fall hours apart are as many events. So whoever
asks whether a loss is worldwide counts those that fell together, and leaves out those that had fallen before: they can
say nothing of what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.asked import signs_of
from detectors.readings import CountryReading, Health

# Platform, country, simulated.
Key = tuple[str, str, bool]

#: Countries that fell within this many seconds fell together: detectors of thin series date a fall so far apart.
TOGETHER_SECONDS: Final = 360
#: The same of those whose targets fail outside of them too: an outage may roll from one to the next.
ROLLING_SECONDS: Final = 1800
#: Failing results that say something about their controls, at least.
CONTROLS_MIN: Final = 3.0
#: A country has not come back before so many windows without a sign of loss: a few results get through most blocks.
_BACK_WINDOWS: Final = 5
_FADE: Final = 0.93


def fail_outside(good: float, bad: float) -> bool:
    """Whether controls say that what fails here fails elsewhere too: `good` and `bad` of them did (not) answer."""
    return bad >= CONTROLS_MIN and bad > good


class Fall(NamedTuple):
    """One country's loss of one platform: its first window's start, the end of the last one that showed it, controls.

    `good` and `bad` are the failing results, fading, whose target did (not) answer outside of the country. `sure` is
    the start of the first window in which it was lost beyond doubt; 0 where it is not yet.
    """

    since: int
    seen: int
    good: float
    bad: float
    sure: int = 0

    @property
    def answers_outside(self) -> bool:
        """Whether its own controls say that the platform is well elsewhere: then the loss is the country's own."""
        return self.good >= CONTROLS_MIN and self.good >= 4 * self.bad

    @property
    def fails_outside(self) -> bool:
        """Whether its own controls say that the platform fails elsewhere too."""
        return fail_outside(self.good, self.bad)


class StoredFall(msgspec.Struct):
    """A fall as it is written."""

    platform: str
    country: str
    simulated: bool
    since: int
    good: float
    bad: float
    seen: int = 0
    sure: int = 0


def controls_by_vote(country: CountryReading) -> dict[str, tuple[int, int]]:
    """Return, by platform, how many failing results had a good control, and how many a bad one, one vote a network.

    A network says one thing, and for no more than `CONTROLS_MIN` results. That controls fail counts for nothing where
    fewer than a majority of the networks that report say so: a few that lie would turn a country's own loss into the
    world's, and it would be told to nobody.
    """
    if not country.network_control:
        # Nobody said anything, or a reading that does not tell networks apart.
        return dict(country.control)
    votes: dict[str, tuple[int, int]] = {}
    says_bad: Counter[str] = Counter()
    for (platform, _), (good, bad) in country.network_control.items():
        good_votes, bad_votes = votes.get(platform, (0, 0))
        word = min(good + bad, int(CONTROLS_MIN))
        if bad > good:
            says_bad[platform] += 1
            votes[platform] = (good_votes, bad_votes + word)
        else:
            votes[platform] = (good_votes + word, bad_votes)
    if not says_bad:
        return votes
    live = Counter(platform for (platform, _), _, _, reports in signs_of(country.networks) if reports)
    for platform, many in says_bad.items():
        if 2 * many <= live[platform]:
            votes[platform] = (votes[platform][0], 0)
    return votes


class Falls:
    """The falls of all countries of one view, window by window."""

    def __init__(self) -> None:
        self._falls: dict[Key, Fall] = {}

    def __bool__(self) -> bool:
        return bool(self._falls)

    def step(
        self,
        health: Health,
        down: NDArray[np.bool_],
        controls: Mapping[Key, tuple[int, int]],
        start: int,
        end: int,
        sure: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take one window in: which rows of `health` have lost their platform (`sure`: beyond doubt), and controls."""
        keep = (end - start) * _BACK_WINDOWS
        falls = {key: fall for key, fall in self._falls.items() if end - fall.seen < keep}
        for i in np.flatnonzero(down).tolist():
            if health.networks_live[i] <= 0:
                continue
            key = (health.platform[i], health.country[i], health.simulated[i])
            good, bad = controls.get(key, (0, 0))
            before = falls.get(key, Fall(start, end, 0.0, 0.0))
            since_sure = before.sure or (start if sure is not None and sure[i] else 0)
            falls[key] = Fall(
                before.since, end, before.good * _FADE + good, before.bad * _FADE + bad, since_sure
            )
        self._falls = falls

    def of(self, platform: str, country: str, simulated: bool) -> Fall | None:
        """Return the fall of a platform in a country, or None if the country has not lost it."""
        return self._falls.get((platform, country, simulated))

    def among(self, platform: str, simulated: bool, countries: Iterable[str]) -> dict[str, Fall]:
        """Return the falls of one platform, by country, of these countries."""
        falls = ((country, self._falls.get((platform, country, simulated))) for country in countries)
        return {country: fall for country, fall in falls if fall is not None}

    def platforms(self) -> set[tuple[str, bool]]:
        """Return what some country has lost: platforms, real and simulated ones apart."""
        return {(platform, simulated) for platform, _, simulated in self._falls}

    def forget(self, countries: Collection[str]) -> None:
        """Drop the falls of these countries, real and simulated."""
        self._falls = {key: fall for key, fall in self._falls.items() if key[1] not in countries}

    def snapshot(self) -> list[StoredFall]:
        """Return what is kept."""
        return [
            StoredFall(*key, since=fall.since, good=fall.good, bad=fall.bad, seen=fall.seen, sure=fall.sure)
            for key, fall in sorted(self._falls.items())
        ]

    def restore(self, stored: Iterable[StoredFall]) -> None:
        """Become what `snapshot` returned."""
        self._falls = {
            (fall.platform, fall.country, fall.simulated): Fall(
                fall.since, fall.seen, fall.good, fall.bad, fall.sure
            )
            for fall in stored
        }


class Shared(NamedTuple):
    """A fall that countries have in common: which ones, and how many could have had a say."""

    falls: Mapping[str, Fall]
    voters: int

    @property
    def good(self) -> float:
        """Failures whose control was fine."""
        return sum(fall.good for fall in self.falls.values())

    @property
    def bad(self) -> float:
        """Failures whose control failed."""
        return sum(fall.bad for fall in self.falls.values())


def shared_with(mine: Fall, falls: Mapping[str, Fall], watching: int) -> Shared:
    """Return the countries that fell when this one did, but for those whose loss is their own.

    `falls` are all countries' that have lost the platform now, this one's among them, of `watching` that watch it.
    """
    within = ROLLING_SECONDS if mine.fails_outside else TOGETHER_SECONDS
    group = {
        country: fall
        for country, fall in falls.items()
        if abs(fall.since - mine.since) <= within and (fall is mine or not fall.answers_outside)
    }
    earlier = sum(fall.since < mine.since - within for fall in falls.values())
    return Shared(group, watching - earlier)


def widest(falls: Mapping[str, Fall], watching: int) -> Shared:
    """Return the largest group that fell together: where their controls fail, within half an hour.

    Of groups of one size the later one counts. Countries whose controls say that the loss is their own are left out.
    """
    best = Shared({}, watching)
    for mine in sorted(falls.values()):
        if mine.answers_outside:
            continue
        group = shared_with(mine, falls, watching)
        if len(group.falls) >= len(best.falls):
            best = group
    return best
