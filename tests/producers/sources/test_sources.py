"""Each source on an answer as its own documents show it; the docstring of each says which."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
import tarfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

import dns.message
import dns.rcode
import dns.rrset
import lz4.frame
import msgspec
import pytest
import zstandard
from typer.testing import CliRunner

from producers.records import ProbeResult
from producers.signals import Signal, decode_signal, encode_signal
from producers.sources import cloudflare, ioda, ripe_atlas, tor
from producers.sources.contract import TIME_REMEDY, Item, RefusalReason, Refused
from producers.sources.files import read_all
from producers.sources.prometheus import LabelError, Labels, PrometheusReader, read_labels
from producers.sources.tables import MappingError, TableReader, read_mapping
from streams.commands.ingest import app

Read = Callable[[str, IO[bytes]], Iterator[Item]]


def read(reader: Read, document: Any) -> list[Item]:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return list(read_all("answer", io.BytesIO(text), reader))


def signals(items: list[Item]) -> list[tuple[str, str, int | None, float, str]]:
    found = []
    for item in items:
        assert isinstance(item, Signal), item
        assert decode_signal(encode_signal(item)) == item
        found.append((item.name, item.country, item.asn, item.value, f"{item.time:%m-%dT%H:%M}"))
    return found


def parts(items: list[Item]) -> list[str | None]:
    """Of which part of its country each signal is."""
    return [item.part for item in items if isinstance(item, Signal)]


def ends(items: list[Item]) -> list[str]:
    return [
        f"{item.reason}"
        if isinstance(item, Refused)
        else f"{item.platform} {item.country} AS{item.asn} {'ok' if item.ok else f'{item.stage}.{item.failure}'}"
        for item in items
        if not isinstance(item, Signal)
    ]


# ---- IODA: https://api.ioda.inetintel.cc.gatech.edu/v2/, signals/raw, outages/alerts, outages/events
def test_iodas_signals() -> None:
    series = {
        "entityType": "country",
        "entityCode": "PK",
        "entityName": "Pakistan",
        "datasource": "ping-slash24",
        "from": 1705758000,
        "until": 1705759800,
        "step": 600,
        "nativeStep": 600,
        "values": [7310, None, 2100],
    }
    network = {
        **series,
        "entityType": "geoasn",
        "entityCode": "17557-PK",
        "datasource": "bgp",
        "values": [55],
    }
    items = read(ioda.read, {"type": "signals.raw", "error": None, "data": [[series, network]]})
    assert signals(items) == [
        ("ping-slash24", "PK", None, 7310, "01-20T13:40"),
        ("ping-slash24", "PK", None, 2100, "01-20T14:00"),
        ("bgp", "PK", 17557, 55, "01-20T13:40"),
    ]


def test_iodas_alerts_and_events() -> None:
    alert = {
        "datasource": "bgp",
        "entity": {"code": "PK", "name": "Pakistan", "type": "country", "attrs": {}},
        "time": 1705758000,
        "level": "critical",
        "condition": "< 0.99",
        "value": 4100,
        "historyCondition": "median",
        "historyValue": 5100,
    }
    event = {
        "location": "country/PK",
        "start": 1705758000,
        "duration": 3600,
        "score": 812.5,
        "datasource": "bgp",
    }
    lost = {**alert, "entity": {"code": "4416", "type": "region", "attrs": {}}}
    assert signals(
        read(ioda.read, {"type": "outages.alerts", "data": [alert, {**alert, "level": "normal"}]})
    ) == [
        ("alert.bgp", "PK", None, 1, "01-20T13:40"),
        ("alert.bgp", "PK", None, 0, "01-20T13:40"),
    ]
    assert signals(read(ioda.read, {"type": "outages.events", "data": [event]})) == [
        ("outage.bgp", "PK", None, 1, "01-20T13:40"),
        ("outage.bgp", "PK", None, 0, "01-20T14:40"),
    ]
    good, bad = read(ioda.read, {"data": [alert, lost]})
    assert isinstance(good, Signal)
    assert isinstance(bad, Refused)
    assert bad.reason is RefusalReason.NO_PLACE_OR_TIME


def test_iodas_sources_judge_apart_and_a_region_is_not_its_country() -> None:
    """At one moment, BGP alerts, the pings are normal, and a region of the same country has an alert."""

    def alert(datasource: str, level: str, kind: str = "country") -> dict[str, Any]:
        entity = {
            "code": "PK" if kind == "country" else "4416",
            "type": kind,
            "attrs": {"country_code": "PK"},
        }
        return {"datasource": datasource, "entity": entity, "time": 1705758000, "level": level}

    items = read(
        ioda.read,
        {
            "data": [
                alert("bgp", "critical"),
                alert("ping-slash24", "normal"),
                alert("bgp", "critical", "region"),
            ]
        },
    )
    assert signals(items) == [
        ("alert.bgp", "PK", None, 1, "01-20T13:40"),
        ("alert.ping-slash24", "PK", None, 0, "01-20T13:40"),
        ("alert.bgp", "PK", None, 1, "01-20T13:40"),
    ]
    assert parts(items) == [None, None, "4416"]


def test_a_series_without_a_number_is_refused() -> None:
    """`ping-slash24-latency` and its like hold objects; a series of nulls says nothing."""
    series = {
        "entityType": "country",
        "entityCode": "PK",
        "datasource": "ping-slash24-latency",
        "from": 1705758000,
        "until": 1705759800,
        "step": 600,
    }
    for values in ([[{"agg_values": {"median": 1}}]], [None, None]):
        [refused] = read(ioda.read, {"data": [[{**series, "values": values}]]})
        assert isinstance(refused, Refused)
        assert "no number" in refused.detail


# ---- Cloudflare Radar: developers.cloudflare.com/api/resources/radar, annotations/outages and traffic_anomalies
def test_cloudflares_annotations_and_anomalies() -> None:
    outage = {
        "id": "550",
        "asns": [],
        "asnsDetails": [],
        "dataSource": "ALL",
        "eventType": "OUTAGE",
        "locations": ["PK", "AF"],
        "outage": {"outageCause": "GOVERNMENT_DIRECTED", "outageType": "NATIONWIDE"},
        "startDate": "2024-01-20T13:45:00Z",
        "endDate": None,
        "linkedUrl": "https://example.org/post",
    }
    anomaly = {
        "uuid": "55a57f33",
        "type": "AS",
        "status": "VERIFIED",
        "startDate": "2024-01-20T13:40:00Z",
        "endDate": "2024-01-20T15:00:00Z",
        "asnDetails": {"asn": "17557", "name": "PKTELECOM", "location": {"code": "PK", "name": "Pakistan"}},
        "visibleInDataSources": ["BGP"],
    }
    answer = {
        "success": True,
        "errors": [],
        "result": {"annotations": [outage], "trafficAnomalies": [anomaly]},
    }
    assert signals(read(cloudflare.read, answer)) == [
        ("outage", "PK", None, 1, "01-20T13:45"),
        ("outage", "AF", None, 1, "01-20T13:45"),
        ("traffic_anomaly", "PK", 17557, 1, "01-20T13:40"),
        ("traffic_anomaly", "PK", 17557, 0, "01-20T15:00"),
    ]
    [refused] = read(cloudflare.read, {"success": False, "errors": [{"code": 10000}]})
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"asns": [17557, 9541]},
            [("outage", "PK", 17557, None), ("outage", "PK", 9541, None)],
        ),
        ({"outage": {"outageType": "REGIONAL"}}, [("outage", "PK", None, "a region")]),
        ({"outage": {"outageType": "REGIONAL"}, "scope": "Sindh"}, [("outage", "PK", None, "Sindh")]),
        ({"outage": None}, [("outage", "PK", None, None)]),
        (
            {
                "locations": ["PK", "AF"],
                "asns": [17557, 55330, 1],
                "asnsDetails": [
                    {"asn": "17557", "name": "a", "locations": {"code": "PK", "name": "Pakistan"}},
                    {"asn": "55330", "name": "b", "location": {"code": "AF", "name": "Afghanistan"}},
                ],
            },
            [("outage", "PK", 17557, None), ("outage", "AF", 55330, None)],
        ),
    ],
)
def test_an_outage_of_networks_or_a_region_is_none_of_the_country(
    changed: dict[str, Any], expected: list[Any]
) -> None:
    row = {"eventType": "OUTAGE", "locations": ["PK"], "asns": [], "startDate": "2024-01-20T13:45:00Z"}
    items = read(cloudflare.read, {"result": {"annotations": [{**row, **changed}]}})
    found = [item for item in items if isinstance(item, Signal)]
    assert [(one.name, one.country, one.asn, one.part) for one in found] == expected


def test_networks_of_an_outage_without_a_country_are_refused_by_number_and_the_others_count() -> None:
    row = {
        "eventType": "OUTAGE",
        "locations": ["PK", "AF"],
        "asns": [17557, 3320, 1],
        "asnsDetails": [
            {"asn": "17557", "location": {"code": "PK", "name": "Pakistan"}},
            {"asn": "3320", "location": {"code": "DE", "name": "Germany"}},
        ],
        "startDate": "2024-01-20T13:45:00Z",
    }
    *placed, refused = read(cloudflare.read, {"result": {"annotations": [row]}})
    assert [one[:3] for one in signals(placed)] == [("outage", "PK", 17557)]
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail) == (
        RefusalReason.NO_PLACE_OR_TIME,
        "no country is told of AS3320, AS1",
    )


@pytest.mark.parametrize("details", [{"asn": "17557"}, {"asn": "17557", "location": None}])
def test_an_anomaly_of_a_network_without_a_country_is_refused(details: dict[str, Any]) -> None:
    row = {"type": "AS", "status": "VERIFIED", "startDate": "2024-01-20T13:45:00Z", "asnDetails": details}
    [refused] = read(cloudflare.read, {"result": {"trafficAnomalies": [row]}})
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NO_PLACE_OR_TIME
    older = {**details, "locations": {"code": "PK", "name": "Pakistan"}}
    [found] = signals(read(cloudflare.read, {"result": {"trafficAnomalies": [{**row, "asnDetails": older}]}}))
    assert found[:3] == ("traffic_anomaly", "PK", 17557)


# ---- Tor Metrics: metrics.torproject.org/stats.html, userstats-relay-country.csv
def test_tors_table() -> None:
    text = b"""#
