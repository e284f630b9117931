"""Looks after what no event tells: records that should have come, and topics that are not what they were.

Says what it finds, with the remedy, and has partitions read again or restored. Knows no Faust.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final, NamedTuple

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.engine.partition import ALONE_SECONDS, Partition
from streams.engine.surroundings import Surroundings
from streams.kafka.described import DescribedTopic
from streams.kafka.topics import refusals
from streams.machine import PartitionCount, TakesNotes

log = structlog.get_logger()

_WATCH_SECONDS: Final = 5.0
_TOPICS_SECONDS: Final = 20.0
# While something is wrong.
_TROUBLE_SECONDS: Final = 4.0
# Where a topic's ends and settings are looked at too. Each of them takes requests, and a connection of its own.
_THOROUGH_SECONDS: Final = 60.0
_TRANSACTION_SECONDS: Final = 15.0
#: How many partitions there are is asked out of turn no more often than this.
_RECOUNT_SECONDS: Final = 1.0


class Ends(NamedTuple):
    """The offsets where a partition's records end: what may be read, and all. None if not known."""

    stable: int | None
    end: int | None


class Watcher:
    """Watches the partitions of a worker.

    Parameters
    ----------
    ends
        Where the records of a partition end, as the consumer knows it.
    topics
        The sources. They are watched without a partition too: where one is deleted, its partitions are taken away.
    """

    def __init__(
        self,
        around: Surroundings,
        partitions: Mapping[TP, Partition],
        ends: Callable[[TP], Ends],
        topics: Collection[str],
    ) -> None:
        self._topics = topics
        self._around = around
        self._partitions = partitions
        self._ends = ends
        self._asked: dict[TP, int] = {}
        self._held_back: dict[TP, tuple[int, float]] = {}  # the stable end, and since when
        self._counts: dict[str, int] = {}  # partitions of each source
        self._recounted = -math.inf  # when that was asked out of turn
        self._recounting = asyncio.Lock()
        self._trouble: dict[str, str] = {}  # what is wrong, by topic or ""

    async def run(self) -> None:
        """Watch until it is cancelled."""
        looked_at_topics = looked_thoroughly = time.monotonic()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                for tp, partition in list(self._partitions.items()):
                    await self.look_at(tp, partition)
                now, troubled = time.monotonic(), self.unready() is not None
                if now - looked_at_topics >= (_TROUBLE_SECONDS if troubled else _TOPICS_SECONDS):
                    thorough = troubled or now - looked_thoroughly >= _THOROUGH_SECONDS
                    looked_at_topics, looked_thoroughly = now, now if thorough else looked_thoroughly
                    await self.look_at_topics(thorough=thorough)
                    self._around.presence.answered()
            except (KafkaError, OSError) as error:
                self._around.presence.failed(error)

    async def look_at_topics(self, *, thorough: bool = True) -> None:
        """Look whether the topics are still those that they were, and if `thorough` at their ends and settings, too."""
        described = await self._around.reader.describe_each(list(self._topics))
        for topic, source in described.items():
            await self._look_at_source(topic, source, thorough=thorough)
        if thorough:
            self._tell_trouble("", "; ".join(await refusals(self._around.settings)) or None)

    async def recount(self, topic: str) -> None:
        """Ask how many partitions a topic has now, at most once a second: a writer may know of more than we do."""
        async with self._recounting:  # who doubts it meanwhile waits for the same answer
            if time.monotonic() - self._recounted < _RECOUNT_SECONDS:
                return
            try:
                source = await self._around.reader.describe(topic)
                await self._look_at_source(topic, source, doubted=True)
            except (KafkaError, OSError) as error:
                self._around.presence.failed(error)
            self._recounted = time.monotonic()

    def unready(self) -> str | None:
        """Return what is wrong with the topics or the broker, or None if nothing is."""
        return "\n".join(self._trouble.values()) or self._around.presence.away()

    def _tell_trouble(self, topic: str, why: str | None) -> None:
        if why is None:
            self._trouble.pop(topic, None)
            return
        if self._trouble.get(topic) != why:
            log.error("topics are not as they should be", why=why)
        self._trouble[topic] = why

    async def _look_at_source(
        self, topic: str, source: DescribedTopic, *, doubted: bool = False, thorough: bool = True
    ) -> None:
        existing = source.partitions
        gone = f"topic {topic} does not exist any more: `netdusk topics` makes it; what was learned is kept"
        self._tell_trouble(topic, None if existing else gone)
        if not existing:
            return
        # Where they stand is noted before the ends are asked for: they move on, and the ends with them.
        standing = {
            tp.partition: (partition, position)
            for tp, partition in list(self._partitions.items())
            if tp.topic == topic and (position := partition.running_at) is not None
        }
        same = source.id and all(partition.source == source.id for partition, _ in standing.values())
        if same and not (thorough or doubted) and self._counts.get(topic) == len(existing):
            return
        bounds = await self._around.reader.bounds(topic, sorted(set(standing) & set(existing)))
        for number, (_, end) in bounds.items():
            partition, position = standing[number]
            if source.id and partition.source and source.id != partition.source:
                partition.renew(
                    f"its topic was made anew: it has the id {source.id}, and not {partition.source}"
                )
            elif position > end:
                partition.renew(f"its topic was made anew: it ends at offset {end}, and not after {position}")
        before, self._counts[topic] = self._counts.get(topic), len(existing)
        if before is not None and before != len(existing):
            log.warning("a topic has another number of partitions now", topic=topic, partitions=len(existing))
        # At first the machines know the number themselves, unless one of them doubts it.
        if before != len(existing) and (before is not None or doubted):
            await self._tell_count(topic, len(existing), bounds)

    async def _tell_count(self, topic: str, count: int, bounds: Mapping[int, tuple[int, int]]) -> None:
        for number, (_, end) in bounds.items():
            partition = self._partitions.get(TP(topic, number))
            machine: object = partition.machine if partition is not None else None
            if isinstance(machine, TakesNotes):
                note = partial(machine.note, PartitionCount(count, end, number))
                await self._around.machines.compute(note)

    async def look_at(self, tp: TP, partition: Partition) -> None:
        """Look whether records that this partition should have had by now have come."""
        position = partition.running_at
        if position is None:
            return
        ends = self._ends(tp)
        self._tell_open_transaction(tp, partition, ends)
        if ends.stable is None or not partition.idle(ALONE_SECONDS + _WATCH_SECONDS):
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
