"""Every way in which an attempt can end, each from a server that really does it."""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dns.rcode
import pytest
from msgspec import UNSET

from producers.failures import Failure, Stage
from producers.probe import attempt as attempts
from producers.probe.asked import Fingerprints
from producers.probe.attempt import ForbiddenAddressError, Outcome, Tools, attempt
from producers.probe.classify import ERRNOS, ObservedFailure, classify
from producers.probe.dns import Resolver
from producers.probe.targets import Blockpage, Target
from producers.probe.tls import Contexts
from producers.probe.vantage import ProbeVantage
from streams.local.probing import enough_files
from tests.producers.probe import servers
from tests.producers.probe.servers import HOST, answer, certified, serving

FINGERPRINTS = Fingerprints(
    (
        Blockpage(name="by text", source="test", body="Access to this site is denied"),
        Blockpage(name="by pattern", source="test", body_regex="iframe src=.http://10\\.10\\."),
        Blockpage(name="by redirect", source="test", redirect_host="blocked.test"),
    )
)
DENIED = b"<h1>Access to this site is denied</h1>"
DEADLINE_SECONDS = 0.5  # for those that end by it; for all others far more than they need


@pytest.fixture
async def names() -> AsyncIterator[servers.NameServer]:
    table = servers.NameServer(
        addresses={
            HOST: ["127.0.0.1"],
            "bogon.test": ["203.0.113.7", "10.10.34.34"],
            "big.test": ["8.8.8.8"],
            "metadata.test": ["169.254.169.254"],
        },
        aliases={"www.site.test": HOST},
        rcodes={
            "nx.test": dns.rcode.NXDOMAIN,
            "fail.test": dns.rcode.SERVFAIL,
            "no.test": dns.rcode.REFUSED,
            "odd.test": dns.rcode.NOTIMP,
        },
        silent={"silent.test"},
        garbage={"garbage.test"},
        wrong_id={"wrong.test"},
        wrong_question={"another.test"},
        truncated={"big.test"},
    )
    async with servers.naming(table) as running:
        yield running


@pytest.fixture
def tools(names: servers.NameServer, tmp_path: Path) -> Tools:
    return Tools(
        resolver=Resolver("127.0.0.1", names.port),
        contexts=Contexts(servers.write_authority(tmp_path)),
        fingerprints=FINGERPRINTS,
        timeout_seconds=20.0,
        allow_private=True,
    )


def target(url: str, **facts: Any) -> Target:
    return Target(platform="test", url=url, private=True, **facts)


Server = Callable[[], AbstractAsyncContextManager[int]]

