"""Bundles: many records of one vantage in one Kafka record, and the signature over it.

The first line says who speaks and how many lines follow; then one ProbeResult or VantageStatus a line. A signature is
Ed25519 over `netdusk.signed/1`, SEQUENCE and the SHA-256 of the record's value, a line each; SEQUENCE is the text of
the header `netdusk-sequence`: decimal, and with each record of a key larger than before. ADR 0055 says why it
is over a hash. Nothing here knows whether a key is registered.

`cryptography` (the extra `trust`) is imported where a key is used.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from producers.records import BUNDLE_BEGINS, BUNDLE_SCHEMA

KEY_HEADER: Final = "netdusk-key"
SEQUENCE_HEADER: Final = "netdusk-sequence"
SIGNATURE_HEADER: Final = "netdusk-signature"
#: A record as large as brokers take it by default.
BUNDLE_BYTES_MAX: Final = 1024 * 1024
#: So many records one bundle may have.
BUNDLE_LINES_MAX: Final = 5_000
#: Larger numbers are no microseconds since 1970.
SEQUENCE_MAX: Final = 2**63


class _Head(msgspec.Struct, frozen=True, tag_field="schema", tag=BUNDLE_SCHEMA):
    vantage: str
    n: int


class BundleError(ValueError):
    """A bundle is damaged; the message says how."""


class Bundle(NamedTuple):
    """A bundle that was opened."""

    vantage: str
    lines: Sequence[bytes]


def bundle(vantage: str, values: Sequence[bytes]) -> bytes:
    """Put records of one vantage, without line ends in them, into one.

    >>> bundle("pk-1", [b"{}", b"{}"])
    b'{"schema":"netdusk.bundle/1","vantage":"pk-1","n":2}\\n{}\\n{}'
    """
    return b"\n".join((msgspec.json.encode(_Head(vantage, len(values))), *values))


def opened(value: bytes) -> Bundle:
    """Open a bundle. Raises BundleError where it is damaged."""
    if not value.startswith(BUNDLE_BEGINS):
        raise BundleError("it does not begin as a bundle does")
    if len(value) > BUNDLE_BYTES_MAX:
        raise BundleError(f"{len(value)} bytes; the most is {BUNDLE_BYTES_MAX}")
    first, *lines = value.split(b"\n")
    if lines and not lines[-1]:
        # A line end at the end.
        lines.pop()
    try:
        head = msgspec.json.decode(first, type=_Head)
    except msgspec.MsgspecError as error:
        raise BundleError(str(error)[:200]) from error
    if head.n != len(lines) or len(lines) > BUNDLE_LINES_MAX:
        raise BundleError(f"it says n = {head.n} and has {len(lines)} lines; the most is {BUNDLE_LINES_MAX}")
    return Bundle(head.vantage, lines)


def key_id(public_key: str) -> str:
    """The short name of a public key (base64) in a record's header.

    >>> key_id("MCowBQYDK2VwAyEA"), key_id("")
    ('deb521a1338e082c', 'e3b0c44298fc1c14')
    """
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:16]


def signed_text(sequence: int, value: bytes) -> bytes:
    """What a signature is over: the kind, the sequence and the hash of a record's value, which is not copied.

    >>> signed_text(7, b"{}").decode().splitlines()
    ['netdusk.signed/1', '7', '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a']
    """
    return b"netdusk.signed/1\n%d\n%s\n" % (sequence, hashlib.sha256(value).hexdigest().encode())


class Signer:
    """Signs records with one private key; sequences rise, over restarts too.

    Parameters
    ----------
    private_key
        Base64 of the 32 bytes of an Ed25519 private key.
    kept
        A file that remembers the last sequence, so that a clock that was set back does not stop the vantage.
    """

    def __init__(self, private_key: str, kept: Path | None = None) -> None:
        self._key = _private(private_key)
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        self.key_id = key_id(self.public_key)
        self._kept = kept
        self._last = 0
        if kept is not None and kept.exists():
            text = kept.read_text().strip()
            self._last = int(text) if text.isdecimal() else 0

    def headers(self, value: bytes) -> list[tuple[str, bytes]]:
        """The headers of a record with this value, under the next sequence."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        if self._kept is not None:
            self._kept.write_text(str(self._last))
        return [
            (KEY_HEADER, self.key_id.encode()),
            (SEQUENCE_HEADER, b"%d" % self._last),
            (SIGNATURE_HEADER, self._key.sign(signed_text(self._last, value))),
        ]


def new_key() -> tuple[str, str]:
    """A fresh private key and its public key, in base64."""
    private = base64.b64encode(os.urandom(32)).decode()
    return private, base64.b64encode(_private(private).public_key().public_bytes_raw()).decode()


def text_signer(private_key: str) -> tuple[str, Callable[[bytes], bytes]]:
    """The public key (base64) of a private one (base64 of 32 bytes), and what signs a text with it.

    Raises ValueError where it is no such key.
    """
    key = _private(private_key)
    return base64.b64encode(key.public_key().public_bytes_raw()).decode(), key.sign


def has_signed(public_key: str, text: bytes, signature: bytes) -> bool:
    """Whether a signature (64 bytes) over a text is of this key (base64). Raises ValueError where it is no key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  an extra

    try:
        _public(public_key).verify(signature, text)
    except InvalidSignature:
        return False
    return True


class Verifier:
    """Checks signatures; keeps the keys that it has met in the form in which they are used."""

    def __init__(self) -> None:
        self._keys: dict[str, Any] = {}

    def good(self, public_key: str, sequence: int, value: bytes, signature: bytes) -> bool:
        """Whether a signature is of this key over this sequence and value."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  an extra

        key = self._keys.get(public_key)
        if key is None:
            key = self._keys[public_key] = _public(public_key)
        try:
            key.verify(signature, signed_text(sequence, value))
        except InvalidSignature:
            return False
        return True


def _private(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  an extra

    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))


def _public(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415  an extra

    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
