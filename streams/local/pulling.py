"""Asks others' services for what is new, politely: slowly, never twice for what has not changed, and ever more seldom
while they say that it is too much. What has been acknowledged is noted, so that a pull that ends goes on there.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import io
import math
import random
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
import orjson
import structlog

from producers.names import escaped
from producers.records import ProbeResult
from producers.signals import Signal
from producers.sources.contract import Read, RefusalReason, Refused, encoded
from producers.sources.files import read_all
from producers.sources.ooni.api import HOSTS
from streams.errors import why_not_reached
from streams.local.ingesting import IngestTotals
from streams.release import release
from streams.settings import SettingsError

log = structlog.get_logger()

BODY_BYTES_MAX: Final = 256 * 1024 * 1024
#: What may pass: too many requests, and a server's own trouble.
_PASSING: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
_TRIES: Final = 6
#: An answer to the question itself that is so was cut, or is a page that says that the service rests, as one that is
#: refused whole is the service's own error: it is asked for again. One measurement that a list leads to stays as it is,
#: and would hold up the others for ever.
_BROKEN: Final = frozenset((RefusalReason.NOT_JSON, RefusalReason.DAMAGED_FILE))
#: Too much was asked for: 413 of a proxy, 422 of Prometheus ("would load too many samples into memory").
_TOO_MUCH: Final = frozenset((413, 422))
#: What a service says of its own error is shown so far.
_WHY_MAX: Final = 200
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_HOPS_MAX: Final = 3
_PAUSE_SECONDS: Final = 2.0
_PAUSE_SECONDS_MAX: Final = 600.0
#: No answer silences a source for longer.
_LEFT_ALONE_SECONDS_MAX: Final = 86_400.0
_REQUEST_SECONDS: Final = 60.0
#: What comes late at a source is asked for again; what has been sent is not sent again.
OVERLAP_SECONDS: Final = 900.0
#: Validators are kept of so many URLs.
_KEPT_MAX: Final = 1_000
#: Of one round, so many requests: a list that leads to itself ends.
REQUESTS_MAX: Final = 5_000


class PullError(Exception):
    """A source can't be had now; the message says which URL, and what it answered."""


class TooMuchError(PullError):
    """More was asked for than can be answered, or read, at once."""


@dataclass
class PullState:
    """Until when each country of each source has been read, and which answers are known."""

    path: Path | None
    until: dict[str, float] = field(default_factory=dict)
    validators: dict[str, dict[str, str]] = field(default_factory=dict)
    #: By country, as `until`: marks of the records that the next round is answered again, and their times.
    sent: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> PullState:
        """Take up an earlier pull. Raises SettingsError for a file that is none of ours."""
        if path is None or not path.exists():
            return cls(path)
        try:
            known = orjson.loads(path.read_bytes())
            return cls(
                path,
                {str(key): float(value) for key, value in known["until"].items()},
                {str(url): dict(value) for url, value in known["validators"].items()},
                {str(key): dict(value) for key, value in known.get("sent", {}).items()},
            )
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(
                f"{path}: {error}; it is no state file of pull: name another, or delete it"
            ) from error

    def write(self) -> None:
        """Write it down, whole."""
        while len(self.validators) > _KEPT_MAX:
            self.validators.pop(next(iter(self.validators)))
        if self.path is None:
            return
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_bytes(
            orjson.dumps({"until": self.until, "validators": self.validators, "sent": self.sent})
        )
        fresh.replace(self.path)


