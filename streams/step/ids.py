"""Which ids of results were seen in a window: in compiled code that keeps their letters, or in Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING


class ListedIds:
    """Strings in the order in which they were added: `packed_ids.PackedIds` in Python.

    Parameters
    ----------
    ids
        Those that are there from the beginning, each as often as it stands there.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._all = list(ids)
        self._met = set(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __contains__(self, text: str) -> bool:
        return text in self._met

    def aslist(self) -> list[str]:
        """Return all of them, as strings."""
        return list(self._all)

    def add_new(self, ids: list[str]) -> bool:
        """Add these where none is there, and no two are alike; else add none. Says which."""
        before = len(self._met)
        self._met.update(ids)
        if len(self._met) < before + len(ids):
            self._met = set(self._all)
            return False
        self._all += ids
        return True

    def extend(self, ids: Iterable[str]) -> None:
        """Add these, whether they are there or not."""
        more = list(ids)
        self._all += more
        self._met.update(more)


if TYPE_CHECKING:
    Ids = ListedIds
else:
    try:
        from streams.step.packed_ids import PackedIds as Ids
    except ImportError:  # there was no C compiler when it was installed
        Ids = ListedIds
