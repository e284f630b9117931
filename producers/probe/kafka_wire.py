"""Kafka's protocol, as far as a vantage goes: find the leader of one partition, and write record batches to it.

Four requests in versions that brokers from 2.1 to 4 take, over one blocking connection. A general client keeps 9 MB of
what a vantage never asks for. Knows no result, no queue and no second try: those are the sender's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

_PRODUCE: Final = (0, 7)
_METADATA: Final = (3, 4)
_SASL_HANDSHAKE: Final = (17, 1)
_INIT_PRODUCER_ID: Final = (22, 0)
_SASL_AUTHENTICATE: Final = (36, 0)
#: An answer is never larger than this: Metadata of one topic, or a few bytes.
_ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024

#: A record's headers: name and value.
Headers = list[tuple[str, bytes]]


class KafkaError(IntEnum):
    """What a broker says when it does not do as asked, as far as it matters here (kafka.common.protocol.Errors)."""

    UNKNOWN_TOPIC_OR_PARTITION = 3
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    MESSAGE_TOO_LARGE = 10
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    TOPIC_AUTHORIZATION_FAILED = 29
    CLUSTER_AUTHORIZATION_FAILED = 31
    UNSUPPORTED_SASL_MECHANISM = 33
    UNSUPPORTED_VERSION = 35
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    KAFKA_STORAGE_ERROR = 56
    SASL_AUTHENTICATION_FAILED = 58
    UNKNOWN_PRODUCER_ID = 59


#: The broker never takes this batch, for its size.
TOO_LARGE: Final = frozenset({KafkaError.MESSAGE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
#: The numbers by which the broker knows repeated batches have to begin anew.
LOST_COUNT: Final = frozenset(
    {
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.UNKNOWN_PRODUCER_ID,
    }
)
#: It may go well a moment later, perhaps at another broker.
PASSING: Final = LOST_COUNT | {
    KafkaError.UNKNOWN_TOPIC_OR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_OR_FOLLOWER,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.KAFKA_STORAGE_ERROR,
}


class BrokerRefusalError(Exception):
    """The broker answered, and did not do as asked."""

    def __init__(self, code: int, detail: str | None = None) -> None:
        self.code = code
        name = KafkaError(code).name if code in KafkaError.__members__.values() else f"error {code}"
        super().__init__(f"{name}: {detail}" if detail else name)


class ProtocolError(Exception):
    """What came is no answer of a Kafka broker."""


@dataclass(frozen=True, slots=True)
class TopicPlace:
    """Where a topic's partitions are led: address by partition, None where there is no leader now."""

    leaders: tuple[tuple[str, int] | None, ...]


