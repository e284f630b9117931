"""Tables that people have: CSV, JSON lines or Parquet, with a mapping file that says which column is what.

A row is one result (`ok`), a number of them (`good` of `count`), or a number from elsewhere (`value`, with `name`).
What no column says, a constant may.
"""

from __future__ import annotations

import io
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from producers.complaints import complaints
from producers.failures import Failure, Stage
from producers.records import COUNT_MAX, ProbeResult, Timings
from producers.signals import Signal
from producers.sources.contract import (
    BOM,
    NO_JSON,
    Item,
    RefusalReason,
    Refused,
    RowError,
    detail,
    each,
    identity,
    lines,
    moment,
    whole,
)
from producers.sources.csv_rows import csv_rows
from producers.sources.ooni.platforms import Platforms

SOURCE: Final = "table"
#: Of so many rows, which stand near each other, it is known whether there were others like them.
_LIKES_MAX: Final = 100_000
_PARQUET: Final = b"PAR1"
#: A control a million times as slow was not measured.
RATIO_MAX: Final = 1_000_000.0
#: What a mapping may speak of.
FIELDS: Final = (
    "time platform target country region asn vantage ok good count stage failure control_ok status total_ms "
    "value usual name url speed control_speed"
).split()
_TRUE: Final = frozenset("1 true yes ok up success t y 1.0".split())
_FALSE: Final = frozenset("0 false no fail failed down error f n 0.0".split())


class MappingError(ValueError):
    """A mapping file that can't be used; the message names file, key, value and remedy."""


