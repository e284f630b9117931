"""`netdusk notify`: incidents by mail, webhook or any of Apprise's services, for those without Alertmanager."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

from streams.engine import library_logs
from streams.kafka.alerts import parse, snapshots
from streams.kafka.client import group_consumer, wait_for_broker
from streams.kafka.unanswered import answered, until
from streams.page.notices import Notice, Notices, receivers
from streams.settings import Settings, SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)
log = structlog.get_logger()

_TRIES: Final = (0.0, 2.0, 10.0, 30.0)
_SEND_SECONDS: Final = 30.0


@app.command()
def notify(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML), with the rules.")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Send one message to every receiver, and end.")
    ] = False,
) -> None:
    """Tell people of incidents by rules: which countries, platforms, severities, and to whom.

    A snapshot is told once to each rule, after a restart too; one that was under way when the process was killed may be
    told twice. What is unconfirmed or simulated is told to nobody who did not ask for it.
    """
    settings = with_bootstrap(load(config), bootstrap)
    if not settings.notify.rules:
        raise SettingsError("notify.rules: there is none; write one like docs/notify.md shows")
    senders = {name: _sender(name, receivers(rule)) for name, rule in settings.notify.rules.items()}
    if test:
        raise typer.Exit(0 if asyncio.run(_test(senders)) else 1)
    with answered(settings.kafka):
        asyncio.run(_run(settings, senders))


def _sender(name: str, urls: Any) -> Any:
    """Apprise with the receivers of a rule. Raises SettingsError, without the address: it may hold a secret."""
    try:
        import apprise  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"netdusk notify needs {error.name}; `pip install '.[notify]'` where netdusk's source is"
        ) from error
    made = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        if not made.add(url):
            raise SettingsError(
                f"notify.rules.{name}.to: number {number} is no address of Apprise's; like mailto://… or json://…"
            )
    return made


async def _test(senders: dict[str, Any]) -> bool:
    good = [
        await _send(sender, Notice(name, "netdusk: a test", "Nothing happened. This receiver works.", True))
        for name, sender in senders.items()
    ]
    return all(good)


async def _send(sender: Any, notice: Notice) -> bool:
    """Send a message, again where that fails; says whether all receivers have it."""
    for pause in _TRIES:
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                kind = "success" if notice.good else "warning"
                if await sender.async_notify(title=notice.title, body=notice.body, notify_type=kind):
                    log.info("told", rule=notice.rule, title=notice.title)
                    return True
        except TimeoutError:
            pass
        log.warning("a receiver did not take a message", rule=notice.rule, title=notice.title)
    log.error("a message was not delivered", rule=notice.rule, title=notice.title)
    return False


async def _run(settings: Settings, senders: dict[str, Any]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    if not await until(stopped, wait_for_broker(settings.kafka)):
        return
    library_logs.bound()
    notices = Notices(settings)
    for snapshot in await snapshots(settings):  # of what was told before, nobody is told as if it were new
        notices.saw(snapshot)
    # Whoever begins anew is not told of all that ever was.
    async with group_consumer(settings.kafka, settings.notify.group, reset="latest") as consumer:
        consumer.subscribe([settings.topics.alerts])
        log.info("telling", topic=settings.topics.alerts, rules=sorted(senders))
        while not stopped.is_set():
            some = await consumer.getmany(timeout_ms=500, max_records=50)
            for place, records in some.items():
                for record in records:
                    incident = parse(record.value, f"{place.topic}-{place.partition}-{record.offset}")
                    if incident is not None:
                        for notice in notices.of(incident, time.monotonic()):
                            await _send(senders[notice.rule], notice)
                await consumer.commit({place: records[-1].offset + 1})
