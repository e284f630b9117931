"""Whether a throttle has become a block: what was slow hardly lets anything through any more.

A slow series fails as seldom as any other, so that its detector of failures alarms as late as for one that thins out;
and what it says of the speed is an old word once nothing comes through that has one. So the results themselves are
weighed, as those of a block that eases. Nothing here remembers anything: the evidence is in each `Loss`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from detectors.incidents.loss import Loss

#: Nats that most networks of a platform must have together, and that one must have which falls by itself.
TOGETHER: Final = 6.0
ALONE: Final = 9.0
#: It has lasted for so many windows: a glitch takes one or two, and a fresh block is told no sooner.
_WINDOWS: Final = 2

Key = tuple[str, int, str]


class Turn(NamedTuple):
    """Parts of one platform that have become a block, and the share of their attempts that succeed since."""

    parts: tuple[Key, ...]
    ratio: float


def turns(losses: Mapping[Key, Loss], end: int, window: int) -> list[Turn]:
    """Return which throttles have become blocks by this window, platform by platform.

    Most networks of a platform that have been heard since say so together, or one says so alone, for longer.
    """
    by_platform: dict[str, list[tuple[Key, Loss]]] = {}
    for key, loss in losses.items():
        if loss.back is None and (loss.slow or loss.cut > 0.0):
            by_platform.setdefault(key[0], []).append((key, loss))
    of_platforms = [_turn_of(parts, end, window) for parts in by_platform.values()]
    return [turn for turn in of_platforms if turn is not None]


def _turn_of(parts: Collection[tuple[Key, Loss]], end: int, window: int) -> Turn | None:
    blocked = [(key, loss) for key, loss in parts if loss.cut > 0.0]
    if all(loss.cut_at is not None for _, loss in blocked):
        return None
    since = min(loss.cut_since for _, loss in blocked)
    spoken = sum(loss.heard > since for _, loss in parts)
    most = 2 * len(blocked) > spoken and sum(loss.cut for _, loss in blocked) >= TOGETHER
    if end - since < _WINDOWS * window:
        return None
    fresh = [(key, loss) for key, loss in blocked if loss.cut_at is None and (most or loss.cut >= ALONE)]
    if not fresh:
        return None
    n = sum(loss.cut_n for _, loss in fresh)
    return Turn(tuple(key for key, _ in fresh), sum(loss.cut_k for _, loss in fresh) / n)
