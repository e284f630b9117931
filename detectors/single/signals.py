"""Signals: what other observatories count of a country, each series judged alone, and asked when an incident is open.

A series says that it agrees where it fell when the incident began, and disagrees where it went on as usual. Usual is
the middle of what came before, and how far it strays is learned from the same: the median and the median deviation,
which no outage among them moves. It decides nothing about an incident but what another source says of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable
from statistics import median
from typing import Final

import msgspec

from detectors.readings import Says, Witness

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
#: A source is late until so many of its steps have passed, and then silent.
_LATE_STEPS: Final = 4

Key = tuple[str, bool, str, str, str, int]


class SignalSeries(msgspec.Struct):
    """One series: times (s) and values, in the order of time; `usual` is what its source called usual last."""

    times: list[int] = []
    values: list[float] = []
    usual: float | None = None
    url: str | None = None

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
    >>> [(witness.source, witness.says.value, witness.value) for witness in book.ask("PK", False, 6000, 7000, ())]
    [('ioda', 'agrees', 900.0)]
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
        self, key: Key, time: int, value: float, usual: float | None = None, url: str | None = None
    ) -> None:
        """Take a reading in."""
        # The one that was told last stands last.
        series = self._series.pop(key, None) or SignalSeries([], [])
        self._series[key] = series
        series.learn(time, value)
        series.usual, series.url = usual, url
        if len(self._series) > SERIES_MAX:
            del self._series[next(iter(self._series))]

    def forget(self, countries: Collection[str]) -> None:
        """Drop all series of these countries."""
        self._series = {key: series for key, series in self._series.items() if key[0] not in countries}

    def ask(
        self, country: str, simulated: bool, onset: int, now: int, networks: Collection[int]
    ) -> tuple[Witness, ...]:
        """What each source says of a loss of connectivity since `onset`: its surest word, sources by name.

        `networks` are those that are affected where the country as a whole is not; else none.
        """
        words: dict[str, Witness] = {}
        for (place, made, source, name, region, asn), series in self._series.items():
            # What a region has lost, its country has not.
            if place != country or made != simulated or region or "region-" in name:
                continue
            if (asn not in networks) if networks else (asn >= 0):
                continue
            witness = _word(source, name, series, onset, now)
            if witness is None:
                continue
            other = words.get(source)
            if other is None or _surer(witness, other):
                words[source] = witness
        return tuple(words[source] for source in sorted(words))


#: Signals that are a source's own judgement (`producers.signals.EVENTS`): 1 where an outage begins, 0 where it is over.
EVENTS: Final = frozenset(("outage", "alert", "traffic_anomaly"))


def is_event(name: str) -> bool:
    """Whether a signal is a judgement; what it was made of may stand behind a point.

    >>> is_event("alert.bgp"), is_event("bgp"), is_event("region-alert.bgp")
    (True, False, False)
    """
    return name.partition(".")[0] in EVENTS


def _began(series: SignalSeries, onset: int, now: int) -> int | None:
    """When the first of a source's outages began that may be this one: not long before it, and not over by then."""
    began: int | None = None
    for time, value in zip(series.times, series.values, strict=True):
        if time > now:
            break
        if value == 1.0 and began is None:
            began = time
        # One that is on since long before goes on where it is raised again, and is another one when it is over.
        elif value == 0.0 and began is not None and (time <= onset or began < onset - _EARLIER_SECONDS):
            began = None
    return None if began is None or began < onset - _EARLIER_SECONDS else began


_SURENESS: Final = {Says.AGREES: 3, Says.DISAGREES: 2, Says.LATE: 1, Says.SILENT: 0}


def _surer(one: Witness, other: Witness) -> bool:
    if one.says is not other.says:
        return _SURENESS[one.says] > _SURENESS[other.says]
    return _fallen(one) > _fallen(other)


def _fallen(witness: Witness) -> float:
    if witness.value is None or not witness.usual:
        return 0.0
    return 1.0 - witness.value / witness.usual


def _word(source: str, name: str, series: SignalSeries, onset: int, now: int) -> Witness | None:
    """What one series says; None where it can't say anything."""
    if is_event(name):
        began = _began(series, onset, now)
        return None if began is None else Witness(source, Says.AGREES, name, 1.0, 0.0, began, series.url)
    step = series.step
    start = bisect_left(series.times, onset - step + 1)
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
    since = list(zip(series.times[start:end], series.values[start:end], strict=True))
    fallen = [(value, time) for time, value in since if value < low]
    if len(fallen) >= needed:
        value, time = min(fallen)
        return Witness(source, Says.AGREES, name, value, usual, time, series.url)
    whole = [(time, value) for time, value in since if time >= onset]
    if len(whole) >= needed and not fallen:
        time, value = whole[-1]
        return Witness(source, Says.DISAGREES, name, value, usual, time, series.url)
    last = series.times[end - 1] if end else None
    says = Says.LATE if now - max(onset, last or 0) <= _LATE_STEPS * step else Says.SILENT
    return Witness(source, says, name, None, usual, last, series.url)


def _had_fallen(series: SignalSeries, onset: int, start: int, low: float, needed: int) -> bool:
    """Whether it was low long before the onset already, and all the time since: something else took it down."""
    long_before = min(start, bisect_left(series.times, onset - _FELL_BEFORE_SECONDS))
    since_then = series.values[max(0, long_before - needed) : start]
    return long_before >= needed and all(value < low for value in since_then)
