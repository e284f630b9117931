"""What one OONI Web Connectivity measurement found: reached or not, the step at which it ended, and how.

Read from the measurement's own events (ts-017 and df-001, df-002, df-005, df-006, df-008 of
https://github.com/ooni/spec), of version 0.4 and 0.5. What OONI concluded (`blocking`, `accessible`, `x_*_flags`)
is not read: facts only. Knows no file, no place and no platform.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from producers.addresses import is_bogon
from producers.failures import Failure, Stage
from producers.probe.asked import Fingerprints
from producers.probe.targets import load_targets
from producers.records import Timings
from producers.sources.ooni.platforms import host_of, registered_domain

# ---- the part of the test keys that is read; everything else is passed over


class WebAnswer(Struct, frozen=True):
    """One record of a DNS answer."""

    ipv4: str | None = None
    ipv6: str | None = None


class TimedEvent(Struct, frozen=True, kw_only=True):
    """What every kind of event has: when it began and ended, seconds since the measurement began."""

    failure: str | None = None
    tags: list[str] | None = None
    t0: float | None = None
    t: float | None = None
    transaction_id: int | None = None


class Query(TimedEvent, frozen=True, kw_only=True):
    """One DNS lookup."""

    engine: str | None = None
    answers: list[WebAnswer] | None = None


class ConnectStatus(Struct, frozen=True):
    """How a TCP connect ended."""

    failure: str | None = None
    success: bool | None = None


class Connect(TimedEvent, frozen=True, kw_only=True):
    """One TCP connect."""

    ip: str | None = None
    port: int | None = None
    status: ConnectStatus = ConnectStatus()

    @property
    def how(self) -> str | None:
        """The transaction's failure, or None if it succeeded."""
        return self.status.failure or ("unknown_failure" if self.status.success is False else None)


class Handshake(TimedEvent, frozen=True, kw_only=True):
    """One TLS handshake."""

    address: str | None = None
    server_name: str | None = None
    no_tls_verify: bool | None = None


class Blob(Struct, frozen=True):
    """Bytes that are no UTF-8."""

    data: str = ""
    format: str = ""


class Response(Struct, frozen=True):
    """What came back, as far as it came."""

    code: int | None = None
    body: str | Blob | None = None
    body_is_truncated: bool | None = None

    @property
    def status(self) -> int:
        """The status code, 0 if no answer began."""
        return max(0, self.code or 0)


class Request(Struct, frozen=True):
    """What was asked for."""

    url: str = ""


class Transaction(TimedEvent, frozen=True, kw_only=True):
    """One HTTP request with its response."""

    request: Request = Request()
    response: Response | None = None


class NetworkEvent(TimedEvent, frozen=True, kw_only=True):
    """One system call."""

    operation: str | None = None
    num_bytes: int | None = None


class ControlHttp(Struct, frozen=True):
    """What the test helper's own request gave."""

    failure: str | None = None
    status_code: int | None = None
    body_length: int | None = None
    title: str | None = None


class ControlDns(Struct, frozen=True):
    """What the test helper's own resolver said."""

    failure: str | None = None
    addrs: list[str] | None = None


class ControlConnect(Struct, frozen=True):
    """Whether the test helper could connect."""

    status: bool | None = None
    failure: str | None = None


class Control(Struct, frozen=True):
    """The test helper's results, from outside of the country."""

    http_request: ControlHttp | None = None
    dns: ControlDns | None = None
    tcp_connect: dict[str, ControlConnect] | None = None


class ControlRequest(Struct, frozen=True):
    """What the test helper was asked."""

    http_request: str = ""


