"""The view over countries, twice: over a backtest's readings, and over the health topic. Both share one decider.

Nothing is decided here: `detectors/incidents/worldwide.py` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from detectors.incidents.falls import Key
from detectors.incidents.worldwide import Signs, WorldAssembler, signs_of
from detectors.readings import Health, Reading, SeriesGauge
from detectors.state import VERSIONS, read_stored
from producers.countries import CANARY, COUNTRIES
from producers.names import escaped, is_platform, is_printable
from producers.records import BYTES_MAX, TIME_MAX, TIME_MIN, UNREADABLE, Malformed, Reason, repeated
from streams.incidents import DETECTOR_VERSION, from_record, to_record
from streams.machine import Message, Note, Outbox, Pieces, closing_windows, rejection
from streams.records import Annotation, Arrivals, HealthRecord, Incident, decode, encode
from streams.settings import Settings, fingerprint
from streams.step.pending import PendingClosings, closing_reason

#: A worker's window may be over by the clock of its log this much before it is by the broker's.
AHEAD_SECONDS: Final = 60
#: No way to fail has a longer name, `stage.failure:status`.
_MECHANISM_LETTERS: Final = 128


class WorldStep:
    """The view over all countries of a backtest."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._world = WorldAssembler(
            settings.incidents, settings.time, DETECTOR_VERSION, fingerprint(settings)
        )
        self._world.by_majority = not settings.trust.everybody

    def step(self, reading: Reading) -> list[Incident]:
        """Weigh one closed window."""
        snapshots = self._world.step(reading.start, reading.health, signs_of(reading))
        return [to_record(snapshot, self._settings.incidents) for snapshot in snapshots]


class _HealthRow(msgspec.Struct, frozen=True, array_like=True):
    """A health record as the redo log keeps it: appended to only, with defaults."""

    start: int
    platform: str
    country: str
    simulated: bool
    n: int
    k: int
    expected: float
    reachability: float
    score: float
    networks_live: int
    networks_bad: int
    controls_good: int
    controls_bad: int
    failures: dict[str, int]
    awaited: float = 0.0
    came: float = 0.0


