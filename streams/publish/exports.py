"""Exports: a resolved incident with the windows that it rests on, so that a reader can check that nothing was changed.

An export is a text file, one JSON object a line. The first line says of what it is (`Header`) and names the export
before it. Then come records: the incident's snapshots, and the windows around it. The last line (`End`) holds the hash
of all, and the publisher's signature where there is a key.

Each line but the last is `{"hash":"HEX","record":RECORD}`. Its hash is SHA-256 over the hash of the line before (32
bytes; of the first line: those of the export before it, or zeros) and over RECORD's bytes as they stand. So a line
that was changed, left out, added or moved is told by its number; and whoever changes all that follow too has another
last hash than the one that was published.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from producers.records import repeated
from streams.records import Incident, Window, encode

_NOTHING: Final = bytes(32)
#: Says what is signed, so that the signature stands for nothing else.
_SIGNED: Final = b"netdusk.export-end/1\n"
Sign = Callable[[bytes], bytes]


class ExportError(Exception):
    """What is wrong with an export, for people."""


class Header(Struct, frozen=True, kw_only=True, tag_field="schema", tag="netdusk.export/1"):
    """Of what an export is. `previous` is the last hash of the export before it, in hex; None of the first one."""

    incident: str
    made: datetime
    version: str
    simulated: bool
    previous: str | None = None


class End(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="schema",
    tag="netdusk.export-end/1",
):
    """How many records there are, the hash of the last in hex, and, in base64, the key and its signature (Ed25519)."""

    records: int
    hash: str
    public_key: str | None = None
    signature: str | None = None


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    hash: str
    record: Raw


class Export(Struct, frozen=True):
    """What an export holds, its chain being whole."""

    header: Header
    end: End
    snapshots: int
    windows: int


def write(
    header: Header,
    snapshots: Sequence[Incident],
    windows: Iterable[Window],
    *,
    public_key: str | None = None,
    sign: Sign | None = None,
) -> Iterator[bytes]:
    """Yield the lines of an export. `sign` returns the signature (64 bytes) of a text, by the key that is named."""
    before = bytes.fromhex(header.previous) if header.previous is not None else _NOTHING
    count = 0
    records = (msgspec.json.encode(header), *map(encode, snapshots))
    for record in _both(records, map(encode, windows)):
        before = _hash(before, record)
        count += 1
        yield _link(before, record) + b"\n"
    signature = sign(_SIGNED + before) if sign is not None else None
    end = End(
        records=count - 1,
        hash=before.hex(),
        public_key=public_key if signature is not None else None,
        signature=base64.b64encode(signature).decode() if signature is not None else None,
    )
    yield msgspec.json.encode(end) + b"\n"


def read(lines: Iterable[bytes]) -> Export:
    """Check the chain of an export. Raises ExportError with the number of the first line that is wrong."""
    header: Header | None = None
    end: End | None = None
    before, number, snapshots, windows = _NOTHING, 0, 0, 0
    for number, line in enumerate(lines, 1):
        if end is not None:
            raise ExportError(f"line {number}: stands behind the end")
        if header is not None and line.startswith(b'{"schema"'):
            end = _decoded(line, End, number)
            if (twice := repeated(line)) is not None:
                raise ExportError(f"line {number}: was changed: member {twice[:64]!a} stands there twice")
            continue
        try:
            link = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ExportError(f"line {number}: is no line of an export") from error
        record = bytes(link.record)
        is_first = header is None
        if header is None:
            header = _decoded(record, Header, number)
            before = _previous(header)
        before = _hash(before, record)
        if link.hash != before.hex():
            raise ExportError(f"line {number}: was changed, or one before it was left out or moved")
        _check_form(line, _link(before, record), number)
        if not is_first:
            is_window = isinstance(_decoded(record, Incident | Window, number), Window)
            windows, snapshots = windows + is_window, snapshots + (not is_window)
    if header is None or end is None:
        raise ExportError(f"ends after line {number}, before its end")
    if (end.hash, end.records) != (before.hex(), snapshots + windows):
        raise ExportError(f"line {number}: its hash or its count is not that of the lines before it")
    return Export(header, end, snapshots, windows)


def signed_text(export: Export) -> tuple[bytes, bytes]:
    """Return what the publisher has signed, and the signature. Raises ExportError where there is none."""
    if export.end.signature is None or export.end.public_key is None:
        raise ExportError("is not signed")
    try:
        signature = base64.b64decode(export.end.signature, validate=True)
    except ValueError as error:  # binascii's errors are
        raise ExportError("its signature is no base64") from error
    return _SIGNED + bytes.fromhex(export.end.hash), signature


def _both(first: Iterable[bytes], then: Iterable[bytes]) -> Iterator[bytes]:
    yield from first
    yield from then


def _link(hashed: bytes, record: bytes) -> bytes:
    return b'{"hash":"%s","record":%s}' % (hashed.hex().encode(), record)


def _check_form(line: bytes, form: bytes, number: int) -> None:
    """Raise ExportError where a line is written otherwise: a second member `record` would be read by some, unhashed."""
    if line.rstrip(b"\r\n") != form:
        raise ExportError(f"line {number}: was changed: it is not written as an export's line is")


def _hash(before: bytes, record: bytes) -> bytes:
    return hashlib.sha256(before + record).digest()


def _previous(header: Header) -> bytes:
    try:
        before = bytes.fromhex(header.previous) if header.previous is not None else _NOTHING
    except ValueError as error:
        raise ExportError("line 1: the hash of the export before it is no hex") from error
    if len(before) != len(_NOTHING):
        raise ExportError("line 1: the hash of the export before it is too short or too long")
    return before


def _decoded(text: bytes, kind: Any, number: int) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ExportError(f"line {number}: {error}") from error
