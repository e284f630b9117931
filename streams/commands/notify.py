"""`netdusk notify`: incidents by mail, webhook or any of Apprise's services, for those without Alertmanager."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer
from aiokafka.errors import KafkaError

from streams.engine import library_logs
from streams.errors import install
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


def _sender(name: str, urls: Any) -> list[Any]:
    """The receivers of a rule, each by itself: one that fails is tried again, and the others are not told twice.

    Raises SettingsError, without the address: it may hold a secret.
    """
    try:
        import apprise  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(f"netdusk notify needs {error.name}; {install('notify')}") from error
    made = []
    for number, url in enumerate(urls, 1):
        made.append(apprise.Apprise())
        if not made[-1].add(url):
            raise SettingsError(
                f"notify.rules.{name}.to: number {number} is no address of Apprise's; like mailto://… or json://…"
            )
    return made


async def _test(senders: dict[str, list[Any]]) -> bool:
    good = [
        await _send(sender, Notice(name, "netdusk: a test", "Nothing happened. This receiver works.", True))
        for name, sender in senders.items()
    ]
    return all(good)


async def _send(receivers: Sequence[Any], notice: Notice, tries: Sequence[float] = _TRIES) -> bool:
    """Send a message to the receivers of a rule, side by side; says whether all of them have it."""
    return all(await asyncio.gather(*[_send_to(one, notice, tries) for one in receivers]))


async def _send_to(receiver: Any, notice: Notice, tries: Sequence[float]) -> bool:
    """Send a message to one receiver, again where that fails, after the pauses of `tries`."""
    for pause in tries:
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                kind = "success" if notice.good else "warning"
                if await receiver.async_notify(title=notice.title, body=notice.body, notify_type=kind):
                    log.info("told", rule=notice.rule, title=notice.title)
                    return True
        except TimeoutError:
            pass
        log.warning("a receiver did not take a message", rule=notice.rule, title=notice.title)
    log.error("a message was not delivered", rule=notice.rule, title=notice.title)
    return False


async def _run(settings: Settings, senders: dict[str, list[Any]]) -> None:
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
            # One at a time: a receiver that hangs takes minutes, and who asks for nothing for five is taken out of
            # the group.
            some = await consumer.getmany(timeout_ms=500, max_records=1)
            for place, records in some.items():
                for record in records:
                    incident = parse(record.value, f"{place.topic}-{place.partition}-{record.offset}")
                    if incident is not None:
                        messages = list(notices.of(incident, time.monotonic()))
                        await asyncio.gather(*[_send(senders[one.rule], one) for one in messages])
                try:
                    await consumer.commit({place: records[-1].offset + 1})
                except KafkaError as error:
                    # Whoever has the partition now tells it again: twice is better than never.
                    log.warning("the place in the topic was not committed", why=repr(error))
