"""Stand-ins for what surrounds a partition, without a broker."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry

from streams.engine.machine_thread import MachineThread
from streams.engine.metrics import WorkerMetrics
from streams.engine.pace import Pace
from streams.engine.presence import BrokerPresence
from streams.engine.surroundings import Surroundings
from streams.settings import Settings


@dataclass
class FakeBroker:
    """Topics in memory, each of one partition; `refuse` says what a record is refused with."""

    topics: dict[str, list[tuple[bytes | None, bytes]]] = field(default_factory=lambda: defaultdict(list))
    refuse: Any = lambda topic, value: None
    deleted_before: dict[str, int] = field(default_factory=dict)

    # as a producer

    async def send(
        self, topic: str, value: bytes, *, key: bytes | None = None, partition: int = 0, headers: Any = None
    ) -> Any:
        future = asyncio.get_running_loop().create_future()
        error = self.refuse(topic, value)
        if error is None:
            self.topics[topic].append((key, value))
            future.set_result(SimpleNamespace(offset=len(self.topics[topic]) - 1))
        else:
            future.set_exception(error)
        return future

    # as a reader

    async def since(self, topic: str, timestamp_ms: int) -> dict[int, tuple[int, int]]:
        return {0: (0, len(self.topics[topic]))}

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Any]:
        for offset, (key, value) in enumerate(self.topics[topic][start:end], start):
            yield SimpleNamespace(offset=offset, key=key, value=value)

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        self.deleted_before[topic] = offset


def surroundings(broker: FakeBroker, executor: ThreadPoolExecutor, **worker: Any) -> Surroundings:
    """What a partition is given, around a broker of this kind."""
    settings = Settings(worker=worker) if worker else Settings()
    metrics = WorkerMetrics(CollectorRegistry(), settings.labels)
    machines = MachineThread(executor)
    nothing = cast(Any, None)
    return Surroundings(
        settings,
        metrics,
        cast(Any, broker),
        nothing,
        machines,
        asyncio.Semaphore(1),
        Pace(0.0),
        nothing,
        nothing,
        BrokerPresence(settings.kafka.bootstrap),
    )
