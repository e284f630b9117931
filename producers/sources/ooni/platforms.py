"""Which platform a host belongs to: the well-known ones by their domains, every other by its own registered domain.

Knows names alone: nothing here looks anything up. The list is for measurements that others made, where a URL is all
that one has; our own probes name the platform themselves.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

NAME_MAX: Final = 64
#: No name in the DNS is longer (RFC 1035); in Unicode it has fewer characters.
_HOST_MAX: Final = 255

#: The domains that a platform serves its pages, media and short links from, as their certificates and the public
#: test lists (github.com/citizenlab/test-lists) name them.
WELL_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "x": ("x.com", "twitter.com", "t.co", "twimg.com"),
    "facebook": (
        "facebook.com",
        "facebook.net",
        "fb.com",
        "fb.me",
        "fbcdn.net",
        "fbsbx.com",
        "messenger.com",
    ),
    "instagram": ("instagram.com", "cdninstagram.com", "ig.me"),
    "threads": ("threads.net", "threads.com"),
    "youtube": ("youtube.com", "youtu.be", "ytimg.com", "googlevideo.com", "youtube-nocookie.com"),
    "whatsapp": ("whatsapp.com", "whatsapp.net", "wa.me"),
    "telegram": ("telegram.org", "telegram.me", "t.me", "telegram.dog", "telesco.pe"),
    "tiktok": ("tiktok.com", "tiktokv.com", "tiktokcdn.com", "musical.ly"),
    "signal": ("signal.org", "signal.art", "whispersystems.org"),
    "wikipedia": ("wikipedia.org", "wikimedia.org", "wikipedia.com"),
    "google": ("google.com", "gstatic.com"),
    "snapchat": ("snapchat.com", "snap.com", "sc-cdn.net"),
    "discord": ("discord.com", "discordapp.com", "discord.gg", "discordapp.net"),
    "reddit": ("reddit.com", "redd.it", "redditmedia.com", "redditstatic.com"),
    "linkedin": ("linkedin.com", "licdn.com", "lnkd.in"),
    "vk": ("vk.com", "vk.ru", "vkontakte.ru", "userapi.com"),
    "tor": ("torproject.org",),
}

#: Second levels under which a two-letter country registers its names, so that three labels make a registered domain
#: (the shape that ClickHouse's cutToFirstSignificantSubdomain takes, with a longer list).
_SECOND_LEVELS: Final = frozenset(
    "ac co com edu gob gouv gov go mil ne net nic nom or org web info gv sch k12 biz id ltd plc me in my".split()
)


class PlatformMapError(ValueError):
    """A platform map that can't be used; the message names the file, the key, the value and the remedy."""


class Platforms:
    """Hosts to platform names.

    Parameters
    ----------
    domains
        Platform name to its domains; a host belongs where one of them is its end. Put over the well-known ones.

    Examples
    --------
    >>> platforms = Platforms()
    >>> platforms.of_url("https://mobile.twitter.com/home"), platforms.of_url("http://news.example.co.uk:8080/")
    ('x', 'example.co.uk')
    """

    def __init__(self, domains: Mapping[str, Iterable[str]] | None = None) -> None:
        self._by_domain = {domain: name for name, ends in WELL_KNOWN.items() for domain in ends}
        for name, ends in (domains or {}).items():
            self._by_domain.update({ascii_host(domain) or domain: name for domain in ends})

    def of_url(self, url: str) -> str | None:
        """Return the platform of a URL, or None if it names no host."""
        host = host_of(url)
        return None if host is None else self.of_host(host)

    def of_host(self, host: str) -> str:
        """The platform of a host, at most 64 characters long."""
        labels = host.split(".")
        for i in range(len(labels)):
            name = self._by_domain.get(".".join(labels[i:]))
            if name is not None:
                return name
        return registered_domain(host)[-NAME_MAX:]


def host_of(url: str) -> str | None:
    """Return the host that a URL (or `host:port`) names, in ASCII and small letters, or None if it names none.

    >>> host_of("http://Яндекс.рф/")
    'xn--d1acpjx3f.xn--p1ai'
    >>> host_of("mailto:nobody") is None
    True
    """
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname
    except ValueError:  # a bracket that is no IPv6 address
        return None
    if "//" not in url and ":" in url and not url.rpartition(":")[2].partition("/")[0].isdigit():
        return None
    return ascii_host(host) if host else None


def ascii_host(host: str) -> str | None:
    """Return a host name in ASCII (IDNA 2003) and small letters, or None if it is not one."""
    if len(host) > _HOST_MAX:
        return None
    try:
        name = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    return name or None


def registered_domain(host: str) -> str:
    """Return the registered domain of a host, by its shape. An address stays as it is.

    >>> registered_domain("www.bbc.co.uk"), registered_domain("a.b.example.org"), registered_domain("192.0.2.1")
    ('bbc.co.uk', 'example.org', '192.0.2.1')
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    labels = host.split(".")
    deep = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3:] if deep else labels[-2:])


def read_platforms(path: Path) -> Platforms:
    """Read a TOML file of `platform = ["domain", ...]`. Raises PlatformMapError if it is not one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlatformMapError(f'{path}: {error}; write lines like x = ["x.com", "t.co"]') from error
    for name, domains in table.items():
        if not 0 < len(name) <= NAME_MAX:
            raise PlatformMapError(f"{path}: {name!r}: a platform's name has 1 to {NAME_MAX} characters")
        if not isinstance(domains, list) or not all(
            isinstance(domain, str) and ascii_host(domain) for domain in domains
        ):
            raise PlatformMapError(
                f'{path}: {name} = {domains!r}: write a list of domains, ["x.com", "t.co"]'
            )
    return Platforms(table)
