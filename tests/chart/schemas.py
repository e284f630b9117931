"""JSON Schemas of Kubernetes' own objects and of custom ones, for kubeconform.

`python -m tests.chart.schemas OUT SWAGGER CRD...` writes them.
Made from what the projects publish: Kubernetes' OpenAPI document (api/openapi-spec/swagger.json of its Go module) and
CustomResourceDefinitions. Each file stands for itself, and an unknown field is an error, as it is to an API server that
decodes strictly. Knows no chart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_PREFIX = "#/definitions/"


def file_name(group: str, version: str, kind: str) -> str:
    """As kubeconform's template `{{.ResourceKind}}{{.KindSuffix}}.json` looks for it.

    >>> file_name("apps", "v1", "Deployment"), file_name("", "v1", "Service")
    ('deployment-apps-v1.json', 'service-v1.json')
    """
    parts = [kind.lower(), *([group.split(".", maxsplit=1)[0]] if group else []), version]
    return "-".join(parts) + ".json"


def strict(schema: Any) -> Any:
    """The same schema as JSON Schema, closed: an object with named properties takes no others.

    >>> strict({"properties": {"a": {"type": "string", "format": "int-or-string"}}})
    {'properties': {'a': {'type': ['string', 'integer']}}, 'additionalProperties': False}
    """
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "definitions", "patternProperties"):
            made[key] = {name: strict(item) for name, item in value.items()}
        elif not key.startswith("x-kubernetes-"):
            made[key] = strict(value) if key not in ("enum", "default", "required") else value
    open_ = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not open_:
        made["additionalProperties"] = False
    return made


def of_kubernetes(swagger: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """File name and schema of every kind in Kubernetes' OpenAPI document."""
    definitions = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    # The document says string; what is accepted is a number too (k8s.io/apimachinery, resource.Quantity).
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    for name, schema in swagger["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            needed = _needed(name, definitions)
            whole = definitions[name] | {"definitions": {key: definitions[key] for key in needed}}
            yield file_name(kind["group"], kind["version"], kind["kind"]), whole


def of_definition(crd: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """File name and schema of every version of a CustomResourceDefinition."""
    spec = crd["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        yield file_name(spec["group"], version["name"], spec["names"]["kind"]), schema


def _needed(name: str, definitions: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    waiting = [definitions[name]]
    while waiting:
        for target in _targets(waiting.pop()):
            if target not in found:
                found.add(target)
                waiting.append(definitions[target])
    return found


def _targets(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _targets(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(_PREFIX)
            else:
                yield from _targets(value)


def main(out: Path, swagger: Path, crds: list[Path]) -> None:
    """Write one file a kind and version."""
    out.mkdir(parents=True, exist_ok=True)
    made = dict(of_kubernetes(json.loads(swagger.read_text())))
    for path in crds:
        for document in yaml.safe_load_all(path.read_text()):
            if document:
                made |= dict(of_definition(document))
    for name, schema in made.items():
        (out / name).write_text(json.dumps(schema))
    print(f"{len(made)} schemas in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(argument) for argument in sys.argv[3:]])
