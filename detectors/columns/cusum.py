"""The cumulative sums of `single.binomial.Cusum`, for many series at once: networks, regions, countries.

One column a series, one row a size of drop. Knows nothing of baselines: evidence comes in, a statistic comes out.
"""

from __future__ import annotations

import numpy as np

from detectors.columns import compiled
from detectors.columns.table import NEVER, Bools, Field, Floats, Ints, Table, any_of, clipped
from detectors.single.binomial import RATIO_MAX, SUSPECT, Rules


class CusumColumns(Table):
    """Evidence of a fall and of health, added up for each series. Formulas: `binomial.Cusum`."""

    statistic: Floats
    probes: Floats
    short: Floats
    counted: Floats
    onset: Ints
    well: Floats
    open: Bools

    def __init__(self, rules: Rules) -> None:
        count = len(rules.settings.drops)
        self.fields = {  # type: ignore[misc]  # as many rows as there are drops to look for
            "statistic": Field(np.float64, 0.0, count),
            "probes": Field(np.float64, 0.0, count),
            "short": Field(np.float64, 0.0, count),
            "counted": Field(np.float64, 0.0, count),
            "onset": Field(np.int64, -1, count, folded=True),
            "well": Field(np.float64),
            "open": Field(np.bool_),
        }
        self.rules = rules
        super().__init__()

    def contrary_drop(self, usual: Floats, doubt: Floats | None = None) -> Floats:
        """Log odds under the usual that count as "not well" of each series; at most the `doubt` that others have."""
        if compiled.stages is not None:
            return np.asarray(compiled.stages.contrary(self, usual, doubt))
        drops = self.rules.settings.drops
        contrary = np.full(self.size, drops[len(drops) // 2])
        rows = self.open.nonzero()[0]
        if len(rows):
            best = np.argmax(self.statistic[:, rows], axis=0)
            probes = self.probes[best, rows]
            lost = np.divide(self.short[best, rows], probes, out=np.zeros(len(rows)), where=probes > 0.0)
            p = usual[rows]
            half = clipped(p - np.maximum(0.0, lost) / 2.0, 0.02, RATIO_MAX)
            contrary[rows] = np.maximum(drops[0], np.log(p / (1.0 - p)) - np.log(half / (1.0 - half)))
        return contrary if doubt is None else np.minimum(contrary, doubt)

    def step(
        self,
        evidence: Floats,
        healthy: Floats,
        *,
        n: Floats,
        short: Floats,
        cap: Floats,
        gate: Floats,
        fade: Floats,
        start: int,
    ) -> None:
        """Take one window in: `evidence` (drops, series) and `healthy` (series) in nats, all others by series."""
        settings = self.rules.settings
        value = self.statistic * fade
        value += np.minimum(evidence, cap)
        np.minimum(value, settings.statistic_max, out=value)
        value[value < 1e-9] = 0.0
        rising = value > 0.0
        started = rising & (self.statistic == 0.0)
        self.probes *= self.rules.ebb
        self.probes += n
        self.short *= self.rules.ebb
        self.short += short
        self.counted += n
        still = ~rising
        self.probes[still] = 0.0
        self.short[still] = 0.0
        self.counted[still] = 0.0
        self.onset[still] = NEVER
        self.onset[started] = ~start
        self.statistic[:] = value
        bound = settings.cap_nats
        self.well *= fade
        self.well += clipped(healthy, -bound, bound)
        self.well[:] = clipped(self.well, 0.0, settings.close_nats + 2.0)
        is_open = value.max(axis=0) > gate
        if any_of(is_open):
            self.well[is_open & ~self.open] = 0.0
            over = np.flatnonzero(is_open & (self.well >= settings.close_nats))
            if len(over):
                for column in (self.statistic, self.probes, self.short, self.counted):
                    column[:, over] = 0.0
                self.onset[:, over] = NEVER
                is_open[over] = False
        self.open[:] = is_open

    def is_void(self) -> bool:
        """Whether there is no evidence of anything: then nothing fades."""
        return not (self.statistic.any() or self.well.any())

    def rest(self, windows: int, gate: Floats, fade: Floats) -> None:
        """Let windows without results pass, where there is any evidence."""
        self.statistic *= fade**windows
        self.statistic[self.statistic < 1e-9] = 0.0
        ebb = self.rules.ebb**windows
        self.probes *= ebb
        self.short *= ebb
        still = self.statistic == 0.0
        for column in (self.probes, self.short, self.counted):
            column[still] = 0.0
        self.onset[still] = NEVER
        self.well *= fade**windows
        self.open &= self.statistic.max(axis=0) > gate

    def clear(self, rows: Ints) -> None:
        """Begin these series anew, with no evidence either way."""
        for column in (self.statistic, self.probes, self.short, self.counted):
            column[:, rows] = 0.0
        self.onset[:, rows] = NEVER
        self.well[rows] = 0.0
        self.open[rows] = False

    def top(self, gate: Floats, shortfall_min: Floats | float) -> Floats:
        """The most evidence of any drop; no more than the gate where the shortfall is too small to matter."""
        high = self.statistic > gate
        if not any_of(high):
            return np.asarray(self.statistic.max(axis=0))
        enough = self.short >= shortfall_min * self.probes
        return np.asarray(np.where(enough | ~high, self.statistic, gate).max(axis=0))

    def score(self, alarm: Floats, shortfall_min: Floats, bar: Floats) -> tuple[Floats, bool]:
        """How each series stands against `bar`, with half the alarm as its gate; and whether any reaches 1.0."""
        if compiled.stages is not None:
            highest: tuple[Floats, bool] = compiled.stages.top(self, alarm, shortfall_min, bar)
            return highest
        score = self.top(alarm / 2.0, shortfall_min) / bar
        return score, any_of(score >= 1.0)

    def deep(self, alarm: Floats) -> Bools:
        """Which series have lost so much, or seem to, that it must not become usual soon."""
        if compiled.stages is not None:
            return np.asarray(compiled.stages.deep(self, alarm))
        deep = np.zeros(self.size, dtype=np.bool_)
        rows = (self.open | (self.statistic.max(axis=0) > SUSPECT * alarm)).nonzero()[0]
        if len(rows):
            best, least = np.argmax(self.statistic[:, rows], axis=0), self.rules.settings.shortfall_deep
            least_of = np.where(self.open[rows], least, max(SUSPECT, least))
            deep[rows] = self.short[best, rows] >= least_of * self.probes[best, rows]
        return deep
