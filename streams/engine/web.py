"""/metrics, /healthz and /readyz, on a port of our own, in a thread of their own.

The thread answers even if the event loop hangs, and says so. A client that reaches the port can do no harm: a request
has a size and a deadline, connections are counted, and what is not a request is refused.

Knows nothing but its questions, which it is given: what are the figures, is there progress, is all restored.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from streams.settings import HttpSettings

log = structlog.get_logger()

T = TypeVar("T")

_CONNECTIONS_MAX: Final = 64
_REQUEST_BYTES_MAX: Final = 8 * 1024
_REQUEST_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
#: The event loop marks the time so often; when it has not for so long, it is taken for hung.
_BEAT_SECONDS: Final = 0.5
_HUNG_SECONDS: Final = 10.0


@dataclass(slots=True)
class Answers:
    """What the page asks, always in the event loop that started it.

    `figures` returns the metrics as text; `unhealthy`, `unready` and `restoring` say why not, or None.
    """

    figures: Callable[[], Awaitable[bytes]]
    unhealthy: Callable[[], str | None]
    unready: Callable[[], str | None]
    restoring: Callable[[], str | None]


class _Answer(NamedTuple):
    """What goes out."""

    status: HTTPStatus
    body: bytes
    type: str = "text/plain; charset=utf-8"


class WebServer:
    """The worker's HTTP server.

    Attributes
    ----------
    port
        Where it listens: where the settings say 0, any free port.
    """

    def __init__(self, http: HttpSettings, answers: Answers) -> None:
        self.port = 0
        self._http = http
        self._answers = answers
        self._asking: asyncio.AbstractEventLoop | None = None
        self._beating: asyncio.Task[None] | None = None
        self._beat_at = 0.0
        self._serving: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._connections = 0
        #: Connections whose request is not whole yet, oldest first.
        self._unfinished: dict[asyncio.StreamWriter, None] = {}

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        self._asking = asyncio.get_running_loop()
        self._beat_at = time.monotonic()
        self._beating = asyncio.create_task(self._beat(), name="heartbeat")
        listening: Future[int] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listening)), name="page", daemon=True
        )
        self._thread.start()
        self.port = await asyncio.wrap_future(listening)
        log.info("serving /metrics, /healthz, /readyz", url=f"http://{self._http.host}:{self.port}")

    async def stop(self) -> None:
        """Close the port."""
        if self._beating is not None:
            self._beating.cancel()
        thread, self._thread = self._thread, None
        if thread is not None and self._serving is not None:
            with suppress(RuntimeError):  # its loop has ended by itself
                self._serving.call_soon_threadsafe(self._stopped.set)
            await asyncio.to_thread(thread.join, 2.0)

    async def _beat(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    # in the page's own thread

    async def _serve(self, listening: Future[int]) -> None:
        self._serving = asyncio.get_running_loop()
        try:
            server = await asyncio.start_server(
                self._take, self._http.host, self._http.port, limit=_REQUEST_BYTES_MAX
            )
        except OSError as error:
            listening.set_exception(error)
            return
        listening.set_result(server.sockets[0].getsockname()[1])
        await self._stopped.wait()
        server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request.

        Where there are too many, the oldest that has not asked yet goes: whoever holds half requests open keeps nobody
        out who asks at once.
        """
        if self._connections >= _CONNECTIONS_MAX:
            oldest = next(iter(self._unfinished), None)
            if oldest is None:
                writer.transport.abort()
                return
            del self._unfinished[oldest]
            oldest.transport.abort()
        self._connections += 1
        self._unfinished[writer] = None
        try:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_REQUEST_SECONDS):
                    head = await self._head(reader)
                self._unfinished.pop(writer, None)
                answer = await self._answer(head)
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await _write(writer, answer, head_only=head.startswith(b"HEAD "))
        finally:
            self._connections -= 1
            self._unfinished.pop(writer, None)
            writer.transport.abort()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        """Return the request's line and headers, or nothing if they are larger than any request needs."""
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return b""

    async def _answer(self, head: bytes) -> _Answer:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _Answer(HTTPStatus.BAD_REQUEST, b"bad request\n")
        if words[0] not in {b"GET", b"HEAD"}:
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"GET alone\n")
        match words[1].partition(b"?")[0]:
            case b"/metrics":
                return await self._ask(self._metrics)
            case b"/healthz":
                return await self._ask(lambda: self._why_not(self._answers.unhealthy))
            case b"/readyz":
                return await self._ask(lambda: self._why_not(self._answers.unready))
            case _:
                return _Answer(HTTPStatus.NOT_FOUND, b"/metrics, /healthz, /readyz\n")

    async def _ask(self, question: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Ask in the other event loop, for no longer than a request may take."""
        silent = time.monotonic() - self._beat_at
        if silent > _HUNG_SECONDS:
            return _unavailable(f"the event loop has not turned for {silent:.0f} s")
        assert self._asking is not None

        async def ask() -> _Answer:
            return await question()

        try:
            future = asyncio.run_coroutine_threadsafe(ask(), self._asking)
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            return _unavailable(f"no answer within {_ANSWER_SECONDS:.0f} s")
        except Exception:  # a fault of ours: said once, in the log
            log.exception("a page could not be made")
            return _Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"see the log\n")

    # in the event loop that is asked

    async def _metrics(self) -> _Answer:
        # Half of the partitions would look like an outage of the other half: rather no figures than those.
        if (why := self._answers.restoring()) is not None:
            return _unavailable(why)
        return _Answer(HTTPStatus.OK, await self._answers.figures(), CONTENT_TYPE_LATEST)

    async def _why_not(self, question: Callable[[], str | None]) -> _Answer:
        why = question()
        return _Answer(HTTPStatus.OK, b"ok\n") if why is None else _unavailable(why)


def _unavailable(why: str) -> _Answer:
    return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{why}\n".encode())


async def _write(writer: asyncio.StreamWriter, answer: _Answer, *, head_only: bool) -> None:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.type}\r\nContent-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + (b"" if head_only else answer.body))
    await writer.drain()
    writer.close()
    await writer.wait_closed()
