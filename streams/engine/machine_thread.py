"""Where machines are touched: never two of them at a time, beside the event loop or, where it is brief, in it.

Knows nothing of what is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Of the event loop, from a checkpoint's being written to its being sent.
_TURNS: Final = 6


class MachineThread:
    """One thread for whatever touches a machine.

    Parameters
    ----------
    executor
        It has a single thread.

    Attributes
    ----------
    turn
        Whose turn it is in the event loop, between partitions.
    decided
        Whether the last step brought about what is to be sent: that goes before the next one.
    """

    def __init__(self, executor: Executor) -> None:
        self.turn = asyncio.Lock()
        self.decided = False
        self._executor = executor
        self._running = 0  # how much is in the executor
        self._quiet = asyncio.Event()  # set when the last of it is done

    async def compute(self, work: Callable[[], T], *, brief: bool = False) -> T:
        """Run what touches a machine: beside the event loop, or in it if `brief`. Raises what that raises.

        Beside it, both threads want the interpreter at every turn of the loop: a third of a step's time goes into
        taking it from each other. What is brief waits for what is not, rather than going there too.
        """
        if brief:
            async with self.turn:
                # What the partition before has decided is on its way to the broker before the next one decides.
                turns, self.decided = _TURNS if self.decided else 1, False
                for _ in range(turns):
                    await asyncio.sleep(0)
                while self._running:
                    self._quiet.clear()
                    await self._quiet.wait()
                return work()
        loop = asyncio.get_running_loop()
        future = self._executor.submit(work)
        self._running += 1

        def done() -> None:
            self._running -= 1
            if not self._running:
                self._quiet.set()

        def tell(_: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                loop.call_soon_threadsafe(done)

        future.add_done_callback(tell)
        return await asyncio.wrap_future(future)
