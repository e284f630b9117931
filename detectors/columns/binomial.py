"""`single.binomial.BinomialCusum` for many networks at once, and the sums of their evidence over regions and countries.

Equal to the plain one to 1e-9. Everything is whole-column arithmetic: there is no loop over series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final, NamedTuple

import numpy as np

from detectors.columns import compiled
from detectors.columns.contrast import FADE_SECONDS, FAIR_RESULTS
from detectors.columns.cusum import CusumColumns
from detectors.columns.monitors import Mix, Reports
from detectors.columns.table import (
    Bools,
    Field,
    Floats,
    Folded,
    Halves,
    Ints,
    Singles,
    StoredColumn,
    Table,
    Tiny,
    any_of,
    clipped,
    folded,
    load_column,
    unfolded,
)
from detectors.localtime import SLOTS, slot, slot_of
from detectors.single.binomial import (
    DAY,
    DISPERSION_MAX,
    DISPERSION_STEP_MIN,
    HOUR,
    HOUR_RESULTS,
    MINUTE,
    PRESENCE_DENSE,
    PRESENCE_SPARSE,
    PRIOR_BAD,
    PRIOR_GOOD,
    RATIO_MAX,
    RATIO_MIN,
    RESULTS_PER_RECENT,
    VARIANCE_MIN,
    WANDER_FIRST,
    WANDER_RESULTS,
    Rules,
    block_ends,
    put_away,
)

#: No zone is ahead by a part of a quarter of an hour.
_QUARTER: Final = 900
_QUARTERS_KEPT: Final = 8
#: A series is as seldom heard after so many days of silence as it gets.
AGED_DAYS_MAX: Final = 20
#: Windows without results are passed over by half hours at most: blocks end there, and hours turn.
IDLE_SECONDS: Final = 1800
#: A fall of the log odds smaller than this says nothing against a ratio that was guessed.
GUESSED_DROP: Final = 2.0


def evidence_columns(drop: Floats | float, usual: Floats, k: Floats, n: Floats) -> Floats:
    """`binomial.evidence_of`, by columns."""
    return np.asarray(-drop * k - n * np.log1p(usual * (np.exp(-drop) - 1.0)))


def alarm_columns(rules: Rules, dense: float, sparse: float, presence: Floats) -> Floats:
    """`Rules.alarm`, by columns."""
    return np.asarray(sparse + (dense - sparse) * density_columns(rules, presence))


def density_columns(rules: Rules, presence: Floats) -> Floats:
    """`Rules.density`, by columns."""
    minutes = presence * MINUTE / rules.window
    share = np.log(minutes / PRESENCE_SPARSE) / np.log(PRESENCE_DENSE / PRESENCE_SPARSE)
    return clipped(share, 0.0, 1.0)


class Lent(NamedTuple):
    """What is usual of others, lent to networks that are hardly known themselves.

    `ratio` is the usual one, `results` those on which it rests (0 where nothing is lent). `guessed` marks networks of
    which nothing is known at all: their ratio is a guess.
    """

    ratio: Floats
    results: Floats
    guessed: Bools


class Presence(Table):
    """In which share of its windows each series has results, and when it last had."""

    present: Floats
    exposed: Floats
    first: Ints
    last: Ints
    fields = {  # noqa: RUF012  a table's columns are declared once
        "present": Field(np.float64, 1.0),
        "exposed": Field(np.float64, 2.0),
        "first": Field(np.int64, -1),
        "last": Field(np.int64, -1),
    }

    def __init__(self, rules: Rules, alarm: float, half_seconds: float) -> None:
        self.rules, self.dense, self.half_seconds = rules, alarm, half_seconds
        super().__init__()

    def grow(self, size: int) -> None:
        """Grow the tables to `size` series."""
        super().grow(size)
        self._held: tuple[Floats, Floats] | None = None

    def load(self, stored: Mapping[str, StoredColumn]) -> None:
        """Become what `store` gave."""
        super().load(stored)
        self._held = None

    @property
    def share(self) -> Floats:
        """In which share of its windows each has results."""
        return np.asarray(self.present / self.exposed)

    @property
    def alarm(self) -> Floats:
        """Evidence that scores 1.0."""
        return self._worked_out()[0]

    @property
    def fade(self) -> Floats:
        """What is left of evidence after a window: `Rules.fade_of`."""
        return self._worked_out()[1]

    def _worked_out(self) -> tuple[Floats, Floats]:
        """Alarm and fade, worked out once a window."""
        if self._held is None and compiled.stages is not None:
            self._held = compiled.stages.alarm_and_fade(self)
        if self._held is None:
            rules, share = self.rules, self.share
            sparse = rules.settings.fade_sparse_seconds
            half = sparse * (self.half_seconds / sparse) ** density_columns(rules, share)
            alarm = alarm_columns(rules, self.dense, rules.settings.alarm_sparse, share)
            self._held = alarm, 0.5 ** (rules.window / half)
        return self._held

    def waited(self, start: int, window: int) -> Floats:
        """Return the windows since the last results, 1 if there were none yet."""
        return np.asarray(np.where(self.last >= 0, (start - self.last) / window, 1.0))

    def see(self, there: Bools, start: int) -> None:
        """Note which series have results in this window."""
        self.first[there & (self.first < 0)] = start
        self.last[there] = start

    def rest(self, keep: float, windows: int) -> None:
        """Let windows without results pass."""
        known, left = self.first >= 0, keep**windows
        np.multiply(self.present, left, out=self.present, where=known)
        np.copyto(self.exposed, self.exposed * left + (1.0 - left) / (1.0 - keep), where=known)
        self._held = None

    def age(self, there: Bools, keep: float) -> None:
        """Let a window pass."""
        known = self.first >= 0
        np.multiply(self.present, keep, out=self.present, where=known)
        np.multiply(self.exposed, keep, out=self.exposed, where=known)
        self.present += there & known
        self.exposed += known
        self._held = None


def rest_both(presence: Presence, cusum: CusumColumns, windows: int, fair: Floats | None = None) -> None:
    """Let windows without results pass. How fast evidence fades changes meanwhile: the middle counts."""
    if compiled.stages is not None:
        compiled.stages.rest_both(
            presence, cusum, windows, fair, 0.5 ** (presence.rules.window / FADE_SECONDS)
        )
        return
    if cusum.is_void():
        presence.rest(presence.rules.day_keep, windows)
        return
    before = presence.fade
    presence.rest(presence.rules.day_keep, windows)
    fade = fair_fade(np.sqrt(before * presence.fade), fair, presence.rules.window)
    cusum.rest(windows, presence.alarm / 2.0, fade)


def fair_fade(fade: Floats, fair: Floats | None, window: int) -> Floats:
    """What is left of evidence after a window, where the evidence of contrasts fades slowly."""
    return fade if fair is None else np.where(fair > 0.0, 0.5 ** (window / FADE_SECONDS), fade)


#: Slots of the day are put away as roots. Most series do not know most of them for days.
_GOOD_ROOT: Final = Field(np.float16, sqrt(PRIOR_GOOD), SLOTS, folded=True)
_BAD_ROOT: Final = Field(np.float16, sqrt(PRIOR_BAD), SLOTS, folded=True)


def _squares(roots: Folded, spec: Field) -> Floats:
    """What was put away as roots."""
    return np.asarray(unfolded(roots, spec).astype(np.float64) ** 2)


class _Baselines(Table):
    """What is usual for each network, and how far it scatters. Slots not in use are put away as roots."""

    good_global: Floats
    bad_global: Floats
    level: Floats
    level_probes: Floats
    dispersion: Floats
    blocks: Floats
    block_short: Floats
    block_variance: Floats
    wander_short: Floats
    wander_variance: Floats
    wander_probes: Floats
    wander_sum: Floats
    wander_weight: Floats
    recent_good: Floats
    recent_probes: Floats
    held: Ints
    good_root: Folded
    bad_root: Folded
    good: Singles
    bad: Singles
    slot: Tiny
    waiting_good: Singles
    waiting_probes: Singles
    waiting_usual: Singles
    waiting_shift: Halves

    def __init__(self, lag: int) -> None:
        zero = Field(np.float64)
        self.fields = {  # type: ignore[misc]  # as many rows as windows wait to be learned
            "good_global": Field(np.float64, PRIOR_GOOD),
            "bad_global": Field(np.float64, PRIOR_BAD),
            "level": zero,
            "level_probes": zero,
            "dispersion": Field(np.float64, 1.0),
            "blocks": zero,
            "block_short": zero,
            "block_variance": zero,
            "wander_short": zero,
            "wander_variance": zero,
            "wander_probes": zero,
            "wander_sum": Field(np.float64, WANDER_RESULTS * WANDER_FIRST**2),
            "wander_weight": Field(np.float64, WANDER_RESULTS),
            "recent_good": zero,
            "recent_probes": zero,
            "held": Field(np.int64, -1),
            "good_root": _GOOD_ROOT,
            "bad_root": _BAD_ROOT,
            "good": Field(np.float32, put_away(PRIOR_GOOD)),
            "bad": Field(np.float32, put_away(PRIOR_BAD)),
            "slot": Field(np.int8, -1),
            "waiting_good": Field(np.float32, 0.0, lag),
            "waiting_probes": Field(np.float32, 0.0, lag),
            "waiting_usual": Field(np.float32, 0.0, lag),
            "waiting_shift": Field(np.float16, 0.0, lag),
        }
        super().__init__()

    def grow(self, size: int) -> None:
        """Grow the tables to `size` series."""
        super().grow(size)
        self._turned: Tiny | None = None  # the slots turned to last

    def of(self, slots: Tiny) -> tuple[Floats, Floats]:
        """Successes and failures of the slot of each network."""
        good, bad = self.good.astype(np.float64), self.bad.astype(np.float64)
        rows = (slots != self.slot).nonzero()[0]
        if len(rows):
            there = slots[rows]
            good[rows] = _squares(self.good_root[there, rows], _GOOD_ROOT)
            bad[rows] = _squares(self.bad_root[there, rows], _BAD_ROOT)
        return good, bad

    def scale(self, rows: Ints, factor: Floats) -> None:
        """Have these succeed `factor` times as often at every hour, and forget what was but for a while."""
        for good, bad in ((self.good, self.bad), (self.good_global, self.bad_global)):
            lost = good[rows] * (1.0 - factor)
            good[rows] -= lost
            bad[rows] += lost
        good = _squares(self.good_root[:, rows], _GOOD_ROOT)
        bad = _squares(self.bad_root[:, rows], _BAD_ROOT)
        self.good_root[:, rows] = folded(np.sqrt(good * factor), _GOOD_ROOT)
        self.bad_root[:, rows] = folded(np.sqrt(bad + good * (1.0 - factor)), _BAD_ROOT)
        self.level[rows] = 0.0

    def add(self, rows: Ints, slots: Tiny, good: float, bad: float) -> None:
        """Count so many successes and failures in one slot of each of these networks."""
        used = self.slot[rows] == slots
        now = rows[used]
        self.good[now] += good
        self.bad[now] += bad
        away, there = rows[~used], slots[~used]
        for roots, spec, more in (
            (self.good_root, _GOOD_ROOT, good),
            (self.bad_root, _BAD_ROOT, bad),
        ):
            roots[there, away] = folded(np.sqrt(_squares(roots[there, away], spec) + more), spec)

    def turn(self, slots: Tiny) -> None:
        """Have these slots in use, and put those away that were."""
        if slots is self._turned:
            return
        self._turned = slots
        rows = (slots != self.slot).nonzero()[0]
        if not len(rows):
            return
        good, bad = self.of(slots)
        away = rows[self.slot[rows] >= 0]
        before = self.slot[away]
        self.good_root[before, away] = folded(np.sqrt(self.good[away].astype(np.float64)), _GOOD_ROOT)
        self.bad_root[before, away] = folded(np.sqrt(self.bad[away].astype(np.float64)), _BAD_ROOT)
        self.good[rows], self.bad[rows], self.slot[rows] = good[rows], bad[rows], slots[rows]

    def load(self, stored: Mapping[str, StoredColumn]) -> None:
        """Become what `store` of this or an earlier release gave. Raises ValueError where a column is damaged."""
        super().load(stored)
        self._turned = None
        if "slot" not in stored and "now" in stored:  # written when all networks were in one slot
            self.slot[:] = load_column(stored["now"], np.int64, [1], "_Baselines.now")[0]


class BinomialColumns:
    """Every network's success ratio against its own usual.

    Each window goes first to `weigh`, which judges it and returns its evidence, to be pooled over networks. Then it
    goes to `learn`, which makes what is old enough usual, slowly where it is told to.

    Attributes
    ----------
    drops
        Falls of the log odds that are looked for, one a row; ascending.
    small
        How many of them are too small to be seen against a guess.
    usual
        The ratio expected of each network in the window that was weighed last, given which monitors reported.
    own
        The same by each network's own usual, whoever reports.
    gain
        How much of the window that was learned last became usual.
    fair
        What is expected of each network whose results bring a control of their own, 0 of any other
        (`contrast`); None: of no network.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.base = _Baselines(rules.lag)
        settings = rules.settings
        self.presence = Presence(rules, settings.alarm_network, settings.fade_network_seconds)
        self.cusum = CusumColumns(rules)
        self.drops = np.array(settings.drops)[:, None]
        self.small = int((self.drops < GUESSED_DROP).sum())
        self.usual: Floats = np.empty(0)
        self.own: Floats = np.empty(0)
        self.gain: Floats = np.empty(0)
        self._countries: Sequence[str] = ()
        self._place: Ints = np.empty(0, dtype=np.int64)
        self._slots: dict[int, Tiny] = {}
        self._by_country: dict[int, Tiny] = {}  # slots of the countries, by quarter of an hour
        self.fair: Floats | None = None
        self._unguessed: Floats | None = None
        self._guessed: Bools = np.empty(0, dtype=np.bool_)

    @property
    def size(self) -> int:
        """Number of networks."""
        return self.base.size

    def settle_in(self, countries: Sequence[str], place: Ints) -> None:
        """Learn by the clocks of these countries; `place` is the country of each network. Without, all live by UTC."""
        if self._countries != countries:
            self._by_country = {}
        self._countries, self._place, self._slots = countries, place, {}

    def slots(self, start: int) -> Tiny:
        """In which slot of its week each network is."""
        quarter = start // _QUARTER
        slots = self._slots.get(quarter)
        if slots is None or len(slots) != self.size:
            if len(self._place) == self.size:
                if (by_country := self._by_country.get(quarter)) is None:
                    if len(self._by_country) > _QUARTERS_KEPT:
                        self._by_country = {}
                    clocks = [slot(country, quarter * _QUARTER) for country in self._countries]
                    by_country = self._by_country[quarter] = np.array(clocks, dtype=np.int8)
                slots = by_country[self._place]
            else:
                slots = np.full(self.size, slot_of(start), dtype=np.int8)
            if len(self._slots) > _QUARTERS_KEPT:
                self._slots = {}
            self._slots[quarter] = slots
        return slots

    def grow(self, size: int) -> None:
        """Grow the tables to `size` networks."""
        for table in (self.base, self.presence, self.cusum):
            table.grow(size)

    @property
    def alarm(self) -> Floats:
        """Evidence that scores 1.0."""
        return self.presence.alarm

    @property
    def shortfall_min(self) -> Floats:
        """The least loss that is more than a network's wandering."""
        settings = self.rules.settings
        wander = np.sqrt(np.maximum(0.0, self.base.wander_sum) / self.base.wander_weight)
        return np.maximum(settings.shortfall_min, settings.wander_factor * wander)

    @property
    def score(self) -> Floats:
        """How each network stands: 1.0 alarms."""
        alarm = self.alarm
        return np.asarray(self.cusum.top(alarm / 2.0, self.shortfall_min) / alarm)

    def expect(self, start: int) -> Floats:
        """The ratio expected of each network in a window."""
        base, prior = self.base, self.rules.settings.prior_probes
        if compiled.stages is not None:
            return np.asarray(compiled.stages.expect(base, self.slots(start), prior))
        overall = base.good_global / (base.good_global + base.bad_global)
        good, bad = base.of(self.slots(start))
        hourly = (good + prior * overall) / (good + bad + prior)
        return clipped(hourly + self._offset(), RATIO_MIN, RATIO_MAX)

    def anticipate(self, start: int, lent: Lent | None = None) -> Floats:
        """`expect`, where networks that are hardly known count as what is lent to them."""
        usual = self.expect(start)
        guessed = lent is not None and any_of(lent.guessed)
        self._unguessed = usual.copy() if guessed or self.fair is not None else None
        if lent is not None:
            cold = ~self.warm(start) & (lent.results > 0.0)
            usual[cold] = np.minimum(usual, lent.ratio)[cold]
        return self._fairly(usual)

    def _fairly(self, usual: Floats) -> Floats:
        """What is expected, where contrasts have a fair ratio: neither their past nor a lucky month moves that."""
        return usual if self.fair is None else np.where(self.fair > 0.0, self.fair, usual)

    def unguessed(self, base: Floats) -> Floats:
        """What `anticipate` gave last by what was learned alone: had nothing been guessed, nor a contrast been fair."""
        return base if self._unguessed is None else self._unguessed

    def waiting(self, start: int, rows: Ints) -> Floats:
        """What waits to be learned of some networks, the window `start` last: (rows, windows, k and n and usual)."""
        lag, base = self.rules.lag, self.base
        order = (start // self.rules.window + 1 + np.arange(lag)) % lag
        columns = (base.waiting_good, base.waiting_probes, base.waiting_usual)
        return np.stack([column[np.ix_(order, rows)].T for column in columns], axis=2).astype(np.float64)

    def last_window(self, start: int) -> tuple[Floats, Floats]:
        """Successes and probes of each network in the window `start`, the last one that was taken in."""
        place = start // self.rules.window % self.rules.lag
        good, probes = self.base.waiting_good[place], self.base.waiting_probes[place]
        return good.astype(np.float64), probes.astype(np.float64)

    def usual_lately(self, start: int) -> Floats:
        """The ratio expected of each network in the window `start`, the last one that was taken in."""
        shift = self.base.waiting_shift[start // self.rules.window % self.rules.lag]
        return self._fairly(clipped(self.expect(start) + shift, 0.0, RATIO_MAX))

    def learned(self) -> Floats:
        """Results on which each baseline rests, those of long ago counted less."""
        return np.asarray(self.base.good_global + self.base.bad_global - PRIOR_GOOD - PRIOR_BAD)

    def warm(self, start: int) -> Bools:
        """Which networks are known well enough to be judged."""
        if compiled.stages is not None:
            known = np.asarray(compiled.stages.warm(self, start))
        else:
            settings, first = self.rules.settings, self.presence.first
            old = (first >= 0) & (start - first >= settings.warm_seconds)
            known = old & (self.learned() >= settings.warm_results)
        return known if self.fair is None else known | (self.fair > 0.0)

    def weigh(
        self,
        start: int,
        k: Floats,
        n: Floats,
        doubt: Floats | None = None,
        lent: Lent | None = None,
        mix: Mix | None = None,
        warm: Bools | None = None,
    ) -> tuple[Floats, Floats]:
        """Judge one window: k successes among n probes of each network.

        `doubt` is the fall of log odds in which each network's country is, infinite where it is in none: a network
        is well only if it shows that it has no part in it. `lent` is for networks that are hardly known. `mix` is
        what `anticipate` and the monitors that reported come to. `warm` is what `warm` gives, where that is known.

        Returns
        -------
        Log-likelihood ratios, in nats: (drops, networks); and by what each network's were divided.
        """
        settings = self.rules.settings
        self.own = self.anticipate(start, lent) if mix is None else mix.base
        usual = self.usual = self.own if mix is None else mix.usual
        self._guessed = np.zeros(self.size, dtype=np.bool_) if lent is None else lent.guessed
        if self.fair is not None:
            self._guessed = self._guessed | (self.fair > 0.0)
        known, rest = self.warm(start) if warm is None else warm, self.learned()
        if self.fair is not None:
            rest = np.where(self.fair > 0.0, np.maximum(rest, FAIR_RESULTS), rest)
        if lent is not None:
            cold = ~known & (lent.results > 0.0)
            rest = np.where(cold, lent.results, rest)
            known = known | cold
        evidence, healthy, scales, judged = self._evidence(k, n, known, rest, doubt)
        if judged:
            if mix is not None and len(mix.cells) and compiled.stages is not None:
                compiled.stages.weigh_mixed(self, mix, known, doubt, evidence, healthy)
            elif mix is not None and len(mix.cells):
                contrary = self.cusum.contrary_drop(usual, doubt)[mix.cells]
                evidence[:, mix.cells] = mix.evidence(self.drops) * known[mix.cells]
                healthy[mix.cells] = -mix.evidence(contrary[mix.place]) * known[mix.cells]
            self.bound(evidence, None if lent is None else lent.guessed)
            evidence /= scales
            healthy /= scales
        if compiled.stages is not None and self.fair is None:
            compiled.stages.step_networks(self, start, evidence, healthy, k, n)
            return evidence, scales
        self.cusum.step(
            evidence,
            healthy,
            n=n,
            short=n * usual - k,
            cap=settings.cap_nats * np.minimum(2.0, self.presence.waited(start, self.rules.window)),
            gate=self.alarm / 2.0,
            fade=fair_fade(self.presence.fade, self.fair, self.rules.window),
            start=start,
        )
        return evidence, scales

    def _evidence(
        self, k: Floats, n: Floats, known: Bools, rest: Floats, doubt: Floats | None
    ) -> tuple[Floats, Floats, Floats, bool]:
        """What a window says of networks that are `known` by so many results as `rest`, not divided by its scales.

        Returns the evidence of each drop, that of health, the scales, and whether any network is judged.
        """
        if compiled.stages is not None:
            weighed: tuple[Floats, Floats, Floats, bool] = compiled.stages.weigh(
                self, k, n, self.usual, known, rest, doubt
            )
            return weighed
        evidence = np.zeros((len(self.drops), self.size))
        scales = np.ones(self.size)
        healthy = np.zeros(self.size)
        rows = ((n > 0.0) & known).nonzero()[0]
        if len(rows):
            learned = np.maximum(1.0, rest[rows])
            p, some, all_ = self.usual[rows], k[rows], n[rows]
            scales[rows] = self.base.dispersion[rows] * (1.0 + (self.cusum.probes[0, rows] + all_) / learned)
            contrary = self.cusum.contrary_drop(self.usual, doubt)
            evidence[:, rows] = evidence_columns(self.drops, p, some, all_)
            healthy[rows] = -evidence_columns(contrary[rows], p, some, all_)
        return evidence, healthy, scales, len(rows) > 0

    def expect_fairly(self, reports: Reports, base: Floats) -> None:
        """Have monitors that bring a control of their own be of no other kind than their network."""
        if self.fair is not None:
            reports.ratio = np.where(self.fair[reports.cell] > 0.0, base[reports.cell], reports.ratio)

    def bound(self, evidence: Floats, guessed: Bools | None, cells: Ints | slice = slice(None)) -> None:
        """Leave out of some cells' evidence what speaks for a small fall, where the usual one is no more than assumed.

        Of a guess, because that may be wrong. Of contrasts, because a network of which some lines are throttled, and
        most are not, is not throttled.
        """
        if guessed is not None:
            small = evidence[: self.small]
            some = guessed[cells]
            small[:, some] = np.minimum(small[:, some], 0.0)
        if self.fair is not None:
            some = self.fair[cells] > 0.0
            evidence[:-1, some] = np.minimum(evidence[:-1, some], 0.0)

    def learn(self, start: int, k: Floats, n: Floats, slow: Bools, held: Bools | None = None) -> None:
        """Let the window pass: it waits, and one that has waited long enough becomes usual.

        `slow` marks networks whose country is in an excursion, beside those that are in one themselves; `held` those
        that belong to an open incident, of which nothing becomes usual.
        """
        base, rules = self.base, self.rules
        if compiled.stages is not None and self._unguessed is None:
            then = start - rules.lag * rules.window
            base.turn(self.slots(then))
            compiled.stages.learn(self, start, k, n, slow, held)
            self._end_blocks(then, None)
            return
        if held is not None:
            base.held[held] = start
        there = n > 0.0
        self.presence.see(there, start)
        rows = there.nonzero()[0]
        if len(rows):
            keep = np.exp2(n[rows] / -RESULTS_PER_RECENT)
            base.recent_good[rows] = base.recent_good[rows] * keep + k[rows]
            base.recent_probes[rows] = base.recent_probes[rows] * keep + n[rows]
        place = start // rules.window % rules.lag
        k_then, n_then, usual_then = self._waited(place)
        base.waiting_good[place], base.waiting_probes[place] = k, n
        base.waiting_usual[place] = self.usual
        base.waiting_shift[place] = self.usual - self.own
        if self._unguessed is not None:
            # A guess teaches nothing: what is learned is learned against what was expected without it.
            base.waiting_usual[place] = np.where(self._guessed, self._unguessed, self.usual)
            base.waiting_shift[place, self._guessed] = 0.0
        then = start - rules.lag * rules.window
        self._learn(then, k_then, n_then, usual_then, slow | self.cusum.deep(self.alarm))
        self.presence.age(there, rules.day_keep)

    def rest(self, start: int, windows: int, slow: Bools, held: Bools | None = None) -> None:
        """Let `windows` windows without results pass, from `start` on. What waits is learned."""
        base, rules = self.base, self.rules
        if held is not None:
            base.held[held] = start + (windows - 1) * rules.window
        slow = slow | self.cusum.deep(self.alarm)
        then = start - rules.lag * rules.window
        end = then + windows * rules.window
        waits = np.zeros(rules.lag, dtype=np.bool_)
        for place in range(then // rules.window, then // rules.window + min(windows, rules.lag)):
            waits[place % rules.lag] = base.waiting_probes[place % rules.lag].any()
        passed = 0
        while then < end:
            if passed < rules.lag and waits[place := then // rules.window % rules.lag]:
                self._learn_waited(then, place, slow)
                run = 1
            else:
                run = self._idle_run(then, end, passed, waits)
                self._idle(then, run, slow)
            then += run * rules.window
            passed += run
        gone = (start // rules.window + np.arange(min(windows, rules.lag))) % rules.lag
        for column in (base.waiting_good, base.waiting_probes, base.waiting_shift):
            column[gone] = 0.0
        base.waiting_usual[gone] = self.expect(start + (windows - 1) * rules.window)
        rest_both(self.presence, self.cusum, windows, self.fair)

    def rest_for_days(self, windows: int, held: Bools | None = None) -> None:
        """Let whole days without results pass, of which nothing waits any more."""
        base, rules = self.base, self.rules
        learns = self.presence.first >= 0
        if held is not None:
            learns &= ~held
        ages = np.where(learns, 1.0, 0.0)
        keep = (1.0 - ages * rules.global_decay) ** windows
        base.good_global *= keep
        base.bad_global *= keep
        keep = np.where(learns, rules.level_keep**windows, 1.0)
        base.level *= keep
        base.level_probes *= keep
        week = np.bincount([slot_of(hour * HOUR) for hour in range(7 * 24)], minlength=SLOTS)
        for each, share in enumerate((week / week.sum()).tolist()):
            root = (1.0 - ages * rules.slot_decay) ** (windows * share / 2.0)
            for roots, spec in ((base.good_root, _GOOD_ROOT), (base.bad_root, _BAD_ROOT)):
                roots[each] = folded(unfolded(roots[each], spec) * root, spec)
            now = base.slot == each
            base.good[now] *= (root**2)[now]
            base.bad[now] *= (root**2)[now]
        blocks = windows * rules.window / rules.settings.wander_block_seconds
        keep = np.where(learns, 0.5 ** (windows * rules.window / rules.settings.global_half_seconds), 1.0)
        base.wander_sum *= keep
        base.wander_weight[:] = base.wander_weight * keep + WANDER_RESULTS * (1.0 - keep) * (blocks >= 1.0)
        rest_both(self.presence, self.cusum, min(windows, AGED_DAYS_MAX * DAY // rules.window), self.fair)

    def _idle_run(self, then: int, end: int, passed: int, waits: Bools) -> int:
        """For how many windows nothing waits, within a half hour."""
        rules = self.rules
        half_hour = then - then % IDLE_SECONDS + IDLE_SECONDS
        run = max(1, -(-(min(end, half_hour) - then) // rules.window))
        for i in range(1, min(run, rules.lag - passed)):
            if waits[(then // rules.window + i) % rules.lag]:
                return i
        return run

    def _idle(self, start: int, windows: int, slow: Bools) -> None:
        """`_learn`, of so many windows of one hour without results."""
        rules, base = self.rules, self.base
        slots = self.slots(start)
        base.turn(slots)
        if compiled.stages is not None:
            compiled.stages.idle(self, start, windows, slow)
        else:
            gain, _, frozen = self._gain(start, slow)
            good, bad = base.of(slots)
            mass = good + bad
            hourly = np.where(slow, gain * (mass / (mass + HOUR_RESULTS)), gain)
            keep = (1.0 - hourly * rules.slot_decay) ** windows
            base.good[:], base.bad[:] = good * keep, bad * keep
            keep = (1.0 - gain * rules.global_decay) ** windows
            base.good_global *= keep
            base.bad_global *= keep
            keep = np.where(slow, rules.level_keep_slow, rules.level_keep) ** windows
            keep[frozen] = 1.0
            base.level *= keep
            base.level_probes *= keep
        last = start + (windows - 1) * rules.window
        if block_ends(last + rules.window, rules.settings.dispersion_block_seconds, rules.window):
            self._end_blocks(last, (self.presence.first >= 0) & (base.held < start))

    def settle(self, start: int, rows: Ints, ratio: Floats) -> None:
        """Have these networks' usual be `ratio` from here on, and as much less at every other hour.

        Their losses are over, at another level.
        """
        # Who reported last is who reports now.
        shift = self.base.waiting_shift[(start // self.rules.window - 1) % self.rules.lag, rows]
        usual = clipped(self.expect(start)[rows] + shift, RATIO_MIN, RATIO_MAX)
        self.base.scale(rows, np.minimum(1.0, ratio / usual))

    def pass_hours(self, rows: Ints, since: int, until: int, ratio: float, an_hour: float) -> None:
        """Make it usual of the hours from `since` to `until`, of their weekday, that results succeed so often.

        Their loss was small and is over. Every other hour's usual stays as it is.
        """
        for moment in range(since, until, HOUR):
            self.base.add(rows, self.slots(moment)[rows], ratio * an_hour, (1.0 - ratio) * an_hour)

    def _offset(self) -> Floats:
        return self.base.level / (self.base.level_probes + self.rules.settings.prior_probes)

    def _waited(self, place: int) -> tuple[Floats, Floats, Floats]:
        """Successes, probes and usual ratio of a window that waits, as the network's own kind of monitor has them."""
        base = self.base
        columns = (base.waiting_good, base.waiting_probes, base.waiting_usual)
        k, n, usual = (column[place].astype(np.float64) for column in columns)
        if base.waiting_shift[place].any():
            shift = base.waiting_shift[place].astype(np.float64)
            k, usual = clipped(k - n * shift, 0.0, n), usual - shift
        return k, n, usual

    def _gain(self, start: int, slow: Bools) -> tuple[Floats, Bools, Bools]:
        """How much of a window that has waited is learned; of which networks anything is; which are frozen."""
        # A network that has not reported yet does not age: when it was told of is nobody's business.
        seen = self.presence.first >= 0
        gain = np.where(slow, self.rules.settings.learn_slow, 1.0) * seen
        # What waited while an incident was open is no usual time, whether or not the incident is over by now.
        frozen = self.base.held >= start
        gain[frozen] = 0.0
        self.gain = gain
        return gain, seen & ~frozen, frozen

    def _learn_waited(self, start: int, place: int, slow: Bools) -> None:
        """Learn the window that waits at `place`, and began at `start`."""
        if compiled.stages is None:
            self._learn(start, *self._waited(place), slow)
            return
        self.base.turn(self.slots(start))
        compiled.stages.learn_waited(self, start, place, slow)
        self._end_blocks(start, None)

    def _learn(self, start: int, k: Floats, n: Floats, usual: Floats, slow: Bools) -> None:
        rules, base = self.rules, self.base
        gain, seen, frozen = self._gain(start, slow)
        some, failed, all_ = gain * k, gain * (n - k), gain * n
        slots = self.slots(start)
        base.turn(slots)
        good, bad = base.of(slots)
        mass = good + bad
        hourly = np.where(slow, gain * (mass / (mass + HOUR_RESULTS)), gain)
        keep = 1.0 - hourly * rules.slot_decay
        base.good[:] = (good + hourly * k) * keep
        base.bad[:] = (bad + hourly * (n - k)) * keep
        keep = 1.0 - gain * rules.global_decay
        base.good_global[:] = base.good_global * keep + some
        base.bad_global[:] = base.bad_global * keep + failed
        offset = self._offset()
        keep = np.where(slow, rules.level_keep_slow, rules.level_keep)
        keep[frozen] = 1.0
        calm = ~(slow | frozen)
        base.level[:] = base.level * keep + gain * (k - n * (usual - offset))
        base.level_probes[:] = base.level_probes * keep + all_
        self._scatter(start, k - n * usual, n * usual * (1.0 - usual), n, gain, calm, seen)

    def _scatter(
        self,
        start: int,
        residual: Floats,
        variance: Floats,
        n: Floats,
        gain: Floats,
        calm: Bools,
        learns: Bools,
    ) -> None:
        base = self.base
        base.block_short += residual * calm
        base.block_variance += variance * calm
        base.wander_short += gain * residual
        base.wander_variance += gain * variance
        base.wander_probes += gain * n
        self._end_blocks(start, learns)

    def _end_blocks(self, start: int, learns: Bools | None) -> None:
        """Learn how far results scatter, when a block of time is over with the window that begins at `start`.

        `learns` marks networks of which anything is learned; None: it is to be found out.
        """
        base, settings, window = self.base, self.rules.settings, self.rules.window
        if block_ends(start + window, settings.dispersion_block_seconds, window):
            rows = np.flatnonzero(base.block_variance > VARIANCE_MIN)
            ratio = np.minimum(base.block_short[rows] ** 2 / base.block_variance[rows], DISPERSION_MAX)
            base.blocks[rows] += 1.0
            step = np.maximum(DISPERSION_STEP_MIN, 1.0 / (base.blocks[rows] + 10.0))
            dispersion = base.dispersion[rows]
            base.dispersion[rows] = np.maximum(1.0, dispersion + step * (ratio - dispersion))
            base.block_short[rows] = 0.0
            base.block_variance[rows] = 0.0
        if block_ends(start + window, settings.wander_block_seconds, window):
            if learns is None:
                learns = (self.presence.first >= 0) & ~(base.held >= start)
            keep = 0.5 ** (settings.wander_block_seconds / settings.global_half_seconds)
            extra = base.wander_short**2 - base.dispersion * base.wander_variance
            np.copyto(base.wander_sum, base.wander_sum * keep + extra, where=learns)
            weight = base.wander_weight * keep + WANDER_RESULTS * (1.0 - keep) + base.wander_probes**2
            np.copyto(base.wander_weight, weight, where=learns)
            for sums in (base.wander_short, base.wander_variance, base.wander_probes):
                sums[:] = 0.0


class Pool:
    """Series that are sums of networks: a country on a platform, or a region on it.

    The evidence of a pool is the sum of its networks' evidence, so that a vantage that is lost drops out instead
    of shifting the mix.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        settings = rules.settings
        self.presence = Presence(rules, settings.alarm_country, settings.fade_country_seconds)
        self.cusum = CusumColumns(rules)
        self.recent = _Recent()
        self.n: Floats = np.empty(0)
        self.k: Floats = np.empty(0)

    @property
    def size(self) -> int:
        """Number of pools."""
        return self.presence.size

    def grow(self, size: int) -> None:
        """Grow the tables to `size` pools."""
        for table in (self.presence, self.cusum, self.recent):
            table.grow(size)

    @property
    def alarm(self) -> Floats:
        """Evidence that scores 1.0."""
        return self.presence.alarm

    @property
    def expected(self) -> Floats:
        """The ratio expected of what reported lately."""
        probes = self.recent.probes
        return np.divide(self.recent.expected, probes, out=np.ones(self.size), where=probes > 0.0)

    def patience(self, start: int) -> Floats:
        """How many windows' worth one may say: two, where the last was empty."""
        return np.minimum(2.0, self.presence.waited(start, self.rules.window))

    def rest(self, windows: int) -> None:
        """Let windows without results pass."""
        self.n, self.k = np.zeros(self.size), np.zeros(self.size)
        if not self.size:
            return
        rest_both(self.presence, self.cusum, windows)

    def weigh(self, start: int, evidence: Floats, healthy: Floats, k: Floats, n: Floats, due: Floats) -> None:
        """Take one window in, summed over networks: nats, successes, probes, expected successes."""
        self.k, self.n = k, n
        self.cusum.step(
            evidence,
            healthy,
            n=n,
            short=due - k,
            cap=self.rules.settings.cap_country_nats * self.patience(start),
            gate=self.alarm / 2.0,
            fade=self.presence.fade,
            start=start,
        )
        there = n > 0.0
        self.presence.see(there, start)
        self.presence.age(there, self.rules.day_keep)
        self.recent.add(k, n, due)


class _Recent(Table):
    """Successes, probes and expected successes of late, by results rather than by time."""

    good: Floats
    probes: Floats
    expected: Floats
    fields = {  # noqa: RUF012  a table's columns are declared once
        "good": Field(np.float64),
        "probes": Field(np.float64),
        "expected": Field(np.float64),
    }

    def add(self, k: Floats, n: Floats, due: Floats) -> None:
        """Take one window in."""
        keep = np.exp2(n / (-2.0 * RESULTS_PER_RECENT))
        for column, values in ((self.good, k), (self.probes, n), (self.expected, due)):
            column *= keep
            column += values