class TestKeys(Struct, frozen=True):
    """The findings of one Web Connectivity measurement."""

    queries: list[Query] | None = None
    tcp_connect: list[Connect] | None = None
    tls_handshakes: list[Handshake] | None = None
    requests: list[Transaction] | None = None
    network_events: list[NetworkEvent] | None = None
    control: Control | None = None
    control_failure: str | None = None
    dns_experiment_failure: str | None = None
    http_experiment_failure: str | None = None
    body_length_match: bool | None = None
    headers_match: bool | None = None
    status_code_match: bool | None = None
    title_match: bool | None = None
    x_control_request: ControlRequest | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What a measurement found: the facts of a ProbeResult that do not depend on who measured."""

    ok: bool
    stage: Stage | None = None
    failure: Failure | None = None
    control_ok: bool | None = None
    timings_ms: Timings | None = None
    bytes: int | None = None


class NothingToTellError(ValueError):
    """The test keys hold no event that says how the measurement ended."""


End = tuple[Stage, Failure]


class Page(Enum):
    """A page beside the one that the control got."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"


# ---- failures

#: Strings of older engines and of the test helper, in today's words.
_OLDER: Final = {
    "connection_refused_error": Failure.CONNECTION_REFUSED,
    "connect_error": Failure.UNKNOWN_FAILURE,
    "dns_lookup_error": Failure.UNKNOWN_FAILURE,
    "dns_name_error": Failure.DNS_NXDOMAIN_ERROR,
    "host_unreachable_error": Failure.HOST_UNREACHABLE,
    "network_unreachable_error": Failure.NETWORK_UNREACHABLE,
    "response_never_received": Failure.EOF_ERROR,
    "ssl_error": Failure.SSL_FAILED_HANDSHAKE,
    "tcp_timed_out_error": Failure.GENERIC_TIMEOUT_ERROR,
    "timeout_error": Failure.GENERIC_TIMEOUT_ERROR,
}
_NAME_MISSING: Final = frozenset({"dns_name_error", "dns_nxdomain_error", "dns_no_answer"})
#: What a measuring program says of itself: an exception of its language, a URL that it can't ask for, a machine that is
#: out of something, a person who stopped it. No network says any of it.
_CLIENTS_OWN: Final = re.compile(
    r"unknown_failure [^:]|codec can't|\b\w+(?:Error|Exception)\b|Traceback|panic|nil pointer"
    r"|invalid URL escape|unsupported protocol scheme|no Host in request|context canceled|operation was canceled"
    r"|too many open files|no space left|cannot allocate|out of memory"
)
#: Failures of a network that has no route of that kind (IPv6, mostly): they say little beside any other.
_NO_ROUTE: Final = frozenset({Failure.NETWORK_UNREACHABLE, Failure.HOST_UNREACHABLE})
_CONNECT_FAILURES: Final = frozenset(
    {Failure.CONNECTION_REFUSED, Failure.HOST_UNREACHABLE, Failure.NETWORK_UNREACHABLE, Failure.NETWORK_DOWN}
)
_TIMEOUTS: Final = frozenset({Failure.GENERIC_TIMEOUT_ERROR, Failure.TIMED_OUT})


def failure_of(text: str) -> Failure:
    """A failure string as the closed vocabulary has it.

    >>> failure_of("unknown_failure: stopped after too many redirects").value
    'unknown_failure'
    """
    word = text.partition(":")[0].strip()
    if word in _OLDER:
        return _OLDER[word]
    try:
        return Failure(word)
    except ValueError:
        return Failure.UNKNOWN_FAILURE


def dominant(failures: Iterable[str]) -> Failure:
    """Return the commonest of several failures. A missing route is returned only if there is nothing else."""
    counts = Counter(failure_of(text) for text in failures)
    telling = {failure: n for failure, n in counts.items() if failure not in _NO_ROUTE} or counts
    return max(telling, key=lambda failure: (telling[failure], failure.value))


# ---- the way that a browser would have taken


@dataclass(frozen=True, slots=True)
class Hop:
    """One URL of the chain of redirects: its own lookup, connects, handshakes and request."""

    lookups: Sequence[Query]
    connects: Sequence[Connect]
    handshakes: Sequence[Handshake]
    request: Transaction | None

    @property
    def addresses(self) -> list[str]:
        """What the lookups answered."""
        return [
            address for query in self.lookups for a in query.answers or () if (address := a.ipv4 or a.ipv6)
        ]


