"""/metrics, /healthz and /readyz, on a port of our own.

Knows nothing but three questions, which it is given: what are the figures, is there progress, is all restored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from streams.settings import HttpSettings

log = structlog.get_logger()


@dataclass(slots=True)
class Answers:
    """What the page asks.

    `figures` gives the metrics as text; `unhealthy` and `unready` say why not, or None.
    """

    figures: Callable[[], Awaitable[bytes]]
    unhealthy: Callable[[], str | None]
    unready: Callable[[], str | None]
    restoring: Callable[[], str | None]


class WebServer:
    """The worker's HTTP server. Port 0 takes any free one; `port` says which."""

    def __init__(self, http: HttpSettings, answers: Answers) -> None:
        self._http = http
        self._answers = answers
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, self._http.host, self._http.port)
        await site.start()
        self.port = runner.addresses[0][1]
        log.info("serving /metrics, /healthz, /readyz", url=f"http://{self._http.host}:{self.port}")

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, _: web.Request) -> web.Response:
        # Half of the partitions would look like an outage of the other half: rather no figures than those.
        if (why := self._answers.restoring()) is not None:
            return web.Response(status=503, text=f"{why}\n")
        body = await self._answers.figures()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self._answers.unhealthy())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._answers.unready())


def _answer(why: str | None) -> web.Response:
    return web.Response(text="ok\n") if why is None else web.Response(status=503, text=f"{why}\n")
