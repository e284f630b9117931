"""`single.silence.Silence` for many networks at once, and what their silences say together.

Equal to the plain one to 1e-9. Whole-column arithmetic, no loop over networks.
"""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

import numpy as np

from detectors.columns import compiled
from detectors.columns.binomial import alarm_columns, density_columns
from detectors.columns.table import (
    Bools,
    Field,
    Floats,
    Ints,
    Singles,
    Table,
    any_of,
    clipped,
    geometric,
    grained,
    sums,
)
from detectors.single.binomial import DAY, HOUR, Rules
from detectors.single.silence import (
    ALONE_TIMES,
    ALONE_WINDOWS,
    ASLEEP,
    AWAKE,
    BACK_SPARSE,
    BACK_WINDOWS,
    EARLIER_WINDOWS,
    FAINT,
    FORGOTTEN_SECONDS,
    GAP_HALF_SECONDS,
    GAPS_MIN,
    GAPS_PRIOR,
    HAZARD_MAX,
    HELD_WINDOWS,
    HOURS,
    HOURS_KNOWN,
    HOURS_PRIOR,
    HOURS_RESULTS,
    KNOWN_WINDOWS,
    LATER_WINDOWS,
    LONGEST_FACTOR,
    LONGEST_MARGIN,
    LONGEST_MIN,
    LONGEST_NATS,
    NETWORKS_SPARSE,
    NETWORKS_TOGETHER,
    OFTEN,
    RARE_SECONDS,
    RESULTS_FAINT,
    RESUMED_NATS,
    SEEN_WINDOWS,
    SHARE_MAX,
    SILENT_NATS,
    SPARSE_SHARE,
    STAYED,
    STEADY_SHARE,
    SURE_NATS,
    TOGETHER_NATS,
    TOGETHER_SOONEST,
    TOGETHER_STEADY,
    TOGETHER_WINDOWS,
    TRICKLE,
)

#: At these scores of its own a silence is looked at: when it begins to stir, and when it is about to alarm.
STEPS: Final = (0.45, 0.9)
#: Where a country speaks as a whole, so many windows with results must be missing by what came in the last day, and of
#: the gaps that a month then has, so many at most may be as long by chance.
MISSED_LEAST: Final = 8.0
CHANCES_A_MONTH: Final = 0.05
MONTH_DAYS: Final = 30.0
#: Where nobody is waited for, so many days can pass at once.
FOREVER_DAYS: Final = 100_000


def _next_step(value: Floats, alarm: Floats | float) -> Floats:
    """Return the next of `STEPS` of the alarm above each value, or the value itself if none is."""
    first, last = (step * np.asarray(alarm, dtype=np.float64) for step in STEPS)
    return np.where(value < first - 1.0, first, np.where(value < last, last, value))


def surprise_columns(hourly: Floats, share: Floats) -> Floats:
    """`silence.surprise`, by columns."""
    now = np.minimum(HAZARD_MAX, -np.log1p(-np.minimum(SHARE_MAX, hourly * share)))
    usual = np.minimum(HAZARD_MAX, -np.log1p(-np.minimum(SHARE_MAX, share)))
    return np.asarray(np.minimum(1.0, now / usual))


class Listening(NamedTuple):
    """Whose silence counts, as `rhythm.Paths` has it: two of each country, three of each network."""

    away: Bools
    falling: Bools
    steady: Bools
    gone: Bools
    excused: Bools


