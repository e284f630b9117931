"""The checkpoint log against everything that owners, frozen owners and deletions can leave in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.checkpoint import (
    CheckpointError,
    CheckpointLog,
    CheckpointRecord,
    DamagedError,
    Delta,
    Fence,
    LostError,
    Restored,
    Restorer,
    SnapshotPart,
    SupersededError,
    Void,
    decode,
    encode,
    split,
)
from tests.effort import examples


def restore(log: list[bytes], start: int = 0) -> Restored:
    restorer = Restorer(start)
    for offset in range(start, len(log)):
        restorer.feed(offset, log[offset])
    return restorer.finish()


def history(restored: Restored) -> list[int]:
    """The batches in the state, in order: what the world made of this log's snapshots and deltas."""
    held: list[int] = msgspec.msgpack.decode(restored.snapshot) if restored.snapshot else []
    return held + [int(delta.batch) for delta in restored.deltas]


@dataclass
class Owner:
    """Writes as a worker does, whether or not it has been fenced off meanwhile."""

    name: str
    epoch: int
    applied: list[int]
    seq: int = 0
    pieces: list[bytes] = field(default_factory=list)
    crc: int = 0
    at: int = 0
    next_piece: int = 0
    began: int = -1

    def delta(self, batch: int) -> Delta:
        start = len(self.applied)
        self.applied = [*self.applied, batch]
        self.seq += 1
        return Delta(self.name, self.epoch, self.seq - 1, start, start + 1, "s", str(batch).encode())

    def part(self) -> SnapshotPart:
        if not self.pieces:
            self.at = len(self.applied)
            self.crc, self.pieces = split(msgspec.msgpack.encode(self.applied), part_bytes=7)
            self.next_piece = 0
        i = self.next_piece
        self.next_piece += 1
        made = SnapshotPart(
            self.name, self.epoch, self.seq, i, len(self.pieces), self.at, "s", self.crc, self.pieces[i]
        )
        self.seq += 1
        if self.next_piece == len(self.pieces):
            self.pieces = []
        return made


class World:
    """A log with an owner, former owners who do not know that they are, and what is true."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        self.owners: list[Owner] = []
        self.truth: list[int] = []
        self.cuts: list[int] = []  # where the owner may have deleted to
        self.batches = 0
        self.last_true = -1
        self.covered = 0  # how much of the truth the last whole snapshot holds

    def append(self, record: CheckpointRecord) -> int:
        self.log.append(encode(record))
        return len(self.log) - 1

    def take_over(self) -> None:
        name = f"owner{len(self.owners)}"
        epoch = self.append(Fence(name, "s"))
        owner = Owner(name, epoch, list(self.truth))
        self.owners.append(owner)
        if not self.truth and not self.cuts:
            self.snapshot_whole(owner)

    def snapshot_whole(self, owner: Owner) -> None:
        self.write_part(owner)
        while owner.pieces:
            self.write_part(owner)

    def write_delta(self, owner: Owner) -> None:
        self.batches += 1
        offset = self.append(owner.delta(self.batches))
        if owner is self.owners[-1]:
            self.truth = list(owner.applied)
            self.last_true = offset

    def write_part(self, owner: Owner) -> None:
        fresh = not owner.pieces
        offset = self.append(owner.part())
        if fresh:
            owner.began = offset
        if owner is self.owners[-1]:
            self.last_true = offset
            if not owner.pieces:
                self.cuts.append(owner.began)
                self.covered = owner.at

    def annul(self, count: int) -> None:
        """A new owner finds that it can't apply the last chunks."""
        self.take_over()
        owner = self.owners[-1]
        self.truth = self.truth[: max(self.covered, len(self.truth) - count)]
        owner.applied = list(self.truth)
        self.last_true = self.append(Void(owner.name, owner.epoch, owner.seq, len(self.truth), "s", "raised"))
        owner.seq += 1

    def repeat(self) -> None:
        self.log.append(self.log[-1])


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["delta", "delta", "delta", "part", "part", "fence", "void", "zombie", "zombie part", "repeat"]
        ),
        st.integers(min_value=0, max_value=5),
    ),
    max_size=60,
)


