"""`netdusk targets`: what is asked; out of a blackbox_exporter's files, or looked through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from producers.probe.targets import TargetsError, TargetsFile, load_targets
from streams.commands.output import put, to_stdout
from streams.errors import SettingsError
from streams.local.initial import target_text
from streams.publish.target_files import read

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def targets() -> None:
    """What a probe asks."""


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="blackbox.yml and prometheus.yml, in any order.", metavar="FILE..."),
    ],
    platform: Annotated[str | None, typer.Option(help="One name for all; else each target's own.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A targets file; - or none: stdout.")
    ] = None,
) -> None:
    """Make a targets file of blackbox_exporter's modules and the scrape configurations that use them.

    Says on stderr what has no counterpart here. Exit code 1: something was left out.
    """
    modules: dict[str, Any] = {}
    scrapes: list[Any] = []
    for path in files:
        document = _yaml(path)
        modules |= document.get("modules") or {}
        scrapes += document.get("scrape_configs") or []
    reading = read(modules, [one for one in scrapes if isinstance(one, dict)], platform)
    if not reading.targets:
        because = "\n".join(reading.left_out) or "no scrape_configs names a module of blackbox_exporter's"
        raise SettingsError(f"{', '.join(map(str, files))}: no target came of it\n{because}")
    text = "\n".join(
        [f"# Made by `netdusk targets import {' '.join(path.name for path in files)}`.", ""]
        + [target_text(one.platform, one.url, one.keys) for one in reading.targets]
    )
    _check(text)
    put(text.encode(), output)
    for line in reading.left_out:
        typer.echo(line, err=True)
    if not to_stdout(output):
        typer.echo(f"{len(reading.targets)} targets in {output}")
    raise typer.Exit(1 if reading.left_out else 0)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A targets file (TOML).", metavar="FILE")],
) -> None:
    """Say whether a targets file is good, and how many targets of which platforms it has."""
    try:
        targets = load_targets(file)
    except TargetsError as error:
        raise SettingsError(str(error)) from error
    typer.echo(
        f"good; {len(targets.target)} targets of {', '.join(sorted({t.platform for t in targets.target}))}"
    )


def _check(text: str) -> None:
    import tomllib  # noqa: PLC0415

    TargetsFile.model_validate(tomllib.loads(text))


def _yaml(path: Path) -> dict[str, Any]:
    try:
        import yaml  # noqa: PLC0415  wanted here alone
    except ModuleNotFoundError as error:
        raise SettingsError("reading YAML needs PyYAML: pip install pyyaml") from error
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a file that can be read") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; it has to be YAML in UTF-8") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: neither modules nor scrape_configs in it")
    return document
