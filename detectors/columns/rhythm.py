"""The rhythm of each vantage: how often it is heard, how much comes of it, and at what pace.

Silence is evidence only of those who have a rhythm: one that they promise with their results, or one that they have
shown in a day of steady arrivals. Arrivals at any moment promise nothing, and neither does a crowd.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.columns import compiled
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
    grained,
    sums,
)
from detectors.single.binomial import DAY

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
#: Who promises results so much more rarely than before is taken at its word, once all its monitors have had their turn.
PROMISE_RARER: Final = 1.5
#: Who has long asked some things more seldom than others promises both in turn. That it asks the first of them alone is
#: sure after so many results with that promise and none with the other, if this share of the promised ones has come.
ALONE_RESULTS: Final = 4.0
ALONE_SHARE: Final = 0.5
#: So near to one that has stood beside the other a promise is the same.
SAME_PROMISE: Final = 1.1
#: Gaps after which a mean one is known.
GAPS_KNOWN: Final = 5.0
GAPS_MANY: Final = 2000.0
#: So many mean gaps without a result, or so many windows, and nothing is due from there any more.
DUE_GAPS: Final = 6.0
DUE_WINDOWS: Final = 10.0
#: Who is heard again after so many windows was silent.
RETURN_WINDOWS: Final = 3
#: How much comes of a vantage is remembered over so many mean gaps: most, or hardly any, which is four gaps after the
#: last of many, and is left by two in a row. Each result is worth what a mean gap without one takes away.
COMING_GAPS: Final = 3.0
RESULT_WORTH: Final = 1.0 - math.exp(-1.0 / COMING_GAPS)
MOST_COME: Final = 0.5
HARDLY_ANY: Final = 0.3
#: A result says that most of a vantage's come when so much of them came of late.
FULL_SHARE: Final = 0.8
#: How much of a vantage's usual results came is remembered over so many windows too, or as many mean gaps as above. A
#: window counts for so many usual ones at most: more is a spool. Its results are all there with `AMPLE_SHARE` of them.
KEPT_WINDOWS: Final = 20.0
KEPT_MOST: Final = 3.0
AMPLE_SHARE: Final = 0.85
#: Who keeps less of its promise than this, and kept all of it no longer ago than that, learns no other rhythm of
#: intervals that are no longer than so many mean ones: what is lost at random makes no rhythm slower.
KEPT_LEAST: Final = 0.75
BROKEN_SECONDS: Final = 2 * 3600
BROKEN_GAPS: Final = 10.0
#: What is lost is lost at random; who is asked less often still reports at even intervals. The square of how far
#: intervals are from their mean, as a share of it, is near one where results are lost at random, and near nothing where
#: all are alike. So many intervals must have been seen to say either.
UNEVEN: Final = 0.35
UNEVEN_LEAST: Final = 3
#: Of so many intervals less is enough, each against the mean one of its vantage, of which so many have been seen: even
#: ones that are rounded to windows come to 0.125 at most.
UNEVEN_OWN: Final = 0.2
UNEVEN_OWN_LEAST: Final = 12
UNEVEN_OWN_EACH: Final = 2
EVEN: Final = 0.06
EVEN_LEAST: Final = 8
#: Where each vantage has a pace of its own, or was away for a while, more are needed.
EVEN_ALONE: Final = 0.12
EVEN_ALONE_LEAST: Final = 20
EVEN_ALONE_EACH: Final = 8
#: Intervals are remembered over so many windows with results; one counts as so many mean ones at most.
PACE_KEEP: Final = 0.95
PACE_MOST: Final = 3.0
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
    # A rarer promise, and since when nothing came with the one that holds, 0: none.
    rarer: Singles
    rarer_since: NDArray[np.uint32]
    # The rarest promise that has stood beside the one that holds, and windows with a rarer one since then.
    beside: Singles
    rarer_many: Halves
    # Share of its usual results that came over some time, and the last window with one while nearly all did, 0: none.
    kept: Halves
    ample: NDArray[np.uint32]
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
        "rarer": Field(np.float32),
        "rarer_since": Field(np.uint32),
        "kept": Field(np.float16, 1.0),
        "ample": Field(np.uint32),
        "beside": Field(np.float32),
        "rarer_many": Field(np.float16),
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

    def weigh_promises(self, seen: Ints, promised: Floats, start: int) -> Floats:
        """Note which of those `seen` promise to be heard more rarely than they have. Returns the promises that hold.

        A vantage asks some things often and others seldom: one result with a rare promise is no word on its rhythm.
        """
        if not any_of(promised > 0.0):
            return promised
        before = self.promised[seen].astype(np.float64)
        rarer = (before > 0.0) & (promised >= PROMISE_RARER * before)
        rows, first = seen[rarer], self.rarer_since[seen[rarer]] == 0
        least = np.where(first, np.inf, self.rarer[rows])
        self.rarer[rows] = np.minimum(least, promised[rarer])
        self.rarer_since[rows] = np.where(first, start, self.rarer_since[rows])
        self.rarer_many[rows] = np.where(first, 1.0, self.rarer_many[rows] + np.float16(1.0))
        over = seen[~rarer & (promised > 0.0)]
        over = over[self.rarer_since[over] > 0]
        self.beside[over] = np.maximum(self.beside[over], self.rarer[over])
        self.rarer_since[over] = 0
        return np.where(rarer, 0.0, promised)

    def take_word(self, row: int, every_seconds: float) -> None:
        """Take what a vantage says of its rhythm; a rarer one holds at once."""
        before = float(self.promised[row])
        if before > 0.0 and every_seconds >= PROMISE_RARER * before:
            self.rarer[row], self.rarer_since[row] = every_seconds, 1  # since long ago
            self.beside[row] = 0.0
        else:
            self.promised[row] = every_seconds

    def take_promises(self, start: int, window: int) -> tuple[Ints, Floats]:
        """Have rarer promises hold of which nothing has spoken against for as long as the old ones were.

        Where a vantage has always promised both in turn, a silence after the rarer one is no change: those that come
        with it alone have to show one. Returns whose they are, and every how many windows each of their monitors is
        heard now.
        """
        if not np.count_nonzero(self.rarer_since):
            return np.empty(0, dtype=np.int64), np.empty(0)
        since = self.rarer_since.astype(np.int64)
        waited = start - since
        alone = (self.rarer_many >= ALONE_RESULTS) & (waited >= ALONE_RESULTS * self.promised)
        alone &= self.rarer_many * self.rarer >= ALONE_SHARE * waited
        rows = np.flatnonzero(
            (waited >= np.maximum(window, self.promised)) & (self._rarer_anew() | (alone & (since > 0)))
        )
        if not len(rows):
            return rows, np.empty(0)
        interval = np.maximum(1.0, self.rarer[rows].astype(np.float64) / window)
        grown = self.gap[rows] * (self.rarer[rows] / self.promised[rows]).astype(np.float64)
        self.gap[rows] = np.maximum(self.gap[rows], np.minimum(grown, interval))
        self.promised[rows] = self.rarer[rows]
        self._begin_anew(rows, start)
        return rows, interval

    def follow(self, away: Bools, place_of: Ints, seen: Ints, results: Floats, start: int) -> Floats:
        """Note how much comes of each of late: a few `results` of those `seen` that trickle through end no silence.

        Of countries to which the path is `away` nothing fades. Returns which share of a window's usual results came of
        each.
        """
        if compiled.stages is not None:
            # Of no rows NumPy counts in whole numbers.
            results = results.astype(np.float64, copy=False)
            return np.asarray(compiled.stages.follow(self, away, place_of, seen, results, start))
        rows = ~away[place_of]
        broken = self.broken(start)
        fading = np.where(rows, self.fading(), 1.0)
        coming, filled = self.coming * fading, self.filled * fading
        coming[seen] += RESULT_WORTH
        many, usual = self.many[seen].astype(np.float64), results[seen]
        came = np.zeros(self.size)
        came[seen] = np.minimum(1.0, usual / np.where(many > 0.0, many, usual))
        filled += RESULT_WORTH * came
        still = self.thin[seen] | broken[seen]
        gain = np.where(still, 0.0, np.maximum(GAP_GAIN, 1.0 / (1.0 + self.gaps[seen])))
        self._keep(rows, seen, usual / np.where(many > 0.0, many, usual), start)
        self.many[seen] = np.where(many > 0.0, many + gain * (usual - many), usual)
        self.coming[:], self.filled[:] = coming, filled
        most = seen[coming[seen] >= MOST_COME]
        self.well[most] = start
        self.torn[most] = False
        self.full[seen[(filled[seen] >= FULL_SHARE) & ~self.thin[seen]]] = start
        return came

    def _keep(self, rows: Bools, seen: Ints, shares: Floats, start: int) -> None:
        """Note how much of their usual results came of these over some time; `shares` of a usual window of those seen.

        More than usual counts too, so that it is one in the mean, whatever the phases of a vantage's monitors.
        """
        kept = self.kept * np.where(rows, self.keeping(), 1.0)
        gaps = np.maximum(COMING_GAPS, KEPT_WINDOWS / self.gap[seen].astype(np.float64))
        kept[seen] -= np.expm1(-1.0 / gaps) * np.minimum(KEPT_MOST, shares)
        self.kept[:] = kept
        ample = seen[(kept[seen] >= AMPLE_SHARE) & self.known()[seen] & ~self.thin[seen]]
        self.ample[ample] = start

    def promises(self) -> Bools:
        """Which vantages promise a rhythm with what comes of them, and no rarer one than they did."""
        return np.asarray((self.promised > 0.0) & (self.rarer_since == 0))

    def _rarer_anew(self) -> Bools:
        """Which vantages promise a rarer rhythm than they did, and not what they have long promised in turn."""
        return np.asarray((self.rarer_since > 0) & (self.rarer > SAME_PROMISE * self.beside))

    def broken(self, start: int) -> Bools:
        """Which vantages have kept less than they promise for some time, and did keep it before."""
        since = start - self.ample.astype(np.int64)
        return np.asarray(self.promises() & (self.kept < KEPT_LEAST) & (since < BROKEN_SECONDS))

    def taught(self, dark: Bools, network: Ints, seen: Ints, heard: Ints, start: int, window: int) -> Bools:
        """Whose gaps teach, of those `seen`: no dark network's, nor who is silent with others or breaks a word.

        `network` and `heard` are by vantage, `dark` by network.
        """
        if compiled.stages is not None:
            return np.asarray(compiled.stages.taught(self, dark, network, seen, heard, start, window))
        taught = ~(dark[network[seen]] | self.torn[seen] | self.thin[seen])
        broken = self.broken(start)[seen]
        if any_of(broken):
            taught &= ~(broken & (start - heard[seen] <= BROKEN_GAPS * self.gap[seen] * window))
        return taught

    def few_come(self, filled: float, kept: float) -> int:
        """Of how many less than `filled` of the usual comes, or of what they promise than `kept`: the larger number."""
        if compiled.stages is not None:
            return int(compiled.stages.few_come(self, filled, kept))
        return int(max(np.count_nonzero(self.filled < filled), np.count_nonzero(self.kept < kept)))

    def note_pace(self, looks: Looks, seen: Ints, heard: Ints, start: int, window: int) -> None:
        """Note the intervals at which those `seen` are heard that are not heard in full."""
        if compiled.stages is not None and not compiled.stages.paced(self, seen, start):
            return
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

    def uneven_own(self, rows: Ints) -> bool:
        """Whether the intervals of these are uneven, each vantage's by itself: lost at random, not slower."""
        many = self.again[rows].astype(np.float64)
        rows, many = rows[many >= UNEVEN_OWN_EACH], many[many >= UNEVEN_OWN_EACH]
        if float(many.sum()) < UNEVEN_OWN_LEAST:
            return False
        own = self.apart[rows].astype(np.float64) ** 2 / many
        apart = (self.square[rows] - own) * (many / (many - 1.0))
        return bool(grained(apart).sum() >= UNEVEN_OWN * grained(own).sum())

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
        self._begin_anew(rows, start)
        return interval

    def _begin_anew(self, rows: Ints, start: int) -> None:
        """Take these for heard in full, at the gap that they have now."""
        self.longest[rows] = self.gap[rows] + 1.0
        self.coming[rows] = self.filled[rows] = self.kept[rows] = 1.0
        self.full[rows] = self.well[rows] = self.ample[rows] = start
        self.thin[rows] = self.torn[rows] = False
        self.rarer_since[rows] = 0
        self.beside[rows] = self.rarer_many[rows] = 0.0
        for name in _PACES:
            getattr(self, name)[rows] = 0.0

    def fading(self, windows: int = 1) -> Floats:
        """What is left of `coming` after so many windows without a result, as a share."""
        return np.asarray(np.exp(-windows / (COMING_GAPS * self.gap.astype(np.float64))))

    def keeping(self, windows: int = 1) -> Floats:
        """What is left of `kept` after so many windows without a result, as a share."""
        return np.asarray(
            np.exp(-windows / np.maximum(KEPT_WINDOWS, COMING_GAPS * self.gap.astype(np.float64)))
        )

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


def most_within(moments: Ints, seconds: float) -> int:
    """How many moments at most lie within so many seconds of each other.

    >>> most_within(np.array([0, 60, 300, 60]), 60.0)
    3
    """
    ordered = np.sort(moments)
    return int((np.searchsorted(ordered, ordered + seconds, "right") - np.arange(len(ordered))).max())