def play(acts: list[tuple[str, int]]) -> World:
    world = World()
    world.take_over()
    for act, which in acts:
        owner = world.owners[-1]
        former = world.owners[:-1]
        if act == "delta":
            world.write_delta(owner)
        elif act == "part":
            world.write_part(owner)
        elif act == "fence":
            world.take_over()
        elif act == "void":
            world.annul(which)
        elif act == "repeat" and not isinstance(decode(world.log[-1]), Fence):
            world.repeat()
        elif former:
            frozen = former[which % len(former)]
            if act == "zombie":
                world.write_delta(frozen)
            elif act == "zombie part":
                world.write_part(frozen)
    return world


@examples(120)
@given(ACTS)
def test_any_mix_of_owners_gives_the_last_owners_state(acts: list[tuple[str, int]]) -> None:
    world = play(acts)
    restored = restore(world.log)
    assert history(restored) == world.truth
    assert (restored.next or 0) == len(world.truth)


@examples(120)
@given(ACTS)
def test_deleting_up_to_a_whole_snapshot_changes_nothing(acts: list[tuple[str, int]]) -> None:
    world = play(acts)
    for cut in world.cuts:
        assert history(restore(world.log, cut)) == world.truth


@examples(80)
@given(ACTS)
def test_deleting_anything_else_is_told_or_changes_nothing(acts: list[tuple[str, int]]) -> None:
    world = play(acts)
    for cut in range(world.last_true + 1):
        try:
            restored = restore(world.log, cut)
        except CheckpointError:
            continue
        assert history(restored) == world.truth


@examples(80)
@given(ACTS, st.data())
def test_a_flipped_byte_is_told_with_its_place(acts: list[tuple[str, int]], data: st.DataObject) -> None:
    world = play(acts)
    at = data.draw(st.integers(0, len(world.log) - 1))
    value = bytearray(world.log[at])
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    world.log[at] = bytes(value)
    with pytest.raises(DamagedError, match=f"offset {at}"):
        restore(world.log)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_record_or_damaged(value: bytes) -> None:
    with pytest.raises(DamagedError):
        decode(value)


def test_a_missing_record_is_told() -> None:
    world = World()
    world.take_over()
    for _ in range(3):
        world.write_delta(world.owners[-1])
    del world.log[-2]
    with pytest.raises(DamagedError, match="1 records of its owner are missing"):
        restore(world.log)


def test_what_is_begun_anew_stays_in_its_place_among_the_chunks() -> None:
    """Until a snapshot that was taken after it holds it."""
    world = World()
    world.take_over()
    for _ in range(3):
        world.write_delta(world.owners[-1])
    world.take_over()
    owner = world.owners[-1]
    anew = Void(owner.name, owner.epoch, 0, 2, "s", "a window", ["PK"])
    owner.applied, owner.seq = world.truth[:2], 1
    world.append(anew)
    world.write_delta(owner)
    restored = restore(world.log)
    assert [step.next for step in restored.steps] == [1, 2, 2, 3]
    assert restored.steps[2] == anew
    assert (restored.next, restored.ignored) == (3, 1)
    world.snapshot_whole(owner)
    assert restore(world.log).steps == []


def test_where_the_source_was_made_anew_its_offsets_begin_again() -> None:
    world = World()
    world.take_over()
    for _ in range(3):
        world.write_delta(world.owners[-1])
    world.take_over()
    owner = world.owners[-1]
    world.append(Void(owner.name, owner.epoch, 0, 3, "s", "made anew", moved_to=0))
    world.append(Delta(owner.name, owner.epoch, 1, 0, 5, "s", b"4"))
    restored = restore(world.log)
    assert [step.next for step in restored.steps] == [1, 2, 3, 5]
    assert restored.next == 5


def test_the_log_says_of_which_topic_its_offsets_are() -> None:
    crc, (piece,) = split(b"state")
    log = [
        encode(Fence("a", "s")),
        encode(SnapshotPart("a", 0, 0, 0, 1, 0, "s", crc, piece, "first")),
        encode(Delta("a", 0, 1, 0, 5, "s", b"4")),
    ]
    assert restore(log).source == "first"
    log.append(encode(Void("a", 0, 2, 5, "s", "made anew", moved_to=0, source="second")))
    restored = restore(log)
    assert (restored.source, restored.next) == ("second", 0)
    log.append(encode(Void("a", 0, 3, 0, "s", "a window", ["PK"])))
    assert restore(log).source == "second"


