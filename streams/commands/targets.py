"""`netdusk targets`: what is asked; out of a blackbox_exporter's files, or looked through."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from producers.addresses import is_bogon
from producers.probe.target_text import target_text
from producers.probe.targets import TargetsError, TargetsFile, load_targets
from streams.commands.output import put, to_stdout
from streams.counting import amount
from streams.errors import SettingsError, install
from streams.publish.citizenlab import asked, list_text, read_list
from streams.publish.target_files import TargetFile, read

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def targets() -> None:
    """What a probe asks."""


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="blackbox.yml and prometheus.yml in any order, Citizen Lab's lists (.csv).",
            metavar="FILE...",
        ),
    ],
    category: Annotated[
        list[str] | None, typer.Option(help="Of Citizen Lab's lists: this category's code alone (GRP, COMT).")
    ] = None,
    platform: Annotated[str | None, typer.Option(help="One name for all; else each target's own.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A targets file; - or none: stdout.")
    ] = None,
) -> None:
    """Make a targets file of blackbox_exporter's modules and scrape configurations, or of Citizen Lab's lists.

    Says on stderr what has no counterpart here. Exit code 1: something was left out.
    """
    modules: dict[str, Any] = {}
    scrapes: list[Any] = []
    lists = [path for path in files if path.suffix.lower() == ".csv"]
    for path in (path for path in files if path not in lists):
        document = _yaml(path)
        modules |= _part(path, document, "modules", dict)
        scrapes += _part(path, document, "scrape_configs", list)
    reading = read(modules, [one for one in scrapes if isinstance(one, dict)], platform)
    for path in lists:
        _take_list(reading, path, category or [], platform)
    if not reading.targets:
        because = "\n".join(reading.left_out) or (
            "no row of these categories"
            if lists
            else "no scrape_configs names a module of blackbox_exporter's"
        )
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
        typer.echo(f"{amount(len(reading.targets), 'target')} in {output}")
    raise typer.Exit(1 if reading.left_out else 0)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A targets file (TOML).", metavar="FILE")],
    resolve: Annotated[
        bool,
        typer.Option("--resolve", help="Look up each name too, and refuse what leads to a private address."),
    ] = False,
) -> None:
    """Show what a vantage asks by a targets file, or what is wrong with it."""
    targets = _load(file)
    if resolve:
        _check_addresses(targets)
    for line in asked(targets.target):
        typer.echo(line)
    typer.echo(
        f"good; {amount(len(targets.target), 'target')} of {', '.join(sorted({t.platform for t in targets.target}))}"
    )


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="A targets file (TOML).", metavar="FILE")],
    key: Annotated[Path, typer.Option(help="A private key, as `netdusk vantage keygen` makes it.")],
) -> None:
    """Sign a targets file, for vantages that others run: the signature goes into a file beside it."""
    from producers.probe.signed_lists import SUFFIX, signature_of  # noqa: PLC0415

    _load(file)
    try:
        signature = signature_of(file.read_bytes(), key.read_text("utf-8").strip(), datetime.now(UTC))
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}; name a file that can be read") from error
    except ModuleNotFoundError as error:
        raise SettingsError(f"signing needs {error.name}; {install('trust')}") from error
    except ValueError as error:
        raise SettingsError(f"{key}: {error}; make one with `netdusk vantage keygen FILE`") from error
    put(signature, f"{file}{SUFFIX}")
    typer.echo(f"{file}{SUFFIX}: signed by {signature.split()[1].decode()}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A targets file (TOML).", metavar="FILE")],
    key: Annotated[list[str], typer.Option(help="A public key whose lists count; may be repeated.")],
) -> None:
    """Say who has signed a targets file. Exit code 2: nobody whose lists count, or it was changed since."""
    from streams.local.probing import check_signature  # noqa: PLC0415  not for --help

    signed = check_signature(file, key)
    typer.echo(f"good; signed by {signed.key} on {signed.at:%Y-%m-%dT%H:%M:%SZ}")


def _check_addresses(targets: TargetsFile) -> None:
    """Raise SettingsError where a name leads inside, from here; say on stderr which name has no address."""
    from streams.local.ingesting import addresses_of  # noqa: PLC0415  not for --help

    for target in targets.target:
        if target.private or target.place.is_address:
            continue
        try:
            inside = [address for address in addresses_of(target.place.host) if is_bogon(address)]
        except OSError as error:
            typer.echo(f"{target.name}: {error.strerror}", err=True)
            continue
        if inside:
            raise SettingsError(
                f"{target.name} leads to {inside[0]}, which no public service can have: if it is a service of your "
                "own, give the target private = true; else the name server here is wrong"
            )


def _load(file: Path) -> TargetsFile:
    try:
        targets = load_targets(file)
        for target in targets.target:
            target.check_place()
    except TargetsError as error:
        raise SettingsError(str(error)) from error
    return targets


@app.command()
def export(
    file: Annotated[
        Path | None, typer.Argument(help="A targets file (TOML); none: the built-in one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A list (CSV); - or none: stdout.")
    ] = None,
) -> None:
    """Make a list in Citizen Lab's format of a targets file, for OONI's probes and others."""
    try:
        targets = load_targets(file)
    except TargetsError as error:
        raise SettingsError(str(error)) from error
    put(list_text(targets.target, added=datetime.now(UTC).date()).encode(), output)


def _take_list(reading: TargetFile, path: Path, categories: list[str], platform: str | None) -> None:
    try:
        with path.open("rb") as stream:
            listed = read_list(path.name, stream, categories=categories, platform=platform)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a file that can be read") from error
    known = {one.url for one in reading.targets}
    reading.targets += [one for one in listed.targets if one.url not in known]
    reading.left_out += listed.left_out


def _check(text: str) -> None:
    import tomllib  # noqa: PLC0415

    TargetsFile.model_validate(tomllib.loads(text))


def _part(
    path: Path, document: dict[str, Any], key: str, kind: type[dict[str, Any]] | type[list[Any]]
) -> Any:
    part = document.get(key) or kind()
    if not isinstance(part, kind):
        raise SettingsError(
            f"{path}: {key} has to be a {'table' if kind is dict else 'list'}, as its program wants it"
        )
    return part


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
