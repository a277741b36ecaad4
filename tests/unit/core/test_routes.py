"""The routes, as both sides read them."""

import inspect
import re
from typing import Any, get_args, get_type_hints

import pytest

from jobmon.core import routes, wire
from jobmon.core.routes import PREFIX, Route

ALL = {name: route for name, route in vars(routes).items() if isinstance(route, Route)}


def test_no_two_routes_have_one_method_and_path() -> None:
    shapes = [(route.method, re.sub(r"\{\w+\}", "{}", route.path)) for route in ALL.values()]

    assert len(set(shapes)) == len(shapes)


@pytest.mark.parametrize("name", ALL)
def test_a_url_is_the_path_with_its_ids(name: str) -> None:
    route = ALL[name]
    ids = re.findall(r"\{(\w+)\}", route.path)

    url = route.url(**dict.fromkeys(ids, 42))

    assert url.startswith(route.prefix + "/")
    assert route.prefix in ("", PREFIX)
    assert url.count("42") == len(ids)
    assert "{" not in url


@pytest.mark.parametrize("name", ALL)
def test_bodies_are_declared_on_the_wire(name: str) -> None:
    route = ALL[name]

    assert issubclass(route.sent, wire.Request)
    assert issubclass(route.got, wire.Answer)
    assert route.sent.__name__ in wire.__all__
    assert route.got.__name__ in wire.__all__


@pytest.mark.parametrize("name", [name for name, route in ALL.items() if route.method == "GET"])
def test_a_question_by_get_fits_into_a_query(name: str) -> None:
    hints = get_type_hints(ALL[name].sent)

    assert not [hint for hint in hints.values() if "dict" in str(hint) or "Struct" in str(hint)]


def test_only_probes_are_open_and_whatever_changes_something_is_not_a_read() -> None:
    assert [name for name, route in ALL.items() if route.action == "open"] == ["HEALTH", "READY", "OPENAPI"]
    for name, route in ALL.items():
        assert route.action in get_args(routes.Action)
        assert route.method == "POST" or route.action in ("open", "metrics", "read", "inspect", "self"), name


def test_every_route_has_one_handler_that_takes_and_gives_what_it_declares() -> None:
    from jobmon.server import serve, views

    views.load()
    handlers: dict[Route[Any, Any], Any] = serve._handlers

    assert set(handlers) == set(ALL.values())
    for route, handler in handlers.items():
        hints = get_type_hints(handler)
        ids = re.findall(r"\{(\w+)\}", route.path)
        assert list(inspect.signature(handler).parameters) == ["service", "sent", *ids]
        assert (hints["sent"], hints["return"]) == (route.sent, route.got)
