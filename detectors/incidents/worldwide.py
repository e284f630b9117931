"""The view over countries: a platform that most of them have lost is down worldwide, and that is one incident.

One country has one vote. The step of a backtest and the machine on the health topic feed it the same columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
import numpy as np

from detectors.incidents.adoption import (
    FOUND_AGAIN,
    JUDGED_ANEW,
    adopt,
    announcement,
    found_again,
    still_open,
)
from detectors.incidents.case import SILENT_WINDOWS
from detectors.incidents.evidence import HALF_HOUR_SECONDS, PLATFORM
from detectors.incidents.falls import ROLLING_SECONDS, Fall, Falls, Key, StoredFall, controls_by_vote, widest
from detectors.incidents.level import Z_PART
from detectors.incidents.loss import Loss, Present, bounds, likelier, present, present_share
from detectors.incidents.moves import Announcement, Phase, Trigger, move
from detectors.incidents.news import NotedWorldwide
from detectors.incidents.quiet import lost, surely_lost
from detectors.incidents.running import COUNTRIES_MIN, is_worldwide
from detectors.incidents.snapshots import (
    Closing,
    Doubt,
    Fact,
    Kind,
    PlatformLoss,
    Restoration,
    Scope,
    Severity,
    Snapshot,
    closed,
    incident_id,
)
from detectors.incidents.telling import keep_open
from detectors.incidents.votes import Vote
from detectors.readings import Health, Opinion, Reading
from detectors.settings import IncidentSettings, TimeSettings
from detectors.state import VERSIONS, read_stored

PAST_MAX: Final = 256
_DAY: Final = 86_400
_FADE: Final = 0.93
#: A level that differs by this much from the told one is told.
_LEVEL_CHANGE: Final = 0.3
#: Of what is back, a part this large is not missing: so many nats.
_PART: Final = 0.1
_WHOLE_NATS: Final = 1.0
_USUAL_MOST: Final = 0.98
#: It is over in part where the upper bound of what succeeds lies more than this below the usual.
_NEAR: Final = 0.03


class Signs(NamedTuple):
    """What a country's failures of one window say beside their number."""

    controls_good: int
    controls_bad: int
    # By `stage.failure`.
    failures: Mapping[str, int]


NO_SIGNS: Final = Signs(0, 0, MappingProxyType({}))


def controls_of(signs: Mapping[Key, Signs]) -> dict[Key, tuple[int, int]]:
    """Return how many failing results had a good control, and how many a bad one."""
    return {key: (sign.controls_good, sign.controls_bad) for key, sign in signs.items()}


def signs_of(reading: Reading) -> dict[Key, Signs]:
    """The signs of the countries in which something stirs; of controls a majority of its networks speaks."""
    signs: dict[Key, Signs] = {}
    for country in reading.countries:
        failures: dict[str, dict[str, int]] = {}
        for (platform, _), counts in country.mechanisms.items():
            by_name = failures.setdefault(platform, {})
            for name, count in counts.items():
                by_name[name] = by_name.get(name, 0) + count
        controls = controls_by_vote(country)
        for platform in sorted(failures.keys() | controls.keys()):
            good, bad = controls.get(platform, (0, 0))
            named = dict(sorted(failures.get(platform, {}).items()))
            signs[platform, country.country, country.simulated] = Signs(good, bad, named)
    return signs


class _Outage(msgspec.Struct):
    id: str
    simulated: bool
    onset: int
    # (platform, country)
    losses: dict[tuple[str, str], Loss]
    failures: dict[str, float]
    phase: Phase = Phase.SUSPECTED
    seq: int = 0
    detected: int = 0
    resolved: int | None = None
    watched: int = 0
    networks: int = 0
    controls: tuple[float, float] = (0.0, 0.0)
    # What the last snapshot said, see `noted`.
    told: NotedWorldwide = NotedWorldwide()
    pending: NotedWorldwide = NotedWorldwide()
    pending_windows: int = 0
    previous: list[str] = []
    # Platform: recent failures by mechanism, fading.
    ways: dict[str, dict[str, float]] = {}
    # End of the window in which it last failed, once it is closed.
    updated: int = 0
    # Incidents of countries that it explains in part.
    linked: list[str] = []
    # It does not stand as it was told, and is told in the next window: see `adoption`.
    untold: bool = False
    # The share of attempts that succeed as it was told last, and on how many results that rested.
    told_level: tuple[float, int] = (0.0, 0)
    # Windows in a row in which it was at another level.
    level_waits: int = 0
    # Windows in a row in which most countries were back, and none of its countries stirred.
    calm: int = 0
    # Results of the last window or two of all of its countries, of more until there are twenty: those that succeeded,
    # all, and how many usually succeed.
    recent: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def platforms(self) -> list[str]:
        return sorted({platform for platform, _ in self.losses})

    @property
    def countries(self) -> list[str]:
        return sorted({country for _, country in self.losses})

    def reach(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.losses)

    def noted(self) -> NotedWorldwide:
        return NotedWorldwide(" ".join(self.platforms), " ".join(self.countries))

    def take_as_told(self) -> None:
        self.told = self.noted()


