"""The served description of the API: valid, whole, and of today's routes."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from fakes.service import make_service
from jobmon.core import routes
from jobmon.core.routes import Route
from jobmon.server.db import Database
from jobmon.server.serve import make_app

ALL = {name: route for name, route in vars(routes).items() if isinstance(route, Route)}


@pytest.fixture
def document(database: Database) -> dict[str, Any]:
    reply = make_app(make_service(database)).test_client().get("/openapi.json")
    assert (reply.status_code, reply.mimetype) == (200, "application/json")
    return dict(reply.get_json())


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)

    assert document["openapi"].startswith("3.1.")


def test_every_route_is_in_it_with_its_bodies_and_nothing_else(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, route.prefix + route.path) for route in ALL.values()}

    for route in ALL.values():
        one = document["paths"][route.prefix + route.path][route.method.lower()]
        assert one["summary"].endswith((".", ".)", "?"))
        assert ("requestBody" in one) == (route.method == "POST")
        assert (one.get("security") == []) == (route.action == "open")
        assert {"200", "400", "413", "429", "503"} <= one["responses"].keys()


def test_limits_are_in_it(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["ToolRequest"]["properties"]["name"]["maxLength"] == 255
    assert schemas["ToolRequest"]["additionalProperties"] is False
    tasks = document["paths"]["/api/v1/workflow/{workflow_id}/tasks"]["get"]["parameters"]
    limit = next(one["schema"] for one in tasks if one["name"] == "limit")
    assert (limit["maximum"], limit["default"]) == (10_000, 5)
