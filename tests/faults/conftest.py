"""What the fault tests of the engine share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.fleet import FAST, Fleet


@pytest.fixture
async def fleet(bootstrap: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Two partitions, quick failover, a snapshot every 100 kB of log."""
    fleet = Fleet(bootstrap, tmp_path, worker={"snapshot_bytes": 100_000}, kafka=dict(FAST))
    yield fleet
    fleet.close()
