"""Withdrawing a loss of connectivity whose results come after all: the path to us was away, and not the country.

What a vantage measured while nothing was heard of its network waits in its spool. When it comes, it is too late to be
counted in its windows. But it says how the network was: results that succeed, in most of the windows that were told as
dark, were measured by somebody who was online. Results that fail say nothing here: a vantage in a shutdown goes on
measuring, and its spool is full of failures.

One network has one vote, and most of those that were lost have to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from detectors.incidents.loss import Loss
from detectors.readings import CountryReading, Volume

#: A window is well in which this share of what usually succeeds has succeeded.
WELL_SHARE: Final = 0.5
#: A network was well that was well in this share of the windows in which results were due.
WINDOWS_SHARE: Final = 0.5
#: So many windows of a silence are remembered, from its begin on: what is older than the topic's week can't come.
WINDOWS_MAX: Final = 10_080
#: Why such an incident is retracted, as its record says it.
REASON: Final = "its results have come since: the path to us was away"


class Spooled(msgspec.Struct):
    """Which windows of a network's silence were well by what came too late: a bit each, from `begin` on."""

    begin: int
    windows: bytes = b""

    def take(self, starts: Mapping[int, tuple[int, int]], usual: float, window_seconds: int) -> None:
        """Note the windows in which enough results succeeded; `starts` has (good, all) by the start of a window."""
        bits = int.from_bytes(self.windows, "little")
        for start, (good, n) in starts.items():
            place = (start - self.begin) // window_seconds
            if 0 <= place < WINDOWS_MAX and good and good >= WELL_SHARE * usual * n:
                bits |= 1 << place
        self.windows = bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def count(self, until: int, window_seconds: int) -> int:
        """How many windows before a moment were well."""
        places = max(0, (until - self.begin) // window_seconds)
        return (int.from_bytes(self.windows, "little") & ((1 << places) - 1)).bit_count()


def take_late(
    spooled: dict[int, Spooled],
    of_regions: dict[str, Spooled],
    losses: Mapping[tuple[str, int, str], Loss],
    reading: CountryReading,
) -> bool:
    """Take in what came too late of networks and regions that a loss of connectivity took.

    Says whether any of it was of them. `spooled` is by network, `of_regions` by region.
    """
    window_seconds, taken = reading.end - reading.start, False
    for asn, starts in sorted(reading.late.items()):
        loss = losses.get(("", asn, ""))
        if loss is None:
            continue
        expected = [standing.expected for (_, a), standing in reading.networks.items() if a == asn]
        spooled.setdefault(asn, Spooled(loss.onset)).take(starts, _mean(expected), window_seconds)
        taken = True
    for region, starts in sorted(reading.late_regions.items()):
        loss = losses.get(("", 0, region))
        if loss is None:
            continue
        expected = [standing.expected for (_, r), standing in reading.regions.items() if r == region]
        of_regions.setdefault(region, Spooled(loss.onset)).take(starts, _mean(expected), window_seconds)
        taken = True
    return taken


def _mean(ratios: Sequence[float]) -> float:
    """Return the mean of some ratios; where there are none, all is as it should be."""
    return sum(ratios) / len(ratios) if ratios else 1.0


def was_online(
    spooled: Mapping[int, Spooled],
    of_regions: Mapping[str, Spooled],
    losses: Mapping[tuple[str, int, str], Loss],
    reading: CountryReading,
) -> bool:
    """Whether most networks and regions of a loss of connectivity were online in it, by what has come since."""
    window_seconds = reading.end - reading.start
    units = {(asn, region) for _, asn, region in losses}
    online = 0
    kept: list[tuple[tuple[int, str], Spooled, Volume | None]] = [
        *(((asn, ""), of_it, reading.volumes.get(asn)) for asn, of_it in spooled.items()),
        *(((0, region), of_it, reading.region_volumes.get(region)) for region, of_it in of_regions.items()),
    ]
    for unit, of_it, volume in kept:
        loss = losses.get(("", *unit))
        if loss is None:
            continue
        until = reading.start if loss.good_since is None else loss.good_since
        often = 1.0 if volume is None else min(1.0, volume.usual)
        due = often * (until - of_it.begin) / window_seconds
        online += of_it.count(until, window_seconds) >= max(1.0, WINDOWS_SHARE * due)
    return 2 * online > len(units)
