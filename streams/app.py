"""The composition: which topics a worker reads, and which machine decides about each. For `faust -A streams.app worker`
too, which runs what `netdusk worker` runs, from the same settings.

Nothing happens when it is imported.
"""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from streams.release import release
from streams.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from streams.engine.surroundings import Pipeline
    from streams.engine.worker import Worker
    from streams.kafka.notes import Notes
    from streams.machine import TakesNotes

log = structlog.get_logger()

#: Of up to 500 results each.
_BUNDLES_A_CHUNK = 64

M = TypeVar("M", bound="TakesNotes")


def worker_of(settings: Settings) -> Worker:
    """A worker with all pipelines. Nothing is read before it runs."""
    # NumPy, the detectors and Faust take a second to import: only a worker pays for them.
    from detectors.columns.compiled import stages  # noqa: PLC0415
    from streams.engine.worker import Worker  # noqa: PLC0415
    from streams.kafka.client import TopicReader  # noqa: PLC0415
    from streams.kafka.notes import Notes  # noqa: PLC0415
    from streams.step.rows import compiled  # noqa: PLC0415
    from streams.words import country_name  # noqa: PLC0415

    if not compiled():
        log.warning("reading results in Python, which is slower: streams.step.scanner was not compiled")
    if stages is None:
        log.warning(
            "closing windows in NumPy alone, which is slower: detectors.columns._stages was not compiled"
        )
    country_name("PK", {})  # reading all names takes a tenth of a second, which the first incident would wait
    settings = said_openly(settings)
    notes = Notes(TopicReader(settings.kafka), settings.topics)
    return Worker(settings, pipelines_of(settings, notes), notes=notes)


def said_openly(settings: Settings) -> Settings:
    """Settings in which a policy is named: where none is, everybody has a vote, and every sentence says so.

    Bundles are large: where results come signed, fewer records make a chunk.
    """
    updates: dict[str, Any] = {}
    if settings.trust.policy is None:
        updates["trust"] = settings.trust.model_copy(update={"policy": "open"})
    if settings.trust.policy == "signed" and "chunk_records" not in settings.worker.model_fields_set:
        updates["worker"] = settings.worker.model_copy(update={"chunk_records": _BUNDLES_A_CHUNK})
    return settings.model_copy(update=updates)


def pipelines_of(settings: Settings, notes: Notes) -> list[Pipeline]:
    """Probe results, sharded by country; and how platforms stand in countries, for the view over the world."""
    from streams.engine.surroundings import Pipeline  # noqa: PLC0415
    from streams.incidents import DETECTOR_VERSION  # noqa: PLC0415
    from streams.kafka.topics import split_world  # noqa: PLC0415
    from streams.machine import Salt  # noqa: PLC0415
    from streams.step.country import CountryMachine  # noqa: PLC0415
    from streams.step.worldwide import WorldMachine  # noqa: PLC0415
    from streams.waiting import hurry_of  # noqa: PLC0415

    def taught(machine: M) -> M:
        machine.note(Salt(secrets.token_bytes(16)))
        notes.teach(machine)
        return machine

    topics = settings.topics
    decided_by = f"{DETECTOR_VERSION}/{release()}"
    return [
        Pipeline(
            topics.probes,
            topics.checkpoints,
            lambda: taught(CountryMachine(settings)),
            hurry=hurry_of(settings),
            version=decided_by,
            sends=("windows",) if settings.worker.windows else (),
            refresh=None if settings.trust.everybody else notes.refresh,
        ),
        Pipeline(
            topics.health,
            topics.world_checkpoints,
            lambda: taught(WorldMachine(settings)),
            ticks=False,
            linger_seconds=0.1,  # every partition of the probes topic has its say when a window closes
            warn=split_world,
            version=decided_by,
        ),
    ]


def __getattr__(name: str) -> Any:
    """`app`, which the faust command looks for: made when it is asked for, once."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        made = worker_of(load()).app
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    globals()["app"] = made
    return made
