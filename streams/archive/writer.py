"""Writes the archive: what stood on the topics from one offset to another, each window once, through any kill.

Before parts are put it is written down which offsets they cover (the position's `doing`), and after that they are all
there (`done`). Whoever goes on after a kill reads the same offsets again and puts the same parts under the same names.
So the place to go on from stands with the files themselves, and no file counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from producers.records import ProbeResult
from streams.archive.parts import (
    ANNOTATIONS,
    INCIDENTS,
    RESULTS,
    WINDOWS,
    ArchivePart,
    counting,
    folder_of,
    hours_of_folder,
    left_over,
)
from streams.archive.reader import Archive, settled
from streams.archive.results import result_table, results_in
from streams.archive.store import Store
from streams.archive.tables import (
    WINDOW_COLUMNS,
    annotation_table,
    by_series,
    hours_of,
    incident_table,
    window_table,
    write,
)
from streams.errors import SettingsError
from streams.records import Annotation, Incident, Window, decode

log = structlog.get_logger()

#: The topics' roles that are kept, the record on each, and the folder of its files.
KEPT: Final[dict[str, tuple[type[Any], str]]] = {
    "windows": (Window, WINDOWS),
    "alerts": (Incident, INCIDENTS),
    "annotations": (Annotation, ANNOTATIONS),
    "probes": (ProbeResult, RESULTS),
}
#: Those of which there is a folder a country and day.
_BY_DAY: Final = frozenset((WINDOWS, RESULTS))
#: A result waits as an object, a window's cell as a few numbers: it counts for so many rows.
_RESULT_ROWS: Final = 5
#: Results of a day are put together while they are no more than this: all of them are held meanwhile.
_TOGETHER_ROWS_MAX: Final = 2_000_000
#: Results may come so long after their day.
_LATE: Final = timedelta(hours=1)
#: Of what is few, so many parts stand side by side before they are put together.
_PARTS_MAX: Final = 16
#: After a start, so many last days of each country are looked at.
_DAYS_BACK: Final = 3


class Position(msgspec.Struct, kw_only=True):
    """Up to where a partition is in the archive; `doing` is the end of the parts that are being put.

    `generation` counts how often the topic was made anew.
    """

    generation: int = 0
    done: int = 0
    doing: int | None = None


@dataclass(slots=True)
class _Buffer:
    """What was read of one partition and is not in the archive yet."""

    position: Position
    begin: int
    end: int
    by_country: dict[tuple[str, date], list[Any]] = field(default_factory=dict)
    others: list[Any] = field(default_factory=list)
    rows: int = 0
    newest: datetime | None = None
    # Written to, and not put together yet.
    days: set[tuple[str, date]] = field(default_factory=set)
    looked_back: bool = False

    def hold(self, record: Any, country: str, moment: datetime, *, rows: int) -> None:
        """Hold a record of a country's day until it is put."""
        self.by_country.setdefault((country, moment.astimezone(UTC).date()), []).append(record)
        self.rows += rows
        if self.newest is None or moment > self.newest:
            self.newest = moment


