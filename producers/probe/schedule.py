"""When each target is asked: evenly over the interval, a little unevenly in each round, the same for the same seed.

`Timetable` is told the time and knows no clock; `run` waits. Neither knows what asking means.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from producers.probe.asked import AskedTarget

log = structlog.get_logger()


@dataclass(order=True, slots=True)
class _Entry:
    due_seconds: float
    index: int
    target: AskedTarget = field(compare=False)
    interval_seconds: float = field(compare=False)
    phase_seconds: float = field(compare=False)
    round: int = field(compare=False)
    chance: random.Random = field(compare=False)


class Timetable:
    """Due times of targets.

    Every target has its own phase within the interval, so that the targets of a vantage, and the vantages of a
    country, do not all ask at the same moment; and every round its own jitter, so that no filter can know the beat.
    The phase is kept: rounds do not drift.

    Parameters
    ----------
    targets
        What to ask.
    interval_seconds
        How often, for a target that says nothing else.
    jitter
        How far a round may be from its beat, as a share of the interval (0 to 0.5), to both sides.
    seed
        Same seed, same table.
    start_seconds
        The time at which it begins, on the caller's clock.

    Examples
    --------
    >>> from producers.probe.targets import Target
    >>> target = Target(platform="x", url="https://x.com/")
    >>> table = Timetable([target], interval_seconds=60, jitter=0.0, seed="a", start_seconds=0)
    >>> first = table.next_due
    >>> [due.platform for due in table.due(first)], round(table.next_due - first)
    (['x'], 60)
    """

    def __init__(
        self,
        targets: Sequence[AskedTarget],
        *,
        interval_seconds: float,
        jitter: float,
        seed: str,
        start_seconds: float,
    ) -> None:
        self._jitter = jitter
        self._start_seconds = start_seconds
        self._heap: list[_Entry] = []
        for index, target in enumerate(targets):
            interval = target.interval_seconds or interval_seconds
            digest = hashlib.blake2b(f"{seed}\0{target.name}".encode(), digest_size=8).digest()
            chance = random.Random(digest)  # noqa: S311  a beat, not a secret
            entry = _Entry(0.0, index, target, interval, chance.random() * interval, 0, chance)
            entry.due_seconds = self._beat(entry)
            self._heap.append(entry)
        heapq.heapify(self._heap)

    @property
    def next_due(self) -> float:
        """Return when the next target is due, or infinity if none is."""
        return self._heap[0].due_seconds if self._heap else math.inf

    def due(self, now_seconds: float) -> list[AskedTarget]:
        """The targets that are due by now, in their order. Rounds that were slept through are left out."""
        due = []
        while self._heap and self._heap[0].due_seconds <= now_seconds:
            entry = heapq.heappop(self._heap)
            due.append(entry.target)
            beats = (now_seconds - self._start_seconds - entry.phase_seconds) / entry.interval_seconds
            entry.round = max(entry.round, math.floor(beats))
            while entry.due_seconds <= now_seconds:
                entry.round += 1
                entry.due_seconds = self._beat(entry)
            heapq.heappush(self._heap, entry)
        return due

    def _beat(self, entry: _Entry) -> float:
        away = entry.chance.uniform(-self._jitter, self._jitter) * entry.interval_seconds
        return self._start_seconds + max(
            0.0, entry.phase_seconds + entry.round * entry.interval_seconds + away
        )


@dataclass(slots=True)
class ScheduleTotals:
    """What the schedule did."""

    started: int = 0
    in_flight: int = 0
    #: Due, but one of the same target was still under way.
    skipped_busy: int = 0
    #: Due, but as many as may be were under way.
    skipped_full: int = 0
    #: Ended by a bug, or by this machine's own trouble: no result came of them.
    broken: int = 0


async def run(
    timetable: Timetable,
    measure: Callable[[AskedTarget], Awaitable[None]],
    *,
    concurrency_max: int,
    per_target_max: int,
    stop: asyncio.Event,
    clock: Callable[[], float],
    tally: ScheduleTotals,
) -> None:
    """Measure each target when it is due, until `stop`; then wait for what is under way.

    A target that can't be asked when it is due, because of the limits, is left out of that round and counted: asked
    late, it would tell of another minute.
    """
    under_way: set[asyncio.Task[None]] = set()
    of_target: Counter[str] = Counter()

    async def one(target: AskedTarget) -> None:
        try:
            await measure(target)
        except Exception:
            tally.broken += 1
            log.exception("an attempt was not measured", target=target.name)
        finally:
            of_target[target.name] -= 1
            tally.in_flight -= 1

    while not stop.is_set():
        for target in timetable.due(clock()):
            if of_target[target.name] >= per_target_max:
                tally.skipped_busy += 1
            elif tally.in_flight >= concurrency_max:
                tally.skipped_full += 1
            else:
                of_target[target.name] += 1
                tally.in_flight += 1
                tally.started += 1
                task = asyncio.create_task(one(target))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        await pause(stop, timetable.next_due - clock())
    if under_way:
        await asyncio.wait(under_way)


async def once(
    targets: Sequence[AskedTarget], measure: Callable[[AskedTarget], Awaitable[None]], *, concurrency_max: int
) -> None:
    """Measure each target one time, as many at once as may be."""
    slots = asyncio.Semaphore(concurrency_max)

    async def one(target: AskedTarget) -> None:
        async with slots:
            await measure(target)

    async with asyncio.TaskGroup() as group:
        for target in targets:
            group.create_task(one(target))


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until `stop`; whether it was that."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return stop.is_set()
    try:
        async with asyncio.timeout(None if math.isinf(seconds) else seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
