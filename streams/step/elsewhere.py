"""What came lately from countries that other partitions watch, as the view over all countries says it.

It comes as notes, a window or two behind: one says of the windows about its own only. Without one, nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.columns.paths import WORD_WINDOWS
from detectors.readings import Arrived
from streams.records import Arrivals


class Elsewhere:
    """The notes on arrivals of the last few windows.

    Attributes
    ----------
    kept
        In the order of their windows, real and simulated; of a few windows only.
    """

    def __init__(self, window_seconds: int, kept: Sequence[Arrivals] = ()) -> None:
        self.kept = list(kept)
        self._seconds = window_seconds

    def heed(self, note: Arrivals) -> None:
        """Take a note in; what is not of about its time is let go."""
        start = note.start.timestamp()
        kept = [
            one
            for one in self.kept
            if (one.start, one.simulated) != (note.start, note.simulated)
            and abs(one.start.timestamp() - start) <= WORD_WINDOWS * self._seconds
        ]
        self.kept = sorted([*kept, note], key=lambda one: (one.start, one.simulated))

    def about(self, start: int) -> Mapping[tuple[str, bool], Arrived]:
        """What is known at the window that begins at `start`, by country and whether simulated."""
        ago = self.ago(start)
        return {
            (country, simulated): Arrived(*figures)
            for simulated, note in self._newest(start).items()
            if ago[simulated] <= WORD_WINDOWS
            for country, figures in note.countries.items()
        }

    def ago(self, start: int) -> Mapping[bool, int]:
        """How many windows before the one that begins at `start` the newest note's lies, by whether simulated."""
        return {
            simulated: int(start - note.start.timestamp()) // self._seconds
            for simulated, note in self._newest(start).items()
        }

    def _newest(self, start: int) -> Mapping[bool, Arrivals]:
        return {note.simulated: note for note in self.kept if note.start.timestamp() <= start}
