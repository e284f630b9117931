"""How hard the property tests try.

`make test` gives them what they ask for. `make unit` gives a quarter, so that it can be run at each change, and
`NETDUSK_EFFORT=20 make unit` gives twenty times as many examples.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

EFFORT: Final = float(os.environ.get("NETDUSK_EFFORT", "1"))


def times(count: int) -> int:
    """So many seeds or acts, by the effort that is made: one at least."""
    return max(1, round(count * EFFORT))


def examples(count: int) -> settings:
    """So many examples, for a test of which one costs milliseconds or more."""
    return settings(max_examples=times(count))
