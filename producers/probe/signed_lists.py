"""Signatures over targets files: who runs vantages elsewhere asks by a list that its author has signed.

A signature is a small file beside the list, `FILE.sig`: the public key, and Ed25519 over `netdusk.targets/1` and the
list's SHA-256, a line each. It says whose list it is, and not how new: an older list of the same author passes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Final

from producers.bundles import has_signed, text_signer

SUFFIX: Final = ".sig"
_HEAD: Final = "netdusk.targets/1"


class SignatureError(ValueError):
    """A list is not signed by a key that counts; the message says how."""


def signature_of(content: bytes, private_key: str) -> bytes:
    """What stands in the file beside a list. Raises ValueError where it is no private key."""
    public, sign = text_signer(private_key)
    signature = base64.b64encode(sign(_signed_text(content))).decode()
    return f"{_HEAD}\n{public}\n{signature}\n".encode()


def signer_of(content: bytes, signature: bytes, keys: Iterable[str]) -> str:
    """The public key that has signed a list, if it is one of these. Raises SignatureError."""
    try:
        head, public, text = signature.decode("ascii").split()
        wire = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise SignatureError("the signature is damaged: sign the list anew") from error
    if head != _HEAD:
        raise SignatureError(f"the signature is of another kind: {head[:40]}")
    if public not in set(keys):
        raise SignatureError(f"it is signed by {public}, whose lists do not count here")
    try:
        good = has_signed(public, _signed_text(content), wire)
    except ValueError as error:
        raise SignatureError(f"{public} is no key: {error}") from error
    if not good:
        raise SignatureError("the list is not as it was signed")
    return public


def _signed_text(content: bytes) -> bytes:
    return f"{_HEAD}\n{hashlib.sha256(content).hexdigest()}\n".encode()
