"""The description of the service: OpenAPI 3.1, generated from the routes, with what every route has in common added once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from groundrule.api.problems import PROBLEM, Problem

_SECURITY: Final[list[dict[str, list[str]]]] = [{"key": []}, {"session": []}]
_SCHEMES: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key of this service, or a token of an OpenID provider that it believes."},
    "session": {
        "type": "apiKey", "in": "cookie", "name": "groundrule_session",
        "description": "Of the console; requests that change something carry the header X-Groundrule-Request, too.",
    },
}  # fmt: skip


def document(app: Litestar) -> dict[str, Any]:
    """Return the OpenAPI document of an application.

    To what the framework generates this adds: problem details as the answer of every failure, the permission that a route needs
    (`x-permission`), how to log in, and what a handler states in `opt["openapi"]`, merged into its operation.
    """
    made: dict[str, Any] = app.openapi_schema.to_schema()
    (_, schemas) = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    components = made.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas)
    components["securitySchemes"] = _SCHEMES
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        item = made["paths"].get(route.path_format)
        for handler in route.route_handlers:
            for method in handler.http_methods:
                operation = None if item is None else item.get(method.lower())
                if operation is None:
                    continue
                permission = handler.opt.get("permission", "")
                operation["x-permission"] = permission
                if not handler.opt.get("open"):
                    operation["security"] = _SECURITY
                problem = {"description": "It failed, and why", "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
                responses = operation.setdefault("responses", {})
                for status in ("400", "401", "403"):
                    responses.pop(status, None)
                responses.get("204", {}).pop("content", None)  # there is none
                if handler.opt.get("errors") != "own":
                    responses["default"] = problem
                _merge(operation, handler.opt.get("openapi", {}))
    made["paths"] = dict(sorted(made["paths"].items()))
    components["schemas"] = dict(sorted(components["schemas"].items()))
    return made


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