class Mapping_(BaseModel):  # noqa: N801  `Mapping` is Python's
    """Which column is what."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    #: Field to column.
    columns: Mapping[str, str]
    #: Field to a value that holds for every row.
    constants: Mapping[str, str | int | float | bool] = {}
    #: Of a signal's or result's source.
    source: str = SOURCE
    simulated: bool = False
    #: How often each target is asked, if that is promised.
    every_seconds: float | None = None
    delimiter: str = ","
    #: A speed below this share of the control's is `throttled`, where the control is that of the same moment.
    slow_share: float = Field(0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        named = {*self.columns, *self.constants}
        if unknown := sorted(named - set(FIELDS)):
            raise ValueError(f"{', '.join(unknown)}: no such field; there are {', '.join(FIELDS)}")
        if missing := sorted({"time", "country"} - named):
            raise ValueError(f"say which column (or constant) is {' and '.join(missing)}")
        if "value" in named:
            if "name" not in named:
                raise ValueError("a number needs a name: say which column (or constant) is name")
        elif not ("ok" in named or {"good", "count"} <= named or {"speed", "control_speed"} <= named):
            raise ValueError(
                "say which column is ok, or which are good and count, or speed and control_speed, or which is value"
            )
        elif not {"platform", "target"} & named:
            raise ValueError("say which column (or constant) is platform or target")
        return self


def read_mapping(path: Path) -> Mapping_:
    """Read a mapping file. Raises MappingError."""
    try:
        return Mapping_.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: {error}; name a TOML file with [columns]") from error
    except ValidationError as error:
        raise MappingError("\n".join(complaints(error, Mapping_, lambda _: str(path)))) from error


class _Likes:
    """Ids of rows of one table; the second of two rows of one vantage, target and time has one of its own.

    Many tables say the day alone. The same table again, or one that goes on, gives the same ids.
    """

    def __init__(self) -> None:
        self._met: dict[str, int] = {}

    def identity(self, *facts: object) -> str:
        first = identity(*map(str, facts))
        before = self._met.pop(first, 0)
        self._met[first] = before + 1
        if len(self._met) > _LIKES_MAX:
            del self._met[next(iter(self._met))]
        return identity(*map(str, facts), before) if before else first


class TableReader:
    """How a table is read.

    Parameters
    ----------
    mapping
        Which column is what.
    platforms
        Hosts to platform names, where the mapping has targets alone.
    """

    def __init__(self, mapping: Mapping_, platforms: Platforms | None = None) -> None:
        self._mapping = mapping
        self._named = {*mapping.columns, *mapping.constants}
        self._platforms = platforms or Platforms()

    def read(self, name: str, stream: IO[bytes]) -> Iterator[Item]:
        """Rows of one table; what kind it is, its first bytes say."""
        head = stream.peek(64) if hasattr(stream, "peek") else b""
        first = head.removeprefix(BOM).lstrip()[:4]
        if first == _PARQUET:
            rows = _parquet(name, stream)
        elif first[:1] in b"{[" and first:
            rows = _json_lines(name, stream)
        else:
            rows = _csv(name, stream, self._mapping.delimiter)
        likes = _Likes()
        return each(rows, lambda row: self._items(row, likes))

    def _items(self, row: Mapping[str, Any], likes: _Likes) -> Iterator[ProbeResult | Signal]:
        facts = {field: str(value) for field, value in self._mapping.constants.items()}
        for field, column in self._mapping.columns.items():
            if column not in row:
                raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"no column {column!r}")
            value = row[column]
            if value is not None and str(value).strip() != "":
                facts[field] = str(value).strip()
        if missing := [field for field in ("time", "country") if field not in facts]:
            raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"no {' and no '.join(missing)}")
        if "value" in self._named and "value" not in facts:
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, "no value")
        yield self._signal(facts) if "value" in facts else self._result(facts, likes)

    def _signal(self, facts: Mapping[str, str]) -> Signal:
        return Signal(
            source=self._mapping.source,
            country=facts["country"].upper(),
            region=facts.get("region"),
            asn=_asn(facts.get("asn")),
            time=moment(facts["time"]),
            name=facts["name"],
            value=float(facts["value"]),
            usual=float(facts["usual"]) if "usual" in facts else None,
            url=facts.get("url"),
            simulated=self._mapping.simulated,
        )

    def _with_speed(self, facts: Mapping[str, str]) -> Mapping[str, str]:
        """The facts of a download beside its control: too slow is `throttled`; without a control nothing is told.

        The speed as a share of the control's goes into the record: it is the evidence.
        """
        if missing := [field for field in ("speed", "control_speed") if field not in facts]:
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"no {' and no '.join(missing)}")
        speed, control = float(facts["speed"]), float(facts["control_speed"])
        if not (0 <= speed < math.inf and 0 < control < math.inf):
            raise RowError(RefusalReason.INVALID, f"speed {speed:g} beside {control:g}")
        slow = {"stage": str(Stage.HTTP), "failure": str(Failure.THROTTLED)}
        ok = speed >= self._mapping.slow_share * control
        ratio = {"speed_ratio": str(min(RATIO_MAX, round(speed / control, 6)))}
        return {**facts, **ratio, "control_ok": "1", "ok": "1" if ok else "0", **({} if ok else slow)}

    def _result(self, facts: Mapping[str, str], likes: _Likes) -> ProbeResult:
        if "speed" in self._named:
            facts = self._with_speed(facts)
        target = facts.get("target")
        platform = facts.get("platform") or self._platforms.of_url(target or "")
        if platform is None:
            raise RowError(RefusalReason.NO_HOST, f"target {target!r} names no host")
        country, asn, time = facts["country"].upper(), _asn(facts.get("asn")) or 0, moment(facts["time"])
        count, good = (
            _whole_number(name, facts[name]) if name in facts else None for name in ("count", "good")
        )
        if count is not None and not 1 <= count <= COUNT_MAX:
            raise RowError(
                RefusalReason.INVALID, f"count {count}: a row stands for 1 to {COUNT_MAX} attempts"
            )
        summed = count is not None and good is not None
        if not summed and "ok" not in facts:
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, "neither ok, nor good and count")
        ok = good == count if summed else _yes(facts["ok"])
        vantage = facts.get("vantage") or f"{self._mapping.source}-{country}-AS{asn}"
        return ProbeResult(
            id=likes.identity(self._mapping.source, vantage, platform, target, time, facts.get("region")),
            time=time,
            platform=platform.lower(),
            target=target,
            country=country,
            region=facts.get("region"),
            asn=asn,
            vantage=vantage,
            ok=ok,
            stage=None if ok or "stage" not in facts else Stage(facts["stage"]),
            failure=None if ok or "failure" not in facts else Failure(facts["failure"]),
            control_ok=_yes(facts["control_ok"]) if "control_ok" in facts else None,
            timings_ms=Timings(total=float(facts["total_ms"])) if "total_ms" in facts else None,
            simulated=self._mapping.simulated,
            every_seconds=self._mapping.every_seconds or UNSET,
            count=count if count is not None else UNSET,
            good=good if count is not None and good is not None else UNSET,
            source=self._mapping.source,
            status=_whole_number("status", facts["status"]) if "status" in facts else UNSET,
            speed_ratio=float(facts["speed_ratio"]) if "speed_ratio" in facts else UNSET,
        )


def _yes(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise RowError(RefusalReason.INVALID, f"{text!r} is neither yes nor no")


def _whole_number(name: str, text: str) -> int:
    """A number of attempts, or a status; programs that know gaps in a column write 200.0. Raises RowError for a part of
    one: 3.5 of 7 is no count.
    """
    number = float(text)
    if int(number) != number:
        raise RowError(RefusalReason.INVALID, f"{name} {text}: write a whole number")
    return int(number)


def _asn(text: str | None) -> int | None:
    return None if text is None else int(float(text.upper().removeprefix("AS")))


def _csv(name: str, stream: IO[bytes], delimiter: str) -> Iterator[Any]:
    header: list[str] | None = None
    for number, cells in csv_rows(stream, delimiter):
        if isinstance(cells, RowError):
            yield Refused(cells.reason, str(cells), f"{name}:{number}")
        elif header is None:
            header = [cell.strip() for cell in cells]
        elif len(cells) != len(header):
            why = f"{len(cells)} cells, and {len(header)} columns"
            yield Refused(RefusalReason.NOT_A_MEASUREMENT, why, f"{name}:{number}")
        else:
            yield f"{name}:{number}", dict(zip(header, cells, strict=True))


def _json_lines(name: str, stream: IO[bytes]) -> Iterator[Any]:
    for number, line in lines(stream):
        place = f"{name}:{number}"
        try:
            rows = msgspec.json.decode(line)
        except NO_JSON as error:
            yield Refused(RefusalReason.NOT_JSON, detail(error), place)
            continue
        yield from ((place, row) for row in (rows if isinstance(rows, list) else [rows]))


def _parquet(name: str, stream: IO[bytes]) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  70 MB, for those who have Parquet
    except ImportError as error:
        raise MappingError(
            "Parquet needs pyarrow; `pip install '.[archive]'` where netdusk's source is"
        ) from error
    try:
        batches: Iterable[Any] = parquet.ParquetFile(io.BytesIO(whole(stream))).iter_batches(4096)
        number = 0
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                yield f"{name}, row {number}", row
    except RowError as error:
        yield Refused(error.reason, str(error), name)
    except ArrowException as error:
        yield Refused(RefusalReason.DAMAGED_FILE, detail(error), name)
