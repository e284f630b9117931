"""Rows of OONI's fast path (its table `fastpath`), out of a file of SQL inserts, as far as a row tells.

A row has the outcome of one measurement, not its events: whether something was unusual, and the kind. The statement
is read token by token, columns by their names; no database is asked.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from producers.failures import Failure, Stage
from producers.sources.ooni.web import Observation, failure_of

SqlRow = Mapping[str, str | None]

#: Characters of one string or comment that may be waiting for its end; a whole row has about a thousand.
PENDING_MAX: Final = 1024 * 1024

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)
      | (?P<string>'(?:[^'\\]++|\\.|'')*+')
      | (?P<name>[A-Za-z_][A-Za-z0-9_.$]*|`[^`]*`|"[^"]*")
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<mark>[(),;])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}
_ESCAPED: Final = re.compile(r"\\(.)|''", re.DOTALL)


class SqlError(ValueError):
    """Text that is no INSERT; the message says what stands there."""


def rows(lines: Iterable[str]) -> Iterator[SqlRow | SqlError]:
    """The rows of every INSERT ... VALUES, one dictionary each; what can't be read is one error, up to its `;`.

    Rows come as they are read: a statement may span lines, and one statement may have millions of rows.

    >>> list(rows(["INSERT INTO t (a, b) VALUES ('it''s', 1), (NULL, 'x');"]))
    [{'a': "it's", 'b': '1'}, {'a': None, 'b': 'x'}]
    """
    tokens = _Tokens(lines)
    for kind, text in tokens:
        if text == ";":
            continue
        try:
            if kind == "open":
                raise SqlError(f"{text!r} does not end")
            if text.lower() == "insert":
                yield from _insert(tokens)
                continue
        except SqlError as error:
            yield error
        tokens.skip()


Token = tuple[str, str]
_END: Final[Token] = ("end", "")


class _Tokens:
    """Kinds and texts of the tokens; one of kind `open` is a string or comment without an end."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = self._read(lines)
        self._last = ""

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        token = next(self._source)
        self._last = token[1]
        return token

    def skip(self) -> None:
        """Leave the statement that is being read: on to its `;`."""
        while self._last != ";":
            if next(self, _END) is _END:
                return

    def _read(self, lines: Iterable[str]) -> Iterator[Token]:
        waiting: list[str] = []
        size = tried = 0
        for line in lines:
            waiting.append(line if line.endswith("\n") else line + "\n")
            size += len(waiting[-1])
            # What did not end is looked at again when it has doubled: at each line, that would take for ever.
            if size < 2 * tried and size <= PENDING_MAX:
                continue
            rest = yield from self._tokens("".join(waiting))
            if len(rest) > PENDING_MAX:
                yield "open", rest[:60]
                rest = ""
            waiting, size, tried = [rest], len(rest), len(rest)
        rest = yield from self._tokens("".join(waiting))
        if rest:
            yield "open", rest[:60]

    def _tokens(self, text: str) -> Generator[Token, None, str]:
        """The tokens of a text; returns the end of it, where that is a string or comment without an end."""
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                if text[position] in "'`\"" or text.startswith("/*", position):
                    return text[position:]
                yield "other", text[position]
                position += 1
                continue
            position = match.end()
            if match.lastgroup != "space":
                yield match.lastgroup or "other", match[0]
        return ""


def _insert(tokens: _Tokens) -> Iterator[SqlRow | SqlError]:
    """Rows of one statement, from INTO to the `;`."""
    columns = _columns(tokens)
    while True:
        values = _values(tokens)
        if len(values) == len(columns):
            yield dict(zip(columns, values, strict=True))
        else:
            yield SqlError(f"{len(values)} values for {len(columns)} columns")
        _, text = next(tokens, _END)
        if text in {";", ""}:
            return
        if text != ",":
            raise SqlError(f"{text[:60]!r} after a row")


