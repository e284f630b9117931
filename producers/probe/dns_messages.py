"""DNS messages as a stub resolver writes and reads them: one question, and the records that answer it (RFC 1035).

No library: dnspython knows every kind of record, and takes 6 MB and ten times the CPU time for two of them. Its reading
is what the tests hold this one against. What can't be read is `dns_server_misbehaving`, never another error.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from producers.failures import Failure
from producers.probe.classify import ObservedFailure


class RecordType(IntEnum):
    """Kinds of records (IANA's numbers)."""

    A = 1
    CNAME = 5
    AAAA = 28
    HTTPS = 65


#: A name as its labels, in small letters.
Labels = tuple[bytes, ...]

_IN: Final = 1
_HEADER: Final = struct.Struct("!6H")
_TYPE_AND_CLASS: Final = struct.Struct("!HH")
_RECORD: Final = struct.Struct("!HHIH")
_RECURSION_DESIRED: Final = 0x0100
_RESPONSE: Final = 0x8000
_OPCODE: Final = 0x7800
_TRUNCATED: Final = 0x0200
_RCODE: Final = 0x000F
_LABEL_MAX: Final = 63
_NAME_MAX: Final = 255
_POINTER: Final = 0xC0
#: So many names may stand for each other, as dnspython has it.
_CHAIN_MAX: Final = 16
#: How many bytes an address of a kind has, and what writes it.
_ADDRESSES: Final[Mapping[int, tuple[int, int]]] = {
    RecordType.A: (4, socket.AF_INET),
    RecordType.AAAA: (16, socket.AF_INET6),
}
#: The key of a service's parameter that holds its ECH configuration (RFC 9848).
_ECH: Final = 5


class AskedName(NamedTuple):
    """What was asked."""

    name: Labels
    kind: int


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """One record of an answer."""

    name: Labels
    kind: int
    data: bytes
    #: Where its data begin in the message: names in them may point back.
    start: int


@dataclass(frozen=True, slots=True)
class DnsMessage:
    """What a server said. `question` is None where it repeats none; `records` are those of its answer section."""

    wire: bytes
    rcode: int
    truncated: bool
    question: AskedName | None
    records: tuple[ResourceRecord, ...]

    def addresses(self, kind: int) -> tuple[str, ...]:
        """What its answer says of the name that was asked for, over every name that stands for it, in its order.

        Raises ObservedFailure for a chain without end, or an address of another length.
        """
        length, family = _ADDRESSES[kind]
        records = self._answering(kind)
        if any(len(record.data) != length for record in records):
            raise _misbehaving("an address of another length")
        return tuple(dict.fromkeys(socket.inet_ntop(family, record.data) for record in records))

    def offers_ech(self) -> bool:
        """Whether a service of the name says how its ClientHello can be encrypted."""
        return any(_ECH in _service_keys(record.data) for record in self._answering(RecordType.HTTPS))

    def _answering(self, kind: int) -> list[ResourceRecord]:
        if self.question is None:
            return []
        name = self.question.name
        for _ in range(_CHAIN_MAX):
            if records := [record for record in self.records if record.name == name and record.kind == kind]:
                return records
            alias = next(
                (
                    record
                    for record in self.records
                    if record.name == name and record.kind == RecordType.CNAME
                ),
                None,
            )
            if alias is None:
                return []
            name, _ = _name(self.wire, alias.start)
        raise _misbehaving("names that stand for each other without end")


def ask(host: str, kind: int) -> bytes:
    """A question, less its number. No EDNS: what a plain stub resolver sends, which every box on the way understands.

    >>> ask("a.example", RecordType.A)
    b'\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x01a\\x07example\\x00\\x00\\x01\\x00\\x01'
    """
    labels = labels_of(host)
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    if len(name) > _NAME_MAX or any(not 0 < len(label) <= _LABEL_MAX for label in labels):
        raise ValueError(f"{host!r} is no name that can be asked for")
    header = _HEADER.pack(0, _RECURSION_DESIRED, 1, 0, 0, 0)[2:]
    return header + name + _TYPE_AND_CLASS.pack(kind, _IN)


def labels_of(host: str) -> Labels:
    """A host's name, taken apart."""
    return tuple(host.rstrip(".").lower().encode("ascii").split(b"."))


def read_message(wire: bytes) -> DnsMessage:
    """Read an answer, up to the end of its answer section. Raises ObservedFailure for what is none.

    Of a truncated one nothing beyond the question is read: it may end anywhere, and is asked for again.
    """
    try:
        _, flags, questions, answers, _, _ = _HEADER.unpack_from(wire)
        if not flags & _RESPONSE or flags & _OPCODE:
            raise _misbehaving("no answer to a question")
        if questions > 1:
            raise _misbehaving("an answer to several questions")
        question, offset = None, _HEADER.size
        if questions:
            name, offset = _name(wire, offset)
            kind, group = _TYPE_AND_CLASS.unpack_from(wire, offset)
            offset += _TYPE_AND_CLASS.size
            question = AskedName(name, kind if group == _IN else -1)
        truncated = bool(flags & _TRUNCATED)
        records = () if truncated else tuple(_records(wire, offset, answers))
    except (struct.error, IndexError) as error:
        raise _misbehaving("an answer that is cut off") from error
    return DnsMessage(wire, flags & _RCODE, truncated, question, records)


def _records(wire: bytes, offset: int, count: int) -> Iterator[ResourceRecord]:
    for _ in range(count):
        name, offset = _name(wire, offset)
        kind, group, _, length = _RECORD.unpack_from(wire, offset)
        offset += _RECORD.size
        if offset + length > len(wire):
            raise _misbehaving("a record that is cut off")
        if group == _IN:
            yield ResourceRecord(name, kind, wire[offset : offset + length], offset)
        offset += length


def _name(wire: bytes, offset: int) -> tuple[Labels, int]:
    """A name, and where what follows it begins. Pointers lead back only, so that none goes round."""
    labels: list[bytes] = []
    size, end, back = 1, 0, offset
    while length := wire[offset]:
        if length >= _POINTER:
            target = (length & ~_POINTER) << 8 | wire[offset + 1]
            if target >= back:
                raise _misbehaving("a name that points ahead")
            end = end or offset + 2
            offset = back = target
            continue
        if length > _LABEL_MAX or (size := size + length + 1) > _NAME_MAX or offset + length >= len(wire):
            raise _misbehaving("a name that is none")
        labels.append(wire[offset + 1 : offset + 1 + length].lower())
        offset += length + 1
    return tuple(labels), end or offset + 1


def _service_keys(data: bytes) -> set[int]:
    """Keys of a service's parameters (RFC 9460, 2.2). An alias (priority 0) has none."""
    keys: set[int] = set()
    try:
        if not int.from_bytes(data[:2], "big"):
            return keys
        _, offset = _name(data, 2)  # its target's name is never compressed
        while offset < len(data):
            key, length = _TYPE_AND_CLASS.unpack_from(data, offset)
            offset += _TYPE_AND_CLASS.size + length
            if offset > len(data):
                raise _misbehaving("a service's parameter that is cut off")
            keys.add(key)
    except (struct.error, IndexError) as error:
        raise _misbehaving("a service's record that is cut off") from error
    return keys


def _misbehaving(detail: str) -> ObservedFailure:
    return ObservedFailure(Failure.DNS_SERVER_MISBEHAVING, detail)
