"""From opinions about series to causes: which of the losses in a country belong together.

What is lost is a set of *parts*: a platform on a network, a platform in a region, or a network that has gone dark. A
cause is a rectangle of them: some platforms, all lost on about the same networks. So a carrier that loses everything
while one platform is filtered everywhere makes two causes, and four platforms that are filtered together make one.

One network has one vote. Nothing here remembers anything: a reading goes in, causes come out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, Final

from detectors.asked import leaning_of, live_of, too_slow
from detectors.incidents.regions import is_of_one
from detectors.incidents.snapshots import Doubt, Kind, Scope
from detectors.incidents.votes import Part, Vote, vote
from detectors.readings import CountryReading, Opinion, Standing, Volume
from detectors.settings import IncidentSettings

#: Sets of networks that share this much are the same ones, seen a moment earlier or later.
ALIKE: Final = 0.5
#: Losses of several networks each, that began this close together, began together.
TOGETHER_SECONDS: Final = 300
#: So far apart may be what became slow together: a slow series is dated by few values.
SLOW_TOGETHER_SECONDS: Final = 900
#: A network that leans counts with those that are sure when it has lost this share of what they have.
LIKE_DEPTH: Final = 0.34
#: Where the country is sure, a network counts from here on: an eighth of what alarms it is a nat or so.
JOIN_SCORE: Final = 0.125
#: Where some may lie, so many of those that are not sure must stray alike before they count, or most of them must be
#: nearly sure: with two fifths that lie, an honest network or two that stray by chance made a majority.
JOIN_SHARE: Final = 0.75
NEARLY_SURE: Final = 0.6
#: And where none is sure, those that say least, a majority, say at least this share of an equal part of it all.
ALIKE_SHARE: Final = 2 / 3
#: Where no network is sure by itself, the country must be surer than where one is: thin series are wrong together more
#: often. Of a fall that leaves little, three windows at their cap say enough.
POOLED_SCORE: Final = 1.3
POOLED_SCORE_DEEP: Final = 1.15
#: Most vantages may fall short by chance, where each had one result or two: with more than this left a loss is small.
MOSTLY_LEFT: Final = 0.7
#: A shortfall below this is no leaning, however sure a detector is of it.
SHORTFALL_MIN: Final = 0.05
#: One network that falls short by less drifts: a detector asks as much where its country loses nothing.
STRAYING_MAX: Final = 0.20
#: Platforms of a network of which one alone is sure must be so many times as sure together as one that fails alone.
FAIL_ALIKE: Final = 1.6
#: Where few results come, one platform on one network takes so many since the onset: three are one bad line.
RESULTS_MIN: Final = 4
#: A series is sparse that has fewer results a window than this.
SPARSE_SHARE: Final = 0.25
#: Who has been heard for less than a day, and seldom, may sleep so long.
NIGHT_SECONDS: Final = 36_000
#: So long a silence of the only network of a country is told, unconfirmed.
ALONE_SECONDS: Final = 3600
#: A network that was silent for so long before most fell silent together is silent for itself.
BEFORE_SECONDS: Final = 900
_DAY: Final = 86_400
# Asked of every network in every window: an enum's member costs more to look up than a constant.
_BAD: Final = Opinion.BAD


@dataclass(frozen=True, slots=True)
class Cause:
    """Parts that are lost together, and whether more of the same seems to be on its way."""

    kind: Kind
    parts: Mapping[Part, Vote]
    growing: bool

    @property
    def platforms(self) -> frozenset[str]:
        """Platforms that it takes away; empty where networks are dark."""
        return frozenset(part.platform for part in self.parts if part.platform)

    @property
    def units(self) -> frozenset[tuple[int, str]]:
        """Networks and regions on which it does."""
        return frozenset(part.unit for part in self.parts)

    @property
    def is_slow(self) -> bool:
        """Whether it is slowness alone: its networks become sure of it one after the other, over many minutes."""
        return all(part_vote.slow for part_vote in self.parts.values())

    @property
    def middle(self) -> int:
        """The middle onset of its parts."""
        return _middle(self.parts.values())

    def alone_and_faint(
        self, reading: CountryReading, settings: IncidentSettings, *, opening: bool = False
    ) -> bool:
        """Whether it is one series, and not surer than the luckiest of very many may be: there are very many.

        What is `opening` an incident must be sure by itself, not for its country's sake.
        """
        if len(self.parts) > 1:
            return opening and self._faint_together(reading, settings)
        ((part, part_vote),) = self.parts.items()
        if part_vote.slow:
            slowness = reading.slowness.get((part.platform, part.asn))
            return slowness is not None and slowness.score < settings.slow_alone_score
        if part.region:
            standing = reading.regions.get((part.platform, part.region))
        else:
            standing = reading.networks.get((part.platform, part.asn))
            if len(live_on(part.platform, reading)) < 2 or standing is None:
                return False
            if _is_sparse(part, reading):
                few = standing.probes < RESULTS_MIN
                return opening and (few or standing.score * standing.bar < 1.0)
            if opening:
                return standing.score * standing.bar < settings.alone_score
        return standing is not None and standing.score < settings.alone_score

    def _faint_together(self, reading: CountryReading, settings: IncidentSettings) -> bool:
        """Whether it is one network, of whose platforms one alone is sure, and the others add little to it."""
        if len(self.units) > 1:
            return False
        of_parts = [reading.networks.get((part.platform, part.asn)) for part in self.parts]
        standings = [standing for standing in of_parts if standing is not None]
        if sum(standing.opinion is Opinion.BAD for standing in standings) != 1:
            return False
        return (
            sum(standing.score * standing.bar for standing in standings) < FAIL_ALIKE * settings.alone_score
        )

    def strays(self, reading: CountryReading, settings: IncidentSettings) -> bool:
        """Whether it is one network that would not be believed without the losses of others in its country."""
        if len(self.units) > 1 or any(
            part.region or part_vote.slow for part, part_vote in self.parts.items()
        ):
            return False
        for part in self.parts:
            standing = reading.networks.get((part.platform, part.asn))
            if standing is None or _is_sparse(part, reading):
                return False
            sure = standing.score * standing.bar >= settings.alone_score
            if sure and standing.expected - standing.reachability >= STRAYING_MAX:
                return False
        return True

    def without(self, taken: Collection[Part]) -> Cause | None:
        """Return what is left when other incidents keep their parts, or None if nothing is."""
        left = {part: part_vote for part, part_vote in self.parts.items() if part not in taken}
        return Cause(self.kind, left, self.growing) if left else None

    @property
    def onset(self) -> int:
        """The earliest onset of its parts."""
        return min(vote.onset for vote in self.parts.values() if vote.onset is not None)


def _is_sparse(part: Part, reading: CountryReading) -> bool:
    """Whether a few results an hour come: there the detectors ask for two reporters, and have weighed each result."""
    past = reading.past.get((part.platform, part.asn))
    return past is None or past[:, 1].sum() < SPARSE_SHARE * len(past)


def live_networks(reading: CountryReading) -> frozenset[int]:
    """Networks that report, or did until they went dark: those who vote."""
    spoken = {asn for asn, volume in reading.volumes.items() if volume.live}
    return frozenset(spoken.union(*_live(reading).values()))


def dark_networks(reading: CountryReading) -> frozenset[int]:
    """Live networks whose results have stopped."""
    return frozenset(a for a, v in reading.volumes.items() if v.live and v.opinion is Opinion.BAD)


def live_on(platform: str, reading: CountryReading) -> frozenset[int]:
    """Networks that report on a platform."""
    return _live(reading).get(platform, frozenset())


def _live(reading: CountryReading) -> Mapping[str, frozenset[int]]:
    """By platform, the networks that report. A crowd has many hundreds: they are looked through once a window."""
    if reading.live is None:
        live: dict[str, set[int]] = {}
        for platform, asn in live_of(reading.networks):
            live.setdefault(platform, set()).add(asn)
        reading.live = {platform: frozenset(asns) for platform, asns in live.items()}
    return reading.live


def leans(standing: Standing, settings: IncidentSettings) -> bool:
    """Whether a series stirs: short of an alarm, and visibly below its usual."""
    return _leans(standing, settings.lean_score)


def _leans(standing: Standing, score: float) -> bool:
    return (
        standing.live
        and standing.opinion is not Opinion.GOOD
        and standing.score >= score
        and standing.expected - standing.reachability >= SHORTFALL_MIN
    )


def find_causes(
    reading: CountryReading,
    settings: IncidentSettings,
    mends: Callable[[Part], bool],
    others: OtherRegions,
    *,
    some_lie: bool = False,
) -> list[Cause]:
    """The causes that this window shows, widest first; the order is the same for the same reading.

    `mends` tells the parts that show positive evidence again: a detector that has not calmed down yet makes no cause
    of them. `some_lie`: networks that are not sure are believed only where nearly all of them are alike.
    """
    dark = dark_networks(reading)
    causes = list(_darkness(reading, dark, settings))
    lost, leaning = _lost_cells(reading, dark, settings, mends, some_lie=some_lie)
    for platform in list(lost):
        lost[platform] = {a: v for a, v in lost[platform].items() if not mends(Part(platform, a, ""))}
        if not lost[platform]:
            del lost[platform]
    by_region = _lost_regions(reading, lost, others)
    for platform in list(by_region):
        kept = {r: v for r, v in by_region[platform].items() if not mends(Part(platform, 0, r))}
        by_region[platform] = kept
        if not kept:
            del by_region[platform]
    for platform in list(lost):
        if platform in by_region or _is_of_regions(platform, lost[platform], by_region, reading, others):
            del lost[platform]
    for group in _clusters(lost):
        parts = {Part(p, a, ""): lost[p][a] for p in sorted(group) for a in sorted(lost[p])}
        networks = {part.asn for part in parts}
        stirring = any(leaning[p] - networks for p in group) or any(
            leaning[p] & networks for p in leaning if p not in group
        )
        causes.append(Cause(Kind.PLATFORM, parts, stirring))
    for group in _clusters(by_region):
        parts = {Part(p, 0, r): by_region[p][r] for p in sorted(group) for r in sorted(by_region[p])}
        stirring = any(
            p in group and r not in by_region[p] and leans(standing, settings)
            for (p, r), standing in reading.regions.items()
        )
        causes.append(Cause(Kind.PLATFORM, parts, stirring))
    causes.sort(key=lambda cause: (-len(cause.parts), sorted(cause.parts)))
    return causes


def _darkness(reading: CountryReading, dark: frozenset[int], settings: IncidentSettings) -> Iterable[Cause]:
    """Networks gone silent together, and regions. A few networks of many are lost vantages, and no incident."""
    dark = frozenset(asn for asn in dark if not _may_sleep(reading.volumes[asn], reading))
    before = _silent_before(dark, reading)
    dark -= before
    voters = [asn for asn, volume in reading.volumes.items() if volume.live and asn not in before]
    majority = len(dark) >= 2 and 2 * len(dark) > len(voters)
    # One network is all that is heard of the country: a lost vantage, or the country. After an hour that is told.
    alone = len(voters) == 1 and any(_long_silent(reading.volumes[asn], reading) for asn in dark)
    several = len(dark) >= settings.dark_networks_min
    if reading.silence_doubt == Doubt.CROWD and not _sent_most(dark, reading):
        majority = several = False
    if majority or alone or several:
        parts = {Part("", asn, ""): vote(Part("", asn, ""), reading) for asn in sorted(dark)}
        parts = {part: part_vote for part, part_vote in parts.items() if part_vote.onset is not None}
        if parts:
            yield Cause(Kind.CONNECTIVITY, parts, growing=False)
    # A region is silent while others are heard: never where all of the country is.
    silent = [region for region, volume in reading.region_volumes.items() if volume.opinion is _BAD]
    if silent:
        votes = {Part("", 0, region): vote(Part("", 0, region), reading) for region in sorted(silent)}
        yield Cause(Kind.CONNECTIVITY, votes, growing=False)


def _silent_before(dark: Collection[int], reading: CountryReading) -> frozenset[int]:
    """Networks that were silent long before most of the others fell silent together: they are no part of it.

    Where networks fall silent one by one, there is no such majority without them, and all count.
    """
    onsets = {asn: reading.volumes[asn].onset or 0 for asn in dark}
    if len(onsets) < 3:
        return frozenset()
    middle = sorted(onsets.values())[len(onsets) // 2]
    before = frozenset(asn for asn, onset in onsets.items() if onset < middle - BEFORE_SECONDS)
    others = sum(volume.live and asn not in before for asn, volume in reading.volumes.items())
    together = sum(abs(onset - middle) <= BEFORE_SECONDS for onset in onsets.values())
    return before if together >= 2 and 2 * together > others else frozenset()


def _sent_most(dark: Collection[int], reading: CountryReading) -> bool:
    """Whether some networks usually send half of what their country does: a crowd's few are people who left."""
    usual = {asn: max(0.0, volume.usual) for asn, volume in reading.volumes.items()}
    return 2 * sum(usual[asn] for asn in sorted(dark)) >= max(reading.usual_results, sum(usual.values()))


