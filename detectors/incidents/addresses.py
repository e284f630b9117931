"""Which addresses of a platform an incident has taken, where it has not taken all of them.

A platform is watched by several targets. What fails on some of them alone, on the networks that the incident has, is
told as that. It needs evidence: those that fail and those that are well must differ by more than chance does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import log
from typing import Final

from detectors.incidents.loss import Loss
from detectors.incidents.votes import SILENT
from detectors.readings import CountryReading

#: Nats by which "some fail, the others do not" is likelier than "all fail alike".
_SURE: Final = 4.0
#: Of the share that the worst target has lost: from here on another one fails too, and up to here it is well.
_FAILS: Final = 0.5
_WELL: Final = 0.25
#: No target has lost anything that has lost less than this.
_LOST_MIN: Final = 0.1
#: A target that hardly ever answered has nothing to lose.
_USUAL_MIN: Final = 0.1
#: With fewer results than this a target is left out.
_RESULTS_MIN: Final = 2.0


def count_by_target(
    addresses: dict[str, Loss],
    platform: str,
    networks: Collection[int],
    reading: CountryReading,
    *,
    lasting: bool,
) -> None:
    """Count a window's results by target, over the networks that have lost the platform."""
    sums: dict[str, list[float]] = {}
    for asn in sorted(networks):
        for target, results in reading.addresses.get((platform, asn), {}).items():
            total = sums.setdefault(target, [0.0, 0.0, 0.0])
            for i, value in enumerate(results):
                total[i] += value
    for target, (n, k, due) in sorted(sums.items()):
        usual = due / n
        loss = addresses.get(target)
        if loss is None:
            loss = addresses[target] = Loss(reading.start, usual, usual, usual)
        loss.usual = usual
        loss.count(SILENT._replace(n=int(n), k=int(k), expected=usual), lasting=lasting)


def lost_targets(addresses: Mapping[str, Loss], dead: Collection[str], before: list[str]) -> list[str]:
    """Return the targets that fail while others of their platform are well; none where all fail alike.

    `dead` ones fail by themselves and have no say. Where it can't be told, what was said `before` stays.
    """
    shares = {
        target: max(0.0, 1.0 - loss.recent_k / (loss.recent_n * loss.usual))
        for target, loss in addresses.items()
        if target not in dead and loss.recent_n >= _RESULTS_MIN and loss.usual >= _USUAL_MIN
    }
    worst = max(shares.values(), default=0.0)
    if len(shares) < 2 or worst < _LOST_MIN:
        return before
    failing = sorted(target for target, share in shares.items() if share >= _FAILS * worst)
    well = [target for target, share in shares.items() if share <= _WELL * worst]
    if not well:
        return [] if len(failing) == len(shares) else before
    if len(failing) + len(well) < len(shares):
        return before
    return failing if _nats_apart(addresses, failing, well) >= _SURE + _looked(addresses) else before


def _looked(addresses: Mapping[str, Loss]) -> float:
    """The nats that chance has made by now, in as many looks at other results as there were since the loss."""
    recent = sum(loss.recent_n for loss in addresses.values())
    return log(max(1.0, sum(loss.bad_n for loss in addresses.values()) / recent))


def _nats_apart(addresses: Mapping[str, Loss], failing: Collection[str], well: Collection[str]) -> float:
    """How much likelier the results are where the two groups have lost different shares than where the same."""
    counts = []
    for group in (failing, well):
        due = sum(addresses[target].recent_n * addresses[target].usual for target in group)
        counts.append((min(due, sum(addresses[target].recent_k for target in group)), due))
    together = (counts[0][0] + counts[1][0], counts[0][1] + counts[1][1])
    return sum(_likelihood(*one) for one in counts) - _likelihood(*together)


def _likelihood(k: float, n: float) -> float:
    return sum(part * log(part / n) for part in (k, n - k) if part > 0)


def dead_targets(platform: str, reading: CountryReading) -> set[str]:
    """Return the targets of a platform that fail with their controls."""
    return {
        target for (name, target), standing in reading.targets.items() if name == platform and standing.dead
    }
