"""Readings made by hand, one character a window: what a bank would say, without a bank.

`.` well, `x` lost, `f` lost by half and hardly sure, `?` nothing heard, `~` leaning, `s` slow,
`S` slow beyond doubt, `z` slow and not sure yet, `u` lost and not sure yet.
Volumes: `.` flows, `x` dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.incidents.assembler import Assembler
from detectors.incidents.snapshots import Snapshot
from detectors.readings import (
    CountryReading,
    Health,
    Opinion,
    Reading,
    Scheduled,
    Slowness,
    Standing,
    Volume,
)
from detectors.settings import IncidentSettings, TimeSettings

T0 = 1_705_708_800  # 20 January 2024, 00:00 UTC
WINDOW = 60
WELL = 0.98
SUCCESSES = {".": 10, "x": 0, "f": 5, "?": 0, "~": 7, "s": 10, "S": 10, "z": 10, "u": 0}
PAST = 15
Lines = Mapping[tuple[str, int], str]


def standing(mark: str, onset: int | None, since: int = 1) -> Standing:
    """What a series says for one character."""
    mark = mark.replace("S", "s").replace("z", "s")
    n = 0 if mark == "?" else 10
    k = SUCCESSES[mark]
    opinion = {
        ".": Opinion.GOOD,
        "x": Opinion.BAD,
        "f": Opinion.BAD,
        "?": Opinion.UNSURE,
        "~": Opinion.UNSURE,
        "u": Opinion.UNSURE,
        "s": Opinion.GOOD,
    }
    score = {".": 0.0, "x": 1.5, "f": 1.1, "?": 0.0, "~": 0.6, "s": 0.0, "u": 0.6}[mark]
    bad = mark in "xf~u"
    return Standing(
        opinion=opinion[mark],
        score=score,
        n=n,
        k=k,
        expected=WELL,
        reachability={".": WELL, "x": 0.02, "f": 0.5, "?": WELL, "~": 0.7, "s": WELL, "u": 0.02}[mark],
        onset=onset if bad else None,
        probes=10 * since if bad else 0,
        vantages=2,
        vantages_bad=2 if mark in "xf" else 0,
        live=True,
    )


def past_of(line: str, at: int) -> NDArray[np.float64]:
    """The windows until `at`: successes, results and the usual ratio of each."""
    marks = line[: at + 1].rjust(PAST, "?")[-PAST:]
    return np.array([[SUCCESSES[mark], 0 if mark == "?" else 10, WELL] for mark in marks], dtype=np.float64)


def onset_of(line: str, at: int) -> int:
    """Start of the run of losses that holds window `at`."""
    first = at
    while first > 0 and line[first - 1] in "xf~sSzu":
        first -= 1
    return T0 + first * WINDOW


def volumes_of(at: int, lines: Mapping[int, str]) -> dict[int, Volume]:
    """How the results of networks flow in window `at`."""
    return {
        asn: Volume(
            Opinion.BAD if line[at] == "x" else Opinion.GOOD,
            1.5 if line[at] == "x" else 0.0,
            0.0 if line[at] == "x" else 40.0,
            40.0,
            onset_of(line, at) if line[at] == "x" else None,
            live=True,
        )
        for asn, line in lines.items()
    }


def country(
    at: int,
    lines: Lines,
    *,
    name: str = "PK",
    volumes: Mapping[int, str] | None = None,
    regions: Mapping[tuple[str, str], str] | None = None,
    homes: Mapping[int, Sequence[str]] | None = None,
    mechanism: str | Mapping[int, str] = "tls.connection_reset",
    control: tuple[int, int] = (10, 0),
    simulated: bool = False,
) -> CountryReading:
    """One country in window `at`."""
    networks, slowness, mechanisms = {}, {}, {}
    for (platform, asn), line in lines.items():
        mark = line[at]
        onset = onset_of(line, at)
        networks[platform, asn] = standing(mark, onset, 1 + at - (onset - T0) // WINDOW)
        if mark in "sS":
            score = 1.2 if mark == "s" else 2.0
            slowness[platform, asn] = Slowness(Opinion.BAD, score, "ttfb_ms", 4000.0, 80.0, onset)
        if mark == "x":
            way = mechanism if isinstance(mechanism, str) else mechanism.get(asn, "tls.connection_reset")
            mechanisms[platform, asn] = {way: 10}
    pooled = {}
    for platform in {platform for platform, _ in lines}:
        marks = [line[at] for (p, _), line in lines.items() if p == platform]
        bad = [onset_of(line, at) for (p, _), line in lines.items() if p == platform and line[at] in "xf~u"]
        most = 2 * len(bad) > len(marks)
        heard = any(mark != "?" for mark in marks)
        pooled[platform] = standing("x" if most else "." if heard else "?", min(bad) if bad else None)
    failing = {platform for platform, _ in mechanisms}
    return CountryReading(
        country=name,
        simulated=simulated,
        start=T0 + at * WINDOW,
        end=T0 + (at + 1) * WINDOW,
        platforms=pooled,
        networks=networks,
        past={key: past_of(line, at) for key, line in lines.items()},
        regions={key: standing(line[at], onset_of(line, at)) for key, line in (regions or {}).items()},
        volumes=volumes_of(at, volumes or {}),
        slowness=slowness,
        mechanisms=mechanisms,
        control=dict.fromkeys(sorted(failing), control),
        vantages={asn: 2 for _, asn in lines},
        homes=homes or {},
    )


def reading(countries: Sequence[CountryReading]) -> Reading:
    """A window of several countries; health is told of what they hold."""
    rows = [
        (country, platform, pooled)
        for country in countries
        for platform, pooled in sorted(country.platforms.items())
    ]

    def count(country: CountryReading, platform: str, bad: bool) -> int:
        mine = [s for (p, _), s in country.networks.items() if p == platform]
        return sum(s.opinion is Opinion.BAD for s in mine) if bad else len(mine)

    health = Health(
        country=[c.country for c, _, _ in rows],
        platform=[p for _, p, _ in rows],
        simulated=[c.simulated for c, _, _ in rows],
        n=np.array([s.n for _, _, s in rows], dtype=np.int64),
        k=np.array([s.k for _, _, s in rows], dtype=np.int64),
        expected=np.array([s.expected for _, _, s in rows]),
        reachability=np.array([s.reachability for _, _, s in rows]),
        score=np.array([s.score for _, _, s in rows]),
        networks_live=np.array([count(c, p, False) for c, p, _ in rows], dtype=np.int64),
        networks_bad=np.array([count(c, p, True) for c, p, _ in rows], dtype=np.int64),
    )
    return Reading(countries[0].start, countries[0].end, countries, health)


def run(
    readings: Iterable[Reading],
    *,
    settings: IncidentSettings | None = None,
    calendar: Iterable[Scheduled] = (),
    restart_at: int | None = None,
) -> list[Snapshot]:
    """Everything that an assembler tells of readings; with a restart in between where asked."""
    chosen = settings or IncidentSettings()
    assembler = Assembler(chosen, TimeSettings(), "test", "settings")
    for event in calendar:
        assembler.schedule(event)
    told: list[Snapshot] = []
    for i, one in enumerate(readings):
        if i == restart_at:
            kept = assembler.snapshot()
            assembler = Assembler(chosen, TimeSettings(), "test", "settings")
            assembler.restore(kept)
            assert assembler.snapshot() == kept
        told.extend(assembler.step(one))
    return told


def story(lines: Lines, *, every: int = 1, **more: object) -> list[Reading]:
    """One country, told in lines of equal length."""
    length = len(next(iter(lines.values())))
    assert all(len(line) == length for line in lines.values())
    return [reading([country(at, lines, **more)]) for at in range(length)]  # type: ignore[arg-type]
