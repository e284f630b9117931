"""Rows: a decoded chunk of probe results by columns, in the order of the log. The whole input of one step.

What is written to the redo log is these columns; what is refused from its bytes alone is counted here and never
reaches a detector. Nothing here knows the time: lateness is judged by the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import repeat
from operator import attrgetter
from sys import intern
from typing import Any, Final, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.layout import Pairs
from detectors.readings import PostKey
from producers.failures import Failure, Stage
from producers.records import (
    Decoded,
    Draft,
    Malformed,
    ProbeResult,
    Reason,
    Tick,
    Timings,
    decode,
    draft_chunk,
    plainly_good,
)
from streams.records import CalendarEvent

_STAGES: Final = (*Stage, None)
_FAILURES: Final = tuple(Failure)


def _name(stage: Stage | None, failure: Failure) -> str:
    return f"{stage or 'unknown'}.{failure}"


#: Every way to fail, `stage.failure`; code 0 is success. The order is part of the snapshots' version.
MECHANISMS: Final = ("ok", *(_name(stage, failure) for stage in _STAGES for failure in _FAILURES))
_CODE: Final[dict[tuple[Stage | None, Failure | None], int]] = {
    (stage, failure): 1 + i * len(_FAILURES) + j
    for i, stage in enumerate(_STAGES)
    for j, failure in enumerate(_FAILURES)
}
_CODE.update({(stage, None): _CODE[stage, Failure.UNKNOWN_FAILURE] for stage in _STAGES})
_NOT_TIMED: Final = Timings()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_0: Final = date(1970, 1, 1).toordinal()
_CONTROL: Final = {None: -1, False: 0, True: 1}

#: Records that are decoded and put into columns together: with twice as many, they fall out of the caches between.
BLOCK: Final = 1000

Ints = NDArray[np.int64]
P = TypeVar("P", bound=ProbeResult)


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
    `values` are the raw bytes, there only when the chunk came from a broker or a file (never in the redo log).
    """

    size: int
    next_offset: int
    place: NDArray[np.int32]
    time_ms: Ints
    post: NDArray[np.int32]
    ok: NDArray[np.bool_]
    mechanism: NDArray[np.int16]
    control: NDArray[np.int8]
    ttfb_ms: NDArray[np.float32]
    throughput: NDArray[np.float32]
    ids: list[str]
    new_posts: list[PostKey]
    reading_place: NDArray[np.int32]
    reading_ms: Ints
    refusals: list[Refusal] = field(default_factory=list)
    calendar: list[CalendarEvent] = field(default_factory=list)
    topic: str = ""
    partition: int = 0
    offsets: Sequence[int] = ()
    values: Sequence[bytes | None] = ()

    def encode(self) -> bytes:
        """Write for the redo log (MessagePack; little-endian columns)."""
        columns = [np.ascontiguousarray(getattr(self, name)).tobytes() for name in _COLUMNS]
        stored = _Stored(
            self.size, self.next_offset, columns, self.ids, self.new_posts, len(self.refusals), self.calendar
        )
        return msgspec.msgpack.encode(stored)

    @classmethod
    def decode(cls, data: bytes) -> Rows:
        """Read what `encode` wrote. Raises ValueError where it is something else."""
        stored = msgspec.msgpack.decode(data, type=_Stored)
        columns: dict[str, Any] = {
            name: np.frombuffer(raw, dtype=kind)
            for (name, kind), raw in zip(_COLUMNS.items(), stored.columns, strict=True)
        }
        gone = [Refusal(-1, Reason.INVALID, "")] * stored.refused
        return cls(
            size=stored.size,
            next_offset=stored.next_offset,
            ids=stored.ids,
            new_posts=stored.new_posts,
            refusals=gone,
            calendar=stored.calendar,
            **columns,
        )


_COLUMNS: Final[dict[str, Any]] = {
    "place": np.int32,
    "time_ms": np.int64,
    "post": np.int32,
    "ok": np.bool_,
    "mechanism": np.int16,
    "control": np.int8,
    "ttfb_ms": np.float32,
    "throughput": np.float32,
    "reading_place": np.int32,
    "reading_ms": np.int64,
}


class _Stored(msgspec.Struct, array_like=True):
    size: int
    next_offset: int
    columns: list[bytes]
    ids: list[str]
    new_posts: list[PostKey]
    refused: int
    calendar: list[CalendarEvent]


@dataclass(slots=True)
class Block:
    """Some consecutive records by columns: probe results here, `others` apart, by their place among the records."""

    size: int
    others: list[tuple[int, Malformed | Tick]]
    new_posts: list[PostKey]
    ids: list[str]
    time_ms: Ints
    post: NDArray[np.int32]
    ok: NDArray[np.bool_]
    mechanism: NDArray[np.int16]
    control: NDArray[np.int8]
    ttfb_ms: NDArray[np.float32]
    throughput: NDArray[np.float32]


