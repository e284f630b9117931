"""A target as an attempt reads it: where it is, how far to go, and what a good answer looks like.

Plain, without the library that reads targets files: a vantage that runs keeps nothing of that (`streams.local.lean`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Protocol
from urllib.parse import SplitResult, urlsplit

from producers.failures import Stage
from producers.steps import SCHEMES

#: An IP version.
AddressFamily = Literal["ipv4", "ipv6"]

#: The port of a scheme that has one of its own.
PORTS: Final[Mapping[str, int]] = {
    "http": 80,
    "https": 443,
    "tls": 443,
    "h2": 443,
    "h3": 443,
    "quic": 443,
    "dns": 53,
    "doh": 443,
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a target is, as its URL says.

    `host` is in ASCII and small letters. `is_address` says that it needs no look-up. `path` is what is asked for.
    """

    scheme: str
    host: str
    port: int
    path: str
    is_address: bool


def read_place(url: str) -> Endpoint:
    """Take a target's URL apart. Raises ValueError with the remedy.

    >>> read_place("https://www.Example.org/robots.txt?x=1")
    Endpoint(scheme='https', host='www.example.org', port=443, path='/robots.txt?x=1', is_address=False)
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{error}; write a URL like https://example.org/robots.txt") from error
    if parts.scheme not in SCHEMES:
        raise ValueError(f"the scheme has to be one of {', '.join(SCHEMES)}, as in https://example.org/")
    if port is None:
        port = PORTS.get(parts.scheme)
    if not port:
        raise ValueError("name the port, as in tcp://example.org:5222")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("take the user name, password or #fragment out: a probe sends none")
    if parts.scheme in ("dns", "doh"):
        if parts.query or not _is_name(parts.path[1:]):
            raise ValueError(
                f"name the server and what it is asked for: {parts.scheme}://{parts.netloc}/example.org"
            )
    elif Stage.HTTP not in SCHEMES[parts.scheme] and (parts.path not in ("", "/") or parts.query):
        raise ValueError(f"a {parts.scheme} target has no path: {parts.scheme}://{parts.netloc}")
    if any(character <= " " or character > "~" for character in parts.path + parts.query):
        raise ValueError("write what is not plain ASCII in the path as %XX")
    host, is_address = _host_of(parts)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(parts.scheme, host, port, path, is_address)


def _host_of(parts: SplitResult) -> tuple[str, bool]:
    if not parts.hostname:
        raise ValueError("name a host, as in https://example.org/")
    try:
        return str(ipaddress.ip_address(parts.hostname)), True
    except ValueError:
        pass
    try:
        host = parts.hostname.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError(f"{parts.hostname!r} is no host name: {error}") from error
    if not _is_name(host):
        raise ValueError(f"{host!r} is no host name")
    # What ends in a number is an IPv4 address to browsers and systems (`127.1`, `0x7f.1`), and no name to any resolver.
    if re.fullmatch(r"\d+|0x[0-9a-f]*", host.rpartition(".")[2]):
        raise ValueError(
            f"{parts.hostname!r} is no host name: write an address as four numbers, like 192.0.2.1"
        )
    return host, False


def _is_name(text: str) -> bool:
    labels = text.split(".")
    return re.fullmatch(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", text) is not None and all(
        0 < len(label) < 64 for label in labels
    )


class AskedTarget:
    """One thing to ask. What each field means is said where targets files are read (`producers.probe.targets`)."""

    platform: str
    url: str
    statuses: frozenset[int]
    redirects: tuple[str, ...]
    verify: bool
    private: bool
    every_address: bool
    certificates: tuple[str, ...]
    text: str | None
    size_bytes: tuple[int, int] | None
    interval_seconds: float | None
    timeout_seconds: float | None
    body_bytes_max: int
    bytes_per_second_min: float
    slow_seconds: float
    beside_share_min: float
    family: AddressFamily | None
    ech: bool

    @property
    def name(self) -> str:
        """What it is called in results: its URL, with the IP version where it has one of its own."""
        return self.url if self.family is None else f"{self.url}#{self.family}"

    @cached_property
    def place(self) -> Endpoint:
        """Where it is."""
        return read_place(self.url)

    @cached_property
    def steps(self) -> tuple[Stage, ...]:
        """The steps that an attempt takes, in their order."""
        return SCHEMES[self.place.scheme]

    @property
    def compared(self) -> AskedTarget | None:
        """What it is held against, asked in the same way; None where there is no such thing."""
        raise NotImplementedError

    def may_redirect_to(self, host: str) -> bool:
        """Whether a redirect to that host is one of the platform's own."""
        return any(is_or_below(host, good) for good in (self.place.host, *self.redirects))


class KnownPage(Protocol):
    """A block page: one of text, pattern, or the host of a redirect."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def body(self) -> str | None:
        """A text in it."""

    @property
    def body_regex(self) -> str | None:
        """A pattern in it."""

    @property
    def redirect_host(self) -> str | None:
        """Where a redirect leads."""


class Fingerprints:
    """Known block pages, ready to be looked for.

    >>> from producers.probe.targets import Blockpage
    >>> page = Blockpage(name="test", source="none", body="This site is blocked")
    >>> Fingerprints((page,)).in_body(b"<h1>This site is blocked</h1>")
    'test'
    """

    def __init__(self, blockpages: Iterable[KnownPage] = ()) -> None:
        blockpages = tuple(blockpages)
        self._texts = [(page.name, page.body.encode()) for page in blockpages if page.body is not None]
        self._patterns = [
            (page.name, re.compile(page.body_regex.encode(), re.IGNORECASE))
            for page in blockpages
            if page.body_regex is not None
        ]
        self._hosts = [(page.name, page.redirect_host) for page in blockpages if page.redirect_host]

    def in_body(self, body: bytes) -> str | None:
        """Return the name of the block page that this body is, or None if it is not a known one."""
        for name, text in self._texts:
            if text in body:
                return name
        for name, pattern in self._patterns:
            if pattern.search(body):
                return name
        return None

    def in_redirect(self, host: str) -> str | None:
        """Return the name of the block page behind a redirect to this host, or None if it is not a known one."""
        return next((name for name, known in self._hosts if is_or_below(host, known)), None)


def is_or_below(host: str, parent: str) -> bool:
    """Whether a host is this one, or below it."""
    return host == parent or host.endswith(f".{parent}")