#: Engines that ask the network's own resolver, as an application does.
_SYSTEM_ENGINES: Final = frozenset(
    {"system", "getaddrinfo", "golang_net_resolver", "netgo", "unknown", "", None}
)


def hops_of(keys: TestKeys, url: str) -> list[Hop]:
    """The chain of redirects, first URL first.

    Version 0.5 also tries addresses that only DNS over HTTPS or the test helper knew, and TLS beside a plain URL.
    Its tags tell these from the way that an application takes (`classic`, `fetch_body=true`, `depth=N`). Where
    there are no tags (0.4, early 0.5) what used the system resolver's addresses is that way, as one hop.
    """
    queries, connects = keys.queries or [], keys.tcp_connect or []
    handshakes, requests = keys.tls_handshakes or [], keys.requests or []
    everything: list[TimedEvent] = [*queries, *connects, *handshakes, *requests]
    if any("classic" in (event.tags or ()) for event in everything):
        deepest = max(_depth(event) for event in everything if _classic(event))
        return [
            Hop(
                lookups=[query for query in queries if _classic(query, depth)],
                connects=[connect for connect in connects if _main(connect, depth)],
                handshakes=[handshake for handshake in handshakes if _main(handshake, depth)],
                request=next((request for request in requests if _classic(request, depth)), None),
            )
            for depth in range(deepest + 1)
        ]
    lookups = [query for query in queries if query.engine in _SYSTEM_ENGINES] or queries
    # The newest request comes first; one hop stands for the whole chain, so only what is the first URL's own counts.
    hop = Hop(lookups, connects, handshakes, requests[0] if requests else None)
    known = set(hop.addresses)
    port = _port_of(url)
    host = host_of(url)
    own_connects = [c for c in connects if c.ip in known and c.port == port] or [
        c for c in connects if c.port == port
    ]
    own_handshakes = [h for h in handshakes if h.server_name in (None, "", host)]
    through = [h for h in own_handshakes if (h.address or "").rpartition(":")[0].strip("[]") in known]
    return [Hop(lookups, own_connects, through or own_handshakes, hop.request)]


#: Browsers and OONI give a chain of redirects up after ten or twenty.
_DEPTH_MAX: Final = 20


def _classic(event: TimedEvent, depth: int | None = None) -> bool:
    return "classic" in (event.tags or ()) and (depth is None or _depth(event) == depth)


def _main(event: TimedEvent, depth: int) -> bool:
    return _classic(event, depth) and "fetch_body=false" not in (event.tags or ())


def _depth(event: TimedEvent) -> int:
    for tag in event.tags or ():
        if tag.startswith("depth=") and len(tag) <= 8 and tag[6:].isdecimal():
            return min(int(tag[6:]), _DEPTH_MAX)
    return 0


def _port_of(url: str) -> int:
    try:
        parts = urlsplit(url)
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return 0


# ---- the judgement


def find(keys: TestKeys, url: str) -> Observation:
    """Read what happened. Raises NothingToTellError if no event says how it ended."""
    hops = hops_of(keys, url)
    last = hops[-1]
    end = _end_of(last, url, keys)
    control_ok = _control_ok(keys)
    body = _bytes_of(last.request)
    timings = _timings(hops)
    if _led_to_a_block_page(keys, url):
        end = Stage.HTTP, Failure.BLOCKPAGE
    if end is None:
        end = _judge_page(keys, hops, url)
        if end is None:
            return Observation(True, control_ok=control_ok, timings_ms=timings, bytes=body)
    stage, failure = _false_answer(keys, hops, url) or end
    return Observation(False, stage, failure, control_ok, timings, body)


