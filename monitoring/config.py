"""What an installation may choose about its rules and dashboards, and how durations and selectors are written.

A mixin's `_config`: everything else here is made from it. It knows no rule and no panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from producers.countries import CANARY
from producers.simulated.canary import DARK_FROM_MINUTE, DARK_MINUTES

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class Config:
    """One flavour of the rules. The default is what the chart ships.

    Attributes
    ----------
    selector
        Matchers put into every selector of our metrics (`job="netdusk"`), where one Prometheus scrapes several
        netdusks.
    simulated
        Whether incidents made of simulated results fire too (with `simulated="true"` on the alert). For drills and
        the demonstration; on call, never.
    patience
        Factor on `for` and `keep_firing_for`. 0 where event time runs faster than Prometheus' own.
    pace
        Factor on the ranges that expressions look back over, for tests that can't wait for an hour.
    runbooks, grafana
        Where the runbooks (docs/runbooks) and Grafana are served, without a slash at the end.
    """

    selector: str = ""
    simulated: bool = False
    patience: float = 1.0
    pace: float = 1.0
    runbooks: str = "https://netdusk.example/runbooks"
    grafana: str = "https://grafana.example"
    networks_confirm: int = (
        3  # detectors.settings.IncidentSettings: under so many live networks nobody is paged
    )
    global_countries: int = (
        10  # so many at once have lost a platform: it is the platform, whatever the world view says
    )
    # The view over the world is three and a half behind by design.
    watermark_lag_seconds: int = 5 * MINUTE
    watermark_lag_critical_seconds: int = 15 * MINUTE
    rejected_ratio: float = 0.05
    silent_seconds: int = 15 * MINUTE
    # A country that has sent fewer results in a week is not missed.
    silent_results_min: int = 20
    # Of the vantages that were live within the last day.
    blind_ratio: float = 0.5
    # A certificate of 90 days is renewed by a program with 30 left; what has 14 was forgotten.
    certificate_days: int = 14
    canary_country: str = CANARY
    canary_from_minute: int = DARK_FROM_MINUTE
    canary_minutes: int = DARK_MINUTES
    canary_in_time_minutes: int = (
        8  # of the outage's ten: a window, the lateness and the detector take five or six
    )

    def metric(self, name: str, *matchers: str) -> str:
        """A selector.

        >>> Config(selector='job="netdusk"').metric("netdusk_networks_live", 'country="PK"')
        'netdusk_networks_live{job="netdusk", country="PK"}'
        """
        chosen = [part for part in (self.selector, *matchers) if part]
        return f"{name}{{{', '.join(chosen)}}}" if chosen else name

    @property
    def real(self) -> str:
        """The matcher that keeps simulated results out; none where they are wanted."""
        return "" if self.simulated else 'simulated="false"'

    def range(self, seconds: float) -> str:
        """A range for an expression."""
        return duration(seconds * self.pace)

    def wait(self, seconds: float) -> str:
        """A `for` or `keep_firing_for`."""
        return duration(seconds * self.patience)


def duration(seconds: float) -> str:
    """As Prometheus writes it.

    >>> [duration(seconds) for seconds in (0, 0.5, 90, 300, 86_400)]
    ['0s', '500ms', '90s', '5m', '1d']
    """
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g}{unit}"
    return f"{seconds:g}s" if float(seconds).is_integer() else f"{round(seconds * 1000)}ms"


#: What is on call.
ON_CALL: Final = Config()
#: For `netdusk demo` and drills: simulated incidents fire, at once, since minutes of theirs pass in a moment.
DRILL: Final = Config(simulated=True, patience=0)
