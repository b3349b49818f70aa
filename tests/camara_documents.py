"""The three CAMARA documents as schemas that answers are held against, and their examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

NAMES = {
    "/location-verification/v3": "location-verification.yaml",
    "/location-retrieval/v0.5": "location-retrieval.yaml",
    "/geofencing-subscriptions/v0.5": "geofencing-subscriptions.yaml",
}


class _Texts(yaml.SafeLoader):
    """YAML whose dates stay text, as in JSON."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Document:
    """One of the documents.

    A schema with a discriminator says by one of its fields which other schema holds. Plain JSON Schema knows no such thing, so
    wherever one is named, but for the schemas that are made of it, exactly one of the others must hold.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self.prefix = prefix
        self.tree: dict[str, Any] = yaml.load((folder / "camara" / NAMES[prefix]).read_text("utf-8"), Loader=_Texts)
        self._bases = {
            f"#/components/schemas/{name}": schema["discriminator"]
            for name, schema in self.tree["components"]["schemas"].items()
            if "discriminator" in schema
        }
        plain = self._plain(self.tree, whole=False)
        self._registry: Registry[Any] = Registry().with_resource("urn:document", Resource(plain, DRAFT202012))

    def _plain(self, node: Any, *, whole: bool) -> Any:
        if isinstance(node, list):
            return [self._plain(each, whole=whole) for each in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str) and reference in self._bases and not whole:
            return self._one_of(reference, "")
        return {
            key: self._plain(value, whole=key == "allOf")
            for key, value in node.items()
            if key not in ("discriminator", "example", "examples")
        }

    def _one_of(self, base: str, prefix: str) -> dict[str, Any]:
        field, others = self._bases[base]["propertyName"], self._bases[base]["mapping"]
        return {
            "oneOf": [
                {"allOf": [{"$ref": f"{prefix}{there}"}, {"type": "object", "required": [field], "properties": {field: {"const": value}}}]}
                for value, there in others.items()
            ]
        }

    def faults(self, pointer: str, value: Any) -> list[str]:
        """What is wrong with a value by the schema at a place of the document."""
        # What leaves or enters is JSON: everything else would be a fault of the test.
        value = json.loads(json.dumps(value))
        schema = {"$ref": f"urn:document#{pointer}"}
        if (base := f"#{pointer}") in self._bases:
            schema = self._one_of(base, "urn:document")
        checker = Draft202012Validator(schema, registry=self._registry, format_checker=FormatChecker())
        return [f"{each.json_path}: {each.message}" for each in checker.iter_errors(value)]

    def schema(self, name: str) -> str:
        return f"/components/schemas/{name}"

    def answer_faults(self, path: str, method: str, status: int, body: Any, headers: Any) -> list[str]:
        """What is wrong with an answer of an operation; a status that the document does not name needs the common form."""
        template = path.removeprefix(self.prefix)
        if template.startswith("/subscriptions/"):
            template = "/subscriptions/{subscriptionId}"
        operation = self.tree["paths"].get(template, {}).get(method.lower(), {})
        said = operation.get("responses", {}).get(str(status))
        found = [] if "x-correlator" in headers else ["the answer does not give x-correlator back"]
        if said is None:
            pointer = self.schema("ErrorInfo")
        elif "$ref" in said:
            pointer = f"{said['$ref'].removeprefix('#')}/content/application~1json/schema"
        elif "content" not in said:
            return found + ([] if body is None else ["the answer has a body"])
        else:
            place = f"/paths/{template.replace('/', '~1')}/{method.lower()}/responses/{status}"
            pointer = f"{place}/content/application~1json/schema"
        return found + self.faults(pointer, body)

    def examples(self) -> Iterator[tuple[str, str, Any]]:
        """Each example of a body: where its schema stands, its name, and the value."""
        yield from self._examples(self.tree, "")

    def _examples(self, node: Any, pointer: str) -> Iterator[tuple[str, str, Any]]:
        if isinstance(node, list):
            for n, each in enumerate(node):
                yield from self._examples(each, f"{pointer}/{n}")
        if not isinstance(node, dict):
            return
        if "schema" in node and isinstance(node.get("examples"), dict):
            for name, example in node["examples"].items():
                told = example
                if "$ref" in told:
                    told = self.tree["components"]["examples"][told["$ref"].rsplit("/", 1)[-1]]
                yield f"{pointer}/schema", name, told["value"]
        for key, value in node.items():
            yield from self._examples(value, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
