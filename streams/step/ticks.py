"""Time for a log that has none: ticks derived from the results' own times.

What a live worker gets from its clock, a file has to bring along. A row whose clock is broken is judged by the others'
time, and does not push it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from detectors.settings import TimeSettings
from producers.records import Decoded, ProbeResult, Tick

TICK_SECONDS: Final = 5
#: A row further ahead than this of all but one of the rows that follow it has a broken clock: it is judged by the
#: clock, and does not push it.
AHEAD: Final = timedelta(hours=1)
#: With nothing after it, a row can't be told from a jump; this much is believed.
AHEAD_AT_END: Final = timedelta(days=1)
LOOK: Final = 5

T = TypeVar("T")


def with_ticks(records: Iterator[Decoded], time: TimeSettings) -> Iterator[Decoded]:
    """Put a tick before the first row of every five seconds, and close the last window at the end."""
    step = timedelta(seconds=TICK_SECONDS)
    clock: datetime | None = None
    newest: datetime | None = None
    queue: deque[Decoded] = deque(take(records, LOOK + 1))
    while queue:
        record = queue.popleft()
        queue.extend(take(records, LOOK + 1 - len(queue)))
        if isinstance(record, ProbeResult) and _believable(record, queue, newest):
            newest = record.time if newest is None else max(newest, record.time)
            if clock is None or newest >= clock + step:
                clock = newest
                yield Tick(time=clock)
        yield record
    if newest is not None:
        window = time.window_seconds
        end = (int(newest.timestamp()) // window + 1) * window + time.lateness_seconds
        yield Tick(time=datetime.fromtimestamp(end, UTC))


def _believable(record: ProbeResult, following: Iterable[Decoded], newest: datetime | None) -> bool:
    if newest is not None and record.time <= newest + AHEAD:
        return True
    times = [other.time for other in following if isinstance(other, ProbeResult)]
    if not times:
        return newest is None or record.time <= newest + AHEAD_AT_END
    supporting = sum(time >= record.time - AHEAD for time in times)
    return supporting >= min(2, len(times))


def take(records: Iterator[T], n: int) -> list[T]:
    """The next `n` of them, or what is left."""
    taken: list[T] = []
    if n <= 0:
        return taken
    for record in records:
        taken.append(record)
        if len(taken) >= n:
            break
    return taken
