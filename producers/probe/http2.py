"""HTTP/2: one GET inside of TLS, judged as every other answer is (`http.judge`). h2 (MIT) speaks the protocol."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

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
_FRAME_HEAD_BYTES: Final = 9
#: What a peer may send in one frame, as long as nobody allows it more (RFC 9113, 4.2).
_FRAME_BYTES_MAX: Final = 16_384
_DATA, _GOAWAY = 0x0, 0x7
#: A server needs a handful of frames beside its body. One that sends settings, pings or 1xx answers by the thousand is
#: none, and would take the vantage's time from all others.
_FRAMES_BESIDE_MAX: Final = 1_000
#: So many frames are read in one go: others' deadlines have to strike between.
_FRAMES_IN_A_ROW: Final = 64


class _Frames:
    """Cuts what comes into frames, and leaves out a GOAWAY that lets the request be answered.

    A server that is about to restart says so by one, and answers what it has begun (RFC 9113, 6.8). h2 takes any for
    the end.
    """

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._rest = b""
        self._beside = 0

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete now. Raises Observed where they are too large, or too many."""
        data = self._rest + data
        begin = 0
        while len(data) - begin >= _FRAME_HEAD_BYTES:
            size = int.from_bytes(data[begin : begin + 3], "big")
            end = begin + _FRAME_HEAD_BYTES + size
            if size > _FRAME_BYTES_MAX:
                raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, f"a frame of {size} bytes, or no HTTP/2")
            if end > len(data):
                break
            frame, begin = data[begin:end], end
            self._count(frame, size)
            if not self._lets_finish(frame):
                yield frame
        self._rest = data[begin:]

    def _count(self, frame: bytes, size: int) -> None:
        if frame[3] == _DATA and size:
            return
        self._beside += 1
        if self._beside > _FRAMES_BESIDE_MAX:
            raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, f"{self._beside} frames that hold no body")

    def _lets_finish(self, frame: bytes) -> bool:
        if frame[3] != _GOAWAY or len(frame) < _FRAME_HEAD_BYTES + 8:
            return False
        last = int.from_bytes(frame[9:13], "big") & 0x7FFF_FFFF
        return last >= self._stream and not any(frame[13:17])


class _Events:
    """The answer's events, fed from the channel as needed."""

    def __init__(self, channel: TlsChannel, connection: h2.connection.H2Connection, stream: int) -> None:
        self._channel = channel
        self._connection = connection
        self._stream = stream
        self._frames = _Frames(stream)
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
            await self._hear(data)
            await self._channel.send(self._connection.data_to_send())

    async def _hear(self, data: bytes) -> None:
        for number, frame in enumerate(self._frames.cut(data), 1):
            try:
                self._waiting.extend(self._connection.receive_data(frame))
            except h2.exceptions.ProtocolError as error:
                raise ObservedFailure(Failure.HTTP_REQUEST_FAILED, str(error)) from error
            if number % _FRAMES_IN_A_ROW == 0:
                await asyncio.sleep(0)

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
