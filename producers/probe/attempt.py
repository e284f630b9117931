"""One attempt at one target, from name to answer: one try of each step, one deadline over all.

No retry and no fallback (to another address, another name server, plain HTTP), so that a half-broken path looks
half-broken. Knows no vantage and no topic.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final

from producers.addresses import is_bogon
from producers.failures import Failure, Stage
from producers.probe import http, tcp, tls
from producers.probe.asked import AskedTarget, Fingerprints
from producers.probe.classify import NETWORK_ERRORS, classify
from producers.probe.dns import Resolver
from producers.probe.http import Exchange, page_in
from producers.records import Timings
from producers.steps import STEPS

if TYPE_CHECKING:
    from producers.probe.quic import Quic, QuicChannel

#: A common browser's: on an unencrypted path a name of our own would point at whoever runs the vantage.
USER_AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
)

#: So many addresses of a name are tried, with `every_address`.
ADDRESSES_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Tools:
    """What every attempt of a vantage shares."""

    resolver: Resolver
    contexts: tls.Contexts
    fingerprints: Fingerprints
    user_agent: str = USER_AGENT
    timeout_seconds: float = 10.0
    #: False: a private address is never contacted, whatever the targets file says.
    allow_private: bool = False
    #: What QUIC needs; None where no target asks for it, and nothing of it is loaded.
    quic: Quic | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: facts, and no record yet. `detail` is for a person, and goes no further than the terminal."""

    target: AskedTarget
    began: datetime
    stage: Stage | None
    failure: Failure | None
    detail: str
    timings_ms: Timings
    body_bytes: int
    status: int | None
    #: So many attempts this stands for (one an address), and so many of them went well.
    count: int = 1
    good: int = 0
    #: When the earliest of the certificates ends that were shown and verified, seconds since 1970.
    certificate_expires: float | None = None
    #: Whether the name's HTTPS record offers ECH; None where that was not asked, or no answer came.
    ech_offered: bool | None = None

    @property
    def ok(self) -> bool:
        """Whether the target answered as it does."""
        return self.failure is None


class ForbiddenAddressError(Exception):
    """A private address would have been contacted: the vantage's operator doesn't allow it. No result comes of it."""


class _Steps:
    """Which step is being taken, and how long those took that were completed, in milliseconds."""

    __slots__ = ("_began", "stage", "taken_ms")

    def __init__(self) -> None:
        self.stage = Stage.DNS
        self.taken_ms: dict[Stage, float] = {}
        self._began = 0.0

    def at(self, stage: Stage) -> _Steps:
        self.stage = stage
        return self

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.taken_ms[self.stage] = (time.perf_counter() - self._began) * 1000


async def attempt(target: AskedTarget, tools: Tools) -> Outcome:
    """Try once. The network's failing is in the outcome; an exception is a bug, or this machine's own trouble.

    With `every_address`, each address of the name is tried once, all side by side.
    """
    loop = asyncio.get_running_loop()
    began = datetime.now(UTC)
    started = time.perf_counter()
    deadline = loop.time() + (target.timeout_seconds or tools.timeout_seconds)
    walk = _Walk(target, tools)
    if target.every_address and not target.place.is_address:
        walks = await _over_all_addresses(walk, deadline)
    else:
        walks = [await walk.take(target.steps, deadline)]
    total_ms = (time.perf_counter() - started) * 1000
    await _hold_beside(walks[0], deadline)
    ech_offered = await _look_for_ech(target, tools, deadline)
    failed = next((one for one in walks if one.failure), None)
    # What it took is told of one that went well, where there is one.
    shown = next((one for one in walks if not one.failure), walks[0])
    exchange = shown.exchange if failed is None or len(walks) > 1 else failed.exchange
    # An answer's time is that of its first byte, also where the rest never came.
    taken: dict[Stage, float | None] = {**shown.steps.taken_ms, Stage.HTTP: exchange.ttfb_ms}
    return Outcome(
        target=target,
        began=began,
        stage=failed.steps.stage if failed else None,
        failure=failed.failure if failed else None,
        detail=failed.detail if failed else "",
        timings_ms=Timings(
            **{step.timing: _rounded(taken.get(step.stage)) for step in STEPS},
            total=_rounded(total_ms),
        ),
        body_bytes=exchange.body_bytes,
        status=exchange.status,
        count=len(walks),
        good=sum(not one.failure for one in walks),
        certificate_expires=min(
            (one.way.expires for one in walks if one.way.expires is not None), default=None
        ),
        ech_offered=ech_offered,
    )


