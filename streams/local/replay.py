"""Puts records with times of their own on the probes topic, at their own pace or a faster one, with ticks of their own.

For files, scenarios and demonstrations: a worker with `worker.clock = replay` then answers as it would have then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final

from producers.records import Decoded, Malformed, Tick
from streams.kafka.bulk import BulkSender
from streams.kafka.probes import outgoing

#: After so many records others get a turn, if there is no pace.
_CHECK_RECORDS: Final = 2000

#: Event seconds a second at a moment of event time; None for as fast as it goes.
Speed = Callable[[datetime], float | None]


class ReplayPace:
    """Works out how long to wait before the record of some moment may go out.

    Parameters
    ----------
    speed
        Event seconds a second.
    now, sleep
        The clock that passes, and how to wait on it.
    """

    def __init__(
        self,
        speed: Speed,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._speed = speed
        self._now = now
        self._sleep = sleep
        self._last: datetime | None = None
        self._due = now()

    def until(self, moment: datetime) -> float:
        """Return the seconds to wait, 0 or less if it is due."""
        if self._last is None:
            self._last = moment
        ahead = (moment - self._last).total_seconds()
        speed = self._speed(moment)
        if speed is None:
            self._due = max(self._due, self._now())
        elif ahead > 0:
            self._due += ahead / speed
        self._last = max(self._last, moment)
        return self._due - self._now()

    async def wait(self, seconds: float) -> None:
        """Wait so many seconds, by the clock that was handed in."""
        await self._sleep(seconds)


async def replay(
    records: Iterable[Decoded],
    sender: BulkSender,
    pace: ReplayPace,
    *,
    passed: Callable[[datetime], Awaitable[None]] | None = None,
) -> list[Malformed]:
    """Send records in their order as they fall due. Return those that are malformed.

    `passed` is told the event time now and then, and may take its time: what came before it has been sent.
    """
    refused: list[Malformed] = []
    count = 0
    for record in records:
        if isinstance(record, Malformed):
            refused.append(record)
            continue
        if isinstance(record, Tick):
            seconds = pace.until(record.time)
            if seconds > 0.02:
                await sender.flush()
                if passed is not None:
                    await passed(record.time)
                await pace.wait(seconds)
        await sender.send(outgoing((record,), sender.partitions))
        count += 1
        if count % _CHECK_RECORDS == 0:
            await sender.flush()
            if passed is not None:
                await passed(record.time)
    await sender.flush()
    return refused