class Polite:
    """Fetches URLs, one after the other.

    Parameters
    ----------
    session
        aiohttp's.
    state
        Which answers are known already.
    gap_seconds
        Between two requests to one host.
    headers
        For each request: a token.
    now, sleep
        The clock that passes, and how to wait on it.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        state: PullState,
        *,
        gap_seconds: float = 1.0,
        headers: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.requests = 0
        self._session = session
        self._state = state
        self._gap_seconds = gap_seconds
        self._headers = dict(headers or {})
        self._now = now
        self._sleep = sleep
        self._last: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._dice = random.Random(0)  # noqa: S311  so that many pulls don't come back together

    async def fetch(self, url: str) -> bytes | None:
        """Return the answer's body, or None if it has not changed since it was acknowledged. Raises PullError."""
        why, place, hops = "", url, 0
        left = self._not_before.get(urlsplit(url).netloc, -math.inf) - self._now()
        if left > 0:
            raise PullError(f"{url}: is not asked for another {left:,.0f} s, as it wishes")
        for number in range(_TRIES):
            await self._wait_for_turn(place)
            pause = min(_PAUSE_SECONDS_MAX, _PAUSE_SECONDS * 2**number) * self._dice.uniform(0.8, 1.2)
            try:
                known = self._state.validators.get(url, {})
                headers = {**self._headers, **known}
                async with self._session.get(place, headers=headers, allow_redirects=False) as answer:
                    self.requests += 1
                    if answer.status in _REDIRECTS:
                        hops += 1
                        place = _joined(place, answer.headers.get("Location", ""))
                        if hops > _HOPS_MAX or not same_host(url, place):
                            raise PullError(f"{url}: leads on to {place[:200]!r}, which is not asked")
                        continue
                    if answer.status == 304 and known:
                        return None
                    if answer.status == 200:
                        body = await self._body(answer, url)
                        self._validate(url, answer.headers)
                        return body
                    why = f"status {answer.status}"
                    if answer.status not in _PASSING:
                        kind = TooMuchError if answer.status in _TOO_MUCH else PullError
                        raise kind(f"{url}: {why}{await _reason(answer)}")
                    wanted = min(_LEFT_ALONE_SECONDS_MAX, retry_after(answer.headers.get("Retry-After")))
                    if wanted > _PAUSE_SECONDS_MAX:
                        self._not_before[urlsplit(url).netloc] = self._now() + wanted
                        raise PullError(f"{url}: {why}, and asks to wait for {wanted:,.0f} s")
                    pause = max(pause, wanted)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = why_not_reached(error)
            if number + 1 < _TRIES:
                log.info("a source is asked again later", url=url, why=why, seconds=round(pause, 1))
                await self._sleep(pause)
        raise PullError(f"{url}: {why}, {_TRIES} times")

    async def _wait_for_turn(self, url: str) -> None:
        host = urlsplit(url).netloc
        wait = self._last.get(host, -1e9) + self._gap_seconds - self._now()
        if wait > 0:
            await self._sleep(wait)
        self._last[host] = self._now()

    async def _body(self, answer: aiohttp.ClientResponse, url: str) -> bytes:
        body = bytearray()
        async for piece in answer.content.iter_chunked(64 * 1024):
            body += piece
            if len(body) > BODY_BYTES_MAX:
                raise TooMuchError(f"{url}: more than {BODY_BYTES_MAX} bytes")
        return bytes(body)

    def _validate(self, url: str, headers: Mapping[str, str]) -> None:
        """Keep what tells that an answer has not changed: RFC 9110, section 13."""
        known = {}
        if etag := headers.get("ETag"):
            known["If-None-Match"] = etag
        if modified := headers.get("Last-Modified"):
            known["If-Modified-Since"] = modified
        if known:
            self._state.validators.pop(url, None)
            self._state.validators[url] = known


async def _reason(answer: aiohttp.ClientResponse) -> str:
    """What goes behind a status: the service's own words, as Prometheus and others have them, or what to do."""
    if answer.status == 401:
        return ", it wants to know who asks: name a file with --token-file or --login-file"
    try:
        known = orjson.loads(await answer.content.read(64 * 1024))
        words = known.get("error") if isinstance(known, dict) else None
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError):
        return ""
    return f", {escaped(words[:_WHY_MAX])}" if isinstance(words, str) else ""


def _joined(url: str, location: str) -> str:
    """Where a redirect leads; what is no URL stays as it is, and is then of no host."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def same_host(url: str, other: str) -> bool:
    """Whether another URL may be asked because of one's answer: the same host and port, or OONI's other.

    What a service answers leads to no other host: not to one of this machine's own network, and not with a token.

    >>> same_host("https://api.example/a", "https://api.example/b")
    True
    >>> same_host("https://api.example/a", "http://api.example/a"), same_host("http://a.example/", "http://[::1]/")
    (False, False)
    """
    try:
        here, there = urlsplit(url), urlsplit(other)
        # Reading a port checks it.
        same = (here.hostname, here.port) == (there.hostname, there.port)
    except ValueError:
        return False
    if {here.hostname, there.hostname} <= HOSTS:
        return there.scheme == "https"
    return same and there.scheme in (here.scheme, "https")


def retry_after(value: str | None, now: Callable[[], float] = time.time) -> float:
    """Seconds that a server asks to wait: a number, or a date. 0 where it says nothing.

    >>> retry_after("120"), retry_after(None), retry_after("soon")
    (120.0, 0.0, 0.0)
    """
    if value is None:
        return 0.0
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except ValueError:
        return 0.0


#: URLs for a part (a country, a measurement) and a stretch of time.
Requests = Callable[[str, float, float], Iterable[str]]


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What to ask one source for.

    `requests` gives URLs for a part (a country, a measurement) and a stretch of time; `follow` gives what an answer
    leads to, for a URL that is a list.
    """

    name: str
    parts: tuple[str, ...]
    requests: Requests
    read: Read
    is_list: Callable[[str], bool] = lambda _: False
    follow: Callable[[bytes], Iterator[str]] = lambda _: iter(())
    #: The requests that ask for the same as one that asks for too much; none where it can't be had in parts.
    halves: Callable[[str], tuple[str, ...]] = lambda _: ()
    overlap_seconds: float = OVERLAP_SECONDS
    #: What a request answers may begin so long before the time that it asks for.
    reach_seconds: float = 0.0
    #: What to look at where nothing came at all.
    empty: str = ""


