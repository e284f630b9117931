"""HTTP/2, QUIC and HTTP/3, each asked alone: against servers on loopback that speak them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from producers.failures import Failure, Stage
from producers.probe.asked import Fingerprints
from producers.probe.attempt import ForbiddenAddressError, Outcome, Tools, attempt
from producers.probe.dns import Resolver
from producers.probe.quic import Quic
from producers.probe.targets import Blockpage, Target
from producers.probe.tls import Contexts
from streams.errors import SettingsError
from streams.local import probing
from streams.settings import ProbeSettings
from tests.producers.probe import servers, versions
from tests.producers.probe.servers import HOST
from tests.producers.probe.versions import Page

DEADLINE_SECONDS = 0.5
FINGERPRINTS = Fingerprints((Blockpage(name="by text", source="test", body="Access is denied"),))
LARGE = Page(body=b"x" * 300_000)


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    known = servers.write_authority(tmp_path)
    async with servers.naming(servers.NameServer(addresses={HOST: ["127.0.0.1"]})) as names:
        yield Tools(
            resolver=Resolver("127.0.0.1", names.port),
            contexts=Contexts(known),
            fingerprints=FINGERPRINTS,
            timeout_seconds=20.0,
            allow_private=True,
            quic=Quic(known),
        )


def target(url: str, **facts: Any) -> Target:
    return Target(platform="test", url=url, private=True, **facts)


def ended(outcome: Outcome) -> str:
    return "ok" if outcome.ok else f"{outcome.stage}.{outcome.failure}"


Server = Callable[[Path], AbstractAsyncContextManager[int]]

#: What runs on the port, the scheme, the target's facts, and how the attempt ends.
CASES: dict[str, tuple[Server, str, dict[str, Any], str]] = {
    "HTTP/3 answers": (lambda at: versions.http3(Page(), at), "h3", {"text": "hello"}, "ok"),
    "a handshake alone": (lambda at: versions.http3(Page(), at), "quic", {}, "ok"),
    "any certificate": (lambda at: versions.http3(Page(), at, by="unknown"), "h3", {"verify": False}, "ok"),
    "unknown authority": (
        lambda at: versions.http3(Page(), at, by="unknown"),
        "quic",
        {},
        "quic.ssl_unknown_authority",
    ),
    "another's name": (
        lambda at: versions.http3(Page(), at, host="other.test"),
        "quic",
        {},
        "quic.ssl_invalid_hostname",
    ),
    "a name that is none": (
        lambda at: versions.http3(Page(), at, host="*.test"),
        "quic",
        {},
        "quic.ssl_invalid_hostname",
    ),
    "a version of certificates that nobody made": (
        lambda at: versions.http3(
            Page(), at, spoil=lambda der: der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x26", 1)
        ),
        "quic",
        {},
        "quic.ssl_invalid_certificate",
    ),
    "a certificate with an extension twice": (
        lambda at: versions.http3(
            Page(), at, spoil=lambda der: der.replace(b"\x06\x03\x55\x1d\x0f", b"\x06\x03\x55\x1d\x25", 1)
        ),
        "quic",
        {},
        "quic.ssl_invalid_certificate",
    ),
    "a certificate by nobody who can be read": (
        lambda at: versions.http3(Page(), at, spoil=lambda der: der.replace(b"trustme", b"\xff\xfeustme", 1)),
        "quic",
        {},
        "quic.ssl_invalid_certificate",
    ),
    "expired": (
        lambda at: versions.http3(Page(), at, expired=True),
        "quic",
        {},
        "quic.ssl_invalid_certificate",
    ),
    "no HTTP/3 behind QUIC": (
        lambda at: versions.http3(Page(), at, protocol="other"),
        "h3",
        {},
        "quic.ssl_failed_handshake",
    ),
    "QUIC dropped": (
        lambda _: versions.datagrams(),
        "h3",
        {"timeout_seconds": DEADLINE_SECONDS},
        "quic.generic_timeout_error",
    ),
    "a version that nobody speaks": (
        lambda _: versions.datagrams(by_theirs=True),
        "h3",
        {},
        "quic.quic_incompatible_version",
    ),
    "HTTP/3, a status": (
        lambda at: versions.http3(Page(451), at),
        "h3",
        {},
        "http.http_unexpected_status_code",
    ),
    "HTTP/3, a block page": (
        lambda at: versions.http3(Page(body=b"Access is denied"), at),
        "h3",
        {},
        "http.blockpage",
    ),
    "HTTP/3, a redirect elsewhere": (
        lambda at: versions.http3(Page(302, headers={"location": "https://else.test/"}), at),
        "h3",
        {},
        "http.http_unexpected_redirect_url",
    ),
    "HTTP/3, a stream reset": (
        lambda at: versions.http3(Page(resets=True), at),
        "h3",
        {},
        "http.connection_reset",
    ),
    "HTTP/2 answers": (lambda _: versions.http2(Page()), "h2", {"text": "hello"}, "ok"),
    "HTTP/2, a status": (lambda _: versions.http2(Page(451)), "h2", {}, "http.http_unexpected_status_code"),
    "HTTP/2, a stream reset": (
        lambda _: versions.http2(Page(resets=True)),
        "h2",
        {},
        "http.connection_reset",
    ),
    "HTTP/2, the server is about to restart": (
        lambda _: versions.frames(versions.goaway(1), versions.HELLO),
        "h2",
        {"text": "hello"},
        "ok",
    ),
    "HTTP/2, in two parts": (
        lambda _: versions.frames(
            versions.goaway(2**31 - 1)[:7], versions.goaway(2**31 - 1)[7:] + versions.HELLO
        ),
        "h2",
        {"text": "hello"},
        "ok",
    ),
    "HTTP/2, the server ends before it": (
        lambda _: versions.frames(versions.goaway(0)),
        "h2",
        {},
        "http.eof_error",
    ),
    "HTTP/2, the server complains": (
        lambda _: versions.frames(versions.goaway(1, code=11), versions.HELLO),
        "h2",
        {},
        "http.eof_error",
    ),
    "HTTP/2, HTTP/1.1 after all": (
        lambda _: versions.frames(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        "h2",
        {},
        "http.http_request_failed",
    ),
    "HTTP/2, settings without end": (
        lambda _: versions.frames(versions.frame(0x4, 0, 0) * 2_000),
        "h2",
        {},
        "http.http_request_failed",
    ),
    "HTTP/2, hints without end": (
        lambda _: versions.frames(versions.frame(0x1, 0x4, 1, b"\x08\x03103") * 2_000),
        "h2",
        {},
        "http.http_request_failed",
    ),
    "no HTTP/2": (lambda _: versions.http2(Page(), "http/1.1"), "h2", {}, "http.http_request_failed"),
}


@pytest.mark.parametrize(("server", "scheme", "facts", "expected"), CASES.values(), ids=CASES)
async def test_how_an_attempt_ends(
    tools: Tools, tmp_path: Path, server: Server, scheme: str, facts: dict[str, Any], expected: str
) -> None:
    async with server(tmp_path) as port:
        outcome = await attempt(target(f"{scheme}://{HOST}:{port}", **facts), tools)
    assert ended(outcome) == expected, outcome.detail


async def test_each_step_has_its_time(tools: Tools, tmp_path: Path) -> None:
    page = Page()
    async with versions.http3(page, tmp_path) as port:
        outcome = await attempt(target(f"h3://{HOST}:{port}/a?b=c"), tools)
    taken = outcome.timings_ms
    assert outcome.ok, outcome.detail
    assert None not in (taken.dns, taken.quic, taken.ttfb)
    assert taken.tcp is taken.tls is None
    assert (outcome.status, outcome.body_bytes) == (200, 5)
    [asked] = page.asked
    assert (asked[":authority"], asked[":path"]) == (f"{HOST}:{port}", "/a?b=c")


@pytest.mark.parametrize("scheme", ["h2", "h3"])
async def test_a_large_body_is_read_to_its_bound(tools: Tools, tmp_path: Path, scheme: str) -> None:
    serving = versions.http2(LARGE) if scheme == "h2" else versions.http3(LARGE, tmp_path)
    async with serving as port:
        outcome = await attempt(target(f"{scheme}://{HOST}:{port}", body_bytes_max=200_000), tools)
        whole = await attempt(target(f"{scheme}://{HOST}:{port}", body_bytes_max=400_000), tools)
    assert outcome.ok, outcome.detail
    assert 200_000 <= outcome.body_bytes < 300_000
    assert whole.body_bytes == 300_000


async def test_nothing_listens(tools: Tools) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    outcome = await attempt(target(f"quic://{HOST}:{port}"), tools)
    assert (outcome.stage, outcome.failure) == (Stage.QUIC, Failure.CONNECTION_REFUSED)


async def test_a_private_address_is_never_contacted(tools: Tools) -> None:
    public = Target(platform="test", url=f"h3://{HOST}")
    assert ended(await attempt(public, tools)) == "dns.dns_bogon_error"
    with pytest.raises(ForbiddenAddressError):
        await attempt(Target(platform="test", url="h3://127.0.0.1"), tools)


@pytest.mark.parametrize(("url", "lacks"), [("h3://x.test", "aioquic"), ("h2://x.test", "h2")])
def test_a_library_that_is_not_there_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, url: str, lacks: str
) -> None:
    for module in ("http2", "http3", "quic"):
        monkeypatch.delitem(probing.sys.modules, f"producers.probe.{module}", raising=False)
    for module in list(probing.sys.modules):
        if module.split(".")[0] == lacks:
            monkeypatch.setitem(probing.sys.modules, module, None)
    monkeypatch.setitem(probing.sys.modules, lacks, None)
    targets = probing.AskedList((Target(platform="x", url=url),), ())
    with pytest.raises(SettingsError, match=rf"{url} needs {lacks}.*\[quic\]"):
        probing.tools_of(ProbeSettings(), targets)
