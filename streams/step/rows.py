"""Rows: a decoded chunk of probe results by columns, in the order of the log. The whole input of one step.

What is written to the redo log is these columns; what is refused from its bytes alone is counted here and never
reaches a detector. Nothing here knows the time: lateness is judged by the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
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
    ProbeResult,
    Reason,
    Tick,
    Timings,
    decode,
    draft_chunk,
    plainly_good,
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
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_0: Final = date(1970, 1, 1).toordinal()
_CONTROL: Final = {None: -1, False: 0, True: 1}

Ints = NDArray[np.int64]
Fields = Mapping[str, tuple[Any, ...]]  # of probe results: see `fields`
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


@dataclass(slots=True)
class Rows:
    """One chunk. Columns are parallel, one entry a probe result; `place` is its position among all records.

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
    ids: list[str]
    new_monitors: list[MonitorKey]
    reading_place: NDArray[np.int32]
    reading_ms: Ints
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
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
        )
        return msgspec.msgpack.encode(stored)

    @classmethod
    def decode(cls, data: bytes) -> Rows:
        """Read what `encode` wrote. Raises ValueError where it is something else."""
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
        """What `write` wrote; None, and nothing, is the fill for each of so many results. Raises ValueError."""
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


def names_of(codes: NDArray[Any]) -> dict[int, str]:
    """The names of the mechanisms that these codes stand for, success apart."""
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


@dataclass(slots=True)
class Block:
    """Some consecutive records by columns: probe results here, `others` apart, by their place among the records."""

    size: int
    others: list[tuple[int, Malformed | Tick]]
    new_monitors: list[MonitorKey]
    ids: Sequence[str]
    time_ms: Ints
    monitor: NDArray[np.int32]
    ok: NDArray[np.bool_]
    mechanism: NDArray[np.int16]
    control: NDArray[np.int8]
    ttfb_ms: NDArray[np.float32]
    throughput: NDArray[np.float32]


def compiled() -> bool:
    """Whether results in their plain form can be read by `streams.step.scanner`, five times as fast."""
    return Scanner is not None


