"""Whose silence counts, and whether the observatory's own path to them works.

A silence is a country's own only while others are heard. Where most of what was due from all other countries is
missing too, it is the path to us that is away: such windows are no silence. Countries that another process watches
count too, where it is known what came from them. Where nothing is due from elsewhere, nothing shows that the path
works, and that is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from detectors.columns import compiled
from detectors.columns.layout import Layout
from detectors.columns.regions import (
    DEPLOY_GAPS,
    DEPLOY_LEAST,
    DEPLOY_NEAR_SECONDS,
    DEPLOY_SECONDS,
    DEPLOY_SLACK_SECONDS,
    DEPLOY_WINDOWS,
    GONE_SECONDS,
    REGION_FEWEST,
    quiet_regions,
)
from detectors.columns.rhythm import (
    DUE_WINDOWS,
    HARDLY_ANY,
    RETURN_WINDOWS,
    STEADY_WINDOWS,
    TOGETHER_WINDOWS,
    Looks,
    RhythmColumns,
    most_within,
)
from detectors.columns.table import (
    Bools,
    Field,
    Floats,
    Ints,
    Table,
    any_of,
    geometric,
    grained,
    medians,
    sums,
)
from detectors.columns.thinning import Coming, Thinning
from detectors.readings import Arrived, Opinion, VantageWord, Volume
from detectors.single.binomial import DAY

#: What was due and what came are remembered over about two windows.
PATH_KEEP: Final = 0.6
#: So much must be due from elsewhere to show anything; half of it must come.
PATH_DUE: Final = 1.5
PATH_SHARE: Final = 0.5
#: Word from elsewhere tells a path that is away from a silence when it is of so many silent windows. It is waited for
#: while the last that came is no older than `WORD_WINDOWS`.
WORD_OF: Final = 2
WORD_WINDOWS: Final = 10
#: Less than this is nothing.
AWAITED_LEAST: Final = 1e-3
NOWHERE: Final[Mapping[tuple[str, bool], Arrived]] = MappingProxyType({})
UNHEARD_OF: Final[Mapping[bool, int]] = MappingProxyType({})
#: Steady vantages that fell silent in these windows before: so many elsewhere, or some of the country itself that did
#: so minutes apart, are a deploy that goes from one to the next. A shutdown takes all of a country at once.
FALLING_FROM: Final = 2
FALLING_TO: Final = 8
FALLING_VANTAGES: Final = 2
FALLING_SHARE: Final = 0.05
FALLING_APART: Final = 3
#: The same goes for those that are heard again after a silence, for so many windows.
RETURN_TO: Final = 5
#: A network with so many vantages that have a rhythm is gone when no more than this share of them is left.
VANTAGES_MANY: Final = 4
LEFT_SHARE: Final = 0.2
#: Who left in good order is not awaited for so long, or until it is heard again.
LEAVE_SECONDS: Final = 2 * 3600
#: `snapshots.Doubt` has these.
CROWD: Final = "crowd"
OWN_PATH: Final = "own_path"
ONE_BY_ONE: Final = "one_by_one"
#: So many vantages that have fallen silent can have done so one after another, until the last was so long ago.
ONE_BY_ONE_LEAST: Final = 3
ONE_BY_ONE_SECONDS: Final = 2 * 3600


class PathColumns(Table):
    """What was due of late from each country's vantages, and what came."""

    awaited: Floats
    came: Floats
    fields = {  # noqa: RUF012  a table's columns are declared once
        "awaited": Field(np.float64),
        "came": Field(np.float64),
    }


