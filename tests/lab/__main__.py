"""Run every censor of the lab and print what was told of it: `python -m tests.lab [--write] [--only TEXT] [--runs N]`.

A verdict counts only where the machine kept up: where attempts from abroad failed by themselves meanwhile, a censor is
tried again (`--tries`), and in the end has no verdict. With `--write`, the matrix goes into docs/lab.md. Exit code 1: a
verdict was wrong; 3: none was, and some are missing. LAB_PACE sets how fast time goes; else the load does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.lab.net import inside
from tests.lab.pace import choose


async def _run(only: str, folder: Path, tries: int) -> list[Verdict]:
    chosen = [censor for censor in CENSORS if only in censor.name]
    verdicts = []
    async with running(folder) as lab:
        await asyncio.sleep(8 * WINDOW_SECONDS)
        for incident in lab.snapshots(0):
            print(f"told before anybody interfered: {incident.summary}", flush=True)
        for censor in chosen:
            for left in range(tries - 1, -1, -1):
                verdict = await try_out(lab, censor)
                print(_line(verdict, left), flush=True)
                if verdict.counts:
                    break
                await calm(lab)
            verdicts.append(verdict)
    return verdicts


def _line(verdict: Verdict, tries_left: int) -> str:
    faults = verdict.faults()
    word = "right" if not faults else "WRONG" if verdict.counts else "void "
    busy = f" (abroad {verdict.abroad_failed} of {verdict.abroad} failed by themselves)"
    again = ", once more" if not verdict.counts and tries_left else ""
    return (
        f"{word}  {verdict.censor.name}: {'; '.join(faults) or told(verdict)}"
        f"{busy if verdict.abroad_failed else ''}{again}"
    )


if __name__ == "__main__":
    choose()
    if (code := inside(["-m", "tests.lab", *sys.argv[1:]])) is not None:
        raise SystemExit(code)
    from tests.lab.censors import CENSORS, Verdict, calm, try_out
    from tests.lab.country import WINDOW_SECONDS, running
    from tests.lab.page import told, write

    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--runs", type=int, default=1, help="so often, each in a lab of its own")
    parser.add_argument("--tries", type=int, default=3, help="so often, where the machine did not keep up")
    given = parser.parse_args()
    found: list[Verdict] = []
    print(f"a window lasts {WINDOW_SECONDS} s", flush=True)
    for number in range(given.runs):
        with tempfile.TemporaryDirectory(prefix="netdusk-lab-") as temporary:
            folder = given.folder / str(number) if given.folder else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            found += asyncio.run(_run(given.only, folder, given.tries))
    if given.write:
        write(found)
    counted = [verdict for verdict in found if verdict.counts]
    wrong = sum(bool(verdict.faults()) for verdict in counted)
    print(f"{len(counted) - wrong} of {len(counted)} right, {len(found) - len(counted)} without a verdict")
    raise SystemExit(1 if wrong or not found else 3 if len(counted) < len(found) else 0)