class BrokerConnection:
    """A connection to one broker; each call sends a request and waits for its answer.

    Raises OSError (TLS's errors are some), ProtocolError, and BrokerRefusalError. After any of them but the last it is
    of no use.

    Parameters
    ----------
    address
        Host and port.
    options
        A client's options: client_id, security_protocol, ssl_context, sasl_mechanism, sasl_plain_username,
        sasl_plain_password.
    timeout_seconds
        How long connecting, logging in, and each answer may take.
    """

    def __init__(
        self, address: tuple[str, int], options: Mapping[str, Any], *, timeout_seconds: float
    ) -> None:
        self._client_id = _string(str(options.get("client_id", "netdusk")))
        self._number = 0
        plain = socket.create_connection(address, timeout_seconds)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context: ssl.SSLContext | None = options.get("ssl_context")
            self._socket = context.wrap_socket(plain, server_hostname=address[0]) if context else plain
            if str(options.get("security_protocol", "")).startswith("SASL"):
                self._log_in(options)
        except BaseException:
            plain.close()
            raise

    def patience(self, seconds: float) -> None:
        """Wait so long for each answer from now on."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Let it go."""
        with suppress(OSError):
            self._socket.close()

    def place_of(self, topic: str) -> TopicPlace:
        """Where a topic's partitions are led."""
        reader = self._ask(_METADATA, struct.pack("!i", 1) + _string(topic) + b"\0")
        reader.skip(4)
        brokers = {}
        for _ in range(reader.int32()):
            node, host, port = reader.int32(), reader.string(), reader.int32()
            brokers[node] = (host or "", port)
            reader.string()  # its rack
        reader.string()
        reader.skip(4)
        if reader.int32() != 1:
            raise ProtocolError("an answer of another number of topics")
        _refuse(reader.int16())
        reader.string()
        reader.skip(1)
        leaders: dict[int, tuple[str, int] | None] = {}
        for _ in range(reader.int32()):
            reader.skip(2)
            number, leader = reader.int32(), reader.int32()
            leaders[number] = brokers.get(leader)
            for _ in ("replicas", "in sync"):
                reader.skip(4 * reader.int32())
        if sorted(leaders) != list(range(len(leaders))) or not leaders:
            raise ProtocolError("an answer without the topic's partitions")
        return TopicPlace(tuple(leaders[number] for number in range(len(leaders))))

    def producer_id(self) -> tuple[int, int]:
        """A fresh producer's id and epoch: by them the broker knows a batch that comes again."""
        reader = self._ask(_INIT_PRODUCER_ID, _string(None) + struct.pack("!i", 60_000))
        reader.skip(4)
        _refuse(reader.int16())
        return reader.int64(), reader.int16()

    def produce(self, topic: str, partition: int, batch: bytes, *, timeout_seconds: float) -> None:
        """Write one batch; return when all replicas in sync have it."""
        body = (
            _string(None)
            + struct.pack("!hii", -1, int(timeout_seconds * 1000), 1)
            + _string(topic)
            + struct.pack("!iii", 1, partition, len(batch))
            + batch
        )
        reader = self._ask(_PRODUCE, body)
        if reader.int32() != 1:
            raise ProtocolError("an answer of another number of topics")
        reader.string()
        if reader.int32() != 1 or reader.int32() != partition:
            raise ProtocolError("an answer of another partition")
        _refuse(reader.int16())

    def _log_in(self, options: Mapping[str, Any]) -> None:
        mechanism = str(options["sasl_mechanism"])
        reader = self._ask(_SASL_HANDSHAKE, _string(mechanism))
        if code := reader.int16():
            there = ", ".join(str(reader.string()) for _ in range(reader.int32()))
            raise BrokerRefusalError(code, f"it takes {there}, not {mechanism}")
        user, password = str(options["sasl_plain_username"]), str(options["sasl_plain_password"])
        if mechanism == "PLAIN":
            self._authenticate(f"\0{user}\0{password}".encode())
            return
        exchange = ScramExchange(mechanism, user, password)
        proof = exchange.proof(self._authenticate(exchange.opening))
        exchange.check(self._authenticate(proof))

    def _authenticate(self, data: bytes) -> bytes:
        reader = self._ask(_SASL_AUTHENTICATE, struct.pack("!i", len(data)) + data)
        code, detail = reader.int16(), reader.string()
        _refuse(code, detail)
        return reader.take(reader.int32())

    def _ask(self, request: tuple[int, int], body: bytes) -> _Reader:
        self._number += 1
        header = struct.pack("!hhi", *request, self._number) + self._client_id
        self._socket.sendall(struct.pack("!i", len(header) + len(body)) + header + body)
        length = int.from_bytes(self._receive(4), "big")
        if not 4 <= length <= _ANSWER_BYTES_MAX:
            raise ProtocolError("no answer of a Kafka broker")
        reader = _Reader(self._receive(length))
        if reader.int32() != self._number:
            raise ProtocolError("an answer to another request")
        return reader

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            if not (more := self._socket.recv(count - len(data))):
                raise ConnectionResetError("the broker ended the connection")
            data += more
        return bytes(data)


class ScramExchange:
    """SCRAM's side of who logs in (RFC 5802): the password itself never goes out.

    Parameters
    ----------
    mechanism
        SCRAM-SHA-256 or SCRAM-SHA-512.
    user, password
        As the broker has them.
    nonce
        Text that was never used before; a fresh one where not given.
    """

    def __init__(self, mechanism: str, user: str, password: str, *, nonce: str | None = None) -> None:
        self._hash = mechanism.removeprefix("SCRAM-").replace("-", "").lower()
        self._password = password.encode()
        self._nonce = nonce or secrets.token_urlsafe(24)
        self._bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self._nonce}"
        self._signature = b""

    @property
    def opening(self) -> bytes:
        """What is said first."""
        return b"n,," + self._bare.encode()

    def proof(self, challenge: bytes) -> bytes:
        """The answer to the broker's challenge. Raises ProtocolError where that is none."""
        fields = _scram_fields(challenge)
        try:
            nonce, salt, rounds = fields["r"], base64.b64decode(fields["s"]), int(fields["i"])
        except (KeyError, ValueError) as error:
            raise ProtocolError("no challenge of SCRAM") from error
        if not nonce.startswith(self._nonce) or not 0 < rounds <= 1_000_000:
            raise ProtocolError("a challenge of SCRAM to somebody else")
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, salt, rounds)
        without_proof = f"c=biws,r={nonce}"
        exchange = ",".join((self._bare, challenge.decode(), without_proof)).encode()
        key = self._mac(salted, b"Client Key")
        mask = self._mac(hashlib.new(self._hash, key).digest(), exchange)
        self._signature = self._mac(self._mac(salted, b"Server Key"), exchange)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, mask, strict=True))).decode()
        return f"{without_proof},p={proof}".encode()

    def check(self, last: bytes) -> None:
        """Raise ProtocolError where the broker does not know the password either."""
        if _scram_fields(last).get("v") != base64.b64encode(self._signature).decode():
            raise ProtocolError("the broker can't show that it knows the password")

    def _mac(self, key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, self._hash)