@pytest.mark.parametrize(("start", "says"), [(0, "a snapshot holds up to 3"), (9, "the log ends at 4")])
def test_a_record_that_annuls_what_is_not_there_is_told(start: int, says: str) -> None:
    world = World()
    world.take_over()
    for _ in range(3):
        world.write_delta(world.owners[-1])
    world.snapshot_whole(world.owners[-1])
    world.write_delta(world.owners[-1])
    world.take_over()
    owner = world.owners[-1]
    world.append(Void(owner.name, owner.epoch, 0, start, "s", "raised"))
    with pytest.raises(DamagedError, match=says):
        restore(world.log)


def test_an_unknown_version_stops() -> None:
    value = bytearray(encode(Fence("a", "s")))
    value[3] = 99
    with pytest.raises(DamagedError, match="version 99 was written by a later release"):
        decode(bytes(value))


def test_an_empty_log_is_a_new_partition() -> None:
    assert restore([encode(Fence("a", "s"))]).next is None


def test_a_log_that_lost_its_snapshot_is_told() -> None:
    with pytest.raises(LostError, match="retention of the checkpoint topic must be unlimited"):
        restore([encode(Fence("a", "s"))] * 3, 2)


# The Kafka side, over a broker that is a list


class Broker:
    """Appends at once; somebody else may write in between."""

    def __init__(self) -> None:
        self.log: list[bytes] = []

    async def send(self, topic: str, value: bytes, *, partition: int) -> asyncio.Future[object]:
        self.log.append(value)
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        done.set_result(type("Metadata", (), {"offset": len(self.log) - 1}))
        return done

    async def read(self, start: int, end: int) -> AsyncIterator[tuple[int, bytes | None]]:
        for offset in range(start, end):
            yield offset, self.log[offset]

    def log_of(self, owner: str) -> CheckpointLog:
        return CheckpointLog(self, self.read, "checkpoints", 0, owner=owner, settings="s")


async def written(broker: Broker, owner: str, deltas: int) -> CheckpointLog:
    log = broker.log_of(owner)
    await log.fence()
    restored = await log.restore(0)
    start = restored.next or 0
    if restored.snapshot is None:
        crc, pieces = split(msgspec.msgpack.encode([]))
        await log.append_part(0, pieces, crc, 0)
    for i in range(start, start + deltas):
        await log.append_delta(i, i + 1, b"%d" % i)
    return log


async def test_an_owner_writes_and_the_next_one_reads() -> None:
    broker = Broker()
    await written(broker, "a", 3)
    await written(broker, "b", 2)
    assert history(restore(broker.log)) == [0, 1, 2, 3, 4]


async def test_a_frozen_owner_learns_that_it_was_superseded_and_harms_nothing() -> None:
    broker = Broker()
    frozen = await written(broker, "a", 3)
    owner = await written(broker, "b", 1)
    with pytest.raises(SupersededError, match="b has taken over"):
        await frozen.append_delta(3, 4, b"666")
    await owner.append_delta(4, 5, b"4")
    assert history(restore(broker.log)) == [0, 1, 2, 3, 4]


async def test_an_owner_is_not_disturbed_by_a_frozen_ones_records() -> None:
    broker = Broker()
    frozen = await written(broker, "a", 1)
    owner = await written(broker, "b", 1)
    for i in range(3):
        with pytest.raises(SupersededError):
            await frozen.append_delta(1 + i, 2 + i, b"666")
        await owner.append_delta(2 + i, 3 + i, b"%d" % (2 + i))
    assert history(restore(broker.log)) == [0, 1, 2, 3, 4]


async def test_deltas_and_pieces_sent_at_once_keep_their_order() -> None:
    broker = Broker()
    log = await written(broker, "a", 2)
    crc, pieces = split(msgspec.msgpack.encode([0, 1]), part_bytes=4)
    await log.append_part(0, pieces, crc, 2)
    await asyncio.gather(
        *(log.append_part(i, pieces, crc, 2) for i in range(1, len(pieces))), log.append_delta(2, 3, b"2")
    )
    restored = restore(broker.log)
    assert history(restored) == [0, 1, 2]
    assert len(restored.deltas) == 1
