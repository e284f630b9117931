"""A body held against another one's rate (`beside`): what was measured is given here, so no clock decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from producers.failures import Failure, Stage
from producers.probe.asked import Fingerprints
from producers.probe.attempt import Tools, _hold_beside, _Walk, attempt
from producers.probe.dns import Resolver
from producers.probe.targets import Target, TargetsError
from producers.probe.tls import Contexts
from tests.producers.probe import servers
from tests.producers.probe.servers import answer, serving

LARGE = answer(body=b"x" * 40_000)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(
        resolver=Resolver("127.0.0.1", 1),
        contexts=Contexts(servers.write_authority(tmp_path)),
        fingerprints=Fingerprints(()),
        timeout_seconds=20.0,
        allow_private=True,
    )


@pytest.fixture
async def other() -> AsyncIterator[int]:
    async with serving(servers.says(LARGE)) as port:
        yield port


def target(beside: str, **facts: Any) -> Target:
    return Target(platform="x", url="http://127.0.0.1:1/", private=True, beside=beside, **facts)


async def held(tools: Tools, asked: Target, *, body_bytes: int, seconds: float) -> Failure | None:
    """What is said of a body of so many bytes that took so long."""
    walk = _Walk(asked, tools)
    walk.exchange.body_bytes, walk.exchange.body_seconds = body_bytes, seconds
    await _hold_beside(walk, asyncio.get_running_loop().time() + 20)
    return walk.failure


@pytest.mark.parametrize(
    ("body_bytes", "seconds", "expected"),
    [
        (40_000, 1e9, Failure.THROTTLED),
        (40_000, 0.0, None),
        # Too small to tell.
        (4_000, 1e9, None),
    ],
)
async def test_a_body_that_is_much_slower_is_throttled(
    tools: Tools, other: int, body_bytes: int, seconds: float, expected: Failure | None
) -> None:
    asked = target(f"http://127.0.0.1:{other}/")
    assert await held(tools, asked, body_bytes=body_bytes, seconds=seconds) == expected


async def test_what_does_not_come_itself_says_nothing(tools: Tools) -> None:
    async with servers.refusing() as port:
        asked = target(f"http://127.0.0.1:{port}/")
        assert await held(tools, asked, body_bytes=40_000, seconds=1e9) is None
    async with serving(servers.says(answer())) as port:
        asked = target(f"http://127.0.0.1:{port}/")
        assert await held(tools, asked, body_bytes=40_000, seconds=1e9) is None


async def test_an_attempt_asks_for_both_and_tells_of_the_one(tools: Tools, other: int) -> None:
    asked = Target(
        platform="x",
        url=f"http://127.0.0.1:{other}/",
        private=True,
        beside=f"http://127.0.0.1:{other}/beside",
        beside_share_min=1e-9,
    )
    outcome = await attempt(asked, tools)
    assert outcome.ok
    assert outcome.body_bytes == 40_000
    never = asked.model_copy(update={"beside_share_min": 1e9})
    outcome = await attempt(never, tools)
    assert (outcome.stage, outcome.failure) == (Stage.HTTP, Failure.THROTTLED)


def test_what_can_not_be_held_against_another_is_refused() -> None:
    for facts in (
        {"url": "tcp://x.test:1", "beside": "https://y.test/"},
        {"url": "https://x.test/", "beside": "tls://y.test"},
        {"url": "https://x.test/", "beside": "https://y.test/", "every_address": True},
    ):
        with pytest.raises(ValueError, match="beside"):
            Target(platform="x", **facts)
    hidden = Target(platform="x", url="https://x.test/", beside="http://169.254.169.254/")
    with pytest.raises(TargetsError, match=r"169\.254\.169\.254"):
        hidden.check_place()
