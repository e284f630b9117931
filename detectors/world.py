"""The view over countries: a platform that most of them have lost is down worldwide, and that is one incident.

One country has one vote. The step of a backtest and the machine on the health topic both feed it the same columns.
"""

from __future__ import annotations

import itertools
from typing import Final

import msgspec
import numpy as np

from detectors.moves import Event, Phase, Told, move
from detectors.quiet import COUNTRIES_MIN, lost
from detectors.readings import Health
from detectors.settings import IncidentSettings, TimeSettings
from detectors.snapshots import Kind, Scope, Severity, Snapshot, incident_id

SNAPSHOT_VERSION: Final = 1
_DAY: Final = 86_400


class _Country(msgspec.Struct, array_like=True):
    """How a platform stands in one country, as an outage goes on."""

    onset: int
    usual: float
    now: float
    n: int
    good: int = 0
    good_since: int | None = None
    recovered: int | None = None


class _Outage(msgspec.Struct, array_like=True):
    id: str
    simulated: bool
    onset: int
    losses: dict[tuple[str, str], _Country]  # (platform, country)
    phase: Phase = Phase.SUSPECTED
    seq: int = 0
    detected: int = 0
    updated: int = 0
    resolved: int | None = None
    watched: int = 0
    networks: int = 0
    told: list[str] = []
    pending: list[str] = []
    pending_windows: int = 0
    reason: str = ""
    previous: list[str] = []

    @property
    def platforms(self) -> list[str]:
        return sorted({platform for platform, _ in self.losses})

    @property
    def countries(self) -> list[str]:
        return sorted({country for _, country in self.losses})


class _Stored(msgspec.Struct, array_like=True):
    version: int
    since: list[tuple[str, str, bool, int]]
    outages: list[_Outage]
    past: list[tuple[str, list[str], int]]
    open: list[Snapshot]


