"""From what the system, OpenSSL, a name server or a parser says, to the closed vocabulary: the one place for it.

The strings are OONI's (data format df-007); the table of errno follows ooni/probe-cli's `internal/netxlite`. Knows no
target: what depends on one (a status, a block page) its prober raises as `ObservedFailure`.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Mapping
from typing import Final

import h11

from producers.failures import Failure


class ObservedFailure(Exception):  # noqa: N818  it says what was seen, not that we erred
    """The prober itself saw the failure; no library has an error for it."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(f"{failure}: {detail}" if detail else failure)
        self.failure = failure


#: What a step may raise because of the network. Anything else is a bug, and stays an exception.
NETWORK_ERRORS: Final = (OSError, ObservedFailure, h11.RemoteProtocolError)

#: Errors of this machine, not of the path: no result comes of them, or a vantage that runs out of file descriptors
#: would report an outage.
LOCAL_ERRNOS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

ERRNOS: Final[Mapping[int, Failure]] = {
    errno.EAFNOSUPPORT: Failure.ADDRESS_FAMILY_NOT_SUPPORTED,
    errno.EADDRINUSE: Failure.ADDRESS_IN_USE,
    errno.EADDRNOTAVAIL: Failure.ADDRESS_NOT_AVAILABLE,
    errno.ECONNABORTED: Failure.CONNECTION_ABORTED,
    errno.ECONNREFUSED: Failure.CONNECTION_REFUSED,
    errno.ECONNRESET: Failure.CONNECTION_RESET,
    errno.EPIPE: Failure.CONNECTION_RESET,  # Linux's word for writing after the peer's reset was read
    errno.EDESTADDRREQ: Failure.DESTINATION_ADDRESS_REQUIRED,
    errno.EHOSTUNREACH: Failure.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Failure.HOST_UNREACHABLE,
    errno.EINTR: Failure.INTERRUPTED,
    errno.EINVAL: Failure.INVALID_ARGUMENT,
    errno.EMSGSIZE: Failure.MESSAGE_SIZE,
    errno.ENETDOWN: Failure.NETWORK_DOWN,
    errno.ENETRESET: Failure.NETWORK_RESET,
    errno.ENETUNREACH: Failure.NETWORK_UNREACHABLE,
    errno.ENOBUFS: Failure.NO_BUFFER_SPACE,
    errno.ENOPROTOOPT: Failure.NO_PROTOCOL_OPTION,
    errno.ENOTSOCK: Failure.NOT_A_SOCKET,
    errno.ENOTCONN: Failure.NOT_CONNECTED,
    errno.EACCES: Failure.PERMISSION_DENIED,
    errno.EPERM: Failure.PERMISSION_DENIED,  # a firewall of this host
    errno.EPROTONOSUPPORT: Failure.PROTOCOL_NOT_SUPPORTED,
    errno.ETIMEDOUT: Failure.TIMED_OUT,  # the kernel gave up; our own deadline is generic_timeout_error
    errno.EPROTOTYPE: Failure.WRONG_PROTOCOL_TYPE,
    errno.EWOULDBLOCK: Failure.OPERATION_WOULD_BLOCK,
}

#: OpenSSL's X509_V_ERR_* (openssl/x509_vfy.h). Every other code is an invalid certificate: expired (10), not yet
#: valid (9), revoked (23), a wrong purpose (26) ...
VERIFY_CODES: Final[Mapping[int, Failure]] = {
    2: Failure.SSL_UNKNOWN_AUTHORITY,  # unable to get issuer certificate
    18: Failure.SSL_UNKNOWN_AUTHORITY,  # self-signed
    19: Failure.SSL_UNKNOWN_AUTHORITY,  # self-signed certificate in chain
    20: Failure.SSL_UNKNOWN_AUTHORITY,  # unable to get local issuer certificate
    21: Failure.SSL_UNKNOWN_AUTHORITY,  # unable to verify the first certificate
    27: Failure.SSL_UNKNOWN_AUTHORITY,  # untrusted
    62: Failure.SSL_INVALID_HOSTNAME,  # host name mismatch
    64: Failure.SSL_INVALID_HOSTNAME,  # address mismatch
}

#: A name server's answers other than NOERROR (RFC 1035, 4.1.1).
RCODES: Final[Mapping[int, Failure]] = {
    2: Failure.DNS_SERVFAIL_ERROR,
    3: Failure.DNS_NXDOMAIN_ERROR,
    5: Failure.DNS_REFUSED_ERROR,
}


def classify(error: BaseException) -> Failure:
    """Return the failure that an error of `NETWORK_ERRORS` stands for. Raises the error if it is this machine's own.

    >>> classify(ConnectionResetError(errno.ECONNRESET, "reset")).value
    'connection_reset'
    >>> classify(TimeoutError()).value
    'generic_timeout_error'
    """
    match error:
        case ObservedFailure():
            return error.failure
        case ssl.SSLCertVerificationError():
            return VERIFY_CODES.get(error.verify_code, Failure.SSL_INVALID_CERTIFICATE)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Failure.EOF_ERROR
        case ssl.SSLError():
            return Failure.SSL_FAILED_HANDSHAKE
        case OSError() if error.errno in LOCAL_ERRNOS:
            raise error
        case TimeoutError() if error.errno is None:
            return Failure.GENERIC_TIMEOUT_ERROR
        case OSError():
            return ERRNOS.get(error.errno or 0, Failure.UNKNOWN_FAILURE)
        case h11.RemoteProtocolError():
            return Failure.HTTP_REQUEST_FAILED
    raise error


def answered(rcode: int) -> None:
    """Raise a name server's answer as an Observed failure, if it is not NOERROR."""
    if rcode:
        raise ObservedFailure(RCODES.get(rcode, Failure.DNS_SERVER_MISBEHAVING), f"response code {rcode}")
