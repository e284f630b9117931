"""A vantage that runs keeps only what it measures and sends with.

What reads settings, targets files and a command line takes as much memory again as the measuring, and is needed once.
So `netdusk probe` reads and checks everything, and then begins anew in its own process (exec) as this file, which takes
what was read from memory without a name. Process, terminal, signals and exit codes stay as they are.

Run as a program this file knows no path yet: everything but the interpreter's own modules is imported in functions.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

if TYPE_CHECKING:
    from producers.probe.targets import Target
    from streams.local.probing import AskedList, Probing
    from streams.settings import Settings

#: Parts of the settings that a running vantage reads.
_SECTIONS: Final = {"probe", "kafka", "topics", "http"}
_NAME: Final = "netdusk-probe"


def possible() -> bool:
    """Whether this machine can do it."""
    return hasattr(os, "memfd_create") and bool(sys.executable)


def begin_anew(probing: Probing, *, print_only: bool, count_max: int | None) -> NoReturn:
    """Go on as the lean program, with what was read."""
    memory = os.memfd_create(_NAME, 0)  # kept open over exec, and gone with the process
    with os.fdopen(memory, "wb", closefd=False) as file:
        file.write(packed(probing, print_only=print_only, count_max=count_max))
    os.lseek(memory, 0, os.SEEK_SET)
    environment = {"MALLOC_ARENA_MAX": "1", **os.environ}  # two threads that hardly meet need no heap each
    arguments = [sys.executable, "-I", "-S", __file__, str(memory), *sys.argv[1:]]
    os.execve(sys.executable, arguments, environment)  # noqa: S606  our own interpreter, our own file


def packed(probing: Probing, *, print_only: bool, count_max: int | None) -> bytes:
    """What the lean program has to know."""
    # The source's own folder first: an editable install may lead there by other means than the path.
    path = [str(Path(__file__).parents[2]), *sys.path]
    handed = {
        "path": path,
        "version": probing.version,
        "print_only": print_only,
        "count_max": count_max,
        "settings": probing.settings.model_dump(include=_SECTIONS),
        "targets": [_facts_of(cast("Target", target)) for target in probing.targets.target],
        "pages": [
            {key: getattr(page, key) for key in ("name", "body", "body_regex", "redirect_host")}
            for page in probing.targets.blockpage
        ],
    }
    return json.dumps(handed, default=_plain).encode()


def unpacked(handed: bytes) -> dict[str, Any]:
    """What was packed, with its paths and secrets."""
    read: dict[str, Any] = json.loads(handed, object_hook=_kept)
    return read


def main() -> None:
    """Measure as was handed over."""
    with os.fdopen(int(sys.argv[1]), "rb") as memory:
        handed = unpacked(memory.read())
    sys.path[:] = handed["path"]
    # Never used by what runs from here on, and 6 MB: structlog loads it wherever it is installed.
    sys.modules["rich"] = None  # type: ignore[assignment]  # how an import is refused
    import asyncio  # noqa: PLC0415

    from streams.errors import SettingsError  # noqa: PLC0415
    from streams.local.probing import send, write_lines  # noqa: PLC0415
    from streams.process import log_to_stderr  # noqa: PLC0415

    log_to_stderr()
    try:
        probing = probing_of(handed)
        run = write_lines if handed["print_only"] else send
        asyncio.run(run(probing, count_max=handed["count_max"]))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


def probing_of(handed: dict[str, Any]) -> Probing:
    """What measures, as it was before."""
    from streams.local.probing import Probing  # noqa: PLC0415

    parts = {
        name: SimpleNamespace(**{key: _tupled(value) for key, value in part.items()})
        for name, part in handed["settings"].items()
    }
    # What reads settings reads attributes; the class itself is what is left behind.
    settings = cast("Settings", SimpleNamespace(**parts))
    return Probing(settings, _targets_of(handed), handed["version"])


def _targets_of(handed: dict[str, Any]) -> AskedList:
    from producers.probe.asked import AskedTarget  # noqa: PLC0415
    from streams.local.probing import AskedList  # noqa: PLC0415

    class HandedTarget(AskedTarget):
        compared = None

        def __init__(self, facts: dict[str, Any]) -> None:
            beside = facts.pop("compared")
            facts["statuses"] = frozenset(facts["statuses"])
            self.__dict__.update({key: _tupled(value) for key, value in facts.items()})
            if beside is not None:
                self.__dict__["compared"] = HandedTarget(beside)

    pages = [SimpleNamespace(**page) for page in handed["pages"]]
    return AskedList(tuple(HandedTarget(facts) for facts in handed["targets"]), tuple(pages))


def _tupled(value: Any) -> Any:
    """JSON has no tuples; the settings and targets have nothing else that is listed."""
    return tuple(value) if isinstance(value, list) else value


def _facts_of(target: Target) -> dict[str, Any]:
    compared = target.compared
    return target.model_dump() | {"compared": None if compared is None else _facts_of(compared)}


class _Secret(str):
    """A text under the same name as where the settings keep it."""

    __slots__ = ()

    def get_secret_value(self) -> str:
        return str(self)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return {"path of a file": str(value)}
    if isinstance(value, frozenset):
        return sorted(value)
    return {"secret": value.get_secret_value()}


def _kept(found: dict[str, Any]) -> Any:
    if "path of a file" in found:
        return Path(found["path of a file"])
    return _Secret(found["secret"]) if "secret" in found else found


if __name__ == "__main__":
    main()
