"""How long the broker may hold a fetch, and for how many bytes: the beat in which a live worker reads.

A window closes once a minute, and what closes it is a tick that this worker has written itself. So results may lie
until the next beat, when they are fetched together, for all partitions at once; and when ticks that may close a window
have been written, one fetch asks for them with a single byte. A replay's ticks come from a file at any time: it asks
with a byte always.

Plain numbers, written in the event loop and read in the consumer's thread. Knows no Kafka and no Faust.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

#: A fetch that finds nothing is held so long where nobody knows when something will come.
PROMPT_SECONDS: Final = 0.05
#: So much ends a fetch before the beat. No partition gives more than 1 MiB at once: more could be waited for in vain.
_ENOUGH_BYTES: Final = 512 * 1024
# While ticks are on their way: none of them can be waited for before all are there.
_TICKS_WAIT_SECONDS: Final = 0.005
# Fetches that were sent before the ticks were there come back within this.
_TICKS_PROMPT_SECONDS: Final = 0.015
# A beat that is so near is left out, as a share of it: the broker's timers are not ours.
_NEAR: Final = 0.1
# What is fetched at a beat has been handed to all partitions by then: so many seconds, or such a share of the beat.
_HANDED_SECONDS: Final = 0.03
_HANDED_SHARE: Final = 0.05
# A chunk costs the same however little is in it: so many partitions are read at the beat that was asked for, more of
# them at one that is as much longer, up to so many times.
_PARTITIONS_A_BEAT: Final = 24
_LONGER_MAX: Final = 5.0


class Hold(NamedTuple):
    """The broker answers after `seconds`, or once it has so many bytes."""

    seconds: float
    least_bytes: int


PROMPT: Final = Hold(PROMPT_SECONDS, 1)


class Pace:
    """When a worker reads.

    Parameters
    ----------
    beat_seconds
        From one beat to the next with few partitions; 0: there is none, and everything is read at once.

    Attributes
    ----------
    beat_seconds
        From one beat to the next.
    """

    def __init__(self, beat_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.beat_seconds = self._least_seconds = beat_seconds
        self._clock = clock
        self._ticks_due: float | None = None
        self._ticks_there = False
        self._prompt_until = 0.0

    def share(self, partitions: int) -> None:
        """Note how many partitions are read at a beat."""
        self.beat_seconds = self._least_seconds * min(_LONGER_MAX, max(1.0, partitions / _PARTITIONS_A_BEAT))

    def next_taking(self) -> float:
        """Return the next moment at which all partitions have what was fetched at a beat, by the monotonic clock.

        Taken by all of them at once, their checkpoints share a request.
        """
        now, beat = self._clock(), self.beat_seconds
        if not beat:
            return now + PROMPT_SECONDS
        handed = max(_HANDED_SECONDS, _HANDED_SHARE * beat)
        moment = now // beat * beat + handed
        return moment if now < moment else moment + beat

    def next_beat(self) -> float:
        """Return the moment of the next beat, by the monotonic clock."""
        now, beat = self._clock(), self.beat_seconds
        following = (now // beat + 1) * beat if beat else now
        return following if following - now >= _NEAR * beat else following + beat

    def ticks_due(self, moment: float | None) -> None:
        """Note when this worker will write the next ticks that may decide something; None: not soon."""
        self._ticks_due = moment

    def ticks_written(self) -> None:
        """Note that ticks which may decide something are there to be read."""
        self._ticks_there = True
        self._prompt_until = self._clock() + _TICKS_PROMPT_SECONDS

    def hold(self) -> Hold:
        """Return how a fetch that is sent now may be held."""
        now = self._clock()
        if not self.beat_seconds or self._ticks_there or now < self._prompt_until:
            return PROMPT
        wait = self.next_beat() - now
        if self._ticks_due is not None:
            wait = min(wait, max(_TICKS_WAIT_SECONDS, self._ticks_due - now))
        return Hold(wait, _ENOUGH_BYTES)

    def sent(self) -> None:
        """Note that a fetch was sent as `hold` said."""
        self._ticks_there = False
