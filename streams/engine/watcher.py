"""Looks after what nobody tells: records that should have come, and topics that are not what they were.

Says what it finds, with the remedy, and has partitions read again or restored. Knows no Faust.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.engine.partition import Partition
from streams.engine.surroundings import Surroundings

log = structlog.get_logger()

_WATCH_SECONDS: Final = 5.0
_TRANSACTION_SECONDS: Final = 15.0


class Ends(NamedTuple):
    """Where a partition's records end: what may be read of it, and all. None where that is not known."""

    stable: int | None
    end: int | None


class Watcher:
    """Watches the partitions of a worker.

    Parameters
    ----------
    ends
        Where the records of a partition end, as the consumer knows it.
    """

    def __init__(
        self, around: Surroundings, partitions: Mapping[TP, Partition], ends: Callable[[TP], Ends]
    ) -> None:
        self._around = around
        self._partitions = partitions
        self._ends = ends
        self._asked: dict[TP, int] = {}
        self._held_back: dict[TP, tuple[int, float]] = {}  # the stable end, and since when

    async def run(self) -> None:
        """Watch until it is cancelled."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for tp, partition in list(self._partitions.items()):
                try:
                    await self.look_at(tp, partition)
                except (KafkaError, OSError) as error:
                    log.warning("a partition can't be watched now", partition=partition.name, why=repr(error))

    async def look_at(self, tp: TP, partition: Partition) -> None:
        """Look whether records that this partition should have had by now have come."""
        position = partition.running_at
        if position is None:
            return
        ends = self._ends(tp)
        self._tell_open_transaction(tp, partition, ends)
        if ends.stable is None or not partition.idle(_WATCH_SECONDS):
            return
        if ends.stable > position and self._asked.get(tp) != ends.stable:
            # Nothing may wait for the next record to come.
            self._asked[tp] = ends.stable
            log.warning(
                "nothing came; reading again", partition=partition.name, next=position, end=ends.stable
            )
            await partition.read_again(position)

    def _tell_open_transaction(self, tp: TP, partition: Partition, ends: Ends) -> None:
        if ends.stable is None or ends.end is None or ends.stable >= ends.end:
            self._held_back.pop(tp, None)
            return
        stable, since = self._held_back.setdefault(tp, (ends.stable, time.monotonic()))
        if stable != ends.stable:
            self._held_back[tp] = (ends.stable, time.monotonic())
        elif time.monotonic() - since >= _TRANSACTION_SECONDS:
            self._held_back[tp] = (stable, float("inf"))  # said once
            log.error(
                "an open transaction holds records back: they count once its producer has committed or aborted it, "
                "or after the broker's transaction.max.timeout.ms; vantages need no transactions, and no right to any",
                partition=partition.name,
                from_offset=stable,
                held_back=ends.end - stable,
            )