# The Tor Project
date,country,users,lower,upper,frac
2024-01-20,pk,9321,4000,6000,88
2024-01-20,??,412,,,88
2024-01-21,pk,many,,,88
2024-01-21,ir,80000,,,88
"""
    items = read(tor.read, text)
    assert signals([item for item in items if isinstance(item, Signal)]) == [
        ("users", "PK", None, 9321, "01-20T00:00"),
        ("users", "IR", None, 80000, "01-21T00:00"),
    ]
    first = items[0]
    assert isinstance(first, Signal)
    assert first.usual == 5000
    assert [item.reason for item in items if isinstance(item, Refused)] == [
        RefusalReason.NO_PLACE_OR_TIME,
        RefusalReason.NOT_A_MEASUREMENT,
    ]


def test_tors_users_of_bridges_are_another_series_and_each_transports_too() -> None:
    """One of them would take the place of the other, at the same time, under the same name."""
    table = b"date,country,transport,version,frac,users\n" + b"".join(
        b"2024-01-20,pk,%s,%s,78,%d\n" % row
        for row in ((b"", b"", 40), (b"obfs4", b"", 30), (b"", b"v4", 39))
    )
    found = list(tor.read("file", io.BytesIO(table)))
    assert [(one.name, one.value) for one in found if isinstance(one, Signal)] == [
        ("bridge_users", 40),
        ("bridge_users.obfs4", 30),
        ("bridge_users.v4", 39),
    ]
    [relays] = tor.read("file", io.BytesIO(b"date,country,users,lower,upper,frac\n2024-01-20,pk,9,,,78\n"))
    assert isinstance(relays, Signal)
    assert relays.name == "users"


# ---- RIPE Atlas: atlas.ripe.net/docs/apis/result-format, firmware 5000 and later
def abuf(rcode: int, *addresses: str) -> str:
    reply = dns.message.make_response(dns.message.make_query("x.com", "A"))
    reply.set_rcode(dns.rcode.Rcode(rcode))
    if addresses:
        reply.answer.append(dns.rrset.from_text("x.com.", 60, "IN", "A", *addresses))
    return base64.b64encode(reply.to_wire()).decode()


def atlas(*rows: dict[str, Any]) -> list[Item]:
    probes = ripe_atlas.read_probes(
        json.dumps(
            {
                "objects": [
                    {"id": 1, "country_code": "PK", "asn_v4": 17557, "status_name": "Connected"},
                    {"id": 2, "country_code": "PK", "asn_v4": 9541, "status_name": "Connected"},
                    {"id": 3, "country_code": None},
                ]
            }
        ).encode()
    )
    base = {"fw": 5080, "prb_id": 1, "msm_id": 1001, "timestamp": 1705758000}
    return read(ripe_atlas.AtlasReader(probes).read, [base | row for row in rows])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"type": "dns", "result": {"ANCOUNT": 1, "rt": 12.5, "abuf": abuf(0, "142.250.1.1")}},
            "x PK AS17557 ok",
        ),
        ({"type": "dns", "result": {"rt": 12.5, "abuf": abuf(0, "142.250.1.1")}}, "x PK AS17557 ok"),
        ({"type": "dns", "result": {"abuf": abuf(0)}}, "x PK AS17557 dns.dns_no_answer"),
        ({"type": "dns", "result": {"ANCOUNT": 0, "abuf": abuf(3)}}, "x PK AS17557 dns.dns_nxdomain_error"),
        (
            {"type": "dns", "resultset": [{"error": {"timeout": 5000}}], "query_argument": "x.com"},
            "x PK AS17557 dns.generic_timeout_error",
        ),
        (
            {"type": "sslcert", "dst_name": "x.com", "dst_port": "443", "cert": ["-----BEGIN"], "rt": 80},
            "x PK AS17557 ok",
        ),
        (
            {"type": "sslcert", "dst_name": "x.com", "err": "connect: timeout"},
            "x PK AS17557 tcp.generic_timeout_error",
        ),
        (
            {"type": "sslcert", "dst_name": "x.com", "err": "read: Connection reset by peer"},
            "x PK AS17557 tls.connection_reset",
        ),
        ({"type": "http", "uri": "http://x.com/", "result": [{"res": 200, "rt": 90.1}]}, "x PK AS17557 ok"),
        (
            {"type": "http", "uri": "http://x.com/", "result": [{"err": "connect: Connection refused"}]},
            "x PK AS17557 tcp.connection_refused",
        ),
        (
            {"type": "ping", "dst_name": "x.com", "dst_addr": "192.0.2.1", "sent": 3, "rcvd": 3, "avg": 20},
            "x PK AS17557 ok",
        ),
        (
            {"type": "ping", "dst_name": "x.com", "dst_addr": "192.0.2.1", "sent": 3, "rcvd": 0, "avg": -1},
            "x PK AS17557 tcp.generic_timeout_error",
        ),
        # The resolver of a network that blocks by a private address; and its errors beside a time that ran out.
        ({"type": "dns", "result": {"abuf": abuf(0, "10.10.34.36")}}, "x PK AS17557 dns.dns_bogon_error"),
        (
            {
                "type": "dns",
                "query_argument": "x.com",
                "error": {"senderror": "sendto: Network is unreachable"},
            },
            "x PK AS17557 dns.network_unreachable",
        ),
        (
            {"type": "dns", "query_argument": "x.com", "error": {"TUCONNECT": "connect: Connection refused"}},
            "x PK AS17557 dns.connection_refused",
        ),
        (
            {"type": "dns", "query_argument": "x.com", "error": {"getaddrinfo": "no such name"}},
            "x PK AS17557 dns.dns_temporary_failure",
        ),
        # One address is enough; an answer that breaks off is none, and an IPv6 address is no platform's name.
        (
            {
                "type": "http",
                "uri": "http://x.com/",
                "result": [{"af": 6, "err": "connect: Network is unreachable"}, {"af": 4, "res": 200}],
            },
            "x PK AS17557 ok",
        ),
        (
            {
                "type": "http",
                "uri": "http://x.com/",
                "result": [{"res": 200, "rt": 9.1, "err": "read: Connection reset by peer"}],
            },
            "x PK AS17557 http.connection_reset",
        ),
        (
            {"type": "sslcert", "dst_addr": "2a00:1450::1", "cert": ["-----BEGIN"]},
            "invalid",
        ),
        ({"type": "ping", "dst_addr": "2a00:1450::1", "rcvd": 1, "avg": 3.5}, "invalid"),
        (
            {"type": "ping", "dst_name": "x.com", "dst_addr": "192.0.2.1", "rcvd": 1, "avg": -1},
            "x PK AS17557 ok",
        ),
        (
            {
                "type": "ping",
                "dst_name": "x.com",
                "dst_addr": "192.0.2.1",
                "rcvd": 0,
                "avg": -1,
                "result": [{"error": "sendto failed: Network is unreachable"}] * 3,
            },
            "x PK AS17557 tcp.network_unreachable",
        ),
        (
            {
                "type": "ping",
                "dst_name": "x.com",
                "dst_addr": "192.0.2.1",
                "rcvd": 0,
                "avg": -1,
                "result": [{"error": "sendto failed: Network is unreachable"}, {"x": "*"}],
            },
            "x PK AS17557 tcp.generic_timeout_error",
        ),
        ({"type": "traceroute", "dst_name": "x.com"}, "other_test"),
        ({"type": "ping", "prb_id": 3}, "no_place_or_time"),
        ({"type": "ping"}, "not_a_measurement"),
    ],
)
def test_atlas_results(row: dict[str, Any], expected: str) -> None:
    assert ends(atlas(row)) == [expected]


def test_atlas_probes_that_disconnect() -> None:
    gone = {"type": "connection", "msm_id": 7000, "event": "disconnect", "controller": "ctr-ams01"}
    found = signals(atlas(gone, {**gone, "prb_id": 2}, {**gone, "event": "connect"}))
    assert [(asn, value) for _, _, asn, value, _ in found] == [
        (None, 1),
        (17557, 0),
        (None, 0),
        (9541, 0),
        (None, 1),
        (17557, 1),
    ]


def test_a_change_that_is_read_again_counts_once_and_a_probe_that_is_there_is_no_second_one() -> None:
    """A pull begins each round a quarter of an hour before the last one's end."""
    probes = ripe_atlas.read_probes(
        b'{"objects": [{"id": 1, "country_code": "PK", "asn_v4": 17557, "status_name": "Connected"},'
        b'{"id": 2, "country_code": "PK", "status_name": "Connected"}]}'
    )
    reader = ripe_atlas.AtlasReader(probes)

    def counts(*changes: tuple[int, int, str]) -> list[tuple[int | None, float]]:
        rows = [
            {"type": "connection", "prb_id": probe, "timestamp": 1705758000 + second, "event": event}
            for probe, second, event in changes
        ]
        return [(asn, value) for _, _, asn, value, _ in signals(read(reader.read, rows))]

    gone = (1, 0, "disconnect")
    assert counts(gone) == counts(gone) == [(None, 1), (17557, 0)]
    # That of 2 is connected already.
    assert counts((1, 60, "connect"), (2, 70, "connect")) == [(None, 2), (17557, 1), (None, 2)]
    assert counts(gone, (1, 30, "disconnect"), (2, 80, "disconnect")) == [(None, 1), (17557, 0), (None, 1)]