#: What runs on the port, what is asked (PORT is put in), and what the attempt says.
CASES: dict[str, tuple[Server, str, dict[str, Any], str]] = {
    "http answers": (lambda: serving(servers.says(answer())), "http://HOST:PORT/", {}, "ok"),
    "https answers": (lambda: serving(servers.says(answer()), certified()), "https://HOST:PORT/", {}, "ok"),
    "tls alone": (lambda: serving(servers.hangs, certified()), "tls://HOST:PORT", {}, "ok"),
    "tcp alone": (lambda: serving(servers.hangs), "tcp://HOST:PORT", {}, "ok"),
    "an alias": (lambda: serving(servers.says(answer())), "http://www.HOST:PORT/", {}, "ok"),
    "a body without a length": (
        lambda: serving(servers.says(b"HTTP/1.1 200 OK\r\n\r\nto the end")),
        "http://HOST:PORT/",
        {},
        "ok",
    ),
    # TCP
    "refused": (servers.refusing, "https://HOST:PORT/", {}, "tcp.connection_refused"),
    "SYNs unanswered": (
        servers.not_accepting,
        "https://HOST:PORT/",
        {"timeout_seconds": DEADLINE_SECONDS},
        "tcp.generic_timeout_error",
    ),
    # TLS
    "reset at the ClientHello": (
        lambda: serving(servers.resets),
        "https://HOST:PORT/",
        {},
        "tls.connection_reset",
    ),
    "end at the ClientHello": (
        lambda: serving(servers.ends_at_once),
        "https://HOST:PORT/",
        {},
        "tls.eof_error",
    ),
    "silence after the ClientHello": (
        lambda: serving(servers.hangs),
        "https://HOST:PORT/",
        {"timeout_seconds": DEADLINE_SECONDS},
        "tls.generic_timeout_error",
    ),
    "no TLS there": (
        lambda: serving(servers.says_to_hello(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        "https://HOST:PORT/",
        {},
        "tls.ssl_failed_handshake",
    ),
    "an alert": (
        lambda: serving(servers.says_to_hello(b"\x15\x03\x01\x00\x02\x02\x28")),  # fatal, handshake_failure
        "https://HOST:PORT/",
        {},
        "tls.ssl_failed_handshake",
    ),
    "unknown authority": (
        lambda: serving(servers.says(answer()), certified(by="unknown")),
        "https://HOST:PORT/",
        {},
        "tls.ssl_unknown_authority",
    ),
    "unknown authority, not asked for": (
        lambda: serving(servers.says(answer()), certified(by="unknown")),
        "https://HOST:PORT/",
        {"verify": False},
        "ok",
    ),
    "another's certificate": (
        lambda: serving(servers.says(answer()), certified("other.test")),
        "https://HOST:PORT/",
        {},
        "tls.ssl_invalid_hostname",
    ),
    "expired certificate": (
        lambda: serving(servers.says(answer()), certified(expired=True)),
        "https://HOST:PORT/",
        {},
        "tls.ssl_invalid_certificate",
    ),
    # HTTP
    "end before the answer": (
        lambda: serving(servers.says(b"")),
        "http://HOST:PORT/",
        {},
        "http.eof_error",
    ),
    "end before the answer, inside of TLS": (
        lambda: serving(servers.says(b""), certified()),
        "https://HOST:PORT/",
        {},
        "http.eof_error",
    ),
    "end within the head": (
        lambda: serving(servers.says(b"HTTP/1.1 200 OK\r\nContent-Le")),
        "http://HOST:PORT/",
        {},
        "http.eof_error",
    ),
    "end within the body": (
        lambda: serving(servers.says(answer(length=500)), certified()),
        "https://HOST:PORT/",
        {},
        "http.eof_error",
    ),
    "reset at the request": (
        lambda: serving(servers.resets),
        "http://HOST:PORT/",
        {},
        "http.connection_reset",
    ),
    "reset at the request, inside of TLS": (
        lambda: serving(servers.resets, certified()),
        "https://HOST:PORT/",
        {},
        "http.connection_reset",
    ),
    "silence after the request": (
        lambda: serving(servers.hangs),
        "http://HOST:PORT/",
        {"timeout_seconds": DEADLINE_SECONDS},
        "http.generic_timeout_error",
    ),
    "silence within the body": (
        lambda: serving(servers.says_and_hangs(answer(length=5000))),
        "http://HOST:PORT/",
        {"timeout_seconds": DEADLINE_SECONDS, "slow_seconds": 0.1, "bytes_per_second_min": 10.0},
        "http.generic_timeout_error",
    ),
    "drip": (
        lambda: serving(servers.drips(answer(length=5000, body=b""), 0.01)),
        "http://HOST:PORT/",
        {"slow_seconds": 0.2, "bytes_per_second_min": 5000.0},
        "http.throttled",
    ),
    "drip that is fast enough": (
        lambda: serving(servers.drips(answer(length=20, body=b""), 0.01)),
        "http://HOST:PORT/",
        {"slow_seconds": 0.05, "bytes_per_second_min": 0.0},
        "ok",
    ),
    "a status that isn't good": (
        lambda: serving(servers.says(answer(503))),
        "http://HOST:PORT/",
        {},
        "http.http_unexpected_status_code",
    ),
    "a status that is good for this one": (
        lambda: serving(servers.says(answer(403))),
        "http://HOST:PORT/",
        {"statuses": [200, 403]},
        "ok",
    ),
    "no HTTP": (
        lambda: serving(servers.says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
        "http://HOST:PORT/",
        {},
        "http.http_request_failed",
    ),
    "a block page by its text": (
        lambda: serving(servers.says(answer(body=b"<h1>Access to this site is denied</h1>"))),
        "http://HOST:PORT/",
        {},
        "http.blockpage",
    ),
    "a block page by a pattern, whatever its status": (
        lambda: serving(servers.says(answer(403, body=b'<IFRAME SRC="http://10.10.34.35">'))),
        "http://HOST:PORT/",
        {},
        "http.blockpage",
    ),
    "a block page that is shorter than it says": (
        lambda: serving(servers.says(answer(body=DENIED, length=5000))),
        "http://HOST:PORT/",
        {},
        "http.blockpage",
    ),
    "a block page that never ends": (
        lambda: serving(servers.says_and_hangs(answer(body=DENIED, length=5000))),
        "http://HOST:PORT/",
        {"timeout_seconds": DEADLINE_SECONDS},
        "http.blockpage",
    ),
    "a block page that is packed, unasked": (
        lambda: serving(servers.says(answer(body=gzip.compress(DENIED), **{"Content-Encoding": "gzip"}))),
        "http://HOST:PORT/",
        {},
        "http.blockpage",
    ),
    "a body that only looks packed": (
        lambda: serving(servers.says(answer(body=b"\x1f\x8b" + b"x" * 50))),
        "http://HOST:PORT/",
        {},
        "ok",
    ),
    "a redirect to a block page": (
        lambda: serving(servers.says(answer(302, body=b"", Location="http://www.blocked.test/?u=1"))),
        "http://HOST:PORT/",
        {},
        "http.blockpage",
    ),
    "a redirect elsewhere": (
        lambda: serving(servers.says(answer(302, body=b"", Location="http://elsewhere.test/"))),
        "http://HOST:PORT/",
        {},
        "http.http_unexpected_redirect_url",
    ),
    "a redirect to nowhere": (
        lambda: serving(servers.says(answer(302, body=b"", Location="http://[::1/"))),
        "http://HOST:PORT/",
        {},
        "http.http_invalid_redirect_location_host",
    ),
    "a redirect to the same house": (
        lambda: serving(servers.says(answer(301, body=b"", Location="https://www.site.test/"))),
        "http://HOST:PORT/",
        {},
        "ok",
    ),
    "a redirect to a named host": (
        lambda: serving(servers.says(answer(301, body=b"", Location="https://new.test/"))),
        "http://HOST:PORT/",
        {"redirects": ["new.test"]},
        "ok",
    ),
    "a page of other words": (
        lambda: serving(servers.says(answer(body=b"By order of the court"))),
        "http://HOST:PORT/",
        {"text": "Welcome"},
        "http.http_unexpected_body",
    ),
    "a page of its own words": (
        lambda: serving(servers.says(answer(body=b"<h1>Welcome</h1>")), certified()),
        "https://HOST:PORT/",
        {"text": "Welcome", "size_bytes": [10, 20]},
        "ok",
    ),
    "a page too short": (
        lambda: serving(servers.says(answer(body=b"x" * 9))),
        "http://HOST:PORT/",
        {"size_bytes": [10, 20]},
        "http.http_unexpected_body",
    ),
    "a page too long": (
        lambda: serving(servers.says(answer(body=b"x" * 21))),
        "http://HOST:PORT/",
        {"size_bytes": [10, 20]},
        "http.http_unexpected_body",
    ),
    "another certificate of a trusted authority": (
        lambda: serving(servers.says(answer()), certified()),
        "https://HOST:PORT/",
        {"certificates": ["00" * 32]},
        "tls.ssl_invalid_certificate",
    ),
    "a redirect without a host": (
        lambda: serving(servers.says(answer(302, body=b"", Location="http:///x"))),
        "http://HOST:PORT/",
        {},
        "http.http_invalid_redirect_location_host",
    ),
    "a redirect to a port that is none": (
        lambda: serving(servers.says(answer(302, body=b"", Location="http://site.test:99999/"))),
        "http://HOST:PORT/",
        {},
        "http.http_invalid_redirect_location_host",
    ),
    "a redirect elsewhere, by a backslash": (
        lambda: serving(servers.says(answer(302, body=b"", Location="/\\elsewhere.test/"))),
        "http://HOST:PORT/",
        {},
        "http.http_unexpected_redirect_url",
    ),
    "a redirect elsewhere, with its own name behind a backslash": (
        lambda: serving(servers.says(answer(302, body=b"", Location="http://elsewhere.test\\@site.test/"))),
        "http://HOST:PORT/",
        {},
        "http.http_unexpected_redirect_url",
    ),
    "a redirect to a dot": (
        lambda: serving(servers.says(answer(302, body=b"", Location="http://./"))),
        "http://HOST:PORT/",
        {},
        "http.http_invalid_redirect_location_host",
    ),
    "a redirect to its own name in full": (
        lambda: serving(servers.says(answer(302, body=b"", Location="https://site.test./"))),
        "http://HOST:PORT/",
        {},
        "ok",
    ),
    "a redirect to a path": (
        lambda: serving(servers.says(answer(307, body=b"", Location="/en/"))),
        "http://HOST:PORT/",
        {},
        "ok",
    ),
}


def said(outcome: Outcome) -> str:
    return "ok" if outcome.ok else f"{outcome.stage}.{outcome.failure}"


@pytest.mark.parametrize(("server", "url", "facts", "expected"), CASES.values(), ids=list(CASES))
async def test_case(tools: Tools, server: Server, url: str, facts: dict[str, Any], expected: str) -> None:
    async with server() as port:
        outcome = await attempt(target(url.replace("HOST", HOST).replace("PORT", str(port)), **facts), tools)
    assert said(outcome) == expected, outcome.detail
    assert outcome.ok == (outcome.stage is None) == (outcome.failure is None)
    assert outcome.timings_ms.total is not None
    _check_timings(outcome)


def _check_timings(outcome: Outcome) -> None:
    """A step has a time if it was completed, and only then."""
    timings = outcome.timings_ms
    taken = {Stage.DNS: timings.dns, Stage.TCP: timings.tcp, Stage.TLS: timings.tls}
    for stage in (Stage.DNS, Stage.TCP, Stage.TLS):
        steps = outcome.target.steps
        reached = stage in steps and (
            outcome.stage is None or steps.index(stage) < steps.index(outcome.stage)
        )
        assert (taken[stage] is not None) == reached, stage
    parts = [part for part in (*taken.values(), timings.ttfb) if part is not None]
    assert timings.total is not None
    assert sum(parts) <= timings.total + 0.1  # each is rounded


NAMES = {
    "nx.test": "dns.dns_nxdomain_error",
    "fail.test": "dns.dns_servfail_error",
    "no.test": "dns.dns_refused_error",
    "odd.test": "dns.dns_server_misbehaving",
    "garbage.test": "dns.dns_server_misbehaving",
    "nothing.test": "dns.dns_no_answer",
    "wrong.test": "dns.dns_reply_with_wrong_query_id",
    "another.test": "dns.dns_reply_with_wrong_query_id",
    "bogon.test": "dns.dns_bogon_error",
    "silent.test": "dns.generic_timeout_error",
    "metadata.test": "dns.dns_bogon_error",
}


@pytest.mark.parametrize(("host", "expected"), NAMES.items(), ids=list(NAMES))
async def test_name(tools: Tools, names: servers.NameServer, host: str, expected: str) -> None:
    asked = Target(platform="test", url=f"https://{host}/", timeout_seconds=DEADLINE_SECONDS)
    if expected != "dns.generic_timeout_error":
        asked = Target(platform="test", url=f"https://{host}/")
    outcome = await attempt(asked, tools)
    assert said(outcome) == expected, outcome.detail
    assert outcome.timings_ms.dns is None
    assert names.questions == [host], "one question, and no second try"


async def test_no_name_server_there(tools: Tools) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    lost = replace(tools, resolver=Resolver("127.0.0.1", port))
    outcome = await attempt(target("https://site.test/"), lost)
    assert said(outcome) == "dns.connection_refused"


async def test_a_truncated_answer_is_asked_for_over_tcp(tools: Tools, names: servers.NameServer) -> None:
    assert await tools.resolver.resolve("big.test") == ("8.8.8.8",)
    assert names.questions == ["big.test", "big.test"]


@pytest.mark.parametrize("sent", [0, 1, 2, 20])
async def test_an_end_within_an_answer_over_tcp(tools: Tools, names: servers.NameServer, sent: int) -> None:
    names.tcp_bytes = sent
    outcome = await attempt(target("https://big.test/"), tools)
    assert said(outcome) == "dns.eof_error"


async def test_ipv6_asks_for_its_own_addresses(names: servers.NameServer) -> None:
    names.addresses["six.test"] = ["192.0.2.1", "2001:4860:4860::8888"]
    six = Resolver("127.0.0.1", names.port, "ipv6")
    assert await six.resolve("six.test") == ("2001:4860:4860::8888",)
    with pytest.raises(ObservedFailure) as caught:
        await six.resolve("big.test")
    assert caught.value.failure is Failure.DNS_NO_ANSWER


async def test_an_address_needs_no_name_server(tools: Tools, names: servers.NameServer) -> None:
    async with serving(servers.says(answer(body=b"x" * 300))) as port:
        outcome = await attempt(target(f"http://127.0.0.1:{port}/"), tools)
    assert outcome.ok
    assert outcome.timings_ms.dns is None
    assert outcome.body_bytes == 300
    assert names.questions == []


async def test_a_private_address_is_contacted_only_where_both_allow_it(tools: Tools) -> None:
    connected: list[object] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer.get_extra_info("peername"))
        await servers.says(answer())(reader, writer)

    careful = replace(tools, allow_private=False)
    async with serving(note) as port:
        by_name, by_address = f"http://{HOST}:{port}/", f"http://127.0.0.1:{port}/"
        assert said(await attempt(target(by_name), careful)) == "dns.dns_bogon_error"
        public = Target(platform="test", url=by_name)
        assert said(await attempt(public, tools)) == "dns.dns_bogon_error"
        for asked, how in ((target(by_address), careful), (Target(platform="test", url=by_address), tools)):
            with pytest.raises(ForbiddenAddressError):
                await attempt(asked, how)
        assert not connected
        assert (await attempt(target(by_name), tools)).ok
        assert len(connected) == 1


async def test_a_throttle_below_one_tls_record_is_no_silence(tools: Tools) -> None:
    """Of a record of 16 KB nothing can be read before all of it has come: the wire tells that something comes."""
    body = answer(body=b"x" * 30_000)
    async with (
        serving(servers.says(body), certified()) as port,
        serving(servers.slowly(port, 200, 0.002)) as slow,
    ):
        asked = target(f"https://{HOST}:{slow}/", slow_seconds=0.05, bytes_per_second_min=1e6)
        assert said(await attempt(asked, tools)) == "http.throttled"


async def test_a_name_is_looked_up_once_and_its_address_kept(tools: Tools, names: servers.NameServer) -> None:
    """A second look-up could lead elsewhere, after the first was judged (DNS rebinding)."""
    async with serving(servers.says(answer()), certified()) as port:
        assert (await attempt(target(f"https://{HOST}:{port}/"), tools)).ok
    assert names.questions == [HOST]


async def test_a_record_says_when_the_certificate_ends(tools: Tools) -> None:
    vantage = ProbeVantage("v", "PK", 1)
    async with (
        serving(servers.says(answer()), certified()) as secure,
        serving(servers.says(answer())) as plain,
    ):
        shown = vantage.record(await attempt(target(f"https://{HOST}:{secure}/"), tools))
        none = vantage.record(await attempt(target(f"http://{HOST}:{plain}/"), tools))
    assert isinstance(shown.certificate_expires, datetime)
    assert shown.certificate_expires > shown.time
    assert none.certificate_expires is UNSET


async def test_each_address_of_a_name_is_tried(tools: Tools, names: servers.NameServer) -> None:
    names.addresses["many.test"] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]  # the server is on the first alone
    vantage = ProbeVantage("v", "PK", 1)
    async with serving(servers.says(answer())) as port:
        asked = target(f"http://many.test:{port}/", every_address=True)
        outcome = await attempt(asked, tools)
        assert (said(outcome), outcome.good, outcome.count) == ("tcp.connection_refused", 1, 3)
        assert outcome.status == 200
        record = vantage.record(outcome)
        assert (record.ok, record.good, record.count) == (False, 1, 3)
        names.addresses["many.test"] = ["127.0.0.1"]
        alone = await attempt(asked, tools)
    assert alone.ok
    assert vantage.record(alone).count is UNSET
    assert names.questions == ["many.test"] * 2


async def test_a_certificate_that_is_named_is_good_whoever_signed_it(tools: Tools) -> None:
    context = certified(by="unknown")
    shown = servers.authority("unknown").issue_cert(HOST)
    shown.configure_cert(context)
    der = ssl.PEM_cert_to_DER_cert(shown.cert_chain_pems[0].bytes().decode())
    async with serving(servers.says(answer()), context) as port:
        asked = target(
            f"https://{HOST}:{port}/", verify=False, certificates=[hashlib.sha256(der).hexdigest().upper()]
        )
        assert said(await attempt(asked, tools)) == "ok"


async def test_the_body_is_read_to_its_bound(tools: Tools) -> None:
    async with serving(servers.says(answer(body=b"x" * 1_000_000))) as port:
        outcome = await attempt(target(f"http://127.0.0.1:{port}/", body_bytes_max=10_000), tools)
    assert outcome.ok
    assert 10_000 <= outcome.body_bytes < 200_000


async def test_bytes_that_came_before_a_failure_count(tools: Tools) -> None:
    async with serving(servers.says(answer(body=b"y" * 700, length=5000))) as port:
        outcome = await attempt(target(f"http://127.0.0.1:{port}/"), tools)
    assert said(outcome) == "http.eof_error"
    assert outcome.body_bytes == 700
    assert outcome.status == 200


async def test_what_is_asked(tools: Tools) -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer())

    async with serving(listen) as port:
        assert (await attempt(target(f"http://{HOST}:{port}/a?b=c"), tools)).ok
    first, *headers = heard[0].decode().split("\r\n")
    assert first == "GET /a?b=c HTTP/1.1"
    assert f"Host: {HOST}:{port}" in headers
    assert "Connection: close" in headers
    assert "netdusk" not in heard[0].decode()


