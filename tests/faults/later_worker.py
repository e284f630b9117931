"""The worker of a later release (`tests.contracts.later`), as a process of its own.

Usage: python -m tests.faults.later_worker worker --config FILE
"""

from __future__ import annotations

from tests.contracts import later


def main() -> None:
    """Run netdusk as it will be."""
    later.become()
    from streams.cli import main as netdusk

    netdusk()


if __name__ == "__main__":
    main()
