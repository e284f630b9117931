"""Builds OONI Web Connectivity measurements, event by event, in the shape of the published data formats."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

SITE = "203.0.114.10"  # addresses of nobody in particular, but of the public kind
LIAR = "203.0.114.66"
PAGE = "<html><head><title>The page</title></head><body>" + "word " * 300 + "</body></html>"
BLOCK = "<html><head><title>Not here</title></head><body>no</body></html>"


class Measurement:
    """One measurement that grows by its events; `tagged` as version 0.5 does, else as 0.4."""

    def __init__(self, url: str = "https://www.example.com/", *, tagged: bool = True) -> None:
        self.url = url
        self.tagged = tagged
        self.keys: Json = {
            "queries": [],
            "tcp_connect": [],
            "tls_handshakes": [],
            "requests": [],
            "network_events": None,
            "control": None,
            "control_failure": None,
            "blocking": None,
            "accessible": None,
        }
        self.depth = 0

    # what the probe did

    def lookup(
        self, *addresses: str, failure: str | None = None, host: str = "www.example.com", **more: Any
    ) -> Measurement:
        answers = [{"answer_type": "A", "ipv4": address} for address in addresses] or None
        self.keys["queries"].append(
            {"engine": "getaddrinfo", "hostname": host, "failure": failure, "answers": answers}
            | self._event(more)
        )
        return self

    def connect(
        self, address: str = SITE, port: int = 443, failure: str | None = None, **more: Any
    ) -> Measurement:
        status = {"failure": failure, "success": failure is None}
        self.keys["tcp_connect"].append({"ip": address, "port": port, "status": status} | self._event(more))
        return self

    def handshake(
        self, failure: str | None = None, address: str = SITE, host: str = "www.example.com", **more: Any
    ) -> Measurement:
        self.keys["tls_handshakes"].append(
            {"address": f"{address}:443", "server_name": host, "failure": failure, "no_tls_verify": False}
            | self._event(more)
        )
        return self

    def request(
        self,
        code: int = 200,
        body: Any = PAGE,
        failure: str | None = None,
        url: str | None = None,
        truncated: bool = False,
        **more: Any,
    ) -> Measurement:
        response = {"code": code, "body": body, "body_is_truncated": truncated, "headers": {}}
        self.keys["requests"].insert(  # the newest first
            0,
            {"failure": failure, "request": {"url": url or self.url}, "response": response}
            | self._event(more),
        )
        return self

    def redirected(self) -> Measurement:
        self.depth += 1
        return self

    # what the test helper saw

    def control(
        self,
        code: int = 200,
        body: str = PAGE,
        title: str = "The page",
        failure: str | None = None,
        addresses: tuple[str, ...] = (SITE,),
        dns_failure: str | None = None,
    ) -> Measurement:
        up = failure is None
        self.keys["control"] = {
            "http_request": {
                "failure": failure,
                "status_code": code if up else -1,
                "body_length": len(body) if up else -1,
                "title": title if up else "",
            },
            "dns": {"failure": dns_failure, "addrs": list(addresses)},
            "tcp_connect": {},
        }
        return self

    def matches(self, **keys: bool | None) -> Measurement:
        self.keys |= keys
        return self

    def document(self, **head: Any) -> Json:
        return {
            "test_name": "web_connectivity",
            "test_version": "0.5.28" if self.tagged else "0.4.3",
            "input": self.url,
            "probe_cc": "PK",
            "probe_asn": "AS17557",
            "measurement_start_time": "2024-01-20 13:41:07",
            "report_id": "",
            "test_keys": self.keys,
        } | head

    def json(self, **head: Any) -> bytes:
        return json.dumps(self.document(**head)).encode()

    def _event(self, more: Json) -> Json:
        tags: list[str] = []
        if self.tagged:
            classic = more.pop("classic", True)
            tags = (["classic"] if classic else []) + [f"depth={self.depth}"]
            tags.append(f"fetch_body={'true' if more.pop('fetch_body', True) else 'false'}")
        return {"tags": tags, "t0": 0.0, "t": 0.0} | more


def reached(url: str = "https://www.example.com/", **more: Any) -> Measurement:
    """A page that came as it should."""
    m = Measurement(url, **more).lookup(SITE).connect(port=443 if url.startswith("https") else 80)
    if url.startswith("https"):
        m.handshake()
    return m.request().control()
