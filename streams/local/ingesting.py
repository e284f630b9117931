"""Reads what others have measured, from files, folders, URLs or standard input, and brings it on; and counts.

A run that was cut goes on where it was: what has been acknowledged is noted in a state file. Which formats there are is
the table in `streams/local/sources.py`; what a format means its source knows.
"""

from __future__ import annotations

import http.client
import io
import socket
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

import orjson

from producers.addresses import is_bogon
from producers.records import ProbeResult
from producers.signals import Signal
from producers.sources.contract import Item, Read, Refused
from producers.sources.files import read_all
from streams.settings import SettingsError

#: How many details are counted by themselves, of each reason.
_DETAILS_MAX: Final = 100
_DETAILS_SHOWN: Final = 5
_URL_SECONDS: Final = 60.0
_CUT: Final = "the download was cut"
#: Items between two looks at the state file.
PIECE: Final = 5_000
STDIN: Final = "-"


# ---- where it comes from


@dataclass(frozen=True, slots=True)
class Input:
    """One file, URL or standard input: how it is called, how large it is if that is known, and how to open it.

    `mark` tells whether it is still the same one; empty where nothing does.
    """

    name: str
    size: int | None
    mark: str
    open: Callable[[], IO[bytes]]


def inputs(sources: Iterable[str], stdin: Callable[[], IO[bytes]]) -> list[Input]:
    """What is to be read, in order; a folder's files by their paths. Raises SettingsError for what is not there."""
    files_found: list[Input] = []
    for source in sources:
        if source == STDIN:
            files_found.append(Input(source, None, "", stdin))
        elif source.startswith(("http://", "https://")):
            files_found.append(Input(source, None, "", partial(_open_url, source)))
        elif Path(source).is_dir():
            files = sorted(path for path in Path(source).rglob("*") if path.is_file() and path.name[0] != ".")
            if not files:
                raise SettingsError(f"{source}: an empty folder; name one with files")
            files_found += map(_file, files)
        elif Path(source).is_file():
            files_found.append(_file(Path(source)))
        else:
            raise SettingsError(f"{source}: no such file; name files, folders, URLs, or - for standard input")
    return files_found


def _file(path: Path) -> Input:
    facts = path.stat()
    return Input(str(path), facts.st_size, f"{facts.st_size}-{facts.st_mtime_ns}", lambda: _open(path))


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; make it readable") from error


def _open_url(url: str) -> IO[bytes]:
    try:
        opener = urllib.request.build_opener(_Redirects, *_handlers(Dial()))
        answer: IO[bytes] = opener.open(url, timeout=_URL_SECONDS)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise SettingsError(f"{url}: {error}; name a URL that can be read") from error
    return cast(IO[bytes], _Download(answer))


def leads_inside(url: str, other: str, lookup: Callable[[str], Iterable[str]]) -> bool:
    """Whether a URL of a public host leads on to an address that no public host has: a cloud's metadata, say.

    Raises OSError for a name that has no address.
    """
    here, there = (urlsplit(one).hostname or "" for one in (url, other))
    return here != there and any(map(is_bogon, lookup(there))) and not all(map(is_bogon, lookup(here)))


