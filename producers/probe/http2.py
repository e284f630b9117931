"""HTTP/2: one GET inside of TLS, judged as every other answer is (`http.judge`). h2 (MIT) speaks the protocol."""

from __future__ import annotations

import time
from collections import deque

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from producers.failures import Failure
from producers.probe.asked import AskedTarget, Fingerprints
from producers.probe.classify import ObservedFailure
from producers.probe.http import Exchange, authority, headers_of, judge
from producers.probe.tls import TlsChannel

_ALPN = "h2"


class _Events:
    """The answer's events, fed from the channel as needed."""

    def __init__(self, channel: TlsChannel, connection: h2.connection.H2Connection, stream: int) -> None:
        self._channel = channel
        self._connection = connection
        self._stream = stream
        self._waiting: deque[h2.events.Event] = deque()

    @property
    def received(self) -> int:
        return self._channel.received

    async def next(self) -> h2.events.Event:
        """The next event of the answer. Raises OSError, Observed."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                if isinstance(event, h2.events.ConnectionTerminated):
                    raise ObservedFailure(Failure.EOF_ERROR, f"the server ends, code {event.error_code}")
                if getattr(event, "stream_id", None) != self._stream:
                    continue
                if isinstance(event, h2.events.StreamReset):
                    raise ObservedFailure(Failure.CONNECTION_RESET, f"stream reset, code {event.error_code}")
                return event
            data = await self._channel.receive()
            if not data:
                raise ObservedFailure(Failure.EOF_ERROR, "an end within the answer")
            try:
                self._waiting.extend(self._connection.receive_data(data))
            except h2.exceptions.ProtocolError as error:
                raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, str(error)) from error
            await self._channel.send(self._connection.data_to_send())

    async def piece(self) -> bytes | None:
        while True:
            event = await self.next()
            if isinstance(event, h2.events.StreamEnded):
                return None
            if isinstance(event, h2.events.DataReceived):
                self._connection.acknowledge_received_data(event.flow_controlled_length, self._stream)
                await self._channel.send(self._connection.data_to_send())
                return event.data


async def get(
    channel: TlsChannel,
    target: AskedTarget,
    exchange: Exchange,
    *,
    user_agent: str,
    fingerprints: Fingerprints,
) -> None:
    """Ask for the target's path. Raises Observed, OSError where the answer isn't good."""
    if channel.protocol != _ALPN:
        raise ObservedFailure(
            Failure.HTTP_REQUEST_FAILED, f"the server chose {channel.protocol}, not {_ALPN}"
        )
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=False))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(
        stream,
        [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", authority(target)),
            (":path", target.place.path),
            *headers_of(user_agent),
        ],
        end_stream=True,
    )
    await channel.send(connection.data_to_send())
    asked = time.perf_counter()
    events = _Events(channel, connection, stream)
    while not isinstance(event := await events.next(), h2.events.ResponseReceived):
        if isinstance(event, h2.events.DataReceived | h2.events.StreamEnded):
            raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, "a body, or an end, without a head")
    exchange.ttfb_ms = (time.perf_counter() - asked) * 1000
    fields = dict(event.headers)
    status = fields[b":status"]
    if not status.isdigit():
        raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, f"status {status!r}")
    exchange.status = int(status)
    location = fields.get(b"location")
    exchange.location = None if location is None else location.decode("latin-1")
    await judge(events, target, exchange, fingerprints)
