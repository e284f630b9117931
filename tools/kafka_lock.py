"""Writes the lock of the embedded broker's jars from a folder laid out as a Maven repository.

`python -m tools.kafka_lock FOLDER`; `make lock-kafka` has Maven fill the folder from make/kafka/pom.xml.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).parents[1] / "streams" / "local" / "kafka.lock"
_HEAD: Final = (
    "# Apache Kafka as the embedded broker runs it: coordinate, SHA-256, bytes. Written by `make lock-kafka`."
)


def lines(repository: Path) -> list[str]:
    """Return a line a jar: group:artifact:version, SHA-256, size in bytes; sorted by the jar's name."""
    made = []
    for jar in sorted(repository.rglob("*.jar"), key=lambda path: path.name):
        *group, artifact, version, _ = jar.relative_to(repository).parts
        content = jar.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        made.append(f"{'.'.join(group)}:{artifact}:{version} {digest} {len(content)}")
    return made


def main() -> None:
    """Write the lock."""
    DOCUMENT.write_text("\n".join([_HEAD, *lines(Path(sys.argv[1]))]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
