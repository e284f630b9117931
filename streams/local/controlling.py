"""The control service over HTTP: a vantage posts the URLs of its targets, and is told how each answers from here.

`POST /v1/check` takes `{"targets": [URL, ...]}` and answers a control file (`netdusk.control/1`).
`GET /control.json` has all targets of the list. Nobody is asked who he is; what an address may ask for is bounded.
"""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Collection
from typing import Annotated, Final

import msgspec
import structlog
from aiohttp import web
from msgspec import Meta, Struct

from producers.addresses import holder
from producers.probe.control import ControlFile
from producers.probe.control_service import BATCH_MAX, Allowance, ControlService

log = structlog.get_logger()

_BODY_BYTES_MAX: Final = 512 * 1024
#: Who is slower than this to ask holds a connection for nothing.
_BODY_SECONDS_MAX: Final = 10.0
#: Those who ask by GET take the whole list; it counts as so many.
_GET_COUNTS: Final = 1


class Question(Struct, frozen=True):
    """What a vantage asks for."""

    targets: Annotated[list[Annotated[str, Meta(max_length=2048)]], Meta(min_length=1, max_length=BATCH_MAX)]


_question = msgspec.json.Decoder(Question)


def application(
    service: ControlService,
    allowance: Allowance,
    behind: Collection[str] = (),
    *,
    body_seconds: float = _BODY_SECONDS_MAX,
) -> web.Application:
    """The service as an application of aiohttp's.

    `behind` are the addresses of the web servers in front of it: what they say of who asks counts, and nobody else's.
    `body_seconds` is how long a question may take to come.
    """

    async def check(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(body_seconds):
                body = await request.read()
        except TimeoutError:
            return _refused(408, f"the question has not come within {body_seconds:g} s", Connection="close")
        except ConnectionError:
            return _refused(400, "half a question")  # nobody is there to read it
        try:
            asked = _question.decode(body).targets
        except (msgspec.MsgspecError, RecursionError) as error:
            return _refused(400, f'{error}; post {{"targets": [URL, ...]}}, {BATCH_MAX} at the most')
        return await _answer(request, asked, len(asked))

    async def everything(request: web.Request) -> web.Response:
        return await _answer(request, list(service.targets), _GET_COUNTS)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="good\n")

    async def _answer(request: web.Request, asked: list[str], counts: int) -> web.Response:
        client = holder(_who_asks(request, behind))
        if counts > allowance.per_minute:
            why = f"{counts} targets at once, and at most {allowance.per_minute} a minute: post fewer in one question"
            return web.json_response({"error": why, "targets_max": allowance.per_minute}, status=413)
        if not allowance.takes(client, counts):
            wait = str(math.ceil(allowance.wait_seconds(client, counts)))
            return _refused(429, f"at most {allowance.per_minute} targets a minute", **{"Retry-After": wait})
        body = msgspec.json.encode(ControlFile(await service.check(asked)))
        return web.Response(body=body, content_type="application/json")

    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    app.router.add_post("/v1/check", check)
    app.router.add_get("/control.json", everything)
    app.router.add_get("/healthz", healthy)
    return app


def _who_asks(request: web.Request, behind: Collection[str]) -> str:
    """The address of who asks. What he writes into the header himself stands before what the web server adds to it."""
    remote = request.remote or ""
    if remote not in behind:
        return remote
    hops = [one.strip() for one in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")]
    return next((one for one in reversed(hops) if one and one not in behind), remote)


def _refused(status: int, why: str, **headers: str) -> web.Response:
    return web.json_response({"error": why}, status=status, headers=headers)


async def serve(app: web.Application, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError where the port can't be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0]
        log.info("control answers", url=f"http://{bound[0]}:{bound[1]}/v1/check")
        await stop.wait()
    finally:
        await runner.cleanup()