def _scram_fields(message: bytes) -> dict[str, str]:
    try:
        return {part[0]: part[2:] for part in message.decode().split(",") if part[1:2] == "="}
    except UnicodeDecodeError as error:
        raise ProtocolError("no message of SCRAM") from error


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """By what a broker knows a batch that comes again: the producer, and the number of its first record."""

    producer_id: int
    epoch: int
    sequence: int


def record_batch(
    key: bytes,
    values: Sequence[bytes],
    headers: Sequence[Headers],
    order: BatchOrder,
    *,
    compression: str | None,
    time_ms: int | None = None,
) -> bytes:
    """Records of one key as a batch (magic 2), compressed as `compression` says."""
    now_ms = int(time.time() * 1000) if time_ms is None else time_ms
    records = b"".join(
        _record(number, key, value, own)
        for number, (value, own) in enumerate(zip(values, headers, strict=True))
    )
    codec, compress = _CODECS[compression]
    checked = struct.pack(
        "!hiqqqhii",
        codec,
        len(values) - 1,
        now_ms,
        now_ms,
        order.producer_id,
        order.epoch,
        order.sequence,
        len(values),
    ) + compress(records)
    tail = struct.pack("!ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack("!qi", 0, len(tail)) + tail


def _record(number: int, key: bytes, value: bytes, headers: Headers) -> bytes:
    parts = [
        b"\0\0",
        _varint(number),
        _varint(len(key)),
        key,
        _varint(len(value)),
        value,
        _varint(len(headers)),
    ]
    for name, content in headers:
        parts += [_varint(len(name.encode())), name.encode(), _varint(len(content)), content]
    body = b"".join(parts)
    return _varint(len(body)) + body


def _varint(value: int) -> bytes:
    """A number that is not negative, in zigzag and groups of seven bits."""
    value <<= 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _gzip(data: bytes) -> bytes:
    import gzip  # noqa: PLC0415  loaded where the settings ask for it

    return gzip.compress(data)


def _lz4(data: bytes) -> bytes:
    import lz4.frame  # noqa: PLC0415  loaded where the settings ask for it; brokers refuse linked blocks

    compressed: bytes = lz4.frame.compress(data, block_linked=False)  # type: ignore[attr-defined]  # lz4 has no __all__
    return compressed


def _zstd(data: bytes) -> bytes:
    from zstandard import ZstdCompressor  # noqa: PLC0415  loaded where the settings ask for it

    return ZstdCompressor().compress(data)


#: A codec's number in a batch, and what compresses.
_CODECS: Final[Mapping[str | None, tuple[int, Callable[[bytes], bytes]]]] = {
    None: (0, lambda data: data),
    "gzip": (1, _gzip),
    "lz4": (3, _lz4),
    "zstd": (4, _zstd),
}


def _crc_table() -> Iterator[int]:
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        yield crc


_CRC_TABLE: Final = tuple(_crc_table())


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc, table = 0xFFFFFFFF, _CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class _Reader:
    """Takes an answer apart, from its beginning. Raises ProtocolError where it ends too early."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise ProtocolError("an answer that is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def skip(self, count: int) -> None:
        self.take(count)

    def int16(self) -> int:
        return int.from_bytes(self.take(2), "big", signed=True)

    def int32(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def int64(self) -> int:
        return int.from_bytes(self.take(8), "big", signed=True)

    def string(self) -> str | None:
        length = self.int16()
        return None if length < 0 else self.take(length).decode(errors="replace")


def _string(text: str | None) -> bytes:
    if text is None:
        return b"\xff\xff"
    data = text.encode()
    return struct.pack("!h", len(data)) + data


def _refuse(code: int, detail: str | None = None) -> None:
    if code:
        raise BrokerRefusalError(code, detail)