def _long_silent(volume: Volume, reading: CountryReading) -> bool:
    """Whether one who has a rhythm has been silent for an hour."""
    return volume.steady and volume.onset is not None and reading.end - volume.onset >= ALONE_SECONDS


def _may_sleep(volume: Volume, reading: CountryReading) -> bool:
    """Whether a network of a few results an hour is silent at hours at which it was never heard: a night, maybe."""
    if volume.onset is None or volume.first is None or volume.usual >= SPARSE_SHARE:
        return False
    return volume.onset - volume.first < _DAY and reading.end - volume.onset < NIGHT_SECONDS


VotesByNetwork = dict[str, dict[int, Vote]]
VotesByRegion = dict[str, dict[str, Vote]]


def _lost_cells(
    reading: CountryReading,
    dark: Collection[int],
    settings: IncidentSettings,
    mends: Callable[[Part], bool],
    *,
    some_lie: bool = False,
) -> tuple[VotesByNetwork, dict[str, set[int]]]:
    """By platform: the networks that have lost it, and those that lean that way.

    Where the country's networks taken together have lost it beyond doubt, and most of them at least lean, the leaning
    ones count: many thin series can say together what none can say alone. Most of them must agree, so that a few
    that lie can't carry the sum; most of those that are not sure must lean (three quarters where `some_lie`), and have
    lost about as much as those that are, so that one that strays by chance does not make a nation of two carriers. An
    alarm of the country that is left over from networks which mend says nothing of the others.
    """
    lost, leaning = _lost_alone(reading, dark, settings)
    for platform, leaners in leaning.items():
        bad = lost.get(platform, {})
        if joining := _lost_together(platform, leaners, bad, reading, settings, mends, some_lie=some_lie):
            lost[platform] = {**bad, **joining}
            leaning[platform] = leaners - set(joining)
    return lost, leaning


