"""OONI's tests of messaging apps: where an app's way to its servers ended.

The failures that a measurement holds are read, and OONI's own verdicts (`telegram_web_status` ...) are not. An app is
reached where one of its servers is and, if it has a page, that is too; Facebook Messenger where all are.
Specifications: ooni/spec ts-018 (WhatsApp), ts-019 (Facebook Messenger), ts-020 (Telegram), ts-029 (Signal). These
tests have no control.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from producers.addresses import is_bogon
from producers.failures import Failure, Stage
from producers.sources.ooni.platforms import host_of
from producers.sources.ooni.web import (
    Connect,
    Handshake,
    NothingToTellError,
    Observation,
    Query,
    Request,
    failure_of,
    is_address,
)


class Asked(Struct, frozen=True):
    """One HTTP request of such a test, as far as it is read."""

    failure: str | None = None
    request: Request | None = None


class AppQuery(Query, frozen=True, kw_only=True):
    """One lookup, with the name that was asked for."""

    hostname: str | None = None

    @property
    def addresses(self) -> list[str]:
        """The addresses in its answers, of either family."""
        return [address for answer in self.answers or [] if (address := answer.ipv4 or answer.ipv6)]


class AppKeys(Struct, frozen=True):
    """The part of the test keys that is read."""

    queries: list[AppQuery] | None = None
    tcp_connect: list[Connect] | None = None
    tls_handshakes: list[Handshake] | None = None
    requests: list[Asked] | None = None
    # Telegram
    telegram_web_failure: str | None = None
    # WhatsApp
    registration_server_failure: str | None = None
    whatsapp_web_failure: str | None = None
    # Facebook Messenger: whether a name leads elsewhere than to the app's servers
    facebook_dns_blocking: bool | None = None
    # Signal
    signal_backend_failure: str | None = None

    @property
    def asked_anything(self) -> bool:
        """Whether it holds any event."""
        return bool(self.queries or self.tcp_connect or self.tls_handshakes or self.requests)


#: From when on only this version of the test, and later ones, can succeed (ooni/probe#2344, ooni/probe#2627).
_SIGNAL_TESTS: Final = (
    ((0, 2, 2), datetime(2022, 10, 19, tzinfo=UTC)),
    ((0, 2, 4), datetime(2023, 11, 7, tzinfo=UTC)),
)
#: A version that never could (ooni/probe#2636).
_SIGNAL_BROKEN: Final = "0.2.4"
#: The same of the client's engine (ooni/backend#679).
_SIGNAL_ENGINE: Final = ((3, 17, 2), datetime(2023, 5, 2, tzinfo=UTC))
#: The app's endpoints, beside which WhatsApp's pages are.
_ENDPOINT: Final = re.compile(r"e\d+\.whatsapp\.net")


def _telegram(keys: AppKeys) -> Observation:
    # The page's connects stand among those of the app's own servers, which have no names.
    pages = _addresses(keys, lambda host: host.endswith("telegram.org"))
    ended = _all_failed([connect for connect in keys.tcp_connect or [] if connect.ip not in pages])
    return ended or _asked_of_addresses(keys) or _page(keys, keys.telegram_web_failure, "web.telegram.org")


def _whatsapp(keys: AppKeys) -> Observation:
    named = [query for query in keys.queries or [] if _ENDPOINT.fullmatch(query.hostname or "")]
    if named and (ended := _no_address(named)) is not None:
        return ended
    # The pages are at port 443 too: where it is told which addresses are the endpoints', others say nothing of them.
    own = {address for query in named for address in query.addresses}
    endpoints = [
        connect
        for connect in keys.tcp_connect or []
        if connect.port in (443, 5222) and (not own or connect.ip in own)
    ]
    if (ended := _all_failed(endpoints)) is not None:
        return ended
    registered = _page(keys, keys.registration_server_failure, "v.whatsapp.net")
    web = None if _came(keys, "https://web.whatsapp.com/") else keys.whatsapp_web_failure
    return _page(keys, web, "web.whatsapp.com") if registered.ok else registered


def _facebook(keys: AppKeys) -> Observation:
    queries = keys.queries or []
    if queries and (ended := _no_address(queries)) is not None:
        return ended
    if keys.facebook_dns_blocking:
        return Observation(False, Stage.DNS, _false_answer(queries))
    # Each of its servers does something else, so that one out of reach is a part of the app that is (ts-019).
    # A vantage without IPv6 reaches none of their IPv6 addresses.
    failed = [
        connect.how
        for connect in keys.tcp_connect or []
        if connect.how and not (connect.how == Failure.NETWORK_UNREACHABLE and ":" in (connect.ip or ""))
    ]
    return Observation(False, Stage.TCP, _commonest(failed)) if failed else Observation(True)


def _came(keys: AppKeys, url: str) -> bool:
    """Whether this page came, over TLS that was verified: then it is the site's own, whatever its status.

    The test expects one status and calls the page blocked by another (`http_unexpected_status_code`): since December
    2022 the server has answered 400 to everybody. OONI's pipeline reads the requests too.
    """
    return any(one.request and one.request.url == url and not one.failure for one in keys.requests or [])


def _addresses(keys: AppKeys, is_one: Callable[[str], bool]) -> set[str]:
    """The addresses that names were said to have."""
    return {
        address
        for query in keys.queries or []
        if query.hostname and is_one(query.hostname)
        for address in query.addresses
    }


def _no_address(queries: Sequence[AppQuery]) -> Observation | None:
    """Where no lookup gave an address that a server can have: how that failed. None where one did."""
    addresses = [address for query in queries for address in query.addresses]
    if any(not is_bogon(address) for address in addresses):
        return None
    if addresses:
        return Observation(False, Stage.DNS, Failure.DNS_BOGON_ERROR)
    failed = [query.failure for query in queries if query.failure]
    return Observation(False, Stage.DNS, _commonest(failed)) if len(failed) == len(queries) else None


def _false_answer(queries: Sequence[AppQuery]) -> Failure | None:
    """How a part of the lookups failed; None where all gave addresses that a server can have, if another's."""
    if any(is_bogon(address) for query in queries for address in query.addresses):
        return Failure.DNS_BOGON_ERROR
    failed = [query.failure for query in queries if query.failure]
    return _commonest(failed) if failed else None


