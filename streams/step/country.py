"""The step: a chunk goes in, the state moves, and what is to be sent comes out.

Pure: the same chunks in the same order give the same state and the same records, however they are cut, wherever
they run. It knows no broker and no clock: time arrives with the log, as ticks or as the broker's own timestamps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns.bank import Bank
from detectors.incidents.assembler import Assembler
from detectors.incidents.case import Case
from detectors.incidents.snapshots import Kind, Snapshot
from detectors.incidents.worldwide import NO_SIGNS, signs_of
from detectors.readings import Arrived, LostParts, MonitorKey, Pulse, Reading, Scheduled, SeriesGauge, Witness
from detectors.single.binomial import DAY
from detectors.single.signals import Key as SignalKey
from detectors.single.signals import SignalBook, SignalSeries
from detectors.state import VERSIONS, read_stored
from producers.countries import CANARY
from producers.partitions import partition_of
from producers.records import Decoded, Malformed, Reason, Tick, VantageStatus
from producers.signals import Signal
from streams.incidents import (
    DETECTOR_VERSION,
    from_record,
    is_of_strangers,
    of_strangers,
    own_id,
    to_record,
)
from streams.machine import (
    Chunk,
    Message,
    Note,
    Outbox,
    PartitionCount,
    Pieces,
    ProbeCount,
    Salt,
    closing_windows,
    rejection,
)
from streams.records import (
    Annotation,
    Arrivals,
    CalendarEvent,
    HealthRecord,
    Incident,
    Vantage,
    VantageState,
    encode,
)
from streams.settings import Settings, fingerprint
from streams.step.admission import Admission
from streams.step.bundles import Opener, has_bundles
from streams.step.elsewhere import Elsewhere
from streams.step.hearing import Heard, Hearing
from streams.step.naming import Naming
from streams.step.pending import PendingClosings, closing_reason
from streams.step.placement import Placement, PlacementState
from streams.step.rows import (
    MECHANISMS,
    OF_RESULTS,
    Block,
    Refusal,
    RowReader,
    Rows,
    StatusRow,
    joined,
    named,
    names_of,
    parted,
    refusal,
    renumbered,
    status_row,
    without_results,
)
from streams.step.speakers import NEVER, Speakers
from streams.step.window_records import window_messages
from streams.step.windows import counts_of, in_order, late_results, words_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY_MS: Final = 86_400_000
#: Why an incident ends whose country has moved to another partition.
MOVED: Final = "its results come by another partition of a widened topic now, where it is judged anew"
#: A stretch without a record is not heard that is longer than so many of the worker's own ticks.
_DEAF_TICKS: Final = 3
#: Why an incident ends that rested on nobody else.
NO_VOTE: Final = "nobody of those who reported it has a vote any more"
#: Why an incident of strangers ends.
ENROLLED: Final = "those who reported it have a vote now, and it is judged anew"
#: Why an incident ends whose country is begun anew.
BEGUN_ANEW: Final = "what was known of its country had become unusable, and is learned anew"
_BEFORE_ALL: Final = 0
#: Vantages speak when they come and go; whoever speaks more often is not heard.
_STATUSES_MAX: Final = 10_000
#: So long the promise of a vantage without results so far is remembered, and of so many at a time.
_PROMISE_SECONDS: Final = DAY
_PROMISES_MAX: Final = 1000
#: So many bytes are written of what is refused of one Kafka record, and so many more for each byte that is refused: a
#: bundle of lines of two bytes would be told at fifty times its size. The rest is counted alone.
_TOLD_OF_A_RECORD: Final = 16_384
_TOLD_OF_A_BYTE: Final = 4
#: Who was seen once or twice is given up after so long, where there is no room for others.
_FAINT_SECONDS: Final = 1800
_NOTHING_DUE: Final = Arrived(0.0, 0.0)
_HOUR_MS: Final = 3_600_000
#: Where results come in less than half of the windows, one in so many is looked at that has none: a silence takes
#: twenty minutes there to say anything. Less often still where nobody is due who is heard every few minutes.
_LOOK_AWAITING: Final = 5
_LOOK_SPARSE: Final = 15


@dataclass(slots=True)
class Totals:
    """What became of every record read, since the beginning of the log."""

    applied: int = 0
    late: int = 0
    duplicate: int = 0
    rejected: int = 0
    ticks: int = 0
    # Of those applied, results that have no vote.
    unregistered: int = 0


#: Country, whether simulated, network, vantage, and the window of results that came too late.
_LateKey = tuple[str, bool, int, str, int]
#: Country, network, vantage and whether simulated.
_Source = tuple[str, int, str, bool]
#: Country, network and vantage of who says something of itself.
_Speaker = tuple[str, int, str]
#: So many of these are told apart in one window: a spool of an hour has sixty of each vantage.
_LATE_MAX: Final = 50_000
#: The vantages of monitors, each with its country.
_VantagesOf = Callable[[NDArray[np.int32]], Sequence[tuple[str, str]]]


class _OpenWindow:
    """The rows of one open window, as they came, and which results were seen in it.

    A result is known by its vantage and its id: producers may count their ids from nought in each vantage. Ids that
    have not been met at all are told apart by themselves, which is what nearly always decides.

    Attributes
    ----------
    ids
        Of its rows, in their order.
    gone
        Ids of rows that were dropped with their country: what comes twice is still counted once.
    """

    __slots__ = ("_met", "_pairs", "gone", "ids", "late", "offered", "parts", "statuses")

    def __init__(self, ids: Sequence[str] = (), gone: Iterable[str] = ()) -> None:
        self.ids = list(ids)
        self.gone = set(gone)
        self.parts: list[tuple[NDArray[np.generic], ...]] = []
        self.statuses: list[StatusRow] = []
        #: Successes and results that came too late while this was the next window to close.
        self.late: dict[_LateKey, tuple[int, int]] = {}
        #: Attempts that each vantage has reported in it, doubles too; only where they are limited.
        self.offered: dict[_Source, int] = {}
        self._met = {*self.ids, *self.gone}
        #: Made when an id is met again: most windows never need it.
        self._pairs: set[tuple[tuple[str, str], str]] | None = None

    def take(self, ids: Sequence[str], monitor: NDArray[np.int32], vantages: _VantagesOf) -> list[int] | None:
        """Note results. Return the places of the new ones, each at its first occurrence, or None if all are new."""
        met = self._met
        if self._pairs is None:
            before = len(met)
            met.update(ids)
            if len(met) == before + len(ids):
                self.ids += ids
                return None
            met = self._met = {*self.ids, *self.gone}
        if self._pairs is None:
            mine = vantages(self.columns()[0].astype(np.int32))
            self._pairs = set(zip(mine, self.ids, strict=True))
        first = []
        for i, pair in enumerate(zip(vantages(monitor), ids, strict=True)):
            if pair not in self._pairs and pair[1] not in self.gone:
                self._pairs.add(pair)
                first.append(i)
        new = [ids[i] for i in first]
        self.ids += new
        met.update(new)
        return first

    def note_late(self, key: _LateKey, good: int, n: int) -> None:
        """Count results that came too late."""
        before = self.late.get(key)
        if before is not None:
            self.late[key] = (before[0] + good, before[1] + n)
        elif len(self.late) < _LATE_MAX:
            self.late[key] = (good, n)

    def drop(self, kept: NDArray[np.bool_]) -> None:
        """Drop rows, and keep their ids in mind."""
        if not kept.all():
            self.gone.update(self.ids[i] for i in np.flatnonzero(~kept).tolist())
            self.ids = [self.ids[i] for i in np.flatnonzero(kept).tolist()]
            self.parts = [tuple(column[kept] for column in self.columns())]
            self._pairs = None

    def columns(self) -> tuple[NDArray[np.generic], ...]:
        """Return its rows as `Counts` has them from `monitor` on: arrays of equal length, empty if it has none."""
        if not self.parts:
            return tuple(np.empty(0, dtype) for dtype in _COUNT_TYPES)
        if len(self.parts) > 1:
            self.parts = [tuple(np.concatenate(column) for column in zip(*self.parts, strict=True))]
        return self.parts[0]


#: What an open window has of each result, as `Counts` has it.
_OF_WINDOW: Final = tuple(name for name in OF_RESULTS if name != "time_ms")
_COUNT_TYPES: Final = tuple(OF_RESULTS[name].dtype for name in _OF_WINDOW)


class StoredWindow(msgspec.Struct):
    """An open window as it is written: columns by name; the ids of its rows, then those of rows that were dropped."""

    index: int
    ids: list[str]
    columns: dict[str, bytes]
    statuses: list[StatusRow] = []
    late: list[tuple[str, bool, int, str, int, int, int]] = []
    offered: list[tuple[str, int, str, bool, int]] = []


class CountryState(msgspec.Struct):
    """A `CountryMachine` as it is written; `mechanisms` are the names of the codes in its windows."""

    version: int
    clock_ms: int | None
    cursor: int | None
    next_offset: int
    totals: Totals
    mechanisms: dict[int, str]
    windows: list[StoredWindow]
    bank: bytes
    assembler: bytes
    in_bank: bytes
    waiting: list[MonitorKey]
    deaf: list[tuple[int, int]] = []
    hold: tuple[int, int] | None = None
    rested: int = 0
    placement: PlacementState = msgspec.field(default_factory=PlacementState)
    arrivals: list[Arrivals] = []
    # Kept under an older name.
    full: list[tuple[str, bool]] = msgspec.field(default_factory=list, name="crowded")
    signals: list[tuple[SignalKey, SignalSeries]] = []
    register: list[Vantage] = []
    sequences: dict[str, int] = {}
    # The machine of those without a vote; empty where everybody has one.
    strangers: bytes = b""
    promises: list[StatusRow] = []
    salt: bytes = b""


class _ChunkReading:
    """A chunk while it is read, block by block: judges its clock readings, and puts the blocks together."""

    def __init__(self, clock_ms: int | None, live: bool) -> None:
        self.size = 0
        self.clock = clock_ms  # after the blocks so far
        self.kept: list[tuple[int, Chunk]] = []
        self._live = live
        self._blocks: list[Block] = []
        self._elsewhere: list[int] = []  # places of what is no result
        self._readings: list[tuple[NDArray[np.int32], Sequence[int]]] = []
        self._signed: list[NDArray[np.bool_]] = []
        self._refusals: list[Refusal] = []
        self._statuses: list[StatusRow] = []
        # Those of the blocks so far.
        self.new_monitors: list[MonitorKey] = []

    def add(
        self, block: Block, stamps: Sequence[int] | None, signed: NDArray[np.bool_] | None = None
    ) -> bool:
        """Take the next block in; `stamps` are the broker's append times, `signed` says which of its records are.

        Says whether any of it is refused.
        """
        results = np.delete(np.arange(block.size), [row for row, _ in block.others])
        self._signed.append(np.zeros(len(block.ids), dtype=np.bool_) if signed is None else signed[results])
        refused = len(self._refusals)
        ticks: list[tuple[int, int]] = []
        for row, record in block.others:
            self._elsewhere.append(self.size + row)
            if isinstance(record, Malformed):
                self._refusals.append(refusal(self.size + row, record))
            elif isinstance(record, VantageStatus):
                spoken = signed is not None and bool(signed[row])
                self._statuses.append(status_row(self.size + row, record, signed=spoken))
            else:
                ticks.append((row, _moment_ms(record)))
        if self._live:
            # Whoever may write could push a tick's own time; nobody can push the broker's.
            readings = list(stamps or ())
            place = np.arange(len(readings), dtype=np.int32)
        else:
            place = np.array([row for row, _ in ticks], dtype=np.int32)
            readings = [read for _, read in ticks]
        if readings:
            newest = max(readings)
            self.clock = newest if self.clock is None else max(self.clock, newest)
        self._readings.append((place + np.int32(self.size), readings))
        self._blocks.append(block)
        self.new_monitors += block.new_monitors
        self.size += block.size
        return len(self._refusals) > refused

    def rows(self, next_offset: int, notes: list[Note], sequences: dict[str, int] | None = None) -> Rows:
        """All of it."""
        blocks = self._blocks
        return Rows(
            size=self.size,
            next_offset=next_offset,
            place=np.delete(np.arange(self.size, dtype=np.int32), self._elsewhere),
            ids=[name for block in blocks for name in block.ids],
            new_monitors=self.new_monitors,
            reading_place=joined([place for place, _ in self._readings], np.int32),
            reading_ms=np.array([read for _, some in self._readings for read in some], dtype=np.int64),
            refusals=self._refusals,
            statuses=self._statuses,
            notes=notes,
            kept=self.kept,
            signed=joined(self._signed, np.bool_),
            sequences=sequences or {},
            **{
                name: joined([getattr(block, name) for block in blocks], column.dtype)
                for name, column in OF_RESULTS.items()
            },
        )


class CountryMachine:
    """Everything decided about the countries of one partition.

    Parameters
    ----------
    settings
        `time`, `detection` and `incidents` decide; `worker.clock` says whether broker timestamps count.
    publish_health
        Whether closed windows become records for the health topic. A backtest reads `closed` instead.
    publish_windows
        Whether they become records for the windows topic; None: as `worker.windows` says.
    strangers
        Whether it judges what those without a vote say: only where not everybody has one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        publish_health: bool = True,
        publish_windows: bool | None = None,
        strangers: bool = False,
    ) -> None:
        self.settings = settings
        self.publish_health = publish_health
        self.publish_windows = settings.worker.windows if publish_windows is None else publish_windows
        self.next_offset = 0
        self.totals = Totals()
        self.closed: list[Reading] = []  # of the last apply
        #: Given each reading as its window closes; then none is held in `closed`. A crowd's reading is a megabyte.
        self.on_closed: Callable[[Reading], None] = self._hold
        self._window_ms = settings.time.window_seconds * 1000
        self._lateness_ms = settings.time.lateness_seconds * 1000
        self._ahead_ms = settings.time.ahead_seconds * 1000
        self._live = settings.worker.clock == "live"
        self._hearing = self._fresh_hearing()
        self._cursor: int | None = None  # index of the next window to close
        self._rested = 0  # windows passed over since the last one that was closed
        self._open: dict[int, _OpenWindow] = {}
        self._columns = RowReader()
        self._admission = Admission(settings.limits)
        self._placement = Placement()
        self._elsewhere = Elsewhere(settings.time.window_seconds)
        self._signals = SignalBook()
        self._in_bank = np.empty(0, dtype=np.int32)  # the bank's number of each monitor that was let in
        self._keys: list[MonitorKey] | None = None  # of each monitor, once they are asked for
        # Countries in which there was no room for a name within the hour.
        self._full: set[tuple[str, bool]] = set()
        self._waiting = 0  # of how many it is -1: no window with results of theirs has closed
        # Rhythms that were promised by vantages without results so far, the oldest first.
        self._promises: dict[_Speaker, StatusRow] = {}
        self._words_ahead = 0  # of the last apply
        self._notes: list[Note] = []
        # What the register has, until it was held against ours.
        self._registered: Collection[str] | None = None
        self._asked = PendingClosings()
        self._limited = not settings.trust.everybody
        self._of_strangers = strangers
        self._speakers = Speakers(settings.trust)
        self._sequences: dict[str, int] = {}
        self._opener = Opener(signed=settings.trust.policy == "signed" and not strangers)
        # From which time on each monitor's results have a vote; None: to be found out.
        self._votes_from: NDArray[np.int64] | None = None
        self._strangers: CountryMachine | None = None
        if self._limited and not strangers:
            self._strangers = self._fresh_strangers()
        self._naming = Naming(settings.trust, lambda: self._speakers, self._all_keys)
        self._bank = self._fresh_bank()
        self._assembler = Assembler(
            settings.incidents, settings.time, DETECTOR_VERSION, fingerprint(settings)
        )
        self._assembler.by_majority = not settings.trust.everybody
        self._assembler.witness = self._witnesses
        self._assembler.told_as = self._told_as

    @property
    def clock_ms(self) -> int | None:
        """The clock's reading in milliseconds since 1970, or None before the first one."""
        return self._hearing.clock_ms

    def _fresh_strangers(self) -> CountryMachine:
        return CountryMachine(self.settings, publish_health=False, publish_windows=False, strangers=True)

    def _fresh_bank(self) -> Bank:
        bank = Bank(self.settings.detection, self.settings.time, MECHANISMS)
        bank.some_lie = self._limited
        return bank

    def _fresh_hearing(self) -> Hearing:
        seconds = max(_DEAF_TICKS * self.settings.worker.tick_seconds, self._window_ms / 1000 / 4)
        return Hearing(
            lateness_ms=self._lateness_ms,
            deaf_ms=int(seconds * 1000) if self._live else None,
            spool_ms=self.settings.time.spool_seconds * 1000,
        )

    # reading

    def note(self, note: Note) -> None:
        """Take a note in with the next chunk, so that the redo log has it in its place."""
        if isinstance(note, Arrivals | Signal) and not self._live:
            # When it comes depends on how fast the others replay: the same log would not give the same incidents.
            return
        if isinstance(note, Vantage):
            if self._strangers is not None:
                self._notes.append(note)
        elif isinstance(note, Salt):
            if self._naming.wants_salt:
                self._notes.append(note)
        elif isinstance(note, CalendarEvent | PartitionCount | Arrivals):
            self._notes.append(note)
        elif isinstance(note, Signal):
            if self._is_ours(note.country) and not self._signals.knows(
                _key(note), _seconds(note), note.value
            ):
                self._notes.append(note)
        elif isinstance(note, Annotation):
            self._asked.add(note)

    def registered(self, names: Collection[str]) -> None:
        """Take these for all that the register has: who was removed while nobody looked has no vote any more."""
        self._registered = names

    def _note_removed(self) -> None:
        names, self._registered = self._registered, None
        if names is not None:
            new = {note.vantage for note in self._notes if isinstance(note, Vantage)}
            self._notes += self._speakers.removed(new.union(names))

    @property
    def width(self) -> PartitionCount | None:
        """The number of partitions by which records are judged; None while it is not known."""
        kept = self._placement.kept
        return PartitionCount(kept.partitions, kept.from_offset, kept.partition) if kept.partitions else None

    def read(self, chunk: Pieces) -> Rows:
        """Decode a chunk into columns. Refuses what is no record, raises on nothing."""
        reading = _ChunkReading(self.clock_ms, self._live)
        following = self.next_offset
        self._note_removed()
        self._columns.begin()
        for note in self._notes:
            if isinstance(note, PartitionCount):
                self._placement.heed(note, self.clock_ms)
        sequences: dict[str, int] = {}
        for piece in chunk.pieces():
            following = piece.offsets[-1] + 1
            for part, block, signed in self._parts(piece, reading, sequences):
                place, behind = reading.size, reading.clock
                if misplaced := self._placement.misplaced(part):
                    why = [self._placement.detail(part.keys[place] or b"") for place in misplaced]  # type: ignore[index]  # it has keys
                    block = block.refusing(misplaced, Reason.WRONG_PARTITION, why)
                refused = reading.add(block, part.timestamps_ms, signed)
                if refused or not (_all_known(block) and self._timely(block, behind, reading.clock)):
                    reading.kept.append((place, part))
                del part, block
            del piece  # before the next one is made
        return reading.rows(following, self._taken_notes(), sequences)

    def read_decoded(self, decoded: Sequence[Decoded], *, timestamps_ms: Sequence[int] | None = None) -> Rows:
        """Put decoded records into columns; `timestamps_ms` are the broker's own append times."""
        reading = _ChunkReading(self.clock_ms, self._live)
        self._note_removed()
        self._columns.begin()
        reading.add(self._columns.block(decoded), timestamps_ms)
        return reading.rows(self.next_offset + len(decoded), self._taken_notes())

    def _parts(
        self, piece: Chunk, reading: _ChunkReading, sequences: dict[str, int]
    ) -> Iterator[tuple[Chunk, Block, NDArray[np.bool_] | None]]:
        """A piece and its records by columns; where it has bundles or signatures, as many pieces as it takes.

        The third is which of the records are signed; None: none is. `sequences` gets what is seen of them.
        """
        block = self._columns.read(piece.values, piece.keys)
        if piece.headers is None and not has_bundles(block):
            yield piece, block, None
            return
        new = [note for note in self._notes if isinstance(note, Vantage)]
        speakers = self._speakers.with_also(new) if new else self._speakers
        spoken = self._opener.open(piece, speakers, self._sequences, sequences)
        # They have their numbers by now.
        met = block.new_monitors
        for first, part in spoken.parts():
            block = self._columns.read(part.values, part.keys)
            block.new_monitors = [*met, *block.new_monitors]
            met = []
            known, fresh = self._all_keys(), [*reading.new_monitors, *block.new_monitors]
            block = spoken.refusing(block, first, partial(named, known=known, new=fresh))
            yield part, block, spoken.signed(first, block.size)

    def _taken_notes(self) -> list[Note]:
        notes, self._notes = self._notes, []
        clock_seconds = None if self.clock_ms is None else self.clock_ms / 1000
        going = [incident.id for incident in self._assembler.open]
        if self._strangers is not None:
            going += [incident.id for incident in self._strangers.incidents()]
        notes += self._asked.take(going, clock_seconds)
        return notes

    def _timely(self, block: Block, before: int | None, after: int | None) -> bool:
        """Whether no row of a block can be late or from the future, nor a word, wherever in it the clock moved."""
        words = [_moment_ms(one) for _, one in block.others if isinstance(one, VantageStatus)]
        if not len(block.time_ms) and not words:
            return True
        if before is None or after is None or max(words, default=0) > before + self._ahead_ms:
            return False
        if not len(block.time_ms):
            return True
        first, last = int(block.time_ms.min()), int(block.time_ms.max())
        return first >= after - self._lateness_ms and last <= before + self._ahead_ms

    # deciding

    def apply(self, batch: Rows) -> Outbox:
        """Take a batch in: judge times, drop duplicates, fill windows, close those that are over, decide."""
        outbox = Outbox(rejected=len(batch.refusals))
        for note in batch.notes:
            self._heed(note)
        if any(isinstance(note, Vantage) for note in batch.notes):
            batch = self._heed_votes(batch, outbox)
        self._sequences |= batch.sequences
        rows, theirs = self._apart(batch)
        clock, watermark = self._advance_clock(rows)
        self.closed = []
        refused = list(rows.refusals)
        taken = heard = self._words_ahead = 0
        day, hour = watermark[0] // _DAY_MS, watermark[0] // _HOUR_MS
        for first_place, decided_ms in self._closings(rows, watermark):
            until = int(np.searchsorted(rows.place, first_place))
            refused += self._take_rows(rows, clock, watermark, slice(taken, until), outbox)
            taken = until
            heard, ahead = self._take_statuses(rows.statuses, heard, first_place, clock, watermark)
            refused += ahead
            outbox.rejected += len(ahead)
            self._words_ahead += len(ahead)
            with closing_windows():
                self._close_windows(decided_ms, outbox)
            if decided_ms // _DAY_MS > day or (self._full and decided_ms // _HOUR_MS > hour):
                rows = self._forget_silent(rows, decided_ms // 1000)
            day, hour = decided_ms // _DAY_MS, decided_ms // _HOUR_MS
        self._keep(rows, sorted(refused, key=lambda refusal: refusal.place), outbox)
        self.next_offset = rows.next_offset
        totals = self.totals
        totals.applied += outbox.applied
        totals.late += outbox.late
        totals.duplicate += outbox.duplicate
        totals.rejected += outbox.rejected
        # What is ahead of time is counted as refused, whether a result or a vantage's word.
        totals.ticks += batch.size - len(batch.place) - len(batch.refusals) - self._words_ahead
        if self._strangers is not None and theirs is not None:
            self._add_strangers(self._strangers.apply(theirs), outbox)
            totals.ticks -= self._strangers._words_ahead
        return outbox

    def _apart(self, rows: Rows) -> tuple[Rows, Rows | None]:
        """Part a chunk into what has a vote and what has none; without a second part where everybody has one."""
        if self._strangers is None:
            return rows, None
        new = np.array([self._speakers.votes_from_ms(one) for one in rows.new_monitors], dtype=np.int64)
        since = np.concatenate((self._known_votes(), new[::-1]))[rows.monitor]
        mine = rows.time_ms >= since
        signed = self.settings.trust.policy == "signed"
        if signed:
            spoken = rows.signed if len(rows.signed) else np.zeros(len(mine), dtype=np.bool_)
            if not spoken.all():
                keys = self._all_keys()
                unsigned = np.unique(rows.monitor[~spoken])
                names = [named(number, keys, rows.new_monitors) for number in unsigned.tolist()]
                exempt = unsigned[[name.country == CANARY for name in names]]
                mine &= spoken | np.isin(rows.monitor, exempt)
        statuses = [
            one.time_ms >= self._speakers.votes_from_ms(_speaker_of(one))
            and (not signed or one.signed or one.country == CANARY)
            for one in rows.statuses
        ]
        if mine.all() and all(statuses):
            # The others take the time of it.
            return rows, without_results(rows)
        return parted(rows, mine, statuses, self._all_keys())

    def _heed_votes(self, batch: Rows, outbox: Outbox) -> Rows:
        """Let go of who has no vote any more, as if they had never been heard; and of strangers who have one now.

        Under another policy than before that may be many. Returns the rows with the new numbers of their monitors.
        """
        if self._strangers is None:
            return batch
        now = self._hearing.watermark_ms or 0
        strangers = self._strangers
        theirs = np.array(
            [self._speakers.votes_from_ms(key) <= now for key in strangers._all_keys()], dtype=np.bool_
        )
        strangers._let_go(theirs, ENROLLED, outbox)
        known = self._monitors()
        number = self._let_go(self._known_votes() > now, NO_VOTE, outbox)
        return batch if number is None else _renumbered_rows(batch, number, known)

    def _let_go(self, gone: NDArray[np.bool_], reason: str, outbox: Outbox) -> NDArray[np.int32] | None:
        """Forget monitors, and what incidents have of them alone; returns the new number of each, None if none goes."""
        if not gone.any():
            return None
        known, in_bank = self._monitors(), self._in_bank
        heard = gone & (in_bank >= 0)
        if heard.any():
            of_bank = np.zeros(len(self._bank.monitors), dtype=np.bool_)
            of_bank[in_bank[heard]] = True
            moved = self._bank.let_go(of_bank)
            if moved is None:
                return None
            self._in_bank = _moved(in_bank, moved)
        left: dict[tuple[str, bool], set[tuple[str, int, str]]] = {
            (known[i].country, known[i].simulated): set() for i in np.flatnonzero(gone).tolist()
        }
        for i in np.flatnonzero(~gone).tolist():
            key = known[i]
            if (parts := left.get((key.country, key.simulated))) is not None:
                for platform in ("", key.platform):
                    parts |= {(platform, key.asn, ""), (platform, 0, key.region)}
        self._tell(
            self._assembler.let_go({place: parts.__contains__ for place, parts in left.items()}, reason),
            outbox,
        )
        return self._keep_monitors(~gone, known)

    def _known_votes(self) -> NDArray[np.int64]:
        """From which time on the results of each monitor that was let in have a vote."""
        keys = self._all_keys()
        known = 0 if self._votes_from is None else len(self._votes_from)
        if self._votes_from is None or known != len(keys):
            new = np.array([self._speakers.votes_from_ms(key) for key in keys[known:]], dtype=np.int64)
            self._votes_from = new if self._votes_from is None else np.concatenate((self._votes_from, new))
        return self._votes_from

    def _add_strangers(self, theirs: Outbox, outbox: Outbox) -> None:
        """Take into the outbox what came of those without a vote: they are told, and nothing more."""
        outbox.before += theirs.before
        outbox.after += theirs.after
        outbox.incidents += theirs.incidents
        totals = self.totals
        for name in ("applied", "late", "duplicate", "rejected"):
            setattr(outbox, name, getattr(outbox, name) + getattr(theirs, name))
            setattr(totals, name, getattr(totals, name) + getattr(theirs, name))
        totals.unregistered += theirs.applied

    def _silenced(self, source: Vantage | MonitorKey) -> None:
        """A vantage has no vote any more, or speaks for another network: that it is not heard there is no silence."""
        watermark = self._hearing.watermark_ms
        if watermark is None or self._strangers is None:
            return
        index = max(self._cursor or 0, watermark // self._window_ms)
        gone = StatusRow(
            place=0,
            time_ms=watermark,
            vantage=source.vantage,
            country=source.country,
            region=source.region or "",
            asn=source.asn,
            up=False,
            every_seconds=0.0,
            targets=0,
            version="",
            signed=True,
        )
        self._open.setdefault(index, _OpenWindow()).statuses.append(gone)

    def _closings(self, rows: Rows, watermark: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Up to which place rows are taken before windows are closed, and the watermark that closes them.

        `watermark` is that before the first record, then after each. All rows can be taken first, but for those
        after the turn of an hour: then monitors may be forgotten, and which ones must not depend on where the chunk was
        cut.
        """
        hour = watermark // _HOUR_MS
        if hour[-1] > hour[0]:
            for place in np.flatnonzero(hour[1:] > hour[:-1]).tolist():
                yield place, int(watermark[place + 1])
        yield rows.size, int(watermark[-1])

    def _forget_silent(self, rows: Rows, now: int) -> Rows:
        """Let go of the monitors that have been silent for long, but where an incident is open.

        Where names had to be turned away within the last hour, those are given up first that were seen once or twice.

        Returns the rows with the new numbers of their monitors; one that is gone and comes back is a new one.
        """
        known, in_bank = self._monitors(), self._in_bank
        full, self._full = self._full, set()
        if full and self._admission.full:  # somebody else's names may be those that take the room
            full = self._admission.countries
        moved = self._bank.forget(
            now - self.settings.limits.forget_days * DAY,
            set(self._assembler.watch),
            full,
            now - _FAINT_SECONDS,
        )
        if moved is None:
            return rows
        self._in_bank = _moved(in_bank, moved)
        stays = (self._in_bank >= 0) | (in_bank < 0)
        for window in self._open.values():
            stays[window.columns()[0]] = True
        return _renumbered_rows(rows, self._keep_monitors(stays, known), known)

    def _keep_monitors(self, stays: NDArray[np.bool_], known: Sequence[MonitorKey]) -> NDArray[np.int32]:
        """Go on with these monitors alone, and their rows; returns the new number of each, -1 for one that is gone."""
        number = np.where(stays, np.cumsum(stays) - 1, -1).astype(np.int32)
        for window in self._open.values():
            window.drop(stays[window.columns()[0]])
            monitor, *others = window.columns()
            window.parts = [(number[monitor], *others)]
        self._in_bank = self._in_bank[stays]
        self._keys = self._votes_from = None
        self._naming.forget_heard()
        left = [known[old] for old in np.flatnonzero(stays).tolist()]
        self._waiting = int(np.count_nonzero(self._in_bank < 0))
        self._columns = self._columns.fresh()
        self._columns.learn(left)
        self._admission = Admission(self.settings.limits, left)
        return number

    def _heed(self, note: Note) -> None:
        if isinstance(note, CalendarEvent):
            self._assembler.schedule(_scheduled(note))
        elif isinstance(note, Salt):
            self._naming.sow(note.value)
        elif isinstance(note, PartitionCount):
            self._placement.heed(note, self.clock_ms)
            self._close_elsewhere()
        elif isinstance(note, Arrivals):
            self._elsewhere.heed(note)
        elif isinstance(note, Signal):
            self._signals.learn(_key(note), _seconds(note), note.value, note.usual, note.url, note.vantages)
        elif isinstance(note, Vantage):
            before = self._speakers.heed(note)
            self._votes_from = None
            self._naming.forget_heard()
            if before is not None and (
                note.state is VantageState.REVOKED
                or (before.country, before.asn, before.region) != (note.country, note.asn, note.region)
            ):
                self._silenced(before)
        elif isinstance(note, Annotation):
            name = own_id(note.incident) if self._of_strangers else note.incident
            self._assembler.close(name, closing_reason(note), int(note.time.timestamp()))

    def _is_ours(self, country: str) -> bool:
        """Whether a country's records stand in this partition, as far as that is known."""
        kept = self._placement.kept
        return not kept.partitions or partition_of(country.encode(), kept.partitions) == kept.partition

    def _close_elsewhere(self) -> None:
        """End the incidents of countries that are judged in another partition from now on."""
        for incident in self._assembler.open:
            if incident.country is not None and self._placement.elsewhere(incident.country):
                self._assembler.close(incident.id, MOVED, (self.clock_ms or 0) // 1000)

    def _ours(self, reading: Reading) -> Reading:
        """A reading without the countries that are judged in another partition."""
        countries = [one for one in reading.countries if not self._placement.elsewhere(one.country)]
        return reading if len(countries) == len(reading.countries) else replace(reading, countries=countries)

    def _take_rows(
        self,
        rows: Rows,
        clock: NDArray[np.int64],
        watermark: NDArray[np.int64],
        part: slice,
        outbox: Outbox,
    ) -> list[Refusal]:
        """Put the timely rows of a part that were not seen before into their windows; returns the refused ones."""
        refused: list[Refusal] = []
        time_ms, place, monitor = rows.time_ms[part], rows.place[part], rows.monitor[part]
        clock, watermark = clock[place + 1], watermark[place + 1]
        late = time_ms < watermark
        future = ~late & (time_ms > clock + self._ahead_ms)
        good = ~(late | future)
        if not good.all():
            for i in np.flatnonzero(late).tolist():
                detail = _gap("behind", int(clock[i] - time_ms[i]))
                refused.append(Refusal(int(place[i]), Reason.LATE, detail))
            for i in np.flatnonzero(future).tolist():
                detail = _gap("ahead of", int(time_ms[i] - clock[i]))
                refused.append(Refusal(int(place[i]), Reason.FUTURE, detail))
            outbox.late += int(late.sum())
            outbox.rejected += int(future.sum())
            self._note_late(rows, part, np.flatnonzero(late), watermark)
        if rows.new_monitors:
            monitor, strangers = self._admit(rows.new_monitors, monitor, good)
            refused += [Refusal(int(place[i]), Reason.TOO_MANY_NAMES, why) for i, why in strangers]
            outbox.rejected += len(strangers)
            good &= monitor >= 0
        window = time_ms // self._window_ms
        if self._limited:
            over = self._over_limit(monitor, rows.count[part], window, good)
            refused += [Refusal(int(place[i]), Reason.TOO_MANY_RESULTS, why) for i, why in over]
            outbox.rejected += len(over)
            good[[i for i, _ in over]] = False
        columns = (monitor, *(getattr(rows, name)[part] for name in _OF_WINDOW if name != "monitor"))
        ids = rows.ids[part]
        for index in _different(window[good]):
            chosen = np.flatnonzero(good & (window == index))
            begin, end = int(chosen[0]), int(chosen[-1]) + 1
            # The rows of a window mostly stand together: then nothing is copied.
            together = end - begin == len(chosen)
            names = ids[begin:end] if together else list(itemgetter(*chosen.tolist())(ids))
            opened = self._open.setdefault(index, _OpenWindow())
            first = opened.take(names, monitor[chosen], self._vantages_of)
            if first is not None:
                outbox.duplicate += len(chosen) - len(first)
                chosen, together = chosen[first], False
            rows_of = slice(begin, end) if together else chosen
            opened.parts.append(tuple(column[rows_of] for column in columns))
            outbox.applied += len(chosen)
        return refused

    def _over_limit(
        self,
        monitor: NDArray[np.int32],
        count: NDArray[np.int32],
        window: NDArray[np.int64],
        good: NDArray[np.bool_],
    ) -> list[tuple[int, str]]:
        """The rows that are one too many of their vantage in their window, with the reason. Notes all of them.

        Which ones, the order of the log says: those that came first are taken.
        """
        most = self.settings.trust.results_max
        over: list[tuple[int, str]] = []
        rows = np.flatnonzero(good)
        if not len(rows):
            return over
        keys = self._all_keys()
        numbers, which = np.unique(monitor[rows], return_inverse=True)
        sources: dict[_Source, int] = {}
        of_monitor = np.array(
            [sources.setdefault(_source_of(keys[number]), len(sources)) for number in numbers.tolist()],
            dtype=np.int64,
        )
        first = int(window[rows].min())
        pairs = (window[rows] - first) * len(sources) + of_monitor[which.ravel()]
        named = list(sources)
        present, which = np.unique(pairs, return_inverse=True)
        sums = np.bincount(which.ravel(), weights=count[rows])
        for j, (pair, more) in enumerate(zip(present.tolist(), sums.tolist(), strict=True)):
            index, number = divmod(pair, len(sources))
            offered = self._open.setdefault(first + index, _OpenWindow()).offered
            before = offered.get(named[number], 0)
            offered[named[number]] = before + int(more)
            if before + more > most:
                mine = rows[which.ravel() == j]
                late = np.flatnonzero(before + np.cumsum(count[mine]) > most)
                why = f"{named[number][2][:64]!a} has reported {most} attempts in this window: see trust.results_max"
                over += [(int(mine[i]), why) for i in late.tolist()]
        return sorted(over)

    def _note_late(
        self, rows: Rows, part: slice, late: NDArray[np.int64], watermark: NDArray[np.int64]
    ) -> None:
        """Remember what came too late until the next window closes: it may show that a silence was none."""
        if not len(late):
            return
        window_ms = self._window_ms
        monitor, of_window, next_window = (
            rows.monitor[part][late].astype(np.int64),
            rows.time_ms[part][late] // window_ms,
            watermark[late] // window_ms,
        )
        count, good = rows.count[part][late].astype(np.int64), rows.good[part][late].astype(np.int64)
        keys, first, which = np.unique(
            np.stack((next_window, of_window, monitor)), axis=1, return_index=True, return_inverse=True
        )
        n, k = (np.bincount(which.ravel(), weights=column).astype(np.int64) for column in (count, good))
        for i in np.argsort(first).tolist():  # in the order of the log, wherever it was cut
            closing, index, number = (int(one) for one in keys[:, i])
            key = self._all_keys()[number] if number >= 0 else rows.new_monitors[-1 - number]
            opened = self._open.setdefault(closing, _OpenWindow())
            late_key = (key.country, key.simulated, key.asn, key.vantage, index)
            opened.note_late(late_key, int(k[i]), int(n[i]))

    def _take_statuses(
        self,
        statuses: Sequence[StatusRow],
        begin: int,
        until_place: int,
        clock: NDArray[np.int64],
        watermark: NDArray[np.int64],
    ) -> tuple[int, list[Refusal]]:
        """Put what vantages say of themselves, from the one at `begin` on, into the windows.

        A late word counts from the next window on that is still open. One from the future is refused, and any is before
        the clock has been read, as of results. Returns where it ended, and what is refused.
        """
        refused: list[Refusal] = []
        while begin < len(statuses) and statuses[begin].place < until_place:
            status = statuses[begin]
            begin += 1
            now, decided = int(clock[status.place + 1]), int(watermark[status.place + 1])
            if status.time_ms > now + self._ahead_ms:
                refused.append(Refusal(status.place, Reason.FUTURE, _gap("ahead of", status.time_ms - now)))
                continue
            index = max(status.time_ms, decided) // self._window_ms
            window = self._open.setdefault(index, _OpenWindow())
            if len(window.statuses) < _STATUSES_MAX:
                window.statuses.append(status)
        return begin, refused

    def _admit(
        self, new: Sequence[MonitorKey], monitor: NDArray[np.int32], good: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], list[tuple[int, str]]]:
        """Let new monitors in, in the order of their first timely rows.

        Returns each row's monitor, and the rows of those for whom there is no room, with the reason.
        """
        rows = np.flatnonzero(good & (monitor < 0))
        if not len(rows):
            return monitor, []
        fresh, first = np.unique(monitor[rows], return_index=True)
        order = (-1 - fresh[np.argsort(first)]).tolist()
        number = np.full(len(new), -1, dtype=np.int32)
        number[order] = self._columns.numbers_of([new[j] for j in order])
        let_in: dict[MonitorKey, list[int]] = {}
        obstacles: dict[int, str] = {}
        for j in order:
            if number[j] >= 0:  # it was let in before the turn of the day
                continue
            key = self._admission.fitted(new[j])
            if key._replace(target="") != new[j]._replace(target=""):
                self._full.add((key.country, key.simulated))
            if key in let_in:
                let_in[key].append(j)
            elif key != new[j] and (known := int(self._columns.numbers_of([key])[0])) >= 0:
                number[j] = known
            elif obstacle := self._admission.let_in(key):
                obstacles[j] = obstacle
                self._full.add((key.country, key.simulated))
            else:
                let_in[key] = [j]
        for places, given in zip(let_in.values(), self._columns.learn(list(let_in)).tolist(), strict=True):
            number[places] = given
        self._waiting += len(let_in)
        if self._keys is not None:
            self._keys += let_in
        self._in_bank = np.concatenate((self._in_bank, np.full(len(let_in), -1, dtype=np.int32)))
        monitor = monitor.copy()
        unknown = -1 - monitor[rows]
        monitor[rows] = number[unknown]
        return monitor, [
            (row, obstacles[j])
            for row, j in zip(rows.tolist(), unknown.tolist(), strict=True)
            if j in obstacles
        ]

    def _advance_clock(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Move the clock over the chunk's readings; returns `Hearing.advance`."""
        clock, watermark = self._hearing.advance(rows.size, rows.reading_place, rows.reading_ms)
        if self._cursor is None and self.clock_ms is not None:
            first = int(watermark[np.argmax(clock > _BEFORE_ALL)])
            self._cursor = first // self._window_ms
        return clock, watermark

    def _hold(self, reading: Reading) -> None:
        self.closed.append(reading)

    def _close_windows(self, decided_ms: int, outbox: Outbox) -> None:
        """Close the windows that are over once everything up to this moment (milliseconds since 1970) is decided."""
        if self._cursor is None:
            return
        end = decided_ms // self._window_ms
        seconds = self.settings.time.window_seconds
        while (window := self._next_window(end)) is not None:
            self._cursor = window
            opened = self._open.pop(self._cursor, None) or _OpenWindow()
            columns: dict[str, Any] = dict(zip(_OF_WINDOW, opened.columns(), strict=True))
            columns["monitor"] = self._to_bank(columns["monitor"])
            start = self._cursor * seconds
            counts = counts_of(start, start + seconds, columns)
            counts.elsewhere = self._elsewhere.about(start)
            counts.elsewhere_ago = self._elsewhere.ago(start)
            counts.words = words_of(self._with_promises(opened.statuses, start))
            counts.late = late_results(opened.late, seconds)
            counts.deaf = self._hearing.was_deaf(start * 1000, (start + seconds) * 1000)
            deciding = self._assembler
            reading = self._bank.close(
                counts, deciding.watch, deciding.holding, deciding.settling, deciding.passing
            )
            reading = self._ours(reading)
            # Before it is known which countries are judged here, nobody else's incidents may be taken for ours.
            if deciding.awaits and self._placement.kept.partition >= 0:
                deciding.take_up(start + seconds, self._placement.elsewhere, self._recalled)
            self._tell(self._assembler.step(reading), outbox)
            if self.publish_health:
                outbox.after.extend(_health_messages(reading, self._placement.elsewhere))
            if self.publish_windows:
                tallies = self._bank.tallies(counts, reading.arrivals)
                outbox.after.extend(
                    window_messages(tallies, start, start + seconds, self._placement.elsewhere, self._naming)
                )
            self.on_closed(reading)
            self._cursor += 1

    def _with_promises(self, statuses: list[StatusRow], start: int) -> list[StatusRow]:
        """What vantages say in a window, and what those promised before whose first results have come by now.

        A vantage that says that it is up, before it has results, is not known to the bank: its promise waits for these.
        """
        promises = self._promises
        if not promises and not statuses:
            return statuses
        kept = [promises.pop(speaker) for speaker in list(promises) if self._bank.knows_vantage(*speaker)]
        for status in in_order(statuses):
            speaker = _speaking(status)
            promises.pop(speaker, None)
            if status.up and status.every_seconds > 0 and not self._bank.knows_vantage(*speaker):
                promises[speaker] = status
        oldest = (start - _PROMISE_SECONDS) * 1000
        for speaker in [speaker for speaker, status in promises.items() if status.time_ms < oldest]:
            del promises[speaker]
        for speaker in list(promises)[: max(0, len(promises) - _PROMISES_MAX)]:
            del promises[speaker]
        return [*kept, *statuses]

    def _tell(self, snapshots: Iterable[Snapshot], outbox: Outbox) -> None:
        for snapshot in snapshots:
            incident = self._record(snapshot)
            if self._of_strangers and incident.kind is Kind.CONNECTIVITY:
                # Nobody promised that they would report: their silence is none.
                continue
            outbox.incidents.append(incident)
            outbox.after.append(Message("alerts", incident.id.encode(), encode(incident)))

    def _record(self, snapshot: Snapshot) -> Incident:
        """A snapshot as the topic has it."""
        if self._of_strangers:
            snapshot = of_strangers(snapshot)
        elif self.settings.trust.policy == "open":
            snapshot = replace(snapshot, unregistered=True)
        return to_record(self._naming.snapshot(snapshot), self.settings.incidents)

    def _told_as(self, case: Case, asn: int) -> int:
        return self._naming.told_as(case.country, asn, case.onset, simulated=case.simulated)

    def _recalled(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot of an incident with the numbers that its networks have here."""
        return from_record(self.recalled(to_record(snapshot, self.settings.incidents)))

    def recalled(self, incident: Incident) -> Incident:
        """An incident that was told, with its networks' own numbers, as far as these are known."""
        networks = {pair[1] for pair in self._networks() if pair[0] == incident.country}
        return self._naming.recalled(incident, networks | self._speakers.networks_of(incident.country or ""))

    def _networks(self) -> set[tuple[str, int]]:
        return {(key.country, key.asn) for key in self._all_keys()}

    def _next_window(self, end: int) -> int | None:
        """Return the next window to close before window `end`, or None. What is not worth a look is passed over.

        That are windows without results in which the partition was deaf, and those of which nothing can come: no
        silence in them would say anything, and no incident is in hand. Where nothing at all has come for a day, one
        window an hour is looked at; where results are few and no incident counts windows, one in five or fifteen.
        Whether a window is passed over depends on what was before it alone.
        """
        assert self._cursor is not None
        window_ms, cursor = self._window_ms, self._cursor
        while cursor < end and cursor not in self._open:
            start = cursor * window_ms
            deaf = self._hearing.was_deaf(start, start + window_ms)
            if deaf:
                following = max(cursor + 1, self._hearing.deaf_until(start) // window_ms)
            elif (rest := self._rest_of(start)) > start:
                following = self._hearing.next_deaf(start, rest) // window_ms
            else:
                break
            following = min((end, max(cursor + 1, following), *(i for i in self._open if i > cursor)))
            if not deaf:
                self._rested += following - cursor
            cursor = following
        self._cursor = cursor
        if cursor >= end:
            return None
        self._hearing.forget(cursor * window_ms)
        if self._rested:
            seconds = self.settings.time.window_seconds
            self._bank.rest((cursor - self._rested) * seconds, self._rested, self._assembler.holding)
            self._rested = 0
        return cursor

    def _rest_of(self, start_ms: int) -> int:
        """Return from when on there is something to look at if no results come, or `start_ms` if there is now."""
        start = start_ms // 1000
        awaits = self._bank.awaits(start) or self._assembler.awaits
        if not self._assembler.watch and not awaits:
            # Those passed over since the last one that was closed count too: the bank does not know of them yet.
            quiet = self._bank.quiet_windows(start) - self._rested
            if quiet > 0:
                return start_ms + quiet * self._window_ms
        if start - self._bank.last_heard >= _DAY_MS // 1000:
            return -(-start_ms // _HOUR_MS) * _HOUR_MS
        if self._assembler.calm and self._bank.sparse(start):
            look = (_LOOK_AWAITING if awaits else _LOOK_SPARSE) * self._window_ms
            return -(-start_ms // look) * look
        return start_ms

    def _to_bank(self, monitor: NDArray[np.int32]) -> NDArray[np.int32]:
        """The bank's numbers of the monitors of a window's rows. It meets those that are new to it here.

        So a bank knows a monitor from the first window on in which it has results, and in an order that depends on
        neither the order of the rows nor where chunks were cut.
        """
        if self._waiting:
            new = np.unique(monitor[self._in_bank[monitor] < 0])
            if len(new):
                known = len(self._in_bank) - self._waiting
                order = self._columns.ordered(new.astype(np.int64))
                self._bank.add_monitors(self._columns.named(order))
                self._in_bank[order] = np.arange(known, known + len(order), dtype=np.int32)
                self._waiting -= len(order)
        return self._in_bank[monitor]

    @staticmethod
    def _keep(rows: Rows, refusals: Sequence[Refusal], outbox: Outbox) -> None:
        """Write down what was refused. A batch from the redo log has no bytes: it was written then."""
        if not rows.kept:
            return
        begins = [place for place, _ in rows.kept]
        offset, left = -1, 0
        for refused in refusals:
            begin, piece = rows.kept[max(0, bisect_right(begins, refused.place) - 1)]
            if not begin <= refused.place < begin + len(piece.values):
                continue  # of one that came back after it was forgotten: nobody could foresee that it is refused
            line = refused.place - begin
            if piece.offsets[line] != offset:
                offset, left = piece.offsets[line], _TOLD_OF_A_RECORD
            message = rejection(piece, line, refused.reason, refused.detail)
            left += _TOLD_OF_A_BYTE * len(piece.values[line] or b"")
            if len(message.value) <= left:
                left -= len(message.value)
                outbox.before.append(message)

    def adopt(self, published: Sequence[Incident]) -> None:
        """Make the incidents in hand agree with what was told: `machine.Adopting`."""
        countries = {pulse.country for pulse in self._bank.pulses()}
        ours = [self.recalled(one) for one in published if one.country in countries]
        self._assembler.adopt([from_record(one) for one in ours if not is_of_strangers(one.id)])
        if self._strangers is not None:
            self._strangers.adopt_strangers(published)
            for key in {_source_of(one): one for one in self._monitors()}.values():
                if self._speakers.votes_from_ms(key) == NEVER:
                    self._silenced(key)

    def expect(self, published: Sequence[Incident], *, whole: bool) -> None:
        """Take what was told, where all that was kept is lost: `machine.Expecting`.

        From a whole log the same incidents come again, with the same ids. And a partition that a topic has just gained
        is whole: what is open of its countries is closed by the one that had them.
        """
        if whole:
            return
        if self._strangers is not None:
            self._strangers.expect(published, whole=whole)
        mine = [one for one in published if is_of_strangers(one.id) == self._of_strangers]
        snapshots = [from_record(one) for one in mine if one.country is not None]
        self._assembler.expect(
            replace(one, id=own_id(one.id)) if self._of_strangers else one for one in snapshots
        )

    def adopt_strangers(self, published: Sequence[Incident]) -> None:
        """`adopt`, in a machine of those without a vote."""
        countries = {pulse.country for pulse in self._bank.pulses()}
        self._assembler.adopt(
            [
                replace(from_record(self.recalled(one)), id=own_id(one.id))
                for one in published
                if one.country in countries and is_of_strangers(one.id)
            ]
        )

    # what may be begun anew

    def countries(self) -> Sequence[str]:
        """The countries of which something is kept."""
        return sorted({monitor.country for monitor in self._monitors()} | self._assembler.countries)

    def forget(self, countries: Collection[str]) -> Outbox:
        """Drop all that is kept of these countries: `machine.Forgetting`. Incidents that are open there end by it.

        The ids in open windows stay known, so that what comes twice is counted once. Raises `NotImplementedError` where
        a detector of one's own was chosen.
        """
        outbox = Outbox()
        self._tell(self._assembler.forget(countries, BEGUN_ANEW), outbox)
        self._signals.forget(countries)
        if self._strangers is not None:
            theirs = self._strangers.forget(countries)
            outbox.after += theirs.after
            outbox.incidents += theirs.incidents
        known, in_bank = self._monitors(), self._in_bank
        moved = self._bank.forget_countries(countries)
        if moved is not None:
            self._in_bank = _moved(in_bank, moved)
        stays = np.array([monitor.country not in countries for monitor in known], dtype=np.bool_)
        if not stays.all():
            self._keep_monitors(stays, known)
        return outbox

    # what the metrics pull

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which everything is decided; None before the first clock reading."""
        return self._hearing.watermark_ms

    def gauges(self) -> Sequence[SeriesGauge]:
        """Every live series."""
        return self._naming.gauges(self._bank.gauges(), (self.clock_ms or 0) // 1000)

    def networks_live(self) -> Mapping[str, int]:
        """Networks that report, by country."""
        return self._bank.networks_live()

    def pulses(self) -> Sequence[Pulse]:
        """Who reports, country by country."""
        return self._bank.pulses()

    def usuals(self) -> set[tuple[str, str]]:
        """Platform and country of which a network, at least, has enough results now for a usual of its own."""
        return self._bank.usuals()

    def take_probes(self) -> Mapping[ProbeCount, int]:
        """Results of the windows closed since the last call, by how they ended."""
        return {ProbeCount(*key): count for key, count in self._bank.take_probes().items()}

    def incidents(self) -> list[Incident]:
        """The incidents that are open now."""
        shown = [
            self._record(snapshot)
            for snapshot in self._assembler.open
            if not (self._of_strangers and snapshot.kind is Kind.CONNECTIVITY)
        ]
        return shown + ([] if self._strangers is None else self._strangers.incidents())

    # keeping

    def decode_batch(self, data: bytes) -> Rows:
        """Read what `Rows.encode` wrote."""
        return Rows.decode(data)

    def snapshot(self) -> bytes:
        """The whole state, as versioned plain numbers (MessagePack)."""
        windows: list[StoredWindow] = []
        mechanisms: dict[int, str] = {}
        for index, window in sorted(self._open.items()):
            columns = dict(zip(_OF_WINDOW, window.columns(), strict=True))
            mechanisms |= names_of(columns["mechanism"])
            windows.append(
                StoredWindow(
                    index,
                    [*window.ids, *sorted(window.gone)],
                    {name: column.tobytes() for name, column in columns.items()},
                    in_order(window.statuses),
                    [(*key, *counts) for key, counts in window.late.items()],
                    [(*source, many) for source, many in sorted(window.offered.items())],
                )
            )
        stored = CountryState(
            VERSIONS["country"],
            self.clock_ms,
            self._cursor,
            self.next_offset,
            self.totals,
            mechanisms,
            windows,
            self._bank.snapshot(),
            self._assembler.snapshot(),
            self._in_bank.tobytes(),
            list(self._waiting_keys()),
            self._hearing.kept.deaf,
            self._hearing.kept.hold,
            self._rested,
            self._placement.kept,
            self._elsewhere.kept,
            sorted(self._full),
            self._signals.kept,
            self._speakers.kept,
            self._sequences,
            b"" if self._strangers is None else self._strangers.snapshot(),
            list(self._promises.values()),
            self._naming.salt,
        )
        return msgspec.msgpack.encode(stored)

    def _vantages_of(self, monitor: NDArray[np.int32]) -> list[tuple[str, str]]:
        """Country and vantage of monitors that were let in."""
        if not len(monitor):
            return []
        keys = self._all_keys()
        return [(keys[number].country, keys[number].vantage) for number in monitor.tolist()]

    def _witnesses(
        self, country: str, simulated: bool, lost: LostParts, now: int, told: Sequence[Witness]
    ) -> tuple[Witness, ...]:
        """What other sources say of a loss.

        One whose own results are judged here too is no other: what they lack, its signals lack.
        """
        if not self._signals.speaks_of(country):
            return ()
        heard = {one.vantage for one in self._all_keys() if one.country == country}
        return self._signals.ask(country, simulated, lost, now, told=told, heard=heard)

    def _all_keys(self) -> list[MonitorKey]:
        if self._keys is None or len(self._keys) != len(self._in_bank):
            self._keys = self._monitors()
        return self._keys

    def _monitors(self, waiting: Iterable[MonitorKey] | None = None) -> list[MonitorKey]:
        """All monitors that were let in, in the order of their numbers; `waiting` are those the bank has not met."""
        known, unmet = self._bank.monitors, iter(self._waiting_keys() if waiting is None else waiting)
        return [known[number] if number >= 0 else next(unmet) for number in self._in_bank.tolist()]

    def _waiting_keys(self) -> Iterator[MonitorKey]:
        """The monitors that the bank has not met, in the order of their numbers."""
        return self._columns.named(np.flatnonzero(self._in_bank < 0))

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` of this or an earlier release wrote. Raises ValueError, see `read_stored`."""
        stored = read_stored(data, CountryState, "country")
        self._hearing = self._fresh_hearing()
        self._rested = stored.rested
        self._hearing.kept = Heard(stored.clock_ms, stored.deaf, stored.hold)
        self._cursor, self.next_offset = stored.cursor, stored.next_offset
        self.totals = stored.totals
        self._open = {}
        for kept in stored.windows:
            results = len(kept.columns.get("ok", b""))
            window = self._open[kept.index] = _OpenWindow(kept.ids[:results], kept.ids[results:])
            window.statuses = list(kept.statuses)
            window.late = {(c, s, a, v, i): (good, n) for c, s, a, v, i, good, n in kept.late}
            window.offered = {(c, a, v, s): many for c, a, v, s, many in kept.offered}
            columns = {name: OF_RESULTS[name].read(kept.columns.get(name), results) for name in _OF_WINDOW}
            columns["mechanism"] = renumbered(columns["mechanism"], stored.mechanisms)
            window.parts = [tuple(columns.values())]
        self._bank = self._fresh_bank()
        self._bank.restore(stored.bank)
        self._columns = RowReader()
        self._in_bank = np.frombuffer(stored.in_bank, dtype=np.int32).copy()
        self._keys = None
        self._waiting = len(stored.waiting)
        self._placement = Placement(stored.placement)
        self._elsewhere = Elsewhere(self.settings.time.window_seconds, stored.arrivals)
        self._full = set(stored.full)
        self._promises = {_speaking(status): status for status in stored.promises}
        self._signals = SignalBook(stored.signals)
        self._assembler.witness = self._witnesses
        monitors = self._monitors(stored.waiting)
        self._columns.learn(monitors)
        self._admission = Admission(self.settings.limits, monitors)
        self._assembler.restore(stored.assembler)
        self._speakers = Speakers(self.settings.trust, stored.register)
        self._sequences = dict(stored.sequences)
        self._votes_from = None
        self._naming = Naming(self.settings.trust, lambda: self._speakers, self._all_keys)
        self._naming.salt = stored.salt
        if self._strangers is not None:
            self._strangers = self._fresh_strangers()
            if stored.strangers:
                self._strangers.restore(stored.strangers)
            self._strangers._naming.sow(stored.salt)


def _speaker_of(status: StatusRow) -> MonitorKey:
    """A vantage that speaks of itself, as a monitor of nothing."""
    return MonitorKey("", status.country, status.region, status.asn, status.vantage, False)


def _speaking(status: StatusRow) -> _Speaker:
    """Who says something of itself."""
    return status.country, status.asn, status.vantage


def _source_of(key: MonitorKey) -> _Source:
    return (key.country, key.asn, key.vantage, key.simulated)


def _key(signal: Signal) -> SignalKey:
    """Which series a signal belongs to."""
    asn = -1 if signal.asn is None else signal.asn
    place = signal.region or signal.part or ""
    return signal.country, signal.simulated, signal.source, signal.name, place, asn


def _seconds(signal: Signal) -> int:
    return int(signal.time.timestamp())


def _scheduled(event: CalendarEvent) -> Scheduled:
    start, end = int(event.start.timestamp()), int(event.end.timestamp())
    return Scheduled(event.id, event.country, event.title, start, end, event.source)


def _moved(in_bank: NDArray[np.int32], number: NDArray[np.int64]) -> NDArray[np.int32]:
    """The bank's numbers of monitors (-1: not in it), once the bank has given them others."""
    return np.where(in_bank >= 0, number[in_bank], -1).astype(np.int32)


def _renumbered_rows(rows: Rows, number: NDArray[np.int32], known: Sequence[MonitorKey]) -> Rows:
    """Rows with the new numbers of the monitors known when they were read; those that are gone are new ones."""
    monitor = rows.monitor.copy()
    before = np.flatnonzero(monitor >= 0)
    monitor[before] = number[rows.monitor[before]]
    gone = before[monitor[before] < 0]
    if not len(gone):
        return replace(rows, monitor=monitor)
    old, which = np.unique(rows.monitor[gone], return_inverse=True)
    monitor[gone] = -1 - (len(rows.new_monitors) + which)
    return replace(
        rows, monitor=monitor, new_monitors=[*rows.new_monitors, *(known[one] for one in old.tolist())]
    )


def _different(windows: NDArray[np.int64]) -> list[int]:
    """The different ones of some windows, ascending."""
    if not len(windows):
        return []
    first, last = int(windows.min()), int(windows.max())
    if last - first >= len(windows):
        return [int(index) for index in np.unique(windows)]
    return [first + int(index) for index in np.flatnonzero(np.bincount(windows - first))]


def _all_known(block: Block) -> bool:
    """Whether all results are of monitors that are let in already."""
    return not len(block.monitor) or int(block.monitor.min()) >= 0


def _moment_ms(record: VantageStatus | Tick) -> int:
    """When a record is from, milliseconds since 1970."""
    return (record.time - _EPOCH) // _MILLISECOND


def _gap(word: str, milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s {word} the clock" if milliseconds < 1e12 else "no clock reading yet"


def _health_messages(
    reading: Reading, elsewhere: Callable[[str], bool] = lambda country: False
) -> list[Message]:
    health = reading.health
    start = datetime.fromtimestamp(reading.start, UTC)
    signs = signs_of(reading)
    # Where nobody watches, there is nothing to tell; a monitor that comes later in the same chunk is known too early.
    watched = np.flatnonzero((health.n > 0) | (health.networks_live > 0))
    columns = (
        health.n[watched],
        health.k[watched],
        np.round(health.expected[watched], 6),
        np.round(health.reachability[watched], 6),
        np.round(health.score[watched], 6),
        health.networks_live[watched],
        health.networks_bad[watched],
    )
    messages = []
    for i, *figures in zip(watched.tolist(), *(column.tolist() for column in columns), strict=True):
        n, k, expected, reachability, score, live, bad = figures
        platform, country, simulated = health.platform[i], health.country[i], health.simulated[i]
        if elsewhere(country):
            continue
        sign = signs.get((platform, country, simulated), NO_SIGNS)
        arrived = reading.arrivals.get((country, simulated), _NOTHING_DUE)
        record = HealthRecord(
            platform=platform,
            country=country,
            start=start,
            n=n,
            k=k,
            expected=expected,
            reachability=reachability,
            score=score,
            networks_live=live,
            networks_bad=bad,
            controls_good=sign.controls_good,
            controls_bad=sign.controls_bad,
            failures=dict(sign.failures),
            simulated=simulated,
            awaited=round(arrived.awaited, 3),
            came=round(arrived.came, 3),
        )
        messages.append(Message("health", platform.encode(), encode(record)))
    return messages
