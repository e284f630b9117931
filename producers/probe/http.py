"""HTTP: one GET, its answer read to the end or to a bound, and held against what the target calls good.

`get` asks over HTTP/1.1; `http2.py` and `http3.py` ask over the two others, and their answers are judged here
(`judge`).

No redirect is followed: where it points is a fact of this attempt. No cookies. Bytes count as they come, and nothing
packed is asked for; a known block page is looked for in the first 64 KB of it nevertheless.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import urlsplit

import h11

from producers.failures import Failure
from producers.probe.asked import PORTS, AskedTarget, Fingerprints
from producers.probe.classify import ObservedFailure

_HEAD_BYTES_MAX: Final = 64 * 1024
#: How all that gzip has packed begins (RFC 1952).
_GZIP: Final = b"\x1f\x8b"
_UNPACKED_BYTES_MAX: Final = 64 * 1024
#: Of a smaller body the most comes with the head: how fast it was says nothing. Ten packets are a server's first lot.
RATED_BYTES: Final = 32_000
#: Redirects that say nothing where they don't say where (RFC 9110, 15.4); a 300 or a 304 may do without.
_MUST_LEAD_SOMEWHERE: Final = frozenset({301, 302, 303, 307, 308})
#: So many pieces of an answer are read in one go. 64 KB can hold ten thousand chunks of a byte, or 1xx answers, which
#: take a third of a second: others' deadlines have to strike between.
_EVENTS_IN_A_ROW: Final = 64


class Duplex(Protocol):
    """What HTTP needs of a channel, plain or inside of TLS."""

    async def receive(self, bytes_max: int = 65_536) -> bytes:
        """Bytes that came; none at the end."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""

    @property
    def received(self) -> int:
        """Bytes that have come, as they were on the wire."""


@dataclass(slots=True)
class Exchange:
    """What is known of the answer so far. It is filled as the answer comes, so a failure keeps what came before."""

    status: int | None = None
    location: str | None = None
    ttfb_ms: float | None = None
    body_bytes: int = 0
    #: As much of the body as has come.
    body: bytearray = field(default_factory=bytearray)
    #: How long the body took after the head.
    body_seconds: float = 0.0

    @property
    def rate(self) -> float | None:
        """Bytes of the body a second; None where it is too small to tell."""
        return self.body_bytes / max(self.body_seconds, 1e-6) if self.body_bytes >= RATED_BYTES else None


class Answer(Protocol):
    """An answer whose head has come: its body, piece by piece."""

    async def piece(self) -> bytes | None:
        """The next piece of the body; None at its end. Raises OSError, Observed."""

    @property
    def received(self) -> int:
        """Bytes that have come, as they were on the wire."""


class _Events:
    """h11's events, fed from the channel as needed."""

    def __init__(self, channel: Duplex, connection: h11.Connection) -> None:
        self._channel = channel
        self._connection = connection
        self._in_a_row = 0

    @property
    def received(self) -> int:
        return self._channel.received

    async def piece(self) -> bytes | None:
        event = await self.next()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def next(self) -> object:
        """The next event. An end in the middle of an answer is `eof_error`."""
        while True:
            self._in_a_row += 1
            if self._in_a_row > _EVENTS_IN_A_ROW:
                self._in_a_row = 0
                await asyncio.sleep(0)
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                if self._connection.trailing_data[1]:  # the peer had ended
                    raise ObservedFailure(Failure.EOF_ERROR, str(error)) from error
                raise
            if event is not h11.NEED_DATA:
                return event
            self._connection.receive_data(await self._channel.receive())


class _Body:
    """Reads an answer's body, counting."""

    def __init__(self, answer: Answer, exchange: Exchange) -> None:
        self._answer = answer
        self._exchange = exchange

    async def read(self, bytes_max: int) -> None:
        """Read on, until the body ends or is as long as that."""
        while self._exchange.body_bytes < bytes_max:
            data = await self._answer.piece()
            if data is None:
                return
            self._exchange.body_bytes += len(data)
            self._exchange.body += data


async def get(
    channel: Duplex,
    target: AskedTarget,
    exchange: Exchange,
    *,
    user_agent: str,
    fingerprints: Fingerprints,
    path: str | None = None,
) -> None:
    """Ask for the target's path, or for `path`.

    Raises Observed, OSError, h11.RemoteProtocolError where the answer isn't good.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES_MAX)
    await channel.send(_request(connection, target, user_agent, path or target.place.path))
    asked = time.perf_counter()
    data = await channel.receive()
    if data:
        exchange.ttfb_ms = (time.perf_counter() - asked) * 1000
    connection.receive_data(data)
    events = _Events(channel, connection)
    head = await _head(events)
    exchange.status = head.status_code
    exchange.location = _header(head, b"location")
    await judge(events, target, exchange, fingerprints)


async def judge(answer: Answer, target: AskedTarget, exchange: Exchange, fingerprints: Fingerprints) -> None:
    """Read the body of an answer whose head is in the exchange. Raises Observed where the answer isn't good."""
    _check_redirect(exchange, target, fingerprints)
    body = _Body(answer, exchange)
    began = time.perf_counter()
    await _in_time(body, target, answer)
    exchange.body_seconds = time.perf_counter() - began
    if (page := page_in(exchange, fingerprints)) is not None:
        raise ObservedFailure(Failure.BLOCKPAGE, page)
    if exchange.status not in target.statuses:
        raise ObservedFailure(Failure.HTTP_UNEXPECTED_STATUS_CODE, str(exchange.status))
    _check_body(exchange, target)


