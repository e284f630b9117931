"""Records that a source deleted before they were read: said, counted, and survived as `worker.on_gap` says."""

from __future__ import annotations

import structlog

from streams.engine.checkpoint import CheckpointError
from streams.engine.surroundings import Surroundings

log = structlog.get_logger()


class GapError(CheckpointError):
    """The source has deleted records that were never read, and `worker.on_gap` is `stop`."""


class Gaps:
    """The gap before a partition's next chunk.

    Attributes
    ----------
    skipped
        Offsets of it that hold no record any more; the chunk's checkpoint says so.
    """

    def __init__(self, around: Surroundings, partition: str) -> None:
        self.skipped = 0
        self._around = around
        self._partition = partition

    def meet(self, position: int, source_start: int) -> None:
        """Log and count the records between, if any. Raises `GapError` if `worker.on_gap` is "stop"."""
        lost = source_start - position
        if lost <= 0:
            return
        if self._around.settings.worker.on_gap == "stop":
            raise GapError(
                f"{self._partition}: offsets {position} to {source_start - 1} were deleted before they were read; "
                "worker.on_gap = continue goes on without them"
            )
        log.error(
            "retention gap: records were deleted before they were read",
            partition=self._partition,
            lost=lost,
            from_offset=position,
            to_offset=source_start - 1,
        )
        self._around.metrics.skipped.inc(lost - self.skipped)
        self.skipped = lost

    def meet_anew(self, position: int, end: int | None) -> None:
        """Log that the source is another topic. Raises `GapError` if `worker.on_gap` is "stop".

        `end` is where it ends, before this partition's place; None if it is known to be another by its id.
        """
        seen = (
            f"it is another topic than the one of which the checkpoints stand at offset {position}, by its id"
            if end is None
            else f"it ends at offset {end}, before {position}, where the checkpoints stand"
        )
        text = f"{self._partition}: {seen}: the topic was made anew, or it is another cluster's"
        if self._around.settings.worker.on_gap == "stop":
            raise GapError(
                f"{text}; worker.on_gap = continue goes on from its first record with what was learned, "
                "and new names in topics.checkpoints and topics.world_checkpoints begin from nothing"
            )
        log.error(f"{text}; going on from its first record with what was learned", partition=self._partition)
        self._around.metrics.sources_anew.inc()

    def close(self) -> None:
        """The chunk after it is in the log."""
        self.skipped = 0
