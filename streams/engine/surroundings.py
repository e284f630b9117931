"""What a worker's partitions share, and what is done with a source topic."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streams.engine.gates import Gate
from streams.engine.inbox import Hurry
from streams.engine.machine_thread import MachineThread
from streams.engine.metrics import WorkerMetrics
from streams.engine.pace import Pace
from streams.engine.presence import BrokerPresence
from streams.engine.shared_producers import SharedProducers
from streams.kafka.alerts import latest, snapshots
from streams.kafka.client import Together, TopicReader
from streams.machine import Machine
from streams.records import Incident
from streams.settings import Settings, fingerprint

#: aiokafka gives a record up after its request timeout; a producer that says nothing even then has failed too.
ACKNOWLEDGE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A source topic and what is done with it: its partition i has its checkpoints in partition i of another.

    Attributes
    ----------
    ticks
        Whether the worker writes the time into it.
    linger_seconds
        How long the first record waits for company, where the records of many writers belong together; None: as the
        worker's pace has it.
    hurry
        How long a record may wait for company; None: as long as others do.
    version
        Of what decides: another one is told in the checkpoint log, as other settings are.
    sends
        Roles of the topics that it sends to and that have to be there before it begins.
    warn
        Returns what is wrong with so many partitions of the source, or None if nothing is.
    refresh
        Called once a partition is fenced, before `make`: what its machine has to know must not be older than what its
        last owner knew.
    """

    topic: str
    checkpoints: str
    make: Callable[[], Machine[Any]]
    ticks: bool = True
    linger_seconds: float | None = None
    hurry: Callable[[bytes], Hurry] | None = None
    warn: Callable[[int], str | None] | None = None
    version: str = ""
    sends: tuple[str, ...] = ()
    refresh: Callable[[], Awaitable[None]] | None = None

    def mark(self, settings: Settings) -> str:
        """What decisions rest upon, beside the log. If it changes, the same log may lead to other incidents."""
        return f"{self.version}/{fingerprint(settings)}"


@dataclass(slots=True)
class Surroundings:
    """What all partitions of a worker share.

    Checkpoints do not wait for what else is sent, nor that for them: these have producers of their own.
    `restoring` is for those that hold a log in memory.
    In `machines`' thread machines are restored, pulled for metrics and snapshot, one at a time.
    """

    settings: Settings
    metrics: WorkerMetrics
    reader: TopicReader
    gate: Gate
    machines: MachineThread
    restoring: asyncio.Semaphore
    pace: Pace
    checkpoint_producers: SharedProducers
    output_producers: SharedProducers
    presence: BrokerPresence
    #: Asks the broker how many partitions a topic has now, and tells the machines.
    recount: Callable[[str], Awaitable[None]] | None = None
    _incidents: Together[str, list[Incident]] = field(init=False)

    def __post_init__(self) -> None:
        """Partitions that ask for incidents at the same time get them with one reading of the topic."""
        self._incidents = Together(self._read_incidents)

    async def incidents(self) -> list[Incident]:
        """How each incident stands that was told, in the order of their onsets."""
        topic = self.settings.topics.alerts
        return list((await self._incidents.ask([topic]))[topic])

    async def _read_incidents(self, topics: Collection[str]) -> Mapping[str, list[Incident]]:
        return dict.fromkeys(topics, latest(await snapshots(self.settings)))

    def topic_of(self, role: str) -> str:
        """The name of the topic that a machine means."""
        return str(getattr(self.settings.topics, role))
