"""What to ask, and what a good answer looks like: the targets file, read whole or refused with what is wrong.

Knows no network. A target is a URL of a platform; its scheme says how far an attempt goes (`producers.steps`).
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from producers.addresses import is_bogon
from producers.complaints import complaints
from producers.failures import Stage
from producers.names import PLATFORM_REMEDY, is_platform, is_printable
from producers.steps import SCHEMES

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
_STATUSES_REMEDY: Final = 'write status codes and classes of them, like [200, "3xx"]'


_FINGERPRINT_REMEDY: Final = (
    "write the SHA-256 of a certificate in hexadecimal, as `openssl x509 -noout -fingerprint -sha256` "
    "prints it"
)


class TargetsError(Exception):
    """A targets file that can't be used; the message names the file, the key, the value and the remedy."""


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
    return host, False


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", text) is not None


def _statuses(value: Any) -> frozenset[int]:
    if not isinstance(value, list) or not value:
        raise ValueError(_STATUSES_REMEDY)
    codes: set[int] = set()
    for item in value:
        if isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599:
            codes.add(item)
        elif isinstance(item, str) and re.fullmatch("[1-5]xx", item):
            codes.update(range(int(item[0]) * 100, int(item[0]) * 100 + 100))
        else:
            raise ValueError(f"{item!r} is no HTTP status; {_STATUSES_REMEDY}")
    return frozenset(codes)


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", value):
        raise ValueError("write a host's name or address alone, without scheme and path")
    return value.lower().rstrip(".")


def _platform(value: str) -> str:
    if not is_platform(value):
        raise ValueError(PLATFORM_REMEDY)
    return value


def _url(value: str) -> str:
    if not is_printable(value):
        raise ValueError("take out what can't be printed: control, format and bidirectional characters")
    read_place(value)
    return value


def _range(value: Any) -> Any:
    match value:
        case None:
            return None
        case [int() as least, int() as most] if 0 <= least <= most:
            return least, most
    raise ValueError("write the least and the most bytes of a good body, like [100, 5000]")


def _fingerprint(value: str) -> str:
    plain = value.replace(":", "").lower()
    if not re.fullmatch("[0-9a-f]{64}", plain):
        raise ValueError(_FINGERPRINT_REMEDY)
    return plain


Host = Annotated[str, AfterValidator(_host)]


class Target(BaseModel):
    """One thing to ask, and what counts as a good answer. The defaults are the file format's own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    platform: Annotated[str, AfterValidator(_platform)]
    url: Annotated[str, AfterValidator(_url)]
    #: Statuses that mean "it answered as it does"; any other is `http_unexpected_status_code`.
    statuses: Annotated[frozenset[int], BeforeValidator(_statuses)] = frozenset(range(200, 400))
    #: Hosts that a redirect may name, beside the target's own and those below it.
    redirects: Annotated[tuple[Host, ...], Field(strict=False)] = ()
    #: False: complete the handshake, but take any certificate (services with an authority of their own).
    verify: bool = True
    #: True: the name rightly leads to a private address (a service in your own network). The vantage has to allow it.
    private: bool = False
    #: True: each address of the name is tried, and the result stands for as many attempts.
    every_address: bool = False
    #: Certificates that the server may show (SHA-256 of the DER, in hexadecimal); empty: any that is trusted.
    certificates: Annotated[
        tuple[Annotated[str, AfterValidator(_fingerprint)], ...], Field(strict=False)
    ] = ()
    #: A text that is in every good answer's body, and how many bytes such a body has. None: anything.
    text: str | None = Field(None, min_length=1, max_length=1024)
    size_bytes: Annotated[tuple[int, int] | None, BeforeValidator(_range)] = None
    #: How often, and how long one attempt may take; None takes the settings' own.
    interval_seconds: float | None = Field(None, ge=1, le=86_400)
    timeout_seconds: float | None = Field(None, gt=0, le=300)
    #: The body is read no further than this.
    body_bytes_max: int = Field(65_536, ge=1, le=16 * 1024 * 1024)
    #: A body that comes, but slower than this over so long, is `throttled`. 0: never.
    bytes_per_second_min: float = Field(1_000.0, ge=0)
    slow_seconds: float = Field(3.0, gt=0, le=300)
    #: Another object, which nobody has a reason to slow down: asked right after this one, over the same line. A body
    #: that comes at less than this share of the other's rate is `throttled`.
    beside: Annotated[str, AfterValidator(_url)] | None = None
    beside_share_min: float = Field(0.1, gt=0, lt=1)

    @model_validator(mode="after")
    def _asks_as_far_as_it_judges(self) -> Self:
        if self.certificates and Stage.TLS not in self.steps:
            raise ValueError(
                f"certificates: a {self.place.scheme} target shows none to us; ask over https, h2 or tls"
            )
        if (self.text or self.size_bytes) and Stage.HTTP not in self.steps:
            raise ValueError(
                f"text, size_bytes: a {self.place.scheme} target has no body; ask over https, http, h2 or h3"
            )
        if self.beside is not None:
            if self.every_address:
                raise ValueError("beside, every_address: give one of them; one body is held against another")
            if Stage.HTTP not in self.steps or Stage.HTTP not in SCHEMES[read_place(self.beside).scheme]:
                raise ValueError("beside: both have to have a body; ask over https or http")
        if self.every_address and self.place.scheme == "dns":
            raise ValueError("every_address: a dns target connects to none of the addresses that it is told")
        if (self.text or self.size_bytes) and self.place.scheme == "doh":
            raise ValueError("text, size_bytes: what a doh target is told are addresses")
        if self.size_bytes and self.size_bytes[1] >= self.body_bytes_max:
            raise ValueError(
                "size_bytes reaches up to body_bytes_max, beyond which nothing is read: raise that too"
            )
        return self

    @cached_property
    def place(self) -> Endpoint:
        """Where it is."""
        return read_place(self.url)

    @cached_property
    def steps(self) -> tuple[Stage, ...]:
        """The steps that an attempt takes, in their order."""
        return SCHEMES[self.place.scheme]

    @cached_property
    def compared(self) -> Target | None:
        """What it is held against, asked in the same way; None where there is no such thing."""
        if self.beside is None:
            return None
        return Target(
            platform=self.platform,
            url=self.beside,
            verify=self.verify,
            private=self.private,
            body_bytes_max=self.body_bytes_max,
            bytes_per_second_min=0,
        )

    @cached_property
    def is_at_a_private_address(self) -> bool:
        """Whether its URL holds an address that no public service can have."""
        return self.place.is_address and is_bogon(self.place.host)

    def check_place(self) -> None:
        """Raise TargetsError where the URL holds a private address and nobody says that it is meant."""
        if self.compared is not None:
            self.compared.check_place()
        if self.is_at_a_private_address and not self.private:
            raise TargetsError(
                f"targets: {self.url} is at an address that no public service can have; if it is a service of your "
                "own, give the target private = true, and the vantage --allow-private"
            )

    def may_redirect_to(self, host: str) -> bool:
        """Whether a redirect to that host is one of the platform's own.

        >>> target = Target(platform="x", url="https://x.com/", redirects=("twitter.com",))
        >>> target.may_redirect_to("www.x.com"), target.may_redirect_to("notx.com")
        (True, False)
        """
        return any(_is_or_below(host, good) for good in (self.place.host, *self.redirects))


class Blockpage(BaseModel):
    """What tells a page that stands in for the target's own: one of text, pattern, or the host of a redirect."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1, max_length=128)
    source: str = Field(min_length=1)
    #: Under which licence the source gives it; None: a fact that nobody owns.
    licence: str | None = Field(None, min_length=1, max_length=64)
    body: str | None = Field(None, min_length=4)
    body_regex: str | None = Field(None, min_length=4)
    redirect_host: Host | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        given = [self.body, self.body_regex, self.redirect_host]
        if sum(item is not None for item in given) != 1:
            raise ValueError("give exactly one of body, body_regex and redirect_host")
        if self.body_regex is not None:
            try:
                re.compile(self.body_regex.encode())
            except re.error as error:
                raise ValueError(f"body_regex is no regular expression: {error}") from error
        return self