# ---- Prometheus: prometheus.io/docs/prometheus/latest/querying/api, "Range queries"; metrics of blackbox_exporter 0.23
def blackbox(**facts: float) -> dict[str, Any]:
    labels = {"instance": "https://x.com/robots.txt", "job": "blackbox", "cc": "PK", "isp": "AS17557"}
    result = []
    for name, value in facts.items():
        metric, _, phase = name.partition("__")
        more = {"phase": phase} if phase else {}
        series = {"__name__": f"probe_{metric}", **labels, **more}
        result.append({"metric": series, "values": [[1705758000.781, str(value)]]})
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            {
                "success": 1,
                "http_status_code": 200,
                "duration_seconds": 0.21,
                "http_duration_seconds__resolve": 0.01,
            },
            "ok",
        ),
        ({"success": 0}, "None.None"),
        ({"success": 0, "http_status_code": 451}, "http.http_unexpected_status_code"),
        ({"success": 0, "http_status_code": 200, "failed_due_to_regex": 1}, "http.http_unexpected_body"),
        # A header, a version of HTTP, TLS that should not be there: it does not say which.
        ({"success": 0, "http_status_code": 200}, "http.None"),
        ({"success": 0, "http_status_code": 200, "failed_due_to_cel": 1}, "http.http_unexpected_body"),
        # As blackbox_exporter 0.23 shows a name that is not there; and a port that refuses, which over HTTPS looks
        # like a handshake that was reset (tests/streams/local/test_prometheus.py).
        (
            {
                "success": 0,
                "ip_protocol": 0,
                "dns_lookup_time_seconds": 0.002,
                "http_duration_seconds__resolve": 0.002,
                "http_duration_seconds__connect": 0,
            },
            "dns.None",
        ),
        (
            {
                "success": 0,
                "ip_protocol": 4,
                "dns_lookup_time_seconds": 0.002,
                "http_duration_seconds__resolve": 0.002,
                "http_duration_seconds__connect": 0,
            },
            "None.None",
        ),
        ({"success": 0, "ip_protocol": 0}, "dns.None"),
        ({"success": 0, "dns_lookup_time_seconds": 0, "http_duration_seconds__resolve": 0}, "dns.None"),
        (
            {
                "success": 0,
                "dns_lookup_time_seconds": 0.01,
                "http_duration_seconds__resolve": 0.01,
                "http_duration_seconds__connect": 0,
            },
            "None.None",
        ),
        (
            {
                "success": 0,
                "http_duration_seconds__resolve": 0.01,
                "http_duration_seconds__connect": 0.02,
                "http_duration_seconds__tls": 0,
            },
            "tls.None",
        ),
        # What a redirect led to: the phases are those of the first hop.
        (
            {
                "success": 0,
                "http_redirects": 1,
                "http_duration_seconds__connect": 0.02,
                "http_duration_seconds__tls": 0.02,
                "http_duration_seconds__processing": 0.02,
            },
            "None.None",
        ),
    ],
)
def test_a_running_blackbox_exporter(facts: dict[str, float], expected: str) -> None:
    reader = PrometheusReader(Labels(country="cc", asn="isp", every_seconds=15.0))
    [result] = read(reader.read, blackbox(**facts))
    assert ends([result]) == [f"x PK AS17557 {expected}"]
    assert isinstance(result, ProbeResult)
    assert (result.source, result.every_seconds, result.vantage) == (
        "prometheus",
        15.0,
        "prometheus-PK-AS17557",
    )


