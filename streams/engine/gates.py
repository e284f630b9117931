"""How a partition steers what reaches it, with the chunk transport and without."""

from __future__ import annotations

from typing import Protocol, cast

import faust
from faust.transport.consumer import Consumer
from faust.types import TP

from streams.engine.transport import ChunkConsumer


class Gate(Protocol):
    """Lets a partition's records through, or holds them back."""

    def open(self, tp: TP) -> None:
        """Let records through."""

    def shut(self, tp: TP) -> None:
        """Hold records back."""

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Read on from there, and commit that all before it is done."""


class ChunkGate:
    """Steers the chunk transport's consumer."""

    def __init__(self, app: faust.App) -> None:
        self._app = app

    def open(self, tp: TP) -> None:
        """Let records through."""
        cast(ChunkConsumer, self._app.consumer).open_gate(tp)

    def shut(self, tp: TP) -> None:
        """Hold records back."""
        cast(ChunkConsumer, self._app.consumer).shut_gate(tp)

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Read on from there, and commit that all before it is done."""
        await cast(ChunkConsumer, self._app.consumer).go_on_from(tp, offset)


class PlainGate:
    """A gate for Faust's own consumer, which has none. What comes too early is dropped and read again."""

    def __init__(self, app: faust.App) -> None:
        self._app = app

    def open(self, tp: TP) -> None:
        """Do nothing: Faust delivers whatever it has."""

    def shut(self, tp: TP) -> None:
        """Do nothing: the agent waits instead (`Partition.room`)."""

    async def go_on_from(self, tp: TP, offset: int) -> None:
        """Read on from there, and commit that all before it is done."""
        consumer = cast(Consumer, self._app.consumer)
        await consumer.seek(tp, offset)
        await consumer._commit({tp: offset})
