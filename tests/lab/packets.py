"""Packets as a middlebox sees them: IPv4 or IPv6 with TCP or UDP in it. RFC 791, 8200, 793, 768."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

TCP: Final = 6
UDP: Final = 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_HEAD_6: Final = 40

Flow = tuple[bytes, int, bytes, int]


@dataclass(slots=True)
class Packet:
    """What is looked at in a packet. `source` and `target` are addresses, as four bytes or sixteen."""

    protocol: int
    source: bytes
    target: bytes
    source_port: int
    target_port: int
    flags: int
    sequence: int
    acknowledged: int
    payload: bytes

    @property
    def flow(self) -> Flow:
        """The connection, as its client's end names it."""
        return self.source, self.source_port, self.target, self.target_port

    @property
    def back(self) -> Flow:
        """The connection, as its other end names it."""
        return self.target, self.target_port, self.source, self.source_port


def take_apart(raw: bytes) -> Packet | None:
    """Read a packet, or None for what is neither TCP nor UDP, or has headers of IPv6 between.

    >>> packet = udp(("10.0.0.1", 5000), ("10.0.0.2", 53), b"hello")
    >>> read = take_apart(packet)
    >>> read.payload, read.target_port
    (b'hello', 53)
    """
    if len(raw) >= 20 and raw[0] >> 4 == 4:
        head = (raw[0] & 15) * 4
        protocol, source, target = raw[9], raw[12:16], raw[16:20]
        body = raw[head : struct.unpack_from("!H", raw, 2)[0]]
    elif len(raw) >= _HEAD_6 and raw[0] >> 4 == 6:
        protocol, source, target = raw[6], raw[8:24], raw[24:40]
        body = raw[_HEAD_6 : _HEAD_6 + struct.unpack_from("!H", raw, 4)[0]]
    else:
        return None
    if protocol == UDP and len(body) >= 8:
        ports = struct.unpack_from("!HH", body)
        return Packet(UDP, source, target, *ports, 0, 0, 0, body[8:])
    if protocol == TCP and len(body) >= 20:
        source_port, target_port, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", body)
        payload = body[(offset >> 4) * 4 :]
        return Packet(TCP, source, target, source_port, target_port, flags, sequence, acknowledged, payload)
    return None


def home_of(raw: bytes) -> bytes:
    """Return the address that a packet is sent to."""
    return raw[24:40] if raw[:1] and raw[0] >> 4 == 6 else raw[16:20]


End = tuple[str | bytes, int]


def udp(source: End, target: End, payload: bytes) -> bytes:
    """Make a UDP packet."""
    body = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    return _packed(UDP, _address(source[0]), _address(target[0]), body, 6)


def tcp(
    source: End, target: End, flags: int, sequence: int, acknowledged: int = 0, payload: bytes = b""
) -> bytes:
    """Make a TCP packet."""
    body = (
        struct.pack(
            "!HHIIBBHHH",
            source[1],
            target[1],
            sequence & 0xFFFF_FFFF,
            acknowledged & 0xFFFF_FFFF,
            5 << 4,
            flags,
            65_535,
            0,
            0,
        )
        + payload
    )
    return _packed(TCP, _address(source[0]), _address(target[0]), body, 16)


def server_name(hello: bytes) -> str | None:
    """Return the server's name in a TLS ClientHello (RFC 8446, 6066), or None if there is none to be read."""
    try:
        if hello[0] != 22 or hello[5] != 1:
            return None
        at = 43 + 1 + hello[43]
        at += 2 + int.from_bytes(hello[at : at + 2], "big")
        at += 1 + hello[at]
        end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
        at += 2
        while at + 4 <= min(end, len(hello)):
            kind, size = struct.unpack_from("!HH", hello, at)
            if kind == 0:
                length = int.from_bytes(hello[at + 7 : at + 9], "big")
                return hello[at + 9 : at + 9 + length].decode("ascii", "replace")
            at += 4 + size
    except IndexError:
        return None
    return None


def asked_host(request: bytes) -> str | None:
    """Return the Host of a plain HTTP request, or None for what is none."""
    if not request.startswith((b"GET ", b"HEAD ", b"POST ")):
        return None
    for line in request.split(b"\r\n")[1:]:
        if line.lower().startswith(b"host:"):
            return line[5:].strip().split(b":")[0].decode("ascii", "replace")
    return None


def _address(address: str | bytes) -> bytes:
    return address if isinstance(address, bytes) else ip_address(address).packed


def _packed(protocol: int, source: bytes, target: bytes, body: bytes, checksum_at: int) -> bytes:
    six = len(source) == 16
    pseudo = (
        source
        + target
        + struct.pack("!II" if six else "!xBH", *((len(body), protocol) if six else (protocol, len(body))))
    )
    total = _checksum(pseudo + body)
    body = body[:checksum_at] + struct.pack("!H", total) + body[checksum_at + 2 :]
    if six:
        return struct.pack("!IHBB16s16s", 6 << 28, len(body), protocol, 64, source, target) + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0, source, target)
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + body


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