def _end_of(hop: Hop, url: str, keys: TestKeys) -> End | None:
    """Return the step at which a hop ended, or None if a page came."""
    request = hop.request
    answered = request is not None and request.response is not None and request.response.status > 0
    if request is not None and request.failure is None and answered:
        return None
    if hop.lookups and not hop.addresses:
        failures = [query.failure or "dns_no_answer" for query in hop.lookups]
        return Stage.DNS, dominant(failures)
    if hop.connects and all(connect.how for connect in hop.connects):
        return Stage.TCP, dominant(connect.how for connect in hop.connects if connect.how)
    failed = [handshake.failure for handshake in hop.handshakes if handshake.failure]
    if failed and len(failed) == len(hop.handshakes):
        return Stage.TLS, dominant(failed)
    if request is None:
        return _without_request(hop, url, keys)
    if request.failure is None:
        return Stage.HTTP, Failure.HTTP_REQUEST_FAILED
    failure = failure_of(request.failure)
    if failure is Failure.INTERRUPTED or (
        failure is Failure.UNKNOWN_FAILURE and _CLIENTS_OWN.search(request.failure)
    ):
        raise NothingToTellError(f"the client's own: {request.failure[:100]}")
    if failure in _TIMEOUTS and _trickled(request, keys):
        return Stage.HTTP, Failure.THROTTLED
    return _stage_of_request(request, failure, hop), failure


def _without_request(hop: Hop, url: str, keys: TestKeys) -> End:
    """Return how a hop without a request ended: at a false address, or as the test keys' own words say."""
    if hop.addresses and all(map(is_bogon, hop.addresses)):
        return Stage.DNS, Failure.DNS_BOGON_ERROR
    if keys.dns_experiment_failure:
        return Stage.DNS, failure_of(keys.dns_experiment_failure)
    if keys.http_experiment_failure:
        failure = failure_of(keys.http_experiment_failure)
        if failure in (Failure.UNKNOWN_FAILURE, Failure.INTERRUPTED):
            # Nothing was asked for, and no word for a network's failure: the client's own trouble.
            raise NothingToTellError(f"the client's own: {keys.http_experiment_failure[:100]}")
        return _stage_of_request(Transaction(request=Request(url)), failure, hop), failure
    raise NothingToTellError("no lookup, connect, handshake or request that says how it ended")


def _stage_of_request(request: Transaction, failure: Failure, hop: Hop) -> Stage:
    """Where a request failed that made its own lookups, connects and handshakes (0.4: not all are recorded)."""
    if failure.startswith(("dns_", "android_dns_")):
        return Stage.DNS
    if failure in _CONNECT_FAILURES:
        return Stage.TCP
    if failure.startswith("ssl_"):
        return Stage.TLS
    answered = request.response is not None and request.response.status > 0
    shaken = any(handshake.failure is None for handshake in hop.handshakes)
    if request.request.url.startswith("https:") and not shaken and not answered and failure in _CUT:
        return Stage.TLS
    return Stage.HTTP


#: How a connection ends that somebody cuts: without a record of the handshake, at the handshake most likely.
_CUT: Final = frozenset(
    {
        Failure.CONNECTION_RESET,
        Failure.CONNECTION_ABORTED,
        Failure.CONNECTION_ALREADY_CLOSED,
        Failure.EOF_ERROR,
        *_TIMEOUTS,
    }
)


def _trickled(request: Transaction, keys: TestKeys) -> bool:
    """Whether an answer had begun, and was still coming when the time was over: slow, not silent."""
    if request.response is None or not request.response.status:
        return False
    reads = [
        event.t
        for event in keys.network_events or ()
        if event.operation == "read"
        and event.t is not None
        and event.num_bytes
        and event.transaction_id == request.transaction_id
    ]
    if not reads or request.t is None or request.t0 is None or request.t <= request.t0:
        return True  # the status and headers came, the rest did not; nothing says that it stopped
    # Still reading in the second half of the time that it had: a path that went dead reads nothing there.
    return max(reads) >= (request.t0 + request.t) / 2


