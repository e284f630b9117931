"""CPU and wall time between the first record and the last, printed as one JSON line. Standard library only:
contenders run in environments of their own."""

from __future__ import annotations

import json
import os
import resource
import time


class Meter:
    """Counts records; at the last one prints and ends the process, so that shutting down costs nothing."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.seen = 0
        self.cpu = self.wall = 0.0

    def add(self, n: int) -> None:
        """Note that `n` more records are done with."""
        if self.seen == 0:
            self.cpu, self.wall = time.process_time(), time.perf_counter()
            self.first = n  # what came before the clock started is not counted
        self.seen += n
        if self.seen >= self.expected:
            self.finish()

    def finish(self) -> None:
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        line = json.dumps({"n": self.seen - self.first, "cpu": cpu, "wall": wall, "peak_bytes": peak})
        os.write(1, f"\n{line}\n".encode())  # Faust puts its log where sys.stdout was
        os._exit(0)
