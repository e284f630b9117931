"""Which records wait for company, and which do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from producers.records import Tick, encode
from streams.engine.inbox import Hurry
from streams.settings import Settings
from streams.waiting import hurry_of


def tick(second: float) -> bytes:
    return encode(Tick(time=datetime(2024, 1, 20, tzinfo=UTC) + timedelta(seconds=second)))


def test_results_wait_for_a_beat_and_ticks_that_close_nothing_for_any_record() -> None:
    hurry = hurry_of(Settings())
    assert hurry(b'{"schema":"netdusk.probe/1"}') is Hurry.SOME
    assert hurry(tick(120.02)) is Hurry.NONE
    assert hurry(tick(150.02)) is Hurry.URGENT
    assert hurry(tick(150.02)) is Hurry.URGENT


def test_what_only_looks_like_a_tick_is_taken_at_once() -> None:
    assert hurry_of(Settings())(b'{"schema":"netdusk.tick/1","time":"never"}') is Hurry.URGENT


def test_a_replays_ticks_come_at_any_time_and_wait_for_nobody() -> None:
    settings = Settings()
    replay = settings.model_copy(update={"worker": settings.worker.model_copy(update={"clock": "replay"})})
    assert hurry_of(replay)(tick(120.02)) is Hurry.URGENT
