"""Bundles: many records of one vantage in one Kafka record, and the signature over it.

The first line says who speaks and how many lines follow; then one ProbeResult or VantageStatus a line. A signature is
Ed25519 over `netdusk.signed/1`, SEQUENCE and the BLAKE3 of the record's value, a line each; SEQUENCE is the text of
the header `netdusk-sequence`: decimal, and with each record of a key larger than before. ADR 0058 says why it
is over a hash, and why over this one. Nothing here knows whether a key is registered.

PyNaCl and `blake3` (the extra `trust`) are imported where a key is used.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from producers.records import BUNDLE_BEGINS, BUNDLE_SCHEMA, repeated

if TYPE_CHECKING:
    from nacl.signing import SigningKey

KEY_HEADER: Final = "netdusk-key"
SEQUENCE_HEADER: Final = "netdusk-sequence"
SIGNATURE_HEADER: Final = "netdusk-signature"
#: A record as large as brokers take it by default.
BUNDLE_BYTES_MAX: Final = 1024 * 1024
#: So many records one bundle may have.
BUNDLE_LINES_MAX: Final = 5_000
#: Larger numbers are no microseconds since 1970.
SEQUENCE_MAX: Final = 2**63
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64


#: Whether a signature is of a key over a text: key, text, signature.
_Check = Callable[[bytes, bytes, bytes], bool]


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
        twice = repeated(first)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(str(error)[:200]) from error
    if twice is not None:
        raise BundleError(f"member {twice[:64]!a} stands in its first line twice")
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
    ['netdusk.signed/1', '7', '6e46dd10defc9b56c29a6ec56b508c21f54c08192194e4df25bf36f0c9c3c279']
    """
    from blake3 import blake3  # noqa: PLC0415  an extra

    return b"netdusk.signed/1\n%d\n%s\n" % (sequence, blake3(value).hexdigest().encode())


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
        self.public_key = _public_of(self._key)
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
            (SIGNATURE_HEADER, self._key.sign(signed_text(self._last, value)).signature),
        ]


def new_key() -> tuple[str, str]:
    """A fresh private key and its public key, in base64."""
    private = base64.b64encode(os.urandom(32)).decode()
    return private, _public_of(_private(private))


def text_signer(private_key: str) -> tuple[str, Callable[[bytes], bytes]]:
    """The public key (base64) of a private one (base64 of 32 bytes), and what signs a text with it.

    Raises ValueError where it is no such key.
    """
    key = _private(private_key)
    return _public_of(key), lambda text: key.sign(text).signature


def has_signed(public_key: str, text: bytes, signature: bytes) -> bool:
    """Whether a signature (64 bytes) over a text is of this key (base64). Raises ValueError where it is no key."""
    return _check()(_key_bytes(public_key), text, signature)


class Verifier:
    """Checks signatures; keeps the keys that it has met in the form in which they are used."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}
        self._is_of: _Check = _no_check_yet

    def good(self, public_key: str, sequence: int, value: bytes, signature: bytes) -> bool:
        """Whether a signature is of this key over this sequence and value."""
        key = self._keys.get(public_key)
        if key is None:
            key = self._keys[public_key] = _key_bytes(public_key)
            self._is_of = _check()
        return self._is_of(key, signed_text(sequence, value), signature)


def _no_check_yet(key: bytes, text: bytes, signature: bytes) -> bool:
    raise AssertionError("no key was met")


@cache
def _check() -> _Check:
    """What checks signatures, with the library looked up once: that takes a twentieth of a check."""
    from nacl.bindings import crypto_sign_open  # noqa: PLC0415  an extra
    from nacl.exceptions import BadSignatureError  # noqa: PLC0415  an extra

    def is_of(key: bytes, text: bytes, signature: bytes) -> bool:
        # The library takes both as one: with another length the text would begin elsewhere.
        if len(signature) != _SIGNATURE_BYTES:
            return False
        try:
            crypto_sign_open(signature + text, key)
        except BadSignatureError:
            return False
        return True

    return is_of


def _private(text: str) -> SigningKey:
    from nacl.signing import SigningKey  # noqa: PLC0415  an extra

    return SigningKey(_key_bytes(text))


def _public_of(key: SigningKey) -> str:
    return base64.b64encode(bytes(key.verify_key)).decode()


def _key_bytes(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != _KEY_BYTES:
        raise ValueError(f"an Ed25519 key has {_KEY_BYTES} bytes, not {len(key)}")
    return key
