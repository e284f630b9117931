"""Whether the loss of one network is over before anything was told of it: its last windows tell.

A detector's alarm outlasts its loss, and one failure by chance can raise it again a quarter of an hour later. Nothing
here remembers anything.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.incidents.causes import Cause
from detectors.incidents.lines import likelihoods, share_lost
from detectors.incidents.snapshots import Kind
from detectors.readings import CountryReading

#: By so many nats the last windows must look more like the usual than like the loss.
OVER_NATS: Final = 3.0


def is_well_again(cause: Cause, reading: CountryReading) -> bool:
    """Whether the last windows of one network, however many of those remembered, speak for its usual level.

    They are held against what was lost since the onset. False where a cause is of several networks or of regions, of
    slowness or silence, or where no windows are remembered.
    """
    networks = {asn for asn, region in cause.units if not region}
    if cause.kind is not Kind.PLATFORM or cause.is_slow or len(cause.units) != 1 or not networks:
        return False
    of_parts = []
    for part, part_vote in cause.parts.items():
        past = reading.past.get((part.platform, part.asn))
        standing = reading.networks.get((part.platform, part.asn))
        if past is None or standing is None or part_vote.onset is None:
            return False
        since = max(1, (reading.end - part_vote.onset) // (reading.end - reading.start))
        windows = past[-since:]
        share = max(share_lost([windows]), standing.short / standing.expected)
        of_parts.append(-likelihoods(windows, share)[::-1])
    back_in_time = np.zeros(max(map(len, of_parts)))
    for of_part in of_parts:
        back_in_time[: len(of_part)] += of_part
    return bool(back_in_time.cumsum().max() >= OVER_NATS)
