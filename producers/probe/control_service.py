"""Does a target work from here: what a control outside of the country answers a vantage inside of it.

It asks targets of its own list alone, so that nobody can send it anywhere. An answer is kept for a while, and those who
ask for the same target at the same moment wait for one attempt. Knows no HTTP and no vantage.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from producers.probe.asked import AskedTarget
from producers.probe.attempt import Outcome
from producers.probe.control import ControlResult

#: So many clients' allowances are kept; the one that has asked least lately goes.
CLIENTS_MAX: Final = 10_000
#: So many targets a batch.
BATCH_MAX: Final = 500


class Allowance:
    """How many targets each client may ask for: so many a minute, and as many at once.

    >>> allowance = Allowance(60, now=lambda: 0.0)
    >>> allowance.takes("a", 60), allowance.takes("a", 1), allowance.takes("b", 1)
    (True, False, True)
    """

    def __init__(self, per_minute: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _left_of(self, client: str, now: float) -> float:
        left, since = self._left.get(client, (float(self.per_minute), now))
        return min(float(self.per_minute), left + (now - since) * self.per_minute / 60)

    def wait_seconds(self, client: str, count: int) -> float:
        """How long until the client may ask for so many, which are no more than a minute's."""
        left = self._left_of(client, self._now())
        return max(0.0, (count - left) * 60 / self.per_minute)

    def takes(self, client: str, count: int) -> bool:
        """Whether the client may ask for so many now; if so, they are taken off."""
        now = self._now()
        left = self._left_of(client, now)
        enough = count <= left
        self._left.pop(client, None)  # the last to ask comes last
        self._left[client] = (left - count if enough else left, now)
        if len(self._left) > CLIENTS_MAX:
            self._left.popitem(last=False)
        return enough


class ControlService:
    """Asks what it is asked for, and remembers.

    Parameters
    ----------
    targets
        The list: nothing else is asked.
    measure
        One attempt at a target.
    keep_seconds
        How long an answer is given again.
    concurrency_max
        Attempts under way at once; others wait.
    """

    def __init__(
        self,
        targets: Sequence[AskedTarget],
        measure: Callable[[AskedTarget], Awaitable[Outcome]],
        *,
        keep_seconds: float = 30.0,
        concurrency_max: int = 100,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.targets: Mapping[str, AskedTarget] = {target.name: target for target in targets}
        self.attempts = 0
        self._measure = measure
        self._keep_seconds = keep_seconds
        self._slots = asyncio.Semaphore(concurrency_max)
        self._now = now
        self._kept: dict[str, tuple[float, ControlResult]] = {}
        self._under_way: dict[str, asyncio.Task[ControlResult]] = {}

    async def check(self, urls: Sequence[str]) -> dict[str, ControlResult]:
        """How these targets answer from here; one that is not on the list is left out.

        An attempt that this machine could not make is left out too: nothing is known of it.
        """
        known = [url for url in dict.fromkeys(urls) if url in self.targets]
        results = await asyncio.gather(*(self._one(url) for url in known), return_exceptions=True)
        return {
            url: result
            for url, result in zip(known, results, strict=True)
            if isinstance(result, ControlResult)
        }

    async def _one(self, url: str) -> ControlResult:
        kept = self._kept.get(url)
        if kept is not None and self._now() - kept[0] < self._keep_seconds:
            return kept[1]
        task = self._under_way.get(url)
        if task is None:
            task = self._under_way[url] = asyncio.create_task(self._ask(url))
            task.add_done_callback(lambda _: self._under_way.pop(url, None))
        # One who leaves takes nothing from those who wait with him.
        return await asyncio.shield(task)

    async def _ask(self, url: str) -> ControlResult:
        async with self._slots:
            self.attempts += 1
            outcome = await self._measure(self.targets[url])
        result = ControlResult(outcome.ok, outcome.began)
        self._kept[url] = (self._now(), result)
        return result
