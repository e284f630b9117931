"""What to do about a chunk at which the step raises: pure, so that it can be read and tested as a table.

The first time, memory is dropped and the chunk is tried again: it may have been the machine. The second time it is the
chunk. Where a record is to blame, the chunk is taken apart until that record stands alone and is set aside. Where
closing a window raised, no record is: some country's state is begun anew, and all of it where that is not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from streams.machine import Chunk, Forgetting, Machine, Pieces, WindowError

#: By so much a chunk shrinks from one try to the next: each costs a restore.
_SHRINK: Final = 16


class StepError(Exception):
    """The step raised at a chunk; its cause says what.

    Attributes
    ----------
    start, end
        The chunk's source offsets.
    of_window
        Whether closing a window raised.
    """

    def __init__(self, cause: BaseException, start: int, end: int) -> None:
        super().__init__(f"the step raised {cause!r} at source offsets {start} to {end - 1}")
        self.start = start
        self.end = end
        self.of_window = isinstance(cause, WindowError)


@contextmanager
def stepping(start: int, end: int) -> Iterator[None]:
    """Raise every exception from within as a `StepError` at these source offsets."""
    try:
        yield
    except Exception as error:
        raise StepError(error, start, end) from error


class Remedy(StrEnum):
    """What is done about it."""

    RETRY = "retry"
    TAKE_APART = "take_apart"
    SET_ASIDE = "set_aside"
    BEGIN_COUNTRY_ANEW = "begin_country_anew"
    BEGIN_ALL_ANEW = "begin_all_anew"


@dataclass(slots=True)
class Trouble:
    """The chunk at which the step has raised: offsets from `start` to before `end`, at the last try."""

    start: int
    end: int
    records_max: int
    tries: int = 0
    begun_anew: int = 0


class Troubles:
    """Where the step of one partition raises, and what is to be done at an offset.

    Attributes
    ----------
    annulled_from
        The source offset of a chunk in the log that can't be applied, or None if all can.
    """

    def __init__(self) -> None:
        self.annulled_from: int | None = None
        self._trouble: Trouble | None = None
        self._remedy = Remedy.RETRY
        self._remedy_at = -1

    def note(self, error: StepError) -> Remedy:
        """The step raised. Returns what is to be done about it."""
        start, end = error.start, error.end
        trouble = self._trouble
        if trouble is None or not trouble.start <= start < trouble.end:
            trouble = self._trouble = Trouble(start, end, end - start)
        trouble.tries += 1
        if trouble.tries == 1:
            return Remedy.RETRY
        # It may be in the log, or not: it was on its way there while it was applied.
        self.annulled_from = start
        self._remedy, self._remedy_at = self._choose(trouble, end - start, error.of_window), start
        return self._remedy

    @staticmethod
    def _choose(trouble: Trouble, offsets: int, of_window: bool) -> Remedy:
        # When all has been begun anew, whatever is left is a record's.
        if of_window and trouble.begun_anew < len(_ANEW):
            trouble.begun_anew += 1
            return _ANEW[trouble.begun_anew - 1]
        if trouble.records_max > 1:
            trouble.records_max = max(1, min(offsets, trouble.records_max) // _SHRINK)
            return Remedy.TAKE_APART
        return Remedy.SET_ASIDE

    def remedy_at(self, position: int) -> Remedy | None:
        """Return what is to be done before the chunk at this offset is applied, or None for nothing."""
        return self._remedy if position == self._remedy_at else None

    def records_max(self, position: int) -> int | None:
        """Return how many records the chunk at this offset may have, or None for no limit."""
        trouble = self._trouble
        if trouble is None or not trouble.start <= position < trouble.end or trouble.tries < 2:
            return None
        return trouble.records_max

    def done(self, remedy: Remedy) -> None:
        """The remedy is in the log."""
        if self._remedy is remedy:
            self._remedy, self._remedy_at = Remedy.RETRY, -1

    def passed(self, position: int) -> None:
        """Everything before this offset is applied."""
        if self._trouble is not None and position >= self._trouble.end:
            self._trouble = None
            self._remedy, self._remedy_at = Remedy.RETRY, -1


_ANEW: Final = (Remedy.BEGIN_COUNTRY_ANEW, Remedy.BEGIN_ALL_ANEW)


class Kept:
    """A chunk whose pieces are kept, to be gone through more than once."""

    def __init__(self, chunk: Pieces) -> None:
        self._pieces = list(chunk.pieces())

    def pieces(self) -> Iterator[Chunk]:
        """Return an iterator over the pieces. Each call begins anew."""
        return iter(self._pieces)


def to_blame(make: Callable[[], Machine[Any]], state: bytes, chunk: Kept) -> list[str] | None:
    """Return the countries without whose state a chunk can be applied, or None if that can't be told.

    Tried on copies: twice the logarithm of the number of countries, where one is to blame.
    """

    def applies_without(names: Sequence[str]) -> bool:
        machine: Any = make()
        machine.restore(state)
        try:
            machine.forget(names)
            machine.apply(machine.read(chunk))
        except Exception:  # whatever it is, it is what is looked for
            return False
        return True

    def narrow(suspects: list[str], others: list[str]) -> list[str]:
        if len(suspects) == 1:
            return suspects
        half = len(suspects) // 2
        first, second = suspects[:half], suspects[half:]
        if applies_without([*others, *first]):
            return narrow(first, others)
        if applies_without([*others, *second]):
            return narrow(second, others)
        some = narrow(first, [*others, *second])
        return some + narrow(second, [*others, *some])

    machine = make()
    machine.restore(state)
    keeper: object = machine
    names = sorted(keeper.countries()) if isinstance(keeper, Forgetting) else []
    if not names or not applies_without(names):
        return None
    return narrow(names, [])
