"""OONI's tests of messaging apps, in the shapes that ooni/spec shows (ts-018, ts-019, ts-020, ts-029)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producers.records import ProbeResult
from producers.sources.contract import Refused
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader


def connect(failure: str | None, ip: str = "149.154.167.51", port: int = 443) -> dict[str, Any]:
    return {"ip": ip, "port": port, "status": {"failure": failure, "success": failure is None}}


def handshake(failure: str | None, name: str) -> dict[str, Any]:
    return {"failure": failure, "server_name": name}


def lookup(failure: str | None, *addresses: str) -> dict[str, Any]:
    return {"failure": failure, "engine": "system", "answers": [{"ipv4": address} for address in addresses]}


def named(host: str, failure: str | None, *addresses: str) -> dict[str, Any]:
    return {**lookup(failure, *addresses), "hostname": host}


def asked(url: str, failure: str | None) -> dict[str, Any]:
    return {"failure": failure, "request": {"url": url}}


TIMEOUT, RESET = "generic_timeout_error", "connection_reset"
WELL, ILL = [connect(None), connect(TIMEOUT)], [connect(TIMEOUT), connect(TIMEOUT)]
#: A page's connects stand among those of the app's servers, in the order in which they were made (ts-018, ts-020).
PAGE, SERVER = "149.154.167.99", "149.154.167.51"
CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        "telegram",
        {
            "queries": [named("web.telegram.org", None, PAGE)],
            "tcp_connect": [*ILL, connect(None, PAGE)],
            "telegram_web_failure": None,
        },
        "telegram tcp.generic_timeout_error",
    ),
    (
        "telegram",
        {
            "tcp_connect": WELL,
            "requests": [asked(f"http://{SERVER}:{port}/", RESET) for port in (80, 443)],
            "telegram_http_blocking": True,
        },
        "telegram http.connection_reset",
    ),
    (
        "telegram",
        {
            "tcp_connect": WELL,
            "requests": [asked(f"http://{SERVER}/", RESET), asked(f"http://{SERVER}:443/", None)],
        },
        "telegram ok",
    ),
    (
        "whatsapp",
        {
            "queries": [
                named("e1.whatsapp.net", None, "3.33.221.48"),
                named("v.whatsapp.net", None, "157.240.1.60"),
            ],
            "tcp_connect": [
                connect(TIMEOUT, "3.33.221.48", 443),
                connect(TIMEOUT, "3.33.221.48", 5222),
                connect(None, "157.240.1.60", 443),
            ],
        },
        "whatsapp tcp.generic_timeout_error",
    ),
    (
        "whatsapp",
        {
            "queries": [
                named("e1.whatsapp.net", "dns_nxdomain_error"),
                named("e2.whatsapp.net", "dns_nxdomain_error"),
                named("web.whatsapp.com", None, "157.240.1.60"),
            ],
            "tcp_connect": [connect(None, "157.240.1.60", 443)],
        },
        "whatsapp dns.dns_nxdomain_error",
    ),
    (
        "whatsapp",
        {"queries": [named("e1.whatsapp.net", None, "10.10.34.36")], "tcp_connect": [connect(None, PAGE)]},
        "whatsapp dns.dns_bogon_error",
    ),
    (
        "facebook_messenger",
        {"queries": [named("star.c10r.facebook.com", None, "10.10.34.36")], "tcp_connect": None},
        "facebook dns.dns_bogon_error",
    ),
    (
        "signal",
        {
            "requests": [asked("https://chat.signal.org/", RESET)],
            "tls_handshakes": [handshake(RESET, "chat.signal.org")],
        },
        "signal tls.connection_reset",
    ),
    ("telegram", {"tcp_connect": WELL, "telegram_web_failure": None}, "telegram ok"),
    ("telegram", {"tcp_connect": ILL, "telegram_tcp_blocking": True}, "telegram tcp.generic_timeout_error"),
    (
        "telegram",
        {
            "tcp_connect": WELL,
            "telegram_web_failure": RESET,
            "tls_handshakes": [handshake(RESET, "web.telegram.org")],
        },
        "telegram tls.connection_reset",
    ),
    (
        "telegram",
        {"tcp_connect": WELL, "telegram_web_failure": "dns_nxdomain_error"},
        "telegram dns.dns_nxdomain_error",
    ),
    ("whatsapp", {"tcp_connect": [connect(None, port=5222)], "whatsapp_web_failure": None}, "whatsapp ok"),
    (
        "whatsapp",
        {"tcp_connect": [connect(None, port=5222)], "registration_server_failure": "ssl_invalid_hostname"},
        "whatsapp tls.ssl_invalid_hostname",
    ),
    (
        "whatsapp",
        {
            "tcp_connect": [connect(None)],
            "whatsapp_web_failure": "eof_error",
            "requests": [{"failure": "eof_error"}],
        },
        "whatsapp http.eof_error",
    ),
    (
        "facebook_messenger",
        {
            "queries": [lookup(None, "157.240.1.1")],
            "tcp_connect": [connect(None), connect("network_unreachable", "2a03:2880:f003::1")],
        },
        "facebook ok",
    ),
    (
        "facebook_messenger",
        {"queries": [lookup(None, "157.240.1.1")], "tcp_connect": WELL},
        "facebook tcp.generic_timeout_error",
    ),
    (
        "facebook_messenger",
        {"queries": [lookup(None, "10.10.34.35")], "facebook_dns_blocking": True},
        "facebook dns.dns_bogon_error",
    ),
    (
        "facebook_messenger",
        {"queries": [lookup("dns_nxdomain_error")] * 2},
        "facebook dns.dns_nxdomain_error",
    ),
    (
        "signal",
        {
            "tls_handshakes": [handshake("ssl_unknown_authority", "textsecure-service.whispersystems.org")],
            "signal_backend_failure": "ssl_unknown_authority",
        },
        "signal tls.ssl_unknown_authority",
    ),
    ("signal", {"requests": [{"failure": None}], "signal_backend_failure": None}, "signal ok"),
    ("signal", {}, "measurement_failed"),
    ("signal", {"requests": "x"}, "not_a_measurement"),
]


@pytest.mark.parametrize(("test", "keys", "expected"), CASES)
def test_an_app(test: str, keys: dict[str, Any], expected: str) -> None:
    found = read(test, keys)
    if isinstance(found, Refused):
        assert found.reason == expected
        return
    assert isinstance(found, ProbeResult)
    assert f"{found.platform} {'ok' if found.ok else f'{found.stage}.{found.failure}'}" == expected
    assert (found.source, found.method, found.vantage) == ("ooni", test, "ooni-IR-AS44244")


def test_a_page_of_another_status_is_the_sites_own() -> None:
    """As in a measurement of December 2022, when the server began to answer 400 to everybody's test."""
    keys = {
        "tcp_connect": WELL,
        "requests": [asked("https://web.whatsapp.com/", None), asked("http://web.whatsapp.com/", None)],
        "whatsapp_web_failure": "http_unexpected_status_code",
    }
    assert app("whatsapp", keys) == "ok"
    keys["requests"] = [asked("https://web.whatsapp.com/", RESET)]
    keys["whatsapp_web_failure"] = RESET
    assert app("whatsapp", keys) == "http.connection_reset"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (named("stun.fbsbx.com", "dns_nxdomain_error"), "dns.dns_nxdomain_error"),
        (named("stun.fbsbx.com", None, "10.10.34.34"), "dns.dns_bogon_error"),
        (named("stun.fbsbx.com", None, "8.8.8.8"), "dns.None"),
    ],
)
def test_one_name_of_facebook_that_is_answered_falsely(query: dict[str, Any], expected: str) -> None:
    keys = {
        "queries": [named("star.c10r.facebook.com", None, "157.240.1.6"), query],
        "facebook_dns_blocking": True,
    }
    assert app("facebook_messenger", keys) == expected


