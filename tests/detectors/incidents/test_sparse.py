"""A few results an hour, as volunteers send them: nights are quiet, silence is told, four failures in a row count."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from producers.failures import Failure, Stage
from producers.records import ProbeResult, Tick, encode
from streams.records import Incident, Kind, Status
from streams.settings import load
from streams.step.backtest import Backtest

pytestmark = pytest.mark.world

START = datetime(2024, 3, 1, tzinfo=UTC)
SILENT = START + timedelta(days=1, hours=17)
BLOCKED = START + timedelta(days=2, hours=7)
END = BLOCKED + timedelta(hours=4)
NETWORKS = ((64496, ("v1", "v2", "v3")), (64497, ("v4", "v5")), (64498, ("v6",)))


def volunteers(seed: int, an_hour: float) -> list[ProbeResult]:
    """Some days of them: fewer by night; then a silence of fourteen hours, and a block when they are back."""
    dice = random.Random(seed)
    results = []
    time = START
    while time < END:
        night = time.hour >= 21 or time.hour < 3
        time += timedelta(hours=dice.expovariate(an_hour * (0.15 if night else 1.2)))
        if SILENT <= time < BLOCKED:
            continue
        asn, vantages = dice.choices(NETWORKS, (5, 3, 2))[0]
        ok = dice.random() < (0.93 if time < BLOCKED else 0.08)
        result = ProbeResult(
            id=f"{seed}-{len(results)}",
            time=time,
            platform="signal",
            country="IR",
            asn=asn,
            vantage=dice.choice(vantages),
            ok=ok,
            stage=None if ok else Stage.TLS,
            failure=None if ok else Failure.GENERIC_TIMEOUT_ERROR,
            simulated=True,
        )
        results.append(result)
    return results


def told(results: list[ProbeResult]) -> list[Incident]:
    return list(Backtest(load()).run(encode(result) for result in results))


@pytest.mark.parametrize("seed", [21])
def test_silence_and_block_are_told_and_a_quiet_night_ends(seed: int) -> None:
    results = volunteers(seed, 5.0)
    snapshots = told(results)
    first_blocked = next(result.time for result in results if result.time >= BLOCKED)
    blocked = [s for s in snapshots if s.kind is Kind.PLATFORM and s.updated >= BLOCKED]
    assert blocked
    assert blocked[0].updated - first_blocked < timedelta(hours=3)
    assert blocked[-1].reachability.now < 0.3
    silent = [s for s in snapshots if s.kind is Kind.CONNECTIVITY and SILENT <= s.detected < BLOCKED]
    assert silent
    assert silent[0].detected - SILENT < timedelta(hours=6)
    dark = {s.id: s.status for s in snapshots if s.kind is Kind.CONNECTIVITY}
    assert set(dark.values()) == {Status.RESOLVED}
    assert len(dark) <= 3  # the nights before, until they are a habit, and the silence


@pytest.mark.parametrize("seed", [22])
def test_the_first_night_of_a_few_results_an_hour_is_no_shutdown(seed: int) -> None:
    """Nobody knows yet when they sleep; a silence that begins after the first day is told within hours."""
    results = [result for result in volunteers(seed, 5.0) if result.time < SILENT + timedelta(hours=14)]
    clock = Tick(time=SILENT + timedelta(hours=7))
    lines = [*map(encode, results), encode(clock)]
    silent = [s for s in Backtest(load()).run(lines, ticks=False) if s.kind is Kind.CONNECTIVITY]
    assert silent
    assert timedelta(hours=1) < silent[0].detected - SILENT < timedelta(hours=7)