@dataclass(slots=True)
class Records:
    """One chunk of the health topic, decoded. `refused` are what was no record: how many, and as they are told."""

    rows: list[_HealthRow]
    next_offset: int
    size: int = 0
    refused: int = 0
    notes: Sequence[Annotation] = ()
    # Never in the redo log.
    rejects: Sequence[Message] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing of it is refused."""
        return not self.rejects

    def encode(self) -> bytes:
        """Write for the redo log."""
        return msgspec.msgpack.encode(
            StoredRecords(self.next_offset, self.size, self.refused, self.rows, list(self.notes))
        )


class StoredRecords(msgspec.Struct, array_like=True):
    """A chunk of health records as the redo log has it: appended to only, with defaults."""

    next_offset: int
    size: int
    refused: int
    rows: list[_HealthRow]
    notes: list[Annotation] = []


class WorldwideState(msgspec.Struct):
    """A `WorldMachine` as it is written."""

    version: int
    next_offset: int
    newest: int | None
    weighed: int | None
    windows: list[tuple[int, list[_HealthRow]]]
    late: int
    world: bytes


class WorldMachine:
    """The view over all countries of a running system, read from the health topic.

    A window is weighed once a record of the second window after it has come: workers close the same window
    within seconds of each other.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.next_offset = 0
        self.late = 0
        self._seconds = settings.time.window_seconds
        self._newest: int | None = None
        self._windows: dict[int, dict[tuple[str, str, bool], _HealthRow]] = {}
        self._weighed: int | None = None
        self._asked = PendingClosings()
        self._world = WorldAssembler(
            settings.incidents, settings.time, DETECTOR_VERSION, fingerprint(settings)
        )
        self._world.by_majority = not settings.trust.everybody

    def note(self, note: Note) -> None:
        """Take a note in with the next chunk, so that the redo log has it in its place."""
        if isinstance(note, Annotation):
            self._asked.add(note)

    def read(self, chunk: Pieces) -> Records:
        """Decode a chunk. What is no health record is set aside with its reason."""
        rows: list[_HealthRow] = []
        rejects: list[Message] = []
        following, size = self.next_offset, 0
        for piece in chunk.pieces():
            for place, value in enumerate(piece.values):
                stamp_ms = None if piece.timestamps_ms is None else piece.timestamps_ms[place]
                record = _read(value, stamp_ms, self._seconds)
                if record is None:
                    continue
                if isinstance(record, Malformed):
                    rejects.append(rejection(piece, place, record.reason, record.detail))
                else:
                    rows.append(_row(record))
            following = piece.offsets[-1] + 1
            size += len(piece.values)
        asked = self._asked.take((outage.id for outage in self._world.open), self._newest)
        return Records(rows, following, size, len(rejects), asked, rejects)

    def apply(self, batch: Records) -> Outbox:
        """Take records in; weigh the windows that are complete."""
        outbox = Outbox(rejected=batch.refused)
        for note in batch.notes:
            self._world.close(note.incident, closing_reason(note), int(note.time.timestamp()))
        for row in batch.rows:
            self._take(row, outbox)
        with closing_windows():
            self._close_windows(outbox)
        outbox.before.extend(batch.rejects)
        self.next_offset = batch.next_offset
        self.late += outbox.late
        return outbox

    def _close_windows(self, outbox: Outbox) -> None:
        if self._newest is None:
            return
        for start in sorted(s for s in self._windows if s <= self._newest - 2 * self._seconds):
            rows = self._windows.pop(start)
            self._weighed = start
            ordered = [rows[key] for key in sorted(rows)]
            for snapshot in self._world.step(start, _health(ordered), _signs(ordered)):
                incident = to_record(snapshot, self.settings.incidents)
                outbox.incidents.append(incident)
                outbox.after.append(Message("alerts", incident.id.encode(), encode(incident)))
            outbox.after += _arrivals(start, ordered)

    def _take(self, row: _HealthRow, outbox: Outbox) -> None:
        if self._weighed is not None and row.start <= self._weighed:
            outbox.late += 1
            return
        rows_of_window = self._windows.setdefault(row.start, {})
        key = (row.platform, row.country, row.simulated)
        if rows_of_window.get(key) == row:
            outbox.duplicate += 1
            return
        rows_of_window[key] = row
        outbox.applied += 1
        self._newest = row.start if self._newest is None else max(self._newest, row.start)

    def adopt(self, published: Sequence[Incident]) -> None:
        """Make the incidents in hand agree with what was told: `machine.Adopting`."""
        self._world.adopt([from_record(one) for one in published if one.country is None])

    def expect(self, published: Sequence[Incident], *, whole: bool) -> None:
        """Take what was told, where all that was kept is lost: `machine.Expecting`.

        The health topic is compacted: though it begins at its first record, what led to an outage may be gone.
        """
        self._world.expect([from_record(one) for one in published if one.country is None])

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which everything is decided; None before the first window was weighed."""
        return None if self._weighed is None else (self._weighed + self._seconds) * 1000

    def gauges(self) -> Sequence[SeriesGauge]:
        """None: the series are those of the countries."""
        return ()

    def incidents(self) -> list[Incident]:
        """The worldwide incidents that are open now."""
        return [to_record(snapshot, self.settings.incidents) for snapshot in self._world.open]

    def decode_batch(self, data: bytes) -> Records:
        """Read what `Records.encode` wrote."""
        stored = msgspec.msgpack.decode(data, type=StoredRecords)
        return Records(stored.rows, stored.next_offset, stored.size, stored.refused, stored.notes)

    def snapshot(self) -> bytes:
        """The whole state, versioned."""
        windows = [
            (start, [rows[key] for key in sorted(rows)]) for start, rows in sorted(self._windows.items())
        ]
        stored = WorldwideState(
            VERSIONS["worldwide"],
            self.next_offset,
            self._newest,
            self._weighed,
            windows,
            self.late,
            self._world.snapshot(),
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` of this or an earlier release wrote. Raises ValueError, see `read_stored`."""
        stored = read_stored(data, WorldwideState, "worldwide")
        self.next_offset, self._newest, self._weighed = stored.next_offset, stored.newest, stored.weighed
        self.late = stored.late
        self._windows = {
            start: {(row.platform, row.country, row.simulated): row for row in rows}
            for start, rows in stored.windows
        }
        self._world.restore(stored.world)


