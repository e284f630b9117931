"""The demonstration: a scenario through a broker and a worker, and what was detected when against what was published.

Everything printed is read from the topics and the page of the worker that has just run. All results are simulated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from prometheus_client.samples import Sample

from producers.records import ProbeResult, Tick
from producers.simulated import scenario
from streams.kafka.alerts import follow
from streams.kafka.bulk import BulkSender
from streams.kafka.client import connect, disconnect
from streams.local.live import Board, Show
from streams.local.replay import ReplayPace, replay
from streams.local.stack import Stack
from streams.records import CalendarEvent, Incident, Status, Vantage, encode
from streams.settings import KafkaSettings, Settings, TopicSettings
from streams.step.ticks import with_ticks

#: The pace that was asked for holds this long before an onset and after a restoration; the rest goes by as it can.
_NEAR: Final = (timedelta(minutes=30), timedelta(minutes=30))
_LEAD_NEAR: Final = timedelta(hours=1)
_LEAD_BETWEEN: Final = timedelta(hours=12)
_LOOK_SECONDS: Final = 0.25
_QUIET_SECONDS: Final = 1.0
_STUCK_SECONDS: Final = 60.0

#: What makes a worker judge a log by the log's own time.
OVERRIDES: Final = {
    "NETDUSK_WORKER__CLOCK": "replay",
    "NETDUSK_TOPICS__PARTITIONS": "2",  # one country: more would only take longer to start
    "NETDUSK_HTTP__PORT": "0",
    "NETDUSK_TRUST__POLICY": "registered",
}


@dataclass
class DemoResult:
    """What came out.

    `opened`, `resolved` are the snapshots by which an incident became known and was said to be over.
    """

    snapshots: list[Incident] = field(default_factory=list)
    results: int = 0
    seconds: float = 0.0
    ready_seconds: float = 0.0

    def first(self, status: Status, evening: scenario.Evening) -> Incident | None:
        """The first such snapshot from around an evening."""
        begin, end = evening.start - timedelta(hours=1), evening.end + timedelta(hours=2)
        matching = [s for s in self.snapshots if s.status is status and begin <= s.updated <= end]
        return min(matching, key=lambda s: s.updated, default=None)


def demo_settings(settings: Settings, prefix: str) -> tuple[Settings, dict[str, str]]:
    """Settings for the demonstration, and the same as environment variables for its worker.

    `prefix` keeps its topics apart on a broker that is shared with real ones.
    """
    # Topic names are all that is text among their settings: a topic that comes later needs no line here.
    topics = {role: f"{prefix}{name}" for role, name in settings.topics if isinstance(name, str)}
    overrides = OVERRIDES | {f"NETDUSK_TOPICS__{role.upper()}": name for role, name in topics.items()}
    if prefix:
        overrides["NETDUSK_KAFKA__GROUP"] = f"{prefix}{settings.kafka.group}"
    changed = settings.model_copy(
        update={
            "topics": settings.topics.model_copy(update={**topics, "partitions": 2}),
            "worker": settings.worker.model_copy(update={"clock": "replay"}),
        }
    )
    return changed, overrides


def speed_near(evenings: Sequence[scenario.Evening], speed: float, moment: datetime) -> float | None:
    """Event seconds a second at a moment: `speed` around the evenings, no limit between them."""
    before, after = _NEAR
    near = any(evening.start - before <= moment <= evening.end + after for evening in evenings)
    return speed if near and speed > 0 else None


class _Lead:
    """How far what is sent may be ahead of what is decided: so that the picture is of one moment."""

    def __init__(self) -> None:
        self._decided: datetime | None = None
        self._news = asyncio.Event()

    def take(self, samples: Iterable[Sample]) -> datetime | None:
        """Return up to when the worker has decided everything, or None if its page does not say."""
        lags = [sample.value for sample in samples if sample.name == "netdusk_watermark_lag_seconds"]
        if lags:
            self._decided = datetime.now(UTC) - timedelta(seconds=max(lags))
        self._news.set()
        return self._decided

    async def shorten(self, moment: datetime, most: timedelta) -> None:
        """Wait until `moment` is no more than `most` ahead."""
        while self._decided is not None and moment - self._decided > most:
            self._news.clear()
            await self._news.wait()


async def run(
    stack: Stack,
    show: Show,
    *,
    speed: float,
    seed: int,
    evenings: Sequence[str],
    ready: Callable[[Stack], Awaitable[None]] | None = None,
) -> DemoResult:
    """Play the scenario through the whole of netdusk; returns when the worker has judged all of it.

    `ready` is called once the worker serves its page, before the first result is sent.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    seen = DemoResult()
    await _announce(stack.settings.kafka, stack.settings.topics)
    worker = stack.start_worker()
    await stack.ready(worker)
    seen.ready_seconds = loop.time() - began
    if ready is not None:
        await ready(stack)
    board = show.board
    lead = _Lead()
    board.note = f"{speed:g} times as fast" if speed else "as fast as it goes"

    async def listen() -> None:
        async for incident in follow(stack.settings):
            seen.snapshots.append(incident)
            show.incident(incident)

    async def look() -> None:
        while True:
            stack.check()
            samples = await stack.metrics()
            board.take(samples)
            if (decided := lead.take(samples)) is not None:
                show.moment(decided)
            await asyncio.sleep(_LOOK_SECONDS)

    watching = [asyncio.create_task(listen()), asyncio.create_task(look())]
    try:
        playing = asyncio.create_task(_play(stack, lead, speed, seed, evenings))
        await asyncio.wait([playing, *watching], return_when=asyncio.FIRST_COMPLETED)
        for task in watching:
            if task.done():
                task.result()  # it ends by an error alone
        seen.results = await playing
        await _drained(stack, seen.results)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    board.take(await stack.metrics())
    seen.seconds = loop.time() - began
    return seen


