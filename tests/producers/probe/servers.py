"""Servers on loopback that misbehave in every way a probe has to tell apart: real sockets, real TLS, real DNS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import trustme

HOST = "site.test"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port; whatever its handler still waits for is cancelled at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the probe has left, or the test has ended
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls, backlog=4096)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def refusing() -> AsyncIterator[int]:
    """A port that is taken, and on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@asynccontextmanager
async def not_accepting() -> AsyncIterator[int]:
    """A listener whose queue is full: the kernel lets further SYNs go unanswered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


# --- what a handler does ------------------------------------------------------------------------------------------
async def ends_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait for the first bytes, then send a reset (SO_LINGER with no time)."""
    await reader.read(65_536)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def says(answer: bytes) -> Handler:
    """Read a request, answer with these bytes, end."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return handler


def says_to_hello(answer: bytes) -> Handler:
    """Answer whatever comes first with these bytes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)
        await writer.drain()
        await reader.read(65_536)

    return handler


def says_and_hangs(answer: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says(answer)(reader, writer)
        await asyncio.Event().wait()

    return handler


def drips(head: bytes, pause_seconds: float) -> Handler:
    """One byte of the body at a time, for ever."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says(head)(reader, writer)
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return handler


def slowly(port: int, piece_bytes: int, pause_seconds: float) -> Handler:
    """What the server on that port says, in small pieces: a throttle on the way, which knows no TLS."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)

        async def ask() -> None:
            while data := await reader.read(65_536):
                to_server.write(data)

        asking = asyncio.create_task(ask())
        try:
            while data := await from_server.read(piece_bytes):
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
        finally:
            asking.cancel()
            to_server.close()

    return handler


def floods(head: bytes, more: bytes) -> Handler:
    """The same bytes again and again, as fast as they are taken, for ever."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says(head)(reader, writer)
        while True:
            writer.write(more)
            await writer.drain()

    return handler


def answer(status: int = 200, body: bytes = b"hello", length: int | None = None, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# --- certificates -------------------------------------------------------------------------------------------------
@cache
def authority(name: str) -> trustme.CA:
    return trustme.CA()


@cache
def issued(host: str = HOST, by: str = "known", expired: bool = False) -> trustme.LeafCert:
    """A server's certificate."""
    now = datetime.now(UTC).replace(tzinfo=None)
    until = now - timedelta(days=1) if expired else None
    begin = now - timedelta(days=9) if expired else None
    return authority(by).issue_cert(host, not_before=begin, not_after=until)


@cache
def certified(
    host: str = HOST, by: str = "known", expired: bool = False, protocol: str | None = None
) -> ssl.SSLContext:
    """A server's TLS context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued(host, by, expired).configure_cert(context)
    if protocol:
        context.set_alpn_protocols([protocol])
    return context


def write_authority(folder: Path) -> Path:
    path = folder / "authority.pem"
    authority("known").cert_pem.write_to_path(str(path))
    return path


# --- names --------------------------------------------------------------------------------------------------------
@dataclass
class NameServer:
    """A name server on loopback, UDP and TCP; what it says is in its tables."""

    addresses: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    #: What the HTTPS records of a name say.
    services: dict[str, list[str]] = field(default_factory=dict)
    rcodes: dict[str, dns.rcode.Rcode] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    garbage: set[str] = field(default_factory=set)
    wrong_id: set[str] = field(default_factory=set)
    wrong_question: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)
    #: So many bytes of an answer over TCP are sent; None: all.
    tcp_bytes: int | None = None
    questions: list[str] = field(default_factory=list)
    port: int = 0

    def reply(self, wire: bytes, *, over_tcp: bool = False) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        host = question.name.to_text(omit_final_dot=True)
        self.questions.append(host)
        if host in self.silent:
            return None
        if host in self.garbage:
            return wire[:2] + b"\x80\x00\xff"
        reply = dns.message.make_response(query)
        reply.set_rcode(self.rcodes.get(host, dns.rcode.NOERROR))
        if host in self.truncated and not over_tcp:
            reply.flags |= dns.flags.TC
            return reply.to_wire()
        name = question.name
        if host in self.aliases:
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", f"{self.aliases[host]}."))
            host = self.aliases[host]
            name = f"{host}."
        if question.rdtype == 65:
            if host in self.services:
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", "HTTPS", *self.services[host]))
            return reply.to_wire()
        matching = [
            address for address in self.addresses.get(host, []) if (":" in address) == (question.rdtype == 28)
        ]
        if matching:
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", question.rdtype, *matching))
        if host in self.wrong_id:
            reply.id ^= 1
        if host in self.wrong_question:
            reply = dns.message.make_response(dns.message.make_query("other.test", "A", id=query.id))
            reply.answer.append(dns.rrset.from_text("other.test.", 60, "IN", "A", "127.0.0.1"))
        return reply.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, names: NameServer) -> None:
        self.names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self.names.reply(data)
        if reply is not None:
            self.transport.sendto(reply, addr)  # type: ignore[attr-defined]  # a DatagramTransport


@asynccontextmanager
async def naming(names: NameServer) -> AsyncIterator[NameServer]:
    """Run a name server; its port is free for both UDP and TCP."""

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        reply = names.reply(await reader.readexactly(size), over_tcp=True)
        assert reply is not None
        writer.write((len(reply).to_bytes(2, "big") + reply)[: names.tcp_bytes])
        await writer.drain()

    async with serving(over_tcp) as port:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Udp(names), local_addr=("127.0.0.1", port)
        )
        names.port = port
        try:
            yield names
        finally:
            transport.close()
