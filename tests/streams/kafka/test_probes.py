"""Results go to their country's partition, keyed by it; a tick goes to every partition, in its place."""

from __future__ import annotations

from datetime import UTC, datetime

from producers.partitions import partition_of
from producers.records import ProbeResult, Tick, decode
from streams.kafka.probes import outgoing

START = datetime(2024, 1, 20, 13, 0, tzinfo=UTC)


def result(country: str) -> ProbeResult:
    return ProbeResult(
        id=country, time=START, platform="x", country=country, asn=1, vantage=f"{country}-1", ok=True
    )


def test_results_and_ticks_in_their_order() -> None:
    sent = list(outgoing([result("PK"), Tick(time=START), result("UG")], 3))
    places = [(key, partition) for key, _, partition in sent]
    assert places == [
        (b"PK", partition_of("PK", 3)),
        (None, 0),
        (None, 1),
        (None, 2),
        (b"UG", partition_of("UG", 3)),
    ]
    assert [type(decode(value)).__name__ for _, value, _ in sent] == [
        "ProbeResult",
        *["Tick"] * 3,
        "ProbeResult",
    ]
