"""The command line of a vantage as one file (make vantage): `netdusk probe` and `netdusk targets`, and nothing else."""

from __future__ import annotations

import sys
from typing import Final

from streams import cli

#: What the file has the packages for.
HERE: Final = ("probe", "targets")


def main() -> None:
    """Run one of its commands; exit codes as `netdusk` has them."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in cli.COMMANDS and name not in HERE:
        sys.stderr.write(
            f"netdusk {name} is not in this file, which has {' and '.join(HERE)}; install netdusk\n"
        )
        sys.exit(2)
    for other in [command for command in cli.COMMANDS if command not in HERE]:
        del cli.COMMANDS[other]
    cli.main()