@pytest.mark.parametrize("target", ["http://x.com/robots.txt", "x.com/robots.txt"])
def test_a_connect_that_failed_is_told_where_nothing_is_encrypted(target: str) -> None:
    answer = blackbox(success=0, ip_protocol=4, http_duration_seconds__connect=0)
    for series in answer["data"]["result"]:
        series["metric"]["instance"] = target
    reader = PrometheusReader(Labels(country="cc", asn="isp"))
    assert ends(read(reader.read, answer)) == ["x PK AS17557 tcp.None"]


def test_a_prometheus_is_asked_for_its_samples_an_hour_at_a_time() -> None:
    reader = PrometheusReader(Labels(only={"job": 'a "b" \\c', "team": "o'hara"}))
    urls = list(reader.requests("http://p:9090/", 1705758000.0, 1705758000.0 + 2.5 * 3600))
    asked = [dict(parse_qsl(urlsplit(url).query)) for url in urls]
    assert [query["time"] for query in asked] == ["1705761600.0", "1705765200.0", "1705767000.0"]
    assert [query["query"].rpartition("[")[2] for query in asked] == [
        "3600000ms]",
        "3600000ms]",
        "1800000ms]",
    ]
    assert all(',job="a \\"b\\" \\\\c",team="o\'hara"}' in query["query"] for query in asked)


