"""A worker that leaves old checkpoints where they are: an oracle can read afterwards what it was told, and when.

Usage: python -m tests.faults.keeping_worker worker --config FILE
"""

from __future__ import annotations

from streams.kafka.client import TopicReader


async def _keep(reader: TopicReader, topic: str, partition: int, offset: int) -> None:
    """Delete nothing."""


def main() -> None:
    """Run netdusk so."""
    TopicReader.delete_before = _keep  # type: ignore[method-assign]
    from streams.cli import main as netdusk

    netdusk()


if __name__ == "__main__":
    main()
