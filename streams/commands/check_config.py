"""`netdusk check-config`: are the settings good, and what are they."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from streams.settings import Settings, SettingsError, file_complaints, fingerprint, load

app = typer.Typer(add_completion=False)


@app.command()
def check_config(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); else NETDUSK_CONFIG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as JSON.")] = False,
) -> None:
    """Read the settings as a worker would: file, environment, defaults; and look at the files that they name.

    Exit code 2 where anything is wrong.
    """
    settings = load(config)
    check_files(settings)
    if as_json:
        facts = {"fingerprint": fingerprint(settings), "settings": settings.model_dump(mode="json")}
        typer.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
    else:
        typer.echo(f"good; fingerprint {fingerprint(settings)}")


def check_files(settings: Settings) -> None:
    """Raise SettingsError where a file that the settings name is missing or of no use."""
    if complaints := list(file_complaints(settings)):
        raise SettingsError("\n".join(complaints))
    # Loaded here: a missing file is said without either.
    from producers.probe.targets import TargetsError, load_targets  # noqa: PLC0415
    from streams.kafka.options import ssl_context  # noqa: PLC0415

    ssl_context(settings.kafka)
    if settings.probe.targets is not None:
        try:
            load_targets(settings.probe.targets)
        except TargetsError as error:
            raise SettingsError(str(error)) from error
