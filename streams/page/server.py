"""The page as a server: routes, headers, what is cached, who may ask how often, and who is told when something changes.

Records come in by `feed`; all that is known is touched in one thread, in which pages are made too. What was made is
answered from memory until something changes. Knows no Kafka: what it reads and how notes are written is handed in.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)

from producers.countries import COUNTRIES
from streams.page import badges, feeds
from streams.page.answers import SVG, AnswerCache, Made, TooManyRequestsError, assets
from streams.page.api import (
    ADDRESSES,
    AbsentError,
    Address,
    Api,
    QueryError,
    openapi,
    to_csv,
    to_parquet,
)
from streams.page.asked import (
    FORMS,
    filters_of,
    form_of,
    key_of,
    language_of,
    network_of,
    query_of,
    simulated_of,
    span_of,
    takes_gzip,
)
from streams.page.clients import Buckets, Streams
from streams.page.connections import Connections
from streams.page.history import History, Shelf, ShelfError
from streams.page.labels import LABELS, PROBLEMS
from streams.page.languages import language
from streams.page.note_forms import note_of
from streams.page.observatory import Observatory, State
from streams.page.page_pictures import country_png, platform_png
from streams.page.render import Renderer, asset_version
from streams.page.site import NotFoundError, Site
from streams.publish.share import share_png
from streams.records import (
    Annotation,
    CalendarEvent,
    check_note,
    check_zones,
    decode,
)
from streams.release import release
from streams.settings import Settings, SettingsError

log = structlog.get_logger()

#: Values as they stand on topics; None: everything that was there has come.
Batches = AsyncIterator[Sequence[bytes] | None]
WriteNote = Callable[[Annotation], Awaitable[None]]

_QUERY_MAX: Final = 2_000
_BODY_MAX: Final = 32 * 1024
#: The first page is made anew so often though nobody asks, so that nobody waits for it.
_FRONT_SECONDS: Final = 10.0
#: What it costs a client to have a page made, beside the one for asking.
_MAKING_PRICE: Final = 4.0
_KEEP_ALIVE_SECONDS: Final = 20.0
_BODY_SECONDS: Final = 10.0
_SWEEP_SECONDS: Final = 1.0
#: Connections beside the event streams.
_CONNECTIONS_MORE: Final = 1000
_LEAVE_SECONDS: Final = 2.0
_TELL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = "5"
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
#: What any page elsewhere may read.
_OPEN: Final = ("/api/", "/feed.", "/badge/")
_PREFLIGHT: Final = {
    "Allow": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "If-None-Match, Content-Type",
    "Access-Control-Max-Age": "86400",
}
_HTML: Final = "text/html; charset=utf-8"


def check(record: object) -> None:
    """Raise ValueError for a record that no page could show: a note that no person would write, a time without zone."""
    if isinstance(record, CalendarEvent | Annotation):
        check_note(record)
    check_zones(record)


class NoteError(Exception):
    """A note can't be written now."""


