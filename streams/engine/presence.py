"""Whether the broker is there, as all parts of a worker find it: said once a minute, and not by each of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

#: A broker that is away for less is no reason to be unready.
_AWAY_SECONDS: Final = 5.0
_SAY_SECONDS: Final = 60.0


class BrokerPresence:
    """Takes note of what worked and what did not."""

    def __init__(self, bootstrap: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bootstrap = bootstrap
        self._clock = clock
        self._since: float | None = None
        self._why = ""
        self._said_at = float("-inf")
        self._said = False

    def failed(self, error: BaseException) -> None:
        """Note that a request failed, or had no answer in time."""
        now = self._clock()
        if self._since is None:
            self._since = now
        self._why = str(error) or type(error).__name__
        if now - self._said_at >= _SAY_SECONDS:
            self._said_at, self._said = now, True
            log.warning(
                "the broker does not answer as it should; what is not acknowledged is done again when it does",
                bootstrap=self._bootstrap,
                for_seconds=round(now - self._since),
                why=self._why,
            )

    def answered(self) -> None:
        """Note that a request was answered."""
        if self._since is not None and self._said:
            log.info(
                "the broker answers again",
                bootstrap=self._bootstrap,
                after_seconds=round(self._clock() - self._since),
            )
        self._since, self._said = None, False

    @property
    def failing(self) -> bool:
        """Whether the last request that is known of failed."""
        return self._since is not None

    def away(self) -> str | None:
        """Return for how long it has not answered, and why, or None if it answers."""
        if self._since is None or (seconds := self._clock() - self._since) < _AWAY_SECONDS:
            return None
        return f"the broker at {self._bootstrap} has not answered for {seconds:.0f} s: {self._why}"
