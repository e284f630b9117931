from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The command line points the log at a stderr that pytest takes away again when its test ends."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
