"""Scheduled events, as the calendar topic has them: read whole at the start, then followed.

A machine gets them with the chunk that it reads next, so that its redo log has them in their place. Knows nothing of
what an event is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol, runtime_checkable

import msgspec
import structlog
from aiokafka.errors import KafkaError

from streams.kafka.client import TopicReader
from streams.records import CalendarEvent, decode

log = structlog.get_logger()

_FOLLOW_SECONDS: Final = 5.0


@runtime_checkable
class Scheduling(Protocol):
    """A machine that takes calendar events."""

    def schedule(self, event: CalendarEvent) -> None:
        """Take one in with the next chunk; the same one again changes nothing."""
        ...


class Calendar:
    """What the calendar topic says so far.

    Attributes
    ----------
    events
        By event id; a tombstone removes one for machines that start later.
    """

    def __init__(self, reader: TopicReader, topic: str) -> None:
        self.events: dict[str, CalendarEvent] = {}
        self._reader = reader
        self._topic = topic
        self._next: dict[int, int] = {}

    def teach(self, machine: Scheduling) -> None:
        """Tell a machine everything that is known."""
        for event in self.events.values():
            machine.schedule(event)

    async def catch_up(self) -> list[CalendarEvent]:
        """Read what is new. A topic that does not exist has nothing; a record that is none is passed over."""
        new: list[CalendarEvent] = []
        bounds = await self._reader.bounds(self._topic, await self._reader.partitions_of(self._topic))
        for partition, (start, end) in bounds.items():
            begin = max(start, self._next.get(partition, 0))
            found = self._reader.records(self._topic, partition, begin, end)
            new += [event async for record in found if (event := self._take(record.key, record.value))]
            self._next[partition] = end
        return new

    async def follow(self) -> AsyncIterator[list[CalendarEvent]]:
        """What comes in, for ever."""
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            try:
                if new := await self.catch_up():
                    yield new
            except (KafkaError, OSError) as error:
                log.warning("the calendar can't be read", topic=self._topic, why=repr(error))

    def _take(self, key: bytes | None, value: bytes | None) -> CalendarEvent | None:
        if value is None:
            self.events.pop((key or b"").decode(errors="replace"), None)
            return None
        try:
            event = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("a calendar record was passed over", topic=self._topic, key=key, why=str(error))
            return None
        if not isinstance(event, CalendarEvent):
            log.warning("a calendar record was passed over", topic=self._topic, key=key, why="no event")
            return None
        self.events[event.id] = event
        return event
