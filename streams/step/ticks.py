"""Time for a log that has none: ticks derived from the results' own times.

What a live worker gets from its broker, a file has to bring along. One wrong clock among them moves nothing: a result
pushes the time only where enough of those that follow, of other vantages where there are any, are not left behind
by it. A result whose clock is wrong is then judged by the others' time, and refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median_low
from typing import Final, TypeVar

from detectors.settings import TimeSettings
from producers.records import Decoded, ProbeResult, Tick

#: How far the time moves from tick to tick, at least.
TICK_SECONDS: Final = 5
#: Results that are looked at ahead of one that would push the time.
LOOK: Final = 48
#: No vantage has more say than so many of them.
LOOK_VANTAGE: Final = 3
#: A clock this far from the middle one is wrong: a minute's results may stand in any order.
APART: Final = timedelta(seconds=120)
#: A small step is looked at less closely, so many results ahead, if the whole look was taken not long before.
LOOK_SMALL: Final = 12
SMALL: Final = timedelta(seconds=30)
LOOKED: Final = timedelta(seconds=60)
#: Steps of the time that are remembered: nothing follows the last results of a file, and what such a file's steps
#: usually are is believed of them.
STEPS: Final = 8

T = TypeVar("T")


def with_ticks(records: Iterator[Decoded], time: TimeSettings) -> Iterator[Decoded]:
    """Put a tick before a result that moves the time by five seconds or more, and close the last window at the end."""
    clock = _Clock(timedelta(seconds=time.lateness_seconds))
    queue: deque[Decoded] = deque(take(records, LOOK + 1))
    step = timedelta(seconds=TICK_SECONDS)
    while queue:
        record = queue.popleft()
        queue.extend(take(records, LOOK + 1 - len(queue)))
        if isinstance(record, ProbeResult):
            now = clock.now
            if now is None or record.time >= now + step:
                clock.push(record, queue)
                if clock.now is not None and clock.now != now:
                    yield Tick(time=clock.now)
            elif record.time > clock.newest:
                clock.newest = record.time
        yield record
    if clock.now is not None:
        window = time.window_seconds
        end = (int(clock.newest.timestamp()) // window + 1) * window + time.lateness_seconds
        yield Tick(time=datetime.fromtimestamp(end, UTC))


class _Clock:
    """The time that the results agree on, None before any did."""

    def __init__(self, lateness: timedelta) -> None:
        self.now: datetime | None = None
        self.newest = datetime.min.replace(tzinfo=UTC)  # of the results that were believed
        self._lateness = lateness
        self._steps: deque[timedelta] = deque(maxlen=STEPS)
        self._looked = self.newest  # the time of the last whole look

    def push(self, record: ProbeResult, following: Iterable[Decoded]) -> None:
        """Move the time as far towards a result's as leaves none of those behind that follow and agree."""
        now, moved = self.now, record.time
        if now is not None and moved <= now + SMALL and moved <= self._looked + LOOKED:
            times = _times(following, now - APART)
        else:
            times = _times_of_others(record, following)
            if times:
                middle = median_low(times)
                if moved > middle + APART:
                    return
                times = [time for time in times if time >= middle - APART]
            elif now is not None and moved - now > max((*self._steps, APART)):
                return
            self._looked = moved
        if times:
            moved = min(moved, min(times) + self._lateness)
        if now is not None:
            if moved <= now:
                return
            self._steps.append(moved - now)
        self.now = moved
        self.newest = max(self.newest, moved)


def _times(following: Iterable[Decoded], least: datetime) -> list[datetime]:
    """The times of the results that follow next, without those long past."""
    times = (record.time for record in islice(following, LOOK_SMALL) if isinstance(record, ProbeResult))
    return [time for time in times if time >= least]


def _times_of_others(record: ProbeResult, following: Iterable[Decoded]) -> list[datetime]:
    """The times of the results that follow: of other vantages where there are any, of the same one where not."""
    others: list[datetime] = []
    own: list[datetime] = []
    says: dict[tuple[str, int, str], int] = {}
    whose = (record.vantage, record.asn, record.country)
    for other in islice(following, LOOK):
        if not isinstance(other, ProbeResult):
            continue
        vantage = (other.vantage, other.asn, other.country)
        if vantage == whose:
            own.append(other.time)
            continue
        count = says[vantage] = says.get(vantage, 0) + 1
        if count <= LOOK_VANTAGE:
            others.append(other.time)
    return others or own


def take(records: Iterator[T], n: int) -> list[T]:
    """The next `n` of them, or what is left."""
    return list(islice(records, n)) if n > 0 else []
