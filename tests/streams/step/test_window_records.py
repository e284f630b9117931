"""What the windows topic is told: every result once, cell by cell, and the same bytes however the log is cut."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Tick, Timings, encode
from streams.machine import Chunk
from streams.records import Window, decode
from streams.settings import load
from streams.step.country import CountryMachine

START = datetime(2024, 1, 20, 12, 0, tzinfo=UTC)
REPLAY = load(worker={"clock": "replay"})


def result(at: float, ident: str, failure: Failure | None = None, **fields: object) -> ProbeResult:
    given: dict[str, object] = {
        "platform": "x",
        "country": "PK",
        "asn": 17557,
        "region": "PK-PB",
        "vantage": "pk-1",
        "simulated": False,
    }
    return ProbeResult(
        id=ident,
        time=START + timedelta(seconds=at),
        ok=failure is None,
        stage=None if failure is None else Stage.TLS,
        failure=failure,
        timings_ms=Timings(ttfb=80.0 if failure is None else None),
        **(given | fields),  # type: ignore[arg-type]  # of many kinds
    )


MINUTE = [
    result(1, "a"),
    result(2, "b", Failure.CONNECTION_RESET),
    result(3, "c", Failure.CONNECTION_RESET),
    result(4, "d", Failure.EOF_ERROR),
    result(4, "d", Failure.EOF_ERROR),
    result(5, "e", region=None),
    result(6, "f", platform="facebook", asn=9541),
    result(7, "g", country="IR", region=None),
    result(8, "h", simulated=True, vantage="made"),
]


def windows(records: Sequence[ProbeResult | Tick], step: int) -> list[bytes]:
    machine = CountryMachine(REPLAY)
    values = [encode(record) for record in (Tick(time=START), *records)]
    told = []
    for first in range(0, len(values), step):
        part = values[first : first + step]
        outbox = machine.apply(machine.read(Chunk("probes", 0, range(first, first + len(part)), part)))
        told += [message for message in outbox.after if message.topic == "windows"]
    assert {message.key for message in told} <= {b"PK", b"IR"}
    return [message.value for message in told]


def test_every_result_is_counted_once_in_its_cell() -> None:
    told = [decode(value) for value in windows([*MINUTE, Tick(time=START + timedelta(seconds=95))], 100)]
    names = [(one.country, one.start, one.simulated) for one in told if isinstance(one, Window)]
    assert names == [("IR", START, False), ("PK", START, False), ("PK", START, True)]
    real = told[1]
    assert isinstance(real, Window)
    columns = (real.platform, real.region, real.asn, real.n, real.k, real.ttfb_ms, real.failure)
    assert list(zip(*columns, strict=True)) == [
        ("facebook", "PK-PB", 9541, 1, 1, 80, ""),
        ("x", "", 17557, 1, 1, 80, ""),
        ("x", "PK-PB", 17557, 4, 1, 80, "tls.connection_reset"),
    ]
    assert real.expected == [None, None, None], "nothing is usual in the first minute"
    assert (real.networks_live, real.vantages) == (2, 2)


def test_the_same_name_is_the_same_bytes_however_the_log_is_cut() -> None:
    later = [result(60 + i, f"l{i}", asn=9541 + i % 3) for i in range(40)]
    log = [
        *MINUTE,
        Tick(time=START + timedelta(seconds=70)),
        *later,
        Tick(time=START + timedelta(seconds=200)),
    ]
    whole = windows(log, 1000)
    assert len(whole) == len(set(whole)) > 3
    assert all(windows(log, step) == whole for step in (1, 7))


def test_a_watched_country_from_which_nothing_comes_is_told_with_empty_columns() -> None:
    log: list[ProbeResult | Tick] = []
    for minute in range(20):
        log += [result(60 * minute, f"{minute}"), Tick(time=START + timedelta(seconds=60 * minute + 40))]
    told = [decode(one) for one in windows([*log, Tick(time=START + timedelta(minutes=23))], 100)]
    silent = told[20]
    assert isinstance(silent, Window)
    assert (silent.start, silent.platform, silent.networks_live) == (START + timedelta(minutes=20), [], 1)


def test_it_can_be_switched_off() -> None:
    machine = CountryMachine(load(worker={"clock": "replay", "windows": False}))
    values = [encode(one) for one in (Tick(time=START), *MINUTE, Tick(time=START + timedelta(seconds=95)))]
    outbox = machine.apply(machine.read(Chunk("probes", 0, range(len(values)), values)))
    assert not [message for message in outbox.after if message.topic == "windows"]


def test_columns_of_unequal_length_are_no_window() -> None:
    with pytest.raises(msgspec.ValidationError, match="one length"):
        decode(
            b'{"schema":"netdusk.window/1","country":"PK","start":"2024-01-20T12:00:00Z",'
            b'"end":"2024-01-20T12:01:00Z","platform":["x"]}'
        )
