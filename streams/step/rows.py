"""Rows: a decoded chunk of probe results by columns, in the order of the log. The whole input of one step.

What is written to the redo log is these columns; what is refused from its bytes alone is counted here and never
reaches a detector. Each record is read by itself: what stands beside it in the chunk changes nothing. Nothing here
knows the time: lateness is judged by the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import repeat, zip_longest
from sys import intern
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from detectors.columns.layout import Pairs
from detectors.columns.table import ranks
from detectors.readings import MonitorKey
from producers.failures import Failure, Stage
from producers.records import (
    Decoded,
    Malformed,
    ProbeResult,
    Reason,
    Tick,
    Timings,
    VantagePresence,
    VantageStatus,
    decode,
    key_fault,
    may_be_asked,
    may_measure,
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


# A 503 and a 404 are different calls: these statuses are ways to fail of their own.
_STATUSES: Final = range(300, 600)
_BY_STATUS: Final = _name(Stage.HTTP, Failure.HTTP_UNEXPECTED_STATUS_CODE)
#: Every way to fail, `stage.failure`, or `stage.failure:status`; code 0 is success. What is kept has the names of its
#: codes with it, so that one more failure may come in anywhere.
MECHANISMS: Final = (
    "ok",
    *(_name(stage, failure) for stage in _STAGES for failure in _FAILURES),
    *(f"{_BY_STATUS}:{status}" for status in _STATUSES),
)
_CODE: Final[dict[tuple[Stage | None, Failure | None], int]] = {
    (stage, failure): 1 + i * len(_FAILURES) + j
    for i, stage in enumerate(_STAGES)
    for j, failure in enumerate(_FAILURES)
}
_CODE.update({(stage, None): _CODE[stage, Failure.UNKNOWN_FAILURE] for stage in _STAGES})
_NUMBER: Final = {name: code for code, name in enumerate(MECHANISMS)}
_UNEXPECTED_STATUS: Final = _NUMBER[_BY_STATUS]
_FIRST_STATUS: Final = _NUMBER[f"{_BY_STATUS}:{_STATUSES.start}"]
_WRITTEN_CODE: Final = {
    b"%s\0%s\0" % ((stage or "").encode(), (failure or "").encode()): code
    for (stage, failure), code in _CODE.items()
}
#: So many names are held at once while monitors are named.
_READ_MAX: Final = 4096
# A body that is there so soon came with the first flight, or nearly: what it took more or less is chance.
_TRANSFER_LEAST_MS: Final = 10.0
_NOT_TIMED: Final = Timings()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CONTROL: Final = {None: -1, False: 0, True: 1}

Ints = NDArray[np.int64]
# Of probe results: see `fields`.
Fields = Mapping[str, tuple[Any, ...]]
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
    signed: bool = False


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
    # The speed as a share of the control's; below 0: not measured.
    contrast: NDArray[np.float32]
    ids: list[str]
    new_monitors: list[MonitorKey]
    reading_place: NDArray[np.int32]
    reading_ms: Ints
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    statuses: list[StatusRow] = field(default_factory=list)
    kept: list[tuple[int, Chunk]] = field(default_factory=list)
    # Whether a registered vantage signed it; empty: none is signed.
    signed: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    # The last sequence of each key in the chunk.
    sequences: dict[str, int] = field(default_factory=dict)

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
            self.sequences,
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
            sequences=stored.sequences,
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
    "contrast": Column(np.float32, fill=-1.0),
}
#: The columns in the order in which the redo log has them. It is appended to only: a column that is added to
#: OF_RESULTS has a fill, and comes last here.
LOGGED: Final = {
    "place": Column(np.int32),
    **{name: column for name, column in OF_RESULTS.items() if column.fill is None},
    "reading_place": Column(np.int32),
    "reading_ms": Column(np.int64),
    **{name: OF_RESULTS[name] for name in ("count", "every_seconds")},
    "signed": Column(np.bool_, fill=0),
    "contrast": OF_RESULTS["contrast"],
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
    sequences: dict[str, int] = {}


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
            np.empty((4, size), dtype=np.float32),
        )

    def only(self, chosen: slice | NDArray[np.bool_]) -> Scanned:
        """Some of the results."""
        columns: list[Any] = [column[..., chosen] for column in self]
        return Scanned(*columns)

    def merged(self, rest: Scanned, order: Ints) -> Scanned:
        """These results and others, in an order of all of them."""
        columns: list[Any] = [
            np.concatenate([mine, others], axis=-1)[..., order]
            for mine, others in zip(tuple(self), tuple(rest), strict=True)
        ]
        return Scanned(*columns)


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
    contrast: NDArray[np.float32]

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
    """Whether results can be read by `streams.step.scanner`, five times as fast."""
    return Scanner is not None


class _Names:
    """Numbers for names, from 0. Those that nobody learned are taken back (`drop`)."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._learned = 0

    def __getitem__(self, number: int) -> bytes:
        return self._names[number]

    def number(self, name: bytes) -> int:
        """The number of a name; one never seen gets the next."""
        number = self.numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def find(self, name: bytes) -> int:
        """The number of a name, -1 for an unknown one."""
        return self.numbers.get(name, -1)

    def learn(self) -> None:
        """Keep the names met so far."""
        self._learned = len(self._names)

    def drop(self) -> None:
        """Forget those that were met since."""
        # They came last, so that the numbers of the others go on as if they had never been there.
        for name in self._names[self._learned :]:
            del self.numbers[name]
        del self._names[self._learned :]


