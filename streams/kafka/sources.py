"""What sources give, onto the topics: results onto the probes topic, signals onto theirs, by country."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from producers.partitions import partition_of
from producers.records import ProbeResult
from producers.signals import Signal, encode_signal
from streams.kafka.bulk import BulkSender
from streams.kafka.probes import outgoing
from streams.settings import Settings


class SourceSender:
    """Sends pieces; each is acknowledged before `send` returns. Signals' topic is asked for once there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._results = BulkSender(settings.kafka, settings.topics.probes)
        self._signals: BulkSender | None = None

    async def __aenter__(self) -> Self:
        await self._results.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._signals is not None:
                await self._signals.__aexit__(kind, error, trace)
        finally:
            await self._results.__aexit__(kind, error, trace)

    async def send(self, piece: Sequence[ProbeResult | Signal]) -> None:
        """Send all of it. Raises KafkaError."""
        signals = [item for item in piece if isinstance(item, Signal)]
        results = (item for item in piece if isinstance(item, ProbeResult))
        await self._results.send(outgoing(results, self._results.partitions))
        await self._results.flush()
        if not signals:
            return
        if self._signals is None:
            sender = BulkSender(self._settings.kafka, self._settings.topics.signals)
            self._signals = await sender.__aenter__()
        partitions = self._signals.partitions
        keys = [signal.country.encode() for signal in signals]
        await self._signals.send(
            (key, encode_signal(signal), partition_of(key, partitions))
            for key, signal in zip(keys, signals, strict=True)
        )
        await self._signals.flush()
