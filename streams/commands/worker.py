"""`netdusk worker`: read, judge, send."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from streams.settings import load, with_bootstrap

log = structlog.get_logger()
app = typer.Typer(add_completion=False)


@app.command()
def worker(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of /metrics; 0 takes any free one.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Faust's own log too.")] = False,
) -> None:
    """Run a worker: it takes its share of the partitions, and hands them over when it ends.

    As many as there are partitions can run side by side. Ends on SIGTERM or SIGINT, within ten seconds.
    """
    # Until the worker has taken it over nothing is begun, and nothing to be handed over.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = with_bootstrap(load(config), bootstrap)
    if port is not None:
        settings = settings.model_copy(update={"http": settings.http.model_copy(update={"port": port})})
    from streams.app import worker_of  # noqa: PLC0415  Faust takes a second to import
    from streams.engine.process import run  # noqa: PLC0415

    if settings.trust.policy is None:
        log.warning("trust.policy is not set: everybody who may write results has a vote")
    run(worker_of(settings), loglevel="INFO" if verbose else "WARNING")
