"""What is refused of a chunk, as the rejections topic has it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from streams.machine import Chunk, Message, rejection
from streams.step.rows import Refusal

#: So many bytes are written of what is refused of one Kafka record, and so many more for each byte that is refused: a
#: bundle of lines of two bytes would be told at fifty times its size. The rest is counted alone.
_TOLD_OF_A_RECORD: Final = 16_384
_TOLD_OF_A_BYTE: Final = 4


def rejections(kept: Sequence[tuple[int, Chunk]], refusals: Sequence[Refusal]) -> Iterator[Message]:
    """What is sent of refused records, from the pieces of their chunk that were kept, each with its first place.

    A batch from the redo log has no bytes, so that nothing is sent of it: it was sent then.
    """
    if not kept:
        return
    begins = [place for place, _ in kept]
    offset, left = -1, 0
    for refused in sorted(refusals, key=lambda refusal: refusal.place):
        begin, piece = kept[max(0, bisect_right(begins, refused.place) - 1)]
        if not begin <= refused.place < begin + len(piece.values):
            continue  # of one that came back after it was forgotten: nobody could foresee that it is refused
        line = refused.place - begin
        if piece.offsets[line] != offset:
            offset, left = piece.offsets[line], _TOLD_OF_A_RECORD
        message = rejection(piece, line, refused.reason, refused.detail)
        left += _TOLD_OF_A_BYTE * len(piece.values[line] or b"")
        if len(message.value) <= left:
            left -= len(message.value)
            yield message


def behind_clock(milliseconds: int) -> str:
    """Why a late result is refused, in words."""
    return _gap("behind", milliseconds)


def ahead_of_clock(milliseconds: int) -> str:
    """Why a record from the future is refused, in words."""
    return _gap("ahead of", milliseconds)


def _gap(word: str, milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s {word} the clock" if milliseconds < 1e12 else "no clock reading yet"
