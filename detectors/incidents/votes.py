"""Parts, and what each says in one window: the smallest things that can be lost, with one vote each."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from statistics import median_high, median_low
from typing import Final, NamedTuple

from detectors.readings import CountryReading, Opinion, Slowness, Standing, Volume


class Part(NamedTuple):
    """The smallest thing that can be lost: (platform, asn), (platform, region), or a whole network or region."""

    platform: str
    asn: int
    region: str

    @property
    def unit(self) -> tuple[int, str]:
        """What has a vote: the network, or the region."""
        return (self.asn, self.region)


class Vote(NamedTuple):
    """What a part says in one window."""

    opinion: Opinion
    # Results of this window.
    n: int
    k: int
    expected: float
    reachability: float
    onset: int | None
    # Results since the onset.
    probes: int
    # Lost by slowness, not by failure.
    slow: bool
    # Of late, as a share of the usual.
    speed: float = 1.0
    # Of this window alone.
    pace: float = 1.0
    # Of a whole network: the results that came in this window, and those that are due in one; 0 due where a share of
    # attempts is judged.
    came: float = 0.0
    due: float = 0.0


SILENT: Final = Vote(Opinion.UNSURE, 0, 0, 1.0, 1.0, None, 0, False)


def vote(part: Part, reading: CountryReading) -> Vote:
    """What a part says in this window. It is asked several times a window, and worked out once."""
    known: Vote | None = reading.votes.get(part)
    if known is None:
        known = reading.votes[part] = _vote(part, reading)
    return known


def _vote(part: Part, reading: CountryReading) -> Vote:
    platform, asn, region = part
    if region and not platform:
        return _of_volume(reading.region_volumes.get(region))
    if region:
        return _of_standing(reading.regions.get((platform, region)), slow=False)
    if not platform:
        return _of_volume(reading.volumes.get(asn))
    cell = (platform, asn)
    standing = reading.networks.get(cell)
    slowness = reading.slowness.get(cell)
    if slowness is None:
        return _of_standing(standing, slow=False)
    if slowness.opinion is not Opinion.BAD:
        return _of_standing(standing, slow=False, speed=_speed(slowness), pace=_pace(slowness))
    if standing is not None and standing.opinion is Opinion.BAD:
        return _of_standing(standing, slow=False, pace=_pace(slowness))
    slow_vote = _of_standing(standing, slow=True)
    onset = slowness.onset if slowness.onset is not None else reading.start
    probes = max(slow_vote.probes, slow_vote.n)
    return slow_vote._replace(
        opinion=Opinion.BAD, onset=onset, probes=probes, speed=_speed(slowness), pace=_pace(slowness)
    )


def _of_volume(volume: Volume | None) -> Vote:
    if volume is None:
        return SILENT
    # A few results an hour leave most windows empty: where the channel is content, an empty one is no loss.
    content = volume.usual <= 0 or (volume.usual < 1.0 and volume.opinion is Opinion.GOOD)
    ratio = 1.0 if content else min(1.0, volume.seen / volume.usual)
    spoken = volume.opinion is not Opinion.UNSURE or volume.seen > 0
    n = max(1, round(volume.usual)) if spoken else 0
    flow = Vote(volume.opinion, n, round(ratio * n), 1.0, ratio, volume.onset, round(volume.seen), False)
    return flow._replace(came=volume.seen, due=max(0.0, volume.usual))


def pooled(votes: Sequence[Vote]) -> Vote | None:
    """What several parts say as one by their results of this window, whatever their detectors say; None without any.

    None of them counts for more than twice the middle one's results.
    """
    spoken = [one for one in votes if one.n]
    if not spoken:
        return None
    most = 2 * median_high([one.n for one in spoken])
    weights = [min(one.n, most) for one in spoken]
    n = sum(weights)
    k = round(sum(weight * one.k / one.n for weight, one in zip(weights, spoken, strict=True)))
    expected = sum(weight * one.expected for weight, one in zip(weights, spoken, strict=True)) / n
    now = sum(weight * one.reachability for weight, one in zip(weights, spoken, strict=True)) / n
    paces = [one.pace for one in spoken if one.k]  # what fails has no speed
    pace = median_low(paces) if paces else 1.0
    return Vote(Opinion.UNSURE, n, k, expected, now, None, 0, slow=False, pace=pace)


def slowness_beside(platform: str, asn: int, reading: CountryReading) -> float:
    """How many times slower than usual, as a logarithm, the quickest other platform of a network is; 0 without one."""
    others = [_speed(one) for (name, of), one in reading.slowness.items() if of == asn and name != platform]
    return max(0.0, -log(max(others))) if others else 0.0


def _speed(slowness: Slowness) -> float:
    """Return its speed as a share of the usual."""
    now, usual = slowness.now, slowness.usual
    if slowness.measure == "ttfb_ms":
        now, usual = usual, now
    return min(1.0, now / usual) if usual > 0 else 1.0


def _pace(slowness: Slowness) -> float:
    """Return its speed in this window as a share of the usual, or its latest one if nothing was measured."""
    return _speed(slowness) if slowness.pace is None else min(1.0, slowness.pace)


def _of_standing(standing: Standing | None, *, slow: bool, speed: float = 1.0, pace: float = 1.0) -> Vote:
    if standing is None:
        return SILENT if speed == 1.0 else SILENT._replace(speed=speed)
    return Vote(
        standing.opinion,
        standing.n,
        standing.k,
        standing.expected,
        standing.reachability,
        standing.onset,
        standing.probes,
        slow,
        speed,
        pace,
    )