@pytest.mark.parametrize("cloudprober", [None, ""])
def test_half_of_a_stretch_is_asked_for_where_the_whole_is_too_much(cloudprober: str | None) -> None:
    """Both halves together ask for the same, and each counter's reading before its half."""
    reader = PrometheusReader(Labels(cloudprober=cloudprober, only={"job": "x[5m]"}))
    reach = 0.0 if cloudprober is None else 300.0

    def stretch(url: str) -> tuple[float, float]:
        query = dict(parse_qsl(urlsplit(url).query))
        length = float(query["query"].rpartition("[")[2].removesuffix("ms]")) / 1000
        return float(query["time"]) - length, float(query["time"])

    [whole] = reader.requests("http://p:9090/prefix/", 1705758000.0, 1705761600.0)
    assert stretch(whole) == (1705758000.0 - reach, 1705761600.0)
    halves = reader.halves(whole)
    assert [stretch(half) for half in halves] == [
        (1705758000.0 - reach, 1705759800.0),
        (1705759800.0 - reach, 1705761600.0),
    ]
    assert {half.partition("?")[0] for half in halves} == {"http://p:9090/prefix/api/v1/query"}
    parts = [whole]
    for _ in range(12):
        parts = [half for part in parts for half in reader.halves(part)] or parts
    assert {round(end - begin - reach, 3) for begin, end in map(stretch, parts)} == {56.25}


