"""The steps of an attempt, in the one table that everything else reads: timings, metrics, columns, schemes, docs.

A new step is a row here, a prober in `attempt.PROBERS`, and a field of `producers.records.Timings`; the tests of this
table name whatever else lacks it. Knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from producers.failures import Stage


class Step(NamedTuple):
    """One step: the stage at which it fails, the field of `Timings` that has its time, and its title."""

    stage: Stage
    timing: str
    title: str


#: In the order in which they are taken.
STEPS: Final = (
    Step(Stage.DNS, "dns", "DNS"),
    Step(Stage.TCP, "tcp", "TCP"),
    Step(Stage.TLS, "tls", "TLS"),
    Step(Stage.HTTP, "ttfb", "HTTP"),  # until the first byte of the answer: the rest depends on its size
)

#: How far an attempt goes, by the URL's scheme. `tcp` and `tls` are for services that speak no HTTP.
SCHEMES: Final[Mapping[str, tuple[Stage, ...]]] = {
    "tcp": (Stage.DNS, Stage.TCP),
    "tls": (Stage.DNS, Stage.TCP, Stage.TLS),
    "http": (Stage.DNS, Stage.TCP, Stage.HTTP),
    "https": (Stage.DNS, Stage.TCP, Stage.TLS, Stage.HTTP),
}
