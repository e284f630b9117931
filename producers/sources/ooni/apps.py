"""OONI's tests of messaging apps: where an app's way to its servers ended.

The failures that a measurement holds are read, and OONI's own verdicts (`telegram_web_status` ...) are not. An app is
reached where one of its servers is and, if it has a page, that is too. Specifications: ooni/spec ts-018 (WhatsApp),
ts-019 (Facebook Messenger), ts-020 (Telegram), ts-029 (Signal). These tests have no control.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from producers.addresses import is_bogon
from producers.failures import Failure, Stage
from producers.sources.ooni.web import (
    Connect,
    Handshake,
    NothingToTellError,
    Observation,
    Query,
    Request,
    failure_of,
)


class Asked(Struct, frozen=True):
    """One HTTP request of such a test, as far as it is read."""

    failure: str | None = None
    request: Request | None = None


class AppKeys(Struct, frozen=True):
    """The part of the test keys that is read."""

    queries: list[Query] | None = None
    tcp_connect: list[Connect] | None = None
    tls_handshakes: list[Handshake] | None = None
    requests: list[Asked] | None = None
    # Telegram
    telegram_web_failure: str | None = None
    # WhatsApp
    registration_server_failure: str | None = None
    whatsapp_web_failure: str | None = None
    # Facebook Messenger: whether the names lead where the app's servers are, and whether a connection is made
    facebook_dns_blocking: bool | None = None
    facebook_tcp_blocking: bool | None = None
    # Signal
    signal_backend_failure: str | None = None

    @property
    def asked_anything(self) -> bool:
        """Whether it holds any event."""
        return bool(self.queries or self.tcp_connect or self.tls_handshakes or self.requests)


def _telegram(keys: AppKeys) -> Observation:
    connects = keys.tcp_connect or []
    if connects and all(connect.how for connect in connects):
        return Observation(False, Stage.TCP, _commonest([connect.how for connect in connects]))
    return _page(keys, keys.telegram_web_failure, "web.telegram.org")


def _whatsapp(keys: AppKeys) -> Observation:
    endpoints = [connect for connect in keys.tcp_connect or [] if connect.port in (443, 5222)]
    if endpoints and all(connect.how for connect in endpoints):
        return Observation(False, Stage.TCP, _commonest([connect.how for connect in endpoints]))
    registered = _page(keys, keys.registration_server_failure, "v.whatsapp.net")
    return _page(keys, keys.whatsapp_web_failure, "web.whatsapp.com") if registered.ok else registered


def _facebook(keys: AppKeys) -> Observation:
    queries, connects = keys.queries or [], keys.tcp_connect or []
    failed = [query.failure for query in queries if query.failure]
    if queries and len(failed) == len(queries):
        return Observation(False, Stage.DNS, _commonest(failed))
    if keys.facebook_dns_blocking:
        addresses = [answer.ipv4 or answer.ipv6 or "" for query in queries for answer in query.answers or []]
        private = bool(addresses) and all(map(is_bogon, addresses))
        return Observation(False, Stage.DNS, Failure.DNS_BOGON_ERROR if private else None)
    if connects and all(connect.how for connect in connects):
        return Observation(False, Stage.TCP, _commonest([connect.how for connect in connects]))
    return Observation(True)


def _signal(keys: AppKeys) -> Observation:
    return _page(keys, keys.signal_backend_failure, "signal.org")


#: OONI's name of a test: the platform that it asks for, and who reads it.
APPS: Final[Mapping[str, tuple[str, Callable[[AppKeys], Observation]]]] = {
    "telegram": ("telegram", _telegram),
    "whatsapp": ("whatsapp", _whatsapp),
    "facebook_messenger": ("facebook", _facebook),
    "signal": ("signal", _signal),
}


def find_app(test: str, keys: AppKeys) -> Observation:
    """Where the app's way ended. Raises NothingToTellError where the measurement itself failed."""
    if not keys.asked_anything:
        raise NothingToTellError("nothing was asked")
    return APPS[test][1](keys)


def _page(keys: AppKeys, failure: str | None, host: str) -> Observation:
    """How a request for a page ended: its failure, and the step whose event has the same one."""
    if not failure:
        return Observation(True)
    return Observation(False, _stage(keys, failure, host), failure_of(failure))


def _stage(keys: AppKeys, failure: str, host: str) -> Stage:
    """The step that failed so: the latest of which it is told, for an earlier one may have had another try."""
    if failure.startswith("dns_") or any(query.failure == failure for query in keys.queries or []):
        return Stage.DNS
    if failure.startswith("ssl_"):
        return Stage.TLS
    handshakes = [
        one for one in keys.tls_handshakes or [] if not one.server_name or one.server_name.endswith(host)
    ]
    if any(one.failure == failure for one in handshakes):
        return Stage.TLS
    if any(connect.how == failure for connect in keys.tcp_connect or []) or failure == "connection_refused":
        return Stage.TCP
    return Stage.HTTP


def _commonest(failures: Sequence[str | None]) -> Failure:
    return failure_of(Counter(filter(None, failures)).most_common(1)[0][0])
