"""A country's records stand in its partition; a topic that is widened makes nothing wrong that was right."""

from __future__ import annotations

import random
from datetime import timedelta

import msgspec

from producers.partitions import partition_of
from streams.machine import Chunk, PartitionCount
from streams.records import Rejected
from streams.settings import Settings
from streams.step.country import CountryMachine
from tests.streams.step.hostile import START, good, written

#: Of 8 partitions PK's is the sixth, of 16 another one.
OLD = partition_of("PK", 8)
NEW = partition_of("PK", 16)


def feed(machine: CountryMachine, partition: int, first: int, *, minutes: float) -> tuple[int, list[str]]:
    """How many of three records were applied there, and why the others were not."""
    moment = START + timedelta(minutes=minutes)

    draw = random.Random(first)
    values = [written(good(draw, first + i, moment)) for i in range(3)]
    stamps = [int(moment.timestamp() * 1000)] * 3
    rows = machine.read(Chunk("t", partition, range(first, first + 3), values, stamps, [b"PK"] * 3))
    outbox = machine.apply(rows)
    again = CountryMachine(Settings())
    again.restore(machine.snapshot())
    assert again.snapshot() == machine.snapshot()
    return outbox.applied, [msgspec.json.decode(m.value, type=Rejected).reason for m in outbox.before]


def test_nothing_is_judged_before_the_number_is_known() -> None:
    assert feed(CountryMachine(Settings()), OLD + 1, 0, minutes=0) == (3, [])


def test_a_record_in_another_partition_is_refused() -> None:
    machine = CountryMachine(Settings())
    machine.note(PartitionCount(8, 0))
    assert feed(machine, OLD, 0, minutes=0) == (3, [])
    assert feed(machine, OLD + 1, 3, minutes=1) == (0, ["wrong_partition"] * 3)


def test_what_was_there_before_the_number_was_known_is_right() -> None:
    machine = CountryMachine(Settings())
    machine.note(PartitionCount(8, 3))
    assert feed(machine, OLD + 1, 0, minutes=0) == (3, [])
    assert feed(machine, OLD + 1, 3, minutes=0) == (0, ["wrong_partition"] * 3)


def test_widening_refuses_nothing_that_was_right() -> None:
    assert OLD != NEW
    machine = CountryMachine(Settings())
    machine.note(PartitionCount(8, 0))
    assert feed(machine, OLD, 0, minutes=0) == (3, [])
    machine.note(PartitionCount(16, 6))
    assert feed(machine, OLD, 3, minutes=1) == (3, [])  # written before
    assert feed(machine, OLD, 6, minutes=5) == (3, [])  # by a producer that does not know yet
    assert feed(machine, OLD, 9, minutes=12) == (0, ["wrong_partition"] * 3)
