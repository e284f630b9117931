"""Signals: what other observatories count of a country, each series judged alone, and asked when an incident is open.

A series says that it agrees where it fell when the incident began, or when a later part of it did, and disagrees where
it went on as usual. Usual is the middle of what came before, and how far it strays is learned from the same: the median
and the median deviation, which no outage among them moves. It decides nothing about an incident but what another source
says of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from statistics import median
from typing import Final

import msgspec

from detectors.readings import LostParts, Says, Witness

#: Readings that are kept of a series: half a day of one each five minutes.
READINGS_MAX: Final = 150
#: Series of a partition; the one that has been silent longest goes.
SERIES_MAX: Final = 2_000
#: Readings before an incident from which usual is learned.
LEARNED_MIN: Final = 12
#: So many of its own deviations a reading has to lie below usual, and this share of it.
DEVIATIONS: Final = 5.0
SHORTFALL_MIN: Final = 0.1
#: Of a normal series, the standard deviation is so many median deviations.
_TO_STANDARD: Final = 1.4826
#: A series that comes more seldom than this needs one low reading, others two.
_SELDOM_SECONDS: Final = 1_800
#: A source's own alert may come from an earlier onset than ours.
_EARLIER_SECONDS: Final = 3_600
#: A crowd's silence is dated late; a series that fell before this fell by something else.
_FELL_BEFORE_SECONDS: Final = 3 * 3_600
#: Networks are cut one after the other, and some sources see a country only once most of it is lost. What begins later
#: than this (or two of a series' steps) began by something else.
_LATER_SECONDS: Final = 3 * 3_600
#: Of an incident that grew again and again, so many of its beginnings are asked about.
_BEGINNINGS_MAX: Final = 16
#: A source is late until so many of its steps have passed, and then silent.
_LATE_STEPS: Final = 4

#: Country, whether simulated, source, name, region or part ("": the whole country), network (-1: of no single one).
Key = tuple[str, bool, str, str, str, int]


class SignalSeries(msgspec.Struct):
    """One series: times (s) and values, in the order of time; `usual` is what its source called usual last.

    `vantages` is how the vantages are named that it counts, up to a dash, where they are not named as its source.
    """

    times: list[int] = []
    values: list[float] = []
    usual: float | None = None
    url: str | None = None
    vantages: str | None = None

    def learn(self, time: int, value: float) -> None:
        """Take a reading in; one of the same time takes the place of the one before."""
        place = bisect_left(self.times, time)
        if place < len(self.times) and self.times[place] == time:
            self.values[place] = value
            return
        insort(self.times, time)
        self.values.insert(place, value)
        if len(self.times) > READINGS_MAX:
            del self.times[0], self.values[0]

    def before(self, onset: int) -> int:
        """How many of its readings are of before an onset; the one of the step that it lies in is not."""
        return bisect_left(self.times, onset - self.step + 1)

    @property
    def step(self) -> int:
        """How often it comes, in seconds: the middle of its gaps."""
        gaps = [after - before for before, after in zip(self.times, self.times[1:], strict=False)]
        return int(median(gaps)) if gaps else 0


class SignalBook:
    """All series of a partition.

    Examples
    --------
    >>> book = SignalBook()
    >>> for minute in range(0, 120, 5):
    ...     value = 7000.0 if minute < 100 else 900.0
    ...     book.learn(("PK", False, "ioda", "ping-slash24", "", -1), minute * 60, value)
    >>> [witness] = book.ask("PK", False, LostParts((6000,)), 7000)
    >>> witness.source, witness.says.value, witness.value
    ('ioda', 'agrees', 900.0)
    """

    def __init__(self, kept: Iterable[tuple[Key, SignalSeries]] = ()) -> None:
        self._series: dict[Key, SignalSeries] = dict(kept)

    @property
    def kept(self) -> list[tuple[Key, SignalSeries]]:
        """All of it, to be stored."""
        return list(self._series.items())

    def knows(self, key: Key, time: int, value: float) -> bool:
        """Whether it has that reading already, or newer ones only."""
        series = self._series.get(key)
        if series is None or not series.times:
            return False
        place = bisect_left(series.times, time)
        same = place < len(series.times) and series.times[place] == time
        return (same and series.values[place] == value) or (place == 0 and len(series.times) >= READINGS_MAX)

    def learn(
        self,
        key: Key,
        time: int,
        value: float,
        usual: float | None = None,
        url: str | None = None,
        vantages: str | None = None,
    ) -> None:
        """Take a reading in."""
        # The one that was told last stands last.
        series = self._series.pop(key, None) or SignalSeries([], [])
        self._series[key] = series
        series.learn(time, value)
        series.usual, series.url, series.vantages = usual, url, vantages
        if len(self._series) > SERIES_MAX:
            del self._series[next(iter(self._series))]

    def forget(self, countries: Collection[str]) -> None:
        """Drop all series of these countries."""
        self._series = {key: series for key, series in self._series.items() if key[0] not in countries}

    def speaks_of(self, country: str) -> bool:
        """Whether there is any series of a country."""
        return any(key[0] == country for key in self._series)

    def ask(
        self,
        country: str,
        simulated: bool,
        lost: LostParts,
        now: int,
        *,
        told: Collection[Witness] = (),
        heard: Collection[str] = (),
    ) -> tuple[Witness, ...]:
        """What each source says of a loss of connectivity: its surest word, sources by name.

        `told` is what they said before: it stands where the readings that it rests on are no longer kept. `heard` are
        the vantages whose own results are judged in that country: a source that counts them is no other.
        """
        words: dict[str, Witness] = {}
        kin: dict[str, bool] = {}
        for (place, made, source, name, region, asn), series in self._series.items():
            if place != country or made != simulated:
                continue
            named = series.vantages or source
            if named not in kin:
                kin[named] = any(one == named or one.startswith(f"{named}-") for one in heard)
            if kin[named]:
                continue
            for onset in _beginnings(lost, region, asn):
                before = _said_before(source, name, series, onset, told)
                witness = before or _word(source, name, series, onset, now)
                other = words.get(source)
                if witness is not None and (other is None or _surer(witness, other)):
                    words[source] = witness
        return tuple(words[source] for source in sorted(words))


def _beginnings(lost: LostParts, region: str, asn: int) -> Sequence[int]:
    """When that began of a loss which a series can speak of, oldest first: none where it is of something else.

    What a network or a region has lost, its country has not, and the other way round.
    """
    if lost.networks:
        return () if region or asn not in lost.networks else (lost.networks[asn],)
    if lost.regions:
        return () if asn >= 0 or region not in lost.regions else (lost.regions[region],)
    if region or asn >= 0:
        return ()
    apart: list[int] = []
    for onset in sorted(lost.country):
        if not apart or onset > apart[-1] + _LATER_SECONDS:
            apart.append(onset)
    return apart[:1] + apart[1:][1 - _BEGINNINGS_MAX :]


#: Signals that are a source's own judgement (`producers.signals.EVENTS`): 1 where an outage begins, 0 where it is over.
EVENTS: Final = frozenset(("outage", "alert", "traffic_anomaly"))


def is_event(name: str) -> bool:
    """Whether a signal is a judgement; what it was made of may stand behind a point.

    >>> is_event("alert.bgp"), is_event("bgp")
    (True, False)
    """
    return name.partition(".")[0] in EVENTS


def _spells(series: SignalSeries, now: int) -> Iterator[tuple[int, int | None]]:
    """From when to when a source told of an outage. One that is raised again while it is on goes on."""
    began: int | None = None
    # When one began of which the first reading is no longer kept, nobody knows.
    unknown = len(series.times) >= READINGS_MAX and series.values[0] == 1.0
    for time, value in zip(series.times, series.values, strict=True):
        if time > now:
            break
        if value == 1.0 and began is None and not unknown:
            began = time
        elif value == 0.0:
            if began is not None:
                yield began, time
            began, unknown = None, False
    if began is not None:
        yield began, None


def _alarm(series: SignalSeries, onset: int, now: int) -> tuple[int, int | None] | None:
    """The first of a source's outages that may be this one: it began at about that time, and was not over by then."""
    for began, over in _spells(series, now):
        if onset - _EARLIER_SECONDS <= began <= onset + _LATER_SECONDS and (over is None or over > onset):
            return began, over
    return None


