"""Every kind of Web Connectivity measurement, by its story: where it ended, how, and what the control saw.

The stories are those that OONI's own quality assurance tells (ooni/probe-cli, internal/webconnectivityqa), made here
event by event, in the shape of version 0.5 and, where that tells a difference, of 0.4.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.records import ProbeResult
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader, RefusalReason, Refused
from producers.sources.ooni.web import failure_of
from tests.producers.sources.ooni.measurements import BLOCK, LIAR, PAGE, SITE, Measurement, reached

HTTP = "http://www.example.com/"
HTTPS = "https://www.example.com/"
SHORT = "https://short.example/1"
READER = OoniReader(Platforms())
DIFFERS = {
    "body_length_match": False,
    "headers_match": False,
    "status_code_match": True,
    "title_match": False,
}


def told(m: Measurement) -> str:
    """A result in one line: `ok`, or `stage/failure`; then what the control saw: + good, - failed too, ? not known."""
    result = READER.measurement(m.json(), "test")
    assert isinstance(result, ProbeResult), result
    control = {True: "+", False: "-", None: "?"}[result.control_ok]
    return f"{'ok' if result.ok else f'{result.stage}/{result.failure}'} {control}"


def with_doh(m: Measurement) -> Measurement:
    """What version 0.5 does besides: the same site by the addresses that only DNS over HTTPS knew."""
    return (
        m.lookup(SITE, engine="doh", classic=False)
        .connect(SITE, classic=False)
        .handshake(classic=False)
        .request(classic=False, url=HTTPS)
    )


def redirected() -> Measurement:
    """A short link that leads on; what follows is the second URL's."""
    first = Measurement(SHORT).lookup(SITE, host="short.example").connect().handshake(host="short.example")
    return first.request(308, "", url=SHORT).control().redirected()


