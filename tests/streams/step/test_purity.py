"""Nothing that is kept or told depends on how the log was cut, on what reads it, or on whether it was read back."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.machine import Chunk
from streams.settings import LimitSettings, Settings, WorkerSettings
from streams.step.country import CountryMachine
from streams.step.rows import RowReader
from tests.effort import examples

START = datetime(2025, 6, 2, 23, 40, tzinfo=UTC)
SETTINGS = Settings(
    worker=WorkerSettings(clock="replay"),
    limits=LimitSettings(
        platforms=2, networks=3, vantages=5, regions=2, series=5, monitors=8, targets=2, forget_days=2
    ),
)
Told = tuple[bytes, list[bytes], list[bytes]]


def written(record: dict[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def moment(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def result(draw: random.Random, now: int) -> bytes:
    """One result at about that time: of known and new monitors, good ones and such as are refused."""
    ok = draw.random() < 0.5
    record: dict[str, object] = {
        "schema": "netdusk.probe/1",
        "id": f"{draw.choice('abc')}{now // 90}",
        "time": moment(now + draw.choice([-40, -20, -1, 0, 5, 31])),
        "platform": draw.choice(["x", "x", "wiki", "late-comer"]),
        "country": draw.choice(["PK", "PK", "TV"]),
        "asn": draw.choice([1, 1, 2, 3, 4]),
        "vantage": draw.choice(["v1", "v1", "v2", "v3", "w"]),
        "ok": ok,
    }
    if not ok:
        record |= {"stage": "tls", "failure": "connection_reset", "control_ok": True}
    odd = draw.randrange(12)
    extra: dict[int, dict[str, object]] = {
        0: {"region": ""},
        1: {"region": f"{record['country']}-PB"},
        2: {"target": f"https://x.example/{draw.randrange(5)}"},
        3: {"count": 7, "good": 7 if ok else 3, "every_seconds": 60},
        4: {"platform": "No Such"},
        5: {"new": {"a": 1}},
    }
    value = written(record | extra.get(odd, {}))
    return value[:-1] + b',"ok":true}' if odd == 6 else value


def story(seed: int) -> list[bytes]:
    """A log of some hours, with ticks, statuses and what is no record."""
    draw = random.Random(seed)
    log: list[bytes] = []
    now = 0
    for _ in range(draw.randrange(1, 60)):
        now += draw.choice([0, 0, 0, 0, 0, 1, 1, 5, 5, 30, 30, 90, 90, 600, 200_000])
        kind = draw.randrange(10)
        if kind < 3:
            log.append(written({"schema": "netdusk.tick/1", "time": moment(now)}))
        elif kind == 3:
            log.append(draw.choice([b"{", b"", b"null", b"\xff", b'{"schema":"netdusk.tick/1"}']))
        elif kind == 4:
            status = {"vantage": "v1", "country": "PK", "asn": 1, "time": moment(now), "status": "up"}
            log.append(written({"schema": "netdusk.vantage-status/1", **status}))
        else:
            log.append(result(draw, now))
    return log


def run(log: list[bytes], cuts: list[int], *, scan: bool = True) -> Told:
    """Take the log in, cut there; returns the state, what was told, and what was refused."""
    machine = CountryMachine(SETTINGS)
    if not scan:
        machine._monitors.reader = RowReader(scan=False)
    alerts: list[bytes] = []
    refused: list[bytes] = []
    for first, last in pairwise([0, *cuts, len(log)]):
        part = log[first:last]
        if not part:
            continue
        rows = machine.read(Chunk("t", 0, range(first, last), part, None))
        outbox = machine.apply(rows)
        alerts += [message.value for message in outbox.after]
        refused += [message.value for message in outbox.before]
    return machine.snapshot(), alerts, refused


def redone(log: list[bytes], cuts: list[int]) -> bytes:
    """The state of a machine that takes in the redo log of another, and is restored half way."""
    machine, other = CountryMachine(SETTINGS), CountryMachine(SETTINGS)
    for first, last in pairwise([0, *cuts, len(log)]):
        if first == last:
            continue
        rows = machine.read(Chunk("t", 0, range(first, last), log[first:last], None))
        other.apply(other.decode_batch(rows.encode()))
        machine.apply(rows)
        kept = other.snapshot()
        other = CountryMachine(SETTINGS)
        other.restore(kept)
    return other.snapshot()


@examples(4)
@given(st.integers(0, 10**9), st.data())
def test_cuts_change_nothing(seed: int, data: st.DataObject) -> None:
    log = story(seed)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=8)))
    whole = run(log, [])
    assert run(log, cuts) == whole
    assert run(log, list(range(len(log)))) == whole
    assert run(log, cuts, scan=False) == whole
    assert redone(log, cuts) == whole[0]
