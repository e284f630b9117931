"""`netdusk`: the command line. Each command lives in a file of its own under `streams/commands/`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import click
import typer
from typer.main import get_command

#: Every command and the module that holds it (its `app`, a Typer with one command, or a group). Loaded when
#: called: `netdusk probe` on a small vantage does not pay for the worker's imports.
COMMANDS: Final[dict[str, str]] = {
    "backtest": "streams.commands.backtest",
    "check-config": "streams.commands.check_config",
    "worker": "streams.commands.worker",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: Any = get_command(import_module(COMMANDS[name]).app)
        command.name = name
        return command  # type: ignore[no-any-return]  # typer's stubs give Any


def main() -> None:
    """Run the command line; exit codes: 0 good, 1 found something, 2 bad usage or configuration."""
    from streams.settings import SettingsError  # noqa: PLC0415

    group = _Lazy(
        name="netdusk",
        help="Notices within minutes when a country, a region or a provider loses its platforms.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    try:
        group()
    except SettingsError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
