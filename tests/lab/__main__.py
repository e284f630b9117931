"""Run every censor of the lab and print what was told of it: `python -m tests.lab [--write] [--only TEXT]`.

With `--write`, the matrix goes into docs/lab.md. Exit code 1: a verdict was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.lab.net import inside


async def _run(only: str, folder: Path) -> list[Verdict]:
    chosen = [censor for censor in CENSORS if only in censor.name]
    verdicts = []
    async with running(folder) as lab:
        await asyncio.sleep(8 * WINDOW_SECONDS)
        for incident in lab.snapshots(0):
            print(f"told before anybody interfered: {incident.summary}", flush=True)
        for censor in chosen:
            verdict = await try_out(lab, censor)
            verdicts.append(verdict)
            faults = verdict.faults()
            busy = f" (abroad {verdict.abroad_failed} of {verdict.abroad} failed by themselves)"
            print(
                f"{'right' if not faults else 'WRONG'}  {censor.name}: {'; '.join(faults) or told(verdict)}"
                f"{busy if verdict.abroad_failed else ''}",
                flush=True,
            )
    return verdicts


if __name__ == "__main__":
    if (code := inside(["-m", "tests.lab", *sys.argv[1:]])) is not None:
        raise SystemExit(code)
    from tests.lab.censors import CENSORS, Verdict, try_out
    from tests.lab.country import WINDOW_SECONDS, running
    from tests.lab.page import told, write

    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="netdusk-lab-") as temporary:
        found = asyncio.run(_run(given.only, given.folder or Path(temporary)))
    if given.write:
        write(found)
    raise SystemExit(1 if any(verdict.faults() for verdict in found) or not found else 0)
