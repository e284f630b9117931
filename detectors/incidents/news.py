"""What a reader would note of an incident, how it changes, and the reason of an update in words.

Knows no case and no reading: it compares two states of what is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

#: From so many networks and regions on, a change of less than one in `FEW_OF` of them is a small one.
MANY_UNITS: Final = 16
FEW_OF: Final = 8
#: A reason names so many platforms at most, and counts the rest.
_LISTED_MAX: Final = 12
#: What changes when a doubt comes or goes.
CONFIRMED: Final = "confirmed"
NOT_CONFIRMED: Final = "not confirmed any more"


class Noted(msgspec.Struct, frozen=True, array_like=True):
    """What a reader would note, each as words with spaces between, in the order in which changes are told.

    A case keeps the one that was told. It is kept as an array: what a later release notes too comes last. What an
    earlier one did not note is "".
    """

    kind: str = ""
    scope: str = ""
    platforms: str = ""
    # Networks and regions that it reached.
    units: str = ""
    # Those of them that are lost still.
    lasting: str = ""
    # Platforms that are back.
    restored: str = ""
    severity: str = ""
    mechanism: str = ""
    silent: str = ""
    quieted: str = ""
    coincides: str = ""
    doubt: str = ""
    level: str = ""
    targets: str = ""
    witnesses: str = ""
    # Networks and regions of which nothing is heard, and platforms.
    unheard_units: str = ""
    unheard_platforms: str = ""


class NotedWorldwide(msgspec.Struct, frozen=True, array_like=True):
    """What a reader would note of an incident of the whole world, kept as `Noted` is."""

    platforms: str = ""
    countries: str = ""


#: What says only which networks and regions.
_OF_UNITS: Final = frozenset({"units", "lasting", "unheard_units"})


def differences(before: Noted, after: Noted) -> set[str]:
    """Return the names of the fields in which two notings differ.

    >>> sorted(differences(Noted(kind="platform", units="1"), Noted(kind="platform", scope="region", units="1 2")))
    ['scope', 'units']
    """
    return {name for name in Noted.__struct_fields__ if getattr(before, name) != getattr(after, name)}


def grows(before: Noted, after: Noted) -> bool:
    """Return whether something new was reached: a platform, a network, another kind."""
    return any(
        set(now.split()) - set(was.split())
        for was, now in (
            (before.kind, after.kind),
            (before.platforms, after.platforms),
            (before.units, after.units),
        )
    )


def same_but_for_units(before: Noted, after: Noted) -> bool:
    """Return whether nothing changed but that more networks or regions were reached."""
    fresh = set(after.units.split()) - set(before.units.split())
    return (
        set(after.lasting.split()) - fresh == set(before.lasting.split())
        and set(after.units.split()) - fresh == set(before.units.split())
        and differences(before, after) <= {"units", "lasting"}
    )


def changes_little(before: Noted, after: Noted) -> bool:
    """Return whether few of many networks and regions changed, and nothing else.

    >>> units = " ".join(map(str, range(20)))
    >>> many = Noted("platform", "multi-provider", "x", units, units)
    >>> afterwards = [Noted("platform", "multi-provider", "x", more, more) for more in (units + " 20", "1")]
    >>> [changes_little(many, after) for after in afterwards]
    [True, False]
    """
    if not changes_units_only(before, after):
        return False
    changed: set[str] = set()
    for name in _OF_UNITS:
        changed |= set(getattr(before, name).split()) ^ set(getattr(after, name).split())
    many = len(before.units.split())
    return many >= MANY_UNITS and FEW_OF * len(changed) < many


def changes_units_only(before: Noted, after: Noted) -> bool:
    """Return whether nothing but networks and regions changed.

    >>> changes_units_only(Noted(units="1 2"), Noted(units="3")), changes_units_only(Noted("x"), Noted("y"))
    (True, False)
    """
    return differences(before, after) <= _OF_UNITS


def only_heard(before: Noted, after: Noted) -> bool:
    """Return whether nothing changed but of which networks and regions something is heard."""
    return differences(before, after) <= {"unheard_units"}


def flaps(before: Noted, after: Noted) -> bool:
    """Return whether nothing but the scope or the mechanism changed."""
    return differences(before, after) <= {"scope", "mechanism"}


def reasons(before: Noted, after: Noted, names: Mapping[str, str]) -> list[str]:
    """Return what changed between two notings, in words, one a change."""
    changes = []
    if after.kind != before.kind:
        changes.append(f"results stopped: a loss of {after.kind}")
    if fresh := [p for p in after.platforms.split() if p not in before.platforms.split()]:
        changes.append(f"{_listed(fresh, names)} joined")
    fewer = [p for p in before.platforms.split() if p not in after.platforms.split()]
    if fewer and after.kind == before.kind:  # else all of them went with the results
        changes.append(f"{_listed(fewer, names)} lost worldwide, and told as that")
    if grown := set(after.units.split()) - set(before.units.split()):
        changes.append(f"reached {_places(grown, 'more ')}")
    was, now = set(before.lasting.split()), set(after.lasting.split())
    if narrowed := set(before.units.split()) - set(after.units.split()):
        changes.append(f"{_places(narrowed)} lost only what lies in its regions")
    if gone := (was - now) & set(after.units.split()):
        changes.append(f"restored on {_places(gone)}, {len(now)} to go")
    if again := (now - was) & set(before.units.split()):
        changes.append(f"lost again on {_places(again)}")
    if back := [p for p in after.restored.split() if p not in before.restored.split()]:
        changes.append(f"{_listed(back, names)} restored")
    here = set(after.platforms.split()) if now else set()  # where all is back, none is back before the others
    if relapsed := sorted(here & set(before.restored.split()) - set(after.restored.split())):
        changes.append(f"{_listed(relapsed, names)} lost again")
    if after.scope != before.scope:
        changes.append(f"now {after.scope}")
    if after.severity != before.severity:
        changes.append(f"severity now {after.severity}")
    if after.mechanism != before.mechanism and after.mechanism:
        changes.append(f"mechanism now {after.mechanism}")
    if after.silent != before.silent:
        changes.append("results have stopped" if after.silent else "results flow again")
    if after.quieted != before.quieted and after.quieted:
        changes.append("lost in most watched countries")
    if after.coincides != before.coincides:
        changes.append("coincides with a scheduled event")
    if after.doubt != before.doubt:
        changes.append(NOT_CONFIRMED if after.doubt else CONFIRMED)
    if after.level != before.level and after.level:
        changes.append(after.level)
    if after.targets != before.targets:
        changes.append("lost on some of the addresses" if after.targets else "lost on all addresses")
    changes += [
        f"{source} {says}"
        for source, _, says in (word.partition("=") for word in after.witnesses.split())
        if f"{source}={says}" not in before.witnesses.split()
    ]
    was, now = set(before.unheard_units.split()), set(after.unheard_units.split())
    if mute := [_places(now - was)] * bool(now - was) + [
        names.get(name, name)
        for name in after.unheard_platforms.split()
        if name not in before.unheard_platforms.split()
    ]:
        changes.append(f"nothing is heard of {_listed(mute, {})} any more")
    if again := (was - now) & set(after.lasting.split()):
        changes.append(f"{_places(again)} heard again")
    return changes


def _listed(names_of: list[str], names: Mapping[str, str]) -> str:
    words = [names.get(name, name) for name in names_of]
    if len(words) > _LISTED_MAX + 1:
        words = [*words[:_LISTED_MAX], f"{len(words) - _LISTED_MAX} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _places(units: Iterable[str], more: str = "") -> str:
    """Count networks, and regions, in words: a network stands as its number, a region as 0 and its code."""
    places = list(units)
    regions = sum(not unit.isdigit() for unit in places)
    counts = [(len(places) - regions, "network"), (regions, "region")]
    return " and ".join(f"{n} {more}{noun}{'' if n == 1 else 's'}" for n, noun in counts if n)
