"""The page's port: what it answers, and what nobody can do to it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from streams.engine import web as module
from streams.engine.web import Answers, WebServer
from streams.settings import HttpSettings


class Page:
    """A server whose answers can be set."""

    def __init__(self) -> None:
        self.unhealthy: str | None = None
        self.restoring: str | None = None
        self.figures = b"up 1\n"
        self.server = WebServer(
            HttpSettings(port=0),
            Answers(self._figures, lambda: self.unhealthy, lambda: self.restoring, lambda: self.restoring),
        )

    async def _figures(self) -> bytes:
        if not self.figures:
            raise ZeroDivisionError
        return self.figures

    async def send(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def get(self, path: str) -> tuple[int, bytes]:
        answer = await self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    made = Page()
    await made.server.start()
    yield made
    await made.server.stop()


async def test_what_is_asked_is_answered(page: Page) -> None:
    assert await page.get("/metrics") == (200, b"up 1\n")
    assert await page.get("/healthz?x=1") == (200, b"ok\n")
    assert (await page.get("/"))[0] == 404
    page.restoring = "restoring probes-0"
    assert await page.get("/readyz") == (503, b"restoring probes-0\n")
    assert await page.get("/metrics") == (503, b"restoring probes-0\n")
    page.unhealthy = "probes-0 is stuck"
    assert await page.get("/healthz") == (503, b"probes-0 is stuck\n")


async def test_a_hung_event_loop_is_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HUNG_SECONDS", 0.2)
    answers: list[tuple[int, bytes]] = []

    def ask() -> None:
        time.sleep(0.5)
        answers.append(asyncio.run(page.get("/healthz")))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()  # the loop stands still meanwhile
    status, body = answers[0]
    assert status == 503
    assert b"the event loop has not turned for" in body


async def test_half_a_request_ends_at_its_deadline_and_connections_are_bounded(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(module, "_CONNECTIONS_MAX", 3)
    began = time.monotonic()
    halves = [asyncio.create_task(page.send(b"GET /healthz HT")) for _ in range(5)]
    assert await asyncio.gather(*halves) == [b""] * 5
    assert time.monotonic() - began < 60
    assert await page.get("/healthz") == (200, b"ok\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /" + b"x" * 20_000, 400),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
    ],
)
async def test_what_is_no_request_is_refused_without_a_word_in_the_log(
    page: Page, request_: bytes, status: int
) -> None:
    with capture_logs() as logs:
        answer = await page.send(request_)
    assert answer == b"" or int(answer.split()[1]) == status
    assert logs == []


async def test_a_fault_of_ours_is_in_the_log_and_not_on_the_page(page: Page) -> None:
    page.figures = b""
    with capture_logs() as logs:
        assert await page.get("/metrics") == (500, b"see the log\n")
    assert [entry["event"] for entry in logs] == ["a page could not be made"]


async def test_a_port_that_is_taken_is_told(page: Page) -> None:
    other = WebServer(HttpSettings(port=page.server.port), page.server._answers)
    with pytest.raises(OSError, match="in use"):
        await other.start()
    await other.stop()


async def test_half_requests_keep_nobody_out_who_asks_at_once(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CONNECTIONS_MAX", 3)
    halves = [asyncio.create_task(page.send(b"GET /healthz HT")) for _ in range(3)]
    while page.server._connections < 3:
        await asyncio.sleep(0)
    assert await page.get("/healthz") == (200, b"ok\n")
    for half in halves:
        half.cancel()
    await asyncio.gather(*halves, return_exceptions=True)
