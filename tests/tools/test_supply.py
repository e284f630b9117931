"""What netdusk is made of, as a document; and an audit that can fail."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.audit import verdict
from tools.licences import LOCK, locked
from tools.sbom import JARS, document

FINE: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
FAULTY: dict[str, Any] = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED: dict[str, Any] = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([FINE], 0, "1 packages asked about: no known fault"),
        ([FINE, FAULTY], 1, "b 2: PYSEC-1, mended in 3"),
        ([FINE, SKIPPED], 2, "1 of 2 packages could not be asked about, the first one because: not found"),
        ([SKIPPED], 2, "1 of 1 packages could not be asked about, the first one because: not found"),
        ([FAULTY, SKIPPED], 1, "b 2: PYSEC-1, mended in 3"),
        ([], 2, "no package was asked about"),
    ],
)
def test_what_could_not_be_asked_about_is_no_success(
    packages: list[dict[str, Any]], code: int, words: str
) -> None:
    given, lines = verdict({"dependencies": packages})
    assert given == code
    assert words in lines


@pytest.fixture(scope="module")
def sbom() -> str:
    return document(LOCK.read_text(), JARS.read_text())


def test_the_sbom_names_every_locked_package_and_jar(sbom: str) -> None:
    made = orjson.loads(sbom)
    refs = {component["bom-ref"]: component for component in made["components"]}
    assert {ref for ref in refs if ref.startswith("pypi:")} == {
        f"pypi:{name}" for name in locked(LOCK.read_text())
    }
    jars = [line for line in JARS.read_text().splitlines() if line and not line.startswith("#")]
    assert sum(ref.startswith("maven:") for ref in refs) == len(jars) > 20
    assert refs["pypi:msgspec"]["licenses"][0]["license"]["name"] == "BSD-3-Clause"
    assert refs["pypi:msgspec"]["properties"]
    depends = {one["ref"]: one.get("dependsOn", []) for one in made["dependencies"]}
    assert "pypi:msgspec" in depends["netdusk"]
    assert "pypi:multidict" in depends["pypi:aiohttp"]


def test_the_sbom_is_of_its_format(sbom: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None
