"""What to ask, and what a good answer looks like: the targets file, read whole or refused with what is wrong.

Knows no network. A target is a URL of a platform; its scheme says how far an attempt goes (`producers.steps`).
"""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from producers.addresses import is_bogon, is_home_name
from producers.complaints import complaints
from producers.failures import Stage
from producers.names import PLATFORM_REMEDY, is_platform, is_printable
from producers.probe.asked import AddressFamily, AskedTarget, read_place
from producers.steps import SCHEMES

_STATUSES_REMEDY: Final = 'write status codes and classes of them, like [200, "3xx"]'


_FINGERPRINT_REMEDY: Final = (
    "write the SHA-256 of a certificate in hexadecimal, as `openssl x509 -noout -fingerprint -sha256` "
    "prints it"
)


class TargetsError(Exception):
    """A targets file that can't be used; the message names the file, the key, the value and the remedy."""


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


class Target(BaseModel, AskedTarget):
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
    #: Over which IP version; None takes the settings' own.
    family: AddressFamily | None = None
    #: True: its name's HTTPS record is asked for besides, and whether it offers ECH goes into the result.
    ech: bool = False

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
        if self.family and self.place.is_address and (":" in self.place.host) != (self.family == "ipv6"):
            raise ValueError(f"family: {self.place.host} is an address of the other IP version; leave it out")
        if self.ech and (self.place.is_address or self.place.scheme in ("dns", "doh")):
            raise ValueError(
                "ech: only a service that is asked for by its name says so; give https, tls or h3"
            )
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
    def compared(self) -> Target | None:
        """What it is held against, asked in the same way; None where there is no such thing."""
        if self.beside is None:
            return None
        return Target(
            platform=self.platform,
            url=self.beside,
            verify=self.verify,
            private=self.private,
            family=self.family,
            body_bytes_max=self.body_bytes_max,
            bytes_per_second_min=0,
        )

    @cached_property
    def is_at_a_private_place(self) -> bool:
        """Whether its URL holds an address that no public service can have, or a name that leads to one."""
        return is_bogon(self.place.host) if self.place.is_address else is_home_name(self.place.host)

    def check_place(self) -> None:
        """Raise TargetsError where the URL leads to a private address and nobody says that it is meant."""
        if self.compared is not None:
            self.compared.check_place()
        if self.is_at_a_private_place and not self.private:
            where = "an address" if self.place.is_address else "a name"
            raise TargetsError(
                f"targets: {self.url} is at {where} that no public service can have; if it is a service of your "
                "own, give the target private = true, and the vantage --allow-private"
            )


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
            if target.name in seen:
                raise ValueError(
                    f"target {number} asks {target.name} as target {seen[target.name]} does; keep one"
                )
            seen[target.name] = number
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
