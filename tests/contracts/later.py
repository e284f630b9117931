"""A release later than this one, for tests: `become` makes a process one.

It has a failure more (before all others), a field more in a case (in the middle), in what is noted of it, in what is
told of it and in the Incident record, and another version. The changes are made in the sources as they are loaded, as
an editor would make them. `python -m tests.contracts.later` says what it decides of the golden snapshots.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any, Final

FAILURE: Final = "aaa_known_later"

#: By module: what stands in its source, and what stands there later.
_CHANGES: Final = {
    "producers.failures": (
        '    """How an attempt ended."""\n\n',
        f'    """How an attempt ended."""\n\n    AAA_KNOWN_LATER = "{FAILURE}"\n',
    ),
    "detectors.incidents.case": (
        "    phase: Phase = Phase.SUSPECTED\n",
        '    noted_later: str = "nothing"\n    phase: Phase = Phase.SUSPECTED\n',
    ),
    "detectors.incidents.news": (
        '    unheard_platforms: str = ""\n',
        '    unheard_platforms: str = ""\n    noted_later: str = ""\n',
    ),
    "detectors.incidents.snapshots": (
        "    fingerprint: str\n",
        "    fingerprint: str\n    told_later: float = 0.5\n",
    ),
    "streams.records": (
        "    countries: tuple[str, ...] = ()\n",
        "    countries: tuple[str, ...] = ()\n    told_later: float = 0.5\n",
    ),
    "streams.release": ('return version("netdusk")', 'return "later than " + version("netdusk")'),
    "streams.incidents": ('DETECTOR_VERSION: Final = "', 'DETECTOR_VERSION: Final = "later than '),
}


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads a module as it will stand in the later release."""

    def get_code(self, fullname: str) -> Any:
        source = self.get_source(fullname)
        before, after = _CHANGES[fullname]
        assert source is not None
        assert source.count(before) == 1, (
            f"{fullname} holds no line, or several, like {before!r}: change `later.py` too"
        )
        return compile(source.replace(before, after), self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if name not in _CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


def become() -> None:
    """Make this process a later release. Raises RuntimeError where it has begun as this one."""
    known = sorted(_CHANGES.keys() & sys.modules.keys())
    if known:
        raise RuntimeError(f"{', '.join(known)} was imported before: import this first")
    sys.meta_path.insert(0, _Finder())


def main() -> None:
    """Say what is decided of every golden snapshot, as `decided.jsonl` has it, and that it is a later release."""
    from detectors.incidents.case import Case
    from streams.step.rows import MECHANISMS
    from tests.contracts import golden

    assert f"dns.{FAILURE}" in MECHANISMS
    assert "noted_later" in Case.__struct_fields__
    for directory in golden.releases():
        for story in golden.STORIES:
            machine = golden.restored(story, (directory / f"{story.name}.log").read_bytes())
            told = golden.told(machine, story)
            assert all(incident.told_later == 0.5 for incident in told)  # type: ignore[attr-defined]
            sys.stdout.write(golden.written_down(golden.gist(told)))


if __name__ == "__main__":
    become()
    main()
