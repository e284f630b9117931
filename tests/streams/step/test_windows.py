"""A row that stands for several results decides as these results would, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Tick
from streams.settings import Settings, WorkerSettings
from streams.step.country import CountryMachine

START = datetime(2025, 6, 2, tzinfo=UTC)
SETTINGS = Settings(worker=WorkerSettings(clock="replay"))


def result(minute: int, asn: int, number: int, ok: bool) -> ProbeResult:
    return ProbeResult(
        id=f"{minute}-{asn}-{number}",
        time=START + timedelta(minutes=minute, seconds=number),
        platform="x",
        country="PK",
        asn=asn,
        vantage=f"v{asn}",
        ok=ok,
        stage=None if ok else Stage.TLS,
        failure=None if ok else Failure.CONNECTION_RESET,
        control_ok=True,
    )


def run(*, summed: bool) -> tuple[list[object], list[object], object]:
    machine = CountryMachine(SETTINGS)
    told: list[object] = []
    windows: list[object] = []
    for minute in range(180):
        records: list[ProbeResult | Tick] = [Tick(time=START + timedelta(minutes=minute))]
        for asn in (1, 2, 3):
            good = 3 if minute >= 120 else 10
            if summed:
                whole = result(minute, asn, 0, good == 10)
                records.append(msgspec.structs.replace(whole, count=10, good=good))
            else:
                records += [result(minute, asn, number, number < good) for number in range(10)]
        outbox = machine.apply(machine.read_decoded(records))
        told += [msgspec.structs.replace(incident, id="") for incident in outbox.incidents]
        windows += [(int(reading.health.n.sum()), int(reading.health.k.sum())) for reading in machine.closed]
    return told, windows, machine.take_probes()


@pytest.mark.world
def test_a_row_that_sums_up_counts_as_its_results() -> None:
    told, windows, probes = run(summed=False)
    assert told
    assert run(summed=True) == (told, windows, probes)
