"""River's detectors in the places of `SlowdownColumns` and `SilenceColumns`, where the settings name one.

What is usual, who is live and when a silence is over stay ours; what is unusual is the chosen detector's to say.
One Python object a series: slow, for those who compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import exp
from typing import Any, Final

import msgspec
import numpy as np

from detectors.columns.silence import SilenceColumns
from detectors.columns.slowdown import SlowdownColumns
from detectors.columns.table import NEVER, Floats, Ints, StoredColumn
from detectors.single.bank import from_plain, to_plain
from detectors.single.binomial import Rules
from detectors.single.chosen import ChosenDetector, check
from detectors.single.slowdown import LOOKED_FOR, VALUES_PER_RECENT

_KEY: Final = "chosen"


class _Objects:
    """One detector a series, made when it is first fed."""

    def __init__(self, path: str, parameters: Mapping[str, Any]) -> None:
        check(path, parameters)
        self.path, self.parameters = path, parameters
        self.mark = " ".join([path, *(f"{name}={value!r}" for name, value in sorted(parameters.items()))])
        self.detectors: dict[int, ChosenDetector] = {}

    def judge(self, series: int, value: float) -> float:
        """Score a value, then take it in. Drift detectors know a drift only by then."""
        detector = self.detectors.get(series)
        if detector is None:
            detector = self.detectors[series] = ChosenDetector(self.path, self.parameters)
        score = detector.score_one({"value": value})
        detector.learn_one({"value": value})
        return 1.0 if detector.drifted else score

    def store(self) -> StoredColumn:
        plain = [[series, to_plain(detector)] for series, detector in sorted(self.detectors.items())]
        return StoredColumn(self.mark, [len(plain)], msgspec.msgpack.encode(plain))

    def load(self, stored: StoredColumn | None) -> None:
        """Go on with what was stored.

        Where that is of another detector, or of another form than this release of River has, begin knowing nothing.
        """
        self.detectors = {}
        if stored is None or stored.dtype != self.mark:
            return
        try:
            plain = msgspec.msgpack.decode(stored.data)
        except msgspec.DecodeError as error:
            raise ValueError(f"damaged state of {self.path}: {error}") from error
        with suppress(ValueError):
            self.detectors = {series: from_plain(state) for series, state in plain}


class ChosenSlowdown(SlowdownColumns):
    """Times, judged by the detector that the settings name; only what is slower than usual counts."""

    plain = False

    def __init__(self, rules: Rules, path: str, parameters: Mapping[str, Any]) -> None:
        self._objects = _Objects(path, parameters)
        super().__init__(rules)

    @property
    def score(self) -> Floats:
        """How each series stands: 1.0 alarms."""
        return np.asarray(self.statistic / self.rules.settings.alarm_slowness)

    def store(self) -> dict[str, StoredColumn]:
        """The columns and the objects, as plain bytes."""
        return {**super().store(), _KEY: self._objects.store()}

    def load(self, stored: Mapping[str, StoredColumn]) -> None:
        """Become what `store` gave."""
        super().load({name: column for name, column in stored.items() if name != _KEY})
        self._objects.load(stored.get(_KEY))

    def _weigh(self, start: int, rows: Ints, excess: Floats, spread: Floats, most: Floats | None) -> None:
        alarm, close = self.rules.settings.alarm_slowness, self.rules.settings.close_nats
        usual = self.usual(start)[rows]
        keep = 0.5 ** (1.0 / VALUES_PER_RECENT)
        for row, over, expected in zip(rows.tolist(), excess.tolist(), usual.tolist(), strict=True):
            score = self._objects.judge(row, exp(expected + over))
            score = score if over > 0.0 else 0.0
            slower = self.recent[row] / self.recent_weight[row] > LOOKED_FOR / 2.0
            if score < 1.0 and self.open[row] and slower:
                score = 1.0  # a drift is told once; it lasts while the series is slower
            self.statistic[row] = alarm * min(score, 2.0)
            if score >= 1.0 and not self.open[row]:
                self.onset[row], self.well[row] = ~start, 0.0
            self.open[row] = score >= 1.0
            self.well[row] = 0.0 if score >= 1.0 else min(close + 2.0, self.well[row] * keep + 1.5)
            if score < 1.0:
                self.onset[row] = NEVER


class ChosenSilence(SilenceColumns):
    """Numbers of results, judged by the detector that the settings name; only fewer than usual counts."""

    plain = False

    def __init__(self, rules: Rules, path: str, parameters: Mapping[str, Any]) -> None:
        self._objects = _Objects(path, parameters)
        super().__init__(rules)

    def store(self) -> dict[str, StoredColumn]:
        """The columns and the objects, as plain bytes."""
        return {**super().store(), _KEY: self._objects.store()}

    def load(self, stored: Mapping[str, StoredColumn]) -> None:
        """Become what `store` gave."""
        super().load({name: column for name, column in stored.items() if name != _KEY})
        self._objects.load(stored.get(_KEY))

    def quiet_windows(self, start: int, country: Ints, countries: int) -> int:
        """None: a chosen detector is shown every window."""
        return 0

    def _judge(self, start: int, n: Floats, own: Floats) -> Floats:
        """Scores of the chosen detector: of networks that send less than half of the usual, else 0."""
        usual = self.usual(start)
        score = np.zeros(self.size)
        for network in np.flatnonzero(self.first >= 0).tolist():
            judged = self._objects.judge(network, float(n[network]))
            few = n[network] < 0.5 * usual[network]
            lasting = bool(self.dark[network])  # a drift is told once; it lasts until results are back
            score[network] = (max(judged, 1.0) if lasting else judged) if few else 0.0
        return score
