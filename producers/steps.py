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
    Step(Stage.QUIC, "quic", "QUIC"),
    Step(Stage.HTTP, "ttfb", "HTTP"),  # until the first byte of the answer: the rest depends on its size
)

#: Which steps an attempt takes, by the URL's scheme. `tcp`, `tls` and `quic` are for services that speak no HTTP. `h2`
#: and `h3` ask over one version of HTTP alone: a censor may let one pass and not the other, which is evidence. `dns`
#: and `doh` ask a given name server for a name, over UDP and over HTTPS.
SCHEMES: Final[Mapping[str, tuple[Stage, ...]]] = {
    "dns": (Stage.DNS,),
    "doh": (Stage.DNS, Stage.TCP, Stage.TLS, Stage.HTTP),
    "tcp": (Stage.DNS, Stage.TCP),
    "tls": (Stage.DNS, Stage.TCP, Stage.TLS),
    "http": (Stage.DNS, Stage.TCP, Stage.HTTP),
    "https": (Stage.DNS, Stage.TCP, Stage.TLS, Stage.HTTP),
    "h2": (Stage.DNS, Stage.TCP, Stage.TLS, Stage.HTTP),
    "quic": (Stage.DNS, Stage.QUIC),
    "h3": (Stage.DNS, Stage.QUIC, Stage.HTTP),
}
