"""`netdusk topics`: make the topics, say how they stand, or who may do what with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.table import Table

from streams.commands.lines import show_table
from streams.kafka.acls import Role, User, default_users, kafka_commands, strimzi_users
from streams.kafka.topics import ensure
from streams.kafka.unanswered import answered
from streams.settings import SettingsError, load, with_bootstrap

app = typer.Typer(add_completion=False)


class AclForm(StrEnum):
    """How `--acls` writes."""

    KAFKA = "kafka"
    STRIMZI = "strimzi"


@app.command()
def topics(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Broker, host:port[,host:port]; over the settings.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Make nothing; only say how they stand.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One finding a line.")] = False,
    acls: Annotated[
        AclForm | None,
        typer.Option(
            help="Ask no broker; print who may do what, as commands of Kafka or as KafkaUsers of Strimzi."
        ),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(
            help="With --acls: ROLE=NAME, a user of the broker; may be repeated. Roles: "
            f"{', '.join(Role)}. Without it, netdusk-ROLE for each.",
        ),
    ] = None,
    cluster: Annotated[
        str, typer.Option(help="With --acls strimzi: the name of the Kafka resource.")
    ] = "kafka",
    tls: Annotated[
        bool, typer.Option("--tls", help="With --acls strimzi: users have certificates, not passwords.")
    ] = False,
) -> None:
    """Make the topics that are missing, and compare the others with the settings.

    A topic that differs is not changed: it is said, with the command that changes it. Only a checkpoints topic is
    widened, to as many partitions as the topic whose checkpoints it keeps. Exit code 1 says that something is missing
    or differs, 2 that no broker answers.
    """
    settings = with_bootstrap(load(config), bootstrap)
    if acls is not None:
        users = _users(user or [])
        made = (
            kafka_commands(settings, users)
            if acls is AclForm.KAFKA
            else strimzi_users(settings, users, cluster=cluster, tls=tls)
        )
        typer.echo(("\n" if acls is AclForm.KAFKA else "\n---\n").join(made))
        return
    with answered(settings.kafka):
        states = asyncio.run(ensure(settings, create=not check))
    if as_json:
        for state in states:
            typer.echo(orjson.dumps(asdict(state)).decode())
    else:
        table = Table("topic", "partitions", "state", box=None, pad_edge=False)
        for state in states:
            words = f"{state.state}: {state.detail}" if state.detail else state.state
            table.add_row(state.topic.name, str(state.partitions or state.topic.partitions), words)
        show_table(table)
    raise typer.Exit(1 if any(state.state in ("missing", "differs") for state in states) else 0)


def _users(given: Sequence[str]) -> list[User]:
    """The users that were named. Raises SettingsError."""
    users = []
    for one in given:
        role, _, name = one.partition("=")
        if role not in set(Role) or not name:
            raise SettingsError(f"--user {one!r}: write ROLE=NAME, with a role of {', '.join(Role)}")
        users.append(User(Role(role), name))
    return users or default_users()
