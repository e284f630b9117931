"""Servers that speak HTTP/2 and HTTP/3, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import trustme
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.asyncio.server import QuicServer
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent
from cryptography.hazmat.primitives.serialization import Encoding

from producers.probe.quic import INITIAL_RTT_SECONDS
from tests.producers.probe.servers import HOST, certified, issued, serving


@dataclass
class Page:
    """What is answered to whatever is asked."""

    status: int = 200
    body: bytes = b"hello"
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Reset the stream in place of an answer.
    resets: bool = False
    #: What was asked for: pseudo-headers and headers.
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def head(self) -> list[tuple[str, str]]:
        return [(":status", str(self.status)), *self.headers.items()]


@dataclass
class Spoilt:
    """A certificate that is shown otherwise than it was issued."""

    certificate: Any
    spoil: Callable[[bytes], bytes]

    def public_bytes(self, encoding: Encoding) -> bytes:
        whole = self.certificate.public_bytes(encoding)
        spoilt = self.spoil(whole)
        assert spoilt != whole
        return spoilt


@asynccontextmanager
async def http3(
    page: Page,
    folder: Path,
    *,
    host: str = HOST,
    by: str = "known",
    expired: bool = False,
    protocol: str = "h3",
    spoil: Callable[[bytes], bytes] | None = None,
) -> AsyncIterator[int]:
    """An HTTP/3 server; its port. `spoil` is what happens to the certificate before it is shown."""
    server = await serve_http3(page, issued(host, by, expired), folder, "127.0.0.1", 0, protocol, spoil)
    try:
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()


async def serve_http3(
    page: Page,
    leaf: trustme.LeafCert,
    folder: Path,
    address: str,
    port: int,
    protocol: str = "h3",
    spoil: Callable[[bytes], bytes] | None = None,
) -> QuicServer:
    """Start an HTTP/3 server that gives a page to whatever is asked."""

    class Server(QuicConnectionProtocol):
        http: H3Connection | None = None

        def quic_event_received(self, event: QuicEvent) -> None:
            if isinstance(event, ProtocolNegotiated):
                self.http = H3Connection(self._quic)
            if self.http is None:
                return
            for heard in self.http.handle_event(event):
                if not isinstance(heard, HeadersReceived):
                    continue
                page.asked.append({name.decode(): value.decode() for name, value in heard.headers})
                if page.resets:
                    self._quic.reset_stream(heard.stream_id, 0x10C)
                else:
                    head = [(name.encode(), value.encode()) for name, value in page.head]
                    self.http.send_headers(heard.stream_id, head)
                    self.http.send_data(heard.stream_id, page.body, end_stream=True)
                self.transmit()

    key = folder / "leaf.key"
    leaf.private_key_pem.write_to_path(str(key))
    chain = folder / "leaf.crt"
    chain.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=[protocol], initial_rtt=INITIAL_RTT_SECONDS
    )
    configuration.load_cert_chain(chain, key)
    if spoil is not None:
        configuration.certificate = Spoilt(configuration.certificate, spoil)
    return await serve(address, port, configuration=configuration, create_protocol=Server)


@asynccontextmanager
async def datagrams(*, by_theirs: bool = False) -> AsyncIterator[int]:
    """A UDP port that says nothing, or for each datagram a Version Negotiation that names a version unknown to all."""

    class Port(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if by_theirs:
                # RFC 9000, 17.2.1: version 0, then the ids of the datagram in turn, then what the server speaks.
                to_length = data[5]
                to = data[6 : 6 + to_length]
                of_length = data[6 + to_length]
                of = data[7 + to_length : 7 + to_length + of_length]
                answer = (
                    b"\x80"
                    + bytes(4)
                    + bytes([of_length])
                    + of
                    + bytes([to_length])
                    + to
                    + b"\x0a\x0a\x0a\x0a"
                )
                self.transport.sendto(answer, addr)  # type: ignore[attr-defined]  # a DatagramTransport

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Port, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@asynccontextmanager
async def http2(page: Page, protocol: str = "h2") -> AsyncIterator[int]:
    """An HTTP/2 server inside of TLS; its port."""
    context = certified(protocol=protocol)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        left: dict[int, bytes] = {}
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    assert event.stream_id is not None
                    page.asked.append({str(name): str(value) for name, value in event.headers or ()})
                    if page.resets:
                        connection.reset_stream(event.stream_id)
                        continue
                    connection.send_headers(event.stream_id, page.head)
                    left[event.stream_id] = page.body
            for stream, body in list(left.items()):
                # As much as the other side has room for; it says when there is more.
                while body:
                    size = min(
                        len(body),
                        connection.local_flow_control_window(stream),
                        connection.max_outbound_frame_size,
                    )
                    if not size:
                        break
                    connection.send_data(stream, body[:size])
                    body = body[size:]
                left[stream] = body
                if not body:
                    connection.end_stream(stream)
                    del left[stream]
            writer.write(connection.data_to_send())
            await writer.drain()

    async with serving(speak, context) as port:
        yield port


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 9113, 4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def goaway(last: int, code: int = 0) -> bytes:
    """Which request a server still answers before it ends."""
    return frame(0x7, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big"))


#: An answer to the first request: status 200, and a body.
HELLO = frame(0x1, 0x4, 1, b"\x88") + frame(0x0, 0x1, 1, b"hello")


@asynccontextmanager
async def frames(*parts: bytes) -> AsyncIterator[int]:
    """A server that chooses HTTP/2 and then says these bytes, each part by itself; its port."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(frame(0x4, 0, 0))
        for part in parts:
            writer.write(part)
            await writer.drain()
            await reader.read(65_536)  # each part is a record of its own
        await reader.read(65_536)

    async with serving(speak, certified(protocol="h2")) as port:
        yield port
