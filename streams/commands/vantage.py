"""`netdusk vantage`: the register of who may speak, and keys for signing."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Column, Table

from producers.bundles import key_id, new_key
from producers.countries import CANARY, COUNTRIES
from producers.names import is_printable, is_region
from streams.commands.lines import console
from streams.counting import amount
from streams.errors import install
from streams.kafka.client import TopicReader
from streams.kafka.notes import vantage_topic, write_all
from streams.kafka.unanswered import answered
from streams.pseudonyms import public_register
from streams.records import Vantage, VantageState, check_note, encode
from streams.settings import Settings, SettingsError, load, with_bootstrap
from streams.step.asn_countries import NO_NETWORKS, Networks, countries_by_asn, is_elsewhere

app = typer.Typer(no_args_is_help=True, add_completion=False)

Config = Annotated[Path | None, typer.Option(help="Settings file (TOML).")]
Bootstrap = Annotated[str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")]


@app.callback()
def vantage() -> None:
    """Who may speak for which country and network. See docs/threat-model.md."""


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(help="The vantage, as its results name it.", metavar="VANTAGE")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 code, like PK.")],
    asn: Annotated[
        int, typer.Option(min=0, max=4_294_967_295, help="The network's number; 0: not known.")
    ] = 0,
    region: Annotated[str | None, typer.Option(help="ISO 3166-2 code; else any of the country.")] = None,
    public_key: Annotated[str | None, typer.Option(help="As `netdusk vantage keygen` prints it.")] = None,
    every: Annotated[float | None, typer.Option(help="Seconds between rounds that it promises.")] = None,
    operator: Annotated[str, typer.Option(help="Who runs it: a name that you know, no address.")] = "",
    source: Annotated[
        list[str] | None, typer.Option(help="Speaks for results of this source, like ooni; may be repeated.")
    ] = None,
    active: Annotated[bool, typer.Option("--active", help="With a vote at once, without probation.")] = False,
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Put a vantage into the register, or announce that it has moved or has a new key."""
    entry = Vantage(
        vantage=name,
        country=country,
        asn=asn,
        region=region,
        public_key=public_key,
        every_seconds=every,
        state=VantageState.ACTIVE if active else VantageState.PROBATION,
        since=datetime.now(UTC),
        operator=operator,
        sources=tuple(source or ()),
    )
    settings = with_bootstrap(load(config), bootstrap)
    _checked(entry, countries_by_asn(settings.trust.country_table))
    if public_key is not None:
        check_keys([*(one for one in _entries(settings) if one.vantage != name), entry])
    _put(settings, [entry])
    vote = "with a vote" if active else f"on probation for {settings.trust.probation_hours:g} h"
    typer.echo(f"{name} speaks for {country}, AS{asn}, {vote}")


