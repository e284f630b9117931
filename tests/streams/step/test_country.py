"""The step: time from the log, what is late, what is twice, and the same answer however the log is cut."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.failures import Failure, Stage
from producers.records import Decoded, ProbeResult, Reason, Tick, Timings, encode
from streams import records as written
from streams.machine import Chunk
from streams.settings import load
from streams.step.country import CountryMachine
from streams.step.rows import MECHANISMS, Rows
from tests.effort import examples

START = datetime(2024, 1, 20, 12, 0, tzinfo=UTC)
REPLAY = load(worker={"clock": "replay"})
LIVE = load()


def result(at: float, ident: str, *, ok: bool = True, asn: int = 17557, platform: str = "x") -> ProbeResult:
    """A result `at` seconds after START."""
    return ProbeResult(
        id=ident,
        time=START + timedelta(seconds=at),
        platform=platform,
        country="PK",
        asn=asn,
        vantage=f"pk-{asn}",
        ok=ok,
        stage=None if ok else Stage.TLS,
        failure=None if ok else Failure.CONNECTION_RESET,
        control_ok=True,
        timings_ms=Timings(ttfb=80.0, total=180.0),
        bytes=50_000,
        simulated=True,
    )


def tick(at: float) -> Tick:
    return Tick(time=START + timedelta(seconds=at))


def chunk(records: Sequence[Decoded | bytes], first: int = 0, stamps: Sequence[float] | None = None) -> Chunk:
    values = [record if isinstance(record, bytes) else encode(record) for record in records]
    milliseconds = None if stamps is None else [int((START.timestamp() + at) * 1000) for at in stamps]
    return Chunk("netdusk.probes.v1", 3, range(first, first + len(values)), values, milliseconds)


def refused(outbox_messages: Sequence[object]) -> list[tuple[int, str]]:
    found = []
    for message in outbox_messages:
        record = written.decode(message.value)  # type: ignore[attr-defined]
        assert isinstance(record, written.Rejected)
        found.append((record.offset, record.reason))
    return found


def test_a_window_closes_when_the_watermark_passes_its_end() -> None:
    machine = CountryMachine(REPLAY)
    machine.apply(machine.read(chunk([tick(0), result(5, "a"), tick(89.999)])))
    assert not machine.closed  # and windows before the first result say nothing
    machine.apply(machine.read(chunk([tick(90)], 3)))
    assert [reading.start for reading in machine.closed] == [START.timestamp()]
    assert machine.closed[0].health.n.tolist() == [1]


def test_rows_within_the_lateness_count_and_older_ones_are_late() -> None:
    machine = CountryMachine(REPLAY)
    records = [
        tick(0),
        tick(100),
        result(70, "on the edge"),
        result(69.999, "too old"),
        result(130, "ahead, allowed"),
    ]
    outbox = machine.apply(machine.read(chunk([*records, result(130.001, "too far ahead")], 40)))
    assert (outbox.applied, outbox.late, outbox.rejected) == (2, 1, 1)
    assert refused(outbox.before) == [(43, Reason.LATE), (45, Reason.FUTURE)]
    assert machine.totals.ticks == 2


def test_nothing_is_applied_before_the_first_clock_reading() -> None:
    machine = CountryMachine(REPLAY)
    outbox = machine.apply(machine.read(chunk([result(0, "a"), tick(0), result(0, "b")])))
    assert (outbox.applied, outbox.rejected) == (1, 1)
    assert "no clock reading" in written.decode(outbox.before[0].value).detail  # type: ignore[union-attr]


def test_live_the_brokers_time_is_the_clock() -> None:
    machine = CountryMachine(LIVE)
    records = [result(0, "a"), tick(14), tick(28), result(0, "b")]
    outbox = machine.apply(machine.read(chunk(records, stamps=[1, 14, 28, 31])))
    assert (outbox.applied, outbox.late) == (1, 1)


@pytest.mark.parametrize("ahead", [-86_400, -59, 59, 3600, 3.2e8])
def test_live_what_a_tick_says_moves_nothing(ahead: float) -> None:
    machine = CountryMachine(LIVE)
    records = [tick(0), result(1, "a"), tick(2 + ahead), result(3, "b")]
    outbox = machine.apply(machine.read(chunk(records, stamps=[0, 1, 2, 3])))
    assert machine.clock_ms == (START.timestamp() + 3) * 1000
    assert (outbox.applied, outbox.late, outbox.rejected) == (2, 0, 0)


def test_live_what_the_producer_stamped_moves_no_clock() -> None:
    machine = CountryMachine(LIVE)
    outbox = machine.apply(machine.read(chunk([tick(0), result(0, "a")])))
    assert machine.clock_ms is None
    assert outbox.applied == 0


def test_a_replay_does_not_heed_the_brokers_time() -> None:
    machine = CountryMachine(REPLAY)
    outbox = machine.apply(machine.read(chunk([tick(0), result(0, "a")], stamps=[9e6, 9e6])))
    assert outbox.applied == 1


def test_a_duplicate_counts_once_wherever_it_stands() -> None:
    machine = CountryMachine(REPLAY)
    first = machine.apply(machine.read(chunk([tick(0), result(1, "a"), result(2, "b"), result(1, "a")])))
    second = machine.apply(machine.read(chunk([result(2, "b"), result(3, "c")], 4)))
    assert (first.applied, first.duplicate) == (2, 1)
    assert (second.applied, second.duplicate) == (1, 1)
    machine.apply(machine.read(chunk([tick(200)], 6)))
    assert sum(int(reading.health.n.sum()) for reading in machine.closed) == 3


def test_bad_records_are_kept_with_their_place_and_their_bytes_cut() -> None:
    machine = CountryMachine(REPLAY)
    outbox = machine.apply(machine.read(chunk([tick(0), b"{" * 10_000, result(1, "a")], 7)))
    assert (outbox.applied, outbox.rejected) == (1, 1)
    (message,) = outbox.before
    assert (message.topic, message.key) == ("rejected", b"netdusk.probes.v1-3-8")
    record = written.decode(message.value)
    assert isinstance(record, written.Rejected)
    assert (record.reason, record.size, len(record.value)) == ("too_deep", 10_000, 4096)


class Pieces:
    """A chunk that is gone through a few records at a time."""

    def __init__(self, whole: Chunk, size: int) -> None:
        self._whole, self._size = whole, size

    def pieces(self) -> Iterator[Chunk]:
        whole = self._whole
        for at in range(0, len(whole.values), self._size):
            part = slice(at, at + self._size)
            stamps = None if whole.timestamps_ms is None else whole.timestamps_ms[part]
            yield Chunk(whole.topic, whole.partition, whole.offsets[part], whole.values[part], stamps)


ODD = st.one_of(
    st.builds(lambda at, name: encode(result(at, name)), st.integers(-90, 200), st.sampled_from("abcdefgh")),
    st.builds(lambda at: encode(tick(at)), st.integers(0, 130)),
    st.sampled_from([b"{", b"", b'{"schema":"netdusk.probe/1"}']),
)


@given(st.lists(ODD, max_size=25), st.integers(1, 6), st.booleans())
def test_pieces_change_nothing_and_what_is_refused_is_told_with_its_bytes(
    values: list[bytes], size: int, live: bool
) -> None:
    stamps = [float(i) for i in range(len(values))]
    whole = chunk(values, 40, stamps)
    outboxes = []
    for made in (whole, Pieces(whole, size)):
        machine = CountryMachine(LIVE if live else REPLAY)
        machine.apply(machine.read(chunk([tick(0)], 39, [0.0])))
        outboxes.append(machine.apply(machine.read(made)))
    assert outboxes[0] == outboxes[1]
    told = [written.decode(message.value) for message in outboxes[0].before]
    assert len(told) == outboxes[0].rejected + outboxes[0].late
    for record in told:
        assert isinstance(record, written.Rejected)
        assert record.value == values[record.offset - 40]


def test_every_mechanism_has_one_code() -> None:
    assert len(set(MECHANISMS)) == len(MECHANISMS)
    assert MECHANISMS[0] == "ok"


def story(seed: int, minutes: int = 40) -> list[Decoded | bytes]:
    """A log with a block, duplicates, late rows, poison and disorder within the lateness."""
    rng = random.Random(seed)
    log: list[Decoded | bytes] = [tick(0)]
    rows: list[ProbeResult] = []
    for minute in range(minutes):
        for asn in (17557, 45669, 24499, 9541):
            for platform in ("x", "youtube"):
                ok = rng.random() < (0.05 if minute >= minutes - 12 and platform == "x" else 0.98)
                at = minute * 60 + rng.uniform(0, 59)
                rows.append(result(at, f"{minute}-{asn}-{platform}", ok=ok, asn=asn, platform=platform))
    rows.sort(key=lambda row: row.time + timedelta(seconds=rng.uniform(0, 25)))
    clock = 0.0
    for row in rows:
        now = (row.time - START).total_seconds()
        if now > clock + 5:
            clock = now
            log.append(tick(clock))
        log.append(row)
        if rng.random() < 0.05:
            log.append(row)
        if rng.random() < 0.02:
            log.append(result(now - 3600, f"late-{now}"))
        if rng.random() < 0.02:
            log.append(b"poison")
    return log


def run(machine: CountryMachine, log: Sequence[Decoded | bytes], cuts: Sequence[int]) -> list[bytes]:
    """Feed the log in pieces; gives what was sent, in order."""
    sent = []
    edges = [0, *sorted(cuts), len(log)]
    for a, b in itertools.pairwise(edges):
        if a < b:
            outbox = machine.apply(machine.read(chunk(log[a:b], a)))
            sent += [message.value for message in (*outbox.before, *outbox.after)]
    return sent


LOG = story(7)


@cache
def uncut() -> tuple[CountryMachine, list[bytes]]:
    """The machine after LOG in one piece, and what it sent, sorted. Nobody feeds it further."""
    machine = CountryMachine(REPLAY)
    return machine, sorted(run(machine, LOG, []))


@examples(8)
@given(st.lists(st.integers(0, len(LOG)), max_size=12))
def test_how_the_log_is_cut_changes_nothing(cuts: list[int]) -> None:
    whole, expected = uncut()
    cut = CountryMachine(REPLAY)
    assert sorted(run(cut, LOG, cuts)) == expected
    assert whole.snapshot() == cut.snapshot()
    assert whole.totals.late > 0
    assert whole.totals.duplicate > 0
    assert whole.totals.rejected > 0


@examples(4)
@given(st.integers(0, len(LOG)))
def test_a_restored_machine_goes_on_as_if_nothing_had_been(at: int) -> None:
    steady = CountryMachine(REPLAY)
    expected = run(steady, LOG, [at])
    first, second = CountryMachine(REPLAY), CountryMachine(REPLAY)
    sent = run(first, LOG[:at], [])
    second.restore(first.snapshot())
    outbox = second.apply(second.read(chunk(LOG[at:], at))) if at < len(LOG) else None
    if outbox is not None:
        sent += [message.value for message in (*outbox.before, *outbox.after)]
    assert sent == expected
    assert second.snapshot() == steady.snapshot()


def test_the_redo_log_gives_the_same_state() -> None:
    live, redone = CountryMachine(REPLAY), CountryMachine(REPLAY)
    for a in range(0, len(LOG), 50):
        rows = live.read(chunk(LOG[a : a + 50], a))
        data = rows.encode()
        sent = live.apply(rows)
        assert rows.encode() == data, "apply must not change what is written down"
        again = redone.apply(redone.decode_batch(data))
        assert [m.value for m in again.after] == [m.value for m in sent.after]
    assert live.snapshot() == redone.snapshot()
    assert live.totals == redone.totals


def test_a_block_in_the_log_is_an_incident() -> None:
    machine = CountryMachine(REPLAY)
    outbox = machine.apply(machine.read(chunk(LOG)))
    assert {(incident.country, incident.platforms, incident.simulated) for incident in outbox.incidents} == {
        ("PK", ("x",), True)
    }


def rows_of_a_block(minutes: int = 40) -> list[ProbeResult]:
    """Results of four networks, with a block in the last twelve minutes."""
    rng = random.Random(11)
    return [
        result(
            minute * 60 + rng.uniform(0, 59),
            f"{minute}-{asn}-{platform}",
            ok=rng.random() < (0.05 if minute >= minutes - 12 and platform == "x" else 0.98),
            asn=asn,
            platform=platform,
        )
        for minute in range(minutes)
        for asn in (17557, 45669, 24499, 9541)
        for platform in ("x", "youtube")
    ]


def log_of(rows: Sequence[ProbeResult], seed: int, twice: float = 0.0) -> list[Decoded | bytes]:
    """A log in which rows come up to 25 s late, and some of them twice; ticks follow the newest row."""
    rng = random.Random(seed)
    delayed = [(row.time + timedelta(seconds=rng.uniform(0, 25)), row) for row in rows]
    delayed += [
        (at + timedelta(seconds=rng.uniform(0, 4)), row) for at, row in delayed if rng.random() < twice
    ]
    log: list[Decoded | bytes] = [tick(0)]
    clock = 0.0
    for _, row in sorted(delayed, key=lambda pair: pair[0]):
        now = (row.time - START).total_seconds()
        if now > clock + 5:
            clock = now
            log.append(tick(clock))
        log.append(row)
    end = max(row.time for row in rows) - START
    return [*log, tick(end.total_seconds() + 120)]


BLOCK = rows_of_a_block()


@cache
def in_order() -> tuple[CountryMachine, list[bytes]]:
    """The machine after BLOCK, each row once, and what it sent, sorted. Nobody feeds it further."""
    machine = CountryMachine(REPLAY)
    return machine, sorted(run(machine, log_of(BLOCK, 0), []))


@examples(5)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([9, 100, 10_000]))
def test_neither_order_within_the_lateness_nor_duplicates_nor_batches_change_what_is_told(
    seed: int, twice: float, size: int
) -> None:
    plain, expected = in_order()
    other = CountryMachine(REPLAY)
    log = log_of(BLOCK, seed, twice)
    assert sorted(run(other, log, range(size, len(log), size))) == expected
    assert plain.totals.late == other.totals.late == 0
    assert other.totals.applied == len(BLOCK)
    assert (other.totals.duplicate > 0) == (twice > 0)
    assert plain.incidents() == other.incidents() != []


def test_a_calendar_event_comes_with_the_chunk_that_follows_and_through_the_redo_log() -> None:
    event = written.CalendarEvent(
        id="rally",
        country="PK",
        title="a rally",
        start=START + timedelta(minutes=20),
        end=START + timedelta(minutes=90),
    )
    live, redone = CountryMachine(REPLAY), CountryMachine(REPLAY)
    live.note(event)
    rows = live.read(chunk(log_of(BLOCK, 0)))
    data = rows.encode()
    incidents = live.apply(rows).incidents
    assert {incident.coincides for incident in incidents} == {("rally",)}
    assert redone.apply(redone.decode_batch(data)).incidents == incidents


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x91\x63", b"nonsense"])
def test_a_damaged_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        CountryMachine(REPLAY).restore(data)


def test_rows_are_no_rows() -> None:
    with pytest.raises(ValueError, match=r"."):
        Rows.decode(b"nonsense")
