"""The step: a chunk goes in, the state moves, and what is to be sent comes out.

Pure: the same chunks in the same order give the same state and the same records, however they are cut, wherever
they run. It knows no broker and no clock: time arrives with the log, as ticks or as the broker's own timestamps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns.bank import Bank
from detectors.incidents.assembler import Assembler
from detectors.incidents.case import Case
from detectors.incidents.snapshots import Kind, Snapshot
from detectors.readings import LostParts, MonitorKey, Pulse, Reading, Scheduled, SeriesGauge, Witness
from detectors.single.binomial import DAY
from detectors.single.signals import Key as SignalKey
from detectors.single.signals import SignalBook
from detectors.state import VERSIONS, read_stored
from producers.partitions import partition_of
from producers.records import Decoded, Reason
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
)
from streams.records import (
    Annotation,
    Arrivals,
    CalendarEvent,
    Incident,
    Vantage,
    VantageState,
    encode,
)
from streams.settings import Settings, fingerprint
from streams.step.bundles import Opener, has_bundles
from streams.step.chunk_reading import ChunkReading, all_known, is_timely
from streams.step.country_state import CountryState, Totals
from streams.step.elsewhere import Elsewhere
from streams.step.health_records import health_messages
from streams.step.hearing import Heard, Hearing
from streams.step.monitors import Monitors
from streams.step.naming import Naming
from streams.step.open_windows import OF_WINDOW, OpenWindows, source_of
from streams.step.pending import PendingClosings, closing_reason
from streams.step.placement import Placement
from streams.step.promises import Promises
from streams.step.refusals import ahead_of_clock, behind_clock, rejections
from streams.step.rows import (
    MECHANISMS,
    Block,
    Refusal,
    Rows,
    StatusRow,
    named,
)
from streams.step.speakers import NEVER, Speakers
from streams.step.votes import Votes
from streams.step.window_records import window_messages
from streams.step.windows import counts_of, late_results, words_of

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
#: Who was seen once or twice is given up after so long, where there is no room for others.
_FAINT_SECONDS: Final = 1800
_HOUR_MS: Final = 3_600_000
#: Where results come in less than half of the windows, one in so many is looked at that has none: a silence takes
#: twenty minutes there to say anything. Less often still where nobody is due who is heard every few minutes.
_LOOK_AWAITING: Final = 5
_LOOK_SPARSE: Final = 15


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
        self._bank = self._fresh_bank()
        self._monitors = Monitors(settings.limits, self._bank)
        self._open = self._no_windows()
        self._placement = Placement()
        self._elsewhere = Elsewhere(settings.time.window_seconds)
        self._signals = SignalBook()
        self._promises = Promises()
        self._words_ahead = 0  # of the last apply
        self._notes: list[Note] = []
        # What the register has, until it was held against ours.
        self._registered: Collection[str] | None = None
        self._asked = PendingClosings()
        self._of_strangers = strangers
        self._speakers = Speakers(settings.trust)
        self._sequences: dict[str, int] = {}
        self._opener = Opener(signed=settings.trust.policy == "signed" and not strangers)
        self._votes = Votes(settings.trust, self._speakers, self._monitors)
        self._strangers: CountryMachine | None = None
        if not settings.trust.everybody and not strangers:
            self._strangers = self._fresh_strangers()
        self._naming = Naming(settings.trust, lambda: self._speakers, self._monitors.known)
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

    def _no_windows(self) -> OpenWindows:
        trust = self.settings.trust
        return OpenWindows(self._window_ms, None if trust.everybody else trust.results_max)

    def _fresh_bank(self) -> Bank:
        bank = Bank(self.settings.detection, self.settings.time, MECHANISMS)
        bank.some_lie = not self.settings.trust.everybody
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
        reading = ChunkReading(self.clock_ms, self._live)
        following = self.next_offset
        self._note_removed()
        self._monitors.reader.begin()
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
                if refused or not (all_known(block) and self._is_timely(block, behind, reading.clock)):
                    reading.kept.append((place, part))
                del part, block
            del piece  # before the next one is made
        return reading.rows(following, self._taken_notes(), sequences)

    def misplaces(self, batch: Rows) -> bool:
        """Whether records of a batch are refused for where they stand: `machine.JudgesPlaces`."""
        return any(refused.reason is Reason.WRONG_PARTITION for refused in batch.refusals)

    def give_back(self, batch: Rows) -> None:
        """Have the notes of a batch again that is not applied: `machine.JudgesPlaces`."""
        self._notes = [*batch.notes, *self._notes]

    def read_decoded(self, decoded: Sequence[Decoded], *, timestamps_ms: Sequence[int] | None = None) -> Rows:
        """Put decoded records into columns; `timestamps_ms` are the broker's own append times."""
        reading = ChunkReading(self.clock_ms, self._live)
        self._note_removed()
        self._monitors.reader.begin()
        reading.add(self._monitors.reader.block(decoded), timestamps_ms)
        return reading.rows(self.next_offset + len(decoded), self._taken_notes())

    def _parts(
        self, piece: Chunk, reading: ChunkReading, sequences: dict[str, int]
    ) -> Iterator[tuple[Chunk, Block, NDArray[np.bool_] | None]]:
        """A piece and its records by columns; where it has bundles or signatures, as many pieces as it takes.

        The third is which of the records are signed; None: none is. `sequences` gets what is seen of them.
        """
        block = self._monitors.reader.read(piece.values, piece.keys)
        if piece.headers is None and not has_bundles(block):
            yield piece, block, None
            return
        new = [note for note in self._notes if isinstance(note, Vantage)]
        speakers = self._speakers.with_also(new) if new else self._speakers
        spoken = self._opener.open(piece, speakers, self._sequences, sequences)
        # They have their numbers by now.
        met = block.new_monitors
        for first, part in spoken.parts():
            block = self._monitors.reader.read(part.values, part.keys)
            block.new_monitors = [*met, *block.new_monitors]
            met = []
            known, fresh = self._monitors.known(), [*reading.new_monitors, *block.new_monitors]
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

    def _is_timely(self, block: Block, before: int | None, after: int | None) -> bool:
        return is_timely(block, before, after, lateness_ms=self._lateness_ms, ahead_ms=self._ahead_ms)

    # deciding

    def apply(self, batch: Rows) -> Outbox:
        """Take a batch in: judge times, drop duplicates, fill windows, close those that are over, decide."""
        outbox = Outbox(rejected=len(batch.refusals))
        for note in batch.notes:
            self._heed(note)
        if any(isinstance(note, Vantage) for note in batch.notes):
            batch = self._heed_votes(batch, outbox)
        self._sequences |= batch.sequences
        rows, theirs = (batch, None) if self._strangers is None else self._votes.parted(batch)
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
            if decided_ms // _DAY_MS > day or (self._monitors.full and decided_ms // _HOUR_MS > hour):
                rows = self._forget_silent(rows, decided_ms // 1000)
            day, hour = decided_ms // _DAY_MS, decided_ms // _HOUR_MS
        outbox.before.extend(rejections(rows.kept, refused))
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

    def _heed_votes(self, batch: Rows, outbox: Outbox) -> Rows:
        """Let go of who has no vote any more, as if they had never been heard; and of strangers who have one now.

        Under another policy than before that may be many. Returns the rows with the new numbers of their monitors.
        """
        if self._strangers is None:
            return batch
        now = self._hearing.watermark_ms or 0
        strangers = self._strangers
        theirs = np.array(
            [self._speakers.votes_from_ms(key) <= now for key in strangers._monitors.known()], dtype=np.bool_
        )
        strangers._let_go(theirs, ENROLLED, outbox)
        known = self._monitors.all()
        number = self._let_go(self._votes.since_ms() > now, NO_VOTE, outbox)
        return batch if number is None else _renumbered_rows(batch, number, known)

    def _let_go(self, gone: NDArray[np.bool_], reason: str, outbox: Outbox) -> NDArray[np.int32] | None:
        """Forget monitors, and what incidents have of them alone; returns the new number of each, None if none goes."""
        if not gone.any():
            return None
        known, heard = self._monitors.all(), self._monitors.of_bank(gone)
        if heard.any():
            moved = self._bank.let_go(heard)
            if moved is None:
                return None
            self._monitors.follow(moved)
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
        return self._go_on_with(~gone, known)

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
        self._open.at(index).statuses.append(gone)

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
        known, in_bank = self._monitors.all(), self._monitors.in_bank
        moved = self._bank.forget(
            now - self.settings.limits.forget_days * DAY,
            set(self._assembler.watch),
            self._monitors.take_full(),
            now - _FAINT_SECONDS,
        )
        if moved is None:
            return rows
        self._monitors.follow(moved)
        stays = (self._monitors.in_bank >= 0) | (in_bank < 0)
        for monitor in self._open.monitors():
            stays[monitor] = True
        return _renumbered_rows(rows, self._go_on_with(stays, known), known)

    def _go_on_with(self, stays: NDArray[np.bool_], known: Sequence[MonitorKey]) -> NDArray[np.int32]:
        """Go on with these monitors alone, and their rows; returns the new number of each, -1 for one that is gone."""
        number = self._monitors.keep(stays, known)
        self._open.renumber(number)
        self._votes.forget()
        self._naming.forget_heard()
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
            self._votes.forget()
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
                detail = behind_clock(int(clock[i] - time_ms[i]))
                refused.append(Refusal(int(place[i]), Reason.LATE, detail))
            for i in np.flatnonzero(future).tolist():
                detail = ahead_of_clock(int(time_ms[i] - clock[i]))
                refused.append(Refusal(int(place[i]), Reason.FUTURE, detail))
            outbox.late += int(late.sum())
            outbox.rejected += int(future.sum())
            behind = np.flatnonzero(late)
            self._open.note_late(rows, behind + part.start, watermark[behind], self._monitors.known)
        if rows.new_monitors:
            monitor, turned_away = self._monitors.let_in(rows.new_monitors, monitor, good)
            refused += [Refusal(int(place[i]), Reason.TOO_MANY_NAMES, why) for i, why in turned_away]
            outbox.rejected += len(turned_away)
            good &= monitor >= 0
        window = time_ms // self._window_ms
        if over := self._open.over_limit(self._monitors.known, monitor, rows.count[part], window, good):
            refused += [Refusal(int(place[i]), Reason.TOO_MANY_RESULTS, why) for i, why in over]
            outbox.rejected += len(over)
            good[[i for i, _ in over]] = False
        columns = (monitor, *(getattr(rows, name)[part] for name in OF_WINDOW if name != "monitor"))
        applied, doubles = self._open.take(rows.ids[part], window, good, columns, self._monitors.vantages_of)
        outbox.applied += applied
        outbox.duplicate += doubles
        return refused

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
                refused.append(Refusal(status.place, Reason.FUTURE, ahead_of_clock(status.time_ms - now)))
                continue
            index = max(status.time_ms, decided) // self._window_ms
            self._open.at(index).speak(status)
        return begin, refused

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
            opened = self._open.pop(self._cursor)
            columns: dict[str, Any] = dict(zip(OF_WINDOW, opened.columns(), strict=True))
            columns["monitor"] = self._monitors.to_bank(columns["monitor"])
            start = self._cursor * seconds
            counts = counts_of(start, start + seconds, columns)
            counts.elsewhere = self._elsewhere.about(start)
            counts.elsewhere_ago = self._elsewhere.ago(start)
            counts.words = words_of(
                self._promises.with_those_due(opened.statuses, start, self._bank.knows_vantage)
            )
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
                outbox.after.extend(health_messages(reading, self._placement.elsewhere))
            if self.publish_windows:
                tallies = self._bank.tallies(counts, reading.arrivals)
                outbox.after.extend(
                    window_messages(tallies, start, start + seconds, self._placement.elsewhere, self._naming)
                )
            self.on_closed(reading)
            self._cursor += 1

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
        return {(key.country, key.asn) for key in self._monitors.known()}

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

    def adopt(self, published: Sequence[Incident]) -> None:
        """Make the incidents in hand agree with what was told: `machine.Adopting`."""
        countries = {pulse.country for pulse in self._bank.pulses()}
        ours = [self.recalled(one) for one in published if one.country in countries]
        self._assembler.adopt([from_record(one) for one in ours if not is_of_strangers(one.id)])
        if self._strangers is not None:
            self._strangers.adopt_strangers(published)
            for key in {source_of(one): one for one in self._monitors.all()}.values():
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
        return sorted({monitor.country for monitor in self._monitors.all()} | self._assembler.countries)

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
        known = self._monitors.all()
        moved = self._bank.forget_countries(countries)
        if moved is not None:
            self._monitors.follow(moved)
        stays = np.array([monitor.country not in countries for monitor in known], dtype=np.bool_)
        if not stays.all():
            self._go_on_with(stays, known)
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
        windows, mechanisms = self._open.stored()
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
            self._monitors.in_bank.tobytes(),
            list(self._monitors.waiting()),
            self._hearing.kept.deaf,
            self._hearing.kept.hold,
            self._rested,
            self._placement.kept,
            self._elsewhere.kept,
            sorted(self._monitors.full),
            self._signals.kept,
            self._speakers.kept,
            self._sequences,
            b"" if self._strangers is None else self._strangers.snapshot(),
            self._promises.kept,
            self._naming.salt,
        )
        return msgspec.msgpack.encode(stored)

    def _witnesses(
        self, country: str, simulated: bool, lost: LostParts, now: int, told: Sequence[Witness]
    ) -> tuple[Witness, ...]:
        """What other sources say of a loss.

        One whose own results are judged here too is no other: what they lack, its signals lack.
        """
        if not self._signals.speaks_of(country):
            return ()
        heard = {one.vantage for one in self._monitors.known() if one.country == country}
        return self._signals.ask(country, simulated, lost, now, told=told, heard=heard)

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` of this or an earlier release wrote. Raises ValueError, see `read_stored`."""
        stored = read_stored(data, CountryState, "country")
        self._hearing = self._fresh_hearing()
        self._rested = stored.rested
        self._hearing.kept = Heard(stored.clock_ms, stored.deaf, stored.hold)
        self._cursor, self.next_offset = stored.cursor, stored.next_offset
        self.totals = stored.totals
        self._open = self._no_windows()
        self._open.restore(stored.windows, stored.mechanisms)
        self._bank = self._fresh_bank()
        self._bank.restore(stored.bank)
        in_bank = np.frombuffer(stored.in_bank, dtype=np.int32).copy()
        self._monitors = Monitors(self.settings.limits, self._bank, in_bank=in_bank, waiting=stored.waiting)
        self._monitors.full = set(stored.full)
        self._placement = Placement(stored.placement)
        self._elsewhere = Elsewhere(self.settings.time.window_seconds, stored.arrivals)
        self._promises = Promises(stored.promises)
        self._signals = SignalBook(stored.signals)
        self._assembler.witness = self._witnesses
        self._assembler.restore(stored.assembler)
        self._speakers = Speakers(self.settings.trust, stored.register)
        self._sequences = dict(stored.sequences)
        self._votes = Votes(self.settings.trust, self._speakers, self._monitors)
        self._naming = Naming(self.settings.trust, lambda: self._speakers, self._monitors.known)
        self._naming.salt = stored.salt
        if self._strangers is not None:
            self._strangers = self._fresh_strangers()
            if stored.strangers:
                self._strangers.restore(stored.strangers)
            self._strangers._naming.sow(stored.salt)


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
