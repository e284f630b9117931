"""Who has a vote: a chunk is parted into the results of those who have one, and of strangers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.readings import MonitorKey
from producers.countries import CANARY
from streams.settings import TrustSettings
from streams.step.monitors import Monitors
from streams.step.rows import Rows, StatusRow, named, parted, without_results
from streams.step.speakers import Speakers


class Votes:
    """From when on the results of each monitor have a vote.

    Parameters
    ----------
    trust
        Whether only what is signed has one.
    speakers
        The register.
    monitors
        Those that were let in.
    """

    def __init__(self, trust: TrustSettings, speakers: Speakers, monitors: Monitors) -> None:
        self._signed = trust.policy == "signed"
        self._speakers = speakers
        self._monitors = monitors
        self._known: NDArray[np.int64] | None = None  # None: to be found out

    def forget(self) -> None:
        """The register has changed, or monitors have other numbers now."""
        self._known = None

    def since_ms(self) -> NDArray[np.int64]:
        """From which time on the results of each monitor that was let in have a vote: `Speakers.votes_from_ms`."""
        keys = self._monitors.known()
        known = 0 if self._known is None else len(self._known)
        if self._known is None or known != len(keys):
            new = np.array([self._speakers.votes_from_ms(key) for key in keys[known:]], dtype=np.int64)
            self._known = new if self._known is None else np.concatenate((self._known, new))
        return self._known

    def parted(self, rows: Rows) -> tuple[Rows, Rows]:
        """Part a chunk into what has a vote and what has none."""
        new = np.array([self._speakers.votes_from_ms(one) for one in rows.new_monitors], dtype=np.int64)
        since = np.concatenate((self.since_ms(), new[::-1]))[rows.monitor]
        mine = rows.time_ms >= since
        if self._signed:
            mine &= self._spoken(rows)
        statuses = [self._counts(one) for one in rows.statuses]
        if mine.all() and all(statuses):
            # The others take the time of it.
            return rows, without_results(rows)
        return parted(rows, mine, statuses, self._monitors.known())

    def _spoken(self, rows: Rows) -> NDArray[np.bool_]:
        """Which results their vantage signed; those of the canary's country need no signature."""
        spoken = rows.signed if len(rows.signed) else np.zeros(len(rows.monitor), dtype=np.bool_)
        if spoken.all():
            return spoken
        keys = self._monitors.known()
        unsigned = np.unique(rows.monitor[~spoken])
        names = [named(number, keys, rows.new_monitors) for number in unsigned.tolist()]
        exempt = unsigned[[name.country == CANARY for name in names]]
        return spoken | np.isin(rows.monitor, exempt)

    def _counts(self, status: StatusRow) -> bool:
        """Whether what a vantage says of itself counts. It is judged as a monitor of nothing."""
        speaker = MonitorKey("", status.country, status.region, status.asn, status.vantage, False)
        return status.time_ms >= self._speakers.votes_from_ms(speaker) and (
            not self._signed or status.signed or status.country == CANARY
        )
