"""The closed vocabulary of what can go wrong, in the field's own words.

Failure strings are OONI's (data format df-007, https://github.com/ooni/spec/blob/master/data-formats/df-007-errors.md,
and ooni/probe-cli `internal/netxlite/errorx.go`), plus three that a probe measures and OONI's engine has no
string for: ``throttled``, ``blockpage`` and ``http_unexpected_body``. Facts only: no word here says why a thing failed.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The step at which an attempt ended, in the order in which they are taken."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    QUIC = "quic"


class Failure(StrEnum):
    """How an attempt ended."""

    # the system calls' errors
    ADDRESS_FAMILY_NOT_SUPPORTED = "address_family_not_supported"
    ADDRESS_IN_USE = "address_in_use"
    ADDRESS_NOT_AVAILABLE = "address_not_available"
    CONNECTION_ABORTED = "connection_aborted"
    CONNECTION_ALREADY_CLOSED = "connection_already_closed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_RESET = "connection_reset"
    DESTINATION_ADDRESS_REQUIRED = "destination_address_required"
    HOST_UNREACHABLE = "host_unreachable"
    INTERRUPTED = "interrupted"
    INVALID_ARGUMENT = "invalid_argument"
    MESSAGE_SIZE = "message_size"
    NETWORK_DOWN = "network_down"
    NETWORK_RESET = "network_reset"
    NETWORK_UNREACHABLE = "network_unreachable"
    NO_BUFFER_SPACE = "no_buffer_space"
    NO_PROTOCOL_OPTION = "no_protocol_option"
    NOT_A_SOCKET = "not_a_socket"
    NOT_CONNECTED = "not_connected"
    OPERATION_WOULD_BLOCK = "operation_would_block"
    PERMISSION_DENIED = "permission_denied"
    PROTOCOL_NOT_SUPPORTED = "protocol_not_supported"
    TIMED_OUT = "timed_out"
    WRONG_PROTOCOL_TYPE = "wrong_protocol_type"
    # names
    ANDROID_DNS_CACHE_NO_DATA = "android_dns_cache_no_data"
    DNS_BOGON_ERROR = "dns_bogon_error"
    DNS_NO_ANSWER = "dns_no_answer"
    DNS_NON_RECOVERABLE_FAILURE = "dns_non_recoverable_failure"
    DNS_NXDOMAIN_ERROR = "dns_nxdomain_error"
    DNS_REFUSED_ERROR = "dns_refused_error"
    DNS_REPLY_WITH_WRONG_QUERY_ID = "dns_reply_with_wrong_query_id"
    DNS_SERVER_MISBEHAVING = "dns_server_misbehaving"
    DNS_SERVFAIL_ERROR = "dns_servfail_error"
    DNS_TEMPORARY_FAILURE = "dns_temporary_failure"
    # any step
    EOF_ERROR = "eof_error"
    GENERIC_TIMEOUT_ERROR = "generic_timeout_error"
    UNKNOWN_FAILURE = "unknown_failure"
    # TLS and QUIC
    QUIC_INCOMPATIBLE_VERSION = "quic_incompatible_version"
    SSL_FAILED_HANDSHAKE = "ssl_failed_handshake"
    SSL_INVALID_CERTIFICATE = "ssl_invalid_certificate"
    SSL_INVALID_HOSTNAME = "ssl_invalid_hostname"
    SSL_UNKNOWN_AUTHORITY = "ssl_unknown_authority"
    # HTTP and what it carries
    HTTP_INVALID_REDIRECT_LOCATION_HOST = "http_invalid_redirect_location_host"
    HTTP_REQUEST_FAILED = "http_request_failed"
    HTTP_UNEXPECTED_REDIRECT_URL = "http_unexpected_redirect_url"
    HTTP_UNEXPECTED_STATUS_CODE = "http_unexpected_status_code"
    JSON_PARSE_ERROR = "json_parse_error"
    # measured by us
    BLOCKPAGE = "blockpage"
    THROTTLED = "throttled"
    HTTP_UNEXPECTED_BODY = "http_unexpected_body"