class SilenceColumns(Table):
    """Every network's silence against its own usual gaps. Formulas: `volume.Silence`."""

    first: Ints
    last: Ints
    seen: Floats
    quiet: Floats
    # Results that are usual in the windows of this silence.
    missed: Floats
    gaps: Floats
    gap_sum: Floats
    gap_square: Floats
    present: Floats
    exposed: Floats
    results: Floats
    present_hour: Singles
    exposed_hour: Singles
    results_hour: Singles
    longest: Singles
    pending: Singles
    dark: Bools
    # Dark together with most of its country's networks.
    joint: Bools
    back: Ints
    onset: Ints
    # Windows with results in about the day before the last one.
    lately: Singles
    # Of those whose vantages have a rhythm: what was missing, 0 to 1, of the last window with results.
    last_missing: Singles
    fields = {  # noqa: RUF012  a table's columns are declared once
        "first": Field(np.int64, -1),
        "last": Field(np.int64, -1),
        "seen": Field(np.float64),
        "quiet": Field(np.float64),
        "missed": Field(np.float64),
        "gaps": Field(np.float64),
        "gap_sum": Field(np.float64),
        "gap_square": Field(np.float64),
        "present": Field(np.float64),
        "exposed": Field(np.float64),
        "results": Field(np.float64),
        "present_hour": Field(np.float32, 0.0, HOURS),
        "exposed_hour": Field(np.float32, 0.0, HOURS),
        "results_hour": Field(np.float32, 0.0, HOURS),
        "longest": Field(np.float32, 0.0, HOURS),
        "pending": Field(np.float32, 0.0, HOURS),
        "dark": Field(np.bool_),
        "joint": Field(np.bool_),
        "back": Field(np.int64),
        "onset": Field(np.int64, -1),
        "lately": Field(np.float32),
        "last_missing": Field(np.float32),
    }

    # Whether a silence's score is its own.
    plain: ClassVar[bool] = True

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._gap_keep = 0.5 ** (rules.window / GAP_HALF_SECONDS)
        self._hour_keep = 0.5 ** (rules.window / rules.settings.slot_half_seconds)
        # A plain float would be rounded to the columns' single precision first.
        self._long_keep = np.float64(0.5 ** (rules.window / rules.settings.global_half_seconds))
        self._nats: Floats = np.empty(0)
        self._excess: Floats = np.empty(0)
        self.score: Floats = np.empty(0)
        self._log_factorials: Floats = np.zeros(1)
        super().__init__()

    def share(self) -> Floats:
        """Share of windows in which each network has results."""
        return np.asarray((self.present + 1.0) / (self.exposed + 2.0))

    def usual(self, start: int) -> Floats:
        """Results expected in a window."""
        hour = start % DAY // HOUR
        overall = self.results / np.maximum(1.0, self.exposed)
        return np.asarray(
            (self.results_hour[hour] + HOURS_PRIOR * overall)
            / (self.exposed_hour[hour].astype(np.float64) + HOURS_PRIOR)
        )

    def awake(self, start: int, country: Ints, countries: int, share: Floats | None = None) -> Floats:
        """How much of a silent window counts: 0 at hours at which a network usually sleeps, else up to 1.

        An hour of which little is known is like that hour of the country, where results are few. `share` is what
        `share` gives, where that was worked out.
        """
        hour, share = start % DAY // HOUR, self.share() if share is None else share
        seen, due = self.present_hour[hour], self.exposed_hour[hour] * share
        prior = np.maximum(HOURS_PRIOR * share, HOURS_RESULTS)
        like: Floats | float = 1.0
        if (few := share < OFTEN).any():
            all_seen, all_due = (sums(country, grained(column), countries) for column in (seen, due))
            like = ((all_seen + HOURS_RESULTS) / (all_due + HOURS_RESULTS))[country]
            like = np.where(few, like, 1.0)
        hourly = (seen + prior * like) / (due + prior)
        woken = clipped((hourly - ASLEEP) / (np.maximum(AWAKE, 1.0 - share) - ASLEEP), 0.0, 1.0)
        before = (seen + HOURS_KNOWN * share + self.quiet * share) / (due + HOURS_KNOWN * share)
        return woken * surprise_columns(np.minimum(1.0, before), share)

    def hazard(self) -> Floats:
        """Nats of surprise in one more silent window."""
        residual = (self.gap_square + GAPS_PRIOR) / (2.0 * (self.gap_sum + GAPS_PRIOR))
        return np.minimum(HAZARD_MAX, np.log1p(1.0 / residual))

    def warm(self, start: int) -> Bools:
        """Which networks are known well enough to be missed."""
        settings = self.rules.settings
        old = (self.first >= 0) & (start - self.first >= settings.warm_seconds)
        often = self.share() * RARE_SECONDS >= self.rules.window
        return np.asarray(old & often & (self.seen >= settings.warm_results))

    def alive(self, start: int) -> Bools:
        """Return which networks count: those that are known, and were heard within `FORGOTTEN_SECONDS`."""
        return self.warm(start) & (start - self.last < FORGOTTEN_SECONDS)

    def silent(self) -> Bools:
        """Which networks are silent for longer than chance, and for longer than a collector stumbles."""
        long_ = (self.quiet >= TOGETHER_WINDOWS) | (self.quiet + self.last_missing >= TOGETHER_STEADY)
        return (self._nats >= SILENT_NATS) & long_

    def step(
        self,
        start: int,
        n: Floats,
        country: Ints,
        countries: int,
        whole: SilenceColumns | None = None,
        windows: int = 1,
        listening: Listening | None = None,
    ) -> None:
        """Take one window in: n results of each network; `country` says which networks belong together.

        `whole` has a series a country; those whose results are few, or come without a rhythm, take the results of all
        their networks in. `windows` stands for so many alike within an hour, of which only one without any results may.
        Without `listening` every silence counts.
        """
        if compiled.stages is not None and listening is not None and self.plain:
            self._hear(start, n, country, countries, whole, windows, listening)
            return
        settings, hour = self.rules.settings, start % DAY // HOUR
        few = np.zeros(countries, dtype=np.bool_)
        share, hazard = self.share(), self.hazard()
        counts, holds, steady_here = self._bearing(country, listening)
        if whole is not None:
            few = self._few(share, country, countries)
            if listening is not None:
                few |= ~_mostly(listening.steady, self.first >= 0, country, countries)
        if whole is not None and few.any():
            few = self._ask_whole(start, n, country, countries, few, whole, windows, listening)
        usual = self.usual(start)
        there = self._heard(n, usual, steady_here)
        if listening is not None:
            there &= ~listening.gone
        known = self.first >= 0
        waits = known & ~there
        ended, gap = there & known, self.quiet + 1.0
        if waits.any() or self.quiet.any():
            more = np.where(counts, windows * self.awake(start, country, countries, share), 0.0)
            self.quiet[:] = np.where(waits, self.quiet + more, 0.0)
            due = np.where(counts, windows * self._due(hour, share, usual), 0.0)
            self.missed[:] = np.where(waits, self.missed + due, 0.0)
            own, bound = self._weigh(hour, share, hazard)
        else:  # nobody is silent, nor was in the window before: no gap grows, and none ends that could be too long
            own = bound = self._nats = self._excess = np.zeros(self.size)
            self.missed[:] = 0.0
        if listening is not None:
            # Who reports at any moment, and in most windows, has no gaps that could be too long: there silence says no
            # more than the results that are usual in it, so many nats.
            at_any_moment = ~steady_here & (share >= OFTEN)
            own = np.where(at_any_moment, np.minimum(own, self.missed / settings.alarm_silence), own)
        of_whole = self._missed(start, whole) if whole is not None and few.any() else None
        together = self._together(start, country, countries, few, of_whole)
        if few.any():  # of those without a rhythm the country speaks, and hardly a network by itself
            own = np.where(few[country] & ~steady_here, self._alone(own, share), own)
        score = self._judge(start, n, np.maximum(own, together))
        # Vantages fall silent one after another: a deploy, that will reach them all, or be over.
        wait = ((holds & (self.quiet < HELD_WINDOWS)) | ~counts) & ~self.dark
        score = np.where(wait, np.minimum(score, STAYED), score)
        self.score = np.where(self.warm(start) & known, score, 0.0)
        # What never sleeps and goes dark with its whole country is no sleeper: tomorrow's shutdown at this hour counts.
        self.joint |= (together >= 1.0) & (share >= STEADY_SHARE)
        was_dark = self.dark.copy()
        self._turn(start, there, hazard)
        gain = self._gain(hour, share, steady_here, waits)
        gain[~counts & ~there] = 0.0
        self._learn(start, n, there, gain, windows)
        self._learn_gaps(hour, ended, gap, bound, gain, windows, was_dark & (share >= OFTEN))
        missing = np.clip(1.0 - n / np.maximum(usual, 1.0), 0.0, 1.0)
        self.last_missing[:] = np.where(there, np.where(steady_here, missing, 0.0), self.last_missing)
        self._note_heard(start, there, there & ~known)

    def _bearing(self, country: Ints, listening: Listening | None) -> tuple[Bools, Bools, Bools]:
        """Return whose silence counts, whose waits for a deploy to be over, and who is steady."""
        if listening is None:
            nobody = np.zeros(self.size, dtype=np.bool_)
            return ~nobody, nobody, nobody
        counts = ~(listening.away[country] | listening.excused)
        return counts, listening.falling[country], listening.steady

    def _note_heard(self, start: int, there: Bools, new: Bools) -> None:
        """Keep when who is `there` was heard last, and first where it is `new`."""
        self.first[new] = start
        rows = there.nonzero()[0]
        self.lately[rows] = 1.0 + self.lately[rows] * np.exp((self.last[rows] - start) / DAY)
        self.last[rows] = start
        self.seen += there

    def _heard(self, n: Floats, usual: Floats, steady: Bools) -> Bools:
        """Return who is heard with n results: those with hardly any of the usual are not, but where it is `steady`.

        Where vantages have a rhythm it is they who are missed, and not attempts: these are fewer when a platform is
        asked no more, or when a vantage has stopped to ask ever again.
        """
        faint = ((usual >= RESULTS_FAINT) & (n < FAINT * usual)) | (self.dark & (n < TRICKLE * usual))
        return np.asarray((n > 0.0) & ~(faint & ~steady))

    def _due(self, hour: int, share: Floats, usual: Floats) -> Floats:
        """Return how many results one silent window misses.

        Where windows without results are not learned (`_gain`), what is usual is that of the windows with some.
        """
        some_only = (share >= STEADY_SHARE) & self._awake_by_day(hour, share)
        return np.where(some_only, np.clip(2.0 * (usual - 1.0), 0.0, usual), usual)

    def _gain(self, hour: int, share: Floats, steady: Bools, waits: Bools) -> Floats:
        """Return how much each learns of this window, 0 to 1.

        A slot that was steady is not unlearned by one silence; a slot never seen is learned as it comes.
        """
        gain = np.ones(self.size)
        if self.dark.any():
            known = (self.exposed_hour[hour] >= KNOWN_WINDOWS) & (
                self.present_hour[hour] > 0.5 * share * self.exposed_hour[hour]
            )
            gain[self.dark & known] = self.rules.settings.learn_slow
            # Who has a rhythm, or never sleeps, unlearns nothing in the dark: tomorrow's shutdown is told as soon as
            # today's. Nor does anybody whose results are many unlearn an hour at which it was awake.
            busy = (share >= OFTEN) & self._awake_by_day(hour, share)
            gain[self.dark & (steady | self.joint | busy)] = 0.0
        if waits.any():
            # Nor do the windows count in which it was not known yet that it is dark. Those within the gaps of a rhythm
            # that is slower than windows do: else what is usual would be that of the windows with results alone. Gaps
            # of g windows each are worth (g - 1) ln(1 + 2 / (g - 1)) at most, which is less, however slow it is.
            long_ = steady & (self._nats >= SILENT_NATS)
            gain[waits & (long_ | (share >= STEADY_SHARE)) & self._awake_by_day(hour, share)] = 0.0
        return gain

    def _hear(
        self,
        start: int,
        n: Floats,
        country: Ints,
        countries: int,
        whole: SilenceColumns | None,
        windows: int,
        listening: Listening,
    ) -> None:
        """`step`, by compiled code."""
        n = n.astype(np.float64, copy=False)
        share, counts, few, any_few = compiled.stages.listen(
            self, country, countries, listening, whole is not None
        )
        of_whole = None
        if whole is not None and any_few:
            few = self._ask_whole(start, n, country, countries, few, whole, windows, listening)
            of_whole = self._missed(start, whole) if few.any() else None
        compiled.stages.hear(self, start, n, country, share, counts, few, of_whole, listening, windows)

    def _ask_whole(
        self,
        start: int,
        n: Floats,
        country: Ints,
        countries: int,
        few: Bools,
        whole: SilenceColumns,
        windows: int,
        listening: Listening | None,
    ) -> Bools:
        """Have those countries take the window in that speak as a whole. Returns which of them are known."""
        if any_of(others := ~few):
            whole.rest(others)
        of_all = None
        if listening is not None:
            nobody = np.zeros(countries, dtype=np.bool_)
            excused = _mostly(listening.excused, self.first >= 0, country, countries)
            of_all = Listening(listening.away, listening.falling, nobody, nobody, excused)
        all_of = sums(country, n, countries)
        whole.step(start, all_of, np.arange(countries), countries, None, windows, of_all)
        return few & whole.warm(start)

    def _missed(self, start: int, whole: SilenceColumns) -> Floats:
        """How sure each country as a whole is silent for longer than chance; 1.0 alarms.

        What was usual is learned over days; a crowd that dwindles, or sends a day's results in an hour, is silent for
        longer; and five quiet minutes happen. So many must be missing by what came in the last day alone. And a crowd
        that reports at any moment has as many gaps as windows with results: of a month's, hardly one may be as long.
        A window without results is worth the nats of its chance, which is much where most windows have some.
        """
        score = whole.score
        if (score >= 1.0).any():
            day = -DAY * np.expm1((whole.first - start) / DAY)  # of which it has been heard
            share = whole.lately * (self.rules.window / np.maximum(self.rules.window, day))
            nats = -np.log1p(-np.minimum(SHARE_MAX, share)) * whole.quiet
            gaps = np.maximum(1.0, MONTH_DAYS * whole.lately)
            enough = (share * whole.quiet >= MISSED_LEAST) & (nats >= np.log(gaps / CHANCES_A_MONTH))
            score = np.where(enough, score, 0.0)
        return score

    @staticmethod
    def _few(share: Floats, country: Ints, countries: int) -> Bools:
        """Which countries have results, from whatever network, in less than half of the windows."""
        empty = sums(country, grained(np.log1p(-share)), countries)
        return np.asarray(empty > np.log1p(-OFTEN))

    def quiet_windows(self, start: int, country: Ints, countries: int) -> int:
        """Return how many windows without results can pass, from `start` on, before a silence counts.

        Where a country has results often, its networks' silences are added up, and say something early.
        """
        most = DAY // self.rules.window
        if compiled.stages is not None:
            left_ = compiled.stages.quiet_windows(self, start, country, countries)
            return most * FOREVER_DAYS if left_ is None else int(min(float(most), max(0.0, left_ - 1.0)))
        # Who is dark stays so while nothing comes.
        alive = (self.alive(start) & ~self.dark).nonzero()[0]
        if not len(alive):
            return most * FOREVER_DAYS
        quiet, hazard = self.quiet[alive], self.hazard()[alive]
        few = self._few(self.share(), country, countries)[country[alive]]
        alarm = SPARSE_SHARE * self.rules.settings.alarm_silence
        alone = np.where(few, _next_step(hazard * quiet, alarm), SILENT_NATS) / hazard
        rarest = LONGEST_MARGIN * np.maximum(LONGEST_MIN, self.longest[:, alive].max(axis=0))
        irregular = np.where(self.gaps[alive] >= GAPS_MIN, _next_step(quiet, rarest), np.inf)
        left = np.minimum(np.maximum(TOGETHER_SOONEST, alone), irregular) - quiet
        return int(min(float(most), max(0.0, left.min() - 1.0)))

    def rest_all(self, windows: int) -> None:
        """Let windows pass that do not count as silence. What was learned ages by as many windows."""
        self.gap_sum *= self._gap_keep**windows
        self.gap_square *= self._gap_keep**windows
        self.longest *= self._long_keep**windows

    def backdate(self, rows: Ints, since: Ints, start: int) -> None:
        """Have these been silent since their last full window: what trickled through was no sign of them."""
        windows = (start - since) / self.rules.window - 1.0
        self.quiet[rows] = np.where(self.dark[rows], self.quiet[rows], np.maximum(self.quiet[rows], windows))
        self.last[rows] = np.where(self.dark[rows], self.last[rows], np.minimum(self.last[rows], since))

    def revive(self, rows: Ints) -> None:
        """Take these for heard in as many windows as end a darkness with this one: so much of their usual comes."""
        self.quiet[rows] = 0.0
        self.pending[:, rows] = 0.0  # nor is it a gap of theirs that the next could be as long as
        self.back[rows] = np.maximum(self.back[rows], BACK_WINDOWS - 1)

    def slow_down(self, rows: Ints, gap: Floats) -> None:
        """Expect results of these every so many windows from now on: they are asked less often, and not silent."""
        if not len(rows):
            return
        less = np.minimum(1.0, 1.0 / (gap * self.share()[rows]))
        for column in (self.present, self.results):
            column[rows] = column[rows] * less
        for by_hour in (self.present_hour, self.results_hour):
            by_hour[:, rows] = by_hour[:, rows] * less
        gaps = np.maximum(GAPS_PRIOR, self.gaps[rows])
        slower = less < 1.0
        self.gap_sum[rows] = np.where(slower, gaps * gap, self.gap_sum[rows])
        self.gap_square[rows] = np.where(slower, gaps * gap * (gap - 1.0), self.gap_square[rows])
        self.longest[:, rows] = np.where(
            slower, np.maximum(self.longest[:, rows], gap), self.longest[:, rows]
        )
        self.revive(rows[slower])

    def rest(self, rows: Bools) -> None:
        """Know nothing of these for the time being: they are judged otherwise."""
        self.first[rows] = -1
        self.quiet[rows] = 0.0
        self.missed[rows] = 0.0
        self.dark[rows] = False
        self.back[rows] = 0
        self.onset[rows] = -1

    def _weigh(self, hour: int, share: Floats, hazard: Floats) -> tuple[Floats, Floats]:
        """Score each silence by itself. Return the scores, and the longest gaps that are learned, in windows."""
        alarm = alarm_columns(
            self.rules,
            self.rules.settings.alarm_silence,
            self.rules.settings.alarm_silence * SPARSE_SHARE,
            share,
        )
        longest = self.longest[hour].astype(np.float64)
        excess = np.maximum(0.0, LONGEST_FACTOR * longest * hazard - LONGEST_NATS)
        self._nats, self._excess = hazard * self.quiet, excess
        rarest = np.maximum(LONGEST_MIN, self.longest.max(axis=0))
        score = np.maximum(
            self._nats / (alarm + excess),
            np.where(self.gaps >= GAPS_MIN, self.quiet / (LONGEST_MARGIN * rarest), 0.0),
        )
        return score, (alarm + excess) / hazard

    def _judge(self, start: int, n: Floats, own: Floats) -> Floats:
        """What counts as the score of networks with `n` results: here, our `own`."""
        return own

    def _together(
        self, start: int, country: Ints, countries: int, few: Bools, of_whole: Floats | None
    ) -> Floats:
        """What silences say together: most of a country's networks going silent at once is no chance.

        Where a country's results are few they are weighed as one series, with its own nights and longest gaps: who
        reports from several networks is silent on all of them at once, and their silences can't be added up.
        """
        silent = self.silent()
        if not (silent.any() or few.any()):
            return np.zeros(self.size)
        alive = self.alive(start)
        silent &= alive
        together = np.zeros(self.size)
        if of_whole is not None and (over := few & (of_whole >= 1.0)).any():
            living = np.bincount(country[alive], minlength=countries)
            rows = np.flatnonzero(alive & (over & (living >= NETWORKS_SPARSE))[country])
            together[rows] = of_whole[country[rows]]
        if not silent.any():
            return together
        living = np.bincount(country[alive], minlength=countries)
        capped = grained(np.clip(self._nats - self._excess, 0.0, self.rules.settings.alarm_silence))
        silent &= ~self._later(silent, capped, country, countries)
        quiet = np.bincount(country[silent], minlength=countries)
        total = sums(country, np.where(silent, capped, 0.0), countries)
        most = (living >= NETWORKS_TOGETHER) & (2 * quiet > living) & ~few
        # So many of so many can be silent by chance in as many ways: of thirteen networks some seven often are.
        ways = self.log_factorials()
        chance = ways[living] - ways[quiet] - ways[living - quiet]
        score = np.where(most, (total - chance) / TOGETHER_NATS, 0.0)
        # One whose gap is half as telling as the others' at most may be between two of its rounds.
        silent &= 2.0 * quiet[country] * capped >= total[country]
        together[silent] = np.maximum(together[silent], score[country[silent]])
        return together

    def _alone(self, own: Floats, share: Floats) -> Floats:
        """What a network without a rhythm says by itself: nothing, or how sure it is where its results are many."""
        most = self.missed / (ALONE_TIMES * self.rules.settings.alarm_silence)
        busy = (share >= OFTEN) & (self.lately.astype(np.float64) >= OFTEN * DAY / self.rules.window)
        return np.where(busy, np.minimum(own, np.minimum(self.quiet / ALONE_WINDOWS, most)), 0.0)

    def _later(self, silent: Bools, capped: Floats, country: Ints, countries: int) -> Bools:
        """Who of the `silent` fell long after half of them, and may be between two results; `capped` are their nats."""
        sure = capped >= SURE_NATS
        before = np.bincount(country[silent & sure & (self.quiet >= EARLIER_WINDOWS)], minlength=countries)
        all_ = np.bincount(country[silent], minlength=countries)
        most_before = (before > 0) & (2 * before >= all_)
        return np.asarray(silent & ~sure & (self.quiet < LATER_WINDOWS) & most_before[country])

    def log_factorials(self) -> Floats:
        """Logarithms of the factorials of 0 to the number of networks, at least."""
        if len(self._log_factorials) <= self.size:
            self._log_factorials = np.concatenate(([0.0], np.log(np.arange(1.0, self.size + 1.0)).cumsum()))
        return self._log_factorials

    def _turn(self, start: int, there: Bools, hazard: Floats) -> None:
        """Go dark, or come back."""
        window = self.rules.window
        falls = ~self.dark & (self.score >= 1.0)
        if falls.any():
            self.onset[falls] = self.last[falls] + window
            self.back[falls] = 0
            self.dark |= falls
        rows = self.dark.nonzero()[0]
        if not len(rows):
            return
        back = np.where(there[rows], self.back[rows] + 1, self.back[rows])
        back[(self.quiet * hazard)[rows] > RESUMED_NATS] = 0
        self.back[rows] = back
        density = density_columns(self.rules, self.share()[rows])
        again = rows[back >= BACK_SPARSE + (BACK_WINDOWS - BACK_SPARSE) * density]
        self.dark[again] = False
        self.joint[again] = False
        self.onset[again] = -1
        self.back[again] = 0

    def _learn(self, start: int, n: Floats, there: Bools, gain: Floats, windows: int) -> None:
        hour = start % DAY // HOUR
        seen = (self.first >= 0) | there
        gain = gain * seen
        keep = 1.0 - gain * (1.0 - self._long_keep)
        hourly = 1.0 - gain * (1.0 - self._hour_keep)
        columns = (
            (self.present, self.present_hour, gain * there),
            (self.exposed, self.exposed_hour, gain),
            (self.results, self.results_hour, gain * n),
        )
        if windows == 1:
            for overall, by_hour, value in columns:
                overall[:] = overall * keep + value
                by_hour[hour] = by_hour[hour] * hourly + value
            return
        # What all three share is worked out once: powers are most of what a silent stretch costs.
        fade, summed = keep**windows, geometric(keep, windows)
        hourly_fade, hourly_summed = hourly**windows, geometric(hourly, windows)
        for overall, by_hour, value in columns:
            overall[:] = overall * fade + value * summed
            by_hour[hour] = by_hour[hour] * hourly_fade + value * hourly_summed

    def _learn_gaps(
        self,
        hour: int,
        ended: Bools,
        gap: Floats,
        bound: Floats,
        gain: Floats,
        windows: int,
        lights_on: Bools,
    ) -> None:
        self.gap_sum *= self._gap_keep**windows
        self.gap_square *= self._gap_keep**windows
        self.longest *= self._long_keep**windows
        self.pending[hour] = np.maximum(self.pending[hour], self.quiet)
        rows = ended.nonzero()[0]
        if not len(rows):
            return
        length = np.minimum(gap[rows], np.maximum(1.0, 1.5 * bound[rows]))
        self.gap_sum[rows] += gain[rows] * length
        self.gap_square[rows] += gain[rows] * length * (length - 1.0)
        self.gaps[rows] += 1.0
        rows = rows[gap[rows] > 1.0]
        if len(rows):
            longest, pending = self.longest[:, rows], self.pending[:, rows]
            if lights_on[rows].any():
                # A darkness that is over makes no silence usual of the hours at which they were awake.
                awake = self._awake_by_day(slice(None), self.share())[:, rows]
                pending = np.where(awake & lights_on[rows], 0.0, pending)
            self.longest[:, rows] = np.maximum(longest, gain[rows] * pending)
            self.pending[:, rows] = 0.0

    def _awake_by_day(self, hour: int | slice, share: Floats) -> Bools:
        """Who has had results at an hour of the day, or at each, in most of the windows in which they are due."""
        exposed = self.exposed_hour[hour]
        return np.asarray((exposed >= SEEN_WINDOWS) & (self.present_hour[hour] > 0.5 * share * exposed))


def _mostly(marked: Bools, among: Bools, country: Ints, countries: int) -> Bools:
    """Whether at least half of each country's networks among some are marked."""
    all_ = np.bincount(country[among], minlength=countries)
    return np.asarray(2 * np.bincount(country[among & marked], minlength=countries) >= np.maximum(1, all_))
