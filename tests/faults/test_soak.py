"""The soak's short form: troubles of all kinds in some order, and all of it exact. `make soak` is long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.soak import Soak

pytestmark = pytest.mark.integration


async def test_a_short_soak_is_exact(tmp_path: Path) -> None:
    seconds = float(os.environ.get("SOAK_SECONDS", "45"))
    report = await Soak(tmp_path, seconds=seconds, seed=7).run()
    assert report.wrong == [], report.markdown()
    assert report.verdict.alerts > 0
    assert sum(report.acts.values()) >= 5
