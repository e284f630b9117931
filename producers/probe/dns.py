"""DNS: one question to one name server over UDP, the first answer taken as it comes.

Not getaddrinfo: that hides which answer came (NXDOMAIN, SERVFAIL, REFUSED) and asks again by itself. No cache, no
hosts file. A truncated answer is asked for over TCP, as the protocol has it (RFC 7766).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from producers.addresses import is_bogon
from producers.failures import Failure
from producers.probe.asked import AddressFamily
from producers.probe.classify import ObservedFailure, answered
from producers.probe.dns_messages import AskedName, DnsMessage, RecordType, ask, labels_of, read_message
from producers.probe.tcp import Channel, connect

_TYPES: Final = {"ipv4": RecordType.A, "ipv6": RecordType.AAAA}
_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_HTTPS_PORT: Final = 443
_UDP_BYTES_MAX: Final = 65_535


class _Query(NamedTuple):
    """What is asked, and as it goes out, less its number."""

    question: AskedName
    wire: bytes


@dataclass(slots=True)
class Resolver:
    """Asks one name server.

    Parameters
    ----------
    server
        Its address; None takes the first one of /etc/resolv.conf, read again whenever that changes.
    port
        Its port.
    family
        Which addresses are asked for.
    """

    server: str | None = None
    port: int = 53
    family: AddressFamily = "ipv4"
    #: A libc takes this one if resolv.conf names none.
    _system: str = "127.0.0.1"
    _system_read_ns: int = field(default=-1, repr=False)

    async def resolve(
        self, host: str, *, may_be_private: bool = False, family: AddressFamily | None = None
    ) -> tuple[str, ...]:
        """Addresses of a host, in the answer's order, at least one. Raises Observed, OSError."""
        kind = _TYPES[family or self.family]
        return _addresses_of(await self._ask(host, kind), host, kind, may_be_private=may_be_private)

    async def offers_ech(self, host: str, port: int) -> bool:
        """Whether the name's HTTPS record says how a ClientHello to it can be encrypted. Raises Observed, OSError."""
        name = host if port == _HTTPS_PORT else f"_{port}._https.{host}"  # RFC 9460, 9.1
        answer = await self._ask(name, RecordType.HTTPS)
        answered(answer.rcode)
        return answer.offers_ech()

    def wire_of(self, host: str, family: AddressFamily | None = None) -> bytes:
        """The question as DoH sends it: with the number 0, so that caches on the way know it (RFC 8484, 4.1)."""
        return b"\0\0" + _query(host, _TYPES[family or self.family]).wire

    def read(
        self, reply: bytes, host: str, *, may_be_private: bool = False, family: AddressFamily | None = None
    ) -> tuple[str, ...]:
        """Addresses of the host in what DoH brought, as `resolve` gives them. Raises Observed."""
        if reply[:2] != b"\0\0":
            raise ObservedFailure(Failure.HTTP_UNEXPECTED_BODY, "no DNS message")
        kind = _TYPES[family or self.family]
        answer = _checked(_read(reply, b"\0\0", host), _query(host, kind).question)
        return _addresses_of(answer, host, kind, may_be_private=may_be_private)

    async def _ask(self, host: str, kind: int) -> DnsMessage:
        server = self.server or self._system_server()
        number = secrets.token_bytes(2)
        query = _query(host, kind)
        wire = number + query.wire
        reply = await _over_udp(wire, server, self.port)
        answer = _read(reply, number, host)
        if answer.truncated:
            reply = await _over_tcp(wire, server, self.port)
            answer = _read(reply, number, host)
        return _checked(answer, query.question)

    def _system_server(self) -> str:
        try:
            changed_ns = _RESOLV_CONF.stat().st_mtime_ns
        except OSError:
            return self._system
        if changed_ns != self._system_read_ns:
            self._system_read_ns = changed_ns
            self._system = next(iter(_servers_of(_RESOLV_CONF.read_text(errors="replace"))), "127.0.0.1")
        return self._system


async def _over_udp(wire: bytes, server: str, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    # A fresh socket for each question: a fresh source port. Connected, so that ICMP's "refused" is heard.
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.connect((server, port))
        channel = Channel(udp, loop)
        await channel.send(wire)
        return await channel.receive(_UDP_BYTES_MAX)


async def _over_tcp(wire: bytes, server: str, port: int) -> bytes:
    """Return the question with its length before it (RFC 1035, 4.2.2)."""
    channel = await connect(server, port)
    try:
        await channel.send(len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(await _exactly(channel, 2), "big")
        return await _exactly(channel, length)
    finally:
        channel.close()


async def _exactly(channel: Channel, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await channel.receive(count - len(data))
        if not more:
            raise ObservedFailure(Failure.EOF_ERROR, "the name server ended within its answer")
        data += more
    return data


def _read(reply: bytes, number: bytes, host: str) -> DnsMessage:
    if reply[:2] != number:
        raise ObservedFailure(Failure.DNS_REPLY_WITH_WRONG_QUERY_ID, host)
    return read_message(reply)


def _checked(answer: DnsMessage, question: AskedName) -> DnsMessage:
    # Its number alone could be guessed (RFC 5452, 9.1). An error may come without the question.
    if answer.question != question and (answer.question is not None or not answer.rcode):
        raise ObservedFailure(Failure.DNS_REPLY_WITH_WRONG_QUERY_ID, f"an answer to {answer.question}")
    return answer


def _addresses_of(answer: DnsMessage, host: str, kind: int, *, may_be_private: bool) -> tuple[str, ...]:
    answered(answer.rcode)
    addresses = answer.addresses(kind)
    if not addresses:
        raise ObservedFailure(Failure.DNS_NO_ANSWER, host)
    if not may_be_private and any(is_bogon(address) for address in addresses):
        raise ObservedFailure(Failure.DNS_BOGON_ERROR, ", ".join(addresses))
    return addresses


def _servers_of(resolv_conf: str) -> list[str]:
    """Name servers of a resolv.conf, in its order.

    >>> _servers_of("# none: nameserver 1.1.1.1\\nsearch example.org\\nnameserver 9.9.9.9\\nnameserver\\n")
    ['9.9.9.9']
    """
    lines = (line.split() for line in resolv_conf.splitlines())
    return [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]


@lru_cache(maxsize=4096)
def _query(host: str, kind: int) -> _Query:
    """A query less its number."""
    return _Query(AskedName(labels_of(host), kind), ask(host, kind))
