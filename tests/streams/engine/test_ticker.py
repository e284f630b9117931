"""The time is written into every partition, or it is counted that it was not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP
from prometheus_client import CollectorRegistry

from producers.records import Tick, decode
from streams.engine import ticker as module
from streams.engine.metrics import WorkerMetrics
from streams.engine.pace import Pace
from streams.engine.presence import BrokerPresence
from streams.engine.ticker import Ticker
from streams.settings import Settings
from tests.streams.engine.fakes import FakeBroker


def ticker(monkeypatch: pytest.MonkeyPatch, broker: FakeBroker, partitions: list[TP]) -> tuple[Ticker, Any]:
    settings = Settings()
    metrics = WorkerMetrics(CollectorRegistry(), settings.labels)

    async def connect(_: Any) -> FakeBroker:
        return broker

    async def disconnect(_: Any) -> None: ...

    monkeypatch.setattr(module, "connect", connect)
    monkeypatch.setattr(module, "disconnect", disconnect)
    around: Any = SimpleNamespace(pace=Pace(1.0), presence=BrokerPresence("nowhere:1"))
    return Ticker(settings, lambda: partitions, metrics.tick_failures, around), metrics


async def test_each_partition_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = FakeBroker()
    made, _ = ticker(monkeypatch, broker, [TP("probes", 0), TP("probes", 1)])
    await made.tick()
    assert [isinstance(decode(value), Tick) for _, value in broker.topics["probes"]] == [True, True]


async def test_a_failure_is_counted_and_the_next_one_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = FakeBroker(refuse=lambda topic, value: KafkaConnectionError("gone"))
    made, metrics = ticker(monkeypatch, broker, [TP("probes", 0)])
    await made.tick()
    assert metrics.registry.get_sample_value("netdusk_tick_failures_total") == 1
    broker.refuse = lambda topic, value: None
    await made.tick()
    assert len(broker.topics["probes"]) == 1


async def test_the_broker_is_known_to_be_slow_while_a_tick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, asked = FakeBroker(), asyncio.Event()

    class Silent:
        async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
            asked.set()
            return asyncio.get_running_loop().create_future()

    made, _ = ticker(monkeypatch, broker, [TP("probes", 0)])
    now = [0.0]
    made._presence = BrokerPresence("nowhere:1", clock=lambda: now[0])
    made._producer = Silent()  # type: ignore[assignment]
    waiting = asyncio.create_task(made.tick())
    await asked.wait()
    now[0] += 5.0
    assert made._presence.away() is not None
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