async def _hold_beside(walk: _Walk, deadline: float) -> None:
    """Ask for the object beside a target, and call the target throttled where that came much faster.

    Where the other one does not come as it should, or either is too small to tell, nothing is said.
    """
    target = walk.target
    if target.compared is None or walk.failure:
        return
    other = await _Walk(target.compared, walk.way.tools).take(target.compared.steps, deadline)
    rate, usual = walk.exchange.rate, other.exchange.rate
    if other.failure or rate is None or usual is None or rate >= target.beside_share_min * usual:
        return
    walk.steps.stage = Stage.HTTP
    walk.failure = Failure.THROTTLED
    walk.detail = f"{rate:.0f} bytes a second, {usual:.0f} beside"


async def _look_for_ech(target: AskedTarget, tools: Tools, deadline: float) -> bool | None:
    """Ask for what a browser asks for before it encrypts its ClientHello. No answer is no fact."""
    if not target.ech:
        return None
    try:
        async with asyncio.timeout_at(deadline):
            return await tools.resolver.offers_ech(target.place.host, target.place.port)
    except NETWORK_ERRORS as error:
        classify(error)  # raises what is this machine's own trouble
        return None


async def _over_all_addresses(first: _Walk, deadline: float) -> list[_Walk]:
    """Look the name up once, then walk on to each of its addresses."""
    dns, *rest = first.target.steps
    await first.take((dns,), deadline)
    if first.failure:
        return [first]
    others = [first.towards(address) for address in first.way.addresses[1:ADDRESSES_MAX]]
    return list(await asyncio.gather(*(one.take(rest, deadline) for one in (first, *others))))


@dataclass(slots=True)
class _Way:
    """How far an attempt has come: what each step finds, and the next one needs."""

    target: AskedTarget
    tools: Tools
    exchange: Exchange
    addresses: tuple[str, ...] = ()
    plain: tcp.Channel | None = None
    channel: tcp.Channel | tls.TlsChannel | None = None
    quic: QuicChannel | None = None
    expires: float | None = None

    @property
    def may_be_private(self) -> bool:
        """Whether both say so: the targets file, which may come from others, and who runs the vantage."""
        return self.target.private and self.tools.allow_private


