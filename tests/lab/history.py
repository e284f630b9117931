"""The warm state: what a worker keeps that has seen one real round again and again, put where a new one looks."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from producers.records import ProbeResult, encode
from streams.engine.checkpoint import CheckpointLog, split
from streams.incidents import DETECTOR_VERSION
from streams.kafka.client import TopicReader, disconnect, producer
from streams.machine import Chunk
from streams.release import release
from streams.settings import Settings, fingerprint
from streams.step.country import CountryMachine

HISTORY_WINDOWS: Final = 360
#: Times scatter so (the standard deviation of their logarithm): all countries run on one machine.
_SCATTER: Final = 0.8
#: From a result's time to the broker's.
_ON_ITS_WAY_MS: Final = 50


class Warm:
    """A worker's machine that is fed a real round again and again, with its measured times.

    Parameters
    ----------
    settings
        The worker's.
    measured
        One result of each target and vantage.
    rhythm_seconds
        How often each target is asked.
    window_seconds
        How long a window lasts: it begins so many of them before the first state that is asked for.
    """

    def __init__(
        self,
        settings: Settings,
        measured: Sequence[ProbeResult],
        *,
        rhythm_seconds: float,
        window_seconds: float,
    ) -> None:
        self._machine = CountryMachine(settings)
        self._topic = settings.topics.probes
        self._dice = random.Random(1)
        # No vantage asks all of its targets at one moment.
        self._measured = self._dice.sample(list(measured), len(measured))
        self._rhythm_seconds = rhythm_seconds
        self._before = timedelta(seconds=HISTORY_WINDOWS * window_seconds)
        self._begin: datetime | None = None
        self._number = 0

    def until(self, end: datetime) -> bytes:
        """The state of a worker that has seen nothing else until `end`: it goes on from the state before."""
        self._begin = self._begin or end - self._before
        step = timedelta(seconds=self._rhythm_seconds / len(self._measured))
        last = int((end - self._begin) / step)
        while self._number < last:
            following = min(last, self._number + len(self._measured))
            numbers = range(self._number, following)
            results = [self._again(number, self._begin + number * step) for number in numbers]
            self._machine.apply(
                self._machine.read(
                    Chunk(
                        self._topic,
                        0,
                        list(numbers),
                        [encode(result) for result in results],
                        [int(result.time.timestamp() * 1000) + _ON_ITS_WAY_MS for result in results],
                        [result.country.encode() for result in results],
                    )
                )
            )
            self._number = following
        return self._machine.snapshot()

    def _again(self, number: int, moment: datetime) -> ProbeResult:
        result = self._measured[number % len(self._measured)]
        return msgspec.structs.replace(
            result,
            id=f"h{number}",
            time=moment.astimezone(UTC),
            every_seconds=self._rhythm_seconds,
            timings_ms=self._about(result.timings_ms),
        )

    def _about(self, taken: Any) -> Any:
        factor = self._dice.lognormvariate(0, _SCATTER)
        return msgspec.structs.replace(
            taken,
            **{
                name: value and round(value * factor, 2)
                for name, value in msgspec.structs.asdict(taken).items()
            },
        )


async def write_checkpoint(settings: Settings, snapshot: bytes, begin: int) -> None:
    """Put a state where a worker looks for it; the probes topic goes on from `begin`."""
    sender = producer(settings.kafka)
    await sender.start()
    reader = TopicReader(settings.kafka)

    async def read(start: int, end: int) -> AsyncIterator[tuple[int, bytes | None]]:
        async for record in reader.records(settings.topics.checkpoints, 0, start, end):
            yield record.offset, record.value

    try:
        book = CheckpointLog(
            sender,
            read,
            settings.topics.checkpoints,
            0,
            owner="history",
            settings=f"{DETECTOR_VERSION}/{release()}/{fingerprint(settings)}",
        )
        await book.fence()
        crc, pieces = split(snapshot)
        for index in range(len(pieces)):
            await book.append_part(index, pieces, crc, begin)
    finally:
        await disconnect(sender)