async def test_the_server_name_is_sent(tools: Tools) -> None:
    heard: list[str | None] = []
    context = servers.ssl.SSLContext(servers.ssl.PROTOCOL_TLS_SERVER)
    servers.authority("known").issue_cert(HOST).configure_cert(context)
    context.sni_callback = lambda connection, name, ours: heard.append(name)  # type: ignore[assignment]
    async with serving(servers.says(answer()), context) as port:
        assert (await attempt(target(f"https://{HOST}:{port}/"), tools)).ok
    assert heard == [HOST]


async def test_the_server_sees_the_handshake_done_where_nothing_follows(tools: Tools) -> None:
    done = asyncio.Event()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.set()  # called after the server's side of the handshake

    async with serving(note, certified()) as port:
        assert (await attempt(target(f"tls://{HOST}:{port}"), tools)).ok
        async with asyncio.timeout(20):
            await done.wait()


async def test_one_deadline_is_over_all_steps(tools: Tools, names: servers.NameServer) -> None:
    """A slow name server leaves less for the rest: the deadline is the attempt's, not the step's."""
    loop = asyncio.get_running_loop()
    async with serving(servers.hangs) as port:
        began = loop.time()
        outcome = await attempt(target(f"https://{HOST}:{port}/", timeout_seconds=DEADLINE_SECONDS), tools)
        assert loop.time() - began >= DEADLINE_SECONDS
    assert said(outcome) == "tls.generic_timeout_error"
    assert outcome.timings_ms.total is not None
    assert outcome.timings_ms.total >= DEADLINE_SECONDS * 1000


