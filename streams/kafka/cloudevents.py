"""The headers that make a record a CloudEvent, in the binary mode of CloudEvents 1.0 for Kafka.

The record itself stays as it is: who doesn't know CloudEvents passes the headers over.
"""

from __future__ import annotations

from typing import Final

import msgspec

#: Incidents only: they are few, and programs of others act on them.
ROLES: Final = frozenset({"alerts"})


class _Head(msgspec.Struct):
    schema: str
    id: str
    seq: int
    updated: str


_decode: Final = msgspec.json.Decoder(_Head).decode


def headers_of(role: str, topic: str, value: bytes) -> list[tuple[str, bytes]]:
    """Return the headers of a record for a topic; none where its role has none, or the record is no incident.

    `ce_id` is the incident's id and `seq`: a second delivery has the same.

    >>> value = b'{"schema":"netdusk.incident/1","id":"pk-1","seq":2,"updated":"2024-01-20T13:45:00Z"}'
    >>> dict(headers_of("alerts", "netdusk.alerts.v1", value))["ce_id"]
    b'pk-1/2'
    """
    if role not in ROLES:
        return []
    try:
        head = _decode(value)
    except msgspec.MsgspecError:
        return []
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", head.schema.encode()),
        ("ce_source", f"/{topic}".encode()),
        ("ce_id", f"{head.id}/{head.seq}".encode()),
        ("ce_subject", head.id.encode()),
        ("ce_time", head.updated.encode()),
        ("content-type", b"application/json"),
    ]
