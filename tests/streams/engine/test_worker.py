"""How a worker comes up while its broker comes and goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.app import worker_of
from streams.engine import worker as module
from streams.settings import Settings


def flaky(answer: Any, failures: int) -> Callable[..., Awaitable[Any]]:
    """Something that fails so many times before it answers."""
    left = [failures]

    async def ask(*_: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise KafkaConnectionError("gone again")
        return answer

    return ask


async def test_a_broker_that_goes_while_notes_are_read_ends_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_NOTES_SECONDS", 0.0)
    worker = worker_of(Settings())
    catch_up = flaky([], 3)
    monkeypatch.setattr(worker._notes, "catch_up", catch_up)
    await worker._read_notes()
    assert await catch_up() == []  # it was asked until it answered


async def test_a_wide_health_topic_is_noted_without_asking_the_broker_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = worker_of(Settings())
    widths = {worker.settings.topics.health: 4}

    async def partitions_of(topic: str) -> list[int]:
        return list(range(widths.get(topic, 4)))

    monkeypatch.setattr(worker.reader, "partitions_of", partitions_of)
    assert await worker._missing_topics() is None
    monkeypatch.setattr(worker.reader, "partitions_of", flaky([], 99))
    logged: list[str] = []
    monkeypatch.setattr(module.log, "warning", lambda text, **_: logged.append(text))
    worker._warn_of_widths()
    assert logged == ["a topic has another number of partitions than it should"]