def addresses_of(host: str) -> list[str]:
    """The addresses that a name has now. Raises OSError where it has none."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class Dial:
    """Opens the connections of one download, each to an address that was judged: a name may lead elsewhere later.

    A download that began at a public address goes to none of this machine's own network, whatever leads there.

    Parameters
    ----------
    lookup
        A name's addresses.
    connect
        What opens a connection to an address.
    """

    def __init__(
        self,
        lookup: Callable[[str], Iterable[str]] = addresses_of,
        connect: Callable[..., socket.socket] = socket.create_connection,
    ) -> None:
        self._lookup = lookup
        self._connect = connect
        self._is_public: bool | None = None

    def __call__(self, place: tuple[str, int], *more: Any) -> socket.socket:
        """A connection to a host and port; the rest is as `socket.create_connection` takes it. Raises OSError."""
        host, port = place
        addresses = list(dict.fromkeys(self._lookup(host)))
        if self._is_public and (inside := next(filter(is_bogon, addresses), None)):
            raise OSError(f"leads on to {host}, which is at {inside}: that is not asked")
        failed: OSError | None = None
        for address in addresses:
            try:
                connection = self._connect((address, port), *more)
            except OSError as error:
                failed = error
                continue
            if self._is_public is None:
                self._is_public = not is_bogon(address)
            return connection
        raise failed or OSError(f"{host} has no address")


def _handlers(dial: Dial) -> tuple[urllib.request.BaseHandler, ...]:
    """What opens http and https by `dial`."""

    def dialled(kind: type[http.client.HTTPConnection]) -> Callable[..., http.client.HTTPConnection]:
        def made(host: str, **options: Any) -> http.client.HTTPConnection:
            connection = kind(host, **options)
            # It has no other way in for who opens its connections.
            connection._create_connection = dial  # type: ignore[attr-defined]  # typeshed does not know it
            return connection

        return made

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(dialled(http.client.HTTPConnection), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(dialled(http.client.HTTPSConnection), req)

    return Http(), Https()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to another public host, as downloads do; never from one into this machine's own network.

    Where a proxy makes the connections, this alone looks where they go; else `Dial` looks again.
    """

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith(("http://", "https://")) or leads_inside(req.full_url, newurl, addresses_of):
            raise urllib.error.URLError(f"leads on to {newurl[:200]!r}, which is not asked")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Download(io.RawIOBase):
    """A URL's body; one that was cut raises EOFError, as a packed file that was cut does.

    Python's own takes what has come for the whole where the length was told, and has an error of its own else.
    """

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._cut = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._cut:
            raise EOFError(_CUT)
        # What is missing is forgotten once the end was met.
        missing = self._answer.length
        try:
            size: int = self._answer.readinto(buffer)
        except http.client.IncompleteRead as error:
            self._cut, size = True, len(error.partial)
            buffer[:size] = error.partial
        except http.client.HTTPException as error:
            raise EOFError(_CUT) from error
        self._cut |= not size and bool(missing) and len(buffer) > 0
        if self._cut and not size:
            raise EOFError(_CUT)
        return size

    def close(self) -> None:
        self._answer.close()
        super().close()


# ---- how far a run has come


@dataclass
class Progress:
    """How many items of each input have been acknowledged: the state file of a run that may be cut.

    An input that has changed meanwhile is read from its beginning: ids are made of the facts, so nothing counts twice.
    """

    path: Path | None
    _done: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Of the file that is written: its path, and how many bytes of it have been acknowledged.
    _output: tuple[str, int] | None = None

    @classmethod
    def read(cls, path: Path | None) -> Progress:
        """Take up an earlier run. Raises SettingsError for a file that is none of ours."""
        if path is None or not path.exists():
            return cls(path)
        try:
            known = orjson.loads(path.read_bytes())
            output = known.get("output")
            return cls(
                path,
                {
                    name: {"mark": str(one["mark"]), "items": int(one["items"]), "whole": bool(one["whole"])}
                    for name, one in known["inputs"].items()
                },
                (str(output["path"]), int(output["bytes"])) if output else None,
            )
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise SettingsError(
                f"{path}: {error}; it is no state file of ingest: name another, or delete it"
            ) from error

    def is_done(self, source: Input) -> bool:
        """Whether all of it has been acknowledged."""
        known = self._done.get(source.name)
        return bool(source.mark and known and known["mark"] == source.mark and known["whole"])

    def items(self, source: Input) -> int:
        """So many items of it have been acknowledged."""
        known = self._done.get(source.name)
        return known["items"] if source.mark and known and known["mark"] == source.mark else 0

    def open_output(self, output: Path) -> BinaryIO:
        """The file that is written, at where it was acknowledged: what a run that was cut wrote behind that is cut off.

        Raises OSError, and SettingsError for a file that holds less than was acknowledged.
        """
        if self.path is None or not self.path.exists():
            return output.open("wb")
        sink = output.open("ab")
        if self._output is not None and self._output[0] == str(output.resolve()) and sink.tell():
            if sink.tell() < self._output[1]:
                size = sink.tell()
                sink.close()
                raise SettingsError(
                    f"{output}: {size} bytes, and {self.path} says that {self._output[1]} were written; "
                    "put back what was there, or delete both and begin anew"
                )
            sink.truncate(self._output[1])
        return sink

    def wrote(self, output: Path, size: int) -> None:
        """Take how large the file is now; the next note writes it down."""
        self._output = (str(output.resolve()), size)

    def note(self, source: Input, items: int, *, whole: bool) -> None:
        """Write down how far it has come."""
        if self.path is None or not source.mark:
            return
        self._done[source.name] = {"mark": source.mark, "items": items, "whole": whole}
        fresh = self.path.with_name(f"{self.path.name}.new")
        known: dict[str, Any] = {"inputs": self._done}
        if self._output is not None:
            known["output"] = {"path": self._output[0], "bytes": self._output[1]}
        fresh.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))
        fresh.replace(self.path)


