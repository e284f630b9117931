"""Pace: how long a record waits, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from producers.records import Malformed, Reason, Tick
from streams.kafka.bulk import Outgoing
from streams.local.replay import ReplayPace, replay

START = datetime(2024, 1, 20, 13, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Sender:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.partitions = 1
        self.sent: list[Outgoing] = []
        self.flushed = 0

    async def send(self, records: Iterable[Outgoing]) -> None:
        self.sent += records

    async def flush(self) -> None:
        self.flushed = len(self.sent)


def ticks(*seconds: float) -> list[Tick]:
    return [Tick(time=START + timedelta(seconds=at)) for at in seconds]


async def test_records_wait_for_their_time() -> None:
    clock, sender = Clock(), Sender()
    pace = ReplayPace(lambda _: 60.0, now=clock.now, sleep=clock.sleep)
    await replay(ticks(0, 60, 180), sender, pace)  # type: ignore[arg-type]  # a stand-in
    assert [round(seconds, 6) for seconds in clock.slept] == [1.0, 2.0]
    assert sender.flushed == 3


async def test_what_took_longer_than_life_is_caught_up_with() -> None:
    clock, sender = Clock(), Sender()
    pace = ReplayPace(lambda _: 60.0, now=clock.now, sleep=clock.sleep)
    pace.until(START)
    clock.time += 5.0  # sending took five seconds
    await replay(ticks(60, 120, 600), sender, pace)  # type: ignore[arg-type]
    assert [round(seconds, 6) for seconds in clock.slept] == [5.0]


async def test_without_a_speed_nothing_waits_and_nothing_is_owed_afterwards() -> None:
    clock, sender = Clock(), Sender()
    later = START + timedelta(hours=1)
    pace = ReplayPace(lambda moment: None if moment < later else 60.0, now=clock.now, sleep=clock.sleep)
    await replay(ticks(0, 1800, 3599, 3659), sender, pace)  # type: ignore[arg-type]
    assert [round(seconds, 6) for seconds in clock.slept] == [1.0]


async def test_what_is_no_record_is_given_back() -> None:
    clock, sender = Clock(), Sender()
    bad = Malformed(Reason.NOT_JSON, "no")
    refused = await replay(
        [*ticks(0), bad], sender, ReplayPace(lambda _: None, now=clock.now, sleep=clock.sleep)
    )  # type: ignore[arg-type]
    assert refused == [bad]
    assert len(sender.sent) == 1
