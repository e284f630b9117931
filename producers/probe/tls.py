"""TLS: one handshake with SNI over a connected channel, and the certificate held against the host's name.

OpenSSL works on memory here, not on the socket: what the network says (reset, end) stays apart from what TLS says.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from producers.failures import Failure
from producers.probe.classify import ObservedFailure
from producers.probe.tcp import Channel

_READ_BYTES: Final = 65_536


class Contexts:
    """TLS contexts, made once: reading the system's authorities takes longer than a handshake.

    Parameters
    ----------
    authorities
        A PEM file of certificate authorities; None trusts those of the system. Raises OSError or ssl.SSLError for a
        file that can't be read.
    """

    def __init__(self, authorities: Path | None = None) -> None:
        self._authorities = str(authorities) if authorities else None
        self._made: dict[tuple[bool, str], ssl.SSLContext] = {}
        self.of(verify=True)

    def of(self, *, verify: bool, protocol: str = "http/1.1") -> ssl.SSLContext:
        """The context that trusts as a target does, and offers its version of HTTP (ALPN)."""
        known = self._made.get((verify, protocol))
        return known or self._made.setdefault((verify, protocol), self._make(verify, protocol))

    def _make(self, verify: bool, protocol: str) -> ssl.SSLContext:
        if verify:
            context = ssl.create_default_context(cafile=self._authorities)
        else:
            # Nobody's word is asked for: no authority is read.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        return context


class TlsChannel:
    """A channel inside of TLS."""

    __slots__ = ("_from_peer", "_plain", "_tls", "_to_peer")

    def __init__(self, plain: Channel, context: ssl.SSLContext, server_name: str) -> None:
        self._plain = plain
        self._from_peer = ssl.MemoryBIO()
        self._to_peer = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_peer, self._to_peer, server_hostname=server_name)

    @property
    def received(self) -> int:
        """Bytes that have come, as they were on the wire."""
        return self._plain.received

    async def handshake(self, *, more_follows: bool) -> None:
        """Complete the handshake. Raises OSError (ssl.SSLError is one), Observed where the peer ends early.

        Our last message of it goes out with what is sent next, where more follows: one packet, as browsers do it.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._feed():
                    raise ObservedFailure(Failure.EOF_ERROR, "the peer ended during the handshake") from None
            except ssl.SSLError:
                self._plain.send_now(self._to_peer.read())  # the alert that tells the peer why
                raise
            else:
                if not more_follows:
                    await self._flush()
                return

    def check_certificate(self, good: Sequence[str]) -> None:
        """Hold the server's certificate against those that it may show. Raises Observed."""
        shown = hashlib.sha256(self._tls.getpeercert(binary_form=True) or b"").hexdigest()
        if shown not in good:
            raise ObservedFailure(Failure.SSL_INVALID_CERTIFICATE, f"SHA-256 {shown}")

    @property
    def expires(self) -> float | None:
        """When the server's certificate ends, seconds since 1970; None where it was not verified."""
        if self._tls.context.verify_mode is ssl.CERT_NONE:
            return None
        certificate = self._tls.getpeercert(binary_form=True)
        return None if certificate is None else _end_of(certificate, self._tls)

    @property
    def protocol(self) -> str | None:
        """What the server chose of what it was offered (ALPN); None where it chose nothing."""
        return self._tls.selected_alpn_protocol()

    async def receive(self, bytes_max: int = _READ_BYTES) -> bytes:
        """Wait for bytes and return them. Empty means that the peer has ended. Raises OSError."""
        while True:
            try:
                return self._tls.read(bytes_max)
            except ssl.SSLWantReadError:
                # TLS 1.3's tickets and key updates may ask for an answer.
                await self._flush()
                if not await self._feed():
                    return b""  # many servers end without TLS's own goodbye
            except ssl.SSLZeroReturnError:
                return b""

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        self._tls.write(data)
        await self._flush()

    def close(self) -> None:
        """Let the socket go."""
        self._plain.close()

    async def _flush(self) -> None:
        if self._to_peer.pending:
            await self._plain.send(self._to_peer.read())

    async def _feed(self) -> bool:
        data = await self._plain.receive(_READ_BYTES)
        if data:
            self._from_peer.write(data)
        return bool(data)


#: When certificates end, by their SHA-256: the same few are shown again and again, and reading one takes long.
_ENDS: Final[dict[bytes, float | None]] = {}
_ENDS_MAX: Final = 4096


def _end_of(certificate: bytes, shown: ssl.SSLObject) -> float | None:
    key = hashlib.sha256(certificate).digest()
    if key not in _ENDS:
        text = (shown.getpeercert() or {}).get("notAfter")
        _ENDS[key] = ssl.cert_time_to_seconds(text) if isinstance(text, str) else None
        if len(_ENDS) > _ENDS_MAX:
            _ENDS.pop(next(iter(_ENDS)))
    return _ENDS[key]


async def handshake(
    plain: Channel, context: ssl.SSLContext, server_name: str, *, more_follows: bool
) -> TlsChannel:
    """One handshake. Raises OSError, Observed."""
    channel = TlsChannel(plain, context, server_name)
    await channel.handshake(more_follows=more_follows)
    return channel
