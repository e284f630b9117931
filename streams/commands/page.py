"""`netdusk page`: the live page and its API."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer
from aiokafka.errors import KafkaError

from streams.archive.store import store_at
from streams.engine import library_logs
from streams.errors import install
from streams.kafka.client import wait_for_broker
from streams.kafka.follow import follow_topics
from streams.kafka.notes import annotation_key, write_all
from streams.page.server import NoteError, PageServer, check
from streams.records import Annotation, encode
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)
log = structlog.get_logger()

#: Windows of so long are read back at the start.
_BACK_SECONDS: Final = 25 * 3600
#: Readers wait for a core before detection does, where both are on one machine.
_NICE: Final = 10
#: So long the archive's incidents are waited for before the topics are read.
_SHELF_SECONDS: Final = 10.0


@app.command()
def page(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; over the settings.")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes any free one; over the settings.")] = None,
    archive: Annotated[
        str | None, typer.Option(help="A folder or URL of `netdusk archive`; over the settings.")
    ] = None,
) -> None:
    """Show what is going on: the world, countries, incidents, networks, platforms; and the same as an API.

    Reads the topics and the archive, and writes nothing but annotations of whoever has the token. Any number of these
    processes answer alike.
    """
    settings = with_bootstrap(load(config), bootstrap)
    changed: dict[str, Any] = {}
    if host is not None:
        changed["host"] = host
    if port is not None:
        changed["port"] = port
    if changed:
        settings = settings.model_copy(update={"page": settings.page.model_copy(update=changed)})
    with suppress(AttributeError, OSError):  # not every system has it
        os.nice(_NICE)
    _allow_connections()
    try:
        asyncio.run(_run(settings, archive or settings.archive.url))
    except (KafkaError, OSError) as error:
        raise SettingsError(f"page: {error}") from error


def _allow_connections() -> None:
    """Open as many files as this process may: each reader who waits for changes is one, and 1,024 is a usual limit."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  not every system has it

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(settings: Settings, url: str) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    shelf = _shelf(url)
    topic = settings.topics.annotations

    async def write_note(annotation: Annotation) -> None:
        try:
            await write_all(settings.kafka, topic, [(annotation_key(annotation), encode(annotation))])
        except (KafkaError, OSError, SettingsError) as error:
            raise NoteError(str(error) or repr(error)) from error

    server = PageServer(settings, shelf=shelf, write_note=write_note)
    await server.start()
    log.info("serving the page", url=server.url)
    feeding = asyncio.create_task(_feed(settings, server, shelf))
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([feeding, waiting], return_when=asyncio.FIRST_COMPLETED)
        if feeding.done():
            feeding.result()
    finally:
        for task in (feeding, waiting):
            task.cancel()
        await asyncio.gather(feeding, waiting, return_exceptions=True)
        await server.stop()


async def _feed(settings: Settings, server: PageServer, shelf: Any) -> None:
    reading = asyncio.create_task(read_shelf(server, shelf))
    # What the archive has comes first where it comes soon; it holds up nothing where it does not.
    await asyncio.wait({reading}, timeout=_SHELF_SECONDS)
    try:
        await _follow(settings, server)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def read_shelf(server: PageServer, shelf: Any, rest_seconds: float = 60.0) -> None:
    """Take in the incidents and annotations of the archive; again after a while where it can't be read."""
    while shelf is not None:
        try:
            kept = await asyncio.to_thread(lambda: [*shelf.incidents(), *shelf.annotations()])
        except Exception as error:  # whatever an object store's client raises
            log.error("the archive can't be read; the page shows what is on the topics", why=str(error)[:300])
            await asyncio.sleep(rest_seconds)
            continue
        await server.take([one for one in kept if _is_shown(one)])
        server.streams.changed(["now"])
        return


def _is_shown(record: object) -> bool:
    try:
        check(record)
    except ValueError as error:
        log.warning("a record of the archive was passed over", why=str(error))
        return False
    return True


async def _follow(settings: Settings, server: PageServer) -> None:
    await wait_for_broker(settings.kafka)
    library_logs.bound()
    topics = settings.topics
    since = int((time.time() - _BACK_SECONDS) * 1000)
    await server.feed(
        follow_topics(
            settings.kafka,
            {topics.alerts: None, topics.annotations: None, topics.calendar: None, topics.windows: since},
        )
    )


def _shelf(url: str) -> Any:
    """The archive, or None where there is none, or nothing to read it with."""
    try:
        from streams.page.shelf import ArchiveShelf  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        log.warning(
            "no history: the archive can't be read",
            missing=error.name,
            remedy=install("archive"),
        )
        return None
    return ArchiveShelf(store_at(url))
