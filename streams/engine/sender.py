"""Sends what a chunk brought about, and waits until it is acknowledged. Knows no machine and no checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final, NamedTuple

import structlog
from aiokafka.errors import MessageSizeTooLargeError

from streams.engine.shared_producers import Lease
from streams.engine.surroundings import ACKNOWLEDGE_SECONDS, Surroundings
from streams.kafka.bulk import send_together
from streams.kafka.cloudevents import headers_of
from streams.machine import Message

log = structlog.get_logger()

# Records to a topic that are not worth a batch of their own.
_FEW: Final = 4
# Clocks of two workers differ by less.
_READ_BACK_MS: Final = 60_000
_READ_BACK_RECORDS_MAX: Final = 200_000


class _Sent(NamedTuple):
    """Messages on their way, all of one role, and what is done once they are acknowledged."""

    messages: Sequence[Message]
    future: Awaitable[Any]


class Sender:
    """The way out of one partition."""

    def __init__(self, producer: Lease, around: Surroundings, partition: str) -> None:
        self._producer = producer
        self._around = around
        self._partition = partition

    async def send(self, messages: Sequence[Message]) -> None:
        """Send, and wait until all replicas have it. What the broker refuses as too large is said and left out.

        What is few goes at once: incidents, mostly. What is many waits for its turn, so that other partitions decide
        first about the window that ends for all of them at the same time.
        """
        by_role: dict[str, list[Message]] = {}
        for message in messages:
            by_role.setdefault(message.topic, []).append(message)
        sent: list[_Sent] = []
        for role, some in by_role.items():
            if len(some) <= _FEW:
                sent += await self._send_few(role, some)
        for role, some in by_role.items():
            if len(some) > _FEW:
                async with self._around.machines.turn:
                    sent += await self._send_many(role, some)
        await self._settle(sent)

    async def send_again(self, messages: Sequence[Message], written_ms: int) -> None:
        """Send what the last chunk brought about, less what stands on the topics already.

        `written_ms` is the broker's time of the chunk's checkpoint.
        """
        if not messages:
            return
        missing = list(messages)
        for role in {message.topic for message in messages}:
            there = await self._written_since(self._around.topic_of(role), written_ms - _READ_BACK_MS)
            missing = [m for m in missing if m.topic != role or (m.key, m.value) not in there]
        await self.send(missing)
        log.info(
            "outbox of the last chunk", partition=self._partition, held=len(messages), sent_again=len(missing)
        )

    async def _written_since(self, topic: str, timestamp_ms: int) -> set[tuple[bytes | None, bytes | None]]:
        """Return the keys and values written since, or none if there are too many to read back in time.

        Duplicates of the same bytes do no harm. A delay of minutes would.
        """
        ranges = await self._around.reader.since(topic, timestamp_ms)
        if sum(end - start for start, end in ranges.values()) > _READ_BACK_RECORDS_MAX:
            return set()
        return {
            (record.key, record.value)
            for partition, (start, end) in ranges.items()
            async for record in self._around.reader.records(topic, partition, start, end)
        }

    async def _send_few(self, role: str, messages: Sequence[Message]) -> list[_Sent]:
        sent: list[_Sent] = []
        topic = self._around.topic_of(role)
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            for message in messages:
                try:
                    headers = headers_of(role, topic, message.value)
                    future = await self._producer.send(
                        topic, message.value, key=message.key, headers=headers or None
                    )
                except MessageSizeTooLargeError as error:  # the producer has a limit of its own
                    self._leave_out(message, error)
                else:
                    sent.append(_Sent([message], future))
        return sent

    async def _send_many(self, role: str, messages: Sequence[Message]) -> list[_Sent]:
        topic = self._around.topic_of(role)
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            records = [(message.key, message.value) for message in messages]
            futures = await send_together(self._producer, topic, records)
        return [_Sent(messages, future) for future in futures]

    async def _settle(self, sent: Sequence[_Sent]) -> None:
        """Wait for the broker's answers. Raises what went wrong, but for records that are too large."""
        if not sent:
            return
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            answers = await asyncio.gather(*(one.future for one in sent), return_exceptions=True)
        refused: dict[int, _Sent] = {}
        for one, answer in zip(sent, answers, strict=True):
            if isinstance(answer, MessageSizeTooLargeError):
                if len(one.messages) > 1:
                    refused[id(one.messages)] = one
                else:
                    self._leave_out(one.messages[0], answer)
            elif isinstance(answer, BaseException):
                raise answer
        # A batch was refused as a whole: each of its records is tried by itself. The same bytes twice harm nobody.
        for one in refused.values():
            for message in one.messages:
                await self._settle(await self._send_few(message.topic, [message]))

    def _leave_out(self, message: Message, error: MessageSizeTooLargeError) -> None:
        self._around.metrics.unsent.labels(message.topic).inc()
        log.error(
            "a record is left out: the broker refuses it as too large (max.message.bytes of its topic)",
            partition=self._partition,
            topic=self._around.topic_of(message.topic),
            key=message.key.decode(errors="backslashreplace"),
            bytes=len(message.value),
            why=str(error),
        )
