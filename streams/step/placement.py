"""Which partition a record may stand in: the one that Kafka's default partitioner chooses for its country.

A country that is spread over two partitions is judged in halves. How many partitions there are arrives as a note, with
the offset from which it holds, so that a topic may be widened and what was written before stays right. Nothing is
judged before the first note.
"""

from __future__ import annotations

from typing import Final

import msgspec

from producers.partitions import partition_of
from streams.machine import Chunk, PartitionCount

#: Producers learn of new partitions with their metadata, five minutes later as a rule.
GRACE_MS: Final = 600_000


class PlacementState(msgspec.Struct):
    """What is kept: how many partitions there are, from which offset on, how many there were before (0: unknown)."""

    partitions: int = 0
    from_offset: int = 0
    before: int = 0
    until_ms: int = 0
    # The one that is judged; -1: unknown.
    partition: int = -1


class Placement:
    """Judges where records stand, by their keys."""

    def __init__(self, kept: PlacementState | None = None) -> None:
        self.kept = kept or PlacementState()

    def heed(self, note: PartitionCount, clock_ms: int | None) -> None:
        """Take a number of partitions in; the one that is known already changes nothing."""
        kept = self.kept
        if note.partitions != kept.partitions:
            # Without a number before it there is nothing to have grace with.
            until_ms = 0 if clock_ms is None or not kept.partitions else clock_ms + GRACE_MS
            self.kept = PlacementState(
                note.partitions, note.from_offset, kept.partitions, until_ms, note.partition
            )
        else:
            kept.partition = note.partition

    def elsewhere(self, country: str) -> bool:
        """Whether a country's results come by another partition: its silence here is no silence."""
        kept = self.kept
        return kept.partition >= 0 and partition_of(country, kept.partitions) != kept.partition

    def misplaced(self, piece: Chunk) -> list[int]:
        """The places of the records that stand in another partition than their key's."""
        if not self.kept.partitions or piece.keys is None:
            return []
        if not self.kept.before and piece.offsets and piece.offsets[-1] < self.kept.from_offset:
            return []  # all of it was written before anybody knew how many there are
        wrong = {
            key
            for key in set(piece.keys)
            if key and partition_of(key, self.kept.partitions) != piece.partition
        }
        if not wrong:
            return []
        return [
            place
            for place, key in enumerate(piece.keys)
            if key in wrong and not self._was_right(key or b"", piece, place)
        ]

    def _was_right(self, key: bytes, piece: Chunk, place: int) -> bool:
        """Whether a record was right by the number of partitions that its writer knew."""
        kept = self.kept
        early = piece.offsets[place] < kept.from_offset
        if not kept.before:
            return early
        in_grace = piece.timestamps_ms is not None and piece.timestamps_ms[place] < kept.until_ms
        return (early or in_grace) and partition_of(key, kept.before) == piece.partition

    def detail(self, key: bytes) -> str:
        """What is wrong with a key's partition, and the remedy."""
        right = partition_of(key, self.kept.partitions)
        return (
            f"of {self.kept.partitions} partitions this key's is {right}; write with the murmur2 partitioner"
        )