class PageServer:
    """The server.

    Parameters
    ----------
    shelf
        The archive, or None.
    write_note
        Puts an annotation on its topic, or None where nobody may.
    clock
        What time it is.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        shelf: Shelf | None = None,
        write_note: WriteNote | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.observatory = Observatory(replay=settings.worker.clock == "replay")
        self.site = Site(self.observatory, History(self.observatory.recent, shelf), settings)
        self.api = Api(self.site)
        self.streams = Streams()
        self.ready = False
        self.url = ""
        self._closing = False
        self._clock = clock
        self._write_note = write_note
        self._render = Renderer(settings.incidents)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="page")
        self._buckets = Buckets(settings.page.requests_per_second)
        self._connections = Connections(
            most=settings.page.streams_max + _CONNECTIONS_MORE, clock=time.monotonic
        )
        self._assets = assets()
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.registry = CollectorRegistry()
        self._answered = Counter(
            "netdusk_page_answers_total",
            "Answers, by kind and status.",
            ["kind", "status"],
            registry=self.registry,
        )
        self.answers = AnswerCache(
            self._thread, self.observatory.changed, self.streams.changed, self.registry
        )
        Gauge("netdusk_page_streams", "Browsers that wait for changes.", registry=self.registry).set_function(
            lambda: self.streams.count
        )
        Gauge(
            "netdusk_page_newest_timestamp_seconds", "End of the newest window read.", registry=self.registry
        ).set_function(lambda: self.observatory.newest.timestamp() if self.observatory.newest else 0.0)

    # records

    async def feed(self, batches: Batches) -> None:
        """Take records in as they come. Ends with them."""
        async for batch in batches:
            if batch is None:
                self.ready = True
                self.streams.changed(["now"])
                continue
            names = await asyncio.get_running_loop().run_in_executor(self._thread, self._take, batch)
            self.streams.changed(names)

    def _take(self, batch: Sequence[bytes]) -> list[str]:
        names: set[str] = set()
        for value in batch:
            try:
                record = decode(value)
                check(record)
            except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
                log.warning("a record was passed over", why=str(error))
                continue
            names.update(self.observatory.take(record))
        return list(names)

    async def take(self, records: Sequence[object]) -> None:
        """Take decoded records in: what the archive has."""

        def work() -> None:
            for record in records:
                self.observatory.take(record)

        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # life

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._middle], client_max_size=_BODY_MAX)
        add = app.router.add_get
        add("/", self._page("now", lambda request, lang, clock: self.site.now(lang, clock)), name="page")
        add("/country/{code:[A-Z]{2}}", self._page("country", self._country_page))
        add("/country/{code:[A-Z]{2}}.png", self._country_png)
        add("/embed/country/{code:[A-Z]{2}}", self._embed)
        add("/incident/{id:[\\w.-]{1,128}}.png", self._incident_png)
        add("/incident/{id:[\\w.-]{1,128}}", self._page("incident", self._incident_page))
        app.router.add_post("/incident/{id:[\\w.-]{1,128}}/annotations", self._annotate)
        add("/network/AS{asn:\\d{1,10}}", self._page("network", self._network_page))
        add("/country/{code:[A-Za-z]{2}}", _moved("/country/{code}"))
        add("/network/{asn:(?:[Aa][Ss])?[0-9]{1,10}}", _moved("/network/AS{asn}"))
        add("/platform/{name:[\\w.-]{1,128}}.png", self._platform_png)
        add("/platform/{name:[\\w.-]{1,128}}", self._page("platform", self._platform_page))
        add("/incidents", self._page("incidents", self._incidents_page))
        add("/about", self._page("about", lambda request, lang, clock: self.site.about(lang, clock)))
        add("/events", self._events)
        add("/feed.atom", self._feed(feeds.atom, "application/atom+xml; charset=utf-8"))
        add("/feed.json", self._feed(feeds.json_feed, "application/feed+json"))
        add("/badge/country/{code:[A-Z]{2}}.svg", self._country_badge)
        add("/badge/incident/{id:[\\w.-]{1,128}}.svg", self._incident_badge)
        add("/static/{name:[\\w.-]+}", self._static)
        add("/favicon.ico", self._icon)
        add("/robots.txt", self._robots)
        for address in ADDRESSES:
            add(address.path, self._answer(address))
        add("/api/v1/openapi.json", self._openapi)
        add("/healthz", self._health)
        add("/readyz", self._readiness)
        add("/metrics", self._metrics)
        return app

    async def start(self) -> None:
        """Open the port; templates and names are read before, so that no reader waits for them."""
        page = self.settings.page
        values = partial(self.site.now, language("en"), self._clock())
        await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._render.page("now", values())
        )
        self._runner = web.AppRunner(
            self.app(), access_log=None, handler_cancellation=True, shutdown_timeout=_LEAVE_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, page.host, page.port, backlog=4096)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise SettingsError(
                f"page.port = {page.port}: {error.strerror or error}; choose another one, or 0 for any free one"
            ) from error
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self.site.public_url = self.site.public_url or self.url
        self._tasks = [asyncio.create_task(work()) for work in (self._tell, self._keep_front, self._sweep)]

    async def stop(self) -> None:
        """Close it; browsers that wait are let go."""
        self._closing = True
        for events in self.streams.waiting.values():
            for event in events:
                event.set()
        await self.answers.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            self.streams.tell()

    async def _sweep(self) -> None:
        """Let those go who hold a connection and ask nothing, so that they keep nobody out."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self._let_go()

    def _let_go(self) -> None:
        server = None if self._runner is None else self._runner.server
        if server is not None:
            for one in self._connections.overdue(server.connections):
                transport = one.transport
                one.force_close()
                if transport is not None:
                    transport.abort()  # what it does not take is not waited for

    async def _keep_front(self) -> None:
        """Make the first page anew from time to time though nobody asks."""
        make = self._make_page("now", lambda: self.site.now(language("en"), self._clock()))
        while True:
            try:
                await self.answers.get("page /", "now", make)
            except (TimeoutError, BlockingIOError):
                pass
            except Exception:
                log.exception("the first page could not be made")
            await asyncio.sleep(_FRONT_SECONDS)

    # every answer

    @web.middleware
    async def _middle(self, request: web.Request, handler: Any) -> web.StreamResponse:
        kind = request.path.split("/")[1] or "now"
        kind = kind if kind in _KINDS else "other"
        self._connections.asks(request.protocol)
        try:
            if len(request.query_string) > _QUERY_MAX or len(request.path) > _QUERY_MAX:
                # The API's description knows of one status for whatever is wrong with a query.
                status = 400 if kind == "api" else 414
                response: web.StreamResponse = self._problem(request, status, "The address is too long.")
            elif kind not in ("static", "healthz", "readyz", "metrics") and not self._buckets.take(
                self._client(request), time.monotonic()
            ):
                response = self._problem(request, 429, "Too many requests from here; wait a few seconds.")
            elif request.method == "OPTIONS" and request.path.startswith(_OPEN):
                response = web.Response(status=204, headers=_PREFLIGHT)
            else:
                response = await handler(request)
        except NotFoundError as error:
            response = self._problem(request, 404, str(error))
        except AbsentError as error:
            response = self._problem(request, 404, str(error))
        except (QueryError, ValueError) as error:
            response = self._problem(request, 400, str(error))
        except ShelfError:
            response = self._problem(
                request, 503, "The archive can't be read now; what is newer than a day is on the pages."
            )
        except (TimeoutError, BlockingIOError):
            response = self._problem(request, 503, "Too much is being asked; try again in a few seconds.")
        except TooManyRequestsError:
            response = self._problem(request, 429, "Too many requests from here; wait a few seconds.")
        except web.HTTPException as error:
            if error.status < 400:
                self._headers(request, error)
                raise
            allowed = error.headers.get("Allow")
            response = self._problem(request, error.status, f"{error.status}: {error.reason}")
            if allowed:
                response.headers["Allow"] = allowed
        except Exception:
            log.exception("a page could not be made", path=request.path)
            response = self._problem(request, 500, "The page could not be made; it is in the log.")
        if not response.prepared:
            self._headers(request, response)
        self._answered.labels(kind, str(response.status)).inc()
        return response

    def _headers(self, request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        embedded = request.path.startswith("/embed/")
        headers["Content-Security-Policy"] = _POLICY.format(ancestors="*" if embedded else "'none'")
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Permissions-Policy"] = "interest-cohort=(), geolocation=(), camera=(), microphone=()"
        headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin")
        if request.path.startswith(_OPEN):
            headers["Access-Control-Allow-Origin"] = "*"
            headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"

    def _client(self, request: web.Request) -> str:
        if self.settings.page.behind_proxy:
            forwarded = request.headers.get("X-Forwarded-For", "")
            if forwarded:
                return forwarded.rsplit(",", 1)[-1].strip()[:64]
        return request.remote or ""

    def _problem(self, request: web.Request, status: int, why: str) -> web.Response:
        headers = {"Cache-Control": "no-store"}
        if status in (429, 503):
            headers["Retry-After"] = _RETRY_SECONDS
        if request.path.startswith("/api/"):
            body = msgspec.json.encode({"error": why})
            return web.Response(status=status, body=body, content_type="application/json", headers=headers)
        lang = language(request.query.get("lang", "en"))
        heading = lang.gettext(PROBLEMS.get(status, PROBLEMS[400]))
        body = self._render.problem(heading, why, lang, title=self.settings.page.title)
        return web.Response(
            status=status, body=body, content_type="text/html", charset="utf-8", headers=headers
        )

    def _respond(
        self, request: web.Request, made: Made, cache: str = "no-cache", *, varies: str = ""
    ) -> web.Response:
        headers = {
            "ETag": made.etag,
            "Cache-Control": cache,
            "Vary": varies or "Accept-Encoding",
            "Content-Type": made.type,
        }
        given = [tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")]
        own = made.etag.removeprefix("W/")
        if made.status == 200 and any(tag == "*" or tag.removeprefix("W/") == own for tag in given):
            return web.Response(
                status=304, headers={name: headers[name] for name in ("ETag", "Cache-Control", "Vary")}
            )
        body = made.body
        if made.packed is not None and takes_gzip(request.headers.get("Accept-Encoding", "")):
            headers["Content-Encoding"] = "gzip"
            body = made.packed
        return web.Response(status=made.status, body=body, headers=headers)

    async def _made(self, key: str, watch: str, make: Callable[[], Made], request: web.Request) -> Made:
        """An answer as `AnswerCache.get` has it.

        To make one costs whoever asks as much as several answers from memory, so that nobody can keep all others
        waiting by asking for something else each time.
        """
        client = self._client(request)
        return await self.answers.get(
            key, watch, make, lambda: self._buckets.take(client, time.monotonic(), _MAKING_PRICE)
        )

    # pages

    def _page(self, template: str, values: Callable[..., Mapping[str, Any]]) -> Any:
        async def handler(request: web.Request) -> web.Response:
            lang = language_of(request)
            clock = self._clock()
            make = self._make_page(template, lambda: values(request, lang, clock))
            watch = request.match_info.get("code") or request.match_info.get("id") or "now"
            return self._respond(request, await self._made(key_of("page", request), watch, make, request))

        return handler

    def _make_page(self, template: str, values: Callable[[], Mapping[str, Any]]) -> Callable[[], Made]:
        return lambda: Made.of(self._render.page(template, values()), _HTML)

    def _country_page(self, request: web.Request, lang: Any, clock: datetime) -> Mapping[str, Any]:
        start, end, by = span_of(request)
        return self.site.country(request.match_info["code"], lang, clock, start, end, by)

    def _incident_page(self, request: web.Request, lang: Any, clock: datetime) -> Mapping[str, Any]:
        values = self.site.incident(request.match_info["id"], lang, clock)
        return {**values, "may_annotate": self._may_annotate}

    @property
    def _may_annotate(self) -> bool:
        return self.settings.page.token is not None and self._write_note is not None

    def _network_page(self, request: web.Request, lang: Any, clock: datetime) -> Mapping[str, Any]:
        return self.site.network_page(int(request.match_info["asn"]), lang, clock)

    def _platform_page(self, request: web.Request, lang: Any, clock: datetime) -> Mapping[str, Any]:
        return self.site.platform_page(request.match_info["name"], lang, clock)

    def _incidents_page(self, request: web.Request, lang: Any, clock: datetime) -> Mapping[str, Any]:
        filters = filters_of(request)
        page = request.query.get("page", "0")
        if not page.isascii() or not page.isdigit() or len(page) > 6:
            raise QueryError(f"page = {page[:20]!r}: a whole number from 0")
        return self.site.incidents(lang, clock, filters, int(page))

    async def _embed(self, request: web.Request) -> web.Response:
        clock, code, lang = self._clock(), request.match_info["code"], language_of(request)

        def make() -> Made:
            values = self.site.country(code, lang, clock)
            return Made.of(self._render.page("embed", values), _HTML)

        made = await self._made(key_of("embed", request), code, make, request)
        return self._respond(request, made, "max-age=60")

    # pictures, badges, feeds

    async def _country_png(self, request: web.Request) -> web.Response:
        code = request.match_info["code"]
        if code not in COUNTRIES:
            raise NotFoundError(f"{code}: no country has this code")
        span, asn, simulated = span_of(request), network_of(request), simulated_of(request)
        clock = self._clock()

        def make() -> Made:
            return Made.of(
                country_png(self.site, code, clock, span, asn=asn, simulated=simulated), "image/png"
            )

        made = await self._made(key_of("png", request), code, make, request)
        return self._respond(request, made, "max-age=60")

    async def _platform_png(self, request: web.Request) -> web.Response:
        name, lang = request.match_info["name"], language_of(request)

        def make() -> Made:
            return Made.of(platform_png(self.site, name, lang), "image/png")

        made = await self._made(key_of("png", request), "now", make, request)
        return self._respond(request, made, "max-age=60")

    async def _incident_png(self, request: web.Request) -> web.Response:
        name, lang = request.match_info["id"], language_of(request)

        def make() -> Made:
            return Made.of(share_png(*self.site.share(name, lang)), "image/png")

        made = await self._made(key_of("png", request), name, make, request)
        return self._respond(request, made, "max-age=60")

    async def _country_badge(self, request: web.Request) -> web.Response:
        code, clock = request.match_info["code"], self._clock()
        if code not in COUNTRIES:
            raise NotFoundError(f"{code}: no country has this code")

        def make() -> Made:
            standing = self.observatory.standing(code, clock)
            name = language("en").country(code, self.settings.incidents)
            words = LABELS[standing.state]
            return Made.of(
                badges.badge(name, standing.state, words, simulated=standing.simulated).encode(), SVG
            )

        return self._respond(request, await self._made(f"badge {code}", code, make, request), "max-age=60")

    async def _incident_badge(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]

        def make() -> Made:
            case = self.site.case(name)
            item = self.site.item(case, language("en"))
            over = item.status == "resolved"
            words = "false alarm" if item.false_alarm else "over" if over else item.label
            state = State.WELL if over or item.false_alarm else State(item.state)
            return Made.of(badges.badge(item.place, state, words, simulated=item.simulated).encode(), SVG)

        return self._respond(request, await self._made(f"badge {name}", name, make, request), "max-age=60")

    def _feed(self, write: Callable[..., bytes], kind: str) -> Any:
        async def handler(request: web.Request) -> web.Response:
            filters = filters_of(request)

            def make() -> Made:
                cases = []
                for case in self.observatory.incidents(**filters):
                    cases.append(case)
                    if len(cases) == feeds.ENTRIES_MAX:
                        break
                query = query_of(request)
                return Made.of(write(cases, self.settings, self.site.public_url, query), kind)

            made = await self._made(key_of("feed", request), "now", make, request)
            return self._respond(request, made, "max-age=30")

        return handler

    # the API

    def _answer(self, address: Address) -> Any:
        async def handler(request: web.Request) -> web.Response:
            query = dict(request.query)
            if len(query) != len(parse_qsl(request.query_string, keep_blank_values=True)):
                raise QueryError("a parameter is there twice")
            form = query.get("format") or (form_of(request) if address.formats else "json")
            of_path = request.match_info.get(address.of_path or "", "")
            clock = self._clock()

            def make() -> Made:
                answer = self.api.ask(address, query, of_path, clock)
                if form == "csv":
                    return Made.of(to_csv(answer), f"{FORMS['csv']}; charset=utf-8")
                if form == "parquet":
                    return Made.of(to_parquet(answer), FORMS["parquet"])
                return Made.of(msgspec.json.encode(answer), "application/json")

            whose = of_path if address.of_path != "platform" else ""
            watch = whose or query.get("country") or "now"
            made = await self._made(f"api {form} {request.path_qs}", watch, make, request)
            return self._respond(request, made, varies="Accept, Accept-Encoding" if address.formats else "")

        return handler

    async def _openapi(self, request: web.Request) -> web.Response:
        def make() -> Made:
            page = self.settings.page
            return Made.of(
                msgspec.json.encode(openapi(page.title, self.site.public_url, release())), "application/json"
            )

        return self._respond(request, await self.answers.get("openapi", "", make))

    # a person's word

    async def _annotate(self, request: web.Request) -> web.Response:
        if not self._buckets.take(self._client(request), time.monotonic(), 10.0):
            return self._problem(request, 429, "Wait a few seconds.")
        token = self.settings.page.token
        async with asyncio.timeout(_BODY_SECONDS):
            form = await request.post()
        given = form.get("token")
        if token is None or self._write_note is None:
            raise web.HTTPForbidden
        if not isinstance(given, str) or not hmac.compare_digest(
            given.encode(), token.get_secret_value().encode()
        ):
            return self._problem(request, 403, "The token is not the right one.")
        name = request.match_info["id"]
        if name not in self.observatory.cases:
            raise NotFoundError(f"{name}: no such incident")
        note = note_of(form, name, self.observatory.now(self._clock()))
        try:
            await self._write_note(note)
        except NoteError as error:
            log.error("a note was not written", incident=name, why=str(error))
            return self._problem(
                request,
                503,
                "The note was not published: its topic can't be written now. Send it again later.",
            )
        await self.take([note])
        self.streams.changed(["now", name])
        log.info("annotated", incident=name, kind=note.kind.value, author=note.author)
        raise web.HTTPSeeOther(f"/incident/{name}#h-notes")

    # changes

    async def _events(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch", "now")[:128]
        if self.streams.count >= self.settings.page.streams_max:
            return self._problem(request, 503, "Too many readers wait for changes; the page itself works.")
        client = self._client(request)
        if self.streams.of(client) >= max(1, self.settings.page.streams_max // 2):
            return self._problem(request, 429, "Too many streams are open from here; close some.")
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        self._headers(request, response)
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        event = self.streams.join(watch, client)
        self._connections.waits(request.protocol)
        try:
            await response.prepare(request)
            await response.write(b"retry: 5000\n\n")
            while not self._closing:
                try:
                    await asyncio.wait_for(event.wait(), _KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    text = b": still here\n\n"
                else:
                    event.clear()
                    version = self.observatory.changed.get(watch, 0)
                    text = f"id: {version}\nevent: change\ndata: {version}\n\n".encode()
                await asyncio.wait_for(response.write(text), _KEEP_ALIVE_SECONDS)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self.streams.leave(watch, event, client)
        return response

    # small things

    async def _static(self, request: web.Request) -> web.Response:
        made = self._assets.get(request.match_info["name"])
        if made is None:
            raise web.HTTPNotFound
        own = request.query.get("v") == asset_version() or request.match_info["name"].endswith("woff2")
        return self._respond(request, made, "public, max-age=31536000, immutable" if own else "max-age=3600")

    async def _icon(self, request: web.Request) -> web.Response:
        return self._respond(request, self._assets["icon.svg"], "max-age=86400")

    async def _robots(self, request: web.Request) -> web.Response:
        body = b"User-agent: *\nDisallow: /api/\nDisallow: /events\n"
        return self._respond(request, Made.of(body, "text/plain; charset=utf-8"), "max-age=86400")

    async def _health(self, request: web.Request) -> web.Response:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().run_in_executor(self._thread, int)
                return web.Response(text="good\n")
        return web.Response(status=503, text="the page's thread has not answered for 5 s\n")

    async def _readiness(self, request: web.Request) -> web.Response:
        if self.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="reading what is on the topics\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


_KINDS: Final = frozenset(
    "now country embed incident network platform incidents about events feed.atom feed.json badge static api healthz "
    "readyz metrics".split()
)


def _moved(address: str) -> Any:
    """A country or network that is written otherwise, to the one address that it has."""

    async def handler(request: web.Request) -> web.Response:
        parts = {
            name: text.upper().removeprefix("AS") if name == "asn" else text.upper()
            for name, text in request.match_info.items()
        }
        location = address.format(**parts)
        query = request.rel_url.raw_query_string
        raise web.HTTPMovedPermanently(f"{location}?{query}" if query else location)

    return handler