class RowReader:
    """Turns records into columns, and numbers the monitors as they are first seen.

    With `scan` what is plain is read by compiled code, where there is any; without, all is. The columns are the same.
    """

    def __init__(self, *, scan: bool = True) -> None:
        # A source is known by its fields, or by their bytes where it is looked up by what stands in a record.
        self._sources: dict[Any, int] = {}
        self._addresses: dict[Any, int] = {}
        self._monitors = Pairs()  # (source, address)
        self._scanner = (
            Scanner(_WRITTEN_CODE, self._sources, self._addresses) if scan and compiled() else None
        )

    def learn(self, monitors: Sequence[MonitorKey]) -> None:
        """Take monitors in that a restored batch brings, in their order."""
        self._numbers(
            [
                ((monitor.platform, monitor.target), (monitor.country, monitor.region or None, *monitor[3:6]))
                for monitor in monitors
            ]
        )

    def _numbers(self, monitors: Sequence[tuple[_Address, _Source]]) -> Ints:
        sources, addresses = self._sources, self._addresses
        of_monitors = self._source_names(source for _, source in monitors)
        on = self._address_names(address for address, _ in monitors)
        return self._monitors.numbers(
            np.array([sources.setdefault(source, len(sources)) for source in of_monitors], dtype=np.int64),
            np.array([addresses.setdefault(name, len(addresses)) for name in on], dtype=np.int64),
        )

    def _source_names(self, sources: Iterable[_Source]) -> Iterable[Any]:
        return sources if self._scanner is None else map(_written_source, sources)

    def _address_names(self, addresses: Iterable[_Address]) -> Iterable[Any]:
        return addresses if self._scanner is None else map(_written_address, addresses)

    def read(self, values: Sequence[bytes | None]) -> Block:
        """Decode records, and put them into columns."""
        return self._scanned(values) or self._parsed(values)

    def _scanned(self, values: Sequence[bytes | None]) -> Block | None:
        """The same where all results are plain and their monitors are known; None where one is not."""
        if self._scanner is None:
            return None
        ids: list[str] = []
        whole = np.empty((6, len(values)), dtype=np.int64)
        real = np.empty((3, len(values)), dtype=np.float64)
        others: list[tuple[int, Malformed | Tick]] = []
        for place in self._scanner.scan(values, ids, whole, real):
            record = decode(values[place])
            if isinstance(record, ProbeResult):
                return None
            others.append((place, record))
        time_ms, source, address, mechanism, control, ok = whole[:, : len(ids)]
        monitor = self._monitors.find(source, address)
        if (monitor < 0).any():
            return None
        ttfb, throughput = _speeds(*real[:, : len(ids)])
        return Block(
            size=len(values),
            others=others,
            new_monitors=[],
            ids=ids,
            time_ms=time_ms,
            monitor=monitor.astype(np.int32),
            ok=ok.astype(np.bool_),
            mechanism=mechanism.astype(np.int16),
            control=control.astype(np.int8),
            ttfb_ms=ttfb,
            throughput=throughput,
        )

    def _parsed(self, values: Sequence[bytes | None]) -> Block:
        records, shallow = draft_chunk(values)
        results, others = _apart(records)
        of = fields(results)
        time_ms = written_times(of["time"])
        if time_ms is None:
            return self.block([decode(value) for value in values])
        found = self._look_up(of)
        at = [record.time for _, record in others if isinstance(record, Tick)]
        if results:
            at += [_EPOCH + timedelta(milliseconds=int(ms)) for ms in (time_ms.min(), time_ms.max())]
        good = plainly_good(
            brackets=None if shallow else _brackets(values),
            due=len(values) + len(results) - of["timings_ms"].count(None),
            first=min(at, default=None),
            last=max(at, default=None),
            # Where a monitor is that is known has been asked before.
            places={(of["country"][i], of["region"][i]) for i in np.flatnonzero(found < 0).tolist()},
        )
        if not good:
            return self.block([decode(value) for value in values])
        return self._block(of, others, found, time_ms)

    def block(self, decoded: Sequence[Decoded]) -> Block:
        """Put decoded records into columns."""
        results, others = _apart(decoded)
        of = fields(results)
        return self._block(of, others, self._look_up(of), times(of["time"]))

    def _block(
        self, of: Fields, others: list[tuple[int, Malformed | Tick]], found: Ints, time_ms: Ints
    ) -> Block:
        new_monitors = self._number(of, found)
        ttfb, throughput = measures(of)
        ok = np.array(of["ok"], dtype=np.bool_)
        return Block(
            size=len(ok) + len(others),
            others=others,
            new_monitors=new_monitors,
            ids=of["id"],
            time_ms=time_ms,
            monitor=found.astype(np.int32),
            ok=ok,
            mechanism=mechanism_codes(of, ok),
            control=control_codes(of),
            ttfb_ms=ttfb,
            throughput=throughput,
        )

    def _look_up(self, of: Fields) -> Ints:
        """The number of each result's monitor, -1 where it was never seen."""
        unknown = repeat(-1)
        return self._monitors.find(
            np.array(list(map(self._sources.get, self._source_names(_sources(of)), unknown)), dtype=np.int64),
            np.array(
                list(map(self._addresses.get, self._address_names(_addresses(of)), unknown)), dtype=np.int64
            ),
        )

    def _number(self, of: Fields, found: Ints) -> list[MonitorKey]:
        """Number the monitors never seen before, in `found` too."""
        unknown = np.flatnonzero(found < 0)
        if not len(unknown):
            return []
        monitors: list[tuple[_Address, _Source]] = []
        every, addresses = list(_sources(of)), list(_addresses(of))
        for i in unknown.tolist():
            country, region, asn, vantage, simulated = every[i]
            platform, target = addresses[i]
            address = intern(platform), intern(target)
            monitors.append((address, (intern(country), region, asn, intern(vantage), simulated)))
        found[unknown] = self._numbers(monitors)
        new: list[MonitorKey] = []
        for i in np.unique(found[unknown], return_index=True)[1].tolist():  # in the order of their numbers
            (platform, target), (country, region, asn, vantage, simulated) = monitors[i]
            new.append(MonitorKey(platform, country, region or "", asn, vantage, simulated, target))
        return new


def fields(results: Sequence[ProbeResult]) -> Fields:
    """What is in each field of the results, by its name: to turn all around at once costs as much as two attributes."""
    if not results:
        return dict.fromkeys(ProbeResult.__struct_fields__, ())
    return dict(zip(ProbeResult.__struct_fields__, zip(*map(astuple, results), strict=True), strict=True))


def _sources(of: Fields) -> Iterator[_Source]:
    return zip(of["country"], of["region"], of["asn"], of["vantage"], of["simulated"], strict=True)


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


def _apart(records: Sequence[Decoded]) -> tuple[Sequence[ProbeResult], list[tuple[int, Malformed | Tick]]]:
    """The results, and whatever else is there by its place."""
    kinds = list(map(type, records))
    if not records or (kinds.count(kinds[0]) == len(records) and isinstance(records[0], ProbeResult)):
        return cast(Sequence[ProbeResult], records), []
    result = {kind for kind in set(kinds) if issubclass(kind, ProbeResult)}
    others = [i for i, kind in enumerate(kinds) if kind not in result]
    results = list(records)
    for i in reversed(others):
        del results[i]
    return cast(Sequence[ProbeResult], results), [(i, cast(Malformed | Tick, records[i])) for i in others]


