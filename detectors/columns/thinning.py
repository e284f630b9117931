"""Where results have thinned out, and where vantages report more slowly than they did.

Through most shutdowns something trickles. What is lost is lost at random, so the intervals between the results that are
left are uneven; who is asked less often reports at even ones. The first is a silence, the second a new rhythm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from detectors.columns.layout import Layout
from detectors.columns.rhythm import (
    AMPLE_SHARE,
    BROKEN_SECONDS,
    DUE_WINDOWS,
    EVEN_LEAST,
    MOST_COME,
    RETURN_WINDOWS,
    TOGETHER_WINDOWS,
    UNEVEN,
    Looks,
    RhythmColumns,
    most_within,
)
from detectors.columns.table import Bools, Floats, Ints, any_of, grained, sums
from detectors.single.binomial import DAY

#: Where so little of a country's usual results is left, and of that of most of its networks, they have thinned out. It
#: takes so many windows, vantages and networks to say so, and most must have had their last full window together, of
#: late. Vantages that are asked less send less in each window, and miss none: these count where windows are missing.
THIN_SHARE: Final = 0.42
THIN_NETWORK: Final = 0.5
THIN_SHOWN: Final = 0.8
THIN_WINDOWS: Final = 4.0
THIN_VANTAGES: Final = 4
#: A network has not of which more than this share of its vantages is heard as usual: the others are lost by themselves.
THIN_FULL: Final = 0.2
THIN_NETWORKS: Final = 2
#: Against what comes from elsewhere it must be half at most.
THIN_AGAINST: Final = 0.5
#: Where a promise is alive, and that little of it is kept over some time, more may be left: of the country, against
#: what is kept elsewhere, and of most of its networks; nor may more of it come by now. Most vantages must have kept
#: nearly all until then, within so many windows and mean gaps, so many windows ago or more, and be heard.
BROKEN_SHARE: Final = 0.6
BROKEN_NETWORK: Final = 0.7
BROKEN_WINDOWS: Final = 10.0
BROKEN_TOGETHER: Final = 10.0
BROKEN_TOGETHER_GAPS: Final = 3.0
#: A pace is a new one when it is so much slower than the old, and that little of the usual comes.
PACE_SLOWER: Final = 2.0
#: It is over for all networks with so much of the usual when that much of the country's comes, or with so much.
THICK_SHARE: Final = 0.6
THICK_ALONE: Final = 0.8
THICK_FEW: Final = 0.9  # of one or two vantages
#: Where much came all the time, so much more than that has to come, but no more than this.
THICK_OVER: Final = 0.3
THICK_MOST: Final = 0.75
#: Such a share of its vantages must be heard: who was away before has no vote, and one of ten does not speak for all.
THICK_VANTAGES: Final = 1.0 / 3.0
#: A monitor that was not heard for so long before its vantage's last full window has been let go.
MONITOR_SECONDS: Final = 3600
#: Who was not heard in full for so many windows, and mean gaps, has no vote.
VOTES_WINDOWS: Final = 10.0
VOTES_GAPS: Final = 8.0
#: Less than this is nothing.
_LEAST: Final = 1e-3
_NOBODY: Final = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
_NONE_SLOWED: Final = (_NOBODY[0], np.empty(0))


class Coming(NamedTuple):
    """How many results came of each vantage in a window, by which monitors, and how much came from other countries."""

    results: Floats | None
    looks: Looks | None
    path_share: Floats


class Thinning:
    """What is noted of it once a window.

    Attributes
    ----------
    thinned
        Networks whose results have thinned out with their country's in this window, and the last full one of each.
    thickened
        Those of which enough comes again since this window.
    slowed
        Networks that report more slowly by now, and every how many windows a result comes at least.
    """

    def __init__(self, rhythm: RhythmColumns) -> None:
        self.rhythm = rhythm
        self.thinned: tuple[Ints, Ints] = _NOBODY
        self.thickened: Ints = _NOBODY[0]
        self.slowed: tuple[Ints, Floats] = _NONE_SLOWED

    def clear(self) -> None:
        """Forget what the last window has shown."""
        self.thinned, self.thickened, self.slowed = _NOBODY, _NOBODY[0], _NONE_SLOWED

    def follow(
        self,
        layout: Layout,
        start: int,
        window: int,
        coming: Coming,
        *,
        place_of: Ints,
        away: Bools,
        seen: Ints,
        heard: Ints,
        due: Bools,
        dark: Bools,
    ) -> None:
        """Note how much comes of each vantage, and at what pace; and where hardly anything does any more.

        `place_of` is each vantage's country, and `away` are countries to which the path is; the others are as
        `paths.Paths.step` has them.
        """
        rhythm = self.rhythm
        results, looks = coming.results, coming.looks
        if results is None:
            results = np.ones(len(layout.vantages))
        if looks is None:
            times = np.maximum(heard, 0).astype(np.uint32)
            looks = Looks(seen, times[seen], lambda: (np.arange(len(times)), times))
        came = rhythm.follow(away, place_of, seen, results, start)
        rhythm.note_pace(looks, seen, heard, start, window)
        self._learn_rhythms(layout, place_of, looks, start, window)
        if rhythm.few_come(THIN_NETWORK, BROKEN_NETWORK) < THIN_VANTAGES and not any_of(rhythm.thin):
            return
        here = due.copy()
        here[seen] = True
        gap, full = rhythm.gap.astype(np.float64), rhythm.full.astype(np.int64)
        votes = rhythm.steady(window) & rhythm.known() & (gap <= DUE_WINDOWS)
        votes &= (rhythm.left <= start) & (full > 0)
        promises = votes & rhythm.promises() & (rhythm.ample > 0)
        promises &= start - heard <= (VOTES_WINDOWS + VOTES_GAPS * gap) * window
        promises &= rhythm.thin | (start - rhythm.ample.astype(np.int64) <= BROKEN_SECONDS)
        lately = start - full <= (VOTES_WINDOWS + VOTES_GAPS * gap) * window
        votes &= rhythm.thin | lately | (dark[layout.vantage_network] & (start - full <= DAY))
        if rhythm.thin.any():
            self._thicken(layout, place_of, votes, here)
        if not (any_of(votes) or any_of(promises)):
            return  # a crowd: nobody is due, and who is not due is not missed
        scarce = self._scarce(place_of, votes, came, coming.path_share) & ~away
        if scarce.any():
            self._thin_out(layout, place_of, scarce, votes, looks, start, window)
        broken = self._broken(place_of, promises, len(layout.places)) & ~away
        if broken.any():
            self._break(layout, place_of, broken, promises, start, window)

    def _thicken(self, layout: Layout, place_of: Ints, votes: Bools, here: Bools) -> None:
        """Note which networks that have thinned out are back; `here` are those of whom a result is due, or came."""
        rhythm, network, networks = self.rhythm, layout.vantage_network, len(layout.networks)
        # Who is silent altogether has no vote on the end.
        weight = np.where(here & votes, rhythm.weight(), 0.0)
        filled = rhythm.filled.astype(np.float64)
        back = _share(filled, weight, network, networks)
        of_place = _share(filled, weight, place_of, len(layout.places))
        # Of 0.4 of the results 0.6 are there by chance now and then.
        kept = rhythm.kept.astype(np.float64)
        kept_here = _share(kept, weight, place_of, len(layout.places))
        all_back = of_place >= np.clip(THICK_OVER + kept_here, THICK_SHARE, THICK_MOST)
        all_back = all_back[layout.network_place]
        several = np.bincount(network[weight > 0.0], minlength=networks)
        over = (back >= np.where(several > 2, THICK_ALONE, THICK_FEW)) | ((back >= THICK_SHARE) & all_back)
        over &= several > 0
        over &= several >= THICK_VANTAGES * np.bincount(network[votes], minlength=networks)
        self.thickened = np.unique(network[rhythm.thin & over[network]])
        rhythm.thin &= ~over[network]

    def _scarce(self, place_of: Ints, votes: Bools, came: Floats, path_share: Floats) -> Bools:
        """In which countries hardly anything of the usual comes, with windows missing.

        `path_share` is how much of what was due came from all other countries; `came` how much of its usual results of
        each vantage in this window.
        """
        rhythm, places = self.rhythm, len(path_share)
        weight = np.where(votes, rhythm.weight(), 0.0)
        of_place = _share(rhythm.filled.astype(np.float64), weight, place_of, places)
        scarce = (of_place < THIN_SHARE) & (of_place < THIN_AGAINST * path_share)
        scarce &= _share(rhythm.coming.astype(np.float64), weight, place_of, places) < THIN_SHOWN
        # A stumble that is over is none.
        due_now, came_now = (
            sums(place_of, grained(each), places) for each in (weight, np.where(votes, came, 0.0))
        )
        return np.asarray(scarce & (came_now < THIN_SHARE * due_now))

    def _thin_out(
        self,
        layout: Layout,
        place_of: Ints,
        scarce: Bools,
        votes: Bools,
        looks: Looks,
        start: int,
        window: int,
    ) -> None:
        """Note where a country's results have thinned out on most of its networks at once."""
        rhythm, network = self.rhythm, layout.vantage_network
        weight = np.where(votes, rhythm.weight(), 0.0)
        of_network = _share(rhythm.filled.astype(np.float64), weight, network, len(layout.networks))
        few = (of_network < THIN_NETWORK) & ~self._some_heard(network, votes, len(of_network))
        for lost, fresh in self._mostly_lost(network, place_of, scarce, votes, few):
            since = self._lost_since(lost, looks, start, window)
            if since is not None:
                self._note_thin(network, fresh, rhythm.full[fresh].astype(np.int64), since)

    def _some_heard(self, network: Ints, votes: Bools, networks: int) -> Bools:
        """Of which networks more than a few of the vantages that vote are heard as usual, over some time and now."""
        rhythm = self.rhythm
        heard = votes & (rhythm.kept >= AMPLE_SHARE) & (rhythm.coming >= MOST_COME)
        many = np.bincount(network[votes], minlength=networks)
        return np.asarray(np.bincount(network[heard], minlength=networks) > THIN_FULL * many)

    def _mostly_lost(
        self, network: Ints, place_of: Ints, places: Bools, votes: Bools, few: Bools
    ) -> Iterator[tuple[Ints, Ints]]:
        """Of each of some countries on most of whose networks `few` results come: their vantages, and the new ones."""
        for place in np.flatnonzero(places).tolist():
            rows = np.flatnonzero(votes & (place_of == place))
            reports = np.unique(network[rows])
            lost_networks = reports[few[reports]]
            if (
                len(rows) < THIN_VANTAGES
                or len(lost_networks) < THIN_NETWORKS
                or 2 * len(lost_networks) <= len(reports)
            ):
                continue
            lost = rows[np.isin(network[rows], lost_networks)]
            fresh = lost[~self.rhythm.thin[lost]]
            if len(fresh):
                yield lost, fresh

    def _note_thin(self, network: Ints, fresh: Ints, lit: Ints | int, since: int) -> None:
        """Note that these have thinned out since then, each lit until `lit` at most."""
        rhythm = self.rhythm
        rhythm.thin[fresh] = True
        rhythm.lit[fresh] = np.minimum(rhythm.lit[fresh], lit)
        joined = np.unique(network[fresh])
        networks, times = self.thinned
        self.thinned = (
            np.concatenate((networks, joined)),
            np.concatenate((times, np.full(len(joined), since, dtype=np.int64))),
        )

    def _broken(self, place_of: Ints, promises: Bools, places: int) -> Bools:
        """In which countries little is kept of what is promised, against all others."""
        rhythm = self.rhythm
        weight = np.where(promises, rhythm.weight(), 0.0)
        due = sums(place_of, grained(weight), places)
        kept = sums(place_of, grained(weight * np.minimum(1.0, rhythm.kept.astype(np.float64))), places)
        elsewhere = np.where(
            due.sum() - due > _LEAST, (kept.sum() - kept + _LEAST) / (due.sum() - due + _LEAST), 1.0
        )
        comes = sums(place_of, grained(weight * rhythm.filled.astype(np.float64)), places)
        little = (kept < BROKEN_SHARE * elsewhere * due) & (comes < BROKEN_SHARE * due)
        return np.asarray((due > 0.0) & little)

    def _break(
        self, layout: Layout, place_of: Ints, broken: Bools, promises: Bools, start: int, window: int
    ) -> None:
        """Note where most networks of a country keep too little of what they promise, since the same time."""
        rhythm, network = self.rhythm, layout.vantage_network
        weight = np.where(promises, rhythm.weight(), 0.0)
        of_network = np.maximum(
            *(
                _share(each.astype(np.float64), weight, network, len(layout.networks))
                for each in (rhythm.kept, rhythm.filled)
            )
        )
        few = (of_network < BROKEN_NETWORK) & ~self._some_heard(network, promises, len(of_network))
        for lost, fresh in self._mostly_lost(network, place_of, broken, promises, few):
            ample = rhythm.ample[lost].astype(np.int64)
            since = int(np.sort(ample)[len(lost) // 2])
            wide = (BROKEN_TOGETHER + BROKEN_TOGETHER_GAPS * float(np.median(rhythm.gap[lost]))) * window
            together = 2 * most_within(ample, wide) > len(lost)
            if together and start - since >= BROKEN_WINDOWS * window and rhythm.uneven_own(lost):
                self._note_thin(network, fresh, since, since)

    def _lost_since(self, rows: Ints, looks: Looks, start: int, window: int) -> int | None:
        """When most of these were heard in full for the last time, if that was together and results are lost since."""
        rhythm, full = self.rhythm, self.rhythm.full[rows].astype(np.int64)
        since = int(np.sort(full)[len(rows) // 2])
        wide = (TOGETHER_WINDOWS + float(np.median(rhythm.gap[rows])) - 1.0) * window
        if start - since < THIN_WINDOWS * window or 2 * most_within(full, wide) <= len(rows):
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

    def _learn_rhythms(self, layout: Layout, place_of: Ints, looks: Looks, start: int, window: int) -> None:
        """Have vantages be heard more rarely that promise it, or show it."""
        interval = np.zeros(self.rhythm.size)
        rows, promised = self.rhythm.take_promises(start, window)
        interval[rows] = promised
        self._learn_pace(layout, place_of, looks, interval, start, window)
        if interval.any():
            self.slowed = self._slowest(layout, interval, start, window)

    def _learn_pace(
        self, layout: Layout, place_of: Ints, looks: Looks, interval: Floats, start: int, window: int
    ) -> None:
        """Have vantages that report at even, longer intervals be taken for asked less often: `interval` gets theirs.

        First all of a country that are not heard in full are looked at together, then those of each network.
        """
        rhythm = self.rhythm
        if not np.count_nonzero(rhythm.again.view(np.uint16)):  # at a tenth of the price of half floats
            return
        slower = (rhythm.again.astype(np.float64) > 0.0) & (rhythm.turns >= 1.0)
        slower &= rhythm.span >= PACE_SLOWER * rhythm.gap.astype(np.float64) * rhythm.turns
        slower &= rhythm.known() & (rhythm.filled < THIN_NETWORK)
        if np.count_nonzero(slower) == 0 or float(rhythm.again[slower].sum()) < EVEN_LEAST:
            return
        least = np.maximum(float(RETURN_WINDOWS), PACE_SLOWER * rhythm.gap.astype(np.float64))
        silent = start - rhythm.last >= least * window
        silent[looks.vantage] = False
        for of in (place_of, layout.vantage_network):
            for number in np.unique(of[slower]).tolist():
                rows = np.flatnonzero(slower & (of == number))
                full = np.sort(rhythm.full[rows])
                windows = (start - int(full[len(full) // 2])) / window
                # Those that come back from a shutdown have all waited for as long, and go on at once as before. Of
                # those that are asked less often most are silent again, for longer than they were.
                rests = 2 * int(np.count_nonzero(silent[rows])) > len(rows)
                if rests and rhythm.even(rows, self._looking(looks, rows, start), windows):
                    interval[rows] = rhythm.adopt(rows, start)
                    slower[rows] = False

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


def _share(part: Floats, weight: Floats, group: Ints, size: int) -> Floats:
    """The mean part of each group, weighed; 1.0 of one without members.

    >>> _share(np.array([1.0, 0.5, 0.25]), np.array([1.0, 1.0, 0.0]), np.array([0, 0, 1]), 2).tolist()
    [0.75, 1.0]
    """
    whole, some = sums(group, grained(weight), size), sums(group, grained(weight * part), size)
    return np.where(whole > 0.0, some / np.maximum(whole, _LEAST), 1.0)
