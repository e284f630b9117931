"""`netdusk init`: five questions, and all the files of an installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from producers.complaints import complaints
from producers.countries import COUNTRIES
from producers.probe.targets import Target
from streams.commands.check_config import check_files
from streams.errors import SettingsError
from streams.local.initial import SETTINGS, UNIT, InitAnswers, Runs, is_hidden, texts
from streams.profiles import PROFILES, Profile
from streams.settings import load

app = typer.Typer(add_completion=False)

_OWN: Final[Profile] = "own"


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the files go.", metavar="[FOLDER]")] = Path("netdusk"),
    profile: Annotated[
        str | None, typer.Option(help="own: your services; observatory: other people's platforms.")
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="Where this vantage stands: ISO 3166-1, like PK.")
    ] = None,
    asn: Annotated[int | None, typer.Option(min=0, help="Its network's number; 0: not known.")] = None,
    url: Annotated[
        list[str] | None, typer.Option(help="A service of yours; may be repeated. None: the built-in list.")
    ] = None,
    runs: Annotated[Runs | None, typer.Option(help="What starts it at boot.")] = None,
    vantage: Annotated[
        str | None, typer.Option(help="A name for this vantage; country and ASN if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Write settings, targets, rules, Prometheus and Alertmanager files, and a systemd unit or a Compose file.

    Asks for what is not given, on a terminal; elsewhere the usual answer is taken. All of it is checked.
    """
    asks = sys.stdin.isatty()
    if profile is None:
        profile = typer.prompt("What is watched: own (your services) or observatory", _OWN) if asks else _OWN
    if profile not in PROFILES:
        raise SettingsError(f"--profile {profile}: choose from {', '.join(PROFILES)}")
    if country is None:
        if not asks:
            raise SettingsError("--country is missing: say where this vantage stands, like --country PK")
        country = str(typer.prompt("Country of this vantage (ISO 3166-1, like PK)"))
    country = country.strip().upper()
    if country not in COUNTRIES:
        raise SettingsError(f"--country {country}: write a code of ISO 3166-1 alpha-2, like PK")
    if asn is None:
        asn = int(typer.prompt("Number of its network (AS), 0 if not known", 0, type=int)) if asks else 0
    urls = tuple(url or ())
    if not urls and asks and profile == _OWN:
        urls = tuple(str(typer.prompt("Your services, as URLs with spaces between")).split())
    if not urls and profile == _OWN:
        raise SettingsError(
            "--url is missing: name a service of yours, like --url https://shop.example/health"
        )
    if runs is None:
        runs = (
            Runs(typer.prompt("What starts it: systemd, compose or none", "systemd"))
            if asks
            else Runs.SYSTEMD
        )
    answers = InitAnswers(
        profile=_OWN if profile == _OWN else "observatory",
        country=country,
        asn=asn,
        urls=urls,
        runs=runs,
        vantage=vantage,
    )
    program = str(Path(sys.argv[0]).absolute())
    try:
        made = texts(answers, program)
    except ValidationError as error:
        raise SettingsError(next(complaints(error, Target, lambda path: "--url"))) from error
    there = [name for name in made if (folder / name).exists()]
    if there and not force:
        raise SettingsError(
            f"{folder}: {', '.join(there)} there already; name another folder, or write over with --force"
        )
    for name, text in made.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror}; name a folder that can be written") from error
    check_files(load(folder / SETTINGS))
    for name in sorted(made):
        typer.echo(f"{folder / name}")
    if UNIT in made and is_hidden(program):
        typer.echo(f"\n{folder / UNIT} begins with how to install netdusk where a service may read it.")
    typer.echo(f"\nTry it: netdusk up --config {folder / SETTINGS}")
    typer.echo(
        f"So that every other command knows it too: export NETDUSK_CONFIG={(folder / SETTINGS).absolute()}"
    )
