"""Tables that people have: CSV, JSON lines or Parquet, with a mapping file that says which column is what.

A row is one result (`ok`), a number of them (`good` of `count`), or a number from elsewhere (`value`, with `name`).
What no column says, a constant may.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import IO, Any, Final, Literal, Self

import msgspec
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from producers.complaints import complaints
from producers.failures import Failure, Stage
from producers.names import is_printable
from producers.records import COUNT_MAX, EVERY_SECONDS_MAX, NAME_MAX, PLACES, ProbeResult, Timings
from producers.signals import Signal
from producers.sources.contract import (
    BOM,
    NO_JSON,
    Item,
    RefusalReason,
    Refused,
    RowError,
    detail,
    document,
    each,
    identity,
    lines,
    moment,
)
from producers.sources.csv_rows import csv_rows
from producers.sources.ooni.platforms import Platforms
from producers.sources.parquet_rows import MARK, NoParquetError, parquet_rows, table_fault

SOURCE: Final = "table"
#: Of so many rows, which stand near each other, it is known whether there were others like them.
_LIKES_MAX: Final = 100_000
#: So much is looked at for what kind of table it is.
_LOOK_BYTES: Final = 4096
#: A control a million times as slow was not measured.
RATIO_MAX: Final = 1_000_000.0
#: What a mapping may speak of.
FIELDS: Final = (
    "time platform target country region asn vantage ok good count stage failure control_ok status total_ms "
    "value usual name url part vantages speed control_speed"
).split()
_NUMBER_FORM: Final = frozenset(("value", "name"))
#: What a row may hold: one of these. A table may have rows that sum up beside single ones.
_FORMS: Final = (
    frozenset(("ok", "good", "count")),
    frozenset(("speed", "control_speed")),
    _NUMBER_FORM,
)
_NUMBERS: Final = frozenset("value usual total_ms speed control_speed".split())
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
    every_seconds: float | None = Field(None, gt=0, le=EVERY_SECONDS_MAX)
    delimiter: str = ","
    #: What stands before the fraction of a number.
    decimal: Literal[".", ","] = "."
    #: A speed below this share of the control's is `throttled`, where the control is that of the same moment.
    slow_share: float = Field(0.2, gt=0, lt=1)

    @field_validator("source")
    @classmethod
    def _is_a_name(cls, source: str) -> str:
        if not source or len(source) > NAME_MAX or not is_printable(source):
            raise ValueError(f"write a name of 1 to {NAME_MAX} letters that can be printed")
        return source

    @field_validator("delimiter")
    @classmethod
    def _divides(cls, delimiter: str) -> str:
        if len(delimiter) != 1 or delimiter in '\0\r\n"':
            raise ValueError('write the one character between two cells, like ";" or "\\t"')
        return delimiter

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        named = {*self.columns, *self.constants}
        if unknown := sorted(named - set(FIELDS)):
            raise ValueError(f"{', '.join(unknown)}: no such field; there are {', '.join(FIELDS)}")
        if twice := sorted(self.columns.keys() & self.constants.keys()):
            raise ValueError(f"{', '.join(twice)}: a column and a constant; keep one of them")
        if nameless := sorted(field for field, column in self.columns.items() if not column):
            raise ValueError(f"columns.{nameless[0]}: name a column of the table")
        if missing := sorted({"time", "country"} - named):
            raise ValueError(f"say which column (or constant) is {' and '.join(missing)}")
        if wrong := _wrong_form(named):
            raise ValueError(wrong)
        for field, value in self.constants.items():
            self._check_constant(field, str(value))
        return self

    def _check_constant(self, field: str, text: str) -> None:
        """Raise ValueError for a constant that no row could be written with."""
        try:
            if field == "country" and text.upper() not in PLACES:
                raise ValueError(f"{text!r} is no code of ISO 3166-1, like PK")
            if field == "time":
                moment(text)
            elif field in _READERS:
                _READERS[field](field, text)
            elif field in _NUMBERS:
                _number(field, text)
        except ValueError as error:
            raise ValueError(f"constants.{field}: {error}") from error


def _wrong_form(named: AbstractSet[str]) -> str | None:
    """Why it is not clear what a row holds, where these fields are named; None: it is."""
    forms = [form for form in _FORMS if form & named]
    if len(forms) > 1:
        spelt = " beside ".join(" and ".join(sorted(form & named)) for form in forms)
        return (
            f"{spelt}: a row is a result (ok), a sum (good and count), a speed or a number (value); keep one"
        )
    for one, other in (
        ("good", "count"),
        ("count", "good"),
        ("speed", "control_speed"),
        ("control_speed", "speed"),
    ):
        if one in named and other not in named:
            return f"{one} needs {other}: say which column (or constant) that is"
    if not forms or (forms == [_NUMBER_FORM] and "value" not in named):
        return "say which column is ok, or which are good and count, or speed and control_speed, or which is value"
    if forms == [_NUMBER_FORM] and "name" not in named:
        return "a number needs a name: say which column (or constant) is name"
    if forms[0] is not _NUMBER_FORM:
        if lone := sorted({"usual", "url", "part", "vantages"} & named):
            return f"{' and '.join(lone)}: of a number alone, which has value and name; take it out"
        if not {"platform", "target"} & named:
            return "say which column (or constant) is platform or target"
    return None


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
        """Rows of one table; what kind it is, its first bytes say. Raises MappingError where Parquet can't be read."""
        head = stream.peek(64) if hasattr(stream, "peek") else b""
        first = head.removeprefix(BOM).lstrip()[:4]
        wanted = tuple(self._mapping.columns.values())
        if first == MARK:
            rows = _parquet(name, stream, wanted)
        elif first[:1] in b"{[" and first and b"\0" not in first:
            rows = _json_rows(name, stream)
        else:
            rows = _csv(name, stream, self._mapping.delimiter, wanted)
        likes = _Likes()
        return each(rows, lambda row: self._items(row, likes))

    def _items(self, row: Any, likes: _Likes) -> Iterator[ProbeResult | Signal]:
        if not isinstance(row, dict):
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, "no object: write {column: value, ...} a row")
        facts = {field: str(value) for field, value in self._mapping.constants.items()}
        for field, column in self._mapping.columns.items():
            if text := _text(column, _cell(row, column)):
                facts[field] = self._plain(field, text)
        if missing := [self._spelt(field) for field in ("time", "country") if field not in facts]:
            raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"no {' and no '.join(missing)}")
        if "value" in self._named and (
            missing := [self._spelt(field) for field in ("value", "name") if field not in facts]
        ):
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"no {' and no '.join(missing)}")
        yield self._signal(facts) if "value" in facts else self._result(facts, likes)

    def _spelt(self, field: str) -> str:
        """The field, with the column that should have it: that is what a person looks for."""
        column = self._mapping.columns.get(field)
        return field if column in (None, field) else f"{field} (column {column!r})"

    def _plain(self, field: str, text: str) -> str:
        """A number as a program writes it, where the table writes 3,5."""
        if self._mapping.decimal == "," and field in _NUMBERS and "." not in text:
            return text.replace(",", ".")
        return text

    def _number(self, field: str, facts: Mapping[str, str]) -> float:
        return _number(self._spelt(field), facts[field])

    def _signal(self, facts: Mapping[str, str]) -> Signal:
        return Signal(
            source=self._mapping.source,
            country=facts["country"].upper(),
            region=_region(facts),
            asn=self._asn(facts),
            time=moment(facts["time"]),
            name=facts["name"],
            value=self._number("value", facts),
            usual=self._number("usual", facts) if "usual" in facts else None,
            url=facts.get("url"),
            part=facts.get("part"),
            vantages=facts.get("vantages"),
            simulated=self._mapping.simulated,
        )

    def _with_speed(self, facts: Mapping[str, str]) -> Mapping[str, str]:
        """The facts of a download beside its control: too slow is `throttled`; without a control nothing is told.

        The speed as a share of the control's goes into the record: it is the evidence.
        """
        if missing := [self._spelt(field) for field in ("speed", "control_speed") if field not in facts]:
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"no {' and no '.join(missing)}")
        speed, control = self._number("speed", facts), self._number("control_speed", facts)
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
        country, asn, time = facts["country"].upper(), self._asn(facts) or 0, moment(facts["time"])
        count, good = (self._read("count", facts), self._read("good", facts))
        if count is not None and not 1 <= count <= COUNT_MAX:
            raise RowError(
                RefusalReason.INVALID, f"count {count}: a row stands for 1 to {COUNT_MAX} attempts"
            )
        ok = self._is_ok(facts, count, good)
        vantage = facts.get("vantage") or f"{self._mapping.source}-{country}-AS{asn}"
        return ProbeResult(
            id=likes.identity(self._mapping.source, vantage, platform, target, time, _region(facts)),
            time=time,
            platform=platform.lower(),
            target=target,
            country=country,
            region=_region(facts),
            asn=asn,
            vantage=vantage,
            ok=ok,
            stage=None if ok else self._read("stage", facts),
            failure=None if ok else self._read("failure", facts),
            control_ok=self._read("control_ok", facts),
            timings_ms=Timings(total=self._number("total_ms", facts)) if "total_ms" in facts else None,
            simulated=self._mapping.simulated,
            every_seconds=self._mapping.every_seconds or UNSET,
            count=count if count is not None else UNSET,
            good=good if count is not None and good is not None else UNSET,
            source=self._mapping.source,
            status=self._read("status", facts) if "status" in facts else UNSET,
            speed_ratio=float(facts["speed_ratio"]) if "speed_ratio" in facts else UNSET,
        )

    def _is_ok(self, facts: Mapping[str, str], count: int | None, good: int | None) -> bool:
        if count is not None and good is not None:
            return good == count
        if "ok" not in facts:
            ok, good_, count_ = map(self._spelt, ("ok", "good", "count"))
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"neither {ok}, nor {good_} and {count_}")
        return bool(self._read("ok", facts))

    def _asn(self, facts: Mapping[str, str]) -> int | None:
        asn: int | None = self._read("asn", facts)
        return asn

    def _read(self, field: str, facts: Mapping[str, str]) -> Any:
        """The field as a record holds it; None where the row says nothing. Raises RowError."""
        return _READERS[field](self._spelt(field), facts[field]) if field in facts else None


