"""Who promised to be heard, and whether the observatory's own path to them works.

Silence is evidence only of those who have a rhythm: one that they promise with their results, or one that they have
shown in a day of steady arrivals. Arrivals at any moment promise nothing, and neither does a crowd.

And a silence is a country's own only while others are heard. Where most of what was due from all other countries is
missing too, it is the path to us that is away: such windows are no silence. Countries that another process watches
count too, where it is known what came from them. Where nothing is due from elsewhere, nothing shows that the path
works, and that is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import compiled
from detectors.columns.layout import Layout
from detectors.columns.table import (
    Bools,
    Field,
    Floats,
    Halves,
    Ints,
    Numbers,
    Singles,
    Table,
    any_of,
    geometric,
    grained,
    medians,
    sums,
)
from detectors.readings import Arrived, Opinion, VantageWord, Volume
from detectors.single.binomial import DAY
from detectors.single.silence import HELD_WINDOWS

#: The mean gap is that of about so many results.
GAP_GAIN: Final = 1.0 / 20.0
#: A rhythm is steady whose longest gap of late is no longer than this many mean ones, and so many windows.
STEADY_GAPS: Final = 2.0
STEADY_WINDOWS: Final = 2.0
#: Who has not been heard for a day must be as regular as this to be missed, and for so long.
FIRST_GAPS: Final = 1.5
FIRST_WINDOWS: Final = 1.0
FIRST_SECONDS: Final = 1800
#: Who has been heard for so many windows can say later how it was.
KNOWN_WINDOWS: Final = 30.0
#: Half-life of the longest gap.
LONGEST_HALF_SECONDS: Final = 2.0 * DAY
#: A promise holds as long as the mean gap is no longer than this many promised ones.
PROMISE_KEPT: Final = 2.0
#: Gaps after which a mean one is known.
GAPS_KNOWN: Final = 5.0
GAPS_MANY: Final = 2000.0
#: So many mean gaps without a result, or so many windows, and nothing is due from there any more.
DUE_GAPS: Final = 6.0
DUE_WINDOWS: Final = 10.0
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
#: The same goes for those that are heard again after so many windows, for so many windows.
RETURN_WINDOWS: Final = 3
RETURN_TO: Final = 5


#: Of a deploy that goes through several countries, those that are back say how long it takes. Of their country so many,
#: and half, fell silent; they are back of late, and were away for longer than chance has it (windows, mean gaps).
DEPLOY_LEAST: Final = 3
DEPLOY_SECONDS: Final = 2 * 3600
DEPLOY_WINDOWS: Final = 5
DEPLOY_GAPS: Final = 6.0
#: So near to those of another country the others fell silent, and so much longer than they were away others may be.
DEPLOY_NEAR_SECONDS: Final = 1800
DEPLOY_SLACK_SECONDS: Final = 600

#: A network with so many vantages that have a rhythm is gone when no more than this share of them is left.
VANTAGES_MANY: Final = 4
LEFT_SHARE: Final = 0.2
#: How much comes of a vantage is remembered over so many mean gaps: most, or hardly any, which is four gaps after the
#: last of many, and is left by two in a row. Each result is worth what a mean gap without one takes away.
COMING_GAPS: Final = 3.0
RESULT_WORTH: Final = 1.0 - math.exp(-1.0 / COMING_GAPS)
MOST_COME: Final = 0.5
HARDLY_ANY: Final = 0.3
#: A result says that most of a vantage's come when so much of them came of late.
FULL_SHARE: Final = 0.8
#: Where so little of a country's usual results is left, and of that of most of its networks, they have thinned out. It
#: takes so many windows, vantages and networks to say so, and most must have had their last full window together, of
#: late. Vantages that are asked less send less in each window, and miss none: these count where windows are missing.
THIN_SHARE: Final = 0.42
THIN_NETWORK: Final = 0.5
THIN_SHOWN: Final = 0.8
THIN_WINDOWS: Final = 4.0
THIN_VANTAGES: Final = 4
THIN_NETWORKS: Final = 2
#: Against what comes from elsewhere it must be half at most.
THIN_AGAINST: Final = 0.5
#: What is lost is lost at random; who is asked less often still reports at even intervals. The square of how far
#: intervals are from their mean, as a share of it, is near one where results are lost at random, and near nothing where
#: all are alike. So many intervals must have been seen to say either.
UNEVEN: Final = 0.35
UNEVEN_LEAST: Final = 3
EVEN: Final = 0.06
EVEN_LEAST: Final = 8
#: Where each vantage has a pace of its own, or was away for a while, more are needed.
EVEN_ALONE: Final = 0.12
EVEN_ALONE_LEAST: Final = 20
EVEN_ALONE_EACH: Final = 8
#: Intervals are remembered over so many windows with results; one counts as so many mean ones at most.
PACE_KEEP: Final = 0.95
PACE_MOST: Final = 3.0
#: A pace is a new one when it is so much slower than the old, and that little of the usual comes.
PACE_SLOWER: Final = 2.0
#: It is over for all networks with so much of the usual when that much of the country's comes, or with so much.
THICK_SHARE: Final = 0.6
THICK_ALONE: Final = 0.8
THICK_FEW: Final = 0.9  # of one or two vantages
#: Such a share of its vantages must be heard: who was away before has no vote, and one of ten does not speak for all.
THICK_VANTAGES: Final = 1.0 / 3.0
#: A monitor that was not heard for so long before its vantage's last full window has been let go.
MONITOR_SECONDS: Final = 3600
#: Who was not heard in full for so many windows, and mean gaps, has no vote.
VOTES_WINDOWS: Final = 10.0
VOTES_GAPS: Final = 8.0
#: A region is silent that has so many vantages, on so many networks, of which this share is silent, and more than half
#: of these fell silent together.
REGION_VANTAGES: Final = 3
REGION_NETWORKS: Final = 2
REGION_SHARE: Final = 0.8
#: Elsewhere in the country so many vantages, and half of a region's, are heard.
HEARD_ELSEWHERE: Final = 2
#: A vantage that has been silent for longer is not counted among those that were.
GONE_SECONDS: Final = 7 * DAY
#: Who left in good order is not awaited for so long, or until it is heard again.
LEAVE_SECONDS: Final = 2 * 3600
_NOBODY: Final = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
_NONE_SLOWED: Final = (_NOBODY[0], np.empty(0))
#: `snapshots.Doubt` has these.
CROWD: Final = "crowd"
OWN_PATH: Final = "own_path"
ONE_BY_ONE: Final = "one_by_one"
#: So many vantages that have fallen silent can have done so one after another, until the last was so long ago.
ONE_BY_ONE_LEAST: Final = 3
ONE_BY_ONE_SECONDS: Final = 2 * 3600
#: Those that fell silent within so many windows, and those by which their rhythm may hide it, fell together.
TOGETHER_WINDOWS: Final = 2.0


#: What `RhythmColumns` keeps of intervals.
_PACES: Final = ("after", "again", "apart", "square", "turns", "span")


class Looks(NamedTuple):
    """The monitors of which results came in a window: whose each is, and its last window with some before.

    `known` gives the same of all monitors.
    """

    vantage: Numbers
    last: NDArray[np.uint32]
    known: Callable[[], tuple[Numbers, NDArray[np.uint32]]]


class Coming(NamedTuple):
    """How many results came of each vantage in a window, by which monitors, and how much came from other countries."""

    results: Floats | None
    looks: Looks | None
    path_share: Floats


class RhythmColumns(Table):
    """Every vantage's rhythm."""

    # Start of the last window with results, moved along by windows in which the path was away.
    last: Ints
    # The same of windows in which its network was not dark: what trickles through a shutdown moves it no further.
    lit: Ints
    # Start of the window in which it was heard again after a few, 0: never.
    returned: NDArray[np.uint32]
    # Start of the last window with results before a silence, and of the first after it, dark or not; -1: none yet.
    fell: Ints
    back: Ints
    gaps: Halves
    gap: Singles
    longest: Singles
    promised: Singles
    # Until when nothing is awaited, because it said that it leaves.
    left: Ints
    # Share of its windows with results that came of late, and the last with one while most did.
    coming: Halves
    well: NDArray[np.uint32]  # 0: none yet
    # Silent with its region: what comes next ends no gap of its own.
    torn: Bools
    # Results in a window with some; the share of them that came of late; and the last window with one while nearly all
    # did, 0: none yet.
    many: Singles
    filled: Halves
    full: NDArray[np.uint32]
    # Its network has thinned out with its country: what trickles through is no sign that it is there.
    thin: Bools
    # Since then: results of its monitors, and of late the intervals between two of one of them (how many, their sum and
    # that of their squares, in windows), and between two windows with results.
    after: Singles
    again: Halves
    apart: Singles
    square: Singles
    turns: Halves
    span: Halves
    fields = {  # noqa: RUF012  a table's columns are declared once
        "last": Field(np.int64, -1),
        "lit": Field(np.int64, -1),
        "returned": Field(np.uint32),
        "fell": Field(np.int64, -1),
        "back": Field(np.int64, -1),
        "gaps": Field(np.float16),
        "gap": Field(np.float32, 1.0),
        "longest": Field(np.float32, 1.0),
        "promised": Field(np.float32),
        "left": Field(np.int64),
        "coming": Field(np.float16, 1.0),
        "well": Field(np.uint32),
        "torn": Field(np.bool_),
        "many": Field(np.float32),
        "filled": Field(np.float16, 1.0),
        "full": Field(np.uint32),
        "thin": Field(np.bool_),
        "after": Field(np.float32),
        "again": Field(np.float16),
        "apart": Field(np.float32),
        "square": Field(np.float32),
        "turns": Field(np.float16),
        "span": Field(np.float16),
    }

    def see(self, rows: Ints, heard: Ints, promised: Floats, taught: Bools, start: int, window: int) -> bool:
        """Take in which vantages have results in a window, what they promise (0: nothing), and which gaps teach.

        Returns whether any of them is heard again after a few windows.
        """
        if compiled.stages is not None:
            return bool(compiled.stages.see(self, rows, heard, promised, taught, start, window))
        last = self.last[rows]
        mean, longest = self.gap[rows], self.longest[rows]
        # Windows in which the path was away make no gap shorter than it was: else what is due would grow until the path
        # seemed to be away for ever. A gap that is long for this rhythm may be theirs, and only what is left without
        # them says something of it: nothing, unless that is long too. Who is heard at any moment would else seem to
        # have a rhythm, for of its long gaps hardly one is without such a window.
        moved = last > heard
        whole = np.maximum(1.0, (start - heard) / window)
        apart = np.maximum(1.0, (start - last) / window)
        usual = np.maximum(
            STEADY_GAPS * mean + STEADY_WINDOWS,
            PROMISE_KEPT * np.maximum(promised, self.promised[rows]) / window,
        )
        gap = np.where(moved & (whole <= usual), whole, apart)
        known = (last >= 0) & taught & ~(moved & (whole > usual) & (apart <= usual))
        keep = 0.5 ** (gap * window / LONGEST_HALF_SECONDS)
        gain = np.maximum(GAP_GAIN, 1.0 / (1.0 + self.gaps[rows].astype(np.float64)))
        self.gap[rows] = np.where(known, mean + gain * (gap - mean), mean)
        self.gaps[rows] = np.minimum(GAPS_MANY, self.gaps[rows] + known)
        self.longest[rows] = np.where(known, np.maximum(gap, longest * keep), longest)
        again = known & (start - heard > RETURN_WINDOWS * window)
        self.returned[rows] = np.where(again, start, self.returned[rows])
        silent = (last >= 0) & (start - heard > RETURN_WINDOWS * window)
        self.fell[rows] = np.where(silent, heard, self.fell[rows])
        self.back[rows] = np.where(silent, start, self.back[rows])
        self.last[rows] = start
        self.lit[rows] = np.where(taught, start, self.lit[rows])
        self.promised[rows] = np.where(promised > 0, promised, self.promised[rows])
        return any_of(silent)

    def follow(self, rows: Bools, seen: Ints, results: Floats, start: int) -> Floats:
        """Note how much comes of these of late: a few `results` of those `seen` that trickle through end no silence.

        Returns which share of a window's usual results came of each.
        """
        fading = np.where(rows, self.fading(), 1.0)
        coming, filled = self.coming * fading, self.filled * fading
        coming[seen] += RESULT_WORTH
        many, usual = self.many[seen].astype(np.float64), results[seen]
        came = np.zeros(self.size)
        came[seen] = np.minimum(1.0, usual / np.where(many > 0.0, many, usual))
        filled += RESULT_WORTH * came
        gain = np.where(self.thin[seen], 0.0, np.maximum(GAP_GAIN, 1.0 / (1.0 + self.gaps[seen])))
        self.many[seen] = np.where(many > 0.0, many + gain * (usual - many), usual)
        self.coming[:], self.filled[:] = coming, filled
        most = seen[coming[seen] >= MOST_COME]
        self.well[most] = start
        self.torn[most] = False
        self.full[seen[(filled[seen] >= FULL_SHARE) & ~self.thin[seen]]] = start
        return came

    def note_pace(self, looks: Looks, seen: Ints, heard: Ints, start: int, window: int) -> None:
        """Note the intervals at which those `seen` are heard that are not heard in full."""
        full = self.full.astype(np.int64)
        whole = seen[(full[seen] == start) & (self.after[seen] > 0.0)]
        for name in _PACES:
            getattr(self, name)[whole] = 0.0
        rows = seen[(full[seen] > 0) & (full[seen] < start)]
        if not len(rows):
            return
        for name in _PACES[1:]:
            column = getattr(self, name)
            column[rows] = column[rows] * PACE_KEEP
        few = np.zeros(self.size, dtype=np.bool_)
        few[rows] = True
        vantage, last = looks.vantage, looks.last.astype(np.int64)
        vantage, last = vantage[few[vantage]], last[few[vantage]]
        self.after[:] += sums(vantage, np.ones(len(vantage)), self.size)
        twice = (last > full[vantage]) & (last < start)
        vantage, waits = vantage[twice], (start - last[twice]) / window
        known = self.again[vantage] >= 1.0
        mean = self.apart[vantage] / np.maximum(1.0, self.again[vantage].astype(np.float64))
        waits = np.where(known, np.minimum(waits, PACE_MOST * mean), waits)
        self.again[:] += sums(vantage, np.ones(len(vantage)), self.size).astype(np.float16)
        self.apart[:] += sums(vantage, waits, self.size)
        self.square[:] += sums(vantage, waits * waits, self.size)
        rows = rows[heard[rows] > full[rows]]
        waited = (start - heard[rows]) / window
        usual = self.span[rows] / np.maximum(1.0, self.turns[rows].astype(np.float64))
        self.span[rows] += np.where(self.turns[rows] >= 1.0, np.minimum(waited, PACE_MOST * usual), waited)
        self.turns[rows] += np.float16(1.0)

    def uneven(self, rows: Ints, monitors: int, windows: float) -> float | None:
        """How uneven the intervals of these are, of whose `monitors` results come since so many windows; None: too few.

        Long intervals cannot have been seen yet: where the number of results gives a longer mean one, that counts.
        """
        many = float(grained(self.again[rows].astype(np.float64)).sum())
        if many < UNEVEN_LEAST:
            return None
        total, square = (
            float(grained(each[rows].astype(np.float64)).sum()) for each in (self.apart, self.square)
        )
        mean = max(total / many, windows * monitors / max(1.0, float(self.after[rows].sum())))
        return (square - 2.0 * mean * total + many * mean * mean) / (many * mean * mean)

    def even(self, rows: Ints, monitors: int, windows: float) -> bool:
        """Whether these report at even intervals by now: all at one, or each at its own."""
        many = self.again[rows].astype(np.float64)
        total = float(many.sum())
        if total < EVEN_LEAST:
            return False
        uneven = self.uneven(rows, monitors, windows)
        if uneven is not None and uneven <= EVEN:
            return True
        if total < EVEN_ALONE_LEAST or 2 * np.count_nonzero(many >= EVEN_ALONE_EACH) <= len(rows):
            return False
        rows, many = rows[many > 0.0], many[many > 0.0]
        own = self.apart[rows].astype(np.float64) ** 2 / many
        return bool(self.square[rows].astype(np.float64).sum() <= (1.0 + EVEN_ALONE) * own.sum())

    def adopt(self, rows: Ints, start: int) -> Floats:
        """Have the pace at which these report now be their rhythm. Returns the interval of each one's monitors."""
        interval = self.apart[rows].astype(np.float64) / self.again[rows].astype(np.float64)
        gap = self.span[rows].astype(np.float64) / np.maximum(1.0, self.turns[rows].astype(np.float64))
        self.gap[rows] = np.maximum(self.gap[rows], gap)
        self.longest[rows] = self.gap[rows] + 1.0
        self.coming[rows] = self.filled[rows] = 1.0
        self.full[rows] = self.well[rows] = start
        self.thin[rows] = self.torn[rows] = False
        for name in _PACES:
            getattr(self, name)[rows] = 0.0
        return interval

    def fading(self, windows: int = 1) -> Floats:
        """What is left of `coming` after so many windows without a result, as a share."""
        return np.asarray(np.exp(-windows / (COMING_GAPS * self.gap.astype(np.float64))))

    def steady(self, window: int) -> Bools:
        """Which vantages have a rhythm, promised or shown."""
        if compiled.stages is not None:
            return np.asarray(compiled.stages.steady(self, window))
        known = self.gaps.astype(np.float64) * self.gap * window
        usual = np.where(
            known >= DAY, STEADY_GAPS * self.gap + STEADY_WINDOWS, FIRST_GAPS * self.gap + FIRST_WINDOWS
        )
        shown = (known >= np.maximum(FIRST_SECONDS, window * self.gap / GAP_GAIN)) & (self.longest <= usual)
        kept = (self.promised > 0) & (self.gap * window <= PROMISE_KEPT * np.maximum(self.promised, window))
        return np.asarray(shown | kept)

    def known(self) -> Bools:
        """Which vantages were heard for so many windows or longer, silences apart."""
        return np.asarray(self.gaps.astype(np.float64) * self.gap >= KNOWN_WINDOWS)

    def weight(self) -> Floats:
        """How many results a window are due of each vantage, at most one."""
        return np.asarray(1.0 / np.maximum(1.0, self.gap.astype(np.float64)))

    def due(self, start: int, window: int) -> Bools:
        """From which vantages a result is still awaited."""
        if compiled.stages is not None:
            return np.asarray(compiled.stages.due(self, start, window))
        return self.due_for(start, window) > 0

    def due_for(self, start: int, window: int) -> Ints:
        """For how many windows from `start` on a result is still awaited from each vantage, if none comes."""
        waited = (start - self.last) / window
        left = np.floor(np.maximum(DUE_WINDOWS, DUE_GAPS * self.gap.astype(np.float64)) - waited) + 1.0
        awaited = (self.gaps >= GAPS_KNOWN) & (self.left <= start)
        return np.where(awaited, np.maximum(0.0, left), 0.0).astype(np.int64)


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
    thinned
        Networks whose results have thinned out with their country's in this window, and the last full one of each.
    thickened
        Those of which enough comes again since this window.
    slowed
        Networks that report more slowly by now, and every how many windows a result comes at least.
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
        self.thinned: tuple[Ints, Ints] = _NOBODY
        self.thickened: Ints = _NOBODY[0]
        self.slowed: tuple[Ints, Floats] = _NONE_SLOWED
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
        windows ago the last one was of which that is known; `words` what vantages say of themselves. A network's
        darkness is no rhythm of its own. Of a `deaf` window a part could not be heard: those of whom something came may
        have had a spool, and the others none. `results`: how many came of each vantage; without, one of each. `looks`
        are those of single monitors; without, each vantage has one.
        """
        rhythm, path, places = self.rhythm, self.path, len(layout.places)
        place_of = self._place_of(layout)
        self._take_words(layout, start, seen, words)
        due = rhythm.due(start, window)
        if not deaf:
            self._await(place_of, seen, due)
            self._await_less(place_of, due, start, window)
        simulated = self._simulated(layout)
        if places == 1 and not elsewhere:  # there is no other country that could show that the path works
            alone = self.unshown = np.array([True])
            awaited, came = np.zeros(1), np.zeros(1)
            self.away = np.array([deaf])
        else:
            awaited, came = self._elsewhere(path.awaited, simulated), self._elsewhere(path.came, simulated)
            alone = awaited < PATH_DUE
            if elsewhere:
                more_awaited, more_came = self._others(layout, elsewhere)
                awaited, came = awaited + more_awaited, came + more_came
            self.unshown = awaited < PATH_DUE
            self.away = (~self.unshown & (came < PATH_SHARE * awaited)) | deaf
        self.thinned, self.thickened, self.slowed = _NOBODY, _NOBODY[0], _NONE_SLOWED
        if not deaf:
            path_share = np.where(self.unshown, 1.0, came / np.maximum(awaited, AWAITED_LEAST))
            arrived = Coming(results, looks, np.minimum(1.0, path_share))
            self._follow(layout, start, window, arrived, seen=seen, heard=heard, due=due, dark=dark)
        # Nor does it change when they fell silent.
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
        taught = ~(dark[layout.vantage_network[seen]] | rhythm.torn[seen] | rhythm.thin[seen])
        if any_long:
            taught &= ~self._with_its_country(layout, seen, heard, start, window)
        if rhythm.see(seen, heard[seen], promised, taught, start, window):
            silent = start - heard >= np.maximum(FALLING_FROM, RETURN_WINDOWS * rhythm.gap) * window
            silent[seen] = False
            self._excuse_deployed(layout, silent, dark, heard, start, window)
        self.settle(layout, start, window)
        self._tear(layout, start, window, deaf=deaf)

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

    def _follow(
        self,
        layout: Layout,
        start: int,
        window: int,
        coming: Coming,
        *,
        seen: Ints,
        heard: Ints,
        due: Bools,
        dark: Bools,
    ) -> None:
        """Note how much comes of each vantage, and at what pace; and where hardly anything does any more."""
        rhythm = self.rhythm
        results, looks = coming.results, coming.looks
        if results is None:
            results = np.ones(len(layout.vantages))
        if looks is None:
            times = np.maximum(heard, 0).astype(np.uint32)
            looks = Looks(seen, times[seen], lambda: (np.arange(len(times)), times))
        came = rhythm.follow(~self.away[self._place_of(layout)], seen, results, start)
        rhythm.note_pace(looks, seen, heard, start, window)
        self._learn_pace(layout, looks, start, window)
        if not (rhythm.thin.any() or np.count_nonzero(rhythm.filled < THIN_NETWORK) >= THIN_VANTAGES):
            return
        here = due.copy()
        here[seen] = True
        gap, full = rhythm.gap.astype(np.float64), rhythm.full.astype(np.int64)
        votes = rhythm.steady(window) & rhythm.known() & (gap <= DUE_WINDOWS)
        votes &= (rhythm.left <= start) & (full > 0)
        lately = start - full <= (VOTES_WINDOWS + VOTES_GAPS * gap) * window
        votes &= rhythm.thin | lately | (dark[layout.vantage_network] & (start - full <= DAY))
        self._thicken(layout, votes, here)
        self._thin_out(layout, start, window, votes, came, coming.path_share, looks)

    def _thicken(self, layout: Layout, votes: Bools, here: Bools) -> None:
        """Note which networks that have thinned out are back; `here` are those of whom a result is due, or came."""
        rhythm, network, networks = self.rhythm, layout.vantage_network, len(layout.networks)
        # Who is silent altogether has no vote on the end.
        weight = np.where(here & votes, rhythm.weight(), 0.0)
        filled = rhythm.filled.astype(np.float64)
        back = _share(filled, weight, network, networks)
        of_place = _share(filled, weight, self._place_of(layout), len(layout.places))
        all_back = of_place[layout.network_place] >= THICK_SHARE
        several = np.bincount(network[weight > 0.0], minlength=networks)
        over = (back >= np.where(several > 2, THICK_ALONE, THICK_FEW)) | ((back >= THICK_SHARE) & all_back)
        over &= several > 0
        over &= several >= THICK_VANTAGES * np.bincount(network[votes], minlength=networks)
        self.thickened = np.unique(network[rhythm.thin & over[network]])
        rhythm.thin &= ~over[network]

    def _thin_out(
        self,
        layout: Layout,
        start: int,
        window: int,
        votes: Bools,
        came: Floats,
        path_share: Floats,
        looks: Looks,
    ) -> None:
        """Note where a country's results have thinned out on most of its networks at once.

        `path_share` is how much of what was due came from all other countries; `came` how much of its usual results of
        each vantage in this window.
        """
        rhythm, network = self.rhythm, layout.vantage_network
        place_of, places = self._place_of(layout), len(layout.places)
        weight = np.where(votes, rhythm.weight(), 0.0)
        filled = rhythm.filled.astype(np.float64)
        of_network = _share(filled, weight, network, len(layout.networks))
        of_place = _share(filled, weight, place_of, places)
        scarce = (of_place < THIN_SHARE) & (of_place < THIN_AGAINST * path_share) & ~self.away
        scarce &= _share(rhythm.coming.astype(np.float64), weight, place_of, places) < THIN_SHOWN
        # A stumble that is over is none.
        due_now, came_now = (
            sums(place_of, grained(each), places) for each in (weight, np.where(votes, came, 0.0))
        )
        scarce &= came_now < THIN_SHARE * due_now
        new_networks: list[int] = []
        new_since: list[int] = []
        for place in np.flatnonzero(scarce).tolist():
            rows = np.flatnonzero(votes & (place_of == place))
            reports = np.unique(network[rows])
            few = reports[of_network[reports] < THIN_NETWORK]
            if len(rows) < THIN_VANTAGES or len(few) < THIN_NETWORKS or 2 * len(few) <= len(reports):
                continue
            lost = rows[np.isin(network[rows], few)]
            fresh = lost[~rhythm.thin[lost]]
            since = self._lost_since(lost, looks, start, window) if len(fresh) else None
            if since is None:
                continue
            rhythm.thin[fresh] = True
            rhythm.lit[fresh] = np.minimum(rhythm.lit[fresh], rhythm.full[fresh].astype(np.int64))
            joined = np.unique(network[fresh]).tolist()
            new_networks += joined
            new_since += [since] * len(joined)
        self.thinned = np.array(new_networks, dtype=np.int64), np.array(new_since, dtype=np.int64)

    def _lost_since(self, rows: Ints, looks: Looks, start: int, window: int) -> int | None:
        """When most of these were heard in full for the last time, if that was together and results are lost since."""
        rhythm, full = self.rhythm, self.rhythm.full[rows].astype(np.int64)
        since = int(np.sort(full)[len(rows) // 2])
        wide = (TOGETHER_WINDOWS + float(np.median(rhythm.gap[rows])) - 1.0) * window
        if start - since < THIN_WINDOWS * window or 2 * _most_within(full, wide) <= len(rows):
            return None
        # Who is asked less often looks like this too, but for even intervals.
        uneven = rhythm.uneven(rows, self._looking(looks, rows, start), (start - since) / window)
        return since if uneven is not None and uneven >= UNEVEN else None

    def _looking(self, looks: Looks, rows: Ints, start: int) -> int:
        """How many monitors these vantages have, or had when they were last heard in full."""
        vantage, last = looks.known()
        full = self.rhythm.full.astype(np.int64)
        here = np.zeros(self.rhythm.size, dtype=np.bool_)
        here[rows] = True
        return int(np.count_nonzero(here[vantage] & (last > full[vantage] - MONITOR_SECONDS)))

    def _learn_pace(self, layout: Layout, looks: Looks, start: int, window: int) -> None:
        """Have vantages that report at even, longer intervals be taken for asked less often.

        First all of a country that are not heard in full are looked at together, then those of each network.
        """
        rhythm = self.rhythm
        slower = (rhythm.again.astype(np.float64) > 0.0) & (rhythm.turns >= 1.0)
        slower &= rhythm.span >= PACE_SLOWER * rhythm.gap.astype(np.float64) * rhythm.turns
        slower &= rhythm.known() & (rhythm.filled < THIN_NETWORK)
        interval = np.zeros(rhythm.size)
        if np.count_nonzero(slower) == 0 or float(rhythm.again[slower].sum()) < EVEN_LEAST:
            return
        for of in (self._place_of(layout), layout.vantage_network):
            for number in np.unique(of[slower]).tolist():
                rows = np.flatnonzero(slower & (of == number))
                full = np.sort(rhythm.full[rows])
                windows = (start - int(full[len(full) // 2])) / window
                if rhythm.even(rows, self._looking(looks, rows, start), windows):
                    interval[rows] = rhythm.adopt(rows, start)
                    slower[rows] = False
        if interval.any():
            self.slowed = self._slowest(layout, interval, start, window)

    def _slowest(self, layout: Layout, interval: Floats, start: int, window: int) -> tuple[Ints, Floats]:
        """The networks of vantages with a new `interval`, and every how many windows each is heard at least.

        That is as often as its quickest vantage.
        """
        rhythm, network, adopted = self.rhythm, layout.vantage_network, interval > 0.0
        gap = np.where(adopted, interval, rhythm.gap)
        lately = (rhythm.last >= 0) & (start - rhythm.last <= (VOTES_WINDOWS + VOTES_GAPS * gap) * window)
        quickest = np.full(len(layout.networks), np.inf)
        rows = np.flatnonzero(lately | adopted)
        np.minimum.at(quickest, network[rows], gap[rows])
        networks = np.unique(network[adopted])
        return networks, quickest[networks]

    def _tear(self, layout: Layout, start: int, window: int, *, deaf: bool) -> None:
        """Note the countries of which a region is silent while others are heard, and who is silent there."""
        rhythm, place_of = self.rhythm, layout.network_place[layout.vantage_network]
        self.torn = np.zeros(len(layout.places), dtype=np.bool_)
        if deaf or not len(layout.regions):
            return
        silent = (rhythm.coming < HARDLY_ANY) & (layout.vantage_region > 0)
        many = np.bincount(place_of[silent], minlength=len(layout.places))
        for place in np.flatnonzero((many >= REGION_VANTAGES) & ~self.away).tolist():
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
                    rhythm.promised[vantage] = word.every_seconds

    def settle(self, layout: Layout, start: int, window: int) -> None:
        """Work out whose silence counts after the window that begins at `start`."""
        self._settle(layout, start, window)
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
        if 2 * _most_within(last, wide) >= len(rows):
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
        real, made = values[~simulated].sum(), values[simulated].sum()
        return np.asarray(np.where(simulated, made, real) - values)


def _share(part: Floats, weight: Floats, group: Ints, size: int) -> Floats:
    """The mean part of each group, weighed; 1.0 of one without members.

    >>> _share(np.array([1.0, 0.5, 0.25]), np.array([1.0, 1.0, 0.0]), np.array([0, 0, 1]), 2).tolist()
    [0.75, 1.0]
    """
    whole, some = sums(group, grained(weight), size), sums(group, grained(weight * part), size)
    return np.where(whole > 0.0, some / np.maximum(whole, AWAITED_LEAST), 1.0)


def _long_silent(rhythm: RhythmColumns, seen: Ints, heard: Ints, start: int, window: int) -> Bools:
    """Which of those heard now were silent for longer than chance has it."""
    # Each night many are silent for some windows together: that is their rhythm.
    least = np.maximum(RETURN_WINDOWS, DEPLOY_GAPS * rhythm.gap[seen])
    return np.asarray((rhythm.last[seen] >= 0) & (start - heard[seen] > least * window))


class QuietRegion(NamedTuple):
    """How many results come from a region, its name's number, and its vantages that are silent."""

    name: int
    volume: Volume
    silent: Ints


