"""Whether the same targets answered, at about this time, from outside of the country.

A netdusk probe outside (`--control-out FILE`) writes a small JSON file; one inside reads it, from a path or over HTTP
from wherever that file is served. Where it can't be had, or is old, the answer is "not known": never a guess.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta, Struct

from producers.probe.attempt import Outcome

log = structlog.get_logger()

BYTES_MAX: Final = 4 * 1024 * 1024
_FETCH_SECONDS: Final = 15.0
_WRITE_SECONDS: Final = 1.0


class ControlResult(Struct, frozen=True):
    """How a target answered outside, and when."""

    ok: bool
    time: Annotated[datetime, Meta(tz=True)]


class ControlFile(Struct, frozen=True, tag_field="schema", tag="netdusk.control/1"):
    """The file: a target's URL to how it answered."""

    targets: dict[str, ControlResult]


_decoder = msgspec.json.Decoder(ControlFile)


class ControlResults:
    """What is known from outside.

    Parameters
    ----------
    source
        A path, or an http(s) URL.
    age_seconds_max
        An answer further than this from the attempt's time says nothing about it.
    """

    def __init__(self, source: str, *, age_seconds_max: float = 180.0) -> None:
        self._source = source
        self._age_seconds_max = age_seconds_max
        self._seen: dict[str, ControlResult] = {}
        self._failing = False

    async def refresh(self) -> None:
        """Read it again. A failure is logged, once, and leaves what is known to grow old."""
        try:
            self._seen = _decoder.decode(await self._read()).targets
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            if not self._failing:
                log.warning("no control results", source=self._source, why=str(error) or type(error).__name__)
            self._failing = True
        else:
            if self._failing:
                log.info("control results are there again", source=self._source)
            self._failing = False

    def ok(self, url: str, time: datetime) -> bool | None:
        """Return whether the target answered outside at about that time, or None if that is not known."""
        seen = self._seen.get(url)
        if seen is None or abs((time - seen.time).total_seconds()) > self._age_seconds_max:
            return None
        return seen.ok

    async def _read(self) -> bytes:
        if not self._source.startswith(("http://", "https://")):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        return await _fetch(self._source)


async def _fetch(url: str) -> bytes:
    """Return the file's body. Raises OSError (TimeoutError is one), and ValueError if it is too large."""
    import aiohttp  # noqa: PLC0415  a third of a second of CPU on a small vantage, which may need none of it

    body = b""
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    try:
        # Nothing is unpacked: a megabyte of gzip can hold a gigabyte.
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            answer.raise_for_status()
            while more := await answer.content.read(BYTES_MAX):
                body += more
                if len(body) > BYTES_MAX:
                    raise ValueError(f"more than {BYTES_MAX} bytes")
    except aiohttp.ClientError as error:
        raise OSError(str(error)) from error
    return body


class ControlWriter:
    """Writes what a vantage outside sees, for others to read: whole, by renaming, at most once a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: dict[str, ControlResult] = {}
        self._written = 0.0

    def note(self, outcome: Outcome) -> None:
        """Take an outcome; the file may follow a second later."""
        self._seen[outcome.target.url] = ControlResult(outcome.ok, outcome.began)
        if time.monotonic() - self._written >= _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the file now. Raises OSError."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_bytes(msgspec.json.encode(ControlFile(self._seen)))
        fresh.replace(self._path)
        self._written = time.monotonic()
