"""QUIC: one handshake over one UDP socket, with the host's name in its ClientHello and the certificate held against it.

aioquic (BSD-3-Clause) speaks the protocol and touches no socket; the socket is our own, connected to the address that
was judged, so that ICMP's "refused" is heard. It sends a lost packet again by itself, as the kernel does for TCP.
Loaded only where a target asks for it: it brings cryptography along.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Final

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, QuicEvent
from cryptography import x509
from OpenSSL import crypto
from service_identity import CertificateError

from producers.failures import Failure
from producers.probe.classify import ObservedFailure
from producers.probe.tcp import Channel

#: A TLS alert is this much more as a code of QUIC's (RFC 9001, 4.8).
_ALERTS: Final = range(0x100, 0x200)
_BAD_CERTIFICATE: Final = 0x100 + 42
_CERTIFICATE_EXPIRED: Final = 0x100 + 45
#: What cryptography and pyOpenSSL say of certificates with a strange version, an extension twice, a broken name ...
_UNREADABLE: Final = (
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    crypto.Error,
)
#: How aioquic ends a connection by itself where the server speaks none of its versions.
_NO_COMMON_VERSION: Final = "Could not find a common protocol version"
_NO_FRAME: Final = None
#: What a path is taken for before its first answer (RFC 9002, 6.2.2). aioquic takes a third of it, and so sends all
#: again on a slow line before the answer can be there: of 240 attempts on a starved machine 203 came through, not 122.
INITIAL_RTT_SECONDS: Final = 0.333


class _Connection(QuicConnection):
    """aioquic's, which also says at once that it ends: its event for that comes a second or more later.

    An attempt's deadline may be shorter, and would say that nothing came.
    """

    ends: ConnectionTerminated | None = None

    @property
    def ended_by_peer(self) -> ConnectionTerminated | None:
        """How the peer ended it, as soon as that is known. Without aioquic's own note, its event says it later."""
        return None if self.ends else getattr(self, "_close_event", None)

    def close(self, error_code: int = 0, frame_type: int | None = _NO_FRAME, reason_phrase: str = "") -> None:
        """End the connection, and note why."""
        self.ends = self.ends or ConnectionTerminated(error_code, frame_type, reason_phrase)
        super().close(error_code, frame_type, reason_phrase)


class QuicChannel:
    """A QUIC connection that waits without blocking the loop."""

    def __init__(self, plain: Channel, peer: tuple[str, int], configuration: QuicConfiguration) -> None:
        self.connection = _Connection(configuration=configuration)
        self._plain = plain
        self._peer = peer
        self._loop = asyncio.get_running_loop()

    @property
    def received(self) -> int:
        """Bytes that have come, as they were on the wire."""
        return self._plain.received

    async def handshake(self) -> None:
        """Complete the handshake. Raises OSError, Observed."""
        self.connection.connect(self._peer, now=self._loop.time())
        while not isinstance(await self.event(), HandshakeCompleted):
            pass

    async def event(self) -> QuicEvent:
        """What comes next. Raises OSError, and Observed where the connection ends."""
        while (event := self.connection.next_event()) is None:
            if self.connection.ends is not None:
                await self.flush()  # the alert that tells the peer why
                raise _observed(self.connection.ends, by_peer=False)
            if self.connection.ended_by_peer is not None:
                raise _observed(self.connection.ended_by_peer, by_peer=True)
            await self._turn()
        if isinstance(event, ConnectionTerminated):
            raise _observed(event, by_peer=True)
        return event

    async def flush(self) -> None:
        """Send what is to be sent. Raises OSError."""
        for data, _ in self.connection.datagrams_to_send(now=self._loop.time()):
            await self._plain.send(data)

    def close(self) -> None:
        """Say goodbye, and let the socket go."""
        self.connection.close()
        for data, _ in self.connection.datagrams_to_send(now=self._loop.time()):
            self._plain.send_now(data)
        self._plain.close()

    async def _turn(self) -> None:
        await self.flush()
        try:
            async with asyncio.timeout_at(self.connection.get_timer()) as waiting:
                data = await self._plain.receive()
        except TimeoutError:
            if not waiting.expired():
                raise
            self.connection.handle_timer(now=self._loop.time())
        else:
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        """Take a datagram. Raises Observed for a certificate that those who read it for aioquic can't.

        aioquic lets their errors through. Names that are none, like `*` or `*.com`, are not the host's over TCP either.
        """
        try:
            self.connection.receive_datagram(data, self._peer, now=self._loop.time())
        except CertificateError as error:
            raise ObservedFailure(Failure.SSL_INVALID_HOSTNAME, str(error)) from error
        except _UNREADABLE as error:
            raise ObservedFailure(Failure.SSL_INVALID_CERTIFICATE, str(error)) from error


class Quic:
    """What every handshake of a vantage shares.

    Parameters
    ----------
    authorities
        A PEM file of certificate authorities; None trusts those of the system, else those that aioquic brings.
    """

    def __init__(self, authorities: Path | None = None) -> None:
        paths = ssl.get_default_verify_paths()
        # A folder first: of it OpenSSL reads the one authority that it needs, and of a file all of them, each time.
        self._cafile = str(authorities) if authorities else None if paths.capath else paths.cafile
        self._capath = None if authorities else paths.capath

    async def connect(self, address: str, port: int, server_name: str, *, verify: bool) -> QuicChannel:
        """One handshake with a numeric address. Raises OSError, Observed."""
        configuration = QuicConfiguration(
            alpn_protocols=["h3"],
            server_name=server_name,
            verify_mode=None if verify else ssl.CERT_NONE,
            cafile=self._cafile,
            capath=self._capath,
            initial_rtt=INITIAL_RTT_SECONDS,
        )
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        plain = Channel(udp, asyncio.get_running_loop())
        channel = QuicChannel(plain, (address, port), configuration)
        try:
            udp.setblocking(False)
            udp.connect((address, port))
            await channel.handshake()
        except BaseException:
            plain.close()
            raise
        return channel


def _observed(end: ConnectionTerminated, *, by_peer: bool) -> ObservedFailure:
    return ObservedFailure(
        _failure_of(end, by_peer=by_peer), end.reason_phrase or f"code {end.error_code:#x}"
    )


def _failure_of(end: ConnectionTerminated, *, by_peer: bool) -> Failure:
    """Why a connection ended, in the field's words. aioquic gives OpenSSL's reason as a text alone.

    >>> _failure_of(ConnectionTerminated(0x12A, 6, "self-signed certificate"), by_peer=False).value
    'ssl_unknown_authority'
    """
    reason = end.reason_phrase
    if reason == _NO_COMMON_VERSION:
        return Failure.QUIC_INCOMPATIBLE_VERSION
    if end.frame_type is None or end.error_code not in _ALERTS:
        # The application's own codes overlap with those of TLS. We end by ourselves where an answer can't be read.
        return Failure.EOF_ERROR if by_peer else Failure.HTTP_REQUEST_FAILED
    if by_peer:
        return Failure.SSL_FAILED_HANDSHAKE
    if end.error_code == _BAD_CERTIFICATE:
        if any(word in reason for word in ("issuer", "self-signed", "self signed", "untrusted")):
            return Failure.SSL_UNKNOWN_AUTHORITY
        if "hostname" in reason or "Mismatch" in reason:
            return Failure.SSL_INVALID_HOSTNAME
        return Failure.SSL_INVALID_CERTIFICATE
    if end.error_code == _CERTIFICATE_EXPIRED:
        return Failure.SSL_INVALID_CERTIFICATE
    return Failure.SSL_FAILED_HANDSHAKE
