"""What should stand on the topics, worked out without a worker: and what does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from streams.engine.checkpoint import Delta, Restorer, Void, unpack
from streams.engine.ownership import redo
from streams.kafka.client import TopicReader
from streams.machine import Chunk, Machine, Note
from streams.settings import Settings
from tests.faults.toy import ToyMachine

Sent = tuple[bytes | None, bytes | None]
TICKS_UNREAD = 20


@dataclass
class Verdict:
    """Everything that is wrong; empty lists when nothing is."""

    wrong: list[str] = field(default_factory=list)
    records: int = 0
    alerts: int = 0
    duplicates: int = 0
    totals: dict[str, int] = field(default_factory=dict)


async def run_through(
    reader: TopicReader,
    topic: str,
    partition: int,
    make: Any,
    chunk: int,
    notes: Mapping[int, Sequence[Note]] = MappingProxyType({}),
    until: int | None = None,
) -> tuple[Machine[Any], list[Any]]:
    """The machine over the partition's log, cut into chunks of some other size, without a broker in between.

    `notes` came before the records at these offsets; it ends at offset `until`.
    """
    machine = make()
    sent: list[Any] = []
    start, end = (await reader.bounds(topic, [partition]))[partition]
    end = end if until is None else until
    part: list[Any] = []

    def step() -> None:
        stamps = [r.timestamp for r in part] if part[0].timestamp_type == 1 else None
        offsets, values, keys = ([getattr(r, name) for r in part] for name in ("offset", "value", "key"))
        batch = machine.read(Chunk(topic, partition, offsets, values, stamps, keys))
        outbox = machine.apply(batch)
        sent.extend([*outbox.before, *outbox.after])
        part.clear()

    async for record in reader.records(topic, partition, start, end):
        if record.offset in notes:
            if part:
                step()
            for note in notes[record.offset]:
                machine.note(note)
        part.append(record)
        if len(part) == chunk:
            step()
    if part:
        step()
    return machine, sent


class _AllSteps(Restorer):
    """Reads a partition's checkpoints, and keeps the chunks that snapshots cover too."""

    def __init__(self, log_start: int) -> None:
        super().__init__(log_start)
        self.accepted: list[Delta] = []

    def _take_delta(self, record: Delta) -> None:
        super()._take_delta(record)
        self.accepted.append(record)

    def _take_void(self, record: Void) -> None:
        super()._take_void(record)
        self.accepted = [delta for delta in self.accepted if delta.start < record.next]


async def kept(
    reader: TopicReader, topic: str, partition: int, make: Any
) -> tuple[Machine[Any], int | None, dict[int, list[Note]] | None]:
    """The machine as the checkpoint log has it, where it stands, and the notes that it was told, by source offset.

    These are None where they can't be known any more.
    """
    start, end = (await reader.bounds(topic, [partition]))[partition]
    restorer = _AllSteps(start)
    async for offset, value in reader.read(topic, partition, start, end):
        restorer.feed(offset, value)
    # A worker deletes the chunks that a snapshot covers, and with them the notes; all are there where none was deleted.
    notes: dict[int, list[Note]] | None = {} if start == 0 else None
    reading = make()
    for delta in restorer.accepted:
        of_it = list(getattr(reading.decode_batch(unpack(delta.batch)), "notes", ()))
        if notes is not None and of_it:
            notes[delta.start] = of_it
    restored = restorer.finish()
    machine = make()
    if restored.snapshot is not None:
        machine.restore(restored.snapshot)
    for one in restored.steps:
        machine, _ = redo(machine, one, make)
    return machine, restored.next, notes


async def contents(reader: TopicReader, topic: str) -> list[Sent]:
    """Keys and values of a topic, partition by partition, in order."""
    found: list[Sent] = []
    bounds = await reader.bounds(topic, await reader.partitions_of(topic))
    for partition, (start, end) in bounds.items():
        found += [(r.key, r.value) async for r in reader.records(topic, partition, start, end)]
    return found


async def caught_up(reader: TopicReader, settings: Settings) -> bool:
    """Whether the checkpoints cover all that was written."""
    topics = settings.topics
    partitions = await reader.partitions_of(topics.probes)
    ends = await reader.bounds(topics.probes, partitions)
    for partition in partitions:
        start, end = (await reader.bounds(topics.checkpoints, [partition]))[partition]
        restorer = Restorer(start)
        async for offset, value in reader.read(topics.checkpoints, partition, start, end):
            restorer.feed(offset, value)
        if (restorer.finish().next or 0) < ends[partition][1]:
            return False
    return True


def differing(one: bytes, other: bytes) -> list[str]:
    """The fields in which two snapshots differ; those of another form, as a whole."""
    try:
        a, b = (msgspec.msgpack.decode(snapshot) for snapshot in (one, other))
    except msgspec.DecodeError:
        return ["all of it"]
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return ["all of it"]
    return sorted(str(name) for name in a.keys() | b.keys() if a.get(name) != b.get(name))


async def judge(
    settings: Settings, make: Any = ToyMachine, chunk: int = 337, *, ticking: bool = False
) -> Verdict:
    """Compare state, incidents, rejects and totals with the machine's own run over the same log.

    With `ticking`, workers that were stopped may have written a few ticks more than they have read.
    """
    reader = TopicReader(settings.kafka)
    topics = settings.topics
    verdict = Verdict()
    due: dict[str, list[Sent]] = defaultdict(list)
    totals: dict[str, int] = defaultdict(int)
    for partition in await reader.partitions_of(topics.probes):
        have, next_offset, notes = await kept(reader, topics.checkpoints, partition, make)
        start, end = (await reader.bounds(topics.probes, [partition]))[partition]
        if notes is None:  # a replay is told of nothing but the number of partitions, when a worker comes up
            width = getattr(have, "width", None)
            notes = {} if width is None else {start: [width]}
        if ticking and next_offset is not None and end - next_offset <= TICKS_UNREAD:
            end = next_offset
        machine, sent = await run_through(reader, topics.probes, partition, make, chunk, notes, end)
        verdict.records += end - start
        if next_offset != end and end > start:
            verdict.wrong.append(f"partition {partition} stands at {next_offset} of {end}")
        if machine.snapshot() != have.snapshot():
            fields = ", ".join(differing(machine.snapshot(), have.snapshot()))
            verdict.wrong.append(f"partition {partition}: the state is not the oracle's in {fields}")
        for message in sent:
            due[message.topic].append((message.key, message.value))
        kept_totals: Any = have.totals  # type: ignore[attr-defined]
        for name, count in (kept_totals if isinstance(kept_totals, dict) else asdict(kept_totals)).items():
            totals[name] += count
    verdict.totals = dict(totals)
    if sum(totals.values()) != verdict.records:
        verdict.wrong.append(f"totals {dict(totals)} do not add up to {verdict.records} records")
    for role in ("alerts", "rejected"):
        there = await contents(reader, getattr(topics, role))
        missing = set(due[role]) - set(there)
        strange = set(there) - set(due[role])
        if missing:
            verdict.wrong.append(f"{len(missing)} {role} missing, e.g. {sorted(missing)[:2]}")
        if strange:
            verdict.wrong.append(
                f"{len(strange)} {role} that the oracle does not know, e.g. {sorted(strange)[:2]}"
            )
        if role == "alerts":
            verdict.alerts = len(set(there))
            verdict.duplicates = len(there) - len(set(there))
    return verdict