#: The test's version, its client's engine, when it was made; what comes of a certificate that it does not know.
SIGNAL = [
    ("0.2.0", "3.16.5", "2022-10-18 23:59:59", "tls.ssl_unknown_authority"),
    ("0.2.0", "3.16.5", "2022-10-19 00:00:00", "measurement_failed"),
    ("0.2.2", "3.16.5", "2023-05-01 00:00:00", "tls.ssl_unknown_authority"),
    ("0.2.2", "3.16.5", "2023-05-30 18:08:35", "measurement_failed"),
    ("0.2.2", "3.17.2", "2023-05-30 18:08:35", "tls.ssl_unknown_authority"),
    ("0.2.3", "3.18.1", "2023-11-06 23:59:59", "tls.ssl_unknown_authority"),
    ("0.2.3", "3.18.1", "2023-11-07 00:00:00", "measurement_failed"),
    ("0.2.4", "3.19.0", "2023-12-01 00:00:00", "measurement_failed"),
    ("0.2.5", "3.19.1-beta", "2024-01-20 13:41:00", "tls.ssl_unknown_authority"),
    ("0.2.10", "", "2024-01-20 13:41:00", "tls.ssl_unknown_authority"),
    ("", "", "2024-01-20 13:41:00", "tls.ssl_unknown_authority"),
]


@pytest.mark.parametrize(("version", "engine", "time", "expected"), SIGNAL)
def test_a_test_that_fails_everywhere_says_nothing(
    version: str, engine: str, time: str, expected: str
) -> None:
    keys = {"tcp_connect": WELL, "signal_backend_failure": "ssl_unknown_authority"}
    facts = {
        "test_version": version,
        "annotations": {"engine_version": engine},
        "measurement_start_time": time,
    }
    assert app("signal", keys, **facts) == expected


@pytest.mark.parametrize("annotations", [None, [], "x", {}, {"engine_version": 3}])
def test_annotations_of_another_shape_are_left_alone(annotations: Any) -> None:
    assert app("signal", {"tcp_connect": WELL}, test_version="0.2.5", annotations=annotations) == "ok"


def app(test: str, keys: dict[str, Any], **facts: Any) -> str:
    """What is read of a measurement: `ok`, how it ended, or why it is refused."""
    found = read(test, keys, **facts)
    if isinstance(found, Refused):
        return str(found.reason)
    return "ok" if found.ok else f"{found.stage}.{found.failure}"


def read(test: str, keys: dict[str, Any], **facts: Any) -> ProbeResult | Refused:
    """The result of a measurement with these keys, and other facts."""
    measurement = {
        "test_name": test,
        "probe_cc": "IR",
        "probe_asn": "AS44244",
        "measurement_start_time": "2024-01-20 13:41:07",
        "test_keys": keys,
        **facts,
    }
    return OoniReader(Platforms()).measurement(json.dumps(measurement).encode(), "here")