def counters(readings: Mapping[float, tuple[float, float]], **more: str) -> dict[str, Any]:
    """cloudprober's counters as its Prometheus surfacer shows them: `total` and `success`, by time."""
    labels = {"instance": "p:9313", "ptype": "http", "probe": "web", "dst": "x.com", "cc": "PK", **more}
    result = [
        {
            "metric": {"__name__": name, **labels},
            "values": [[time, str(reading[at])] for time, reading in readings.items()],
        }
        for at, name in enumerate(("cp_total", "cp_success"))
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


COUNTS: dict[str, tuple[dict[float, tuple[float, float]], list[tuple[float, int, int]]]] = {
    "the first reading is no result": ({0: (50, 50)}, []),
    "what it grew by": ({0: (50, 50), 15: (53, 52), 30: (53, 52), 45: (54, 53)}, [(15, 3, 2), (45, 1, 1)]),
    "a counter that began anew": ({0: (50, 50), 15: (4, 0), 30: (6, 2)}, [(15, 4, 0), (30, 2, 2)]),
    "a gap says nothing": ({0: (50, 50), 400: (90, 50), 415: (92, 50)}, [(415, 2, 0)]),
    "what is no number says nothing": ({0: (50, 50), 15: (math.nan, 52), 30: (52, 51)}, [(30, 2, 1)]),
}


@pytest.mark.parametrize(("readings", "expected"), COUNTS.values(), ids=COUNTS)
def test_cloudprobers_counters(
    readings: dict[float, tuple[float, float]], expected: list[tuple[float, int, int]]
) -> None:
    begin = 1705758000.0
    reader = PrometheusReader(Labels(cloudprober="cp_", target="dst", country="cc"))
    answer = counters({begin + time: reading for time, reading in readings.items()})
    found = read(reader.read, answer)
    assert all(isinstance(one, ProbeResult) for one in found)
    results = [one for one in found if isinstance(one, ProbeResult)]
    assert [(one.time.timestamp() - begin, one.count, one.good) for one in results] == expected
    assert {(one.platform, one.target, one.method, one.stage) for one in results} <= {
        ("x", "x.com", "cloudprober", None)
    }


def test_two_probes_of_one_target_are_two_results_and_more_good_than_all_is_none() -> None:
    begin, reader = 1705758000.0, PrometheusReader(Labels(cloudprober="cp_", target="dst", country="cc"))
    answer = counters({begin: (1, 1), begin + 15: (2, 2)})
    answer["data"]["result"] += counters({begin: (1, 1), begin + 15: (2, 1)}, probe="api")["data"]["result"]
    assert len({one.id for one in read(reader.read, answer) if isinstance(one, ProbeResult)}) == 2
    [refused] = read(reader.read, counters({begin: (1, 1), begin + 15: (2, 9)}))
    assert isinstance(refused, Refused)


def test_what_is_beside_a_result_and_no_number_costs_no_result() -> None:
    answer = blackbox(success=1, http_status_code=math.nan, duration_seconds=math.inf)
    histogram = {
        "metric": {"__name__": "probe_http_duration_seconds", "cc": "PK"},
        "histograms": [[1705758000, {}]],
    }
    answer["data"]["result"].append(histogram)
    good, refused = sorted(
        read(PrometheusReader(Labels(country="cc", asn="isp")).read, answer),
        key=lambda one: isinstance(one, Refused),
    )
    assert isinstance(good, ProbeResult)
    assert (good.ok, good.status, good.timings_ms) == (True, msgspec.UNSET, None)
    assert isinstance(refused, Refused)
    assert "a series of another shape" in refused.detail


def test_an_answer_in_part_is_read_and_said() -> None:
    answer = blackbox(success=1) | {
        "warnings": ["receive series from Addr: store-2: context deadline exceeded"]
    }
    refused, good = read(PrometheusReader(Labels(country="cc", asn="isp")).read, answer)
    assert isinstance(refused, Refused)
    assert refused.detail.startswith("its own warning: receive series from Addr: store-2")
    assert isinstance(good, ProbeResult)


def test_a_network_without_a_number_is_told() -> None:
    answer = blackbox(success=1)
    answer["data"]["result"][0]["metric"]["isp"] = "Telekom"
    [refused] = read(PrometheusReader(Labels(country="cc", asn="isp")).read, answer)
    assert isinstance(refused, Refused)
    assert refused.detail == "label isp = 'TELEKOM': no network's number, like AS64500"


def test_a_prometheus_without_a_country_is_told_what_to_do() -> None:
    [refused] = read(PrometheusReader().read, blackbox(success=1))
    assert isinstance(refused, Refused)
    assert "constants" in refused.detail
    reader = PrometheusReader(Labels(constants={"country": "PK", "asn": "17557"}))
    assert ends(read(reader.read, blackbox(success=1))) == ["x PK AS17557 ok"]


def test_a_mistake_in_the_labels_is_told(tmp_path: Path) -> None:
    (tmp_path / "labels.toml").write_text("county = 'cc'\n")
    with pytest.raises(LabelError, match="do you mean 'country'"):
        read_labels(tmp_path / "labels.toml")


# ---- tables
RESULTS = """
[columns]
time = "when"
target = "url"
country = "cc"
asn = "as"
ok = "up"
[constants]
stage = "tls"
"""
SUMS = """
every_seconds = 60
[columns]
time = "ts"
good = "ok"
count = "n"
[constants]
platform = "x"
country = "PK"
"""
NUMBERS = """
source = "speedtest"
[columns]
time = "ts"
country = "cc"
value = "mbit"
usual = "usual"
[constants]
name = "download_mbit"
"""


def table(tmp_path: Path, mapping: str, text: bytes) -> list[Item]:
    path = tmp_path / "mapping.toml"
    path.write_text(mapping)
    return read(TableReader(read_mapping(path)).read, text)


def test_a_row_is_one_result(tmp_path: Path) -> None:
    text = b"""when,url,cc,as,up
2024-01-20 13:40,https://x.com/,pk,17557,1
2024-01-20T13:41:00+05:00,https://x.com/,PK,AS9541,down
2024-01-20 13:42,https://x.com/,PK,9541,perhaps
2024-01-20 13:43,https://x.com/,PK
2024-01-20 13:44,https://x.com/,,9541,1
2024-01-20 13:45,https://x.com/,XX,9541,1
"""
    items = table(tmp_path, RESULTS, text)
    assert ends(items) == [
        "x PK AS17557 ok",
        "x PK AS9541 tls.None",
        "invalid",
        "not_a_measurement",
        "no_place_or_time",
        "invalid",
    ]
    assert isinstance(items[1], ProbeResult)
    assert items[1].time == datetime(2024, 1, 20, 8, 41, tzinfo=UTC)


def test_a_row_is_k_of_n(tmp_path: Path) -> None:
    items = table(tmp_path, SUMS, b'{"ts":1705758000,"ok":3,"n":10}\n{"ts":1705758060,"ok":11,"n":10}\n{')
    assert ends(items) == ["x PK AS0 None.None", "invalid", "not_json"]
    assert isinstance(items[0], ProbeResult)
    assert (items[0].good, items[0].count, items[0].every_seconds) == (3, 10, 60)


def test_a_row_is_a_number_and_may_be_parquet(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    sink = io.BytesIO()
    columns = {"ts": [1705758000, 1705758300], "cc": ["PK", "PK"], "mbit": [21.5, 0.2], "usual": [20.0, None]}
    parquet.write_table(pyarrow.table(columns), sink)
    items = table(tmp_path, NUMBERS, sink.getvalue())
    assert signals(items) == [
        ("download_mbit", "PK", None, 21.5, "01-20T13:40"),
        ("download_mbit", "PK", None, 0.2, "01-20T13:45"),
    ]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ('[columns]\ntime = "t"\n', "say which column (or constant) is country"),
        ('[columns]\ntime = "t"\ncountry = "c"\n', "say which column is ok"),
        ('[columns]\ntime = "t"\ncountry = "c"\nvalue = "v"\n', "a number needs a name"),
        ('[columns]\ntime = "t"\ncountry = "c"\nok = "o"\n', "is platform or target"),
        (
            '[columns]\ntime = "t"\ncountry = "c"\nok = "o"\ntarget = "u"\nlatency = "l"\n',
            "latency: no such field",
        ),
    ],
)
def test_a_mapping_that_says_too_little(tmp_path: Path, mapping: str, said: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(mapping)
    with pytest.raises(MappingError) as caught:
        read_mapping(path)
    assert said in str(caught.value)


# ---- files
def packed(text: bytes) -> dict[str, bytes]:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("2024/01.csv")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return {
        "plain": text,
        "gzip": gzip.compress(text),
        "zstd": zstandard.compress(text),
        "lz4": lz4.frame.compress(text),
        "tar.zst": zstandard.compress(tar.getvalue()),
    }


TABLE = b"date,country,users,lower,upper,frac\n2024-01-20,pk,9321,,,88\n"


@pytest.mark.parametrize("kind", packed(TABLE))
def test_packed_files_and_half_ones(kind: str) -> None:
    data = packed(TABLE)[kind]
    assert len(signals(read(tor.read, data))) == 1
    if kind in {"gzip", "tar.zst"}:
        assert isinstance(read(tor.read, data[:-10])[-1], Refused), "the rest is missing"


@pytest.mark.parametrize(
    "reader", [ioda.read, cloudflare.read, PrometheusReader().read, ripe_atlas.AtlasReader({}).read]
)
@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"{}", b"[[[", b'{"data":[1]}', b'"x"', b"\xff\xfe", b"[" * 9000]
)
def test_any_bytes_are_answered(reader: Read, text: bytes) -> None:
    assert not [item for item in read(reader, text) if not isinstance(item, Refused)]