class RowReader:
    """Turns records into columns.

    It knows the numbers of the monitors that it was taught (`learn`). Those that it meets beside them get numbers of
    their own, below zero, until the chunk is over (`begin`): who is let in is for the step to say.

    With `scan` results are read by compiled code, where there is any; what is refused, and oddities, by
    `producers.records.decode`. Without, all is. The columns are the same.
    """

    def __init__(self, *, scan: bool = True) -> None:
        # A source is where results come from, an address whom they ask; a monitor is a pair of these.
        self._sources, self._addresses = _Names(), _Names()
        self._monitors = Pairs()
        self._new_pairs = Pairs()  # of this chunk alone, met and not taught
        self._scanner = (
            Scanner(
                _WRITTEN_CODE,
                (_UNEXPECTED_STATUS, _FIRST_STATUS),
                self._sources.numbers,
                self._addresses.numbers,
                self._meet_source,
                self._meet_address,
            )
            if scan and compiled()
            else None
        )

    def _meet_source(self, name: bytes) -> int:
        country, region, _, vantage, _ = name.decode().split("\0")
        return self._sources.number(name) if may_measure(country, region or None, vantage) else -1

    def _meet_address(self, name: bytes) -> int:
        platform, _, target = name.decode().partition("\0")
        return self._addresses.number(name) if may_be_asked(platform, target) else -1

    def learn(self, monitors: Sequence[MonitorKey]) -> Ints:
        """Know these monitors from now on; returns their numbers, which go on from those known so far."""
        self.begin()
        numbers = self._monitors.numbers(*_parts_of(monitors, self._sources.number, self._addresses.number))
        self._sources.learn()
        self._addresses.learn()
        return numbers

    def named(self, numbers: Ints) -> Iterator[MonitorKey]:
        """The monitors that have these numbers, one at a time: nobody holds them all."""
        return self._keys(*(part.tolist() for part in self._monitors.of(numbers)))

    def _keys(self, sources: Sequence[int], addresses: Sequence[int]) -> Iterator[MonitorKey]:
        """The monitors of these sources and addresses. A vantage watches several platforms: it is read once for all."""
        read: dict[int, tuple[str, str, int, str, bool]] = {}
        asked: dict[int, tuple[str, str]] = {}
        for source, address in zip(sources, addresses, strict=True):
            if (whose := read.get(source)) is None:
                if len(read) >= _READ_MAX:
                    read.clear()
                whose = read[source] = _source(self._sources[source])
            if (what := asked.get(address)) is None:
                if len(asked) >= _READ_MAX:
                    asked.clear()
                what = asked[address] = _address(self._addresses[address])
            country, region, asn, vantage, simulated = whose
            platform, target = what
            yield MonitorKey(platform, country, region, asn, vantage, simulated, target)

    def ordered(self, numbers: Ints) -> Ints:
        """Some numbers, in the order of their monitors' keys."""
        source, address = self._monitors.of(numbers)
        sources, of_source = np.unique(source, return_inverse=True)
        addresses, of_address = np.unique(address, return_inverse=True)
        written = (self._sources[number].decode().split("\0") for number in sources.tolist())
        country, region, asn, vantage, simulated = (
            ranks(part)[of_source]
            for part in zip(*((c, r, int(asn), v, s) for c, r, asn, v, s in written), strict=True)
        )
        asked = (self._addresses[number].decode().partition("\0") for number in addresses.tolist())
        platform, _, target = (ranks(part)[of_address] for part in zip(*asked, strict=True))
        # As in `MonitorKey`, turned round: what weighs most comes last.
        order = np.lexsort((target, simulated, vantage, asn, region, country, platform))
        return np.asarray(numbers[order])

    def numbers_of(self, monitors: Sequence[MonitorKey]) -> Ints:
        """The numbers of some monitors; -1 for one that is not known."""
        return self._monitors.find(*_parts_of(monitors, self._sources.find, self._addresses.find))

    def fresh(self) -> RowReader:
        """Return a reader of the same kind that knows no monitors yet."""
        return RowReader(scan=self._scanner is not None)

    def begin(self) -> None:
        """Forget the monitors that were met and not taught: another chunk begins."""
        self._sources.drop()
        self._addresses.drop()
        if len(self._new_pairs):
            self._new_pairs = Pairs()

    def read(self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Block:
        """Decode records, and put them into columns. With `keys` each has to stand under its country's."""
        if self._scanner is None:
            return self.block(_judged(values, keys, range(len(values))))
        ids: list[str] = []
        scanned = Scanned.room(len(values))
        left: list[int] = self._scanner.scan(values, keys, ids, *scanned)
        scanned = scanned.only(slice(len(ids)))
        if not left:
            return self._block(len(values), [], ids, scanned)
        results, others = _apart(_judged(values, keys, left))
        others = [(left[place], record) for place, record in others]
        if results:
            elsewhere = [place for place, _ in others]
            read_there = np.delete(np.arange(len(values)), left)
            order = np.argsort(
                np.concatenate((read_there, np.setdiff1d(left, elsewhere, assume_unique=True))), kind="stable"
            )
            of = fields(results)
            every_id = [*ids, *of["id"]]
            ids = [every_id[i] for i in order.tolist()]
            scanned = scanned.merged(self._columns(of), order)
        return self._block(len(values), others, ids, scanned)

    def block(self, decoded: Sequence[Decoded]) -> Block:
        """Put decoded records into columns."""
        results, others = _apart(decoded)
        of = fields(results)
        return self._block(len(decoded), others, of["id"], self._columns(of))

    def _columns(self, of: Fields) -> Scanned:
        """Put results into the columns that compiled code fills."""
        sources = zip(of["country"], of["region"], of["asn"], of["vantage"], of["simulated"], strict=True)
        names = [self._sources.number(_source_name(*source)) for source in sources]
        asked = [self._addresses.number(_address_name(*address)) for address in _addresses(of)]
        ok = np.array(of["ok"], dtype=np.bool_)
        count = _counts(of["count"])
        every = np.array([seconds or 0.0 for seconds in of["every_seconds"]], dtype=np.float32)
        return Scanned(
            np.array((times(of["time"]), names, asked), dtype=np.int64),
            np.array((count, _goods(of["good"], ok, count))),
            mechanism_codes(of, ok),
            np.array((control_codes(of), ok), dtype=np.int8),
            np.array((*measures(of), every, contrasts(of))),
        )

    def _block(
        self,
        size: int,
        others: list[tuple[int, Malformed | Tick | VantageStatus]],
        ids: Sequence[str],
        columns: Scanned,
    ) -> Block:
        before = len(self._new_pairs)
        monitor = self._number(columns.whole[1], columns.whole[2])
        return Block(
            size=size,
            others=others,
            new_monitors=self._named(slice(before, None)) if len(self._new_pairs) > before else [],
            ids=ids,
            time_ms=columns.whole[0],
            monitor=monitor.astype(np.int32),
            ok=columns.flags[1].view(np.bool_),
            mechanism=columns.mechanism,
            control=columns.flags[0],
            ttfb_ms=columns.measures[0],
            throughput=columns.measures[1],
            count=columns.counts[0],
            good=columns.counts[1],
            every_seconds=columns.measures[2],
            contrast=columns.measures[3],
        )

    def _number(self, source: Ints, address: Ints) -> Ints:
        """Return each monitor's number, which is below zero if it is of this chunk alone."""
        monitor = self._monitors.find(source, address)
        new = np.flatnonzero(monitor < 0)
        if len(new):
            monitor[new] = -1 - self._new_pairs.numbers(source[new], address[new])
        return monitor

    def _named(self, chosen: slice) -> list[MonitorKey]:
        """Some of the monitors of this chunk alone, in the order in which they were met."""
        pairs = self._new_pairs
        return list(self._keys(pairs.left[chosen].tolist(), pairs.right(chosen).tolist()))


def _parts_of(
    monitors: Sequence[MonitorKey], of_source: Callable[[bytes], int], of_address: Callable[[bytes], int]
) -> tuple[Ints, Ints]:
    """The numbers of the sources of some monitors, and of their addresses."""
    # A vantage watches several platforms: its name is put together once for all of them.
    named: dict[tuple[str, str, int, str, bool], int] = {}
    asked: dict[tuple[str, str], int] = {}
    sources, addresses = [], []
    for platform, country, region, asn, vantage, simulated, target in monitors:
        whose, what = (country, region, asn, vantage, simulated), (platform, target)
        if whose not in named:
            named[whose] = of_source(_source_name(*whose))
        if what not in asked:
            asked[what] = of_address(_address_name(*what))
        sources.append(named[whose])
        addresses.append(asked[what])
    return np.array(sources, dtype=np.int64), np.array(addresses, dtype=np.int64)


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


def _source(name: bytes) -> tuple[str, str, int, str, bool]:
    """Country, region, network, vantage and whether simulated, of a source's name."""
    country, region, asn, vantage, simulated = name.decode().split("\0")
    return intern(country), region, int(asn), intern(vantage), simulated == "1"


def _address(name: bytes) -> tuple[str, str]:
    """Platform and target of an address's name."""
    platform, _, target = name.decode().partition("\0")
    return intern(platform), intern(target)


def _addresses(of: Fields) -> Iterator[_Address]:
    targets = of["target"]
    if targets.count(None) == len(targets):
        return zip(of["platform"], repeat(""), strict=False)
    return zip(of["platform"], [(target or "")[:TARGET_LETTERS] for target in targets], strict=True)


def _address_name(platform: str, target: str) -> bytes:
    """The name of an address, as `streams.step.scanner` has it."""
    return f"{platform}\0{target}".encode()


def _source_name(country: str, region: str | None, asn: int, vantage: str, simulated: bool) -> bytes:
    """The name of a source, as `streams.step.scanner` has it."""
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
    np.divide(size, np.maximum(transfer, _TRANSFER_LEAST_MS), out=throughput, where=flowing)
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
    """0 for success, else the code of `stage.failure`, or of its status (an index into MECHANISMS)."""
    codes = np.zeros(len(ok), dtype=np.int16)
    stage, failure, status = of["stage"], of["failure"], of["status"]
    for i in np.flatnonzero(~ok).tolist():
        code = _CODE[stage[i], failure[i]]
        if code == _UNEXPECTED_STATUS and status[i] in _STATUSES:
            code = _FIRST_STATUS + status[i] - _STATUSES.start
        codes[i] = code
    return codes


def control_codes(of: Fields) -> NDArray[np.int8]:
    """-1 not known, 0 the control failed too, 1 the control was fine."""
    answers = of["control_ok"]
    if answers.count(True) == len(answers):
        return np.ones(len(answers), dtype=np.int8)
    return np.array([_CONTROL[answer] for answer in answers], dtype=np.int8)


def contrasts(of: Fields) -> NDArray[np.float32]:
    """Speeds as a share of their controls'; below 0 where that was not measured."""
    return np.array(
        [-1.0 if not ratio and ratio != 0 else ratio for ratio in of["speed_ratio"]], dtype=np.float32
    )


def joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """The parts of a column, one after the other."""
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def parted(
    rows: Rows, mine: NDArray[np.bool_], statuses: Sequence[bool], names: Sequence[MonitorKey]
) -> tuple[Rows, Rows]:
    """Part a chunk in two: the results that are chosen, and the others, of which all monitors are as if new.

    `statuses` says which of the vantages' words are chosen, `names` has the monitors that are known, by their number.
    What is refused already stays with the first.
    """
    theirs = np.flatnonzero(~mine)
    fresh, which = np.unique(rows.monitor[theirs], return_inverse=True)
    new = [named(code, names, rows.new_monitors) for code in fresh.tolist()]
    chosen = np.flatnonzero(mine)
    columns = ("place", "monitor", *(name for name in OF_RESULTS if name != "monitor"))
    signed = rows.signed if len(rows.signed) else np.zeros(len(mine), dtype=np.bool_)
    first = replace(
        rows,
        ids=[rows.ids[i] for i in chosen.tolist()],
        statuses=[one for one, good in zip(rows.statuses, statuses, strict=True) if good],
        signed=signed[chosen],
        **{name: getattr(rows, name)[chosen] for name in columns},
    )
    second = replace(
        rows,
        ids=[rows.ids[i] for i in theirs.tolist()],
        new_monitors=new,
        refusals=[],
        statuses=[one for one, good in zip(rows.statuses, statuses, strict=True) if not good],
        signed=signed[theirs],
        **{name: getattr(rows, name)[theirs] for name in columns if name != "monitor"},
        monitor=(-1 - which.ravel()).astype(np.int32),
    )
    return first, second


def without_results(rows: Rows) -> Rows:
    """A chunk's clock readings and notes alone."""
    none = slice(0)
    columns: dict[str, Any] = {name: getattr(rows, name)[none] for name in ("place", *OF_RESULTS)}
    return replace(
        rows, ids=[], new_monitors=[], refusals=[], statuses=[], signed=rows.signed[none], **columns
    )


def named(number: int, known: Sequence[MonitorKey], new: Sequence[MonitorKey]) -> MonitorKey:
    """The monitor of a number, which is below zero if it is of this chunk alone."""
    return known[number] if number >= 0 else new[-1 - number]


def refusal(place: int, malformed: Malformed) -> Refusal:
    """A record refused for its bytes."""
    return Refusal(place, malformed.reason, malformed.detail)


def status_row(place: int, status: VantageStatus, *, signed: bool = False) -> StatusRow:
    """A vantage's word on itself, as the step takes it."""
    return StatusRow(
        place,
        (status.time - _EPOCH) // _MILLISECOND,
        status.vantage,
        status.country,
        status.region or "",
        status.asn,
        status.status is VantagePresence.UP,
        status.every_seconds or 0.0,
        status.targets or 0,
        status.version or "",
        signed,
    )
