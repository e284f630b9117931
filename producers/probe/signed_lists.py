"""Signatures over targets files: who runs vantages elsewhere asks by a list that its author has signed.

A signature is a small file beside the list, `FILE.sig`: the public key, when it was signed, and Ed25519 over
`netdusk.targets/2`, that time and the list's SHA-256, a line each. A vantage remembers the newest of each key that it
has asked by, and takes no older one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from producers.bundles import has_signed, text_signer

SUFFIX: Final = ".sig"
_HEAD: Final = "netdusk.targets/2"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class SignatureError(ValueError):
    """A list is not signed by a key that counts; the message says how."""


class Signed(NamedTuple):
    """Whose list it is, by public key, and when it was signed (to the second)."""

    key: str
    at: datetime


def signature_of(content: bytes, private_key: str, at: datetime) -> bytes:
    """What stands in the file beside a list. Raises ValueError where it is no private key."""
    public, sign = text_signer(private_key)
    when = at.astimezone(UTC).strftime(_TIME)
    signature = base64.b64encode(sign(_signed_text(content, when))).decode()
    return f"{_HEAD}\n{public}\n{when}\n{signature}\n".encode()


def signer_of(content: bytes, signature: bytes, keys: Iterable[str]) -> Signed:
    """Who has signed a list, if it is one of these public keys, and when. Raises SignatureError."""
    try:
        head, *rest = signature.decode("ascii").split()
        if head.startswith("netdusk.targets/") and head != _HEAD:
            raise SignatureError(f"the signature is of another kind ({head[:40]}): sign the list anew")
        public, when, text = rest
        wire = base64.b64decode(text, validate=True)
        signed_at = datetime.strptime(when, _TIME).replace(tzinfo=UTC)
    except SignatureError:
        raise
    except ValueError as error:
        raise SignatureError("the signature is damaged: sign the list anew") from error
    if public not in set(keys):
        raise SignatureError(
            f"it is signed by {public}, whose lists do not count here: name that key, or take a list of yours"
        )
    try:
        good = has_signed(public, _signed_text(content, when), wire)
    except ValueError as error:
        raise SignatureError(f"{public} is no key: {error}") from error
    if not good:
        raise SignatureError("the list is not as it was signed: fetch it and its signature anew")
    return Signed(public, signed_at)


def check_newest(signed: Signed, kept: Path) -> None:
    """Raise SignatureError where a newer list of the same key was asked by, as the file `kept` remembers."""
    newest = _read(kept).get(signed.key)
    if newest is not None and signed.at.timestamp() < newest:
        raise SignatureError(
            f"it was signed on {signed.at:{_TIME}}, and this vantage has asked by one of "
            f"{datetime.fromtimestamp(newest, UTC):{_TIME}}: fetch the newest list, or have its author sign it anew"
        )


def remember(signed: Signed, kept: Path, now: datetime) -> None:
    """Note a list that is asked by. Raises OSError.

    One that was signed ahead of time, by a clock that was wrong, counts as of now: else every later one were older.
    """
    known = _read(kept)
    known[signed.key] = max(known.get(signed.key, 0), int(min(signed.at, now).timestamp()))
    fresh = kept.with_name(f"{kept.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(known, file)
    fresh.replace(kept)


def _read(kept: Path) -> dict[str, int]:
    try:
        return {str(key): int(made_at) for key, made_at in json.loads(kept.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SignatureError(
            f"{kept} can't be read ({error}): delete it, and the next list is taken"
        ) from error


def _signed_text(content: bytes, when: str) -> bytes:
    return f"{_HEAD}\n{when}\n{hashlib.sha256(content).hexdigest()}\n".encode()
