"""Looks for known faults in the locked packages: `make audit`.

pip-audit asks the package index, package by package, and counts one of which it learned nothing as skipped, not as a
fault. So an index that knows no faults at all looks as good as a clean bill. Here what could not be asked is said, and
is no success: exit code 0 no known fault, 1 some, 2 one or more packages could not be asked about.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import orjson

LOCK: Final = Path(__file__).parents[1] / "requirements/run.txt"
_COMMAND: Final = (
    "-m",
    "pip_audit",
    "--disable-pip",
    "--require-hashes",
    "--progress-spinner=off",
    "--format=json",
)


def verdict(document: dict[str, Any]) -> tuple[int, list[str]]:
    """The exit code for a document of pip-audit, and what to say, a line each.

    >>> verdict({"dependencies": [{"name": "a", "version": "1", "vulns": []}]})
    (0, ['1 packages asked about: no known fault'])
    >>> verdict({"dependencies": []})
    (2, ['no package was asked about'])
    """
    packages = document["dependencies"]
    asked = [one for one in packages if "skip_reason" not in one]
    skipped = [one for one in packages if "skip_reason" in one]
    faults = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for one in asked
        for fault in one["vulns"]
    ]
    words = list(faults)
    if skipped:
        words.append(
            f"{len(skipped)} of {len(packages)} packages could not be asked about, the first one because: "
            f"{skipped[0]['skip_reason']}"
        )
    if asked:
        words.append(
            f"{len(asked)} packages asked about: {len(faults) or 'no'} known fault{'s' * (len(faults) > 1)}"
        )
    if not packages:
        words.append("no package was asked about")
    return (1 if faults else 2 if skipped or not packages else 0), words


def main() -> int:
    """Ask, say, and return the exit code."""
    # Our own interpreter and constant arguments.
    done = subprocess.run(  # noqa: S603
        [sys.executable, *_COMMAND, "-r", str(LOCK)], capture_output=True, check=False
    )
    try:
        code, words = verdict(orjson.loads(done.stdout))
    except orjson.JSONDecodeError:
        last = done.stderr.decode(errors="replace").strip().splitlines()
        code, words = 2, [f"the package index could not be asked: {last[-1] if last else 'no answer'}"]
    sys.stdout.write("\n".join(words) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