STORIES: dict[str, tuple[Measurement, str]] = {
    "success with HTTP": (reached(HTTP), "ok +"),
    "success with HTTPS": (reached(HTTPS), "ok +"),
    "an international name": (reached("http://Яндекс.рф/"), "ok +"),
    "a large file, cut": (
        Measurement(HTTP)
        .lookup(SITE)
        .connect(port=80)
        .request(body="", truncated=True)
        .control(body=PAGE * 900, title=""),
        "ok +",
    ),
    "control failed, HTTPS came": (
        reached(HTTPS).matches(control=None, control_failure="connection_reset"),
        "ok ?",
    ),
    "control failed, HTTP came": (
        reached(HTTP).matches(control=None, control_failure="connection_reset"),
        "ok ?",
    ),
    "expired certificate, for the control too": (
        Measurement(HTTPS)
        .lookup(SITE)
        .connect()
        .handshake("ssl_invalid_certificate")
        .control(failure="unknown_error"),
        "tls/ssl_invalid_certificate -",
    ),
    "wrong name in the certificate": (
        Measurement(HTTPS)
        .lookup(SITE)
        .connect()
        .handshake("ssl_invalid_hostname")
        .control(failure="unknown_error"),
        "tls/ssl_invalid_hostname -",
    ),
    "unknown authority behind another address": (
        with_doh(
            Measurement(HTTPS).lookup(LIAR).connect(LIAR).handshake("ssl_unknown_authority", LIAR).control()
        ),
        "tls/ssl_unknown_authority +",
    ),
    "a captcha over HTTP": (
        Measurement(HTTP)
        .lookup(SITE)
        .connect(port=80)
        .request(503, BLOCK)
        .control()
        .matches(**DIFFERS | {"status_code_match": False, "headers_match": True}),
        "http/http_unexpected_status_code +",
    ),
    "a captcha over HTTPS is the site's own": (
        Measurement(HTTPS)
        .lookup(SITE)
        .connect()
        .handshake()
        .request(503, BLOCK)
        .control()
        .matches(**DIFFERS | {"status_code_match": False, "headers_match": True}),
        "ok +",
    ),
    "NXDOMAIN here alone": (
        with_doh(Measurement(HTTPS).lookup(failure="dns_nxdomain_error").control()),
        "dns/dns_nxdomain_error +",
    ),
    "Android has nothing in its cache": (
        with_doh(Measurement(HTTPS).lookup(failure="android_dns_cache_no_data").control()),
        "dns/android_dns_cache_no_data +",
    ),
    "a bogon that nobody answers": (
        with_doh(
            Measurement(HTTPS)
            .lookup("10.10.34.35")
            .connect("10.10.34.35", 443, "generic_timeout_error")
            .control()
        ),
        "dns/dns_bogon_error +",
    ),
    "a bogon that serves a block page": (
        Measurement(HTTP)
        .lookup("10.10.34.35")
        .connect("10.10.34.35", 80)
        .request(403, BLOCK)
        .control()
        .matches(**DIFFERS | {"status_code_match": False}),
        "dns/dns_bogon_error +",
    ),
    "led to localhost": (with_doh(Measurement(HTTPS).lookup("127.0.0.1").control()), "dns/dns_bogon_error +"),
    "localhost is what everybody gets": (
        Measurement(HTTP).lookup("127.0.0.1").control(failure="unknown_error", addresses=("127.0.0.1",)),
        "dns/dns_bogon_error -",
    ),
    "led through a proxy that passes everything": (
        Measurement(HTTP).lookup(LIAR).connect(LIAR, 80).request().control(),
        "ok +",
    ),
    "an address for a name that does not exist": (
        Measurement(HTTPS)
        .lookup(LIAR)
        .connect(LIAR, 443, "connection_refused")
        .control(failure="dns_lookup_error", addresses=(), dns_failure="dns_name_error"),
        "dns/dns_server_misbehaving -",
    ),
    "a page for a name that does not exist": (
        Measurement(HTTP)
        .lookup(LIAR)
        .connect(LIAR, 80)
        .request(200, BLOCK)
        .control(failure="dns_lookup_error", addresses=(), dns_failure="dns_name_error"),
        "dns/dns_server_misbehaving -",
    ),
    "reset at the request": (
        Measurement(HTTP).lookup(SITE).connect(port=80).request(0, "", "connection_reset").control(),
        "http/connection_reset +",
    ),
    "a block page": (
        Measurement(HTTP).lookup(SITE).connect(port=80).request(200, BLOCK).control().matches(**DIFFERS),
        "http/blockpage +",
    ),
    "a block page, compared by ourselves": (
        Measurement(HTTP).lookup(SITE).connect(port=80).request(200, BLOCK).control(),
        "http/blockpage +",
    ),
    "a block page at another address": (
        Measurement(HTTP).lookup(LIAR).connect(LIAR, 80).request(200, BLOCK).control().matches(**DIFFERS),
        "http/blockpage +",
    ),
    "led to a well-certified block page elsewhere": (
        Measurement(HTTP)
        .lookup(SITE)
        .connect(port=80)
        .request(302, "")
        .redirected()
        .lookup(LIAR, host="block.example")
        .connect(LIAR)
        .handshake(None, LIAR, "block.example")
        .request(200, BLOCK, url="https://block.example/")
        .control()
        .matches(**DIFFERS),
        "http/blockpage +",
    ),
    "another page of the same site over HTTPS": (
        Measurement(HTTP)
        .lookup(SITE)
        .connect(port=80)
        .request(302, "")
        .redirected()
        .lookup(SITE)
        .connect()
        .handshake()
        .request(200, BLOCK, url="https://pk.example.com/")
        .control()
        .matches(**DIFFERS),
        "ok +",
    ),
    "a broken redirect": (
        Measurement(HTTP)
        .lookup(SITE)
        .connect(port=80)
        .request(302, "", "http_invalid_redirect_location_host")
        .control(),
        "http/http_invalid_redirect_location_host +",
    ),
    "too many redirects": (
        Measurement(HTTPS)
        .lookup(SITE)
        .connect()
        .handshake()
        .request(302, "", "unknown_failure: stopped after too many redirects")
        .control(failure="unknown_error"),
        "http/unknown_failure -",
    ),
    "redirected, then refused": (
        redirected()
        .lookup(SITE)
        .connect(port=80, failure="connection_refused")
        .connect(port=443, failure="connection_refused", fetch_body=False),
        "tcp/connection_refused +",
    ),
    "redirected to HTTP, then reset; TLS beside it is not the way": (
        redirected()
        .lookup(SITE)
        .connect(port=80)
        .connect(port=443, fetch_body=False)
        .handshake("connection_reset", fetch_body=False)
        .request(0, "", "connection_reset", HTTP),
        "http/connection_reset +",
    ),
    "redirected to HTTPS, then reset": (
        redirected().lookup(SITE).connect().handshake("connection_reset"),
        "tls/connection_reset +",
    ),
    "redirected to HTTP, then the end": (
        redirected().lookup(SITE).connect(port=80).request(0, "", "eof_error", HTTP),
        "http/eof_error +",
    ),
    "redirected to HTTPS, then the end": (
        redirected().lookup(SITE).connect().handshake("eof_error"),
        "tls/eof_error +",
    ),
    "redirected to HTTP, then nothing": (
        redirected().lookup(SITE).connect(port=80).request(0, "", "generic_timeout_error", HTTP),
        "http/generic_timeout_error +",
    ),
    "redirected to HTTPS, then nothing": (
        redirected().lookup(SITE).connect().handshake("generic_timeout_error"),
        "tls/generic_timeout_error +",
    ),
    "redirected, then NXDOMAIN": (
        redirected().lookup(failure="dns_nxdomain_error"),
        "dns/dns_nxdomain_error +",
    ),
    "redirected to a bogon": (
        redirected().lookup("10.10.34.36").connect("10.10.34.36", 443, "generic_timeout_error"),
        "dns/dns_bogon_error +",
    ),
    "connect times out": (
        Measurement(HTTPS).lookup(SITE).connect(failure="generic_timeout_error").control(),
        "tcp/generic_timeout_error +",
    ),
    "refused at another address": (
        with_doh(Measurement(HTTPS).lookup(LIAR).connect(LIAR, 443, "connection_refused").control()),
        "tcp/connection_refused +",
    ),
    "no IPv6 here, and IPv4 refused": (
        Measurement(HTTPS)
        .lookup(SITE, "2a00:1450::1", "2a00:1450::2")
        .connect("2a00:1450::1", 443, "network_unreachable")
        .connect("2a00:1450::2", 443, "network_unreachable")
        .connect(failure="connection_refused")
        .control(),
        "tcp/connection_refused +",
    ),
    "one address of two is enough": (
        Measurement(HTTPS)
        .lookup(LIAR, SITE)
        .connect(LIAR, 443, "generic_timeout_error")
        .connect(SITE)
        .handshake()
        .request()
        .control(),
        "ok +",
    ),
    "slow over HTTPS": (
        Measurement(HTTPS)
        .lookup(SITE)
        .connect()
        .handshake()
        .request(200, "", "generic_timeout_error", truncated=True)
        .control(),
        "http/throttled +",
    ),
    "slow over HTTP": (
        Measurement(HTTP)
        .lookup(SITE)
        .connect(port=80)
        .request(200, "", "generic_timeout_error", truncated=True)
        .control(),
        "http/throttled +",
    ),
    "TLS reset": (
        Measurement(HTTPS).lookup(SITE).connect().handshake("connection_reset").control(),
        "tls/connection_reset +",
    ),
    "TLS reset at another address, and at the true one": (
        Measurement(HTTPS)
        .lookup(LIAR)
        .connect(LIAR)
        .handshake("connection_reset", LIAR)
        .handshake("connection_reset", classic=False)
        .control(),
        "tls/connection_reset +",
    ),
    "the name does not exist at all": (
        Measurement(HTTP)
        .lookup(failure="dns_nxdomain_error")
        .control(failure="dns_lookup_error", addresses=(), dns_failure="dns_name_error"),
        "dns/dns_nxdomain_error -",
    ),
    "the name has no address at all": (
        Measurement(HTTP).lookup(failure="dns_no_answer").control(failure="dns_lookup_error", addresses=()),
        "dns/dns_no_answer -",
    ),
    "nobody listens, for the control neither": (
        Measurement("http://www.example.com:444/")
        .lookup(SITE)
        .connect(port=444, failure="connection_refused")
        .control(failure="connection_refused"),
        "tcp/connection_refused -",
    ),
    # version 0.4: no tags, and one list of requests for the whole chain
    "0.4: success": (reached(HTTPS, tagged=False), "ok +"),
    "0.4: NXDOMAIN": (
        Measurement(HTTPS, tagged=False).lookup(failure="dns_nxdomain_error").control(),
        "dns/dns_nxdomain_error +",
    ),
    "0.4: connect times out": (
        Measurement(HTTPS, tagged=False).lookup(SITE).connect(failure="generic_timeout_error").control(),
        "tcp/generic_timeout_error +",
    ),
    "0.4: reset within HTTPS, no handshake recorded": (
        Measurement(HTTPS, tagged=False).lookup(SITE).connect().request(0, "", "connection_reset").control(),
        "tls/connection_reset +",
    ),
    "0.4: reset after a good handshake": (
        Measurement(HTTPS, tagged=False)
        .lookup(SITE)
        .connect()
        .handshake()
        .request(0, "", "connection_reset")
        .control(),
        "http/connection_reset +",
    ),
    "0.4: reset within HTTP": (
        Measurement(HTTP, tagged=False)
        .lookup(SITE)
        .connect(port=80)
        .request(0, "", "connection_reset")
        .control(),
        "http/connection_reset +",
    ),
    "0.4: a bad certificate": (
        Measurement(HTTPS, tagged=False)
        .lookup(SITE)
        .connect()
        .request(0, "", "ssl_unknown_authority")
        .control(),
        "tls/ssl_unknown_authority +",
    ),
    "0.4: redirected, then NXDOMAIN": (
        Measurement(SHORT, tagged=False)
        .lookup(SITE)
        .connect()
        .request(302, "")
        .request(0, "", "dns_nxdomain_error", HTTPS)
        .control(),
        "dns/dns_nxdomain_error +",
    ),
    "0.4: a block page": (
        Measurement(HTTP, tagged=False)
        .lookup(SITE)
        .connect(port=80)
        .request(200, BLOCK)
        .control()
        .matches(**DIFFERS),
        "http/blockpage +",
    ),
    "0.5 without tags: the system's addresses are the way": (
        Measurement(HTTPS, tagged=False)
        .lookup(SITE)
        .lookup("2a00:1450::1", engine="udp")
        .connect("2a00:1450::1", 443, "network_unreachable")
        .connect()
        .handshake("eof_error")
        .control(failure="unknown_error"),
        "tls/eof_error -",
    ),
}


