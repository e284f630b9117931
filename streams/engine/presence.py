"""Whether the broker is there, as all parts of a worker find it: said once a minute, and not by each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from aiokafka.errors import KafkaError

log = structlog.get_logger()

#: A broker that is away for less is no reason to be unready.
_AWAY_SECONDS: Final = 5.0
_SAY_SECONDS: Final = 60.0
# An answer takes milliseconds, and a leader that moves a second. What has none after these is likely to get none.
_SLOW_SECONDS: Final = 2.0


class BrokerPresence:
    """Takes note of what worked and what did not."""

    def __init__(self, bootstrap: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bootstrap = bootstrap
        self._clock = clock
        self._since: float | None = None
        self._why = ""
        self._said_at = float("-inf")
        self._said = False
        self._asked: list[float] = []  # when the requests were made that have no answer yet, the oldest first

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Note how a request goes that is made inside, and that it waits meanwhile.

        A client tries for a quarter of a minute before it gives a broker up: who looks only at failures learns late.
        """
        asked = self._clock()
        self._asked.append(asked)
        try:
            yield
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            self.failed(error, since=asked)
            raise
        else:
            self.answered()
        finally:
            self._asked.remove(asked)

    def failed(self, error: BaseException, *, since: float | None = None) -> None:
        """Note that a request failed, or had no answer in time; `since` when it had been made, on the own clock."""
        now = self._clock()
        if self._since is None:
            self._since = now if since is None else since
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
        """Whether the last request that is known of failed, or one waits for its answer for longer than is usual."""
        return self._since is not None or self._waited() >= _SLOW_SECONDS

    def away(self) -> str | None:
        """Return for how long it has not answered, and why, or None if it answers."""
        seconds = self._waited() if self._since is None else self._clock() - self._since
        if seconds < _AWAY_SECONDS:
            return None
        why = "a request waits for its answer" if self._since is None else self._why
        return f"the broker at {self._bootstrap} has not answered for {seconds:.0f} s: {why}"

    def _waited(self) -> float:
        return self._clock() - self._asked[0] if self._asked else 0.0