def _judge_page(keys: TestKeys, hops: Sequence[Hop], url: str) -> End | None:
    """Return how the page that came differs from the one asked for, or None if it is that one."""
    request = hops[-1].request
    if request is None or request.response is None:
        return Stage.HTTP, Failure.HTTP_REQUEST_FAILED
    response = request.response
    if _vouched(request, hops, url):
        return None
    if isinstance(response.body, str) and _block_pages().in_body(
        response.body[:_LOOKED_AT].encode(errors="replace")
    ):
        return Stage.HTTP, Failure.BLOCKPAGE
    page = _compare(keys, response)
    if page is Page.SAME:
        return None
    if page is Page.OTHER:
        own_server = keys.headers_match is True and keys.status_code_match is False
        if own_server:  # a captcha, an error of the site: its own headers, another status
            return Stage.HTTP, Failure.HTTP_UNEXPECTED_STATUS_CODE
        return Stage.HTTP, Failure.BLOCKPAGE
    if _name_is_missing(keys, url):
        return Stage.HTTP, Failure.BLOCKPAGE  # a page of a name that does not exist is nobody's own
    control = keys.control.http_request if keys.control else None
    alike = (
        control is not None and control.status_code and control.status_code // 100 == response.status // 100
    )
    if response.status < 400 or alike:
        return None
    return Stage.HTTP, Failure.HTTP_UNEXPECTED_STATUS_CODE


@cache
def _block_pages() -> Fingerprints:
    """The block pages that our own probes know."""
    return Fingerprints(load_targets().blockpage)


def _led_to_a_block_page(keys: TestKeys, url: str) -> bool:
    """Whether a redirect led to the host of a known block page, whatever came from there."""
    own = host_of(url)
    hosts = {host_of(request.request.url) for request in (keys.requests or ())[:_DEPTH_MAX]} - {own, None}
    return any(_block_pages().in_redirect(host) for host in hosts if host)


def _vouched(request: Transaction, hops: Sequence[Hop], url: str) -> bool:
    """Return whether a verified certificate proves that the page is the site's own.

    A plain URL may be led to anybody's well-certified page, so there the name has to be of the same domain.
    """
    final = request.request.url
    if not final.startswith("https:") or any(handshake.no_tls_verify for handshake in hops[-1].handshakes):
        return False
    if url.startswith("https:"):
        urls = [hop.request.request.url for hop in hops if hop.request is not None]
        return all(hop_url.startswith("https:") for hop_url in urls)
    first, end = host_of(url), host_of(final)
    return first is not None and end is not None and registered_domain(first) == registered_domain(end)


#: Share of the longer body that the shorter must have to pass for the same page (ts-017).
_BODY_SHARE_MIN: Final = 0.7
_TITLE: Final = re.compile(r"<title>", re.IGNORECASE)
_TITLE_END: Final = re.compile(r"</title>", re.IGNORECASE)
#: So much of a page is looked through for its title and for signs of a block page, in characters.
_LOOKED_AT: Final = 100_000


def _compare(keys: TestKeys, response: Response) -> Page:
    control = keys.control.http_request if keys.control else None
    if keys.control_failure or control is None or control.failure or not control.status_code:
        return Page.UNKNOWN
    if control.status_code // 100 != 2:
        return Page.UNKNOWN  # an error page says nothing about what the page should be
    same_status = keys.status_code_match
    if same_status is None:
        same_status = control.status_code == response.status
    if not same_status:
        return Page.OTHER
    signs = (
        keys.headers_match,
        keys.body_length_match if keys.body_length_match is not None else _same_length(response, control),
        keys.title_match if keys.title_match is not None else _same_title(response, control),
    )
    if any(signs) or all(sign is None for sign in signs):
        return Page.SAME
    return Page.OTHER


