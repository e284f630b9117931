"""How hard the property tests try. `NETDUSK_EFFORT=20 make unit` gives them twenty times as many examples."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

EFFORT: Final = int(os.environ.get("NETDUSK_EFFORT", "1"))


def examples(count: int) -> settings:
    """So many examples, for a test of which one costs milliseconds or more."""
    return settings(max_examples=count * EFFORT)