#: What takes a piece, and returns when it is acknowledged.
Send = Callable[[list[ProbeResult | Signal]], Awaitable[None]]


async def pull_once(
    plan: PullPlan,
    polite: Polite,
    state: PullState,
    send: Send,
    totals: IngestTotals,
    *,
    since: float,
    until: float,
) -> list[str]:
    """One round over all parts. Returns what went wrong; a part that did is asked for from the same time again."""
    troubles = []
    for part in plan.parts:
        key = f"{plan.name}/{part}"
        begin = max(since, state.until.get(key, since) - plan.overlap_seconds)
        before, fresh = dict(state.validators), _Fresh(state.sent.get(key, {}))
        try:
            await _pull_part(plan, polite, send, totals, part, begin, until, fresh)
        except PullError as error:
            troubles.append(str(error))
            state.validators = before  # what was not acknowledged has to be answered whole again
            log.warning("a source could not be read", source=plan.name, part=part, why=str(error))
            continue
        state.until[key] = until
        # A second more, for what is rounded.
        state.sent[key] = fresh.since(until - plan.overlap_seconds - plan.reach_seconds - 1.0)
        state.write()
    return troubles


class _Fresh:
    """Tells what the round before has sent already, as it is: a source may give other figures for the same moment."""

    def __init__(self, sent: Mapping[str, float]) -> None:
        self._sent = dict(sent)

    def __call__(self, one: ProbeResult | Signal) -> bool:
        mark = hashlib.blake2b(encoded(one), digest_size=9).hexdigest()
        before = mark in self._sent
        self._sent[mark] = one.time.timestamp()
        return not before

    def since(self, moment: float) -> dict[str, float]:
        """The marks of what is of this moment or later."""
        return {mark: time_ for mark, time_ in self._sent.items() if time_ >= moment}


async def _pull_part(
    plan: PullPlan,
    polite: Polite,
    send: Send,
    totals: IngestTotals,
    part: str,
    begin: float,
    until: float,
    fresh: _Fresh,
) -> None:
    waiting = deque(plan.requests(part, begin, until))
    first = set(waiting)
    asked: set[str] = set()
    while waiting:
        url = waiting.popleft()
        if url in asked:
            continue
        if len(asked) >= REQUESTS_MAX:
            raise PullError(f"{url}: more than {REQUESTS_MAX} requests in one round")
        asked.add(url)
        try:
            body = await polite.fetch(url)
            if body is None:
                continue
            if plan.is_list(url):
                waiting.extend(_led(url, body, plan, totals))
                continue
            piece, broken = _read(url, body, plan, fresh, totals)
        except TooMuchError:
            if not (halves := plan.halves(url)):
                raise
            waiting.extendleft(reversed(halves))
            first.update(halves)
            continue
        if piece:
            await send(piece)
        if broken is not None and url in first:
            raise PullError(f"{url}: {broken.reason}: {broken.detail}")


def _led(url: str, body: bytes, plan: PullPlan, totals: IngestTotals) -> Iterator[str]:
    """The URLs that a list leads to. Raises PullError for a list that is none."""
    try:
        for following in plan.follow(body):
            if same_host(url, following):
                yield following
            else:
                totals.note(Refused(RefusalReason.INVALID, "leads to another host", following[:200]))
    except ValueError as error:
        raise PullError(f"{url}: {error}") from error


def _read(
    url: str, body: bytes, plan: PullPlan, fresh: _Fresh, totals: IngestTotals
) -> tuple[list[ProbeResult | Signal], Refused | None]:
    """What of an answer is new, and what says that the answer is none. Raises TooMuchError."""
    piece: list[ProbeResult | Signal] = []
    broken: Refused | None = None
    for item in read_all(url, io.BytesIO(body), plan.read):
        if not isinstance(item, Refused):
            if not fresh(item):
                continue
            piece.append(item)
        elif item.place == url and item.reason is RefusalReason.TOO_LARGE and plan.halves(url):
            raise TooMuchError(f"{url}: {item.detail}")
        elif item.reason in _BROKEN or item.place == url:
            broken = item
        totals.note(item)
    return piece, broken


def session(tls: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """A session that says who asks; `tls` says who is believed, and the system where it is not given."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True),
        timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
        headers={"User-Agent": f"netdusk/{release()}"},
    )
