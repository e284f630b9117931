"""Rows: a decoded chunk of probe results by columns, in the order of the log. The whole input of one step.

What is written to the redo log is these columns; what is refused from its bytes alone is counted here and never
reaches a detector. Each record is read by itself: what stands beside it in the chunk changes nothing. Nothing here
knows the time: lateness is judged by the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import repeat, zip_longest
from sys import intern
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from detectors.columns.layout import Pairs
from detectors.readings import MonitorKey
from producers.failures import Failure, Stage
from producers.records import (
    Decoded,
    Malformed,
    Presence,
    ProbeResult,
    Reason,
    Tick,
    Timings,
    VantageStatus,
    decode,
    key_fault,
)
from streams.machine import Chunk, Note

try:
    from streams.step.scanner import Scanner
except ImportError:  # there was no C compiler when it was installed
    Scanner = None  # type: ignore[assignment,misc]

_STAGES: Final = (*Stage, None)
_FAILURES: Final = tuple(Failure)


def _name(stage: Stage | None, failure: Failure) -> str:
    return f"{stage or 'unknown'}.{failure}"


#: Every way to fail, `stage.failure`; code 0 is success. What is kept has the names of its codes with it, so that one
#: more failure may come in anywhere.
MECHANISMS: Final = ("ok", *(_name(stage, failure) for stage in _STAGES for failure in _FAILURES))
_CODE: Final[dict[tuple[Stage | None, Failure | None], int]] = {
    (stage, failure): 1 + i * len(_FAILURES) + j
    for i, stage in enumerate(_STAGES)
    for j, failure in enumerate(_FAILURES)
}
_CODE.update({(stage, None): _CODE[stage, Failure.UNKNOWN_FAILURE] for stage in _STAGES})
_NUMBER: Final = {name: code for code, name in enumerate(MECHANISMS)}
_WRITTEN_CODE: Final = {
    b"%s\0%s\0" % ((stage or "").encode(), (failure or "").encode()): code
    for (stage, failure), code in _CODE.items()
}
_NOT_TIMED: Final = Timings()
#: No number of a monitor.
_UNKNOWN: Final = np.iinfo(np.int64).min
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CONTROL: Final = {None: -1, False: 0, True: 1}

Ints = NDArray[np.int64]
# Of probe results: see `fields`.
Fields = Mapping[str, tuple[Any, ...]]
_Source = tuple[str, str | None, int, str, bool]
_Address = tuple[str, str]  # a platform, and the target of it that was asked ("" where that is not said)
#: Letters of a target that tell monitors apart: what follows is a query, as a rule.
TARGET_LETTERS: Final = 200


@dataclass(slots=True)
class Refusal:
    """A record that is refused, by its place in the chunk."""

    place: int
    reason: Reason
    detail: str


class StatusRow(msgspec.Struct, frozen=True, array_like=True):
    """What a vantage said of itself, and at which place of the chunk. `every_seconds` is 0 if it promises none."""

    place: int
    time_ms: int
    vantage: str
    country: str
    region: str
    asn: int
    up: bool
    every_seconds: float
    targets: int
    version: str


@dataclass(slots=True)
class Rows:
    """One chunk. Columns are parallel, one entry a probe result; `place` is its position among all records.

    A row whose monitor was not known when the chunk was read has the monitor -1 - j: j is its place in `new_monitors`.
    `readings` are the clock readings in the chunk, milliseconds since 1970, by position (`reading_place`).
    `kept` are pieces of the chunk as they came, by the place of their first record: those of which something may be
    refused, and only when the chunk came from a broker or a file (never in the redo log).
    """

    size: int
    next_offset: int
    place: NDArray[np.int32]
    time_ms: Ints
    monitor: NDArray[np.int32]
    ok: NDArray[np.bool_]
    mechanism: NDArray[np.int16]
    control: NDArray[np.int8]
    ttfb_ms: NDArray[np.float32]
    throughput: NDArray[np.float32]
    # Attempts that the row stands for, and how many succeeded.
    count: NDArray[np.int32]
    good: NDArray[np.int32]
    # The promised rhythm; 0: none.
    every_seconds: NDArray[np.float32]
    ids: list[str]
    new_monitors: list[MonitorKey]
    reading_place: NDArray[np.int32]
    reading_ms: Ints
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    statuses: list[StatusRow] = field(default_factory=list)
    kept: list[tuple[int, Chunk]] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether it is sure that nothing of it is refused."""
        return not self.kept

    def encode(self) -> bytes:
        """Write for the redo log (MessagePack; little-endian columns)."""
        columns = [column.write(getattr(self, name)) for name, column in LOGGED.items()]
        stored = StoredRows(
            self.size,
            self.next_offset,
            columns,
            self.ids,
            self.new_monitors,
            len(self.refusals),
            self.notes,
            names_of(self.mechanism),
            self.statuses,
        )
        return msgspec.msgpack.encode(stored)

    @classmethod
    def decode(cls, data: bytes) -> Rows:
        """Read what `encode` wrote. Raises ValueError if it is something else."""
        stored = msgspec.msgpack.decode(data, type=StoredRows)
        columns: dict[str, Any] = {
            name: column.read(raw, len(stored.ids))
            for (name, column), raw in zip_longest(LOGGED.items(), stored.columns[: len(LOGGED)])
        }
        columns["mechanism"] = renumbered(columns["mechanism"], stored.mechanisms)
        gone = [Refusal(-1, Reason.INVALID, "")] * stored.refused
        return cls(
            size=stored.size,
            next_offset=stored.next_offset,
            ids=stored.ids,
            new_monitors=stored.new_monitors,
            refusals=gone,
            notes=stored.notes,
            statuses=stored.statuses,
            **columns,
        )


