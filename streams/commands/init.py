"""`netdusk init`: five questions, and all the files of an installation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
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
    profile = _profile(profile, asks=asks)
    answers = InitAnswers(
        profile=_OWN if profile == _OWN else "observatory",
        country=_country(country, asks=asks),
        asn=_asn(asn, asks=asks),
        urls=_urls(url, profile, asks=asks),
        runs=_runs(runs, asks=asks),
        vantage=vantage,
    )
    program = str(Path(sys.argv[0]).absolute())
    made = _texts(answers, program)
    _write(folder, made, force=force)
    check_files(load(folder / SETTINGS))
    _say_what_next(folder, made, program)


def _profile(given: str | None, *, asks: bool) -> str:
    profile = given
    if profile is None:
        question = "What is watched: own (your services) or observatory"
        profile = str(typer.prompt(question, _OWN)) if asks else _OWN
    if profile not in PROFILES:
        raise SettingsError(f"--profile {profile}: choose from {', '.join(PROFILES)}")
    return profile


def _country(given: str | None, *, asks: bool) -> str:
    if given is None and not asks:
        raise SettingsError("--country is missing: say where this vantage stands, like --country PK")
    country = str(typer.prompt("Country of this vantage (ISO 3166-1, like PK)")) if given is None else given
    code = country.strip().upper()
    if code not in COUNTRIES:
        from streams.words import country_name  # noqa: PLC0415  not for --help

        named = next((one for one in sorted(COUNTRIES) if country_name(one, {}).upper() == code), None)
        like = "like PK" if named is None else f"here {named}"
        raise SettingsError(f"--country {country.strip()}: write a code of ISO 3166-1 alpha-2, {like}")
    return code


def _asn(given: int | None, *, asks: bool) -> int:
    if given is not None:
        return given
    return int(typer.prompt("Number of its network (AS), 0 if not known", 0, type=int)) if asks else 0


def _urls(given: list[str] | None, profile: str, *, asks: bool) -> tuple[str, ...]:
    urls = tuple(given or ())
    if not urls and asks and profile == _OWN:
        urls = tuple(str(typer.prompt("Your services, as URLs with spaces between")).split())
    if not urls and profile == _OWN:
        raise SettingsError(
            "--url is missing: name a service of yours, like --url https://shop.example/health"
        )
    return urls


def _runs(given: Runs | None, *, asks: bool) -> Runs:
    if given is not None:
        return given
    return Runs(typer.prompt("What starts it: systemd, compose or none", "systemd")) if asks else Runs.SYSTEMD


def _texts(answers: InitAnswers, program: str) -> dict[str, str]:
    """Return the files, by name; raise where a service's address is none."""
    try:
        return texts(answers, program)
    except ValidationError as error:
        raise SettingsError(next(complaints(error, Target, lambda path: "--url"))) from error


def _write(folder: Path, made: Mapping[str, str], *, force: bool) -> None:
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


def _say_what_next(folder: Path, made: Mapping[str, str], program: str) -> None:
    for name in sorted(made):
        typer.echo(f"{folder / name}")
    if UNIT in made and is_hidden(program):
        typer.echo(f"\n{folder / UNIT} begins with how to install netdusk where a service may read it.")
    typer.echo(f"\nTry it: netdusk up --config {folder / SETTINGS}")
    typer.echo(
        f"So that every other command knows it too: export NETDUSK_CONFIG={(folder / SETTINGS).absolute()}"
    )
