"""How a worker stands, for its page: what is restoring, stopped or stuck, and the figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from faust.types import TP
from prometheus_client import generate_latest

from streams.engine.machine_thread import MachineThread
from streams.engine.metrics import WorkerMetrics, WorldCollector
from streams.engine.partition import Partition, PartitionState
from streams.machine import Counting, Observable

log = structlog.get_logger()

#: A partition that has work at hand and has done none for so long makes /healthz fail.
STUCK_SECONDS: Final = 120.0


class Readiness:
    """Looks at the partitions that a worker owns.

    Parameters
    ----------
    surrounding_trouble
        Returns what is wrong with broker and topics, or None if nothing is.

    Attributes
    ----------
    assigned
        Whether the worker knows by now which partitions it owns.
    """

    def __init__(
        self,
        partitions: Mapping[TP, Partition],
        metrics: WorkerMetrics,
        machines: MachineThread,
        surrounding_trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._surrounding_trouble = surrounding_trouble
        self.assigned = False
        self._partitions = partitions
        self._metrics = metrics
        self._machines = machines
        metrics.registry.register(WorldCollector(self._observed, metrics, time.time))

    async def figures(self) -> bytes:
        """The metrics as Prometheus reads them."""
        phases = [partition.phase for partition in self._partitions.values()]
        for phase in PartitionState:
            self._metrics.partitions.labels(phase.value).set(phases.count(phase))
        return await self._machines.compute(self._render)

    def restoring(self) -> str | None:
        """Return which partitions are not restored yet, and why again, or None if all are or have been stopped."""
        if not self.assigned:
            return "no partitions assigned yet"
        waiting = [p for p in self._partitions.values() if p.phase is PartitionState.RESTORING]
        if not waiting:
            return None
        why = sorted({p.why_restoring for p in waiting if p.why_restoring is not None})
        return "\n".join([f"restoring {', '.join(sorted(p.name for p in waiting))}", *why])

    def unready(self) -> str | None:
        """Return why this worker is not ready, or None if it is."""
        stopped = [
            f"{partition.name} is stopped: {partition.why_stopped}"
            for partition in self._partitions.values()
            if partition.phase is PartitionState.STOPPED
        ]
        waiting = "\n".join(sorted({why for p in self._partitions.values() if (why := p.held)})) or None
        return waiting or self._surrounding_trouble() or self.restoring() or ("\n".join(stopped) or None)

    def unhealthy(self) -> str | None:
        """Return which partitions are stuck with work at hand, or None if none is."""
        stuck = [why for partition in self._partitions.values() if (why := partition.stuck(STUCK_SECONDS))]
        return "\n".join(stuck) or None

    def _observed(self) -> list[tuple[str, Observable]]:
        machines: list[tuple[str, object]] = [
            (partition.name, partition.machine)
            for partition in list(self._partitions.values())
            if partition.phase is PartitionState.RUNNING
        ]
        return [(name, machine) for name, machine in machines if isinstance(machine, Observable)]

    def _render(self) -> bytes:
        for partition in list(self._partitions.values()):
            machine: object = partition.machine
            if isinstance(machine, Counting):
                self._count(partition.name, machine)
        return generate_latest(self._metrics.registry)

    def _count(self, name: str, machine: Counting) -> None:
        try:
            self._metrics.count_probes(machine.take_probes())
        except Exception:  # its own trouble, and no other partition's
            self._metrics.scrape_failures.inc()
            log.exception("a partition's results are not counted", partition=name)