class Fingerprints:
    """Known block pages, ready to be looked for.

    >>> page = Blockpage(name="test", source="none", body="This site is blocked")
    >>> Fingerprints((page,)).in_body(b"<h1>This site is blocked</h1>")
    'test'
    """

    def __init__(self, blockpages: tuple[Blockpage, ...] = ()) -> None:
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
        return next((name for name, known in self._hosts if _is_or_below(host, known)), None)


class TargetsFile(BaseModel):
    """A targets file: `[[target]]` tables, and optional `[[blockpage]]` tables."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    target: Annotated[tuple[Target, ...], Field(strict=False)]
    blockpage: Annotated[tuple[Blockpage, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _some_and_no_twins(self) -> Self:
        if not self.target:
            raise ValueError("there is no target; write [[target]] tables")
        seen: dict[str, int] = {}
        for number, target in enumerate(self.target, 1):
            if target.url in seen:
                raise ValueError(
                    f"target {number} asks {target.url} as target {seen[target.url]} does; keep one"
                )
            seen[target.url] = number
        return self

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms' names, each once, in the file's order."""
        return tuple(dict.fromkeys(target.platform for target in self.target))

    def with_blockpages(self, known: tuple[Blockpage, ...]) -> TargetsFile:
        """Return a copy with more block pages behind its own. Of two with one name, its own stays."""
        own = {page.name for page in self.blockpage}
        more = tuple(page for page in known if page.name not in own)
        return self.model_copy(update={"blockpage": (*self.blockpage, *more)})

    def only(self, platforms: tuple[str, ...]) -> TargetsFile:
        """Return a copy with the targets of these platforms. Raises ValueError for one that has no target."""
        for name in platforms:
            if name not in self.platforms:
                raise ValueError(f"no target of platform {name!r}; there are {', '.join(self.platforms)}")
        chosen = tuple(target for target in self.target if target.platform in platforms)
        return self.model_copy(update={"target": chosen}) if platforms else self


def load_targets(path: Path | None = None) -> TargetsFile:
    """Read a targets file; None reads the list that netdusk brings. Raises TargetsError.

    Block pages that netdusk knows are known with every list.
    """
    try:
        text = path.read_text("utf-8") if path else (files(__package__) / "targets.toml").read_text("utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise TargetsError(f"{path}: {error.strerror}; name a readable targets file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetsError(f"{path}: {error}; the file has to be TOML in UTF-8") from error
    try:
        targets = TargetsFile.model_validate(table)
    except ValidationError as error:
        raise TargetsError("\n".join(complaints(error, TargetsFile, lambda _: str(path)))) from error
    return targets if path is None else targets.with_blockpages(load_targets().blockpage)


def _is_or_below(host: str, parent: str) -> bool:
    return host == parent or host.endswith(f".{parent}")