class World:
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
        self._since: dict[tuple[str, str, bool], int] = {}  # where a loss began, before it is anybody's
        self._outages: list[_Outage] = []
        self._past: list[tuple[str, list[str], int]] = []
        self._open: dict[str, Snapshot] = {}

    @property
    def open(self) -> list[Snapshot]:
        """The last snapshot of every outage that goes on."""
        return list(self._open.values())

    def step(self, start: int, end: int, health: Health) -> list[Snapshot]:
        """Weigh one window of all countries."""
        down = lost(health, self.settings)
        self._forget(end)
        if not down.any() and not self._outages:
            self._since.clear()
            return []
        rows = self._rows(health, down, start)
        told = []
        for simulated in (False, True):
            mine = {key[:2]: row for key, row in rows.items() if key[2] == simulated}
            self._find(mine, simulated, start, end)
        for outage in self._outages:
            mine = {key[:2]: row for key, row in rows.items() if key[2] == outage.simulated}
            told.extend(self._move(outage, mine, start, end))
        self._outages = [outage for outage in self._outages if outage.phase is not Phase.GONE]
        for snapshot in told:
            if snapshot.status is Told.RESOLVED:
                self._open.pop(snapshot.id, None)
            else:
                self._open[snapshot.id] = snapshot
        return told

    def _rows(self, health: Health, down: np.ndarray, start: int) -> dict[tuple[str, str, bool], _Row]:
        """Live rows by (platform, country, simulated), for the platforms that somebody has lost."""
        affected = {health.platform[i] for i in np.flatnonzero(down).tolist()}
        affected.update(p for outage in self._outages for p in outage.platforms)
        rows: dict[tuple[str, str, bool], _Row] = {}
        for i, platform in enumerate(health.platform):
            if platform not in affected or health.networks_live[i] <= 0:
                continue
            key = (platform, health.country[i], health.simulated[i])
            rows[key] = _Row(
                bool(down[i]),
                int(health.n[i]),
                int(health.k[i]),
                float(health.expected[i]),
                float(health.reachability[i]),
                int(health.networks_live[i]),
            )
            if down[i]:
                self._since.setdefault(key, start)
            else:
                self._since.pop(key, None)
        return rows

    def _find(self, rows: dict[tuple[str, str], _Row], simulated: bool, start: int, end: int) -> None:
        """Platforms that most countries have lost become an outage, or part of one."""
        for platform in sorted({platform for platform, _ in rows}):
            mine = {country: row for (p, country), row in rows.items() if p == platform}
            hit = sorted(country for country, row in mine.items() if row.down)
            if len(mine) < COUNTRIES_MIN or 2 * len(hit) <= len(mine):
                continue
            outage = self._match(platform, simulated, end)
            if outage is None:
                outage = _Outage("", simulated, start, {})
                self._outages.append(outage)
            for country in hit:
                loss = outage.losses.get((platform, country))
                if loss is None:
                    onset = self._since.get((platform, country, simulated), start)
                    row = mine[country]
                    outage.losses[platform, country] = _Country(onset, row.expected, row.reachability, row.n)
                elif loss.recovered is not None:
                    loss.recovered, loss.good, loss.good_since = None, 0, None
            outage.watched = max(outage.watched, len(mine))
            outage.networks = max(outage.networks, sum(row.networks_live for row in mine.values()))

    def _match(self, platform: str, simulated: bool, end: int) -> _Outage | None:
        candidates = [outage for outage in self._outages if outage.simulated == simulated]
        for outage in candidates:
            if platform in outage.platforms:
                return outage
        for outage in candidates:
            if outage.phase is not Phase.RESOLVED and end - outage.onset <= self.settings.together_seconds:
                return outage
        return None

    def _move(
        self, outage: _Outage, rows: dict[tuple[str, str], _Row], start: int, end: int
    ) -> list[Snapshot]:
        heard = False
        for key, loss in outage.losses.items():
            row = rows.get(key)
            if row is None or row.n == 0:
                continue
            heard = True
            loss.now = row.reachability
            loss.n += row.n
            if row.k >= row.n * (loss.usual + min(row.reachability, loss.usual)) / 2 and not row.down:
                loss.good += 1
                if loss.good == 1:
                    loss.good_since = start
                if loss.good >= self.settings.recovery_windows and loss.recovered is None:
                    loss.recovered = loss.good_since
            elif row.down:
                loss.good, loss.good_since, loss.recovered = 0, None, None
        event = self._event(outage, heard)
        step = move(outage.phase, event) if event is not None else None
        if step is None:
            return self._news(outage, end)
        relapsed = outage.phase is Phase.RESOLVED and step.phase is Phase.OPEN
        outage.phase = step.phase
        if step.told is Told.OPEN:
            outage.detected = end
            outage.onset = _onset(outage, self.window_seconds)
            horizon = outage.onset - self.settings.previous_days * _DAY
            outage.previous = [
                name
                for name, platforms, onset in self._past
                if onset >= horizon and not set(platforms).isdisjoint(outage.platforms)
            ]
            marks = [*outage.platforms, "simulated" if outage.simulated else ""]
            outage.id = incident_id(Kind.GLOBAL, None, start, self.version, *marks)
            return [self._tell(outage, Told.OPEN, "", end)]
        if step.told is Told.RESOLVED:
            outage.resolved = max(
                loss.recovered for loss in outage.losses.values() if loss.recovered is not None
            )
            return [self._tell(outage, Told.RESOLVED, "", end)]
        if relapsed:
            outage.resolved = None
            return [self._tell(outage, Told.UPDATED, "lost again", end)]
        return self._news(outage, end)

    @staticmethod
    def _event(outage: _Outage, heard: bool) -> Event | None:
        """A platform is back when it is back in most of the countries that had lost it; the others tell their own."""
        lasting = sum(loss.recovered is None for loss in outage.losses.values())
        mending = sum(loss.recovered is None and loss.good > 0 for loss in outage.losses.values())
        total = len(outage.losses)
        if outage.phase is Phase.SUSPECTED:
            return Event.SURE if lasting - mending else Event.WELL
        if 2 * (total - lasting) > total and not mending:
            return Event.RECOVERED
        if 2 * (total - lasting + mending) > total:
            return Event.WELL if heard else None
        return Event.BAD if heard else None

    def _news(self, outage: _Outage, end: int) -> list[Snapshot]:
        if outage.phase not in (Phase.OPEN, Phase.EASING):
            return []
        now = [" ".join(outage.platforms), " ".join(outage.countries)]
        if now == outage.told:
            outage.pending, outage.pending_windows = [], 0
            return []
        outage.pending_windows = outage.pending_windows + 1 if now == outage.pending else 1
        outage.pending = now
        step = move(outage.phase, Event.NEWS)
        if outage.pending_windows < self.settings.news_windows or step.told is None:
            return []
        said = []
        if fresh := set(now[0].split()) - set(outage.told[0].split()):
            said.append(f"{', '.join(sorted(fresh))} joined")
        if fresh := set(now[1].split()) - set(outage.told[1].split()):
            said.append(f"reached {len(fresh)} more {'country' if len(fresh) == 1 else 'countries'}")
        return [self._tell(outage, step.told, "; ".join(said), end)]

    def _tell(self, outage: _Outage, told: Told, reason: str, end: int) -> Snapshot:
        outage.seq += 1
        outage.updated = end
        outage.reason = reason
        outage.told = [" ".join(outage.platforms), " ".join(outage.countries)]
        outage.pending, outage.pending_windows = [], 0
        losses = list(outage.losses.values())
        share = len(outage.countries) / max(1, outage.watched)
        return Snapshot(
            id=outage.id,
            seq=outage.seq,
            status=told,
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
            reachability=round(sum(loss.now for loss in losses) / len(losses), 4),
            usual=round(sum(loss.usual for loss in losses) / len(losses), 4),
            mechanism=None,
            mechanism_share=0.0,
            mechanism_by_network=(),
            facts=(),
            previous=tuple(outage.previous),
            coincides=(),
            confirmed=outage.watched >= COUNTRIES_MIN,
            vantages=0,
            networks_live=outage.networks,
            measurements=sum(loss.n for loss in losses),
            reason=reason,
            back=(),
            unheard=sum(loss.recovered is None for loss in losses) if told is Told.RESOLVED else 0,
            simulated=outage.simulated,
            version=self.version,
            fingerprint=self.fingerprint,
        )

    def _forget(self, now: int) -> None:
        for outage in self._outages:
            over = outage.resolved is not None and now - outage.resolved > self.settings.merge_seconds
            if outage.phase is Phase.RESOLVED and over:
                outage.phase = move(outage.phase, Event.EXPIRED).phase
                self._past.append((outage.id, outage.platforms, outage.onset))
        self._outages = [outage for outage in self._outages if outage.phase is not Phase.GONE]
        horizon = now - self.settings.previous_days * _DAY
        self._past = [past for past in self._past if past[2] >= horizon][-256:]

    # keeping

    def snapshot(self) -> bytes:
        """The whole state, as versioned plain numbers (MessagePack)."""
        stored = _Stored(
            SNAPSHOT_VERSION,
            [(*key, since) for key, since in sorted(self._since.items())],
            self._outages,
            self._past,
            [snapshot for _, snapshot in sorted(self._open.items())],
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` wrote. Raises ValueError on an unknown version or a damaged text."""
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except msgspec.DecodeError as error:
            raise ValueError(f"damaged world snapshot: {error}") from error
        if stored.version != SNAPSHOT_VERSION:
            raise ValueError(
                f"world snapshot version {stored.version} is unknown; this is version {SNAPSHOT_VERSION}"
            )
        self._since = {
            (platform, country, simulated): at for platform, country, simulated, at in stored.since
        }
        self._outages, self._past = stored.outages, stored.past
        self._open = {snapshot.id: snapshot for snapshot in stored.open}


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """How a platform stood in one country in this window."""

    down: bool
    n: int
    k: int
    expected: float
    reachability: float
    networks_live: int


def _onset(outage: _Outage, window: int) -> int:
    """The earliest onset on which two agree; a country may stray by chance a little earlier."""
    onsets = sorted(loss.onset for loss in outage.losses.values())
    for onset, following in itertools.pairwise(onsets):
        if following - onset <= window:
            return onset
    return onsets[0]
