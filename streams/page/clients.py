"""Those who ask: how often each may, and who waits to be told of changes."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Final

_CLIENTS_MAX: Final = 20_000


class Buckets:
    """How often each client may ask: as many at once as in two seconds."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._burst = 2 * per_second + 20
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float, price: float = 1.0) -> bool:
        """Whether one more is granted."""
        left, since = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        granted = left >= price
        self._left[client] = (left - price if granted else left, now)
        while len(self._left) > _CLIENTS_MAX:
            self._left.popitem(last=False)
        return granted


class Streams:
    """Who is told of changes: browsers that wait, by what they look at."""

    def __init__(self) -> None:
        self.waiting: dict[str, set[asyncio.Event]] = {}
        self.count = 0
        self._changed: set[str] = set()
        self._of: Counter[str] = Counter()

    def changed(self, names: Sequence[str]) -> None:
        """Note what has changed; it is told with the next turn."""
        self._changed.update(name for name in names if name in self.waiting)

    def tell(self) -> None:
        """Wake those who look at what has changed."""
        changed, self._changed = self._changed, set()
        for name in changed:
            for event in self.waiting.get(name, ()):
                event.set()

    def of(self, client: str) -> int:
        """How many one client has open."""
        return self._of[client]

    def join(self, name: str, client: str = "") -> asyncio.Event:
        """Wait for changes of a country, an incident or `now`."""
        event = asyncio.Event()
        self._of[client] += 1
        self.waiting.setdefault(name, set()).add(event)
        self.count += 1
        return event

    def leave(self, name: str, event: asyncio.Event, client: str = "") -> None:
        """Wait no longer."""
        self.count -= 1
        self._of[client] -= 1
        if not self._of[client]:
            del self._of[client]
        others = self.waiting.get(name, set())
        others.discard(event)
        if not others:
            self.waiting.pop(name, None)
