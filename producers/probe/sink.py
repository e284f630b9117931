"""Brings results to the topic, and never makes the prober wait: its own thread, a bounded queue, a spool on disk.

While the broker is away, everything goes to the spool, and from there, oldest first, once it is back. A result may then
be written twice, under the same id; it is lost only beyond the spool's bound, and counted. Knows no record: bytes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import structlog

from producers.bundles import bundle
from producers.probe.spool import SET_ASIDE, Spool

log = structlog.get_logger()

#: Seconds that the first record of a batch waits for others.
_LINGER_SECONDS: Final = 0.05
#: Seconds that it waits on its way to the disk: one fsync a second spares a memory card.
_LINGER_AWAY_SECONDS: Final = 1.0
_BATCH_RECORDS: Final = 1000
#: Where results are bundled, the first one waits so long for others.
BUNDLE_LINGER_SECONDS: Final = 1.5
#: Results of one bundle.
_BUNDLE_RECORDS: Final = 500
BACKOFF_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class Dropped(StrEnum):
    """Why a measured result was let go."""

    QUEUE_FULL = "queue_full"
    SPOOL_FULL = "spool_full"
    DISK = "disk"
    TOO_LARGE = "too_large"


class SendError(Exception):
    """Some of a batch was not acknowledged.

    `unsent` is what may be sent again, in its order; `refused` is what the broker will never take, for its size.
    """

    def __init__(self, why: str, unsent: Sequence[bytes], refused: Sequence[bytes] = ()) -> None:
        super().__init__(why)
        self.unsent = unsent
        self.refused = refused


class ResultSender(Protocol):
    """What takes a batch to the broker. Made anew after each failure."""

    def send(self, values: Sequence[bytes]) -> None:
        """Return when all are acknowledged. Raises SendError."""

    def close(self) -> None:
        """Let the connection go, within a bounded time."""


class BundleSender:
    """Sends results as bundles of their vantage, each in one record."""

    def __init__(self, sender: ResultSender, vantage: str) -> None:
        self._sender = sender
        self._vantage = vantage

    def send(self, values: Sequence[bytes]) -> None:
        """Return when all are acknowledged. Raises SendError, with the results of the bundles that were not."""
        parts = [values[i : i + _BUNDLE_RECORDS] for i in range(0, len(values), _BUNDLE_RECORDS)]
        bundles = [bundle(self._vantage, part) for part in parts]
        try:
            self._sender.send(bundles)
        except SendError as error:
            unsent, refused = (
                [value for part, one in zip(parts, bundles, strict=True) if one in some for value in part]
                for some in (error.unsent, error.refused)
            )
            raise SendError(str(error), unsent, refused) from error

    def close(self) -> None:
        """Let the connection go."""
        self._sender.close()


@dataclass(slots=True)
class Figures:
    """What became of the results so far."""

    sent: int = 0
    spooled: int = 0
    dropped: dict[Dropped, int] = field(default_factory=lambda: dict.fromkeys(Dropped, 0))
    broker_answers: bool = True


class Sink:
    """Takes results from the prober, and brings them to the broker or to the disk.

    Parameters
    ----------
    connect
        Makes a sender. Raises SendError where the broker is away.
    spool
        Where results wait. The sink closes it.
    queue_max
        The most records in memory; beyond it `put` drops, and counts.
    backoff_seconds
        Waits between tries while the broker is away; the last one again and again.
    where
        The broker's name, for people.
    linger_seconds
        How long the first record of a batch waits for others while the broker answers.

    Only the sink's thread touches the sender and the spool.
    """

    def __init__(
        self,
        connect: Callable[[], ResultSender],
        spool: Spool,
        *,
        queue_max: int = 100_000,
        backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
        where: str = "the broker",
        linger_seconds: float = _LINGER_SECONDS,
    ) -> None:
        self.figures = Figures()
        self._connect = connect
        self._spool = spool
        self._queue_max = queue_max
        self._backoff_seconds = backoff_seconds
        self._where = where
        self._linger_seconds = linger_seconds
        self._queue: deque[bytes] = deque()
        self._news = threading.Condition()
        self._stopping = False
        self._sender: ResultSender | None = None
        self._tries = 0
        self._try_again = 0.0
        self._bug: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="netdusk-sink", daemon=True)

    def start(self) -> None:
        """Begin. What an earlier run left in the spool goes first."""
        self._thread.start()

    def put(self, value: bytes) -> bool:
        """Take a record, at once. False: there was no room, and it is counted as dropped.

        Raises RuntimeError where the sink's thread has ended by a bug: going on would lose everything silently.
        """
        if self._bug is not None:
            raise RuntimeError("the sink has ended") from self._bug
        with self._news:
            if len(self._queue) >= self._queue_max:
                self.figures.dropped[Dropped.QUEUE_FULL] += 1
                return False
            self._queue.append(value)
            if len(self._queue) == 1:
                self._news.notify()
            return True

    @property
    def waiting(self) -> int:
        """The number of records in memory that are neither sent nor spooled yet."""
        return len(self._queue)

    @property
    def spool_bytes(self) -> int:
        """What the spool holds."""
        return self._spool.size_bytes

    @property
    def spool_records(self) -> int:
        """How many results wait on disk."""
        return self._spool.records

    def close(self) -> None:
        """Bring what is in memory to the broker, or to the disk, and end."""
        with self._news:
            self._stopping = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._bring()
        except Exception as error:
            self._bug = error
            log.exception("the sink has ended")
        finally:
            if self._sender is not None:
                self._sender.close()
            self._spool.close()

    def _bring(self) -> None:
        while True:
            batch = self._take()
            if batch is None:
                break
            if self._spool.records or not self._can_send():
                self._keep(batch)
                self._replay()
            elif batch:
                self._deliver(batch)

    def _take(self) -> list[bytes] | None:
        """Return the next records, an empty list when it is time to try something else, or None at the end."""
        with self._news:
            if not self._queue and not self._stopping:
                self._news.wait(self._idle_seconds())
            if self._queue and not self._stopping and len(self._queue) < _BATCH_RECORDS:
                self._news.wait(self._linger_seconds if self._sender else _LINGER_AWAY_SECONDS)
            if self._stopping and not self._queue:
                return None
            return [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH_RECORDS))]

    def _idle_seconds(self) -> float | None:
        if self._sender is None:
            return max(0.0, self._try_again - time.monotonic())
        return 0.0 if self._spool.records else None

    def _can_send(self) -> bool:
        """Return whether there is a sender. Makes one when it is time to try."""
        if self._sender is None and (self._tries == 0 or time.monotonic() >= self._try_again):
            try:
                self._sender = self._connect()
            except SendError as error:
                self._went_away(str(error))
        return self._sender is not None

    def _deliver(self, batch: Sequence[bytes]) -> None:
        if unsent := self._send(batch):
            self._keep(unsent)

    def _replay(self) -> None:
        """Send the oldest of the spool."""
        if not self._can_send():
            return
        before = self._spool.vanished
        try:
            oldest = self._spool.head(_BATCH_RECORDS)
        except OSError as error:
            lost = self._spool.skip()
            self.figures.dropped[Dropped.DISK] += lost
            log.error("results are lost: a part of the spool can't be read", records=lost, why=str(error))
            return
        if gone := self._spool.vanished - before:
            self.figures.dropped[Dropped.DISK] += gone
            log.error("results are lost: a part of the spool was cut", records=gone)
        if oldest:
            unsent = self._send(oldest)
            # In their order: what was acknowledged behind a record that was not is sent again, under the same id.
            first = next((i for i, value in enumerate(oldest) if unsent and value is unsent[0]), len(oldest))
            self._spool.forget(first)
            if not self._spool.records:
                log.info("the spool is empty again", broker=self._where)

    def _send(self, values: Sequence[bytes]) -> Sequence[bytes]:
        """Try; what was not acknowledged."""
        assert self._sender is not None
        try:
            self._sender.send(values)
        except SendError as error:
            self.figures.sent += len(values) - len(error.unsent) - len(error.refused)
            self._set_aside(error.refused)
            if error.unsent:
                self._sender.close()
                self._sender = None
                self._went_away(str(error))
                return error.unsent
        else:
            self.figures.sent += len(values)
        if not self.figures.broker_answers:
            log.info("the broker answers again", broker=self._where, spooled=self._spool.records)
        self.figures.broker_answers = True
        self._tries = 0
        return ()

    def _set_aside(self, values: Sequence[bytes]) -> None:
        if not values:
            return
        self.figures.dropped[Dropped.TOO_LARGE] += len(values)
        log.error(
            "results are set aside: the broker does not take records so large",
            records=len(values),
            bytes=max(len(value) for value in values),
            file=SET_ASIDE,
        )
        try:
            self._spool.set_aside(values)
        except OSError as error:
            log.error("what is too large could not be set aside", why=str(error))

    def _went_away(self, why: str) -> None:
        seconds = self._backoff_seconds[min(self._tries, len(self._backoff_seconds) - 1)]
        self._tries += 1
        self._try_again = time.monotonic() + seconds
        self.figures.broker_answers = False
        log.warning(
            "the broker is away; results go to the spool",
            broker=self._where,
            why=why,
            trying_again_in_seconds=seconds,
        )

    def _keep(self, values: Sequence[bytes]) -> None:
        if not values:
            return
        before, added = self._spool.dropped, self._spool.added
        try:
            self._spool.append(values)
        except OSError as error:
            unwritten = len(values) - (self._spool.added - added)
            self.figures.dropped[Dropped.DISK] += unwritten
            log.error("results are lost: the spool can't be written", records=unwritten, why=str(error))
        self.figures.spooled += self._spool.added - added
        if lost := self._spool.dropped - before:
            self.figures.dropped[Dropped.SPOOL_FULL] += lost
            log.error("results are lost: the spool is full, its oldest went", records=lost)
