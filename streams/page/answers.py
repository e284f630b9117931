"""Answers: made in one thread, and given from memory until what they show has changed."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

from streams.page.site import NotFoundError

_CACHED_MAX: Final = 2_000
_CACHED_BYTES_MAX: Final = 256 * 1024 * 1024
#: A page is made anew no sooner than this after a change, and no later than that without one.
_ANEW_SECONDS: Final = 1.0
_AGED_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 20.0
#: A reader waits so long for a page to be made anew, and gets the one before where it takes longer.
_PATIENCE_SECONDS: Final = 0.05
_WAITING_MAX: Final = 64
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
}
SVG: Final = "image/svg+xml"


class TooManyRequestsError(Exception):
    """Whoever asks has had too much made of late."""


@dataclass(slots=True)
class Made:
    """An answer, ready to be sent. Its tag is weak: it stands for the packed form too."""

    body: bytes
    type: str
    etag: str
    status: int = 200
    packed: bytes | None = None
    version: int = 0
    at: float = 0.0
    whole: bool = True  # whether all of the answer may be kept

    @classmethod
    def of(cls, body: bytes, kind: str, status: int = 200) -> Made:
        """An answer with its tag, and packed where that is worth it."""
        etag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        text = kind.startswith(("text/", "application/json", "application/atom", "application/feed", SVG))
        packed = gzip.compress(body, 6, mtime=0) if text and len(body) > 800 else None
        return cls(body, kind, etag, status, packed)


@lru_cache(maxsize=1)
def assets() -> Mapping[str, Made]:
    """Everything static, by its name."""
    return {
        file.name: Made.of(
            file.read_bytes(), _TYPES.get(file.name.rpartition(".")[2], "application/octet-stream")
        )
        for file in (files("streams.page") / "static").iterdir()
        if file.is_file()
    }


class AnswerCache:
    """What was made, by its key; the oldest goes where there is no room.

    Parameters
    ----------
    thread
        Makes them, one after the other.
    versions
        How often each thing that is watched has changed, by its name.
    changed
        Is called with names of what those who look at it should ask for again.
    registry
        Where the time that making takes is counted.
    """

    def __init__(
        self,
        thread: ThreadPoolExecutor,
        versions: Mapping[str, int],
        changed: Callable[[Sequence[str]], None],
        registry: CollectorRegistry,
    ) -> None:
        self.kept: OrderedDict[str, Made] = OrderedDict()
        self.making: dict[str, asyncio.Task[Made]] = {}
        self._thread = thread
        self._versions = versions
        self._changed = changed
        self._late: dict[str, asyncio.Task[None]] = {}
        self._waiting = 0
        self._bytes = 0
        self._seconds = Histogram(
            "netdusk_page_making_seconds", "Time to make a page or an answer anew.", registry=registry
        )

    async def get(
        self, key: str, watch: str, make: Callable[[], Made], may_make: Callable[[], bool] = lambda: True
    ) -> Made:
        """An answer from memory, or made anew where what it shows, `watch`, has changed. Made once, however many ask.

        `may_make` is asked whether one more may be made for whoever asks. Raises `TooManyRequestsError` where not,
        `BlockingIOError` where too many wait already, `TimeoutError` where it takes too long, and what `make` raises.
        """
        made = self.kept.get(key)
        version = self._versions.get(watch, 0)
        age = _AGED_SECONDS if made is None else time.monotonic() - made.at
        if made is not None and (age < _ANEW_SECONDS or (made.version == version and age < _AGED_SECONDS)):
            self.kept.move_to_end(key)
            if made.version != version and key not in self._late:
                self._late[key] = asyncio.create_task(self._follow_up(key, watch, make))
            return made
        task = self.making.get(key)
        if task is None:
            busy = self._waiting >= _WAITING_MAX
            if busy or not may_make():
                if made is not None:
                    return made
                raise BlockingIOError if busy else TooManyRequestsError
            task = asyncio.create_task(self._make(key, version, make))
            self.making[key] = task
            task.add_done_callback(lambda _: self.making.pop(key, None))
        if made is None or age >= _AGED_SECONDS:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await asyncio.shield(task)
        done, _ = await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
        if done:
            return task.result()
        task.add_done_callback(partial(self._told_late, watch))
        return made

    def _told_late(self, watch: str, task: asyncio.Task[Made]) -> None:
        """Whoever got the page before is told that there is a newer one; an error is for whoever asks next."""
        if not task.cancelled() and task.exception() is None:
            self._changed([watch])

    async def _follow_up(self, key: str, watch: str, make: Callable[[], Made]) -> None:
        """Make a page anew a moment after somebody got the one before, and tell those who look at it."""
        try:
            await asyncio.sleep(_ANEW_SECONDS)
            await self.get(key, watch, make)
            self._changed([watch])
        except (TimeoutError, BlockingIOError, NotFoundError):
            return
        finally:
            del self._late[key]

    async def _make(self, key: str, version: int, make: Callable[[], Made]) -> Made:
        self._waiting += 1
        try:
            with self._seconds.time():
                made = await asyncio.get_running_loop().run_in_executor(self._thread, make)
        finally:
            self._waiting -= 1
        made.version, made.at = version, time.monotonic()
        old = self.kept.pop(key, None)
        self._bytes -= _size(old)
        self.kept[key] = made
        self._bytes += _size(made)
        while len(self.kept) > _CACHED_MAX or self._bytes > _CACHED_BYTES_MAX:
            _, gone = self.kept.popitem(last=False)
            self._bytes -= _size(gone)
        return made

    async def stop(self) -> None:
        """Follow nothing up any more."""
        tasks = list(self._late.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _size(made: Made | None) -> int:
    return 0 if made is None else len(made.body) + len(made.packed or b"")
