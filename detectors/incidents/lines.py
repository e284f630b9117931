"""Whether a network has lost some platforms, or the line of a vantage is bad: its other platforms are the control.

A vantage whose line is bad fails on all that it asks, by chance on a few of its platforms first. That is no choice
among platforms, and where other vantages of the network are well, the network has lost nothing. Nothing here
remembers anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.incidents.case import Case
from detectors.incidents.causes import Cause
from detectors.incidents.moves import Phase
from detectors.incidents.regions import well_above
from detectors.incidents.snapshots import Kind
from detectors.incidents.votes import Part, Vote, vote
from detectors.readings import CountryReading, Opinion

#: What fails on a network's only vantage is told once it has lasted so long: most bad lines are well again by then.
LASTS_SECONDS: Final = 900
#: Through a bad line a quarter or so gets. That nothing does is said from so many nats on.
THROUGH: Final = 0.25
NOTHING_THROUGH: Final = 0.02
NOTHING_NATS: Final = 4.0
#: Of so many networks that fail together each is asked whether it is the line of one vantage.
NETWORKS_MAX: Final = 4
# Shares lost that a comparison may assume: of few results all have failed by chance, or hardly any.
_SHARE_MIN: Final = 0.1
_SHARE_MAX: Final = 0.9
# One failure where nearly all succeeds says no more than it does here.
_USUAL_MAX: Final = 0.97
# Of fewer results in these minutes, over all platforms of a network, nothing is known of its lines.
_RESULTS_MIN: Final = 6.0
# What has lasted shows in each third of the minutes that are remembered.
_PIECES: Final = 3

# Rows of a platform on a network: successes, results and the usual ratio of each window, the present one last.
Windows = NDArray[np.float64]


class Whose(Enum):
    """What has failed, where one network has lost something."""

    #: Some platforms: others are well, or it is not known how they are.
    PLATFORMS = auto()
    #: The line of a vantage, while as many others of the network are well.
    VANTAGE = auto()
    #: The line of the network's only vantage, or the network: what lasts tells.
    BRIEF = auto()
    #: The network: all that it asks fails alike.
    NETWORK = auto()


#: These may be the line of one vantage, which is not told.
BAD_LINES: Final = (Whose.VANTAGE, Whose.BRIEF)


class Verdict(NamedTuple):
    """What has failed on a network, and which other platforms fail alike there."""

    line: Whose
    asn: int = 0
    others: frozenset[str] = frozenset()


_OF_PLATFORMS: Final = Verdict(Whose.PLATFORMS)


def by_line(
    cause: Cause,
    case: Case | None,
    known: Sequence[Case],
    beside: Collection[Part],
    reading: CountryReading,
) -> tuple[Cause | None, bool]:
    """What of a cause is not the line of one vantage, and whether all of it may be one yet: then it waits.

    Of a network that has failed, all platforms belong to it that fail alike. `case` is the suspicion that it belongs
    to, if any; `known` and `beside` as in `whose`.
    """
    left = without_well_networks(cause, known, beside, reading)
    if left is None:
        return None, True
    verdict = whose(left, case, known, beside, reading)
    return widened(left, verdict, reading), verdict.line in BAD_LINES


def whose(
    cause: Cause,
    case: Case | None,
    known: Iterable[Case],
    beside: Collection[Part],
    reading: CountryReading,
) -> Verdict:
    """Say what has failed where a cause is of one network.

    `case` is the one that the cause belongs to, if any. What others of the `known` ones hold on that network, and what
    other causes of this window do (`beside`), is lost for its own reason, and no control.
    """
    networks = {asn for asn, region in cause.units if not region}
    if cause.kind is not Kind.PLATFORM or cause.is_slow or len(cause.units) != 1 or not networks:
        return _OF_PLATFORMS
    (asn,) = networks
    lost = {part.platform for part in beside if part.asn == asn}
    for other in known:
        if other is not case and other.phase in (Phase.OPEN, Phase.EASING):
            lost |= {p for (p, of, _), loss in other.losses.items() if of == asn and loss.back is None}
    return _verdict(cause, asn, lost, reading)


def without_well_networks(
    cause: Cause, known: Sequence[Case], beside: Collection[Part], reading: CountryReading
) -> Cause | None:
    """Of a few networks that fail together, leave out those that fail by the line of one vantage alone."""
    if not 1 < len(cause.units) <= NETWORKS_MAX:
        return cause
    return cause.without(_parts_of_lines(cause, (Whose.VANTAGE,), known, beside, reading))


def without_bad_lines(
    cause: Cause, case: Case, known: Sequence[Case], reading: CountryReading
) -> Cause | None:
    """Leave out what is new to an incident on networks on which the line of one vantage may be bad."""
    fresh = cause.without({Part(*key) for key in case.losses})
    if fresh is None or len(fresh.units) > NETWORKS_MAX:
        return cause
    return cause.without(_parts_of_lines(fresh, BAD_LINES, known, (), reading))


def _parts_of_lines(
    cause: Cause,
    lines: Collection[Whose],
    known: Sequence[Case],
    beside: Collection[Part],
    reading: CountryReading,
) -> set[Part]:
    """The parts of a cause on networks on which one of these has failed, each network looked at by itself."""
    parts: set[Part] = set()
    for unit in sorted(cause.units):
        column = cause.without({part for part in cause.parts if part.unit != unit})
        if column is not None and whose(column, None, known, beside, reading).line in lines:
            parts |= set(column.parts)
    return parts


def widened(cause: Cause, verdict: Verdict, reading: CountryReading) -> Cause:
    """Add the other platforms that fail alike on the network of a cause, whether or not they are sure of it."""
    parts: dict[Part, Vote] = dict(cause.parts)
    for platform in sorted(verdict.others):
        part = Part(platform, verdict.asn, "")
        parts[part] = vote(part, reading)._replace(opinion=Opinion.BAD, onset=cause.middle)
    return Cause(cause.kind, parts, cause.growing)


def nats_of_loss(windows: Windows, share: float) -> float:
    """How much more likely what some windows had is if this share of the usual successes is lost, in nats.

    >>> failing, well = np.array([[1.0, 4.0, 0.98]] * 3), np.array([[4.0, 4.0, 0.98]] * 3)
    >>> round(nats_of_loss(failing, 0.7), 1), round(nats_of_loss(well, 0.7), 1)
    (24.9, -14.4)
    """
    return float(likelihoods(windows, share).sum())


def likelihoods(windows: Windows, share: float) -> NDArray[np.float64]:
    """How much more likely what each window had is if this share of the usual successes is lost, in nats."""
    return _likelier(windows, 1.0 - min(_SHARE_MAX, max(_SHARE_MIN, share)), 1.0)


def _likelier(windows: Windows, left: float, other: float) -> NDArray[np.float64]:
    """How much more likely each window is if so much of the usual is left than if the other is, in nats."""
    good, n, usual = windows[:, 0], windows[:, 1], np.minimum(windows[:, 2], _USUAL_MAX)
    failing = np.log((1.0 - usual * left) / (1.0 - usual * other))
    return np.asarray(good * np.log(left / other) + (n - good) * failing)


def _verdict(cause: Cause, asn: int, lost: Collection[str], reading: CountryReading) -> Verdict:
    onsets = {
        part.platform: part_vote.onset
        for part, part_vote in cause.parts.items()
        if part_vote.onset is not None and not part_vote.slow
    }
    past = {
        platform: windows
        for (platform, of), windows in sorted(reading.past.items(), key=lambda item: item[0])
        if of == asn and (platform in onsets or platform not in lost)
    }
    if not onsets or not onsets.keys() <= past.keys():
        return _OF_PLATFORMS
    onset = min(onsets.values())
    since = max(1, (reading.end - onset) // (reading.end - reading.start))
    lately = {platform: windows[-since:] for platform, windows in past.items()}
    heard = {platform: windows for platform, windows in lately.items() if windows[:, 1].any()}
    others = {platform: windows for platform, windows in heard.items() if platform not in onsets}
    if sum(windows[:, 1].sum() for windows in heard.values()) < _RESULTS_MIN:
        return _OF_PLATFORMS
    if not others and len(onsets) < 2:
        return _OF_PLATFORMS  # it asks nothing else
    share = share_lost([lately[platform] for platform in onsets])
    if others and not _fail_alike(list(others.values()), share):
        return _OF_PLATFORMS
    well, bad = _vantages(asn, onset, lost, reading)
    if _most_are_well(well, bad):
        return Verdict(Whose.VANTAGE, asn)
    if others and _most_are_well(*_vantages(asn, onset, {*lost, *onsets}, reading)):
        return _OF_PLATFORMS  # one vantage has a bad line besides
    if well + bad == 1 and not (
        _lets_nothing_through(list(lately.values())) or _lasts(list(past.values()), reading.end - onset)
    ):
        return Verdict(Whose.BRIEF, asn)
    alike = {platform for platform, windows in others.items() if nats_of_loss(windows, share / 2.0) > 0.0}
    return Verdict(Whose.NETWORK, asn, frozenset(alike))


def share_lost(series: Sequence[Windows]) -> float:
    """The share of the usual successes that is missing; 0 where none are due.

    >>> round(share_lost([np.array([[1.0, 4.0, 0.5]])]), 2)
    0.5
    """
    good = sum(float(windows[:, 0].sum()) for windows in series)
    due = sum(float((windows[:, 1] * windows[:, 2]).sum()) for windows in series)
    return 1.0 - good / due if due > 0.0 else 0.0


def _fail_alike(others: Sequence[Windows], share: float) -> bool:
    """Whether even the better half of the others looks more like half of this loss than like nothing.

    Where several platforms are taken away, not all of them are sure at once: those that are well show the choice.
    """
    by_loss = sorted(others, key=lambda windows: share_lost([windows]))
    better = by_loss[: max(1, len(by_loss) // 2)]
    return sum(nats_of_loss(windows, share / 2.0) for windows in better) > 0.0


def _vantages(asn: int, onset: int, lost: Collection[str], reading: CountryReading) -> tuple[int, int]:
    """How many vantages of a network, of those heard since, are well over all their platforms, and how many not."""
    excess: dict[int, list[float]] = {}
    for seat in reading.seats.get(asn, ()):
        if seat.last >= onset and seat.platform not in lost:
            excess.setdefault(seat.vantage, []).append(seat.excess)
    means = [sum(values) / len(values) for values in excess.values()]
    bar = well_above(means)
    well = sum(mean > bar for mean in means)
    return well, len(means) - well


def _most_are_well(well: int, bad: int) -> bool:
    """Whether at least half of some vantages are well."""
    return bool(well) and well >= bad


def _lasts(past: Sequence[Windows], seconds: int) -> bool:
    """Whether a loss was there all the minutes that are remembered: two bad lines with good minutes between are two."""
    together = np.stack(past)
    share = share_lost(past)
    thirds = np.array_split(together, _PIECES, axis=1)
    return seconds >= LASTS_SECONDS and all(
        nats_of_loss(np.concatenate(list(third)), share) > 0.0 for third in thirds
    )


def _lets_nothing_through(lately: Sequence[Windows]) -> bool:
    """Whether what succeeds is so little that no bad line is likely."""
    nats = _likelier(np.concatenate(lately), NOTHING_THROUGH, THROUGH)
    return float(nats.sum()) >= NOTHING_NATS
