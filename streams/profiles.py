"""Settings that go together, by what is watched: other people's countries, or services of one's own.

A profile is a set of defaults. What a file, the environment or an option says goes over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

Profile = Literal["observatory", "own"]

#: `own`: a few vantages of one's own ask services of one's own, often. Measured on made worlds, one vantage, an outage
#: of two minutes (docs/own-services.md): the window that tells it ends 53 s after the first failure, the one that
#: resolves it 113 s after the last. Where 3 % of all attempts fail at random: one false word in three days.
PROFILES: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "observatory": {},
    "own": {
        "probe": {"interval_seconds": 10.0, "allow_private": True},
        "time": {"window_seconds": 20, "lateness_seconds": 10, "ahead_seconds": 30, "spool_seconds": 40},
        "detection": {
            # Three windows at their cap.
            "alarm_network": 11.0,
            "alarm_alone": 11.0,
            "alarm_country": 9.0,
            # Known after five minutes, and old enough that an outage of two does not hide itself.
            "learn_lag_seconds": 180.0,
            # What answers within a tenth of a second is quick, near or far.
            "slowness_least_ms": 100.0,
            "warm_seconds": 300.0,
            "warm_results": 10.0,
        },
        "incidents": {
            "own_services": True,
            # One vantage is what there is: it is asked for its usual evidence, and then believed.
            "networks_confirm": 1,
            "recovery_windows": 4,
            "alone_score": 1.0,
            # Nothing else is waited for: the services of one owner fail one by one.
            "hold_windows": 0,
        },
        # Vantages of one's own put nobody else at risk.
        "trust": {"name_small_networks": True},
    },
}
