"""No note is lost between two machines of a partition: not while one is made, nor while it is restored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.app import worker_of
from streams.engine import ownership
from streams.engine.partition import Partition
from streams.machine import Note
from streams.records import CalendarEvent, Vantage
from streams.settings import Settings

AT = datetime(2024, 1, 20, 13, 0, tzinfo=UTC)


def entry(name: str) -> Vantage:
    return Vantage(vantage=name, country="PK", asn=7, since=AT)


class Noted:
    """A machine that writes down what it is told."""

    def __init__(self, known: list[Note]) -> None:
        self.notes = list(known)

    def note(self, note: Note) -> None:
        self.notes.append(note)


class Gate:
    async def go_on_from(self, tp: TP, offset: int) -> None: ...

    def open(self, tp: TP) -> None: ...

    def shut(self, tp: TP) -> None: ...


@pytest.fixture
def owned() -> Partition:
    worker = worker_of(Settings())
    around = worker._around
    around.gate = Gate()
    topic = worker.settings.topics.probes
    return Partition(worker.pipelines[topic], TP(topic, 0), around)


async def test_what_comes_while_a_machine_is_restored_is_told_to_it(
    owned: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    register: list[Note] = [entry("before")]
    made: list[Noted] = []

    async def take_over(_: object) -> Any:
        made.append(Noted(register))
        # Meanwhile the worker follows the register.
        await owned.tell([entry("meanwhile")])
        return SimpleNamespace(machine=made[-1], position=0, source_start=0, drop=_nothing)

    monkeypatch.setattr(ownership.RestoredPartition, "take_over", take_over)
    await owned.tell([entry("before")])
    await owned._restore()
    assert made[0].notes == [entry("before"), entry("meanwhile")]
    await owned.tell([entry("after")])
    assert made[0].notes[2:] == [entry("after")]
    # The next one is taught all of it when it is made, and told nothing twice.
    register += [entry("meanwhile"), entry("after")]
    await owned._drop()
    await owned._restore()
    assert made[1].notes == [entry("before"), entry("meanwhile"), entry("after"), entry("meanwhile")]


async def test_a_machine_that_takes_no_notes_is_told_none(
    owned: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = CalendarEvent(id="rally", country="PK", title="a rally", start=AT, end=AT)

    async def take_over(_: object) -> Any:
        return SimpleNamespace(machine=object(), position=0, source_start=0, drop=_nothing)

    monkeypatch.setattr(ownership.RestoredPartition, "take_over", take_over)
    await owned._restore()
    await owned.tell([event])
    assert owned._untold == []


async def test_the_register_is_read_to_its_end_after_the_fence_and_before_a_machine_is_made(
    owned: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    async def refresh() -> None:
        order.append("register")

    async def restore(log_start: int) -> Any:
        order.append("log")
        return SimpleNamespace(annul=lambda _: False, snapshot=None, steps=[])

    async def fence(_: object, producer: object) -> Any:
        order.append("fence")
        return SimpleNamespace(topic="checkpoints", partition=0, restore=restore)

    async def start_of(topic: str, partition: int) -> int:
        order.append("bounds")
        return 0

    def make() -> Any:
        order.append("machine")
        raise ConnectionError("far enough")

    monkeypatch.setattr(ownership.RestoredPartition, "_fence", fence)
    monkeypatch.setattr(owned._around.reader, "start_of", start_of)
    restoration = ownership.RestoredPartition(
        replace(owned.pipeline, make=make, refresh=refresh),
        owned.tp,
        owned._around,
        owned._troubles,
        lambda: None,
    )
    with pytest.raises(ConnectionError, match="far enough"):
        await restoration._restore([None, None])  # type: ignore[list-item]  # no producer is asked
    assert order == ["fence", "bounds", "log", "register", "machine"]


async def _nothing() -> None: ...