class _CountryHealth(NamedTuple):
    """How a platform stands in one country in this window."""

    down: bool
    sure: bool
    n: int
    k: int
    expected: float
    reachability: float
    networks_live: int
    signs: Signs


CountryHealths = dict[tuple[str, str], _CountryHealth]


class _PastOutage(msgspec.Struct):
    id: str
    platforms: list[str]
    onset: int


class OutagesState(msgspec.Struct):
    """A `WorldAssembler` as it is written."""

    version: int
    since: list[StoredFall]
    outages: list[_Outage]
    past: list[_PastOutage]
    open: list[Snapshot]
    closings: list[Closing] = []
    awaited: list[Snapshot] = []


class WorldAssembler:
    """Makes incidents of kind `global` of how countries stand.

    Parameters
    ----------
    incidents, time, version, fingerprint
        As for the assembler.
    """

    def __init__(
        self, incidents: IncidentSettings, time: TimeSettings, version: str, fingerprint: str
    ) -> None:
        self.settings = incidents
        self.window_seconds = time.window_seconds
        self.version = version
        self.fingerprint = fingerprint
        #: Whether a loss is worldwide only where most countries have it, whatever controls say.
        self.by_majority = False
        self._falls = Falls()  # countries that have lost a platform, before it is anybody's outage
        self._outages: list[_Outage] = []
        self._past: list[_PastOutage] = []
        self._open: dict[str, Snapshot] = {}
        self._closings: list[Closing] = []
        self._awaited: list[Snapshot] = []  # told as open, and not in hand: the clock has not come to it yet
        self._known: frozenset[str] = frozenset()  # ids of the outages in hand when it was restored

    @property
    def open(self) -> list[Snapshot]:
        """The last snapshot of every outage that goes on."""
        return list(self._open.values())

    def close(self, incident_id: str, reason: str, moment: int, *, retracted: bool = False) -> None:
        """End an open outage because a person closed it, as `Assembler.close` does."""
        if incident_id in self._open:
            self._closings.append(Closing(incident_id, reason, moment, retracted))

    def adopt(self, published: Sequence[Snapshot]) -> None:
        """Make the outages in hand agree with what was told, as `Assembler.adopt` does."""
        published = [snapshot for snapshot in published if snapshot.kind is Kind.GLOBAL]
        for simulated in (False, True):
            mine = [outage for outage in self._outages if outage.simulated == simulated]
            others = [outage for outage in self._outages if outage.simulated != simulated]
            of_them = [snapshot for snapshot in published if snapshot.simulated == simulated]
            self._outages = others + adopt(mine, of_them, self._known, _outage_of, self._open)
        self._open = still_open(self._outages, published, self._open)

    def expect(self, published: Iterable[Snapshot]) -> None:
        """Take what was told of outages that go on, where all that was kept is lost, as `Assembler.expect` does."""
        self._awaited = [
            one
            for one in published
            if one.kind is Kind.GLOBAL
            and one.status is not Announcement.RESOLVED
            and one.platforms
            and one.countries
        ]

    def _take_up(self, now: int) -> None:
        due = [one for one in self._awaited if one.detected <= now]
        self._awaited = [one for one in self._awaited if one.detected > now]
        for snapshot in due:
            if snapshot.id not in {outage.id for outage in self._outages}:
                outage = _outage_of(replace(snapshot, updated=min(snapshot.updated, now)))
                outage.untold = False
                self._outages.append(outage)
                self._open[snapshot.id] = snapshot

    def step(self, start: int, health: Health, signs: Mapping[Key, Signs]) -> list[Snapshot]:
        """Weigh one window of all countries; `start` is where it began."""
        end = start + self.window_seconds
        self._forget(end)
        self._take_up(end)
        down = lost(health, self.settings, by_majority=self.by_majority)
        if not (down.any() or self._outages or self._falls):
            self._closings.clear()
            return []
        self._falls.step(health, down, controls_of(signs), start, end)
        rows = self._rows(health, down, signs)
        self._give_up(end)
        snapshots = self._close_asked(end)
        for simulated in (False, True):
            self._find(rows[simulated], simulated, start, end)
        for outage in self._outages:
            snapshots.extend(self._move(outage, rows[outage.simulated], start, end))
        self._outages = [outage for outage in self._outages if outage.phase not in (Phase.OVER, Phase.GONE)]
        keep_open(self._open, snapshots)
        return snapshots

    def _rows(
        self, health: Health, down: np.ndarray, signs: Mapping[Key, Signs]
    ) -> dict[bool, CountryHealths]:
        """Return the live rows, real and simulated, of the platforms that some country has lost."""
        sure = surely_lost(health) & (down if self.by_majority else True)
        affected = {health.platform[i] for i in np.flatnonzero(down).tolist()}
        affected.update(platform for outage in self._outages for platform in outage.platforms)
        rows: dict[bool, CountryHealths] = {False: {}, True: {}}
        for i, platform in enumerate(health.platform):
            if platform not in affected or health.networks_live[i] <= 0:
                continue
            key = (platform, health.country[i], health.simulated[i])
            rows[key[2]][key[:2]] = _CountryHealth(
                bool(down[i]),
                bool(sure[i]),
                int(health.n[i]),
                int(health.k[i]),
                float(health.expected[i]),
                float(health.reachability[i]),
                int(health.networks_live[i]),
                signs.get(key, NO_SIGNS),
            )
        return rows

    def _find(self, rows: CountryHealths, simulated: bool, start: int, end: int) -> None:
        """Platforms that most countries have lost become an outage, or part of one."""
        for platform in sorted({platform for platform, _ in rows}):
            mine = {country: row for (p, country), row in rows.items() if p == platform}
            falls = self._falls.among(platform, simulated, mine)
            outage = self._match(platform, simulated, end)
            if outage is not None and platform in outage.platforms:
                hit = _joining(outage, platform, falls)
            else:
                shared = widest(falls, len(mine))
                hit = sorted(shared.falls)
                sure = sum(mine[country].sure for country in hit)
                agreed = is_worldwide(
                    len(hit), shared.voters, shared.good, shared.bad, by_majority=self.by_majority
                )
                if not agreed or sure < min(2, len(hit)):
                    continue
            if outage is None:
                outage = _Outage("", simulated, start, {}, {})
                self._outages.append(outage)
            for country in hit:
                row = mine[country]
                if (platform, country) not in outage.losses:
                    onset = falls[country].since
                    outage.losses[platform, country] = Loss(
                        onset, row.expected, row.reachability, row.reachability
                    )
            outage.watched = max(outage.watched, len(mine))
            outage.networks = max(outage.networks, sum(row.networks_live for row in mine.values()))

    def _match(self, platform: str, simulated: bool, end: int) -> _Outage | None:
        candidates = [outage for outage in self._outages if outage.simulated == simulated]
        for outage in candidates:
            if platform in outage.platforms:
                return outage
        for outage in candidates:
            soon = end - outage.onset <= self.settings.together_seconds
            if soon and outage.phase not in (Phase.RESOLVED, Phase.CLOSED):
                return outage
        return None

    def _move(self, outage: _Outage, rows: CountryHealths, start: int, end: int) -> list[Snapshot]:
        heard = self._weigh(outage, rows, start)
        if outage.untold:
            return [self._tell(outage, announcement(outage), JUDGED_ANEW, end)]
        event = self._event(outage, heard, rows)
        if outage.phase is Phase.CLOSED:
            if event is Trigger.BAD:
                outage.updated = end
            return []
        if event is None:
            return self._news(outage, end)
        was, step = outage.phase, move(outage.phase, event)
        outage.phase = step.phase
        if step.told is Announcement.OPEN:
            self._open_outage(outage, start, end)
            return [self._tell(outage, announcement(outage), FOUND_AGAIN if outage.seq else "", end)]
        if step.told is Announcement.RESOLVED:
            recovered = [loss.recovered for loss in outage.losses.values() if loss.recovered is not None]
            outage.resolved = max(recovered)
            return [self._tell(outage, Announcement.RESOLVED, _still_lost(outage), end)]
        if was is Phase.RESOLVED and step.phase is Phase.OPEN:
            outage.resolved = None
            return [self._tell(outage, Announcement.UPDATED, "lost again", end)]
        return self._news(outage, end)

    def _give_up(self, end: int) -> None:
        """Ask for the end of what nothing has been heard of for long: its countries have gone."""
        for outage in self._outages:
            heard = max((outage.detected, *(loss.heard for loss in outage.losses.values())))
            if outage.id in self._open and end - heard >= self.settings.unheard_close_seconds:
                self.close(outage.id, f"nothing has been heard of it for {(end - heard) // _DAY} days", heard)

    def _close_asked(self, end: int) -> list[Snapshot]:
        outages = {outage.id: outage for outage in self._outages if outage.id}
        over = []
        for closing in self._closings:
            outage, last = outages.get(closing.id), self._open.get(closing.id)
            if outage is not None and last is not None:
                outage.phase = move(outage.phase, Trigger.CLOSE).phase
                over.append(closed(last, closing, end))
                outage.seq, outage.updated, outage.resolved = over[-1].seq, end, over[-1].resolved
                keep_open(self._open, over[-1:])
        self._closings = []
        return over

    def _weigh(self, outage: _Outage, rows: CountryHealths, start: int) -> bool:
        """Take the window's evidence in; whether there was any."""
        heard = False
        good, bad = (count * _FADE for count in outage.controls)
        outage.failures = {name: count * _FADE for name, count in outage.failures.items() if count > 0.05}
        for platform, counts in outage.ways.items():
            outage.ways[platform] = {name: n * _FADE for name, n in counts.items() if n > 0.05}
        for key, loss in outage.losses.items():
            row = rows.get(key)
            if row is None or row.n == 0:
                continue
            heard = True
            good += row.signs.controls_good
            bad += row.signs.controls_bad
            ways = outage.ways.setdefault(key[0], {})
            for name, count in row.signs.failures.items():
                outage.failures[name] = outage.failures.get(name, 0.0) + count
                ways[name] = ways.get(name, 0.0) + count
            opinion = Opinion.BAD if row.sure else Opinion.UNSURE if row.down else Opinion.GOOD
            country_vote = Vote(opinion, row.n, row.k, row.expected, row.reachability, None, 0, slow=False)
            loss.weigh(country_vote, start, start + self.window_seconds, self.settings.recovery_windows)
        outage.controls = (good, bad)
        of_now = [rows[key] for key in outage.losses if key in rows]
        results = sum(row.n for row in of_now)
        if results:
            keep = present_share(results, outage.recent[1])
            k, n, due = (figure * keep for figure in outage.recent)
            k += sum(row.k for row in of_now)
            due += sum(row.n * row.expected for row in of_now)
            outage.recent = (k, n + results, due)
        return heard

    def _event(self, outage: _Outage, heard: bool, rows: CountryHealths) -> Trigger | None:
        """A platform is back when it is back in most of the countries that had lost it, and nothing is missing.

        Where a part stays missing, it is over once all of its countries are calm: that part is usual by then.
        """
        total = len(outage.losses)
        back = sum(loss.recovered is not None for loss in outage.losses.values())
        mending = sum(loss.recovered is None and loss.good > 0 for loss in outage.losses.values())
        if outage.phase is Phase.SUSPECTED:
            return Trigger.SURE if back + mending < total else Trigger.WELL
        if not heard:
            return None
        stirs = any(rows[key].down for key in outage.losses if key in rows)
        outage.calm = 0 if stirs or 2 * back <= total else outage.calm + 1
        settled = outage.calm * self.window_seconds >= self.settings.merge_seconds
        if 2 * back > total and not mending and (settled or _is_whole(outage.losses.values())):
            return Trigger.RECOVERED
        return Trigger.WELL if 2 * (back + mending) > total else Trigger.BAD

    def _open_outage(self, outage: _Outage, start: int, end: int) -> None:
        outage.detected = end
        outage.onset = _agreed(outage.losses.values(), self.window_seconds)
        horizon = outage.onset - self.settings.previous_days * _DAY
        outage.previous = [
            past.id
            for past in self._past
            if past.onset >= horizon and not set(past.platforms).isdisjoint(outage.platforms)
        ]
        marks = [*outage.platforms, "simulated" if outage.simulated else ""]
        outage.id = incident_id(Kind.GLOBAL, None, start, *marks)
        mine = [one for one in self._awaited if one.simulated == outage.simulated]
        again = found_again(outage, mine, self.settings.merge_seconds)
        if again is not None:
            self._awaited = [one for one in self._awaited if one is not again]
            outage.id, outage.seq, outage.detected, outage.onset = (
                again.id,
                again.seq,
                again.detected,
                again.onset,
            )

    def _news(self, outage: _Outage, end: int) -> list[Snapshot]:
        if outage.phase not in (Phase.OPEN, Phase.EASING):
            return []
        now = outage.noted()
        if (level := self._other_level(outage)) is not None:
            return [self._tell(outage, Announcement.UPDATED, level, end)]
        if now == outage.told:
            outage.pending, outage.pending_windows = NotedWorldwide(), 0
            return []
        outage.pending_windows = outage.pending_windows + 1 if now == outage.pending else 1
        outage.pending = now
        step = move(outage.phase, Trigger.NEWS)
        if outage.pending_windows < self.settings.news_windows or step.told is None:
            return []
        changes = []
        platforms, countries = (
            sorted(set(after.split()) - set(before.split()))
            for before, after in (
                (outage.told.platforms, now.platforms),
                (outage.told.countries, now.countries),
            )
        )
        if platforms:
            changes.append(f"{', '.join(platforms)} joined")
        if countries:
            changes.append(f"reached {', '.join(countries)} too")
        return [self._tell(outage, step.told, "; ".join(changes), end)]

    def _other_level(self, outage: _Outage) -> str | None:
        """Return that it got worse, or eased, by much and beyond doubt; None where it did not.

        An outage is followed by the minute: it begins with a few failures, and goes on with all.
        """
        now, usual, results = _stands(outage)
        before, rested_on = outage.told_level
        low, high = bounds(now * results, results)
        low_before, high_before = bounds(before * rested_on, rested_on)
        changed = abs(now - before) >= _LEVEL_CHANGE and (high < low_before or low > high_before)
        outage.level_waits = outage.level_waits + 1 if changed else 0
        # What eases may be on its way back, which is told as such.
        eased = now > before
        if (not eased and outage.phase is Phase.EASING) or (eased and now > usual - _PART):
            return None
        patience = self.settings.recovery_windows * (2 if eased else 1)
        if outage.level_waits < patience:
            return None
        return f"{'eased' if eased else 'worse'}: {now:.0%} of attempts succeed, {before:.0%} before"

    def _tell(self, outage: _Outage, announced: Announcement, reason: str, end: int) -> Snapshot:
        outage.seq += 1
        outage.untold = False
        outage.told, outage.pending, outage.pending_windows = outage.noted(), NotedWorldwide(), 0
        losses = list(outage.losses.values())
        over = announced is Announcement.RESOLVED
        back = [loss for loss in losses if loss.recovered is not None]
        stands = present(back or losses) if over else _stands(outage)
        outage.told_level, outage.level_waits = (stands.now, stands.results), 0
        silent = end - SILENT_WINDOWS * self.window_seconds
        share = len(outage.countries) / max(1, outage.watched)
        total = sum(outage.failures.values())
        names = sorted(outage.failures, key=lambda name: (-outage.failures[name], name))
        return Snapshot(
            id=outage.id,
            seq=outage.seq,
            status=announced,
            kind=Kind.GLOBAL,
            scope=Scope.GLOBAL,
            severity=Severity.CRITICAL if share >= self.settings.severity_critical else Severity.MAJOR,
            country=None,
            countries=tuple(outage.countries),
            regions=(),
            platforms=tuple(outage.platforms),
            networks=(),
            onset=outage.onset,
            detected=outage.detected,
            updated=end,
            resolved=outage.resolved,
            reachability=round(stands.now, 4),
            usual=round(stands.usual, 4),
            mechanism=names[0] if names else None,
            mechanism_share=round(outage.failures[names[0]] / total, 4) if total else 0.0,
            mechanism_by_network=(),
            facts=tuple(_facts(outage)),
            previous=tuple(outage.previous),
            coincides=(),
            confirmed=outage.networks >= self.settings.networks_confirm,
            vantages=0,
            networks_live=outage.networks,
            measurements=sum(loss.probes for loss in losses),
            reason=reason,
            back=(),
            unheard=sum(loss.recovered is None and loss.heard <= silent for loss in losses) if over else 0,
            simulated=outage.simulated,
            version=self.version,
            fingerprint=self.fingerprint,
            results=stands.results,
            by_platform=tuple(
                _platform(outage, platform, self.window_seconds) for platform in outage.platforms
            ),
            linked=tuple(outage.linked),
            doubt=Doubt.FEW_NETWORKS if outage.networks < self.settings.networks_confirm else None,
            restoration=_restoration(losses) if over else Restoration.NONE,
        )

    def _forget(self, now: int) -> None:
        for outage in self._outages:
            over = outage.resolved is not None and now - outage.resolved > self.settings.merge_seconds
            if outage.phase is Phase.CLOSED:
                over = now - outage.updated > self.settings.merge_seconds
            if outage.phase in (Phase.RESOLVED, Phase.CLOSED) and over:
                outage.phase = move(outage.phase, Trigger.EXPIRED).phase
                self._past.append(_PastOutage(outage.id, outage.platforms, outage.onset))
        self._outages = [outage for outage in self._outages if outage.phase not in (Phase.OVER, Phase.GONE)]
        horizon = now - self.settings.previous_days * _DAY
        self._past = [past for past in self._past if past.onset >= horizon][-PAST_MAX:]

    # keeping

    def snapshot(self) -> bytes:
        """The whole state, as versioned plain numbers (MessagePack)."""
        stored = OutagesState(
            VERSIONS["outages"],
            self._falls.snapshot(),
            self._outages,
            self._past,
            [snapshot for _, snapshot in sorted(self._open.items())],
            self._closings,
            self._awaited,
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` of this or an earlier release wrote. Raises ValueError, see `read_stored`."""
        stored = read_stored(data, OutagesState, "outages")
        self._falls.restore(stored.since)
        self._outages, self._past = stored.outages, stored.past
        self._open = {snapshot.id: snapshot for snapshot in stored.open}
        self._closings, self._awaited = stored.closings, stored.awaited
        self._known = frozenset(outage.id for outage in self._outages if outage.id)


def _outage_of(snapshot: Snapshot) -> _Outage:
    """An outage that was told and is not in hand."""
    losses = {
        (platform, country): Loss(
            snapshot.onset,
            snapshot.usual,
            snapshot.reachability,
            snapshot.reachability,
            heard=snapshot.updated,
        )
        for platform in snapshot.platforms
        for country in snapshot.countries
    }
    outage = _Outage(snapshot.id, snapshot.simulated, snapshot.onset, losses, {}, Phase.OPEN, snapshot.seq)
    outage.detected, outage.networks = snapshot.detected, snapshot.networks_live
    outage.watched = len(snapshot.countries)
    outage.take_as_told()
    outage.untold = True
    return outage


def _joining(outage: _Outage, platform: str, falls: Mapping[str, Fall]) -> list[str]:
    """Countries that fell soon after an outage began, or whose targets fail outside too: not those of their own."""
    began = min(loss.onset for (name, _), loss in outage.losses.items() if name == platform)
    return sorted(
        country
        for country, fall in falls.items()
        if not fall.answers_outside
        and (abs(fall.since - began) <= ROLLING_SECONDS or (fall.fails_outside and fall.since >= began))
    )


def _stands(outage: _Outage) -> Present:
    """How it stands while it goes on: by the results of all of its countries together."""
    k, n, due = outage.recent
    return Present(k / n, due / n, round(n)) if n >= 1.0 else present(outage.losses.values())


class _Back(NamedTuple):
    """Successes and results of a country of late, but where it mends none from before, and its usual ratio."""

    k: float
    n: float
    usual: float


def _still_lost(outage: _Outage) -> str:
    """Return in words where it is over and some country has it not back; "" where all have."""
    lost_in = {country for (_, country), loss in outage.losses.items() if loss.recovered is None}
    return f"not back in {', '.join(sorted(lost_in))}" if lost_in else ""


def _since_back(losses: Iterable[Loss]) -> tuple[float, float, float]:
    """Return the successes and results of late, but of what mends none from before, and the usual ratio of the same.

    A country that has lost clearly more than the middle one is another matter, and may go on for days.
    """
    countries = []
    for loss in losses:
        mends = loss.good > 0 and loss.mend_n <= loss.recent_n
        k, n = (float(loss.mend_k), float(loss.mend_n)) if mends else (loss.recent_k, loss.recent_n)
        if n >= 1.0:
            countries.append(_Back(k, n, loss.usual))
    if not countries:
        return 0.0, 0.0, 0.0
    middle = median(one.k / one.n for one in countries)
    alike = [one for one in countries if bounds(one.k, one.n, Z_PART)[1] >= middle - _PART]
    n = sum(one.n for one in alike)
    return sum(one.k for one in alike), n, sum(one.usual * one.n for one in alike) / n


def _is_whole(losses: Iterable[Loss]) -> bool:
    """Whether these results are likelier with nothing missing than with a good part: else it eases, and goes on."""
    k, n, usual = _since_back(losses)
    if n < 1.0:
        return True
    usual = min(_USUAL_MOST, max(2 * _PART, usual))
    return likelier(k, n, usual, usual - _PART) >= _WHOLE_NATS


def _restoration(losses: Iterable[Loss]) -> Restoration:
    k, n, usual = _since_back(losses)
    return Restoration.PART if bounds(k, n, Z_PART)[1] < usual - _NEAR else Restoration.SOME


def _agreed(losses: Iterable[Loss], window: int) -> int:
    """The earliest onset on which two agree; a country may stray by chance a little earlier."""
    onsets = sorted(loss.onset for loss in losses)
    for onset, following in itertools.pairwise(onsets):
        if following - onset <= window:
            return onset
    return onsets[0]


def _platform(outage: _Outage, platform: str, window_seconds: int) -> PlatformLoss:
    losses = [loss for (name, _), loss in outage.losses.items() if name == platform]
    stands = present(losses)
    ways = outage.ways.get(platform, {})
    mechanism = max(ways, key=lambda name: (ways[name], name), default=None)
    recovered = [loss.recovered for loss in losses if loss.recovered is not None]
    return PlatformLoss(
        platform=platform,
        onset=max(outage.onset, _agreed(losses, window_seconds)),
        now=round(stands.now, 4),
        usual=round(stands.usual, 4),
        results=stands.results,
        mechanism=mechanism,
        mechanism_share=round(ways[mechanism] / sum(ways.values()), 4) if mechanism else 0.0,
        recovered=max(recovered) if len(recovered) == len(losses) else None,
    )


def _facts(outage: _Outage) -> list[Fact]:
    share = len(outage.countries) / max(1, outage.watched)
    measured = [
        Fact(
            "countries",
            round(share, 4),
            "ratio",
            outage.watched,
            fits=(PLATFORM,) if outage.watched >= COUNTRIES_MIN else (),
            figures={"lost": len(outage.countries)},
        )
    ]
    onsets = [loss.onset for loss in outage.losses.values()]
    if len(onsets) > 1:
        spread = max(onsets) - min(onsets)
        fits = (PLATFORM,) if spread < HALF_HOUR_SECONDS // 6 else ()
        figures: dict[str, int | float | str] = {"of": "countries", "together": 1}
        measured.append(
            Fact("onset_spread", float(spread), "s", len(outage.countries), fits=fits, figures=figures)
        )
    good, bad = outage.controls
    if good + bad >= 1:
        ratio = good / (good + bad)
        fits = (PLATFORM,) if ratio <= 0.2 else ()
        votes: dict[str, int | float | str] = {"answered": ratio, "by": "network"}
        measured.append(
            Fact("control", round(ratio, 4), "ratio", round(good + bad), fits=fits, figures=votes)
        )
    return measured