class _Walk:
    """One way through the steps, and how it ended."""

    def __init__(self, target: AskedTarget, tools: Tools) -> None:
        self.target = target
        self.steps = _Steps()
        self.exchange = Exchange()
        self.way = _Way(target, tools, self.exchange)
        if target.place.is_address:
            self.way.addresses = (target.place.host,)
        self.failure: Failure | None = None
        self.detail = ""

    def towards(self, address: str) -> _Walk:
        """Another one, of the same look-up, to another address."""
        other = _Walk(self.target, self.way.tools)
        other.way.addresses = (address,)
        other.steps.taken_ms.update(self.steps.taken_ms)
        return other

    async def take(self, stages: Sequence[Stage], deadline: float) -> _Walk:
        """Take these steps until one fails or the deadline, on the loop's clock, strikes."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._take(stages)
        except NETWORK_ERRORS as error:
            self.failure = classify(error)
            self.detail = str(error)
            if (page := page_in(self.exchange, self.way.tools.fingerprints)) is not None:
                self.failure, self.detail = Failure.BLOCKPAGE, page  # one that broke off, or never ended
            if self.failure.startswith("dns_"):  # a name server's own words, over HTTPS too
                self.steps.stage = Stage.DNS
        return self

    async def _take(self, stages: Sequence[Stage]) -> None:
        try:
            for stage in stages:
                if stage is Stage.DNS and self.target.place.is_address and self.target.place.scheme != "dns":
                    continue  # there is nothing to look up
                with self.steps.at(stage):
                    await PROBERS[stage](self.way)
        finally:
            if self.way.plain is not None:
                self.way.plain.close()
            if self.way.quic is not None:
                self.way.quic.close()


async def _look_up(way: _Way) -> None:
    place, resolver = way.target.place, way.tools.resolver
    if not place.is_address:
        way.addresses = await resolver.resolve(
            place.host, may_be_private=way.may_be_private, family=way.target.family
        )
    if place.scheme == "dns":
        asked = Resolver(_judged(way), place.port, way.target.family or resolver.family)
        way.addresses = await asked.resolve(place.path[1:], may_be_private=way.may_be_private)


async def _connect(way: _Way) -> None:
    """Connect to the address that was found and judged: nobody looks the name up again."""
    way.channel = way.plain = await tcp.connect(_judged(way), way.target.place.port)


async def _shake_hands_over_quic(way: _Way) -> None:
    quic, place = way.tools.quic, way.target.place
    assert quic is not None, "the tools are made for the targets"
    way.quic = await quic.connect(_judged(way), place.port, place.host, verify=way.target.verify)


def _judged(way: _Way) -> str:
    """The first address, if it may be contacted."""
    address = way.addresses[0]
    if not way.may_be_private and is_bogon(address):
        # A name that leads there has failed at DNS; what is left is a URL that no start lets pass.
        raise ForbiddenAddressError(f"{address}: no vantage asks that without probe.allow_private")
    return address


async def _shake_hands(way: _Way) -> None:
    assert way.plain is not None
    protocol = "h2" if way.target.place.scheme == "h2" else "http/1.1"
    context = way.tools.contexts.of(verify=way.target.verify, protocol=protocol)
    more_follows = Stage.HTTP in way.target.steps
    channel = await tls.handshake(way.plain, context, way.target.place.host, more_follows=more_follows)
    if way.target.certificates:
        channel.check_certificate(way.target.certificates)
    way.channel = channel
    way.expires = channel.expires


async def _ask(way: _Way) -> None:
    agent, fingerprints = way.tools.user_agent, way.tools.fingerprints
    if way.quic is not None:
        from producers.probe import http3  # noqa: PLC0415  loaded where a target asks for it

        await http3.get(way.quic, way.target, way.exchange, user_agent=agent, fingerprints=fingerprints)
        return
    assert way.channel is not None
    if way.target.place.scheme == "h2":
        from producers.probe import http2  # noqa: PLC0415  loaded where a target asks for it

        assert isinstance(way.channel, tls.TlsChannel)
        await http2.get(way.channel, way.target, way.exchange, user_agent=agent, fingerprints=fingerprints)
        return
    if way.target.place.scheme == "doh":
        host, resolver, family = way.target.place.path[1:], way.tools.resolver, way.target.family
        question = base64.urlsafe_b64encode(resolver.wire_of(host, family)).rstrip(b"=").decode()
        path = f"/dns-query?dns={question}"
        await http.get(
            way.channel, way.target, way.exchange, user_agent=agent, fingerprints=fingerprints, path=path
        )
        resolver.read(bytes(way.exchange.body), host, may_be_private=way.may_be_private, family=family)
        return
    await http.get(way.channel, way.target, way.exchange, user_agent=agent, fingerprints=fingerprints)


#: Who takes each step. It raises a network's error where the step fails.
PROBERS: Final[Mapping[Stage, Callable[[_Way], Awaitable[None]]]] = {
    Stage.DNS: _look_up,
    Stage.TCP: _connect,
    Stage.TLS: _shake_hands,
    Stage.QUIC: _shake_hands_over_quic,
    Stage.HTTP: _ask,
}


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)
