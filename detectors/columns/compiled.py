"""The steps of a window that are compiled, or None where there was no C compiler when netdusk was installed.

What is compiled decides the same, to the last bit, as the NumPy code beside which it is called: see `_stages.pyx`.
"""

from __future__ import annotations

from typing import Any

stages: Any
try:
    from detectors.columns import _stages as stages
except ImportError:
    stages = None
