"""Time for a log that has none: ticks derived from the results' own times.

What a live worker gets from its broker, a file has to bring along. One wrong clock among them moves nothing: a result
pushes the time only where enough of those that follow, of other vantages where there are any, are not left behind
by it. A result whose clock is wrong is then judged by the others' time, and refused. Nor do few hold it back: what most
vantages report is never too far ahead of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median_low
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.readings import MonitorKey
from detectors.settings import TimeSettings
from producers.records import Decoded, ProbeResult, Tick, encode
from streams.step.rows import RowReader

#: How far the time moves from tick to tick, at least.
TICK_SECONDS: Final = 5
TICK_MS: Final = TICK_SECONDS * 1000
#: Results that are looked at ahead of one that would push the time.
LOOK: Final = 48
#: No vantage has more say than so many of them.
LOOK_VANTAGE: Final = 3
#: A clock this far from the middle one is wrong: a minute's results may stand in any order.
APART_MS: Final = 120_000
#: A small step is looked at less closely, so many results ahead, if the whole look was taken not long before.
LOOK_SMALL: Final = 12
SMALL_MS: Final = 30_000
LOOKED_MS: Final = 60_000
#: Steps of the time that are remembered: nothing follows the last results of a file, and what such a file's steps
#: usually are is believed of them.
STEPS: Final = 8

#: Lines that are read in one go.
PIECE: Final = 1000
_NEVER: Final = -(2**62)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

T = TypeVar("T")
#: When a result's attempt began, milliseconds since 1970, and whose it is; None: a record that is no result.
Sighting = tuple[int, Hashable] | None


def with_ticks(records: Iterator[Decoded], time: TimeSettings) -> Iterator[Decoded]:
    """Put a tick before a result that moves the time by five seconds or more, and close the last window at the end.

    The first tick also comes before what vantages said of themselves ahead of the first result.
    """
    clock = _Clock(time)
    queue: deque[Decoded] = deque(take(records, LOOK + 1))
    begun: list[Decoded] = []
    while queue:
        record = queue.popleft()
        queue.extend(take(records, LOOK + 1 - len(queue)))
        sighting = _sighting(record)
        if sighting is not None:
            if not clock.is_due(sighting[0]):
                clock.newest = max(clock.newest, sighting[0])
            elif clock.push(sighting, [_sighting(other) for other in islice(queue, LOOK)]):
                yield _tick(clock.now)
        begun.append(record)
        if clock.now > _NEVER or sighting is not None or len(begun) == PIECE:
            yield from begun
            begun.clear()
    yield from begun
    if clock.now > _NEVER:
        yield _tick(_last_tick(clock.newest, time))


def lines_with_ticks(lines: Iterator[bytes], time: TimeSettings) -> Iterator[bytes]:
    """Yield the lines of a file with the ticks that are due between them. Compiled code reads the usual results."""
    clock, ahead = _Clock(time), _Ahead(lines)
    piece, following = ahead.next(), ahead.next()
    while piece.lines:
        times = np.concatenate((piece.times, following.times[:LOOK]))
        whose = [*piece.whose, *following.whose[:LOOK]]
        size, begin = len(piece.lines), 0
        # Ticks come every few lines: what each looks at is worked out once for all of them.
        highest = np.maximum.accumulate(times[:size]).tolist()
        earliest = _earliest_soon(times)[:size].tolist()
        moments = times.tolist()
        while (place := clock.next_due(moments, highest, begin)) < size:
            begun = clock.now > _NEVER
            if begun:
                yield from piece.lines[begin:place]
            moved = clock.step(moments[place], earliest[place])
            if moved is None:
                ahead_of = slice(place + 1, place + 1 + LOOK)
                moved = clock.push(
                    (moments[place], whose[place]), _sightings(moments[ahead_of], whose[ahead_of])
                )
            if moved:
                yield encode(_tick(clock.now))
            # What a vantage says of itself ahead of the first result is for the first tick too.
            yield from piece.lines[place if begun else begin : place + 1]
            begin = place + 1
        yield from piece.lines[begin:]
        piece, following = following, ahead.next()
    if clock.now > _NEVER:
        yield encode(_tick(_last_tick(clock.newest, time)))


def _earliest_soon(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """The earliest time of the next `LOOK_SMALL` lines after each; _NEVER where one of them is no result or missing."""
    following = np.concatenate((times[1:], np.full(LOOK_SMALL, _NEVER)))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(following, LOOK_SMALL).min(axis=1))


def _sightings(moments: Sequence[int], whose: Sequence[int]) -> list[Sighting]:
    return [(moment, who) if moment > _NEVER else None for moment, who in zip(moments, whose, strict=True)]


class _Piece(NamedTuple):
    """Some lines, when the attempt of each began (_NEVER: it is no result), and the number of its vantage."""

    lines: Sequence[bytes]
    times: NDArray[np.int64]
    whose: Sequence[int]


class _Ahead:
    """Reads lines for the sake of their times, piece by piece."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._reader = RowReader()
        self._vantages: dict[tuple[str, int, str], int] = {}
        self._of_monitor = np.empty(0, dtype=np.int64)

    def next(self) -> _Piece:
        """The next piece; an empty one at the end."""
        lines = take(self._lines, PIECE)
        block = self._reader.read(lines)
        monitor = block.monitor
        if block.new_monitors:
            number = self._reader.learn(block.new_monitors)
            self._of_monitor = np.concatenate((self._of_monitor, self._number(block.new_monitors)))
            monitor, new = monitor.copy(), monitor < 0
            monitor[new] = number[-1 - monitor[new]]
        results = np.ones(len(lines), dtype=np.bool_)
        results[[place for place, _ in block.others]] = False
        times = np.full(len(lines), _NEVER, dtype=np.int64)
        times[results] = block.time_ms
        whose = np.full(len(lines), -1, dtype=np.int64)
        whose[results] = self._of_monitor[monitor]
        return _Piece(lines, times, whose.tolist())

    def _number(self, monitors: Sequence[MonitorKey]) -> list[int]:
        """The numbers of the vantages of some monitors."""
        vantages = self._vantages
        return [vantages.setdefault((one.vantage, one.asn, one.country), len(vantages)) for one in monitors]


