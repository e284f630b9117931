"""What an operator may set of the deciding, as plain frozen values with their units and why they are so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TimeSettings:
    """How event time is cut (seconds)."""

    #: Results of so long are judged together.
    window_seconds: int = 60
    #: A window waits so long for what comes late.
    lateness_seconds: int = 30
    #: A result further ahead of the clock than this is refused.
    ahead_seconds: int = 30
    #: After a deaf stretch, the watermark waits so long for what the vantages' spools hold.
    spool_seconds: int = 120


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """The detectors' parameters. Frozen by the tuning that docs/detection.md describes.

    Evidence is counted in nats (natural logarithms of likelihood ratios), rates in ratios from 0 to 1.
    """

    # What is looked for.

    #: Falls of the ratio's log odds that are tried: some, most, all.
    drops: tuple[float, ...] = (1.2, 2.5, 4.5)
    #: A series that lost less than this share never alarms.
    shortfall_min: float = 0.05
    #: One network whose country loses nothing has to lose this share: it may drift.
    shortfall_network: float = 0.20
    #: A series that lost more than this share is slow to learn it as usual.
    shortfall_deep: float = 0.10
    #: Half-life of what was lost: an old loss is not a present one.
    shortfall_half_seconds: float = 7200.0

    # How much evidence alarms, in nats.

    #: For a country, or a region.
    alarm_country: float = 10.0
    #: Four windows at their cap. There are more networks than countries to be wrong about.
    alarm_network: float = 15.5
    #: Nats that alarm for a network whose country is in alarm.
    alarm_joined: float = 8.0
    #: For a series with a few results an hour: four failures in a row where nearly all succeed.
    alarm_sparse: float = 9.5
    #: The least nats that alarm if one vantage alone saw the failures.
    alarm_alone: float = 12.0
    #: The most that one window may say of a network: one bad minute is noise.
    cap_nats: float = 4.0
    #: The most that one window may say of a country or region: it alarms in three windows.
    cap_country_nats: float = 3.9
    #: The most that one network may say in a country's sum: its bad minutes are not the country's.
    cap_part_nats: float = 2.6
    #: The statistic's largest value: what is far over the alarm is as sure, and ends as soon.
    statistic_max: float = 24.0
    #: Nats of contrary evidence that end an excursion.
    close_nats: float = 6.0
    #: Half-life of a network's evidence: drift is slow, an event is not.
    fade_network_seconds: float = 3600.0
    #: Half-life of a country's or region's evidence: a small loss takes its time to show.
    fade_country_seconds: float = 5400.0
    #: Half-life of the evidence of times, and of any series with a few results an hour.
    fade_sparse_seconds: float = 43_200.0

    # What is usual.

    #: Weight of the four-day ratio against that of an hour of the day, in results.
    prior_probes: float = 30.0
    #: Half-life of an hour of the day, in seconds of that hour: eight days.
    slot_half_seconds: float = 28_800.0
    #: Half-life of the ratio over all hours: four days.
    global_half_seconds: float = 345_600.0
    #: Half-life of the level: how soon a slow change is usual.
    level_half_seconds: float = 7200.0
    #: What is learned is this old, so that an onset does not hide itself.
    learn_lag_seconds: float = 900.0
    #: Speed of learning in an excursion. Never 0, which would lock for ever.
    learn_slow: float = 0.1
    #: Learned results before a series may alarm.
    warm_results: float = 20.0
    #: And so long since its first result.
    warm_seconds: float = 1800.0

    # How far the usual scatters.

    #: Blocks over which the scatter of a series' own windows is measured.
    dispersion_block_seconds: float = 1800.0
    #: Blocks over which it is measured how a series' level wanders.
    wander_block_seconds: float = 7200.0
    #: A shortfall must exceed so many of the series' own standard deviations.
    wander_factor: float = 2.5

    # Silence.

    #: Nats that alarm where results stop coming.
    alarm_silence: float = 14.0

    # Slowness.

    #: Nats that alarm where answers become slow. With `inf`, speeds are not judged.
    alarm_slowness: float = 14.0
    #: A path less than so many times slower than usual never alarms.
    slowness_ratio: float = 2.0
    #: Times to first byte below this (milliseconds) count as this.
    slowness_least_ms: float = 10.0

    #: A River detector by class path, for time to first byte.
    latency_detector: str | None = None
    #: What that detector is made with.
    latency_parameters: Mapping[str, Any] = field(default_factory=dict)
    #: A River detector by class path, for the number of results.
    volume_detector: str | None = None
    #: What that detector is made with.
    volume_parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class IncidentSettings:
    """How opinions become incidents."""

    #: Whether services of one's own are watched from vantages of one's own: nothing is said of a nation then.
    own_services: bool = False
    #: Incidents that rest on fewer live networks page nobody.
    networks_confirm: int = 3
    #: Good windows in a row before anything is resolved.
    recovery_windows: int = 5
    #: A like incident within this gap is the same one, flapping.
    merge_seconds: int = 1800
    #: Like incidents so far back are counted ("the second time in 30 days").
    previous_days: int = 30
    #: Like incidents so far back that began at the same time of day are counted as a recurrence.
    recurrence_days: int = 8
    #: From this score on (1.0 alarms) a series stirs, and may be waited for.
    lean_score: float = 0.4
    #: How long a small loss waits for others that stir, before it is told.
    hold_windows: int = 2
    #: How long another loss waits beside one that is younger than this.
    settle_windows: int = 3
    #: A part of which nothing was heard for so long is told as that, and holds up no end.
    unheard_told_seconds: int = 86_400
    #: An incident of which nothing was heard for so long is closed.
    unheard_close_seconds: int = 604_800
    #: A loss of connectivity without a result for so long is closed.
    dark_close_seconds: int = 7_776_000
    #: How many windows a change must stay before it is told.
    news_windows: int = 2
    #: Another platform that falls on the same networks within this time joins.
    together_seconds: int = 10_800
    #: The score that one platform must reach that fails on one network, or region, and nowhere else.
    alone_score: float = 1.25
    #: The score that one platform must reach that is slow on one network, and nowhere else.
    slow_alone_score: float = 1.5
    #: So many silent networks, short of a majority, are no lost vantages any more.
    dark_networks_min: int = 3
    #: Share of the country's use whose loss is major.
    severity_major: float = 0.25
    #: Share of the country's use whose loss is critical.
    severity_critical: float = 0.66
    #: An incident of which there is nothing new is told again after so long; more seldom once it is older than
    #: `still_early_seconds`. 0: never.
    still_seconds: int = 86_400
    #: The same, of an incident older than `still_early_seconds`.
    still_later_seconds: int = 604_800
    #: Up to this age an incident is told again by `still_seconds`.
    still_early_seconds: int = 604_800
    #: Whether the end of an incident is told once more (`resolved`, the next `seq`) when enough results show that it is
    #: "fully restored"; and for how long after the end these are waited for. That it is restored in part after all is
    #: told in any case, while a relapse would be the same incident.
    confirm_restoration: bool = False
    #: For so long after the end results are waited for that show it "fully restored".
    restoration_seconds: int = 86_400
    #: An incident this long before an event counts as before it.
    calendar_lead_seconds: int = 86_400
    #: Starts this close are at the same time of day.
    time_of_day_seconds: int = 1800
    #: Names of networks by AS number, for sentences.
    network_names: Mapping[int, str] = field(default_factory=dict)
    #: Share of the country's users by AS number, 0 to 1.
    network_shares: Mapping[int, float] = field(default_factory=dict)
    #: Names of countries by code, where another is wanted than netdusk's.
    country_names: Mapping[str, str] = field(default_factory=dict)
    #: Names of platforms by what records call them.
    platform_names: Mapping[str, str] = field(default_factory=dict)