class Columns:
    """Turns records into columns, and numbers the posts as they are first seen."""

    def __init__(self) -> None:
        self._sources: dict[_Source, int] = {}
        self._platforms: dict[str, int] = {}
        self._posts = Pairs()  # (source, platform)

    def learn(self, posts: Sequence[PostKey]) -> None:
        """Take posts in that a restored batch brings, in their order."""
        self._numbers([(post.platform, (post.country, post.region or None, *post[3:])) for post in posts])

    def _numbers(self, posts: Sequence[tuple[str, _Source]]) -> Ints:
        sources, platforms = self._sources, self._platforms
        return self._posts.numbers(
            np.array([sources.setdefault(source, len(sources)) for _, source in posts], dtype=np.int64),
            np.array([platforms.setdefault(name, len(platforms)) for name, _ in posts], dtype=np.int64),
        )

    def read(self, values: Sequence[bytes | None]) -> list[Block]:
        """Decode a chunk. A block's records are gone before the next one's are made: they stay in the caches."""
        return [self._read(values[at : at + BLOCK]) for at in range(0, len(values), BLOCK)]

    def _read(self, values: Sequence[bytes | None]) -> Block:
        results, others = _apart(draft_chunk(values), Draft)
        time_ms = written_times([result.time for result in results])
        if time_ms is None:
            return self.block([decode(value) for value in values])
        found = self._look_up(results)
        at = [record.time for _, record in others if isinstance(record, Tick)]
        if results:
            at += [_EPOCH + timedelta(milliseconds=int(ms)) for ms in (time_ms.min(), time_ms.max())]
        good = plainly_good(
            brackets=_brackets(values),
            due=len(values) + len(results) - [result.timings_ms for result in results].count(None),
            first=min(at, default=None),
            last=max(at, default=None),
            # Where a post is that is known has been asked before.
            places={_place_of(results[i]) for i in np.flatnonzero(found < 0).tolist()},
        )
        if not good:
            return self.block([decode(value) for value in values])
        return self._block(results, others, found, time_ms)

    def block(self, decoded: Sequence[Decoded]) -> Block:
        """Put decoded records into columns."""
        results, others = _apart(decoded, ProbeResult)
        return self._block(results, others, self._look_up(results), times(results))

    def _block(
        self,
        results: Sequence[ProbeResult],
        others: list[tuple[int, Malformed | Tick]],
        found: Ints,
        time_ms: Ints,
    ) -> Block:
        new_posts = self._number(results, found)
        ttfb, throughput = measures(results)
        ok = np.array([result.ok for result in results], dtype=np.bool_)
        return Block(
            size=len(results) + len(others),
            others=others,
            new_posts=new_posts,
            ids=[result.id for result in results],
            time_ms=time_ms,
            post=found.astype(np.int32),
            ok=ok,
            mechanism=mechanism_codes(results, ok),
            control=control_codes(results),
            ttfb_ms=ttfb,
            throughput=throughput,
        )

    def _look_up(self, results: Sequence[ProbeResult]) -> Ints:
        """The number of each result's post, -1 where it was never seen."""
        unknown = repeat(-1)
        return self._posts.find(
            np.array(list(map(self._sources.get, map(_source_of, results), unknown)), dtype=np.int64),
            np.array(list(map(self._platforms.get, map(_platform_of, results), unknown)), dtype=np.int64),
        )

    def _number(self, results: Sequence[ProbeResult], found: Ints) -> list[PostKey]:
        """Number the posts never seen before, in `found` too."""
        unknown = np.flatnonzero(found < 0)
        if not len(unknown):
            return []
        posts: list[tuple[str, _Source]] = []
        for result in (results[i] for i in unknown.tolist()):
            country, region, asn, vantage, simulated = _source_of(result)
            source = (intern(country), region, asn, intern(vantage), simulated)
            posts.append((intern(result.platform), source))
        found[unknown] = self._numbers(posts)
        new: list[PostKey] = []
        for i in np.unique(found[unknown], return_index=True)[1].tolist():  # in the order of their numbers
            platform, (country, region, asn, vantage, simulated) = posts[i]
            new.append(PostKey(platform, country, region or "", asn, vantage, simulated))
        return new


def _apart(
    records: Sequence[Decoded], kind: type[P]
) -> tuple[Sequence[P], list[tuple[int, Malformed | Tick]]]:
    """The results, and whatever else is there by its place."""
    if list(map(type, records)).count(kind) == len(records):
        return cast(Sequence[P], records), []
    others = [(i, record) for i, record in enumerate(records) if not isinstance(record, ProbeResult)]
    return [record for record in records if isinstance(record, kind)], others