@app.command("list")
def list_(
    country: Annotated[str | None, typer.Option(help="Of this country alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One entry a line: `import` reads it.")] = False,
    public: Annotated[
        bool,
        typer.Option("--public", help="What may be shown to anybody: pseudonyms of this month, as JSON."),
    ] = False,
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Show the register."""
    settings = with_bootstrap(load(config), bootstrap)
    trust = settings.trust
    if public and trust.pseudonym_secret is None:
        raise SettingsError("trust.pseudonym_secret is not set; --public needs one, of 16 characters or more")
    entries = [one for one in _entries(settings) if country in (None, one.country)]
    if public and trust.pseudonym_secret is not None:
        secret, month = trust.pseudonym_secret.get_secret_value().encode(), f"{datetime.now(UTC):%Y-%m}"
        for shown in public_register(
            entries, secret, month, name_small_networks=bool(trust.name_small_networks)
        ):
            sys.stdout.write(msgspec.json.encode(shown).decode() + "\n")
        return
    if as_json:
        for entry in entries:
            sys.stdout.write(encode(entry).decode() + "\n")
        return
    table = Table(
        Column("vantage", no_wrap=True),
        "country",
        "network",
        "state",
        "since",
        "key",
        "operator",
        box=None,
        pad_edge=False,
    )
    for entry in entries:
        table.add_row(
            entry.vantage,
            entry.region or entry.country,
            f"AS{entry.asn}"
            if entry.asn
            else "any of " + ", ".join(entry.sources)
            if entry.sources
            else "not known",
            entry.state,
            f"{entry.since:%Y-%m-%d %H:%M}",
            key_id(entry.public_key) if entry.public_key else "",
            entry.operator,
        )
    console().print(table if entries else "the register is empty")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="As `list` shows it.", metavar="VANTAGE")],
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Take a vantage's vote; its key is refused from now on."""
    settings = with_bootstrap(load(config), bootstrap)
    entry = next((one for one in _entries(settings) if one.vantage == name), None)
    if entry is None:
        raise SettingsError(f"{name}: not in the register; see `netdusk vantage list`")
    gone = msgspec.structs.replace(entry, state=VantageState.REVOKED, since=datetime.now(UTC))
    _put(settings, [gone])
    typer.echo(f"{name} has no vote any more")


@app.command()
def keygen(
    private: Annotated[
        Path, typer.Argument(help="File for the private key; it must not exist.", metavar="FILE")
    ],
) -> None:
    """Make a key to sign with: the private one into a file that its owner alone reads; the public one is printed."""
    try:
        secret, public = new_key()
    except ModuleNotFoundError as error:
        raise SettingsError(f"keys need {error.name}; {install('trust')}") from error
    try:
        handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(f"{private}: {error.strerror}; name a new file") from error
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")
    typer.echo(public)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="One Vantage a line, JSON.", metavar="FILE")],
    config: Config = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Put the entries of a file into the register. A line that is none refuses the file."""
    settings = with_bootstrap(load(config), bootstrap)
    entries = read_register(file, countries_by_asn(settings.trust.country_table))
    replaced = {one.vantage: one for one in entries}
    if any(one.public_key is not None for one in entries):
        check_keys(list(({one.vantage: one for one in _entries(settings)} | replaced).values()))
    _put(settings, entries)
    typer.echo(f"{amount(len(entries), 'entry', 'entries')} in the register")


def read_register(file: Path, networks: Networks = NO_NETWORKS) -> list[Vantage]:
    """The entries of a JSONL file, held against a country table. Raises SettingsError with the line's number."""
    entries: list[Vantage] = []
    decode = msgspec.json.Decoder(Vantage).decode
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}; name a readable file") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entries.append(_checked(decode(line), networks))
        except (
            SettingsError,
            ValueError,
            RecursionError,
        ) as error:  # msgspec's and Unicode's errors are ValueErrors
            raise SettingsError(f"{file}, line {number}: {error}") from error
    return entries


def check_keys(entries: Sequence[Vantage]) -> None:
    """Raise SettingsError where two entries have one key, which would then be good for neither."""
    owners: dict[str, str] = {}
    for entry in entries:
        if entry.public_key is None:
            continue
        owner = owners.setdefault(key_id(entry.public_key), entry.vantage)
        if owner != entry.vantage:
            raise SettingsError(
                f"{entry.vantage}: {owner} has this key, and a key that two have is refused; make one of its own "
                "with `netdusk vantage keygen`"
            )


def _checked(entry: Vantage, networks: Networks) -> Vantage:
    """The entry itself. Raises SettingsError where no result could ever be of it."""
    if is_elsewhere(networks, entry.asn, entry.country):
        countries = ", ".join(sorted(networks[entry.asn])[:9])
        raise SettingsError(
            f"AS{entry.asn} has no addresses in {entry.country} by trust.country_table, but in {countries}: "
            "name its country, or another table"
        )
    if entry.country not in COUNTRIES | {CANARY}:
        raise SettingsError(f"country {entry.country!r}: write an ISO 3166-1 alpha-2 code, like PK")
    if entry.region is not None and not is_region(entry.region, entry.country):
        raise SettingsError(f"region {entry.region!r}: write an ISO 3166-2 code of {entry.country}")
    if not is_printable(entry.vantage):
        raise SettingsError(f"vantage {entry.vantage!a}: it holds a character that can't be printed")
    for source in entry.sources:
        if re.fullmatch(r"[a-z0-9_]+", source) is None:
            raise SettingsError(f"source {source!r}: write a source's name, like ooni")
    try:
        check_note(entry)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return entry


def _entries(settings: Settings) -> list[Vantage]:
    topic = vantage_topic(TopicReader(settings.kafka), settings.topics)
    _run(settings, topic.catch_up())
    return [topic.records[name] for name in sorted(topic.records)]


def _put(settings: Settings, entries: Sequence[Vantage]) -> None:
    records = [(entry.vantage.encode(), encode(entry)) for entry in entries]
    _run(settings, write_all(settings.kafka, settings.topics.vantages, records))


def _run(settings: Settings, work: object) -> None:
    with answered(settings.kafka):
        asyncio.run(work)  # type: ignore[arg-type]  # any coroutine: what it returns is not used