def _columns(tokens: _Tokens) -> list[str]:
    if next(tokens, _END)[1].lower() != "into":
        raise SqlError("an INSERT without INTO")
    kind, table = next(tokens, _END)
    if kind != "name":
        raise SqlError(f"{table[:60]!r} where a table should be named")
    if next(tokens, _END)[1] != "(":
        raise SqlError(f"an INSERT into {table} that does not name its columns")
    names: list[str] = []
    for kind, text in tokens:
        if kind == "name":
            names.append(text.strip('`"').lower())
        elif text == ")":
            break
        elif text != ",":
            raise SqlError(f"{text[:60]!r} among the columns")
    if next(tokens, _END)[1].lower() != "values":
        raise SqlError("an INSERT without VALUES")
    return names


def _values(tokens: _Tokens) -> list[str | None]:
    """One row, from its bracket to its bracket."""
    text = next(tokens, _END)[1]
    if text != "(":
        raise SqlError(f"{text[:60]!r} where a row should begin")
    values: list[str | None] = []
    for kind, text in tokens:
        if kind in {"string", "number", "name"}:
            values.append(_value(kind, text))
        elif text == ")":
            return values
        elif text != ",":
            raise SqlError(f"{text[:60]!r} within a row")
    raise SqlError("the file ends within a row")


def _value(kind: str, text: str) -> str | None:
    if kind == "string":
        if text == r"'\N'":  # how ClickHouse writes NULL
            return None
        return _ESCAPED.sub(_unescape, text[1:-1])
    return None if text.lower() == "null" else text


def _unescape(match: re.Match[str]) -> str:
    return "'" if match[0] == "''" else _ESCAPES.get(match[1], match[1])


# ---- what a row tells


class Fingerprint(Struct, frozen=True):
    """A known block page or address that was recognised."""

    location_found: str = ""


class Analysis(Struct, frozen=True):
    """How the measurement failed, as far as the row says."""

    blocking_type: str = ""
    signal_backend_failure: str | None = None


class Scores(Struct, frozen=True):
    """The column `scores`, what is read of it."""

    fingerprints: list[Fingerprint] = []
    analysis: Analysis = Analysis()


#: Tests that measure one platform, whatever their input.
PLATFORM_TESTS: Final[Mapping[str, str]] = {
    "telegram": "telegram",
    "whatsapp": "whatsapp",
    "facebook_messenger": "facebook",
    "signal": "signal",
    "tor": "tor",
    "vanilla_tor": "tor",
    "torsf": "snowflake",
    "psiphon": "psiphon",
    "riseupvpn": "riseupvpn",
}

#: Kind of difference to step and failure. `http-failure` is a request without an answer: for an https URL the
#: handshake may be where it ended, but a row does not tell.
_KINDS: Final[Mapping[str, tuple[Stage, Failure | None]]] = {
    "dns": (Stage.DNS, None),
    "tcp_ip": (Stage.TCP, None),
    "http-diff": (Stage.HTTP, Failure.BLOCKPAGE),
    "http-failure": (Stage.HTTP, None),
}


def is_true(value: str | None) -> bool:
    """A truth value as the table's dumps write it."""
    return (value or "").lower() in {"t", "true", "1"}


def find_row(row: SqlRow) -> Observation:
    """What a row says. Raises ValueError where its scores are no JSON.

    Not unusual is `ok`: a row does not tell a page that was reached from one that is down everywhere. Whether the
    control was good is not in a row: `control_ok` is unknown.
    """
    if not is_true(row.get("anomaly")) and not is_true(row.get("confirmed")):
        return Observation(True)
    try:
        scores = msgspec.json.decode(row.get("scores") or "{}", type=Scores)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ValueError(f"scores: {error}") from error
    if scores.analysis.signal_backend_failure:
        return Observation(False, None, failure_of(scores.analysis.signal_backend_failure))
    if is_true(row.get("confirmed")):
        places = {fingerprint.location_found for fingerprint in scores.fingerprints}
        if "body" in places or "header" in places:
            return Observation(False, Stage.HTTP, Failure.BLOCKPAGE)
        if "dns" in places:
            return Observation(False, Stage.DNS, None)
    kind = scores.analysis.blocking_type or row.get("blocking_type") or ""
    stage, failure = _KINDS.get(kind, (None, None))
    return Observation(False, stage, failure)
