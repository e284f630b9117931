"""What an operator may set of the deciding, as plain frozen values with their units and why they are so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TimeSettings:
    """How event time is cut (seconds)."""

    window_seconds: int = 60
    lateness_seconds: int = 30
    ahead_seconds: int = 30  # a result further ahead of the clock than this is refused
    spool_seconds: int = 120  # what waited in spools while nothing was heard is waited for so long afterwards


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """The detectors' parameters. Frozen by the tuning that docs/detection.md describes.

    Evidence is counted in nats (natural logarithms of likelihood ratios), rates in ratios from 0 to 1.
    """

    # what is looked for
    drops: tuple[float, ...] = (1.2, 2.5, 4.5)  # falls of the ratio's log odds: some, most, all
    shortfall_min: float = 0.05  # a series that lost less than this share alarms never
    shortfall_network: float = 0.20  # the same of one network whose country loses nothing: it drifts
    shortfall_deep: float = 0.10  # a series that lost more than this share is slow to call it usual
    shortfall_half_seconds: float = (
        7200.0  # what was lost counts less and less: an old loss is no present one
    )

    # how much evidence alarms
    alarm_country: float = 10.0
    alarm_network: float = (
        15.5  # four windows at their cap; there are more networks than countries to be wrong about
    )
    alarm_joined: float = 8.0  # of a network whose country is in alarm
    alarm_sparse: float = (
        9.5  # series with a few results an hour: four failures in a row where nearly all succeed
    )
    alarm_alone: float = 12.0  # the least where one vantage alone saw the failures
    cap_nats: float = 4.0  # the most that one window may say of a network: one bad minute is noise
    cap_country_nats: float = 3.9  # the same of a country or region: it alarms in three windows
    cap_part_nats: float = (
        2.6  # the most that one network may say in it: its bad minutes are not the country's
    )
    statistic_max: float = 24.0  # what is far over is as sure, and is over as soon
    close_nats: float = 6.0  # contrary evidence that ends an excursion
    fade_network_seconds: float = 3600.0  # half-life of evidence: drift is slow, an event is not
    fade_country_seconds: float = (
        5400.0  # the same of a country or region: a small loss takes its time to show
    )
    fade_sparse_seconds: float = 43_200.0  # the same of any series with a few results an hour, and of times

    # what is usual
    prior_probes: float = 30.0  # weight of the four-day ratio against an hour of the day
    slot_half_seconds: float = 28_800.0  # of that hour of the day: eight days
    global_half_seconds: float = 345_600.0
    level_half_seconds: float = 7200.0  # how soon a slow change is usual
    learn_lag_seconds: float = 900.0  # what is learned is this old, so that an onset does not hide itself
    learn_slow: float = 0.1  # speed of learning in an excursion; never 0, that would lock for ever
    warm_results: float = 20.0  # learned results before a series may alarm
    warm_seconds: float = 1800.0

    # how far the usual scatters
    dispersion_block_seconds: float = 1800.0
    wander_block_seconds: float = 7200.0
    wander_factor: float = 2.5  # a shortfall must exceed so many of the series' own standard deviations

    # silence
    alarm_silence: float = 14.0

    # slowness
    alarm_slowness: float = 14.0
    slowness_ratio: float = 2.0  # a path less than so many times slower than usual alarms never

    latency_detector: str | None = None  # a River detector by class path, for time to first byte
    latency_parameters: Mapping[str, Any] = field(default_factory=dict)
    volume_detector: str | None = None  # a River detector by class path, for the number of results
    volume_parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class IncidentSettings:
    """How opinions become incidents."""

    networks_confirm: int = 3  # live networks under which nobody is paged
    recovery_windows: int = 5  # good windows in a row before anything is resolved
    merge_seconds: int = 1800  # a like incident within this gap is the same one, flapping
    previous_days: int = 30
    recurrence_days: int = 8
    lean_score: float = 0.4  # of 1.0: from here on a series stirs, and may be waited for
    hold_windows: int = 2  # how long a small loss waits for company that stirs, before it is told
    settle_windows: int = 3  # how long another loss waits beside one that is younger than this
    unheard_told_seconds: int = (
        86_400  # of what nothing was heard for so long, that is told; it holds up no end
    )
    unheard_close_seconds: int = 604_800  # what nothing was heard of for so long is closed
    dark_close_seconds: int = 7_776_000  # a loss of connectivity may last: this long
    news_windows: int = 2  # how long a change must stay before it is told
    together_seconds: int = 10_800  # another platform that falls on the same networks within this joins
    alone_score: float = (
        1.25  # what one platform must reach that fails on one network, or region, and nowhere else
    )
    slow_alone_score: float = (
        1.5  # what one platform must reach that is slow on one network, and nowhere else
    )
    dark_networks_min: int = 3  # silent networks, short of a majority, that are no lost vantages any more
    severity_major: float = 0.25  # share of the country's use that is lost
    severity_critical: float = 0.66
    #: An incident of which there is nothing new is told again after so long; more seldom once it is older than
    #: `still_early_seconds`. 0: never.
    still_seconds: int = 86_400
    still_later_seconds: int = 604_800
    still_early_seconds: int = 604_800
    #: Whether the end of an incident is told once more (`resolved`, the next `seq`) when enough results show that it is
    #: "fully restored"; and for how long after the end these are waited for. That it is restored in part after all is
    #: told in any case, while a relapse would be the same incident.
    confirm_restoration: bool = False
    restoration_seconds: int = 86_400
    calendar_lead_seconds: int = 86_400  # an incident this long before an event is before it
    time_of_day_seconds: int = 1800  # starts this close are at the same time of day
    network_names: Mapping[int, str] = field(default_factory=dict)
    network_shares: Mapping[int, float] = field(default_factory=dict)  # share of the country's users, 0 to 1
    country_names: Mapping[str, str] = field(default_factory=dict)
    platform_names: Mapping[str, str] = field(default_factory=dict)
