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


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """The detectors' parameters. Frozen by the tuning that docs/detection.md describes."""

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
    network_names: Mapping[int, str] = field(default_factory=dict)
    network_shares: Mapping[int, float] = field(default_factory=dict)  # share of the country's users, 0 to 1
    country_names: Mapping[str, str] = field(default_factory=dict)
    platform_names: Mapping[str, str] = field(default_factory=dict)