def _read(value: bytes | None, stamp_ms: int | None, window_seconds: int) -> HealthRecord | Malformed | None:
    """A health record, or why it is none; None for arrivals, which this machine wrote itself.

    `stamp_ms` is when the broker appended it, where that is known.

    A window is over before anybody can say how it was: one that lies ahead would make all others late.
    """
    if value is not None and len(value) > BYTES_MAX:
        return Malformed(Reason.TOO_LARGE, f"{len(value)} bytes; the most is {BYTES_MAX}")
    try:
        record = decode(value or b"")
        twice = repeated(value or b"")
    except UNREADABLE as error:
        return Malformed(Reason.INVALID, escaped(str(error)[:200])[:200])
    if isinstance(record, Arrivals):
        return None
    if not isinstance(record, HealthRecord):
        return Malformed(Reason.INVALID, "no health record")
    if twice is not None:
        return Malformed(Reason.REPEATED_MEMBER, f"member {twice[:64]!a} stands there twice")
    if record.start.tzinfo is None or not TIME_MIN <= record.start < TIME_MAX:
        return Malformed(Reason.TIME_OUT_OF_RANGE, f"start {record.start} is no time of this century")
    if stamp_ms is not None and record.start.timestamp() + window_seconds > stamp_ms / 1000 + AHEAD_SECONDS:
        return Malformed(Reason.FUTURE, f"the window of {record.start} was not over when this was written")
    if record.country not in COUNTRIES | {CANARY}:
        return Malformed(Reason.UNKNOWN_COUNTRY, f"country {record.country[:64]!a}")
    if not is_platform(record.platform):
        return Malformed(Reason.FORBIDDEN_PLATFORM, f"platform {record.platform[:64]!a}")
    for mechanism in record.failures:
        if len(mechanism) > _MECHANISM_LETTERS or not is_printable(mechanism):
            return Malformed(Reason.FORBIDDEN_NAME, f"failure {mechanism[:64]!a}")
    return record


def _row(record: HealthRecord) -> _HealthRow:
    return _HealthRow(
        int(record.start.timestamp()),
        record.platform,
        record.country,
        record.simulated,
        record.n,
        record.k,
        record.expected,
        record.reachability,
        record.score,
        record.networks_live,
        record.networks_bad,
        record.controls_good,
        record.controls_bad,
        record.failures,
        record.awaited,
        record.came,
    )


def _arrivals(start: int, rows: Sequence[_HealthRow]) -> list[Message]:
    """What is told of a window's arrivals: real and simulated ones apart; nothing where nothing was due."""
    due: dict[bool, dict[str, tuple[float, float]]] = {}
    for row in rows:
        if row.awaited > 0.0:
            # Each platform's record says the same of its country; were they to differ, the order would not matter.
            countries = due.setdefault(row.simulated, {})
            countries[row.country] = max(countries.get(row.country, (0.0, 0.0)), (row.awaited, row.came))
    return [
        Message(
            "health",
            f"arrivals/{'simulated' if simulated else 'real'}".encode(),
            encode(
                Arrivals(
                    start=datetime.fromtimestamp(start, UTC),
                    countries=dict(sorted(countries.items())),
                    simulated=simulated,
                )
            ),
        )
        for simulated, countries in sorted(due.items())
    ]


def _health(rows: Sequence[_HealthRow]) -> Health:
    return Health(
        country=[row.country for row in rows],
        platform=[row.platform for row in rows],
        simulated=[row.simulated for row in rows],
        n=np.array([row.n for row in rows], dtype=np.int64),
        k=np.array([row.k for row in rows], dtype=np.int64),
        expected=np.array([row.expected for row in rows], dtype=np.float64),
        reachability=np.array([row.reachability for row in rows], dtype=np.float64),
        score=np.array([row.score for row in rows], dtype=np.float64),
        networks_live=np.array([row.networks_live for row in rows], dtype=np.int64),
        networks_bad=np.array([row.networks_bad for row in rows], dtype=np.int64),
    )


def _signs(rows: Sequence[_HealthRow]) -> dict[Key, Signs]:
    return {
        (row.platform, row.country, row.simulated): Signs(row.controls_good, row.controls_bad, row.failures)
        for row in rows
        if row.failures or row.controls_good or row.controls_bad
    }