def _lost_alone(
    reading: CountryReading, dark: Collection[int], settings: IncidentSettings
) -> tuple[VotesByNetwork, dict[str, set[int]]]:
    """By platform: the networks that are sure by themselves to have lost it, and those that lean that way."""
    lost: VotesByNetwork = {}
    slow_cells = too_slow(reading.slowness)
    counts = dict(leaning_of(reading.networks, settings.lean_score))
    counts |= {cell: True for cell in slow_cells if cell in reading.networks}
    stirs = [(cell, cell in slow_cells) for cell, live in counts.items() if live and cell[1] not in dark]
    platforms = {platform for (platform, _), _ in stirs}
    platforms.update(platform for platform, asns in _live(reading).items() if not asns.issubset(dark))
    leaning: dict[str, set[int]] = {platform: set() for platform in sorted(platforms)}
    for (platform, asn), is_slow in sorted(stirs):  # few of them, mostly none
        standing = reading.networks[platform, asn]
        if is_slow or standing.opinion is Opinion.BAD:
            part_vote = vote(Part(platform, asn, ""), reading)
            if part_vote.onset is not None:
                lost.setdefault(platform, {})[asn] = part_vote
                continue
        if leans(standing, settings):
            leaning[platform].add(asn)
    return lost, leaning


def _lost_together(
    platform: str,
    leaners: set[int],
    bad: Mapping[int, Vote],
    reading: CountryReading,
    settings: IncidentSettings,
    mends: Callable[[Part], bool],
    *,
    some_lie: bool,
) -> dict[int, Vote]:
    """Networks that have lost a platform beside those that are sure of it: by what its country's say together."""
    pooled = reading.platforms.get(platform)
    if pooled is None or pooled.opinion is not Opinion.BAD:
        return {}
    live = live_on(platform, reading)
    stirring = leaners | _joining(platform, live, reading, bad)
    alike = some_lie and not bad and 2 * _nearly_sure(platform, live, reading) <= len(live)
    if not stirring or not _others_agree(platform, live, reading, settings, alike=alike):
        return {}
    # Where some are sure, the pooled alarm is theirs: the others must be worth one of their own together. One that
    # is sure for its country's sake alone makes it no surer.
    own = sum(reading.networks[platform, asn].score for asn in stirring)
    sure = len(bad) > 1 or any(_sure_alone(reading.networks[platform, asn]) for asn in bad)
    if (bad and own < 1.0) or not (sure or _sure_together(pooled)):
        return {}
    left_over = bool(bad) and all(mends(Part(platform, asn, "")) for asn in bad)
    if left_over and not _sure_without(platform, stirring, reading):
        return {}
    if _regions_differ(platform, reading, settings):
        return {}
    joining = _alike_in_depth(platform, stirring, bad, pooled, reading)
    unsure = len(live) - len(bad)
    most = 2 * len(joining) > unsure
    if some_lie and len(joining) < JOIN_SHARE * unsure:
        most = 2 * _nearly_sure(platform, joining, reading) > unsure
    return joining if most and 2 * (len(bad) + len(joining)) > len(live) else {}


