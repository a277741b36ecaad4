"""The description of the API, made of the routes and the structs that they carry."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from jobmon.core import __version__
from jobmon.core.routes import Route
from jobmon.core.wire import Failure, Text

ID = {"type": "integer", "minimum": 0}
REF = "#/components/schemas/{name}"
TOKEN = "token"
_ANSWERS = {
    "400": "The request is not as declared, or cannot be carried out.",
    "401": "No valid token came with it.",
    "403": "The caller may not do this.",
    "404": "There is no such thing.",
    "409": "The state is not what the request needs.",
    "410": "The attempt belongs to another runner, or is over.",
    "413": "The body is too large.",
    "426": "Caller and server are too many versions apart.",
    "429": "This caller asks too often; Retry-After says when to come back.",
    "503": "Busy, or not ready; Retry-After says when to come back.",
    "507": "The database has no room.",
}


def describe(handlers: Mapping[Route[Any, Any], object]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes; a route's handler says what it does."""
    bodies = dict.fromkeys(body for route in handlers for body in (route.sent, route.got))
    structs = [Failure, *(body for body in bodies if body is not Text)]
    _, components = msgspec.json.schema_components(structs, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route, handler in sorted(handlers.items(), key=lambda one: one[0].prefix + one[0].path):
        at = paths.setdefault(route.prefix + route.path, {})
        at[route.method.lower()] = _operation(route, inspect.getdoc(handler) or "", components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jobmon state server",
            "version": __version__,
            "description": "Binds workflows, hands out attempts, takes reports.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {TOKEN: {"type": "http", "scheme": "bearer"}},
        },
        "security": [{TOKEN: []}],
    }


def _operation(route: Route[Any, Any], text: str, components: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": text.partition("\n")[0],
        "description": f"{text}\n\nNeeds the right to: {route.action}.",
        "parameters": [*_path(route), *(_query(route, components) if route.method == "GET" else [])],
        "responses": {"200": _answer(route), **{code: _failure(said) for code, said in _ANSWERS.items()}},
    }
    if route.method == "POST":
        operation["requestBody"] = {"required": True, "content": _json(route.sent)}
    if route.action == "open":
        operation["security"] = []
    return operation


def _path(route: Route[Any, Any]) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": ID} for name in names]


def _query(route: Route[Any, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One parameter a field; a list is a repeated name."""
    schema = components[route.sent.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": kind}
        for name, kind in schema["properties"].items()
    ]


def _json(struct: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(name=struct.__name__)}}}


def _answer(route: Route[Any, Any]) -> dict[str, Any]:
    if route.got is Text:
        return {"description": "The page.", "content": {"*/*": {"schema": {}}}}
    return {"description": inspect.getdoc(route.got) or "", "content": _json(route.got)}


def _failure(said: str) -> dict[str, Any]:
    return {"description": said, "content": _json(Failure)}


def document(handlers: Mapping[Route[Any, Any], object]) -> str:
    """`describe` as JSON."""
    return msgspec.json.encode(describe(handlers)).decode()
