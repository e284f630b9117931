"""Public names of vantages and of small networks: what an operator may show of who measures.

A pseudonym is an HMAC of the operator's secret over a vantage, its network and a month. Without the secret nobody can
tell which vantage it is, nor that two pseudonyms of other networks or months are one vantage. Nothing here reads a
broker.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from streams.records import Vantage, VantageState

#: A network with fewer vantages than this may point to a person.
VANTAGES_MIN: Final = 3
_DIGITS: Final = 16
#: Networks that are not named stand by numbers from here on: for private use (RFC 6996), so that nobody else has them,
#: and beyond those that DN42 has given out.
UNNAMED_FIRST: Final = 4_250_000_000
_UNNAMED_LAST: Final = 4_294_967_294


class PublicVantage(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of an entry of the register. `asn` is None where its network has too few vantages to be named."""

    pseudonym: str
    month: str
    country: str
    asn: int | None


def pseudonym(secret: bytes, vantage: str, asn: int, month: str) -> str:
    """The public name of a vantage of a network in a month, like 2024-01.

    >>> pseudonym(b"0123456789abcdef", "pk-lhe-03", 17557, "2024-01")
    'v-d77328c6f7117084'
    """
    # A name holds no line end, so no two of them share a text.
    text = f"{vantage}\n{asn}\n{month}".encode()
    return "v-" + hmac.new(secret, text, hashlib.sha256).hexdigest()[:_DIGITS]


def network_pseudonym(key: bytes, country: str, asn: int, month: str) -> int:
    """The number by which a network that is not named stands in what is published of a month.

    >>> network_pseudonym(b"0123456789abcdef", "PK", 17557, "2024-01")
    4292688456
    """
    text = f"network\n{country}\n{asn}\n{month}".encode()
    digest = hmac.new(key, text, hashlib.sha256).digest()
    return UNNAMED_FIRST + int.from_bytes(digest[:8]) % (_UNNAMED_LAST - UNNAMED_FIRST + 1)


def is_unnamed(asn: int) -> bool:
    """Whether a number stands for a network that is not named."""
    return UNNAMED_FIRST <= asn <= _UNNAMED_LAST


def unnamed_network(asn: int) -> str:
    """What people call a network that is not named, so that two of them are told apart.

    >>> unnamed_network(4_271_230_042)
    'unnamed network 0042'
    """
    return f"unnamed network {asn % 10_000:04d}"


def network_name(asn: int, name: str | None = None) -> str:
    """What a network is called in a sentence.

    >>> network_name(17557), network_name(17557, "PTCL"), network_name(4_271_230_042)
    ('AS17557', 'PTCL', 'unnamed network 0042')
    """
    return unnamed_network(asn) if is_unnamed(asn) else name or f"AS{asn}"


def public_register(
    entries: Iterable[Vantage], secret: bytes, month: str, *, name_small_networks: bool
) -> list[PublicVantage]:
    """What may be shown of the vantages that speak, by pseudonym. Entries for sources are none."""
    speaking = [one for one in entries if one.state is VantageState.ACTIVE and not one.sources]
    many = Counter((one.country, one.asn) for one in speaking)
    shown = [
        PublicVantage(
            pseudonym=pseudonym(secret, one.vantage, one.asn, month),
            month=month,
            country=one.country,
            asn=one.asn if name_small_networks or many[one.country, one.asn] >= VANTAGES_MIN else None,
        )
        for one in speaking
    ]
    return sorted(shown, key=lambda one: (one.country, one.pseudonym))
