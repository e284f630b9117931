"""Faust, as far as the worker uses it: group membership, and a loop that brings records."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

import faust
from faust.app.base import BootStrategy
from faust.types import TP

from streams.engine.transport import ChunkSchema, ChunkTransport
from streams.kafka.client import REQUEST_TIMEOUT_MS
from streams.kafka.options import faust_options
from streams.settings import Settings


class Lifecycle(Protocol):
    """What Faust's app asks of the worker."""

    #: Whether the chunk transport is used.
    chunks: bool

    async def prepare(self) -> None:
        """Come up, before anything is read."""
        ...

    def jobs(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What is to run beside the agents."""
        ...

    async def close(self) -> None:
        """Finish what is in hand."""
        ...

    async def stop(self) -> None:
        """Let go of everything else."""
        ...

    async def take(self, stream: Any) -> None:
        """Take what comes from a topic. Does not return."""
        ...

    async def on_revoked(self, revoked: Sequence[TP]) -> None:
        """Partitions are taken away."""
        ...

    async def on_assigned(self) -> None:
        """All that is assigned is known."""
        ...


class _NoWeb(BootStrategy):
    """Faust's own port (0.0.0.0:6066) serves state to anyone: it stays shut, whatever the command line says."""

    enable_web = False


class WorkerApp(faust.App):
    """Faust's app, with the worker's start and end."""

    BootStrategy = _NoWeb
    worker: Lifecycle
    #: Called when the process is asked to end.
    stopping: Callable[[], None] = staticmethod(lambda: None)
    #: What listens to Faust's signals, which keep weak references alone.
    listeners: tuple[Any, ...] = ()

    async def on_first_start(self) -> None:
        """Wait for the broker and the topics. (Faust would make folders here, for tables that we have not.)"""
        await self.worker.prepare()

    async def on_started(self) -> None:
        """Everything runs."""
        await super().on_started()
        for job in self.worker.jobs():
            self.add_future(job)

    async def on_stop(self) -> None:
        """Hand over in order: chunks in hand first, then Faust's consumer."""
        self.stopping()
        await self.worker.close()
        await super().on_stop()
        await self.worker.stop()

    def _new_transport(self) -> Any:
        if self.worker.chunks:
            return ChunkTransport(self.conf.broker_consumer, self)
        return super()._new_transport()


def make_app(worker: Lifecycle, settings: Settings, topics: Iterable[str]) -> WorkerApp:
    """An app that brings the records of `topics` to the worker."""
    app = WorkerApp(
        settings.kafka.group,
        **faust_options(settings.kafka),
        # Nothing rests upon what is committed but others' look at the lag; with 240 partitions it is a large request.
        broker_commit_interval=5.0,
        # Faust's own is 90 s: so long an answer that was lost would leave a worker deaf. No shorter than the session.
        broker_request_timeout=max(REQUEST_TIMEOUT_MS / 1000, settings.kafka.session_timeout_seconds + 1.0),
        # What is fetched at once stays in the processor's caches until it is decoded.
        broker_max_poll_records=settings.worker.chunk_records,
        consumer_auto_offset_reset="earliest",
        # Partitions that a topic has gained are found so soon; Faust's own would take five minutes.
        consumer_metadata_max_age_ms=20_000,
        stream_wait_empty=False,
        stream_buffer_maxsize=64 if worker.chunks else 4096,
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.worker = worker
    for name in topics:
        topic = app.topic(
            name,
            schema=ChunkSchema() if worker.chunks else None,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
        )
        app.agent(topic, name=f"netdusk.{name}")(worker.take)
    _connect(app, worker)
    return app


def _connect(app: WorkerApp, worker: Lifecycle) -> None:
    async def revoked(_: Any, tps: Iterable[TP], **more: Any) -> None:
        await worker.on_revoked(list(tps))

    async def rebalanced(_: Any, **more: Any) -> None:
        await worker.on_assigned()

    app.listeners = (revoked, rebalanced)
    app.on_partitions_revoked.connect(revoked)  # type: ignore[arg-type]  # it passes more by name
    app.on_rebalance_complete.connect(rebalanced)  # type: ignore[arg-type]
