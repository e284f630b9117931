"""How many results arrive where connectivity is lost: of its whole country, and of the networks that lost it.

Results come by chance. So figures are sums over several windows, against what is usual of the same: a window with more
than usual makes up for one with less.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from detectors.incidents.loss import Present
from detectors.readings import CountryReading, Opinion

#: So many windows are kept; a figure of the present rests on some, and on more until so many results are due.
_KEPT: Final = 15
_PRESENT_WINDOWS: Final = 3
_PRESENT_RESULTS: Final = 40


class FlowWindow(msgspec.Struct, frozen=True, array_like=True):
    """What came in a window, and what is usual in one: of the country, and of the networks that lost connectivity."""

    start: int
    came: float
    due: float
    own_came: float
    own_due: float


class Flow(msgspec.Struct):
    """The last windows of a loss of connectivity."""

    windows: list[FlowWindow] = []

    def take(self, reading: CountryReading, networks: Collection[int], regions: Collection[str]) -> None:
        """Take a window in; `networks` and `regions` are those that lost it.

        What others have lost before is no part of it. Where regions are lost, what is usual of a network may be learned
        without them: it is the regions that are added up then.
        """
        came = due = own_came = own_due = 0.0
        for asn, volume in sorted(reading.volumes.items()):
            mine = asn in networks
            if not volume.live or (volume.opinion is Opinion.BAD and not mine):
                continue
            usual = max(0.0, volume.usual)
            came, due = came + volume.seen, due + usual
            if mine:
                own_came, own_due = own_came + volume.seen, own_due + usual
        if regions and reading.region_volumes:
            volumes = [volume for _, volume in sorted(reading.region_volumes.items())]
            came, due = sum(volume.seen for volume in volumes), sum(volume.usual for volume in volumes)
        window = FlowWindow(
            reading.start, round(came, 3), round(due, 3), round(own_came, 3), round(own_due, 3)
        )
        self.windows = [*self.windows[1 - _KEPT :], window]

    def present(self, grown: int = 0, *, whole: bool) -> Present | None:
        """The share of the usual results that arrives by now: of the `whole` country, or of what was lost.

        What came before the last of it was lost, at `grown`, says nothing of now.
        """
        windows = [one for one in reversed(self.windows) if one.start >= grown] or [*reversed(self.windows)]
        return self._share(windows, whole=whole, results=_PRESENT_RESULTS)

    def since(self, start: int, *, whole: bool) -> Present | None:
        """The share that arrives in windows from `start` on: the one in which results came back was not full."""
        windows = [one for one in reversed(self.windows) if one.start >= start]
        return self._share(windows, whole=whole, results=None)

    @staticmethod
    def _share(windows: Collection[FlowWindow], *, whole: bool, results: int | None) -> Present | None:
        came = due = 0.0
        for many, window in enumerate(windows):
            if results is not None and many >= _PRESENT_WINDOWS and due >= results:
                break
            came += window.came if whole else window.own_came
            due += window.due if whole else window.own_due
        return Present(min(1.0, came / due), 1.0, round(due)) if due > 0.0 else None