class Archiver:
    """Takes records in the order of their partitions, and puts them away.

    Parameters
    ----------
    store
        Where files go.
    keep_days
        Windows and results of earlier days are deleted; None: they are kept for ever. Incidents always are.

    Attributes
    ----------
    parts, rows
        Put so far.
    gaps
        Offsets that the topic had forgotten before they were read.
    """

    def __init__(self, store: Store, *, keep_days: float | None = None) -> None:
        self.store = store
        self.archive = Archive(store)
        self.parts = 0
        self.rows = 0
        self.gaps = 0
        self._keep_days = keep_days
        self._buffers: dict[tuple[str, int], _Buffer] = {}

    # partitions come and go

    def begin(self, role: str, partition: int, start: int, end: int) -> int:
        """Take a partition on, of which the topic has the offsets from `start` to `end`. Returns where to read on."""
        data = self.store.get(_position_path(role, partition))
        position = Position() if data is None else _position(_position_path(role, partition), data)
        if position.done > end:
            log.warning(
                "the topic was made anew", role=role, partition=partition, kept_to=position.done, end=end
            )
            position = Position(generation=position.generation + 1, done=start)
        elif position.done < start:
            if position.done or data is not None:
                self.gaps += start - position.done
                log.error(
                    "the topic has forgotten what was not archived yet",
                    role=role,
                    partition=partition,
                    offsets=[position.done, start],
                )
            position = Position(generation=position.generation, done=start)
        self._buffers[role, partition] = _Buffer(position, position.done, position.done)
        return position.done

    def end(self, role: str, partition: int) -> None:
        """Let a partition go; what is not put yet is let go too."""
        self._buffers.pop((role, partition), None)

    # records come

    def take(
        self, role: str, partition: int, offset: int, value: bytes | None, came: datetime | None = None
    ) -> None:
        """Take the next record of a partition in. What is no record of its kind is passed over.

        `came` is the broker's time of it. Results stand on that day, whatever they say of themselves: nobody who may
        write can make folders of other years.

        So is a record of a partition that was let go since it was fetched: whoever has that partition now reads on
        from the archive's own position.
        """
        buffer = self._buffers.get((role, partition))
        if buffer is None or offset < buffer.end:
            return
        doing = buffer.position.doing
        if doing is not None and offset >= doing:
            self._put(role, partition, buffer, doing)
        for record in _read(role, value):
            if isinstance(record, Window):
                buffer.hold(record, record.country, record.start, rows=len(record.platform) + 1)
            elif isinstance(record, ProbeResult):
                buffer.hold(record, record.country, came or record.time, rows=_RESULT_ROWS)
            else:
                buffer.others.append(record)
                buffer.rows += 1
        buffer.end = offset + 1
        if buffer.end == doing:
            self._put(role, partition, buffer, doing)

    def reached(self, role: str, partition: int, offset: int) -> None:
        """Say that everything before `offset` was read: the last records may have been compacted away.

        Of a partition that is not held, nothing is said.
        """
        buffer = self._buffers.get((role, partition))
        if buffer is None:
            return
        doing = buffer.position.doing
        if doing is not None and offset >= doing:
            self._put(role, partition, buffer, doing)

    @property
    def buffered(self) -> int:
        """Rows that wait to be put."""
        return sum(buffer.rows for buffer in self._buffers.values())

    def flush(self) -> dict[tuple[str, int], int]:
        """Put everything that was taken in. Returns up to where each partition is in the archive, where that is new."""
        for (role, partition), buffer in self._buffers.items():
            if buffer.position.doing is None and buffer.end > buffer.begin:
                self._put(role, partition, buffer, buffer.end)
        return {name: buffer.position.done for name, buffer in self._buffers.items()}

    def _put(self, role: str, partition: int, buffer: _Buffer, end: int) -> None:
        position = buffer.position
        if position.doing is None:
            position.doing = end
            self._write_position(role, partition, position)
        part = ArchivePart(position.generation, partition, buffer.begin, end)
        for folder, table in self._tables(role, buffer):
            self.store.put(f"{folder}/{part.name}", write(table))
            self.parts += 1
            self.rows += table.num_rows
        position.done, position.doing = end, None
        self._write_position(role, partition, position)
        buffer.days |= buffer.by_country.keys()
        buffer.begin = buffer.end = end
        buffer.by_country, buffer.others, buffer.rows = {}, [], 0

    @staticmethod
    def _tables(role: str, buffer: _Buffer) -> Iterable[tuple[str, Any]]:
        make_day = result_table if role == "probes" else window_table
        for (country, day), records in sorted(buffer.by_country.items()):
            yield folder_of(country, day, KEPT[role][1]), make_day(records)
        if buffer.others:
            make = incident_table if role == "alerts" else annotation_table
            yield KEPT[role][1], make(buffer.others)

    def _write_position(self, role: str, partition: int, position: Position) -> None:
        self.store.put(_position_path(role, partition), msgspec.json.encode(position))

    # putting together

    def tidy(self) -> None:
        """Put the parts of days that are over together, and delete what is older than is kept."""
        for (role, partition), buffer in self._buffers.items():
            folder = KEPT[role][1]
            if folder in _BY_DAY:
                if buffer.newest is None:
                    continue
                if not buffer.looked_back:
                    buffer.looked_back = True
                    buffer.days |= self._left_by_a_kill(folder, partition)
                over = (buffer.newest - _LATE).astimezone(UTC).date()
                for country, day in sorted(one for one in buffer.days if one[1] < over):
                    self.put_together(folder_of(country, day, folder), partition)
                    buffer.days.discard((country, day))
                    self._forget(folder, country, buffer.newest)
            else:
                own = [part for part in counting(self.store.names(folder)) if part.partition == partition]
                if len(own) > _PARTS_MAX:
                    self.put_together(folder, partition)

    def _left_by_a_kill(self, kind: str, partition: int) -> set[tuple[str, date]]:
        """The last days of each country of which this partition has several parts."""
        left = set()
        for country in self.archive.countries(kind):
            for day in self.archive.days(country, kind)[-_DAYS_BACK:]:
                names = [ArchivePart.parse(name) for name in self.store.names(folder_of(country, day, kind))]
                if sum(part is not None and part.partition == partition for part in names) > 1:
                    left.add((country, day))
        return left

    def put_together(self, folder: str, partition: int) -> None:
        """Make one part of a partition's parts in a folder; what it holds stays the same.

        Killed at any point, every window still counts once: the new part is put whole, and from then on the old ones
        lie within it.
        """
        groups: dict[int, list[ArchivePart]] = {}
        for part in counting(self.store.names(folder)):
            if part.partition == partition:
                groups.setdefault(part.generation, []).append(part)
        by_day = folder.startswith(WINDOWS)
        for parts in groups.values():
            if len(parts) < 2 and not by_day:
                continue
            if folder.startswith(RESULTS) and self._rows_of(folder, parts) > _TOGETHER_ROWS_MAX:
                continue
            whole = ArchivePart(*parts[0][:2], parts[0].begin, max(part.end for part in parts))
            names = WINDOW_COLUMNS.names if by_day else ["id" if folder.startswith(RESULTS) else "record"]
            read = [self.archive.whole(f"{folder}/{part.name}", names) for part in parts]
            tables = [table for table in read if table is not None]
            if len(tables) < len(parts):
                continue  # a broken file stays as it is, and where it is: nothing is lost by us
            table = by_series(settled(tables)) if by_day else _joined(tables)
            if by_day:
                self.store.put(f"{hours_of_folder(folder)}/{whole.name}", write(hours_of(table)))
            if len(parts) > 1:
                self.store.put(f"{folder}/{whole.name}", write(table))
        self._delete_left_over(folder, partition)
        if by_day:
            self._delete_left_over(hours_of_folder(folder), partition)

    def _rows_of(self, folder: str, parts: Sequence[ArchivePart]) -> int:
        try:
            return sum(pq.read_metadata(self.store.open(f"{folder}/{part.name}")).num_rows for part in parts)
        except pa.ArrowException:
            return 0  # whoever reads the file whole says which one is broken

    def _delete_left_over(self, folder: str, partition: int) -> None:
        for part in left_over(self.store.names(folder)):
            if part.partition == partition:
                self.store.delete(f"{folder}/{part.name}")

    def _forget(self, kind: str, country: str, newest: datetime) -> None:
        if self._keep_days is None:
            return
        first = (newest - timedelta(days=self._keep_days)).astimezone(UTC).date()
        for day in self.archive.days(country, kind):
            if day < first:
                folder = folder_of(country, day, kind)
                for one in (hours_of_folder(folder), folder) if kind == WINDOWS else (folder,):
                    for name in self.store.names(one):
                        self.store.delete(f"{one}/{name}")


def _position_path(role: str, partition: int) -> str:
    return f"positions/{role}-{partition}.json"


def _position(path: str, data: bytes) -> Position:
    try:
        return msgspec.json.decode(data, type=Position)
    except msgspec.DecodeError as error:
        raise SettingsError(
            f"{path} in the archive can't be read ({error}); delete it, and the topic is read from its beginning: "
            "no window counts twice"
        ) from error


def _read(role: str, value: bytes | None) -> Iterable[Any]:
    """The records that are kept of one of a topic: none, one, or those of a bundle."""
    if role == "probes":
        return results_in(value)
    if value is None:
        return ()
    try:
        record = decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("a record was passed over", role=role, why=str(error))
        return ()
    return (record,) if isinstance(record, KEPT[role][0]) else ()


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of several tables; a column that an earlier release did not have is empty there."""
    return pa.concat_tables(tables, promote_options="default")
