"""The very step of the worker over a file: no broker, no clock, the same incidents.

Ticks are taken from the file where it has any (a copy of the topic); else they are derived from the results'
times. Rows may be unordered within the lateness.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from detectors.readings import Reading
from producers.records import Tick, decode
from streams.machine import Chunk, Note, Salt
from streams.records import CalendarEvent, Incident, Vantage
from streams.settings import Settings
from streams.step.country import CountryMachine
from streams.step.ticks import lines_with_ticks, take
from streams.step.worldwide import WorldStep

# Records.
CHUNK: Final = 1000
#: Windows that are closed in one go, about: where little comes, fewer records are taken at once.
WINDOWS: Final = 60
#: Of a line of a file. A record has at most a sixteenth of it.
LINE_BYTES_MAX: Final = 1024 * 1024
#: Lines in which a log's own ticks are looked for.
LOOKED_AT: Final = 1000


class Backtest:
    """One run over one log. `observe` is shown the reading of every window that closes, `keep` is given its records.

    `register` are the vantages that have a vote, where the policy asks for that.

    Attributes
    ----------
    machine
        The country machine, as a worker would have it after the same log.
    span_seconds
        Event time from the first window to the last.
    series
        Number of (platform, country) pairs seen.
    known
        Those of them of which a network, at least, had enough results to learn what is usual, at some time.
    records
        Lines that held a record, whatever became of it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        calendar: Iterable[CalendarEvent] = (),
        register: Iterable[Vantage] = (),
        observe: Callable[[Reading], None] | None = None,
        keep: Callable[[bytes], None] | None = None,
        salt: bytes = b"",
    ) -> None:
        self.settings = settings
        self._observe = observe
        self._keep = keep
        self.machine = CountryMachine(
            _replaying(settings), publish_health=False, publish_windows=keep is not None
        )
        self.machine.on_closed = self._weigh
        self.world = WorldStep(settings)
        # Of the last records: windows that they closed, and what the world's view says of these.
        self._windows = 0
        self._worldwide: list[Incident] = []
        notes: list[Note] = [Salt(salt), *register, *calendar]
        for note in notes:
            self.machine.note(note)
        self.first: int | None = None
        self.last = 0
        self.pairs: set[tuple[str, str]] = set()
        self.known: set[tuple[str, str]] = set()
        self.records = 0

    def run(self, lines: Iterable[bytes], *, ticks: bool | None = None) -> Iterator[Incident]:
        """Incident snapshots, in the order in which a worker would send them.

        `ticks` says whether the log has ticks of its own; None: look at its first thousand records.
        """
        filled = filter(bytes.strip, lines)  # without the empty ones
        ahead = take(filled, LOOKED_AT)
        if ticks is None:
            ticks = any(isinstance(decode(line), Tick) for line in ahead)
        source = chain(ahead, filled)
        values = source if ticks else lines_with_ticks(source, self.settings.time)
        many = CHUNK // 10
        while chunk := take(values, many):
            yield from self._feed(chunk, derived=not ticks)
            many = max(1, min(CHUNK, 2 * many, many * WINDOWS // max(1, self._windows)))

    @property
    def span_seconds(self) -> int:
        """Event time covered by closed windows."""
        return 0 if self.first is None else self.last - self.first

    @property
    def series(self) -> int:
        """Number of (platform, country) pairs seen."""
        return len(self.pairs)

    def _feed(self, values: Sequence[bytes], *, derived: bool) -> Iterator[Incident]:
        first = self.machine.next_offset
        rows = self.machine.read(Chunk("backtest", 0, range(first, first + len(values)), values))
        self.records += rows.size - len(rows.refusals) - (len(rows.reading_ms) if derived else 0)
        self._windows, self._worldwide = 0, []
        outbox = self.machine.apply(rows)
        if self._keep is not None:
            for message in outbox.after:
                if message.topic == "windows":
                    self._keep(message.value)
        if self._windows:
            self.known |= self.machine.usuals()
        yield from sorted([*outbox.incidents, *self._worldwide], key=lambda incident: incident.updated)

    def _weigh(self, reading: Reading) -> None:
        """Take in the reading of a window as it closes; nothing is held of it."""
        self._windows += 1
        self._worldwide += self.world.step(reading)
        if self.first is None:
            self.first = reading.start
        self.last = reading.end
        if self._observe is not None:
            self._observe(reading)
        self.pairs.update(zip(reading.health.platform, reading.health.country, strict=True))


def _replaying(settings: Settings) -> Settings:
    return settings.model_copy(update={"worker": settings.worker.model_copy(update={"clock": "replay"})})


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, unpacked where its name ends in .gz.

    Of a line that is longer than any record only the beginning is given, so that a file that unpacks to one endless
    line takes no memory.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        file = stack.enter_context(gzip.open(raw)) if path.suffix == ".gz" else raw
        for line in iter(partial(file.readline, LINE_BYTES_MAX), b""):
            yield line
            rest = line
            while len(rest) == LINE_BYTES_MAX and not rest.endswith(b"\n"):
                rest = file.readline(LINE_BYTES_MAX)
