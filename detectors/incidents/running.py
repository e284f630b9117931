"""Worldwide outages while they run, and which countries are part of one.

Countries fall together in the minutes in which an outage begins (`falls`). After that they say nothing new: an outage
grows over half an hour, and its end is long, and each country's alarm comes and goes by chance. So an outage is
remembered for as long as the middle one of its countries lacks something. A country is part of it while it has lost no
more than the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from statistics import median
from typing import Final

import msgspec

from detectors.incidents.falls import TOGETHER_SECONDS, Fall, Falls, Key, fail_outside, widest
from detectors.incidents.level import Z_PART
from detectors.incidents.loss import bounds
from detectors.readings import Health

#: Fewer countries than this are no world.
COUNTRIES_MIN: Final = 3
#: A country is quieted without controls only when nearly all countries fell with it: in doubt both are told.
NEARLY_ALL: Final = 0.9
#: What is lost of late: the last six or seven windows, for all countries alike, so that none lags behind the others.
_FADE: Final = 0.85
#: An outage goes on while its middle country lacks this share of its usual results.
_LACKS: Final = 0.05
#: So many results of late say how much a country lacks.
_RESULTS_MIN: Final = 3.0
#: A country that lacks so much more than the middle one of the others, and that beyond doubt, has lost it by itself.
_MORE: Final = 0.2
#: An outage that grows reaches one country after the other: it may turn out to be beyond doubt for so long.
DOUBT_SECONDS: Final = 1200
#: So many windows in a row: when an outage ends, its countries are back within some minutes of each other.
_MORE_WINDOWS: Final = 5


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
    outside = fail_outside(controls_good, controls_bad)
    if by_majority and 2 * down <= voters:
        return False
    if voters < COUNTRIES_MIN:
        return outside and 2 * down > voters
    return down >= 2 if outside else 2 * down > voters


def is_beyond_doubt(
    down: int, voters: int, controls_good: float, controls_bad: float, *, by_majority: bool
) -> bool:
    """Whether it is down worldwide, and a country that shares that need not be told."""
    if not is_worldwide(down, voters, controls_good, controls_bad, by_majority=by_majority):
        return False
    return fail_outside(controls_good, controls_bad) or down >= NEARLY_ALL * voters


class Share(msgspec.Struct):
    """One country's part in an outage: results of late, those that succeeded, and those that usually would have."""

    n: float = 0.0
    k: float = 0.0
    due: float = 0.0
    # Windows in a row in which it lacked more than the others.
    more: int = 0
    # It has lost it by itself too.
    own: bool = False

    @property
    def lacks(self) -> float:
        """The share of its usual results that is missing."""
        return 1.0 - self.k / self.due if self.due > 0 else 0.0


