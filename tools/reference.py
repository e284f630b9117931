"""`docs/settings.md` and `docs/commands.md`, written from the code: `python -m tools.reference`. A test compares."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from pydantic_core import to_jsonable_python
from typer.main import get_command

from streams.cli import COMMANDS
from streams.profiles import PROFILES
from streams.settings import CostSettings, NotifyRule, Settings, state_folder

DOCS: Final = Path(__file__).parents[1] / "docs"
SETTINGS: Final = DOCS / "settings.md"
COMMAND_LINE: Final = DOCS / "commands.md"
#: Tables that an operator names.
_NAMED: Final = {"notify.rules.NAME": NotifyRule, "cost.COUNTRY": CostSettings}

# ---- settings

_SETTINGS_TOP: Final = """\
# Settings

<!-- Written by `python -m tools.reference` from streams/settings.py and detectors/settings.py; edit those. -->

A TOML file, named with `--config` or `NETDUSK_CONFIG`; each heading below is a table of it. Every setting has a default
that runs.

- **The environment** goes over the file: `NETDUSK_KAFKA__BOOTSTRAP` is `bootstrap` in `[kafka]`.
- **A secret** need not stand in either: a variable whose name ends in `_FILE` names a file that holds the
  value: `NETDUSK_KAFKA__SASL_PASSWORD_FILE`.
- **An option** of the command line goes over both.
- **A profile** (`profile = "own"`) is a set of other defaults, for services of your own. They stand in the last table.

`netdusk check-config` says what is wrong, with the remedy, and shows what is in force.
A path that begins with STATE lies in systemd's `STATE_DIRECTORY`; else in `netdusk` under `XDG_STATE_HOME`, under
`~/.local/state`, or, without a home, under `/var/lib`.
"""

#: JSON Schema's types, in a reader's words.
_TYPES: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "table",
}


@cache
def comments(kind: type) -> Mapping[str, str]:
    """What the source says of each field of a class: the `#:` lines right above it, empty where there are none."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    [node] = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    said_of: dict[str, str] = {}
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            first = last = field.lineno - 1
            while lines[first - 1].strip().startswith("#:"):
                first -= 1
            said_of[field.target.id] = " ".join(line.strip()[2:].strip() for line in lines[first:last])
    return said_of


def for_readers(comment: str) -> str:
    """Return what a comment in the code says, for a page of the docs.

    >>> for_readers("None: never; see docs/report.md")
    'Not given: never; see [report](report.md)'
    """
    linked = re.sub(r"docs/(([a-z-]+)\.md)", r"[\2](\1)", comment)
    begun = re.sub(r"(^|\. )None\b", r"\1Not given", linked)
    return re.sub(r"\bNone\b", "not given", begun)


def words(schema: Mapping[str, Any]) -> str:
    """Return what a value may be, of its JSON schema.

    >>> words({"type": "integer", "minimum": 0, "maximum": 65535})
    'whole number, 0 to 65535'
    >>> words({"type": "array", "items": {"type": "string"}})
    'list, each text'
    """
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(words(one) for one in schema["anyOf"] if one.get("type") != "null")
    if schema.get("format") in ("path", "password"):
        return "path" if schema["format"] == "path" else "text, secret"
    if schema.get("type") == "array":
        return f"list, each {words(schema['items'])}"
    name = _TYPES[schema["type"]] if "type" in schema else "anything"
    return ", ".join(filter(None, (name, _bounds(schema))))


def _bounds(schema: Mapping[str, Any]) -> str:
    low = f"over {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else ""
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None:
        low = f"{least} to {most}" if most is not None else f"{least} or more"
    elif most is not None:
        low = f"{low}, {most} or less".removeprefix(", ")
    characters = schema.get("minLength", 0)
    return low or (f"{characters} characters or more" if characters > 1 else "")


def default(value: Any) -> str:
    """Return a default as a settings file has it; a dash stands for None.

    >>> default(None), default("lz4"), default(1048576), default(()), default((1.2, 2.5))
    ('-', '`"lz4"`', '`1048576`', '`[]`', '`[1.2, 2.5]`')
    """
    if value is None:
        return "-"
    if isinstance(value, Path) or str(value).startswith(str(state_folder())):
        value = str(value).replace(str(state_folder()), "STATE")
    return f"`{json.dumps(to_jsonable_python(value))}`"


def _table(heading: str, kind: type, schema: Mapping[str, Any], values: object) -> str:
    """One class of settings: a row for each. `values` holds the defaults; what it lacks has to be given."""
    said_of = comments(kind)
    rows = ["| setting | value | default | what it does |", "|---|---|---|---|"]
    for name, about in schema["properties"].items():
        given = default(getattr(values, name)) if hasattr(values, name) else "needed"
        rows.append(f"| `{name}` | {words(about)} | {given} | {for_readers(said_of[name])} |")
    about_it = for_readers(inspect.getdoc(kind) or "")
    return "\n".join((f"## {heading}\n", f"{about_it}\n", *rows)) + "\n"


