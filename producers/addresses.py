"""Which addresses no public service can have. A vantage never contacts one, unless its operator allows it.

The table is IANA's special-purpose registries, as Python's `ipaddress` has them, and what these don't say: addresses
that hold an IPv4 address are judged by it, and some clouds keep their metadata at addresses that look public. Knows
no network.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final

#: Where clouds answer their own machines, though the registries call it public. Azure's (learn.microsoft.com, "What is
#: IP address 168.63.129.16?"), Oracle's (docs.oracle.com, "Getting Instance Metadata"; 192.0.0.192 was IBM's too). The
#: others stand in ranges that are no public ones anyway: 169.254.169.254, fd00:ec2::254, 100.100.100.200.
_METADATA: Final = frozenset(
    ipaddress.ip_address(address) for address in ("168.63.129.16", "192.0.0.192", "169.254.169.254")
)

#: Names that lead to one's own machine or network (RFC 6761, 6762, 8375, and ICANN's `internal`, below which some
#: clouds keep their metadata).
_HOME: Final = ("localhost", "local", "internal", "lan", "home.arpa", "localdomain")
#: Names that no name server may be asked for (RFC 7686, RFC 9476): the question alone would tell a provider what its
#: customer is after, and nobody can answer it.
_NEVER_ASKED: Final = ("onion", "alt")

#: What IANA's registries hold and not each Python that we run on knows: protocol assignments (RFC 6890, but for two
#: anycast addresses) and documentation (RFC 9637).
_RESERVED: Final = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("3fff::/20"))
_ANYCAST: Final = frozenset(ipaddress.ip_address(address) for address in ("192.0.0.9", "192.0.0.10"))

#: The prefix under which a translator (NAT64) stands in for IPv4 (RFC 6052), and the one for 6to4 (RFC 3056). Each is
#: beside how many bits lie below the IPv4 address.
_CARRIERS: Final = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
#: RFC 4291: of all other IPv6 addresses none is given out.
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")


@lru_cache(maxsize=8192)
def is_bogon(address: str) -> bool:
    """Whether no public service can have this address: private, loopback, link-local, reserved, a cloud's metadata.

    What is no address at all is one too: nothing can be contacted there.

    >>> [is_bogon(address) for address in ("10.10.34.34", "0.0.0.0", "127.0.0.1", "224.0.0.1", "8.8.8.8")]
    [True, True, True, True, False]

    An IPv4 address within an IPv6 one is what is judged, where a translator would unpack it:

    >>> is_bogon("64:ff9b::808:808"), is_bogon("64:ff9b::a00:1"), is_bogon("2002:7f00:1::1")
    (False, True, True)

    Of IPv6 only what is given out for global unicast is public: not the old site-local addresses, say.

    >>> is_bogon("fec0::1"), is_bogon("4000::1"), is_bogon("2a00:1450::1")
    (True, True, False)

    What is reserved is, whichever Python runs:

    >>> is_bogon("192.0.0.8"), is_bogon("192.0.0.9"), is_bogon("3fff::1")
    (True, False, True)

    A mapped address is never met on a wire: a system would connect to the IPv4 address in it, under our eyes.

    >>> is_bogon("::ffff:8.8.8.8")
    True
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _MAPPED or ip.scope_id is not None:
            return True
        for network, shift in _CARRIERS:
            if ip in network:
                return is_bogon(str(ipaddress.IPv4Address(int(ip) >> shift & 0xFFFF_FFFF)))
        if ip not in _UNICAST:
            return True
    if ip in _METADATA or (ip not in _ANYCAST and any(ip in network for network in _RESERVED)):
        return True
    return not ip.is_global or ip.is_multicast or ip.is_reserved


def is_home_name(host: str) -> bool:
    """Whether a name can be one of a machine's own network alone: it has no domain, or one that no registry gives out.

    >>> [is_home_name(name) for name in ("localhost", "a.localhost", "router", "metadata.google.internal", "x.com")]
    [True, True, True, True, False]

    Or one that is in no name server, and is not to be asked for:

    >>> is_home_name("expyuzz4wqqyqhjn.onion")
    True
    """
    bare = host.lower().rstrip(".")
    return "." not in bare or any(bare.endswith(f".{end}") for end in (*_HOME, *_NEVER_ASKED))


def holder(address: str) -> str:
    """Who has an address, as far as it tells: of IPv6 everybody has 2^64 of them, so the first half says it.

    >>> holder("192.0.2.1"), holder("2001:db8:1:2:3::4"), holder("")
    ('192.0.2.1', '2001:db8:1:2::/64', '')
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


def split_server(value: str, port: int = 53) -> tuple[str, int]:
    """The host and the port of `host`, `host:port` or `[address]:port`.

    >>> split_server("127.0.0.1:5353"), split_server("::1"), split_server("[::1]:53")
    (('127.0.0.1', 5353), ('::1', 53), ('::1', 53))
    """
    parts = re.fullmatch(r"\[(?P<six>[^]]+)\](?::(?P<a>\d+))?|(?P<host>[^:]+):(?P<b>\d+)", value)
    if parts is None:
        return value, port
    return parts["six"] or parts["host"], int(parts["a"] or parts["b"] or port)