class Outage(msgspec.Struct):
    """A platform's outage in most countries. This is also how it is kept."""

    platform: str
    simulated: bool
    since: int
    # End of the last window in which its middle country lacked something.
    lacked: int
    countries: dict[str, Share]
    # Countries that watch the platform and had not lost it long before.
    voters: int = 0
    # Failing results of its countries whose target did (not) answer outside of them.
    good: float = 0.0
    bad: float = 0.0

    def join(self, falls: Mapping[str, Fall], watching: int) -> None:
        """Take in the countries that fell since it began, unless their controls say that the loss is their own."""
        earlier = 0
        for country, fall in falls.items():
            if country in self.countries:
                continue
            if fall.sure and fall.sure < self.since - TOGETHER_SECONDS:
                earlier += 1
            elif not fall.answers_outside:
                self.countries[country] = Share()
        self.voters = max(watching - earlier, len(self.countries))

    def weigh(self, rows: Mapping[str, tuple[int, int, float]], end: int) -> None:
        """Take a window in: of each country its results, those that succeeded, and the share that usually does."""
        for country, share in self.countries.items():
            n, k, expected = rows.get(country, (0, 0, 0.0))
            share.n = share.n * _FADE + n
            share.k = share.k * _FADE + k
            share.due = share.due * _FADE + n * expected
        spoken = {country: share.lacks for country, share in self._spoken()}
        for country, share in self.countries.items():
            others = [lacks for other, lacks in spoken.items() if other != country]
            if country in spoken and others and self._is_more(share, median(others)):
                share.more += 1
            else:
                share.more = 0
            share.own = share.own or share.more >= _MORE_WINDOWS
        if self._lacks():
            self.lacked = end

    def _spoken(self) -> Iterable[tuple[str, Share]]:
        """The countries of which results of late say how much they lack, but for those that lost it by themselves."""
        return (
            (country, share)
            for country, share in self.countries.items()
            if share.n >= _RESULTS_MIN and not share.own
        )

    def _lacks(self) -> bool:
        lacking = [share.lacks for _, share in self._spoken()]
        return bool(lacking) and median(lacking) >= _LACKS

    @staticmethod
    def _is_more(share: Share, others: float) -> bool:
        usual = share.due / share.n if share.n else 0.0
        _, high = bounds(share.k, share.n, Z_PART)
        return share.lacks >= others + _MORE and high < (1.0 - others) * usual

    def is_sure(self, *, by_majority: bool) -> bool:
        """Whether it is worldwide beyond doubt."""
        return is_beyond_doubt(len(self.countries), self.voters, self.good, self.bad, by_majority=by_majority)


class Outages:
    """The outages that run, of one view over countries, window by window."""

    def __init__(self, outages: Iterable[Outage] = ()) -> None:
        self._outages = {(one.platform, one.simulated): one for one in outages}

    def __bool__(self) -> bool:
        return bool(self._outages)

    def step(
        self,
        health: Health,
        falls: Falls,
        controls: Mapping[Key, tuple[int, int]],
        end: int,
        *,
        patience: int,
        by_majority: bool,
    ) -> None:
        """Take one window in. One whose countries have lacked nothing for `patience` seconds is over."""
        rows: dict[tuple[str, bool], dict[str, tuple[int, int, float]]] = {}
        fallen = falls.platforms() | self._outages.keys()
        live = health.networks_live
        for i, platform in enumerate(health.platform):
            key = (platform, health.simulated[i])
            if key in fallen and live[i] > 0:
                row = (int(health.n[i]), int(health.k[i]), float(health.expected[i]))
                rows.setdefault(key, {})[health.country[i]] = row
        for key in sorted(fallen):
            watched = rows.get(key, {})
            of_it = falls.among(*key, watched)
            outage = self._outages.get(key)
            if outage is None:
                shared = widest(of_it, len(watched))
                if not is_worldwide(
                    len(shared.falls), shared.voters, shared.good, shared.bad, by_majority=by_majority
                ):
                    continue
                since = min(fall.since for fall in shared.falls.values())
                outage = Outage(*key, since, end, {}, 0, shared.good, shared.bad)
                self._outages[key] = outage
            outage.join(of_it, len(watched))
            for country in outage.countries:
                good, bad = controls.get((key[0], country, key[1]), (0, 0))
                outage.good, outage.bad = outage.good + good, outage.bad + bad
            outage.weigh(watched, end)
        self._outages = {key: one for key, one in self._outages.items() if end - one.lacked <= patience}

    def of(self, platform: str, simulated: bool) -> Outage | None:
        """Return the outage of a platform that runs, if one does."""
        return self._outages.get((platform, simulated))

    def forget(self, countries: Collection[str]) -> None:
        """Drop what is known of these countries."""
        for outage in self._outages.values():
            for country in outage.countries.keys() & set(countries):
                del outage.countries[country]
        self._outages = {key: one for key, one in self._outages.items() if one.countries}

    def snapshot(self) -> list[Outage]:
        """Return what is kept."""
        return [one for _, one in sorted(self._outages.items())]
