"""A case: one incident in hand, from the first suspicion to the end of the time in which it could come back.

It remembers which parts were lost, since when, and which are back; it weighs one window at a time and says which
events of the move table that window brings. It knows neither the other cases of its country nor the calendar.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import sqrt
from statistics import median_low
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.asked import signs_of
from detectors.incidents.addresses import count_by_target, dead_targets, lost_targets
from detectors.incidents.causes import (
    SLOW_TOGETHER_SECONDS,
    TOGETHER_SECONDS,
    Cause,
    alike,
    live_networks,
    networks_in,
    scope_of,
)
from detectors.incidents.flow import Flow
from detectors.incidents.level import Z_PART, Level, Tally
from detectors.incidents.loss import (
    LEVEL_RESULTS_MIN,
    PAST_STEP,
    Loss,
    Present,
    bounds,
    present,
    present_share,
    share_lost,
)
from detectors.incidents.moves import Phase, Trigger
from detectors.incidents.news import MANY_UNITS, Noted
from detectors.incidents.onset import agreed_onset, windows_since
from detectors.incidents.snapshots import FLOWS_SHARE, Doubt, Kind, Restoration, Scope, Severity
from detectors.incidents.turns import Turn, turns
from detectors.incidents.votes import Part, Vote, pooled, slowness_beside, vote
from detectors.incidents.withdrawal import Spooled, take_late, was_online
from detectors.readings import Congestion, CountryReading, LostParts, Opinion, Says, Spell, Witness
from detectors.settings import IncidentSettings

#: What is over within so long, with at least this share of the usual left, may be how its hours are each week.
_SPELL_SECONDS: Final = 3 * 86_400
_SPELL_LEFT: Final = 0.8
#: What is slow for longer than this is no matter of hours.
_CONGESTED_SECONDS: Final = 86_400
#: The path is slow where the quickest of a network's other platforms has this share of it.
_CONGESTED_SHARE: Final = 0.5
#: Logarithm of 3: an evening may begin with that. From there on it rises: its beginning has less than this of its peak.
_CONGESTED_MOST: Final = 1.1
_CONGESTED_RISE: Final = 0.75
#: Failures are forgotten with a half-life of about ten windows, so that a change of mechanism shows.
_FADE: Final = 0.93
_FORGOTTEN: Final = 0.05
_LEAD: Final = 1.5
#: Another mechanism leads beyond doubt: by so many standard deviations of its count, for so many windows with failures.
_LEAD_DEVIATIONS: Final = 2.0
_LEAD_WINDOWS: Final = 2
#: A mechanism is said of a network by itself when this share of at least so many failures has it.
_OWN_SHARE: Final = 0.5
_OWN_FAILURES: Final = 3.0
#: What an incident fails with is said from so many recent failures on.
_FAILURES_MIN: Final = 3.0
#: A relapse has this share of its parts from what there was.
_RELAPSE_SHARE: Final = 1 / 3
#: Severity falls only when the impact is this far below the bar that it has passed.
_HYSTERESIS: Final = 0.08
#: A part of which nothing was heard for so many windows is silent.
SILENT_WINDOWS: Final = 15
#: A platform has dense results of so many in a window.
_DENSE_RESULTS: Final = 2
#: So many results say whether a network is on its way back while another one falls.
_RETURNING_RESULTS: Final = 4
#: A part that was late by a failure or two is back with the others after so many windows.
_LAGGARD_WINDOWS: Final = 2
#: What is back speaks for the others of its platform for so many windows, and results.
_FOLLOW_WINDOWS: Final = 10
#: After so many relapses each other one doubles how long it must be back to be told as over.
_RELAPSES_TOLD: Final = 2
_DOUBLINGS_MAX: Final = 8
#: A loss that has stood for so long since is no try any more: its end is told like any other.
_STOOD_SECONDS: Final = 2 * 3600
#: What is over is over in part when its results have said so for so many windows.
_PARTLY_WINDOWS: Final = 3
#: It is confirmed from so many failed attempts on.
_FAILED_LEAST: Final = 5.0
#: So many results after it seemed back but for a part show at which level it is; more are too old.
_PROOF_RESULTS_MIN: Final = 40
_PROOF_RESULTS_MAX: Final = 200
#: It may yet turn out to be of some regions for so long after it was told.
NARROWING_SECONDS: Final = 1800
#: Results that stop this soon after an onset are part of the same event.
TURN_SECONDS: Final = 300
#: A platform too slow to use hurts, and less than one that is gone.
_SLOW_WEIGHT: Final = 0.5
#: What another source says is news where it says something.
_TOLD_WORDS: Final = (Says.AGREES, Says.DISAGREES)
#: Doubts that rest on who was heard, and not on what was measured.
_DOUBTS_OF_HEARING: Final = (Doubt.CROWD, Doubt.OWN_PATH)
THROTTLED: Final = "http.throttled"
#: Who fell silent longer ago is in no deploy.
_DEPLOY_SECONDS: Final = 2 * 3600


class Case(msgspec.Struct):
    """One incident in hand. This is also how it is stored, by the names of its fields (`detectors/state.py`)."""

    id: str
    kind: Kind
    country: str
    simulated: bool
    # Start of the window in which it was first suspected.
    first: int
    onset: int
    losses: dict[tuple[str, int, str], Loss]
    failures: dict[int, dict[str, float]]
    # Platform: failing rows whose control was (good, bad), fading.
    controls: dict[str, tuple[float, float]]
    phase: Phase = Phase.SUSPECTED
    seq: int = 0
    # Windows it has been held back.
    held: int = 0
    detected: int = 0
    updated: int = 0
    resolved: int | None = None
    # End of the window in which it last reached something new.
    grown: int = 0
    scope: Scope = Scope.PROVIDER
    widest: Scope = Scope.PROVIDER
    severity: Severity = Severity.MINOR
    worst: Severity = Severity.MINOR
    live: int = 0
    vantages: int = 0
    # Vantages that are well on the networks that are lost, though most there are not, and all there; a platform's most.
    apart: tuple[int, int] = (0, 0)
    # Other platforms on its networks: cells that were well, of how many.
    others: tuple[int, int] = (0, 0)
    quieted: bool = False
    silent: bool = False
    mechanism: str | None = None
    mechanism_share: float = 0.0
    # What the last snapshot said, see `noted`.
    told: Noted = Noted()
    pending: Noted = Noted()
    pending_windows: int = 0
    # Windows in a row in which it seemed to come back.
    relapsing: int = 0
    # Times that something told was taken back.
    wavering: int = 0
    reason: str = ""
    previous: list[str] = []
    coincides: list[str] = []
    # How many of the previous ones took it away from about the same, and how many of those began at this time of day
    # within the last days.
    like: int = 0
    same_time: int = 0
    wholes: dict[
        str, Loss
    ] = {}  # platform: all its networks as one, which show sooner than each that it is back
    # (platform, asn): networks that report from its regions.
    touched: dict[tuple[str, int], Loss] = {}
    # (platform, region): its country's other regions.
    elsewhere: dict[tuple[str, str], Loss] = {}
    # Platform: recent failures by mechanism, fading.
    ways: dict[str, dict[str, float]] = {}
    # Windows in a row in which another mechanism led beyond doubt.
    mechanism_waits: int = 0
    # That nothing has been heard of it for long.
    unheard_told: bool = False
    # Incidents that explain it, or that it explains.
    linked: list[str] = []
    # Why it is not confirmed, beside few networks.
    doubt: str | None = None
    # What other sources say of it.
    witnesses: list[Witness] = []
    # It does not stand as it was told, and is told in the next window: see `adoption`.
    untold: bool = False

    level: Level = msgspec.field(default_factory=Level)
    # Results since it was restored.
    tally: Tally | None = None
    restoration: Restoration = Restoration.NONE
    # End of the window in which it was told to be over.
    ended: int = 0
    # The same, where it was over at another level.
    settled: int = 0
    addresses: dict[
        str, dict[str, Loss]
    ] = {}  # platform: how each target stands on the networks that lost it
    # Platform: the targets that are lost, where others of it are well.
    targets: dict[str, list[str]] = {}
    # Asn: what came too late of a network that was taken for dark.
    spooled: dict[int, Spooled] = {}
    # Region: the same.
    spooled_regions: dict[str, Spooled] = {}
    retracted: bool = False
    # Networks and regions of which nothing has been heard for long while others of it are heard, and platforms.
    unheard_units: list[str] = []
    unheard_platforms: list[str] = []
    # Times that it was lost again soon after it was told to be over.
    relapses: int = 0
    # Results since it seemed to be back but for a part.
    proof: Tally | None = None
    # Of a loss of connectivity, what arrives and what is usual.
    flow: Flow = msgspec.field(default_factory=Flow)
    # End of the window in which it was lost again, the last time.
    relapsed: int = 0
    # Other countries in which the same began to fail in the same way at about the same time.
    alike: list[str] = []

    # what it is made of

    @property
    def parts(self) -> list[Part]:
        """Everything that it ever took away."""
        return [Part(*key) for key in self.losses]

    def reach(self) -> frozenset[tuple[str, str]]:
        """What it took away, and where: pairs of platform and network, or region."""
        return frozenset((platform, region or str(asn)) for platform, asn, region in self.losses)

    @property
    def holds(self) -> bool:
        """Whether what it has lost must not become usual."""
        return self.phase in (Phase.OPEN, Phase.EASING) or (self.phase is Phase.SUSPECTED and self.quieted)

    @property
    def mending(self) -> list[Part]:
        """Parts that show positive evidence again, whatever their detectors still say."""
        return [Part(*key) for key, loss in self.losses.items() if loss.good > 0]

    @property
    def platforms(self) -> list[str]:
        """Platforms that it ever took away."""
        return sorted({platform for platform, _, _ in self.losses if platform})

    @property
    def units(self) -> set[tuple[int, str]]:
        """Networks and regions that it ever reached."""
        return {(asn, region) for _, asn, region in self.losses}

    @property
    def lasting(self) -> set[tuple[int, str]]:
        """Networks and regions that have not come back, or a good share of whose results is missing still."""
        return {(asn, region) for (_, asn, region), loss in self.losses.items() if loss.lasts}

    def silent_units(self, reading: CountryReading) -> set[tuple[int, str]]:
        """Networks and regions that are lost still, and from what is lost of which nothing came for some windows."""
        # Of what is over no part is weighed any more: who was heard by then has been heard.
        end = reading.end if self.resolved is None else self.ended
        since = end - SILENT_WINDOWS * (reading.end - reading.start)
        heard = {
            (asn, region)
            for (_, asn, region), loss in self.losses.items()
            if loss.lasts and loss.heard > since
        }
        return self.lasting - heard

    @property
    def heard(self) -> int:
        """End of the last window with evidence."""
        return max(loss.heard for loss in self.losses.values())

    @property
    def flows(self) -> bool:
        """Whether most of what is usual arrives where connectivity is lost: by its own figure it is over."""
        mine = self.flow.present(whole=False) if self.kind is Kind.CONNECTIVITY else None
        return mine is not None and mine.now >= FLOWS_SHARE

    @property
    def is_dark(self) -> bool:
        """Whether it is a loss of connectivity of which nothing arrives at all: silence is its evidence."""
        return self.kind is Kind.CONNECTIVITY and not self.present().now

    @property
    def networks(self) -> list[int]:
        """Networks that it ever reached by name; those of a lost region are not among them."""
        return sorted({asn for _, asn, region in self.losses if not region})

    @property
    def regions(self) -> list[str]:
        """Regions that it ever took."""
        return sorted({region for _, _, region in self.losses if region})

    def present(self, platform: str | None = None) -> Present:
        """How its platforms stand now, also where they are back: one platform, or all.

        Where it is of regions, that is in the whole country.
        """
        by_region = {p for p, _, region in self.losses if region}
        by_target = {p for p in self.targets if p not in by_region and not all(self._back_of(p))}
        losses = [
            loss
            for (p, _, region), loss in self.losses.items()
            if platform in (None, p) and p not in by_target and (region or p not in by_region)
        ]
        for p in sorted(by_target):
            if platform in (None, p):
                losses += [self.addresses[p][target] for target in self.targets[p]]
        losses += [loss for (p, _), loss in self.elsewhere.items() if platform in (None, p)]
        return present(losses)

    def _back_of(self, platform: str) -> list[bool]:
        """Which parts of a platform are back."""
        return [loss.back is not None for (p, _, _), loss in self.losses.items() if p == platform]

    def slowed(self) -> float | None:
        """Return how fast the middle part of what is too slow answers, as a share of its usual. None: nothing is."""
        paces = [
            loss.slowed for loss in self.losses.values() if loss.slow and loss.back is None and loss.good == 0
        ]
        return median_low(paces) if paces else None

    def stands(self, platform: str | None = None) -> Present:
        """How it stands, as it is told: while it is lost, see `present`; once it is over, by the results since."""
        if platform is None and self.kind is Kind.CONNECTIVITY and (flows := self._flows()) is not None:
            return flows
        tally = self.tally.present(platform) if self.tally is not None else None
        return tally if tally is not None else self.present(platform)

    def _flows(self) -> Present | None:
        """Which share of the usual results arrives: of the country, where its regions are lost or most of its networks.

        Once it is over, in whole windows since. None where too little is known.
        """
        whole = bool(self.regions) or self.scope is Scope.NATION_SCALE
        if self.resolved is not None:
            # The window in which the last of it came back was not a full one.
            back = [loss.back for loss in self.losses.values() if loss.back is not None]
            return self.flow.since(max(back) + 1, whole=whole) if back else None
        grown = max((loss.onset for loss in self.losses.values() if loss.back is None), default=0)
        return self.flow.present(grown, whole=whole)

    def inside(self) -> Present | None:
        """Return how its regions stand, those that are still lost if any is. None if it has none."""
        if self.tally is not None and self.regions and self.elsewhere:
            return self.tally.present(in_regions=True)
        losses = [loss for (_, _, region), loss in self.losses.items() if region]
        losses = [loss for loss in losses if loss.back is None] or losses
        dark = self.kind is Kind.CONNECTIVITY and self.resolved is None
        return present(losses) if losses and (self.elsewhere or dark) else None

    def first_onset(self, window_seconds: int, platform: str | None = None) -> int:
        """The earliest onset that the evidence supports: of one platform, or of all."""
        onsets: dict[object, list[int]] = {}
        for (name, asn, region), loss in self.losses.items():
            if platform in (None, name):
                onsets.setdefault((asn, region), []).append(loss.onset)
        return agreed_onset(onsets, window_seconds)

    def lost_parts(self) -> LostParts:
        """What it has lost as it is told, and since when each: of this, other sources are asked."""
        networks: dict[int, int] = {}
        regions: dict[str, int] = {}
        for (_, asn, region), loss in self.losses.items():
            onset = max(self.onset, loss.onset)
            if region:
                regions[region] = min(onset, regions.get(region, onset))
            else:
                networks[asn] = min(onset, networks.get(asn, onset))
        if networks and self.scope in (Scope.PROVIDER, Scope.MULTI_PROVIDER):
            return LostParts(networks=networks)
        if regions and self.scope is Scope.REGION:
            return LostParts(regions=regions)
        return LostParts((self.onset, *networks.values(), *regions.values()))

    def restored_platforms(self) -> list[str]:
        """Platforms that are back everywhere, while others are not."""
        lost = {platform for (platform, _, _), loss in self.losses.items() if loss.lasts}
        return [platform for platform in self.platforms if platform not in lost] if lost else []

    def restored_regions(self) -> list[str]:
        """Regions that are back, while others are not."""
        lost = {region for _, region in self.lasting}
        return [region for region in self.regions if region not in lost] if lost - {""} else []

    # what a window brings

    def kinship(self, cause: Cause, settings: IncidentSettings) -> float:
        """Return how much a cause looks like this one, seen again or grown. 0 means that they are unrelated."""
        if self.kind is Kind.CONNECTIVITY or cause.kind is Kind.CONNECTIVITY:
            return self._kinship_of_dark(cause)
        mine, theirs = set(self.losses), {tuple(part) for part in cause.parts}
        union = mine | theirs
        contained = len(mine & theirs) / len(theirs)
        if contained >= 0.5:
            return 1.0 + alike(mine, theirs)
        if self.phase is Phase.CLOSED:
            return 0.0  # it only holds what it had
        if self.phase is Phase.RESOLVED and contained < _RELAPSE_SHARE:
            return 0.0  # what comes back is what there was
        platforms, units = {p for p, _, _ in union}, {(a, r) for _, a, r in union}
        filled = len(union) / (len(platforms) * len(units))
        same_regions = cause.units <= self.units and all(region for _, region in cause.units)
        # One stray slow network of another platform would not be admitted: it stays by itself.
        many_there = cause.units <= self.units and not self._is_few(len(cause.units))
        slow_there = cause.is_slow and (many_there or cause.platforms <= set(self.platforms))
        if self.begins_with(cause) and (len(cause.units) > 1 or same_regions or slow_there):
            return 0.5 + alike(mine, theirs)
        if cause.platforms & set(self.platforms):
            return 0.5 + alike(mine, theirs) if filled >= 0.6 else 0.0
        soon = cause.onset - self.onset <= settings.together_seconds
        common = alike(cause.units, self.units)
        return 0.5 * common if soon and common >= 0.5 and self.phase is not Phase.RESOLVED else 0.0

    def begins_with(self, cause: Cause) -> bool:
        """Whether a cause fell in the minutes in which this fell on several networks, or regions.

        When something became slow is known less well. There one network is enough, if the cause has several.
        """
        slow = cause.is_slow and any(loss.slow for loss in self.losses.values())
        wide = self.wide or (slow and len(cause.units) > 1)
        within = SLOW_TOGETHER_SECONDS if slow else TOGETHER_SECONDS
        return wide and abs(cause.middle - self._middle()) <= within

    def _middle(self) -> int:
        return median_low([loss.onset for loss in self.losses.values()])

    def _kinship_of_dark(self, cause: Cause) -> float:
        mine, theirs = set(self.networks), {asn for asn, _ in cause.units}
        if self.phase is Phase.CLOSED and self.kind is not cause.kind:
            return 0.0
        if self.kind is cause.kind:
            if self.phase is Phase.RESOLVED and self.units.isdisjoint(cause.units) and self.regions:
                return 0.0  # what comes back is what there was
            return 1.0 + alike(mine, theirs) if mine & theirs else 0.6
        if self.phase is Phase.RESOLVED:
            return 0.0
        turns = self.phase is Phase.SUSPECTED or abs(cause.onset - self.onset) <= TURN_SECONDS
        if cause.kind is Kind.CONNECTIVITY and turns:  # what seemed to be filtered has gone silent
            return alike(mine, theirs) if len(mine & theirs) >= 0.5 * len(mine) and self.wide else 0.0
        return 0.0

    @property
    def wide(self) -> bool:
        """Whether it reached more than one network, or region."""
        return len(self.units) > 1

    def _is_few(self, parts: int) -> bool:
        """Whether so many are a few strays beside the networks and regions that it has."""
        return 3 * parts < len(self.units)

    def admit(self, cause: Cause, *, of_regions: bool = False) -> Cause | None:
        """What of a cause belongs here: where many networks lost some platforms, one stray series adds no other one.

        `of_regions`: what was told of the nation turns out to be of some regions.
        """
        mine = set(self.platforms)
        if self.phase is Phase.SUSPECTED or not mine:
            return cause
        counts: dict[str, int] = {}
        for part in cause.parts:
            counts[part.platform] = counts.get(part.platform, 0) + 1
        strays = {p for p in cause.platforms if p not in mine and self._is_few(counts[p])}
        # Its regions have nothing to add, unless they turn out to be all of it.
        whole = self.scope is Scope.NATION_SCALE and not self.mending and not of_regions
        return cause.without(
            {part for part in cause.parts if part.platform in strays or (whole and part.region)}
        )

    def take_cause(self, cause: Cause, reading: CountryReading) -> None:
        """Add what a cause shows. A loss of connectivity that begins with failures is one from its beginning."""
        turns = cause.kind is Kind.CONNECTIVITY and self.kind is not cause.kind
        if turns:
            self.kind = Kind.CONNECTIVITY
        self._narrow(cause, reading)
        leads = _leads(cause.without({Part(*key) for key in self.losses}), reading)
        for part, part_vote in cause.parts.items():
            key = (part.platform, part.asn, part.region)
            loss = self.losses.get(key)
            if loss is None:
                onset = part_vote.onset if part_vote.onset is not None else reading.start
                loss = Loss(
                    onset,
                    part_vote.expected,
                    part_vote.reachability,
                    part_vote.reachability,
                    slow=part_vote.slow,
                )
                # By its detector's word, until results of its own say how much.
                loss.lost = share_lost(part_vote.reachability, part_vote.expected)
                if part in leads and not part_vote.slow:
                    loss.lead(*leads[part])
                self.losses[key] = loss
                self.grown = reading.end
        if turns and any(not part.platform for part in cause.parts):
            # What fails for another reason may outlast the silence: it holds up no end, and is told anew by itself.
            self.drop(self.platforms)

    def _narrow(self, cause: Cause, reading: CountryReading) -> None:
        """Let go of networks that turn out to have lost but what they have in regions that were hit."""
        if self.detected and reading.end - self.detected > NARROWING_SECONDS:
            return
        for platform in cause.platforms:
            regions = [part.region for part in cause.parts if part.platform == platform]
            if not all(regions):
                continue
            for asn in networks_in(regions, reading):
                loss = self.losses.get((platform, asn, ""))
                if loss is not None and loss.good == 0:
                    del self.losses[platform, asn, ""]
                    self.wholes.pop(platform, None)
                    self.widest = Scope.REGION  # it never was wider than it will be told next

    def let_go(self, gone: Collection[tuple[str, int, str]]) -> None:
        """Forget parts whose word does not count any more. How wide it was is found out anew from what is left."""
        for key in gone:
            del self.losses[key]
        left = {asn for _, asn, _ in self.losses}
        self.failures = {asn: counts for asn, counts in self.failures.items() if asn in left}
        self.ways, self.wholes, self.addresses, self.touched = {}, {}, {}, {}
        self.spooled = {asn: spool for asn, spool in self.spooled.items() if asn in left}
        self.widest, self.worst = Scope.PROVIDER, Severity.MINOR
        going_on = self.phase in (Phase.OPEN, Phase.EASING)
        self.untold = self.untold or (going_on and any(loss.back is None for loss in self.losses.values()))

    def drop(self, platforms: Collection[str]) -> None:
        """Forget what it holds of some platforms: another incident tells of them."""
        for key in [key for key in self.losses if key[0] in platforms]:
            del self.losses[key]
        before = _added(self.ways.values())
        for platform in platforms:
            self.wholes.pop(platform, None)
            self.ways.pop(platform, None)
            self.controls.pop(platform, None)
            self.addresses.pop(platform, None)
            self.targets.pop(platform, None)
        left = _added(self.ways.values())
        for counts in self.failures.values():
            for name in list(counts):
                counts[name] *= left.get(name, 0.0) / before[name] if before.get(name) else 0.0
                if counts[name] < _FORGOTTEN:
                    del counts[name]
        if self.mechanism not in left:
            self.mechanism, self.mechanism_share, self.mechanism_waits = None, 0.0, 0
        self.touched = {key: loss for key, loss in self.touched.items() if key[0] not in platforms}
        self.elsewhere = {key: loss for key, loss in self.elsewhere.items() if key[0] not in platforms}

    def date(self, reading: CountryReading) -> None:
        """Date the parts that have joined since it was last told, those of one network (or region) together."""
        fresh: dict[tuple[int, str], list[str]] = {}
        for (platform, asn, region), loss in self.losses.items():
            if platform and not (loss.dated or loss.slow):
                fresh.setdefault((asn, region), []).append(platform)
        pasts: dict[tuple[int, str], list[NDArray[np.float64]]] = {}
        for (asn, region), platforms in fresh.items():
            networks = networks_in([region], reading) if region else [asn]
            past = [reading.past.get((platform, one)) for platform in platforms for one in networks]
            pasts[asn, region] = [one for one in past if one is not None]
        # One failure by chance hides from a single network when it fell; all of them together still say it.
        together = windows_since([past for part in pasts.values() for past in part])
        for (asn, region), platforms in fresh.items():
            alone = windows_since(pasts[asn, region])
            ago = together if alone is None else alone
            for platform in platforms:
                loss = self.losses[platform, asn, region]
                loss.dated = True
                if ago is not None:
                    loss.onset = reading.end - ago * (reading.end - reading.start)

    def weigh(self, reading: CountryReading, settings: IncidentSettings) -> None:
        """Take the window's evidence in, for every part."""
        dark = {a for a, volume in reading.volumes.items() if volume.live and volume.opinion is Opinion.BAD}
        together: dict[str, list[tuple[int, Loss, Vote]]] = {}
        spoken: list[tuple[Loss, Vote]] = []
        # On a dark network a platform says nothing.
        votes = {k: vote(Part(*k), reading) for k in self.losses if not (k[0] and k[1] in dark)}
        keep = _keep_of_regions(self.losses, votes)
        for key, loss in self.losses.items():
            if (part_vote := votes.get(key)) is not None:
                of_region = keep if key[2] else None
                loss.weigh(part_vote, reading.start, reading.end, settings.recovery_windows, keep=of_region)
                if loss.eases:
                    self._ease_to_throttle([key], reading.start)
                spoken.append((loss, part_vote))
                if loss.slow and (slowness := reading.slowness.get(key[:2])) is not None:
                    loss.slow_down(reading.start, slowness, slowness_beside(*key[:2], reading))
                if not key[0] or key[2]:  # the bank can't have another level be usual of these
                    loss.partly = None
                if (
                    key[0]
                    and key[1]
                    and not loss.slow
                    and self._speaks_for_others(loss, key[0], part_vote.n, reading)
                ):
                    together.setdefault(key[0], []).append((key[1], loss, part_vote))
        for turn in turns(self.losses, reading.end, reading.end - reading.start):
            self._become_block(turn)
        for platform, parts in together.items():
            self._weigh_whole(platform, parts, reading, settings)
        self._count_touched(reading, keep)
        self._count_addresses(reading)
        if self.kind is Kind.CONNECTIVITY:
            self.flow.take(reading, self.networks, self.regions)
            self._doubt_silence(reading)
        else:
            self._doubt_failures(reading)
        if self.kind is Kind.PLATFORM and self.phase is not Phase.SUSPECTED:
            # Of lost addresses, the networks' level is that of the others too.
            quiet = self.resolved is not None or self.some_addresses
            if self.level.weigh(spoken, reading.start, over=quiet):
                self._move_wholes()
        if self.tally is not None:
            self._tally(self.tally, reading, dark)
        self._prove(reading, dark)
        networks = live_networks(reading) | set(self.networks)
        self.live = max(self.live, len(networks))
        self.vantages = max(self.vantages, sum(reading.vantages.values()))
        self._weigh_failures(reading)
        self._weigh_others(reading, settings)
        self._count_apart(reading)
        flows = self.heard > reading.end - SILENT_WINDOWS * (reading.end - reading.start)
        if self.silent and flows and not self._went_silent(dark):
            self.silent = False
        if flows:
            self.unheard_told = False
        self._note_unheard(reading.end, settings)
        self._rank(reading, settings, networks)

    def _note_unheard(self, end: int, settings: IncidentSettings) -> None:
        """Note of which networks, regions and platforms nothing has been heard for long, while others are heard.

        A loss of connectivity is silent by its nature; and where all of it is silent, that is told by itself.
        """
        since = end - settings.unheard_told_seconds
        if self.kind is Kind.CONNECTIVITY or self.heard <= since:
            return
        units: dict[tuple[int, str], bool] = {}
        platforms: dict[str, bool] = {}
        for (platform, asn, region), loss in self.losses.items():
            is_heard = loss.heard > since or loss.onset > since or loss.back is not None
            units[asn, region] = units.get((asn, region), False) or is_heard
            platforms[platform] = platforms.get(platform, False) or is_heard
        self.unheard_units = sorted(
            f"{asn}{region}" for (asn, region), is_heard in units.items() if not is_heard
        )
        self.unheard_platforms = sorted(name for name, is_heard in platforms.items() if not is_heard)

    def _doubt_failures(self, reading: CountryReading) -> None:
        """Note why a loss of platforms is not confirmed: what was never learned, or rests on a few failed attempts."""
        if self.doubt is not None and self.mending:
            return  # what comes back shows what is usual, and confirms nothing of what was lost
        if {platform for platform, _, _ in self.losses} <= reading.warming:
            self.doubt = Doubt.FIRST_MINUTES
        elif self.doubt != Doubt.FEW_RESULTS and self.phase is not Phase.SUSPECTED:
            self.doubt = None  # who had enough once has enough
        else:
            slow = any(loss.slow for loss in self.losses.values())
            failed = sum(loss.failed for loss in self.losses.values())
            self.doubt = None if slow or failed >= _FAILED_LEAST else Doubt.FEW_RESULTS

    def _doubt_silence(self, reading: CountryReading) -> None:
        """Note why this silence is not confirmed. The few that are not back yet don't tell how all of them fell."""
        if self.regions:  # they fell silent together, while others of the country were heard
            self.doubt = None
            return
        # Those that most of a deploy has left behind; where most stay dark for so long, it was none.
        few = 2 * len(self.mending) >= len(self.losses) or reading.end - self.grown <= _DEPLOY_SECONDS
        if self.doubt == Doubt.ONE_BY_ONE and reading.silence_doubt is None and self.mending and few:
            return
        if reading.silence_doubt == Doubt.CROWD and self.phase is not Phase.SUSPECTED:
            return  # who had a rhythm when it began is no crowd for having been silent since
        if (
            reading.silence_doubt == Doubt.ONE_BY_ONE
            and self.doubt is None
            and self.detected
            and reading.end - self.detected > _DEPLOY_SECONDS
        ):
            return  # what trickles through makes them seem to have fallen silent one after another since
        self.doubt = reading.silence_doubt

    def _count_touched(self, reading: CountryReading, keep: float | None) -> None:
        """Count what networks have lost of a platform, all in all, that is lost in regions in which they report.

        `keep`: the share of older results that stays in the figures of its regions, and so in those of the others.
        """
        regions: dict[str, list[str]] = {}
        for platform, _, region in self.losses:
            if region:
                regions.setdefault(platform, []).append(region)
        lost = {p for (p, _, region), loss in self.losses.items() if region and loss.good == 0}
        for (platform, region), standing in reading.regions.items():
            if platform in regions and region not in regions[platform] and standing.live:
                part_vote = vote(Part(platform, 0, region), reading)
                well = self.elsewhere.get((platform, region))
                if well is None:
                    well = Loss(
                        self.onset, part_vote.expected, part_vote.reachability, part_vote.reachability
                    )
                    self.elsewhere[platform, region] = well
                well.usual = part_vote.expected
                well.count(part_vote, lasting=False, keep=keep)
                if platform in lost:  # counted are those since all of its regions mend, as in these
                    well.mend_n = well.mend_k = 0
        for platform, hit in regions.items():
            for region in hit:
                self.elsewhere.pop((platform, region), None)
            lasting = any(self.losses[platform, 0, region].good == 0 for region in hit)
            for asn in networks_in(hit, reading):
                part_vote = vote(Part(platform, asn, ""), reading)
                loss = self.touched.get((platform, asn))
                if loss is None:
                    onset = part_vote.onset if part_vote.onset is not None else self.onset
                    loss = Loss(onset, part_vote.expected, part_vote.reachability, part_vote.reachability)
                    self.touched[platform, asn] = loss
                loss.count(part_vote, lasting=lasting, apart=_share_apart(platform, asn, reading))

    def _count_addresses(self, reading: CountryReading) -> None:
        """Count results by target where its platforms have several, and say which of them are lost."""
        watched = {platform for platform, _ in reading.addresses}
        for platform in self.platforms:
            if platform not in watched:
                continue
            lost = [(asn, region) for p, asn, region in self.losses if p == platform]
            networks = {asn for asn, region in lost if not region}
            networks.update(networks_in([region for _, region in lost if region], reading))
            lasting = any(loss.good == 0 for (p, _, _), loss in self.losses.items() if p == platform)
            addresses = self.addresses.setdefault(platform, {})
            count_by_target(addresses, platform, networks, reading, lasting=lasting)
            if lasting:
                dead = dead_targets(platform, reading)
                targets = lost_targets(addresses, dead, self.targets.get(platform, []))
                if targets:
                    self.targets[platform] = targets
                else:
                    self.targets.pop(platform, None)

    @property
    def some_addresses(self) -> bool:
        """Whether of each platform that is lost still, other addresses are well."""
        lost = {platform for (platform, _, _), loss in self.losses.items() if loss.back is None}
        return bool(lost) and lost <= self.targets.keys()

    def _speaks_for_others(self, loss: Loss, platform: str, n: int, reading: CountryReading) -> bool:
        """Whether a network, of which `n` results came in this window, is weighed as one with others of its platform.

        Where it has been back for longer than they would need, it is well by itself: they are weighed anew without it.
        """
        if loss.back is None:
            return True
        window = reading.end - reading.start
        ago = reading.end - loss.back - _FOLLOW_WINDOWS * window
        # Who is heard every few minutes has not said more in these windows than the others, who need as long.
        more = loss.mend_n - _FOLLOW_WINDOWS if loss.recovered is not None else n
        if ago < 0 or more < 0:
            return True
        if ago < window or more < n:  # since this window
            self.wholes.pop(platform, None)
        return False

    def _weigh_whole(
        self,
        platform: str,
        parts: list[tuple[int, Loss, Vote]],
        reading: CountryReading,
        settings: IncidentSettings,
    ) -> None:
        """Weigh the networks of a platform as one: of a small loss, many thin series show the end together."""
        whole_vote = pooled([part_vote for _, _, part_vote in parts])
        if len(parts) < 2 or whole_vote is None:
            for _, loss, part_vote in parts:
                loss.follow_trail(part_vote)
            return
        if any(one.opinion is Opinion.BAD for _, _, one in parts):
            whole_vote = whole_vote._replace(opinion=Opinion.BAD)  # against an alarm, more has to be shown
        whole = self.wholes.get(platform)
        if whole is None:
            whole = self.wholes[platform] = _whole_of([loss for _, loss, _ in parts], whole_vote, self.onset)
        since = whole.good_since if whole.good_since is not None else reading.start
        windows = (reading.end - since) // (reading.end - reading.start)
        dense = whole.mend_n + whole_vote.n >= _DENSE_RESULTS * windows
        past_step = PAST_STEP if dense else 0.0
        whole.weigh(whole_vote, reading.start, reading.end, settings.recovery_windows, past_step)
        if whole.eases:  # of each, unless its own results deny it
            eased = [(platform, asn, "") for asn, loss, _ in parts if loss.eased > 0.0]
            self._ease_to_throttle(eased, reading.start)
            return
        # Where some are back already, the rest is weighed anew; what it said since they were goes on counting.
        ease = whole.good > 0 or (None if any(self._back_of(platform)) else False)
        for _, loss, part_vote in parts:
            loss.follow_trail(part_vote, ease=ease)
        # Of fifty networks two may have all the results of a night: these say nothing of the others.
        mending = sum(loss.good > 0 or loss.back is not None for _, loss, _ in parts)
        if len(parts) < MANY_UNITS or 2 * mending >= len(parts):
            for asn, loss, _ in parts:
                loss.follow(whole, *_since(whole.partly, platform, asn, reading))

    def _ease_to_throttle(self, parts: Collection[tuple[str, int, str]], start: int) -> None:
        """Have parts be slow from here on that failed: what failed before says nothing of how it is now."""
        for key in parts:
            self.losses[key].ease_to_throttle(start)
            self.wholes.pop(key[0], None)
        for _, asn, _ in parts:
            if all(loss.slow for (_, of, _), loss in self.losses.items() if of == asn and loss.back is None):
                self.failures.pop(asn, None)
        lost = [(key[0], loss) for key, loss in self.losses.items() if key[0] and loss.back is None]
        for platform, _, _ in parts:
            if all(loss.slow for of, loss in lost if of == platform):
                self.ways.pop(platform, None)

    def _become_block(self, turn: Turn) -> None:
        """Have parts be blocked from here on that were slow; it is told where it is so of most that is lost."""
        for key in turn.parts:
            self.losses[key].become_block(turn.ratio)
            self.wholes.pop(key[0], None)
            self.ways.get(key[0], {}).pop(THROTTLED, None)
        lost = [loss for loss in self.losses.values() if loss.back is None]
        if 2 * sum(loss.cut_at is not None for loss in lost) <= len(lost):
            return
        if self.mechanism == THROTTLED:
            self.mechanism, self.mechanism_waits = None, 0  # by what fails now it is named anew
        word = "worse again" if self.level.eased else "worse"
        self.level = Level(told=f"{word}: from a throttle to a block, {turn.ratio:.0%} of attempts succeed")

    def _move_wholes(self) -> None:
        """Have the networks of a platform as one be where each of them is now."""
        for platform, whole in self.wholes.items():
            levels = [
                loss.standing()
                for (p, asn, _), loss in self.losses.items()
                if p == platform and asn and loss.back is None
            ]
            n = sum(results for _, results, _ in levels)
            if n and whole.back is None:
                whole.bad_k, whole.bad_n = sum(successes for successes, _, _ in levels), n

    def note_silence(self, cause: Cause) -> None:
        """Note that most of its networks have gone silent: worse than a block, and another incident's matter."""
        going_on = self.kind is Kind.PLATFORM and self.phase in (Phase.OPEN, Phase.EASING)
        if (
            going_on
            and cause.kind is Kind.CONNECTIVITY
            and self._went_silent({asn for asn, _ in cause.units})
        ):
            self.silent = True

    def _went_silent(self, dark: set[int]) -> bool:
        return len(dark & set(self.networks)) * 2 > len(self.networks)

    def _weigh_failures(self, reading: CountryReading) -> None:
        """Take in how the parts fail that are lost now; what mends fails by chance, and says nothing of it."""
        bad = [Part(*key) for key, loss in self.losses.items() if loss.good == 0 and key[0]]
        if not bad:
            return
        cells = {(part.platform, part.asn) for part in bad if not part.region}
        slow = {(p, a): loss for (p, a, region), loss in self.losses.items() if loss.slow and loss.good == 0}
        for part in bad:
            if part.region:
                cells.update((part.platform, asn) for asn in networks_in([part.region], reading))
        if slow or any(reading.mechanisms.get(cell) for cell in cells):
            self._fade_failures()
        for (platform, asn), failures in sorted(reading.mechanisms.items()):
            if (platform, asn) in cells:
                self._count_failures(platform, asn, failures)
        for platform, asn in sorted(slow):
            standing = reading.networks.get((platform, asn))
            if standing is not None and standing.k:  # what comes through, comes too slowly
                self._count_failures(platform, asn, {THROTTLED: standing.k})
        for platform in sorted({part.platform for part in bad}):
            good, failed = self.controls.get(platform, (0.0, 0.0))
            more_good, more_failed = reading.control.get(platform, (0, 0))
            self.controls[platform] = (good * _FADE + more_good, failed * _FADE + more_failed)
        self._forget_throttle({asn for (_, asn), ways in reading.mechanisms.items() if THROTTLED in ways})
        self._name_mechanism()

    def _forget_throttle(self, measured: Collection[int]) -> None:
        """Forget that a network was slow where hardly anything comes through any more: a throttle became a block.

        `measured` are those of which failures themselves show, beside their controls, that they were throttled.
        """
        fallen: dict[int, bool] = {}
        for (_, asn, region), loss in self.losses.items():
            if not region and loss.back is None:
                gone = loss.was_slow and asn not in measured and 2.0 * loss.recent_k < loss.recent_n
                fallen[asn] = fallen.get(asn, True) and gone
        for asn, gone in fallen.items():
            if gone and asn in self.failures:
                self.failures[asn].pop(THROTTLED, None)
        for platform, counts in self.ways.items():
            of_it = [asn for name, asn, region in self.losses if name == platform and not region]
            if THROTTLED in counts and all(fallen.get(asn, False) for asn in of_it):
                del counts[THROTTLED]

    def _fade_failures(self) -> None:
        """Forget a little of what failed before, where something fails now: few failures are remembered longer."""
        for counts in [*self.failures.values(), *self.ways.values()]:
            for name in list(counts):
                counts[name] *= _FADE
                if counts[name] < _FORGOTTEN:
                    del counts[name]

    def _count_failures(self, platform: str, asn: int, failures: Mapping[str, int]) -> None:
        for counts in (self.failures.setdefault(asn, {}), self.ways.setdefault(platform, {})):
            for name, count in sorted(failures.items()):
                counts[name] = counts.get(name, 0.0) + count

    def mechanism_of(self, platform: str) -> tuple[str | None, float]:
        """The most usual way in which a platform fails, and its share of that platform's recent failures."""
        counts = self.ways.get(platform)
        if not counts:
            return None, 0.0
        best = max(counts, key=lambda name: (counts[name], name))
        return best, counts[best] / sum(counts.values())

    def _name_mechanism(self) -> None:
        totals = self.mechanism_totals()
        if not totals:
            return
        # What comes too slowly is no failure by chance.
        if self.mechanism is None and sum(totals.values()) < _FAILURES_MIN and THROTTLED not in totals:
            return
        best = max(totals, key=lambda name: (totals[name], name))
        before, named = self.mechanism, self.mechanism
        if named is None or named not in totals:  # nothing fails in that way any more
            named, self.mechanism_waits = best, 0
        # The one that was said stays until it is clearly not the first any more, and that lasts.
        count = totals[named]
        clear = totals[best] - count >= _LEAD_DEVIATIONS * sqrt(totals[best] + count)
        if best != named and clear and totals[best] >= _LEAD * count:
            self.mechanism_waits += 1
            if self.mechanism_waits >= _LEAD_WINDOWS:
                named, self.mechanism_waits = best, 0
        else:
            self.mechanism_waits = 0
        self.mechanism, self.mechanism_share = named, totals[named] / sum(totals.values())
        if named == THROTTLED and before not in (None, THROTTLED):
            self._tell_easing()

    def _tell_easing(self) -> None:
        """Have it be told that what was blocked has become slow, where it is that which has changed."""
        eased = [
            loss.slowed for loss in self.losses.values() if loss.eased_at is not None and loss.back is None
        ]
        if eased:
            pace = f"answers come at {median_low(eased):.0%} of their usual speed"
            self.level = Level(told=f"eased to a throttle: {pace}", eased=True)

    def mechanism_totals(self) -> dict[str, float]:
        """Recent failures by mechanism, over its networks."""
        return _added(self.failures.values())

    def mechanism_by_network(self) -> dict[int, str]:
        """The dominant mechanism of each network that has failures enough to say."""
        by_network = {}
        for asn, counts in sorted(self.failures.items()):
            total = sum(counts.values())
            if counts and total >= _OWN_FAILURES:
                best = max(counts, key=lambda name: (counts[name], name))
                if counts[best] >= _OWN_SHARE * total:
                    by_network[asn] = best
        return by_network

    def _weigh_others(self, reading: CountryReading, settings: IncidentSettings) -> None:
        """Count how other platforms stand on its networks now. What leans to a loss is not well; there may be none."""
        if self.kind is Kind.CONNECTIVITY or all(loss.good for loss in self.losses.values()):
            return
        mine = set(self.platforms)
        networks = set(self.networks) or set(networks_in(self.regions, reading))
        there = [
            (platform in mine, opinion is not Opinion.BAD and score < settings.lean_score)
            for (platform, asn), opinion, score, live in signs_of(reading.networks)
            if asn in networks and live
        ]
        spoken = [is_well for is_mine, is_well in there if not is_mine]
        if there:  # where all has been lost by now, none is well meanwhile, whatever the first minutes said
            self.others = (sum(spoken), len(spoken))

    @property
    def _platforms_by_region(self) -> set[str]:
        """The platforms of which it has lost regions: their networks' results are in those of these too."""
        return {platform for platform, _, region in self.losses if region}

    def _count_apart(self, reading: CountryReading) -> None:
        """Count the vantages that have no part in what is said of its networks, while these are lost."""
        by_platform: dict[str, tuple[int, int]] = {}
        by_region = self._platforms_by_region
        for (platform, asn, region), loss in self.losses.items():
            if region:
                standing = reading.regions.get((platform, region))
            elif platform in by_region:  # those of its networks that are elsewhere are none of its own
                standing = None
            else:
                standing = reading.networks.get((platform, asn))
            if standing is not None and not loss.slow and loss.good == 0 and loss.back is None:
                well, many = by_platform.get(platform, (0, 0))
                by_platform[platform] = (well + standing.vantages_apart, many + standing.vantages)
        if by_platform:
            self.apart = max(by_platform.values())

    def _rank(self, reading: CountryReading, settings: IncidentSettings, networks: Collection[int]) -> None:
        units = self.lasting
        if units:
            scope = self._reach(units, reading, settings)
            if scope.width > self.scope.width and self.phase in (Phase.OPEN, Phase.EASING):
                # A block that moves on was never everywhere: who is on the way back makes it no wider.
                rest = units - self._on_the_way_back(reading)
                narrower = self._reach(rest, reading, settings) if rest else self.scope
                scope = max(self.scope, narrower, key=lambda one: one.width)
                if scope is Scope.PROVIDER:
                    scope = Scope.MULTI_PROVIDER  # several are lost still
            self.scope = scope
        impact = self.impact(settings, reading, networks)
        for severity, bar in (
            (Severity.CRITICAL, settings.severity_critical),
            (Severity.MAJOR, settings.severity_major),
            (Severity.MINOR, 0.0),
        ):
            kept = self.severity is severity and self.phase is not Phase.SUSPECTED
            if impact >= (bar - _HYSTERESIS if kept else bar):
                self.severity = severity
                break
        if self.severity is Severity.CRITICAL and self.some_addresses:
            self.severity = Severity.MAJOR  # who uses it by another address goes on

    def _on_the_way_back(self, reading: CountryReading) -> set[tuple[int, str]]:
        """Networks that are nearer to their usual level than to their loss since the last of the others fell."""
        newest = max(loss.onset for loss in self.losses.values() if loss.lasts)
        returning: dict[tuple[int, str], bool] = {}
        for (platform, asn, region), loss in self.losses.items():
            if not loss.lasts:
                continue
            k, n = (0.0, 0.0)
            if platform and not (region or loss.slow) and newest - loss.onset > TOGETHER_SECONDS:
                k, n = _since(newest, platform, asn, reading)
            back = n >= _RETURNING_RESULTS and 2 * k > (loss.level() + loss.usual) * n
            returning[asn, region] = returning.get((asn, region), True) and back
        return {unit for unit, back in returning.items() if back}

    def _reach(
        self, units: Collection[tuple[int, str]], reading: CountryReading, settings: IncidentSettings
    ) -> Scope:
        """How wide a loss on these networks and regions is."""
        platforms = set(self.platforms)
        live = {r for (p, r), standing in reading.regions.items() if p in platforms and standing.live}
        if self.kind is Kind.CONNECTIVITY:
            live = set(reading.region_volumes)
        scope = scope_of(units, self.live, len(live))
        if scope is Scope.NATION_SCALE and self._in_few_regions(units, reading):
            scope = Scope.REGION
        if settings.own_services and scope is Scope.NATION_SCALE:
            return Scope.MULTI_PROVIDER  # the networks of one owner are no nation
        return scope

    def remember_worst(self) -> None:
        """Keep the widest scope and the worst severity that were told: the last snapshot has them."""
        if self.scope.width > self.widest.width:
            self.widest = self.scope
        if list(Severity).index(self.severity) > list(Severity).index(self.worst):
            self.worst = self.severity

    def _in_few_regions(self, units: Iterable[tuple[int, str]], reading: CountryReading) -> bool:
        """Whether the lost networks report from a minority of the regions, while others are well."""
        hit = {
            home for asn, region in units for home in ((region,) if region else reading.homes.get(asn, ("",)))
        }
        platforms = set(self.platforms)
        live = {r for (p, r), standing in reading.regions.items() if p in platforms and standing.live}
        return "" not in hit and bool(live - hit) and 2 * len(hit) <= len(live)

    def impact(self, settings: IncidentSettings, reading: CountryReading, networks: Collection[int]) -> float:
        """Share of the use of `networks` that is lost: weighed by their users, where these are known."""
        shares = settings.network_shares
        known = [shares[asn] for asn in networks if asn in shares]
        usual = sum(known) / len(known) if known else 1.0
        weights = {asn: shares.get(asn, usual) for asn in networks} if known else {}
        total = sum(weights.values()) if known else float(len(networks))
        if total <= 0:
            return 0.0
        lost: dict[int, list[float]] = {}
        for (_, asn, region), loss in self.losses.items():
            if loss.lasts and not region:
                lost.setdefault(asn, []).append(max(loss.lost_now, _SLOW_WEIGHT * (1 - loss.speed)))
        impact = sum(weights.get(asn, usual) * sum(values) / len(values) for asn, values in lost.items())
        live_regions = {r for (_, r), standing in reading.regions.items() if standing.live}
        live_regions.update(reading.region_volumes)
        hit = [self.losses_in(region) for region in self.regions]
        depths = [sum(loss.lost_now for loss in losses) / len(losses) for losses in hit if losses]
        regional = total * sum(depths) / len(live_regions) if live_regions else 0.0
        return max(impact, regional) / total

    def losses_in(self, region: str) -> list[Loss]:
        """What is still lost in a region."""
        return [loss for (_, _, r), loss in self.losses.items() if r == region and loss.back is None]

    # what the window means

    def event(self, reading: CountryReading, settings: IncidentSettings) -> Trigger | None:
        """Return what the window says of its parts: BAD, WELL, RECOVERED, PARTLY, or None."""
        losses = self.losses.values()
        unsettled = [loss for loss in losses if loss.back is None]
        mending = [loss for loss in unsettled if loss.good > 0]
        silence = SILENT_WINDOWS * (reading.end - reading.start)
        silent = [loss for loss in unsettled if loss.good == 0 and reading.end - loss.heard >= silence]
        if len(mending) + len(silent) < len(unsettled):
            lost = [loss for loss in unsettled if loss.heard == reading.end and loss.good == 0]
            # What is over comes back only when a detector says so too: a few failures are no relapse.
            over = self.phase is Phase.RESOLVED and not any(loss.alarmed for loss in lost)
            return Trigger.BAD if lost and not over else None
        if self._mostly_back(reading.end, settings) and all(
            loss.good >= _LAGGARD_WINDOWS and loss.trails_well for loss in mending
        ):
            since = max(self.relapsed, median_low([loss.back for loss in losses if loss.back is not None]))
            for loss in mending:  # well, like most; only its evidence is thinner
                # Where all its results since the others were back speak for that, one failure by chance dates nothing.
                seems_back = loss.good_since if loss.trail is None else min(since, loss.good_since or since)
                loss.recovered = max(loss.onset, seems_back or since)
            in_part = any(loss.recovered is None and loss.partly is not None for loss in losses)
            return Trigger.PARTLY if in_part else Trigger.RECOVERED
        return Trigger.WELL if any(loss.heard == reading.end for loss in losses) else None

    def may_relapse(self, reading: CountryReading, settings: IncidentSettings) -> bool:
        """Whether it has been lost again so often that its end is told later: what goes to and fro is one incident.

        No later than a like loss would be another incident.
        """
        back = self.recovered_at()
        if self.relapses and back - self.relapsed >= _STOOD_SECONDS:
            self.relapses = 0  # it has stood: who tried it out before has done so
        doublings = min(self.relapses - _RELAPSES_TOLD, _DOUBLINGS_MAX)
        if doublings <= 0:
            return False
        asked = settings.recovery_windows * (reading.end - reading.start) << doublings
        return reading.end - back < min(asked, settings.merge_seconds)

    def was_none(self, reading: CountryReading) -> bool:
        """Whether what has come too late by now shows that this loss of connectivity was none."""
        if self.kind is not Kind.CONNECTIVITY or self.phase is Phase.SUSPECTED or not reading.late:
            return False
        regions = self.spooled_regions
        return take_late(self.spooled, regions, self.losses, reading) and was_online(
            self.spooled, regions, self.losses, reading
        )

    def _mostly_back(self, end: int, settings: IncidentSettings) -> bool:
        """Whether most parts, on most networks, have been back for as long as is asked for.

        What has not been heard of for a day has no vote: its target may have left the list, its vantages the country.
        """
        votes: dict[tuple[int, str], list[bool]] = {}
        for (_, asn, region), loss in self.losses.items():
            if loss.back is not None or end - loss.heard < settings.unheard_told_seconds:
                votes.setdefault((asn, region), []).append(loss.back is not None)
        back = sum(2 * sum(parts) > len(parts) for parts in votes.values())
        return 2 * back > len(votes) and 2 * sum(map(sum, votes.values())) > sum(map(len, votes.values()))

    def back_since(self) -> dict[tuple[int, str], int]:
        """Since when each network or region is back: the middle one of its parts, once all of them are."""
        times_of: dict[tuple[int, str], list[int | None]] = {}
        for (_, asn, region), loss in self.losses.items():
            lasts = self.resolved is None and loss.lasts
            times_of.setdefault((asn, region), []).append(None if lasts else loss.back)
        whole = {
            unit: [time for time in times if time is not None]
            for unit, times in times_of.items()
            if None not in times
        }
        return {unit: median_low(times) for unit, times in whole.items()}

    def recovered_at(self) -> int:
        """When the last network or region that came back did; 0 where none has."""
        return max((loss.back for loss in self.losses.values() if loss.back is not None), default=0)

    # how much is back

    def end(self, reading: CountryReading) -> None:
        """Note that it is over, and how much is back by the results since."""
        now = reading.end
        tally, proof = self._since_back(reading), self.proof
        self.resolved, self.ended = tally.since, now
        self.scope, self.severity = self.widest, self.worst
        if proof is not None and proof.says(now) is Restoration.PART:
            tally = msgspec.structs.replace(proof, since=tally.since)
        self.tally, self.proof = tally if tally.n else None, None
        self.restoration = Restoration.SOME
        restoration = self._says(now)
        if restoration is Restoration.PART:
            self._end_in_part(reading)
        elif restoration is Restoration.FULL:
            self.restoration = restoration
        else:
            self.proof = Tally(now)

    def awaits_proof(self, reading: CountryReading, settings: IncidentSettings) -> bool:
        """Have its end wait where it seems back but for a part. Returns whether that is so.

        It seems so when a run of results was lucky: by these its level would be too high, and be usual from there on.
        What comes from now on is fair. It may also show that nothing is back: then what is lost is lost still.
        """
        if self.kind is not Kind.PLATFORM or self.phase not in (Phase.OPEN, Phase.EASING):
            return False
        if self.proof is None:
            if self._since_back(reading).says(reading.end) is not Restoration.PART:
                return False
            self.proof = Tally(reading.end)
        if self.proof.n < _PROOF_RESULTS_MIN:
            return True
        fallen = median_low([loss.fallen for loss in self.losses.values()])
        if fallen < 1.0 and 2 * self.proof.k < fallen * self.proof.n + self.proof.due:
            self.proof = None
            self.again(reading, settings)
            return True
        return False

    def _prove(self, reading: CountryReading, dark: Collection[int] = ()) -> None:
        """Count a window's results since it seemed back, whatever they say; those of long ago say nothing."""
        if self.proof is not None:
            self._tally(self.proof, reading, dark)
            if self.proof.n > _PROOF_RESULTS_MAX:
                self.proof = None

    def _since_back(self, reading: CountryReading) -> Tally:
        """Return the results since it was back."""
        tally = Tally(self.recovered_at())
        # Each part is back from its first success on: counted from there alone, too many would have succeeded.
        since = median_low([loss.back for loss in self.losses.values() if loss.back is not None])
        windows = (reading.end - since) // (reading.end - reading.start)
        by_region = self._platforms_by_region
        for (platform, asn, region), loss in self.losses.items():
            if loss.back is None:
                continue
            k, n = (loss.mend_k, loss.mend_n) if loss.good else (loss.bad_k, loss.bad_n)
            past = None if region or loss.slow else reading.past.get((platform, asn))
            if past is not None and windows <= len(past):
                k, n = _sums(past[-windows:])
            tally.k, tally.n, tally.due = tally.k + k, tally.n + n, tally.due + n * loss.usual
            if region or platform not in by_region:
                tally.of_part(platform, k, n, loss.usual)
        for (platform, _), loss in self.elsewhere.items():
            tally.of_others(platform, loss.mend_k, loss.mend_n, loss.usual)
        return tally

    def _end_in_part(self, reading: CountryReading) -> None:
        """Be over at another level, and count anew from here: the rest may come back later."""
        self.restoration, self.settled = Restoration.PART, reading.end
        # Of a part that failed a little since, or was silent, that is later.
        self.resolved = max(self.resolved or 0, self.recovered_at())
        for (platform, asn, region), loss in self.losses.items():
            loss.partly = loss.back
            # Each seems back from its first successes on: by these alone its level would be too high.
            k, n = (0.0, 0.0) if region else _since(loss.back, platform, asn, reading)
            if n:
                loss.settle(k, n)

    def count(self, reading: CountryReading) -> None:
        """Count the results of a window since it was over, and nothing else."""
        if self.kind is Kind.CONNECTIVITY:
            self.flow.take(reading, self.networks, self.regions)
        if self.tally is not None:
            self._tally(self.tally, reading)
        self._prove(reading)

    def _tally(self, tally: Tally, reading: CountryReading, dark: Collection[int] = ()) -> None:
        """Count the results of a window: on a network that is `dark` a platform says nothing."""
        by_region = self._platforms_by_region
        for (platform, asn, region), loss in self.losses.items():
            if platform and asn in dark:
                continue
            part_vote = vote(Part(platform, asn, region), reading)
            tally.add(part_vote, loss.usual)
            if region or platform not in by_region:
                tally.of_part(platform, part_vote.k, part_vote.n, loss.usual)
        for platform, region in self.elsewhere:
            part_vote = vote(Part(platform, 0, region), reading)
            tally.of_others(platform, part_vote.k, part_vote.n, part_vote.expected)

    def again(self, reading: CountryReading, settings: IncidentSettings) -> None:
        """Note that it is not over after all: what it has lost is what failed since, and not what came in between."""
        back = self.recovered_at() if self.resolved is None else self.resolved
        pause = max(1, (reading.end - back) // (reading.end - reading.start))
        self.resolved, self.tally, self.proof, self.restoration = None, None, None, Restoration.NONE
        self.relapses, self.relapsed = self.relapses + 1, reading.end
        self.wholes = {}
        # Where it is now shows anew: what it was while it came back was no level of it.
        self.level = Level(told=self.level.told)
        pasts = {
            key: reading.past[key[0], key[1]][-pause:]
            for key, loss in self.losses.items()
            if not key[2] and not loss.slow and (key[0], key[1]) in reading.past
        }
        windows = windows_since(list(pasts.values()))
        for key, loss in self.losses.items():
            loss.partly = loss.trail = None
            if loss.recovered is None:
                loss.changed = None  # at which level it was back before is none of this loss
            if windows is not None and key in pasts:
                k, n = _sums(pasts[key][-windows:])
                if 2 * k <= n * loss.usual:
                    loss.lose(k, n)
        self._rank(reading, settings, live_networks(reading) | set(self.networks))

    def _says(self, now: int) -> Restoration:
        if self.tally is None:
            return Restoration.NONE
        restoration = self.tally.says(now)
        # Results that arrive are no attempts that succeed: fewer of them are no loss by themselves.
        if restoration is Restoration.PART and self.kind is Kind.CONNECTIVITY:
            return Restoration.SOME
        if restoration is Restoration.FULL and any(loss.back is None for loss in self.losses.values()):
            return Restoration.SOME  # of some nothing has been heard
        return restoration

    def confirms(self, reading: CountryReading, *, full: bool) -> bool:
        """Whether there is by now more to say of how much is back; it is noted. `full`: also if nothing is missing."""
        if self.restoration is Restoration.PART and self.tally is not None and self.tally.rises:
            self.tally = Tally(reading.end)  # what came at the lower level says nothing of what comes now
        restoration = self._says(reading.end)
        if self.tally is not None:
            self.tally.partly = self.tally.partly + 1 if restoration is Restoration.PART else 0
            # A block that is renewed looks like that too, for a window or two.
            if self.tally.partly >= _PARTLY_WINDOWS and self.restoration is Restoration.SOME:
                return self._proves_part(reading)
        # That a part is missing must not stay the last word; that nothing is, need not be said.
        unfinished = (Restoration.SOME, Restoration.PART) if full else (Restoration.PART,)
        if restoration is Restoration.FULL and self.restoration in unfinished:
            assert self.tally is not None
            if self.restoration is Restoration.PART and self.resolved is not None:
                self.resolved = max(self.resolved, self.tally.since, self.recovered_at())
            self.restoration = restoration
            return True
        return False

    def _proves_part(self, reading: CountryReading) -> bool:
        """Whether results that came since it was over show that a part is missing: those that ended it were lucky."""
        if self.proof is None:
            self.proof = Tally(reading.end)
        if self.proof.n < _PROOF_RESULTS_MIN or self.proof.says(reading.end) is not Restoration.PART:
            return False
        assert self.tally is not None
        self.tally, self.proof = msgspec.structs.replace(self.proof, since=self.tally.since), None
        self._end_in_part(reading)
        return True

    @property
    def waits(self) -> bool:
        """Whether it is over, and how much is back may yet be known better."""
        return self.tally is not None and self.restoration in (Restoration.SOME, Restoration.PART)

    def awaits_more(self, *, full: bool) -> bool:
        """Whether more will be told of how much is back: of what is back in part anyway, else where `full` is asked."""
        return self.waits and (full or self.restoration is Restoration.PART)

    def levels(self) -> dict[tuple[str, int, str], float]:
        """The level at which each part is over that is over at another than the usual one."""
        levels = {}
        for key, loss in self.losses.items():
            k, n = (loss.mend_k, loss.mend_n) if loss.good else (loss.bad_k, loss.bad_n)
            # Few results may be far off: they count beside as many of all parts. What is beyond doubt better is back.
            ratio = (k + LEVEL_RESULTS_MIN * self.present_ratio()) / (n + LEVEL_RESULTS_MIN)
            low, _ = bounds(k, n, Z_PART)
            if key[0] and not loss.slow and ratio < loss.usual and low <= self.present_ratio():
                levels[key] = ratio
        return levels

    def congestions(self) -> dict[tuple[str, int, str], Congestion]:
        """The hours of what was slow and is over, by part, where each network was slow whatever was asked of it.

        That is a busy evening, which comes again tomorrow. It grows, or is never large: what is far slower from one
        minute to the next is done by somebody, each time anew, and no hour's usual.
        """
        slow = {key: loss for key, loss in self.losses.items() if loss.slow and loss.slow_hours}
        if self.resolved is None or self.resolved - self.onset > _CONGESTED_SECONDS or not slow:
            return {}
        by_hour: dict[int, tuple[float, float]] = {}
        for loss in slow.values():
            for of_hours in loss.slow_hours.values():
                for hour, (total, windows) in of_hours.items():
                    before, many = by_hour.get(hour, (0.0, 0.0))
                    by_hour[hour] = before + total, many + windows
        peak = max(total / windows for total, windows in by_hour.values())
        first = sum(loss.slow_first[0] for loss in slow.values())
        windows = sum(loss.slow_first[1] for loss in slow.values())
        if peak > _CONGESTED_MOST and first > _CONGESTED_RISE * peak * windows:
            return {}
        return {
            key: Congestion(loss.slow_hours)
            for key, loss in slow.items()
            if loss.slow_path
            >= _CONGESTED_SHARE
            * sum(total for of_hours in loss.slow_hours.values() for total, _ in of_hours.values())
        }

    def spells(self) -> dict[tuple[str, int, str], Spell]:
        """The hours of a small loss that is over, wholly or in part, by part; empty of a deep one, or a long one.

        An hour that is worse every evening, or every Friday, is usual of that hour. While its incident was open nothing
        of it was learned, so that it would be told each time.
        """
        if self.resolved is None:
            return {}
        seconds = self.resolved - self.onset
        losses = {
            key: loss for key, loss in self.losses.items() if key[0] and not loss.slow and loss.bad_n > 0
        }
        n = sum(loss.bad_n for loss in losses.values())
        due = sum(loss.bad_n * loss.usual for loss in losses.values())
        k = sum(loss.bad_k for loss in losses.values())
        if not 0 < seconds <= _SPELL_SECONDS or n < LEVEL_RESULTS_MIN or k < _SPELL_LEFT * due:
            return {}
        hours = -(-seconds // 3600)
        return {
            key: Spell(self.onset, self.resolved, loss.bad_k / loss.bad_n, loss.bad_n / hours)
            for key, loss in losses.items()
            if loss.bad_k < loss.bad_n * loss.usual
        }

    def present_ratio(self) -> float:
        """Ratio of the results since it was restored that succeed."""
        return self.tally.k / self.tally.n if self.tally is not None and self.tally.n else 1.0

    # what is worth telling

    def noted(self) -> Noted:
        """Return what a reader would note of it as it stands; a change that stays is an update."""
        return Noted(
            kind=self.kind.value,
            scope=self.scope.value,
            platforms=" ".join(self.platforms),
            units=" ".join(sorted(f"{asn}{region}" for asn, region in self.units)),
            lasting=" ".join(sorted(f"{asn}{region}" for asn, region in self.lasting)),
            restored=" ".join(self.restored_platforms()),
            severity=self.severity.value,
            mechanism=self.mechanism or "",
            silent="silent" if self.silent else "",
            quieted="quieted" if self.quieted else "",
            coincides=" ".join(self.coincides),
            doubt=self.standing_doubt or "",
            level=self.level.told,
            targets=" ".join(
                f"{platform}={','.join(lost)}" for platform, lost in sorted(self.targets.items())
            ),
            witnesses=" ".join(
                f"{witness.source}={witness.says}"
                for witness in self.witnesses
                if witness.says in _TOLD_WORDS
            ),
            unheard_units=" ".join(self.unheard_units),
            unheard_platforms=" ".join(self.unheard_platforms),
        )

    def take_as_told(self) -> None:
        """Take what it is now for what was told: a change from here on is news."""
        self.told = self.noted()

    @property
    def standing_doubt(self) -> str | None:
        """Why it is not confirmed, beside few networks: a doubt about hearing ends where another source agrees."""
        agreed = any(witness.says is Says.AGREES for witness in self.witnesses)
        return None if agreed and self.doubt in _DOUBTS_OF_HEARING else self.doubt


def _share_apart(platform: str, asn: int, reading: CountryReading) -> float:
    """The share of a network's vantages that is well where most of them are not."""
    standing = reading.networks.get((platform, asn))
    return standing.vantages_apart / standing.vantages if standing is not None and standing.vantages else 0.0


def _keep_of_regions(
    losses: Mapping[tuple[str, int, str], Loss], votes: Mapping[tuple[str, int, str], Vote]
) -> float | None:
    """Which share of their older results stays in the figures of regions; None where it has none.

    Those that are lost still have enough results together: where each had enough by itself, most would be old.
    """
    regional = {key: loss for key, loss in losses.items() if key[0] and key[2]}
    lost = {key: loss for key, loss in regional.items() if loss.back is None} or regional
    if not lost:
        return None
    came = sum(votes[key].n for key in lost)
    return present_share(came, sum(loss.recent_n for loss in lost.values()))


def _leads(fresh: Cause | None, reading: CountryReading) -> dict[Part, tuple[float, float]]:
    """Successes and results of networks that are new to an incident, from their onset up to this window.

    The networks of a platform are dated together. Where their windows do not show when they fell, each detector says.
    """
    leads: dict[Part, tuple[float, float]] = {}
    if fresh is None:
        return leads
    window = reading.end - reading.start
    for platform in sorted(fresh.platforms):
        parts = [part for part in fresh.parts if part.platform == platform and not part.region]
        past = {
            part: reading.past[platform, part.asn] for part in parts if (platform, part.asn) in reading.past
        }
        ago = windows_since(list(past.values()))
        for part, windows in past.items():
            onset = fresh.parts[part].onset
            since = ago if ago is not None else (reading.end - onset) // window if onset is not None else 1
            before = windows[-since:-1] if since > 1 else windows[:0]
            if len(before):
                leads[part] = _sums(before)
    return leads


def _whole_of(parts: Sequence[Loss], whole_vote: Vote, onset: int) -> Loss:
    """The networks of a platform as one: it has lost what they have, and has been looked at as often."""
    whole = Loss(onset, whole_vote.expected, whole_vote.reachability, whole_vote.reachability)
    whole.probes = sum(loss.probes for loss in parts)
    whole.bad_k, whole.bad_n = sum(loss.bad_k for loss in parts), sum(loss.bad_n for loss in parts)
    whole.stood = min(loss.stood for loss in parts)
    return whole


def _since(start: int | None, platform: str, asn: int, reading: CountryReading) -> tuple[float, float]:
    """Successes and results of a network since then, as far back as windows are kept."""
    if start is None or (past := reading.past.get((platform, asn))) is None:
        return 0.0, 0.0
    windows = max(1, (reading.end - start) // (reading.end - reading.start))
    return _sums(past[-windows:])


def _sums(windows: NDArray[np.float64]) -> tuple[float, float]:
    """Successes and results of some windows of a network's past."""
    return float(windows[:, 0].sum()), float(windows[:, 1].sum())


def _added(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Failures by mechanism, all parts together."""
    totals: dict[str, float] = {}
    for counts in parts:
        for name, count in counts.items():
            totals[name] = totals.get(name, 0.0) + count
    return totals
