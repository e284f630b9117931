"""`netdusk`: the command line. Each command lives in a file of its own under `streams/commands/`."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from streams.errors import SettingsError
from streams.process import OWN_PROCESS, log_to_stderr

#: Every command, the module that holds it (its `app`, a Typer with one command, or a group), and its line in the
#: list. Loaded when called: `netdusk probe` on a small vantage does not pay for the worker's imports.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("streams.commands.up", "The whole thing on one machine, on an embedded broker by default."),
    "init": ("streams.commands.init", "Five questions, and all the files of an installation."),
    "demo": ("streams.commands.demo", "The same with a scenario: Pakistan, January 2024, faster than life."),
    "probe": ("streams.commands.probe", "Measure real targets and write down what happened."),
    "control": ("streams.commands.control", "Outside of the country: does this target work from here?"),
    "targets": (
        "streams.commands.targets",
        "Targets out of blackbox_exporter's files; check a targets file.",
    ),
    "canary": (
        "streams.commands.canary",
        "A made-up platform that goes dark every hour: proof of the whole path.",
    ),
    "ingest": (
        "streams.commands.ingest",
        "Other people's measurements, onto the topics (OONI, Prometheus, IODA ...).",
    ),
    "pull": ("streams.commands.pull", "The same from their services, again and again."),
    "replay": ("streams.commands.replay", "Put a file of results on the topic, at its own pace or faster."),
    "worker": (
        "streams.commands.worker",
        "Read, judge, send: as many as there are partitions, side by side.",
    ),
    "top": ("streams.commands.top", "What a running worker sees, as it goes."),
    "broker": ("streams.commands.broker", "Apache Kafka on one machine: fetch it, run it."),
    "topics": ("streams.commands.topics", "Make and check the topics."),
    "incidents": (
        "streams.commands.incidents",
        "What is open, and what was; annotate one, close one by hand.",
    ),
    "archive": ("streams.commands.archive", "Keep windows and incidents as Parquet files, for ever."),
    "history": ("streams.commands.history", "A country's reachability on any day of the archive."),
    "page": ("streams.commands.page", "The live page and its API: the world, countries, incidents."),
    "notify": ("streams.commands.notify", "Tell people of incidents: mail, webhook, a hundred services."),
    "mcp": ("streams.commands.mcp", "The page's API as tools for language models, read only."),
    "report": ("streams.commands.report", "One incident as a page: headline, chart, timeline, evidence."),
    "verify": ("streams.commands.verify", "Whether an exported incident is as it was published."),
    "calendar": ("streams.commands.calendar", "Scheduled events that an incident may coincide with."),
    "vantage": ("streams.commands.vantage", "Who may speak: the register of vantages, and their keys."),
    "backtest": ("streams.commands.backtest", "What the worker would have said of a file, and how well."),
    "simulate": ("streams.commands.simulate", "A seeded, labelled world, as probe results."),
    "check-config": ("streams.commands.check_config", "Are the settings good, and what are they."),
}


class _Lazy(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in COMMANDS:
            # The group holds no commands before they are called for, so that it knows none to suggest.
            meant = get_close_matches(name, COMMANDS)
            if ctx is not None and meant:
                ctx.fail(f"No such command {name!r}. Did you mean {', '.join(map(repr, meant))}?")
            return None
        command: Any = get_command(import_module(COMMANDS[name][0]).app)
        command.name = name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


app = typer.Typer(
    cls=_Lazy,
    name="netdusk",
    help="Notices within minutes when a country, a region or a provider loses its platforms.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _callback(context: typer.Context) -> None:
    """Notices within minutes when a country, a region or a provider loses its platforms."""
    # Not for --help, which comes sooner without it; nor where a test runs a command in its own process.
    if context.obj is OWN_PROCESS:
        log_to_stderr()


def _speak_to_any_locale() -> None:
    """In a file or a pipe UTF-8, as all that we write; on a terminal of another encoding "?" for what it lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8")


def main() -> None:
    """Run the command line; exit codes: 0 good, 1 found something, 2 bad usage or configuration."""
    _speak_to_any_locale()
    try:
        app(obj=OWN_PROCESS)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
