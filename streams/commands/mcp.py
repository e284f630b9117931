"""`netdusk mcp`: a page's API as tools for language models (Model Context Protocol), read only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.page.tools_for_models import server_for
from streams.settings import load

app = typer.Typer(add_completion=False)


@app.command()
def mcp(
    page: Annotated[
        str | None, typer.Option(help="Where `netdusk page` answers; else page.public_url or its port here.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Speak MCP over standard input and output: incidents, countries, series, each with its source."""
    settings = load(config)
    own = f"http://{settings.page.host}:{settings.page.port}"
    server_for(page or settings.page.public_url or own).run("stdio")