# ---- what came of it


@dataclass
class IngestTotals:
    """What came of the measurements."""

    files: int = 0
    results: int = 0
    signals: int = 0
    ok: int = 0
    skipped_files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    details: dict[str, Counter[str]] = field(default_factory=dict)
    #: By reason, where each detail was met first.
    places: dict[str, dict[str, str]] = field(default_factory=dict)

    def note(self, item: Item) -> None:
        """Count one item: as a result, a signal, or refused with its reason and detail."""
        if isinstance(item, Refused):
            reason = item.reason.value
            self.refused[reason] += 1
            details = self.details.setdefault(reason, Counter())
            if item.detail in details or len(details) < _DETAILS_MAX:
                details[item.detail] += 1
                self.places.setdefault(reason, {}).setdefault(item.detail, item.place)
        elif isinstance(item, Signal):
            self.signals += 1
            self.outcomes[f"{item.source}.{item.name}"] += 1
        else:
            self.results += 1
            self.ok += item.ok
            if not item.ok:
                self.outcomes[f"{item.stage or 'unknown'}.{item.failure or 'unknown'}"] += 1

    def refusals(self) -> list[str]:
        """What was refused, by reason, each with its commonest details and where these were met first, in lines."""
        lines = []
        for reason, n in self.refused.most_common():
            lines.append(f"  {n} {reason}")
            first = self.places[reason]
            lines += [
                f"      {n} {detail} ({'at' if n == 1 else 'first at'} {first[detail]})"
                for detail, n in self.details[reason].most_common(_DETAILS_SHOWN)
            ]
        return lines

    @property
    def written(self) -> int:
        """Results and signals."""
        return self.results + self.signals

    def facts(self) -> dict[str, object]:
        """Return all counts by name, as JSON and the log have them."""
        return {
            "files": self.files,
            "skipped_files": self.skipped_files,
            "read": self.written + self.refused.total(),
            "written": self.written,
            "signals": self.signals,
            "ok": self.ok,
            "failed": dict(self.outcomes.most_common()),
            "refused": dict(self.refused.most_common()),
            "refused_because": {
                reason: dict(details.most_common()) for reason, details in self.details.items()
            },
            "refused_first": self.places,
        }


Watch = Callable[[Input, BinaryIO], AbstractContextManager[BinaryIO]]


def pieces(
    read: Read,
    sources: Iterable[Input],
    progress: Progress,
    totals: IngestTotals,
    watch: Watch = lambda _, raw: nullcontext(raw),
) -> Iterator[tuple[list[ProbeResult | Signal], Callable[[], None]]]:
    """What is to be written, piece by piece, each with what to call once it is acknowledged."""
    for source in sources:
        if progress.is_done(source):
            totals.skipped_files += 1
            continue
        totals.files += 1
        before, number = progress.items(source), 0
        piece: list[ProbeResult | Signal] = []
        with closing(source.open()) as raw, watch(source, raw) as stream:  # type: ignore[arg-type]
            for item in read_all(source.name, stream, read):
                number += 1
                if number <= before:
                    continue
                totals.note(item)
                if not isinstance(item, Refused):
                    piece.append(item)
                if len(piece) >= PIECE:
                    yield piece, partial(progress.note, source, number, whole=False)
                    piece = []
        yield piece, partial(progress.note, source, number, whole=True)
