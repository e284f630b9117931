"""Run every censor of the lab and print what was told of it: `python -m tests.lab [--write] [--only TEXT] [--runs N]`.

A run is a country of its own, with a worker that restores a warm state, and all censors one after the other.
`--together M` has M countries run side by side; each begins with another censor, so that all have come equally often
when time is up (`--minutes`: no censor begins later).

A verdict counts only where the machine kept up: where attempts from abroad failed by themselves meanwhile, a censor is
tried again (`--tries`), and in the end has no verdict. With `--write`, the matrix goes into docs/lab.md. Exit code 1: a
verdict was wrong; 3: none was, and some are missing. LAB_PACE sets how fast time goes; else the load does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tests.lab.net import inside
from tests.lab.pace import choose

#: So many countries come up at one time.
_STARTING = 2


class Runs:
    """So many runs, so many of them side by side."""

    def __init__(self, censors: Sequence[Censor], tries: int, minutes: float, *, write: bool) -> None:
        self.censors = censors
        self.tries = tries
        self.write = write
        self.end = time.monotonic() + 60 * minutes
        self.found: list[Verdict] = []
        self.broken = 0
        self._starting = asyncio.Semaphore(_STARTING)

    async def all(self, folder: Path, runs: int, together: int) -> None:
        """Make them."""
        waiting = deque(range(runs))
        async with broker(folder) as bootstrap, asyncio.TaskGroup() as group:
            for country in COUNTRIES[: min(together, runs)]:
                group.create_task(self._one_after_the_other(country, waiting, folder, bootstrap, together))

    async def _one_after_the_other(
        self, country: Country, waiting: deque[int], folder: Path, bootstrap: str, together: int
    ) -> None:
        while waiting and time.monotonic() < self.end:
            number = waiting.popleft()
            first = number % together * len(self.censors) // together
            order = [*self.censors[first:], *self.censors[:first]]
            try:
                await self._run(number, country, order, folder / str(number), bootstrap)
            except (RuntimeError, ChildError, OSError) as error:
                # A country that does not come up, or breaks down, is no verdict; the others go on.
                self.broken += 1
                print(f"broken: {error} (run {number}, {country.code})", flush=True)

    async def _run(
        self, number: int, country: Country, order: Sequence[Censor], folder: Path, bootstrap: str
    ) -> None:
        run = f"run {number}, {country.code}"
        async with AsyncExitStack() as ends:
            async with self._starting:
                lab = await ends.enter_async_context(running(folder, country, bootstrap, f"lab{number}"))
            await asyncio.sleep(8 * WINDOW_SECONDS)
            for incident in lab.snapshots(0):
                print(f"told before anybody interfered: {incident.summary} ({run})", flush=True)
            if lab.open():
                await calm(lab)
            for censor in order:
                if time.monotonic() >= self.end:
                    return
                for left in range(self.tries - 1, -1, -1):
                    verdict = await try_out(lab, censor.within(country))
                    print(f"{_line(verdict, left)} ({run})", flush=True)
                    if verdict.counts:
                        break
                    await calm(lab)
                self.found.append(verdict)
                if self.write:  # each time: what breaks off loses nothing
                    write(self.found)
                await again(lab, censor)


def _line(verdict: Verdict, tries_left: int) -> str:
    faults = verdict.faults()
    word = "right" if not faults else "WRONG" if verdict.counts else "void "
    busy = f" (abroad {verdict.abroad_failed} of {verdict.abroad} failed by themselves)"
    again_ = ", once more" if not verdict.counts and tries_left else ""
    late = (
        "" if verdict.in_time or faults else f", LATER than {verdict.censor.bar_windows * WINDOW_SECONDS} s"
    )
    return (
        f"{word}  {verdict.censor.name}: {'; '.join(faults) or told(verdict)}{late}"
        f"{busy if verdict.abroad_failed else ''}{again_}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--runs", type=int, default=1, help="so often, each in a country of its own")
    parser.add_argument("--together", type=int, default=1, help="so many countries side by side")
    parser.add_argument("--tries", type=int, default=3, help="so often, where the machine did not keep up")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no censor begins later")
    given = parser.parse_args()
    choose(given.together)
    if (code := inside(["-m", "tests.lab", *sys.argv[1:]])) is not None:
        raise SystemExit(code)
    from contextlib import AsyncExitStack

    from streams.local.stack import ChildError
    from tests.lab.censors import CENSORS, Censor, Verdict, again, calm, try_out
    from tests.lab.country import WINDOW_SECONDS, broker, running
    from tests.lab.page import told, write
    from tests.lab.places import COUNTRIES, Country

    if not 1 <= given.together <= len(COUNTRIES):
        parser.error(f"--together: 1 to {len(COUNTRIES)}")
    print(f"a window lasts {WINDOW_SECONDS} s; {given.together} countries side by side", flush=True)
    chosen = [censor for censor in CENSORS if given.only in censor.name]
    runs = Runs(chosen, given.tries, given.minutes, write=given.write)
    with tempfile.TemporaryDirectory(prefix="netdusk-lab-") as temporary:
        asyncio.run(runs.all(given.folder or Path(temporary), given.runs, given.together))
    found = runs.found
    counted = [verdict for verdict in found if verdict.counts]
    wrong = sum(bool(verdict.faults()) for verdict in counted)
    late = sum(not verdict.in_time for verdict in counted)
    print(
        f"{len(counted) - wrong} of {len(counted)} right, {len(found) - len(counted)} without a verdict, "
        f"{late} told later than asked for, {runs.broken} countries broken"
    )
    raise SystemExit(1 if wrong or not found else 3 if len(counted) < len(found) or runs.broken else 0)