def quiet_regions(
    rhythm: RhythmColumns, layout: Layout, place: int, start: int, window: int, *, falling: bool
) -> list[QuietRegion]:
    """The regions of a country that have vantages with a rhythm enough to say whether they are silent.

    A region is dark when its vantages fell silent together while others of the country are heard. Those of a network
    that is silent in all other regions too say nothing of this one. `falling`: a deploy may be going on.
    """
    network = layout.vantage_network
    here = (layout.network_place[network] == place) & (rhythm.left <= start) & (rhythm.last >= 0)
    here &= (start - rhythm.last < GONE_SECONDS) & rhythm.steady(window) & rhythm.known()
    rows = np.flatnonzero(here)
    region, of_network, gap = layout.vantage_region[rows], network[rows], rhythm.gap[rows].astype(np.float64)
    well = rhythm.well[rows].astype(np.int64)
    last = np.where(well > 0, well, rhythm.last[rows])
    waited, silent = (start - last) / window, rhythm.coming[rows] < HARDLY_ANY
    names = [name for name in np.unique(region).tolist() if name >= 0]
    heard = {
        name: int((~silent & (region == name)).sum())
        for name in names
        if 2 * int((~silent & (region == name)).sum()) >= int((region == name).sum())
    }
    regions = []
    for name in names:
        inside = region == name
        # A network that is silent everywhere is silent here too.
        elsewhere = np.isin(of_network, of_network[~inside])
        alive = np.isin(of_network, of_network[~inside & ~silent])
        inside &= alive | ~elsewhere
        many, missing = int(inside.sum()), inside & silent
        if not name or many < REGION_VANTAGES or len(np.unique(of_network[inside])) < REGION_NETWORKS:
            continue
        opinion, onset = Opinion.UNSURE, None
        was = 2 * int(rhythm.torn[rows[inside]].sum()) > many  # a result here and there ends no silence
        others = max((heard[other] for other in heard if other != name), default=0)
        if 2 * int(missing.sum()) <= many:
            opinion = Opinion.GOOD
        elif missing.sum() >= (0.5 if was else REGION_SHARE) * many and others >= HEARD_ELSEWHERE:
            falls, wide = last[missing], (TOGETHER_WINDOWS + float(np.median(gap[missing])) - 1.0) * window
            still_falling = falling and float(waited[missing].min()) < HELD_WINDOWS
            longest = _away_lately(rhythm, rows[~inside], int(falls.min()), start, window)
            still_falling = still_falling or start - int(falls.max()) < longest
            if 2 * _most_within(falls, wide) > len(falls) and (was or not still_falling):
                opinion, onset = Opinion.BAD, int(np.sort(falls)[(len(falls) - 1) // 2]) + window
        seen, usual = (
            float((rhythm.last[rows[inside]] == start).sum()),
            float(grained(1.0 / np.maximum(1.0, gap[inside])).sum()),
        )
        score = 1.0 if opinion is Opinion.BAD else 0.0
        volume = Volume(opinion, score, seen, usual, onset, live=True, steady=True)
        regions.append(QuietRegion(name, volume, rows[missing]))
    return regions


def _away_lately(rhythm: RhythmColumns, rows: Ints, fell: int, start: int, window: int) -> int:
    """How long a deploy may take (s) that goes from region to region: as others took that are back, and a little more.

    `fell` is when the first of those in question fell silent; 0 where nobody else fell silent shortly before.
    """
    away = rhythm.back[rows] - rhythm.fell[rows]
    lately = (rhythm.back[rows] >= 0) & (start - rhythm.back[rows] <= DEPLOY_SECONDS)
    lately &= (away >= DEPLOY_WINDOWS * window) & (fell - rhythm.fell[rows] <= DEPLOY_NEAR_SECONDS)
    if np.count_nonzero(lately) < DEPLOY_LEAST:
        return 0
    return int(away[lately].max()) + DEPLOY_SLACK_SECONDS


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
    return 2 * _most_within(falls, TOGETHER_WINDOWS * window) > len(falls)


def _most_within(moments: Ints, seconds: float) -> int:
    """How many moments at most lie within so many seconds of each other.

    >>> _most_within(np.array([0, 60, 300, 60]), 60.0)
    3
    """
    ordered = np.sort(moments)
    return int((np.searchsorted(ordered, ordered + seconds, "right") - np.arange(len(ordered))).max())
