"""Results wait for the beat; the worker's own ticks wait for nobody."""

from __future__ import annotations

from streams.engine.pace import PROMPT, Pace
from streams.engine.ticker import _next_that_decides, _until_next
from streams.settings import Settings


class Clock:
    """A clock that stands where it is put."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_fetch_is_held_until_the_beat_or_until_ticks_are_due() -> None:
    clock = Clock(100.25)
    pace = Pace(1.0, clock=clock)
    assert pace.hold().seconds == 0.75
    assert pace.hold().least_bytes > 1
    pace.ticks_due(100.5)
    assert pace.hold().seconds == 0.25


def test_ticks_that_are_written_are_fetched_with_one_byte_by_the_next_fetch() -> None:
    clock = Clock(100.25)
    pace = Pace(1.0, clock=clock)
    pace.ticks_due(100.2)
    assert pace.hold().seconds < 0.01  # they are on their way: nobody holds a fetch now
    pace.ticks_written()
    pace.ticks_due(None)
    clock.now = 100.5
    assert pace.hold() == PROMPT
    pace.sent()
    assert pace.hold().seconds == 0.5


def test_a_beat_that_is_very_near_is_left_out() -> None:
    pace = Pace(1.0, clock=Clock(100.95))
    assert pace.next_beat() == 102.0


def test_many_partitions_are_read_at_a_longer_beat() -> None:
    clock = Clock(100.0)
    pace = Pace(1.0, clock=clock)
    for partitions, beat in ((8, 1.0), (48, 2.0), (240, 5.0)):
        pace.share(partitions)
        assert pace.beat_seconds == beat
    assert pace.hold().seconds == 5.0


def test_what_was_fetched_at_a_beat_is_taken_just_after_it_and_by_all_at_once() -> None:
    clock = Clock(100.01)
    pace = Pace(1.0, clock=clock)
    assert round(pace.next_taking(), 6) == 100.05
    clock.now = 100.06
    assert round(pace.next_taking(), 6) == 101.05


def test_without_a_beat_everything_is_read_at_once() -> None:
    pace = Pace(0.0, clock=Clock())
    pace.ticks_due(105.0)
    assert pace.hold() == PROMPT


def test_ticks_come_just_after_the_full_minute_and_regularly_from_there() -> None:
    assert round(_until_next(5.0, 59.0), 6) == 1.02
    assert round(_until_next(5.0, 60.03), 6) == 4.99
    assert _until_next(3600.0, 59.0) == 3600.0  # as rare as that, they are no clock


def test_only_ticks_that_may_close_a_window_are_hurried() -> None:
    settings = Settings()
    assert _next_that_decides(120.25, settings) == 150.25  # windows of a minute, half of one late
    assert _next_that_decides(150.25, settings) == 150.25
    assert _next_that_decides(155.25, settings) == 210.25
    replay = settings.model_copy(update={"worker": settings.worker.model_copy(update={"clock": "replay"})})
    assert _next_that_decides(155.25, replay) == 155.25