@pytest.mark.parametrize("m, expected", STORIES.values(), ids=STORIES)
def test_story(m: Measurement, expected: str) -> None:
    assert told(m) == expected


def test_what_ooni_concluded_is_not_read() -> None:
    for blocking, accessible in (("dns", False), (False, True), ("http-diff", None)):
        m = reached().matches(x_blocking_flags=33)
        m.keys |= {"blocking": blocking, "accessible": accessible}
        assert told(m) == "ok +"


def test_a_path_that_went_dead_is_not_slow() -> None:
    m = (
        Measurement(HTTPS)
        .lookup(SITE)
        .connect()
        .handshake()
        .request(200, "", "generic_timeout_error", truncated=True, t0=1.0, t=11.0, transaction_id=7)
        .control()
    )
    read = {"operation": "read", "num_bytes": 1400, "failure": None, "transaction_id": 7}
    m.keys["network_events"] = [read | {"t0": 1.0, "t": 1.2}]
    assert told(m) == "http/generic_timeout_error +"
    m.keys["network_events"].append(read | {"t0": 10.0, "t": 10.4})
    assert told(m) == "http/throttled +"


def test_who_when_and_what_come_from_the_measurement() -> None:
    m = (
        Measurement("https://mobile.twitter.com/home")
        .lookup(SITE, t0=0.1, t=0.15)
        .connect(t0=0.15, t=0.19)
        .handshake(t0=0.19, t=0.25)
        .request(t0=0.25, t=0.6)
        .control()
    )
    result = READER.measurement(m.json(), "test")
    assert isinstance(result, ProbeResult)
    assert (result.country, result.asn, result.platform) == ("PK", 17557, "x")
    assert result.time.isoformat() == "2024-01-20T13:41:07+00:00"
    assert result.vantage == "ooni-PK-AS17557"
    assert result.bytes == len(PAGE)
    assert result.timings_ms is not None
    assert (result.timings_ms.dns, result.timings_ms.tcp, result.timings_ms.total) == (50.0, 40.0, 500.0)
    assert not result.simulated