class Paths:
    """Whether silences count, by country: worked out once a window.

    Attributes
    ----------
    away
        Countries in which this window is no silence: the path to us is away.
    unshown
        Countries of which nothing shows that the path to them works.
    falling
        Countries in or beside which steady vantages have just fallen silent one after another.
    steady
        Networks of whose vantages half or more have a rhythm.
    gone
        Networks of which hardly any of their vantages is left: what these send is no sign that it is there.
    excused
        Networks of whose vantages some left in good order, and nothing is due from any other.
    torn
        Countries of which a region is silent while others are heard.
    thinning
        Where results have thinned out, and where they come more slowly by now.
    """

    def __init__(self) -> None:
        self.rhythm = RhythmColumns()
        self.path = PathColumns()
        self.away: Bools = np.empty(0, dtype=np.bool_)
        self.unshown: Bools = np.empty(0, dtype=np.bool_)
        self.falling: Bools = np.empty(0, dtype=np.bool_)
        self.steady: Bools = np.empty(0, dtype=np.bool_)
        self.gone: Bools = np.empty(0, dtype=np.bool_)
        self.excused: Bools = np.empty(0, dtype=np.bool_)
        self.torn: Bools = np.empty(0, dtype=np.bool_)
        self.thinning = Thinning(self.rhythm)
        self._places_of: Ints = np.empty(0, dtype=np.int64)
        self._made_up: Bools = np.empty(0, dtype=np.bool_)

    def grow(self, layout: Layout) -> None:
        """Have the vantages and countries of a layout."""
        self.rhythm.grow(len(layout.vantages))
        self.path.grow(len(layout.places))
        for name, size in (
            ("away", len(layout.places)),
            ("unshown", len(layout.places)),
            ("falling", len(layout.places)),
            ("steady", len(layout.networks)),
            ("gone", len(layout.networks)),
            ("excused", len(layout.networks)),
            ("torn", len(layout.places)),
        ):
            column = np.zeros(size, dtype=np.bool_)
            column[: len(getattr(self, name))] = getattr(self, name)
            setattr(self, name, column)

    def step(
        self,
        layout: Layout,
        start: int,
        window: int,
        *,
        seen: Ints,
        heard: Ints,
        promised: Floats,
        dark: Bools,
        results: Floats | None = None,
        looks: Looks | None = None,
        elsewhere: Mapping[tuple[str, bool], Arrived] = NOWHERE,
        elsewhere_ago: Mapping[bool, int] = UNHEARD_OF,
        words: Sequence[VantageWord] = (),
        deaf: bool = False,
    ) -> None:
        """Take one window in: `seen` vantages have results in it; `dark` networks teach no gaps.

        `heard` is when each vantage had its last results before this window; `promised` what each of `seen` promises;
        `elsewhere` what was due and came lately in countries that another process watches, and `elsewhere_ago` how many
        windows ago the last one was of which that is known; `words` what vantages say of themselves. Of a `deaf` window
        a part could not be heard: those of whom something came may have had a spool, and the others none. `results`
        came of each vantage, `looks` are those of single monitors; without, each has one.
        """
        rhythm, places = self.rhythm, len(layout.places)
        place_of = self._place_of(layout)
        self._take_words(layout, start, seen, words)
        promised = rhythm.weigh_promises(seen, promised, start)
        due = rhythm.due(start, window)
        if not deaf:
            self._await(place_of, seen, due)
            self._await_less(place_of, due, start, window)
        simulated = self._simulated(layout)
        share, alone = self._look_elsewhere(layout, simulated, elsewhere, deaf=deaf)
        self.thinning.clear()
        if not deaf:
            self.thinning.follow(
                layout,
                start,
                window,
                Coming(results, looks, share),
                place_of=place_of,
                away=self.away,
                seen=seen,
                heard=heard,
                due=due,
                dark=dark,
            )
        # Nor does it change when they fell silent.
        if any_of(rhythm.thin):
            heard = np.where(rhythm.thin, rhythm.full.astype(np.int64), heard)
        self.falling, fell, any_left, any_long = self._falling(
            place_of, simulated, due, heard, seen, start, window
        )
        if fell is not None:
            waited = (start - heard[fell]) // window
            self.falling |= _fell_apart(place_of[fell], waited, places)
        if elsewhere_ago:
            before = self._before_word(place_of, simulated, heard, seen, start, window, elsewhere_ago)
            self.falling |= alone & before
        if any_left or any_of(self.away):  # what nobody could hear, or is to hear, is nobody's gap
            late = (self.away[place_of] | (rhythm.left > start)) & (rhythm.last >= 0)
            late[seen] = False
            rhythm.last[late] += window
            rhythm.lit[late & (rhythm.lit >= 0)] += window
        taught = rhythm.taught(dark, layout.vantage_network, seen, heard, start, window)
        if any_long:
            taught &= ~self._with_its_country(layout, seen, heard, start, window)
        if rhythm.see(seen, heard[seen], promised, taught, start, window):
            silent = start - heard >= np.maximum(FALLING_FROM, RETURN_WINDOWS * rhythm.gap) * window
            silent[seen] = False
            self._excuse_deployed(layout, silent, dark, heard, start, window)
        self.settle(layout, start, window)
        self._tear(layout, start, window, deaf=deaf)

    def _look_elsewhere(
        self,
        layout: Layout,
        simulated: Bools,
        elsewhere: Mapping[tuple[str, bool], Arrived],
        *,
        deaf: bool,
    ) -> tuple[Floats, Bools]:
        """Note to which countries the path is away, and for which nothing shows it.

        Returns how much of what was due from all other countries came (1.0: not known), and for which countries no
        other one that is watched here shows anything.
        """
        if len(simulated) == 1 and not elsewhere:
            alone = self.unshown = np.array([True])
            self.away = np.array([deaf])
            return np.ones(1), alone
        path = self.path
        awaited, came = self._elsewhere(path.awaited, simulated), self._elsewhere(path.came, simulated)
        alone = awaited < PATH_DUE
        if elsewhere:
            more_awaited, more_came = self._others(layout, elsewhere)
            awaited, came = awaited + more_awaited, came + more_came
        if compiled.stages is not None:
            self.unshown, self.away, share = compiled.stages.paths_shown(awaited, came, deaf)
            return share, alone
        self.unshown = awaited < PATH_DUE
        self.away = (~self.unshown & (came < PATH_SHARE * awaited)) | deaf
        share = np.where(self.unshown, 1.0, came / np.maximum(awaited, AWAITED_LEAST))
        return np.minimum(1.0, share), alone

    def _place_of(self, layout: Layout) -> Ints:
        """The country of each vantage."""
        if len(self._places_of) != len(layout.vantages):
            self._places_of = layout.network_place[layout.vantage_network]
        return self._places_of

    def _simulated(self, layout: Layout) -> Bools:
        """Which countries are simulated."""
        if len(self._made_up) != len(layout.places):
            self._made_up = np.array([key[1] for key in layout.places], dtype=np.bool_)
        return self._made_up

    def _await(self, place_of: Ints, seen: Ints, due: Bools) -> None:
        """Note what is due of each country in a window, and what came."""
        rhythm, path, places = self.rhythm, self.path, self.path.size
        if compiled.stages is not None:
            compiled.stages.await_results(self, place_of, seen, due)
            return
        weight = np.where(due, rhythm.weight(), 0.0)
        counted = np.zeros(rhythm.size, dtype=np.bool_)
        counted[seen] = True
        counted &= due
        path.awaited[:] = path.awaited * PATH_KEEP + sums(place_of, grained(weight), places)
        path.came[:] = path.came * PATH_KEEP + np.bincount(place_of[counted], minlength=places)

    def _await_less(self, place_of: Ints, due: Bools, start: int, window: int) -> None:
        """Of who has long thinned out only so much is due as has trickled through of late."""
        rhythm = self.rhythm
        thin = rhythm.thin & due
        if thin.any():
            thin &= start - rhythm.full.astype(np.int64) > DUE_WINDOWS * window
            missing = np.maximum(0.0, 1.0 - rhythm.coming.astype(np.float64))
            less = sums(place_of, grained(np.where(thin, rhythm.weight() * missing, 0.0)), self.path.size)
            self.path.awaited[:] = np.maximum(0.0, self.path.awaited - less)

    def _falling(
        self,
        place_of: Ints,
        simulated: Bools,
        due: Bools,
        heard: Ints,
        seen: Ints,
        start: int,
        window: int,
    ) -> tuple[Bools, Bools | None, bool, bool]:
        """In and beside which countries vantages have just fallen silent or come back, more than chance has it.

        Returns these, the vantages that fell silent (None: none did), whether any has left, and whether one is heard
        again after so long that its country has to be looked at.
        """
        rhythm, places = self.rhythm, len(simulated)
        if compiled.stages is not None:
            answer: tuple[Bools, Bools | None, bool, bool] = compiled.stages.falling(
                rhythm, place_of, simulated, due, heard, seen, start, window
            )
            return answer
        waited = (start - heard) // window
        # Of who is heard every few minutes, each result looks like a return.
        often = rhythm.steady(window) & (rhythm.gap < STEADY_WINDOWS)
        fell = often & (waited >= FALLING_FROM) & (waited <= FALLING_TO)
        fell[seen] = False
        fell &= rhythm.left <= start
        stirs = fell | (often & (start - rhythm.returned.astype(np.int64) <= RETURN_TO * window))
        falls = self._elsewhere(np.bincount(place_of[stirs], minlength=places).astype(np.float64), simulated)
        all_ = self._elsewhere(np.bincount(place_of[due], minlength=places).astype(np.float64), simulated)
        falling = falls >= np.maximum(FALLING_VANTAGES, FALLING_SHARE * all_)
        any_left = any_of(rhythm.left > start)
        any_long = bool(_long_silent(rhythm, seen, heard, start, window).any())
        return falling, fell if any_of(fell) else None, any_left, any_long

    def _before_word(
        self,
        place_of: Ints,
        simulated: Bools,
        heard: Ints,
        seen: Ints,
        start: int,
        window: int,
        ago: Mapping[bool, int],
    ) -> Bools:
        """Which countries fell silent so lately that what is known from elsewhere is of the time before."""
        word = np.array([ago.get(made, WORD_WINDOWS + 1) for made in simulated.tolist()], dtype=np.int64)
        waited = (start - heard) // window
        waited[seen] = 0
        # Who has been silent for longer fell silent another time.
        lately = self.rhythm.known() & (waited <= WORD_OF + WORD_WINDOWS)
        many, low, _ = medians(place_of[lately], waited[lately].astype(np.float32), len(simulated))
        return np.asarray((many > 0) & (low > 0.0) & (word <= WORD_WINDOWS) & (low < word + WORD_OF))

    def _tear(self, layout: Layout, start: int, window: int, *, deaf: bool) -> None:
        """Note the countries of which a region is silent while others are heard, and who is silent there."""
        rhythm, place_of = self.rhythm, self._place_of(layout)
        self.torn = np.zeros(len(layout.places), dtype=np.bool_)
        if deaf or not len(layout.regions):
            return
        silent = (rhythm.coming < HARDLY_ANY) & (layout.vantage_region > 0)
        many = np.bincount(place_of[silent], minlength=len(layout.places))
        for place in np.flatnonzero((many >= REGION_FEWEST) & ~self.away).tolist():
            falling = bool(self.falling[place])
            for region in quiet_regions(rhythm, layout, place, start, window, falling=falling):
                if region.volume.opinion is Opinion.BAD:
                    rhythm.torn[region.silent] = True
                    self.torn[place] = True

    def region_volumes(self, layout: Layout, place: int, start: int, window: int) -> dict[str, Volume]:
        """How many results come from each region of a country, where vantages that have a rhythm are enough to say."""
        if self.away[place]:
            return {}
        falling = bool(self.falling[place])
        return {
            layout.name_of_region(region.name): region.volume
            for region in quiet_regions(self.rhythm, layout, place, start, window, falling=falling)
        }

    def _with_its_country(self, layout: Layout, seen: Ints, heard: Ints, start: int, window: int) -> Bools:
        """Which of those heard now fell silent with half of their country, which says nothing of their rhythm."""
        rhythm = self.rhythm
        gone = np.zeros(len(seen), dtype=np.bool_)
        long_ = _long_silent(rhythm, seen, heard, start, window)
        place_of, known = layout.network_place[layout.vantage_network], rhythm.known()
        lately = (rhythm.back >= 0) & (start - rhythm.back <= DEPLOY_SECONDS)
        silent = known & (start - heard > RETURN_WINDOWS * window)
        falls = np.where(silent, heard, np.where(lately, rhythm.fell, -DEPLOY_SECONDS))
        for row in np.flatnonzero(long_).tolist():
            of_country = known & (place_of == place_of[seen[row]])
            near = of_country & (np.abs(falls - heard[seen[row]]) <= DEPLOY_NEAR_SECONDS)
            many = int(near.sum())
            gone[row] = many >= DEPLOY_LEAST and 2 * many >= int(of_country.sum())
        return gone

    def _excuse_deployed(
        self, layout: Layout, silent: Bools, dark: Bools, heard: Ints, start: int, window: int
    ) -> None:
        """Await nobody who fell silent in the course of a deploy before as long has passed as it took elsewhere.

        A deploy that goes from vantage to vantage, and from country to country, leaves the last countries silent while
        the first are back. Whoever fell silent at once with most of its country is in none.
        """
        rhythm, place_of = self.rhythm, layout.network_place[layout.vantage_network]
        away, known = rhythm.back - rhythm.fell, rhythm.known()
        back = (rhythm.back >= 0) & (start - rhythm.back <= DEPLOY_SECONDS)
        back &= away >= np.maximum(DEPLOY_WINDOWS, DEPLOY_GAPS * rhythm.gap) * window
        silent &= known & (start - heard <= DEPLOY_SECONDS)
        waits = silent & (rhythm.left <= start) & ~dark[layout.vantage_network]
        if not any_of(back) or not any_of(waits):
            return
        falls = np.where(silent, heard, rhythm.fell)
        simulated = np.array([key[1] for key in layout.places])[place_of]
        all_of = np.bincount(place_of[known], minlength=len(layout.places))
        for place in np.unique(place_of[waits]).tolist():
            rows = np.flatnonzero(waits & (place_of == place))
            near = (silent | back) & (place_of != place) & (simulated == simulated[rows[0]])
            all_ = falls[(silent | back) & (place_of == place)]
            near &= falls >= falls[rows].min() - DEPLOY_NEAR_SECONDS
            near &= falls <= falls[rows].max() + DEPLOY_NEAR_SECONDS
            many = np.bincount(place_of[near], minlength=len(all_of))
            returned = near & back & ~silent & ((many >= DEPLOY_LEAST) & (2 * many >= all_of))[place_of]
            if returned.any() and not (_at_once(all_, window) or _at_once(falls[near], window)):
                rhythm.left[rows] = falls[rows] + int(away[returned].max()) + DEPLOY_SLACK_SECONDS

    def _take_words(self, layout: Layout, start: int, seen: Ints, words: Sequence[VantageWord]) -> None:
        """Note who leaves, who is back and who promises a rhythm; a vantage without results so far is not known."""
        rhythm = self.rhythm
        rhythm.left[seen] = 0
        for word in words:
            for vantage in layout.vantages_named(word.country, word.asn, word.vantage):
                # A word of long ago, which somebody kept, excuses nothing now.
                left_at = start if word.at is None else min(start, word.at)
                rhythm.left[vantage] = 0 if word.up else left_at + LEAVE_SECONDS
                if word.up and word.every_seconds > 0.0:
                    rhythm.take_word(vantage, word.every_seconds)

    def settle(self, layout: Layout, start: int, window: int) -> None:
        """Work out whose silence counts after the window that begins at `start`."""
        self._settle(layout, start, window)
        if any_of(self.rhythm.thin):
            self.gone[layout.vantage_network[self.rhythm.thin]] = True

    def _settle(self, layout: Layout, start: int, window: int) -> None:
        rhythm = self.rhythm
        network, networks = layout.vantage_network, len(layout.networks)
        if compiled.stages is not None:
            self.steady, self.gone, self.excused = compiled.stages.settle_paths(
                self, network, networks, start, window
            )
            return
        steady = rhythm.steady(window)
        recent = (rhythm.last >= 0) & (start - rhythm.last < GONE_SECONDS)
        here = rhythm.left <= start
        counts = steady & recent & here
        all_of = np.bincount(network[counts], minlength=networks)
        self.steady = (all_of > 0) & (2 * all_of >= np.bincount(network[recent], minlength=networks))
        due = rhythm.due(start, window)
        self.excused = np.zeros(networks, dtype=np.bool_)
        if not here.all():
            self.excused[network[~here]] = True
            self.excused[network[due]] = False
        left = np.bincount(network[counts & due], minlength=networks)
        self.gone = (all_of >= VANTAGES_MANY) & (left <= LEFT_SHARE * all_of)

    def rest(self, layout: Layout, start: int, windows: int, window: int) -> None:
        """Let so many windows pass in which nothing comes, the first of which begins at `start`."""
        rhythm, path, places = self.rhythm, self.path, len(layout.places)
        due = np.minimum(windows, rhythm.due_for(start, window))
        weight = rhythm.weight() * PATH_KEEP ** (windows - due) * geometric(PATH_KEEP, due)
        place_of = layout.network_place[layout.vantage_network]
        fades = PATH_KEEP**windows
        fading = rhythm.fading(windows)
        rhythm.coming[:], rhythm.filled[:] = rhythm.coming * fading, rhythm.filled * fading
        rhythm.kept[:] = rhythm.kept * rhythm.keeping(windows)
        path.awaited[:] = path.awaited * fades + sums(place_of, grained(weight), places)
        path.came[:] = path.came * fades

    def awaits(self, start: int, window: int) -> bool:
        """Whether a result is due from a vantage that is heard every few minutes."""
        rhythm = self.rhythm
        return any_of(rhythm.due(start, window) & (rhythm.gap <= DUE_WINDOWS))

    def has_minutes(self, start: int, window: int) -> bool:
        """Whether a vantage that has a rhythm of a window or two was heard within a day."""
        rhythm = self.rhythm
        minutes = (rhythm.gap <= STEADY_WINDOWS) & (rhythm.last >= 0) & (start - rhythm.last < DAY)
        return any_of(minutes) and any_of(rhythm.steady(window) & minutes)

    def one_by_one(self, layout: Layout, place: int, start: int, window: int) -> bool:
        """Whether a country's vantages fell silent one after another of late, each network's too, as in a deploy.

        A shutdown takes most of them at once; or one network after another, but each network's at once. Who has been
        silent for two hours is in no deploy any more.
        """
        rhythm, network = self.rhythm, layout.vantage_network
        silent = rhythm.steady(window) & (layout.network_place[network] == place) & (rhythm.left <= start)
        silent &= (rhythm.last >= 0) & (start - rhythm.last >= FALLING_FROM * window)
        rows = np.flatnonzero(silent & (start - rhythm.last < GONE_SECONDS))
        last = np.where(rhythm.lit[rows] >= 0, rhythm.lit[rows], rhythm.last[rows])
        if len(rows) < ONE_BY_ONE_LEAST or start - int(last.max()) > ONE_BY_ONE_SECONDS:
            return False
        wide = (TOGETHER_WINDOWS + float(np.median(rhythm.gap[rows])) - 1.0) * window
        if 2 * most_within(last, wide) >= len(rows):
            return False
        of_network = [last[network[rows] == one] for one in np.unique(network[rows]).tolist()]
        several = [falls for falls in of_network if len(falls) > 1]
        at_once = sum(int(falls.max() - falls.min()) <= wide for falls in several)
        steps = np.diff(np.sort([int(falls.min()) for falls in of_network]))
        # What goes on from a network to the next as from a vantage to the next goes by a list, as deploys do.
        return not several or 2 * at_once < len(several) or bool(np.median(steps) <= wide)

    def doubts(
        self, layout: Layout, known: Bools, asked: Collection[int], start: int, window: int
    ) -> list[str | None]:
        """Why a silence of each country is not confirmed, a `snapshots.Doubt`; `known` networks have been heard.

        Whether vantages fell silent one by one is looked at where `asked`, after the window that begins at `start`.
        """
        place, places = layout.network_place, len(layout.places)
        regular = np.bincount(place[known & self.steady], minlength=places)
        crowd = 2 * regular < np.bincount(place[known], minlength=places)
        return [
            CROWD
            if many
            else OWN_PATH
            if unshown
            else ONE_BY_ONE
            if number in asked and self.one_by_one(layout, number, start, window)
            else None
            for number, (many, unshown) in enumerate(zip(crowd.tolist(), self.unshown.tolist(), strict=True))
        ]

    def arrivals(self, layout: Layout) -> dict[tuple[str, bool], Arrived]:
        """What was due of late from each country, and what came; those of which nothing is due are left out."""
        path = self.path
        return {
            place: Arrived(awaited, came)
            for place, awaited, came in zip(
                layout.places, path.awaited.tolist(), path.came.tolist(), strict=True
            )
            if awaited >= AWAITED_LEAST
        }

    def _others(self, layout: Layout, elsewhere: Mapping[tuple[str, bool], Arrived]) -> tuple[Floats, Floats]:
        """What was due and what came in countries that are not watched here, as each country here has to count it."""
        here = {
            place
            for place, due in zip(layout.places, self.path.awaited.tolist(), strict=True)
            if due >= AWAITED_LEAST
        }
        awaited, came = np.zeros(len(layout.places)), np.zeros(len(layout.places))
        others = {place: one for place, one in sorted(elsewhere.items()) if place not in here}
        total = {
            simulated: (
                sum(one.awaited for place, one in others.items() if place[1] == simulated),
                sum(one.came for place, one in others.items() if place[1] == simulated),
            )
            for simulated in (False, True)
        }
        for number, place in enumerate(layout.places):
            own = others.get(place, Arrived(0.0, 0.0))
            due, arrived = total[place[1]]
            awaited[number], came[number] = due - own.awaited, arrived - own.came
        return awaited, came

    @staticmethod
    def _elsewhere(values: Floats, simulated: Bools) -> Floats:
        """The sum over all other countries; real and simulated ones apart."""
        if len(values) == 1:
            return np.zeros(1)
        many = np.count_nonzero(simulated)
        if not 0 < many < len(values):  # all of one kind, as most are
            return np.asarray(values.sum() - values)
        real, made = values[~simulated].sum(), values[simulated].sum()
        return np.asarray(np.where(simulated, made, real) - values)