def page_in(exchange: Exchange, fingerprints: Fingerprints) -> str | None:
    """The known block page in as much of the body as has come, packed or not; None where there is none.

    Who puts a page in may get its length wrong, let it break off, or pack it though nobody asked for that.
    """
    return fingerprints.in_body(bytes(exchange.body)) or fingerprints.in_body(_unpacked(exchange.body))


def _unpacked(body: bytes | bytearray) -> bytes:
    """The beginning of what gzip has packed, however much that would be in all; nothing of another body."""
    if not body.startswith(_GZIP):
        return b""
    try:
        return zlib.decompressobj(wbits=31).decompress(body, _UNPACKED_BYTES_MAX)
    except zlib.error:
        return b""


def authority(target: AskedTarget) -> str:
    """The host that is asked for, with its port where that is not the scheme's own."""
    place = target.place
    host = f"[{place.host}]" if ":" in place.host else place.host
    return host if place.port == PORTS[place.scheme] else f"{host}:{place.port}"


def headers_of(user_agent: str) -> list[tuple[str, str]]:
    """What every version sends, by names in small letters, in this order."""
    return [("user-agent", user_agent), ("accept", "*/*"), ("accept-encoding", "identity")]


def _request(connection: h11.Connection, target: AskedTarget, user_agent: str, path: str) -> bytes:
    start = connection.send(_asking(authority(target), path, user_agent))
    end = connection.send(h11.EndOfMessage())
    return (start or b"") + (end or b"")


@lru_cache(maxsize=4096)
def _asking(host: str, path: str, user_agent: str) -> h11.Request:
    """A request, checked once for all rounds."""
    headers = [
        ("Host", host),
        *((name.title(), value) for name, value in headers_of(user_agent)),
        ("Connection", "close"),
    ]
    return h11.Request(method="GET", target=path, headers=headers)


async def _head(events: _Events) -> h11.Response:
    while True:
        event = await events.next()
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise ObservedFailure(Failure.EOF_ERROR, "no answer")


def _header(head: h11.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in head.headers if key == name), None)


def _check_redirect(exchange: Exchange, target: AskedTarget, fingerprints: Fingerprints) -> None:
    location = exchange.location
    if exchange.status is None or not 300 <= exchange.status < 400:
        return
    if location is None:
        if exchange.status in _MUST_LEAD_SOMEWHERE:
            raise ObservedFailure(
                Failure.HTTP_INVALID_REDIRECT_LOCATION_HOST, f"{exchange.status} without Location"
            )
        return
    host = _host_of(location)
    if host is None:
        return  # a path: it stays on the host
    if (page := fingerprints.in_redirect(host)) is not None:
        raise ObservedFailure(Failure.BLOCKPAGE, page)
    if not target.may_redirect_to(host):
        raise ObservedFailure(Failure.HTTP_UNEXPECTED_REDIRECT_URL, location)


def _host_of(location: str) -> str | None:
    """Where a redirect leads; None for a path. Raises Observed where it leads nowhere: `about:blank`, `http://`."""
    # As browsers read it: they take a backslash for a slash, so `/\\else.example` is another host.
    where = location.replace("\\", "/")
    try:
        place = urlsplit(where)
        host = (place.hostname or "").removesuffix(".")
        place.port  # noqa: B018  it raises where the port is none
    except ValueError as error:
        raise ObservedFailure(Failure.HTTP_INVALID_REDIRECT_LOCATION_HOST, location) from error
    if not host and (place.scheme or where.startswith("//")):
        raise ObservedFailure(Failure.HTTP_INVALID_REDIRECT_LOCATION_HOST, location)
    return host or None


def _check_body(exchange: Exchange, target: AskedTarget) -> None:
    if target.text is not None and target.text.encode() not in exchange.body:
        raise ObservedFailure(Failure.HTTP_UNEXPECTED_BODY, f"without {target.text!r}")
    if (
        target.size_bytes is not None
        and not target.size_bytes[0] <= exchange.body_bytes <= target.size_bytes[1]
    ):
        raise ObservedFailure(Failure.HTTP_UNEXPECTED_BODY, f"{exchange.body_bytes} bytes")


async def _in_time(body: _Body, target: AskedTarget, channel: Answer) -> None:
    """Read the body in stretches of `slow_seconds`: in each, some has to come at the least rate, or none at all.

    None at all is no slowness but silence; the attempt's own deadline ends that, as generic_timeout_error. What counts
    is what comes over the wire: of a TLS record nothing can be read before all of it is there, 16 KB perhaps.
    """
    floor = target.bytes_per_second_min * target.slow_seconds
    while True:
        before = channel.received
        try:
            async with asyncio.timeout(target.slow_seconds) as stretch:
                await body.read(target.body_bytes_max)
                return
        except TimeoutError:
            if not stretch.expired():
                raise
        came = channel.received - before
        if 0 < came < floor:
            raise ObservedFailure(Failure.THROTTLED, f"{came} bytes in {target.slow_seconds} s")
