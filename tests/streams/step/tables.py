"""Small MaxMind DB files, made by hand: an entry for each of some first octets of IPv4 addresses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def _encoded(value: object) -> bytes:
    """A text, a number, a map or an empty list of the data section; all short."""
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode()
    if isinstance(value, int):
        kind, size = (5, 2) if value < 1 << 16 else (6, 4)
        return bytes([kind << 5 | size]) + value.to_bytes(size, "big")
    if isinstance(value, list):
        return bytes([0, 11 - 7])
    assert isinstance(value, dict)
    return bytes([7 << 5 | len(value)]) + b"".join(_encoded(k) + _encoded(v) for k, v in value.items())


def write_table(path: Path, entries: Mapping[int, object]) -> Path:
    """Write a table whose entry for the addresses N.0.0.0/8 is that of N."""
    data, places = b"", {}
    for octet, entry in entries.items():
        places[octet] = len(data)
        data += _encoded(entry)
    nodes = 255
    records = []
    for node in range(nodes):
        for bit in (0, 1):
            child = 2 * node + 1 + bit
            octet = child - nodes
            if octet < 0:
                records.append(child)
            else:
                records.append(nodes + 16 + places[octet] if octet in places else nodes)
    meta = {
        "record_size": 24,
        "ip_version": 4,
        "database_type": "test",
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "languages": [],
        "description": {},
    }
    # Readers ask for these two in 32 and in 64 bits.
    head = bytes([7 << 5 | len(meta) + 2]) + _encoded(meta)[1:] + _encoded("build_epoch") + b"\x01\x02\x01"
    head += _encoded("node_count") + bytes([6 << 5 | 4]) + nodes.to_bytes(4, "big")
    tree = b"".join(record.to_bytes(3, "big") for record in records)
    path.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + head)
    return path
