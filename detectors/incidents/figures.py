"""How an incident stands now, as its sentence says: on the networks that it names, by the results of the last windows.

A part's own figure rests on twenty of its results, and of many parts that come seldom these are old: a country would
be told of what was half an hour ago. So the parts are counted together, from the last window back. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.incidents.case import Case
from detectors.incidents.level import TELLING, Z_PART
from detectors.incidents.loss import Loss, Present, bounds
from detectors.incidents.snapshots import Kind, Scope
from detectors.readings import CountryReading

#: The last windows; of more, until there are so many results.
_WINDOWS: Final = 2
_RESULTS: Final = 20
#: Where all windows that are kept have fewer, each part's own figure says more.
_RESULTS_LEAST: Final = 5


def stands(case: Case, reading: CountryReading, platform: str | None = None) -> Present:
    """Return how it stands, as it is told: one platform, or all.

    Once it is over, that is by the results since. Of regions and of single addresses no windows are kept.
    """
    named = {name for name in case.platforms if platform in (None, name)}
    counted_apart = {name for name, _, region in case.losses if region} | case.targets.keys()
    if case.kind is not Kind.PLATFORM or case.resolved is not None or named & counted_apart:
        return case.stands(platform)
    lately, kept_since = _lately(_told(case, named), reading)
    # A young one has no older results than these, and its first few may lie before the windows in which it fell.
    least = _RESULTS_LEAST if case.onset < kept_since else _RESULTS
    return lately if lately is not None and lately.results >= least else case.stands(platform)


def shows_its_level(case: Case, reading: CountryReading) -> bool:
    """Whether the change of level that it would tell of is so still: it is known after half an hour."""
    if not case.level.parts:  # it has eased to a throttle: that is no share of attempts
        return True
    now, _, results = stands(case, reading)
    low, high = bounds(now * results, results, Z_PART)
    return low - TELLING <= case.level.now <= high + TELLING


def _told(case: Case, platforms: Collection[str]) -> dict[tuple[str, int], Loss]:
    """The parts on the networks that its sentence names: those that are back are left out, but of a whole nation."""
    back = set() if case.scope is Scope.NATION_SCALE else case.back_since().keys()
    parts = {(p, asn): loss for (p, asn, region), loss in case.losses.items() if p in platforms}
    lost = {(p, asn): loss for (p, asn), loss in parts.items() if (asn, "") not in back}
    return lost or parts


def _lately(parts: dict[tuple[str, int], Loss], reading: CountryReading) -> tuple[Present | None, int]:
    """How these parts stand as one by the last windows, and since when windows are kept.

    No window is from before a part was lost, or came back.
    """
    window = reading.end - reading.start
    pasts = {key: reading.past[key] for key in parts if key in reading.past}
    if not pasts:
        return None, reading.end
    longest = max(len(past) for past in pasts.values())
    sums: NDArray[np.float64] = np.zeros((longest, 3))
    for key, past in pasts.items():
        loss = parts[key]
        since = max(loss.onset, loss.changed or 0, loss.back or 0)
        own = past[::-1][: max(1, (reading.end - since) // window)]
        sums[: len(own), :2] += own[:, :2]
        sums[: len(own), 2] += own[:, 1] * loss.usual
    so_far = sums.cumsum(axis=0)
    many = int((so_far[:, 1] < _RESULTS).sum()) + 1
    k, n, due = so_far[min(longest, max(_WINDOWS, many)) - 1].tolist()
    figures = Present(min(1.0, k / n), due / n, round(n)) if n else None
    return figures, reading.end - longest * window
