"""How well incidents fit what truly happened: recall, false alarms, delays, alarms an event.

A label says what happened: `start`, `end`, `country` (null: every country), `platforms` and `asns` (empty: all of
them), `kind`, and if one likes `event`, a finer name to group by.

When an incident is of a label:

1. They share a country, a platform and a network. What one of the two leaves empty, it shares. An incident over many
   countries shares each of them. The kinds may differ; how often they agree is counted.
2. An incident begins to match when it opens, opens again, or grows into sharing; this must fall between
   `EARLY_SECONDS` before the label's start and `GRACE_SECONDS` after its end. An incident that is open already, and
   shares already, is no detection of what begins now; unless it matched a label that ended less than
   `MERGE_SECONDS` before, which is one event to it. Such a label is detected, and has no delay.
3. An incident that matches no label is a false alarm. One incident may match several labels; a label may be matched
   by several incidents, which is more than one alarm for an event.

The delay of detection counts from the label's start to the snapshot with which the first incident begins to match;
that of resolution from the label's end to when the last one that matches is told to be resolved. Told before the
label's end it is `resolved_early`, and has no delay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from streams.records import Incident, Status

EARLY_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 900.0
MERGE_SECONDS: Final = 1800.0


class Label(Struct, frozen=True, kw_only=True):
    """One thing that truly happened. A time without a zone is UTC; a number is seconds since 1970."""

    start: datetime | float
    end: datetime | float
    country: str | None = None
    platforms: tuple[str, ...] = ()
    asns: tuple[int, ...] = ()
    kind: str = "platform"
    event: str | None = None


class Delays(Struct, frozen=True):
    """Delays in minutes: the median and the 90th percentile, or None if there are none."""

    median: float | None
    p90: float | None


class ScoreRow(Struct, frozen=True, kw_only=True):
    """How one group of labels was met."""

    events: int
    detected: int
    recall: float | None
    recall_interval: tuple[float, float]
    minutes_to_detect: Delays
    minutes_to_resolve: Delays
    resolved_early: int
    unresolved: int
    kind_agrees: int
    alarms_per_event: float | None


class Scorecard(Struct, frozen=True, kw_only=True):
    """The score of the whole, and by kind of label (`event` if it has one). Intervals are 95 %."""

    all: ScoreRow
    by_kind: dict[str, ScoreRow]
    incidents: int
    false_alarms: int
    false_alarms_confirmed: int
    series_months: float
    false_alarms_per_series_month: float | None
    false_alarms_interval: tuple[float, float] | None
    false_alarm_ids: tuple[str, ...]
    missed: tuple[Label, ...]


@dataclass(slots=True)
class _ActiveSpan:
    """An incident while it is active: its snapshots with their times, and when it was resolved."""

    incident: str
    kind: str
    confirmed: bool
    shots: list[tuple[float, Incident]]
    end: float | None = None
    labels: list[Label] = field(default_factory=list)


@dataclass(slots=True)
class _LabelOutcome:
    """What became of one label."""

    label: Label
    delay: float | None = None
    stretches: list[_ActiveSpan] = field(default_factory=list)


def scorecard(incidents: Iterable[Incident], truth: Sequence[Label], series_months: float) -> Scorecard:
    """Compare incidents with the truth.

    Parameters
    ----------
    incidents
        Every snapshot of every incident, each incident's in order of `seq`.
    truth
        What happened, in any order.
    series_months
        What was watched: series (platforms by countries) times months of 30 days. 0 gives no rate.
    """
    stretches = _stretches(incidents)
    outcomes = [_LabelOutcome(label) for label in sorted(truth, key=lambda label: _seconds(label.start))]
    for outcome in outcomes:
        for stretch in stretches:
            _match(outcome, stretch)
    matched = {stretch.incident for stretch in stretches if stretch.labels}
    false = {stretch.incident: False for stretch in stretches if stretch.incident not in matched}
    for stretch in stretches:
        if stretch.incident in false:
            false[stretch.incident] |= stretch.confirmed
    groups: dict[str, list[_LabelOutcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.label.event or outcome.label.kind, []).append(outcome)
    known = series_months > 0
    low, high = poisson_interval(len(false))
    return Scorecard(
        all=_row(outcomes),
        by_kind={name: _row(group) for name, group in sorted(groups.items())},
        incidents=len({stretch.incident for stretch in stretches}),
        false_alarms=len(false),
        false_alarms_confirmed=sum(false.values()),
        series_months=series_months,
        false_alarms_per_series_month=len(false) / series_months if known else None,
        false_alarms_interval=(low / series_months, high / series_months) if known else None,
        false_alarm_ids=tuple(false),
        missed=tuple(outcome.label for outcome in outcomes if not outcome.stretches),
    )


def poisson_interval(count: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a Poisson mean after `count` events (Garwood, Biometrika 28, 1936).

    >>> [round(bound, 3) for bound in poisson_interval(0)], [round(bound, 3) for bound in poisson_interval(10)]
    ([0.0, 3.689], [4.795, 18.39])
    """
    tail = (1 - confidence) / 2
    high = _mean_for(lambda mean: _poisson_cdf(count, mean), tail, count)
    if count == 0:
        return 0.0, high
    return _mean_for(lambda mean: _poisson_cdf(count - 1, mean), 1 - tail, count), high


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (JASA 22, 1927).

    >>> [round(bound, 3) for bound in wilson_interval(49, 50)]
    [0.895, 0.996]
    """
    if trials == 0:
        return 0.0, 1.0
    z = 1.959964
    share, spread = hits / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def render(card: Scorecard, console: Console) -> None:
    """Print it as a table for people."""
    table = Table(
        "what happened", "events", "recall", "to detect", "p90", "to resolve", "p90", "alarms/event", box=None
    )
    for name, row in [*card.by_kind.items(), ("all", card.all)]:
        table.add_row(
            name,
            str(row.events),
            _percent(row.recall),
            _minutes(row.minutes_to_detect.median),
            _minutes(row.minutes_to_detect.p90),
            _minutes(row.minutes_to_resolve.median),
            _minutes(row.minutes_to_resolve.p90),
            "" if row.alarms_per_event is None else f"{row.alarms_per_event:.2f}",
        )
    console.print(table)
    rate, interval = card.false_alarms_per_series_month, card.false_alarms_interval
    spoken = (
        ""
        if rate is None or interval is None
        else (f": {rate:.2f} a series-month (95 % interval {interval[0]:.2f} to {interval[1]:.2f})")
    )
    console.print(
        f"{card.false_alarms} false alarms ({card.false_alarms_confirmed} of them confirmed) "
        f"in {card.series_months:.2f} series-months{spoken}"
    )
    if card.missed:
        console.print(f"{len(card.missed)} missed; resolved early {card.all.resolved_early}")


def _stretches(incidents: Iterable[Incident]) -> list[_ActiveSpan]:
    open_now: dict[str, _ActiveSpan] = {}
    stretches: list[_ActiveSpan] = []
    for incident in incidents:
        stretch = open_now.get(incident.id)
        if incident.status is Status.RESOLVED:
            if stretch is not None:
                stretch.end = incident.updated.timestamp()  # when it was told, not since when it was so
                del open_now[incident.id]
            continue
        told_at = (incident.detected if incident.seq == 1 else incident.updated).timestamp()
        if stretch is None:
            stretch = open_now[incident.id] = _ActiveSpan(incident.id, incident.kind, incident.confirmed, [])
            stretches.append(stretch)
        stretch.shots.append((told_at, incident))
        stretch.kind = incident.kind
        stretch.confirmed |= incident.confirmed
    return stretches


def _match(outcome: _LabelOutcome, stretch: _ActiveSpan) -> None:
    label = outcome.label
    start, end = _seconds(label.start), _seconds(label.end)
    shared_before = False
    for told_at, incident in stretch.shots:
        shares = _shares(label, incident)
        if shares and not shared_before and start - EARLY_SECONDS <= told_at <= end + GRACE_SECONDS:
            delay = max(0.0, told_at - start)
            outcome.delay = delay if outcome.delay is None else min(outcome.delay, delay)
            outcome.stretches.append(stretch)
            stretch.labels.append(label)
            return
        shared_before = shares
    goes_on = stretch.shots[0][0] < start and (stretch.end is None or stretch.end > start)
    merged = any(0 <= start - _seconds(other.end) < MERGE_SECONDS for other in stretch.labels)
    if goes_on and merged and any(_shares(label, incident) for _, incident in stretch.shots):
        outcome.stretches.append(stretch)
        stretch.labels.append(label)


def _shares(label: Label, incident: Incident) -> bool:
    places = {incident.country} if incident.country else set(incident.countries)
    networks = {network.asn for network in incident.networks}
    return (
        (not label.country or label.country == "*" or not places or label.country in places)
        and (
            not label.platforms or not incident.platforms or bool({*label.platforms} & {*incident.platforms})
        )
        and (not label.asns or not networks or bool({*label.asns} & networks))
    )


def _row(outcomes: Sequence[_LabelOutcome]) -> ScoreRow:
    met = [outcome for outcome in outcomes if outcome.stretches]
    delays = [outcome.delay for outcome in met if outcome.delay is not None]
    to_resolve: list[float] = []
    early = unresolved = 0
    for outcome in met:
        ends = [stretch.end for stretch in outcome.stretches]
        last = None if None in ends else max(end for end in ends if end is not None)
        if last is None:
            unresolved += 1
        elif last < _seconds(outcome.label.end):
            early += 1
        else:
            to_resolve.append(last - _seconds(outcome.label.end))
    alarms = sum(len({stretch.incident for stretch in outcome.stretches}) for outcome in met)
    return ScoreRow(
        events=len(outcomes),
        detected=len(met),
        recall=len(met) / len(outcomes) if outcomes else None,
        recall_interval=wilson_interval(len(met), len(outcomes)),
        minutes_to_detect=_delays(delays),
        minutes_to_resolve=_delays(to_resolve),
        resolved_early=early,
        unresolved=unresolved,
        kind_agrees=sum(
            any(stretch.kind == outcome.label.kind for stretch in outcome.stretches) for outcome in met
        ),
        alarms_per_event=alarms / len(met) if met else None,
    )


def _delays(seconds: Sequence[float]) -> Delays:
    if not seconds:
        return Delays(None, None)
    median, p90 = np.percentile(seconds, [50, 90]) / 60
    return Delays(round(float(median), 2), round(float(p90), 2))


def _seconds(time: datetime | float) -> float:
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return time


def _poisson_cdf(count: int, mean: float) -> float:
    """P(X <= count) where X is Poisson of that mean."""
    if mean <= 0:
        return 1.0
    log_terms = np.arange(count + 1) * math.log(mean) - mean
    log_terms -= np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, count + 1)))))
    top = float(log_terms.max())
    return min(1.0, math.exp(top) * float(np.exp(log_terms - top).sum()))


def _mean_for(cdf: Callable[[float], float], probability: float, count: int) -> float:
    """The mean at which a falling function of it reaches a probability, by halving."""
    low, high = 0.0, 10.0 + 2.0 * count + 10.0 * math.sqrt(count + 1)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(middle) > probability else (low, middle)
    return (low + high) / 2


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _minutes(minutes: float | None) -> str:
    return "" if minutes is None else f"{minutes:.1f} min"
