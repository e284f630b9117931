"""The assembler: one event in the world is one incident, which grows, shrinks, is restored, and may come back.

Readings of one window go in; snapshots of the incidents about which there is something to tell come out. Which losses
belong together is said by `causes`, how an incident moves by `moves`, what one remembers by `case`, and what was
measured by `evidence`; here they are put together: matching, holding back, linking, and telling.

Memory is bounded: by the incidents in hand, and by limits on those that are over and on the calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from detectors.asked import counts_of
from detectors.incidents.adoption import (
    FOUND_AGAIN,
    JUDGED_ANEW,
    adopt,
    announcement,
    case_of,
    found_again,
    going_case_of,
    past_of,
    still_open,
)
from detectors.incidents.case import NARROWING_SECONDS, TURN_SECONDS, Case
from detectors.incidents.causes import Cause, OtherRegions, explains, find_causes
from detectors.incidents.evidence import (
    PastIncident,
    affected_networks,
    at_same_time,
    coincident,
    fails_alike,
    kindred,
    like,
    past_case,
)
from detectors.incidents.falls import ROLLING_SECONDS, Falls, StoredFall, controls_by_vote
from detectors.incidents.figures import shows_its_level
from detectors.incidents.lines import by_line, without_bad_lines
from detectors.incidents.moves import Announcement, Phase, Trigger, move
from detectors.incidents.news import (
    CONFIRMED,
    NOT_CONFIRMED,
    Noted,
    changes_little,
    changes_units_only,
    flaps,
    grows,
    only_heard,
    reasons,
    same_but_for_units,
)
from detectors.incidents.quiet import Worldwide, lost, surely_lost
from detectors.incidents.running import Outage, Outages
from detectors.incidents.snapshots import (
    Closing,
    Doubt,
    Kind,
    Restoration,
    Scope,
    Snapshot,
    closed,
    incident_id,
)
from detectors.incidents.telling import doubt_of, keep_open, snapshot_of
from detectors.incidents.votes import Part, Vote, vote
from detectors.incidents.well_again import is_well_again
from detectors.incidents.withdrawal import REASON as ONLINE
from detectors.readings import (
    Congestion,
    CountryReading,
    LostParts,
    Opinion,
    PartKey,
    Reading,
    Scheduled,
    Spell,
    Witness,
)
from detectors.settings import IncidentSettings, TimeSettings
from detectors.state import VERSIONS, read_stored

# A country: one a night for the days that are remembered, and room for more.
PAST_MAX: Final = 256
# A country.
CALENDAR_MAX: Final = 512
#: Of a full calendar so many stay, those that end last: sorting once for many costs what sorting for one does.
_CALENDAR_KEPT: Final = 384
DOUBT_WINDOWS: Final = 2
BEYOND_REGIONS_WINDOWS: Final = 10
WAVERING_MAX: Final = 4
# Of a scope or a mechanism alone: eight hours and a half at most.
FLAPPING_MAX: Final = 8
# A country.
OVER_MAX: Final = 16
# One throttled network of another platform waits so long for a second one, where an incident began with it.
_GATHERS_SECONDS: Final = 600
# A network that joins later than this joins by what it says itself.
GROWN_SECONDS: Final = 1800
AFTERMATH_SECONDS: Final = 7200
# A small change of an incident on many networks is told with those of the next hour; of one older than a day, with
# those of the next four; who is heard, and who is not, with those of the day. Which networks a crowd's silence is on is
# told every four hours on its first day, and once a day from then on.
FEW_SECONDS: Final = 3600
FEW_SECONDS_LATER: Final = 4 * 3600
# A relapse is told when it lasts.
RELAPSE_WINDOWS: Final = 2
_DAY: Final = 86_400
_RECENT_FADE: Final = 0.7
_RECENT_LEAST: Final = 0.1
_RECENT_TELLING: Final = 2.0
_RECENT_ENOUGH: Final = 8

CountryKey = tuple[str, bool]


class _CountryCases(msgspec.Struct):
    """What is remembered of one country, real or simulated."""

    cases: list[Case] = []
    past: list[PastIncident] = []
    # Platform: end of the last window in which the world had lost it.
    quiet: dict[str, int] = {}
    recent: dict[
        tuple[str, int, str], tuple[float, float]
    ] = {}  # successes and results of late, while it stirs
    # (platform, region): windows in a row in which it seemed to lag.
    doubts: dict[tuple[str, str], int] = {}
    # How much is back of these is not known yet.
    over: list[Case] = []
    # (platform, region): start of the last window with results, where these were as usual, while it stirs.
    succeeded: dict[tuple[str, str], int] = {}

    def ids(self) -> set[str]:
        """Ids of the incidents in hand and over."""
        return {case.id for case in (*self.cases, *self.over) if case.id} | {past.id for past in self.past}

    def remember(self, case: Case) -> None:
        """Keep what is over for those to come; what turned out to be nothing is like none of them."""
        if not case.retracted:
            self.past.append(past_case(case))

    def adopt(
        self, published: Sequence[Snapshot], known: Collection[str], own: Mapping[str, Snapshot]
    ) -> None:
        """Make all of it agree with what was told: `adoption.adopt`."""
        last = {snapshot.id: snapshot for snapshot in published}
        ended = {name for name, snapshot in last.items() if snapshot.status is Announcement.RESOLVED}
        # What has ended only since it is judged anew, and was told to nobody, has never been.
        self.past = [past for past in self.past if past.id in ended or past.id in known]
        self.over = [case for case in self.over if case.id in ended or case.id in known - last.keys()]
        for case in self.over:
            case.seq = last[case.id].seq if case.id in last else case.seq
        over = {past.id for past in self.past} | {case.id for case in self.over}
        rest = [snapshot for snapshot in published if snapshot.id not in ended & over]
        self.cases = adopt(self.cases, rest, known, case_of, own)
        gone = sorted(ended - self.ids())
        if missing := [past_of(last[name]) for name in gone if not last[name].retracted]:
            self.past = sorted([*self.past, *missing], key=lambda past: (past.resolved, past.id))


class AssemblerState(msgspec.Struct):
    """An assembler as it is written."""

    version: int
    now: int
    countries: list[tuple[str, bool, _CountryCases]]
    calendar: list[Scheduled]
    open: list[Snapshot]
    closings: list[Closing] = []
    falls: list[StoredFall] = []
    awaited: list[Snapshot] = []
    outages: list[Outage] = []


class _News(NamedTuple):
    told: Announcement
    reason: str


class Assembler:
    """Makes incidents of readings.

    Parameters
    ----------
    incidents
        What an operator may set of it.
    time
        The length of a window.
    version
        Of the detector: said in every snapshot.
    fingerprint
        Of the settings: said in every snapshot.
    """

    def __init__(
        self, incidents: IncidentSettings, time: TimeSettings, version: str, fingerprint: str
    ) -> None:
        self.settings = incidents
        self.window_seconds = time.window_seconds
        self.version = version
        self.fingerprint = fingerprint
        #: Some may lie: a loss is worldwide only where most countries have it, whatever controls say, and networks that
        #: are not sure are believed only where nearly all of them are alike.
        self.by_majority = False
        self._now = 0
        self._countries: dict[CountryKey, _CountryCases] = {}
        self._calendar: dict[str, Scheduled] = {}
        self._by_country: dict[str, set[str]] | None = {}  # ids in the calendar; None: to be made from it
        self._open: dict[str, Snapshot] = {}
        self._closings: list[Closing] = []
        self._falls = Falls()
        self._running = Outages()
        self._awaited: list[Snapshot] = []  # told as open, and not in hand: the clock has not come to it yet
        #: Who is asked what other sources say: country, whether simulated, what is lost, now, what they said before.
        self.witness: Callable[[str, bool, LostParts, int, Sequence[Witness]], tuple[Witness, ...]] | None = (
            None
        )
        #: By which number a case's network is told of: an id is a hash of what is told, so that nobody can try out
        #: which networks it stands for.
        self.told_as: Callable[[Case, int], int] = lambda case, asn: asn
        self._known: frozenset[str] = frozenset()  # ids of the incidents in hand when it was restored

    @property
    def watch(self) -> Collection[CountryKey]:
        """Countries with incidents in hand: to be read in every window, though they be calm."""
        return {
            place
            for place, in_hand in self._countries.items()
            if in_hand.over
            or any(
                case.phase is not Phase.RESOLVED
                or case.untold
                or case.waits
                or case.kind is Kind.CONNECTIVITY  # its results may come yet
                for case in in_hand.cases
            )
        }

    @property
    def calm(self) -> bool:
        """Whether no incident in hand counts windows: where no results come, it needs a look now and then at most."""
        return not self._closings and not any(
            in_hand.over
            or any(
                case.phase not in (Phase.OPEN, Phase.EASING)
                or case.untold
                or case.pending_windows
                or case.kind is not Kind.PLATFORM
                for case in in_hand.cases
            )
            for in_hand in self._countries.values()
        )

    @property
    def holding(self) -> Mapping[CountryKey, frozenset[PartKey]]:
        """By country, the parts that open incidents hold: what these have lost never becomes usual.

        Those of a loss that is not told because the world shares it are among them.
        """
        held_parts: dict[CountryKey, frozenset[PartKey]] = {}
        for place, country in self._countries.items():
            parts = [part for case in country.cases if case.holds for part in case.losses]
            if parts:
                held_parts[place] = frozenset(parts)
        return held_parts

    @property
    def settling(self) -> Mapping[CountryKey, Mapping[PartKey, float]]:
        """By country, the parts that were over at another level in the last window, and that level: it is usual now."""
        levels: dict[CountryKey, dict[PartKey, float]] = {}
        for place, in_hand in self._countries.items():
            for case in (*in_hand.cases, *in_hand.over):
                if case.settled and case.settled == self._now:
                    levels.setdefault(place, {}).update(case.levels())
        return levels

    @property
    def passing(self) -> Mapping[CountryKey, Mapping[PartKey, Spell | Congestion]]:
        """By country, the parts of which a small loss was over in the last window: its hours, which are usual now."""
        spells: dict[CountryKey, dict[PartKey, Spell | Congestion]] = {}
        for place, in_hand in self._countries.items():
            for case in (*in_hand.cases, *in_hand.over):
                if case.ended and case.ended == self._now:
                    spells.setdefault(place, {}).update(case.spells())
                    spells[place].update(case.congestions())
        return spells

    @property
    def open(self) -> list[Snapshot]:
        """The last snapshot of every incident that is open."""
        return list(self._open.values())

    def schedule(self, event: Scheduled) -> None:
        """Take a scheduled event in; the same again changes nothing, another under its id replaces it."""
        if event.end < self._now - self.settings.previous_days * _DAY:
            self._unschedule(event.id)
            return
        self._unschedule(event.id)
        self._calendar[event.id] = event
        mine = self._scheduled_in(event.country)
        mine.add(event.id)
        if len(mine) > CALENDAR_MAX:
            by_end = sorted(mine, key=lambda name: (self._calendar[name].end, name))
            for name in by_end[:-_CALENDAR_KEPT]:
                self._unschedule(name)

    def _scheduled_in(self, country: str) -> set[str]:
        """The ids of a country's events: thousands may come at once, and none may look through all of them."""
        if self._by_country is None:
            self._by_country = {}
            for known in self._calendar.values():
                self._by_country.setdefault(known.country, set()).add(known.id)
        return self._by_country.setdefault(country, set())

    def _unschedule(self, name: str) -> None:
        event = self._calendar.pop(name, None)
        if event is not None and self._by_country is not None:
            self._by_country.get(event.country, set()).discard(name)

    def close(self, incident_id: str, reason: str, moment: int, *, retracted: bool = False) -> None:
        """End an open incident because a person closed it. One that is not open is left alone.

        The next step tells it as resolved since `at` (seconds since 1970), and `retracted` says that it was none. What
        goes on of its loss makes no new incident.
        """
        if incident_id in self._open:
            self._closings.append(Closing(incident_id, reason, moment, retracted))

    def adopt(self, published: Sequence[Snapshot]) -> None:
        """Make the incidents in hand agree with what was told: `published` is the last snapshot of each, open or over.

        To be called after `restore`, where what came after the snapshot was judged by other settings, or by another
        release, than when it was told.
        """
        by_place: dict[CountryKey, list[Snapshot]] = {}
        for snapshot in published:
            if snapshot.country is not None and snapshot.kind is not Kind.GLOBAL:
                by_place.setdefault((snapshot.country, snapshot.simulated), []).append(snapshot)
        for place in sorted(self._countries.keys() | by_place.keys()):
            country = self._countries.get(place) or _CountryCases(cases=[], past=[])
            of_it = [one for one in by_place.get(place, ()) if one.networks or one.regions]
            country.adopt(of_it, self._known, self._open)
            if country.cases or country.past:
                self._countries[place] = country
        cases = [case for country in self._countries.values() for case in country.cases]
        self._open = still_open(cases, published, self._open)

    def expect(self, published: Iterable[Snapshot]) -> None:
        """Take what was told of incidents that go on, where all that was kept of them is lost.

        They are taken in hand by `take_up`, or found again in the results before.
        """
        going = (one for one in published if one.status is not Announcement.RESOLVED and one.platforms)
        self._awaited = [
            one for one in going if one.kind is not Kind.GLOBAL and (one.networks or one.regions)
        ]

    def take_up(
        self, now: int, elsewhere: Callable[[str], bool], recalled: Callable[[Snapshot], Snapshot]
    ) -> None:
        """Take in hand what is awaited and had been told by now, so that its end is seen.

        Parameters
        ----------
        elsewhere
            Says of which countries others judge.
        recalled
            Gives what was told with the numbers that networks have here.
        """
        due = [one for one in self._awaited if one.detected <= now]
        if not due:
            return
        self._awaited = [one for one in self._awaited if one.detected > now]
        for snapshot in due:
            country = snapshot.country or ""
            in_hand = self._countries.get((country, snapshot.simulated)) or _CountryCases(cases=[], past=[])
            if elsewhere(country) or snapshot.id in in_hand.ids():
                continue
            case = going_case_of(recalled(snapshot), now)
            if not case.losses:
                continue
            in_hand.cases.append(case)
            self._countries[country, snapshot.simulated] = in_hand
            self._open[snapshot.id] = snapshot

    @property
    def awaits(self) -> bool:
        """Whether an incident that was told is not in hand yet."""
        return bool(self._awaited)

    @property
    def countries(self) -> frozenset[str]:
        """The countries of which something is remembered."""
        remembered = {country for country, _ in self._countries}
        return frozenset(remembered | {last.country for last in self._open.values() if last.country})

    def forget(self, countries: Collection[str], reason: str) -> list[Snapshot]:
        """Drop what is remembered of these countries, but for what is scheduled there.

        Returns the ends of the incidents that were open there, by their ids. They are made of what was told last alone,
        since what is remembered may be what is wrong.
        """
        last = [snapshot for _, snapshot in sorted(self._open.items()) if snapshot.country in countries]
        ends = [closed(one, Closing(one.id, reason, self._now), self._now) for one in last]
        keep_open(self._open, ends)
        gone = [in_hand for place, in_hand in self._countries.items() if place[0] in countries]
        self._countries = {
            place: in_hand for place, in_hand in self._countries.items() if place[0] not in countries
        }
        self._unlink(countries, {name for in_hand in gone for name in in_hand.ids()})
        self._closings = [closing for closing in self._closings if closing.id in self._open]
        self._falls.forget(countries)
        self._running.forget(countries)
        return ends

    def _unlink(self, countries: Collection[str], ids: Collection[str]) -> None:
        for in_hand in self._countries.values():
            for case in (*in_hand.cases, *in_hand.over):
                case.alike = [country for country in case.alike if country not in countries]
                case.linked = [name for name in case.linked if name not in ids]

    def let_go(
        self, left: Mapping[CountryKey, Callable[[tuple[str, int, str]], bool]], reason: str
    ) -> list[Snapshot]:
        """Forget of each country's incidents the parts whose word does not count any more; `left` says which stay.

        Returns the ends of those that were open and have nothing left. The others are told with the next window.
        """
        ends: list[Snapshot] = []
        for place, stays in left.items():
            in_hand = self._countries.get(place)
            if in_hand is None:
                continue
            for case in (*in_hand.cases, *in_hand.over):
                case.live = case.vantages = 0  # of how many it is, the next window says
                gone = [part for part in case.losses if not stays(part)]
                if gone:
                    case.let_go(gone)
                    if not case.losses and (last := self._open.get(case.id)) is not None:
                        ends.append(closed(last, Closing(case.id, reason, self._now), self._now))
            in_hand.cases = [case for case in in_hand.cases if case.losses]
            in_hand.over = [case for case in in_hand.over if case.losses]
        keep_open(self._open, ends)
        return ends

    def step(self, reading: Reading) -> list[Snapshot]:
        """Weigh one window. Returns what there is to tell, in the order of countries."""
        self._now = reading.end
        over = self._close_asked()
        self._forget({(country.country, country.simulated) for country in reading.countries})
        self._follow_falls(reading)
        worldwide = Worldwide(reading.health, self._falls, self._running, by_majority=self.by_majority)
        snapshots: list[Snapshot] = over
        for country in sorted(reading.countries, key=lambda c: (c.country, c.simulated)):
            snapshots.extend(self._step_country(country, worldwide))
        snapshots.extend(self._give_up_unread({(one.country, one.simulated) for one in reading.countries}))
        keep_open(self._open, snapshots)
        return snapshots

    def _give_up_unread(self, read: Collection[CountryKey]) -> Iterable[Snapshot]:
        """Close what is too old of countries that have no reading: nothing was heard of them since it was taken up."""
        for place, in_hand in sorted(self._countries.items()):
            for case in () if place in read else in_hand.cases:
                if case.phase in (Phase.OPEN, Phase.EASING) and (over := self._given_up(case)) is not None:
                    yield over

    def _follow_falls(self, reading: Reading) -> None:
        down = lost(reading.health, self.settings, by_majority=self.by_majority)
        if not (down.any() or self._falls or self._running):
            return
        controls = {
            (platform, country.country, country.simulated): counts
            for country in reading.countries
            for platform, counts in controls_by_vote(country).items()
        }
        sure = surely_lost(reading.health) & down
        self._falls.step(reading.health, down, controls, reading.start, reading.end, sure)
        self._running.step(
            reading.health,
            self._falls,
            controls,
            reading.end,
            patience=self.settings.recovery_windows * self.window_seconds,
            by_majority=self.by_majority,
        )

    # one country

    def _step_country(self, reading: CountryReading, worldwide: Worldwide) -> list[Snapshot]:
        place = (reading.country, reading.simulated)
        in_hand = self._countries.get(place) or _CountryCases(cases=[], past=[])
        sure = self._take_causes(reading, in_hand, worldwide)
        in_hand.cases = _without_absorbed(in_hand.cases)
        # Of several that are ready at once, one may be a part of another: the widest is told, the others wait.
        widest = max(sure, key=lambda case: len(case.losses), default=None)
        snapshots: list[Snapshot] = []
        for case in in_hand.cases:
            snapshots += self._step_case(case, reading, in_hand, worldwide, sure=case is widest)
        snapshots += self._confirm(in_hand, reading)
        in_hand.cases = [case for case in in_hand.cases if case.phase not in (Phase.OVER, Phase.GONE)]
        if not in_hand.cases:
            in_hand.quiet = {
                p: end for p, end in in_hand.quiet.items() if reading.end - end < self.settings.merge_seconds
            }
        if in_hand.cases or in_hand.past or in_hand.quiet or in_hand.recent or in_hand.over:
            self._countries[place] = in_hand
        else:
            self._countries.pop(place, None)
        return snapshots

    def _take_causes(
        self, reading: CountryReading, in_hand: _CountryCases, worldwide: Worldwide
    ) -> list[Case]:
        """Have each cause of this window open a case, or join one. Returns the suspected ones that wait for nothing."""
        sure: list[Case] = []
        known = [case for case in in_hand.cases if case.phase is not Phase.SUSPECTED]
        mending = {part for case in known for part in case.mending}
        in_hand.recent = _recent(reading, in_hand.recent)
        recent = in_hand.recent
        in_hand.succeeded = _succeeded(reading, in_hand.succeeded)

        def mends(part: Part) -> bool:
            return part in mending or (part in recent and _is_well(vote(part, reading), *recent[part]))

        doubts: dict[tuple[str, str], int] = {}
        others = OtherRegions(reading, self.settings, in_hand.succeeded)
        causes = find_causes(reading, self.settings, mends, others, some_lie=self.by_majority)
        for seen, case in self._owned(causes, in_hand.cases, worldwide, reading):
            _hand_over(seen, case, in_hand)
            taken = {
                part
                for other in known
                if other is not case and other.phase not in (Phase.OVER, Phase.GONE)
                for part in other.parts
            }
            doubtful = self._doubtful(seen, mending, in_hand.doubts, doubts)
            doubtful |= _beyond_regions(seen, known, others, in_hand.doubts, doubts)
            cause = seen.without(taken | doubtful)
            if cause is not None and case is not None:
                of_regions = _turns_out_regional(seen, case, reading, in_hand.doubts, doubts)
                cause = case.admit(cause, of_regions=of_regions)
            if cause is not None and case is not None and case.phase in (Phase.OPEN, Phase.EASING):
                cause = self._without_strays(cause, case, reading)
                cause = cause and without_bad_lines(cause, case, known, reading)
            bad_line = False
            if cause is not None and (case is None or case.phase is Phase.SUSPECTED):
                beside = {part for other in causes for part in other.parts if part not in seen.parts}
                cause, bad_line = by_line(cause, case, known, beside, reading)
            if cause is None:
                continue
            if case is None:
                case = _suspect(cause, reading)
                in_hand.cases.append(case)
            case.take_cause(cause, reading)
            for other in known:
                if other is not case:
                    other.note_silence(cause)
            if case.phase is Phase.SUSPECTED:
                case.held += 1
                if not bad_line and not self._waits(cause, case, in_hand, reading, worldwide):
                    sure.append(case)
        in_hand.doubts = doubts
        return sure

    def _step_case(
        self,
        case: Case,
        reading: CountryReading,
        in_hand: _CountryCases,
        worldwide: Worldwide,
        *,
        sure: bool,
    ) -> list[Snapshot]:
        """Take one window into a case. Returns what is to be told of it; `sure` says that it may open now."""
        self._leave_to_the_world(case, worldwide)
        case.weigh(reading, self.settings)
        if case.untold:
            return [self._tell(case, reading, _News(announcement(case), JUDGED_ANEW))]
        if case.was_none(reading) and (withdrawn := self._withdraw(case, reading)) is not None:
            return [withdrawn]
        case.quieted = worldwide.quiets(case)
        if case.quieted:
            in_hand.quiet.update(dict.fromkeys(case.platforms, reading.end))
        elif worldwide.is_own(case):
            in_hand.quiet = {p: end for p, end in in_hand.quiet.items() if p not in case.platforms}
        if (last := self._given_up(case)) is not None:
            return [last]
        return [
            self._tell(case, reading, news) for news in self._move(case, reading, sure=sure, in_hand=in_hand)
        ]

    def _confirm(self, in_hand: _CountryCases, reading: CountryReading) -> Iterable[Snapshot]:
        """Tell how much is back of what is over, once enough results say so."""
        lost = {part for case in in_hand.cases if case.phase is not Phase.RESOLVED for part in case.losses}
        for case in in_hand.over:
            late = reading.end - case.ended > self.settings.restoration_seconds
            if late or not lost.isdisjoint(case.losses):
                case.phase = move(case.phase, Trigger.EXPIRED).phase
            else:
                case.count(reading)
        in_hand.over = [case for case in in_hand.over if case.phase is Phase.OVER]
        for case in (*in_hand.cases, *in_hand.over):
            ended = case.phase in (Phase.RESOLVED, Phase.OVER)
            if not ended or not case.confirms(reading, full=self.settings.confirm_restoration):
                continue
            step = move(case.phase, Trigger.CONFIRMED)
            case.scope, case.severity = case.widest, case.worst
            if step.told is not None:
                yield self._tell(case, reading, _News(step.told, _restored(case)))
        in_hand.over = [case for case in in_hand.over if case.waits]

    def _owned(
        self,
        causes: Iterable[Cause],
        cases: Sequence[Case],
        worldwide: Worldwide,
        reading: CountryReading,
    ) -> Iterable[tuple[Cause, Case | None]]:
        """Each cause with the incident that it belongs to, if any; one that is of several matters is divided first.

        What the world has lost too enters no incident of the country that was told. A platform that is lost already
        is its incident's; one that falls beside it is looked at by itself: it may be another matter, hours later.
        """
        going_on = [case for case in cases if case.phase in (Phase.OPEN, Phase.EASING, Phase.CLOSED)]
        suspected = [case for case in cases if case.phase is Phase.SUSPECTED]
        for cause in causes:
            shared = {p for p in cause.platforms if worldwide.explains(p, reading.country, reading.simulated)}
            if shared:
                piece = cause.without({part for part in cause.parts if part.platform not in shared})
                if piece is not None:
                    yield piece, self._match(piece, suspected)
            owners: dict[str, int] = {}  # platform: place of the incident in `going_on`, or -1
            for platform in cause.platforms - shared:
                owners[platform] = next(
                    (i for i, case in enumerate(going_on) if platform in case.platforms), -1
                )
            for owner in sorted(set(owners.values())):
                theirs = {platform for platform, i in owners.items() if i == owner}
                piece = cause.without({part for part in cause.parts if part.platform not in theirs})
                if piece is not None:
                    yield piece, self._match(piece, cases)
            if cause.kind is Kind.CONNECTIVITY:
                yield cause, self._match(cause, cases)

    def _without_strays(self, cause: Cause, case: Case, reading: CountryReading) -> Cause | None:
        """Leave out what would not open an incident by itself: growth needs what opening needs.

        While an incident is young its networks show one after the other; later one is judged by what it says itself.
        """
        fresh = cause.without({Part(*key) for key in case.losses})
        if fresh is None:
            return cause
        strays = fresh.alone_and_faint(reading, self.settings)
        if reading.end - case.detected > GROWN_SECONDS and fresh.units.isdisjoint(case.units):
            strays = strays or fresh.strays(reading, self.settings)
        return cause.without(fresh.parts if strays else self._odd_cells(fresh, case, reading))

    def _odd_cells(self, fresh: Cause, case: Case, reading: CountryReading) -> set[Part]:
        """What strays on networks that are new to an incident, and lost few of its platforms: they would lose most."""
        odd: set[Part] = set()
        for unit in sorted(fresh.units - case.units):
            others = {part for part in fresh.parts if part.unit != unit}
            column = fresh.without(others)
            if column is not None and 2 * len(column.platforms) < len(case.platforms):
                odd |= set(column.parts) if column.strays(reading, self.settings) else set()
        return odd

    @staticmethod
    def _leave_to_the_world(case: Case, worldwide: Worldwide) -> None:
        """Take out what turns out to be lost worldwide, where the incident has something of its own besides."""
        shared = {p for p in case.platforms if worldwide.explains(p, case.country, case.simulated)}
        if shared and len(shared) < len(case.platforms):
            case.drop(shared)

    @staticmethod
    def _doubtful(
        cause: Cause,
        mending: Collection[Part],
        before: Mapping[tuple[str, str], int],
        now: dict[tuple[str, str], int],
    ) -> set[Part]:
        """Regions that seem to lag behind while the networks mend: an alarm that has not calmed down, or the truth.

        What stays so for a few windows in a row is the truth. Counts go into `now`.
        """
        platforms = {part.platform for part in mending if part.asn}
        doubtful = set()
        for part in cause.parts:
            if part.region and part.platform in platforms:
                key = (part.platform, part.region)
                now[key] = before.get(key, 0) + 1
                if now[key] <= DOUBT_WINDOWS:
                    doubtful.add(part)
        return doubtful

    def _match(self, cause: Cause, cases: Sequence[Case]) -> Case | None:
        """The case that this cause belongs to: one that has been told before a mere suspicion, then the most alike."""
        known = [case for case in cases if case.phase is not Phase.SUSPECTED]
        suspected = [case for case in cases if case.phase is Phase.SUSPECTED]
        for group in (known, suspected):
            best, likest = 0.0, None
            for case in group:
                kinship = case.kinship(cause, self.settings)
                if kinship > best:
                    best, likest = kinship, case
            if likest is not None:
                return likest
        return None

    def _waits(
        self,
        cause: Cause,
        case: Case,
        in_hand: _CountryCases,
        reading: CountryReading,
        worldwide: Worldwide,
    ) -> bool:
        """Whether it is too early to tell: more is on its way, or it may yet turn out to be part of another."""
        settle = self.settings.settle_windows
        if _is_aftermath(cause, in_hand, reading.end):
            return True
        since_quiet = reading.end - max((in_hand.quiet.get(p, 0) for p in cause.platforms), default=0)
        if since_quiet <= self.settings.recovery_windows * self.window_seconds:
            return True  # of what the world had lost, each country is back in its own minute
        if cause.alone_and_faint(reading, self.settings, opening=True) or is_well_again(cause, reading):
            return True
        if cause.is_slow and len(cause.units) == 1 and _gathers(cause, in_hand.cases, reading.end):
            return True
        if any(
            other.phase in (Phase.OPEN, Phase.EASING)
            and reading.end - other.detected <= settle * self.window_seconds
            for other in in_hand.cases
        ):
            return case.held <= settle
        if worldwide.stirs(case) and case.held <= settle:
            return True
        if worldwide.may_explain(case, reading.end):
            return True
        return cause.growing and case.held <= self.settings.hold_windows

    def _move(
        self, case: Case, reading: CountryReading, *, sure: bool, in_hand: _CountryCases
    ) -> Iterable[_News]:
        """Move a case by the window's event. Yield what is to be told."""
        event = case.event(reading, self.settings)
        if case.phase is Phase.CLOSED:
            self._let_go(case, reading, event, in_hand)
            return
        if case.phase is Phase.RESOLVED:
            case.relapsing = case.relapsing + 1 if event is Trigger.BAD else 0
            if case.relapsing < RELAPSE_WINDOWS:
                return
        if case.phase is Phase.SUSPECTED:
            if sure and not case.quieted and event is Trigger.BAD and not case.flows:
                event = Trigger.SURE
            elif event is Trigger.RECOVERED or reading.end - case.heard > self.settings.merge_seconds:
                event = Trigger.WELL  # nothing was told of it, so nothing need be waited for
        if event in (Trigger.RECOVERED, Trigger.PARTLY) and (
            case.may_relapse(reading, self.settings) or case.awaits_proof(reading, self.settings)
        ):
            case.phase = move(case.phase, Trigger.WELL).phase
            return
        if event is None:
            # Of networks that have been dark for days no window says anything any more.
            lasts = case.is_dark and case.heard < reading.end - self.settings.unheard_told_seconds
            yield from list(self._news(case, reading)) or self._still(
                case, reading, Trigger.BAD if lasts else None
            )
            return
        step = move(case.phase, event)
        relapsed = case.phase is Phase.RESOLVED and step.phase is Phase.OPEN
        case.phase = step.phase
        if step.told is Announcement.OPEN:
            self._open_case(case, reading, in_hand)
            yield _News(announcement(case), FOUND_AGAIN if case.seq else "")
        elif step.told is Announcement.RESOLVED:
            case.end(reading)
            yield _News(Announcement.RESOLVED, _restored(case))
        elif relapsed:
            case.again(reading, self.settings)
            yield _News(Announcement.UPDATED, "lost again")
        else:
            news = list(self._news(case, reading))
            if news and case.previous:
                self._count_like(case, in_hand.past)
            yield from news or self._still(case, reading, event)

    def _still(self, case: Case, reading: CountryReading, event: Trigger | None) -> Iterable[_News]:
        """Yield "goes on" now and then, for an incident without other news."""
        settings, age = self.settings, reading.end - case.onset
        early = age < settings.still_early_seconds
        every = settings.still_seconds if early else settings.still_later_seconds
        if event is not Trigger.BAD or case.mending or not every or reading.end - case.updated < every:
            return
        step = move(case.phase, Trigger.LASTS)
        if step.told is not None:
            days = age // _DAY
            yield _News(step.told, f"since {days} day{'' if days == 1 else 's'}" if days else "goes on")

    def _let_go(
        self, case: Case, reading: CountryReading, event: Trigger | None, in_hand: _CountryCases
    ) -> None:
        """Forget what was closed, once it is back or has been silent or well for as long as a like loss is merged."""
        if event is Trigger.BAD:
            case.updated = reading.end
        if event is Trigger.RECOVERED or reading.end - case.updated > self.settings.merge_seconds:
            case.phase = move(case.phase, Trigger.EXPIRED).phase
            in_hand.remember(case)

    def _open_case(self, case: Case, reading: CountryReading, in_hand: _CountryCases) -> None:
        case.detected = reading.end
        case.date(reading)
        case.onset = case.first_onset(self.window_seconds)
        days = self.settings.previous_days
        over = [
            *in_hand.past,
            *(
                past_case(other)
                for other in in_hand.cases
                if other.phase is Phase.RESOLVED and other is not case
            ),
        ]
        before = [past for past in over if kindred(case, past) and past.onset >= case.onset - days * _DAY]
        case.previous = [past.id for past in before]
        self._count_like(case, before)
        units = sorted((self.told_as(case, asn), region) for asn, region in case.units)
        key = " ".join([*case.platforms, *(f"{asn}{region}" for asn, region in units)])
        case.id = incident_id(
            case.kind, case.country, reading.start, "simulated" if case.simulated else "", key
        )
        self._find_again(case)
        _link_with_others(case, in_hand.cases)

    def _find_again(self, case: Case) -> None:
        """Have a new incident go on as the one that was told of the same, where that is awaited."""
        place = (case.country, case.simulated)
        mine = [one for one in self._awaited if (one.country, one.simulated) == place]
        again = found_again(case, mine, self.settings.merge_seconds)
        if again is not None:
            self._awaited = [one for one in self._awaited if one is not again]
            case.id, case.seq, case.detected, case.onset = again.id, again.seq, again.detected, again.onset

    def _count_like(self, case: Case, over: Iterable[PastIncident]) -> None:
        """Count which of the previous ones it is like, as far as it reaches by now."""
        before = [past for past in over if past.id in case.previous and like(case, past)]
        recent = case.onset - self.settings.recurrence_days * _DAY
        case.like = len(before)
        case.same_time = sum(
            past.onset >= recent and at_same_time(past.onset, case.onset, self.settings) for past in before
        )

    def _news(self, case: Case, reading: CountryReading) -> Iterable[_News]:
        """An update, when something that a reader would note has changed and stayed so."""
        if case.phase not in (Phase.OPEN, Phase.EASING):
            return
        self._link(case, reading.end)
        unheard = reading.end - case.heard
        if unheard >= self.settings.unheard_told_seconds and not (case.unheard_told or case.is_dark):
            case.unheard_told = True
            yield _News(Announcement.UPDATED, f"nothing has been heard of it for {unheard // 3600} h")
            return
        now = case.noted()
        if now == case.told or _may_wait(case, now, reading.end):
            case.pending, case.pending_windows = Noted(), 0
            return
        case.pending_windows = case.pending_windows + 1 if now == case.pending else 1
        case.pending = now
        # What goes to and fro must stay ever longer to be told again; what grows need not.
        most = FLAPPING_MAX if flaps(case.told, now) else WAVERING_MAX
        sure = grows(case.told, now) or case.told.level != now.level  # another level has been waited for
        patience = 1 if sure else 2 ** min(case.wavering, most)
        if case.pending_windows < self.settings.news_windows * patience:
            return
        changes = reasons(case.told, now, self.settings.platform_names)
        doubt = doubt_of(case, reading, self.settings, some_lie=self.by_majority)
        if doubt == Doubt.FEW_NETWORKS:  # whatever else was doubtful of it
            changes = [change for change in changes if change not in (CONFIRMED, NOT_CONFIRMED)]
        if case.level.told in changes and not shows_its_level(case, reading):
            changes.remove(case.level.told)
        if not changes or (same_but_for_units(case.told, now) and self._lists_all(case, reading)):
            case.told = now
            return
        if grows(case.told, now):
            _date_again(case, reading)
        else:
            case.wavering += 1
        step = move(case.phase, Trigger.NEWS)
        if step.told is not None:
            yield _News(step.told, "; ".join(changes))

    def _lists_all(self, case: Case, reading: CountryReading) -> bool:
        """Whether the last snapshot has every network and region already that a new one would have.

        A network that goes dark was lost in some of its regions before, and is in all of them now.
        """
        last = self._open.get(case.id)
        if case.kind is Kind.CONNECTIVITY and case.regions:
            homes = {home for asn in case.networks for home in reading.homes.get(asn, ())}
            if not homes <= set(case.regions):
                return False
        return last is not None and (
            set(affected_networks(case, reading)) <= {network.asn for network in last.networks}
            and set(case.regions) <= set(last.regions)
        )

    def _link(self, case: Case, now: int) -> None:
        if self.witness is not None and case.kind is Kind.CONNECTIVITY and case.resolved is None:
            asked = self.witness(case.country, case.simulated, case.lost_parts(), now, case.witnesses)
            case.witnesses = list(asked)
        if case.id and case.resolved is None and now - case.detected <= ROLLING_SECONDS:
            self._link_alike(case)
        events = [event for event in self._calendar.values() if event.country == case.country]
        linked = {event.id for event in events if coincident(case, event, now, self.settings)}
        case.coincides = sorted(linked | set(case.coincides))

    def _link_alike(self, case: Case) -> None:
        """Link a young incident with those of other countries that fail alike."""
        for (_, simulated), in_hand in sorted(self._countries.items()):
            for other in in_hand.cases:
                going_on = other.id and other.phase in (Phase.OPEN, Phase.EASING)
                if going_on and simulated == case.simulated and fails_alike(case, other):
                    for one, linked in ((case, other), (other, case)):
                        one.linked = sorted({*one.linked, linked.id})
                        one.alike = sorted({*one.alike, linked.country})

    # telling

    def _tell(self, case: Case, reading: CountryReading, news: _News) -> Snapshot:
        self._link(case, reading.end)
        if news.told is not Announcement.RESOLVED:
            case.remember_worst()
        case.seq += 1
        case.untold = False
        case.updated = reading.end
        case.reason = news.reason
        case.told, case.pending, case.pending_windows = case.noted(), Noted(), 0
        return self._written(case, reading, news.told)

    def _written(self, case: Case, reading: CountryReading, announced: Announcement) -> Snapshot:
        return snapshot_of(
            case,
            reading,
            announced,
            self._calendar,
            self.settings,
            self.version,
            self.fingerprint,
            some_lie=self.by_majority,
        )

    # what is over

    def _close_asked(self) -> list[Snapshot]:
        cases = {case.id: case for in_hand in self._countries.values() for case in in_hand.cases if case.id}
        over = []
        for closing in self._closings:
            case, last = cases.get(closing.id), self._open.get(closing.id)
            if case is not None and last is not None:
                over.append(self._close(case, last, closing))
        self._closings = []
        return over

    def _given_up(self, case: Case) -> Snapshot | None:
        """Close what nothing has been heard of for as long as the settings say."""
        last = self._open.get(case.id)
        unheard, close = self._now - case.heard, self.settings.unheard_close_seconds
        if case.is_dark:
            unheard, close = self._now - case.onset, self.settings.dark_close_seconds
        if last is None or unheard < close:
            return None
        reason = f"nothing has been heard of it for {unheard // _DAY} days"
        return self._close(case, last, Closing(case.id, reason, case.heard))

    def _close(
        self, case: Case, last: Snapshot, closing: Closing, trigger: Trigger = Trigger.CLOSE
    ) -> Snapshot:
        snapshot = replace(closed(last, closing, self._now), scope=case.widest, severity=case.worst)
        case.phase = move(case.phase, trigger).phase
        case.seq, case.updated, case.resolved = snapshot.seq, snapshot.updated, snapshot.resolved
        self._open.pop(case.id, None)
        return snapshot

    def _withdraw(self, case: Case, reading: CountryReading) -> Snapshot | None:
        """Take back what turns out to have been no loss; None where that can't be told any more."""
        step = move(case.phase, Trigger.WITHDRAWN)
        if step.told is None:
            return None
        last = self._open.get(case.id)
        if last is None:  # it was told as over
            last = self._written(case, reading, step.told)
        over = case.resolved if case.resolved is not None else reading.end
        case.retracted = True
        return self._close(case, last, Closing(case.id, ONLINE, over, retracted=True), Trigger.WITHDRAWN)

    def _forget(self, stirring: Collection[CountryKey]) -> None:
        """Let go of what is too old: relapses that can't come any more, past incidents, events."""
        horizon = self._now - self.settings.previous_days * _DAY
        for place, in_hand in list(self._countries.items()):
            for case in in_hand.cases:
                told_over = case.ended if case.phase is Phase.RESOLVED else case.updated
                if (
                    case.phase in (Phase.RESOLVED, Phase.CLOSED)
                    and self._now - told_over > self.settings.merge_seconds
                ):
                    case.phase = move(case.phase, Trigger.EXPIRED).phase
                    in_hand.remember(case)
                    if case.phase is Phase.OVER and case.awaits_more(full=self.settings.confirm_restoration):
                        in_hand.over.append(case)
            in_hand.over = in_hand.over[-OVER_MAX:]
            in_hand.cases = [case for case in in_hand.cases if case.phase not in (Phase.OVER, Phase.GONE)]
            in_hand.past = [past for past in in_hand.past if past.onset >= horizon][-PAST_MAX:]
            if place not in stirring:
                in_hand.recent, in_hand.succeeded = {}, {}
            if not (in_hand.cases or in_hand.past or in_hand.quiet or in_hand.recent or in_hand.over):
                del self._countries[place]
        for name in [name for name, event in self._calendar.items() if event.end < horizon]:
            self._unschedule(name)

    # keeping

    def snapshot(self) -> bytes:
        """The whole state, as versioned plain numbers (MessagePack)."""
        stored = AssemblerState(
            VERSIONS["assembler"],
            self._now,
            [(*place, in_hand) for place, in_hand in sorted(self._countries.items())],
            [event for _, event in sorted(self._calendar.items())],
            [snapshot for _, snapshot in sorted(self._open.items())],
            self._closings,
            self._falls.snapshot(),
            self._awaited,
            self._running.snapshot(),
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` of this or an earlier release wrote. Raises ValueError, see `read_stored`."""
        stored = read_stored(data, AssemblerState, "assembler")
        self._now = stored.now
        self._countries = {(country, simulated): in_hand for country, simulated, in_hand in stored.countries}
        self._calendar = {event.id: event for event in stored.calendar}
        self._by_country = None
        self._open = {snapshot.id: snapshot for snapshot in stored.open}
        self._closings = stored.closings
        self._falls.restore(stored.falls)
        self._running = Outages(stored.outages)
        self._awaited = stored.awaited
        self._known = frozenset(name for country in self._countries.values() for name in country.ids())


def _without_absorbed(cases: Sequence[Case]) -> list[Case]:
    """Drop suspicions that have turned out to be part of an incident."""
    if not any(case.phase is Phase.SUSPECTED for case in cases):
        return list(cases)
    wider = [set(case.losses) for case in cases if case.phase is not Phase.SUSPECTED]
    return [
        case
        for case in cases
        if case.phase is not Phase.SUSPECTED or not any(set(case.losses) <= losses for losses in wider)
    ]


def _link_with_others(case: Case, cases: Iterable[Case]) -> None:
    """Link a new incident with those that go on in the same country on the same networks or regions."""
    for other in cases:
        if other is not case and other.phase in (Phase.OPEN, Phase.EASING) and case.units & other.units:
            case.linked.append(other.id)
            other.linked.append(case.id)


def _turns_out_regional(
    cause: Cause,
    case: Case,
    reading: CountryReading,
    before: Mapping[tuple[str, str], int],
    now: dict[tuple[str, str], int],
) -> bool:
    """Whether what was told of the nation is of some regions: others have stayed well for several windows in a row.

    Networks show sooner than regions, which have fewer results. Counts go into `now`.
    """
    told_of_networks = case.scope is Scope.NATION_SCALE and case.networks
    if not told_of_networks or not all(part.region for part in cause.parts):
        return False
    for platform in cause.platforms:
        now[platform, ""] = before.get((platform, ""), 0) + 1
    settled = all(now[platform, ""] > BEYOND_REGIONS_WINDOWS for platform in cause.platforms)
    return settled and reading.end - case.detected <= NARROWING_SECONDS


def _beyond_regions(
    cause: Cause,
    cases: Iterable[Case],
    others: OtherRegions,
    before: Mapping[tuple[str, str], int],
    now: dict[tuple[str, str], int],
) -> set[Part]:
    """Networks that seem to have lost more than the regions of an incident that goes on, in which they report.

    While another region is not lost, that is mostly an alarm of what the regions have lost, and it outlasts their
    return. Where the other regions lack nothing, it is that and no more; else what stays so for several windows in a
    row is the truth. Counts go into `now`.
    """
    reading = others.reading
    regions: dict[str, dict[str, int]] = {}
    for case in cases:
        if case.phase in (Phase.OPEN, Phase.EASING):
            for (platform, _, region), loss in case.losses.items():
                if region:
                    regions.setdefault(platform, {})[region] = loss.onset
    spared = {
        platform
        for (platform, region), standing in reading.regions.items()
        if region not in regions.get(platform, ()) and standing.live and standing.opinion is not Opinion.BAD
    }
    doubtful = set()
    for part, part_vote in cause.parts.items():
        hit = regions.get(part.platform, {})
        if (
            part.asn
            and part.platform in spared
            and not hit.keys().isdisjoint(reading.homes.get(part.asn, ()))
        ):
            key = (part.platform, str(part.asn))
            now[key] = before.get(key, 0) + 1
            if now[key] > BEYOND_REGIONS_WINDOWS:
                well = others.well(part.platform, hit, min(hit.values()))
                if not (well and explains(hit, well, part, part_vote, reading)):
                    continue
            doubtful.add(part)
    return doubtful


def _hand_over(cause: Cause, case: Case | None, in_hand: _CountryCases) -> None:
    """Close the book on what is over and wholly part of something new, that is no relapse of it."""
    parts = {tuple(part) for part in cause.parts}
    for other in in_hand.cases:
        if other.phase is Phase.RESOLVED and other is not case and set(other.losses) <= parts:
            other.phase = move(other.phase, Trigger.EXPIRED).phase
            in_hand.past.append(past_case(other))


def _restored(case: Case) -> str:
    """Return how much is back in words, or "" if that is not known."""
    if case.restoration is Restoration.FULL:
        return "fully restored"
    if case.restoration is Restoration.PART and case.tally is not None:
        usual = case.tally.due / case.tally.n
        return f"restored in part: {case.present_ratio():.0%}, usually {usual:.0%}"
    return ""


def _succeeded(reading: CountryReading, before: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Platforms in regions of which the last results were as usual, with the start of the window that had them."""
    succeeded = {}
    for region, standing in sorted(reading.regions.items()):
        if standing.n == 0 and region in before:
            succeeded[region] = before[region]
        elif standing.n and 2 * standing.k > standing.expected * standing.n:
            succeeded[region] = reading.start
    return succeeded


def _gathers(cause: Cause, cases: Iterable[Case], now: int) -> bool:
    """Whether one of these was told a moment ago, and began with this cause, which may yet be part of it."""
    return any(
        case.phase in (Phase.OPEN, Phase.EASING)
        and now - case.detected <= _GATHERS_SECONDS
        and case.begins_with(cause)
        for case in cases
    )


def _suspect(cause: Cause, reading: CountryReading) -> Case:
    return Case(
        id="",
        kind=cause.kind,
        country=reading.country,
        simulated=reading.simulated,
        first=reading.start,
        onset=cause.onset,
        losses={},
        failures={},
        controls={},
    )


def _recent(
    reading: CountryReading, before: Mapping[tuple[str, int, str], tuple[float, float]]
) -> dict[tuple[str, int, str], tuple[float, float]]:
    """Successes and results of the last few windows, by part."""
    recent = {}
    # Of hundreds of networks a crowd has results of a few in a window.
    networks = reading.networks
    counts = {(p, a, ""): of_cell for (p, a), of_cell in counts_of(networks).items()}
    for p, a, region in before:
        if not region and (p, a, "") not in counts and (p, a) in networks:
            counts[p, a, ""] = (networks[p, a].k, networks[p, a].n)
    counts.update(((p, 0, r), (standing.k, standing.n)) for (p, r), standing in reading.regions.items())
    nothing = (0.0, 0.0)
    for key in sorted(counts):
        k, n = before.get(key, nothing)
        more_k, more_n = counts[key]
        k, n = k * _RECENT_FADE + more_k, n * _RECENT_FADE + more_n
        if n >= _RECENT_LEAST:
            recent[key] = (k, n)
    return recent


def _is_well(news: Vote, k: float, n: float) -> bool:
    """Whether the last few windows speak against a loss: they lie nearer to the usual than the ratio of the last hour.

    An alarm outlasts what it tells of; so does the ratio beside it, and where it is on its way up the loss is over.
    """
    if news.slow or n < _RECENT_TELLING:
        return False
    bar = (news.expected + news.reachability) / 2
    # Where one window has results enough, it need not wait for the others.
    return k >= bar * n and (news.n < _RECENT_ENOUGH or news.k >= bar * news.n)


def _may_wait(case: Case, now: Noted, end: int) -> bool:
    """Whether what has changed of an incident on many networks is little, and something was told not long ago.

    In a crowd's silence a network that is heard once, and then not for hours, is no news: which ones these are waits.
    """
    young = end - case.onset < _DAY
    if case.kind is Kind.CONNECTIVITY and case.doubt == Doubt.CROWD:
        wait = FEW_SECONDS_LATER if young else _DAY
        return end - case.updated < wait and changes_units_only(case.told, now)
    wait = FEW_SECONDS if young else FEW_SECONDS_LATER
    if only_heard(case.told, now):
        wait = _DAY
    return end - case.updated < wait and changes_little(case.told, now)


def _is_aftermath(cause: Cause, in_hand: _CountryCases, now: int) -> bool:
    """Whether a cause is the alarm of a loss that is over, and has not calmed down.

    It began before that one ended, not long ago, on the same platforms; and most results succeed again.
    """
    if cause.kind is not Kind.PLATFORM:
        return False
    counts = [in_hand.recent.get((part.platform, part.asn, part.region), (0.0, 0.0)) for part in cause.parts]
    if 2 * sum(k for k, _ in counts) <= sum(n for _, n in counts):
        return False
    ends = [past.resolved for past in in_hand.past if cause.platforms <= set(past.platforms)]
    if cause.platforms <= in_hand.quiet.keys():
        ends.append(min(in_hand.quiet[platform] for platform in cause.platforms))
    return any(cause.middle <= end and now - end <= AFTERMATH_SECONDS for end in ends)


def _date_again(case: Case, reading: CountryReading) -> None:
    """Let what has joined speak of the onset, where it had begun before the incident was told.

    An incident can open on one series that had strayed by chance for a while before it fell with all the others.
    """
    case.date(reading)
    onset = case.first_onset(reading.end - reading.start)
    if onset - case.onset > TURN_SECONDS and onset <= case.detected:
        case.onset = onset
