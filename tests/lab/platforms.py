"""What stands in the lab's world: platforms over TLS and plain HTTP, resolvers, and the host of a block page.

`python -m tests.lab.platforms FOLDER [NUMBER]` serves one country until its standard input ends, and leaves its
authority in the folder.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from dataclasses import dataclass
from ipaddress import ip_address
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
#: A name server for each network, and one outside; each outside of its network, as its customers see it.
RESOLVERS: Final = ("31.0.53.1", "31.0.53.2", "31.0.53.3", "31.0.53.9")
WELCOME: Final = "Welcome to the real page"
STOP: Final = "<title>The page you asked for can not be shown in this country</title>"
#: All but the broker's, which is one for all countries.
ADDRESSES: Final = (*dict.fromkeys(site.address for site in SITES), BLOCKPAGE, *RESOLVERS)


def moved(address: str, number: int) -> str:
    """An address of the first country's world, where it is in another one's; any other text as it is."""
    if address.startswith("31.0."):
        return f"31.{number}.{address.removeprefix('31.0.')}"
    if address.startswith("41."):
        _, network, rest = address.split(".", 2)
        return f"41.{10 * number + int(network)}.{rest}"
    if address.startswith("2a0e:31:") and address.endswith("::1"):
        return str(ip_address(f"{address.removesuffix('::1')}:{number:x}::1"))
    return address


class _Names(asyncio.DatagramProtocol):
    def __init__(self, number: int) -> None:
        self._number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        host = question.name.to_text(omit_final_dot=True)
        reply = dns.message.make_response(query)
        addresses = list(
            dict.fromkeys(moved(site.address, self._number) for site in SITES if site.host == host)
        )
        kind = {1: "A", 28: "AAAA"}.get(question.rdtype)
        of_kind = [address for address in addresses if (":" in address) == (kind == "AAAA")]
        if not addresses:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif kind and of_kind:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *of_kind))
        self.transport.sendto(reply.to_wire(), addr)  # type: ignore[attr-defined]  # a DatagramTransport


async def serve(folder: Path, number: int = 0) -> None:
    """Serve a country until the standard input ends."""
    authority = trustme.CA()
    (folder / "authority.pem").write_bytes(authority.cert_pem.bytes())
    loop = asyncio.get_running_loop()
    for site in SITES:
        address = moved(site.address, number)
        page = WELCOME.encode().ljust(site.page_bytes, b".")
        if site.scheme == "h3":
            await serve_http3(Page(body=page), authority.issue_cert(site.host), folder, address, 443)
        else:
            await _serve(address, page, authority.issue_cert(site.host))
    await _serve(moved(BLOCKPAGE, number), STOP.encode(), trustme.CA().issue_cert("block.test"))
    for resolver in RESOLVERS:
        await loop.create_datagram_endpoint(lambda: _Names(number), local_addr=(moved(resolver, number), 53))
    (folder / "serving").touch()
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
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
