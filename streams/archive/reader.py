"""What the archive holds, read: windows as they were closed, series of them, incidents, annotations.

Every window counts once, whatever stands in several files. Files may be put together while they are read: then they
are looked for again. A file that is no Parquet file of ours is passed over, and told in `broken`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
)
from streams.archive.results import results_of
from streams.archive.store import Store
from streams.archive.tables import WINDOW_COLUMNS, read, windows_of
from streams.records import Annotation, Incident, Window, check_zones

log = structlog.get_logger()

_TRIES: Final = 5
_COUNTRY: Final = re.compile(r"country=([A-Z]{2})")
_STEPS: Final = (60, 300, 900, 3600, 10_800, 21_600, 86_400)
#: What a file of results has at least.
_NEEDED: Final = ("id", "time", "platform", "country", "asn", "vantage", "ok")
#: No result that counts is further ahead of the broker's time.
_AHEAD: Final = timedelta(hours=1)
#: A series has so many steps at most.
STEPS_MAX: Final = 1000
T = TypeVar("T")


class By(StrEnum):
    """What a series is split by."""

    PLATFORM = "platform"
    NETWORK = "network"
    REGION = "region"


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one line of a series.

    `reachability` is the share of results that succeed, every network counted alike; `expected` likewise, None where no
    usual was known; `ttfb_ms` the mean of the medians, weighed by results; `failure` the most frequent way to fail.
    `expected_error` is the standard error that chance alone leaves around `expected` with so many results.
    """

    time: datetime
    name: str
    n: int
    k: int
    reachability: float
    expected: float | None
    ttfb_ms: float | None
    failure: str | None
    simulated: bool
    expected_error: float | None = None


def step_for(start: datetime, end: datetime) -> int:
    """The finest step, in seconds, of which a span has no more than it may."""
    length = (end - start).total_seconds()
    return next((step for step in _STEPS if length / step <= STEPS_MAX), _STEPS[-1])


def _day_of(name: str) -> date | None:
    """The day of a folder, or None for one that is not ours.

    >>> _day_of("day=2024-01-20"), _day_of("day=new")
    (datetime.date(2024, 1, 20), None)
    """
    try:
        return date.fromisoformat(name.removeprefix("day=")) if name.startswith("day=") else None
    except ValueError:
        return None


