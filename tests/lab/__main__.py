"""Run every censor of the lab and print what was told of it: `python -m tests.lab [--write] [--only TEXT] [--runs N]`.

A run is every censor once, each in a country of its own (`--together` says how many countries there are), told by a
worker that restores a warm state. The next run has another worker, which restores that state anew, and each country
meets another censor.

A verdict counts only where the machine kept up: where attempts from abroad failed by themselves meanwhile, a wrong
one is void, and the censor is tried again (`--tries`). Each verdict goes into a file of results at once (`--results`),
to which a later call adds; with `--write`, the matrix of all of them goes into docs/lab.md. `--minutes`: nothing begins
later. Exit code 1: a verdict was wrong; 3: none was, and some are missing. LAB_PACE sets how fast time goes; else the
load does.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.net import inside
from tests.lab.pace import choose


class Runs:
    """So many runs, one after the other."""

    def __init__(self, censors: Sequence[Censor], tries: int, minutes: float, results: Path) -> None:
        self.censors = censors
        self.tries = tries
        self.end = time.monotonic() + 60 * minutes
        self.results = results
        self.found: list[Kept] = []
        self.missing = 0
        #: Runs that an earlier call has kept: countries meet other censors, a little later or earlier, than in these.
        self._before = len(read(results)) // max(1, len(censors))
        self._workers = 0

    async def all(self, folder: Path, runs: int, together: int, *, to_page: bool) -> None:
        """Make them."""
        begun = time.monotonic()
        async with running(folder, COUNTRIES[:together]) as lab:
            print(f"{len(lab.homes)} vantages are up after {time.monotonic() - begun:.0f} s", flush=True)
            for run in range(runs):
                await self._run(lab, run)
                if to_page and self.found:  # each time: what breaks off loses nothing
                    write(read(self.results))

    async def _run(self, lab: Lab, run: int) -> None:
        codes = list(lab.nations)
        waiting = [(censor, self.tries) for censor in self.censors]
        while waiting and time.monotonic() < self.end:
            now, waiting = waiting[: len(codes)], waiting[len(codes) :]
            places = [codes[(place + run + self._before) % len(codes)] for place in range(len(now))]
            censors = {code: censor for code, (censor, _) in zip(places, now, strict=True)}
            verdicts = await self._batch(lab, censors)
            for verdict, (censor, tries) in zip(verdicts, now, strict=True):
                again = not verdict.counts and tries > 1
                print(f"{line(verdict)}{', once more' if again else ''} (run {run})", flush=True)
                if again:
                    waiting.append((censor, tries - 1))
                else:
                    self.found.append(verdict)
                    append(self.results, verdict)
        self.missing += len(waiting)

    async def _batch(self, lab: Lab, censors: dict[str, Censor]) -> list[Kept]:
        begun = time.monotonic()
        # Where everything was gone, vantages come back when they have tried their broker again.
        await lab.round(lab.homes, await lab.next_offset())
        self._workers += 1
        async with lab.restored(self._workers):
            ready = time.monotonic()
            await asyncio.sleep(CALM_WINDOWS * WINDOW_SECONDS)
            for nation in lab.nations.values():
                for incident in nation.snapshots(0):
                    print(f"told before anybody interfered: {incident.summary}", flush=True)
            verdicts = await try_all(lab, censors, random.Random(self._workers + self._before))
        print(
            f"{len(verdicts)} censors: {ready - begun:.0f} s until a worker had restored the warm state, "
            f"{time.monotonic() - ready:.0f} s from there",
            flush=True,
        )
        return [kept(verdict) for verdict in verdicts]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--results", type=Path, help="a file of verdicts, to which these are added")
    parser.add_argument(
        "--runs", type=int, default=1, help="so often each censor, from a state restored anew"
    )
    parser.add_argument("--together", type=int, default=16, help="so many countries side by side")
    parser.add_argument("--tries", type=int, default=3, help="so often, where the machine did not keep up")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="nothing begins later")
    given = parser.parse_args()
    choose(given.together)
    if (code := inside(["-m", "tests.lab", *sys.argv[1:]])) is not None:
        raise SystemExit(code)
    from streams.local.stack import ChildError
    from tests.lab.censors import CALM_WINDOWS, CENSORS, Censor, try_all
    from tests.lab.country import WINDOW_SECONDS, Lab, running
    from tests.lab.page import Kept, append, kept, line, read, write
    from tests.lab.places import COUNTRIES

    if not 1 <= given.together <= len(COUNTRIES):
        parser.error(f"--together: 1 to {len(COUNTRIES)}")
    print(f"a window lasts {WINDOW_SECONDS} s; {given.together} countries side by side", flush=True)
    chosen = [censor for censor in CENSORS if given.only in censor.name]
    with tempfile.TemporaryDirectory(prefix="netdusk-lab-") as temporary:
        folder = given.folder or Path(temporary)
        runs = Runs(chosen, given.tries, given.minutes, given.results or folder / "results.jsonl")
        broken = False
        try:
            asyncio.run(runs.all(folder, given.runs, given.together, to_page=given.write))
        except* (RuntimeError, ChildError, OSError) as errors:
            # A lab that does not come up, or breaks down, is no verdict.
            broken = True
            for error in errors.exceptions:
                print(f"broken: {error}")
    counted = [verdict for verdict in runs.found if verdict.counts]
    wrong = sum(bool(verdict.faults) for verdict in counted)
    late = sum(not verdict.in_time for verdict in counted)
    missing = runs.missing + len(runs.found) - len(counted)
    print(
        f"{len(counted) - wrong} of {len(counted)} right, {missing} without a verdict, "
        f"{late} told later than asked for"
    )
    raise SystemExit(1 if wrong or not runs.found else 3 if missing or broken else 0)
