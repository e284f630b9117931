"""The time of a file: one wrong clock moves nothing, and a jump that all make is followed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from producers.records import Decoded, ProbeResult, Tick, VantagePresence, VantageStatus, decode, encode
from streams.records import Incident
from streams.settings import load
from streams.step.backtest import Backtest
from streams.step.ticks import lines_with_ticks, with_ticks

START = datetime(2024, 3, 1, tzinfo=UTC)
SETTINGS = load()
SPANS = {
    "minutes": timedelta(minutes=5),
    "an hour": timedelta(hours=1),
    "a day": timedelta(days=1),
    "years": timedelta(days=1500),
}


def row(seconds: float, vantage: str, ident: object, off: timedelta = timedelta(0)) -> ProbeResult:
    return ProbeResult(
        id=str(ident),
        time=START + timedelta(seconds=seconds) + off,
        platform="x",
        country="PK",
        asn=64500 + int(vantage[1:]),
        vantage=vantage,
        ok=True,
        simulated=True,
    )


def hours(count: float, *, vantages: int = 5, wrong: dict[int, timedelta] | None = None) -> list[ProbeResult]:
    """A result a vantage and minute, a minute's in any order; `wrong` are clocks by the place of their results."""
    chance = random.Random(7)
    rows = []
    for minute in range(int(count * 60)):
        for v in range(vantages):
            off = (wrong or {}).get(len(rows), timedelta(0))
            rows.append(row(minute * 60 + chance.random() * 59, f"v{v}", len(rows), off))
    return rows


def run(rows: Sequence[ProbeResult]) -> tuple[Backtest, list[Incident]]:
    test = Backtest(SETTINGS)
    return test, list(test.run(encode(one) for one in rows))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
@pytest.mark.parametrize("place", [0, 75])
def test_one_wrong_clock_is_refused_and_moves_nothing(span: timedelta, sign: int, place: int) -> None:
    test, incidents = run(hours(0.5, wrong={place: sign * span}))
    assert not incidents
    assert test.span_seconds <= 1800 + 120 or (sign < 0 and place == 0)
    totals = test.machine.totals
    # The first result of a file that is far behind is the time before a jump, and does no harm.
    assert totals.applied >= 140
    assert sign < 0 or totals.rejected == 1


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_a_vantage_whose_clock_is_always_wrong_is_refused(span: timedelta, sign: int) -> None:
    wrong = dict.fromkeys(range(0, 150, 5), sign * span)
    test, incidents = run(hours(0.5, wrong=wrong))
    assert not incidents
    totals = test.machine.totals
    assert totals.applied >= 110
    assert totals.rejected + totals.late >= 25


@pytest.mark.parametrize("behind", [45, 75, 100, 119])
def test_two_of_five_vantages_that_date_back_hold_nobody_elses_results_up(behind: int) -> None:
    chance = random.Random(3)
    rows = []
    for minute in range(60):
        for v in range(5):
            times = (chance.random() * 59,) * (3 if v < 2 else 1)
            for at in times:
                off = timedelta(seconds=-behind) if v < 2 and minute >= 10 else timedelta(0)
                rows.append((minute * 60 + at, row(minute * 60 + at, f"v{v}", len(rows), off)))
    test, incidents = run([one for _, one in sorted(rows, key=lambda pair: pair[0])])
    assert not incidents
    totals = test.machine.totals
    assert totals.rejected <= 9  # of the 180 of those whose clock is right
    assert totals.applied >= 60 * 3 + 2 * 3 * 10 - 9


def test_a_jump_that_all_make_is_followed() -> None:
    rows = [row(i * 40, f"v{i % 4}", i) for i in range(12)]
    rows += [row(480 * 86_400 + i * 40, f"v{i % 4}", 100 + i) for i in range(12)]
    test, incidents = run(rows)
    assert test.machine.totals.applied == 24
    assert not incidents


@pytest.mark.parametrize(("gap", "many"), [(600, 26), (3600, 26), (30 * 86_400, 4)])
def test_seldom_results_are_each_taken(gap: int, many: int) -> None:
    test, _ = run([row(i * gap, f"v{i % 3}", i) for i in range(many)])
    assert test.machine.totals.applied == many


@pytest.mark.world
def test_one_vantage_alone_is_its_own_clock() -> None:
    rows = [row(i * 60, "v1", i, timedelta(hours=1) if i == 300 else timedelta(0)) for i in range(400)]
    test, incidents = run(rows)
    assert (test.machine.totals.applied, test.machine.totals.rejected) == (399, 1)
    assert not incidents


def test_ticks_never_run_back_and_the_last_window_is_closed() -> None:
    records: list[Decoded] = list(with_ticks(iter(hours(1)), SETTINGS.time))
    ticks = [record.time for record in records if isinstance(record, Tick)]
    assert ticks == sorted(ticks)
    assert ticks[-1] >= START + timedelta(hours=1, seconds=30)


@pytest.mark.parametrize("step", [0.05, 1, 40, 900])
def test_lines_have_the_ticks_of_their_records(step: float) -> None:
    chance = random.Random(int(step * 20))
    clocks = [timedelta(0)] * 30 + [timedelta(hours=3), -timedelta(days=2)]
    rows = [
        row(i * step + chance.randrange(9), f"v{chance.randrange(6)}", i, chance.choice(clocks))
        for i in range(1200)
    ]
    lines = [encode(one) for one in rows]
    lines[700:700] = lines[999:999] = [b"no record", encode(Tick(time=START))]
    ticked = list(with_ticks(iter(rows), SETTINGS.time))
    assert len(ticked) > len(rows)
    assert list(lines_with_ticks(iter([encode(one) for one in rows]), SETTINGS.time)) == [
        encode(record)  # type: ignore[arg-type]
        for record in ticked
    ]
    decoded = list(with_ticks(map(decode, lines), SETTINGS.time))
    assert [decode(line) for line in lines_with_ticks(iter(lines), SETTINGS.time)] == decoded


def test_a_piece_may_have_many_known_vantages_and_a_new_one() -> None:
    start = datetime(2024, 1, 20, tzinfo=UTC)

    def line(i: int, vantage: int) -> bytes:
        return encode(
            ProbeResult(
                id=str(i), time=start + timedelta(seconds=i), platform="x", country="PK", asn=17557,
                vantage=f"v{vantage}", ok=True,
            )
        )  # fmt: skip

    lines = [line(i, i % 60 if i != 1500 else 60) for i in range(2000)]
    assert [one for one in lines_with_ticks(iter(lines), load().time) if b"tick" not in one] == lines


def test_what_is_said_ahead_of_the_first_result_comes_after_the_first_tick() -> None:
    up = VantageStatus(
        vantage="v0", country="PK", asn=64500, time=START, status=VantagePresence.UP, every_seconds=300.0
    )
    records: list[Decoded] = [up, up, *hours(0.1)]
    ticked = list(with_ticks(iter(records), SETTINGS.time))
    assert [type(one) for one in ticked[:3]] == [Tick, VantageStatus, VantageStatus]
    assert [one for one in ticked if not isinstance(one, Tick)] == records
    lines = list(lines_with_ticks((encode(one) for one in records), SETTINGS.time))
    assert [decode(line) for line in lines] == ticked
    assert list(with_ticks(iter([up]), SETTINGS.time)) == [up]
    test = Backtest(SETTINGS)
    assert not list(test.run(encode(one) for one in records))
    assert test.machine.totals.rejected == 0
