"""What waits for what: which ticks may close a window, and how long a record may lie before it is taken.

Only that. Whether a window closes is the machine's to say, by the broker's times; what is guessed wrongly here comes a
beat later.
"""

from __future__ import annotations

from collections.abc import Callable

from producers.records import TICK_SCHEMA, Tick, decode
from streams.engine.inbox import Hurry
from streams.settings import Settings

_TICK = TICK_SCHEMA.encode()


def may_close(moment: float, settings: Settings) -> bool:
    """Whether the tick that is written at `moment` (seconds since 1970) is the first after the end of a window.

    >>> from streams.settings import Settings
    >>> [may_close(second, Settings()) for second in (25.02, 30.02, 35.02)]  # windows of a minute, half of one late
    [False, True, False]
    """
    if settings.worker.clock != "live":
        return True
    since = (moment - settings.time.lateness_seconds) % settings.time.window_seconds
    return since < settings.worker.tick_seconds


def hurry_of(settings: Settings) -> Callable[[bytes], Hurry]:
    """How long a record of the probes topic may wait: results a beat, a tick that closes nothing for any of them."""
    # All partitions get the same tick.
    latest: tuple[bytes, Hurry] = (b"", Hurry.URGENT)

    def hurry(value: bytes) -> Hurry:
        nonlocal latest
        if _TICK not in value:
            return Hurry.SOME
        if value != latest[0]:
            record = decode(value)
            closes = not isinstance(record, Tick) or may_close(record.time.timestamp(), settings)
            latest = value, Hurry.URGENT if closes else Hurry.NONE
        return latest[1]

    return hurry
