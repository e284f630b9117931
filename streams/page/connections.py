"""Which connections have been open for too long: whoever sends half a request, or does not take the answer.

Opens and closes nothing: connections are handed in, and those that are to go come out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from typing import Final, TypeVar

C = TypeVar("C", bound=Hashable)

#: A request has to be whole after so long; an answer taken, or the next request begun, after so long.
ASK_SECONDS: Final = 10.0
TAKE_SECONDS: Final = 90.0


class Connections:
    """The connections of a server, each with when it asked last.

    Parameters
    ----------
    most
        Of more than these, the oldest that have not asked yet go first.
    clock
        Seconds that only go on.

    Examples
    --------
    >>> now = [0.0]
    >>> connections = Connections(most=100, clock=lambda: now[0])
    >>> connections.overdue(["half", "whole", "stream"])
    []
    >>> connections.asks("whole"); connections.waits("stream")
    >>> now[0] = 11.0
    >>> connections.overdue(["half", "whole", "stream"])
    ['half']
    >>> now[0] = 91.0
    >>> connections.overdue(["whole", "stream"])
    ['whole']
    """

    def __init__(self, *, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._until: dict[Hashable, float] = {}
        self._asked: set[Hashable] = set()

    def asks(self, one: Hashable) -> None:
        """A whole request has come over a connection."""
        self._asked.add(one)
        self._until[one] = self._clock() + TAKE_SECONDS

    def waits(self, one: Hashable) -> None:
        """A connection waits for changes: it may do so for ever, and has a deadline of its own for each."""
        self._asked.add(one)
        self._until[one] = math.inf

    def overdue(self, connections: Iterable[C]) -> list[C]:
        """Those of all that are open which have to go. What is not among them any more is forgotten."""
        now = self._clock()
        open_ones = list(connections)
        self._until = {one: self._until.get(one, now + ASK_SECONDS) for one in open_ones}
        self._asked.intersection_update(open_ones)
        gone = [one for one in open_ones if self._until[one] <= now]
        too_many = len(open_ones) - len(gone) - self._most
        if too_many > 0:
            silent = sorted(
                (one for one in open_ones if one not in self._asked and self._until[one] > now),
                key=lambda one: self._until[one],
            )
            gone += silent[:too_many]
        return gone
