"""One attempt at one target, from name to answer: one try of each step, one deadline over all.

No retry and no fallback (to another address, another name server, plain HTTP), so that a half-broken path looks
half-broken. Knows no vantage and no topic.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

from producers.failures import Failure, Stage
from producers.probe import http, tcp, tls
from producers.probe.classify import NETWORK_ERRORS, classify
from producers.probe.dns import Resolver
from producers.probe.http import Exchange
from producers.probe.targets import Fingerprints, Target
from producers.records import Timings
from producers.steps import STEPS

#: A common browser's: on an unencrypted path a name of our own would point at whoever runs the vantage.
USER_AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
)


@dataclass(frozen=True, slots=True)
class Tools:
    """What every attempt of a vantage shares."""

    resolver: Resolver
    contexts: tls.Contexts
    fingerprints: Fingerprints
    user_agent: str = USER_AGENT
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: facts, and no record yet. `detail` is for a person, and goes no further than the terminal."""

    target: Target
    began: datetime
    stage: Stage | None
    failure: Failure | None
    detail: str
    timings_ms: Timings
    body_bytes: int
    status: int | None

    @property
    def ok(self) -> bool:
        """Whether the target answered as it does."""
        return self.failure is None


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


async def attempt(target: Target, tools: Tools) -> Outcome:
    """Try once. The network's failing is in the outcome; an exception is a bug, or this machine's own trouble."""
    steps = _Steps()
    exchange = Exchange()
    failure: Failure | None = None
    detail = ""
    began = datetime.now(UTC)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(target.timeout_seconds or tools.timeout_seconds):
            await _take(steps, exchange, target, tools)
    except NETWORK_ERRORS as error:
        failure = classify(error)
        detail = str(error)
    total_ms = (time.perf_counter() - started) * 1000
    # An answer's time is that of its first byte, also where the rest never came.
    taken: dict[Stage, float | None] = {**steps.taken_ms, Stage.HTTP: exchange.ttfb_ms}
    return Outcome(
        target=target,
        began=began,
        stage=steps.stage if failure else None,
        failure=failure,
        detail=detail,
        timings_ms=Timings(
            **{step.timing: _rounded(taken.get(step.stage)) for step in STEPS},
            total=_rounded(total_ms),
        ),
        body_bytes=exchange.body_bytes,
        status=exchange.status,
    )


@dataclass(slots=True)
class _Way:
    """How far an attempt has come: what each step finds, and the next one needs."""

    target: Target
    tools: Tools
    exchange: Exchange
    address: str = ""
    plain: tcp.Channel | None = None
    channel: http.Duplex | None = None


async def _look_up(way: _Way) -> None:
    answers = await way.tools.resolver.resolve(way.target.place.host, may_be_private=way.target.private)
    way.address = answers[0]


async def _connect(way: _Way) -> None:
    way.channel = way.plain = await tcp.connect(way.address, way.target.place.port)


async def _shake_hands(way: _Way) -> None:
    assert way.plain is not None
    context = _context(way.target, way.tools)
    more_follows = Stage.HTTP in way.target.steps
    way.channel = await tls.handshake(way.plain, context, way.target.place.host, more_follows=more_follows)


async def _ask(way: _Way) -> None:
    assert way.channel is not None
    tools = way.tools
    await http.get(
        way.channel,
        way.target,
        way.exchange,
        user_agent=tools.user_agent,
        fingerprints=tools.fingerprints,
    )


#: Who takes each step. It raises a network's error where the step fails.
PROBERS: Final[Mapping[Stage, Callable[[_Way], Awaitable[None]]]] = {
    Stage.DNS: _look_up,
    Stage.TCP: _connect,
    Stage.TLS: _shake_hands,
    Stage.HTTP: _ask,
}


async def _take(steps: _Steps, exchange: Exchange, target: Target, tools: Tools) -> None:
    """Take the target's steps, one after the other."""
    way = _Way(target, tools, exchange)
    if target.place.is_address:
        way.address = target.place.host
    try:
        for stage in target.steps:
            if stage is Stage.DNS and target.place.is_address:  # there is nothing to look up
                continue
            with steps.at(stage):
                await PROBERS[stage](way)
    finally:
        if way.plain is not None:
            way.plain.close()


def _context(target: Target, tools: Tools) -> ssl.SSLContext:
    return tools.contexts.verifying if target.verify else tools.contexts.lenient


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)
