"""The countries that the lab can make side by side: each has addresses, regions and networks of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Final

from tests.lab.platforms import RESOLVERS, moved

#: Of a country: its three networks, and the one abroad that stands beside it.
NETWORKS: Final = (1, 2, 3, 9)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a vantage stands."""

    name: str
    country: str
    region: str | None
    asn: int
    network: int
    address: str

    @property
    def address_6(self) -> str:
        """Its other address, of IPv6."""
        return "2a0e:41:" + ":".join(self.address.split(".")[1:3]) + "::2"


@dataclass(frozen=True)
class Country:
    """One of them, by its number: three networks, each with a home in two regions, and a vantage outside.

    >>> first, third = Country(0, "PK", ("PB", "SD")), Country(2, "BD", ("B", "C"))
    >>> first.homes[1].address, third.homes[1].address, third.homes[1].region
    ('41.1.2.2', '41.21.2.2', 'BD-C')
    >>> third.moved("31.0.1.1"), third.moved("2a0e:31:6::1"), third.moved("10.10.34.34")
    ('31.2.1.1', '2a0e:31:6:2::1', '10.10.34.34')
    """

    number: int
    code: str
    parts: tuple[str, str]

    def moved(self, address: str) -> str:
        """An address of the first country's world, where it is in this one's; any other text as it is."""
        return moved(address, self.number)

    @cached_property
    def homes(self) -> tuple[Home, ...]:
        """The six vantages in the country."""
        return tuple(
            Home(
                f"{self.code.lower()}-{network}-{part.lower()}",
                self.code,
                f"{self.code}-{part}",
                64_500 + 10 * self.number + network,
                network,
                self.moved(f"41.{network}.{place}.2"),
            )
            for network in NETWORKS[:3]
            for place, part in enumerate(self.parts, 1)
        )

    @cached_property
    def abroad(self) -> Home:
        """The vantage outside, which is the others' control."""
        return Home("nl-1", "NL", None, 64_509 + 10 * self.number, 9, self.moved("41.9.1.2"))

    @property
    def everybody(self) -> tuple[Home, ...]:
        """All seven vantages."""
        return (*self.homes, self.abroad)

    def resolver(self, network: int) -> str:
        """The name server of a network."""
        return self.moved(RESOLVERS[NETWORKS.index(network)])

    def device(self, network: int) -> str:
        """The name of a network's device in the world."""
        return f"net{self.number}-{network}"

    def prefixes(self, network: int) -> tuple[str, str]:
        """The addresses of a network, IPv4 and IPv6."""
        second = ip_address(self.moved(f"41.{network}.0.0")).packed[1]
        return f"41.{second}.0.0/16", f"2a0e:41:{second}::/48"


_PARTS: Final = (
    "PK PB SD,IN DL MH,BD B C,NP P1 P3,LK 1 3,MM 01 06,TH 10 50,VN HN SG,KH 12 10,LA VT SV,ID JK JT,PH 00 01,"
    "KZ ALA AST,UZ TK SA,TR 06 34,IQ BG BA,EG C ALX,SD KH GZ,ET AA OR,KE 30 28,UG C N,TZ 02 01,NG LA KN,GH AA AH"
)
COUNTRIES: Final = tuple(
    Country(number, code, (first, second))
    for number, (code, first, second) in enumerate(item.split() for item in _PARTS.split(","))
)
