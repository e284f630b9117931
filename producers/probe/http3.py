"""HTTP/3: one GET over a QUIC connection, judged as every other answer is (`http.judge`)."""

from __future__ import annotations

import time
from collections import deque

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import StreamReset

from producers.failures import Failure
from producers.probe.asked import AskedTarget, Fingerprints
from producers.probe.classify import ObservedFailure
from producers.probe.http import Exchange, authority, headers_of, judge
from producers.probe.quic import QuicChannel


class _Events:
    """The answer's events, out of the connection's as they come."""

    def __init__(self, channel: QuicChannel, connection: H3Connection, stream: int) -> None:
        self._channel = channel
        self._connection = connection
        self._stream = stream
        self._waiting: deque[H3Event] = deque()
        self._ended = False

    @property
    def received(self) -> int:
        return self._channel.received

    async def next(self) -> HeadersReceived | DataReceived | None:
        """The next head or piece of the body; None at the end. Raises OSError, Observed."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                if isinstance(event, HeadersReceived | DataReceived) and event.stream_id == self._stream:
                    self._ended = event.stream_ended
                    return event
            if self._ended:
                return None
            arrived = await self._channel.event()
            if isinstance(arrived, StreamReset) and arrived.stream_id == self._stream:
                raise ObservedFailure(Failure.CONNECTION_RESET, f"stream reset, code {arrived.error_code:#x}")
            self._waiting.extend(self._connection.handle_event(arrived))

    async def piece(self) -> bytes | None:
        while isinstance(event := await self.next(), HeadersReceived):
            pass  # trailers
        return None if event is None else event.data


async def get(
    channel: QuicChannel,
    target: AskedTarget,
    exchange: Exchange,
    *,
    user_agent: str,
    fingerprints: Fingerprints,
) -> None:
    """Ask for the target's path. Raises Observed, OSError where the answer isn't good."""
    connection = H3Connection(channel.connection)
    stream = channel.connection.get_next_available_stream_id()
    head = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", authority(target)),
        (":path", target.place.path),
        *headers_of(user_agent),
    ]
    encoded = [(name.encode(), value.encode()) for name, value in head]
    connection.send_headers(stream, encoded, end_stream=True)
    await channel.flush()
    asked = time.perf_counter()
    events = _Events(channel, connection, stream)
    while True:
        event = await events.next()
        if not isinstance(event, HeadersReceived):
            raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, "a body, or an end, without a head")
        if exchange.ttfb_ms is None:
            exchange.ttfb_ms = (time.perf_counter() - asked) * 1000
        fields = dict(event.headers)
        status = fields.get(b":status", b"")
        if not status.isdigit():
            raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, "a head without a status")
        if not status.startswith(b"1"):  # 1xx: the answer follows
            break
    exchange.status = int(status)
    location = fields.get(b"location")
    exchange.location = None if location is None else location.decode("latin-1")
    await judge(events, target, exchange, fingerprints)
