from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.probe.schedule import ScheduleTotals, Timetable, once, pause, run
from producers.probe.targets import Target


def targets(number: int, **facts: float) -> list[Target]:
    return [Target(platform="test", url=f"https://site{i}.test/", **facts) for i in range(number)]


def table(of: list[Target], *, seed: str = "a", jitter: float = 0.1, start: float = 0.0) -> Timetable:
    return Timetable(of, interval_seconds=60.0, jitter=jitter, seed=seed, start_seconds=start)


def played(timetable: Timetable, until: float) -> list[tuple[float, str]]:
    """Every due time up to then, as a loop that is always in time sees them."""
    found = []
    while (now := timetable.next_due) <= until:
        found += [(now, target.url) for target in timetable.due(now)]
    return found


@settings(max_examples=50, deadline=None)
@given(
    number=st.integers(1, 30),
    jitter=st.floats(0, 0.5),
    seed=st.text(max_size=5),
    start=st.floats(0, 1e6),
)
def test_each_target_once_an_interval_for_ever(number: int, jitter: float, seed: str, start: float) -> None:
    rounds = played(table(targets(number), seed=seed, jitter=jitter, start=start), start + 600.0)
    for target in targets(number):
        times = [now - start for now, url in rounds if url == target.url]
        assert 9 <= len(times) <= 11
        first = times[0]
        for k, time in enumerate(times):
            # No drift: the k-th round is where the first was, k intervals on, give or take both jitters.
            assert abs(time - first - 60.0 * k) <= 2 * jitter * 60.0 + 1e-6
        assert times == sorted(times)


def test_same_seed_same_table_another_seed_another() -> None:
    def of(seed: str) -> list[tuple[float, str]]:
        return played(table(targets(5), seed=seed), 300.0)

    assert of("pk-lhe-03") == of("pk-lhe-03")
    assert of("pk-lhe-03") != of("pk-khi-01")


def test_rounds_are_spread_over_the_interval() -> None:
    first = {url: now for now, url in reversed(played(table(targets(600), jitter=0.0), 60.0))}
    by_quarter = [sum(1 for now in first.values() if q * 15 <= now < q * 15 + 15) for q in range(4)]
    assert min(by_quarter) > 100  # 150 each on average; the chance of so few is under 1 in 10,000


def test_a_target_may_have_its_own_interval() -> None:
    slow, *_ = targets(1, interval_seconds=300.0)
    assert 3 <= len(played(table([slow], jitter=0.0), 900.0)) <= 4


def test_rounds_that_were_slept_through_are_not_made_up_for() -> None:
    timetable = table(targets(3))
    assert len(timetable.due(3600.0)) == 3
    assert timetable.next_due > 3600.0


def test_no_targets_are_never_due() -> None:
    assert table([]).next_due == math.inf


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def driven(
    of: list[Target],
    measure: Callable[[Target], asyncio.Future[None]],
    *,
    concurrency_max: int = 100,
    per_target_max: int = 1,
    rounds: int,
) -> ScheduleTotals:
    """Run so many rounds of a minute on a clock that jumps, then let everything under way end."""
    clock, stop, tally = Clock(), asyncio.Event(), ScheduleTotals()
    open_attempts: list[asyncio.Future[None]] = []

    async def one(target: Target) -> None:
        future = measure(target)
        open_attempts.append(future)
        await future

    running = asyncio.create_task(
        run(
            _Eager(of),
            one,
            concurrency_max=concurrency_max,
            per_target_max=per_target_max,
            stop=stop,
            clock=clock,
            tally=tally,
        )
    )
    for _ in range(rounds):
        clock.now += 60.0
        before = clock.now
        while not (_Eager.asked_at == before and len(open_attempts) >= tally.started):
            await asyncio.sleep(0)
    stop.set()
    for future in open_attempts:
        if not future.done():
            future.set_result(None)
    await running
    return tally


class _Eager(Timetable):
    """All targets are due at each full minute; says when it was last asked."""

    asked_at = -1.0

    def __init__(self, of: list[Target]) -> None:
        self._of = of
        self._minute = 0.0
        _Eager.asked_at = -1.0

    @property
    def next_due(self) -> float:
        return self._minute  # the loop comes round at once

    def due(self, now_seconds: float) -> list[Target]:
        fresh = now_seconds > self._minute
        self._minute = max(self._minute, now_seconds)
        _Eager.asked_at = now_seconds
        return list(self._of) if fresh else []


def hanging(_: Target) -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def finished(_: Target) -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


async def test_a_target_that_hangs_is_not_asked_again_beside_itself() -> None:
    tally = await driven(targets(3), hanging, rounds=4)
    assert (tally.started, tally.skipped_busy, tally.in_flight) == (3, 9, 0)


async def test_more_at_once_of_a_target_where_that_is_allowed() -> None:
    tally = await driven(targets(1), hanging, per_target_max=3, rounds=5)
    assert (tally.started, tally.skipped_busy) == (3, 2)


async def test_no_more_at_once_than_in_all() -> None:
    tally = await driven(targets(10), hanging, concurrency_max=4, rounds=1)
    assert (tally.started, tally.skipped_full) == (4, 6)


async def test_all_are_asked_every_round_when_they_end_in_time() -> None:
    tally = await driven(targets(10), finished, concurrency_max=10, rounds=5)
    assert (tally.started, tally.skipped_busy, tally.skipped_full) == (50, 0, 0)


async def test_a_bug_in_one_attempt_is_counted_and_stops_no_other() -> None:
    def broken(target: Target) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        if target.url == "https://site0.test/":
            future.set_exception(ZeroDivisionError())
        else:
            future.set_result(None)
        return future

    tally = await driven(targets(3), broken, rounds=2)
    assert (tally.started, tally.broken, tally.in_flight) == (6, 2, 0)


async def test_once_asks_all_and_keeps_to_the_limit() -> None:
    now = most = 0
    asked = []

    async def measure(target: Target) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        asked.append(target.url)
        now -= 1

    await once(targets(50), measure, concurrency_max=7)
    assert sorted(asked) == sorted(target.url for target in targets(50))
    assert most == 7


async def test_pause_ends_at_the_stop() -> None:
    stop = asyncio.Event()
    waiting = asyncio.create_task(pause(stop, math.inf))
    await asyncio.sleep(0)
    stop.set()
    assert await waiting is True
    assert await pause(asyncio.Event(), 0.0) is False
    assert await pause(asyncio.Event(), 0.001) is False
    with pytest.raises(asyncio.CancelledError):
        task = asyncio.create_task(pause(asyncio.Event(), math.inf))
        await asyncio.sleep(0)
        task.cancel()
        await task