def _alike_in_depth(
    platform: str,
    stirring: Collection[int],
    bad: Mapping[int, Vote],
    pooled: Standing,
    reading: CountryReading,
) -> dict[int, Vote]:
    """Networks that stir and have lost about as much as those that are sure."""
    depth = [part_vote.expected - part_vote.reachability for part_vote in bad.values() if not part_vote.slow]
    votes = {asn: vote(Part(platform, asn, ""), reading) for asn in sorted(stirring)}
    # Where none is sure, they are held against each other: few that lose all draw no other in.
    depth = depth or [one.expected - one.reachability for one in votes.values()]
    floor = LIKE_DEPTH * sum(depth) / len(depth)
    joining = {}
    for asn, part_vote in votes.items():
        onset = part_vote.onset if part_vote.onset is not None else pooled.onset
        if onset is not None and part_vote.expected - part_vote.reachability >= floor:
            joining[asn] = part_vote._replace(opinion=Opinion.BAD, onset=onset)
    return joining


def _nearly_sure(platform: str, networks: Iterable[int], reading: CountryReading) -> int:
    """How many of these networks come near an alarm of their own."""
    return sum(reading.networks[platform, asn].score >= NEARLY_SURE for asn in networks)


def _sure_alone(standing: Standing) -> bool:
    """Whether a network says as much as one must that is heard alone, or that is lost otherwise than by failures."""
    return standing.score * standing.bar >= 1.0 or standing.opinion is not Opinion.BAD


