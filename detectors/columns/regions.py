"""Regions of a country that fall silent while others are heard.

Those have a say whose vantages are heard often. Most have a rhythm, by which they are missed after four gaps. One that
reports at any moment, or whose line was broken for minutes of late, is missed once it has been silent for longer than
ever of late: by itself that is nothing, but together with all others of its region it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from detectors.columns.layout import Layout
from detectors.columns.rhythm import DUE_WINDOWS, HARDLY_ANY, TOGETHER_WINDOWS, RhythmColumns, most_within
from detectors.columns.table import Bools, Ints, grained
from detectors.readings import Opinion, Volume
from detectors.single.binomial import DAY
from detectors.single.silence import HELD_WINDOWS

#: Of a deploy that goes through several countries, those that are back say how long it takes. Of their country so many,
#: and half, fell silent; they are back of late, and were away for longer than chance has it (windows, mean gaps).
DEPLOY_LEAST: Final = 3
DEPLOY_SECONDS: Final = 2 * 3600
DEPLOY_WINDOWS: Final = 5
DEPLOY_GAPS: Final = 6.0
#: So near to those of another country the others fell silent, and so much longer than they were away others may be.
DEPLOY_NEAR_SECONDS: Final = 1800
DEPLOY_SLACK_SECONDS: Final = 600
#: A region is silent that has so many vantages, on so many networks, of which this share is silent, and more than half
#: of these fell silent together.
REGION_VANTAGES: Final = 3
REGION_NETWORKS: Final = 2
REGION_SHARE: Final = 0.8
#: So many will do where another region of the country is silent before.
REGION_FEWEST: Final = 2
#: Elsewhere in the country so many vantages, and half of a region's, are heard.
HEARD_ELSEWHERE: Final = 2
#: Who has no rhythm is missed where it is heard in one of so few windows, and its gaps of so long are known, so many at
#: least; after its longest one of late, and so many windows more.
OFTEN_WINDOWS: Final = DUE_WINDOWS
OFTEN_SECONDS: Final = DAY / 2
OFTEN_GAPS: Final = 50.0
LONGER_WINDOWS: Final = 1.0
#: A vantage that has been silent for longer is not counted among those that were.
GONE_SECONDS: Final = 7 * DAY


class QuietRegion(NamedTuple):
    """How many results come from a region, its name's number, and its vantages that are silent."""

    name: int
    volume: Volume
    silent: Ints


def quiet_regions(
    rhythm: RhythmColumns, layout: Layout, place: int, start: int, window: int, *, falling: bool
) -> list[QuietRegion]:
    """The regions of a country that have vantages enough to say whether they are silent.

    A region is dark when its vantages fell silent together while others of the country are heard, or were silent
    before. Those of a network that is silent in all other regions too say nothing of this one. `falling`: a deploy
    may be going on.
    """
    network = layout.vantage_network
    here = (layout.network_place[network] == place) & (rhythm.left <= start) & (rhythm.last >= 0)
    here &= (start - rhythm.last < GONE_SECONDS) & rhythm.known()
    steady = rhythm.steady(window)
    rows = np.flatnonzero(here & (steady | _often(rhythm, window)))
    steady, torn = steady[rows], rhythm.torn[rows]
    region, of_network, gap = layout.vantage_region[rows], network[rows], rhythm.gap[rows].astype(np.float64)
    well = rhythm.well[rows].astype(np.int64)
    last = np.where((well > 0) & (steady | torn), well, rhythm.last[rows])
    waited, hardly = (start - last) / window, rhythm.coming[rows] < HARDLY_ANY
    longer = waited - 1.0 >= rhythm.longest[rows] + LONGER_WINDOWS
    silent, here_now = hardly & (steady | torn | longer), ~hardly
    names = [name for name in np.unique(region).tolist() if name >= 0]
    # Where regions fall silent one by one, nobody is heard beside the last: who fell silent with another one was alive.
    before = {name for name in names if 2 * int(torn[region == name].sum()) > int((region == name).sum())}
    heard = {
        name: int((here_now & (region == name)).sum())
        for name in names
        if 2 * int((here_now & (region == name)).sum()) >= int((region == name).sum())
    }
    regions = []
    for name in names:
        inside = region == name
        # A network that is silent everywhere is silent here too.
        elsewhere = np.isin(of_network, of_network[~inside])
        alive = np.isin(of_network, of_network[~inside & (torn | ~silent)])
        inside &= alive | ~elsewhere
        many, missing = int(inside.sum()), inside & silent
        if not name or many < REGION_FEWEST or len(np.unique(of_network[inside])) < REGION_NETWORKS:
            continue
        opinion, onset = Opinion.UNSURE, None
        was = 2 * int(torn[inside].sum()) > many  # a result here and there ends no silence
        others = max((heard[other] for other in heard if other != name), default=0)
        before_it = bool(before - {name})
        beside = before_it or (others >= HEARD_ELSEWHERE and (was or many >= REGION_VANTAGES))
        if 2 * int(missing.sum()) <= many:
            opinion = Opinion.GOOD
        elif missing.sum() >= (0.5 if was else REGION_SHARE) * many and beside:
            falls, wide = last[missing], (TOGETHER_WINDOWS + float(np.median(gap[missing])) - 1.0) * window
            still_falling = falling and float(waited[missing].min()) < HELD_WINDOWS
            longest = _away_lately(rhythm, rows[~inside], int(falls.min()), start, window)
            still_falling = still_falling or start - int(falls.max()) < longest
            if 2 * most_within(falls, wide) > len(falls) and (was or not still_falling):
                opinion, onset = Opinion.BAD, int(np.sort(falls)[(len(falls) - 1) // 2]) + window
        seen, usual = (
            float((rhythm.last[rows[inside]] == start).sum()),
            float(grained(1.0 / np.maximum(1.0, gap[inside])).sum()),
        )
        score = 1.0 if opinion is Opinion.BAD else 0.0
        volume = Volume(opinion, score, seen, usual, onset, live=True, steady=True)
        regions.append(QuietRegion(name, volume, rows[missing]))
    return regions


def _often(rhythm: RhythmColumns, window: int) -> Bools:
    """Which vantages are heard every few windows, and have been for so long that their longest gap is known."""
    gaps, gap = rhythm.gaps.astype(np.float64), rhythm.gap.astype(np.float64)
    return np.asarray((gap <= OFTEN_WINDOWS) & (gaps >= OFTEN_GAPS) & (gaps * gap * window >= OFTEN_SECONDS))


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
