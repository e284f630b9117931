"""Name servers as targets: a given one over UDP (`dns://`), and one over HTTPS (`doh://`)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from producers.probe.asked import Fingerprints
from producers.probe.attempt import ForbiddenAddressError, Outcome, Tools, attempt
from producers.probe.classify import ObservedFailure
from producers.probe.dns import Resolver
from producers.probe.targets import Target
from producers.probe.tls import Contexts
from tests.producers.probe import servers
from tests.producers.probe.servers import HOST, answer, certified, serving

TABLE: dict[str, Any] = {
    "addresses": {HOST: ["127.0.0.1"], "good.test": ["8.8.8.8"], "bogon.test": ["10.10.34.34"]},
    "rcodes": {"nx.test": dns.rcode.NXDOMAIN, "no.test": dns.rcode.REFUSED},
    "wrong_question": {"another.test"},
    "garbage": {"garbage.test"},
}
ENDS = {
    "good.test": "ok",
    "nx.test": "dns.dns_nxdomain_error",
    "no.test": "dns.dns_refused_error",
    "empty.test": "dns.dns_no_answer",
    "another.test": "dns.dns_reply_with_wrong_query_id",
    # Who allows a private server allows a private answer.
    "bogon.test": "ok",
}


@pytest.fixture
async def names() -> AsyncIterator[servers.NameServer]:
    async with servers.naming(servers.NameServer(**TABLE)) as running:
        yield running


@pytest.fixture
def tools(names: servers.NameServer, tmp_path: Path) -> Tools:
    return Tools(
        resolver=Resolver("127.0.0.1", names.port),
        contexts=Contexts(servers.write_authority(tmp_path)),
        fingerprints=Fingerprints(()),
        timeout_seconds=20.0,
        allow_private=True,
    )


def over_https(names: servers.NameServer, body: bytes | None = None) -> servers.Handler:
    """A DoH server with a name server's table; or one that says the same to all."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        path, _, question = line.partition("?dns=")
        assert path == "/dns-query"
        wire = base64.urlsafe_b64decode(question + "=" * (-len(question) % 4))
        writer.write(answer(body=body or names.reply(wire) or b""))
        await writer.drain()
        writer.close()

    return speak


def ended(outcome: Outcome) -> str:
    return "ok" if outcome.ok else f"{outcome.stage}.{outcome.failure}"


@pytest.mark.parametrize(("host", "expected"), ENDS.items())
async def test_a_given_name_server(tools: Tools, names: servers.NameServer, host: str, expected: str) -> None:
    for server in ("127.0.0.1", HOST):
        outcome = await attempt(
            Target(platform="x", url=f"dns://{server}:{names.port}/{host}", private=True), tools
        )
        assert ended(outcome) == expected, outcome.detail
        assert outcome.timings_ms.tcp is None


@pytest.mark.parametrize(("host", "expected"), ENDS.items())
async def test_over_https(tools: Tools, names: servers.NameServer, host: str, expected: str) -> None:
    async with serving(over_https(names), certified()) as port:
        outcome = await attempt(Target(platform="x", url=f"doh://{HOST}:{port}/{host}", private=True), tools)
    assert ended(outcome) == expected, outcome.detail
    assert outcome.timings_ms.tls is not None


async def test_a_page_in_place_of_an_answer(tools: Tools, names: servers.NameServer) -> None:
    async with serving(over_https(names, b"<html>no"), certified()) as port:
        outcome = await attempt(
            Target(platform="x", url=f"doh://{HOST}:{port}/good.test", private=True), tools
        )
    assert ended(outcome) == "http.http_unexpected_body"


def test_a_private_answer_of_a_public_server_is_a_fact(names: servers.NameServer) -> None:
    resolver = Resolver("127.0.0.1", names.port)
    reply = names.reply(resolver.wire_of("bogon.test"))
    assert reply is not None
    with pytest.raises(ObservedFailure, match="dns_bogon_error"):
        resolver.read(reply, "bogon.test")


async def test_no_private_name_server_is_asked_by_a_list_from_elsewhere(tools: Tools) -> None:
    careful = replace(tools, allow_private=False)
    with pytest.raises(ForbiddenAddressError):
        await attempt(Target(platform="x", url="dns://127.0.0.1/good.test"), careful)
    by_name = await attempt(Target(platform="x", url=f"dns://{HOST}/good.test"), careful)
    assert ended(by_name) == "dns.dns_bogon_error"


@pytest.mark.parametrize(
    "url",
    [
        "dns://9.9.9.9",
        "dns://9.9.9.9/",
        "doh://dns.test/dns-query?dns=AA",
        "dns://9.9.9.9/a/b",
        "doh://dns.test/A b",
    ],
)
def test_what_is_asked_for_is_a_name(url: str) -> None:
    with pytest.raises(ValueError, match=r"what it is asked for|plain ASCII"):
        Target(platform="x", url=url)