def test_the_same_measurement_has_the_same_id_and_another_has_another() -> None:
    ids = {
        READER.measurement(m.json(**head), "test").id  # type: ignore[union-attr]
        for m, head in (
            (reached(), {}),
            (reached(), {}),
            (reached(HTTP), {}),
            (reached(), {"measurement_uid": "20240120134107.000001_PK_webconnectivity_0123456789abcdef"}),
        )
    }
    assert len(ids) == 3


def test_what_is_null_where_it_need_not_be_does_no_harm() -> None:
    m = reached()
    m.keys["queries"].append({"engine": None, "failure": None, "answers": None, "tags": None})
    m.keys["tcp_connect"].append(
        {"ip": None, "port": None, "status": {}, "tags": None, "t0": None, "t": None}
    )
    m.keys["requests"].append({"failure": None, "request": {"url": m.url}, "response": {"code": None}})
    m.keys["network_events"] = [{"operation": None, "failure": None}]
    assert told(m) == "ok +"


REFUSED: dict[str, tuple[bytes, RefusalReason]] = {
    "no JSON": (b"{", RefusalReason.NOT_JSON),
    "no object": (b"[1]", RefusalReason.NOT_A_MEASUREMENT),
    "no measurement": (b"{}", RefusalReason.NOT_A_MEASUREMENT),
    "another test": (reached().json(test_name="ndt"), RefusalReason.OTHER_TEST),
    "no test keys": (reached().json(test_keys=None), RefusalReason.MEASUREMENT_FAILED),
    "test keys without events": (reached().json(test_keys={}), RefusalReason.MEASUREMENT_FAILED),
    "no country": (reached().json(probe_cc="ZZ"), RefusalReason.NO_PLACE_OR_TIME),
    "a country that is none": (reached().json(probe_cc="XX"), RefusalReason.INVALID),
    "no time": (reached().json(measurement_start_time="soon"), RefusalReason.NO_PLACE_OR_TIME),
    "no host": (reached().json(input="not a URL at all://"), RefusalReason.NO_HOST),
    "a wrong type": (reached().json(test_keys={"queries": 3}), RefusalReason.NOT_A_MEASUREMENT),
    "not UTF-8": (b'{"test_name":"\xff"}', RefusalReason.NOT_JSON),
}


@pytest.mark.parametrize("value, reason", REFUSED.values(), ids=REFUSED)
def test_refused_with_its_reason(value: bytes, reason: RefusalReason) -> None:
    refused = READER.measurement(value, "file:1")
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.place) == (reason, "file:1")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    assert all(
        isinstance(item, ProbeResult | Refused) for item in READER.read(Path("any.json"), io.BytesIO(value))
    )


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_test_keys_of_any_shape_are_read_or_refused(value: object) -> None:
    for key in reached().keys:
        m = reached()
        m.keys[key] = value
        assert isinstance(READER.measurement(m.json(), "test"), ProbeResult | Refused)


@pytest.mark.parametrize(
    "text, failure",
    [
        ("connection_refused_error", "connection_refused"),
        ("dns_name_error", "dns_nxdomain_error"),
        ("unknown_failure: anything", "unknown_failure"),
        ("a word of the future", "unknown_failure"),
        ("ssl_invalid_hostname", "ssl_invalid_hostname"),
    ],
)
def test_failures_in_todays_words(text: str, failure: str) -> None:
    assert failure_of(text) == failure