class Column(NamedTuple):
    """How a column is written. One that was added later has a `fill`: what each result has in a log from before."""

    dtype: type[np.generic]
    fill: float | None = None

    def write(self, values: NDArray[Any]) -> bytes:
        """Little-endian bytes; none where all of it is the fill."""
        if self.fill is not None and (values == self.fill).all():
            return b""
        return np.ascontiguousarray(values).tobytes()

    def read(self, raw: bytes | None, results: int) -> NDArray[Any]:
        """Read what `write` wrote. None or no bytes is the fill for every result. Raises ValueError."""
        if self.fill is not None and not raw:
            return np.full(results, self.fill, dtype=self.dtype)
        if raw is None:
            raise ValueError("a column is missing")
        return np.frombuffer(raw, dtype=self.dtype)


#: What a block and a chunk have of each result, by the names of their columns.
OF_RESULTS: Final = {
    "time_ms": Column(np.int64),
    "monitor": Column(np.int32),
    "ok": Column(np.bool_),
    "mechanism": Column(np.int16),
    "control": Column(np.int8),
    "ttfb_ms": Column(np.float32),
    "throughput": Column(np.float32),
    "count": Column(np.int32, fill=1),
    "good": Column(np.int32),
    "every_seconds": Column(np.float32, fill=0.0),
}
#: The columns in the order in which the redo log has them. It is appended to only: a column that is added to
#: OF_RESULTS has a fill, and comes last here.
LOGGED: Final = {
    "place": Column(np.int32),
    **{name: column for name, column in OF_RESULTS.items() if column.fill is None},
    "reading_place": Column(np.int32),
    "reading_ms": Column(np.int64),
    **{name: column for name, column in OF_RESULTS.items() if column.fill is not None},
}


class StoredRows(msgspec.Struct, array_like=True):
    """A chunk as the redo log has it: appended to only, with defaults. `mechanisms` names the codes that are in it."""

    size: int
    next_offset: int
    columns: list[bytes]
    ids: list[str]
    new_monitors: list[MonitorKey]
    refused: int
    notes: list[Note]
    mechanisms: dict[int, str] = {}
    statuses: list[StatusRow] = []


def names_of(codes: NDArray[Any]) -> dict[int, str]:
    """The names of the mechanisms that these codes stand for, success apart."""
    if not codes.any():
        return {}
    used = np.flatnonzero(np.bincount(codes))
    return {code: MECHANISMS[code] for code in used.tolist() if code}