_SURENESS: Final = {Says.AGREES: 3, Says.DISAGREES: 2, Says.LATE: 1, Says.SILENT: 0}


def _surer(one: Witness, other: Witness) -> bool:
    if one.says is not other.says:
        return _SURENESS[one.says] > _SURENESS[other.says]
    return _fallen(one) > _fallen(other)


def _fallen(witness: Witness) -> float:
    if witness.value is None or not witness.usual:
        return 0.0
    return 1.0 - witness.value / witness.usual


#: What rests on readings since the onset.
_OF_READINGS: Final = (Says.AGREES, Says.DISAGREES)


def _said_before(
    source: str, name: str, series: SignalSeries, onset: int, told: Collection[Witness]
) -> Witness | None:
    """What a series said while its readings of then were kept; None where they still are, or it said nothing."""
    if len(series.times) < READINGS_MAX:
        return None
    if is_event(name):
        kept = bisect_left(series.times, onset - _EARLIER_SECONDS) > 0
    else:
        kept = series.before(onset) >= LEARNED_MIN
    if kept:
        return None
    for one in told:
        if (one.source, one.name) == (source, name) and one.says in _OF_READINGS:
            return one
    return None


def _word(source: str, name: str, series: SignalSeries, onset: int, now: int) -> Witness | None:
    """What one series says; None where it can't say anything."""
    if is_event(name):
        alarm = _alarm(series, onset, now)
        if alarm is None:
            return None
        return Witness(source, Says.AGREES, name, 1.0, 0.0, alarm[0], series.url, alarm[1])
    step = series.step
    start = series.before(onset)
    before = series.values[:start]
    if len(before) < LEARNED_MIN or step <= 0:
        return None
    middle = median(before)
    usual = series.usual if series.usual is not None else middle
    spread = _TO_STANDARD * median(abs(value - middle) for value in before)
    low = usual - max(DEVIATIONS * spread, SHORTFALL_MIN * abs(usual))
    needed = 1 if step >= _SELDOM_SECONDS else 2
    if _had_fallen(series, onset, start, low, needed) or usual <= 0.0:
        return None
    end = bisect_left(series.times, now + 1)
    in_time = onset + max(_LATER_SECONDS, 2 * step)
    lows = _fall(series, start, end, low, in_time)
    if len(lows) >= needed:
        deepest = min(series.values[place] for place in lows)
        over = _back(series, lows[-1] + 1, end, low, needed)
        return Witness(source, Says.AGREES, name, deepest, usual, series.times[lows[0]], series.url, over)
    usual_again = [
        place for place in range(start, end) if series.times[place] >= onset and series.values[place] >= low
    ]
    # A single low reading may be the first of a fall for as long as one can still come.
    if len(usual_again) >= needed and (not lows or now > in_time):
        last = usual_again[-1]
        return Witness(
            source, Says.DISAGREES, name, series.values[last], usual, series.times[last], series.url
        )
    newest = series.times[end - 1] if end else None
    says = Says.LATE if now - max(onset, newest or 0) <= _LATE_STEPS * step else Says.SILENT
    return Witness(source, says, name, None, usual, newest, series.url)


def _fall(series: SignalSeries, start: int, end: int, low: float, in_time: int) -> list[int]:
    """The places of the low readings of a fall that began in time.

    When it fell lies between a low reading and the one before it: where that one is too late already, it fell later.
    """
    lows: list[int] = []
    for place in range(start, end):
        goes_on = bool(lows) and lows[-1] == place - 1
        if series.values[place] < low and (goes_on or series.times[place - 1] <= in_time):
            lows.append(place)
    return lows


def _back(series: SignalSeries, start: int, end: int, low: float, needed: int) -> int | None:
    """When a series was as usual again after a fall, for as many readings as a fall needs; None while it is not."""
    for place in range(start, end - needed + 1):
        if all(value >= low for value in series.values[place : place + needed]):
            return series.times[place]
    return None


def _had_fallen(series: SignalSeries, onset: int, start: int, low: float, needed: int) -> bool:
    """Whether it was low long before the onset already, and all the time since: something else took it down."""
    long_before = min(start, bisect_left(series.times, onset - _FELL_BEFORE_SECONDS))
    since_then = series.values[max(0, long_before - needed) : start]
    return long_before >= needed and all(value < low for value in since_then)
