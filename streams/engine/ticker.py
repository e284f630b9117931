"""Writes the time into the source topics: the clock of all that is decided. Knows nothing of what is decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import TP
from prometheus_client import Counter

from producers.records import Tick, encode
from streams.engine.surroundings import Surroundings
from streams.kafka.client import connect, disconnect
from streams.settings import Settings
from streams.waiting import may_close

_ACKNOWLEDGE_SECONDS: Final = 15.0
_MINUTE: Final = 60.0
# The broker's clock may be behind by this, and the tick is still on the right side of the full minute.
_AFTER_SECONDS: Final = 0.02


class Ticker:
    """Writes one tick every `worker.tick_seconds` into each of the partitions.

    Parameters
    ----------
    partitions
        Returns the partitions that are to get one.
    failures
        Counts the ticks that could not be written.
    around
        Its pace is told when ticks that may close a window are due and when they are there, its presence whether the
        broker took them.
    """

    def __init__(
        self,
        settings: Settings,
        partitions: Callable[[], Sequence[TP]],
        failures: Counter,
        around: Surroundings,
    ) -> None:
        self._settings = settings
        self._pace, self._presence = around.pace, around.presence
        self._partitions = partitions
        self._failures = failures
        self._producer: AIOKafkaProducer | None = None

    async def run(self) -> None:
        """Tick until it is cancelled. In a replay it does nothing: the file has its own ticks."""
        if self._settings.worker.clock != "live":
            return
        try:
            while True:
                now = time.time()
                seconds = _until_next(self._settings.worker.tick_seconds, now)
                deciding = _next_that_decides(now + seconds, self._settings)
                self._pace.ticks_due(None if deciding is None else time.monotonic() + deciding - now)
                await asyncio.sleep(seconds)
                await self.tick(decides=deciding == now + seconds)
        finally:
            await self._drop_producer()

    async def tick(self, *, decides: bool = True) -> None:
        """Write one tick into each partition now. What fails is counted, and written by no later one.

        `decides`: it may close a window.
        """
        partitions = self._partitions()
        if not partitions:
            return
        try:
            with self._presence.asking():
                if self._producer is None:
                    self._producer = await connect(self._settings.kafka)
                async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
                    await _write(self._producer, partitions)
            if decides:
                self._pace.ticks_written()
        except (KafkaError, OSError):  # TimeoutError is an OSError
            self._failures.inc()
            await self._drop_producer()

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await disconnect(producer)


def _until_next(tick_seconds: float, now: float) -> float:
    """Return the seconds to the next tick: just after the full minute, and every `tick_seconds` from there.

    Windows close at full minutes and halves of them: so they close at once, and not up to a tick later.
    """
    if tick_seconds > _MINUTE:
        return tick_seconds
    return tick_seconds - (now - _AFTER_SECONDS) % tick_seconds


def _next_that_decides(first: float, settings: Settings) -> float | None:
    """The first tick that may close a window, of the one at `first` and those that follow it within a minute."""
    every = settings.worker.tick_seconds
    following = (first + place * every for place in range(1 + int(_MINUTE / every)))
    return next((moment for moment in following if may_close(moment, settings)), None)


async def _write(producer: AIOKafkaProducer, partitions: Sequence[TP]) -> None:
    value = encode(Tick(time=datetime.now(UTC)))
    acknowledged = [await producer.send(tp.topic, value, partition=tp.partition) for tp in partitions]
    await asyncio.gather(*acknowledged)