# ---- one cell


def _region(facts: Mapping[str, str]) -> str | None:
    """The region's code: many tables have what stands behind the country's alone (`PB` of `PK-PB`)."""
    region = facts.get("region")
    if region is None or "-" in region:
        return region
    return f"{facts['country'].upper()}-{region}"


def _cell(row: Mapping[str, Any], column: str) -> Any:
    """What stands in a column; `a.b` is b within a, where no column is called so. None where there is nothing."""
    if column in row or "." not in column:
        return row.get(column)
    first, _, rest = column.partition(".")
    inner = row.get(first)
    return _cell(inner, rest) if isinstance(inner, dict) else None


def _text(column: str, value: Any) -> str:
    """A cell as text; empty where it holds nothing. Raises RowError for what is no single value."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise RowError(RefusalReason.INVALID, f"column {column!r}: bytes that are no UTF-8") from error
    if isinstance(value, dict | list):
        inside = (
            f"; name one within it, like {column}.{next(iter(value))}"
            if isinstance(value, dict) and value
            else ""
        )
        raise RowError(RefusalReason.INVALID, f"column {column!r} holds several values{inside}")
    return str(value).strip()


def _yes(label: str, text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    try:
        if float(text) in (0.0, 1.0):
            return bool(float(text))
    except ValueError:
        pass
    raise RowError(RefusalReason.INVALID, f"{label}: {text!r} is neither yes nor no; write 1 or 0")


def _number(label: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        comma = '; decimal = "," in the mapping reads 3,5' if "," in text else ""
        raise RowError(
            RefusalReason.INVALID, f"{label}: {text!r} is no number; write it like 3.5{comma}"
        ) from error


def _whole_number(label: str, text: str) -> int:
    """A number of attempts, or a status; programs that know gaps in a column write 200.0. Raises RowError for a part of
    one: 3.5 of 7 is no count.
    """
    number = _number(label, text)
    if not math.isfinite(number) or int(number) != number:
        raise RowError(RefusalReason.INVALID, f"{label} {text}: write a whole number")
    return int(number)


def _asn(label: str, text: str) -> int:
    try:
        return _whole_number(label, text.upper().removeprefix("AS"))
    except RowError as error:
        raise RowError(
            RefusalReason.INVALID, f"{label}: {text!r} is no network; write it like 17557"
        ) from error


def _stage(label: str, text: str) -> Stage:
    try:
        return Stage(text.lower())
    except ValueError as error:
        raise RowError(
            RefusalReason.INVALID, f"{label}: {text!r} is no stage; there are {', '.join(Stage)}"
        ) from error


def _failure(label: str, text: str) -> Failure:
    try:
        return Failure(text)
    except ValueError as error:
        raise RowError(
            RefusalReason.INVALID,
            f"{label}: {text!r} is no failure of OONI's df-007, like {Failure.CONNECTION_RESET}",
        ) from error


#: How a field is read, of those that are neither text nor a plain number.
_READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "ok": _yes,
    "control_ok": _yes,
    "count": _whole_number,
    "good": _whole_number,
    "status": _whole_number,
    "asn": _asn,
    "stage": _stage,
    "failure": _failure,
}


# ---- one table


def _csv(name: str, stream: IO[bytes], delimiter: str, wanted: Collection[str]) -> Iterator[Any]:
    header: list[str] | None = None
    for number, cells in csv_rows(stream, delimiter):
        if isinstance(cells, RowError):
            yield Refused(cells.reason, str(cells), f"{name}:{number}")
        elif header is None:
            header = [cell.strip() for cell in cells]
            if (why := table_fault(header, wanted)) is not None:
                yield Refused(
                    RefusalReason.NOT_A_MEASUREMENT, why + _other_kind(cells, delimiter), f"{name}:{number}"
                )
                return
        elif len(cells) != len(header):
            why = f"{len(cells)} cells, and {len(header)} columns"
            yield Refused(RefusalReason.NOT_A_MEASUREMENT, why, f"{name}:{number}")
        else:
            yield f"{name}:{number}", dict(zip(header, cells, strict=True))


def _other_kind(cells: Sequence[str], delimiter: str) -> str:
    """What else a first row without the columns may be, in words; empty where it looks like one."""
    first = cells[0] if len(cells) == 1 else ""
    if other := next((mark for mark in ";,\t|" if mark in first and mark != delimiter), ""):
        return f"; is {other!r} the delimiter? say so in the mapping"
    if any(not is_printable(cell) or "\ufffd" in cell for cell in cells):
        return "; is it CSV, JSON lines or Parquet? nothing else is read"
    return ""


def _json_rows(name: str, stream: IO[bytes]) -> Iterator[Any]:
    """Rows of JSON: one a line, or a list of them over many lines."""
    if _is_document(stream.peek(_LOOK_BYTES) if hasattr(stream, "peek") else b""):
        yield from document(name, stream, lambda rows: _placed(name, rows))
        return
    for number, line in lines(stream):
        place = f"{name}:{number}"
        try:
            rows = msgspec.json.decode(line)
        except NO_JSON as error:
            yield Refused(RefusalReason.NOT_JSON, detail(error), place)
            continue
        yield from ((place, row) for row in (rows if isinstance(rows, list) else [rows]))


def _is_document(head: bytes) -> bool:
    """Whether a table's first line is the beginning of one JSON text, and no text by itself."""
    line, end, _ = head.removeprefix(BOM).lstrip().partition(b"\n")
    bare = line.strip()
    if not end or (not bare.startswith(b"[") and bare != b"{"):
        return False
    try:
        msgspec.json.decode(bare)
    except NO_JSON:
        return True
    return False


def _placed(name: str, rows: Any) -> Iterator[tuple[str, Any]]:
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        yield f"{name}, row {number}", row


def _parquet(name: str, stream: IO[bytes], wanted: Collection[str]) -> Iterator[Any]:
    try:
        yield from parquet_rows(name, stream, wanted)
    except NoParquetError as error:
        raise MappingError(
            "Parquet needs pyarrow; `pip install '.[archive]'` where netdusk's source is"
        ) from error
