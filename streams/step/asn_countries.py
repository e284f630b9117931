"""In which countries a network has addresses, by a table that the operator gives.

The table is a MaxMind DB of address ranges whose entries name both an AS number and a country: `asn` (a number, or text
like AS17557) or `autonomous_system_number`, and `country_code`, `country` (ISO 3166-1 alpha-2) or
`country: {iso_code: ...}`. It is read once, as a whole; no address is kept.

`maxminddb` (the extra `trust`) is imported where a table is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from producers.countries import COUNTRIES
from streams.errors import SettingsError, install

Networks = Mapping[int, frozenset[str]]
NO_NETWORKS: Final[Networks] = MappingProxyType({})


@lru_cache(maxsize=4)
def countries_by_asn(path: Path | None) -> Networks:
    """The countries in which each network of a table has addresses; empty where there is no table.

    Raises SettingsError where it can't be read, or names no network with a country.
    """
    if path is None:
        return NO_NETWORKS
    try:
        import maxminddb  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"trust.country_table: {path}: a country table needs maxminddb; {install('trust')}"
        ) from error
    countries_of: dict[int, set[str]] = {}
    try:
        with maxminddb.open_database(path) as table:
            for _, entry in table:
                asn, country = _network_of(entry)
                if asn and country:
                    countries_of.setdefault(asn, set()).add(country)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise SettingsError(f"trust.country_table: {path}: {error}; name a MaxMind DB file") from error
    if not countries_of:
        raise SettingsError(
            f"trust.country_table: {path}: no entry names both an AS number and a country; name a table that does"
        )
    return MappingProxyType({asn: frozenset(countries) for asn, countries in countries_of.items()})


def is_elsewhere(networks: Networks, asn: int, country: str) -> bool:
    """Whether a table knows a network, and knows it in other countries alone.

    >>> is_elsewhere({17557: frozenset({"PK"})}, 17557, "DE"), is_elsewhere({}, 17557, "DE")
    (True, False)
    """
    countries = networks.get(asn)
    return countries is not None and country not in countries


def _network_of(entry: Any) -> tuple[int, str]:
    """The AS number and the country of an entry; 0 and "" where it names none."""
    if not isinstance(entry, dict):
        return 0, ""
    number = entry.get("asn", entry.get("autonomous_system_number", 0))
    text = str(number).upper().removeprefix("AS")
    country = entry.get("country_code", entry.get("country", ""))
    if isinstance(country, dict):
        country = country.get("iso_code", "")
    if not isinstance(country, str) or country not in COUNTRIES:
        country = ""
    return (int(text) if text.isascii() and text.isdecimal() else 0), country
