"""`netdusk check-config`: are the settings good, and what are they."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from streams.settings import fingerprint, load

app = typer.Typer(add_completion=False)


@app.command()
def check_config(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML); else NETDUSK_CONFIG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as JSON.")] = False,
) -> None:
    """Read the settings as a worker would: file, environment, defaults. Exit code 2 where they are wrong."""
    settings = load(config)
    if as_json:
        facts = {"fingerprint": fingerprint(settings), "settings": settings.model_dump(mode="json")}
        typer.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
    else:
        typer.echo(f"good; fingerprint {fingerprint(settings)}")
