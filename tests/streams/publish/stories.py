"""Incidents and the results around them, made small: what a report is built from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from producers.failures import Failure, Stage
from producers.records import ProbeResult
from streams.records import (
    CalendarEvent,
    Detector,
    Evidence,
    Incident,
    Kind,
    Mechanism,
    Network,
    Reachability,
    Scope,
    Severity,
    Status,
)

ONSET = datetime(2024, 3, 2, 13, 40, tzinfo=UTC)
END = ONSET + timedelta(hours=4)
ASNS = (64501, 64502, 64503)
ID = "pk-00112233445566aa"
EVENT = CalendarEvent(
    id="rally",
    country="PK",
    title="A rally",
    start=ONSET + timedelta(hours=1),
    end=ONSET + timedelta(hours=3),
    source="https://news.example/rally",
)


def minutes(start: datetime, end: datetime, step: int = 1) -> Iterator[datetime]:
    while start < end:
        yield start
        start += timedelta(minutes=step)


def result(time: datetime, ok: bool, **more: Any) -> ProbeResult:
    fields: dict[str, Any] = {
        "id": f"{time:%d%H%M%S}-{more.get('platform', 'x')}-{more.get('asn', 0)}-{more.get('vantage', 'v')}",
        "time": time,
        "platform": "x",
        "country": "PK",
        "asn": ASNS[0],
        "vantage": "v",
        "ok": ok,
        "stage": None if ok else Stage.TLS,
        "failure": None if ok else Failure.CONNECTION_RESET,
    }
    return ProbeResult(**fields | more)


def results(
    is_ok: Callable[[datetime, str, int], bool] | None = None,
    *,
    platforms: tuple[str, ...] = ("x", "youtube", "google"),
    asns: tuple[int, ...] = ASNS,
    start: datetime = ONSET - timedelta(hours=3),
    end: datetime = END + timedelta(hours=2),
    **more: Any,
) -> Iterator[ProbeResult]:
    """One result a minute, platform and network; by default x and youtube are gone while the incident lasts."""
    ok = is_ok or (lambda time, platform, _: platform == "google" or not ONSET <= time < END)
    for time in minutes(start, end):
        for platform in platforms:
            for asn in asns:
                yield result(time, ok(time, platform, asn), platform=platform, asn=asn, **more)


def incident(**more: Any) -> Incident:
    fields: dict[str, Any] = {
        "id": ID,
        "seq": 1,
        "status": Status.OPEN,
        "kind": Kind.PLATFORM,
        "scope": Scope.NATION_SCALE,
        "severity": Severity.CRITICAL,
        "country": "PK",
        "platforms": ("x", "youtube"),
        "networks": tuple(
            Network(asn=asn, name=f"Carrier {i}", lost=0.9, onset=ONSET + timedelta(minutes=i))
            for i, asn in enumerate(ASNS)
        ),
        "onset": ONSET,
        "detected": ONSET + timedelta(minutes=4),
        "updated": ONSET + timedelta(minutes=4),
        "duration_seconds": 240,
        "reachability": Reachability(now=0.1, usual=0.98),
        "mechanism": Mechanism(
            name="tls.connection_reset", share=0.8, by_network={f"AS{ASNS[1]}": "dns.dns_nxdomain_error"}
        ),
        "evidence": (
            Evidence(
                name="onset_spread",
                value=120.0,
                unit="s",
                n=3,
                text="3 networks began to lose within 120 s of each other",
                fits=("a fault of the platform", "filtering by order"),
            ),
            Evidence(
                name="selectivity",
                value=1.0,
                unit="ratio",
                n=3,
                text="3 of 3 series of other platforms on the same networks were well meanwhile",
            ),
            Evidence(
                name="calendar",
                value=3600.0,
                unit="s",
                n=1,
                text="began 60 min before A rally",
                source="https://news.example/rally",
                fits=("filtering by order",),
            ),
        ),
        "coincides": ("rally",),
        "confirmed": True,
        "vantages": 5,
        "networks_live": 3,
        "measurements": 1234,
        "reason": "opened",
        "detector": Detector(name="netdusk", version="1", settings="0a1b2c3d4e5f"),
        "summary": "Live metrics show X (Twitter) and YouTube restricted across Pakistan since 13:40 UTC.",
    }
    return Incident(**fields | more)


def story(**more: Any) -> list[Incident]:
    """An incident that opens, grows and is over."""
    back = {
        "networks": tuple(
            Network(asn=asn, name=f"Carrier {i}", lost=0.95, onset=ONSET, recovered=END)
            for i, asn in enumerate(ASNS)
        ),
        "reachability": Reachability(now=0.97, usual=0.98),
        "status": Status.RESOLVED,
        "resolved": END,
        "updated": END + timedelta(minutes=6),
        "duration_seconds": int((END - ONSET).total_seconds()),
        "reason": "recovered everywhere",
        "summary": "Live metrics show that access to X (Twitter) and YouTube is fully restored across Pakistan.",
    }
    return [
        incident(**more),
        incident(
            **{"seq": 2, "status": Status.UPDATED, "updated": ONSET + timedelta(minutes=9)}
            | {
                "reachability": Reachability(now=0.04, usual=0.98),
                "duration_seconds": 540,
                "reason": "one more",
            }
            | more
        ),
        incident(**{"seq": 3} | back | more),
    ]
