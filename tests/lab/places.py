"""The countries that the lab can make side by side: each has addresses, regions and networks of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Final

from tests.lab.platforms import RESOLVERS, moved

NETWORKS: Final = (1, 2, 3)


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

    @property
    def prefixes(self) -> tuple[str, str]:
        """The addresses of its network, IPv4 and IPv6."""
        second = ip_address(self.address).packed[1]
        return f"41.{second}.0.0/16", f"2a0e:41:{second}::/48"


#: The vantage outside of all countries, which is their control.
ABROAD: Final = Home("nl-1", "NL", None, 64_509, 9, "41.9.1.2")


@dataclass(frozen=True)
class Country:
    """One of them, by its number: three networks, each with a home in two regions.

    >>> first, third = Country(0, "PK", ("PB", "SD")), Country(2, "BD", ("B", "C"))
    >>> first.homes[1].address, third.homes[1].address, third.homes[1].region
    ('41.1.2.2', '41.21.2.2', 'BD-C')
    >>> third.resolver(1), third.moved("41.3.1.2"), third.moved("31.0.1.1")
    ('31.2.53.1', '41.23.1.2', '31.0.1.1')
    """

    number: int
    code: str
    parts: tuple[str, str]

    def moved(self, address: str) -> str:
        """Where an address of the first country is in this one; the world's, and any other text, as they are."""
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

    def resolver(self, network: int) -> str:
        """The name server of a network."""
        return self.moved(RESOLVERS[NETWORKS.index(network)])

    def device(self, network: int) -> str:
        """The name of a network's device in the world."""
        return f"net{self.number}-{network}"


_PARTS: Final = (
    "PK PB SD,IN DL MH,BD B C,NP P1 P3,LK 1 3,MM 01 06,TH 10 50,VN HN SG,KH 12 10,LA VT SV,ID JK JT,PH 00 01,"
    "KZ ALA AST,UZ TK SA,TR 06 34,IQ BG BA,EG C ALX,SD KH GZ,ET AA OR,KE 30 28,UG C N,TZ 02 01,NG LA KN,GH AA AH"
)
COUNTRIES: Final = tuple(
    Country(number, code, (first, second))
    for number, (code, first, second) in enumerate(item.split() for item in _PARTS.split(","))
)
