"""The sink against a broker that comes and goes as the test says; `test_kafka.py` has a real one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.probe.kafka_sender import KafkaSender
from producers.probe.sink import Dropped, SendError, Sink
from producers.probe.spool import Spool

WAIT_SECONDS = 30.0  # far more than needed: only a broken sink takes so long


class Broker:
    """Takes batches while it is there. `cut` says after how many records of a batch it goes away."""

    def __init__(self, there: bool = True) -> None:
        self.there = there
        self.cut: list[int] = []
        self.log: list[bytes] = []
        self.news = threading.Condition()
        self.hold = threading.Event()
        self.hold.set()
        self.connects = 0
        self.bytes_max = 1000

    def connect(self) -> Broker:
        with self.news:
            self.connects += 1
            self.news.notify_all()
            if not self.there:
                raise SendError("connection refused", ())
        return self

    def send(self, values: Sequence[bytes]) -> None:
        self.hold.wait()
        refused = [value for value in values if len(value) > self.bytes_max]
        values = [value for value in values if len(value) <= self.bytes_max]
        with self.news:
            taken = len(values) if self.there else 0
            if self.cut:
                taken = min(taken, self.cut.pop(0))
            self.log += values[:taken]
            self.news.notify_all()
            if taken < len(values):
                raise SendError("connection reset", values[taken:], refused)
            if refused:
                raise SendError("too large", (), refused)

    def close(self) -> None:
        pass

    def until(self, records: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(set(self.log)) >= records, WAIT_SECONDS), len(self.log)

    def until_tried(self, connects: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: self.connects >= connects, WAIT_SECONDS)


def sink(broker: Broker, folder: Path, **facts: int) -> Sink:
    made = Sink(broker.connect, Spool(folder), backoff_seconds=(0.001,), **facts)
    made.start()
    return made


def numbered(start: int, end: int) -> list[bytes]:
    return [b"%06d" % number for number in range(start, end)]


def put(to: Sink, values: Sequence[bytes]) -> None:
    for value in values:
        assert to.put(value)


def on_disk(folder: Path) -> list[bytes]:
    return [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def test_all_arrive_in_order(tmp_path: Path) -> None:
    broker = Broker()
    running = sink(broker, tmp_path)
    put(running, numbered(0, 5000))
    running.close()
    assert broker.log == numbered(0, 5000)
    assert running.figures.sent == 5000
    assert running.figures.spooled == 0


def test_results_wait_on_disk_and_arrive_in_order_when_the_broker_is_back(tmp_path: Path) -> None:
    broker = Broker(there=False)
    running = sink(broker, tmp_path)
    put(running, numbered(0, 3000))
    broker.until_tried(3)
    assert not running.figures.broker_answers
    broker.there = True
    broker.until(3000)
    put(running, numbered(3000, 4000))
    broker.until(4000)
    running.close()
    assert broker.log == numbered(0, 4000)
    assert running.figures.broker_answers
    assert on_disk(tmp_path) == []


def test_says_at_once_that_there_is_no_broker(tmp_path: Path) -> None:
    """Before there is anything to send."""
    broker = Broker(there=False)
    running = sink(broker, tmp_path)
    broker.until_tried(1)
    running.close()
    assert not running.figures.broker_answers


def test_a_batch_cut_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    broker = Broker()
    broker.cut = [3, 0, 1]
    running = sink(broker, tmp_path)
    put(running, numbered(0, 10))
    broker.until(10)
    running.close()
    assert broker.log == numbered(0, 10)


def test_what_is_left_at_the_end_is_on_disk_and_goes_first_the_next_time(tmp_path: Path) -> None:
    away = Broker(there=False)
    running = sink(away, tmp_path)
    put(running, numbered(0, 500))
    running.close()
    assert on_disk(tmp_path) == numbered(0, 500)
    back = Broker()
    running = sink(back, tmp_path)
    put(running, numbered(500, 600))
    back.until(600)
    running.close()
    assert back.log == numbered(0, 600)


def test_a_spool_that_was_cut_holds_up_nothing_behind_it(tmp_path: Path) -> None:
    """It spun for ever: lines were counted as waiting that no longer stood in the file."""
    away = Broker(there=False)
    running = sink(away, tmp_path)
    put(running, numbered(0, 500))
    with away.news:
        assert away.news.wait_for(lambda: running.spool_records == 500, WAIT_SECONDS)
    for path in tmp_path.glob("0*.jsonl"):
        path.write_bytes(b"")
    away.there = True
    put(running, numbered(500, 600))
    away.until(100)
    running.close()
    assert away.log == numbered(500, 600)
    assert running.figures.dropped[Dropped.DISK] == 500


def test_the_prober_never_waits(tmp_path: Path) -> None:
    """A broker that swallows a batch and says nothing: put returns, and beyond the queue it drops and counts."""
    broker = Broker()
    broker.hold.clear()
    running = sink(broker, tmp_path, queue_max=100)
    taken = sum(running.put(value) for value in numbered(0, 5000))
    assert 100 <= taken < 5000
    assert running.figures.dropped[Dropped.QUEUE_FULL] == 5000 - taken
    broker.hold.set()
    running.close()
    assert len(broker.log) == taken


def test_a_full_spool_drops_its_oldest_and_counts(tmp_path: Path) -> None:
    broker = Broker(there=False)
    running = Sink(
        broker.connect, Spool(tmp_path, bytes_max=10_000, segment_bytes=1000), backoff_seconds=(0.001,)
    )
    running.start()
    put(running, numbered(0, 5000))  # 7 bytes each on disk
    running.close()
    kept = on_disk(tmp_path)
    assert kept == numbered(5000 - len(kept), 5000)
    assert running.figures.dropped[Dropped.SPOOL_FULL] == 5000 - len(kept) > 0


@pytest.mark.parametrize("there", [True, False])
def test_what_is_too_large_for_the_broker_is_set_aside_and_blocks_nothing(
    tmp_path: Path, there: bool
) -> None:
    """Straight from the queue, or out of the spool after the broker was away."""
    broker = Broker(there)
    to = sink(broker, tmp_path)
    large = b"x" * 2000
    put(to, [*numbered(0, 5), large, *numbered(5, 10)])
    if not there:
        broker.until_tried(2)
        broker.there = True
    broker.until(10)
    to.close()
    assert broker.log == numbered(0, 10)
    assert to.figures.dropped[Dropped.TOO_LARGE] == 1
    assert to.figures.broker_answers
    assert to.figures.sent == 10
    assert (tmp_path / "set-aside.jsonl").read_bytes() == large + b"\n"
    assert Spool(tmp_path).records == 0


def test_a_bug_in_the_sink_is_not_silent(tmp_path: Path) -> None:
    def connect() -> Broker:
        raise ZeroDivisionError

    running = Sink(connect, Spool(tmp_path))
    running.start()
    running.close()
    with pytest.raises(RuntimeError, match="the sink has ended"):
        running.put(b"lost")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    story=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["away", "back", "restart", "cut"])), max_size=8
    )
)
def test_nothing_is_lost_whatever_the_broker_does(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    broker = Broker()
    running = sink(broker, folder)
    number = 0
    for records, event in story:
        put(running, numbered(number, number + records))
        number += records
        match event:
            case "away":
                broker.there = False
            case "back":
                broker.there = True
            case "cut":
                broker.cut.append(records // 2)
            case "restart":
                running.close()
                running = sink(broker, folder)
    broker.there = True
    broker.until(number)
    running.close()
    assert sorted(set(broker.log)) == numbered(0, number)
    # In order, where one leaves out what came again: no cut, crash or restart turns two results round.
    first_seen = list(dict.fromkeys(broker.log))
    assert first_seen == numbered(0, number)


def test_nobody_listening_is_said_by_name_without_waiting() -> None:
    with pytest.raises(SendError, match=r"127\.0\.0\.1:1: .*refused"):
        KafkaSender({"bootstrap_servers": "127.0.0.1:1"}, "topic", b"PK")
    with pytest.raises(SendError, match="nonsense"):
        KafkaSender({"bootstrap_servers": "nonsense"}, "topic", b"PK")