def test_a_run_that_was_cut_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_bytes(TABLE)
    (folder / "b.csv.gz").write_bytes(gzip.compress(TABLE.replace(b"pk", b"ir")))
    state, sink = tmp_path / "state.json", tmp_path / "out.jsonl"
    command = ["tor", str(folder), "--output", str(sink), "--state", str(state), "--json"]

    def run() -> dict[str, Any]:
        outcome = CliRunner().invoke(app, command)
        assert outcome.exit_code == 0, outcome.output
        found: dict[str, Any] = json.loads(outcome.stdout)
        return found

    assert (run()["signals"], len(sink.read_bytes().splitlines())) == (2, 2)
    assert (run()["skipped_files"], len(sink.read_bytes().splitlines())) == (2, 2)
    known = json.loads(state.read_bytes())
    known["inputs"][str(folder / "b.csv.gz")] |= {
        "items": 0,
        "whole": False,
    }  # cut before it was acknowledged
    state.write_text(json.dumps(known))
    assert (run()["signals"], len(sink.read_bytes().splitlines())) == (1, 3)


def test_an_outage_that_ends_before_it_began_is_refused() -> None:
    """As two signals, 0 before 1, it would never be over, and agree with whatever comes."""
    event = {"location": "country/PK", "start": 1705758000, "duration": -50, "datasource": "bgp"}
    [refused] = read(ioda.read, {"data": [event]})
    assert isinstance(refused, Refused)
    assert refused.detail == "it ends at 2024-01-20T13:39:10Z, before it began (2024-01-20T13:40:00Z)"
    note = {"startDate": "2024-01-20T13:40:00Z", "endDate": "2024-01-19T00:00:00", "locations": ["PK"]}
    [refused] = read(cloudflare.read, {"result": {"annotations": [note]}})
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.INVALID
    [refused] = read(cloudflare.read, {"result": {"annotations": [{**note, "startDate": None}]}})
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail) == (RefusalReason.NO_PLACE_OR_TIME, f"time None: {TIME_REMEDY}")