def settings_tables() -> Iterator[str]:
    """Every table that a settings file may have."""
    schema = Settings.model_json_schema()
    settings, kinds = Settings(), get_type_hints(Settings)
    yield _table(
        "At the top", Settings, {"properties": {"profile": schema["properties"]["profile"]}}, settings
    )
    for name, about in schema["properties"].items():
        if "$ref" in about:
            kind = kinds[name]
            yield _table(f"`[{name}]`", kind, schema["$defs"][kind.__name__], getattr(settings, name))
    for heading, kind in _NAMED.items():
        values = SimpleNamespace(
            **{name: field.default for name, field in kind.model_fields.items() if not field.is_required()}
        )
        yield _table(f"`[{heading}]`", kind, schema["$defs"][kind.__name__], values)


def _profiles() -> str:
    rows = ['## `profile = "own"`\n', "| setting | instead of | default |", "|---|---|---|"]
    settings = Settings()
    for table, values in PROFILES["own"].items():
        for name, value in values.items():
            usual = getattr(getattr(settings, table), name)
            rows.append(f"| `{table}.{name}` | {default(usual)} | {default(value)} |")
    return "\n".join(rows) + "\n"


def settings_page() -> str:
    """Return `docs/settings.md`."""
    return "\n".join((_SETTINGS_TOP, *settings_tables(), _profiles()))


# ---- commands

_COMMANDS_TOP: Final = """\
# Commands

<!-- Written by `python -m tools.reference` from streams/commands/; edit those. -->

`netdusk COMMAND --help` says the same in a terminal. Exit codes: 0 good, 1 found something (each command says what),
2 wrong usage or settings. Results go to stdout, all else to stderr; `NETDUSK_LOG=json` makes log lines JSON.
"""


#: What an option takes, by its annotation.
_TAKES: Final[Mapping[Any, str]] = {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH", datetime: "TIME"}


def _rows(command: Any) -> Iterator[str]:
    """A row for each argument and option that is shown."""
    for parameter in command.params:
        if parameter.hidden or parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            named = f"`{_argument(parameter)}`"
        else:
            named = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            named += "" if parameter.is_flag else f" {_takes(parameter.type_descriptor.annotation)}"
        about = " ".join((parameter.help or "").split()).replace("|", r"\|")
        usual = parameter.default
        if usual not in (None, False, "", [], ()) and not callable(usual) and parameter.show_default is True:
            about += f" Default: {default(_turned_on(parameter) if usual is True else usual)}.".replace(
                '"', ""
            )
        yield f"| {named} | {about} |"


def _turned_on(parameter: Any) -> str:
    return str(parameter.opts[0])


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name.rstrip("_").upper()).strip("[]")
    return f"{name} ..." if parameter.nargs == -1 and "..." not in name else name


def _takes(kind: Any) -> str:
    """What an option takes, in words: `PATH`, or the values that there are."""
    [kind] = [one for one in get_args(kind) if one is not type(None)] if get_origin(kind) is list else [kind]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{one.value}`" for one in kind)
    return _TAKES[kind]


def command_section(command: Any, path: str, line: str = "") -> Iterator[str]:
    """A command, and each of a group's."""
    yield f"{'#' * (1 + len(path.split()))} `netdusk {path}`\n"
    about = inspect.cleandoc(command.help or line).partition("\f")[0].strip()
    inner = getattr(command, "commands", {})
    if not inner:
        needed = [one for one in map(_argument_in_usage, command.params) if one]
        yield f"```text\nnetdusk {' '.join((path, *needed, '[OPTIONS]'))}\n```\n"
    yield f"{about}\n"
    if rows := list(_rows(command)):
        yield "\n".join(("| argument, option | what it does |", "|---|---|", *rows)) + "\n"
    for name, one in inner.items():
        if not one.hidden:
            yield from command_section(one, f"{path} {name}")


def _argument_in_usage(parameter: Any) -> str:
    if parameter.param_type_name != "argument":
        return ""
    return _argument(parameter) if parameter.required else f"[{_argument(parameter)}]"


def commands_page() -> str:
    """Return `docs/commands.md`."""
    parts = [_COMMANDS_TOP]
    for name, (module, line) in COMMANDS.items():
        parts += command_section(get_command(import_module(module).app), name, line)
    return "\n".join(parts)


#: Every document, and how it is written.
DOCUMENTS: Final[Mapping[Path, Callable[[], str]]] = {SETTINGS: settings_page, COMMAND_LINE: commands_page}


def main() -> None:
    """Write the documents anew."""
    for document, written in DOCUMENTS.items():
        document.write_text(written())
        sys.stdout.write(f"{document.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