def _long_silent(rhythm: RhythmColumns, seen: Ints, heard: Ints, start: int, window: int) -> Bools:
    """Which of those heard now were silent for longer than chance has it."""
    # Each night many are silent for some windows together: that is their rhythm.
    least = np.maximum(RETURN_WINDOWS, DEPLOY_GAPS * rhythm.gap[seen])
    return np.asarray((rhythm.last[seen] >= 0) & (start - heard[seen] > least * window))


def _fell_apart(place: Ints, waited: Ints, places: int) -> Bools:
    """Which countries' vantages fell silent minutes apart: no two neighbouring windows have more than half of them.

    `place` and `waited` are by vantage: its country, and the windows since it was heard, up to `FALLING_TO`.

    >>> _fell_apart(np.array([0, 0, 0, 1, 1, 1]), np.array([2, 4, 6, 6, 6, 3]), 2).tolist()
    [True, False]
    """
    many = np.zeros((places, FALLING_TO + 2), dtype=np.int64)
    np.add.at(many, (place, waited), 1)
    times = np.arange(FALLING_TO + 2)
    latest = np.where(many > 0, times, FALLING_TO + 1).min(axis=1)
    earliest = np.where(many > 0, times, -1).max(axis=1)
    together = (many[:, :-1] + many[:, 1:]).max(axis=1)
    return np.asarray((earliest - latest >= FALLING_APART) & (2 * together <= many.sum(axis=1)))


def _at_once(falls: Ints, window: int) -> bool:
    """Whether half of some vantages, or more, fell silent together.

    >>> _at_once(np.array([0, 60, 120, 180, 240, 300]), 60), _at_once(np.array([0, 60, 60, 60, 240, 300]), 60)
    (False, True)
    """
    return 2 * most_within(falls, TOGETHER_WINDOWS * window) > len(falls)
