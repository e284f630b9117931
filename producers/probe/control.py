"""Whether the same targets answered, at about this time, from outside of the country.

A netdusk probe outside (`--control-out FILE`) writes a small JSON file; one inside reads it, from a path or over HTTP
from wherever that file is served. Or a control service (`netdusk control`) is asked for the targets in question. Where
an answer can't be had, or is old, or the controls do not agree, it is "not known": never a guess.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta, Struct

from producers.probe.attempt import Outcome

log = structlog.get_logger()

BYTES_MAX: Final = 4 * 1024 * 1024
#: What the URL of a control service ends in.
CHECK_PATH: Final = "/v1/check"
_BATCH: Final = 200
#: A service makes the attempts while one waits.
_FETCH_SECONDS: Final = 25.0
_WRITE_SECONDS: Final = 1.0
#: Content too large (RFC 9110, 15.5.14): fewer targets at once.
_TOO_MANY: Final = 413
_REFUSAL_BYTES: Final = 4096


class ControlResult(Struct, frozen=True):
    """How a target answered outside, and when."""

    ok: bool
    time: Annotated[datetime, Meta(tz=True)]


class ControlFile(Struct, frozen=True, tag_field="schema", tag="netdusk.control/1"):
    """The file: a target's URL to how it answered."""

    targets: dict[str, ControlResult]


_decoder = msgspec.json.Decoder(ControlFile)
#: What an answer that is none raises; brackets may be deeper than any stack.
_NO_ANSWER: Final = (OSError, msgspec.MsgspecError, ValueError, RecursionError)


class TooManyError(OSError):
    """A control service takes fewer targets at once: `most`, where it says how many."""

    def __init__(self, most: int | None) -> None:
        super().__init__(f"it takes {'fewer' if most is None else most} targets at once")
        self.most = most


class _Refusal(Struct, frozen=True):
    targets_max: int | None = None


class ControlResults:
    """What is known from outside.

    Parameters
    ----------
    sources
        Paths or http(s) URLs of control files, or of control services: these end in `/v1/check` and are told what is
        asked.
    urls
        The targets that a control service is asked for.
    quorum
        So many sources have to say the same, and fewer the opposite.
    age_seconds_max
        An answer further than this from the attempt's time says nothing about it.
    """

    def __init__(
        self,
        sources: Sequence[str],
        urls: Sequence[str] = (),
        *,
        quorum: int = 1,
        age_seconds_max: float = 180.0,
    ) -> None:
        self._sources = tuple(sources)
        self._urls = tuple(urls)
        self._quorum = quorum
        self._age_seconds_max = age_seconds_max
        self._seen: dict[str, dict[str, ControlResult]] = {}
        self._failing: set[str] = set()
        #: How many targets a control service takes at once, and which of them it is asked for first.
        self._sizes: dict[str, int] = {}
        self._first: dict[str, int] = {}

    async def refresh(self) -> None:
        """Ask all of them again. A failure is logged, once, and leaves what is known to grow old."""
        await asyncio.gather(*map(self._refresh, self._sources))

    def ok(self, url: str, time: datetime) -> bool | None:
        """Return whether the target answered outside at about that time, or None if that is not known.

        It is not known either where the controls do not agree.
        """
        answers = [
            seen.ok
            for results in self._seen.values()
            if (seen := results.get(url)) is not None
            and abs((time - seen.time).total_seconds()) <= self._age_seconds_max
        ]
        well, ill = answers.count(True) >= self._quorum, answers.count(False) >= self._quorum
        return None if well == ill else well

    async def _refresh(self, source: str) -> None:
        try:
            self._seen[source] = await self._read(source)
        except _NO_ANSWER as error:
            if source not in self._failing:
                log.warning("no control results", source=source, why=str(error) or type(error).__name__)
            self._failing.add(source)
        else:
            if source in self._failing:
                log.info("control results are there again", source=source)
            self._failing.discard(source)

    async def _read(self, source: str) -> dict[str, ControlResult]:
        if not source.startswith(("http://", "https://")):
            return _decoder.decode(await asyncio.to_thread(Path(source).read_bytes)).targets
        if not source.endswith(CHECK_PATH):
            return _decoder.decode(await _fetch(source)).targets
        return await self._ask(source)

    async def _ask(self, source: str) -> dict[str, ControlResult]:
        """What a service answers, in parts of the size that it takes.

        Where it ends with some of them (its allowance is used up), what came counts beside what came before, and the
        rest is asked for first the next time.
        """
        first = self._first.get(source, 0)
        urls = self._urls[first:] + self._urls[:first]
        results: dict[str, ControlResult] = {}
        done = 0
        while done < len(urls):
            size = self._sizes.get(source, _BATCH)
            question = msgspec.json.encode({"targets": urls[done : done + size]})
            try:
                results |= _decoder.decode(await _fetch(source, question)).targets
            except TooManyError as error:
                if size == 1:
                    raise
                self._sizes[source] = max(1, min(error.most or size // 2, size - 1))
                continue
            except _NO_ANSWER:
                if not results:
                    raise
                self._first[source] = (first + done) % len(urls)
                break
            done += size
        return {**self._seen.get(source, {}), **results}


async def _fetch(url: str, question: bytes | None = None) -> bytes:
    """Return the answer's body; a question is posted.

    Raises OSError (TimeoutError is one), and ValueError if it is too large.
    """
    import aiohttp  # noqa: PLC0415  a third of a second of CPU on a small vantage, which may need none of it

    body = b""
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    try:
        # Nothing is unpacked: a megabyte of gzip can hold a gigabyte.
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.request(
                "GET" if question is None else "POST",
                url,
                data=question,
                headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
                # A vantage asks whom its operator has named, and nobody whom an answer names.
                allow_redirects=False,
            ) as answer,
        ):
            if answer.status == _TOO_MANY and question is not None:
                raise TooManyError(_most(await answer.content.read(_REFUSAL_BYTES)))
            answer.raise_for_status()
            if answer.status >= 300:
                raise ValueError(
                    f"leads on to {answer.headers.get('Location', '')[:200]!r}: name that URL itself"
                )
            while more := await answer.content.read(BYTES_MAX):
                body += more
                if len(body) > BYTES_MAX:
                    raise ValueError(f"more than {BYTES_MAX} bytes")
    except aiohttp.ClientError as error:
        raise OSError(str(error)) from error
    return body


def _most(body: bytes) -> int | None:
    try:
        return msgspec.json.decode(body, type=_Refusal).targets_max
    except _NO_ANSWER:
        return None


class ControlWriter:
    """Writes what a vantage outside sees, for others to read: whole, by renaming, at most once a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: dict[str, ControlResult] = {}
        self._written = 0.0

    def note(self, outcome: Outcome) -> None:
        """Take an outcome; the file may follow a second later."""
        self._seen[outcome.target.name] = ControlResult(outcome.ok, outcome.began)
        if time.monotonic() - self._written >= _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the file now. Raises OSError."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_bytes(msgspec.json.encode(ControlFile(self._seen)))
        fresh.replace(self._path)
        self._written = time.monotonic()