def _brackets(values: Sequence[bytes | None]) -> int:
    text = np.frombuffer(b"".join(filter(None, values)), dtype=np.uint8)
    return int(np.count_nonzero(text & 0xDF == ord("[")))  # `{` is `[` with one bit more


_Source = tuple[str, str | None, int, str, bool]
_source_of: Callable[[ProbeResult], _Source] = attrgetter("country", "region", "asn", "vantage", "simulated")
_platform_of: Callable[[ProbeResult], str] = attrgetter("platform")
_place_of: Callable[[ProbeResult], tuple[str, str | None]] = attrgetter("country", "region")
_time_of: Callable[[ProbeResult], datetime] = attrgetter("time")


def times(results: Sequence[ProbeResult]) -> Ints:
    """When each attempt began, milliseconds since 1970."""
    seconds = np.array(list(map(datetime.timestamp, map(_time_of, results))), dtype=np.float64)
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


class _Written:
    """Where the digits and the marks are in a time of so many letters."""

    def __init__(self, length: int) -> None:
        mask = b"0000-00-00T00:00:00.000000"[: max(19, length - 1)] + b"Z"
        self.digits = np.flatnonzero(np.frombuffer(mask, dtype=np.uint8) == ord("0"))
        self.marks = np.flatnonzero(np.frombuffer(mask, dtype=np.uint8) != ord("0"))
        self.mark = np.frombuffer(mask, dtype=np.uint8)[self.marks]
        self.most = np.frombuffer(b"99991939295959999999"[: len(self.digits)], dtype=np.uint8) - ord("0")
        self.weights = np.array(_WEIGHTS[: len(self.digits)], dtype=np.int32)


#: Milliseconds that each digit of a time counts: none for those of the date and for microseconds.
_WEIGHTS: Final = (*(0,) * 8, 36_000_000, 3_600_000, 600_000, 60_000, 10_000, 1_000, 100, 10, 1, 0, 0, 0)
_WRITTEN: Final = {length: _Written(length) for length in (20, *range(22, 28))}


def _alike_times(texts: Sequence[str], length: int) -> Ints | None:
    """The same of texts of one length."""
    written = _WRITTEN[length]
    try:
        text = "".join(texts).encode("ascii")
    except UnicodeEncodeError:
        return None
    letters = np.frombuffer(text, dtype=np.uint8).reshape(len(texts), length)
    digits = letters[:, written.digits] - ord("0")  # what is less than 0 is more than 9
    if (digits.max(axis=0) > written.most).any() or (letters[:, written.marks] != written.mark).any():
        return None
    if ((digits[:, 8] == 2) & (digits[:, 9] > 3)).any():  # the hour
        return None
    dates = texts[:1] if (digits[:, :8] == digits[0, :8]).all() else texts
    try:
        day = {text: date.fromisoformat(text).toordinal() - _DAY_0 for text in {text[:10] for text in dates}}
    except ValueError:
        return None
    within: Ints = (digits @ written.weights).astype(np.int64)
    return within + np.array([day[text[:10]] for text in dates], dtype=np.int64) * 86_400_000


def measures(results: Sequence[ProbeResult]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Time to first byte (ms) and throughput (body bytes a second) of each result; NaN where not measured."""
    timings = [result.timings_ms or _NOT_TIMED for result in results]
    ttfb = np.array([t.ttfb for t in timings], dtype=np.float64)
    total = np.array([t.total for t in timings], dtype=np.float64)
    size = np.array([result.bytes for result in results], dtype=np.float64)
    transfer = total - ttfb
    # Below a millisecond of transfer the quotient is the clock's grain, not the path's speed.
    flowing = (size > 0) & (transfer >= 1.0)
    throughput = np.full(len(timings), np.nan)
    np.divide(size, transfer, out=throughput, where=flowing)
    return ttfb.astype(np.float32), (throughput * 1000.0).astype(np.float32)


def mechanism_codes(results: Sequence[ProbeResult], ok: NDArray[np.bool_]) -> NDArray[np.int16]:
    """0 for success, else the code of `stage.failure` (an index into MECHANISMS)."""
    codes = np.zeros(len(results), dtype=np.int16)
    for i in np.flatnonzero(~ok).tolist():
        codes[i] = _CODE[results[i].stage, results[i].failure]
    return codes


def control_codes(results: Sequence[ProbeResult]) -> NDArray[np.int8]:
    """-1 not known, 0 the control failed too, 1 the control was fine."""
    said = [result.control_ok for result in results]
    if said.count(True) == len(said):
        return np.ones(len(said), dtype=np.int8)
    return np.array([_CONTROL[one] for one in said], dtype=np.int8)


def joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """The parts of a column, one after the other."""
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def refusal(place: int, malformed: Malformed) -> Refusal:
    """A record refused for its bytes."""
    return Refusal(place, malformed.reason, malformed.detail)
