"""Rhythms that vantages promise before they have results.

A vantage that says that it is up, before it has results, is not known to the bank: its promise waits for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from detectors.single.binomial import DAY
from streams.step.rows import StatusRow
from streams.step.windows import in_order

#: So long the promise of a vantage without results so far is remembered, and of so many at a time.
_PROMISE_SECONDS: Final = DAY
_PROMISES_MAX: Final = 1000


class Promises:
    """The promises that wait, the oldest first.

    Parameters
    ----------
    kept
        Those that waited when the state was written.
    """

    def __init__(self, kept: Iterable[StatusRow] = ()) -> None:
        # By country, network and vantage.
        self._waiting = {_speaker(status): status for status in kept}

    @property
    def kept(self) -> list[StatusRow]:
        """All that has to be known to go on the same."""
        return list(self._waiting.values())

    def with_those_due(
        self, statuses: list[StatusRow], start: int, knows: Callable[[str, int, str], bool]
    ) -> list[StatusRow]:
        """What vantages say in the window that begins at `start`, after what those promised who have results by now.

        `knows` says whether the bank knows a vantage, by country, network and name.
        """
        waiting = self._waiting
        if not waiting and not statuses:
            return statuses
        due = [waiting.pop(speaker) for speaker in list(waiting) if knows(*speaker)]
        for status in in_order(statuses):
            speaker = _speaker(status)
            waiting.pop(speaker, None)
            if status.up and status.every_seconds > 0 and not knows(*speaker):
                waiting[speaker] = status
        oldest = (start - _PROMISE_SECONDS) * 1000
        for speaker in [speaker for speaker, status in waiting.items() if status.time_ms < oldest]:
            del waiting[speaker]
        for speaker in list(waiting)[: max(0, len(waiting) - _PROMISES_MAX)]:
            del waiting[speaker]
        return [*due, *statuses]


def _speaker(status: StatusRow) -> tuple[str, int, str]:
    """Who says something of itself."""
    return status.country, status.asn, status.vantage
