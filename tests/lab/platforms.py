"""What stands in the lab's world: platforms over TLS and plain HTTP, resolvers, and the host of a block page.

`python -m tests.lab.platforms FOLDER [COUNTRIES]` serves so many countries until its standard input ends, and leaves
its authority in the folder.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dns.message
import dns.rcode
import dns.rrset
import trustme

from tests.producers.probe.versions import Page, serve_http3


@dataclass(frozen=True, slots=True)
class Site:
    """One host of a platform: its name, its address, and how long its page is."""

    platform: str
    host: str
    address: str
    scheme: str = "https"
    page_bytes: int = 400
    #: Which IP version it is asked over; an empty one is the vantage's own choice.
    family: str = ""

    @property
    def url(self) -> str:
        """What a vantage asks."""
        return f"{self.scheme}://{self.host}/"


#: Addresses that look public, so that everything is judged as it would be outside; in a namespace without a way out.
SITES: Final = (
    Site("x", "x.test", "31.0.1.1"),
    Site("x", "api.x.test", "31.0.1.2"),
    Site("facebook", "facebook.test", "31.0.2.1"),
    Site("facebook", "graph.facebook.test", "31.0.2.2"),
    Site("youtube", "youtube.test", "31.0.3.1"),
    Site("youtube", "video.youtube.test", "31.0.3.2", page_bytes=60_000),
    Site("wikipedia", "wikipedia.test", "31.0.4.1", scheme="http"),
    Site("wikipedia", "en.wikipedia.test", "31.0.4.2"),
    Site("instagram", "instagram.test", "31.0.5.1"),
    Site("instagram", "instagram.test", "31.0.5.1", scheme="h3"),
    Site("telegram", "telegram.test", "31.0.6.1", family="ipv4"),
    Site("telegram", "telegram.test", "2a0e:31:6::1", family="ipv6"),
)
BLOCKPAGE: Final = "31.0.66.6"
BROKER: Final = "31.0.9.92"
#: A name server for each network of the first country; each outside of its network, as its customers see it.
RESOLVERS: Final = ("31.0.53.1", "31.0.53.2", "31.0.53.3")
RESOLVER_ABROAD: Final = "31.0.53.9"
#: So many processes serve.
PROCESSES: Final = 4
WELCOME: Final = "Welcome to the real page"
STOP: Final = "<title>The page you asked for can not be shown in this country</title>"


def moved(address: str, number: int) -> str:
    """Where an address of the first country is in another one; the world's, and any other text, as they are."""
    if address in RESOLVERS:
        return f"31.{number}.{address.removeprefix('31.0.')}"
    if address.startswith("41."):
        _, network, rest = address.split(".", 2)
        return f"41.{10 * number + int(network)}.{rest}"
    return address


def addresses_of(countries: int) -> tuple[str, ...]:
    """Every address of the world of so many countries, but the broker's."""
    resolvers = [moved(resolver, number) for number in range(countries) for resolver in RESOLVERS]
    return (*dict.fromkeys(site.address for site in SITES), BLOCKPAGE, RESOLVER_ABROAD, *resolvers)


class Names:
    """The name servers: all of them know the same."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def answer(self, question: bytes) -> bytes:
        """The answer to a question; what was asked before is answered without reading it again."""
        rest = self._known.get(question[2:])
        if rest is None:
            rest = self._known[question[2:]] = _answer(dns.message.from_wire(question))
        return question[:2] + rest

    def listen(self, address: str) -> None:
        """Answer there. Raises OSError."""
        there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        there.setblocking(False)
        there.bind((address, 53))
        asyncio.get_running_loop().add_reader(there, self._turn, there)

    def _turn(self, there: socket.socket) -> None:
        # All that waits, in one turn: asyncio reads one datagram a turn, and a process that gets few turns would answer
        # what nobody waits for any more, and for as long as they ask.
        with suppress(BlockingIOError):
            while True:
                question, asker = there.recvfrom(4096)
                there.sendto(self.answer(question), asker)


def _answer(query: dns.message.Message) -> bytes:
    """The answer without its first two bytes, the number."""
    question = query.question[0]
    host = question.name.to_text(omit_final_dot=True)
    reply = dns.message.make_response(query)
    addresses = list(dict.fromkeys(site.address for site in SITES if site.host == host))
    kind = {1: "A", 28: "AAAA"}.get(question.rdtype)
    of_kind = [address for address in addresses if (":" in address) == (kind == "AAAA")]
    if not addresses:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif kind and of_kind:
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *of_kind))
    return reply.to_wire()[2:]


def main(folder: Path, countries: int) -> None:
    """Serve so many countries until the standard input ends."""
    authority = trustme.CA()
    (folder / "authority.pem").write_bytes(authority.cert_pem.bytes())
    # A process alone gets the share of one, where a hundred vantages have one each.
    children = []
    for part in range(PROCESSES):
        child = os.fork()
        if not child:
            asyncio.run(_serve_part(folder, countries, authority, part))
            return
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


async def _serve_part(folder: Path, countries: int, authority: trustme.CA, part: int) -> None:
    """Serve what falls to one of the processes."""
    for site in SITES[part::PROCESSES]:
        page = WELCOME.encode().ljust(site.page_bytes, b".")
        if site.scheme == "h3":
            await serve_http3(Page(body=page), authority.issue_cert(site.host), folder, site.address, 443)
        else:
            await _serve(site.address, page, authority.issue_cert(site.host))
    if not part:
        await _serve(BLOCKPAGE, STOP.encode(), trustme.CA().issue_cert("block.test"))
    resolvers = [moved(resolver, number) for number in range(countries) for resolver in RESOLVERS]
    names = Names()
    for resolver in (RESOLVER_ABROAD, *resolvers)[part::PROCESSES]:
        names.listen(resolver)
    (folder / f"serving-{part}").touch()
    await asyncio.to_thread(sys.stdin.read)


async def _serve(address: str, page: bytes, certificate: trustme.LeafCert) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            # As most servers do: the head goes out before the body is there.
            writer.write(head)
            await writer.drain()
            writer.write(page)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # cut on its way
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    await asyncio.start_server(answer, address, 80)
    await asyncio.start_server(answer, address, 443, ssl=context)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