def _same_length(response: Response, control: ControlHttp) -> bool | None:
    length = _body_length(response)
    if response.body_is_truncated or not length or not control.body_length or control.body_length < 0:
        return None
    return min(length, control.body_length) / max(length, control.body_length) >= _BODY_SHARE_MIN


def _same_title(response: Response, control: ControlHttp) -> bool | None:
    title = _title(response.body[:_LOOKED_AT]) if isinstance(response.body, str) else None
    if title is None or not control.title:
        return None
    return title.strip() == control.title.strip()


def _title(page: str) -> str | None:
    """The first title of a page; one look for its beginning and one for its end, whatever stands there."""
    begin = _TITLE.search(page)
    end = _TITLE_END.search(page, begin.end()) if begin else None
    return page[begin.end() : end.start()] if begin and end else None


def _body_length(response: Response) -> int | None:
    body = response.body
    if isinstance(body, str):
        return len(body.encode("utf-8", "surrogatepass"))
    if isinstance(body, Blob):
        try:
            return len(base64.b64decode(body.data))
        except (binascii.Error, ValueError):
            return None
    return None


def _bytes_of(request: Transaction | None) -> int | None:
    return _body_length(request.response) if request is not None and request.response is not None else None


def _false_answer(keys: TestKeys, hops: Sequence[Hop], url: str) -> End | None:
    """Return the end at DNS if the resolver's answer can't be true, whatever came after, or None.

    An address that no host on the Internet has; or any address at all for a name that, seen from outside, does not
    exist. Addresses that merely differ from the control's prove nothing: a large site has many.
    """
    if is_address(host_of(url)):
        return None
    if any(hop.addresses and all(map(is_bogon, hop.addresses)) for hop in (hops[0], hops[-1])):
        return Stage.DNS, Failure.DNS_BOGON_ERROR
    if hops[0].addresses and _name_is_missing(keys, url):
        return Stage.DNS, Failure.DNS_SERVER_MISBEHAVING
    return None


def _name_is_missing(keys: TestKeys, url: str) -> bool:
    dns = keys.control.dns if keys.control and not keys.control_failure else None
    if dns is None or is_address(host_of(url)):
        return False
    return dns.failure in _NAME_MISSING or (dns.failure is None and dns.addrs == [])


def is_address(host: str | None) -> bool:
    """Whether a host is an address, and no name."""
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True


def _control_ok(keys: TestKeys) -> bool | None:
    """Return whether the same page answered the test helper, or None if the helper could not be asked."""
    if keys.control_failure or keys.control is None:
        return None
    http = keys.control.http_request
    if http is not None:
        return http.failure is None and (http.status_code or 0) > 0
    dns = keys.control.dns
    return None if dns is None or dns.failure is None else False


def _timings(hops: Sequence[Hop]) -> Timings | None:
    """How long the first URL's steps took, and all together. A step without its two times is left out."""
    first = hops[0]
    steps = {
        "dns": _milliseconds(first.lookups),
        "tcp": _milliseconds([connect for connect in first.connects if not connect.how]),
        "tls": _milliseconds([handshake for handshake in first.handshakes if not handshake.failure]),
        "ttfb": None,
        "total": _total(hops),
    }
    if all(value is None for value in steps.values()):
        return None
    return Timings(**steps)


def _milliseconds(events: Sequence[TimedEvent]) -> float | None:
    took = [e.t - e.t0 for e in events if e.t is not None and e.t0 is not None and e.t > e.t0 >= 0]
    return round(min(took) * 1000, 3) if took else None


def _total(hops: Sequence[Hop]) -> float | None:
    events: list[TimedEvent] = [
        event
        for hop in hops
        for event in (*hop.lookups, *hop.connects, *hop.handshakes, *((hop.request,) if hop.request else ()))
    ]
    starts = [event.t0 for event in events if event.t0 is not None and event.t0 >= 0]
    ends = [event.t for event in events if event.t is not None]
    if not starts or not ends or max(ends) <= min(starts):
        return None
    return round((max(ends) - min(starts)) * 1000, 3)