def renumbered(codes: NDArray[Any], names: Mapping[int, str]) -> NDArray[Any]:
    """The codes that this release has for the mechanisms of which `names` are the names.

    What it has no word for any more is an unknown failure.
    """
    changed = {
        code: _NUMBER.get(name, _CODE[None, None])
        for code, name in names.items()
        if _NUMBER.get(name) != code
    }
    if not changed:
        return codes
    now = np.arange(1 + max(int(codes.max(initial=0)), *changed), dtype=np.int16)
    now[list(changed)] = list(changed.values())
    renamed: NDArray[Any] = now[codes]
    return renamed


class Scanned(NamedTuple):
    """Room for what the scanner reads: see `Scanner.scan`."""

    whole: Ints
    counts: NDArray[np.int32]
    mechanism: NDArray[np.int16]
    flags: NDArray[np.int8]
    measures: NDArray[np.float32]

    @classmethod
    def room(cls, size: int) -> Scanned:
        """Return empty columns for a number of results."""
        return cls(
            np.empty((3, size), dtype=np.int64),
            np.empty((2, size), dtype=np.int32),
            np.empty(size, dtype=np.int16),
            np.empty((2, size), dtype=np.int8),
            np.empty((3, size), dtype=np.float32),
        )

    def only(self, chosen: slice | NDArray[np.bool_]) -> Scanned:
        """Some of the results."""
        columns: list[Any] = [column[..., chosen] for column in self]
        return Scanned(*columns)

    def block(self, ids: list[str], monitor: Ints) -> Block:
        """A block of all of them."""
        return Block(
            size=len(ids),
            others=[],
            new_monitors=[],
            ids=ids,
            time_ms=self.whole[0],
            monitor=monitor.astype(np.int32),
            ok=self.flags[1].view(np.bool_),
            mechanism=self.mechanism,
            control=self.flags[0],
            ttfb_ms=self.measures[0],
            throughput=self.measures[1],
            count=self.counts[0],
            good=self.counts[1],
            every_seconds=self.measures[2],
        )


@dataclass(slots=True)
class Block:
    """Some consecutive records by columns: probe results here, `others` apart, by their place among the records.

    `new_monitors` are those that were first seen here; their numbers go on from those of the blocks before.
    """

    size: int
    others: list[tuple[int, Malformed | Tick | VantageStatus]]
    new_monitors: list[MonitorKey]
    ids: Sequence[str]
    time_ms: Ints
    monitor: NDArray[np.int32]
    ok: NDArray[np.bool_]
    mechanism: NDArray[np.int16]
    control: NDArray[np.int8]
    ttfb_ms: NDArray[np.float32]
    throughput: NDArray[np.float32]
    count: NDArray[np.int32]
    good: NDArray[np.int32]
    every_seconds: NDArray[np.float32]

    def refusing(self, places: Sequence[int], reason: Reason, details: Sequence[str]) -> Block:
        """Return a block in which some more records are refused. A record keeps the first reason for its refusal."""
        others = dict(self.others)
        for place, detail in zip(places, details, strict=True):
            if not isinstance(others.get(place), Malformed | Tick):
                others[place] = Malformed(reason, detail)
        of_results = np.delete(np.arange(self.size), [place for place, _ in self.others])
        kept = np.flatnonzero(~np.isin(of_results, places))
        ids = [self.ids[row] for row in kept.tolist()]
        columns: dict[str, Any] = {name: getattr(self, name)[kept] for name in OF_RESULTS}
        return Block(
            self.size, sorted(others.items(), key=lambda item: item[0]), self.new_monitors, ids, **columns
        )


def compiled() -> bool:
    """Whether results in their plain form can be read by `streams.step.scanner`, five times as fast."""
    return Scanner is not None


