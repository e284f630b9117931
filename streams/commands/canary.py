"""`netdusk canary`: write the canary's results, for ever."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from aiokafka.errors import KafkaError

from producers.simulated.canary import canary as results
from streams.engine import library_logs
from streams.kafka.bulk import BulkSender
from streams.kafka.client import wait_for_broker
from streams.kafka.probes import outgoing
from streams.settings import Settings, load, with_bootstrap

app = typer.Typer(add_completion=False)
log = structlog.get_logger()

_ROUND_SECONDS: Final = 10.0


@app.command()
def canary(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
) -> None:
    """A made-up platform in a made-up country (QN), dark for ten minutes of every hour; all of it is simulated.

    The rule CanarySilent fires when its outage does not come out as an incident. One is enough; more do no harm.
    """
    settings = with_bootstrap(load(config), bootstrap)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    waiting = asyncio.create_task(stopped.wait())
    singing = asyncio.create_task(_sing(settings))
    await asyncio.wait([waiting, singing], return_when=asyncio.FIRST_COMPLETED)
    for task in (waiting, singing):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await singing


async def _sing(settings: Settings) -> None:
    upto = datetime.now(UTC)
    while True:
        await wait_for_broker(settings.kafka)
        library_logs.bound()
        try:
            async with BulkSender(settings.kafka, settings.topics.probes) as sender:
                log.info("the canary sings", topic=settings.topics.probes, every_seconds=_ROUND_SECONDS)
                while True:
                    await asyncio.sleep(_ROUND_SECONDS)
                    now = datetime.now(UTC)
                    songs = results(upto, (now - upto).total_seconds(), every_seconds=_ROUND_SECONDS)
                    await sender.send(outgoing(songs, sender.partitions))
                    await sender.flush()
                    upto = now
        except (KafkaError, OSError) as error:
            log.warning("the canary is not heard; trying again", why=repr(error))
            upto = datetime.now(UTC)