def test_a_series_without_a_step_and_a_table_without_a_head_are_refused() -> None:
    series = {
        "entityType": "country",
        "entityCode": "PK",
        "datasource": "bgp",
        "from": 0,
        "until": 9,
        "step": 0,
    }
    [refused] = read(ioda.read, {"data": [[{**series, "values": [1, 2]}]]})
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.INVALID
    [refused] = read(tor.read, b"2024-01-20,pk,9321\n2024-01-21,pk,9321\n")
    assert isinstance(refused, Refused)
    assert refused.detail.startswith("no column country, date, users")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_a_mean_or_a_gap_of_a_prometheus_is_no_failure(value: float) -> None:
    reader = PrometheusReader(Labels(constants={"country": "PK", "asn": "17557"}))
    document = {
        "metric": {"__name__": "probe_success", "instance": "https://x.com/"},
        "values": [[1705758067, str(value)], [1705758082, "1"]],
    }
    answer = {"status": "success", "data": {"resultType": "matrix", "result": [document]}}
    refused, good = read(reader.read, answer)
    assert isinstance(refused, Refused)
    assert refused.detail.endswith("neither 0 nor 1; ask for the samples as they were scraped")
    assert not isinstance(good, Refused)


def test_a_signal_of_before_its_later_fields_is_read_and_one_of_after_refused_where_they_are_wrong() -> None:
    before = (
        b'{"schema":"netdusk.signal/1","source":"ioda","country":"PK","time":"2024-01-20T13:40:00Z",'
        b'"name":"bgp","value":3}'
    )
    signal = decode_signal(before)
    assert isinstance(signal, Signal)
    assert (signal.part, signal.vantages) == (None, None)
    for field in (b'"part":""', b'"part":"a\\u202eb"', b'"vantages":7'):
        assert not isinstance(decode_signal(before[:-1] + b"," + field + b"}"), Signal)


def test_a_country_in_small_letters_is_read_in_a_label_too() -> None:
    answer = blackbox(success=1)
    for series in answer["data"]["result"]:
        series["metric"]["cc"] = "pk"
    reader = PrometheusReader(Labels(country="cc", asn="isp"))
    [item] = read(reader.read, answer)
    assert isinstance(item, ProbeResult)
    assert item.country == "PK"


def test_a_number_may_say_its_part_and_its_vantages_and_a_region_be_without_its_country(
    tmp_path: Path,
) -> None:
    mapping = (
        '[columns]\ntime = "t"\ncountry = "cc"\nregion = "sub"\nvalue = "v"\npart = "town"\n'
        '[constants]\nname = "download"\nvantages = "our-probes"\n'
    )
    text = b"t,cc,sub,town,v\n2024-01-20,pk,PB,,3\n2024-01-20,pk,PK-SD,,4\n2024-01-20,pk,,Lahore,5\n"
    found = [item for item in table(tmp_path, mapping, text) if isinstance(item, Signal)]
    assert [(one.region, one.part, one.vantages) for one in found] == [
        ("PK-PB", None, "our-probes"),
        ("PK-SD", None, "our-probes"),
        (None, "Lahore", "our-probes"),
    ]