def _sure_without(platform: str, networks: Iterable[int], reading: CountryReading) -> bool:
    """Whether these say together, by the bar of a calm country, what networks must where none is sure."""
    standings = [reading.networks[platform, asn] for asn in sorted(networks)]
    return sum(standing.score * standing.bar for standing in standings) >= POOLED_SCORE


def _sure_together(pooled: Standing) -> bool:
    """Whether a country's networks are sure together where none of them is by itself."""
    deep = pooled.reachability <= MOSTLY_LEFT * pooled.expected
    return pooled.score >= (POOLED_SCORE_DEEP if deep else POOLED_SCORE)


def _joining(
    platform: str, live: Collection[int], reading: CountryReading, lost: Collection[int]
) -> set[int]:
    """Networks that stir at all, of those that are not sure by themselves."""
    return {asn for asn in live if asn not in lost and _leans(reading.networks[platform, asn], JOIN_SCORE)}


def _others_agree(
    platform: str,
    live: Collection[int],
    reading: CountryReading,
    settings: IncidentSettings,
    *,
    alike: bool,
) -> bool:
    """Whether the country's networks lean together without those that say most, as many as may lie.

    `alike`: and about as much as those: what is true most say alike, and not a few.
    """
    says = sorted(reading.networks[platform, asn].score for asn in live)
    liars = max(1, (len(says) - 1) // 2) if len(says) > 1 else 0
    others = says[: len(says) - liars]
    share = ALIKE_SHARE * sum(says) * len(others) / max(1, len(says)) if alike else 0.0
    return sum(others) >= max(settings.lean_score, share)


def _regions_differ(platform: str, reading: CountryReading, settings: IncidentSettings) -> bool:
    """Whether half of the regions or more are well: then networks lean for what a region has lost, not as a nation."""
    live = [standing for (p, _), standing in reading.regions.items() if p == platform and standing.live]
    stirring = sum(standing.opinion is Opinion.BAD or leans(standing, settings) for standing in live)
    return len(live) > 1 and 2 * stirring <= len(live)


def _lost_regions(reading: CountryReading, lost: VotesByNetwork, others: OtherRegions) -> VotesByRegion:
    """By platform: the regions that have lost it, where regions and not networks are what was hit.

    That is: most of what the region reports is lost, at least one region is well, and what every network has lost, it
    has lost in regions that were hit. A carrier's fault shows in all the regions where it has customers, and is told by
    its network, and so is the bad line of one vantage.
    """
    by_platform: VotesByRegion = {}
    lost_there: dict[str, set[str]] = {}
    for (platform, region), standing in reading.regions.items():
        if standing.opinion is Opinion.BAD:
            lost_there.setdefault(region, set()).add(platform)
    for (platform, region), standing in sorted(reading.regions.items()):
        if not (standing.live and standing.opinion is Opinion.BAD and standing.onset is not None):
            continue
        left = min(standing.reachability / standing.expected, 1.0 - standing.short / standing.expected)
        deep = left <= 0.5 or (left <= MOSTLY_LEFT and 2 * standing.vantages_bad > standing.vantages)
        # An alarm outlasts its loss: what this very window says must not speak against it. Few have results in each.
        if (
            deep
            and 2 * standing.k <= standing.expected * standing.n
            and not is_of_one(platform, region, standing.onset, lost_there[region], reading)
        ):
            by_platform.setdefault(platform, {})[region] = vote(Part(platform, 0, region), reading)
    for platform in list(by_platform):
        hit = by_platform[platform]
        well = others.well(platform, hit, _middle(hit.values()))
        votes = lost.get(platform, {})
        explained = all(explains(hit, well, Part(platform, asn, ""), votes[asn], reading) for asn in votes)
        alone = len(networks_in(hit, reading)) < 2 and bool(votes)
        if not well or not explained or alone:
            del by_platform[platform]
    return by_platform


def _is_of_regions(
    platform: str,
    votes: Mapping[int, Vote],
    by_region: VotesByRegion,
    reading: CountryReading,
    others: OtherRegions,
) -> bool:
    """Whether the networks have lost this platform where regions have lost another one, and only there.

    Regions are not all sure in the same window. It is told of them once they are, and not of the networks meanwhile.
    """
    hit = {region: region_vote for regions in by_region.values() for region, region_vote in regions.items()}
    well = others.well(platform, hit, _middle(hit.values())) if hit else []
    return bool(well) and all(
        explains(hit, well, Part(platform, asn, ""), votes[asn], reading) for asn in votes
    )


@dataclass(frozen=True, slots=True)
class OtherRegions:
    """The regions beside those that were hit."""

    reading: CountryReading
    settings: IncidentSettings
    #: Platform and region: start of the last window with results, where most of these were as usual.
    succeeded: Mapping[tuple[str, str], int]

    def well(self, platform: str, hit: Collection[str], onset: int) -> list[str]:
        """Those that have a vote on a platform and have lost nothing, with good results since `onset`.

        A region of which nothing has come since then may be hit like the others.
        """
        return [
            region
            for (name, region), standing in sorted(self.reading.regions.items())
            if name == platform
            and region not in hit
            and standing.live
            and standing.opinion is not Opinion.BAD
            and not leans(standing, self.settings)
            and self.succeeded.get((platform, region), -1) >= onset
        ]


def explains(
    hit: Collection[str], well: Sequence[str], part: Part, of_network: Vote, reading: CountryReading
) -> bool:
    """Whether what a network has lost is what it has lost in the regions that were hit.

    It reports from nowhere else; or the regions that are well, from which it reports too, lack less than half of what
    they would lack had it lost as much there.
    """
    homes = set(reading.homes.get(part.asn, ()))
    if homes.isdisjoint(hit):
        return False
    if homes <= set(hit):
        return True
    if of_network.slow:
        return False
    # A minority of its vantages that is well counts for nothing in its ratio.
    whole = reading.networks[part.platform, part.asn].vantages_apart == 0
    if whole and of_network.reachability * len(homes) < 0.5 * of_network.expected:
        return False  # even the regions that are well would have left it more
    lacking = missing = 0.0
    for region in well:
        if region in homes:
            standing = reading.regions[part.platform, region]
            lacking += max(0.0, standing.expected - standing.reachability)
            missing += (of_network.expected - of_network.reachability) / max(
                1, len(networks_in([region], reading))
            )
    return lacking < 0.5 * missing


def networks_in(regions: Collection[str], reading: CountryReading) -> list[int]:
    """Networks that report from any of these regions."""
    return sorted(asn for asn, homes in reading.homes.items() if any(home in regions for home in homes))


def _clusters(lost: Mapping[str, Mapping[Any, Vote]]) -> list[list[str]]:
    """Group the platforms that were lost on about the same networks (or regions), or on several at the same time."""
    groups: list[tuple[list[str], frozenset[object], int]] = []
    for name in sorted(lost, key=lambda name: (-len(lost[name]), name)):
        units, onset = frozenset(lost[name]), _middle(lost[name].values())
        for i, (members, union, began) in enumerate(groups):
            together = min(len(units), len(union)) > 1 and abs(onset - began) <= TOGETHER_SECONDS
            if together or alike(units, union) >= ALIKE:
                groups[i] = ([*members, name], union | units, began)
                break
        else:
            groups.append(([name], units, onset))
    return [members for members, _, _ in groups]


def _middle(votes: Iterable[Vote]) -> int:
    return median_low([part_vote.onset for part_vote in votes if part_vote.onset is not None])


def alike(one: Collection[object], other: Collection[object]) -> float:
    """How much of two sets is common to both, 0 to 1 (Jaccard).

    >>> alike({1, 2, 3}, {2, 3, 4})
    0.5
    """
    union = set(one) | set(other)
    return len(set(one) & set(other)) / len(union) if union else 0.0


def scope_of(units: Collection[tuple[int, str]], live: int, live_regions: int = 0) -> Scope:
    """Return how far a loss on these networks and regions reaches, given how many have a vote.

    >>> scope_of({(1, ""), (2, "")}, 3).value, scope_of({(1, "")}, 1).value, scope_of({(0, "PK-PB")}, 5, 7).value
    ('nation-scale', 'provider', 'region')
    >>> scope_of({(0, "PK-PB"), (0, "PK-SD")}, 5, 3).value
    'nation-scale'
    """
    networks = {asn for asn, region in units if not region}
    regions = {region for _, region in units if region}
    if len(networks) >= 2 and 2 * len(networks) > live:
        return Scope.NATION_SCALE
    if regions:
        most = len(regions) >= 2 and 2 * len(regions) > live_regions > 0
        return Scope.NATION_SCALE if most else Scope.REGION
    return Scope.PROVIDER if len(networks) == 1 else Scope.MULTI_PROVIDER