async def _play(stack: Stack, lead: _Lead, speed: float, seed: int, evenings: Sequence[str]) -> int:
    chosen = [evening for evening in scenario.EVENINGS if evening.name in evenings]
    settings = stack.settings
    results = 0

    def counted() -> Any:
        nonlocal results
        for record in scenario.pakistan(seed, evenings=evenings):
            results += 1
            yield record

    first = next(scenario.pakistan(seed, evenings=evenings))
    ticked = with_ticks(counted(), settings.time)
    records = (
        record for record in chain((Tick(time=first.time),), ticked) if isinstance(record, ProbeResult | Tick)
    )
    pace = ReplayPace(lambda moment: speed_near(chosen, speed, moment))

    async def keep_together(moment: datetime) -> None:
        near = speed_near(chosen, 1.0, moment) is not None
        await lead.shorten(moment, _LEAD_NEAR if near else _LEAD_BETWEEN)

    async with BulkSender(settings.kafka, settings.topics.probes) as sender:
        await replay(records, sender, pace, passed=keep_together)
    return results


async def _drained(stack: Stack, results: int) -> None:
    """Wait until the worker has acknowledged all of them, and what it had to say has come."""
    loop = asyncio.get_running_loop()
    done, moved_at = 0.0, loop.time()
    while done < results:
        stack.check()
        now = sum(s.value for s in await stack.metrics() if s.name == "netdusk_records_total")
        if now > done:
            done, moved_at = now, loop.time()
        elif loop.time() - moved_at > _STUCK_SECONDS:
            raise TimeoutError(
                f"the worker has acknowledged {done:.0f} of {results} results, and goes no further"
            )
        await asyncio.sleep(_LOOK_SECONDS)
    await asyncio.sleep(_QUIET_SECONDS)


async def _announce(kafka: KafkaSettings, topics: TopicSettings) -> None:
    """Put the scheduled events on the calendar, and the vantages into the register, before the worker starts."""
    producer: AIOKafkaProducer = await connect(kafka)
    try:
        for raw in scenario.CALENDAR:
            event = msgspec.convert(raw, CalendarEvent, str_keys=True)
            await producer.send_and_wait(topics.calendar, encode(event), key=event.id.encode())
        for network in scenario.NETWORKS:
            for name, region in network.vantages:
                entry = Vantage(
                    vantage=f"pk-{name}",
                    country="PK",
                    asn=network.asn,
                    region=region,
                    since=scenario.EVENINGS[0].start,
                    operator="netdusk demo",
                )
                await producer.send_and_wait(topics.vantages, encode(entry), key=entry.vantage.encode())
    finally:
        await disconnect(producer)


def compare(
    seen: DemoResult, evening: scenario.Evening
) -> tuple[list[tuple[datetime | None, str, str]], list[str]]:
    """One evening as rows of a timeline (published, assumed, detected), and what follows from them."""
    day = evening.start.date()
    rows: list[tuple[datetime | None, str, str]] = [
        (fact.time, "published", fact.text)
        for fact in scenario.FACTS
        if fact.time is not None and fact.time.date() == day
    ]
    rows.append((evening.start, "scenario", "the first network loses the platforms (assumed)"))
    rows.append((evening.end, "scenario", "the last network has them back (assumed: no end was published)"))
    begin, end = evening.start - timedelta(hours=1), evening.end + timedelta(hours=2)
    for snapshot in seen.snapshots:
        if begin <= snapshot.updated <= end:
            what = f"{snapshot.status} #{snapshot.seq}: {snapshot.summary}"
            rows.append((snapshot.updated, "netdusk", what))
    rows.sort(key=lambda row: row[0] or evening.start)
    return rows, _conclusions(seen, evening)


def _conclusions(seen: DemoResult, evening: scenario.Evening) -> list[str]:
    opened, resolved = seen.first(Status.OPEN, evening), seen.first(Status.RESOLVED, evening)
    if opened is None:
        return ["netdusk detected nothing"]
    lines = [
        f"onset given as {opened.onset:%H:%M}, {_gap(opened.onset - evening.start)} the scenario's",
        f"detected {_gap(opened.detected - evening.start)} it began",
    ]
    day = evening.start.date()
    posts = [
        f.time for f in scenario.FACTS if f.time and f.time.date() == day and f.text.startswith("NetBlocks")
    ]
    lines += [f"detected {_gap(opened.detected - post)} NetBlocks' post" for post in posts]
    if resolved is None or resolved.resolved is None:
        lines.append("not resolved")
    else:
        lines.append(f"resolution said {_gap(resolved.updated - evening.end)} the last network was back")
    return lines


def _gap(gap: timedelta) -> str:
    minutes = gap.total_seconds() / 60
    return (
        "at the same minute as"
        if minutes == 0
        else f"{abs(minutes):.0f} min {'after' if minutes > 0 else 'before'}"
    )


def board() -> Board:
    """The picture of the scenario, before anything is known."""
    names = {str(network.asn): network.name for network in scenario.NETWORKS}
    return Board("Pakistan, January 2024: a reconstruction", names, simulated=True)
