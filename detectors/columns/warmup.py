"""A country's first hour: nothing is known of it yet, and a platform may be lost in it all the same.

A platform that fails on all networks from the first minutes on, while its controls or another platform answer, is
weighed against a cautious guess, because no usual is learned yet. An incident that rests on a guess says so.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.columns.series import Series
from detectors.columns.table import Bools, any_of, grained, sums, tally
from detectors.readings import Counts

#: How long a country counts as new. An excursion that began then goes on.
FIRST_SECONDS: Final = 3600
#: A platform that comes later than this is new by itself: it may never have answered.
TOGETHER_SECONDS: Final = 600
#: The guess: hardly any platform answers less often than this, and few results outweigh it.
USUAL: Final = 0.6
RESULTS: Final = 20.0
#: Another platform answers that had so many results of late, and so large a share of good ones.
ANSWERS_RESULTS: Final = 3.0
ANSWERS_SHARE: Final = 0.8


def newborn(series: Series, start: int) -> tuple[Bools, Bools]:
    """Which platforms have begun with their country; and which of these did within the hour, or are in doubt since."""
    layout, groups = series.layout, series.groups
    first = np.where(groups.presence.first >= 0, groups.presence.first, start)
    place = layout.group_place
    born = np.full(len(layout.places), start)
    np.minimum.at(born, place, first)
    together = first - born[place] < TOGETHER_SECONDS
    young = (start - born < FIRST_SECONDS)[place] | groups.cusum.open
    return together, together & young


def unknown(series: Series, start: int) -> Bools:
    """Which of them most networks have no usual of, nor knows their country one that could be lent."""
    together, young = newborn(series, start)
    if not any_of(together):
        return together
    group, size = series.layout.cell_group, series.groups.size
    live = np.bincount(group[series.cell_live], minlength=size)
    warm = np.bincount(group[series.cell_live & series.cells.warm(start)], minlength=size)
    learned = sums(group, grained(series.cells.learned()), size)
    nothing = 2.0 * learned < series.detection.warm_results * live
    return np.asarray(together & (2 * warm < live) & (young | nothing))


def answering(series: Series, counts: Counts) -> Bools:
    """Return which platforms have an answering control, or, if they have no controls, another that answers."""
    layout, recent, size = series.layout, series.groups.recent, series.groups.size
    failed = ~counts.ok
    group = layout.cell_group[layout.cells_of(counts.monitor[failed])]
    control = counts.control[failed]
    weight = counts.weighing(failed)
    good, bad = (
        tally(group[control == answer], None if weight is None else weight[control == answer], size)
        for answer in (1, 0)
    )
    answers = (recent.probes >= ANSWERS_RESULTS) & (recent.good >= ANSWERS_SHARE * recent.probes)
    many = np.bincount(layout.group_place[answers], minlength=len(layout.places))[layout.group_place]
    return np.asarray(np.where(good + bad > 0, good > bad, many > answers))