def _sighting(record: Decoded) -> Sighting:
    if not isinstance(record, ProbeResult):
        return None
    return (record.time - _EPOCH) // _MILLISECOND, (record.vantage, record.asn, record.country)


def _tick(now_ms: int) -> Tick:
    return Tick(time=_EPOCH + now_ms * _MILLISECOND)


def _last_tick(newest_ms: int, time: TimeSettings) -> int:
    """When the window of the newest result that was believed is over."""
    window_ms = time.window_seconds * 1000
    return (newest_ms // window_ms + 1) * window_ms + time.lateness_seconds * 1000


class _Clock:
    """The time that the results agree on, milliseconds since 1970; _NEVER before any did."""

    def __init__(self, time: TimeSettings) -> None:
        self.now = self.newest = _NEVER  # `newest` of the results that were believed
        self._lateness_ms = time.lateness_seconds * 1000
        self._ahead_ms = time.ahead_seconds * 1000
        self._steps: deque[int] = deque(maxlen=STEPS)
        self._looked = _NEVER  # the time of the last whole look

    def is_due(self, moment: int) -> bool:
        """Whether a result of that time would push the time."""
        return moment >= self.now + TICK_MS

    def next_due(self, moments: Sequence[int], highest: Sequence[int], begin: int) -> int:
        """The place of the next result that would push the time, the first place looked at being `begin`.

        The number of `highest` where none would. Results before it are believed. `highest` is the latest of the
        moments up to each.
        """
        least, size = self.now + TICK_MS, len(highest)
        if begin and highest[begin - 1] >= least:  # a clock that is wrong hides those behind it
            place = next((i for i in range(begin, size) if moments[i] >= least), size)
        else:
            place = bisect_left(highest, least, begin)
        if place > begin:
            self.newest = max(self.newest, *moments[begin:place])
        return place

    def _is_small(self, moved: int) -> bool:
        """Whether a step to that time is looked at less closely."""
        return self.now > _NEVER and moved <= self.now + SMALL_MS and moved <= self._looked + LOOKED_MS

    def step(self, moved: int, earliest: int) -> bool | None:
        """What `push` does where a small step leaves none of the next results behind; else None, and nothing is done.

        `earliest` is the earliest time of these.
        """
        if earliest + self._lateness_ms >= moved and self._is_small(moved):
            return self._move(moved)
        return None

    def push(self, sighting: tuple[int, Hashable], following: Sequence[Sighting]) -> bool:
        """Move the time as far towards a result's as leaves none of those behind that follow and agree.

        Says whether that moved it.
        """
        now, moved = self.now, sighting[0]
        if self._is_small(moved):
            soon = [seen[0] for seen in following[:LOOK_SMALL] if seen is not None]
            if soon and min(soon) + self._lateness_ms >= moved:
                return self._move(moved)  # none of them is left behind
            times = [time for time in soon if time >= now - APART_MS]
            if times and min(times) + self._lateness_ms < moved:
                times = self._not_far_behind(times, moved, *_times_of_others(sighting, following))
        else:
            others, own = _times_of_others(sighting, following)
            times = others or own
            if times:
                middle = median_low(times)
                if moved > middle + APART_MS:
                    return False
                times = [time for time in times if time >= middle - APART_MS]
                times = self._not_far_behind(times, moved, others, own)
            elif now > _NEVER and moved - now > max((*self._steps, APART_MS)):
                return False
            self._looked = moved
        return self._move(min(moved, min(times) + self._lateness_ms) if times else moved)

    def _move(self, moved: int) -> bool:
        """Move the time to that; not back. Says whether that moved it."""
        if self.now > _NEVER:
            if moved <= self.now:
                return False
            self._steps.append(moved - self.now)
        self.now = moved
        self.newest = max(self.newest, moved)
        return True

    def _not_far_behind(
        self, times: Sequence[int], moved: int, others: Sequence[int], own: Sequence[int]
    ) -> list[int]:
        """Those of some times that may hold the time back: else what most vantages report would lie ahead of it."""
        most = median_low([*others, *own[:LOOK_VANTAGE]])
        least = min(most, moved) - self._lateness_ms - self._ahead_ms
        return [time for time in times if time >= least]


def _times_of_others(
    sighting: tuple[int, Hashable], following: Sequence[Sighting]
) -> tuple[list[int], list[int]]:
    """Return the times of the results that follow: a few of each other vantage, and those of the same one."""
    others: list[int] = []
    own: list[int] = []
    says: dict[Hashable, int] = {}
    for other in following:
        if other is None:
            continue
        moment, whose = other
        if whose == sighting[1]:
            own.append(moment)
            continue
        count = says[whose] = says.get(whose, 0) + 1
        if count <= LOOK_VANTAGE:
            others.append(moment)
    return others, own


def take(records: Iterator[T], n: int) -> list[T]:
    """The next `n` of them, or what is left."""
    return list(islice(records, n)) if n > 0 else []