def _brackets(values: Sequence[bytes | None]) -> int:
    text = np.frombuffer(b"".join(filter(None, values)), dtype=np.uint8)
    return int(np.count_nonzero(text & 0xDF == ord("[")))  # `{` is `[` with one bit more


def times(moments: Sequence[datetime]) -> Ints:
    """When each attempt began, milliseconds since 1970."""
    seconds = np.array(list(map(datetime.timestamp, moments)), dtype=np.float64)
    # Microseconds are whole in a float until the year 2255; a millisecond is over when it is whole.
    return np.rint(seconds * 1e6).astype(np.int64) // 1000


def written_times(texts: Sequence[str]) -> Ints | None:
    """Times in milliseconds since 1970, all at once; None where one is not written as most are.

    Most are: RFC 3339 in UTC, `2024-01-20T13:41:07.250Z`, with no fraction or up to six digits of it.
    """
    lengths = list(map(len, texts))
    times_ms = np.empty(len(texts), dtype=np.int64)
    for length in set(lengths):
        if length not in _WRITTEN:
            return None
        alike = lengths.count(length) == len(texts)
        mine = texts if alike else [text for text, long in zip(texts, lengths, strict=True) if long == length]
        found = _alike_times(mine, length)
        if found is None:
            return None
        times_ms[slice(None) if alike else np.array(lengths) == length] = found
    return times_ms


class _TimeFormat:
    """What may be in each place of a time of so many letters: `low` and up to `span` more; and what it counts."""

    def __init__(self, length: int) -> None:
        mask = b"0000-00-00T00:00:00.000000"[: max(19, length - 1)] + b"Z"
        most = b"9999-19-39T29:59:59.999999"[: max(19, length - 1)] + b"Z"
        self.low = np.frombuffer(mask, dtype=np.uint8)
        self.span = np.frombuffer(most, dtype=np.uint8) - self.low
        self.weights = np.zeros(length, dtype=np.int32)
        self.weights[_CLOCK] = (36_000_000, 3_600_000, 600_000, 60_000, 10_000, 1_000)
        thousandths = min(3, max(0, length - _FRACTION - 1))
        self.weights[_FRACTION : _FRACTION + thousandths] = (100, 10, 1)[:thousandths]


_DATE: Final = 10  # letters
_HOUR: Final = 11
_CLOCK: Final = [11, 12, 14, 15, 17, 18]  # where the digits of hour, minute and second are
_FRACTION: Final = 20
_WRITTEN: Final = {length: _TimeFormat(length) for length in (20, *range(22, 28))}


def _alike_times(texts: Sequence[str], length: int) -> Ints | None:
    """The same of texts of one length."""
    written = _WRITTEN[length]
    try:
        text = "".join(texts).encode("ascii")
    except UnicodeEncodeError:
        return None
    letters = np.frombuffer(text, dtype=np.uint8).reshape(len(texts), length)
    above = letters - written.low  # what is less is more than any digit
    if (above > written.span).any() or ((above[:, _HOUR] == 2) & (above[:, _HOUR + 1] > 3)).any():
        return None
    dates = texts[:1] if (letters[:, :_DATE] == letters[0, :_DATE]).all() else texts
    try:
        day = {
            text: date.fromisoformat(text).toordinal() - _DAY_0 for text in {text[:_DATE] for text in dates}
        }
    except ValueError:
        return None
    # Whole numbers: with others, NumPy would have it done by threads of its own.
    within: Ints = (above.astype(np.int32) @ written.weights).astype(np.int64)
    return within + np.array([day[text[:_DATE]] for text in dates], dtype=np.int64) * 86_400_000


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


def mechanism_codes(of: Fields, ok: NDArray[np.bool_]) -> NDArray[np.int16]:
    """0 for success, else the code of `stage.failure` (an index into MECHANISMS)."""
    codes = np.zeros(len(ok), dtype=np.int16)
    stage, failure = of["stage"], of["failure"]
    for i in np.flatnonzero(~ok).tolist():
        codes[i] = _CODE[stage[i], failure[i]]
    return codes


def control_codes(of: Fields) -> NDArray[np.int8]:
    """-1 not known, 0 the control failed too, 1 the control was fine."""
    said = of["control_ok"]
    if said.count(True) == len(said):
        return np.ones(len(said), dtype=np.int8)
    return np.array([_CONTROL[one] for one in said], dtype=np.int8)


def joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """The parts of a column, one after the other."""
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def refusal(place: int, malformed: Malformed) -> Refusal:
    """A record refused for its bytes."""
    return Refusal(place, malformed.reason, malformed.detail)