def _all_failed(connects: Sequence[Connect]) -> Observation | None:
    """How connects ended, where all failed."""
    if not connects or not all(connect.how for connect in connects):
        return None
    return Observation(False, Stage.TCP, _commonest([connect.how for connect in connects]))


def _asked_of_addresses(keys: AppKeys) -> Observation | None:
    """How requests of servers without a name ended, where none got an answer (ts-020, `telegram_http_blocking`)."""
    asked = [one for one in keys.requests or [] if one.request and is_address(host_of(one.request.url))]
    if not asked or not all(one.failure for one in asked):
        return None
    return Observation(False, Stage.HTTP, _commonest([one.failure for one in asked]))


def _signal(keys: AppKeys) -> Observation:
    return _page(keys, keys.signal_backend_failure, "signal.org")


#: OONI's name of a test: the platform that it asks for, and who reads it.
APPS: Final[Mapping[str, tuple[str, Callable[[AppKeys], Observation]]]] = {
    "telegram": ("telegram", _telegram),
    "whatsapp": ("whatsapp", _whatsapp),
    "facebook_messenger": ("facebook", _facebook),
    "signal": ("signal", _signal),
}


def check_version(test: str, version: str, engine: str, time: datetime) -> None:
    """Raise NothingToTellError for a test that fails by itself: what it expects of the servers has changed since.

    Signal's have had other certificates and names since the days of `_SIGNAL_TESTS`: whoever asks by an older test is
    told that the authority is unknown, everywhere. OONI's pipeline leaves these measurements out too.
    """
    if test != "signal" or not version:
        return
    if version == _SIGNAL_BROKEN or any(
        _numbers(version) < first and time >= since for first, since in _SIGNAL_TESTS
    ):
        raise NothingToTellError(f"the client's own: signal {version} fails everywhere since then")
    first, since = _SIGNAL_ENGINE
    if engine and _numbers(engine) < first and time >= since:
        raise NothingToTellError(f"the client's own: its engine {engine} fails everywhere since then")


def _numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, to be compared: `3.17.2-beta` is 3.17.2.

    >>> _numbers("0.2.10-alpha") > _numbers("0.2.9")
    True
    """
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0])[:3])


def find_app(test: str, keys: AppKeys) -> Observation:
    """Where the app's way ended. Raises NothingToTellError where the measurement itself failed."""
    if not keys.asked_anything:
        raise NothingToTellError("nothing was asked")
    return APPS[test][1](keys)


def _page(keys: AppKeys, failure: str | None, host: str) -> Observation:
    """How a request for a page ended: its failure, and the step whose event has the same one.

    Where the test itself tells no failure, requests of which none was answered do.
    """
    asked = [one for one in keys.requests or [] if one.request and _is_of(one.request.url, host)]
    if not failure and asked and all(one.failure for one in asked):
        failure = str(_commonest([one.failure for one in asked]))
    if not failure:
        return Observation(True)
    return Observation(False, _stage(keys, failure, host), failure_of(failure))


def _is_of(url: str, host: str) -> bool:
    """Whether a URL is of a host, or of one below it."""
    name = host_of(url) or ""
    return name == host or name.endswith(f".{host}")


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