@pytest.mark.system
async def test_thousands_at_once(tools: Tools) -> None:
    """All are open at the same moment, and one that hangs holds up no other."""
    attempts_at_once = 2000
    assert (
        enough_files(2 * attempts_at_once) == 2 * attempts_at_once
    )  # the servers' ends are in this process too
    async with AsyncExitStack() as stack:
        everybody = asyncio.Event()
        open_now = most = 0

        async def wait_for_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            if open_now == attempts_at_once:
                everybody.set()
            await reader.readuntil(b"\r\n\r\n")
            await everybody.wait()
            writer.write(answer())
            await writer.drain()
            open_now -= 1

        port = await stack.enter_async_context(serving(wait_for_all))
        asked = target(f"http://127.0.0.1:{port}/", timeout_seconds=60)
        outcomes = await asyncio.gather(*(attempt(asked, tools) for _ in range(attempts_at_once)))
    assert most == attempts_at_once
    assert {said(outcome) for outcome in outcomes} == {"ok"}


async def test_a_bug_is_an_exception(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    async with serving(servers.says(answer())) as port:
        monkeypatch.setattr(attempts.http, "get", broken)
        with pytest.raises(ZeroDivisionError):
            await attempt(target(f"http://127.0.0.1:{port}/"), tools)


def test_this_machines_own_trouble_is_no_result() -> None:
    with pytest.raises(OSError, match="files"):
        classify(OSError(errno.EMFILE, "Too many open files"))


def test_every_errno_has_one_word() -> None:
    for number, failure in ERRNOS.items():
        assert classify(OSError(number, "said the kernel")) is failure
    assert classify(OSError(errno.ENOTEMPTY, "not of a network")) is Failure.UNKNOWN_FAILURE
