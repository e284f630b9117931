"""Whether a region has lost a platform, or one network there, or one vantage: its other vantages and platforms tell.

Nothing here remembers anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from statistics import median
from typing import Final

from detectors.readings import CountryReading, SeatStanding

#: A vantage is well that falls short of its usual by less than this, over all its platforms: one failure each is more.
WELL_SHARE: Final = 0.05
#: Or by less than this part of what the worst of its network does.
WELL_PART: Final = 0.25
#: Vantages that fall short by half as much as the worst share its loss: one failure by chance is less.
_SHARES: Final = 0.5
#: The other platforms of a vantage fail alike that fall short by this part of what one of them does.
_ALIKE: Final = 0.25


def well_above(excesses: Iterable[float]) -> float:
    """The excess above which a vantage is well, of those that are compared."""
    return min(-WELL_SHARE, WELL_PART * min(excesses, default=0.0))


def is_of_one(
    platform: str, region: str, onset: int | None, lost: Collection[str], reading: CountryReading
) -> bool:
    """Whether what a region seems to have lost of a platform is the loss of one network, or of one vantage.

    Either one network's vantages alone fall short there, while those of others are well. Or one vantage alone falls
    far short, and so do its other platforms: its line is bad. `lost` are the platforms that the region seems to have
    lost. What came since the `onset` counts.
    """
    since = onset if onset is not None else reading.start
    seats = [
        (asn, seat) for asn, of_network in reading.seats.items() for seat in of_network if seat.last >= since
    ]
    of_platform = [(asn, seat) for asn, seat in seats if seat.platform == platform]
    here = [(asn, seat) for asn, seat in of_platform if seat.region == region]
    bar = well_above(seat.excess for _, seat in here)
    bad = [asn for asn, seat in here if seat.excess <= bar]
    if len(set(bad)) == 1 and len({asn for asn, _ in here}) > 1:
        # Several of its vantages that fall short here, and none elsewhere, are the region's after all.
        elsewhere = [seat for asn, seat in of_platform if asn == bad[0] and seat.region != region]
        if len(bad) == 1 or any(seat.excess <= bar for seat in elsewhere):
            return True
    return _is_of_one_line([seat for _, seat in here], [seat for _, seat in seats], lost)


def _is_of_one_line(
    here: Collection[SeatStanding], seats: Collection[SeatStanding], lost: Collection[str]
) -> bool:
    worst = min((seat.excess for seat in here), default=0.0)
    far = [seat for seat in here if seat.excess <= _SHARES * worst]
    if worst > -WELL_SHARE or len(far) != 1:
        return False
    of_vantage = [seat for seat in seats if seat.vantage == far[0].vantage]
    others = [seat.excess for seat in of_vantage if seat.platform not in lost]
    if not others:
        return len(of_vantage) > 1  # all that it asks seems lost
    return median(others) <= min(-WELL_SHARE, _ALIKE * worst)