class RowReader:
    """Turns records into columns.

    It knows the numbers of the monitors that it was taught (`learn`). Those that it meets beside them get numbers of
    their own, below zero, until the chunk is over (`begin`): who is let in is for the step to say.

    With `scan` what is plain is read by compiled code, where there is any; without, all is. The columns are the same.
    """

    def __init__(self, *, scan: bool = True) -> None:
        # A source is known by its fields, or by their bytes where it is looked up by what stands in a record.
        self._sources: dict[Any, int] = {}
        self._addresses: dict[Any, int] = {}
        self._monitors = Pairs()  # (source, address)
        # Of this chunk alone: the monitors met and not taught, and the names that only they have.
        self._new: dict[MonitorKey, int] = {}
        self._new_pairs = Pairs()
        self._new_sources: list[Any] = []
        self._new_addresses: list[Any] = []
        self._scanner = (
            Scanner(_WRITTEN_CODE, self._sources, self._addresses) if scan and compiled() else None
        )

    def learn(self, monitors: Sequence[MonitorKey]) -> Ints:
        """Know these monitors from now on; returns their numbers, which go on from those known so far."""
        self.begin()
        sources, addresses = self._sources, self._addresses
        return self._monitors.numbers(
            *self._parts_of(
                monitors,
                lambda name: sources.setdefault(name, len(sources)),
                lambda name: addresses.setdefault(name, len(addresses)),
            )
        )

    def numbers_of(self, monitors: Sequence[MonitorKey]) -> Ints:
        """The numbers of some monitors; -1 for one that is not known."""
        return self._monitors.find(
            *self._parts_of(
                monitors, lambda name: self._sources.get(name, -1), lambda name: self._addresses.get(name, -1)
            )
        )

    def _parts_of(
        self,
        monitors: Sequence[MonitorKey],
        of_source: Callable[[Any], int],
        of_address: Callable[[Any], int],
    ) -> tuple[Ints, Ints]:
        """The numbers of their sources, and of their addresses."""
        sources = self._source_names(
            (monitor.country, monitor.region or None, *monitor[3:6]) for monitor in monitors
        )
        addresses = self._address_names((monitor.platform, monitor.target) for monitor in monitors)
        return (
            np.array(list(map(of_source, sources)), dtype=np.int64),
            np.array(list(map(of_address, addresses)), dtype=np.int64),
        )

    def fresh(self) -> RowReader:
        """Return a reader of the same kind that knows no monitors yet."""
        return RowReader(scan=self._scanner is not None)

    def begin(self) -> None:
        """Forget the monitors that were met and not taught: another chunk begins."""
        # Their names came last, so that the numbers of the others go on as if they had never been there.
        for name in self._new_sources:
            del self._sources[name]
        for name in self._new_addresses:
            del self._addresses[name]
        self._new, self._new_pairs, self._new_sources, self._new_addresses = {}, Pairs(), [], []

    def _meet(self, monitors: Sequence[MonitorKey]) -> None:
        """Know some monitors for the rest of the chunk, so that their next results are read at once."""
        sources, addresses = self._sources, self._addresses

        def source(name: Any) -> int:
            if name not in sources:
                sources[name] = len(sources)
                self._new_sources.append(name)
            return sources[name]

        def address(name: Any) -> int:
            if name not in addresses:
                addresses[name] = len(addresses)
                self._new_addresses.append(name)
            return addresses[name]

        self._new_pairs.numbers(*self._parts_of(monitors, source, address))

    def _find(self, source: Ints, address: Ints) -> Ints:
        """Return each monitor's number: below zero if it is of this chunk alone, _UNKNOWN if it is not known."""
        monitor = self._monitors.find(source, address)
        if (monitor < 0).any():
            new = self._new_pairs.find(source, address)
            monitor = np.where(monitor >= 0, monitor, np.where(new >= 0, -1 - new, _UNKNOWN))
        return monitor

    def _source_names(self, sources: Iterable[_Source]) -> Iterable[Any]:
        return sources if self._scanner is None else map(_written_source, sources)

    def _address_names(self, addresses: Iterable[_Address]) -> Iterable[Any]:
        return addresses if self._scanner is None else map(_written_address, addresses)

    def read(self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Block:
        """Decode records, and put them into columns. With `keys` each has to stand under its country's."""
        if self._scanner is None:
            return self.block(_judged(values, keys, range(len(values))))
        ids: list[str] = []
        scanned = Scanned.room(len(values))
        left: list[int] = self._scanner.scan(values, keys, ids, *scanned)
        scanned = scanned.only(slice(len(ids)))
        monitor = self._find(scanned.whole[1], scanned.whole[2])
        if (monitor == _UNKNOWN).any():
            # Its source and its address are known, and not that the one asks the other.
            place = np.delete(np.arange(len(values)), left)
            known = monitor != _UNKNOWN
            left = sorted([*left, *place[~known].tolist()])
            ids = [ids[i] for i in np.flatnonzero(known).tolist()]
            scanned, monitor = scanned.only(known), monitor[known]
        block = scanned.block(ids, monitor)
        return self._with_left(block, values, keys, left) if left else block

    def _with_left(
        self,
        scanned: Block,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None,
        left: Sequence[int],
    ) -> Block:
        """What compiled code has read, and what it has left, read one by one, in their order."""
        rest = self.block(_judged(values, keys, left))
        elsewhere = [left[place] for place, _ in rest.others]
        others = [(place, record) for place, (_, record) in zip(elsewhere, rest.others, strict=True)]
        if not rest.ids:
            scanned.size, scanned.others = len(values), others
            return scanned
        places = np.concatenate(
            (np.delete(np.arange(len(values)), left), np.setdiff1d(left, elsewhere, assume_unique=True))
        )
        order = np.argsort(places, kind="stable")
        ids = [*scanned.ids, *rest.ids]
        columns: dict[str, Any] = {
            name: np.concatenate((getattr(scanned, name), getattr(rest, name)))[order] for name in OF_RESULTS
        }
        return Block(
            size=len(values),
            others=others,
            new_monitors=rest.new_monitors,
            ids=[ids[i] for i in order.tolist()],
            **columns,
        )

    def block(self, decoded: Sequence[Decoded]) -> Block:
        """Put decoded records into columns."""
        results, others = _apart(decoded)
        of = fields(results)
        before = len(self._new)
        monitor = self._look_up(of)
        for row in np.flatnonzero(monitor == _UNKNOWN).tolist():
            key = _monitor_key(results[row])
            monitor[row] = -1 - self._new.setdefault(key, len(self._new))
        if len(self._new) > before:
            self._meet(list(self._new)[before:])
        ttfb, throughput = measures(of)
        ok = np.array(of["ok"], dtype=np.bool_)
        count = _counts(of["count"])
        return Block(
            size=len(decoded),
            others=others,
            new_monitors=list(self._new)[before:],
            ids=of["id"],
            time_ms=times(of["time"]),
            monitor=monitor.astype(np.int32),
            ok=ok,
            mechanism=mechanism_codes(of, ok),
            control=control_codes(of),
            ttfb_ms=ttfb,
            throughput=throughput,
            count=count,
            good=_goods(of["good"], ok, count),
            every_seconds=np.array([seconds or 0.0 for seconds in of["every_seconds"]], dtype=np.float32),
        )

    def _look_up(self, of: Fields) -> Ints:
        """The number of each result's monitor, as `_find` has it."""
        unknown = repeat(-1)
        sources = zip(of["country"], of["region"], of["asn"], of["vantage"], of["simulated"], strict=True)
        names = self._address_names(_addresses(of))
        return self._find(
            np.array(list(map(self._sources.get, self._source_names(sources), unknown)), dtype=np.int64),
            np.array(list(map(self._addresses.get, names, unknown)), dtype=np.int64),
        )


def _judged(
    values: Sequence[bytes | None], keys: Sequence[bytes | None] | None, places: Sequence[int]
) -> list[Decoded]:
    """The records at some places, or why they are refused."""
    records = [decode(values[place]) for place in places]
    if keys is None:
        return records
    return [key_fault(record, keys[place]) or record for place, record in zip(places, records, strict=True)]


def fields(results: Sequence[ProbeResult]) -> Fields:
    """What is in each field of the results, by its name: to turn all around at once costs as much as two attributes."""
    if not results:
        return dict.fromkeys(ProbeResult.__struct_fields__, ())
    return dict(zip(ProbeResult.__struct_fields__, zip(*map(astuple, results), strict=True), strict=True))


def _monitor_key(result: ProbeResult) -> MonitorKey:
    return MonitorKey(
        intern(result.platform),
        intern(result.country),
        result.region or "",
        result.asn,
        intern(result.vantage),
        result.simulated,
        intern((result.target or "")[:TARGET_LETTERS]),
    )


def _addresses(of: Fields) -> Iterator[_Address]:
    targets = of["target"]
    if targets.count(None) == len(targets):
        return zip(of["platform"], repeat(""), strict=False)
    return zip(of["platform"], [(target or "")[:TARGET_LETTERS] for target in targets], strict=True)


def _written_address(address: _Address) -> bytes:
    """The name of an address for `streams.step.scanner`."""
    return "\0".join(address).encode()


def _written_source(source: _Source) -> bytes:
    """The name of a source for `streams.step.scanner`."""
    country, region, asn, vantage, simulated = source
    return f"{country}\0{region or ''}\0{asn}\0{vantage}\0{simulated:d}".encode()


def _apart(
    records: Sequence[Decoded],
) -> tuple[Sequence[ProbeResult], list[tuple[int, Malformed | Tick | VantageStatus]]]:
    """The results, and whatever else is there by its place."""
    others = [(place, record) for place, record in enumerate(records) if not isinstance(record, ProbeResult)]
    if not others:
        return cast(Sequence[ProbeResult], records), []
    return [record for record in records if isinstance(record, ProbeResult)], others


def times(moments: Sequence[datetime]) -> Ints:
    """When each attempt began, milliseconds since 1970."""
    seconds = np.array(list(map(datetime.timestamp, moments)), dtype=np.float64)
    # Microseconds are whole in a float until the year 2255; a millisecond is over when it is whole.
    return np.rint(seconds * 1e6).astype(np.int64) // 1000


def measures(of: Fields) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Time to first byte (ms) and throughput (body bytes a second) of each result; NaN where not measured."""
    timings = [timing or _NOT_TIMED for timing in of["timings_ms"]]
    return _speeds(
        _numbers([t.ttfb for t in timings]), _numbers([t.total for t in timings]), _numbers(of["bytes"])
    )


def _speeds(
    ttfb: NDArray[np.float64], total: NDArray[np.float64], size: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    transfer = total - ttfb
    # Below a millisecond of transfer the quotient is the clock's grain, not the path's speed.
    flowing = (size > 0) & (transfer >= 1.0)
    throughput = np.full(len(size), np.nan)
    np.divide(size, transfer, out=throughput, where=flowing)
    return ttfb.astype(np.float32), (throughput * 1000.0).astype(np.float32)


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    """An array of them; NaN for None."""
    try:
        return np.fromiter(cast(Sequence[float], values), np.float64, len(values))
    except TypeError:  # half as fast, and it knows None
        return np.array(values, dtype=np.float64)


def _counts(counts: Sequence[Any]) -> NDArray[np.int32]:
    """Return how many attempts each result stands for, 1 if it does not say."""
    return np.array([count or 1 for count in counts], dtype=np.int32)


def _goods(goods: Sequence[Any], ok: NDArray[np.bool_], count: NDArray[np.int32]) -> NDArray[np.int32]:
    """How many of these succeeded: all or none where a result does not say (`producers.records.good_of`)."""
    good = np.where(ok, count, 0).astype(np.int32)
    for row, given in enumerate(goods):
        if isinstance(given, int):
            good[row] = given
    return good


def mechanism_codes(of: Fields, ok: NDArray[np.bool_]) -> NDArray[np.int16]:
    """0 for success, else the code of `stage.failure` (an index into MECHANISMS)."""
    codes = np.zeros(len(ok), dtype=np.int16)
    stage, failure = of["stage"], of["failure"]
    for i in np.flatnonzero(~ok).tolist():
        codes[i] = _CODE[stage[i], failure[i]]
    return codes


def control_codes(of: Fields) -> NDArray[np.int8]:
    """-1 not known, 0 the control failed too, 1 the control was fine."""
    answers = of["control_ok"]
    if answers.count(True) == len(answers):
        return np.ones(len(answers), dtype=np.int8)
    return np.array([_CONTROL[answer] for answer in answers], dtype=np.int8)


def joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """The parts of a column, one after the other."""
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def refusal(place: int, malformed: Malformed) -> Refusal:
    """A record refused for its bytes."""
    return Refusal(place, malformed.reason, malformed.detail)


def status_row(place: int, status: VantageStatus) -> StatusRow:
    """A vantage's word on itself, as the step takes it."""
    return StatusRow(
        place,
        (status.time - _EPOCH) // _MILLISECOND,
        status.vantage,
        status.country,
        status.region or "",
        status.asn,
        status.status is Presence.UP,
        status.every_seconds or 0.0,
        status.targets or 0,
        status.version or "",
    )
