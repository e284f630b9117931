"""Writes what netdusk is made of as a CycloneDX 1.6 document: `make sbom`, or `python -m tools.sbom FILE`.

The packages of requirements/run.txt with their licences and who needs whom, and the jars of the embedded broker with
their hashes. Of a package the lock has a hash for each of its files; they are properties, as none is the package's own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.licences import LOCK, licences

JARS: Final = Path(__file__).parents[1] / "streams/local/kafka.lock"
_PACKAGE: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+).*\n((?:    --hash=.*\n)*)", re.MULTILINE)


def packages(lock: str) -> list[Component]:
    """The packages of a lock. Raises ValueError for one whose licence may not be used."""
    listed = [(name, number, hashes) for name, number, hashes in _PACKAGE.findall(lock)]
    licence_of = licences(name for name, _, _ in listed)
    return [
        Component(
            name=name,
            version=number,
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", None, name, number),
            bom_ref=f"pypi:{name}",
            licenses=[DisjunctiveLicense(name=licence_of[name])],
            properties=[
                Property(name="netdusk:lock:sha256", value=digest)
                for digest in re.findall(r"sha256:([0-9a-f]{64})", hashes)
            ],
        )
        for name, number, hashes in listed
    ]


def jars(lock: str) -> list[Component]:
    """The jars of the embedded broker."""
    made = []
    for line in lock.splitlines():
        if not line or line.startswith("#"):
            continue
        coordinate, digest, _ = line.split()
        group, name, number = coordinate.split(":")[:3]
        made.append(
            Component(
                name=name,
                group=group,
                version=number,
                type=ComponentType.LIBRARY,
                purl=PackageURL("maven", group, name, number),
                bom_ref=f"maven:{coordinate}",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            )
        )
    return made


def needs(package: str, known: Iterable[str]) -> list[str]:
    """Which of the known packages a package names as needed, with all its extras."""
    try:
        named = {canonicalize_name(Requirement(text).name) for text in requires(package) or ()}
    except PackageNotFoundError:
        named = set()
    return sorted(named & set(known))


def document(lock: str, jar_lock: str) -> str:
    """The document, indented. Raises ValueError where a licence may not be used."""
    root = Component(
        name="netdusk", version=version("netdusk"), type=ComponentType.APPLICATION, bom_ref="netdusk"
    )
    bom = Bom()
    bom.metadata.component = root
    own, broker = packages(lock), jars(jar_lock)
    by_name = {component.name: component for component in own}
    for component in (*own, *broker):
        bom.components.add(component)
    bom.register_dependency(root, [*(by_name[name] for name in needs("netdusk", by_name)), *broker])
    for name, component in by_name.items():
        bom.register_dependency(
            component, [by_name[other] for other in needs(name, by_name) if other != name]
        )
    return JsonV1Dot6(bom).output_as_string(indent=2)


def main() -> None:
    """Write the document."""
    text = document(LOCK.read_text(), JARS.read_text())
    Path(sys.argv[1]).write_text(text + "\n")
    sys.stdout.write(f"{sys.argv[1]}: {text.count('purl')} components\n")


if __name__ == "__main__":
    main()
