"""OONI's tests of one step, made here: tcpping and tlsping in the shapes of ooni/spec (ts-032, ts-033).

The shapes of dnsping, tcp_connect and dns_consistency have not been checked against a document or a recorded answer.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from producers.records import ProbeResult
from producers.sources.contract import RefusalReason, Refused
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader

READER = OoniReader(Platforms())
Json = dict[str, Any]


def connect(failure: str | None = None) -> Json:
    return {"ip": "203.0.114.10", "port": 443, "status": {"failure": failure, "success": failure is None}}


def handshake(failure: str | None = None, name: str = "x.com") -> Json:
    return {"failure": failure, "server_name": name}


def lookup(*addresses: str, failure: str | None = None, name: str = "x.com", by: str = "192.0.2.1") -> Json:
    answers = [{"answer_type": "A", "ipv4": address} for address in addresses] or None
    return {"failure": failure, "hostname": name, "resolver_hostname": by, "answers": answers}


def tcp(*failures: str | None) -> Json:
    return {"pings": [{"tcp_connect": connect(failure)} for failure in failures]}


def tls(failure: str | None) -> Json:
    return {"pings": [{"tcp_connect": connect(), "tls_handshake": handshake(failure)}] * 10}


def dns(query: Json, control: Json | None = None) -> Json:
    queries = [query] if control is None else [query, control]
    return {"queries": queries, "control_resolver": "203.0.114.53:53"}


GOOD, RESET, TIMEOUT = "203.0.114.10", "connection_reset", "generic_timeout_error"
HOST = "tcpconnect://x.com:443"
CONTROL = lookup(GOOD, by="203.0.114.53")
NXDOMAIN = {"failure": "dns_nxdomain_error"}
CASES: dict[str, tuple[str, str, Json, str]] = {
    "every connect is good": ("tcpping", HOST, tcp(None, None), "x ok ?"),
    "every connect times out": ("tcpping", HOST, tcp(TIMEOUT, TIMEOUT), "x tcp/generic_timeout_error ?"),
    "half of them": ("tcpping", HOST, tcp(None, TIMEOUT), "x ok ?"),
    "most of them": ("tcpping", HOST, tcp(None, TIMEOUT, RESET, TIMEOUT), "x tcp/generic_timeout_error ?"),
    "a list, as before 2022-06": (
        "tcpping",
        HOST,
        {"pings": [{"tcp_connect": [connect(RESET)]}]},
        "x tcp/connection_reset ?",
    ),
    "reset on the name, which the input does not say": (
        "tlsping",
        "tlshandshake://203.0.114.10:443",
        tls(RESET),
        "x tls/connection_reset ?",
    ),
    "handshakes are good": ("tlsping", "tlshandshake://x.com:443", tls(None), "x ok ?"),
    "the connect before it is not": (
        "tlsping",
        "tlshandshake://x.com:443",
        {"pings": [{"tcp_connect": connect(TIMEOUT), "tls_handshake": None}]},
        "x tcp/generic_timeout_error ?",
    ),
    "a name is found": ("dnsping", "udp://192.0.2.1:53", {"pings": [{"query": lookup(GOOD)}]}, "x ok ?"),
    "a bogon": (
        "dnsping",
        "udp://192.0.2.1:53",
        {"pings": [{"query": lookup("10.10.34.35")}]},
        "x dns/dns_bogon_error ?",
    ),
    "legacy connect": ("tcp_connect", "x.com:443", {"connection": "success"}, "x ok ?"),
    "legacy connect refused": (
        "tcp_connect",
        "x.com:443",
        {"connection": "connection_refused"},
        "x tcp/connection_refused ?",
    ),
    "NXDOMAIN here alone": (
        "dns_consistency",
        "x.com",
        dns(lookup(**NXDOMAIN), CONTROL),
        "x dns/dns_nxdomain_error +",
    ),
    "NXDOMAIN everywhere": (
        "dns_consistency",
        "x.com",
        dns(lookup(**NXDOMAIN), CONTROL | NXDOMAIN),
        "x dns/dns_nxdomain_error -",
    ),
    "no answer, no control": ("dns_consistency", "x.com", dns(lookup()), "x dns/dns_no_answer ?"),
}
REFUSED: dict[str, tuple[str, Json | None, RefusalReason]] = {
    "nothing was tried": ("tcpping", {"pings": []}, RefusalReason.MEASUREMENT_FAILED),
    "a try of nothing": ("tcpping", {"pings": [{}]}, RefusalReason.MEASUREMENT_FAILED),
    "no connection": ("tcp_connect", {"connection": None}, RefusalReason.MEASUREMENT_FAILED),
    "no test keys": ("tlsping", None, RefusalReason.MEASUREMENT_FAILED),
    "another shape": ("tcpping", {"pings": 5}, RefusalReason.NOT_A_MEASUREMENT),
    "two names at once": (
        "dnsping",
        {"pings": [{"query": lookup(GOOD)}, {"query": lookup(GOOD, name="example.com")}]},
        RefusalReason.OTHER_TEST,
    ),
    "no name": ("dnsping", {"pings": [{"query": None}]}, RefusalReason.NO_HOST),
}


def read(test: str, asked: str, keys: Json | None) -> ProbeResult | Refused:
    document = {
        "test_name": test,
        "input": asked,
        "probe_cc": "PK",
        "probe_asn": "AS17557",
        "measurement_start_time": "2024-01-20 13:41:07",
        "test_keys": keys,
    }
    return READER.measurement(json.dumps(document).encode(), "test")


@pytest.mark.parametrize("test, asked, keys, expected", CASES.values(), ids=CASES)
def test_a_step(test: str, asked: str, keys: Json, expected: str) -> None:
    result = read(test, asked, keys)
    assert isinstance(result, ProbeResult), result
    control = {True: "+", False: "-", None: "?"}[result.control_ok]
    end = "ok" if result.ok else f"{result.stage}/{result.failure}"
    assert (f"{result.platform} {end} {control}", result.method) == (expected, test)


@pytest.mark.parametrize("test, keys, reason", REFUSED.values(), ids=REFUSED)
def test_what_tells_nothing_is_refused(test: str, keys: Json | None, reason: RefusalReason) -> None:
    refused = read(test, HOST, keys)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