class Archive:
    """An archive as its files have it.

    Attributes
    ----------
    broken
        Files that could not be read, with why: what they held is missing from the answers.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.broken: dict[str, str] = {}

    def countries(self, kind: str = WINDOWS) -> list[str]:
        """The countries of which there are windows, or results (`kind`)."""
        return [match[1] for name in self.store.names(kind) if (match := _COUNTRY.fullmatch(name))]

    def days(self, country: str, kind: str = WINDOWS) -> list[date]:
        """The days of which there are windows of a country, or results (`kind`), in order."""
        names = self.store.names(f"{kind}/country={country}")
        return sorted(day for name in names if (day := _day_of(name)) is not None)

    def windows(
        self, country: str, start: datetime | None = None, end: datetime | None = None
    ) -> Iterator[Window]:
        """Yield the windows that begin in [start, end), in the order of time."""
        for day in self._days_within(country, start, end):
            for window in windows_of(country, self._settled(self._day(country, day))):
                if (start is None or start <= window.start) and (end is None or window.start < end):
                    yield window

    def results(self, country: str, start: datetime, end: datetime) -> Iterator[ProbeResult]:
        """Yield the results that were measured in [start, end), in the order in which they came.

        They stand on the day on which they came, which a spool may have delayed: later days are looked through too, by
        what their files say of the times in them.
        """
        within = [("time", ">=", start), ("time", "<", end)]
        first = (start.astimezone(UTC) - _AHEAD).date()
        for day in self.days(country, RESULTS):
            if first <= day:
                folder = folder_of(country, day, RESULTS)
                for table in self._again(folder, partial(self._tables, folder, names=_NEEDED, within=within)):
                    yield from results_of(table)

    def incidents(self) -> list[Incident]:
        """Every snapshot of every incident, each once, in the order of onset, id and `seq`."""
        by_name = {(one.id, one.seq): one for one in self._records(INCIDENTS, Incident)}
        return sorted(by_name.values(), key=lambda one: (one.onset, one.id, one.seq))

    def annotations(self) -> list[Annotation]:
        """Every annotation, each once, in the order of time."""
        by_name = {one.id: one for one in self._records(ANNOTATIONS, Annotation)}
        return sorted(by_name.values(), key=lambda one: (one.time, one.id))

    def series(
        self,
        country: str,
        start: datetime,
        end: datetime,
        *,
        by: By = By.PLATFORM,
        step: int | None = None,
        platform: str | None = None,
        asn: int | None = None,
        simulated: bool | None = None,
    ) -> list[HistoryRow]:
        """The lines of a country over [start, end), in steps of `step` seconds (None: as fine as makes sense).

        Real and simulated results are never added up: `simulated` None takes the real ones, or, where there are none,
        the simulated.
        """
        if simulated is None:
            simulated = not self._any_real(country, start, end)
        step = step or step_for(start, end)
        ask = partial(
            _query, start=start, end=end, by=by, step=step, platform=platform, asn=asn, simulated=simulated
        )
        try:
            return ask(
                *self._sources(country, start, end, hours=step % 3600 == 0 and _whole_hours(start, end))
            )
        except _query_error() as error:
            # One of the files is broken, or has gone: each is read by itself.
            log.warning("files are read one by one", country=country, why=str(error)[:200])
            return ask([], [], [self.table(country, start, end)])

    def table(self, country: str, start: datetime, end: datetime) -> pa.Table:
        """All cells of a country's windows that begin in [start, end), as they are kept."""
        tables = [self._settled(self._day(country, day)) for day in self._days_within(country, start, end)]
        if not tables:
            return WINDOW_COLUMNS.empty_table()
        table = pa.concat_tables(tables).unify_dictionaries()
        inside = pc.and_(
            pc.greater_equal(table["start"], pa.scalar(start, table["start"].type)),
            pc.less(table["start"], pa.scalar(end, table["start"].type)),
        )
        return table.filter(inside)

    # files

    def _days_within(self, country: str, start: datetime | None, end: datetime | None) -> list[date]:
        first = date.min if start is None else start.astimezone(UTC).date()
        last = date.max if end is None else (end.astimezone(UTC) - timedelta(microseconds=1)).date()
        return [day for day in self.days(country) if first <= day <= last]

    def _again(self, folder: str, use: Callable[[list[ArchivePart]], T]) -> T:
        """Do something with the parts of a folder; again where one has gone meanwhile."""
        for _ in range(_TRIES):
            try:
                return use(counting(self.store.names(folder)))
            except FileNotFoundError:
                continue
        return use(counting(self.store.names(folder)))

    def _day(self, country: str, day: date) -> list[pa.Table]:
        folder = folder_of(country, day)
        return self._again(folder, partial(self._tables, folder, names=WINDOW_COLUMNS.names))

    def _tables(
        self,
        folder: str,
        parts: Sequence[ArchivePart],
        names: Sequence[str],
        *,
        all_columns: bool = True,
        within: Sequence[tuple[str, str, datetime]] = (),
    ) -> list[pa.Table]:
        paths = [f"{folder}/{part.name}" for part in parts]
        tables = [self.whole(path, names, all_columns=all_columns, within=within) for path in paths]
        return [table for table in tables if table is not None]

    def whole(
        self,
        path: str,
        names: Sequence[str],
        *,
        all_columns: bool = True,
        within: Sequence[tuple[str, str, datetime]] = (),
    ) -> pa.Table | None:
        """A file as a table, or None for one that can't be read or lacks a column. Raises FileNotFoundError.

        It is fetched first, so that a store that fails is never taken for a file that is broken.
        """
        source: Any = self.store.local(path)
        if source is None or not Path(source).exists():
            data = self.store.get(path)
            if data is None:
                raise FileNotFoundError(path)
            source = pa.BufferReader(data)
        try:
            table = read(source, None if all_columns else names, within=within)
            missing = set(names) - set(table.schema.names)
            if not missing:
                return table
            why = f"it has no column {min(missing)}"
        except FileNotFoundError:
            raise
        except (pa.ArrowException, ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            why = str(error)
        self.tell_broken(path, why)
        return None

    def tell_broken(self, path: str, why: str) -> None:
        """Note that a file can't be read."""
        if path not in self.broken:
            log.error("a file of the archive can't be read, and is passed over", path=path, why=why)
        self.broken[path] = why

    @staticmethod
    def _settled(tables: Sequence[pa.Table]) -> pa.Table:
        """Several parts of one day as one: of a window that stands in two, the first counts."""
        return settled(tables)

    def _records(self, folder: str, kind: type[T]) -> list[T]:
        records: list[T] = []
        decode = msgspec.json.Decoder(kind).decode
        tables = self._again(folder, partial(self._tables, folder, names=["record"], all_columns=False))
        for table in tables:
            for value in table["record"].to_pylist():
                try:
                    record = decode(value)
                    check_zones(record)
                except ValueError as error:  # msgspec's errors are
                    self.tell_broken(folder, str(error))
                else:
                    records.append(record)
        return records

    def _sources(
        self, country: str, start: datetime, end: datetime, *, hours: bool
    ) -> tuple[list[str], list[str], list[pa.Table]]:
        """Days of one file on this machine as paths, others as tables; before these, with `hours`, sums by the hour."""
        summed: list[str] = []
        paths: list[str] = []
        tables: list[pa.Table] = []
        for day in self._days_within(country, start, end):
            folder = folder_of(country, day)
            parts = counting(self.store.names(folder))
            path = self.store.local(f"{folder}/{parts[0].name}") if len(parts) == 1 else None
            if path is None:
                if parts:
                    tables.append(self._settled(self._day(country, day)))
                continue
            by_hour = hours_of_folder(folder)
            if hours and parts[0].name in self.store.names(by_hour):
                summed.append(str(self.store.local(f"{by_hour}/{parts[0].name}")))
            else:
                paths.append(path)
        return summed, paths, tables

    def _any_real(self, country: str, start: datetime, end: datetime) -> bool:
        """Whether there are real windows in a span; looked up in the files' statistics where they are one a day."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        days = self._days_within(country, start, end)
        for day in reversed(days):
            folder = folder_of(country, day)
            for part in counting(self.store.names(folder)):
                try:
                    meta = pq.read_metadata(self.store.open(f"{folder}/{part.name}"))
                except (FileNotFoundError, pa.ArrowException):
                    continue
                groups = (meta.row_group(i).column(0).statistics for i in range(meta.num_row_groups))
                if any(group is not None and group.has_min_max and not group.min for group in groups):
                    return True
        return not days


def settled(tables: Sequence[pa.Table]) -> pa.Table:
    """Several tables of one country as one: of a window that stands in two, the first counts."""
    if not tables:
        return WINDOW_COLUMNS.empty_table()
    if len(tables) == 1:
        return tables[0]
    kept: list[pa.Table] = []
    names: list[np.ndarray[Any, Any]] = []
    for table in tables:
        name = _names(table)
        fresh = ~np.isin(name, np.concatenate(names)) if names else np.ones(len(name), dtype=np.bool_)
        kept.append(table if fresh.all() else table.filter(pa.array(fresh)))
        names.append(np.unique(name))
    return pa.concat_tables(kept).unify_dictionaries()


def _names(table: pa.Table) -> np.ndarray[Any, Any]:
    """Start and whether simulated, of each row, as one number."""
    start = table["start"].cast(pa.int64()).to_numpy()
    return np.asarray(start * 2 + table["simulated"].to_numpy())


_KEYS: Final = {
    By.PLATFORM: "platform::VARCHAR",
    By.NETWORK: "'AS' || asn",
    By.REGION: "coalesce(nullif(region::VARCHAR, ''), 'not told')",
}
_SUMMED: Final = "simulated, platform, region, asn, failure, hour AS t, n, k, due, known, waited, timed"
_SINGLE: Final = (
    "simulated, platform, region, asn, failure, epoch_ms(start) // 1000 AS t, n, k, n * expected AS due, "
    "if(expected IS NULL, 0, n) AS known, n * ttfb_ms AS waited, if(ttfb_ms IS NULL, 0, n) AS timed"
)


@cache
def _database() -> Any:
    """The one database of this process, which holds nothing: to make one takes as long as a tenth of a query.

    Every query has a cursor of its own, which may be any thread's.
    """
    import duckdb  # noqa: PLC0415  it takes a moment to load

    base = duckdb.connect(":memory:")
    base.execute("SET GLOBAL TimeZone='UTC'")
    return base


def _query_error() -> type[Exception]:
    import duckdb  # noqa: PLC0415  it takes a moment to load

    return cast("type[Exception]", duckdb.Error)


def _whole_hours(start: datetime, end: datetime) -> bool:
    return not any(int(moment.timestamp()) % 3600 for moment in (start, end))


def _query(
    summed: Sequence[str],
    paths: Sequence[str],
    tables: Sequence[pa.Table],
    *,
    start: datetime,
    end: datetime,
    by: By,
    step: int,
    platform: str | None,
    asn: int | None,
    simulated: bool,
) -> list[HistoryRow]:
    """Sum cells by step, name and network; then count every network alike."""
    if not summed and not paths and not tables:
        return []
    given: dict[str, Any] = {
        "begin": int(start.timestamp()),
        "until": int(end.timestamp()),
        "step": step,
        "simulated": simulated,
    }
    with _database().cursor() as base:
        sources = _sources(base, summed, paths, tables, given)
        where = _condition(platform, asn, given)
        rows = base.execute(_statement(sources, where, by), given).fetchall()
    return [_history_row(row, simulated=simulated) for row in rows]


def _sources(
    base: Any,
    summed: Sequence[str],
    paths: Sequence[str],
    tables: Sequence[pa.Table],
    given: dict[str, Any],
) -> list[str]:
    """Return a SELECT for each form in which cells are kept; the files' paths go into `given`."""
    sources = []
    if summed:
        sources.append(f"SELECT {_SUMMED} FROM read_parquet($summed, hive_partitioning=false)")  # noqa: S608
        given["summed"] = list(summed)
    if paths:
        sources.append(f"SELECT {_SINGLE} FROM read_parquet($paths, hive_partitioning=false)")  # noqa: S608
        given["paths"] = list(paths)
    for number, table in enumerate(tables):
        base.register(f"part_{number}", table)
        sources.append(f"SELECT {_SINGLE} FROM part_{number}")  # noqa: S608
    return sources


def _condition(platform: str | None, asn: int | None, given: dict[str, Any]) -> str:
    """Return which cells count; the values themselves go into `given`."""
    where = "platform IS NOT NULL AND simulated = $simulated AND t >= $begin AND t < $until"
    if platform is not None:
        where += " AND platform = $platform"
        given["platform"] = platform
    if asn is not None:
        where += " AND asn = $asn"
        given["asn"] = asn
    return where


def _statement(sources: Sequence[str], where: str, by: By) -> str:
    """Return the query. Only fixed texts and names of this file are put together; values are given apart."""
    return f"""
        WITH cells AS ({" UNION ALL ".join(sources)}),
        sums AS MATERIALIZED (
            SELECT t - t % $step AS step, {_KEYS[by]} AS name, asn, failure, sum(n) AS n, sum(k) AS k,
                sum(due) AS due, sum(known) AS known, sum(waited) AS waited, sum(timed) AS timed
            FROM cells WHERE {where} GROUP BY ALL
        ),
        networks AS (
            SELECT step, name, asn, sum(n) AS n, sum(k) AS k, sum(due) AS due, sum(known) AS known,
                sum(waited) AS waited, sum(timed) AS timed
            FROM sums GROUP BY ALL
        ),
        failures AS (
            SELECT step, name, failure::VARCHAR AS failure, sum(n - k) AS failed
            FROM sums WHERE failure IS NOT NULL GROUP BY ALL
        ),
        topmost AS (SELECT step, name, arg_max(failure, (failed, failure)) AS failure FROM failures GROUP BY ALL)
        SELECT networks.step, networks.name, sum(n), sum(k), avg(k / n) FILTER (n > 0),
            avg(due / known) FILTER (known > 0), sum(waited) / nullif(sum(timed), 0), any_value(topmost.failure),
            sqrt(sum(greatest(0, due / known * (1 - due / known)) / known) FILTER (known > 0))
                / nullif(count(*) FILTER (known > 0), 0)
        FROM networks LEFT JOIN topmost USING (step, name)
        GROUP BY ALL ORDER BY ALL
    """  # noqa: S608


def _history_row(row: Sequence[Any], *, simulated: bool) -> HistoryRow:
    moment, name, n, k, ratio, expected, ttfb, failure, error = row
    return HistoryRow(
        time=datetime.fromtimestamp(moment, UTC),
        name=name,
        n=int(n),
        k=int(k),
        reachability=round(ratio, 4),
        expected=None if expected is None else round(expected, 4),
        ttfb_ms=None if ttfb is None else round(ttfb, 1),
        failure=failure,
        simulated=simulated,
        expected_error=None if error is None else round(error, 4),
    )
