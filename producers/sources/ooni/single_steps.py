"""OONI's tests of one step: a name looked up, a connect or a handshake made, once or again and again.

`tcpping` (ooni/spec ts-032), `tlsping` (ts-033) and `dnsping` try ten times; `tcp_connect` (ts-008) and
`dns_consistency` (ts-002) once. A step is good where at least half of its tries are. None says what a control saw but
`dns_consistency`, which asks a resolver elsewhere too. Only the shape of `tcpping` was checked against its document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeVar

from msgspec import Struct

from producers.addresses import is_bogon
from producers.failures import Failure, Stage
from producers.sources.ooni.web import Connect, Handshake, NothingToTellError, Observation, Query, failure_of

TESTS: Final = frozenset(("tcpping", "tlsping", "dnsping", "tcp_connect", "dns_consistency"))
_T = TypeVar("_T")
_End = tuple[Stage, Failure] | None


class Lookup(Query, frozen=True, kw_only=True):
    """One lookup, with the name that was asked for, and by which resolver."""

    hostname: str | None = None
    resolver_hostname: str | None = None


class Ping(Struct, frozen=True):
    """One try; connects and handshakes were lists before June 2022."""

    query: Lookup | None = None
    tcp_connect: Connect | list[Connect] | None = None
    tls_handshake: Handshake | list[Handshake] | None = None


class StepKeys(Struct, frozen=True):
    """The part of the test keys that is read."""

    pings: list[Ping] | None = None
    # tcp_connect: "success", or a failure
    connection: str | None = None
    # dns_consistency
    queries: list[Lookup] | None = None
    control_resolver: str | None = None


def url_of(test: str, keys: StepKeys, asked: str) -> str:
    """The URL or host that was asked for, from the measurement's input, or from its events where these say better.

    Raises NothingToTellError where several names were asked for: one result is of one platform.
    """
    pings = keys.pings or []
    if test == "dnsping":
        names = {ping.query.hostname for ping in pings if ping.query is not None and ping.query.hostname}
        if len(names) > 1:
            raise NothingToTellError(f"{len(names)} names were asked for at once")
        return f"dns://{names.pop()}" if names else ""
    server_names = {one.server_name for ping in pings for one in _listed(ping.tls_handshake)} - {None, ""}
    if len(server_names) == 1:
        return f"tls://{server_names.pop()}"
    return asked if "://" in asked or not asked else f"tcp://{asked}"


def find_step(test: str, keys: StepKeys) -> Observation:
    """Where it ended. Raises NothingToTellError where nothing was asked."""
    if test == "tcp_connect":
        if not keys.connection:
            raise NothingToTellError("no connection was tried")
        return _observation(
            [None if keys.connection == "success" else (Stage.TCP, failure_of(keys.connection))]
        )
    if test == "dns_consistency":
        return _consistency(keys)
    return _observation([_end(ping) for ping in keys.pings or []])


def _consistency(keys: StepKeys) -> Observation:
    control_host = (keys.control_resolver or "").rpartition(":")[0]
    here: list[_End] = []
    control: list[_End] = []
    for query in keys.queries or []:
        is_control = bool(control_host) and query.resolver_hostname == control_host
        (control if is_control else here).append(_end_of_lookup(query))
    control_ok = any(end is None for end in control) if control else None
    return _observation(here, control_ok)


def _observation(ends: Sequence[_End], control_ok: bool | None = None) -> Observation:
    if not ends:
        raise NothingToTellError("nothing was asked")
    failed = Counter(end for end in ends if end is not None)
    if failed.total() * 2 <= len(ends):
        return Observation(True, control_ok=control_ok)
    (stage, failure), _ = failed.most_common(1)[0]
    return Observation(False, stage, failure, control_ok=control_ok)


def _end(ping: Ping) -> _End:
    """The first step of a try that failed; None: none did. Raises NothingToTellError for a try of nothing."""
    connects, handshakes = _listed(ping.tcp_connect), _listed(ping.tls_handshake)
    if ping.query is None and not connects:
        raise NothingToTellError("a try without an event")
    if ping.query is not None and (end := _end_of_lookup(ping.query)) is not None:
        return end
    for connect in connects:
        if connect.how:
            return Stage.TCP, failure_of(connect.how)
    for handshake in handshakes:
        if handshake.failure:
            return Stage.TLS, failure_of(handshake.failure)
    return None


def _end_of_lookup(query: Query) -> _End:
    if query.failure:
        return Stage.DNS, failure_of(query.failure)
    addresses = [address for answer in query.answers or [] if (address := answer.ipv4 or answer.ipv6)]
    if not addresses:
        return Stage.DNS, Failure.DNS_NO_ANSWER
    return (Stage.DNS, Failure.DNS_BOGON_ERROR) if all(map(is_bogon, addresses)) else None


def _listed(one: _T | list[_T] | None) -> list[_T]:
    return one if isinstance(one, list) else [] if one is None else [one]
